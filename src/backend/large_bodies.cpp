#include "backend/large_bodies.hpp"

#include <algorithm>
#include <cstring>
#include <random>
#include <utility>
#include <vector>

#include "backend/digest.hpp"

namespace beast_cache {
inline namespace v1 {
namespace detail {
namespace {

using sqlite::Handle;
using sqlite::Statement;

enum State : std::int64_t { being_written, stored, left };

// A writer that has not come back for so long is dead, or its origin is.
constexpr std::chrono::minutes patience{10};
constexpr std::string_view mark = "chunks:";

constexpr char create_tables[] =
    "CREATE TABLE responses_bodies(id INTEGER PRIMARY KEY, token TEXT NOT NULL, state INTEGER NOT NULL, "
    "touched INTEGER NOT NULL);"
    "CREATE INDEX responses_bodies_unstored ON responses_bodies(state) WHERE state <> 1;"
    "CREATE TABLE responses_chunks(id INTEGER PRIMARY KEY, checksum TEXT NOT NULL, data BLOB NOT NULL, "
    "coding INTEGER NOT NULL DEFAULT 0);"
    "CREATE INDEX responses_body_id ON responses(body_id) WHERE body_id IS NOT NULL;";
constexpr char create_trigger[] =
    // (FAIL, which can't happen here, lest SQLite keeps the pages of each removal to take it back.)
    "CREATE TRIGGER responses_body_left AFTER DELETE ON responses WHEN OLD.body_id IS NOT NULL BEGIN "
    "UPDATE OR FAIL responses_bodies SET state = 2 WHERE id = OLD.body_id "
    "AND NOT EXISTS(SELECT 1 FROM responses WHERE body_id = OLD.body_id); END;";
constexpr char drop_trigger[] = "DROP TRIGGER responses_body_left";

constexpr char exists[] = "SELECT 1 FROM responses_bodies WHERE id = ?1 AND token = ?2";
constexpr char insert_body[] = "INSERT INTO responses_bodies(token, state, touched) VALUES(?1, 0, ?2)";
constexpr char touch[] =
    "UPDATE responses_bodies SET touched = ?3 WHERE id = ?1 AND token = ?2 AND state = 0";
constexpr char insert_chunk[] =
    "INSERT INTO responses_chunks(id, checksum, data, coding) VALUES(?1, ?2, ?3, ?4)";
constexpr char set_stored[] = "UPDATE responses_bodies SET state = 1 WHERE id = ?1 AND token = ?2";
constexpr char drop_responses[] =
    "DELETE FROM responses WHERE body_id = (SELECT id FROM responses_bodies WHERE id = ?1 AND token = ?2)";
constexpr char read_chunk[] = "SELECT checksum, coding FROM responses_chunks WHERE id = ?1";
constexpr char read_coded[] = "SELECT data FROM responses_chunks WHERE id = ?1";
constexpr char unstored[] = "SELECT id, state, touched, token FROM responses_bodies WHERE state <> 1";
constexpr char last_chunk[] = "SELECT max(id) FROM responses_chunks WHERE id BETWEEN ?1 AND ?2";
constexpr char remove_chunks[] = "DELETE FROM responses_chunks WHERE id BETWEEN ?1 AND ?2";
constexpr char remove_body[] = "DELETE FROM responses_bodies WHERE id = ?1";
constexpr char leave_all[] = "UPDATE responses_bodies SET state = 2 WHERE state = 1";

constexpr int number_bits = 24;

std::int64_t chunk_id(std::int64_t body, std::uint64_t number) {
  return body << number_bits | static_cast<std::int64_t>(number);
}

std::string part_of(LargeBody const& body, std::uint64_t number) {
  return "chunk " + body.token() + " " + std::to_string(number);
}

std::string context(std::string const& file) {
  return file + ": a body that is stored in pieces";
}

}  // namespace

void LargeBodies::create(Handle& handle) {
  handle.execute(create_tables);
  handle.execute(create_trigger);
}

std::string LargeBodies::checksum_of(std::string_view token) {
  return std::string(mark).append(token);
}
std::string_view LargeBodies::token_of(std::string_view body_checksum) noexcept {
  return body_checksum.starts_with(mark) ? body_checksum.substr(mark.size()) : std::string_view();
}

std::shared_ptr<LargeBody const> LargeBodies::find(std::int64_t id, std::string_view token,
                                                   std::uint64_t size) {
  // Held first: it is not doomed after that.
  auto body = std::make_shared<LargeBody>(shared_from_this(), id, std::string(token), size);
  std::lock_guard const lock(mutex_);
  bool const is_doomed = doomed_.count(body->token()) != 0;
  return is_doomed ? nullptr : body;
}

bool LargeBodies::is_there(Handle& handle, LargeBody const& body) {
  Statement query = handle.statement(exists);
  query.bind(1, body.id()).bind_text(2, body.token());
  return query.step();
}

LargeBody const& LargeBodies::own(StoredBody::Source const& source) const {
  auto const* const body = dynamic_cast<LargeBody const*>(&source);
  if (!body || &body->bodies() != this)
    throw Error(cache_errc::invalid_argument, database_->path() + ": the body belongs to another backend");
  return *body;
}

std::shared_ptr<LargeBody const> LargeBodies::begin(Handle& handle) {
  std::string token;
  std::random_device random;
  for (int i = 0; i < 4; ++i) {
    std::uint32_t const bits = random();
    char bytes[4];
    std::memcpy(bytes, &bits, sizeof bytes);
    token += hex({bytes, sizeof bytes});
  }
  Statement insert = handle.statement(insert_body);
  insert.bind_text(1, token).bind(2, clock_->now().time_since_epoch().count()).run();
  return std::make_shared<LargeBody>(shared_from_this(), handle.last_insert_rowid(), std::move(token), 0);
}

bool LargeBodies::append(Handle& handle, LargeBody const& body, std::uint64_t number, std::string_view data,
                         bool compressible) {
  handle.statement(touch)
      .bind(1, body.id())
      .bind_text(2, body.token())
      .bind(3, clock_->now().time_since_epoch().count())
      .run();
  if (handle.changes() == 0) throw Error(cache_errc::changed, context(handle.file()));
  std::string const checksum = seal_.of_chunk(body.token(), number, data);
  AtRest::Coded const coded = at_rest_.encode(part_of(body, number), data, compressible);
  Statement insert = handle.statement(insert_chunk);
  insert.bind(1, chunk_id(body.id(), number)).bind_text(2, checksum).bind_blob(3, coded.bytes());
  insert.bind(4, coded.coding()).run();
  return coded.is_compressed();
}

void LargeBodies::keep(Handle& handle, LargeBody const& body) const {
  handle.statement(set_stored).bind(1, body.id()).bind_text(2, body.token()).run();
  if (handle.changes() == 0) throw Error(cache_errc::changed, context(handle.file()));
}

void LargeBodies::drop(Handle& handle, LargeBody const& body) const {
  handle.statement(drop_responses).bind(1, body.id()).bind_text(2, body.token()).run();
}

void LargeBodies::check_there(Handle& handle, LargeBody const& body) const {
  if (!is_there(handle, body)) throw Error(cache_errc::changed, context(database_->path()));
}

std::string LargeBodies::read(Handle& handle, LargeBody const& body, std::uint64_t number, char* to,
                              std::size_t size) const {
  std::int64_t const row = chunk_id(body.id(), number);
  Statement query = handle.statement(read_chunk);
  query.bind(1, row);
  if (!query.step()) throw Error(cache_errc::bad_value, context(database_->path()));
  std::string checksum(query.bytes(0));
  std::int64_t const coding = query.integer(1);
  bool is_sound = false;
  if (coding == as_it_came) {
    // Right into its place, not by way of a copy of the row.
    is_sound = handle.read_blob("responses_chunks", "data", row, to, size);
  } else {
    Statement coded = handle.statement(read_coded);
    coded.bind(1, row);
    is_sound = coded.step() && at_rest_.decode(part_of(body, number), coding, coded.bytes(0), to, size);
  }
  if (!is_sound) throw Error(cache_errc::bad_value, context(database_->path()));
  return checksum;
}

void LargeBodies::check(LargeBody const& body, std::uint64_t number, std::string_view checksum,
                        std::string_view data) const {
  auto const verdict = seal_.judge(checksum, seal_.of_chunk(body.token(), number, data));
  if (verdict == Seal::Verdict::good) return;
  bool const signature = verdict == Seal::Verdict::bad_signature;
  throw Error(signature ? cache_errc::bad_signature : cache_errc::bad_value, context(database_->path()));
}

bool LargeBodies::is_left(Statement const& row) {
  std::int64_t const id = row.integer(0), state = row.integer(1), touched = row.integer(2);
  std::lock_guard const lock(mutex_);
  bool const is_held = held_.count(id) != 0;
  if (state == left) return !is_held;
  if (abandoned_.count(std::string(row.bytes(3))) != 0) return !is_held;
  auto const deadline = TimePoint(std::chrono::milliseconds(touched)) + patience;
  return !is_held && deadline < clock_->now();
}

bool LargeBodies::doom(std::int64_t id, std::string const& token) {
  std::list<std::string> one{token};
  std::lock_guard const lock(mutex_);
  if (held_.count(id) != 0) return false;
  bool const is_new = doomed_.insert(token).second;
  // (One of which the first pieces have gone is doomed for good.)
  if (is_new) sweeping_->tokens_.splice(sweeping_->tokens_.end(), one);
  return true;
}

void Doomed::spare() noexcept {
  std::lock_guard const lock(bodies_->mutex_);
  for (std::string const& token : tokens_) bodies_->doomed_.erase(token);
  tokens_.clear();
}

void Doomed::leave() noexcept {
  std::lock_guard const lock(bodies_->mutex_);
  std::list<std::string>& removed = bodies_->removed_;
  removed.splice(removed.end(), tokens_);
  while (removed.size() > LargeBodies::most_removed) {
    bodies_->doomed_.erase(removed.front());
    removed.pop_front();
  }
}

bool LargeBodies::sweep(Handle& handle, std::size_t most) {
  std::vector<std::pair<std::int64_t, std::string>> bodies;
  {
    Statement query = handle.statement(unstored);
    while (query.step()) {
      if (is_left(query)) bodies.emplace_back(query.integer(0), query.bytes(3));
    }
  }
  for (auto const& [id, token] : bodies) {
    if (most == 0) return true;
    if (!doom(id, token)) continue;
    std::int64_t const first = chunk_id(id, 0);
    std::int64_t last = first;
    {
      Statement query = handle.statement(last_chunk);
      query.bind(1, first).bind(2, chunk_id(id + 1, 0) - 1);
      if (query.step() && !query.is_null(0)) last = query.integer(0);
    }
    std::int64_t const from = std::max(first, last - static_cast<std::int64_t>(most) + 1);
    handle.statement(remove_chunks).bind(1, from).bind(2, last).run();
    most -= std::min(most, static_cast<std::size_t>(last - from + 1));
    if (from != first) return true;
    handle.statement(remove_body).bind(1, id).run();
    std::lock_guard const lock(mutex_);
    abandoned_.erase(token);
  }
  return false;
}

bool LargeBodies::anything_left(Handle& handle) {
  Statement query = handle.statement(unstored);
  return query.step();
}

void LargeBodies::clear(Handle& handle) {
  // With a trigger on them rows are deleted one by one.
  handle.execute(drop_trigger);
  handle.execute("DELETE FROM responses");
  handle.execute(create_trigger);
  handle.statement(leave_all).run();
}

void LargeBodies::hold(std::int64_t id) {
  std::lock_guard const lock(mutex_);
  ++held_[id];
}

void LargeBodies::release(std::int64_t id) noexcept {
  std::lock_guard const lock(mutex_);
  auto const at = held_.find(id);
  if (at != held_.end() && --at->second == 0) held_.erase(at);
}

void LargeBodies::abandon(std::string const& token) {
  std::lock_guard const lock(mutex_);
  abandoned_.insert(token);
}

}  // namespace detail
}  // namespace v1
}  // namespace beast_cache
