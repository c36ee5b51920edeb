#include "beast_cache/error.hpp"

#include "catch.hpp"

using namespace beast_cache;

TEST_CASE("every error code has a message of its own") {
  std::vector<std::string> seen;
  for (int i = 1; i <= static_cast<int>(cache_errc::wrong_key); ++i)
    seen.push_back(error_code(static_cast<cache_errc>(i)).message());
  for (int i = 1; i <= static_cast<int>(http_errc::tls_client_certificate); ++i)
    seen.push_back(error_code(static_cast<http_errc>(i)).message());
  std::sort(seen.begin(), seen.end());
  CHECK(std::adjacent_find(seen.begin(), seen.end()) == seen.end());
  for (auto const& message : seen) CHECK(message.find("unknown") == std::string::npos);
}

TEST_CASE("an Error is a system_error that names the thing") {
  try {
    throw SQLiteError(cache_errc::busy, "demo.sqlite", 517, "BEGIN IMMEDIATE");
  } catch (boost::system::system_error const& e) {
    CHECK(e.code() == cache_errc::busy);
    CHECK(std::string(e.what()).find("demo.sqlite") == 0);
    auto const* sqlite = dynamic_cast<SQLiteError const*>(&e);
    REQUIRE(sqlite);
    CHECK(sqlite->extended_code() == 517);
    CHECK(sqlite->sql() == "BEGIN IMMEDIATE");
  }
}

TEST_CASE("an Error does not say where in Boost's sources its code arose") {
  static constexpr boost::source_location here = BOOST_CURRENT_LOCATION;
  error_code const located(
      error_code(boost::system::errc::connection_reset, boost::system::system_category()), &here);
  REQUIRE(located.to_string() != located.what());
  Error const error(located, "http://h");
  CHECK(error.code() == located);
  CHECK(std::string(error.what()).find("error.cpp") == std::string::npos);
}
