#include "beast_cache/detail/copy_on_write.hpp"

#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "beast_cache/backend/cached_response.hpp"
#include "beast_cache/http/request.hpp"
#include "catch.hpp"

using namespace beast_cache;
using Text = detail::CopyOnWrite<std::string>;

TEST_CASE("copies share a value until one of them is changed") {
  Text const first(std::string("a"));
  Text second = first;
  CHECK(&*second == &*first);
  CHECK(second.shares_with(first));
  CHECK(second.is_shared());
  second.edit() += "b";
  CHECK(*first == "a");
  CHECK(*second == "ab");
  CHECK_FALSE(second.shares_with(first));
  CHECK_FALSE(first.is_shared());
  SECTION("the only owner changes it where it is") {
    std::string const* const there = &*second;
    second.edit() += "c";
    CHECK(&*second == there);
    CHECK(*second == "abc");
  }
}

TEST_CASE("without a value, or moved from, it is the default one") {
  Text none;
  CHECK(none->empty());
  Text full(std::string("a"));
  Text const other = std::move(full);
  CHECK(full->empty());
  CHECK(*other == "a");
  full.edit() = "b";
  none = full;
  CHECK(*none == "b");
  none = Text();
  CHECK(none->empty());
  CHECK(*full == "b");
}

TEST_CASE("threads that change copies of one value do not see each other") {
  Text const shared(std::string(100, 'x'));
  std::vector<std::string> seen(4);
  std::vector<std::thread> threads;
  for (std::size_t t = 0; t < seen.size(); ++t) {
    threads.emplace_back([t, &seen, own = shared]() mutable {
      for (int i = 0; i < 1000; ++i) {
        Text copy = own;
        copy.edit()[0] = static_cast<char>('a' + t);
        own = copy;
      }
      seen[t] = *own;
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(*shared == std::string(100, 'x'));
  for (std::size_t t = 0; t < seen.size(); ++t) CHECK(seen[t][0] == static_cast<char>('a' + t));
}

TEST_CASE("what is done to a copied request or response does not show in the other") {
  Request request(http::verb::get, Url("http://user:secret@h.test/"));
  request.headers().set("A", "1");
  Request copy = request;
  copy.headers().set("A", "2");
  CHECK(std::as_const(request).headers()["A"] == "1");
  CHECK(request.url().without_user_info().user_info().empty());
  CHECK(request.url().user_info() == "user:secret");

  ResponseHead head(request.url(), 200, "OK", std::as_const(request).headers());
  CachedResponse const first(Response(head, "body"), CacheInfo().set_principal("me").set_cache_status("x"));
  CachedResponse second = first;
  second.headers().erase("A");
  second.set_principal("you").set_cache_status("y");
  second.set_url(Url("http://else.test/"));
  CHECK(first.header("A") == "1");
  CHECK(first.principal() == "me");
  CHECK(first.cache_status() == "x");
  CHECK(first.url() == request.url());
  CHECK(second.principal() == "you");
}
