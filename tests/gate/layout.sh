#!/usr/bin/env bash
# The tree's layout: which floor may include which, what public headers may include, lengths, leftover markers.
# usage: layout.sh SOURCE_DIR | layout.sh self-test
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

check() {
  cd "$1"
  { find include src tests examples cmake CMakeLists.txt README.md .ci -type f 2>/dev/null || true; } | sort |
    xargs -d '\n' awk -f "$here/layout.awk"
}

self_test() {
  local tree
  tree=$(mktemp -d)
  # shellcheck disable=SC2064  # the value of now: the variable is gone by then
  trap "rm -rf '$tree'" EXIT
  local public=$tree/include/beast_cache
  mkdir -p "$public"/{http,policy,storage,backend,session,detail} "$tree"/src/{storage,session}

  put() { printf '#pragma once\n%s\n' "${@:2}" >"$1"; }
  put "$public/error.hpp" '#include <string>'
  put "$public/http/date.hpp" '#include "beast_cache/error.hpp"'
  put "$public/policy/vary.hpp" '#include "beast_cache/http/date.hpp"'
  put "$public/storage/base_cache.hpp" '#include <beast_cache/error.hpp>'
  put "$public/storage/sqlite_pickle_cache.hpp" '#include <cereal/archives/binary.hpp>'
  put "$public/backend/cache_backend.hpp" '#include "beast_cache/policy/vary.hpp"' '#include "beast_cache/storage/base_cache.hpp"'
  put "$public/beast_cache.hpp" '#include "beast_cache/backend/cache_backend.hpp"'
  put "$tree/src/storage/lane.cpp" '#include <sqlite3.h>' '#include "storage/lane.hpp"' '#include "detail/offload.hpp"'
  if ! check "$tree"; then
    echo "A good tree was reported."
    return 1
  fi

  # rejects FILE LINE: the tree with that line in that file must be reported, at that file.
  rejects() {
    local before output
    before=$(cat "$1" 2>/dev/null || echo '#pragma once')
    printf '%s\n%s\n' "$before" "$2" >"$1"
    if output=$(check "$tree") || [[ $output != "${1#"$tree"/}:"* ]]; then
      printf '%s with %s was not reported: %s\n' "$1" "$2" "$output"
      return 1
    fi
    printf '%s\n' "$before" >"$1"
    check "$tree"
  }
  rejects "$public/error.hpp" '#include "beast_cache/http/date.hpp"'
  rejects "$public/detail/offload.hpp" '#include "beast_cache/storage/base_cache.hpp"'
  rejects "$public/http/date.hpp" '#include "beast_cache/policy/vary.hpp"'
  rejects "$public/policy/vary.hpp" '#include "beast_cache/storage/base_cache.hpp"'
  rejects "$public/storage/base_cache.hpp" '#include "beast_cache/http/date.hpp"'
  rejects "$public/storage/base_cache.hpp" '#include <beast_cache/policy/vary.hpp>'
  rejects "$public/backend/cache_backend.hpp" '#include "beast_cache/session/http_client.hpp"'
  rejects "$public/session/http_client.hpp" '#include "beast_cache/beast_cache.hpp"'
  rejects "$tree/src/storage/lane.cpp" '#include "session/transport.hpp"'
  rejects "$public/storage/base_cache.hpp" '#include <sqlite3.h>'
  rejects "$public/session/http_client.hpp" '#include <openssl/ssl.h>'
  rejects "$public/session/http_client.hpp" '#include <boost/asio.hpp>'
  rejects "$public/session/http_client.hpp" '#include <boost/beast/core/tcp_stream.hpp>'
  rejects "$public/http/date.hpp" '#include <boost/url/url.hpp>'
  rejects "$public/backend/cache_backend.hpp" '#include <cereal/archives/binary.hpp>'
  rejects "$tree/src/storage/lane.cpp" "// TO""DO: later"
  rejects "$tree/src/storage/lane.cpp" "<<<<""<<< ours"
  rejects "$tree/src/storage/lane.cpp" "$(yes '//' | head -n 500)"
  rejects "$public/http/date.hpp" "$(yes '//' | head -n 400)"
}

if [[ $1 == self-test ]]; then self_test; else check "$1"; fi
