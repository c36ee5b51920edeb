// What every backend does, run over the composition of two key-value caches and over SQLiteBackend.

#include <functional>

#include "any_backend.hpp"

using namespace backend_test;

namespace {

constexpr char url[] = "http://example.org/page";

void store_page(CacheBackend& backend, std::string_view where, std::string body, std::int64_t seconds = 0) {
  run(backend.store(page(where, std::move(body), seconds)));
}

std::optional<std::string> find(CacheBackend& backend, std::string_view where,
                                std::string_view headers = "") {
  return body_of(run(backend.lookup(query(where, headers))));
}

}  // namespace

TEST_CASE("A backend gives back what was stored, byte by byte") {
  AnyBackend backend;
  INFO(backend.name());
  std::string const body =
      GENERATE(as<std::string>(), "text", "", std::string("\0\r\n\xff\0", 5), std::string(300000, 'x'));
  Request const request = make_request(url, "Accept-Language: de\r\nAccept: a, b\r\nAccept: c\r\n");
  CachedResponse stored =
      answer(request,
             "Zebra: 1\r\nSet-Cookie: a=1; Path=/\r\nset-cookie: b=2\r\nContent-Type: x/y\r\n"
             "Vary: Accept-Language, accept, X-Absent\r\nX-Empty: \r\nX-Bytes: \xc3\xa9\xff\r\n",
             body);
  stored.set_overrides(at(7), TimePoint::max());
  run(backend->store(stored));
  Lookup const found = run(backend->lookup(LookupQuery(request, std::string())));
  REQUIRE(found.selected().has_value());
  CHECK_FALSE(found.has_other_variants());
  check_same(*found.selected(), stored);
}

TEST_CASE("A backend keeps each note about a response, and the lack of it") {
  AnyBackend backend;
  INFO(backend.name());
  http::fields headers;
  ResponseHead head(Url("https://user:secret@example.org/x?y"), 404, "", headers, 10);
  CacheInfo info;
  info.set_method(http::verb::head).set_times(TimePoint(), TimePoint::max()).set_principal("somebody");
  info.set_expires(TimePoint::max());
  CachedResponse const stored(Response(head, std::string()), info);
  run(backend->store(stored));
  Lookup const found =
      run(backend->lookup(query("https://example.org/x?y", "", http::verb::head, "somebody")));
  REQUIRE(found.selected().has_value());
  check_same(*found.selected(), stored);
}

TEST_CASE("Nothing stored is a miss, not an error") {
  AnyBackend backend;
  INFO(backend.name());
  Lookup const found = run(backend->lookup(query(url)));
  CHECK_FALSE(found.selected().has_value());
  CHECK_FALSE(found.has_other_variants());
  CHECK_FALSE(run(backend->has_url(Url(url))));
  CHECK_FALSE(run(backend->remove_with_aliases(Url(url))));
  CHECK_FALSE(run(backend->freshen(page(url, "body"))));
  CHECK(run(backend->remove_expired(at(1'000'000))) == 0);
  CHECK_NOTHROW(run(backend->clear()));
}

TEST_CASE("Storing the same variant again replaces it") {
  AnyBackend backend;
  INFO(backend.name());
  store_page(*backend, url, "old");
  store_page(*backend, url, "new", 10);
  CHECK(find(*backend, url) == "new");
  CHECK(run(backend->remove_expired(at(65))) == 0);
  std::uint64_t told = 0;
  auto const progress = [&](std::uint64_t, std::uint64_t removed) { told = removed; };
  CHECK(run(backend->remove_expired(at(70), progress)) == 1);
  CHECK(told == 1);
}

TEST_CASE("Times of any precision say what has expired") {
  AnyBackend backend;
  INFO(backend.name());
  store_page(*backend, url, "body");
  std::chrono::system_clock::time_point const fine = at(60);
  auto const coarse = std::chrono::floor<std::chrono::hours>(at(60));
  auto const count = [&](EntryFilter filter) {
    return run(backend->entries(std::move(filter)).next()).has_value();
  };
  CHECK(count(EntryFilter().expired(fine)));
  CHECK_FALSE(count(EntryFilter().expired(fine - std::chrono::nanoseconds(1))));
  CHECK(count(EntryFilter().created_before(fine)));
  CHECK_FALSE(count(EntryFilter().created_before(coarse)));
  CHECK(run(backend->remove_expired(coarse)) == 0);
  CHECK(run(backend->remove_expired(std::chrono::system_clock::time_point(at(61)))) == 1);
}

