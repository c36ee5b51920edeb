#pragma once
/// \file request_builder.hpp
/// `session.get(url).header(..).timeout(..)`: a request that is itself an asynchronous operation.

#include <boost/asio/associator.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/cancellation_state.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <chrono>
#include <exception>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

#include "beast_cache/config.hpp"
#include "beast_cache/error.hpp"
#include "beast_cache/http/request.hpp"
#include "beast_cache/session/request_parts.hpp"

namespace beast_cache {
inline namespace v1 {

namespace detail {

/// The error code of whatever an operation threw. An exception that carries none (a user's own, bad_alloc) is
/// rethrown out of the handler, to whoever runs the executor.
inline error_code code_of(std::exception_ptr const& failure) {
  if (!failure) return {};
  try {
    std::rethrow_exception(failure);
  } catch (boost::system::system_error const& e) {
    return e.code();
  }
}

/// Turns a handler of (error_code, T) into the (exception_ptr, T) one that co_spawn wants.
template <class Handler>
class CodeHandler {
 public:
  explicit CodeHandler(Handler handler) : handler_(std::move(handler)) {}

  template <class T>
  void operator()(std::exception_ptr failure, T value) {
    std::move(handler_)(code_of(failure), std::move(value));
  }

  Handler const& inner() const noexcept { return handler_; }

 private:
  Handler handler_;
};

}  // namespace detail

/// A request under construction, made by a session's `get`, `post` and so on.
///
/// It is an `asio::awaitable` of the whole response, so it can stand wherever one can (`co_await`,
/// `co_spawn`, `operator&&`), with setters in front. Three ways to run it, each of which uses it up:
///
///     auto response = co_await session.get(url).header("Accept", "text/html");
///     auto streamed = co_await session.get(url).stream();
///     session.get(url).send(token);
///
/// The first throws `Error`; of the second, the body is read later; the third takes any completion token of
/// void(error_code, response_type). Once used up, the latter two throw `std::logic_error`. Setters are for
/// the object that the session has just returned, or a moved one.
///
/// What HTTP forbids in a string passed in is refused with `http_errc::injection` or `http_errc::invalid_url`
/// when the request runs, before the cache is asked or a byte is sent.
///
/// @tparam Core What the operations of a session share; it lives until they are done, so the session itself
/// may
///   be destroyed before them.
///
/// Cancellation: all types, through the token's or the awaiting coroutine's slot; the connection is closed.
/// Executor and hops: awaited, it runs and completes on the awaiting coroutine's executor; `send` runs it on
/// a
///   strand of the session's executor and completes on the token's associated executor.
/// Thread safety: distinct objects: safe; shared objects: unsafe.
//
// Why not an operation with operator()(token): Boost 1.81 can't await one of void(exception_ptr, T), and one
// of void(error_code, T) would lose the Error's context.
template <class Core>
class [[nodiscard]] RequestBuilder : public asio::awaitable<typename Core::response_type> {
 public:
  using response_type = typename Core::response_type;
  using stream_type = typename Core::stream_type;
  using options_type = typename Core::options_type;

  template <class Method>
  RequestBuilder(std::shared_ptr<Core> core, Method method, std::string_view url)
      : RequestBuilder(std::make_shared<Parts>(std::move(core), Request(method, Url()), url)) {}

  /// Sets a header field, in place of any of that name.
  /// Errors: `http_errc::header_limit`, at once, for a name or value that Beast can't hold (64 KiB).
  RequestBuilder&& header(std::string_view name, std::string_view value) && {
    guard(name, value);
    parts_->request.headers().set(name, value);
    return std::move(*this);
  }
  /// Adds a header field beside those of that name. Errors: as `header`.
  RequestBuilder&& add_header(std::string_view name, std::string_view value) && {
    guard(name, value);
    parts_->request.headers().insert(name, value);
    return std::move(*this);
  }
  /// Adds `name=value` to the URL's query, percent-encoded, in the order of the calls.
  RequestBuilder&& query(std::string_view name, std::string_view value) && {
    detail::append_query(parts_->query, name, value);
    return std::move(*this);
  }
  /// Authorization by user and password, as UTF-8 (RFC 7617). Errors: `http_errc::injection`, at once, for
  /// control characters, and for a colon in the user's name.
  RequestBuilder&& basic_auth(std::string_view user, std::string_view password) && {
    return std::move(*this).header("Authorization", detail::basic_credentials(user, password));
  }
  /// Authorization by a token (RFC 6750 section 2.1).
  RequestBuilder&& bearer(std::string_view token) && {
    return std::move(*this).header("Authorization", std::string("Bearer ").append(token));
  }
  /// Adds a field to a form, the body as `application/x-www-form-urlencoded`, in the order of the calls.
  RequestBuilder&& form_field(std::string_view name, std::string_view value) && {
    detail::append_form_field(parts_->form, name, value);
    detail::set_content(parts_->request, "application/x-www-form-urlencoded", Body(parts_->form));
    return std::move(*this);
  }
  /// The body as `multipart/form-data`; its files are read while they are sent.
  RequestBuilder&& multipart(Multipart const& form) && {
    detail::set_content(parts_->request, form);
    return std::move(*this);
  }
  /// The body as `application/json`; needs `beast_cache/session/json.hpp`.
  /// @param value A `boost::json::value`, or what `boost::json::value_from` makes into one.
  template <class Value>
  RequestBuilder&& json(Value const& value) && {
    detail::set_content(parts_->request, "application/json", Body(json_text(detail::JsonTag(), value)));
    return std::move(*this);
  }
  /// The request's body; Content-Length or chunked framing follow from it.
  RequestBuilder&& body(Body body) && {
    parts_->request.set_body(std::move(body));
    return std::move(*this);
  }
  /// How long the whole exchange may take; `std::chrono::milliseconds::max()` for any time. With zero and
  /// less it has taken too long already.
  RequestBuilder&& timeout(std::chrono::milliseconds timeout) && {
    parts_->request.set_timeout(timeout);
    return std::move(*this);
  }
  /// How many redirects to follow; 0 returns the redirect itself.
  RequestBuilder&& redirects(unsigned limit) && {
    parts_->request.set_redirects(limit);
    return std::move(*this);
  }
  /// Called for each interim (1xx) response, on the operation's executor.
  RequestBuilder&& on_interim(Request::OnInterim callback) && {
    parts_->request.set_on_interim(std::move(callback));
    return std::move(*this);
  }

  /// Stores the answer for that long, whatever lifetime the origin gives it: a duration, a time point,
  /// `never_expires` or `do_not_cache`. Cached sessions only.
  template <class Expiration>
  requires requires(options_type& o, Expiration e) { o.expire_after(e); }
  RequestBuilder&& expire_after(Expiration expiration) && {
    parts_->options.expire_after(std::move(expiration));
    return std::move(*this);
  }
  /// What this request may do with the cache and the network (`CacheUse`), beside what the session may.
  /// Cached sessions only.
  template <class Use>
  requires requires(options_type& o, Use u) { o.use(u); }
  RequestBuilder&& use(Use use) && {
    parts_->options.use(use);
    return std::move(*this);
  }
  /// Asks the origin whether a stored answer is still good, even when it is fresh. Cached sessions only.
  RequestBuilder&& refresh(bool on = true) && requires requires(options_type& o) { o.refresh(true); }
  {
    parts_->options.refresh(on);
    return std::move(*this);
  }
  /// Answers from the cache or with 504, never from the origin (RFC 9111 section 5.2.1.7). Cached sessions
  /// only.
  RequestBuilder&& only_if_cached() && requires requires(options_type& o) { o.refresh(true); }
  {
    parts_->options.only_if_cached(true);
    return std::move(*this);
  }
  /// Keeps this exchange out of the cache, and asks those on the way to do so (RFC 9111 section 5.2.1.5).
  /// Cached sessions only.
  RequestBuilder&& no_store() && requires requires(options_type& o) { o.no_store(true); }
  {
    parts_->options.no_store(true);
    return std::move(*this).add_header("Cache-Control", "no-store");
  }

  /// Runs the request to the end of its body, as an operation of signature void(error_code, response_type).
  template <asio::completion_token_for<void(error_code, response_type)> Token = asio::use_awaitable_t<>>
  auto send(Token&& token = {}) && {
    check_unused();
    return asio::async_initiate<Token, void(error_code, response_type)>(
        [](auto handler, RequestBuilder self) {
          asio::any_io_executor const strand = detail::strand_on(self.parts_->core->get_executor());
          asio::co_spawn(strand, run(std::move(self)),
                         detail::CodeHandler<decltype(handler)>(std::move(handler)));
        },
        token, std::move(*this));
  }

  /// Runs the request up to the response's head; the body is read from the result.
  asio::awaitable<stream_type> stream() && {
    check_unused();
    return start(std::move(parts_));
  }

 private:
  struct Parts {
    Parts(std::shared_ptr<Core> c, Request r, std::string_view u)
        : core(std::move(c)), request(std::move(r)), url(u) {}
    void resolve() {
      if (!fault.empty()) throw Error(http_errc::injection, fault);
      if (!query.empty()) url = detail::with_query(std::move(url), query);
      request.set_url(core->resolve(url));
    }
    std::shared_ptr<Core> core;
    Request request;
    std::string url;
    std::string query;
    std::string form;
    std::string fault;
    options_type options;
  };

  // The coroutine is made with the builder and does not run before it is awaited: it sees what the setters
  // did.
  explicit RequestBuilder(std::shared_ptr<Parts> parts)
      : asio::awaitable<response_type>(finish(parts)), parts_(std::move(parts)) {}

  static constexpr bool glances = requires(Core & core, Request& request, options_type const& options) {
    core.glance(request, options);
  };

  void check_unused() const {
    if (!this->valid() || !parts_) throw std::logic_error("RequestBuilder: the request has been used up");
  }

  // A coroutine that begins with co_spawn heeds terminal cancellation only, if it says nothing else.
  static asio::awaitable<response_type> run(asio::awaitable<response_type> whole) {
    co_await asio::this_coro::reset_cancellation_state(asio::enable_total_cancellation());
    co_return co_await std::move(whole);
  }

  static asio::awaitable<stream_type> start(std::shared_ptr<Parts> parts) {
    parts->resolve();
    Core& core = *parts->core;
    if constexpr (glances) {
      std::optional<response_type> ready = core.glance(parts->request, parts->options);
      if (ready) co_return Core::as_stream(std::move(*ready));
    }
    co_return co_await core.start(std::move(parts->request), std::move(parts->options));
  }
  static asio::awaitable<response_type> finish(std::shared_ptr<Parts> parts) {
    parts->resolve();
    Core& core = *parts->core;
    if constexpr (glances) {
      std::optional<response_type> ready = core.glance(parts->request, parts->options);
      if (ready) co_return core.as_whole(std::move(*ready));
    }
    stream_type head = co_await core.start(std::move(parts->request), std::move(parts->options));
    co_return co_await core.finish(std::move(head));
  }
  void guard(std::string_view name, std::string_view value) {
    std::string fault = detail::find_field_fault(name, value);
    if (!fault.empty()) parts_->fault = std::move(fault);
  }

  std::shared_ptr<Parts> parts_;
};

/// The calls that every session has, made from its core.
/// @tparam Session The session, which has a member `core()`.
template <class Session, class Core>
class RequestMethods {
 public:
  RequestBuilder<Core> get(std::string_view url) { return request(http::verb::get, url); }
  RequestBuilder<Core> head(std::string_view url) { return request(http::verb::head, url); }
  RequestBuilder<Core> post(std::string_view url) { return request(http::verb::post, url); }
  RequestBuilder<Core> put(std::string_view url) { return request(http::verb::put, url); }
  RequestBuilder<Core> patch(std::string_view url) { return request(http::verb::patch, url); }
  /// DELETE; the name has an underscore because `delete` is a keyword, as in `http::verb::delete_`.
  RequestBuilder<Core> delete_(std::string_view url) { return request(http::verb::delete_, url); }
  RequestBuilder<Core> options(std::string_view url) { return request(http::verb::options, url); }
  RequestBuilder<Core> request(http::verb method, std::string_view url) {
    return RequestBuilder<Core>(static_cast<Session&>(*this).core(), method, url);
  }
  /// A method by its name, also one that Beast does not know.
  RequestBuilder<Core> request(std::string_view method, std::string_view url) {
    return RequestBuilder<Core>(static_cast<Session&>(*this).core(), method, url);
  }
};

}  // namespace v1
}  // namespace beast_cache

/// Executor, allocator and cancellation slot are those of the handler inside.
template <template <class, class> class Associator, class Handler, class Default>
struct boost::asio::associator<Associator, beast_cache::detail::CodeHandler<Handler>, Default>
    : Associator<Handler, Default> {
  static auto get(beast_cache::detail::CodeHandler<Handler> const& h) noexcept {
    return Associator<Handler, Default>::get(h.inner());
  }
  static auto get(beast_cache::detail::CodeHandler<Handler> const& h, Default const& d) noexcept {
    return Associator<Handler, Default>::get(h.inner(), d);
  }
};
