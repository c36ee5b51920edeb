#pragma once
/// \file stored_entries.hpp
/// What is stored, as it is listed, counted and cleaned up: without header fields and bodies.

#include <boost/beast/http/verb.hpp>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "beast_cache/backend/url_pattern.hpp"
#include "beast_cache/clock.hpp"
#include "beast_cache/config.hpp"
#include "beast_cache/http/url.hpp"

namespace beast_cache {
inline namespace v1 {

/// One stored response.
///
/// Thread safety: distinct objects: safe; shared objects: const members safe.
class StoredEntry {
 public:
  StoredEntry(Url url, http::verb method, unsigned status, std::uint64_t size,
              std::optional<TimePoint> created_at, std::optional<TimePoint> expires, bool pinned = false)
      : url_(std::move(url)),
        method_(method),
        status_(status),
        size_(size),
        created_at_(created_at),
        expires_(expires),
        pinned_(pinned) {}

  Url const& url() const noexcept { return url_; }
  http::verb method() const noexcept { return method_; }
  unsigned status() const noexcept { return status_; }
  /// Of the body, in bytes.
  std::uint64_t size() const noexcept { return size_; }
  /// When it was first stored.
  std::optional<TimePoint> created_at() const noexcept { return created_at_; }
  /// When it stops being fresh; `TimePoint::max()` for never.
  std::optional<TimePoint> expires() const noexcept { return expires_; }
  /// Whether its URL is pinned: `SQLiteBackend::pin`.
  bool is_pinned() const noexcept { return pinned_; }

 private:
  Url url_;
  http::verb method_;
  unsigned status_;
  std::uint64_t size_;
  std::optional<TimePoint> created_at_, expires_;
  bool pinned_;
};

/// Which of the stored responses are meant: those for which everything holds that was said; all, if nothing
/// was.
///
/// Thread safety: distinct objects: safe; shared objects: const members safe.
class EntryFilter {
 public:
  EntryFilter() = default;

  EntryFilter& url(UrlPattern pattern) { return url_ = std::move(pattern), *this; }
  /// Of that host, on any port; `*.example.org` is every host below that one.
  EntryFilter& host(std::string_view name) { return host_ = UrlPattern(name), *this; }
  /// No longer fresh at `now`.
  template <class Duration>
  EntryFilter& expired(std::chrono::time_point<std::chrono::system_clock, Duration> now) {
    return expired_ = std::chrono::floor<std::chrono::milliseconds>(now), *this;
  }
  template <class Duration>
  EntryFilter& created_before(std::chrono::time_point<std::chrono::system_clock, Duration> when) {
    return created_before_ = std::chrono::floor<std::chrono::milliseconds>(when), *this;
  }
  /// With a body of more than so many bytes.
  EntryFilter& larger_than(std::uint64_t bytes) { return larger_than_ = bytes, *this; }
  EntryFilter& status(unsigned code) { return status_ = code, *this; }
  /// Whose URL is pinned, or is not.
  EntryFilter& pinned(bool is = true) { return pinned_ = is, *this; }

  bool matches(StoredEntry const& entry) const noexcept {
    return (!url_ || url_->matches(entry.url())) && (!host_ || host_->matches(entry.url())) &&
           (!expired_ || (entry.expires() && *entry.expires() <= *expired_)) &&
           (!created_before_ || (entry.created_at() && *entry.created_at() < *created_before_)) &&
           (!larger_than_ || entry.size() > *larger_than_) && (!status_ || entry.status() == *status_) &&
           (!pinned_ || entry.is_pinned() == *pinned_);
  }

 private:
  std::optional<UrlPattern> url_, host_;
  std::optional<TimePoint> expired_, created_before_;
  std::optional<std::uint64_t> larger_than_;
  std::optional<unsigned> status_;
  std::optional<bool> pinned_;
};

/// What a host has in the cache.
///
/// Thread safety: distinct objects: safe; shared objects: const members safe.
class HostUse {
 public:
  HostUse() = default;

  std::uint64_t entries() const noexcept { return entries_; }
  /// Of their bodies.
  std::uint64_t bytes() const noexcept { return bytes_; }
  void add(StoredEntry const& entry) noexcept {
    ++entries_;
    bytes_ += entry.size();
  }

 private:
  std::uint64_t entries_ = 0, bytes_ = 0;
};

/// Told after each slice of a long operation: how many rows have been looked at, and how many removed. It
/// runs on the caller's executor; what it throws ends the operation, and what is removed stays so.
using RemovalProgress = std::function<void(std::uint64_t seen, std::uint64_t removed)>;

}  // namespace v1
}  // namespace beast_cache
