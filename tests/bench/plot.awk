# Draws the points of a suite's JSON as SVG, one file a plot, with logarithmic axes.
# usage: awk -v directory=DIRECTORY -v suite=SUITE -f plot.awk SUITE.json
# It relies on one point a line, as the report writes them.

function field(name,   at, rest) {
  at = index($0, "\"" name "\": ")
  if (!at) return ""
  rest = substr($0, at + length(name) + 4)
  if (sub(/^"/, "", rest)) { sub(/".*/, "", rest); return rest }
  sub(/[,}].*/, "", rest)
  return rest + 0
}

function log10(value) { return log(value) / log(10) }
# The whole powers of ten around the values.
function below(value,   p) { p = int(log10(value)); return p > log10(value) + 1e-9 ? p - 1 : p }
function above(value,   p) { p = int(log10(value)); return p < log10(value) - 1e-9 ? p + 1 : p }
function across(x) { return left + (log10(x) - x_low) / (x_high - x_low) * (width - left - right) }
function up(y) { return height - bottom - (log10(y) - y_low) / (y_high - y_low) * (height - bottom - top) }
function short(value) {
  if (value >= 1e6) return value / 1e6 "M"
  if (value >= 1e3) return value / 1e3 "k"
  return value ""
}
function text(x, y, anchor, what) {
  printf "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\">%s</text>\n", x, y, anchor, what > svg
}
function line(x1, y1, x2, y2) {
  printf "<path d=\"M%.1f %.1fL%.1f %.1f\" stroke=\"#ddd\"/>\n", x1, y1, x2, y2 > svg
}

function draw(plot,   i, s, n, power, step, value, path, colour) {
  svg = plot
  gsub(/[^A-Za-z0-9]+/, "-", svg)
  svg = directory "/" suite "-" svg ".svg"
  x_low = x_high = y_low = y_high = ""
  for (i = 1; i <= count; i++) {
    if (plots[i] != plot) continue
    if (x_low == "" || below(xs[i]) < x_low) x_low = below(xs[i])
    if (x_high == "" || above(xs[i]) > x_high) x_high = above(xs[i])
    if (y_low == "" || below(ys[i]) < y_low) y_low = below(ys[i])
    if (y_high == "" || above(ys[i]) > y_high) y_high = above(ys[i])
  }
  if (x_high == x_low) x_high++
  if (y_high == y_low) y_high++
  printf "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" font-family=\"sans-serif\" font-size=\"12\" fill=\"none\">\n", width, height > svg
  printf "<rect width=\"%d\" height=\"%d\" fill=\"#fff\"/>\n<g fill=\"#333\">\n", width, height > svg
  text(left, top - 14, "start", plot ", per second")
  for (power = x_low; power <= x_high; power++) {
    for (step = 1; step <= 9; step++) {
      value = step * 10 ^ power
      if (value > 10 ^ x_high * 1.001) break
      line(across(value), top, across(value), height - bottom)
      if (step == 1) text(across(value), height - bottom + 18, "middle", short(value))
    }
  }
  for (power = y_low; power <= y_high; power++) {
    for (step = 1; step <= 9; step++) {
      value = step * 10 ^ power
      if (value > 10 ^ y_high * 1.001) break
      line(left, up(value), width - right, up(value))
      if (step == 1 || step == 2 || step == 5) text(left - 6, up(value) + 4, "end", short(value))
    }
  }
  n = 0
  for (s = 1; s <= series_count; s++) {
    path = ""
    for (i = 1; i <= count; i++) {
      if (plots[i] == plot && series[i] == names[s]) path = path sprintf("%s%.1f %.1f", path == "" ? "M" : "L", across(xs[i]), up(ys[i]))
    }
    if (path == "") continue
    colour = colours[n % 4 + 1]
    printf "<path d=\"%s\" stroke=\"%s\" stroke-width=\"2\" fill=\"none\"/>\n", path, colour > svg
    printf "<g fill=\"%s\">\n", colour > svg
    text(width - right + 10, top + 14 + 18 * n, "start", names[s])
    print "</g>" > svg
    n++
  }
  print "</g>\n</svg>" > svg
  close(svg)
  print svg
}

BEGIN {
  width = 760; height = 400; left = 60; right = 200; top = 40; bottom = 40
  split("#1f77b4 #d62728 #2ca02c #9467bd", colours, " ")
}

/"plot": / {
  count++
  plots[count] = field("plot"); series[count] = field("series"); xs[count] = field("x"); ys[count] = field("y")
  if (!(series[count] in known)) { known[series[count]] = 1; names[++series_count] = series[count] }
  if (!(plots[count] in drawn)) { drawn[plots[count]] = 1; order[++plot_count] = plots[count] }
}

END { for (p = 1; p <= plot_count; p++) draw(order[p]) }
