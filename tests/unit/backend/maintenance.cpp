// Listing, counting and removing what is stored.

#include "beast_cache/backend/sqlite_backend.hpp"
#include "sqlite_file.hpp"
#include "support.hpp"

using namespace backend_test;

namespace {

class Stored {
 public:
  Stored() {
    put("http://a.example/1", 10, 0);
    put("http://a.example/2", 20, 100);
    put("http://www.a.example/1", 300, 0);
    put("https://b.example/static/x", 5, 50);
  }
  void put(std::string_view url, std::size_t size, std::int64_t seconds) {
    run(backend.store(page(url, std::string(size, 'x'), seconds)));
  }
  std::vector<std::string> urls(EntryFilter filter = EntryFilter()) {
    return run(list(backend, std::move(filter)));
  }
  std::uint64_t remove(EntryFilter filter) { return run(backend.remove_matching(std::move(filter))); }
  std::string path() const { return dir_ / "cache.sqlite"; }

 private:
  static asio::awaitable<std::vector<std::string>> list(SQLiteBackend backend, EntryFilter filter) {
    std::vector<std::string> urls;
    Cursor<StoredEntry> entries = backend.entries(std::move(filter));
    for (;;) {
      std::optional<StoredEntry> const entry = co_await entries.next();
      if (!entry) break;
      urls.push_back(entry->url().str());
    }
    co_return urls;
  }
  TempDir dir_;

 public:
  SQLiteBackend backend{path()};
};

using Urls = std::vector<std::string>;

}  // namespace

TEST_CASE("What is stored is listed, all of it or what matches") {
  Stored stored;
  CHECK(stored.urls() == Urls{"http://a.example/1", "http://a.example/2", "http://www.a.example/1",
                              "https://b.example/static/x"});
  CHECK(stored.urls(EntryFilter().url("a.example")) == Urls{"http://a.example/1", "http://a.example/2"});
  CHECK(stored.urls(EntryFilter().url("*.a.example")) == Urls{"http://www.a.example/1"});
  CHECK(stored.urls(EntryFilter().url("/static")) == Urls{"https://b.example/static/x"});
  CHECK(stored.urls(EntryFilter().expired(at(60))) == Urls{"http://a.example/1", "http://www.a.example/1"});
  CHECK(stored.urls(EntryFilter().created_before(at(50))) ==
        Urls{"http://a.example/1", "http://www.a.example/1"});
  CHECK(stored.urls(EntryFilter().larger_than(10)) == Urls{"http://a.example/2", "http://www.a.example/1"});
  CHECK(stored.urls(EntryFilter().larger_than(10).url("a.example")) == Urls{"http://a.example/2"});
  CHECK(stored.urls(EntryFilter().status(404)).empty());
}

TEST_CASE("Entries are chosen by host, and by path beside it") {
  Stored stored;
  CHECK(stored.urls(EntryFilter().host("a.example")) == Urls{"http://a.example/1", "http://a.example/2"});
  CHECK(stored.urls(EntryFilter().host("*.a.example").url("/1")) == Urls{"http://www.a.example/1"});
  CHECK(stored.urls(EntryFilter().url("/1").host("a.example").expired(at(60))) == Urls{"http://a.example/1"});
  CHECK(stored.urls(EntryFilter().host("b.example").url("/1")).empty());
}

TEST_CASE("Pinned entries are shown as such") {
  Stored stored;
  CHECK(run(stored.backend.pin(Url("http://user:secret@a.example/2"))));
  CHECK(stored.urls(EntryFilter().pinned()) == Urls{"http://a.example/2"});
  CHECK(stored.urls(EntryFilter().pinned(false)).size() == 3);
  CHECK(execute(stored.path(), "SELECT url FROM v_entries WHERE pinned") == "http://a.example/2");
  CHECK(execute(stored.path(), "SELECT url FROM responses_pins") == "http://a.example/2");
  CHECK(stored.remove(EntryFilter().pinned(false)) == 3);
  CHECK(run(stored.backend.unpin(Url("http://a.example/2"))));
  CHECK(stored.urls(EntryFilter().pinned()).empty());
  CHECK(stored.urls() == Urls{"http://a.example/2"});
}

