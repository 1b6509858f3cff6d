/* SPDX-License-Identifier: GPL-3.0-or-later */
/* relay.c - client <-> target, see relay.h.
 *
 * Theory of operation
 *
 *     client -> target The socket is read straight into its send window: target_reserve() is the
 *                      allocator of uv_read_start(). No room: reading stops, so the client's TCP stops it;
 *                      writable() resumes. libuv reads as long as there is something, up to 32 times; after
 *                      CLIENT_TURN_MAX bytes it gets no buffer, and comes again when others had their turn.
 *     target -> client The received pieces are given to the socket as they lie. What the socket does not take
 *                      at once is lent to one uv_write(); only when that is through are the bytes consumed,
 *                      which is what opens the target's window again. So a client that does not read holds up
 *                      its own target only.
 *
 * Ends. The client's EOF becomes target_shutdown(), the target's VE_EOF becomes uv_shutdown() after the last
 * byte; when both have happened the relay is over. A target that breaks is first emptied into the client,
 * because what came before the break is worth having (a server that answers and resets is common); then, if
 * the stream's end had not come, the client's socket is reset, so that it cannot take a truncated stream for
 * a whole one. A client that breaks resets the target at once: nobody is left to read.
 *
 * Every libuv callback ends with target_flush(); target events need none. Callbacks that come after
 * relay_close() touch neither target nor stack: these may be gone. */
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
	return &r->client.stream;
}

static void moved(struct relay *r)
{
	r->moved_at = uv_now(r->ts->loop);
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
	if (r->end == END_DONE && (r->fin_passed_on || r->target_closed))
		finish(r, r->target_err);
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
	if (r->state >= RELAY_OPEN && r->end != END_DONE && uv_fileno(&r->client.handle, &fd) == 0)
		(void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	r->state = RELAY_CLOSING;
	r->client.handle.data = r;
	uv_close(&r->client.handle, on_closed); /* before the target, whose memory it may have */
	target_free(r->target);
	r->target = NULL;
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
	if (uv_fileno(&r->client.handle, &fd) == 0)
		(void)getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &n);
	if (err != 0)
		finish(r, VE_RESET);
}

/* --- target -> client ---------------------------------------------------------------------------------- */

static void pump_to_client(struct relay *r);

static void on_written(uv_write_t *req, int status)
{
	struct relay *r = req->data;
	struct targets *ts = r->ts;
	size_t n = r->lent;

	if (r->state != RELAY_RUNNING)
		return;
	r->lent = 0;
	if (status < 0) {
		finish(r, VE_RESET);
	} else {
		moved(r);
		target_consume(r->target, n);
		pump_to_client(r);
	}
	target_flush(ts);
}

static void on_shutdown(uv_shutdown_t *req, int status)
{
	struct relay *r = req->data;
	struct targets *ts = r->ts;

	if (r->state != RELAY_RUNNING)
		return;
	r->end = END_DONE;
	if (status < 0)
		finish(r, VE_RESET);
	else
		settle(r);
	target_flush(ts);
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
	int n = target_peek(r->target, v, PIECES);

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

		if (n == VE_EOF || (n == 0 && r->target_closed && r->target_err == 0)) {
			end_client(r);
			return;
		}
		if (n <= 0) {
			if (r->target_closed)
				finish(r, r->target_err);
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
		moved(r);
		target_consume(r->target, (size_t)written);
	}
}

/* --- client -> target ---------------------------------------------------------------------------------- */

static void on_alloc(uv_handle_t *h, size_t suggested, uv_buf_t *ret)
{
	struct relay *r = h->data;
	size_t room = 0;
	uint8_t *p;

	(void)suggested;
	*ret = uv_buf_init(NULL, 0); /* on_read() gets UV_ENOBUFS */
	if (r->turn >= CLIENT_TURN_MAX)
		return;
	p = target_reserve(r->target, &room);
	if (p && room > 0)
		*ret = uv_buf_init((char *)p, (unsigned)min_size(room, CLIENT_TURN_MAX));
}

/* libuv's turn at this socket is over when a read brought less than it might have, or there was no buffer. */
static void count_turn(struct relay *r, ssize_t n, const uv_buf_t *b)
{
	r->turn = n > 0 && (size_t)n == b->len ? r->turn + (size_t)n : 0;
}

static void on_read(uv_stream_t *s, ssize_t n, const uv_buf_t *b)
{
	struct relay *r = s->data;
	struct targets *ts = r->ts;
	bool turn_over = r->turn >= CLIENT_TURN_MAX;

	count_turn(r, n, b);
	if (n > 0) {
		moved(r);
		target_commit(r->target, (size_t)n);
	} else if (n == UV_ENOBUFS && b->len == 0) {
		if (!turn_over)
			stop_reading(r); /* no room; writable() resumes */
	} else if (n == UV_EOF) {
		stop_reading(r);
		target_shutdown(r->target);
		r->fin_passed_on = true;
		settle(r);
	} else if (n < 0) {
		finish(r, VE_RESET);
	}
	target_flush(ts);
}

