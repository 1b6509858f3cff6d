/* SPDX-License-Identifier: GPL-3.0-or-later */
/* wire.c - the socket under tls.c.
 *
 *     RESOLVING --> CONNECTING --> SHAKING --> OPEN
 *         |             |             |          |
 *         +-------------+-------------+----------+--> FAILED: closed() is due, then was called
 *
 * Connecting follows RFC 8305 in its simple form: one attempt after the other, each WIRE_STAGGER_MS after
 * the one before or as soon as that has failed; older ones go on meanwhile. So a network whose IPv6 leads
 * nowhere costs a quarter of a second and not ten. The first attempt that succeeds becomes the connection,
 * the others are closed.
 *
 * Reading. libuv reads straight into the window of tls.c. After each read the owner is told; it owes us a
 * wire_read() that says VE_AGAIN, and until then the socket is not read again: what the owner cannot take
 * stays with the server.
 *
 * Writing. What tls.c has encrypted is offered to the kernel at once. If that takes only a part, a small
 * piece of the rest is copied into a block and given to uv_write(), whose callback says when to go on. So
 * no memory that tls.c may move is ever lent to libuv, and never more than one block is copied for a full
 * socket buffer.
 *
 * Nothing fails in the middle of the owner's call: fail() records the fault and the timer reports it from
 * the loop. And nothing is freed in the middle of anything: wire_close() closes the handles, the last
 * close callback frees. */
#include "core/wire.h"

#include <assert.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/limits.h"
#include "core/log.h"
#include "core/tls.h"

#define BLOCK_SIZE (16u * KIB)
/* Unsent bytes in the kernel at which the socket counts as full: more would only wait there, and every
 * keep-alive and small request behind it. */
#define NOTSENT_LOWAT (128 * 1024)
#define ROOM_WANTED (WIRE_WRITE_MAX / 2) /* writable() comes when the output is below: fewer, larger turns */
#define ADDRESS_TEXT_MAX 64        /* an IPv6 address with a zone */
#define OBJECT_MAX 160             /* "host:port" in messages; longer hosts are cut */

enum wire_state {
	WIRE_RESOLVING,  /* resolve request under way, or, for an address literal, the timer */
	WIRE_CONNECTING, /* attempts[] are under way, the timer starts and ends them */
	WIRE_SHAKING,    /* conn and tls set; the timer limits it */
	WIRE_OPEN,       /* opened() was called; the timer rests */
	WIRE_FAILED,     /* the fault is set; the timer calls closed(), once */
};

static const char *const state_names[] = { "resolving", "connecting", "TLS handshake", "open", "closed" };

union address {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

/* One TCP connect, and what comes of it. */
struct attempt {
	struct wire *wire;
	uv_tcp_t tcp;
	uv_connect_t req;
	const union address *to;
	uint64_t deadline;
};

/* Bytes lent to uv_write(). */
struct block {
	uv_write_t req;
	struct wire *wire;
	uint8_t bytes[BLOCK_SIZE];
};

struct wire {
	uv_loop_t *loop;
	struct trust *trust;
	const struct wire_events *ev;
	void *ctx;
	char host[HOST_MAX + 1];
	uint16_t port;
	bool has_only;
	uint8_t only[32]; /* has_only: see wire_conf */
	struct wire_facts facts;
	char object[OBJECT_MAX];
	uint32_t connect_ms, tls_ms;

	enum wire_state state;
	bool released;    /* wire_close() was called: no more events */
	bool told;        /* closed() was called */
	unsigned pending; /* handles and requests that libuv has */
	uv_timer_t timer;
	struct fault fault;

	uv_getaddrinfo_t resolve;
	bool resolving;
	union address addresses[WIRE_ADDRESSES_MAX];
	unsigned naddresses, next; /* next: the first one not tried */
	struct attempt *attempts[WIRE_ADDRESSES_MAX]; /* under way, by address; NULL: not, or no more */
	uint64_t stagger_at;       /* when the next one may start */
	int worst;                 /* libuv's code of the failure to be reported, 0: none so far */
	const union address *worst_at;

