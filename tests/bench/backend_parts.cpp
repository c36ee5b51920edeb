// What a hit takes of the processor, part by part: each over many repetitions in one thread.

#include <ctime>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "backend_answers.hpp"
#include "backend_variants.hpp"
#include "beast_cache/backend/ready_response.hpp"
#include "beast_cache/backend/sqlite_backend.hpp"
#include "beast_cache/policy/plain_reuse.hpp"
#include "beast_cache/policy/strategy.hpp"
#include "beast_cache/session/cached_session.hpp"
#include "storage_ours.hpp"

namespace bench {
namespace {

constexpr std::size_t entries = 1000;
constexpr std::size_t body_size = 1024;

// Counts what the processor does for a loop over the entries, whoever else wants it meanwhile.
class Loop {
 public:
  bool next() {
    if (count_ == warm_up) begin_ = std::clock();
    return count_++ < warm_up + measured;
  }
  std::size_t number() const noexcept { return (count_ - 1) % entries; }
  // Microseconds of one round.
  double us() const {
    return 1e6 / CLOCKS_PER_SEC * static_cast<double>(std::clock() - begin_) / static_cast<double>(measured);
  }

 private:
  static constexpr std::size_t warm_up = 20'000, measured = 200'000;
  std::size_t count_ = 0;
  std::clock_t begin_ = 0;
};

template <class Operation>
double time_of(Operation operation) {
  Loop loop;
  while (loop.next()) operation(loop.number());
  return loop.us();
}

asio::awaitable<void> warm_up(CachedSession* session) {
  for (int round = 0; round < 2; ++round) {
    for (std::size_t i = 0; i < entries; ++i) {
      std::string const url = entry_url(i);
      CachedResponse const response = co_await session->get(url);
      check(response.body().size() == body_size);
    }
  }
}

asio::awaitable<void> time_hits(CachedSession* session, std::vector<std::string> const* urls, double* us) {
  Loop loop;
  while (loop.next()) {
    CachedResponse const response = co_await session->get((*urls)[loop.number()]);
    check(response.from_cache());
  }
  *us = loop.us();
}

Figures hit_parts(Arguments const&) {
  asio::io_context io(1);
  auto const backend =
      std::make_shared<SQLiteBackend>(":memory:", CacheOptions().memory(std::uint64_t{64} << 20));
  auto const client = std::make_shared<Origin>(io, body_size);
  CachedSession session(io.get_executor(), client, backend);
  spawn(io, warm_up(&session));
  io.run();
  io.restart();

  std::vector<std::string> urls;
  std::vector<Request> requests;
  std::vector<std::shared_ptr<ReadyResponse const>> ready;
  TimePoint const now = system_clock()->now();
  for (std::size_t i = 0; i < entries; ++i) {
    urls.push_back(entry_url(i));
    Request request(http::verb::get, Url(urls.back()));
    client->prepare(request);
    ready.push_back(backend->glance(request, now));
    check(ready.back() != nullptr);
    requests.push_back(std::move(request));
  }
  std::size_t kept = 0;  // so that nothing is left out
  double const key = time_of([&](std::size_t i) { kept += create_key(Url(urls[i])).size(); });
  double const url = time_of([&](std::size_t i) { kept += Url(urls[i]).str().size(); });
  double const look_up =
      time_of([&](std::size_t i) { kept += backend->glance(requests[i], now) != nullptr; });
  policy::Options const rules;
  double const decision = time_of([&](std::size_t i) {
    policy::StoredView const stored = view_of(ready[i]->stored());
    policy::RequestView request(requests[i].method(), requests[i].headers());
    kept += policy::evaluate(request.makes_answers(true), &stored, rules, now).forwards();
  });
  double const answer = time_of([&](std::size_t i) {
    std::optional<CachedResponse> const response = ready[i]->answer(requests[i], now);
    kept += response->body().size();
  });
  double hit = 0;
  spawn(io, time_hits(&session, &urls, &hit));
  io.run();
  check(kept != 0);
  return {{"key", key},           {"url", url},       {"look-up", look_up},
          {"decision", decision}, {"answer", answer}, {"hit", hit}};
}

}  // namespace

void add_hit_parts(Variants& variants) {
  variants["hit-parts"] = hit_parts;
}

}  // namespace bench
