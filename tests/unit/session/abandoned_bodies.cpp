// Bodies that are read along with a request whose context is destroyed.

#include "support/audience.hpp"

using namespace test_support;

namespace {

// One whose leader's context goes when it has read what came.
class Abandoned {
 public:
  Abandoned(std::string const& headers, std::string const& came, std::optional<std::uint64_t> length = {})
      : leading_(std::make_unique<Audience>()), audience(leading_->backend) {
    leading_->client->headers += headers;
    leading_->client->length = length;
    auto const leader = leading_->ask();
    other = audience.ask();
    leading_->open();
    if (!came.empty()) leading_->push(came);
    audience.settle();
    CHECK(other->body == came);
    CHECK(audience.asked() == 0);
    leader->stream.reset();
    leading_.reset();
    audience.settle();
  }
  std::string asked_for(std::string_view name) {
    return std::string(audience.drip().request.headers()[{name.data(), name.size()}]);
  }
  void answer(unsigned status, std::string const& headers, std::string const& body) {
    audience.client->status = status;
    audience.client->headers = headers;
    audience.open();
    if (!body.empty()) audience.push(body);
    audience.end();
  }

 private:
  std::unique_ptr<Audience> leading_;

 public:
  Audience audience;
  std::shared_ptr<Seen> other;
};

std::string const tag = "ETag: \"a\"\r\n";

}  // namespace

TEST_CASE("when the context of the one that asked goes, the others ask for the rest") {
  Abandoned abandoned(tag, "first ");
  REQUIRE(abandoned.audience.asked() == 1);
  // There may be no more, and what is behind the end can't be had: so the last byte comes once more.
  CHECK(abandoned.asked_for("Range") == "bytes=5-");
  CHECK(abandoned.asked_for("If-Range") == "\"a\"");
  SECTION("which comes") {
    abandoned.answer(206, tag + "Content-Range: bytes 5-11/12\r\n", " second");
    CHECK(abandoned.other->complete);
    CHECK(abandoned.other->body == "first second");
  }
  SECTION("of which there is none") {
    abandoned.answer(206, tag + "Content-Range: bytes 5-5/6\r\n", " ");
    CHECK(abandoned.other->complete);
    CHECK(abandoned.other->body == "first ");
  }
  SECTION("which comes as the whole") {
    abandoned.answer(200, tag, "first second");
    CHECK(abandoned.other->complete);
    CHECK(abandoned.other->body == "first second");
  }
  SECTION("which is another one's") {
    auto const status = GENERATE(200u, 206u);
    abandoned.answer(status,
                     status == 200 ? "ETag: \"b\"\r\n" : "ETag: \"b\"\r\nContent-Range: bytes 5-11/12\r\n",
                     "first second");
    CHECK(abandoned.other->code() == http_errc::truncated);
    CHECK(abandoned.other->body == "first ");
  }
  SECTION("which is another part") {
    auto const range = GENERATE("4-11/12", "6-11/12", "5-10/12", "5-11/*");
    abandoned.answer(206, tag + "Content-Range: bytes " + range + "\r\n", " second");
    CHECK(abandoned.other->code() == http_errc::truncated);
    CHECK(abandoned.other->body == "first ");
  }
  SECTION("which is not as long as it says") {
    auto const rest = GENERATE(" secon", " second!");
    abandoned.answer(206, tag + "Content-Range: bytes 5-11/12\r\n", rest);
    CHECK_FALSE(abandoned.other->complete);
    CHECK(abandoned.other->failure);
  }
  SECTION("which is shorter than what came") {
    abandoned.answer(200, tag, "first");
    CHECK(abandoned.other->code() == http_errc::truncated);
    CHECK(abandoned.other->body == "first ");
  }
}

TEST_CASE("when the context of the one that asked goes before anything came, the others ask for all") {
  Abandoned abandoned(tag, "");
  REQUIRE(abandoned.audience.asked() == 1);
  CHECK(abandoned.asked_for("Range") == "bytes=0-");
  auto const status = GENERATE(200u, 206u);
  abandoned.answer(status, status == 200 ? tag : tag + "Content-Range: bytes 0-11/12\r\n", "first second");
  CHECK(abandoned.other->complete);
  CHECK(abandoned.other->body == "first second");
}

TEST_CASE("when the context of the one that asked goes, what nobody can tell to be the same is truncated") {
  Abandoned const abandoned("", "first ");
  CHECK(abandoned.other->code() == http_errc::truncated);
  CHECK(abandoned.audience.asked() == 0);
}

TEST_CASE("when the context of the one that asked goes, a body of which all came is complete") {
  Abandoned const abandoned("", "first ", 6);
  CHECK(abandoned.other->complete);
  CHECK(abandoned.other->body == "first ");
  CHECK(abandoned.audience.asked() == 0);
}
