/* SPDX-License-Identifier: GPL-3.0-or-later */
/* netstack.h - the TCP/IP stack of the private network, and the life of its link.
 *
 * lwIP is a process-wide singleton, so there is one netstack; it is passed explicitly all the same. It implements
 * core/link.h for the tunnel, flow.h for front-ends. lwIP callbacks only record facts; netstack_dispatch(), called at
 * the end of each turn by whoever made lwIP work, acts on them. One libuv timer, armed from lwIP's own timeouts. */
#ifndef NETSTACK_NETSTACK_H
#define NETSTACK_NETSTACK_H

#include <stdint.h>
#include <uv.h>

#include "core/addr.h"
#include "core/link.h"

struct netstack;

struct netstack_conf {
	struct ip ip4;       /* static address with its prefix, gateway and dns; family IP_NONE: DHCP or the session's */
	uint8_t ip4_prefix;
	struct ip gateway;
	struct ip dns;       /* also overrides negotiated servers */
	uint16_t vlan;       /* Ethernet: 802.1Q id of all our frames, 1..4094; 0: no tags */
	const char *search;  /* domain of names without a dot, lent; "": none; NULL: what DHCP names */
	size_t memory;       /* bytes that the windows of all flows share, see flow_window.c; 0: FLOW_MEMORY */
	uint32_t hold_ms;    /* how long a flow_open() waits for the link; 0: not at all */
	void (*random)(void *ctx, void *to, size_t n); /* strong; ISNs, ports and DNS ids come from it */
	void *random_ctx;
};

/* Counters of one process, for logs and status. */
struct netstack_stats {
	uint64_t frames_in, frames_out, bytes_in, bytes_out;
	uint64_t dropped_in;  /* malformed, too long, of another VLAN, no memory; datagrams that found a socket's queue full */
	uint64_t dropped_out; /* UDP and ARP that found the session full; TCP is never dropped */
	uint32_t flows, flows_held;
	uint32_t udp_socks, tcp_ports;
	uint64_t memory; /* of conf.memory, charged to flows */
};

/* Make the stack. @c is copied. Returns 0, or VE_NOMEM, VE_LIMIT if there is one already. */
int netstack_new(struct netstack **ret, uv_loop_t *loop, const struct netstack_conf *c);

/* All flows must have been freed. Stops timers; memory goes when libuv is done. NULL is fine. */
void netstack_free(struct netstack *ns);

/* The link for tunnel_new(): ops is const, the link object is @ns itself. */
const struct link_ops *netstack_link_ops(void);

/* Deliver everything recorded: flow events, retries of refused output. Not re-entrant; events may call flow_*(). */
void netstack_dispatch(struct netstack *ns);

void netstack_get_stats(const struct netstack *ns, struct netstack_stats *ret);

#endif
