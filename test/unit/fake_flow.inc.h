/* SPDX-License-Identifier: GPL-3.0-or-later */
/* fake_flow.inc.h - netstack/flow.h in memory, for tests of what stands on it.
 *
 * Included by one test program, whose flow_*() then take the place of the library's. There is no network:
 * what the client sends is taken by fake_take(), what it receives is put in by fake_give(), fake_end() and
 * fake_break(), and the events follow from netstack_dispatch(), as with the real one.
 *
 * It is stricter than the real one. Every borrowed piece is a heap block of its own, freed as soon as the
 * contract allows, so that a sanitizer sees every use after that; more consumed than was peeked, more
 * committed than was reserved, a flow freed twice, or an event handler that never lets go, all fail. Calls
 * that need a flow_flush() mark the stack, and the test asserts after each turn that none is missing.
 *
 * What happened to a flow stays readable in its struct fake_conn after flow_free(). */
#ifndef TEST_FAKE_FLOW_INC_H
#define TEST_FAKE_FLOW_INC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/addr.h"
#include "core/buf.h"
#include "core/bytes.h"
#include "core/err.h"
#include "netstack/flow.h"
#include "netstack/listen.h"
#include "netstack/lookup.h"
#include "netstack/netstack.h"
#include "netstack/udp.h"

#define FAKE_CONNS 64
#define FAKE_PIECES 4096
#define FAKE_PORTS 80
#define FAKE_SOCKS 8
#define FAKE_LOOKUPS 64
#define FAKE_DATAGRAMS 64

/* --- bytes that were received -------------------------------------------------------------------------- */

struct received {
	uint8_t *p;
	size_t n, cap;
};

static inline void received_add(struct received *r, const uint8_t *p, size_t n)
{
	if (n == 0)
		return;
	while (r->cap < r->n + n) {
		r->cap = r->cap > 0 ? 2 * r->cap : 4096;
		r->p = realloc(r->p, r->cap);
		assert_non_null(r->p);
	}
	memcpy(r->p + r->n, p, n);
	r->n += n;
}

/* --- the stack ----------------------------------------------------------------------------------------- */

/* One flow_open(), for as long as the test runs. */
struct fake_conn {
	struct dest to;
	struct flow *flow;   /* NULL: freed, or never opened */
	struct received got; /* what the far end has taken */
	bool got_fin;        /* after the last byte */
	bool freed, reset;   /* flow_free(); and it had to reset */
};

struct fake_piece {
	uint8_t *p;
	size_t n, done;
};

enum fake_outcome { FAKE_WAITS, FAKE_OPENS, FAKE_FAILS };

struct flow {
	struct netstack *ns;
	struct fake_conn *conn;
	const struct flow_events *ev;
	void *ctx;
	enum fake_outcome outcome;
	int err;           /* FAKE_FAILS, or of the break */
	bool open;
	bool broken, closed_due, closed;
	/* client -> far end */
	struct buf tx;
	uint8_t *lent;
	size_t lent_n;
	bool found_none, shut;
	/* far end -> client */
	struct fake_piece rx[FAKE_PIECES];
	unsigned rx_head, rx_tail;
	size_t rx_n, peeked;
	bool rx_end, rx_end_seen, news;
};

/* A TCP port of ours, and who comes to it. */
struct tcp_port {
	struct netstack *ns;
	const struct tcp_port_events *ev;
	void *ctx;
	struct endpoint from;
	bool coming;
};

struct lookup {
	struct netstack *ns;
	char name[HOST_MAX + 1];
	void (*done)(void *ctx, int err, const struct ip *ips, unsigned n);
	void *ctx;
	bool told;
};

struct fake_datagram {
	struct endpoint who; /* to, or from */
	uint8_t *p;
	size_t n;
};

struct udp_sock {
	struct netstack *ns;
	const struct udp_events *ev;
	void *ctx;
	struct fake_datagram in[FAKE_DATAGRAMS];
	unsigned nin;
};

