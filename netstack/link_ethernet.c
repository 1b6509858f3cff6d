/* SPDX-License-Identifier: GPL-3.0-or-later */
/* link_ethernet.c - a link of Ethernet frames: a port on a virtual hub (softether-protocol.md 11).
 *
 * We are an ordinary host on that segment: lwIP does ARP, DHCP with its renewals (dhcp_lease.c says
 * what a lease means), neighbour discovery and SLAAC; here is what it must be told. IPv6 is brought up beside IPv4 and nobody waits for it.
 *
 * The hub asks by ARP for every address it knows, every five seconds, from addresses of no subnet
 * (172.31.n.n); lwIP answers whoever asks. It floods frames to addresses it has not learned: those for others
 * end here, uncopied.
 *
 * VLAN. With conf.vlan all our frames carry that tag, and only those that carry it are for us. Without, tags of no
 * VLAN (id 0, a priority only) are taken, and others dropped.
 *
 * After a reconnect lwIP asks DHCP to confirm the address it had (INIT-REBOOT, RFC 2131 3.2). The address is
 * ready when that is through; flows bound to it go on meanwhile, as its lease has not ended. What ARP knew is
 * forgotten, as the gateway may have been replaced in the meantime. */
#include <string.h>

#include "netstack/netstack_int.h"

#include "lwip/dhcp.h"
#include "lwip/dhcp6.h"
#include "lwip/etharp.h"
#include "lwip/ethip6.h"
#include "lwip_hooks.h"

#define ETHERNET_MIN 60u  /* what a frame has at least on a wire; tunnels leave the padding out, lwIP wants it */
#define HEADER 14u
#define TAG 4u
#define TYPE_AT 12u
#define TYPE_VLAN 0x8100u
#define IP6_MTU_MIN 1280u /* RFC 8200 5 */
#define MTU_MIN 576u      /* what lwIP's DHCP wants, and every session has */

static struct netstack *stack_of(const struct netif *n)
{
	return n->state;
}

static bool is_static(const struct netstack *ns)
{
	return ns->conf.ip4.family == IP_V4;
}

static uint16_t header_size(const struct netstack *ns)
{
	return ns->conf.vlan != 0 ? HEADER + TAG : HEADER;
}

/* What a frame can hold, if the session says no less. */
static uint16_t session_mtu(const struct netstack *ns)
{
	uint16_t most = (uint16_t)(FRAME_MAX - header_size(ns)), mtu = ns->facts.mtu;

	return mtu > most ? most : mtu < MTU_MIN ? MTU_MIN : mtu;
}

void link_ethernet_set_mtu(struct netstack *ns)
{
	uint16_t mtu = session_mtu(ns);

	ns->netif.mtu = ns->dhcp.mtu != 0 && ns->dhcp.mtu < mtu ? ns->dhcp.mtu : mtu;
}

static err_t on_output(struct netif *n, struct pbuf *p)
{
	struct netstack *ns = stack_of(n);

	return netstack_output(ns, p, header_size(ns));
}

static err_t init(struct netif *n)
{
	n->name[0] = 's';
	n->name[1] = 'e';
	n->hostname = "softsocks";
	n->output = etharp_output;
	n->output_ip6 = ethip6_output;
	n->linkoutput = on_output;
	n->hwaddr_len = ETH_HWADDR_LEN;
	n->mtu = session_mtu(stack_of(n));
	n->flags = NETIF_FLAG_BROADCAST | NETIF_FLAG_ETHARP | NETIF_FLAG_ETHERNET | NETIF_FLAG_MLD6;
	return ERR_OK;
}

/* A new MAC address makes new IPv6 addresses; the same one keeps them. */
static void set_mac(struct netstack *ns)
{
	struct netif *n = &ns->netif;
	bool had_one = !ip6_addr_isinvalid(netif_ip6_addr_state(n, 0));

	if (memcmp(n->hwaddr, ns->facts.mac, ETH_HWADDR_LEN) == 0 && had_one)
		return;
	memcpy(n->hwaddr, ns->facts.mac, ETH_HWADDR_LEN);
	for (s8_t i = 0; i < LWIP_IPV6_NUM_ADDRESSES; i++)
		netif_ip6_addr_set_state(n, i, IP6_ADDR_INVALID);
	if (n->mtu6 >= IP6_MTU_MIN)
		netif_create_ip6_linklocal_address(n, 1);
}

static void set_static_address(struct netstack *ns)
{
	ip_addr_t ip, gateway;
	ip4_addr_t mask;
	uint8_t prefix = ns->conf.ip4_prefix;

	ip_to_lwip(&ip, &ns->conf.ip4);
	ip_to_lwip(&gateway, &ns->conf.gateway);
	ip4_addr_set_u32(&mask, prefix == 0 ? 0 : lwip_htonl(UINT32_MAX << (32 - prefix)));
	netif_set_addr(&ns->netif, ip_2_ip4(&ip), &mask, ip_2_ip4(&gateway));
}

