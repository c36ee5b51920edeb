// Byte ranges: RFC 9110 section 14 and RFC 9111 sections 3.3 and 3.4, one row a behaviour.

#include "beast_cache/policy/range.hpp"

#include <limits>
#include <random>
#include <vector>

#include "beast_cache/policy/storability.hpp"
#include "beast_cache/policy/strategy.hpp"
#include "table.hpp"

using namespace policy_test;
using policy::Action;
using policy::Answer;
using policy::ByteParts;
using policy::ByteRange;
using policy::RequestView;
using policy::Resumption;
using policy::StoredView;

namespace {

std::string words(Answer const& a) {
  switch (a.kind()) {
    case Answer::Kind::whole:
      return "whole";
    case Answer::Kind::not_modified:
      return "304";
    case Answer::Kind::part:
      return policy::ContentRange(a.range(), a.complete()).str();
    case Answer::Kind::unsatisfiable:
      return "416 of " + std::to_string(a.complete());
    case Answer::Kind::missing:
      return "missing";
  }
  return "";
}

std::string words(std::vector<ByteRange> const& ranges) {
  std::string text;
  for (auto const& r : ranges) text += std::to_string(r.first()) + '-' + std::to_string(r.last()) + ' ';
  return text;
}

}  // namespace

TEST_CASE("Range is read strictly, and resolved against a size of 100") {
  struct Row {
    char const* section;
    char const* value;
    char const* expected;  // "-": ignored, "x": unsatisfiable
  };
  std::vector<Row> const rows = {
      {"14.1.2", "bytes=0-0", "0-0 "},
      {"14.1.2", "bytes=0-99", "0-99 "},
      {"14.1.2", "bytes=0-100", "0-99 "},
      {"14.1.2", "bytes=10-", "10-99 "},
      {"14.1.2", "bytes=99-", "99-99 "},
      {"14.1.2", "bytes=100-", "x"},
      {"14.1.2", "bytes=-1", "99-99 "},
      {"14.1.2", "bytes=-100", "0-99 "},
      {"14.1.2", "bytes=-101", "0-99 "},
      {"14.1.2", "bytes=-0", "x"},
      {"14.1.2", "bytes=10-99999999999999999999999", "10-99 "},
      {"14.1.2", "bytes=99999999999999999999999-", "x"},
      {"14.1.2", "bytes=-99999999999999999999999", "0-99 "},
      {"14.1", "Bytes=0-4", "0-4 "},
      {"14.1", "  bytes=0-4  ", "0-4 "},
      {"14.1", "bytes=,0-4,", "0-4 "},
      {"14.1", "bytes= 0-4 ", "0-4 "},
      {"14.1", "seconds=0-4", "-"},
      {"14.1", "bytes 0-4", "-"},
      {"14.1", "bytes =0-4", "-"},
      {"14.1", "bytes=", "-"},
      {"14.1", "bytes", "-"},
      {"14.1", "", "-"},
      {"14.1.1", "bytes=5-4", "-"},
      {"14.1.1", "bytes=-", "-"},
      {"14.1.1", "bytes=5", "-"},
      {"14.1.1", "bytes=a-5", "-"},
      {"14.1.1", "bytes=5-a", "-"},
      {"14.1.1", "bytes=5 -6", "-"},
      {"14.1.1", "bytes=+5-6", "-"},
      {"14.1.1", "bytes=--5", "-"},
      {"14.1.1", "bytes=5-6-7", "-"},
      {"14.1.1", "bytes=0x1-2", "-"},
      {"14.2", "bytes=0-1, 4-5", "-"},
      {"14.2", "bytes=0-1, x", "-"},
  };
  for (auto const& row : rows) {
    INFO(row.section << ": " << row.value);
    auto const spec = policy::parse_range(row.value);
    std::string found = "-";
    if (spec) {
      auto const range = spec->resolve(100);
      found = range ? words({*range}) : "x";
    }
    CHECK(found == row.expected);
    if (spec) CHECK_FALSE(spec->resolve(0).has_value());
  }
  CHECK_FALSE(policy::requested_range(fields("Range: bytes=0-1|Range: bytes=2-3")).has_value());
  CHECK_FALSE(policy::requested_range(fields("")).has_value());
  CHECK(policy::requested_range(fields("range: bytes=0-1")).has_value());
}

