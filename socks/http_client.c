/* SPDX-License-Identifier: GPL-3.0-or-later */
/* http_client.c - the machine of http_proxy.h on a client's socket and its targets; see http_client.h.
 *
 * Theory of operation
 *
 * The machine decides everything; here bytes and events are carried. pump() is the one place where that happens: events,
 * the target's bytes into the machine, the machine's into the target, the machine's to the client, again until nothing
 * moves. Every callback notes what it brought and ends in pump(), and pump() ends by setting what is to be waited for:
 * reading of the client (while the machine has room), the timer, and whether it is the client's turn.
 *
 *     SERVING --CLOSE--> ENDING --the client has closed--> OVER
 *        |  +-----ABORT, or the client broke---------------^
 *        +--TUNNEL--> HANDED
 *
 * An answer that ends the connection is delivered whole: shutdown, and then reading on, into nothing, until the client
 * closes. A close with unread bytes would make TCP reset the connection, and the answer could be lost with it.
 *
 * Nothing is buffered here. What the client's socket does not take at once stays in the machine, lent to one uv_write();
 * then the machine takes no more from the target, and the target's window closes. The other way round, a target without
 * room leaves the bytes in the machine, which soon has no more room, and reading of the client stops. */
#include "socks/http_client.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "core/err.h"
#include "core/limits.h"
#include "core/log.h"
#include "socks/http_proxy.h"
#include "socks/sockaddr.h"

/* Pieces of a target looked at together. */
#define PIECES 16

enum state { SERVING, ENDING, OVER, HANDED };

struct http_client {
	enum state state;
	uv_stream_t *stream;
	struct targets *ts;
	const struct client_conf *client_conf;
	const struct http_client_events *ev;
	void *ctx;
	struct http_conf conf;
	struct http_proxy p;

	/* the client */
	bool reading, client_ended, shut;
	bool waiting;  /* what waiting() was last told */
	size_t lent;   /* bytes of the machine in the uv_write() under way; 0: none is */
	uint64_t moved_at;

	/* the target */
	struct target *t;
	bool opened;
	bool t_ended;  /* the machine was told so, or t_err has what is to be told when its bytes are through */
	bool t_closed;
	int t_err;

	/* libuv's */
	uv_timer_t timer;
	uv_write_t write;
	uv_shutdown_t shutdown;
	unsigned pending; /* of these three, how many libuv still has */
	bool closed;
};

/* Where bytes go that nobody will look at. */
static char sink[4096];

static void pump(struct http_client *h);

/* --- the end -------------------------------------------------------------------------------------------- */

static void maybe_free(struct http_client *h)
{
	if (!h->closed || h->pending > 0)
		return;
	http_proxy_fini(&h->p);
	free(h);
}

static void on_timer_closed(uv_handle_t *handle)
{
	struct http_client *h = handle->data;

	h->pending--;
	maybe_free(h);
}

static void stop_reading(struct http_client *h)
{
	if (h->reading)
		uv_read_stop(h->stream);
	h->reading = false;
}

/* A server should not find a reset in its log for every client that leaves, but get one if nobody wants its answer. */
static void free_target(struct http_client *h)
{
	if (h->p.state == HTTP_WAITING || h->p.state == HTTP_ANSWERING)
		target_free(h->t);
	else
		target_part(h->t);
	h->t = NULL;
	h->opened = h->t_ended = h->t_closed = false;
}

void http_client_close(struct http_client *h)
{
	if (!h || h->closed)
		return;
	h->closed = true;
	stop_reading(h);
	free_target(h);
	uv_close((uv_handle_t *)&h->timer, on_timer_closed);
}

/* The one function that changes state. Events are the last thing. */
static void enter(struct http_client *h, enum state to)
{
	h->state = to;
	if (to == OVER)
		h->ev->over(h->ctx);
}

static void set_waiting(struct http_client *h, bool on)
{
	if (h->waiting == on)
		return;
	h->waiting = on;
	h->ev->waiting(h->ctx, on);
}

