/* SPDX-License-Identifier: GPL-3.0-or-later */
/* target.c - by the routes: a flow, a direct connection, or nothing; see target.h.
 *
 * Theory of operation
 *
 * A target passes calls down to what it has below and events up to its owner, so the owner can change on the way
 * (target_rebind). It adds three things: the decision where the target lies, when its connect may begin, and how long it
 * may take. The patience is counted in steps, because a flow that waits for the tunnel stands still meanwhile (flow_held),
 * and because what is patience enough may change: when everything is taken (half_open.h), or no more clients can be
 * accepted, a connect has HALF_OPEN_MS instead of all its time. By then a host that lives has answered, but for those far
 * away or overloaded; and to have no room for anybody would be worse.
 *
 *     WAITING --its turn--> CONNECTING --opened--> open          all: closed
 *
 * A target that is over makes room for others, whose timers are set to the next turn of the loop: nothing begins inside of
 * somebody else's call. The timer also tells that a destination is blocked, which must not happen inside target_open().
 * Events that come from libuv and not from netstack_dispatch() end with flow_flush(): an owner may have used a flow in
 * them. */
#include "socks/target.h"

#include <assert.h>
#include <stdlib.h>

#include "core/err.h"
#include "core/limits.h"
#include "netstack/listen.h"
#include "socks/direct.h"

#define STEP_MS 1000u

struct target {
	struct targets *ts;
	const struct flow_events *ev;
	void *ctx;
	struct flow *flow; /* at most one of these two */
	struct direct *direct;
	uv_timer_t timer;
	uint32_t waited_ms, step_ms; /* in this state */
	uint16_t port;
	struct target *prev, *next; /* of ts->parting */
	size_t thrown_away;
	struct half_open_claim *claim; /* until it is open, or has failed */
	bool shut;
	bool closed;
	int err;
};

static void on_step(uv_timer_t *timer);

/* Opened or failed: others may begin. */
static void not_opening(struct target *t)
{
	struct half_open *h = &t->ts->half_open;
	struct half_open_claim *c = t->claim;

	if (!c)
		return;
	t->claim = NULL;
	uv_timer_stop(&t->timer);
	half_open_leave(h, c);
	while ((c = half_open_next(h)))
		uv_timer_start(&((struct target *)c->owner)->timer, on_step, 0, 0);
}

static void free_below(struct target *t)
{
	flow_free(t->flow);
	direct_free(t->direct);
	t->flow = NULL;
	t->direct = NULL;
}

/* --- events from below --------------------------------------------------------------------------------- */

static void on_opened(void *ctx)
{
	struct target *t = ctx;

	not_opening(t);
	t->ev->opened(t->ctx);
}

static void on_readable(void *ctx)
{
	struct target *t = ctx;

	t->ev->readable(t->ctx);
}

static void on_writable(void *ctx)
{
	struct target *t = ctx;

	t->ev->writable(t->ctx);
}

static void on_closed(void *ctx, int err)
{
	struct target *t = ctx;

	not_opening(t);
	t->closed = true;
	t->err = err;
	t->ev->closed(t->ctx, err);
}

static const struct flow_events flow_events = { on_opened, on_readable, on_writable, on_closed };

static void on_direct_opened(void *ctx)
{
	struct netstack *ns = ((struct target *)ctx)->ts->ns;

	on_opened(ctx);
	flow_flush(ns);
}

static void on_direct_readable(void *ctx)
{
	struct netstack *ns = ((struct target *)ctx)->ts->ns;

	on_readable(ctx);
	flow_flush(ns);
}

static void on_direct_writable(void *ctx)
{
	struct netstack *ns = ((struct target *)ctx)->ts->ns;

	on_writable(ctx);
	flow_flush(ns);
}

static void on_direct_closed(void *ctx, int err)
{
	struct netstack *ns = ((struct target *)ctx)->ts->ns;

	on_closed(ctx, err);
	flow_flush(ns);
}

