#pragma once

#include <boost/beast/http/fields.hpp>
#include <cstdint>
#include <memory>
#include <string_view>
#include <utility>

#include "beast_cache/backend/stored_response.hpp"
#include "beast_cache/detail/single_flight.hpp"

namespace beast_cache {
inline namespace v1 {
namespace detail {

/// What unsafe requests had been answered when a request was sent: its answer may be of before a later one's.
class Invalidations {
 public:
  /// What Cache-Status says where one keeps a response from being stored.
  static constexpr std::string_view obstacle = "invalidated meanwhile";

  Invalidations() = default;
  /// Until now. @param watch Of the place of what is asked for.
  explicit Invalidations(std::shared_ptr<SingleFlight::Watch> watch) noexcept
      : watch_(std::move(watch)), of_place_(watch_->count()), of_groups_(watch_->group_count()) {}

  /// Whether it is not to be stored, since there was one meanwhile that may concern it.
  bool outdate(http::fields const& response) const noexcept { return outdate(is_grouped(response)); }
  bool outdate(bool grouped) const noexcept {
    if (!watch_) return false;
    return watch_->count() != of_place_ || (grouped && watch_->group_count() != of_groups_);
  }
  /// The same for a backend, the other way round.
  IsCurrent check(bool grouped) const {
    if (!watch_) return IsCurrent();
    return [self = *this, grouped] { return !self.outdate(grouped); };
  }
  /// RFC 9875.
  static bool is_grouped(http::fields const& response) noexcept {
    return response.count("Cache-Groups") != 0;
  }

 private:
  std::shared_ptr<SingleFlight::Watch> watch_;
  std::uint64_t of_place_ = 0;
  std::uint64_t of_groups_ = 0;
};

}  // namespace detail
}  // namespace v1
}  // namespace beast_cache
