// Parts, groups, candidates for validation and No-Vary-Search: what the backends keep beside whole responses.

#include "any_backend.hpp"
#include "sqlite_file.hpp"

using namespace backend_test;

namespace {

constexpr char url[] = "http://example.org/page";

CachedResponse part(std::string_view where, policy::ByteParts parts, std::string body) {
  CachedResponse const whole = page(where, body);
  CacheInfo info(whole);
  info.set_parts(std::move(parts));
  ResponseHead head(whole.url(), 206, "Partial Content", whole.headers());
  return CachedResponse(Response(std::move(head), std::move(body)), std::move(info));
}

}  // namespace

TEST_CASE("A backend keeps which bytes a part is made of") {
  AnyBackend backend;
  INFO(backend.name());
  policy::ByteParts parts(GENERATE(as<std::optional<std::uint64_t>>(), std::nullopt, 1000));
  parts.add(policy::ByteRange(0, 2));
  parts.add(policy::ByteRange(10, 11));
  run(backend->store(part(url, parts, "abcde")));
  Lookup const found = run(backend->lookup(query(url)));
  REQUIRE(found.selected().has_value());
  CHECK(found.selected()->parts().ranges() == parts.ranges());
  CHECK(found.selected()->parts().complete() == parts.complete());
  CHECK(found.selected()->body().text()->substr() == "abcde");
  run(backend->store(page(url, "the whole")));
  Lookup const whole = run(backend->lookup(query(url)));
  REQUIRE(whole.selected().has_value());
  CHECK(whole.selected()->parts().ranges().empty());
}

TEST_CASE("A row whose parts are not those of its body answers nobody") {
  SQLiteBackend backend(":memory:");
  for (std::uint64_t last : {std::uint64_t{3}, std::uint64_t{5}, ~std::uint64_t{0}}) {
    CAPTURE(last);
    policy::ByteParts parts;
    parts.add(policy::ByteRange(0, last));
    run(backend.store(part(url, parts, "abcde")));
    CHECK_FALSE(run(backend.lookup(query(url))).selected().has_value());
  }
}

TEST_CASE("The text of byte ranges is read only as it was written") {
  for (char const* text : {"", "0-0/1", "0-2,10-11/1000", "5-9/*", "0-18446744073709551614/*"}) {
    auto const parts = detail::parse_parts(text);
    REQUIRE(parts.has_value());
    CHECK(detail::format_parts(*parts) == text);
  }
  for (char const* text :
       {"/", "/*", "0-2", "0-2/", "0/1", "2-0/9", "0-2,1-4/9", "4-5,0-1/9", "0-1,2-3/9", "0-2,/9", "a-b/9",
        "0-2/x", " 0-2/9", "+0-2/9", "00-2/9", "0-18446744073709551616/*"}) {
    CAPTURE(text);
    CHECK_FALSE(detail::parse_parts(text).has_value());
  }
}

TEST_CASE("Where no variant answers, those of the same user and method are candidates for validation") {
  AnyBackend backend;
  INFO(backend.name());
  for (char const* language : {"de", "en"}) {
    std::string const block = "Accept-Language: " + std::string(language) + "\r\n";
    run(backend->store(answer(make_request(url, block), "Vary: Accept-Language\r\n", language)));
  }
  Request const french = make_request(url, "Accept-Language: fr\r\n");
  run(backend->store(answer(french, "Vary: Accept-Language\r\n", "alice's", 0, "alice")));
  run(backend->store(answer(make_request(url, "Accept-Language: it\r\n", http::verb::head),
                            "Vary: Accept-Language\r\n", "")));
  Lookup const miss = run(backend->lookup(LookupQuery(french, "")));
  CHECK_FALSE(miss.selected().has_value());
  REQUIRE(miss.candidates().size() == 2);
  for (CachedHead const& head : miss.candidates()) {
    Lookup const found = run(backend->lookup(LookupQuery(head)));
    REQUIRE(found.selected().has_value());
    CHECK(found.selected()->body().text()->substr() == head.vary_headers()["Accept-Language"]);
  }
  CHECK(run(backend->lookup(LookupQuery(french, "alice"))).candidates().empty());  // it is the answer
}

