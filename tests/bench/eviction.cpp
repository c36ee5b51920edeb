// Which entry should go when the cache is full? Policies over generated traces, by the share of requests that
// they answer. Nothing is timed: the figures are the same on every machine.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <deque>
#include <list>
#include <memory>
#include <random>
#include <stdexcept>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "support/suite.hpp"

namespace bench {
namespace {

using Id = std::uint64_t;

class Policy {
 public:
  explicit Policy(std::size_t capacity) noexcept : capacity_(capacity) {}
  Policy(Policy const&) = delete;
  Policy& operator=(Policy const&) = delete;
  virtual ~Policy() = default;
  /// Whether it is there; if not, it is afterwards.
  virtual bool request(Id id) = 0;

 protected:
  std::size_t const capacity_;
};

class Fifo final : public Policy {
 public:
  using Policy::Policy;
  bool request(Id id) override {
    if (!held_.insert(id).second) return true;
    queue_.push_back(id);
    if (queue_.size() > capacity_) {
      held_.erase(queue_.front());
      queue_.pop_front();
    }
    return false;
  }

 private:
  std::deque<Id> queue_;
  std::unordered_set<Id> held_;
};

class Lru final : public Policy {
 public:
  using Policy::Policy;
  bool request(Id id) override {
    auto const at = where_.find(id);
    if (at != where_.end()) {
      order_.splice(order_.begin(), order_, at->second);
      return true;
    }
    order_.push_front(id);
    where_[id] = order_.begin();
    if (order_.size() > capacity_) {
      where_.erase(order_.back());
      order_.pop_back();
    }
    return false;
  }

 private:
  std::list<Id> order_;
  std::unordered_map<Id, std::list<Id>::iterator> where_;
};

/// Source: Zhang et al., SIEVE is Simpler than LRU, NSDI 2024.
class Sieve final : public Policy {
 public:
  using Policy::Policy;
  bool request(Id id) override {
    auto const at = where_.find(id);
    if (at != where_.end()) return at->second->visited = true;
    if (order_.size() == capacity_) evict();
    order_.push_front({id, false});
    where_[id] = order_.begin();
    return false;
  }

 private:
  struct Entry {
    Id id;
    bool visited;
  };
  void evict() {
    if (hand_ == order_.end()) --hand_;
    while (hand_->visited) {
      hand_->visited = false;
      if (hand_ == order_.begin()) hand_ = order_.end();
      --hand_;
    }
    auto const victim = hand_;
    // Towards the newer ones; past the newest it begins with the oldest again.
    hand_ = hand_ == order_.begin() ? order_.end() : std::prev(hand_);
    where_.erase(victim->id);
    order_.erase(victim);
  }

  std::list<Entry> order_;  // the newest first
  std::list<Entry>::iterator hand_ = order_.end();
  std::unordered_map<Id, std::list<Entry>::iterator> where_;
};

/// Source: Yang et al., FIFO queues are all you need for cache eviction, SOSP 2023.
class S3Fifo final : public Policy {
 public:
  explicit S3Fifo(std::size_t capacity)
      : Policy(capacity), small_capacity_(std::max<std::size_t>(1, capacity / 10)) {}
  bool request(Id id) override {
    auto const at = uses_.find(id);
    if (at != uses_.end()) {
      at->second = std::min(3, at->second + 1);
      return true;
    }
    while (small_.size() + main_.size() >= capacity_) evict();
    uses_[id] = 0;
    (ghosts_.erase(id) != 0 ? main_ : small_).push_back(id);
    return false;
  }

 private:
  void evict() {
    if (small_.size() >= small_capacity_ || main_.empty()) {
      Id const id = small_.front();
      small_.pop_front();
      if (uses_[id] > 1) {
        uses_[id] = 0;
        main_.push_back(id);
        return;
      }
      uses_.erase(id);
      ghosts_.insert(id);
      ghost_order_.push_back(id);
      if (ghost_order_.size() > capacity_ - small_capacity_) {
        ghosts_.erase(ghost_order_.front());
        ghost_order_.pop_front();
      }
      return;
    }
    Id const id = main_.front();
    main_.pop_front();
    if (uses_[id]-- > 0) {
      main_.push_back(id);
    } else {
      uses_.erase(id);
    }
  }

