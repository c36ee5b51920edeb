#pragma once
/// \file cached_session.hpp
/// An HTTP session that answers from its cache whenever RFC 9111 allows it.

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <concepts>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "beast_cache/backend/cache_backend.hpp"
#include "beast_cache/backend/cached_response.hpp"
#include "beast_cache/config.hpp"
#include "beast_cache/session/cache_directives.hpp"
#include "beast_cache/session/client_session.hpp"
#include "beast_cache/session/http_client.hpp"
#include "beast_cache/session/request_builder.hpp"

namespace beast_cache {
inline namespace v1 {

namespace detail {

class ContextGate;

class EarlyLookup;

/// What the requests of a `CachedSession` share. It outlives the session while a request is under way.
class CachedCore : public std::enable_shared_from_this<CachedCore> {
 public:
  using response_type = CachedResponse;
  using stream_type = CachedStream;
  using options_type = CacheDirectives;

  CachedCore(asio::any_io_executor executor, std::shared_ptr<HttpClient> client,
             std::shared_ptr<CacheBackend> backend);

  /// The same client, backend and revalidations, for requests of another kind.
  CachedCore(CachedCore const& other, Limits limits)
      : executor_(other.executor_),
        gate_(other.gate_),
        client_(other.client_),
        backend_(other.backend_),
        revalidations_(other.revalidations_),
        limits_(other.limits_ | limits),
        has_plain_keys_(other.has_plain_keys_) {}

  asio::any_io_executor get_executor() const noexcept { return executor_; }
  CacheBackend& backend() const noexcept { return *backend_; }
  HttpClient& client() const noexcept { return *client_; }
  Url resolve(std::string_view text) const { return client_->resolve(text); }

  /// The answer to a plain request, where it is in memory.
  std::optional<CachedResponse> glance(Request& request, CacheDirectives const& directives);
  static CachedStream as_stream(CachedResponse ready);
  /// Throws `Error` with `http_errc::body_limit`.
  CachedResponse as_whole(CachedResponse ready) const;
  /// Answers a request, redirects followed. The core has to live until the operation is done.
  asio::awaitable<CachedStream> start(Request request, CacheDirectives directives);
  /// Reads an answer's body to its end.
  asio::awaitable<CachedResponse> finish(CachedStream stream);
  /// Validates in the background what has just been served stale (RFC 5861 section 3): one at a time for each
  /// stored response, and not more than a bound in all.
  /// @param entry Which stored response.
  void revalidate_later(Request request, CacheDirectives directives, std::string entry);
  /// Waits for those.
  asio::awaitable<void> close();

 private:
  class Revalidations;
  class Revalidation;
  static bool has_plain_keys(CacheOptions const& options) noexcept;
  /// Whether nothing is to be asked but what is stored under a request's URL: neither who makes it nor what
  /// the user's functions say. Prepares it.
  bool prepare_plain(Request& request, CacheDirectives const& directives) const;
  /// Whether a stored response is given to such a request as it is.
  bool gives_as_is(ResponseHead const& stored, bool is_coded, Request const& request) const;
  std::optional<CachedResponse> answer_early(EarlyLookup& early, Request const& request) const;
  /// Tells of an answer to such a request.
  void give(CachedResponse& answer, Request const& request,
            std::chrono::steady_clock::time_point begin) const;
  static asio::awaitable<void> revalidate(std::shared_ptr<CachedCore> self, Request request,
                                          CacheDirectives directives, std::shared_ptr<Revalidation> counted);

  asio::any_io_executor executor_;
  std::shared_ptr<ContextGate> gate_;  // of its context, which the session may outlive
  std::shared_ptr<HttpClient> client_;
  std::shared_ptr<CacheBackend> backend_;
  std::shared_ptr<Revalidations> revalidations_;
  Limits limits_;        // of each request
  bool has_plain_keys_;  // nothing is said of the cache but what there is to it by default
};

}  // namespace detail

/// A drop-in for `ClientSession` with a cache in front: the same calls, plus `expire_after`, `use`,
/// `refresh`, `only_if_cached` and `no_store` on each request, and answers that tell where they came from.
///
///     CachedSession session{co_await asio::this_coro::executor, SQLiteBackend{"demo"}};
///     auto response = co_await session.get("https://example.org/");
///     response.from_cache(); response.cache_status();
///
/// Each hop of a redirect is looked up and stored by its own rules. A fault of the cache never fails a
/// request that the origin can answer: it is reported to the backend's `Observer`, and the request goes on
/// without the cache
/// (`CacheOptions::strict` rethrows instead).
///
/// It is a handle: copies share everything, and requests under way outlive it.
///
/// Errors: those of the client, as `Error` with an `http_errc`. What the client can't reach is answered with
/// a stale
///   response where RFC 9111 section 4.2.4 allows that.
/// Cancellation: all types; a response that nobody has read to its end, among those who asked for it at the
///   same time, is not stored.
/// Executor and hops: a hit costs the backend's hop, a miss that and the network. Completes as
/// `RequestBuilder` says. Thread safety: distinct objects: safe; shared objects: requests may be made from
/// any thread.
class CachedSession : public HttpClient, public RequestMethods<CachedSession, detail::CachedCore> {
 public:
  /// A cache in front of a `ClientSession` with default options.
  template <std::derived_from<CacheBackend> Backend>
  CachedSession(asio::any_io_executor executor, Backend backend)
      : CachedSession(executor, std::make_shared<ClientSession>(executor), std::move(backend)) {}

  /// A cache in front of any client.
  /// Errors: `std::invalid_argument` when `client` is null.
  template <std::derived_from<CacheBackend> Backend>
  CachedSession(asio::any_io_executor executor, std::shared_ptr<HttpClient> client, Backend backend)
      : CachedSession(std::move(executor), std::move(client),
                      std::shared_ptr<CacheBackend>(std::make_shared<Backend>(std::move(backend)))) {}

  /// A cache that several sessions share, in front of any client.
  CachedSession(asio::any_io_executor executor, std::shared_ptr<HttpClient> client,
                std::shared_ptr<CacheBackend> backend)
      : core_(std::make_shared<detail::CachedCore>(std::move(executor), std::move(client),
                                                   std::move(backend))) {}

  /// As any `HttpClient`: what the cache did stands in the response's Cache-Status field (RFC 9211).
  asio::awaitable<StreamedResponse> send(Request request) override {
    return send_through(core_, std::move(request));
  }
  void prepare(Request& request) const override { core_->client().prepare(request); }
  Url resolve(std::string_view text) const override { return core_->resolve(text); }
  unsigned max_redirects() const override { return core_->client().max_redirects(); }
  bool allow_downgrade() const override { return core_->client().allow_downgrade(); }
  std::uint64_t max_body_size() const override { return core_->client().max_body_size(); }
  std::optional<std::chrono::milliseconds> timeout() const override { return core_->client().timeout(); }
  void restore_cookies(Url const& url, http::fields const& response, TimePoint received) override {
    core_->client().restore_cookies(url, response, received);
  }

  /// Closes the client, and the backend unless `CacheOptions::autoclose(false)` was given. Closing twice is
  /// fine.
  asio::awaitable<void> close() override { return close_core(core_); }

  /// The same session, whose requests use the cache so: `session.with(CacheUse::read_only)`. This one is as
  /// it was; both share everything else, and closing one closes both. What several uses forbid adds up.
  CachedSession with(CacheUse use) const { return CachedSession(*core_, detail::Limits(use)); }
  /// The same session with the cache off: `with(CacheUse::disabled)`.
  CachedSession disabled() const { return with(CacheUse::disabled); }
  /// The same session without the network: `with(CacheUse::offline)`.
  CachedSession offline() const { return with(CacheUse::offline); }

  CacheBackend& backend() const noexcept { return core_->backend(); }
  std::shared_ptr<detail::CachedCore> const& core() const noexcept { return core_; }

 private:
  CachedSession(detail::CachedCore const& core, detail::Limits limits)
      : core_(std::make_shared<detail::CachedCore>(core, limits)) {}
  static asio::awaitable<StreamedResponse> send_through(std::shared_ptr<detail::CachedCore> core,
                                                        Request request);
  static asio::awaitable<void> close_core(std::shared_ptr<detail::CachedCore> core);

  std::shared_ptr<detail::CachedCore> core_;
};

}  // namespace v1
}  // namespace beast_cache