static const struct flow_events direct_events = {
	on_direct_opened, on_direct_readable, on_direct_writable, on_direct_closed
};

/* --- time ---------------------------------------------------------------------------------------------- */

/* How long this may take in all, by what is known now. */
static uint32_t patience(const struct target *t)
{
	return half_open_patience(&t->ts->half_open, t->claim, t->ts->connect_ms, t->ts->full);
}

static void wait_on(struct target *t)
{
	uint32_t left = patience(t) - t->waited_ms;

	t->step_ms = left < STEP_MS ? left : STEP_MS;
	uv_timer_start(&t->timer, on_step, t->step_ms, 0);
}

/* It is not over yet, and the time since the last step has gone by. */
static void wait_or_give_up(struct target *t)
{
	if (!t->flow || !flow_held(t->flow))
		t->waited_ms += t->step_ms;
	if (t->waited_ms < patience(t)) {
		wait_on(t);
		return;
	}
	free_below(t);
	t->err = VE_TIMEOUT;
}

static void begin(struct target *t);

static void on_step(uv_timer_t *timer)
{
	struct target *t = timer->data;
	struct netstack *ns = t->ts->ns;

	if (t->err == 0 && !t->flow && !t->direct && t->claim->under_way)
		begin(t);
	else if (t->err == 0)
		wait_or_give_up(t);
	if (t->err != 0)
		on_closed(t, t->err);
	flow_flush(ns);
}

/* --- the calls ----------------------------------------------------------------------------------------- */

static int open_below(struct target *t, const struct dest *to)
{
	struct targets *ts = t->ts;

	switch (route_find(ts->rules, ts->nrules, to)) {
	case ROUTE_DIRECT:
		return direct_open(ts->loop, to, &ts->lingering, &direct_events, t, &t->direct);
	case ROUTE_BLOCK:
		t->err = VE_BLOCKED;
		return 0;
	case ROUTE_TUNNEL:
		break;
	}
	return flow_open(ts->ns, to, &flow_events, t, &t->flow);
}

static struct target *alloc_target(struct targets *ts, const struct flow_events *ev, void *ctx)
{
	struct target *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	t->ts = ts;
	t->ev = ev;
	t->ctx = ctx;
	t->timer.data = t;
	return t;
}

/* Its turn has come. On error t->err is set. */
static void begin(struct target *t)
{
	int err = open_below(t, &t->claim->to);

	t->waited_ms = 0;
	if (err != 0)
		t->err = err;
	if (t->err == 0)
		wait_on(t);
}

int target_open(struct targets *ts, const struct dest *to, const struct flow_events *ev, void *ctx, struct target **ret)
{
	struct target *t = alloc_target(ts, ev, ctx);
	int err;

	if (!t)
		return VE_NOMEM;
	t->port = to->port;
	err = half_open_join(&ts->half_open, to, t, &t->claim);
	if (err == 0 && t->claim->under_way)
		err = open_below(t, to);
	if (err != 0) {
		half_open_leave(&ts->half_open, t->claim);
		free(t);
		return err;
	}
	uv_timer_init(ts->loop, &t->timer);
	if (t->err != 0)
		uv_timer_start(&t->timer, on_step, 0, 0);
	else
		wait_on(t);
	*ret = t;
	return 0;
}

int target_adopt(struct targets *ts, struct flow *f, const struct flow_events *ev, void *ctx, struct target **ret)
{
	struct target *t = alloc_target(ts, ev, ctx);

	if (!t) {
		flow_free(f);
		return VE_NOMEM;
	}
	uv_timer_init(ts->loop, &t->timer);
	t->flow = f;
	flow_adopt(f, &flow_events, t);
	*ret = t;
	return 0;
}

void target_rebind(struct target *t, const struct flow_events *ev, void *ctx)
{
	t->ev = ev;
	t->ctx = ctx;
}

