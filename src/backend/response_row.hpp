#pragma once
// One row of the table `responses`: bound to a statement, read from one, sealed and verified.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "backend/at_rest.hpp"
#include "beast_cache/backend/cache_backend.hpp"
#include "beast_cache/backend/stored_response.hpp"
#include "storage/envelope.hpp"
#include "storage/sqlite/handle.hpp"

namespace beast_cache {
inline namespace v1 {
namespace detail {

// The checksums of a row, or with a secret key its signatures, as text.
class Seal {
 public:
  enum class Verdict {
    good,
    damaged,
    bad_signature,
    removed  // of what can't be judged: it is about to go, and only this snapshot still has it
  };

  // @param is_files_own Whether the file was opened only because the key is its own: then what it did not
  //   sign is nobody else's.
  Seal(std::string_view secret_key, std::string_view salt, bool is_files_own = false)
      : guard_(secret_key, salt, "responses"), is_files_own_(is_files_own) {}

  std::string of_body(std::string_view body) const { return seal("body", body); }
  // Of a body in pieces, see LargeBodies.
  std::string of_chunk(std::string_view token, std::uint64_t number, std::string_view data) const;
  std::string of_head(std::string_view head) const { return seal("head", head); }

  // What `stored`, found beside data whose seal should be `right`, says about the data.
  Verdict judge(std::string_view stored, std::string_view right) const noexcept;

 private:
  // The part's name goes in: a body never passes for a head.
  std::string seal(std::string_view part, std::string_view data) const;

  Guard guard_;
  bool is_files_own_;
};

// The columns but id, key, variant, checksum, body and those that are made of the headers. Views: into a
// response and its texts, or into a statement's row, until its next step; or with `keep` into its own copy.
class ResponseRow {
 public:
  ResponseRow() = default;

  // The row of a response. The texts have to outlive it; those of the header fields are `encode_fields`'.
  ResponseRow(StoredResponse const& response, std::string_view headers, std::string_view vary_headers,
              std::string_view body_checksum, std::string_view parts);

  // The row that `sql::heads` yields.
  static constexpr int id_column = 0, checksum_column = 18, body_id_column = 19, coding_column = 20,
                       body_column = 21;
  explicit ResponseRow(sqlite::Row const& columns);

  // Header fields as they are stored. Throws Error(bad_value) for what can't be.
  static std::string encode_fields(AtRest const& at_rest, http::fields const& fields);
  static std::optional<http::fields> decode_fields(AtRest const& at_rest, std::string_view stored);

  // Makes one that outlives what this one views.
  ResponseRow keep() const;
  // The same; its texts go into `memory`, which is empty, and has room for so much `behind` them then.
  ResponseRow keep_in(std::string& memory, std::size_t behind = 0) const;

  // Whether it answers a query, without decoding more than that takes; nothing when it can't be decoded.
  std::optional<bool> matches(LookupQuery const& query, AtRest const& at_rest) const;

  // What Date says, or the time of arrival.
  TimePoint date(AtRest const& at_rest) const;

  // Binds the parameters 1 to 17.
  void bind(sqlite::Statement& statement) const;

  // What the checksum is taken of; it is for the row of that key only. Valid until the thread's next call.
  std::string_view sealed_text(std::string_view key) const;

  std::string_view method() const noexcept { return method_; }
  std::string_view principal() const noexcept { return principal_; }
  std::string_view url() const noexcept { return url_; }
  std::int64_t response_time() const noexcept { return response_time_; }
  std::string_view body_checksum() const noexcept { return body_checksum_; }
  std::int64_t size() const noexcept { return size_; }

  // Nothing when the header fields are not what was written.
  std::optional<CachedHead> decode(Url const& url, AtRest const& at_rest) const;

 private:
  std::shared_ptr<std::string> own_;
  std::string_view url_, method_, reason_, headers_, vary_headers_, principal_, body_checksum_, parts_;
  std::int64_t status_ = 0, version_ = 0, request_time_ = 0, response_time_ = 0, size_ = 0;
  std::optional<std::int64_t> created_at_, expires_at_, override_, fallback_;
};

}  // namespace detail
}  // namespace v1
}  // namespace beast_cache
