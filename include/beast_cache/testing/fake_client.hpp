#pragma once
/// \file fake_client.hpp
/// A client without a network, for tests of code that takes an `HttpClient`.

#include <algorithm>
#include <boost/asio/awaitable.hpp>
#include <boost/beast/http/status.hpp>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "beast_cache/config.hpp"
#include "beast_cache/http/request.hpp"
#include "beast_cache/http/response.hpp"
#include "beast_cache/session/http_client.hpp"

namespace beast_cache {
inline namespace v1 {
namespace testing {

/// Answers each request with what a function says, and keeps the requests.
///
/// Thread safety: distinct objects: safe; shared objects: safe as far as the function is.
class FakeClient final : public HttpClient {
 public:
  /// Makes the answer to a request. What it throws is what `send` throws.
  using Answer = std::function<StreamedResponse(Request const& request)>;

  explicit FakeClient(Answer answer) : answer_(std::move(answer)) {}

  asio::awaitable<StreamedResponse> send(Request request) override {
    {
      std::lock_guard const lock(mutex_);
      requests_.push_back(request);
    }
    co_return answer_(request);
  }

  /// The requests so far, in their order.
  std::vector<Request> requests() const {
    std::lock_guard const lock(mutex_);
    return requests_;
  }

  /// An answer from a header block ("Name: value" lines, each ended by CR LF or LF) and a body.
  static StreamedResponse answer(Request const& request, unsigned status, std::string_view header_block,
                                 std::string body = std::string()) {
    http::fields headers;
    while (!header_block.empty()) {
      std::string_view line = header_block.substr(0, header_block.find('\n'));
      header_block.remove_prefix(std::min(header_block.size(), line.size() + 1));
      if (line.ends_with('\r')) line.remove_suffix(1);
      std::size_t const colon = line.find(':');
      if (colon == line.npos)
        throw Error(http_errc::framing, "FakeClient::answer: no colon in \"" + std::string(line) + '"');
      std::string_view const value = line.substr(colon + 1);
      headers.insert(line.substr(0, colon),
                     value.substr(std::min(value.find_first_not_of(" \t"), value.size())));
    }
    ResponseHead head(request.url(), status,
                      std::string(http::obsolete_reason(static_cast<http::status>(status))),
                      std::move(headers));
    return StreamedResponse(std::move(head), std::make_unique<StringReader>(std::move(body)));
  }

 private:
  mutable std::mutex mutex_;
  std::vector<Request> requests_;
  Answer answer_;
};

}  // namespace testing
}  // namespace v1
}  // namespace beast_cache
