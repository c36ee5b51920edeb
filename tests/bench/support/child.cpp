#include "support/child.hpp"

#include <sched.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <stdexcept>
#include <system_error>
#include <vector>

extern char** environ;

namespace bench {

Figures run_child(std::string const& variant, Arguments const& arguments) {
  std::vector<std::string> words = arguments.with("variant", variant).command_line();
  words.insert(words.begin(), "/proc/self/exe");
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);

  int ends[2];
  if (::pipe(ends) != 0) throw std::system_error(errno, std::generic_category(), "pipe");
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
  ::posix_spawn_file_actions_addclose(&actions, ends[0]);
  ::posix_spawn_file_actions_addclose(&actions, ends[1]);
  pid_t child = 0;
  int const failed = ::posix_spawn(&child, words[0].c_str(), &actions, nullptr, argv.data(), environ);
  ::posix_spawn_file_actions_destroy(&actions);
  ::close(ends[1]);
  if (failed != 0) throw std::system_error(failed, std::generic_category(), "posix_spawn");

  Figures figures;
  std::FILE* const output = ::fdopen(ends[0], "r");
  char name[64];
  double value = 0;
  while (std::fscanf(output, "%63s %lf", name, &value) == 2) figures[name] = value;
  std::fclose(output);
  int status = 0;
  ::waitpid(child, &status, 0);
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
    throw std::runtime_error(variant + ": the child failed");
  return figures;
}

int child_main(Variants const& variants, Arguments const& arguments) {
  std::string const& name = arguments.text("variant");
  auto const variant = variants.find(name);
  if (variant == variants.end()) throw std::invalid_argument("no variant " + name);
  if (arguments.has("cpu")) {
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(arguments.number("cpu"), &one);
    if (::sched_setaffinity(0, sizeof one, &one) != 0) {
      throw std::system_error(errno, std::generic_category(), "sched_setaffinity");
    }
  }
  for (auto const& [figure, value] : variant->second(arguments)) {
    std::printf("%s %.17g\n", figure.c_str(), value);
  }
  return 0;
}

}  // namespace bench
