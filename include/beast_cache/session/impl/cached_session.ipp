#pragma once
// Compiled once, by the source file of the same name: a user who only includes the header need not pay for
// it.

#include <chrono>
#include <stdexcept>
#include <string>

#include "beast_cache/session/basic_credentials.hpp"
#include "beast_cache/session/cached_session.hpp"
#include "beast_cache/session/impl/cached_exchange.ipp"
#include "beast_cache/session/redirects.hpp"

namespace beast_cache {
inline namespace v1 {
namespace detail {

CachedCore::CachedCore(asio::any_io_executor executor, std::shared_ptr<HttpClient> client,
                       std::shared_ptr<CacheBackend> backend)
    : executor_(std::move(executor)), client_(std::move(client)), backend_(std::move(backend)) {
  if (!client_ || !backend_) throw std::invalid_argument("CachedSession: needs a client and a backend");
}

asio::awaitable<CachedStream> CachedCore::start(Request request, CacheDirectives directives) {
  std::shared_ptr<CachedCore> self = shared_from_this();
  unsigned const limit = request.redirects().value_or(client_->max_redirects());
  Deadline const deadline(request.timeout());
  if (directives.refresh()) request.headers().insert(http::field::cache_control, "no-cache");
  request.set_redirects(0);  // each hop has rules of its own, so the client is asked for single hops

  std::vector<ResponseHead> history;
  bool asked_origin = false;
  for (;;) {
    client_->prepare(request);
    // Some clients make credentials of the URL's user information only when they send: they have to count
    // here.
    std::string const& user_info = request.url().user_info();
    if (!user_info.empty() && request.headers().count(http::field::authorization) == 0)
      request.headers().set(http::field::authorization, basic_credentials(user_info));
    deadline.limit(request);
    CachedExchange exchange(self, request, directives, limit > 0);
    CachedStream response = co_await exchange.run();
    asked_origin = asked_origin || !response.from_cache();

    std::optional<Request> next;
    if (limit > 0) next = next_hop(request, response, client_->allow_downgrade());
    if (!next) {
      if (asked_origin && response.created_at()) {
        for (auto const& hop : history) co_await exchange.alias(hop.url());
      }
      response.set_history(std::move(history));
      co_return response;
    }
    if (history.size() == limit)
      throw Error(http_errc::redirect_limit,
                  request.url().str() + " after " + std::to_string(limit) + " redirects");
    co_await drain(response.take_body());
    history.push_back(static_cast<ResponseHead&&>(response));
    request = std::move(*next);
  }
}

asio::awaitable<CachedResponse> CachedCore::finish(CachedStream stream) {
  std::unique_ptr<BodyReader> body = stream.take_body();
  std::shared_ptr<std::string const> text;
  if (auto* const stored = dynamic_cast<StringReader*>(body.get())) {
    text = stored->text();
    check_body_limit(text->size(), client_->max_body_size());
  } else {
    std::string read = co_await read_rest(*body, client_->max_body_size());
    text = std::make_shared<std::string const>(std::move(read));
  }
  // Only now is it known whether the response was stored.
  if (auto const* const tee = dynamic_cast<TeeReader const*>(body.get())) tee->report(stream);
  Response whole(static_cast<ResponseHead&&>(stream), std::move(text));
  co_return CachedResponse(std::move(whole), static_cast<CacheInfo&&>(stream));
}

asio::awaitable<void> CachedCore::close() {
  std::shared_ptr<CachedCore> self = shared_from_this();
  co_await client_->close();
  if (backend_->options().autoclose()) co_await backend_->close();
}

}  // namespace detail
}  // namespace v1
}  // namespace beast_cache
