#pragma once
// Clients that fetch over and over: ours, a loop on Beast as its users write it, and libcurl.

#include "support/child.hpp"

namespace bench {

void add_our_clients(Variants& variants);
void add_beast_clients(Variants& variants);
void add_curl_clients(Variants& variants);

}  // namespace bench
