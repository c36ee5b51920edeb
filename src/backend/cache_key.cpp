#include "beast_cache/backend/cache_key.hpp"

#include <algorithm>
#include <array>
#include <vector>

#include "backend/canonical_body.hpp"
#include "backend/digest.hpp"
#include "beast_cache/backend/cache_options.hpp"
#include "beast_cache/http/request.hpp"
#include "beast_cache/policy/field_values.hpp"
#include "beast_cache/policy/no_vary_search.hpp"
#include "beast_cache/policy/vary.hpp"

// What is hashed:
//   key        the URL's text: `printf %s URL | sha256sum` gives it, too; of a request with a body, HMAC
//   under
//              the salt: parts "body", method, URL, media type, body; with a key of the user's: "key", its
//              text
//   principal  HMAC under the salt: each line of Authorization as a part; so are concealed credentials
//   search     parts: the URL without its query, the rest of the query as its rule writes it
//   variant    parts: key, principal, method; for each name in Vary (lower case, sorted, once): the name, and
//              its value's normal form, or nothing when the request had no such field
// A part is its length in 8 bytes, least significant first, and its bytes.

namespace beast_cache {
inline namespace v1 {

namespace {

constexpr std::array credentials{http::field::authorization, http::field::cookie,
                                 http::field::proxy_authorization};

std::vector<std::string> nominated_names(http::fields const& response_headers) {
  std::vector<std::string> names;
  policy::detail::for_each_member(response_headers, http::field::vary, [&](std::string_view name) {
    std::string& added = names.emplace_back(name);
    std::transform(added.begin(), added.end(), added.begin(), policy::detail::lower);
    return true;
  });
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
  return names;
}

/// A keyed hash of a field's lines; empty when there is none.
std::string hash_of(http::fields const& headers, http::field name, std::string_view salt) {
  auto const range = headers.equal_range(name);
  if (range.first == range.second) return std::string();
  std::string parts;
  for (auto line = range.first; line != range.second; ++line) detail::append_part(parts, line->value());
  return detail::hmac_sha256_hex(salt, parts);
}

}  // namespace

std::string create_key(Url const& url) {
  return detail::sha256_hex(url.str());
}

std::optional<std::string> create_key(Request const& request, CacheOptions const& options) {
  std::string parts;
  std::string text;
  if (options.key()) text = options.key()(request);
  Body const& body = request.body();
  if (!text.empty()) {
    detail::append_part(parts, "key");
    detail::append_part(parts, text);
  } else if (body.empty() && request.method() != http::verb::unknown &&
             !CacheOptions::is_query(request.method())) {
    return create_key(options.stored_url(request.url()));
  } else {
    if (!body.empty() && !body.text()) return std::nullopt;
    std::string const type = detail::media_type(request.headers()[http::field::content_type]);
    bool const is_get = request.method() == http::verb::get || request.method() == http::verb::head;
    detail::append_part(parts, "body");
    detail::append_part(parts, is_get ? std::string_view("GET") : request.method_string());
    detail::append_part(parts, options.stored_url(request.url()).str());
    detail::append_part(parts, type);
    std::string_view const bytes = body.text() ? std::string_view(*body.text()) : std::string_view();
    detail::append_part(parts, detail::canonical_body(type, bytes, options.ignored_params()));
  }
  return detail::hmac_sha256_hex(options.salt(), parts);
}

std::string create_key(Url const& url, CacheOptions const& options) {
  if (!options.key()) return create_key(options.stored_url(url));
  Request const bare(http::verb::get, url);
  return create_key(bare, options).value_or(std::string());
}

std::string SearchKey::path_of(Url const& url) {
  return detail::sha256_hex(std::string_view(url.str()).substr(0, url.str().find('?')));
}

std::optional<SearchKey> SearchKey::of(Url const& url, http::fields const& response_headers) {
  if (response_headers.count("No-Vary-Search") == 0) return std::nullopt;
  policy::NoVarySearch const rule(response_headers);
  if (rule.is_default()) return std::nullopt;
  std::string_view const text = url.str();
  auto const query = text.find('?');
  std::string parts;
  detail::append_part(parts, text.substr(0, query));
  detail::append_part(parts,
                      rule.canonical_query(query == text.npos ? std::string_view() : text.substr(query + 1)));
  return SearchKey(path_of(url), detail::sha256_hex(parts));
}

std::string create_principal(http::fields const& request_headers, std::string_view salt) {
  return hash_of(request_headers, http::field::authorization, salt);
}

std::string create_principal(std::string_view principal, std::vector<std::string> const& names,
                             http::fields const& request_headers, std::string_view salt) {
  std::string parts;
  detail::append_part(parts, principal);
  for (std::string const& name : names) {
    std::string lines;
    auto const range = request_headers.equal_range(name);
    for (auto line = range.first; line != range.second; ++line) detail::append_part(lines, line->value());
    detail::append_part(parts, lines);
  }
  return detail::hmac_sha256_hex(salt, parts);
}

std::string create_principal_of_all(std::string_view principal, std::vector<std::string> const& ignored,
                                    http::fields const& request_headers, std::string_view salt) {
  std::vector<std::pair<std::string, std::string>> lines;
  for (auto const& line : request_headers) {
    switch (line.name()) {
      case http::field::cache_control:
      case http::field::pragma:
      case http::field::range:
      case http::field::if_range:
      case http::field::if_match:
      case http::field::if_none_match:
      case http::field::if_modified_since:
      case http::field::if_unmodified_since:
        continue;
      default:
        break;
    }
    std::string name(line.name_string());
    bool const counts = std::none_of(ignored.begin(), ignored.end(), [&](std::string const& other) {
      return policy::detail::iequals(name, other);
    });
    std::transform(name.begin(), name.end(), name.begin(), policy::detail::lower);
    if (counts) lines.emplace_back(std::move(name), std::string(line.value()));
  }
  std::stable_sort(lines.begin(), lines.end(),
                   [](auto const& a, auto const& b) { return a.first < b.first; });
  std::string parts;
  detail::append_part(parts, principal);
  for (auto const& [name, value] : lines) {
    detail::append_part(parts, name);
    detail::append_part(parts, value);
  }
  return detail::hmac_sha256_hex(salt, parts);
}

bool has_credentials(http::fields const& request_headers) noexcept {
  return std::any_of(credentials.begin(), credentials.end(),
                     [&](http::field name) { return request_headers.count(name) != 0; });
}

void conceal_credentials(http::fields& request_headers, std::string_view salt) {
  for (http::field const name : credentials) {
    std::string const hash = hash_of(request_headers, name, salt);
    if (!hash.empty()) request_headers.set(name, hash);
  }
}

void conceal_fields(http::fields& request_headers, std::vector<std::string> const& names,
                    std::string_view salt) {
  for (std::string const& name : names) {
    auto const range = request_headers.equal_range(name);
    if (range.first == range.second) continue;
    std::string parts;
    for (auto line = range.first; line != range.second; ++line) detail::append_part(parts, line->value());
    request_headers.set(name, detail::hmac_sha256_hex(salt, parts));
  }
}

std::string create_variant(CachedHead const& head) {
  std::string parts;
  detail::append_part(parts, head.key().empty() ? create_key(head.url()) : head.key());
  detail::append_part(parts, head.principal());
  detail::append_part(parts, std::string_view(http::to_string(head.method())));
  std::string value;
  for (std::string const& name : nominated_names(head.headers())) {
    detail::append_part(parts, name);
    auto const range = head.vary_headers().equal_range(name);
    // RFC 9111 section 4.1: an absent field is something else than an empty one.
    parts.push_back(range.first == range.second ? 0 : 1);
    if (range.first == range.second) continue;
    // The form in which `policy::vary_matches` compares: what it takes for one variant replaces itself.
    value.clear();
    policy::detail::NormalValue normal(range.first, range.second);
    for (int c = normal.next(); c >= 0; c = normal.next()) value.push_back(static_cast<char>(c));
    detail::append_part(parts, value);
  }
  return detail::sha256_hex(parts);
}

}  // namespace v1
}  // namespace beast_cache
