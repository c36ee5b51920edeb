#include "beast_cache/http/decompression.hpp"

#include <boost/beast/http/rfc7230.hpp>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "beast_cache/error.hpp"
#include "beast_cache/http/body.hpp"
#include "beast_cache/http/response.hpp"
#include "http/codings/codec.hpp"
#include "http/text.hpp"

namespace beast_cache {
inline namespace v1 {
namespace detail {
namespace {

// Nobody compresses three times but to do harm.
constexpr std::size_t most_codings = 2;
// Short bodies may be as dense as they like.
constexpr std::uint64_t free_of_ratio = std::uint64_t{1} << 20;
constexpr std::size_t piece = 16 * 1024;

/// What all codings of one body share.
struct Budget {
  Decompression limits;
  std::string url;
  std::uint64_t received = 0;

  bool allows(std::uint64_t produced) const noexcept {
    if (produced > limits.max_size()) return false;
    if (limits.max_ratio() == 0 || produced <= free_of_ratio) return true;
    return produced / limits.max_ratio() <= received;
  }
};

/// A body with one coding taken off.
class DecodingReader final : public BodyReader {
 public:
  /// @param first Whether `inner` is what was received, and not the output of another of these.
  DecodingReader(std::unique_ptr<BodyReader> inner, std::unique_ptr<Codec> codec,
                 std::shared_ptr<Budget> budget, bool first)
      : inner_(std::move(inner)), codec_(std::move(codec)), budget_(std::move(budget)), first_(first) {}

  asio::awaitable<std::size_t> read_some(asio::mutable_buffer buffer) override {
    if (failed_) throw Error(http_errc::bad_encoding, budget_->url + ": the body was given up");
    if (ended_ || buffer.size() == 0) co_return 0;
    failed_ = true;  // until the end of this function: what leaves it early ends the body
    std::size_t count = 0;
    for (;;) {
      count = decode(buffer);
      if (count != 0) break;
      if (begin_ != end_) continue;
      input_.resize(piece);
      begin_ = 0;
      end_ = co_await inner_->read_some(asio::buffer(input_));
      if (first_) budget_->received += end_;
      started_ = started_ || end_ != 0;
      if (end_ == 0) {
        finish();
        break;
      }
    }
    failed_ = false;
    co_return count;
  }

  std::optional<std::uint64_t> remaining() const noexcept override {
    return ended_ ? std::optional<std::uint64_t>(0) : std::nullopt;
  }
  http::fields const& trailers() const noexcept override { return inner_->trailers(); }

 private:
  std::size_t decode(asio::mutable_buffer buffer) {
    std::string_view const input = std::string_view(input_).substr(begin_, end_ - begin_);
    Progress const progress = codec_->decode(input, static_cast<char*>(buffer.data()), buffer.size());
    begin_ += progress.consumed;
    produced_ += progress.produced;
    bool const stuck = !input.empty() && progress.consumed == 0 && progress.produced == 0;
    if (progress.malformed || stuck) throw Error(http_errc::bad_encoding, budget_->url);
    if (!budget_->allows(produced_)) {
      throw Error(http_errc::encoding_limit, budget_->url + ": " + std::to_string(budget_->received) +
                                                 " bytes came to more than " +
                                                 std::to_string(produced_ - progress.produced));
    }
    return progress.produced;
  }

  void finish() {
    // Nothing at all is an empty body, whatever was said of its coding: some servers send that.
    if (started_ && !codec_->complete()) throw Error(http_errc::encoding_truncated, budget_->url);
    ended_ = true;
    input_ = std::string();
  }

  std::unique_ptr<BodyReader> inner_;
  std::unique_ptr<Codec> codec_;
  std::shared_ptr<Budget> budget_;
  std::string input_;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
  std::uint64_t produced_ = 0;
  bool first_;
  bool started_ = false;
  bool ended_ = false;
  bool failed_ = false;
};

std::unique_ptr<Codec> create_codec(std::string_view name) {
  // RFC 9110 section 8.4.1.3.
  if (iequals(name, "gzip") || iequals(name, "x-gzip")) return create_gzip_codec();
  if (iequals(name, "deflate")) return create_deflate_codec();
#ifdef BEAST_CACHE_HAS_BROTLI
  if (iequals(name, "br")) return create_brotli_codec();
#endif
#ifdef BEAST_CACHE_HAS_ZSTD
  if (iequals(name, "zstd")) return create_zstd_codec();
#endif
  return nullptr;
}

/// The decoders for what Content-Encoding lists, in that order. @return None when one of them is not known.
/// Errors: `http_errc::bad_encoding` for too many.
std::vector<std::unique_ptr<Codec>> create_codecs(ResponseHead const& head) {
  std::vector<std::unique_ptr<Codec>> codecs;
  auto const lines = head.headers().equal_range(http::field::content_encoding);
  for (auto line = lines.first; line != lines.second; ++line) {
    http::opt_token_list const names(line->value());
    if (!http::validate_list(names)) return {};
    for (auto const& token : names) {
      std::string_view const name(token.data(), token.size());
      if (iequals(name, "identity")) continue;
      if (codecs.size() == most_codings)
        throw Error(http_errc::bad_encoding, std::string(head.url().without_query()) + ": too many codings");
      codecs.push_back(create_codec(name));
      if (!codecs.back()) return {};
    }
  }
  return codecs;
}

}  // namespace

std::string const& accepted_codings() {
  static std::string const codings = [] {
    std::string list = "gzip, deflate";
#ifdef BEAST_CACHE_HAS_BROTLI
    list += ", br";
#endif
#ifdef BEAST_CACHE_HAS_ZSTD
    list += ", zstd";
#endif
    return list;
  }();
  return codings;
}

StreamedResponse decode(StreamedResponse response, http::verb method, Decompression const& how) {
  unsigned const status = response.status();
  bool const has_whole_body = method != http::verb::head && status != 204 && status != 206 && status != 304;
  if (!how.enabled() || !has_whole_body) return response;
  if (response.headers().count(http::field::content_encoding) == 0) return response;
  std::vector<std::unique_ptr<Codec>> codecs = create_codecs(response);
  if (codecs.empty()) return response;
  std::unique_ptr<BodyReader> body = response.take_body();
  auto budget = std::make_shared<Budget>();
  budget->limits = how;
  budget->url = std::string(response.url().without_query());
  // The last one listed was put on last. RFC 9110 section 8.4.
  bool first = true;
  while (!codecs.empty()) {
    body = std::make_unique<DecodingReader>(std::move(body), std::move(codecs.back()), budget, first);
    codecs.pop_back();
    first = false;
  }
  ResponseHead head(static_cast<ResponseHead&&>(response));
  head.headers().erase(http::field::content_encoding);
  head.headers().erase(http::field::content_length);
  return StreamedResponse(std::move(head), std::move(body));
}

}  // namespace detail
}  // namespace v1
}  // namespace beast_cache
