#include "beast_cache/backend/cache_options.hpp"

#include <limits>
#include <ratio>

#include "beast_cache/backend/expiration.hpp"
#include "beast_cache/testing/manual_clock.hpp"
#include "support.hpp"

using namespace backend_test;
using namespace std::chrono_literals;

TEST_CASE("The options have the documented defaults") {
  CacheOptions const options;
  CHECK_FALSE(options.expire_after().has_value());
  CHECK(options.cache_control());
  CHECK(options.allowed_codes().empty());
  CHECK(options.allows(200));
  CHECK(options.allows(599));
  CHECK(options.allows(http::verb::get));
  CHECK(options.allows(http::verb::head));
  CHECK_FALSE(options.allows(http::verb::post));
  CHECK(options.max_body_bytes() == 16u << 20);
  CHECK(options.salt() == "beast_cache");
  CHECK(options.clock() == system_clock());
  CHECK(options.observer() == nullptr);
  CHECK_FALSE(options.strict());
  CHECK(options.autoclose());
  CHECK_FALSE(options.rules().shared());
}

TEST_CASE("The options keep what they are given, in one chain") {
  class Silent final : public Observer {};
  auto const clock = std::make_shared<testing::ManualClock>();
  auto const observer = std::make_shared<Silent>();
  CacheOptions const options = CacheOptions()
                                   .expire_after(1h)
                                   .rules(policy::Options().mode(policy::CacheMode::shared_cache))
                                   .cache_control(false)
                                   .allowed_codes(200, http::status::not_found)
                                   .allowed_methods(http::verb::head)
                                   .max_body_bytes(10)
                                   .salt("pepper")
                                   .clock(clock)
                                   .observer(observer)
                                   .strict(true)
                                   .autoclose(false);
  REQUIRE(options.expire_after().has_value());
  CHECK(options.expire_after()->at(at(0)) == at(3600));
  CHECK(options.rules().shared());
  CHECK_FALSE(options.cache_control());
  CHECK_FALSE(options.rules().cache_control());
  CHECK(options.allowed_codes() == std::vector<unsigned>{200, 404});
  CHECK(options.allows(404));
  CHECK_FALSE(options.allows(500));
  CHECK(options.allows(http::verb::head));
  CHECK_FALSE(options.allows(http::verb::get));
  CHECK(options.max_body_bytes() == 10);
  CHECK(options.salt() == "pepper");
  CHECK(options.clock() == clock);
  CHECK(options.observer() == observer);
  CHECK(options.strict());
  CHECK_FALSE(options.autoclose());
}

TEST_CASE("Options that can't be meant are refused with the reason") {
  CHECK_THROWS_AS(CacheOptions().clock(nullptr), std::invalid_argument);
  std::string reason;
  try {
    CacheOptions().allowed_methods(http::verb::get, http::verb::put);
  } catch (std::invalid_argument const& error) {
    reason = error.what();
  }
  CHECK(reason.find("PUT") != std::string::npos);
  CHECK_THROWS_AS(CacheOptions().allowed_methods(http::verb::unknown), std::invalid_argument);
  CHECK_THROWS_AS(CacheOptions().allowed_codes(200, 99), std::invalid_argument);
  CHECK_THROWS_AS(CacheOptions().allowed_codes(103), std::invalid_argument);
}

TEST_CASE("A refused option leaves the others as they were") {
  CacheOptions options;
  CHECK_THROWS_AS(options.allowed_methods(http::verb::put), std::invalid_argument);
  CHECK(options.allows(http::verb::get));
  CHECK(options.allows(http::verb::head));
}

TEST_CASE("A lifetime counts from the response, a time stands for itself") {
  CHECK(Expiration(90s).at(at(10)) == at(100));
  CHECK(Expiration(1500us).at(at(0)) == at(0) + 1ms);
  CHECK(Expiration(std::chrono::duration<double>(0.25)).at(at(0)) == at(0) + 250ms);
  CHECK(Expiration(at(5)).at(at(10)) == at(5));
  CHECK(Expiration(std::chrono::system_clock::time_point(at(5))).at(at(0)) == at(5));
  CHECK(Expiration(never_expires).at(at(0)) == TimePoint::max());
  CHECK(Expiration(90s).stores());
  CHECK(Expiration(never_expires).stores());
  CHECK(Expiration(at(-100)).stores());
}

TEST_CASE("No lifetime at all is neither read nor written") {
  CHECK_FALSE(Expiration(0s).stores());
  CHECK_FALSE(Expiration(-1s).stores());
  CHECK_FALSE(Expiration(do_not_cache).stores());
  CHECK_FALSE(Expiration(std::chrono::hours::min()).stores());
  CHECK_FALSE(Expiration(std::chrono::duration<double>(std::numeric_limits<double>::quiet_NaN())).stores());
}

TEST_CASE("A lifetime shorter than a millisecond is one, and a huge one does not overflow") {
  CHECK(Expiration(1ns).stores());
  CHECK(Expiration(1ns).at(at(0)) == at(0) + 1ms);
  CHECK(Expiration(std::chrono::hours::max()).at(at(0)) > at(900'000'000'000));
  CHECK(Expiration(std::chrono::milliseconds::max()).at(TimePoint::max()) == TimePoint::max());
  CHECK(Expiration(std::chrono::years(20'000)).at(at(0)) > at(0));
  CHECK(Expiration(std::chrono::duration<double>(std::numeric_limits<double>::infinity())).at(at(0)) > at(0));
}
