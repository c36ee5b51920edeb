// Structured fields: RFC 9651, one row a piece of syntax.

#include "beast_cache/http/structured_fields.hpp"

#include <random>
#include <vector>

#include "catch.hpp"

using namespace beast_cache;
using namespace beast_cache::structured;

namespace {

/// "-" for what is malformed.
template <class T>
std::string normal(std::optional<T> const& value) {
  return value ? serialise(*value).value_or("no form") : "-";
}

struct Row {
  char const* section;
  char const* text;
  char const* expected;
};

}  // namespace

TEST_CASE("an item is read strictly and written in its normal form") {
  std::vector<Row> const rows = {
      {"3.3.1", "42", "42"},
      {"3.3.1", "  42  ", "42"},
      {"3.3.1", "-0", "0"},
      {"3.3.1", "0042", "42"},
      {"3.3.1", "999999999999999", "999999999999999"},
      {"3.3.1", "-999999999999999", "-999999999999999"},
      {"3.3.1", "1000000000000000", "-"},
      {"3.3.1", "--1", "-"},
      {"3.3.1", "-", "-"},
      {"3.3.1", "+1", "-"},
      {"3.3.1", "1 2", "-"},
      {"3.3.1", "1\t", "-"},
      {"3.3.1", "\t1", "-"},
      {"3.3.2", "4.5", "4.5"},
      {"3.3.2", "-1.50", "-1.5"},
      {"3.3.2", "1.000", "1.0"},
      {"3.3.2", "0.001", "0.001"},
      {"3.3.2", "123456789012.125", "123456789012.125"},
      {"3.3.2", "1234567890123.1", "-"},
      {"3.3.2", "1.1234", "-"},
      {"3.3.2", "1.", "-"},
      {"3.3.2", ".1", "-"},
      {"3.3.2", "1.2.3", "-"},
      {"3.3.3", "\"hello world\"", "\"hello world\""},
      {"3.3.3", "\"\"", "\"\""},
      {"3.3.3", "\"a\\\"b\\\\c\"", "\"a\\\"b\\\\c\""},
      {"3.3.3", "\"a\\b\"", "-"},
      {"3.3.3", "\"a", "-"},
      {"3.3.3", "\"a\\", "-"},
      {"3.3.3", "\"a\\\"", "-"},
      {"3.3.3", "\"a\tb\"", "-"},
      {"3.3.3", "\"a\x7f\"", "-"},
      {"3.3.3", "\"\xc3\xbc\"", "-"},
      {"3.3.3", "'a'", "-"},
      {"3.3.4", "foo123/456", "foo123/456"},
      {"3.3.4", "*foo", "*foo"},
      {"3.3.4", "a:b~!#$%&'*+-.^_`|", "a:b~!#$%&'*+-.^_`|"},
      {"3.3.4", "1a", "-"},
      {"3.3.4", "a(b", "-"},
      {"3.3.5", ":aGVsbG8=:", ":aGVsbG8=:"},
      {"3.3.5", "::", "::"},
      {"3.3.5", ":aGVsbG8:", ":aGVsbG8=:"},
      {"3.3.5", ":aGVsbG9=:", ":aGVsbG8=:"},
      {"3.3.5", ":AP8=:", ":AP8=:"},
      {"3.3.5", ":aGVsb G8=:", "-"},
      {"3.3.5", ":a_-a:", "-"},
      {"3.3.5", ":a:", "-"},
      {"3.3.5", ":aGVs", "-"},
      {"3.3.5", ":=aGVs:", "-"},
      {"3.3.6", "?1", "?1"},
      {"3.3.6", "?0", "?0"},
      {"3.3.6", "?2", "-"},
      {"3.3.6", "?", "-"},
      {"3.3.6", "?T", "-"},
      {"3.3.7", "@1659578233", "@1659578233"},
      {"3.3.7", "@-1", "@-1"},
      {"3.3.7", "@1.5", "-"},
      {"3.3.7", "@", "-"},
      {"3.3.7", "@a", "-"},
      {"3.3.8", "%\"a b\"", "%\"a b\""},
      {"3.3.8", "%\"f%c3%bc\"", "%\"f%c3%bc\""},
      {"3.3.8", "%\"%e2%82%ac%22%25\"", "%\"%e2%82%ac%22%25\""},
      {"3.3.8", "%\"%f0%9f%98%80\"", "%\"%f0%9f%98%80\""},
      {"3.3.8", "%\"%61\"", "%\"a\""},
      {"3.3.8", "%\"%C3%BC\"", "-"},
      {"3.3.8", "%\"%c3\"", "-"},
      {"3.3.8", "%\"%c3x\"", "-"},
      {"3.3.8", "%\"%c0%80\"", "-"},
      {"3.3.8", "%\"%ed%a0%80\"", "-"},
      {"3.3.8", "%\"%f4%90%80%80\"", "-"},
      {"3.3.8", "%\"%e0%80%80\"", "-"},
      {"3.3.8", "%\"%80\"", "-"},
      {"3.3.8", "%\"%6\"", "-"},
      {"3.3.8", "%\"a", "-"},
      {"3.3.8", "%a", "-"},
      {"3.1.2", "a;b", "a;b"},
      {"3.1.2", "a;  b;c=?1;d=?0;e=\"x\"", "a;b;c;d=?0;e=\"x\""},
      {"3.1.2", "a;b=1;b=2", "a;b=2"},
      {"3.1.2", "a;b=1;c;b=2", "a;b=2;c"},
      {"3.1.2", "a ;b", "-"},
      {"3.1.2", "a;B", "-"},
      {"3.1.2", "a;1", "-"},
      {"3.1.2", "a;b=", "-"},
      {"3.1.2", "a;", "-"},
      {"3.1.2", "a;b= 1", "-"},
      {"3.1.2", "a;*b.c-d_e=1", "a;*b.c-d_e=1"},
      {"4.2", "", "-"},
      {"4.2", "   ", "-"},
      {"4.2", "(a b)", "-"},
      {"4.2", "{", "-"},
  };
  for (auto const& row : rows) {
    INFO(row.section << ": " << row.text);
    CHECK(normal(parse_item(row.text)) == row.expected);
  }
}

