// A file that is larger than its users want becomes smaller while its writer has nothing else to do.

#include "storage/sqlite/lane.hpp"

namespace beast_cache {
inline namespace v1 {
namespace sqlite {
namespace {

// So many pages are freed in one go, or as many as can be in that time: an operation that comes meanwhile
// waits for it.
constexpr char free_pages[] = "PRAGMA incremental_vacuum(64)";
constexpr std::chrono::milliseconds free_time{1};
// How often to look whether the readers have left what is to be cut off.
constexpr int most_tries = 50;

}  // namespace

void WriterLane::may_shrink() noexcept {
  shrink_tries_ = most_tries;
}

// Nothing is queued: a file that is too large becomes smaller by a little. True if that should go on.
bool WriterLane::shrink() noexcept {
  std::uint64_t const bound = file().max_bytes.load(std::memory_order_relaxed);
  awaits_readers_ = false;
  if (bound == 0 || shrink_tries_ == 0 || bulk_ != 0 || !has_handle()) return false;
  auto const ask = [&](char const* pragma) {
    Statement query = handle().statement(pragma);
    return query.step() ? static_cast<std::uint64_t>(query.integer(0)) : 0;
  };
  try {
    bool const is_large = ask("PRAGMA page_count") * ask("PRAGMA page_size") > bound;
    if (is_large && ask("PRAGMA freelist_count") != 0 && free_some()) return cuts_file_ = true;
    if (!cuts_file_) {
      shrink_tries_ = 0;
      return false;
    }
    --shrink_tries_;
    // The file gets shorter when all of the log has been moved into it, which readers may delay.
    if (lock_out_writers()) {
      cuts_file_ = !move_log();
      let_in_writers();
    }
    awaits_readers_ = cuts_file_ && shrink_tries_ != 0;
    return awaits_readers_;
  } catch (...) {
    // It is tried again after the next commit.
    roll_back();
    shrink_tries_ = 0;
    return false;
  }
}

bool WriterLane::free_some() {
  // Whoever else writes to the file is not waited for.
  handle().start_busy_deadline(std::chrono::milliseconds(0));
  handle().statement("BEGIN IMMEDIATE").run();
  bool freed = false;
  if (file().is_in_place()) {
    auto const deadline = Clock::now() + free_time;
    Statement vacuum = handle().statement(free_pages);
    bool more = true;
    while (more) {
      more = vacuum.step();
      freed = freed || more;
      more = more && Clock::now() < deadline;
    }
  }
  if (!freed) {
    roll_back();
    return false;
  }
  commit();
  committed();
  return true;
}

}  // namespace sqlite
}  // namespace v1
}  // namespace beast_cache
