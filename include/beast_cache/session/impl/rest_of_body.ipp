#pragma once

#include <algorithm>
#include <boost/asio/buffer.hpp>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "beast_cache/policy/range.hpp"
#include "beast_cache/session/cached_session.hpp"
#include "beast_cache/session/impl/partial_content.ipp"

namespace beast_cache {
inline namespace v1 {
namespace detail {

/// @param left How many bytes: right also when it is cancelled in between.
inline asio::awaitable<void> skip(BodyReader& body, std::uint64_t& left, Url const& url) {
  std::string buffer(std::size_t{16384}, '\0');
  while (left != 0) {
    auto const most = static_cast<std::size_t>(std::min<std::uint64_t>(buffer.size(), left));
    std::size_t const count = co_await body.read_some(asio::buffer(buffer.data(), most));
    if (count == 0) throw Error(http_errc::truncated, std::string(url.without_query()));
    left -= count;
  }
}

/// What is left of a body of which the first bytes have come, from the origin: a request for the rest (RFC
/// 9111 section 3.4), from the last byte on that came: there may be no more, and a range behind the end can't
/// be had.
/// @param request The reader's own. @param entry The head of the response. Has to outlive the operation.
/// @param position How many bytes have come. @param size How many there are, where that is known.
/// @return Null where it can't be had.
inline asio::awaitable<std::unique_ptr<BodyReader>> fetch_rest(
    std::shared_ptr<CachedCore> core, std::shared_ptr<Request const> original, CachedHead const& entry,
    std::uint64_t position, std::optional<std::uint64_t> size,
    std::optional<std::chrono::steady_clock::time_point> deadline) {
  auto const now = std::chrono::steady_clock::now();
  if (original->method() != http::verb::get || entry.status() != 200 || (deadline && *deadline <= now))
    co_return nullptr;
  Request request = *original;
  policy::StoredView const held = view_of(entry);
  std::uint64_t const first = position - std::min<std::uint64_t>(position, 1);
  if (!policy::ask_for_part(request.headers(), held, first)) co_return nullptr;
  request.set_decompression(Decompression::off());
  if (deadline) {
    auto const left = std::chrono::ceil<std::chrono::milliseconds>(*deadline - now);
    request.set_timeout(std::max(left, std::chrono::milliseconds(1)));
  }
  StreamedResponse response = co_await core->client().send(std::move(request));
  auto const time = core->backend().options().clock()->now();
  auto const meaning = policy::resumption(held, first, response.status(), response.headers(), time);
  auto const range = policy::content_range(response.headers());
  bool const whole = meaning == policy::Resumption::restart && !range &&
                     policy::combines(held, 200, response.headers(), time);
  bool const rest = meaning == policy::Resumption::append &&
                    range->range()->last() + 1 == range->complete() &&
                    size.value_or(*range->complete()) == *range->complete();
  if (!whole && !rest) co_return nullptr;
  std::unique_ptr<BodyReader> body = response.take_body();
  std::optional<std::uint64_t> const length = whole ? size : range->range()->size();
  if (length) body = std::make_unique<SizedReader>(std::move(body), *length, entry.url());
  std::uint64_t held_already = whole ? position : position - first;
  co_await skip(*body, held_already, entry.url());
  co_return body;
}

}  // namespace detail
}  // namespace v1
}  // namespace beast_cache
