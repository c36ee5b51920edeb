#include "beast_cache/http/structured_fields.hpp"

#include "http/structured_scanner.hpp"

namespace beast_cache {
inline namespace v1 {
namespace structured {
namespace {

constexpr std::string_view base64_alphabet =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

std::string unescape(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\') ++i;
    out += text[i];
  }
  return out;
}

std::string decode_base64(std::string_view text) {
  std::string out;
  unsigned bits = 0;
  int count = 0;
  for (char const c : text) {
    bits = (bits << 6 | static_cast<unsigned>(base64_alphabet.find(c))) & 0xffffff;
    count += 6;
    if (count < 8) continue;
    count -= 8;
    out += static_cast<char>(bits >> count & 0xff);
  }
  return out;
}

std::string encode_base64(std::string_view octets) {
  std::string out;
  for (std::size_t i = 0; i < octets.size(); i += 3) {
    auto const left = octets.size() - i;
    auto const octet = [&](std::size_t n) {
      return n < left ? static_cast<unsigned>(static_cast<unsigned char>(octets[i + n])) : 0u;
    };
    auto const bits = octet(0) << 16 | octet(1) << 8 | octet(2);
    out += base64_alphabet[bits >> 18];
    out += base64_alphabet[bits >> 12 & 63];
    out += left > 1 ? base64_alphabet[bits >> 6 & 63] : '=';
    out += left > 2 ? base64_alphabet[bits & 63] : '=';
  }
  return out;
}

/// RFC 3629: no overlong form, no surrogate, nothing beyond U+10FFFF.
bool is_utf8(std::string_view text) noexcept {
  for (std::size_t i = 0; i < text.size();) {
    auto const octet = [&](std::size_t at) {
      return at < text.size() ? static_cast<unsigned char>(text[at]) : 0u;
    };
    unsigned const lead = octet(i);
    std::size_t const more = lead < 0x80 ? 0 : lead < 0xc2 ? 9 : lead < 0xe0 ? 1 : lead < 0xf0 ? 2 : 3;
    if (more == 9 || lead > 0xf4) return false;
    for (std::size_t n = 1; n <= more; ++n) {
      unsigned lowest = 0x80, highest = 0xbf;
      if (n == 1 && lead == 0xe0) lowest = 0xa0;
      if (n == 1 && lead == 0xed) highest = 0x9f;
      if (n == 1 && lead == 0xf0) lowest = 0x90;
      if (n == 1 && lead == 0xf4) highest = 0x8f;
      if (octet(i + n) < lowest || octet(i + n) > highest) return false;
    }
    i += more + 1;
  }
  return true;
}

std::string decode_percent(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out += text[i];
      continue;
    }
    out += static_cast<char>(Scanner::hex_value(text[i + 1]) * 16 + Scanner::hex_value(text[i + 2]));
    i += 2;
  }
  return out;
}

/// @return false when the octets of a display string are no UTF-8.
bool to_bare_item(RawItem const& raw, BareItem& out) {
  switch (raw.kind) {
    case Kind::integer:
      out = raw.number;
      break;
    case Kind::decimal:
      out = Decimal(raw.number);
      break;
    case Kind::string:
      out = unescape(raw.text);
      break;
    case Kind::token:
      out = Token(std::string(raw.text));
      break;
    case Kind::bytes:
      out = ByteSequence(decode_base64(raw.text));
      break;
    case Kind::boolean:
      out = raw.number != 0;
      break;
    case Kind::date:
      out = Date(raw.number);
      break;
    case Kind::display: {
      DisplayString text(decode_percent(raw.text));
      if (!is_utf8(text.str())) return false;
      out = std::move(text);
      break;
    }
  }
  return true;
}

bool read_parameters(Scanner& in, Parameters& out) {
  bool valid = true;
  bool const read = in.parameters([&](std::string_view key, RawItem const& raw) {
    BareItem value;
    valid = valid && to_bare_item(raw, value);
    if (valid) out.set(std::string(key), std::move(value));
  });
  return read && valid;
}

bool read_item(Scanner& in, Item& out) {
  RawItem raw;
  BareItem value;
  Parameters parameters;
  if (!in.bare_item(raw) || !to_bare_item(raw, value) || !read_parameters(in, parameters)) return false;
  out = Item(std::move(value), std::move(parameters));
  return true;
}

bool read_inner_list(Scanner& in, InnerList& out) {
  in.take('(');
  std::vector<Item> items;
  for (;;) {
    in.spaces();
    if (in.take(')')) break;
    Item item;
    if (!read_item(in, item)) return false;
    items.push_back(std::move(item));
    if (!in.at(' ') && !in.at(')')) return false;
  }
  Parameters parameters;
  if (!read_parameters(in, parameters)) return false;
  out = InnerList(std::move(items), std::move(parameters));
  return true;
}

bool read_member(Scanner& in, Member& out) {
  if (in.at('(')) return read_inner_list(in, out.emplace<InnerList>());
  return read_item(in, out.emplace<Item>());
}

std::optional<std::string> combined(http::fields const& fields, std::string_view name) {
  auto const range = fields.equal_range(name);
  if (range.first == range.second) return std::nullopt;
  std::string text;
  for (auto it = range.first; it != range.second; ++it) {
    if (it != range.first) text += ", ";
    text += it->value();
  }
  return text;
}

/// Collects the text; the first value without a form makes it fail for good.
class Writer {
 public:
  std::optional<std::string> text() && {
    if (!ok_) return std::nullopt;
    return std::move(text_);
  }

