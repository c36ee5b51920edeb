#pragma once
/// \file no_vary_search.hpp
/// Which differences between two URLs' queries an origin says do not matter.
///
/// Source: the No-Vary-Search response field (draft-ietf-httpbis-no-vary-search).

#include <boost/beast/http/fields.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "beast_cache/config.hpp"
#include "beast_cache/http/url.hpp"

namespace beast_cache {
inline namespace v1 {
namespace policy {

/// What No-Vary-Search says. The default, and what an absent or malformed field says: everything matters.
class NoVarySearch {
 public:
  NoVarySearch() = default;
  /// Errors: throws only what memory throws.
  explicit NoVarySearch(http::fields const& response);

  /// Whether every difference matters, so that there is nothing to compare but the URLs' text.
  bool is_default() const noexcept { return !any_order_ && !all_ && names_.empty(); }
  /// key-order: whether the order of parameters of different names does not matter.
  bool any_order() const noexcept { return any_order_; }
  /// Whether the value of this parameter (decoded) and its being there do not matter.
  bool ignores(std::string_view name) const noexcept;

  /// The query (without its question mark) in a form that is the same for all queries that mean the same.
  ///
  /// It is not for sending. Errors: throws only what memory throws.
  std::string canonical_query(std::string_view query) const;

  /// Whether a response to `a` that says this answers a request for `b`.
  ///
  /// Errors: throws only what memory throws.
  bool equivalent(Url const& a, Url const& b) const;

 private:
  std::vector<std::string> names_;  ///< ignored; with `all_` the only ones that are not
  bool all_ = false;
  bool any_order_ = false;
};

}  // namespace policy
}  // namespace v1
}  // namespace beast_cache
