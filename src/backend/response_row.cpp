#include "backend/response_row.hpp"

#include <algorithm>

#include "backend/digest.hpp"
#include "beast_cache/backend/impl/header_block.hpp"
#include "beast_cache/policy/vary.hpp"

namespace beast_cache {
inline namespace v1 {
namespace detail {
namespace {

constexpr std::size_t signature_digits = 64;

std::int64_t to_integer(TimePoint when) noexcept {
  return when.time_since_epoch().count();
}
std::optional<std::int64_t> to_integer(std::optional<TimePoint> when) noexcept {
  if (!when) return std::nullopt;
  return to_integer(*when);
}
TimePoint to_time(std::int64_t milliseconds) noexcept {
  return TimePoint(std::chrono::milliseconds(milliseconds));
}
std::optional<TimePoint> to_time(std::optional<std::int64_t> milliseconds) noexcept {
  if (!milliseconds) return std::nullopt;
  return to_time(*milliseconds);
}

std::optional<std::int64_t> column(sqlite::Row const& columns, int index) {
  if (columns.is_null(index)) return std::nullopt;
  return columns.integer(index);
}
void bind_optional(sqlite::Statement& statement, int index, std::optional<std::int64_t> value) {
  if (value)
    statement.bind(index, *value);
  else
    statement.bind_null(index);
}

// There has to be room.
std::string_view append_view(std::string& memory, std::string_view text) {
  std::size_t const at = memory.size();
  memory.append(text);
  return std::string_view(memory).substr(at);
}

// By the first letters of the lines.
bool may_name_vary(std::string_view headers) noexcept {
  while (!headers.empty()) {
    if (headers.front() == 'V' || headers.front() == 'v') return true;
    std::size_t const end = headers.find('\n');
    headers.remove_prefix(end == std::string_view::npos ? headers.size() : end + 1);
  }
  return false;
}

void append_integer(std::string& text, std::int64_t value) {
  auto const bits = static_cast<std::uint64_t>(value);
  for (int shift = 0; shift < 64; shift += 8) text.push_back(static_cast<char>(bits >> shift & 0xff));
}
void append_optional(std::string& text, std::optional<std::int64_t> value) {
  text.push_back(value ? 1 : 0);
  append_integer(text, value.value_or(0));
}

}  // namespace

std::string Seal::seal(std::string_view part, std::string_view data) const {
  if (guard_.is_signing()) {
    auto const signature = guard_.signature(part, data);
    return hex({reinterpret_cast<char const*>(signature.data()), signature.size()});
  }
  std::uint32_t const crc = guard_.checksum(part, data);
  char bytes[4];
  for (int i = 0; i < 4; ++i) bytes[i] = static_cast<char>(crc >> (24 - 8 * i) & 0xff);
  return hex({bytes, sizeof bytes});
}

std::string Seal::of_chunk(std::string_view token, std::uint64_t number, std::string_view data) const {
  std::string part("chunk ");
  part.append(token).append(1, ' ').append(std::to_string(number));
  return seal(part, data);
}

Seal::Verdict Seal::judge(std::string_view stored, std::string_view right) const noexcept {
  if (Guard::equal(stored, right)) return Verdict::good;
  // A row that is signed with a key that we do not have is not damaged: it is somebody's.
  bool const about_keys = !is_files_own_ && (guard_.is_signing() || stored.size() == signature_digits);
  return about_keys ? Verdict::bad_signature : Verdict::damaged;
}

ResponseRow::ResponseRow(StoredResponse const& response, std::string_view headers,
                         std::string_view vary_headers, std::string_view body_checksum,
                         std::string_view parts)
    : url_(response.url().str()),
      method_(std::string_view(http::to_string(response.method()))),
      reason_(response.reason()),
      headers_(headers),
      vary_headers_(vary_headers),
      principal_(response.principal()),
      body_checksum_(body_checksum),
      parts_(parts),
      status_(response.status()),
      version_(response.version()),
      request_time_(to_integer(response.request_time())),
      response_time_(to_integer(response.response_time())),
      size_(static_cast<std::int64_t>(response.body().size())),
      created_at_(to_integer(response.created_at())),
      expires_at_(to_integer(response.expires())),
      override_(to_integer(response.expires_override())),
      fallback_(to_integer(response.expires_fallback())) {}

ResponseRow::ResponseRow(sqlite::Row const& columns)
    : url_(columns.bytes(1)),
      method_(columns.bytes(2)),
      reason_(columns.bytes(4)),
      headers_(columns.bytes(6)),
      vary_headers_(columns.bytes(7)),
      principal_(columns.bytes(8)),
      body_checksum_(columns.bytes(16)),
      parts_(columns.bytes(17)),
      status_(columns.integer(3)),
      version_(columns.integer(5)),
      request_time_(columns.integer(9)),
      response_time_(columns.integer(10)),
      size_(columns.integer(15)),
      created_at_(column(columns, 11)),
      expires_at_(column(columns, 12)),
      override_(column(columns, 13)),
      fallback_(column(columns, 14)) {}

ResponseRow ResponseRow::keep_in(std::string& memory, std::size_t behind) const {
  ResponseRow row(*this);
  std::string_view* const texts[] = {&row.url_,          &row.method_,    &row.reason_,        &row.headers_,
                                     &row.vary_headers_, &row.principal_, &row.body_checksum_, &row.parts_};
  std::size_t size = behind;
  for (auto const* text : texts) size += text->size();
  memory.reserve(size);
  for (auto* text : texts) *text = append_view(memory, *text);
  return row;
}

ResponseRow ResponseRow::keep() const {
  auto const memory = std::make_shared<std::string>();
  ResponseRow row = keep_in(*memory);
  row.own_ = memory;
  return row;
}

std::optional<bool> ResponseRow::matches(LookupQuery const& query, AtRest const& at_rest) const {
  http::verb const method = http::string_to_verb(method_);
  std::optional<http::fields> headers;
  // All that a match looks at is which request fields the response names.
  if (at_rest.encrypts()) {
    headers = decode_fields(at_rest, headers_);
  } else if (may_name_vary(headers_)) {
    headers = parse_headers_named(headers_, http::field::vary);
  } else {
    static http::fields const none;
    return query.matches(none, none, method, principal_);
  }
  std::optional<http::fields> const vary = decode_fields(at_rest, vary_headers_);
  if (!headers || !vary) return std::nullopt;
  return query.matches(*headers, *vary, method, principal_);
}

TimePoint ResponseRow::date(AtRest const& at_rest) const {
  std::optional<http::fields> const headers = at_rest.encrypts()
                                                  ? decode_fields(at_rest, headers_)
                                                  : parse_headers_named(headers_, http::field::date);
  TimePoint const arrival{std::chrono::milliseconds(response_time_)};
  return headers ? policy::detail::date_of(*headers, arrival) : arrival;
}

void ResponseRow::bind(sqlite::Statement& statement) const {
  statement.bind_text(1, url_).bind_text(2, method_).bind(3, status_).bind_text(4, reason_).bind(5, version_);
  statement.bind_text(6, headers_).bind_text(7, vary_headers_).bind_text(8, principal_);
  statement.bind(9, request_time_).bind(10, response_time_);
  bind_optional(statement, 11, created_at_);
  bind_optional(statement, 12, expires_at_);
  bind_optional(statement, 13, override_);
  bind_optional(statement, 14, fallback_);
  statement.bind(15, size_).bind_text(16, body_checksum_).bind_text(17, parts_);
}

std::string_view ResponseRow::sealed_text(std::string_view key) const {
  thread_local std::string text;
  text.clear();
  for (std::string_view part :
       {key, url_, method_, reason_, headers_, vary_headers_, principal_, body_checksum_})
    append_part(text, part);
  for (std::int64_t number : {status_, version_, request_time_, response_time_, size_})
    append_integer(text, number);
  for (auto const& number : {created_at_, expires_at_, override_, fallback_}) append_optional(text, number);
  // Last, and only where there are any: rows of version 1 had none.
  if (!parts_.empty()) append_part(text, parts_);
  return text;
}

std::string ResponseRow::encode_fields(AtRest const& at_rest, http::fields const& fields) {
  return at_rest.encode_text("fields", format_headers(fields));
}

std::optional<http::fields> ResponseRow::decode_fields(AtRest const& at_rest, std::string_view stored) {
  if (!at_rest.encrypts()) return parse_headers(stored);
  std::optional<std::string> const text = at_rest.decode_text("fields", stored);
  if (!text) return std::nullopt;
  return parse_headers(*text);
}

namespace {

// Whether they are those of a body of that size, if there are any.
bool fit(policy::ByteParts const& parts, std::int64_t size) noexcept {
  auto left = static_cast<std::uint64_t>(size);
  for (policy::ByteRange const& range : parts.ranges()) {
    if (range.last() - range.first() >= left) return false;
    left -= range.size();
  }
  return parts.ranges().empty() || left == 0;
}

}  // namespace

std::optional<CachedHead> ResponseRow::decode(Url const& url, AtRest const& at_rest) const {
  std::optional<http::fields> headers = decode_fields(at_rest, headers_);
  std::optional<http::fields> vary = decode_fields(at_rest, vary_headers_);
  std::optional<policy::ByteParts> parts = parse_parts(parts_);
  if (!headers || !vary || !parts || !fit(*parts, size_)) return std::nullopt;
  ResponseHead head(url, static_cast<unsigned>(status_), std::string(reason_), std::move(*headers),
                    static_cast<unsigned>(version_));
  CacheInfo info;
  info.set_method(http::string_to_verb(method_))
      .set_principal(std::string(principal_))
      .set_vary_headers(std::move(*vary))
      .set_times(to_time(request_time_), to_time(response_time_))
      .set_created_at(to_time(created_at_))
      .set_expires(to_time(expires_at_))
      .set_overrides(to_time(override_), to_time(fallback_))
      .set_parts(std::move(*parts));
  return std::optional<CachedHead>(std::in_place, std::move(head), std::move(info));
}

}  // namespace detail
}  // namespace v1
}  // namespace beast_cache
