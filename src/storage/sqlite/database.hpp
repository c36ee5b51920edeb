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
#include <cstdint>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>

#include "beast_cache/storage/sqlite_options.hpp"
#include "detail/offload.hpp"
#include "detail/worker_pool.hpp"
#include "storage/sqlite/handle.hpp"
#include "storage/sqlite/lane.hpp"
#include "storage/sqlite/path.hpp"

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
  // Brings the tables of an older version up to date. Throws for what it does not know.
  virtual void migrate(Handle& handle, int from) const;

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

class Database : public std::enable_shared_from_this<Database> {
 public:
  // The database of that file, shared within the process (an in-memory one is always new). Looks at the file
  // system, but opens nothing yet. Throws Error.
  static std::shared_ptr<Database> open(ResolvedPath const& path, SQLiteOptions const& options);

  ~Database();

  // Runs job(Handle&) in a read transaction; sees every write that was awaited before, by anyone in the
  // process.
  template <class Job>
  asio::awaitable<std::invoke_result_t<Job&, Handle&>> read(std::shared_ptr<Schema> schema, Job job,
                                                            Mode mode = Mode::read) {
    return run(std::move(schema), mode, std::move(job));
  }

  // Runs job(Handle&) in a write transaction and resumes after the commit.
  template <class Job>
  asio::awaitable<std::invoke_result_t<Job&, Handle&>> write(std::shared_ptr<Schema> schema, Job job,
                                                             Mode mode = Mode::write) {
    return run(std::move(schema), mode, std::move(job));
  }

  // Completes after everything that was submitted before.
  asio::awaitable<void> drain();

  // Each cache that uses the database counts itself. The last one's close() closes the file on its lanes, so
  // that the caller's thread need not wait for the disk.
  void attach() noexcept { ++users_; }
  asio::awaitable<void> detach_and_drain();
  void detach() noexcept { --users_; }

  std::string const& path() const noexcept { return file_->path(); }
  std::uint64_t commits() const noexcept { return file_->commits.load(); }
  std::uint64_t checkpoints() const noexcept { return file_->checkpoints.load(); }

 private:
  Database(std::string path, bool memory, SQLiteOptions const& options);

  template <class Job>
  asio::awaitable<std::invoke_result_t<Job&, Handle&>> run(std::shared_ptr<Schema> schema, Mode mode,
                                                           Job job) {
    if (schema->ready_.load(std::memory_order_acquire) == file_->generation.load()) {
      return submit(mode, std::move(job));
    }
    return prepare_and_run(shared_from_this(), std::move(schema), mode, std::move(job));
  }

  template <class Job>
  asio::awaitable<std::invoke_result_t<Job&, Handle&>> submit(Mode mode, Job job) {
    using R = std::invoke_result_t<Job&, Handle&>;
    check_process();
    return detail::offload<R, Handle>(lane_for(mode), static_cast<int>(mode), std::move(job),
                                      shared_from_this());
  }

  template <class Job>
  static asio::awaitable<std::invoke_result_t<Job&, Handle&>> prepare_and_run(std::shared_ptr<Database> self,
                                                                              std::shared_ptr<Schema> schema,
                                                                              Mode mode, Job job) {
    co_await self->prepare(schema);
    co_return co_await self->submit(mode, std::move(job));
  }

  asio::awaitable<void> prepare(std::shared_ptr<Schema> schema);
  asio::awaitable<void> on_all_lanes(Mode mode);
  detail::Lane& lane_for(Mode mode) noexcept;
  void check_process() const;

  std::shared_ptr<FileState> file_;
  std::unique_ptr<detail::WorkerPool> pool_;
  std::shared_ptr<WriterLane> writer_;
  std::shared_ptr<ReaderLane> reader_;  // null for an in-memory database: its one handle does both
  std::atomic<int> users_{0};
  unsigned forks_;
};

}  // namespace sqlite
}  // namespace v1
}  // namespace beast_cache
