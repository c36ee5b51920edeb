#include "beast_cache/session/impl/cached_session.ipp"
