#pragma once
// What of a database this process has written, for those who remember what they have read.

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <utility>

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
    friend bool operator==(Mark const&, Mark const&) = default;

   private:
    friend class WriteEpochs;
    std::uint64_t of_key_ = 0, of_all_ = 0;
  };

  Mark mark(std::string_view key) const noexcept {
    Mark mark;
    mark.of_key_ = of_keys_[slot(key)].load();
    mark.of_all_ = of_all_.load();
    return mark;
  }
  // After the commit.
  void written(std::string_view key) noexcept { ++of_keys_[slot(key)]; }
  void all_written() noexcept { ++of_all_; }

 private:
  std::size_t slot(std::string_view key) const noexcept {
    return std::hash<std::string_view>()(key) % of_keys_.size();
  }

  std::array<std::atomic<std::uint64_t>, 512> of_keys_{};
  std::atomic<std::uint64_t> of_all_{0};
};

// Lives in the coroutine that writes, so that it goes after the commit, whichever way the operation ends.
class Writing {
 public:
  Writing(WriteEpochs& epochs, std::string key) : epochs_(epochs), key_(std::move(key)) {}
  // Any key.
  explicit Writing(WriteEpochs& epochs) noexcept : epochs_(epochs) {}
  Writing(Writing const&) = delete;
  Writing& operator=(Writing const&) = delete;
  ~Writing() {
    if (key_.empty()) {
      epochs_.all_written();
    } else {
      epochs_.written(key_);
    }
  }

 private:
  WriteEpochs& epochs_;
  std::string const key_;
};

}  // namespace sqlite
}  // namespace v1
}  // namespace beast_cache
