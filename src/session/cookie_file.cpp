#include <algorithm>
#include <charconv>
#include <chrono>
#include <string_view>
#include <utility>

#include "http/text.hpp"
#include "session/cookie_entries.hpp"

namespace beast_cache {
inline namespace v1 {
namespace detail {
namespace {

constexpr std::string_view http_only_mark = "#HttpOnly_";

bool fits_a_line(std::string_view text) noexcept {
  return text.find_first_of("\t\r\n") == std::string_view::npos;
}

// RFC 6265bis section 5.7, steps 2 and 3; and no tab, which would be taken for the end of the field.
bool can_be_sent(std::string_view text) noexcept {
  return fits_a_line(text) && is_field_value(text);
}

}  // namespace

std::string format_cookies(CookieDomains const& domains) {
  std::string out = "# Netscape HTTP Cookie File\n";
  for (auto const& [domain, entries] : domains) {
    for (CookieEntry const& entry : entries) {
      if (!fits_a_line(entry.name) || !fits_a_line(entry.value) || !fits_a_line(entry.path)) continue;
      auto const expires = std::chrono::floor<std::chrono::seconds>(entry.expires).time_since_epoch().count();
      out.append(entry.http_only ? http_only_mark : "")
          .append(entry.host_only ? "" : ".")
          .append(domain)
          .append(entry.host_only ? "\tFALSE\t" : "\tTRUE\t")
          .append(entry.path)
          .append(entry.secure ? "\tTRUE\t" : "\tFALSE\t")
          .append(entry.persistent ? std::to_string(expires) : "0")
          .append(1, '\t')
          .append(entry.name)
          .append(1, '\t')
          .append(entry.value)
          .append(1, '\n');
    }
  }
  return out;
}

void parse_cookies(std::string_view text, std::function<void(CookieEntry)> const& add) {
  while (!text.empty()) {
    std::string_view line = cut(text, '\n');
    if (line.ends_with('\r')) line.remove_suffix(1);
    CookieEntry entry;
    entry.http_only = line.starts_with(http_only_mark);
    if (entry.http_only) line.remove_prefix(http_only_mark.size());
    if (line.starts_with('#')) continue;
    std::string_view domain = cut(line, '\t');
    if (domain.starts_with('.')) domain.remove_prefix(1);
    entry.domain = to_lower(domain);
    entry.host_only = cut(line, '\t') != "TRUE";
    entry.path = std::string(cut(line, '\t'));
    entry.secure = cut(line, '\t') == "TRUE";
    std::string_view const expires = cut(line, '\t');
    entry.name = std::string(cut(line, '\t'));
    entry.value = std::string(line);
    std::int64_t seconds = -1;
    auto const end = expires.data() + expires.size();
    auto const result = std::from_chars(expires.data(), end, seconds);
    constexpr std::int64_t most = std::int64_t{1} << 40;
    bool const is_number = result.ec == std::errc() && result.ptr == end && seconds >= 0 && seconds < most;
    if (!is_number || entry.domain.empty() || !entry.path.starts_with('/')) continue;
    if (entry.name.empty() && entry.value.empty()) continue;
    if (!can_be_sent(entry.name) || !can_be_sent(entry.value)) continue;
    entry.persistent = seconds != 0;
    if (entry.persistent) entry.expires = TimePoint(std::chrono::seconds(seconds));
    add(std::move(entry));
  }
}

}  // namespace detail
}  // namespace v1
}  // namespace beast_cache
