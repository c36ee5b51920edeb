#include "beast_cache/http/cookie.hpp"

#include <algorithm>
#include <array>
#include <charconv>

#include "http/text.hpp"

namespace beast_cache {
inline namespace v1 {
namespace {

using detail::cut;
using detail::iequals;
using detail::is_digit;

// RFC 6265bis section 5.6.
constexpr std::size_t most_of_pair = 4096;
constexpr std::size_t most_of_attribute = 1024;

std::string_view trim(std::string_view text) noexcept {
  text.remove_prefix(std::min(text.find_first_not_of(" \t"), text.size()));
  return text.substr(0, text.find_last_not_of(" \t") + 1);
}
bool is_control(char c) noexcept {
  return (static_cast<unsigned char>(c) < 0x20 && c != '\t') || c == '\x7f';
}

/// Digits at the front, `least` to `most` of them and no more. @return -1 when there are others.
int take_number(std::string_view& text, std::size_t least, std::size_t most) noexcept {
  auto const end = std::find_if_not(text.begin(), text.end(), is_digit);
  auto const digits = static_cast<std::size_t>(end - text.begin());
  if (digits < least || digits > most) return -1;
  int number = 0;
  std::from_chars(text.data(), text.data() + digits, number);
  text.remove_prefix(digits);
  return number;
}

class DateFields {
 public:
  void add(std::string_view token) noexcept {
    if (hour < 0 && take_time(token)) return;
    if (day < 0 && take(token, day, 1, 2)) return;
    if (month == 0 && take_month(token)) return;
    if (year < 0) take(token, year, 2, 4);
  }

  int hour = -1;
  int minute = -1;
  int second = -1;
  int day = -1;
  unsigned month = 0;
  int year = -1;

 private:
  static bool take(std::string_view token, int& field, std::size_t least, std::size_t most) noexcept {
    int const number = take_number(token, least, most);
    if (number >= 0) field = number;
    return number >= 0;
  }
  bool take_time(std::string_view token) noexcept {
    int const h = take_number(token, 1, 2);
    if (h < 0 || !token.starts_with(':')) return false;
    token.remove_prefix(1);
    int const m = take_number(token, 1, 2);
    if (m < 0 || !token.starts_with(':')) return false;
    token.remove_prefix(1);
    int const s = take_number(token, 1, 2);
    if (s < 0) return false;
    hour = h;
    minute = m;
    second = s;
    return true;
  }
  bool take_month(std::string_view token) noexcept {
    constexpr std::array<std::string_view, 12> names = {"jan", "feb", "mar", "apr", "may", "jun",
                                                        "jul", "aug", "sep", "oct", "nov", "dec"};
    auto const* const found = std::find_if(
        names.begin(), names.end(), [&](std::string_view name) { return iequals(token.substr(0, 3), name); });
    if (found == names.end()) return false;
    month = static_cast<unsigned>(found - names.begin()) + 1;
    return true;
  }
};

constexpr bool is_date_delimiter(char c) noexcept {
  auto const u = static_cast<unsigned char>(c);
  return u == 0x09 || (u >= 0x20 && u <= 0x2f) || (u >= 0x3b && u <= 0x40) || (u >= 0x5b && u <= 0x60) ||
         (u >= 0x7b && u <= 0x7e);
}

}  // namespace

std::optional<TimePoint> detail::parse_cookie_date(std::string_view text) noexcept {
  DateFields fields;
  while (!text.empty()) {
    auto const begin = std::find_if_not(text.begin(), text.end(), is_date_delimiter);
    auto const end = std::find_if(begin, text.end(), is_date_delimiter);
    if (begin != end) {
      fields.add(
          text.substr(static_cast<std::size_t>(begin - text.begin()), static_cast<std::size_t>(end - begin)));
    }
    text.remove_prefix(static_cast<std::size_t>(end - text.begin()));
  }
  if (fields.hour < 0 || fields.day < 0 || fields.month == 0 || fields.year < 0) return std::nullopt;
  int year = fields.year;
  if (year >= 70 && year <= 99) year += 1900;
  if (year >= 0 && year <= 69) year += 2000;
  using namespace std::chrono;
  year_month_day const date{std::chrono::year(year), std::chrono::month(fields.month),
                            std::chrono::day(static_cast<unsigned>(fields.day))};
  if (year < 1601 || !date.ok() || fields.hour > 23 || fields.minute > 59 || fields.second > 59)
    return std::nullopt;
  return TimePoint(sys_days(date)) + hours(fields.hour) + minutes(fields.minute) + seconds(fields.second);
}

std::optional<Cookie> Cookie::parse(std::string_view set_cookie) {
  if (std::any_of(set_cookie.begin(), set_cookie.end(), is_control)) return std::nullopt;
  std::string_view rest = set_cookie;
  std::string_view value = cut(rest, ';');
  std::string_view name;
  if (value.find('=') != std::string_view::npos) name = cut(value, '=');
  Cookie cookie;
  cookie.name_ = std::string(trim(name));
  cookie.value_ = std::string(trim(value));
  std::size_t const size = cookie.name_.size() + cookie.value_.size();
  if (size == 0 || size > most_of_pair) return std::nullopt;
  while (!rest.empty()) {
    std::string_view attribute_value = cut(rest, ';');
    std::string_view const attribute = cut(attribute_value, '=');
    cookie.set_attribute(trim(attribute), trim(attribute_value));
  }
  return cookie;
}

void Cookie::set_attribute(std::string_view name, std::string_view value) {
  if (value.size() > most_of_attribute) return;
  if (iequals(name, "Expires")) {
    std::optional<TimePoint> const date = detail::parse_cookie_date(value);
    if (date) expires_ = date;
  } else if (iequals(name, "Max-Age")) {
    bool const negative = value.starts_with('-');
    std::string_view const digits = value.substr(negative ? 1 : 0);
    if (digits.empty() || !std::all_of(digits.begin(), digits.end(), is_digit)) return;
    std::int64_t count = 0;
    auto const result = std::from_chars(digits.data(), digits.data() + digits.size(), count);
    constexpr std::int64_t most = std::int64_t{1} << 31;
    if (result.ec != std::errc() || count > most) count = most;
    max_age_ = std::chrono::seconds(negative ? 0 : count);
  } else if (iequals(name, "Domain")) {
    if (value.starts_with('.')) value.remove_prefix(1);
    domain_ = detail::to_lower(value);
  } else if (iequals(name, "Path")) {
    path_ = std::string(value.starts_with('/') ? value : std::string_view());
  } else if (iequals(name, "Secure")) {
    secure_ = true;
  } else if (iequals(name, "HttpOnly")) {
    http_only_ = true;
  } else if (iequals(name, "SameSite")) {
    same_site_ = iequals(value, "none")     ? SameSite::none
                 : iequals(value, "lax")    ? SameSite::lax
                 : iequals(value, "strict") ? SameSite::strict
                                            : SameSite::unset;
  }
}

}  // namespace v1
}  // namespace beast_cache
