#pragma once
// What is done to a cache's file as a whole. Each step is an operation of its own on the lanes.

#include <boost/asio/awaitable.hpp>
#include <cstdint>
#include <functional>
#include <memory>

#include "storage/sqlite/cache_table.hpp"
#include "storage/sqlite/database.hpp"

namespace beast_cache {
inline namespace v1 {
namespace detail {

using DatabasePtr = std::shared_ptr<sqlite::Database>;
using TablePtr = std::shared_ptr<sqlite::CacheTable>;

asio::awaitable<std::uint64_t> read_size(DatabasePtr database, TablePtr table);
asio::awaitable<VacuumProgress> vacuum_in_slices(DatabasePtr database, TablePtr table, std::uint64_t budget,
                                                 std::function<void(VacuumProgress const&)> progress);
asio::awaitable<void> erase_securely(DatabasePtr database, TablePtr table);
asio::awaitable<SQLiteOptions> read_settings(DatabasePtr database, TablePtr table);
asio::awaitable<void> run_on_connection(DatabasePtr database, TablePtr table, ConnectionUse use,
                                        std::function<void(SQLiteConnection&)> const& work);

}  // namespace detail
}  // namespace v1
}  // namespace beast_cache
