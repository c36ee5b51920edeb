#pragma once
/// Error codes as the exceptions of an exchange. Internal.

#include <boost/asio/error.hpp>
#include <string>

#include "beast_cache/error.hpp"

namespace beast_cache {
inline namespace v1 {
namespace detail {

/// Whether the deadline or a cancellation ended an operation, and not the other side.
inline bool ended_from_outside(error_code const& ec) noexcept {
  return ec == http_errc::timeout || ec == asio::error::operation_aborted;
}

/// @param phase Where it happened.
[[noreturn]] inline void fail(error_code const& ec, std::string const& context, Phase phase) {
  if (ec == http_errc::timeout) throw TimeoutError(phase, context);
  throw Error(ec, context);
}

}  // namespace detail
}  // namespace v1
}  // namespace beast_cache
