/* SPDX-License-Identifier: GPL-3.0-or-later */
/* lwipopts.h - how lwIP is built here.
 *
 * One thread, no operating-system layer, the raw callback API only, memory from malloc. lwIP's defaults are for
 * devices with kilobytes of memory on a LAN; these are for a proxy with up to ten thousand flows whose segments come
 * out of a tunnel. Every value stands with its reason. */
#ifndef SOFTSOCKS_LWIPOPTS_H
#define SOFTSOCKS_LWIPOPTS_H

/* ---- system ---- */
#define NO_SYS 1                        /* one thread: everything runs in the event loop */
#define SYS_LIGHTWEIGHT_PROT 0          /* hence nothing to protect */
#define LWIP_NETCONN 0                  /* raw API only */
#define LWIP_SOCKET 0
#define LWIP_TIMERS 1                   /* netstack calls sys_check_timeouts() from one timer of the loop */
#define PPP_SUPPORT 0                   /* PPP is our own, in core/sstp; lwIP's has faults a server can trigger */
#define LWIP_HOOK_FILENAME "lwip_hooks.h"

/* ---- memory ----
 * Everything comes from malloc: the MEMP_NUM_* counts do not bound anything then. netstack bounds the number of flows,
 * and every queue below has a bound of its own per flow or per table. */
#define MEM_LIBC_MALLOC 1               /* no static heap: memory follows the number of flows */
#define MEMP_MEM_MALLOC 1               /* no static pools: ten thousand PCBs would be there from the start */
#define MEM_ALIGNMENT 8                 /* pointers */
#define MEMP_NUM_TCP_PCB 16384          /* documents the flow limit; see above */
#define MEMP_NUM_UDP_PCB 4096
/* Packets that wait for ARP or ND are copies. Flows give tcp_write() references to memory that they free on the peer's
 * ACK, and a peer can acknowledge what it has not seen: a queue that referred to it would send freed memory. */
#define PBUF_NEEDS_COPY(p) 1
#define PBUF_LINK_HLEN 18               /* an Ethernet header with a tag in front of every packet we make; SSTP does without */

/* ---- links ---- */
#define LWIP_SINGLE_NETIF 0             /* after a reconnect the old link may still be there for a moment */
#define LWIP_ETHERNET 1
#define ETH_PAD_SIZE 0                  /* frames are handed over as they lie in the session's buffer */
#define LWIP_NETIF_HOSTNAME 1           /* DHCP tells the server who we are */
#define LWIP_NETIF_STATUS_CALLBACK 1    /* readiness: an address has come or gone */
#define LWIP_NETIF_EXT_STATUS_CALLBACK 1
#define LWIP_NETIF_LINK_CALLBACK 1
#define LWIP_NETIF_HWADDRHINT 1         /* each flow remembers its ARP entry: no table search per packet */
#define LWIP_NETIF_TX_SINGLE_PBUF 0     /* links take chains; referenced payload need not be copied */
#define LWIP_NETIF_LOOPBACK 0           /* packets to our own tunnel address are not delivered locally */

/* ---- ARP and Ethernet ---- */
#define LWIP_ARP 1
#define ARP_TABLE_SIZE 32               /* hosts of the hub spoken to directly at the same time; the rest goes to the gateway */
#define ARP_QUEUEING 1                  /* a SYN or a DNS query must not be lost while its next hop is being looked up */
#define ARP_QUEUE_LEN 256               /* packets per entry: what HELD_MAX requests send when the link comes, all to one gateway */
#define ETHARP_SUPPORT_STATIC_ENTRIES 1
#define ETHARP_SUPPORT_VLAN 1           /* --vlan; netstack_vlan() */

/* ---- IPv4 ---- */
#define LWIP_IPV4 1
#define IP_FORWARD 0                    /* never a router */
#define IP_DEFAULT_TTL 64               /* RFC 1122 and what every desktop system sends; lwIP's is 255 */
#define IP_REASSEMBLY 1                 /* large UDP answers */
#define IP_REASS_MAX_PBUFS 256          /* all fragments waiting, IPv4 and IPv6 each: about five full-size datagrams of 64 KiB */
#define IP_REASS_MAXAGE 15              /* seconds */
#define IP_FRAG 1
#define LWIP_ICMP 1
#define LWIP_RAW 1                      /* ICMP errors and echo can be received; costs one compare per packet when unused */
#define LWIP_IGMP 0                     /* no multicast through a proxy */
#define SO_REUSE 1                      /* a -R listener comes back while old connections of its port are in TIME_WAIT */

