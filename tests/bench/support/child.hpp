#pragma once
// Runs a variant in a process of its own: locks of SQLite's kind belong to a process, and nothing that one
// variant leaves behind (heap, threads, affinity) can help or hurt the next.

#include <map>
#include <string>

#include "support/arguments.hpp"

namespace bench {

/// What a variant measured, by name; "rate" is operations a second.
using Figures = std::map<std::string, double>;
using Variant = Figures (*)(Arguments const&);
using Variants = std::map<std::string, Variant>;

/// This program again, with `--variant NAME` and \p arguments. @throws std::runtime_error if it fails.
Figures run_child(std::string const& variant, Arguments const& arguments);

/// The child's side: runs what `--variant` names and prints its figures.
int child_main(Variants const& variants, Arguments const& arguments);

}  // namespace bench
