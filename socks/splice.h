/* SPDX-License-Identifier: GPL-3.0-or-later */
/* splice.h - two targets joined, bytes both ways: who comes in at a port of ours in the private network (-R), and the
 * connection that this machine makes for it.
 *
 * Each direction waits for its slower side. A direction that ends in order ends in order on the other side; anything else
 * resets both. */
#ifndef SOCKS_SPLICE_H
#define SOCKS_SPLICE_H

#include <stdint.h>

#include "core/addr.h"
#include "netstack/flow.h"
#include "socks/target.h"

struct splice;

struct splice_events {
	/* Once: 0, both ways have ended in order, else VE_*. splice_free() follows, or is called from inside. */
	void (*over)(void *ctx, int err);
};

/* Join the accepted @f (an adoption, netstack/listen.h) with a connection to @to that is opened now by @far's routes. @near,
 * @far, @ev and @ctx are lent. Returns 0, or VE_NOMEM and what target_open() returns; @f is freed then. over() is never
 * called from inside. */
int splice_new(struct splice **ret, struct targets *near, struct flow *f, struct targets *far, const struct dest *to,
	       const struct splice_events *ev, void *ctx);

/* When bytes moved last, by the loop's clock. */
uint64_t splice_moved_at(const struct splice *s);

/* Free both targets at once. Does not target_flush(). NULL is fine. */
void splice_free(struct splice *s);

#endif
