#include "support/program.hpp"

#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <stdexcept>

extern char** environ;

namespace bench {
namespace {

// Its standard output can be read from the descriptor.
pid_t start(std::vector<std::string>& words, int& output) {
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  int ends[2];
  if (::pipe(ends) != 0) throw std::runtime_error("no pipe");
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
  ::posix_spawn_file_actions_addclose(&actions, ends[0]);
  ::posix_spawn_file_actions_addclose(&actions, ends[1]);
  pid_t pid = -1;
  int const failed = ::posix_spawnp(&pid, words[0].c_str(), &actions, nullptr, argv.data(), environ);
  ::posix_spawn_file_actions_destroy(&actions);
  ::close(ends[1]);
  output = ends[0];
  if (failed == 0) return pid;
  ::close(output);
  throw std::runtime_error(words[0] + " can't be started");
}

}  // namespace

Program::Program(std::vector<std::string> words) {
  words.insert(words.begin(), {"setpriv", "--pdeathsig", "TERM"});
  pid_ = start(words, output_);
  char c = 0;
  while (::read(output_, &c, 1) == 1 && c != '\n') first_line_ += c;
}

Program::~Program() {
  ::kill(pid_, SIGTERM);
  ::waitpid(pid_, nullptr, 0);
  ::close(output_);
}

std::string output_of(std::vector<std::string> words) {
  int output = -1;
  pid_t const pid = start(words, output);
  std::string text;
  char buffer[4096];
  ssize_t count = 1;
  while (count > 0) {
    count = ::read(output, buffer, sizeof buffer);
    if (count > 0) text.append(buffer, static_cast<std::size_t>(count));
  }
  ::close(output);
  int status = 0;
  ::waitpid(pid, &status, 0);
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) throw std::runtime_error(words[0] + " failed: " + text);
  return text;
}

}  // namespace bench
