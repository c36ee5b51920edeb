#include "session/http1.hpp"

#include <algorithm>
#include <array>
#include <boost/beast/http/basic_parser.hpp>
#include <boost/beast/http/rfc7230.hpp>
#include <cstring>

#include "beast_cache/policy/field_values.hpp"
#include "http/text.hpp"

namespace beast_cache {
inline namespace v1 {
namespace detail {
namespace {

// Extensions carry nothing that is used; a body of little else is an attack. RFC 9112 section 7.1.1.
constexpr std::uint64_t max_extension_bytes = 16 * 1024;  // beyond as many as there are of data
// Leading zeros have no end otherwise.
constexpr unsigned max_size_digits = 32;

std::string_view to_std(boost::beast::string_view text) noexcept {
  return {text.data(), text.size()};
}

// RFC 9112 section 3.2: origin-form or asterisk-form, and nothing that would end it early.
bool is_target(std::string_view text) noexcept {
  bool const begins_well = text == "*" || text.starts_with('/');
  return begins_well && std::all_of(text.begin(), text.end(), [](char c) {
           return static_cast<unsigned char>(c) > 0x20 && c != '\x7f';
         });
}

bool is_clients_own(http::field name, std::string_view text) noexcept {
  constexpr std::array own = {
      http::field::host,       http::field::content_length, http::field::transfer_encoding,
      http::field::connection, http::field::keep_alive,     http::field::proxy_connection,
      http::field::te,         http::field::trailer,        http::field::upgrade,
      http::field::expect,
  };
  if (name != http::field::unknown) return std::find(own.begin(), own.end(), name) != own.end();
  return iequals(text, "http2-settings");
}

/// Keeps the fields of one head.
class HeadParser final : public http::basic_parser<false> {
 public:
  HeadParser() { skip(true); }  // the body is none of its business

  ParsedHead head;

 private:
  using View = boost::beast::string_view;

  void on_request_impl(http::verb, View, View, int, error_code&) override {}
  void on_response_impl(int code, View reason, int version, error_code&) override {
    head.status = static_cast<unsigned>(code);
    head.reason = std::string(to_std(reason));
    head.version = static_cast<unsigned>(version);
  }
  void on_field_impl(http::field name, View text, View value, error_code& ec) override {
    constexpr std::size_t most = 65533;  // what Beast's fields can hold
    if (text.size() > most || value.size() > most) {
      ec = http_errc::header_limit;
      return;
    }
    head.headers.insert(name, text, value);
  }
  void on_header_impl(error_code&) override {}
  void on_body_init_impl(boost::optional<std::uint64_t> const&, error_code&) override {}
  std::size_t on_body_impl(View text, error_code&) override { return text.size(); }
  void on_chunk_header_impl(std::uint64_t, View, error_code&) override {}
  std::size_t on_chunk_body_impl(std::uint64_t, View text, error_code&) override { return text.size(); }
  void on_finish_impl(error_code&) override {}
};

/// RFC 9112 section 6.3.
Framing framing_of(HeadParser const& parser, http::verb method, error_code& ec) {
  ParsedHead const& head = parser.head;
  if (head.status < 200 || head.status == 204 || head.status == 304 || method == http::verb::head)
    return Framing::none;
  if (head.headers.count(http::field::transfer_encoding) != 0) {
    // A coding that is not known can't be decoded, and one after "chunked" hides the end of the body. With
    // HTTP/1.0, or beside Content-Length, somebody on the way may have read the message differently.
    bool const plain = head.headers.count(http::field::transfer_encoding) == 1 &&
                       iequals(head.headers[http::field::transfer_encoding], "chunked");
    if (!plain || head.version != 11 || head.headers.count(http::field::content_length) != 0) {
      ec = http_errc::framing;
    }
    return Framing::chunked;
  }
  return parser.content_length() ? Framing::length : Framing::until_close;
}

}  // namespace

std::string serialize_head(Request const& request) {
  Url const& url = request.url();
  if (url.str().empty()) throw Error(http_errc::invalid_url, "request without a URL");
  auto const refuse = [&](std::string_view what, std::string_view why = std::string_view()) {
    throw Error(http_errc::injection, std::string(url.origin()).append(": ").append(what).append(why));
  };
  std::string const& method = request.method_string();
  if (!policy::detail::is_token(method)) refuse("the method is no token");
  if (request.method() == http::verb::connect) refuse("CONNECT makes a tunnel, it has no response to read");
  std::string_view const target = request.target().empty() ? url.target() : request.target();
  if (!is_target(target)) refuse("the request target");

  std::string head;
  head.reserve(512);
  head.append(method).append(1, ' ').append(target).append(" HTTP/1.1\r\nHost: ").append(url.authority());
  for (auto const& field : request.headers()) {
    std::string_view const name = to_std(field.name_string());
    std::string_view const value = to_std(field.value());
    if (!policy::detail::is_token(name)) refuse("a request header's name is no token");
    if (!is_field_value(value)) refuse("the value of request header ", name);
    if (is_clients_own(field.name(), name)) refuse("the client itself sets the request header ", name);
    // RFC 9110 section 11.7.2: it is for the proxy, whose credentials are in the options.
    if (field.name() == http::field::proxy_authorization) continue;
    head.append("\r\n").append(name).append(": ").append(value);
  }

  Body const& body = request.body();
  bool const expects_body = request.method() == http::verb::post || request.method() == http::verb::put ||
                            request.method() == http::verb::patch;
  // RFC 9110 section 8.6: an empty body is announced where the method gives a body a meaning.
  if (!body.empty() || expects_body) {
    std::optional<std::uint64_t> const size = body.size();
    if (size) {
      head.append("\r\nContent-Length: ").append(std::to_string(*size));
    } else {
      head.append("\r\nTransfer-Encoding: chunked");
    }
  }
  head.append("\r\n\r\n");
  return head;
}

bool is_idempotent(http::verb method) noexcept {
  switch (method) {
    case http::verb::get:
    case http::verb::head:
    case http::verb::put:
    case http::verb::delete_:
    case http::verb::options:
    case http::verb::trace:
      return true;
    default:
      return false;
  }
}

std::size_t HeadScanner::scan(std::string_view bytes, error_code& ec) noexcept {
  constexpr std::string_view start = "HTTP/1.";
  std::size_t const known = std::min(bytes.size(), start.size());
  if (bytes.substr(0, known) != start.substr(0, known)) {
    ec = http_errc::framing;
    return 0;
  }
  while (seen_ < bytes.size()) {
    // The line's first byte is looked at when it is there: a blank would continue the line before.
    if (seen_ == line_ && (bytes[line_] == ' ' || bytes[line_] == '\t')) {
      ec = http_errc::framing;
      return 0;
    }
    void const* const found = std::memchr(bytes.data() + seen_, '\n', bytes.size() - seen_);
    if (!found) {
      seen_ = bytes.size();
      break;
    }
    auto const end = static_cast<std::size_t>(static_cast<char const*>(found) - bytes.data());
    if (end == 0 || bytes[end - 1] != '\r') {
      ec = http_errc::framing;
      return 0;
    }
    bool const is_empty = end - line_ == 1;
    seen_ = line_ = end + 1;
    if (seen_ > limit_) break;
    if (is_empty) return seen_;
  }
  if (seen_ > limit_) ec = http_errc::header_limit;
  return 0;
}

ParsedHead parse_head(std::string_view text, http::verb method, error_code& ec) {
  HeadParser parser;
  // RFC 9112 section 4: the space after the status code is there even without a reason; many leave it out.
  constexpr std::string_view line = "HTTP/1.1 200";
  std::string spaced;
  if (text.size() > line.size() && text.substr(line.size()).starts_with("\r\n")) {
    spaced.append(text).insert(line.size(), 1, ' ');
    text = spaced;
  }
  parser.header_limit(static_cast<std::uint32_t>(std::min<std::size_t>(text.size() + 1, 0xffffffff)));
  parser.put(asio::buffer(text.data(), text.size()), ec);
  if (ec || !parser.is_header_done() || parser.head.status < 100) {
    ec = http_errc::framing;
    return {};
  }
  parser.head.framing = framing_of(parser, method, ec);
  if (parser.head.framing == Framing::length) parser.head.length = *parser.content_length();
  // An HTTP/1.0 server's idea of a persistent connection is not relied on. RFC 9112 appendix C.2.2.
  parser.head.keep_alive = parser.head.version == 11 && parser.keep_alive();
  return std::move(parser.head);
}

std::size_t ChunkDecoder::feed(std::string_view bytes, error_code& ec) {
  std::size_t used = 0;
  while (used < bytes.size() && state_ != State::data && state_ != State::done) {
    step(bytes[used], ec);
    if (ec) break;
    ++used;
  }
  return used;
}

void ChunkDecoder::take(std::uint64_t count) noexcept {
  left_ -= count;
  taken_ += count;
  if (left_ == 0) state_ = State::data_cr;
}

void ChunkDecoder::step(char c, error_code& ec) {
  switch (state_) {
    case State::size_first:
    case State::size: {
      int digit = -1;
      if (c >= '0' && c <= '9') digit = c - '0';
      if (c >= 'a' && c <= 'f') digit = c - 'a' + 10;
      if (c >= 'A' && c <= 'F') digit = c - 'A' + 10;
      if (digit >= 0) {
        if (left_ >> 60) {
          ec = http_errc::framing;
          return;
        }
        left_ = left_ * 16 + static_cast<unsigned>(digit);
        state_ = State::size;
        if (++digits_ > max_size_digits) ec = http_errc::framing;
        return;
      }
      digits_ = 0;
      if (state_ == State::size_first) {
        ec = http_errc::framing;
        return;
      }
      if (c == '\r') {
        state_ = State::size_lf;
      } else if (c == ';' || c == ' ' || c == '\t') {
        state_ = State::extension;
      } else {
        ec = http_errc::framing;
      }
      return;
    }
    case State::extension:
      if (c == '\r') {
        state_ = State::size_lf;
      } else if (c != '\t' && (static_cast<unsigned char>(c) < 0x20 || c == '\x7f')) {
        ec = http_errc::framing;
      } else if (++extensions_ > max_extension_bytes + taken_) {
        ec = http_errc::header_limit;
      }
      return;
    case State::size_lf:
      if (c != '\n') ec = http_errc::framing;
      state_ = left_ == 0 ? State::trailers : State::data;
      return;
    case State::data_cr:
      if (c != '\r') ec = http_errc::framing;
      state_ = State::data_lf;
      return;
    case State::data_lf:
      if (c != '\n') ec = http_errc::framing;
      state_ = State::size_first;
      return;
    case State::trailers:
      trailer_text_ += c;
      if (c == '\n') {
        if (trailer_text_ == "\r\n" || trailer_text_.ends_with("\r\n\r\n")) {
          finish(ec);
        } else if (!trailer_text_.ends_with("\r\n")) {
          ec = http_errc::framing;
        }
      } else if (trailer_text_.size() > trailer_limit_) {
        ec = http_errc::header_limit;
      }
      return;
    case State::data:
    case State::done:
      return;
  }
}

void ChunkDecoder::finish(error_code& ec) {
  state_ = State::done;
  if (trailer_text_.size() == 2) return;
  // Beast's strict field parser wants a status line in front.
  std::string const text = "HTTP/1.1 200 OK\r\n" + trailer_text_;
  HeadScanner scanner(text.size());
  scanner.scan(text, ec);
  if (ec) return;
  ParsedHead parsed = parse_head(text, http::verb::head, ec);
  // RFC 9110 section 6.5.1: a field that frames the message has no business after it.
  if (parsed.headers.count(http::field::content_length) != 0 ||
      parsed.headers.count(http::field::transfer_encoding) != 0) {
    ec = http_errc::framing;
  }
  trailers_ = std::move(parsed.headers);
  trailer_text_ = std::string();
}

}  // namespace detail
}  // namespace v1
}  // namespace beast_cache
