#pragma once
/// \file json.hpp
/// `session.post(url).json(value)` and `response.json()`, by Boost.JSON. A header of its own because of its
/// weight; a program that includes it links `Boost::json`.
///
/// Not beside `co_await`: `boost::json::value{{"a", 1}}`, a braced list, which g++ 12 destroys twice. Name
/// the value first.

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>
#include <boost/json/value_from.hpp>
#include <string>

#include "beast_cache/config.hpp"
#include "beast_cache/error.hpp"
#include "beast_cache/http/response.hpp"
#include "beast_cache/session/request_parts.hpp"

namespace beast_cache {
inline namespace v1 {
namespace detail {

/// What `RequestBuilder::json` sends: a value of Boost.JSON, or what `boost::json::value_from` makes into
/// one.
template <class Value>
std::string json_text(JsonTag, Value const& value) {
  return boost::json::serialize(boost::json::value_from(value));
}
inline std::string json_text(JsonTag, boost::json::value const& value) {
  return boost::json::serialize(value);
}

/// What `Response::json` gives.
/// Errors: `Error` with Boost.JSON's code.
inline boost::json::value json_value(JsonTag, Response const& response) {
  std::string_view text = response.body();
  // RFC 8259 section 8.1: a byte order mark may be ignored.
  if (text.starts_with("\xef\xbb\xbf")) text.remove_prefix(3);
  error_code ec;
  boost::json::value value = boost::json::parse({text.data(), text.size()}, ec);
  if (ec) throw Error(ec, std::string(response.url().without_query()) + ": the body is no JSON");
  return value;
}

}  // namespace detail
}  // namespace v1
}  // namespace beast_cache
