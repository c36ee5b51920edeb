#include "beast_cache/backend/sqlite_backend.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/this_coro.hpp>
#include <exception>
#include <new>

#include "backend/pieces_under_way.hpp"
#include "backend/sqlite_backend_impl.hpp"

// Jobs are named lambdas that refer to the coroutine's locals: the coroutine does not go before its job.

namespace beast_cache {
inline namespace v1 {

using detail::Found;
using detail::LargeBody;

namespace {

void report_damage(std::shared_ptr<Observer> const& observer, std::string const& path,
                   LookupQuery const& query) {
  detail::notify(observer, [&](Observer& told) {
    std::string const& url = query.url().str();
    Error const error(cache_errc::bad_value, path + ": what was stored for " + url);
    told.on_cache_error("lookup", url, std::make_exception_ptr(error));
  });
}

}  // namespace

// The first piece is written at once, the others while more of the body arrives; it is not held in memory.
class SQLiteBackend::Impl::Writer final : public BodyWriter {
 public:
  explicit Writer(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}
  ~Writer() override {
    if (!body_ || stored_) return;
    try {
      bodies_->abandon(body_->token());
    } catch (std::bad_alloc const&) {
      // Then it goes when its time is up, as that of a killed process does.
    }
  }

  std::size_t piece_size() const noexcept override { return LargeBodies::piece_size; }

  asio::awaitable<void> append(std::string bytes) override {
    bodies_ = impl_->bodies();
    std::size_t const size = bytes.size();
    co_await under_way_.wait_for_room(size);
    auto const piece = std::make_shared<Piece>(*this, std::move(bytes));
    bool begun = false;
    if (body_) {
      asio::any_io_executor const executor = co_await asio::this_coro::executor;
      auto job = [piece](Handle& handle) { piece->write(handle); };
      begun = bodies_->start_write(executor, std::move(job), Written(piece, under_way_.add(size)), size);
      if (!begun) under_way_.take_back();
    }
    if (!begun) {
      auto job = [&](Handle& handle) { body_ = piece->write(handle); };
      co_await bodies_->write(job, size);
      piece->report();
    }
    ++pieces_;
    size_ += size;
  }

  asio::awaitable<void> store(CachedHead head) override {
    co_await store(std::move(head), IsCurrent(), Impl::Over::anything);
  }
  asio::awaitable<bool> store_if(CachedHead head, IsCurrent current) override {
    return store(std::move(head), std::move(current), Impl::Over::older);
  }

 private:
  asio::awaitable<bool> store(CachedHead head, IsCurrent current, Impl::Over what) {
    bodies_ = impl_->bodies();
    StoredBody body;
    if (body_) {
      co_await under_way_.wait_for_all();
      std::shared_ptr<LargeBody const> const whole = body_->with_size(size_);
      body = StoredBody(whole);
    }
    StoredResponse response(std::move(head), std::move(body));
    stored_ = co_await Impl::store(impl_, bodies_, std::move(response), std::move(current), what);
    co_return stored_;
  }

  // With all that writing it takes: the writer may have gone by then.
  class Piece {
   public:
    Piece(Writer const& writer, std::string bytes)
        : impl_(writer.impl_),
          bodies_(writer.bodies_),
          body_(writer.body_),
          is_compressible_(writer.is_compressible_),
          number_(writer.pieces_),
          bytes_(std::move(bytes)) {}

    // Returns the body, which begins with the first piece.
    std::shared_ptr<LargeBody const> write(Handle& handle) {
      impl_->make_room(handle, Incoming(bytes_.size()), *bodies_, evicted_);
      std::shared_ptr<LargeBody const> body = body_ ? body_ : bodies_->begin(handle);
      *is_compressible_ = bodies_->append(handle, *body, number_, bytes_, *is_compressible_);
      bodies_->sweep(handle);
      return body;
    }
    // Once that is committed: what had to go for it.
    void report() const { impl_->report(evicted_); }

   private:
    std::shared_ptr<Impl> const impl_;
    std::shared_ptr<LargeBodies> const bodies_;
    std::shared_ptr<LargeBody const> const body_;
    std::shared_ptr<bool> const is_compressible_;
    std::uint64_t const number_;
    std::string const bytes_;
    std::vector<Evicted> evicted_;
  };

  // The completion handler of one.
  class Written {
   public:
    Written(std::shared_ptr<Piece> piece, detail::PiecesUnderWay::Handler done)
        : piece_(std::move(piece)), done_(std::move(done)) {}
    void operator()(std::exception_ptr const& failure) {
      if (!failure) piece_->report();
      done_(failure);
    }

   private:
    std::shared_ptr<Piece> piece_;
    detail::PiecesUnderWay::Handler done_;
  };

  std::shared_ptr<Impl> const impl_;
  std::shared_ptr<LargeBodies> bodies_;
  std::shared_ptr<LargeBody const> body_;
  detail::PiecesUnderWay under_way_;
  std::uint64_t pieces_ = 0, size_ = 0;
  bool stored_ = false;
  // Until a piece was not worth it. Used on the lane.
  std::shared_ptr<bool> const is_compressible_ = std::make_shared<bool>(true);
};

SQLiteBackend::SQLiteBackend(std::string cache_name, CacheOptions options, SQLiteOptions storage)
    : CacheBackend(std::move(options)),
      impl_(std::make_shared<Impl>(cache_name, this->options(), std::move(storage))) {}

SQLiteBackend::~SQLiteBackend() = default;

std::string const& SQLiteBackend::path() const noexcept {
  return impl_->path();
}

std::shared_ptr<ReadyResponse const> SQLiteBackend::glance(Request const& request, TimePoint now) {
  std::shared_ptr<LargeBodies> const bodies = impl_->opened();
  if (!bodies) return nullptr;
  auto held = impl_->memory().find(request.url(), bodies->database().epochs(), now);
  if (held) impl_->used(held->row);
  return held;
}

asio::awaitable<Lookup> SQLiteBackend::lookup(LookupQuery query) {
  std::shared_ptr<Impl> const impl = impl_;
  std::shared_ptr<LargeBodies> const bodies = impl->bodies();
  sqlite::WriteEpochs& epochs = bodies->database().epochs();
  MemoryTier::Glance glance;
  impl->memory().glance(glance, epochs, query);
  if (glance.hit()) {
    impl->used(glance.hit()->row);
    Lookup found;
    found.select(glance.hit()->stored());
    co_return found;
  }
  std::shared_ptr<Observer> const observer = options().observer();
  // What one thread allocates and another frees costs both of them much.
  std::string memory;
  memory.reserve(impl->usual_row_size());
  auto job = [&](Handle& handle) {
    glance.look(handle);
    return detail::find_response(handle, query, *bodies, memory);
  };
  Found found = co_await bodies->read(job);
  impl->memory().looked(glance, epochs);
  impl->note_row_size(memory.size());
  std::optional<StoredResponse> response;
  if (found.selected) response = std::move(*found.selected).decode(query, *bodies);
  if (found.selected && !response && !found.selected->is_judged()) {
    auto judging = [&](Handle& handle) { return detail::find_judged(handle, query, *bodies); };
    found = co_await bodies->read(judging);
    if (found.selected) response = std::move(*found.selected).decode(query, *bodies);
  }
  if (found.selected) {
    std::int64_t const row = found.selected->id();
    if (response) {
      if (found.is_alone()) impl->memory().remember(glance, query, row, *response);
      found.lookup.select(std::move(*response));
      impl->used(row);
    } else {
      found.damaged.push_back(row);
      found.rejected.push_back(row);
    }
  }
  if (!found.damaged.empty()) {
    report_damage(observer, impl->path(), query);
    if (!query.keeps_damaged()) co_await Impl::discard(bodies, found.damaged);
  }
  if (!found.lookup.selected() && found.rejected.size() > found.damaged.size())
    throw Error(cache_errc::bad_signature, impl->path() + ": the response stored for " + query.url().str());
  co_return std::move(found.lookup);
}

asio::awaitable<void> SQLiteBackend::store(StoredResponse response) {
  std::shared_ptr<Impl> const impl = impl_;
  co_await Impl::store(impl, impl->bodies(), std::move(response), IsCurrent(), Impl::Over::anything);
}

asio::awaitable<bool> SQLiteBackend::store_if(StoredResponse response, IsCurrent current) {
  std::shared_ptr<Impl> const impl = impl_;
  bool const stored =
      co_await Impl::store(impl, impl->bodies(), std::move(response), std::move(current), Impl::Over::older);
  co_return stored;
}

std::unique_ptr<BodyWriter> SQLiteBackend::write_body() {
  bool const fits = impl_->max_value_size() >= LargeBodies::piece_size;
  return fits ? std::make_unique<Impl::Writer>(impl_) : nullptr;
}

asio::awaitable<bool> SQLiteBackend::freshen(StoredResponse response) {
  std::shared_ptr<Impl> const impl = impl_;
  std::shared_ptr<LargeBodies> const bodies = impl->bodies();
  detail::RowToStore const row(response, *bodies);
  impl->check_size(row, response.url());
  Writing const writing(bodies->database().epochs(), row.key());
  auto job = [&](Handle& handle) { return row.freshen(handle); };
  co_return co_await bodies->write(job, row.size());
}

asio::awaitable<void> SQLiteBackend::store_alias(Url from, Url to) {
  std::shared_ptr<LargeBodies> const bodies = impl_->bodies();
  std::string const key = create_key(from, options());
  std::string const target_key = create_key(to, options());
  from = options().stored_url(from);
  to = options().stored_url(to);
  auto job = [&](Handle& handle) { detail::store_alias(handle, from, key, to, target_key); };
  co_await bodies->write(job);
}

asio::awaitable<bool> SQLiteBackend::remove_with_aliases(Url url) {
  std::shared_ptr<LargeBodies> const bodies = impl_->bodies();
  std::string key;
  std::exception_ptr failure;  // of the user's key function: what is found by the URL goes all the same
  try {
    key = create_key(url, options());
  } catch (...) {
    failure = std::current_exception();
  }
  url = options().stored_url(url);
  Writing const writing(bodies->database().epochs(), key);
  std::optional<Writing> of_others;
  auto job = [&](Handle& handle) {
    bool const others = detail::remove_others(handle, url, bodies->at_rest());
    if (others && !of_others) of_others.emplace(bodies->database().epochs());
    bool const removed = detail::remove_with_aliases(handle, key);
    bodies->sweep(handle);
    return removed || others;
  };
  bool const removed = co_await bodies->write(job);
  if (failure) std::rethrow_exception(failure);
  co_return removed;
}

asio::awaitable<bool> SQLiteBackend::remove_key(std::string key) {
  std::shared_ptr<LargeBodies> const bodies = impl_->bodies();
  Writing const writing(bodies->database().epochs(), key);
  auto job = [&](Handle& handle) {
    bool const removed = detail::remove_with_aliases(handle, key);
    bodies->sweep(handle);
    return removed;
  };
  co_return co_await bodies->write(job);
}

asio::awaitable<bool> SQLiteBackend::has_url(Url url) {
  std::shared_ptr<LargeBodies> const bodies = impl_->bodies();
  std::string const key = create_key(url, options());
  std::string const url_key = create_key(options().stored_url(url));
  auto job = [&](Handle& handle) { return detail::has_url(handle, key, url_key); };
  co_return co_await bodies->read(job);
}

asio::awaitable<void> SQLiteBackend::close() {
  co_await Impl::close(impl_);
}

}  // namespace v1
}  // namespace beast_cache
