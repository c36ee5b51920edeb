#include "backend/at_rest.hpp"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <zlib.h>
#ifdef BEAST_CACHE_HAS_ZSTD
#include <zstd.h>
#endif

#include <algorithm>
#include <cstring>
#include <memory>

#include "backend/digest.hpp"
#include "beast_cache/error.hpp"

namespace beast_cache {
inline namespace v1 {
namespace detail {
namespace {

constexpr std::size_t nonce_size = 12, tag_size = 16, key_size = 32;
// What is smaller has hardly anything to save.
constexpr std::size_t least = 256;
// No compression that is written here makes bytes so few: a forged size allocates nothing.
constexpr std::size_t most_dense = 65'536;
// Nor is anything in the file larger, see SQLiteOptions::max_value_size.
constexpr std::uint64_t most_bytes = 1'000'000'000;
#ifdef BEAST_CACHE_HAS_ZSTD
constexpr int zstd_level = 1;
#endif

[[noreturn]] void fail() {
  throw Error(cache_errc::nomem, "encryption at rest: OpenSSL failed");
}

unsigned char const* bytes_of(std::string_view text) noexcept {
  return reinterpret_cast<unsigned char const*>(text.data());
}
unsigned char* bytes_of(std::string& text) noexcept {
  return reinterpret_cast<unsigned char*>(text.data());
}

std::array<unsigned char, key_size> derive(std::string_view key, std::string_view purpose) {
  std::array<unsigned char, key_size> derived{};
  unsigned int size = 0;
  if (!HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()), bytes_of(purpose), purpose.size(),
            derived.data(), &size))
    fail();
  return derived;
}

// Looked up once: with OpenSSL 3 that costs more than encrypting a small text.
EVP_CIPHER const* cipher() {
  static EVP_CIPHER* const aes = EVP_CIPHER_fetch(nullptr, "AES-256-GCM", nullptr);
  if (!aes) fail();
  return aes;
}

class Free {
 public:
  void operator()(EVP_CIPHER_CTX* context) const noexcept { EVP_CIPHER_CTX_free(context); }
};

EVP_CIPHER_CTX* context() {
  thread_local std::unique_ptr<EVP_CIPHER_CTX, Free> const own(EVP_CIPHER_CTX_new());
  if (!own) fail();
  return own.get();
}

// Empty when it is not worth it.
std::string compress(Coding compression, std::string_view bytes) {
  std::string out;
  if (compression == as_it_came || bytes.size() < least) return out;
  out.resize(bytes.size() - bytes.size() / 8);
#ifdef BEAST_CACHE_HAS_ZSTD
  if (compression == zstd) {
    std::size_t const size = ::ZSTD_compress(out.data(), out.size(), bytes.data(), bytes.size(), zstd_level);
    out.resize(::ZSTD_isError(size) ? 0 : size);
    return out;
  }
#endif
  uLongf size = out.size();
  bool const fits = ::compress2(bytes_of(out), &size, bytes_of(bytes), bytes.size(), Z_BEST_SPEED) == Z_OK;
  out.resize(fits ? size : 0);
  return out;
}

bool decompress(std::int64_t coding, std::string_view stored, char* to, std::size_t size) {
  if (coding == zlib) {
    uLongf length = size;
    return ::uncompress(reinterpret_cast<Bytef*>(to), &length, bytes_of(stored), stored.size()) == Z_OK &&
           length == size;
  }
  if (coding != zstd) return false;
#ifdef BEAST_CACHE_HAS_ZSTD
  return ::ZSTD_decompress(to, size, stored.data(), stored.size()) == size;
#else
  throw Error(cache_errc::bad_value, "a stored body is compressed with zstd, which this build can't read");
#endif
}

}  // namespace

Coding AtRest::best_compression() noexcept {
#ifdef BEAST_CACHE_HAS_ZSTD
  return zstd;
#else
  return zlib;
#endif
}

AtRest::AtRest(Coding compression, std::string_view key)
    : compression_(compression), encrypts_(!key.empty()) {
  if (!encrypts_) return;
  key_ = derive(key, "beast_cache encryption");
  std::copy_n(bytes_of(key), std::min(key.size(), user_key_.size()), user_key_.begin());
}

std::string AtRest::signing_key() const {
  if (!encrypts_) return std::string();
  auto const key =
      derive({reinterpret_cast<char const*>(user_key_.data()), key_size}, "beast_cache signature");
  return std::string(reinterpret_cast<char const*>(key.data()), key.size());
}

std::string AtRest::key_check() const {
  if (!encrypts_) return std::string();
  return hmac_sha256_hex({reinterpret_cast<char const*>(user_key_.data()), key_size}, "beast_cache key");
}

AtRest::Coded AtRest::encode(std::string_view part, std::string_view bytes, bool compressible) const {
  std::string own = compressible ? compress(compression_, bytes) : std::string();
  std::int64_t coding = own.empty() ? as_it_came : compression_;
  if (encrypts_) {
    own = encrypt(part, own.empty() ? bytes : own);
    coding |= encrypted;
  }
  if (coding == as_it_came) return Coded(bytes);
  return Coded(coding, std::move(own));
}

bool AtRest::decode(std::string_view part, std::int64_t coding, std::string_view stored, char* to,
                    std::size_t size) const {
  std::optional<std::string> own;
  if ((coding & encrypted) != 0) {
    own = decrypt(part, stored);
    if (!own) return false;
    stored = *own;
  }
  if (std::int64_t const compression = coding & ~encrypted; compression != as_it_came)
    return decompress(compression, stored, to, size);
  if (stored.size() != size) return false;
  std::memcpy(to, stored.data(), size);
  return true;
}

std::optional<std::string> AtRest::decode(std::string_view part, std::int64_t coding, std::string_view stored,
                                          std::uint64_t size) const {
  if (size > most_bytes || size / most_dense > stored.size()) return std::nullopt;
  std::optional<std::string> out(std::in_place, static_cast<std::size_t>(size), '\0');
  if (!decode(part, coding, stored, out->data(), out->size())) out.reset();
  return out;
}

std::string AtRest::encode_text(std::string_view part, std::string text) const {
  return encrypts_ ? encrypt(part, text) : text;
}

std::optional<std::string> AtRest::decode_text(std::string_view part, std::string_view stored) const {
  if (!encrypts_) return std::string(stored);
  return decrypt(part, stored);
}

std::string AtRest::encrypt(std::string_view part, std::string_view bytes) const {
  std::string out(nonce_size + bytes.size() + tag_size, '\0');
  unsigned char* const nonce = bytes_of(out);
  unsigned char* const text = nonce + nonce_size;
  EVP_CIPHER_CTX* const aes = context();
  int size = 0;
  bool const done =
      RAND_bytes(nonce, nonce_size) == 1 &&
      EVP_EncryptInit_ex2(aes, cipher(), key_.data(), nonce, nullptr) == 1 &&
      EVP_EncryptUpdate(aes, nullptr, &size, bytes_of(part), static_cast<int>(part.size())) == 1 &&
      EVP_EncryptUpdate(aes, text, &size, bytes_of(bytes), static_cast<int>(bytes.size())) == 1 &&
      EVP_EncryptFinal_ex(aes, text + size, &size) == 1 &&
      EVP_CIPHER_CTX_ctrl(aes, EVP_CTRL_AEAD_GET_TAG, tag_size, text + bytes.size()) == 1;
  if (!done) fail();
  return out;
}

std::optional<std::string> AtRest::decrypt(std::string_view part, std::string_view stored) const {
  if (!encrypts_ || stored.size() < nonce_size + tag_size) return std::nullopt;
  std::size_t const length = stored.size() - nonce_size - tag_size;
  std::optional<std::string> out(std::in_place, length, '\0');
  unsigned char const* const nonce = bytes_of(stored);
  std::array<unsigned char, tag_size> tag{};
  std::copy_n(nonce + nonce_size + length, tag_size, tag.begin());
  EVP_CIPHER_CTX* const aes = context();
  int size = 0;
  bool const good =
      EVP_DecryptInit_ex2(aes, cipher(), key_.data(), nonce, nullptr) == 1 &&
      EVP_DecryptUpdate(aes, nullptr, &size, bytes_of(part), static_cast<int>(part.size())) == 1 &&
      EVP_DecryptUpdate(aes, bytes_of(*out), &size, nonce + nonce_size, static_cast<int>(length)) == 1 &&
      EVP_CIPHER_CTX_ctrl(aes, EVP_CTRL_AEAD_SET_TAG, tag_size, tag.data()) == 1 &&
      EVP_DecryptFinal_ex(aes, bytes_of(*out) + size, &size) == 1;
  if (!good) out.reset();
  return out;
}

}  // namespace detail
}  // namespace v1
}  // namespace beast_cache