TEST_CASE("Content-Range is read strictly and written the same") {
  struct Row {
    char const* value;
    char const* expected;
  };
  std::vector<Row> const rows = {
      {"bytes 0-4/5", "bytes 0-4/5"},
      {"bytes 0-4/*", "bytes 0-4/*"},
      {"bytes */5", "bytes */5"},
      {"BYTES 0-4/5", "bytes 0-4/5"},
      {" bytes 0-4/5 ", "bytes 0-4/5"},
      {"bytes 0-5/5", "-"},
      {"bytes 4-3/9", "-"},
      {"bytes */*", "-"},
      {"bytes 0-/5", "-"},
      {"bytes -4/5", "-"},
      {"bytes 0-4", "-"},
      {"bytes 0-4/", "-"},
      {"bytes 0-4/x", "-"},
      {"bytes=0-4/5", "-"},
      {"bytes  0-4/5", "-"},
      {"bytes 0 - 4/5", "-"},
      {"items 0-4/5", "-"},
      {"bytes 0-99999999999999999999/*", "-"},
      {"0-4/5", "-"},
      {"", "-"},
  };
  for (auto const& row : rows) {
    INFO("14.4: " << row.value);
    auto const range = policy::parse_content_range(row.value);
    CHECK((range ? range->str() : "-") == row.expected);
    if (range) CHECK((policy::parse_content_range(range->str()) == range));
  }
  CHECK_FALSE(
      policy::content_range(fields("Content-Range: bytes 0-1/9|Content-Range: bytes 2-3/9")).has_value());
}

