#pragma once
// What the main function of every example does: run one coroutine to its end.

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <exception>
#include <iostream>

/// Runs `coroutine` and returns the exit status of the program: 1 when it threw, after printing why.
inline int run(boost::asio::awaitable<void> coroutine) {
  boost::asio::io_context io;
  std::exception_ptr failure;
  boost::asio::co_spawn(io, std::move(coroutine), [&](std::exception_ptr e) { failure = e; });
  io.run();
  if (!failure) return 0;
  try {
    std::rethrow_exception(failure);
  } catch (std::exception const& e) {
    std::cerr << "error: " << e.what() << '\n';
  }
  return 1;
}
