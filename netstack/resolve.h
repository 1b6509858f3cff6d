/* SPDX-License-Identifier: GPL-3.0-or-later */
/* resolve.h - names through the tunnel's own name servers, never the machine's.
 *
 * Both families are asked for at the same time if we have both. Addresses come in the order to try them: IPv6 and IPv4
 * in turn (RFC 8305 4). A name without a dot is looked for in the search domain first. */
#ifndef NETSTACK_RESOLVE_H
#define NETSTACK_RESOLVE_H

#include <stdbool.h>
#include <stdint.h>

#include "core/addr.h"
#include "core/limits.h"
#include "netstack/list.h"

struct netstack;

/* The addresses of a name. */
struct ip_set {
	struct ip ips[RESOLVE_IPS_MAX];
	unsigned n;
};

/* One who waits for an answer; a member of the waiting object. */
struct waiter {
	struct node node;
	/* The only call back: 0 and @n >= 1 addresses, borrowed for the call; VE_RESOLVE; or VE_NETUNREACH, the name
	 * has addresses, all of a family that we have none of. From inside of lwIP or a timer: record it, no more. */
	void (*done)(void *ctx, int err, const struct ip_set *found);
	void *ctx;
};

struct cached_name {
	char name[HOST_MAX + 1];
	struct ip_set found;
	uint64_t expires;
};

/* A member of struct netstack. */
struct resolver {
	struct node queries; /* distinct names being asked for, oldest first */
	unsigned nqueries;
	struct cached_name cache[RESOLVE_CACHE_MAX];
};

void resolver_init(struct resolver *r);

/* Forget all queries, without a word to who waits, and what is cached. */
void resolver_fini(struct netstack *ns);

/* Is the answer known already, and of any use now? */
bool resolve_cached(struct netstack *ns, const char *name, struct ip_set *ret);

/* Ask for @name. @w->done and @w->ctx are set by the caller; done() comes later, within RESOLVE_MS, never
 * from inside this call. Returns 0, or VE_RESOLVE (no name server, or a name that DNS cannot carry),
 * VE_LIMIT, VE_NOMEM. */
int resolve_start(struct netstack *ns, const char *name, struct waiter *w);

/* No call back after this. A waiter that does not wait is fine. */
void resolve_cancel(struct waiter *w);

/* Other network, other answers: forget the cache. */
void resolve_forget(struct netstack *ns);

/* Timer: retries and timeouts, and when they are due next (UINT64_MAX: never). */
void resolve_tick(struct netstack *ns, uint64_t now);
uint64_t resolve_deadline(const struct netstack *ns);

#endif
