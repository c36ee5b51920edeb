#pragma once
/// \file beast_cache.hpp
/// What a program needs as a rule. Opt-in are `storage/sqlite_pickle_cache.hpp` (cereal) and
/// `session/json.hpp` (Boost.JSON) because of their weight, `session/cookie_jar.hpp`,
/// `backend/statistics.hpp`, the rules by themselves
/// (`policy/strategy.hpp`, `policy/explain.hpp`), and `testing/`.

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
