/* SPDX-License-Identifier: GPL-3.0-or-later */
/* tunnel.c - the pump, and the life of one session after the other.
 *
 * Theory of operation
 *
 * One attempt is a wire, then a session on it, then the link on the session. Bytes move in turns:
 *
 *     down   what the wires and the UDP socket brought goes straight into the session's window; its events are taken,
 *            each frame handed to the link; when all of that is through, link turn_end() lets lwIP's flows act, and what
 *            they answered goes out.
 *     up     frames reach the session through link_owner.output(). They leave once per loop turn: at the end of a down
 *            turn, or, if a client, a timer or a datagram caused them, from the prepare handle that runs before the loop
 *            sleeps. So everything that one turn produced shares TLS records and one write a wire.
 *     rest   in the middle of bulk the loop waits a quarter of a millisecond before it looks again (batch.h).
 *
 * Nothing is queued here. A wire that is full leaves bytes in the session, a full session says VE_AGAIN to the link,
 * lwIP keeps the segment; SESSION_ROOM goes the other way. Behind a wire that is full, the session's queue is kept as
 * short as the wire wants it: what is in it delays whatever comes next, and lwIP is the better place to wait, where each
 * flow has its own queue and a short one need not wait for a long one. This is for whoever can wait: TCP with data.
 * Anything else would be lost, and a bare ACK or a small request should not have to.
 *
 * Channels. The first wire is channel 0; the session asks for others, and for channel 0 anew if it goes on after that
 * was lost. They differ in one thing only: before there is a session, the end of the wire is the end of the attempt; later
 * the session decides what the end of a wire means. If it has none left, asks for none and waits for no time to come, there
 * is nothing to go on with.
 *
 * Datagrams. A protocol that has some gets a UDP socket when the first wire is up. Being best effort, nothing about it
 * ever fails an attempt.
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
 *
 * Stopping. The session says its goodbye and goes on as before, timers and all, until it says CLOSED; GOODBYE_MS later
 * that is enough, whatever the server does. */
#include "core/tunnel.h"

#include <assert.h>
#include <inttypes.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/batch.h"
#include "core/err.h"
#include "core/log.h"
#include "core/udp_socket.h"
#include "core/wire.h"

#define BACKOFF_MAX_MS 60000u /* the longest a user should wait after the server came back */
#define STEADY_MS 30000u      /* up for this long: the next loss starts counting anew */
#define GOODBYE_MS 2000u      /* for the protocol's own farewell, see tunnel_stop() */
#define SMALL_FRAME 256u      /* a bare ACK with all its options, a keystroke, the request for a page of old */
#define PROTOCOL_TCP 6u

enum tunnel_state {
	T_CONNECTING, /* channel 0 has a wire, session not set: TCP and TLS are under way */
	T_LOGIN,      /* wires and session: until SESSION_READY */
	T_LINKING,    /* and the link is up: until it has an address */
	T_UP,         /* frames flow */
	T_WAITING,    /* no wire, no session: the timer starts the next attempt */
	T_OVER,       /* no wire, no session: over() was called, only tunnel_free() is legal */
};

static const char *const state_names[] = { "connecting", "login", "getting an address", "up", "waiting", "over" };

struct channel {
	struct tunnel *tunnel;
	unsigned number;
	struct wire *wire;       /* NULL: the channel is not in use */
	bool opened;             /* the wire is, and the session knows */
	bool readable;           /* wire_read() may have something */
	struct wire_facts facts; /* of the wire, lent to the session */
};

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
	struct channel channels[SESSION_CHANNELS_MAX];
	struct udp_socket *udp;  /* NULL: the session has none */
	struct wire_facts facts; /* of the wire that the session was made on, lent to it */
	struct session *session;
	struct link_owner owner;
	bool link_up;     /* link_ops->up() was called, down() was not */
	bool frames;      /* the link was given some in this turn */
	bool kicked;      /* something is to be done before the loop sleeps */
	bool held_back;   /* a frame was refused because the wires are full; the link's room() is owed */
	bool stopping;    /* the user wants to leave */
	bool pumping;     /* inside turn(): link calls made by it need no kick */
	struct fault fault;

	uint64_t up_since;    /* valid in T_UP */
	uint64_t farewell_at; /* stopping with a session: the latest end */
	bool password_is_new; /* for the sessions, see session_conf */
	bool was_up;          /* ever */
	uint32_t tries;       /* attempts in a row that failed */

	struct batch batch;   /* of what the wires bring */
	uv_timer_t timer;     /* session deadline or farewell, or back-off, by state */
	uv_prepare_t prepare; /* runs kicked work before the loop sleeps */
	unsigned handles;     /* to be closed before the memory may go */
};

