// TLS against real servers: who is trusted, who the client is, which version, and resumption.
#include "beast_cache/session/client_session.hpp"
#include "support/environment.hpp"
#include "support/nginx.hpp"
#include "support/run.hpp"

using namespace beast_cache;
using namespace test_support;

namespace {

Certificates const& made() {
  return Certificates::shared();
}

TlsOptions trusting() {
  return TlsOptions().ca_file(made().ca_file());
}

/// A client that makes a connection for each request.
class Client {
 public:
  explicit Client(TlsOptions tls)
      : session(io.get_executor(),
                ClientOptions().tls(std::move(tls)).idle_timeout(std::chrono::milliseconds(0))) {}

  std::string get(std::string const& url) { return run(io, session.get(url)).body(); }
  error_code failure(std::string const& url) {
    try {
      run(io, session.get(url));
    } catch (Error const& e) {
      what = e.what();
      return e.code();
    }
    return {};
  }

  asio::io_context io;
  ClientSession session;
  std::string what;
};

}  // namespace

TEST_CASE("A session of TLS is resumed, in either version, but not by another client session") {
  bool const is_1_3 = GENERATE(false, true);
  std::string const version = is_1_3 ? "TLSv1.3" : "TLSv1.2";
  Nginx const nginx(made().good(),
                    "ssl_protocols " + version +
                        "; ssl_session_cache shared:s:1m;\n"
                        "location = /reused { return 200 '$ssl_protocol $ssl_session_reused'; }\n");
  std::string const url = nginx.secure_url("/reused");
  Client client(trusting());
  CHECK(client.get(url) == version + " .");
  for (int i = 0; i < 4; ++i) CHECK(client.get(url) == version + " r");
  // A session is for the name that was verified.
  std::string by_address = url;
  by_address.replace(by_address.find("localhost"), 9, "127.0.0.1");
  CHECK(client.get(by_address) == version + " .");
  Client other(trusting());
  CHECK(other.get(url) == version + " .");
}

TEST_CASE("A server asks for a client's certificate, and gets it") {
  Nginx const nginx(made().good(),
                    "ssl_verify_client optional; ssl_client_certificate " + made().ca_file() +
                        ";\nlocation = /who { return 200 '$ssl_client_verify $ssl_client_s_dn'; }\n");
  std::string const url = nginx.secure_url("/who");
  Client known(trusting().client_certificate(made().client().certificate(), made().client().key()));
  CHECK(known.get(url) == "SUCCESS CN=a client");
  Client nobody(trusting());
  CHECK(nobody.get(url) == "NONE ");
}

TEST_CASE("A client's certificate that can't be used is an error that names the file") {
  std::string const chain = made().client().certificate();
  std::string const key = made().client().key();
  Client missing(trusting().client_certificate("/nonexistent.pem", key));
  CHECK(missing.failure("https://localhost:1/") == http_errc::tls_client_certificate);
  CHECK(missing.what.find("/nonexistent.pem") != std::string::npos);
  Client other_key(trusting().client_certificate(chain, made().good().key()));
  CHECK(other_key.failure("https://localhost:1/") == http_errc::tls_client_certificate);
  CHECK(other_key.what.find(made().good().key()) != std::string::npos);
  Client encrypted(trusting().client_certificate(chain, made().encrypted_key()));
  CHECK(encrypted.failure("https://localhost:1/") == http_errc::tls_client_certificate);
  CHECK(encrypted.what.find(made().encrypted_key() + " (it is encrypted") != std::string::npos);
}

TEST_CASE("A server that speaks too old a version fails the handshake") {
  OpensslServer const old(made().good(), {"-tls1_2"});
  OpensslServer const ancient(made().good(), {"-tls1_1", "-cipher", "ALL:@SECLEVEL=0"});
  Client client(trusting());
  CHECK_FALSE(client.get(old.url()).empty());
  CHECK(client.failure(ancient.url()) == http_errc::tls_handshake);
  Client modern(trusting().minimum_version(TlsVersion::tls_1_3));
  CHECK(modern.failure(old.url()) == http_errc::tls_handshake);
}

TEST_CASE("openssl s_server with a certificate that is wrong is refused") {
  class Row {
   public:
    Row(TlsFiles f, char const* r) : files(std::move(f)), reason(r) {}
    TlsFiles files;
    char const* reason;
  };
  std::vector<Row> const rows = {
      Row(made().expired(), "expired"), Row(made().wrong_host(), "hostname mismatch"),
      Row(made().self_signed(), "self-signed"), Row(made().unknown_ca(), "unable to get"),
      Row(made().leaf(), "unable to get")};
  for (Row const& row : rows) {
    OpensslServer const server(row.files);
    Client client(trusting());
    CHECK(client.failure(server.url()) == http_errc::tls_verify);
    CHECK(client.what.find(row.reason) != std::string::npos);
  }
}

TEST_CASE("A chain may come in any order, but not without its middle") {
  OpensslServer const ordered(made().leaf(), {"-cert_chain", made().intermediate()});
  OpensslServer const disordered(made().leaf(), {"-cert_chain", made().disordered_chain()});
  Client client(trusting());
  CHECK(client.get(ordered.url()).find("s_server") != std::string::npos);
  CHECK(client.get(disordered.url()).find("s_server") != std::string::npos);
}

TEST_CASE("An authority of one's own stands beside the system's or in its place") {
  OpensslServer const server(made().good());
  OpensslServer const other(made().unknown_ca());
  std::string other_ca = made().ca_file();
  other_ca.replace(other_ca.rfind("ca.pem"), 6, "other_ca.pem");
  Environment const system("SSL_CERT_FILE", made().ca_file());
  Client beside(TlsOptions().extra_ca_file(other_ca));
  CHECK_FALSE(beside.get(server.url()).empty());
  CHECK_FALSE(beside.get(other.url()).empty());
  Client in_place(TlsOptions().ca_file(other_ca));
  CHECK(in_place.failure(server.url()) == http_errc::tls_verify);
  CHECK_FALSE(in_place.get(other.url()).empty());
}
