#pragma once

#include <algorithm>
#include <boost/asio/buffer.hpp>
#include <boost/asio/error.hpp>
#include <boost/system/system_error.hpp>
#include <charconv>
#include <exception>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "beast_cache/detail/single_flight.hpp"
#include "beast_cache/policy/cache_status.hpp"
#include "beast_cache/policy/range.hpp"
#include "beast_cache/session/cached_session.hpp"
#include "beast_cache/session/impl/body_sink.ipp"
#include "beast_cache/session/impl/cache_guard.ipp"
#include "beast_cache/session/impl/invalidations.ipp"
#include "beast_cache/session/impl/partial_content.ipp"

namespace beast_cache {
inline namespace v1 {
namespace detail {

/// Passes a body on, decoded where the caller wants that, and stores the copy of what was received when it is
/// complete and could be decoded. Of one that breaks off the bytes that came are kept where a later request
/// can ask for the rest (RFC 9111 section 3.3); one that was given up, or is too long, is dropped.
class TeeReader final : public BodyReader {
 public:
  /// @param copy What is read of `inner` as it was received. @param entry What is stored, but for the body.
  /// @param unstored What to say in Cache-Status if it is not stored after all.
  TeeReader(std::shared_ptr<CachedCore> core, std::unique_ptr<BodyReader> inner,
            std::shared_ptr<BodySink> copy, CachedHead entry, policy::CacheStatus unstored)
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
  /// What to say in Cache-Status if it is not stored: why, as far as that is known.
  std::string unstored() const {
    policy::CacheStatus status = unstored_;
    std::string_view const why = obstacle_.empty() ? copy_->obstacle() : obstacle_;
    return (why.empty() ? status : status.not_stored(why)).str();
  }
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
      bool const is_there = stored_ || (copy_->outlived() && obstacle_.empty());
      land(is_there ? SingleFlight::Outcome::stored : SingleFlight::Outcome::not_storable);
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
    info.set_cache_status(unstored()).set_created_at(std::nullopt).set_expires(std::nullopt);
  }

 private:
  static bool is_coding_fault(error_code const& code) noexcept {
    return code == http_errc::bad_encoding || code == http_errc::encoding_truncated ||
           code == http_errc::encoding_limit;
  }

  void tell() noexcept {
    notify(std::exchange(observer_, nullptr),
           [&](Observer& observer) { observer.on_response(url_, stored_ ? stored_status_ : unstored()); });
  }

  void land(SingleFlight::Outcome outcome) noexcept {
    if (lead_) lead_->land(outcome);
    lead_.reset();
  }

  asio::awaitable<void> store_whole() {
    if (range_ && copy_->size() != range_->size()) co_return;
    if (is_short()) {
      obstacle_ = "incomplete";
      co_return;
    }
    if (held_) {
      // What is held may be damaged, or gone by now: that is nothing to who asked for the new part.
      CacheGuard guard(core_->backend().options(), "store", entry_.url());
      bool const joined = co_await guard.run(join());
      if (!joined) {
        obstacle_ = BodySink::failed;
        co_return;
      }
    }
    stored_ = co_await store(std::move(entry_));
  }

  /// Whether there is less than its head says (RFC 9111 section 3.3): the client has to notice, but may not.
  bool is_short() const noexcept {
    bool const says = !range_ && entry_.method() != http::verb::head && entry_.status() != 304 &&
                      entry_.headers().count(http::field::content_length) == 1;
    if (!says) return false;
    auto const text = entry_.headers()[http::field::content_length];
    std::uint64_t size = 0;
    auto const result = std::from_chars(text.data(), text.data() + text.size(), size);
    return result.ec == std::errc() && copy_->size() < size;
  }

  /// Unless an unsafe request has been answered for the URL meanwhile: the response may be of before that.
  asio::awaitable<bool> store(CachedHead entry) {
    bool const grouped = Invalidations::is_grouped(entry.headers());
    IsCurrent const current = before_.check(grouped);
    bool const stored = co_await copy_->store(std::move(entry), current);
    if (!stored && before_.outdate(grouped)) obstacle_ = Invalidations::obstacle;
    co_return stored;
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
  policy::CacheStatus unstored_;
  std::string_view obstacle_;
  std::shared_ptr<Observer> observer_;
  std::string url_;
  std::string stored_status_;
};

}  // namespace detail
}  // namespace v1
}  // namespace beast_cache
