/* SPDX-License-Identifier: GPL-3.0-or-later */
/* http_field.h - what a proxy does with the fields of a head: which end at this hop, and how the rest goes on. Pure.
 *
 * RFC 9110 section 7.6.1: Connection names the fields that are for this hop only; some others always are. */
#ifndef SOCKS_HTTP_FIELD_H
#define SOCKS_HTTP_FIELD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/http_head.h"
#include "core/wr.h"

/* The name by which we appear in Via (RFC 9110 section 7.6.3): a pseudonym, because the host's name is nobody's
 * business, and without a version, which would help only attackers. */
#define HTTP_PSEUDONYM "softsocks"

/* Step through the members of the list that all fields called @name make together (RFC 9110 section 5.6.1: blanks around
 * and empty members are skipped). *at is the caller's cursor, zero at first. Returns false at the end. */
struct http_list {
	size_t field;
	size_t offset;
};
bool http_list_next(const struct http_head *h, const char *name, struct http_list *at, struct slice *ret);

/* Is @token (any case) a member of the list @name? */
bool http_list_has(const struct http_head *h, const char *name, const char *token);

/* Does the field end here: named by Connection, or hop-by-hop by itself? What frames the body never does, whatever
 * Connection says: it is forwarded as it came. */
bool http_ends_here(const struct http_head *h, struct slice name);

/* How often our pseudonym stands in Via: a request that comes by many times goes in circles. */
unsigned http_via_count(const struct http_head *h);

/* Where the head that begins at @p ends: behind its first empty line, whatever else is wrong with it; 0: not within @n.
 * The first @searched bytes hold no such end: they are not looked at again, but for a line break that was cut. */
size_t http_find_end(const uint8_t *p, size_t n, size_t searched);

/* Is something like HTML to be preferred over plain text by this client (Accept)? */
bool http_accepts_html(const struct http_head *h);

void http_write_field(struct wr *w, struct slice name, struct slice value);
void http_write_number(struct wr *w, uint64_t v);

/* "Via: 1.@minor softsocks" for a message that was received as HTTP/1.@minor. */
void http_write_via(struct wr *w, unsigned minor);

/* "Date: ..." for @unix_s, RFC 9110 section 5.6.7. */
void http_write_date(struct wr *w, int64_t unix_s);

#endif