TEST_CASE("a stored response answers a Range request") {
  struct Row {
    char const* section;
    char const* description;
    char const* request;
    unsigned status;
    char const* stored;
    char const* expected;
  };
  std::vector<Row> const rows = {
      {"14.2", "no Range", "", 200, "Content-Length: 100", "whole"},
      {"14.2", "a part of the whole", "Range: bytes=0-4", 200, "Content-Length: 100", "bytes 0-4/100"},
      {"14.2", "the end of it", "Range: bytes=-5", 200, "Content-Length: 100", "bytes 95-99/100"},
      {"14.2", "all of it", "Range: bytes=0-", 200, "Content-Length: 100", "bytes 0-99/100"},
      {"15.5.17", "nothing of it", "Range: bytes=100-", 200, "Content-Length: 100", "416 of 100"},
      {"15.5.17", "a suffix of nothing", "Range: bytes=-0", 200, "Content-Length: 100", "416 of 100"},
      {"14.1.2", "nothing is there", "Range: bytes=0-", 200, "Content-Length: 0", "416 of 0"},
      {"14.1.2", "a suffix of nothing that is there", "Range: bytes=-5", 200, "Content-Length: 0", "whole"},
      {"14.2", "a malformed Range is ignored", "Range: bytes=x", 200, "Content-Length: 100", "whole"},
      {"14.2", "several ranges are ignored", "Range: bytes=0-1,3-4", 200, "Content-Length: 100", "whole"},
      {"14.2", "another unit is ignored", "Range: lines=0-1", 200, "Content-Length: 100", "whole"},
      {"14.2", "not of a 404", "Range: bytes=0-4", 404, "Content-Length: 100", "whole"},
      {"14.2", "not where the size is unknown", "Range: bytes=0-4", 200, "", "whole"},
      {"13.1.5", "If-Range with the same strong tag", "Range: bytes=0-4|If-Range: \"a\"", 200,
       "Content-Length: 100|ETag: \"a\"", "bytes 0-4/100"},
      {"13.1.5", "If-Range with another tag", "Range: bytes=0-4|If-Range: \"b\"", 200,
       "Content-Length: 100|ETag: \"a\"", "whole"},
      {"13.1.5", "If-Range with a weak tag", "Range: bytes=0-4|If-Range: W/\"a\"", 200,
       "Content-Length: 100|ETag: W/\"a\"", "whole"},
      {"13.1.5", "If-Range strong, stored weak", "Range: bytes=0-4|If-Range: \"a\"", 200,
       "Content-Length: 100|ETag: W/\"a\"", "whole"},
      {"13.1.5", "If-Range with nothing stored to compare", "Range: bytes=0-4|If-Range: \"a\"", 200,
       "Content-Length: 100", "whole"},
      {"13.1.5", "If-Range with the same strong date", "Range: bytes=0-4|If-Range: @-60", 200,
       "Content-Length: 100|Date: @0|Last-Modified: @-60", "bytes 0-4/100"},
      {"13.1.5", "If-Range with a later date", "Range: bytes=0-4|If-Range: @-59", 200,
       "Content-Length: 100|Date: @0|Last-Modified: @-60", "whole"},
      {"8.8.2.2", "If-Range with a date that is weak", "Range: bytes=0-4|If-Range: @0", 200,
       "Content-Length: 100|Date: @0|Last-Modified: @0", "whole"},
      {"8.8.2.2", "a date is weak where there is no Date", "Range: bytes=0-4|If-Range: @-60", 200,
       "Content-Length: 100|Last-Modified: @-60", "whole"},
      {"13.1.5", "If-Range that is junk", "Range: bytes=0-4|If-Range: a", 200,
       "Content-Length: 100|ETag: \"a\"", "whole"},
      {"13.1.5", "two If-Range", "Range: bytes=0-4|If-Range: \"a\"|If-Range: \"b\"", 200,
       "Content-Length: 100|ETag: \"a\"", "whole"},
      {"13.1.5", "If-Range without Range", "If-Range: \"b\"", 200, "Content-Length: 100|ETag: \"a\"",
       "whole"},
      {"3.3", "a stored part", "Range: bytes=10-14", 206, "Content-Range: bytes 10-19/100",
       "bytes 10-14/100"},
      {"3.3", "all of a stored part", "Range: bytes=10-19", 206, "Content-Range: bytes 10-19/100",
       "bytes 10-19/100"},
      {"3.3", "more than the stored part", "Range: bytes=10-20", 206, "Content-Range: bytes 10-19/100",
       "missing"},
      {"3.3", "before the stored part", "Range: bytes=0-9", 206, "Content-Range: bytes 10-19/100", "missing"},
      {"3.3", "the whole of a stored part", "", 206, "Content-Range: bytes 10-19/100", "missing"},
      {"3.3", "the whole of a part that is all", "", 206, "Content-Range: bytes 0-99/100", "whole"},
      {"3.3", "a suffix that is stored", "Range: bytes=-10", 206, "Content-Range: bytes 90-99/100",
       "bytes 90-99/100"},
      {"15.5.17", "beyond the whole of a part", "Range: bytes=100-", 206, "Content-Range: bytes 10-19/100",
       "416 of 100"},
      {"3.3", "a part of unknown whole", "Range: bytes=10-14", 206, "Content-Range: bytes 10-19/*",
       "missing"},
      {"3.3", "If-Range fails on a part", "Range: bytes=10-14|If-Range: \"b\"", 206,
       "ETag: \"a\"|Content-Range: bytes 10-19/100", "missing"},
      {"3.3", "a part without Content-Range", "Range: bytes=10-14", 206, "", "missing"},
      {"3.3", "a part with a malformed one", "Range: bytes=10-14", 206, "Content-Range: bytes 10-19",
       "missing"},
      {"13.2.2", "If-None-Match comes before Range", "Range: bytes=0-4|If-None-Match: \"a\"", 200,
       "Content-Length: 100|ETag: \"a\"", "304"},
      {"13.2.2", "Range after If-None-Match that found it changed", "Range: bytes=0-4|If-None-Match: \"b\"",
       200, "Content-Length: 100|ETag: \"a\"", "bytes 0-4/100"},
  };
  for (auto const& row : rows) {
    INFO(row.section << ": " << row.description);
    auto const request = fields(row.request);
    auto const stored = fields(row.stored);
    StoredView const view{row.status, stored, t0, t0};
    CHECK(words(policy::answer(RequestView{http::verb::get, request}, view)) == row.expected);
  }
  auto const asked = fields("Range: bytes=0-4");
  auto const stored = fields("Content-Length: 100");
  StoredView view{200, stored, t0, t0};
  CHECK(words(policy::answer(RequestView{http::verb::head, asked}, view)) == "whole");
  CHECK(words(policy::answer(RequestView{http::verb::get, asked}, view.body_size(50))) == "bytes 0-4/50");
  ByteParts parts(100);
  parts.add({0, 2});
  parts.add({3, 6});
  auto const none = fields("");
  StoredView const some = StoredView{206, none, t0, t0}.parts(parts);
  CHECK(words(policy::answer(RequestView{http::verb::get, asked}, some)) == "bytes 0-4/100");
}

