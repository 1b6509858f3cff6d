/* SPDX-License-Identifier: GPL-3.0-or-later */
/* netstack_int.h - what the files of netstack/ (and their tests) share, and nobody else includes. */
#ifndef NETSTACK_NETSTACK_INT_H
#define NETSTACK_NETSTACK_INT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/addr.h"
#include "core/bytes.h"
#include "core/err.h"
#include "core/limits.h"
#include "core/link.h"
#include "netstack/dhcp_options.h"
#include "netstack/list.h"
#include "netstack/netstack.h"
#include "netstack/resolve.h"

#include "lwip/ip_addr.h"
#include "lwip/netif.h"
#include "lwip/pbuf.h"

struct flow;
struct raw_pcb;
struct tcp_pcb;
struct tcp_port;
struct udp_sock;

/* --- port.c --------------------------------------------------------------------------------------------- */

/* Milliseconds of a clock that never goes back. sys_now() is its lower half. */
uint64_t netstack_now(void);

/* Tests bring their own clock; NULL: the system's again. */
void netstack_clock_set(uint64_t (*now_ms)(void));

/* The largest packet that a segment of a new TCP connection may make, 0: what the link takes. */
void netstack_tcp_mtu_set(uint16_t mtu);

/* Where netstack_random() gets its bytes from; also draws the key of netstack_tcp_isn(). */
void netstack_random_set(void (*random)(void *ctx, void *to, size_t n), void *ctx);

/* SipHash-2-4 of @n bytes. */
uint64_t netstack_siphash(const uint8_t key[static 16], const uint8_t *p, size_t n);

/* Between our addresses and lwIP's. IP_NONE becomes IPv4 "any" and back. */
void ip_to_lwip(ip_addr_t *to, const struct ip *from);
struct ip ip_from_lwip(const ip_addr_t *from);

/* --- kinds of links ------------------------------------------------------------------------------------- */

/* What differs between a netif of Ethernet frames and one of IP packets. */
struct link_driver {
	/* Fill in the fields of a netif that was just added; its state is the struct netstack. */
	err_t (*init)(struct netif *n);
	/* A session is ready: ns->facts are new. Set link and address up. Returns 0 or VE_NOMEM. */
	int (*up)(struct netstack *ns);
	/* One frame, borrowed. */
	void (*input)(struct netstack *ns, struct slice frame);
	/* Is there an address that may be used now? */
	bool (*address)(struct netstack *ns, struct ip *ret);
	/* DHCP_WAIT_MS are over without one: say why, and what to do. */
	void (*no_address)(const struct netstack *ns, struct fault *f);
	/* Is the next hop to @remote somebody who has not answered so far? */
	bool (*hop_missing)(struct netstack *ns, const ip_addr_t *remote);
	/* Free what up() made, before the netif is removed. */
	void (*stop)(struct netstack *ns);
};

extern const struct link_driver link_ethernet, link_ip;

/* dhcp_lease.c: ask for an address, unless that is under way; returns 0 or VE_NOMEM. Give it back. Is there a server that
 * offers addresses and refuses them? */
int netstack_dhcp_start(struct netif *n);
void netstack_dhcp_stop(struct netif *n);
bool netstack_dhcp_refused(const struct netif *n);

/* The MTU for IPv4, from session and lease; after either has changed. */
void link_ethernet_set_mtu(struct netstack *ns);

/* Can packets go to the IPv4 address @to: on the link itself, by a route, or by the gateway? */
bool netstack_has_route4(struct netstack *ns, const ip_addr_t *to);

#define DNS_SERVERS_MAX 4u /* of each family; what DHCP and router advertisements carry in practice is two */
#define LOCAL_PORT_MIN 32768u
#define KNOWN_RTTS 64u /* hosts that are talked to at the same time; more only know less */

struct netstack {
	struct netstack_conf conf;
	struct netstack_stats stats;

