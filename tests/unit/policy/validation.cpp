// Validation: RFC 9111 section 4.3, and what a 304 changes: section 3.2.

#include "beast_cache/policy/validation.hpp"

#include <vector>

#include "beast_cache/policy/freshness.hpp"
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
      {"4.3.4", "a strong tag for a weak one with the same strong date",
       "Date: @0|ETag: W/\"a\"|Last-Modified: @-60", "Date: @9|ETag: \"a\"|Last-Modified: @-60", true},
      {"4.3.4", "with another date", "Date: @0|ETag: W/\"a\"|Last-Modified: @-60",
       "Date: @9|ETag: \"a\"|Last-Modified: @-50", false},
      {"9110-8.8.2.2", "with a date that is weak", "Date: @0|ETag: W/\"a\"|Last-Modified: @0",
       "Date: @9|ETag: \"a\"|Last-Modified: @0", false},
      {"4.3.4", "another strong tag for a weak one with the same strong date",
       "Date: @0|ETag: W/\"a\"|Last-Modified: @-60", "Date: @9|ETag: \"b\"|Last-Modified: @-60", false},
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
      {"3.2", "Content-MD5 stays with its body", "Date: @0|Content-MD5: a", "Date: @9|Content-MD5: b",
       "Content-MD5: a|Date: @9"},
      {"9530-2", "Content-Digest of a 304 is that of no content", "Date: @0|Content-Digest: a",
       "Date: @9|Content-Digest: b", "Content-Digest: a|Date: @9"},
      {"3.2", "a coding's weak tag stays with its body", "Date: @0|ETag: W/\"a\"", "Date: @9|ETag: \"a\"",
       "ETag: W/\"a\"|Date: @9"},
      {"3.2", "a weak tag is taken over", "Date: @0|ETag: \"a\"", "Date: @9|ETag: W/\"a\"",
       "Date: @9|ETag: W/\"a\""},
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
    policy::Freshness const f{view, private_mode(), at(130)};
    CHECK(f.age() == seconds{30});
    CHECK(f.is_fresh());
  }
}

TEST_CASE("the tags of several stored responses go into one If-None-Match") {
  struct Row {
    char const* section;
    char const* description;
    char const* request;
    std::vector<char const*> stored;
    char const* expected;
    std::size_t asked;
  };
  std::vector<Row> const rows = {
      {"4.3.1", "two tags", "", {"ETag: \"a\"", "ETag: W/\"b\""}, "If-None-Match: \"a\", W/\"b\"", 2},
      {"4.3.1", "one tag twice", "", {"ETag: \"a\"", "ETag: \"a\""}, "If-None-Match: \"a\"", 2},
      {"4.3.1", "one without", "", {"ETag: \"a\"", "A: 1"}, "If-None-Match: \"a\"", 1},
      {"4.3.1",
       "no date among several",
       "",
       {"ETag: \"a\"|Last-Modified: @-9", "Last-Modified: @-9"},
       "If-None-Match: \"a\"",
       1},
      {"4.3.1", "dates only, several", "", {"Last-Modified: @-8", "Last-Modified: @-9"}, "", 0},
      {"4.3.1", "a date only", "", {"Last-Modified: @-9"}, "If-Modified-Since: @-9", 1},
      {"4.3.1", "nothing", "If-None-Match: \"z\"", {"A: 1"}, "If-None-Match: \"z\"", 0},
      {"4.3.1", "nothing stored", "Range: bytes=0-1", {}, "Range: bytes=0-1", 0},
      {"4.3.1",
       "the caller's own preconditions make room",
       "If-None-Match: \"z\"|If-Modified-Since: @0|Range: bytes=0-1|If-Range: \"z\"|X: 1",
       {"ETag: \"a\""},
       "X: 1|If-None-Match: \"a\"",
       1},
  };
  for (auto const& row : rows) {
    INFO(row.section << ": " << row.description);
    std::vector<http::fields> headers;
    for (auto const* text : row.stored) headers.push_back(fields(text));
    std::vector<StoredView> variants;
    for (auto const& h : headers) variants.emplace_back(200, h, t0, t0);
    auto request = fields(row.request);
    CHECK(policy::add_validators(request, variants) == row.asked);
    CHECK(text(request) == text(fields(row.expected)));
  }
}

