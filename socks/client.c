/* SPDX-License-Identifier: GPL-3.0-or-later */
/* client.c - a client's handshake, see client.h.
 *
 * Theory of operation
 *
 *     HANDSHAKE --request--> CONNECTING ----- opened --> RELAYING --over---------> CLOSING
 *         |                      |                                                  ^
 *         +--malformed, or not---+--failed--> REFUSING --the client has closed------+
 *            supported
 *
 * The protocol is a pure machine (socks5.h): here its bytes are moved, its decision carried out, and the
 * outcome told to it. Reading goes on while the target is being opened, so that a client that breaks off is
 * noticed; what it sends early is kept in the handshake's buffer and begins the relayed stream. When that is
 * full the rest waits in the socket. An EOF in that time is a half-close like any other: the client may have
 * sent all it wanted.
 *
 * A refusal is delivered whole: reply, shutdown, and then reading on, into nothing, until the client closes.
 * A close with unread bytes would make TCP reset the connection, and the reply could be lost with it.
 *
 * Handshake memory (about 2 KiB) is freed before relaying starts. A second protocol on the same port gets
 * its parser beside socks5 in struct handshake, chosen by the first byte in parse(). */
#include "socks/client.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/err.h"
#include "core/limits.h"
#include "core/log.h"
#include "socks/http_client.h"
#include "socks/sockaddr.h"
#include "socks/socks5.h"

_Static_assert(SOCKS_READ_MAX >= SOCKS5_MESSAGE_MAX, "the parser needs whole messages");

struct handshake {
	struct socks5 socks5;
	bool reading;
	bool client_ended; /* its EOF was read: reading again would only say so again */
	bool shut;         /* the shutdown after a refusal is through */
	uv_shutdown_t shutdown;
	size_t n;
	uint8_t in[SOCKS_READ_MAX];
};

static uv_stream_t *stream(struct client *c)
{
	return &c->relay.client.stream;
}

static void set_waiting(struct client *c, bool on)
{
	if (c->waiting != on)
		c->ev->waiting(c->ctx, c, on);
	c->waiting = on;
}

static void enter(struct client *c, enum client_state to)
{
	c->state = to;
	set_waiting(c, to == CLIENT_HANDSHAKE || to == CLIENT_REFUSING);
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
	enter(c, CLIENT_CLOSING);
	http_client_close(c->http);
	c->http = NULL;
	relay_close(&c->relay);
}

void client_probe(struct client *c, uint64_t now_ms)
{
	char name[DEST_TEXT_MAX];

	if (c->state != CLIENT_RELAYING)
		return;
	if (c->conf->idle_ms > 0 && now_ms >= c->relay.moved_at + c->conf->idle_ms) {
		log_info("client %s: closed: idle", client_name(c, name));
		client_close(c);
		return;
	}
	relay_probe(&c->relay);
}

/* --- reading ------------------------------------------------------------------------------------------- */

static void parse(struct client *c);

static void stop_reading(struct client *c)
{
	if (c->hs->reading)
		uv_read_stop(stream(c));
	c->hs->reading = false;
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *ret)
{
	struct client *c = handle->data;
	struct handshake *h = c->hs;

	(void)suggested;
	if (c->state == CLIENT_REFUSING)
		h->n = 0; /* nobody looks at it any more */
	*ret = uv_buf_init((char *)h->in + h->n, (unsigned)(sizeof(h->in) - h->n));
}

