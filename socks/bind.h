/* SPDX-License-Identifier: GPL-3.0-or-later */
/* bind.h - one BIND: a TCP port in the private network that waits for one connection of one peer. */
#ifndef SOCKS_BIND_H
#define SOCKS_BIND_H

#include <stdbool.h>

#include "core/addr.h"
#include "socks/target.h"

struct bind;

/* Not from inside a call. Inside each the owner may, and in the end does, bind_free(). */
struct bind_events {
	void (*bound)(void *ctx, const struct endpoint *at); /* only if bind_at() did not know it right after bind_new() */
	/* The peer came: @t is the owner's, by target_rebind(). The port is closed. */
	void (*accepted)(void *ctx, struct target *t, const struct endpoint *from);
	void (*failed)(void *ctx, int err);
};

/* Wait for @peer: an address, a name (looked up in the private network), or an address of zeros for anybody; its port
 * does not count, because the ones who are waited for, FTP servers above all, come from another. A connection from
 * somebody else is reset, and if @strict fails the BIND (SOCKS4 wants it so). @ts, @ev and @ctx are lent. How long to
 * wait is the caller's business.
 *
 * Returns 0, or VE_BLOCKED (the routes do not send @peer through the tunnel: it cannot come from there), VE_DOWN (no
 * address in the private network), VE_NOMEM, VE_LIMIT, VE_LISTEN. */
int bind_new(struct bind **ret, struct targets *ts, const struct dest *peer, bool strict, const struct bind_events *ev,
	     void *ctx);

/* Where it listens. Returns false while the peer's name is being looked up. */
bool bind_at(const struct bind *b, struct endpoint *ret);

void bind_free(struct bind *b); /* NULL is fine */

#endif
