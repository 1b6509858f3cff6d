/* SPDX-License-Identifier: GPL-3.0-or-later */
/* front.c - listeners, and the book of clients; see front.h.
 *
 * Theory of operation
 *
 * Listeners are plain sockets under uv_poll, not uv_tcp listeners, for what has to happen when clients cannot
 * be taken. libuv's answer to a full descriptor table is to accept and close every client in the queue, and
 * if it lost its spare descriptor it tries for ever; neither is reported. Here accepting simply stops and
 * clients wait in the kernel's queue: when we are full until one is gone, when descriptors are short until a
 * pause is over.
 *
 * Only these two stop it. What a client wants is known when it has been accepted and read, so one that asks for something
 * quick must not stand in the kernel's queue behind thousands that ask for a host that never answers: all are accepted, and
 * connects wait where it is known what they wait for (half_open.h). When we are full, targets are told (targets.full), and
 * those that have waited for long give way.
 *
 * Each client is on one list: that of what it waits for (client.h). All that wait for the same have the same time for
 * it, so appending keeps each list ordered by deadline, and one timer for the first of all serves all. Those that wait
 * for nothing, closing ones included, are "served" until libuv has let go of them. */
#include "socks/front.h"

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "core/bytes.h"
#include "core/limits.h"
#include "core/log.h"
#include "socks/client.h"

struct port {
	struct front *front;
	struct listener listener;
	bool polling; /* the handle below was made */
	uv_poll_t poll;
};

struct client_list {
	struct client *first, *last;
};

struct front {
	uv_loop_t *loop;
	struct client_env env;
	struct port *ports;
	unsigned nports;
	uv_timer_t timer;
	unsigned handles; /* of ports and timer, to be closed before the memory may go */
	bool closing;

	struct client_list lists[CLIENT_WAITS]; /* by what they wait for, ordered by deadline */
	unsigned nclients; /* on all of them */
	unsigned max;      /* of nclients */

	bool accepting;
	bool starved;       /* accept() found no descriptor or memory: again at @resume_at */
	uint64_t resume_at;
	bool told_starved;  /* one line for each shortage, not for each try */
	bool told_full;

	struct udp_relays udp;

	uint64_t sweep_at; /* when the served are probed next, every CLIENT_KEEPALIVE_S while there are any */
};

/* --- lists --------------------------------------------------------------------------------------------- */

static void list_remove(struct client *c)
{
	struct client_list *l = c->list;

	*(c->prev ? &c->prev->next : &l->first) = c->next;
	*(c->next ? &c->next->prev : &l->last) = c->prev;
	c->list = NULL;
}

static void list_append(struct client_list *l, struct client *c)
{
	c->list = l;
	c->prev = l->last;
	c->next = NULL;
	*(l->last ? &l->last->next : &l->first) = c;
	l->last = c;
}

/* --- time ---------------------------------------------------------------------------------------------- */

static void on_timer(uv_timer_t *t)
{
	struct front *fr = t->data;

	front_tick(fr, uv_now(fr->loop));
}

static const uint32_t waits_ms[CLIENT_WAITS] = {
	[WAIT_CLIENT] = SOCKS_HANDSHAKE_MS,
	[WAIT_DENIED] = PROXY_DENIED_MS,
	[WAIT_PEER] = BIND_MS,
};

/* Set the timer for what is due first. One that was set for something that is over fires for nothing, and
 * is set anew. */
static void arm(struct front *fr)
{
	uint64_t now = uv_now(fr->loop), due = UINT64_MAX;

	for (unsigned i = WAIT_NOT + 1; i < CLIENT_WAITS; i++) {
		if (fr->lists[i].first && fr->lists[i].first->deadline < due)
			due = fr->lists[i].first->deadline;
	}
	if (fr->starved && fr->resume_at < due)
		due = fr->resume_at;
	if (fr->lists[WAIT_NOT].first && fr->sweep_at < due)
		due = fr->sweep_at;
	if (due != UINT64_MAX && !fr->closing)
		uv_timer_start(&fr->timer, on_timer, due > now ? due - now : 0, 0);
}

/* --- accepting ----------------------------------------------------------------------------------------- */

static void on_acceptable(uv_poll_t *p, int status, int events);

/* The only place that starts and stops the listeners' polling. */
static void update_accepting(struct front *fr)
{
	bool want = !fr->starved && fr->nclients < fr->max;

	fr->env.ts->full = fr->nclients >= fr->max;
	if (want == fr->accepting)
		return;
	fr->accepting = want;
	for (unsigned i = 0; i < fr->nports; i++) {
		if (want)
			uv_poll_start(&fr->ports[i].poll, UV_READABLE, on_acceptable);
		else
			uv_poll_stop(&fr->ports[i].poll);
	}
}

