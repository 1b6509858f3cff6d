/* SPDX-License-Identifier: GPL-3.0-or-later */
/* relay.h - one local client's socket joined to one target, bytes both ways.
 *
 * A relay owns the client's socket from the accept on, so that there is one way to close it; until
 * relay_start() its owner reads and writes the socket (the handshake). It also owns the target. Each
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
#include "socks/target.h"

struct relay_events {
	void (*opened)(void *ctx);          /* the target is open: tell the client, then relay_start() */
	void (*failed)(void *ctx, int err); /* it could not be opened, and is freed: tell the client */
	void (*over)(void *ctx, int err);   /* 0: both ways ended in order, else VE_*: relay_close() */
	void (*closed)(void *ctx);          /* last event, after relay_close(): *r may be freed */
};

enum relay_state {
	RELAY_IDLE,       /* no target */
	RELAY_CONNECTING, /* it is not open yet */
	RELAY_OPEN,       /* it is, and the owner is still talking to the client */
	RELAY_RUNNING,    /* bytes move */
	RELAY_OVER,       /* over() was called */
	RELAY_CLOSING,    /* closed() will come */
};

struct relay {
	union {
		uv_handle_t handle; /* ->data is the owner's up to relay_start() and the relay's from there */
		uv_stream_t stream;
		uv_tcp_t tcp;
		uv_pipe_t pipe; /* a client of a unix: listener */
	} client;
	struct targets *ts;
	struct target *target; /* NULL in RELAY_IDLE and RELAY_CLOSING */
	const struct relay_events *ev;
	void *ctx;
	enum relay_state state;
	uint64_t moved_at; /* by the loop's clock: when bytes moved last, or it started */

	uint8_t *early; /* rest of the payload that came with the handshake and did not fit at once */
	size_t early_at, early_n;
	bool reading;       /* the client's socket is being read */
	size_t turn;        /* bytes of it in this turn of the loop */
	bool fin_passed_on; /* the client's last byte was read, and target_shutdown() was called */
	bool target_closed; /* closed() of the target came; bytes may be left in it */
	int target_err;     /* ... with this */
	enum { END_NO, END_UNDER_WAY, END_DONE } end; /* of target -> client: shutdown of the client's socket */
	size_t lent;        /* bytes of the target in the uv_write under way; 0: none is */
	union {             /* never both: the shutdown follows the last write */
		uv_write_t write;
		uv_shutdown_t shutdown;
	} req;
};

/* Adopt the connected socket @fd, TCP or unix, and set it up. @ts, @ev and @ctx are lent until closed(). Returns 0, or
 * VE_IO. Either way the socket is the relay's now, and relay_close() with its closed() event must follow some time. */
int relay_init(struct relay *r, int fd, struct targets *ts, const struct relay_events *ev, void *ctx);

/* Open a target at @to; opened() or failed() follows, not from inside this call. Legal when there is none.
 * Returns 0, or the error of target_open() with the relay as before. */
int relay_connect(struct relay *r, const struct dest *to);

/* Take over @t, which is open, or has been; relay_start() may follow at once. Legal when there is none. */
void relay_adopt(struct relay *r, struct target *t);

/* The address and port that the target has on our side, inside the tunnel or on this machine. From opened() to
 * relay_close(). */
void relay_local(const struct relay *r, struct endpoint *ret);

/* Begin to relay, after opened(). Reading of the socket must have been stopped and every write be
 * finished. @early (copied) is the payload that was read with the handshake. If the owner has read the
 * client's end, it is read again. May call over(). Outside of flow events the caller does target_flush()
 * afterwards. */
void relay_start(struct relay *r, struct slice early);

/* A client that resets while its socket is neither read nor written (it ended sending and the target is
 * silent, or the target is full) is not noticed by itself. To be called now and then: over() comes if that
 * has happened. Does not target_flush(). */
void relay_probe(struct relay *r);

/* Close the client's socket and free the target at once; closed() follows from the loop. The client sees a
 * reset if it was given less than the whole stream of its target (over TCP: unix sockets have no reset).
 * Again: nothing. Does not target_flush(). */
void relay_close(struct relay *r);

#endif
