#pragma once
/// One request and its response on one connection. Internal.

#include <boost/asio/awaitable.hpp>
#include <cstddef>
#include <memory>

#include "beast_cache/config.hpp"
#include "beast_cache/http/request.hpp"
#include "beast_cache/http/response.hpp"
#include "session/connection_pool.hpp"
#include "session/exchange_record.hpp"
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

  /// Has it noted there.
  void note_in(std::shared_ptr<ExchangeRecord> record) noexcept { record_ = std::move(record); }
  /// Of the last attempt; null where nobody observes.
  std::shared_ptr<ExchangeRecord> const& record() const noexcept { return record_; }

  /// @return The response, whose reader gives the connection back at the body's end.
  asio::awaitable<StreamedResponse> run() { return record_ ? run_noted() : run_plain(); }

 private:
  asio::awaitable<StreamedResponse> run_plain();
  asio::awaitable<StreamedResponse> run_noted();
  asio::awaitable<bool> attempt(bool may_retry);
  asio::awaitable<void> write_rest(std::size_t sent, error_code& ec);
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
  std::shared_ptr<ExchangeRecord> record_;  // outlives the connection, which notes in it
  Lease lease_;
  ParsedHead response_;
  error_code failure_;  // of an attempt that is made again
  bool answered_ = false;
  bool fully_sent_ = false;
};

}  // namespace detail
}  // namespace v1
}  // namespace beast_cache
