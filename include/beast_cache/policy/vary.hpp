#pragma once
/// \file vary.hpp
/// Which of a URI's stored responses answers which request.
///
/// Source: RFC 9111 section 4.1; RFC 9110 section 12.5.5.

#include <boost/beast/http/fields.hpp>
#include <cstddef>
#include <iterator>
#include <span>
#include <string_view>

#include "beast_cache/config.hpp"
#include "beast_cache/policy/field_values.hpp"
#include "beast_cache/policy/freshness.hpp"
#include "beast_cache/policy/request_facts.hpp"
#include "beast_cache/policy/views.hpp"

namespace beast_cache {
inline namespace v1 {
namespace policy {
namespace detail {

/// A field's value character by character, in a normal form: the lines combined with commas, no white space
/// around a comma that stands outside of quotes.
class NormalValue {
 public:
  using Iterator = http::fields::const_iterator;

  NormalValue(Iterator first, Iterator last) noexcept : it_(first), last_(last) {
    if (it_ != last_) line_ = trim(it_->value());
  }

  /// The next character; -1 at the end.
  int next() noexcept {
    for (;;) {
      if (at_ == line_.size()) {
        if (it_ == last_ || ++it_ == last_) return it_ = last_, -1;
        line_ = trim(it_->value());
        at_ = spaces_end_ = 0;
        quoted_ = escaped_ = false;
        return last_char_ = ',';
      }
      char const c = line_[at_];
      if (!quoted_ && is_space(c) && at_ >= spaces_end_) {
        auto end = at_;
        while (is_space(line_[end])) ++end;  // stops within the line: its end is trimmed
        if (line_[end] == ',' || last_char_ == ',') {
          at_ = end;
          continue;
        }
        spaces_end_ = end;
      }
      ++at_;
      if (escaped_) {
        escaped_ = false;
      } else if (c == '"') {
        quoted_ = !quoted_;
      } else if (c == '\\' && quoted_) {
        escaped_ = true;
      }
      return last_char_ = static_cast<unsigned char>(c);
    }
  }

 private:
  Iterator it_, last_;
  std::string_view line_;
  std::size_t at_ = 0;
  std::size_t spaces_end_ = 0;
  int last_char_ = 0;
  bool quoted_ = false;
  bool escaped_ = false;
};

/// Whether two values mean the same although they are written differently: Accept-Encoding and
/// Accept-Language, whose grammar leaves room for that.
///
/// Letters' case and white space do not count, nor does a weight that is written in another way. Of codings
/// the order does not count either; of languages of the same weight it does, since servers go by it. What is
/// not well formed is not the same. Source: RFC 9111 section 4.1; RFC 9110 sections 12.5.3, 12.5.4
/// and 8.4.1.3.
bool same_preferences(http::field name, Lines const& a, Lines const& b) noexcept;

inline bool same_field(std::string_view name, http::fields const* a, http::fields const& b) noexcept {
  Lines const lines_b(b, name);
  if (a == nullptr) return lines_b.empty();
  Lines const lines_a(*a, name);
  // RFC 9111 section 4.1: absent matches absent only.
  if (lines_a.empty() || lines_b.empty()) return lines_a.empty() && lines_b.empty();
  // Most values are the same to the byte, on one line.
  auto const field = lines_a.begin()->name();
  if (std::next(lines_a.begin()) == lines_a.end() && std::next(lines_b.begin()) == lines_b.end() &&
      lines_a.begin()->value() == lines_b.begin()->value()) {
    return true;
  }
  NormalValue va{lines_a.begin(), lines_a.end()};
  NormalValue vb{lines_b.begin(), lines_b.end()};
  int ca = 0;
  while ((ca = va.next()) == vb.next()) {
    if (ca < 0) return true;
  }
  bool const has_preferences = field == http::field::accept_encoding || field == http::field::accept_language;
  return has_preferences && same_preferences(field, lines_a, lines_b);
}

/// What Date says, or the time of arrival.
inline TimePoint date_of(http::fields const& response_headers, TimePoint response_time) noexcept {
  FieldLine line;
  for (auto const& f : response_headers) {
    if (f.name() == http::field::date) line.add(f.value());
  }
  return date_value(line, response_time);
}

/// Whether `a` is to be preferred to `b` (RFC 9111 section 4: the latest Date).
inline bool is_newer(StoredView const& a, StoredView const& b) noexcept {
  auto const date_a = date_of(a.headers(), a.response_time());
  auto const date_b = date_of(b.headers(), b.response_time());
  return date_a > date_b || (date_a == date_b && a.response_time() >= b.response_time());
}

}  // namespace detail

/// Whether a Vary field has "*" among its members, or a member that is no field name: such a response
/// matches no request.
inline bool varies_on_everything(http::fields const& response_headers) noexcept {
  return !detail::for_each_member(response_headers, http::field::vary, [](std::string_view name) {
    return name != "*" && detail::is_token(name);
  });
}

/// Whether a stored response answers a request with these fields.
///
/// @param stored_request_headers the nominated fields of the request that brought it.
/// Complexity: linear in the sizes of the fields; nothing is allocated.
/// Source: RFC 9111 section 4.1.
inline bool vary_matches(http::fields const& response_headers, http::fields const* stored_request_headers,
                         http::fields const& request_headers) noexcept {
  return detail::for_each_member(response_headers, http::field::vary, [&](std::string_view name) {
    return name != "*" && detail::is_token(name) &&
           detail::same_field(name, stored_request_headers, request_headers);
  });
}
inline bool vary_matches(http::fields const& response_headers, http::fields const& stored_request_headers,
                         http::fields const& request_headers) noexcept {
  return vary_matches(response_headers, &stored_request_headers, request_headers);
}

/// Whether the codings of a response are among those that a request's Accept-Encoding asks for; without the
/// field any will do. Source: RFC 9110 section 12.5.3.
bool accepts_coding(http::fields const& request_headers, http::fields const& response_headers) noexcept;

/// The request fields that a response's Vary names, as they are: what is to be stored beside it.
///
/// They can hold credentials (`Vary: Authorization`). Errors: throws only what memory throws.
inline http::fields nominated_fields(http::fields const& response_headers,
                                     http::fields const& request_headers) {
  http::fields nominated;
  detail::for_each_member(response_headers, http::field::vary, [&](std::string_view name) {
    if (nominated.count(name) != 0) return true;
    auto const range = request_headers.equal_range(name);
    for (auto it = range.first; it != range.second; ++it) {
      nominated.insert(it->name(), it->name_string(), it->value());
    }
    return true;
  });
  return nominated;
}

/// The variant that answers the request: of those whose method and Vary match the one with the latest Date,
/// and of those the one that came last. Null when none matches.
///
/// Source: RFC 9111 sections 4 and 4.1.
inline StoredView const* select_variant(RequestView const& request,
                                        std::span<StoredView const> variants) noexcept {
  StoredView const* best = nullptr;
  for (auto const& variant : variants) {
    if (!detail::answers_method(variant.method(), request.method())) continue;
    if (!vary_matches(variant.headers(), variant.vary_request_headers(), request.headers())) continue;
    if (best == nullptr || detail::is_newer(variant, *best)) best = &variant;
  }
  return best;
}

}  // namespace policy
}  // namespace v1
}  // namespace beast_cache
