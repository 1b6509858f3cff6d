/* SPDX-License-Identifier: GPL-3.0-or-later */
/* link_ip.c - a link of bare IP packets to one peer, the server: no neighbours, no DHCP.
 *
 * The session has negotiated the IPv4 address, which is alone in its /32: everything goes to the peer. For
 * IPv6 there is an interface identifier only (RFC 5072); the link-local address is made from it and needs no
 * check for duplicates, as the two ends have just agreed that theirs differ. Anything wider comes from the
 * peer's router advertisements. */
#include <string.h>

#include "netstack/netstack_int.h"

#include "lwip/dhcp6.h"

#define IP4_MIN 20u
#define IP6_MIN 40u
#define IP6_MTU_MIN 1280u

static err_t on_output4(struct netif *n, struct pbuf *p, const ip4_addr_t *to)
{
	(void)to;
	return netstack_output(n->state, p, 0);
}

static err_t on_output6(struct netif *n, struct pbuf *p, const ip6_addr_t *to)
{
	(void)to;
	return netstack_output(n->state, p, 0);
}

static err_t init(struct netif *n)
{
	const struct netstack *ns = n->state;

	n->name[0] = 's';
	n->name[1] = 'p';
	n->output = on_output4;
	n->output_ip6 = on_output6;
	n->mtu = ns->facts.mtu;
	n->flags = NETIF_FLAG_MLD6;
	return ERR_OK;
}

static bool has_ip6(const struct netstack *ns)
{
	return ns->facts.has_ip6_iid && ns->netif.mtu >= IP6_MTU_MIN;
}

static void set_ip4(struct netstack *ns)
{
	const struct ip *ip = ns->conf.ip4.family == IP_V4 ? &ns->conf.ip4 : &ns->facts.ip4;
	ip_addr_t a;
	ip4_addr_t mask;

	ip_to_lwip(&a, ip);
	ip4_addr_set_u32(&mask, UINT32_MAX);
	netif_set_addr(&ns->netif, ip_2_ip4(&a), &mask, NULL);
}

/* The identifier of the last session keeps the addresses made from it. */
static void set_ip6(struct netstack *ns)
{
	struct netif *n = &ns->netif;
	struct ip local = { .family = IP_V6, .b = { 0xfe, 0x80 } };
	ip_addr_t a;

	memcpy(local.b + 8, ns->facts.ip6_iid, 8);
	ip_to_lwip(&a, &local);
	if (has_ip6(ns) && netif_get_ip6_addr_match(n, ip_2_ip6(&a)) == 0)
		return;
	for (s8_t i = 0; i < LWIP_IPV6_NUM_ADDRESSES; i++)
		netif_ip6_addr_set_state(n, i, IP6_ADDR_INVALID);
	if (!has_ip6(ns))
		return;
	netif_ip6_addr_set(n, 0, ip_2_ip6(&a));
	netif_ip6_addr_set_state(n, 0, IP6_ADDR_PREFERRED);
}

static int up(struct netstack *ns)
{
	struct netif *n = &ns->netif;

	n->mtu = n->mtu6 = ns->facts.mtu;
	memset(ns->dns4, 0, sizeof(ns->dns4));
	memcpy(ns->dns4, ns->facts.dns, sizeof(ns->facts.dns));
	set_ip4(ns);
	set_ip6(ns);
	netif_set_ip6_autoconfig_enabled(n, has_ip6(ns));
	if (has_ip6(ns) && dhcp6_enable_stateless(n) != ERR_OK)
		return VE_NOMEM;
	netif_set_link_up(n);
	return 0;
}

static void input(struct netstack *ns, struct slice packet)
{
	unsigned version = packet.n > 0 ? packet.p[0] >> 4 : 0;
	size_t min = version == 4 ? IP4_MIN : IP6_MIN;
	struct pbuf *p;

	if ((version != 4 && version != 6) || packet.n < min || packet.n > FRAME_MAX) {
		ns->stats.dropped_in++;
		return;
	}
	ns->stats.frames_in++;
	ns->stats.bytes_in += packet.n;
	p = netstack_pbuf(packet, min);
	if (!p || ns->netif.input(p, &ns->netif) != ERR_OK) {
		ns->stats.dropped_in++;
		if (p)
			pbuf_free(p);
	}
}

static bool address(struct netstack *ns, struct ip *ret)
{
	*ret = ip_from_lwip(netif_ip_addr4(&ns->netif));
	for (s8_t i = 1; i < LWIP_IPV6_NUM_ADDRESSES && ret->family == IP_NONE; i++)
		if (ip6_addr_isvalid(netif_ip6_addr_state(&ns->netif, i)))
			*ret = ip_from_lwip(netif_ip_addr6(&ns->netif, i));
	return ret->family != IP_NONE;
}

static void no_address(const struct netstack *ns, struct fault *f)
{
	fault_set(f, VE_ADDRESS,
		  "the server gave no IPv4 address, and %s; give one with --ip4 A/32 if the server lets you",
		  has_ip6(ns) ? "no router in the tunnel offers an IPv6 prefix" : "IPv6 was not agreed on");
}

static bool hop_missing(struct netstack *ns, const ip_addr_t *remote)
{
	(void)ns, (void)remote;
	return false;
}

static void stop(struct netstack *ns)
{
	dhcp6_disable(&ns->netif);
	dhcp6_cleanup(&ns->netif);
}

const struct link_driver link_ip = {
	.init = init,
	.up = up,
	.input = input,
	.address = address,
	.no_address = no_address,
	.hop_missing = hop_missing,
	.stop = stop,
};
