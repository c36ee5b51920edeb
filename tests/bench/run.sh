#!/usr/bin/env bash
# Builds a benchmark in the release tree, runs it, prints a table and writes build/bench/SUITE.json, and plots beside it.
# usage: tests/bench/run.sh SUITE [--rounds N] [--only SUBSTRING] [--dir DIRECTORY]
#   --only: just the rows whose name contains it; --dir: where the databases go (default: build/bench/data)
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
# shellcheck source=cmake/setup-debian.sh
source cmake/setup-debian.sh

mapfile -t suites < <(sed -n -E 's/^ *beast_cache_bench\(([a-z_]+).*/\1/p' tests/bench/CMakeLists.txt)
suite=${1:-}
if [[ ! $suite || " ${suites[*]} " != *" $suite "* ]]; then
  echo "usage: tests/bench/run.sh SUITE [--rounds N] [--only SUBSTRING] [--dir DIRECTORY]; suites: ${suites[*]}" >&2
  exit 2
fi
shift

need_packages "${build_packages[@]}" "${test_packages[@]}" "${bench_packages[@]}"
cmake --preset release --log-level=WARNING -DBEAST_CACHE_BUILD_BENCHMARKS=ON
cmake --build --preset release --target "bench_$suite"
# The latest of two equal options counts.
build/release/tests/bench/"bench_$suite" --dir build/bench/data --json build/bench "$@"
echo "build/bench/$suite.json"
rm -f build/bench/"$suite"-*.svg
awk -v directory=build/bench -v suite="$suite" -f tests/bench/plot.awk "build/bench/$suite.json"