struct netstack {
	struct fake_conn conns[FAKE_CONNS];
	unsigned opens;            /* flow_open() calls that succeeded */
	int open_result;           /* of the next flow_open() calls */
	enum fake_outcome outcome; /* of new flows */
	int err;                   /* FAKE_FAILS: with this */
	size_t tx_max, rx_max;     /* windows of new flows */
	struct ip local;           /* of every flow */
	uint16_t local_port;
	struct tcp_port *ports[FAKE_PORTS];
	struct udp_sock *socks[FAKE_SOCKS];
	struct lookup *lookups[FAKE_LOOKUPS];
	int port_result, sock_result, send_result; /* of the next tcp_port_new(), udp_sock_new(), udp_sock_send() */
	bool link_down;            /* ports have no address */
	bool lookup_waits;
	int lookup_err;            /* else every name has the address */
	struct ip lookup_ip;
	struct fake_datagram sent[FAKE_DATAGRAMS];
	unsigned nsent;
	bool dispatching;
	bool holding;              /* flows that are not open wait for the link */
	bool unflushed;            /* something was done that needs a flow_flush() */
};

static inline void fake_init(struct netstack *ns)
{
	*ns = (struct netstack){
		.outcome = FAKE_OPENS,
		.tx_max = 65536,
		.rx_max = 65536,
		.local = { .family = IP_V4, .b = { 192, 168, 30, 10 } },
		.local_port = 50000,
		.lookup_ip = { .family = IP_V4, .b = { 10, 77, 0, 1 } },
	};
}

static inline void fake_touch(struct netstack *ns)
{
	if (!ns->dispatching)
		ns->unflushed = true;
}

/* --- what the far end does ----------------------------------------------------------------------------- */

static inline size_t fake_take(struct fake_conn *c, size_t n)
{
	struct flow *f = c->flow;

	if (!f || !f->open || f->broken)
		return 0;
	n = min_size(n, buf_len(&f->tx));
	received_add(&c->got, buf_peek(&f->tx).p, n);
	buf_consume(&f->tx, n);
	if (f->shut && buf_len(&f->tx) == 0)
		c->got_fin = true;
	return n;
}

/* Deliver up to @n bytes, as much as the window allows, in pieces of at most @piece. Returns how many. */
static inline size_t fake_give(struct fake_conn *c, const uint8_t *p, size_t n, size_t piece)
{
	struct flow *f = c->flow;
	size_t done = 0;

	if (!f || f->broken)
		return 0;
	assert_false(f->rx_end);
	n = min_size(n, f->ns->rx_max - f->rx_n);
	while (done < n && (f->rx_tail + 1) % FAKE_PIECES != f->rx_head) {
		struct fake_piece *to = &f->rx[f->rx_tail];

		to->n = min_size(piece, n - done);
		to->done = 0;
		to->p = malloc(to->n);
		assert_non_null(to->p);
		memcpy(to->p, p + done, to->n);
		done += to->n;
		f->rx_tail = (f->rx_tail + 1) % FAKE_PIECES;
	}
	f->rx_n += done;
	f->news = f->news || done > 0;
	return done;
}

static inline void fake_end(struct fake_conn *c)
{
	assert_non_null(c->flow);
	c->flow->rx_end = true;
	c->flow->news = true;
}

static inline void fake_break(struct fake_conn *c, int err)
{
	assert_non_null(c->flow);
	c->flow->broken = true;
	c->flow->err = err;
	c->flow->closed_due = true;
}

/* --- flow.h -------------------------------------------------------------------------------------------- */

static inline struct flow *fake_flow_new(struct netstack *ns, const struct dest *to, const struct flow_events *ev, void *ctx)
{
	struct flow *f;

	assert_true(ns->opens < FAKE_CONNS);
	f = calloc(1, sizeof(*f));
	assert_non_null(f);
	assert_int_equal(buf_init(&f->tx, ns->tx_max), 0);
	f->ns = ns;
	f->ev = ev;
	f->ctx = ctx;
	f->outcome = ns->outcome;
	f->err = ns->err;
	f->conn = &ns->conns[ns->opens++];
	f->conn->to = *to;
	f->conn->flow = f;
	return f;
}

int flow_open(struct netstack *ns, const struct dest *to, const struct flow_events *ev, void *ctx,
	      struct flow **ret)
{
	fake_touch(ns);
	if (ns->open_result != 0)
		return ns->open_result;
	*ret = fake_flow_new(ns, to, ev, ctx);
	return 0;
}

bool flow_held(const struct flow *f)
{
	return !f->open && f->ns->holding;
}

