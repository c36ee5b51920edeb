#!/usr/bin/env bash
# Runs one example in an empty directory and checks what it prints.
# usage: check.sh EXAMPLE DIRECTORY      where the programs are
set -euo pipefail
readme=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)/../README.md
source_dir=$(dirname "$readme")/examples
bin=$2
PATH=$bin:$PATH
work=$(mktemp -d)
cd "$work"
ORIGIN_PID=
PROXY_PID=
trap 'for pid in $ORIGIN_PID $PROXY_PID; do kill "$pid"; done; rm -rf "$work"' EXIT

start_origin() {
  coproc ORIGIN { exec "$bin/origin"; }
  read -r base <&"${ORIGIN[0]}"
}

# What differs from run to run: the port, the age of an answer, times.
normalise() {
  sed -E -e 's/127\.0\.0\.1:[0-9]+/ORIGIN/g' -e 's/ttl=3(600|59[0-9])\b/ttl=3600/g' -e 's/ttl=-1\b/ttl=0/' -e 's/ +[0-9.]+ ms/ TIME/g'
}
# prints PROGRAM ARGUMENT...: it succeeds and prints what stands on the standard input.
prints() {
  "$@" >printed || { cat printed; return 1; }
  diff <(normalise) <(normalise <printed)
}

check_quick_start() {
  # The README shows the program and what it prints.
  diff <(awk '/^```cpp/ { on = 1; text = ""; next } /^```/ && on { if (text ~ /int main/) { printf "%s", text; exit } on = 0 }
    on { text = text $0 "\n" }' "$readme") "$source_dir/quick_start.cpp"
  start_origin
  sed -n '/^\$ .*quick_start/,/^```/p' "$readme" | sed '1d;$d' >expected
  [[ $(wc -l <expected) == 2 ]]
  prints quick_start "$base/page" <expected
}

check_key_value() {
  prints key_value <<'END'
Paris
nothing is stored under Atlantis
France: Paris
Peru: Lima
100000 entries written in one commit and read back
END
  # Another program reads the same file.
  diff <(echo 100000) <(sqlite3 key_value.sqlite 'select count(*) from numbers')
}

check_own_type() {
  prints own_type <<'END'
Moby-Dick, Herman Melville, 1851
with another key: refused
END
}

check_own_cache() {
  start_origin
  prints own_cache "$base/page" <<'END'
France
Peru
200  beast_cache; fwd=uri-miss; ttl=3600; stored
200  beast_cache; hit; ttl=3600
END
}

check_own_cache_test() {
  own_cache_test >printed || { cat printed; return 1; }
  [[ $(grep -c '^ok' printed) -ge 13 ]]
}

check_own_client() {
  start_origin
  prints own_client "$base/page" <<'END'
200  1000 bytes  beast_cache; fwd=uri-miss; ttl=3600; stored
200  1000 bytes  beast_cache; hit; ttl=3600
END
}

check_many_at_once() {
  start_origin
  prints many_at_once many "$base" <<'END'
500 answers: 500 from the origin, 0 from the cache
500 answers: 0 from the origin, 500 from the cache
END
  diff <(echo 500) <(sqlite3 many.sqlite 'select count(*) from responses')
}

# The Cache-Status of each line of the table, in order.
statuses() { normalise | sed -n -E 's/^ *[0-9]+ +[0-9]+ TIME  ([^/]*[^ /]) +http:.*/\1/p'; }

check_main_job() {
  start_origin
  main_job pages --origin "$base" >first
  main_job pages --origin "$base" >second
  cat first second
  local cold='beast_cache; fwd=uri-miss; ttl=3600; stored
beast_cache; fwd=uri-miss; ttl=0; stored
beast_cache; fwd=uri-miss; ttl=3600; stored
beast_cache; fwd=vary-miss; ttl=3600; stored
beast_cache; hit; ttl=3600
beast_cache; fwd=uri-miss; detail="no-store"'
  local again='beast_cache; hit; ttl=3600
beast_cache; fwd=stale; fwd-status=304; ttl=0; stored; detail="response no-cache"
beast_cache; hit; ttl=3600
beast_cache; hit; ttl=3600
beast_cache; hit; ttl=3600
beast_cache; fwd=uri-miss; detail="no-store"'
  diff <(statuses <first) <(printf '%s\n%s\n' "$cold" "$again")
  diff <(statuses <second) <(printf '%s\n%s\n' "$again" "$again")

  # What fails is a line of the table, and the exit status.
  if main_job pages "$base/page" http://127.0.0.1:1/ >failed 2>&1; then return 1; fi
  cat failed
  [[ $(grep -c ' 200 ' failed) == 2 && $(grep -c ' - .*127.0.0.1:1' failed) == 2 ]]
}

check_cold_against_hit() {
  start_origin
  cold_against_hit cold "$base/page" 20 >printed
  cat printed
  [[ $(grep -c -E '(without a cache|cold:|hit:).* [0-9.]+ ms +[0-9]+$' printed) == 3 ]]
}

# status_of HOST:PORT PATH: the Cache-Status of the answer to a GET.
status_of() {
  exec 3<>"/dev/tcp/${1%:*}/${1##*:}"
  printf 'GET %s HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n' "$2" >&3
  tr -d '\r' <&3 | sed -n 's/^Cache-Status: //p' | normalise
  exec 3>&-
}

check_caching_proxy() {
  start_origin
  mkfifo ready
  caching_proxy --listen 127.0.0.1:0 --origin "$base" --cache proxy >ready &
  PROXY_PID=$!
  local url
  read -r url <ready
  diff <(echo 'beast_cache; fwd=uri-miss; ttl=3600; stored') <(status_of "${url#http://}" /page)
  diff <(echo 'beast_cache; hit; ttl=3600') <(status_of "${url#http://}" /page)
  diff <(echo 'beast_cache; fwd=uri-miss; detail="no-store"') <(status_of "${url#http://}" /secret)
  # The address is taken.
  if caching_proxy --listen "${url#http://}" --origin "$base" --cache other 2>failure; then return 1; fi
  grep -q "listening on ${url#http://}: " failure
  caching_proxy --help >help
  grep -q '^usage: caching_proxy ' help
  local -r proxy=$PROXY_PID
  PROXY_PID=
  kill "$proxy"
  wait "$proxy"  # it drains, and its status is 0
}

"check_$1"