	/* the link; owner is NULL while it is down */
	const struct link_owner *owner;
	const struct link_driver *driver; /* NULL before the first up() */
	struct link_facts facts;
	struct netif netif;
	bool ready;              /* up, and with an address */
	bool failed;             /* owner->failed() was called for this up() */
	struct ip address;       /* valid while ready, and the last one after */
	uint64_t address_by;     /* up and not ready: when to give up */
	bool link_news;          /* it came up: has it an address? */
	uint64_t unready_since;  /* not ready: since when */
	bool flows_given_up;     /* not ready: open flows have been closed already */
	struct ip dns4[DNS_SERVERS_MAX], dns6[DNS_SERVERS_MAX];
	char domain[HOST_MAX + 1]; /* that DHCP names, "": none */
	struct dhcp_config dhcp, dhcp_answer; /* of the last lease, and of the answer that is being looked at */
	ip4_addr_t hop4;           /* what netstack_hop4() has returned */
	struct raw_pcb *icmp4, *icmp6;

	/* who is running */
	unsigned depth;   /* calls into the stack that are under way */
	bool in_link_op;  /* the outermost of them is a link_ops call: the owner flushes by itself */
	bool kick;        /* frames went out since the owner was last told */
	bool dispatching; /* netstack_dispatch() is under way */

	/* flows, by what they wait for; each is in "all" and in some of the others */
	struct node all;
	struct node held;       /* for the link, oldest first */
	struct node connecting; /* for an address or a SYN-ACK, oldest first */
	struct node lingering;  /* freed by their owners, still sending; oldest first */
	struct node finishing;  /* our FIN is handed to lwIP */
	struct node ready_list; /* something to be delivered or reaped */
	struct node dirty;      /* something to be handed to lwIP */
	struct node acks;       /* an ACK or a window update is due at the end of the turn */
	struct node refused;    /* lwIP has something that the session had no room for */
	struct flow *current;   /* whose events are being delivered; NULL once it is freed */

	struct node ports;       /* all TCP ports of ours */
	struct node ports_ready; /* those that somebody has connected to */
	struct tcp_port *port_current; /* whose event is being delivered; NULL once it is freed */

	struct node udp;       /* all UDP sockets */
	struct node udp_ready; /* those that have something to tell */
	struct udp_sock *udp_current; /* whose events are being delivered; NULL once it is freed */

	size_t memory_used; /* of conf.memory, flow_window.c */
	struct known_rtt {
		struct ip ip;
		uint32_t ms;
		uint64_t at;
	} rtts[KNOWN_RTTS]; /* the shortest lately, by a hash of the address */

	struct resolver resolver;
	struct node races;        /* flow_race.c */
	struct node lookups;      /* lookup.c: those that have an answer to deliver */
};

/* --- netstack.c ----------------------------------------------------------------------------------------- */

/* Around everything that may make lwIP work. The outermost leave tells the owner to flush and arms the
 * timer. */
void netstack_enter(struct netstack *ns);
void netstack_leave(struct netstack *ns);

/* What the timer does: lwIP's timeouts, our own deadlines, dispatch. */
void netstack_tick(struct netstack *ns);

/* When netstack_tick() wants to be called, in milliseconds from now. */
uint64_t netstack_sleep(struct netstack *ns);

/* Copy a frame or packet into a pbuf, or NULL without memory. lwIP reads some header fields before it checks
 * lengths, so zeros stand behind short ones: at least up to @min bytes, which count as content, and 16 more,
 * which do not. */
struct pbuf *netstack_pbuf(struct slice from, size_t min);

/* Hand a packet of lwIP, whose IP header is at @ip_at, to the owner. Returns ERR_OK; ERR_MEM when the session
 * is full (TCP is noted for a retry, anything else counted as dropped); ERR_IF without a session or if it
 * does not fit. */
err_t netstack_output(struct netstack *ns, struct pbuf *p, size_t ip_at);

