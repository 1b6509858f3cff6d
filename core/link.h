/* SPDX-License-Identifier: GPL-3.0-or-later */
/* link.h - the seam between the tunnel and the IP stack.
 *
 * core/ declares it and netstack/ implements it, so that the arrow stays socks -> netstack -> core. The tunnel calls
 * down through struct link_ops; the link calls back through struct link_owner. No packet ownership crosses: frames are
 * borrowed for the call and copied once, into a pbuf one way and into the session's queue the other.
 *
 * The netstack outlives tunnels. down() keeps addresses and flows; if the next up() ends with the same address, they go
 * on as if nothing had happened; if it differs, the flows bound to the old one are reset. */
#ifndef CORE_LINK_H
#define CORE_LINK_H

#include <stddef.h>

#include "core/session.h"

/* What the owner of a link, tunnel.c, offers to it. */
struct link_owner {
	/* Queue one frame for the server: session_ops.output. May be called from inside any link_ops call. */
	int (*output)(void *ctx, const struct slice *v, size_t nv);
	/* The link has an address: the private network is usable. Called once after each up(); again after a change. */
	void (*ready)(void *ctx, const struct ip *address);
	/* The link cannot get an address. @f is borrowed. The tunnel ends this session. */
	void (*failed)(void *ctx, const struct fault *f);
	/* Frames were queued outside of a link_ops call (a timer, a client): flush soon. */
	void (*kick)(void *ctx);
	void *ctx;
};

struct link_ops {
	/* A session is ready. @facts is copied, @owner lent until down(). Returns 0 or VE_NOMEM. */
	int (*up)(void *link, const struct link_facts *facts, const struct link_owner *owner);
	/* One frame from the server, borrowed. A bad one is dropped and counted. */
	void (*input)(void *link, struct slice frame);
	/* output() has room again: send what was kept. */
	void (*room)(void *link);
	/* The batch is over: act on what was recorded (deliver to flows, send ACKs). */
	void (*turn_end)(void *link);
	/* The session is gone; @owner is not called after this. */
	void (*down)(void *link);
};

#endif
