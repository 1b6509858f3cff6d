/* SPDX-License-Identifier: GPL-3.0-or-later */
/* http_request.c - see http_request.h.
 *
 * Theory of operation
 *
 * http_head_parse() has decided about characters and about how long the body is; here it is decided what the request
 * means. The checks run in a fixed order and the first that fails gives the answer: Host, form of the target, whom it is
 * for, login, body, Max-Forwards, circles.
 *
 * Four forms of the target (RFC 9112 section 3.2) are told apart by their look: "host:port" belongs to CONNECT only, a
 * scheme makes the absolute form, which is for somebody else, "/" is for ourselves and "*" for OPTIONS.
 *
 * The pages of our own need no login: browsers fetch a PAC file before they know of a proxy and have no way to be asked.
 * It says where things go, not what is there. So that no page in the web can read it by giving a name of its own this
 * address (DNS rebinding), a client that came over loopback must have used an address or "localhost". */
#include "socks/http_request.h"

#include <string.h>

#include "core/err.h"
#include "socks/http_auth.h"
#include "socks/http_field.h"

static void refuse(struct http_request *r, unsigned status, const char *cause, const char *advice)
{
	r->verdict = HTTP_REFUSED;
	r->status = status;
	r->cause = cause;
	r->advice = advice;
}

#define ASK_AUTHOR "Please tell the author of the client program."

static bool is_method(const struct http_head *h, const char *name)
{
	/* Methods are case-sensitive, RFC 9110 section 9.1. */
	return h->method.n == strlen(name) && memcmp(h->method.p, name, h->method.n) == 0;
}

/* --- names and addresses -------------------------------------------------------------------------------- */

/* "HOST", "HOST:", "HOST:PORT" with brackets around IPv6. Narrower than a URI allows, but as wide as names are: no
 * percent-encoding, no user, no zone. @port is taken if there is none; 0: one is needed. */
static bool read_authority(struct slice v, uint16_t port, struct dest *ret)
{
	static const char good[] = "-._:[]";
	char text[HOST_MAX + 16];

	if (port > 0 && v.n > 0 && v.p[v.n - 1] == ':')
		v.n--;
	if (v.n == 0 || v.n >= sizeof(text))
		return false;
	for (size_t i = 0; i < v.n; i++) {
		char c = (char)v.p[i];
		bool alnum = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');

		if (!alnum && (c == '\0' || !strchr(good, c)))
			return false;
		text[i] = c;
	}
	text[v.n] = '\0';
	return dest_parse(text, port, ret) == 0 && ret->name[0] != '.';
}

static bool is_loopback(const struct ip *ip)
{
	static const uint8_t one[16] = { [15] = 1 };

	return (ip->family == IP_V4 && ip->b[0] == 127) || (ip->family == IP_V6 && memcmp(ip->b, one, 16) == 0);
}

/* Does Host mean us? See the theory of operation. An HTTP/1.0 client need not say. */
static bool is_our_name(const struct http_head *h, const struct endpoint *local)
{
	struct slice host = http_head_find(h, "Host");
	struct dest d;

	if (!host.p || !is_loopback(&local->ip))
		return true;
	return read_authority(host, 80, &d) &&
	       (d.ip.family != IP_NONE ||
		http_value_is((struct slice){ .p = (const uint8_t *)d.name, .n = strlen(d.name) }, "localhost"));
}

/* RFC 9112 section 3.2: exactly one in HTTP/1.1 (that there are not two was checked), and valid in any case. */
static void check_host(const struct http_head *h, struct http_request *r)
{
	struct slice host = http_head_find(h, "Host");
	struct dest d;

	if (!host.p && h->minor > 0)
		refuse(r, 400, "The request has no Host field.", ASK_AUTHOR);
	else if (host.n > 0 && !read_authority(host, 80, &d))
		refuse(r, 400, "The Host field of the request is not a host.", ASK_AUTHOR);
}

/* --- the target ----------------------------------------------------------------------------------------- */

