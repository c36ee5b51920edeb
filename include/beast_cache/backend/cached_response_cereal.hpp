#pragma once
/// \file cached_response_cereal.hpp
/// Lets cereal serialise a `CachedResponse`: include it to keep responses in an `SQLitePickleCache`, or in a
/// cache of your own that stores bytes, under a `CacheBackend`.
///
///     auto responses = std::make_shared<SQLitePickleCache<CachedResponse>>("demo", "responses");
///     auto redirects = std::make_shared<SQLiteCache>("demo", "redirects");
///     CacheBackend backend(responses, redirects);
///
/// No other header of the library includes it. What is particular to one copy (`from_cache`, `cache_status`,
/// `history`) is not written.

#include <cereal/cereal.hpp>
#include <cereal/types/string.hpp>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "beast_cache/backend/cached_response.hpp"
#include "beast_cache/backend/impl/header_block.hpp"
#include "beast_cache/config.hpp"
#include "beast_cache/error.hpp"

namespace beast_cache {
inline namespace v1 {

namespace detail {

template <class Archive>
void save_time(Archive& archive, std::optional<TimePoint> when) {
  std::uint8_t const given = when ? 1 : 0;
  std::int64_t const milliseconds = when ? when->time_since_epoch().count() : 0;
  archive(given, milliseconds);
}

template <class Archive>
std::optional<TimePoint> load_time(Archive& archive) {
  std::uint8_t given = 0;
  std::int64_t milliseconds = 0;
  archive(given, milliseconds);
  if (given == 0) return std::nullopt;
  return TimePoint(std::chrono::milliseconds(milliseconds));
}

template <class Archive>
http::fields load_headers(Archive& archive) {
  std::string text;
  archive(text);
  std::optional<http::fields> fields = parse_headers(text);
  if (!fields) throw Error(cache_errc::bad_value, "CachedResponse: a malformed header block");
  return std::move(*fields);
}

}  // namespace detail

/// Writes a response. Errors: what the archive throws; `cache_errc::bad_value` for header fields that HTTP
/// does not allow.
template <class Archive>
void save(Archive& archive, CachedResponse const& response) {
  std::uint32_t const status = response.status();
  std::uint32_t const version = response.version();
  std::string const method(http::to_string(response.method()));
  archive(response.url().str(), status, version, response.reason(), method);
  archive(detail::format_headers(response.headers()), detail::format_headers(response.vary_headers()));
  archive(response.principal());
  detail::save_time(archive, response.request_time());
  detail::save_time(archive, response.response_time());
  detail::save_time(archive, response.created_at());
  detail::save_time(archive, response.expires());
  detail::save_time(archive, response.expires_override());
  detail::save_time(archive, response.expires_fallback());
  archive(detail::format_parts(response.parts()));
  archive(response.body());
}

/// Reads a response. Errors: what the archive throws; `cache_errc::bad_value` or `http_errc::invalid_url` for
/// what `save` can't have written.
template <class Archive>
void load(Archive& archive, CachedResponse& response) {
  std::string url, reason, method, principal, body;
  std::uint32_t status = 0;
  std::uint32_t version = 0;
  archive(url, status, version, reason, method);
  http::fields headers = detail::load_headers(archive);
  http::fields vary_headers = detail::load_headers(archive);
  archive(principal);
  std::optional<TimePoint> const request_time = detail::load_time(archive);
  std::optional<TimePoint> const response_time = detail::load_time(archive);
  CacheInfo info;
  info.set_created_at(detail::load_time(archive)).set_expires(detail::load_time(archive));
  std::optional<TimePoint> const override_time = detail::load_time(archive);
  std::optional<TimePoint> const fallback = detail::load_time(archive);
  std::string parts_text;
  archive(parts_text);
  std::optional<policy::ByteParts> parts = detail::parse_parts(parts_text);
  if (!parts) throw Error(cache_errc::bad_value, "CachedResponse: malformed byte ranges");
  archive(body);
  info.set_method(http::string_to_verb(method))
      .set_principal(std::move(principal))
      .set_vary_headers(std::move(vary_headers))
      .set_times(request_time.value_or(TimePoint()), response_time.value_or(TimePoint()))
      .set_overrides(override_time, fallback)
      .set_parts(std::move(*parts));
  std::optional<Url> parsed = url.empty() ? std::optional<Url>(std::in_place) : Url::parse(url);
  if (!parsed) throw Error(cache_errc::bad_value, "CachedResponse: a malformed URL");
  ResponseHead head(std::move(*parsed), status, std::move(reason), std::move(headers), version);
  response = CachedResponse(Response(std::move(head), std::move(body)), std::move(info));
}

}  // namespace v1
}  // namespace beast_cache