/* Only for a client that has less than the whole of an answer: it must notice. */
static void end_with_reset(struct http_client *h)
{
	static const struct linger reset = { .l_onoff = 1, .l_linger = 0 };
	uv_os_fd_t fd;

	if (uv_fileno((uv_handle_t *)h->stream, &fd) == 0)
		(void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	enter(h, OVER);
}

static void on_shutdown(uv_shutdown_t *req, int status)
{
	struct http_client *h = req->data;
	struct targets *ts = h->ts;

	h->pending--;
	if (h->closed) {
		maybe_free(h);
		return;
	}
	h->shut = true;
	if (status < 0 || h->client_ended)
		enter(h, OVER);
	else
		set_waiting(h, true);
	target_flush(ts);
}

/* --- the target ----------------------------------------------------------------------------------------- */

static void log_target(const struct http_client *h, int err)
{
	char to[DEST_TEXT_MAX];

	if (log_enabled(LOG_INFO))
		log_info("http: connection to %s: %s", dest_text(&h->p.dest, to), ve_name(err));
}

static void on_target_opened(void *ctx)
{
	struct http_client *h = ctx;

	h->opened = true;
	http_proxy_target_opened(&h->p);
	pump(h);
}

static void on_target_moved(void *ctx)
{
	pump(ctx);
}

static void on_target_closed(void *ctx, int err)
{
	struct http_client *h = ctx;

	h->t_closed = true;
	h->t_err = err != 0 ? err : VE_EOF;
	if (!h->opened) {
		log_target(h, err);
		h->t_ended = true;
		http_proxy_target_ended(&h->p, h->t_err);
	}
	pump(h);
}

static const struct flow_events target_events = {
	.opened = on_target_opened,
	.readable = on_target_moved,
	.writable = on_target_moved,
	.closed = on_target_closed,
};

static void open_target(struct http_client *h)
{
	int err;

	free_target(h);
	err = target_open(h->ts, &h->p.dest, &target_events, h, &h->t);
	if (err == 0)
		return;
	h->t = NULL;
	log_target(h, err);
	http_proxy_target_ended(&h->p, err);
}

/* Offer the machine what the target has sent. Returns whether it took something. */
static bool push(struct http_client *h)
{
	struct slice v[PIECES];
	size_t sum = 0;
	int n;

	if (!h->opened || h->t_ended)
		return false;
	n = target_peek(h->t, v, PIECES);
	for (int i = 0; i < n; i++) {
		size_t taken = http_proxy_answer_push(&h->p, v[i]);

		sum += taken;
		if (taken < v[i].n)
			break;
	}
	if (sum > 0)
		target_consume(h->t, sum);
	if (n > 0 || (n == 0 && !h->t_closed))
		return sum > 0;
	h->t_ended = true;
	http_proxy_target_ended(&h->p, n == 0 ? h->t_err : n);
	return true;
}

static bool pull(struct http_client *h)
{
	bool moved = false;

	while (h->opened && !h->t_closed && http_proxy_has_request(&h->p)) {
		size_t room = 0, n;
		uint8_t *to = target_reserve(h->t, &room);

		if (!to || room == 0)
			break;
		n = http_proxy_request_pull(&h->p, to, room);
		if (n == 0)
			break;
		target_commit(h->t, n);
		moved = true;
	}
	return moved;
}

/* --- to the client -------------------------------------------------------------------------------------- */

static void on_written(uv_write_t *req, int status)
{
	struct http_client *h = req->data;
	struct targets *ts = h->ts;
	size_t n = h->lent;

	h->pending--;
	if (h->closed) {
		maybe_free(h);
		return;
	}
	h->lent = 0;
	if (status < 0) {
		enter(h, OVER);
	} else {
		http_proxy_consume(&h->p, n);
		pump(h);
	}
	target_flush(ts);
}

static bool deliver(struct http_client *h)
{
	struct slice out = http_proxy_peek(&h->p);
	uv_buf_t b = uv_buf_init((char *)(uintptr_t)out.p, (unsigned)out.n);
	int n;

	if (out.n == 0 || h->lent > 0)
		return false;
	n = uv_try_write(h->stream, &b, 1);
	if (n > 0) {
		http_proxy_consume(&h->p, (size_t)n);
		return true;
	}
	h->write.data = h;
	if (n != UV_EAGAIN || uv_write(&h->write, h->stream, &b, 1, on_written) != 0) {
		enter(h, OVER);
		return false;
	}
	h->pending++;
	h->lent = out.n;
	return false;
}

/* --- from the client ------------------------------------------------------------------------------------ */

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *ret)
{
	struct http_client *h = handle->data;
	size_t room = 0;
	uint8_t *p;

	(void)suggested;
	if (h->state != SERVING) {
		*ret = uv_buf_init(sink, sizeof(sink));
		return;
	}
	p = http_proxy_reserve(&h->p, &room);
	*ret = uv_buf_init((char *)p, p ? (unsigned)room : 0); /* without: UV_ENOBUFS */
}

