// A type of one's own in an SQLite file: SQLitePickleCache, by way of cereal.
// usage: own_type      makes own_type.sqlite
#include <beast_cache/storage/sqlite_pickle_cache.hpp>
#include <cereal/types/string.hpp>
#include <iostream>

#include "support/run.hpp"

using namespace beast_cache;

struct Book {
  std::string title;
  std::string author;
  int year = 0;

  // All that cereal needs to know.
  template <class Archive>
  void serialize(Archive& archive) {
    archive(title, author, year);
  }
};

asio::awaitable<void> demo() {
  // With a secret key, values are signed: what somebody without the key wrote into the file is never decoded.
  SQLitePickleCache<Book> books("own_type", "books", SQLiteOptions().secret_key("only this program knows"));

  // Values are named and moved: g++ 12 miscompiles Book{...} inside of a co_await expression.
  Book moby_dick{"Moby-Dick", "Herman Melville", 1851};
  co_await books.write("moby-dick", std::move(moby_dick));
  std::optional<Book> book = co_await books.read("moby-dick");
  std::cout << book->title << ", " << book->author << ", " << book->year << '\n';
  co_await books.close();

  SQLitePickleCache<Book> forged("own_type", "books", SQLiteOptions().secret_key("a guess"));
  try {
    co_await forged.read("moby-dick");
  } catch (Error const& e) {
    if (e.code() != cache_errc::bad_signature) throw;
    std::cout << "with another key: refused\n";
  }
}

int main() {
  return run(demo());
}