TEST_CASE("a decision has the answer in it when its maker makes answers") {
  struct Row {
    char const* section;
    char const* description;
    char const* request;
    unsigned status;
    char const* stored;
    int after;
    Action action;
    policy::Reason reason;
    char const* answer;
  };
  using policy::Reason;
  std::vector<Row> const rows = {
      {"3.3", "a part of a fresh response", "Range: bytes=0-4", 200,
       "Content-Length: 9|Cache-Control: max-age=60", 1, Action::serve, Reason::fresh, "bytes 0-4/9"},
      {"3.3", "of a stale one after validation", "Range: bytes=0-4", 200,
       "Content-Length: 9|Cache-Control: max-age=60|ETag: \"a\"", 61, Action::validate, Reason::stale,
       "bytes 0-4/9"},
      {"15.5.17", "416 of a fresh response", "Range: bytes=9-", 200,
       "Content-Length: 9|Cache-Control: max-age=60", 1, Action::serve, Reason::fresh, "416 of 9"},
      {"4.3.2", "304 of a fresh response", "If-None-Match: \"a\"", 200,
       "Cache-Control: max-age=60|ETag: \"a\"", 1, Action::serve, Reason::fresh, "304"},
      {"4.3.2", "200 of a fresh response", "If-None-Match: \"b\"", 200,
       "Cache-Control: max-age=60|ETag: \"a\"", 1, Action::serve, Reason::fresh, "whole"},
      {"4.3.2", "If-Match is for the origin", "If-Match: \"a\"", 200, "Cache-Control: max-age=60|ETag: \"a\"",
       1, Action::fetch, Reason::conditional, "whole"},
      {"4.3.2", "so is If-Unmodified-Since", "If-Unmodified-Since: @0", 200, "Cache-Control: max-age=60", 1,
       Action::fetch, Reason::conditional, "whole"},
      {"4.3.2", "and beside Range too", "If-Match: *|Range: bytes=0-1", 200,
       "Content-Length: 9|Cache-Control: max-age=60", 1, Action::fetch, Reason::conditional, "whole"},
      {"3.3", "a stored part that has the bytes", "Range: bytes=2-3", 206,
       "Content-Range: bytes 2-4/9|Cache-Control: max-age=60", 1, Action::serve, Reason::fresh,
       "bytes 2-3/9"},
      {"3.3", "a stored part that lacks them", "Range: bytes=0-3", 206,
       "Content-Range: bytes 2-4/9|Cache-Control: max-age=60", 1, Action::fetch, Reason::part_missing,
       "missing"},
      {"3.3", "a stored part for the whole", "", 206, "Content-Range: bytes 2-4/9|Cache-Control: max-age=60",
       1, Action::fetch, Reason::part_missing, "missing"},
      {"5.2.1.7", "only-if-cached and bytes are missing", "Cache-Control: only-if-cached", 206,
       "Content-Range: bytes 2-4/9|Cache-Control: max-age=60", 1, Action::unsatisfiable, Reason::part_missing,
       "missing"},
      {"5.2.2.5", "no-store all the same", "Range: bytes=2-3", 206,
       "Content-Range: bytes 2-4/9|Cache-Control: max-age=60, no-store", 1, Action::fetch,
       Reason::not_reusable, "whole"},
      {"9110-14.4", "Content-Range means nothing with a 200", "", 200,
       "Content-Range: bytes 2-4/9|Cache-Control: max-age=60", 1, Action::serve, Reason::fresh, "whole"},
      {"5.2.1.4", "the request's no-cache", "Cache-Control: no-cache|If-None-Match: \"a\"", 200,
       "Cache-Control: max-age=60|ETag: \"a\"", 1, Action::validate, Reason::request_no_cache, "304"},
  };
  for (auto const& row : rows) {
    INFO(row.section << ": " << row.description);
    auto const request = fields(row.request);
    auto const stored = fields(row.stored);
    StoredView const view{row.status, stored, t0, t0};
    auto const asked = RequestView{http::verb::get, request}.makes_answers(true);
    auto const d = policy::evaluate(asked, &view, policy::Options{}, at(row.after));
    CHECK(static_cast<int>(d.action()) == static_cast<int>(row.action));
    CHECK(static_cast<int>(d.reason()) == static_cast<int>(row.reason));
    CHECK(words(d.answer()) == row.answer);
  }
}

