// The Cache-Status field: RFC 9211.

#include "beast_cache/policy/cache_status.hpp"

#include <set>
#include <string_view>
#include <vector>

#include "table.hpp"

using namespace policy_test;
using policy::CacheStatus;
using policy::Forward;
using policy::RequestView;
using policy::StoredView;

namespace {

/// RFC 9651: one member that is a token with parameters. Checks the grammar, nothing of the meaning.
bool is_structured(std::string_view s) {
  auto const token = [&] {
    std::size_t n = 0;
    while (n < s.size() && (policy::detail::is_tchar(s[n]) || s[n] == ':' || s[n] == '/')) ++n;
    s.remove_prefix(n);
    return n != 0;
  };
  if (!token()) return false;
  while (!s.empty()) {
    if (s.substr(0, 2) != "; ") return false;
    s.remove_prefix(2);
    if (s.empty() || s[0] < 'a' || s[0] > 'z' || !token()) return false;
    if (s.empty() || s[0] != '=') continue;
    s.remove_prefix(1);
    if (s.empty()) return false;
    if (s[0] != '"') {
      if (!token()) return false;
      continue;
    }
    std::size_t n = 1;
    for (; n < s.size() && s[n] != '"'; ++n) {
      if (s[n] < 0x20 || s[n] > 0x7e) return false;
      if (s[n] != '\\') continue;
      if (++n == s.size() || (s[n] != '"' && s[n] != '\\')) return false;
    }
    if (n == s.size()) return false;
    s.remove_prefix(n + 1);
  }
  return true;
}

}  // namespace

TEST_CASE("a decision says in Cache-Status what it did and why") {
  struct Row {
    char const* request;
    char const* stored;  // null: nothing
    int after;
    char const* expected;
  };
  char const* const plain = "Cache-Control: max-age=60|ETag: \"a\"";
  std::vector<Row> const rows = {
      {"", plain, 1, "beast_cache; hit; ttl=59"},
      {"Cache-Control: max-stale", plain, 70, "beast_cache; hit; ttl=-10; detail=\"max-stale\""},
      {"", "Cache-Control: max-age=60, stale-while-revalidate=60", 70,
       "beast_cache; hit; ttl=-10; detail=\"stale-while-revalidate\""},
      {"", nullptr, 0, "beast_cache; fwd=uri-miss"},
      {"", plain, 60, "beast_cache; fwd=stale"},
      {"A: 1", "Vary: A", 0, "beast_cache; fwd=vary-miss"},
      {"", "Cache-Control: no-cache", 0, "beast_cache; fwd=stale; detail=\"response no-cache\""},
      {"Cache-Control: no-cache", plain, 1, "beast_cache; fwd=request; detail=\"request no-cache\""},
      {"Cache-Control: max-age=0", plain, 1, "beast_cache; fwd=request; detail=\"request max-age\""},
      {"Cache-Control: min-fresh=99", plain, 1, "beast_cache; fwd=request; detail=\"request min-fresh\""},
      {"Cache-Control: no-store", plain, 1, "beast_cache; fwd=request; detail=\"request no-store\""},
      {"Range: bytes=0-1", plain, 1, "beast_cache; fwd=bypass; detail=\"range\""},
      {"If-Match: *", plain, 1, "beast_cache; fwd=bypass; detail=\"conditional request\""},
      {"Upgrade: x", plain, 1, "beast_cache; fwd=bypass; detail=\"upgrade\""},
      {"X-HTTP-Method: PUT", plain, 1, "beast_cache; fwd=bypass; detail=\"method override\""},
      {"", "Cache-Control: no-store", 1, "beast_cache; fwd=bypass; detail=\"not reusable\""},
      {"Cache-Control: only-if-cached", nullptr, 0, "beast_cache; detail=\"only-if-cached, URI miss\""},
  };
  for (auto const& row : rows) {
    INFO(row.expected);
    auto const request = fields(row.request);
    auto const headers = fields(row.stored ? row.stored : "");
    StoredView const view{200, headers, t0, t0};
    auto const d = policy::evaluate(RequestView{http::verb::get, request}, row.stored ? &view : nullptr,
                                    policy::Options{}, at(row.after));
    CHECK(CacheStatus{d}.str() == row.expected);
    CHECK(is_structured(CacheStatus{d}.str()));
  }
  auto const none = fields("");
  auto const headers = fields(plain);
  StoredView const marked = StoredView{200, headers, t0, t0}.invalidated(true);
  CHECK(CacheStatus{policy::evaluate(RequestView{http::verb::get, none}, &marked, policy::Options{}, at(1))}
            .str() == "beast_cache; fwd=stale; detail=\"invalidated\"");
  CHECK(CacheStatus{policy::evaluate(RequestView{http::verb::post, none}, &marked, policy::Options{}, at(1))}
            .str() == "beast_cache; fwd=method");
  // RFC 9211 section 2.2: what is stored holds a part of what is asked for.
  auto const part = fields("Cache-Control: max-age=60|Content-Range: bytes 2-4/9");
  StoredView const stored_part{206, part, t0, t0};
  auto const all = RequestView{http::verb::get, none}.makes_answers(true);
  CHECK(CacheStatus{policy::evaluate(all, &stored_part, policy::Options{}, at(1))}.str() ==
        "beast_cache; fwd=partial");
}

