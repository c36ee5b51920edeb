#include "storage/sqlite/database.hpp"

#include <algorithm>
#include <boost/asio/error.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <mutex>
#include <vector>

namespace beast_cache {
inline namespace v1 {
namespace sqlite {
namespace {

// The databases that are open in this process.
class Registry {
 public:
  std::mutex mutex;
  std::vector<std::weak_ptr<Database>> databases;
  std::vector<detail::FileIdentity> inherited;  // files that were open at fork(), and whose objects are gone
};

Registry& registry() {
  static auto* const instance = new Registry;  // never destroyed: caches may be static objects
  return *instance;
}

// SQLite in the child believes to have the parent's locks: it would take none of its own.
[[noreturn]] void refuse_inherited(std::string const& path) {
  throw Error(cache_errc::forked, path + ": was open at fork(); close it before, or exec in the child");
}

}  // namespace

Schema::Schema(std::string name, std::string kind, int version)
    : name_(std::move(name)), kind_(std::move(kind)), version_(version) {}

void Schema::migrate(Handle& handle, int from) const {
  throw Error(cache_errc::migration_failed, handle.file() + ": table " + name_ + " has version " +
                                                std::to_string(from) + ", which is unknown");
}

std::shared_ptr<Database> Database::open(ResolvedPath const& path, SQLiteOptions const& options) {
  if (path.memory()) {
    std::shared_ptr<Database> fresh(new Database(path.name(), true, options));
    fresh->file_->strengthen(options);
    fresh->attach();
    return fresh;
  }
  std::string const absolute = path.absolute();
  std::optional<detail::FileIdentity> const identity = detail::identify(absolute);
  Registry& known = registry();
  std::shared_ptr<Database> found;
  std::vector<std::shared_ptr<Database>> keep;  // let go of after the lock: the last one closes its file
  std::lock_guard lock(known.mutex);
  std::erase_if(known.databases, [](auto const& database) { return database.expired(); });
  auto const is_it = [&](detail::FileIdentity const& file) { return identity && identity->same_file(file); };
  if (std::any_of(known.inherited.begin(), known.inherited.end(), is_it)) refuse_inherited(absolute);
  for (auto const& weak : known.databases) {
    std::shared_ptr<Database> database = weak.lock();
    if (!database) continue;
    keep.push_back(database);
    auto const inherited = database->inherited();
    if (inherited && is_it(*inherited)) refuse_inherited(absolute);
    if (database->options().read_only() != options.read_only() || !database->is_own()) continue;
    // Until it has a handle it is for the file that its path leads to. One that was renamed is not what it
    // was opened as: whoever writes there would make a new file.
    auto const opened = database->file_->identity();
    auto const theirs = opened ? opened : detail::identify(database->path());
    bool const same_file =
        identity && theirs && identity->same_file(*theirs) && (!opened || database->file_->is_in_place());
    if (same_file || (!found && database->path() == absolute)) found = database;
  }
  if (!found) {
    found.reset(new Database(absolute, false, options));
    known.databases.push_back(found);
  }
  found->file_->strengthen(options);
  found->attach();
  return found;
}

Database::Database(std::string path, bool memory, SQLiteOptions const& options)
    : file_(std::make_shared<FileState>(std::move(path), memory, options)),
      forks_(detail::fork_generation()) {
  detail::LaneOptions lane;
  lane.max_operations = options.max_queued_operations();
  lane.max_bytes = options.max_queued_bytes();
  if (detail::usable_processors() > 1) lane.spin = options.spin_time();
  auto const next_lane = [&]() -> detail::LaneOptions const& {
    lane.worker = options.executor();
    lane.owns_thread = !lane.worker;
    if (lane.owns_thread) {
      threads_.push_back(std::make_unique<detail::WorkerPool>(1));
      lane.worker = threads_.back()->executor();
    }
    return lane;
  };
  if (memory || !options.read_only()) writer_ = std::make_shared<WriterLane>(next_lane(), file_);
  if (memory) return;
  if (options.inline_reads()) inline_ = std::make_shared<InlineReader>(!options.executor());
  for (std::size_t i = 0; i < options.readers(); ++i) {
    try {
      // The first one looks after those who read by themselves.
      readers_.push_back(std::make_shared<ReaderLane>(next_lane(), file_, i == 0 ? inline_ : nullptr));
    } catch (Error const&) {
      // Fewer threads than were asked for do as well, if there is one.
      if (readers_.empty()) throw;
      break;
    }
  }
}

Database::~Database() {
  if (!is_own()) {
    if (auto const file = inherited()) {
      std::lock_guard const lock(registry().mutex);
      registry().inherited.push_back(*file);
    }
    // In the child the threads do not exist, and the handles and their locks are the parent's.
    for (auto& thread : threads_) static_cast<void>(thread.release());
    new std::shared_ptr<WriterLane>(std::move(writer_));
    new std::vector<std::shared_ptr<ReaderLane>>(std::move(readers_));
    new std::shared_ptr<InlineReader>(std::move(inline_));
    return;
  }
  // Every operation owned the database, so that nothing is queued. The threads first: a pump may be on its
  // way out, and is not to shrink the file before.
  file_->max_bytes = 0;
  threads_.clear();
}

std::uint64_t Database::new_scope() noexcept {
  static std::atomic<std::uint64_t> last{0};
  return ++last;
}

void Database::abandon(std::unique_ptr<AbandonedBulk> bulk) noexcept {
  if (is_own() && writer_) writer_->abandon(std::move(bulk));
}

void Database::keep_within(std::uint64_t bytes) noexcept {
  std::uint64_t current = file_->max_bytes.load();
  while ((current == 0 || bytes < current) && !file_->max_bytes.compare_exchange_weak(current, bytes)) {
  }
}

detail::Lane& Database::lane_for(Mode mode) noexcept {
  bool const reads = mode == Mode::read || mode == Mode::read_one || mode == Mode::read_autocommit;
  if (writer_ && (!reads || readers_.empty())) return *writer_;
  if (readers_.size() == 1) return *readers_.front();
  return *readers_[next_reader_.fetch_add(1, std::memory_order_relaxed) % readers_.size()];
}

void Database::check_process() const {
  if (!is_own()) refuse_inherited(path());
}

std::optional<detail::FileIdentity> Database::inherited() const {
  return is_own() || users_.load() == 0 ? std::nullopt : file_->identity();
}

// The version of the schema's tables in the file, 0 without them.
int Database::find_version(Handle& handle, Schema const& schema) {
  Statement query = handle.statement("SELECT kind, version FROM beast_cache_tables WHERE name = ?1");
  query.bind_text(1, schema.name());
  if (!query.step()) return 0;
  if (query.bytes(0) != schema.kind()) {
    throw Error(cache_errc::not_a_cache, handle.file() + ": table " + schema.name() + " holds " +
                                             std::string(query.bytes(0)) + ", not " + schema.kind() +
                                             "; choose another table name");
  }
  return static_cast<int>(query.integer(1));
}

// True if the tables are there, as far as a reader can tell: it need not wait for those who write.
asio::awaitable<bool> Database::is_prepared(std::shared_ptr<Schema> schema) {
  if (!writer_ || readers_.empty() || !file_->identity()) co_return false;
  auto look = [schema](Handle& handle) {
    if (find_version(handle, *schema) != schema->version()) return std::uint64_t{0};
    schema->check(handle);
    return handle.generation();
  };
  std::uint64_t generation = 0;
  try {
    generation = co_await submit(Kind(Mode::read_autocommit), std::move(look));
  } catch (Error const& error) {
    // Whatever it is, the writer finds out as well.
    if (error.code() == asio::error::operation_aborted) throw;
  }
  if (generation == 0) co_return false;
  if (schema->is_counted()) file_->count_rows_of(schema->name());
  schema->ready_.store(generation, std::memory_order_release);
  co_return true;
}

asio::awaitable<void> Database::prepare(std::shared_ptr<Schema> schema) {
  bool const prepared = co_await is_prepared(schema);
  if (prepared) co_return;
  // The writer's handle, for the reader's can't open a file that is not there yet. Outside a transaction, so
  // that another process's write does not hold up the first read here.
  auto job = [this, schema](Handle& handle) {
    std::uint64_t const generation = handle.generation();
    auto const version = [&] { return find_version(handle, *schema); };
    if (schema->is_counted()) file_->count_rows_of(schema->name());
    int found = version();
    if (found == schema->version()) {
      schema->check(handle);
      return generation;
    }
    if (options().read_only() && found < schema->version()) {
      throw Error(cache_errc::readonly, handle.file() + ": has no table " + schema->name() +
                                            " of this version; open it for writing once");
    }
    if (found < schema->version()) {
      begin_write(handle);
      found = version();  // another process may have been faster
      if (found == 0) {
        schema->create(handle);
      } else if (found < schema->version()) {
        schema->migrate(handle, found);
      }
      if (found < schema->version()) {
        Statement record = handle.statement(
            "INSERT INTO beast_cache_tables(name, kind, version, entries) VALUES(?1, ?2, ?3, ?4)"
            " ON CONFLICT(name) DO UPDATE SET version = excluded.version");
        record.bind_text(1, schema->name()).bind_text(2, schema->kind());
        record.bind(3, std::int64_t{schema->version()});
        if (schema->is_counted()) record.bind(4, std::int64_t{0});
        record.run();
      }
      handle.statement("COMMIT").run();
    }
    if (found > schema->version()) {
      throw Error(cache_errc::schema_newer, handle.file() + ": table " + schema->name());
    }
    schema->check(handle);
    return generation;
  };
  Mode const mode = options().read_only() ? Mode::read_autocommit : Mode::write_autocommit;
  std::uint64_t const generation = co_await submit(Kind(mode), std::move(job));
  schema->ready_.store(generation, std::memory_order_release);
}

// There are few of them, and they are not waited for often: looked for, not signalled.
asio::awaitable<void> Database::finish_steps(std::shared_ptr<Database> self) {
  asio::any_io_executor const executor = co_await asio::this_coro::executor;
  asio::steady_timer timer(executor);
  // A context that does not run holds nobody up: a step that comes later opens the file again.
  auto const deadline = asio::steady_timer::clock_type::now() + self->busy_timeout();
  while (self->steps_.load() != 0 && asio::steady_timer::clock_type::now() < deadline) {
    timer.expires_after(std::chrono::milliseconds(1));
    error_code ec;
    co_await timer.async_wait(asio::redirect_error(asio::use_awaitable, ec));
    if (ec) throw Error(ec, "cancelled");
  }
}

Mode Database::still(Mode mode) const noexcept {
  return mode == Mode::close && users_.load() != 0 ? Mode::barrier : mode;
}

asio::awaitable<void> Database::on_all_lanes(std::shared_ptr<Database> self, Mode mode) {
  self->check_process();
  if (self->steps_.load() != 0) co_await finish_steps(self);
  auto nothing = [](Handle&) {};
  // The writer's handle is to be the last one that closes: it moves the write-ahead log into the file.
  if (self->inline_ && self->still(mode) == Mode::close) self->inline_->close();
  for (std::shared_ptr<ReaderLane> const& reader : self->readers_) {
    detail::OperationKind const kind = Kind(self->still(mode)).operation();
    co_await detail::offload<void, Handle>(*reader, kind, nothing, self);
  }
  if (!self->writer_) co_return;
  detail::OperationKind const kind = Kind(self->still(mode)).operation();
  co_await detail::offload<void, Handle>(*self->writer_, kind, nothing, self);
}

asio::awaitable<void> Database::drain() {
  return on_all_lanes(shared_from_this(), Mode::barrier);
}

asio::awaitable<void> Database::detach_and_drain() {
  detach();
  return on_all_lanes(shared_from_this(), Mode::close);
}

}  // namespace sqlite
}  // namespace v1
}  // namespace beast_cache
