#include "http/file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/buffer.hpp>
#include <boost/system/error_code.hpp>
#include <cerrno>
#include <cstdio>
#include <memory>
#include <random>
#include <string>
#include <utility>

#include "beast_cache/error.hpp"
#include "beast_cache/http/body.hpp"
#include "beast_cache/http/response.hpp"

namespace beast_cache {
inline namespace v1 {
namespace {

constexpr std::size_t piece = 256 * 1024;

[[noreturn]] void fail(std::string const& path) {
  throw Error(error_code(errno, boost::system::system_category()), path);
}

int open_file(std::string const& path) {
  int const fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) fail(path);
  return fd;
}

class FileReader final : public BodyReader {
 public:
  FileReader(std::string path, std::uint64_t size)
      : path_(std::move(path)), file_(open_file(path_)), left_(size) {}

  asio::awaitable<std::size_t> read_some(asio::mutable_buffer buffer) override {
    ssize_t count = 0;
    do {
      count = ::read(file_.get(), buffer.data(), buffer.size());
    } while (count < 0 && errno == EINTR);
    if (count < 0) fail(path_);
    left_ -= std::min(left_, static_cast<std::uint64_t>(count));
    co_return static_cast<std::size_t>(count);
  }
  std::optional<std::uint64_t> remaining() const noexcept override { return left_; }

 private:
  std::string path_;
  detail::Descriptor file_;
  std::uint64_t left_;
};

}  // namespace

namespace detail {

Descriptor::~Descriptor() {
  if (fd_ >= 0) ::close(fd_);
}

NewFile::NewFile(std::string path, Mode mode)
    : path_(std::move(path)), temporary_(path_), file_(create(mode)) {}

NewFile::~NewFile() {
  if (is_there_) ::unlink(temporary_.c_str());
}

int NewFile::create(Mode mode) {
  std::random_device source;
  temporary_ += ".part" + std::to_string(source());
  int const fd = ::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC,
                        mode == Mode::owner_only ? 0600 : 0666);
  if (fd < 0) fail(path_);
  is_there_ = true;
  return fd;
}

void NewFile::write(char const* data, std::size_t size) {
  while (size != 0) {
    ssize_t const count = ::write(file_.get(), data, size);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) fail(path_);
    data += count;
    size -= static_cast<std::size_t>(count);
  }
}

void NewFile::commit() {
  // Some file systems find out only now that there is no space.
  if (::fsync(file_.get()) != 0 || ::close(file_.release()) != 0) fail(path_);
  if (std::rename(temporary_.c_str(), path_.c_str()) != 0) fail(path_);
  is_there_ = false;
  // The name is on the disk when its directory is.
  std::size_t const slash = path_.rfind('/');
  std::string const directory = slash == std::string::npos ? "." : path_.substr(0, slash + 1);
  Descriptor const handle(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (handle.get() < 0 || ::fsync(handle.get()) != 0) fail(directory);
}

std::string read_file(std::string const& path) {
  Descriptor const file(open_file(path));
  std::string text;
  std::string buffer(piece, '\0');
  for (;;) {
    ssize_t const count = ::read(file.get(), buffer.data(), buffer.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) fail(path);
    if (count == 0) return text;
    text.append(buffer, 0, static_cast<std::size_t>(count));
  }
}

}  // namespace detail

Body Body::from_file(std::string path) {
  struct stat status;
  detail::Descriptor const file(open_file(path));
  if (::fstat(file.get(), &status) != 0) fail(path);
  if (!S_ISREG(status.st_mode)) {
    errno = S_ISDIR(status.st_mode) ? EISDIR : EINVAL;
    fail(path);
  }
  auto const size = static_cast<std::uint64_t>(status.st_size);
  return from_source([path = std::move(path), size] { return std::make_unique<FileReader>(path, size); },
                     size);
}

asio::awaitable<std::uint64_t> detail::save_body(std::unique_ptr<BodyReader> body, std::string path) {
  detail::NewFile file(std::move(path));
  std::string buffer(piece, '\0');
  std::uint64_t size = 0;
  for (;;) {
    std::size_t const count = co_await body->read_some(asio::buffer(buffer));
    if (count == 0) break;
    file.write(buffer.data(), count);
    size += count;
  }
  file.commit();
  co_return size;
}

}  // namespace v1
}  // namespace beast_cache