TEST_CASE("parts become one where they touch, and what is missing lies between them") {
  ByteParts parts(100);
  CHECK_FALSE(parts.is_whole());
  CHECK(words(parts.missing({0, 99})) == "0-99 ");
  parts.add({10, 19});
  parts.add({30, 39});
  CHECK(words(parts.ranges()) == "10-19 30-39 ");
  CHECK(words(parts.missing({0, 99})) == "0-9 20-29 40-99 ");
  CHECK(words(parts.missing({15, 34})) == "20-29 ");
  CHECK(words(parts.missing({12, 15})).empty());
  CHECK(words(parts.missing({20, 29})) == "20-29 ");
  CHECK(words(parts.missing({50, 60})) == "50-60 ");
  parts.add({20, 29});
  CHECK(words(parts.ranges()) == "10-39 ");
  parts.add({5, 50});
  CHECK(words(parts.ranges()) == "5-50 ");
  parts.add({51, 99});
  parts.add({0, 4});
  CHECK(parts.is_whole());
  CHECK(words(parts.ranges()) == "0-99 ");
  CHECK(ByteParts::whole(0).is_whole());
  CHECK(ByteParts::whole(7).contains({0, 6}));
  auto const end = std::numeric_limits<std::uint64_t>::max();
  ByteParts edge;
  edge.add({end, end});
  edge.add({0, end - 2});
  CHECK(edge.ranges().size() == 2);
  edge.add({end - 1, end - 1});
  CHECK(edge.ranges().size() == 1);
  CHECK_FALSE(edge.is_whole());
}

TEST_CASE("parts hold exactly the bytes that were put in") {
  std::mt19937 random(14);
  for (int i = 0; i < 2'000; ++i) {
    ByteParts parts(64);
    std::uint64_t model = 0;
    for (int n = 0; n < 6; ++n) {
      auto const first = random() % 64, last = first + random() % (64 - first);
      parts.add({first, last});
      for (auto b = first; b <= last; ++b) model |= std::uint64_t{1} << b;
    }
    std::uint64_t held = 0, missing = 0;
    std::uint64_t before = 0;
    for (auto const& r : parts.ranges()) {
      REQUIRE((held == 0 || r.first() > before + 1));
      before = r.last();
      for (auto b = r.first(); b <= r.last(); ++b) held |= std::uint64_t{1} << b;
    }
    for (auto const& r : parts.missing({0, 63})) {
      for (auto b = r.first(); b <= r.last(); ++b) missing |= std::uint64_t{1} << b;
    }
    REQUIRE(held == model);
    REQUIRE(missing == ~model);
    REQUIRE(parts.is_whole() == (model == ~std::uint64_t{0}));
  }
}

