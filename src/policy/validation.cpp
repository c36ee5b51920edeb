#include "beast_cache/policy/validation.hpp"

#include <algorithm>
#include <string>

#include "beast_cache/policy/storability.hpp"
#include "beast_cache/policy/vary.hpp"

namespace beast_cache {
inline namespace v1 {
namespace policy {
namespace detail {

std::optional<std::string_view> strong_date(http::fields const& headers, TimePoint response_time) noexcept {
  auto const text = last_modified(headers, response_time);
  auto const date_text = single_value(headers, http::field::date);
  if (!text || !date_text) return std::nullopt;
  auto const date = parse_http_date(*date_text, response_time);
  if (!date || *parse_http_date(*text, response_time) + std::chrono::seconds{1} > *date) return std::nullopt;
  return text;
}

}  // namespace detail

namespace {

/// Calls `f(tag)` for each member of an If-None-Match line. @return false at a syntax error, or when `f`
/// does.
template <class F>
bool for_each_tag(std::string_view line, F&& f) {
  for (;;) {
    while (!line.empty() && (detail::is_space(line.front()) || line.front() == ',')) line.remove_prefix(1);
    if (line.empty()) return true;
    auto const open = line.substr(0, 2) == "W/" ? std::size_t{2} : std::size_t{0};
    // A comma may stand within the quotes.
    auto const close = line.size() > open && line[open] == '"' ? line.find('"', open + 1) : line.npos;
    if (close == line.npos) return false;
    detail::EntityTag const tag{line.substr(0, close + 1)};
    line.remove_prefix(close + 1);
    auto const next = line.find_first_not_of(" \t");
    if (!tag || (next != line.npos && line[next] != ',') || !f(tag)) return false;
  }
}

/// RFC 9110 section 13.1.2: compared weakly; `*` is whatever is stored.
bool none_match_finds(http::fields const& request, StoredView const& stored) noexcept {
  if (detail::single_value(request, http::field::if_none_match) == std::string_view{"*"}) return true;
  detail::EntityTag const ours{stored.headers()};
  bool found = false;
  auto const range = request.equal_range(http::field::if_none_match);
  for (auto it = range.first; it != range.second; ++it) {
    bool const read = for_each_tag(it->value(), [&](detail::EntityTag const& tag) {
      found = found || (ours && tag.opaque() == ours.opaque());
      return true;
    });
    if (!read) return false;
  }
  return found;
}

/// RFC 9111 section 4.3.2: against Last-Modified, or else Date, or else the time of arrival.
bool unmodified_since(http::fields const& request, StoredView const& stored) noexcept {
  auto const now = stored.response_time();
  auto const text = detail::single_value(request, http::field::if_modified_since);
  auto const since = text ? parse_http_date(*text, now) : std::nullopt;
  if (!since) return false;
  for (auto const name : {http::field::last_modified, http::field::date}) {
    if (stored.headers().count(name) == 0) continue;
    auto const value = detail::single_value(stored.headers(), name);
    auto const date = value ? parse_http_date(*value, now) : std::nullopt;
    return date && *date <= *since;
  }
  return now <= *since;
}

/// Whether a field, where HEAD's response has it, is the same in the stored one.
bool agrees(StoredView const& stored, http::fields const& head, http::field name) noexcept {
  if (head.count(name) == 0) return true;
  auto const theirs = detail::single_value(head, name);
  return theirs && theirs == detail::single_value(stored.headers(), name);
}

void take_out_own_conditions(http::fields& request) {
  for (auto const name : {http::field::if_match, http::field::if_none_match, http::field::if_modified_since,
                          http::field::if_unmodified_since, http::field::range, http::field::if_range}) {
    request.erase(name);
  }
}

}  // namespace

bool may_answer_other_fields(StoredView const& stored) noexcept {
  http::fields const& headers = stored.headers();
  if (!detail::EntityTag{headers}.is_strong() || headers.count(http::field::set_cookie) != 0) return false;
  return detail::for_each_member(headers, http::field::vary, [](std::string_view name) {
    return !detail::iequals(name, "Cookie") && !detail::iequals(name, "Authorization");
  });
}

bool validates(StoredView const& stored, http::fields const& not_modified) noexcept {
  detail::EntityTag const theirs{not_modified};
  detail::EntityTag const ours{stored.headers()};
  if (theirs) {
    if (!ours || theirs.opaque() != ours.opaque()) return false;
    if (!theirs.is_strong() || ours.is_strong()) return true;
    auto const date = detail::strong_date(stored.headers(), stored.response_time());
    return date && date == detail::strong_date(not_modified, stored.response_time());
  }
  if (not_modified.count(http::field::etag) != 0) return false;
  auto const date = detail::single_value(not_modified, http::field::last_modified);
  if (!date) return not_modified.count(http::field::last_modified) == 0;
  return date == detail::single_value(stored.headers(), http::field::last_modified);
}

void add_validators(http::fields& request, StoredView const& stored) {
  add_validators(request, std::span<StoredView const>(&stored, 1));
}

std::size_t add_validators(http::fields& request, std::span<StoredView const> variants) {
  constexpr std::size_t most = 4096;
  std::string tags;
  std::size_t count = 0;
  for (auto const& variant : variants) {
    detail::EntityTag const tag{variant.headers()};
    if (!tag || tag.text().size() > most) continue;
    // Variants may share a tag only by mistake, but a tag is never asked about twice.
    bool const known = std::any_of(variants.data(), &variant, [&](StoredView const& earlier) {
      return detail::EntityTag{earlier.headers()}.text() == tag.text();
    });
    bool const fits = known || tags.size() + tag.text().size() + 2 <= most;
    if (fits) ++count;
    if (known || !fits) continue;
    if (!tags.empty()) tags += ", ";
    tags += tag.text();
  }
  // A date says nothing of which variant it is.
  auto const date = variants.size() == 1
                        ? detail::last_modified(variants[0].headers(), variants[0].response_time())
                        : std::nullopt;
  if (tags.empty() && !date) return 0;
  take_out_own_conditions(request);
  if (!tags.empty()) request.set(http::field::if_none_match, tags);
  if (date) request.set(http::field::if_modified_since, *date);
  return std::max<std::size_t>(count, 1);
}

std::vector<StoredView const*> validated(std::span<StoredView const> variants,
                                         http::fields const& not_modified) {
  std::vector<StoredView const*> found;
  bool const names_one =
      not_modified.count(http::field::etag) + not_modified.count(http::field::last_modified);
  if (!names_one && variants.size() != 1) return found;
  for (auto const& variant : variants) {
    if (validates(variant, not_modified)) found.push_back(&variant);
  }
  if (found.size() < 2 || detail::EntityTag{not_modified}.is_strong()) return found;
  auto const newest = std::max_element(
      found.begin(), found.end(), [](auto const* a, auto const* b) { return !detail::is_newer(*a, *b); });
  return {*newest};
}

bool is_not_modified(RequestView const& request, StoredView const& stored) noexcept {
  // RFC 9110 section 13.2.1: preconditions are for what would be a success.
  if (stored.status() < 200 || stored.status() > 299) return false;
  if (request.method() != http::verb::get && request.method() != http::verb::head) return false;
  if (request.headers().count(http::field::if_none_match) != 0) {
    return none_match_finds(request.headers(), stored);
  }
  return unmodified_since(request.headers(), stored);
}

http::fields not_modified_fields(http::fields const& stored) {
  http::fields head;
  bool const has_tag = static_cast<bool>(detail::EntityTag{stored});
  for (auto const& f : stored) {
    if (detail::describes_content(f.name())) continue;
    if (has_tag && f.name() == http::field::last_modified) continue;
    head.insert(f.name(), f.name_string(), f.value());
  }
  return head;
}

HeadEffect head_effect(StoredView const& stored, unsigned status, http::fields const& head) noexcept {
  if (status != 200) return HeadEffect::none;
  bool const same = stored.status() == 200 && agrees(stored, head, http::field::etag) &&
                    agrees(stored, head, http::field::last_modified) &&
                    agrees(stored, head, http::field::content_length);
  return same ? HeadEffect::update : HeadEffect::stale;
}

http::fields freshened(http::fields const& stored, http::fields const& not_modified, Options const& options,
                       TimePoint response_time) {
  // Date comes from the 304, or is the time of its arrival; the stored one would make the entry old at once.
  http::fields update = storable_fields(not_modified, options, response_time);
  update.erase(http::field::content_length);
  update.erase(http::field::content_encoding);
  update.erase(http::field::content_range);
  // The stored body's digest stays with it; Content-Digest in a 304 is that of no content (RFC 9530 section
  // 2).
  update.erase(http::field::content_md5);
  update.erase("Content-Digest");
  // So does its tag that is weak: the strong one is that of the content without its coding.
  detail::EntityTag const tag{stored};
  if (tag && !tag.is_strong() && detail::EntityTag{update}.is_strong()) update.erase(http::field::etag);
  http::fields result = stored;
  // The stored Age belongs to the response that the 304 replaces.
  result.erase(http::field::age);
  for (auto const& f : update) result.erase(f.name_string());
  for (auto const& f : update) result.insert(f.name(), f.name_string(), f.value());
  // The directives that hold now may take out fields that the old ones kept.
  return storable_fields(result, options, response_time);
}

}  // namespace policy
}  // namespace v1
}  // namespace beast_cache
