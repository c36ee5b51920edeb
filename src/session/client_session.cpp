#include "beast_cache/session/client_session.hpp"

#include <boost/beast/http/rfc7230.hpp>
#include <string>
#include <utility>
#include <vector>

#include "beast_cache/error.hpp"
#include "beast_cache/http/decompression.hpp"
#include "beast_cache/session/basic_credentials.hpp"
#include "beast_cache/session/cookie_jar.hpp"
#include "beast_cache/session/redirects.hpp"
#include "session/connection_pool.hpp"
#include "session/exchange.hpp"

namespace beast_cache {
inline namespace v1 {
namespace detail {
namespace {

/// RFC 6265bis section 5.8.3: what may go with a request that another site has caused.
SameSite strictest_cookies(Request const& request) noexcept {
  if (!request.has_left_site()) return SameSite::strict;
  bool const is_safe = request.method() == http::verb::get || request.method() == http::verb::head ||
                       request.method() == http::verb::options;
  return is_safe ? SameSite::lax : SameSite::none;
}

/// Whether the connection may serve another exchange, once the body has been read.
bool leaves_connection(ResponseHead const& response) {
  http::fields const& fields = response.headers();
  bool const has_end =
      fields.count(http::field::content_length) != 0 || fields.count(http::field::transfer_encoding) != 0;
  return has_end && response.version() == 11 &&
         !http::token_list(fields[http::field::connection]).exists("close");
}

}  // namespace

ClientCore::ClientCore(asio::any_io_executor executor, ClientOptions options)
    : executor_(std::move(executor)),
      options_(std::move(options)),
      pool_(ConnectionPool::create(executor_, options_)),
      defaults_(http::verb::get, Url()) {
  add_default_fields(defaults_);
}

ClientCore::~ClientCore() {
  pool_->close();
}

void ClientCore::close() noexcept {
  pool_->close();
}

Url ClientCore::resolve(std::string_view text) const {
  Url const& base = options_.base_url();
  std::optional<Url> url = base.str().empty() ? std::nullopt : base.resolve(text);
  return url ? std::move(*url) : Url(text);
}

void ClientCore::add_default_fields(Request& request) const {
  auto const has = [&](auto name) { return std::as_const(request).headers().count(name) != 0; };
  // Once at another origin, also on the way back: they may be credentials.
  if (!request.has_left_origin()) {
    for (auto const& field : options_.default_headers()) {
      if (!has(field.name_string()))
        request.headers().insert(field.name(), field.name_string(), field.value());
    }
  }
  if (!options_.user_agent().empty() && !has(http::field::user_agent))
    request.headers().set(http::field::user_agent, options_.user_agent());
  if (!options_.accept().empty() && !has(http::field::accept))
    request.headers().set(http::field::accept, options_.accept());
  Decompression const decompression = options_.decompression();
  if (decompression.enabled() && !request.decompression() && !has(http::field::accept_encoding)) {
    // A part of a coded body can't be decoded. Fetch Standard, HTTP-network-or-cache fetch, step 8.18.
    std::string_view const codings =
        has(http::field::range) ? std::string_view("identity") : accepted_codings();
    request.headers().set(http::field::accept_encoding, codings);
    request.set_decompression(decompression);
  }
}

void ClientCore::restore_cookies(Url const& url, http::fields const& response, TimePoint received) const {
  if (options_.cookie_jar()) options_.cookie_jar()->restore(url, response, received);
}

void ClientCore::prepare(Request& request) const {
  http::fields const& given = std::as_const(request).headers();
  bool const has_none = given.begin() == given.end();
  if (has_none && !request.has_left_origin() && !request.decompression()) {
    request.set_headers(defaults_.shared_headers());
    if (defaults_.decompression()) request.set_decompression(*defaults_.decompression());
  } else {
    add_default_fields(request);
  }
  // Once: what a cache has compared is what is sent.
  if (options_.cookie_jar() && !request.has_jar_cookies() &&
      std::as_const(request).headers().count(http::field::cookie) == 0) {
    std::string const cookies = options_.cookie_jar()->header(request.url(), strictest_cookies(request));
    if (!cookies.empty()) request.headers().set(http::field::cookie, cookies);
    request.set_has_jar_cookies(true);
  }
  std::string const& user_info = request.url().user_info();
  if (!user_info.empty() && std::as_const(request).headers().count(http::field::authorization) == 0)
    request.headers().set(http::field::authorization, basic_credentials(user_info));
}

std::shared_ptr<ExchangeRecord> ClientCore::next_record(ExchangeRecord const* last, Request const& request) {
  if (last) return last->next(ExchangeRecord::Cause::redirect, request);
  return std::make_shared<ExchangeRecord>(options_.observer(), ++observed_, ExchangeRecord::Cause::request,
                                          request);
}

asio::awaitable<StreamedResponse> ClientCore::start(Request request, NoDirectives) {
  std::shared_ptr<ClientCore> const self = shared_from_this();
  auto const begin = Deadline::Clock::now();
  auto const deadline = Deadline::after(request.timeout().value_or(options_.timeout()));
  unsigned const limit = request.redirects().value_or(options_.max_redirects());
  std::vector<ResponseHead> history;
  std::shared_ptr<ExchangeRecord> record;
  for (;;) {
    prepare(request);
    Exchange exchange(pool_, std::move(request), deadline, options_.max_header_size());
    if (options_.observer()) exchange.note_in(next_record(record.get(), exchange.request()));
    StreamedResponse response = co_await exchange.run();
    if (options_.cookie_jar()) options_.cookie_jar()->store(exchange.request().url(), response.headers());
    std::optional<Request> next;
    if (limit > 0) next = next_hop(exchange.request(), response, options_.allow_downgrade());
    if (!next) {
      response.set_history(std::move(history));
      response.set_elapsed(Deadline::Clock::now() - begin);
      std::optional<Decompression> const& how = exchange.request().decompression();
      if (how) response = decode(std::move(response), exchange.request().method(), *how);
      co_return response;
    }
    if (history.size() == limit)
      throw Error(http_errc::redirect_limit, std::string(exchange.request().url().origin()) + " after " +
                                                 std::to_string(limit) + " redirects");
    if (leaves_connection(response)) co_await drain(response.take_body());
    history.push_back(static_cast<ResponseHead&&>(response));
    record = exchange.record();
    request = std::move(*next);
  }
}

asio::awaitable<Response> ClientCore::finish(StreamedResponse stream) {
  std::unique_ptr<BodyReader> const body = stream.take_body();
  // The whole of a small one has come with its head.
  std::optional<std::string> ready = body->take_buffered();
  if (ready && ready->size() <= options_.max_body_size())
    co_return Response(static_cast<ResponseHead&&>(stream), std::move(*ready));
  std::string_view const whose = stream.url().without_query();
  if (ready) check_body_limit(ready->size(), options_.max_body_size(), whose);
  std::shared_ptr<std::string const> text = co_await read_rest(*body, options_.max_body_size(), whose);
  co_return Response(static_cast<ResponseHead&&>(stream), std::move(text));
}

}  // namespace detail
asio::awaitable<StreamedResponse> ClientSession::send_through(std::shared_ptr<detail::ClientCore> core,
                                                              Request request) {
  co_return co_await core->start(std::move(request), detail::NoDirectives());
}
asio::awaitable<void> ClientSession::close_core(std::shared_ptr<detail::ClientCore> core) {
  core->close();
  co_return;
}

}  // namespace v1
}  // namespace beast_cache
