#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <utility>

#include "beast_cache/backend/stored_response.hpp"
#include "beast_cache/http/request.hpp"
#include "beast_cache/policy/cache_status.hpp"
#include "beast_cache/policy/range.hpp"
#include "beast_cache/policy/validation.hpp"
#include "beast_cache/session/impl/partial_content.ipp"

namespace beast_cache {
inline namespace v1 {
namespace detail {

/// What of a stored response answers the request: the whole of it, a part, 304 or 416.
/// @param stored Is used up. @param answer What the rules say of it. @param age Its current age.
inline CachedStream create_answer(Request const& request, StoredResponse& stored,
                                  policy::Answer const& answer, policy::CacheStatus const& status,
                                  std::chrono::seconds age) {
  Url const& url = request.url();
  ResponseHead head;
  std::unique_ptr<BodyReader> body;
  http::fields const& fields = std::as_const(stored).headers();
  switch (answer.kind()) {
    case policy::Answer::Kind::not_modified:
      head = ResponseHead(url, 304, "Not Modified", policy::not_modified_fields(fields));
      break;
    case policy::Answer::Kind::part:
      head = ResponseHead(url, 206, "Partial Content",
                          policy::partial_fields(fields, answer.range(), answer.complete()));
      body = HeldBytes(stored).open(answer.range());
      break;
    case policy::Answer::Kind::unsatisfiable:
      head = ResponseHead(url, 416, "Range Not Satisfiable",
                          policy::unsatisfiable_fields(fields, answer.complete()));
      break;
    default:
      if (request.method() != http::verb::head) body = stored.body().open();
      head = static_cast<ResponseHead&&>(stored);
      head.set_url(url);
  }
  // RFC 9111 section 4: a response served without validation has its age in Age.
  head.headers().set(http::field::age, std::to_string(age.count()));
  if (!body) body = std::make_unique<StringReader>(std::string());
  CacheInfo info(static_cast<CacheInfo&&>(stored));
  info.set_from_cache(true).set_cache_status(status.str());
  return CachedStream(StreamedResponse(std::move(head), std::move(body)), std::move(info));
}

}  // namespace detail
}  // namespace v1
}  // namespace beast_cache
