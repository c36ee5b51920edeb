#pragma once
// What a fragment of the README may take for granted: it is compiled inside a coroutine behind these lines.
#include <beast_cache/beast_cache.hpp>
#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <iostream>
#include <string>

namespace asio = boost::asio;
using namespace beast_cache;
using namespace std::chrono_literals;

extern asio::any_io_executor executor;
extern beast_cache::CachedSession session;
extern beast_cache::SQLiteCache cache;
extern std::string url;
