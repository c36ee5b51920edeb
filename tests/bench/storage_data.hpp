#pragma once
// What is stored: the keys, the values, and the files that hold them.

#include <string>
#include <string_view>
#include <vector>

#include "beast_cache/storage/sqlite_connection.hpp"
#include "support/suite.hpp"

namespace bench {

/// The keys of a file in a random order that the seed decides, over and over again.
class Keys {
 public:
  explicit Keys(std::size_t entries, unsigned seed = 1);
  std::string const& next() noexcept {
    std::string const& key = keys_[at_];
    if (++at_ == keys_.size()) at_ = 0;
    return key;
  }
  std::vector<std::string> next(std::size_t count);
  std::size_t size() const noexcept { return keys_.size(); }

 private:
  std::vector<std::string> keys_;
  std::size_t at_ = 0;
};

/// Values that do not compress, and differ from key to key and from one process to the next: SQLite writes
/// nothing when it is given the value that is there already.
class Values {
 public:
  explicit Values(std::size_t size);
  std::string next() {
    at_ = (at_ + 61) % spread;
    return std::string(bytes_, at_, size_);
  }

 private:
  static constexpr std::size_t spread = 4096;
  std::size_t size_;
  std::size_t at_;
  std::string bytes_;
};

/// The files of a run: made by the library, copied for the raw side, removed at the end.
class Files {
 public:
  explicit Files(std::string directory);
  Files(Files const&) = delete;
  Files& operator=(Files const&) = delete;
  ~Files();

  /// The arguments of a variant that runs on the library's file, or on the raw side's copy of it.
  Arguments ours(std::size_t entries, std::size_t value_size) const;
  Arguments raw(std::size_t entries, std::size_t value_size) const;
  /// Makes both, if they are not there yet.
  std::function<void()> make(std::size_t entries, std::size_t value_size) const;

 private:
  std::string path(std::size_t entries, std::size_t value_size) const;
  std::string directory_;
};

/// The PRAGMAs of a handle of the library's, for the raw side.
std::string pragmas(beast_cache::SQLiteConnection& connection);

/// A copy of a database file at rest, written through to the disk: the measured part does not pay for it.
void copy_file(std::string const& from, std::string const& to);

/// @throws std::runtime_error if not \p good: what was read is not what was written.
void check(bool good);

/// Variant: makes a cache file. Arguments: file, entries, value-size.
Figures fill(Arguments const& arguments);

}  // namespace bench
