// What is stored, as key-value stores.

#include <algorithm>

#include "any_backend.hpp"
#include "beast_cache/backend/sqlite_backend.hpp"
#include "sqlite_file.hpp"
#include "support.hpp"

using namespace backend_test;

namespace {

constexpr char where[] = "http://example.org/page";

template <class T>
asio::awaitable<std::vector<T>> all_of(Cursor<T> cursor) {
  std::vector<T> all;
  bool more = true;
  while (more) {
    std::vector<T> batch = co_await cursor.next_batch();
    more = !batch.empty();
    for (T& item : batch) all.push_back(std::move(item));
  }
  co_return all;
}

std::string key_of(CachedResponse const& response) {
  return create_key(response.url()) + '/' + create_variant(StoredResponse(response));
}

class File {
 public:
  explicit File(CacheOptions options = CacheOptions())
      : backend(path(), options), responses(backend.responses()), redirects(backend.redirects()) {}

  void store(CachedResponse const& response) { run(backend.store(response)); }
  std::string path() const { return dir_ / "views.sqlite"; }

 private:
  TempDir dir_;

 public:
  SQLiteBackend backend;
  std::shared_ptr<BaseCache<CachedResponse>> responses;
  std::shared_ptr<BaseCache<std::string>> redirects;
};

}  // namespace

TEST_CASE("Every backend's responses can be walked with their bodies") {
  AnyBackend backend;
  INFO(backend.name());
  std::vector<std::string> urls;
  for (int i = 0; i < 300; ++i) {
    urls.push_back("http://example.org/" + std::to_string(i));
    run(backend->store(page(urls.back(), "body of " + std::to_string(i))));
  }
  auto const responses = backend->responses();
  REQUIRE(responses);
  CHECK(run(responses->size()) == 300);
  std::vector<std::string> found;
  for (CachedResponse const& response : run(all_of(responses->values()))) {
    std::string const url = response.url().str();
    CHECK(response.body() == "body of " + url.substr(19));
    CHECK(response.header("Content-Type") == "text/plain");
    found.push_back(url);
  }
  std::sort(found.begin(), found.end());
  std::sort(urls.begin(), urls.end());
  CHECK(found == urls);
  std::vector<std::string> keys = run(all_of(responses->keys()));
  CHECK(keys.size() == 300);
  CHECK(std::is_sorted(keys.begin(), keys.end()));
  keys.push_back("none");
  CHECK(run(responses->bulk_remove(keys)) == 300);
  CHECK(run(responses->size()) == 0);
  CHECK_FALSE(run(backend->lookup(query(urls.front()))).selected());
}

TEST_CASE("A response is read, written and removed by its key") {
  File file(CacheOptions().memory(1u << 20));
  CachedResponse const one =
      answer(make_request(where, "Accept: a\r\n"), "Vary: Accept\r\nX-Own: 1\r\n", "one");
  CachedResponse const two = answer(make_request(where, "Accept: b\r\n"), "Vary: Accept\r\n", "two");
  run(file.responses->write(key_of(one), one));
  file.store(two);
  std::optional<CachedResponse> const read = run(file.responses->read(key_of(one)));
  REQUIRE(read);
  check_same(*read, one);
  CHECK(body_of(run(file.backend.lookup(query(where, "Accept: a\r\n")))) == "one");
  CHECK(run(all_of(file.responses->keys())).size() == 2);
  CHECK(run(file.responses->contains(key_of(two))));

  CHECK(run(file.responses->remove(key_of(one))));
  CHECK_FALSE(run(file.responses->remove(key_of(one))));
  CHECK_FALSE(run(file.responses->contains(key_of(one))));
  CHECK_FALSE(run(file.responses->read(key_of(one))));
  CHECK_FALSE(run(file.backend.lookup(query(where, "Accept: a\r\n"))).selected());
  std::optional<CachedResponse> const popped = run(file.responses->pop(key_of(two)));
  REQUIRE(popped);
  check_same(*popped, two);
  CHECK_FALSE(run(file.responses->pop(key_of(two))));
  CHECK_FALSE(run(file.backend.has_url(Url(where))));
}

TEST_CASE("What is no key of a response is none, and nothing is written under another one") {
  File file;
  CachedResponse const response = page(where, "body");
  file.store(response);
  std::string const key = key_of(response);
  for (std::string const& other : {std::string(), std::string("x"), key.substr(0, 64), key + "0",
                                   key.substr(0, 64) + '-' + key.substr(65)}) {
    INFO(other);
    CHECK_FALSE(run(file.responses->read(other)));
    CHECK_FALSE(run(file.responses->contains(other)));
    CHECK_FALSE(run(file.responses->pop(other)));
    CHECK_FALSE(run(file.responses->remove(other)));
    CHECK(failure_of(file.responses->write(other, response)) == cache_errc::invalid_argument);
  }
  CHECK(run(file.responses->size()) == 1);
}

TEST_CASE("A page of responses begins behind any text") {
  File file;
  CachedResponse const response = page(where, "body");
  file.store(response);
  std::string const key = key_of(response), place = key.substr(0, 64);
  auto const follows = [&](std::string const& text) {
    return run(file.responses->page(text, 10)).size() == 1;
  };
  for (std::string const& before : {std::string(), place.substr(0, 63), place, place + '.', place + '/',
                                    key.substr(0, 128), std::string(200, '!')})
    CHECK(follows(before));
  for (std::string const& behind : {key, key + '0', place + '0', std::string("z"), std::string(200, 'z')})
    CHECK_FALSE(follows(behind));
}