static void finish(struct tunnel *t);
static void start_attempt(struct tunnel *t);
static void turn(struct tunnel *t);
static void take_events(struct tunnel *t);

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

/* --- channels ------------------------------------------------------------------------------------------------- */

static const struct wire_events wire_events;

static int channel_open(struct channel *c, const struct endpoint *to, const uint8_t *only)
{
	struct tunnel *t = c->tunnel;
	struct wire_conf conf = {
		.host = t->conf.host,
		.port = t->conf.port,
		.transport = t->conf.protocol->transport,
		.to = *to,
		.only = only,
		.rendezvous = to->ip.family == IP_NONE ? t->conf.rendezvous : NULL,
		.env = t->env,
	};

	c->opened = c->readable = false;
	return wire_open(&c->wire, t->loop, &conf, t->trust, &wire_events, c);
}

static void channel_close(struct channel *c)
{
	wire_close(c->wire);
	c->wire = NULL;
	c->opened = c->readable = false;
}

static bool has_channels(const struct tunnel *t)
{
	for (unsigned i = 0; i < SESSION_CHANNELS_MAX; i++) {
		if (t->channels[i].wire)
			return true;
	}
	return false;
}

/* A wire that the session knew of, or had asked for, is gone: what that means is for the session to say. */
static void tell_closed(struct channel *c, const struct fault *f)
{
	struct tunnel *t = c->tunnel;

	log_debug("tunnel %s:%u: channel %u: %s", t->conf.host, t->conf.port, c->number, f->text);
	t->session->ops->channel_closed(t->session, c->number, f, uv_now(t->loop));
	take_events(t);
	if (!has_channels(t) && t->session->ops->deadline(t->session) == UINT64_MAX)
		fail(t, f);
}

static void on_dial(struct tunnel *t, const struct session_dial *dial)
{
	struct endpoint to = dial->to;
	struct fault f = { 0 };
	struct channel *c;
	int r;

	assert(dial->channel < SESSION_CHANNELS_MAX);
	c = &t->channels[dial->channel];
	assert(!c->wire);
	/* A server that was found by rendezvous is found in the same way again: each of our ports needs its own hole. */
	if (to.ip.family == IP_NONE && !t->conf.rendezvous)
		to = t->facts.peer;
	r = channel_open(c, &to, dial->cert_sha256);
	if (r == 0)
		return;
	fault_set(&f, r, "server %s:%u: cannot connect: %s", t->conf.host, t->conf.port, ve_name(r));
	tell_closed(c, &f);
}

/* Give the wire what the session has for it. False: that was nothing, or the wire is full. */
static bool push_bytes(struct channel *c)
{
	struct tunnel *t = c->tunnel;
	struct slice s = t->session->ops->tx_peek(t->session, c->number);
	size_t n = s.n > 0 ? wire_write(c->wire, s.p, s.n) : 0;

	if (n > 0)
		t->session->ops->tx_consume(t->session, c->number, n, uv_now(t->loop));
	return n > 0;
}

/* Does more wait for the wires than is good? As long as one of them takes something, that is for the session to say. */
static bool is_crowded(const struct tunnel *t)
{
	size_t waits = 0, may = 0;

	for (unsigned i = 0; i < SESSION_CHANNELS_MAX; i++) {
		const struct channel *c = &t->channels[i];
		size_t bound = c->opened ? wire_backlog(c->wire) : 0;

		if (bound == SIZE_MAX)
			return false;
		if (c->opened)
			waits += t->session->ops->tx_peek(t->session, i).n;
		may += bound;
	}
	return may > 0 && waits >= may;
}

