/* SPDX-License-Identifier: GPL-3.0-or-later */
/* tunnel.c - the pump, and the life of one session after the other.
 *
 * Theory of operation
 *
 * One attempt is a wire, then a session on it, then the link on the session. Bytes move in turns:
 *
 *     down   wire readable: decrypt straight into the session's window, take its events, hand each frame to the link;
 *            when the batch is through, link turn_end() lets lwIP's flows act, and what they answered goes out.
 *     up     frames reach the session through link_owner.output(). They leave once per loop turn: at the end of a down
 *            turn, or, if a client or a timer caused them, from the prepare handle that runs before the loop sleeps.
 *            So everything that one turn produced shares TLS records and one write.
 *
 * Nothing is queued here. A wire that is full leaves bytes in the session, a full session says VE_AGAIN to the link,
 * lwIP keeps the segment; SESSION_ROOM goes the other way.
 *
 * Ending is always two steps: fail() records the first fault, from wherever, also from deep inside a link call;
 * finish() tears the attempt down from the top of a turn, when nobody below is still running on it, and decides what is
 * next. That is the only place where an attempt ends.
 *
 *            CONNECTING --> LOGIN --> LINKING --> UP
 *                ^  |         |          |         |
 *                |  +---------+----------+---------+--> fail(), finish()
 *                |                                        |
 *             WAITING <-----------------------------------+--> OVER
 */
#include "core/tunnel.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "core/err.h"
#include "core/log.h"
#include "core/wire.h"

#define BACKOFF_MAX_MS 60000u /* the longest a user should wait after the server came back */
#define STEADY_MS 30000u      /* up for this long: the next loss starts counting anew */
#define GOODBYE_MS 2000u      /* for the protocol's own farewell, see tunnel_stop() */

enum tunnel_state {
	T_CONNECTING, /* wire set, session not: TCP and TLS are under way */
	T_LOGIN,      /* wire and session: until SESSION_READY */
	T_LINKING,    /* and the link is up: until it has an address */
	T_UP,         /* frames flow */
	T_WAITING,    /* no wire, no session: the timer starts the next attempt */
	T_OVER,       /* no wire, no session: over() was called, only tunnel_free() is legal */
};

static const char *const state_names[] = { "connecting", "login", "getting an address", "up", "waiting", "over" };

struct tunnel {
	struct tunnel_conf conf;
	uv_loop_t *loop;
	struct trust *trust;
	const struct link_ops *link_ops;
	void *link;
	const struct session_env *env;
	const struct tunnel_events *ev;
	void *ctx;

	enum tunnel_state state;
	struct wire *wire;
	struct wire_facts facts; /* of this attempt's wire, lent to the session */
	struct session *session;
	struct link_owner owner;
	bool link_up;     /* link_ops->up() was called, down() was not */
	bool kicked;      /* something is to be done before the loop sleeps */
	bool stopping;    /* the user wants to leave */
	bool pumping;     /* inside turn(): link calls made by it need no kick */
	struct fault fault;

	uint64_t up_since; /* valid in T_UP */
	bool was_up;       /* ever */
	uint32_t tries;    /* attempts in a row that failed */

	uv_timer_t timer;     /* session deadline, back-off or farewell, by state */
	uv_prepare_t prepare; /* runs kicked work before the loop sleeps */
	unsigned handles;     /* to be closed before the memory may go */
};

static void finish(struct tunnel *t);
static void start_attempt(struct tunnel *t);
static void turn(struct tunnel *t);

/* The only function that changes the state. */
static void enter(struct tunnel *t, enum tunnel_state to)
{
	if (t->state != to)
		log_debug("tunnel %s:%u: %s -> %s", t->conf.host, t->conf.port, state_names[t->state],
			  state_names[to]);
	t->state = to;
}

static void fail(struct tunnel *t, const struct fault *f)
{
	if (t->fault.err == 0)
		t->fault = *f;
	t->kicked = true;
}

/* --- down: wire to session to link ---------------------------------------------------------------------------- */

static void on_session_ready(struct tunnel *t, const struct link_facts *facts)
{
	struct fault f = { 0 };
	int r;

	enter(t, T_LINKING);
	r = t->link_ops->up(t->link, facts, &t->owner);
	if (r != 0) {
		fault_set(&f, r, "tunnel %s:%u: the link could not be started: %s", t->conf.host, t->conf.port,
			  ve_name(r));
		fail(t, &f);
		return;
	}
	t->link_up = true;
}

static void take_events(struct tunnel *t)
{
	struct session_event ev;
	bool frames = false;

	while (t->fault.err == 0 && t->session->ops->next_event(t->session, &ev, uv_now(t->loop))) {
		switch (ev.type) {
		case SESSION_FRAME:
			if (t->link_up)
				t->link_ops->input(t->link, ev.frame);
			frames = true;
			break;
		case SESSION_ROOM:
			if (t->link_up)
				t->link_ops->room(t->link);
			break;
		case SESSION_READY:
			on_session_ready(t, ev.facts);
			break;
		case SESSION_NOTICE:
			log_info("server message: %s", ev.text);
			break;
		case SESSION_DIAL:
		case SESSION_HANGUP:
			break; /* no protocol asks for it so far */
		case SESSION_CLOSED:
			fail(t, ev.fault);
			break;
		}
	}
	if (frames && t->link_up)
		t->link_ops->turn_end(t->link);
}

