// What is done to many responses at once, and what is asked about them.
#include <limits>
#include <tuple>

#include "backend/entry_slice.hpp"
#include "backend/sqlite_backend_impl.hpp"

// Jobs are named lambdas that refer to the coroutine's locals: the coroutine does not go before its job.

namespace beast_cache {
inline namespace v1 {

asio::awaitable<std::uint64_t> SQLiteBackend::remove_groups(Url origin, std::vector<std::string> groups,
                                                            RemovalProgress progress) {
  std::shared_ptr<LargeBodies> const bodies = impl_->bodies();
  Writing const writing(bodies->database().epochs());
  std::uint64_t seen = 0;
  std::uint64_t removed = 0;
  detail::Walk walk;
  auto job = [&](Handle& handle) {
    detail::RemovedSlice const slice = detail::remove_groups(handle, origin, groups, bodies->at_rest(), walk);
    bodies->sweep(handle);
    return slice;
  };
  bool more = true;
  while (more) {
    detail::RemovedSlice const slice = co_await bodies->write_many(job);
    more = !slice.is_last;
    seen += slice.seen;
    removed += slice.removed;
    walk.pass(slice.last);
    if (slice.seen != 0 && progress) progress(seen, removed);
  }
  co_return removed;
}

asio::awaitable<bool> SQLiteBackend::pin(Url url) {
  std::shared_ptr<LargeBodies> const bodies = impl_->bodies();
  std::string const own_key = create_key(url, options());
  url = options().stored_url(url);
  // (A row whose key is a function's has this one beside it.)
  std::string const key = create_key(url);
  auto job = [&](Handle& handle) {
    bool const pinned = detail::pin(handle, key, url);
    return own_key == key ? pinned : detail::pin(handle, own_key, url) || pinned;
  };
  co_return co_await bodies->write(job);
}

asio::awaitable<bool> SQLiteBackend::unpin(Url url) {
  std::shared_ptr<LargeBodies> const bodies = impl_->bodies();
  std::string const own_key = create_key(url, options());
  std::string const key = create_key(options().stored_url(url));
  auto job = [&](Handle& handle) {
    bool const unpinned = detail::unpin(handle, key);
    return own_key == key ? unpinned : detail::unpin(handle, own_key) || unpinned;
  };
  co_return co_await bodies->write(job);
}

asio::awaitable<std::uint64_t> SQLiteBackend::remove_expired(TimePoint now, RemovalProgress progress) {
  // Each slice writes all pages of the index by keys, in which those that expire together lie apart: with
  // slices of 16 384 rows 100 000 take twice as long.
  constexpr std::uint64_t slice = 131'072;
  std::shared_ptr<LargeBodies> const bodies = impl_->bodies();
  Writing const writing(bodies->database().epochs());
  auto job = [&](Handle& handle) {
    std::uint64_t const removed = detail::remove_expired(handle, now, slice);
    bodies->sweep(handle);
    return removed;
  };
  std::uint64_t removed = 0;
  bool more = true;
  while (more) {
    std::uint64_t const gone = co_await bodies->write_many(job);
    removed += gone;
    more = gone == slice;
    if (gone != 0 && progress) progress(removed, removed);
  }
  co_return removed;
}

asio::awaitable<void> SQLiteBackend::clear() {
  std::shared_ptr<LargeBodies> const bodies = impl_->bodies();
  Writing const writing(bodies->database().epochs());
  auto job = [&](Handle& handle) {
    detail::clear_responses(handle);
    bodies->sweep(handle);
  };
  co_await bodies->write_many(job);
}

class SQLiteBackend::EntrySource final : public CursorSource<StoredEntry> {
 public:
  EntrySource(std::shared_ptr<Impl> impl, EntryFilter filter)
      : impl_(std::move(impl)), filter_(std::move(filter)) {}

  asio::awaitable<std::vector<StoredEntry>> fetch() override {
    std::shared_ptr<LargeBodies> const bodies = impl_->bodies();
    auto job = [&](Handle& handle) { return detail::read_slice(handle, filter_, walk_); };
    detail::EntrySlice slice;
    do {
      slice = co_await bodies->read(job);
      walk_.pass(slice.last);
    } while (slice.seen != 0 && slice.entries.empty());
    co_return std::move(slice.entries);
  }

 private:
  std::shared_ptr<Impl> const impl_;
  EntryFilter const filter_;
  detail::Walk walk_;
};

Cursor<StoredEntry> SQLiteBackend::entries(EntryFilter filter) const {
  return Cursor<StoredEntry>(std::make_unique<EntrySource>(impl_, std::move(filter)));
}

asio::awaitable<std::uint64_t> SQLiteBackend::remove_matching(EntryFilter filter, RemovalProgress progress) {
  std::shared_ptr<LargeBodies> const bodies = impl_->bodies();
  Writing const writing(bodies->database().epochs());
  std::uint64_t seen = 0;
  std::uint64_t removed = 0;
  detail::Walk walk;
  bool more = true;
  auto job = [&](Handle& handle) {
    detail::EntrySlice const slice = detail::read_slice(handle, filter, walk, detail::removed_rows);
    detail::remove_rows(handle, slice.ids);
    if (slice.seen == 0) detail::remove_lost_aliases(handle);
    bodies->sweep(handle);
    return std::tuple(slice.seen, slice.ids.size(), slice.last);
  };
  while (more) {
    auto const [looked_at, gone, until] = co_await bodies->write_many(job);
    more = looked_at != 0;
    seen += looked_at;
    removed += gone;
    walk.pass(until);
    if (more && progress) progress(seen, removed);
  }
  co_return removed;
}

namespace {

// Reads a body in pieces to its end. The reader that finds a damaged one takes the response away.
asio::awaitable<bool> is_damaged(StoredBody body) {
  std::unique_ptr<BodyReader> const reader = body.open();
  std::string buffer(std::size_t{65536}, '\0');
  std::size_t count = 1;
  bool damaged = false;
  try {
    while (count != 0) count = co_await reader->read_some(asio::buffer(buffer));
  } catch (Error const& error) {
    damaged = error.code() == cache_errc::bad_value;
    // Somebody else's stays; one that was removed meanwhile is gone.
    if (!damaged && error.code() != cache_errc::bad_signature && error.code() != cache_errc::changed) throw;
  }
  co_return damaged;
}

}  // namespace

asio::awaitable<std::uint64_t> SQLiteBackend::remove_invalid(RemovalProgress progress) {
  std::shared_ptr<LargeBodies> const bodies = impl_->bodies();
  std::uint64_t seen = 0;
  std::uint64_t removed = 0;
  detail::DamagedSlice slice;
  detail::Walk walk;
  auto look = [&](Handle& handle) { return detail::find_damaged(handle, *bodies, walk); };
  auto drop = [&](Handle& handle) {
    std::uint64_t const gone = detail::remove_damaged(handle, *bodies, slice.ids);
    detail::remove_lost_aliases(handle);
    bodies->sweep(handle);
    return gone;
  };
  bool more = true;
  while (more) {
    slice = co_await bodies->read(look);
    walk.pass(slice.last);
    more = slice.seen != 0;
    seen += slice.seen;
    if (!slice.ids.empty()) {
      Writing const writing(bodies->database().epochs());
      removed += co_await bodies->write_many(drop);
    }
    for (StoredBody const& body : slice.large) {
      bool const damaged = co_await is_damaged(body);
      if (damaged) ++removed;
    }
    if (more && progress) progress(seen, removed);
  }
  co_return removed;
}

asio::awaitable<std::map<std::string, HostUse>> SQLiteBackend::hosts() const {
  std::map<std::string, HostUse> hosts;
  Cursor<StoredEntry> all = entries();
  bool more = true;
  while (more) {
    std::vector<StoredEntry> const batch = co_await all.next_batch();
    more = !batch.empty();
    for (StoredEntry const& entry : batch) hosts[std::string(entry.url().authority())].add(entry);
  }
  co_return hosts;
}

}  // namespace v1
}  // namespace beast_cache
