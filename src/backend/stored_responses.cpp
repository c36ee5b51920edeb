#include "backend/stored_responses.hpp"

#include <algorithm>

#include "backend/sqlite_schema.hpp"
#include "beast_cache/backend/cache_key.hpp"
#include "beast_cache/backend/impl/header_block.hpp"

namespace beast_cache {
inline namespace v1 {
namespace detail {
namespace {

using Verdict = Seal::Verdict;

// The best row so far.
class Candidate {
 public:
  Candidate(std::int64_t id, ResponseRow const& row, ResponseHead head, CacheInfo info)
      : id_(id),
        response_time_(row.response_time()),
        body_checksum_(row.body_checksum()),
        head_(std::move(head)),
        info_(std::move(info)) {}

  std::int64_t id() const noexcept { return id_; }
  bool is_older_than(std::int64_t response_time, std::int64_t id) const noexcept {
    return response_time_ != response_time ? response_time_ < response_time : id_ < id;
  }
  Verdict judge(std::string_view body, Seal const& seal) const {
    return seal.judge(body_checksum_, seal.of_body(body));
  }
  CachedResponse complete(std::string_view body) && {
    return CachedResponse(Response(std::move(head_), std::string(body)), std::move(info_));
  }

 private:
  std::int64_t id_, response_time_;
  std::string body_checksum_;
  ResponseHead head_;
  CacheInfo info_;
};

constexpr int id_column = 0;
constexpr int checksum_column = 17;

Verdict judge_head(sqlite::Statement const& statement, ResponseRow const& row, LookupQuery const& query,
                   Seal const& seal) {
  Verdict const verdict =
      seal.judge(statement.bytes(checksum_column), seal.of_head(row.sealed_text(query.key())));
  if (verdict == Verdict::good && row.url() != query.url().str()) return Verdict::damaged;
  return verdict;
}

void reject(Found& found, std::int64_t id, Verdict verdict) {
  found.rejected.push_back(id);
  if (verdict == Verdict::damaged) found.damaged.push_back(id);
}

// The newest row that matches, not counting those that were rejected. No ORDER BY: sorting would copy the
// heads.
std::optional<Candidate> newest_match(sqlite::Handle& handle, LookupQuery const& query, Seal const& seal,
                                      Found& found, bool& others) {
  std::optional<Candidate> best;
  sqlite::Statement heads = handle.statement(sql::heads);
  heads.bind_text(1, query.key());
  while (heads.step()) {
    std::int64_t const id = heads.integer(id_column);
    if (std::find(found.rejected.begin(), found.rejected.end(), id) != found.rejected.end()) continue;
    ResponseRow const row(heads);
    Verdict const verdict = judge_head(heads, row, query, seal);
    if (verdict != Verdict::good) {
      reject(found, id, verdict);
      continue;
    }
    if (best && !best->is_older_than(row.response_time(), id)) continue;
    std::optional<CacheInfo> info = row.decode_info();
    std::optional<ResponseHead> head = row.decode_head(query.url());
    if (!info || !head) {
      reject(found, id, Verdict::damaged);
    } else if (query.matches(head->headers(), *info)) {
      best.emplace(id, row, std::move(*head), std::move(*info));
    } else {
      others = true;
    }
  }
  return best;
}

void remove_row(sqlite::Handle& handle, std::int64_t id) {
  try {
    handle.statement(sql::remove_row).bind(1, id).run();
    return;
  } catch (Error const& error) {
    if (error.code() != cache_errc::corrupt) throw;
  }
  // The damage is in a column that is indexed: SQLite does not find the row's entry. Left so, the row could
  // be neither removed nor replaced.
  handle.execute(sql::reindex);
  handle.statement(sql::remove_row).bind(1, id).run();
}

}  // namespace

Found find_response(sqlite::Handle& handle, LookupQuery const& query, Seal const& seal) {
  Found found;
  for (;;) {
    bool others = false;
    std::optional<Candidate> best = newest_match(handle, query, seal, found, others);
    if (!best) {
      if (others) found.lookup.set_other_variants();
      return found;
    }
    sqlite::Statement select = handle.statement(sql::body);
    select.bind(1, best->id());
    std::string_view body;
    if (select.step()) body = select.bytes(0);
    Verdict const verdict = best->judge(body, seal);
    if (verdict == Verdict::good) {
      found.lookup.select(std::move(*best).complete(body));
      return found;
    }
    reject(found, best->id(), verdict);
  }
}

void remove_damaged(sqlite::Handle& handle, LookupQuery const& query, Seal const& seal,
                    std::vector<std::int64_t> const& rows) {
  for (std::int64_t const id : rows) {
    bool damaged = false;
    {
      sqlite::Statement select = handle.statement(sql::head);
      select.bind(1, id).bind_text(2, query.key());
      if (!select.step()) continue;
      ResponseRow const row(select);
      std::optional<CacheInfo> info = row.decode_info();
      std::optional<ResponseHead> head = row.decode_head(query.url());
      damaged = judge_head(select, row, query, seal) != Verdict::good || !info || !head;
      if (!damaged) {
        Candidate const candidate(id, row, std::move(*head), std::move(*info));
        sqlite::Statement body = handle.statement(sql::body);
        body.bind(1, id);
        damaged = !body.step() || candidate.judge(body.bytes(0), seal) != Verdict::good;
      }
    }
    if (damaged) remove_row(handle, id);
  }
}

RowToStore::RowToStore(CachedResponse const& response)
    : response_(response),
      key_(create_key(response.url())),
      variant_(create_variant(response)),
      headers_(format_headers(response.headers())),
      vary_headers_(format_headers(response.vary_headers())) {}

std::size_t RowToStore::size() const noexcept {
  return response_.url().str().size() + response_.reason().size() + headers_.size() + vary_headers_.size() +
         response_.body().size();
}

void RowToStore::store(sqlite::Handle& handle, Seal const& seal, std::size_t most) const {
  std::string const body_checksum = seal.of_body(response_.body());
  ResponseRow const row(response_, headers_, vary_headers_, body_checksum);
  std::string const checksum = seal.of_head(row.sealed_text(key_));
  sqlite::Statement insert = handle.statement(sql::store);
  row.bind(insert);
  insert.bind_text(17, checksum).bind_text(18, key_).bind_text(19, variant_);
  insert.bind_blob(20, response_.body()).run();
  sqlite::Statement drop = handle.statement(sql::drop_oldest);
  drop.bind_text(1, key_).bind(2, static_cast<std::int64_t>(most)).run();
}

bool RowToStore::freshen(sqlite::Handle& handle, Seal const& seal) const {
  std::string const body_checksum = seal.of_body(response_.body());
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
  ResponseRow const row(response_, headers_, vary_headers_, body_checksum);
  std::string const checksum = seal.of_head(row.sealed_text(key_));
  sqlite::Statement update = handle.statement(sql::freshen);
  row.bind(update);
  update.bind_text(17, checksum).bind(18, id).run();
  return true;
}

void store_alias(sqlite::Handle& handle, Url const& from, Url const& to) {
  std::string const key = create_key(from);
  std::string const target_key = create_key(to);
  sqlite::Statement insert = handle.statement(sql::store_alias);
  insert.bind_text(1, key).bind_text(2, target_key).bind_text(3, from.str()).bind_text(4, to.str()).run();
}

bool remove_with_aliases(sqlite::Handle& handle, Url const& url) {
  std::string const key = create_key(url);
  std::int64_t removed = 0;
  for (char const* sql : {sql::remove_url, sql::remove_alias}) {
    handle.statement(sql).bind_text(1, key).run();
    removed += handle.changes();
  }
  handle.statement(sql::remove_aliases_to).bind_text(1, key).run();
  return removed > 0;
}

bool has_url(sqlite::Handle& handle, Url const& url) {
  std::string const key = create_key(url);
  sqlite::Statement query = handle.statement(sql::has_url);
  query.bind_text(1, key);
  return query.step() && query.integer(0) != 0;
}

std::uint64_t remove_expired(sqlite::Handle& handle, TimePoint now) {
  handle.statement(sql::remove_expired).bind(1, now.time_since_epoch().count()).run();
  auto const removed = static_cast<std::uint64_t>(handle.changes());
  handle.statement(sql::remove_lost_aliases).run();
  return removed;
}

void clear_responses(sqlite::Handle& handle) {
  handle.statement(sql::clear_responses).run();
  handle.statement(sql::clear_redirects).run();
}

}  // namespace detail
}  // namespace v1
}  // namespace beast_cache
