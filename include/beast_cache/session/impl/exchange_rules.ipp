#pragma once

#include <algorithm>
#include <boost/asio/error.hpp>
#include <boost/system/errc.hpp>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "beast_cache/http/decompression.hpp"
#include "beast_cache/policy/cache_groups.hpp"
#include "beast_cache/policy/freshness.hpp"
#include "beast_cache/policy/invalidation.hpp"
#include "beast_cache/policy/storability.hpp"
#include "beast_cache/session/cached_session.hpp"
#include "beast_cache/session/impl/invalidations.ipp"
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
      code == http_errc::timeout || code == http_errc::tls_handshake || code == http_errc::proxy)
    return true;
  return code.category() == asio::error::get_netdb_category() ||
         code.category() == asio::error::get_addrinfo_category() || code == asio::error::eof ||
         code == errc::connection_refused || code == errc::connection_reset ||
         code == errc::connection_aborted || code == errc::broken_pipe || code == errc::timed_out ||
         code == errc::host_unreachable || code == errc::network_unreachable;
}

inline bool same_vary(http::fields const& a, http::fields const& b) {
  auto const [first_a, last_a] = a.equal_range(http::field::vary);
  auto const [first_b, last_b] = b.equal_range(http::field::vary);
  return std::equal(first_a, last_a, first_b, last_b,
                    [](auto const& x, auto const& y) { return x.value() == y.value(); });
}

/// One request, and what the rules and the user's options say of the responses to it.
class ExchangeRules {
 protected:
  ExchangeRules(std::shared_ptr<CachedCore> core, Request request, CacheDirectives const& directives,
                unsigned redirects)
      : core_(std::move(core)),
        request_(std::move(request)),
        directives_(directives),
        redirects_(redirects),
        deadline_(request_.timeout()),
        now_(options().clock()->now()),
        concealed_(conceal(request_, options())),
        is_query_(asks_by_body()) {
    if (limits().is_recording()) {
      directives_.expire_after(never_expires);
      recording_rules_.emplace(options().rules()).cache_control(false);
      drop_conditions();
    }
    if (options().key() || is_query_ || (is_get() && !request_.body().empty())) find_key();
  }

