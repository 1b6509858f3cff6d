/* SPDX-License-Identifier: GPL-3.0-or-later */
/* ipcp.h - the IP Control Protocol: RFC 1332, name servers of RFC 1877; sstp-protocol.md 5.5. */
#ifndef CORE_SSTP_IPCP_H
#define CORE_SSTP_IPCP_H

#include "core/sstp/ppp_fsm.h"

enum { IPCP_ADDRESS, IPCP_DNS1, IPCP_NBNS1, IPCP_DNS2, IPCP_NBNS2, IPCP_VALUES };

struct ipcp {
	struct ppp_fsm fsm;
	uint8_t value[IPCP_VALUES][4]; /* what we ask for; after "up", what we have; zeros: none */
	uint8_t peer[4];               /* the server's own address */
	struct ip forbidden;           /* the server's own outer address: not one for us; IP_NONE: unknown */
	struct fault fault;            /* why there is no address, when it is more than silence */
};

extern const struct ppp_option ipcp_options[IPCP_VALUES];

/* @ops is the owner's table with ipcp_options. */
void ipcp_init(struct ipcp *c, const struct ppp_fsm_ops *ops, struct ppp_link *link,
	       const struct ip *forbidden);

/* Once up: check the address and write it and the name servers (no duplicates, none that cannot be one) to
 * @facts. Returns 0, or VE_ADDRESS with c->fault set. */
int ipcp_result(struct ipcp *c, struct link_facts *facts);

/* Does an interface address of ours look like this? Not 0/8, 127/8, 224/4 and above. */
bool ipcp_is_usable(const uint8_t a[static 4]);

#endif
