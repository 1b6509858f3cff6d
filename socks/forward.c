/* SPDX-License-Identifier: GPL-3.0-or-later */
/* forward.c - doors, and who comes through them; see forward.h.
 *
 * Theory of operation
 *
 *     -L   listener (listener.h) -- accepted socket == relay.h == target, by the routes
 *     -R   tcp_port (netstack/listen.h) -- accepted flow == splice.h == connection of this machine
 *     UDP  forward_udp.h
 *
 * A guest is one TCP connection, relay or splice. All guests are in one list; a timer looks at them now and then, for
 * sockets that have vanished and for connections that are idle for too long. As in front.c, listeners are plain sockets
 * under uv_poll: accepting stops when we are full and goes on when somebody leaves, or, when descriptors or half-open
 * connects are short, after a pause.
 *
 * What fails ends in a reset: the program at the other end must not take an empty stream for an answer. */
#include "socks/forward.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "core/bytes.h"
#include "core/limits.h"
#include "core/log.h"
#include "netstack/flow.h"
#include "netstack/listen.h"
#include "socks/forward_udp.h"
#include "socks/listener.h"
#include "socks/relay.h"
#include "socks/splice.h"

struct door {
	struct forwards *fw;
	struct forward conf; /* its path is not used after the start */
	bool remote;
	struct listener listener; /* -L, TCP */
	uv_poll_t poll;
	bool polling;             /* the handle above was made */
	struct tcp_port *port;    /* -R, TCP */
	struct forward_udp *udp;
};

struct guest {
	struct door *door;
	struct guest *prev, *next;
	struct relay relay;    /* -L */
	struct splice *splice; /* -R */
	bool closing;
};

struct forwards {
	struct targets *ts;
	struct targets direct; /* of -R: connections of this machine, whatever the routes say */
	struct route_rule direct_rule;
	uint32_t idle_ms;
	struct door *doors;
	unsigned ndoors;
	struct guest *guests;
	unsigned nguests;
	struct forward_udps udps;
	uv_timer_t timer;
	bool accepting;
	bool starved; /* no descriptor, no memory, or too many connects under way: again at @resume_at */
	bool told_starved, told_full;
	uint64_t resume_at, sweep_at;
	unsigned handles; /* polls, timer, UDP forwards, and our own */
	bool closing;
};

/* --- memory -------------------------------------------------------------------------------------------- */

static void maybe_free(struct forwards *fw)
{
	if (fw->handles > 0 || fw->nguests > 0)
		return;
	free(fw->doors);
	free(fw);
}

static void unref(struct forwards *fw)
{
	fw->handles--;
	maybe_free(fw);
}

static void on_timer_closed(uv_handle_t *h)
{
	unref(h->data);
}

static void on_poll_closed(uv_handle_t *h)
{
	unref(((struct door *)h->data)->fw);
}

static void on_udp_closed(void *ctx)
{
	unref(ctx);
}

/* --- time ---------------------------------------------------------------------------------------------- */

static void on_timer(uv_timer_t *t)
{
	struct forwards *fw = t->data;

	forwards_tick(fw, uv_now(fw->ts->loop));
}

static uint64_t sweep_ms(const struct forwards *fw)
{
	uint64_t every = 1000u * CLIENT_KEEPALIVE_S;

	if (fw->idle_ms > 0 && fw->idle_ms / 4 < every)
		every = fw->idle_ms / 4 + 1;
	return every;
}

static void arm(struct forwards *fw)
{
	uint64_t now = uv_now(fw->ts->loop), due = fw->sweep_at;

	if (fw->closing)
		return;
	if (fw->starved && fw->resume_at < due)
		due = fw->resume_at;
	uv_timer_start(&fw->timer, on_timer, due > now ? due - now : 0, 0);
}

/* --- accepting, on and off ----------------------------------------------------------------------------- */

static void on_acceptable(uv_poll_t *p, int status, int events);

/* The only place that starts and stops polling. */
static void update_accepting(struct forwards *fw)
{
	bool want = !fw->starved && fw->nguests < FORWARD_CLIENTS_MAX && !fw->closing;

	if (want == fw->accepting)
		return;
	fw->accepting = want;
	for (unsigned i = 0; i < fw->ndoors; i++) {
		if (!fw->doors[i].polling)
			continue;
		if (want)
			uv_poll_start(&fw->doors[i].poll, UV_READABLE, on_acceptable);
		else
			uv_poll_stop(&fw->doors[i].poll);
	}
}

