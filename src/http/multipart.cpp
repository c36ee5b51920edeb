#include "beast_cache/http/multipart.hpp"

#include <algorithm>
#include <boost/asio/buffer.hpp>
#include <memory>
#include <random>

#include "beast_cache/error.hpp"

namespace beast_cache {
inline namespace v1 {
namespace {

std::string create_boundary() {
  constexpr std::string_view alphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
  std::random_device source;
  std::uniform_int_distribution<std::size_t> index(0, alphabet.size() - 1);
  std::string boundary = "----beastcache";
  for (int i = 0; i < 32; ++i) boundary += alphabet[index(source)];
  return boundary;
}

/// Line ends as CR LF.
std::string normalise_newlines(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\r' || text[i] == '\n') {
      out += "\r\n";
      if (text[i] == '\r' && text.substr(i + 1).starts_with('\n')) ++i;
    } else {
      out += text[i];
    }
  }
  return out;
}

std::string escape(std::string_view name) {
  std::string out;
  for (char const c : name) {
    switch (c) {
      case '\n':
        out += "%0A";
        break;
      case '\r':
        out += "%0D";
        break;
      case '"':
        out += "%22";
        break;
      case '\0':
        throw Error(http_errc::injection, "NUL in a name of a multipart form");
      default:
        out += c;
    }
  }
  return out;
}

/// The parts one after the other, each between its head and a line end.
class MultipartReader final : public BodyReader {
 public:
  MultipartReader(std::vector<std::pair<std::string, Body>> parts, std::string end,
                  std::optional<std::uint64_t> size)
      : parts_(std::move(parts)), end_(std::move(end)), left_(size) {
    begin_part();
  }

  asio::awaitable<std::size_t> read_some(asio::mutable_buffer buffer) override {
    std::size_t count = 0;
    for (;;) {
      if (position_ != text_.size()) {
        count = asio::buffer_copy(buffer, asio::buffer(text_) + position_);
        position_ += count;
        break;
      }
      if (!body_) break;
      count = co_await body_->read_some(buffer);
      if (count != 0) break;
      body_.reset();
      ++index_;
      begin_part();
      text_.insert(0, "\r\n");
    }
    if (left_) *left_ -= std::min<std::uint64_t>(*left_, count);
    co_return count;
  }
  std::optional<std::uint64_t> remaining() const noexcept override { return left_; }

 private:
  void begin_part() {
    position_ = 0;
    text_ = index_ < parts_.size() ? parts_[index_].first : end_;
    if (index_ < parts_.size()) body_ = parts_[index_].second.open();
  }

  std::vector<std::pair<std::string, Body>> parts_;
  std::string end_;
  std::optional<std::uint64_t> left_;
  std::size_t index_ = 0;
  std::string text_;
  std::size_t position_ = 0;
  std::unique_ptr<BodyReader> body_;
};

}  // namespace

Multipart::Multipart() : boundary_(create_boundary()) {}

Multipart& Multipart::field(std::string_view name, std::string_view value) {
  return part(name, {}, {}, Body(normalise_newlines(value)));
}

Multipart& Multipart::file(std::string_view name, std::string const& path, std::string_view content_type) {
  return part(name, std::string_view(path).substr(path.rfind('/') + 1), content_type, Body::from_file(path));
}

Multipart& Multipart::part(std::string_view name, std::string_view file_name, std::string_view content_type,
                           Body body) {
  bool const is_plain =
      std::all_of(content_type.begin(), content_type.end(), [](char c) { return c >= ' ' && c != '\x7f'; });
  if (!is_plain) throw Error(http_errc::injection, "the content type of a part");
  std::string head = "--" + boundary_ + "\r\nContent-Disposition: form-data; name=\"" +
                     escape(normalise_newlines(name)) + "\"";
  if (!file_name.empty()) head.append("; filename=\"").append(escape(file_name)).append("\"");
  if (!content_type.empty()) head.append("\r\nContent-Type: ").append(content_type);
  parts_.emplace_back(head.append("\r\n\r\n"), std::move(body));
  return *this;
}

Body Multipart::body() const {
  std::string const end = "--" + boundary_ + "--\r\n";
  std::optional<std::uint64_t> size = end.size();
  bool repeatable = true;
  for (auto const& [head, body] : parts_) {
    repeatable = repeatable && body.repeatable();
    std::optional<std::uint64_t> const part = body.size();
    if (size && part) {
      *size += head.size() + *part + 2;
    } else {
      size = std::nullopt;
    }
  }
  if (!repeatable) return Body::from_reader(std::make_unique<MultipartReader>(parts_, end, size));
  return Body::from_source(
      [parts = parts_, end, size] { return std::make_unique<MultipartReader>(parts, end, size); }, size);
}

}  // namespace v1
}  // namespace beast_cache
