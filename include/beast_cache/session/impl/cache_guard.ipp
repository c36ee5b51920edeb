#pragma once

#include <boost/asio/error.hpp>
#include <boost/system/system_error.hpp>
#include <exception>
#include <optional>
#include <string_view>
#include <utility>

#include "beast_cache/backend/cache_options.hpp"
#include "beast_cache/error.hpp"
#include "beast_cache/http/url.hpp"

namespace beast_cache {
inline namespace v1 {
namespace detail {

/// Runs one operation of the cache so that its fault does not become the request's: reported to the observer,
/// and rethrown only when the user asked for that, when the request was cancelled, and when the key is wrong,
/// which is the program's fault.
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

  /// Reports a failure that did no harm.
  void tell(std::exception_ptr const& failure) const noexcept {
    notify(options_->observer(),
           [&](Observer& observer) { observer.on_cache_error(operation_, url_->str(), failure); });
  }

 private:
  friend class CachedCore;
  friend class CachedLookup;
  friend class ExchangeRules;
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
      if (e.code() == asio::error::operation_aborted || e.code() == cache_errc::wrong_key) throw;
    } catch (...) {  // a user's own backend may throw what it likes
    }
    tell(std::current_exception());
  }

  CacheOptions const* options_;
  std::string_view operation_;
  Url const* url_;
};

}  // namespace detail
}  // namespace v1
}  // namespace beast_cache
