#pragma once

#include <algorithm>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "beast_cache/backend/stored_entries.hpp"
#include "beast_cache/session/cached_session.hpp"

namespace beast_cache {
inline namespace v1 {
namespace detail {

/// How much of two lines is the same at their beginnings and at their ends, of 1.
inline double likeness(std::string_view a, std::string_view b) noexcept {
  std::size_t const least = std::min(a.size(), b.size());
  std::size_t front = 0;
  while (front < least && a[front] == b[front]) ++front;
  std::size_t back = 0;
  while (back < least - front && a[a.size() - 1 - back] == b[b.size() - 1 - back]) ++back;
  return 2.0 * static_cast<double>(front + back) / static_cast<double>(a.size() + b.size());
}

/// Method and URL of the stored response that is most like a request; empty when nothing is stored.
inline asio::awaitable<std::string> find_nearest(std::shared_ptr<CachedCore> core, std::string asked) {
  std::string nearest;
  double best = -1;
  Cursor<StoredEntry> entries = core->backend().entries(EntryFilter());
  for (;;) {
    std::vector<StoredEntry> const batch = co_await entries.next_batch();
    if (batch.empty()) co_return nearest;
    for (StoredEntry const& entry : batch) {
      std::string line = std::string(http::to_string(entry.method())) + ' ' + entry.url().str();
      double const score = likeness(line, asked);
      if (score <= best) continue;
      best = score;
      nearest = std::move(line);
    }
  }
}

/// What a request that was not recorded ends with.
/// Errors: always; `NotRecordedError` unless the cache fails.
inline asio::awaitable<void> fail_unmatched(std::shared_ptr<CachedCore> core, std::string asked) {
  std::string nearest = co_await find_nearest(std::move(core), asked);
  throw NotRecordedError(std::move(asked), std::move(nearest));
}

}  // namespace detail
}  // namespace v1
}  // namespace beast_cache