/* Let the link go on if it was held back and need not be any more. */
static void give_room(struct tunnel *t)
{
	if (!t->held_back || is_crowded(t))
		return;
	t->held_back = false;
	t->kicked = true; /* for what it will queue now */
	if (t->link_up)
		t->link_ops->room(t->link);
}

/* The session may hang up in the middle of that. */
static void push_channel(struct channel *c)
{
	while (c->opened && push_bytes(c)) {
		take_events(c->tunnel); /* ROOM: lwIP may fill what has just become free */
		give_room(c->tunnel);
	}
	if (c->opened)
		wire_flush(c->wire);
}

static void on_hangup(struct tunnel *t, unsigned number)
{
	struct channel *c;

	assert(number < SESSION_CHANNELS_MAX);
	c = &t->channels[number];
	assert(c->wire);
	while (c->opened && push_bytes(c))
		;
	channel_close(c); /* flushes */
}

/* --- down: wires and datagrams to session to link --------------------------------------------------------------- */

static void on_session_ready(struct tunnel *t, const struct link_facts *facts)
{
	struct fault f = { 0 };
	int r;

	assert(!t->link_up);
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

	while (t->fault.err == 0 && t->session->ops->next_event(t->session, &ev, uv_now(t->loop))) {
		switch (ev.type) {
		case SESSION_FRAME:
			if (t->link_up)
				t->link_ops->input(t->link, ev.frame);
			t->frames = true;
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
			on_dial(t, ev.dial);
			break;
		case SESSION_HANGUP:
			on_hangup(t, ev.channel);
			break;
		case SESSION_CLOSED:
			fail(t, ev.fault);
			break;
		}
	}
}

/* Until the wire has nothing more, or the session has given it up. */
static void pull_channel(struct channel *c)
{
	struct tunnel *t = c->tunnel;

	while (t->fault.err == 0 && c->opened && c->readable) {
		size_t room, n;
		uint8_t *p = t->session->ops->rx_reserve(t->session, c->number, &room);

		if (room == 0)
			return;
		if (wire_read(c->wire, p, room, &n) != 0) {
			c->readable = false; /* nothing there, or closed() is about to say why */
			return;
		}
		t->session->ops->rx_commit(t->session, c->number, n, uv_now(t->loop));
		batch_came(&t->batch, n);
		take_events(t);
	}
}

static void take_datagram(struct tunnel *t, uint32_t path, const struct endpoint *from, struct slice bytes)
{
	if (!t->session || !t->session->ops->datagram_in || t->fault.err != 0)
		return;
	t->session->ops->datagram_in(t->session, path, from, bytes, uv_now(t->loop));
	take_events(t);
	t->kicked = true; /* one turn for all the datagrams that are there */
}

/* --- up: session to wires and datagrams ------------------------------------------------------------------------- */

static void send_datagram(struct tunnel *t, const struct session_datagram *d)
{
	struct channel *c;

	if (d->path == SESSION_PATH_UDP) {
		if (t->udp)
			udp_socket_send(t->udp, &d->to, d->bytes);
		return;
	}
	assert(d->path < SESSION_CHANNELS_MAX);
	c = &t->channels[d->path];
	if (c->opened)
		wire_send_datagram(c->wire, d->bytes);
}

static void push_datagrams(struct tunnel *t)
{
	struct session_datagram d;

	if (!t->session->ops->datagram_out)
		return;
	while ((!t->udp || udp_socket_has_room(t->udp)) &&
	       t->session->ops->datagram_out(t->session, &d, uv_now(t->loop))) {
		send_datagram(t, &d);
		take_events(t);
	}
	if (t->udp)
		udp_socket_flush(t->udp);
}

static void on_timer(uv_timer_t *timer);

static void arm_session_timer(struct tunnel *t)
{
	uint64_t at = t->session->ops->deadline(t->session);
	uint64_t now = uv_now(t->loop);

	if (t->stopping && t->farewell_at < at)
		at = t->farewell_at;
	if (at == UINT64_MAX)
		uv_timer_stop(&t->timer);
	else
		uv_timer_start(&t->timer, on_timer, at > now ? at - now : 0, 0);
}

