# Checks the tree's layout; paths are relative to its root. Prints FILE:LINE: what is wrong.
#
# The floors: an include runs downwards only.
#   session > backend > policy > http > base        storage > base, beside policy and http
#   base: error, clock, config, version, detail/
# testing/ (what users test with) and src/tool stand on top of everything; src/ mirrors include/beast_cache/.

function report(line, what) { print FILENAME ":" line ": " what; found = 1 }

function floor_of(path) {
  if (path ~ /^(http|policy|storage|backend|session|testing|tool)\//) { sub(/\/.*/, "", path); return path }
  if (path ~ /^detail\// || path !~ /\//) return path == "beast_cache.hpp" ? "umbrella" : "base"
  return ""
}

function check_length() {
  if (file ~ /^include\/.*[.][hi]pp$/ && lines > 400) print file ":" lines ": a public header has at most 400 lines"
  else if (file ~ /[.][chi]pp$/ && file !~ /^tests\// && lines > 500) print file ":" lines ": a source file has at most 500 lines"
  else return
  found = 1
}

BEGIN {
  below["base"] = " base "
  below["http"] = " base http "
  below["policy"] = " base http policy "
  below["storage"] = " base storage "
  below["backend"] = " base http policy storage backend "
  below["session"] = " base http policy storage backend session "
  below["testing"] = " base http policy storage backend session testing "
  below["tool"] = " base http policy storage backend session tool umbrella "
  below["umbrella"] = " base http policy storage backend session "
  # Spelt so that this file does not report itself.
  marker = "(^|[^A-Za-z])(TO" "DO|FIX" "ME|XX" "X|HA" "CK)([^A-Za-z]|$)|^(<<<<" "<<<|>>>>" ">>>)( |$)"
}

FNR == 1 {
  if (file != "") check_length()
  file = FILENAME
  lines = 0
  from = ""
  public = file ~ /^include\/beast_cache\//
  path = file
  if (sub(/^(include\/beast_cache|src)\//, "", path)) from = floor_of(path)
  # The opt-in headers may bring in what their users ask for.
  opt_in = file ~ /^include\/beast_cache\/(storage\/(impl\/)?(sqlite_pickle_cache|binary_archive|serializer|cereal[a-z_]*)|backend\/cached_response_cereal)[.][hi]pp$/
  if (public && file ~ /[.]hpp$/ && $0 !~ /^#pragma once/) report(1, "a header begins with #pragma once")
}

{ lines++ }

$0 ~ marker { report(FNR, "a leftover marker") }

from != "" && /^[ \t]*#[ \t]*include[ \t]*[<"]/ {
  header = $0
  sub(/^[^<"]*[<"]/, "", header)
  sub(/[>"].*/, "", header)
  if (public) {
    if (header ~ /^(sqlite3[.]h|openssl\/|zlib[.]h|boost\/asio[.]hpp|boost\/asio\/ssl|boost\/beast[.]hpp|boost\/beast\/(ssl|websocket)|boost\/beast\/core\/[a-z_]*stream|boost\/url)/)
      report(FNR, "a public header includes <" header ">")
    if (header ~ /^cereal\// && !opt_in) report(FNR, "a public header includes <" header ">")
  }
  target = header
  if (!sub(/^beast_cache\//, "", target) && $0 ~ /</) next
  to = floor_of(target)
  if (to != "" && from in below && index(below[from], " " to " ") == 0)
    report(FNR, "the floor " from " may not include " header)
}

END { check_length(); exit found }
