#pragma once
/// \file link.hpp
/// The links that a response carries in its Link fields.

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "beast_cache/config.hpp"

namespace beast_cache {
inline namespace v1 {

/// One link: where it leads, and what it says of that.
///
/// Thread safety: distinct objects: safe; shared objects: const members safe.
/// Source: RFC 8288.
class Link {
 public:
  Link() = default;
  explicit Link(std::string target) : target_(std::move(target)) {}

  /// The URL that it leads to; the reference as it was sent where that is no http or https URL.
  std::string const& target() const noexcept { return target_; }
  /// Whether it has that relation type, as `next`; in any case.
  bool has_rel(std::string_view type) const noexcept;
  /// The first parameter of that name, in lower case, or an empty view. `rel` holds all relation types.
  std::string_view param(std::string_view name) const noexcept;
  /// All parameters in their order, names in lower case, quotes taken off.
  std::vector<std::pair<std::string, std::string>> const& params() const noexcept { return params_; }

  void set_target(std::string target) { target_ = std::move(target); }
  void add_param(std::string name, std::string value) {
    params_.emplace_back(std::move(name), std::move(value));
  }

  /// The links of one field line, their targets as they stand; what is malformed ends the reading.
  static std::vector<Link> parse(std::string_view line);

 private:
  std::string target_;
  std::vector<std::pair<std::string, std::string>> params_;
};

}  // namespace v1
}  // namespace beast_cache