	struct attempt *conn;      /* the attempt that succeeded */
	struct tls *tls;
	bool reading;
	bool owed;                 /* the owner was told to read and has not got VE_AGAIN yet */
	bool stalled;              /* input waits for room in the output */
	bool want_room;            /* a wire_write() took less */
	int broken;                /* libuv's code of a failed socket, 0: it works */
	struct block *block;       /* lent to uv_write() */
};

/* The only function that changes the state. */
static void enter(struct wire *w, enum wire_state to)
{
	log_debug("server %s: %s -> %s", w->object, state_names[w->state], state_names[to]);
	w->state = to;
}

static void on_timer(uv_timer_t *timer);

static void wake_in(struct wire *w, uint64_t ms)
{
	uv_timer_start(&w->timer, on_timer, ms, 0);
}

static void stop_reading(struct wire *w)
{
	if (w->reading)
		uv_read_stop((uv_stream_t *)&w->conn->tcp);
	w->reading = false;
}

/* The fault is set: report it from the loop. */
static void fail(struct wire *w)
{
	assert(w->fault.err != 0);
	if (w->state == WIRE_FAILED)
		return;
	enter(w, WIRE_FAILED);
	stop_reading(w);
	wake_in(w, 0);
}

/* --- the end of things ---------------------------------------------------------------------------------- */

static void let_go(struct wire *w)
{
	assert(w->pending > 0);
	if (--w->pending > 0)
		return;
	assert(w->released);
	tls_free(w->tls);
	free(w);
}

static void on_timer_closed(uv_handle_t *handle)
{
	let_go(handle->data);
}

static void on_attempt_closed(uv_handle_t *handle)
{
	struct attempt *a = handle->data;

	let_go(a->wire);
	free(a);
}

static void close_attempt(struct attempt *a)
{
	uv_close((uv_handle_t *)&a->tcp, on_attempt_closed);
}

static void close_attempts(struct wire *w)
{
	for (unsigned i = 0; i < w->naddresses; i++) {
		if (w->attempts[i])
			close_attempt(w->attempts[i]);
		w->attempts[i] = NULL;
	}
}

/* --- writing -------------------------------------------------------------------------------------------- */

static void shake(struct wire *w);
static void after_output(struct wire *w);

/* The socket is gone. What it had delivered before may still be read. */
static void socket_broke(struct wire *w, int why)
{
	if (w->broken != 0)
		return;
	w->broken = why;
	stop_reading(w);
	tls_in_eof(w->tls);
	if (w->state == WIRE_OPEN)
		wake_in(w, 0); /* wherever that was noticed: the owner hears of it from the loop */
}

static void on_written(uv_write_t *req, int status);

/* Lend a copy of the first bytes of @s to libuv. */
static int start_write(struct wire *w, struct slice s)
{
	struct block *b = malloc(sizeof(*b));
	size_t n = min_size(s.n, sizeof(b->bytes));
	uv_buf_t buf;
	int r;

	if (!b)
		return UV_ENOMEM;
	b->wire = w;
	memcpy(b->bytes, s.p, n);
	buf = uv_buf_init((char *)b->bytes, (unsigned)n);
	r = uv_write(&b->req, (uv_stream_t *)&w->conn->tcp, &buf, 1, on_written);
	if (r != 0) {
		free(b);
		return r;
	}
	w->block = b;
	tls_out_consume(w->tls, n);
	return 0;
}

/* Offer the kernel everything there is. With @may_wait, libuv gets what it does not take. Returns 0 or
 * libuv's code. */
static int push_output(struct wire *w, bool may_wait)
{
	while (!w->block) {
		struct slice s = tls_out_peek(w->tls);
		uv_buf_t buf = uv_buf_init((char *)s.p, (unsigned)s.n);
		int r;

		if (s.n == 0)
			return 0;
		r = uv_try_write((uv_stream_t *)&w->conn->tcp, &buf, 1);
		if (r < 0 && r != UV_EAGAIN)
			return r;
		if (r > 0)
			tls_out_consume(w->tls, (size_t)r);
		if (r == (int)s.n)
			continue;
		if (!may_wait)
			return 0;
		r = start_write(w, tls_out_peek(w->tls));
		if (r != 0)
			return r;
	}
	return 0;
}

static void flush(struct wire *w)
{
	int r = w->broken == 0 ? push_output(w, true) : 0;

	if (r != 0)
		socket_broke(w, r);
}

static void on_written(uv_write_t *req, int status)
{
	struct block *b = (struct block *)req;
	struct wire *w = b->wire;

	w->block = NULL;
	free(b);
	if (w->released)
		return;
	if (status < 0)
		socket_broke(w, status);
	flush(w);
	if (w->state == WIRE_SHAKING && w->broken != 0)
		shake(w);
	else
		after_output(w);
}

/* --- the open connection -------------------------------------------------------------------------------- */

/* tls.c has come to its end: find out whose fault it is. */
static void end_of_stream(struct wire *w)
{
	const struct fault *f = tls_fault(w->tls);

	flush(w); /* an alert for the server may be there */
	if (w->broken != 0 && w->broken != UV_EOF)
		fault_set(&w->fault, VE_LOST, "server %s: the connection broke: %s", w->object,
			  uv_strerror(w->broken));
	else if (f->err != 0)
		w->fault = *f;
	else
		fault_set(&w->fault, VE_EOF, "server %s: closed the connection", w->object);
	fail(w);
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
	struct attempt *a = handle->data;
	size_t room;
	uint8_t *p = tls_in_reserve(a->wire->tls, &room);

	(void)suggested;
	*buf = uv_buf_init((char *)p, (unsigned)room);
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf);

static void start_reading(struct wire *w)
{
	if (w->reading || w->broken != 0)
		return;
	w->reading = uv_read_start((uv_stream_t *)&w->conn->tcp, on_alloc, on_read) == 0;
}

/* There is something for the owner to read, or the end of it. */
static void deliver(struct wire *w)
{
	w->owed = true;
	w->stalled = false;
	w->ev->readable(w->ctx);
	if (!w->released && w->state == WIRE_OPEN && w->owed)
		stop_reading(w);
}

/* Output was sent: whoever waited for that may go on. Each event may end everything. */
static void after_output(struct wire *w)
{
	if (w->state != WIRE_OPEN)
		return;
	if (w->want_room && tls_out_peek(w->tls).n <= ROOM_WANTED) {
		w->want_room = false;
		w->ev->writable(w->ctx);
	}
	if (w->released || w->state != WIRE_OPEN)
		return;
	if (w->broken != 0 || (w->stalled && !tls_in_waits_for_out(w->tls)))
		deliver(w);
}

int wire_read(struct wire *w, uint8_t *p, size_t cap, size_t *ret)
{
	int err = w->tls ? tls_read(w->tls, p, cap, ret) : VE_AGAIN;

	if (err == 0)
		return 0;
	if (w->state != WIRE_OPEN)
		return w->state == WIRE_FAILED ? VE_EOF : VE_AGAIN;
	if (err == VE_AGAIN) {
		flush(w); /* answers of TLS itself */
		w->owed = false;
		w->stalled = tls_in_waits_for_out(w->tls);
		if (!w->stalled)
			start_reading(w);
		return VE_AGAIN;
	}
	end_of_stream(w);
	return err == VE_EOF ? VE_EOF : VE_TLS;
}

size_t wire_write(struct wire *w, const uint8_t *p, size_t n)
{
	size_t done = 0;

	if (w->state != WIRE_OPEN)
		return 0;
	while (done < n) {
		size_t taken;
		int err = tls_write(w->tls, p + done, n - done, &taken);

		if (err == 0) {
			done += taken;
			continue;
		}
		if (err != VE_AGAIN) {
			end_of_stream(w);
			return done;
		}
		flush(w);
		if (tls_out_peek(w->tls).n > ROOM_WANTED)
			break;
	}
	w->want_room = done < n;
	return done;
}

void wire_flush(struct wire *w)
{
	if (w->state == WIRE_OPEN)
		flush(w);
}

void wire_send_datagram(struct wire *w, struct slice bytes)
{
	(void)w; /* TCP carries none */
	(void)bytes;
}

/* --- TLS handshake -------------------------------------------------------------------------------------- */

static void fail_handshake(struct wire *w)
{
	const struct fault *f = tls_fault(w->tls);

	/* tls.c only knows that the stream ended; unless it found something worse, the reason is here. */
	if (w->broken != 0 && w->broken != UV_EOF && f->err == VE_TLS && !f->final)
		fault_set(&w->fault, VE_TLS, "tls %s: the connection broke during the TLS handshake: %s",
			  w->object, uv_strerror(w->broken));
	else
		w->fault = *f;
	fail(w);
}

static struct endpoint to_endpoint(const union address *a)
{
	struct endpoint at = { 0 };

