#pragma once
// The answers that are stored, and an origin that gives them without a network.

#include <boost/asio/io_context.hpp>
#include <string>

#include "beast_cache/http/date.hpp"
#include "beast_cache/session/client_session.hpp"
#include "beast_cache/testing/fake_client.hpp"
#include "storage_data.hpp"

namespace bench {

using namespace beast_cache;

// What an API's answer usually has.
class Answers {
 public:
  explicit Answers(std::size_t size) : bodies_(size) {
    headers_ = "Date: " + format_http_date(system_clock()->now()) +
               "\r\nServer: nginx/1.22.1\r\nContent-Type: application/json; charset=utf-8\r\n"
               "Cache-Control: public, max-age=86400\r\nETag: \"5f3c-5e1a2b3c4d5e6\"\r\n"
               "Last-Modified: Mon, 12 Jan 2026 08:30:00 GMT\r\nVary: Accept-Encoding\r\n"
               "X-Request-Id: 3fa85f64-5717-4562-b3fc-2c963f66afa6\r\nX-Content-Type-Options: nosniff\r\n"
               "Strict-Transport-Security: max-age=31536000\r\nAccess-Control-Allow-Origin: *\r\n"
               "Content-Length: " +
               std::to_string(size) + "\r\n";
  }
  StreamedResponse operator()(Request const& request) {
    return testing::FakeClient::answer(request, 200, headers_, bodies_.next());
  }

 private:
  Values bodies_;
  std::string headers_;
};

// Asks as a `ClientSession` does, and gets the answers without a network.
class Origin final : public HttpClient {
 public:
  Origin(asio::io_context& io, std::size_t size) : asks_(io.get_executor()), answers_(size) {}
  void prepare(Request& request) const override { asks_.prepare(request); }
  asio::awaitable<StreamedResponse> send(Request request) override { co_return answers_(request); }

 private:
  ClientSession asks_;
  Answers answers_;
};

}  // namespace bench
