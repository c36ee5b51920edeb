// Does this compiler keep the promises that the rules for coroutines rest on? Each case is a shape that the
// library, its README and its users rely on; every temporary and every local must be destroyed exactly once,
// whatever the compiler does with the coroutine frame. A new compiler that fails here needs a new rule in
// shapes.cq.
#include <boost/asio/async_result.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <exception>
#include <iostream>
#include <optional>
#include <set>
#include <stdexcept>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace asio = boost::asio;
using asio::awaitable;

namespace {

std::set<void const*> alive;
int destroyed_twice = 0;

// Knows every object of its kind that is alive: a frame that destroys a temporary twice, or never, shows
// here.
class Tracked {
 public:
  explicit Tracked(int value = 0) : value_(value) { alive.insert(this); }
  Tracked(Tracked const& other) : value_(other.value_) { alive.insert(this); }
  Tracked(Tracked&& other) noexcept : value_(std::exchange(other.value_, 0)) { alive.insert(this); }
  Tracked& operator=(Tracked const&) = default;
  Tracked& operator=(Tracked&&) = default;
  ~Tracked() { destroyed_twice += alive.erase(this) == 0; }
  int value() const { return value_; }

 private:
  int value_;
};

// What the library's own option types look like: never an aggregate, set by chained setters.
class Options {
 public:
  Options() = default;
  Options& header(std::string value) {
    headers_.push_back(std::move(value));
    return *this;
  }
  std::size_t size() const { return headers_.size(); }

 private:
  Tracked tracked_;
  std::vector<std::string> headers_;
};

// An aggregate is safe when it has a name and is moved.
struct Aggregate {
  Tracked tracked;
  std::string text;
};

std::string const text = "too long for the small-string optimisation, so a double free shows";

awaitable<void> suspend() {
  auto executor = co_await asio::this_coro::executor;
  co_await asio::post(executor, asio::use_awaitable);
}
awaitable<bool> yes() {
  co_await suspend();
  co_return true;
}
template <class T>
awaitable<T> echo(T value) {
  co_await suspend();
  co_return value;
}
awaitable<int> by_reference(Tracked const& tracked) {
  co_await suspend();
  co_return tracked.value();
}
awaitable<std::size_t> count(Options options = {}) {
  co_await suspend();
  co_return options.size();
}
awaitable<std::size_t> length(Aggregate aggregate) {
  co_await suspend();
  co_return aggregate.text.size() * (aggregate.tracked.value() == 4);
}
awaitable<Aggregate> make_aggregate() {
  co_await suspend();
  co_return Aggregate{Tracked(4), text};
}
template <class F>
awaitable<int> call(F function) {
  co_await suspend();
  co_return function();
}
awaitable<std::vector<Tracked>> several() {
  co_await suspend();
  std::vector<Tracked> result;
  result.emplace_back(1);
  result.emplace_back(2);
  co_return result;
}
awaitable<void> fail() {
  co_await suspend();
  throw std::runtime_error(text);
}

// The fluent builder: an object that is awaited through its own operator().
class Builder {
 public:
  explicit Builder(Tracked tracked) : tracked_(std::move(tracked)) {}
  Builder header(std::string value) && {
    options_.header(std::move(value));
    return std::move(*this);
  }
  awaitable<int> send() && { return run(std::move(tracked_), std::move(options_)); }

