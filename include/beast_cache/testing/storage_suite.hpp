#pragma once
/// \file storage_suite.hpp
/// Checks that a `BaseCache` keeps its contract: run it on your own. Needs no test framework.
///
///     for (auto const& check : beast_cache::testing::storage_checks<std::string>()) {
///       beast_cache::testing::run_storage_check<std::string>(check, make_cache, make_value);  // throws
///     }

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <exception>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "beast_cache/storage/base_cache.hpp"
#include "beast_cache/testing/impl/storage_checks.hpp"

namespace beast_cache {
inline namespace v1 {
namespace testing {

/// Makes the cache under test: empty, and of its own. It outlives the check.
template <class Value>
using CacheFactory = std::function<std::unique_ptr<BaseCache<Value>>()>;

template <class Value>
class StorageCheck {
 public:
  using Function = asio::awaitable<void> (*)(BaseCache<Value>& cache, ValueFactory<Value> const& value);
  StorageCheck(std::string n, Function f) : name(std::move(n)), function(f) {}
  std::string name;
  Function function;
};

/// The checks, in the order in which they make sense.
template <class Value>
std::vector<StorageCheck<Value>> storage_checks() {
  using C = storage_checks_impl::Checks<Value>;
  std::vector<StorageCheck<Value>> checks;
  checks.emplace_back("a new cache is empty", &C::empty);
  checks.emplace_back("what is written can be read", &C::write_and_read);
  checks.emplace_back("writing a key again replaces its value", &C::replace);
  checks.emplace_back("any bytes are a key", &C::any_key);
  checks.emplace_back("remove takes one key", &C::remove);
  checks.emplace_back("bulk_remove takes exactly the given keys", &C::bulk_remove);
  checks.emplace_back("pop is atomic", &C::pop);
  checks.emplace_back("clear empties the cache", &C::clear);
  checks.emplace_back("read_many, write_many and contains_many keep the order", &C::many);
  checks.emplace_back("cursors see everything once", &C::cursors);
  checks.emplace_back("the cache can be changed while a cursor is open", &C::change_during_walk);
  checks.emplace_back("concurrent operations see their own writes", &C::concurrent);
  checks.emplace_back("nothing works after close", &C::close);
  return checks;
}

/// Runs one check on a new cache, on an io_context of its own. Throws what the check throws.
template <class Value>
void run_storage_check(StorageCheck<Value> const& check, CacheFactory<Value> const& make_cache,
                       ValueFactory<Value> const& make_value) {
  std::unique_ptr<BaseCache<Value>> const cache = make_cache();
  asio::io_context context;
  std::exception_ptr failure;
  bool done = false;
  asio::co_spawn(context, check.function(*cache, make_value), [&](std::exception_ptr error) {
    failure = error;
    done = true;
  });
  context.run();
  if (failure) std::rethrow_exception(failure);
  if (!done) throw StorageCheckFailed(check.name + ": an operation never completed");
}

}  // namespace testing
}  // namespace v1
}  // namespace beast_cache
