#include "connection.hpp"

#include <algorithm>
#include <array>
#include <beast_cache/clock.hpp>
#include <beast_cache/http/date.hpp>
#include <beast_cache/policy/cache_status.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/dispatch.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/rfc7230.hpp>
#include <charconv>
#include <chrono>

#include "messages.hpp"

namespace asio = boost::asio;
namespace http = boost::beast::http;
using namespace beast_cache;
using namespace std::chrono_literals;

namespace {

constexpr std::uint32_t max_head = 60 * 1024;  // below what one of Beast's fields can hold
constexpr std::size_t max_buffer = 128 * 1024;
constexpr std::size_t piece_size = 64 * 1024;
constexpr auto idle_timeout = 75s;   // for a request to arrive
constexpr auto stall_timeout = 60s;  // for a client that neither sends nor takes
constexpr auto linger_timeout = 2s;

auto token(error_code& ec) {
  return asio::redirect_error(asio::use_awaitable, ec);
}

/// The status that a failed exchange with the origin is for the client. RFC 9110 section 15.6.
unsigned status_of(error_code const& code) {
  if (code == http_errc::timeout) return 504;
  if (code == http_errc::injection || code == http_errc::invalid_url) return 400;
  return 502;
}

unsigned status_of_parser(error_code const& code) {
  if (code == http::error::header_limit || code == http::error::buffer_overflow) return 431;
  return code == http::error::bad_version ? 505 : 400;
}

bool is_malformed(error_code const& code) {
  static error_code const any = http::error::bad_method;
  return code.category() == any.category() && code != http::error::end_of_stream &&
         code != http::error::partial_message;
}

}  // namespace

/// The request's body, read as the origin takes it.
class Connection::Upload final : public BodyReader {
 public:
  explicit Upload(std::shared_ptr<Connection> connection) : connection_(std::move(connection)) {}
  asio::awaitable<std::size_t> read_some(asio::mutable_buffer buffer) override {
    return connection_->read_body(buffer);
  }
  std::optional<std::uint64_t> remaining() const noexcept override {
    auto const left = connection_->parser_->content_length_remaining();
    return left ? std::optional<std::uint64_t>(*left) : std::nullopt;
  }

 private:
  std::shared_ptr<Connection> connection_;
};

Connection::Connection(asio::ip::tcp::socket socket, std::shared_ptr<Site> site)
    : stream_(std::move(socket)),
      buffer_(max_buffer),
      site_(std::move(site)),
      watchdog_(stream_.get_executor()) {
  error_code ignored;
  stream_.socket().set_option(asio::ip::tcp::no_delay(true), ignored);
  stream_.socket().non_blocking(true, ignored);
}

void Connection::drain() {
  asio::dispatch(stream_.get_executor(), [self = shared_from_this()] {
    if (self->waits_ && self->buffer_.size() == 0) self->stream_.cancel();
  });
}

asio::awaitable<void> Connection::run(std::shared_ptr<Connection> self) {
  asio::co_spawn(self->stream_.get_executor(), watch(self), asio::detached);
  std::shared_ptr<Connection> const ending(self.get(), [](Connection* connection) { connection->end(); });
  bool goes_on = true;
  while (goes_on) goes_on = co_await self->serve_one();
  if (self->lingers_) co_await self->linger();
}

asio::awaitable<void> Connection::watch(std::shared_ptr<Connection> self) {
  error_code ec;
  while (self->stream_.socket().is_open()) {
    // No time that is set meanwhile comes before that, but for the last one.
    self->watchdog_.expires_at(
        std::min({self->read_until_, self->write_until_, Clock::now() + stall_timeout}));
    co_await self->watchdog_.async_wait(token(ec));
    if (Clock::now() >= std::min(self->read_until_, self->write_until_)) self->stream_.close();
  }
}

