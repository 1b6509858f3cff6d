/* SPDX-License-Identifier: GPL-3.0-or-later */
/* fuzz_socks.inc.h - what comes out of a SOCKS machine, for the targets of both versions. */
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "core/bytes.h"
#include "socks/socks4.h"
#include "socks/socks5.h"
#include "test/support/fuzz.h"

struct result {
	enum socks_event event;
	struct dest dest;
	size_t taken;
	uint8_t tx[SOCKS5_TX_MAX]; /* SOCKS4 has less to say */
	size_t ntx;
};

static inline void keep_sent(struct result *r, struct slice tx)
{
	MUST(tx.n <= sizeof(r->tx) - r->ntx);
	memcpy(r->tx + r->ntx, tx.p, tx.n);
	r->ntx += tx.n;
}

/* How much arrives next, of @left: all of it if @seed is 0, else 1 to 7 bytes. */
static inline size_t next_piece(uint32_t *seed, size_t left)
{
	if (*seed == 0)
		return left;
	*seed = *seed * 1664525u + 1013904223u;
	return min_size(1 + (*seed >> 24) % 7, left);
}

static inline void check_dest(const struct dest *d, bool has_port)
{
	size_t n = strnlen(d->name, sizeof(d->name));

	MUST(n < sizeof(d->name));
	MUST(d->port != 0 || !has_port);
	MUST((d->ip.family == IP_NONE) == (n > 0));
	for (size_t i = 0; i < n; i++)
		MUST((unsigned char)d->name[i] > 0x20 && (unsigned char)d->name[i] < 0x7f);
}

static inline void check_same(const struct result *whole, const struct result *cut)
{
	MUST(whole->event == cut->event);
	MUST(whole->ntx == cut->ntx && memcmp(whole->tx, cut->tx, whole->ntx) == 0);
	MUST(whole->taken == cut->taken);
	MUST(whole->dest.port == cut->dest.port && strcmp(whole->dest.name, cut->dest.name) == 0 &&
	     ip_equal(&whole->dest.ip, &cut->dest.ip));
}
