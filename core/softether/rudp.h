/* SPDX-License-Identifier: GPL-3.0-or-later */
/* rudp.h - R-UDP, SoftEther's reliable byte stream over UDP, as a pure machine (softether-protocol.md 9.2 and 9.3).
 *
 * Datagrams and time go in, datagrams and a stream come out. TLS runs on top of it: what R-UDP does to its datagrams hides
 * them from filters and protects nothing. No socket, no clock; randomness from the session_env.
 *
 *     loop: rudp_input() for each datagram, rudp_tick() at rudp_deadline(), rudp_write() for the stream;
 *           then rudp_output() until false, rudp_peek()/rudp_consume(), and a look at rudp_state(). */
#ifndef SOFTETHER_RUDP_H
#define SOFTETHER_RUDP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/bytes.h"
#include "core/err.h"
#include "core/session.h"

struct rudp;

enum rudp_state {
	RUDP_CONNECTING, /* requests go out, no valid segment has come; bytes may be written already */
	RUDP_OPEN,
	RUDP_CLOSED,     /* rudp_fault() says why; what rudp_peek() has may still be read */
};

/* Begin to connect at @now_ms. @env is lent. Returns 0 or VE_NOMEM. */
int rudp_new(struct rudp **ret, const struct session_env *env, uint64_t now_ms);
void rudp_free(struct rudp *r); /* wipes keys; NULL is fine */

/* One datagram from the server, borrowed for the call. Returns true if it was a valid segment of this connection (then
 * its source is where we send to from now on); false if not: not ours, or a bulk datagram. */
bool rudp_input(struct rudp *r, struct slice datagram, uint64_t now_ms);

/* Take the next datagram to be sent, borrowed until the next call; false when there is none now. */
bool rudp_output(struct rudp *r, struct slice *ret, uint64_t now_ms);

/* Queue bytes for the stream; returns how many were taken, 0..n (bounded by RUDP_SEND_MAX). */
size_t rudp_write(struct rudp *r, const uint8_t *p, size_t n);
size_t rudp_room(const struct rudp *r); /* how many it would take */

/* Received bytes in order, borrowed until the next call; the window closes while they wait. */
struct slice rudp_peek(const struct rudp *r);
void rudp_consume(struct rudp *r, size_t n);

enum rudp_state rudp_state(const struct rudp *r);
/* RUDP_CLOSED: VE_EOF after the server's goodbye, VE_TIMEOUT (never connected), VE_LOST (silence), VE_CANCELED after
 * rudp_close(). */
const struct fault *rudp_fault(const struct rudp *r);

/* When rudp_tick() and rudp_output() want to be called: 0 if there is something to be sent at once (rudp_consume() may
 * open a window), UINT64_MAX if nothing will happen any more. */
uint64_t rudp_deadline(const struct rudp *r);
void rudp_tick(struct rudp *r, uint64_t now_ms);

/* Say goodbye: the next rudp_output() calls give what is queued (once, as far as the window allows) and the farewell
 * segments; the state is RUDP_CLOSED. Nothing is sent if it was never open. */
void rudp_close(struct rudp *r, uint64_t now_ms);

#endif
