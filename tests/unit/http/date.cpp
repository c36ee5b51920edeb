#include "beast_cache/http/date.hpp"

#include <random>
#include <vector>

#include "catch.hpp"

using beast_cache::format_http_date;
using beast_cache::parse_http_date;
using beast_cache::TimePoint;
using namespace std::chrono;

namespace {

TimePoint when(int y, unsigned m, unsigned d, int hour = 0, int minute = 0, int second = 0) {
  return TimePoint{sys_days{year{y} / static_cast<int>(m) / static_cast<int>(d)} + hours{hour} +
                   minutes{minute} + seconds{second}};
}

TimePoint const now = when(2026, 7, 15, 12);

}  // namespace

TEST_CASE("RFC 9110's own three dates are one moment") {
  auto const expected = when(1994, 11, 6, 8, 49, 37);
  CHECK(parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT", now) == expected);
  CHECK(parse_http_date("Sunday, 06-Nov-94 08:49:37 GMT", now) == expected);
  CHECK(parse_http_date("Sun Nov  6 08:49:37 1994", now) == expected);
}

TEST_CASE("a date is read as RFC 9110 section 5.6.7 and RFC 9111 section 4.2 say") {
  struct Row {
    char const* text;
    TimePoint expected;
  };
  std::vector<Row> const rows = {
      {"Thu, 01 Jan 1970 00:00:00 GMT", when(1970, 1, 1)},
      {"Thu, 29 Feb 2024 23:59:59 GMT", when(2024, 2, 29, 23, 59, 59)},
      {"Tue, 29 Feb 2000 00:00:00 GMT", when(2000, 2, 29)},
      {"Fri, 31 Dec 9999 23:59:59 GMT", when(9999, 12, 31, 23, 59, 59)},
      {"Sat, 01 Jan 0000 00:00:00 GMT", when(0, 1, 1)},
      {"sUN, 06 nOV 1994 08:49:37 gmt", when(1994, 11, 6, 8, 49, 37)},
      {"sunday, 06-NOV-94 08:49:37 gmt", when(1994, 11, 6, 8, 49, 37)},
      {"SUN NOV  6 08:49:37 1994", when(1994, 11, 6, 8, 49, 37)},
      {"Wed Nov 16 08:49:37 1994", when(1994, 11, 16, 8, 49, 37)},
      {"Sun Nov 06 08:49:37 1994", when(1994, 11, 6, 8, 49, 37)},
      // The wrong day's name: the date is plain without it.
      {"Mon, 06 Nov 1994 08:49:37 GMT", when(1994, 11, 6, 8, 49, 37)},
      // A leap second is the second before it.
      {"Sat, 31 Dec 2016 23:59:60 GMT", when(2016, 12, 31, 23, 59, 59)},
      // Two digits: the latest year that is no more than 50 years ahead.
      {"Friday, 01-Jan-71 00:00:00 GMT", when(2071, 1, 1)},
      {"Wednesday, 15-Jul-76 12:00:00 GMT", when(2076, 7, 15, 12)},
      {"Wednesday, 15-Jul-76 12:00:01 GMT", when(1976, 7, 15, 12, 0, 1)},
      {"Thursday, 16-Jul-76 00:00:00 GMT", when(1976, 7, 16)},
      {"Friday, 01-Jan-77 00:00:00 GMT", when(1977, 1, 1)},
      {"Friday, 31-Dec-99 23:59:59 GMT", when(1999, 12, 31, 23, 59, 59)},
      {"Saturday, 01-Jan-00 00:00:00 GMT", when(2000, 1, 1)},
      {"Thursday, 29-Feb-24 00:00:00 GMT", when(2024, 2, 29)},
  };
  for (auto const& row : rows) {
    INFO(row.text);
    auto const read = parse_http_date(row.text, now);
    REQUIRE(read);
    CHECK(*read == row.expected);
  }
}

TEST_CASE("what is no date is none") {
  for (auto const* text : {"",
                           " ",
                           "0",
                           "-1",
                           "now",
                           "Sun",
                           "1994-11-06T08:49:37Z",
                           "784111777",
                           "Sun, 06 Nov 1994 08:49:37 UTC",
                           "Sun, 06 Nov 1994 08:49:37 CET",
                           "Sun, 06 Nov 1994 08:49:37 +00",
                           "Sun, 06 Nov 1994 08:49:37",
                           "Sun, 06 Nov 1994 08:49:37 GMT ",
                           " Sun, 06 Nov 1994 08:49:37 GMT",
                           "Sun, 6 Nov 1994 08:49:37 GMT",
                           "Sun, 006 Nov 1994 08:49:37 GMT",
                           "Sun, 06 Nov 94 08:49:37 GMT",
                           "Sun, 06-Nov-1994 08:49:37 GMT",
                           "Sun 06 Nov 1994 08:49:37 GMT ",
                           "Sun; 06 Nov 1994 08:49:37 GMT",
                           "Sun,  06 Nov 1994 8:49:37 GMT",
                           "Sun, 06 Nov 1994 08.49.37 GMT",
                           "Sun, 06 Nov 1994 24:00:00 GMT",
                           "Sun, 06 Nov 1994 08:60:37 GMT",
                           "Sun, 06 Nov 1994 08:49:61 GMT",
                           "Sun, 06 Nov 1994 08:49:60 GMT",
                           "Sun, 00 Nov 1994 08:49:37 GMT",
                           "Sun, 31 Nov 1994 08:49:37 GMT",
                           "Sun, 32 Dec 1994 08:49:37 GMT",
                           "Wed, 29 Feb 2023 00:00:00 GMT",
                           "Mon, 29 Feb 2100 00:00:00 GMT",
                           "Xyz, 06 Nov 1994 08:49:37 GMT",
                           "Sun, 06 Xyz 1994 08:49:37 GMT",
                           "Sun, 06 Nov -994 08:49:37 GMT",
                           "Sun, 06 Nov +994 08:49:37 GMT",
                           "Sun, 06 Nov 1994 +8:49:37 GMT",
                           "Sun, 06 Nov 1994 08:49:3x GMT",
                           "Sunday, 06-Nov-1994 08:49:37 GMT",
                           "Sun, 06-Nov-94 08:49:37 GMT",
                           "Sunday 06-Nov-94 08:49:37 GMT",
                           "Sunday, 6-Nov-94 08:49:37 GMT",
                           "Sunday, 29-Feb-23 08:49:37 GMT",
                           "Sunday, 06 Nov 94 08:49:37 GMT",
                           "Sun Nov 6 08:49:37 1994",
                           "Sun Nov  6 08:49:37 94",
                           "Sun Nov  6 08:49:37 1994 ",
                           "Sunday Nov 6 08:49:37 199",
                           "Sun Nov   08:49:37 19940",
                           "Sun, Nov  6 08:49:37 199",
                           "Sun Feb 30 08:49:37 1994",
                           "Sun, 06 Nov 1994 08:49:37 GMT, Mon, 07 Nov 1994 08:49:37 GMT"}) {
    INFO(text);
    CHECK_FALSE(parse_http_date(text, now));
  }
  using namespace std::string_view_literals;
  CHECK_FALSE(parse_http_date("Sun, 06 Nov 1994 08:49:37\0GMT"sv, now));
  CHECK_FALSE(parse_http_date("Sun, 06 Nov 1994 08:49:37 GM\0"sv, now));
}

TEST_CASE("a date is written as IMF-fixdate") {
  CHECK(format_http_date(when(1994, 11, 6, 8, 49, 37)) == "Sun, 06 Nov 1994 08:49:37 GMT");
  CHECK(format_http_date(when(1994, 11, 6, 8, 49, 37) + milliseconds{999}) ==
        "Sun, 06 Nov 1994 08:49:37 GMT");
  CHECK(format_http_date(when(1969, 12, 31, 23, 59, 59) + milliseconds{1}) ==
        "Wed, 31 Dec 1969 23:59:59 GMT");
  CHECK(format_http_date(TimePoint::max()) == "Fri, 31 Dec 9999 23:59:59 GMT");
  CHECK(format_http_date(TimePoint::min()) == "Sat, 01 Jan 0000 00:00:00 GMT");
}

TEST_CASE("what is written is read back, in the other two forms too") {
  std::mt19937_64 random{20260101};
  auto const earliest = when(0, 1, 1).time_since_epoch() / seconds{1};
  auto const latest = when(9999, 12, 31, 23, 59, 59).time_since_epoch() / seconds{1};
  std::uniform_int_distribution<long long> any{earliest, latest};
  for (int i = 0; i < 20000; ++i) {
    TimePoint const t{seconds{any(random)}};
    auto const text = format_http_date(t);
    REQUIRE(parse_http_date(text, now) == t);
    // Sun, 06 Nov 1994 08:49:37 GMT
    auto const asctime = text.substr(0, 3) + ' ' + text.substr(8, 3) + ' ' +
                         (text[5] == '0' ? " " + text.substr(6, 1) : text.substr(5, 2)) + ' ' +
                         text.substr(17, 8) + ' ' + text.substr(12, 4);
    REQUIRE(parse_http_date(asctime, now) == t);
  }
  std::uniform_int_distribution<long long> near{when(1976, 7, 15, 12, 0, 1).time_since_epoch() / seconds{1},
                                                when(2076, 7, 15, 12).time_since_epoch() / seconds{1}};
  for (int i = 0; i < 20000; ++i) {
    TimePoint const t{seconds{near(random)}};
    auto const text = format_http_date(t);
    auto const obsolete =
        "Monday, " + text.substr(5, 2) + '-' + text.substr(8, 3) + '-' + text.substr(14, 2) + text.substr(16);
    REQUIRE(parse_http_date(obsolete, now) == t);
  }
}

TEST_CASE("no text makes the date parser fail, whatever the time") {
  std::mt19937 random{7};
  std::string const alphabet = "SunMonday, 0123456789:-GMTNovember \t\xff";
  std::vector<TimePoint> const times = {now, when(0, 1, 1), when(2000, 2, 29), when(9999, 12, 31)};
  int dates = 0;
  for (int i = 0; i < 20000; ++i) {
    auto text = format_http_date(when(2000 + i % 50, 1 + static_cast<unsigned>(i) % 12, 28, i % 24));
    for (auto n = random() % 3; n > 0; --n)
      text[random() % text.size()] = alphabet[random() % alphabet.size()];
    if (random() % 4 == 0) text.resize(random() % text.size());
    auto const read = parse_http_date(text, times[random() % times.size()]);
    // Whatever was accepted is a real date.
    if (read) {
      ++dates;
      REQUIRE(parse_http_date(format_http_date(*read), now) == *read);
    }
  }
  CHECK(dates > 1000);
}