/* All that came in this turn was given to the link. */
static void end_batch(struct tunnel *t)
{
	if (t->frames && t->link_up)
		t->link_ops->turn_end(t->link);
	t->frames = false;
}

static void pump(struct tunnel *t)
{
	for (unsigned i = 0; i < SESSION_CHANNELS_MAX; i++)
		pull_channel(&t->channels[i]);
	take_events(t);
	end_batch(t);
	push_datagrams(t);
	for (unsigned i = 0; i < SESSION_CHANNELS_MAX; i++)
		push_channel(&t->channels[i]);
	give_room(t);
	if (t->frames)
		t->kicked = true; /* something came while we sent */
	if (t->fault.err == 0)
		arm_session_timer(t);
}

/* One turn: everything that can move, moves; then, and only here, a recorded fault takes effect. */
static void turn(struct tunnel *t)
{
	if (t->pumping)
		return;
	t->pumping = true;
	t->kicked = false;
	if (t->session)
		pump(t);
	t->pumping = false;
	if (t->fault.err != 0)
		finish(t);
}

/* --- what the UDP socket tells ---------------------------------------------------------------------------------- */

static void on_udp_datagram(void *ctx, const struct endpoint *from, struct slice bytes)
{
	take_datagram(ctx, SESSION_PATH_UDP, from, bytes);
}

static void on_udp_room(void *ctx)
{
	struct tunnel *t = ctx;

	t->kicked = true;
}

/* Before the session is made: it wants to tell the server the port. */
static void open_udp(struct tunnel *t)
{
	static const struct udp_socket_events udp_events = { .datagram = on_udp_datagram, .room = on_udp_room };
	int r;

	if (!t->conf.protocol->datagram_in || t->conf.session.udp_acceleration == UDP_OFF)
		return;
	r = udp_socket_open(&t->udp, t->loop, t->facts.peer.ip.family, &udp_events, t);
	if (r != 0)
		log_debug("tunnel %s:%u: no UDP socket: %s", t->conf.host, t->conf.port, ve_name(r));
	else
		t->facts.udp_port = udp_socket_port(t->udp);
}

/* --- what the wires tell ---------------------------------------------------------------------------------------- */

static void make_session(struct tunnel *t, const struct wire_facts *facts)
{
	struct fault f = { 0 };
	int r;

	t->facts = *facts;
	open_udp(t);
	enter(t, T_LOGIN);
	r = t->conf.protocol->create(&t->session, &t->conf.session, &t->facts, t->env, uv_now(t->loop));
	if (r != 0) {
		fault_set_final(&f, r, "%s %s:%u: the session could not be started: %s", t->conf.protocol->scheme,
				t->conf.host, t->conf.port, ve_name(r));
		fail(t, &f);
	}
}

static void on_wire_opened(void *ctx, const struct wire_facts *facts)
{
	struct channel *c = ctx;
	struct tunnel *t = c->tunnel;

	c->opened = c->readable = true;
	if (!t->session) {
		make_session(t, facts);
	} else {
		c->facts = *facts;
		c->facts.udp_port = t->facts.udp_port;
		t->session->ops->channel_opened(t->session, c->number, &c->facts, uv_now(t->loop));
	}
	turn(t);
}

static void on_wire_readable(void *ctx)
{
	struct channel *c = ctx;

	c->readable = true;
	turn(c->tunnel);
}

static void on_wire_writable(void *ctx)
{
	struct channel *c = ctx;

	turn(c->tunnel);
}

static void on_wire_datagram(void *ctx, const struct endpoint *from, struct slice bytes)
{
	struct channel *c = ctx;

	take_datagram(c->tunnel, c->number, from, bytes);
}

static void on_wire_closed(void *ctx, const struct fault *f)
{
	struct channel *c = ctx;
	struct tunnel *t = c->tunnel;

	if (t->session) {
		c->readable = true;
		pull_channel(c); /* what came before the end still counts */
	}
	if (c->wire) { /* else the session has just hung up */
		channel_close(c);
		if (t->session)
			tell_closed(c, f);
		else
			fail(t, f);
	}
	turn(t);
}