static bool starts_with(struct slice v, const char *text)
{
	size_t n = strlen(text);

	return v.n >= n && http_value_is((struct slice){ .p = v.p, .n = n }, text);
}

static void read_absolute(const struct http_head *h, struct http_request *r)
{
	struct slice v = h->target;
	size_t n = 0;

	if (!starts_with(v, "http://")) {
		refuse(r, starts_with(v, "https://") ? 501 : 400,
		       "This proxy forwards http: addresses, and https: only through CONNECT.",
		       "Set the client to use this proxy for HTTPS with CONNECT, as browsers and curl do.");
		return;
	}
	v.p += strlen("http://");
	v.n -= strlen("http://");
	while (n < v.n && !strchr("/?#", v.p[n]))
		n++;
	r->authority = (struct slice){ .p = v.p, .n = n };
	r->path = (struct slice){ .p = v.p + n, .n = v.n - n };
	r->verdict = HTTP_FORWARD;
	if (memchr(r->authority.p, '@', n)) /* RFC 9110 section 4.2.4 */
		refuse(r, 400, "The address has a user name or password in it, which is not sent over networks.",
		       "Take it out of the address; the server will ask for it.");
	else if (!read_authority(r->authority, 80, &r->dest))
		refuse(r, 400, "The address has no valid host in it.", "Check the address for a typing mistake.");
	else if (r->path.n > 0 && memchr(r->path.p, '#', r->path.n))
		refuse(r, 400, "The address has a fragment (#) in it.", ASK_AUTHOR);
}

/* Without an address there is nothing that a PAC file could name. */
static bool is_page(struct slice path, const struct endpoint *local)
{
	return http_value_is(path, "/") || (http_value_is(path, "/proxy.pac") && local->ip.family != IP_NONE);
}

static void read_origin(const struct http_head *h, const struct endpoint *local, struct http_request *r)
{
	size_t n = h->target.n;
	const uint8_t *query = memchr(h->target.p, '?', n);
	struct slice path = { .p = h->target.p, .n = query ? (size_t)(query - h->target.p) : n };

	if (!is_our_name(h, local))
		refuse(r, 421, "This is a proxy, not the server that the request names.",
		       "Set this address as the proxy of your browser; open it by its address to see its pages.");
	else if (!is_page(path, local))
		refuse(r, 404, "This is a proxy; it has no such page.",
		       "Pages of the private network are reached by setting this address as the proxy.");
	else if (is_method(h, "OPTIONS"))
		r->verdict = HTTP_OPTIONS;
	else if (!is_method(h, "GET") && !is_method(h, "HEAD"))
		refuse(r, 405, "The pages of this proxy itself can only be read.",
		       "Requests to other servers need a client that was told to use this address as its proxy.");
	else
		r->verdict = path.n == 1 ? HTTP_INDEX : HTTP_PAC;
}

static void read_target(const struct http_head *h, const struct endpoint *local, struct http_request *r)
{
	if (is_method(h, "CONNECT")) {
		r->verdict = HTTP_TUNNEL;
		if (!read_authority(h->target, 0, &r->dest))
			refuse(r, 400, "CONNECT needs a host and a port.", "For example: CONNECT example.com:443");
	} else if (h->target.p[0] == '/') {
		read_origin(h, local, r);
	} else if (http_value_is(h->target, "*")) {
		r->verdict = HTTP_OPTIONS;
		if (!is_method(h, "OPTIONS"))
			refuse(r, 400, "Only OPTIONS can be asked of \"*\".", ASK_AUTHOR);
	} else {
		read_absolute(h, r);
	}
}

/* --- the other questions -------------------------------------------------------------------------------- */

/* RFC 9110 section 9.3: neither has a meaning for content, and where a tunnel begins must be beyond doubt. */
static void check_body(const struct http_head *h, struct http_request *r)
{
	if (r->body != HTTP_BODY_NONE && (is_method(h, "CONNECT") || is_method(h, "TRACE")))
		refuse(r, 400, "A CONNECT or TRACE request has no body.", ASK_AUTHOR);
}

