#!/usr/bin/env bash
# What a user's translation unit pays for the umbrella header.
# usage: headers.sh reach COMPILER [FLAG...]    no heavy header is reached from it
#        headers.sh budget COMPILER [FLAG...]   it parses in at most 1.5 times the time of Asio and Beast's basics
#        headers.sh self-test COMPILER          both notice a header that is too heavy
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
echo '#include <beast_cache/beast_cache.hpp>' >"$work/umbrella.cpp"
# The least that a file must include to name an awaitable and a header field.
printf '#include <%s>\n' boost/asio/awaitable.hpp boost/beast/http/fields.hpp >"$work/basics.cpp"

limit=1.5
rounds=7

# reach FILE COMPILER [FLAG...]
reach() {
  local file=$1 found
  shift
  # Nothing found leaves grep with 1: that is the good case. A compiler that fails does not pass for it.
  "$@" -std=c++20 -M "$file" >"$work/dependencies"
  found=$(tr ' ' '\n' <"$work/dependencies" | grep -E \
    '/(sqlite3\.h|zlib\.h|openssl/.*|cereal/.*|boost/(asio|beast|url|json)\.hpp|boost/(url|json)/.*|boost/asio/ssl.*|boost/beast/(ssl|websocket|http)\.hpp|boost/beast/(ssl|websocket)/.*|boost/beast/core/(basic|tcp|rate|ssl|http)[a-z_]*stream\.hpp|boost/beast/http/(message|read|write|parser|basic_parser|serializer)\.hpp)$' ||
    true)
  [[ -z $found ]] || { head -n 3 <<<"$found"; return 1; }
}

# seconds COMMAND...: the processor time that it takes (the wall clock would count the machine's other work)
seconds() {
  local TIMEFORMAT=%U
  { time "$@" 2>"$work/errors"; } 2>&1 || { cat "$work/errors" >&2; return 1; }
}

# Other work on the machine only ever adds to a time.
least() { sort -n "$1" | head -n 1; }

# budget FILE COMPILER [FLAG...]: both files in turn, so that a change of the machine's speed hits both
budget() {
  local file=$1 round
  shift
  : >"$work/file.times"
  : >"$work/basics.times"
  for ((round = 0; round < rounds; round++)); do
    seconds "$@" -std=c++20 -fsyntax-only "$work/basics.cpp" >>"$work/basics.times"
    seconds "$@" -std=c++20 -fsyntax-only "$file" >>"$work/file.times"
  done
  awk -v file="$(least "$work/file.times")" -v basics="$(least "$work/basics.times")" -v limit=$limit 'BEGIN {
    printf "%.2f s against %.2f s for the basics: a ratio of %.2f, at most %.2f is allowed\n", file, basics, file / basics, limit
    exit file > limit * basics
  }'
}

command=$1
shift
case $command in
  reach) reach "$work/umbrella.cpp" "$@" ;;
  budget) budget "$work/umbrella.cpp" "$@" ;;
  self-test)
    rounds=1
    reach "$work/basics.cpp" "$@"
    budget "$work/basics.cpp" "$@"
    for header in sqlite3.h openssl/ssl.h cereal/archives/binary.hpp boost/asio.hpp boost/beast/core/tcp_stream.hpp boost/url/url.hpp; do
      echo "#include <$header>" >"$work/heavy.cpp"
      if reach "$work/heavy.cpp" "$@"; then echo "<$header> was not noticed"; exit 1; fi
    done
    printf '#include <%s>\n' boost/asio.hpp boost/asio/ssl.hpp boost/beast.hpp boost/beast/ssl.hpp >"$work/heavy.cpp"
    if budget "$work/heavy.cpp" "$@"; then echo "A file over the budget passed"; exit 1; fi
    ;;
esac
