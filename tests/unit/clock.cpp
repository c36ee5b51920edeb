#include "beast_cache/clock.hpp"

#include "catch.hpp"

TEST_CASE("the system clock is one shared object that reads the wall clock") {
  using namespace beast_cache;
  CHECK(system_clock() == system_clock());
  auto const before = std::chrono::time_point_cast<std::chrono::milliseconds>(std::chrono::system_clock::now());
  auto const now = system_clock()->now();
  auto const after = std::chrono::time_point_cast<std::chrono::milliseconds>(std::chrono::system_clock::now());
  CHECK(before <= now);
  CHECK(now <= after);
}
