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
 * Each client is on one of two lists. "Waiting" holds those that owe us something (client.h); all have the
 * same time for it, so appending keeps the list ordered by deadline, and one timer for the first of them
 * serves all. "Served" are the others, closing ones included, until libuv has let go of them. */
#include "socks/front.h"

#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/bytes.h"
#include "core/limits.h"
#include "core/log.h"
#include "socks/client.h"
#include "socks/sockaddr.h"

struct listener {
	struct front *front;
	struct dest at;
	int fd;       /* -1: closed */
	bool polling; /* the handle below was made */
	uv_poll_t poll;
};

struct client_list {
	struct client *first, *last;
};

struct front {
	uv_loop_t *loop;
	struct targets *ts;
	const struct client_conf *conf;
	struct listener *listeners;
	unsigned nlisteners;
	uv_timer_t timer;
	unsigned handles; /* of listeners and timer, to be closed before the memory may go */
	bool closing;

	struct client_list waiting; /* ordered by deadline */
	struct client_list served;
	unsigned nclients; /* on both */
	unsigned max;      /* of nclients */

	bool accepting;
	bool starved;       /* accept() found no descriptor or memory: again at @resume_at */
	uint64_t resume_at;
	bool told_starved;  /* one line for each shortage, not for each try */
	bool told_full;

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

/* Set the timer for what is due first. One that was set for something that is over fires for nothing, and
 * is set anew. */
static void arm(struct front *fr)
{
	uint64_t now = uv_now(fr->loop);
	uint64_t due = fr->waiting.first ? fr->waiting.first->deadline : UINT64_MAX;

	if (fr->starved && fr->resume_at < due)
		due = fr->resume_at;
	if (fr->served.first && fr->sweep_at < due)
		due = fr->sweep_at;
	if (due != UINT64_MAX && !fr->closing)
		uv_timer_start(&fr->timer, on_timer, due > now ? due - now : 0, 0);
}

/* --- accepting ----------------------------------------------------------------------------------------- */

static void on_acceptable(uv_poll_t *p, int status, int events);

/* The only place that starts and stops the listeners' polling. */
static void update_accepting(struct front *fr)
{
	bool want = !fr->starved && fr->nclients < fr->max && fr->ts->opening < HALF_OPEN_MAX;

	if (want == fr->accepting)
		return;
	fr->accepting = want;
	for (unsigned i = 0; i < fr->nlisteners; i++) {
		if (want)
			uv_poll_start(&fr->listeners[i].poll, UV_READABLE, on_acceptable);
		else
			uv_poll_stop(&fr->listeners[i].poll);
	}
}

static void on_room(void *ctx)
{
	update_accepting(ctx);
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

	if (fr->conf->idle_ms > 0 && fr->conf->idle_ms / 4 < every)
		every = fr->conf->idle_ms / 4 + 1;
	return every;
}

static void on_client_waiting(void *ctx, struct client *c, bool on)
{
	struct front *fr = ctx;
	struct client_list *to = on ? &fr->waiting : &fr->served;
	uint64_t now = uv_now(fr->loop);
	bool first = !to->first;

	if (c->list)
		list_remove(c);
	list_append(to, c);
	if (on)
		c->deadline = now + SOCKS_HANDSHAKE_MS;
	else if (first)
		fr->sweep_at = now + sweep_ms(fr);
	if (first)
		arm(fr);
}

static void maybe_free(struct front *fr)
{
	if (fr->handles > 0 || fr->nclients > 0)
		return;
	free(fr->listeners);
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

	if (client_new(&c, fd, fr->ts, fr->conf, &client_events, fr) != 0) {
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

/* accept(2): these concern the one connection that was to be accepted, which is gone; the next may do. */
static bool is_about_one_client(int err)
{
	static const int errs[] = {
		EINTR,	   ECONNABORTED, EPROTO,       EPERM,	   ENETDOWN,	ENOPROTOOPT,
		EHOSTDOWN, ENONET,	 EHOSTUNREACH, EOPNOTSUPP, ENETUNREACH,
	};

	for (size_t i = 0; i < ARRAY_LEN(errs); i++) {
		if (errs[i] == err)
			return true;
	}
	return false;
}

static void on_acceptable(uv_poll_t *p, int status, int events)
{
	struct listener *l = p->data;
	struct front *fr = l->front;

	(void)events;
	if (status < 0) {
		starve(fr, -status); /* libuv has stopped polling; trying again is all there is */
		return;
	}
	for (unsigned i = 0; i < ACCEPT_BATCH && fr->accepting; i++) {
		int fd = accept4(l->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd >= 0)
			serve(fr, fd);
		else if (errno == EAGAIN || errno == EWOULDBLOCK)
			return;
		else if (!is_about_one_client(errno))
			starve(fr, errno);
	}
}

/* --- what is due --------------------------------------------------------------------------------------- */

static void close_slow_clients(struct front *fr, uint64_t now_ms)
{
	struct client *c;

	while ((c = fr->waiting.first) && c->deadline <= now_ms) {
		char name[DEST_TEXT_MAX];

		if (log_enabled(LOG_DEBUG))
			log_debug("client %s: closed: took too long", client_name(c, name));
		client_close(c); /* is not waiting any more */
	}
}

static void sweep(struct front *fr, uint64_t now_ms)
{
	fr->sweep_at = now_ms + sweep_ms(fr);
	for (struct client *c = fr->served.first; c; c = c->next)
		client_probe(c, now_ms);
	target_flush(fr->ts);
}

void front_tick(struct front *fr, uint64_t now_ms)
{
	close_slow_clients(fr, now_ms);
	if (fr->served.first && fr->sweep_at <= now_ms)
		sweep(fr, now_ms);
	if (fr->starved && fr->resume_at <= now_ms) {
		fr->starved = false;
		update_accepting(fr);
	}
	arm(fr);
}

/* --- listeners ----------------------------------------------------------------------------------------- */

static int listen_fault(const struct dest *d, int err, struct fault *f)
{
	static const struct {
		int err;
		const char *text;
	} hints[] = {
		{ EADDRINUSE, "address already in use; another softsocks? choose a different one with -l" },
		{ EADDRNOTAVAIL, "no such address on this machine; choose a different one with -l" },
		{ EACCES, "not permitted; ports below 1024 need privileges: choose a higher one with -l" },
		{ EAFNOSUPPORT, "this system has none of that family; choose a different one with -l" },
	};
	char text[DEST_TEXT_MAX];

	for (size_t i = 0; i < ARRAY_LEN(hints); i++) {
		if (hints[i].err == err) {
			fault_set_final(f, VE_LISTEN, "listener %s: %s", dest_text(d, text), hints[i].text);
			return VE_LISTEN;
		}
	}
	fault_set_final(f, VE_LISTEN, "listener %s: %s; choose a different one with -l", dest_text(d, text),
			strerror(err));
	return VE_LISTEN;
}

static int bind_and_listen(int fd, const struct dest *at)
{
	static const int on = 1;
	struct sockaddr_storage sa;
	socklen_t n = sockaddr_from_dest(at, &sa);

	/* Without it the port would be taken for a minute after the last program that listened there. */
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0)
		return -1;
	if (at->ip.family == IP_V6 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on)) != 0)
		return -1;
	if (bind(fd, (const struct sockaddr *)&sa, n) != 0)
		return -1;
	return listen(fd, SOMAXCONN);
}

