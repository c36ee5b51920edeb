#pragma once
/// \file multipart.hpp
/// A form with files, as a request's body.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "beast_cache/config.hpp"
#include "beast_cache/http/body.hpp"

namespace beast_cache {
inline namespace v1 {

/// The parts of a `multipart/form-data` body in their order, files among them, which are read while they are
/// sent.
///
///     Multipart form;
///     form.field("title", "Moby-Dick").file("text", "moby.txt");
///     auto response = co_await session.post(url).multipart(form);
///
/// Names are escaped as browsers escape them: quotes and line ends become `%22`, `%0D` and `%0A`. The
/// boundary holds 190 random bits, so that no part contains it.
///
/// Errors: `http_errc::injection` for NUL in a name, and for a content type that is none.
/// Thread safety: distinct objects: safe, copies share the bodies; shared objects: const members safe.
/// Source: RFC 7578; HTML Standard, multipart/form-data encoding algorithm.
class Multipart {
 public:
  Multipart();

  /// A text field; its line ends become CR LF, as a browser's would.
  Multipart& field(std::string_view name, std::string_view value);
  /// A file, sent under the last part of its path. Errors: as `Body::from_file`.
  Multipart& file(std::string_view name, std::string const& path,
                  std::string_view content_type = "application/octet-stream");
  /// Any body, byte by byte, as a file of that name; an empty file name makes it a field.
  Multipart& part(std::string_view name, std::string_view file_name, std::string_view content_type,
                  Body body);

  /// The value of Content-Type, with the boundary.
  std::string content_type() const { return "multipart/form-data; boundary=" + boundary_; }
  /// The whole as a body: its length is known when that of each part is, and it is repeatable when each part
  /// is.
  Body body() const;

 private:
  std::string boundary_;
  std::vector<std::pair<std::string, Body>> parts_;
};

}  // namespace v1
}  // namespace beast_cache