/* RFC 9110 section 7.6.2: for these two methods the number is ours to judge, in others it means nothing. */
static void check_forwards(const struct http_head *h, struct http_request *r)
{
	struct slice v = http_head_find(h, "Max-Forwards");
	uint64_t n = 0;

	if (!v.p || (!is_method(h, "TRACE") && !is_method(h, "OPTIONS")))
		return;
	for (size_t i = 0; i < v.n; i++) {
		if (v.p[i] < '0' || v.p[i] > '9' || v.n > 10) {
			refuse(r, 400, "Max-Forwards is not a number.", ASK_AUTHOR);
			return;
		}
		n = n * 10 + (uint64_t)(v.p[i] - '0');
	}
	if (v.n == 0)
		refuse(r, 400, "Max-Forwards is empty.", ASK_AUTHOR);
	else if (n > 0)
		r->forwards = n - 1;
	else if (is_method(h, "OPTIONS"))
		r->verdict = HTTP_OPTIONS;
	else /* RFC 9110 section 9.3.8 would have us send back what may hold somebody's cookies */
		refuse(r, 405, "This proxy does not show requests to their senders.", "TRACE with more Max-Forwards goes on.");
}

static bool is_for_others(const struct http_request *r)
{
	return r->verdict == HTTP_TUNNEL || r->verdict == HTTP_FORWARD;
}

static void check_circles(const struct http_head *h, struct http_request *r)
{
	if (is_for_others(r) && http_via_count(h) >= HTTP_VIA_MAX)
		refuse(r, 502, "The request goes in circles: it has been here several times.",
		       "Check that no proxy has this address as its own proxy.");
}

static void check_login(const struct http_head *h, const struct http_conf *conf, struct http_request *r)
{
	if (is_for_others(r) && conf->auth && !http_auth_ok(h, conf->auth))
		refuse(r, 407, "This proxy wants a user name and a password.",
		       "Give the client the ones that --proxy-auth of softsocks names.");
}

/* An upgrade is forwarded whatever its protocol is, but h2c: that needs further fields which end at this hop, and a client
 * that hears nothing of it stays with HTTP/1.1 (RFC 9113 section 3.1 has given it up). */
static bool wants_upgrade(const struct http_head *h)
{
	return h->minor > 0 && http_list_has(h, "Connection", "Upgrade") && http_head_find(h, "Upgrade").n > 0 &&
	       !http_list_has(h, "Upgrade", "h2c");
}

static bool is_idempotent(const struct http_head *h)
{
	static const char *const names[] = { "GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE", "PROPFIND", "REPORT" };

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		if (is_method(h, names[i]))
			return true;
	}
	return false;
}

static void read_facts(const struct http_head *h, struct http_request *r)
{
	r->is_head = is_method(h, "HEAD");
	r->old = h->minor == 0;
	r->html = http_accepts_html(h);
	/* RFC 9112 section 9.3: a proxy keeps no connection of an HTTP/1.0 client. */
	r->keep = !r->old && !http_list_has(h, "Connection", "close");
	r->body = h->chunked ? HTTP_BODY_CHUNKED : HTTP_BODY_LENGTH;
	if (!h->chunked && h->content_length == 0)
		r->body = HTTP_BODY_NONE;
	r->length = h->content_length;
	r->repeatable = r->body == HTTP_BODY_NONE && is_idempotent(h);
	r->upgrade = wants_upgrade(h);
	r->forwards = UINT64_MAX;
}

void http_request_judge(const struct http_head *h, const struct http_conf *conf, const struct endpoint *local,
			struct http_request *ret)
{
	*ret = (struct http_request){ .verdict = HTTP_FORWARD };
	read_facts(h, ret);
	check_host(h, ret);
	if (ret->verdict != HTTP_REFUSED)
		read_target(h, local, ret);
	if (ret->verdict != HTTP_REFUSED)
		check_login(h, conf, ret);
	if (ret->verdict != HTTP_REFUSED)
		check_body(h, ret);
	if (ret->verdict != HTTP_REFUSED)
		check_forwards(h, ret);
	if (ret->verdict != HTTP_REFUSED)
		check_circles(h, ret);
}

