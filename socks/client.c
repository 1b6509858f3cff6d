/* SPDX-License-Identifier: GPL-3.0-or-later */
/* client.c - a client's socket and handshake, see client.h.
 *
 * Theory of operation
 *
 *                 +--CONNECT--> CONNECTING --opened----+
 *     HANDSHAKE --+--BIND-----> BINDING -----accepted--+--> RELAYING ------over-------> CLOSING
 *      |  |   |   +--UDP------> ASSOCIATED ----------------------- the client closed -----^
 *      |  |   |   +--letter---> HTTP --over-----------------------------------------------^
 *      |  |   |                   +-- CONNECT ------------> RELAYING                      ^
 *      |  |   +-- malformed, not supported, failed ---+                                   ^
 *      |  +-- wrong password --> DENIED -- a while ---+--> REFUSING -- the client closed -+
 *      +-- too slow ----------------------------------------------------------------------^
 *
 * The first byte chooses the protocol: a letter is HTTP (http_client.h), all else SOCKS. SOCKS is a pure machine
 * (socks.h): here its bytes are moved; client_request.c carries out its decision and tells it the outcome. Reading goes
 * on while the target is being opened, so that a client that breaks off is noticed; what it sends early is kept in the
 * handshake's buffer and begins the relayed stream. When that is full the rest waits in the socket. An EOF in that time
 * is a half-close like any other: the client may have sent all it wanted. Not so in an association, which lives as long
 * as its connection: there EOF is the end, and what the client sends is read into nothing.
 *
 * A refusal is delivered whole: reply, shutdown, and then reading on, into nothing, until the client closes.
 * A close with unread bytes would make TCP reset the connection, and the reply could be lost with it.
 *
 * Handshake memory (about 2 KiB) is freed before relaying starts. */
#include "socks/client.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/err.h"
#include "core/limits.h"
#include "core/log.h"
#include "socks/client_int.h"
#include "socks/http_client.h"
#include "socks/sockaddr.h"

_Static_assert(SOCKS_READ_MAX >= SOCKS_MESSAGE_MAX, "the parser needs whole messages");

static uv_stream_t *stream(struct client *c)
{
	return &c->relay.client.stream;
}

static void set_waiting(struct client *c, enum client_wait what)
{
	if (c->waiting == what)
		return;
	c->waiting = what;
	c->ev->waiting(c->ctx, c, what);
}

void client_enter(struct client *c, enum client_state to)
{
	static const enum client_wait waits[] = {
		[CLIENT_HANDSHAKE] = WAIT_CLIENT,
		[CLIENT_HTTP] = WAIT_CLIENT,
		[CLIENT_REFUSING] = WAIT_CLIENT,
		[CLIENT_DENIED] = WAIT_DENIED,
		[CLIENT_BINDING] = WAIT_PEER,
		[CLIENT_CLOSING] = WAIT_NOT,
	};

	c->state = to;
	set_waiting(c, waits[to]);
}

const char *client_name(const struct client *c, char buf[static DEST_TEXT_MAX])
{
	struct sockaddr_storage sa = { .ss_family = AF_UNSPEC };
	int n = sizeof(sa);
	struct dest d;

	if (c->relay.client.handle.type == UV_NAMED_PIPE)
		return memcpy(buf, "unix", sizeof("unix"));
	/* If it is gone already the family stays AF_UNSPEC. */
	(void)uv_tcp_getpeername(&c->relay.client.tcp, (struct sockaddr *)&sa, &n);
	sockaddr_to_dest(&sa, &d);
	return dest_text(&d, buf);
}

void client_close(struct client *c)
{
	if (c->state == CLIENT_CLOSING)
		return;
	client_enter(c, CLIENT_CLOSING);
	client_request_end(c);
	http_client_close(c->http);
	c->http = NULL;
	relay_close(&c->relay);
}

void client_gone(struct client *c)
{
	c->ev->gone(c->ctx, c);
	free(c->hs);
	free(c);
}

