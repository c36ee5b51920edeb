#pragma once

#include <boost/asio/buffer.hpp>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "beast_cache/detail/shared_stream.hpp"
#include "beast_cache/session/cached_session.hpp"
#include "beast_cache/session/impl/cache_guard.ipp"

namespace beast_cache {
inline namespace v1 {
namespace detail {

/// What has been read of a body, on its way into the store: in memory while it is small, then piece by piece.
class BodySink {
 public:
  /// What Cache-Status says of it.
  static constexpr std::string_view failed = "storing failed";
  /// A part that joins others is not larger, whatever the user allows.
  static constexpr std::uint64_t most_in_memory = 16u << 20;

  /// @param most The most bytes that are taken; a body of more is not stored at all.
  /// @param in_memory Whether all of them are wanted by `take`.
  BodySink(std::shared_ptr<CachedCore> core, Url url, std::uint64_t most, bool in_memory)
      : core_(std::move(core)), url_(std::move(url)), most_(most) {
    if (!in_memory) writer_ = core_->backend().write_body();
  }

  /// @return Whether there is a piece to be written: `spill`.
  bool add(asio::const_buffer bytes) {
    if (shared_ && bytes.size() != 0)
      shared_->append(std::string_view(static_cast<char const*>(bytes.data()), bytes.size()));
    if (dropped_) return false;
    if (bytes.size() > most_ - size_) {
      drop("too large");
      return false;
    }
    dropped_ = true;  // for good, if there is no memory for it
    bytes_.append(static_cast<char const*>(bytes.data()), bytes.size());
    dropped_ = false;
    size_ += bytes.size();
    return writer_ && bytes_.size() > writer_->piece_size();
  }
  asio::awaitable<void> spill() {
    std::size_t const piece_size = writer_->piece_size();
    while (!dropped_ && bytes_.size() > piece_size) {
      std::string rest;
      rest.reserve(piece_size + piece_size / 4);  // the next piece, without growing
      rest.append(bytes_, piece_size);
      bytes_.resize(piece_size);
      bytes_.swap(rest);
      dropped_ = true;  // for good, if this is cancelled: the piece is missing
      bool const done = co_await guard().run(writer_->append(std::move(rest)));
      dropped_ = false;
      spilled_ = true;
      if (!done) drop(failed);
    }
  }

  bool dropped() const noexcept { return dropped_; }
  /// Whether it was not stored because something newer is.
  bool outlived() const noexcept { return outlived_; }
  /// Why it can't be stored, or was not.
  std::string_view obstacle() const noexcept { return obstacle_; }
  /// All that came, while it is in memory and not more than `most`.
  std::optional<std::string> beginning(std::size_t most) const {
    bool const held = !dropped_ && !spilled_ && size_ <= most;
    return held ? std::optional(bytes_) : std::nullopt;
  }
  /// What comes from now on goes there as well.
  void share_with(std::shared_ptr<SharedStream> stream) noexcept { shared_ = std::move(stream); }
  std::uint64_t size() const noexcept { return size_; }
  Url const& url() const noexcept { return url_; }
  /// All that came, if it was to be in memory.
  std::string take() noexcept {
    dropped_ = true;
    return std::move(bytes_);
  }
  /// Stores a response with what came as its body. @return Whether that was done.
  asio::awaitable<bool> store(CachedHead head, IsCurrent current) {
    if (dropped_) co_return false;
    dropped_ = true;
    std::optional<bool> done;
    if (!spilled_) {
      auto text = std::make_shared<std::string const>(std::move(bytes_));
      StoredResponse whole(std::move(head), StoredBody(std::move(text)));
      done = co_await guard().get(core_->backend().store_if(std::move(whole), std::move(current)));
    } else {
      bool appended = true;
      if (!bytes_.empty()) appended = co_await guard().run(writer_->append(std::move(bytes_)));
      if (appended) done = co_await guard().get(writer_->store_if(std::move(head), std::move(current)));
    }
    outlived_ = done == false;
    if (done != true) obstacle_ = outlived_ ? "a newer one is stored" : failed;
    co_return done.value_or(false);
  }

 private:
  CacheGuard guard() const noexcept { return CacheGuard(core_->backend().options(), "store", url_); }
  void drop(std::string_view why) noexcept {
    dropped_ = true;
    obstacle_ = why;
    bytes_ = std::string();
    writer_.reset();
  }

  std::shared_ptr<CachedCore> core_;
  Url const url_;
  std::uint64_t most_;
  std::uint64_t size_ = 0;
  std::string bytes_;  // those that are not written
  std::unique_ptr<BodyWriter> writer_;
  std::shared_ptr<SharedStream> shared_;
  std::string_view obstacle_;
  bool spilled_ = false;
  bool dropped_ = false;
  bool outlived_ = false;
};

/// Passes a body on and copies it.
class CopyingReader final : public BodyReader {
 public:
  CopyingReader(std::unique_ptr<BodyReader> inner, std::shared_ptr<BodySink> copy)
      : inner_(std::move(inner)), copy_(std::move(copy)) {}

  asio::awaitable<std::size_t> read_some(asio::mutable_buffer buffer) override {
    if (failed_)
      throw Error(http_errc::truncated,
                  std::string(copy_->url().without_query()) + ": the body was given up");
    failed_ = true;  // until the end of this function: who reads on after a cancellation would miss bytes
    std::size_t const count = co_await inner_->read_some(buffer);
    bool const spills = copy_->add(asio::buffer(buffer.data(), count));
    if (spills) co_await copy_->spill();
    failed_ = false;
    co_return count;
  }
  std::optional<std::uint64_t> remaining() const noexcept override { return inner_->remaining(); }
  http::fields const& trailers() const noexcept override { return inner_->trailers(); }

 private:
  std::unique_ptr<BodyReader> inner_;
  std::shared_ptr<BodySink> copy_;
  bool failed_ = false;
};

}  // namespace detail
}  // namespace v1
}  // namespace beast_cache