 private:
  static awaitable<int> run(Tracked tracked, Options options) {
    co_await suspend();
    co_return tracked.value() + static_cast<int>(options.size());
  }
  Tracked tracked_;
  Options options_;
};

awaitable<bool> temporary_argument() {
  Tracked const result = co_await echo(Tracked(4));
  co_return result.value() == 4;
}
awaitable<bool> temporary_by_reference() {
  int const value = co_await by_reference(Tracked(4));
  co_return value == 4;
}
awaitable<bool> chained_setters() {
  std::size_t const size = co_await count(Options().header(text).header(text));
  co_return size == 2;
}
awaitable<bool> default_argument() {
  std::size_t const size = co_await count();
  co_return size == 0;
}
awaitable<bool> fluent_builder() {
  int const value = co_await Builder(Tracked(4)).header(text).header(text).send();
  co_return value == 6;
}
awaitable<bool> moved_aggregate() {
  Aggregate aggregate{Tracked(4), text};
  std::size_t const size = co_await length(std::move(aggregate));
  co_return size == text.size();
}
awaitable<bool> returned_aggregate() {
  Aggregate const aggregate = co_await make_aggregate();
  co_return aggregate.tracked.value() == 4 && aggregate.text == text;
}
awaitable<bool> structured_binding() {
  auto const [tracked, copy] = co_await make_aggregate();
  co_return tracked.value() == 4 && copy == text;
}
awaitable<bool> standard_types() {
  auto const pair = co_await echo(std::pair<std::string, Tracked>(text, Tracked(1)));
  auto const optional = co_await echo(std::optional<Tracked>(2));
  auto const variant = co_await echo(std::variant<int, Tracked>(Tracked(3)));
  auto const string = co_await echo(text + std::to_string(1));
  co_return pair.first == text&& pair.second.value() == 1 && optional->value() == 2 &&
      std::get<Tracked>(variant).value() == 3 && string == text + "1";
}
awaitable<bool> named_closure() {
  auto closure = [tracked = Tracked(4)] { return tracked.value(); };
  int const value = co_await call(std::move(closure));
  co_return value == 4;
}
awaitable<bool> closure_by_reference() {
  Tracked const tracked(4);
  int const value = co_await call([&tracked] { return tracked.value(); });
  co_return value == 4;
}
awaitable<bool> spawned_function() {
  auto executor = co_await asio::this_coro::executor;
  Tracked const result = co_await asio::co_spawn(executor, echo(Tracked(4)), asio::use_awaitable);
  co_return result.value() == 4;
}
awaitable<bool> initiation_arguments() {
  Tracked tracked(4);
  auto const start = [](auto handler, Tracked value) {
    auto executor = asio::get_associated_executor(handler);
    asio::post(executor, [handler = std::move(handler), value = value.value()]() mutable {
      std::move(handler)(value);
    });
  };
  int const value = co_await asio::async_initiate<asio::use_awaitable_t<> const, void(int)>(
      start, asio::use_awaitable, std::move(tracked));
  co_return value == 4;
}
awaitable<bool> range_for() {
  int sum = 0;
  for (auto const& tracked : co_await several()) sum += tracked.value();
  co_return sum == 3;
}
awaitable<bool> bound_condition() {
  bool const first = co_await yes();
  if (!first) co_return false;
  for (;;) {
    bool const again = co_await yes();
    if (again) break;
  }
  co_return true;
}
awaitable<bool> saved_exception() {
  std::exception_ptr saved;
  try {
    co_await fail();
  } catch (std::exception const&) {
    saved = std::current_exception();
  }
  co_await suspend();
  std::string message;
  try {
    std::rethrow_exception(saved);
  } catch (std::exception const& error) {
    message = error.what();
  }
  co_return message == text;
}
awaitable<bool> abandoned_temporaries() {
  bool caught = false;
  try {
    Tracked const before(1);
    auto const result = co_await echo(Options().header(text));
    co_await fail();
    caught = result.size() == 0;
  } catch (std::runtime_error const&) {
    caught = true;
  }
  co_return caught;
}

#ifdef BEAST_CACHE_CANARY_BAD
// A shape that g++ 12 is known to get wrong: this program must notice.
struct Small {
  Tracked tracked;
};
awaitable<int> small(Small value) {
  co_await suspend();
  co_return value.tracked.value();
}
awaitable<bool> temporary_aggregate() {
  int const value = co_await small(Small{Tracked(4)});
  co_return value == 4;
}
#endif

bool run(char const* name, awaitable<bool> (*shape)()) {
  alive.clear();
  destroyed_twice = 0;
  bool right = false;
  bool threw = false;
  {
    asio::io_context context;
    asio::co_spawn(context, shape(), [&](std::exception_ptr error, bool result) {
      threw = error != nullptr;
      right = result;
    });
    context.run();
  }
  if (right && !threw && destroyed_twice == 0 && alive.empty()) return true;
  std::cout << name << ": right " << right << ", threw " << threw << ", destroyed twice " << destroyed_twice
            << ", never destroyed " << alive.size() << '\n';
  return false;
}

}  // namespace

int main() {
  bool good = true;
#define RUN(shape) good = run(#shape, shape) && good
  RUN(temporary_argument);
  RUN(temporary_by_reference);
  RUN(chained_setters);
  RUN(default_argument);
  RUN(fluent_builder);
  RUN(moved_aggregate);
  RUN(returned_aggregate);
  RUN(structured_binding);
  RUN(standard_types);
  RUN(named_closure);
  RUN(closure_by_reference);
  RUN(spawned_function);
  RUN(initiation_arguments);
  RUN(range_for);
  RUN(bound_condition);
  RUN(saved_exception);
  RUN(abandoned_temporaries);
#ifdef BEAST_CACHE_CANARY_BAD
  RUN(temporary_aggregate);
#endif
#undef RUN
  return good ? 0 : 1;
}
