#pragma once
/// \file range.hpp
/// Byte ranges: what a request asks for, what is stored, and what of it is missing.
///
/// Values and arithmetic only; where the parts are kept is another floor's business.
/// Source: RFC 9110 section 14; RFC 9111 sections 3.3 and 3.4.

#include <boost/beast/http/fields.hpp>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "beast_cache/clock.hpp"
#include "beast_cache/config.hpp"
#include "beast_cache/policy/options.hpp"
#include "beast_cache/policy/views.hpp"

namespace beast_cache {
inline namespace v1 {
namespace policy {

/// Bytes `first` to `last` of a representation, both included. `first <= last`.
class ByteRange {
 public:
  constexpr ByteRange() noexcept = default;
  constexpr ByteRange(std::uint64_t first, std::uint64_t last) noexcept : first_(first), last_(last) {}

  constexpr std::uint64_t first() const noexcept { return first_; }
  constexpr std::uint64_t last() const noexcept { return last_; }
  constexpr std::uint64_t size() const noexcept { return last_ - first_ + 1; }
  constexpr bool contains(ByteRange const& r) const noexcept {
    return first_ <= r.first_ && r.last_ <= last_;
  }
  friend constexpr bool operator==(ByteRange const&, ByteRange const&) = default;

 private:
  std::uint64_t first_ = 0;
  std::uint64_t last_ = 0;
};

/// One range as a request asks for it: `0-499`, `500-`, or the last so many, `-500`.
class RangeSpec {
 public:
  constexpr RangeSpec() noexcept = default;
  /// From `first` on, to `last` where it is given.
  static constexpr RangeSpec from(std::uint64_t first, std::optional<std::uint64_t> last = {}) noexcept {
    return RangeSpec(first, last);
  }
  /// The last `length` bytes.
  static constexpr RangeSpec suffix(std::uint64_t length) noexcept { return RangeSpec({}, length); }

  /// The bytes that this asks of a representation of `size` bytes; nothing when it has none of them.
  constexpr std::optional<ByteRange> resolve(std::uint64_t size) const noexcept {
    if (size == 0) return std::nullopt;
    if (!first_) {
      if (*last_ == 0) return std::nullopt;
      return ByteRange(*last_ < size ? size - *last_ : 0, size - 1);
    }
    if (*first_ >= size) return std::nullopt;
    return ByteRange(*first_, last_ && *last_ < size ? *last_ : size - 1);
  }
  /// The first byte; nothing for a suffix.
  constexpr std::optional<std::uint64_t> const& first() const noexcept { return first_; }
  /// The last byte where one is given; a suffix's length.
  constexpr std::optional<std::uint64_t> const& last() const noexcept { return last_; }
  friend constexpr bool operator==(RangeSpec const&, RangeSpec const&) = default;

 private:
  constexpr RangeSpec(std::optional<std::uint64_t> first, std::optional<std::uint64_t> last) noexcept
      : first_(first), last_(last) {}

  std::optional<std::uint64_t> first_ = 0;
  std::optional<std::uint64_t> last_;
};

/// The one range that a Range field asks for. Nothing is allocated.
///
/// @return nothing where the field is to be ignored, so that the whole is the answer: another unit, a syntax
/// error, several ranges (which would need multipart/byteranges), several lines.
/// Source: RFC 9110 sections 14.1.1 and 14.2.
std::optional<RangeSpec> parse_range(std::string_view value) noexcept;
std::optional<RangeSpec> requested_range(http::fields const& request) noexcept;

/// What Content-Range says.
class ContentRange {
 public:
  constexpr ContentRange() noexcept = default;
  constexpr explicit ContentRange(std::optional<ByteRange> range,
                                  std::optional<std::uint64_t> complete = {}) noexcept
      : range_(range), complete_(complete) {}

  /// The bytes that the content holds; nothing in a 416's `bytes */1234`.
  constexpr std::optional<ByteRange> const& range() const noexcept { return range_; }
  /// The size of the whole representation, where it is known.
  constexpr std::optional<std::uint64_t> const& complete() const noexcept { return complete_; }
  /// `bytes 0-499/1234`, `bytes 0-499/*` or `bytes */1234`.
  std::string str() const;
  friend constexpr bool operator==(ContentRange const&, ContentRange const&) = default;

 private:
  std::optional<ByteRange> range_;
  std::optional<std::uint64_t> complete_;
};

/// Reads Content-Range. @return nothing for another unit, a syntax error, or numbers that can't be
/// (`bytes 5-4/9`, `bytes 0-9/9`). Source: RFC 9110 section 14.4.
std::optional<ContentRange> parse_content_range(std::string_view value) noexcept;
std::optional<ContentRange> content_range(http::fields const& headers) noexcept;

/// Which bytes of a representation are held: disjoint ranges in their order.
class ByteParts {
 public:
  ByteParts() = default;
  explicit ByteParts(std::optional<std::uint64_t> complete) noexcept : complete_(complete) {}
  /// All of `size` bytes.
  static ByteParts whole(std::uint64_t size) {
    ByteParts parts(size);
    if (size != 0) parts.add(ByteRange(0, size - 1));
    return parts;
  }

  /// Takes one more part in; overlapping and adjacent ones become one.
  void add(ByteRange const& part);
  /// The size of the whole, where it is known.
  ByteParts& complete(std::uint64_t size) noexcept { return complete_ = size, *this; }
  std::optional<std::uint64_t> const& complete() const noexcept { return complete_; }

  std::vector<ByteRange> const& ranges() const noexcept { return ranges_; }
  bool contains(ByteRange const& range) const noexcept;
  bool is_whole() const noexcept {
    return complete_ && (*complete_ == 0 || contains(ByteRange(0, *complete_ - 1)));
  }
  /// What of `range` is not held, in order.
  std::vector<ByteRange> missing(ByteRange const& range) const;

 private:
  std::vector<ByteRange> ranges_;
  std::optional<std::uint64_t> complete_;
};

/// How a stored response answers the request once it may be served.
class Answer {
 public:
  enum class Kind : std::uint8_t {
    whole,          ///< as it is stored
    not_modified,   ///< 304: the caller has it already (`not_modified_fields`)
    part,           ///< 206 with `range()` of it (`partial_fields`)
    unsatisfiable,  ///< 416: it has none of the bytes that are asked for (`unsatisfiable_fields`)
    missing         ///< not from what is stored: bytes of it are not there
  };
  constexpr explicit Answer(Kind kind = Kind::whole) noexcept : kind_(kind) {}
  constexpr Answer(Kind kind, ByteRange range, std::uint64_t complete) noexcept
      : range_(range), complete_(complete), kind_(kind) {}

  constexpr Kind kind() const noexcept { return kind_; }
  constexpr ByteRange const& range() const noexcept { return range_; }
  constexpr std::uint64_t complete() const noexcept { return complete_; }

 private:
  ByteRange range_;
  std::uint64_t complete_ = 0;
  Kind kind_;
};

/// What of a stored response, whole (200) or partial (206), answers the request's Range and If-Range.
///
/// The size of a whole one is its `body_size`, or else its Content-Length; without either the answer is the
/// whole. The parts of a partial one are its `parts`, or else what its Content-Range says. Preconditions come
/// before (`answer`).
/// Source: RFC 9110 sections 13.1.5, 13.2.2 and 14.2; RFC 9111 section 3.3.
Answer answer_range(RequestView const& request, StoredView const& stored) noexcept;

/// What of it answers the request altogether: the caller's own If-None-Match or If-Modified-Since first, then
/// Range. (If-Match and If-Unmodified-Since are for the origin.) Nothing is allocated.
///
/// Source: RFC 9110 section 13.2.2; RFC 9111 section 4.3.2.
Answer answer(RequestView const& request, StoredView const& stored) noexcept;

/// Whether If-Range holds, or is absent: the very same strong entity tag, or the very same strong date.
/// Source: RFC 9110 sections 13.1.5 and 8.8.2.2.
bool if_range_holds(http::fields const& request, StoredView const& stored) noexcept;

/// The head of a 206 that carries `range`; of a 416; and of a 200 made of parts that have become whole.
///
/// Errors: throw only what memory throws. Source: RFC 9110 sections 14.4, 15.3.7 and 15.5.17.
http::fields partial_fields(http::fields const& stored, ByteRange const& range, std::uint64_t complete);
http::fields unsatisfiable_fields(http::fields const& stored, std::uint64_t complete);
http::fields whole_fields(http::fields const& stored, std::uint64_t complete);

/// Whether a 206 to this request may come without fields of the representation: by If-Range the client says
/// that it has them. Source: RFC 9110 section 15.3.7.
inline bool may_lack_fields(http::fields const& request) noexcept {
  return request.count(http::field::if_range) != 0;
}

/// Whether a 206, or a full 200, that arrived is of the same representation as what is stored: both have the
/// same strong validator, and what they say of size and encoding agrees. Source: RFC 9111 section 3.4.
bool combines(StoredView const& stored, unsigned status, http::fields const& response,
              TimePoint response_time) noexcept;

/// The head that is stored after a part that `combines` came in: its fields replace the stored ones as a
/// 304's do, and Content-Range and Content-Length say what is held now. The status is 200 once
/// `parts.is_whole()`, else 206.
///
/// @param parts what is held, the new part included; of several ranges Content-Range names the first.
/// Errors: throws only what memory throws. Source: RFC 9111 section 3.4; RFC 9110 section 15.3.7.3.
http::fields combined_fields(http::fields const& stored, http::fields const& part, ByteParts const& parts,
                             Options const& options, TimePoint response_time);

/// Whether a 206 can be kept as a part: one range, as long as it says. Without a strong validator it answers
/// for its bytes and is never combined with others.
/// Source: RFC 9111 sections 3.3 and 3.4.
bool is_storable_part(http::fields const& response) noexcept;

/// The head under which the first `received` bytes of a 200 that broke off are kept, as if they were a 206.
///
/// @return nothing when they can't be: nothing came, the size is unknown, no strong validator, or a coding of
/// the transfer. Errors: throws only what memory throws. Source: RFC 9111 section 3.3.
std::optional<http::fields> incomplete_fields(http::fields const& response, std::uint64_t received,
                                              TimePoint response_time);

/// Makes a copy of the caller's request ask for bytes that are missing (`first` on, to `last` where it is
/// given), provided the representation is still the stored one (If-Range). Preconditions are taken out.
///
/// @return false, and nothing changed, when the stored response has no strong validator.
/// Source: RFC 9110 section 13.1.5; RFC 9111 section 3.4.
bool ask_for_part(http::fields& request, StoredView const& stored, std::uint64_t first,
                  std::optional<std::uint64_t> last = {});

/// What the answer to `ask_for_part` means for the bytes that are held.
enum class Resumption : std::uint8_t {
  append,   ///< 206 of the same representation that begins at the asked byte, and is as long as it says
  restart,  ///< a full answer: what is held is void, this is the whole
  refused   ///< neither: ask again without Range, or pass the error on
};
Resumption resumption(StoredView const& stored, std::uint64_t first, unsigned status,
                      http::fields const& response, TimePoint response_time) noexcept;

}  // namespace policy
}  // namespace v1
}  // namespace beast_cache