static void on_end(struct client *c)
{
	stop_reading(c);
	c->hs->client_ended = true;
	if (c->state == CLIENT_HANDSHAKE || (c->state == CLIENT_REFUSING && c->hs->shut))
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
	} else if (n > 0 && c->state != CLIENT_REFUSING) {
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

/* Send what the parser has to say. Returns whether that went well; if not, the client is closed. All that
 * a client is ever told fits into its socket's empty buffer many times over: a socket that does not take
 * it at once is not worth waiting for. */
static bool deliver(struct client *c)
{
	struct slice tx = socks5_tx_peek(&c->hs->socks5);
	uv_buf_t b = uv_buf_init((char *)(uintptr_t)tx.p, (unsigned)tx.n);

	if (tx.n > 0 && uv_try_write(stream(c), &b, 1) != (int)tx.n) {
		client_close(c);
		return false;
	}
	socks5_tx_consume(&c->hs->socks5, tx.n);
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

/* The parser has refused: tell the client, then read on into nothing until it closes, also if a full
 * buffer has stopped the reading. */
static void refuse(struct client *c)
{
	struct handshake *h = c->hs;

	enter(c, CLIENT_REFUSING);
	if (!deliver(c))
		return;
	h->shutdown.data = c;
	if (uv_shutdown(&h->shutdown, stream(c), on_shutdown) != 0)
		client_close(c);
	else
		start_reading(c);
}

/* --- the protocol's decisions -------------------------------------------------------------------------- */

static void log_refusal(struct client *c)
{
	char name[DEST_TEXT_MAX];

	if (log_enabled(LOG_INFO))
		log_info("client %s: refused: %s", client_name(c, name), c->hs->socks5.why);
}

static void log_target(struct client *c, enum log_level level, const char *what)
{
	char name[DEST_TEXT_MAX], to[DEST_TEXT_MAX];

	if (log_enabled(level))
		log_line(level, "client %s: connection to %s: %s", client_name(c, name),
			 dest_text(&c->hs->socks5.dest, to), what);
}

static void on_relay_failed(void *ctx, int err)
{
	struct client *c = ctx;

	log_target(c, LOG_INFO, ve_name(err));
	socks5_failed(&c->hs->socks5, err);
	refuse(c);
}

static void on_relay_opened(void *ctx)
{
	struct client *c = ctx;
	struct handshake *h = c->hs;
	struct endpoint local;

	log_target(c, LOG_DEBUG, "open");
	relay_local(&c->relay, &local);
	socks5_connected(&h->socks5, &local.ip, local.port);
	if (!deliver(c))
		return;
	stop_reading(c);
	c->hs = NULL;
	enter(c, CLIENT_RELAYING);
	relay_start(&c->relay, (struct slice){ .p = h->in, .n = h->n });
	free(h);
}

/* --- HTTP ---------------------------------------------------------------------------------------------- */

static void on_http_waiting(void *ctx, bool on)
{
	set_waiting(ctx, on);
}

static void on_http_over(void *ctx)
{
	client_close(ctx);
}

static void on_http_tunnel(void *ctx, struct target *t, struct slice early)
{
	struct client *c = ctx;

	relay_adopt(&c->relay, t);
	enter(c, CLIENT_RELAYING);
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
	if (http_client_new(&c->http, stream(c), early, c->relay.ts, c->conf, &http_events, c) != 0) {
		client_close(c);
		return;
	}
	c->state = CLIENT_HTTP; /* still waiting for its request */
	c->hs = NULL;
	free(h);
}

/* --- the first byte, and what follows ------------------------------------------------------------------ */

static bool is_letter(uint8_t c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

static void parse(struct client *c)
{
	struct handshake *h = c->hs;
	size_t taken;
	enum socks5_event ev;
	int err;

	if (h->socks5.state == SOCKS5_ST_GREETING && is_letter(h->in[0])) {
		start_http(c);
		return;
	}
	ev = socks5_input(&h->socks5, (struct slice){ .p = h->in, .n = h->n }, &taken);
	h->n -= taken;
	memmove(h->in, h->in + taken, h->n);
	if (ev == SOCKS5_REFUSED) {
		log_refusal(c);
		refuse(c);
		return;
	}
	if (!deliver(c) || ev != SOCKS5_CONNECT)
		return;
	enter(c, CLIENT_CONNECTING);
	err = relay_connect(&c->relay, &h->socks5.dest);
	if (err != 0)
		on_relay_failed(c, err);
}

/* --- from accept to end -------------------------------------------------------------------------------- */

static void on_relay_over(void *ctx, int err)
{
	struct client *c = ctx;
	char name[DEST_TEXT_MAX];

	if (log_enabled(LOG_DEBUG))
		log_debug("client %s: over: %s", client_name(c, name), ve_name(err));
	client_close(c);
}

static void on_relay_closed(void *ctx)
{
	struct client *c = ctx;

	c->ev->gone(c->ctx, c);
	free(c->hs);
	free(c);
}

static const struct relay_events relay_events = {
	.opened = on_relay_opened,
	.failed = on_relay_failed,
	.over = on_relay_over,
	.closed = on_relay_closed,
};

int client_new(struct client **ret, int fd, struct targets *ts, const struct client_conf *conf,
	       const struct client_events *ev, void *ctx)
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
	c->conf = conf;
	c->ev = ev;
	c->ctx = ctx;
	socks5_init(&c->hs->socks5);
	err = relay_init(&c->relay, fd, ts, &relay_events, c);
	c->relay.client.handle.data = c;
	enter(c, CLIENT_HANDSHAKE);
	if (err != 0)
		client_close(c); /* its memory can only go by way of the loop */
	else
		start_reading(c);
	*ret = c;
	return 0;
}
