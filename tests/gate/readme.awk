# Takes the C++ out of a README, so that it can be compiled as it stands.
# usage: awk -v out=DIRECTORY -v prelude=HEADER -f readme.awk README.md
#
#   ```cpp with `int main`   a program: program_N.cpp. A ```text block that follows it is what it prints
#                            (program_N.expected; a line that begins with "$ " is what one types).
#   ```cpp with `#include`   a file of its own: file_N.cpp
#   ```cpp                   statements inside a coroutine, after the declarations of the prelude: fragments.cpp
#   ```c++                   is shown, not compiled: code that must not be written
# Prints the name of each file that it wrote.

function flush_block(   name) {
  if (block ~ /int main *\(/) { name = "program_" ++programs; expected_for = name; name = name ".cpp" }
  else if (block ~ /(^|\n)#include/) { name = "file_" ++files ".cpp"; expected_for = "" }
  else {
    name = "fragments.cpp"
    expected_for = ""
    if (!fragments++) printf "#include \"%s\"\n", prelude > (out "/" name)
    block = "asio::awaitable<void> fragment_" fragments "() {\n" location block "  co_return;\n}\n"
    location = ""
  }
  printf "%s%s", location, block > (out "/" name)
  if (!(name in written)) print name
  written[name] = 1
}

/^ *```/ {
  if (inside == "") {
    inside = $0
    sub(/^ *```/, "", inside)
    if (inside == "") inside = "plain"
    block = ""
    location = "#line " FNR + 1 " \"" FILENAME "\"\n"
  } else {
    if (inside == "cpp") flush_block()
    else if (inside == "text" && expected_for != "") {
      printf "%s", block > (out "/" expected_for ".expected")
      print expected_for ".expected"
      expected_for = ""
    } else expected_for = ""
    inside = ""
  }
  next
}

inside != "" { if (inside != "text" || $0 !~ /^\$ /) block = block $0 "\n" }
