// A reverse proxy with a cache: it forwards to one origin whatever it may not, or can't, answer itself.
// `--help` says how it is called.
#include <sys/resource.h>

#include <beast_cache/beast_cache.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <charconv>
#include <csignal>
#include <iostream>
#include <sstream>
#include <stdexcept>
#include <thread>
#include <vector>

#include "connection.hpp"

using namespace beast_cache;
using tcp = asio::ip::tcp;

namespace {

constexpr std::string_view usage =
    R"(usage: caching_proxy --listen ADDRESS:PORT --origin URL --cache FILE [--private] [--memory MIB] [--threads N] [--timeout MS]
  --listen   port 0 takes a free one; the address that it became is printed
  --origin   where the answers come from
  --cache    the SQLite file; `.sqlite` is appended to a name without an extension
  --private  a cache for one user; otherwise it is a shared one (RFC 9111 section 1)
  --memory   how much of what is asked for often is kept in memory, too, in MiB; default 64
  --threads  how many threads serve the clients; default 1
  --timeout  how long the origin may keep a client waiting at one time, in milliseconds; default 30000
SIGTERM and SIGINT: what is under way is answered, then the program ends with 0. A second one ends it at once.
)";

struct Arguments {
  Arguments() = default;
  bool wants_help = false;
  std::string address;
  std::uint16_t port = 0;
  tcp::endpoint endpoint() const {
    error_code ec;
    auto const ip = asio::ip::make_address(address, ec);
    if (ec) throw std::invalid_argument("--listen: no IP address: " + address);
    return tcp::endpoint(ip, port);
  }
  std::string origin;
  std::string cache;
  bool is_private = false;
  std::uint64_t memory = 64;
  unsigned threads = 1;
  unsigned timeout = 30'000;
};

template <class Number>
Number parse_number(std::string_view text, std::string_view what) {
  Number number = 0;
  auto const [end, ec] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (text.empty() || ec != std::errc() || end != text.data() + text.size())
    throw std::invalid_argument(std::string(what) + ": not a number in its range: " + std::string(text));
  return number;
}

Arguments parse(int argc, char** argv) {
  Arguments arguments;
  for (int i = 1; i < argc; ++i) {
    std::string const name = argv[i];
    if (name == "--help") {
      arguments.wants_help = true;
      return arguments;
    }
    if (name == "--private") {
      arguments.is_private = true;
      continue;
    }
    if (++i == argc) throw std::invalid_argument(name + ": unknown, or its value is missing");
    std::string const value = argv[i];
    if (name == "--listen") {
      std::size_t const colon = value.rfind(':');
      if (colon == value.npos) throw std::invalid_argument("--listen: needs ADDRESS:PORT");
      arguments.address = value.substr(0, colon);
      arguments.port = parse_number<std::uint16_t>(std::string_view(value).substr(colon + 1), name);
      if (arguments.address.starts_with('[') && arguments.address.ends_with(']'))
        arguments.address = arguments.address.substr(1, arguments.address.size() - 2);
    } else if (name == "--origin") {
      arguments.origin = value;
    } else if (name == "--cache") {
      arguments.cache = value;
    } else if (name == "--memory") {
      arguments.memory = parse_number<std::uint32_t>(value, name);
    } else if (name == "--threads") {
      arguments.threads = std::max(1u, parse_number<unsigned>(value, name));
    } else if (name == "--timeout") {
      arguments.timeout = parse_number<unsigned>(value, name);
    } else {
      throw std::invalid_argument(name + ": unknown");
    }
  }
  if (arguments.address.empty() || arguments.origin.empty() || arguments.cache.empty())
    throw std::invalid_argument("--listen, --origin and --cache are needed; --help explains them");
  return arguments;
}

/// Tells of faults of the cache, which fail no request.
class Log final : public Observer {
 public:
  void on_cache_error(std::string_view operation, std::string_view url, std::exception_ptr failure) override {
    try {
      std::rethrow_exception(failure);
    } catch (std::exception const& e) {
      std::cerr << std::string(operation) + " of " + std::string(url) + ": " + e.what() + "\n";
    }
  }
};

CachedSession open_session(asio::any_io_executor executor, Arguments const& arguments) {
  // What the client sends is what the client's client sent: nothing is added, no redirect is followed.
  ClientOptions client;
  client.user_agent("").accept("").decompress(false).max_redirects(0);
  client.max_connections_per_origin(1024).max_connections(1024);
  // A body may take as long as it likes, so long as it goes on.
  client.timeout(std::chrono::hours(24))
      .timeouts(Timeouts().stall(std::chrono::milliseconds(arguments.timeout)));
  policy::Options rules;
  rules.mode(arguments.is_private ? policy::CacheMode::private_cache : policy::CacheMode::shared_cache);
  CacheOptions options;
  options.rules(rules).memory(arguments.memory << 20).observer(std::make_shared<Log>());
  return CachedSession(executor, std::make_shared<ClientSession>(executor, client),
                       SQLiteBackend(arguments.cache, options));
}

