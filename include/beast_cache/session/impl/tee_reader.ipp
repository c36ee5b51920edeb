#pragma once

#include <boost/asio/error.hpp>
#include <exception>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "beast_cache/session/cached_session.hpp"

namespace beast_cache {
inline namespace v1 {
namespace detail {

/// Runs one operation of the cache so that its fault does not become the request's: reported to the observer,
/// and rethrown only when the user asked for that or when the request was cancelled.
class CacheGuard {
 public:
  /// All of them have to outlive the operation.
  CacheGuard(CacheOptions const& options, std::string_view operation, Url const& url) noexcept
      : options_(&options), operation_(operation), url_(&url) {}

  /// @return Nothing when the operation failed.
  template <class T>
  asio::awaitable<std::optional<T>> get(asio::awaitable<T> operation) {
    return get_guarded(std::move(*this), std::move(operation));
  }
  /// @return False when the operation failed.
  asio::awaitable<bool> run(asio::awaitable<void> operation) {
    return run_guarded(std::move(*this), std::move(operation));
  }

 private:
  template <class T>
  static asio::awaitable<std::optional<T>> get_guarded(CacheGuard self, asio::awaitable<T> operation) {
    std::optional<T> result;
    try {
      result = co_await std::move(operation);
    } catch (...) {
      self.handle();
    }
    co_return result;
  }
  static asio::awaitable<bool> run_guarded(CacheGuard self, asio::awaitable<void> operation) {
    bool done = false;
    try {
      co_await std::move(operation);
      done = true;
    } catch (...) {
      self.handle();
    }
    co_return done;
  }

  /// Inside of a catch block.
  void handle() const {
    if (options_->strict()) throw;
    try {
      throw;
    } catch (boost::system::system_error const& e) {
      if (e.code() == asio::error::operation_aborted) throw;
    } catch (...) {  // a user's own backend may throw what it likes
    }
    if (!options_->observer()) return;
    try {
      options_->observer()->on_cache_error(operation_, url_->str(), std::current_exception());
    } catch (...) {  // an observer can't fail a request
    }
  }

  CacheOptions const* options_;
  std::string_view operation_;
  Url const* url_;
};

/// Passes a body on and keeps a copy, which is stored when the body is complete and dropped when it is not.
class TeeReader final : public BodyReader {
 public:
  /// @param entry What is stored, but for the body. @param most The largest body that is stored.
  /// @param unstored What to say in Cache-Status if it is not stored after all.
  TeeReader(std::shared_ptr<CachedCore> core, std::unique_ptr<BodyReader> inner, CachedResponse entry,
            std::uint64_t most, std::string unstored)
      : core_(std::move(core)),
        inner_(std::move(inner)),
        entry_(std::move(entry)),
        most_(most),
        unstored_(std::move(unstored)) {}

  asio::awaitable<std::size_t> read_some(asio::mutable_buffer buffer) override {
    if (buffer.size() == 0) co_return 0;  // not the end, though it looks like it
    std::size_t const count = co_await inner_->read_some(buffer);
    if (state_ != State::copying) co_return count;
    if (count == 0) {
      state_ = State::dropped;
      Url const url = entry_.url();
      Response whole(static_cast<ResponseHead&&>(entry_), std::move(copy_));
      CachedResponse entry(std::move(whole), static_cast<CacheInfo&&>(entry_));
      CacheGuard guard(core_->backend().options(), "store", url);
      bool const done = co_await guard.run(core_->backend().store(std::move(entry)));
      if (done) state_ = State::stored;
    } else if (count > most_ - copy_.size()) {
      state_ = State::dropped;
      copy_ = std::string();
    } else {
      state_ = State::dropped;  // for good, if there is no memory for it
      copy_.append(static_cast<char const*>(buffer.data()), count);
      state_ = State::copying;
    }
    co_return count;
  }
  std::optional<std::uint64_t> remaining() const noexcept override { return inner_->remaining(); }
  http::fields const& trailers() const noexcept override { return inner_->trailers(); }

  /// Takes back what was announced when the response turned out not to be stored.
  void report(CacheInfo& info) const {
    if (state_ == State::stored) return;
    info.set_cache_status(unstored_).set_created_at(std::nullopt).set_expires(std::nullopt);
  }

 private:
  enum class State { copying, dropped, stored };

  std::shared_ptr<CachedCore> core_;
  std::unique_ptr<BodyReader> inner_;
  CachedResponse entry_;
  std::string copy_;
  std::uint64_t most_;
  std::string unstored_;
  State state_ = State::copying;
};

}  // namespace detail
}  // namespace v1
}  // namespace beast_cache
