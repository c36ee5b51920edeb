// The policy benchmark: what a decision costs, and the reading of the field that it depends on most.

#include <string>
#include <vector>

#include "beast_cache/policy/strategy.hpp"
#include "support/allocations.hpp"
#include "support/meter.hpp"
#include "support/suite.hpp"

namespace bench {
namespace {

namespace http = boost::beast::http;
namespace policy = beast_cache::policy;
using beast_cache::TimePoint;

constexpr TimePoint now{std::chrono::sys_days{std::chrono::year{2026} / 1 / 1}};
constexpr std::chrono::seconds ago{30};

/// What a browser sends, near enough.
http::fields request_fields() {
  http::fields f;
  f.insert(http::field::host, "example.org");
  f.insert(http::field::user_agent, "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0");
  f.insert(http::field::accept, "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8");
  f.insert(http::field::accept_language, "en-GB,en;q=0.5");
  f.insert(http::field::accept_encoding, "gzip, deflate, br, zstd");
  f.insert(http::field::connection, "keep-alive");
  return f;
}

/// What a server answers, near enough.
http::fields response_fields() {
  http::fields f;
  f.insert(http::field::date, beast_cache::format_http_date(now - ago));
  f.insert(http::field::server, "nginx");
  f.insert(http::field::content_type, "text/html; charset=utf-8");
  f.insert(http::field::content_length, "5120");
  f.insert(http::field::last_modified, beast_cache::format_http_date(now - std::chrono::hours{100}));
  f.insert(http::field::etag, "\"5d8c72a5edda8\"");
  f.insert(http::field::cache_control, "public, max-age=3600, stale-while-revalidate=60");
  f.insert(http::field::vary, "Accept-Encoding");
  f.insert(http::field::age, "12");
  f.insert("X-Content-Type-Options", "nosniff");
  return f;
}

/// Runs `operation` in batches, which are long beside a look at the clock.
template <class Operation>
Figures measure(Operation operation) {
  constexpr std::size_t batch = 256;
  Meter meter = Meter::timed(20, 0.3);
  count_allocations(true);
  std::size_t const before = allocations();
  while (meter.next()) {
    for (std::size_t i = 0; i < batch; ++i) operation();
  }
  meter.finish();
  std::size_t const allocated = allocations() - before;
  return {{"ns", 1e9 / (meter.rate() * static_cast<double>(batch))},
          {"allocations", static_cast<double>(allocated) / static_cast<double>(meter.measured() * batch)}};
}

/// Keeps a value from being left uncomputed.
template <class T>
void use(T const& value) {
  asm volatile("" : : "g"(&value) : "memory");
}

Figures plain_hit(Arguments const&) {
  auto const request = request_fields();
  auto const response = response_fields();
  http::fields nominated;
  nominated.insert(http::field::accept_encoding, "gzip, deflate, br, zstd");
  policy::Options const options;
  policy::StoredView stored{200, response, now - ago, now - ago};
  stored.vary_request_headers(nominated);
  policy::RequestView const view{http::verb::get, request};
  if (policy::evaluate(view, &stored, options, now).action() != policy::Action::serve) std::terminate();
  return measure([&] { use(policy::evaluate(view, &stored, options, now)); });
}

Figures ten_variants(Arguments const&) {
  auto const request = request_fields();
  auto response = response_fields();
  response.set(http::field::vary, "Accept-Encoding, Accept-Language");
  std::vector<http::fields> nominated(10);
  std::vector<policy::StoredView> variants;
  for (int i = 0; i < 10; ++i) {
    auto& fields = nominated[static_cast<std::size_t>(i)];
    fields.insert(http::field::accept_encoding, "gzip, deflate, br, zstd");
    // The one that matches is the last.
    fields.insert(http::field::accept_language,
                  i == 9 ? "en-GB,en;q=0.5" : "de-" + std::to_string(i) + ",de;q=0.5");
    variants.push_back(policy::StoredView{200, response, now - ago, now - ago}.vary_request_headers(fields));
  }
  policy::Options const options;
  policy::RequestView const view{http::verb::get, request};
  if (policy::evaluate(view, variants, options, now).selected() != &variants[9]) std::terminate();
  return measure([&] { use(policy::evaluate(view, variants, options, now)); });
}

Figures cache_control(Arguments const&) {
  std::string const line = "public, max-age=3600, stale-while-revalidate=60";
  return measure([&] {
    use(line);
    policy::CacheControl control;
    control.add(line);
    use(control);
  });
}

Suite make_suite() {
  Suite suite;
  suite.name = "policy";
  suite.variants = {
      {"plain-hit", plain_hit}, {"ten-variants", ten_variants}, {"cache-control", cache_control}};
  auto const add = [&](std::string const& name, std::string const& variant, double goal, bool is_decision) {
    Case one;
    one.contestants = {{name, variant, Arguments()}};
    one.rows = {plain(name, "ns", name, "ns", Goal::at_most(goal))};
    if (is_decision) {
      one.rows.push_back(plain(name + ", allocations", "", name, "allocations", Goal::at_most(0)));
    }
    suite.cases.push_back(std::move(one));
  };
  add("decision on a plain hit", "plain-hit", 1000, true);
  add("decision with ten variants", "ten-variants", 4000, true);
  add("parsing a typical Cache-Control", "cache-control", 200, false);
  return suite;
}

int run(Arguments const& arguments) {
  Suite const suite = make_suite();
  if (arguments.has("variant")) return child_main(suite.variants, arguments);
  run_suite(suite, arguments);
  return 0;
}

}  // namespace
}  // namespace bench

int main(int argc, char** argv) {
  return bench::guarded(bench::run, argc, argv);
}
