/* SPDX-License-Identifier: GPL-3.0-or-later */
/* direct.c - the host's TCP in the form of a flow, see direct.h.
 *
 * Theory of operation
 *
 *     RESOLVING --addresses--> CONNECTING --first that answers--> OPEN --both ways ended--> DONE
 *         |                        |                               |
 *         +------------------------+---------- error --------------+----------------------> BROKEN
 *
 * Each attempt to connect is a "dial" with a socket of its own. The one that answers first becomes the connection, the
 * others are closed. libuv's handles die later than they are closed: the memory goes with the last of them (refs).
 *
 * Bytes for the peer are offered to the kernel as they are committed; what it does not take is lent to one uv_write(),
 * and may not move until that is through. Bytes from the peer are read straight into the window; when it is full the
 * reading stops, and so the peer's TCP. They may move only inside direct_consume(), which ends what was borrowed.
 *
 * One timer serves: the start and the head starts of dials, an error found inside a call (events never come from
 * there), and the patience with a connection that lingers. */
#include "socks/direct.h"

#include <assert.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "core/buf.h"
#include "core/err.h"
#include "core/limits.h"
#include "socks/sockaddr.h"

enum state { RESOLVING, CONNECTING, OPEN, DONE, BROKEN };

struct dial {
	uv_tcp_t tcp;
	uv_connect_t req;
	struct direct *direct;
};

struct direct {
	uv_loop_t *loop;
	const struct flow_events *ev; /* NULL: freed by its owner */
	void *ctx;
	enum state state;
	unsigned refs; /* handles, and a lookup: what libuv has of us */
	uv_timer_t timer;
	bool closing; /* everything is being closed */
	int err;      /* of the last dial; in OPEN: to be told from the timer */

	uv_getaddrinfo_t lookup;
	uint16_t port;
	struct ip addresses[DIRECT_ADDRESSES_MAX];
	unsigned naddresses, next;
	struct dial *dials[DIRECT_ADDRESSES_MAX]; /* those under way */

	struct dial *conn;
	struct buf tx, rx; /* without memory while empty */
	size_t lent;       /* bytes of tx in the uv_write under way */
	bool found_none;   /* reserve had no room */
	bool reading, rx_end, rx_end_seen;
	bool shut, fin_sent;
	union { /* never both */
		uv_write_t write;
		uv_shutdown_t shutdown;
	} req;
	struct direct **owner_list; /* of those that linger */
	struct direct **lingering, *prev, *following; /* ... when we are on it, else NULL */
};

/* --- the end ------------------------------------------------------------------------------------------- */

static void release(struct direct *d)
{
	if (--d->refs > 0)
		return;
	buf_fini(&d->tx);
	buf_fini(&d->rx);
	free(d);
}

static void on_timer_closed(uv_handle_t *h)
{
	release(h->data);
}

static void on_dial_closed(uv_handle_t *h)
{
	struct dial *dial = h->data;

	release(dial->direct);
	free(dial);
}

static void close_dial(struct dial *dial)
{
	uv_close((uv_handle_t *)&dial->tcp, on_dial_closed);
}

static void close_dials(struct direct *d)
{
	for (unsigned i = 0; i < d->next; i++) {
		if (d->dials[i])
			close_dial(d->dials[i]);
		d->dials[i] = NULL;
	}
}

