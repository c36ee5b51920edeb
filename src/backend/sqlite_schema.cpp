#include "backend/sqlite_schema.hpp"

#include "backend/large_bodies.hpp"
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
  handle.execute(sql::create_views);
  LargeBodies::create(handle);
}

void ResponseSchema::migrate(sqlite::Handle& handle, int from) const {
  if (from == 1) {
    handle.execute(sql::migrate_1);
    handle.execute(sql::create);
    handle.execute(sql::copy_1);
  } else if (from == 2) {
    handle.execute(sql::migrate_2);
  } else {
    return Schema::migrate(handle, from);
  }
  handle.execute(sql::create_views);
  LargeBodies::create(handle);
}

}  // namespace detail
}  // namespace v1
}  // namespace beast_cache
