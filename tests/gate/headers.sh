#!/usr/bin/env bash
# What a user's translation unit pays for the umbrella header.
# usage: headers.sh reach COMPILER [FLAG...]    no heavy header is reached from it
#        headers.sh budget COMPILER [FLAG...]   it costs g++ at most 1.5 times what Asio and Beast's basics cost
#        headers.sh self-test COMPILER          both notice a header that is too heavy
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
echo '#include <beast_cache/beast_cache.hpp>' >"$work/umbrella.cpp"
# The least that a file must include to name an awaitable and a header field.
printf '#include <%s>\n' boost/asio/awaitable.hpp boost/beast/http/fields.hpp >"$work/basics.cpp"

limit=1.5

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

# memory FILE COMPILER [FLAG...]: the MiB that g++ allocates to understand the file. It grows as the time does (a ratio of
# 1.43 where the processor time's is 1.45) and is the same each time, whatever else the machine does.
memory() {
  local file=$1
  shift
  "$@" -std=c++20 -fsyntax-only -ftime-report "$file" 2>"$work/report" || { cat "$work/report" >&2; return 1; }
  awk '$1 == "TOTAL" && $NF ~ /^[0-9]+[kMG]$/ { mib = $NF + 0; found = 1
         if ($NF ~ /k/) mib /= 1024; else if ($NF ~ /G/) mib *= 1024 }
       END { if (!found) exit 1; print mib }' "$work/report" || { echo "No total in the report of $1" >&2; return 1; }
}

# budget FILE COMPILER [FLAG...]
budget() {
  local file=$1 weight basics
  shift
  weight=$(memory "$file" "$@")
  basics=$(memory "$work/basics.cpp" "$@")
  awk -v weight="$weight" -v basics="$basics" -v limit=$limit 'BEGIN {
    printf "%d MiB against %d MiB for the basics: a ratio of %.2f, at most %.2f is allowed\n", weight, basics, weight / basics, limit
    exit weight > limit * basics
  }'
}

command=$1
shift
case $command in
  reach) reach "$work/umbrella.cpp" "$@" ;;
  budget) budget "$work/umbrella.cpp" "$@" ;;
  self-test)
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
