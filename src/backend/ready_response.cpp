#include "beast_cache/backend/ready_response.hpp"

#include <string>
#include <utility>

#include "beast_cache/policy/cache_status.hpp"
#include "beast_cache/policy/vary.hpp"

namespace beast_cache {
inline namespace v1 {

namespace {

policy::PlainReuse reuse_of(StoredResponse const& stored, policy::Options const& rules) {
  bool const is_everyones = stored.principal().empty() && stored.key().empty();
  if (!is_everyones || !stored.body().text()) return policy::PlainReuse();
  return policy::PlainReuse(view_of(stored), rules);
}

CachedResponse make_answer(StoredResponse stored, policy::PlainReuse::Times times) {
  Response whole(static_cast<ResponseHead&&>(stored), stored.body().text());
  // RFC 9111 section 4: a response served without validation has its age in Age.
  whole.headers().set(http::field::age, std::to_string(times.age().count()));
  CacheInfo info(static_cast<CacheInfo&&>(stored));
  info.set_from_cache(true).set_cache_status(policy::CacheStatus().hit().ttl(times.ttl()).str());
  return CachedResponse(std::move(whole), std::move(info));
}

}  // namespace

bool is_coded(StoredResponse const& stored) {
  return stored.headers().count(http::field::content_encoding) != 0;
}

std::optional<CachedResponse> answer_plain(StoredResponse& stored, policy::Options const& rules,
                                           TimePoint now) {
  auto const times = reuse_of(stored, rules).at(now);
  if (!times) return std::nullopt;
  return make_answer(std::move(stored), *times);
}

ReadyResponse::ReadyResponse(StoredResponse stored, policy::Options const& rules)
    : stored_(std::move(stored)),
      is_coded_(beast_cache::is_coded(stored_)),
      varies_(stored_.headers().count(http::field::vary) != 0),
      reuse_(reuse_of(stored_, rules)) {}

std::optional<CachedResponse> ReadyResponse::answer(Request const& plain, TimePoint now) const {
  auto const times = reuse_.at(now);
  if (!times) return std::nullopt;
  std::lock_guard const lock(mutex_);
  if (!matches(plain)) return std::nullopt;
  if (times_ != times) {
    times_.reset();  // until it is made
    answer_ = make_answer(stored_, *times);
    times_ = times;
  }
  return answer_;
}

bool ReadyResponse::matches(Request const& plain) const {
  if (!varies_) return true;
  // Most requests have what their client adds to each of them.
  if (plain.shared_headers().is_shared() && plain.shared_headers().shares_with(matched_)) return true;
  bool const matches = policy::vary_matches(stored_.headers(), stored_.vary_headers(), plain.headers());
  if (matches && plain.shared_headers().is_shared()) matched_ = plain.shared_headers();
  return matches;
}

}  // namespace v1
}  // namespace beast_cache
