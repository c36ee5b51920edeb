#include "session/proxy.hpp"

#include <algorithm>
#include <boost/asio/ip/address.hpp>
#include <boost/asio/ip/network_v4.hpp>
#include <boost/asio/ip/network_v6.hpp>
#include <charconv>
#include <utility>

#include "beast_cache/error.hpp"
#include "beast_cache/session/basic_credentials.hpp"
#include "session/environment.hpp"

namespace beast_cache {
inline namespace v1 {
namespace detail {
namespace {

// RFC 1928 section 1, as everybody uses it.
constexpr std::string_view socks_port = ":1080";

std::string to_lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + ('a' - 'A'));
  }
  return out;
}

/// `host`, `host:port`, `[address]:port`; an address without brackets has no port.
std::pair<std::string_view, std::string_view> split_port(std::string_view text) {
  std::size_t const colon = text.rfind(':');
  bool const has_port =
      colon != std::string_view::npos && (text.find(':') == colon || text.substr(0, colon).ends_with(']'));
  if (!has_port) return {text, {}};
  return {text.substr(0, colon), text.substr(colon + 1)};
}

std::string_view without_brackets(std::string_view host) {
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  return host;
}

template <class Network, class Address>
bool is_in(Network const& network, Address const& address) {
  return Network(address, network.prefix_length()).canonical() == network.canonical();
}

/// Whether the address is the one that is meant, or in the network that is meant.
bool matches_address(asio::ip::address const& address, std::string_view meant) {
  error_code ec;
  if (meant.find('/') == std::string_view::npos) {
    auto const other = asio::ip::make_address(std::string(without_brackets(meant)), ec);
    return !ec && other == address;
  }
  if (address.is_v4()) {
    auto const network = asio::ip::make_network_v4(std::string(meant), ec);
    return !ec && is_in(network, address.to_v4());
  }
  auto const network = asio::ip::make_network_v6(std::string(meant), ec);
  return !ec && is_in(network, address.to_v6());
}

std::shared_ptr<Proxy const> from_variable(std::string const& lower, std::string const& upper) {
  std::string value = environment(lower.c_str());
  if (value.empty() && !upper.empty()) value = environment(upper.c_str());
  return value.empty() ? nullptr : std::make_shared<Proxy const>(value);
}

}  // namespace

Proxy::Proxy(std::string_view text) {
  std::size_t const colon = text.find("://");
  std::string const scheme = colon == std::string_view::npos ? "http" : to_lower(text.substr(0, colon));
  std::string_view rest = colon == std::string_view::npos ? text : text.substr(colon + 3);
  rest = rest.substr(0, rest.find_first_of("/?#"));
  is_socks_ = scheme == "socks5h" || scheme == "socks5";
  if (!is_socks_ && scheme != "http")
    throw Error(http_errc::invalid_url,
                "a proxy is http:// or socks5h://, not " + scheme.substr(0, 20) + "://");
  std::string written = "http://" + std::string(rest);
  if (is_socks_ && split_port(rest.substr(rest.rfind('@') + 1)).second.empty()) written.append(socks_port);
  std::optional<Url> const url = Url::parse(written);
  if (!url) throw Error(http_errc::invalid_url, "the proxy's URL is malformed");

  host_ = std::string(url->host_name());
  port_ = url->port();
  name_ = scheme + "://" + std::string(url->host()) + ":" + std::to_string(port_);
  if (url->user_info().empty()) return;
  if (!is_socks_) {
    authorization_ = basic_credentials(url->user_info());
    return;
  }
  std::string const plain = decode_user_info(url->user_info());
  std::size_t const end = std::min(plain.find(':'), plain.size());
  user_ = plain.substr(0, end);
  password_ = plain.substr(std::min(end + 1, plain.size()));
  // RFC 1929 section 2: each has one octet for its length, which is not zero.
  if (user_.empty() || user_.size() > 255 || password_.empty() || password_.size() > 255)
    throw Error(http_errc::invalid_url, name_ + ": SOCKS needs a user and a password of 1 to 255 bytes");
}

ProxyExceptions::ProxyExceptions(std::string_view list) {
  while (!list.empty()) {
    std::size_t const end = std::min(list.find_first_of(", \t"), list.size());
    auto [host, digits] = split_port(list.substr(0, end));
    list.remove_prefix(std::min(end + 1, list.size()));
    if (host.starts_with("*.")) host.remove_prefix(1);
    if (host.starts_with('.')) host.remove_prefix(1);
    if (host.ends_with('.')) host.remove_suffix(1);
    std::uint16_t port = 0;
    auto const [last, ec] = std::from_chars(digits.data(), digits.data() + digits.size(), port);
    bool const is_port = digits.empty() || (ec == std::errc() && last == digits.data() + digits.size());
    if (!host.empty() && is_port) entries_.emplace_back(to_lower(host), port);
  }
}

bool ProxyExceptions::contains(Url const& url) const {
  std::string_view host = url.host_name();
  if (host.ends_with('.')) host.remove_suffix(1);
  error_code no_address;
  auto const address = asio::ip::make_address(std::string(host), no_address);
  return std::any_of(entries_.begin(), entries_.end(), [&](Entry const& entry) {
    if (entry.port != 0 && entry.port != url.port()) return false;
    if (entry.host == "*") return true;
    if (!no_address) return matches_address(address, entry.host);
    if (!host.ends_with(entry.host)) return false;
    std::string_view const before = host.substr(0, host.size() - entry.host.size());
    return before.empty() || before.ends_with('.');
  });
}

Proxies::Proxies(std::string const& url, bool from_environment) {
  if (!url.empty()) {
    http_ = https_ = std::make_shared<Proxy const>(url);
    return;
  }
  if (!from_environment) return;
  std::shared_ptr<Proxy const> const all = from_variable("all_proxy", "ALL_PROXY");
  http_ = from_variable("http_proxy", environment("REQUEST_METHOD").empty() ? "HTTP_PROXY" : "");
  https_ = from_variable("https_proxy", "HTTPS_PROXY");
  if (!http_) http_ = all;
  if (!https_) https_ = all;
  std::string exceptions = environment("no_proxy");
  if (exceptions.empty()) exceptions = environment("NO_PROXY");
  exceptions_ = ProxyExceptions(exceptions);
}

std::shared_ptr<Proxy const> Proxies::choose(Url const& url) const {
  std::shared_ptr<Proxy const> const& proxy = url.is_secure() ? https_ : http_;
  if (!proxy || url.is_unix() || exceptions_.contains(url)) return nullptr;
  return proxy;
}

std::string Route::key() const {
  if (!proxy) return std::string(url.origin());
  // The same connection carries requests for any host.
  if (is_forwarded()) return proxy->name();
  return std::string(url.origin()).append(" through ").append(proxy->name());
}

std::string to_absolute_form(std::string head, Url const& url, Proxy const& proxy) {
  std::size_t const target = head.find(' ') + 1;
  if (head[target] == '*') head.erase(target, 1);
  head.insert(target, url.origin());
  if (!proxy.authorization().empty())
    head.insert(head.size() - 2, "Proxy-Authorization: " + proxy.authorization() + "\r\n");
  return head;
}

}  // namespace detail
}  // namespace v1
}  // namespace beast_cache
