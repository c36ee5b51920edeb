// Which stored response answers which request: RFC 9111 section 4.1.

#include "beast_cache/policy/vary.hpp"

#include <vector>

#include "table.hpp"

using namespace policy_test;

TEST_CASE("the fields that Vary names must be the same") {
  struct Row {
    char const* description;
    char const* vary;
    char const* then;
    char const* now;
    bool matches;
  };
  std::vector<Row> const rows = {
      {"no Vary", "", "A: 1", "A: 2", true},
      {"the same value", "Vary: A", "A: 1", "A: 1", true},
      {"another value", "Vary: A", "A: 1", "A: 2", false},
      {"another case of the value", "Vary: A", "A: x", "A: X", false},
      {"another case of the name", "Vary: aCCept", "Accept: x", "ACCEPT: x", true},
      {"a field that is not named", "Vary: A", "A: 1|B: 1", "A: 1|B: 2", true},
      {"absent in both", "Vary: A", "", "", true},
      {"absent then", "Vary: A", "", "A: 1", false},
      {"absent now", "Vary: A", "A: 1", "", false},
      {"absent is not empty", "Vary: A", "", "A: ", false},
      {"empty is not absent", "Vary: A", "A: ", "", false},
      {"empty in both", "Vary: A", "A: ", "A: ", true},
      {"all of several must match", "Vary: A, B", "A: 1|B: 1", "A: 1|B: 2", false},
      {"several that match", "Vary: A, B", "A: 1|B: 1", "B: 1|A: 1", true},
      {"Vary on two lines", "Vary: A|Vary: B", "A: 1|B: 1", "A: 1|B: 2", false},
      {"empty members of Vary", "Vary: ,, A ,", "A: 1", "A: 1", true},
      {"empty members of Vary hide nothing", "Vary: ,, A ,", "A: 1", "A: 2", false},
      {"Vary: *", "Vary: *", "A: 1", "A: 1", false},
      {"* among others", "Vary: A, *", "A: 1", "A: 1", false},
      {"* first", "Vary: *, A", "A: 1", "A: 1", false},
      {"* on another line", "Vary: A|Vary: *", "A: 1", "A: 1", false},
      {"a member that is no name", "Vary: A B", "A: 1", "A: 1", false},
      {"a quoted member", "Vary: \"A\"", "A: 1", "A: 1", false},
      {"two lines are one list", "Vary: A", "A: 1|A: 2", "A: 1, 2", true},
      {"their order counts", "Vary: A", "A: 1|A: 2", "A: 2|A: 1", false},
      {"one line more", "Vary: A", "A: 1", "A: 1|A: 1", false},
      {"white space around commas", "Vary: A", "A: 1 ,\t2", "A: 1,2", true},
      {"much of it", "Vary: A", "A: 1          ,          2", "A: 1,2", true},
      {"white space at the ends", "Vary: A", "A:   1  ", "A: 1", true},
      {"white space within a member counts", "Vary: A", "A: a  b", "A: a b", false},
      {"white space within a member, the same", "Vary: A", "A: a  b, c", "A: a  b,c", true},
      {"white space within quotes counts", "Vary: A", "A: \"a, b\"", "A: \"a,b\"", false},
      {"quotes with an escaped quote", "Vary: A", "A: \"a\\\" , b\"", "A: \"a\\\", b\"", false},
      {"after the quotes it does not count", "Vary: A", "A: \"a\" , b", "A: \"a\",b", true},
      {"an empty member is not nothing", "Vary: A", "A: 1,", "A: 1", false},
      {"a prefix", "Vary: A", "A: 12", "A: 1", false},
      {"an octet above 127", "Vary: A", "A: \xff", "A: \xff", true},
      {"two octets above 127", "Vary: A", "A: \xff", "A: \xfe", false},
      {"Authorization", "Vary: Authorization", "Authorization: x", "Authorization: y", false},
      {"Cookie", "Vary: Cookie", "Cookie: x", "Cookie: y", false},
  };
  for (auto const& row : rows) {
    INFO(row.description);
    auto const response = fields(row.vary);
    auto const then = fields(row.then);
    auto const now = fields(row.now);
    CHECK(policy::vary_matches(response, then, now) == row.matches);
    // What was nominated then is all that is needed.
    CHECK(policy::vary_matches(response, policy::nominated_fields(response, then), now) == row.matches);
    // Matching goes both ways.
    CHECK(policy::vary_matches(response, now, then) == row.matches);
  }
}