void http_request_malformed(struct slice in, int err, const char *why, struct http_request *ret)
{
	bool one_line = in.n == 0 || !memchr(in.p, '\n', in.n);

	*ret = (struct http_request){ .verdict = HTTP_REFUSED, .old = true };
	if (err == VE_LIMIT && one_line)
		refuse(ret, 414, "The address in the request is too long for this proxy.", "Use a shorter one.");
	else if (err == VE_LIMIT)
		refuse(ret, 431, "The head of the request is larger than this proxy accepts.",
		       "Often these are cookies: delete those of this site.");
	else if (strstr(why, "Invalid method"))
		refuse(ret, 501, "This proxy does not know the method of the request.", ASK_AUTHOR);
	else if (strstr(why, "not HTTP/1.0 or HTTP/1.1") || strstr(why, "Invalid HTTP version"))
		refuse(ret, 505, "This proxy speaks HTTP/1.1 and HTTP/1.0.", ASK_AUTHOR);
	else
		refuse(ret, 400, "The request is malformed.", ASK_AUTHOR);
}

/* --- writing -------------------------------------------------------------------------------------------- */

/* RFC 9112 section 3.2.1: an empty path is "/", but for OPTIONS "*" (section 3.2.4). */
static void write_request_line(const struct http_head *h, const struct http_request *r, struct wr *w)
{
	wr_bytes(w, h->method.p, h->method.n);
	wr_str(w, " ");
	if (r->path.n == 0)
		wr_str(w, is_method(h, "OPTIONS") ? "*" : "/");
	else if (r->path.p[0] == '?')
		wr_str(w, "/");
	wr_bytes(w, r->path.p, r->path.n);
	wr_str(w, " HTTP/1.1\r\nHost: ");
	wr_bytes(w, r->authority.p, r->authority.n);
	wr_str(w, "\r\n");
}

/* RFC 9110 section 10.1.4: TE and Upgrade are for one hop, and this is the next. */
static void write_connection(const struct http_head *h, const struct http_request *r, struct wr *w)
{
	bool te = http_list_has(h, "TE", "trailers");

	if (te)
		wr_str(w, "TE: trailers\r\n");
	if (te || r->upgrade)
		wr_str(w, te && r->upgrade ? "Connection: TE, Upgrade\r\n" : te ? "Connection: TE\r\n" : "Connection: Upgrade\r\n");
	for (size_t i = 0; i < h->nfields && r->upgrade; i++) {
		if (http_value_is(h->fields[i].name, "Upgrade"))
			http_write_field(w, h->fields[i].name, h->fields[i].value);
	}
}

static bool is_left_out(const struct http_head *h, const struct http_request *r, struct slice name)
{
	return http_value_is(name, "Host") || http_ends_here(h, name) ||
	       (r->forwards != UINT64_MAX && http_value_is(name, "Max-Forwards")) ||
	       /* RFC 9110 section 10.1.1: an HTTP/1.0 client cannot understand the answer to it. */
	       (r->old && http_value_is(name, "Expect"));
}

void http_request_write(const struct http_head *h, const struct http_request *r, struct wr *w)
{
	write_request_line(h, r, w);
	for (size_t i = 0; i < h->nfields; i++) {
		if (!is_left_out(h, r, h->fields[i].name))
			http_write_field(w, h->fields[i].name, h->fields[i].value);
	}
	if (r->forwards != UINT64_MAX) {
		wr_str(w, "Max-Forwards: ");
		http_write_number(w, r->forwards);
		wr_str(w, "\r\n");
	}
	write_connection(h, r, w);
	http_write_via(w, h->minor);
	wr_str(w, "\r\n");
}
