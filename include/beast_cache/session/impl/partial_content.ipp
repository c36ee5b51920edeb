#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <utility>

#include "beast_cache/backend/stored_response.hpp"
#include "beast_cache/error.hpp"
#include "beast_cache/http/body.hpp"
#include "beast_cache/http/url.hpp"
#include "beast_cache/policy/range.hpp"

namespace beast_cache {
inline namespace v1 {
namespace detail {

/// The bytes that are held of a representation: its ranges, one after the other in one body.
class HeldBytes {
 public:
  HeldBytes() = default;
  explicit HeldBytes(StoredResponse const& stored)
      : parts_(stored.status() == 206 ? stored.parts() : policy::ByteParts::whole(stored.body().size())),
        body_(stored.body()) {}

  std::uint64_t size() const noexcept { return body_.size(); }
  /// What will be held once a part with that Content-Range is.
  policy::ByteParts parts_with(policy::ContentRange const& part) const {
    policy::ByteParts all = parts_with(*part.range());
    if (part.complete()) all.complete(*part.complete());
    return all;
  }
  policy::ByteParts parts_with(policy::ByteRange const& range) const {
    policy::ByteParts all = parts_;
    all.add(range);
    return all;
  }

  /// All of them.
  std::unique_ptr<BodyReader> open() const { return body_.open(); }
  /// Those of a range that is held.
  std::unique_ptr<BodyReader> open(policy::ByteRange const& range) const {
    std::uint64_t offset = 0;
    for (auto const& held : parts_.ranges()) {
      if (range.first() <= held.last())
        return body_.open(offset + (range.first() - held.first()), range.size());
      offset += held.size();
    }
    return body_.open(offset, 0);
  }

 private:
  policy::ByteParts parts_;
  StoredBody body_;
};

/// A body that has to be as long as its head says; else it is truncated, or its framing is wrong.
class SizedReader final : public BodyReader {
 public:
  SizedReader(std::unique_ptr<BodyReader> inner, std::uint64_t size, Url url)
      : inner_(std::move(inner)), left_(size), url_(std::move(url)) {}

  asio::awaitable<std::size_t> read_some(asio::mutable_buffer buffer) override {
    if (buffer.size() == 0) co_return 0;
    std::size_t const count = co_await inner_->read_some(buffer);
    if (count == 0 && left_ != 0) throw Error(http_errc::truncated, url_.str() + ": less than its head says");
    if (count > left_) throw Error(http_errc::framing, url_.str() + ": more than its head says");
    left_ -= count;
    co_return count;
  }
  std::optional<std::uint64_t> remaining() const noexcept override { return left_; }
  http::fields const& trailers() const noexcept override { return inner_->trailers(); }

 private:
  std::unique_ptr<BodyReader> inner_;
  std::uint64_t left_;
  Url const url_;
};

/// One body behind the other.
class ChainedReader final : public BodyReader {
 public:
  ChainedReader(std::unique_ptr<BodyReader> beginning, std::unique_ptr<BodyReader> rest)
      : beginning_(std::move(beginning)), rest_(std::move(rest)) {}

  asio::awaitable<std::size_t> read_some(asio::mutable_buffer buffer) override {
    return beginning_->remaining() == 0 ? rest_->read_some(buffer) : beginning_->read_some(buffer);
  }
  std::optional<std::uint64_t> remaining() const noexcept override {
    std::optional<std::uint64_t> const rest = rest_->remaining();
    return rest ? std::optional(*rest + beginning_->remaining().value_or(0)) : rest;
  }
  http::fields const& trailers() const noexcept override { return rest_->trailers(); }

 private:
  std::unique_ptr<BodyReader> beginning_;  // of a known length
  std::unique_ptr<BodyReader> rest_;
};

}  // namespace detail
}  // namespace v1
}  // namespace beast_cache
