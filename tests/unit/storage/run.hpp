#pragma once
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <exception>
#include <stdexcept>
#include <utility>

#include "beast_cache/error.hpp"

// Runs a coroutine to its end on a context of its own and passes on what it throws.
inline void run(boost::asio::awaitable<void> task) {
  boost::asio::io_context context;
  std::exception_ptr failure;
  bool done = false;
  boost::asio::co_spawn(context, std::move(task), [&](std::exception_ptr error) {
    failure = error;
    done = true;
  });
  context.run();
  if (failure) std::rethrow_exception(failure);
  if (!done) throw std::runtime_error("the coroutine never ended");
}

// The code that the operation fails with; none if it succeeds. Its message, if that is asked for.
inline boost::asio::awaitable<boost::system::error_code> code_of(boost::asio::awaitable<void> operation,
                                                                 std::string* what = nullptr) {
  boost::system::error_code code;
  try {
    co_await std::move(operation);
  } catch (boost::system::system_error const& error) {
    code = error.code();
    if (what) *what = error.what();
  }
  co_return code;
}