	if (a->any.sa_family == AF_INET) {
		at.ip.family = IP_V4;
		memcpy(at.ip.b, &a->v4.sin_addr, 4);
		at.port = ntohs(a->v4.sin_port);
	} else if (a->any.sa_family == AF_INET6) {
		at.ip.family = IP_V6;
		memcpy(at.ip.b, &a->v6.sin6_addr, 16);
		at.port = ntohs(a->v6.sin6_port);
	}
	return at;
}

static void gather_facts(struct wire *w)
{
	union address local = { 0 };
	int len = sizeof(local);

	w->facts = *tls_facts(w->tls);
	w->facts.peer = to_endpoint(w->conn->to);
	if (uv_tcp_getsockname(&w->conn->tcp, &local.any, &len) == 0)
		w->facts.local = to_endpoint(&local);
}

static void shake(struct wire *w)
{
	int err = tls_handshake(w->tls);

	flush(w);
	if (err == VE_AGAIN && w->broken == 0)
		return;
	if (err == VE_AGAIN)
		err = tls_handshake(w->tls); /* now it knows that nothing will come */
	if (err != 0) {
		fail_handshake(w);
		return;
	}
	uv_timer_stop(&w->timer);
	log_debug("server %s: %s", w->object, tls_describe(w->tls));
	enter(w, WIRE_OPEN);
	gather_facts(w);
	w->ev->opened(w->ctx, &w->facts);
	if (!w->released && w->state == WIRE_OPEN)
		deliver(w); /* the server may have said more already */
}

/* libuv takes a hang-up for the end of the stream, also when it was a reset: ask the socket. */
static int end_or_error(const struct wire *w)
{
	socklen_t len = sizeof(int);
	int why = 0;
	uv_os_fd_t fd;

	if (uv_fileno((const uv_handle_t *)&w->conn->tcp, &fd) != 0 ||
	    getsockopt(fd, SOL_SOCKET, SO_ERROR, &why, &len) != 0 || why == 0)
		return UV_EOF;
	return uv_translate_sys_error(why);
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
	struct attempt *a = stream->data;
	struct wire *w = a->wire;

	(void)buf;
	if (n == 0)
		return;
	if (n == UV_EOF)
		n = end_or_error(w);
	if (n == UV_ENOBUFS) {
		if (w->owed || w->stalled) {
			stop_reading(w);
			return;
		}
		n = UV_ENOMEM;
	}
	if (n > 0)
		tls_in_commit(w->tls, (size_t)n);
	else
		socket_broke(w, (int)n);
	if (w->state == WIRE_SHAKING)
		shake(w);
	else if (w->state == WIRE_OPEN)
		deliver(w);
}

static void tune_socket(struct wire *w)
{
	int bytes = NOTSENT_LOWAT;
	uv_os_fd_t fd;

	uv_tcp_nodelay(&w->conn->tcp, 1);
	if (uv_fileno((uv_handle_t *)&w->conn->tcp, &fd) == 0)
		setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &bytes, sizeof(bytes)); /* only a hint */
}