TEST_CASE("a stored response may be validated for other request fields only if it is nobody's own") {
  auto const may = [](char const* stored) {
    auto const headers = fields(stored);
    return policy::may_answer_other_fields(StoredView{200, headers, t0, t0});
  };
  CHECK(may("ETag: \"a\""));
  CHECK(may("ETag: \"a\"|Vary: Accept-Language, Accept-Encoding"));
  CHECK_FALSE(may("ETag: W/\"a\""));
  CHECK_FALSE(may("Last-Modified: @-60"));
  CHECK_FALSE(may("ETag: \"a\"|Set-Cookie: sid=1"));
  CHECK_FALSE(may("ETag: \"a\"|Vary: Accept, cookie"));
  CHECK_FALSE(may("ETag: \"a\"|Vary: AUTHORIZATION"));
}

TEST_CASE("no more tags are asked about than a server takes") {
  std::vector<http::fields> headers;
  for (int i = 0; i < 64; ++i) {
    std::string const tag = std::to_string(i) + std::string(200, 'x');
    headers.push_back(fields(("ETag: \"" + tag + "\"").c_str()));
  }
  headers.insert(headers.begin(), fields(("ETag: \"" + std::string(5000, 'y') + "\"").c_str()));
  std::vector<StoredView> variants;
  for (auto const& h : headers) variants.emplace_back(200, h, t0, t0);
  http::fields request;
  std::size_t const asked = policy::add_validators(request, variants);
  CHECK(asked > 10);
  CHECK(asked < 20);
  CHECK(request[http::field::if_none_match].size() <= 4096);
  http::fields alone;
  CHECK(policy::add_validators(alone, std::span<StoredView const>(variants.data(), 1)) == 0);
  CHECK(alone.begin() == alone.end());
}

TEST_CASE("a 304 selects among several stored responses") {
  struct Row {
    char const* section;
    char const* description;
    std::vector<char const*> stored;
    char const* not_modified;
    char const* expected;
  };
  std::vector<Row> const rows = {
      {"4.3.4", "the one with the tag", {"ETag: \"a\"", "ETag: \"b\""}, "ETag: \"b\"", "1"},
      {"4.3.4",
       "all with the same strong tag",
       {"ETag: \"a\"", "ETag: \"b\"", "ETag: \"a\""},
       "ETag: \"a\"",
       "02"},
      {"4.3.4", "none with the tag", {"ETag: \"a\"", "ETag: \"b\""}, "ETag: \"c\"", ""},
      {"4.3.4",
       "a strong tag does not select a weak one",
       {"ETag: W/\"a\"", "ETag: \"b\""},
       "ETag: \"a\"",
       ""},
      {"4.3.4",
       "of those with a weak tag the newest",
       {"Date: @-9|ETag: W/\"a\"", "Date: @-5|ETag: W/\"a\""},
       "ETag: W/\"a\"",
       "1"},
      {"4.3.4",
       "of those with a date the newest",
       {"Date: @-5|Last-Modified: @-60", "Date: @-9|Last-Modified: @-60"},
       "Last-Modified: @-60",
       "0"},
      {"4.3.4", "no validator, and several are stored", {"ETag: \"a\"", "ETag: \"b\""}, "", ""},
      {"4.3.4", "no validator, and one is stored", {"ETag: \"a\""}, "", "0"},
      {"4.3.4", "nothing is stored", {}, "ETag: \"a\"", ""},
  };
  for (auto const& row : rows) {
    INFO(row.section << ": " << row.description);
    std::vector<http::fields> headers;
    for (auto const* text : row.stored) headers.push_back(fields(text));
    std::vector<StoredView> variants;
    for (auto const& h : headers) variants.emplace_back(200, h, t0, t0);
    std::string selected;
    for (auto const* v : policy::validated(variants, fields(row.not_modified))) {
      selected += static_cast<char>('0' + (v - variants.data()));
    }
    CHECK(selected == row.expected);
  }
}

