#pragma once
/// \file cache_status.hpp
/// The Cache-Status response field: what the cache did with a request.
///
/// Source: RFC 9211; the syntax is RFC 9651's.

#include <boost/beast/http/fields.hpp>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "beast_cache/config.hpp"
#include "beast_cache/policy/strategy.hpp"

namespace beast_cache {
inline namespace v1 {
namespace policy {

/// Why a request went to the origin. Source: RFC 9211 section 2.2.
enum class Forward : std::uint8_t {
  none,
  bypass,
  method,
  uri_miss,
  vary_miss,
  miss,
  request,
  stale,
  partial
};

/// The token that stands for it; empty for `none`.
constexpr std::string_view to_string(Forward f) noexcept {
  switch (f) {
    case Forward::none:
      return "";
    case Forward::bypass:
      return "bypass";
    case Forward::method:
      return "method";
    case Forward::uri_miss:
      return "uri-miss";
    case Forward::vary_miss:
      return "vary-miss";
    case Forward::miss:
      return "miss";
    case Forward::request:
      return "request";
    case Forward::stale:
      return "stale";
    case Forward::partial:
      return "partial";
  }
  return "";
}

/// What to say of a reason in `fwd`.
constexpr Forward forward_of(Reason reason) noexcept {
  switch (reason) {
    case Reason::fresh:
    case Reason::stale_max_stale:
    case Reason::stale_while_revalidate:
      return Forward::none;
    case Reason::uri_miss:
      return Forward::uri_miss;
    case Reason::vary_miss:
      return Forward::vary_miss;
    case Reason::stale:
    case Reason::response_no_cache:
    case Reason::invalidated:
      return Forward::stale;
    case Reason::request_no_cache:
    case Reason::request_max_age:
    case Reason::request_min_fresh:
    case Reason::request_no_store:
      return Forward::request;
    case Reason::method:
      return Forward::method;
    case Reason::part_missing:
      return Forward::partial;
    case Reason::not_reusable:
    case Reason::range:
    case Reason::conditional:
    case Reason::upgrade:
    case Reason::method_override:
      return Forward::bypass;
  }
  return Forward::bypass;
}

/// What to say of a reason in `detail`; empty where the other parameters say it already.
constexpr std::string_view detail_of(Reason reason) noexcept {
  switch (reason) {
    case Reason::fresh:
    case Reason::uri_miss:
    case Reason::vary_miss:
    case Reason::stale:
    case Reason::method:
    case Reason::part_missing:
      return "";
    default:
      return to_string(reason);
  }
}

/// One member of Cache-Status. Setters return the object.
class CacheStatus {
 public:
  CacheStatus() = default;
  /// What a decision says: hit or fwd, ttl, detail. What comes of a forwarded request is added after it.
  explicit CacheStatus(Decision const& decision) : detail_(detail_of(decision.reason())) {
    bool const served =
        decision.action() == Action::serve || decision.action() == Action::serve_and_revalidate;
    if (served) {
      hit_ = true;
      ttl_ = decision.ttl();
    } else if (decision.action() == Action::unsatisfiable) {
      // RFC 9211 section 2: neither hit nor fwd, since the cache made this response itself.
      detail_ = std::string("only-if-cached, ").append(to_string(decision.reason()));
    } else {
      forward_ = forward_of(decision.reason());
    }
  }

  /// Answered without asking the origin; takes `fwd` and what belongs to it away.
  CacheStatus& hit() noexcept { return hit_ = true, forward_ = Forward::none, *this; }
  /// Sent to the origin; takes `hit` away.
  CacheStatus& fwd(Forward f) noexcept { return hit_ = false, forward_ = f, *this; }
  /// The status of the origin's answer, where it differs from the response's: 304, or an error.
  CacheStatus& fwd_status(unsigned s) noexcept { return fwd_status_ = s, *this; }
  /// What is left of the lifetime; negative for a stale response. Not told beyond a thousand years: what is
  /// kept for ever.
  CacheStatus& ttl(std::chrono::seconds t) noexcept { return ttl_ = t, *this; }
  /// Whether the origin's answer was stored.
  CacheStatus& stored(bool b) noexcept { return stored_ = b, *this; }
  /// Whether another request's exchange answered this one.
  CacheStatus& collapsed(bool b) noexcept { return collapsed_ = b, *this; }
  CacheStatus& key(std::string_view k) { return key_ = k, *this; }
  /// Replaces the decision's own detail.
  CacheStatus& detail(std::string_view d) { return detail_ = d, *this; }
  /// Why the origin's answer was not stored: goes into `detail` where what the decision says there and in
  /// `fwd` does not tell it already.
  CacheStatus& not_stored(std::string_view why) {
    bool const is_told = forward_ == Forward::method || !detail_.empty();
    return is_told ? *this : detail(why);
  }

  bool is_hit() const noexcept { return hit_; }
  Forward fwd() const noexcept { return forward_; }
  std::optional<unsigned> const& fwd_status() const noexcept { return fwd_status_; }
  std::optional<std::chrono::seconds> const& ttl() const noexcept { return ttl_; }
  bool is_stored() const noexcept { return stored_; }
  bool is_collapsed() const noexcept { return collapsed_; }
  std::string const& key() const noexcept { return key_; }
  std::string const& detail() const noexcept { return detail_; }

  /// The member as it goes into the field: `beast_cache; fwd=stale; fwd-status=304; ttl=60`.
  std::string str() const {
    std::string text = "beast_cache";
    if (hit_) text += "; hit";
    if (forward_ != Forward::none) {
      text.append("; fwd=").append(to_string(forward_));
      if (fwd_status_) text.append("; fwd-status=").append(std::to_string(*fwd_status_));
    }
    if (ttl_ && *ttl_ < endless) text.append("; ttl=").append(std::to_string(limited(ttl_->count())));
    if (forward_ != Forward::none && stored_) text += "; stored";
    if (forward_ != Forward::none && collapsed_) text += "; collapsed";
    if (!key_.empty()) append_string(text.append("; key="), key_);
    if (!detail_.empty()) append_string(text.append("; detail="), detail_);
    return text;
  }

  /// Adds the member after those of the caches nearer to the origin (RFC 9211 section 2).
  void append_to(http::fields& response) const { response.insert("Cache-Status", str()); }

 private:
  static constexpr std::chrono::seconds endless = std::chrono::hours(24 * 365'250);

  /// RFC 9651 section 3.3.1: an Integer has 15 digits at most.
  static constexpr std::int64_t limited(std::int64_t n) noexcept {
    constexpr std::int64_t least = -999'999'999'999'999;
    return n < least ? least : n;
  }

  /// RFC 9651 section 3.3.3: a String holds printable ASCII; other octets are percent-encoded here.
  static void append_string(std::string& to, std::string_view s) {
    constexpr std::string_view hex = "0123456789ABCDEF";
    to += '"';
    for (char const c : s) {
      auto const u = static_cast<unsigned char>(c);
      if (u < 0x20 || u > 0x7e) {
        to.append({'%', hex[u >> 4], hex[u & 15]});
        continue;
      }
      if (c == '"' || c == '\\') to += '\\';
      to += c;
    }
    to += '"';
  }

  std::string key_;
  std::string detail_;
  std::optional<std::chrono::seconds> ttl_;
  std::optional<unsigned> fwd_status_;
  Forward forward_ = Forward::none;
  bool hit_ = false;
  bool stored_ = false;
  bool collapsed_ = false;
};

}  // namespace policy
}  // namespace v1
}  // namespace beast_cache
