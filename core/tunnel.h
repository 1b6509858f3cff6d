/* SPDX-License-Identifier: GPL-3.0-or-later */
/* tunnel.h - the only pump: wires and datagrams <-> session <-> link, with its timers and reconnects.
 *
 * A tunnel lives as long as the program. It opens a wire, makes a session on it, feeds the link, and when that ends
 * decides whether to try again. Never after a final fault (wrong password, wrong certificate). Before it was up for the
 * first time only if retry_first says so: a mistyped host should end in a line, not in a loop. Else after a back-off of
 * retry_interval * 2^n up to 60 s, with jitter, for ever or --retries times in a row. Listeners and flows are not its
 * business: they see the link go and come. */
#ifndef CORE_TUNNEL_H
#define CORE_TUNNEL_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "core/link.h"
#include "core/session.h"
#include "core/trust.h"

struct tunnel;

struct tunnel_conf {
	const struct session_ops *protocol;
	const char *host;
	uint16_t port;
	const char *rendezvous;     /* of wire_conf: how to find a server behind a NAT; NULL: it has an address */
	struct session_conf session;
	uint32_t retries;           /* in a row; UINT32_MAX: for ever */
	uint32_t retry_interval_ms; /* first back-off, >= 1 */
	bool retry_first;           /* retry the very first connect too: the user gave --retries */
};

struct tunnel_events {
	void (*ready)(void *ctx, const struct ip *address); /* after every connect, and after an address change */
	void (*lost)(void *ctx, const struct fault *f);     /* was up or trying; another try follows */
	void (*over)(void *ctx, const struct fault *f);     /* last event; VE_CANCELED after tunnel_stop(), VE_LOST if it
	                                                     * had been up, else the code of what went wrong */
};

/* Make a tunnel and start connecting. @c's strings, @trust, @link_ops and @link, @env, @ev and @ctx are lent until
 * tunnel_free(). No event before this returns. Returns 0 or VE_NOMEM. */
int tunnel_new(struct tunnel **ret, uv_loop_t *loop, const struct tunnel_conf *c, struct trust *trust,
	       const struct link_ops *link_ops, void *link, const struct session_env *env,
	       const struct tunnel_events *ev, void *ctx);

/* Say goodbye to the server; over() follows, within 2 s even if the server does not answer. Again: nothing. */
void tunnel_stop(struct tunnel *t);

/* Only after over(), or before any event. Frees when libuv is done with the handles. NULL is fine. */
void tunnel_free(struct tunnel *t);

#endif