static void start_tls(struct wire *w)
{
	enter(w, WIRE_SHAKING);
	tune_socket(w);
	wake_in(w, w->tls_ms);
	if (tls_new(&w->tls, w->trust, w->host, w->port, w->has_only ? w->only : NULL) != 0) {
		fault_set(&w->fault, VE_NOMEM, "tls %s: out of memory", w->object);
		fail(w);
		return;
	}
	start_reading(w);
	shake(w);
}

/* --- connecting ----------------------------------------------------------------------------------------- */

static const char *address_text(const union address *a, char buf[static ADDRESS_TEXT_MAX])
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

static void note_failure(struct wire *w, const union address *to, int why)
{
	char text[ADDRESS_TEXT_MAX];

	log_debug("server %s: %s: %s", w->object, address_text(to, text), uv_strerror(why));
	if (w->worst != 0 && weight(why) < weight(w->worst))
		return;
	w->worst = why;
	w->worst_at = to;
}

static void fail_connect(struct wire *w)
{
	char at[ADDRESS_TEXT_MAX], others[48] = "";

	address_text(w->worst_at, at);
	if (w->naddresses > 1)
		snprintf(others, sizeof(others), " and %u other address%s", w->naddresses - 1,
			 w->naddresses > 2 ? "es" : "");
	if (w->worst == UV_ECONNREFUSED)
		fault_set(&w->fault, VE_CONNECT, "server %s: connection refused (%s%s); is the server "
			  "running, is the port right?", w->object, at, others);
	else if (w->worst == UV_ETIMEDOUT)
		fault_set(&w->fault, VE_CONNECT, "server %s: no answer within %u s (%s%s); is the address "
			  "right, is a firewall in the way?", w->object, (w->connect_ms + 999) / 1000, at,
			  others);
	else
		fault_set(&w->fault, VE_CONNECT, "server %s: cannot connect: %s (%s%s); does this machine's "
			  "network work?", w->object, uv_strerror(w->worst), at, others);
	fail(w);
}

