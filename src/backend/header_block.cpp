#include "beast_cache/backend/impl/header_block.hpp"

#include <charconv>
#include <cstdint>
#include <limits>

#include "beast_cache/error.hpp"
#include "beast_cache/policy/field_values.hpp"

namespace beast_cache {
inline namespace v1 {
namespace detail {
namespace {

constexpr std::string_view separator = ": ";
constexpr std::string_view line_end = "\r\n";
// Beast keeps a field's sizes in 16 bits, each with two characters of punctuation.
constexpr std::size_t most = std::numeric_limits<std::uint16_t>::max() - 2;

// RFC 9110 section 5.5: CR, LF and NUL are never part of a value; RFC 9110 section 5.1: a name is a token.
bool is_trimmed(std::string_view value) noexcept {
  return value.size() == policy::detail::trim(value).size() && value.size() <= most;
}
bool is_value(std::string_view value) noexcept {
  if (value.find_first_of(std::string_view("\r\n\0", 3)) != std::string_view::npos) return false;
  return is_trimmed(value);
}
bool is_name(std::string_view name) noexcept {
  return policy::detail::is_token(name) && name.size() <= most;
}

}  // namespace

std::string format_headers(http::fields const& fields) {
  std::size_t size = 0;
  for (auto const& field : fields) size += field.name_string().size() + field.value().size() + 4;
  std::string text;
  text.reserve(size);
  for (auto const& field : fields) {
    std::string_view const name = field.name_string();
    std::string_view const value = field.value();
    if (!is_name(name) || !is_value(value))
      throw Error(cache_errc::bad_value, "a header field that HTTP does not allow can't be stored");
    text.append(name).append(separator).append(value).append(line_end);
  }
  return text;
}

// What is_value looks for in each of them, of all lines at once.
static bool has_stray_control(std::string_view text) noexcept {
  if (text.find('\0') != std::string_view::npos) return true;
  for (std::size_t at = text.find('\r'); at != std::string_view::npos; at = text.find('\r', at + 1)) {
    if (at + 1 == text.size() || text[at + 1] != '\n') return true;
  }
  for (std::size_t at = text.find('\n'); at != std::string_view::npos; at = text.find('\n', at + 1)) {
    if (at == 0 || text[at - 1] != '\r') return true;
  }
  return false;
}

// Those for which `wants(name)`.
template <class Wants>
static std::optional<http::fields> parse_some(std::string_view text, Wants wants) {
  if (has_stray_control(text)) return std::nullopt;
  std::optional<http::fields> fields(std::in_place);
  while (!text.empty()) {
    auto const end = text.find(line_end);
    if (end == std::string_view::npos) return std::nullopt;
    std::string_view const line = text.substr(0, end);
    text.remove_prefix(end + line_end.size());
    auto const colon = line.find(separator);
    if (colon == std::string_view::npos) return std::nullopt;
    std::string_view const name = line.substr(0, colon);
    if (!wants(name)) continue;
    std::string_view const value = line.substr(colon + separator.size());
    if (!is_name(name) || !is_trimmed(value)) return std::nullopt;
    fields->insert(http::string_to_field(name), name, value);
  }
  return fields;
}

std::optional<http::fields> parse_headers(std::string_view text) {
  return parse_some(text, [](std::string_view) { return true; });
}

std::optional<http::fields> parse_headers_named(std::string_view text, http::field field) {
  std::string_view const wanted = http::to_string(field);
  return parse_some(text, [&](std::string_view name) { return boost::beast::iequals(name, wanted); });
}

std::string format_parts(policy::ByteParts const& parts) {
  std::string text;
  for (policy::ByteRange const& range : parts.ranges()) {
    if (!text.empty()) text += ',';
    text.append(std::to_string(range.first())).append(1, '-').append(std::to_string(range.last()));
  }
  if (text.empty()) return text;
  return text.append(1, '/').append(parts.complete() ? std::to_string(*parts.complete()) : "*");
}

std::optional<policy::ByteParts> parse_parts(std::string_view text) {
  if (text.empty()) return policy::ByteParts();
  std::string_view const written = text;
  auto const number = [&](char behind) {
    std::uint64_t value = 0;
    char const* const end = text.data() + text.size();
    auto const read = std::from_chars(text.data(), end, value);
    bool const good =
        read.ec == std::errc() && (behind == 0 ? read.ptr == end : read.ptr != end && *read.ptr == behind);
    text.remove_prefix(static_cast<std::size_t>(read.ptr - text.data()) + (good && behind != 0));
    return good ? std::optional<std::uint64_t>(value) : std::nullopt;
  };
  auto const slash = text.find('/');
  if (slash == std::string_view::npos) return std::nullopt;
  policy::ByteParts parts;
  std::string_view const complete = text.substr(slash + 1);
  std::string ranges(text.substr(0, slash));
  ranges += ',';
  text = ranges;
  while (!text.empty()) {
    auto const first = number('-');
    auto const last = first ? number(',') : std::nullopt;
    if (!last || *last < *first) return std::nullopt;
    parts.add(policy::ByteRange(*first, *last));
  }
  if (complete != "*") {
    text = complete;
    auto const size = number(0);
    if (!size) return std::nullopt;
    parts.complete(*size);
  }
  // Ranges out of order or overlapping were not written here.
  return format_parts(parts) == written ? std::optional(std::move(parts)) : std::nullopt;
}

}  // namespace detail
}  // namespace v1
}  // namespace beast_cache