TEST_CASE("What is damaged is found and removed, and nothing else") {
  Stored stored;
  run(stored.backend.store_alias(Url("http://old.example/"), Url("http://a.example/1")));
  CHECK(run(stored.backend.remove_invalid()) == 0);
  execute(stored.path(), "UPDATE responses SET body = x'00' WHERE url = 'http://a.example/1'");
  execute(stored.path(), "UPDATE responses SET status = 404 WHERE url = 'http://a.example/2'");
  execute(stored.path(), "UPDATE responses SET url = 'no URL' WHERE url = 'http://www.a.example/1'");
  std::vector<std::uint64_t> seen, removed;
  auto const progress = [&](std::uint64_t rows, std::uint64_t gone) {
    seen.push_back(rows);
    removed.push_back(gone);
  };
  CHECK(run(stored.backend.remove_invalid(progress)) == 3);
  CHECK(seen == std::vector<std::uint64_t>{4});
  CHECK(removed == std::vector<std::uint64_t>{3});
  CHECK(execute(stored.path(), "SELECT url FROM responses") == "https://b.example/static/x");
  CHECK(execute(stored.path(), "SELECT count(*) FROM redirects") == "0");
}

TEST_CASE("What is signed with another key is not taken for damaged") {
  TempDir dir;
  for (char const* key : {"one", "two"}) {
    SQLiteBackend backend(dir / "signed", CacheOptions(), SQLiteOptions().secret_key(key));
    std::string const where = "http://example.org/" + std::string(key);
    run(backend.store(page(where, "body")));
    CHECK(run(backend.remove_invalid()) == 0);
    run(backend.close());
  }
  CHECK(execute(dir / "signed.sqlite", "SELECT count(*) FROM responses") == "2");
}

TEST_CASE("A listed entry tells what the row says") {
  Stored stored;
  Cursor<StoredEntry> entries = stored.backend.entries(EntryFilter().url("b.example"));
  std::optional<StoredEntry> const entry = run(entries.next());
  REQUIRE(entry);
  CHECK(entry->method() == http::verb::get);
  CHECK(entry->status() == 200);
  CHECK(entry->size() == 5);
  CHECK(entry->created_at() == at(50));
  CHECK(entry->expires() == at(110));
}

TEST_CASE("What matches is removed, with the aliases that lead to it") {
  Stored stored;
  run(stored.backend.store_alias(Url("http://old.example/"), Url("http://a.example/1")));
  run(stored.backend.store_alias(Url("http://kept.example/"), Url("https://b.example/static/x")));
  CHECK(stored.remove(EntryFilter().url("a.example")) == 2);
  CHECK(stored.urls() == Urls{"http://www.a.example/1", "https://b.example/static/x"});
  CHECK(execute(stored.path(), "SELECT url FROM redirects") == "http://kept.example/");
  CHECK(stored.remove(EntryFilter().url("a.example")) == 0);
  CHECK(stored.remove(EntryFilter()) == 2);
  CHECK(stored.urls().empty());
}

TEST_CASE("A walk over all rows ends, however much is stored meanwhile") {
  Stored stored;
  // Whoever looks at a row stores two more.
  int number = 0;
  auto const store_more = [&] {
    for (int i = 0; i < 2; ++i)
      run(stored.backend.store(page("http://b.example/" + std::to_string(++number), "x")));
  };
  std::size_t const before = stored.urls().size();
  auto const progress = [&](std::uint64_t, std::uint64_t) { store_more(); };
  CHECK(run(stored.backend.remove_matching(EntryFilter().status(404), progress)) == 0);
  CHECK(number == 2);
  CHECK(run(stored.backend.remove_invalid(progress)) == 0);
  CHECK(number == 4);
  Cursor<StoredEntry> entries = stored.backend.entries();
  std::size_t seen = 0;
  for (; run(entries.next()); ++seen) store_more();
  CHECK(seen == before + 4);
}