void client_due(struct client *c)
{
	char name[DEST_TEXT_MAX];

	switch (c->waiting) {
	case WAIT_NOT:
		break;
	case WAIT_CLIENT:
		if (log_enabled(LOG_DEBUG))
			log_debug("client %s: closed: took too long", client_name(c, name));
		client_close(c);
		break;
	case WAIT_DENIED:
		client_refuse(c);
		break;
	case WAIT_PEER:
		client_bind_due(c);
		break;
	}
}

static bool is_idle(const struct client *c, uint64_t now_ms)
{
	uint32_t idle_ms = c->env->conf->idle_ms;

	if (c->state == CLIENT_ASSOCIATED)
		return now_ms >= udp_relay_moved_at(c->udp) + UDP_IDLE_MS;
	return c->state == CLIENT_RELAYING && idle_ms > 0 && now_ms >= c->relay.moved_at + idle_ms;
}

void client_probe(struct client *c, uint64_t now_ms)
{
	char name[DEST_TEXT_MAX];

	if (is_idle(c, now_ms)) {
		log_info("client %s: closed: idle", client_name(c, name));
		client_close(c);
	} else if (c->state == CLIENT_RELAYING) {
		relay_probe(&c->relay);
	}
}

/* --- reading ------------------------------------------------------------------------------------------- */

static void parse(struct client *c);

static void stop_reading(struct client *c)
{
	if (c->hs->reading)
		uv_read_stop(stream(c));
	c->hs->reading = false;
}

static bool reads_into_nothing(const struct client *c)
{
	return c->state == CLIENT_REFUSING || c->state == CLIENT_DENIED || c->state == CLIENT_ASSOCIATED;
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *ret)
{
	struct client *c = handle->data;
	struct handshake *h = c->hs;

	(void)suggested;
	if (reads_into_nothing(c))
		h->n = 0; /* nobody looks at it any more */
	*ret = uv_buf_init((char *)h->in + h->n, (unsigned)(sizeof(h->in) - h->n));
}

static void on_end(struct client *c)
{
	stop_reading(c);
	c->hs->client_ended = true;
	if (c->state == CLIENT_HANDSHAKE || c->state == CLIENT_DENIED || c->state == CLIENT_ASSOCIATED ||
	    (c->state == CLIENT_REFUSING && c->hs->shut))
		client_close(c);
}

static void on_read(uv_stream_t *s, ssize_t n, const uv_buf_t *b)
{
	struct client *c = s->data;
	struct targets *ts = c->relay.ts;

	if (n == UV_ENOBUFS && b->len == 0) {
		stop_reading(c); /* full of early payload: the rest is for the relay */
	} else if (n == UV_EOF) {
		on_end(c);
	} else if (n < 0) {
		client_close(c);
	} else if (n > 0 && !reads_into_nothing(c)) {
		c->hs->n += (size_t)n;
		if (c->state == CLIENT_HANDSHAKE)
			parse(c);
	}
	target_flush(ts);
}

static void start_reading(struct client *c)
{
	if (c->hs->reading || c->hs->client_ended)
		return;
	if (uv_read_start(stream(c), on_alloc, on_read) == 0)
		c->hs->reading = true;
	else
		client_close(c);
}

/* --- writing ------------------------------------------------------------------------------------------- */

/* All that a client is ever told fits into its socket's empty buffer many times over: a socket that does not take
 * it at once is not worth waiting for. */
bool client_deliver(struct client *c)
{
	struct slice tx = socks_tx_peek(&c->hs->socks);
	uv_buf_t b = uv_buf_init((char *)(uintptr_t)tx.p, (unsigned)tx.n);

	if (tx.n > 0 && uv_try_write(stream(c), &b, 1) != (int)tx.n) {
		client_close(c);
		return false;
	}
	socks_tx_consume(&c->hs->socks, tx.n);
	return true;
}

static void on_shutdown(uv_shutdown_t *req, int status)
{
	struct client *c = req->data;

	if (c->state == CLIENT_CLOSING)
		return;
	c->hs->shut = true;
	if (status < 0 || c->hs->client_ended)
		client_close(c);
}

