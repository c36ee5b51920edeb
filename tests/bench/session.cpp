// The session benchmark: ClientSession beside a loop on Beast and libcurl, all against one nginx. README.md
// explains the rows.

#include <filesystem>

#include "session_variants.hpp"
#include "support/suite.hpp"
#include "support/web_server.hpp"

namespace bench {
namespace {

constexpr std::size_t KiB = 1024;
constexpr std::size_t GiB = KiB * KiB * KiB;

// What asks for a file of that size.
Arguments asking(WebServer& server, std::size_t size) {
  server.url(size);
  return Arguments()
      .with("port", server.port())
      .with("path", "/" + std::to_string(size))
      .with("size", size)
      .with("warm-up", 2000)
      .with("in-flight", 1);
}

void add_small(Suite& suite, WebServer& server) {
  Arguments const one = asking(server, KiB);
  Arguments const many = one.with("in-flight", 64);
  Case singly;
  singly.contestants = {{"1 KiB one at a time", "ours-fetch", one},
                        {"Beast one at a time", "beast-fetch", one}};
  singly.rows = {ratio("1 KiB GET one at a time / bare Beast", "1 KiB one at a time", "Beast one at a time",
                       Goal::at_least(0.90))};
  Case at_once;
  at_once.contestants = {{"1 KiB 64 in flight", "ours-fetch", many},
                         {"Beast 64 in flight", "beast-fetch", many},
                         {"libcurl multi 64 in flight", "curl-fetch", many}};
  at_once.rows = {ratio("1 KiB GET 64 in flight / bare Beast", "1 KiB 64 in flight", "Beast 64 in flight",
                        Goal::at_least(0.90)),
                  ratio("1 KiB GET 64 in flight / libcurl multi", "1 KiB 64 in flight",
                        "libcurl multi 64 in flight", Goal::at_least(1.0))};
  Case allocations;
  allocations.contestants = {{"allocations 64 in flight", "ours-allocations", many}};
  allocations.rows = {plain("allocations for one 1 KiB GET", "allocations", "allocations 64 in flight",
                            "allocations", Goal::at_most(25))};
  suite.cases.insert(suite.cases.end(), {singly, at_once, allocations});
}

void add_large(Suite& suite, WebServer& server, std::string const& directory) {
  Arguments const hundred = asking(server, 100 * KiB).with("warm-up", 200);
  Arguments const hundreds = hundred.with("in-flight", 64);
  Case medium;
  medium.contestants = {{"100 KiB one at a time", "ours-fetch", hundred},
                        {"Beast 100 KiB one at a time", "beast-fetch", hundred},
                        {"100 KiB 64 in flight", "ours-fetch", hundreds},
                        {"Beast 100 KiB 64 in flight", "beast-fetch", hundreds}};
  medium.rows = {ratio("100 KiB GET one at a time / bare Beast with a default flat_buffer",
                       "100 KiB one at a time", "Beast 100 KiB one at a time", Goal::at_least(4)),
                 ratio("100 KiB GET 64 in flight / bare Beast with a default flat_buffer",
                       "100 KiB 64 in flight", "Beast 100 KiB 64 in flight", Goal::at_least(4))};
  Arguments const huge = asking(server, GiB).with("file", directory + "/saved");
  Case streamed;
  streamed.most_rounds = 5;
  streamed.contestants = {{"1 GiB by read_some", "ours-save", huge.with("by-hand", 1)},
                          {"1 GiB by save_to", "ours-save", huge},
                          {"curl 1 GiB", "curl-save", huge}};
  // For information: curl leaves the bytes to the operating system, save_to waits until they are on the disk.
  Row saved = ratio("1 GiB by save_to / curl", "1 GiB by save_to", "curl 1 GiB", Goal::at_least(1.0));
  saved.goal.reset();
  streamed.rows = {
      ratio("1 GiB streamed to a file / curl", "1 GiB by read_some", "curl 1 GiB", Goal::at_least(1.0)),
      saved, plain("memory for 1 GiB", "MiB", "1 GiB by read_some", "mib", Goal::at_most(16))};
  suite.cases.insert(suite.cases.end(), {medium, streamed});
}

void add_crowd(Suite& suite, WebServer& server) {
  Case crowd;
  crowd.contestants = {{"10 000 at once", "ours-crowd", asking(server, KiB).with("requests", 10'000)}};
  crowd.rows = {
      plain("10 000 requests at once: answered", "share", "10 000 at once", "answered", Goal::at_least(1.0)),
      plain("10 000 requests at once: the last / the median", "ratio", "10 000 at once", "last",
            Goal::at_most(2.5)),
      plain("10 000 requests at once: memory", "MiB", "10 000 at once", "mib")};
  suite.cases.push_back(crowd);
}

int run(Arguments const& arguments) {
  Suite suite;
  suite.name = "session";
  add_our_clients(suite.variants);
  add_beast_clients(suite.variants);
  add_curl_clients(suite.variants);
  if (arguments.has("variant")) return child_main(suite.variants, arguments);

  std::string const directory = arguments.text("dir", "build/bench/data");
  WebServer server(directory + "/server");
  add_small(suite, server);
  add_large(suite, server, std::filesystem::absolute(directory).string());
  add_crowd(suite, server);
  run_suite(suite, arguments);
  return 0;
}

}  // namespace
}  // namespace bench

int main(int argc, char** argv) {
  return bench::guarded(bench::run, argc, argv);
}
