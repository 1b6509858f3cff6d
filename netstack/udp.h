/* SPDX-License-Identifier: GPL-3.0-or-later */
/* udp.h - UDP through the tunnel: sockets of the private network's stack.
 *
 * A socket has one local port in the private network and speaks to anybody from it (endpoint-independent mapping, RFC
 * 4787): what the first datagram opened, others may answer. Datagrams may be lost at every step and are counted
 * (netstack_stats), never queued without a bound. Events come only from netstack_dispatch(), never from inside a udp_*()
 * call; each socket keeps at most UDP_QUEUE_MAX bytes for its next event. */
#ifndef NETSTACK_UDP_H
#define NETSTACK_UDP_H

#include <stdint.h>

#include "core/addr.h"
#include "core/bytes.h"

struct netstack;
struct udp_sock;

struct udp_events {
	/* A datagram came, borrowed for the call. May call anything, udp_sock_free() included. */
	void (*received)(void *ctx, const struct endpoint *from, struct slice bytes);
	/* An ICMP error quotes a datagram of ours to @to: VE_REFUSED, VE_UNREACH, VE_NETUNREACH. May be NULL. */
	void (*unreachable)(void *ctx, const struct endpoint *to, int err);
};

/* @port 0: a random free one. @ev and @ctx are lent until udp_sock_free(). While the link is down nothing is sent or
 * received; the socket lives on. Returns 0, VE_NOMEM, VE_LIMIT (UDP_SOCKS_MAX), VE_LISTEN (the port is taken). */
int udp_sock_new(struct udp_sock **ret, struct netstack *ns, uint16_t port, const struct udp_events *ev, void *ctx);
void udp_sock_free(struct udp_sock *u); /* NULL is fine; no event after this */

/* The address and port it has in the private network; family IP_NONE while the link is down. */
void udp_sock_local(const struct udp_sock *u, struct endpoint *ret);

/* Send one datagram of 0..65507 bytes, copied (fragmented by the stack if needed). Returns 0, VE_DOWN, VE_NETUNREACH
 * (no address of that family), VE_LIMIT (too long), VE_AGAIN (dropped: the session is full), VE_NOMEM. The caller does
 * flow_flush() after a batch outside of events. */
int udp_sock_send(struct udp_sock *u, const struct endpoint *to, struct slice bytes);

#endif
