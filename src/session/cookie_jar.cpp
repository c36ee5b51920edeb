#include "beast_cache/session/cookie_jar.hpp"

#include <algorithm>
#include <chrono>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "http/file.hpp"
#include "http/text.hpp"
#include "session/cookie_entries.hpp"

namespace beast_cache {
inline namespace v1 {
namespace detail {
namespace {

// RFC 6265bis section 5.5.
constexpr auto longest_life = std::chrono::hours(24 * 400);

// A field can't hold more than 64 KiB, and no server takes as much.
constexpr std::size_t longest_header = 60'000;

bool istarts_with(std::string_view text, std::string_view prefix) noexcept {
  return iequals(text.substr(0, prefix.size()), prefix);
}
// In a URL's normal form a host that ends in a digit label is an address, and one that begins with an escape
// is the path of a socket.
bool is_address(std::string_view host) noexcept {
  std::string_view const last = host.substr(host.rfind('.') + 1);
  return host.starts_with('[') || host.starts_with('%') ||
         last.find_first_not_of("0123456789") == std::string_view::npos;
}

std::string_view path_of(Url const& url) noexcept {
  return url.target().substr(0, url.target().find('?'));
}

/// RFC 6265bis section 5.7, steps 20 to 22: what the name promises.
bool keeps_promises(Cookie const& cookie, CookieEntry const& entry) noexcept {
  if (entry.name.empty()) {
    return !istarts_with(entry.value, "__Secure-") && !istarts_with(entry.value, "__Host-");
  }
  if (istarts_with(entry.name, "__Secure-")) return entry.secure;
  if (istarts_with(entry.name, "__Host-"))
    return entry.secure && cookie.domain().empty() && cookie.path() == "/";
  return true;
}

}  // namespace

bool domain_matches(std::string_view host, std::string_view domain) noexcept {
  if (host == domain) return true;
  return host.size() > domain.size() && host.ends_with(domain) &&
         host[host.size() - domain.size() - 1] == '.' && !is_address(host);
}

namespace {

/// The public suffix and one label more; of what has no such name, all of it.
std::string_view site_of(std::string_view host) {
  std::string_view site = host;
  if (is_address(host)) return site;
  for (std::string_view rest = host; !is_public_suffix(std::string(rest));) {
    site = rest;
    std::size_t const dot = rest.find('.');
    if (dot == std::string_view::npos) break;
    rest.remove_prefix(dot + 1);
  }
  return site;
}

}  // namespace

bool is_same_site(Url const& a, Url const& b) {
  return a.scheme() == b.scheme() && (a.host() == b.host() || site_of(a.host()) == site_of(b.host()));
}

bool path_matches(std::string_view path, std::string_view cookie_path) noexcept {
  if (!path.starts_with(cookie_path)) return false;
  return path.size() == cookie_path.size() || cookie_path.ends_with('/') || path[cookie_path.size()] == '/';
}

std::string default_cookie_path(Url const& url) {
  std::string_view const path = path_of(url);
  std::size_t const last = path.rfind('/');
  return last == 0 || last == std::string_view::npos ? "/" : std::string(path.substr(0, last));
}

}  // namespace detail

using detail::CookieEntry;

class CookieJar::Impl {
 public:
  explicit Impl(std::shared_ptr<Clock const> clock) : clock_(std::move(clock)) {}

  /// @param received When it came, if that was earlier: then it replaces and removes nothing.
  bool store(Url const& url, Cookie const& cookie, std::optional<TimePoint> received = std::nullopt) {
    TimePoint const now = clock_->now();
    CookieEntry entry;
    entry.name = cookie.name();
    entry.value = cookie.value();
    entry.secure = cookie.secure();
    entry.http_only = cookie.http_only();
    entry.same_site = cookie.same_site();
    entry.path = cookie.path().empty() ? detail::default_cookie_path(url) : cookie.path();
    entry.persistent = cookie.max_age() || cookie.expires();
    if (cookie.max_age()) {
      entry.expires = *cookie.max_age() <= std::chrono::seconds(0)
                          ? TimePoint::min()
                          : received.value_or(now) +
                                std::min<std::chrono::seconds>(*cookie.max_age(), detail::longest_life);
    } else if (cookie.expires()) {
      entry.expires = std::min<TimePoint>(*cookie.expires(), now + detail::longest_life);
    }
    std::string const host(url.host());
    std::string domain = cookie.domain();
    if (!domain.empty() && detail::is_public_suffix(domain)) {
      if (domain != host) return false;
      domain.clear();
    }
    if (!domain.empty() && !detail::domain_matches(host, domain)) return false;
    entry.host_only = domain.empty();
    entry.domain = domain.empty() ? host : domain;
    if (entry.secure && !url.is_secure()) return false;
    if (cookie.same_site() == SameSite::none && !entry.secure) return false;
    if (!detail::keeps_promises(cookie, entry)) return false;
    std::lock_guard const lock(mutex_);
    if (!url.is_secure() && shadows_secure(entry)) return false;
    if (received && (entry.expires <= now || holds(entry, now))) return false;
    put(std::move(entry), now);
    return true;
  }

  std::string header(Url const& url, SameSite strictest) {
    TimePoint const now = clock_->now();
    std::string_view const host = url.host();
    std::string_view const path = detail::path_of(url);
    std::vector<CookieEntry*> found;
    std::lock_guard const lock(mutex_);
    // The host itself, and each domain above it.
    for (std::string_view domain = host; !domain.empty();) {
      auto const at = domains_.find(domain);
      if (at != domains_.end()) {
        for (CookieEntry& entry : at->second) {
          bool const is_for_host =
              entry.host_only ? host == entry.domain : detail::domain_matches(host, entry.domain);
          bool const may_go = (!entry.secure || url.is_secure()) && entry.same_site <= strictest;
          if (is_for_host && may_go && now < entry.expires && detail::path_matches(path, entry.path))
            found.push_back(&entry);
        }
      }
      std::size_t const dot = domain.find('.');
      domain.remove_prefix(dot == std::string_view::npos ? domain.size() : dot + 1);
    }
    // RFC 6265bis section 5.8.3, step 2.
    std::sort(found.begin(), found.end(), [](CookieEntry const* a, CookieEntry const* b) {
      if (a->path.size() != b->path.size()) return a->path.size() > b->path.size();
      return a->created < b->created;
    });
    std::string value;
    ++events_;
    for (CookieEntry* const entry : found) {
      if (value.size() + entry->name.size() + entry->value.size() > detail::longest_header) break;
      entry->used = events_;
      if (!value.empty()) value += "; ";
      if (!entry->name.empty()) value.append(entry->name).append(1, '=');
      value += entry->value;
    }
    return value;
  }

  std::size_t size() const {
    std::lock_guard const lock(mutex_);
    return count();
  }
  /// Removes those of which `predicate` is true.
  template <class Predicate>
  void remove(Predicate predicate) {
    std::lock_guard const lock(mutex_);
    erase(predicate);
  }

  std::string format() const {
    std::lock_guard const lock(mutex_);
    return detail::format_cookies(domains_);
  }
  void parse(std::string_view text) {
    TimePoint const now = clock_->now();
    std::lock_guard const lock(mutex_);
    detail::parse_cookies(text, [&](CookieEntry entry) {
      entry.expires =
          entry.persistent ? std::min<TimePoint>(entry.expires, now + detail::longest_life) : entry.expires;
      put(std::move(entry), now);
    });
  }

 private:
  std::size_t count() const noexcept {
    std::size_t sum = 0;
    for (auto const& [domain, entries] : domains_) sum += entries.size();
    return sum;
  }
  template <class Predicate>
  void erase(Predicate predicate) {
    for (auto at = domains_.begin(); at != domains_.end();) {
      std::erase_if(at->second, predicate);
      at = at->second.empty() ? domains_.erase(at) : std::next(at);
    }
  }

  /// RFC 6265bis section 5.7, step 16: what came over http does not stand in for a secure cookie.
  bool shadows_secure(CookieEntry const& entry) const noexcept {
    for (auto const& [domain, entries] : domains_) {
      bool const is_near =
          detail::domain_matches(domain, entry.domain) || detail::domain_matches(entry.domain, domain);
      if (!is_near) continue;
      bool const found = std::any_of(entries.begin(), entries.end(), [&](CookieEntry const& held) {
        return held.secure && held.name == entry.name && detail::path_matches(entry.path, held.path);
      });
      if (found) return true;
    }
    return false;
  }

  bool holds(CookieEntry const& entry, TimePoint now) const noexcept {
    auto const at = domains_.find(entry.domain);
    return at != domains_.end() &&
           std::any_of(at->second.begin(), at->second.end(),
                       [&](CookieEntry const& held) { return held.same_place(entry) && now < held.expires; });
  }

  void put(CookieEntry entry, TimePoint now) {
    ++events_;
    entry.created = entry.used = events_;
    std::vector<CookieEntry>& entries = domains_[entry.domain];
    auto const old = std::find_if(entries.begin(), entries.end(),
                                  [&](CookieEntry const& held) { return held.same_place(entry); });
    if (old != entries.end()) {
      entry.created = old->created;
      entries.erase(old);
    }
    std::string const domain = entry.domain;
    if (now < entry.expires) entries.push_back(std::move(entry));
    make_room(entries, now);
    auto const at = domains_.find(domain);
    if (at != domains_.end() && at->second.empty()) domains_.erase(at);
  }

  /// RFC 6265bis section 5.7: first what has expired, then the excess of one domain, then that of all.
  void make_room(std::vector<CookieEntry>& entries, TimePoint now) {
    auto const used_first = [](CookieEntry const& a, CookieEntry const& b) {
      return a.secure != b.secure ? !a.secure : a.used < b.used;
    };
    if (entries.size() > max_cookies_per_domain) {
      std::erase_if(entries, [&](CookieEntry const& entry) { return entry.expires <= now; });
    }
    while (entries.size() > max_cookies_per_domain) {
      entries.erase(std::min_element(entries.begin(), entries.end(), used_first));
    }
    if (count() > max_cookies) {
      erase([&](CookieEntry const& entry) { return entry.expires <= now; });
      while (count() > max_cookies) {
        // Several may have been used at once.
        std::pair oldest(events_ + 1, events_ + 1);
        for (auto const& [domain, held] : domains_) {
          for (CookieEntry const& entry : held)
            oldest = std::min(oldest, std::pair(entry.used, entry.created));
        }
        erase([&](CookieEntry const& entry) { return std::pair(entry.used, entry.created) == oldest; });
      }
    }
  }

  std::shared_ptr<Clock const> clock_;
  mutable std::mutex mutex_;
  detail::CookieDomains domains_;
  std::uint64_t events_ = 0;
};

namespace {

/// What the Set-Cookie fields of a response say, but for those that say nothing.
template <class Take>
void each_cookie(http::fields const& response, Take take) {
  for (auto [line, last] = response.equal_range(http::field::set_cookie); line != last; ++line) {
    auto const cookie = Cookie::parse({line->value().data(), line->value().size()});
    if (cookie) take(*cookie);
  }
}

}  // namespace

CookieJar::CookieJar(std::shared_ptr<Clock const> clock) : impl_(std::make_unique<Impl>(std::move(clock))) {}
CookieJar::~CookieJar() = default;

void CookieJar::store(Url const& url, http::fields const& response) {
  each_cookie(response, [&](Cookie const& cookie) { impl_->store(url, cookie); });
}
void CookieJar::restore(Url const& url, http::fields const& response, TimePoint received) {
  each_cookie(response, [&](Cookie const& cookie) { impl_->store(url, cookie, received); });
}
bool CookieJar::store(Url const& url, Cookie const& cookie) {
  return impl_->store(url, cookie);
}
std::string CookieJar::header(Url const& url, SameSite strictest) {
  return impl_->header(url, strictest);
}
std::size_t CookieJar::size() const {
  return impl_->size();
}
void CookieJar::clear() {
  impl_->remove([](CookieEntry const&) { return true; });
}
void CookieJar::clear_session_cookies() {
  impl_->remove([](CookieEntry const& entry) { return !entry.persistent; });
}
void CookieJar::save(std::string const& path) const {
  std::string const text = impl_->format();
  detail::NewFile file(path, detail::NewFile::Mode::owner_only);
  file.write(text.data(), text.size());
  file.commit();
}
void CookieJar::load(std::string const& path) {
  impl_->parse(detail::read_file(path));
}

}  // namespace v1
}  // namespace beast_cache
