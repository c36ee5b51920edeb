#pragma once
// The calls by which a client reaches the network, so that a test can fail or stop them. The program that
// links this has them in place of the C library's.

#include <cstddef>
#include <string>

namespace test_support {

/// From its construction on, the calls of this thread are counted, and those of the resolver on its behalf;
/// from the `first_failing`th on they fail, as when the network is gone. One at a time.
class FailingCalls {
 public:
  explicit FailingCalls(std::size_t first_failing);
  FailingCalls(FailingCalls const&) = delete;
  FailingCalls& operator=(FailingCalls const&) = delete;
  /// From now on they work.
  ~FailingCalls();

  /// The call that failed first; empty: none did.
  std::string failed() const;
  /// How many calls were made after that.
  std::size_t calls_after() const;
};

/// While there is one, names are not found, nor are they not.
class StalledResolver {
 public:
  StalledResolver();
  StalledResolver(StalledResolver const&) = delete;
  StalledResolver& operator=(StalledResolver const&) = delete;
  ~StalledResolver();
};

}  // namespace test_support