TEST_CASE("the heads of 206, 416 and of what has become whole") {
  auto const stored =
      fields("Date: @0|ETag: \"a\"|Content-Type: t/x|Content-Length: 100|Cache-Control: max-age=9");
  CHECK(text(policy::partial_fields(stored, {5, 9}, 100)) ==
        text(fields("Date: @0|ETag: \"a\"|Content-Type: t/x|Cache-Control: max-age=9|Content-Range: bytes "
                    "5-9/100|Content-Length: 5")));
  CHECK(text(policy::unsatisfiable_fields(stored, 100)) ==
        text(fields(
            "Date: @0|ETag: \"a\"|Cache-Control: max-age=9|Content-Range: bytes */100|Content-Length: 0")));
  auto const part = policy::partial_fields(stored, {5, 9}, 100);
  CHECK(text(policy::whole_fields(part, 100)) ==
        text(fields("Date: @0|ETag: \"a\"|Content-Type: t/x|Cache-Control: max-age=9|Content-Length: 100")));
}

TEST_CASE("parts are combined by a strong validator only") {
  struct Row {
    char const* section;
    char const* description;
    unsigned stored_status;
    char const* stored;
    unsigned status;
    char const* response;
    bool combines;
  };
  std::vector<Row> const rows = {
      {"3.4", "the same strong tag", 206, "ETag: \"a\"|Content-Range: bytes 0-4/9", 206,
       "ETag: \"a\"|Content-Range: bytes 5-8/9", true},
      {"3.4", "another tag", 206, "ETag: \"a\"|Content-Range: bytes 0-4/9", 206,
       "ETag: \"b\"|Content-Range: bytes 5-8/9", false},
      {"3.4", "a weak tag", 206, "ETag: W/\"a\"|Content-Range: bytes 0-4/9", 206,
       "ETag: W/\"a\"|Content-Range: bytes 5-8/9", false},
      {"3.4", "one weak tag", 206, "ETag: \"a\"|Content-Range: bytes 0-4/9", 206,
       "ETag: W/\"a\"|Content-Range: bytes 5-8/9", false},
      {"3.4", "no tag in the new one", 206, "ETag: \"a\"|Content-Range: bytes 0-4/9", 206,
       "Content-Range: bytes 5-8/9", false},
      {"3.4", "no validator at all", 206, "Content-Range: bytes 0-4/9", 206, "Content-Range: bytes 5-8/9",
       false},
      {"3.4", "the same strong date", 206, "Date: @0|Last-Modified: @-60|Content-Range: bytes 0-4/9", 206,
       "Date: @5|Last-Modified: @-60|Content-Range: bytes 5-8/9", true},
      {"3.4", "another date", 206, "Date: @0|Last-Modified: @-60|Content-Range: bytes 0-4/9", 206,
       "Date: @5|Last-Modified: @-59|Content-Range: bytes 5-8/9", false},
      {"8.8.2.2", "a weak date", 206, "Date: @0|Last-Modified: @0|Content-Range: bytes 0-4/9", 206,
       "Date: @5|Last-Modified: @0|Content-Range: bytes 5-8/9", false},
      {"3.4", "another size", 206, "ETag: \"a\"|Content-Range: bytes 0-4/9", 206,
       "ETag: \"a\"|Content-Range: bytes 5-8/10", false},
      {"3.4", "an unknown size", 206, "ETag: \"a\"|Content-Range: bytes 0-4/9", 206,
       "ETag: \"a\"|Content-Range: bytes 5-8/*", true},
      {"3.4", "another coding", 206, "ETag: \"a\"|Content-Range: bytes 0-4/9", 206,
       "ETag: \"a\"|Content-Encoding: gzip|Content-Range: bytes 5-8/9", false},
      {"3.4", "206 without Content-Range", 206, "ETag: \"a\"|Content-Range: bytes 0-4/9", 206, "ETag: \"a\"",
       false},
      {"3.4", "a 200 of the same", 206, "ETag: \"a\"|Content-Range: bytes 0-4/9", 200,
       "ETag: \"a\"|Content-Length: 9", true},
      {"3.4", "a 200 of another size", 206, "ETag: \"a\"|Content-Range: bytes 0-4/9", 200,
       "ETag: \"a\"|Content-Length: 8", false},
      {"3.4", "an error", 206, "ETag: \"a\"|Content-Range: bytes 0-4/9", 404, "ETag: \"a\"", false},
      {"3.4", "a part of a stored whole", 200, "ETag: \"a\"|Content-Length: 9", 206,
       "ETag: \"a\"|Content-Range: bytes 5-8/9", true},
  };
  for (auto const& row : rows) {
    INFO(row.section << ": " << row.description);
    auto const stored = fields(row.stored);
    StoredView const view{row.stored_status, stored, t0, t0};
    CHECK(policy::combines(view, row.status, fields(row.response), at(5)) == row.combines);
  }
}