TEST_CASE("a list is read strictly") {
  std::vector<Row> const rows = {
      {"3.1", "sugar, tea, rum", "sugar, tea, rum"},
      {"3.1", "a,b", "a, b"},
      {"3.1", "a \t,\t b", "a, b"},
      {"3.1", "", ""},
      {"3.1", "  ", ""},
      {"3.1", "a,", "-"},
      {"3.1", "a, ", "-"},
      {"3.1", ",a", "-"},
      {"3.1", "a,,b", "-"},
      {"3.1", "a b", "-"},
      {"3.1", "a\t", "a"},
      {"3.1", "a;x=1, b;y", "a;x=1, b;y"},
      {"3.1.1", "(\"foo\" \"bar\"), (\"baz\"), ()", "(\"foo\" \"bar\"), (\"baz\"), ()"},
      {"3.1.1", "(  a   b  )", "(a b)"},
      {"3.1.1", "(a;x=1 b);y=2", "(a;x=1 b);y=2"},
      {"3.1.1", "(a", "-"},
      {"3.1.1", "(a b", "-"},
      {"3.1.1", "(a,b)", "-"},
      {"3.1.1", "(a\tb)", "-"},
      {"3.1.1", "(\"a\"\"b\")", "-"},
      {"3.1.1", "((a))", "-"},
      {"3.1.1", ")", "-"},
  };
  for (auto const& row : rows) {
    INFO(row.section << ": " << row.text);
    CHECK(normal(parse_list(row.text)) == row.expected);
  }
}

TEST_CASE("a dictionary is read strictly") {
  std::vector<Row> const rows = {
      {"3.2", "a=1, b=2", "a=1, b=2"},
      {"3.2", "a, b;x, c=?0", "a, b;x, c=?0"},
      {"3.2", "a=?1", "a"},
      {"3.2", "a=?1;x=1", "a;x=1"},
      {"3.2", "a=1,b=2;x=1;y=?1", "a=1, b=2;x=1;y"},
      {"3.2", "a=(1 2), b=()", "a=(1 2), b=()"},
      {"3.2", "a=1, b=2, a=3", "a=3, b=2"},
      {"3.2", "a=1, a", "a"},
      {"3.2", "", ""},
      {"3.2", "max-age=60, no-store", "max-age=60, no-store"},
      {"3.2", "*a=1", "*a=1"},
      {"3.2", "a =1", "-"},
      {"3.2", "a= 1", "-"},
      {"3.2", "a=", "-"},
      {"3.2", "A=1", "-"},
      {"3.2", "1=1", "-"},
      {"3.2", "=1", "-"},
      {"3.2", "a=1,", "-"},
      {"3.2", "a=1;", "-"},
      {"3.2", "a=1 b=2", "-"},
      {"3.2", "a=,b=1", "-"},
      {"3.2", "a=1,,b=1", "-"},
      {"3.2", "a==1", "-"},
  };
  for (auto const& row : rows) {
    INFO(row.section << ": " << row.text);
    CHECK(normal(parse_dictionary(row.text)) == row.expected);
  }
}