TEST_CASE("Variants of one URL live side by side") {
  AnyBackend backend;
  INFO(backend.name());
  for (char const* language : {"de", "en", "fr"}) {
    std::string const block = "Accept-Language: " + std::string(language) + "\r\n";
    run(backend->store(answer(make_request(url, block), "Vary: Accept-Language\r\n", language)));
  }
  CHECK(find(*backend, url, "Accept-Language: de\r\n") == "de");
  CHECK(find(*backend, url, "accept-language: fr\r\nOther: 1\r\n") == "fr");
  Lookup const miss = run(backend->lookup(query(url, "Accept-Language: it\r\n")));
  CHECK_FALSE(miss.selected().has_value());
  CHECK(miss.has_other_variants());
  CHECK_FALSE(run(backend->lookup(query(url))).selected().has_value());
}

TEST_CASE("Of several variants that answer, the newest does") {
  AnyBackend backend;
  INFO(backend.name());
  Request const both = make_request(url, "A: 1\r\nB: 1\r\n");
  run(backend->store(answer(both, "Vary: A\r\n", "by A", 10)));
  run(backend->store(answer(both, "Vary: B\r\n", "by B", 10)));
  CHECK(body_of(run(backend->lookup(LookupQuery(both, "")))) == "by B");  // at the same time: the later one
  run(backend->store(answer(both, "Vary: A\r\n", "by A again", 10)));
  CHECK(body_of(run(backend->lookup(LookupQuery(both, "")))) == "by A again");
  run(backend->store(answer(both, "Vary: B\r\n", "by B, of earlier", 5)));
  CHECK(body_of(run(backend->lookup(LookupQuery(both, "")))) == "by A again");
  CHECK(find(*backend, url, "B: 1\r\n") == "by B, of earlier");
}

TEST_CASE("Of several variants that answer, the one with the latest Date does, whenever it came") {
  AnyBackend backend;
  INFO(backend.name());
  Request const both = make_request(url, "A: 1\r\nB: 1\r\n");
  run(backend->store(answer(both, "Vary: A\r\nDate: Thu, 01 Jan 2026 00:00:50 GMT\r\n", "later", 10)));
  run(backend->store(answer(both, "Vary: B\r\nDate: Thu, 01 Jan 2026 00:00:00 GMT\r\n", "earlier", 20)));
  CHECK(body_of(run(backend->lookup(LookupQuery(both, "")))) == "later");
  CHECK(find(*backend, url, "B: 1\r\n") == "earlier");
}

TEST_CASE("A response that varies on everything answers nothing") {
  AnyBackend backend;
  INFO(backend.name());
  run(backend->store(answer(make_request(url), "Vary: *\r\n", "body")));
  Lookup const miss = run(backend->lookup(query(url)));
  CHECK_FALSE(miss.selected().has_value());
  CHECK(miss.has_other_variants());
}

TEST_CASE("What one user got is not served to another") {
  AnyBackend backend;
  INFO(backend.name());
  Request const request = make_request(url);
  run(backend->store(answer(request, "", "for alice", 0, "alice")));
  for (char const* other : {"", "bob", "alic", "alice "}) {
    Lookup const miss = run(backend->lookup(LookupQuery(request, other)));
    CAPTURE(other);
    CHECK_FALSE(miss.selected().has_value());
  }
  run(backend->store(answer(request, "", "for bob", 1, "bob")));
  run(backend->store(answer(request, "", "for all", 2)));
  CHECK(body_of(run(backend->lookup(LookupQuery(request, "alice")))) == "for alice");
  CHECK(body_of(run(backend->lookup(LookupQuery(request, "bob")))) == "for bob");
  CHECK(body_of(run(backend->lookup(LookupQuery(request, "")))) == "for all");
}

TEST_CASE("GET's response answers HEAD, HEAD's never GET") {
  AnyBackend backend;
  INFO(backend.name());
  Request const head = make_request(url, "", http::verb::head);
  run(backend->store(answer(head, "X: head\r\n", "", 5)));
  CHECK_FALSE(find(*backend, url).has_value());
  CHECK(run(backend->lookup(LookupQuery(head, ""))).selected()->header("X") == "head");
  run(backend->store(answer(make_request(url), "X: get\r\n", "body", 10)));
  CHECK(find(*backend, url) == "body");
  CHECK(run(backend->lookup(LookupQuery(head, ""))).selected()->header("X") == "get");
  CHECK_FALSE(run(backend->lookup(query(url, "", http::verb::post))).selected().has_value());
}

