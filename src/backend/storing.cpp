#include <optional>
#include <string>
#include <string_view>

#include "backend/sqlite_schema.hpp"
#include "backend/stored_responses.hpp"
#include "beast_cache/backend/cache_key.hpp"
#include "beast_cache/backend/impl/header_block.hpp"
#include "beast_cache/policy/cache_groups.hpp"

namespace beast_cache {
inline namespace v1 {
namespace detail {

RowToStore::RowToStore(StoredResponse const& response, LargeBodies const& bodies)
    : response_(response),
      bodies_(bodies),
      key_(response.key().empty() ? create_key(response.url()) : response.key()),
      variant_(create_variant(response)),
      headers_(ResponseRow::encode_fields(bodies.at_rest(), response.headers())),
      vary_headers_(ResponseRow::encode_fields(bodies.at_rest(), response.vary_headers())),
      parts_(format_parts(response.parts())) {
  if (response.key().empty()) {
    search_ = SearchKey::of(response.url(), response.headers());
  } else {
    url_key_ = create_key(response.url());
  }
  if (!policy::cache_groups(response.headers()).empty()) group_origin_ = response.url().origin();
  if (response.body().source()) large_ = &bodies.own(*response.body().source());
}

std::size_t RowToStore::size() const noexcept {
  return response_.url().str().size() + response_.reason().size() + headers_.size() + vary_headers_.size() +
         parts_.size() + (large_ ? 0 : text()->size());
}

// What is compressed already costs time and saves nothing.
bool RowToStore::is_compressible() const {
  auto const coding = response_.headers().find(http::field::content_encoding);
  if (coding != response_.headers().end() && !boost::beast::iequals(coding->value(), "identity"))
    return false;
  std::string_view const type = response_.headers()[http::field::content_type];
  auto const is = [&](std::string_view prefix) {
    return boost::beast::iequals(type.substr(0, prefix.size()), prefix);
  };
  bool const is_text = is("image/svg") || is("image/bmp") || is("audio/midi");
  bool const is_dense = is("image/") || is("audio/") || is("video/") || is("font/woff") ||
                        is("application/zip") || is("application/gzip") || is("application/zstd");
  return is_text || !is_dense;
}

std::string RowToStore::body_checksum() const {
  return large_ ? LargeBodies::checksum_of(large_->token()) : bodies_.seal().of_body(*text());
}

std::string RowToStore::bind(sqlite::Statement& statement, std::string const& body_checksum) const {
  ResponseRow const row(response_, headers_, vary_headers_, body_checksum, parts_);
  row.bind(statement);
  auto const bind_optional = [&](int index, std::string const* text) {
    if (text) {
      statement.bind_text(index, *text);
    } else {
      statement.bind_null(index);
    }
  };
  bind_optional(18, group_origin_ ? &*group_origin_ : nullptr);
  bind_optional(19, search_ ? &search_->path() : nullptr);
  bind_optional(20, search_ ? &search_->search() : nullptr);
  bind_optional(21, url_key_ ? &*url_key_ : nullptr);
  return bodies_.seal().of_head(row.sealed_text(key_));
}

namespace {

// Whether there are more rows than that. Dropping takes a temporary table, which costs more than all the rest
// of storing: seldom is there anything to drop.
bool exceeds(sqlite::Handle& handle, char const* count, std::int64_t most, std::string const& key,
             std::string const* principal = nullptr) {
  sqlite::Statement rows = handle.statement(count);
  rows.bind_text(1, key);
  if (principal) rows.bind_text(2, *principal);
  return rows.step() && rows.integer(0) > most;
}

}  // namespace

bool RowToStore::is_outlived(sqlite::Handle& handle, TimePoint now) const {
  sqlite::Statement find = handle.statement(sql::find_times);
  find.bind_text(1, key_).bind_text(2, variant_);
  return find.step() && outlives(TimePoint(std::chrono::milliseconds(find.integer(0))),
                                 find.integer(1) != 206, response_, now);
}

void RowToStore::store(sqlite::Handle& handle, std::size_t most) const {
  std::string const body_checksum = this->body_checksum();
  sqlite::Statement insert = handle.statement(sql::store);
  std::string const checksum = bind(insert, body_checksum);
  insert.bind_text(22, checksum).bind_text(23, key_).bind_text(24, variant_);
  if (large_) {
    insert.bind_blob(25, std::string_view("", 0)).bind(26, large_->id()).bind(27, as_it_came).run();
    bodies_.keep(handle, *large_);
  } else {
    AtRest::Coded const coded = bodies_.at_rest().encode("body", *text(), is_compressible());
    insert.bind_blob(25, coded.bytes()).bind_null(26).bind(27, coded.coding()).run();
  }
  auto const bound = static_cast<std::int64_t>(most);
  if (!exceeds(handle, sql::count_variants, bound, key_)) return;
  std::string const& principal = response_.principal();
  if (exceeds(handle, sql::count_variants_of_principal, bound, key_, &principal)) {
    sqlite::Statement drop = handle.statement(sql::drop_oldest_of_principal);
    drop.bind_text(1, key_).bind(2, bound).bind_text(3, principal).run();
  }
  // A look-up goes over all of them.
  std::int64_t const bound_of_all = 8 * bound;
  if (exceeds(handle, sql::count_variants, bound_of_all, key_))
    handle.statement(sql::drop_oldest).bind_text(1, key_).bind(2, bound_of_all).run();
}

bool RowToStore::freshen(sqlite::Handle& handle) const {
  std::string const body_checksum = this->body_checksum();
  std::int64_t id = 0;
  {
    sqlite::Statement find = handle.statement(sql::find_variant);
    find.bind_text(1, key_).bind_text(2, variant_);
    // Someone else may have stored another body since this one was looked up: the head is not for that one.
    bool const same_body = find.step() &&
                           find.integer(1) == static_cast<std::int64_t>(response_.body().size()) &&
                           find.bytes(2) == body_checksum;
    if (!same_body) return false;
    id = find.integer(0);
  }
  sqlite::Statement update = handle.statement(sql::freshen);
  std::string const checksum = bind(update, body_checksum);
  update.bind_text(22, checksum).bind(23, id).run();
  return true;
}

void store_alias(sqlite::Handle& handle, Url const& from, std::string const& key, Url const& to,
                 std::string const& target_key) {
  sqlite::Statement insert = handle.statement(sql::store_alias);
  insert.bind_text(1, key).bind_text(2, target_key).bind_text(3, from.str()).bind_text(4, to.str()).run();
  // There may be no end of URLs that lead to one.
  constexpr std::int64_t most = CacheBackend::max_variants;
  if (exceeds(handle, sql::count_aliases, most, target_key))
    handle.statement(sql::drop_oldest_aliases).bind_text(1, target_key).bind(2, most).run();
}

bool has_url(sqlite::Handle& handle, std::string const& key, std::string const& url_key) {
  sqlite::Statement query = handle.statement(sql::has_url);
  query.bind_text(1, key).bind_text(2, url_key);
  return query.step() && query.integer(0) != 0;
}

bool pin(sqlite::Handle& handle, std::string const& key, Url const& url) {
  handle.statement(sql::pin).bind_text(1, key).bind_text(2, url.str()).run();
  return handle.changes() != 0;
}
bool unpin(sqlite::Handle& handle, std::string const& key) {
  handle.statement(sql::unpin).bind_text(1, key).run();
  return handle.changes() != 0;
}

}  // namespace detail
}  // namespace v1
}  // namespace beast_cache