static void starve(struct front *fr, int err)
{
	if (!fr->told_starved)
		log_warn("front: cannot accept: %s; new clients wait", strerror(err));
	fr->told_starved = true;
	fr->starved = true;
	fr->resume_at = uv_now(fr->loop) + ACCEPT_PAUSE_MS;
	arm(fr);
	update_accepting(fr);
}

/* How often the served are looked at: so that nobody is idle for much longer than allowed. */
static uint64_t sweep_ms(const struct front *fr)
{
	uint64_t every = 1000u * CLIENT_KEEPALIVE_S;

	if (fr->env.conf->idle_ms > 0 && fr->env.conf->idle_ms / 4 < every)
		every = fr->env.conf->idle_ms / 4 + 1;
	return every;
}

static void on_client_waiting(void *ctx, struct client *c, enum client_wait what)
{
	struct front *fr = ctx;
	struct client_list *to = &fr->lists[what];
	uint64_t now = uv_now(fr->loop);
	bool first = !to->first;

	if (c->list)
		list_remove(c);
	list_append(to, c);
	c->deadline = now + waits_ms[what];
	if (what == WAIT_NOT && first)
		fr->sweep_at = now + sweep_ms(fr);
	if (first)
		arm(fr);
}

static void maybe_free(struct front *fr)
{
	if (fr->handles > 0 || fr->nclients > 0)
		return;
	free(fr->ports);
	free(fr);
}

static void on_client_gone(void *ctx, struct client *c)
{
	struct front *fr = ctx;

	list_remove(c);
	fr->nclients--;
	if (fr->closing)
		maybe_free(fr);
	else
		update_accepting(fr);
}

static const struct client_events client_events = {
	.waiting = on_client_waiting,
	.gone = on_client_gone,
};

static void serve(struct front *fr, int fd)
{
	struct client *c;

	if (client_new(&c, fd, &fr->env, &client_events, fr) != 0) {
		starve(fr, ENOMEM);
		return;
	}
	fr->told_starved = false;
	fr->nclients++;
	if (fr->nclients == fr->max && !fr->told_full) {
		fr->told_full = true;
		log_warn("front: %u clients, the most at once: new ones wait until others are gone", fr->max);
	}
	update_accepting(fr);
}

static void on_acceptable(uv_poll_t *p, int status, int events)
{
	struct port *port = p->data;
	struct front *fr = port->front;

	(void)events;
	if (status < 0) {
		starve(fr, -status); /* libuv has stopped polling; trying again is all there is */
		return;
	}
	for (unsigned i = 0; i < ACCEPT_BATCH && fr->accepting; i++) {
		int fd = listener_accept(&port->listener);

		if (fd >= 0)
			serve(fr, fd);
		else if (fd == -EAGAIN)
			return;
		else if (fd != -ECONNABORTED)
			starve(fr, -fd);
	}
}

/* --- what is due --------------------------------------------------------------------------------------- */

static void tell_due_clients(struct front *fr, enum client_wait what, uint64_t now_ms)
{
	struct client *c;

	while ((c = fr->lists[what].first) && c->deadline <= now_ms)
		client_due(c); /* does not wait for it any more */
}

static void sweep(struct front *fr, uint64_t now_ms)
{
	fr->sweep_at = now_ms + sweep_ms(fr);
	for (struct client *c = fr->lists[WAIT_NOT].first; c; c = c->next)
		client_probe(c, now_ms);
	target_flush(fr->env.ts);
}

void front_tick(struct front *fr, uint64_t now_ms)
{
	for (unsigned i = WAIT_NOT + 1; i < CLIENT_WAITS; i++)
		tell_due_clients(fr, i, now_ms);
	if (fr->lists[WAIT_NOT].first && fr->sweep_at <= now_ms)
		sweep(fr, now_ms);
	if (fr->starved && fr->resume_at <= now_ms) {
		fr->starved = false;
		update_accepting(fr);
	}
	arm(fr);
}

/* --- listeners ----------------------------------------------------------------------------------------- */

static int poll_port(struct front *fr, struct port *port, struct fault *f)
{
	int err = uv_poll_init(fr->loop, &port->poll, port->listener.fd);

	if (err != 0)
		return listener_fault(&port->listener, -err, f);
	port->poll.data = port;
	port->polling = true;
	fr->handles++;
	return 0;
}

static void on_handle_closed(uv_handle_t *h)
{
	struct front *fr = h->type == UV_TIMER ? h->data : ((struct port *)h->data)->front;

	fr->handles--;
	maybe_free(fr);
}

static void close_port(struct port *port)
{
	if (port->polling)
		uv_close((uv_handle_t *)&port->poll, on_handle_closed);
	listener_close(&port->listener);
}

