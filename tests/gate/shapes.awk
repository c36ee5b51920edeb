# Finds, by the text alone, coroutine shapes that g++ 12 miscompiles or that lose their operands' lifetime.
# It knows no types, so it reads templates and macros that the AST query (coroutine_gate.sh) sees only when they are
# instantiated; the query knows types, and sees what this can't. Prints FILE:LINE: what is wrong.
#
# The text is cut into statements. What stands in braces inside parentheses (a lambda's body, a braced list) is a
# run of statements of its own; the statement around it keeps "{}" in its place. POSIX awk: mawk has no \y, no {n}.

function report(line, what) { print name ":" line ": " what; found = 1 }

# A statement or the clause of an if, while, for or switch has ended; `ending` is the character that ended it.
function finish(ending) {
  if (text ~ /[^ ]/) {
    if (text ~ /^ *[.][A-Za-z_]+ *=[^=]/ && awaited[depth]) report(start, "a designated initialiser beside co_await")
    if (clause != "" && clause != "for" && text ~ AWAIT) report(start, "co_await in the condition of " clause)
    if (text ~ AWAIT && text ~ /[?]/) report(start, "co_await beside ?:")
    if (text ~ AWAIT && text ~ /[(,] *[{][}]/) report(start, "a braced list beside co_await")
    if (text ~ AWAIT && text ~ /[(,] *[A-Za-z_][A-Za-z_0-9:]*(<[^(){};]*>)?[{][}]/) report(start, "a braced value beside co_await: name it")
    if (text ~ AWAIT && text ~ /[(,=] *\[ *([^] &][^]&]*|&[^]]*, *[A-Za-z_]+ *(=[^]]*)?)\] *([({]|mutable)/) report(start, "a closure with copies beside co_await")
    if (text ~ /(^|[^A-Za-z0-9_])co_return *$/ && ending == "{") report(start, "co_return {...}: name the type")
    if (text ~ AWAIT && locked[depth]) report(start, "co_await while a mutex is held")
    if (text ~ /std::(lock_guard|scoped_lock|unique_lock|shared_lock)[ <][^;]*[({]/ && text !~ /defer_lock/) locked[depth] = 1
    # A capturing lambda as a coroutine: the closure may die before the coroutine ends.
    if (ending == "{") lambda_coroutine(text)
  }
  text = ""
  clause = ""
}

function lambda_coroutine(s) {
  if (s ~ /\[ *[^] ][^]]*\] *([(].*[)])? *(mutable|noexcept| )*-> *[A-Za-z_:]*awaitable *<[^{}]*$/)
    report(FNR, "a capturing lambda is a coroutine: make it a function with parameters")
}

BEGIN { AWAIT = "(^|[^A-Za-z0-9_])co_await([^A-Za-z0-9_]|$)" }

FNR == 1 {
  name = FILENAME; text = ""; clause = ""; depth = 0; parens = 0; comment = 0; raw = 0; start = 1
  locked[0] = 0; awaited[0] = 0
}

{
  line = $0
  if (raw) {
    if (!match(line, /\)[A-Za-z_]*"/)) next
    line = substr(line, RSTART + RLENGTH)
    raw = 0
  }
  if (line ~ /^[ \t]*#/) next
  gsub(/R"[A-Za-z_]*\(([^)]|\)[^"A-Za-z_])*\)[A-Za-z_]*"/, "_", line)
  if (match(line, /R"[A-Za-z_]*\(/)) { line = substr(line, 1, RSTART - 1) "_"; raw = 1 }
  gsub(/'([^'\\]|\\[^x0-9]|\\[x0-9][0-9a-fA-F]*)'/, "_", line)
  gsub(/"([^"\\]|\\.)*"/, "_", line)
  gsub(/\/\*([^*]|\*[^\/])*\*\//, " ", line)
  if (comment) {
    if (!match(line, /\*\//)) next
    line = substr(line, RSTART + 2)
    comment = 0
  }
  sub(/\/\/.*/, "", line)
  if (match(line, /\/\*/)) { line = substr(line, 1, RSTART - 1); comment = 1 }

  n = length(line)
  for (i = 1; i <= n; i++) {
    c = substr(line, i, 1)
    if (c == "(") {
      if (clause == "" && parens == 0 && match(text, /(^|[^A-Za-z0-9_])(if|while|for|switch)( constexpr)? *$/)) {
        clause = substr(text, RSTART)
        gsub(/constexpr|[^a-z]/, "", clause)
        text = ""
        start = FNR
        parens = 1
        continue
      }
      parens++
      text = text c
    } else if (c == ")") {
      parens--
      if (clause != "" && parens == 0) finish(c)
      else text = text c
    } else if (c == "{") {
      if (parens == 0) {
        # A block, a body, or the braces of a value.
        before = text
        finish(c)
        depth++
        saved[depth] = before ~ /(=|return|co_return|co_await|,|[A-Za-z0-9_>]) *$/ && before ~ /=|return|co_await/ ? before : ""
        locked[depth] = locked[depth - 1]
        awaited[depth] = saved[depth] ~ AWAIT
      } else {
        lambda_coroutine(text)
        depth++
        saved[depth] = text
        awaited[depth] = text ~ AWAIT
        # A lambda's body runs later, without the lock.
        locked[depth] = 0
        text = ""
      }
      nested[depth] = parens
      outer_clause[depth] = clause
      outer_start[depth] = start
      parens = 0
      clause = ""
    } else if (c == "}") {
      finish(c)
      if (depth > 0) {
        parens = nested[depth]
        clause = outer_clause[depth]
        if (parens > 0) { text = saved[depth] "{}"; start = outer_start[depth] }
        depth--
      }
    } else if (c == ";" && (parens == 0 || clause != "for")) {
      if (parens == 0) finish(c); else text = text c
    } else {
      if (text !~ /[^ ]/) { start = FNR; text = "" }
      text = text c
    }
  }
  text = text " "
}

END { exit found }
