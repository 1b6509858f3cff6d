/* SPDX-License-Identifier: GPL-3.0-or-later */
/* listen.h - TCP ports of ours in the private network, for connections from there: SOCKS BIND, and -R. */
#ifndef NETSTACK_LISTEN_H
#define NETSTACK_LISTEN_H

#include <stdint.h>

#include "core/addr.h"
#include "netstack/flow.h"

struct netstack;
struct tcp_port;

struct tcp_port_events {
	/* @f is open, from @from; it is the owner's from now on: flow_adopt() within the call, or flow_free(). */
	void (*accepted)(void *ctx, struct flow *f, const struct endpoint *from);
};

/* Listen on @port (0: a free one) of our address in the private network, IPv4 and IPv6. At most @backlog connections are
 * accepted and not yet taken. While the link is down nobody comes; the port stays. @ev and @ctx are lent. Returns 0,
 * VE_NOMEM, VE_LIMIT (TCP_PORTS_MAX), VE_LISTEN (taken). Events come from netstack_dispatch() only. */
int tcp_port_new(struct tcp_port **ret, struct netstack *ns, uint16_t port, unsigned backlog,
		 const struct tcp_port_events *ev, void *ctx);
void tcp_port_free(struct tcp_port *p); /* accepted flows go on; NULL is fine */

/* Our address (family IP_NONE while the link is down) and the port. */
void tcp_port_local(const struct tcp_port *p, struct endpoint *ret);

/* Give an accepted flow its owner's events. opened() does not come: it is open. What has come already is told by a
 * readable() event. */
void flow_adopt(struct flow *f, const struct flow_events *ev, void *ctx);

#endif
