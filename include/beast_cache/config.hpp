#pragma once
/// \file config.hpp
/// The namespace aliases and the few names of Asio and Beast that every header of the library uses.

#include <boost/system/error_code.hpp>

namespace boost::asio {}
namespace boost::beast::http {}

namespace beast_cache {
inline namespace v1 {

namespace asio = boost::asio;
namespace http = boost::beast::http;

using boost::system::error_code;

/// Internal names: not for users, may change with any release.
namespace detail {}

}  // namespace v1
}  // namespace beast_cache