  std::size_t const small_capacity_;
  std::deque<Id> small_, main_, ghost_order_;
  std::unordered_set<Id> ghosts_;
  std::unordered_map<Id, int> uses_;
};

constexpr std::size_t objects = 100'000;
constexpr std::size_t requests = 1'000'000;

/// What is asked for, one after the other.
class Trace {
 public:
  Trace(std::string const& kind, std::size_t capacity) : kind_(kind), capacity_(capacity), random_(7) {
    double const exponent = kind.starts_with("zipf 0.8") ? 0.8 : 1.0;
    sums_.reserve(objects);
    double sum = 0;
    for (std::size_t i = 1; i <= objects; ++i)
      sums_.push_back(sum += 1 / std::pow(static_cast<double>(i), exponent));
  }

  Id next() {
    std::size_t const n = count_++;
    if (kind_.ends_with("scans")) {
      // Now and then everything is asked for once, as by a crawler.
      if (n % 50'000 < 10'000) return objects + (n / 50'000 * 10'000 + n % 50'000) % objects;
    } else if (kind_.ends_with("one-time")) {
      if (random_() % 2 == 0) return 10 * objects + n;
    } else if (kind_.ends_with("loop")) {
      if (random_() % 2 == 0) return objects + loop_++ % (capacity_ + capacity_ / 5);
    } else if (kind_.ends_with("drifting")) {
      return popular() + n / 2'000 * 20;
    }
    return popular();
  }

 private:
  Id popular() {
    double const at = std::uniform_real_distribution<double>(0, sums_.back())(random_);
    return static_cast<Id>(std::lower_bound(sums_.begin(), sums_.end(), at) - sums_.begin());
  }

  std::string const kind_;
  std::size_t const capacity_;
  std::mt19937_64 random_;
  std::vector<double> sums_;
  std::size_t count_ = 0, loop_ = 0;
};

std::unique_ptr<Policy> create_policy(std::string const& name, std::size_t capacity) {
  if (name == "FIFO") return std::make_unique<Fifo>(capacity);
  if (name == "LRU") return std::make_unique<Lru>(capacity);
  if (name == "SIEVE") return std::make_unique<Sieve>(capacity);
  if (name == "S3-FIFO") return std::make_unique<S3Fifo>(capacity);
  throw std::invalid_argument(name);
}

Figures simulate(Arguments const& arguments) {
  std::size_t const capacity = arguments.number("capacity");
  std::unique_ptr<Policy> const policy = create_policy(arguments.text("policy"), capacity);
  Trace trace(arguments.text("trace"), capacity);
  std::size_t hits = 0;
  for (std::size_t i = 0; i < requests; ++i) hits += policy->request(trace.next());
  return {{"hits", 100 * static_cast<double>(hits) / static_cast<double>(requests)}};
}

Suite create_suite() {
  Suite suite;
  suite.name = "eviction";
  suite.variants["simulate"] = simulate;
  for (std::string const trace : {"zipf 0.8", "zipf 1.0", "zipf 1.0 and scans", "zipf 1.0 and one-time",
                                  "zipf 1.0 and a loop", "zipf 1.0, drifting"}) {
    for (std::size_t const percent : {std::size_t{1}, std::size_t{10}}) {
      Case one;
      one.most_rounds = 1;  // each would be the same
      for (std::string const policy : {"FIFO", "LRU", "S3-FIFO", "SIEVE"}) {
        Contestant contestant;
        contestant.name = trace + ", " + std::to_string(percent) + " % fit, " + policy;
        contestant.variant = "simulate";
        contestant.arguments =
            Arguments().with("policy", policy).with("trace", trace).with("capacity", objects * percent / 100);
        one.rows.push_back(plain(contestant.name, "% hits", contestant.name, "hits"));
        one.contestants.push_back(std::move(contestant));
      }
      suite.cases.push_back(std::move(one));
    }
  }
  return suite;
}

int run(Arguments const& arguments) {
  Suite const suite = create_suite();
  if (arguments.has("variant")) return child_main(suite.variants, arguments);
  run_suite(suite, arguments);
  return 0;
}

}  // namespace
}  // namespace bench

int main(int argc, char** argv) {
  return bench::guarded(bench::run, argc, argv);
}