/* Copy into the target as much as it has room for. Returns how many bytes that was. */
static size_t fill_target(struct relay *r, const uint8_t *p, size_t n)
{
	size_t done = 0;

	while (done < n) {
		size_t room = 0;
		uint8_t *to = target_reserve(r->target, &room);

		if (!to || room == 0)
			break;
		room = min_size(room, n - done);
		memcpy(to, p + done, room);
		target_commit(r->target, room);
		done += room;
	}
	return done;
}

static bool early_is_through(struct relay *r)
{
	if (!r->early)
		return true;
	r->early_at += fill_target(r, r->early + r->early_at, r->early_n - r->early_at);
	if (r->early_at < r->early_n)
		return false;
	free(r->early);
	r->early = NULL;
	return true;
}

/* Go on where the target's room ended: what came early, then the socket. */
static void pump_to_target(struct relay *r)
{
	if (r->target_closed || r->fin_passed_on || r->reading)
		return;
	if (!early_is_through(r))
		return;
	if (uv_read_start(stream(r), on_alloc, on_read) == 0)
		r->reading = true;
	else
		finish(r, VE_RESET);
}

/* --- events of the target ------------------------------------------------------------------------------ */

static void on_target_opened(void *ctx)
{
	struct relay *r = ctx;

	assert(r->state == RELAY_CONNECTING);
	r->state = RELAY_OPEN;
	r->ev->opened(r->ctx);
}

static void on_target_readable(void *ctx)
{
	struct relay *r = ctx;

	if (r->state == RELAY_RUNNING)
		pump_to_client(r);
}

static void on_target_writable(void *ctx)
{
	struct relay *r = ctx;

	if (r->state == RELAY_RUNNING)
		pump_to_target(r);
}

static void on_target_closed(void *ctx, int err)
{
	struct relay *r = ctx;

	if (r->state == RELAY_CONNECTING) {
		target_free(r->target);
		r->target = NULL;
		r->state = RELAY_IDLE;
		r->ev->failed(r->ctx, err);
		return;
	}
	r->target_closed = true;
	r->target_err = err;
	if (r->state != RELAY_RUNNING)
		return;
	stop_reading(r);
	if (r->end == END_DONE)
		settle(r);
	else
		pump_to_client(r);
}

static const struct flow_events target_events = {
	.opened = on_target_opened,
	.readable = on_target_readable,
	.writable = on_target_writable,
	.closed = on_target_closed,
};

/* --- start --------------------------------------------------------------------------------------------- */

/* Improvements, all of them: a socket that refuses them works. The number of probes stays the system's (nine on
 * Linux). */
static void tune(int fd)
{
	static const int on = 1, seconds = CLIENT_KEEPALIVE_S, unsent = (int)CLIENT_UNSENT_MAX;

	/* Linux would let four megabytes wait for a client that does not read: they have come through the tunnel for nothing,
	 * and to the stack he looks like a fast one. */
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &unsent, sizeof(unsent));
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	(void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &seconds, sizeof(seconds));
	(void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &seconds, sizeof(seconds));
	(void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
}

static bool is_unix(int fd)
{
	struct sockaddr_storage sa = { .ss_family = AF_UNSPEC };
	socklen_t n = sizeof(sa);

	return getsockname(fd, (struct sockaddr *)&sa, &n) == 0 && sa.ss_family == AF_UNIX;
}

int relay_init(struct relay *r, int fd, struct targets *ts, const struct relay_events *ev, void *ctx)
{
	int err;

	*r = (struct relay){ .ts = ts, .ev = ev, .ctx = ctx, .state = RELAY_IDLE };
	moved(r);
	if (is_unix(fd)) { /* without a socket to make neither init can fail */
		uv_pipe_init(ts->loop, &r->client.pipe, 0);
		err = uv_pipe_open(&r->client.pipe, fd);
	} else {
		uv_tcp_init(ts->loop, &r->client.tcp);
		err = uv_tcp_open(&r->client.tcp, fd);
		if (err == 0)
			tune(fd);
	}
	if (err == 0)
		return 0;
	close(fd);
	return VE_IO;
}

int relay_connect(struct relay *r, const struct dest *to)
{
	int err;

	assert(r->state == RELAY_IDLE && !r->target);
	err = target_open(r->ts, to, &target_events, r, &r->target);
	if (err == 0)
		r->state = RELAY_CONNECTING;
	return err;
}

void relay_adopt(struct relay *r, struct target *t)
{
	assert(r->state == RELAY_IDLE && !r->target);
	target_rebind(t, &target_events, r);
	r->target = t;
	r->target_closed = target_closed(t, &r->target_err);
	r->state = RELAY_OPEN;
}

void relay_local(const struct relay *r, struct endpoint *ret)
{
	struct endpoint remote;

	target_addresses(r->target, ret, &remote);
}

void relay_start(struct relay *r, struct slice early)
{
	size_t done;

	assert(r->state == RELAY_OPEN);
	r->state = RELAY_RUNNING;
	r->client.handle.data = r;
	moved(r);
	done = r->target_closed ? early.n : fill_target(r, early.p, early.n);
	if (done < early.n) {
		r->early_n = early.n - done;
		r->early = malloc(r->early_n);
		if (!r->early) {
			finish(r, VE_NOMEM);
			return;
		}
		memcpy(r->early, early.p + done, r->early_n);
	} else {
		pump_to_target(r);
	}
	if (r->state == RELAY_RUNNING)
		pump_to_client(r);
}
