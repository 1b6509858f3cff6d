/* SPDX-License-Identifier: GPL-3.0-or-later */
/* http_auth.c - see http_auth.h. What cannot be decoded is longer than any login, or no base64: saying so early tells
 * nothing about the right one, which is compared in constant time by client_conf.c. */
#include "socks/http_auth.h"

#include <string.h>

#include "core/err.h"

/* The value of a base64 character, RFC 4648 section 4; -1 for others. */
static int base64_digit(uint8_t c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* Decode into @to. Returns how many bytes, or VE_PROTO (no base64, or more than @max). */
static int decode(struct slice v, uint8_t *to, size_t max)
{
	uint32_t bits = 0;
	unsigned have = 0;
	size_t n = 0;

	for (unsigned pads = 0; pads < 2 && v.n > 0 && v.p[v.n - 1] == '='; pads++)
		v.n--;
	for (size_t i = 0; i < v.n; i++) {
		int digit = base64_digit(v.p[i]);

		if (digit < 0 || n == max)
			return VE_PROTO;
		bits = (bits << 6) | (uint32_t)digit;
		have += 6;
		if (have >= 8) {
			have -= 8;
			to[n++] = (uint8_t)(bits >> have);
		}
	}
	return have < 6 ? (int)n : VE_PROTO;
}

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
	int n = decode(credentials(h), given, sizeof(given));
	const uint8_t *colon = n > 0 ? memchr(given, ':', (size_t)n) : NULL;
	bool ok = false;

	/* RFC 7617 section 2: a user's name has no colon, a password may. */
	if (colon) {
		const struct slice user = { .p = given, .n = (size_t)(colon - given) };
		const struct slice password = { .p = colon + 1, .n = (size_t)n - user.n - 1 };

		ok = proxy_auth_ok(auth, user, password);
	}
	wipe(given, sizeof(given));
	return ok;
}
