/* SPDX-License-Identifier: GPL-3.0-or-later */
/* wire_tcp.c - a TCP connection as the carrier of a wire.
 *
 * Connecting follows RFC 8305 in its simple form: one attempt after the other, each WIRE_STAGGER_MS after
 * the one before or as soon as that has failed; older ones go on meanwhile. So a network whose IPv6 leads
 * nowhere costs a quarter of a second and not ten. The first attempt that succeeds becomes the connection,
 * the others are closed.
 *
 * Reading. libuv reads a socket up to 32 times before it looks at the next one; after WIRE_TURN_MAX bytes it gets no
 * buffer, so that the loop goes round.
 *
 * Writing. What is to be sent is offered to the kernel at once. If that takes only a part, a small piece of
 * the rest is copied into a block and given to uv_write(), whose callback says when to go on. So no memory
 * that tls.c may move is ever lent to libuv, and never more than one block is copied for a full socket
 * buffer. */
#include <assert.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/limits.h"
#include "core/log.h"
#include "core/wire_addr.h"
#include "core/wire_carrier.h"
#include "core/wire_resolve.h"

#define BLOCK_SIZE (16u * KIB)
#define ADDRESS_TEXT_MAX 64 /* an IPv6 address with a zone */

struct wire_tcp;

/* One TCP connect, and what comes of it. */
struct attempt {
	struct wire_tcp *owner;
	uv_tcp_t tcp;
	uv_connect_t req;
	const union wire_addr *to;
	uint64_t deadline;
};

/* Bytes lent to uv_write(). */
struct block {
	uv_write_t req;
	struct wire_tcp *owner;
	uint8_t bytes[BLOCK_SIZE];
};

struct wire_tcp {
	struct wire_carrier base;
	uv_loop_t *loop;
	char host[HOST_MAX + 1];
	uint16_t port;
	bool closing;
	unsigned pending; /* handles that libuv has */
	uv_timer_t timer; /* of the attempts */

	struct wire_resolve *resolve; /* under way */
	struct wire_addresses addresses;
	unsigned next; /* the first address not tried */
	struct attempt *attempts[WIRE_ADDRESSES_MAX]; /* under way, by address; NULL: not, or no more */
	uint64_t stagger_at;       /* when the next one may start */
	int worst;                 /* libuv's code of the failure to be reported, 0: none so far */
	const union wire_addr *worst_at;

	struct attempt *conn;      /* the attempt that succeeded */
	struct block *block;       /* lent to uv_write() */
	size_t turn;               /* bytes read in this turn of the loop */
};

static struct wire_tcp *tcp_of(struct wire_carrier *c)
{
	return (struct wire_tcp *)c;
}

/* --- the end of things ---------------------------------------------------------------------------------- */

static void tcp_let_go(struct wire_tcp *t)
{
	assert(t->pending > 0);
	if (--t->pending > 0)
		return;
	assert(t->closing);
	wire_on_gone(t->base.wire);
	free(t);
}

static void on_tcp_timer_closed(uv_handle_t *handle)
{
	tcp_let_go(handle->data);
}

static void on_attempt_closed(uv_handle_t *handle)
{
	struct attempt *a = handle->data;

	tcp_let_go(a->owner);
	free(a);
}

static void close_attempt(struct attempt *a)
{
	uv_close((uv_handle_t *)&a->tcp, on_attempt_closed);
}

static void close_attempts(struct wire_tcp *t)
{
	for (unsigned i = 0; i < t->addresses.n; i++) {
		if (t->attempts[i])
			close_attempt(t->attempts[i]);
		t->attempts[i] = NULL;
	}
}

static void tcp_close(struct wire_carrier *c)
{
	struct wire_tcp *t = tcp_of(c);

	t->closing = true;
	wire_resolve_cancel(t->resolve);
	close_attempts(t);
	if (t->conn)
		close_attempt(t->conn);
	uv_close((uv_handle_t *)&t->timer, on_tcp_timer_closed);
}

/* --- writing -------------------------------------------------------------------------------------------- */

