#pragma once
/// \file date.hpp
/// HTTP dates: the three forms that a recipient must accept, and the one that a sender writes.
///
/// Source: RFC 9110 section 5.6.7. Letters match in any case, as RFC 9111 section 4.2 asks of a cache; all
/// else is strict: exact length, real calendar days, no zone but GMT. A day name must be one, but need not be
/// the right one: the date is plain without it.

#include <chrono>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "beast_cache/clock.hpp"
#include "beast_cache/config.hpp"

namespace beast_cache {
inline namespace v1 {
namespace detail {

inline constexpr std::string_view day_names[] = {"Sunday",   "Monday", "Tuesday", "Wednesday",
                                                 "Thursday", "Friday", "Saturday"};
inline constexpr std::string_view month_names = "JanFebMarAprMayJunJulAugSepOctNovDec";

/// Reads a date from front to back; the first mismatch makes it fail for good.
class DateScanner {
 public:
  constexpr explicit DateScanner(std::string_view text) noexcept : text_(text) {}

  constexpr bool ok() const noexcept { return ok_; }
  constexpr bool done() const noexcept { return ok_ && text_.empty(); }

  /// The literal, in any case.
  constexpr void literal(std::string_view expected) noexcept {
    if (!starts_with(expected)) return fail();
    text_.remove_prefix(expected.size());
  }
  /// Exactly `digits` decimal digits.
  constexpr int number(std::size_t digits) noexcept {
    int value = 0;
    if (text_.size() < digits) return fail(), 0;
    for (std::size_t i = 0; i < digits; ++i) {
      if (text_[i] < '0' || text_[i] > '9') return fail(), 0;
      value = value * 10 + (text_[i] - '0');
    }
    text_.remove_prefix(digits);
    return value;
  }
  /// A day of two digits, or of a space and a digit.
  constexpr int padded_day() noexcept {
    if (text_.empty() || text_[0] != ' ') return number(2);
    text_.remove_prefix(1);
    return number(1);
  }
  /// The name of a day, whole or its first three letters.
  constexpr void day_name(bool whole) noexcept {
    for (auto const name : day_names) {
      auto const expected = whole ? name : name.substr(0, 3);
      if (starts_with(expected)) return text_.remove_prefix(expected.size());
    }
    fail();
  }
  constexpr unsigned month() noexcept {
    for (unsigned m = 0; m < 12; ++m) {
      if (!starts_with(month_names.substr(m * 3, 3))) continue;
      text_.remove_prefix(3);
      return m + 1;
    }
    return fail(), 0;
  }

 private:
  static constexpr char lower(char c) noexcept { return c >= 'A' && c <= 'Z' ? char(c + ('a' - 'A')) : c; }
  constexpr bool starts_with(std::string_view expected) const noexcept {
    if (text_.size() < expected.size()) return false;
    for (std::size_t i = 0; i < expected.size(); ++i) {
      if (lower(text_[i]) != lower(expected[i])) return false;
    }
    return true;
  }
  constexpr void fail() noexcept { ok_ = false, text_ = {}; }

  std::string_view text_;
  bool ok_ = true;
};

/// The year that a date of two digits means: the latest one that is not more than 50 years ahead of `now`.
inline int year_of_two_digits(int two, std::chrono::month_day day, std::chrono::seconds time,
                              TimePoint now) noexcept {
  using namespace std::chrono;
  auto const today = floor<days>(now);
  year_month_day const date{today};
  int const limit = static_cast<int>(date.year()) + 50;
  int year = limit - limit % 100 + two;
  if (year > limit) year -= 100;
  if (year < limit) return year;
  month_day const now_day{date.month(), date.day()};
  bool const beyond = day > now_day || (day == now_day && time > floor<seconds>(now - today));
  return beyond ? year - 100 : year;
}

}  // namespace detail

/// Reads an HTTP date: IMF-fixdate, the obsolete RFC 850 form or asctime's.
///
/// @param now the current time, which settles the century of a year of two digits.
/// @return the date, or nothing when the text is none. A leap second counts as the second before it.
/// Source: RFC 9110 section 5.6.7; RFC 9111 section 4.2.
inline std::optional<TimePoint> parse_http_date(std::string_view text, TimePoint now) noexcept {
  using namespace std::chrono;
  detail::DateScanner scan{text};
  int year_number = 0;
  unsigned month_number = 0;
  int day_number = 0;
  int h = 0, m = 0, s = 0;
  bool two_digits = false;
  auto const time_of_day = [&] {
    h = scan.number(2);
    scan.literal(":");
    m = scan.number(2);
    scan.literal(":");
    s = scan.number(2);
  };

  if (text.size() == 29 && text[3] == ',') {  // Sun, 06 Nov 1994 08:49:37 GMT
    scan.day_name(false);
    scan.literal(", ");
    day_number = scan.number(2);
    scan.literal(" ");
    month_number = scan.month();
    scan.literal(" ");
    year_number = scan.number(4);
    scan.literal(" ");
    time_of_day();
    scan.literal(" GMT");
  } else if (text.size() == 24) {  // Sun Nov  6 08:49:37 1994
    scan.day_name(false);
    scan.literal(" ");
    month_number = scan.month();
    scan.literal(" ");
    day_number = scan.padded_day();
    scan.literal(" ");
    time_of_day();
    scan.literal(" ");
    year_number = scan.number(4);
  } else {  // Sunday, 06-Nov-94 08:49:37 GMT
    scan.day_name(true);
    scan.literal(", ");
    day_number = scan.number(2);
    scan.literal("-");
    month_number = scan.month();
    scan.literal("-");
    year_number = scan.number(2);
    scan.literal(" ");
    time_of_day();
    scan.literal(" GMT");
    two_digits = true;
  }
  if (!scan.done() || h > 23 || m > 59 || s > 60) return std::nullopt;
  if (s == 60) {
    if (h != 23 || m != 59) return std::nullopt;
    s = 59;
  }
  auto const time = hours{h} + minutes{m} + seconds{s};
  month const month_of_year{month_number};
  day const day_of_month{static_cast<unsigned>(day_number)};
  if (two_digits) {
    year_number = detail::year_of_two_digits(year_number, month_of_year / day_of_month, time, now);
  }
  year_month_day const date{year{year_number}, month_of_year, day_of_month};
  if (!date.ok()) return std::nullopt;
  return TimePoint{sys_days{date} + time};
}

/// Writes a time as an IMF-fixdate, `Sun, 06 Nov 1994 08:49:37 GMT`.
///
/// A fraction of a second is dropped; a time outside the years 0 to 9999 is moved to the nearest within.
inline std::string format_http_date(TimePoint t) {
  using namespace std::chrono;
  constexpr TimePoint first{sys_days{year{0} / January / 1}};
  constexpr TimePoint last{sys_days{year{9999} / December / 31} + hours{24} - seconds{1}};
  auto const time = floor<seconds>(t < first ? first : (t > last ? last : t));
  auto const midnight = floor<days>(time);
  year_month_day const date{midnight};
  auto const put = [](char* to, int digits, int value) {
    for (to += digits; digits > 0; --digits, value /= 10) *--to = static_cast<char>('0' + value % 10);
  };
  auto const of_day = static_cast<int>((time - midnight).count());
  std::string text = "Xxx, 00 Xxx 0000 00:00:00 GMT";
  detail::day_names[weekday{midnight}.c_encoding()].copy(text.data(), 3);
  put(text.data() + 5, 2, static_cast<int>(static_cast<unsigned>(date.day())));
  detail::month_names.substr((static_cast<unsigned>(date.month()) - 1) * 3, 3).copy(text.data() + 8, 3);
  put(text.data() + 12, 4, static_cast<int>(date.year()));
  put(text.data() + 17, 2, of_day / 3600);
  put(text.data() + 20, 2, of_day / 60 % 60);
  put(text.data() + 23, 2, of_day % 60);
  return text;
}

}  // namespace v1
}  // namespace beast_cache
