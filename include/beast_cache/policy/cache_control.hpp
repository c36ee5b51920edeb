#pragma once
/// \file cache_control.hpp
/// The directives of Cache-Control, read once into a small value.
///
/// The reading fails closed: what forbids is honoured however it is written (odd case, stray quotes, a
/// semicolon for a comma, an argument where none belongs); what permits must be well formed. Where a
/// directive appears more than once, the stricter one counts. A max-age without a valid number counts as 0
/// (RFC 9111 section 4.2.1: stale).

#include <boost/beast/http/fields.hpp>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string_view>

#include "beast_cache/config.hpp"
#include "beast_cache/policy/directive.hpp"
#include "beast_cache/policy/field_values.hpp"

namespace beast_cache {
inline namespace v1 {
namespace policy {
/// The directives of a request or of a response.
///
/// Source: RFC 9111 section 5.2; RFC 5861; RFC 8246.
class CacheControl {
 public:
  using Delta = std::optional<std::chrono::seconds>;

  CacheControl() = default;
  /// Reads all lines of Cache-Control.
  explicit CacheControl(http::fields const& fields) noexcept {
    auto const range = fields.equal_range(http::field::cache_control);
    for (auto it = range.first; it != range.second; ++it) add(it->value());
  }

  /// Reads one more line.
  void add(std::string_view line) noexcept {
    present_ = true;
    detail::for_each_directive(line, [this](detail::Directive const& d) { add(d); });
  }

  /// Takes one more directive in.
  void add(detail::Directive const& d) noexcept {
    using detail::iequals;
    constexpr std::chrono::seconds zero{0};
    switch (d.name.size()) {
      case 6:
        if (iequals(d.name, "public") && d.clean) set(flag_public);
        break;
      case 7:
        if (iequals(d.name, "max-age")) lower(max_age_, number(d).value_or(zero));
        if (iequals(d.name, "private")) set(detail::is_field_list(d) ? flag_private_fields : flag_private);
        break;
      case 8:
        if (iequals(d.name, "no-store")) set(flag_no_store);
        if (iequals(d.name, "no-cache")) set(detail::is_field_list(d) ? flag_no_cache_fields : flag_no_cache);
        if (iequals(d.name, "s-maxage")) lower(s_maxage_, number(d).value_or(zero));
        break;
      case 9:
        if (iequals(d.name, "min-fresh")) {
          raise(min_fresh_, number(d).value_or(std::chrono::seconds{detail::max_delta}));
        }
        if (iequals(d.name, "max-stale")) add_max_stale(d);
        break;
      case 14:
        if (iequals(d.name, "only-if-cached") && d.clean) set(flag_only_if_cached);
        if (iequals(d.name, "stale-if-error")) lower(stale_if_error_, number(d).value_or(zero));
        break;
      case 15:
        if (iequals(d.name, "must-revalidate")) set(flag_must_revalidate);
        if (iequals(d.name, "must-understand")) {
          set(flag_must_understand);
          if (d.clean) set(flag_must_understand_clean);
        }
        break;
      case 16:
        if (iequals(d.name, "proxy-revalidate")) set(flag_proxy_revalidate);
        break;
      case 22:
        if (iequals(d.name, "stale-while-revalidate")) {
          lower(stale_while_revalidate_, number(d).value_or(zero));
        }
        break;
      default:
        break;
    }
  }

  bool present() const noexcept { return present_; }
  bool no_store() const noexcept { return has(flag_no_store); }
  /// no-cache without a usable list of fields: it counts for the whole response.
  bool no_cache() const noexcept { return has(flag_no_cache); }
  /// no-cache with a list of fields, and only so. See `for_each_listed_field`.
  bool no_cache_fields() const noexcept { return has(flag_no_cache_fields) && !no_cache(); }
  /// private without a usable list of fields.
  bool is_private() const noexcept { return has(flag_private); }
  bool private_fields() const noexcept { return has(flag_private_fields) && !is_private(); }
  bool is_public() const noexcept { return has(flag_public); }
  bool must_revalidate() const noexcept { return has(flag_must_revalidate); }
  bool proxy_revalidate() const noexcept { return has(flag_proxy_revalidate); }
  bool must_understand() const noexcept { return has(flag_must_understand); }
  /// A well-formed must-understand, which may set no-store aside.
  bool must_understand_clean() const noexcept { return has(flag_must_understand_clean); }
  bool only_if_cached() const noexcept { return has(flag_only_if_cached); }
  /// max-stale, with a limit (`max_stale()`) or without one.
  bool has_max_stale() const noexcept { return has(flag_max_stale); }

  Delta const& max_age() const noexcept { return max_age_; }
  Delta const& s_maxage() const noexcept { return s_maxage_; }
  Delta const& max_stale() const noexcept { return max_stale_; }
  Delta const& min_fresh() const noexcept { return min_fresh_; }
  Delta const& stale_while_revalidate() const noexcept { return stale_while_revalidate_; }
  Delta const& stale_if_error() const noexcept { return stale_if_error_; }

 private:
  enum Flag : unsigned {
    flag_no_store = 1,
    flag_no_cache = 1 << 1,
    flag_no_cache_fields = 1 << 2,
    flag_private = 1 << 3,
    flag_private_fields = 1 << 4,
    flag_public = 1 << 5,
    flag_must_revalidate = 1 << 6,
    flag_proxy_revalidate = 1 << 7,
    flag_must_understand = 1 << 8,
    flag_must_understand_clean = 1 << 9,
    flag_only_if_cached = 1 << 10,
    flag_max_stale = 1 << 11
  };

  bool has(Flag f) const noexcept { return (flags_ & f) != 0; }
  void set(Flag f) noexcept { flags_ |= f; }

  static Delta number(detail::Directive const& d) noexcept {
    // RFC 9111 section 5.2: both the token and the quoted form of an argument are accepted.
    return d.clean && d.has_argument ? detail::parse_delta(d.argument) : std::nullopt;
  }
  static void lower(Delta& to, std::chrono::seconds value) noexcept {
    if (!to || value < *to) to = value;
  }
  static void raise(Delta& to, std::chrono::seconds value) noexcept {
    if (!to || value > *to) to = value;
  }

  void add_max_stale(detail::Directive const& d) noexcept {
    if (!d.clean) return;
    if (!d.has_argument) return set(flag_max_stale);
    if (auto const limit = number(d)) {
      set(flag_max_stale);
      lower(max_stale_, *limit);
    }
  }

  Delta max_age_, s_maxage_, max_stale_, min_fresh_, stale_while_revalidate_, stale_if_error_;
  unsigned flags_ = 0;
  bool present_ = false;
};

}  // namespace policy
}  // namespace v1
}  // namespace beast_cache