TEST_CASE("Responses with keys of their own keep them") {
  auto const by_path = [](Request const& request) { return request.method_string() + " of all"; };
  File file(CacheOptions().key(by_path));
  CachedResponse response = page(where, "body");
  response.set_key(create_key(make_request(where), file.backend.options()).value());
  file.store(response);
  std::vector<CachedResponse> const all = run(all_of(file.responses->values()));
  REQUIRE(all.size() == 1);
  CHECK(all.front().key() == response.key());
  CHECK(all.front().url().str() == where);
  std::string const key = response.key() + '/' + create_variant(StoredResponse(response));
  CHECK(run(all_of(file.responses->keys())) == std::vector<std::string>(1, key));
  run(file.responses->write(key, all.front()));
  CHECK(run(file.responses->size()) == 1);
}

TEST_CASE("Bodies in pieces are read whole, one at a time") {
  File file;
  std::string const large(3'000'000, 'x');
  for (char const* const url : {"http://example.org/1", "http://example.org/2"}) {
    std::unique_ptr<BodyWriter> writer = file.backend.write_body();
    for (std::size_t at = 0; at < large.size(); at += writer->piece_size())
      run(writer->append(large.substr(at, writer->piece_size())));
    CachedResponse const response = page(url, "");
    run(writer->store(CachedHead(response, response)));
  }
  auto const first = run(file.responses->page(std::nullopt, 10));
  REQUIRE(first.size() == 1);
  CHECK(first.front().second.body() == large);
  CHECK(run(all_of(file.responses->values())).size() == 2);
  std::optional<CachedResponse> const popped = run(file.responses->pop(first.front().first));
  REQUIRE(popped);
  CHECK(popped->body() == large);
  run(file.responses->clear());
  CHECK(run(file.responses->size()) == 0);
  run(file.backend.close());
  CHECK(execute(file.path(), "SELECT count(*) FROM responses_chunks") == "0");
}

TEST_CASE("A damaged response is an error where it is asked for, and passed over by a walk") {
  File file;
  file.store(page("http://example.org/1", "one"));
  file.store(page("http://example.org/2", "two"));
  execute(file.path(), "UPDATE responses SET body = 'oNe' WHERE id = 1");
  CachedResponse const damaged = page("http://example.org/1", "one");
  CHECK(failure_of(file.responses->read(key_of(damaged))) == cache_errc::bad_value);
  CHECK(run(all_of(file.responses->values())).size() == 1);
  CHECK(run(all_of(file.responses->keys())).size() == 2);
  CHECK(run(file.backend.remove_invalid()) == 1);
  CHECK(run(all_of(file.responses->values())).size() == 1);
}

TEST_CASE("Redirects are URLs by URLs") {
  File file;
  run(file.backend.store_alias(Url("http://a.example/1"), Url("http://b.example/")));
  run(file.redirects->write("http://A.example/%32", "http://c.example/"));
  CHECK(run(file.redirects->read("http://a.example/1")) == "http://b.example/");
  CHECK_FALSE(run(file.redirects->read("no URL")));
  CHECK(run(file.redirects->contains("http://a.example/2")));
  CHECK(run(file.redirects->size()) == 2);
  using Entries = std::vector<std::pair<std::string, std::string>>;
  CHECK(run(all_of(file.redirects->entries())) ==
        Entries{{"http://a.example/1", "http://b.example/"}, {"http://a.example/2", "http://c.example/"}});
  CHECK(run(all_of(file.redirects->keys())).size() == 2);
  CHECK(run(all_of(file.redirects->values())).size() == 2);
  file.store(page("http://c.example/", "body"));
  CHECK(run(file.backend.has_url(Url("http://a.example/2"))));
  CHECK(run(file.redirects->pop("http://a.example/2")) == "http://c.example/");
  CHECK_FALSE(run(file.backend.has_url(Url("http://a.example/2"))));
  CHECK_FALSE(run(file.redirects->remove("http://a.example/2")));
  CHECK(run(file.redirects->bulk_remove({"http://a.example/1", "http://a.example/1", "x"})) == 1);
  run(file.redirects->write("http://a.example/1", "http://b.example/"));
  run(file.redirects->clear());
  CHECK(run(file.redirects->size()) == 0);
  CHECK(run(file.responses->size()) == 1);
  auto const nowhere = [&] { run(file.redirects->write("http://a.example/1", "nowhere")); };
  CHECK_THROWS_AS(nowhere(), Error);
}

TEST_CASE("The views belong to the backend, and a cursor keeps what it walks") {
  TempDir dir;
  std::optional<SQLiteBackend> backend(std::in_place, dir / "cache");
  run(backend->store(page(where, "body")));
  Cursor<CachedResponse> values = backend->responses()->values();
  auto const responses = backend->responses();
  backend.reset();
  CHECK(run(all_of(std::move(values))).size() == 1);
  run(responses->close());
  CHECK(failure_of(responses->size()) == cache_errc::closed);
  CHECK(failure_of(responses->read("x")) == cache_errc::closed);
}
