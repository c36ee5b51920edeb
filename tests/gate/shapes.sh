#!/usr/bin/env bash
# The g++ 12 gate: no coroutine shape that g++ 12 miscompiles stands in the tree.
# usage: shapes.sh lint FILE...              by the text (shapes.awk)
#        shapes.sh query BUILD_DIR SOURCE_DIR  by clang's syntax tree (shapes.cq), from compile_commands.json: what
#                                              stands in files below SOURCE_DIR
#        shapes.sh self-test lint|query      each must report exactly the lines of shapes.cpp that say so
# Exit status: 0 nothing found, 1 something found, 77 clang-query is not installed.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

lint() { awk -f "$here/shapes.awk" "$@"; }

find_clang_query() {
  local name
  for name in clang-query-16 clang-query-19 clang-query-18 clang-query-17 clang-query; do
    if command -v "$name" >/dev/null; then
      clang_query=$name
      return
    fi
  done
  echo "clang-query is not installed (Debian: clang-tools-16)"
  if [[ ${BEAST_CACHE_REQUIRE_GATE:-} ]]; then exit 1; fi
  exit 77
}

# clang_query_lines QUERY FILE [ARGUMENT...]: FILE:LINE: shape, one line a match; fails if the file can't be parsed.
clang_query_lines() {
  local query=$1 file=$2 output
  shift 2
  if ! output=$("$clang_query" -f "$query" "$file" "$@" 2>&1) || [[ $output == *" error: "* ]]; then
    printf '%s: clang-query failed\n%s\n' "$file" "$output" | grep -E 'failed$|rror' | head -n 5
    return
  fi
  sed -n -E 's/^([^ ]+:[0-9]+):[0-9]+: note: "([a-z]+_[a-z_]+)" binds here$/\1: \2/p' <<<"$output"
}

# The paths that are ours, as a regular expression for isExpansionInFileMatching.
make_query() {
  sed "s|@FILES@|$1|" "$here/shapes.cq"
}

# A path as an expression that matches just it.
quoted() {
  # shellcheck disable=SC2001  # bash substitutes no back-references
  sed "s/[().*+?$|{}]/[&]/g" <<<"$1"
}

query_tree() {
  local build source work
  [[ -d ${2:-} && -f ${1:-}/compile_commands.json ]] ||
    { echo "usage: shapes.sh query BUILD_DIR SOURCE_DIR: a directory with compile_commands.json, and the sources'" >&2; return 2; }
  build=$(cd "$1" && pwd) source=$(cd "$2" && pwd)
  work=$build/gate/query
  find_clang_query
  rm -rf "$work"
  mkdir -p "$work"
  # g++'s precompiled headers are nothing to clang: the header itself stands in for them.
  sed -E "s| -include [^ ]*/cmake_pch\.hxx| -include $source/tests/pch.hpp|g; s/ -Winvalid-pch//g; s/ -fsanitize=[^ ]*//g; s/ -DBEAST_CACHE_CANARY_BAD//g" \
    "$build/compile_commands.json" >"$work/compile_commands.json"
  make_query "^$(quoted "$source")/\|^$(quoted "$build")/gate/" >"$work/shapes.cq"

  # A header is seen from the sources that include it. A source without a coroutine has nothing to find in itself,
  # unless it compiles a .ipp, which no other may include.
  # Each compiled file once, though several programs may share it.
  sed -n -E 's/^ *"file": "(.*)",?$/\1/p' "$work/compile_commands.json" | grep -v cmake_pch | sort -u |
    xargs -d '\n' grep -lE 'co_await|co_return|\.ipp"' >"$work/files" || true
  [[ -s $work/files ]] || { echo "no file to look at in $build/compile_commands.json"; return 1; }

  export -f clang_query_lines
  export clang_query
  # shellcheck disable=SC2016  # expanded by the inner bash
  xargs -d '\n' -n 1 -P "$(nproc)" \
    bash -c 'clang_query_lines "$1" "$3" -p "$2"' _ "$work/shapes.cq" "$work" <"$work/files" | sort -u >"$work/matches"
  echo "$(wc -l <"$work/files") sources read"
  cat "$work/matches"
  [[ ! -s $work/matches ]]
}

self_test() {
  local tool=$1 file=$here/shapes.cpp expected reported
  expected=$(grep -nE "// bad:.*\\<$tool\\>" "$file" | sed 's/:.*//')
  if [[ $tool == lint ]]; then
    reported=$(lint "$file" || true)
  else
    find_clang_query
    query=$(mktemp)  # not local: the trap outlives the function
    trap 'rm -f "$query"' EXIT
    make_query '/shapes[.]cpp$' >"$query"
    reported=$(clang_query_lines "$query" "$file" -- -std=c++20)
  fi
  echo "$reported"
  if ! diff <(echo "$expected") <(sed -n -E 's/^[^:]*:([0-9]+): .*/\1/p' <<<"$reported" | sort -un); then
    echo "The lines that should have been reported (<) and those that were (>) differ."
    return 1
  fi
}

command=${1:-none}
shift || true
case $command in
  lint) lint "$@" ;;
  query) query_tree "$@" ;;
  self-test) self_test "$@" ;;
  *)
    echo "usage: shapes.sh lint FILE... | query BUILD_DIR SOURCE_DIR | self-test lint|query" >&2
    exit 2
    ;;
esac
