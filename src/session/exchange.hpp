#pragma once
/// One request and its response on one connection. Internal.

#include <boost/asio/awaitable.hpp>
#include <cstddef>
#include <memory>

#include "beast_cache/config.hpp"
#include "beast_cache/http/request.hpp"
#include "beast_cache/http/response.hpp"
#include "session/connection_pool.hpp"
#include "session/http1.hpp"

namespace beast_cache {
inline namespace v1 {
namespace detail {

/// Sends a request, once more where that is safe, and reads the head of the response.
class Exchange {
 public:
  /// @param head_limit The largest header section, and trailer section.
  Exchange(std::shared_ptr<ConnectionPool> pool, Request request, Transport::Clock::time_point deadline,
           std::size_t head_limit);

  Request const& request() const noexcept { return request_; }

  /// @return The response, whose reader gives the connection back at the body's end.
  asio::awaitable<StreamedResponse> run();

 private:
  asio::awaitable<bool> attempt(bool may_retry);
  asio::awaitable<void> write_request(error_code& ec);
  asio::awaitable<void> write_source(error_code& ec);
  asio::awaitable<void> write_chunk(std::string const& data, std::size_t size, error_code& ec);
  asio::awaitable<void> read_head(error_code& ec);
  asio::awaitable<void> read_final_head(error_code& ec);
  StreamedResponse respond();

  std::shared_ptr<ConnectionPool> pool_;
  Request request_;
  Route route_;
  Transport::Clock::time_point deadline_;
  std::size_t head_limit_;
  std::string head_;
  Lease lease_;
  ParsedHead response_;
  bool answered_ = false;
  bool fully_sent_ = false;
};

}  // namespace detail
}  // namespace v1
}  // namespace beast_cache