static void pull_wire(struct tunnel *t)
{
	while (t->fault.err == 0) {
		size_t room, n;
		uint8_t *p = t->session->ops->rx_reserve(t->session, 0, &room);

		if (room == 0 || wire_read(t->wire, p, room, &n) != 0)
			return; /* nothing there, or closed() is about to say why */
		t->session->ops->rx_commit(t->session, 0, n, uv_now(t->loop));
		take_events(t);
	}
}

/* --- up: session to wire -------------------------------------------------------------------------------------- */

static void push_wire(struct tunnel *t)
{
	for (;;) {
		struct slice s = t->session->ops->tx_peek(t->session, 0);
		size_t n = s.n > 0 ? wire_write(t->wire, s.p, s.n) : 0;

		if (n == 0)
			break;
		t->session->ops->tx_consume(t->session, 0, n, uv_now(t->loop));
		take_events(t); /* ROOM: lwIP may fill what has just become free */
	}
	wire_flush(t->wire);
}

static void on_timer(uv_timer_t *timer);

static void arm_session_timer(struct tunnel *t)
{
	uint64_t at = t->session->ops->deadline(t->session);
	uint64_t now = uv_now(t->loop);

	if (t->stopping)
		return; /* the farewell timer runs, and may not be prolonged */
	if (at == UINT64_MAX)
		uv_timer_stop(&t->timer);
	else
		uv_timer_start(&t->timer, on_timer, at > now ? at - now : 0, 0);
}

/* One turn: everything that can move, moves; then, and only here, a recorded fault takes effect. */
static void turn(struct tunnel *t)
{
	if (t->pumping)
		return;
	t->pumping = true;
	t->kicked = false;
	if (t->session) {
		pull_wire(t);
		take_events(t);
		push_wire(t);
		if (t->fault.err == 0)
			arm_session_timer(t);
	}
	t->pumping = false;
	if (t->fault.err != 0)
		finish(t);
}

/* --- what the wire tells -------------------------------------------------------------------------------------- */

static void on_wire_opened(void *ctx, const struct wire_facts *facts)
{
	struct tunnel *t = ctx;
	struct fault f = { 0 };
	int r;

	t->facts = *facts;
	enter(t, T_LOGIN);
	r = t->conf.protocol->create(&t->session, &t->conf.session, &t->facts, t->env, uv_now(t->loop));
	if (r != 0) {
		fault_set_final(&f, r, "%s %s:%u: the session could not be started: %s", t->conf.protocol->scheme,
				t->conf.host, t->conf.port, ve_name(r));
		fail(t, &f);
	}
	turn(t);
}

static void on_wire_readable(void *ctx)
{
	turn(ctx);
}

static void on_wire_closed(void *ctx, const struct fault *f)
{
	struct tunnel *t = ctx;

	if (t->session) {
		pull_wire(t); /* what came before the end still counts */
		t->session->ops->channel_closed(t->session, 0, f, uv_now(t->loop));
		take_events(t);
	}
	fail(t, f);
	turn(t);
}

static const struct wire_events wire_events = {
	.opened = on_wire_opened,
	.readable = on_wire_readable,
	.writable = on_wire_readable,
	.closed = on_wire_closed,
};

/* --- what the link tells -------------------------------------------------------------------------------------- */

static int on_link_output(void *ctx, const struct slice *v, size_t nv)
{
	struct tunnel *t = ctx;

	return t->session && t->fault.err == 0 ? t->session->ops->output(t->session, v, nv) : VE_DOWN;
}

static void on_link_ready(void *ctx, const struct ip *address)
{
	struct tunnel *t = ctx;

	if (t->state == T_LINKING) {
		enter(t, T_UP);
		t->up_since = uv_now(t->loop);
		t->was_up = true;
	}
	t->ev->ready(t->ctx, address);
}

static void on_link_failed(void *ctx, const struct fault *f)
{
	fail(ctx, f);
}

static void on_link_kick(void *ctx)
{
	struct tunnel *t = ctx;

	t->kicked = true;
}

static void on_prepare(uv_prepare_t *prepare)
{
	struct tunnel *t = prepare->data;

	if (t->kicked)
		turn(t);
}

/* --- attempts ------------------------------------------------------------------------------------------------- */

static void on_timer(uv_timer_t *timer)
{
	struct tunnel *t = timer->data;
	struct fault f = { 0 };

	if (t->stopping) {
		fault_set(&f, VE_CANCELED, "stopped; the server did not answer the goodbye");
		fail(t, &f);
	} else if (t->state == T_WAITING) {
		start_attempt(t);
	} else if (t->session) {
		t->session->ops->tick(t->session, uv_now(t->loop));
	}
	turn(t);
}

