#pragma once
/// \file cache_backend.hpp
/// A store of responses: what `CachedSession` asks, one logical operation a call.

#include <boost/asio/awaitable.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "beast_cache/backend/cache_key.hpp"
#include "beast_cache/backend/cache_options.hpp"
#include "beast_cache/backend/cached_response.hpp"
#include "beast_cache/backend/stored_entries.hpp"
#include "beast_cache/backend/stored_response.hpp"
#include "beast_cache/config.hpp"
#include "beast_cache/http/request.hpp"
#include "beast_cache/storage/base_cache.hpp"
#include "beast_cache/storage/cursor.hpp"

namespace beast_cache {
inline namespace v1 {

class ReadyResponse;

namespace detail {
class SingleFlight;
}

/// What is looked for: the answers to a request's URL, for one user, for one set of request fields.
class LookupQuery {
 public:
  /// @param principal What `create_principal` gave. @param key What `create_key` gave for the request, where
  ///   that is not the key of its URL; else empty.
  LookupQuery(Request const& request, std::string principal, std::string key = std::string())
      : url_(request.url()),
        has_own_key_(!key.empty()),
        key_(has_own_key_ ? std::move(key) : create_key(url_)),
        method_(request.method()),
        headers_(request.shared_headers()),
        principal_(std::move(principal)) {}

  /// What finds one of the heads that a look-up found, together with its body.
  explicit LookupQuery(CachedHead const& head)
      : url_(head.url()),
        has_own_key_(!head.key().empty()),
        key_(has_own_key_ ? head.key() : create_key(url_)),
        method_(head.method()),
        headers_(head.vary_headers()),
        principal_(head.principal()) {}

  Url const& url() const noexcept { return url_; }
  std::string const& key() const noexcept { return key_; }
  std::string const& principal() const noexcept { return principal_; }
  /// What is found to be damaged is left as it is.
  LookupQuery& keep_damaged() noexcept { return keeps_damaged_ = true, *this; }
  bool keeps_damaged() const noexcept { return keeps_damaged_; }
  /// Whether the key is another one than the URL's: then nothing else is found under other URLs.
  bool has_own_key() const noexcept { return has_own_key_; }

  /// Whether a stored response answers it: same user, a method whose answer can be used, and the fields that
  /// Vary names as they were. Source: RFC 9111 sections 4 and 4.1.
  bool matches(http::fields const& headers, CacheInfo const& info) const noexcept {
    return matches(headers, info.vary_headers(), info.method(), info.principal());
  }
  bool matches(http::fields const& headers, http::fields const& vary_headers, http::verb method,
               std::string_view principal) const noexcept;
  /// Whether it could be the answer if the origin says so: same user and method, other request fields.
  /// Source: RFC 9111 section 4.3.1.
  bool may_validate(CacheInfo const& info) const noexcept {
    return info.method() == method_ && info.principal() == principal_;
  }

 private:
  Url url_;
  bool has_own_key_;
  bool keeps_damaged_ = false;
  std::string key_;
  http::verb method_;
  detail::CopyOnWrite<http::fields> headers_;
  std::string principal_;
};

/// What was found.
class Lookup {
 public:
  Lookup() = default;

  /// The newest stored response that answers the query.
  std::optional<StoredResponse> const& selected() const noexcept { return selected_; }
  std::optional<StoredResponse>& selected() noexcept { return selected_; }
  /// Whether there are stored responses for the URL, though none of them answers the query.
  bool has_other_variants() const noexcept { return others_; }
  /// Where none of them answers the query: the heads of those that the origin may be asked about, in any
  /// order.
  std::vector<CachedHead> const& candidates() const noexcept { return candidates_; }

  void select(StoredResponse response) { selected_ = std::move(response); }
  void set_other_variants() noexcept { others_ = true; }
  void add_candidate(CachedHead head) { candidates_.push_back(std::move(head)); }

 private:
  std::vector<CachedHead> candidates_;
  std::optional<StoredResponse> selected_;
  bool others_ = false;
};

/// Responses in a cache, with several variants side by side under one URL.
///
/// This class makes each operation out of calls to two key-value caches, so that any `BaseCache` can hold
/// responses. Two stores for one URL at the same time may lose one of the two variants, never mix them; at
/// most `max_variants` are kept for one URL, the newest. `SQLiteBackend` does each operation in one
/// transaction instead.
///
/// Errors: those of the caches. Cancellation: as the caches say; a store that was cancelled is either done or
/// not. Executor and hops: as the caches say. Thread safety: as the caches say.
class CacheBackend {
 public:
  /// @param responses Where the responses go. @param redirects Where the lists and the aliases go.
  /// Errors: `std::invalid_argument` when one of them is null, and for `max_bytes`, `max_entries`, `memory`,
  ///   `compress` and `encryption_key`: these caches neither tell what was used lately nor what others wrote,
  ///   nor how they keep what they hold.
  CacheBackend(std::shared_ptr<BaseCache<CachedResponse>> responses,
               std::shared_ptr<BaseCache<std::string>> redirects, CacheOptions options = CacheOptions());
  CacheBackend(CacheBackend const&) = default;
  CacheBackend& operator=(CacheBackend const&) = default;
  virtual ~CacheBackend() = default;

  /// How many variants of one URL are kept, and aliases that lead to it; `SQLiteBackend` keeps as many for
  /// each user of it, eight times as many in all.
  static constexpr std::size_t max_variants = 32;

  CacheOptions const& options() const noexcept { return options_; }
  /// The requests under way, of all sessions that share the backend or a copy of it.
  detail::SingleFlight& flights() const noexcept { return *flights_; }

  /// What is stored for the request's URL, where it is in memory and current: it takes no waiting. Asked
  /// before `lookup` for plain requests (`ReadyResponse::answer`) where `CacheOptions::memory` allows any.
  /// @param now By the options' clock.
  /// @return Null where `lookup` has to tell; always, by default.
  virtual std::shared_ptr<ReadyResponse const> glance(Request const& request, TimePoint now) {
    return static_cast<void>(request), static_cast<void>(now), nullptr;
  }

  /// The newest stored response that answers the query.
  virtual asio::awaitable<Lookup> lookup(LookupQuery query);

  /// Stores a response, in place of the variant that it replaces.
  /// @param response Its URL, principal and Vary fields say under which key.
  virtual asio::awaitable<void> store(StoredResponse response);

  /// The same, unless it is not current any more, or what is there came later; a part does not replace a
  /// whole that came after it was asked for.
  /// @param current Empty: it is. @return Whether it was stored.
  virtual asio::awaitable<bool> store_if(StoredResponse response, IsCurrent current);

  /// A way in for a body that is too large for memory. Nothing is written before its first piece.
  /// @return Null where only whole responses are stored, as this class does.
  virtual std::unique_ptr<BodyWriter> write_body() { return nullptr; }

  /// Takes over the header fields and times of a stored response that was validated.
  /// @return False when it is no longer there.
  /// Source: RFC 9111 section 4.3.4.
  virtual asio::awaitable<bool> freshen(StoredResponse response);

  /// Notes that `from` was a redirect that led to `to` in the end.
  virtual asio::awaitable<void> store_alias(Url from, Url to);

  /// Removes all that is stored for a URL, or answers requests for it by No-Vary-Search, and the aliases that
  /// lead to it.
  /// @return Whether there was anything.
  virtual asio::awaitable<bool> remove_with_aliases(Url url);

  /// The same for what is stored under a key (`create_key`).
  virtual asio::awaitable<bool> remove_key(std::string key);

  /// Removes the responses of `origin` that belong to one of the groups.
  /// @return How many. Source: RFC 9875 section 3.
  virtual asio::awaitable<std::uint64_t> remove_groups(Url origin, std::vector<std::string> groups,
                                                       RemovalProgress progress = RemovalProgress());

  /// Whether anything is stored for a URL, expired or not.
  virtual asio::awaitable<bool> has_url(Url url);

  /// Lists what is stored: `co_await backend.entries(filter).next()`.
  virtual Cursor<StoredEntry> entries(EntryFilter filter = EntryFilter()) const;

  /// Removes what expired before `now`. @param progress Counts only those that have expired as seen where
  ///   they can be found without looking at the others. @return How many responses.
  virtual asio::awaitable<std::uint64_t> remove_expired(TimePoint now,
                                                        RemovalProgress progress = RemovalProgress());

  /// The same with a time of another precision: `std::chrono::system_clock::now()`.
  template <class Duration>
  asio::awaitable<std::uint64_t> remove_expired(
      std::chrono::time_point<std::chrono::system_clock, Duration> now,
      RemovalProgress progress = RemovalProgress()) {
    return remove_expired(std::chrono::floor<TimePoint::duration>(now), std::move(progress));
  }

  /// The same with the time of the options' clock.
  asio::awaitable<std::uint64_t> remove_expired() { return remove_expired(options().clock()->now()); }

  /// Removes everything.
  virtual asio::awaitable<void> clear();

  /// What holds the responses, as a key-value store of whole ones: to walk them with their bodies, say. It
  /// goes past the options and the requests under way.
  /// @return The cache that the constructor was given; null from a backend of one's own that has none.
  virtual std::shared_ptr<BaseCache<CachedResponse>> responses() const;
  /// The same of the redirects.
  virtual std::shared_ptr<BaseCache<std::string>> redirects() const;

  /// Closes the store; later operations fail with `cache_errc::closed`. Closing twice is fine.
  virtual asio::awaitable<void> close();

 protected:
  /// For a backend that overrides every operation.
  explicit CacheBackend(CacheOptions options);

 private:
  class EntrySource;
  asio::awaitable<std::vector<CachedResponse>> variants_of(std::string key);
  asio::awaitable<std::optional<SearchKey>> find_search(Url const& url) const;
  asio::awaitable<void> unlist(std::string const& key, std::string const& variant);
  static void select_newest(Lookup& found, LookupQuery const& query, std::vector<CachedResponse>& variants);
  asio::awaitable<std::uint64_t> remove_where(std::function<bool(CachedResponse const&)> condition,
                                              RemovalProgress progress = RemovalProgress());

  std::shared_ptr<BaseCache<CachedResponse>> responses_;
  std::shared_ptr<BaseCache<std::string>> redirects_;
  CacheOptions options_;
  std::shared_ptr<detail::SingleFlight> flights_;
};

}  // namespace v1
}  // namespace beast_cache
