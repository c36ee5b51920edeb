#include <curl/curl.h>

#include <cstdio>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "session_variants.hpp"
#include "support/meter.hpp"

namespace bench {
namespace {

void check(bool holds) {
  if (!holds) throw std::runtime_error("libcurl");
}

std::size_t append(char* data, std::size_t, std::size_t size, void* to) {
  static_cast<std::string*>(to)->append(data, size);
  return size;
}

class Transfer {
 public:
  explicit Transfer(std::string const& url) : easy_(curl_easy_init(), curl_easy_cleanup) {
    curl_easy_setopt(easy_.get(), CURLOPT_URL, url.c_str());
    curl_easy_setopt(easy_.get(), CURLOPT_WRITEFUNCTION, append);
    curl_easy_setopt(easy_.get(), CURLOPT_WRITEDATA, &body_);
    curl_easy_setopt(easy_.get(), CURLOPT_PRIVATE, this);
    curl_easy_setopt(easy_.get(), CURLOPT_TIMEOUT_MS, 30'000L);
  }
  CURL* easy() const noexcept { return easy_.get(); }
  void finish(std::size_t size) {
    check(body_.size() == size);
    body_ = std::string();  // the next answer has a body of its own
  }

 private:
  std::unique_ptr<CURL, void (*)(CURL*)> easy_;
  std::string body_;
};

Figures fetch(Arguments const& arguments) {
  std::string const url = "http://127.0.0.1:" + arguments.text("port") + arguments.text("path");
  std::size_t const size = arguments.number("size");
  Meter meter = Meter::timed(arguments.number("warm-up"), 0.5);
  std::unique_ptr<CURLM, CURLMcode (*)(CURLM*)> const multi(curl_multi_init(), curl_multi_cleanup);
  std::vector<std::unique_ptr<Transfer>> transfers;
  int running = 0;
  for (std::size_t i = 0; i < arguments.number("in-flight"); ++i) {
    transfers.push_back(std::make_unique<Transfer>(url));
    if (meter.next()) check(curl_multi_add_handle(multi.get(), transfers.back()->easy()) == CURLM_OK);
  }
  do {
    check(curl_multi_perform(multi.get(), &running) == CURLM_OK);
    int left = 0;
    while (CURLMsg* const message = curl_multi_info_read(multi.get(), &left)) {
      CURL* const easy = message->easy_handle;
      check(message->msg == CURLMSG_DONE && message->data.result == CURLE_OK);
      Transfer* transfer = nullptr;
      curl_easy_getinfo(easy, CURLINFO_PRIVATE, &transfer);
      transfer->finish(size);
      curl_multi_remove_handle(multi.get(), easy);
      if (!meter.next()) continue;
      check(curl_multi_add_handle(multi.get(), easy) == CURLM_OK);
      ++running;
    }
    if (running != 0) check(curl_multi_poll(multi.get(), nullptr, 0, 1000, nullptr) == CURLM_OK);
  } while (running != 0);
  return {{"rate", meter.rate()}};
}

Figures save(Arguments const& arguments) {
  std::string const url = "http://127.0.0.1:" + arguments.text("port") + arguments.text("path");
  std::unique_ptr<CURL, void (*)(CURL*)> const easy(curl_easy_init(), curl_easy_cleanup);
  std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(arguments.text("file").c_str(), "wb"),
                                                       std::fclose);
  check(file != nullptr);
  curl_easy_setopt(easy.get(), CURLOPT_URL, url.c_str());
  curl_easy_setopt(easy.get(), CURLOPT_WRITEDATA, file.get());
  auto const begin = Clock::now();
  check(curl_easy_perform(easy.get()) == CURLE_OK);
  file.reset();
  double const rate = 1 / seconds_since(begin);
  std::remove(arguments.text("file").c_str());
  return {{"rate", rate}};
}

}  // namespace

void add_curl_clients(Variants& variants) {
  variants["curl-fetch"] = fetch;
  variants["curl-save"] = save;
}

}  // namespace bench
