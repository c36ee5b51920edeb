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

class Hmac {
 public:
  explicit Hmac(std::string_view secret) : context_(EVP_MAC_CTX_new(mac_algorithm())) {
    char digest[] = "SHA256";
    OSSL_PARAM const parameters[] = {OSSL_PARAM_construct_utf8_string("digest", digest, 0),
                                     OSSL_PARAM_construct_end()};
    if (!context_ || EVP_MAC_init(context_.get(), bytes(secret), secret.size(), parameters) != 1) fail();
  }
  void update(std::string_view data) {
    if (EVP_MAC_update(context_.get(), bytes(data), data.size()) != 1) fail();
  }
  std::array<unsigned char, 32> finish() { return finish(context_.get()); }
  static std::array<unsigned char, 32> finish(EVP_MAC_CTX* context) {
    std::array<unsigned char, 32> out{};
    std::size_t size = 0;
    if (EVP_MAC_final(context, out.data(), &size, out.size()) != 1 || size != out.size()) fail();
    return out;
  }
  EVP_MAC_CTX* release() noexcept { return context_.release(); }

  static unsigned char const* bytes(std::string_view s) noexcept {
    return reinterpret_cast<unsigned char const*>(s.data());
  }
  [[noreturn]] static void fail() { throw Error(cache_errc::io, "OpenSSL can't compute HMAC-SHA-256"); }

 private:
  struct Free {
    void operator()(EVP_MAC_CTX* context) const noexcept { EVP_MAC_CTX_free(context); }
  };
  std::unique_ptr<EVP_MAC_CTX, Free> context_;
};

class Length {
 public:
  explicit Length(std::uint64_t size) noexcept {
    for (char& c : bytes_) {
      c = static_cast<char>(size & 0xff);
      size >>= 8;
    }
  }
  std::string_view view() const noexcept { return {bytes_, sizeof bytes_}; }

 private:
  char bytes_[8];
};

[[noreturn]] void bad_value(char const* reason) {
  throw Error(cache_errc::bad_value, reason);
}

}  // namespace

Guard::Guard(std::string_view secret_key, std::string_view salt, std::string_view table)
    : signing_(!secret_key.empty()), table_(table) {
  for (char& c : table_) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  Length const no_head(0), table_size(table_.size());
  for (std::string_view const part : {no_head.view(), table_size.view(), std::string_view(table_)}) {
    plain_begin_ = crc32c(plain_begin_, part);
  }
  if (!signing_) return;
  Hmac mac(secret_key);
  mac.update("beast_cache value signature 1:");
  mac.update(salt);
  secret_ = mac.finish();
}

bool Guard::equal(std::string_view a, std::string_view b) noexcept {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

template <class Sink>
void Guard::feed(std::string_view head, std::string_view key, std::uint64_t payload_size, Sink&& sink) const {
  sink(Length(head.size()).view());
  sink(head);
  sink(Length(table_.size()).view());
  sink(table_);
  sink(Length(key.size()).view());
  sink(key);
  sink(Length(payload_size).view());
}

std::uint32_t Guard::crc(std::string_view head, std::string_view key, std::string_view payload) const {
  std::uint32_t crc = 0;
  feed(head, key, payload.size(), [&](std::string_view part) { crc = crc32c(crc, part); });
  return crc32c(crc, payload);
}

std::array<unsigned char, 32> Guard::hmac(std::string_view head, std::string_view key,
                                          std::string_view payload) const {
  Hmac mac(view(secret_));
  feed(head, key, payload.size(), [&](std::string_view part) { mac.update(part); });
  mac.update(payload);
  return mac.finish();
}

Guard::Running::Running(Guard const& guard, std::string_view key, std::uint64_t size) {
  if (!guard.signing_) {
    guard.feed({}, key, size, [&](std::string_view part) { crc_ = crc32c(crc_, part); });
    return;
  }
  Hmac mac(view(guard.secret_));
  guard.feed({}, key, size, [&](std::string_view part) { mac.update(part); });
  mac_ = mac.release();
}

Guard::Running::~Running() {
  EVP_MAC_CTX_free(mac_);
}

void Guard::Running::update(std::string_view piece) {
  if (!mac_) {
    crc_ = crc32c(crc_, piece);
  } else if (EVP_MAC_update(mac_, Hmac::bytes(piece), piece.size()) != 1) {
    Hmac::fail();
  }
}

std::array<unsigned char, 32> Guard::Running::signature() {
  return Hmac::finish(mac_);
}

std::uint32_t Guard::checksum(std::string_view key, std::string_view value) const {
  // As crc(), from behind the table's name on.
  std::uint32_t crc = crc32c(plain_begin_, Length(key.size()).view());
  crc = crc32c(crc, key);
  crc = crc32c(crc, Length(value.size()).view());
  return crc32c(crc, value);
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
  if (sealed.size() < head_size + check_size)
    throw Error(cache_errc::bad_signature, "a value that is cut off");
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
