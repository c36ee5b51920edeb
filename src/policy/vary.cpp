#include "beast_cache/policy/vary.hpp"

#include <algorithm>
#include <array>

namespace beast_cache {
inline namespace v1 {
namespace policy {
namespace detail {
namespace {

struct Preference {
  std::string_view value;
  int weight = 0;  ///< in thousandths
};

/// What a member names: it stands in front of its weight. RFC 9110 section 8.4.1.3: x-gzip and x-compress are
/// old names.
std::string_view name_of(std::string_view member) noexcept {
  auto name = trim(member.substr(0, member.find(';')));
  if (iequals(name, "x-gzip") || iequals(name, "x-compress")) name.remove_prefix(2);
  return name;
}

/// The members of a field; more than anybody sends is not well formed.
class Preferences {
 public:
  explicit Preferences(Lines const& lines) noexcept {
    for (auto it = lines.begin(); ok_ && it != lines.end(); ++it) {
      ok_ = for_each_member(std::string_view{it->value()}, [this](std::string_view m) { return add(m); });
    }
  }

  explicit operator bool() const noexcept { return ok_; }
  std::size_t size() const noexcept { return size_; }
  Preference const* begin() const noexcept { return members_.data(); }
  Preference const* end() const noexcept { return members_.data() + size_; }
  Preference const* find(std::string_view value) const noexcept {
    return std::find_if(begin(), end(), [&](Preference const& p) { return iequals(p.value, value); });
  }
  bool contains(Preference const& p) const noexcept {
    auto const* const found = find(p.value);
    return found != end() && found->weight == p.weight;
  }
  /// Those of higher weight first; equal ones keep their order. (std::stable_sort would allocate.)
  void sort() noexcept {
    for (std::size_t i = 1; i < size_; ++i) {
      for (auto j = i; j > 0 && members_[j - 1].weight < members_[j].weight; --j) {
        std::swap(members_[j - 1], members_[j]);
      }
    }
  }

 private:
  bool add(std::string_view member) noexcept {
    auto const semicolon = member.find(';');
    Preference p{name_of(member), 1000};
    if (semicolon != std::string_view::npos) {
      auto const weight = read_weight(trim(member.substr(semicolon + 1)));
      if (!weight) return false;
      p.weight = *weight;
    }
    // What is named twice has two weights, and nobody knows which one counts.
    if (!is_token(p.value) || size_ == members_.size() || find(p.value) != end()) return false;
    members_[size_++] = p;
    return true;
  }

  /// RFC 9110 section 12.4.2: `q=`, 0 or 1, up to three digits behind the point.
  static std::optional<int> read_weight(std::string_view text) noexcept {
    if (text.size() < 3 || text.size() > 7 || lower(text[0]) != 'q' || text[1] != '=') return std::nullopt;
    if (text[2] != '0' && text[2] != '1') return std::nullopt;
    int weight = (text[2] - '0') * 1000;
    if (text.size() > 3 && text[3] != '.') return std::nullopt;
    int part = 100;
    for (std::size_t i = 4; i < text.size(); ++i, part /= 10) {
      if (!is_digit(text[i])) return std::nullopt;
      weight += (text[i] - '0') * part;
    }
    return weight <= 1000 ? std::optional{weight} : std::nullopt;
  }

  std::array<Preference, 16> members_;
  std::size_t size_ = 0;
  bool ok_ = true;
};

/// Whether the first member of `b` is named in `a`.
bool names_first(Lines const& a, Lines const& b) noexcept {
  std::string_view first;
  for_each_member(std::string_view{b.begin()->value()}, [&](std::string_view member) {
    first = name_of(member);
    return false;
  });
  return std::any_of(a.begin(), a.end(), [&](auto const& line) {
    return !for_each_member(std::string_view{line.value()},
                            [&](std::string_view member) { return !iequals(name_of(member), first); });
  });
}

}  // namespace

bool same_preferences(http::field name, Lines const& a, Lines const& b) noexcept {
  // Most values that differ do so in their first member.
  if (!names_first(a, b)) return false;
  Preferences ours{a};
  Preferences theirs{b};
  if (!ours || !theirs || ours.size() != theirs.size()) return false;
  if (name == http::field::accept_encoding) {
    return std::all_of(theirs.begin(), theirs.end(), [&](Preference const& p) { return ours.contains(p); });
  }
  ours.sort();
  theirs.sort();
  return std::equal(ours.begin(), ours.end(), theirs.begin(), [](Preference const& p, Preference const& q) {
    return p.weight == q.weight && iequals(p.value, q.value);
  });
}

}  // namespace detail

bool accepts_coding(http::fields const& request, http::fields const& response) noexcept {
  if (response.count(http::field::content_encoding) == 0 || request.count(http::field::accept_encoding) == 0)
    return true;
  detail::Preferences const asked{detail::Lines{request, http::field::accept_encoding}};
  if (!asked) return true;  // nobody knows what is asked for
  return detail::for_each_member(response, http::field::content_encoding, [&](std::string_view member) {
    std::string_view const coding = detail::name_of(member);
    auto const* found = asked.find(coding);
    if (found == asked.end()) found = asked.find("*");
    bool const is_accepted = found != asked.end() && found->weight != 0;
    return is_accepted || detail::iequals(coding, "identity");
  });
}

}  // namespace policy
}  // namespace v1
}  // namespace beast_cache
