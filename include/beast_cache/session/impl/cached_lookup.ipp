#pragma once

#include <algorithm>
#include <boost/asio/this_coro.hpp>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "beast_cache/backend/impl/header_block.hpp"
#include "beast_cache/detail/single_flight.hpp"
#include "beast_cache/policy/cache_status.hpp"
#include "beast_cache/policy/strategy.hpp"
#include "beast_cache/policy/vary.hpp"
#include "beast_cache/session/impl/exchange_rules.ipp"
#include "beast_cache/session/impl/shared_body.ipp"

namespace beast_cache {
inline namespace v1 {
namespace detail {

/// A look-up that was made before its exchange began.
class EarlyLookup {
 public:
  explicit EarlyLookup(std::uint64_t l) : landed(l) {}
  Lookup found;
  bool failed = false;
  std::uint64_t const landed;  // `SingleFlight::landed` before
};

/// What is stored for a request, what the rules make of it, and who else is asking for it.
class CachedLookup : protected ExchangeRules {
 public:
  /// @param redirects How many the caller still follows, this one among them if it turns out to be one.
  /// @param early What was found already.
  CachedLookup(std::shared_ptr<CachedCore> core, Request request, CacheDirectives const& directives,
               unsigned redirects, std::optional<EarlyLookup> early = std::nullopt)
      : ExchangeRules(std::move(core), std::move(request), directives, redirects),
        early_(std::move(early)),
        decision_(policy::evaluate(view(), nullptr, rules(), now_)) {
    bool const looks = limits().looks();
    if (!has_key()) {
      bypass_ = no_key;
    } else if (!looks && !limits().stores() && !limits().is_after_failure()) {
      bypass_ = "disabled";
    } else if (is_refused()) {
      bypass_ = "expire_after";
    }
    if (!bypass_.empty()) {
      decision_ = policy::Decision(policy::Action::fetch, policy::Reason::request_no_store);
    } else if (!looks) {
      decision_ = policy::Decision(policy::Action::fetch, policy::Reason::request_no_cache);
    }
  }

 protected:
  /// What Cache-Status says of a decision: where the program is the reason, that, and not what the rules
  /// would call it.
  policy::CacheStatus told(policy::Decision const& decision) const {
    policy::CacheStatus status(decision);
    bool const stays = decision.action() == policy::Action::unsatisfiable;
    if (stays && !bypass_.empty()) return status.detail(std::string("only-if-cached, ").append(bypass_));
    std::string_view const failure = failure_behind(decision);
    if (stays && !failure.empty()) return status.detail(std::string("only-if-cached, ").append(failure));
    if (!decision.forwards()) return status;
    if (!bypass_.empty()) return status.fwd(policy::Forward::bypass).detail(bypass_);
    if (!failure.empty()) return status.fwd(policy::Forward::miss).detail(failure);
    if (decision.reason() != policy::Reason::request_no_cache) return status;
    if (limits().validates()) return status.detail("refresh");
    return limits().looks() ? status : status.detail("force_refresh");
  }
  policy::CacheStatus told() const { return told(decision_); }

  /// Looks up, unless the request rules that out; where others are asking for the same, once they have it.
  /// @return How the decision is to be told.
  asio::awaitable<policy::CacheStatus> find() {
    policy::Decision const at_first = decision_;
    bool const allowed = is_query() || options().allows(request_.method());
    bool const searches = limits().looks() && is_search(at_first.reason());
    if (searches && !allowed) bypass_ = "allowed_methods";
    if (!searches || !allowed) co_return told(at_first);
    std::uint64_t const landed = early_ ? early_->landed : flights().landed(place());
    co_await look_up();
    policy::CacheStatus const alone = told();
    bool const waited = collapses();
    bool waits = waited;
    while (waits) waits = co_await wait_for_others(at_first, landed);
    bool const serves = decision_.action() == policy::Action::serve ||
                        decision_.action() == policy::Action::serve_and_revalidate;
    if (!waited || !serves) co_return told();
    asks_ = true;
    co_return policy::CacheStatus(alone).collapsed(true).ttl(decision_.ttl());
  }

  asio::awaitable<void> look_up() {
    Lookup found;
    if (early_) {
      found = std::move(early_->found);
      has_failed_ = early_->failed;
      early_.reset();
    } else {
      LookupQuery query(asked(), principal(), own_key());
      if (!limits().removes()) query.keep_damaged();
      // (Each coroutine between a request and what is stored costs as much as the rules do.)
      try {
        found = co_await core_->backend().lookup(std::move(query));
        has_failed_ = false;
      } catch (...) {
        core_guard("lookup").handle();
        has_failed_ = true;
        co_return;
      }
    }
    bool usable = found.selected() && fits(*found.selected());
    knows_stored_ = !has_failed_ && found.selected().has_value() == usable;
    if (usable && options().has_filter()) usable = co_await passes_filter(*found.selected());
    if (usable) {
      stored_ = std::move(found.selected());
      selected_.emplace(judged_view(std::as_const(*stored_)));
      decision_ = policy::evaluate(view(), &*selected_, rules(), now_);
    } else if (varies(found) && decision_.reason() == policy::Reason::uri_miss) {
      candidates_ = found.candidates();
      // Of a part nobody knows whether it holds the bytes that are asked for.
      std::erase_if(candidates_, [](CachedHead const& head) { return head.status() == 206; });
      decision_ = policy::Decision(decision_.action(), policy::Reason::vary_miss);
    }
  }

  /// Whether it is for request fields that what was found is no answer. (Candidates are of the same user and
  /// method; a HEAD has none among the answers to GET.)
  bool varies(Lookup const& found) const noexcept {
    bool const is_head = request_.method() == http::verb::head;
    return !found.candidates().empty() || (is_head && found.has_other_variants());
  }
  /// Whether an answer may be given for this request. (An origin that codes its answers and does not say Vary
  /// would have given another one to who takes no coding.)
  bool fits(ResponseHead const& stored) const {
    return allows_status(stored.status()) && policy::accepts_coding(request_.headers(), stored.headers());
  }

  /// What the filter refuses is removed.
  asio::awaitable<bool> passes_filter(CachedHead const& head) {
    std::optional<bool> const keeps = co_await ask_filter(head);
    if (keeps == false) co_await forget("filter", head);
    co_return keeps.value_or(false);
  }

  std::optional<EarlyLookup> early_;
  std::optional<StoredResponse> stored_;
  std::vector<CachedHead> candidates_;
  std::optional<policy::StoredView> selected_;
  policy::Decision decision_;
  std::unique_ptr<SingleFlight::Lead> lead_;
  std::unique_ptr<SharedStream::Reader> reader_;  // where another request's answer is read along
  bool knows_stored_ = false;                     // what a part of it would take the place of
  bool asks_ = false;                             // the origin, or waits for one that does
  std::optional<unsigned> origin_fault_;          // what another request met with just now: a status, or 0

 private:
  /// Whether what is stored could matter, as far as the request alone tells.
  static bool is_search(policy::Reason reason) noexcept {
    switch (reason) {
      case policy::Reason::method:
      case policy::Reason::conditional:
      case policy::Reason::upgrade:
      case policy::Reason::method_override:
      case policy::Reason::request_no_store:
        return false;
      default:
        return true;
    }
  }

  /// Whether another request's answer would do as well, if it can be stored: one that began before this
  /// request is no answer to one that wants the origin's word.
  bool collapses() const noexcept {
    auto const reason = decision_.reason();
    bool const asks =
        decision_.action() == policy::Action::fetch || decision_.action() == policy::Action::validate;
    return asks && options().collapse_wait().count() != 0 && judged_method() == http::verb::get &&
           limits().stores() && request_.headers().count(http::field::range) == 0 &&
           (reason == policy::Reason::uri_miss || reason == policy::Reason::vary_miss ||
            reason == policy::Reason::stale);
  }

  /// What of the cache failed, so that it has nothing to give.
  std::string_view failure_behind(policy::Decision const& decision) const noexcept {
    if (limits().is_after_failure()) return "reading failed";
    bool const missed = has_failed_ && decision.reason() == policy::Reason::uri_miss;
    return missed ? "the look-up failed" : "";
  }

  /// What is looked up.
  std::string const& place() const noexcept { return own_key().empty() ? asked().url().str() : own_key(); }
  /// What the requests that may have one answer have in common beside the place.
  std::string flight() const {
    std::string rest = request_.method_string() + '\n' + principal() + '\n';
    // Not with those that began before an unsafe request did its work.
    rest += std::to_string(watch_->count()) + ' ' + std::to_string(watch_->group_count()) + '\n';
    if (variant_) {
      rest += *variant_;
    } else if (!candidates_.empty()) {
      // Other variants are known: by what they vary, so will this one.
      rest += variant_of(candidates_.front());
    }
    return rest;
  }
  std::string variant_of(CachedHead const& other) const {
    return format_headers(policy::nominated_fields(other.headers(), asked().headers()));
  }

  asio::awaitable<void> look_up_again(policy::Decision at_first) {
    now_ = options().clock()->now();
    decision_ = at_first;
    stored_.reset();
    selected_.reset();
    candidates_.clear();
    return look_up();
  }

  /// Leads, or waits for who does, and reads along or looks up again.
  /// @param landed `SingleFlight::landed` before the first look-up.
  /// @return Whether to try once more.
  asio::awaitable<bool> wait_for_others(policy::Decision at_first, std::uint64_t landed) {
    asio::any_io_executor const executor = co_await asio::this_coro::executor;
    if (!waits_until_) {
      waits_until_ =
          SingleFlight::Clock::now() +
          std::min(options().collapse_wait(), request_.timeout().value_or(options().collapse_wait()));
    }
    watch();
    auto ticket = flights().join(place(), flight(), executor, *waits_until_, reads_along_);
    lead_ = std::move(ticket.lead);
    if (lead_) {
      // One that landed between the look-up and now may have been for this.
      if (flights().landed(place()) != landed) co_await look_up_again(at_first);
      co_return false;
    }
    auto const outcome = co_await ticket.follower->wait();
    if (outcome == SingleFlight::Outcome::not_storable || outcome == SingleFlight::Outcome::too_late)
      co_return false;
    if (outcome == SingleFlight::Outcome::arriving) {
      bool const again = co_await read_along(ticket.follower->take_reader());
      co_return again;
    }
    co_await look_up_again(at_first);
    if (outcome == SingleFlight::Outcome::served_stale) origin_fault_ = ticket.follower->status();
    // If what was stored does not answer this request, it is of no use to wait for more.
    bool const may_lead = outcome == SingleFlight::Outcome::given_up;
    co_return may_lead&& collapses();
  }

  /// Takes what arrives if it would do as an answer, were it stored already (RFC 9111 section 4).
  /// @return Whether to wait for another answer, or for this one to be stored.
  asio::awaitable<bool> read_along(std::unique_ptr<SharedStream::Reader> reader) {
    CachedHead const& entry = static_cast<Arrival const&>(*reader->stream()).entry();
    LookupQuery const query(asked(), principal(), own_key());
    if (!query.matches(entry.headers(), entry)) {
      // Those that want this variant may share another request; but if the next answer varies by something
      // else again, there is no end to that.
      bool const first = !variant_;
      variant_ = variant_of(entry);
      co_return first;
    }
    bool usable = fits(entry);
    if (usable && options().has_filter()) {
      std::optional<bool> const keeps = co_await ask_filter(entry);
      usable = keeps.value_or(false);
    }
    if (!usable) co_return false;
    now_ = options().clock()->now();
    policy::StoredView const judged = judged_view(entry);
    policy::Decision const decision = policy::evaluate(view(), &judged, rules(), now_);
    if (decision.action() == policy::Action::serve) {
      decision_ = decision;
      reader_ = std::move(reader);
      co_return false;
    }
    // Once it is stored, it can be validated.
    reads_along_ = false;
    co_return entry.headers().count(http::field::etag) != 0 ||
        entry.headers().count(http::field::last_modified) != 0;
  }

  std::string_view bypass_;             // why the program keeps it out of the cache
  bool has_failed_ = false;             // the look-up
  std::optional<std::string> variant_;  // of the answer that is waited for, where that is known
  bool reads_along_ = true;
  std::optional<SingleFlight::Clock::time_point> waits_until_;  // for however many others
};

}  // namespace detail
}  // namespace v1
}  // namespace beast_cache
