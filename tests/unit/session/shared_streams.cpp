// Streams with several readers, and what happens to them on several threads.

#include <atomic>
#include <boost/asio/detached.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <thread>

#include "beast_cache/backend/sqlite_backend.hpp"
#include "beast_cache/detail/shared_stream.hpp"
#include "support/cached_world.hpp"
#include "support/pattern.hpp"
#include "support/temp_directory.hpp"

using namespace test_support;

namespace {

asio::awaitable<void> fill(detail::SharedStream& stream, std::size_t count, std::size_t& filled) {
  std::string const piece(std::size_t{100'000}, 'x');
  for (std::size_t i = 0; i < count; ++i) {
    bool const read = co_await stream.room();
    if (!read) co_return;
    stream.append(piece);
    ++filled;
  }
  stream.end();
}
asio::awaitable<void> take(detail::SharedStream::Reader& reader, std::size_t most, std::size_t& taken,
                           detail::SharedStream::Step& last) {
  std::shared_ptr<std::string const> piece;
  while (taken < most) {
    last = co_await reader.next(piece, std::nullopt, std::nullopt);
    if (last != detail::SharedStream::Step::piece) co_return;
    ++taken;
  }
}

}  // namespace

TEST_CASE("a stream is in memory only as far as its readers are apart") {
  using detail::SharedStream;
  auto const stream = std::make_shared<SharedStream>(0ms);
  CHECK_FALSE(stream->attach());
  CHECK(stream->wanted());
  stream->open("");
  auto const fast = stream->attach();
  auto slow = stream->attach();
  REQUIRE((fast && slow));
  asio::io_context io;
  std::size_t filled = 0, taken = 0, taken_slowly = 0;
  SharedStream::Step last{}, last_slow{};
  asio::co_spawn(io, fill(*stream, 50, filled), asio::detached);
  io.poll();
  CHECK(filled == 11);  // the window
  asio::co_spawn(io, take(*slow, 3, taken_slowly, last_slow), asio::detached);
  io.restart();
  io.poll();
  CHECK(taken_slowly == 3);
  CHECK(filled == 11);  // now the other one is the slower
  SECTION("one that is waited for is left behind when there is no patience left") {
    asio::co_spawn(io, take(*fast, 100, taken, last), asio::detached);
    io.restart();
    io.poll();
    CHECK(taken == 50);
    CHECK(last == SharedStream::Step::end);
    asio::co_spawn(io, take(*slow, 100, taken_slowly, last_slow), asio::detached);
    io.restart();
    io.poll();
    CHECK(taken_slowly == 3);
    CHECK(last_slow == SharedStream::Step::behind);
  }
  SECTION("one that goes is not waited for") {
    slow.reset();
    asio::co_spawn(io, take(*fast, 5, taken, last), asio::detached);
    io.restart();
    io.poll();
    CHECK(taken == 5);
    CHECK(filled == 16);
  }
  SECTION("nobody begins when the beginning has gone") {
    asio::co_spawn(io, take(*fast, 100, taken, last), asio::detached);
    io.restart();
    io.poll();
    CHECK_FALSE(stream->attach());
  }
}

namespace {

asio::awaitable<void> wait_for_more(detail::SharedStream::Reader& reader,
                                    std::optional<detail::SharedStream::Clock::duration> stall,
                                    std::optional<detail::SharedStream::Clock::time_point> deadline,
                                    detail::SharedStream::Step expected, int& met) {
  std::shared_ptr<std::string const> piece;
  auto const step = co_await reader.next(piece, stall, deadline);
  met += step == expected;
}

}  // namespace

namespace {

// Its source answers in a context of its own.
class ProbedStream final : public detail::SharedStream {
 public:
  explicit ProbedStream(asio::io_context& context) : SharedStream(0ms), context_(context) {}
  int probes = 0;

 private:
  void probe() noexcept override {
    ++probes;
    asio::post(context_, [this] { answer_probe(); });
  }
  asio::io_context& context_;
};

}  // namespace

TEST_CASE("who waits for a stream is told when its source stands still, and has a deadline") {
  using detail::SharedStream;
  asio::io_context io, sources;
  auto const stream = std::make_shared<ProbedStream>(sources);
  stream->open("");
  auto const one = stream->attach();
  auto const two = stream->attach();
  int stalled = 0, late = 0;
  for (auto* reader : {one.get(), two.get()}) {
    asio::co_spawn(io, wait_for_more(*reader, 1ms, std::nullopt, SharedStream::Step::stalled, stalled),
                   asio::detached);
  }
  // While it answers, however late, they go on waiting.
  while (stream->probes < 3) {
    sources.restart();
    sources.poll();
    if (stalled == 0) io.run_one();
    if (stalled != 0) break;  // the test itself stood still for that long
  }
  io.run();
  CHECK(stalled == 2);
  auto const now = SharedStream::Clock::now();
  asio::co_spawn(io, wait_for_more(*one, std::nullopt, now, SharedStream::Step::timeout, late),
                 asio::detached);
  io.restart();
  io.run();
  CHECK(late == 1);
}

namespace {

// Gives its bytes in small pieces, each after everyone else has had a turn.
class PatientReader final : public BodyReader {
 public:
  explicit PatientReader(std::string bytes) : bytes_(std::move(bytes)) {}
  asio::awaitable<std::size_t> read_some(asio::mutable_buffer buffer) override {
    asio::any_io_executor const executor = co_await asio::this_coro::executor;
    asio::steady_timer turn(executor, asio::steady_timer::time_point::min());
    co_await turn.async_wait(asio::use_awaitable);
    std::size_t const count = asio::buffer_copy(buffer, asio::buffer(bytes_) + at_, std::size_t{20'000});
    at_ += count;
    co_return count;
  }

 private:
  std::string const bytes_;
  std::size_t at_ = 0;
};

class PatientClient final : public HttpClient {
 public:
  explicit PatientClient(std::string const& body) : body_(body) {}
  asio::awaitable<StreamedResponse> send(Request request) override {
    ++asked;
    asio::any_io_executor const executor = co_await asio::this_coro::executor;
    asio::steady_timer turn(executor, asio::steady_timer::time_point::min());
    co_await turn.async_wait(asio::use_awaitable);
    std::string fields = "Cache-Control: max-age=60\r\nETag: \"a\"\r\n";
    std::string const range(request.headers()["Range"]);
    std::size_t first = 0;
    if (!range.empty()) {
      first = std::stoul(range.substr(range.find('=') + 1));
      fields += "Content-Range: bytes " + std::to_string(first) + "-" + std::to_string(body_.size() - 1) +
                "/" + std::to_string(body_.size()) + "\r\n";
    }
    StreamedResponse head = FakeClient::answer(request, range.empty() ? 200 : 206, fields);
    co_return StreamedResponse(static_cast<ResponseHead&&>(head),
                               std::make_unique<PatientReader>(body_.substr(first)));
  }
  std::atomic<int> asked{0};

 private:
  std::string const& body_;
};

asio::awaitable<void> get_all(CachedSession session, int first, int urls, std::string const& body,
                              int& same) {
  for (int i = first; i < urls; ++i) {
    auto const response = co_await session.get("http://origin.test/" + std::to_string(i));
    same += response.body() == body;
  }
}

}  // namespace

TEST_CASE("sessions on several threads read along with one another") {
  std::string const body = pattern(400'000);
  auto const client = std::make_shared<PatientClient>(body);
  TempDirectory const dir;
  auto const backend =
      std::make_shared<SQLiteBackend>(dir.file("cache"), CacheOptions().collapse_wait(60'000ms));
  constexpr int urls = 12, each = 8, threads = 3;
  std::vector<int> same(threads, 0);
  std::vector<std::thread> running;
  for (int t = 0; t < threads; ++t) {
    running.emplace_back([&, t] {
      asio::io_context io;
      CachedSession const session(io.get_executor(), client, backend);
      for (int i = 0; i < each; ++i)
        asio::co_spawn(io, get_all(session, 0, urls, body, same[static_cast<std::size_t>(t)]),
                       asio::detached);
      io.run();
    });
  }
  for (auto& thread : running) thread.join();
  for (int const count : same) CHECK(count == urls * each);
  CHECK(client->asked == urls);
}

TEST_CASE("contexts may be destroyed while their requests read along") {
  std::string const body = pattern(100'000);
  auto const client = std::make_shared<PatientClient>(body);
  auto const backend = std::make_shared<CacheBackend>(std::make_shared<MemoryCache<CachedResponse>>(),
                                                      std::make_shared<MemoryCache<std::string>>());
  constexpr int urls = 10;
  int same = 0;
  std::atomic<bool> done{false};
  std::thread steady([&] {
    asio::io_context io;
    for (int i = 0; i < 4; ++i)
      asio::co_spawn(io, get_all(CachedSession(io.get_executor(), client, backend), 0, urls, body, same),
                     asio::detached);
    io.run();
    done = true;
  });
  int ignored = 0, rounds = 0;
  while (!done) {
    // What these lead breaks off: the others have to get the rest.
    asio::io_context io;
    for (int i = 0; i < 4; ++i)
      asio::co_spawn(
          io, get_all(CachedSession(io.get_executor(), client, backend), rounds % urls, urls, body, ignored),
          asio::detached);
    for (int i = 0; i < rounds * 7 % 60; ++i) io.poll_one();
    ++rounds;
  }
  steady.join();
  CHECK(rounds > 0);
  CHECK(same == 4 * urls);
}
