/* SPDX-License-Identifier: GPL-3.0-or-later */
/* wire.h - one TLS connection to a server, over TCP or R-UDP, on libuv.
 *
 * Resolves the name (libuv's pool, never the loop thread), connects, shakes hands, then moves ciphertext
 * between the carrier and tls.c. TCP: IPv6 and IPv4 interleaved, each address a little after the one before
 * and with its own time limit; the first that answers is taken. R-UDP: one address, found by a rendezvous
 * service if wire_conf says so. Plaintext is pulled and pushed by the owner, inside and outside of events.
 * Nothing is queued beyond WIRE_WRITE_MAX: wire_write() takes less instead; and while the owner does not
 * pull, nothing is read. SIGPIPE must be ignored, as main() does: libuv does not mask it. */
#ifndef CORE_WIRE_H
#define CORE_WIRE_H

#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "core/session.h"
#include "core/trust.h"

struct wire;

struct wire_events {
	/* TLS is up. */
	void (*opened)(void *ctx, const struct wire_facts *facts);
	/* wire_read() may have something: pull until VE_AGAIN. If you cannot now, do it later: no event
	 * reminds you. */
	void (*readable)(void *ctx);
	/* After a wire_write() that took less: there is room again. */
	void (*writable)(void *ctx);
	/* WIRE_RUDP, after opened(): a datagram that is no part of the stream came; borrowed for the call. NULL:
	 * dropped. */
	void (*datagram)(void *ctx, const struct endpoint *from, struct slice bytes);
	/* The last event; VE_EOF if the server closed cleanly. */
	void (*closed)(void *ctx, const struct fault *f);
};

struct wire_conf {
	const char *host; /* name or address literal, no brackets; also for SNI and verification; copied */
	uint16_t port;
	enum wire_transport transport;
	struct endpoint to; /* connect here without resolving @host; family IP_NONE: resolve */
	const uint8_t *only; /* SHA-256 of the one certificate to be accepted, whatever @trust thinks of it (a further
			      * connection of a session that was verified); copied; NULL: trust decides */
	const char *rendezvous; /* WIRE_RUDP: find the server through this NAT traversal service ("" for the one
				   * of SoftEther's project, else HOST or HOST:PORT); copied; NULL: it has an address */
	const struct session_env *env; /* WIRE_RUDP: randomness; lent until wire_close() */
};

/* Start connecting. @trust, @ev, @ctx are lent until wire_close(). No event comes before this returns. Returns 0 and
 * *ret, or VE_NOMEM. Faults: VE_RESOLVE; VE_CONNECT with the address and the system's reason; VE_TLS; VE_PROTO if
 * the peer does not speak TLS; VE_LOST if the connection broke after opened(). */
int wire_open(struct wire **ret, uv_loop_t *loop, const struct wire_conf *c, struct trust *trust,
	      const struct wire_events *ev, void *ctx);

/* Other time limits than WIRE_CONNECT_MS (TCP, for each address) and WIRE_TLS_MS; right after wire_open(). For
 * tests. */
void wire_set_limits(struct wire *w, uint32_t connect_ms, uint32_t tls_ms);

/* Pull plaintext: 0 with *ret >= 1; VE_AGAIN: wait for readable; VE_EOF or VE_TLS: closed() will say why. */
int wire_read(struct wire *w, uint8_t *p, size_t cap, size_t *ret);

/* Push plaintext; returns how much was taken, 0..n. Less than @n: writable() follows when there is room.
 * Bytes leave with the next wire_flush(). */
size_t wire_write(struct wire *w, const uint8_t *p, size_t n);

/* How many bytes of the owner's should wait for this wire at most: more would be older than WIRE_BACKLOG_MS when they
 * leave. SIZE_MAX unless the kernel takes nothing more just now. */
size_t wire_backlog(const struct wire *w);

/* Hand what wire_write() encrypted to the kernel: at once if it takes it, else when it can. */
void wire_flush(struct wire *w);

/* WIRE_RUDP: send one datagram beside the stream, to where the stream goes, with the next wire_flush(). Lost if the
 * kernel does not take it. */
void wire_send_datagram(struct wire *w, struct slice bytes);

/* Send close_notify as far as the socket takes it, close, free when libuv is done. No event after this
 * call; *w is gone for the caller. Safe inside any event. NULL is fine. */
void wire_close(struct wire *w);

#endif
