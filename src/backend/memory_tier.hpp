#pragma once
// Responses that are asked for often, in memory before the file.
//
// What is remembered of a key is the outcome of a look-up: the one row that is stored under it, with its
// body. It holds until the key is written: by this process, which SQLite's lanes count (WriteEpochs), or by
// any other, which the write-ahead log's index tells. The latter is looked at by one look-up of the file
// every `lag`; in between memory may be that much behind other processes.

#include <chrono>
#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "beast_cache/backend/cache_backend.hpp"
#include "beast_cache/backend/ready_response.hpp"
#include "beast_cache/clock.hpp"
#include "beast_cache/policy/options.hpp"
#include "storage/sqlite/handle.hpp"
#include "storage/sqlite/write_epochs.hpp"

namespace beast_cache {
inline namespace v1 {
namespace detail {

// Thread safety: all functions.
class MemoryTier {
 public:
  // @param most In bytes; 0 for nothing.
  // @param rules By which it answers. @param alone Whether nobody else can write to the database.
  MemoryTier(std::uint64_t most, std::chrono::milliseconds lag, std::shared_ptr<Clock const> clock,
             policy::Options rules, bool alone)
      : most_(most), lag_(lag), clock_(std::move(clock)), rules_(std::move(rules)), alone_(alone) {}

  // A response with its row.
  class Held final : public ReadyResponse {
   public:
    Held(std::int64_t r, StoredResponse stored, policy::Options const& rules)
        : ReadyResponse(std::move(stored), rules), row(r) {}
    std::int64_t const row;
  };

  // One look-up: what memory knew, and what the file's answer has to be compared with.
  class Glance {
   public:
    Glance() = default;
    Glance(Glance const&) = delete;
    Glance& operator=(Glance const&) = delete;
    ~Glance() {
      if (checks_) tier_->give_up_check();
    }

    std::shared_ptr<Held const> const& hit() const noexcept { return hit_; }
    // On the lane, in the same job as the look-up in the file, before it.
    void look(sqlite::Handle& handle) {
      if (!checks_) return;
      log_.emplace();
      if (!handle.read_wal_mark(*log_)) log_.reset();
    }

   private:
    friend class MemoryTier;
    MemoryTier* tier_ = nullptr;
    std::shared_ptr<Held const> hit_;
    sqlite::WriteEpochs::Mark mark_;
    TimePoint began_{};
    bool checks_ = false;
    std::optional<sqlite::Handle::WalMark> log_;
  };

  // Whether there is any.
  bool any() const noexcept { return most_ != 0; }
  // What is known of a URL, without the key that it takes a digest to find. Null: ask by `glance` and `look`.
  std::shared_ptr<Held const> find(Url const& url, sqlite::WriteEpochs const& epochs, TimePoint now);
  void glance(Glance& glance, sqlite::WriteEpochs const& epochs, LookupQuery const& query);
  // The look-up of the file has succeeded.
  void looked(Glance& glance, sqlite::WriteEpochs& epochs);
  // It found this, and nothing else is stored under the key.
  void remember(Glance const& glance, LookupQuery const& query, std::int64_t row,
                StoredResponse const& response);

  std::uint64_t size() const;  // in bytes

 private:
  class Slot {
   public:
    Slot(LookupQuery const& query, std::shared_ptr<Held const> h, sqlite::WriteEpochs::Mark m,
         std::uint64_t s)
        : key(query.key()),
          url(query.url()),
          has_own_key(query.has_own_key()),
          held(std::move(h)),
          mark(m),
          size(s) {}
    std::string_view name() const noexcept { return has_own_key ? key : url.str(); }
    std::string const key;
    Url const url;
    bool const has_own_key;
    std::shared_ptr<Held const> held;
    sqlite::WriteEpochs::Mark mark;
    std::uint64_t size;
    bool visited = false;
  };
  using Slots = std::list<Slot>;

  // Of what is stored under a URL or, where the key is the request's own, under that: no URL is a key.
  static std::string_view name_of(LookupQuery const& query) noexcept {
    return query.has_own_key() ? query.key() : query.url().str();
  }
  bool is_current(TimePoint now) const noexcept;
  void give_up_check() noexcept;
  Slots::iterator newer(Slots::iterator slot) noexcept;
  void drop(Slots::iterator slot, Slots& dropped);
  void make_room(std::uint64_t size, Slots& dropped);

  std::uint64_t const most_;
  std::chrono::milliseconds const lag_;
  std::shared_ptr<Clock const> const clock_;
  policy::Options const rules_;
  bool const alone_;
  mutable std::mutex mutex_;
  Slots slots_;  // newest first
  std::unordered_map<std::string_view, Slots::iterator> by_name_;
  Slots::iterator hand_ = slots_.end();
  std::uint64_t size_ = 0;
  bool checking_ = false;
  std::optional<TimePoint> checked_at_;
  std::optional<sqlite::Handle::WalMark> log_;  // as it was then
};

}  // namespace detail
}  // namespace v1
}  // namespace beast_cache