/* Name servers in the order to ask them. Returns how many. */
unsigned netstack_dns(struct netstack *ns, struct ip ret[static DNS_SERVERS_MAX]);

/* The domain to look for names without a dot in, NULL: none. */
const char *netstack_search(const struct netstack *ns);

bool netstack_has_ip4(const struct netstack *ns);

/* Do we have an IPv6 address that is good for more than this link? */
bool netstack_has_ip6(const struct netstack *ns);

/* The stack there is, or NULL. */
struct netstack *netstack_the_one(void);

/* --- flow_window.c -------------------------------------------------------------------------------------- */

/* What is left of the memory that all flows share, in bytes. */
size_t flow_memory_left(const struct netstack *ns);

/* --- flow_tcp.c, flow_connect.c ------------------------------------------------------------------------- */

void flow_link_ready(struct netstack *ns); /* start what was held, go on with what was open */
void flow_link_lost(struct netstack *ns);  /* what was connecting is held again */
void flow_give_up(struct netstack *ns);    /* the link stayed away for too long: close what was open */
void flow_deliver_all(struct netstack *ns);
void flow_push_all(struct netstack *ns);   /* hand what is dirty to lwIP */
void flow_retry_refused(struct netstack *ns);
void flow_tick(struct netstack *ns, uint64_t now);
uint64_t flow_deadline(const struct netstack *ns); /* the earliest of ours, UINT64_MAX: none */
void flow_free_lingering(struct netstack *ns);

/* The flow @to, which waits, gets the open connection of @from, which is to be freed. Returns false if that is gone. */
bool flow_take_over(struct flow *to, struct flow *from);

/* All addresses have failed. Frees the race. */
void flow_race_lost(struct flow *f, int err);

/* A TCP segment from @local_port to @remote did not get out: try again when there is room. @sent: lwIP
 * believes it did. */
void flow_on_refused(struct netstack *ns, uint16_t local_port, const ip_addr_t *remote, uint16_t remote_port, bool sent);

/* An ICMP error with code @err quotes a segment of ours to @remote with sequence number @seq. */
void flow_on_unreachable(struct netstack *ns, int err, const ip_addr_t *local, uint16_t local_port,
			 const ip_addr_t *remote, uint16_t remote_port, uint32_t seq);

/* From inside of lwIP: a flow for a connection that was made to a port of ours, open and without an owner;
 * nothing is told before flow_adopt(). NULL without memory, or at FLOWS_MAX. */
struct flow *flow_accept(struct netstack *ns, struct tcp_pcb *pcb);

/* Call @accepted, in which @f must be adopted or freed. */
void flow_offer(struct flow *f, const struct endpoint *from,
		void (*accepted)(void *ctx, struct flow *f, const struct endpoint *from), void *ctx);

/* --- listen.c ------------------------------------------------------------------------------------------- */

void listen_deliver_all(struct netstack *ns);

/* --- udp.c ---------------------------------------------------------------------------------------------- */

void udp_deliver_all(struct netstack *ns);

/* An ICMP error with code @err quotes a datagram from our @local_port to @to. */
void udp_on_unreachable(struct netstack *ns, int err, uint16_t local_port, const struct endpoint *to);

/* --- flow_race.c ---------------------------------------------------------------------------------------- */

struct race;

/* Connect @parent to one of @to, which are at least two. @parent hears by flow_take_over() or flow_race_lost(). Nothing
 * is started before the next race_tick(). Returns 0 or VE_NOMEM. */
int race_new(struct race **ret, struct netstack *ns, struct flow *parent, const struct ip_set *to, uint16_t port);
void race_free(struct race *r); /* NULL is fine */
void race_tick(struct netstack *ns, uint64_t now);
uint64_t race_deadline(const struct netstack *ns);

/* --- lookup.c ------------------------------------------------------------------------------------------- */

void lookup_deliver_all(struct netstack *ns);

#endif
