#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "beast_cache/backend/cached_response.hpp"
#include "beast_cache/http/body.hpp"
#include "beast_cache/policy/range.hpp"

namespace beast_cache {
inline namespace v1 {
namespace detail {

/// The bytes that are held of a representation: its ranges, one after the other in one string.
class HeldBytes {
 public:
  HeldBytes() : bytes_(std::make_shared<std::string const>()) {}
  explicit HeldBytes(CachedResponse const& stored)
      : parts_(stored.status() == 206 ? stored.parts() : policy::ByteParts::whole(stored.body().size())),
        bytes_(stored.shared_body()) {}

  policy::ByteParts const& parts() const noexcept { return parts_; }
  std::shared_ptr<std::string const> const& bytes() const noexcept { return bytes_; }
  /// What will be held once a part with that Content-Range is.
  policy::ByteParts parts_with(policy::ContentRange const& part) const {
    policy::ByteParts all = parts_;
    all.add(*part.range());
    if (part.complete()) all.complete(*part.complete());
    return all;
  }

  /// The bytes of a range that is held.
  std::string slice(policy::ByteRange const& range) const {
    return bytes_->substr(offset_in(parts_, range.first()), static_cast<std::size_t>(range.size()));
  }

  /// Takes a part in. Where a byte is held already, the new one counts.
  void add(policy::ByteRange const& range, std::string_view part) {
    policy::ByteParts all = parts_;
    all.add(range);
    std::uint64_t size = 0;
    for (auto const& held : all.ranges()) size += held.size();
    std::string joined(static_cast<std::size_t>(size), '\0');
    std::size_t from = 0;
    for (auto const& held : parts_.ranges()) {
      auto const count = static_cast<std::size_t>(held.size());
      bytes_->copy(joined.data() + offset_in(all, held.first()), count, from);
      from += count;
    }
    std::copy(part.begin(), part.end(), joined.data() + offset_in(all, range.first()));
    parts_ = std::move(all);
    bytes_ = std::make_shared<std::string const>(std::move(joined));
  }

 private:
  /// Where a byte that is held stands in the string.
  static std::size_t offset_in(policy::ByteParts const& parts, std::uint64_t byte) noexcept {
    std::uint64_t offset = 0;
    for (auto const& held : parts.ranges()) {
      if (byte <= held.last()) return static_cast<std::size_t>(offset + (byte - held.first()));
      offset += held.size();
    }
    return static_cast<std::size_t>(offset);
  }

  policy::ByteParts parts_;
  std::shared_ptr<std::string const> bytes_;
};

/// A body whose beginning was stored, and whose rest comes from elsewhere.
class ResumedReader final : public BodyReader {
 public:
  ResumedReader(std::shared_ptr<std::string const> beginning, std::unique_ptr<BodyReader> rest)
      : beginning_(std::move(beginning)), rest_(std::move(rest)) {}

  asio::awaitable<std::size_t> read_some(asio::mutable_buffer buffer) override {
    return beginning_.remaining() == 0 ? rest_->read_some(buffer) : beginning_.read_some(buffer);
  }
  std::optional<std::uint64_t> remaining() const noexcept override {
    std::optional<std::uint64_t> const rest = rest_->remaining();
    return rest ? std::optional(*rest + *beginning_.remaining()) : rest;
  }
  http::fields const& trailers() const noexcept override { return rest_->trailers(); }

 private:
  StringReader beginning_;
  std::unique_ptr<BodyReader> rest_;
};

}  // namespace detail
}  // namespace v1
}  // namespace beast_cache
