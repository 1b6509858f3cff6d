/* SPDX-License-Identifier: GPL-3.0-or-later */
/* conf_url.c - taking a URL apart from left to right.
 *
 *     softether :// alice%40home @ [2001:db8::1] : 5555 / OFFICE
 *     scheme        user           host            port   hub
 *
 * The part up to the first of "/?#" behind "://" is the authority (RFC 3986 section 3.2); its last '@' ends
 * the user. Where somebody may have typed a password by mistake, nothing of it goes into an error text. */
#include "core/conf_url.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/bytes.h"
#include "core/err.h"
#include "core/utf8.h"

#define SCHEME_MAX 15u /* longer than any row of session_table.c */

static int because(char why[static CONF_WHY_MAX], const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static int because(char why[static CONF_WHY_MAX], const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why, CONF_WHY_MAX, fmt, ap);
	va_end(ap);
	return VE_USAGE;
}

bool conf_is_host_name(const char *text)
{
	size_t n = strlen(text);

	if (n == 0 || n > HOST_MAX || text[0] == '.')
		return false;
	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)text[i];

		if (c >= 0x80 || (!isalnum(c) && c != '-' && c != '_' && c != '.'))
			return false;
		if (c == '.' && text[i + 1] == '.')
			return false;
	}
	return true;
}

const char *conf_url_show(const char *url, char *buf, size_t cap)
{
	const char *sep = strstr(url, "://");
	const char *from = sep ? sep + 3 : url;
	const char *at = strrchr(from, '@');

	if (at && memchr(from, ':', (size_t)(at - from)))
		snprintf(buf, cap, "%.*s...%s", (int)min_size((size_t)(from - url), SCHEME_MAX + 3), url, at);
	else
		snprintf(buf, cap, "%s", url);
	return buf;
}

/* @n bytes with %XX (RFC 3986 section 2.1) into the name @ret; @what is what to call it when it is wrong. */
static int decode(const char *p, size_t n, const char *what, char ret[static USER_MAX + 1],
		  char why[static CONF_WHY_MAX])
{
	size_t len = 0, i = 0;

	while (i < n && len < USER_MAX) {
		char c = p[i++];

		if (c == '%') {
			int high = n - i >= 2 ? hex_digit(p[i]) : -1;
			int low = high >= 0 ? hex_digit(p[i + 1]) : -1;

			if (low < 0)
				return because(why, "in the %s, %% is not followed by two hex digits "
						    "(write %% as %%25)", what);
			c = (char)(high << 4 | low);
			i += 2;
		}
		ret[len++] = c;
	}
	ret[len] = '\0';
	if (i < n)
		return because(why, "the %s is longer than %u bytes", what, USER_MAX);
	if (len == 0)
		return because(why, "the %s is empty", what);
	if (!utf8_is_text(ret, len))
		return because(why, "the %s is not UTF-8 text, or has control characters", what);
	return 0;
}

static int parse_scheme(const char *url, struct conf_url *u, const char **ret_rest,
			char why[static CONF_WHY_MAX])
{
	const char *sep = strstr(url, "://");
	char scheme[SCHEME_MAX + 1];
	size_t n = sep ? (size_t)(sep - url) : 0;

	if (n > 0 && n <= SCHEME_MAX) {
		memcpy(scheme, url, n);
		scheme[n] = '\0';
		u->protocol = session_find(scheme);
	}
	if (!u->protocol) {
		const struct session_ops *const *t = session_table();
		char known[128] = "";

		for (size_t i = 0; t[i]; i++)
			snprintf(known + strlen(known), sizeof(known) - strlen(known), "%s%s://",
				 i > 0 ? " or " : "", t[i]->scheme);
		return because(why, "expected a URL that begins with %s", known);
	}
	*ret_rest = sep + 3;
	return 0;
}

static int parse_user(const char *p, size_t n, struct conf_url *u, char why[static CONF_WHY_MAX])
{
	if (memchr(p, ':', n))
		return because(why, "a password in a URL can be read by every user of this machine: leave it "
				    "out (a colon in a user name is %%3A), and use --password-file, "
				    "--password-fd or SOFTSOCKS_PASSWORD");
	u->has_user = true;
	return decode(p, n, "user name", u->user, why);
}

static int parse_host(const char *p, size_t n, struct conf_url *u, char why[static CONF_WHY_MAX])
{
	char text[DEST_TEXT_MAX];
	struct dest d;

	if (n == 0)
		return because(why, "the host is missing");
	if (n < sizeof(text)) {
		memcpy(text, p, n);
		text[n] = '\0';
	}
	if (n >= sizeof(text) || dest_parse(text, u->protocol->default_port, &d) != 0)
		return because(why, "expected HOST, HOST:PORT or [IPV6]:PORT with a port from 1 to 65535");
	if (d.ip.family == IP_NONE && !conf_is_host_name(d.name))
		return because(why, "the host is no host name: it may have letters, digits, '-', '_' and '.' "
				    "(other alphabets as xn--...)");
	if (d.ip.family == IP_NONE)
		memcpy(u->host, d.name, sizeof(u->host));
	else
		ip_text(&d.ip, u->host);
	u->port = d.port;
	return 0;
}

/* A virtual hub is an Ethernet switch: protocols that carry IP packets have none. */
static bool has_hub(const struct session_ops *protocol)
{
	return protocol->link == LINK_ETHERNET;
}

static int parse_path(const char *path, struct conf_url *u, char why[static CONF_WHY_MAX])
{
	size_t n = strcspn(path, "?#");

	if (path[n] != '\0')
		return because(why, "'%c' has no meaning here (in a hub name write it as %%%02X)", path[n],
			       path[n]);
	if (!has_hub(u->protocol)) {
		if (n > 1)
			return because(why, "nothing may follow the host: %s has no virtual hubs",
				       u->protocol->scheme);
		return 0;
	}
	if (n < 2)
		return because(why, "the name of the virtual hub is missing: %s://HOST/HUB",
			       u->protocol->scheme);
	if (strchr(path + 1, '/'))
		return because(why, "only the name of the virtual hub may follow the host (in a hub name "
				    "write '/' as %%2F)");
	return decode(path + 1, n - 1, "hub name", u->hub, why);
}

int conf_url_parse(struct conf_url *ret, const char *url, char why[static CONF_WHY_MAX])
{
	struct conf_url u = { 0 };
	const char *host = url, *path, *at;
	int r = parse_scheme(url, &u, &host, why);

	if (r != 0)
		return r;
	path = host + strcspn(host, "/?#");
	at = memrchr(host, '@', (size_t)(path - host));
	if (at) {
		r = parse_user(host, (size_t)(at - host), &u, why);
		host = at + 1;
	}
	if (r == 0)
		r = parse_host(host, (size_t)(path - host), &u, why);
	if (r == 0)
		r = parse_path(path, &u, why);
	if (r == 0)
		*ret = u;
	return r;
}
