// RFC 9213: response fields that speak to one kind of cache in place of Cache-Control.

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

/// `visit` for each directive of one line. @return false at a syntax error.
bool read_line(std::string_view line, void* to, VisitDirective visit) noexcept {
  while (!line.empty() && line.back() == ' ') line.remove_suffix(1);
  Scanner in(line);
  in.spaces();
  if (in.empty()) return false;
  while (!in.empty()) {
    std::string_view key;
    if (!in.key(key)) return false;
    RawItem item{{}, 1, Kind::boolean};
    bool list = false;
    std::string_view const before = in.rest();
    if (in.take('=')) {
      list = in.at('(');
      if (list ? !read_inner_list(in) : !in.bare_item(item)) return false;
    }
    if (item.kind == Kind::integer) item.text = before.substr(1, before.size() - 1 - in.rest().size());
    if (!list && !in.parameters(pass_over)) return false;
    bool const off = !list && item.kind == Kind::boolean && item.number == 0;
    if (visit != nullptr && !off) visit(to, directive(key, list ? nullptr : &item));
    if (!in.comma()) return false;
  }
  return true;
}

/// The same for all lines of a field.
bool read_field(http::fields const& headers, std::string_view name, void* to, VisitDirective visit) noexcept {
  auto const range = headers.equal_range(name);
  for (auto it = range.first; it != range.second; ++it) {
    if (!read_line(it->value(), to, visit)) return false;
  }
  return range.first != range.second;
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
