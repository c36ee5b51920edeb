#include "support/report.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace bench {
namespace {

// Four significant digits: more than that is noise.
std::string number(double value) {
  std::ostringstream out;
  if (std::abs(value) >= 1000) {
    out.setf(std::ios::fixed);
    out.precision(0);
  } else {
    out.precision(4);
  }
  out << value;
  return out.str();
}

std::string quoted(std::string const& text) {
  std::string out = "\"";
  for (char const c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + '"';
}

std::string json(Result const& result) {
  std::string out = "{\"name\": " + quoted(result.name) + ", \"value\": " + number(result.value) +
                    ", \"unit\": " + quoted(result.unit) + ", \"reference\": " + quoted(result.reference);
  if (result.goal) {
    out += ", \"goal\": " + number(result.goal->value()) + ", \"met\": ";
    out += result.goal->met_by(result.value) ? "true" : "false";
  }
  return out + "}";
}

std::string json(Point const& point) {
  return "{\"plot\": " + quoted(point.plot) + ", \"series\": " + quoted(point.series) +
         ", \"x\": " + number(point.x) + ", \"y\": " + number(point.y) + "}";
}

// One element a line, so that line-based tools can read it as well.
std::string list(std::vector<std::string> const& elements) {
  std::string out = "[";
  for (std::size_t i = 0; i < elements.size(); ++i) out += (i ? ",\n  " : "\n  ") + elements[i];
  return out + "\n]";
}

}  // namespace

double quantile(std::vector<double> values, double fraction) {
  if (values.empty()) return std::nan("");
  auto const at = static_cast<std::ptrdiff_t>(fraction * static_cast<double>(values.size() - 1) + 0.5);
  std::nth_element(values.begin(), values.begin() + at, values.end());
  return values[static_cast<std::size_t>(at)];
}

void Report::add(Result result) {
  std::string goal;
  if (result.goal) {
    goal = (result.goal->is_at_most() ? "<= " : ">= ") + number(result.goal->value());
    goal.resize(std::max<std::size_t>(goal.size(), 10), ' ');
    goal += result.goal->met_by(result.value) ? "met" : "NOT MET";
  }
  if (results_.empty())
    std::printf("%-78s %10s %-21s %-19s %s\n", "", "median", "unit", "middle half", "goal");
  std::string const spread = number(result.low) + " - " + number(result.high);
  std::printf("%-78s %10s %-21s %-19s %s\n", (result.goal ? result.name : "  " + result.name).c_str(),
              number(result.value).c_str(), result.unit.c_str(), spread.c_str(), goal.c_str());
  std::fflush(stdout);
  results_.push_back(std::move(result));
}

void Report::write(std::string const& directory) const {
  std::vector<std::string> rows, extra, points;
  for (Result const& result : results_) (result.goal ? rows : extra).push_back(json(result));
  for (Point const& point : points_) points.push_back(json(point));
  std::filesystem::create_directories(directory);
  std::ofstream out(directory + "/" + suite_ + ".json");
  out << "{\"suite\": " << quoted(suite_) << ",\n\"rows\": " << list(rows) << ",\n\"extra\": " << list(extra)
      << ",\n\"points\": " << list(points) << "}\n";
  out.close();
  if (!out) throw std::filesystem::filesystem_error("write", directory, std::error_code());
}

void Report::print_summary() const {
  std::size_t goals = 0, met = 0;
  for (Result const& result : results_) {
    if (!result.goal) continue;
    ++goals;
    if (result.goal->met_by(result.value)) ++met;
  }
  std::printf("%zu of %zu goals met\n", met, goals);
}

}  // namespace bench
