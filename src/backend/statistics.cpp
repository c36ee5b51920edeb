#include "beast_cache/backend/statistics.hpp"

#include <algorithm>
#include <utility>
#include <vector>

namespace beast_cache {
inline namespace v1 {
namespace {

void count(std::atomic<std::uint64_t>& counter, std::uint64_t by = 1) noexcept {
  counter.fetch_add(by, std::memory_order_relaxed);
}

using Snapshot = Statistics::Snapshot;
// By their labels, which may be none.
using Labelled = std::vector<std::pair<std::string, Snapshot>>;

class Family {
 public:
  std::string_view name, help;
  std::string (*value)(Snapshot const&);
};

template <std::uint64_t (Snapshot::*get)() const noexcept>
std::string number(Snapshot const& snapshot) {
  return std::to_string((snapshot.*get)());
}
std::string seconds_saved(Snapshot const& snapshot) {
  auto const milliseconds = snapshot.time_saved().count();
  std::string const rest = std::to_string(1000 + milliseconds % 1000);
  return std::to_string(milliseconds / 1000) + "." + rest.substr(1);
}

constexpr Family families[] = {
    {"hits", "Answers by the cache without asking the origin.", number<&Snapshot::hits>},
    {"collapsed", "Requests that another one's answer served.", number<&Snapshot::collapsed>},
    {"validated", "Stored answers that the origin said are current.", number<&Snapshot::validated>},
    {"stored", "Answers that were stored.", number<&Snapshot::stored>},
    {"saved_bytes", "Bytes of bodies that came out of the cache.", number<&Snapshot::bytes_saved>},
    {"saved_seconds", "What the origin took for the answers that it was not asked for.", seconds_saved},
    {"evictions", "Responses that had to go for want of room.", number<&Snapshot::evictions>},
    {"evicted_bytes", "Bytes of responses that had to go for want of room.",
     number<&Snapshot::evicted_bytes>},
    {"errors", "Faults of the cache.", number<&Snapshot::errors>},
    {"exchanges", "Exchanges with servers.", number<&Snapshot::exchanges>},
    {"failed_exchanges", "Exchanges with servers that failed.", number<&Snapshot::failed_exchanges>},
    {"sent_bytes", "Bytes of requests on the wire.", number<&Snapshot::bytes_sent>},
    {"received_bytes", "Bytes of responses on the wire.", number<&Snapshot::bytes_received>},
};

void append_head(std::string& text, std::string_view name, std::string_view help) {
  text.append("# TYPE beast_cache_").append(name).append(" counter\n# HELP beast_cache_").append(name);
  text.append(1, ' ').append(help) += '\n';
}
void append_sample(std::string& text, std::string_view name, std::string_view labels,
                   std::string_view value) {
  text.append("beast_cache_").append(name).append("_total");
  if (!labels.empty()) text.append(1, '{').append(labels).append(1, '}');
  text.append(1, ' ').append(value) += '\n';
}

std::string openmetrics_of(Labelled const& all) {
  std::string text;
  for (Family const& family : families) {
    append_head(text, family.name, family.help);
    for (auto const& [labels, snapshot] : all)
      append_sample(text, family.name, labels, family.value(snapshot));
  }
  append_head(text, "forwarded", "Requests not answered at once, by the reason (RFC 9211).");
  for (auto const& [labels, snapshot] : all) {
    for (std::string_view const reason : Statistics::reasons) {
      std::string both = labels.empty() ? labels : labels + ",";
      both.append("reason=\"").append(reason).append(1, '"');
      append_sample(text, "forwarded", both, std::to_string(snapshot.forwarded(reason)));
    }
  }
  text += "# EOF\n";
  return text;
}

// As a label's value.
std::string escaped(std::string_view text) {
  std::string value;
  for (char const c : text) {
    if (c == '\\' || c == '"') value += '\\';
    if (c == '\n')
      value += "\\n";
    else
      value += c;
  }
  return value;
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

void Statistics::on_saved(std::string_view url, std::uint64_t bytes, std::chrono::milliseconds time) {
  count(saved_, bytes);
  if (time.count() > 0) count(milliseconds_, static_cast<std::uint64_t>(time.count()));
  if (next_) next_->on_saved(url, bytes, time);
}

void Statistics::on_evicted(std::string_view url, std::uint64_t bytes) {
  count(evictions_);
  count(evicted_, bytes);
  if (next_) next_->on_evicted(url, bytes);
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
  snapshot.saved_ = saved_.load();
  snapshot.milliseconds_ = milliseconds_.load();
  snapshot.evictions_ = evictions_.load();
  snapshot.evicted_ = evicted_.load();
  snapshot.errors_ = errors_.load();
  snapshot.exchanges_ = exchanges_.load();
  snapshot.failed_ = failed_.load();
  snapshot.sent_ = sent_.load();
  snapshot.received_ = received_.load();
  return snapshot;
}

std::string Statistics::openmetrics() const {
  return openmetrics_of(Labelled{{std::string(), snapshot()}});
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

std::string HostStatistics::openmetrics() const {
  Labelled all;
  for (auto const& [host, snapshot] : snapshots())
    all.emplace_back("host=\"" + escaped(host) + "\"", snapshot);
  return openmetrics_of(all);
}

void HostStatistics::on_response(std::string_view url, std::string_view cache_status) {
  if (next_) next_->on_response(url, cache_status);
  of(url).on_response(url, cache_status);
}

void HostStatistics::on_saved(std::string_view url, std::uint64_t bytes, std::chrono::milliseconds time) {
  if (next_) next_->on_saved(url, bytes, time);
  of(url).on_saved(url, bytes, time);
}

void HostStatistics::on_evicted(std::string_view url, std::uint64_t bytes) {
  if (next_) next_->on_evicted(url, bytes);
  of(url).on_evicted(url, bytes);
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