TEST_CASE("A group's responses go together, those of one origin only") {
  AnyBackend backend;
  INFO(backend.name());
  auto const store = [&](std::string_view where, std::string_view headers) {
    run(backend->store(answer(make_request(where), headers, "body")));
  };
  store("http://example.org/1", "Cache-Groups: \"a\", \"b\"\r\n");
  store("http://example.org/2", "Cache-Groups: \"b\"\r\n");
  store("http://example.org/3", "Cache-Groups: \"c\"\r\n");
  store("http://example.org/4", "");
  store("http://example.org:8080/1", "Cache-Groups: \"a\"\r\n");
  store("https://example.org/1", "Cache-Groups: \"a\"\r\n");
  CHECK(run(backend->remove_groups(Url("http://example.org/unsafe"), {"x"})) == 0);
  CHECK(run(backend->remove_groups(Url("http://example.org/unsafe"), {"a", "c"})) == 2);
  auto const there = [&](std::string_view where) { return run(backend->has_url(Url(where))); };
  CHECK_FALSE(there("http://example.org/1"));
  CHECK(there("http://example.org/2"));
  CHECK_FALSE(there("http://example.org/3"));
  CHECK(there("http://example.org/4"));
  CHECK(there("http://example.org:8080/1"));
  CHECK(there("https://example.org/1"));
}

TEST_CASE("No-Vary-Search lets one URL's response answer another's request") {
  AnyBackend backend;
  INFO(backend.name());
  auto const store = [&](std::string_view where, std::string_view headers, std::string body) {
    run(backend->store(answer(make_request(where), headers, std::move(body))));
  };
  auto const find = [&](std::string_view where, std::string_view headers = "") {
    return body_of(run(backend->lookup(query(where, headers))));
  };
  std::string const rule = "No-Vary-Search: key-order, params=(\"utm\")\r\n";
  store("http://example.org/s?a=1&b=2&utm=x", rule, "one");
  store("http://example.org/s?a=1&b=3", rule, "two");
  CHECK(find("http://example.org/s?b=2&a=1") == "one");
  CHECK(find("http://example.org/s?utm=&a=1&utm=z&b=3") == "two");
  CHECK(find("http://example.org/s?a=1&b=2&utm=x") == "one");
  CHECK_FALSE(find("http://example.org/s?a=1&b=4").has_value());
  CHECK_FALSE(find("http://example.org/t?a=1&b=2").has_value());
  CHECK_FALSE(find("https://example.org/s?a=1&b=2").has_value());
  CHECK_FALSE(find("http://example.org/s").has_value());
  store("http://example.org/v?a=1", rule + "Vary: Accept\r\n", "varies");
  CHECK(find("http://example.org/v?utm=1&a=1") == "varies");
  CHECK_FALSE(find("http://example.org/v?utm=1&a=1", "Accept: x\r\n").has_value());
  store("http://example.org/plain?a=1", "", "plain");
  CHECK_FALSE(find("http://example.org/plain?a=1&utm=x").has_value());
}

TEST_CASE("A file of the first version keeps its responses and aliases") {
  TempDir dir;
  std::string const file = dir / "cache.sqlite";
  {
    SQLiteBackend backend(file);
    run(backend.store(page(url, "body")));
    run(backend.store(answer(make_request("http://example.org/signed"), "ETag: \"1\"\r\n", "other", 3)));
    run(backend.store_alias(Url("http://example.org/old"), Url(url)));
    run(backend.close());
  }
  // The tables as version 1 made them.
  execute(
      file,
      "BEGIN; CREATE TABLE old AS SELECT * FROM responses; DROP TABLE responses;"
      "DROP TABLE responses_bodies; DROP TABLE responses_chunks; DROP TABLE responses_secret;"
      "DROP VIEW v_hosts; DROP VIEW v_entries; DROP TABLE responses_pins;"
      "CREATE TABLE responses("
      "id INTEGER PRIMARY KEY, key TEXT NOT NULL, variant TEXT NOT NULL, url TEXT NOT NULL, method TEXT NOT "
      "NULL, status INTEGER NOT NULL, reason TEXT NOT NULL, version INTEGER NOT NULL, headers TEXT NOT NULL, "
      "vary_headers TEXT NOT NULL, principal TEXT NOT NULL, request_time INTEGER NOT NULL, response_time "
      "INTEGER NOT NULL, created_at INTEGER, expires_at INTEGER, expires_override INTEGER, expires_fallback "
      "INTEGER, size INTEGER NOT NULL, body_checksum TEXT NOT NULL, checksum TEXT NOT NULL, body BLOB NOT "
      "NULL, UNIQUE(key, variant));"
      "CREATE INDEX responses_expires_at ON responses(expires_at);"
      "INSERT INTO responses SELECT id, key, variant, url, method, status, reason, version, headers, "
      "vary_headers, principal, request_time, response_time, created_at, expires_at, expires_override, "
      "expires_fallback, size, body_checksum, checksum, body FROM old; DROP TABLE old;"
      "UPDATE beast_cache_tables SET version = 1 WHERE name = 'responses'; COMMIT");
  SQLiteBackend backend(file);
  CHECK(body_of(run(backend.lookup(query(url)))) == "body");
  CHECK(body_of(run(backend.lookup(query("http://example.org/signed")))) == "other");
  CHECK(run(backend.has_url(Url("http://example.org/old"))));
  policy::ByteParts parts(100);
  parts.add(policy::ByteRange(0, 1));
  run(backend.store(part("http://example.org/part", parts, "ab")));
  CHECK(body_of(run(backend.lookup(query("http://example.org/part")))) == "ab");
  CHECK(run(backend.remove_expired(at(61))) == 2);
}