static void starve(struct forwards *fw, const char *why)
{
	if (!fw->told_starved)
		log_warn("forward: cannot accept: %s; new clients wait", why);
	fw->told_starved = true;
	fw->starved = true;
	fw->resume_at = uv_now(fw->ts->loop) + ACCEPT_PAUSE_MS;
	update_accepting(fw);
	arm(fw);
}

/* --- guests -------------------------------------------------------------------------------------------- */

static void forget_guest(struct guest *g)
{
	struct forwards *fw = g->door->fw;

	*(g->prev ? &g->prev->next : &fw->guests) = g->next;
	if (g->next)
		g->next->prev = g->prev;
	fw->nguests--;
	free(g);
	if (fw->closing)
		maybe_free(fw);
	else
		update_accepting(fw);
}

/* Does not target_flush(). A guest of -R is gone when this returns, one of -L a little later. */
static void close_guest(struct guest *g)
{
	if (g->closing)
		return;
	g->closing = true;
	if (!g->door->remote) {
		relay_close(&g->relay);
		return;
	}
	splice_free(g->splice);
	forget_guest(g);
}

static struct guest *new_guest(struct door *d)
{
	struct forwards *fw = d->fw;
	struct guest *g = calloc(1, sizeof(*g));

	if (!g)
		return NULL;
	g->door = d;
	g->next = fw->guests;
	if (g->next)
		g->next->prev = g;
	fw->guests = g;
	fw->nguests++;
	if (fw->nguests == FORWARD_CLIENTS_MAX && !fw->told_full) {
		fw->told_full = true;
		log_warn("forward: %u connections, the most at once: new ones wait until others are gone", fw->nguests);
	}
	return g;
}

static void tell_failed(const struct door *d, int err)
{
	char text[DEST_TEXT_MAX];

	log_info("forward to %s: %s", dest_text(&d->conf.to, text), ve_name(err));
}

/* --- -L ------------------------------------------------------------------------------------------------ */

