/* SPDX-License-Identifier: GPL-3.0-or-later */
/* wire_rudp.c - R-UDP as the carrier of a wire: the machines of natt.h and rudp.h on a UDP socket.
 *
 *     RESOLVING --> (ASKING --> SEEKING -->) CONNECTING --> OPEN --> ENDED
 *
 * With a rendezvous service the way leads through ASKING, the resolution of its name, and SEEKING, the search for the
 * server. What the search found is connected to from the same socket, because it is for this socket that the server's
 * NAT is being opened; unless both are behind the same NAT, when a new one goes around it. While connecting, a short
 * datagram from the server's address, the one that opens its NAT, may show another port than the service knew.
 *
 * Datagrams that are no part of the stream belong to the session.
 *
 * The machines are driven in one way: settle() sends what they want sent and sets the timer, advance() looks what has
 * become of them and tells wire.c. Only the loop calls advance(): after a batch of datagrams, by the timer, or when the
 * socket has room again. What wire.c calls never calls it back. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/addr.h"
#include "core/limits.h"
#include "core/log.h"
#include "core/softether/natt.h"
#include "core/softether/rudp.h"
#include "core/udp_socket.h"
#include "core/wire_carrier.h"
#include "core/wire_resolve.h"

#define ROOM_WORTH_IT (RUDP_SEND_MAX / 4) /* free before more is asked for: whole TLS records, not crumbs */

enum rudp_phase {
	PHASE_RESOLVING,  /* the server's name */
	PHASE_ASKING,     /* the rendezvous service's name */
	PHASE_SEEKING,    /* natt and udp are in use */
	PHASE_CONNECTING, /* rudp and udp are in use */
	PHASE_OPEN,       /* wire_on_connected() was called */
	PHASE_ENDED,      /* wire_on_failed() or wire_on_broken() was */
};

struct wire_rudp {
	struct wire_carrier base;
	uv_loop_t *loop;
	const struct session_env *env;
	char host[HOST_MAX + 1];
	uint16_t port;
	bool seek;                  /* by the service */
	char service[HOST_MAX + 9]; /* HOST[:PORT], "": the project's */

	enum rudp_phase phase;
	bool closing;
	struct wire_resolve *resolve; /* under way */
	uint16_t service_port;
	struct endpoint service_at;
	struct endpoint peer;
	struct udp_socket *udp;
	struct natt natt;
	struct rudp *rudp;
	uv_timer_t timer;
	bool reading;
	bool poked;     /* advance() is to look, although no machine wants it */
	bool want_room; /* wire_on_sendable() is owed */
};

static struct wire_rudp *wire_rudp_of(struct wire_carrier *c)
{
	return (struct wire_rudp *)c;
}

static void on_rudp_timer(uv_timer_t *timer);
static void seek(struct wire_rudp *u);

/* There is no way to the server. */
static void wire_rudp_end(struct wire_rudp *u, const struct fault *f)
{
	u->phase = PHASE_ENDED;
	uv_timer_stop(&u->timer);
	wire_on_failed(u->base.wire, f);
}

static void wire_rudp_fail(struct wire_rudp *u, int err, const char *text)
{
	struct fault f = { 0 };

	fault_set(&f, err, "server %s: %s", wire_object(u->base.wire), text);
	wire_rudp_end(u, &f);
}

/* --- the machines and the socket -------------------------------------------------------------------------- */

static void arm(struct wire_rudp *u)
{
	uint64_t now = uv_now(u->loop), at = UINT64_MAX;

	if (u->phase == PHASE_SEEKING)
		at = natt_deadline(&u->natt);
	else if (u->rudp && udp_socket_has_room(u->udp)) /* else it wants to send: the socket's room() comes */
		at = rudp_deadline(u->rudp);
	if (u->poked)
		at = 0;
	if (at == UINT64_MAX)
		uv_timer_stop(&u->timer);
	else
		uv_timer_start(&u->timer, on_rudp_timer, at > now ? at - now : 0, 0);
}

