/* SPDX-License-Identifier: GPL-3.0-or-later */
/* target.h - the far end of what a client asked for, whatever way the routes send it: a flow of the private network, or a
 * TCP connection that this machine makes itself ("direct").
 *
 * The calls are those of netstack/flow.h, and mean the same: two bounded windows, events never from inside a call, freed
 * exactly once by the owner. A blocked destination fails with VE_REFUSED. */
#ifndef SOCKS_TARGET_H
#define SOCKS_TARGET_H

#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "core/addr.h"
#include "core/bytes.h"
#include "netstack/flow.h"
#include "core/route.h"

struct target;

/* What targets are made of; one for the program. Rules and netstack are lent. */
struct targets {
	uv_loop_t *loop;
	struct netstack *ns;
	const struct route_rule *rules;
	size_t nrules;
	uint32_t connect_ms; /* how long one connect may take */
};

/* Like flow_open(). */
int target_open(struct targets *ts, const struct dest *to, const struct flow_events *ev, void *ctx, struct target **ret);
/* Take over an accepted flow (netstack/listen.h). Returns 0 or VE_NOMEM (the flow is freed). */
int target_adopt(struct targets *ts, struct flow *f, const struct flow_events *ev, void *ctx, struct target **ret);

void target_addresses(const struct target *t, struct endpoint *ret_local, struct endpoint *ret_remote);
int target_peek(struct target *t, struct slice *v, int max);
void target_consume(struct target *t, size_t n);
uint8_t *target_reserve(struct target *t, size_t *room);
void target_commit(struct target *t, size_t n);
void target_shutdown(struct target *t);
void target_flush(struct targets *ts);
void target_free(struct target *t);

#endif
