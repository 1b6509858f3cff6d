/* SPDX-License-Identifier: GPL-3.0-or-later */
/* http_body.h - where a body ends (RFC 9112 section 6.3). Pure.
 *
 * A body is not changed and not stored: this only says how many of the bytes at hand belong to it, and whether they are
 * well-formed. */
#ifndef SOCKS_HTTP_BODY_H
#define SOCKS_HTTP_BODY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/bytes.h"
#include "core/wr.h"

enum http_body_kind {
	HTTP_BODY_NONE,
	HTTP_BODY_LENGTH,
	HTTP_BODY_CHUNKED,     /* the chunked coding, trailers included; checked by llhttp in its strict mode */
	HTTP_BODY_UNTIL_CLOSE, /* answers only */
};

struct http_chunks;

struct http_body {
	enum http_body_kind kind;
	bool done;
	uint64_t left;              /* LENGTH */
	struct http_chunks *chunks; /* CHUNKED and not done */
};

/* Begin a body; @length is for LENGTH. Returns 0, or VE_NOMEM with @b as if there were no body. */
int http_body_init(struct http_body *b, enum http_body_kind kind, uint64_t length);
/* Zeroed or again is fine. */
void http_body_fini(struct http_body *b);

/* Look at @in, which follows what was taken before: *ret_taken of its bytes, from the front, belong to the body, all
 * unless it ends before (then b->done). With @data (may be NULL) the content without the chunked coding is appended to it;
 * it has room for @in.n bytes. Returns 0, VE_PROTO (malformed chunks), or VE_LIMIT (chunk extensions or trailers of more
 * than HTTP_HEAD_MAX bytes in a row); these are for good. */
int http_body_take(struct http_body *b, struct slice in, struct wr *data, size_t *ret_taken);

#endif
