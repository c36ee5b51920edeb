#include "backend/stored_responses.hpp"

#include <algorithm>
#include <tuple>

#include "backend/digest.hpp"
#include "backend/sqlite_schema.hpp"
#include "beast_cache/backend/cache_key.hpp"
#include "beast_cache/backend/impl/header_block.hpp"
#include "beast_cache/policy/no_vary_search.hpp"
#include "beast_cache/policy/vary.hpp"
#include "detail/body_buffers.hpp"
#include "storage/sqlite/key_feed.hpp"

namespace beast_cache {
inline namespace v1 {
namespace detail {
namespace {

using Verdict = Seal::Verdict;

// The best row so far.
class Candidate {
 public:
  // @param date Of the response.
  Candidate(sqlite::Statement const& select, ResponseRow const& row, TimePoint date = TimePoint())
      : date_(date),
        id_(select.integer(ResponseRow::id_column)),
        body_id_(select.integer(ResponseRow::body_id_column)),
        row_(row.keep()) {
    if (select.is_null(ResponseRow::body_column)) return;
    coding_ = select.integer(ResponseRow::coding_column);
    stored_ = std::make_shared<std::string>(select.bytes(ResponseRow::body_column));
  }

  std::int64_t id() const noexcept { return id_; }
  // RFC 9111 section 4: the latest Date.
  bool is_newer_than(TimePoint date, std::int64_t response_time, std::int64_t id) const noexcept {
    return std::tuple(date_, row_.response_time(), id_) > std::tuple(date, response_time, id);
  }

  // Of the body. That of one in pieces is judged as they are read.
  Verdict read(sqlite::Handle& handle, LargeBodies& bodies) {
    std::string_view const token = LargeBodies::token_of(row_.body_checksum());
    if (!token.empty()) {
      std::shared_ptr<LargeBody const> large = bodies.find(body_id_, token, size());
      if (!large) return Verdict::removed;
      if (!LargeBodies::is_there(handle, *large)) return Verdict::damaged;
      body_ = StoredBody(std::move(large));
      return Verdict::good;
    }
    if (!stored_) load(handle);
    std::shared_ptr<std::string const> const text = decode(bodies.at_rest());
    Seal const& seal = bodies.seal();
    Verdict const verdict = text ? seal.judge(row_.body_checksum(), seal.of_body(*text)) : Verdict::damaged;
    if (verdict == Verdict::good) body_ = StoredBody(text);
    return verdict;
  }
  FoundRow complete() && { return FoundRow(id_, std::move(row_), std::move(body_)); }
  StoredBody take_body() && { return std::move(body_); }

 private:
  // One that was too large to be read with its head. As it came it is read right into its place, not by way
  // of a copy of the row.
  void load(sqlite::Handle& handle) {
    sqlite::Statement select = handle.statement(sql::body_form);
    select.bind(1, id_);
    if (!select.step()) return;
    coding_ = select.integer(0);
    if (coding_ == as_it_came) {
      auto text = BodyBuffers::instance().take(static_cast<std::size_t>(select.integer(1)));
      if (handle.read_blob("responses", "body", id_, text->data(), text->size())) stored_ = std::move(text);
      return;
    }
    sqlite::Statement coded = handle.statement(sql::body);
    coded.bind(1, id_);
    if (coded.step()) stored_ = std::make_shared<std::string>(coded.bytes(0));
  }
  // Null when it can't be what was stored.
  std::shared_ptr<std::string const> decode(AtRest const& at_rest) const {
    if (!stored_ || coding_ == as_it_came) return stored_;
    std::optional<std::string> text = at_rest.decode("body", coding_, *stored_, size());
    return text ? std::make_shared<std::string const>(std::move(*text)) : nullptr;
  }

  std::uint64_t size() const noexcept { return static_cast<std::uint64_t>(row_.size()); }

  TimePoint date_;
  std::int64_t id_, body_id_;
  ResponseRow row_;
  std::int64_t coding_ = as_it_came;
  std::shared_ptr<std::string const> stored_;  // the body as it lies in the row
  StoredBody body_;
};

Verdict judge_head(sqlite::Statement const& statement, ResponseRow const& row, std::string_view key,
                   Seal const& seal) {
  return seal.judge(statement.bytes(ResponseRow::checksum_column), seal.of_head(row.sealed_text(key)));
}
Verdict judge_head(sqlite::Statement const& statement, ResponseRow const& row, LookupQuery const& query,
                   Seal const& seal) {
  Verdict const verdict = judge_head(statement, row, query.key(), seal);
  bool const is_other = !query.has_own_key() && row.url() != query.url().str();
  if (verdict == Verdict::good && is_other) return Verdict::damaged;
  return verdict;
}

void reject(Found& found, std::int64_t id, Verdict verdict) {
  found.rejected.push_back(id);
  if (verdict == Verdict::damaged) found.damaged.push_back(id);
}

// The newest row that matches, not counting those that were rejected. No ORDER BY: sorting would copy the
// heads.
std::optional<Candidate> newest_match(sqlite::Handle& handle, LookupQuery const& query, LargeBodies& bodies,
                                      Found& found) {
  // Of one user. From there on other users' rows are not judged for everybody, only for them.
  constexpr std::size_t many = CacheBackend::max_variants;
  Seal const& seal = bodies.seal();
  std::optional<Candidate> best;
  sqlite::Statement heads = handle.statement(sql::heads);
  heads.bind_text(1, query.key()).bind_text(2, query.principal());
  found.rows = 0;
  while (heads.step()) {
    ++found.rows;
    std::int64_t const id = heads.integer(ResponseRow::id_column);
    if (std::find(found.rejected.begin(), found.rejected.end(), id) != found.rejected.end()) continue;
    ResponseRow const row(heads);
    if (found.rows > many && row.principal() != query.principal()) {
      found.lookup.set_other_variants();  // damaged or not
      continue;
    }
    Verdict const verdict = judge_head(heads, row, query, seal);
    if (verdict != Verdict::good) {
      reject(found, id, verdict);
      continue;
    }
    std::optional<bool> const matches = row.matches(query, bodies.at_rest());
    if (matches == true) {
      TimePoint const date = row.date(bodies.at_rest());
      if (!best || !best->is_newer_than(date, row.response_time(), id)) best.emplace(heads, row, date);
      continue;
    }
    if (best) continue;
    std::optional<CachedHead> head;
    if (matches) head = row.decode(query.url(), bodies.at_rest());
    if (!head) {
      reject(found, id, Verdict::damaged);
    } else {
      found.lookup.set_other_variants();
      if (query.has_own_key()) head->set_key(query.key());
      if (query.may_validate(*head)) found.lookup.add_candidate(std::move(*head));
    }
  }
  return best;
}

// The row of a key, if it is the only one, answers the query, and has its body in it as it came. Counts them,
// as far as two.
std::optional<FoundRow> find_alone(sqlite::KeyFeed& heads, LookupQuery const& query, AtRest const& at_rest,
                                   std::string& memory, std::size_t& rows) {
  sqlite::Row const first = heads.first(query.key());
  std::optional<FoundRow> found;
  rows = first.is_null(ResponseRow::id_column) ? 0 : 1;
  bool const is_ready = rows != 0 && first.is_null(ResponseRow::body_id_column) &&
                        !first.is_null(ResponseRow::body_column) &&
                        first.integer(ResponseRow::coding_column) == as_it_came;
  if (is_ready) {
    ResponseRow const row(first);
    if (row.matches(query, at_rest) == true) {
      std::string_view const body = first.bytes(ResponseRow::body_column);
      std::string_view const checksum = first.bytes(ResponseRow::checksum_column);
      ResponseRow kept = row.keep_in(memory, checksum.size() + body.size());
      std::size_t const at = memory.size();
      memory.append(checksum).append(body);
      std::string_view const rest = std::string_view(memory).substr(at);
      found.emplace(first.integer(ResponseRow::id_column), std::move(kept), rest.substr(checksum.size()),
                    rest.substr(0, checksum.size()));
    }
  }
  if (heads.next()) rows = 2;
  if (rows != 1) found.reset();
  return found;
}

// The newest row for a URL whose query differs only in what its No-Vary-Search makes count for nothing. Rows
// that do not pass are found when their own URL is looked up.
std::optional<Candidate> newest_equivalent(sqlite::Handle& handle, LookupQuery const& query,
                                           LargeBodies& bodies, Found const& found) {
  Seal const& seal = bodies.seal();
  std::optional<Candidate> best;
  std::optional<SearchKey> const search = find_search(handle, query.url(), bodies.at_rest());
  if (!search) return best;
  sqlite::Statement heads = handle.statement(sql::heads_by_search);
  heads.bind_text(1, search->search()).bind_text(2, query.principal());
  while (heads.step()) {
    std::int64_t const id = heads.integer(ResponseRow::id_column);
    if (std::find(found.rejected.begin(), found.rejected.end(), id) != found.rejected.end()) continue;
    ResponseRow const row(heads);
    if (judge_head(heads, row, sha256_hex(row.url()), seal) != Verdict::good) continue;
    std::optional<Url> const url = Url::parse(row.url());
    std::optional<CachedHead> head;
    if (url) head = row.decode(*url, bodies.at_rest());
    bool const matches = head && policy::NoVarySearch(head->headers()).equivalent(*url, query.url()) &&
                         query.matches(head->headers(), *head);
    if (!matches) continue;
    TimePoint const date = policy::detail::date_of(head->headers(), head->response_time());
    if (!best || !best->is_newer_than(date, row.response_time(), id)) best.emplace(heads, row, date);
  }
  return best;
}

// Seldom is there any.
bool may_have_equivalent(sqlite::Handle& handle, LookupQuery const& query) {
  std::string const path = SearchKey::path_of(query.url());
  return handle.feed(sql::has_path_fed).find(path).integer(0) != 0;
}

}  // namespace

bool FoundRow::passes(LookupQuery const& query, Seal const& seal) const {
  bool const is_other = !query.has_own_key() && row_.url() != query.url().str();
  return !is_other && seal.judge(checksum_, seal.of_head(row_.sealed_text(query.key()))) == Verdict::good &&
         seal.judge(row_.body_checksum(), seal.of_body(bytes_)) == Verdict::good;
}

std::optional<StoredResponse> FoundRow::decode(LookupQuery const& query, LargeBodies const& bodies) && {
  if (!is_judged() && !passes(query, bodies.seal())) return std::nullopt;
  bool const is_same = row_.url() == query.url().str();
  std::optional<Url> const url = is_same ? query.url() : Url::parse(row_.url());
  std::optional<CachedHead> head;
  if (url) head = row_.decode(*url, bodies.at_rest());
  if (!head) return std::nullopt;
  if (query.has_own_key()) head->set_key(query.key());
  if (!body_) body_.emplace(std::make_shared<std::string const>(bytes_));
  if (query.keeps_damaged() && body_->source()) bodies.own(*body_->source()).keep_damaged();
  return std::optional<StoredResponse>(std::in_place, std::move(*head), std::move(*body_));
}

Found find_response(sqlite::Handle& handle, LookupQuery const& query, LargeBodies& bodies,
                    std::string& memory) {
  if (!handle.feeds()) return find_judged(handle, query, bodies);
  Found found;
  found.selected = find_alone(handle.feed(sql::heads_fed), query, bodies.at_rest(), memory, found.rows);
  if (found.selected) return found;
  bool const is_absent = found.rows == 0 && (query.has_own_key() || !may_have_equivalent(handle, query));
  return is_absent ? found : find_judged(handle, query, bodies);
}

Found find_judged(sqlite::Handle& handle, LookupQuery const& query, LargeBodies& bodies) {
  Found found;
  for (;;) {
    found.lookup = Lookup();
    std::optional<Candidate> best = newest_match(handle, query, bodies, found);
    if (!best && !query.has_own_key()) best = newest_equivalent(handle, query, bodies, found);
    if (!best) return found;
    Verdict const verdict = best->read(handle, bodies);
    if (verdict == Verdict::good) found.selected = std::move(*best).complete();
    if (verdict == Verdict::good || verdict == Verdict::removed) return found;
    reject(found, best->id(), verdict);
  }
}

namespace {

// Reads a row, whatever it was stored for, into `response` where it is good. One that is not there counts as
// removed.
Verdict read_row(sqlite::Handle& handle, LargeBodies& bodies, std::int64_t id, std::string const& key,
                 std::optional<StoredResponse>& response) {
  sqlite::Statement select = handle.statement(sql::head);
  select.bind(1, id).bind_text(2, key);
  if (!select.step()) return Verdict::removed;
  ResponseRow const row(select);
  Verdict verdict = judge_head(select, row, key, bodies.seal());
  if (verdict != Verdict::good) return verdict;
  std::optional<Url> const url = Url::parse(row.url());
  std::optional<CachedHead> head;
  if (url) head = row.decode(*url, bodies.at_rest());
  if (!head) return Verdict::damaged;
  if (key != create_key(*url)) head->set_key(key);
  Candidate candidate(select, row);
  verdict = candidate.read(handle, bodies);
  if (verdict == Verdict::good) response.emplace(std::move(*head), std::move(candidate).take_body());
  return verdict;
}

bool is_damaged(sqlite::Handle& handle, LargeBodies& bodies, std::int64_t id, std::string const& key) {
  std::optional<StoredResponse> response;
  return read_row(handle, bodies, id, key, response) == Verdict::damaged;
}

}  // namespace

std::optional<std::int64_t> find_variant(sqlite::Handle& handle, std::string const& key,
                                         std::string const& variant) {
  sqlite::Statement find = handle.statement(sql::find_variant);
  find.bind_text(1, key).bind_text(2, variant);
  return find.step() ? std::optional(find.integer(0)) : std::nullopt;
}

std::optional<StoredResponse> read_variant(sqlite::Handle& handle, LargeBodies& bodies,
                                           std::string const& key, std::string const& variant) {
  std::optional<StoredResponse> response;
  std::optional<std::int64_t> const id = find_variant(handle, key, variant);
  if (!id) return response;
  Verdict const verdict = read_row(handle, bodies, *id, key, response);
  std::string const what = bodies.database().path() + ": the response with the key " + key + '/' + variant;
  if (verdict == Verdict::damaged) throw Error(cache_errc::bad_value, what);
  if (verdict == Verdict::bad_signature) throw Error(cache_errc::bad_signature, what);
  return response;
}

DamagedSlice find_damaged(sqlite::Handle& handle, LargeBodies& bodies, Walk& walk) {
  constexpr std::int64_t rows = 256;
  DamagedSlice slice;
  slice.last = walk.last();
  std::int64_t const end = walk.end(handle);
  sqlite::Statement keys = handle.statement(sql::keys_between);
  keys.bind(1, walk.last()).bind(2, end).bind(3, rows);
  while (keys.step()) {
    slice.last = keys.integer(0);
    ++slice.seen;
    std::optional<StoredResponse> response;
    Verdict const verdict = read_row(handle, bodies, slice.last, std::string(keys.bytes(1)), response);
    if (verdict == Verdict::damaged) slice.ids.push_back(slice.last);
    if (response && response->body().source()) slice.large.push_back(response->body());
  }
  return slice;
}

std::uint64_t remove_damaged(sqlite::Handle& handle, LargeBodies& bodies,
                             std::vector<std::int64_t> const& rows) {
  std::uint64_t removed = 0;
  for (std::int64_t const id : rows) {
    std::string key;
    {
      sqlite::Statement select = handle.statement(sql::key_of_row);
      select.bind(1, id);
      if (!select.step()) continue;
      key = select.bytes(0);
    }
    if (!is_damaged(handle, bodies, id, key)) continue;
    remove_row(handle, id);
    ++removed;
  }
  return removed;
}

}  // namespace detail
}  // namespace v1
}  // namespace beast_cache
