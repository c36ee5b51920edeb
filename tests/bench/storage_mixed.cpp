// Readers and writers at once: the library's lanes beside one handle that both share.

#include <boost/asio/associated_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "storage_data.hpp"
#include "storage_ours.hpp"
#include "storage_raw.hpp"
#include "storage_variants.hpp"
#include "support/meter.hpp"

namespace bench {
namespace {

/// The reference: a worker thread with one handle. It takes the whole queue at each wake-up, runs it in the
/// order of arrival in one transaction and posts the completions back together.
class SharedHandle {
 public:
  SharedHandle(Arguments const& arguments, asio::io_context& io)
      : db_(arguments, RawDatabase::Role::writer), io_(io), worker_([this] { work(); }) {}
  SharedHandle(SharedHandle const&) = delete;
  SharedHandle& operator=(SharedHandle const&) = delete;
  ~SharedHandle() {
    {
      std::lock_guard lock(mutex_);
      stop_ = true;
    }
    wake_.notify_one();
    worker_.join();
  }

  asio::awaitable<std::string> read(std::string key) { return submit(std::move(key), std::nullopt); }
  asio::awaitable<std::string> write(std::string key, std::string value) {
    return submit(std::move(key), std::move(value));
  }

 private:
  class Operation {
   public:
    Operation(std::string k, std::optional<std::string> v) : key(std::move(k)), value(std::move(v)) {}
    Operation(Operation const&) = delete;
    Operation& operator=(Operation const&) = delete;
    virtual ~Operation() = default;
    virtual void complete() = 0;
    std::string key;
    std::optional<std::string> value;  // without one it is a read
    std::string result;
  };
  using Operations = std::vector<std::unique_ptr<Operation>>;

  template <class Handler>
  class Waiting final : public Operation {
   public:
    Waiting(std::string k, std::optional<std::string> v, Handler handler)
        : Operation(std::move(k), std::move(v)),
          work_(asio::get_associated_executor(handler)),
          handler_(std::move(handler)) {}
    void complete() override { std::move(handler_)(std::move(this->result)); }

   private:
    asio::executor_work_guard<asio::any_io_executor> work_;
    Handler handler_;
  };

  asio::awaitable<std::string> submit(std::string key, std::optional<std::string> value) {
    auto initiate = [this](auto handler, std::string k, std::optional<std::string> v) {
      auto operation =
          std::make_unique<Waiting<decltype(handler)>>(std::move(k), std::move(v), std::move(handler));
      bool was_empty = false;
      {
        std::lock_guard lock(mutex_);
        was_empty = queue_.empty();
        queue_.push_back(std::move(operation));
      }
      if (was_empty) wake_.notify_one();
    };
    return asio::async_initiate<asio::use_awaitable_t<> const, void(std::string)>(
        std::move(initiate), asio::use_awaitable, std::move(key), std::move(value));
  }

  void work() {
    RawStatement begin(db_.handle(), "BEGIN"), commit(db_.handle(), "COMMIT");
    RawStatement select(db_.handle(), raw_select), upsert(db_.handle(), raw_upsert);
    for (;;) {
      Operations batch;
      {
        std::unique_lock lock(mutex_);
        wake_.wait(lock, [this] { return stop_ || !queue_.empty(); });
        if (queue_.empty()) return;
        batch.swap(queue_);
      }
      begin.run();
      for (auto const& operation : batch) {
        if (operation->value) {
          raw_write(upsert, operation->key, *operation->value);
        } else {
          operation->result = raw_read(select, operation->key);
        }
      }
      commit.run();
      asio::post(io_, [done = std::move(batch)] {
        for (auto const& operation : done) operation->complete();
      });
    }
  }

  RawDatabase db_;
  asio::io_context& io_;
  std::mutex mutex_;
  std::condition_variable wake_;
  Operations queue_;
  bool stop_ = false;
  std::thread worker_;
};

/// What the loops of one variant share.
class Traffic {
 public:
  Traffic(Arguments const& arguments, asio::io_context& io)
      : read_keys(arguments.number("entries"), 1),
        write_keys(arguments.number("entries"), 2),
        values(arguments.number("value-size")),
        timer(io) {}
  Keys read_keys, write_keys;
  Values values;
  asio::steady_timer timer;
  double reads = 0, writes = 0;
  bool stop = false;
  Figures figures;
};

template <class Store>
asio::awaitable<void> keep_reading(Store* store, Traffic* traffic) {
  while (!traffic->stop) {
    auto const value = co_await store->read(traffic->read_keys.next());
    static_cast<void>(value);
    ++traffic->reads;
  }
}

template <class Store>
asio::awaitable<void> keep_writing(Store* store, Traffic* traffic) {
  while (!traffic->stop) {
    co_await store->write(traffic->write_keys.next(), traffic->values.next());
    ++traffic->writes;
  }
}

asio::awaitable<void> watch(Traffic* traffic) {
  traffic->timer.expires_after(std::chrono::milliseconds(200));
  co_await traffic->timer.async_wait(asio::use_awaitable);
  double const reads = traffic->reads, writes = traffic->writes;
  auto const begin = Clock::now();
  traffic->timer.expires_after(std::chrono::milliseconds(800));
  co_await traffic->timer.async_wait(asio::use_awaitable);
  double const seconds = seconds_since(begin);
  traffic->figures["reads"] = (traffic->reads - reads) / seconds;
  traffic->figures["writes"] = (traffic->writes - writes) / seconds;
  traffic->stop = true;
}

template <class Store>
Figures run_traffic(Store& store, asio::io_context& io, Arguments const& arguments) {
  Traffic traffic(arguments, io);
  for (int i = 0; i < 64; ++i) {
    spawn(io, keep_reading(&store, &traffic));
    spawn(io, keep_writing(&store, &traffic));
  }
  spawn(io, watch(&traffic));
  io.run();
  return traffic.figures;
}

Figures ours_mixed(Arguments const& arguments) {
  asio::io_context io;
  SQLiteCache cache = open_cache(arguments);
  return run_traffic(cache, io, arguments);
}

Figures shared_mixed(Arguments const& arguments) {
  asio::io_context io;
  SharedHandle shared(arguments, io);
  return run_traffic(shared, io, arguments);
}

}  // namespace

void add_mixed_variants(Variants& variants) {
  variants["ours-mixed"] = ours_mixed;
  variants["shared-mixed"] = shared_mixed;
}

}  // namespace bench
