#include "storage/envelope.hpp"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <memory>

#include "beast_cache/error.hpp"
#include "detail/crc32c.hpp"

namespace beast_cache {
inline namespace v1 {
namespace detail {
namespace {

constexpr std::size_t head_size = 24;
constexpr unsigned char signed_flag = 1;

void put(std::string& out, std::uint64_t value, int bytes) {
  for (int i = 0; i < bytes; ++i) out += static_cast<char>(value >> (8 * i) & 0xff);
}

std::uint64_t get(std::string_view in, std::size_t at, int bytes) noexcept {
  std::uint64_t value = 0;
  for (int i = bytes; i-- > 0;) {
    value = value << 8 | static_cast<unsigned char>(in[at + static_cast<std::size_t>(i)]);
  }
  return value;
}

std::string_view view(std::array<unsigned char, 32> const& bytes) noexcept {
  return {reinterpret_cast<char const*>(bytes.data()), bytes.size()};
}

// Prepared once a process: with OpenSSL 3 looking it up costs more than signing a small value.
EVP_MAC* mac_algorithm() {
  static EVP_MAC* const mac = EVP_MAC_fetch(nullptr, "HMAC", nullptr);
  return mac;
}

std::array<unsigned char, 32> hmac_sha256(std::string_view secret, std::string_view a, std::string_view b) {
  std::unique_ptr<EVP_MAC_CTX, void (*)(EVP_MAC_CTX*)> context(EVP_MAC_CTX_new(mac_algorithm()),
                                                               EVP_MAC_CTX_free);
  char digest[] = "SHA256";
  OSSL_PARAM const parameters[] = {OSSL_PARAM_construct_utf8_string("digest", digest, 0),
                                   OSSL_PARAM_construct_end()};
  std::array<unsigned char, 32> out{};
  std::size_t size = 0;
  auto const u = [](std::string_view s) { return reinterpret_cast<unsigned char const*>(s.data()); };
  if (!context || EVP_MAC_init(context.get(), u(secret), secret.size(), parameters) != 1 ||
      EVP_MAC_update(context.get(), u(a), a.size()) != 1 ||
      EVP_MAC_update(context.get(), u(b), b.size()) != 1 ||
      EVP_MAC_final(context.get(), out.data(), &size, out.size()) != 1 || size != out.size()) {
    throw Error(cache_errc::io, "OpenSSL can't compute HMAC-SHA-256");
  }
  return out;
}

[[noreturn]] void bad_value(char const* reason) {
  throw Error(cache_errc::bad_value, reason);
}

}  // namespace

Guard::Guard(std::string_view secret_key, std::string_view salt, std::string_view table)
    : signing_(!secret_key.empty()), table_(table) {
  for (char& c : table_) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  if (signing_) secret_ = hmac_sha256(secret_key, "beast_cache value signature 1:", salt);
}

bool Guard::equal(std::string_view a, std::string_view b) noexcept {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

// Each part with its length in front, so that no two different inputs give the same bytes.
std::string Guard::prefix(std::string_view head, std::string_view key, std::string_view payload) const {
  std::string out;
  out.reserve(32 + head.size() + table_.size() + key.size());
  put(out, head.size(), 8);
  out += head;
  put(out, table_.size(), 8);
  out += table_;
  put(out, key.size(), 8);
  out += key;
  put(out, payload.size(), 8);
  return out;
}

std::uint32_t Guard::crc(std::string_view head, std::string_view key, std::string_view payload) const {
  return crc32c(crc32c(0, prefix(head, key, payload)), payload);
}

std::array<unsigned char, 32> Guard::hmac(std::string_view head, std::string_view key,
                                          std::string_view payload) const {
  return hmac_sha256(view(secret_), prefix(head, key, payload), payload);
}

std::uint32_t Guard::checksum(std::string_view key, std::string_view value) const {
  return crc({}, key, value);
}

std::array<unsigned char, 32> Guard::signature(std::string_view key, std::string_view value) const {
  return hmac({}, key, value);
}

std::string Guard::seal(std::uint8_t format, std::uint32_t type, std::string_view key,
                        std::string_view payload) const {
  std::string out;
  out.reserve(head_size + 32 + payload.size());
  out += "BCv1";
  put(out, format, 1);
  put(out, signing_ ? signed_flag : 0, 1);
  put(out, 0, 2);
  put(out, type, 4);
  put(out, key.size(), 4);
  put(out, payload.size(), 8);
  std::string_view const head(out.data(), head_size);
  if (signing_) {
    auto const mac = hmac(head, key, payload);
    out += view(mac);
  } else {
    put(out, crc(head, key, payload), 4);
  }
  out += payload;
  return out;
}

std::string_view Guard::unseal(std::uint8_t format, std::uint32_t type, std::string_view key,
                               std::string_view sealed) const {
  if (sealed.size() < head_size + 4 || sealed.substr(0, 4) != "BCv1") {
    if (signing_) throw Error(cache_errc::bad_signature, "an unsigned value");
    bad_value("not a sealed value");
  }
  std::string_view const head = sealed.substr(0, head_size);
  std::uint64_t const flags = get(head, 5, 1);
  if (signing_ && flags != signed_flag) throw Error(cache_errc::bad_signature, "an unsigned value");
  if (!signing_ && flags == signed_flag && sealed.size() >= head_size + 32) {
    throw Error(cache_errc::bad_signature, "a signed value; set secret_key to read it");
  }
  std::size_t const check_size = signing_ ? 32 : 4;
  if (sealed.size() < head_size + check_size) throw Error(cache_errc::bad_signature, "a value that is cut off");
  std::string_view const check = sealed.substr(head_size, check_size);
  std::string_view const payload = sealed.substr(head_size + check_size);
  if (signing_) {
    auto const mac = hmac(head, key, payload);
    if (!equal(check, view(mac))) throw Error(cache_errc::bad_signature, "a value with a wrong signature");
  } else if (get(check, 0, 4) != crc(head, key, payload)) {
    bad_value("wrong checksum");
  }
  if (flags > signed_flag || get(head, 6, 2) != 0) bad_value("unknown flags");
  if (get(head, 12, 4) != key.size() || get(head, 16, 8) != payload.size()) bad_value("wrong sizes");
  if (get(head, 4, 1) != format) bad_value("written with another serializer or format version");
  if (get(head, 8, 4) != type) bad_value("a value of another type");
  return payload;
}

}  // namespace detail
}  // namespace v1
}  // namespace beast_cache