static void reset_on_close(struct direct *d)
{
	static const struct linger reset = { .l_onoff = 1, .l_linger = 0 };
	uv_os_fd_t fd;

	if (uv_fileno((uv_handle_t *)&d->conn->tcp, &fd) == 0)
		(void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
}

static void leave_lingering(struct direct *d)
{
	if (!d->lingering)
		return;
	*(d->prev ? &d->prev->following : d->lingering) = d->following;
	if (d->following)
		d->following->prev = d->prev;
	d->lingering = NULL;
}

/* Close all handles; the memory goes with the last. The owner has let go. */
static void destroy(struct direct *d)
{
	assert(!d->ev && !d->closing);
	d->closing = true;
	leave_lingering(d);
	if (d->state == RESOLVING)
		(void)uv_cancel((uv_req_t *)&d->lookup); /* if it fails, the callback comes later */
	close_dials(d);
	if (d->conn) {
		if (d->state == OPEN)
			reset_on_close(d);
		close_dial(d->conn);
	}
	uv_close((uv_handle_t *)&d->timer, on_timer_closed);
}

static void stop_reading(struct direct *d)
{
	if (d->reading)
		uv_read_stop((uv_stream_t *)&d->conn->tcp);
	d->reading = false;
}

/* The last event: no more after this. From callbacks of libuv only. */
static void over(struct direct *d, enum state to, int err)
{
	assert(d->state < DONE);
	stop_reading(d);
	d->state = to;
	if (d->ev)
		d->ev->closed(d->ctx, err);
	else
		destroy(d);
}

/* Found inside of a call: tell it from the timer. */
static void on_timer(uv_timer_t *t);

static void over_later(struct direct *d, int err)
{
	d->err = err;
	uv_timer_start(&d->timer, on_timer, 0, 0);
}

/* --- from the peer ------------------------------------------------------------------------------------- */

static void on_alloc(uv_handle_t *h, size_t suggested, uv_buf_t *ret)
{
	struct direct *d = ((struct dial *)h->data)->direct;
	size_t room = 0;
	uint8_t *p = NULL;

	(void)suggested;
	if (d->rx.p || buf_init(&d->rx, DIRECT_WINDOW) == 0)
		p = buf_reserve(&d->rx, 0, &room);
	*ret = uv_buf_init((char *)p, (unsigned)room); /* nothing: on_read() gets UV_ENOBUFS */
}

static void maybe_done(struct direct *d)
{
	if (d->state == OPEN && d->rx_end && d->fin_sent && d->err == 0)
		over(d, DONE, 0);
}

static void on_read(uv_stream_t *s, ssize_t n, const uv_buf_t *b)
{
	struct direct *d = ((struct dial *)s->data)->direct;

	if (n > 0) {
		buf_commit(&d->rx, (size_t)n);
		d->ev->readable(d->ctx);
	} else if (n == UV_ENOBUFS && b->len == 0) {
		stop_reading(d);
		if (!d->rx.p)
			over(d, BROKEN, VE_NOMEM);
	} else if (n == UV_EOF) {
		stop_reading(d);
		d->rx_end = true;
		d->ev->readable(d->ctx);
		if (!d->closing)
			maybe_done(d);
	} else if (n < 0) {
		over(d, BROKEN, n == UV_ETIMEDOUT ? VE_TIMEOUT : VE_RESET);
	}
}

static void start_reading(struct direct *d)
{
	if (d->state != OPEN || d->reading || d->rx_end)
		return;
	if (uv_read_start((uv_stream_t *)&d->conn->tcp, on_alloc, on_read) == 0)
		d->reading = true;
	else
		over_later(d, VE_RESET);
}

int direct_peek(struct direct *d, struct slice *v, int max)
{
	assert(max > 0);
	if (buf_len(&d->rx) > 0) {
		v[0] = buf_peek(&d->rx);
		return 1;
	}
	if (!d->rx_end)
		return 0;
	d->rx_end_seen = true;
	return VE_EOF;
}

void direct_consume(struct direct *d, size_t n)
{
	size_t room;

	buf_consume(&d->rx, n);
	if (buf_len(&d->rx) == 0)
		buf_fini(&d->rx);
	else if (d->rx.tail > d->rx.cap / 2)
		buf_reserve(&d->rx, buf_room(&d->rx), &room); /* moves it to the front */
	start_reading(d);
}

/* --- to the peer --------------------------------------------------------------------------------------- */

static void push(struct direct *d);

static void on_written(uv_write_t *req, int status)
{
	struct direct *d = req->data;
	size_t n = d->lent;

	d->lent = 0;
	if (d->closing || d->state != OPEN)
		return;
	if (status < 0) {
		over(d, BROKEN, VE_RESET);
		return;
	}
	buf_consume(&d->tx, n);
	push(d);
	if (d->found_none && d->ev) {
		d->found_none = false;
		d->ev->writable(d->ctx);
	}
}

static void on_shutdown(uv_shutdown_t *req, int status)
{
	struct direct *d = req->data;

	if (d->closing || d->state != OPEN)
		return;
	if (status < 0) {
		over(d, BROKEN, VE_RESET);
		return;
	}
	d->fin_sent = true;
	maybe_done(d);
}

static void write_later(struct direct *d)
{
	struct slice s = buf_peek(&d->tx);
	uv_buf_t b = uv_buf_init((char *)(uintptr_t)s.p, (unsigned)s.n);

	d->lent = s.n;
	d->req.write.data = d;
	if (uv_write(&d->req.write, (uv_stream_t *)&d->conn->tcp, &b, 1, on_written) != 0) {
		d->lent = 0;
		over_later(d, VE_RESET);
	}
}

static void write_now(struct direct *d)
{
	struct slice s = buf_peek(&d->tx);
	uv_buf_t b = uv_buf_init((char *)(uintptr_t)s.p, (unsigned)s.n);
	int n = uv_try_write((uv_stream_t *)&d->conn->tcp, &b, 1);

	if (n > 0)
		buf_consume(&d->tx, (size_t)n);
	else if (n < 0 && n != UV_EAGAIN)
		over_later(d, VE_RESET);
}

/* Give the kernel what is queued, and the end when it is due. */
static void push(struct direct *d)
{
	if (d->lent > 0 || d->err != 0)
		return;
	if (buf_len(&d->tx) > 0)
		write_now(d);
	if (d->err != 0)
		return;
	if (buf_len(&d->tx) > 0) {
		write_later(d);
		return;
	}
	buf_fini(&d->tx);
	if (!d->shut || d->fin_sent)
		return;
	d->req.shutdown.data = d;
	if (uv_shutdown(&d->req.shutdown, (uv_stream_t *)&d->conn->tcp, on_shutdown) != 0)
		over_later(d, VE_RESET);
}

uint8_t *direct_reserve(struct direct *d, size_t *room)
{
	uint8_t *p = NULL;

	*room = 0;
	if (d->state == OPEN && !d->shut && (d->tx.p || buf_init(&d->tx, DIRECT_WINDOW) == 0))
		p = buf_reserve(&d->tx, d->lent > 0 ? 0 : buf_room(&d->tx), room);
	if (*room == 0) {
		d->found_none = true;
		if (d->state == OPEN && !d->shut && !d->tx.p && d->err == 0)
			over_later(d, VE_NOMEM); /* nothing would ever say "writable" */
		return NULL;
	}
	return p;
}

void direct_commit(struct direct *d, size_t n)
{
	buf_commit(&d->tx, n);
	push(d);
}

void direct_shutdown(struct direct *d)
{
	assert(!d->shut);
	d->shut = true;
	if (d->state == OPEN)
		push(d);
}

/* --- connecting ---------------------------------------------------------------------------------------- */

int direct_error(int uv_err)
{
	static const struct {
		int from, to;
	} map[] = {
		{ UV_ECONNREFUSED, VE_REFUSED }, { UV_EHOSTUNREACH, VE_UNREACH }, { UV_ENETUNREACH, VE_NETUNREACH },
		{ UV_EAFNOSUPPORT, VE_NETUNREACH }, { UV_EADDRNOTAVAIL, VE_NETUNREACH }, { UV_ENETDOWN, VE_NETUNREACH },
		{ UV_ETIMEDOUT, VE_TIMEOUT }, { UV_EMFILE, VE_LIMIT }, { UV_ENFILE, VE_LIMIT }, { UV_ENOMEM, VE_NOMEM },
		{ UV_ENOBUFS, VE_NOMEM }, { UV_ECONNRESET, VE_REFUSED }, { UV_EACCES, VE_BLOCKED }, { UV_EPERM, VE_BLOCKED },
	};

	for (size_t i = 0; i < ARRAY_LEN(map); i++) {
		if (map[i].from == uv_err)
			return map[i].to;
	}
	return VE_UNREACH;
}

/* Improvements, all of them: a socket that refuses them works. */
static void tune(struct direct *d)
{
	uv_tcp_nodelay(&d->conn->tcp, 1);
	uv_tcp_keepalive(&d->conn->tcp, 1, CLIENT_KEEPALIVE_S);
}

static void dial_next(struct direct *d);

static void on_connected(uv_connect_t *req, int status)
{
	struct dial *dial = req->data;
	struct direct *d = dial->direct;

	if (d->closing || d->state != CONNECTING || uv_is_closing((uv_handle_t *)&dial->tcp))
		return;
	for (unsigned i = 0; i < d->next; i++) {
		if (d->dials[i] == dial)
			d->dials[i] = NULL;
	}
	if (status < 0) {
		d->err = direct_error(status);
		close_dial(dial);
		dial_next(d);
		return;
	}
	uv_timer_stop(&d->timer);
	close_dials(d);
	d->conn = dial;
	d->err = 0;
	d->state = OPEN;
	tune(d);
	start_reading(d);
	d->ev->opened(d->ctx);
}

/* Returns 0, or a libuv error. */
static int dial_one(struct direct *d, unsigned i)
{
	const struct dest to = { .ip = d->addresses[i], .port = d->port };
	struct sockaddr_storage sa;
	struct dial *dial = calloc(1, sizeof(*dial));
	int err;

	if (!dial)
		return UV_ENOMEM;
	sockaddr_from_dest(&to, &sa);
	uv_tcp_init(d->loop, &dial->tcp);
	dial->tcp.data = dial;
	dial->req.data = dial;
	dial->direct = d;
	d->refs++;
	err = uv_tcp_connect(&dial->req, &dial->tcp, (const struct sockaddr *)&sa, on_connected);
	if (err != 0)
		close_dial(dial);
	else
		d->dials[i] = dial;
	return err;
}

static bool is_dialing(const struct direct *d)
{
	for (unsigned i = 0; i < d->next; i++) {
		if (d->dials[i])
			return true;
	}
	return false;
}

/* Try one more address; when there is none left and none under way: failed. */
static void dial_next(struct direct *d)
{
	while (d->next < d->naddresses) {
		int err = dial_one(d, d->next++);

		if (err != 0) {
			d->err = direct_error(err);
			continue;
		}
		if (d->next < d->naddresses)
			uv_timer_start(&d->timer, on_timer, WIRE_STAGGER_MS, 0);
		return;
	}
	if (!is_dialing(d))
		over(d, BROKEN, d->err);
}

static void on_timer(uv_timer_t *t)
{
	struct direct *d = t->data;

	if (!d->ev && d->err == 0)
		destroy(d); /* lingered too long: reset */
	else if (d->state == CONNECTING)
		dial_next(d);
	else if (d->state == OPEN)
		over(d, BROKEN, d->err);
}

static void take_addresses(struct direct *d, const struct addrinfo *all)
{
	for (const struct addrinfo *a = all; a && d->naddresses < DIRECT_ADDRESSES_MAX; a = a->ai_next) {
		struct sockaddr_storage sa = { .ss_family = AF_UNSPEC };
		struct dest at;

		memcpy(&sa, a->ai_addr, min_size(sizeof(sa), a->ai_addrlen));
		sockaddr_to_dest(&sa, &at);
		if (at.ip.family != IP_NONE)
			d->addresses[d->naddresses++] = at.ip;
	}
}

static void on_looked_up(uv_getaddrinfo_t *req, int status, struct addrinfo *all)
{
	struct direct *d = req->data;

	if (!d->closing && status == 0)
		take_addresses(d, all);
	uv_freeaddrinfo(all);
	if (!d->closing && d->naddresses > 0) {
		d->state = CONNECTING;
		dial_next(d);
	} else if (!d->closing) {
		over(d, BROKEN, status == UV_EAI_MEMORY ? VE_NOMEM : VE_RESOLVE);
	}
	release(d);
}

/* Returns 0 or VE_NOMEM. */
static int look_up(struct direct *d, const char *name)
{
	static const struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG };

	d->lookup.data = d;
	if (uv_getaddrinfo(d->loop, &d->lookup, on_looked_up, name, NULL, &hints) != 0)
		return VE_NOMEM;
	d->refs++;
	return 0;
}

