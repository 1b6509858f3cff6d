/* SPDX-License-Identifier: GPL-3.0-or-later */
/* http_client.h - a local client that speaks HTTP to the proxy, on the socket of client.c.
 *
 * The stream stays client.c's. While there is a http client it alone reads and writes it, and stream->data is its own;
 * on the way out (close, tunnel) reading is stopped. Events never come from inside a call here; http_client_close() may
 * be called inside any of them. */
#ifndef SOCKS_HTTP_CLIENT_H
#define SOCKS_HTTP_CLIENT_H

#include <stdbool.h>
#include <uv.h>

#include "core/bytes.h"
#include "socks/client_conf.h"
#include "socks/target.h"

struct http_client;

struct http_client_events {
	/* From now on (@on) we wait for the client to do something: send the head of its (next) request, or go after the
	 * last answer. It is cut off SOCKS_HANDSHAKE_MS after this. At first it is on. A client that is only idle between
	 * two requests and may take longer is not "waiting": its time is the http client's business. */
	void (*waiting)(void *ctx, bool on);
	/* Nothing more is to be said: http_client_close(), and close the stream. */
	void (*over)(void *ctx);
	/* CONNECT: the 200 has been sent, every write is through, reading is stopped: from here the http client touches
	 * stream and stream->data no more. @t is the caller's (its events: target_rebind()), and @early (borrowed for the
	 * call) is the first payload. The caller does http_client_close() inside the event, as the last thing. */
	void (*tunnel)(void *ctx, struct target *t, struct slice early);
};

/* Serve @stream, from whose client @early (copied) was read so far: at least its first byte. Takes over reading.
 * Everything lent stays so until http_client_close(). Returns 0 or VE_NOMEM. */
int http_client_new(struct http_client **ret, uv_stream_t *stream, struct slice early, struct targets *ts,
		    const struct client_conf *conf, const struct http_client_events *ev, void *ctx);

/* Stop reading (not after tunnel()), free targets; no event after this. The memory goes when libuv is done with writes under way: by itself
 * when they are through, or when the caller closes the stream. NULL is fine. Does not target_flush(). */
void http_client_close(struct http_client *h);

#endif