TEST_CASE("the head of combined parts says what is held") {
  auto const stored =
      fields("Date: @0|ETag: \"a\"|Age: 5|A: 1|Content-Range: bytes 0-4/10|Content-Length: 5");
  auto const next = fields("Date: @5|ETag: \"a\"|A: 2|Content-Range: bytes 7-9/10|Content-Length: 3");
  ByteParts parts(10);
  parts.add({0, 4});
  parts.add({7, 9});
  CHECK(text(policy::combined_fields(stored, next, parts, {}, at(5))) ==
        text(fields("Date: @5|ETag: \"a\"|A: 2|Content-Range: bytes 0-4/10|Content-Length: 5")));
  parts.add({5, 6});
  CHECK(text(policy::combined_fields(stored, next, parts, {}, at(5))) ==
        text(fields("Date: @5|ETag: \"a\"|A: 2|Content-Length: 10")));
}

TEST_CASE("a part is stored where it can be combined later") {
  auto const request = fields("Range: bytes=0-4");
  auto const asked = RequestView{http::verb::get, request}.makes_answers(true);
  auto const storable = [&](unsigned status, char const* response) {
    return policy::storability(asked, status, fields(response), {}) == policy::Storability::storable;
  };
  CHECK(storable(206, "ETag: \"a\"|Content-Range: bytes 0-4/9"));
  CHECK(storable(206, "ETag: \"a\"|Content-Range: bytes 0-4/9|Content-Length: 5"));
  CHECK_FALSE(storable(206, "ETag: \"a\"|Content-Range: bytes 0-4/9|Content-Length: 6"));
  CHECK(storable(206, "ETag: W/\"a\"|Content-Range: bytes 0-4/9"));
  CHECK(storable(206, "Content-Range: bytes 0-4/9"));
  CHECK_FALSE(storable(206, "ETag: \"a\""));
  CHECK_FALSE(storable(206, "ETag: \"a\"|Content-Type: multipart/byteranges; boundary=x"));
  CHECK_FALSE(storable(206, "ETag: \"a\"|Content-Range: bytes 0-4/9|Cache-Control: no-store"));
  // A part under the wrong status, as far as one can tell.
  CHECK_FALSE(storable(200, "ETag: \"a\"|Content-Range: bytes 0-4/9"));
  CHECK(storable(206, "Date: @0|Last-Modified: @-9|Content-Range: bytes 0-4/9"));
  // A full answer to a Range request is stored as any other.
  CHECK(storable(200, "Cache-Control: max-age=60"));
  auto const conditional = fields("If-None-Match: \"x\"");
  CHECK(policy::is_storable(RequestView{http::verb::get, conditional}.makes_answers(true), 200, fields(""),
                            {}));
  CHECK_FALSE(policy::is_storable(RequestView{http::verb::get, conditional}, 200, fields(""), {}));
}

