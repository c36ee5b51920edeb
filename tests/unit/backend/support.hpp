#pragma once
// What the tests of the backends share.

#include <stdlib.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <chrono>
#include <exception>
#include <filesystem>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

#include "beast_cache/backend/cache_backend.hpp"
#include "beast_cache/backend/impl/header_block.hpp"
#include "beast_cache/policy/vary.hpp"
#include "catch.hpp"

namespace backend_test {

namespace asio = boost::asio;
namespace http = boost::beast::http;
using namespace beast_cache;

// Runs one operation to its end on a context of its own.
template <class T>
T run(asio::awaitable<T> operation) {
  asio::io_context context;
  std::exception_ptr failure;
  std::optional<T> result;
  asio::co_spawn(context, std::move(operation), [&](std::exception_ptr error, T value) {
    failure = std::move(error);
    result.emplace(std::move(value));
  });
  context.run();
  if (failure) std::rethrow_exception(failure);
  return std::move(*result);
}

inline void run(asio::awaitable<void> operation) {
  asio::io_context context;
  std::exception_ptr failure;
  asio::co_spawn(context, std::move(operation),
                 [&](std::exception_ptr error) { failure = std::move(error); });
  context.run();
  if (failure) std::rethrow_exception(failure);
}

// The code that an operation fails with; none if it does not.
template <class T>
error_code failure_of(asio::awaitable<T> operation) {
  try {
    static_cast<void>(run(std::move(operation)));
  } catch (Error const& error) {
    return error.code();
  }
  return error_code();
}
inline error_code failure_of(asio::awaitable<void> operation) {
  try {
    run(std::move(operation));
  } catch (Error const& error) {
    return error.code();
  }
  return error_code();
}

class TempDir {
 public:
  TempDir() {
    std::string pattern = (std::filesystem::temp_directory_path() / "beast_cache_XXXXXX").string();
    if (!::mkdtemp(pattern.data())) throw std::runtime_error("mkdtemp");
    path_ = pattern;
  }
  TempDir(TempDir const&) = delete;
  TempDir& operator=(TempDir const&) = delete;
  ~TempDir() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  std::string operator/(std::string_view name) const { return (path_ / name).string(); }

 private:
  std::filesystem::path path_;
};

constexpr TimePoint at(std::int64_t seconds) {
  return TimePoint(std::chrono::seconds(1767225600 + seconds));
}

inline Request make_request(std::string_view url, std::string_view header_block = "",
                            http::verb method = http::verb::get) {
  Request request(method, Url(url));
  request.headers() = detail::parse_headers(header_block).value();
  return request;
}

inline LookupQuery query(std::string_view url, std::string_view header_block = "",
                         http::verb method = http::verb::get, std::string principal = std::string()) {
  return LookupQuery(make_request(url, header_block, method), std::move(principal));
}

// The answer to a request, received `seconds` after the epoch of these tests and fresh for a minute.
inline CachedResponse answer(Request const& request, std::string_view header_block, std::string body,
                             std::int64_t seconds = 0, std::string principal = std::string()) {
  http::fields headers = detail::parse_headers(header_block).value();
  CacheInfo info;
  info.set_method(request.method())
      .set_times(at(seconds), at(seconds) + std::chrono::milliseconds(7))
      .set_created_at(at(seconds))
      .set_expires(at(seconds + 60))
      .set_vary_headers(policy::nominated_fields(headers, request.headers()))
      .set_principal(std::move(principal));
  ResponseHead head(request.url(), 200, "OK", std::move(headers));
  return CachedResponse(Response(std::move(head), std::move(body)), std::move(info));
}

inline CachedResponse page(std::string_view url, std::string body, std::int64_t seconds = 0) {
  return answer(make_request(url), "Content-Type: text/plain\r\n", std::move(body), seconds);
}

inline std::optional<std::string> body_of(Lookup const& found) {
  if (!found.selected()) return std::nullopt;
  return *found.selected()->body().text();
}

inline void check_same(StoredResponse const& a, StoredResponse const& b) {
  CHECK(a.url() == b.url());
  CHECK(a.status() == b.status());
  CHECK(a.reason() == b.reason());
  CHECK(a.version() == b.version());
  CHECK(detail::format_headers(a.headers()) == detail::format_headers(b.headers()));
  CHECK(*a.body().text() == *b.body().text());
  CHECK(a.method() == b.method());
  CHECK(a.principal() == b.principal());
  CHECK(detail::format_headers(a.vary_headers()) == detail::format_headers(b.vary_headers()));
  CHECK(a.request_time() == b.request_time());
  CHECK(a.response_time() == b.response_time());
  CHECK(a.created_at() == b.created_at());
  CHECK(a.expires() == b.expires());
  CHECK(a.expires_override() == b.expires_override());
  CHECK(a.expires_fallback() == b.expires_fallback());
}

}  // namespace backend_test
