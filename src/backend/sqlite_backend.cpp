#include "beast_cache/backend/sqlite_backend.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/this_coro.hpp>
#include <limits>
#include <mutex>
#include <new>
#include <tuple>

#include "backend/entry_slice.hpp"
#include "backend/eviction.hpp"
#include "backend/large_bodies.hpp"
#include "backend/memory_tier.hpp"
#include "backend/pieces_under_way.hpp"
#include "backend/stored_responses.hpp"
#include "storage/sqlite/database.hpp"

// Jobs are named lambdas that refer to the coroutine's locals: the coroutine does not go before its job.

namespace beast_cache {
inline namespace v1 {

using detail::AtRest;
using detail::Evicted;
using detail::Found;
using detail::Incoming;
using detail::LargeBodies;
using detail::LargeBody;
using detail::MemoryTier;
using sqlite::Handle;
using sqlite::Writing;

// What the copies of a backend share.
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
        seal_(storage_.secret_key().empty() ? at_rest_.signing_key() : storage_.secret_key(),
              storage_.salt()),
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
    if (!observer_) return;
    try {
      for (Evicted const& gone : evicted) observer_->on_evicted(gone.url(), gone.size());
    } catch (...) {
      // An observer's exceptions are its own.
    }
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

  // Takes rows out of the way that did not pass. It is no part of the look-up's outcome whether that works.
  static asio::awaitable<void> discard(std::shared_ptr<LargeBodies> bodies, LookupQuery const& query,
                                       std::vector<std::int64_t> const& rows) {
    Writing const writing(bodies->database().epochs(), query.key());
    auto job = [&](Handle& handle) {
      detail::remove_damaged(handle, query, *bodies, rows);
      bodies->sweep(handle);
    };
    try {
      co_await bodies->write(job);
    } catch (Error const& error) {
      if (error.code() == asio::error::operation_aborted) throw;
    }
  }

  static asio::awaitable<void> store(std::shared_ptr<Impl> self, std::shared_ptr<LargeBodies> bodies,
                                     StoredResponse response) {
    detail::RowToStore const row(response, *bodies);
    self->check_size(row, response.url());
    Writing const writing(bodies->database().epochs(), row.key());
    std::vector<Evicted> evicted;
    auto job = [&](Handle& handle) {
      self->make_room(handle, Incoming(row.size(), row.key(), row.variant()), *bodies, evicted);
      row.store(handle, max_variants);
      bodies->sweep(handle);
    };
    co_await bodies->write(job, row.size());
    self->report(evicted);
  }

  class Writer;
};

namespace {

void report_damage(Observer* observer, std::string const& path, LookupQuery const& query) {
  if (!observer) return;
  std::string const& url = query.url().str();
  try {
    observer->on_cache_error(
        "lookup", url,
        std::make_exception_ptr(Error(cache_errc::bad_value, path + ": removed what was stored for " + url)));
  } catch (...) {
    // An observer's exceptions are its own.
  }
}

}  // namespace

// The first piece is written at once, the others while more of the body arrives; it is not held in memory.
class SQLiteBackend::Impl::Writer final : public BodyWriter {
 public:
  explicit Writer(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}
  ~Writer() override {
    if (!body_ || stored_) return;
    try {
      bodies_->abandon(body_->token());
    } catch (std::bad_alloc const&) {
      // Then it goes when its time is up, as that of a killed process does.
    }
  }

  std::size_t piece_size() const noexcept override { return LargeBodies::piece_size; }

  asio::awaitable<void> append(std::string bytes) override {
    bodies_ = impl_->bodies();
    std::size_t const size = bytes.size();
    co_await under_way_.wait_for_room(size);
    auto const piece = std::make_shared<Piece>(*this, std::move(bytes));
    bool begun = false;
    if (body_) {
      asio::any_io_executor const executor = co_await asio::this_coro::executor;
      auto job = [piece](Handle& handle) { piece->write(handle); };
      begun = bodies_->start_write(executor, std::move(job), Written(piece, under_way_.add(size)), size);
      if (!begun) under_way_.take_back();
    }
    if (!begun) {
      auto job = [&](Handle& handle) { body_ = piece->write(handle); };
      co_await bodies_->write(job, size);
      piece->report();
    }
    ++pieces_;
    size_ += size;
  }

