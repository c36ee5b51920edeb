#pragma once

#include <boost/asio/buffer.hpp>
#include <boost/asio/error.hpp>
#include <boost/system/system_error.hpp>
#include <chrono>
#include <cstdint>
#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "beast_cache/session/cached_session.hpp"
#include "beast_cache/session/impl/cache_guard.ipp"
#include "beast_cache/session/impl/rest_of_body.ipp"
#include "beast_cache/session/redirects.hpp"

namespace beast_cache {
inline namespace v1 {
namespace detail {

/// One that is not the program's own.
inline bool is_cache_fault(error_code const& code) noexcept {
  return code.category() == cache_category() && code != cache_errc::wrong_key;
}

/// The body of a stored response that is read piece by piece, as it was received. Should a piece be damaged,
/// or have been removed by another process, the rest comes from the origin, if that still has the same
/// representation.
class RestoringReader final : public BodyReader {
 public:
  /// @param request Its reader's. @param entry The head of the response, whose whole body this is.
  RestoringReader(std::shared_ptr<CachedCore> core, std::shared_ptr<Request const> request, CachedHead entry,
                  std::unique_ptr<BodyReader> inner)
      : core_(std::move(core)),
        request_(std::move(request)),
        entry_(std::move(entry)),
        size_(inner->remaining()),
        inner_(std::move(inner)) {
    if (request_->timeout()) deadline_ = Deadline::after(*request_->timeout());
  }

  asio::awaitable<std::size_t> read_some(asio::mutable_buffer buffer) override {
    std::exception_ptr failure;
    std::size_t count = 0;
    try {
      count = co_await inner_->read_some(buffer);
    } catch (boost::system::system_error const& e) {
      if (is_restored_ || !is_cache_fault(e.code()) || core_->backend().options().strict()) throw;
      failure = std::current_exception();
    }
    if (failure) {
      co_await restore(failure);
      count = co_await inner_->read_some(buffer);
    }
    position_ += count;
    co_return count;
  }
  std::optional<std::uint64_t> remaining() const noexcept override { return inner_->remaining(); }
  http::fields const& trailers() const noexcept override { return inner_->trailers(); }

 private:
  asio::awaitable<void> restore(std::exception_ptr failure) {
    std::unique_ptr<BodyReader> rest;
    try {
      rest = co_await fetch_rest(core_, request_, entry_, position_, size_, deadline_);
    } catch (boost::system::system_error const& e) {
      if (e.code() == asio::error::operation_aborted) throw;
    }
    if (!rest) std::rethrow_exception(failure);
    CacheGuard const guard(core_->backend().options(), "read", entry_.url());
    guard.tell(failure);
    inner_ = std::move(rest);
    is_restored_ = true;
  }

  std::shared_ptr<CachedCore> core_;
  std::shared_ptr<Request const> request_;
  CachedHead const entry_;
  std::optional<std::uint64_t> const size_;
  std::unique_ptr<BodyReader> inner_;
  std::optional<Deadline::Clock::time_point> deadline_;
  std::uint64_t position_ = 0;
  bool is_restored_ = false;
};

/// A body that is read piece by piece out of the store, and what to ask for should that fail before the
/// program has seen anything of the response.
class RepeatableReader final : public BodyReader {
 public:
  RepeatableReader(std::shared_ptr<CachedCore> core, std::unique_ptr<BodyReader> inner, Request request,
                   CacheDirectives directives)
      : core_(std::move(core)),
        inner_(std::move(inner)),
        deadline_(request.timeout()),
        request_(std::move(request)),
        directives_(std::move(directives)) {
    directives_.add(Limits::after_failure());
  }
  ~RepeatableReader() override { tell(); }

  /// The observer is told of the answer when it has been read.
  /// @param size Of the body as it is stored. @param asked Whether the origin was.
  void tells(std::shared_ptr<Observer> observer, CacheInfo const& info, std::uint64_t size, bool asked) {
    observer_ = std::move(observer);
    status_ = info.cache_status();
    size_ = size;
    if (!asked) time_ = info.response_time() - info.request_time();
  }
  void tells_nothing() noexcept { observer_.reset(); }

  asio::awaitable<std::size_t> read_some(asio::mutable_buffer buffer) override {
    std::size_t count = 0;
    try {
      count = co_await inner_->read_some(buffer);
    } catch (boost::system::system_error const& e) {
      if (is_cache_fault(e.code())) tell_failure(std::current_exception());
      throw;
    }
    if (count == 0 && buffer.size() != 0) tell();
    co_return count;
  }
  std::optional<std::uint64_t> remaining() const noexcept override { return inner_->remaining(); }
  http::fields const& trailers() const noexcept override { return inner_->trailers(); }

  BodyReader const* inner() const noexcept { return inner_.get(); }
  /// With what is left of its time.
  Request request() const {
    Request request = request_;
    deadline_.limit(request);
    return request;
  }
  CacheDirectives const& directives() const noexcept { return directives_; }

 private:
  void tell() noexcept {
    notify(std::exchange(observer_, nullptr), [&](Observer& observer) {
      observer.on_saved(request_.url().str(), size_, time_);
      observer.on_response(request_.url().str(), status_);
    });
  }
  /// Once, however often it is read again.
  void tell_failure(std::exception_ptr const& failure) noexcept {
    CacheOptions const& options = core_->backend().options();
    if (options.strict() || std::exchange(has_failed_, true)) return;
    CacheGuard(options, "read", request_.url()).tell(failure);
  }

  std::shared_ptr<CachedCore> core_;
  std::unique_ptr<BodyReader> inner_;
  Deadline const deadline_;
  Request const request_;
  CacheDirectives directives_;
  std::shared_ptr<Observer> observer_;
  std::string status_;
  std::uint64_t size_ = 0;
  std::chrono::milliseconds time_{0};
  bool has_failed_ = false;
};

}  // namespace detail
}  // namespace v1
}  // namespace beast_cache
