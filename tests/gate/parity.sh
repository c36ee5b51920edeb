#!/usr/bin/env bash
# Each test that tests/conformance/PARITY.md names is in the tests' sources.
# usage: parity.sh [ROOT]
set -euo pipefail

root=${1:-.}
missing=0
while IFS= read -r name; do
  grep -rqF --include='*.cpp' "\"$name\"" "$root/tests" || { echo "PARITY.md names no test: $name"; missing=1; }
done < <(grep '^|' "$root/tests/conformance/PARITY.md" | awk -F'|' '{ print $(NF - 1) }' | grep -oP '"\K[^"]+(?=")')
exit "$missing"
