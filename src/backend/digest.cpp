#include "backend/digest.hpp"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>

#include <array>
#include <cstdint>
#include <memory>

#include "beast_cache/error.hpp"

namespace beast_cache {
inline namespace v1 {
namespace detail {
namespace {

constexpr std::size_t digest_size = 32;
using Digest = std::array<unsigned char, digest_size>;

template <auto Free>
struct Deleter {
  template <class T>
  void operator()(T* object) const noexcept {
    Free(object);
  }
};

[[noreturn]] void fail(char const* what) {
  throw Error(cache_errc::nomem, std::string("OpenSSL: ") + what + " failed");
}

// A fetch takes a lock and a look-up in the providers, several times the cost of hashing a URL. It is kept
// until the process ends, past OpenSSL's own clean-up at exit, so it is never freed.
EVP_MD* sha256() {
  static EVP_MD* const algorithm = EVP_MD_fetch(nullptr, "SHA256", nullptr);
  if (!algorithm) fail("EVP_MD_fetch(SHA256)");
  return algorithm;
}

EVP_MAC* hmac() {
  static EVP_MAC* const algorithm = EVP_MAC_fetch(nullptr, "HMAC", nullptr);
  if (!algorithm) fail("EVP_MAC_fetch(HMAC)");
  return algorithm;
}

EVP_MD_CTX* sha256_context() {
  thread_local std::unique_ptr<EVP_MD_CTX, Deleter<EVP_MD_CTX_free>> const context(EVP_MD_CTX_new());
  if (!context) fail("EVP_MD_CTX_new");
  return context.get();
}

EVP_MAC_CTX* hmac_context() {
  thread_local std::unique_ptr<EVP_MAC_CTX, Deleter<EVP_MAC_CTX_free>> const context(EVP_MAC_CTX_new(hmac()));
  if (!context) fail("EVP_MAC_CTX_new");
  return context.get();
}

unsigned char const* octets(std::string_view text) noexcept {
  // A null key would mean "the key of the last time".
  static unsigned char const none = 0;
  return text.empty() ? &none : reinterpret_cast<unsigned char const*>(text.data());
}

}  // namespace

std::string sha256_hex(std::string_view data) {
  Digest digest;
  EVP_MD_CTX* const context = sha256_context();
  if (EVP_DigestInit_ex2(context, sha256(), nullptr) != 1 ||
      EVP_DigestUpdate(context, octets(data), data.size()) != 1 ||
      EVP_DigestFinal_ex(context, digest.data(), nullptr) != 1)
    fail("SHA-256");
  return hex({reinterpret_cast<char const*>(digest.data()), digest.size()});
}

std::string hmac_sha256_hex(std::string_view key, std::string_view data) {
  Digest digest;
  std::size_t written = 0;
  char name[] = "SHA256";
  OSSL_PARAM const params[] = {OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, name, 0),
                               OSSL_PARAM_construct_end()};
  EVP_MAC_CTX* const context = hmac_context();
  if (EVP_MAC_init(context, octets(key), key.size(), params) != 1 ||
      EVP_MAC_update(context, octets(data), data.size()) != 1 ||
      EVP_MAC_final(context, digest.data(), &written, digest.size()) != 1 || written != digest_size)
    fail("HMAC-SHA-256");
  return hex({reinterpret_cast<char const*>(digest.data()), digest.size()});
}

std::string hex(std::string_view bytes) {
  static constexpr char digits[] = "0123456789abcdef";
  std::string text(2 * bytes.size(), '\0');
  char* to = text.data();
  for (char const c : bytes) {
    auto const byte = static_cast<unsigned char>(c);
    *to++ = digits[byte >> 4];
    *to++ = digits[byte & 15];
  }
  return text;
}

void append_part(std::string& parts, std::string_view part) {
  auto const size = static_cast<std::uint64_t>(part.size());
  for (int shift = 0; shift < 64; shift += 8) parts.push_back(static_cast<char>(size >> shift & 0xff));
  parts.append(part);
}

}  // namespace detail
}  // namespace v1
}  // namespace beast_cache
