// The storage benchmark: what SQLiteCache costs beside the raw C interface. README.md explains the rows.

#include "storage_cases.hpp"
#include "storage_data.hpp"
#include "storage_variants.hpp"
#include "support/suite.hpp"

namespace bench {
namespace {

int run(Arguments const& arguments) {
  Suite suite;
  suite.name = "storage";
  suite.variants["fill"] = fill;
  add_read_variants(suite.variants);
  add_latency_variants(suite.variants);
  add_stream_variants(suite.variants);
  add_write_variants(suite.variants);
  add_mixed_variants(suite.variants);
  add_scan_variants(suite.variants);
  if (arguments.has("variant")) return child_main(suite.variants, arguments);

  Files const files(arguments.text("dir", "build/bench/data"));
  add_storage_cases(suite, files, arguments.number("entries", 100'000));
  run_suite(suite, arguments);
  return 0;
}

}  // namespace
}  // namespace bench

int main(int argc, char** argv) {
  return bench::guarded(bench::run, argc, argv);
}
