#pragma once
/// \file cache_key.hpp
/// Under which key a response is stored.

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "beast_cache/backend/cached_response.hpp"
#include "beast_cache/config.hpp"
#include "beast_cache/http/url.hpp"

namespace beast_cache {
inline namespace v1 {

class CacheOptions;
class Request;

/// The primary key of what is stored for a URL: 64 hexadecimal digits, the SHA-256 of the normalised URL.
///
/// GET and HEAD share it. What tells one answer from another under it (Vary, Authorization) is the variant.
/// Source: RFC 9111 section 2 (cache key), section 4.1 (secondary key).
std::string create_key(Url const& url);

/// The primary key of what is stored for a bare GET of a URL, by the options: their `key` where they have
/// one, else that of their `stored_url`.
std::string create_key(Url const& url, CacheOptions const& options);

/// The primary key of the answer to a request: by the options' `key` where they have one; for a GET or HEAD
/// without a body that of its URL; else a keyed hash under the options' `salt` of the method, the URL, the
/// body's media type and the body. Of forms and JSON objects what `ignored_params` names is left out, and the
/// order of names makes no difference; of JSON no white space does either.
/// @return Nothing for a body that is not in memory: it can't be compared.
/// Errors: what the user's `key` throws.
std::optional<std::string> create_key(Request const& request, CacheOptions const& options);

/// Under which further keys a response can be found whose No-Vary-Search makes differences of the query count
/// for nothing: that of its path, under which the rule is found, and that of what is left of its query.
class SearchKey {
 public:
  /// For a stored response: nothing unless it has such a rule.
  static std::optional<SearchKey> of(Url const& url, http::fields const& response_headers);
  /// The key of the path, for a request.
  static std::string path_of(Url const& url);

  std::string const& path() const noexcept { return path_; }
  std::string const& search() const noexcept { return search_; }

 private:
  SearchKey(std::string path, std::string search) : path_(std::move(path)), search_(std::move(search)) {}

  std::string path_;
  std::string search_;
};

/// What keeps one user's answers apart from another's in a private cache: a keyed hash (HMAC-SHA-256) of the
/// Authorization field under `salt`; empty when there is none.
std::string create_principal(http::fields const& request_headers, std::string_view salt);

/// The same for whatever else is to keep answers apart: of `principal` and the values of some request fields.
std::string create_principal(std::string_view principal, std::vector<std::string> const& names,
                             http::fields const& request_headers, std::string_view salt);

/// The same of `principal` and all of the request's fields, but for those of `ignored` and those that speak
/// to caches: Cache-Control, Pragma, Range and preconditions.
std::string create_principal_of_all(std::string_view principal, std::vector<std::string> const& ignored,
                                    http::fields const& request_headers, std::string_view salt);

/// Whether a request has Authorization, Cookie or Proxy-Authorization.
bool has_credentials(http::fields const& request_headers) noexcept;

/// Replaces the values of those fields by keyed hashes under `salt`, so that they can be compared (a response
/// may vary on them) and never reach the file.
void conceal_credentials(http::fields& request_headers, std::string_view salt);
/// The same for fields by their names.
void conceal_fields(http::fields& request_headers, std::vector<std::string> const& names,
                    std::string_view salt);

/// What tells this stored response from all others: a hash over its primary key, its principal, its method
/// and the request fields that its Vary names. Every part is prefixed with its length, so no two different
/// variants share it; fields that RFC 9111 calls matching share it.
std::string create_variant(CachedHead const& head);

}  // namespace v1
}  // namespace beast_cache
