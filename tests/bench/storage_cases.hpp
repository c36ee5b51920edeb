#pragma once
// The rows of the storage suite, in the order in which they are printed.

#include "storage_data.hpp"
#include "support/suite.hpp"

namespace bench {

void add_storage_cases(Suite& suite, Files const& files, std::size_t entries);

}  // namespace bench