/* Send what is to be sent now. */
static void settle(struct wire_rudp *u)
{
	uint64_t now = uv_now(u->loop);
	struct slice s;

	if (u->phase == PHASE_SEEKING && natt_output(&u->natt, &s, now))
		udp_socket_send(u->udp, &u->service_at, s);
	while (u->rudp && udp_socket_has_room(u->udp) && rudp_output(u->rudp, &s, now))
		udp_socket_send(u->udp, &u->peer, s);
	if (u->udp)
		udp_socket_flush(u->udp);
	arm(u);
}

/* Give the wire what has come. Each piece may end everything. */
static void deliver_stream(struct wire_rudp *u)
{
	while (!u->closing && u->reading) {
		struct slice s = rudp_peek(u->rudp);
		size_t room;
		uint8_t *to;

		if (s.n == 0)
			return;
		to = wire_window(u->base.wire, &room);
		if (room == 0) {
			wire_on_no_room(u->base.wire);
			return;
		}
		room = min_size(room, s.n);
		memcpy(to, s.p, room);
		rudp_consume(u->rudp, room);
		wire_on_received(u->base.wire, room);
	}
}

static void advance_open(struct wire_rudp *u)
{
	bool closed;

	deliver_stream(u);
	if (u->closing)
		return;
	closed = rudp_state(u->rudp) == RUDP_CLOSED;
	if (closed && rudp_peek(u->rudp).n == 0) {
		log_debug("server %s: %s", wire_object(u->base.wire), rudp_fault(u->rudp)->text);
		u->phase = PHASE_ENDED;
		wire_on_broken(u->base.wire, rudp_fault(u->rudp)->err == VE_EOF ? UV_EOF : UV_ETIMEDOUT);
	} else if (!closed && u->want_room && rudp_room(u->rudp) >= ROOM_WORTH_IT) {
		u->want_room = u->base.full = false;
		wire_on_sendable(u->base.wire);
	}
}

static void advance_connecting(struct wire_rudp *u)
{
	if (rudp_state(u->rudp) == RUDP_CLOSED) {
		wire_rudp_fail(u, VE_CONNECT, rudp_fault(u->rudp)->text);
	} else if (rudp_state(u->rudp) == RUDP_OPEN) {
		u->phase = PHASE_OPEN;
		wire_on_connected(u->base.wire);
	}
}

/* From the loop only. */
static void advance(struct wire_rudp *u)
{
	uint64_t now = uv_now(u->loop);

	u->poked = false;
	if (u->rudp && rudp_deadline(u->rudp) <= now)
		rudp_tick(u->rudp, now);
	if (u->phase == PHASE_SEEKING)
		seek(u);
	if (u->phase == PHASE_CONNECTING)
		advance_connecting(u);
	if (u->phase == PHASE_OPEN)
		advance_open(u);
	if (!u->closing && u->phase != PHASE_ENDED)
		settle(u);
}

static void on_rudp_timer(uv_timer_t *timer)
{
	advance(timer->data);
}

static void on_rudp_datagram(void *ctx, const struct endpoint *from, struct slice bytes)
{
	struct wire_rudp *u = ctx;

	if (u->phase == PHASE_SEEKING) {
		if (endpoint_equal(from, &u->service_at))
			natt_input(&u->natt, bytes, uv_now(u->loop));
		if (u->natt.over)
			advance(u); /* what opens the NAT may be right behind */
		return;
	}
	if (!u->rudp)
		return;
	if (rudp_input(u->rudp, bytes, uv_now(u->loop)))
		u->peer = *from;
	else if (u->phase == PHASE_OPEN)
		wire_on_datagram(u->base.wire, from, bytes);
	else if (u->phase == PHASE_CONNECTING && u->seek && bytes.n < NATT_PUNCH_MAX &&
		 ip_equal(&from->ip, &u->peer.ip))
		u->peer.port = from->port;
}

static void on_rudp_batch(void *ctx)
{
	advance(ctx);
}

static int open_socket(struct wire_rudp *u)
{
	static const struct udp_socket_events events = {
		.datagram = on_rudp_datagram, .batch_end = on_rudp_batch, .room = on_rudp_batch,
	};

	return udp_socket_open(&u->udp, u->loop, u->peer.ip.family, &events, u);
}

