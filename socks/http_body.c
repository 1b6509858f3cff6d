/* SPDX-License-Identifier: GPL-3.0-or-later */
/* http_body.c - see http_body.h.
 *
 * The chunked coding is llhttp's: a parser that only ever sees a head of our own making ("chunked follows") and then the
 * body. It pauses where the message is complete, which is how we know how many bytes were the body's. What it does not
 * bound, extensions and trailers, is counted here: the bytes between two pieces of content. */
#include "socks/http_body.h"

#include <stdlib.h>

#include <llhttp.h>

#include "core/err.h"
#include "core/limits.h"

struct http_chunks {
	llhttp_t parser;
	const uint8_t *from; /* of the input: content was last seen to end here */
	size_t overhead;     /* bytes since then in earlier inputs */
	bool over;           /* too many of them */
	struct wr *data;
};

static void count_overhead(struct http_chunks *c, const uint8_t *up_to)
{
	c->overhead += (size_t)(up_to - c->from);
	if (c->overhead > HTTP_HEAD_MAX)
		c->over = true;
}

static int on_body(llhttp_t *l, const char *at, size_t n)
{
	struct http_chunks *c = l->data;
	const uint8_t *p = (const uint8_t *)at;

	count_overhead(c, p);
	c->overhead = 0;
	c->from = p + n;
	if (c->data)
		wr_bytes(c->data, p, n);
	return 0;
}

static int on_complete(llhttp_t *l)
{
	(void)l;
	return HPE_PAUSED;
}

static const llhttp_settings_t settings = {
	.on_body = on_body,
	.on_message_complete = on_complete,
};

static int chunks_new(struct http_chunks **ret)
{
	static const char head[] = "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n";
	struct http_chunks *c = calloc(1, sizeof(*c));

	if (!c)
		return VE_NOMEM;
	llhttp_init(&c->parser, HTTP_REQUEST, &settings);
	c->parser.data = c;
	if (llhttp_execute(&c->parser, head, sizeof(head) - 1) != HPE_OK) {
		free(c);
		return VE_NOMEM;
	}
	*ret = c;
	return 0;
}

int http_body_init(struct http_body *b, enum http_body_kind kind, uint64_t length)
{
	*b = (struct http_body){ .kind = kind, .left = length };
	b->done = kind == HTTP_BODY_NONE || (kind == HTTP_BODY_LENGTH && length == 0);
	if (kind == HTTP_BODY_CHUNKED && chunks_new(&b->chunks) != 0) {
		*b = (struct http_body){ .kind = HTTP_BODY_NONE, .done = true };
		return VE_NOMEM;
	}
	return 0;
}

void http_body_fini(struct http_body *b)
{
	free(b->chunks);
	b->chunks = NULL;
}

static int take_chunks(struct http_body *b, struct slice in, struct wr *data, size_t *ret_taken)
{
	struct http_chunks *c = b->chunks;
	const uint8_t *end = in.p + in.n;
	llhttp_errno_t r;

	c->from = in.p;
	c->data = data;
	r = llhttp_execute(&c->parser, (const char *)in.p, in.n);
	if (r != HPE_OK && r != HPE_PAUSED)
		return VE_PROTO;
	if (r == HPE_PAUSED)
		end = (const uint8_t *)llhttp_get_error_pos(&c->parser);
	count_overhead(c, end);
	if (c->over)
		return VE_LIMIT;
	*ret_taken = (size_t)(end - in.p);
	if (r == HPE_PAUSED) {
		b->done = true;
		http_body_fini(b);
	}
	return 0;
}

static size_t take_plain(struct http_body *b, struct slice in, struct wr *data)
{
	size_t n = in.n;

	if (b->kind == HTTP_BODY_LENGTH) {
		n = b->left < n ? (size_t)b->left : n;
		b->left -= n;
		b->done = b->left == 0;
	}
	if (data)
		wr_bytes(data, in.p, n);
	return n;
}

int http_body_take(struct http_body *b, struct slice in, struct wr *data, size_t *ret_taken)
{
	*ret_taken = 0;
	if (b->done || in.n == 0)
		return 0;
	if (b->kind == HTTP_BODY_CHUNKED)
		return take_chunks(b, in, data, ret_taken);
	*ret_taken = take_plain(b, in, data);
	return 0;
}
