#pragma once
// What of a database this process has written, for those who remember what they have read.

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string_view>

#include "beast_cache/config.hpp"

namespace beast_cache {
inline namespace v1 {
namespace sqlite {

// Thread safety: all functions.
class WriteEpochs {
 public:
  // Taken before something is read. As long as the mark of its key is the same, nothing has been written
  // there since. (Two keys may share a mark; then one seems to be written with the other.)
  class Mark {
   public:
    // Whether somebody was writing just then: what is read may be what was before, or not be there for long.
    bool is_being_written() const noexcept { return writers_ != 0; }
    friend bool operator==(Mark const&, Mark const&) = default;

   private:
    friend class WriteEpochs;
    std::uint64_t of_key_ = 0, of_all_ = 0;
    std::uint32_t writers_ = 0;
  };

  Mark mark(std::string_view key) const noexcept {
    Slot const& of_key = keys_[slot(key)];
    Mark mark;
    mark.writers_ = of_key.writers.load() + all_.writers.load();
    mark.of_key_ = of_key.epoch.load();
    mark.of_all_ = all_.epoch.load();
    return mark;
  }
  // All keys, whoever it was.
  void all_written() noexcept { ++all_.epoch; }

 private:
  friend class Writing;
  class Slot {
   public:
    std::atomic<std::uint64_t> epoch{0};
    std::atomic<std::uint32_t> writers{0};
  };

  std::size_t slot(std::string_view key) const noexcept {
    return std::hash<std::string_view>()(key) % keys_.size();
  }

  std::array<Slot, 1024> keys_{};
  Slot all_;
};

// Lives in the coroutine that writes, so that it goes after the commit, whichever way the operation ends and
// however late.
class Writing {
 public:
  Writing(WriteEpochs& epochs, std::string_view key) noexcept : Writing(epochs.keys_[epochs.slot(key)]) {}
  // Any key.
  explicit Writing(WriteEpochs& epochs) noexcept : Writing(epochs.all_) {}
  Writing(Writing const&) = delete;
  Writing& operator=(Writing const&) = delete;
  ~Writing() {
    ++slot_.epoch;
    --slot_.writers;
  }

 private:
  explicit Writing(WriteEpochs::Slot& slot) noexcept : slot_(slot) { ++slot_.writers; }

  WriteEpochs::Slot& slot_;
};

}  // namespace sqlite
}  // namespace v1
}  // namespace beast_cache
