/* SPDX-License-Identifier: GPL-3.0-or-later */
/* relay.c - client <-> flow, see relay.h.
 *
 * Theory of operation
 *
 *     client -> flow   The socket is read straight into the flow's send window: flow_reserve() is the
 *                      allocator of uv_read_start(). No room: reading stops, so the client's TCP stops it;
 *                      writable() resumes.
 *     flow -> client   The received pieces are given to the socket as they lie. What the socket does not take
 *                      at once is lent to one uv_write(); only when that is through are the bytes consumed,
 *                      which is what opens the flow's window again. So a client that does not read holds up
 *                      its own flow only.
 *
 * Ends. The client's EOF becomes flow_shutdown(), the flow's VE_EOF becomes uv_shutdown() after the last
 * byte; when both have happened the relay is over. A flow that breaks is first emptied into the client,
 * because what came before the break is worth having (a server that answers and resets is common); then, if
 * the stream's end had not come, the client's socket is reset, so that it cannot take a truncated stream for
 * a whole one. A client that breaks resets the flow at once: nobody is left to read.
 *
 * Every libuv callback ends with flow_flush(); flow events need none. Callbacks that come after
 * relay_close() touch neither flow nor stack: these may be gone. */
#include "socks/relay.h"

#include <assert.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/err.h"
#include "core/limits.h"

/* Pieces offered to the socket at once: 64 segments of 1,360 bytes are about 85 KiB. */
#define PIECES 64
/* Pieces lent to a uv_write(). libuv keeps four without allocating; when they are through, the socket has
 * room again for whole batches. */
#define PIECES_LENT 4

static uv_stream_t *stream(struct relay *r)
{
	return (uv_stream_t *)&r->client;
}

/* --- the end ------------------------------------------------------------------------------------------- */

static void stop_reading(struct relay *r)
{
	if (r->reading)
		uv_read_stop(stream(r));
	r->reading = false;
}

/* The last thing on every path that calls it: the owner closes the relay from inside over(). */
static void finish(struct relay *r, int err)
{
	assert(r->state == RELAY_RUNNING);
	r->state = RELAY_OVER;
	stop_reading(r);
	r->ev->over(r->ctx, err);
}

/* The stream to the client has ended in order: over, if the other direction has ended as well, or cannot
 * go on. */
static void settle(struct relay *r)
{
	if (r->end == END_DONE && (r->fin_passed_on || r->flow_closed))
		finish(r, r->flow_err);
}

static void on_closed(uv_handle_t *h)
{
	struct relay *r = h->data;

	r->ev->closed(r->ctx);
}

void relay_close(struct relay *r)
{
	static const struct linger reset = { .l_onoff = 1, .l_linger = 0 };
	uv_os_fd_t fd;

	if (r->state == RELAY_CLOSING)
		return;
	/* Not uv_tcp_close_reset(): it refuses when a shutdown is under way. */
	if (r->state >= RELAY_OPEN && r->end != END_DONE && uv_fileno((uv_handle_t *)&r->client, &fd) == 0)
		(void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	r->state = RELAY_CLOSING;
	r->client.data = r;
	uv_close((uv_handle_t *)&r->client, on_closed); /* before the flow, whose memory it may have */
	flow_free(r->flow);
	r->flow = NULL;
	free(r->early);
	r->early = NULL;
}

void relay_probe(struct relay *r)
{
	int err = 0;
	socklen_t n = sizeof(err);
	uv_os_fd_t fd;

	if (r->state != RELAY_RUNNING || r->reading || r->lent > 0)
		return;
	if (uv_fileno((uv_handle_t *)&r->client, &fd) == 0)
		(void)getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &n);
	if (err != 0)
		finish(r, VE_RESET);
}

/* --- flow -> client ------------------------------------------------------------------------------------ */

static void pump_to_client(struct relay *r);

static void on_written(uv_write_t *req, int status)
{
	struct relay *r = req->data;
	struct netstack *ns = r->ns;
	size_t n = r->lent;

	if (r->state != RELAY_RUNNING)
		return;
	r->lent = 0;
	if (status < 0) {
		finish(r, VE_RESET);
	} else {
		flow_consume(r->flow, n);
		pump_to_client(r);
	}
	flow_flush(ns);
}

