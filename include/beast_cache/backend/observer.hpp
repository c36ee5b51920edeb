#pragma once
/// \file observer.hpp
/// Where the cache reports what a request does not show.

#include <exception>
#include <string_view>

#include "beast_cache/config.hpp"

namespace beast_cache {
inline namespace v1 {

/// Gets the events of a cache. The library itself logs nothing.
///
/// Thread safety: called from any thread, also at the same time. A member that throws is ignored.
class Observer {
 public:
  Observer() = default;
  Observer(Observer const&) = delete;
  Observer& operator=(Observer const&) = delete;
  virtual ~Observer() = default;

  /// The head of an answer is there. `stored` in the status is what the cache is about to do: a store that
  /// fails once the body has been read is told by `on_cache_error`.
  /// @param url Without user information.
  /// @param cache_status What the response's `cache_status()` says.
  virtual void on_response(std::string_view url, std::string_view cache_status) {
    static_cast<void>(url);
    static_cast<void>(cache_status);
  }

  /// The cache failed, and the request went on without it.
  /// @param operation `lookup`, `store`, `freshen` or `invalidate`; or `revalidate`, in the background.
  /// @param failure What was thrown, an `Error` as a rule.
  virtual void on_cache_error(std::string_view operation, std::string_view url, std::exception_ptr failure) {
    static_cast<void>(operation);
    static_cast<void>(url);
    static_cast<void>(failure);
  }
};

}  // namespace v1
}  // namespace beast_cache
