#pragma once
// Compiled once, with cache_backend.ipp.

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "beast_cache/backend/cache_backend.hpp"
#include "beast_cache/backend/impl/cache_backend.ipp"
#include "beast_cache/policy/cache_groups.hpp"

namespace beast_cache {
inline namespace v1 {

asio::awaitable<std::uint64_t> CacheBackend::remove_groups(Url origin, std::vector<std::string> groups,
                                                           RemovalProgress progress) {
  return remove_where(
      [origin = std::move(origin), groups = std::move(groups)](CachedResponse const& response) {
        return same_origin(response.url(), origin) && policy::shares_group(response.headers(), groups);
      },
      std::move(progress));
}

class CacheBackend::EntrySource final : public CursorSource<StoredEntry> {
 public:
  EntrySource(std::shared_ptr<BaseCache<CachedResponse>> responses, EntryFilter filter)
      : responses_(std::move(responses)), all_(responses_->entries()), filter_(std::move(filter)) {}

  asio::awaitable<std::vector<StoredEntry>> fetch() override {
    std::vector<StoredEntry> entries;
    bool more = true;
    while (more) {
      auto const batch = co_await all_.next_batch();
      for (auto const& [key, response] : batch) {
        StoredEntry entry(response.url(), response.method(), response.status(), response.body().size(),
                          response.created_at(), response.expires());
        if (filter_.matches(entry)) entries.push_back(std::move(entry));
      }
      more = !batch.empty() && entries.empty();
    }
    co_return entries;
  }

 private:
  std::shared_ptr<BaseCache<CachedResponse>> responses_;
  Cursor<std::pair<std::string, CachedResponse>> all_;
  EntryFilter filter_;
};

Cursor<StoredEntry> CacheBackend::entries(EntryFilter filter) const {
  if (!responses_) return Cursor<StoredEntry>();
  return Cursor<StoredEntry>(std::make_unique<EntrySource>(responses_, std::move(filter)));
}

asio::awaitable<std::uint64_t> CacheBackend::remove_expired(TimePoint now, RemovalProgress progress) {
  return remove_where([now](CachedResponse const& response) { return response.is_expired(now); },
                      std::move(progress));
}

asio::awaitable<std::uint64_t> CacheBackend::remove_where(
    std::function<bool(CachedResponse const&)> condition, RemovalProgress progress) {
  std::uint64_t seen = 0;
  std::uint64_t removed = 0;
  auto entries = responses_->entries();
  for (;;) {
    auto batch = co_await entries.next_batch();
    if (batch.empty()) break;
    std::vector<std::string> found;
    for (auto const& entry : batch) {
      CachedResponse const& response = entry.second;
      if (!condition(response)) continue;
      found.push_back(entry.first);
      std::string const key = response.key().empty() ? create_key(response.url()) : response.key();
      co_await unlist(key, entry.first);
    }
    if (!found.empty()) removed += co_await responses_->bulk_remove(std::move(found));
    seen += batch.size();
    if (progress) progress(seen, removed);
  }
  co_return removed;
}

/// Takes a variant out of its URL's list, which goes with the last one.
asio::awaitable<void> CacheBackend::unlist(std::string const& key, std::string const& variant) {
  std::optional<std::string> const list = co_await redirects_->read(key);
  if (!list) co_return;
  std::vector<std::string> variants = detail::split_keys(*list);
  std::erase(variants, variant);
  if (variants.empty()) {
    co_await redirects_->remove(key);
  } else {
    co_await redirects_->write(key, detail::join_keys(variants));
  }
}

asio::awaitable<void> CacheBackend::clear() {
  co_await responses_->clear();
  co_await redirects_->clear();
}

}  // namespace v1
}  // namespace beast_cache
