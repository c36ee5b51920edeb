#pragma once
// The table on the screen and the JSON file.

#include <optional>
#include <string>
#include <vector>

namespace bench {

class Goal {
 public:
  static Goal at_least(double value) { return Goal(value, false); }
  static Goal at_most(double value) { return Goal(value, true); }
  bool met_by(double value) const { return at_most_ ? value <= value_ : value >= value_; }
  double value() const { return value_; }
  bool is_at_most() const { return at_most_; }

 private:
  Goal(double value, bool at_most) : value_(value), at_most_(at_most) {}
  double value_;
  bool at_most_;
};

/// A figure that was measured; without a goal it is for information.
struct Result {
  std::string name;
  double value = 0;
  std::string unit;
  std::string reference;
  std::optional<Goal> goal;
  double low = 0, high = 0;  // the middle half of the rounds
};

/// One point of a plot: \p series at \p x.
struct Point {
  std::string plot, series;
  double x = 0, y = 0;
};

/// The value below which \p fraction of \p values lie (0.5: the median).
double quantile(std::vector<double> values, double fraction);

class Report {
 public:
  explicit Report(std::string suite) : suite_(std::move(suite)) {}

  /// Prints it at once.
  void add(Result result);
  void add(Point point) { points_.push_back(std::move(point)); }
  /// Writes SUITE.json into \p directory.
  void write(std::string const& directory) const;
  void print_summary() const;
  bool empty() const { return results_.empty() && points_.empty(); }

 private:
  std::string suite_;
  std::vector<Result> results_;
  std::vector<Point> points_;
};

}  // namespace bench
