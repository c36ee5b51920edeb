#include "storage_cases.hpp"

#include <algorithm>
#include <string>
#include <utility>

namespace bench {
namespace {

constexpr std::size_t KiB = 1024;

// One function for a line or two of the table.
class Cases {
 public:
  Cases(Suite& suite, Files const& files, std::size_t entries)
      : suite_(suite),
        files_(files),
        entries_(entries),
        ours_(files.ours(entries, KiB)),
        raw_(files.raw(entries, KiB)) {}

  void reads();
  void big_reads();
  void single_reads();
  void streams();
  void contains();
  void writes();
  void bulks();
  void mixed();
  void walks();
  void sizes();
  void clear();
  void entries();
  void memory();
  void curves();

 private:
  void add(std::vector<Contestant> contestants, std::vector<Row> rows) {
    Case one;
    one.prepare = files_.make(entries_, KiB);
    one.contestants = std::move(contestants);
    one.rows = std::move(rows);
    suite_.cases.push_back(std::move(one));
  }

  Suite& suite_;
  Files const& files_;
  std::size_t entries_;
  Arguments ours_, raw_;
};

void Cases::reads() {
  Contestant const mine{"read 64 in flight", "ours-read", ours_.with("in-flight", 64)};
  Contestant const in_one{"raw in one transaction", "raw-read", raw_.with("transaction", "one")};
  Contestant const each{"raw committing per read", "raw-read", raw_};
  add({mine, in_one, each},
      {ratio("read 64 in flight / raw in one transaction", mine.name, in_one.name, Goal::at_least(0.88)),
       ratio("read 64 in flight / raw committing per read", mine.name, each.name, Goal::at_least(2.0))});
}

void Cases::big_reads() {
  for (auto const& [kib, goal] : {std::pair(10, 1.4), std::pair(100, 1.1)}) {
    std::size_t const size = static_cast<std::size_t>(kib) * KiB;
    std::size_t const fewer = entries_ / static_cast<std::size_t>(kib);
    std::string const text = std::to_string(kib) + " KiB";
    Contestant const mine{"read of " + text + " 64 in flight", "ours-read",
                          files_.ours(fewer, size).with("in-flight", 64)};
    Contestant const each{"raw committing per read of " + text, "raw-read", files_.raw(fewer, size)};
    Contestant const into{"read_into of " + text + " 64 in flight", "ours-read",
                          mine.arguments.with("into", 1)};
    add({mine, into, each},
        {ratio(mine.name + " / raw committing per read", mine.name, each.name, Goal::at_least(goal))});
    suite_.cases.back().prepare = files_.make(fewer, size);
  }
}

void Cases::single_reads() {
  Contestant const pinned{"read one at a time, one CPU", "ours-read",
                          ours_.with("in-flight", 1).with("cpu", 0)};
  Contestant const raw_pinned{"raw committing per read, one CPU", "raw-read", raw_.with("cpu", 0)};
  add({pinned, raw_pinned}, {ratio("read one at a time, pinned to one CPU / raw committing per read",
                                   pinned.name, raw_pinned.name, Goal::at_least(0.65))});

  Contestant const inlined{"inline read one at a time", "ours-read",
                           ours_.with("in-flight", 1).with("inline", 1)};
  Contestant const raw_free{"raw committing per read, free", "raw-read", raw_};
  add({inlined, raw_free}, {ratio("inline policy, one at a time / raw committing per read", inlined.name,
                                  raw_free.name, Goal::at_least(0.95))});

  Contestant const free{"read one at a time, free", "ours-latency", ours_};
  Contestant const posts{"one post each way", "post-latency", raw_};
  add({free, posts}, {ratio("read one at a time, free, p50 / p50 of one post each way", free.name, posts.name,
                            Goal::at_most(0.4), "p50"),
                      plain("read one at a time: p50", "us", free.name, "p50"),
                      plain("read one at a time: p99", "us", free.name, "p99"),
                      plain("one post each way: p50", "us", posts.name, "p50")});
}

void Cases::streams() {
  std::size_t const size = KiB * KiB, fewer = std::max<std::size_t>(1, entries_ / KiB);
  Contestant const mine{"1 MiB in pieces", "ours-stream", files_.ours(fewer, size)};
  Contestant const blobs{"raw blob reads of 1 MiB", "raw-blob", files_.raw(fewer, size)};
  add({mine, blobs}, {ratio("1 MiB value streamed in chunks / raw blob reads", mine.name, blobs.name,
                            Goal::at_least(0.85))});
  suite_.cases.back().prepare = files_.make(fewer, size);
}

void Cases::contains() {
  Contestant const single{"contains 64 in flight", "ours-contains", ours_.with("in-flight", 64)};
  Contestant const many{"contains_many of 64", "ours-contains-many", ours_.with("batch", 64)};
  Contestant const in_one{"raw contains in one transaction", "raw-contains", raw_};
  add({single, many, in_one},
      {ratio(single.name + " / raw in one transaction", single.name, in_one.name, Goal::at_least(0.78)),
       ratio(many.name + " / raw in one transaction", many.name, in_one.name, Goal::at_least(0.88))});
}

void Cases::writes() {
  for (std::string const durability : {"normal", "full"}) {
    std::string const capitals = durability == "full" ? "FULL" : "NORMAL";
    auto const with = [&](Arguments const& from) {
      return from.with("writes", 38'400).with("durability", durability);
    };
    Contestant const mine{"write 64 in flight, " + capitals, "ours-write", with(ours_).with("in-flight", 64)};
    Contestant const theirs{"raw transactions of 64, " + capitals, "raw-write", with(raw_).with("batch", 64)};
    add({mine, theirs},
        {ratio(mine.name + " / raw transactions of 64", mine.name, theirs.name, Goal::at_least(0.95))});
  }

  Contestant const sustained{"sustained writes 64 in flight", "ours-write",
                             ours_.with("in-flight", 64).with("writes", 100'000)};
  Contestant const autocommit{"raw autocommit", "raw-write", raw_.with("writes", 100'000)};
  Contestant const as_usual{"raw autocommit, a checkpoint each 1000 pages", "raw-write",
                            autocommit.arguments.with("checkpoint-pages", 1000)};
  add({sustained, autocommit, as_usual},
      {ratio("sustained writes 64 in flight / raw autocommit", sustained.name, autocommit.name,
             Goal::at_least(2.2)),
       ratio("sustained writes 64 in flight / raw autocommit with SQLite's own checkpoint interval",
             sustained.name, as_usual.name, Goal::at_least(2.2)),
       plain("sustained writes 64 in flight: largest WAL", "MB", sustained.name, "wal", Goal::at_most(128))});
}

void Cases::bulks() {
  struct Bulk {
    std::string name, by;
    std::size_t batch;
    double goal;
  };
  for (Bulk const& bulk : {Bulk{"write_many of 1000", "write_many", 1000, 0.95},
                           Bulk{"loop of 40 000 bulk writes in bulk_commit", "bulk_commit", 40'000, 0.80}}) {
    auto const with = [&](Arguments const& from) {
      return from.with("batch", bulk.batch).with("writes", 40'000);
    };
    Contestant const mine{bulk.name, "ours-batches", with(ours_).with("by", bulk.by)};
    Contestant const theirs{"raw transactions of " + std::to_string(bulk.batch), "raw-write", with(raw_)};
    add({mine, theirs}, {ratio(bulk.name + " / raw bulk in one transaction", mine.name, theirs.name,
                               Goal::at_least(bulk.goal))});
  }
}

void Cases::mixed() {
  Contestant const lanes{"64 readers and 64 writers", "ours-mixed", ours_};
  Contestant const shared{"the same over one shared handle", "shared-mixed", raw_};
  add({lanes, shared}, {ratio("64 readers and 64 writers at once: reads / the same over one shared handle",
                              lanes.name, shared.name, Goal::at_least(2.5), "reads"),
                        ratio("64 readers and 64 writers at once: writes / the same over one shared handle",
                              lanes.name, shared.name, Goal::at_least(1.0), "writes"),
                        plain("64 readers and 64 writers: reads", "/s", lanes.name, "reads"),
                        plain("64 readers and 64 writers: writes", "/s", lanes.name, "writes"),
                        plain("the same over one shared handle: reads", "/s", shared.name, "reads"),
                        plain("the same over one shared handle: writes", "/s", shared.name, "writes")});

  Contestant const bulk{"reads during a bulk", "ours-latency-during-bulk", ours_};
  add({bulk}, {plain("read one at a time during a bulk of 100 000 writes: p50", "us", bulk.name, "p50"),
               plain("read one at a time during a bulk of 100 000 writes: p99", "us", bulk.name, "p99"),
               plain("read one at a time during a bulk of 100 000 writes: p99.9", "us", bulk.name, "p99.9")});
}

void Cases::walks() {
  Contestant const keys{"keys() by batches", "ours-walk", ours_.with("what", "keys")};
  Contestant const singly{"keys() one by one", "ours-walk", ours_.with("what", "keys-singly")};
  Contestant const raw_keys{"raw scan of keys", "raw-walk", raw_.with("what", "key")};
  add({keys, singly, raw_keys}, {ratio("keys() / raw scan", keys.name, raw_keys.name, Goal::at_least(0.90))});

  Contestant const values{"values() by batches", "ours-walk", ours_.with("what", "values")};
  // In the order in which they lie in the file, as ours.
  Contestant const raw_values{"raw scan of values", "raw-walk",
                              raw_.with("what", "value").with("order", " ORDER BY rowid")};
  add({values, raw_values},
      {ratio("values() of 1 KiB / raw scan", values.name, raw_values.name, Goal::at_least(0.68))});
}

void Cases::sizes() {
  std::vector<std::size_t> const counts = {entries_ / 10, entries_, entries_ * 10};
  Case one;
  Row worst{
      "size() beyond its hop, at any number of entries", "us", "an empty read job", Goal::at_most(10), {}};
  std::vector<std::string> names;
  for (std::size_t const count : counts) {
    Contestant const at{"size() of " + std::to_string(count), "ours-size", files_.ours(count, KiB)};
    one.contestants.push_back(at);
    one.rows.push_back(plain(at.name + " beyond its hop", "us", at.name, "microseconds"));
    names.push_back(at.name);
  }
  worst.value = [names](Round const& round) {
    double most = 0;
    for (std::string const& name : names) most = std::max(most, round.at(name).at("microseconds"));
    return most;
  };
  one.rows.insert(one.rows.begin(), std::move(worst));
  one.prepare = [make = std::vector{files_.make(counts[0], KiB), files_.make(counts[1], KiB),
                                    files_.make(counts[2], KiB)}] {
    for (auto const& file : make) file();
  };
  suite_.cases.push_back(std::move(one));
}

void Cases::clear() {
  Contestant const mine{"clear()", "ours-clear", ours_};
  Contestant const raw{"raw DELETE with secure_delete", "raw-clear", raw_};
  add({mine, raw}, {ratio("clear() of 100 000 entries / the same with secure_delete", mine.name, raw.name,
                          Goal::at_most(0.15), "milliseconds"),
                    plain("clear() of 100 000 entries", "ms", mine.name, "milliseconds")});
}

void Cases::entries() {
  std::size_t const few = entries_ / 10, many = entries_ * 10;
  Contestant const small{"read 64 in flight of " + std::to_string(few), "ours-read",
                         files_.ours(few, KiB).with("in-flight", 64)};
  Contestant const large{"read 64 in flight of " + std::to_string(many), "ours-read",
                         files_.ours(many, KiB).with("in-flight", 64)};
  // Times, not rates: the small file's rate over the large one's.
  add({small, large}, {ratio("read time at " + std::to_string(many) + " entries / at " + std::to_string(few),
                             small.name, large.name, Goal::at_most(1.45))});
  suite_.cases.back().prepare = [first = files_.make(few, KiB), second = files_.make(many, KiB)] {
    first();
    second();
  };
}

void Cases::memory() {
  Contestant const counted{"allocations of reads", "ours-read-allocations", ours_.with("in-flight", 64)};
  add({counted}, {plain("allocations per read 64 in flight, beyond the value's own", "", counted.name,
                        "allocations", Goal::at_most(0.01))});
  suite_.cases.back().most_rounds = 3;

  std::size_t const many = entries_ * 10;  // 1 GB
  for (std::string const what : {"values", "entries"}) {
    Contestant const walk{"walking 1 GB with " + what + "()", "ours-walk-memory",
                          files_.ours(many, KiB).with("what", what)};
    add({walk}, {plain("memory for " + walk.name, "MiB", walk.name, "mib", Goal::at_most(16))});
    suite_.cases.back().prepare = files_.make(many, KiB);
    suite_.cases.back().most_rounds = 3;
  }
}

void Cases::curves() {
  auto const make = files_.make(entries_, KiB);
  Arguments const fewer_writes = ours_.with("writes", 9600);
  for (std::size_t in_flight = 1; in_flight <= 256; in_flight *= 2) {
    auto const x = static_cast<double>(in_flight);
    suite_.curves.push_back({"reads against operations in flight",
                             "SQLiteCache",
                             x,
                             {"", "ours-read", ours_.with("in-flight", in_flight)},
                             "rate",
                             make});
    suite_.curves.push_back({"writes against operations in flight",
                             "SQLiteCache",
                             x,
                             {"", "ours-write", fewer_writes.with("in-flight", in_flight)},
                             "rate",
                             make});
  }
  for (std::size_t const count : {entries_ / 10, entries_, entries_ * 10}) {
    auto const x = static_cast<double>(count);
    std::string const plot = "reads against entries";
    auto const make = files_.make(count, KiB);
    Arguments const raw = files_.raw(count, KiB);
    suite_.curves.push_back({plot,
                             "SQLiteCache, 64 in flight",
                             x,
                             {"", "ours-read", files_.ours(count, KiB).with("in-flight", 64)},
                             "rate",
                             make});
    suite_.curves.push_back(
        {plot, "raw in one transaction", x, {"", "raw-read", raw.with("transaction", "one")}, "rate", make});
    suite_.curves.push_back({plot, "raw committing per read", x, {"", "raw-read", raw}, "rate", make});
  }
}

}  // namespace

void add_storage_cases(Suite& suite, Files const& files, std::size_t entries) {
  Cases cases(suite, files, entries);
  cases.reads();
  cases.big_reads();
  cases.single_reads();
  cases.streams();
  cases.contains();
  cases.writes();
  cases.bulks();
  cases.mixed();
  cases.walks();
  cases.sizes();
  cases.clear();
  cases.entries();
  cases.memory();
  cases.curves();
}

}  // namespace bench
