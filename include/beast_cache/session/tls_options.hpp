#pragma once
/// \file tls_options.hpp
/// Whom a client trusts, who it says it is, and which TLS it speaks.

#include <string>
#include <utility>

#include "beast_cache/config.hpp"

namespace beast_cache {
inline namespace v1 {

/// A version of TLS.
enum class TlsVersion { tls_1_2, tls_1_3 };

/// Options of https connections, set by chained setters. The files are PEM, and are read at the first https
/// request.
///
/// Nothing here turns the check of certificate and host name off. Sessions of TLS are resumed within a
/// `ClientSession`, for the same origin.
///
/// Thread safety: distinct objects: safe; shared objects: const members safe.
class TlsOptions {
 public:
  TlsOptions() = default;

  /// The certificate authorities to trust, in place of the system's. Default: none, the system's store
  /// (`SSL_CERT_FILE` and `SSL_CERT_DIR` are honoured).
  TlsOptions& ca_file(std::string path) {
    ca_file_ = std::move(path);
    return *this;
  }
  std::string const& ca_file() const noexcept { return ca_file_; }

  /// Certificate authorities to trust beside those of `ca_file` or of the system. Default: none.
  TlsOptions& extra_ca_file(std::string path) {
    extra_ca_file_ = std::move(path);
    return *this;
  }
  std::string const& extra_ca_file() const noexcept { return extra_ca_file_; }

  /// What a server that asks for it is shown. Default: none.
  /// @param chain The certificate, and those of its authorities that the server lacks.
  /// @param key Its key, not encrypted.
  TlsOptions& client_certificate(std::string chain, std::string key) {
    client_chain_ = std::move(chain);
    client_key_ = std::move(key);
    return *this;
  }
  std::string const& client_chain() const noexcept { return client_chain_; }
  std::string const& client_key() const noexcept { return client_key_; }

  /// The oldest version to speak. Default: TLS 1.2.
  TlsOptions& minimum_version(TlsVersion version) {
    minimum_version_ = version;
    return *this;
  }
  TlsVersion minimum_version() const noexcept { return minimum_version_; }

 private:
  std::string ca_file_;
  std::string extra_ca_file_;
  std::string client_chain_;
  std::string client_key_;
  TlsVersion minimum_version_ = TlsVersion::tls_1_2;
};

}  // namespace v1
}  // namespace beast_cache