/* --- start and end ------------------------------------------------------------------------------------- */

/* Each client takes one descriptor, and one more if its target can be direct. Flows take none. main() has raised the limit
 * as far as it may. */
static unsigned clients_max(const struct targets *ts)
{
	struct rlimit l;
	rlim_t max, need, each = 1;

	for (size_t i = 0; i < ts->nrules; i++) {
		if (ts->rules[i].action == ROUTE_DIRECT)
			each = 2;
	}
	need = each * CLIENTS_MAX + DESCRIPTORS_KEPT;
	if (getrlimit(RLIMIT_NOFILE, &l) != 0 || l.rlim_cur == RLIM_INFINITY || l.rlim_cur >= need)
		return CLIENTS_MAX;
	max = l.rlim_cur > DESCRIPTORS_KEPT + each ? (l.rlim_cur - DESCRIPTORS_KEPT) / each : 1;
	log_warn("front: at most %u clients at once instead of %u, because only %u files may be open: more will wait until others "
		 "are gone; raise the hard limit (ulimit -Hn, LimitNOFILE=) to %u",
		 (unsigned)max, CLIENTS_MAX, (unsigned)l.rlim_cur, (unsigned)need);
	return (unsigned)max;
}

static struct front *alloc_front(struct targets *ts, const struct client_conf *conf, unsigned n)
{
	struct front *fr = calloc(1, sizeof(*fr));

	if (!fr)
		return NULL;
	fr->ports = calloc(n, sizeof(*fr->ports));
	if (!fr->ports) {
		free(fr);
		return NULL;
	}
	fr->loop = ts->loop;
	fr->env = (struct client_env){ .ts = ts, .conf = conf, .udp = &fr->udp };
	fr->nports = n;
	for (unsigned i = 0; i < n; i++)
		fr->ports[i] = (struct port){ .front = fr, .listener = { .fd = -1 } };
	return fr;
}

/* Open the listeners, all or none. */
static int open_ports(struct front *fr, const struct listen_addr *listen, struct fault *f)
{
	int err = 0;

	for (unsigned i = 0; i < fr->nports && err == 0; i++)
		err = listener_open(&fr->ports[i].listener, &listen[i], "-l", f);
	for (unsigned i = 0; i < fr->nports && err != 0; i++)
		listener_close(&fr->ports[i].listener);
	return err;
}

int front_new(struct front **ret, struct targets *ts, const struct client_conf *conf, const struct listen_addr *listen,
	      unsigned n, struct fault *f)
{
	struct front *fr;
	int err = 0;

	assert(n >= 1 && n <= LISTENERS_MAX);
	fr = alloc_front(ts, conf, n);
	if (!fr)
		return VE_NOMEM;
	err = open_ports(fr, listen, f);
	if (err != 0) {
		free(fr->ports);
		free(fr);
		return err;
	}
	uv_timer_init(fr->loop, &fr->timer);
	fr->timer.data = fr;
	fr->handles = 1;
	for (unsigned i = 0; i < n && err == 0; i++)
		err = poll_port(fr, &fr->ports[i], f);
	if (err != 0) {
		front_close(fr);
		return err;
	}
	fr->max = clients_max(ts);
	update_accepting(fr);
	*ret = fr;
	return 0;
}

void front_address(const struct front *fr, unsigned i, struct dest *ret)
{
	assert(i < fr->nports);
	*ret = fr->ports[i].listener.at;
}

const char *front_listener(const struct front *fr, unsigned i, char buf[static FRONT_TEXT_MAX])
{
	const struct listener *l = &fr->ports[i].listener;
	char text[LISTENER_TEXT_MAX];

	assert(i < fr->nports);
	snprintf(buf, FRONT_TEXT_MAX, "%s%s", l->path[0] ? "" : "socks5://", listener_text(l, text));
	return buf;
}

const struct udp_relays *front_udp(const struct front *fr)
{
	return &fr->udp;
}

unsigned front_clients(const struct front *fr)
{
	return fr->nclients;
}

void front_close(struct front *fr)
{
	if (!fr)
		return;
	fr->closing = true;
	fr->env.ts->full = false;
	for (unsigned i = 0; i < fr->nports; i++)
		close_port(&fr->ports[i]);
	uv_close((uv_handle_t *)&fr->timer, on_handle_closed);
	for (unsigned i = WAIT_NOT + 1; i < CLIENT_WAITS; i++) {
		while (fr->lists[i].first)
			client_close(fr->lists[i].first); /* moves it to the served */
	}
	for (struct client *c = fr->lists[WAIT_NOT].first; c; c = c->next)
		client_close(c);
}
