#include "backend/canonical_body.hpp"

#include <algorithm>
#include <optional>
#include <utility>

#include "beast_cache/policy/field_values.hpp"

namespace beast_cache {
inline namespace v1 {
namespace detail {
namespace {

int digit(char c) noexcept {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// application/x-www-form-urlencoded, as servers read it.
std::string decode_param(std::string_view text) {
  std::string decoded;
  for (std::size_t i = 0; i < text.size(); ++i) {
    bool const is_code =
        text[i] == '%' && i + 2 < text.size() && digit(text[i + 1]) >= 0 && digit(text[i + 2]) >= 0;
    if (is_code) {
      decoded.push_back(static_cast<char>(digit(text[i + 1]) * 16 + digit(text[i + 2])));
      i += 2;
    } else {
      decoded.push_back(text[i] == '+' ? ' ' : text[i]);
    }
  }
  return decoded;
}

using Members = std::vector<std::pair<std::string, std::string>>;  // name, text

void sort_by_name(Members& members) {
  std::stable_sort(members.begin(), members.end(),
                   [](auto const& a, auto const& b) { return a.first < b.first; });
}

bool contains(std::vector<std::string> const& names, std::string const& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

std::string canonical_form(std::string_view body, std::vector<std::string> const& ignored) {
  Members fields;
  for (;;) {
    std::string_view const field = body.substr(0, body.find('&'));
    std::string name = decode_param(field.substr(0, field.find('=')));
    if (!contains(ignored, name)) fields.emplace_back(std::move(name), field);
    if (field.size() == body.size()) break;
    body.remove_prefix(field.size() + 1);
  }
  sort_by_name(fields);
  std::string text;
  for (auto const& [name, field] : fields) text.append(field).push_back('&');
  return text;
}

// Reads JSON (RFC 8259) and writes it in one spelling. Numbers and strings stay as they are written.
class Json {
 public:
  Json(std::string_view text, std::vector<std::string> const& ignored) : text_(text), ignored_(ignored) {}

  // Nothing when it is not JSON.
  std::optional<std::string> read() {
    std::optional<std::string> value = read_value(0);
    skip_space();
    if (at_ != text_.size()) return std::nullopt;
    return value;
  }

 private:
  static constexpr int most_depth = 64;

  void skip_space() noexcept { at_ = std::min(text_.find_first_not_of(" \t\r\n", at_), text_.size()); }
  bool take(char c) noexcept {
    skip_space();
    if (at_ == text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }

  std::optional<std::string> read_value(int depth) {
    if (depth > most_depth) return std::nullopt;
    if (take('{')) return read_object(depth);
    if (take('[')) return read_array(depth);
    skip_space();
    if (at_ < text_.size() && text_[at_] == '"') return read_string();
    // A number, or a name; whether it is well formed makes no difference here.
    std::size_t const end = std::min(text_.find_first_of(" \t\r\n,]}:{[\"", at_), text_.size());
    if (end == at_) return std::nullopt;
    std::string const value(text_.substr(at_, end - at_));
    at_ = end;
    return value;
  }

  // With its quotation marks.
  std::optional<std::string> read_string() {
    std::size_t end = at_ + 1;
    while (end < text_.size() && text_[end] != '"') end += text_[end] == '\\' ? 2 : 1;
    if (end >= text_.size()) return std::nullopt;
    std::string const value(text_.substr(at_, end + 1 - at_));
    at_ = end + 1;
    return value;
  }

  std::optional<std::string> read_array(int depth) {
    std::string text = "[";
    if (take(']')) return text + ']';
    for (;;) {
      std::optional<std::string> const element = read_value(depth + 1);
      if (!element) return std::nullopt;
      text += *element;
      if (take(']')) return text + ']';
      if (!take(',')) return std::nullopt;
      text += ',';
    }
  }

  std::optional<std::string> read_object(int depth) {
    Members members;
    bool more = !take('}');
    while (more) {
      skip_space();
      if (at_ == text_.size() || text_[at_] != '"') return std::nullopt;
      std::optional<std::string> const quoted = read_string();
      if (!quoted || !take(':')) return std::nullopt;
      std::optional<std::string> const value = read_value(depth + 1);
      if (!value) return std::nullopt;
      std::string name = decode_name(*quoted);
      bool const counts = depth > 0 || !contains(ignored_, name);
      if (counts) members.emplace_back(std::move(name), *quoted + ':' + *value);
      more = !take('}');
      if (more && !take(',')) return std::nullopt;
    }
    sort_by_name(members);
    std::string text = "{";
    for (auto const& [name, member] : members) text.append(member).push_back(',');
    if (!members.empty()) text.pop_back();
    return text + '}';
  }

  // Names may be written with escapes; those that matter are ASCII.
  static std::string decode_name(std::string_view quoted) {
    std::string name;
    for (std::size_t i = 1; i + 1 < quoted.size(); ++i) {
      if (quoted[i] != '\\') {
        name.push_back(quoted[i]);
      } else if (quoted[i + 1] == 'u' && i + 6 < quoted.size() && quoted.substr(i + 2, 2) == "00" &&
                 digit(quoted[i + 4]) >= 0 && digit(quoted[i + 4]) < 8 && digit(quoted[i + 5]) >= 0) {
        name.push_back(static_cast<char>(digit(quoted[i + 4]) * 16 + digit(quoted[i + 5])));
        i += 5;
      } else {
        name.append(quoted.substr(i, 2));
        ++i;
      }
    }
    return name;
  }

  std::string_view const text_;
  std::vector<std::string> const& ignored_;
  std::size_t at_ = 0;
};

}  // namespace

std::string media_type(std::string_view content_type) {
  std::string type(policy::detail::trim(content_type.substr(0, content_type.find(';'))));
  std::transform(type.begin(), type.end(), type.begin(), policy::detail::lower);
  return type;
}

bool names_param(std::string_view param, std::vector<std::string> const& names) {
  if (names.empty()) return false;
  return contains(names, decode_param(param.substr(0, param.find('='))));
}

std::string canonical_body(std::string_view media_type, std::string_view body,
                           std::vector<std::string> const& ignored) {
  if (media_type == "application/x-www-form-urlencoded") return canonical_form(body, ignored);
  bool const is_json = media_type == "application/json" || media_type.ends_with("+json");
  std::optional<std::string> text;
  if (is_json) text = Json(body, ignored).read();
  return text ? std::move(*text) : std::string(body);
}

}  // namespace detail
}  // namespace v1
}  // namespace beast_cache
