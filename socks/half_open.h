/* SPDX-License-Identifier: GPL-3.0-or-later */
/* half_open.h - who may connect now, and who waits for his turn. A pure machine; the theory stands in half_open.c.
 *
 * A claim is one connect that somebody wants, from when he asks until it has succeeded or failed. It is either under way or
 * waiting. Zeroed is empty, and empty holds no memory. */
#ifndef SOCKS_HALF_OPEN_H
#define SOCKS_HALF_OPEN_H

#include <stdbool.h>
#include <stdint.h>

#include "core/addr.h"

#define HALF_OPEN_BUCKETS 256u

struct half_open_place;

struct half_open_claim {
	void *owner;
	struct dest to;
	bool under_way;
	/* private */
	struct half_open_place *place;
	struct half_open_claim *next; /* that waits behind it at the same place */
	struct half_open_claim *prev;
};

struct half_open {
	/* read only */
	unsigned under_way; /* <= HALF_OPEN_MAX */
	unsigned waiting;
	/* private */
	struct half_open_place *buckets[HALF_OPEN_BUCKETS];
	struct half_open_place *first, *last; /* places where somebody waits, in the order of their turns */
};

/* @owner wants to connect to @to (copied). Returns 0 with *ret, whose under_way says whether he may begin now; or
 * VE_NOMEM. */
int half_open_join(struct half_open *h, const struct dest *to, void *owner, struct half_open_claim **ret);

/* Begun or not, @c is over, and freed. NULL is fine. Then half_open_next() may have somebody. */
void half_open_leave(struct half_open *h, struct half_open_claim *c);

/* The next one whose turn has come, under way from here on; NULL if there is none. */
struct half_open_claim *half_open_next(struct half_open *h);

/* How long @c may take in all, waiting or under way, by what is known now: @connect_ms, or if that is 0 FLOW_CONNECT_MS for
 * its turn and UINT32_MAX for the connect; but HALF_OPEN_MS at most if it stands in the way of others: it is crowded, or the
 * front is @full. */
uint32_t half_open_patience(const struct half_open *h, const struct half_open_claim *c, uint32_t connect_ms, bool full);

/* Does somebody wait because everything is taken, and not because of others that want to go to the same place? */
bool half_open_is_crowded(const struct half_open *h);

#endif