static void on_end(struct http_client *h)
{
	stop_reading(h);
	h->client_ended = true;
	if (h->state == SERVING)
		http_proxy_client_ended(&h->p);
	else if (h->state == ENDING && h->shut)
		enter(h, OVER);
}

static void on_read(uv_stream_t *s, ssize_t n, const uv_buf_t *b)
{
	struct http_client *h = s->data;
	struct targets *ts = h->ts;

	if (h->state == SERVING && b->len > 0)
		http_proxy_commit(&h->p, n > 0 ? (size_t)n : 0);
	if (n == UV_ENOBUFS && b->len == 0 && http_proxy_has_room(&h->p))
		enter(h, OVER); /* there is no memory */
	else if (n == UV_ENOBUFS && b->len == 0)
		stop_reading(h); /* pump() resumes */
	else if (n == UV_EOF)
		on_end(h);
	else if (n < 0)
		enter(h, OVER);
	pump(h);
	target_flush(ts);
}

static void start_reading(struct http_client *h)
{
	if (h->reading || h->client_ended || (h->state == SERVING && !http_proxy_has_room(&h->p)))
		return;
	if (uv_read_start(h->stream, on_alloc, on_read) == 0)
		h->reading = true;
	else
		enter(h, OVER);
}

/* --- what the machine wants ----------------------------------------------------------------------------- */

static void end_in_order(struct http_client *h)
{
	uv_timer_stop(&h->timer);
	set_waiting(h, false);
	h->shutdown.data = h;
	if (uv_shutdown(&h->shutdown, h->stream, on_shutdown) != 0) {
		enter(h, OVER);
		return;
	}
	h->pending++;
	enter(h, ENDING);
}

static void hand_over(struct http_client *h)
{
	struct target *t = h->t;

	stop_reading(h);
	uv_timer_stop(&h->timer);
	h->t = NULL;
	h->opened = false;
	enter(h, HANDED);
	h->ev->tunnel(h->ctx, t, http_proxy_early(&h->p));
}

static bool take_event(struct http_client *h)
{
	switch (http_proxy_next_event(&h->p)) {
	case HTTP_EV_NONE:
		return false;
	case HTTP_EV_DROP:
		free_target(h);
		break;
	case HTTP_EV_OPEN:
		open_target(h);
		break;
	case HTTP_EV_TUNNEL:
		hand_over(h);
		break;
	case HTTP_EV_CLOSE:
		end_in_order(h);
		break;
	case HTTP_EV_ABORT:
		end_with_reset(h);
		break;
	}
	return true;
}

static bool is_serving(const struct http_client *h)
{
	return h->state == SERVING && !h->closed;
}

static uint64_t now(const struct http_client *h)
{
	return uv_now(h->ts->loop);
}

