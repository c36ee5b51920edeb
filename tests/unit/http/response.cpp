#include "beast_cache/http/response.hpp"

#include <sys/stat.h>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "catch.hpp"
#include "support/run.hpp"
#include "support/temp_directory.hpp"

using namespace beast_cache;
using namespace test_support;

namespace {

Response respond(std::string const& content_type, std::string body) {
  http::fields headers;
  if (!content_type.empty()) headers.insert(http::field::content_type, content_type);
  return Response(ResponseHead(Url("http://origin.test/a/b"), 200, "OK", std::move(headers)),
                  std::move(body));
}

std::vector<Link> links_of(std::string const& field) {
  http::fields headers;
  headers.insert(http::field::link, field);
  return ResponseHead(Url("http://origin.test/a/b?page=1"), 200, "OK", std::move(headers)).links();
}

std::string read_file(std::string const& path) {
  std::ifstream file(path, std::ios::binary);
  return std::string(std::istreambuf_iterator<char>(file), {});
}
std::size_t file_count(std::string const& directory) {
  namespace fs = std::filesystem;
  return static_cast<std::size_t>(std::distance(fs::directory_iterator(directory), fs::directory_iterator()));
}

/// A body that breaks off behind its first bytes, or goes on for ever without a byte more.
class Broken final : public BodyReader {
 public:
  explicit Broken(bool hangs) : hangs_(hangs) {}
  asio::awaitable<std::size_t> read_some(asio::mutable_buffer buffer) override {
    if (read_ && hangs_) {
      asio::steady_timer timer(co_await asio::this_coro::executor, asio::steady_timer::time_point::max());
      co_await timer.async_wait(asio::use_awaitable);
    }
    if (read_) throw Error(http_errc::truncated, "broken");
    read_ = true;
    co_return asio::buffer_copy(buffer, asio::buffer("beginning", 9));
  }

 private:
  bool hangs_;
  bool read_ = false;
};

StreamedResponse streamed(std::unique_ptr<BodyReader> body) {
  return StreamedResponse(ResponseHead(Url("http://origin.test/"), 200, "OK", http::fields()),
                          std::move(body));
}

}  // namespace

TEST_CASE("The text of a body is UTF-8, whatever known charset it came in") {
  struct Row {
    char const* type;
    std::string body;
    char const* text;
  };
  std::vector<Row> const rows = {
      {"", "gr\xc3\xbc\xc3\x9f", "gr\xc3\xbc\xc3\x9f"},
      {"text/plain", "plain", "plain"},
      {"text/plain; charset=UTF-8", "\xef\xbb\xbf\xc3\xbc", "\xc3\xbc"},
      {"text/plain;charset=\"utf-8\"", "\xc3\xbc", "\xc3\xbc"},
      {"text/plain; format=flowed; Charset=us-ascii", "plain", "plain"},
      {"text/plain; charset=ISO-8859-1", "gr\xfc\xdf", "gr\xc3\xbc\xc3\x9f"},
      {"text/plain; charset=latin1", "\x80\xa4", "\xe2\x82\xac\xc2\xa4"},
      {"text/plain; charset=windows-1252", "\x93\x81\x94", "\xe2\x80\x9c\xc2\x81\xe2\x80\x9d"},
      {"text/plain; charset=utf-16le", std::string("a\0\xac\x20", 4), "a\xe2\x82\xac"},
      {"text/plain; charset=utf-16be", std::string("\0a\x20\xac", 4), "a\xe2\x82\xac"},
      {"text/plain; charset=utf-16", std::string("\xfe\xff\0a", 4), "a"},
      {"text/plain; charset=utf-16", std::string("\xff\xfe\x3d\xd8\x00\xde", 6), "\xf0\x9f\x98\x80"},
      {"text/plain; charset=utf-16le", std::string("\x3d\xd8z\0", 4), "\xef\xbf\xbdz"},
      {"text/plain; charset=utf-16le", std::string("\x00\xde", 2), "\xef\xbf\xbd"},
      {"text/plain; charset=utf-16le", std::string("\x3d\xd8", 2), "\xef\xbf\xbd"},
      {"text/plain; charset=utf-16le", std::string("z\0y", 3), "z\xef\xbf\xbd"},
  };
  for (Row const& row : rows) {
    INFO(row.type << ": " << row.text);
    CHECK(respond(row.type, row.body).text() == row.text);
  }
}

TEST_CASE("Text in a charset that is not known is an error, its bytes are not") {
  Response const response = respond("text/plain; charset=KOI8-R", "text");
  CHECK(response.charset() == "koi8-r");
  CHECK(response.body() == "text");
  try {
    response.text();
    FAIL("no error");
  } catch (Error const& e) {
    CHECK(e.code() == http_errc::unknown_charset);
    CHECK(std::string(e.what()).find("http://origin.test") != std::string::npos);
  }
}

TEST_CASE("Links are found in Link fields, with absolute targets") {
  auto const links = links_of(
      "<?page=2>; rel=\"next last\"; title=\"a \\\"quoted\\\", title\"; Flag, , </top> ;REL=up,"
      "<mailto:a@b.test>;rel=author");
  REQUIRE(links.size() == 3);
  CHECK(links[0].target() == "http://origin.test/a/b?page=2");
  CHECK(links[0].has_rel("next"));
  CHECK(links[0].has_rel("LAST"));
  CHECK(!links[0].has_rel("prev"));
  CHECK(links[0].param("title") == "a \"quoted\", title");
  CHECK(links[0].params().size() == 3);
  CHECK(links[1].target() == "http://origin.test/top");
  CHECK(links[1].has_rel("up"));
  CHECK(links[2].target() == "mailto:a@b.test");
}

