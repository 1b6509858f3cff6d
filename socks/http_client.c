/* SPDX-License-Identifier: GPL-3.0-or-later */
/* http_client.c - HTTP is answered with a 501 that says what this port speaks; see http_client.h.
 *
 * The answer is delivered whole: write, shutdown, and then reading on, into nothing, until the client closes. A close
 * with unread bytes would make TCP reset the connection, and the answer could be lost with it. */
#include "socks/http_client.h"

#include <stdlib.h>

#include "core/err.h"

struct http_client {
	uv_stream_t *stream;
	const struct http_client_events *ev;
	void *ctx;
	uv_write_t write;
	uv_shutdown_t shutdown;
	unsigned pending; /* of the two requests, what libuv still has */
	bool closed, ended, shut;
	char sink[256];
};

/* A browser shows its user the text. */
static const char answer[] = "HTTP/1.1 501 Not Implemented\r\n"
			     "Connection: close\r\n"
			     "Content-Type: text/plain; charset=us-ascii\r\n"
			     "Content-Length: 133\r\n"
			     "\r\n"
			     "This port speaks SOCKS5 only, not HTTP. Set it as SOCKS5 proxy "
			     "(SOCKS host), for example: curl --proxy socks5h://ADDRESS:PORT URL...\n";

static void maybe_free(struct http_client *h)
{
	if (h->closed && h->pending == 0)
		free(h);
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *ret)
{
	struct http_client *h = handle->data;

	(void)suggested;
	*ret = uv_buf_init(h->sink, sizeof(h->sink));
}

static void on_read(uv_stream_t *s, ssize_t n, const uv_buf_t *b)
{
	struct http_client *h = s->data;

	(void)b;
	if (n >= 0)
		return;
	uv_read_stop(s);
	h->ended = true;
	if (h->shut || n != UV_EOF)
		h->ev->over(h->ctx);
}

static void on_written(uv_write_t *req, int status)
{
	struct http_client *h = req->data;

	(void)status; /* the shutdown says it too */
	h->pending--;
	maybe_free(h);
}

static void on_shutdown(uv_shutdown_t *req, int status)
{
	struct http_client *h = req->data;

	h->pending--;
	if (h->closed) {
		maybe_free(h);
		return;
	}
	h->shut = true;
	if (status < 0 || h->ended)
		h->ev->over(h->ctx);
}

int http_client_new(struct http_client **ret, uv_stream_t *stream, struct slice early, struct targets *ts,
		    const struct client_conf *conf, const struct http_client_events *ev, void *ctx)
{
	struct http_client *h = calloc(1, sizeof(*h));
	uv_buf_t b = uv_buf_init((char *)(uintptr_t)answer, sizeof(answer) - 1);

	(void)early;
	(void)ts;
	(void)conf;
	if (!h)
		return VE_NOMEM;
	h->stream = stream;
	h->ev = ev;
	h->ctx = ctx;
	stream->data = h;
	h->write.data = h;
	h->shutdown.data = h;
	h->pending += uv_write(&h->write, stream, &b, 1, on_written) == 0;
	h->pending += uv_shutdown(&h->shutdown, stream, on_shutdown) == 0;
	uv_read_start(stream, on_alloc, on_read);
	*ret = h;
	return 0;
}

void http_client_close(struct http_client *h)
{
	if (!h || h->closed)
		return;
	h->closed = true;
	uv_read_stop(h->stream);
	maybe_free(h);
}
