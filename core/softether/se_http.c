/* SPDX-License-Identifier: GPL-3.0-or-later */
/* se_http.c - requests as fixed text, answers as a head with a few demands.
 *
 * SoftEther's HTTP is a costume: one connection, POST only, a length always, nothing chunked. The server
 * compares method, target, version and type as text and ignores the rest, so the rest is what the official
 * client sends, without the date: pure code has no clock, and the server no need to know ours. */
#include "core/softether/se_http.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/http_head.h"
#include "core/limits.h"
#include "core/softether/se_error.h"

#define SIGNATURE "VPNCONNECT"
#define NO_SERVER "this is not a SoftEther server"
#define TYPE_SHOWN_MAX 64u /* of a Content-Type, in a fault */
#define REQUEST_HEAD_MAX (HOST_MAX + 256u) /* the longest fixed text has about 200 bytes */

/* --- requests
 * ----------------------------------------------------------------------------------------------------- */

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

/* --- answers
 * ------------------------------------------------------------------------------------------------------ */

static int judge(const struct http_head *h, struct fault *f)
{
	struct slice type = http_head_find(h, "Content-Type");

	if (h->status != 200)
		return se_broken(f, NO_SERVER ", but an HTTP server that answered %u", h->status);
	if (!type.p)
		return se_broken(f, NO_SERVER ", but an HTTP server that answered with no type");
	if (!http_value_is(type, "application/octet-stream"))
		return se_broken(f, NO_SERVER ", but an HTTP server that answered with %.*s",
				 (int)min_size(type.n, TYPE_SHOWN_MAX), (const char *)type.p);
	if (h->minor != 1)
		return se_broken(f, "the answer is HTTP/1.%u instead of HTTP/1.1", h->minor);
	if (h->chunked || !h->has_content_length)
		return se_broken(f, "the HTTP answer has no Content-Length");
	if (h->content_length == 0 || h->content_length > SE_BODY_MAX)
		return se_broken(f, "the HTTP answer has a Content-Length of %" PRIu64
				 ", allowed are 1 to %u", h->content_length, SE_BODY_MAX);
	return 0;
}

int se_http_read_head(struct se_http_answer *ret, struct slice in, struct fault *f)
{
	struct http_head h;
	const char *why = NULL;
	int r = http_head_parse(HTTP_RESPONSE, in, &h, &why);

	if (r == VE_AGAIN)
		return r;
	if (r == VE_LIMIT)
		return se_broken(f, NO_SERVER ": an HTTP head of more than %u bytes or %u fields",
				 HTTP_HEAD_MAX, HTTP_FIELDS_MAX);
	if (r != 0)
		return se_broken(f, NO_SERVER ": the answer is no valid HTTP%s%s", why ? ": " : "",
				 why ? why : "");
	r = judge(&h, f);
	if (r == 0)
		*ret = (struct se_http_answer){ .head = h.length, .body = (size_t)h.content_length };
	return r;
}