TEST_CASE("Freshening changes the head and keeps the body") {
  AnyBackend backend;
  INFO(backend.name());
  Request const request = make_request(url, "Accept: a\r\n");
  std::string const body(100'000, 'b');
  run(backend->store(answer(request, "ETag: \"1\"\r\nVary: Accept\r\n", body)));
  StoredResponse fresh = *run(backend->lookup(LookupQuery(request, ""))).selected();
  fresh.headers().set("X-New", "yes");
  fresh.headers().erase("ETag");
  fresh.set_times(at(50), at(51)).set_expires(at(500)).set_overrides(at(400), std::nullopt);
  CHECK(run(backend->freshen(fresh)));
  Lookup const found = run(backend->lookup(LookupQuery(request, "")));
  REQUIRE(found.selected().has_value());
  check_same(*found.selected(), fresh);
  CHECK(found.selected()->body().text()->substr() == body);
  CHECK(run(backend->remove_expired(at(100))) == 0);
}

TEST_CASE("Freshening what is gone does not bring it back") {
  AnyBackend backend;
  INFO(backend.name());
  store_page(*backend, url, "body");
  StoredResponse const looked_up = *run(backend->lookup(query(url))).selected();
  CHECK(run(backend->remove_with_aliases(Url(url))));
  CHECK_FALSE(run(backend->freshen(looked_up)));
  CHECK_FALSE(find(*backend, url).has_value());
}

TEST_CASE("Removing a URL takes its variants, its users' answers and the aliases to it") {
  AnyBackend backend;
  INFO(backend.name());
  Request const request = make_request(url, "Accept: a\r\n");
  run(backend->store(answer(request, "Vary: Accept\r\n", "1")));
  run(backend->store(answer(request, "", "2", 0, "alice")));
  store_page(*backend, "http://example.org/other", "3");
  run(backend->store_alias(Url("http://example.org/old"), Url(url)));
  run(backend->store_alias(Url("http://example.org/older"), Url(url)));
  run(backend->store_alias(Url("http://example.org/o"), Url("http://example.org/other")));
  CHECK(run(backend->has_url(Url("http://example.org/old"))));

  CHECK(run(backend->remove_with_aliases(Url(url))));
  CHECK_FALSE(run(backend->lookup(LookupQuery(request, ""))).selected().has_value());
  CHECK_FALSE(run(backend->lookup(LookupQuery(request, "alice"))).selected().has_value());
  CHECK_FALSE(run(backend->has_url(Url(url))));
  CHECK_FALSE(run(backend->remove_with_aliases(Url(url))));
  CHECK(find(*backend, "http://example.org/other") == "3");
  CHECK(run(backend->has_url(Url("http://example.org/o"))));

  store_page(*backend, url, "again");
  CHECK_FALSE(run(backend->has_url(Url("http://example.org/old"))));
}

TEST_CASE("A URL is there when it has a response, or is an alias of one that has") {
  AnyBackend backend;
  INFO(backend.name());
  Url const from("http://example.org/from");
  run(backend->store_alias(from, Url(url)));
  CHECK_FALSE(run(backend->has_url(from)));
  store_page(*backend, url, "body");
  CHECK(run(backend->has_url(from)));
  CHECK(run(backend->has_url(Url("HTTP://EXAMPLE.org:80/page#part"))));
  CHECK_FALSE(find(*backend, from.str()).has_value());  // an alias is no response

  run(backend->store_alias(from, Url("http://example.org/gone")));
  CHECK_FALSE(run(backend->has_url(from)));
  store_page(*backend, from.str(), "the redirect itself");
  CHECK(run(backend->has_url(from)));
  CHECK(run(backend->remove_with_aliases(from)));
  CHECK_FALSE(run(backend->has_url(from)));
}

TEST_CASE("Removing an alias says that there was something") {
  AnyBackend backend;
  INFO(backend.name());
  Url const from("http://example.org/from");
  run(backend->store_alias(from, Url(url)));
  store_page(*backend, url, "body");
  CHECK(run(backend->remove_with_aliases(from)));
  CHECK_FALSE(run(backend->has_url(from)));
  CHECK_FALSE(run(backend->remove_with_aliases(from)));
  CHECK(find(*backend, url) == "body");
}

TEST_CASE("Removing what has expired leaves the rest") {
  AnyBackend backend;
  INFO(backend.name());
  for (int i = 0; i < 10; ++i) store_page(*backend, "http://example.org/" + std::to_string(i), "body", i);
  CachedResponse forever = page("http://example.org/forever", "body");
  forever.set_expires(TimePoint::max());
  run(backend->store(forever));
  CachedResponse unknown = page("http://example.org/unknown", "body");
  unknown.set_expires(std::nullopt);
  run(backend->store(unknown));
  CHECK(run(backend->remove_expired(at(59))) == 0);
  CHECK(run(backend->remove_expired(at(64))) == 5);
  CHECK_FALSE(run(backend->has_url(Url("http://example.org/4"))));
  CHECK(find(*backend, "http://example.org/5") == "body");
  CHECK(run(backend->remove_expired(at(1'000'000))) == 5);
  CHECK(run(backend->has_url(Url("http://example.org/forever"))));
  CHECK(run(backend->has_url(Url("http://example.org/unknown"))));
}

TEST_CASE("Clearing removes everything, and the backend goes on") {
  AnyBackend backend;
  INFO(backend.name());
  store_page(*backend, url, "body");
  run(backend->store_alias(Url("http://example.org/from"), Url(url)));
  run(backend->clear());
  CHECK_FALSE(run(backend->has_url(Url(url))));
  CHECK_FALSE(run(backend->has_url(Url("http://example.org/from"))));
  store_page(*backend, url, "anew");
  CHECK(find(*backend, url) == "anew");
  CHECK_FALSE(run(backend->has_url(Url("http://example.org/from"))));
}

TEST_CASE("A closed backend says so, and closing it again is fine") {
  AnyBackend backend;
  INFO(backend.name());
  store_page(*backend, url, "body");
  run(backend->close());
  CHECK_NOTHROW(run(backend->close()));
  CHECK(failure_of(backend->lookup(query(url))) == cache_errc::closed);
  CHECK(failure_of(backend->store(page(url, "body"))) == cache_errc::closed);
  CHECK(failure_of(backend->freshen(page(url, "body"))) == cache_errc::closed);
  CHECK(failure_of(backend->store_alias(Url(url), Url(url))) == cache_errc::closed);
  CHECK(failure_of(backend->remove_with_aliases(Url(url))) == cache_errc::closed);
  CHECK(failure_of(backend->has_url(Url(url))) == cache_errc::closed);
  CHECK(failure_of(backend->remove_expired(at(0))) == cache_errc::closed);
  CHECK(failure_of(backend->clear()) == cache_errc::closed);
}

TEST_CASE("A backend that was never used can be closed") {
  AnyBackend backend;
  INFO(backend.name());
  run(backend->close());
  CHECK(failure_of(backend->has_url(Url(url))) == cache_errc::closed);
}

TEST_CASE("Of the variants of one URL only the newest are kept") {
  AnyBackend backend;
  INFO(backend.name());
  constexpr int extra = 8;
  constexpr int count = static_cast<int>(CacheBackend::max_variants) + extra;
  auto const language = [](int i) { return "Accept-Language: l" + std::to_string(i) + "\r\n"; };
  store_page(*backend, "http://example.org/other", "other", -100);
  for (int i = 0; i < count; ++i)
    run(backend->store(
        answer(make_request(url, language(i)), "Vary: Accept-Language\r\n", std::to_string(i), i)));
  for (int i = 0; i < count; ++i) {
    CAPTURE(i);
    CHECK(find(*backend, url, language(i)).has_value() == (i >= extra));
  }
  CHECK(find(*backend, "http://example.org/other") == "other");
}

TEST_CASE("Header fields that HTTP does not allow are not stored in a file") {
  AnyBackend backend;
  INFO(backend.name());
  if (backend.name() == "memory") return;  // fields are kept as they are, never read back from text
  CachedResponse bad = page(url, "body");
  bad.headers().insert("X", "a\r\nSet-Cookie: b");
  CHECK(failure_of(backend->store(bad)) == cache_errc::bad_value);
  CHECK_FALSE(run(backend->has_url(Url(url))));
}

TEST_CASE("A composed backend needs both of its caches") {
  auto const responses = std::make_shared<MemoryCache<CachedResponse>>();
  auto const redirects = std::make_shared<MemoryCache<std::string>>();
  CHECK_THROWS_AS(CacheBackend(nullptr, redirects), std::invalid_argument);
  CHECK_THROWS_AS(CacheBackend(responses, nullptr), std::invalid_argument);
  CHECK_NOTHROW(CacheBackend(responses, redirects));
}

TEST_CASE("Of what was removed for its age two key-value caches keep nothing") {
  auto const responses = std::make_shared<MemoryCache<CachedResponse>>();
  auto const redirects = std::make_shared<MemoryCache<std::string>>();
  CacheBackend backend(responses, redirects);
  Request const request = make_request(url, "Accept: a\r\n");
  CachedResponse first = answer(request, "Vary: Accept\r\n", "1");
  first.set_expires(at(10));
  run(backend.store(first));
  CachedResponse second = answer(make_request(url, "Accept: b\r\n"), "Vary: Accept\r\n", "2");
  second.set_expires(at(20));
  run(backend.store(second));
  CHECK(run(backend.remove_expired(at(15))) == 1);
  CHECK_FALSE(find(backend, url, "Accept: a\r\n").has_value());
  CHECK(find(backend, url, "Accept: b\r\n") == "2");
  CHECK(run(backend.remove_expired(at(25))) == 1);
  CHECK(run(responses->size()) == 0);
  CHECK(run(redirects->size()) == 0);
}
