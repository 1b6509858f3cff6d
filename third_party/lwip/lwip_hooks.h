/* SPDX-License-Identifier: GPL-3.0-or-later */
/* lwip_hooks.h - what our lwIP build calls: in netstack/, mostly port.c (beside sys_now()), and in chksum.c next to this file. */
#ifndef SOFTSOCKS_LWIP_HOOKS_H
#define SOFTSOCKS_LWIP_HOOKS_H

#include <stdint.h>

struct dhcp;
struct ip4_addr;
struct ip_addr;
struct netif;
struct pbuf;

/* 32 unpredictable bits: DNS ids and ports, DHCP transaction ids, first local port. */
uint32_t netstack_random(void);

/* The initial sequence number of a connection, RFC 6528: a clock plus a keyed hash of the four values. */
uint32_t netstack_tcp_isn(const struct ip_addr *local_ip, uint16_t local_port, const struct ip_addr *remote_ip,
                          uint16_t remote_port);

/* The largest packet that a TCP segment is to make, on a link of @mtu. */
uint16_t netstack_tcp_mtu(uint16_t mtu);
#define LWIP_HOOK_TCP_MTU(outif, mtu) netstack_tcp_mtu(mtu)

/* The receive window that a connection starts with (netstack/flow_window.c, which opens it further). */
uint16_t netstack_tcp_window(void);

/* An ACK for two or more segments in order is due on the connection of @flow, the PCB's callback argument. Not 0: it is sent
 * at the end of the turn (netstack/flow_window.c). */
int netstack_ack_later(void *flow);
#define LWIP_HOOK_TCP_ACK_LATER(pcb) netstack_ack_later((pcb)->callback_arg)

/* DHCP (netstack/dhcp_lease.c). Is the answer @p of that type to be believed? */
int netstack_dhcp_reply(struct netif *n, const struct pbuf *p, uint8_t type);
#define LWIP_HOOK_DHCP_REPLY(netif, p, type) netstack_dhcp_reply(netif, p, type)

/* The answer last believed begins a lease, or continues it. */
void netstack_dhcp_bound(struct netif *n, struct dhcp *d);
#define LWIP_HOOK_DHCP_BOUND(netif, dhcp) netstack_dhcp_bound(netif, dhcp)

/* The shortest wait between two tries to renew its lease. */
uint32_t netstack_dhcp_retry_s(const struct dhcp *d);

/* Who gets a packet to @to: itself, a router, or NULL: nobody (netstack/link_ethernet.c). Valid until the next call. */
const struct ip4_addr *netstack_hop4(struct netif *n, const struct ip4_addr *to);
#define LWIP_HOOK_ETHARP_GET_GW(netif, to) netstack_hop4(netif, to)

/* The 802.1Q tag of what is sent, -1: none. What comes in is sorted out before lwIP sees it. */
int32_t netstack_vlan(const struct netif *n);
#define LWIP_HOOK_VLAN_SET(netif, p, src, dst, type) netstack_vlan(netif)

/* An invariant of lwIP does not hold. Never returns: going on would mean memory nobody vouches for. */
_Noreturn void netstack_assert_failed(const char *msg, int line, const char *file);

/* The Internet checksum of len bytes, not inverted, in the byte order in which it is stored. */
uint16_t softsocks_chksum(const void *data, int len);

/* A connection that waits for the answer to its SYN got a RST without ACK. By RFC 9293, 3.10.7.3, that says nothing, and
 * lwIP drops it; @flow, the PCB's callback argument, may see a pattern. */
void netstack_bare_reset(void *flow);
#define LWIP_HOOK_TCP_INPACKET_PCB(pcb, hdr, optlen, opt1len, opt2, p)                                               \
	((pcb)->state == SYN_SENT && (TCPH_FLAGS(hdr) & (TCP_RST | TCP_ACK)) == TCP_RST                              \
	         ? (netstack_bare_reset((pcb)->callback_arg), ERR_OK)                                                 \
	         : ERR_OK)

#endif
