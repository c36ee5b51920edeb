#include "beast_cache/session/request_builder.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <fstream>

#include "beast_cache/http/multipart.hpp"
#include "beast_cache/session/json.hpp"
#include "support/cached_world.hpp"
#include "support/memory_backend.hpp"
#include "support/run.hpp"
#include "support/scripted_origin.hpp"
#include "support/temp_directory.hpp"

using namespace test_support;

namespace {

/// A session, and an origin that answers each request with "{}".
class Fixture {
 public:
  Fixture() : origin([](RecordedRequest const&) { return respond(200, "{}"); }) {}

  RecordedRequest last() const { return origin.requests().back(); }
  template <class T>
  T run(asio::awaitable<T> operation) {
    return test_support::run(io, std::move(operation));
  }
  template <class T>
  error_code failure(asio::awaitable<T> operation) {
    try {
      run(std::move(operation));
    } catch (Error const& e) {
      return e.code();
    }
    return {};
  }
  ClientSession open(ClientOptions options) { return ClientSession(io.get_executor(), std::move(options)); }

  ScriptedOrigin origin;
  asio::io_context io;
  ClientSession session{io.get_executor()};
};

template <class Call>
error_code code_of(Call call) {
  try {
    call();
  } catch (Error const& e) {
    return e.code();
  }
  return {};
}

std::string boundary_of(Multipart const& form) {
  std::string const type = form.content_type();
  return type.substr(type.find('=') + 1);
}

}  // namespace

TEST_CASE_METHOD(Fixture, "Queries are appended, percent-encoded, in their order") {
  struct Row {
    char const* target;
    char const* expected;
  };
  std::vector<Row> const rows = {{"/", "/?b=1%262&a=%C3%BC%20%2B%0D%0A~"},
                                 {"/?x", "/?x&b=1%262&a=%C3%BC%20%2B%0D%0A~"},
                                 {"/p?x=%20&", "/p?x=%20&b=1%262&a=%C3%BC%20%2B%0D%0A~"},
                                 {"/?", "/?b=1%262&a=%C3%BC%20%2B%0D%0A~"},
                                 {"/#f?g", "/?b=1%262&a=%C3%BC%20%2B%0D%0A~"}};
  for (Row const& row : rows) {
    run(session.get(origin.url(row.target)).query("b", "1&2").query("a", "\xc3\xbc +\r\n~"));
    CHECK(last().target == row.expected);
  }
}

TEST_CASE_METHOD(Fixture, "A form is sent as a browser would") {
  run(session.post(origin.url()).form_field("na me", "a&b=c\r\n").form_field("*-._", "~\xc3\xbc"));
  CHECK(last().body == "na+me=a%26b%3Dc%0D%0A&*-._=%7E%C3%BC");
  CHECK(last().header("Content-Type") == "application/x-www-form-urlencoded");
  run(session.post(origin.url()).header("Content-Type", "text/x-form").form_field("a", ""));
  CHECK(last().header("Content-Type") == "text/x-form");
  CHECK(last().body == "a=");
}

TEST_CASE_METHOD(Fixture, "JSON is sent and read") {
  boost::json::object object;
  object["a"] = 1;
  Response const response = run(session.post(origin.url()).json(object));
  CHECK(last().body == R"({"a":1})");
  CHECK(last().header("Content-Type") == "application/json");
  CHECK(response.json().is_object());
  std::vector<int> const numbers = {1, 2, 3};
  run(session.put(origin.url()).json(numbers));
  CHECK(last().body == "[1,2,3]");
  ScriptedOrigin other([](RecordedRequest const&) { return respond(200, "\xef\xbb\xbf[1] x"); });
  Response const broken = run(session.get(other.url()));
  CHECK_THROWS_AS(broken.json(), Error);
}

