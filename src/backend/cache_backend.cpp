#include "beast_cache/backend/impl/cache_backend_maintenance.ipp"