/* ---- DHCP ---- */
#define LWIP_DHCP 1
#define LWIP_DHCP_DOES_ACD_CHECK 0      /* probing the offered address takes seconds; the server vouches for its lease */
#define LWIP_ACD 0
#define LWIP_AUTOIP 0
#define LWIP_DHCP_MAX_DNS_SERVERS 4
#define LWIP_DHCP_GET_NTP_SRV 0
#define DHCP_COARSE_TIMER_SECS 1        /* unit of a lease's times; lwIP's minute would miss T1 and T2 of a short one */
#define DHCP_TIMEOUT_SIZE_T u32_t       /* 16 bits would end a lease of a day after 18 hours */
/* Classless routes (RFC 3442, which wants them in front of the router; and Microsoft's number for them), then domain, MTU,
 * and the times of the lease. */
#define DHCP_FIRST_REQUEST_OPTIONS 121, 249,
#define DHCP_ADD_EXTRA_REQUEST_OPTIONS , 15, 26, 51, 58, 59
/* What lwIP computes from a lease, without rounding to minutes; netstack_dhcp_bound() has seen to the values. */
#define DHCP_DEFINE_CUSTOM_TIMEOUTS
#define DHCP_SET_TIMEOUT_FROM_OFFERED_T0_LEASE(ret, dhcp)  ((ret) = (dhcp)->offered_t0_lease)
#define DHCP_SET_TIMEOUT_FROM_OFFERED_T1_RENEW(ret, dhcp)  ((ret) = (dhcp)->offered_t1_renew)
#define DHCP_SET_TIMEOUT_FROM_OFFERED_T2_REBIND(ret, dhcp) ((ret) = (dhcp)->offered_t2_rebind)
#define DHCP_NEXT_TIMEOUT_THRESHOLD netstack_dhcp_retry_s(dhcp) /* RFC 2131's 60 s would be a short lease's whole life */
#define DHCP_REQUEST_BACKOFF_SEQUENCE(tries) (u16_t)(((tries) < 6 ? 1 << (tries) : 60) * 1000)

/* ---- DNS ----
 * Names are resolved by netstack/resolve.c. Of lwIP's client only the table of servers is used, which DHCP, DHCPv6 and
 * router advertisements fill. */
#define LWIP_DNS 1
#define DNS_MAX_SERVERS 4
#define DNS_TABLE_SIZE 1                /* the smallest there is */

/* ---- IPv6 ---- */
#define LWIP_IPV6 1
#define LWIP_IPV6_NUM_ADDRESSES 4       /* link-local, one or two prefixes, one static */
#define LWIP_IPV6_AUTOCONFIG 1          /* SLAAC */
#define LWIP_IPV6_SEND_ROUTER_SOLICIT 1
#define LWIP_IPV6_DUP_DETECT_ATTEMPTS 1
#define LWIP_IPV6_DHCP6 1               /* stateless: DNS servers that are not in the router advertisement */
#define LWIP_IPV6_DHCP6_STATELESS 1
#define LWIP_IPV6_DHCP6_STATEFUL 0
#define LWIP_DHCP6_MAX_DNS_SERVERS 4
#define LWIP_ND6_RDNSS_MAX_DNS_SERVERS 4
#define LWIP_IPV6_FORWARD 0
#define LWIP_IPV6_FRAG 1
#define LWIP_IPV6_REASS 1
#define IPV6_FRAG_COPYHEADER 1          /* with 64-bit pointers the bookkeeping does not fit into a fragment header */
#define LWIP_IPV6_MLD 1                 /* switches with snooping deliver neighbour solicitations only to members */
#define LWIP_ND6_QUEUEING 1
#define MEMP_NUM_ND6_QUEUE 256          /* as ARP_QUEUE_LEN, for all neighbours together */
#define LWIP_ND6_NUM_NEIGHBORS 32       /* as ARP_TABLE_SIZE */
#define LWIP_ND6_NUM_DESTINATIONS 64
#define LWIP_ND6_NUM_ROUTERS 3
#define LWIP_ND6_NUM_PREFIXES 5

/* ---- UDP ---- */
#define LWIP_UDP 1

/* ---- TCP: sizes ----
 * A window is what a flow can carry per round trip: 8 MiB are 670 Mbit/s at 100 ms. These are the largest ones, and
 * lwIP's own bookkeeping follows them; how much of them a flow gets, and when, is decided in netstack/flow_window.c. */