void flow_addresses(const struct flow *f, struct ip *ret_local, uint16_t *ret_local_port,
		    struct ip *ret_remote)
{
	assert_true(f->open);
	*ret_local = f->ns->local;
	*ret_local_port = f->ns->local_port;
	*ret_remote = f->conn->to.ip;
}

static inline void fake_unlend(struct flow *f)
{
	free(f->lent);
	f->lent = NULL;
	f->lent_n = 0;
}

int flow_peek(struct flow *f, struct slice *v, int max)
{
	int n = 0;

	fake_unlend(f);
	f->peeked = 0;
	for (unsigned i = f->rx_head; i != f->rx_tail && n < max; i = (i + 1) % FAKE_PIECES) {
		v[n++] = (struct slice){ .p = f->rx[i].p + f->rx[i].done, .n = f->rx[i].n - f->rx[i].done };
		f->peeked += v[n - 1].n;
	}
	if (n == 0 && f->rx_end) {
		f->rx_end_seen = true;
		return VE_EOF;
	}
	return n;
}

void flow_consume(struct flow *f, size_t n)
{
	fake_touch(f->ns);
	fake_unlend(f);
	assert_true(n <= f->peeked);
	f->peeked = 0;
	f->rx_n -= n;
	while (n > 0) {
		struct fake_piece *x = &f->rx[f->rx_head];
		size_t some = min_size(n, x->n - x->done);

		n -= some;
		x->done += some;
		if (x->done == x->n) {
			free(x->p);
			f->rx_head = (f->rx_head + 1) % FAKE_PIECES;
		} else { /* move what is left: earlier borrows end with a consume */
			uint8_t *p = malloc(x->n - x->done);

			assert_non_null(p);
			memcpy(p, x->p + x->done, x->n - x->done);
			free(x->p);
			*x = (struct fake_piece){ .p = p, .n = x->n - x->done };
		}
	}
}

uint8_t *flow_reserve(struct flow *f, size_t *room)
{
	fake_unlend(f);
	*room = f->open && !f->broken && !f->shut ? buf_room(&f->tx) : 0;
	if (*room == 0) {
		f->found_none = true;
		return NULL;
	}
	f->lent_n = *room;
	f->lent = malloc(*room);
	assert_non_null(f->lent);
	return f->lent;
}

void flow_commit(struct flow *f, size_t n)
{
	fake_touch(f->ns);
	assert_true(n <= f->lent_n);
	assert_int_equal(buf_put(&f->tx, f->lent, n), 0);
	fake_unlend(f);
}

void flow_shutdown(struct flow *f)
{
	fake_touch(f->ns);
	assert_false(f->shut);
	f->shut = true;
}

void flow_flush(struct netstack *ns)
{
	ns->unflushed = false;
}

void flow_free(struct flow *f)
{
	struct fake_conn *c;

	if (!f)
		return;
	fake_touch(f->ns);
	c = f->conn;
	assert_ptr_equal(c->flow, f);
	c->freed = true;
	c->reset = f->open && !f->broken && !(f->shut && f->rx_end_seen);
	if (f->shut && f->rx_end_seen)
		fake_take(c, SIZE_MAX); /* what is queued still goes out */
	c->flow = NULL;
	fake_unlend(f);
	for (; f->rx_head != f->rx_tail; f->rx_head = (f->rx_head + 1) % FAKE_PIECES)
		free(f->rx[f->rx_head].p);
	buf_fini(&f->tx);
	free(f);
}

/* --- events -------------------------------------------------------------------------------------------- */

static inline void fake_connect_outcome(struct fake_conn *c)
{
	struct flow *f = c->flow;

	if (!f || f->open || f->closed || f->outcome == FAKE_WAITS)
		return;
	if (f->outcome == FAKE_OPENS) {
		f->open = true;
		f->ev->opened(f->ctx);
	} else {
		f->closed = true;
		f->ev->closed(f->ctx, f->err);
	}
}

