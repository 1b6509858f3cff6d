/* SPDX-License-Identifier: GPL-3.0-or-later */
/* wire_carrier.h - what is under the TLS of a wire: a byte stream to the server, over TCP (wire_tcp.c) or R-UDP
 * (wire_rudp.c). Only these two and wire.c include it.
 *
 * wire.c makes a carrier, starts it and closes it; the carrier tells it what happens with the wire_on_...() functions,
 * from the loop, each of which may end in close(). */
#ifndef CORE_WIRE_CARRIER_H
#define CORE_WIRE_CARRIER_H

#include "core/wire.h"

struct wire_carrier;

struct wire_carrier_ops {
	/* Resolve and connect: wire_on_connected() or wire_on_failed() follows; only the latter even before this
	 * returns. */
	void (*start)(struct wire_carrier *c);
	/* Take bytes (@s.n > 0) for the server. Returns how many were taken, or libuv's code if the stream is broken. If
	 * not all were, wire_on_sendable() follows, provided that @may_wait; c->full says so, also if it took the last
	 * ones without being able to send them. */
	int (*send)(struct wire_carrier *c, struct slice s, bool may_wait);
	/* It has become known how many bytes should wait in the system at most. NULL: nothing does. */
	void (*set_backlog)(struct wire_carrier *c, size_t bytes);
	/* All that there is for now was given to send(). NULL: it need not know. */
	void (*flush)(struct wire_carrier *c);
	/* Begin or stop to read. Returns false if it cannot. At the start it does not. */
	bool (*read)(struct wire_carrier *c, bool on);
	/* Send a datagram beside the stream. NULL: there are none. */
	void (*datagram)(struct wire_carrier *c, struct slice bytes);
	/* After wire_on_connected(): fill in local, peer and carries_datagrams. */
	void (*facts)(struct wire_carrier *c, struct wire_facts *ret);
	/* No wire_on_...() after this, but for wire_on_gone() when libuv has let go of everything. */
	void (*close)(struct wire_carrier *c);
};

/* First member of each carrier. */
struct wire_carrier {
	const struct wire_carrier_ops *ops;
	struct wire *wire;
	bool full; /* wire_on_sendable() will follow */
	uint32_t connect_ms; /* for each attempt to connect; may change before the loop goes on */
};

/* Return NULL if there is no memory. @c is borrowed for the call, but for env. */
struct wire_carrier *wire_tcp_new(struct wire *w, uv_loop_t *loop, const struct wire_conf *c);
struct wire_carrier *wire_rudp_new(struct wire *w, uv_loop_t *loop, const struct wire_conf *c);

/* "host:port", for messages. */
const char *wire_object(const struct wire *w);

void wire_on_connected(struct wire *w);
void wire_on_failed(struct wire *w, const struct fault *f); /* the end of connecting; copied */
/* Where received bytes are to be put, and that @n > 0 were; or that *room was 0. */
uint8_t *wire_window(struct wire *w, size_t *room);
void wire_on_received(struct wire *w, size_t n);
void wire_on_no_room(struct wire *w);
/* Everything was received that will ever be. @why: libuv's code, UV_EOF if that was the server's wish. */
void wire_on_broken(struct wire *w, int why);
void wire_on_sendable(struct wire *w);
void wire_on_datagram(struct wire *w, const struct endpoint *from, struct slice bytes);
void wire_on_gone(struct wire *w);

#endif