/// Accepts connections until it is told to end. All of it runs on one strand.
class Listener {
 public:
  /// @param threads How many run the context.
  Listener(asio::io_context& io, unsigned threads, tcp::endpoint const& endpoint, std::shared_ptr<Site> site)
      : io_(io),
        threads_(threads),
        strand_(asio::make_strand(io)),
        acceptor_(listen(strand_, endpoint)),
        timer_(strand_),
        signals_(strand_, SIGTERM, SIGINT),
        site_(std::move(site)) {}

  /// It has to outlive the context's run.
  void start() {
    asio::co_spawn(strand_, accept(), asio::detached);
    asio::co_spawn(strand_, drain(), asio::detached);
  }
  std::string url() const {
    std::ostringstream text;
    text << "http://" << acceptor_.local_endpoint();
    return text.str();
  }

 private:
  static tcp::acceptor listen(asio::any_io_executor const& executor, tcp::endpoint const& endpoint) {
    try {
      return tcp::acceptor(executor, endpoint);
    } catch (boost::system::system_error const& e) {
      std::ostringstream address;
      address << "listening on " << endpoint;
      throw Error(e.code(), address.str());
    }
  }

  asio::awaitable<void> accept() {
    for (;;) {
      error_code ec;
      asio::any_io_executor executor = io_.get_executor();
      if (threads_ != 1) executor = asio::make_strand(io_);
      tcp::socket socket =
          co_await acceptor_.async_accept(executor, asio::redirect_error(asio::use_awaitable, ec));
      if (!acceptor_.is_open()) co_return;
      if (ec) {  // no descriptor is free, as a rule: one may be soon
        timer_.expires_after(std::chrono::milliseconds(100));
        co_await timer_.async_wait(asio::redirect_error(asio::use_awaitable, ec));
        continue;
      }
      auto const connection = std::make_shared<Connection>(std::move(socket), site_);
      if (connections_.size() == connections_.capacity())
        std::erase_if(connections_, [](auto const& weak) { return weak.expired(); });
      connections_.push_back(connection);
      asio::co_spawn(executor, Connection::run(connection), asio::detached);
    }
  }

  /// Waits for the signal, and lets everything come to its end.
  asio::awaitable<void> drain() {
    error_code ec;
    co_await signals_.async_wait(asio::redirect_error(asio::use_awaitable, ec));
    signals_.clear(ec);  // the next one has its usual effect
    acceptor_.close(ec);
    timer_.cancel();
    site_->draining = true;
    for (auto const& weak : connections_) {
      if (auto const connection = weak.lock()) connection->drain();
    }
  }

  asio::io_context& io_;
  unsigned threads_;
  asio::any_io_executor strand_;
  tcp::acceptor acceptor_;
  asio::steady_timer timer_;
  asio::signal_set signals_;
  std::shared_ptr<Site> site_;
  std::vector<std::weak_ptr<Connection>> connections_;
};

/// A connection is a descriptor, and the soft limit is 1024 as a rule.
void raise_descriptor_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

void run_on(asio::io_context& io, unsigned threads) {
  std::vector<std::thread> others;
  for (unsigned i = 1; i < threads; ++i) others.emplace_back([&io] { io.run(); });
  io.run();
  for (std::thread& thread : others) thread.join();
}

}  // namespace

int main(int argc, char** argv) {
  try {
    Arguments const arguments = parse(argc, argv);
    if (arguments.wants_help) {
      std::cout << usage;
      return 0;
    }
    raise_descriptor_limit();
    asio::io_context io(static_cast<int>(arguments.threads));
    auto const site =
        std::make_shared<Site>(open_session(io.get_executor(), arguments), Url(arguments.origin));
    Listener listener(io, arguments.threads, arguments.endpoint(), site);
    listener.start();
    std::cout << listener.url() << std::endl;
    run_on(io, arguments.threads);
    // No connection is left: the file comes last.
    asio::co_spawn(io, site->session.close(), asio::detached);
    io.restart();
    io.run();
    return 0;
  } catch (std::exception const& e) {
    std::cerr << "caching_proxy: " << e.what() << '\n';
    return 2;
  }
}