static inline void fake_events(struct fake_conn *c)
{
	fake_connect_outcome(c);
	if (!c->flow || !c->flow->open || c->flow->closed)
		return;
	if (c->flow->news) {
		c->flow->news = false;
		c->flow->ev->readable(c->flow->ctx);
	}
	if (c->flow && c->flow->found_none && !c->flow->broken && buf_room(&c->flow->tx) > 0) {
		c->flow->found_none = false;
		c->flow->ev->writable(c->flow->ctx);
	}
	if (c->flow && !c->flow->broken && c->got_fin && c->flow->rx_end)
		c->flow->closed_due = true;
	if (c->flow && c->flow->closed_due) {
		c->flow->closed = true;
		c->flow->ev->closed(c->flow->ctx, c->flow->err);
	}
}

/* --- listen.h ------------------------------------------------------------------------------------------ */

int tcp_port_new(struct tcp_port **ret, struct netstack *ns, uint16_t port, unsigned backlog,
		 const struct tcp_port_events *ev, void *ctx)
{
	(void)port;
	(void)backlog;
	if (ns->port_result != 0)
		return ns->port_result;
	for (unsigned i = 0; i < FAKE_PORTS; i++) {
		if (ns->ports[i])
			continue;
		ns->ports[i] = calloc(1, sizeof(struct tcp_port));
		assert_non_null(ns->ports[i]);
		*ns->ports[i] = (struct tcp_port){ .ns = ns, .ev = ev, .ctx = ctx };
		*ret = ns->ports[i];
		return 0;
	}
	return VE_LIMIT;
}

void tcp_port_free(struct tcp_port *p)
{
	for (unsigned i = 0; p && i < FAKE_PORTS; i++) {
		if (p->ns->ports[i] == p)
			p->ns->ports[i] = NULL;
	}
	free(p);
}

void tcp_port_local(const struct tcp_port *p, struct endpoint *ret)
{
	*ret = (struct endpoint){ .port = p->ns->local_port };
	if (!p->ns->link_down)
		ret->ip = p->ns->local;
}

void flow_adopt(struct flow *f, const struct flow_events *ev, void *ctx)
{
	f->ev = ev;
	f->ctx = ctx;
	f->news = true;
}

/* Somebody connects to port @i; accepted() follows from the next dispatch. */
static inline void fake_come(struct netstack *ns, unsigned i, const char *ip, uint16_t port)
{
	assert_non_null(ns->ports[i]);
	assert_int_equal(ip_parse(ip, &ns->ports[i]->from.ip), 0);
	ns->ports[i]->from.port = port;
	ns->ports[i]->coming = true;
}

static inline void fake_accept(struct netstack *ns, unsigned i)
{
	struct tcp_port *p = ns->ports[i];
	struct endpoint from;
	struct dest d;
	struct flow *f;

	if (!p || !p->coming)
		return;
	p->coming = false;
	from = p->from;
	d = (struct dest){ .ip = from.ip, .port = from.port };
	f = fake_flow_new(ns, &d, NULL, NULL);
	f->open = true;
	p->ev->accepted(p->ctx, f, &from);
}

/* --- lookup.h ------------------------------------------------------------------------------------------ */

int lookup_new(struct lookup **ret, struct netstack *ns, const char *name,
	       void (*done)(void *ctx, int err, const struct ip *ips, unsigned n), void *ctx)
{
	for (unsigned i = 0; i < FAKE_LOOKUPS; i++) {
		struct lookup *l;

		if (ns->lookups[i])
			continue;
		l = calloc(1, sizeof(*l));
		assert_non_null(l);
		*l = (struct lookup){ .ns = ns, .done = done, .ctx = ctx };
		memcpy(l->name, name, strlen(name) + 1);
		*ret = ns->lookups[i] = l;
		return 0;
	}
	return VE_LIMIT;
}

void lookup_free(struct lookup *l)
{
	for (unsigned i = 0; l && i < FAKE_LOOKUPS; i++) {
		if (l->ns->lookups[i] == l)
			l->ns->lookups[i] = NULL;
	}
	free(l);
}

static inline void fake_answer(struct netstack *ns, unsigned i)
{
	struct lookup *l = ns->lookups[i];

	if (!l || l->told || ns->lookup_waits)
		return;
	l->told = true;
	l->done(l->ctx, ns->lookup_err, &ns->lookup_ip, ns->lookup_err == 0 ? 1 : 0);
}

/* --- udp.h --------------------------------------------------------------------------------------------- */

