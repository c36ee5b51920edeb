// Structured fields: what is read and written again is read the same.

#include "beast_cache/http/structured_fields.hpp"

#include "fuzz/fuzz.hpp"

namespace {

template <class T>
void check(std::optional<T> const& value, std::optional<T> (*parse)(std::string_view)) {
  if (!value) return;
  auto const text = beast_cache::structured::serialise(*value);
  fuzz::require(text.has_value());
  fuzz::require(parse(*text) == value);
}

}  // namespace

int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  using namespace beast_cache::structured;
  auto const text = fuzz::text_of(data, size);
  check(parse_item(text), &parse_item);
  check<List>(parse_list(text), &parse_list);
  check<Dictionary>(parse_dictionary(text), &parse_dictionary);
  return 0;
}
