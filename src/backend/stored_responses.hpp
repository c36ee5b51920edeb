#pragma once
// What SQLiteBackend does with its tables, each operation a plain function within one transaction on a lane.

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "backend/entry_slice.hpp"
#include "backend/large_bodies.hpp"
#include "backend/response_row.hpp"
#include "beast_cache/backend/cache_backend.hpp"
#include "storage/sqlite/handle.hpp"

namespace beast_cache {
inline namespace v1 {
namespace detail {

// A row that was found, with its body. It is decoded where it is used: what one thread allocates and another
// frees costs both of them much.
class FoundRow {
 public:
  FoundRow(std::int64_t id, ResponseRow row, StoredBody body)
      : id_(id), row_(std::move(row)), body_(std::move(body)) {}
  // One that nobody has judged yet. All of it lies elsewhere. @param checksum Of its head, as it is stored.
  FoundRow(std::int64_t id, ResponseRow row, std::string_view body, std::string_view checksum)
      : id_(id), row_(std::move(row)), bytes_(body), checksum_(checksum) {}

  std::int64_t id() const noexcept { return id_; }
  bool is_judged() const noexcept { return body_.has_value(); }
  // Nothing when it can't be, or if it was not judged and is not what was stored.
  std::optional<StoredResponse> decode(LookupQuery const& query, LargeBodies const& bodies) &&;

 private:
  bool passes(LookupQuery const& query, Seal const& seal) const;

  std::int64_t id_;
  ResponseRow row_;
  std::optional<StoredBody> body_;  // of one that was judged
  std::string_view bytes_, checksum_;
};

// The outcome of a look-up, and the rows that did not pass.
class Found {
 public:
  Found() = default;

  // Whether what was selected is all that the key has.
  bool is_alone() const noexcept { return rows == 1 && rejected.empty() && !lookup.has_other_variants(); }

  Lookup lookup;  // without what was selected
  std::optional<FoundRow> selected;
  std::size_t rows = 0;                // that there are under the key
  std::vector<std::int64_t> rejected;  // in the way of this look-up
  std::vector<std::int64_t> damaged;   // of those, the ones to remove
};

// Reads only. A row that is alone under its key, with a small body, is left to be judged where it is decoded.
// @param memory Where that one's texts and body go: the caller's, whose thread frees it.
Found find_response(sqlite::Handle& handle, LookupQuery const& query, LargeBodies& bodies,
                    std::string& memory);
// The same, all judged.
Found find_judged(sqlite::Handle& handle, LookupQuery const& query, LargeBodies& bodies);

void remove_row(sqlite::Handle& handle, std::int64_t id);
// Many at once: in their order, and where SQLite keeps the pages that a statement changes, each page once.
void remove_rows(sqlite::Handle& handle, std::vector<std::int64_t> const& ids);

// What its query comes to by the No-Vary-Search of what was stored last for the path, if that has one.
std::optional<SearchKey> find_search(sqlite::Handle& handle, Url const& url, AtRest const& at_rest);

// Some rows, in the order of their ids: so many that their bodies are read within some milliseconds.
class DamagedSlice {
 public:
  DamagedSlice() = default;

  std::vector<std::int64_t> ids;  // of the damaged ones
  std::vector<StoredBody> large;  // those in pieces, which are not looked at
  std::int64_t last = 0;          // the last one that was looked at
  std::uint64_t seen = 0;         // none at the end
};
DamagedSlice find_damaged(sqlite::Handle& handle, LargeBodies& bodies, Walk& walk);
// Removes those that are still damaged. Returns how many.
std::uint64_t remove_damaged(sqlite::Handle& handle, LargeBodies& bodies,
                             std::vector<std::int64_t> const& rows);

std::optional<std::int64_t> find_variant(sqlite::Handle& handle, std::string const& key,
                                         std::string const& variant);
// Throws Error(bad_value) when it is damaged, Error(bad_signature) when it is somebody else's.
std::optional<StoredResponse> read_variant(sqlite::Handle& handle, LargeBodies& bodies,
                                           std::string const& key, std::string const& variant);

// A response on its way into the table: what can be worked out before the transaction.
class RowToStore {
 public:
  // Throws Error(bad_value) for header fields that can't be stored, invalid_argument for a body elsewhere.
  RowToStore(StoredResponse const& response, LargeBodies const& bodies);

  std::string const& key() const noexcept { return key_; }
  std::string const& variant() const noexcept { return variant_; }
  // Bytes of text, and of a body within the row, without the columns of fixed size.
  std::size_t size() const noexcept;

  // Whether what is there of the same variant is worth more: see outlives().
  bool is_outlived(sqlite::Handle& handle, TimePoint now) const;
  // Stores it, in place of the same variant, and drops the oldest variants beyond `most`.
  void store(sqlite::Handle& handle, std::size_t most) const;
  // Takes over the head, if the row is there and its body is this response's.
  bool freshen(sqlite::Handle& handle) const;

 private:
  // Null in place of a body in pieces.
  std::string const* text() const noexcept { return response_.body().text().get(); }
  bool is_compressible() const;
  std::string body_checksum() const;
  // Binds the parameters 1 to 21. Returns the checksum, which is the next one: bound text is not copied.
  std::string bind(sqlite::Statement& statement, std::string const& body_checksum) const;

  StoredResponse const& response_;
  LargeBodies const& bodies_;
  LargeBody const* large_ = nullptr;
  std::string key_, variant_, headers_, vary_headers_, parts_;
  std::optional<std::string> group_origin_, url_key_;
  std::optional<SearchKey> search_;
};

// The URLs with their keys.
void store_alias(sqlite::Handle& handle, Url const& from, std::string const& key, Url const& to,
                 std::string const& target_key);
bool remove_with_aliases(sqlite::Handle& handle, std::string const& key);
// What is stored for the URL under keys of its own, and what is for other URLs and answers requests for this
// one, by their No-Vary-Search.
bool remove_others(sqlite::Handle& handle, Url const& url, AtRest const& at_rest);
class RemovedSlice {
 public:
  RemovedSlice() = default;

  std::int64_t last = 0;  // the last row's id that was looked at
  std::uint64_t seen = 0, removed = 0;
  bool is_last = false;
};
// Those that are in one of the groups, of the next rows that are in any.
RemovedSlice remove_groups(sqlite::Handle& handle, Url const& origin, std::vector<std::string> const& groups,
                           AtRest const& at_rest, Walk& walk);
// @param url_key Of the URL, where a user's function makes another key of it.
bool has_url(sqlite::Handle& handle, std::string const& key, std::string const& url_key);
// Whether that changed anything.
bool pin(sqlite::Handle& handle, std::string const& key, Url const& url);
bool unpin(sqlite::Handle& handle, std::string const& key);
// Up to `most` of them; the last ones take the aliases with them that lead nowhere then.
std::uint64_t remove_expired(sqlite::Handle& handle, TimePoint now, std::uint64_t most);
void clear_responses(sqlite::Handle& handle);

}  // namespace detail
}  // namespace v1
}  // namespace beast_cache
