#include "storage/value_steps.hpp"

#include <algorithm>

namespace beast_cache {
inline namespace v1 {
namespace detail {
namespace {

using sqlite::Handle;
using sqlite::Kind;
using sqlite::Mode;

constexpr std::size_t piece_size = 256 * 1024;
// A hop is worth about as much as reading this.
constexpr std::size_t window_size = 1024 * 1024;

}  // namespace

asio::awaitable<std::optional<ValueReader>> ValueSteps::open(std::shared_ptr<ValueSteps> self) {
  auto job = [&](Handle& handle) { return self->table_->open(handle, self->pieces_); };
  bool const found = co_await self->database_->run(self->table_, Kind(Mode::read_one), job);
  std::optional<ValueReader> reader;
  if (found) reader.emplace(self);
  co_return reader;
}

std::string_view ValueSteps::from_window() noexcept {
  std::string_view const piece = std::string_view(window_).substr(given_, piece_size);
  given_ += piece.size();
  return piece;
}

asio::awaitable<std::string_view> ValueSteps::next(std::shared_ptr<ValueSteps> self) {
  if (self->failure_) std::rethrow_exception(self->failure_);
  if (self->given_ == self->window_.size()) {
    std::uint64_t const left = self->pieces_.size - self->pieces_.offset;
    if (left == 0) co_return std::string_view();
    self->given_ = 0;
    self->window_.resize(static_cast<std::size_t>(std::min<std::uint64_t>(left, window_size)));
    auto job = [&](Handle& handle) { self->table_->read(handle, self->pieces_, self->window_); };
    try {
      co_await self->database_->run(self->table_, Kind(Mode::read), job);
    } catch (...) {
      self->window_.clear();
      // A cancelled step can be taken again; a value that is not what it was stays so.
      if (self->pieces_.bad) self->failure_ = std::current_exception();
      throw;
    }
  }
  co_return self->from_window();
}

asio::awaitable<std::optional<ValueReader>> open_steps(std::shared_ptr<sqlite::Database> database,
                                                       std::shared_ptr<sqlite::CacheTable> table,
                                                       std::string key) {
  return ValueSteps::open(
      std::make_shared<ValueSteps>(std::move(database), std::move(table), std::move(key)));
}

}  // namespace detail

ValueReader::ValueReader(std::shared_ptr<detail::ValueSteps> steps) noexcept : steps_(std::move(steps)) {}
ValueReader::ValueReader(ValueReader&&) noexcept = default;
ValueReader& ValueReader::operator=(ValueReader&&) noexcept = default;
ValueReader::~ValueReader() = default;

std::uint64_t ValueReader::size() const noexcept {
  return steps_->size();
}

asio::awaitable<std::string_view> ValueReader::next() {
  return detail::ValueSteps::next(steps_);
}

}  // namespace v1
}  // namespace beast_cache
