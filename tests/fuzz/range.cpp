// Range, Content-Range and If-Range: what is served lies within what is stored.

#include "beast_cache/policy/range.hpp"

#include "beast_cache/policy/storability.hpp"
#include "fuzz/fuzz.hpp"

namespace policy = beast_cache::policy;

int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  if (size > 4000) return 0;
  auto lines = fuzz::lines_of(fuzz::text_of(data, size));
  lines.resize(5);
  if (auto const range = policy::parse_content_range(lines[1])) {
    fuzz::require(policy::parse_content_range(range->str()) == range);
  }
  fuzz::http::fields request, stored;
  request.insert(fuzz::http::field::range, lines[0]);
  stored.insert(fuzz::http::field::content_range, lines[1]);
  if (!lines[2].empty()) request.insert(fuzz::http::field::if_range, lines[2]);
  if (!lines[3].empty()) stored.insert(fuzz::http::field::etag, lines[3]);
  if (!lines[4].empty()) request.insert(fuzz::http::field::if_none_match, lines[4]);
  beast_cache::TimePoint const now{};
  policy::RequestView const asked{fuzz::http::verb::get, request};
  for (unsigned const status : {200u, 206u}) {
    policy::StoredView view{status, stored, now, now};
    if (status == 200) view.body_size(size);
    auto const answer = policy::answer(asked, view);
    if (answer.kind() != policy::Answer::Kind::part) continue;
    auto const& range = answer.range();
    fuzz::require(range.first() <= range.last() && range.last() < answer.complete());
    if (status == 200) fuzz::require(answer.complete() == size);
    if (status == 206) fuzz::require(policy::content_range(stored)->range()->contains(range));
    auto const head = policy::partial_fields(stored, range, answer.complete());
    fuzz::require(policy::content_range(head) == policy::ContentRange(range, answer.complete()));
    auto again = request;
    if (policy::ask_for_part(again, view, range.first(), range.last())) {
      fuzz::require(policy::requested_range(again)->resolve(answer.complete()) == range);
      fuzz::require(policy::if_range_holds(again, view));
    }
  }
  if (policy::is_storable_part(stored)) {
    policy::StoredView const view{206, stored, now, now};
    auto again = request;
    if (policy::ask_for_part(again, view, 0, std::nullopt)) {
      fuzz::require(policy::combines(view, 206, stored, now));
    }
  }
  return 0;
}
