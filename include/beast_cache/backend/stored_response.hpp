#pragma once
/// \file stored_response.hpp
/// What a backend finds and keeps: a response whose body need not be in memory.

#include <boost/asio/awaitable.hpp>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "beast_cache/backend/cached_response.hpp"
#include "beast_cache/config.hpp"
#include "beast_cache/http/body.hpp"

namespace beast_cache {
inline namespace v1 {

/// The body of a stored response: in memory, or where its backend reads it piece by piece.
///
/// Thread safety: distinct objects: safe, copies share the bytes; shared objects: const members safe.
class StoredBody {
 public:
  /// A body that is not in memory. It can be read while it is kept, even if the response is removed
  /// meanwhile.
  class Source {
   public:
    Source() = default;
    Source(Source const&) = delete;
    Source& operator=(Source const&) = delete;
    virtual ~Source() = default;

    /// In bytes.
    virtual std::uint64_t size() const noexcept = 0;
    /// A reader of `count` bytes, from the byte number `first` on; both lie within the body.
    virtual std::unique_ptr<BodyReader> open(std::uint64_t first, std::uint64_t count) const = 0;
  };

  StoredBody() : StoredBody(std::make_shared<std::string const>()) {}
  StoredBody(std::shared_ptr<std::string const> text) : text_(std::move(text)) {}
  StoredBody(std::shared_ptr<Source const> source) : source_(std::move(source)) {}

  /// In bytes.
  std::uint64_t size() const noexcept { return text_ ? text_->size() : source_->size(); }
  /// The bytes; null when they are not in memory.
  std::shared_ptr<std::string const> const& text() const noexcept { return text_; }
  /// Where the bytes are; null when they are in memory.
  std::shared_ptr<Source const> const& source() const noexcept { return source_; }

  /// A reader of the whole body.
  std::unique_ptr<BodyReader> open() const { return open(0, size()); }
  /// A reader of `count` bytes, from the byte number `first` on; both lie within the body.
  std::unique_ptr<BodyReader> open(std::uint64_t first, std::uint64_t count) const {
    std::unique_ptr<BodyReader> reader;
    if (source_) {
      reader = source_->open(first, count);
    } else if (count == text_->size()) {
      reader = std::make_unique<StringReader>(text_);
    } else {
      reader = std::make_unique<StringReader>(
          text_->substr(static_cast<std::size_t>(first), static_cast<std::size_t>(count)));
    }
    return reader;
  }

 private:
  std::shared_ptr<std::string const> text_;
  std::shared_ptr<Source const> source_;
};

/// A response as a backend keeps it.
///
/// Thread safety: distinct objects: safe, copies share the body; shared objects: const members safe.
class StoredResponse : public CachedHead {
 public:
  StoredResponse(CachedHead head, StoredBody body) : CachedHead(std::move(head)), body_(std::move(body)) {}
  StoredResponse(CachedResponse const& whole)
      : CachedHead(whole, whole), body_(StoredBody(whole.shared_body())) {}

  StoredBody const& body() const noexcept { return body_; }

 private:
  StoredBody body_;
};

/// Whether a response is still to be stored, asked right before it is, on any thread: an unsafe request may
/// have been answered meanwhile. It must not throw.
using IsCurrent = std::function<bool()>;

/// A body on its way into a backend. Nothing of it can be seen before `store`; destroying the writer before
/// that gives it up.
///
/// Thread safety: one operation at a time.
class BodyWriter {
 public:
  BodyWriter() = default;
  BodyWriter(BodyWriter const&) = delete;
  BodyWriter& operator=(BodyWriter const&) = delete;
  virtual ~BodyWriter() = default;

  /// How many bytes `append` wants at a time; only the last piece may be shorter.
  virtual std::size_t piece_size() const noexcept = 0;
  /// Writes the next bytes, not none. It may complete before they are written; `store` waits for them.
  /// Errors: the backend's, also those of earlier pieces; nothing can be written any more after one.
  virtual asio::awaitable<void> append(std::string piece) = 0;
  /// Stores a response with what has been appended as its body, in place of the variant that it replaces.
  virtual asio::awaitable<void> store(CachedHead head) = 0;
  /// The same as `CacheBackend::store_if` does it.
  virtual asio::awaitable<bool> store_if(CachedHead head, IsCurrent current) = 0;
};

inline policy::StoredView view_of(StoredResponse const& stored) noexcept {
  policy::StoredView view = view_of(static_cast<CachedHead const&>(stored));
  // What a HEAD brought has no body, whatever the size that it speaks of.
  if (stored.method() != http::verb::head) view.body_size(stored.body().size());
  return view;
}

}  // namespace v1
}  // namespace beast_cache