static void reset_client(struct relay *r)
{
	static const struct linger reset = { .l_onoff = 1, .l_linger = 0 };
	uv_os_fd_t fd;

	if (uv_fileno(&r->client.handle, &fd) == 0)
		(void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
}

static void on_relay_opened(void *ctx)
{
	struct guest *g = ctx;

	relay_start(&g->relay, (struct slice){ 0 });
}

static void on_relay_failed(void *ctx, int err)
{
	struct guest *g = ctx;

	tell_failed(g->door, err);
	reset_client(&g->relay);
	close_guest(g);
}

static void on_relay_over(void *ctx, int err)
{
	(void)err;
	close_guest(ctx);
}

static void on_relay_closed(void *ctx)
{
	forget_guest(ctx);
}

static const struct relay_events relay_events = { on_relay_opened, on_relay_failed, on_relay_over, on_relay_closed };

static void serve(struct door *d, int fd)
{
	struct guest *g = new_guest(d);
	int err;

	if (!g) {
		close(fd);
		starve(d->fw, strerror(ENOMEM));
		return;
	}
	err = relay_init(&g->relay, fd, d->fw->ts, &relay_events, g);
	if (err == 0)
		err = relay_connect(&g->relay, &d->conf.to);
	if (err != 0)
		on_relay_failed(g, err);
	else
		d->fw->told_starved = false;
	update_accepting(d->fw);
}

static void accept_some(struct door *d)
{
	struct forwards *fw = d->fw;

	for (unsigned i = 0; i < ACCEPT_BATCH && fw->accepting; i++) {
		int fd = listener_accept(&d->listener);

		if (fd >= 0)
			serve(d, fd);
		else if (fd == -EAGAIN)
			return;
		else if (fd != -ECONNABORTED)
			starve(fw, strerror(-fd));
	}
}

static void on_acceptable(uv_poll_t *p, int status, int events)
{
	struct door *d = p->data;

	(void)events;
	if (status < 0)
		starve(d->fw, uv_strerror(status)); /* libuv has stopped polling; trying again is all there is */
	else
		accept_some(d);
	target_flush(d->fw->ts);
}

/* --- -R ------------------------------------------------------------------------------------------------ */

static void on_splice_over(void *ctx, int err)
{
	struct guest *g = ctx;

	if (err != 0 && log_enabled(LOG_DEBUG))
		tell_failed(g->door, err);
	close_guest(g);
}

static const struct splice_events splice_events = { on_splice_over };

static void on_accepted(void *ctx, struct flow *f, const struct endpoint *from)
{
	struct door *d = ctx;
	struct forwards *fw = d->fw;
	struct guest *g = fw->nguests < FORWARD_CLIENTS_MAX ? new_guest(d) : NULL;
	int err;

	(void)from;
	if (!g) {
		flow_free(f);
		return;
	}
	err = splice_new(&g->splice, fw->ts, f, &fw->direct, &d->conf.to, &splice_events, g);
	if (err != 0) {
		tell_failed(d, err);
		close_guest(g);
	}
	update_accepting(fw);
}

static const struct tcp_port_events port_events = { on_accepted };

/* --- what is due --------------------------------------------------------------------------------------- */

static bool is_idle(const struct guest *g, uint64_t now_ms)
{
	uint32_t idle_ms = g->door->fw->idle_ms;
	uint64_t moved_at = g->door->remote ? splice_moved_at(g->splice) : g->relay.moved_at;

	return idle_ms > 0 && now_ms > moved_at && now_ms - moved_at >= idle_ms;
}

static void sweep(struct forwards *fw, uint64_t now_ms)
{
	struct guest *next;

	for (struct guest *g = fw->guests; g; g = next) {
		next = g->next;
		if (g->closing)
			continue;
		if (is_idle(g, now_ms))
			close_guest(g);
		else if (!g->door->remote)
			relay_probe(&g->relay);
	}
	forward_udps_tick(&fw->udps, now_ms);
	target_flush(fw->ts);
}

void forwards_tick(struct forwards *fw, uint64_t now_ms)
{
	if (fw->sweep_at <= now_ms) {
		fw->sweep_at = now_ms + sweep_ms(fw);
		sweep(fw, now_ms);
	}
	if (fw->starved && fw->resume_at <= now_ms) {
		fw->starved = false;
		update_accepting(fw);
	}
	arm(fw);
}

/* --- doors --------------------------------------------------------------------------------------------- */

static int open_local(struct door *d, struct fault *f)
{
	struct forwards *fw = d->fw;
	int r = listener_open(&d->listener, &d->conf.from, "-L", f);
	int err;

	if (r != 0)
		return r;
	err = uv_poll_init(fw->ts->loop, &d->poll, d->listener.fd);
	if (err != 0)
		return listener_fault(&d->listener, -err, f);
	d->poll.data = d;
	d->polling = true;
	fw->handles++;
	return 0;
}

static int open_remote(struct door *d, struct fault *f)
{
	unsigned port = d->conf.from.at.port;
	int r = tcp_port_new(&d->port, d->fw->ts->ns, d->conf.from.at.port, TCP_BACKLOG_MAX, &port_events, d);

	if (r == VE_LISTEN)
		fault_set_final(f, r, "-R %u: the port is taken; choose a different one", port);
	else if (r != 0)
		fault_set_final(f, r, "-R %u: %s", port, ve_name(r));
	return r;
}

static int open_udp(struct door *d, struct fault *f)
{
	struct forwards *fw = d->fw;
	int r = forward_udp_new(&d->udp, &fw->udps, &d->conf, d->remote, f);

	if (d->udp)
		fw->handles++;
	return r;
}

static void close_door(struct door *d)
{
	struct forward_udp *udp = d->udp;

	if (d->polling)
		uv_close((uv_handle_t *)&d->poll, on_poll_closed);
	listener_close(&d->listener);
	tcp_port_free(d->port);
	d->port = NULL;
	d->udp = NULL;
	if (udp)
		forward_udp_close(udp);
}

/* --- from start to end --------------------------------------------------------------------------------- */

static struct forwards *alloc_forwards(struct targets *ts, const struct forwards_conf *c)
{
	unsigned n = c->nlocal + c->nremote;
	struct forwards *fw = calloc(1, sizeof(*fw));

	if (!fw)
		return NULL;
	fw->doors = calloc(n > 0 ? n : 1, sizeof(*fw->doors));
	if (!fw->doors) {
		free(fw);
		return NULL;
	}
	fw->ts = ts;
	fw->idle_ms = c->idle_ms;
	fw->direct_rule = (struct route_rule){ .action = ROUTE_DIRECT, .port_to = UINT16_MAX };
	fw->direct = (struct targets){ .loop = ts->loop, .ns = ts->ns, .rules = &fw->direct_rule, .nrules = 1,
				       .connect_ms = ts->connect_ms > 0 ? ts->connect_ms : FLOW_CONNECT_MS };
	fw->udps.ts = ts;
	fw->udps.closed = on_udp_closed;
	fw->udps.ctx = fw;
	fw->ndoors = n;
	for (unsigned i = 0; i < n; i++) {
		bool remote = i >= c->nlocal;

		fw->doors[i] = (struct door){ .fw = fw, .remote = remote, .listener.fd = -1,
					      .conf = remote ? c->remote[i - c->nlocal] : c->local[i] };
	}
	return fw;
}

int forwards_new(struct forwards **ret, struct targets *ts, const struct forwards_conf *c, struct fault *f)
{
	struct forwards *fw;
	int r = 0;

	assert(c->nlocal <= FORWARDS_MAX && c->nremote <= FORWARDS_MAX);
	fw = alloc_forwards(ts, c);
	if (!fw) {
		fault_set_final(f, VE_NOMEM, "forwards: %s", ve_name(VE_NOMEM));
		return VE_NOMEM;
	}
	uv_timer_init(ts->loop, &fw->timer);
	fw->timer.data = fw;
	fw->handles = 1;
	fw->sweep_at = uv_now(ts->loop) + sweep_ms(fw);
	for (unsigned i = 0; i < fw->ndoors && r == 0; i++) {
		struct door *d = &fw->doors[i];

		r = d->conf.udp ? open_udp(d, f) : d->remote ? open_remote(d, f) : open_local(d, f);
	}
	if (r != 0) {
		forwards_close(fw);
		return r;
	}
	update_accepting(fw);
	arm(fw);
	*ret = fw;
	return 0;
}

const char *forwards_text(const struct forwards *fw, unsigned i, char buf[static FORWARD_TEXT_MAX])
{
	const struct door *d = i < fw->ndoors ? &fw->doors[i] : NULL;
	char to[DEST_TEXT_MAX], from[DEST_TEXT_MAX];
	struct endpoint e = { .port = 0 };
	struct dest at;

	if (!d)
		return NULL;
	at = d->conf.udp ? d->conf.from.at : d->listener.at;
	if (d->udp)
		at.port = e.port = forward_udp_port(d->udp);
	else if (d->port)
		tcp_port_local(d->port, &e);
	if (d->remote)
		snprintf(from, sizeof(from), "%u", (unsigned)e.port);
	else if (!d->conf.udp)
		listener_text(&d->listener, from);
	else
		dest_text(&at, from);
	snprintf(buf, FORWARD_TEXT_MAX, "-%c %s:%s%s", d->remote ? 'R' : 'L', from, dest_text(&d->conf.to, to),
		 d->conf.udp ? "/udp" : "");
	return buf;
}

void forwards_get_stats(const struct forwards *fw, struct forwards_stats *ret)
{
	*ret = (struct forwards_stats){ .clients = fw->nguests, .peers = fw->udps.npeers, .datagrams = fw->udps.datagrams,
					.lost = fw->udps.lost };
}

void forwards_close(struct forwards *fw)
{
	struct guest *next;

	if (!fw)
		return;
	fw->closing = true;
	fw->handles++; /* ours: nothing is freed before the end of this */
	for (unsigned i = 0; i < fw->ndoors; i++)
		close_door(&fw->doors[i]);
	for (struct guest *g = fw->guests; g; g = next) {
		next = g->next;
		close_guest(g);
	}
	targets_fini(&fw->direct);
	uv_close((uv_handle_t *)&fw->timer, on_timer_closed);
	unref(fw);
}