  void put(std::string_view s) { text_ += s; }

  void key(std::string_view k) {
    std::string_view read;
    Scanner in(k);
    if (!in.key(read) || !in.empty()) ok_ = false;
    put(k);
  }
  void item(Item const& i) {
    bare_item(i.value());
    parameters(i.parameters());
  }
  void member(Member const& m) {
    if (auto const* const single = std::get_if<Item>(&m)) return item(*single);
    auto const& list = std::get<InnerList>(m);
    put("(");
    for (auto const& i : list.items()) {
      if (&i != &list.items().front()) put(" ");
      item(i);
    }
    put(")");
    parameters(list.parameters());
  }
  void parameters(Parameters const& p) {
    for (auto const& [name, value] : p) {
      put(";");
      key(name);
      if (value == BareItem(true)) continue;
      put("=");
      bare_item(value);
    }
  }
  void bare_item(BareItem const& value) {
    std::visit([this](auto const& v) { write(v); }, value);
  }

 private:
  void write(std::int64_t n) {
    if (n > 999'999'999'999'999 || n < -999'999'999'999'999) ok_ = false;
    put(std::to_string(n));
  }
  void write(Decimal d) {
    auto const n = d.count();
    if (n > 999'999'999'999'999 || n < -999'999'999'999'999) return void(ok_ = false);
    auto const positive = n < 0 ? -n : n;
    std::string behind = std::to_string(1000 + positive % 1000).substr(1);
    while (behind.size() > 1 && behind.back() == '0') behind.pop_back();
    put(n < 0 ? "-" : "");
    put(std::to_string(positive / 1000).append(1, '.').append(behind));
  }
  void write(bool b) { put(b ? "?1" : "?0"); }
  void write(std::string const& s) {
    put("\"");
    for (char const c : s) {
      if (!Scanner::is_printable(c)) ok_ = false;
      if (c == '"' || c == '\\') put("\\");
      text_ += c;
    }
    put("\"");
  }
  void write(Token const& t) {
    RawItem raw;
    Scanner in(t.str());
    if (!in.bare_item(raw) || raw.kind != Kind::token || !in.empty()) ok_ = false;
    put(t.str());
  }
  void write(ByteSequence const& b) {
    put(std::string(1, ':').append(encode_base64(b.str())).append(1, ':'));
  }
  void write(Date d) {
    put("@");
    write(d.count());
  }
  void write(DisplayString const& s) {
    constexpr std::string_view hex = "0123456789abcdef";
    if (!is_utf8(s.str())) ok_ = false;
    put("%\"");
    for (char const c : s.str()) {
      if (Scanner::is_printable(c) && c != '%' && c != '"') {
        text_ += c;
        continue;
      }
      auto const u = static_cast<unsigned char>(c);
      text_.append({'%', hex[u >> 4], hex[u & 15]});
    }
    put("\"");
  }

  std::string text_;
  bool ok_ = true;
};

}  // namespace

std::optional<Item> parse_item(std::string_view text) {
  Scanner in(text);
  Item item;
  in.spaces();
  if (!read_item(in, item)) return std::nullopt;
  in.spaces();
  if (!in.empty()) return std::nullopt;
  return item;
}

std::optional<List> parse_list(std::string_view text) {
  while (text.ends_with(' ')) text.remove_suffix(1);
  Scanner in(text);
  List list;
  in.spaces();
  while (!in.empty()) {
    if (!read_member(in, list.emplace_back()) || !in.comma()) return std::nullopt;
  }
  return list;
}

std::optional<Dictionary> parse_dictionary(std::string_view text) {
  while (text.ends_with(' ')) text.remove_suffix(1);
  Scanner in(text);
  Dictionary dictionary;
  in.spaces();
  while (!in.empty()) {
    std::string_view key;
    if (!in.key(key)) return std::nullopt;
    Member member;
    if (in.take('=')) {
      if (!read_member(in, member)) return std::nullopt;
    } else {
      Parameters parameters;
      if (!read_parameters(in, parameters)) return std::nullopt;
      member = Item(BareItem(true), std::move(parameters));
    }
    dictionary.set(std::string(key), std::move(member));
    if (!in.comma()) return std::nullopt;
  }
  return dictionary;
}

std::optional<List> parse_list(http::fields const& fields, std::string_view name) {
  auto const text = combined(fields, name);
  return text ? parse_list(*text) : std::nullopt;
}

std::optional<Dictionary> parse_dictionary(http::fields const& fields, std::string_view name) {
  auto const text = combined(fields, name);
  return text ? parse_dictionary(*text) : std::nullopt;
}

std::optional<std::string> serialise(Item const& item) {
  Writer out;
  out.item(item);
  return std::move(out).text();
}

std::optional<std::string> serialise(List const& list) {
  Writer out;
  for (auto const& member : list) {
    if (&member != &list.front()) out.put(", ");
    out.member(member);
  }
  return std::move(out).text();
}

std::optional<std::string> serialise(Dictionary const& dictionary) {
  Writer out;
  bool first = true;
  for (auto const& [key, member] : dictionary) {
    if (!std::exchange(first, false)) out.put(", ");
    out.key(key);
    auto const* const item = std::get_if<Item>(&member);
    if (item != nullptr && item->value() == BareItem(true)) {
      out.parameters(item->parameters());
    } else {
      out.put("=");
      out.member(member);
    }
  }
  return std::move(out).text();
}

}  // namespace structured
}  // namespace v1
}  // namespace beast_cache
