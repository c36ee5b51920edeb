#pragma once
/// \file bulk_commit.hpp
/// Many writes that become one commit.

#include <boost/asio/awaitable.hpp>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "beast_cache/error.hpp"

namespace beast_cache {
inline namespace v1 {

/// A part of what a bulk does, in the order of its members.
template <class Value>
class BulkPart {
 public:
  using Entry = std::pair<std::string, std::optional<Value>>;
  BulkPart() = default;
  int undo = 0;                ///< the depth of a nested scope whose parts are taken back; 0 for none
  int enter = 0;               ///< of a nested scope that begins with this part; 0 for none
  bool clear = false;          ///< everything is removed
  std::vector<Entry> entries;  ///< written, or removed where there is no value
  int leave = 0;               ///< of a nested scope whose parts become its outer one's; 0 for none
  bool commit = false;         ///< the bulk ends
};

/// Where a bulk goes to. Implemented by the caches that offer `bulk_commit`; destroying it rolls back what
/// was applied and not committed.
template <class Value>
class BulkTarget {
 public:
  BulkTarget() = default;
  BulkTarget(BulkTarget const&) = delete;
  BulkTarget& operator=(BulkTarget const&) = delete;
  virtual ~BulkTarget() = default;
  /// The value as it is after the parts so far.
  virtual asio::awaitable<std::optional<Value>> read(std::string key) = 0;
  virtual asio::awaitable<void> apply(BulkPart<Value> part) = 0;
  /// Rolls back; the next part begins anew.
  virtual void abandon() noexcept = 0;
  /// About how much memory a value takes.
  virtual std::size_t size_of(Value const& value) const noexcept = 0;
};

/// A scope whose writes become one transaction, ended by `commit`. Without it (an exception, a cancellation,
/// the end of the scope) nothing of them happens.
///
///     auto bulk = cache.bulk_commit();
///     for (auto& [key, value] : many) co_await bulk.write(key, value);
///     co_await bulk.commit();
///
/// The writes are gathered in memory: most of them complete at once, without a hop. Up to 8 MiB in
/// 32 768 entries are held back until the commit, so that a bulk of that size keeps nobody waiting. A bigger
/// one begins its transaction then and goes on in parts of 1 MiB. From there to its end other writes, of this
/// process and of others, queue behind it, and fail with `cache_errc::busy` if that takes longer than the
/// busy timeout: so does one that the bulk's own coroutine awaits outside of the bulk. Reads never wait, but
/// in a `:memory:` database, whose only handle the bulk has.
///
/// The owner sees its own changes, nobody else sees any before the commit. An empty bulk commits nothing.
///
/// Errors: once an operation of the bulk has failed, all the following fail with the same error until
/// `commit` has thrown it too or `rollback` was called; nothing was written. What a `write` was given may be
/// found wrong by a later operation, at the latest by `commit`. What is refused because a nested bulk has
/// changes (`cache_errc::invalid_argument`) leaves the bulk as it is. Cancellation: the same.
/// Lifetime: keeps the cache's file open, until `close()` of the cache: that rolls back, and what follows
/// fails with `cache_errc::closed`.
/// Thread safety: one object, with those nested in it, is used by one coroutine at a time.
template <class Value>
class BulkCommit {
 public:
  explicit BulkCommit(std::shared_ptr<BulkTarget<Value>> target)
      : scope_(std::make_shared<Scope>(std::make_shared<Root>(std::move(target)), nullptr)) {}
  BulkCommit(BulkCommit&&) noexcept = default;
  BulkCommit& operator=(BulkCommit&&) noexcept = default;

  /// As in `BaseCache`, within the scope.
  asio::awaitable<void> write(std::string key, Value value) {
    std::shared_ptr<Scope> const scope = scope_;
    scope->begin_change();
    scope->bytes += key.size() + scope->root->target->size_of(value) + sizeof(Entry);
    scope->part.entries.emplace_back(std::move(key), std::move(value));
    if (scope->is_full()) co_await send(scope);
  }

  /// Removes \p key, if it is there.
  asio::awaitable<void> remove(std::string key) {
    std::shared_ptr<Scope> const scope = scope_;
    scope->begin_change();
    scope->bytes += key.size() + sizeof(Entry);
    scope->part.entries.emplace_back(std::move(key), std::nullopt);
    if (scope->is_full()) co_await send(scope);
  }

  /// Removes everything.
  asio::awaitable<void> clear() {
    scope_->begin_change();
    scope_->forget_entries();
    scope_->part.clear = true;
    co_return;
  }

  /// The value as it would be after the commit: one hop if the scope does not hold it.
  asio::awaitable<std::optional<Value>> read(std::string key) {
    scope_->check_failure();
    Scope const* inner = nullptr;
    for (std::shared_ptr<Scope> scope = scope_; scope; inner = scope.get(), scope = scope->parent) {
      if (scope->nested && scope->nested != inner && scope->nested->has_begun()) scope->refuse();
      if (Entry const* const entry = scope->find(key)) co_return entry->second;
      if (scope->part.clear) co_return std::nullopt;
      // What a nested scope did is still in the transaction.
      if (scope->is_to_undo()) co_await send(scope);
    }
    std::shared_ptr<Root> const root = scope_->root;
    std::optional<Value> value;
    std::exception_ptr failure;
    try {
      value = co_await root->target->read(std::move(key));
    } catch (...) {
      failure = std::current_exception();
    }
    if (failure) {
      root->abandon();
      root->failure = failure;
      std::rethrow_exception(failure);
    }
    co_return value;
  }

  asio::awaitable<bool> contains(std::string key) {
    std::optional<Value> const value = co_await read(std::move(key));
    co_return value.has_value();
  }

  /// A scope within this one: its `commit` adds its changes to this one's, which are then held back or sent
  /// as if they had been written there; without it they are dropped. While it has changes, neither
  /// this one nor another in it is written to or committed, nor are they read once the changes are in the
  /// transaction: that fails with `cache_errc::invalid_argument`.
  BulkCommit bulk_commit() { return BulkCommit(std::make_shared<Scope>(scope_->root, scope_)); }

  /// Applies the changes, all of them or none, and resumes when they are committed. The scope is empty
  /// afterwards, also if that failed, and may be used again.
  asio::awaitable<void> commit() {
    std::shared_ptr<Scope> const scope = scope_;
    if (scope->root->failure && !scope->parent) {
      std::exception_ptr const failure = scope->root->failure;
      scope->drop();
      std::rethrow_exception(failure);
    }
    scope->check_failure();
    if (scope->nested) scope->refuse();
    if (!scope->parent) {
      if (!scope->is_empty() || scope->has_begun()) co_await send(scope, true);
    } else if (scope->has_begun()) {
      co_await send(scope, true);
    } else {
      scope->merge();
      scope->leave();
      if (scope->parent->is_full()) co_await send(scope->parent);
    }
  }

  /// Drops the changes, and those of the scopes nested in this one.
  void rollback() noexcept { scope_->drop(); }

 private:
  using Entry = typename BulkPart<Value>::Entry;

  class Root {
   public:
    explicit Root(std::shared_ptr<BulkTarget<Value>> t) noexcept : target(std::move(t)) {}

    void abandon() noexcept {
      ++transaction;
      target->abandon();
    }

    std::shared_ptr<BulkTarget<Value>> target;
    std::exception_ptr failure;
    std::uint64_t transaction = 1;  // the number of the next one, or of the one that has begun
  };

  class Scope {
   public:
    Scope(std::shared_ptr<Root> r, std::shared_ptr<Scope> p)
        : root(std::move(r)), parent(std::move(p)), depth(parent ? parent->depth + 1 : 0) {}
    Scope(Scope const&) = delete;
    Scope& operator=(Scope const&) = delete;
    ~Scope() {
      if (parent) drop();
    }

    void check_failure() const {
      if (root->failure) std::rethrow_exception(root->failure);
    }

    [[noreturn]] static void refuse() {
      throw Error(cache_errc::invalid_argument,
                  "a bulk_commit nested in this one has changes; commit it or let it go first");
    }

    // From here on the outer scopes, and others nested in them, wait for this one.
    void begin_change() {
      check_failure();
      if (nested) refuse();
      for (Scope* scope = this; scope->parent; scope = scope->parent.get()) {
        if (scope->parent->nested && scope->parent->nested != scope) refuse();
      }
      for (Scope* scope = this; scope->parent; scope = scope->parent.get()) scope->parent->nested = scope;
    }

    // Nobody waits any more.
    void leave() noexcept {
      if (!parent || parent->nested != this) return;
      parent->nested = nullptr;
      if (parent->is_empty() && !parent->has_begun()) parent->leave();
    }

    // Not in a transaction that is over.
    bool has_begun() const noexcept { return began == root->transaction; }
    bool is_to_undo() const noexcept { return part.undo != 0 && has_begun(); }
    bool is_empty() const noexcept { return !part.clear && part.entries.empty() && !is_to_undo(); }

    bool is_full() const noexcept {
      bool const begun = has_begun() || (parent && parent->has_begun());
      return begun ? bytes >= (std::size_t{1} << 20) || part.entries.size() >= 4096
                   : bytes >= (std::size_t{8} << 20) || part.entries.size() >= 32768;
    }

    Entry const* find(std::string const& key) {
      for (; indexed < part.entries.size(); ++indexed) index[part.entries[indexed].first] = indexed;
      auto const at = index.find(key);
      return at == index.end() ? nullptr : &part.entries[at->second];
    }

    void forget_entries() noexcept {
      part.entries.clear();
      index.clear();
      indexed = bytes = 0;
    }

    BulkPart<Value> take() {
      if (!has_begun()) part.undo = 0;
      BulkPart<Value> taken = std::exchange(part, BulkPart<Value>());
      forget_entries();
      return taken;
    }

    void merge() {
      BulkPart<Value>& outer = parent->part;
      if (part.clear) {
        parent->forget_entries();
        outer.clear = true;
      }
      parent->bytes += bytes;
      for (Entry& entry : part.entries) outer.entries.push_back(std::move(entry));
      part = BulkPart<Value>();
      forget_entries();
    }

    void drop() noexcept {
      // What it had in the transaction goes with this scope's: the rest must not be committed without it.
      if (nested) nested->drop();
      forget_entries();
      part.clear = false;
      part.undo = 0;
      bool const begun = has_begun();
      began = 0;
      if (!parent) {
        root->failure = nullptr;
        if (begun) root->abandon();
      } else if (begun) {
        parent->part.undo = depth;
      }
      leave();
    }

    std::shared_ptr<Root> root;
    std::shared_ptr<Scope> parent;
    int const depth;
    std::uint64_t began = 0;  // in which transaction it has: that, or the nested scope in it
    Scope* nested = nullptr;  // the one in this that has changes; it lets go of this before it goes
    BulkPart<Value> part;     // to be sent
    std::size_t bytes = 0;
    std::unordered_map<std::string, std::size_t> index;  // of the entries, as far as they were asked for
    std::size_t indexed = 0;
  };
  explicit BulkCommit(std::shared_ptr<Scope> scope) : scope_(std::move(scope)) {}

  // Everything that the scope holds, after what its outer ones hold.
  static asio::awaitable<void> send(std::shared_ptr<Scope> scope, bool end = false) {
    if (!end && scope->has_begun() && scope->is_empty()) co_return;
    std::shared_ptr<Root> const root = scope->root;
    bool const enters = scope->parent && !scope->has_begun();
    if (enters) co_await send(scope->parent);
    BulkPart<Value> part = scope->take();
    if (enters) part.enter = scope->depth;
    if (end && scope->parent) part.leave = scope->depth;
    part.commit = end && !scope->parent;
    scope->began = root->transaction;
    std::exception_ptr failure;
    try {
      co_await root->target->apply(std::move(part));
    } catch (...) {
      failure = std::current_exception();
    }
    if (end) {
      scope->began = 0;
      scope->leave();
    }
    if (!failure) co_return;
    root->abandon();
    // When the whole was to end, it has ended with this.
    if (!end || scope->parent) root->failure = failure;
    std::rethrow_exception(failure);
  }

  std::shared_ptr<Scope> scope_;
};

}  // namespace v1
}  // namespace beast_cache