static void on_written(uv_write_t *req, int status)
{
	struct block *b = (struct block *)req;
	struct wire_tcp *t = b->owner;

	t->block = NULL;
	t->base.full = false;
	free(b);
	if (t->closing)
		return;
	if (status < 0)
		wire_on_broken(t->base.wire, status);
	else
		wire_on_sendable(t->base.wire);
}

/* Lend a copy of the first bytes of @s to libuv. Returns how many, or libuv's code. */
static int start_write(struct wire_tcp *t, struct slice s)
{
	struct block *b = malloc(sizeof(*b));
	size_t n = min_size(s.n, sizeof(b->bytes));
	uv_buf_t buf;
	int r;

	if (!b)
		return UV_ENOMEM;
	b->owner = t;
	memcpy(b->bytes, s.p, n);
	buf = uv_buf_init((char *)b->bytes, (unsigned)n);
	r = uv_write(&b->req, (uv_stream_t *)&t->conn->tcp, &buf, 1, on_written);
	if (r != 0) {
		free(b);
		return r;
	}
	t->block = b;
	t->base.full = true;
	return (int)n;
}

static int tcp_send(struct wire_carrier *c, struct slice s, bool may_wait)
{
	struct wire_tcp *t = tcp_of(c);
	uv_buf_t buf = uv_buf_init((char *)s.p, (unsigned)s.n);
	int done, r;

	if (t->block)
		return 0;
	done = uv_try_write((uv_stream_t *)&t->conn->tcp, &buf, 1);
	if (done == UV_EAGAIN)
		done = 0;
	if (done < 0 || (size_t)done == s.n || !may_wait)
		return done;
	r = start_write(t, (struct slice){ s.p + done, s.n - (size_t)done });
	return r < 0 ? r : done + r;
}

/* --- reading -------------------------------------------------------------------------------------------- */

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
	struct attempt *a = handle->data;
	struct wire_tcp *t = a->owner;
	size_t room;
	uint8_t *p;

	(void)suggested;
	*buf = uv_buf_init(NULL, 0); /* on_read() gets UV_ENOBUFS */
	if (t->turn >= WIRE_TURN_MAX)
		return;
	p = wire_window(t->base.wire, &room);
	*buf = uv_buf_init((char *)p, (unsigned)room);
}

/* libuv's turn at the socket is over when a read brought less than it might have, or there was no buffer. */
static void count_turn(struct wire_tcp *t, ssize_t n, const uv_buf_t *buf)
{
	t->turn = n > 0 && (size_t)n == buf->len ? t->turn + (size_t)n : 0;
}

/* libuv takes a hang-up for the end of the stream, also when it was a reset: ask the socket. */
static int end_or_error(const struct wire_tcp *t)
{
	socklen_t len = sizeof(int);
	int why = 0;
	uv_os_fd_t fd;

	if (uv_fileno((const uv_handle_t *)&t->conn->tcp, &fd) != 0 ||
	    getsockopt(fd, SOL_SOCKET, SO_ERROR, &why, &len) != 0 || why == 0)
		return UV_EOF;
	return uv_translate_sys_error(why);
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
	struct attempt *a = stream->data;
	struct wire_tcp *t = a->owner;
	bool turn_over = t->turn >= WIRE_TURN_MAX;

	count_turn(t, n, buf);
	if (n > 0)
		wire_on_received(t->base.wire, (size_t)n);
	else if (n == UV_ENOBUFS && !turn_over)
		wire_on_no_room(t->base.wire);
	else if (n == UV_ENOBUFS)
		return; /* the loop goes on with the others, and comes again */
	else if (n < 0)
		wire_on_broken(t->base.wire, n == UV_EOF ? end_or_error(t) : (int)n);
}

static bool tcp_read(struct wire_carrier *c, bool on)
{
	struct wire_tcp *t = tcp_of(c);

	if (on)
		return uv_read_start((uv_stream_t *)&t->conn->tcp, on_alloc, on_read) == 0;
	uv_read_stop((uv_stream_t *)&t->conn->tcp);
	return true;
}

/* So many unsent bytes in the kernel, and the socket counts as full. */
static void tcp_set_backlog(struct wire_carrier *c, size_t bytes)
{
	struct wire_tcp *t = tcp_of(c);
	int n = (int)bytes;
	uv_os_fd_t fd;

	if (uv_fileno((uv_handle_t *)&t->conn->tcp, &fd) == 0)
		setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &n, sizeof(n)); /* only a hint */
}

