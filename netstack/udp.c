/* SPDX-License-Identifier: GPL-3.0-or-later */
/* udp.c - sockets on lwIP's UDP, see udp.h.
 *
 * Theory of operation
 *
 * A socket is one PCB that is bound to a port and to no address: IPv4 and IPv6 come and go through it, and a link that
 * goes away, or comes back with another address, is nothing it has to hear of.
 *
 * lwIP's callback copies a datagram into the socket's queue and puts the socket on udp_ready; netstack_dispatch() tells
 * the owner when lwIP has returned (netstack.c), so owners may do anything. What finds the queue full is dropped and
 * counted. Queues live from one batch of frames to its end: what a socket may hold is what a batch may bring, and all
 * sockets together never hold more than that, however many there are.
 *
 * Sending hands lwIP a copy, which goes out, or into ARP's or ND's small queue for its next hop, or is dropped because the
 * session is full. lwIP does not pass on what became of fragments, so a drop is seen by the counter that moves. Fragments
 * of one datagram that went out before are lost with it; UDP promises no more.
 *
 * An ICMP error names a datagram of ours by its addresses and ports, which anybody can write. It counts if we have sent to
 * that address lately (the last PEERS_KEPT different ones are remembered), and is queued like a datagram: events come in
 * the order in which things happened. */
#include "netstack/udp.h"

#include <stdlib.h>
#include <string.h>

#include "core/err.h"
#include "lwip_hooks.h"
#include "netstack/netstack_int.h"

#include "lwip/nd6.h"
#include "lwip/udp.h"

#define PORT_TRIES 16u /* random ports until the first free one is good enough */
#define PEERS_KEPT 16u
#define MULTICAST_HOPS 1u /* not beyond the private network's first router, as every system's default has it */
#define PORT_DHCP 68u     /* lwIP's own, and */
#define PORT_DHCP6 546u   /* it does not ask whether they are free */
#define UDP_BYTES_MAX4 65507u
#define UDP_BYTES_MAX6 65487u /* lwIP counts the IP header, too, in 16 bits */

/* Something to be told: a datagram, or an error about one. */
struct notice {
	struct node node;
	struct endpoint who;
	int err; /* 0: a datagram */
	size_t n;
	uint8_t bytes[];
};

struct udp_sock {
	struct netstack *ns;
	const struct udp_events *ev;
	void *ctx;
	struct udp_pcb *pcb;
	struct node all;   /* of ns->udp */
	struct node ready; /* of ns->udp_ready */
	struct node queue; /* of notices, oldest first */
	size_t queued;     /* bytes of memory in it */
	struct endpoint peers[PEERS_KEPT]; /* whom we have sent to; family IP_NONE: free */
	unsigned next_peer;
};

#define sock_of(n, member) list_entry(n, struct udp_sock, member)

/* --- receiving ------------------------------------------------------------------------------------------ */

/* Room for a notice with @n bytes, or NULL when the queue is full or there is no memory. */
static struct notice *new_notice(struct udp_sock *u, size_t n)
{
	size_t size = sizeof(struct notice) + n;
	struct notice *d = size <= UDP_QUEUE_MAX - u->queued ? malloc(size) : NULL;

	if (!d) {
		u->ns->stats.dropped_in++;
		return NULL;
	}
	*d = (struct notice){ .n = n };
	list_init(&d->node);
	return d;
}

static void put_notice(struct udp_sock *u, struct notice *d)
{
	u->queued += sizeof(*d) + d->n;
	list_move_last(&u->queue, &d->node);
	if (!list_linked(&u->ready))
		list_move_last(&u->ns->udp_ready, &u->ready);
}

static struct notice *take_notice(struct udp_sock *u)
{
	struct notice *d = list_entry(u->queue.next, struct notice, node);

	list_del(&d->node);
	u->queued -= sizeof(*d) + d->n;
	return d;
}