/* Returns 0 with l->fd and l->at set, or VE_LISTEN. */
static int open_listener(struct listener *l, const struct dest *at, struct fault *f)
{
	struct sockaddr_storage sa = { .ss_family = AF_UNSPEC };
	socklen_t n = sizeof(sa);
	char text[DEST_TEXT_MAX];
	int family = at->ip.family == IP_V6 ? AF_INET6 : AF_INET;
	int fd, err;

	if (at->ip.family == IP_NONE) {
		fault_set_final(f, VE_LISTEN,
				"listener %s: not an address; choose one with -l, as in 127.0.0.1:1080",
				dest_text(at, text));
		return VE_LISTEN;
	}
	fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return listen_fault(at, errno, f);
	if (bind_and_listen(fd, at) != 0 || getsockname(fd, (struct sockaddr *)&sa, &n) != 0) {
		err = errno;
		close(fd);
		return listen_fault(at, err, f);
	}
	sockaddr_to_dest(&sa, &l->at);
	l->fd = fd;
	return 0;
}

static int poll_listener(struct front *fr, struct listener *l, struct fault *f)
{
	int err = uv_poll_init(fr->loop, &l->poll, l->fd);

	if (err != 0)
		return listen_fault(&l->at, -err, f);
	l->poll.data = l;
	l->polling = true;
	fr->handles++;
	return 0;
}