TEST_CASE("Removing a URL takes what is stored for it under keys of its own") {
  AnyBackend backend;
  INFO(backend.name());
  auto const key_of = [](char digit) { return std::string(64, digit); };
  auto const store = [&](std::string_view where, std::string const& key) {
    StoredResponse response = page(where, "body");
    response.set_key(key);
    run(backend->store(std::move(response)));
  };
  auto const there = [&](std::string_view where, std::string const& key) {
    return body_of(run(backend->lookup(LookupQuery(make_request(where), "", key)))).has_value();
  };
  store("http://example.org/q", key_of('a'));
  store("http://example.org/q", key_of('b'));
  store("http://example.org/other", key_of('c'));
  CHECK(run(backend->remove_with_aliases(Url("http://example.org/q"))));
  CHECK_FALSE(there("http://example.org/q", key_of('a')));
  CHECK_FALSE(there("http://example.org/q", key_of('b')));
  CHECK(there("http://example.org/other", key_of('c')));
  CHECK_FALSE(run(backend->remove_with_aliases(Url("http://example.org/q"))));
  store("http://example.org/q", key_of('a'));
  CHECK(run(backend->remove_key(key_of('a'))));
  CHECK_FALSE(run(backend->remove_with_aliases(Url("http://example.org/q"))));
}

TEST_CASE("A file of the fifth version learns for which URLs its own keys are") {
  TempDir dir;
  std::string const file = dir / "cache.sqlite";
  std::string const own(64, 'a');
  {
    SQLiteBackend backend(file);
    run(backend.store(page(url, "body")));
    StoredResponse response = page("http://example.org/q", "answer");
    response.set_key(own);
    run(backend.store(std::move(response)));
    run(backend.close());
  }
  execute(file, to_version_5);
  SQLiteBackend backend(file);
  CHECK(body_of(run(backend.lookup(query(url)))) == "body");
  CHECK(body_of(run(backend.lookup(LookupQuery(make_request("http://example.org/q"), "", own)))) == "answer");
  CHECK(execute(file, "SELECT count(*), count(url_key) FROM responses") == "2|1");
  CHECK(run(backend.remove_with_aliases(Url("http://example.org/q"))));
  CHECK_FALSE(body_of(run(backend.lookup(LookupQuery(make_request("http://example.org/q"), "", own)))));
  CHECK(body_of(run(backend.lookup(query(url)))) == "body");
}

TEST_CASE("A key function that fails keeps nothing from being removed by its URL") {
  std::string const where = "http://example.org/q", key(64, 'a');
  CacheOptions options;
  options.key([](Request const&) -> std::string { throw std::runtime_error("no tenant"); });
  bool const is_sqlite = GENERATE(true, false);
  TempDir dir;
  std::shared_ptr<CacheBackend> backend;
  if (is_sqlite) {
    backend = std::make_shared<SQLiteBackend>(dir / "cache.sqlite", options);
  } else {
    backend = std::make_shared<CacheBackend>(std::make_shared<MemoryCache<CachedResponse>>(),
                                             std::make_shared<MemoryCache<std::string>>(), options);
  }
  StoredResponse response = page(where, "body");
  response.set_key(key);
  run(backend->store(std::move(response)));
  CHECK_THROWS_AS(run(backend->remove_with_aliases(Url(where))), std::runtime_error);
  CHECK_FALSE(body_of(run(backend->lookup(LookupQuery(make_request(where), "", key)))));
}

