#pragma once
// Compiled once, by the source file of the same name: a user who only includes the header need not pay for
// it.

#include <algorithm>
#include <boost/asio/cancellation_state.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/this_coro.hpp>
#include <exception>
#include <stdexcept>

#include "beast_cache/backend/cache_backend.hpp"
#include "beast_cache/backend/impl/header_block.hpp"
#include "beast_cache/detail/single_flight.hpp"
#include "beast_cache/policy/no_vary_search.hpp"
#include "beast_cache/policy/vary.hpp"

// What `redirects` holds, for a URL of key K:
//   K      the keys of its variants in `responses`, one a line, oldest first
//   >K     the key of the URL that it redirected to in the end
//   <K     the keys of the URLs that redirected to it, one a line
//   @K     empty, where there may be responses for it under keys of their own
// and for responses with No-Vary-Search, P being the key of the path and S that of what is left of the query:
//   ?P     the key in `responses` of the latest one of that path, which has the rule
//   ~S     the key of the latest URL that means the same

namespace beast_cache {
inline namespace v1 {

namespace detail {

constexpr std::size_t key_size = 64;

inline std::vector<std::string> split_keys(std::string const& lines) {
  std::vector<std::string> keys;
  for (std::size_t at = 0; at + key_size <= lines.size(); at += key_size + 1)
    keys.push_back(lines.substr(at, key_size));
  return keys;
}

inline std::string join_keys(std::vector<std::string> const& keys) {
  std::string lines;
  for (auto const& key : keys) lines.append(key).push_back('\n');
  return lines;
}

/// Moves `key` to the end of the list. @return What has to go for the list to stay within `most`.
inline std::vector<std::string> push_key(std::vector<std::string>& keys, std::string const& key,
                                         std::size_t most) {
  std::erase(keys, key);
  keys.push_back(key);
  std::vector<std::string> dropped;
  if (keys.size() > most) {
    auto const end = keys.end() - static_cast<std::ptrdiff_t>(most);
    dropped.assign(keys.begin(), end);
    keys.erase(keys.begin(), end);
  }
  return dropped;
}

/// What a key-value cache can hold.
inline CachedResponse whole(StoredResponse response) {
  std::shared_ptr<std::string const> text = response.body().text();
  if (!text) throw std::invalid_argument("CacheBackend: the body belongs to another backend");
  return CachedResponse(Response(static_cast<ResponseHead&&>(response), std::move(text)),
                        static_cast<CacheInfo&&>(response));
}

}  // namespace detail

bool LookupQuery::matches(http::fields const& headers, http::fields const& vary_headers, http::verb method,
                          std::string_view principal) const noexcept {
  bool const method_serves = method == method_ || (method_ == http::verb::head && method == http::verb::get);
  return method_serves && principal == principal_ && policy::vary_matches(headers, vary_headers, *headers_);
}

CacheBackend::CacheBackend(CacheOptions options)
    : options_(std::move(options)), flights_(std::make_shared<detail::SingleFlight>()) {}

CacheBackend::CacheBackend(std::shared_ptr<BaseCache<CachedResponse>> responses,
                           std::shared_ptr<BaseCache<std::string>> redirects, CacheOptions options)
    : CacheBackend(std::move(options)) {
  responses_ = std::move(responses);
  redirects_ = std::move(redirects);
  if (!responses_ || !redirects_)
    throw std::invalid_argument("CacheBackend: needs a cache for responses and one for redirects");
  if (options_.max_bytes() != 0 || options_.max_entries() != 0)
    throw std::invalid_argument("CacheBackend: keeps no bounds; SQLiteBackend does");
  if (options_.memory_bytes() != 0)
    throw std::invalid_argument("CacheBackend: has no memory in front of its caches; SQLiteBackend does");
  if (options_.compress() || !options_.encryption_key().empty())
    throw std::invalid_argument("CacheBackend: neither compresses nor encrypts; SQLiteBackend does");
}

asio::awaitable<std::vector<CachedResponse>> CacheBackend::variants_of(std::string key) {
  std::vector<CachedResponse> variants;
  std::optional<std::string> list = co_await redirects_->read(std::move(key));
  if (!list) co_return variants;
  std::vector<std::string> keys = detail::split_keys(*list);
  auto stored = co_await responses_->read_many(std::move(keys));
  for (auto& response : stored) {
    if (response) variants.push_back(std::move(*response));
  }
  co_return variants;
}

void CacheBackend::select_newest(Lookup& found, LookupQuery const& query,
                                 std::vector<CachedResponse>& variants) {
  CachedResponse* newest = nullptr;
  for (auto& response : variants) {
    bool const matches = query.matches(response.headers(), response);
    auto const view = [](CachedResponse const& of) { return view_of(of, of); };
    if (matches && (!newest || policy::detail::is_newer(view(response), view(*newest)))) newest = &response;
  }
  if (!newest) return;
  if (query.has_own_key()) newest->set_key(query.key());
  found.select(*newest);
}

asio::awaitable<Lookup> CacheBackend::lookup(LookupQuery query) {
  Lookup found;
  std::vector<CachedResponse> variants = co_await variants_of(query.key());
  select_newest(found, query, variants);
  if (found.selected()) co_return found;
  for (auto& response : variants) {
    found.set_other_variants();
    if (query.has_own_key()) response.set_key(query.key());
    if (query.may_validate(response)) found.add_candidate(CachedHead(response, response));
  }
  if (query.has_own_key()) co_return found;
  // Another URL may mean the same.
  std::optional<SearchKey> const search = co_await find_search(query.url());
  if (!search) co_return found;
  std::optional<std::string> same = co_await redirects_->read('~' + search->search());
  if (!same) co_return found;
  variants = co_await variants_of(std::move(*same));
  std::erase_if(variants, [&](CachedResponse const& response) {
    return !policy::NoVarySearch(response.headers()).equivalent(response.url(), query.url());
  });
  select_newest(found, query, variants);
  co_return found;
}

asio::awaitable<void> CacheBackend::store(StoredResponse response) {
  bool const has_own_key = !response.key().empty();
  std::string const key = has_own_key ? response.key() : create_key(response.url());
  std::string const variant = create_variant(response);
  std::optional<SearchKey> search;
  if (!has_own_key) search = SearchKey::of(response.url(), response.headers());
  std::string const mark = has_own_key ? '@' + create_key(response.url()) : std::string();
  if (has_own_key) co_await redirects_->write(mark, std::string());
  if (search) co_await redirects_->write('?' + search->path(), variant);
  co_await responses_->write(variant, detail::whole(std::move(response)));
  // Who looked for it meanwhile may have taken the mark away.
  if (has_own_key) co_await redirects_->write(mark, std::string());
  std::optional<std::string> list = co_await redirects_->read(key);
  std::vector<std::string> variants = detail::split_keys(list.value_or(std::string()));
  std::vector<std::string> dropped = detail::push_key(variants, variant, max_variants);
  co_await redirects_->write(key, detail::join_keys(variants));
  if (!dropped.empty()) co_await responses_->bulk_remove(std::move(dropped));
  if (!search) co_return;
  co_await redirects_->write('?' + search->path(), variant);
  co_await redirects_->write('~' + search->search(), key);
}

asio::awaitable<bool> CacheBackend::store_if(StoredResponse response, IsCurrent current) {
  if (current && !current()) co_return false;
  std::optional<CachedResponse> there;
  try {
    if (responses_) there = co_await responses_->read(create_variant(response));
  } catch (boost::system::system_error const& e) {
    // What can't be read is replaced.
    if (e.code() == asio::error::operation_aborted || e.code() == cache_errc::wrong_key) throw;
  }
  bool const outlived = there && detail::outlives(there->response_time(), there->status() != 206, response,
                                                  options_.clock()->now());
  if (outlived) co_return false;
  Url const url = response.url();
  std::string key = response.key();
  std::exception_ptr failure;
  try {
    co_await store(std::move(response));
  } catch (...) {
    failure = std::current_exception();
  }
  bool const stays = !current || current();
  if (!stays) {
    // What removed it meanwhile may have come before it was there. (Nor does a cancellation keep it.)
    co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
    if (key.empty()) {
      co_await remove_with_aliases(url);
    } else {
      co_await remove_key(std::move(key));
    }
  }
  if (failure) std::rethrow_exception(failure);
  co_return stays;
}

asio::awaitable<bool> CacheBackend::freshen(StoredResponse response) {
  std::string const variant = create_variant(response);
  std::optional<CachedResponse> const stored = co_await responses_->read(variant);
  // Someone else may have stored another body since this one was looked up: the head is not for that one.
  CachedResponse fresh = detail::whole(std::move(response));
  bool const same_body = stored && stored->body() == fresh.body();
  if (same_body) co_await responses_->write(variant, std::move(fresh));
  co_return same_body;
}

asio::awaitable<void> CacheBackend::store_alias(Url from, Url to) {
  std::string const from_key = create_key(from, options_);
  std::string const to_key = create_key(to, options_);
  co_await redirects_->write('>' + from_key, to_key);
  std::optional<std::string> list = co_await redirects_->read('<' + to_key);
  std::vector<std::string> sources = detail::split_keys(list.value_or(std::string()));
  static_cast<void>(detail::push_key(sources, from_key, max_variants));
  co_await redirects_->write('<' + to_key, detail::join_keys(sources));
}

asio::awaitable<bool> CacheBackend::remove_with_aliases(Url url) {
  std::string key;
  std::exception_ptr failure;  // of the user's key function: what is found by the URL goes all the same
  try {
    key = create_key(url, options_);
  } catch (...) {
    failure = std::current_exception();
  }
  Url const asked = options_.stored_url(url);
  std::string const rule = '?' + SearchKey::path_of(asked);
  bool const has_rules = co_await redirects_->contains(rule);
  bool removed = false;
  if (!key.empty()) removed = co_await remove_key(std::move(key));
  std::string const mark = '@' + create_key(asked);
  bool const may_have_own_keys = co_await redirects_->contains(mark);
  if (may_have_own_keys) {
    std::function<bool(CachedResponse const&)> is_of_url = [&asked](CachedResponse const& response) {
      return response.url() == asked;
    };
    std::uint64_t const count = co_await remove_where(std::move(is_of_url));
    removed = removed || count != 0;
    co_await redirects_->remove(mark);  // now: not if that was not done to its end
  }
  if (has_rules) {
    // By whichever of them: only the newest is looked up, but that may go.
    bool are_others = false;
    std::string const path = SearchKey::path_of(asked);
    std::function<bool(CachedResponse const&)> is_equivalent = [&](CachedResponse const& response) {
      if (!SearchKey::of(response.url(), response.headers()) || SearchKey::path_of(response.url()) != path)
        return false;
      bool const found = policy::NoVarySearch(response.headers()).equivalent(response.url(), asked);
      are_others = are_others || !found;
      return found;
    };
    std::uint64_t const count = co_await remove_where(std::move(is_equivalent));
    removed = removed || count != 0;
    if (!are_others) co_await redirects_->remove(rule);
  }
  if (failure) std::rethrow_exception(failure);
  co_return removed;
}

asio::awaitable<std::optional<SearchKey>> CacheBackend::find_search(Url const& url) const {
  std::optional<SearchKey> search;
  std::optional<std::string> const latest = co_await redirects_->read('?' + SearchKey::path_of(url));
  if (!latest) co_return search;
  std::optional<CachedResponse> const ruled = co_await responses_->read(*latest);
  if (ruled) search = SearchKey::of(url, ruled->headers());
  co_return search;
}

asio::awaitable<bool> CacheBackend::remove_key(std::string key) {
  std::optional<std::string> list = co_await redirects_->pop(key);
  std::size_t removed = 0;
  if (list) {
    std::vector<std::string> variants = detail::split_keys(*list);
    removed = co_await responses_->bulk_remove(std::move(variants));
  }
  std::optional<std::string> sources = co_await redirects_->pop('<' + key);
  if (sources) {
    std::vector<std::string> aliases = detail::split_keys(*sources);
    for (auto& alias : aliases) alias.insert(0, 1, '>');
    co_await redirects_->bulk_remove(std::move(aliases));
  }
  bool const was_alias = co_await redirects_->remove('>' + key);
  co_return removed > 0 || was_alias;
}

std::shared_ptr<BaseCache<CachedResponse>> CacheBackend::responses() const {
  return responses_;
}
std::shared_ptr<BaseCache<std::string>> CacheBackend::redirects() const {
  return redirects_;
}

asio::awaitable<bool> CacheBackend::has_url(Url url) {
  std::string const key = create_key(url, options_);
  std::optional<std::string> list = co_await redirects_->read(key);
  std::vector<std::string> variants = detail::split_keys(list.value_or(std::string()));
  std::optional<std::string> const target = co_await redirects_->read('>' + key);
  if (target) {
    std::optional<std::string> there = co_await redirects_->read(*target);
    for (auto& variant : detail::split_keys(there.value_or(std::string()))) variants.push_back(variant);
  }
  std::vector<bool> const there = co_await responses_->contains_many(std::move(variants));
  if (std::find(there.begin(), there.end(), true) != there.end()) co_return true;
  Url const asked = options_.stored_url(url);
  bool const may_have_own_keys = co_await redirects_->contains('@' + create_key(asked));
  if (!may_have_own_keys) co_return false;
  EntryFilter filter;
  Cursor<StoredEntry> all = entries(std::move(filter));
  for (;;) {
    std::optional<StoredEntry> const entry = co_await all.next();
    if (!entry || entry->url() == asked) co_return entry.has_value();
  }
}

asio::awaitable<void> CacheBackend::close() {
  co_await responses_->close();
  co_await redirects_->close();
}

}  // namespace v1
}  // namespace beast_cache
