// The tables of SQLiteBackend as key-value stores.

#include "backend/entry_slice.hpp"
#include "backend/sqlite_backend_impl.hpp"
#include "beast_cache/backend/cache_key.hpp"

// Jobs are named lambdas that refer to the coroutine's locals: the coroutine does not go before its job.

namespace beast_cache {
inline namespace v1 {
namespace {

constexpr std::size_t key_digits = 64;

// By what a row of `responses` is known: KEY/VARIANT.
class RowKey {
 public:
  // Before all others.
  RowKey() = default;
  RowKey(std::string key, std::string variant) : key_(std::move(key)), variant_(std::move(variant)) {}
  static std::optional<RowKey> parse(std::string_view text) {
    bool const is_one = text.size() == 2 * key_digits + 1 && text[key_digits] == '/';
    return is_one ? std::optional(place(text)) : std::nullopt;
  }
  // Where any text would stand among them.
  static RowKey place(std::string_view text) {
    if (text.size() <= key_digits) return RowKey(std::string(text), std::string());
    bool const is_behind = text[key_digits] > '/';  // all variants of the key
    bool const is_before = text[key_digits] < '/';
    std::string variant(is_behind ? "g" : is_before ? "" : text.substr(key_digits + 1));
    return RowKey(std::string(text.substr(0, key_digits)), std::move(variant));
  }

  std::string const& key() const noexcept { return key_; }
  std::string const& variant() const noexcept { return variant_; }
  std::string text() const { return key_ + '/' + variant_; }

 private:
  std::string key_, variant_;
};

// The rows behind that one; those of not more than about 1 MiB of bodies, where that is more than one.
std::vector<RowKey> rows_after(Handle& handle, RowKey const& after, std::size_t limit,
                               char const* sql = detail::sql::variants_after) {
  constexpr std::int64_t most_bytes = 1 << 20;
  std::vector<RowKey> rows;
  std::int64_t bytes = 0;
  sqlite::Statement select = handle.statement(sql);
  select.bind_text(1, after.key()).bind_text(2, after.variant()).bind(3, static_cast<std::int64_t>(limit));
  while (select.step()) {
    bytes += select.integer(2);
    if (!rows.empty() && bytes > most_bytes) break;
    rows.emplace_back(std::string(select.bytes(0)), std::string(select.bytes(1)));
  }
  return rows;
}

using Rows = std::vector<std::pair<RowKey, StoredResponse>>;

// In a catch block: what is damaged is none of a walk's; anything else ends it.
void pass_over(Error const& error) {
  if (error.code() != cache_errc::bad_value) throw;
}

Rows read_page(Handle& handle, LargeBodies& bodies, RowKey after, std::size_t limit) {
  Rows page;
  bool more = true;
  while (more && page.empty()) {  // what is about to be removed is passed over
    handle.check_cancelled();
    std::vector<RowKey> const rows = rows_after(handle, after, limit);
    for (RowKey const& row : rows) {
      try {
        std::optional<StoredResponse> response =
            detail::read_variant(handle, bodies, row.key(), row.variant());
        if (response) page.emplace_back(row, std::move(*response));
      } catch (Error const& error) {
        pass_over(error);
      }
    }
    more = !rows.empty();
    if (more) after = rows.back();
  }
  return page;
}

bool remove_variant(Handle& handle, RowKey const& row) {
  std::optional<std::int64_t> const id = detail::find_variant(handle, row.key(), row.variant());
  if (id) detail::remove_row(handle, *id);
  return id.has_value();
}

asio::awaitable<CachedResponse> read_whole(StoredResponse stored) {
  std::shared_ptr<std::string const> text = stored.body().text();
  if (!text) {
    std::unique_ptr<BodyReader> const reader = stored.body().open();
    text = co_await detail::read_rest(*reader, stored.body().size(), stored.url().str());
  }
  Response whole(static_cast<ResponseHead&&>(stored), std::move(text));
  co_return CachedResponse(std::move(whole), static_cast<CacheInfo&&>(stored));
}

std::uint64_t count(Handle& handle, char const* sql) {
  sqlite::Statement rows = handle.statement(sql);
  return rows.step() ? static_cast<std::uint64_t>(rows.integer(0)) : 0;
}

// Walks a view of its own: a cursor goes on when the one that it is of has gone.
template <class View, class T, class Projection>
class ViewSource final : public CursorSource<T> {
 public:
  explicit ViewSource(SQLiteBackend const& backend) : view_(backend), pages_(view_) {}
  asio::awaitable<std::vector<T>> fetch() override { return pages_.fetch(); }

 private:
  View view_;
  detail::PageSource<typename View::value_type, T, Projection> pages_;
};

}  // namespace

class SQLiteBackend::ResponseView final : public BaseCache<CachedResponse> {
 public:
  explicit ResponseView(SQLiteBackend const& backend) : backend_(backend) {}

  asio::awaitable<std::optional<CachedResponse>> read(std::string key) override {
    std::optional<RowKey> const row = RowKey::parse(key);
    std::shared_ptr<LargeBodies> const bodies = this->bodies();
    std::optional<CachedResponse> response;
    if (!row) co_return response;
    auto job = [&](Handle& handle) {
      return detail::read_variant(handle, *bodies, row->key(), row->variant());
    };
    std::optional<StoredResponse> stored = co_await bodies->read(job);
    if (!stored) co_return response;
    CachedResponse whole = co_await read_whole(std::move(*stored));
    response.emplace(std::move(whole));
    co_return response;
  }

  asio::awaitable<void> write(std::string key, CachedResponse value) override {
    std::shared_ptr<Impl> const impl = backend_.impl_;
    StoredResponse response(value);
    RowKey const own(response.key().empty() ? create_key(response.url()) : response.key(),
                     create_variant(response));
    if (key != own.text())
      throw Error(cache_errc::invalid_argument, impl->path() + ": the response of " + response.url().str() +
                                                    " goes under the key " + own.text());
    co_await Impl::store(impl, impl->bodies(), std::move(response), IsCurrent(), Impl::Over::anything);
  }

  asio::awaitable<bool> contains(std::string key) override {
    std::optional<RowKey> const row = RowKey::parse(key);
    std::shared_ptr<LargeBodies> const bodies = this->bodies();
    if (!row) co_return false;
    auto job = [&](Handle& handle) {
      return detail::find_variant(handle, row->key(), row->variant()).has_value();
    };
    co_return co_await bodies->read(job);
  }

  asio::awaitable<bool> remove(std::string key) override {
    std::vector<std::string> keys(1, std::move(key));
    std::size_t const removed = co_await bulk_remove(std::move(keys));
    co_return removed != 0;
  }

  asio::awaitable<std::size_t> bulk_remove(std::vector<std::string> keys) override {
    std::vector<RowKey> rows;
    for (std::string const& key : keys) {
      std::optional<RowKey> row = RowKey::parse(key);
      if (row) rows.push_back(std::move(*row));
    }
    std::shared_ptr<LargeBodies> const bodies = this->bodies();
    Writing const writing(bodies->database().epochs());
    auto job = [&](Handle& handle) {
      std::size_t removed = 0;
      for (RowKey const& row : rows) removed += remove_variant(handle, row) ? 1 : 0;
      bodies->sweep(handle);
      return removed;
    };
    co_return co_await bodies->write(job);
  }

  asio::awaitable<std::optional<CachedResponse>> pop(std::string key) override {
    std::optional<RowKey> const row = RowKey::parse(key);
    std::shared_ptr<LargeBodies> const bodies = this->bodies();
    std::optional<CachedResponse> response;
    if (!row) co_return response;
    Writing const writing(bodies->database().epochs(), row->key());
    auto job = [&](Handle& handle) {
      std::optional<StoredResponse> stored =
          detail::read_variant(handle, *bodies, row->key(), row->variant());
      if (stored) remove_variant(handle, *row);
      bodies->sweep(handle);  // not the body that is held here
      return stored;
    };
    std::optional<StoredResponse> stored = co_await bodies->write(job);
    if (!stored) co_return response;
    CachedResponse whole = co_await read_whole(std::move(*stored));
    response.emplace(std::move(whole));
    co_return response;
  }

  asio::awaitable<void> clear() override {
    std::shared_ptr<LargeBodies> const bodies = this->bodies();
    Writing const writing(bodies->database().epochs());
    auto job = [&](Handle& handle) {
      LargeBodies::clear(handle);
      bodies->sweep(handle);
    };
    co_await bodies->write(job);
  }

  asio::awaitable<std::uint64_t> size() override {
    std::shared_ptr<LargeBodies> const bodies = this->bodies();
    auto job = [](Handle& handle) { return count(handle, detail::sql::count_responses); };
    co_return co_await bodies->read(job);
  }

  asio::awaitable<std::vector<Entry>> page(std::optional<std::string> after, std::size_t limit) override {
    std::shared_ptr<LargeBodies> const bodies = this->bodies();
    RowKey from = after ? RowKey::place(*after) : RowKey();
    auto job = [&](Handle& handle) { return read_page(handle, *bodies, from, limit); };
    std::vector<Entry> entries;
    bool more = true;
    while (more && entries.empty()) {
      Rows rows = co_await bodies->read(job);
      entries.reserve(rows.size());
      for (auto& [key, stored] : rows) {
        try {
          CachedResponse whole = co_await read_whole(std::move(stored));
          entries.emplace_back(key.text(), std::move(whole));
        } catch (Error const& error) {
          pass_over(error);
        }
      }
      more = !rows.empty();
      if (more) from = rows.back().first;
    }
    co_return entries;
  }

  asio::awaitable<void> close() override { return Impl::close(backend_.impl_); }

  Cursor<std::string> keys() override { return Cursor<std::string>(std::make_unique<KeySource>(backend_)); }
  Cursor<CachedResponse> values() override {
    return Cursor<CachedResponse>(
        std::make_unique<ViewSource<ResponseView, CachedResponse, detail::ValueOf>>(backend_));
  }
  Cursor<Entry> entries() override {
    return Cursor<Entry>(std::make_unique<ViewSource<ResponseView, Entry, detail::WholeEntry>>(backend_));
  }

 private:
  // Without the responses.
  class KeySource final : public CursorSource<std::string> {
   public:
    explicit KeySource(SQLiteBackend const& backend) : impl_(backend.impl_) {}

    asio::awaitable<std::vector<std::string>> fetch() override {
      std::shared_ptr<LargeBodies> const bodies = impl_->bodies();
      auto job = [&](Handle& handle) {
        return rows_after(handle, after_, static_cast<std::size_t>(detail::slice_rows),
                          detail::sql::variant_keys_after);
      };
      std::vector<RowKey> const rows = co_await bodies->read(job);
      std::vector<std::string> keys;
      for (RowKey const& row : rows) keys.push_back(row.text());
      if (!rows.empty()) after_ = rows.back();
      co_return keys;
    }

   private:
    std::shared_ptr<Impl> const impl_;
    RowKey after_;
  };

  std::shared_ptr<LargeBodies> bodies() const { return backend_.impl_->bodies(); }

  SQLiteBackend const backend_;
};

class SQLiteBackend::RedirectView final : public BaseCache<std::string> {
 public:
  explicit RedirectView(SQLiteBackend const& backend) : backend_(backend) {}

  asio::awaitable<std::optional<std::string>> read(std::string key) override {
    std::shared_ptr<LargeBodies> const bodies = this->bodies();
    std::string const from = key_of(key);
    auto job = [&](Handle& handle) { return find(handle, from); };
    co_return co_await bodies->read(job);
  }

  asio::awaitable<void> write(std::string key, std::string value) override {
    Url from(key), to(value);
    co_await backend_.store_alias(std::move(from), std::move(to));
  }

  asio::awaitable<bool> contains(std::string key) override {
    std::optional<std::string> const target = co_await read(std::move(key));
    co_return target.has_value();
  }

  asio::awaitable<bool> remove(std::string key) override {
    std::optional<std::string> const target = co_await pop(std::move(key));
    co_return target.has_value();
  }

  asio::awaitable<std::size_t> bulk_remove(std::vector<std::string> keys) override {
    std::shared_ptr<LargeBodies> const bodies = this->bodies();
    for (std::string& key : keys) key = key_of(key);
    auto job = [&](Handle& handle) {
      std::size_t removed = 0;
      for (std::string const& key : keys) removed += drop(handle, key) ? 1 : 0;
      return removed;
    };
    co_return co_await bodies->write(job);
  }

  asio::awaitable<std::optional<std::string>> pop(std::string key) override {
    std::shared_ptr<LargeBodies> const bodies = this->bodies();
    std::string const from = key_of(key);
    auto job = [&](Handle& handle) {
      std::optional<std::string> target = find(handle, from);
      if (target) drop(handle, from);
      return target;
    };
    co_return co_await bodies->write(job);
  }

  asio::awaitable<void> clear() override {
    std::shared_ptr<LargeBodies> const bodies = this->bodies();
    auto job = [](Handle& handle) { handle.statement(detail::sql::clear_redirects).run(); };
    co_await bodies->write(job);
  }

  asio::awaitable<std::uint64_t> size() override {
    std::shared_ptr<LargeBodies> const bodies = this->bodies();
    auto job = [](Handle& handle) { return count(handle, detail::sql::count_redirects); };
    co_return co_await bodies->read(job);
  }

  asio::awaitable<std::vector<Entry>> page(std::optional<std::string> after, std::size_t limit) override {
    std::shared_ptr<LargeBodies> const bodies = this->bodies();
    std::string const from = after.value_or(std::string());
    auto job = [&](Handle& handle) {
      std::vector<Entry> entries;
      sqlite::Statement select = handle.statement(detail::sql::aliases_after);
      select.bind_text(1, from).bind(2, static_cast<std::int64_t>(limit));
      while (select.step()) entries.emplace_back(select.bytes(0), select.bytes(1));
      return entries;
    };
    co_return co_await bodies->read(job);
  }

  asio::awaitable<void> close() override { return Impl::close(backend_.impl_); }

  Cursor<std::string> keys() override {
    return Cursor<std::string>(
        std::make_unique<ViewSource<RedirectView, std::string, detail::KeyOf>>(backend_));
  }
  Cursor<std::string> values() override {
    return Cursor<std::string>(
        std::make_unique<ViewSource<RedirectView, std::string, detail::ValueOf>>(backend_));
  }
  Cursor<Entry> entries() override {
    return Cursor<Entry>(std::make_unique<ViewSource<RedirectView, Entry, detail::WholeEntry>>(backend_));
  }

 private:
  std::shared_ptr<LargeBodies> bodies() const { return backend_.impl_->bodies(); }

  // Of a row; what is no URL has none.
  std::string key_of(std::string const& text) const {
    std::optional<Url> const url = Url::parse(text);
    return url ? create_key(*url, backend_.options()) : std::string();
  }
  static std::optional<std::string> find(Handle& handle, std::string const& key) {
    sqlite::Statement select = handle.statement(detail::sql::alias);
    select.bind_text(1, key);
    return select.step() ? std::optional<std::string>(select.bytes(0)) : std::nullopt;
  }
  static bool drop(Handle& handle, std::string const& key) {
    handle.statement(detail::sql::remove_alias).bind_text(1, key).run();
    return handle.changes() != 0;
  }

  SQLiteBackend backend_;
};

std::shared_ptr<BaseCache<CachedResponse>> SQLiteBackend::responses() const {
  return std::make_shared<ResponseView>(*this);
}
std::shared_ptr<BaseCache<std::string>> SQLiteBackend::redirects() const {
  return std::make_shared<RedirectView>(*this);
}

}  // namespace v1
}  // namespace beast_cache
