// The smallest program that needs the library's headers, its compiled part and everything that it links.
#include <beast_cache/error.hpp>
#include <beast_cache/version.hpp>
#include <iostream>

int main() {
  auto const error = beast_cache::Error(beast_cache::cache_errc::closed, "consumer.sqlite");
  if (error.code() != beast_cache::cache_errc::closed) return 1;
  std::cout << error.what() << '\n';
}
