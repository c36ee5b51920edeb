// HTTP dates: what is read and written again is read the same.

#include "beast_cache/http/date.hpp"

#include "fuzz/fuzz.hpp"

int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  using namespace beast_cache;
  constexpr TimePoint now{std::chrono::sys_days{std::chrono::year{2026} / 1 / 1}};
  auto const date = parse_http_date(fuzz::text_of(data, size), now);
  if (!date) return 0;
  auto const written = format_http_date(*date);
  fuzz::require(written.size() == 29);
  fuzz::require(parse_http_date(written, now) == date);
  return 0;
}
