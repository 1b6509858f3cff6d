/* SPDX-License-Identifier: GPL-3.0-or-later */
/* wire.c - TLS on a byte stream, and the owner's view of both.
 *
 *     CONNECTING --> SHAKING --> OPEN
 *         |             |          |
 *         +-------------+----------+--> FAILED: closed() is due, then was called
 *
 * The stream comes from a carrier: wire_tcp.c or wire_rudp.c.
 *
 * Reading. The carrier puts what it receives straight into the window of tls.c. After each time the owner is
 * told; it owes us a wire_read() that says VE_AGAIN, and until then nothing more is read: what the owner
 * cannot take stays with the server.
 *
 * Writing. What tls.c has encrypted is offered to the carrier; what that does not take stays in tls.c until the
 * carrier says that it can go on, and nothing more is encrypted until then. A carrier that is full now and then is
 * offered small steps, so that little waits in tls.c; how small, and how much may wait elsewhere, backlog.c knows.
 *
 * Nothing fails in the middle of the owner's call: fail() records the fault and the timer reports it from
 * the loop. And nothing is freed in the middle of anything: wire_close() closes carrier and timer, the last
 * of them to be gone frees. */
#include "core/wire.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/backlog.h"
#include "core/limits.h"
#include "core/log.h"
#include "core/tls.h"
#include "core/wire_carrier.h"

#define ROOM_WANTED (WIRE_WRITE_MAX / 2) /* writable() comes when the output is below: fewer, larger turns */
#define OBJECT_MAX 160             /* "host:port" in messages; longer hosts are cut */

enum wire_state {
	WIRE_CONNECTING, /* the carrier is at it */
	WIRE_SHAKING,    /* the stream is there, tls set; the timer limits it */
	WIRE_OPEN,       /* opened() was called; the timer rests */
	WIRE_FAILED,     /* the fault is set; the timer calls closed(), once */
};

static const char *const state_names[] = { "connecting", "TLS handshake", "open", "closed" };

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
	uint32_t tls_ms;

	enum wire_state state;
	bool released;    /* wire_close() was called: no more events */
	bool told;        /* closed() was called */
	unsigned pending; /* timer and carrier, until they are gone */
	uv_timer_t timer;
	struct fault fault;

	struct wire_carrier *carrier;
	struct tls *tls;
	bool reading;
	struct backlog backlog;    /* of the carrier; its "full" is ours */
	bool owed;                 /* the owner was told to read and has not got VE_AGAIN yet */
	bool stalled;              /* input waits for room in the output */
	bool want_room;            /* a wire_write() took less */
	int broken;                /* libuv's code of a failed stream, 0: it works */
};

const char *wire_object(const struct wire *w)
{
	return w->object;
}

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
		w->carrier->ops->read(w->carrier, false);
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

