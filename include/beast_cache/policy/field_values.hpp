#pragma once
/// \file field_values.hpp
/// Reading field values: tokens, delta-seconds, comma-separated lists. Nothing allocates, nothing throws.
///
/// Source: RFC 9110 sections 5.5 and 5.6.

#include <boost/beast/http/fields.hpp>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <optional>
#include <string_view>

#include "beast_cache/config.hpp"

namespace beast_cache {
inline namespace v1 {
namespace policy {
namespace detail {

constexpr char lower(char c) noexcept {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
}

constexpr bool iequals(std::string_view a, std::string_view b) noexcept {
  if (a.size() != b.size()) return false;
  if (a == b) return true;  // as nearly all names are written
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (a[i] != b[i] && lower(a[i]) != lower(b[i])) return false;
  }
  return true;
}

constexpr bool is_space(char c) noexcept {
  return c == ' ' || c == '\t';
}

constexpr bool is_digit(char c) noexcept {
  return c >= '0' && c <= '9';
}

/// RFC 9110 section 5.6.2, as a table: this is asked of nearly every octet.
class TokenTable {
 public:
  constexpr TokenTable() noexcept {
    for (char const c : std::string_view{"!#$%&'*+-.^_`|~0123456789"}) set(c);
    for (char c = 'a'; c <= 'z'; ++c) set(c), set(static_cast<char>(c - 32));
  }
  constexpr bool has(char c) const noexcept { return has_[static_cast<unsigned char>(c)]; }

 private:
  constexpr void set(char c) noexcept { has_[static_cast<unsigned char>(c)] = true; }
  bool has_[256] = {};
};
inline constexpr TokenTable token_table;

constexpr bool is_tchar(char c) noexcept {
  return token_table.has(c);
}

constexpr bool is_token(std::string_view s) noexcept {
  for (char const c : s) {
    if (!is_tchar(c)) return false;
  }
  return !s.empty();
}

constexpr std::string_view trim(std::string_view s) noexcept {
  while (!s.empty() && is_space(s.front())) s.remove_prefix(1);
  while (!s.empty() && is_space(s.back())) s.remove_suffix(1);
  return s;
}

/// RFC 9111 section 1.2.2: what can't be represented counts as 2^31.
inline constexpr std::int64_t max_delta = std::int64_t{1} << 31;

/// A delta-seconds: digits and nothing else.
constexpr std::optional<std::chrono::seconds> parse_delta(std::string_view s) noexcept {
  if (s.empty()) return std::nullopt;
  std::int64_t value = 0;
  for (char const c : s) {
    if (!is_digit(c)) return std::nullopt;
    value = value * 10 + (c - '0');
    if (value > max_delta) value = max_delta;
  }
  return std::chrono::seconds{value};
}

/// Calls `f(member)` for each member of a comma-separated list that knows no quoted strings, such as Vary or
/// Connection. Empty members are left out (RFC 9110 section 5.6.1). `f` returns false to stop.
/// @return false when `f` stopped it.
template <class F>
constexpr bool for_each_member(std::string_view list, F&& f) {
  for (;;) {
    auto const comma = list.find(',');
    auto const member = trim(list.substr(0, comma));
    if (!member.empty() && !f(member)) return false;
    if (comma == std::string_view::npos) return true;
    list.remove_prefix(comma + 1);
  }
}

/// The lines of a field, which Beast keeps together: what `equal_range` finds. In lists as short as a
/// message's the walk is several times faster than the search in the tree.
class Lines {
 public:
  using Iterator = http::fields::const_iterator;

  Lines(http::fields const& fields, http::field name) noexcept {
    find(fields, [name](auto const& f) { return f.name() == name; });
  }
  Lines(http::fields const& fields, std::string_view name) noexcept {
    find(fields, [name](auto const& f) {
      std::string_view const other = f.name_string();
      // Names of one length mostly differ in their last letter: Accept-Encoding and Accept-Language.
      return other.size() == name.size() && !name.empty() && lower(other.back()) == lower(name.back()) &&
             iequals(other, name);
    });
  }
  Iterator begin() const noexcept { return begin_; }
  Iterator end() const noexcept { return end_; }
  bool empty() const noexcept { return begin_ == end_; }

 private:
  template <class F>
  void find(http::fields const& fields, F is_it) noexcept {
    begin_ = fields.begin();
    while (begin_ != fields.end() && !is_it(*begin_)) ++begin_;
    end_ = begin_;
    while (end_ != fields.end() && is_it(*end_)) ++end_;
  }

  Iterator begin_, end_;
};

/// The same over all lines of a field.
template <class F>
bool for_each_member(http::fields const& fields, http::field name, F&& f) {
  auto const lines = Lines(fields, name);
  for (auto it = lines.begin(); it != lines.end(); ++it) {
    if (!for_each_member(std::string_view{it->value()}, f)) return false;
  }
  return true;
}

/// The trimmed value of a field that has one line, or several equal ones; nothing when it is absent or when
/// its lines contradict each other.
inline std::optional<std::string_view> single_value(http::fields const& fields, http::field name) noexcept {
  Lines const lines(fields, name);
  if (lines.empty()) return std::nullopt;
  auto const value = trim(lines.begin()->value());
  for (auto it = std::next(lines.begin()); it != lines.end(); ++it) {
    if (trim(it->value()) != value) return std::nullopt;
  }
  return value;
}

/// Whether a field speaks of the content that a message carries, and not of the resource.
constexpr bool describes_content(http::field name) noexcept {
  switch (name) {
    case http::field::content_encoding:
    case http::field::content_language:
    case http::field::content_length:
    case http::field::content_md5:
    case http::field::content_range:
    case http::field::content_type:
    case http::field::transfer_encoding:
      return true;
    default:
      return false;
  }
}

}  // namespace detail
}  // namespace policy
}  // namespace v1
}  // namespace beast_cache
