// Validation: RFC 9111 section 4.3, and what a 304 changes: section 3.2.

#include "beast_cache/policy/validation.hpp"

#include <vector>

#include "table.hpp"

using namespace policy_test;
using policy::StoredView;

TEST_CASE("a request is made conditional with the validators that a stored response has") {
  struct Row {
    char const* section;
    char const* stored;
    char const* expected;
  };
  std::vector<Row> const rows = {
      {"4.3.1", "", ""},
      {"4.3.1", "ETag: \"a\"", "If-None-Match: \"a\""},
      {"4.3.1", "ETag: W/\"a\"", "If-None-Match: W/\"a\""},
      {"4.3.1", "ETag: \"\"", "If-None-Match: \"\""},
      {"4.3.1", "ETag:  \"a\" ", "If-None-Match: \"a\""},
      {"4.3.1", "ETag: \"a\"|ETag: \"a\"", "If-None-Match: \"a\""},
      {"4.3.1", "ETag: \"a,b\"", "If-None-Match: \"a,b\""},
      {"4.3.1", "Last-Modified: @-60", "If-Modified-Since: @-60"},
      {"4.3.1", "Last-Modified: Thu Jan  1 00:00:00 2026", "If-Modified-Since: Thu Jan  1 00:00:00 2026"},
      {"4.3.1", "Last-Modified: @-60|ETag: \"a\"", "If-None-Match: \"a\"|If-Modified-Since: @-60"},
      {"9110-8.8.3", "ETag: a", ""},
      {"9110-8.8.3", "ETag: \"a", ""},
      {"9110-8.8.3", "ETag: a\"", ""},
      {"9110-8.8.3", "ETag: \"", ""},
      {"9110-8.8.3", "ETag: \"a\"b\"", ""},
      {"9110-8.8.3", "ETag: \"a b\"", ""},
      {"9110-8.8.3", "ETag: \"a\x7f\"", ""},
      {"9110-8.8.3", "ETag: w/\"a\"", ""},
      {"9110-8.8.3", "ETag: W/a", ""},
      {"9110-8.8.3", "ETag: *", ""},
      {"9110-8.8.3", "ETag: ", ""},
      {"9110-8.8.3", "ETag: \"a\", \"b\"", ""},
      {"9110-8.8.3", "ETag: \"a\"|ETag: \"b\"", ""},
      {"9110-8.8.2", "Last-Modified: never", ""},
      {"9110-8.8.2", "Last-Modified: @-60|Last-Modified: @-61", ""},
  };
  for (auto const& row : rows) {
    INFO(row.section << ": " << row.stored);
    auto const stored = fields(row.stored);
    StoredView const view{200, stored, t0, t0};
    http::fields request;
    policy::add_validators(request, view);
    CHECK(text(request) == text(fields(row.expected)));
    CHECK(policy::has_validator(view) == (*row.expected != '\0'));
  }
}

TEST_CASE("a 304 is for the stored response that its validators select") {
  struct Row {
    char const* section;
    char const* description;
    char const* stored;
    char const* not_modified;
    bool validates;
  };
  std::vector<Row> const rows = {
      {"4.3.3", "the same strong tag", "ETag: \"a\"", "ETag: \"a\"", true},
      {"4.3.3", "another strong tag", "ETag: \"a\"", "ETag: \"b\"", false},
      {"4.3.3", "a strong tag for a weak one", "ETag: W/\"a\"", "ETag: \"a\"", false},
      {"4.3.3", "a strong tag where there was none", "Last-Modified: @-60", "ETag: \"a\"|Last-Modified: @-60",
       false},
      {"4.3.3", "the same weak tag", "ETag: W/\"a\"", "ETag: W/\"a\"", true},
      {"9110-8.8.3.2", "a weak tag for a strong one", "ETag: \"a\"", "ETag: W/\"a\"", true},
      {"4.3.3", "another weak tag", "ETag: W/\"a\"", "ETag: W/\"b\"", false},
      {"4.3.3", "a weak tag where there was none", "Last-Modified: @-60", "ETag: W/\"a\"", false},
      {"4.3.3", "tags differ in case", "ETag: \"a\"", "ETag: \"A\"", false},
      {"4.3.3", "the tag decides, not the date", "ETag: \"a\"|Last-Modified: @-60",
       "ETag: \"a\"|Last-Modified: @-30", true},
      {"4.3.3", "another tag with the same date", "ETag: \"a\"|Last-Modified: @-60",
       "ETag: \"b\"|Last-Modified: @-60", false},
      {"4.3.3", "the same date", "Last-Modified: @-60", "Last-Modified: @-60", true},
      {"4.3.3", "another date", "Last-Modified: @-60", "Last-Modified: @-30", false},
      {"4.3.3", "a date where there was none", "ETag: \"a\"", "Last-Modified: @-30", false},
      {"4.3.3", "no validator", "ETag: \"a\"|Last-Modified: @-60", "Cache-Control: max-age=60", true},
      {"4.3.3", "no validator at all", "", "", true},
      {"9110-8.8.3", "a malformed tag", "ETag: \"a\"", "ETag: a", false},
      {"9110-8.8.3", "two tags", "ETag: \"a\"", "ETag: \"a\"|ETag: \"b\"", false},
      {"9110-8.8.2", "two dates", "Last-Modified: @-60", "Last-Modified: @-60|Last-Modified: @-30", false},
  };
  for (auto const& row : rows) {
    INFO(row.section << ": " << row.description);
    auto const stored = fields(row.stored);
    StoredView const view{200, stored, t0, t0};
    CHECK(policy::validates(view, fields(row.not_modified)) == row.validates);
  }
}

