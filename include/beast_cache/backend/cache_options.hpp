#pragma once
/// \file cache_options.hpp
/// What a user may choose about a cache of responses.

#include <algorithm>
#include <boost/asio/awaitable.hpp>
#include <boost/beast/http/verb.hpp>
#include <chrono>
#include <concepts>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "beast_cache/backend/expiration.hpp"
#include "beast_cache/backend/observer.hpp"
#include "beast_cache/backend/url_pattern.hpp"
#include "beast_cache/clock.hpp"
#include "beast_cache/config.hpp"
#include "beast_cache/http/url.hpp"
#include "beast_cache/policy/options.hpp"

namespace beast_cache {
inline namespace v1 {

class CachedHead;
class Request;

/// The options of `CacheBackend` and `SQLiteBackend`. Every setter returns the object, so that they can be
/// chained.
///
/// How long a response is fresh is settled by the first of these that says anything: the request's own
/// `expire_after`; the response's header fields, while `cache_control` is on; `urls_expire_after`; the
/// `expire_after` given here; the heuristic of RFC 9111 section 4.2.2. None of the user's makes the cache
/// keep what `no-store` or `private` forbids, or serve unasked what `no-cache` covers. `do_not_cache` (or
/// zero) is no lifetime: what it stands for is neither looked up nor stored, whatever the response says,
/// unless the request has an `expire_after` of its own.
///
/// Thread safety: distinct objects: safe; shared objects: const members safe.
class CacheOptions {
 public:
  CacheOptions() = default;

  /// How long responses are fresh that do not say it themselves. Default: none, the heuristic decides.
  CacheOptions& expire_after(Expiration expiration) {
    expire_after_ = expiration;
    return *this;
  }
  /// The same for the URLs that match a pattern. Of several the first one given counts. Default: none.
  CacheOptions& urls_expire_after(UrlPattern pattern, Expiration expiration) {
    urls_expire_after_.emplace_back(std::move(pattern), expiration);
    return *this;
  }
  /// Whether Cache-Control, Expires and Pragma count. Default: true. When false, `expire_after` alone
  /// decides.
  CacheOptions& cache_control(bool on) {
    rules_.cache_control(on);
    return *this;
  }
  /// The caching rules in full: private or shared, heuristics, stale answers, and `cache_control`, so that an
  /// earlier call of that name counts no more. Default: `policy::Options()`.
  CacheOptions& rules(policy::Options rules) {
    rules_ = rules;
    return *this;
  }
  /// Only responses with these status codes are stored and read back: `allowed_codes(200, 404)`; beside them
  /// the redirects that are followed. An error status that is named here may be kept for `expire_after`, too;
  /// without that only its own header fields can give it a lifetime. Default: every status that RFC 9111 lets
  /// a cache store. Errors: `std::invalid_argument` for what is no final status, 200 to 999.
  template <class... Codes>
  requires(sizeof...(Codes) > 0) CacheOptions& allowed_codes(Codes... codes) {
    (check_code(static_cast<unsigned>(codes)), ...);
    allowed_codes_.clear();
    (allowed_codes_.push_back(static_cast<unsigned>(codes)), ...);
    return *this;
  }
  /// Only answers to these methods are stored and read back. Default: GET and HEAD. Also allowed are POST,
  /// PROPFIND, REPORT and SEARCH, for APIs that take a query in the body: their answers are kept by URL and
  /// body
  /// (`create_key`), for `expire_after` or the lifetime that the answer gives itself, and neither validated
  /// nor taken for a change of the URL. Errors: `std::invalid_argument` for any other method.
  template <class... Methods>
  requires(sizeof...(Methods) > 0) CacheOptions& allowed_methods(Methods... methods) {
    (check_method(methods), ...);
    allowed_methods_.clear();
    (allowed_methods_.push_back(methods), ...);
    return *this;
  }
  /// Parameters that make no difference to the answer, by name: tracking marks, say, or an API's key. They
  /// are sent, but left out of the URL under which an answer is stored, and of what tells bodies apart (the
  /// fields of a form, the members of a JSON object, but not of those inside of it). Header fields of these
  /// names reach the file only as keyed hashes. An answer whose Location or Content-Location has such a
  /// parameter is not stored. Default: none.
  template <class... Names>
  requires(sizeof...(Names) > 0 && (std::convertible_to<Names, std::string_view> &&
                                    ...)) CacheOptions& ignored_params(Names... names) {
    ignored_params_.clear();
    (ignored_params_.push_back(std::string(names)), ...);
    return *this;
  }
  CacheOptions& ignored_params(std::vector<std::string> names) {
    ignored_params_ = std::move(names);
    return *this;
  }
  /// Whether the order of the query's parameters makes no difference either. Default: false; RFC 3986 makes
  /// it count.
  CacheOptions& sort_query(bool on) {
    sort_query_ = on;
    return *this;
  }
  /// Header fields of the request that keep answers apart, beside those that the response's Vary names: the
  /// answer to a request is stored for a hash of their values, and given to requests with the same. (A field
  /// that Vary names as well is stored as it was sent, unless it is a credential.) Default: none.
  template <class... Names>
  requires(sizeof...(Names) > 0 && (std::convertible_to<Names, std::string_view> &&
                                    ...)) CacheOptions& match_headers(Names... names) {
    match_headers_.clear();
    (match_headers_.push_back(std::string(names)), ...);
    return *this;
  }
  CacheOptions& match_headers(std::vector<std::string> names) {
    match_headers_ = std::move(names);
    return *this;
  }
  /// Whether all header fields of the request keep answers apart, but for those that speak to caches and
  /// those that `ignored_params` names. Default: false; Vary and `match_headers` say which ones do.
  CacheOptions& include_headers(bool on) {
    include_headers_ = on;
    return *this;
  }
  /// What makes the key under which the answer to a request is stored, in place of its URL and body: requests
  /// for which it returns the same text share their answers, as far as method, user and Vary allow. An empty
  /// text stands for the usual key. When an unsafe request has changed a URL, it is asked for the key of a
  /// bare GET of that. What it throws is a fault of the cache: the answer is neither looked up nor stored.
  /// Default: none.
  CacheOptions& key(std::function<std::string(Request const&)> key) {
    key_ = std::move(key);
    return *this;
  }
  /// Asked before a response is stored and before a stored one is used; one that it says false to is not
  /// stored, and removed if it was. It is called on the request's executor. What it throws is a fault of the
  /// cache: the response is not stored, or not used. Default: none.
  CacheOptions& filter(std::function<bool(CachedHead const&)> filter) {
    filter_ = std::move(filter);
    async_filter_ = nullptr;
    return *this;
  }
  /// The same as a coroutine: a function, bound to what it needs (g++ 12 miscompiles lambdas that capture and
  /// are coroutines). The head lives until it is done.
  CacheOptions& async_filter(std::function<asio::awaitable<bool>(CachedHead const&)> filter) {
    async_filter_ = std::move(filter);
    filter_ = nullptr;
    return *this;
  }
  /// The largest body that is stored, in bytes, and never more than nine tenths of `max_bytes`: all others
  /// would have to go for it, and it would not fit even so. Default: 16 MiB. A larger one is passed on and
  /// not stored. It is the bound on an entry, too: beside the body there are only header fields, which the
  /// client bounds (`ClientOptions::max_header_size`).
  /// With a `SQLiteBackend` it takes no more memory to allow more: beyond 256 KiB bodies are written and read
  /// in pieces.
  CacheOptions& max_body_bytes(std::uint64_t bytes) {
    max_body_bytes_ = bytes;
    return *this;
  }
  /// How many bytes of its file a `SQLiteBackend` uses at most; the write-ahead log beside it has a bound of
  /// its own (`SQLiteOptions::wal_limit`). When a response comes in for which there is no room, others go:
  /// those that were not asked for lately (S3-FIFO), but none that is pinned (`SQLiteBackend::pin`). If there
  /// is no room even so, the response is not stored: `cache_errc::full`. A hit writes nothing for that. A
  /// file that is beyond a new bound comes within it step by step as responses are stored; its pages that are
  /// free then go back to the file system while its thread has nothing else to do, some at a time. Default:
  /// 0, no bound. Errors: `std::invalid_argument` for less than 1 MiB.
  CacheOptions& max_bytes(std::uint64_t bytes) {
    if (bytes != 0 && bytes < (1u << 20))
      throw std::invalid_argument("CacheOptions::max_bytes: less than 1 MiB");
    max_bytes_ = bytes;
    return *this;
  }
  /// How many responses a `SQLiteBackend` keeps at most; each variant counts. As `max_bytes`. Default: 0, no
  /// bound.
  CacheOptions& max_entries(std::uint64_t count) {
    max_entries_ = count;
    return *this;
  }
  /// How many bytes a `SQLiteBackend` keeps of what is asked for often in memory, too, decompressed and
  /// decrypted, so that it is answered without a hop: of each URL with one variant, bodies of up to 256 KiB,
  /// no response of more than an eighth of all. What this process stores or removes through any backend that
  /// may write to the file counts at once, what others do after `lag` at most: one look-up in that time
  /// looks at the write-ahead log's index and, if anybody has written, forgets everything. Default: 0,
  /// nothing. @param lag By the options' clock; 1 ms to an hour. Errors: `std::invalid_argument` for
  /// another.
  CacheOptions& memory(std::uint64_t bytes, std::chrono::milliseconds lag = std::chrono::seconds(1)) {
    if (lag < std::chrono::milliseconds(1) || lag > std::chrono::hours(1))
      throw std::invalid_argument("CacheOptions::memory: lag is out of range");
    memory_bytes_ = bytes;
    memory_lag_ = lag;
    return *this;
  }
  /// Whether a `SQLiteBackend` compresses bodies in its file: with zstd where that is built in, else with
  /// zlib; each that saves an eighth, and not those whose fields say that they are compressed already. It
  /// takes the time of the file's threads. What is in the file can be read either way. Default: false.
  CacheOptions& compress(bool on) {
    compress_ = on;
    return *this;
  }
  /// A key with which a `SQLiteBackend` encrypts bodies and header fields in its file (AES-256-GCM) and,
  /// unless `SQLiteOptions::secret_key` is given, signs the rows. URLs, methods, status codes, sizes and
  /// times stay readable. A file has been made with a key, or without; used with another it fails every
  /// operation with `cache_errc::wrong_key`. The key is kept in memory, not in the file: without it what is
  /// stored is lost. Default: none. @param key 32 random bytes. Errors: `std::invalid_argument` for any other
  /// length.
  CacheOptions& encryption_key(std::string key) {
    if (key.size() != 32) throw std::invalid_argument("CacheOptions::encryption_key: must be 32 bytes");
    encryption_key_ = std::move(key);
    return *this;
  }
  /// How long a request for what another one is fetching already waits for that one's answer, of which it
  /// then reads the body while it arrives; after that it asks the origin itself, as it does as soon as the
  /// answer's head says that it can't be stored, or not be used for this request. Where the context of the
  /// request that is followed stands still for that long (2 s at least), those that follow ask for the rest
  /// of the body themselves, if a strong validator allows that; otherwise they fail with
  /// `http_errc::truncated`. And for half of that time, in all, a reader that is more than 1 MiB behind may
  /// hold up faster ones; then they go on, and it gets the rest from the cache. A year at most. Default: 5 s.
  /// 0: no request waits for another.
  CacheOptions& collapse_wait(std::chrono::milliseconds time) {
    if (time.count() < 0 || time > std::chrono::hours(24 * 365))
      throw std::invalid_argument("CacheOptions::collapse_wait: out of range");
    collapse_wait_ = time;
    return *this;
  }
  /// Mixed into the hash that keeps one user's `Authorization` apart from another's. Default: a fixed text;
  /// with a secret of your own nobody can try out passwords on a stolen file.
  CacheOptions& salt(std::string salt) {
    salt_ = std::move(salt);
    return *this;
  }
  /// Where the time comes from. Default: `system_clock()`.
  CacheOptions& clock(std::shared_ptr<Clock const> clock) {
    if (!clock) throw std::invalid_argument("CacheOptions::clock: null");
    clock_ = std::move(clock);
    return *this;
  }
  /// Who is told about answers and about faults of the cache. Default: nobody.
  CacheOptions& observer(std::shared_ptr<Observer> observer) {
    observer_ = std::move(observer);
    return *this;
  }
  /// Whether the cookies of an answer out of a private cache go into the client's jar again, where that holds
  /// none of the same name, domain and path: after a restart with an empty jar a session goes on where it
  /// was; but so does one that the server or the user has ended since. A shared cache never does that: they
  /// may be somebody else's. Not for a cache that serves several users' jars. Default: false.
  CacheOptions& restore_cookies(bool on) {
    restore_cookies_ = on;
    return *this;
  }
  /// Whether a fault of the cache fails the request. Default: false, the request goes to the origin.
  CacheOptions& strict(bool on) {
    strict_ = on;
    return *this;
  }

  /// Whether closing a session closes the backend too. Default: true.
  CacheOptions& autoclose(bool on) {
    autoclose_ = on;
    return *this;
  }

  std::optional<Expiration> const& expire_after() const noexcept { return expire_after_; }
  /// What of both counts for this URL.
  std::optional<Expiration> expire_after(Url const& url) const {
    for (auto const& [pattern, expiration] : urls_expire_after_) {
      if (pattern.matches(url)) return expiration;
    }
    return expire_after_;
  }
  /// Whether either is `do_not_cache` for some URL.
  bool may_refuse() const noexcept {
    auto const refuses = [](Expiration const& expiration) { return !expiration.stores(); };
    return (expire_after_ && refuses(*expire_after_)) ||
           std::any_of(urls_expire_after_.begin(), urls_expire_after_.end(),
                       [&](auto const& one) { return refuses(one.second); });
  }
  /// The URL under which the answer to a request for `url` is stored: without its user information and
  /// without what `ignored_params` and `sort_query` make count for nothing.
  Url stored_url(Url const& url) const {
    return changes_urls() ? canonical_url(url, ignored_params_, sort_query_) : url.without_user_info();
  }
  bool changes_urls() const noexcept { return !ignored_params_.empty() || sort_query_; }
  std::vector<std::string> const& ignored_params() const noexcept { return ignored_params_; }
  /// Whether the URL has a parameter that is ignored.
  bool has_ignored(Url const& url) const;
  std::vector<std::string> const& match_headers() const noexcept { return match_headers_; }
  bool include_headers() const noexcept { return include_headers_; }
  std::function<std::string(Request const&)> const& key() const noexcept { return key_; }
  bool has_filter() const noexcept { return filter_ || async_filter_; }
  std::function<bool(CachedHead const&)> const& filter() const noexcept { return filter_; }
  std::function<asio::awaitable<bool>(CachedHead const&)> const& async_filter() const noexcept {
    return async_filter_;
  }
  bool cache_control() const noexcept { return rules_.cache_control(); }
  policy::Options const& rules() const noexcept { return rules_; }
  std::vector<unsigned> const& allowed_codes() const noexcept { return allowed_codes_; }
  std::vector<http::verb> const& allowed_methods() const noexcept { return allowed_methods_; }
  /// Never more than nine tenths of `max_bytes`.
  std::uint64_t max_body_bytes() const noexcept {
    return max_bytes_ == 0 ? max_body_bytes_ : std::min(max_body_bytes_, max_bytes_ - max_bytes_ / 10);
  }
  std::uint64_t max_bytes() const noexcept { return max_bytes_; }
  std::uint64_t memory_bytes() const noexcept { return memory_bytes_; }
  std::chrono::milliseconds memory_lag() const noexcept { return memory_lag_; }
  bool compress() const noexcept { return compress_; }
  std::string const& encryption_key() const noexcept { return encryption_key_; }
  std::chrono::milliseconds collapse_wait() const noexcept { return collapse_wait_; }
  std::uint64_t max_entries() const noexcept { return max_entries_; }
  std::string const& salt() const noexcept { return salt_; }
  std::shared_ptr<Clock const> const& clock() const noexcept { return clock_; }
  std::shared_ptr<Observer> const& observer() const noexcept { return observer_; }
  bool restore_cookies() const noexcept { return restore_cookies_; }
  bool strict() const noexcept { return strict_; }
  bool autoclose() const noexcept { return autoclose_; }

  /// Whether `allowed_codes` lets this status in.
  bool allows(unsigned status) const noexcept {
    return allowed_codes_.empty() ||
           std::find(allowed_codes_.begin(), allowed_codes_.end(), status) != allowed_codes_.end();
  }
  /// Whether requests of this method may ask a question by their body.
  static constexpr bool is_query(http::verb method) noexcept {
    return method == http::verb::post || method == http::verb::propfind || method == http::verb::report ||
           method == http::verb::search;
  }
  /// Whether `allowed_methods` lets this method in.
  bool allows(http::verb method) const noexcept {
    return std::find(allowed_methods_.begin(), allowed_methods_.end(), method) != allowed_methods_.end();
  }

 private:
  static Url canonical_url(Url const& url, std::vector<std::string> const& ignored, bool sort);
  static void check_method(http::verb method) {
    if (method != http::verb::get && method != http::verb::head && !is_query(method))
      throw std::invalid_argument("CacheOptions::allowed_methods: answers can't be stored that are to " +
                                  std::string(http::to_string(method)));
  }
  static void check_code(unsigned code) {
    if (code < 200 || code > 999)
      throw std::invalid_argument("CacheOptions::allowed_codes: no final status: " + std::to_string(code));
  }

  std::optional<Expiration> expire_after_;
  std::vector<std::pair<UrlPattern, Expiration>> urls_expire_after_;
  std::vector<std::string> ignored_params_;
  std::vector<std::string> match_headers_;
  std::function<bool(CachedHead const&)> filter_;
  std::function<asio::awaitable<bool>(CachedHead const&)> async_filter_;
  std::function<std::string(Request const&)> key_;
  bool sort_query_ = false;
  bool include_headers_ = false;
  policy::Options rules_;
  std::vector<unsigned> allowed_codes_;
  std::vector<http::verb> allowed_methods_ = std::vector<http::verb>{http::verb::get, http::verb::head};
  std::uint64_t max_body_bytes_ = 16u << 20;
  std::uint64_t max_bytes_ = 0;
  std::uint64_t max_entries_ = 0;
  std::uint64_t memory_bytes_ = 0;
  std::chrono::milliseconds memory_lag_ = std::chrono::seconds(1);
  bool compress_ = false;
  std::string encryption_key_;
  std::chrono::milliseconds collapse_wait_ = std::chrono::seconds(5);
  std::string salt_ = "beast_cache";
  std::shared_ptr<Clock const> clock_ = system_clock();
  std::shared_ptr<Observer> observer_;
  bool restore_cookies_ = false;
  bool strict_ = false;
  bool autoclose_ = true;
};

}  // namespace v1
}  // namespace beast_cache
