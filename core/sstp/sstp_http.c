/* SPDX-License-Identifier: GPL-3.0-or-later */
/* sstp_http.c - one request, one answer. After a 200 both directions are SSTP; the Content-Length of 2^64-1
 * that both sides name is SSTP's way to say that there is no end. */
#include "core/sstp/sstp_http.h"

#include <stdio.h>

#include "core/sstp/printable.h"

#define PATH "/sra_{BA195980-CD49-458b-9E23-C84EE0ADCD75}/"
#define ENDLESS "18446744073709551615"

/* A random GUID, version 4. Servers only write it to their logs. */
static void write_guid(struct wr *w, const struct session_env *env)
{
	static const uint8_t dash_before[] = { 4, 6, 8, 10 };
	uint8_t b[16];
	char hex[3];
	size_t dash = 0;

	env->random(env->ctx, b, sizeof(b));
	b[6] = (uint8_t)((b[6] & 0x0f) | 0x40);
	b[8] = (uint8_t)((b[8] & 0x3f) | 0x80);
	for (size_t i = 0; i < sizeof(b); i++) {
		if (dash < sizeof(dash_before) && dash_before[dash] == i) {
			wr_u8(w, '-');
			dash++;
		}
		snprintf(hex, sizeof(hex), "%02X", b[i]);
		wr_str(w, hex);
	}
}

void sstp_http_request(struct wr *w, const char *host, uint16_t port, const struct session_env *env)
{
	bool literal6 = strchr(host, ':') != NULL;
	char number[8];

	wr_str(w, "SSTP_DUPLEX_POST " PATH " HTTP/1.1\r\nSSTPCORRELATIONID: {");
	write_guid(w, env);
	wr_str(w, "}\r\nContent-Length: " ENDLESS "\r\nHost: ");
	wr_str(w, literal6 ? "[" : "");
	wr_str(w, host);
	wr_str(w, literal6 ? "]" : "");
	if (port != SSTP_HTTP_PORT) {
		snprintf(number, sizeof(number), ":%u", port);
		wr_str(w, number);
	}
	wr_str(w, "\r\n\r\n");
}

static const char *meaning_of(unsigned status)
{
	static const struct {
		unsigned from, to;
		const char *meaning;
	} meanings[] = {
		{ 201, 299, "this is a web server, not an SSTP server: check the name and the port" },
		{ 300, 399,
		  "if that is the VPN server, give its name: redirects are not followed" },
		{ 401, 401, "a reverse proxy or gateway in front of the server wants a login of its own" },
		{ 403, 403, "a reverse proxy or gateway in front of the server does not let us through" },
		{ 404, 404, "this HTTPS server is no SSTP server, or its SSTP service is not running" },
		{ 407, 407, "a proxy on the way wants a login" },
		{ 502, 504, "the VPN service behind it is down, or has no free SSTP port" },
		{ 100, 999, "this HTTPS server is no SSTP server: check the name and the port" },
	};
	size_t i = 0;

	while (i + 1 < ARRAY_LEN(meanings) && (status < meanings[i].from || status > meanings[i].to))
		i++;
	return meanings[i].meaning;
}

static int wrong_status(const struct http_head *h, struct fault *f)
{
	char server[60], location[160];
	bool moved = h->status >= 300 && h->status < 400;

	printable(server, sizeof(server), http_head_find(h, "Server"));
	printable(location, sizeof(location), moved ? http_head_find(h, "Location") : (struct slice){ 0 });
	fault_set(f, VE_PROTO, "the server answers with HTTP status %u%s%s%s%s%s: %s", h->status,
		  server[0] ? " (" : "", server, server[0] ? ")" : "", location[0] ? " and Location " : "",
		  location, meaning_of(h->status));
	return VE_PROTO;
}

int sstp_http_check(const struct http_head *h, struct fault *f)
{
	if (h->status != 200)
		return wrong_status(h, f);
	if (h->chunked || (h->has_content_length && h->content_length != UINT64_MAX)) {
		fault_set(f, VE_PROTO,
			  "an ordinary web server answers, no SSTP server (HTTP 200 and a page): check the "
			  "name and the port");
		return VE_PROTO;
	}
	return 0;
}
