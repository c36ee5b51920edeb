#include "backend/sqlite_schema.hpp"

#include "beast_cache/error.hpp"

namespace beast_cache {
inline namespace v1 {
namespace detail {

void ResponseSchema::create(sqlite::Handle& handle) const {
  {
    sqlite::Statement foreign = handle.statement(sql::foreign_tables);
    if (foreign.step())
      throw Error(cache_errc::not_a_cache, handle.file() + ": its table " + std::string(foreign.bytes(0)) +
                                               " is not one of responses; choose another file");
  }
  handle.execute(sql::create);
}

}  // namespace detail
}  // namespace v1
}  // namespace beast_cache
