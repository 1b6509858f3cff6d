/* SPDX-License-Identifier: GPL-3.0-or-later */
/* forward_udp.h - one UDP forward, for forward.c only.
 *
 * Each peer at the door has a socket of its own towards the destination, so that answers find their way back; only the
 * destination's answers are passed on. A datagram that waits for the destination's name is kept, one for each peer; what
 * comes meanwhile is dropped. */
#ifndef SOCKS_FORWARD_UDP_H
#define SOCKS_FORWARD_UDP_H

#include <stdint.h>
#include <uv.h>

#include "core/conf.h"
#include "core/err.h"
#include "socks/target.h"

struct forward_udp;
struct forward_peer;

/* What all of them share; zeroed at first, then filled in up to closed_ctx. */
struct forward_udps {
	struct targets *ts;
	void (*closed)(void *ctx); /* a forward_udp_close() is through */
	void *ctx;
	unsigned npeers;
	struct forward_peer *oldest, *newest; /* by their last datagram */
	uint64_t datagrams, lost;
	uint8_t received[65536]; /* where libuv puts a datagram, for the time of one callback */
};

/* Open the door of @fwd, whose memory stays with the caller. @remote: it is -R. Returns 0, or with @f VE_LISTEN, VE_NOMEM,
 * VE_LIMIT; *ret is to be closed then, too, if it is not NULL. */
int forward_udp_new(struct forward_udp **ret, struct forward_udps *all, const struct forward *fwd, bool remote,
		    struct fault *f);

/* The port of its door. */
uint16_t forward_udp_port(const struct forward_udp *u);

/* Close peers that were silent for FORWARD_IDLE_MS. */
void forward_udps_tick(struct forward_udps *all, uint64_t now_ms);

/* Close; closed() comes when libuv is done. */
void forward_udp_close(struct forward_udp *u);

#endif
