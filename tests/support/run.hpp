#pragma once
// Runs one awaitable to its end and returns what it returned, or throws what it threw.

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <chrono>
#include <exception>
#include <optional>
#include <stdexcept>
#include <type_traits>
#include <utility>

#include "beast_cache/config.hpp"

namespace test_support {

namespace asio = boost::asio;

namespace run_detail {

// A test that hangs should say so, and not be killed from outside. No test comes near it.
inline constexpr auto patience = std::chrono::seconds(60);

inline void run_until(asio::io_context& io, bool const& done) {
  auto const end = std::chrono::steady_clock::now() + patience;
  io.restart();
  while (!done) {
    if (io.run_one_until(end) == 0)
      throw std::runtime_error("the operation has not completed, and nothing is left to run");
  }
}

}  // namespace run_detail

/// What an awaitable of that type gives; a request builder is an awaitable too.
template <class T>
T run(asio::io_context& io, asio::awaitable<T> operation) {
  bool done = false;
  std::exception_ptr failure;
  if constexpr (std::is_void_v<T>) {
    asio::co_spawn(io, std::move(operation), [&](std::exception_ptr e) {
      failure = e;
      done = true;
    });
    run_detail::run_until(io, done);
    if (failure) std::rethrow_exception(failure);
  } else {
    std::optional<T> result;
    asio::co_spawn(io, std::move(operation), [&](std::exception_ptr e, T value) {
      failure = e;
      result.emplace(std::move(value));
      done = true;
    });
    run_detail::run_until(io, done);
    if (failure) std::rethrow_exception(failure);
    return std::move(*result);
  }
}

/// On a context of its own.
template <class T>
T run(asio::awaitable<T> operation) {
  asio::io_context io;
  return run(io, std::move(operation));
}

}  // namespace test_support