asio::awaitable<bool> Connection::serve_one() {
  ++turn_;
  expects_continue_ = keep_alive_ = false;
  upload_error_ = {};
  error_code const ec = co_await read_head();
  if (ec) {
    if (is_malformed(ec)) co_await refuse(status_of_parser(ec), ec.message());
    co_return false;
  }
  RequestHead const& head = parser_->get().base();
  keep_alive_ = parser_->keep_alive();
  std::optional<Refusal> const fault = find_fault(head);
  if (fault) co_return co_await refuse(fault->status, fault->reason);
  std::optional<Request> request = create_request(head, site_->origin);
  if (!request) co_return co_await refuse(400, "the request target is malformed");
  unsigned const last = request->method() == http::verb::options ? 200 : 501;
  if (!may_forward(*request)) co_return co_await refuse(last, "Max-Forwards is 0");

  expects_continue_ = head.count(http::field::expect) != 0 && head.version() >= 11;
  if (!parser_->is_done()) {
    request->set_body(Body::from_reader(std::make_unique<Upload>(shared_from_this())));
  } else if (head.count(http::field::content_length) != 0) {
    request->set_body(std::string());
  }
  if (head.version() >= 11) {  // RFC 9110 section 15.2: an HTTP/1.0 client knows no interim responses
    request->set_on_interim(
        [weak = weak_from_this(), turn = turn_](unsigned status, http::fields const& fields) {
          auto const self = weak.lock();
          if (!self) return;
          http::fields kept(fields);
          erase_hop_by_hop(kept);
          // At once, where this is the strand: as it is, unless the cache validates in the background.
          asio::dispatch(self->stream_.get_executor(),
                         [self, turn, text = serialise(status, reason_of(status), kept)] {
                           if (self->turn_ == turn) self->write_interim(text);
                         });
        });
  }
  StreamedResponse response;
  error_code failure;
  std::string what;
  try {
    CachedSession session = site_->session;
    if (has_dot_segments(request->target())) session = session.disabled();
    response = co_await session.send(std::move(*request));
  } catch (boost::system::system_error const& e) {
    failure = e.code();
    what = e.what();
  }
  ++turn_;  // what is interim comes before this or not at all
  if (!failure) co_return co_await pass_on(std::move(response));
  if (!upload_error_) co_return co_await refuse(status_of(failure), std::move(what));
  if (is_malformed(upload_error_)) co_return co_await refuse(400, upload_error_.message());
  co_return false;
}

asio::awaitable<error_code> Connection::read_head() {
  parser_.emplace();
  parser_->header_limit(max_head);
  parser_->body_limit(boost::none);
  waits_ = true;
  error_code ec;
  if (site_->draining && buffer_.size() == 0) co_return error_code(asio::error::operation_aborted);
  read_until_ = Clock::now() + idle_timeout;
  co_await http::async_read_header(stream_, buffer_, *parser_, token(ec));
  read_until_ = Clock::time_point::max();
  waits_ = false;
  co_return ec;
}

asio::awaitable<std::size_t> Connection::read_body(asio::mutable_buffer buffer) {
  // The client is told to go on when somebody wants its body, so never for one that is refused.
  if (expects_continue_) write_interim("HTTP/1.1 100 Continue\r\n\r\n");
  expects_continue_ = false;
  auto& body = parser_->get().body();
  while (!parser_->is_done()) {
    body.data = buffer.data();
    body.size = buffer.size();
    body.more = true;
    error_code ec;
    read_until_ = Clock::now() + stall_timeout;
    co_await http::async_read_some(stream_, buffer_, *parser_, token(ec));
    read_until_ = Clock::time_point::max();
    if (ec == http::error::need_buffer) ec = {};
    if (ec) {
      upload_error_ = ec;
      throw Error(http_errc::truncated, "the body of a client's request");
    }
    std::size_t const count = buffer.size() - body.size;
    if (count != 0) co_return count;
  }
  co_return 0;
}

/// Settles the fields that belong to the connection to the client.
Connection::Framing Connection::finish_head(http::fields& fields, unsigned status,
                                            std::optional<std::uint64_t> length) {
  bool const is_http11 = parser_->get().version() >= 11;
  bool const is_head = parser_->get().method() == http::verb::head;
  Framing framing = Framing::none;
  if (status == 204) {
    fields.erase(http::field::content_length);  // RFC 9110 section 8.6
  } else if (!is_head && status != 304) {
    framing = length ? Framing::length : (is_http11 ? Framing::chunked : Framing::until_close);
    fields.erase(http::field::content_length);
    if (length) fields.set(http::field::content_length, std::to_string(*length));
    if (framing == Framing::chunked) fields.set(http::field::transfer_encoding, "chunked");
  }
  // What is left of a request's body would be taken for the next request.
  if (!parser_->is_done() || framing == Framing::until_close || site_->draining) keep_alive_ = false;
  lingers_ = !keep_alive_;
  if (!keep_alive_) fields.set(http::field::connection, "close");
  if (keep_alive_ && !is_http11) fields.set(http::field::connection, "keep-alive");
  return framing;
}

