# shellcheck shell=bash
# shellcheck disable=SC2034  # the package lists are for the script that sources this
# Sourced by the scripts that build: makes sure that the Debian packages they need are there.
# Bash and the base system only; nothing is written outside apt's own places.

# What the library, its tests and its examples need on Debian 12 (libboost-dev there is 1.74: too old).
build_packages=(
  cmake ninja-build g++ pkg-config
  libboost1.81-dev libboost-system1.81-dev libboost-url1.81-dev libboost-json1.81-dev
  libsqlite3-dev libcereal-dev libssl-dev zlib1g-dev libbrotli-dev libzstd-dev libpsl-dev
  ca-certificates
)
test_packages=(catch2 sqlite3 nginx-light squid openssl)
# What the benchmarks compare with.
bench_packages=(libcurl4-openssl-dev wrk)
# The second compiler, its sanitizers with what names their stacks, and clang-query for the coroutine gate.
clang_packages=(clang-16 clang-tools-16 libclang-rt-16-dev llvm-16)

# need_packages PACKAGE...: installs those that are missing; without root, says how and fails.
need_packages() {
  if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
    echo "This is not a Debian system: what is needed is taken to be there already ($*)."
    return 0
  fi
  local package missing=()
  for package in "$@"; do
    [[ $(dpkg-query -W -f '${db:Status-Status} ' "$package" 2>/dev/null) == *installed* ]] || missing+=("$package")
  done
  ((${#missing[@]})) || return 0

  local install=(apt-get install -y --no-install-recommends "${missing[@]}")
  if ((EUID != 0)); then
    echo "These packages are missing: ${missing[*]}. As root, run:" >&2
    echo "  apt-get update && ${install[*]}" >&2
    return 1
  fi
  echo "Installing by apt: ${missing[*]}"
  _without_services "${missing[@]}"
}

# A test starts its own nginx and squid on the loopback: the packages must start none now nor at boot.
_without_services() (
  set -euo pipefail
  export DEBIAN_FRONTEND=noninteractive
  policy=/usr/sbin/policy-rc.d
  if [[ ! -e $policy ]]; then
    # 101: "action forbidden by policy", what invoke-rc.d asks for before it starts anything.
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
    trap 'rm -f "$policy"' EXIT
  fi
  # The package lists may be absent (a fresh image) or older than the archive.
  if ! apt-cache show "$@" >/dev/null 2>&1; then apt-get update; fi
  if ! apt-get install -y --no-install-recommends "$@"; then
    apt-get update
    apt-get install -y --no-install-recommends "$@"
  fi
  if [[ " $* " == *" nginx-light "* ]] && command -v systemctl >/dev/null; then
    systemctl disable --quiet nginx.service || true
  fi
  if [[ " $* " == *" squid "* ]] && command -v systemctl >/dev/null; then
    systemctl disable --quiet squid.service || true
  fi
)