int direct_open(uv_loop_t *loop, const struct dest *to, struct direct **lingering, const struct flow_events *ev,
		void *ctx, struct direct **ret)
{
	struct direct *d = calloc(1, sizeof(*d));

	if (!d)
		return VE_NOMEM;
	d->loop = loop;
	d->port = to->port;
	if (to->ip.family == IP_NONE && look_up(d, to->name) != 0) {
		free(d);
		return VE_NOMEM;
	}
	d->ev = ev;
	d->ctx = ctx;
	d->owner_list = lingering;
	d->refs++;
	uv_timer_init(loop, &d->timer);
	d->timer.data = d;
	if (to->ip.family != IP_NONE) {
		d->addresses[d->naddresses++] = to->ip;
		d->state = CONNECTING;
		uv_timer_start(&d->timer, on_timer, 0, 0);
	}
	*ret = d;
	return 0;
}

static void endpoint_from(const struct sockaddr_storage *sa, struct endpoint *ret)
{
	struct dest at;

	sockaddr_to_dest(sa, &at);
	*ret = (struct endpoint){ .ip = at.ip, .port = at.port };
}

void direct_addresses(const struct direct *d, struct endpoint *ret_local, struct endpoint *ret_remote)
{
	struct sockaddr_storage local = { .ss_family = AF_UNSPEC }, remote = { .ss_family = AF_UNSPEC };
	int n = sizeof(local), m = sizeof(remote);

	/* If they are gone already the family stays AF_UNSPEC. */
	if (d->conn) {
		(void)uv_tcp_getsockname(&d->conn->tcp, (struct sockaddr *)&local, &n);
		(void)uv_tcp_getpeername(&d->conn->tcp, (struct sockaddr *)&remote, &m);
	}
	endpoint_from(&local, ret_local);
	endpoint_from(&remote, ret_remote);
}

void direct_free(struct direct *d)
{
	bool in_order = d && d->state == OPEN && d->shut && d->rx_end_seen && d->err == 0;

	if (!d)
		return;
	d->ev = NULL;
	if (!in_order) {
		destroy(d);
		return;
	}
	d->lingering = d->owner_list;
	d->prev = NULL;
	d->following = *d->lingering;
	if (d->following)
		d->following->prev = d;
	*d->lingering = d;
	uv_timer_start(&d->timer, on_timer, FLOW_LINGER_MS, 0);
}

void direct_drop(struct direct **lingering)
{
	while (*lingering)
		destroy(*lingering);
}