static int up(struct netstack *ns)
{
	struct netif *n = &ns->netif;

	n->mtu6 = session_mtu(ns);
	link_ethernet_set_mtu(ns);
	set_mac(ns);
	netif_set_ip6_autoconfig_enabled(n, n->mtu6 >= IP6_MTU_MIN);
	etharp_cleanup_netif(n);
	if (is_static(ns))
		set_static_address(ns);
	if (n->mtu6 >= IP6_MTU_MIN && dhcp6_enable_stateless(n) != ERR_OK)
		return VE_NOMEM;
	netif_set_link_up(n); /* tells a DHCP client that has been running before */
	return is_static(ns) ? 0 : netstack_dhcp_start(n);
}

static bool is_for_us(const struct netstack *ns, const uint8_t *frame)
{
	bool to_group = frame[0] & 1;

	if (frame[6] & 1 || memcmp(frame + 6, ns->netif.hwaddr, ETH_HWADDR_LEN) == 0)
		return false; /* from a group, or from ourselves: a loop */
	return to_group || memcmp(frame, ns->netif.hwaddr, ETH_HWADDR_LEN) == 0;
}

static bool is_of_our_vlan(const struct netstack *ns, struct slice frame)
{
	if (load_be16(frame.p + TYPE_AT) != TYPE_VLAN)
		return ns->conf.vlan == 0;
	return frame.n >= HEADER + TAG && (load_be16(frame.p + HEADER) & 0xfffu) == ns->conf.vlan;
}

int32_t netstack_vlan(const struct netif *n)
{
	const struct netstack *ns = stack_of(n);

	return ns->conf.vlan != 0 ? ns->conf.vlan : -1;
}

static void input(struct netstack *ns, struct slice frame)
{
	struct pbuf *p;

	if (frame.n < FRAME_MIN || frame.n > FRAME_MAX) {
		ns->stats.dropped_in++;
		return;
	}
	ns->stats.frames_in++;
	ns->stats.bytes_in += frame.n;
	if (!is_for_us(ns, frame.p))
		return;
	if (!is_of_our_vlan(ns, frame)) {
		ns->stats.dropped_in++;
		return;
	}
	p = netstack_pbuf(frame, ETHERNET_MIN + TAG);
	if (!p || ns->netif.input(p, &ns->netif) != ERR_OK) {
		ns->stats.dropped_in++;
		if (p)
			pbuf_free(p);
	}
}

static bool address(struct netstack *ns, struct ip *ret)
{
	if (!is_static(ns) && !dhcp_supplied_address(&ns->netif))
		return false;
	*ret = ip_from_lwip(netif_ip_addr4(&ns->netif));
	return ret->family != IP_NONE;
}

static void no_address(const struct netstack *ns, struct fault *f)
{
	if (netstack_dhcp_refused(&ns->netif)) {
		fault_set(f, VE_ADDRESS,
			  "the DHCP server refuses the address that it has offered itself, for %u s: there may be two of "
			  "them in the hub; give an address with --ip4 A/N --gateway A --dns A",
			  DHCP_WAIT_MS / 1000);
		return;
	}
	fault_set(f, VE_ADDRESS,
		  "no DHCP answer in %u s: the hub has neither SecureNAT nor a bridged network with DHCP, or a policy "
		  "filters it; give an address with --ip4 A/N --gateway A --dns A",
		  DHCP_WAIT_MS / 1000);
}

const struct ip4_addr *netstack_hop4(struct netif *n, const struct ip4_addr *to)
{
	struct netstack *ns = stack_of(n);
	const struct dhcp_route *route;

	if (ip4_addr_net_eq(to, netif_ip4_addr(n), netif_ip4_netmask(n)) || ip4_addr_islinklocal(to))
		return to;
	route = dhcp_config_route(&ns->dhcp, lwip_ntohl(ip4_addr_get_u32(to)));
	if (!route)
		return ip4_addr_isany(netif_ip4_gw(n)) ? NULL : netif_ip4_gw(n);
	if (route->gateway == 0)
		return to;
	ip4_addr_set_u32(&ns->hop4, lwip_htonl(route->gateway));
	return &ns->hop4;
}

bool netstack_has_route4(struct netstack *ns, const ip_addr_t *to)
{
	return !(ns->netif.flags & NETIF_FLAG_ETHARP) || netstack_hop4(&ns->netif, ip_2_ip4(to));
}

static bool hop_missing(struct netstack *ns, const ip_addr_t *remote)
{
	struct netif *n = &ns->netif;
	const ip4_addr_t *hop = IP_IS_V4(remote) ? netstack_hop4(n, ip_2_ip4(remote)) : NULL, *found_ip;
	struct eth_addr *found_mac;

	return hop && etharp_find_addr(n, hop, &found_mac, &found_ip) < 0;
}

static void stop(struct netstack *ns)
{
	netstack_dhcp_stop(&ns->netif);
	dhcp6_disable(&ns->netif);
	dhcp6_cleanup(&ns->netif);
}

const struct link_driver link_ethernet = {
	.init = init,
	.up = up,
	.input = input,
	.address = address,
	.no_address = no_address,
	.hop_missing = hop_missing,
	.stop = stop,
};
