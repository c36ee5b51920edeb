#pragma once

#include <algorithm>
#include <exception>
#include <optional>
#include <string>

#include "beast_cache/policy/cache_status.hpp"
#include "beast_cache/policy/freshness.hpp"
#include "beast_cache/policy/invalidation.hpp"
#include "beast_cache/policy/storability.hpp"
#include "beast_cache/policy/strategy.hpp"
#include "beast_cache/policy/validation.hpp"
#include "beast_cache/session/cached_session.hpp"
#include "beast_cache/session/impl/tee_reader.ipp"
#include "beast_cache/session/redirects.hpp"

namespace beast_cache {
inline namespace v1 {
namespace detail {

/// Whether an error means that the origin could not be reached, or broke off: this library's codes, and those
/// that a user's own client passes on from the operating system, the resolver and Asio.
inline bool is_disconnection(error_code const& code) noexcept {
  namespace errc = boost::system::errc;
  if (code == http_errc::resolve || code == http_errc::connect || code == http_errc::truncated ||
      code == http_errc::timeout)
    return true;
  return code.category() == asio::error::get_netdb_category() ||
         code.category() == asio::error::get_addrinfo_category() || code == asio::error::eof ||
         code == errc::connection_refused || code == errc::connection_reset ||
         code == errc::connection_aborted || code == errc::broken_pipe || code == errc::timed_out ||
         code == errc::host_unreachable || code == errc::network_unreachable;
}

/// One hop of a request through the cache: look up, let the rules decide, and do what they say.
///
/// It holds no rules of its own: those are in policy/.
class CachedExchange {
 public:
  /// @param follows Whether the caller follows the redirect that this may turn out to be.
  CachedExchange(std::shared_ptr<CachedCore> core, Request request, CacheDirectives const& directives,
                 bool follows)
      : core_(std::move(core)),
        request_(std::move(request)),
        expire_after_(directives.expire_after()),
        follows_(follows),
        now_(options().clock()->now()),
        concealed_(conceal(request_, options().salt())),
        decision_(policy::evaluate(view(), nullptr, options().rules(), now_)) {
    if (expire_after_ && !expire_after_->stores())
      decision_ = policy::Decision(policy::Action::fetch, policy::Reason::request_no_store);
  }

  asio::awaitable<CachedStream> run() {
    bool const looks_up = searches(decision_.reason()) && options().allows(request_.method());
    if (looks_up) co_await look_up();
    CachedStream response;
    switch (decision_.action()) {
      case policy::Action::serve:
        response = serve(policy::CacheStatus(decision_), decision_.age());
        break;
      case policy::Action::serve_and_revalidate:  // validating first is always allowed
      case policy::Action::validate:
      case policy::Action::fetch:
        response = co_await ask_origin();
        break;
      case policy::Action::unsatisfiable:
        response = unsatisfiable();
        break;
    }
    if (options().observer()) report(response.cache_status());
    co_return response;
  }

  /// Notes that `from` led here.
  asio::awaitable<void> alias(Url from) {
    co_await core_guard("store").run(core_->backend().store_alias(std::move(from), request_.url()));
  }

 private:
  /// Whether what is stored could matter, as far as the request alone tells.
  static bool searches(policy::Reason reason) noexcept {
    switch (reason) {
      case policy::Reason::method:
      case policy::Reason::range:
      case policy::Reason::conditional:
      case policy::Reason::upgrade:
      case policy::Reason::method_override:
      case policy::Reason::request_no_store:
        return false;
      default:
        return true;
    }
  }

  CacheOptions const& options() const noexcept { return core_->backend().options(); }
  CacheGuard core_guard(std::string_view operation) const {
    return CacheGuard(options(), operation, request_.url());
  }
  /// The request as the cache compares and stores it: without the credentials themselves.
  Request const& asked() const noexcept { return concealed_ ? *concealed_ : request_; }
  static std::optional<Request> conceal(Request const& request, std::string const& salt) {
    std::optional<Request> concealed;
    if (has_credentials(request.headers())) {
      concealed.emplace(request);
      conceal_credentials(concealed->headers(), salt);
    }
    return concealed;
  }
  policy::RequestView view() const noexcept {
    return policy::RequestView(request_.method(), request_.method_string(), asked().headers());
  }
  policy::StoredView stored_view() const noexcept { return view_of(*stored_, *stored_); }
  /// In a private cache the responses to different credentials are kept apart.
  std::string principal() const {
    return options().rules().shared() ? std::string()
                                      : create_principal(request_.headers(), options().salt());
  }
  bool allows_status(unsigned status) const noexcept {
    return options().allows(status) || (follows_ && is_redirect(status));
  }

  asio::awaitable<void> look_up() {
    LookupQuery query(asked(), principal());
    std::optional<Lookup> found =
        co_await core_guard("lookup").get(core_->backend().lookup(std::move(query)));
    if (!found) co_return;
    if (found->selected() && allows_status(found->selected()->status())) {
      stored_ = std::move(found->selected());
      selected_.emplace(stored_view());
      decision_ = policy::evaluate(view(), &*selected_, options().rules(), now_);
    } else if (found->has_other_variants() && decision_.reason() == policy::Reason::uri_miss) {
      decision_ = policy::Decision(decision_.action(), policy::Reason::vary_miss);
    }
  }

  /// The stored response as an answer.
  CachedStream serve(policy::CacheStatus const& status, std::chrono::seconds age) {
    CacheInfo info(*stored_);
    info.set_from_cache(true).set_cache_status(status.str());
    ResponseHead head(*stored_);
    head.set_url(request_.url());
    // RFC 9111 section 4: a response served without validation has its age in Age.
    head.headers().set(http::field::age, std::to_string(age.count()));
    bool const has_body = request_.method() != http::verb::head;
    auto body = has_body ? std::make_unique<StringReader>(stored_->shared_body())
                         : std::make_unique<StringReader>(std::string());
    return CachedStream(StreamedResponse(std::move(head), std::move(body)), std::move(info));
  }

  CachedStream unsatisfiable() const {
    ResponseHead head(request_.url(), 504, "Gateway Timeout", http::fields());
    CacheInfo info;
    info.set_cache_status(policy::CacheStatus(decision_).str());
    return CachedStream(StreamedResponse(std::move(head), std::make_unique<StringReader>(std::string())),
                        std::move(info));
  }

  asio::awaitable<StreamedResponse> send(Request request) {
    request_time_ = options().clock()->now();
    StreamedResponse response = co_await core_->client().send(std::move(request));
    response_time_ = options().clock()->now();
    co_return response;
  }

  /// Sends the request, with the stored response's validators where there are any (RFC 9111 section 4.3).
  asio::awaitable<CachedStream> ask_origin() {
    bool const validates = decision_.action() != policy::Action::fetch && policy::has_validator(*selected_);
    Request request = request_;
    if (validates) policy::add_validators(request.headers(), *selected_);
    std::exception_ptr failure;
    StreamedResponse response;
    try {
      response = co_await send(std::move(request));
    } catch (boost::system::system_error const& e) {
      if (!is_disconnection(e.code()) || !decision_.may_serve_stale_on_error()) throw;
      failure = std::current_exception();
    }
    // RFC 9111 section 4.2.4: a stale answer stands in for one that can't be had.
    if (failure || decision_.may_serve_stale_on_status(response.status())) {
      policy::CacheStatus status(decision_);
      if (failure) {
        status.detail("origin unreachable");
      } else {
        status.fwd_status(response.status());
      }
      co_return serve(status.ttl(decision_.ttl()), decision_.age());
    }
    if (!validates || response.status() != 304) co_return co_await receive(std::move(response));
    co_await drain(response.take_body());
    if (policy::validates(*selected_, response.headers())) co_return co_await freshen(response.headers());
    // It speaks of another response: ask again for the whole (RFC 9111 section 4.3.3).
    response = co_await send(request_);
    co_return co_await receive(std::move(response));
  }

  static bool same_vary(http::fields const& a, http::fields const& b) {
    auto const [first_a, last_a] = a.equal_range(http::field::vary);
    auto const [first_b, last_b] = b.equal_range(http::field::vary);
    return std::equal(first_a, last_a, first_b, last_b,
                      [](auto const& x, auto const& y) { return x.value() == y.value(); });
  }

  // RFC 9111 section 4.3.4.
  asio::awaitable<CachedStream> freshen(http::fields const& not_modified) {
    http::fields const before(stored_->headers());
    stored_->headers() =
        policy::freshened(stored_->headers(), not_modified, options().rules(), response_time_);
    stored_->set_times(request_time_, response_time_);
    policy::Freshness const fresh = set_expiry(*stored_, *stored_);
    policy::CacheStatus status(decision_);
    status.fwd_status(304);
    if (may_store(*stored_)) {
      bool done = true;
      if (same_vary(before, stored_->headers())) {
        std::optional<bool> const there =
            co_await core_guard("freshen").get(core_->backend().freshen(*stored_));
        done = there.value_or(false);
      } else {
        // Under the old fields it would go on answering requests that the new ones exclude.
        co_await core_guard("invalidate").get(core_->backend().remove_with_aliases(request_.url()));
        stored_->set_vary_headers(policy::nominated_fields(stored_->headers(), asked().headers()));
        done = co_await core_guard("store").run(core_->backend().store(*stored_));
      }
      status.stored(done).ttl(std::chrono::floor<std::chrono::seconds>(fresh.left()));
    } else {
      co_await core_guard("invalidate").get(core_->backend().remove_with_aliases(request_.url()));
    }
    co_return serve(status, std::chrono::floor<std::chrono::seconds>(fresh.age()));
  }

  /// An answer of the origin's own: passed on, and stored while it is read if the rules allow it.
  asio::awaitable<CachedStream> receive(StreamedResponse response) {
    co_await invalidate(response);
    policy::CacheStatus status(decision_);
    CacheInfo info;
    std::uint64_t const most = options().max_body_bytes();
    bool const storable = may_store(response) && response.body().remaining().value_or(0) <= most;
    if (!storable) {
      info.set_cache_status(status.str());
      co_return CachedStream(std::move(response), std::move(info));
    }
    ResponseHead stored_head(response);
    stored_head.set_url(response.url().without_user_info());
    stored_head.headers() = policy::storable_fields(response.headers(), options().rules(), response_time_);
    info.set_method(request_.method())
        .set_principal(principal())
        .set_vary_headers(policy::nominated_fields(response.headers(), asked().headers()))
        .set_times(request_time_, response_time_)
        .set_created_at(response_time_);
    policy::Freshness const fresh = set_expiry(stored_head, info);
    std::string const unstored = status.str();
    status.stored(true).ttl(std::chrono::floor<std::chrono::seconds>(fresh.left()));
    CachedResponse entry(Response(std::move(stored_head), std::string()), info);
    auto tee = std::make_unique<TeeReader>(core_, response.take_body(), std::move(entry), most, unstored);
    info.set_cache_status(status.str());
    StreamedResponse passed_on(static_cast<ResponseHead&&>(response), std::move(tee));
    co_return CachedStream(std::move(passed_on), std::move(info));
  }

  // RFC 9111 section 4.4.
  asio::awaitable<void> invalidate(ResponseHead const& response) {
    auto const urls =
        policy::invalidated_urls(request_.url(), request_.method(), response.status(), response.headers());
    for (auto const& text : urls) {
      std::optional<Url> url = Url::parse(text);
      if (url) co_await core_guard("invalidate").get(core_->backend().remove_with_aliases(std::move(*url)));
    }
  }

  /// An error status is kept for a user's `expire_after` only where `allowed_codes` names it.
  bool takes_user_expiry(unsigned status) const noexcept {
    return status < 400 || (!options().allowed_codes().empty() && options().allows(status));
  }

  bool may_store(ResponseHead const& response) const noexcept {
    if (expire_after_ && !expire_after_->stores()) return false;
    auto const& fallback = options().expire_after();
    if (!expire_after_ && fallback && !fallback->stores() && !has_explicit_lifetime(response)) return false;
    bool const user_expiry = (expire_after_ || fallback) && takes_user_expiry(response.status());
    return options().allows(request_.method()) && allows_status(response.status()) &&
           policy::is_storable(view(), response.status(), response.headers(), options().rules(), user_expiry);
  }

  bool has_explicit_lifetime(ResponseHead const& response) const noexcept {
    return options().cache_control() &&
           policy::has_explicit_lifetime(response.headers(), options().rules());
  }

  /// Notes when a response that came now expires. @return What that follows from.
  policy::Freshness set_expiry(ResponseHead const& head, CacheInfo& info) const {
    std::optional<TimePoint> override_time;
    std::optional<TimePoint> fallback;
    if (takes_user_expiry(head.status())) {
      if (expire_after_) override_time = expire_after_->at(response_time_);
      if (options().expire_after()) fallback = options().expire_after()->at(response_time_);
    }
    info.set_overrides(override_time, fallback);
    policy::Freshness const fresh(view_of(head, info), options().rules(), response_time_);
    bool const endless = fresh.lifetime() == policy::detail::forever;
    info.set_expires(endless ? TimePoint::max() : response_time_ + fresh.left());
    return fresh;
  }

  void report(std::string_view status) const noexcept {
    try {
      options().observer()->on_response(request_.url().str(), status);
    } catch (...) {  // an observer can't fail a request
    }
  }

  std::shared_ptr<CachedCore> core_;
  Request request_;
  std::optional<Expiration> expire_after_;
  bool follows_;
  TimePoint now_;
  std::optional<Request> concealed_;
  TimePoint request_time_;
  TimePoint response_time_;
  std::optional<CachedResponse> stored_;
  std::optional<policy::StoredView> selected_;
  policy::Decision decision_;
};

}  // namespace detail
}  // namespace v1
}  // namespace beast_cache
