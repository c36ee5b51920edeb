// Set-Cookie, cookie files and Link: what is kept is sent back as it came, and nowhere else.

#include "beast_cache/session/cookie_jar.hpp"

#include "beast_cache/http/link.hpp"
#include "fuzz/fuzz.hpp"
#include "session/cookie_entries.hpp"

using namespace beast_cache;

int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  if (size > 10'000) return 0;
  std::string_view const text = fuzz::text_of(data, size);
  CookieJar jar;
  Url const url("https://www.example.org/a/b");
  for (std::string_view const line : fuzz::lines_of(text)) {
    std::optional<Cookie> const cookie = Cookie::parse(line);
    if (!cookie) continue;
    fuzz::require(cookie->name().find_first_of(";=\r\n") == std::string::npos);
    fuzz::require(cookie->value().find_first_of(";\r\n") == std::string::npos);
    jar.store(url, *cookie);
  }
  fuzz::require(jar.header(Url("https://other.test/a/b")).empty());
  std::string const header = jar.header(url);
  fuzz::require(header.find_first_of("\r\n") == std::string::npos);
  detail::CookieDomains read;
  detail::parse_cookies(text, [&](detail::CookieEntry entry) {
    fuzz::require(!entry.domain.empty() && entry.path.starts_with('/'));
    std::string const domain = entry.domain;
    read[domain].push_back(std::move(entry));
  });
  for (Link const& link : Link::parse(text)) static_cast<void>(link.has_rel("next"));
  return 0;
}
