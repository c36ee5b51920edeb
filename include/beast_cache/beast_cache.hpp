#pragma once
/// \file beast_cache.hpp
/// The whole library but for what is opt-in: `storage/sqlite_pickle_cache.hpp` (cereal) and `session/json.hpp`
/// (Boost.JSON) because of their weight, and `session/cookie_jar.hpp`.

#include "beast_cache/backend/cache_backend.hpp"
#include "beast_cache/backend/sqlite_backend.hpp"
#include "beast_cache/clock.hpp"
#include "beast_cache/config.hpp"
#include "beast_cache/error.hpp"
#include "beast_cache/http/multipart.hpp"
#include "beast_cache/session/cached_session.hpp"
#include "beast_cache/session/client_session.hpp"
#include "beast_cache/storage/memory_cache.hpp"
#include "beast_cache/storage/sqlite_cache.hpp"
#include "beast_cache/version.hpp"
