/* SPDX-License-Identifier: GPL-3.0-or-later */
/* flow.h - one TCP conversation through the tunnel, as a front-end sees it.
 *
 * The front-end that opens a flow frees it, exactly once; the stack never does. Events come only from
 * netstack_dispatch(), never from inside a flow_*() call, so an event may call anything here, flow_free() included.
 * Bytes are not pushed: each direction is a bounded window that one side fills and the other empties. After a batch of
 * flow_*() calls outside of an event, the front-end calls flow_flush() once, so that what they caused goes out.
 *
 *                flow_commit            tcp_write, no copy            ACK
 *     client ------------------> queue ------------------> lwIP ----------> space back: writable
 *     client <------------------ pbufs <------------------ lwIP
 *                flow_peek/consume      the window closes by itself until flow_consume()
 */
#ifndef NETSTACK_FLOW_H
#define NETSTACK_FLOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/addr.h"
#include "core/bytes.h"

struct flow;
struct netstack;

struct flow_events {
	void (*opened)(void *ctx);          /* handshake done, windows usable */
	void (*readable)(void *ctx);        /* flow_peek() has news: bytes, or the end */
	void (*writable)(void *ctx);        /* room again, after a reserve that found none */
	void (*closed)(void *ctx, int err); /* last event; 0: both directions ended in order; else VE_* */
};

/* Start connecting to @to (copied); a name is resolved inside the tunnel. While the link is down the flow is held for
 * hold_ms. @ev and @ctx are lent until flow_free(). Returns 0 and *ret, or VE_NOMEM, VE_LIMIT, VE_DOWN.
 * closed() before opened() means the connect failed: VE_REFUSED, VE_UNREACH, VE_NETUNREACH, VE_TIMEOUT, VE_RESOLVE,
 * VE_DOWN. After: VE_RESET, VE_TIMEOUT, VE_DOWN. Bytes already received can still be peeked after closed(). */
int flow_open(struct netstack *ns, const struct dest *to, const struct flow_events *ev, void *ctx, struct flow **ret);

/* Is it waiting for the link, so that its connect has not begun? */
bool flow_held(const struct flow *f);

/* The local and remote address of an opened flow. */
void flow_addresses(const struct flow *f, struct ip *ret_local, uint16_t *ret_local_port, struct ip *ret_remote);

/* Borrow up to @max received pieces, valid until flow_consume() or flow_free(). Returns how many, 0 when there is
 * nothing yet, VE_EOF after the last byte (the peer finished in order). */
int flow_peek(struct flow *f, struct slice *v, int max);
void flow_consume(struct flow *f, size_t n); /* n bytes reached the client: reopens the window */

/* Borrow free send space, in one piece, until the next call on @f; NULL and 0 when full or not open. */
uint8_t *flow_reserve(struct flow *f, size_t *room);
void flow_commit(struct flow *f, size_t n); /* n bytes of it were filled */
void flow_shutdown(struct flow *f);         /* no more from us: FIN after what is queued; reading goes on */
void flow_flush(struct netstack *ns);       /* after flow_*() calls outside of events */

/* Resets the connection unless both directions have ended in order (what is queued and the FIN then still go out
 * without us). NULL is fine. No event after this. */
void flow_free(struct flow *f);

#endif
