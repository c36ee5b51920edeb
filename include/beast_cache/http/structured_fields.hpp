#pragma once
/// \file structured_fields.hpp
/// Structured field values: parsing and serialising of items, lists and dictionaries.
///
/// Parsing is strict, as the RFC asks: one malformed octet makes the whole field invalid.
/// Source: RFC 9651.

#include <boost/beast/http/fields.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "beast_cache/config.hpp"

namespace beast_cache {
inline namespace v1 {
namespace structured {

namespace detail {
/// Text of one kind, so that the kinds of bare items are kept apart.
template <class Kind>
class Text {
 public:
  Text() = default;
  explicit Text(std::string text) : text_(std::move(text)) {}
  std::string const& str() const noexcept { return text_; }
  friend bool operator==(Text const&, Text const&) = default;

 private:
  std::string text_;
};
/// A number of one kind.
template <class Kind>
class Number {
 public:
  Number() = default;
  explicit Number(std::int64_t n) noexcept : n_(n) {}
  std::int64_t count() const noexcept { return n_; }
  friend bool operator==(Number const&, Number const&) = default;

 private:
  std::int64_t n_ = 0;
};
}  // namespace detail

/// A word without quotes: `text/html`.
using Token = detail::Text<class TokenKind>;
/// Octets, decoded from their base64.
using ByteSequence = detail::Text<class ByteSequenceKind>;
/// UTF-8, decoded from its percent-encoding.
using DisplayString = detail::Text<class DisplayStringKind>;
/// A decimal number; `count()` is in thousandths, which is exact.
using Decimal = detail::Number<class DecimalKind>;
/// A date; `count()` is in seconds since 1970.
using Date = detail::Number<class DateKind>;

/// An Integer, a Decimal, a String, a Token, a Byte Sequence, a Boolean, a Date or a Display String.
using BareItem =
    std::variant<std::int64_t, Decimal, std::string, Token, ByteSequence, bool, Date, DisplayString>;

/// Keys and values in their order; a key that comes again replaces the value and keeps the place.
template <class Value>
class OrderedMap {
 public:
  OrderedMap() = default;

  void set(std::string key, Value value) {
    for (auto& entry : entries_) {
      if (entry.first == key) return void(entry.second = std::move(value));
    }
    entries_.emplace_back(std::move(key), std::move(value));
  }
  /// The value of a key, or null.
  Value const* find(std::string_view key) const noexcept {
    for (auto const& entry : entries_) {
      if (entry.first == key) return &entry.second;
    }
    return nullptr;
  }
  bool empty() const noexcept { return entries_.empty(); }
  std::size_t size() const noexcept { return entries_.size(); }
  auto begin() const noexcept { return entries_.begin(); }
  auto end() const noexcept { return entries_.end(); }
  friend bool operator==(OrderedMap const&, OrderedMap const&) = default;

 private:
  std::vector<std::pair<std::string, Value>> entries_;
};

using Parameters = OrderedMap<BareItem>;

/// A bare item and its parameters.
class Item {
 public:
  Item() = default;
  explicit Item(BareItem value, Parameters parameters = Parameters())
      : value_(std::move(value)), parameters_(std::move(parameters)) {}

  BareItem const& value() const noexcept { return value_; }
  Parameters const& parameters() const noexcept { return parameters_; }
  /// The value as a `T`, or null where it is of another type.
  template <class T>
  T const* get() const noexcept {
    return std::get_if<T>(&value_);
  }
  friend bool operator==(Item const&, Item const&) = default;

 private:
  BareItem value_;
  Parameters parameters_;
};

/// Items in parentheses, and the parameters of the whole.
class InnerList {
 public:
  InnerList() = default;
  explicit InnerList(std::vector<Item> items, Parameters parameters = Parameters())
      : items_(std::move(items)), parameters_(std::move(parameters)) {}

  std::vector<Item> const& items() const noexcept { return items_; }
  Parameters const& parameters() const noexcept { return parameters_; }
  friend bool operator==(InnerList const&, InnerList const&) = default;

 private:
  std::vector<Item> items_;
  Parameters parameters_;
};

using Member = std::variant<Item, InnerList>;
using List = std::vector<Member>;
using Dictionary = OrderedMap<Member>;

/// Each parses one field value. @return `std::nullopt` when it is malformed.
///
/// An empty value is an empty list or dictionary, but no item.
/// Complexity: linear, but for dictionaries and parameters: their entries times the distinct keys.
/// Source: RFC 9651 section 4.2.
std::optional<Item> parse_item(std::string_view text);
std::optional<List> parse_list(std::string_view text);
std::optional<Dictionary> parse_dictionary(std::string_view text);

/// The same for all lines of a field, combined; nothing as well when the field is absent.
std::optional<List> parse_list(http::fields const& fields, std::string_view name);
std::optional<Dictionary> parse_dictionary(http::fields const& fields, std::string_view name);

/// Each writes a value in its normal form. @return `std::nullopt` when something in it has none: an integer
/// of more than 15 digits, a string with a control character, a key in capitals.
///
/// An empty list or dictionary is written as an empty text; such a field is left out of a message.
/// Source: RFC 9651 section 4.1.
std::optional<std::string> serialise(Item const& item);
std::optional<std::string> serialise(List const& list);
std::optional<std::string> serialise(Dictionary const& dictionary);

}  // namespace structured
}  // namespace v1
}  // namespace beast_cache