static void on_datagram(void *arg, struct udp_pcb *pcb, struct pbuf *p, const ip_addr_t *from, u16_t port)
{
	struct udp_sock *u = arg;
	struct notice *d = new_notice(u, p->tot_len);

	(void)pcb;
	if (d) {
		pbuf_copy_partial(p, d->bytes, p->tot_len, 0);
		d->who = (struct endpoint){ .ip = ip_from_lwip(from), .port = port };
		if (d->who.ip.family == IP_NONE) /* 0.0.0.0 */
			d->who.ip.family = IP_V4;
		put_notice(u, d);
	}
	pbuf_free(p);
}

static void tell(struct udp_sock *u, const struct notice *d)
{
	if (d->err != 0)
		u->ev->unreachable(u->ctx, &d->who, d->err);
	else
		u->ev->received(u->ctx, &d->who, (struct slice){ .p = d->bytes, .n = d->n });
}

static void deliver(struct udp_sock *u)
{
	struct netstack *ns = u->ns;

	ns->udp_current = u;
	while (ns->udp_current == u && !list_empty(&u->queue)) {
		struct notice *d = take_notice(u);

		tell(u, d);
		free(d);
	}
	ns->udp_current = NULL;
}

void udp_deliver_all(struct netstack *ns)
{
	struct node batch;

	list_init(&batch);
	list_take_all(&batch, &ns->udp_ready);
	while (!list_empty(&batch)) {
		struct udp_sock *u = sock_of(batch.next, ready);

		list_del(&u->ready);
		deliver(u);
	}
}

/* --- ICMP ----------------------------------------------------------------------------------------------- */

static bool knows_peer(const struct udp_sock *u, const struct endpoint *to)
{
	for (unsigned i = 0; i < PEERS_KEPT; i++)
		if (endpoint_equal(&u->peers[i], to))
			return true;
	return false;
}

static void remember_peer(struct udp_sock *u, const struct endpoint *to)
{
	if (knows_peer(u, to))
		return;
	u->peers[u->next_peer] = *to;
	u->next_peer = (u->next_peer + 1) % PEERS_KEPT;
}

void udp_on_unreachable(struct netstack *ns, int err, uint16_t local_port, const struct endpoint *to)
{
	for (struct node *n = ns->udp.next; n != &ns->udp; n = n->next) {
		struct udp_sock *u = sock_of(n, all);
		struct notice *d;

		if (u->pcb->local_port != local_port)
			continue;
		if (!u->ev->unreachable || !knows_peer(u, to))
			return;
		d = new_notice(u, 0);
		if (d) {
			d->who = *to;
			d->err = err;
			put_notice(u, d);
		}
		return;
	}
}

/* --- sending -------------------------------------------------------------------------------------------- */

/* Multicast and broadcast are allowed: who asks a whole network for a service gets answers to this port. */
static int check4(struct netstack *ns, const ip_addr_t *to)
{
	const ip4_addr_t *a = ip_2_ip4(to);
	const struct netif *n = &ns->netif;
	bool many = ip4_addr_ismulticast(a) || ip4_addr_isbroadcast(a, n);

	if (ip4_addr_isany(netif_ip4_addr(n)) || ip4_addr_eq(a, netif_ip4_addr(n)))
		return VE_NETUNREACH;
	if (ip4_addr1(a) == 0 || ip4_addr1(a) == 127 || (ip4_addr1(a) >= 240 && !many))
		return VE_NETUNREACH;
	if (!many && !netstack_has_route4(ns, to))
		return VE_NETUNREACH;
	return 0;
}

static int check6(struct netstack *ns, ip_addr_t *to)
{
	ip6_addr_t *a = ip_2_ip6(to);
	bool far = !ip6_addr_islinklocal(a) && !ip6_addr_ismulticast(a);

	ip6_addr_assign_zone(a, IP6_UNKNOWN, &ns->netif);
	if (ip6_addr_isany(a) || ip6_addr_isloopback(a) || ip6_addr_isipv4mappedipv6(a))
		return VE_NETUNREACH;
	if (netif_get_ip6_addr_match(&ns->netif, a) >= 0 || (far && !netstack_has_ip6(ns)))
		return VE_NETUNREACH;
	if (far && (ns->netif.flags & NETIF_FLAG_ETHARP) && !nd6_find_route(a))
		return VE_NETUNREACH; /* neither our prefix nor a router */
	return 0;
}

