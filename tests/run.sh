#!/usr/bin/env bash
# Installs what is missing, builds, and runs all the tests through ctest.
# usage: tests/run.sh [PRESET...]     the presets of CMakePresets.json, one after another; default: dev
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=cmake/setup-debian.sh
source cmake/setup-debian.sh

presets=("$@")
((${#presets[@]})) || presets=(dev)

packages=("${build_packages[@]}" "${test_packages[@]}")
[[ " ${presets[*]}" == *" clang"* ]] && packages+=("${clang_packages[@]}")
need_packages "${packages[@]}"

# As many compilers at once as there are processors, but each may want 2 GiB.
jobs=${BEAST_CACHE_JOBS:-$(awk -v n="$(nproc)" '/^MemTotal/ { m = int($2 / 2097152); print m < 1 ? 1 : m < n ? m : n }' /proc/meminfo)}

# ThreadSanitizer of GCC 12 and Clang 16 needs a memory layout that kernels with more than 28 random bits do not give.
bits=$(cat /proc/sys/vm/mmap_rnd_bits 2>/dev/null || echo 0)

times=()
for preset in "${presets[@]}"; do
  wrapper=()
  if [[ $preset == *tsan ]] && ((bits > 28)); then
    wrapper=(setarch "$(uname -m)" -R)
  fi
  echo "== $preset"
  SECONDS=0
  cmake --preset "$preset" --log-level=WARNING
  # The tests are listed by running the programs: the build needs the same layout.
  "${wrapper[@]}" cmake --build --preset "$preset" --parallel "$jobs"
  built=$SECONDS
  times+=("$preset: built in $built s")
  if [[ $preset == "${presets[-1]}" ]]; then
    # Printed before the last ctest, whose own summary is the last word.
    printf '== %s\n' "${times[@]}"
  fi
  SECONDS=0
  "${wrapper[@]}" ctest --preset "$preset" --parallel "$jobs"
  times[-1]+=", tested in $SECONDS s"
done