TEST_CASE("what came of a broken download is kept, and the rest is asked for") {
  auto const response = fields("Date: @0|ETag: \"a\"|Content-Length: 9");
  auto const kept = policy::incomplete_fields(response, 4, t0);
  REQUIRE(kept.has_value());
  CHECK(text(*kept) == text(fields("Date: @0|ETag: \"a\"|Content-Range: bytes 0-3/9|Content-Length: 4")));
  CHECK_FALSE(policy::incomplete_fields(response, 0, t0).has_value());
  CHECK_FALSE(policy::incomplete_fields(response, 9, t0).has_value());
  CHECK_FALSE(policy::incomplete_fields(fields("ETag: W/\"a\"|Content-Length: 9"), 4, t0).has_value());
  CHECK_FALSE(policy::incomplete_fields(fields("ETag: \"a\""), 4, t0).has_value());
  CHECK_FALSE(
      policy::incomplete_fields(fields("ETag: \"a\"|Transfer-Encoding: chunked|Content-Length: 9"), 4, t0)
          .has_value());
  CHECK_FALSE(
      policy::incomplete_fields(fields("ETag: \"a\"|Content-Range: bytes 0-8/20|Content-Length: 9"), 4, t0)
          .has_value());

  StoredView const stored{206, *kept, t0, t0};
  auto request = fields("A: 1|If-None-Match: \"z\"|If-Modified-Since: @0|Range: bytes=0-1");
  REQUIRE(policy::ask_for_part(request, stored, 4));
  CHECK(text(request) == "A: 1|Range: bytes=4-|If-Range: \"a\"");
  REQUIRE(policy::ask_for_part(request, stored, 5, 6));
  CHECK(text(request) == "A: 1|Range: bytes=5-6|If-Range: \"a\"");
  auto const dated = fields("Date: @0|Last-Modified: @-60");
  REQUIRE(policy::ask_for_part(request, StoredView{206, dated, t0, t0}, 7));
  CHECK(text(request) == text(fields("A: 1|Range: bytes=7-|If-Range: @-60")));
  auto const weak = fields("ETag: W/\"a\"|Date: @0|Last-Modified: @-60");
  auto untouched = fields("A: 1");
  CHECK_FALSE(policy::ask_for_part(untouched, StoredView{206, weak, t0, t0}, 7));
  CHECK(text(untouched) == "A: 1");

  auto const resumed = [&](unsigned status, char const* answer) {
    return policy::resumption(stored, 4, status, fields(answer), at(9));
  };
  CHECK(resumed(206, "ETag: \"a\"|Content-Range: bytes 4-8/9") == Resumption::append);
  CHECK(resumed(206, "ETag: \"a\"|Content-Range: bytes 4-5/9") == Resumption::append);
  CHECK(resumed(206, "ETag: \"a\"|Content-Range: bytes 3-8/9") == Resumption::refused);
  CHECK(resumed(206, "ETag: \"b\"|Content-Range: bytes 4-8/9") == Resumption::refused);
  CHECK(resumed(206, "ETag: \"a\"") == Resumption::refused);
  CHECK(resumed(200, "ETag: \"b\"") == Resumption::restart);
  CHECK(resumed(416, "Content-Range: bytes */3") == Resumption::refused);
}

TEST_CASE("a part that is served lies within what is stored, whatever is asked") {
  std::mt19937 random(3);
  std::string const alphabet = "0123456789-,= b";
  int parts = 0;
  for (int i = 0; i < 20'000; ++i) {
    std::string value = "bytes=";
    for (auto n = random() % 8; n > 0; --n) value += alphabet[random() % alphabet.size()];
    http::fields request;
    request.insert(http::field::range, value);
    auto const size = random() % 50;
    auto const first = random() % 50, last = first + random() % 20;
    bool const whole = random() % 2 == 0;
    http::fields stored;
    if (!whole)
      stored.insert(http::field::content_range, policy::ContentRange(ByteRange(first, last), last + 9).str());
    StoredView view{whole ? 200u : 206u, stored, t0, t0};
    if (whole) view.body_size(size);
    auto const a = policy::answer(RequestView{http::verb::get, request}, view);
    INFO(value << " of " << (whole ? size : last + 9));
    if (a.kind() != Answer::Kind::part) continue;
    ++parts;
    REQUIRE(a.range().first() <= a.range().last());
    REQUIRE(a.range().last() < a.complete());
    if (whole) REQUIRE(a.complete() == size);
    if (!whole) REQUIRE((a.range().first() >= first && a.range().last() <= last));
  }
  CHECK(parts > 200);
}
