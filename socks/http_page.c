/* SPDX-License-Identifier: GPL-3.0-or-later */
/* http_page.c - see http_page.h. */
#include "socks/http_page.h"

#include <assert.h>
#include <stdlib.h>

#include "core/err.h"
#include "socks/http_field.h"
#include "socks/pac.h"

#define BODY_MAX 2304u /* of a page; the texts have some hundred bytes, a destination 264, escaped six times that at worst */

static const char *reason(unsigned status)
{
	static const struct {
		unsigned status;
		const char *reason;
	} reasons[] = {
		{ 200, "OK" },
		{ 400, "Bad Request" },
		{ 403, "Forbidden" },
		{ 404, "Not Found" },
		{ 405, "Method Not Allowed" },
		{ 407, "Proxy Authentication Required" },
		{ 414, "URI Too Long" },
		{ 421, "Misdirected Request" },
		{ 431, "Request Header Fields Too Large" },
		{ 501, "Not Implemented" },
		{ 502, "Bad Gateway" },
		{ 503, "Service Unavailable" },
		{ 504, "Gateway Timeout" },
		{ 505, "HTTP Version Not Supported" },
	};

	for (size_t i = 0; i < ARRAY_LEN(reasons); i++) {
		if (reasons[i].status == status)
			return reasons[i].reason;
	}
	return "Error";
}

void http_page_for_error(struct http_page *p, int err)
{
	static const struct {
		int err;
		unsigned status;
		const char *cause, *advice;
	} causes[] = {
		{ VE_REFUSED, 502, "The server refused the connection.",
		  "Check the port, and whether the service runs there." },
		{ VE_BLOCKED, 403, "A rule of this proxy blocks this destination.",
		  "Whoever runs softsocks decides about its --route rules." },
		{ VE_RESOLVE, 502, "The name of the server is not known.",
		  "Check it for a typing mistake. Names that go through the tunnel are looked up in the private network." },
		{ VE_UNREACH, 502, "The server cannot be reached: there is no way to it.",
		  "Check the address. The VPN may not lead to this network." },
		{ VE_NETUNREACH, 502, "The VPN does not lead to this network.",
		  "Check the address. It may be of a kind (IPv4 or IPv6) that the VPN does not carry." },
		{ VE_TIMEOUT, 504, "The server did not answer in time.",
		  "Check the address, or try again later. A firewall may be in the way." },
		{ VE_DOWN, 503, "The tunnel to the private network is down.",
		  "softsocks tries to bring it up again: try again in some seconds, and look at its log." },
		{ VE_LOST, 503, "The tunnel to the private network is down.",
		  "softsocks tries to bring it up again: try again in some seconds, and look at its log." },
		{ VE_LIMIT, 503, "This proxy has as many connections as it can have.", "Try again later." },
		{ VE_NOMEM, 503, "This proxy has no memory left.", "Try again later." },
		{ VE_RESET, 502, "The server broke the connection before its answer was complete.", "Try again." },
		{ VE_EOF, 502, "The server closed the connection without a complete answer.", "Try again." },
		{ VE_PROTO, 502, "The answer of the server is not valid HTTP.",
		  "Check that a web server is at this port, and whether its address begins with https: instead." },
	};

	p->status = 502;
	p->cause = "The connection to the server failed.";
	p->advice = "Try again, and look at the log of softsocks.";
	for (size_t i = 0; i < ARRAY_LEN(causes); i++) {
		if (causes[i].err == err) {
			p->status = causes[i].status;
			p->cause = causes[i].cause;
			p->advice = causes[i].advice;
		}
	}
}

/* --- bodies --------------------------------------------------------------------------------------------- */

static void write_escaped(struct wr *w, const char *s, bool html)
{
	for (; *s; s++) {
		if (html && *s == '<')
			wr_str(w, "&lt;");
		else if (html && *s == '>')
			wr_str(w, "&gt;");
		else if (html && *s == '&')
			wr_str(w, "&amp;");
		else if (html && (*s == '"' || *s == '\''))
			wr_str(w, *s == '"' ? "&quot;" : "&#39;");
		else
			wr_u8(w, *s >= 0x20 && *s < 0x7f ? (uint8_t)*s : (uint8_t)'?');
	}
}

static void write_title(const struct http_page *p, struct wr *w)
{
	http_write_number(w, p->status);
	wr_str(w, " ");
	wr_str(w, reason(p->status));
}

static void write_lines(const struct http_page *p, struct wr *w)
{
	char text[DEST_TEXT_MAX];

	write_escaped(w, p->cause, p->html);
	wr_str(w, p->html ? "</p>\n<p>" : "\n");
	write_escaped(w, p->advice, p->html);
	if (!p->about || p->about->port == 0)
		return;
	wr_str(w, p->html ? "</p>\n<p>Server: " : "\nServer: ");
	write_escaped(w, dest_text(p->about, text), p->html);
}

