#include "beast_cache/backend/statistics.hpp"

#include <algorithm>

namespace beast_cache {
inline namespace v1 {
namespace {

void count(std::atomic<std::uint64_t>& counter, std::uint64_t by = 1) noexcept {
  counter.fetch_add(by, std::memory_order_relaxed);
}

void append_family(std::string& text, std::string_view name, std::string_view help) {
  text.append("# TYPE ").append(name).append(" counter\n# HELP ").append(name).append(1, ' ').append(help);
  text += '\n';
}
void append_sample(std::string& text, std::string_view name, std::string_view labels, std::uint64_t value) {
  text.append(name).append("_total").append(labels).append(1, ' ').append(std::to_string(value)) += '\n';
}

}  // namespace

void Statistics::on_response(std::string_view url, std::string_view cache_status) {
  if (next_) next_->on_response(url, cache_status);
  // The cache's own text: its name, then parameters, none of which holds a semicolon but the last, detail.
  std::size_t at = cache_status.find(';');
  while (at != cache_status.npos) {
    std::size_t const end = cache_status.find(';', at + 1);
    std::string_view param = cache_status.substr(at + 1, end == cache_status.npos ? end : end - at - 1);
    param.remove_prefix(std::min(param.find_first_not_of(' '), param.size()));
    at = end;
    if (param == "hit") count(hits_);
    if (param == "collapsed") count(collapsed_);
    if (param == "stored") count(stored_);
    if (param == "fwd-status=304") count(validated_);
    if (param.starts_with("detail=")) break;
    if (!param.starts_with("fwd=")) continue;
    param.remove_prefix(4);
    for (std::size_t i = 0; i < reasons.size(); ++i)
      if (reasons[i] == param) count(forwarded_[i]);
  }
}

void Statistics::on_cache_error(std::string_view operation, std::string_view url,
                                std::exception_ptr failure) {
  count(errors_);
  if (next_) next_->on_cache_error(operation, url, std::move(failure));
}

void Statistics::on_exchange(ExchangeEvent const& event) {
  count(exchanges_);
  if (event.error()) count(failed_);
  count(sent_, event.bytes_sent());
  count(received_, event.bytes_received());
  if (next_) next_->on_exchange(event);
}

Statistics::Snapshot Statistics::snapshot() const noexcept {
  Snapshot snapshot;
  for (std::size_t i = 0; i < reasons.size(); ++i) snapshot.forwarded_[i] = forwarded_[i].load();
  snapshot.hits_ = hits_.load();
  snapshot.collapsed_ = collapsed_.load();
  snapshot.validated_ = validated_.load();
  snapshot.stored_ = stored_.load();
  snapshot.errors_ = errors_.load();
  snapshot.exchanges_ = exchanges_.load();
  snapshot.failed_ = failed_.load();
  snapshot.sent_ = sent_.load();
  snapshot.received_ = received_.load();
  return snapshot;
}

std::string Statistics::openmetrics() const {
  Snapshot const now = snapshot();
  std::string text;
  append_family(text, "beast_cache_hits", "Answers by the cache without asking the origin.");
  append_sample(text, "beast_cache_hits", "", now.hits());
  append_family(text, "beast_cache_collapsed", "Requests that another one's answer served.");
  append_sample(text, "beast_cache_collapsed", "", now.collapsed());
  append_family(text, "beast_cache_forwarded", "Requests not answered at once, by the reason (RFC 9211).");
  for (std::string_view const reason : reasons) {
    std::string const label = "{reason=\"" + std::string(reason) + "\"}";
    append_sample(text, "beast_cache_forwarded", label, now.forwarded(reason));
  }
  append_family(text, "beast_cache_validated", "Stored answers that the origin said are current.");
  append_sample(text, "beast_cache_validated", "", now.validated());
  append_family(text, "beast_cache_stored", "Answers that were stored.");
  append_sample(text, "beast_cache_stored", "", now.stored());
  append_family(text, "beast_cache_errors", "Faults of the cache.");
  append_sample(text, "beast_cache_errors", "", now.errors());
  append_family(text, "beast_cache_exchanges", "Exchanges with servers.");
  append_sample(text, "beast_cache_exchanges", "", now.exchanges());
  append_family(text, "beast_cache_failed_exchanges", "Exchanges with servers that failed.");
  append_sample(text, "beast_cache_failed_exchanges", "", now.failed_exchanges());
  append_family(text, "beast_cache_sent_bytes", "Bytes of requests on the wire.");
  append_sample(text, "beast_cache_sent_bytes", "", now.bytes_sent());
  append_family(text, "beast_cache_received_bytes", "Bytes of responses on the wire.");
  append_sample(text, "beast_cache_received_bytes", "", now.bytes_received());
  text += "# EOF\n";
  return text;
}

Statistics& HostStatistics::of(std::string_view url) {
  std::size_t const scheme = url.find("://");
  std::string_view host = scheme == url.npos ? std::string_view() : url.substr(scheme + 3);
  host = host.substr(0, host.find_first_of("/?#"));
  std::lock_guard const lock(mutex_);
  auto found = hosts_.find(host);
  if (found == hosts_.end()) {
    if (hosts_.size() >= most_) host = std::string_view();
    found = hosts_.try_emplace(std::string(host)).first;
    if (!found->second) found->second = std::make_unique<Statistics>();
  }
  return *found->second;
}

std::map<std::string, Statistics::Snapshot> HostStatistics::snapshots() const {
  std::map<std::string, Statistics::Snapshot> all;
  std::lock_guard const lock(mutex_);
  for (auto const& [host, statistics] : hosts_) all.emplace(host, statistics->snapshot());
  return all;
}

void HostStatistics::on_response(std::string_view url, std::string_view cache_status) {
  if (next_) next_->on_response(url, cache_status);
  of(url).on_response(url, cache_status);
}

void HostStatistics::on_cache_error(std::string_view operation, std::string_view url,
                                    std::exception_ptr failure) {
  if (next_) next_->on_cache_error(operation, url, failure);
  of(url).on_cache_error(operation, url, std::move(failure));
}

void HostStatistics::on_exchange(ExchangeEvent const& event) {
  if (next_) next_->on_exchange(event);
  of(event.url().str()).on_exchange(event);
}

}  // namespace v1
}  // namespace beast_cache
