#pragma once
// What a gateway changes in the messages that pass through it. Functions of their arguments, no I/O.

#include <beast_cache/http/request.hpp>
#include <beast_cache/http/response.hpp>
#include <boost/beast/http/message.hpp>
#include <optional>
#include <string>
#include <string_view>

/// Why a request is not passed on.
struct Refusal {
  Refusal(unsigned s, std::string r) : status(s), reason(std::move(r)) {}
  unsigned status;
  std::string reason;
};

using RequestHead = boost::beast::http::header<true>;

/// What is wrong with a request, if anything: RFC 9112 and RFC 9110 by section, in the order that they are
/// read.
std::optional<Refusal> find_fault(RequestHead const& head);

/// The same request for the origin: method, target, and end-to-end fields as they came. Host becomes the
/// origin's: the cache's key is the URL at the origin, so a Host that the client chooses could poison it.
/// @return Nothing when the target makes no URL.
std::optional<beast_cache::Request> create_request(RequestHead const& head, beast_cache::Url const& origin);

/// Whether a request target has dot segments, which go to the origin as they came and have no place in the
/// URL that the cache goes by: what the origin makes of them is not for that URL.
bool has_dot_segments(std::string_view target);

/// Counts down Max-Forwards. False when the request may go no further (RFC 9110 section 7.6.2).
bool may_forward(beast_cache::Request& request);

/// Removes the fields that are for one connection only, and those that Connection names (RFC 9110
/// section 7.6.1).
void erase_hop_by_hop(boost::beast::http::fields& fields);

/// RFC 9110 section 7.6.3. @param version That of the message as it was received, 10 or 11.
void add_via(boost::beast::http::fields& fields, unsigned version);

/// A header or trailer section with its empty line.
std::string serialise(boost::beast::http::fields const& fields);
/// The same after a status line.
std::string serialise(unsigned status, std::string_view reason, boost::beast::http::fields const& fields);

/// The standard's reason phrase; empty for a status that it does not know.
std::string reason_of(unsigned status);