static void on_handle_closed(uv_handle_t *h)
{
	struct front *fr = h->type == UV_TIMER ? h->data : ((struct listener *)h->data)->front;

	fr->handles--;
	maybe_free(fr);
}

static void close_listener(struct listener *l)
{
	if (l->polling)
		uv_close((uv_handle_t *)&l->poll, on_handle_closed);
	if (l->fd >= 0)
		close(l->fd);
	l->fd = -1;
}

/* --- start and end ------------------------------------------------------------------------------------- */

/* Each client takes one descriptor, and one more if its target can be direct. Flows take none. */
static unsigned clients_max(const struct targets *ts)
{
	struct rlimit l;
	rlim_t max, each = 1;

	for (size_t i = 0; i < ts->nrules; i++) {
		if (ts->rules[i].action == ROUTE_DIRECT)
			each = 2;
	}
	if (getrlimit(RLIMIT_NOFILE, &l) != 0 || l.rlim_cur == RLIM_INFINITY)
		return CLIENTS_MAX;
	if (l.rlim_cur >= each * CLIENTS_MAX + DESCRIPTORS_KEPT)
		return CLIENTS_MAX;
	max = l.rlim_cur > DESCRIPTORS_KEPT + each ? (l.rlim_cur - DESCRIPTORS_KEPT) / each : 1;
	log_info("front: at most %u clients at once, because at most %u files can be open", (unsigned)max,
		 (unsigned)l.rlim_cur);
	return (unsigned)max;
}

static struct front *alloc_front(struct targets *ts, const struct client_conf *conf, unsigned n)
{
	struct front *fr = calloc(1, sizeof(*fr));

	if (!fr)
		return NULL;
	fr->listeners = calloc(n, sizeof(*fr->listeners));
	if (!fr->listeners) {
		free(fr);
		return NULL;
	}
	fr->loop = ts->loop;
	fr->ts = ts;
	fr->conf = conf;
	fr->nlisteners = n;
	for (unsigned i = 0; i < n; i++)
		fr->listeners[i] = (struct listener){ .front = fr, .fd = -1 };
	return fr;
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
	for (unsigned i = 0; i < n && err == 0; i++)
		err = open_listener(&fr->listeners[i], &listen[i].at, f);
	if (err != 0) {
		for (unsigned i = 0; i < n; i++)
			close_listener(&fr->listeners[i]);
		free(fr->listeners);
		free(fr);
		return err;
	}
	uv_timer_init(fr->loop, &fr->timer);
	fr->timer.data = fr;
	fr->handles = 1;
	for (unsigned i = 0; i < n && err == 0; i++)
		err = poll_listener(fr, &fr->listeners[i], f);
	if (err != 0) {
		front_close(fr);
		return err;
	}
	fr->max = clients_max(ts);
	ts->room = on_room;
	ts->room_ctx = fr;
	update_accepting(fr);
	*ret = fr;
	return 0;
}

void front_address(const struct front *fr, unsigned i, struct dest *ret)
{
	assert(i < fr->nlisteners);
	*ret = fr->listeners[i].at;
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
	if (fr->ts->room_ctx == fr)
		fr->ts->room = NULL;
	for (unsigned i = 0; i < fr->nlisteners; i++)
		close_listener(&fr->listeners[i]);
	uv_close((uv_handle_t *)&fr->timer, on_handle_closed);
	while (fr->waiting.first)
		client_close(fr->waiting.first); /* moves it to the served */
	for (struct client *c = fr->served.first; c; c = c->next)
		client_close(c);
}
