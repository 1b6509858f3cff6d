/* SPDX-License-Identifier: GPL-3.0-or-later */
/* dhcp_lease.c - what lwIP's DHCP client asks us about: whether to believe an answer, and what a lease means.
 *
 * An answer is read when it comes (netstack_dhcp_reply()), and counts when lwIP has decided that it is the ACK it was
 * waiting for (netstack_dhcp_bound(), inside the same call): for a first lease and for each renewal. Until then, and after
 * the lease is lost, what the last lease said stays.
 *
 * lwIP counts in seconds here (DHCP_COARSE_TIMER_SECS); its own unit, a minute, would miss T1 and T2 of a short lease. */
#include <string.h>

#include "core/log.h"
#include "netstack/dhcp_options.h"
#include "netstack/netstack_int.h"

#include "lwip/dhcp.h"
#include "lwip/prot/dhcp.h"
#include "lwip_hooks.h"

static struct netstack *stack_of(const struct netif *n)
{
	return n->state;
}

int netstack_dhcp_start(struct netif *n)
{
	const struct dhcp *d = netif_dhcp_data(n);

	if (d && d->state != DHCP_STATE_OFF)
		return 0;
	return dhcp_start(n) == ERR_OK ? 0 : VE_NOMEM;
}

void netstack_dhcp_stop(struct netif *n)
{
	dhcp_release_and_stop(n);
	dhcp_cleanup(n);
}

bool netstack_dhcp_refused(const struct netif *n)
{
	const struct dhcp *d = netif_dhcp_data(n);

	return d && d->naks > 1;
}

int netstack_dhcp_reply(struct netif *n, const struct pbuf *p, uint8_t type)
{
	struct netstack *ns = stack_of(n);
	uint8_t whole[FRAME_MAX];
	struct slice m = { .p = whole, .n = p->tot_len };
	bool lease = type == DHCP_OFFER || type == DHCP_ACK;

	if (m.n > sizeof(whole) || pbuf_copy_partial(p, whole, (u16_t)m.n, 0) != m.n ||
	    dhcp_config_parse(m, lease, &ns->dhcp_answer) != 0) {
		ns->stats.dropped_in++;
		return 0;
	}
	return 1;
}

/* lwIP leaves a timer as it was where the new lease has none. */
static void set_times(struct dhcp *d)
{
	dhcp_lease_times(&d->offered_t0_lease, &d->offered_t1_renew, &d->offered_t2_rebind);
	d->t0_timeout = d->t1_timeout = d->t2_timeout = d->t1_renew_time = d->t2_rebind_time = 0;
}

/* RFC 3442: with classless routes, the router option is ignored. A default route may be among them. */
static void set_gateway(const struct netstack *ns, struct dhcp *d)
{
	const ip4_addr_t *gateway = &d->offered_gw_addr;
	bool is_host = !ip4_addr_ismulticast(gateway) && !ip4_addr_isloopback(gateway) &&
		       ip4_addr_get_u32(gateway) != IPADDR_BROADCAST;

	if (ns->dhcp.has_routes || !is_host)
		ip4_addr_set_zero(&d->offered_gw_addr);
}

static void set_domain(struct netstack *ns)
{
	if (strcmp(ns->domain, ns->dhcp.domain) == 0)
		return;
	memcpy(ns->domain, ns->dhcp.domain, sizeof(ns->domain));
	resolve_forget(ns);
}

void netstack_dhcp_bound(struct netif *n, struct dhcp *d)
{
	struct netstack *ns = stack_of(n);

	ns->dhcp = ns->dhcp_answer;
	set_times(d);
	set_gateway(ns, d);
	set_domain(ns);
	link_ethernet_set_mtu(ns);
	log_debug("dhcp: lease of %u s, renewed after %u s; %u routes, MTU %u, domain \"%s\"",
		  (unsigned)d->offered_t0_lease, (unsigned)d->offered_t1_renew, ns->dhcp.nroutes, (unsigned)n->mtu,
		  ns->domain);
}

uint32_t netstack_dhcp_retry_s(const struct dhcp *d)
{
	return dhcp_retry_s(d->t0_timeout);
}
