#pragma once
/// \file validation.hpp
/// Asking the origin whether a stored response still holds, and what a 304 changes in it.
///
/// Source: RFC 9111 sections 3.2 and 4.3; RFC 9110 sections 8.8 and 13.1.

#include <boost/beast/http/fields.hpp>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "beast_cache/clock.hpp"
#include "beast_cache/config.hpp"
#include "beast_cache/http/date.hpp"
#include "beast_cache/policy/field_values.hpp"
#include "beast_cache/policy/options.hpp"
#include "beast_cache/policy/views.hpp"

namespace beast_cache {
inline namespace v1 {
namespace policy {
namespace detail {

/// An entity tag with its quotes. One that is malformed, or that contradicts another line, is none.
class EntityTag {
 public:
  explicit EntityTag(http::fields const& headers) noexcept
      : EntityTag(single_value(headers, http::field::etag).value_or(std::string_view{})) {}
  explicit EntityTag(std::string_view text) noexcept {
    bool const weak = text.substr(0, 2) == "W/";
    auto const opaque = text.substr(weak ? 2 : 0);
    if (opaque.size() < 2 || opaque.front() != '"' || opaque.back() != '"') return;
    for (char const c : opaque.substr(1, opaque.size() - 2)) {
      auto const u = static_cast<unsigned char>(c);
      if (u < 0x21 || u == 0x22 || u == 0x7f) return;  // RFC 9110 section 8.8.3: etagc
    }
    text_ = text;
    opaque_ = opaque;
    weak_ = weak;
  }

  explicit operator bool() const noexcept { return !text_.empty(); }
  bool is_strong() const noexcept { return !text_.empty() && !weak_; }
  std::string_view text() const noexcept { return text_; }
  std::string_view opaque() const noexcept { return opaque_; }

 private:
  std::string_view text_;
  std::string_view opaque_;
  bool weak_ = false;
};

/// Last-Modified as it stands, where it is a date.
inline std::optional<std::string_view> last_modified(http::fields const& headers, TimePoint now) noexcept {
  auto const text = single_value(headers, http::field::last_modified);
  return text && parse_http_date(*text, now) ? text : std::nullopt;
}

/// The same, where it is a strong validator (RFC 9110 section 8.8.2.2): a representation could have changed
/// twice within the second of its date, so Date must be later.
std::optional<std::string_view> strong_date(http::fields const& headers, TimePoint response_time) noexcept;

}  // namespace detail

/// Whether there is something to validate a stored response with.
inline bool has_validator(StoredView const& stored) noexcept {
  return detail::EntityTag{stored.headers()} ||
         detail::last_modified(stored.headers(), stored.response_time());
}

/// Whether a stored response may be offered for validation where none answers the request, so that a 304
/// makes it the answer to fields other than those that brought it: it has a strong tag (weak ones are shared
/// by different codings of one content), sets no cookie, and does not vary by who asks.
///
/// Source: RFC 9111 section 4.3.1; RFC 9110 section 8.8.3.3.
bool may_answer_other_fields(StoredView const& stored) noexcept;

/// Makes a copy of the caller's request conditional on the stored response. Preconditions and Range of the
/// caller's own are taken out: `answer` sees to them once the stored response is known to be current.
///
/// Source: RFC 9111 section 4.3.1; RFC 9110 sections 13.1.2 and 13.1.3. Both validators are sent: a server
/// that knows entity tags ignores the date.
void add_validators(http::fields& request, StoredView const& stored);

/// The same for several stored responses of one URL: their entity tags in one If-None-Match. Of responses
/// without a tag the date is sent only where there is no other response. Tags beyond 4 KiB are left out:
/// servers refuse longer heads.
///
/// @return how many of them the request asks about; with 0 it is unchanged.
std::size_t add_validators(http::fields& request, std::span<StoredView const> variants);

/// Whether a 304 that answers `add_validators`' request speaks of this stored response. When it does not, the
/// stored response must neither be served nor freshened, and the request is repeated without validators.
///
/// A strong tag selects only what has the same strong one, a weak one is compared weakly. Where a coding has
/// made the stored tag a weak one, and the 304 has it as it was (nginx does that), the date has to be the
/// same as well, and a strong validator in both. A 304 without any validator is taken to speak of the one
/// response whose validators were sent. Source: RFC 9111 sections 4.3.3 and 4.3.4; RFC 9110 sections 8.8.2.2
/// and 8.8.3.2 (comparison).
bool validates(StoredView const& stored, http::fields const& not_modified) noexcept;

/// Which of the responses that were asked about a 304 speaks of, in their order: with a strong tag all that
/// have it, with a weaker validator the newest that matches, without any the only one there is.
///
/// Source: RFC 9111 section 4.3.4.
std::vector<StoredView const*> validated(std::span<StoredView const> variants,
                                         http::fields const& not_modified);

/// Whether the caller's own If-None-Match or If-Modified-Since finds the stored response unchanged, so that
/// 304 is the answer. If-None-Match comes first; what can't be read finds it changed. Nothing is allocated.
///
/// Source: RFC 9111 section 4.3.2; RFC 9110 sections 13.1.2, 13.1.3 and 13.2.2.
bool is_not_modified(RequestView const& request, StoredView const& stored) noexcept;

/// The head of a 304 made of a stored response: what speaks of the content is left out.
///
/// Errors: throws only what memory throws. Source: RFC 9110 section 15.4.5.
http::fields not_modified_fields(http::fields const& stored);

/// What the response to a HEAD means for a stored response to GET that could have answered it.
enum class HeadEffect : std::uint8_t {
  none,    ///< nothing: not a 200
  update,  ///< it is of the same representation: take its fields over, as `freshened` does
  stale    ///< it is of another one: mark the stored response as invalidated
};
/// Source: RFC 9111 section 4.3.5.
HeadEffect head_effect(StoredView const& stored, unsigned status, http::fields const& head) noexcept;

/// The fields of a stored response after a 304 that `validates` it.
///
/// Every field of the 304 replaces the stored lines of that name, but for those that describe the stored body
/// (Content-Length, Content-Encoding, Content-Range, Content-MD5, Content-Digest, a weak ETag for which the
/// 304 has a strong one) and those that are never stored. The caller takes the 304's request and response
/// times over into the entry, and asks again whether the result is storable: the 304 may have brought
/// no-store or another Vary. Errors: throws only what memory throws. Source: RFC 9111 section 3.2.
http::fields freshened(http::fields const& stored, http::fields const& not_modified, Options const& options,
                       TimePoint response_time);

}  // namespace policy
}  // namespace v1
}  // namespace beast_cache