TEST_CASE_METHOD(Fixture, "A form with files is sent part by part") {
  TempDirectory const directory;
  std::string const path = directory.path() + "/na\"me.txt";
  std::string const contents(300'000, 'x');
  std::ofstream(path) << contents;
  Multipart form;
  form.field("text\r\n\"x\"\n", "one\ntwo\r\nthree\r").file("file", path, "text/plain");
  form.part("raw", "", "", Body("a\nb"));
  run(session.post(origin.url()).multipart(form));
  std::string const mark = "--" + boundary_of(form);
  CHECK(last().header("Content-Type") == form.content_type());
  CHECK(last().header("Content-Length") == std::to_string(last().body.size()));
  CHECK(last().body == mark +
                           "\r\nContent-Disposition: form-data; name=\"text%0D%0A%22x%22%0D%0A\"\r\n\r\n"
                           "one\r\ntwo\r\nthree\r\n\r\n" +
                           mark +
                           "\r\nContent-Disposition: form-data; name=\"file\"; filename=\"na%22me.txt\"\r\n"
                           "Content-Type: text/plain\r\n\r\n" +
                           contents + "\r\n" + mark +
                           "\r\nContent-Disposition: form-data; name=\"raw\"\r\n\r\na\nb\r\n" + mark +
                           "--\r\n");
  std::string const boundary = boundary_of(form);
  CHECK(boundary.size() <= 70);
  CHECK(boundary != boundary_of(Multipart()));
}

TEST_CASE_METHOD(
    Fixture,
    "A form is sent in chunks when a part's length is not known, and once when one can't be repeated") {
  Multipart form;
  form.part("a", "f", "",
            Body::from_source([] { return std::make_unique<StringReader>(std::string("12")); }));
  CHECK(form.body().repeatable());
  run(session.post(origin.url()).multipart(form));
  CHECK(last().header("Transfer-Encoding") == "chunked");
  CHECK(last().body.ends_with("\r\n\r\n12\r\n--" + boundary_of(form) + "--\r\n"));
  Multipart once;
  once.part("a", "f", "", Body::from_reader(std::make_unique<StringReader>(std::string("12"))));
  Body const body = once.body();
  CHECK(!body.repeatable());
  CHECK(body.size().has_value());
  CHECK(run(read_all(body.open())).size() == *body.size());
  CHECK(run(read_all(Multipart().body().open())).starts_with("------beastcache"));
}

TEST_CASE("What would break out of a part's head is refused") {
  Multipart form;
  CHECK(code_of([&] { form.field(std::string("a\0b", 3), "x"); }) == http_errc::injection);
  CHECK(code_of([&] { form.part("a", "f", "text/plain\r\nX: y", Body()); }) == http_errc::injection);
}

TEST_CASE_METHOD(Fixture, "A file is sent as a body") {
  TempDirectory const directory;
  std::string const path = directory.path() + "/file";
  std::string const contents(200'000, 'y');
  std::ofstream(path) << contents;
  run(session.put(origin.url()).body(Body::from_file(path)));
  CHECK(last().header("Content-Length") == "200000");
  CHECK(last().body == contents);
  Body const body = Body::from_file(path);
  std::ofstream(path) << "shorter";
  CHECK(failure(session.put(origin.url()).body(body)) == http_errc::framing);
}

TEST_CASE_METHOD(Fixture, "Authorization by password and by token") {
  run(session.get(origin.url()).basic_auth("Aladdin", "open sesame"));  // RFC 7617 section 2
  CHECK(last().header("Authorization") == "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
  run(session.get(origin.url()).basic_auth("test", "123\xc2\xa3"));  // RFC 7617 section 2.1
  CHECK(last().header("Authorization") == "Basic dGVzdDoxMjPCow==");
  run(session.get(origin.url()).bearer("mF_9.B5f-4.1JqM"));  // RFC 6750 section 2.1
  CHECK(last().header("Authorization") == "Bearer mF_9.B5f-4.1JqM");
  std::size_t const count = origin.request_count();
  for (std::string const& bad : {std::string("a\rb"), std::string("a\nb"), std::string("a\0b", 3)}) {
    CHECK(code_of([&] { run(session.get(origin.url()).basic_auth(bad, "x")); }) == http_errc::injection);
    CHECK(code_of([&] { run(session.get(origin.url()).basic_auth("x", bad)); }) == http_errc::injection);
    CHECK(failure(session.get(origin.url()).bearer(bad)) == http_errc::injection);
  }
  CHECK(code_of([&] { run(session.get(origin.url()).basic_auth("a:b", "x")); }) == http_errc::injection);
  CHECK(origin.request_count() == count);
}

TEST_CASE_METHOD(Fixture, "Relative URLs are resolved against the session's base URL") {
  ClientSession based = open(ClientOptions().base_url(origin.url("/v1/")));
  Response const response = run(based.get("users").query("page", "2"));
  CHECK(response.url().str() == origin.url("/v1/users?page=2"));
  CHECK(last().target == "/v1/users?page=2");
  run(based.get("/root"));
  CHECK(last().target == "/root");
  run(based.get(origin.url("/absolute")));
  CHECK(last().target == "/absolute");
  CHECK(failure(based.get("a b")) == http_errc::invalid_url);
  CHECK(failure(session.get("users")) == http_errc::invalid_url);
  CHECK(code_of([] { ClientOptions().base_url("nowhere"); }) == http_errc::invalid_url);
  CachedSession cached(io.get_executor(), std::make_shared<ClientSession>(based), memory_backend());
  CHECK(run(cached.get("users")).url().str() == origin.url("/v1/users"));
}

TEST_CASE_METHOD(
    Fixture, "Default header fields are sent where a request has none, and not to where a redirect leads") {
  ScriptedOrigin other([&](RecordedRequest const& request) {
    return request.target == "/back" ? respond(302, "", "Location: " + origin.url("/end") + "\r\n")
                                     : respond(200, "");
  });
  ScriptedOrigin redirecting([&](RecordedRequest const& request) {
    return request.target == "/same"   ? respond(302, "", "Location: /stay\r\n")
           : request.target == "/stay" ? respond(200, "")
                                       : respond(302, "", "Location: " + other.url(request.target) + "\r\n");
  });
  ClientSession with =
      open(ClientOptions().default_header("X-Api-Key", "secret").default_header("Accept", "a/b"));
  run(with.get(redirecting.url("/same")));
  CHECK(redirecting.requests().back().header("X-Api-Key") == "secret");
  CHECK(redirecting.requests().back().header("Accept") == "a/b");
  run(with.get(redirecting.url("/same")).header("x-api-key", "own"));
  CHECK(redirecting.requests().back().header("X-Api-Key") == "own");
  bool const cached = GENERATE(false, true);
  if (cached) {
    CachedSession session_above(io.get_executor(), std::make_shared<ClientSession>(with), memory_backend());
    run(session_above.get(redirecting.url("/back")));
  } else {
    run(with.get(redirecting.url("/back")));
  }
  CHECK(redirecting.requests().back().header("X-Api-Key") == "secret");
  CHECK(!other.requests().back().header("X-Api-Key"));
  CHECK(last().target == "/end");
  CHECK(!last().header("X-Api-Key"));
  ClientSession bad = open(ClientOptions().default_header("X", "a\r\nY: b"));
  CHECK(failure(bad.get(origin.url())) == http_errc::injection);
}

TEST_CASE_METHOD(Fixture, "A response knows how long it took") {
  CHECK(run(session.get(origin.url())).elapsed() > std::chrono::nanoseconds(0));
  CachedSession cached(io.get_executor(), std::make_shared<ClientSession>(session), memory_backend());
  CHECK(run(cached.get(origin.url())).elapsed() > std::chrono::nanoseconds(0));
}

TEST_CASE_METHOD(Fixture, "A cached response is stored while it is saved to a file") {
  TempDirectory const directory;
  std::string const path = directory.path() + "/file";
  CachedSession cached(io.get_executor(), std::make_shared<ClientSession>(session), memory_backend());
  for (bool const hit : {false, true}) {
    CachedStream stream = run(cached.get(origin.url()).expire_after(1h).stream());
    CHECK(stream.from_cache() == hit);
    CHECK(run(stream.save_to(path)) == 2);
  }
  CHECK(origin.request_count() == 1);
}