void wire_on_gone(struct wire *w)
{
	let_go(w);
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

/* The carrier took less than it was given. */
static void carrier_full(struct wire *w)
{
	if (!backlog_full(&w->backlog, uv_now(w->loop)))
		return;
	log_trace("server %s: %zu bytes may wait", w->object, backlog_bound(&w->backlog));
	if (w->carrier->ops->set_backlog)
		w->carrier->ops->set_backlog(w->carrier, backlog_bound(&w->backlog));
}

/* Offer the carrier everything there is. Returns 0 or libuv's code. */
static int push_output(struct wire *w, bool may_wait)
{
	while (!w->backlog.full) {
		struct slice s = tls_out_peek(w->tls);
		int r = s.n > 0 ? w->carrier->ops->send(w->carrier, s, may_wait) : 0;

		if (r < 0)
			return r;
		if (s.n == 0)
			break;
		tls_out_consume(w->tls, (size_t)r);
		backlog_taken(&w->backlog, (size_t)r);
		if ((size_t)r < s.n || w->carrier->full)
			carrier_full(w);
	}
	if (w->carrier->ops->flush)
		w->carrier->ops->flush(w->carrier);
	return 0;
}

static void flush(struct wire *w)
{
	int r = w->broken == 0 ? push_output(w, true) : 0;

	if (r != 0)
		socket_broke(w, r);
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

static void start_reading(struct wire *w)
{
	if (w->reading || w->broken != 0)
		return;
	w->reading = w->carrier->ops->read(w->carrier, true);
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
	if (w->want_room && !w->backlog.full && tls_out_peek(w->tls).n <= ROOM_WANTED) {
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
	size_t done = 0, step = backlog_step(&w->backlog, uv_now(w->loop));

	if (w->state != WIRE_OPEN)
		return 0;
	while (done < n && !w->backlog.full) {
		size_t taken;
		int err = tls_write(w->tls, p + done, min_size(n - done, step), &taken);

		if (err != 0 && err != VE_AGAIN) {
			end_of_stream(w);
			return done;
		}
		done += err == 0 ? taken : 0;
		if (err == VE_AGAIN || tls_out_peek(w->tls).n >= step)
			flush(w);
		if (err == VE_AGAIN && tls_out_peek(w->tls).n > ROOM_WANTED)
			break;
	}
	w->want_room = done < n;
	return done;
}

size_t wire_backlog(const struct wire *w)
{
	return w->state == WIRE_OPEN && w->backlog.full ? backlog_bound(&w->backlog) / 2 : SIZE_MAX;
}

void wire_flush(struct wire *w)
{
	if (w->state == WIRE_OPEN)
		flush(w);
}

void wire_send_datagram(struct wire *w, struct slice bytes)
{
	if (w->state == WIRE_OPEN && w->broken == 0 && w->carrier->ops->datagram)
		w->carrier->ops->datagram(w->carrier, bytes);
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
	w->facts = *tls_facts(w->tls);
	w->carrier->ops->facts(w->carrier, &w->facts);
	w->ev->opened(w->ctx, &w->facts);
	if (!w->released && w->state == WIRE_OPEN)
		deliver(w); /* the server may have said more already */
}

/* --- what the carrier tells ------------------------------------------------------------------------------ */

void wire_on_connected(struct wire *w)
{
	enter(w, WIRE_SHAKING);
	wake_in(w, w->tls_ms);
	if (tls_new(&w->tls, w->trust, w->host, w->port, w->has_only ? w->only : NULL) != 0) {
		fault_set(&w->fault, VE_NOMEM, "tls %s: out of memory", w->object);
		fail(w);
		return;
	}
	start_reading(w);
	shake(w);
}

void wire_on_failed(struct wire *w, const struct fault *f)
{
	w->fault = *f;
	fail(w);
}

uint8_t *wire_window(struct wire *w, size_t *room)
{
	return tls_in_reserve(w->tls, room);
}

/* There is input, or the end of it: whose turn is it? */
static void take_input(struct wire *w)
{
	if (w->state == WIRE_SHAKING)
		shake(w);
	else if (w->state == WIRE_OPEN)
		deliver(w);
}

void wire_on_received(struct wire *w, size_t n)
{
	tls_in_commit(w->tls, n);
	take_input(w);
}

void wire_on_broken(struct wire *w, int why)
{
	socket_broke(w, why);
	take_input(w);
}

void wire_on_no_room(struct wire *w)
{
	if (w->owed || w->stalled)
		stop_reading(w);
	else
		wire_on_broken(w, UV_ENOMEM);
}

void wire_on_sendable(struct wire *w)
{
	backlog_eased(&w->backlog, uv_now(w->loop));
	flush(w);
	if (w->state == WIRE_SHAKING && w->broken != 0)
		shake(w);
	else
		after_output(w);
}

void wire_on_datagram(struct wire *w, const struct endpoint *from, struct slice bytes)
{
	if (w->state == WIRE_OPEN && w->ev->datagram)
		w->ev->datagram(w->ctx, from, bytes);
}

/* --- outside -------------------------------------------------------------------------------------------- */

static void on_timer(uv_timer_t *timer)
{
	struct wire *w = timer->data;

	switch (w->state) {
	case WIRE_CONNECTING:
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
	w->carrier = c->transport == WIRE_RUDP ? wire_rudp_new(w, loop, c) : wire_tcp_new(w, loop, c);
	if (!w->carrier) {
		free(w);
		return VE_NOMEM;
	}
	w->loop = loop;
	w->trust = trust;
	w->ev = ev;
	w->ctx = ctx;
	w->port = c->port;
	w->tls_ms = WIRE_TLS_MS;
	backlog_init(&w->backlog);
	snprintf(w->host, sizeof(w->host), "%s", c->host);
	snprintf(w->object, sizeof(w->object), brackets ? "[%.140s]:%u" : "%.140s:%u", c->host, c->port);
	w->has_only = c->only != NULL;
	if (c->only)
		memcpy(w->only, c->only, sizeof(w->only));
	uv_timer_init(loop, &w->timer);
	w->timer.data = w;
	w->pending = 2;
	w->carrier->ops->start(w->carrier);
	*ret = w;
	return 0;
}

void wire_set_limits(struct wire *w, uint32_t connect_ms, uint32_t tls_ms)
{
	w->carrier->connect_ms = connect_ms;
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
	w->carrier->ops->close(w->carrier);
	uv_close((uv_handle_t *)&w->timer, on_timer_closed);
}