  asio::awaitable<void> store(CachedHead head) override {
    bodies_ = impl_->bodies();
    if (!body_) co_return co_await Impl::store(impl_, bodies_, StoredResponse(std::move(head), StoredBody()));
    co_await under_way_.wait_for_all();
    std::shared_ptr<LargeBody const> const whole = body_->with_size(size_);
    StoredBody body(whole);
    StoredResponse response(std::move(head), std::move(body));
    co_await Impl::store(impl_, bodies_, std::move(response));
    stored_ = true;
  }

 private:
  // With all that writing it takes: the writer may have gone by then.
  class Piece {
   public:
    Piece(Writer const& writer, std::string bytes)
        : impl_(writer.impl_),
          bodies_(writer.bodies_),
          body_(writer.body_),
          is_compressible_(writer.is_compressible_),
          number_(writer.pieces_),
          bytes_(std::move(bytes)) {}

    // Returns the body, which begins with the first piece.
    std::shared_ptr<LargeBody const> write(Handle& handle) {
      impl_->make_room(handle, Incoming(bytes_.size()), *bodies_, evicted_);
      std::shared_ptr<LargeBody const> body = body_ ? body_ : bodies_->begin(handle);
      *is_compressible_ = bodies_->append(handle, *body, number_, bytes_, *is_compressible_);
      bodies_->sweep(handle);
      return body;
    }
    // Once that is committed: what had to go for it.
    void report() const { impl_->report(evicted_); }

   private:
    std::shared_ptr<Impl> const impl_;
    std::shared_ptr<LargeBodies> const bodies_;
    std::shared_ptr<LargeBody const> const body_;
    std::shared_ptr<bool> const is_compressible_;
    std::uint64_t const number_;
    std::string const bytes_;
    std::vector<Evicted> evicted_;
  };

  // The completion handler of one.
  class Written {
   public:
    Written(std::shared_ptr<Piece> piece, detail::PiecesUnderWay::Handler done)
        : piece_(std::move(piece)), done_(std::move(done)) {}
    void operator()(std::exception_ptr const& failure) {
      if (!failure) piece_->report();
      done_(failure);
    }

   private:
    std::shared_ptr<Piece> piece_;
    detail::PiecesUnderWay::Handler done_;
  };

