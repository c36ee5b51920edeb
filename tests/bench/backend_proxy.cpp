// Two caching proxies in front of the same nginx, each asked by wrk: the example of this library, and nginx.

#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <string>

#include "backend_variants.hpp"
#include "support/program.hpp"
#include "support/web_server.hpp"

namespace bench {
namespace {

// Asks for so many URLs of one file, one after another; each is a response of its own for a cache.
std::string write_script(std::string const& directory) {
  std::string const path = directory + "/urls.lua";
  std::ofstream(path) << "local n = 0\nrequest = function()\n  n = (n + 1) % 1000\n"
                         "  return wrk.format('GET', wrk.path .. '?' .. n)\nend\n";
  return path;
}

// Requests a second, from the cache alone.
Figures ask(std::string const& url, std::string const& directory) {
  std::string const script = write_script(directory);
  std::string text;
  for (char const* duration : {"1s", "2s"})  // the first one fills the cache
    text = output_of({"wrk", "-t1", "-c64", "-d", duration, "-s", script, url});
  std::size_t const at = text.find("Requests/sec:");
  bool const failed = text.find("Non-2xx") != text.npos || text.find("Socket errors") != text.npos;
  if (at == text.npos || failed) throw std::runtime_error("wrk: " + text);
  return {{"rate", std::stod(text.substr(at + 13))}};
}

class Directory {
 public:
  explicit Directory(std::string path) : path_(std::move(path)) {
    std::filesystem::remove_all(path_);
    std::filesystem::create_directories(path_);
  }
  Directory(Directory const&) = delete;
  Directory& operator=(Directory const&) = delete;
  ~Directory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  std::string const& path() const noexcept { return path_; }

 private:
  std::string path_;
};

std::string origin(Arguments const& arguments) {
  return "http://127.0.0.1:" + arguments.text("port");
}

Figures proxy_hits(Arguments const& arguments) {
  Directory const directory(arguments.text("dir"));
  Program const proxy({CACHING_PROXY, "--listen", "127.0.0.1:0", "--origin", origin(arguments), "--cache",
                       directory.path() + "/proxy"});
  return ask(proxy.first_line() + arguments.text("path"), directory.path());
}

Figures nginx_hits(Arguments const& arguments) {
  Directory const directory(arguments.text("dir"));
  WebServer const proxy(directory.path() + "/nginx", origin(arguments));
  return ask("http://127.0.0.1:" + std::to_string(proxy.port()) + arguments.text("path"), directory.path());
}

}  // namespace

void add_proxies(Variants& variants) {
  variants["proxy-hits"] = proxy_hits;
  variants["nginx-hits"] = nginx_hits;
}

}  // namespace bench