TEST_CASE("a caller's own precondition is evaluated against the stored response") {
  struct Row {
    char const* section;
    char const* description;
    char const* request;
    char const* stored;
    bool not_modified;
  };
  std::vector<Row> const rows = {
      {"9110-13.1.2", "no precondition", "", "ETag: \"a\"", false},
      {"9110-13.1.2", "the same tag", "If-None-Match: \"a\"", "ETag: \"a\"", true},
      {"9110-13.1.2", "another tag", "If-None-Match: \"b\"", "ETag: \"a\"", false},
      {"9110-13.1.2", "weak against strong", "If-None-Match: W/\"a\"", "ETag: \"a\"", true},
      {"9110-13.1.2", "strong against weak", "If-None-Match: \"a\"", "ETag: W/\"a\"", true},
      {"9110-13.1.2", "one of several", "If-None-Match: \"b\", \"a\"", "ETag: \"a\"", true},
      {"9110-13.1.2", "one of several lines", "If-None-Match: \"b\"|If-None-Match: \"a\"", "ETag: \"a\"",
       true},
      {"9110-13.1.2", "none of several", "If-None-Match: \"b\", W/\"c\"", "ETag: \"a\"", false},
      {"9110-13.1.2", "a tag with a comma", "If-None-Match: \"a,b\"", "ETag: \"a,b\"", true},
      {"9110-13.1.2", "half of a tag with a comma", "If-None-Match: \"a,b\"", "ETag: \"a\"", false},
      {"9110-13.1.2", "*", "If-None-Match: *", "ETag: \"a\"", true},
      {"9110-13.1.2", "* without a stored tag", "If-None-Match: *", "", true},
      {"9110-13.1.2", "a tag without a stored tag", "If-None-Match: \"a\"", "", false},
      {"9110-13.1.2", "a tag without quotes", "If-None-Match: a", "ETag: \"a\"", false},
      {"9110-13.1.2", "junk behind a tag", "If-None-Match: \"a\" x", "ETag: \"a\"", false},
      {"9110-13.1.2", "junk before a tag", "If-None-Match: x, \"a\"", "ETag: \"a\"", false},
      {"9110-13.1.2", "an unclosed tag", "If-None-Match: \"a", "ETag: \"a\"", false},
      {"9110-13.1.2", "empty members", "If-None-Match: ,, \"a\" ,", "ETag: \"a\"", true},
      {"9110-13.1.2", "an empty field", "If-None-Match: ", "ETag: \"a\"", false},
      {"9110-13.1.2", "letters' case counts", "If-None-Match: \"A\"", "ETag: \"a\"", false},
      {"9110-13.2.2", "the tag comes before the date", "If-None-Match: \"b\"|If-Modified-Since: @0",
       "ETag: \"a\"|Last-Modified: @-60", false},
      {"9110-13.2.2", "the tag comes before the date, the other way",
       "If-None-Match: \"a\"|If-Modified-Since: @-99", "ETag: \"a\"|Last-Modified: @-60", true},
      {"9110-13.2.2", "a malformed tag is no reason to use the date",
       "If-None-Match: a|If-Modified-Since: @0", "Last-Modified: @-60", false},
      {"4.3.2", "not modified since", "If-Modified-Since: @-60", "Last-Modified: @-60", true},
      {"4.3.2", "modified since", "If-Modified-Since: @-61", "Last-Modified: @-60", false},
      {"4.3.2", "a later date", "If-Modified-Since: @-1", "Last-Modified: @-60", true},
      {"4.3.2", "Date stands in", "If-Modified-Since: @-5", "Date: @-5", true},
      {"4.3.2", "Date stands in, and is later", "If-Modified-Since: @-6", "Date: @-5", false},
      {"4.3.2", "the arrival stands in", "If-Modified-Since: @0", "", true},
      {"4.3.2", "the arrival stands in, and is later", "If-Modified-Since: @-1", "", false},
      {"4.3.2", "Last-Modified that can't be read", "If-Modified-Since: @0", "Last-Modified: x|Date: @-9",
       false},
      {"9110-13.1.3", "a date that can't be read", "If-Modified-Since: never", "Last-Modified: @-60", false},
      {"9110-13.1.3", "two dates", "If-Modified-Since: @0|If-Modified-Since: @-1", "Last-Modified: @-60",
       false},
      {"9110-13.1.3", "another form of date", "If-Modified-Since: Thu Jan  1 00:00:00 2026",
       "Last-Modified: @-60", true},
  };
  for (auto const& row : rows) {
    INFO(row.section << ": " << row.description);
    auto const request = fields(row.request);
    auto const stored = fields(row.stored);
    StoredView const view{200, stored, t0, t0};
    CHECK(policy::is_not_modified({http::verb::get, request}, view) == row.not_modified);
    CHECK(policy::is_not_modified({http::verb::head, request}, view) == row.not_modified);
    CHECK_FALSE(policy::is_not_modified({http::verb::post, request}, view));
    // RFC 9110 section 13.2.1: only where the answer would be a success.
    CHECK_FALSE(policy::is_not_modified({http::verb::get, request}, StoredView{404, stored, t0, t0}));
  }
}