  std::shared_ptr<Impl> const impl_;
  std::shared_ptr<LargeBodies> bodies_;
  std::shared_ptr<LargeBody const> body_;
  detail::PiecesUnderWay under_way_;
  std::uint64_t pieces_ = 0, size_ = 0;
  bool stored_ = false;
  // Until a piece was not worth it. Used on the lane.
  std::shared_ptr<bool> const is_compressible_ = std::make_shared<bool>(true);
};

SQLiteBackend::SQLiteBackend(std::string cache_name, CacheOptions options, SQLiteOptions storage)
    : CacheBackend(std::move(options)),
      impl_(std::make_shared<Impl>(cache_name, this->options(), std::move(storage))) {}

SQLiteBackend::~SQLiteBackend() = default;

std::string const& SQLiteBackend::path() const noexcept {
  return impl_->path();
}

std::shared_ptr<ReadyResponse const> SQLiteBackend::glance(Request const& request, TimePoint now) {
  std::shared_ptr<LargeBodies> const bodies = impl_->opened();
  if (!bodies) return nullptr;
  auto held = impl_->memory().find(request.url(), bodies->database().epochs(), now);
  if (held) impl_->used(held->row);
  return held;
}

asio::awaitable<Lookup> SQLiteBackend::lookup(LookupQuery query) {
  std::shared_ptr<Impl> const impl = impl_;
  std::shared_ptr<LargeBodies> const bodies = impl->bodies();
  sqlite::WriteEpochs& epochs = bodies->database().epochs();
  MemoryTier::Glance glance;
  impl->memory().glance(glance, epochs, query);
  if (glance.hit()) {
    impl->used(glance.hit()->row);
    Lookup found;
    found.select(glance.hit()->stored());
    co_return found;
  }
  std::shared_ptr<Observer> const observer = options().observer();
  auto job = [&](Handle& handle) {
    glance.look(handle);
    return detail::find_response(handle, query, *bodies);
  };
  Found found = co_await bodies->read(job);
  impl->memory().looked(glance, epochs);
  if (found.selected) {
    std::int64_t const row = found.selected->id();
    std::optional<StoredResponse> response = std::move(*found.selected).decode(query, bodies->at_rest());
    if (response) {
      if (found.is_alone()) impl->memory().remember(glance, query, row, *response);
      found.lookup.select(std::move(*response));
      impl->used(row);
    } else {
      found.damaged.push_back(row);
      found.rejected.push_back(row);
    }
  }
  if (!found.damaged.empty()) {
    report_damage(observer.get(), impl->path(), query);
    co_await Impl::discard(bodies, query, found.damaged);
  }
  if (!found.lookup.selected() && found.rejected.size() > found.damaged.size())
    throw Error(cache_errc::bad_signature, impl->path() + ": the response stored for " + query.url().str());
  co_return std::move(found.lookup);
}

asio::awaitable<void> SQLiteBackend::store(StoredResponse response) {
  std::shared_ptr<Impl> const impl = impl_;
  co_await Impl::store(impl, impl->bodies(), std::move(response));
}

std::unique_ptr<BodyWriter> SQLiteBackend::write_body() {
  bool const fits = impl_->max_value_size() >= LargeBodies::piece_size;
  return fits ? std::make_unique<Impl::Writer>(impl_) : nullptr;
}

asio::awaitable<bool> SQLiteBackend::freshen(StoredResponse response) {
  std::shared_ptr<Impl> const impl = impl_;
  std::shared_ptr<LargeBodies> const bodies = impl->bodies();
  detail::RowToStore const row(response, *bodies);
  impl->check_size(row, response.url());
  Writing const writing(bodies->database().epochs(), row.key());
  auto job = [&](Handle& handle) { return row.freshen(handle); };
  co_return co_await bodies->write(job, row.size());
}

asio::awaitable<void> SQLiteBackend::store_alias(Url from, Url to) {
  std::shared_ptr<LargeBodies> const bodies = impl_->bodies();
  std::string const key = create_key(from, options());
  std::string const target_key = create_key(to, options());
  from = options().stored_url(from);
  to = options().stored_url(to);
  auto job = [&](Handle& handle) { detail::store_alias(handle, from, key, to, target_key); };
  co_await bodies->write(job);
}

asio::awaitable<bool> SQLiteBackend::remove_key(std::string key) {
  std::shared_ptr<LargeBodies> const bodies = impl_->bodies();
  Writing const writing(bodies->database().epochs(), key);
  auto job = [&](Handle& handle) {
    bool const removed = detail::remove_with_aliases(handle, key);
    bodies->sweep(handle);
    return removed;
  };
  co_return co_await bodies->write(job);
}

asio::awaitable<std::uint64_t> SQLiteBackend::remove_groups(Url origin, std::vector<std::string> groups) {
  std::shared_ptr<LargeBodies> const bodies = impl_->bodies();
  Writing const writing(bodies->database().epochs());
  auto job = [&](Handle& handle) {
    std::uint64_t const removed = detail::remove_groups(handle, origin, groups, bodies->at_rest());
    bodies->sweep(handle);
    return removed;
  };
  co_return co_await bodies->write(job);
}

asio::awaitable<bool> SQLiteBackend::has_url(Url url) {
  std::shared_ptr<LargeBodies> const bodies = impl_->bodies();
  std::string const key = create_key(url, options());
  auto job = [&](Handle& handle) { return detail::has_url(handle, key); };
  co_return co_await bodies->read(job);
}

asio::awaitable<bool> SQLiteBackend::pin(Url url) {
  std::shared_ptr<LargeBodies> const bodies = impl_->bodies();
  std::string const key = create_key(url, options());
  url = options().stored_url(url);
  auto job = [&](Handle& handle) { return detail::pin(handle, key, url); };
  co_return co_await bodies->write(job);
}

asio::awaitable<bool> SQLiteBackend::unpin(Url url) {
  std::shared_ptr<LargeBodies> const bodies = impl_->bodies();
  std::string const key = create_key(url, options());
  auto job = [&](Handle& handle) { return detail::unpin(handle, key); };
  co_return co_await bodies->write(job);
}

asio::awaitable<std::uint64_t> SQLiteBackend::remove_expired(TimePoint now) {
  std::shared_ptr<LargeBodies> const bodies = impl_->bodies();
  Writing const writing(bodies->database().epochs());
  auto job = [&](Handle& handle) {
    std::uint64_t const removed = detail::remove_expired(handle, now);
    bodies->sweep(handle);
    return removed;
  };
  co_return co_await bodies->write(job);
}

asio::awaitable<void> SQLiteBackend::clear() {
  std::shared_ptr<LargeBodies> const bodies = impl_->bodies();
  Writing const writing(bodies->database().epochs());
  auto job = [&](Handle& handle) {
    detail::clear_responses(handle);
    bodies->sweep(handle);
  };
  co_await bodies->write(job);
}

class SQLiteBackend::EntrySource final : public CursorSource<StoredEntry> {
 public:
  EntrySource(std::shared_ptr<Impl> impl, EntryFilter filter)
      : impl_(std::move(impl)), filter_(std::move(filter)) {}