static void tcp_facts(struct wire_carrier *c, struct wire_facts *ret)
{
	struct wire_tcp *t = tcp_of(c);
	union wire_addr local;
	int len = sizeof(local);

	ret->peer = wire_addr_endpoint(&t->conn->to->any);
	if (uv_tcp_getsockname(&t->conn->tcp, &local.any, &len) == 0)
		ret->local = wire_addr_endpoint(&local.any);
}

/* --- connecting ----------------------------------------------------------------------------------------- */

static const char *address_text(const union wire_addr *a, char buf[static ADDRESS_TEXT_MAX])
{
	if (uv_ip_name(&a->any, buf, ADDRESS_TEXT_MAX) != 0)
		snprintf(buf, ADDRESS_TEXT_MAX, "?");
	return buf;
}

/* How much a failure says about the server: a refusal comes from there, an unreachable network is nearer
 * to us. */
static unsigned weight(int why)
{
	switch (why) {
	case UV_ECONNREFUSED:
		return 3;
	case UV_ETIMEDOUT:
		return 2;
	default:
		return 1;
	}
}

static void note_failure(struct wire_tcp *t, const union wire_addr *to, int why)
{
	char text[ADDRESS_TEXT_MAX];

	log_debug("server %s: %s: %s", wire_object(t->base.wire), address_text(to, text), uv_strerror(why));
	if (t->worst != 0 && weight(why) < weight(t->worst))
		return;
	t->worst = why;
	t->worst_at = to;
}

static void fail_connect(struct wire_tcp *t)
{
	const char *object = wire_object(t->base.wire);
	char at[ADDRESS_TEXT_MAX], others[48] = "";
	struct fault f = { 0 };

	address_text(t->worst_at, at);
	if (t->addresses.n > 1)
		snprintf(others, sizeof(others), " and %u other address%s", t->addresses.n - 1,
			 t->addresses.n > 2 ? "es" : "");
	if (t->worst == UV_ECONNREFUSED)
		fault_set(&f, VE_CONNECT, "server %s: connection refused (%s%s); is the server "
			  "running, is the port right?", object, at, others);
	else if (t->worst == UV_ETIMEDOUT)
		fault_set(&f, VE_CONNECT, "server %s: no answer within %u s (%s%s); is the address "
			  "right, is a firewall in the way?", object, (t->base.connect_ms + 999) / 1000, at,
			  others);
	else
		fault_set(&f, VE_CONNECT, "server %s: cannot connect: %s (%s%s); does this machine's "
			  "network work?", object, uv_strerror(t->worst), at, others);
	wire_on_failed(t->base.wire, &f);
}

static void proceed(struct wire_tcp *t);

static void connected(struct wire_tcp *t)
{
	uv_timer_stop(&t->timer);
	uv_tcp_nodelay(&t->conn->tcp, 1);
	tcp_set_backlog(&t->base, WIRE_BACKLOG_MAX);
	wire_on_connected(t->base.wire);
}

static void on_connect(uv_connect_t *req, int status)
{
	struct attempt *a = req->data;
	struct wire_tcp *t = a->owner;

	if (t->closing || status == UV_ECANCELED)
		return; /* it is being closed */
	for (unsigned i = 0; i < t->addresses.n; i++) {
		if (t->attempts[i] == a)
			t->attempts[i] = NULL;
	}
	if (status == 0) {
		close_attempts(t);
		t->conn = a;
		connected(t);
		return;
	}
	note_failure(t, a->to, status);
	close_attempt(a);
	t->stagger_at = 0;
	proceed(t);
}

/* Returns 0 or libuv's code. */
static int start_attempt(struct wire_tcp *t, unsigned i)
{
	struct attempt *a = calloc(1, sizeof(*a));
	int r;

	if (!a)
		return UV_ENOMEM;
	a->owner = t;
	a->to = &t->addresses.v[i];
	a->deadline = uv_now(t->loop) + t->base.connect_ms;
	a->req.data = a;
	r = uv_tcp_init(t->loop, &a->tcp);
	if (r != 0) {
		free(a);
		return r;
	}
	a->tcp.data = a;
	t->pending++;
	r = uv_tcp_connect(&a->req, &a->tcp, &a->to->any, on_connect);
	if (r != 0) {
		close_attempt(a);
		return r;
	}
	t->attempts[i] = a;
	return 0;
}