static void on_timer(uv_timer_t *timer)
{
	struct http_client *h = timer->data;
	struct targets *ts = h->ts;

	if (h->client_conf->idle_ms > 0 && now(h) >= h->moved_at + h->client_conf->idle_ms) {
		log_info("http: a client's connection was idle for too long: closed");
		enter(h, OVER);
	} else {
		http_proxy_clock(&h->p, now(h), (int64_t)time(NULL));
		http_proxy_tick(&h->p);
		pump(h);
	}
	target_flush(ts);
}

static void arm(struct http_client *h)
{
	uint64_t at = http_proxy_deadline(&h->p);

	if (h->client_conf->idle_ms > 0 && at > h->moved_at + h->client_conf->idle_ms)
		at = h->moved_at + h->client_conf->idle_ms;
	if (at == UINT64_MAX)
		uv_timer_stop(&h->timer);
	else
		uv_timer_start(&h->timer, on_timer, at > now(h) ? at - now(h) : 0, 0);
}

/* The first thing that can be done. What moved bytes may have caused events, and these come first. */
static bool step(struct http_client *h)
{
	return take_event(h) || push(h) || pull(h) || deliver(h) || (is_serving(h) && take_event(h));
}

static void pump(struct http_client *h)
{
	http_proxy_clock(&h->p, now(h), (int64_t)time(NULL));
	while (is_serving(h) && step(h))
		h->moved_at = now(h);
	if (h->closed || h->state == OVER || h->state == HANDED)
		return;
	start_reading(h);
	if (is_serving(h)) {
		set_waiting(h, http_proxy_waits(&h->p));
		arm(h);
	}
}

/* --- the beginning -------------------------------------------------------------------------------------- */

/* A socket of both families shows IPv4 as IPv6. */
static void unmap(struct ip *ip)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };

	if (ip->family == IP_V6 && memcmp(ip->b, mapped, sizeof(mapped)) == 0) {
		memmove(ip->b, ip->b + 12, 4);
		ip->family = IP_V4;
	}
}

static struct endpoint local_end(const uv_stream_t *stream)
{
	struct sockaddr_storage sa = { .ss_family = AF_UNSPEC };
	int n = sizeof(sa);
	struct dest d = { .ip.family = IP_NONE };

	if (stream->type == UV_TCP && uv_tcp_getsockname((const uv_tcp_t *)stream, (struct sockaddr *)&sa, &n) == 0)
		sockaddr_to_dest(&sa, &d);
	unmap(&d.ip);
	return (struct endpoint){ .ip = d.ip, .port = d.port };
}

static int put_early(struct http_client *h, struct slice early)
{
	size_t room = 0;
	uint8_t *to = http_proxy_reserve(&h->p, &room);

	if (!to || room < early.n)
		return VE_NOMEM;
	if (early.n > 0)
		memcpy(to, early.p, early.n);
	http_proxy_commit(&h->p, early.n);
	return 0;
}

int http_client_new(struct http_client **ret, uv_stream_t *stream, struct slice early, struct targets *ts,
		    const struct client_conf *conf, const struct http_client_events *ev, void *ctx)
{
	struct http_client *h = calloc(1, sizeof(*h));
	struct endpoint local = local_end(stream);

	if (!h)
		return VE_NOMEM;
	h->stream = stream;
	h->ts = ts;
	h->client_conf = conf;
	h->ev = ev;
	h->ctx = ctx;
	h->waiting = true;
	h->conf = (struct http_conf){ .auth = conf->auth, .rules = ts->rules, .nrules = ts->nrules };
	http_proxy_init(&h->p, &h->conf, &local);
	http_proxy_clock(&h->p, uv_now(ts->loop), (int64_t)time(NULL));
	if (put_early(h, early) != 0) {
		http_proxy_fini(&h->p);
		free(h);
		return VE_NOMEM;
	}
	stream->data = h;
	uv_timer_init(ts->loop, &h->timer);
	h->timer.data = h;
	h->pending = 1;
	h->moved_at = now(h);
	uv_timer_start(&h->timer, on_timer, 0, 0); /* events never come from inside this call */
	*ret = h;
	return 0;
}
