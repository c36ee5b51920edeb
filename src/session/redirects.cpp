#include "beast_cache/session/redirects.hpp"

#include <algorithm>
#include <array>
#include <boost/asio/error.hpp>
#include <string>
#include <utility>
#include <vector>

#include "beast_cache/error.hpp"
#include "beast_cache/session/cookie_jar.hpp"
#include "http/text.hpp"

namespace beast_cache {
inline namespace v1 {
namespace detail {
namespace {

// A body that is cheaper to read than a new connection is to make.
constexpr std::uint64_t max_drained = 64 * 1024;

// No credentials; without some of them the request would do more than its caller wants.
constexpr std::array safe_fields = {
    http::field::accept,
    http::field::accept_charset,
    http::field::accept_encoding,
    http::field::accept_language,
    http::field::cache_control,
    http::field::content_encoding,
    http::field::content_language,
    http::field::content_range,
    http::field::content_type,
    http::field::depth,
    http::field::if_,
    http::field::if_match,
    http::field::if_modified_since,
    http::field::if_none_match,
    http::field::if_range,
    http::field::if_unmodified_since,
    http::field::overwrite,
    http::field::pragma,
    http::field::range,
    http::field::user_agent,
};

template <class Predicate>
void erase_fields(http::fields& fields, Predicate predicate) {
  std::vector<std::string> names;
  for (auto const& field : fields) {
    if (predicate(field)) names.emplace_back(field.name_string());
  }
  for (auto const& name : names) fields.erase(name);
}

bool becomes_get(http::verb method, unsigned status) noexcept {
  if (status == 303) return method != http::verb::get && method != http::verb::head;
  // RFC 9110 section 15.4.2, note: what every browser does.
  return (status == 301 || status == 302) && method == http::verb::post;
}

/// Where a Location leads. A server behind a socket knows itself as `http://localhost`: that is the Host it
/// gets.
std::optional<Url> target_of(Url const& from, std::string_view location) {
  std::optional<Url> target = from.follow(location);
  if (target && from.is_unix() && target->origin() == "http://localhost")
    target = from.resolve(target->target());
  return target;
}

}  // namespace

std::optional<Request> next_hop(Request const& sent, ResponseHead const& response, bool allow_downgrade) {
  if (!is_redirect(response.status())) return std::nullopt;
  auto const count = response.headers().count(http::field::location);
  if (count == 0) return std::nullopt;
  std::string const origin(sent.url().origin());
  if (count > 1) throw Error(http_errc::redirect_target, origin + " sent several Location fields");
  std::optional<Url> const target = target_of(sent.url(), response.header("Location"));
  if (!target)
    throw Error(http_errc::redirect_target, origin + " sent a Location that is no http or https URL");
  if (sent.url().is_unix() && !same_origin(sent.url(), *target))
    throw Error(http_errc::redirect_target, origin + " leads away from its socket");
  if (sent.url().is_secure() && !target->is_secure() && !allow_downgrade)
    throw Error(http_errc::redirect_downgrade, origin + " to " + std::string(target->origin()));

  Request next(sent);
  // Without user information: it would be the server's choice of credentials, not the caller's.
  next.set_url(Url(target->str()));
  if (sent.has_jar_cookies()) {
    next.headers().erase(http::field::cookie);
    next.set_has_jar_cookies(false);
  }
  if (becomes_get(sent.method(), response.status())) {
    next.set_method(http::verb::get);
    next.set_body(Body());
    erase_fields(next.headers(), [](auto const& field) {
      auto const name = field.name_string();
      bool const is_condition = iequals(name.substr(0, 3), "if-") || iequals(name, "if") ||
                                iequals(name, "range") || iequals(name, "depth") ||
                                iequals(name, "overwrite");
      return is_condition || iequals(name.substr(0, 8), "content-") || iequals(name, "digest");
    });
  } else if (!sent.body().empty() && !sent.body().repeatable()) {
    throw Error(http_errc::body_not_replayable, origin + " to " + std::string(target->origin()));
  }
  if (!same_origin(sent.url(), *target)) {
    next.set_has_left_origin(true);
    next.set_has_left_site(sent.has_left_site() || !is_same_site(sent.url(), *target));
    erase_fields(next.headers(), [](auto const& field) {
      return std::find(safe_fields.begin(), safe_fields.end(), field.name()) == safe_fields.end();
    });
  }
  return next;
}

asio::awaitable<void> drain(std::unique_ptr<BodyReader> body) {
  if (!body || body->remaining().value_or(0) > max_drained) co_return;
  try {
    std::string buffer(16 * 1024, '\0');
    std::uint64_t drained = 0;
    while (drained <= max_drained) {
      std::size_t const count = co_await body->read_some(asio::buffer(buffer));
      if (count == 0) break;
      drained += count;
    }
  } catch (boost::system::system_error const& e) {
    if (e.code() == asio::error::operation_aborted) throw;
  }
}

}  // namespace detail
}  // namespace v1
}  // namespace beast_cache
