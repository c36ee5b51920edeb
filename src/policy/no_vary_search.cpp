#include "beast_cache/policy/no_vary_search.hpp"

#include <algorithm>
#include <optional>
#include <utility>

#include "beast_cache/http/structured_fields.hpp"

namespace beast_cache {
inline namespace v1 {
namespace policy {
namespace {

int hex_value(char c) noexcept {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/// As application/x-www-form-urlencoded reads it: plus is a space, a stray percent sign stands for itself.
std::string decode(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    bool const escape =
        text[i] == '%' && i + 2 < text.size() && hex_value(text[i + 1]) >= 0 && hex_value(text[i + 2]) >= 0;
    if (escape) {
      out += static_cast<char>(hex_value(text[i + 1]) * 16 + hex_value(text[i + 2]));
      i += 2;
    } else {
      out += text[i] == '+' ? ' ' : text[i];
    }
  }
  return out;
}

/// With every octet escaped that could be taken for a separator, so that the form can be read one way only.
void encode(std::string& to, std::string_view text) {
  constexpr std::string_view hex = "0123456789ABCDEF";
  for (char const c : text) {
    auto const u = static_cast<unsigned char>(c);
    bool const plain = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                       c == '-' || c == '.' || c == '_' || c == '*';
    if (plain) {
      to += c;
    } else {
      to.append({'%', hex[u >> 4], hex[u & 15]});
    }
  }
}

using Pairs = std::vector<std::pair<std::string, std::string>>;

Pairs parse(std::string_view query) {
  Pairs pairs;
  while (!query.empty()) {
    auto const end = query.find('&');
    auto const part = query.substr(0, end);
    query.remove_prefix(end == query.npos ? query.size() : end + 1);
    if (part.empty()) continue;
    auto const equals = part.find('=');
    auto const value = equals == part.npos ? std::string_view{} : part.substr(equals + 1);
    pairs.emplace_back(decode(part.substr(0, equals)), decode(value));
  }
  return pairs;
}

/// The strings of an inner list; nothing when a member is of another type.
std::optional<std::vector<std::string>> strings(structured::Member const& member) {
  auto const* const list = std::get_if<structured::InnerList>(&member);
  if (list == nullptr) return std::nullopt;
  std::vector<std::string> out;
  for (auto const& item : list->items()) {
    auto const* const text = item.get<std::string>();
    if (text == nullptr) return std::nullopt;
    // The names are written as in a query.
    out.push_back(decode(*text));
  }
  return out;
}

std::optional<bool> boolean(structured::Member const& member) {
  auto const* const item = std::get_if<structured::Item>(&member);
  auto const* const value = item ? item->get<bool>() : nullptr;
  return value ? std::optional{*value} : std::nullopt;
}

/// The query, or nothing where there is no question mark.
std::string_view query_of(Url const& url) noexcept {
  auto const target = url.target();
  auto const mark = target.find('?');
  return mark == target.npos ? std::string_view{} : target.substr(mark + 1);
}

}  // namespace

NoVarySearch::NoVarySearch(http::fields const& response) {
  auto const field = structured::parse_dictionary(response, "No-Vary-Search");
  if (!field) return;
  NoVarySearch read;
  if (auto const* const order = field->find("key-order")) {
    auto const value = boolean(*order);
    if (!value) return;
    read.any_order_ = *value;
  }
  auto const* const params = field->find("params");
  if (params != nullptr) {
    if (auto const all = boolean(*params)) {
      read.all_ = *all;
    } else if (auto names = strings(*params)) {
      read.names_ = std::move(*names);
    } else {
      return;
    }
  }
  if (auto const* const except = field->find("except")) {
    auto names = strings(*except);
    // It is an exception from something: without `params` it makes no sense.
    if (!names || !read.all_) return;
    read.names_ = std::move(*names);
  }
  std::sort(read.names_.begin(), read.names_.end());
  *this = std::move(read);
}

bool NoVarySearch::ignores(std::string_view name) const noexcept {
  bool const listed = std::binary_search(names_.begin(), names_.end(), name);
  return listed != all_;
}

std::string NoVarySearch::canonical_query(std::string_view query) const {
  auto pairs = parse(query);
  std::erase_if(pairs, [this](auto const& pair) { return ignores(pair.first); });
  if (any_order_) {
    // Values of one name keep their order.
    std::stable_sort(pairs.begin(), pairs.end(),
                     [](auto const& a, auto const& b) { return a.first < b.first; });
  }
  std::string text;
  for (auto const& [name, value] : pairs) {
    if (!text.empty()) text += '&';
    encode(text, name);
    text += '=';
    encode(text, value);
  }
  return text;
}

bool NoVarySearch::equivalent(Url const& a, Url const& b) const {
  if (a == b) return true;
  if (is_default() || !same_origin(a, b)) return false;
  auto const path = [](Url const& url) { return url.target().substr(0, url.target().find('?')); };
  return path(a) == path(b) && canonical_query(query_of(a)) == canonical_query(query_of(b));
}

}  // namespace policy
}  // namespace v1
}  // namespace beast_cache
