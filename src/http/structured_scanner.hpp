#pragma once
// The grammar of structured fields over a text that is only viewed: nothing allocates, nothing throws.

#include <cstdint>
#include <string_view>

#include "beast_cache/config.hpp"

namespace beast_cache {
inline namespace v1 {
namespace structured {

enum class Kind : std::uint8_t { integer, decimal, string, token, bytes, boolean, date, display };

/// A bare item as it stands: `text` is what is between the delimiters, escapes left in.
struct RawItem {
  std::string_view text;
  std::int64_t number = 0;  ///< of an integer, a date, a boolean (0 or 1); a decimal's thousandths
  Kind kind = Kind::boolean;
};

/// Reads from front to back. Every reader returns false at a syntax error; what follows is then undefined.
class Scanner {
 public:
  explicit Scanner(std::string_view text) noexcept : rest_(text) {}

  bool empty() const noexcept { return rest_.empty(); }
  /// What has not been read yet.
  std::string_view rest() const noexcept { return rest_; }
  bool at(char c) const noexcept { return !rest_.empty() && rest_.front() == c; }
  bool take(char c) noexcept {
    if (!at(c)) return false;
    rest_.remove_prefix(1);
    return true;
  }
  void spaces() noexcept {
    while (take(' ')) {
    }
  }
  void white_space() noexcept {
    while (take(' ') || take('\t')) {
    }
  }

  /// Between the members of a list or dictionary. @return false at an error; at the end `empty()` is true.
  bool comma() noexcept {
    white_space();
    if (rest_.empty()) return true;
    if (!take(',')) return false;
    white_space();
    return !rest_.empty();
  }

  bool key(std::string_view& out) noexcept {
    if (rest_.empty() || !(is_lower(rest_[0]) || rest_[0] == '*')) return false;
    std::size_t n = 1;
    while (n < rest_.size() && is_key_char(rest_[n])) ++n;
    out = cut(n);
    return true;
  }

  bool bare_item(RawItem& out) noexcept {
    if (rest_.empty()) return false;
    char const c = rest_.front();
    if (is_digit(c) || c == '-') return number(out);
    if (c == '"') return string(out);
    if (is_alpha(c) || c == '*') return token(out);
    if (c == ':') return bytes(out);
    if (c == '?') return boolean(out);
    if (c == '@') return date(out);
    if (c == '%') return display(out);
    return false;
  }

  /// `f(key, item)` for each parameter; without a value the item is a true boolean.
  template <class F>
  bool parameters(F&& f) {
    while (take(';')) {
      spaces();
      std::string_view name;
      RawItem value{{}, 1, Kind::boolean};
      if (!key(name) || (take('=') && !bare_item(value))) return false;
      f(name, static_cast<RawItem const&>(value));
    }
    return true;
  }

  static constexpr bool is_digit(char c) noexcept { return c >= '0' && c <= '9'; }
  static constexpr bool is_lower(char c) noexcept { return c >= 'a' && c <= 'z'; }
  static constexpr bool is_alpha(char c) noexcept { return is_lower(c) || (c >= 'A' && c <= 'Z'); }
  static constexpr bool is_key_char(char c) noexcept {
    return is_lower(c) || is_digit(c) || c == '_' || c == '-' || c == '.' || c == '*';
  }
  static constexpr bool is_token_char(char c) noexcept {
    return is_alpha(c) || is_digit(c) || (c != '\0' && std::string_view{"!#$%&'*+-.^_`|~:/"}.find(c) != npos);
  }
  static constexpr bool is_printable(char c) noexcept { return c >= 0x20 && c <= 0x7e; }
  static constexpr int hex_value(char c) noexcept {
    return is_digit(c) ? c - '0' : (c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1);
  }

 private:
  static constexpr std::size_t npos = std::string_view::npos;

  std::string_view cut(std::size_t n) noexcept {
    auto const text = rest_.substr(0, n);
    rest_.remove_prefix(n);
    return text;
  }

  // RFC 9651 section 4.2.4: 15 digits, or 12 before and 1 to 3 behind the point.
  bool number(RawItem& out) noexcept {
    bool const negative = take('-');
    std::size_t digits = 0;
    std::int64_t value = 0;
    for (; digits < rest_.size() && is_digit(rest_[digits]); ++digits) {
      if (digits == 15) return false;
      value = value * 10 + (rest_[digits] - '0');
    }
    if (digits == 0) return false;
    rest_.remove_prefix(digits);
    out.kind = Kind::integer;
    if (take('.')) {
      if (digits > 12) return false;
      std::size_t behind = 0;
      for (; behind < rest_.size() && is_digit(rest_[behind]); ++behind) {
        if (behind == 3) return false;
        value = value * 10 + (rest_[behind] - '0');
      }
      if (behind == 0) return false;
      rest_.remove_prefix(behind);
      for (; behind < 3; ++behind) value *= 10;
      out.kind = Kind::decimal;
    }
    out.number = negative ? -value : value;
    return true;
  }

  bool string(RawItem& out) noexcept {
    rest_.remove_prefix(1);
    for (std::size_t i = 0; i < rest_.size(); ++i) {
      if (rest_[i] == '"') {
        out.kind = Kind::string;
        out.text = cut(i);
        rest_.remove_prefix(1);
        return true;
      }
      if (!is_printable(rest_[i])) return false;
      if (rest_[i] != '\\') continue;
      if (++i == rest_.size() || (rest_[i] != '"' && rest_[i] != '\\')) return false;
    }
    return false;
  }

  bool token(RawItem& out) noexcept {
    std::size_t n = 1;
    while (n < rest_.size() && is_token_char(rest_[n])) ++n;
    out.kind = Kind::token;
    out.text = cut(n);
    return true;
  }

  // RFC 9651 section 4.2.7: padding and its bits may be wrong; the alphabet may not.
  bool bytes(RawItem& out) noexcept {
    auto const close = rest_.find(':', 1);
    if (close == npos) return false;
    auto text = rest_.substr(1, close - 1);
    rest_.remove_prefix(close + 1);
    if (text.ends_with("==") || text.ends_with("=")) {
      if (text.size() % 4 != 0) return false;
      text.remove_suffix(text.ends_with("==") ? 2 : 1);
    }
    if (text.size() % 4 == 1) return false;
    for (char const c : text) {
      if (!is_alpha(c) && !is_digit(c) && c != '+' && c != '/') return false;
    }
    out.kind = Kind::bytes;
    out.text = text;
    return true;
  }

  bool boolean(RawItem& out) noexcept {
    rest_.remove_prefix(1);
    if (!at('0') && !at('1')) return false;
    out.kind = Kind::boolean;
    out.number = cut(1)[0] - '0';
    return true;
  }

  bool date(RawItem& out) noexcept {
    rest_.remove_prefix(1);
    if (rest_.empty() || !(is_digit(rest_[0]) || rest_[0] == '-') || !number(out)) return false;
    if (out.kind != Kind::integer) return false;
    out.kind = Kind::date;
    return true;
  }

  // RFC 9651 section 4.2.10. That the octets are UTF-8 is for the one who decodes them to see.
  bool display(RawItem& out) noexcept {
    rest_.remove_prefix(1);
    if (!take('"')) return false;
    for (std::size_t i = 0; i < rest_.size(); ++i) {
      if (rest_[i] == '"') {
        out.kind = Kind::display;
        out.text = cut(i);
        rest_.remove_prefix(1);
        return true;
      }
      if (!is_printable(rest_[i])) return false;
      if (rest_[i] != '%') continue;
      if (i + 2 >= rest_.size() || hex_value(rest_[i + 1]) < 0 || hex_value(rest_[i + 2]) < 0) return false;
      i += 2;
    }
    return false;
  }

  std::string_view rest_;
};

}  // namespace structured
}  // namespace v1
}  // namespace beast_cache
