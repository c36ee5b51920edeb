#include "storage/sqlite/database.hpp"

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
};

Registry& registry() {
  static auto* const instance = new Registry;  // never destroyed: caches may be static objects
  return *instance;
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
    fresh->file_->strengthen(options.busy_timeout(), options.durability() == Durability::full);
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
  for (auto const& weak : known.databases) {
    std::shared_ptr<Database> database = weak.lock();
    if (!database) continue;
    keep.push_back(database);
    if (database->file_->read_only() != options.read_only() ||
        database->forks_ != detail::fork_generation()) {
      continue;
    }
    auto const theirs = database->file_->identity();
    bool const same_file = identity && theirs && identity->same_file(*theirs);
    if (same_file || (!found && database->path() == absolute)) found = database;
  }
  if (!found) {
    found.reset(new Database(absolute, false, options));
    known.databases.push_back(found);
  }
  found->file_->strengthen(options.busy_timeout(), options.durability() == Durability::full);
  found->attach();
  return found;
}

Database::Database(std::string path, bool memory, SQLiteOptions const& options)
    : file_(std::make_shared<FileState>(std::move(path), memory, options.read_only(),
                                        options.max_value_size() + (std::size_t{1} << 20),
                                        options.checkpoint_pages())),
      forks_(detail::fork_generation()) {
  asio::any_io_executor worker = options.executor();
  if (!worker) {
    pool_ = std::make_unique<detail::WorkerPool>(memory || options.read_only() ? 1 : 2);
    worker = pool_->executor();
  }
  if (memory || !options.read_only()) writer_ = std::make_shared<WriterLane>(worker, file_);
  if (!memory) reader_ = std::make_shared<ReaderLane>(worker, file_);
}

Database::~Database() {
  if (forks_ != detail::fork_generation()) {
    // In the child the threads do not exist, and the handles and their locks are the parent's.
    static_cast<void>(pool_.release());
    new std::shared_ptr<WriterLane>(std::move(writer_));
    new std::shared_ptr<ReaderLane>(std::move(reader_));
    return;
  }
  // Every operation owned the database, so that nothing is queued. The threads first: a pump may be on its
  // way out.
  pool_.reset();
}

detail::Lane& Database::lane_for(Mode mode) noexcept {
  bool const reads = mode == Mode::read || mode == Mode::read_autocommit;
  if (!writer_ || (reads && reader_)) return *reader_;
  return *writer_;
}

void Database::check_process() const {
  if (forks_ != detail::fork_generation()) {
    throw Error(cache_errc::forked, path() + ": open another cache object in the child process");
  }
}

asio::awaitable<void> Database::prepare(std::shared_ptr<Schema> schema) {
  // The writer's handle, for the reader's can't open a file that is not there yet. Outside a transaction, so
  // that another process's write does not hold up the first read here.
  auto job = [this, schema](Handle& handle) {
    std::uint64_t const generation = file_->generation.load();
    auto const version = [&] {
      Statement query = handle.statement("SELECT kind, version FROM beast_cache_tables WHERE name = ?1");
      query.bind_text(1, schema->name());
      if (!query.step()) return 0;
      if (query.bytes(0) != schema->kind()) {
        throw Error(cache_errc::not_a_cache, handle.file() + ": table " + schema->name() + " holds " +
                                                 std::string(query.bytes(0)) + ", not " + schema->kind() +
                                                 "; choose another table name");
      }
      return static_cast<int>(query.integer(1));
    };
    int found = version();
    if (found == schema->version()) return generation;
    if (file_->read_only() && found < schema->version()) {
      throw Error(cache_errc::readonly, handle.file() + ": has no table " + schema->name() +
                                            " of this version; open it for writing once");
    }
    if (found < schema->version()) {
      file_->begin_write(handle);
      found = version();  // another process may have been faster
      if (found == 0) {
        schema->create(handle);
      } else if (found < schema->version()) {
        schema->migrate(handle, found);
      }
      if (found < schema->version()) {
        Statement record = handle.statement(
            "INSERT INTO beast_cache_tables(name, kind, version) VALUES(?1, ?2, ?3)"
            " ON CONFLICT(name) DO UPDATE SET version = excluded.version");
        record.bind_text(1, schema->name()).bind_text(2, schema->kind());
        record.bind(3, std::int64_t{schema->version()}).run();
      }
      handle.statement("COMMIT").run();
    }
    if (found > schema->version()) {
      throw Error(cache_errc::schema_newer, handle.file() + ": table " + schema->name());
    }
    return generation;
  };
  Mode const mode = file_->read_only() ? Mode::read_autocommit : Mode::write_autocommit;
  std::uint64_t const generation = co_await submit(mode, std::move(job));
  schema->ready_.store(generation, std::memory_order_release);
}

asio::awaitable<void> Database::on_all_lanes(Mode mode) {
  check_process();
  auto self = shared_from_this();
  auto nothing = [](Handle&) {};
  // The writer's handle is to be the last one that closes: it moves the write-ahead log into the file.
  if (reader_) {
    co_await detail::offload<void, Handle>(*reader_, static_cast<int>(mode), nothing, self);
  }
  if (writer_) {
    co_await detail::offload<void, Handle>(*writer_, static_cast<int>(mode), nothing, self);
  }
}

asio::awaitable<void> Database::drain() {
  return on_all_lanes(Mode::barrier);
}

asio::awaitable<void> Database::detach_and_drain() {
  Mode const mode = --users_ == 0 ? Mode::close : Mode::barrier;
  co_await on_all_lanes(mode);
}

}  // namespace sqlite
}  // namespace v1
}  // namespace beast_cache
