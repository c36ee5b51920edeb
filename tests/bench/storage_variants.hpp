#pragma once
// What the child processes can run. A raw variant runs SQLite's C interface in one thread.

#include "support/child.hpp"

namespace bench {

/// Reads, and what else asks for single keys.
void add_read_variants(Variants& variants);
/// Writes, bulks, clear.
void add_write_variants(Variants& variants);

}  // namespace bench