static void on_shutdown(uv_shutdown_t *req, int status)
{
	struct relay *r = req->data;
	struct netstack *ns = r->ns;

	if (r->state != RELAY_RUNNING)
		return;
	r->end = END_DONE;
	if (status < 0)
		finish(r, VE_RESET);
	else
		settle(r);
	flow_flush(ns);
}

static void end_client(struct relay *r)
{
	r->end = END_UNDER_WAY;
	r->req.shutdown.data = r;
	if (uv_shutdown(&r->req.shutdown, stream(r), on_shutdown) != 0)
		finish(r, VE_RESET);
}

/* Give the socket what it takes at once. Returns how much, 0 if it takes nothing now, or a negative VE_*. */
static ssize_t write_now(struct relay *r, const uv_buf_t *b, unsigned n)
{
	int w = uv_try_write(stream(r), b, n);

	if (w == UV_EAGAIN)
		return 0;
	return w < 0 ? VE_RESET : w;
}

static void write_later(struct relay *r, const uv_buf_t *b, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		r->lent += b[i].len;
	r->req.write.data = r;
	if (uv_write(&r->req.write, stream(r), b, n, on_written) != 0)
		finish(r, VE_RESET);
}

/* The received pieces as libuv wants them. Returns how many, 0, or VE_EOF. */
static int peek(struct relay *r, uv_buf_t b[static PIECES])
{
	struct slice v[PIECES];
	int n = flow_peek(r->flow, v, PIECES);

	for (int i = 0; i < n; i++) /* libuv's buffers are not const; writing only reads them */
		b[i] = uv_buf_init((char *)(uintptr_t)v[i].p, (unsigned)v[i].n);
	return n;
}

static void pump_to_client(struct relay *r)
{
	uv_buf_t b[PIECES];

	while (r->lent == 0 && r->end == END_NO) {
		int n = peek(r, b);
		ssize_t written;

		if (n == VE_EOF || (n == 0 && r->flow_closed && r->flow_err == 0)) {
			end_client(r);
			return;
		}
		if (n <= 0) {
			if (r->flow_closed)
				finish(r, r->flow_err);
			return;
		}
		written = write_now(r, b, (unsigned)n);
		if (written < 0) {
			finish(r, VE_RESET);
			return;
		}
		if (written == 0) {
			write_later(r, b, n < PIECES_LENT ? (unsigned)n : PIECES_LENT);
			return;
		}
		flow_consume(r->flow, (size_t)written);
	}
}

/* --- client -> flow ------------------------------------------------------------------------------------ */

static void on_alloc(uv_handle_t *h, size_t suggested, uv_buf_t *ret)
{
	struct relay *r = h->data;
	size_t room = 0;
	uint8_t *p = flow_reserve(r->flow, &room);

	(void)suggested;
	if (!p || room == 0)
		*ret = uv_buf_init(NULL, 0); /* on_read() gets UV_ENOBUFS */
	else
		*ret = uv_buf_init((char *)p, (unsigned)min_size(room, FLOW_SEND_MAX));
}

static void on_read(uv_stream_t *s, ssize_t n, const uv_buf_t *b)
{
	struct relay *r = s->data;
	struct netstack *ns = r->ns;

	if (n > 0) {
		flow_commit(r->flow, (size_t)n);
	} else if (n == UV_ENOBUFS && b->len == 0) {
		stop_reading(r); /* no room; writable() resumes */
	} else if (n == UV_EOF) {
		stop_reading(r);
		flow_shutdown(r->flow);
		r->fin_passed_on = true;
		settle(r);
	} else if (n < 0) {
		finish(r, VE_RESET);
	}
	flow_flush(ns);
}

/* Copy into the flow as much as it has room for. Returns how many bytes that was. */
static size_t fill_flow(struct relay *r, const uint8_t *p, size_t n)
{
	size_t done = 0;

	while (done < n) {
		size_t room = 0;
		uint8_t *to = flow_reserve(r->flow, &room);

		if (!to || room == 0)
			break;
		room = min_size(room, n - done);
		memcpy(to, p + done, room);
		flow_commit(r->flow, room);
		done += room;
	}
	return done;
}

