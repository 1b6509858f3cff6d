/* SPDX-License-Identifier: GPL-3.0-or-later */
/* http_response.h - what a target answered, and the head that goes on to the client. Pure.
 *
 * RFC 9110 sections 7.6 and 15, RFC 9112 sections 4, 6 and 9. */
#ifndef SOCKS_HTTP_RESPONSE_H
#define SOCKS_HTTP_RESPONSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/http_head.h"
#include "core/wr.h"
#include "socks/http_body.h"
#include "socks/http_request.h"

/* A forwarded answer's head is at most so much longer than the one received: "Via", "Date", "Connection", and a blank
 * behind each colon. */
#define HTTP_RESPONSE_GROWTH (HTTP_FIELDS_MAX + 256u)

struct http_response {
	bool interim;    /* 1xx but 101: the answer is still to come */
	bool switching;  /* 101: no HTTP after this */
	bool keep;       /* the target's connection may be used again after the body */
	bool plain;      /* for an HTTP/1.0 client: it gets chunked content without the chunks */
	bool ends_close; /* the client can only see the end of the body by the end of the connection */
	enum http_body_kind body;
	uint64_t length;
};

/* Judge a head that http_head_parse() accepted, as the answer to @r. Returns 0 with *ret, or VE_PROTO and *ret_why, a
 * static phrase: it cannot be passed on. */
int http_response_judge(const struct http_head *h, const struct http_request *r, struct http_response *ret,
			const char **ret_why);

/* Write the head that goes to the client, at most h->length + HTTP_RESPONSE_GROWTH bytes. @keep: its connection goes on
 * after this answer. @unix_s: for the Date that a recipient has to add, RFC 9110 section 6.6.1. */
void http_response_write(const struct http_head *h, const struct http_response *resp, bool keep, int64_t unix_s,
			 struct wr *w);

#endif
