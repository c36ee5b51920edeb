#include "beast_cache/backend/ready_response.hpp"

#include <string>
#include <utility>

#include "beast_cache/policy/cache_status.hpp"
#include "beast_cache/policy/vary.hpp"

namespace beast_cache {
inline namespace v1 {

ReadyResponse::ReadyResponse(StoredResponse stored, policy::Options const& rules)
    : stored_(std::move(stored)), is_coded_(stored_.headers().count(http::field::content_encoding) != 0) {
  bool const is_everyones = stored_.principal().empty() && stored_.key().empty();
  if (stored_.body().text() && is_everyones) reuse_ = policy::PlainReuse(view_of(stored_), rules);
}

std::optional<CachedResponse> ReadyResponse::answer(Request const& plain, TimePoint now) const {
  auto const times = reuse_.at(now);
  if (!times) return std::nullopt;
  std::lock_guard const lock(mutex_);
  if (!matches(plain)) return std::nullopt;
  if (times_ != times) make_answer(*times);
  return answer_;
}

bool ReadyResponse::matches(Request const& plain) const {
  // Most requests have what their client adds to each of them.
  if (plain.shared_headers().is_shared() && plain.shared_headers().shares_with(matched_)) return true;
  bool const matches = policy::vary_matches(stored_.headers(), stored_.vary_headers(), plain.headers());
  if (matches && plain.shared_headers().is_shared()) matched_ = plain.shared_headers();
  return matches;
}

void ReadyResponse::make_answer(policy::PlainReuse::Times times) const {
  times_.reset();  // until it is made
  ResponseHead head(stored_);
  // RFC 9111 section 4: a response served without validation has its age in Age.
  head.headers().set(http::field::age, std::to_string(times.age().count()));
  CacheInfo info(stored_);
  info.set_from_cache(true).set_cache_status(policy::CacheStatus().hit().ttl(times.ttl()).str());
  Response whole(std::move(head), stored_.body().text());
  answer_ = CachedResponse(std::move(whole), std::move(info));
  times_ = times;
}

}  // namespace v1
}  // namespace beast_cache
