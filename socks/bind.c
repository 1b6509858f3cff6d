/* SPDX-License-Identifier: GPL-3.0-or-later */
/* bind.c - see bind.h.
 *
 * A peer's name is looked up first, and the port opened when its addresses are known; for an address, or anybody, at
 * once. */
#include "socks/bind.h"

#include <stdlib.h>
#include <string.h>

#include "core/err.h"
#include "core/limits.h"
#include "core/route.h"
#include "netstack/listen.h"
#include "netstack/lookup.h"

struct bind {
	struct targets *ts;
	const struct bind_events *ev;
	void *ctx;
	bool strict, anybody;
	struct lookup *lookup;
	struct ip peers[BIND_ADDRESSES_MAX];
	unsigned npeers;
	struct tcp_port *port;
};

static bool is_expected(const struct bind *b, const struct ip *from)
{
	for (unsigned i = 0; i < b->npeers; i++) {
		if (ip_equal(&b->peers[i], from))
			return true;
	}
	return b->anybody;
}

/* Until its owner takes it over (target_rebind) nothing can happen to a target: both are in one event. */
static const struct flow_events no_events;

static void on_accepted(void *ctx, struct flow *f, const struct endpoint *from)
{
	struct bind *b = ctx;
	struct target *t;
	int err;

	if (!is_expected(b, &from->ip)) {
		flow_free(f);
		if (b->strict)
			b->ev->failed(b->ctx, VE_BLOCKED);
		return;
	}
	err = target_adopt(b->ts, f, &no_events, NULL, &t);
	if (err != 0) {
		b->ev->failed(b->ctx, err);
		return;
	}
	tcp_port_free(b->port);
	b->port = NULL;
	b->ev->accepted(b->ctx, t, from);
}

static const struct tcp_port_events port_events = { .accepted = on_accepted };

/* Backlog 1: one connection is all that is wanted. */
static int open_port(struct bind *b)
{
	struct endpoint at;
	int err = tcp_port_new(&b->port, b->ts->ns, 0, 1, &port_events, b);

	if (err != 0)
		return err;
	tcp_port_local(b->port, &at);
	return at.ip.family == IP_NONE ? VE_DOWN : 0;
}

static void on_looked_up(void *ctx, int err, const struct ip *ips, unsigned n)
{
	struct bind *b = ctx;
	struct endpoint at;

	lookup_free(b->lookup);
	b->lookup = NULL;
	for (unsigned i = 0; err == 0 && i < n && i < BIND_ADDRESSES_MAX; i++)
		b->peers[b->npeers++] = ips[i];
	if (err == 0)
		err = open_port(b);
	if (err == 0 && bind_at(b, &at))
		b->ev->bound(b->ctx, &at);
	else
		b->ev->failed(b->ctx, err);
}

static bool is_zero(const struct ip *ip)
{
	static const uint8_t zeros[16] = { 0 };

	return ip->family != IP_NONE && memcmp(ip->b, zeros, ip->family == IP_V6 ? 16 : 4) == 0;
}

static int start(struct bind *b, const struct dest *peer)
{
	if (peer->ip.family == IP_NONE)
		return lookup_new(&b->lookup, b->ts->ns, peer->name, on_looked_up, b);
	b->anybody = is_zero(&peer->ip);
	b->peers[b->npeers++] = peer->ip;
	return open_port(b);
}

int bind_new(struct bind **ret, struct targets *ts, const struct dest *peer, bool strict, const struct bind_events *ev,
	     void *ctx)
{
	struct bind *b;
	int err;

	if (!is_zero(&peer->ip) && route_find(ts->rules, ts->nrules, peer) != ROUTE_TUNNEL)
		return VE_BLOCKED;
	b = calloc(1, sizeof(*b));
	if (!b)
		return VE_NOMEM;
	*b = (struct bind){ .ts = ts, .ev = ev, .ctx = ctx, .strict = strict };
	err = start(b, peer);
	if (err != 0) {
		bind_free(b);
		return err;
	}
	*ret = b;
	return 0;
}

bool bind_at(const struct bind *b, struct endpoint *ret)
{
	if (!b->port)
		return false;
	tcp_port_local(b->port, ret);
	return true;
}

void bind_free(struct bind *b)
{
	if (!b)
		return;
	lookup_free(b->lookup);
	tcp_port_free(b->port);
	free(b);
}
