#pragma once
// What the child processes can run. A raw variant runs SQLite's C interface in one thread.

#include "support/child.hpp"

namespace bench {

/// Reads, and what else asks for single keys.
void add_read_variants(Variants& variants);
/// How long single operations take.
void add_latency_variants(Variants& variants);
/// Values in pieces.
void add_stream_variants(Variants& variants);
/// Writes and bulks.
void add_write_variants(Variants& variants);
/// Reads and writes at once.
void add_mixed_variants(Variants& variants);
/// Walks over everything, and clear.
void add_scan_variants(Variants& variants);

}  // namespace bench
