// What the user's options make of what may be stored and found: CacheOptions, beside the rules of RFC 9111.

#include <functional>

#include "beast_cache/backend/url_pattern.hpp"
#include "support/range_origin.hpp"

using namespace test_support;

namespace {

asio::awaitable<bool> decide_later(std::function<bool(CachedHead const&)> const& decide,
                                   CachedHead const& head) {
  bool const keeps = decide(head);
  co_return keeps;
}

}  // namespace

TEST_CASE("a pattern matches the hosts and paths that it names, and no others") {
  auto const matches = [](char const* pattern, char const* where) {
    return UrlPattern(pattern).matches(Url(where));
  };
  CHECK(matches("site.com", "http://site.com/"));
  CHECK(matches("SITE.com", "https://site.com:8443/a?b"));
  CHECK_FALSE(matches("site.com", "http://site.com.evil.org/"));
  CHECK_FALSE(matches("site.com", "http://evilsite.com/"));
  CHECK_FALSE(matches("site.com", "http://www.site.com/"));
  CHECK_FALSE(matches("site.com", "http://evil.org/site.com"));
  CHECK(matches("*.site.com", "http://www.site.com/"));
  CHECK(matches("*.site.com", "http://a.b.site.com/"));
  CHECK_FALSE(matches("*.site.com", "http://site.com/"));
  CHECK_FALSE(matches("*.site.com", "http://evilsite.com/"));
  CHECK(matches("https://site.com", "https://site.com/a"));
  CHECK_FALSE(matches("https://site.com", "http://site.com/a"));
  CHECK(matches("site.com:8080", "http://site.com:8080/"));
  CHECK(matches("site.com:443", "https://site.com/"));
  CHECK_FALSE(matches("site.com:8080", "http://site.com/"));
  CHECK(matches("[::1]", "http://[::1]:80/"));
  CHECK(matches("[::1]:81", "http://[::1]:81/"));
  CHECK(matches("*", "http://anything.example/x"));
  CHECK(matches("*/static", "http://anything.example/static"));
  CHECK(matches("/static", "http://anything.example/static"));
  CHECK(matches("/static", "http://anything.example/static/a/b.css"));
  CHECK(matches("/static", "http://anything.example/static?x"));
  CHECK(matches("/static/", "http://anything.example/static/a"));
  CHECK_FALSE(matches("/static/", "http://anything.example/static"));
  CHECK_FALSE(matches("/static", "http://anything.example/statics"));
  CHECK_FALSE(matches("/static", "http://anything.example/a/static"));
  CHECK(matches("site.com/v1/*.json", "http://site.com/v1/a/b.json"));
  CHECK(matches("site.com/v1/*.json", "http://site.com/v1/a.json?x=1"));
  CHECK_FALSE(matches("site.com/v1/*.json", "http://site.com/v1/a.jsonp"));
  CHECK(matches("site.com/*a*b*", "http://site.com/xxaxxbxx"));
  CHECK_FALSE(matches("site.com/*a*b", "http://site.com/xxbxxa"));
  CHECK(matches("site.com/", "http://site.com/anything"));
  CHECK(matches("/proxy/http://site.com", "http://any.org/proxy/http://site.com/a"));
  CHECK_FALSE(matches("/proxy/http://site.com", "http://site.com/a"));
  // Many stars against much text end.
  std::string const stars = "/" + std::string(50, '*') + "b";
  CHECK_FALSE(matches(stars.c_str(), ("http://site.com/" + std::string(20'000, 'a')).c_str()));
}

TEST_CASE("a pattern is brought into the form that URLs have") {
  auto const matches = [](std::string const& pattern, std::string const& where) {
    return UrlPattern(pattern).matches(Url(where));
  };
  CHECK(matches("example.org/%7Euser", "http://example.org/~user/a"));
  CHECK(matches("example.org/a%2fb", "http://example.org/a%2fb"));
  CHECK(matches("/a%2fb*", "http://example.org/a%2Fbc"));
  CHECK_FALSE(matches("/a%2fb", "http://example.org/a/b"));
  CHECK(matches("[::0001]:80", "http://[::1]/"));
  CHECK(matches("example.org/a/..", "http://example.org/b"));
  CHECK(matches("*.EXAMPLE.org", "http://a.example.org/"));
  std::string const socket = "http+unix://%2Frun%2FServer.sock/v1/x";
  CHECK(matches("http+unix://%2frun%2FServer.sock/v1", socket));
  CHECK(matches(std::string(Url(socket).host()), socket));
  CHECK_FALSE(matches("%2Frun%2Fserver.sock", socket));
}

TEST_CASE("patterns and names may come from a configuration") {
  std::string const pattern = "origin.test/page";
  std::vector<std::string> const names = {"token", "trace"};
  World world(always(""),
              CacheOptions().urls_expire_after(pattern, 60s).ignored_params(names).match_headers(names));
  CHECK(ask(world, Fields(), url + "?token=1").status() == 200);
  CHECK(ask(world, Fields(), url + "?trace=2").from_cache());
  CHECK_FALSE(ask(world, {{"Token", "x"}}).from_cache());
}

TEST_CASE("a pattern that can't be meant is refused") {
  for (char const* bad :
       {"", "a*.site.com", "site.*", "*.*.com", "site.com:", "site.com:x", "site.com:123456", "me@site.com",
        "site.com?q", "site.com/a#b", "site.com/a b", "/%zz", "a b.com", "[::g]"})
    CHECK_THROWS_AS(UrlPattern(bad), std::invalid_argument);
}

TEST_CASE("a lifetime comes from the request, then the response, then the first pattern, then the default") {
  std::string headers;
  World world([&](Request const& request) { return FakeClient::answer(request, 200, headers, "body"); },
              CacheOptions()
                  .urls_expire_after("origin.test/page", 30s)
                  .urls_expire_after("origin.test", 40s)
                  .urls_expire_after("never.test", do_not_cache)
                  .expire_after(50s));
  auto const lifetime = [&](std::string const& where) { return ask(world, Fields(), where).expires(); };
  auto const in = [&](std::chrono::seconds time) { return world.clock->now() + time; };
  CHECK(lifetime("http://origin.test/page") == in(30s));
  CHECK(lifetime("http://origin.test/other") == in(40s));
  CHECK(lifetime("http://other.test/page") == in(50s));
  CHECK_FALSE(lifetime("http://never.test/"));
  CHECK(world.run(world.session.get("http://origin.test/page?2").expire_after(10s)).expires() == in(10s));
  headers = "Cache-Control: max-age=20\r\n";
  CHECK(lifetime("http://origin.test/page?3") == in(20s));
  // That is no lifetime.
  CHECK_FALSE(lifetime("http://never.test/3"));
  CHECK(world.run(world.session.get("http://never.test/4").expire_after(10s)).expires() == in(10s));
}

TEST_CASE("ignored parameters are sent, and make no difference to what is found") {
  World world(
      [](Request const& request) {
        return FakeClient::answer(request, 200, "Cache-Control: max-age=60\r\n", request.url().str());
      },
      CacheOptions().ignored_params("utm", "x"));
  auto const get = [&](std::string const& query) {
    return ask(world, Fields(), "http://origin.test/p" + query);
  };
  CHECK(get("?a=1&utm=2").body() == "http://origin.test/p?a=1&utm=2");
  auto const hit = get("?x&utm=3&a=1&utm");
  CHECK(hit.from_cache());
  CHECK(hit.url().str() == "http://origin.test/p?x&utm=3&a=1&utm");
  CHECK(get("?a=1").from_cache());
  CHECK_FALSE(get("?a=2").from_cache());
  CHECK_FALSE(get("?a=1&utmx=1").from_cache());
  CHECK_FALSE(get("?a=1&b=1").from_cache());
  CHECK_FALSE(get("?b=1&a=1").from_cache());
  CHECK_FALSE(get("?utm=1").from_cache());
  CHECK(get("").from_cache());
  // What changes one of them changes all.
  CHECK(world.run(world.backend->has_url(Url("http://origin.test/p?utm=9&a=1"))));
  ask(world, Fields(), "http://origin.test/p?a=1&x=5", "DELETE");
  CHECK_FALSE(get("?a=1").from_cache());
}

TEST_CASE("the order of the query counts, unless the user says otherwise") {
  bool const sorts = GENERATE(false, true);
  World world(always("Cache-Control: max-age=60\r\n"), CacheOptions().sort_query(sorts));
  ask(world, Fields(), "http://origin.test/p?b=2&a=1");
  CHECK(ask(world, Fields(), "http://origin.test/p?a=1&b=2").from_cache() == sorts);
  CHECK_FALSE(ask(world, Fields(), "http://origin.test/p?a=2&b=1").from_cache());
}

TEST_CASE("header fields that the user names keep answers apart, in both kinds of cache") {
  auto options = each_mode();
  World world(
      [](Request const& request) {
        return FakeClient::answer(request, 200, "Cache-Control: public, max-age=60\r\n",
                                  std::string(request.headers()["X-Tenant"]));
      },
      options.match_headers("X-Tenant", "X-Other"));
  CHECK(ask(world, {{"X-Tenant", "a"}}).body() == "a");
  CHECK(ask(world, {{"X-Tenant", "b"}}).body() == "b");
  auto const hit = ask(world, {{"x-tenant", "a"}, {"X-Third", "z"}});
  CHECK(hit.from_cache());
  CHECK(hit.body() == "a");
  CHECK_FALSE(ask(world, {{"X-Other", "a"}}).from_cache());
  CHECK_FALSE(ask(world).from_cache());
  CHECK(ask(world).from_cache());
  CHECK(world.asked() == 4);
}

TEST_CASE("an answer that is not stored tells why") {
  auto const why = [](CacheOptions options, std::string const& fields, unsigned status = 200) {
    std::string const told = World(always(fields, "body", status), std::move(options)).get().cache_status();
    std::string const begin = "beast_cache; fwd=uri-miss; detail=";
    return told.starts_with(begin) ? told.substr(begin.size()) : told;
  };
  std::string const fresh = "Cache-Control: max-age=60\r\n";
  CHECK(why(CacheOptions(), "Cache-Control: no-store\r\n") == "\"no-store\"");
  CHECK(why(in_mode(policy::CacheMode::shared_cache), "Cache-Control: private\r\n") == "\"private\"");
  CHECK(why(CacheOptions(), fresh + "Vary: *\r\n") == "\"vary *\"");
  CHECK(why(CacheOptions(), "") == "\"no lifetime, no validator\"");
  CHECK(why(CacheOptions(), "", 418) == "\"no lifetime\"");
  CHECK(why(CacheOptions().allowed_codes(404), fresh) == "\"allowed_codes\"");
  std::string const bypass = "beast_cache; fwd=bypass; detail=";
  CHECK(why(CacheOptions().allowed_methods(http::verb::head), fresh) == bypass + "\"allowed_methods\"");
  CHECK(why(CacheOptions().expire_after(do_not_cache), fresh) == bypass + "\"expire_after\"");
  CHECK(why(CacheOptions().filter([](CachedHead const&) { return false; }), fresh) == "\"filter\"");
  CHECK(why(CacheOptions().max_body_bytes(3), fresh + "Content-Length: 4\r\n") == "\"too large\"");
  CHECK(why(CacheOptions().ignored_params("token"), fresh + "Content-Location: /page?token=1\r\n") ==
        "\"leads to ignored_params\"");
  CHECK(why(CacheOptions(), fresh) == "beast_cache; fwd=uri-miss; ttl=60; stored");
}

TEST_CASE("a filter says what is stored, and takes out what is no longer to be used") {
  bool refuses = true;
  int asked = 0;
  bool const is_coroutine = GENERATE(false, true);
  auto const decide = [&](CachedHead const& head) {
    ++asked;
    CHECK(head.status() == 200);
    CHECK(head.header("X-Kind") == "a");
    return !refuses;
  };
  CacheOptions options;
  if (is_coroutine) {
    options.async_filter(std::bind_front(decide_later, std::function<bool(CachedHead const&)>(decide)));
  } else {
    options.filter(decide);
  }
  World world(always("Cache-Control: max-age=60\r\nX-Kind: a\r\n"), options);
  auto const refused = world.get();
  CHECK_FALSE(has(refused.cache_status(), "stored"));
  CHECK(asked == 1);
  CHECK_FALSE(world.run(world.backend->has_url(Url(url))));
  refuses = false;
  CHECK(has(world.get().cache_status(), "stored"));
  CHECK(world.get().from_cache());
  refuses = true;
  CHECK_FALSE(world.get().from_cache());
  CHECK_FALSE(world.run(world.backend->has_url(Url(url))));
  CHECK(world.events->errors.empty());
}

TEST_CASE("a filter is asked for what the origin says is current for other request fields, too") {
  bool refuses = false;
  int sent = 0;
  World world(
      [&](Request const& request) {
        ++sent;
        bool const is_known = request.headers().count(http::field::if_none_match) != 0;
        return FakeClient::answer(request, is_known ? 304u : 200u,
                                  "Cache-Control: max-age=60\r\nETag: \"a\"\r\nVary: Accept-Language\r\n",
                                  is_known ? "" : "body " + std::to_string(sent));
      },
      CacheOptions().filter([&](CachedHead const&) { return !refuses; }));
  ask(world, {{"Accept-Language", "en"}});
  refuses = true;
  auto const answer = ask(world, {{"Accept-Language", "fr"}});
  CHECK(answer.status() == 200);
  CHECK(answer.body() == "body 3");
  CHECK_FALSE(world.run(world.backend->has_url(Url(url))));
}

TEST_CASE("a filter that fails is a fault of the cache, not of the request") {
  World world(always("Cache-Control: max-age=60\r\n"),
              CacheOptions().filter([](CachedHead const&) -> bool { throw std::runtime_error("filter"); }));
  CHECK(world.get().status() == 200);
  CHECK_FALSE(world.get().from_cache());
  CHECK(world.events->errors == std::vector<std::string>{"filter " + url, "filter " + url});
}

TEST_CASE("a session without its cache asks the origin, and leaves what is stored alone") {
  World world(always("Cache-Control: max-age=60\r\n"));
  CachedSession const plain = world.session.disabled();
  auto get = [&](CachedSession session) { return world.run(session.get(url)); };
  CHECK_FALSE(get(plain).from_cache());
  CHECK_FALSE(world.run(world.backend->has_url(Url(url))));
  CHECK_FALSE(get(world.session).from_cache());
  CHECK_FALSE(get(plain).from_cache());
  CHECK(get(world.session).from_cache());
  CHECK(world.asked() == 3);
}

TEST_CASE("a session without the network answers from the cache, or with 504") {
  World world(always("Cache-Control: max-age=60\r\n"));
  CachedSession offline = world.session.offline();
  CHECK(world.run(offline.get(url)).status() == 504);
  CHECK(world.asked() == 0);
  world.get();
  auto const hit = world.run(offline.get(url));
  CHECK(hit.from_cache());
  CHECK(world.run(world.session.offline().get("http://origin.test/other")).status() == 504);
  CHECK(world.asked() == 1);
}
