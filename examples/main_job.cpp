// Fetches pages through a cache and prints what came of each: twice in one process, so that the second table
// comes from the cache file. Run it again with the same file, and the first one does as well.
// usage: main_job FILE URL...            http or https
//        main_job FILE --origin BASE     the pages of the origin in support/origin.cpp
// Exit status: 1 when a request found no answer.
#include <beast_cache/beast_cache.hpp>
#include <chrono>
#include <cstdio>
#include <stdexcept>
#include <string>
#include <vector>

#include "support/run.hpp"

using namespace beast_cache;

struct Page {
  explicit Page(std::string u, std::string l = "en") : url(std::move(u)), language(std::move(l)) {}
  std::string url;
  std::string language;
};

// Fetches a page and prints its line. False when there was no answer.
asio::awaitable<bool> show(CachedSession session, Page page) {
  auto const start = std::chrono::steady_clock::now();
  std::string status = "-", bytes = "-", remark;
  try {
    CachedResponse response = co_await session.get(page.url).header("Accept-Language", page.language);
    status = std::to_string(response.status());
    bytes = std::to_string(response.body().size());
    remark = response.cache_status();
    if (!response.history().empty()) page.url += " -> " + response.url().str();
  } catch (Error const& e) {  // a request that fails is a line of the table like any other
    remark = e.what();
  }
  std::chrono::duration<double, std::milli> const time = std::chrono::steady_clock::now() - start;
  std::printf("%6s %9s %8.2f ms  %-48s  %s\n", status.c_str(), bytes.c_str(), time.count(), remark.c_str(),
              page.url.c_str());
  co_return status != "-";
}

asio::awaitable<void> main_job(std::string file, std::vector<Page> pages) {
  auto const executor = co_await asio::this_coro::executor;
  CachedSession session(executor, SQLiteBackend(file));
  bool all_answered = true;
  for (char const* pass : {"first", "second"}) {
    std::printf("\n-- the %s time in this process\n%6s %9s %11s  %-48s  %s\n", pass, "status", "bytes",
                "time", "Cache-Status", "URL");
    for (Page const& page : pages) {
      bool const answered = co_await show(session, page);
      all_answered = all_answered && answered;
    }
  }
  co_await session.close();
  if (!all_answered) throw std::runtime_error("not every request found an answer");
}

int main(int argc, char** argv) {
  if (argc < 3) return std::fputs("usage: main_job FILE URL... | main_job FILE --origin BASE\n", stderr), 2;
  std::vector<Page> pages;
  if (argv[2] == std::string("--origin") && argc == 4) {
    std::string const base = argv[3];
    pages.emplace_back(base + "/page");      // may be stored for an hour
    pages.emplace_back(base + "/checked");   // may be stored, is validated each time: 304
    pages.emplace_back(base + "/greeting");  // one variant for each language
    pages.emplace_back(base + "/greeting", "fr");
    pages.emplace_back(base + "/moved");   // a redirect, stored by its own rules
    pages.emplace_back(base + "/secret");  // no-store: never from the cache
  } else {
    for (int i = 2; i < argc; ++i) pages.emplace_back(argv[i]);
  }
  return run(main_job(argv[1], std::move(pages)));
}
