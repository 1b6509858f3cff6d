/* SPDX-License-Identifier: GPL-3.0-or-later */
/* relay.h - one local client's socket joined to one flow, bytes both ways.
 *
 * A relay owns the client's socket from the accept on, so that there is one way to close it; until
 * relay_start() its owner reads and writes the socket (the handshake). It also owns the flow. Each
 * direction waits for its slower side, nothing is queued between them, and nothing is allocated for a
 * client that is idle. A direction that ends in order ends in order on the other side, while the opposite
 * one goes on; a reset becomes a reset. */
#ifndef SOCKS_RELAY_H
#define SOCKS_RELAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "core/addr.h"
#include "core/bytes.h"
#include "netstack/flow.h"

struct relay_events {
	void (*opened)(void *ctx);          /* the flow is open: tell the client, then relay_start() */
	void (*failed)(void *ctx, int err); /* it could not be opened, and is freed: tell the client */
	void (*over)(void *ctx, int err);   /* 0: both ways ended in order, else VE_*: relay_close() */
	void (*closed)(void *ctx);          /* last event, after relay_close(): *r may be freed */
};

enum relay_state {
	RELAY_IDLE,       /* no flow */
	RELAY_CONNECTING, /* the flow is not open yet */
	RELAY_OPEN,       /* it is, and the owner is still talking to the client */
	RELAY_RUNNING,    /* bytes move */
	RELAY_OVER,       /* over() was called */
	RELAY_CLOSING,    /* closed() will come */
};

struct relay {
	uv_tcp_t client; /* its ->data is the owner's up to relay_start() and the relay's from there */
	struct netstack *ns;
	struct flow *flow; /* NULL in RELAY_IDLE and RELAY_CLOSING */
	const struct relay_events *ev;
	void *ctx;
	enum relay_state state;

	uint8_t *early; /* rest of the payload that came with the handshake and did not fit at once */
	size_t early_at, early_n;
	bool reading;       /* the client's socket is being read */
	bool fin_passed_on; /* the client's last byte was read, and flow_shutdown() was called */
	bool flow_closed;   /* closed() of the flow came; bytes may be left in it */
	int flow_err;       /* ... with this */
	enum { END_NO, END_UNDER_WAY, END_DONE } end; /* of flow -> client: shutdown of the client's socket */
	size_t lent;        /* bytes of the flow in the uv_write under way; 0: none is */
	union {             /* never both: the shutdown follows the last write */
		uv_write_t write;
		uv_shutdown_t shutdown;
	} req;
};

/* Adopt the connected socket @fd and set it up. @ns, @ev and @ctx are lent until closed(). Returns 0, or
 * VE_IO. Either way the socket is the relay's now, and relay_close() with its closed() event must follow
 * some time. */
int relay_init(struct relay *r, uv_loop_t *loop, int fd, struct netstack *ns, const struct relay_events *ev,
	       void *ctx);

/* Open a flow to @to; opened() or failed() follows, not from inside this call. Legal when there is none.
 * Returns 0, or the error of flow_open() with the relay as before. */
int relay_connect(struct relay *r, const struct dest *to);

/* The address and port inside the tunnel that the flow has on our side. From opened() to relay_close(). */
void relay_local(const struct relay *r, struct ip *ret, uint16_t *ret_port);

/* Begin to relay, after opened(). Reading of the socket must have been stopped and every write be
 * finished. @early (copied) is the payload that was read with the handshake. If the owner has read the
 * client's end, it is read again. May call over(). Outside of flow events the caller does flow_flush()
 * afterwards. */
void relay_start(struct relay *r, struct slice early);

/* A client that resets while its socket is neither read nor written (it ended sending and the target is
 * silent, or the flow is full) is not noticed by itself. To be called now and then: over() comes if that
 * has happened. Does not flow_flush(). */
void relay_probe(struct relay *r);

/* Close the client's socket and free the flow at once; closed() follows from the loop. The client sees a
 * reset if it was given less than the whole stream of its target. Again: nothing. Does not flow_flush(). */
void relay_close(struct relay *r);

#endif
