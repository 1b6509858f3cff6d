/* SPDX-License-Identifier: GPL-3.0-or-later */
/* conf_url.h - the URL that names a server: scheme://[user@]host[:port][/hub], RFC 3986 narrowed to what we
 * need.
 *
 * Used by conf.c; others call conf_parse_url(). */
#ifndef CORE_CONF_URL_H
#define CORE_CONF_URL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/limits.h"
#include "core/session.h"

struct conf_url {
	const struct session_ops *protocol;
	char host[HOST_MAX + 1]; /* a name, or an address without brackets */
	uint16_t port;
	bool has_user;
	char user[USER_MAX + 1]; /* decoded */
	char hub[USER_MAX + 1];  /* decoded; "" where the protocol has none */
};

#define CONF_WHY_MAX 256 /* the reason why a value is wrong, without the value */

/* Returns 0 with *ret filled, or VE_USAGE with a reason in @why that repeats nothing of the URL but its
 * scheme. */
int conf_url_parse(struct conf_url *ret, const char *url, char why[static CONF_WHY_MAX]);

/* The URL for an error line: everything that could be a password, which is all between the scheme and the
 * last '@' if there is a colon in it, becomes "...". At most @cap bytes with the NUL. Returns @buf. */
const char *conf_url_show(const char *url, char *buf, size_t cap);

/* Could this be a host name, for DNS and for certificates: 1 to HOST_MAX letters, digits, '-', '_', '.', with
 * no empty label except for one final dot? An IPv4 address could, too. */
bool conf_is_host_name(const char *text);

#endif
