#pragma once
// What the copies of an SQLiteBackend share.

#include <algorithm>
#include <atomic>
#include <boost/asio/error.hpp>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "backend/eviction.hpp"
#include "backend/large_bodies.hpp"
#include "backend/memory_tier.hpp"
#include "backend/stored_responses.hpp"
#include "beast_cache/backend/sqlite_backend.hpp"
#include "storage/sqlite/database.hpp"

namespace beast_cache {
inline namespace v1 {

using detail::AtRest;
using detail::Evicted;
using detail::Incoming;
using detail::LargeBodies;
using detail::MemoryTier;
using sqlite::Handle;
using sqlite::Writing;

class SQLiteBackend::Impl {
 public:
  Impl(std::string const& cache_name, CacheOptions const& options, SQLiteOptions storage)
      : path_(sqlite::ResolvedPath::resolve(cache_name, storage.use_temp())),
        bounds_(options.max_bytes(), options.max_entries()),
        storage_(std::move(storage)),
        clock_(options.clock()),
        observer_(options.observer()),
        at_rest_(options.compress() ? AtRest::best_compression() : detail::as_it_came,
                 options.encryption_key()),
        seal_(storage_.secret_key().empty() ? at_rest_.signing_key() : storage_.secret_key(), storage_.salt(),
              storage_.secret_key().empty() && at_rest_.encrypts()),
        memory_(options.memory_bytes(), options.memory_lag(), clock_, options.rules(), path_.memory()) {}

  ~Impl() {
    if (bodies_) bodies_->database().detach();
  }

  std::string const& path() const noexcept { return path_.name(); }

  // What was opened by the first operation. Throws Error(closed) after close().
  std::shared_ptr<LargeBodies> bodies() {
    std::lock_guard lock(mutex_);
    if (closed_) throw Error(cache_errc::closed, path() + ": used after close()");
    if (!bodies_) {
      std::shared_ptr<sqlite::Database> database = sqlite::Database::open(path_, storage_);
      if (bounds_.bytes() != 0) database->keep_within(bounds_.bytes());
      bodies_ = std::make_shared<LargeBodies>(std::move(database), seal_, at_rest_, clock_);
    }
    return bodies_;
  }

  // The same; null before the first operation and after close().
  std::shared_ptr<LargeBodies> opened() {
    std::lock_guard lock(mutex_);
    return bodies_;
  }

  // What is to be closed; null when there is nothing, or when it has been done.
  std::shared_ptr<LargeBodies> take_bodies() {
    std::lock_guard lock(mutex_);
    closed_ = true;
    return std::move(bodies_);
  }

  detail::Bounds const& bounds() const noexcept { return bounds_; }
  detail::RecentUses& recent() noexcept { return recent_; }
  MemoryTier& memory() noexcept { return memory_; }

  // Of the rows that were found lately: how much room the next one is given.
  std::size_t usual_row_size() const noexcept { return row_size_.load(std::memory_order_relaxed); }
  void note_row_size(std::size_t size) noexcept {
    if (size == 0) return;
    constexpr std::size_t most = 40u << 10;
    size = std::min(size, most);
    std::size_t const usual = usual_row_size();
    row_size_.store(std::max(size, usual - (usual - std::min(size, usual)) / 8), std::memory_order_relaxed);
  }

  std::size_t max_value_size() const noexcept { return storage_.max_value_size(); }

  // A hit.
  void used(std::int64_t row) {
    if (bounds_.any()) recent_.note(row);
  }

  // Before something is written, in the same transaction.
  void make_room(Handle& handle, Incoming const& incoming, LargeBodies& bodies,
                 std::vector<Evicted>& evicted) {
    if (bounds_.any()) bounds_.make_room(handle, incoming, recent_, bodies, evicted);
  }
  // When that is committed.
  void report(std::vector<Evicted> const& evicted) const {
    detail::notify(observer_, [&](Observer& observer) {
      for (Evicted const& gone : evicted) observer.on_evicted(gone.url(), gone.size());
    });
  }

  // Before anything is written. Throws Error(too_big).
  void check_size(detail::RowToStore const& row, Url const& url) const {
    if (row.size() > storage_.max_value_size())
      throw Error(cache_errc::too_big, path() + ": the response of " + url.str());
  }

 private:
  sqlite::ResolvedPath const path_;
  detail::Bounds const bounds_;
  detail::RecentUses recent_;
  SQLiteOptions const storage_;
  std::shared_ptr<Clock const> const clock_;
  std::shared_ptr<Observer> const observer_;
  AtRest const at_rest_;
  detail::Seal const seal_;
  MemoryTier memory_;
  std::atomic<std::size_t> row_size_{2048};
  std::mutex mutex_;
  std::shared_ptr<LargeBodies> bodies_;
  bool closed_ = false;

  friend class SQLiteBackend;

  // What was used lately counts for the next process, too; what is left takes no room. It is no reason not to
  // close if that can't be written.
  static asio::awaitable<void> tidy(std::shared_ptr<Impl> self, std::shared_ptr<LargeBodies> bodies) {
    if (self->storage_.read_only()) co_return;
    auto look = [&](Handle& handle) { return bodies->anything_left(handle); };
    auto job = [&](Handle& handle) {
      self->recent_.write(handle);
      return bodies->sweep(handle);
    };
    try {
      bool more = co_await bodies->read(look);
      more = more || !self->recent_.empty();
      while (more) more = co_await bodies->write(job);
    } catch (Error const& error) {
      if (error.code() == asio::error::operation_aborted) throw;
    }
  }

  static asio::awaitable<void> close(std::shared_ptr<Impl> self) {
    std::shared_ptr<LargeBodies> const bodies = self->take_bodies();
    if (!bodies) co_return;
    co_await tidy(self, bodies);
    co_await bodies->database().detach_and_drain();
  }

  // Takes rows out of the way that did not pass. It is no part of the look-up's outcome whether that works.
  static asio::awaitable<void> discard(std::shared_ptr<LargeBodies> bodies,
                                       std::vector<std::int64_t> const& rows) {
    Writing const writing(bodies->database().epochs());  // they may be other keys'
    auto job = [&](Handle& handle) {
      detail::remove_damaged(handle, *bodies, rows);
      bodies->sweep(handle);
    };
    try {
      co_await bodies->write(job);
    } catch (Error const& error) {
      if (error.code() == asio::error::operation_aborted) throw;
    }
  }

  enum class Over { older, anything };

  static asio::awaitable<bool> store(std::shared_ptr<Impl> self, std::shared_ptr<LargeBodies> bodies,
                                     StoredResponse response, IsCurrent current, Over what) {
    detail::RowToStore const row(response, *bodies);
    self->check_size(row, response.url());
    Writing const writing(bodies->database().epochs(), row.key());
    std::vector<Evicted> evicted;
    // What makes a response outdated says so first and removes it by this lane afterwards: nothing comes in
    // between.
    auto job = [&](Handle& handle) {
      if (current && !current()) return false;
      if (what == Over::older && row.is_outlived(handle, self->clock_->now())) return false;
      self->make_room(handle, Incoming(row.size(), row.key(), row.variant()), *bodies, evicted);
      row.store(handle, max_variants);
      bodies->sweep(handle);
      return true;
    };
    bool const stored = co_await bodies->write(job, row.size());
    self->report(evicted);
    co_return stored;
  }

  class Writer;
};

}  // namespace v1
}  // namespace beast_cache