static void start_attempt(struct tunnel *t)
{
	struct wire_conf c = { .host = t->conf.host, .port = t->conf.port, .env = t->env };
	struct fault f = { 0 };
	int r;

	enter(t, T_CONNECTING);
	uv_timer_stop(&t->timer);
	r = wire_open(&t->wire, t->loop, &c, t->trust, &wire_events, t);
	if (r != 0) {
		fault_set(&f, r, "server %s:%u: cannot connect: %s", t->conf.host, t->conf.port, ve_name(r));
		fail(t, &f);
	}
}

/* A random share of the back-off, so that the clients of a restarted server do not all come back in the same second. */
static uint32_t backoff_ms(const struct tunnel *t)
{
	uint64_t span = t->conf.retry_interval_ms;
	uint32_t random;

	for (uint32_t i = 1; i < t->tries && span < BACKOFF_MAX_MS; i++)
		span *= 2;
	if (span > BACKOFF_MAX_MS)
		span = BACKOFF_MAX_MS;
	t->env->random(t->env->ctx, &random, sizeof(random));
	return (uint32_t)(span / 2 + random % (span / 2 + 1));
}

static bool worth_retrying(const struct tunnel *t, const struct fault *f)
{
	if (t->stopping || f->final || f->err == VE_CANCELED)
		return false;
	if (!t->was_up && !t->conf.retry_first)
		return false;
	return t->conf.retries == UINT32_MAX || t->tries < t->conf.retries;
}

static void release_attempt(struct tunnel *t)
{
	if (t->link_up) {
		t->link_up = false;
		t->link_ops->down(t->link);
	}
	if (t->session)
		t->session->ops->destroy(t->session);
	t->session = NULL;
	wire_close(t->wire);
	t->wire = NULL;
	uv_timer_stop(&t->timer);
	wipe(&t->facts, sizeof(t->facts));
}

static void wait_for_retry(struct tunnel *t, const struct fault *f)
{
	uint32_t ms;

	t->tries++;
	ms = backoff_ms(t);
	if (ms < f->wait_ms)
		ms = f->wait_ms;
	enter(t, T_WAITING);
	log_warn("%s; trying again in %u.%u s (try %" PRIu32 ")", f->text, ms / 1000, ms % 1000 / 100, t->tries);
	uv_timer_start(&t->timer, on_timer, ms, 0);
	t->ev->lost(t->ctx, f);
}

/* The attempt is over: tear it down, then wait for the next one or end. */
static void finish(struct tunnel *t)
{
	struct fault f = t->fault;
	bool up = t->state == T_UP;

	if (up && uv_now(t->loop) - t->up_since >= STEADY_MS)
		t->tries = 0;
	release_attempt(t);
	t->fault = (struct fault){ 0 };
	t->kicked = false;
	if (worth_retrying(t, &f)) {
		wait_for_retry(t, &f);
		return;
	}
	enter(t, T_OVER);
	if (t->was_up && f.err != VE_CANCELED && !f.final)
		f.err = VE_LOST;
	t->ev->over(t->ctx, &f);
}

/* --- life ----------------------------------------------------------------------------------------------------- */

int tunnel_new(struct tunnel **ret, uv_loop_t *loop, const struct tunnel_conf *c, struct trust *trust,
	       const struct link_ops *link_ops, void *link, const struct session_env *env,
	       const struct tunnel_events *ev, void *ctx)
{
	struct tunnel *t = calloc(1, sizeof(*t));

	assert(c->retry_interval_ms >= 1);
	if (!t)
		return VE_NOMEM;
	t->conf = *c;
	t->loop = loop;
	t->trust = trust;
	t->link_ops = link_ops;
	t->link = link;
	t->env = env;
	t->ev = ev;
	t->ctx = ctx;
	t->owner = (struct link_owner){ on_link_output, on_link_ready, on_link_failed, on_link_kick, t };

	uv_timer_init(loop, &t->timer);
	uv_prepare_init(loop, &t->prepare);
	t->timer.data = t->prepare.data = t;
	t->handles = 2;
	uv_prepare_start(&t->prepare, on_prepare);
	start_attempt(t);
	*ret = t;
	return 0;
}

void tunnel_stop(struct tunnel *t)
{
	struct fault f = { 0 };

	if (t->stopping || t->state == T_OVER)
		return;
	t->stopping = true;
	if (t->session) {
		uv_timer_start(&t->timer, on_timer, GOODBYE_MS, 0);
		t->session->ops->stop(t->session, uv_now(t->loop));
		t->kicked = true; /* the rest on the next turn: the caller may be inside an event of ours */
	} else {
		fault_set(&f, VE_CANCELED, "stopped");
		fail(t, &f);
	}
}

static void on_handle_closed(uv_handle_t *h)
{
	struct tunnel *t = h->data;

	if (--t->handles == 0)
		free(t);
}

void tunnel_free(struct tunnel *t)
{
	if (!t)
		return;
	release_attempt(t);
	uv_close((uv_handle_t *)&t->timer, on_handle_closed);
	uv_close((uv_handle_t *)&t->prepare, on_handle_closed);
}
