/* SPDX-License-Identifier: GPL-3.0-or-later */
/* socks.c - which of the two machines, see socks.h. */
#include "socks/socks.h"

#include <assert.h>

_Static_assert(SOCKS_MESSAGE_MAX >= SOCKS5_MESSAGE_MAX, "the longest message of both");

void socks_init(struct socks *s, const struct proxy_auth *auth)
{
	*s = (struct socks){ .version = SOCKS_NONE, .auth = auth };
}

/* What begins with no known version is SOCKS5's to refuse. */
static void choose(struct socks *s, uint8_t first)
{
	if (first == 4) {
		s->version = SOCKS_4;
		socks4_init(&s->u.v4, s->auth != NULL);
	} else {
		s->version = SOCKS_5;
		socks5_init(&s->u.v5, s->auth);
	}
}

enum socks_event socks_input(struct socks *s, struct slice in, size_t *ret_taken)
{
	*ret_taken = 0;
	if (s->version == SOCKS_NONE && in.n == 0)
		return SOCKS_MORE;
	if (s->version == SOCKS_NONE)
		choose(s, in.p[0]);
	if (s->version == SOCKS_4)
		return socks4_input(&s->u.v4, in, ret_taken);
	return socks5_input(&s->u.v5, in, ret_taken);
}

const struct dest *socks_dest(const struct socks *s)
{
	return s->version == SOCKS_4 ? &s->u.v4.dest : &s->u.v5.dest;
}

const char *socks_why(const struct socks *s)
{
	return s->version == SOCKS_4 ? s->u.v4.why : s->u.v5.why;
}

bool socks_denied(const struct socks *s)
{
	return s->version == SOCKS_5 && s->u.v5.denied;
}

void socks_bound(struct socks *s, const struct endpoint *at)
{
	if (s->version == SOCKS_4)
		socks4_bound(&s->u.v4, at);
	else
		socks5_bound(&s->u.v5, at);
}

void socks_connected(struct socks *s, const struct endpoint *at)
{
	if (s->version == SOCKS_4)
		socks4_connected(&s->u.v4, at);
	else
		socks5_connected(&s->u.v5, at);
}

void socks_failed(struct socks *s, int err)
{
	if (s->version == SOCKS_4)
		socks4_failed(&s->u.v4, err);
	else
		socks5_failed(&s->u.v5, err);
}

struct slice socks_tx_peek(const struct socks *s)
{
	if (s->version == SOCKS_NONE)
		return (struct slice){ 0 };
	return s->version == SOCKS_4 ? socks4_tx_peek(&s->u.v4) : socks5_tx_peek(&s->u.v5);
}

void socks_tx_consume(struct socks *s, size_t n)
{
	if (s->version == SOCKS_4)
		socks4_tx_consume(&s->u.v4, n);
	else if (s->version == SOCKS_5)
		socks5_tx_consume(&s->u.v5, n);
	else
		assert(n == 0);
}
