/* SPDX-License-Identifier: GPL-3.0-or-later */
/* http_page.h - what the proxy itself says to HTTP clients: whole answers, head and body. Pure.
 *
 * A page says what happened and what to do. Nothing of a request is repeated in it but the host and port it was for,
 * which are letters, digits and "-._:[]" by then, and are escaped all the same. */
#ifndef SOCKS_HTTP_PAGE_H
#define SOCKS_HTTP_PAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "core/addr.h"
#include "core/limits.h"
#include "core/wr.h"
#include "socks/http_request.h"

struct http_page {
	unsigned status;
	const char *cause, *advice; /* one sentence each, plain text */
	const struct dest *about;   /* NULL or port 0: no destination */
	bool html;                  /* instead of plain text */
	bool is_head;               /* the answer to a HEAD request: no body */
	bool keep;                  /* the connection goes on */
	int64_t unix_s;             /* for Date */
};

/* The page that belongs to the VE_* of a target that could not be reached or broke, for @p's other fields. */
void http_page_for_error(struct http_page *p, int err);

/* Write @p: at most HTTP_PAGE_MAX bytes. */
void http_page_write(const struct http_page *p, struct wr *w);

/* Our own pages. @p gives is_head, keep and unix_s. */
void http_page_write_index(const struct http_page *p, const struct endpoint *local, struct wr *w);
void http_page_write_options(const struct http_page *p, struct wr *w);
/* At most PAC_TEXT_MAX + HTTP_PAGE_MAX bytes. Returns 0, or VE_NOMEM with nothing written. */
int http_page_write_pac(const struct http_page *p, const struct http_conf *conf, const struct endpoint *local,
			struct wr *w);

/* The answer that opens a tunnel. RFC 9110 section 9.3.6: without Content-Length and Transfer-Encoding. */
void http_page_write_tunnel(struct wr *w);

#endif
