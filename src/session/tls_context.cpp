#include "session/tls_context.hpp"

#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <filesystem>
#include <memory>

#include "beast_cache/error.hpp"
#include "session/environment.hpp"
#include "session/transport.hpp"

namespace beast_cache {
inline namespace v1 {
namespace detail {
namespace {

bool has_entries(std::string const& directory) {
  std::error_code ignored;
  std::filesystem::directory_iterator const first(directory, ignored);
  return !ignored && first != std::filesystem::directory_iterator();
}

}  // namespace

TlsContext::TlsContext(TlsOptions const& options) : context_(asio::ssl::context::tls_client) {
  SSL_CTX* const native = context_.native_handle();
  bool const needs_1_3 = options.minimum_version() == TlsVersion::tls_1_3;
  SSL_CTX_set_min_proto_version(native, needs_1_3 ? TLS1_3_VERSION : TLS1_2_VERSION);
  // RFC 7301. Only what this client speaks is offered.
  constexpr unsigned char protocols[] = "\x08http/1.1";
  SSL_CTX_set_alpn_protos(native, protocols, sizeof protocols - 1);
  SSL_CTX_set_mode(native, SSL_MODE_RELEASE_BUFFERS);
  context_.set_verify_mode(asio::ssl::verify_peer);
  // Before the system's: an empty store is none that something stands beside.
  if (!options.extra_ca_file().empty()) trust_file(options.extra_ca_file());
  if (!options.ca_file().empty()) {
    trust_file(options.ca_file());
  } else {
    trust_system();
  }
  if (!options.client_chain().empty()) identify(options.client_chain(), options.client_key());
  sessions_.attach(native);
}

void TlsContext::identify(std::string const& chain, std::string const& key) {
  error_code ec;
  context_.use_certificate_chain_file(chain, ec);
  if (ec) throw Error(http_errc::tls_client_certificate, "certificate " + chain + " (" + ec.message() + ")");
  // Without this, OpenSSL would ask for the password of an encrypted key on the terminal.
  auto const encrypted = std::make_shared<bool>(false);
  context_.set_password_callback([encrypted](std::size_t, auto) { return *encrypted = true, std::string(); },
                                 ec);
  context_.use_private_key_file(key, asio::ssl::context::pem, ec);  // it has to fit the certificate
  if (!ec) return;
  std::string const reason = *encrypted ? "it is encrypted: needed is one without a password" : ec.message();
  throw Error(http_errc::tls_client_certificate, "key " + key + " (" + reason + ")");
}

void TlsContext::trust_file(std::string const& path) {
  error_code ec;
  context_.load_verify_file(path, ec);
  if (ec) throw Error(http_errc::tls_trust_store, "CA file " + path + " (" + ec.message() + ")");
}

void TlsContext::trust_system() {
  error_code ec;
  context_.set_default_verify_paths(ec);
  std::string file = environment(X509_get_default_cert_file_env());
  if (file.empty()) file = X509_get_default_cert_file();
  std::string directories = environment(X509_get_default_cert_dir_env());
  if (directories.empty()) directories = X509_get_default_cert_dir();

  // OpenSSL passes over what it can't load, and every certificate is unknown then.
  STACK_OF(X509_OBJECT)* const loaded =
      X509_STORE_get0_objects(SSL_CTX_get_cert_store(context_.native_handle()));
  if (sk_X509_OBJECT_num(loaded) > 0) return;
#if defined(_WIN32)
  constexpr char separator = ';';
#else
  constexpr char separator = ':';
#endif
  for (std::size_t begin = 0; begin < directories.size();) {
    std::size_t const end = std::min(directories.find(separator, begin), directories.size());
    if (has_entries(directories.substr(begin, end - begin))) return;
    begin = end + 1;
  }
  throw Error(http_errc::tls_trust_store, "no certificate in " + file + " or " + directories +
                                              " (install the system's CA certificates, or set ca_file)");
}

std::shared_ptr<TlsContext const> load_tls_context(TlsOptions const& options) {
  return std::make_shared<TlsContext const>(options);
}

void expect_host(SSL* ssl, Url const& url) {
  std::string name(url.host_name());
  if (name.ends_with('.')) name.pop_back();  // RFC 6066 section 3
  X509_VERIFY_PARAM* const param = SSL_get0_param(ssl);
  if (X509_VERIFY_PARAM_set1_ip_asc(param, name.c_str()) == 1) return;  // no SNI for addresses: RFC 6066
  // RFC 9525: no partial wildcards, and the subject's common name is no host name.
  X509_VERIFY_PARAM_set_hostflags(param,
                                  X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
  bool const set = X509_VERIFY_PARAM_set1_host(param, name.data(), name.size()) == 1 &&
                   SSL_set_tlsext_host_name(ssl, name.c_str()) == 1;
  // Without a host to check, any valid certificate would do.
  if (!set)
    throw Error(http_errc::tls_handshake, std::string(url.origin()) + ": the host name was not accepted");
}

bool has_unread(SSL* ssl) noexcept {
  return SSL_pending(ssl) > 0 || BIO_ctrl_pending(SSL_get_rbio(ssl)) > 0;
}

std::string verify_failure(SSL* ssl) {
  long const result = SSL_get_verify_result(ssl);
  return result == X509_V_OK ? std::string() : X509_verify_cert_error_string(result);
}

}  // namespace detail
}  // namespace v1
}  // namespace beast_cache
