#include "backend/memory_tier.hpp"

#include <iterator>

namespace beast_cache {
inline namespace v1 {
namespace detail {
namespace {

constexpr std::uint64_t per_response = 1536;  // of objects, about
constexpr std::uint64_t per_field = 96;

std::uint64_t size_of(http::fields const& fields) {
  std::uint64_t size = 0;
  for (auto const& field : fields) size += field.name_string().size() + field.value().size() + per_field;
  return size;
}

std::uint64_t size_of(std::string const& key, StoredResponse const& response) {
  return per_response + 2 * key.size() + response.url().str().size() + response.principal().size() +
         2 * size_of(response.headers()) + size_of(response.vary_headers()) + response.body().size();
}

}  // namespace

// The clock may have been set back.
bool MemoryTier::is_current(TimePoint now) const noexcept {
  return checked_at_ && now >= *checked_at_ && now - *checked_at_ < lag_;
}

std::shared_ptr<MemoryTier::Held const> MemoryTier::find(Url const& url, sqlite::WriteEpochs const& epochs,
                                                         TimePoint now) {
  if (!any()) return nullptr;
  std::lock_guard const lock(mutex_);
  if (!alone_ && !is_current(now)) return nullptr;
  auto const at = by_name_.find(url.str());
  if (at == by_name_.end()) return nullptr;
  Slot& slot = *at->second;
  // No writer had begun before what is held was read, and none has since.
  if (epochs.mark(slot.key) != slot.mark) return nullptr;
  slot.visited = true;
  return slot.held;
}

void MemoryTier::glance(Glance& glance, sqlite::WriteEpochs const& epochs, LookupQuery const& query) {
  if (!any()) return;
  glance.tier_ = this;
  glance.began_ = clock_->now();
  glance.mark_ = epochs.mark(query.key());
  bool const is_settled = !glance.mark_.is_being_written();
  std::shared_ptr<Held const> held;
  {
    std::lock_guard const lock(mutex_);
    if (!alone_ && !is_current(glance.began_)) {
      glance.checks_ = !std::exchange(checking_, true);
      return;
    }
    auto const at = is_settled ? by_name_.find(name_of(query)) : by_name_.end();
    if (at == by_name_.end() || at->second->mark != glance.mark_) return;
    held = at->second->held;
    at->second->visited = true;
  }
  if (query.matches(held->stored().headers(), held->stored())) glance.hit_ = std::move(held);
}

void MemoryTier::give_up_check() noexcept {
  std::lock_guard const lock(mutex_);
  checking_ = false;
}

void MemoryTier::looked(Glance& glance, sqlite::WriteEpochs& epochs) {
  if (!glance.checks_) return;
  std::lock_guard const lock(mutex_);
  glance.checks_ = false;
  checking_ = false;
  // Without the log's index nobody can tell.
  checked_at_ = glance.log_ ? std::optional(glance.began_) : std::nullopt;
  if (log_ && log_ == glance.log_) return;
  log_ = glance.log_;
  // Everything is read anew, by look-ups that begin from here on: this one may have seen what was before.
  epochs.all_written();
}

void MemoryTier::remember(Glance const& glance, LookupQuery const& query, std::int64_t row,
                          StoredResponse const& response) {
  if (!any() || glance.mark_.is_being_written() || !response.body().text()) return;
  std::uint64_t const size = size_of(query.key(), response);
  if (size > most_ / 8) return;
  auto held = std::make_shared<Held const>(row, response, rules_);
  Slots fresh, dropped;  // destroyed after the mutex is free
  fresh.emplace_back(query, std::move(held), glance.mark_, size);
  std::lock_guard const lock(mutex_);
  auto const known = by_name_.find(fresh.front().name());
  if (known != by_name_.end()) drop(known->second, dropped);
  make_room(size, dropped);
  by_name_.emplace(fresh.front().name(), fresh.begin());
  slots_.splice(slots_.begin(), fresh);
  size_ += size;
}

MemoryTier::Slots::iterator MemoryTier::newer(Slots::iterator slot) noexcept {
  return slot == slots_.begin() ? slots_.end() : std::prev(slot);
}

void MemoryTier::drop(Slots::iterator slot, Slots& dropped) {
  if (hand_ == slot) hand_ = newer(slot);
  by_name_.erase(slot->name());
  size_ -= slot->size;
  dropped.splice(dropped.begin(), slots_, slot);
}

// SIEVE (Zhang et al., NSDI 2024): a hand goes from the oldest to the newest and takes what was not asked for
// since it came by.
void MemoryTier::make_room(std::uint64_t size, Slots& dropped) {
  while (size_ + size > most_) {
    if (hand_ == slots_.end()) hand_ = std::prev(slots_.end());
    Slots::iterator const slot = hand_;
    hand_ = newer(slot);
    if (!std::exchange(slot->visited, false)) drop(slot, dropped);
  }
}

std::uint64_t MemoryTier::size() const {
  std::lock_guard const lock(mutex_);
  return size_;
}

}  // namespace detail
}  // namespace v1
}  // namespace beast_cache