static void write_body(const struct http_page *p, struct wr *w)
{
	if (!p->html) {
		write_title(p, w);
		wr_str(w, "\n\n");
		write_lines(p, w);
		wr_str(w, "\n\n-- softsocks\n");
		return;
	}
	wr_str(w, "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>");
	write_title(p, w);
	wr_str(w, "</title></head>\n<body><h1>");
	write_title(p, w);
	wr_str(w, "</h1>\n<p>");
	write_lines(p, w);
	wr_str(w, "</p>\n<hr><p>softsocks</p></body></html>\n");
}

/* --- answers -------------------------------------------------------------------------------------------- */

static void write_head(const struct http_page *p, const char *type, size_t length, struct wr *w)
{
	wr_str(w, "HTTP/1.1 ");
	write_title(p, w);
	wr_str(w, "\r\n");
	http_write_date(w, p->unix_s);
	if (p->status == 407) /* RFC 7617; the realm is shown to users */
		wr_str(w, "Proxy-Authenticate: Basic realm=\"softsocks\", charset=\"UTF-8\"\r\n");
	if (p->status == 405) /* RFC 9110 section 15.5.6 */
		wr_str(w, "Allow: GET, HEAD, OPTIONS\r\n");
	if (type) {
		wr_str(w, "Content-Type: ");
		wr_str(w, type);
		/* What a page says holds now; and it is what it says it is, not what somebody guesses. */
		wr_str(w, "\r\nCache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n");
	}
	wr_str(w, "Content-Length: ");
	http_write_number(w, length);
	wr_str(w, p->keep ? "\r\n\r\n" : "\r\nConnection: close\r\n\r\n");
}

static void write_answer(const struct http_page *p, const char *type, const struct wr *body, struct wr *w)
{
	assert(wr_ok(body));
	write_head(p, type, body->n, w);
	if (!p->is_head)
		wr_bytes(w, body->p, body->n);
}

void http_page_write(const struct http_page *p, struct wr *w)
{
	uint8_t space[BODY_MAX];
	struct wr body = wr_init(space, sizeof(space));

	write_body(p, &body);
	write_answer(p, p->html ? "text/html; charset=utf-8" : "text/plain; charset=utf-8", &body, w);
}

void http_page_write_index(const struct http_page *p, const struct endpoint *local, struct wr *w)
{
	uint8_t space[BODY_MAX];
	struct wr body = wr_init(space, sizeof(space));
	struct dest at = { .ip = local->ip, .port = local->port };
	struct http_page page = *p;
	char text[DEST_TEXT_MAX];

	page.status = 200;
	wr_str(&body, "This port is a proxy into a private network: HTTP, SOCKS4, SOCKS4a and SOCKS5.\n\n");
	if (local->ip.family != IP_NONE) {
		dest_text(&at, text);
		wr_str(&body, "Browsers and systems: set the proxy configuration address (PAC) http://");
		wr_str(&body, text);
		wr_str(&body, "/proxy.pac\nCommand line: export http_proxy=http://");
		wr_str(&body, text);
		wr_str(&body, " https_proxy=http://");
		wr_str(&body, text);
		wr_str(&body, "\n");
	}
	write_answer(&page, "text/plain; charset=utf-8", &body, w);
}

/* RFC 9110 section 9.3.7: without a body, Content-Length: 0. */
void http_page_write_options(const struct http_page *p, struct wr *w)
{
	wr_str(w, "HTTP/1.1 200 OK\r\n");
	http_write_date(w, p->unix_s);
	wr_str(w, "Allow: GET, HEAD, OPTIONS, CONNECT\r\nContent-Length: 0\r\n");
	wr_str(w, p->keep ? "\r\n" : "Connection: close\r\n\r\n");
}

int http_page_write_pac(const struct http_page *p, const struct http_conf *conf, const struct endpoint *local,
			struct wr *w)
{
	struct http_page page = *p;
	uint8_t *space = malloc(PAC_TEXT_MAX);
	struct wr body = wr_init(space, PAC_TEXT_MAX);

	if (!space)
		return VE_NOMEM;
	page.status = 200;
	pac_write(&body, conf->rules, conf->nrules, local);
	write_answer(&page, "application/x-ns-proxy-autoconfig", &body, w);
	free(space);
	return 0;
}

void http_page_write_tunnel(struct wr *w)
{
	wr_str(w, "HTTP/1.1 200 Connection established\r\n\r\n");
}