asio::awaitable<bool> Connection::pass_on(StreamedResponse response) {
  std::unique_ptr<BodyReader> const body = response.take_body();
  http::fields& fields = response.headers();
  erase_hop_by_hop(fields);
  // RFC 9110 section 6.6.1.
  if (fields.count(http::field::date) == 0)
    fields.set(http::field::date, format_http_date(system_clock()->now()));
  add_via(fields, response.version());
  std::optional<std::uint64_t> const length = body->remaining();
  Framing const framing = finish_head(fields, response.status(), length);
  std::string const head = serialise(response.status(), response.reason(), fields);

  std::optional<std::string> whole;
  if (length && *length <= piece_size) whole = body->take_buffered();
  if (whole) {
    std::string_view const content = framing == Framing::none ? std::string_view() : *whole;
    co_await write(head, content);
    co_return keep_alive_;
  }
  // The cache stores an answer when its end is read. One that is complete with its head waits for that, so
  // that the client's next request finds it.
  std::string_view early = head;
  std::string_view late;
  if (length == 0) std::swap(early, late);
  bool sent = co_await write(early);
  try {
    if (sent) sent = co_await pass_body(*body, framing);
  } catch (boost::system::system_error const&) {
    // The client must not take this for the whole: RFC 9112 section 8.
    keep_alive_ = sent = false;
    if (framing == Framing::until_close) reset();
  }
  if (sent) co_await write(late);
  co_return keep_alive_;
}

asio::awaitable<bool> Connection::pass_body(BodyReader& body, Framing framing) {
  std::string piece(piece_size, '\0');
  for (;;) {
    std::size_t const count = co_await body.read_some(asio::buffer(piece));
    if (count == 0) break;
    if (framing == Framing::none) continue;
    // The last byte of a body of known length tells the client that it is complete: as above.
    if (body.remaining() == 0 && framing == Framing::length) {
      char nothing = 0;
      co_await body.read_some(asio::buffer(&nothing, 1));
    }
    std::string_view const data(piece.data(), count);
    bool sent = false;
    if (framing == Framing::chunked) {
      char digits[16];
      auto const end = std::to_chars(digits, digits + sizeof digits, count, 16).ptr;
      std::string const size = std::string(digits, end) + "\r\n";
      sent = co_await write(size, data, "\r\n");
    } else {
      sent = co_await write(data);
    }
    if (!sent) co_return false;
  }
  if (framing != Framing::chunked) co_return true;
  http::fields trailers;
  // RFC 9110 section 6.5.1: for those who said that they keep them apart.
  if (http::ext_list(parser_->get()[http::field::te]).exists("trailers")) trailers = body.trailers();
  erase_hop_by_hop(trailers);
  std::string const end = "0\r\n" + serialise(trailers);
  co_return co_await write(end);
}

/// An answer of the proxy's own.
asio::awaitable<bool> Connection::refuse(unsigned status, std::string reason) {
  std::string const phrase = reason_of(status);
  std::string const text = std::to_string(status) + " " + phrase + ": " + reason + "\n";
  // After a head that could not be read nobody knows where the next request begins.
  if (!parser_->is_header_done()) keep_alive_ = false;
  http::fields fields;
  fields.set(http::field::date, format_http_date(system_clock()->now()));
  fields.set(http::field::content_type, "text/plain");
  // RFC 9211 section 2: neither hit nor fwd, since no cache and no origin made this response.
  policy::CacheStatus().detail(reason).append_to(fields);
  Framing const framing = finish_head(fields, status, text.size());
  std::string const head = serialise(status, phrase, fields);
  std::string_view const content = framing == Framing::none ? std::string_view() : text;
  co_await write(head, content);
  co_return keep_alive_;
}

asio::awaitable<bool> Connection::write(std::string_view first, std::string_view second,
                                        std::string_view third) {
  std::string const before = std::exchange(unsent_, std::string());
  if (before.size() + first.size() + second.size() + third.size() == 0) co_return true;
  std::array<asio::const_buffer, 4> const buffers = {asio::buffer(before), asio::buffer(first),
                                                     asio::buffer(second), asio::buffer(third)};
  error_code ec;
  write_until_ = Clock::now() + stall_timeout;
  co_await asio::async_write(stream_, buffers, token(ec));
  write_until_ = Clock::time_point::max();
  if (ec) keep_alive_ = false;
  co_return !ec;
}

/// Interim responses come from a callback that can't wait: what the socket does not take now goes before the
/// next.
void Connection::write_interim(std::string_view text) {
  unsent_.append(text);
  error_code ec;
  std::size_t const count = stream_.socket().write_some(asio::buffer(unsent_), ec);
  if (!ec) unsent_.erase(0, count);
}

/// Closes so that the client can read the answer: closing with input unread would destroy it (RFC 9112
/// section 9.6).
asio::awaitable<void> Connection::linger() {
  error_code ec;
  stream_.socket().shutdown(asio::ip::tcp::socket::shutdown_send, ec);
  read_until_ = Clock::now() + linger_timeout;
  watchdog_.cancel();
  std::string sink(16 * 1024, '\0');
  while (!ec) co_await stream_.async_read_some(asio::buffer(sink), token(ec));
}

void Connection::end() noexcept {
  error_code ignored;
  stream_.socket().close(ignored);
  watchdog_.cancel(ignored);
}

void Connection::reset() {
  lingers_ = false;
  error_code ignored;
  stream_.socket().set_option(asio::socket_base::linger(true, 0), ignored);
}