#define LWIP_TCP 1
#define TCP_MSS 1546                    /* the largest frame a hub passes, FRAME_MAX; links with less say so in their MTU */
#define LWIP_WND_SCALE 1
#define TCP_RCV_SCALE 8                 /* the smallest shift that can announce 8 MiB */
#define TCP_WND (8 * 1024 * 1024)       /* receive window, bytes per flow; FLOW_WINDOW_MAX */
#define TCP_WND_START netstack_tcp_window() /* where it starts (our patch 0012): at most what needs no scaling */
#define TCP_SND_BUF (8 * 1024 * 1024)   /* send buffer, bytes per flow; FLOW_SEND_MAX */
#define TCP_SND_QUEUELEN (4 * (TCP_SND_BUF / TCP_MSS)) /* pbufs; header and payload are one each, half-full segments twice that */
#define MEMP_NUM_TCP_SEG TCP_SND_QUEUELEN
#define TCP_SNDLOWAT (32 * 1024)        /* only lwIP's own sockets use it, but it is checked */
#define TCP_WND_UPDATE_THRESHOLD (16 * 1024) /* used by tcp_recved(), which we do not call; but it is checked */

#define TCP_OUTPUT_QUANTUM (64 * 1024)  /* of one connection's turn (our patch 0015): netstack gives the next to another */

/* ---- TCP: loss ----
 * A TCP tunnel loses nothing, but the network behind the server may, and so does UDP acceleration. */
#define TCP_QUEUE_OOSEQ 1
/* Out-of-order data kept per flow: each segment of it walks the queue, so not all of a large window; and a number of
 * segments in proportion, because the cost of small ones is not their bytes. */
#define TCP_OOSEQ_BYTES_LIMIT(pcb) LWIP_MIN((pcb)->rcv_wnd, 1024 * 1024)
#define TCP_OOSEQ_PBUFS_LIMIT(pcb) ((u16_t)(TCP_OOSEQ_BYTES_LIMIT(pcb) / 1024 + 16))
#define LWIP_TCP_SACK_OUT 1             /* tell the sender what arrived; what we are told is used (our patch 0020) */
#define LWIP_TCP_MAX_SACK_NUM 4
#define LWIP_TCP_TIMESTAMPS 0           /* lwIP neither measures nor protects with them: 12 bytes per segment for nothing */
/* RFC 6928: start with ten segments. */
#define LWIP_TCP_CALC_INITIAL_CWND(mss) LWIP_MIN(10U * (mss), LWIP_MAX(2U * (mss), 14600U))

/* ---- TCP: time ----
 * Every 100 ms a fast tick (delayed ACKs), every 200 ms a slow one, in which all other timers count. The shortest
 * retransmission timeout is three slow ticks, 0.4 to 0.6 s: above the 200 ms some systems delay an ACK. Timers stop
 * while there is no connection. Units that change with it: tcp_poll() intervals are slow ticks (200 ms, not 500 ms),
 * and so is the table of zero-window probes (0.6 s to 24 s). */
#define TCP_TMR_INTERVAL 100
#define LWIP_TCP_RTO_TIME 1000          /* first retransmission after 1 s (RFC 6298); lwIP's is 3 s */
#define TCP_MAXRTX 12
#define TCP_SYNMAXRTX 12                /* one SYN a second, so twelve seconds until a connection is given up; the default is six */
#define TCP_MSL 5000                    /* TIME_WAIT of 10 s instead of 120: local ports are ours alone, and at 10,000 flows they matter */
#define TCP_LAST_ACK_TIMEOUT (120 * 1000) /* but a peer that still has data to take may pause as long as usual (our patch 0003) */

/* ---- TCP: the rest ---- */
#define LWIP_HOOK_TCP_ISN(lip, lport, rip, rport) netstack_tcp_isn(lip, lport, rip, rport) /* RFC 6528 */
#define LWIP_RANDOMIZE_INITIAL_LOCAL_PORTS 1
#define LWIP_TCP_KEEPALIVE 1
#define TCP_LISTEN_BACKLOG 1            /* -R: a listener does not take more than its front-end accepts */
#define LWIP_SO_LINGER 0

/* ---- checksums: all are made and all are verified ---- */
#define LWIP_CHKSUM softsocks_chksum    /* five times as fast as lwIP's own: chksum.c */

/* ---- counters, not their printing ---- */
#define LWIP_STATS 1
#define LWIP_STATS_LARGE 1              /* 32 bits */
#define LWIP_STATS_DISPLAY 0
#define MEM_STATS 0                     /* malloc has none, */
#define MEMP_STATS 0                    /* nor have pools that are malloc */

#endif
