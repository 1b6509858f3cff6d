/* SPDX-License-Identifier: GPL-3.0-or-later */
/* dhcp_options.h - what a DHCP server says beyond what lwIP reads: domain, routes, MTU, and times that make sense. */
#ifndef NETSTACK_DHCP_OPTIONS_H
#define NETSTACK_DHCP_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "core/bytes.h"
#include "core/limits.h"

/* RFC 3442. Addresses are numbers in host order. */
struct dhcp_route {
	uint32_t net;
	uint8_t prefix;
	uint32_t gateway; /* 0: its hosts are on the link */
};

struct dhcp_config {
	uint16_t mtu;              /* option 26, 576 and up; 0: none that we could keep to */
	char domain[HOST_MAX + 1]; /* option 15, a valid host name without a dot at the end; "": none */
	bool has_routes;           /* option 121 or 249 was there and well-formed: then routers (option 3) do not count */
	unsigned nroutes;
	struct dhcp_route routes[DHCP_ROUTES_MAX]; /* the longest prefix first */
};

/* Read the DHCP message @m (RFC 2131 2, from "op" on; options may continue in "file" and "sname" and be split, RFC 3396).
 * @lease: it is an OFFER or an ACK. Returns 0, or VE_PROTO with *ret untouched if nobody should believe it: it is cut off or
 * too long, its cookie is wrong, or, with @lease, its address and mask are no host's. An option that is damaged counts as
 * not given. */
int dhcp_config_parse(struct slice m, bool lease, struct dhcp_config *ret);

/* The route to @to, NULL: none of these. */
const struct dhcp_route *dhcp_config_route(const struct dhcp_config *c, uint32_t to);

/* Lease, T1 and T2 in seconds as a server gave them, 0: not given, UINT32_MAX: for ever. Make of them what RFC 2131 4.4.5
 * wants: T1 < T2 < lease; and bear with servers that forget the lease or give one too short to be renewed. */
void dhcp_lease_times(uint32_t *lease_s, uint32_t *t1_s, uint32_t *t2_s);

/* The shortest wait between two tries to renew a lease of @lease_s seconds. */
uint32_t dhcp_retry_s(uint32_t lease_s);

#endif
