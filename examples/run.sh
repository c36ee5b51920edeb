#!/usr/bin/env bash
# Installs what is missing, builds the main job, and runs it twice: the second process finds the first one's cache.
# usage: examples/run.sh [URL...]     without a URL: the pages of an origin of its own on the loopback
#        examples/run.sh --measure    how long a GET takes without a cache, cold, and from the cache
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=cmake/setup-debian.sh
source cmake/setup-debian.sh

need_packages "${build_packages[@]}"
cmake --preset release --log-level=WARNING -DBEAST_CACHE_BUILD_TESTS=OFF
cmake --build --preset release --target origin main_job cold_against_hit
programs=build/release/examples

# A new file each time, so that the first run is cold.
directory=$(mktemp -d)
ORIGIN_PID=
trap '[[ -z $ORIGIN_PID ]] || kill "$ORIGIN_PID"; rm -rf "$directory"' EXIT

# start_origin DELAY_MS: one origin for both processes, so that both ask for the same URLs.
start_origin() {
  coproc ORIGIN { exec "$programs/origin" "$1"; }
  read -r base <&"${ORIGIN[0]}"
}

if [[ ${1:-} == --measure ]]; then
  for delay in 0 20; do
    printf '\n== an origin on the loopback that answers after %s ms\n' "$delay"
    start_origin "$delay"
    "$programs/cold_against_hit" "$directory/after_$delay.sqlite" "$base/page" 500
    kill "$ORIGIN_PID"
    wait "$ORIGIN_PID" || true
    ORIGIN_PID=
  done
  exit
fi

urls=("$@")
if ((!$#)); then
  start_origin 0
  urls=(--origin "$base")
fi
status=0
for run in first second; do
  printf '\n== the %s process\n' "$run"
  "$programs/main_job" "$directory/main_job.sqlite" "${urls[@]}" || status=$?
done
exit "$status"
