#pragma once
// What the policy tables are written in: header fields as one line of text, times in seconds around one
// moment, the arrival of the stored response.

#include <boost/beast/http/fields.hpp>
#include <charconv>
#include <chrono>
#include <string>
#include <string_view>

#include "beast_cache/clock.hpp"
#include "beast_cache/http/date.hpp"
#include "beast_cache/policy/options.hpp"
#include "catch.hpp"

namespace policy_test {

namespace http = boost::beast::http;
namespace policy = beast_cache::policy;
using beast_cache::TimePoint;
using std::chrono::milliseconds;
using std::chrono::seconds;

/// The moment that all times count from: Thu, 01 Jan 2026 00:00:00 GMT.
inline constexpr TimePoint t0{std::chrono::sys_days{std::chrono::year{2026} / 1 / 1}};

inline TimePoint at(long long s) {
  return t0 + seconds{s};
}

/// Fields from `Name: value|Name: value`; `@-60` in a value stands for the date 60 seconds before `t0`.
inline http::fields fields(std::string_view text) {
  http::fields result;
  while (!text.empty()) {
    auto const end = text.find('|');
    auto const line = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    auto const colon = line.find(':');
    REQUIRE(colon != std::string_view::npos);
    std::string value{line.substr(colon + 1)};
    if (!value.empty() && value.front() == ' ') value.erase(0, 1);
    if (!value.empty() && value.front() == '@') {
      long long offset = 0;
      std::from_chars(value.data() + 1, value.data() + value.size(), offset);
      value = beast_cache::format_http_date(at(offset));
    }
    result.insert(std::string{line.substr(0, colon)}, value);
  }
  return result;
}

/// The other way round.
inline std::string text(http::fields const& f) {
  std::string result;
  for (auto const& field : f) {
    if (!result.empty()) result += '|';
    result.append(field.name_string()).append(": ").append(field.value());
  }
  return result;
}

inline policy::Options private_mode() {
  return {};
}
inline policy::Options shared_mode() {
  return policy::Options{}.mode(policy::CacheMode::shared_cache);
}

}  // namespace policy_test