static void give_up_late_ones(struct wire_tcp *t)
{
	for (unsigned i = 0; i < t->addresses.n; i++) {
		struct attempt *a = t->attempts[i];

		if (!a || a->deadline > uv_now(t->loop))
			continue;
		note_failure(t, a->to, UV_ETIMEDOUT);
		close_attempt(a);
		t->attempts[i] = NULL;
		t->stagger_at = 0;
	}
}

/* When something is next to be done about the attempts; 0 if none is under way. */
static uint64_t next_deadline(const struct wire_tcp *t)
{
	uint64_t at = 0;

	for (unsigned i = 0; i < t->addresses.n; i++) {
		if (t->attempts[i] && (at == 0 || t->attempts[i]->deadline < at))
			at = t->attempts[i]->deadline;
	}
	if (at != 0 && t->next < t->addresses.n && t->stagger_at < at)
		at = t->stagger_at;
	return at;
}

static void on_tcp_timer(uv_timer_t *timer)
{
	proceed(timer->data);
}

/* End what is too late, start what is due. */
static void proceed(struct wire_tcp *t)
{
	uint64_t at;

	give_up_late_ones(t);
	while (t->next < t->addresses.n && t->stagger_at <= uv_now(t->loop)) {
		unsigned i = t->next++;
		int r = start_attempt(t, i);

		if (r != 0)
			note_failure(t, &t->addresses.v[i], r);
		else
			t->stagger_at = uv_now(t->loop) + WIRE_STAGGER_MS;
	}
	at = next_deadline(t);
	if (at == 0)
		fail_connect(t);
	else
		uv_timer_start(&t->timer, on_tcp_timer, at > uv_now(t->loop) ? at - uv_now(t->loop) : 0, 0);
}

/* --- life ----------------------------------------------------------------------------------------------- */

static void on_server_resolved(void *ctx, int status, const struct wire_addresses *found)
{
	struct wire_tcp *t = ctx;
	struct fault f = { 0 };

	t->resolve = NULL;
	if (status == 0) {
		t->addresses = *found;
		proceed(t);
		return;
	}
	wire_resolve_fault(&f, wire_object(t->base.wire), status);
	wire_on_failed(t->base.wire, &f);
}

static void tcp_start(struct wire_carrier *c)
{
	struct wire_tcp *t = tcp_of(c);
	struct fault f = { 0 };
	int r;

	uv_timer_init(t->loop, &t->timer);
	t->timer.data = t;
	t->pending++;
	if (t->addresses.n > 0 || wire_resolve_literal(t->host, t->port, &t->addresses)) {
		uv_timer_start(&t->timer, on_tcp_timer, 0, 0);
		return;
	}
	r = wire_resolve_start(&t->resolve, t->loop, t->host, t->port, on_server_resolved, t);
	if (r == 0)
		return;
	wire_resolve_fault(&f, wire_object(t->base.wire), r);
	wire_on_failed(t->base.wire, &f);
}

struct wire_carrier *wire_tcp_new(struct wire *w, uv_loop_t *loop, const struct wire_conf *c)
{
	static const struct wire_carrier_ops ops = {
		.start = tcp_start, .send = tcp_send, .set_backlog = tcp_set_backlog, .read = tcp_read,
		.facts = tcp_facts, .close = tcp_close,
	};
	struct wire_tcp *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	t->base = (struct wire_carrier){ .ops = &ops, .wire = w, .connect_ms = WIRE_CONNECT_MS };
	t->loop = loop;
	t->port = c->port;
	snprintf(t->host, sizeof(t->host), "%s", c->host);
	if (c->to.ip.family != IP_NONE) {
		t->addresses.v[0] = wire_addr_of(&c->to);
		t->addresses.n = 1;
	}
	return &t->base;
}
