/* SPDX-License-Identifier: GPL-3.0-or-later */
/* lookup.c - a name's addresses for a front-end: the resolver's answer, kept until netstack_dispatch() delivers it. */
#include "netstack/lookup.h"

#include <stdlib.h>
#include <string.h>

#include "core/err.h"
#include "netstack/netstack_int.h"

struct lookup {
	struct netstack *ns;
	struct waiter waiter;
	struct node ready; /* of ns->lookups */
	int err;
	struct ip_set found;
	void (*done)(void *ctx, int err, const struct ip *ips, unsigned n);
	void *ctx;
};

static void answer(struct lookup *l, int err, const struct ip_set *found)
{
	l->err = err;
	if (err == 0)
		l->found = *found;
	list_move_last(&l->ns->lookups, &l->ready);
}

static void on_resolved(void *ctx, int err, const struct ip_set *found)
{
	answer(ctx, err, found);
}

/* A literal address is its own answer, if we can reach its family. */
static bool is_literal(struct lookup *l, const char *name)
{
	struct ip_set one = { .n = 1 };
	bool reachable;

	if (ip_parse(name, &one.ips[0]) != 0)
		return false;
	reachable = one.ips[0].family == IP_V4 ? netstack_has_ip4(l->ns) : netstack_has_ip6(l->ns);
	answer(l, reachable ? 0 : VE_NETUNREACH, &one);
	return true;
}

/* Where the answer comes from: none without a link, what is known, the name itself, or the resolver, whose answer comes
 * later. Returns 0, or why nothing will ever come. */
static int ask(struct lookup *l, const char *name)
{
	struct ip_set found;
	int r;

	if (!l->ns->ready) {
		answer(l, VE_DOWN, NULL);
	} else if (resolve_cached(l->ns, name, &found)) {
		answer(l, 0, &found);
	} else if (!is_literal(l, name)) {
		r = resolve_start(l->ns, name, &l->waiter);
		if (r != VE_RESOLVE)
			return r;
		answer(l, VE_RESOLVE, NULL);
	}
	return 0;
}

int lookup_new(struct lookup **ret, struct netstack *ns, const char *name,
	       void (*done)(void *ctx, int err, const struct ip *ips, unsigned n), void *ctx)
{
	struct lookup *l = calloc(1, sizeof(*l));
	int r;

	if (!l)
		return VE_NOMEM;
	l->ns = ns;
	l->done = done;
	l->ctx = ctx;
	l->waiter.done = on_resolved;
	l->waiter.ctx = l;
	list_init(&l->waiter.node);
	list_init(&l->ready);
	netstack_enter(ns);
	r = ask(l, name);
	netstack_leave(ns);
	if (r != 0) {
		free(l);
		return r;
	}
	*ret = l;
	return 0;
}

void lookup_free(struct lookup *l)
{
	if (!l)
		return;
	resolve_cancel(&l->waiter);
	list_del(&l->ready);
	free(l);
}

void lookup_deliver_all(struct netstack *ns)
{
	struct node batch;

	list_init(&batch);
	list_take_all(&batch, &ns->lookups);
	while (!list_empty(&batch)) {
		struct lookup *l = list_entry(batch.next, struct lookup, ready);

		list_del(&l->ready);
		l->done(l->ctx, l->err, l->found.ips, l->err == 0 ? l->found.n : 0); /* may free it */
	}
}
