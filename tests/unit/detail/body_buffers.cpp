// The memory of large bodies is used again.
#include "detail/body_buffers.hpp"

#include <string>
#include <utility>

#include "catch.hpp"

using beast_cache::detail::BodyBuffers;

TEST_CASE("A large body's memory is used again, by one of about the same size") {
  BodyBuffers& buffers = BodyBuffers::instance();
  auto body = buffers.take(100'000);
  REQUIRE(body->size() == 100'000);
  void const* const memory = body->data();
  body.reset();
  CHECK(buffers.take(50'000)->data() != memory);
  auto const again = buffers.take(95'000);
  CHECK(again->data() == memory);
  CHECK(again->size() == 95'000);
  CHECK(buffers.take(95'000)->data() != memory);
}

TEST_CASE("Buffers whose memory went elsewhere don't take the place of others") {
  BodyBuffers& buffers = BodyBuffers::instance();
  auto body = buffers.take(400'000);
  void const* const memory = body->data();
  body.reset();
  for (int i = 0; i < 200; ++i) {
    auto const read = buffers.take(40'000);
    std::string const taken = std::move(*read);
    REQUIRE(taken.size() == 40'000);
  }
  CHECK(buffers.take(400'000)->data() == memory);
}
