#pragma once

#include <algorithm>
#include <exception>
#include <optional>
#include <string>
#include <vector>

#include "beast_cache/policy/cache_status.hpp"
#include "beast_cache/policy/freshness.hpp"
#include "beast_cache/policy/range.hpp"
#include "beast_cache/policy/storability.hpp"
#include "beast_cache/policy/strategy.hpp"
#include "beast_cache/policy/validation.hpp"
#include "beast_cache/session/cached_session.hpp"
#include "beast_cache/session/impl/cached_answer.ipp"
#include "beast_cache/session/impl/partial_content.ipp"
#include "beast_cache/session/impl/replay.ipp"
#include "beast_cache/session/impl/shared_body.ipp"
#include "beast_cache/session/impl/tee_reader.ipp"
#include "beast_cache/session/redirects.hpp"

namespace beast_cache {
inline namespace v1 {
namespace detail {

/// One hop of a request through the cache: look up, let the rules decide, and do what they say.
///
/// It holds no rules of its own: those are in policy/.
class CachedExchange : private CachedAnswer {
 public:
  using CachedAnswer::CachedAnswer;

  asio::awaitable<CachedStream> run() {
    policy::CacheStatus const status = co_await find();
    CachedStream response;
    if (!limits().asks() || (limits().is_after_failure() && !may_ask())) co_await stay_home();
    switch (decision_.action()) {
      case policy::Action::serve_and_revalidate:
        core_->revalidate_later(request_, directives_, create_variant(*stored_));
        [[fallthrough]];
      case policy::Action::serve:
        response = reader_ ? follow(status) : serve(status, decision_.age(), decision_.answer());
        break;
      case policy::Action::validate:
      case policy::Action::fetch:
        if (origin_fault_ && may_stand_in(*origin_fault_)) {
          response = stand_in(told().collapsed(true), *origin_fault_);
        } else {
          response = co_await ask_origin();
        }
        break;
      case policy::Action::unsatisfiable:
        response = unsatisfiable();
        break;
    }
    if (leader_) co_await leader_->share_if_wanted();
    // A response that is being stored lands when it is.
    if (lead_) {
      lead_->land(response.from_cache() ? SingleFlight::Outcome::stored
                                        : SingleFlight::Outcome::not_storable);
    }
    if (is_observed() && !is_told_later_) report(response.cache_status());
    co_return response;
  }

  /// Validates what is stored, or fetches it anew, unless someone else has done so meanwhile.
  /// @return The answer; its body has to be read for it to be stored. None when there is nothing to do.
  asio::awaitable<std::optional<CachedStream>> revalidate() {
    is_background_ = true;
    co_await look_up();
    std::optional<CachedStream> response;
    if (decision_.action() != policy::Action::serve && decision_.action() != policy::Action::unsatisfiable) {
      response = co_await ask_origin();
    }
    co_return response;
  }

  using CachedAnswer::is_refused;

  /// Notes that `from` led here.
  asio::awaitable<void> alias(Url from) {
    if (!limits().stores() || !own_key().empty()) co_return;
    co_await core_guard("store").run(core_->backend().store_alias(std::move(from), request_.url()));
  }

 private:
  /// The network is not for this request, whatever its method.
  asio::awaitable<void> stay_home() {
    if (decision_.forwards()) decision_ = policy::Decision(policy::Action::unsatisfiable, decision_.reason());
    bool const fails = limits().names_unmatched() && decision_.action() == policy::Action::unsatisfiable;
    if (fails) co_await fail_unmatched(core_, request_.method_string() + ' ' + asked().url().str());
  }

  /// Sends the request, with the validators of what is stored where there are any (RFC 9111 section 4.3), or
  /// for the rest of it (section 3.4).
  asio::awaitable<CachedStream> ask_origin() {
    asks_ = true;
    Request request = request_;
    std::vector<policy::StoredView> validated;  // those whose validators are sent
    if (is_query()) {
      // RFC 9110 section 13.1.2: for other methods than GET and HEAD these would be conditions to act.
    } else if (decision_.action() != policy::Action::fetch) {
      validated.push_back(*selected_);
    } else if (request_.method() == http::verb::get && request_.headers().count(http::field::range) == 0) {
      // (Whoever wants a part is not to get the whole because another variant is stored.)
      std::erase_if(candidates_, [this](CachedHead const& head) {
        return !policy::may_answer_other_fields(view_of(head)) ||
               !policy::accepts_coding(request_.headers(), head.headers());
      });
      for (CachedHead const& head : candidates_) validated.push_back(view_of(head));
    }
    bool const validates = !validated.empty() && policy::add_validators(request.headers(), validated) != 0;
    std::optional<std::uint64_t> const rest = validates ? std::nullopt : missing_rest();
    bool const resumes = rest && policy::ask_for_part(request.headers(), *selected_, *rest);
    std::exception_ptr failure;
    StreamedResponse response;
    try {
      response = co_await send(std::move(request));
    } catch (boost::system::system_error const& e) {
      if (!is_disconnection(e.code()) || !decision_.may_serve_stale_on_error()) throw;
      failure = std::current_exception();
    }
    unsigned const fault = failure ? 0 : response.status();
    if (may_stand_in(fault)) {
      if (lead_) lead_->land(SingleFlight::Outcome::served_stale, fault);
      co_return stand_in(told(), fault);
    }
    if (resumes) co_return co_await resume(std::move(response), *rest);
    if (!validates || response.status() != 304) co_return co_await receive(std::move(response));
    co_await drain(response.take_body());
    std::vector<policy::StoredView const*> const current = policy::validated(validated, response.headers());
    if (!current.empty()) {
      bool other_variant = false;
      if (!stored_) {
        CachedHead const& head = candidates_[static_cast<std::size_t>(current.front() - validated.data())];
        other_variant = co_await load(head, response.headers());
      }
      if (stored_) co_return co_await freshen(response.headers(), other_variant);
    }
    // It speaks of another response: ask again for the whole (RFC 9111 section 4.3.3).
    co_return co_await ask_again();
  }

  /// The request as the caller made it.
  asio::awaitable<CachedStream> ask_again() {
    StreamedResponse response = co_await send(request_);
    co_return co_await receive(std::move(response));
  }

  /// The whole of what was found by its head. @return True when it is still what the 304 speaks of.
  asio::awaitable<bool> load(CachedHead const& head, http::fields const& not_modified) {
    LookupQuery query(head);
    if (!limits().removes()) query.keep_damaged();
    std::optional<Lookup> found =
        co_await core_guard("lookup").get(core_->backend().lookup(std::move(query)));
    bool there = found && found->selected() && found->selected()->status() != 206 &&
                 policy::validates(view_of(*found->selected()), not_modified);
    // It may be another one by now.
    there = there && fits(*found->selected()) && policy::may_answer_other_fields(view_of(*found->selected()));
    if (there && options().has_filter()) there = co_await passes_filter(*found->selected());
    if (there) stored_ = std::move(found->selected());
    co_return there;
  }

  /// From which byte on the stored response has to be completed, when that is all that keeps it from being
  /// the answer.
  std::optional<std::uint64_t> missing_rest() const {
    bool const incomplete = decision_.reason() == policy::Reason::part_missing && stored_ &&
                            request_.method() == http::verb::get &&
                            request_.headers().count(http::field::range) == 0;
    if (!incomplete) return std::nullopt;
    auto const& held = stored_->parts().ranges();
    if (held.size() != 1 || held.front().first() != 0) return std::nullopt;
    return held.front().last() + 1;
  }

  /// An answer to the question for the rest (RFC 9111 section 3.4).
  asio::awaitable<CachedStream> resume(StreamedResponse response, std::uint64_t first) {
    auto const meaning =
        policy::resumption(*selected_, first, response.status(), response.headers(), response_time_);
    auto const range = policy::content_range(response.headers());
    bool appends = meaning == policy::Resumption::append;
    HeldBytes const held(*stored_);
    policy::ByteParts parts;
    if (appends) {
      parts = held.parts_with(*range);
      appends = parts.is_whole();
    }
    if (!appends) {
      // The condition and the range were the cache's own: the caller must not see that they weren't met.
      unsigned const code = response.status();
      // With Content-Range a 200 may be no more than the rest, under the wrong status.
      bool const final = code != 206 && code != 412 && code != 416 &&
                         response.headers().count(http::field::content_range) == 0;
      if (final) co_return co_await receive(std::move(response));
      co_await drain(response.take_body());
      co_return co_await ask_again();
    }
    http::fields fields =
        policy::combined_fields(stored_->headers(), response.headers(), parts, rules(), response_time_);
    ResponseHead head(request_.url(), 200, "OK", std::move(fields), response.version());
    auto rest = std::make_unique<SizedReader>(response.take_body(), range->range()->size(), request_.url());
    auto body = std::make_unique<ChainedReader>(held.open(), std::move(rest));
    StreamedResponse all(std::move(head), std::move(body));
    Request again = request_again();  // which may be given away
    bool const may_fail = is_in_pieces() && may_ask();
    CachedStream passed_on = pass_on(std::move(all), told().fwd_status(206));
    if (!may_fail) co_return passed_on;
    auto repeatable =
        std::make_unique<RepeatableReader>(core_, passed_on.take_body(), std::move(again), directives_);
    co_return with_body(std::move(passed_on), std::move(repeatable));
  }

  /// Serves the stored response once the origin has said that it is current (RFC 9111 section 4.3.4).
  /// @param other_variant Whether it was stored for other request fields: from now on it is for these, too.
  asio::awaitable<CachedStream> freshen(http::fields const& not_modified, bool other_variant) {
    policy::CacheStatus status = told();
    status.fwd_status(304);
    policy::Freshness const fresh = co_await update(not_modified, other_variant, status);
    // The fields by which the first decision was made have changed.
    policy::Answer const answer = policy::answer(view(), view_of(*stored_));
    co_return serve(status, std::chrono::floor<std::chrono::seconds>(fresh.age()), answer);
  }

  /// Takes over what the origin says now of the stored response.
  asio::awaitable<policy::Freshness> update(http::fields const& current, bool other_variant,
                                            policy::CacheStatus& status) {
    http::fields const before(stored_->headers());
    stored_->headers() = policy::freshened(stored_->headers(), current, rules(), response_time_);
    stored_->set_times(request_time_, response_time_);
    policy::Freshness const fresh = set_expiry(*stored_, *stored_);
    bool const stays = !limits().stores() || before_.outdate(stored_->headers());
    std::string_view const unstorable = obstacle(*stored_);
    if (unstorable.empty()) {
      bool done = true;
      if (other_variant) {
        stored_->set_vary_headers(policy::nominated_fields(stored_->headers(), asked().headers()));
        done = co_await store_again(*stored_);
      } else if (same_vary(before, stored_->headers())) {
        std::optional<bool> const there =
            co_await core_guard("freshen").get(core_->backend().freshen(*stored_));
        done = there.value_or(false);
      } else {
        // Under the old fields it would go on answering requests that the new ones exclude.
        co_await forget("invalidate", *stored_);
        stored_->set_vary_headers(policy::nominated_fields(stored_->headers(), asked().headers()));
        done = co_await store_again(*stored_);
      }
      status.stored(done).ttl(std::chrono::floor<std::chrono::seconds>(fresh.left()));
    } else {
      status.not_stored(unstorable);
      if (!stays) co_await forget("invalidate", *stored_);
    }
    co_return fresh;
  }

  /// An answer of the origin's own: passed on, and stored while it is read if the rules allow it.
  asio::awaitable<CachedStream> receive(StreamedResponse response) {
    policy::CacheStatus status = told();
    bool const invalidated = co_await invalidate(response);
    if (!invalidated) status.detail("invalidating failed");
    bool const follows_head = request_.method() == http::verb::head && stored_ &&
                              stored_->method() == http::verb::get && stored_->status() == 200;
    if (follows_head) co_await apply_head(response);
    if (options().has_filter() && may_store(response)) {
      CacheInfo info;
      info.set_method(request_.method()).set_principal(principal()).set_times(request_time_, response_time_);
      CachedHead const head(static_cast<ResponseHead const&>(response), std::move(info));
      std::optional<bool> const keeps = co_await ask_filter(head);
      filtered_out_ = !keeps.value_or(false);
    }
    bool const leaves_old =
        supersedes(response) && (filtered_out_ || is_too_large(response) || !may_store(response));
    if (leaves_old) co_await forget("invalidate", *stored_);
    co_return pass_on(std::move(response), std::move(status));
  }

  /// Whether the response takes the place of what is stored even where it is not stored itself (RFC 9111
  /// section 4.3.3): that would be given as the answer again.
  bool supersedes(ResponseHead const& response) const {
    if (!stored_ || judged_method() != http::verb::get || stored_->method() == http::verb::head) return false;
    unsigned const status = response.status();
    bool const is_whole = status >= 200 && status < 400 && status != 206 && status != 304;
    return is_whole || status == 404 || status == 410;
  }

  bool is_too_large(StreamedResponse& response) const {
    return response.body().remaining().value_or(0) > options().max_body_bytes();
  }

  /// What the answer to a HEAD says of a stored answer to GET (RFC 9111 section 4.3.5).
  asio::awaitable<void> apply_head(ResponseHead const& response) {
    auto const effect = policy::head_effect(view_of(*stored_), response.status(), response.headers());
    if (effect == policy::HeadEffect::update) {
      policy::CacheStatus ignored = told();
      co_await update(response.headers(), false, ignored);
    } else if (effect == policy::HeadEffect::stale) {
      co_await forget("invalidate", *stored_);
    }
  }

  /// A response on its way to the caller, stored while it is read if the rules allow it.
  CachedStream pass_on(StreamedResponse response, policy::CacheStatus status) {
    CacheInfo info;
    std::uint64_t most = options().max_body_bytes();
    ResponseHead stored_head(options().stored_url(response.url()), response.status(), response.reason(),
                             policy::storable_fields(response.headers(), rules(), response_time_),
                             response.version());
    HeldBytes held;
    bool combines = false;
    auto const range = response.status() == 206 ? policy::content_range(response.headers()) : std::nullopt;
    if (range && range->range()) {
      combines = stored_ && policy::combines(view_of(*stored_), 206, response.headers(), response_time_);
      if (combines) {
        held = HeldBytes(*stored_);
        most = std::min(BodySink::most_in_memory, most - std::min(most, held.size()));
      }
      info.set_parts(combine(stored_head, held, *range, combines));
    }
    std::string_view unstorable = filtered_out_ ? "filter" : obstacle(response);
    bool const is_bare = range && !combines && policy::may_lack_fields(request_.headers());
    if (unstorable.empty() && is_bare) unstorable = "a part for If-Range";
    if (unstorable.empty() && response.body().remaining().value_or(0) > most) unstorable = "too large";
    if (unstorable.empty() && range && !knows_stored_) unstorable = "a part, without a look-up";
    if (!unstorable.empty()) {
      info = CacheInfo().set_cache_status(status.not_stored(unstorable).str());
      return CachedStream(decoded(std::move(response)), std::move(info));
    }
    info.set_method(is_query() ? request_.method() : policy::stored_method(request_.method()))
        .set_key(own_key())
        .set_principal(principal())
        .set_vary_headers(policy::nominated_fields(response.headers(), asked().headers()))
        .set_times(request_time_, response_time_)
        .set_created_at(response_time_);
    policy::Freshness const fresh = set_expiry(stored_head, info);
    policy::CacheStatus const unstored = status;
    status.stored(true).ttl(std::chrono::floor<std::chrono::seconds>(fresh.left()));
    CachedHead entry(std::move(stored_head), info);
    Url const url = entry.url();
    auto sink = std::make_shared<BodySink>(core_, url, most, combines);
    auto const size = response.body().remaining();
    auto coded = std::make_unique<CopyingReader>(response.take_body(), sink);
    response = decoded(StreamedResponse(static_cast<ResponseHead&&>(response), std::move(coded)));
    auto tee = std::make_unique<TeeReader>(core_, response.take_body(), sink, std::move(entry), unstored);
    if (range && range->range()) tee->expects(*range->range());
    if (combines) tee->joins(std::move(held));
    tee->leads(std::move(lead_), before_);
    // A whole response, though stale, is worth more than the beginning of its successor. There may be one.
    if (!limits().looks() || (stored_ && stored_->status() == 200)) tee->drops_incomplete();
    info.set_cache_status(status.str());
    is_told_later_ = true;
    if (is_observed()) tee->tells(options().observer(), request_.url().str(), status.str());
    std::unique_ptr<BodyReader> body;
    if (tee->lead() && !range) {
      auto flight =
          std::make_unique<FlightReader>(core_, take_request(), std::move(tee), std::move(sink), size);
      leader_ = flight.get();
      body = std::move(flight);
    } else {
      body = std::move(tee);
    }
    StreamedResponse passed_on(static_cast<ResponseHead&&>(response), std::move(body));
    return CachedStream(std::move(passed_on), std::move(info));
  }

  /// Makes the head of a part that of all that will be held with it. @return The ranges; none for the whole.
  policy::ByteParts combine(ResponseHead& head, HeldBytes const& held, policy::ContentRange const& range,
                            bool combines) const {
    policy::ByteParts parts = held.parts_with(range);
    http::fields fields = head.headers();
    if (combines || parts.is_whole()) {
      fields = policy::combined_fields(combines ? stored_->headers() : fields, fields, parts, rules(),
                                       response_time_);
    }
    bool const whole = parts.is_whole();
    head = ResponseHead(head.url(), whole ? 200 : 206, whole ? "OK" : "Partial Content", std::move(fields),
                        head.version());
    return whole ? policy::ByteParts() : parts;
  }

  bool filtered_out_ = false;
  FlightReader* leader_ = nullptr;
};

}  // namespace detail
}  // namespace v1
}  // namespace beast_cache