/* --- the way there ---------------------------------------------------------------------------------------- */

static void connect_to(struct wire_rudp *u, const struct endpoint *to)
{
	u->peer = *to;
	if ((!u->udp && open_socket(u) != 0) || rudp_new(&u->rudp, u->env, uv_now(u->loop)) != 0) {
		wire_rudp_fail(u, VE_CONNECT, "no UDP socket: is there a descriptor, and memory, left?");
		return;
	}
	u->phase = PHASE_CONNECTING;
	settle(u);
}

/* SEEKING: has the service answered? */
static void seek(struct wire_rudp *u)
{
	struct natt *n = &u->natt;

	if (natt_deadline(n) <= uv_now(u->loop))
		natt_tick(n, uv_now(u->loop));
	if (n->over && !n->found) {
		wire_rudp_end(u, &n->fault);
		return;
	}
	if (!n->found)
		return;
	if (n->same_lan) {
		udp_socket_close(u->udp);
		u->udp = NULL;
	}
	connect_to(u, &n->at);
}

static void ask_service(struct wire_rudp *u, const struct endpoint *at)
{
	u->service_at = *at;
	if (open_socket(u) != 0) {
		wire_rudp_fail(u, VE_CONNECT, "no UDP socket: is there a descriptor, and memory, left?");
		return;
	}
	natt_init(&u->natt, &u->peer.ip, u->host, u->env, uv_now(u->loop));
	u->phase = PHASE_SEEKING;
	settle(u);
}

/* One address, of IPv4 if there is one: that is what R-UDP servers listen on. */
static struct endpoint choose(const struct wire_addresses *all)
{
	for (unsigned i = 0; i < all->n; i++) {
		if (all->v[i].any.sa_family == AF_INET)
			return wire_addr_endpoint(&all->v[i].any);
	}
	return wire_addr_endpoint(&all->v[0].any);
}

static void find_service(struct wire_rudp *u);

/* The server's address is known. */
static void have_server(struct wire_rudp *u, const struct endpoint *at)
{
	if (!u->seek) {
		connect_to(u, at);
		return;
	}
	u->peer = *at;
	if (at->ip.family == IP_V4)
		find_service(u);
	else
		wire_rudp_fail(u, VE_RESOLVE, "it has no IPv4 address, and NAT traversal is for IPv4 only");
}

static void have_service(struct wire_rudp *u, const struct endpoint *at)
{
	if (at->ip.family == IP_V4)
		ask_service(u, at);
	else
		wire_rudp_fail(u, VE_RESOLVE, "the NAT traversal service has no IPv4 address");
}

static void on_rudp_resolved(void *ctx, int status, const struct wire_addresses *found)
{
	struct wire_rudp *u = ctx;
	struct endpoint at;
	struct fault f = { 0 };

	u->resolve = NULL;
	if (status == 0) {
		at = choose(found);
		if (u->phase == PHASE_ASKING)
			have_service(u, &at);
		else
			have_server(u, &at);
		return;
	}
	if (u->phase == PHASE_ASKING) {
		wire_rudp_fail(u, VE_RESOLVE, "the name of the NAT traversal service cannot be resolved");
		return;
	}
	wire_resolve_fault(&f, wire_object(u->base.wire), status);
	wire_rudp_end(u, &f);
}

static void resolve(struct wire_rudp *u, const char *host, uint16_t port)
{
	struct wire_addresses literal;
	int r;

	if (wire_resolve_literal(host, port, &literal)) {
		on_rudp_resolved(u, 0, &literal);
		return;
	}
	r = wire_resolve_start(&u->resolve, u->loop, host, port, on_rudp_resolved, u);
	if (r != 0)
		on_rudp_resolved(u, r, NULL);
}

static void find_service(struct wire_rudp *u)
{
	char name[NATT_HOST_MAX], text[IP_TEXT_MAX];
	struct dest d;

	u->phase = PHASE_ASKING;
	if (!u->service[0])
		resolve(u, natt_host(&u->peer.ip, name), NATT_PORT);
	else if (dest_parse(u->service, NATT_PORT, &d) == 0)
		resolve(u, d.ip.family == IP_NONE ? d.name : ip_text(&d.ip, text), d.port);
	else
		wire_rudp_fail(u, VE_USAGE, "the NAT traversal service is no HOST or HOST:PORT");
}