TEST_CASE("values come out as what they are") {
  auto const item = parse_item("\"a\\\"b\";n=-7;d=1.25;t=tok;b=:AP8=:;q=?0;w=@9;s=%\"f%c3%bc\"");
  REQUIRE(item.has_value());
  CHECK(*item->get<std::string>() == "a\"b");
  CHECK(item->get<Token>() == nullptr);
  auto const& p = item->parameters();
  CHECK(p.size() == 7);
  CHECK((*p.find("n") == BareItem(std::int64_t{-7})));
  CHECK((*p.find("d") == BareItem(Decimal(1250))));
  CHECK((*p.find("t") == BareItem(Token("tok"))));
  CHECK((*p.find("b") == BareItem(ByteSequence(std::string("\0\xff", 2)))));
  CHECK((*p.find("q") == BareItem(false)));
  CHECK((*p.find("w") == BareItem(Date(9))));
  CHECK((*p.find("s") == BareItem(DisplayString("f\xc3\xbc"))));
  CHECK(p.find("x") == nullptr);
}

TEST_CASE("the lines of a field are one list or dictionary") {
  http::fields f;
  CHECK_FALSE(parse_list(f, "Cache-Groups").has_value());
  CHECK_FALSE(parse_dictionary(f, "CDN-Cache-Control").has_value());
  f.insert("Cache-Groups", "\"a\"");
  f.insert("Cache-Groups", "\"b\", \"c\"");
  CHECK(normal(parse_list(f, "cache-groups")) == "\"a\", \"b\", \"c\"");
  f.insert("D", "a=1");
  f.insert("D", "a=2");
  CHECK(normal(parse_dictionary(f, "D")) == "a=2");
  f.insert("D", "A");
  CHECK_FALSE(parse_dictionary(f, "D").has_value());
}

TEST_CASE("what has no form is not written") {
  CHECK_FALSE(serialise(Item(BareItem(std::int64_t{1'000'000'000'000'000}))).has_value());
  CHECK_FALSE(serialise(Item(BareItem(Decimal(1'000'000'000'000'000)))).has_value());
  CHECK_FALSE(serialise(Item(BareItem(std::string("\n")))).has_value());
  CHECK_FALSE(serialise(Item(BareItem(std::string("\xc3\xbc")))).has_value());
  CHECK_FALSE(serialise(Item(BareItem(Token("a b")))).has_value());
  CHECK_FALSE(serialise(Item(BareItem(Token("")))).has_value());
  CHECK_FALSE(serialise(Item(BareItem(Token("?1")))).has_value());
  CHECK_FALSE(serialise(Item(BareItem(DisplayString("\xff")))).has_value());
  Dictionary d;
  d.set("A", Member(Item(BareItem(true))));
  CHECK_FALSE(serialise(d).has_value());
  CHECK(serialise(List()) == "");
  CHECK(serialise(Item(BareItem(DisplayString("\n%\"")))) == "%\"%0a%25%22\"");
}

TEST_CASE("what was parsed and written is parsed and written the same") {
  std::mt19937 random(9651);
  std::string const alphabet =
      "aB1*.,;=()\"\\?:@% -_/+\t\x80"
      "c3bc";
  int parsed = 0;
  for (int i = 0; i < 60'000; ++i) {
    std::string text;
    for (auto n = random() % 14; n > 0; --n) text += alphabet[random() % alphabet.size()];
    INFO(text);
    auto const item = parse_item(text);
    auto const list = parse_list(text);
    auto const dictionary = parse_dictionary(text);
    parsed += item || list || dictionary;
    if (item) REQUIRE((parse_item(serialise(*item).value()) == item));
    if (list) REQUIRE((parse_list(serialise(*list).value()) == list));
    if (dictionary) REQUIRE((parse_dictionary(serialise(*dictionary).value()) == dictionary));
  }
  CHECK(parsed > 3000);
}