  asio::awaitable<std::vector<StoredEntry>> fetch() override {
    std::shared_ptr<LargeBodies> const bodies = impl_->bodies();
    auto job = [&](Handle& handle) { return detail::read_slice(handle, filter_, last_); };
    detail::EntrySlice slice;
    do {
      slice = co_await bodies->read(job);
      last_ = slice.last;
    } while (slice.seen != 0 && slice.entries.empty());
    co_return std::move(slice.entries);
  }

 private:
  std::shared_ptr<Impl> const impl_;
  EntryFilter const filter_;
  std::int64_t last_ = std::numeric_limits<std::int64_t>::min();
};

Cursor<StoredEntry> SQLiteBackend::entries(EntryFilter filter) const {
  return Cursor<StoredEntry>(std::make_unique<EntrySource>(impl_, std::move(filter)));
}

asio::awaitable<std::uint64_t> SQLiteBackend::remove_matching(EntryFilter filter, RemovalProgress progress) {
  std::shared_ptr<LargeBodies> const bodies = impl_->bodies();
  Writing const writing(bodies->database().epochs());
  std::uint64_t seen = 0;
  std::uint64_t removed = 0;
  std::int64_t last = std::numeric_limits<std::int64_t>::min();
  bool more = true;
  auto job = [&](Handle& handle) {
    detail::EntrySlice const slice = detail::read_slice(handle, filter, last);
    std::uint64_t const gone = detail::remove_slice(handle, slice);
    if (slice.seen == 0) detail::remove_lost_aliases(handle);
    bodies->sweep(handle);
    return std::tuple(slice.seen, gone, slice.last);
  };
  while (more) {
    auto const [looked_at, gone, until] = co_await bodies->write(job);
    more = looked_at != 0;
    seen += looked_at;
    removed += gone;
    last = until;
    if (more && progress) progress(seen, removed);
  }
  co_return removed;
}

asio::awaitable<std::uint64_t> SQLiteBackend::remove_invalid(RemovalProgress progress) {
  std::shared_ptr<LargeBodies> const bodies = impl_->bodies();
  std::uint64_t seen = 0;
  std::uint64_t removed = 0;
  detail::DamagedSlice slice;
  auto look = [&](Handle& handle) { return detail::find_damaged(handle, *bodies, slice.last); };
  auto drop = [&](Handle& handle) {
    std::uint64_t const gone = detail::remove_damaged(handle, *bodies, slice.ids);
    detail::remove_lost_aliases(handle);
    bodies->sweep(handle);
    return gone;
  };
  bool more = true;
  while (more) {
    slice = co_await bodies->read(look);
    more = slice.seen != 0;
    seen += slice.seen;
    if (!slice.ids.empty()) {
      Writing const writing(bodies->database().epochs());
      removed += co_await bodies->write(drop);
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
    for (StoredEntry const& entry : batch) hosts[std::string(entry.url().host())].add(entry);
  }
  co_return hosts;
}

asio::awaitable<void> SQLiteBackend::close() {
  std::shared_ptr<Impl> const impl = impl_;
  std::shared_ptr<LargeBodies> const bodies = impl->take_bodies();
  if (!bodies) co_return;
  co_await Impl::tidy(impl, bodies);
  co_await bodies->database().detach_and_drain();
}

}  // namespace v1
}  // namespace beast_cache
