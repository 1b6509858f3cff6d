/* SPDX-License-Identifier: GPL-3.0-or-later */
/* ipv6cp.h - the IPv6 Control Protocol: RFC 5072; sstp-protocol.md 5.6. It agrees on two interface
 * identifiers and on nothing else: addresses come by router advertisement, on the link. */
#ifndef CORE_SSTP_IPV6CP_H
#define CORE_SSTP_IPV6CP_H

#include "core/sstp/ppp_fsm.h"

#define IPV6CP_IID 8u
#define IPV6CP_OPTIONS 1u

struct ipv6cp {
	struct ppp_fsm fsm;
	uint8_t iid[IPV6CP_IID];  /* ours */
	uint8_t peer[IPV6CP_IID]; /* zeros: it named none */
};

extern const struct ppp_option ipv6cp_options[IPV6CP_OPTIONS];
void ipv6cp_begin(struct ppp_fsm *f);

/* @ops is the owner's table with ipv6cp_options and ipv6cp_begin. */
void ipv6cp_init(struct ipv6cp *c, const struct ppp_fsm_ops *ops, struct ppp_link *link);

#endif
