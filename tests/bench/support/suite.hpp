#pragma once
// A suite: cases whose variants run interleaved, each run in a child process of its own.

#include <functional>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "support/child.hpp"
#include "support/report.hpp"

namespace bench {

/// What takes part in a case.
struct Contestant {
  std::string name;
  std::string variant;
  Arguments arguments;
};

/// The figures of one round, by contestant.
using Round = std::map<std::string, Figures>;

/// What is reported: the median over the rounds of `value`.
struct Row {
  std::string name;
  std::string unit;
  std::string reference;
  std::optional<Goal> goal;
  std::function<double(Round const&)> value;
};

struct Case {
  std::vector<Contestant> contestants;
  std::vector<Row> rows;
  /// Runs once before the rounds, e.g. makes the files.
  std::function<void()> prepare;
  /// Fewer rounds than the others where one takes long and varies little.
  std::size_t most_rounds = std::numeric_limits<std::size_t>::max();
};

/// A point of a plot per case and series instead of rows with goals.
struct Curve {
  std::string plot, series;
  double x = 0;
  Contestant contestant;
  std::string figure;
  std::function<void()> prepare;
};

/// The ratio of one figure of two contestants.
Row ratio(std::string name, std::string of, std::string to, Goal goal, std::string figure = "rate");
/// One figure of one contestant.
Row plain(std::string name, std::string unit, std::string of, std::string figure = "rate",
          std::optional<Goal> goal = std::nullopt);

class Suite {
 public:
  std::string name;
  Variants variants;
  std::vector<Case> cases;
  std::vector<Curve> curves;
};

/// Options: --rounds N (default 11), --only SUBSTRING of row names, --json DIRECTORY (default: none is
/// written).
void run_suite(Suite const& suite, Arguments const& arguments);

/// The `main` of a suite: what \p run throws is printed, and ends the program with 1.
int guarded(int (*run)(Arguments const&), int argc, char** argv);

}  // namespace bench
