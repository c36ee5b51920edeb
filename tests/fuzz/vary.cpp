// Vary: matching is the same in both directions, and a request matches itself.

#include "beast_cache/policy/vary.hpp"

#include "fuzz/fuzz.hpp"

namespace policy = beast_cache::policy;

int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  if (size > 8000) return 0;
  auto const lines = fuzz::lines_of(fuzz::text_of(data, size));
  fuzz::http::fields response, then, now;
  response.insert(fuzz::http::field::vary, lines[0]);
  constexpr fuzz::http::field names[] = {fuzz::http::field::accept_encoding,
                                         fuzz::http::field::accept_language, fuzz::http::field::accept};
  // A name to three lines of either request.
  for (std::size_t i = 1; i < lines.size() && i < 20; ++i) {
    (i % 2 ? then : now).insert(names[i / 6 % 3], lines[i]);
  }
  bool const matches = policy::vary_matches(response, then, now);
  fuzz::require(policy::vary_matches(response, now, then) == matches);
  fuzz::require(policy::vary_matches(response, policy::nominated_fields(response, then), now) == matches);
  bool const never = policy::varies_on_everything(response);
  fuzz::require(policy::vary_matches(response, now, now) == !never);
  fuzz::require(!never || !matches);
  return 0;
}
