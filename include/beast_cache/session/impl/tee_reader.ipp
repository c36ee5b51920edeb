#pragma once

#include <algorithm>
#include <boost/asio/buffer.hpp>
#include <boost/asio/error.hpp>
#include <boost/system/system_error.hpp>
#include <exception>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "beast_cache/detail/shared_stream.hpp"
#include "beast_cache/detail/single_flight.hpp"
#include "beast_cache/policy/range.hpp"
#include "beast_cache/session/cached_session.hpp"
#include "beast_cache/session/impl/invalidations.ipp"
#include "beast_cache/session/impl/partial_content.ipp"

namespace beast_cache {
inline namespace v1 {
namespace detail {

/// Runs one operation of the cache so that its fault does not become the request's: reported to the observer,
/// and rethrown only when the user asked for that, when the request was cancelled, and when the key is wrong,
/// which is the program's fault.
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
  friend class CachedCore;
  friend class CachedLookup;
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
      if (e.code() == asio::error::operation_aborted || e.code() == cache_errc::wrong_key) throw;
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

/// What has been read of a body, on its way into the store: in memory while it is small, then piece by piece.
class BodySink {
 public:
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
      drop();
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
      bool const done = co_await guard().run(writer_->append(std::move(rest)));
      spilled_ = true;
      if (!done) drop();
    }
  }

  bool dropped() const noexcept { return dropped_; }
  /// All that came, while it is in memory and not more than `most`.
  std::optional<std::string> beginning(std::size_t most) const {
    bool const held = !dropped_ && !spilled_ && size_ <= most;
    return held ? std::optional(bytes_) : std::nullopt;
  }
  /// What comes from now on goes there as well.
  void share_with(std::shared_ptr<SharedStream> stream) noexcept { shared_ = std::move(stream); }
  std::uint64_t size() const noexcept { return size_; }
  /// All that came, if it was to be in memory.
  std::string take() noexcept {
    dropped_ = true;
    return std::move(bytes_);
  }
  /// Stores a response with what came as its body. @return Whether that was done.
  asio::awaitable<bool> store(CachedHead head) {
    if (dropped_) co_return false;
    dropped_ = true;
    if (!spilled_) {
      auto text = std::make_shared<std::string const>(std::move(bytes_));
      StoredResponse whole(std::move(head), StoredBody(std::move(text)));
      co_return co_await guard().run(core_->backend().store(std::move(whole)));
    }
    bool done = true;
    if (!bytes_.empty()) done = co_await guard().run(writer_->append(std::move(bytes_)));
    if (done) done = co_await guard().run(writer_->store(std::move(head)));
    co_return done;
  }

 private:
  CacheGuard guard() const noexcept { return CacheGuard(core_->backend().options(), "store", url_); }
  void drop() noexcept {
    dropped_ = true;
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
  bool spilled_ = false;
  bool dropped_ = false;
};

/// Passes a body on and copies it.
class CopyingReader final : public BodyReader {
 public:
  CopyingReader(std::unique_ptr<BodyReader> inner, std::shared_ptr<BodySink> copy)
      : inner_(std::move(inner)), copy_(std::move(copy)) {}

  asio::awaitable<std::size_t> read_some(asio::mutable_buffer buffer) override {
    std::size_t const count = co_await inner_->read_some(buffer);
    bool const spills = copy_->add(asio::buffer(buffer.data(), count));
    if (spills) co_await copy_->spill();
    co_return count;
  }
  std::optional<std::uint64_t> remaining() const noexcept override { return inner_->remaining(); }
  http::fields const& trailers() const noexcept override { return inner_->trailers(); }

 private:
  std::unique_ptr<BodyReader> inner_;
  std::shared_ptr<BodySink> copy_;
};

/// Passes a body on, decoded where the caller wants that, and stores the copy of what was received when it is
/// complete and could be decoded. Of one that breaks off the bytes that came are kept where a later request
/// can ask for the rest (RFC 9111 section 3.3); one that was given up, or is too long, is dropped.
class TeeReader final : public BodyReader {
 public:
  /// @param copy What is read of `inner` as it was received. @param entry What is stored, but for the body.
  /// @param unstored What to say in Cache-Status if it is not stored after all.
  TeeReader(std::shared_ptr<CachedCore> core, std::unique_ptr<BodyReader> inner,
            std::shared_ptr<BodySink> copy, CachedHead entry, std::string unstored)
      : core_(std::move(core)),
        inner_(std::move(inner)),
        copy_(std::move(copy)),
        entry_(std::move(entry)),
        unstored_(std::move(unstored)) {}

  ~TeeReader() override { tell(); }

  /// The observer is told when it is known whether the response is stored.
  /// @param stored What to say in Cache-Status if it is.
  void tells(std::shared_ptr<Observer> observer, std::string url, std::string stored) noexcept {
    observer_ = std::move(observer);
    url_ = std::move(url);
    stored_status_ = std::move(stored);
  }
  /// The body is this range of a representation.
  void expects(policy::ByteRange range) noexcept { range_ = range; }
  /// And goes together with what is held of it already.
  void joins(HeldBytes held) { held_ = std::move(held); }
  /// Others wait for what is stored here, if anybody leads.
  /// @param before The request was sent.
  void leads(std::unique_ptr<SingleFlight::Lead> lead, Invalidations before) noexcept {
    lead_ = std::move(lead);
    before_ = std::move(before);
  }
  /// Null when nobody is to wait any more.
  SingleFlight::Lead* lead() const noexcept { return lead_.get(); }
  /// Until that has been read.
  CachedHead const& entry() const noexcept { return entry_; }
  std::string const& unstored() const noexcept { return unstored_; }
  /// Once all has been read.
  bool stored() const noexcept { return stored_; }
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
      tell();
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

  void tell() noexcept {
    auto const observer = std::exchange(observer_, nullptr);
    if (!observer) return;
    try {
      observer->on_response(url_, stored_ ? stored_status_ : unstored_);
    } catch (...) {  // an observer can't fail a request
    }
  }

  void land(SingleFlight::Outcome outcome) noexcept {
    if (lead_) lead_->land(outcome);
    lead_.reset();
  }

  asio::awaitable<void> store_whole() {
    if (range_ && copy_->size() != range_->size()) co_return;
    if (held_) co_await join();
    stored_ = co_await store(std::move(entry_));
  }

  /// Unless an unsafe request has been answered for the URL meanwhile: the response may be of before that.
  asio::awaitable<bool> store(CachedHead entry) {
    Url const url = entry.url();
    std::string key = entry.key();
    bool const grouped = Invalidations::is_grouped(entry.headers());
    if (before_.outdate(grouped)) co_return false;
    bool const stored = co_await copy_->store(std::move(entry));
    if (!before_.outdate(grouped)) co_return stored;
    // What that removed may have been removed before this was stored. (Nor does a cancellation keep it.)
    co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
    CacheGuard guard(core_->backend().options(), "invalidate", url);
    if (key.empty()) {
      co_await guard.get(core_->backend().remove_with_aliases(url));
    } else {
      co_await guard.get(core_->backend().remove_key(std::move(key)));
    }
    co_return false;
  }

  /// Puts the new part in its place among what is held; where a byte is held already, the new one counts.
  asio::awaitable<void> join() {
    auto joined =
        std::make_shared<BodySink>(core_, entry_.url(), std::numeric_limits<std::uint64_t>::max(), false);
    StringReader part(copy_->take());
    policy::ByteParts const all = held_->parts_with(*range_);
    for (auto const& piece : all.ranges()) {
      if (range_->first() < piece.first() || range_->last() > piece.last()) {
        co_await copy_held(piece, *joined);
        continue;
      }
      if (piece.first() < range_->first())
        co_await copy_held(policy::ByteRange(piece.first(), range_->first() - 1), *joined);
      co_await copy(part, *joined);
      if (range_->last() < piece.last())
        co_await copy_held(policy::ByteRange(range_->last() + 1, piece.last()), *joined);
    }
    copy_ = std::move(joined);
  }
  asio::awaitable<void> copy_held(policy::ByteRange range, BodySink& to) {
    std::unique_ptr<BodyReader> const from = held_->open(range);
    co_await copy(*from, to);
  }
  static asio::awaitable<void> copy(BodyReader& from, BodySink& to) {
    std::string buffer(std::size_t{65536}, '\0');
    std::size_t count = 1;
    while (count != 0) {
      count = co_await from.read_some(asio::buffer(buffer));
      bool const spills = to.add(asio::buffer(buffer.data(), count));
      if (spills) co_await to.spill();
    }
  }

  asio::awaitable<void> store_incomplete() {
    std::uint64_t const received = copy_->size();
    if (range_ || entry_.status() != 200 || entry_.method() != http::verb::get) co_return;
    auto fields = policy::incomplete_fields(entry_.headers(), received, entry_.response_time());
    if (!fields) co_return;
    policy::ByteParts parts(policy::content_range(*fields)->complete());
    parts.add(policy::ByteRange(0, received - 1));
    ResponseHead head(entry_.url(), 206, "Partial Content", std::move(*fields), entry_.version());
    CacheInfo info(entry_);
    info.set_parts(std::move(parts));
    CachedHead incomplete(std::move(head), std::move(info));
    co_await store(std::move(incomplete));
  }

  std::shared_ptr<CachedCore> core_;
  std::unique_ptr<BodyReader> inner_;
  std::shared_ptr<BodySink> copy_;
  CachedHead entry_;
  std::optional<HeldBytes> held_;
  std::unique_ptr<SingleFlight::Lead> lead_;
  std::optional<policy::ByteRange> range_;
  Invalidations before_;
  bool keeps_incomplete_ = true;
  bool stored_ = false;
  std::string unstored_;
  std::shared_ptr<Observer> observer_;
  std::string url_;
  std::string stored_status_;
};

}  // namespace detail
}  // namespace v1
}  // namespace beast_cache
