/* SPDX-License-Identifier: GPL-3.0-or-later */
/* http_head.h - one bounded parser for every HTTP/1.x head this program reads.
 *
 * Head means start line and fields up to the empty line; bodies are their owners' business. The grammar is llhttp's, in
 * its strict mode; the bounds are ours (limits.h). The head is parsed out of one contiguous piece: the owner collects
 * bytes until http_head_parse() stops asking for more. Results borrow from the input. */
#ifndef CORE_HTTP_HEAD_H
#define CORE_HTTP_HEAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/bytes.h"
#include "core/limits.h"

struct http_field {
	struct slice name;
	struct slice value; /* surrounding blanks removed */
};

struct http_head {
	bool is_response;
	unsigned status;        /* response: 100..999 */
	struct slice reason;    /* response: may be empty */
	struct slice method;    /* request */
	struct slice target;    /* request */
	unsigned minor;         /* HTTP/1.minor, 0 or 1 */
	struct http_field fields[HTTP_FIELDS_MAX];
	size_t nfields;
	size_t length;          /* bytes of the input that the head takes, empty line included */
	bool has_content_length;
	uint64_t content_length; /* duplicates, signs, blanks inside and overflow are refused */
	bool chunked;            /* Transfer-Encoding ends in chunked */
};

enum http_kind { HTTP_REQUEST, HTTP_RESPONSE };

/* Parse the head at the start of @in. Returns 0 with *ret filled, VE_AGAIN (no empty line yet and still under
 * HTTP_HEAD_MAX), VE_LIMIT (over HTTP_HEAD_MAX bytes or HTTP_FIELDS_MAX fields), VE_PROTO (not HTTP/1.x or malformed;
 * *why, if not NULL, gets a static text). Calling it again with more bytes after VE_AGAIN is cheap enough for heads. */
int http_head_parse(enum http_kind kind, struct slice in, struct http_head *ret, const char **why);

/* The value of the first field called @name (any case), or an empty slice with p == NULL. */
struct slice http_head_find(const struct http_head *h, const char *name);

/* Does @value equal @text, ignoring ASCII case? */
bool http_value_is(struct slice value, const char *text);

/* A blank is a space or a tab (RFC 9110 section 5.6.3, OWS). */
bool http_is_blank(uint8_t c);

/* @v without the blanks around it. */
struct slice http_trimmed(struct slice v);

#endif