TEST_CASE("a 304 is made of what speaks of the resource") {
  CHECK(text(policy::not_modified_fields(fields(
            "Date: @0|ETag: \"a\"|Last-Modified: @-9|Content-Type: t/x|Content-Length: 5|Content-Encoding: "
            "gzip|Content-Language: en|Content-Location: /x|Vary: A|Cache-Control: max-age=1|Expires: "
            "@9|Set-Cookie: "
            "a=b|X: 1"))) ==
        text(fields("Date: @0|ETag: \"a\"|Content-Location: /x|Vary: A|Cache-Control: max-age=1|Expires: "
                    "@9|Set-Cookie: a=b|X: 1")));
  CHECK(text(policy::not_modified_fields(fields("Last-Modified: @-9|Content-Length: 5"))) ==
        text(fields("Last-Modified: @-9")));
}

TEST_CASE("the response to HEAD updates a stored GET or makes it stale") {
  using policy::HeadEffect;
  struct Row {
    char const* section;
    char const* description;
    unsigned stored_status;
    char const* stored;
    unsigned status;
    char const* head;
    HeadEffect effect;
  };
  std::vector<Row> const rows = {
      {"4.3.5", "the same tag", 200, "ETag: \"a\"", 200, "ETag: \"a\"", HeadEffect::update},
      {"4.3.5", "another tag", 200, "ETag: \"a\"", 200, "ETag: \"b\"", HeadEffect::stale},
      {"4.3.5", "weak against strong", 200, "ETag: \"a\"", 200, "ETag: W/\"a\"", HeadEffect::stale},
      {"4.3.5", "a tag that was not there", 200, "", 200, "ETag: \"a\"", HeadEffect::stale},
      {"4.3.5", "no tag any more", 200, "ETag: \"a\"", 200, "", HeadEffect::update},
      {"4.3.5", "the same date", 200, "Last-Modified: @-9", 200, "Last-Modified: @-9", HeadEffect::update},
      {"4.3.5", "another date", 200, "Last-Modified: @-9", 200, "Last-Modified: @-8", HeadEffect::stale},
      {"4.3.5", "the same length", 200, "Content-Length: 5", 200, "Content-Length: 5", HeadEffect::update},
      {"4.3.5", "another length", 200, "ETag: \"a\"|Content-Length: 5", 200, "ETag: \"a\"|Content-Length: 6",
       HeadEffect::stale},
      {"4.3.5", "two lengths", 200, "Content-Length: 5", 200, "Content-Length: 5|Content-Length: 6",
       HeadEffect::stale},
      {"4.3.5", "an error", 200, "ETag: \"a\"", 503, "", HeadEffect::none},
      {"4.3.5", "404", 200, "ETag: \"a\"", 404, "", HeadEffect::none},
      {"4.3.5", "304", 200, "ETag: \"a\"", 304, "ETag: \"a\"", HeadEffect::none},
      {"4.3.5", "a stored 404", 404, "", 200, "", HeadEffect::stale},
  };
  for (auto const& row : rows) {
    INFO(row.section << ": " << row.description);
    auto const stored = fields(row.stored);
    StoredView const view{row.stored_status, stored, t0, t0};
    CHECK(policy::head_effect(view, row.status, fields(row.head)) == row.effect);
  }
}
