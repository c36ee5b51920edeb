#!/usr/bin/env bash
# Installs what is missing, builds the main job, and runs it twice: the second process finds the first one's cache.
# usage: examples/run.sh [URL...]     without a URL the program starts its own origin on the loopback
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=cmake/setup-debian.sh
source cmake/setup-debian.sh

need_packages "${build_packages[@]}"
cmake --preset release --log-level=WARNING -DBEAST_CACHE_BUILD_TESTS=OFF
cmake --build --preset release --target main_job

# A new file each time, so that the first run is cold.
directory=$(mktemp -d)
trap 'rm -rf "$directory"' EXIT
for run in first second; do
  printf '\n== the %s process\n' "$run"
  build/release/examples/main_job "$directory/main_job.sqlite" "$@"
done
