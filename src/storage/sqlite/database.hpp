#pragma once
// A database file, its lanes and its threads: the one way to SQLite for everything above.
//
//   auto database = Database::open(ResolvedPath::resolve("demo", false), SQLiteOptions());
//   auto schema = std::make_shared<MySchema>();
//   std::int64_t n = co_await database->read(schema, [](Handle& handle) { return handle.query_integer(...);
//   });
//
// A job is a plain function object that runs on a lane's thread, never on the caller's. (Name it before
// awaiting when it captures: g++ 12.) It may refer to the awaiting coroutine's locals: the coroutine does not
// go before it. What it throws reaches the caller. Several caches of a process on one file share one
// Database.

#include <atomic>
#include <boost/asio/bind_executor.hpp>
#include <cstdint>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "beast_cache/storage/sqlite_options.hpp"
#include "detail/offload.hpp"
#include "detail/worker_pool.hpp"
#include "storage/sqlite/handle.hpp"
#include "storage/sqlite/inline_reader.hpp"
#include "storage/sqlite/lane.hpp"
#include "storage/sqlite/path.hpp"
#include "storage/sqlite/write_epochs.hpp"

namespace beast_cache {
inline namespace v1 {
namespace sqlite {

// The tables that belong together, recorded in the file as one row of beast_cache_tables(name, kind,
// version). create() and migrate() run inside a write transaction, once for each file.
class Schema {
 public:
  // `name` is unique in the file (ASCII case apart); `kind` says what the tables hold: one name with two
  // kinds is an error, not_a_cache.
  Schema(std::string name, std::string kind, int version);
  Schema(Schema const&) = delete;
  Schema& operator=(Schema const&) = delete;
  virtual ~Schema() = default;

  virtual void create(Handle& handle) const = 0;
  // Whether it is one table of that name whose rows are counted.
  virtual bool is_counted() const noexcept { return false; }
  // Brings the tables of an older version up to date. Throws for what it does not know.
  virtual void migrate(Handle& handle, int from) const;
  // Looks at tables of this version before they are used. Throws when they may not be.
  virtual void check(Handle&) const {}

  std::string const& name() const noexcept { return name_; }
  std::string const& kind() const noexcept { return kind_; }
  int version() const noexcept { return version_; }

 private:
  friend class Database;
  std::string name_;
  std::string kind_;
  int version_;
  std::atomic<std::uint64_t> ready_{0};  // the generation of the file that has the tables
};

// How a job is run: see Mode, and Lane for the rest.
class Kind {
 public:
  explicit Kind(Mode m, std::size_t bytes = 0, std::uint64_t s = 0) noexcept
      : mode(m), weight(bytes), scope(s) {}
  detail::OperationKind operation() const noexcept {
    detail::OperationKind kind;
    kind.mode = static_cast<int>(mode);
    kind.weight = weight;
    kind.scope = scope;
    kind.epoch = generation;
    kind.quick = mode == Mode::read_one || mode == Mode::read;
    return kind;
  }
  // For the file whose tables are there. A bulk's later operations belong to what has begun.
  Kind in(std::uint64_t file) const noexcept {
    Kind kind(*this);
    if (mode != Mode::bulk_more && mode != Mode::bulk_commit) kind.generation = file;
    return kind;
  }

  Mode mode;
  std::size_t weight;
  std::uint64_t scope;
  std::uint64_t generation = 0;
};

class Database : public std::enable_shared_from_this<Database> {
 public:
  // The database of that file, shared within the process (an in-memory one is always new). Looks at the file
  // system, but opens nothing yet. Throws Error.
  static std::shared_ptr<Database> open(ResolvedPath const& path, SQLiteOptions const& options);

  ~Database();

  template <class Job>
  using Result = std::invoke_result_t<Job&, Handle&>;

  // Runs job(Handle&) as `kind` says: in a read transaction, which sees every write that completed before, or
  // in a write transaction, resuming after the commit.
  template <class Job>
  asio::awaitable<Result<Job>> run(std::shared_ptr<Schema> const& schema, Kind kind, Job job) {
    std::uint64_t const ready = schema->ready_.load(std::memory_order_acquire);
    // A bulk goes on where it has begun: what prepares another file would wait for it.
    bool const goes_on = kind.mode == Mode::bulk_more || kind.mode == Mode::bulk_commit;
    if (ready != file_->generation.load() && !goes_on) {
      return prepare_and_run(shared_from_this(), schema, kind, std::move(job));
    }
    if (inline_ && kind.mode == Mode::read_one)
      return run_inline(shared_from_this(), kind.in(ready), std::move(job));
    return submit(kind.in(ready), std::move(job));
  }
  template <class Job>
  asio::awaitable<Result<Job>> read(std::shared_ptr<Schema> const& schema, Job job) {
    return run(schema, Kind(Mode::read), std::move(job));
  }
  template <class Job>
  asio::awaitable<Result<Job>> write(std::shared_ptr<Schema> const& schema, Job job) {
    return run(schema, Kind(Mode::write), std::move(job));
  }

  // Begins it, and goes on; `done(std::exception_ptr)` is called on the executor. The job has to own what it
  // uses. False, and nothing, when the tables have to be looked for first.
  template <class Job, class Done>
  bool start(std::shared_ptr<Schema> const& schema, Kind kind, asio::any_io_executor const& executor, Job job,
             Done done) {
    std::uint64_t const ready = schema->ready_.load(std::memory_order_acquire);
    if (ready != file_->generation.load()) return false;
    check_process();
    detail::OffloadInitiation<void, Handle, Job, std::shared_ptr<Database>> begin(
        kind.in(ready).operation(), std::move(job), shared_from_this());
    std::move(begin)(asio::bind_executor(executor, std::move(done)), &lane_for(kind.mode));
    return true;
  }

  // Held by an operation of several steps. Between two of them it is in no lane's queue; close() waits for it
  // nevertheless.
  class Steps {
   public:
    explicit Steps(Database& database) noexcept : count_(database.steps_) { ++count_; }
    Steps(Steps const&) = delete;
    Steps& operator=(Steps const&) = delete;
    ~Steps() { --count_; }

   private:
    std::atomic<int>& count_;
  };

  // A new scope for Mode::bulk_begin and so on.
  static std::uint64_t new_scope() noexcept;
  // Rolls it back, if it has begun.
  void abandon(std::unique_ptr<AbandonedBulk> bulk) noexcept;

  // Completes after everything that was submitted before.
  asio::awaitable<void> drain();

  // Each cache that uses the database counts itself. The last one's close() closes the file on its lanes, so
  // that the caller's thread need not wait for the disk.
  void attach() noexcept { ++users_; }
  asio::awaitable<void> detach_and_drain();
  void detach() noexcept {
    if (is_own()) --users_;
  }

  // While the file is larger than that and has free pages, the writer gives some of them back whenever
  // nothing is queued for it. Of several users' bounds the smallest counts.
  void keep_within(std::uint64_t bytes) noexcept;

  WriteEpochs& epochs() noexcept { return epochs_; }

  std::string const& path() const noexcept { return file_->path(); }
  bool memory() const noexcept { return file_->memory(); }
  std::uint64_t commits() const noexcept { return file_->commits.load(); }
  std::uint64_t checkpoints() const noexcept { return file_->checkpoints.load(); }
  std::size_t readers() const noexcept { return readers_.size(); }
  SQLiteOptions const& options() const noexcept { return file_->options(); }
  std::chrono::milliseconds busy_timeout() const { return file_->busy_timeout(); }
  bool full_durability() const noexcept { return file_->full_durability(); }
  // Any lane: BEGIN IMMEDIATE, see FileState.
  void begin_write(Handle& handle) const { file_->begin_write(handle, busy_timeout()); }

 private:
  Database(std::string path, bool memory, SQLiteOptions const& options);

  template <class Job>
  asio::awaitable<Result<Job>> submit(Kind kind, Job job) {
    check_process();
    return detail::offload<Result<Job>, Handle>(lane_for(kind.mode), kind.operation(), std::move(job),
                                                shared_from_this());
  }

  template <class Job>
  static asio::awaitable<Result<Job>> prepare_and_run(std::shared_ptr<Database> self,
                                                      std::shared_ptr<Schema> schema, Kind kind, Job job) {
    Steps const steps(*self);
    co_await self->prepare(schema);
    Kind const prepared = kind.in(schema->ready_.load(std::memory_order_acquire));
    co_return co_await self->submit(prepared, std::move(job));
  }

  template <class Job>
  static asio::awaitable<Result<Job>> run_inline(std::shared_ptr<Database> self, Kind kind, Job job) {
    self->check_process();
    {
      InlineReader::Use use(*self->inline_, *self->file_);
      // (What comes late to a file that was opened anew is told so by the lane.)
      if (use && use.generation() == kind.generation) {
        if (use.needs_attention()) self->readers_.front()->look();
        try {
          co_return job(use.handle());
        } catch (...) {
          use.failed();
          throw;
        }
      }
    }
    co_return co_await self->submit(kind, std::move(job));
  }

  static int find_version(Handle& handle, Schema const& schema);
  asio::awaitable<bool> is_prepared(std::shared_ptr<Schema> schema);
  asio::awaitable<void> prepare(std::shared_ptr<Schema> schema);
  static asio::awaitable<void> finish_steps(std::shared_ptr<Database> self);
  // A file is not closed while a cache uses it: one may have come since another began to close.
  Mode still(Mode mode) const noexcept;
  // Of this process, not of its parent.
  bool is_own() const noexcept { return forks_ == detail::fork_generation(); }
  // The parent's file, if that was open at fork().
  std::optional<detail::FileIdentity> inherited() const;
  static asio::awaitable<void> on_all_lanes(std::shared_ptr<Database> self, Mode mode);
  detail::Lane& lane_for(Mode mode) noexcept;
  void check_process() const;

  std::shared_ptr<FileState> file_;
  std::vector<std::unique_ptr<detail::WorkerPool>> threads_;  // one for each lane, unless the user has some
  std::shared_ptr<WriterLane> writer_;
  std::vector<std::shared_ptr<ReaderLane>> readers_;  // none for an in-memory database
  std::atomic<std::size_t> next_reader_{0};
  std::shared_ptr<InlineReader> inline_;
  std::atomic<int> users_{0};
  std::atomic<int> steps_{0};  // operations of several steps
  WriteEpochs epochs_;
  unsigned forks_;
};

}  // namespace sqlite
}  // namespace v1
}  // namespace beast_cache