static void proceed(struct wire *w);

static void on_connect(uv_connect_t *req, int status)
{
	struct attempt *a = req->data;
	struct wire *w = a->wire;

	if (w->released || status == UV_ECANCELED)
		return; /* it is being closed */
	for (unsigned i = 0; i < w->naddresses; i++) {
		if (w->attempts[i] == a)
			w->attempts[i] = NULL;
	}
	if (status == 0) {
		close_attempts(w);
		w->conn = a;
		start_tls(w);
		return;
	}
	note_failure(w, a->to, status);
	close_attempt(a);
	w->stagger_at = 0;
	proceed(w);
}

/* Returns 0 or libuv's code. */
static int start_attempt(struct wire *w, unsigned i)
{
	struct attempt *a = calloc(1, sizeof(*a));
	int r;

	if (!a)
		return UV_ENOMEM;
	a->wire = w;
	a->to = &w->addresses[i];
	a->deadline = uv_now(w->loop) + w->connect_ms;
	a->req.data = a;
	r = uv_tcp_init(w->loop, &a->tcp);
	if (r != 0) {
		free(a);
		return r;
	}
	a->tcp.data = a;
	w->pending++;
	r = uv_tcp_connect(&a->req, &a->tcp, &a->to->any, on_connect);
	if (r != 0) {
		close_attempt(a);
		return r;
	}
	w->attempts[i] = a;
	return 0;
}

static void give_up_late_ones(struct wire *w)
{
	for (unsigned i = 0; i < w->naddresses; i++) {
		struct attempt *a = w->attempts[i];

		if (!a || a->deadline > uv_now(w->loop))
			continue;
		note_failure(w, a->to, UV_ETIMEDOUT);
		close_attempt(a);
		w->attempts[i] = NULL;
		w->stagger_at = 0;
	}
}