TEST_CASE("a 304's fields replace the stored ones, but for those that describe the body") {
  struct Row {
    char const* section;
    char const* description;
    char const* stored;
    char const* not_modified;
    char const* expected;
  };
  std::vector<Row> const rows = {
      {"3.2", "a field is replaced", "Date: @0|A: 1|B: 2", "Date: @9|A: 3", "B: 2|Date: @9|A: 3"},
      {"3.2", "a field is added", "Date: @0|A: 1", "Date: @9|B: 2", "A: 1|Date: @9|B: 2"},
      {"3.2", "all lines are replaced by all lines", "Date: @0|A: 1|A: 2", "Date: @9|A: 3|A: 4|A: 5",
       "Date: @9|A: 3|A: 4|A: 5"},
      {"3.2", "names match in any case", "Date: @0|X-Y: 1", "Date: @9|x-y: 2", "Date: @9|x-y: 2"},
      {"3.2", "Content-Length stays", "Date: @0|Content-Length: 5", "Date: @9|Content-Length: 0",
       "Content-Length: 5|Date: @9"},
      {"3.2", "Content-Length is not added", "Date: @0", "Date: @9|Content-Length: 0", "Date: @9"},
      {"3.2", "Content-Encoding stays", "Date: @0|Content-Encoding: gzip", "Date: @9|Content-Encoding: br",
       "Content-Encoding: gzip|Date: @9"},
      {"3.2", "Content-Range is not added", "Date: @0", "Date: @9|Content-Range: bytes 0-1/2", "Date: @9"},
      {"3.1", "nothing of the connection", "Date: @0|X: 1",
       "Date: @9|Connection: X, close|X: 2|Keep-Alive: x|Transfer-Encoding: chunked", "X: 1|Date: @9"},
      {"3.2", "Content-Type is replaced", "Date: @0|Content-Type: a/b", "Date: @9|Content-Type: c/d",
       "Date: @9|Content-Type: c/d"},
      {"3.2", "Cache-Control is replaced", "Date: @0|Cache-Control: max-age=1",
       "Date: @9|Cache-Control: max-age=2", "Date: @9|Cache-Control: max-age=2"},
      {"3.2", "Expires is replaced", "Date: @0|Expires: @1", "Date: @9|Expires: @60",
       "Date: @9|Expires: @60"},
      {"3.2", "Set-Cookie is replaced", "Date: @0|Set-Cookie: a=b", "Date: @9|Set-Cookie: a=c",
       "Date: @9|Set-Cookie: a=c"},
      {"4.2.3", "the old Age goes", "Date: @0|Age: 100", "Date: @9", "Date: @9"},
      {"4.2.3", "the new Age comes", "Date: @0|Age: 100", "Date: @9|Age: 3", "Date: @9|Age: 3"},
      {"9110-6.6.1", "without Date the time of arrival", "Date: @0", "A: 1", "A: 1|Date: @10"},
      {"5.2.2.4", "a field that no-cache now lists goes", "Date: @0|A: 1",
       "Date: @9|Cache-Control: no-cache=\"A\"", "Date: @9|Cache-Control: no-cache=\"A\""},
  };
  for (auto const& row : rows) {
    INFO(row.section << ": " << row.description);
    CHECK(text(policy::freshened(fields(row.stored), fields(row.not_modified), private_mode(), at(10))) ==
          text(fields(row.expected)));
  }
}

TEST_CASE("a freshened response counts its lifetime from the 304 on") {
  auto const stored = fields("Date: @-1000|Age: 5|Cache-Control: max-age=60|ETag: \"a\"");
  for (auto const* bare : {"", "ETag: \"a\"", "Date: @100|ETag: \"a\""}) {
    auto const after = policy::freshened(stored, fields(bare), private_mode(), at(100));
    StoredView const view{200, after, at(100), at(100)};
    policy::Freshness const f{view, policy::CacheControl{after}, private_mode(), at(130)};
    CHECK(f.age() == seconds{30});
    CHECK(f.is_fresh());
  }
}
