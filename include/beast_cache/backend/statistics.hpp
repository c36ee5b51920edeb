#pragma once
/// \file statistics.hpp
/// Counts what a cache and a client did. Opt-in: not part of `beast_cache.hpp`.

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>

#include "beast_cache/backend/observer.hpp"
#include "beast_cache/config.hpp"

namespace beast_cache {
inline namespace v1 {

/// An observer that counts, and passes on to another one. Give it to `CacheOptions::observer`, to
/// `ClientOptions::observer`, or the same one to both:
///
///     auto const statistics = std::make_shared<Statistics>();
///     SQLiteBackend backend{"demo", CacheOptions().observer(statistics)};
///     statistics->snapshot().hits(); statistics->openmetrics();
///
/// Counting takes no lock. Thread safety: all functions.
class Statistics final : public Observer {
 public:
  /// Why a request was not answered from the cache at once: the values of Cache-Status's `fwd`. `miss`
  /// alone: the cache could not be read.
  /// Source: RFC 9211 section 2.2.
  static constexpr std::array<std::string_view, 8> reasons{"bypass", "method",  "uri-miss", "vary-miss",
                                                           "miss",   "request", "stale",    "partial"};

  /// What was counted. Each number is right by itself; two of them may be a request apart.
  class Snapshot {
   public:
    /// Answers by the cache without asking the origin, stale ones that are validated afterwards among them.
    std::uint64_t hits() const noexcept { return hits_; }
    /// Requests that another one's answer served.
    std::uint64_t collapsed() const noexcept { return collapsed_; }
    /// Requests that were not answered at once, for that reason: one of `reasons`, 0 for anything else. The
    /// collapsed ones are among them; for the others the origin was asked.
    std::uint64_t forwarded(std::string_view reason) const noexcept {
      for (std::size_t i = 0; i < reasons.size(); ++i)
        if (reasons[i] == reason) return forwarded_[i];
      return 0;
    }
    /// And for any reason.
    std::uint64_t forwarded() const noexcept {
      std::uint64_t all = 0;
      for (std::uint64_t const count : forwarded_) all += count;
      return all;
    }
    /// Those of them for which the origin said that what is stored is current (304).
    std::uint64_t validated() const noexcept { return validated_; }
    /// Answers that were stored. (What is validated or stored in the background is no answer.)
    std::uint64_t stored() const noexcept { return stored_; }
    /// Bytes of bodies that came out of the cache, as they are stored: what the origin did not have to send.
    std::uint64_t bytes_saved() const noexcept { return saved_; }
    /// How long the answers that were given without asking the origin, or waiting for another request that
    /// asked, would have kept their requests waiting: each for as long as the origin took for the head of
    /// that response when it was fetched or validated last. An estimate: the time that a body takes is not
    /// part of it, nor what the cache itself takes.
    std::chrono::milliseconds time_saved() const noexcept {
      return std::chrono::milliseconds(static_cast<std::chrono::milliseconds::rep>(milliseconds_));
    }
    /// Responses that had to go for want of room, and their bytes.
    std::uint64_t evictions() const noexcept { return evictions_; }
    std::uint64_t evicted_bytes() const noexcept { return evicted_; }
    /// Faults of the cache.
    std::uint64_t errors() const noexcept { return errors_; }
    /// Exchanges with servers, those of them that failed, and their bytes on the wire.
    std::uint64_t exchanges() const noexcept { return exchanges_; }
    std::uint64_t failed_exchanges() const noexcept { return failed_; }
    std::uint64_t bytes_sent() const noexcept { return sent_; }
    std::uint64_t bytes_received() const noexcept { return received_; }

   private:
    friend class Statistics;
    std::array<std::uint64_t, reasons.size()> forwarded_{};
    std::uint64_t hits_ = 0, collapsed_ = 0, validated_ = 0, stored_ = 0, errors_ = 0;
    std::uint64_t saved_ = 0, milliseconds_ = 0, evictions_ = 0, evicted_ = 0;
    std::uint64_t exchanges_ = 0, failed_ = 0, sent_ = 0, received_ = 0;
  };

  Statistics() = default;
  /// @param next Gets every event, too. May be null.
  explicit Statistics(std::shared_ptr<Observer> next) : next_(std::move(next)) {}

  Snapshot snapshot() const noexcept;
  /// The same as OpenMetrics text, which Prometheus reads. Source: the OpenMetrics specification,
  /// version 1.0.
  std::string openmetrics() const;

  void on_response(std::string_view url, std::string_view cache_status) override;
  void on_saved(std::string_view url, std::uint64_t bytes, std::chrono::milliseconds time) override;
  void on_evicted(std::string_view url, std::uint64_t bytes) override;
  void on_cache_error(std::string_view operation, std::string_view url, std::exception_ptr failure) override;
  void on_exchange(ExchangeEvent const& event) override;
  std::chrono::steady_clock::time_point now() const noexcept override {
    return next_ ? next_->now() : Observer::now();
  }

 private:
  using Counter = std::atomic<std::uint64_t>;

  std::shared_ptr<Observer> const next_;
  std::array<Counter, reasons.size()> forwarded_{};
  Counter hits_{0}, collapsed_{0}, validated_{0}, stored_{0}, errors_{0};
  Counter saved_{0}, milliseconds_{0}, evictions_{0}, evicted_{0};
  Counter exchanges_{0}, failed_{0}, sent_{0}, received_{0};
};

/// The same for each host, by its name and port as they stand in the URL.
///
/// Thread safety: all functions; a lock is held to find the host.
class HostStatistics final : public Observer {
 public:
  /// @param next Gets every event, too. May be null. @param most Hosts beyond so many are counted together,
  ///   under an empty name.
  explicit HostStatistics(std::shared_ptr<Observer> next = nullptr, std::size_t most = 1024)
      : next_(std::move(next)), most_(most) {}

  std::map<std::string, Statistics::Snapshot> snapshots() const;
  /// The same as OpenMetrics text: the families of `Statistics::openmetrics`, with the label `host`.
  std::string openmetrics() const;

  void on_response(std::string_view url, std::string_view cache_status) override;
  void on_saved(std::string_view url, std::uint64_t bytes, std::chrono::milliseconds time) override;
  void on_evicted(std::string_view url, std::uint64_t bytes) override;
  void on_cache_error(std::string_view operation, std::string_view url, std::exception_ptr failure) override;
  void on_exchange(ExchangeEvent const& event) override;
  std::chrono::steady_clock::time_point now() const noexcept override {
    return next_ ? next_->now() : Observer::now();
  }

 private:
  Statistics& of(std::string_view url);

  std::shared_ptr<Observer> const next_;
  std::size_t const most_;
  mutable std::mutex mutex_;
  std::map<std::string, std::unique_ptr<Statistics>, std::less<>> hosts_;
};

}  // namespace v1
}  // namespace beast_cache
