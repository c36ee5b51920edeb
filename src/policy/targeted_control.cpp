// RFC 9213: response fields that speak to one kind of cache in place of Cache-Control.

#include <algorithm>
#include <array>
#include <iterator>

#include "beast_cache/policy/response_facts.hpp"
#include "http/structured_scanner.hpp"

namespace beast_cache {
inline namespace v1 {
namespace policy {
namespace detail {
namespace {

using structured::Kind;
using structured::RawItem;
using structured::Scanner;

void pass_over(std::string_view, RawItem const&) noexcept {}

bool read_inner_list(Scanner& in) noexcept {
  in.take('(');
  for (;;) {
    in.spaces();
    if (in.take(')')) return in.parameters(pass_over);
    RawItem item;
    if (!in.bare_item(item) || !in.parameters(pass_over)) return false;
    if (!in.at(' ') && !in.at(')')) return false;
  }
}

/// A member as a directive. Where the type is not the one that Cache-Control knows, it is marked as
/// malformed, so that what permits counts for nothing and what forbids counts.
Directive directive(std::string_view key, RawItem const* value) noexcept {
  Directive d;
  d.name = key;
  d.has_argument = true;
  d.clean = value != nullptr;
  if (value == nullptr) return d;
  d.argument = value->text;
  switch (value->kind) {
    case Kind::boolean:
      d.has_argument = false;
      break;
    case Kind::integer:
      break;
    case Kind::string:
      // A list of fields is a string here too; a number in quotes is no number.
      d.quoted = true;
      d.clean = key == "no-cache" || key == "private";
      break;
    default:
      d.clean = false;
      break;
  }
  return d;
}

/// A member of a dictionary.
class Member {
 public:
  Member() noexcept : item{{}, 1, Kind::boolean} {}

  /// Takes the next one, with its comma. @return False at a syntax error.
  bool read(Scanner& in) noexcept {
    if (!in.key(key)) return false;
    std::string_view const before = in.rest();
    if (in.take('=')) {
      is_list = in.at('(');
      if (is_list ? !read_inner_list(in) : !in.bare_item(item)) return false;
    }
    if (item.kind == Kind::integer) item.text = before.substr(1, before.size() - 1 - in.rest().size());
    return (is_list || in.parameters(pass_over)) && in.comma();
  }
  bool is_off() const noexcept { return !is_list && item.kind == Kind::boolean && item.number == 0; }

  std::string_view key;
  RawItem item;
  bool is_list = false;
};

Scanner begin(std::string_view line) noexcept {
  while (!line.empty() && line.back() == ' ') line.remove_suffix(1);
  Scanner in(line);
  in.spaces();
  return in;
}

/// Whether a key that has a meaning comes again, in the rest of a line or in a later one: of several members
/// with one key the last one counts (RFC 9651 section 3.2).
bool comes_again(std::string_view key, Scanner rest, Lines::Iterator next, Lines::Iterator last) noexcept {
  constexpr std::array known = {
      std::string_view("max-age"),        std::string_view("s-maxage"),
      std::string_view("no-store"),       std::string_view("no-cache"),
      std::string_view("private"),        std::string_view("public"),
      std::string_view("immutable"),      std::string_view("must-revalidate"),
      std::string_view("no-transform"),   std::string_view("proxy-revalidate"),
      std::string_view("stale-if-error"), std::string_view("stale-while-revalidate"),
      std::string_view("must-understand")};
  if (std::find(known.begin(), known.end(), key) == known.end()) return false;
  for (;;) {
    while (!rest.empty()) {
      Member member;
      if (!member.read(rest)) return false;
      if (member.key == key) return true;
    }
    if (next == last) return false;
    rest = begin((next++)->value());
  }
}

/// `visit` for each directive of a field. @return False at a syntax error, or where there is none.
bool read_field(http::fields const& headers, std::string_view name, void* to, VisitDirective visit) noexcept {
  auto const [first, last] = headers.equal_range(name);
  for (auto line = first; line != last; ++line) {
    Scanner in = begin(line->value());
    if (in.empty()) return false;
    while (!in.empty()) {
      Member member;
      if (!member.read(in)) return false;
      bool const counts = visit != nullptr && !member.is_off();
      if (counts && !comes_again(member.key, in, std::next(line), last))
        visit(to, directive(member.key, member.is_list ? nullptr : &member.item));
    }
  }
  return first != last;
}

}  // namespace

bool visit_targeted(http::fields const& headers, Options const& options, void* to,
                    VisitDirective visit) noexcept {
  for (auto const& name : options.targeted_fields()) {
    // RFC 9213 section 2.1: a field with an error anywhere counts as absent, so it is read through first.
    if (read_field(headers, name, nullptr, nullptr)) return read_field(headers, name, to, visit);
  }
  return false;
}

bool read_targeted(http::fields const& headers, Options const& options, CacheControl& control) noexcept {
  CacheControl read;
  auto const add = [](void* to, Directive const& d) { static_cast<CacheControl*>(to)->add(d); };
  if (!visit_targeted(headers, options, &read, add)) return false;
  control = read;
  return true;
}

}  // namespace detail
}  // namespace policy
}  // namespace v1
}  // namespace beast_cache