TEST_CASE("Of malformed links only what comes before is read") {
  CHECK(links_of("").empty());
  CHECK(links_of("nothing").empty());
  CHECK(links_of("<unended; rel=x").empty());
  CHECK(links_of("</a>; rel=\"unended").size() == 1);
  CHECK(links_of("</a>; rel=x </b>").size() == 1);
  CHECK(links_of("</a>;;;=;\"x\", </b>").size() >= 1);
  // RFC 8288 section 3.3: of several the first one counts.
  CHECK(links_of("</a>; rel=first; rel=second")[0].has_rel("first"));
  CHECK(!links_of("</a>; rel=first; rel=second")[0].has_rel("second"));
}

TEST_CASE("The cookies of a response are those of its Set-Cookie fields") {
  http::fields headers;
  headers.insert(http::field::set_cookie, "a=1; Path=/x; Max-Age=60; Secure; HttpOnly; SameSite=Lax");
  headers.insert(http::field::set_cookie, std::string("b=\x01"));
  headers.insert(http::field::set_cookie, "c=3; Domain=.Example.org");
  auto const cookies = ResponseHead(Url(), 200, "OK", std::move(headers)).cookies();
  REQUIRE(cookies.size() == 2);
  CHECK(cookies[0].name() == "a");
  CHECK(cookies[0].path() == "/x");
  CHECK(cookies[0].max_age() == std::chrono::seconds(60));
  CHECK((cookies[0].secure() && cookies[0].http_only() && cookies[0].same_site() == SameSite::lax));
  CHECK(cookies[1].domain() == "example.org");
}

TEST_CASE("A body is saved under its name, in place of what had it") {
  TempDirectory const directory;
  std::string const path = directory.path() + "/file";
  std::ofstream(path) << "old";
  std::string const text(1'000'000, 'x');
  StreamedResponse response = streamed(std::make_unique<StringReader>(text));
  CHECK(run(response.save_to(path)) == text.size());
  CHECK(read_file(path) == text);
  CHECK(file_count(directory.path()) == 1);
}

TEST_CASE("A body that breaks off or is cancelled leaves nothing behind and the old file as it was") {
  TempDirectory const directory;
  std::string const path = directory.path() + "/file";
  std::ofstream(path) << "old";
  bool const hangs = GENERATE(false, true);
  StreamedResponse response = streamed(std::make_unique<Broken>(hangs));
  asio::io_context io;
  asio::cancellation_signal signal;
  std::exception_ptr failure;
  bool done = false;
  auto handler = [&](std::exception_ptr e, std::uint64_t) {
    failure = e;
    done = true;
  };
  asio::co_spawn(io, response.save_to(path), asio::bind_cancellation_slot(signal.slot(), handler));
  io.poll();
  if (hangs) {
    CHECK(!done);
    CHECK(file_count(directory.path()) == 2);
    signal.emit(asio::cancellation_type::terminal);
  }
  io.run();
  REQUIRE(done);
  error_code code;
  try {
    std::rethrow_exception(failure);
  } catch (boost::system::system_error const& e) {
    code = e.code();
  }
  CHECK(code == (hangs ? error_code(asio::error::operation_aborted) : error_code(http_errc::truncated)));
  CHECK(read_file(path) == "old");
  CHECK(file_count(directory.path()) == 1);
}

TEST_CASE("A body that is given up while it is saved leaves nothing behind") {
  TempDirectory const directory;
  {
    asio::io_context io;
    StreamedResponse response = streamed(std::make_unique<Broken>(true));
    asio::co_spawn(io, response.save_to(directory.path() + "/file"),
                   [](std::exception_ptr, std::uint64_t) {});
    io.poll();
    CHECK(file_count(directory.path()) == 1);
  }
  CHECK(file_count(directory.path()) == 0);
}

TEST_CASE("A file that can't be written or read is an error with the system's code and the path") {
  StreamedResponse response = streamed(std::make_unique<StringReader>(std::string("text")));
  std::vector<std::string> messages;
  error_code written;
  error_code read;
  try {
    run(response.save_to("/nonexistent/directory/file"));
  } catch (Error const& e) {
    written = e.code();
    messages.push_back(e.what());
  }
  try {
    Body::from_file("/nonexistent/file");
  } catch (Error const& e) {
    read = e.code();
    messages.push_back(e.what());
  }
  CHECK(written == boost::system::errc::no_such_file_or_directory);
  CHECK(read == boost::system::errc::no_such_file_or_directory);
  REQUIRE(messages.size() == 2);
  CHECK(messages[0].find("/nonexistent/directory/file") != std::string::npos);
  CHECK(messages[1].find("/nonexistent/file") != std::string::npos);
  CHECK_THROWS_AS(Body::from_file("/"), Error);
}

TEST_CASE("A file's body is read anew each time, and has the file's length") {
  TempDirectory const directory;
  std::string const path = directory.path() + "/file";
  std::ofstream(path) << "the text of a file";
  Body const body = Body::from_file(path);
  CHECK(body.size() == 18u);
  CHECK(body.repeatable());
  for (int i = 0; i < 2; ++i) CHECK(run(read_all(body.open())) == "the text of a file");
}
