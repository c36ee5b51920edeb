#pragma once
/// \file url_pattern.hpp
/// Which URLs a rule is about.

#include <string>
#include <string_view>

#include "beast_cache/config.hpp"
#include "beast_cache/http/url.hpp"

namespace beast_cache {
inline namespace v1 {

/// A pattern of URLs: a host, a path, or both, with or without a scheme in front.
///
/// | pattern | matches |
/// |---|---|
/// | `example.org` | everything at that host, and only there |
/// | `*.example.org` | its sub-domains, however deep, but not itself |
/// | `example.org:8080` | that port; without one, every port |
/// | `https://example.org` | that scheme; without one, every scheme |
/// | `/static` | that path at every host, what is below it, and both with a query |
/// | `example.org/v1/*.json` | `*` stands for any number of any characters, `/` and `?` among them |
/// | `*` | everything |
///
/// A host is matched whole, whatever its case: `site.com` is not `site.com.evil.org`. Host and path are
/// brought into the form that a `Url` has: `/%7euser` is `/~user`.
///
/// Thread safety: distinct objects: safe; shared objects: const members safe.
class UrlPattern {
 public:
  /// Errors: `std::invalid_argument` for an empty pattern, for a `*` in a host other than as its first label,
  /// and for what no URL has: user information, a fragment, a space.
  UrlPattern(std::string_view text);
  UrlPattern(char const* text) : UrlPattern(std::string_view(text)) {}
  UrlPattern(std::string const& text) : UrlPattern(std::string_view(text)) {}

  bool matches(Url const& url) const noexcept;

 private:
  std::string scheme_;  // empty: any
  std::string host_;    // empty: any; with a dot in front: sub-domains
  std::string port_;    // empty: any
  std::string path_;    // empty: any
};

}  // namespace v1
}  // namespace beast_cache
