/* SPDX-License-Identifier: GPL-3.0-or-later */
/* target.h - the far end of what a client asked for, whatever way the routes send it: a flow of the private network, or a
 * TCP connection that this machine makes itself ("direct").
 *
 * The calls are those of netstack/flow.h, and mean the same: two bounded windows, events never from inside a call, freed
 * exactly once by the owner. A destination that the rules block fails with VE_BLOCKED, and one that is not open after
 * connect_ms with VE_TIMEOUT; the time a flow waits for the tunnel (hold) or for its turn is not counted. */
#ifndef SOCKS_TARGET_H
#define SOCKS_TARGET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "core/addr.h"
#include "core/bytes.h"
#include "core/route.h"
#include "netstack/flow.h"
#include "socks/half_open.h"

struct direct;
struct target;

/* What targets are made of; one for the program. Rules and netstack are lent. */
struct targets {
	uv_loop_t *loop;
	struct netstack *ns;
	const struct route_rule *rules;
	size_t nrules;
	uint32_t connect_ms; /* how long one connect may take; 0: as long as the stack and the system try */
	bool full;           /* set by the front: no more clients are accepted, see half_open.h */
	/* read only */
	struct half_open half_open; /* targets that are not open yet, see target_open() */
	struct direct *lingering; /* see targets_fini() */
	struct target *parting;   /* see target_part(), */
	unsigned nparting;        /* and how many: <= TARGETS_PARTING_MAX */
};

/* Like flow_open(). If too many connects are under way (half_open.h), it waits for its turn before it begins, as long as one
 * connect may take, or FLOW_CONNECT_MS if that is not limited; when that is over, VE_TIMEOUT. While everything is taken, or
 * the front is full, connects have HALF_OPEN_MS. */
int target_open(struct targets *ts, const struct dest *to, const struct flow_events *ev, void *ctx, struct target **ret);
/* Take over an accepted flow (netstack/listen.h), which is open. Returns 0 or VE_NOMEM (the flow is freed). */
int target_adopt(struct targets *ts, struct flow *f, const struct flow_events *ev, void *ctx, struct target **ret);

/* Another owner: events go to @ev and @ctx from now on. Those that came are not repeated, see target_closed(). */
void target_rebind(struct target *t, const struct flow_events *ev, void *ctx);
/* Has closed() come, and with what? *ret_err is set only then. */
bool target_closed(const struct target *t, int *ret_err);

/* The addresses of an opened target. The remote port of an adopted flow is 0: whoever accepted it knows it. */
void target_addresses(const struct target *t, struct endpoint *ret_local, struct endpoint *ret_remote);
int target_peek(struct target *t, struct slice *v, int max);
void target_consume(struct target *t, size_t n);
uint8_t *target_reserve(struct target *t, size_t *room);
void target_commit(struct target *t, size_t n);
void target_shutdown(struct target *t);
void target_flush(struct targets *ts);
void target_free(struct target *t);

/* Like target_free(), for a conversation that is over for us and may be for the other side: an open target is not reset,
 * but ended in order, and gets TARGET_PART_MS to do the same. What still comes is thrown away, a little; more is answered
 * by a reset. While TARGETS_PARTING_MAX others do the same it is reset at once. NULL is fine. */
void target_part(struct target *t);

/* At the program's end, when every target has been freed: those that are parting, and direct connections whose last bytes
 * are still on their way, do not keep the loop. */
void targets_fini(struct targets *ts);

#endif
