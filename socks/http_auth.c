/* SPDX-License-Identifier: GPL-3.0-or-later */
/* http_auth.c - see http_auth.h. What cannot be decoded is longer than any login, or no base64: saying so early tells
 * nothing about the right one, which is compared in constant time by client_conf.c. */
#include "socks/http_auth.h"

#include <string.h>

#include "core/base64.h"

/* The one Proxy-Authorization field's credentials after "Basic "; empty without. */
static struct slice credentials(const struct http_head *h)
{
	struct slice v = http_head_find(h, "Proxy-Authorization");
	size_t count = 0, skip = strlen("Basic ");

	for (size_t i = 0; i < h->nfields; i++)
		count += http_value_is(h->fields[i].name, "Proxy-Authorization");
	if (count != 1 || v.n <= skip || !http_value_is((struct slice){ .p = v.p, .n = skip }, "Basic "))
		return (struct slice){ 0 };
	while (skip < v.n && v.p[skip] == ' ')
		skip++;
	return (struct slice){ .p = v.p + skip, .n = v.n - skip };
}

bool http_auth_ok(const struct http_head *h, const struct proxy_auth *auth)
{
	uint8_t given[HTTP_LOGIN_MAX];
	struct slice v = credentials(h);
	const uint8_t *colon = NULL;
	bool ok = false;
	size_t n;

	if (base64_decode_lax((const char *)v.p, v.n, given, sizeof(given), &n) == 0)
		colon = memchr(given, ':', n);
	/* RFC 7617 section 2: a user's name has no colon, a password may. */
	if (colon) {
		const struct slice user = { .p = given, .n = (size_t)(colon - given) };
		const struct slice password = { .p = colon + 1, .n = n - user.n - 1 };

		ok = proxy_auth_ok(auth, user, password);
	}
	wipe(given, sizeof(given));
	return ok;
}
