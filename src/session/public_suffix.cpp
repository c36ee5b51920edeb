#include "beast_cache/session/cookie_jar.hpp"

#ifdef BEAST_CACHE_HAS_PSL
#include <libpsl.h>
#endif

namespace beast_cache {
inline namespace v1 {
namespace detail {

bool is_public_suffix(std::string const& domain) {
#ifdef BEAST_CACHE_HAS_PSL
  static psl_ctx_t const* const list = ::psl_builtin();
  if (list) return ::psl_is_public_suffix(list, domain.c_str()) != 0;
#endif
  return domain.find('.') == std::string::npos;
}

}  // namespace detail
}  // namespace v1
}  // namespace beast_cache
