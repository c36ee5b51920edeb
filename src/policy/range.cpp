#include "beast_cache/policy/range.hpp"

#include <algorithm>
#include <chrono>
#include <iterator>
#include <limits>

#include "beast_cache/policy/field_values.hpp"
#include "beast_cache/policy/validation.hpp"

namespace beast_cache {
inline namespace v1 {
namespace policy {
namespace {

constexpr auto largest = std::numeric_limits<std::uint64_t>::max();

/// Digits and nothing else; what can't be represented counts as the largest number.
std::optional<std::uint64_t> number(std::string_view text) noexcept {
  if (text.empty()) return std::nullopt;
  std::uint64_t value = 0;
  for (char const c : text) {
    if (!detail::is_digit(c)) return std::nullopt;
    auto const digit = static_cast<std::uint64_t>(c - '0');
    value = value > (largest - digit) / 10 ? largest : value * 10 + digit;
  }
  return value;
}

std::optional<RangeSpec> parse_spec(std::string_view text) noexcept {
  auto const dash = text.find('-');
  if (dash == std::string_view::npos) return std::nullopt;
  auto const before = text.substr(0, dash);
  auto const behind = text.substr(dash + 1);
  auto const last = number(behind);
  if (before.empty()) return last ? std::optional{RangeSpec::suffix(*last)} : std::nullopt;
  auto const first = number(before);
  if (!first || (!last && !behind.empty()) || (last && *last < *first)) return std::nullopt;
  return RangeSpec::from(*first, last);
}

/// What stands behind `bytes` and a separator. RFC 9110 section 14.1: the unit's name has no case.
std::optional<std::string_view> after_unit(std::string_view value, char separator) noexcept {
  constexpr std::string_view unit = "bytes";
  value = detail::trim(value);
  if (value.size() <= unit.size() || !detail::iequals(value.substr(0, unit.size()), unit)) return {};
  if (value[unit.size()] != separator) return std::nullopt;
  return value.substr(unit.size() + 1);
}

std::optional<std::uint64_t> content_length(http::fields const& headers) noexcept {
  auto const text = detail::single_value(headers, http::field::content_length);
  return text ? number(*text) : std::nullopt;
}

std::optional<std::uint64_t> complete_size(StoredView const& stored) noexcept {
  if (stored.status() != 206)
    return stored.body_size() ? stored.body_size() : content_length(stored.headers());
  if (stored.parts() != nullptr && stored.parts()->complete()) return stored.parts()->complete();
  auto const range = content_range(stored.headers());
  return range ? range->complete() : std::nullopt;
}

bool holds(StoredView const& stored, ByteRange const& range) noexcept {
  if (stored.status() != 206) return true;
  if (stored.parts() != nullptr) return stored.parts()->contains(range);
  auto const held = content_range(stored.headers());
  return held && held->range() && held->range()->contains(range);
}

bool has_strong_validator(http::fields const& headers, TimePoint response_time) noexcept {
  if (headers.count(http::field::etag) != 0) return detail::EntityTag{headers}.is_strong();
  return detail::strong_date(headers, response_time).has_value();
}

bool same_strong_validator(http::fields const& a, TimePoint a_time, http::fields const& b,
                           TimePoint b_time) noexcept {
  if (a.count(http::field::etag) != 0 || b.count(http::field::etag) != 0) {
    detail::EntityTag const ours{a}, theirs{b};
    return ours.is_strong() && theirs.is_strong() && ours.text() == theirs.text();
  }
  auto const ours = detail::strong_date(a, a_time);
  return ours && ours == detail::strong_date(b, b_time);
}

}  // namespace

std::optional<RangeSpec> parse_range(std::string_view value) noexcept {
  auto const list = after_unit(value, '=');
  if (!list) return std::nullopt;
  std::optional<RangeSpec> spec;
  bool const single = detail::for_each_member(*list, [&](std::string_view member) {
    bool const first = !spec;
    spec = parse_spec(member);
    return first && spec;
  });
  return single ? spec : std::nullopt;
}

std::optional<RangeSpec> requested_range(http::fields const& request) noexcept {
  auto const range = request.equal_range(http::field::range);
  if (range.first == range.second || std::next(range.first) != range.second) return std::nullopt;
  return parse_range(range.first->value());
}

std::string ContentRange::str() const {
  std::string text = "bytes ";
  if (range_) {
    text.append(std::to_string(range_->first())).append(1, '-').append(std::to_string(range_->last()));
  } else {
    text += '*';
  }
  return text.append(1, '/').append(complete_ ? std::to_string(*complete_) : "*");
}

std::optional<ContentRange> parse_content_range(std::string_view value) noexcept {
  auto const rest = after_unit(value, ' ');
  if (!rest) return std::nullopt;
  auto const slash = rest->find('/');
  if (slash == std::string_view::npos) return std::nullopt;
  auto const held = rest->substr(0, slash);
  auto const size = rest->substr(slash + 1);
  auto const complete = number(size);
  if (!complete && size != "*") return std::nullopt;
  if (held == "*") return complete ? std::optional{ContentRange({}, complete)} : std::nullopt;
  auto const spec = parse_spec(held);
  if (!spec || !spec->first() || !spec->last()) return std::nullopt;
  // A number that was cut down can't be told from the one that it stands for.
  if (*spec->last() == largest || (complete && *spec->last() >= *complete)) return std::nullopt;
  return ContentRange(ByteRange(*spec->first(), *spec->last()), complete);
}

std::optional<ContentRange> content_range(http::fields const& headers) noexcept {
  auto const text = detail::single_value(headers, http::field::content_range);
  return text ? parse_content_range(*text) : std::nullopt;
}

void ByteParts::add(ByteRange const& part) {
  auto first = part.first();
  auto last = part.last();
  // The first range that ends at the byte before the part, or later.
  auto const begin = std::find_if(ranges_.begin(), ranges_.end(), [&](ByteRange const& r) {
    return r.last() == largest || r.last() + 1 >= first;
  });
  auto end = begin;
  for (; end != ranges_.end() && (last == largest || end->first() <= last + 1); ++end) {
    first = std::min(first, end->first());
    last = std::max(last, end->last());
  }
  ranges_.insert(ranges_.erase(begin, end), ByteRange(first, last));
}

bool ByteParts::contains(ByteRange const& range) const noexcept {
  return std::any_of(ranges_.begin(), ranges_.end(), [&](auto const& held) { return held.contains(range); });
}

std::vector<ByteRange> ByteParts::missing(ByteRange const& range) const {
  std::vector<ByteRange> gaps;
  auto next = range.first();
  for (auto const& held : ranges_) {
    if (held.last() < next) continue;
    if (held.first() > range.last()) break;
    if (held.first() > next) gaps.emplace_back(next, held.first() - 1);
    if (held.last() >= range.last()) return gaps;
    next = held.last() + 1;
  }
  gaps.emplace_back(next, range.last());
  return gaps;
}

bool if_range_holds(http::fields const& request, StoredView const& stored) noexcept {
  if (request.count(http::field::if_range) == 0) return true;
  auto const text = detail::single_value(request, http::field::if_range);
  if (!text) return false;
  detail::EntityTag const ours{stored.headers()};
  if (text->starts_with('"')) return ours.is_strong() && ours.text() == *text;
  // What begins otherwise is a weak tag, which never holds, or a date, which must be the same to the letter.
  auto const date = detail::strong_date(stored.headers(), stored.response_time());
  return date && *date == *text;
}

Answer answer_range(RequestView const& request, StoredView const& stored) noexcept {
  using Kind = Answer::Kind;
  bool const is_part = stored.status() == 206;
  auto const complete = complete_size(stored);
  auto const whole = [&] {
    if (!is_part) return Answer(Kind::whole);
    bool const all = complete && (*complete == 0 || holds(stored, ByteRange(0, *complete - 1)));
    return Answer(all ? Kind::whole : Kind::missing);
  };
  // RFC 9110 section 14.2: Range is for GET, and for what would be a 200.
  if (request.method() != http::verb::get || (stored.status() != 200 && !is_part)) return whole();
  auto const spec = requested_range(request.headers());
  if (!spec || !if_range_holds(request.headers(), stored)) return whole();
  if (!complete) return whole();
  // RFC 9110 section 14.1.2: a suffix of nothing is satisfiable, and no Content-Range can say so.
  if (*complete == 0 && !spec->first() && *spec->last() != 0) return whole();
  auto const range = spec->resolve(*complete);
  if (!range) return Answer(Kind::unsatisfiable, {}, *complete);
  return holds(stored, *range) ? Answer(Kind::part, *range, *complete)
                               : Answer(Kind::missing, *range, *complete);
}

Answer answer(RequestView const& request, StoredView const& stored) noexcept {
  if (is_not_modified(request, stored)) return Answer(Answer::Kind::not_modified);
  return answer_range(request, stored);
}

http::fields partial_fields(http::fields const& stored, ByteRange const& range, std::uint64_t complete) {
  http::fields head = stored;
  head.set(http::field::content_range, ContentRange(range, complete).str());
  head.set(http::field::content_length, std::to_string(range.size()));
  return head;
}

http::fields unsatisfiable_fields(http::fields const& stored, std::uint64_t complete) {
  http::fields head;
  // Of the stored fields only those that speak of the resource: there is no content for the others.
  for (auto const& f : stored) {
    if (!detail::describes_content(f.name())) head.insert(f.name(), f.name_string(), f.value());
  }
  head.set(http::field::content_range, ContentRange({}, complete).str());
  head.set(http::field::content_length, "0");
  return head;
}

http::fields whole_fields(http::fields const& stored, std::uint64_t complete) {
  http::fields head = stored;
  head.erase(http::field::content_range);
  head.set(http::field::content_length, std::to_string(complete));
  return head;
}

bool combines(StoredView const& stored, unsigned status, http::fields const& response,
              TimePoint response_time) noexcept {
  if (status != 200 && status != 206) return false;
  auto const range = content_range(response);
  if (status == 206 && (!range || !range->range())) return false;
  if (!same_strong_validator(stored.headers(), stored.response_time(), response, response_time)) return false;
  auto const ours = complete_size(stored);
  auto const theirs = status == 206 ? range->complete() : content_length(response);
  if (ours && theirs && *ours != *theirs) return false;
  // Two codings under one "strong" tag are a server's mistake that would mix their bytes.
  auto const coding = [](http::fields const& f) {
    return detail::single_value(f, http::field::content_encoding).value_or(std::string_view{});
  };
  return detail::iequals(coding(stored.headers()), coding(response));
}

http::fields combined_fields(http::fields const& stored, http::fields const& part, ByteParts const& parts,
                             Options const& options, TimePoint response_time) {
  auto head = freshened(stored, part, options, response_time);
  if (parts.is_whole()) return whole_fields(head, *parts.complete());
  if (parts.ranges().empty()) return head;
  auto const& first = parts.ranges().front();
  head.set(http::field::content_range, ContentRange(first, parts.complete()).str());
  head.set(http::field::content_length, std::to_string(first.size()));
  return head;
}

bool is_storable_part(http::fields const& response) noexcept {
  auto const range = content_range(response);
  if (!range || !range->range()) return false;
  auto const length = content_length(response);
  return !length || *length == range->range()->size();
}

std::optional<http::fields> incomplete_fields(http::fields const& response, std::uint64_t received,
                                              TimePoint response_time) {
  auto const size = content_length(response);
  if (received == 0 || !size || received >= *size || response.count(http::field::content_range) != 0 ||
      response.count(http::field::transfer_encoding) != 0 || !has_strong_validator(response, response_time)) {
    return std::nullopt;
  }
  return partial_fields(response, ByteRange(0, received - 1), *size);
}

bool ask_for_part(http::fields& request, StoredView const& stored, std::uint64_t first,
                  std::optional<std::uint64_t> last) {
  std::string validator;
  if (detail::EntityTag const tag{stored.headers()}; tag.is_strong()) {
    validator = tag.text();
  } else if (stored.headers().count(http::field::etag) == 0) {
    validator = detail::strong_date(stored.headers(), stored.response_time()).value_or("");
  }
  if (validator.empty()) return false;
  for (auto const name : {http::field::if_match, http::field::if_none_match, http::field::if_modified_since,
                          http::field::if_unmodified_since}) {
    request.erase(name);
  }
  std::string range = "bytes=" + std::to_string(first) + '-';
  if (last) range += std::to_string(*last);
  request.set(http::field::range, range);
  request.set(http::field::if_range, validator);
  return true;
}

Resumption resumption(StoredView const& stored, std::uint64_t first, unsigned status,
                      http::fields const& response, TimePoint response_time) noexcept {
  if (status == 200) return Resumption::restart;
  if (status != 206 || !combines(stored, status, response, response_time)) return Resumption::refused;
  bool const fits = content_range(response)->range()->first() == first && is_storable_part(response);
  return fits ? Resumption::append : Resumption::refused;
}

}  // namespace policy
}  // namespace v1
}  // namespace beast_cache