static void wire_rudp_start(struct wire_carrier *c)
{
	struct wire_rudp *u = wire_rudp_of(c);

	uv_timer_init(u->loop, &u->timer);
	u->timer.data = u;
	if (u->peer.ip.family != IP_NONE)
		have_server(u, &(struct endpoint){ u->peer.ip, u->peer.port });
	else
		resolve(u, u->host, u->port);
}

/* --- the stream ------------------------------------------------------------------------------------------- */

static int wire_rudp_send(struct wire_carrier *c, struct slice s, bool may_wait)
{
	struct wire_rudp *u = wire_rudp_of(c);
	size_t n = rudp_state(u->rudp) == RUDP_OPEN ? rudp_write(u->rudp, s.p, s.n) : 0;

	u->want_room = c->full = may_wait && n < s.n;
	return (int)n;
}

static void wire_rudp_flush(struct wire_carrier *c)
{
	settle(wire_rudp_of(c));
}

static bool wire_rudp_read(struct wire_carrier *c, bool on)
{
	struct wire_rudp *u = wire_rudp_of(c);

	u->reading = on;
	if (on && (rudp_peek(u->rudp).n > 0 || rudp_state(u->rudp) == RUDP_CLOSED)) {
		u->poked = true;
		arm(u);
	}
	return true;
}

static void wire_rudp_datagram(struct wire_carrier *c, struct slice bytes)
{
	struct wire_rudp *u = wire_rudp_of(c);

	udp_socket_send(u->udp, &u->peer, bytes); /* leaves with the next flush */
}

static void wire_rudp_facts(struct wire_carrier *c, struct wire_facts *ret)
{
	struct wire_rudp *u = wire_rudp_of(c);

	ret->peer = u->peer;
	ret->carries_datagrams = true;
	if (udp_socket_local_ip(&u->peer, &ret->local.ip) == 0)
		ret->local.port = udp_socket_port(u->udp);
}

/* --- life ------------------------------------------------------------------------------------------------- */

static void on_rudp_timer_closed(uv_handle_t *handle)
{
	struct wire_rudp *u = handle->data;

	wire_on_gone(u->base.wire);
	wipe(&u->natt, sizeof(u->natt));
	free(u);
}

static void wire_rudp_shut(struct wire_carrier *c)
{
	struct wire_rudp *u = wire_rudp_of(c);

	u->closing = true;
	wire_resolve_cancel(u->resolve);
	if (u->rudp && u->phase != PHASE_ENDED) {
		rudp_close(u->rudp, uv_now(u->loop));
		settle(u); /* the goodbye, as far as the kernel takes it */
	}
	u->phase = PHASE_ENDED;
	udp_socket_close(u->udp);
	rudp_free(u->rudp);
	u->rudp = NULL;
	uv_close((uv_handle_t *)&u->timer, on_rudp_timer_closed);
}

struct wire_carrier *wire_rudp_new(struct wire *w, uv_loop_t *loop, const struct wire_conf *c)
{
	static const struct wire_carrier_ops ops = {
		.start = wire_rudp_start, .send = wire_rudp_send, .flush = wire_rudp_flush, .read = wire_rudp_read,
		.datagram = wire_rudp_datagram, .facts = wire_rudp_facts, .close = wire_rudp_shut,
	};
	struct wire_rudp *u = calloc(1, sizeof(*u));

	if (!u)
		return NULL;
	u->base = (struct wire_carrier){ .ops = &ops, .wire = w };
	u->loop = loop;
	u->env = c->env;
	u->port = c->port;
	u->peer = c->to;
	u->seek = c->rendezvous != NULL;
	snprintf(u->host, sizeof(u->host), "%s", c->host);
	snprintf(u->service, sizeof(u->service), "%s", c->rendezvous ? c->rendezvous : "");
	return &u->base;
}
