#include "support/suite.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <exception>
#include <iostream>

namespace bench {
namespace {

bool wanted(Arguments const& arguments, std::string const& name) {
  return name.find(arguments.text("only", "")) != std::string::npos;
}

Round run_round(std::vector<Contestant> contestants, std::size_t number) {
  // What runs after what matters on a machine whose clock speed and page cache vary.
  if (number % 2 == 1) std::reverse(contestants.begin(), contestants.end());
  Round round;
  for (Contestant const& contestant : contestants) {
    round[contestant.name] = run_child(contestant.variant, contestant.arguments);
  }
  return round;
}

void run_case(Case const& one, std::size_t rounds, Arguments const& arguments, Report& report) {
  std::vector<Row> rows;
  for (Row const& row : one.rows) {
    if (wanted(arguments, row.name)) rows.push_back(row);
  }
  if (rows.empty()) return;
  if (one.prepare) one.prepare();
  // The rates themselves are of interest too, though they say more about the machine.
  for (Contestant const& contestant : one.contestants) {
    auto rate = [name = contestant.name](Round const& round) {
      Figures const& figures = round.at(name);
      auto const at = figures.find("rate");
      return at == figures.end() ? std::nan("") : at->second;
    };
    rows.push_back({contestant.name, "/s", "", std::nullopt, std::move(rate)});
  }
  std::vector<std::vector<double>> values(rows.size());
  for (std::size_t number = 0; number < std::min(rounds, one.most_rounds); ++number) {
    Round const round = run_round(one.contestants, number);
    for (std::size_t i = 0; i < rows.size(); ++i) values[i].push_back(rows[i].value(round));
  }
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (std::isnan(values[i][0])) continue;
    report.add({rows[i].name, quantile(values[i], 0.5), rows[i].unit, rows[i].reference, rows[i].goal,
                quantile(values[i], 0.25), quantile(values[i], 0.75)});
  }
}

}  // namespace

Row ratio(std::string name, std::string of, std::string to, Goal goal, std::string figure) {
  std::string const unit = goal.is_at_most() ? "ratio, less is better" : "ratio";
  auto value = [of, to, figure](Round const& round) {
    return round.at(of).at(figure) / round.at(to).at(figure);
  };
  return {std::move(name), unit, to, goal, std::move(value)};
}

Row plain(std::string name, std::string unit, std::string of, std::string figure, std::optional<Goal> goal) {
  auto value = [of, figure](Round const& round) { return round.at(of).at(figure); };
  return {std::move(name), std::move(unit), "", goal, std::move(value)};
}

void run_suite(Suite const& suite, Arguments const& arguments) {
  std::size_t const rounds = arguments.number("rounds", 11);
  Report report(suite.name);
  for (Case const& one : suite.cases) run_case(one, rounds, arguments, report);
  for (Curve const& curve : suite.curves) {
    if (!wanted(arguments, curve.plot)) continue;
    if (curve.prepare) curve.prepare();
    std::vector<double> values;
    for (std::size_t i = 0; i < std::min<std::size_t>(rounds, 3); ++i) {
      values.push_back(run_child(curve.contestant.variant, curve.contestant.arguments).at(curve.figure));
    }
    report.add(Point{curve.plot, curve.series, curve.x, quantile(values, 0.5)});
  }
  if (report.empty())
    throw std::invalid_argument("no row has " + arguments.text("only", "") + " in its name");
  report.print_summary();
  if (arguments.has("json")) report.write(arguments.text("json"));
}

int guarded(int (*run)(Arguments const&), int argc, char** argv) {
  try {
    return run(Arguments(argc, argv));
  } catch (std::exception const& error) {
    std::cerr << error.what() << '\n';
    return 1;
  }
}

}  // namespace bench
