#include "storage/value_steps.hpp"

#include <algorithm>

#include "storage/windows.hpp"

namespace beast_cache {
inline namespace v1 {
namespace detail {
namespace {

using sqlite::Handle;
using sqlite::Kind;
using sqlite::Mode;

constexpr std::size_t piece_size = 256 * 1024;

}  // namespace

ValueSteps::~ValueSteps() {
  if (window_) Windows::instance().give(std::move(window_));
}

// On the lane.
void ValueSteps::fill(Handle& handle) {
  if (!window_) window_ = Windows::instance().take();
  given_ = filled_ = 0;
  std::uint64_t const left = pieces_.size - pieces_.offset;
  std::size_t const size = static_cast<std::size_t>(std::min<std::uint64_t>(left, Windows::size));
  // (Of an empty value there is only the check.)
  table_->read(handle, pieces_, window_.get(), size);
  filled_ = size;
}

asio::awaitable<std::optional<ValueReader>> ValueSteps::open(std::shared_ptr<ValueSteps> self) {
  // The first piece comes along.
  auto job = [&](Handle& handle) {
    if (!self->table_->open(handle, self->pieces_)) return false;
    self->fill_or_remember(handle, false);
    return true;
  };
  bool const found = co_await self->database_->run(self->table_, Kind(Mode::read), job);
  std::optional<ValueReader> reader;
  if (found) reader.emplace(self);
  co_return reader;
}

// A value that is not what it was, or is damaged, stays so.
void ValueSteps::fill_or_remember(Handle& handle, bool may_have_changed) {
  try {
    if (may_have_changed) table_->check_unchanged(handle, pieces_);
    fill(handle);
  } catch (...) {
    if (!pieces_.bad) throw;
    failure_ = std::current_exception();
  }
}

std::string_view ValueSteps::from_window() noexcept {
  std::string_view const piece(window_.get() + given_, std::min(piece_size, filled_ - given_));
  given_ += piece.size();
  return piece;
}

asio::awaitable<std::string_view> ValueSteps::next(std::shared_ptr<ValueSteps> self) {
  if (!self->failure_ && self->given_ == self->filled_) {
    if (self->pieces_.offset == self->pieces_.size) co_return std::string_view();
    auto job = [&](Handle& handle) { self->fill_or_remember(handle, true); };
    co_await self->database_->run(self->table_, Kind(Mode::read), job);
  }
  if (self->failure_) std::rethrow_exception(self->failure_);
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
