// Cache-Control and CDN-Cache-Control: any bytes are read, what a plain line forbids is never lost, and what
// was understood, written again, is understood the same.

#include <string>

#include "beast_cache/policy/response_facts.hpp"
#include "fuzz/fuzz.hpp"

namespace policy = beast_cache::policy;

namespace {

/// All that was understood, as a field value.
std::string written(policy::CacheControl const& c) {
  std::string text;
  auto const flag = [&](bool on, char const* name) {
    if (on) text.append(name).append(", ");
  };
  auto const number = [&](policy::CacheControl::Delta const& d, char const* name) {
    if (d) text.append(name).append("=").append(std::to_string(d->count())).append(", ");
  };
  flag(c.no_store(), "no-store");
  flag(c.no_cache(), "no-cache");
  flag(c.no_cache_fields(), "no-cache=\"x\"");
  flag(c.is_private(), "private");
  flag(c.private_fields(), "private=\"x\"");
  flag(c.is_public(), "public");
  flag(c.must_revalidate(), "must-revalidate");
  flag(c.proxy_revalidate(), "proxy-revalidate");
  flag(c.must_understand_clean(), "must-understand");
  flag(c.only_if_cached(), "only-if-cached");
  flag(c.has_max_stale() && !c.max_stale(), "max-stale");
  number(c.max_stale(), "max-stale");
  number(c.max_age(), "max-age");
  number(c.s_maxage(), "s-maxage");
  number(c.min_fresh(), "min-fresh");
  number(c.stale_while_revalidate(), "stale-while-revalidate");
  number(c.stale_if_error(), "stale-if-error");
  return text;
}

}  // namespace

int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  auto const lines = fuzz::lines_of(fuzz::text_of(data, size));
  policy::CacheControl control;
  bool forbidden = false;
  for (auto const line : lines) {
    control.add(line);
    if (line.find('"') != line.npos) continue;
    policy::detail::for_each_member(line, [&](std::string_view member) {
      forbidden = forbidden || policy::detail::iequals(member, "no-store");
      return true;
    });
  }
  fuzz::require(!forbidden || control.no_store());
  auto const once = written(control);
  policy::CacheControl again;
  again.add(once);
  fuzz::require(written(again) == once);

  fuzz::http::fields headers;
  for (std::size_t i = 0; i < lines.size() && i < 20; ++i) {
    if (lines[i].size() < 10'000) headers.insert(i % 2 ? "Cache-Control" : "CDN-Cache-Control", lines[i]);
  }
  auto const shared = policy::Options{}.mode(policy::CacheMode::shared_cache);
  auto const effective = policy::effective_control(headers, shared);
  auto const listed = policy::for_each_listed_field(headers, shared, "no-cache", [](std::string_view name) {
    fuzz::require(policy::detail::is_token(name));
    return true;
  });
  fuzz::require(listed);
  fuzz::require(written(policy::effective_control(headers, shared)) == written(effective));
  return 0;
}
