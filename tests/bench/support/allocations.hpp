#pragma once
// Counts what the program allocates, whoever asks: malloc itself is replaced where this is linked.

#include <cstddef>

namespace bench {

/// From the program's start. Counting is off until `count_allocations(true)`.
std::size_t allocations() noexcept;
void count_allocations(bool on) noexcept;

}  // namespace bench
