#!/usr/bin/env bash
# usage: readme.sh run PROGRAM EXPECTED    the README's program prints what the README says
#        readme.sh self-test               the blocks of a README are told apart
# Times, ports and dates differ from run to run: only their place is compared.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

normalise() {
  sed -E -e 's/[0-9]+(\.[0-9]+)? ?(ns|us|ms|s)([^a-zA-Z]|$)/N \2\3/g' \
    -e 's/(127\.0\.0\.1|localhost):[0-9]+/\1:PORT/g' \
    -e 's/[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9:.]+Z?/DATE/g' -e 's/  +/ /g' -e 's/ +$//' "$@"
}

run() {
  local program expected
  program=$(realpath "$1") expected=$(realpath "$2")
  cd "$work"
  "$program" >printed
  diff <(normalise "$expected") <(normalise printed)
}

self_test() {
  mkdir "$work/blocks"
  cat >"$work/README.md" <<'END'
```cpp
#include <cstdio>
int main() { std::puts("took 12.5 ms"); }
```
It prints
```text
$ ./program
took 3 ms
```
```cpp
co_await session.get(url);
```
```c++
never();
```
```cpp
#include <string>
struct Mine {};
```
```text
not a program's output
```
END
  diff <(awk -v out="$work/blocks" -v prelude=prelude.hpp -f "$here/readme.awk" "$work/README.md") - <<'END'
program_1.cpp
program_1.expected
fragments.cpp
file_1.cpp
END
  grep -q 'int main' "$work/blocks/program_1.cpp"
  diff "$work/blocks/program_1.expected" <(echo 'took 3 ms')
  grep -q '^#line 11 ' "$work/blocks/fragments.cpp"
  grep -q 'co_await session.get(url);' "$work/blocks/fragments.cpp"
  if grep -rq never "$work/blocks"; then echo "a block that is only shown was taken"; return 1; fi

  printf '#!/bin/sh\necho took 7.25 ms\n' >"$work/program"
  chmod +x "$work/program"
  run "$work/program" "$work/blocks/program_1.expected"
  echo 'took nothing' >"$work/other.expected"
  if run "$work/program" "$work/other.expected" >/dev/null; then
    echo "a program that prints something else passed"
    return 1
  fi
}

command=$1
shift
case $command in
  run) run "$@" ;;
  self-test) self_test ;;
  *) echo "unknown command: $command" >&2; exit 2 ;;
esac