static inline void fake_datagram_keep(struct fake_datagram *d, const struct endpoint *who, const uint8_t *p, size_t n)
{
	*d = (struct fake_datagram){ .who = *who, .p = malloc(n > 0 ? n : 1), .n = n };
	assert_non_null(d->p);
	if (n > 0)
		memcpy(d->p, p, n);
}

int udp_sock_new(struct udp_sock **ret, struct netstack *ns, uint16_t port, const struct udp_events *ev, void *ctx)
{
	(void)port;
	if (ns->sock_result != 0)
		return ns->sock_result;
	for (unsigned i = 0; i < FAKE_SOCKS; i++) {
		if (ns->socks[i])
			continue;
		ns->socks[i] = calloc(1, sizeof(struct udp_sock));
		assert_non_null(ns->socks[i]);
		ns->socks[i]->ns = ns;
		ns->socks[i]->ev = ev;
		ns->socks[i]->ctx = ctx;
		*ret = ns->socks[i];
		return 0;
	}
	return VE_LIMIT;
}

void udp_sock_free(struct udp_sock *u)
{
	for (unsigned i = 0; u && i < u->nin; i++)
		free(u->in[i].p);
	for (unsigned i = 0; u && i < FAKE_SOCKS; i++) {
		if (u->ns->socks[i] == u)
			u->ns->socks[i] = NULL;
	}
	free(u);
}

void udp_sock_local(const struct udp_sock *u, struct endpoint *ret)
{
	*ret = (struct endpoint){ .ip = u->ns->local, .port = u->ns->local_port };
}

int udp_sock_send(struct udp_sock *u, const struct endpoint *to, struct slice bytes)
{
	fake_touch(u->ns);
	if (u->ns->send_result != 0)
		return u->ns->send_result;
	assert_true(u->ns->nsent < FAKE_DATAGRAMS);
	fake_datagram_keep(&u->ns->sent[u->ns->nsent++], to, bytes.p, bytes.n);
	return 0;
}

/* Somebody sends to socket @i; received() follows from the next dispatch. */
static inline void fake_send(struct netstack *ns, unsigned i, const char *ip, uint16_t port, const void *p, size_t n)
{
	struct udp_sock *u = ns->socks[i];
	struct endpoint from = { .port = port };

	assert_non_null(u);
	assert_true(u->nin < FAKE_DATAGRAMS);
	assert_int_equal(ip_parse(ip, &from.ip), 0);
	fake_datagram_keep(&u->in[u->nin++], &from, p, n);
}

static inline void fake_deliver(struct netstack *ns, unsigned i)
{
	while (ns->socks[i] && ns->socks[i]->nin > 0) {
		struct udp_sock *u = ns->socks[i];
		struct fake_datagram d = u->in[--u->nin];

		u->ev->received(u->ctx, &d.who, (struct slice){ .p = d.p, .n = d.n });
		free(d.p);
	}
}

/* --- the turn ------------------------------------------------------------------------------------------ */

void netstack_dispatch(struct netstack *ns)
{
	assert_false(ns->dispatching);
	ns->dispatching = true;
	for (unsigned i = 0; i < FAKE_LOOKUPS; i++)
		fake_answer(ns, i);
	for (unsigned i = 0; i < FAKE_PORTS; i++)
		fake_accept(ns, i);
	for (unsigned i = 0; i < FAKE_SOCKS; i++)
		fake_deliver(ns, i);
	for (unsigned i = 0; i < ns->opens; i++)
		fake_events(&ns->conns[i]);
	ns->dispatching = false;
}

/* Every flow was freed by its owner; releases what the far end took. */
static inline void fake_fini(struct netstack *ns)
{
	for (unsigned i = 0; i < ns->opens; i++) {
		assert_null(ns->conns[i].flow);
		assert_true(ns->conns[i].freed);
		free(ns->conns[i].got.p);
	}
	for (unsigned i = 0; i < FAKE_PORTS; i++)
		assert_null(ns->ports[i]);
	for (unsigned i = 0; i < FAKE_SOCKS; i++)
		assert_null(ns->socks[i]);
	for (unsigned i = 0; i < FAKE_LOOKUPS; i++)
		assert_null(ns->lookups[i]);
	for (unsigned i = 0; i < ns->nsent; i++)
		free(ns->sent[i].p);
}

#endif
