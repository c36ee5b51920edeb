#pragma once
// Bodies that are too large for a row, in pieces of 256 KiB: `responses_bodies` and `responses_chunks` of
// sqlite_format.hpp.
//
// A body can be seen when the row in `responses` is committed. A trigger notes when the last row that has it
// goes, whoever removes it; every later write removes some of what is left, but not what this process is
// reading. What a killed process was writing counts as left after ten minutes without a new piece.
//
// Who looks up in a snapshot from before the removal still sees the row, but could not read the pieces: what
// this process removes is not found any more from then on, unless the removal is rolled back.

#include <atomic>
#include <chrono>
#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include "backend/at_rest.hpp"
#include "backend/response_row.hpp"
#include "backend/sqlite_schema.hpp"
#include "beast_cache/backend/stored_response.hpp"
#include "storage/sqlite/database.hpp"

namespace beast_cache {
inline namespace v1 {
namespace detail {

class LargeBody;
class LargeBodies;

// The tokens of those that one write removes, until it is known whether that was committed.
class Doomed {
 public:
  explicit Doomed(std::shared_ptr<LargeBodies> bodies) noexcept : bodies_(std::move(bodies)) {}
  Doomed(Doomed const&) = delete;
  Doomed& operator=(Doomed const&) = delete;
  ~Doomed() { spare(); }
  // It was rolled back.
  void spare() noexcept;
  // It was committed.
  void leave() noexcept;

 private:
  friend class LargeBodies;
  std::shared_ptr<LargeBodies> const bodies_;
  std::list<std::string> tokens_;
};

// Those of one database. Thread safety: all functions; those with a Handle run on its lane.
class LargeBodies : public std::enable_shared_from_this<LargeBodies> {
 public:
  static constexpr std::size_t piece_size = 256 * 1024;

  LargeBodies(std::shared_ptr<sqlite::Database> database, Seal seal, AtRest at_rest,
              std::shared_ptr<Clock const> clock)
      : database_(std::move(database)),
        seal_(std::move(seal)),
        at_rest_(std::move(at_rest)),
        clock_(std::move(clock)) {}

  static void create(sqlite::Handle& handle);

  sqlite::Database& database() const noexcept { return *database_; }
  Seal const& seal() const noexcept { return seal_; }
  AtRest const& at_rest() const noexcept { return at_rest_; }

  // Runs a job in a transaction on the database's lane. The job has to outlive the operation.
  template <class Job>
  asio::awaitable<std::invoke_result_t<Job&, sqlite::Handle&>> read(Job& job) {
    return database_->read(schema_, Reference<Job>(job));
  }
  // Begins one that owns what it uses, see Database::start.
  template <class Job, class Done>
  bool start_read(asio::any_io_executor const& executor, Job job, Done done) {
    return database_->start(schema_, sqlite::Kind(sqlite::Mode::read), executor, std::move(job),
                            std::move(done));
  }
  template <class Job, class Done>
  bool start_write(asio::any_io_executor const& executor, Job job, Done done, std::size_t weight) {
    auto const doomed = std::make_shared<Doomed>(shared_from_this());
    auto sweeping = [job = std::move(job), doomed](sqlite::Handle& handle) mutable {
      return doomed->bodies_->run(job, handle, *doomed);
    };
    auto settled = [done = std::move(done), doomed](std::exception_ptr const& failure) mutable {
      if (!failure) doomed->leave();
      done(failure);
    };
    return database_->start(schema_, sqlite::Kind(sqlite::Mode::write, weight), executor, std::move(sweeping),
                            std::move(settled));
  }
  // @param weight About how many bytes it writes.
  template <class Job>
  asio::awaitable<std::invoke_result_t<Job&, sqlite::Handle&>> write(Job& job, std::size_t weight = 0) {
    return write(shared_from_this(), &job, sqlite::Kind(sqlite::Mode::write, weight));
  }
  // One that changes many rows. In a transaction of its own, where it can be cancelled half-way, SQLite need
  // not keep what the pages were before.
  template <class Job>
  asio::awaitable<std::invoke_result_t<Job&, sqlite::Handle&>> write_many(Job& job) {
    return write(shared_from_this(), &job, sqlite::Kind(sqlite::Mode::write_alone));
  }

  // A row's body_checksum. Its token, or nothing for a body within the row.
  static std::string checksum_of(std::string_view token);
  static std::string_view token_of(std::string_view body_checksum) noexcept;

  // One that a row names: what is there then stays. Null when it is being removed.
  std::shared_ptr<LargeBody const> find(std::int64_t id, std::string_view token, std::uint64_t size);
  static bool is_there(sqlite::Handle& handle, LargeBody const& body);
  // The body of a response that is to be stored. Throws Error(invalid_argument) for another backend's.
  LargeBody const& own(StoredBody::Source const& source) const;

  std::shared_ptr<LargeBody const> begin(sqlite::Handle& handle);
  // Throws Error(changed) when it took too long, and the body was removed.
  // @param compressible Whether that is worth trying. Returns whether it was.
  bool append(sqlite::Handle& handle, LargeBody const& body, std::uint64_t number, std::string_view data,
              bool compressible);
  // A row of `responses` has it now. Throws Error(changed) when it is gone.
  void keep(sqlite::Handle& handle, LargeBody const& body) const;
  // A damaged one does not come up any more.
  void drop(sqlite::Handle& handle, LargeBody const& body) const;
  // Throws Error(changed) when the body is not there any more.
  void check_there(sqlite::Handle& handle, LargeBody const& body) const;
  // Reads a piece of that size. Returns its checksum, with which it has to be checked. Throws
  // Error(bad_value) when it is not there.
  std::string read(sqlite::Handle& handle, LargeBody const& body, std::uint64_t number, char* to,
                   std::size_t size) const;
  // Any thread. Throws Error(bad_value) or Error(bad_signature).
  void check(LargeBody const& body, std::uint64_t number, std::string_view checksum,
             std::string_view data) const;

  // Removes what is left, up to `most` pieces. Returns whether there is more.
  bool sweep(sqlite::Handle& handle, std::size_t most = 64);
  static bool anything_left(sqlite::Handle& handle);
  // The responses of a table that is emptied have none.
  static void clear(sqlite::Handle& handle);

  // What is held is not swept.
  void hold(std::int64_t id);
  void release(std::int64_t id) noexcept;
  // Never stored. By its token: if its first piece was rolled back, another body has its number.
  void abandon(std::string const& token);

 private:
  friend class Doomed;

  template <class Job>
  class Reference {
   public:
    explicit Reference(Job& job) noexcept : job_(&job) {}
    auto operator()(sqlite::Handle& handle) { return (*job_)(handle); }

   private:
    Job* job_;
  };

  // Of so many it is remembered that they were removed: more than go while anyone reads in one snapshot.
  static constexpr std::size_t most_removed = 1024;

  // (The job lives in the caller's coroutine, which does not go before it.)
  template <class Job>
  static asio::awaitable<std::invoke_result_t<Job&, sqlite::Handle&>> write(std::shared_ptr<LargeBodies> self,
                                                                            Job* job, sqlite::Kind kind) {
    using Result = std::invoke_result_t<Job&, sqlite::Handle&>;
    Doomed doomed(self);
    auto sweeping = [&doomed, job,
                     many = kind.mode == sqlite::Mode::write_alone](sqlite::Handle& handle) -> Result {
      std::optional<sqlite::RoomForChanges> room;
      if (many) room.emplace(handle);
      return doomed.bodies_->run(*job, handle, doomed);
    };
    if constexpr (std::is_void_v<Result>) {
      co_await self->database_->run(self->schema_, kind, std::move(sweeping));
      doomed.leave();
    } else {
      Result result = co_await self->database_->run(self->schema_, kind, std::move(sweeping));
      doomed.leave();
      co_return result;
    }
  }
  // On the lane that writes.
  template <class Job>
  std::invoke_result_t<Job&, sqlite::Handle&> run(Job& job, sqlite::Handle& handle, Doomed& doomed) {
    sweeping_ = &doomed;
    try {
      return job(handle);
    } catch (...) {
      // Its savepoint is rolled back: a transaction that it shares may be committed nevertheless.
      doomed.spare();
      throw;
    }
  }

  // Of a row of those that are not stored.
  bool is_left(sqlite::Statement const& row);
  // From now on it is not found. False when somebody has it.
  bool doom(std::int64_t id, std::string const& token);

  std::shared_ptr<sqlite::Database> const database_;
  Seal const seal_;
  AtRest const at_rest_;
  std::shared_ptr<sqlite::Schema> const schema_ = std::make_shared<ResponseSchema>(at_rest_.key_check());
  std::shared_ptr<Clock const> const clock_;
  std::mutex mutex_;
  std::map<std::int64_t, int> held_;
  std::set<std::string> abandoned_;
  std::set<std::string> doomed_;
  std::list<std::string> removed_;  // of these, those that will not be there again; the oldest first
  Doomed* sweeping_ = nullptr;      // of the job that runs on the lane that writes
};

// One of them, held.
class LargeBody final : public StoredBody::Source, public std::enable_shared_from_this<LargeBody> {
 public:
  LargeBody(std::shared_ptr<LargeBodies> bodies, std::int64_t id, std::string token, std::uint64_t size)
      : bodies_(std::move(bodies)), id_(id), token_(std::move(token)), size_(size) {
    bodies_->hold(id_);
  }
  ~LargeBody() override { bodies_->release(id_); }

  LargeBodies& bodies() const noexcept { return *bodies_; }
  std::int64_t id() const noexcept { return id_; }
  std::string const& token() const noexcept { return token_; }
  std::uint64_t size() const noexcept override { return size_; }
  // Should it turn out to be damaged, it is left as it is.
  void keep_damaged() const noexcept { keeps_damaged_ = true; }
  bool keeps_damaged() const noexcept { return keeps_damaged_; }
  std::unique_ptr<BodyReader> open(std::uint64_t first, std::uint64_t count) const override;
  std::shared_ptr<LargeBody const> with_size(std::uint64_t size) const {
    return std::make_shared<LargeBody>(bodies_, id_, token_, size);
  }

 private:
  std::shared_ptr<LargeBodies> const bodies_;
  std::int64_t const id_;
  std::string const token_;
  std::uint64_t const size_;
  mutable std::atomic<bool> keeps_damaged_{false};
};

}  // namespace detail
}  // namespace v1
}  // namespace beast_cache
