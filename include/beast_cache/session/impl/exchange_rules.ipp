#pragma once

#include <boost/asio/error.hpp>
#include <boost/system/errc.hpp>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "beast_cache/http/decompression.hpp"
#include "beast_cache/policy/cache_groups.hpp"
#include "beast_cache/policy/freshness.hpp"
#include "beast_cache/policy/invalidation.hpp"
#include "beast_cache/policy/storability.hpp"
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

/// One request, and what the rules and the user's options say of the responses to it.
class ExchangeRules {
 protected:
  ExchangeRules(std::shared_ptr<CachedCore> core, Request request, CacheDirectives const& directives,
                bool follows)
      : core_(std::move(core)),
        request_(std::move(request)),
        directives_(directives),
        follows_(follows),
        now_(options().clock()->now()),
        concealed_(conceal(request_, options())) {}

  std::optional<Expiration> const& expire_after() const noexcept { return directives_.expire_after(); }
  CacheOptions const& options() const noexcept { return core_->backend().options(); }
  CacheGuard core_guard(std::string_view operation) const {
    return CacheGuard(options(), operation, request_.url());
  }
  /// The request as the cache compares and stores it: without the credentials themselves, and with the URL
  /// under which its answer is stored.
  Request const& asked() const noexcept { return concealed_ ? *concealed_ : request_; }
  static std::optional<Request> conceal(Request const& request, CacheOptions const& options) {
    std::optional<Request> concealed;
    bool const has_secrets = has_credentials(request.headers());
    if (has_secrets || options.changes_urls()) concealed.emplace(request);
    if (has_secrets) conceal_credentials(concealed->headers(), options.salt());
    if (options.changes_urls()) concealed->set_url(options.stored_url(request.url()));
    return concealed;
  }
  policy::RequestView view() const noexcept {
    policy::RequestView view(request_.method(), request_.method_string(), asked().headers());
    return view.url(request_.url()).makes_answers(true);
  }
  /// In a private cache the responses to different credentials are kept apart; in any, those to whatever else
  /// the user said.
  std::string principal() const {
    std::string const& salt = options().salt();
    std::string user;
    if (!options().rules().shared()) user = create_principal(request_.headers(), salt);
    auto const& names = options().match_headers();
    return names.empty() ? user : create_principal(user, names, request_.headers(), salt);
  }
  /// A part is allowed where the whole is.
  bool allows_status(unsigned status) const noexcept {
    return options().allows(status) || (status == 206 && options().allows(200u)) ||
           (follows_ && is_redirect(status));
  }

  asio::awaitable<StreamedResponse> send(Request request) {
    request_time_ = options().clock()->now();
    // What is stored are the bytes to which the header fields belong; `decoded` is for the caller.
    request.set_decompression(Decompression::off());
    StreamedResponse response = co_await core_->client().send(std::move(request));
    response_time_ = options().clock()->now();
    co_return response;
  }

  /// The response as the caller is to see it.
  StreamedResponse decoded(StreamedResponse response) const {
    auto const& how = request_.decompression();
    if (how) response = decode(std::move(response), request_.method(), *how);
    return response;
  }

  // RFC 9111 section 4.4.
  asio::awaitable<void> invalidate(ResponseHead const& response) {
    auto const urls =
        policy::invalidated_urls(request_.url(), request_.method(), response.status(), response.headers());
    for (auto const& text : urls) {
      std::optional<Url> url = Url::parse(text);
      if (url) co_await core_guard("invalidate").get(core_->backend().remove_with_aliases(std::move(*url)));
    }
    auto groups = policy::invalidated_groups(request_.method(), response.status(), response.headers());
    if (!groups.empty()) {
      co_await core_guard("invalidate")
          .get(core_->backend().remove_groups(request_.url(), std::move(groups)));
    }
  }

  /// The user's `expire_after` for responses that don't say it themselves.
  std::optional<Expiration> fallback() const { return options().expire_after(request_.url()); }

  /// What the user's filter says of a response; nothing when it failed.
  asio::awaitable<std::optional<bool>> ask_filter(CachedHead const& head) const {
    return core_guard("filter").get(run_filter(options(), head));
  }
  static asio::awaitable<bool> run_filter(CacheOptions const& options, CachedHead const& head) {
    bool keeps = true;
    if (options.filter()) keeps = options.filter()(head);
    if (options.async_filter()) keeps = co_await options.async_filter()(head);
    co_return keeps;
  }

  /// An error status is kept for a user's `expire_after` only where `allowed_codes` names it.
  bool takes_user_expiry(unsigned status) const noexcept {
    return status < 400 || (!options().allowed_codes().empty() && options().allows(status));
  }

  bool may_store(ResponseHead const& response) const noexcept {
    if (expire_after() && !expire_after()->stores()) return false;
    std::optional<Expiration> const otherwise = fallback();
    if (!expire_after() && otherwise && !otherwise->stores() && !has_explicit_lifetime(response))
      return false;
    bool const user_expiry = (expire_after() || otherwise) && takes_user_expiry(response.status());
    // What is never fresh and can't be validated is of no use.
    bool const useful = user_expiry || has_explicit_lifetime(response) ||
                        response.headers().count(http::field::etag) != 0 ||
                        response.headers().count(http::field::last_modified) != 0;
    return useful && options().allows(policy::stored_method(request_.method())) &&
           allows_status(response.status()) && policy::is_storable(view(), response.status(), response.headers(), options().rules(), user_expiry);
  }

  bool has_explicit_lifetime(ResponseHead const& response) const noexcept {
    return options().cache_control() && policy::has_explicit_lifetime(response.headers(), options().rules());
  }

  /// Notes when a response that came now expires. @return What that follows from.
  policy::Freshness set_expiry(ResponseHead const& head, CacheInfo& info) const {
    std::optional<TimePoint> override_time;
    std::optional<TimePoint> otherwise;
    if (takes_user_expiry(head.status())) {
      if (expire_after()) override_time = expire_after()->at(response_time_);
      std::optional<Expiration> const expiration = fallback();
      if (expiration) otherwise = expiration->at(response_time_);
    }
    info.set_overrides(override_time, otherwise);
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
  CacheDirectives directives_;
  bool follows_;
  TimePoint now_;
  std::optional<Request> concealed_;
  TimePoint request_time_;
  TimePoint response_time_;
  bool is_told_later_ = false;  // the observer, when the response has been stored
};

}  // namespace detail
}  // namespace v1
}  // namespace beast_cache
