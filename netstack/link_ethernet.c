/* SPDX-License-Identifier: GPL-3.0-or-later */
/* link_ethernet.c - a link of Ethernet frames: a port on a virtual hub (softether-protocol.md 11).
 *
 * We are an ordinary host on that segment: lwIP does ARP, DHCP with its renewals, neighbour discovery and
 * SLAAC; here is what it must be told. IPv6 is brought up beside IPv4 and nobody waits for it.
 *
 * The hub asks by ARP for every address it knows, every five seconds, from addresses of no subnet
 * (172.31.n.n); lwIP answers whoever asks. It floods frames to addresses it has not learned: those for others
 * end here, uncopied.
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
#include "lwip/prot/dhcp.h"

#define ETHERNET_MIN 60u  /* what a frame has at least on a wire; tunnels leave the padding out, lwIP wants it */
#define IP_AT 14u
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

static err_t on_output(struct netif *n, struct pbuf *p)
{
	return netstack_output(stack_of(n), p, IP_AT);
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
	n->mtu = stack_of(n)->facts.mtu;
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
	if (n->mtu >= IP6_MTU_MIN)
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

static int start_dhcp(struct netif *n)
{
	const struct dhcp *d = netif_dhcp_data(n);

	if (d && d->state != DHCP_STATE_OFF)
		return 0;
	return dhcp_start(n) == ERR_OK ? 0 : VE_NOMEM;
}

static int up(struct netstack *ns)
{
	struct netif *n = &ns->netif;

	n->mtu = n->mtu6 = ns->facts.mtu < MTU_MIN ? MTU_MIN : ns->facts.mtu;
	set_mac(ns);
	netif_set_ip6_autoconfig_enabled(n, n->mtu >= IP6_MTU_MIN);
	etharp_cleanup_netif(n);
	if (is_static(ns))
		set_static_address(ns);
	if (n->mtu >= IP6_MTU_MIN && dhcp6_enable_stateless(n) != ERR_OK)
		return VE_NOMEM;
	netif_set_link_up(n); /* tells a DHCP client that has been running before */
	return is_static(ns) ? 0 : start_dhcp(n);
}

static bool is_for_us(const struct netstack *ns, const uint8_t *frame)
{
	bool to_group = frame[0] & 1;

	if (frame[6] & 1 || memcmp(frame + 6, ns->netif.hwaddr, ETH_HWADDR_LEN) == 0)
		return false; /* from a group, or from ourselves: a loop */
	return to_group || memcmp(frame, ns->netif.hwaddr, ETH_HWADDR_LEN) == 0;
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
	p = netstack_pbuf(frame, ETHERNET_MIN);
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
	(void)ns;
	fault_set(f, VE_ADDRESS,
		  "no DHCP answer in %u s: the hub has neither SecureNAT nor a bridged network with DHCP, or a policy "
		  "filters it; give an address with --ip4 A/N --gateway A --dns A",
		  DHCP_WAIT_MS / 1000);
}

static bool hop_missing(struct netstack *ns, const ip_addr_t *remote)
{
	struct netif *n = &ns->netif;
	const ip4_addr_t *hop, *found_ip;
	struct eth_addr *found_mac;

	if (!IP_IS_V4(remote))
		return false;
	hop = ip4_addr_net_eq(ip_2_ip4(remote), netif_ip4_addr(n), netif_ip4_netmask(n)) ? ip_2_ip4(remote) :
											     netif_ip4_gw(n);
	return etharp_find_addr(n, hop, &found_mac, &found_ip) < 0;
}

static void stop(struct netstack *ns)
{
	dhcp_release_and_stop(&ns->netif);
	dhcp_cleanup(&ns->netif);
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
