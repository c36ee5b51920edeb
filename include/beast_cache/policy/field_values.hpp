#pragma once
/// \file field_values.hpp
/// Reading field values: tokens, delta-seconds, comma-separated lists. Nothing allocates, nothing throws.
///
/// Source: RFC 9110 sections 5.5 and 5.6.

#include <boost/beast/http/fields.hpp>
#include <chrono>
#include <cstddef>
#include <cstdint>
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
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (lower(a[i]) != lower(b[i])) return false;
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

/// The same over all lines of a field.
template <class F>
bool for_each_member(http::fields const& fields, http::field name, F&& f) {
  auto const range = fields.equal_range(name);
  for (auto it = range.first; it != range.second; ++it) {
    if (!for_each_member(std::string_view{it->value()}, f)) return false;
  }
  return true;
}

/// The trimmed value of a field that has one line, or several equal ones; nothing when it is absent or when
/// its lines contradict each other.
inline std::optional<std::string_view> single_value(http::fields const& fields, http::field name) noexcept {
  auto const range = fields.equal_range(name);
  if (range.first == range.second) return std::nullopt;
  auto const value = trim(range.first->value());
  for (auto it = std::next(range.first); it != range.second; ++it) {
    if (trim(it->value()) != value) return std::nullopt;
  }
  return value;
}

}  // namespace detail
}  // namespace policy
}  // namespace v1
}  // namespace beast_cache