  std::optional<Expiration> const& expire_after() const noexcept { return directives_.expire_after(); }
  Limits limits() const noexcept { return directives_.limits(); }
  CacheOptions const& options() const noexcept { return core_->backend().options(); }
  policy::Options const& rules() const noexcept {
    return recording_rules_ ? *recording_rules_ : options().rules();
  }
  /// Whether the method asks for an answer that is kept by URL and body, as the user said.
  bool is_query() const noexcept { return is_query_; }
  /// The method by whose rules the answer is judged.
  http::verb judged_method() const noexcept { return is_query_ ? http::verb::get : request_.method(); }
  /// Under which the answer is stored, where that is not its URL's; else empty.
  std::string const& own_key() const noexcept { return own_key_; }
  /// False where nobody can tell what is asked for.
  bool has_key() const noexcept { return has_key_; }
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
    // (Their names count for `changes_urls`, too.)
    if (concealed) conceal_fields(concealed->headers(), options.ignored_params(), options.salt());
    if (options.changes_urls()) concealed->set_url(options.stored_url(request.url()));
    return concealed;
  }
  policy::RequestView view() const noexcept {
    http::fields const& fields = recorded_fields_ ? *recorded_fields_ : asked().headers();
    policy::RequestView view(judged_method(), request_.method_string(), fields);
    view.url(request_.url()).makes_answers(true);
    // What the program asks for does not depend on whether header fields count.
    return view.no_store(limits().keeps_out())
        .no_cache(limits().validates())
        .only_if_cached(!limits().asks());
  }
  /// In a private cache the responses to different credentials are kept apart; in any, those to whatever else
  /// the user said.
  std::string principal() const {
    std::string const& salt = options().salt();
    std::string user;
    if (!rules().shared()) user = create_principal(request_.headers(), salt);
    if (options().include_headers())
      user = create_principal_of_all(user, options().ignored_params(), request_.headers(), salt);
    auto const& names = options().match_headers();
    return names.empty() ? user : create_principal(user, names, request_.headers(), salt);
  }
  /// A part is allowed where the whole is.
  bool allows_status(unsigned status) const noexcept {
    return options().allows(status) || (status == 206 && options().allows(200u)) ||
           (redirects_ != 0 && is_redirect(status));
  }

  asio::awaitable<StreamedResponse> send(Request request) {
    request_time_ = options().clock()->now();
    watch();
    before_ = Invalidations(watch_);
    // What is stored are the bytes to which the header fields belong; `decoded` is for the caller.
    request.set_decompression(Decompression::off());
    deadline_.limit(request);
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

  /// Removes what an unsafe request has made invalid (RFC 9111 section 4.4). @return False where it may still
  /// be there.
  asio::awaitable<bool> invalidate(ResponseHead const& response) {
    if (is_query_ || !limits().removes()) co_return true;
    auto const urls =
        policy::invalidated_urls(request_.url(), request_.method(), response.status(), response.headers());
    std::vector<Url> changed;
    for (auto const& text : urls) {
      std::optional<Url> const url = Url::parse(text);
      if (url) changed.push_back(*url);
    }
    auto groups = policy::invalidated_groups(request_.method(), response.status(), response.headers());
    // First: what is under way is not to come after what is removed.
    bool const current = !before_.outdate(response.headers());
    for (Url const& url : changed) flights().invalidate(invalidation_place(options().stored_url(url)));
    if (!groups.empty()) flights().invalidate_groups();
    if (current && watch_) before_ = Invalidations(watch_);
    bool done = true;
    for (Url const& url : changed) {
      auto const removed = co_await core_guard("invalidate").get(core_->backend().remove_with_aliases(url));
      done = done && removed.has_value();
    }
    if (!groups.empty()) {
      auto const removed = co_await core_guard("invalidate")
                               .get(core_->backend().remove_groups(request_.url(), std::move(groups)));
      done = done && removed.has_value();
    }
    co_return done;
  }

  /// Removes what was found for the request, because of `operation`. (That may be stored for another URL.)
  asio::awaitable<void> forget(std::string_view operation, CachedHead const& found) {
    if (!limits().removes()) co_return;
    if (found.key().empty()) {
      co_await core_guard(operation).get(core_->backend().remove_with_aliases(found.url()));
    } else {
      co_await core_guard(operation).get(core_->backend().remove_key(found.key()));
    }
  }

  SingleFlight& flights() const noexcept { return core_->backend().flights(); }
  /// Where unsafe requests are counted that may make an answer for the URL invalid: by No-Vary-Search it may
  /// answer for other queries, and by a key of the user's own for any URL.
  std::string invalidation_place(Url const& url) const {
    std::string place(url.origin());
    std::string_view const target = url.target();
    if (!options().key()) place.append(target.substr(0, target.find('?')));
    return place;
  }
  void watch() {
    if (!watch_) watch_ = flights().watch(invalidation_place(asked().url()));
  }
  /// Stores what was found, as it is now. @return Whether that was done.
  asio::awaitable<bool> store_again(StoredResponse const& response) {
    IsCurrent const current = before_.check(Invalidations::is_grouped(response.headers()));
    std::optional<bool> const done =
        co_await core_guard("store").get(core_->backend().store_if(response, current));
    co_return done.value_or(false);
  }

  /// The user's `expire_after` for responses that don't say it themselves.
  std::optional<Expiration> fallback() const { return options().expire_after(request_.url()); }

  /// Whether the user wants the URL kept out of the cache.
  bool is_refused() const {
    if (expire_after()) return !expire_after()->stores();
    if (!options().may_refuse()) return false;
    std::optional<Expiration> const otherwise = fallback();
    return otherwise && !otherwise->stores();
  }

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
    return status < 400 || limits().is_recording() ||
           (!options().allowed_codes().empty() && options().allows(status));
  }

  static constexpr std::string_view no_key = "the request's body is no key";

  bool may_store(ResponseHead const& response) const { return obstacle(response).empty(); }

  /// Why a response must not be stored; empty when it may.
  std::string_view obstacle(ResponseHead const& response) const {
    if (!limits().stores()) return "the session does not store";
    if (before_.outdate(response.headers())) return Invalidations::obstacle;
    if (!has_key_) return no_key;
    // What is recorded is given back whole: by the request alone nobody knows of which range it is.
    if (limits().is_recording() && is_query_ && response.status() == 206) return "a part";
    if (is_refused()) return "expire_after";
    if (leads_to_ignored(response, http::field::location) ||
        leads_to_ignored(response, http::field::content_location))
      return "leads to ignored_params";
    std::optional<Expiration> const otherwise = fallback();
    if (!is_query_ && !options().allows(policy::stored_method(request_.method()))) return "allowed_methods";
    if (!allows_status(response.status())) return "allowed_codes";
    bool const user_expiry = (expire_after() || otherwise) && takes_user_expiry(response.status());
    auto const storability =
        policy::storability(view(), response.status(), response.headers(), rules(), user_expiry);
    if (storability != policy::Storability::storable) return to_string(storability);
    // What is never fresh and can't be validated is of no use.
    bool const useful = user_expiry || has_explicit_lifetime(response) ||
                        (!is_query_ && (response.headers().count(http::field::etag) != 0 ||
                                        response.headers().count(http::field::last_modified) != 0));
    return useful ? "" : "no lifetime, no validator";
  }

  /// A stored answer to a query is judged as one to GET.
  policy::StoredView judged_view(ResponseHead const& head, CacheInfo const& info) const noexcept {
    policy::StoredView view = view_of(head, info);
    if (is_query_) view.method(http::verb::get);
    return view;
  }
  policy::StoredView judged_view(StoredResponse const& stored) const noexcept {
    return recorded_view(view_of(stored));
  }
  policy::StoredView judged_view(CachedHead const& head) const noexcept {
    return recorded_view(view_of(head));
  }
  policy::StoredView recorded_view(policy::StoredView view) const noexcept {
    if (is_query_) view.method(http::verb::get);
    // What was recorded does not grow old.
    if (limits().is_recording()) view.expires_override(TimePoint::max());
    return view;
  }

  bool has_explicit_lifetime(ResponseHead const& response) const noexcept {
    return rules().cache_control() && policy::has_explicit_lifetime(response.headers(), rules());
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
    policy::Freshness const fresh(judged_view(head, info), rules(), response_time_);
    bool const endless = fresh.lifetime() == policy::detail::forever;
    info.set_expires(endless ? TimePoint::max() : response_time_ + fresh.left());
    return fresh;
  }

  /// The request is not needed any more, but for its URL.
  Request take_request() {
    deadline_.limit(request_);
    Request taken(std::move(request_));
    request_ = Request(taken.method(), taken.url());
    return taken;
  }

  void report_saved(std::uint64_t bytes, CacheInfo const& stored, bool asked) const noexcept {
    auto const time = asked ? std::chrono::milliseconds(0) : stored.response_time() - stored.request_time();
    notify(options().observer(),
           [&](Observer& observer) { observer.on_saved(request_.url().str(), bytes, time); });
  }

  void report(std::string_view status) const noexcept {
    notify(options().observer(),
           [&](Observer& observer) { observer.on_response(request_.url().str(), status); });
  }

 private:
  bool is_get() const noexcept { return policy::detail::is_cacheable_method(request_.method()); }
  bool asks_by_body() const noexcept {
    http::verb const method = request_.method();
    if (is_get()) return false;
    if (limits().is_recording()) return true;
    // Preconditions and ranges of another method are for the origin alone.
    policy::detail::RequestFacts const facts{request_.headers()};
    return CacheOptions::is_query(method) && options().allows(method) && !facts.range && !facts.conditional;
  }

  /// What was recorded is given back as it came, whatever conditions it was asked with; but a cache answers a
  /// GET for a range, and one with validators, out of what it holds.
  void drop_conditions() {
    std::vector<http::field> dropped = {http::field::if_match, http::field::if_unmodified_since};
    if (!is_get()) {
      dropped.insert(dropped.end(), {http::field::if_none_match, http::field::if_modified_since,
                                     http::field::if_range, http::field::range});
    }
    for (http::field const name : dropped) {
      if (asked().headers().count(name) == 0) continue;
      if (!recorded_fields_) recorded_fields_.emplace(asked().headers());
      recorded_fields_->erase(name);
    }
  }

  void find_key() {
    has_key_ = false;
    try {
      // What another method's answer says of its URL (RFC 9110 section 9.3.3) is for a GET of that.
      std::optional<std::string> key = is_get() || is_query_
                                           ? create_key(request_, options())
                                           : std::optional(create_key(request_.url(), options()));
      has_key_ = key.has_value();
      if (has_key_) own_key_ = std::move(*key);
      // The key function may leave it to the URL.
      bool const asks_by_url = !is_query_ && (!is_get() || request_.body().empty());
      if (asks_by_url && own_key_ == create_key(options().stored_url(request_.url()))) own_key_.clear();
    } catch (...) {
      core_guard("key").handle();
    }
  }

  /// An ignored parameter is not stored; and without it the way would lead elsewhere.
  bool leads_to_ignored(ResponseHead const& response, http::field name) const {
    if (options().ignored_params().empty() || response.headers().count(name) == 0) return false;
    std::optional<Url> const url = request_.url().follow(response.headers()[name]);
    return url && options().has_ignored(*url);
  }

 protected:
  std::shared_ptr<CachedCore> core_;
  Request request_;
  CacheDirectives directives_;
  unsigned redirects_;  // that the caller follows
  Deadline deadline_;   // of all that is sent for it, and of waiting for others
  TimePoint now_;
  std::optional<Request> concealed_;
  bool is_query_;
  bool has_key_ = true;
  std::string own_key_;
  std::optional<policy::Options> recording_rules_;
  std::optional<http::fields> recorded_fields_;
  TimePoint request_time_;
  TimePoint response_time_;
  std::shared_ptr<SingleFlight::Watch> watch_;
  Invalidations before_;        // the request was sent
  bool is_told_later_ = false;  // the observer, when the response has been stored
};

}  // namespace detail
}  // namespace v1
}  // namespace beast_cache
