#pragma once
// A real web server on the loopback, and the certificates for it.

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "support/scripted_origin.hpp"
#include "support/temp_directory.hpp"

namespace test_support {

/// A certificate authority and what it signed, made by the openssl command.
class Certificates {
 public:
  Certificates();
  /// To be trusted.
  std::string ca_file() const { return dir_.path() + "/ca.pem"; }
  /// For localhost, 127.0.0.1 and *.wild.test.
  TlsFiles good() const { return files("good"); }
  TlsFiles expired() const { return files("expired"); }
  /// For another.example only, with localhost as common name.
  TlsFiles wrong_host() const { return files("wrong_host"); }
  /// For localhost, signed by itself.
  TlsFiles self_signed() const { return files("self_signed"); }
  /// For localhost, signed by an authority that is not trusted.
  TlsFiles unknown_ca() const { return files("unknown_ca"); }
  /// For a client, signed by the authority.
  TlsFiles client() const { return files("client"); }
  /// The client's key, with a password.
  std::string encrypted_key() const { return dir_.path() + "/encrypted.key"; }
  /// For localhost, signed by an intermediate authority.
  TlsFiles leaf() const { return files("leaf"); }
  std::string intermediate() const { return dir_.path() + "/intermediate.pem"; }
  /// The authorities of `leaf` in the wrong order, and one that has nothing to do with it.
  std::string disordered_chain() const { return dir_.path() + "/disordered.pem"; }
  /// The ones that all tests of a program share.
  static Certificates const& shared();

 private:
  TlsFiles files(std::string const& name) const {
    return TlsFiles(dir_.path() + "/" + name + ".pem", dir_.path() + "/" + name + ".key");
  }
  TempDirectory dir_;
};

/// `openssl s_server`, which answers each GET with a page about the connection.
class OpensslServer {
 public:
  explicit OpensslServer(TlsFiles const& tls, std::vector<std::string> extra = {});
  OpensslServer(OpensslServer const&) = delete;
  OpensslServer& operator=(OpensslServer const&) = delete;
  ~OpensslServer();
  std::string url() const { return "https://localhost:" + std::to_string(port_) + "/"; }

 private:
  TempDirectory dir_;
  int output_ = -1;
  std::uint16_t port_ = 0;
  pid_t pid_ = -1;
};

/// nginx with one http and one https server that serve the same:
/// `/hello` (12 bytes), `/moved` (301 to `/hello`), `/count` (the length of the request body, read whole),
/// `/files/...` (PUT, GET, DELETE).
class Nginx {
 public:
  /// @param extra Further locations for its configuration.
  explicit Nginx(TlsFiles const& tls, std::string_view extra = {});
  Nginx(Nginx const&) = delete;
  Nginx& operator=(Nginx const&) = delete;
  ~Nginx();

  std::string url(std::string_view target) const;
  /// By the name localhost.
  std::string secure_url(std::string_view target) const;
  /// What nginx itself has to say.
  std::string errors() const;

 private:
  TempDirectory dir_;
  std::uint16_t port_ = 0;
  std::uint16_t secure_port_ = 0;
  pid_t pid_ = -1;
};

}  // namespace test_support
