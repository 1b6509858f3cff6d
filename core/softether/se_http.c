/* SPDX-License-Identifier: GPL-3.0-or-later */
/* se_http.c - requests as fixed text, answers as a head with a few demands.
 *
 * SoftEther's HTTP is a costume: one connection, POST only, a length always, nothing chunked. The server compares method,
 * target, version and type as text and ignores the rest, so the rest is what the official client sends, without the
 * date: pure code has no clock, and the server no need to know ours. */
#include "core/softether/se_http.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/http_head.h"
#include "core/limits.h"

#define SIGNATURE "VPNCONNECT"
#define REQUEST_HEAD_MAX (HOST_MAX + 256u) /* the longest fixed text has about 200 bytes */

/* --- requests ----------------------------------------------------------------------------------------------------- */

static int put_request(struct buf *tx, const char *head, int n, struct slice body)
{
	if (n < 0 || (size_t)n >= REQUEST_HEAD_MAX)
		return VE_AGAIN;
	if (buf_room(tx) < (size_t)n + body.n)
		return VE_AGAIN;
	(void)buf_put(tx, head, (size_t)n);
	return buf_put(tx, body.p, body.n);
}

int se_http_put_signature(struct buf *tx, const char *authority)
{
	static const struct slice body = { .p = (const uint8_t *)SIGNATURE, .n = sizeof(SIGNATURE) - 1 };
	char head[REQUEST_HEAD_MAX];
	int n = snprintf(head, sizeof(head),
			 "POST /vpnsvc/connect.cgi HTTP/1.1\r\n"
			 "Host: %s\r\n"
			 "Content-Type: image/jpeg\r\n"
			 "Connection: Keep-Alive\r\n"
			 "Content-Length: %zu\r\n"
			 "\r\n",
			 authority, body.n);

	return put_request(tx, head, n, body);
}

int se_http_put_pack(struct buf *tx, const char *authority, struct slice body)
{
	char head[REQUEST_HEAD_MAX];
	int n = snprintf(head, sizeof(head),
			 "POST /vpnsvc/vpn.cgi HTTP/1.1\r\n"
			 "Host: %s\r\n"
			 "Keep-Alive: timeout=15; max=19\r\n"
			 "Connection: Keep-Alive\r\n"
			 "Content-Type: application/octet-stream\r\n"
			 "Content-Length: %zu\r\n"
			 "\r\n",
			 authority, body.n);

	return put_request(tx, head, n, body);
}

/* --- answers ------------------------------------------------------------------------------------------------------ */

static int judge(const struct http_head *h, struct fault *f)
{
	struct slice type = http_head_find(h, "Content-Type");

	if (h->status != 200) {
		fault_set(f, VE_PROTO, "this is not a SoftEther server, but an HTTP server that answered %u", h->status);
	} else if (!type.p || !http_value_is(type, "application/octet-stream")) {
		fault_set(f, VE_PROTO, "this is not a SoftEther server, but an HTTP server that answered with %.*s",
			  type.p ? (int)min_size(type.n, 64) : 7, type.p ? (const char *)type.p : "no type");
	} else if (h->minor != 1) {
		fault_set(f, VE_PROTO, "the answer is HTTP/1.%u instead of HTTP/1.1", h->minor);
	} else if (h->chunked || !h->has_content_length) {
		fault_set(f, VE_PROTO, "the HTTP answer has no Content-Length");
	} else if (h->content_length == 0 || h->content_length > SE_BODY_MAX) {
		fault_set(f, VE_PROTO, "the HTTP answer has a Content-Length of %" PRIu64 ", allowed are 1 to %u",
			  h->content_length, SE_BODY_MAX);
	} else {
		return 0;
	}
	return VE_PROTO;
}

int se_http_read_head(struct se_http_answer *ret, struct slice in, struct fault *f)
{
	struct http_head h;
	const char *why = NULL;
	int r = http_head_parse(HTTP_RESPONSE, in, &h, &why);

	if (r == VE_AGAIN)
		return r;
	if (r == VE_LIMIT) {
		fault_set(f, VE_PROTO, "this is not a SoftEther server: an HTTP head of more than %u bytes or %u fields",
			  HTTP_HEAD_MAX, HTTP_FIELDS_MAX);
		return VE_PROTO;
	}
	if (r != 0) {
		fault_set(f, VE_PROTO, "this is not a SoftEther server: the answer is no valid HTTP%s%s", why ? ": " : "",
			  why ? why : "");
		return VE_PROTO;
	}
	r = judge(&h, f);
	if (r == 0)
		*ret = (struct se_http_answer){ .head = h.length, .body = (size_t)h.content_length };
	return r;
}
