#pragma once
// Compiled once, by the source file of the same name: a user who only includes the header need not pay for
// it.

#include <boost/asio/buffer.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <chrono>
#include <mutex>
#include <set>
#include <stdexcept>
#include <string>

#include "beast_cache/backend/ready_response.hpp"
#include "beast_cache/detail/context_gate.hpp"
#include "beast_cache/policy/cache_control.hpp"
#include "beast_cache/policy/plain_reuse.hpp"
#include "beast_cache/session/basic_credentials.hpp"
#include "beast_cache/session/cached_session.hpp"
#include "beast_cache/session/impl/cached_exchange.ipp"
#include "beast_cache/session/redirects.hpp"

namespace beast_cache {
inline namespace v1 {
namespace detail {

CachedCore::CachedCore(asio::any_io_executor executor, std::shared_ptr<HttpClient> client,
                       std::shared_ptr<CacheBackend> backend)
    : executor_(std::move(executor)),
      gate_(ContextGate::of(executor_)),
      client_(std::move(client)),
      backend_(std::move(backend)),
      revalidations_(std::make_shared<Revalidations>()),
      has_plain_keys_(backend_ && has_plain_keys(backend_->options())) {
  if (!client_ || !backend_) throw std::invalid_argument("CachedSession: needs a client and a backend");
}

bool CachedCore::has_plain_keys(CacheOptions const& options) noexcept {
  return !options.key() && !options.has_filter() && !options.changes_urls() && !options.include_headers() &&
         !options.restore_cookies() && !options.may_refuse() && options.match_headers().empty() &&
         options.allows(http::verb::get);
}

bool CachedCore::prepare_plain(Request& request, CacheDirectives const& directives) const {
  bool const is_plain = has_plain_keys_ && limits_.is_none() && request.method() == http::verb::get &&
                        request.body().empty() && request.url().user_info().empty() &&
                        directives.limits().is_none() && !directives.expire_after();
  if (!is_plain) return false;
  client_->prepare(request);
  http::fields const& headers = std::as_const(request).headers();
  return !has_credentials(headers) && policy::is_plain(headers);
}

bool CachedCore::gives_as_is(ResponseHead const& stored, bool is_coded, Request const& request) const {
  bool const fits = !is_coded || (!request.decompression() &&
                                  policy::accepts_coding(std::as_const(request).headers(), stored.headers()));
  return fits && !is_redirect(stored.status()) && backend_->options().allows(stored.status());
}

void CachedCore::give(CachedResponse& answer, Request const& request,
                      Deadline::Clock::time_point begin) const {
  notify(backend_->options().observer(), [&](Observer& observer) {
    std::string const& url = request.url().str();
    observer.on_saved(url, answer.body().size(), answer.response_time() - answer.request_time());
    observer.on_response(url, answer.cache_status());
  });
  answer.set_elapsed(Deadline::Clock::now() - begin);
}

std::optional<CachedResponse> CachedCore::glance(Request& request, CacheDirectives const& directives) {
  auto const begin = Deadline::Clock::now();
  if (backend_->options().memory_bytes() == 0 || !prepare_plain(request, directives)) return std::nullopt;
  TimePoint const now = backend_->options().clock()->now();
  std::shared_ptr<ReadyResponse const> const ready = backend_->glance(request, now);
  if (!ready || !gives_as_is(ready->stored(), ready->is_coded(), request)) return std::nullopt;
  std::optional<CachedResponse> answer = ready->answer(request, now);
  if (answer) give(*answer, request, begin);
  return answer;
}

CachedStream CachedCore::as_stream(CachedResponse ready) {
  auto body = std::make_unique<StringReader>(ready.shared_body());
  StreamedResponse head(static_cast<ResponseHead&&>(ready), std::move(body));
  return CachedStream(std::move(head), static_cast<CacheInfo&&>(ready));
}

CachedResponse CachedCore::as_whole(CachedResponse ready) const {
  check_body_limit(ready.body().size(), client_->max_body_size(), ready.url().without_query());
  return ready;
}

std::optional<CachedResponse> CachedCore::answer_early(EarlyLookup& early, Request const& request) const {
  std::optional<StoredResponse>& stored = early.found.selected();
  CacheOptions const& options = backend_->options();
  if (!stored || !gives_as_is(*stored, is_coded(*stored), request)) return std::nullopt;
  std::optional<CachedResponse> answer = answer_plain(*stored, options.rules(), options.clock()->now());
  if (answer) {
    // What was found may have been stored for another query (No-Vary-Search), or with more than is kept.
    answer->set_url(request.url());
    answer->set_history({});
  }
  return answer;
}

asio::awaitable<CachedStream> CachedCore::start(Request request, CacheDirectives directives) {
  std::shared_ptr<CachedCore> self = shared_from_this();
  auto const begin = Deadline::Clock::now();
  unsigned const limit = request.redirects().value_or(client_->max_redirects());
  Deadline deadline(request.timeout());
  Deadline const of_all(request.timeout() ? request.timeout() : client_->timeout());
  Limits const limits = directives.add(limits_).limits();
  // Caches on the way are to ask, too.
  bool const anew = limits.validates() || (!limits.looks() && limits.stores());
  if (anew) request.headers().insert(http::field::cache_control, "no-cache");
  if (!limits.asks()) request.headers().insert(http::field::cache_control, "only-if-cached");
  request.set_redirects(0);  // each hop has rules of its own, so the client is asked for single hops

  // Most requests are plain, and what is stored is the answer.
  std::optional<EarlyLookup> early;
  if (prepare_plain(request, directives)) {
    deadline.limit(request);
    early.emplace(backend_->flights().landed(request.url().str()));
    LookupQuery query(request, std::string());
    try {
      early->found = co_await backend_->lookup(std::move(query));
    } catch (...) {
      CacheGuard(backend_->options(), "lookup", request.url()).handle();
      early->failed = true;
    }
    std::optional<CachedResponse> answer = answer_early(*early, request);
    if (answer) {
      give(*answer, request, begin);
      co_return as_stream(std::move(*answer));
    }
  }

  std::vector<ResponseHead> history;
  std::vector<Url> hops;  // of which it may be noted where they led
  bool asked_origin = false;
  for (;;) {
    if (!early) {  // what was looked up is for the request as it was prepared then
      client_->prepare(request);
      // Some clients make credentials of the URL's user information only when they send: they have to count
      // here.
      std::string const& user_info = request.url().user_info();
      if (!user_info.empty() && request.headers().count(http::field::authorization) == 0)
        request.headers().set(http::field::authorization, basic_credentials(user_info));
      deadline.limit(request);
    }
    unsigned const left = limit - static_cast<unsigned>(history.size());
    CachedExchange exchange(self, request, directives, left, std::exchange(early, std::nullopt));
    CachedStream response = co_await exchange.run();
    asked_origin = asked_origin || !response.from_cache();

    std::optional<Request> next;
    if (limit > 0) next = next_hop(request, response, client_->allow_downgrade());
    if (!next) {
      if (asked_origin && response.created_at()) {
        for (Url const& hop : hops) co_await exchange.alias(hop);
      }
      response.set_history(std::move(history));
      response.set_elapsed(Deadline::Clock::now() - begin);
      co_return response;
    }
    if (history.size() == limit)
      throw Error(http_errc::redirect_limit, std::string(request.url().without_query()) + " after " +
                                                 std::to_string(limit) + " redirects");
    co_await drain(response.take_body());
    bool const notes = !exchange.is_refused() && !policy::CacheControl(response.headers()).no_store();
    if (notes) hops.push_back(response.url());
    history.push_back(static_cast<ResponseHead&&>(response));
    request = std::move(*next);
    deadline = of_all;
  }
}

asio::awaitable<CachedResponse> CachedCore::finish(CachedStream stream) {
  std::unique_ptr<BodyReader> body = stream.take_body();
  std::shared_ptr<std::string const> text;
  auto* const repeatable = dynamic_cast<RepeatableReader*>(body.get());
  BodyReader const* const reader = repeatable ? repeatable->inner() : body.get();
  auto const* const flight = dynamic_cast<FlightReader const*>(reader);
  bool fails = false;
  if (auto* const stored = dynamic_cast<StringReader*>(body.get())) {
    text = stored->text();
    check_body_limit(text->size(), client_->max_body_size(), stream.url().without_query());
  } else {
    try {
      text = co_await read_rest(*body, client_->max_body_size(), stream.url().without_query());
    } catch (boost::system::system_error const& e) {
      bool const is_fault = is_cache_fault(e.code()) && !backend_->options().strict();
      bool const is_lost = e.code() == http_errc::truncated && flight && flight->is_lost();
      if (!repeatable || !(is_fault || is_lost)) throw;
      fails = true;
    }
  }
  if (fails) {
    std::vector<ResponseHead> history = stream.history();
    repeatable->tells_nothing();
    CachedStream anew = co_await start(repeatable->request(), repeatable->directives());
    for (ResponseHead const& hop : anew.history()) history.push_back(hop);
    anew.set_history(std::move(history));
    CachedResponse whole = co_await finish(std::move(anew));
    co_return whole;
  }
  // Only now is it known whether the response was stored.
  if (auto const* const tee = dynamic_cast<TeeReader const*>(reader)) tee->report(stream);
  if (flight) flight->report(stream);
  Response whole(static_cast<ResponseHead&&>(stream), std::move(text));
  co_return CachedResponse(std::move(whole), static_cast<CacheInfo&&>(stream));
}

/// Those that are under way.
class CachedCore::Revalidations {
 public:
  /// Not more of them at a time.
  static constexpr std::size_t most = 64;

  bool begin(std::string const& entry) {
    std::lock_guard const lock(mutex_);
    return !closing_ && entries_.size() < most && entries_.insert(entry).second;
  }
  void end(std::string const& entry) noexcept {
    std::lock_guard const lock(mutex_);
    entries_.erase(entry);
  }
  /// From now on none begins. @return True when none is under way.
  bool close() noexcept {
    std::lock_guard const lock(mutex_);
    closing_ = true;
    return entries_.empty();
  }

 private:
  std::mutex mutex_;
  std::set<std::string> entries_;
  bool closing_ = false;
};

/// Counts one while it lives.
class CachedCore::Revalidation {
 public:
  Revalidation(std::shared_ptr<Revalidations> all, std::string entry)
      : all_(std::move(all)), entry_(std::move(entry)), counted_(all_->begin(entry_)) {}
  Revalidation(Revalidation const&) = delete;
  Revalidation& operator=(Revalidation const&) = delete;
  ~Revalidation() {
    if (counted_) all_->end(entry_);
  }
  /// False when it is one too many.
  bool counted() const noexcept { return counted_; }

 private:
  std::shared_ptr<Revalidations> all_;
  std::string entry_;
  bool counted_;
};

void CachedCore::revalidate_later(Request request, CacheDirectives directives, std::string entry) {
  Limits const limits = directives.limits();
  if (!request.body().repeatable() || !limits.stores() || !limits.asks()) return;
  auto counted = std::make_shared<Revalidation>(revalidations_, std::move(entry));
  if (!counted->counted()) return;
  // What is stored is to be validated, whatever of it the caller wanted.
  for (auto const name : {http::field::if_none_match, http::field::if_modified_since, http::field::range,
                          http::field::if_range}) {
    request.headers().erase(name);
  }
  request.set_on_interim(Request::OnInterim());
  std::lock_guard const lock(gate_->mutex);
  if (gate_->closed) return;
  auto const strand = asio::make_strand(executor_);
  auto start = [strand, task = revalidate(shared_from_this(), std::move(request), std::move(directives),
                                          std::move(counted))]() mutable {
    asio::co_spawn(strand, std::move(task), asio::detached);
  };
  // Not at once: nothing of the user's runs under the mutex.
  asio::post(strand, std::move(start));
}

asio::awaitable<void> CachedCore::revalidate(std::shared_ptr<CachedCore> self, Request request,
                                             CacheDirectives directives,
                                             std::shared_ptr<Revalidation> counted) {
  Url const url = request.url().without_user_info();
  static_cast<void>(counted);
  try {
    CachedExchange exchange(self, std::move(request), directives, self->client().max_redirects());
    std::optional<CachedStream> response = co_await exchange.revalidate();
    if (response) {
      std::string buffer(std::size_t{16384}, '\0');
      std::size_t count = 1;
      while (count != 0) count = co_await response->read_some(asio::buffer(buffer));
    }
  } catch (...) {
    CacheGuard(self->backend_->options(), "revalidate", url).tell(std::current_exception());
  }
}

asio::awaitable<void> CachedCore::close() {
  std::shared_ptr<CachedCore> self = shared_from_this();
  asio::any_io_executor const executor = co_await asio::this_coro::executor;
  asio::steady_timer timer(executor);
  // Seldom waited for: looked for, not signalled.
  while (!revalidations_->close()) {
    timer.expires_after(std::chrono::milliseconds(2));
    co_await timer.async_wait(asio::use_awaitable);
  }
  co_await client_->close();
  if (backend_->options().autoclose()) co_await backend_->close();
}

}  // namespace detail

asio::awaitable<StreamedResponse> CachedSession::send_through(std::shared_ptr<detail::CachedCore> core,
                                                              Request request) {
  CachedStream stream;
  std::optional<CachedResponse> ready = core->glance(request, CacheDirectives());
  if (ready) {
    stream = detail::CachedCore::as_stream(std::move(*ready));
  } else {
    stream = co_await core->start(std::move(request), CacheDirectives());
  }
  stream.headers().insert("Cache-Status", stream.cache_status());
  co_return StreamedResponse(static_cast<StreamedResponse&&>(stream));
}
asio::awaitable<void> CachedSession::close_core(std::shared_ptr<detail::CachedCore> core) {
  co_await core->close();
}

}  // namespace v1
}  // namespace beast_cache