/* Read on also if a full buffer has stopped the reading. */
void client_refuse(struct client *c)
{
	struct handshake *h = c->hs;

	client_enter(c, CLIENT_REFUSING);
	if (!client_deliver(c))
		return;
	h->shutdown.data = c;
	if (uv_shutdown(&h->shutdown, stream(c), on_shutdown) != 0)
		client_close(c);
	else
		start_reading(c);
}

void client_relay(struct client *c)
{
	struct handshake *h = c->hs;

	stop_reading(c);
	c->hs = NULL;
	client_enter(c, CLIENT_RELAYING);
	relay_start(&c->relay, (struct slice){ .p = h->in, .n = h->n });
	free(h);
}

/* --- HTTP ---------------------------------------------------------------------------------------------- */

static void on_http_waiting(void *ctx, bool on)
{
	set_waiting(ctx, on ? WAIT_CLIENT : WAIT_NOT);
}

static void on_http_over(void *ctx)
{
	client_close(ctx);
}

static void on_http_tunnel(void *ctx, struct target *t, struct slice early)
{
	struct client *c = ctx;

	relay_adopt(&c->relay, t);
	client_enter(c, CLIENT_RELAYING);
	relay_start(&c->relay, early);
	http_client_close(c->http); /* last: it has lent us the bytes */
	c->http = NULL;
}

static const struct http_client_events http_events = {
	.waiting = on_http_waiting,
	.over = on_http_over,
	.tunnel = on_http_tunnel,
};

static void start_http(struct client *c)
{
	struct handshake *h = c->hs;
	struct slice early = { .p = h->in, .n = h->n };

	stop_reading(c);
	if (http_client_new(&c->http, stream(c), early, c->env->ts, c->env->conf, &http_events, c) != 0) {
		client_close(c);
		return;
	}
	client_enter(c, CLIENT_HTTP);
	c->hs = NULL;
	free(h);
}

/* --- the first byte, and what follows ------------------------------------------------------------------ */

static bool is_letter(uint8_t c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

static void on_refused(struct client *c)
{
	char name[DEST_TEXT_MAX];

	if (log_enabled(LOG_INFO))
		log_info("client %s: refused: %s", client_name(c, name), socks_why(&c->hs->socks));
	if (socks_denied(&c->hs->socks))
		client_enter(c, CLIENT_DENIED);
	else
		client_refuse(c);
}

static void parse(struct client *c)
{
	struct handshake *h = c->hs;
	enum socks_event ev;
	size_t taken;

	if (h->socks.version == SOCKS_NONE && is_letter(h->in[0])) {
		start_http(c);
		return;
	}
	ev = socks_input(&h->socks, (struct slice){ .p = h->in, .n = h->n }, &taken);
	h->n -= taken;
	memmove(h->in, h->in + taken, h->n);
	wipe(h->in + h->n, taken); /* there may have been a password in it */
	if (ev == SOCKS_REFUSED)
		on_refused(c);
	else if (client_deliver(c) && ev != SOCKS_MORE)
		client_request(c, ev);
}

/* --- accept -------------------------------------------------------------------------------------------- */

int client_new(struct client **ret, int fd, struct client_env *env, const struct client_events *ev, void *ctx)
{
	struct client *c = calloc(1, sizeof(*c));
	int err;

	if (c)
		c->hs = calloc(1, sizeof(*c->hs));
	if (!c || !c->hs) {
		free(c);
		close(fd);
		return VE_NOMEM;
	}
	c->env = env;
	c->ev = ev;
	c->ctx = ctx;
	socks_init(&c->hs->socks, env->conf->auth);
	err = relay_init(&c->relay, fd, env->ts, &client_relay_events, c);
	c->relay.client.handle.data = c;
	client_enter(c, CLIENT_HANDSHAKE);
	if (err != 0)
		client_close(c); /* its memory can only go by way of the loop */
	else
		start_reading(c);
	*ret = c;
	return 0;
}