TEST_CASE("what became of a forwarded request is added") {
  CHECK(CacheStatus{}.fwd(Forward::stale).fwd_status(304).ttl(seconds{60}).stored(true).str() ==
        "beast_cache; fwd=stale; fwd-status=304; ttl=60; stored");
  CHECK(CacheStatus{}.fwd(Forward::uri_miss).collapsed(true).key("GET x").detail("a").str() ==
        "beast_cache; fwd=uri-miss; collapsed; key=\"GET x\"; detail=\"a\"");
  // Why it was not stored, unless the rest tells.
  CHECK(CacheStatus{}.fwd(Forward::uri_miss).not_stored("private").str() ==
        "beast_cache; fwd=uri-miss; detail=\"private\"");
  CHECK(CacheStatus{}.fwd(Forward::method).not_stored("method").str() == "beast_cache; fwd=method");
  CHECK(CacheStatus{}.fwd(Forward::request).detail("request no-store").not_stored("request no-store").str() ==
        "beast_cache; fwd=request; detail=\"request no-store\"");
  // RFC 9211 section 2.1: hit and fwd exclude each other.
  CHECK(CacheStatus{}.fwd(Forward::stale).fwd_status(304).stored(true).hit().str() == "beast_cache; hit");
  CHECK(CacheStatus{}.hit().fwd(Forward::request).str() == "beast_cache; fwd=request");
  CHECK(CacheStatus{}.str() == "beast_cache");
}

TEST_CASE("strings and numbers are valid structured fields, whatever they hold") {
  CHECK(CacheStatus{}.hit().key("a\"b\\c").str() == "beast_cache; hit; key=\"a\\\"b\\\\c\"");
  CHECK(CacheStatus{}.hit().key("\xc3\xa9\r\n").str() == "beast_cache; hit; key=\"%C3%A9%0D%0A\"");
  CHECK(CacheStatus{}.hit().ttl(seconds::max()).str() == "beast_cache; hit");  // for ever
  CHECK(CacheStatus{}.hit().ttl(std::chrono::hours(24 * 36525)).str() == "beast_cache; hit; ttl=3155760000");
  CHECK(CacheStatus{}.hit().ttl(seconds::min()).str() == "beast_cache; hit; ttl=-999999999999999");
  std::string all;
  for (int c = 0; c < 256; ++c) all += static_cast<char>(c);
  CHECK(is_structured(CacheStatus{}.hit().key(all).detail(all).str()));
}

TEST_CASE("the member comes after those of the caches nearer to the origin") {
  auto response = fields("Cache-Status: upstream; hit|A: 1");
  CacheStatus{}.hit().append_to(response);
  CHECK(text(response) == "Cache-Status: upstream; hit|Cache-Status: beast_cache; hit|A: 1");
}

TEST_CASE("what was decided, and why, has a name of its own") {
  std::set<std::string_view> names;
  for (int i = 0; i <= static_cast<int>(policy::Reason::method_override); ++i)
    CHECK(names.insert(policy::to_string(static_cast<policy::Reason>(i))).second);
  CHECK(policy::to_string(policy::Reason::fresh) == "fresh");
  CHECK(policy::to_string(policy::Reason::part_missing) == "part missing");
  CHECK(policy::to_string(policy::Reason::method_override) == "method override");
  CHECK(policy::to_string(policy::Action::serve) == "serve");
  CHECK(policy::to_string(policy::Action::unsatisfiable) == "unsatisfiable");
}

TEST_CASE("every reason to forward has a token of RFC 9211") {
  for (int i = 0; i <= static_cast<int>(policy::Reason::method_override); ++i) {
    auto const reason = static_cast<policy::Reason>(i);
    bool const served = reason == policy::Reason::fresh || reason == policy::Reason::stale_max_stale ||
                        reason == policy::Reason::stale_while_revalidate;
    CHECK((policy::forward_of(reason) == Forward::none) == served);
    CHECK(policy::to_string(policy::forward_of(reason)).empty() == served);
  }
}