static bool early_is_through(struct relay *r)
{
	if (!r->early)
		return true;
	r->early_at += fill_flow(r, r->early + r->early_at, r->early_n - r->early_at);
	if (r->early_at < r->early_n)
		return false;
	free(r->early);
	r->early = NULL;
	return true;
}

/* Go on where the flow's room ended: what came early, then the socket. */
static void pump_to_flow(struct relay *r)
{
	if (r->flow_closed || r->fin_passed_on || r->reading)
		return;
	if (!early_is_through(r))
		return;
	if (uv_read_start(stream(r), on_alloc, on_read) == 0)
		r->reading = true;
	else
		finish(r, VE_RESET);
}

/* --- events of the flow -------------------------------------------------------------------------------- */

static void on_flow_opened(void *ctx)
{
	struct relay *r = ctx;

	assert(r->state == RELAY_CONNECTING);
	r->state = RELAY_OPEN;
	r->ev->opened(r->ctx);
}

static void on_flow_readable(void *ctx)
{
	struct relay *r = ctx;

	if (r->state == RELAY_RUNNING)
		pump_to_client(r);
}

static void on_flow_writable(void *ctx)
{
	struct relay *r = ctx;

	if (r->state == RELAY_RUNNING)
		pump_to_flow(r);
}

static void on_flow_closed(void *ctx, int err)
{
	struct relay *r = ctx;

	if (r->state == RELAY_CONNECTING) {
		flow_free(r->flow);
		r->flow = NULL;
		r->state = RELAY_IDLE;
		r->ev->failed(r->ctx, err);
		return;
	}
	r->flow_closed = true;
	r->flow_err = err;
	if (r->state != RELAY_RUNNING)
		return;
	stop_reading(r);
	if (r->end == END_DONE)
		settle(r);
	else
		pump_to_client(r);
}

static const struct flow_events flow_events = {
	.opened = on_flow_opened,
	.readable = on_flow_readable,
	.writable = on_flow_writable,
	.closed = on_flow_closed,
};

/* --- start --------------------------------------------------------------------------------------------- */

/* Improvements, both: a socket that refuses them works. The number of probes stays the system's (nine on
 * Linux). */
static void tune(int fd)
{
	static const int on = 1, seconds = CLIENT_KEEPALIVE_S;

	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	(void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &seconds, sizeof(seconds));
	(void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &seconds, sizeof(seconds));
	(void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
}

int relay_init(struct relay *r, uv_loop_t *loop, int fd, struct netstack *ns, const struct relay_events *ev,
	       void *ctx)
{
	*r = (struct relay){ .ns = ns, .ev = ev, .ctx = ctx, .state = RELAY_IDLE };
	uv_tcp_init(loop, &r->client); /* without a socket to make it cannot fail */
	if (uv_tcp_open(&r->client, fd) != 0) {
		close(fd);
		return VE_IO;
	}
	tune(fd);
	return 0;
}

int relay_connect(struct relay *r, const struct dest *to)
{
	int err;

	assert(r->state == RELAY_IDLE && !r->flow);
	err = flow_open(r->ns, to, &flow_events, r, &r->flow);
	if (err == 0)
		r->state = RELAY_CONNECTING;
	return err;
}

void relay_local(const struct relay *r, struct ip *ret, uint16_t *ret_port)
{
	struct ip remote;

	flow_addresses(r->flow, ret, ret_port, &remote);
}

void relay_start(struct relay *r, struct slice early)
{
	size_t done;

	assert(r->state == RELAY_OPEN);
	r->state = RELAY_RUNNING;
	r->client.data = r;
	done = r->flow_closed ? early.n : fill_flow(r, early.p, early.n);
	if (done < early.n) {
		r->early_n = early.n - done;
		r->early = malloc(r->early_n);
		if (!r->early) {
			finish(r, VE_NOMEM);
			return;
		}
		memcpy(r->early, early.p + done, r->early_n);
	} else {
		pump_to_flow(r);
	}
	if (r->state == RELAY_RUNNING)
		pump_to_client(r);
}
