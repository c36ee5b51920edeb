#pragma once
/// \file bulk_commit.hpp
/// Many writes that become one commit.

#include <boost/asio/awaitable.hpp>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>

#include "beast_cache/config.hpp"

namespace beast_cache {
inline namespace v1 {

/// What a bulk did so far, in its net effect: the table is emptied first if `cleared`, then each key is
/// written, or removed where there is no value.
template <class Value>
class BulkChanges {
 public:
  BulkChanges() = default;
  bool cleared = false;
  std::unordered_map<std::string, std::optional<Value>> entries;
  bool empty() const noexcept { return !cleared && entries.empty(); }
};

/// Where a bulk goes to. Implemented by the caches that offer `bulk_commit`.
template <class Value>
class BulkTarget {
 public:
  BulkTarget() = default;
  BulkTarget(BulkTarget const&) = delete;
  BulkTarget& operator=(BulkTarget const&) = delete;
  virtual ~BulkTarget() = default;
  virtual asio::awaitable<std::optional<Value>> read(std::string key) = 0;
  virtual asio::awaitable<void> apply(BulkChanges<Value> changes) = 0;
};

/// A scope in which writes are gathered, to be applied in one transaction by `commit`. Without it (an
/// exception, a cancellation, the end of the scope) nothing of them happens.
///
///     auto bulk = cache.bulk_commit();
///     for (auto& [key, value] : many) co_await bulk.write(key, value);
///     co_await bulk.commit();
///
/// The changes are held in memory until then, so that a write here takes neither a thread hop nor the file's
/// lock, and everyone else's writes go on. The owner sees its own changes, nobody else does before the
/// commit. An empty bulk commits nothing.
///
/// Lifetime: keeps the cache's file open.
/// Thread safety: one object is used by one coroutine at a time.
template <class Value>
class BulkCommit {
 public:
  explicit BulkCommit(std::shared_ptr<BulkTarget<Value>> target)
      : scope_(std::make_shared<Scope>(std::move(target), nullptr)) {}
  BulkCommit(BulkCommit&&) noexcept = default;
  BulkCommit& operator=(BulkCommit&&) noexcept = default;

  /// As in `BaseCache`, within the scope.
  asio::awaitable<void> write(std::string key, Value value) {
    scope_->changes.entries.insert_or_assign(std::move(key), std::optional<Value>(std::move(value)));
    co_return;
  }

  /// Removes \p key, if it is there.
  asio::awaitable<void> remove(std::string key) {
    scope_->changes.entries.insert_or_assign(std::move(key), std::optional<Value>());
    co_return;
  }

  /// Removes everything.
  asio::awaitable<void> clear() {
    scope_->changes.entries.clear();
    scope_->changes.cleared = true;
    co_return;
  }

  /// The value as it would be after the commit: one hop if the bulk did not touch the key.
  asio::awaitable<std::optional<Value>> read(std::string key) {
    for (std::shared_ptr<Scope> scope = scope_; scope; scope = scope->parent) {
      if (auto const at = scope->changes.entries.find(key); at != scope->changes.entries.end()) {
        co_return at->second;
      }
      if (scope->changes.cleared) co_return std::nullopt;
    }
    std::shared_ptr<BulkTarget<Value>> const target = scope_->target;
    std::optional<Value> value = co_await target->read(std::move(key));
    co_return value;
  }

  asio::awaitable<bool> contains(std::string key) {
    std::optional<Value> const value = co_await read(std::move(key));
    co_return value.has_value();
  }

  /// A scope within this one: its `commit` adds its changes to this one's, without it they are dropped.
  BulkCommit bulk_commit() { return BulkCommit(std::make_shared<Scope>(scope_->target, scope_)); }

  /// Applies the changes, all of them or none, and resumes when they are committed. The scope is empty
  /// afterwards, also if that failed, and may be used again.
  asio::awaitable<void> commit() {
    std::shared_ptr<Scope> const scope = scope_;
    BulkChanges<Value> changes = std::exchange(scope->changes, BulkChanges<Value>());
    if (changes.empty()) co_return;
    if (!scope->parent) {
      co_await scope->target->apply(std::move(changes));
      co_return;
    }
    BulkChanges<Value>& outer = scope->parent->changes;
    if (changes.cleared) {
      outer.entries.clear();
      outer.cleared = true;
    }
    for (auto& entry : changes.entries) {
      outer.entries.insert_or_assign(entry.first, std::move(entry.second));
    }
  }

  /// Drops the changes.
  void rollback() noexcept { scope_->changes = BulkChanges<Value>(); }

 private:
  class Scope {
   public:
    Scope(std::shared_ptr<BulkTarget<Value>> t, std::shared_ptr<Scope> p)
        : target(std::move(t)), parent(std::move(p)) {}
    std::shared_ptr<BulkTarget<Value>> target;
    std::shared_ptr<Scope> parent;
    BulkChanges<Value> changes;
  };
  explicit BulkCommit(std::shared_ptr<Scope> scope) : scope_(std::move(scope)) {}

  std::shared_ptr<Scope> scope_;
};

}  // namespace v1
}  // namespace beast_cache
