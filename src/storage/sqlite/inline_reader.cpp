#include "storage/sqlite/inline_reader.hpp"

#include <utility>

namespace beast_cache {
inline namespace v1 {
namespace sqlite {

InlineReader::Use::Use(InlineReader& reader, FileState& file)
    : reader_(reader), lock_(reader.mutex_, std::try_to_lock) {
  if (!lock_.owns_lock()) return;
  try {
    reader.open(file);
    if (!reader.keeps_) {
      reader.transaction_.check_place(file, std::chrono::steady_clock::now());
      handle().start_busy_deadline(file.busy_timeout());
      return;
    }
    reader.transaction_.enter(handle(), file, std::chrono::steady_clock::now());
  } catch (Error const& error) {
    reader.handle_.reset();
    if (error.code() == cache_errc::moved) ++file.generation;
    throw;
  }
  needs_attention_ = !std::exchange(reader.attended_, true);
}

void InlineReader::open(FileState& file) {
  std::uint64_t const generation = file.generation.load();
  if (handle_ && generation_ == generation) return;
  handle_.reset();
  handle_ = file.open(FileState::Role::reader);
  generation_ = generation;
  if (keeps_) handle_->use_feeds();
}

InlineReader::TimePoint InlineReader::stay_until(FileState const& file) noexcept {
  std::unique_lock const lock(mutex_, std::try_to_lock);
  if (!lock.owns_lock()) return std::chrono::steady_clock::now() + file.options().hold_time();
  return handle_ && handle_->in_transaction() ? transaction_.end(file) : TimePoint::min();
}

bool InlineReader::leave(FileState const& file) noexcept {
  std::unique_lock const lock(mutex_, std::try_to_lock);
  if (!lock.owns_lock()) return false;
  if (handle_ && handle_->in_transaction()) {
    if (std::chrono::steady_clock::now() < transaction_.end(file)) return false;
    try {
      transaction_.leave(*handle_);
    } catch (...) {
      handle_.reset();
    }
  }
  attended_ = false;
  return true;
}

void InlineReader::close() noexcept {
  std::lock_guard const lock(mutex_);
  handle_.reset();
}

}  // namespace sqlite
}  // namespace v1
}  // namespace beast_cache
