#pragma once
// A client whose answers come piece by piece, when the test says so. One thread.

#include <algorithm>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "support/cached_world.hpp"

namespace test_support {

/// What someone waits for.
class Bell {
 public:
  asio::awaitable<void> wait() {
    asio::any_io_executor const executor = co_await asio::this_coro::executor;
    auto const timer = std::make_shared<asio::steady_timer>(executor, asio::steady_timer::time_point::max());
    timer_ = timer;
    error_code ec;
    co_await timer->async_wait(asio::redirect_error(asio::use_awaitable, ec));
    // A ring moves the time; a cancellation does not.
    if (timer->expiry() == asio::steady_timer::time_point::max())
      throw Error(asio::error::operation_aborted, "cancelled");
  }
  void ring() {
    auto const timer = timer_.lock();
    if (timer) timer->expires_at(asio::steady_timer::time_point::min());
  }

 private:
  std::weak_ptr<asio::steady_timer> timer_;
};

/// One exchange, as the origin sees it.
class Drip {
 public:
  explicit Drip(Request r, std::optional<std::uint64_t> l = {}) : request(std::move(r)), length(l) {}

  void open() {
    opened = true;
    bell.ring();
  }
  void push(std::string const& bytes) {
    bytes_ += bytes;
    bell.ring();
  }
  void end() {
    ended_ = true;
    bell.ring();
  }
  void break_off(error_code how = http_errc::truncated) {
    broken_ = how;
    bell.ring();
  }

  asio::awaitable<std::size_t> read(asio::mutable_buffer buffer) {
    while (bytes_.size() == taken && !ended_ && !broken_) co_await bell.wait();
    std::size_t const count = asio::buffer_copy(buffer, asio::buffer(bytes_) + taken);
    taken += count;
    if (count == 0 && broken_) throw Error(broken_, "origin.test");
    co_return count;
  }

  Request const request;
  std::optional<std::uint64_t> const length;  // of the body, where that is known
  Bell bell;
  bool opened = false;
  std::size_t taken = 0;
  bool given_up = false;  // by the client

 private:
  std::string bytes_;
  bool ended_ = false;
  error_code broken_;
};

class DripReader final : public BodyReader {
 public:
  explicit DripReader(std::shared_ptr<Drip> drip) : drip_(std::move(drip)) {}
  ~DripReader() override { drip_->given_up = true; }
  asio::awaitable<std::size_t> read_some(asio::mutable_buffer buffer) override { return drip_->read(buffer); }
  std::optional<std::uint64_t> remaining() const noexcept override {
    return drip_->length ? std::optional(*drip_->length - drip_->taken) : std::nullopt;
  }

 private:
  std::shared_ptr<Drip> drip_;
};

class DripClient final : public HttpClient {
 public:
  asio::awaitable<StreamedResponse> send(Request request) override {
    auto const drip = std::make_shared<Drip>(request, length);
    drips.push_back(drip);
    while (!drip->opened && holds_heads) co_await drip->bell.wait();
    StreamedResponse head = FakeClient::answer(request, status, headers);
    co_return StreamedResponse(static_cast<ResponseHead&&>(head), std::make_unique<DripReader>(drip));
  }

  void prepare(Request& request) const override {
    if (decodes) request.set_decompression(Decompression());
  }

  bool decodes = false;
  unsigned status = 200;
  std::string headers = "Cache-Control: max-age=60\r\n";
  bool holds_heads = true;
  std::optional<std::uint64_t> length;
  std::vector<std::shared_ptr<Drip>> drips;
};

/// What a caller has of its response.
class Seen {
 public:
  std::optional<CachedStream> stream;  // once its head is there
  std::string status;
  std::string body;
  std::size_t most = std::string::npos;  // it reads no more than that
  bool complete = false;
  std::exception_ptr failure;
  asio::cancellation_signal cancel;

  error_code code() const {
    try {
      if (failure) std::rethrow_exception(failure);
    } catch (boost::system::system_error const& e) {
      return e.code();
    }
    return error_code();
  }
};

inline asio::awaitable<void> consume(asio::awaitable<CachedStream> request, std::shared_ptr<Seen> seen) {
  CachedStream stream = co_await std::move(request);
  seen->status = stream.cache_status();
  seen->stream.emplace(std::move(stream));
  std::string buffer(std::size_t{5000}, '\0');
  while (seen->body.size() < seen->most) {
    std::size_t const count = co_await seen->stream->read_some(asio::buffer(buffer));
    seen->body.append(buffer, 0, count);
    seen->complete = count == 0;
    if (count == 0) break;
  }
  if (seen->complete) seen->stream.reset();
}
/// What was left.
inline asio::awaitable<void> consume_rest(std::shared_ptr<Seen> seen) {
  CachedStream rest = std::move(*seen->stream);
  std::string buffer(std::size_t{5000}, '\0');
  std::size_t count = 1;
  while (count != 0) {
    count = co_await rest.read_some(asio::buffer(buffer));
    seen->body.append(buffer, 0, count);
  }
  seen->complete = true;
}

inline void start(asio::io_context& io, asio::awaitable<void> task, std::shared_ptr<Seen> seen) {
  asio::co_spawn(io, std::move(task),
                 asio::bind_cancellation_slot(seen->cancel.slot(), [seen](std::exception_ptr e) {
                   seen->failure = e;
                   if (e) seen->stream.reset();
                 }));
}

}  // namespace test_support
