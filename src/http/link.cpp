#include "beast_cache/http/link.hpp"

#include <algorithm>
#include <utility>

#include "http/text.hpp"

namespace beast_cache {
inline namespace v1 {
namespace {

/// Reads one line from its front.
class Scanner {
 public:
  explicit Scanner(std::string_view text) noexcept : text_(text) {}

  void skip(std::string_view characters) noexcept {
    text_.remove_prefix(std::min(text_.find_first_not_of(characters), text_.size()));
  }
  bool take(char c) noexcept {
    if (!text_.starts_with(c)) return false;
    text_.remove_prefix(1);
    return true;
  }
  /// Up to the first of these, which is left.
  std::string_view until(std::string_view characters) noexcept {
    std::string_view const part = text_.substr(0, text_.find_first_of(characters));
    text_.remove_prefix(part.size());
    return part;
  }
  /// RFC 9110 section 5.6.4, behind the opening quote.
  std::string quoted() {
    std::string value;
    while (!text_.empty() && !take('"')) {
      if (take('\\') && text_.empty()) break;
      value += text_.front();
      text_.remove_prefix(1);
    }
    return value;
  }

 private:
  std::string_view text_;
};

}  // namespace

// RFC 8288 appendix B.2.
std::vector<Link> Link::parse(std::string_view line) {
  constexpr std::string_view blanks = " \t";
  std::vector<Link> links;
  Scanner scanner(line);
  for (;;) {
    scanner.skip(" \t,");
    if (!scanner.take('<')) return links;
    Link link{std::string(scanner.until(">"))};
    if (!scanner.take('>')) return links;
    scanner.skip(blanks);
    while (scanner.take(';')) {
      scanner.skip(blanks);
      std::string name = detail::to_lower(scanner.until(" \t=;,"));
      scanner.skip(blanks);
      std::string value;
      if (scanner.take('=')) {
        scanner.skip(blanks);
        value = scanner.take('"') ? scanner.quoted() : std::string(scanner.until(" \t;,"));
      }
      scanner.skip(blanks);
      if (!name.empty()) link.add_param(std::move(name), std::move(value));
    }
    links.push_back(std::move(link));
    if (!scanner.take(',')) return links;
  }
}

std::string_view Link::param(std::string_view name) const noexcept {
  for (auto const& [key, value] : params_) {
    if (key == name) return value;
  }
  return {};
}

bool Link::has_rel(std::string_view type) const noexcept {
  std::string_view types = param("rel");
  while (!types.empty()) {
    std::string_view const one = types.substr(0, types.find(' '));
    if (detail::iequals(one, type)) return true;
    types.remove_prefix(std::min(types.size(), one.size() + 1));
  }
  return false;
}

}  // namespace v1
}  // namespace beast_cache
