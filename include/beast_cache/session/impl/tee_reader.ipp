#pragma once

#include <boost/asio/error.hpp>
#include <boost/system/system_error.hpp>
#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "beast_cache/detail/single_flight.hpp"
#include "beast_cache/policy/range.hpp"
#include "beast_cache/session/cached_session.hpp"
#include "beast_cache/session/impl/partial_content.ipp"

namespace beast_cache {
inline namespace v1 {
namespace detail {

/// Runs one operation of the cache so that its fault does not become the request's: reported to the observer,
/// and rethrown only when the user asked for that or when the request was cancelled.
class CacheGuard {
 public:
  /// All of them have to outlive the operation.
  CacheGuard(CacheOptions const& options, std::string_view operation, Url const& url) noexcept
      : options_(&options), operation_(operation), url_(&url) {}

  /// @return Nothing when the operation failed.
  template <class T>
  asio::awaitable<std::optional<T>> get(asio::awaitable<T> operation) {
    return get_guarded(std::move(*this), std::move(operation));
  }
  /// @return False when the operation failed.
  asio::awaitable<bool> run(asio::awaitable<void> operation) {
    return run_guarded(std::move(*this), std::move(operation));
  }

 private:
  template <class T>
  static asio::awaitable<std::optional<T>> get_guarded(CacheGuard self, asio::awaitable<T> operation) {
    std::optional<T> result;
    try {
      result = co_await std::move(operation);
    } catch (...) {
      self.handle();
    }
    co_return result;
  }
  static asio::awaitable<bool> run_guarded(CacheGuard self, asio::awaitable<void> operation) {
    bool done = false;
    try {
      co_await std::move(operation);
      done = true;
    } catch (...) {
      self.handle();
    }
    co_return done;
  }

  /// Inside of a catch block.
  void handle() const {
    if (options_->strict()) throw;
    try {
      throw;
    } catch (boost::system::system_error const& e) {
      if (e.code() == asio::error::operation_aborted) throw;
    } catch (...) {  // a user's own backend may throw what it likes
    }
    if (!options_->observer()) return;
    try {
      options_->observer()->on_cache_error(operation_, url_->str(), std::current_exception());
    } catch (...) {  // an observer can't fail a request
    }
  }

  CacheOptions const* options_;
  std::string_view operation_;
  Url const* url_;
};

/// What has been read of a body, up to a bound.
class BodyCopy {
 public:
  /// @param most The most bytes that are kept; a body of more is not kept at all.
  explicit BodyCopy(std::uint64_t most) : most_(most) {}

  void append(asio::const_buffer piece) {
    if (dropped_) return;
    dropped_ = true;  // for good, if there is no memory for it
    if (piece.size() > most_ - bytes_.size()) {
      bytes_ = std::string();
    } else {
      bytes_.append(static_cast<char const*>(piece.data()), piece.size());
      dropped_ = false;
    }
  }
  bool dropped() const noexcept { return dropped_; }
  std::string take() noexcept {
    dropped_ = true;
    return std::move(bytes_);
  }

 private:
  std::string bytes_;
  std::uint64_t most_;
  bool dropped_ = false;
};

/// Passes a body on and copies it.
class CopyingReader final : public BodyReader {
 public:
  CopyingReader(std::unique_ptr<BodyReader> inner, std::shared_ptr<BodyCopy> copy)
      : inner_(std::move(inner)), copy_(std::move(copy)) {}

  asio::awaitable<std::size_t> read_some(asio::mutable_buffer buffer) override {
    std::size_t const count = co_await inner_->read_some(buffer);
    copy_->append(asio::buffer(buffer.data(), count));
    co_return count;
  }
  std::optional<std::uint64_t> remaining() const noexcept override { return inner_->remaining(); }
  http::fields const& trailers() const noexcept override { return inner_->trailers(); }

 private:
  std::unique_ptr<BodyReader> inner_;
  std::shared_ptr<BodyCopy> copy_;
};

/// Passes a body on, decoded where the caller wants that, and stores the copy of what was received when it is
/// complete and could be decoded. Of one that breaks off the bytes that came are kept where a later request
/// can ask for the rest (RFC 9111 section 3.3); one that was given up, or is too long, is dropped.
class TeeReader final : public BodyReader {
 public:
  /// @param copy What is read of `inner` as it was received. @param entry What is stored, but for the body.
  /// @param unstored What to say in Cache-Status if it is not stored after all.
  TeeReader(std::shared_ptr<CachedCore> core, std::unique_ptr<BodyReader> inner,
            std::shared_ptr<BodyCopy> copy, CachedHead entry, std::string unstored)
      : core_(std::move(core)),
        inner_(std::move(inner)),
        copy_(std::move(copy)),
        entry_(std::move(entry)),
        unstored_(std::move(unstored)) {}

  /// The body is one range of a representation, and joins what is held of it already.
  void joins(HeldBytes held, policy::ByteRange range) {
    held_ = std::move(held);
    range_ = range;
  }
  /// Others wait for what is stored here.
  void leads(std::unique_ptr<SingleFlight::Lead> lead) noexcept { lead_ = std::move(lead); }
  /// What breaks off is dropped as well.
  void drops_incomplete() noexcept { keeps_incomplete_ = false; }

  asio::awaitable<std::size_t> read_some(asio::mutable_buffer buffer) override {
    if (buffer.size() == 0) co_return 0;  // not the end, though it looks like it
    std::size_t count = 0;
    std::exception_ptr failure;
    try {
      count = co_await inner_->read_some(buffer);
    } catch (boost::system::system_error const& e) {
      bool const given_up = e.code() == asio::error::operation_aborted;
      if (copy_->dropped() || given_up || is_coding_fault(e.code()) || !keeps_incomplete_) throw;
      failure = std::current_exception();
    }
    if (failure) {
      co_await store_incomplete();
      lead_.reset();
      std::rethrow_exception(failure);
    }
    if (count == 0 && !copy_->dropped()) {
      co_await store_whole();
      land(stored_ ? SingleFlight::Outcome::stored : SingleFlight::Outcome::not_storable);
    } else if (copy_->dropped()) {
      land(SingleFlight::Outcome::not_storable);
    }
    co_return count;
  }
  std::optional<std::uint64_t> remaining() const noexcept override { return inner_->remaining(); }
  http::fields const& trailers() const noexcept override { return inner_->trailers(); }

  /// Takes back what was announced when the response turned out not to be stored.
  void report(CacheInfo& info) const {
    if (stored_) return;
    info.set_cache_status(unstored_).set_created_at(std::nullopt).set_expires(std::nullopt);
  }

 private:
  static bool is_coding_fault(error_code const& code) noexcept {
    return code == http_errc::bad_encoding || code == http_errc::encoding_truncated ||
           code == http_errc::encoding_limit;
  }

  void land(SingleFlight::Outcome outcome) noexcept {
    if (lead_) lead_->land(outcome);
    lead_.reset();
  }

  asio::awaitable<void> store_whole() {
    auto bytes = std::make_shared<std::string const>(copy_->take());
    if (range_) {
      if (bytes->size() != range_->size()) co_return;
      held_.add(*range_, *bytes);
      bytes = held_.bytes();
    }
    co_await store(std::move(bytes));
  }

  asio::awaitable<void> store_incomplete() {
    std::string bytes = copy_->take();
    std::uint64_t const received = bytes.size();
    if (range_ || entry_.status() != 200 || entry_.method() != http::verb::get) co_return;
    auto fields = policy::incomplete_fields(entry_.headers(), received, entry_.response_time());
    if (!fields) co_return;
    policy::ByteParts parts(policy::content_range(*fields)->complete());
    parts.add(policy::ByteRange(0, received - 1));
    ResponseHead head(entry_.url(), 206, "Partial Content", std::move(*fields), entry_.version());
    CacheInfo info(entry_);
    info.set_parts(std::move(parts));
    entry_ = CachedHead(std::move(head), std::move(info));
    co_await store(std::make_shared<std::string const>(std::move(bytes)));
    stored_ = false;  // as far as this response is concerned
  }

  asio::awaitable<void> store(std::shared_ptr<std::string const> bytes) {
    Url const url = entry_.url();
    Response whole(static_cast<ResponseHead&&>(entry_), std::move(bytes));
    CachedResponse entry(std::move(whole), static_cast<CacheInfo&&>(entry_));
    CacheGuard guard(core_->backend().options(), "store", url);
    stored_ = co_await guard.run(core_->backend().store(std::move(entry)));
  }

  std::shared_ptr<CachedCore> core_;
  std::unique_ptr<BodyReader> inner_;
  std::shared_ptr<BodyCopy> copy_;
  CachedHead entry_;
  HeldBytes held_;
  std::unique_ptr<SingleFlight::Lead> lead_;
  std::optional<policy::ByteRange> range_;
  bool keeps_incomplete_ = true;
  bool stored_ = false;
  std::string unstored_;
};

}  // namespace detail
}  // namespace v1
}  // namespace beast_cache
