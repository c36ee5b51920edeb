#include "session/exchange.hpp"

#include <algorithm>
#include <boost/asio/error.hpp>
#include <charconv>
#include <cstring>
#include <utility>

#include "beast_cache/error.hpp"
#include "session/failure.hpp"

namespace beast_cache {
inline namespace v1 {
namespace detail {
namespace {

// RFC 9110 section 15.2 sets no limit; a server that sends more than these is not making progress.
constexpr unsigned max_interim = 16;
// Enough for a head with a small body in one read.
constexpr std::size_t buffer_size = 16 * 1024;
// From here on, what is read goes to the caller's buffer directly, and not through the connection's.
constexpr std::size_t direct_read = 4 * 1024;
constexpr std::size_t source_piece = 64 * 1024;

/// An I/O error as the error of an exchange.
error_code to_failure(error_code const& ec) noexcept {
  return ended_from_outside(ec) || ec.category() == http_category() ? ec : http_errc::truncated;
}

/// Throws it.
[[noreturn]] void fail_exchange(error_code const& ec, Url const& url, std::string_view when, Phase phase) {
  std::string context(url.without_query());
  context.append(": ").append(when);
  if (to_failure(ec) == ec) fail(ec, context, phase);
  if (ec != asio::error::eof) context.append(" (").append(ec.message()).append(")");
  throw Error(http_errc::truncated, context);
}

std::string_view unread(Connection const& connection) noexcept {
  return std::string_view(connection.buffer).substr(connection.begin, connection.end - connection.begin);
}

/// Reads more into the connection's buffer, which has room for `limit` bytes at most.
asio::awaitable<void> fill(Connection& connection, std::size_t limit, error_code& ec) {
  if (connection.begin == connection.end) connection.begin = connection.end = 0;
  if (connection.end == connection.buffer.size()) {
    if (connection.begin != 0) {
      std::memmove(connection.buffer.data(), connection.buffer.data() + connection.begin,
                   connection.end - connection.begin);
      connection.end -= connection.begin;
      connection.begin = 0;
    } else {
      connection.buffer.resize(std::clamp(connection.buffer.size() * 2, buffer_size, limit + buffer_size));
    }
  }
  std::size_t const count = co_await connection.transport.read_some(
      asio::buffer(connection.buffer.data() + connection.end, connection.buffer.size() - connection.end), ec);
  connection.end += count;
}

/// The body of a response as it comes from the network.
class NetworkReader final : public BodyReader {
 public:
  /// @param record Where the exchange is noted, or null.
  NetworkReader(Lease lease, Url url, ParsedHead const& head, std::size_t trailer_limit,
                std::shared_ptr<ExchangeRecord> record)
      : record_(std::move(record)),
        lease_(std::move(lease)),
        url_(std::move(url)),
        framing_(head.framing),
        keep_alive_(head.keep_alive),
        left_(head.length),
        chunks_(trailer_limit) {
    if (framing_ == Framing::none || (framing_ == Framing::length && left_ == 0)) finish();
    // A body that has arrived with its head needs the connection no longer.
    if (lease_ && framing_ == Framing::length && unread(*lease_.connection()).size() >= left_) {
      ready_ = std::string(unread(*lease_.connection()).substr(0, static_cast<std::size_t>(left_)));
      lease_.connection()->begin += ready_.size();
      finish();
    }
  }

  asio::awaitable<std::size_t> read_some(asio::mutable_buffer buffer) override {
    if (failed_) fail_exchange(http_errc::truncated, url_, "the body was given up", Phase::receive);
    std::size_t count = 0;
    error_code ec;
    failed_ = true;  // until the end of this function: what leaves it early ends the body
    if (lease_) {
      switch (framing_) {
        case Framing::length:
          count = co_await read_length(buffer, ec);
          break;
        case Framing::chunked:
          count = co_await read_chunked(buffer, ec);
          break;
        case Framing::until_close:
        case Framing::none:
          count = co_await read_until_close(buffer, ec);
          break;
      }
    } else {
      count = asio::buffer_copy(buffer, asio::buffer(ready_) + position_);
      position_ += count;
    }
    if (ec) {
      lease_ = Lease();
      end_record(to_failure(ec));
      fail_exchange(ec, url_, "reading the body", Phase::receive);
    }
    failed_ = false;
    co_return count;
  }

  std::optional<std::uint64_t> remaining() const noexcept override {
    if (!lease_) return ready_.size() - position_;
    if (framing_ == Framing::length) return left_;
    return std::nullopt;
  }

  std::optional<std::string> take_buffered() override {
    if (lease_ || failed_) return std::nullopt;
    std::string rest = position_ == 0 ? std::move(ready_) : ready_.substr(position_);
    ready_ = std::string();
    position_ = 0;
    return rest;
  }

  http::fields const& trailers() const noexcept override { return chunks_.trailers(); }

 private:
  /// The message is complete: its connection is free for the next, unless something follows that nobody
  /// asked for.
  void finish() noexcept {
    left_ = 0;
    if (keep_alive_ && unread(*lease_.connection()).empty()) {
      lease_.connection()->transport.disarm();
      lease_.connection()->transport.note_in(nullptr);
      lease_.give_back();
    } else {
      lease_ = Lease();
    }
    end_record(error_code());
  }

  void end_record(error_code const& error) noexcept {
    if (!record_) return;
    record_->end(error);
    record_.reset();
  }

  std::size_t copy(asio::mutable_buffer buffer, std::uint64_t most) noexcept {
    Connection& connection = *lease_.connection();
    std::string_view const bytes = unread(connection);
    auto const size = static_cast<std::size_t>(std::min<std::uint64_t>(bytes.size(), most));
    std::size_t const count = asio::buffer_copy(buffer, asio::buffer(bytes.data(), size));
    connection.begin += count;
    return count;
  }

  /// At least one byte of the next `most`, where the body goes on with data.
  asio::awaitable<std::size_t> read_data(asio::mutable_buffer buffer, std::uint64_t most, error_code& ec) {
    Connection& connection = *lease_.connection();
    bool const is_direct = std::min<std::uint64_t>(buffer.size(), most) >= direct_read;
    if (unread(connection).empty() && !is_direct) co_await fill(connection, buffer_size, ec);
    if (ec) co_return 0;
    if (!unread(connection).empty()) co_return copy(buffer, most);
    auto const size = static_cast<std::size_t>(std::min<std::uint64_t>(buffer.size(), most));
    co_return co_await connection.transport.read_some(asio::buffer(buffer.data(), size), ec);
  }

  asio::awaitable<std::size_t> read_length(asio::mutable_buffer buffer, error_code& ec) {
    std::size_t const count = co_await read_data(buffer, left_, ec);
    left_ -= count;
    if (!ec && left_ == 0) finish();
    co_return count;
  }

  asio::awaitable<std::size_t> read_chunked(asio::mutable_buffer buffer, error_code& ec) {
    Connection& connection = *lease_.connection();
    for (;;) {
      connection.begin += chunks_.feed(unread(connection), ec);
      if (ec) co_return 0;
      if (chunks_.done()) {
        finish();
        co_return 0;
      }
      if (chunks_.data_left() != 0) break;
      co_await fill(connection, buffer_size, ec);
      if (ec) co_return 0;
    }
    std::size_t const count = co_await read_data(buffer, chunks_.data_left(), ec);
    chunks_.take(count);
    co_return count;
  }

  asio::awaitable<std::size_t> read_until_close(asio::mutable_buffer buffer, error_code& ec) {
    std::size_t const count = co_await read_data(buffer, std::numeric_limits<std::uint64_t>::max(), ec);
    if (ec == asio::error::eof) {
      ec = {};
      keep_alive_ = false;
      finish();
    }
    co_return count;
  }

  std::shared_ptr<ExchangeRecord> record_;  // outlives the connection, which notes in it
  Lease lease_;
  Url url_;
  Framing framing_;
  bool keep_alive_;
  bool failed_ = false;
  std::uint64_t left_;
  ChunkDecoder chunks_;
  std::string ready_;
  std::size_t position_ = 0;
};

}  // namespace

Exchange::Exchange(std::shared_ptr<ConnectionPool> pool, Request request,
                   Transport::Clock::time_point deadline, std::size_t head_limit)
    : pool_(std::move(pool)),
      request_(std::move(request)),
      route_(pool_->route(request_.url())),
      deadline_(deadline),
      head_limit_(head_limit),
      head_(serialize_head(request_)) {
  if (route_.is_forwarded()) head_ = to_absolute_form(std::move(head_), request_.url(), *route_.proxy);
}

asio::awaitable<StreamedResponse> Exchange::run_noted() {
  try {
    co_return co_await run_plain();
  } catch (boost::system::system_error const& e) {
    record_->end(e.code());
    throw;
  }
}

asio::awaitable<StreamedResponse> Exchange::run_plain() {
  // The timer alone would let a request through that is sent and answered before it is looked at.
  if (Transport::Clock::now() >= deadline_)
    throw TimeoutError(Phase::queue,
                       std::string(request_.url().without_query()) + ": no time was left to begin");
  std::string key = route_.key();
  lease_ = pool_->take(key);
  if (!lease_) lease_ = co_await pool_->acquire(std::move(key), deadline_);
  bool done = false;
  if (lease_.connection()) {
    // RFC 9110 section 9.2.2: a server may close an idle connection at any time.
    bool const may_retry = is_idempotent(request_.method()) && request_.body().repeatable();
    lease_.connection()->transport.arm(deadline_);
    lease_.connection()->transport.note_in(record_.get());
    if (record_) record_->event().set_reused(true);
    done = co_await attempt(may_retry);
    if (!done) lease_.disconnect();
    if (!done && record_) {
      record_->end(to_failure(failure_));
      record_ = record_->next(ExchangeRecord::Cause::retry, request_);
    }
  }
  if (!done) {
    co_await lease_.connect(route_, deadline_, record_.get());
    co_await attempt(false);
  }
  // RFC 9110 section 15.5.8: it is the proxy that asks for authentication, and not the origin's answer.
  if (route_.is_forwarded() && response_.status == 407)
    throw ProxyError(407, std::string(request_.url().origin()) + " through " + route_.proxy->name());
  co_return respond();
}

/// @return False when the request can and should be sent again.
asio::awaitable<bool> Exchange::attempt(bool may_retry) {
  Transport& transport = lease_.connection()->transport;
  transport.enter(Phase::send);
  error_code write_error;
  // The most usual request fits into the socket's buffer: no need to wait for that.
  std::string const* const text = request_.body().text();
  asio::const_buffer const body = text ? asio::buffer(*text) : asio::const_buffer();
  std::size_t const sent = transport.write_now(asio::buffer(head_), body, write_error);
  bool const is_sent = sent == head_.size() + body.size() && (text || request_.body().empty());
  if (!write_error && !is_sent) co_await write_rest(sent, write_error);
  error_code ec = write_error;
  // A server that has seen enough may answer and stop reading. RFC 9112 section 9.5.
  fully_sent_ = !write_error;
  if (!ended_from_outside(write_error)) {
    ec = {};
    transport.enter(Phase::first_byte);
    co_await read_final_head(ec);
  }
  if (ec) {
    failure_ = ec;
    if (may_retry && !answered_ && !ended_from_outside(ec)) co_return false;
    fail_exchange(ec, request_.url(), answered_ ? "reading the response" : "waiting for the response",
                  transport.phase());
  }
  if (record_) record_->event().set_status(response_.status);
  co_return true;
}

/// What of the request is left after the first `sent` bytes of what is in memory.
asio::awaitable<void> Exchange::write_rest(std::size_t sent, error_code& ec) {
  std::string const* const text = request_.body().text();
  asio::const_buffer const head = asio::buffer(head_) + sent;
  asio::const_buffer body = text ? asio::buffer(*text) : asio::const_buffer();
  body += sent - std::min(sent, head_.size());
  if (head.size() + body.size() != 0) co_await lease_.connection()->transport.write(head, body, ec);
  if (!ec && !text && !request_.body().empty()) co_await write_source(ec);
}

asio::awaitable<void> Exchange::write_source(error_code& ec) {
  Transport& transport = lease_.connection()->transport;
  std::unique_ptr<BodyReader> const source = request_.body().open();
  std::optional<std::uint64_t> left = request_.body().size();
  std::string piece(source_piece, '\0');
  for (;;) {
    std::size_t const count = co_await source->read_some(asio::buffer(piece));
    if (left && (count == 0 ? *left != 0 : count > *left))
      throw Error(http_errc::framing, std::string(request_.url().without_query()) +
                                          ": the request body is not as long as was said: " +
                                          std::to_string(*request_.body().size()) + " bytes");
    if (left) {
      *left -= count;
      if (count != 0) co_await transport.write(asio::buffer(piece.data(), count), asio::const_buffer(), ec);
    } else {
      co_await write_chunk(piece, count, ec);
    }
    if (ec || count == 0) co_return;
  }
}

asio::awaitable<void> Exchange::write_chunk(std::string const& data, std::size_t size, error_code& ec) {
  Transport& transport = lease_.connection()->transport;
  if (size == 0) {
    co_await transport.write(asio::buffer("0\r\n\r\n", 5), asio::const_buffer(), ec);
    co_return;
  }
  char digits[16];
  auto const end = std::to_chars(digits, digits + sizeof digits, size, 16).ptr;
  std::string frame(digits, end);
  frame += "\r\n";
  co_await transport.write(asio::buffer(frame), asio::buffer(data.data(), size), ec);
  if (!ec) co_await transport.write(asio::buffer("\r\n", 2), asio::const_buffer(), ec);
}

asio::awaitable<void> Exchange::read_final_head(error_code& ec) {
  for (unsigned interim = 0;; ++interim) {
    co_await read_head(ec);
    if (ec || response_.status >= 200) co_return;
    if (interim == max_interim) {
      ec = http_errc::interim_flood;
      co_return;
    }
    if (response_.status == 101) {  // to a protocol that nobody asked for: RFC 9110 section 7.8
      ec = http_errc::framing;
      co_return;
    }
    if (request_.on_interim()) request_.on_interim()(response_.status, response_.headers);
  }
}

asio::awaitable<void> Exchange::read_head(error_code& ec) {
  Connection& connection = *lease_.connection();
  HeadScanner scanner(head_limit_);
  std::size_t size = 0;
  for (;;) {
    if (!unread(connection).empty()) {
      if (!answered_) connection.transport.enter(Phase::receive);
      answered_ = true;
      size = scanner.scan(unread(connection), ec);
      if (ec) co_return;
      if (size != 0) break;
    }
    co_await fill(connection, head_limit_, ec);
    if (ec) co_return;
  }
  response_ = parse_head(unread(connection).substr(0, size), request_.method(), ec);
  connection.begin += size;
}

StreamedResponse Exchange::respond() {
  if (!fully_sent_) response_.keep_alive = false;
  ResponseHead head(request_.url(), response_.status, std::move(response_.reason),
                    std::move(response_.headers), response_.version);
  auto body =
      std::make_unique<NetworkReader>(std::move(lease_), request_.url(), response_, head_limit_, record_);
  return StreamedResponse(std::move(head), std::move(body));
}

}  // namespace detail
}  // namespace v1
}  // namespace beast_cache
