#include "messages.hpp"

#include <boost/beast/core/string.hpp>
#include <boost/beast/http/rfc7230.hpp>
#include <boost/beast/http/status.hpp>
#include <charconv>
#include <vector>

using namespace beast_cache;
using boost::beast::iequals;

namespace {

constexpr std::string_view pseudonym = "beast_cache";

std::string_view to_std(boost::beast::string_view text) {
  return {text.data(), text.size()};
}

/// What follows the authority of an absolute-form, which servers have to accept (RFC 9112 section 3.2.2).
std::string_view path_of(std::string_view target) {
  std::size_t const scheme = target.find("://");
  if (target.starts_with('/') || scheme == std::string_view::npos) return target;
  std::size_t const path = target.find_first_of("/?", scheme + 3);
  return path == std::string_view::npos ? std::string_view("/") : target.substr(path);
}

bool is_valid_host(std::string_view host) {
  return host.empty() ||
         (host.find_first_of("@/?#\\ \t") == host.npos && Url::parse("http://" + std::string(host)));
}

}  // namespace

std::optional<Refusal> find_fault(RequestHead const& head) {
  // RFC 9110 section 9.3.6: a tunnel, which this is not for.
  if (head.method() == http::verb::connect) return Refusal(501, "CONNECT makes a tunnel, and this is none");
  // RFC 9112 section 3.2.
  std::size_t const hosts = head.count(http::field::host);
  if (hosts > 1 || (hosts == 0 && head.version() >= 11)) return Refusal(400, "one Host field is needed");
  if (!is_valid_host(to_std(head[http::field::host]))) return Refusal(400, "the Host field is malformed");
  // RFC 9112 section 6.1.
  std::size_t const codings = head.count(http::field::transfer_encoding);
  if (codings != 0) {
    auto const coding = head[http::field::transfer_encoding];
    if (head.version() < 11) return Refusal(400, "HTTP/1.0 has no Transfer-Encoding");
    if (codings > 1 || !iequals(coding, "chunked")) {
      bool const is_chunked = codings == 1 && http::token_list(coding).exists("chunked");
      return Refusal(is_chunked ? 501 : 400, "the only transfer coding is chunked");
    }
  }
  // RFC 9110 section 10.1.1.
  auto const expectation = head[http::field::expect];
  if (!expectation.empty() && !iequals(expectation, "100-continue"))
    return Refusal(417, "the only expectation is 100-continue");
  return std::nullopt;
}

std::optional<Request> create_request(RequestHead const& head, Url const& origin) {
  std::string_view const received = to_std(head.target());
  bool const is_asterisk = received == "*" && head.method() == http::verb::options;
  std::string target(is_asterisk ? received : path_of(received));
  if (target.starts_with('?')) target.insert(0, 1, '/');
  if (!is_asterisk && !target.starts_with('/')) return std::nullopt;
  if (target.find('#') != target.npos) return std::nullopt;
  std::string text(origin.origin());
  text.append(is_asterisk ? "/" : "").append(target);
  std::optional<Url> url = Url::parse(text);
  if (!url) return std::nullopt;

  Request request(to_std(head.method_string()), std::move(*url));
  request.set_target(std::move(target));  // the spelling is the client's, also where another means the same
  request.set_redirects(0);
  http::fields fields(head);
  erase_hop_by_hop(fields);
  // The client writes those of its connection to the origin. There are no trailers to announce: they are
  // dropped, as RFC 9110 section 6.5.1 lets an intermediary do.
  for (auto const name :
       {http::field::host, http::field::content_length, http::field::expect, http::field::trailer})
    fields.erase(name);
  fields.erase("HTTP2-Settings");
  add_via(fields, head.version());
  request.headers() = std::move(fields);
  return request;
}

bool has_dot_segments(std::string_view target) {
  std::string_view path = target.substr(0, target.find('?'));
  while (!path.empty()) {
    path.remove_prefix(1);
    std::string segment(path.substr(0, path.find('/')));
    path.remove_prefix(segment.size());
    for (char const* const dot : {"%2e", "%2E"}) {
      for (auto at = segment.find(dot); at != segment.npos; at = segment.find(dot))
        segment.replace(at, 3, ".");
    }
    if (segment == "." || segment == "..") return true;
  }
  return false;
}

bool may_forward(Request& request) {
  if (request.method() != http::verb::options && request.method() != http::verb::trace) return true;
  std::string_view const text = to_std(request.headers()[http::field::max_forwards]);
  unsigned count = 0;
  auto const [end, ec] = std::from_chars(text.data(), text.data() + text.size(), count);
  if (text.empty() || ec != std::errc() || end != text.data() + text.size()) return true;
  if (count == 0) return false;
  request.headers().set(http::field::max_forwards, std::to_string(count - 1));
  return true;
}

void erase_hop_by_hop(http::fields& fields) {
  std::vector<std::string> named;
  auto const [first, last] = fields.equal_range(http::field::connection);
  for (auto field = first; field != last; ++field) {
    for (auto const option : http::token_list(field->value())) named.emplace_back(option);
  }
  for (auto const& name : named) fields.erase(name);
  for (auto const name : {http::field::connection, http::field::proxy_connection, http::field::keep_alive,
                          http::field::te, http::field::transfer_encoding, http::field::upgrade})
    fields.erase(name);
}

void add_via(http::fields& fields, unsigned version) {
  std::string value(version == 10 ? "1.0 " : "1.1 ");
  fields.insert(http::field::via, value.append(pseudonym));
}

std::string serialise(http::fields const& fields) {
  std::string text;
  text.reserve(512);
  for (auto const& field : fields)
    text.append(to_std(field.name_string())).append(": ").append(to_std(field.value())).append("\r\n");
  return text.append("\r\n");
}

std::string serialise(unsigned status, std::string_view reason, http::fields const& fields) {
  std::string text = "HTTP/1.1 " + std::to_string(status) + " ";
  return text.append(reason).append("\r\n").append(serialise(fields));
}

std::string reason_of(unsigned status) {
  if (status == 103) return "Early Hints";  // RFC 8297, which Beast does not know
  http::status const known = http::int_to_status(status);
  return known == http::status::unknown ? std::string() : std::string(http::obsolete_reason(known));
}