static int send_copy(struct udp_sock *u, const ip_addr_t *to, uint16_t port, struct slice bytes)
{
	uint64_t dropped = u->ns->stats.dropped_out;
	struct pbuf *p = pbuf_alloc(PBUF_TRANSPORT, (u16_t)bytes.n, PBUF_RAM);
	err_t e;

	if (!p)
		return VE_NOMEM;
	if (bytes.n > 0)
		memcpy(p->payload, bytes.p, bytes.n);
	netstack_enter(u->ns);
	e = udp_sendto(u->pcb, p, to, port);
	netstack_leave(u->ns);
	pbuf_free(p);
	if (u->ns->stats.dropped_out != dropped)
		return VE_AGAIN;
	return e == ERR_OK ? 0 : e == ERR_MEM || e == ERR_BUF ? VE_NOMEM : VE_NETUNREACH;
}

int udp_sock_send(struct udp_sock *u, const struct endpoint *to, struct slice bytes)
{
	bool v6 = to->ip.family == IP_V6;
	ip_addr_t a;
	int r;

	if (!u->ns->ready)
		return VE_DOWN;
	if (bytes.n > (v6 ? UDP_BYTES_MAX6 : UDP_BYTES_MAX4))
		return VE_LIMIT;
	if (to->ip.family == IP_NONE || to->port == 0)
		return VE_NETUNREACH;
	ip_to_lwip(&a, &to->ip);
	r = v6 ? check6(u->ns, &a) : check4(u->ns, &a);
	if (r != 0)
		return r;
	remember_peer(u, to);
	return send_copy(u, &a, to->port, bytes);
}

/* --- life ----------------------------------------------------------------------------------------------- */

static err_t bind_port(struct udp_pcb *pcb, uint16_t port)
{
	err_t e = ERR_USE;

	if (port == PORT_DHCP || port == PORT_DHCP6)
		return ERR_USE;
	if (port != 0)
		return udp_bind(pcb, IP_ANY_TYPE, port);
	for (unsigned i = 0; i < PORT_TRIES && e == ERR_USE; i++)
		e = udp_bind(pcb, IP_ANY_TYPE, (u16_t)(LOCAL_PORT_MIN | (netstack_random() & (LOCAL_PORT_MIN - 1))));
	return e == ERR_USE ? udp_bind(pcb, IP_ANY_TYPE, 0) : e;
}

int udp_sock_new(struct udp_sock **ret, struct netstack *ns, uint16_t port, const struct udp_events *ev, void *ctx)
{
	struct udp_sock *u;

	if (ns->stats.udp_socks >= UDP_SOCKS_MAX)
		return VE_LIMIT;
	u = calloc(1, sizeof(*u));
	if (!u)
		return VE_NOMEM;
	u->pcb = udp_new_ip_type(IPADDR_TYPE_ANY);
	if (!u->pcb) {
		free(u);
		return VE_NOMEM;
	}
	if (bind_port(u->pcb, port) != ERR_OK) {
		udp_remove(u->pcb);
		free(u);
		return VE_LISTEN;
	}
	udp_set_multicast_ttl(u->pcb, MULTICAST_HOPS);
	udp_recv(u->pcb, on_datagram, u);
	u->ns = ns;
	u->ev = ev;
	u->ctx = ctx;
	list_init(&u->all);
	list_init(&u->ready);
	list_init(&u->queue);
	list_move_last(&ns->udp, &u->all);
	ns->stats.udp_socks++;
	*ret = u;
	return 0;
}

void udp_sock_free(struct udp_sock *u)
{
	if (!u)
		return;
	if (u->ns->udp_current == u)
		u->ns->udp_current = NULL;
	udp_remove(u->pcb);
	while (!list_empty(&u->queue))
		free(take_notice(u));
	list_del(&u->ready);
	list_del(&u->all);
	u->ns->stats.udp_socks--;
	free(u);
}

void udp_sock_local(const struct udp_sock *u, struct endpoint *ret)
{
	*ret = (struct endpoint){ .port = u->pcb->local_port };
	if (u->ns->ready)
		ret->ip = u->ns->address;
}
