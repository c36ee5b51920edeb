// The storage benchmark: what SQLiteCache costs beside the raw C interface. README.md explains the rows.

#include <exception>
#include <iostream>

#include "storage_data.hpp"
#include "storage_variants.hpp"
#include "support/suite.hpp"

namespace bench {
namespace {

constexpr std::size_t KiB = 1024;

void add_reads(Suite& suite, Files const& files, std::size_t entries) {
  Arguments const ours = files.ours(entries, KiB), raw = files.raw(entries, KiB);
  Contestant const in_one{"raw in one transaction", "raw-read", raw.with("transaction", "one")};
  Contestant const each{"raw committing per read", "raw-read", raw};

  Case reads;
  reads.prepare = files.make(entries, KiB);
  reads.contestants = {{"read 64 in flight", "ours-read", ours.with("in-flight", 64)}, in_one, each};
  reads.rows = {ratio("read 64 in flight / raw in one transaction", "read 64 in flight", in_one.name,
                      Goal::at_least(0.88)),
                ratio("read 64 in flight / raw committing per read", "read 64 in flight", each.name,
                      Goal::at_least(2.0))};
  suite.cases.push_back(std::move(reads));

  for (auto const& [kib, goal] : {std::pair{10, 1.4}, std::pair{100, 1.1}}) {
    std::size_t const size = static_cast<std::size_t>(kib) * KiB;
    std::size_t const fewer = entries / static_cast<std::size_t>(kib);
    std::string const name = "read of " + std::to_string(kib) + " KiB 64 in flight";
    std::string const reference = "raw committing per read of " + std::to_string(kib) + " KiB";
    Case big;
    big.prepare = files.make(fewer, size);
    big.contestants = {{name, "ours-read", files.ours(fewer, size).with("in-flight", 64)},
                       {reference, "raw-read", files.raw(fewer, size)}};
    big.rows = {ratio(name + " / raw committing per read", name, reference, Goal::at_least(goal))};
    suite.cases.push_back(std::move(big));
  }

  Case pinned;
  pinned.prepare = files.make(entries, KiB);
  pinned.contestants = {
      {"read one at a time, one CPU", "ours-read", ours.with("in-flight", 1).with("cpu", 0)},
      {"raw committing per read, one CPU", "raw-read", raw.with("cpu", 0)}};
  pinned.rows = {ratio("read one at a time, pinned to one CPU / raw committing per read",
                       "read one at a time, one CPU", "raw committing per read, one CPU",
                       Goal::at_least(0.65))};
  suite.cases.push_back(std::move(pinned));

  Case contains;
  contains.prepare = files.make(entries, KiB);
  contains.contestants = {{"contains 64 in flight", "ours-contains", ours.with("in-flight", 64)},
                          {"contains_many of 64", "ours-contains-many", ours.with("batch", 64)},
                          {"raw contains in one transaction", "raw-contains", raw}};
  contains.rows = {ratio("contains 64 in flight / raw inside one transaction", "contains 64 in flight",
                         "raw contains in one transaction", Goal::at_least(0.78)),
                   ratio("contains_many of 64 / raw inside one transaction", "contains_many of 64",
                         "raw contains in one transaction", Goal::at_least(0.88))};
  suite.cases.push_back(std::move(contains));
}

void add_writes(Suite& suite, Files const& files, std::size_t entries) {
  Arguments const ours = files.ours(entries, KiB), raw = files.raw(entries, KiB);
  for (std::string const durability : {"normal", "full"}) {
    std::string const capitals = durability == "full" ? "FULL" : "NORMAL";
    Contestant const mine{"write 64 in flight, " + capitals, "ours-write",
                          ours.with("in-flight", 64).with("writes", 38'400).with("durability", durability)};
    Contestant const theirs{"raw transactions of 64, " + capitals, "raw-write",
                            raw.with("batch", 64).with("writes", 38'400).with("durability", durability)};
    Case writes;
    writes.prepare = files.make(entries, KiB);
    writes.contestants = {mine, theirs};
    writes.rows = {
        ratio(mine.name + " / raw transactions of 64", mine.name, theirs.name, Goal::at_least(0.95))};
    suite.cases.push_back(std::move(writes));
  }

  Contestant const sustained{"sustained writes 64 in flight", "ours-write",
                             ours.with("in-flight", 64).with("writes", 100'000)};
  Contestant const autocommit{"raw autocommit", "raw-write", raw.with("writes", 100'000)};
  Case steady;
  steady.prepare = files.make(entries, KiB);
  steady.contestants = {sustained, autocommit};
  steady.rows = {ratio("sustained writes 64 in flight / raw autocommit", sustained.name, autocommit.name,
                       Goal::at_least(2.2))};
  suite.cases.push_back(std::move(steady));

  struct Bulk {
    char const* name;
    char const* by;
    std::size_t batch, writes;
    double goal;
  };
  for (Bulk const& bulk : {Bulk{"write_many of 1000", "write_many", 1000, 40'000, 0.95},
                           Bulk{"bulk_commit of 40 000", "bulk_commit", 40'000, 40'000, 0.80}}) {
    std::string const reference = "raw transactions of " + std::to_string(bulk.batch);
    auto const sized = [&](Arguments const& from) {
      return from.with("batch", bulk.batch).with("writes", bulk.writes);
    };
    Case one;
    one.prepare = files.make(entries, KiB);
    one.contestants = {{bulk.name, "ours-batches", sized(ours).with("by", bulk.by)},
                       {reference, "raw-write", sized(raw)}};
    one.rows = {ratio(std::string(bulk.name) + " / raw bulk in one transaction", bulk.name, reference,
                      Goal::at_least(bulk.goal))};
    suite.cases.push_back(std::move(one));
  }
}

int run(int argc, char** argv) {
  Arguments const arguments(argc, argv);
  Suite suite;
  suite.name = "storage";
  suite.variants["fill"] = fill;
  add_read_variants(suite.variants);
  add_write_variants(suite.variants);
  if (arguments.has("variant")) return child_main(suite.variants, arguments);

  Files const files(arguments.text("dir", "build/bench/data"));
  std::size_t const entries = arguments.number("entries", 100'000);
  add_reads(suite, files, entries);
  add_writes(suite, files, entries);
  run_suite(suite, arguments);
  return 0;
}

}  // namespace
}  // namespace bench

int main(int argc, char** argv) {
  try {
    return bench::run(argc, argv);
  } catch (std::exception const& error) {
    std::cerr << error.what() << '\n';
    return 1;
  }
}