/* When something is next to be done about the attempts; 0 if none is under way. */
static uint64_t next_deadline(const struct wire *w)
{
	uint64_t at = 0;

	for (unsigned i = 0; i < w->naddresses; i++) {
		if (w->attempts[i] && (at == 0 || w->attempts[i]->deadline < at))
			at = w->attempts[i]->deadline;
	}
	if (at != 0 && w->next < w->naddresses && w->stagger_at < at)
		at = w->stagger_at;
	return at;
}

/* CONNECTING: end what is too late, start what is due. */
static void proceed(struct wire *w)
{
	uint64_t at;

	give_up_late_ones(w);
	while (w->next < w->naddresses && w->stagger_at <= uv_now(w->loop)) {
		unsigned i = w->next++;
		int r = start_attempt(w, i);

		if (r != 0)
			note_failure(w, &w->addresses[i], r);
		else
			w->stagger_at = uv_now(w->loop) + WIRE_STAGGER_MS;
	}
	at = next_deadline(w);
	if (at == 0)
		fail_connect(w);
	else
		wake_in(w, at > uv_now(w->loop) ? at - uv_now(w->loop) : 0);
}

static void start_connecting(struct wire *w)
{
	enter(w, WIRE_CONNECTING);
	proceed(w);
}

/* --- resolving ------------------------------------------------------------------------------------------ */

static bool is_usable(const struct addrinfo *ai)
{
	return (ai->ai_family == AF_INET && ai->ai_addrlen == sizeof(struct sockaddr_in)) ||
	       (ai->ai_family == AF_INET6 && ai->ai_addrlen == sizeof(struct sockaddr_in6));
}

/* The next usable address from @ai on that is (or is not) of @family. */
static const struct addrinfo *find_family(const struct addrinfo *ai, int family, bool same)
{
	while (ai && (!is_usable(ai) || (ai->ai_family == family) != same))
		ai = ai->ai_next;
	return ai;
}

/* Take the addresses in the system's order of preference (RFC 6724), families alternating (RFC 8305, 4). */
static void take_addresses(struct wire *w, const struct addrinfo *all)
{
	const struct addrinfo *first = all, *from[2];

	while (first && !is_usable(first))
		first = first->ai_next;
	if (!first)
		return;
	from[0] = first;
	from[1] = find_family(all, first->ai_family, false);
	for (unsigned turn = 0; (from[0] || from[1]) && w->naddresses < WIRE_ADDRESSES_MAX; turn = !turn) {
		const struct addrinfo *ai = from[turn];

		if (!ai)
			continue;
		memcpy(&w->addresses[w->naddresses++], ai->ai_addr, ai->ai_addrlen);
		from[turn] = find_family(ai->ai_next, first->ai_family, turn == 0);
	}
}

static void fail_resolve(struct wire *w, int why)
{
	if (why == UV_EAI_NONAME || why == UV_EAI_NODATA || why == 0)
		fault_set(&w->fault, VE_RESOLVE, "server %s: unknown host; is the name right?", w->object);
	else
		fault_set(&w->fault, VE_RESOLVE, "server %s: the name cannot be resolved: %s; does this "
			  "machine's DNS work?", w->object, uv_strerror(why));
	fail(w);
}

static void on_resolved(uv_getaddrinfo_t *req, int status, struct addrinfo *all)
{
	struct wire *w = req->data;

	w->resolving = false;
	if (!w->released) {
		if (status == 0)
			take_addresses(w, all);
		if (w->naddresses == 0)
			fail_resolve(w, status);
		else
			start_connecting(w);
	}
	uv_freeaddrinfo(all);
	let_go(w);
}

