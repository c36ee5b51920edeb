#pragma once
/// \file ready_response.hpp
/// A stored response that answers without waiting.

#include <memory>
#include <mutex>
#include <optional>

#include "beast_cache/backend/cached_response.hpp"
#include "beast_cache/backend/stored_response.hpp"
#include "beast_cache/clock.hpp"
#include "beast_cache/config.hpp"
#include "beast_cache/http/request.hpp"
#include "beast_cache/policy/plain_reuse.hpp"

namespace beast_cache {
inline namespace v1 {

/// Whether a response's body came in a coding that a client may have to take off.
bool is_coded(StoredResponse const& stored);

/// The answer of what is stored to a GET of its URL without credentials (`has_credentials`) whose fields are
/// `policy::is_plain`, and match its Vary: with Age and Cache-Status, its body as it was received.
/// @param stored Is used up, if there is an answer. @param rules By which its freshness is judged.
/// @return Nothing where the rules have to be asked: it is not fresh, not a whole answer to everyone's GET,
/// or
///   not in memory.
std::optional<CachedResponse> answer_plain(StoredResponse& stored, policy::Options const& rules,
                                           TimePoint now);

/// A stored response in memory together with its answer to plain requests, which is made once for each second
/// of its age: those that get it share head and body.
///
/// Thread safety: all functions.
class ReadyResponse {
 public:
  /// @param rules By which its freshness is judged.
  ReadyResponse(StoredResponse stored, policy::Options const& rules);
  ReadyResponse(ReadyResponse const&) = delete;
  ReadyResponse& operator=(ReadyResponse const&) = delete;

  StoredResponse const& stored() const noexcept { return stored_; }
  bool is_coded() const noexcept { return is_coded_; }

  /// As `answer_plain`, for requests that its Vary need not match.
  std::optional<CachedResponse> answer(Request const& plain, TimePoint now) const;

 private:
  bool matches(Request const& plain) const;

  StoredResponse const stored_;
  bool const is_coded_, varies_;
  policy::PlainReuse reuse_;
  // Of the last answer.
  mutable std::mutex mutex_;
  mutable detail::CopyOnWrite<http::fields> matched_;  // Vary matches these
  mutable std::optional<policy::PlainReuse::Times> times_;
  mutable CachedResponse answer_;
};

}  // namespace v1
}  // namespace beast_cache
