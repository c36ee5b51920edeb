#pragma once

#include <algorithm>
#include <boost/asio/buffer.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <chrono>
#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "beast_cache/detail/shared_stream.hpp"
#include "beast_cache/http/decompression.hpp"
#include "beast_cache/session/cached_session.hpp"
#include "beast_cache/session/impl/arrival.ipp"
#include "beast_cache/session/impl/rest_of_body.ipp"
#include "beast_cache/session/impl/tee_reader.ipp"
#include "beast_cache/session/redirects.hpp"

namespace beast_cache {
inline namespace v1 {
namespace detail {

/// A body as the caller of a request is to see it.
inline std::unique_ptr<BodyReader> decoded_body(Request const& request, ResponseHead head,
                                                std::unique_ptr<BodyReader> body) {
  StreamedResponse response(std::move(head), std::move(body));
  auto const& how = request.decompression();
  if (how) response = decode(std::move(response), request.method(), *how);
  return response.take_body();
}

/// An arriving body, as it was received. Should it break off for another reason than the origin's, or this
/// reader be too slow for the others, the rest comes from the store, once it is there, or from the origin by
/// a request for the rest (RFC 9111 section 3.4); where that can't be had either, the body is truncated, and
/// says so.
class ArrivingReader final : public BodyReader {
 public:
  /// @param request The reader's own. @param follows Whether the context that reads may be another one than
  ///   this reader's: then it is not waited for without end.
  ArrivingReader(std::shared_ptr<CachedCore> core, std::shared_ptr<Request const> request,
                 std::shared_ptr<Arrival> arrival, std::unique_ptr<SharedStream::Reader> reader, bool follows)
      : core_(std::move(core)),
        request_(std::move(request)),
        arrival_(std::move(arrival)),
        reader_(std::move(reader)),
        follows_(follows) {
    // Two of these come to `collapse_wait`; a thread may be busy for a while.
    if (follows)
      stall_ = std::max<Clock::duration>(least_stall, core_->backend().options().collapse_wait() / 2);
    if (request_->timeout()) deadline_ = Deadline::after(*request_->timeout());
  }

  asio::awaitable<std::size_t> read_some(asio::mutable_buffer buffer) override {
    if (buffer.size() == 0) co_return 0;
    while (!rest_ && !ended_ && offset_ == size_of_piece()) co_await next();
    std::size_t count = 0;
    if (rest_) {
      count = co_await rest_->read_some(buffer);
    } else if (!ended_) {
      count = asio::buffer_copy(buffer, asio::buffer(*piece_) + offset_);
      offset_ += count;
    }
    position_ += count;
    co_return count;
  }
  std::optional<std::uint64_t> remaining() const noexcept override {
    if (ended_) return 0;
    return arrival_->size() ? std::optional(*arrival_->size() - position_) : std::nullopt;
  }
  http::fields const& trailers() const noexcept override {
    if (rest_) return rest_->trailers();
    return ended_ ? arrival_->trailers() : BodyReader::trailers();
  }

 private:
  using Clock = SharedStream::Clock;
  static constexpr std::chrono::seconds least_stall{1}, least_wait{60};

  std::size_t size_of_piece() const noexcept { return piece_ ? piece_->size() : 0; }

  asio::awaitable<void> next() {
    piece_.reset();
    offset_ = 0;
    auto const step = co_await reader_->next(piece_, stall_, deadline_);
    switch (step) {
      case SharedStream::Step::piece:
        break;
      case SharedStream::Step::end:
        ended_ = true;
        break;
      case SharedStream::Step::failed:
        std::rethrow_exception(arrival_->failure());
      case SharedStream::Step::timeout:
        throw TimeoutError(Phase::receive, std::string(arrival_->entry().url().without_query()));
      default:
        co_await go_on_alone();
    }
    if (rest_) reader_.reset();
  }

  asio::awaitable<void> go_on_alone() {
    if (arrival_->size() == position_) rest_ = std::make_unique<StringReader>(std::string());
    if (!rest_) co_await look_for_rest();
    if (!rest_) co_await ask_for_rest();
    if (!rest_) co_await wait_for_rest();
    if (rest_) co_return;
    // (A limit of the leader's own is its failure alone.)
    if (!follows_ && arrival_->failure()) std::rethrow_exception(arrival_->failure());
    throw Error(http_errc::truncated,
                std::string(arrival_->entry().url().without_query()) + ": the request that it came by ended");
  }

  asio::awaitable<void> look_for_rest() {
    CachedHead const& entry = arrival_->entry();
    LookupQuery query(entry);
    CacheGuard guard(core_->backend().options(), "lookup", entry.url());
    std::optional<Lookup> found = co_await guard.get(core_->backend().lookup(std::move(query)));
    if (!found || !found->selected()) co_return;
    StoredResponse const& stored = *found->selected();
    bool const same = stored.status() == entry.status() && stored.request_time() == entry.request_time() &&
                      stored.response_time() == entry.response_time() && stored.body().size() >= position_;
    if (same) rest_ = stored.body().open(position_, stored.body().size() - position_);
  }

  /// The others go on: what they read will have been stored. Seldom waited for: looked for, not signalled.
  asio::awaitable<void> wait_for_rest() {
    auto const patience =
        std::max<Clock::duration>(10 * core_->backend().options().collapse_wait(), least_wait);
    Clock::time_point const until = deadline_.value_or(Clock::now() + patience);
    asio::any_io_executor const executor = co_await asio::this_coro::executor;
    asio::steady_timer timer(executor);
    while (!arrival_->is_over() && Clock::now() < until) {
      timer.expires_after(std::chrono::milliseconds(5));
      co_await timer.async_wait(asio::use_awaitable);
    }
    co_await look_for_rest();
  }

  asio::awaitable<void> ask_for_rest() {
    rest_ = co_await fetch_rest(core_, request_, arrival_->entry(), position_, arrival_->size(), deadline_);
  }

  std::shared_ptr<CachedCore> core_;
  std::shared_ptr<Request const> request_;
  std::shared_ptr<Arrival> arrival_;
  std::unique_ptr<SharedStream::Reader> reader_;
  bool const follows_;
  std::optional<Clock::duration> stall_;
  std::optional<Clock::time_point> deadline_;
  std::shared_ptr<std::string const> piece_;
  std::size_t offset_ = 0;  // in that
  std::uint64_t position_ = 0;
  std::unique_ptr<BodyReader> rest_;
  bool ended_ = false;
};

/// The body of a response that leads, or follows, as its caller reads it.
///
/// A leader reads, and stores, by itself as long as it is alone: so it costs no more than it did. When others
/// come, before what has been read is out of memory, a pump on the leader's executor takes over, and the
/// leader becomes a reader like the others.
class FlightReader final : public BodyReader {
 public:
  /// The leader's. @param size Of the body as it is received, where that is known.
  FlightReader(std::shared_ptr<CachedCore> core, Request request, std::unique_ptr<TeeReader> tee,
               std::shared_ptr<BodySink> sink, std::optional<std::uint64_t> size)
      : core_(std::move(core)),
        request_(std::make_shared<Request>(std::move(request))),
        deadline_(request_->timeout()),
        tee_(std::move(tee)),
        sink_(std::move(sink)),
        arrival_(std::make_shared<Arrival>(core_->backend().options().collapse_wait() / 2, size)) {
    tee_->lead()->arrive(arrival_);
  }
  /// A follower's.
  FlightReader(std::shared_ptr<Arrival> arrival, std::unique_ptr<BodyReader> inner)
      : arrival_(std::move(arrival)), inner_(std::move(inner)) {}

  asio::awaitable<std::size_t> read_some(asio::mutable_buffer buffer) override {
    if (buffer.size() == 0) co_return 0;
    if (tee_) co_await share_if_wanted();
    if (!tee_) {
      // Comes to where the caller is.
      if (skipped_ != 0) co_await skip(*inner_, skipped_, arrival_->entry().url());
      co_return co_await inner_->read_some(buffer);
    }
    std::size_t const count = co_await tee_->read_some(buffer);
    skipped_ += count;
    co_await share_if_wanted();
    co_return count;
  }
  std::optional<std::uint64_t> remaining() const noexcept override {
    if (tee_) return tee_->remaining();
    std::optional<std::uint64_t> const left = inner_->remaining();
    return left ? std::optional(*left - std::min(*left, skipped_)) : left;
  }
  http::fields const& trailers() const noexcept override {
    return tee_ ? tee_->trailers() : inner_->trailers();
  }

  /// Whether who was to read it for all has gone before the end.
  bool is_lost() const noexcept { return arrival_->is_lost(); }

  /// Lets the others have what comes, if there are any.
  asio::awaitable<void> share_if_wanted() {
    if (!arrival_->wanted()) co_return;
    asio::any_io_executor const executor = co_await asio::this_coro::executor;
    share(executor);
  }

  /// After the end: takes back what was announced when the response turned out not to be stored.
  void report(CacheInfo& info) const {
    if (tee_) return tee_->report(info);
    bool const over = arrival_->is_over();
    if (over && arrival_->stored()) return;
    bool const tells_why = over && !arrival_->unstored().empty();
    if (!unstored_.empty()) info.set_cache_status(tells_why ? arrival_->unstored() : unstored_);
    info.set_created_at(std::nullopt).set_expires(std::nullopt);
  }

 private:
  void share(asio::any_io_executor const& executor) {
    TeeReader& tee = *tee_;
    std::optional<std::string> beginning = sink_->beginning(SharedStream::window);
    if (!tee.lead() || !beginning) return;
    auto stop = std::make_shared<Stop>(executor);
    unstored_ = tee.unstored();
    auto pump = std::make_unique<Pump>(arrival_, stop, std::move(tee_), request_->timeout().has_value());
    arrival_->open(tee.entry(), std::move(*beginning), std::move(stop));
    deadline_.limit(*request_);
    auto reader = std::make_unique<ArrivingReader>(core_, request_, arrival_, arrival_->attach(), false);
    inner_ = decoded_body(*request_, tee.entry(), std::move(reader));
    std::exchange(sink_, nullptr)->share_with(arrival_);
    tee.lead()->share();
    Pump::start(std::move(pump));
  }

  std::shared_ptr<CachedCore> core_;
  std::shared_ptr<Request> request_;
  Deadline deadline_{std::nullopt};
  std::unique_ptr<TeeReader> tee_;  // while it is alone
  std::shared_ptr<BodySink> sink_;
  std::shared_ptr<Arrival> arrival_;
  std::unique_ptr<BodyReader> inner_;  // afterwards
  std::uint64_t skipped_ = 0;          // what the caller had of it before
  std::string unstored_;
};

}  // namespace detail
}  // namespace v1
}  // namespace beast_cache