TEST_CASE("preferences that mean the same are the same, and nothing else is") {
  struct Row {
    char const* section;
    char const* description;
    char const* then;
    char const* now;
    bool matches;
  };
  std::vector<Row> const rows = {
      {"4.1", "codings in another order", "Accept-Encoding: gzip, br", "Accept-Encoding: br,gzip", true},
      {"4.1", "codings in another case", "Accept-Encoding: GZip", "Accept-Encoding: gzip", true},
      {"4.1", "codings on two lines", "Accept-Encoding: gzip|Accept-Encoding: br",
       "Accept-Encoding: br, gzip", true},
      {"9110-8.4.1.3", "an old name", "Accept-Encoding: x-gzip", "Accept-Encoding: gzip", true},
      {"9110-12.4.2", "a weight of 1", "Accept-Encoding: gzip;q=1.000, br", "Accept-Encoding: gzip, br;q=1",
       true},
      {"9110-12.4.2", "a weight with more zeros", "Accept-Encoding: gzip;q=0.50",
       "Accept-Encoding: gzip; q=0.5", true},
      {"9110-12.4.2", "a weight with Q", "Accept-Encoding: gzip;Q=0.5", "Accept-Encoding: gzip;q=0.5", true},
      {"9110-12.4.2", "another weight", "Accept-Encoding: gzip;q=0.5", "Accept-Encoding: gzip;q=0.6", false},
      {"9110-12.4.2", "a weight of 0 is not absence", "Accept-Encoding: gzip, br;q=0",
       "Accept-Encoding: gzip", false},
      {"4.1", "one coding more", "Accept-Encoding: gzip", "Accept-Encoding: gzip, br", false},
      {"4.1", "another coding", "Accept-Encoding: gzip", "Accept-Encoding: br", false},
      {"4.1", "a coding twice", "Accept-Encoding: gzip, gzip, br", "Accept-Encoding: br, gzip, gzip", false},
      {"4.1", "a malformed weight", "Accept-Encoding: gzip;q=x, br", "Accept-Encoding: br, gzip;q=x", false},
      {"4.1", "a weight above 1", "Accept-Encoding: gzip;q=1.5, br", "Accept-Encoding: br, gzip;q=1.5",
       false},
      {"4.1", "an unknown parameter", "Accept-Encoding: gzip;a=1, br", "Accept-Encoding: br, gzip;a=1",
       false},
      {"4.1", "what is malformed matches itself", "Accept-Encoding: gzip;q=x", "Accept-Encoding: gzip;q=x",
       true},
      {"4.1", "empty is not absent", "Accept-Encoding: ", "", false},
      {"4.1", "any coding", "Accept-Encoding: *, gzip", "Accept-Encoding: gzip, *", true},
      {"4.1", "more codings than anybody sends", "Accept-Encoding: a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p,q",
       "Accept-Encoding: b,a,c,d,e,f,g,h,i,j,k,l,m,n,o,p,q", false},
      {"4.1", "languages in another case", "Accept-Language: EN-gb", "Accept-Language: en-GB", true},
      {"4.1", "languages by weight", "Accept-Language: en;q=0.5, fr", "Accept-Language: fr, en;q=0.5", true},
      {"9110-12.5.4", "languages of one weight in another order", "Accept-Language: en, fr",
       "Accept-Language: fr, en", false},
      {"4.1", "another language", "Accept-Language: en", "Accept-Language: fr", false},
      {"4.1", "a language more", "Accept-Language: en", "Accept-Language: en, fr;q=0.1", false},
      {"4.1", "a language range", "Accept-Language: en", "Accept-Language: en-GB", false},
      {"4.1", "no other field is read so", "Accept: a/b, c/d", "Accept: c/d, a/b", false},
  };
  auto const vary = fields("Vary: Accept-Encoding, Accept-Language, Accept");
  for (auto const& row : rows) {
    INFO(row.section << ": " << row.description);
    CHECK(policy::vary_matches(vary, fields(row.then), fields(row.now)) == row.matches);
    CHECK(policy::vary_matches(vary, fields(row.now), fields(row.then)) == row.matches);
  }
}

TEST_CASE("a coded response is for those who ask for its coding") {
  auto const accepts = [](char const* request, char const* response) {
    return policy::accepts_coding(fields(request), fields(response));
  };
  CHECK(accepts("", "Content-Encoding: gzip"));
  CHECK(accepts("Accept-Encoding: identity", ""));
  CHECK(accepts("Accept-Encoding: br, gzip;q=0.5", "Content-Encoding: gzip"));
  CHECK(accepts("Accept-Encoding: GZIP", "Content-Encoding: x-gzip"));
  CHECK(accepts("Accept-Encoding: *", "Content-Encoding: gzip"));
  CHECK(accepts("Accept-Encoding: gzip|Accept-Encoding: br", "Content-Encoding: gzip, br"));
  CHECK(accepts("Accept-Encoding: identity", "Content-Encoding: identity"));
  CHECK(accepts("Accept-Encoding: (", "Content-Encoding: gzip"));
  CHECK_FALSE(accepts("Accept-Encoding: identity", "Content-Encoding: gzip"));
  CHECK_FALSE(accepts("Accept-Encoding: ", "Content-Encoding: gzip"));
  CHECK_FALSE(accepts("Accept-Encoding: br", "Content-Encoding: gzip"));
  CHECK_FALSE(accepts("Accept-Encoding: gzip;q=0, *", "Content-Encoding: gzip"));
  CHECK_FALSE(accepts("Accept-Encoding: gzip, *;q=0", "Content-Encoding: gzip, br"));
}

TEST_CASE("the nominated fields are kept as they were, and no others") {
  auto const request = fields("Accept: a|Accept-Language: en|Accept-Language: fr;q=0.5|Cookie: c|X: 1");
  CHECK(text(policy::nominated_fields(fields("Vary: accept-language, x, x, Absent"), request)) ==
        "Accept-Language: en|Accept-Language: fr;q=0.5|X: 1");
  CHECK(text(policy::nominated_fields(fields(""), request)).empty());
  CHECK(text(policy::nominated_fields(fields("Vary: *"), request)).empty());
}

TEST_CASE("nothing noted for Vary means that the fields were absent") {
  auto const response = fields("Vary: A");
  CHECK(policy::vary_matches(response, nullptr, fields("B: 1")));
  CHECK_FALSE(policy::vary_matches(response, nullptr, fields("A: 1")));
}

TEST_CASE("matching takes time in proportion to the length") {
  std::string const spaces(200'000, ' ');
  http::fields a, b;
  for (auto* f : {&a, &b}) {
    for (int i = 0; i < 5; ++i) f->insert("A", "x" + spaces.substr(0, 60'000) + "y");
  }
  CHECK(policy::vary_matches(fields("Vary: A"), a, b));
}
