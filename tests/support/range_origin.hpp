#pragma once
// Requests with header fields in one line, and an origin that keeps to RFC 9110 sections 13 and 14.

#include <charconv>
#include <utility>
#include <vector>

#include "support/cached_world.hpp"

namespace test_support {

using Fields = std::vector<std::pair<std::string, std::string>>;

/// Both kinds of cache, one after the other.
inline CacheOptions each_mode() {
  bool const shared = GENERATE(false, true);
  UNSCOPED_INFO((shared ? "shared" : "private"));
  auto const mode = shared ? policy::CacheMode::shared_cache : policy::CacheMode::private_cache;
  return CacheOptions().rules(policy::Options().mode(mode));
}
inline CacheOptions in_mode(policy::CacheMode mode) {
  return CacheOptions().rules(policy::Options().mode(mode));
}

inline CachedResponse ask(World& world, Fields const& fields = Fields(), std::string const& where = url,
                          std::string_view method = "GET") {
  auto builder = world.session.request(method, where);
  for (auto const& [name, value] : fields) std::move(builder).add_header(name, value);
  return world.run(std::move(builder));
}
inline CachedResponse ask(World& world, std::string_view method, std::string const& where = url) {
  return ask(world, Fields(), where, method);
}
/// A request field of the last request that the origin saw; empty without one.
inline bool sent(World const& world, std::string_view name) {
  return world.client->requests().back().headers().count({name.data(), name.size()}) > 0;
}

/// Breaks off behind the bytes that it has.
class BrokenReader final : public BodyReader {
 public:
  explicit BrokenReader(std::string text) : text_(std::move(text)) {}
  asio::awaitable<std::size_t> read_some(asio::mutable_buffer buffer) override {
    if (text_.empty()) throw Error(http_errc::truncated, "origin.test");
    std::size_t const n = asio::buffer_copy(buffer, asio::buffer(text_));
    text_.erase(0, n);
    co_return n;
  }

 private:
  std::string text_;
};

/// One representation: conditional and range requests are answered as RFC 9110 wants it.
struct RangeOrigin {
  std::string body = "0123456789";
  std::string etag = "\"a\"";
  std::string headers = "Cache-Control: max-age=60\r\n";
  std::optional<std::size_t> breaks_after;  // of the bytes of an answer
  bool tells_length = true;                 // in Content-Length
  unsigned refuses_range = 0;               // a status in place of a 206
  bool misnames_parts = false;              // sends a part as 200
  std::optional<std::size_t> part_size;     // of the bytes of a 206, whatever its Content-Range says

  StreamedResponse operator()(Request const& request) const {
    auto const& fields = request.headers();
    std::string const tag = etag.empty() ? "" : "ETag: " + etag + "\r\n";
    std::string const none_match(fields["If-None-Match"]);
    if (!none_match.empty() && !etag.empty() && has(none_match, etag))
      return FakeClient::answer(request, 304, headers + tag);
    std::string const if_range(fields["If-Range"]);
    std::string range(fields["Range"]);
    if (!if_range.empty() && (if_range != etag || has(etag, "W/"))) range.clear();
    if (range.empty() || request.method() != http::verb::get) return whole(request, 200, headers + tag, body);
    if (refuses_range) return FakeClient::answer(request, refuses_range, "", "refused");
    std::string const spec = range.substr(range.find('=') + 1);
    std::size_t first = 0;
    std::size_t last = body.size() - 1;
    auto const dash = spec.find('-');
    bool const suffix = dash == 0;
    std::from_chars(spec.data(), spec.data() + dash, first);
    std::from_chars(spec.data() + dash + 1, spec.data() + spec.size(), suffix ? first : last);
    if (suffix) first = body.size() - std::min(first, body.size());
    last = std::min(last, body.size() - 1);
    if (first > last)
      return FakeClient::answer(request, 416,
                                "Content-Range: bytes */" + std::to_string(body.size()) + "\r\n");
    std::string part = body.substr(first, last - first + 1);
    if (part_size) part.resize(*part_size, '?');
    return whole(request, misnames_parts ? 200 : 206,
                 headers + tag + "Content-Range: bytes " + std::to_string(first) + "-" +
                     std::to_string(last) + "/" + std::to_string(body.size()) + "\r\n",
                 part);
  }

 private:
  StreamedResponse whole(Request const& request, unsigned status, std::string const& head,
                         std::string const& text) const {
    bool const is_head = request.method() == http::verb::head;
    std::string const length = tells_length ? "Content-Length: " + std::to_string(text.size()) + "\r\n" : "";
    auto answer = FakeClient::answer(request, status, head + length, is_head ? "" : text);
    if (!breaks_after || *breaks_after >= text.size()) return answer;
    return StreamedResponse(static_cast<ResponseHead&&>(answer),
                            std::make_unique<BrokenReader>(text.substr(0, *breaks_after)));
  }
};

}  // namespace test_support
