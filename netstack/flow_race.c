/* SPDX-License-Identifier: GPL-3.0-or-later */
/* flow_race.c - one flow to a name with several addresses: "happy eyeballs" (RFC 8305).
 *
 * Theory of operation
 *
 * The flow that the front-end has (the parent) waits in FLOW_RACING, while flows of our own run to single addresses, in
 * the order of the resolver: the first at once, the next one after RACE_DELAY_MS or as soon as one has failed. Two run at
 * the same time; if both are silent for RACE_PATIENCE_MS, the older one makes room. The first that opens gives its
 * connection to the parent (flow_take_over), and the race is over. When all have failed, the parent fails with the reason
 * that says most. So a family that leads nowhere costs a quarter of a second, and nobody behind flow.h knows of it. */
#include <stdlib.h>

#include "core/err.h"
#include "netstack/flow.h"
#include "netstack/netstack_int.h"

#define LANES 2u
#define RACE_DELAY_MS 250u     /* RFC 8305 5 */
#define RACE_PATIENCE_MS 2000u /* two retransmissions of a SYN */

struct lane {
	struct race *race;
	struct flow *flow; /* NULL: free */
};

struct race {
	struct netstack *ns;
	struct flow *parent;
	struct node node; /* of ns->races */
	struct ip_set to;
	unsigned next;    /* the first address not tried */
	uint16_t port;
	uint64_t next_at; /* when it may start */
	int err;          /* of those that failed: what says most */
	struct lane lanes[LANES];
	unsigned older;   /* of the lanes in use */
};

static void go_on(struct race *r);

void race_free(struct race *r)
{
	if (!r)
		return;
	list_del(&r->node);
	for (unsigned i = 0; i < LANES; i++)
		flow_free(r->lanes[i].flow);
	free(r);
}

/* A refusal is somebody's answer; silence and "no way" may be anybody's fault. */
static int telling(int a, int b)
{
	if (a == 0 || b == VE_REFUSED)
		return b;
	return a == VE_REFUSED || b == VE_NETUNREACH ? a : b;
}

static void on_opened(void *ctx)
{
	struct lane *l = ctx;
	struct race *r = l->race;
	struct flow *won = l->flow;

	if (!flow_take_over(r->parent, won))
		return; /* it has broken again meanwhile: closed() is about to come */
	race_free(r);
}

static void on_closed(void *ctx, int err)
{
	struct lane *l = ctx;
	struct race *r = l->race;

	flow_free(l->flow);
	l->flow = NULL;
	r->err = telling(r->err, err);
	go_on(r);
}

static void on_nothing(void *ctx)
{
	(void)ctx;
}

static bool is_full(const struct race *r)
{
	return r->lanes[0].flow && r->lanes[1].flow;
}

/* Start the next address in a free lane. Returns false if it failed at once. */
static bool start_next(struct race *r)
{
	static const struct flow_events events = { on_opened, on_nothing, on_nothing, on_closed };
	struct dest to = { .ip = r->to.ips[r->next++], .port = r->port };
	unsigned i = r->lanes[0].flow ? 1 : 0;
	struct lane *l = &r->lanes[i];
	int err = flow_open(r->ns, &to, &events, l, &l->flow);

	if (err != 0) {
		l->flow = NULL;
		r->err = telling(r->err, err);
		return false;
	}
	r->older = is_full(r) ? 1 - i : i;
	return true;
}

static void make_room(struct race *r)
{
	flow_free(r->lanes[r->older].flow);
	r->lanes[r->older].flow = NULL;
	r->older = 1 - r->older;
}

/* A lane is free, and the next address may use it at once; without either the race is lost. */
static void go_on(struct race *r)
{
	while (r->next < r->to.n) {
		if (start_next(r)) {
			r->next_at = netstack_now() + (is_full(r) ? RACE_PATIENCE_MS : RACE_DELAY_MS);
			return;
		}
	}
	r->next_at = UINT64_MAX;
	if (!r->lanes[0].flow && !r->lanes[1].flow)
		flow_race_lost(r->parent, r->err);
}

int race_new(struct race **ret, struct netstack *ns, struct flow *parent, const struct ip_set *to, uint16_t port)
{
	struct race *r = calloc(1, sizeof(*r));

	if (!r)
		return VE_NOMEM;
	*r = (struct race){ .ns = ns, .parent = parent, .to = *to, .port = port, .next_at = netstack_now() };
	for (unsigned i = 0; i < LANES; i++)
		r->lanes[i].race = r;
	list_init(&r->node);
	list_move_last(&ns->races, &r->node);
	*ret = r;
	return 0;
}

static void tick(struct race *r, uint64_t now)
{
	if (now < r->next_at)
		return;
	if (is_full(r))
		make_room(r);
	go_on(r);
}

void race_tick(struct netstack *ns, uint64_t now)
{
	struct node *next;

	for (struct node *n = ns->races.next; n != &ns->races; n = next) {
		next = n->next;
		tick(list_entry(n, struct race, node), now);
	}
}

uint64_t race_deadline(const struct netstack *ns)
{
	uint64_t at = UINT64_MAX;

	for (struct node *n = ns->races.next; n != &ns->races; n = n->next) {
		const struct race *r = list_entry(n, struct race, node);

		at = r->next_at < at ? r->next_at : at;
	}
	return at;
}