bool target_closed(const struct target *t, int *ret_err)
{
	if (t->closed)
		*ret_err = t->err;
	return t->closed;
}

void target_addresses(const struct target *t, struct endpoint *ret_local, struct endpoint *ret_remote)
{
	if (t->direct) {
		direct_addresses(t->direct, ret_local, ret_remote);
		return;
	}
	*ret_local = *ret_remote = (struct endpoint){ .ip = { .family = IP_NONE } };
	if (!t->flow)
		return;
	flow_addresses(t->flow, &ret_local->ip, &ret_local->port, &ret_remote->ip);
	ret_remote->port = t->port;
}

int target_peek(struct target *t, struct slice *v, int max)
{
	if (t->direct)
		return direct_peek(t->direct, v, max);
	return t->flow ? flow_peek(t->flow, v, max) : 0;
}

void target_consume(struct target *t, size_t n)
{
	if (t->direct)
		direct_consume(t->direct, n);
	else if (t->flow)
		flow_consume(t->flow, n);
}

uint8_t *target_reserve(struct target *t, size_t *room)
{
	if (t->direct)
		return direct_reserve(t->direct, room);
	if (t->flow)
		return flow_reserve(t->flow, room);
	*room = 0;
	return NULL;
}

void target_commit(struct target *t, size_t n)
{
	if (t->direct)
		direct_commit(t->direct, n);
	else
		flow_commit(t->flow, n);
}

void target_shutdown(struct target *t)
{
	t->shut = true;
	if (t->direct)
		direct_shutdown(t->direct);
	else if (t->flow)
		flow_shutdown(t->flow);
}

void target_flush(struct targets *ts)
{
	flow_flush(ts->ns);
}

static void on_timer_closed(uv_handle_t *h)
{
	free(h->data);
}

void target_free(struct target *t)
{
	if (!t)
		return;
	not_opening(t);
	free_below(t);
	uv_close((uv_handle_t *)&t->timer, on_timer_closed);
}

/* --- parting ------------------------------------------------------------------------------------------- */

static void on_part_over(struct target *t)
{
	if (t->prev)
		t->prev->next = t->next;
	else
		t->ts->parting = t->next;
	if (t->next)
		t->next->prev = t->prev;
	t->ts->nparting--;
	target_free(t);
}

static void on_part_readable(void *ctx)
{
	struct target *t = ctx;
	struct slice v;

	while (t->thrown_away <= TARGET_PART_BYTES && target_peek(t, &v, 1) > 0) {
		t->thrown_away += v.n;
		target_consume(t, v.n);
	}
	if (t->thrown_away > TARGET_PART_BYTES)
		on_part_over(t);
}

static void on_part_nothing(void *ctx)
{
	(void)ctx;
}

static void on_part_closed(void *ctx, int err)
{
	(void)err;
	on_part_over(ctx);
}

static void on_part_timer(uv_timer_t *timer)
{
	struct target *t = timer->data;
	struct netstack *ns = t->ts->ns;

	on_part_over(t);
	flow_flush(ns);
}

void target_part(struct target *t)
{
	static const struct flow_events events = { on_part_nothing, on_part_readable, on_part_nothing, on_part_closed };

	if (!t || t->claim || t->closed || (!t->flow && !t->direct) || t->ts->nparting >= TARGETS_PARTING_MAX) {
		target_free(t);
		return;
	}
	target_rebind(t, &events, t);
	t->next = t->ts->parting;
	if (t->next)
		t->next->prev = t;
	t->ts->parting = t;
	t->ts->nparting++;
	uv_timer_start(&t->timer, on_part_timer, TARGET_PART_MS, 0);
	if (!t->shut)
		target_shutdown(t);
	on_part_readable(t); /* what has come already is not told again */
}

void targets_fini(struct targets *ts)
{
	while (ts->parting)
		on_part_over(ts->parting);
	direct_drop(&ts->lingering);
}