TEST_CASE("Many rows are removed in slices, which are told of") {
  Stored stored;
  execute(
      stored.path(),
      "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000) "
      "INSERT INTO responses SELECT NULL, printf('%064x', i), 'v', 'http://many.example/' || i, 'GET', "
      "200, '', 11, "
      "'', '', '', 0, 0, NULL, i, NULL, NULL, 1, '', '', '', NULL, NULL, NULL, NULL, x'ff', NULL, 0 FROM n");
  CHECK(stored.urls(EntryFilter().url("many.example")).size() == 20'000);
  std::vector<std::uint64_t> seen, removed;
  auto const progress = [&](std::uint64_t rows, std::uint64_t gone) {
    seen.push_back(rows);
    removed.push_back(gone);
  };
  CHECK(run(stored.backend.remove_matching(EntryFilter().url("many.example"), progress)) == 20'000);
  CHECK(seen == std::vector<std::uint64_t>{16384, 20004});
  CHECK(removed == std::vector<std::uint64_t>{16380, 20000});
  CHECK(stored.urls().size() == 4);
}

TEST_CASE("A progress function that throws ends the removal, and what is removed stays so") {
  Stored stored;
  auto const progress = [](std::uint64_t, std::uint64_t) { throw std::runtime_error("enough"); };
  CHECK_THROWS_AS(run(stored.backend.remove_matching(EntryFilter().url("a.example"), progress)),
                  std::runtime_error);
  CHECK(stored.urls().size() == 2);
}

TEST_CASE("Each host's share is counted") {
  Stored stored;
  std::map<std::string, HostUse> const hosts = run(stored.backend.hosts());
  REQUIRE(hosts.size() == 3);
  CHECK(hosts.at("a.example").entries() == 2);
  CHECK(hosts.at("a.example").bytes() == 30);
  CHECK(hosts.at("www.a.example").bytes() == 300);
  CHECK(hosts.at("b.example").entries() == 1);
}

TEST_CASE("A person sees entries and hosts in views") {
  Stored stored;
  CHECK(execute(stored.path(),
                "SELECT host, method, status, size, created, expires, stale FROM v_entries WHERE url = "
                "'https://b.example/static/x'") ==
        "b.example|GET|200|5|2026-01-01 00:00:50|2026-01-01 00:01:50|1");
  CHECK(execute(stored.path(), "SELECT host, entries, bytes, stale FROM v_hosts") ==
        "www.a.example|1|300|1\na.example|2|30|2\nb.example|1|5|1");
}

TEST_CASE("A group is removed in slices, with progress, and only what was there when it began") {
  TempDir dir;
  SQLiteBackend backend(dir / "cache");
  auto const store = [&](int number, std::string_view group) {
    std::string const url = "http://a.example/" + std::to_string(number);
    std::string const headers = "Cache-Groups: \"" + std::string(group) + "\"\r\n";
    run(backend.store(answer(make_request(url), headers, "x")));
  };
  for (int i = 0; i < 2; ++i) store(i, i % 2 == 0 ? "even" : "odd");
  for (int rows = 2; rows < 32'768; rows *= 2) {
    execute(backend.path(),
            "CREATE TEMP TABLE more AS SELECT * FROM responses; UPDATE more SET id = NULL, key = "
            "hex(randomblob(32)); INSERT INTO responses SELECT * FROM more");
  }
  std::vector<std::pair<std::uint64_t, std::uint64_t>> told;
  auto const progress = [&](std::uint64_t seen, std::uint64_t removed) { told.emplace_back(seen, removed); };
  CHECK(run(backend.remove_groups(Url("http://a.example/"), {"even"}, progress)) == 16'384);
  CHECK(told == std::vector<std::pair<std::uint64_t, std::uint64_t>>{{16384, 8192}, {32768, 16384}});
  CHECK(run(backend.remove_groups(Url("http://a.example/"), {"even"}, progress)) == 0);
  auto const fails = [](std::uint64_t, std::uint64_t) { throw std::runtime_error("enough"); };
  CHECK_THROWS(run(backend.remove_groups(Url("http://a.example/"), {"odd"}, fails)));
  CHECK_FALSE(run(backend.has_url(Url("http://a.example/1"))));
}
