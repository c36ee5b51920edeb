#include "storage_data.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <random>
#include <stdexcept>
#include <system_error>

#include "storage_ours.hpp"

namespace bench {
namespace {

// What the raw side takes over, as one text of PRAGMAs for each of the two handles.
constexpr char const* mirrored[] = {"cache_size",      "mmap_size",   "secure_delete",
                                    "cell_size_check", "synchronous", "journal_size_limit"};

asio::awaitable<void> fill_cache(SQLiteCache* cache, std::size_t entries, std::size_t value_size,
                                 std::string* reader, std::string* writer) {
  Keys keys(entries, 7);
  Values values(value_size);
  std::size_t const batch = std::max<std::size_t>(1, (4u << 20) / value_size);
  for (std::size_t done = 0; done < entries;) {
    std::vector<SQLiteCache::Entry> chunk;
    for (; chunk.size() < batch && done < entries; ++done) chunk.emplace_back(keys.next(), values.next());
    co_await cache->write_many(std::move(chunk));
  }
  *reader = co_await cache->get_connection(pragmas, beast_cache::ConnectionUse::read);
  *writer = co_await cache->get_connection(pragmas, beast_cache::ConnectionUse::write_autocommit);
  co_await cache->close();
}

void flush_file(std::string const& path) {
  int const file = ::open(path.c_str(), O_RDWR | O_CLOEXEC);
  if (file < 0 || ::fsync(file) != 0) throw std::system_error(errno, std::generic_category(), path);
  ::close(file);
}

}  // namespace

Keys::Keys(std::size_t entries, unsigned seed) {
  keys_.reserve(entries);
  for (std::size_t i = 0; i < entries; ++i) {
    std::string const digits = std::to_string(i);
    keys_.push_back("item-" + std::string(7 - std::min<std::size_t>(7, digits.size()), '0') + digits);
  }
  std::shuffle(keys_.begin(), keys_.end(), std::mt19937_64(seed));
}

std::vector<std::string> Keys::next(std::size_t count) {
  std::vector<std::string> out;
  out.reserve(count);
  for (std::size_t i = 0; i < count; ++i) out.push_back(next());
  return out;
}

Values::Values(std::size_t size)
    : size_(size), at_(std::random_device()() % spread), bytes_(size + spread, '\0') {
  std::mt19937_64 random(size);
  for (char& byte : bytes_) byte = static_cast<char>(random());
}

void check(bool good) {
  if (!good) throw std::runtime_error("an entry is missing, or not what was written");
}

std::string pragmas(beast_cache::SQLiteConnection& connection) {
  std::string out;
  for (char const* const name : mirrored) {
    std::string const pragma = std::string("PRAGMA ") + name;
    out += pragma + "=" + std::to_string(connection.query_integer(pragma)) + ";";
  }
  return out;
}

void copy_file(std::string const& from, std::string const& to) {
  std::filesystem::copy_file(from, to, std::filesystem::copy_options::overwrite_existing);
  flush_file(to);
}

Files::Files(std::string directory) : directory_(std::move(directory)) {
  std::filesystem::create_directories(directory_);
}

Files::~Files() {
  std::error_code ignored;
  for (auto const& entry : std::filesystem::directory_iterator(directory_, ignored)) {
    if (entry.path().filename().string().starts_with("bench-"))
      std::filesystem::remove(entry.path(), ignored);
  }
}

std::string Files::path(std::size_t entries, std::size_t value_size) const {
  return directory_ + "/bench-" + std::to_string(entries) + "x" + std::to_string(value_size);
}

Arguments Files::ours(std::size_t entries, std::size_t value_size) const {
  Arguments arguments;
  return arguments.with("file", path(entries, value_size) + ".sqlite")
      .with("entries", entries)
      .with("value-size", value_size);
}

Arguments Files::raw(std::size_t entries, std::size_t value_size) const {
  return ours(entries, value_size).with("file", path(entries, value_size) + ".raw.sqlite");
}

std::function<void()> Files::make(std::size_t entries, std::size_t value_size) const {
  return [made = path(entries, value_size), arguments = ours(entries, value_size)] {
    if (std::filesystem::exists(made + ".raw.sqlite")) return;
    std::filesystem::remove(made + ".sqlite");
    run_child("fill", arguments);
    flush_file(made + ".sqlite");
    copy_file(made + ".sqlite", made + ".raw.sqlite");
    copy_file(made + ".sqlite.pragmas", made + ".raw.sqlite.pragmas");
  };
}

Figures fill(Arguments const& arguments) {
  SQLiteCache cache = open_cache(arguments);
  asio::io_context io;
  std::string reader, writer;
  spawn(io,
        fill_cache(&cache, arguments.number("entries"), arguments.number("value-size"), &reader, &writer));
  io.run();
  std::ofstream(arguments.text("file") + ".pragmas") << reader << '\n' << writer << '\n';
  return {};
}

}  // namespace bench
