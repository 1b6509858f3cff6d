/* SPDX-License-Identifier: GPL-3.0-or-later */
/* client_conf.c - who may use the proxy, see client_conf.h. */
#include "socks/client_conf.h"

#include <string.h>

#include "core/err.h"

/* @from padded to its full size. What is too long stays too long by its length. */
static void pad(uint8_t to[static PROXY_WORD_MAX], struct slice from)
{
	memset(to, 0, PROXY_WORD_MAX);
	if (from.n > 0)
		memcpy(to, from.p, min_size(from.n, PROXY_WORD_MAX));
}

int proxy_auth_set(struct proxy_auth *ret, const char *user, const char *password)
{
	struct slice u = { (const uint8_t *)user, strlen(user) }, p = { (const uint8_t *)password, strlen(password) };

	if (u.n < 1 || u.n > PROXY_WORD_MAX || p.n < 1 || p.n > PROXY_WORD_MAX)
		return VE_USAGE;
	ret->user_n = (uint8_t)u.n;
	ret->password_n = (uint8_t)p.n;
	pad(ret->user, u);
	pad(ret->password, p);
	return 0;
}

bool proxy_auth_ok(const struct proxy_auth *a, struct slice user, struct slice password)
{
	uint8_t u[PROXY_WORD_MAX], p[PROXY_WORD_MAX];
	int differ;

	pad(u, user);
	pad(p, password);
	/* Every part is looked at, whatever the ones before it gave. */
	differ = ct_differ(a->user, u, sizeof(u));
	differ |= ct_differ(a->password, p, sizeof(p));
	differ |= (a->user_n != user.n) | (a->password_n != password.n);
	wipe(p, sizeof(p));
	return differ == 0;
}
