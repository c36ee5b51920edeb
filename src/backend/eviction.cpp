#include "backend/eviction.hpp"

#include <algorithm>
#include <string>
#include <utility>

#include "backend/stored_responses.hpp"
#include "beast_cache/error.hpp"
#include "storage/sqlite/database.hpp"

namespace beast_cache {
inline namespace v1 {
namespace detail {
namespace {

enum Queue : std::int64_t { short_queue, long_queue, ghosts, pinned };

constexpr std::int64_t most_uses = 3;
// Beyond so many responses it no longer matters which were used.
constexpr std::size_t most_noted = 65'536;
// At one time, lest one store waits for all: where a bound has been lowered, beyond the room that is needed;
// the next ones go on. And where what has gone gives no room, as it is being read.
constexpr int most_removed = 256, most_removed_ever = 16'384;
// The short queue's share is one in so many bytes.
constexpr std::int64_t short_share = 10;

constexpr char has_queue[] = "SELECT 1 FROM sqlite_schema WHERE name = 'responses_queue'";
// (Encrypted header fields hold NULs, where the length of a text ends.)
constexpr char create_queue[] =
    "CREATE TABLE responses_queue(place INTEGER PRIMARY KEY, queue INTEGER NOT NULL, id INTEGER UNIQUE, "
    "name TEXT NOT NULL, size INTEGER NOT NULL, uses INTEGER NOT NULL);"
    "CREATE INDEX responses_queue_order ON responses_queue(queue, place);"
    "CREATE INDEX responses_queue_ghosts ON responses_queue(name) WHERE queue = 2;"
    "CREATE TABLE responses_queue_sums(queue INTEGER PRIMARY KEY, entries INTEGER NOT NULL, bytes INTEGER "
    "NOT "
    "NULL);"
    "INSERT INTO responses_queue_sums VALUES(0, 0, 0), (1, 0, 0), (2, 0, 0), (3, 0, 0);"
    "CREATE TRIGGER responses_queue_in AFTER INSERT ON responses_queue BEGIN "
    "UPDATE responses_queue_sums SET entries = entries + 1, bytes = bytes + NEW.size WHERE queue = "
    "NEW.queue; "
    "END;"
    "CREATE TRIGGER responses_queue_out AFTER DELETE ON responses_queue BEGIN "
    "UPDATE OR FAIL responses_queue_sums SET entries = entries - 1, bytes = bytes - OLD.size WHERE queue = "
    "OLD.queue; "
    "END;"
    // One that comes back while its ghost is there goes into the long queue.
    "CREATE TRIGGER responses_stored AFTER INSERT ON responses BEGIN "
    "INSERT INTO responses_queue(queue, id, name, size, uses) VALUES("
    "CASE WHEN EXISTS(SELECT 1 FROM responses_pins WHERE key IN (NEW.key, NEW.url_key)) THEN 3 ELSE "
    "EXISTS(SELECT 1 FROM responses_queue WHERE queue = 2 AND name = substr(NEW.key, 1, 16)) END, "
    "NEW.id, substr(NEW.key, 1, 16), NEW.size + length(CAST(NEW.headers AS BLOB)), 0);"
    "DELETE FROM responses_queue WHERE queue = 2 AND name = substr(NEW.key, 1, 16); END;"
    "CREATE TRIGGER responses_removed AFTER DELETE ON responses BEGIN "
    "DELETE FROM responses_queue WHERE id = OLD.id; END;"
    "CREATE TRIGGER responses_pinned AFTER INSERT ON responses_pins BEGIN "
    "DELETE FROM responses_queue WHERE id IN (SELECT id FROM responses WHERE key = NEW.key OR url_key = "
    "NEW.key);"
    "INSERT INTO responses_queue(queue, id, name, size, uses) "
    "SELECT 3, id, substr(key, 1, 16), size + length(CAST(headers AS BLOB)), 0 FROM responses WHERE key = "
    "NEW.key OR url_key = NEW.key; END;"
    // What is no longer pinned stays on its merits.
    "CREATE TRIGGER responses_unpinned AFTER DELETE ON responses_pins BEGIN "
    "DELETE FROM responses_queue WHERE id IN (SELECT id FROM responses WHERE key = OLD.key OR url_key = "
    "OLD.key);"
    "INSERT INTO responses_queue(queue, id, name, size, uses) "
    "SELECT 0, id, substr(key, 1, 16), size + length(CAST(headers AS BLOB)), 0 FROM responses WHERE key = "
    "OLD.key OR url_key = OLD.key; END;"
    // What was there before the bounds.
    "INSERT INTO responses_queue(queue, id, name, size, uses) "
    "SELECT CASE WHEN EXISTS(SELECT 1 FROM responses_pins WHERE key IN (responses.key, responses.url_key)) "
    "THEN 3 ELSE 1 END, "
    "id, substr(key, 1, 16), size + length(CAST(headers AS BLOB)), 0 FROM responses ORDER BY id;";

constexpr char read_sums[] = "SELECT entries, bytes FROM responses_queue_sums ORDER BY queue";
constexpr char read_first[] =
    "SELECT place, id, name, size, uses FROM responses_queue WHERE queue = ?1 ORDER BY place LIMIT 1";
constexpr char read_names[] = "SELECT url, key FROM responses WHERE id = ?1";
constexpr char read_room[] =
    "SELECT length(body) + length(CAST(headers AS BLOB)) FROM responses WHERE key = ?1 AND variant = ?2";
constexpr char remove_place[] = "DELETE FROM responses_queue WHERE place = ?1";
constexpr char append[] =
    "INSERT INTO responses_queue(queue, id, name, size, uses) VALUES(?1, ?2, ?3, ?4, ?5)";
constexpr char remove_aliases[] =
    "DELETE FROM redirects WHERE target_key = (SELECT key FROM responses WHERE id = ?1) "
    "AND (SELECT COUNT(*) FROM responses WHERE key = redirects.target_key) < 2";
constexpr char add_uses[] = "UPDATE responses_queue SET uses = min(3, uses + ?2) WHERE id = ?1";

// The first in a queue.
class Entry {
 public:
  static std::optional<Entry> first(sqlite::Handle& handle, Queue queue) {
    sqlite::Statement select = handle.statement(read_first);
    select.bind(1, std::int64_t{queue});
    if (!select.step()) return std::nullopt;
    Entry entry;
    entry.place_ = select.integer(0);
    entry.id_ = select.integer(1);
    entry.name_ = select.bytes(2);
    entry.size_ = select.integer(3);
    entry.uses_ = select.integer(4);
    return entry;
  }

  std::int64_t id() const noexcept { return id_; }
  std::int64_t uses() const noexcept { return uses_; }

  void pass_on(sqlite::Handle& handle, std::int64_t uses) const {
    remove(handle);
    sqlite::Statement insert = handle.statement(append);
    insert.bind(1, std::int64_t{long_queue}).bind(2, id_).bind_text(3, name_).bind(4, size_).bind(5, uses);
    insert.run();
  }
  void remove_response(sqlite::Handle& handle, sqlite::WriteEpochs& epochs,
                       std::vector<Evicted>& evicted) const {
    {
      sqlite::Statement row = handle.statement(read_names);
      row.bind(1, id_);
      if (row.step()) evicted.emplace_back(row.bytes(0), row.bytes(1), size_, epochs);
    }
    handle.statement(remove_aliases).bind(1, id_).run();
    remove_row(handle, id_);
    remove(handle);  // one whose response was gone already has had no trigger
  }
  void remove(sqlite::Handle& handle) const { handle.statement(remove_place).bind(1, place_).run(); }
  void leave_ghost(sqlite::Handle& handle) const {
    sqlite::Statement insert = handle.statement(append);
    insert.bind(1, std::int64_t{ghosts}).bind_null(2).bind_text(3, name_);
    insert.bind(4, std::int64_t{0}).bind(5, std::int64_t{0}).run();
  }

 private:
  std::int64_t place_ = 0, id_ = 0, size_ = 0, uses_ = 0;
  std::string name_;
};

std::uint64_t bytes_in_use(sqlite::Handle& handle) {
  auto const ask = [&](char const* pragma) {
    sqlite::Statement query = handle.statement(pragma);
    return query.step() ? static_cast<std::uint64_t>(query.integer(0)) : 0;
  };
  return (ask("PRAGMA page_count") - ask("PRAGMA freelist_count")) * ask("PRAGMA page_size");
}

}  // namespace

void RecentUses::note(std::int64_t id) {
  Uses forgotten;  // outside of the lock
  std::lock_guard lock(mutex_);
  auto const at = young_.find(id);
  if (at != young_.end()) {
    at->second = std::min(most_uses, at->second + 1);
    return;
  }
  if (young_.size() >= most_noted / 2) {
    forgotten.swap(old_);
    old_.swap(young_);
  }
  std::int64_t uses = 1;
  auto const before = old_.find(id);
  if (before != old_.end()) {
    uses = std::min(most_uses, before->second + 1);
    old_.erase(before);
  }
  young_.emplace(id, uses);
}

std::int64_t RecentUses::take(std::int64_t id) {
  std::lock_guard lock(mutex_);
  for (Uses* const uses : {&young_, &old_}) {
    auto const at = uses->find(id);
    if (at == uses->end()) continue;
    std::int64_t const count = at->second;
    uses->erase(at);
    return count;
  }
  return 0;
}

bool RecentUses::empty() const {
  std::lock_guard lock(mutex_);
  return young_.empty() && old_.empty();
}

void RecentUses::write(sqlite::Handle& handle) {
  {
    sqlite::Statement query = handle.statement(has_queue);
    if (!query.step()) return;
  }
  Uses young, old;
  {
    std::lock_guard lock(mutex_);
    young.swap(young_);
    old.swap(old_);
  }
  for (Uses const* const uses : {&old, &young}) {
    for (auto const& [id, count] : *uses) handle.statement(add_uses).bind(1, id).bind(2, count).run();
  }
}

class Bounds::Sums {
 public:
  explicit Sums(sqlite::Handle& handle) {
    sqlite::Statement query = handle.statement(read_sums);
    for (std::size_t i = 0; i < 4 && query.step(); ++i) {
      entries_[i] = query.integer(0);
      bytes_[i] = query.integer(1);
    }
  }
  std::int64_t entries(Queue queue) const noexcept { return entries_[queue]; }
  std::int64_t removable() const noexcept { return entries_[short_queue] + entries_[long_queue]; }
  std::int64_t responses() const noexcept { return removable() + entries_[pinned]; }
  // Which one has to give.
  Queue fuller() const noexcept {
    if (entries_[long_queue] == 0) return short_queue;
    std::int64_t const all = bytes_[short_queue] + bytes_[long_queue];
    return entries_[short_queue] != 0 && bytes_[short_queue] >= all / short_share ? short_queue : long_queue;
  }

 private:
  std::int64_t entries_[4] = {}, bytes_[4] = {};
};

bool Bounds::has_room(sqlite::Handle& handle, Sums const& sums, Incoming const& incoming) const {
  auto const responses = static_cast<std::uint64_t>(sums.responses());
  bool const is_full = entries_ != 0 && incoming.is_response() && responses >= entries_;
  // What the row takes beside its texts, in pages that are begun and in indices.
  constexpr std::uint64_t overhead = 8192;
  std::uint64_t const used = bytes_ == 0 ? 0 : bytes_in_use(handle) + incoming.size + overhead;
  if (!is_full && used <= bytes_) return true;
  bool const has_to_shrink = entries_ != 0 && responses > entries_ && sums.removable() != 0;
  if (!incoming.is_response() || has_to_shrink) return false;
  // The variant that it replaces makes room, too.
  sqlite::Statement replaced = handle.statement(read_room);
  replaced.bind_text(1, incoming.key).bind_text(2, incoming.variant);
  return replaced.step() && used <= bytes_ + static_cast<std::uint64_t>(replaced.integer(0));
}

bool Bounds::is_exceeded(sqlite::Handle& handle) const {
  auto const responses = static_cast<std::uint64_t>(Sums(handle).responses());
  return (entries_ != 0 && responses > entries_) || (bytes_ != 0 && bytes_in_use(handle) > bytes_);
}

void Bounds::make_room(sqlite::Handle& handle, Incoming const& incoming, RecentUses& recent,
                       LargeBodies& bodies, std::vector<Evicted>& evicted) const {
  {
    sqlite::Statement query = handle.statement(has_queue);
    if (!query.step()) handle.execute(create_queue);
  }
  if (has_room(handle, Sums(handle), incoming)) return;
  bool const was_lowered = is_exceeded(handle);
  std::uint64_t freed = 0;
  for (int removed = 0; removed < most_removed_ever;) {
    Sums const sums(handle);
    if (has_room(handle, sums, incoming)) return;
    if (was_lowered && removed >= most_removed && freed >= incoming.size) return;
    if (removed % 64 == 63) handle.check_cancelled();
    if (sums.removable() == 0) {
      char const* const why =
          sums.responses() == 0 ? "max_bytes has no room for the response" : "what is left is pinned";
      throw Error(cache_errc::full, handle.file() + ": " + why);
    }
    Queue const queue = sums.fuller();
    std::optional<Entry> const entry = Entry::first(handle, queue);
    if (!entry) return;
    std::int64_t const uses = std::min(most_uses, entry->uses() + recent.take(entry->id()));
    if (queue == short_queue ? uses > 1 : uses > 0) {
      entry->pass_on(handle, queue == short_queue ? 0 : uses - 1);
      continue;
    }
    std::size_t const gone = evicted.size();
    entry->remove_response(handle, bodies.database().epochs(), evicted);
    if (evicted.size() > gone) freed += evicted.back().size();
    while (bodies.sweep(handle)) continue;
    ++removed;
    if (queue == long_queue) continue;
    entry->leave_ghost(handle);
    if (sums.entries(ghosts) < sums.entries(long_queue)) continue;
    std::optional<Entry> const oldest = Entry::first(handle, ghosts);
    if (oldest) oldest->remove(handle);
  }
}

}  // namespace detail
}  // namespace v1
}  // namespace beast_cache
