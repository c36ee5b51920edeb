#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "beast_cache/policy/cache_control.hpp"
#include "beast_cache/policy/cache_status.hpp"
#include "beast_cache/session/cached_session.hpp"
#include "beast_cache/session/impl/cached_lookup.ipp"
#include "beast_cache/session/impl/shared_body.ipp"
#include "beast_cache/session/impl/stored_answer.ipp"
#include "beast_cache/session/impl/stored_body.ipp"

namespace beast_cache {
inline namespace v1 {
namespace detail {

/// The answers that are made without the origin, or in its stead.
class CachedAnswer : protected CachedLookup {
 protected:
  using CachedLookup::CachedLookup;

  /// Uses up what is stored.
  CachedStream serve(policy::CacheStatus const& status, std::chrono::seconds age,
                     policy::Answer const& answer) {
    bool const may_fail = is_in_pieces();
    if (may_fail) deadline_.limit(request_);
    std::optional<CachedHead> entry;
    if (may_fail) entry.emplace(*stored_);
    CachedStream stored = create_answer(request_, *stored_, answer, status, age);
    restore_cookies(stored, stored);
    if (is_observed() && !may_fail) report_saved(stored.body().remaining().value_or(0), stored, asks_);
    StreamedResponse response = static_cast<StreamedResponse&&>(stored);
    if (may_fail && may_ask() && response.status() == entry->status()) {
      auto body = std::make_unique<RestoringReader>(core_, std::make_shared<Request const>(request_),
                                                    std::move(*entry), response.take_body());
      response = StreamedResponse(static_cast<ResponseHead&&>(response), std::move(body));
    }
    std::uint64_t const size = response.body().remaining().value_or(0);
    CachedStream served(decoded(std::move(response)), static_cast<CacheInfo&&>(stored));
    if (!may_fail) return served;
    auto repeatable =
        std::make_unique<RepeatableReader>(core_, served.take_body(), request_again(), directives_);
    if (is_observed()) repeatable->tells(options().observer(), served, size, asks_);
    is_told_later_ = true;
    return with_body(std::move(served), std::move(repeatable));
  }

  /// Reads along what another request receives.
  CachedStream follow(policy::CacheStatus const& status) {
    auto const arrival = std::static_pointer_cast<Arrival>(reader_->stream());
    CachedHead const& entry = arrival->entry();
    bool const is_unmodified = decision_.answer().kind() == policy::Answer::Kind::not_modified;
    ResponseHead head(entry);
    if (is_unmodified)
      head = ResponseHead(request_.url(), 304, "Not Modified", policy::not_modified_fields(entry.headers()));
    head.set_url(request_.url());
    head.headers().set(http::field::age, std::to_string(decision_.age().count()));
    CacheInfo info(entry);
    info.set_from_cache(true).set_cache_status(status.str());
    restore_cookies(entry, info);
    if (is_unmodified) {
      if (is_observed()) report_saved(0, info, asks_);
      reader_.reset();
      auto none = std::make_unique<StringReader>(std::string());
      return CachedStream(StreamedResponse(std::move(head), std::move(none)), std::move(info));
    }
    deadline_.limit(request_);
    auto coded = std::make_unique<ArrivingReader>(core_, std::make_shared<Request const>(request_), arrival,
                                                  std::move(reader_), true);
    StreamedResponse response = decoded(StreamedResponse(std::move(head), std::move(coded)));
    auto body = std::make_unique<FlightReader>(arrival, response.take_body());
    auto repeatable =
        std::make_unique<RepeatableReader>(core_, std::move(body), request_again(), directives_);
    if (is_observed()) repeatable->tells(options().observer(), info, arrival->size().value_or(0), asks_);
    is_told_later_ = true;
    return CachedStream(StreamedResponse(static_cast<ResponseHead&&>(response), std::move(repeatable)),
                        std::move(info));
  }

  void restore_cookies(ResponseHead const& head, CacheInfo const& info) const {
    if (!options().restore_cookies() || rules().shared() || is_background_) return;
    core_->client().restore_cookies(request_.url(), head.headers(), info.response_time());
  }

  /// RFC 9111 section 4.2.4: a stale answer may stand in for one that can't be had.
  /// @param fault The origin's status; 0 where it can't be reached.
  bool may_stand_in(unsigned fault) const noexcept {
    return fault == 0 ? decision_.may_serve_stale_on_error() : decision_.may_serve_stale_on_status(fault);
  }
  CachedStream stand_in(policy::CacheStatus status, unsigned fault) {
    if (fault == 0) {
      status.detail("origin unreachable");
    } else {
      status.fwd_status(fault);
    }
    return serve(status.ttl(decision_.ttl()), decision_.age(), decision_.answer());
  }

  /// The request for another try, should what is stored turn out to be damaged.
  Request request_again() const {
    Request again = request_;
    deadline_.limit(again);
    again.set_redirects(redirects_);
    return again;
  }
  static CachedStream with_body(CachedStream response, std::unique_ptr<BodyReader> body) {
    StreamedResponse streamed(static_cast<ResponseHead&&>(response), std::move(body));
    return CachedStream(std::move(streamed), static_cast<CacheInfo&&>(response));
  }
  /// Whether there may be another try.
  bool may_ask() const noexcept {
    bool const counts = rules().cache_control();
    return limits().asks() && !(counts && policy::CacheControl(request_.headers()).only_if_cached());
  }
  bool is_in_pieces() const noexcept { return stored_ && !stored_->body().text(); }

  CachedStream unsatisfiable() const {
    ResponseHead head(request_.url(), 504, "Gateway Timeout (nothing stored answers)", http::fields());
    CacheInfo info;
    info.set_cache_status(told().str());
    return CachedStream(StreamedResponse(std::move(head), std::make_unique<StringReader>(std::string())),
                        std::move(info));
  }

  /// Whether somebody is told of the answer: not of one that nobody waits for.
  bool is_observed() const noexcept { return options().observer() && !is_background_; }

  bool is_background_ = false;  // the validation of what has been served
};

}  // namespace detail
}  // namespace v1
}  // namespace beast_cache