static void from_endpoint(union address *to, const struct endpoint *e)
{
	memset(to, 0, sizeof(*to));
	if (e->ip.family == IP_V4) {
		to->v4.sin_family = AF_INET;
		to->v4.sin_port = htons(e->port);
		memcpy(&to->v4.sin_addr, e->ip.b, 4);
	} else {
		to->v6.sin6_family = AF_INET6;
		to->v6.sin6_port = htons(e->port);
		memcpy(&to->v6.sin6_addr, e->ip.b, 16);
	}
}

static void start_resolving(struct wire *w)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_protocol = IPPROTO_TCP };
	char service[8];
	int r;

	if (w->naddresses == 1) { /* wire_conf.to */
		wake_in(w, 0);
		return;
	}
	if (uv_ip4_addr(w->host, w->port, &w->addresses[0].v4) == 0 ||
	    uv_ip6_addr(w->host, w->port, &w->addresses[0].v6) == 0) {
		w->naddresses = 1;
		wake_in(w, 0);
		return;
	}
	snprintf(service, sizeof(service), "%u", w->port);
	w->resolve.data = w;
	r = uv_getaddrinfo(w->loop, &w->resolve, on_resolved, w->host, service, &hints);
	if (r != 0) {
		fail_resolve(w, r == UV_EINVAL || r == UV_ENAMETOOLONG ? UV_EAI_NONAME : r);
		return;
	}
	w->resolving = true;
	w->pending++;
}

/* --- outside -------------------------------------------------------------------------------------------- */

static void on_timer(uv_timer_t *timer)
{
	struct wire *w = timer->data;

	switch (w->state) {
	case WIRE_RESOLVING:
		start_connecting(w);
		break;
	case WIRE_CONNECTING:
		proceed(w);
		break;
	case WIRE_SHAKING:
		fault_set(&w->fault, VE_TLS, "tls %s: the TLS handshake was not finished within %u s; is "
			  "this the right port?", w->object, (w->tls_ms + 999) / 1000);
		fail(w);
		break;
	case WIRE_OPEN: /* the socket broke */
		after_output(w);
		break;
	case WIRE_FAILED:
		if (!w->told) {
			w->told = true;
			w->ev->closed(w->ctx, &w->fault);
		}
		break;
	}
}

int wire_open(struct wire **ret, uv_loop_t *loop, const struct wire_conf *c, struct trust *trust,
	      const struct wire_events *ev, void *ctx)
{
	struct wire *w = calloc(1, sizeof(*w));
	bool brackets = strchr(c->host, ':') != NULL;

	if (!w)
		return VE_NOMEM;
	w->loop = loop;
	w->trust = trust;
	w->ev = ev;
	w->ctx = ctx;
	w->port = c->port;
	w->connect_ms = WIRE_CONNECT_MS;
	w->tls_ms = WIRE_TLS_MS;
	snprintf(w->host, sizeof(w->host), "%s", c->host);
	snprintf(w->object, sizeof(w->object), brackets ? "[%.140s]:%u" : "%.140s:%u", c->host, c->port);
	w->has_only = c->only != NULL;
	if (c->only)
		memcpy(w->only, c->only, sizeof(w->only));
	if (c->to.ip.family != IP_NONE) {
		from_endpoint(&w->addresses[0], &c->to);
		w->naddresses = 1;
	}
	uv_timer_init(loop, &w->timer);
	w->timer.data = w;
	w->pending++;
	start_resolving(w);
	*ret = w;
	return 0;
}

void wire_set_limits(struct wire *w, uint32_t connect_ms, uint32_t tls_ms)
{
	w->connect_ms = connect_ms;
	w->tls_ms = tls_ms;
}

void wire_close(struct wire *w)
{
	if (!w)
		return;
	assert(!w->released);
	w->released = true;
	if (w->state == WIRE_OPEN && w->broken == 0) {
		tls_shutdown(w->tls);
		push_output(w, false);
	}
	if (w->resolving)
		uv_cancel((uv_req_t *)&w->resolve);
	close_attempts(w);
	if (w->conn)
		close_attempt(w->conn);
	uv_close((uv_handle_t *)&w->timer, on_timer_closed);
}