static const struct wire_events wire_events = {
	.opened = on_wire_opened,
	.readable = on_wire_readable,
	.writable = on_wire_writable,
	.datagram = on_wire_datagram,
	.closed = on_wire_closed,
};

/* --- what the link tells -------------------------------------------------------------------------------------- */

/* The IP packet in the frame that begins with @s; empty if it has none that we know. */
static struct slice packet_in(enum link_kind kind, struct slice s)
{
	size_t at = 12;

	if (kind == LINK_IP)
		return s;
	if (s.n >= at + 2 && load_be16(s.p + at) == 0x8100) /* a VLAN's tag */
		at += 4;
	if (s.n < at + 2 || (load_be16(s.p + at) != 0x0800 && load_be16(s.p + at) != 0x86dd))
		return (struct slice){ 0 };
	return (struct slice){ s.p + at + 2, s.n - at - 2 };
}

/* May this frame be kept back? Only TCP will offer it again. */
static bool can_wait(const struct tunnel *t, const struct slice *v, size_t nv)
{
	struct slice ip = packet_in(t->conf.protocol->link, v[0]);
	size_t n = 0;

	for (size_t i = 0; i < nv; i++)
		n += v[i].n;
	if (n <= SMALL_FRAME || ip.n < 20)
		return false;
	return ip.p[0] >> 4 == 4 ? ip.p[9] == PROTOCOL_TCP : ip.p[0] >> 4 == 6 && ip.p[6] == PROTOCOL_TCP;
}

static int on_link_output(void *ctx, const struct slice *v, size_t nv)
{
	struct tunnel *t = ctx;

	if (!t->session || t->fault.err != 0)
		return VE_DOWN;
	if (is_crowded(t) && can_wait(t, v, nv)) {
		t->held_back = true;
		return VE_AGAIN;
	}
	return t->session->ops->output(t->session, v, nv);
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

/* In the middle of bulk, and nobody has anything for us: more will be there at once than one packet after the other. */
static void let_gather(struct tunnel *t)
{
	struct timespec wait = { .tv_nsec = 1000L * batch_wait_us(&t->batch, uv_now(t->loop)) };
	struct pollfd events = { .fd = uv_backend_fd(t->loop), .events = POLLIN };

	if (wait.tv_nsec > 0 && uv_backend_timeout(t->loop) != 0 && poll(&events, 1, 0) == 0)
		nanosleep(&wait, NULL);
}

static void on_prepare(uv_prepare_t *prepare)
{
	struct tunnel *t = prepare->data;

	if (t->kicked)
		turn(t);
	let_gather(t);
}

/* --- attempts ------------------------------------------------------------------------------------------------- */

static void on_timer(uv_timer_t *timer)
{
	struct tunnel *t = timer->data;
	struct fault f = { 0 };

	if (t->state == T_WAITING) {
		start_attempt(t);
	} else if (t->stopping && uv_now(t->loop) >= t->farewell_at) {
		fault_set(&f, VE_CANCELED, "stopped; the server did not answer the goodbye");
		fail(t, &f);
	} else if (t->session) {
		t->session->ops->tick(t->session, uv_now(t->loop));
	}
	turn(t);
}

static void start_attempt(struct tunnel *t)
{
	static const struct endpoint nowhere = { .ip.family = IP_NONE };
	struct fault f = { 0 };
	int r;

	enter(t, T_CONNECTING);
	uv_timer_stop(&t->timer);
	r = channel_open(&t->channels[0], &nowhere, NULL);
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
	for (unsigned i = 0; i < SESSION_CHANNELS_MAX; i++)
		channel_close(&t->channels[i]);
	udp_socket_close(t->udp);
	t->udp = NULL;
	t->frames = t->held_back = false;
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
	t->conf.session.password_is_new = &t->password_is_new;
	t->loop = loop;
	t->trust = trust;
	t->link_ops = link_ops;
	t->link = link;
	t->env = env;
	t->ev = ev;
	t->ctx = ctx;
	for (unsigned i = 0; i < SESSION_CHANNELS_MAX; i++)
		t->channels[i] = (struct channel){ .tunnel = t, .number = i };
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
		t->farewell_at = uv_now(t->loop) + GOODBYE_MS;
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