TEST_CASE("Each user of a URL has variants of their own") {
  SQLiteBackend backend(":memory:");
  auto const ask = [](int user) { return LookupQuery(make_request(url), "user " + std::to_string(user)); };
  auto const store = [&](int user, std::string body, std::int64_t time) {
    StoredResponse response = page(url, std::move(body), time);
    response.set_principal("user " + std::to_string(user));
    run(backend.store(std::move(response)));
  };
  for (int user = 0; user < 100; ++user) store(user, std::to_string(user), user);
  for (int user = 0; user < 100; ++user)
    CHECK(body_of(run(backend.lookup(ask(user)))) == std::to_string(user));
  // But not without end.
  for (int user = 100; user < 300; ++user) store(user, "more", user);
  CHECK_FALSE(body_of(run(backend.lookup(ask(43)))));
  CHECK(body_of(run(backend.lookup(ask(44)))) == "44");
}

TEST_CASE("Of the URLs that lead to one the latest are known") {
  AnyBackend backend;
  INFO(backend.name());
  run(backend->store(page(url, "body")));
  auto const from = [](int number) { return Url("http://example.org/r?id=" + std::to_string(number)); };
  for (int i = 0; i < 40; ++i) run(backend->store_alias(from(i), Url(url)));
  CHECK(run(backend->has_url(from(39))));
  CHECK(run(backend->has_url(from(8))));
  CHECK(run(backend->remove_with_aliases(Url(url))));
  CHECK_FALSE(run(backend->has_url(from(39))));
  CHECK_FALSE(run(backend->has_url(from(0))));
}

TEST_CASE("In the file there are not more of them than that") {
  TempDir dir;
  SQLiteBackend backend(dir / "cache.sqlite");
  run(backend.store(page(url, "body")));
  for (int i = 0; i < 40; ++i)
    run(backend.store_alias(Url("http://example.org/r?id=" + std::to_string(i)), Url(url)));
  CHECK(execute(dir / "cache.sqlite", "SELECT count(*), min(id) FROM redirects") == "32|9");
}

TEST_CASE("A URL is known by what is stored for it under keys of its own") {
  AnyBackend backend;
  INFO(backend.name());
  StoredResponse response = page("http://example.org/q", "body");
  response.set_key(std::string(64, 'a'));
  run(backend->store(std::move(response)));
  CHECK(run(backend->has_url(Url("http://example.org/q"))));
  CHECK_FALSE(run(backend->has_url(Url("http://example.org/"))));
  // Beside what is stored for the URL itself.
  run(backend->store(page("http://example.org/q", "page")));
  CHECK(run(backend->remove_key(std::string(64, 'a'))));
  CHECK(run(backend->has_url(Url("http://example.org/q"))));
  CHECK(run(backend->remove_expired(at(1000))) == 1);
  CHECK_FALSE(run(backend->has_url(Url("http://example.org/q"))));
}

TEST_CASE("Removing a URL takes what answers for it by No-Vary-Search") {
  AnyBackend backend;
  INFO(backend.name());
  auto const store = [&](std::string_view where) {
    run(backend->store(answer(make_request(where), "No-Vary-Search: params=(\"utm\")\r\n", "body")));
  };
  auto const there = [&](std::string_view where) {
    return body_of(run(backend->lookup(query(where, "")))).has_value();
  };
  store("http://example.org/s?a=1&utm=x");
  store("http://example.org/s?a=2");
  CHECK(run(backend->remove_with_aliases(Url("http://example.org/s?a=1"))));
  CHECK_FALSE(there("http://example.org/s?a=1&utm=x"));
  CHECK(there("http://example.org/s?a=2"));
  CHECK_FALSE(run(backend->remove_with_aliases(Url("http://example.org/s?a=1"))));
}
