/* SPDX-License-Identifier: GPL-3.0-or-later */
/* listen.c - TCP ports of ours in the private network, see listen.h.
 *
 * Theory of operation
 *
 * A port is one listening PCB of lwIP, bound to no address: it serves IPv4 and IPv6, and stays when the link or its
 * address goes. lwIP answers SYNs by itself; when a handshake is through, its callback makes a flow (flow_tcp.c) that has
 * no owner, notes it, and puts the port on ports_ready. netstack_dispatch() offers it to the port's owner.
 *
 * Everything between the SYN and the owner counts for the backlog: who sends SYNs and nothing else fills it until lwIP
 * gives them up (TCP_SYN_RCVD_TIMEOUT), and meanwhile others are not answered, but memory is bounded. Their PCBs have the
 * port as their argument, not a flow; flow_tcp.c tells them by their state. */
#include "netstack/listen.h"

#include <assert.h>
#include <stdlib.h>

#include "core/err.h"
#include "lwip_hooks.h"
#include "netstack/netstack_int.h"

#include "lwip/priv/tcp_priv.h"
#include "lwip/tcp.h"

#define PORT_TRIES 16u /* random ports until the first free one is good enough */

struct tcp_port {
	struct netstack *ns;
	const struct tcp_port_events *ev;
	void *ctx;
	struct tcp_pcb *pcb;
	uint16_t port;
	struct node all;   /* of ns->ports */
	struct node ready; /* of ns->ports_ready */
	unsigned backlog;
	unsigned ncomers;
	struct comer {
		struct flow *flow;
		struct endpoint from;
	} comers[]; /* accepted by lwIP, oldest first; room for @backlog */
};

#define port_of(n, member) list_entry(n, struct tcp_port, member)

/* --- accepting ------------------------------------------------------------------------------------------ */

static err_t on_accept(void *arg, struct tcp_pcb *pcb, err_t err)
{
	struct tcp_port *p = arg;
	struct comer *c;

	if (err != ERR_OK || !pcb)
		return ERR_OK; /* no memory for somebody's SYN: it will come again */
	if (p->ncomers == p->backlog) /* some have been reset meanwhile, and do not count for lwIP any more */
		return ERR_MEM;
	c = &p->comers[p->ncomers];
	c->flow = flow_accept(p->ns, pcb);
	if (!c->flow)
		return ERR_MEM; /* the peer gets a reset */
	c->from = (struct endpoint){ .ip = ip_from_lwip(&pcb->remote_ip), .port = pcb->remote_port };
	p->ncomers++;
	if (!list_linked(&p->ready))
		list_move_last(&p->ns->ports_ready, &p->ready);
	return ERR_OK;
}

static struct comer take_comer(struct tcp_port *p)
{
	struct comer c = p->comers[0];

	p->ncomers--;
	for (unsigned i = 0; i < p->ncomers; i++)
		p->comers[i] = p->comers[i + 1];
	return c;
}

void listen_deliver_all(struct netstack *ns)
{
	struct node batch;

	list_init(&batch);
	list_take_all(&batch, &ns->ports_ready);
	while (!list_empty(&batch)) {
		struct tcp_port *p = port_of(batch.next, ready);

		list_del(&p->ready);
		ns->port_current = p;
		while (ns->port_current == p && p->ncomers > 0) {
			struct comer c = take_comer(p);

			flow_offer(c.flow, &c.from, p->ev->accepted, p->ctx);
		}
		ns->port_current = NULL;
	}
}

/* --- life ----------------------------------------------------------------------------------------------- */

static bool is_taken(const struct netstack *ns, uint16_t port)
{
	for (const struct node *n = ns->ports.next; n != &ns->ports; n = n->next)
		if (list_entry(n, const struct tcp_port, all)->port == port)
			return true;
	return false;
}

/* Old connections of the same port, in TIME_WAIT or still open, are no obstacle; a flow that has it by chance is. */
static err_t bind_port(const struct netstack *ns, struct tcp_pcb *pcb, uint16_t port)
{
	err_t e = ERR_USE;

	ip_set_option(pcb, SOF_REUSEADDR);
	if (port != 0)
		return is_taken(ns, port) ? ERR_USE : tcp_bind(pcb, IP_ANY_TYPE, port);
	for (unsigned i = 0; i < PORT_TRIES && e == ERR_USE; i++) {
		port = (uint16_t)(LOCAL_PORT_MIN | (netstack_random() & (LOCAL_PORT_MIN - 1)));
		if (!is_taken(ns, port))
			e = tcp_bind(pcb, IP_ANY_TYPE, port);
	}
	return e == ERR_USE ? tcp_bind(pcb, IP_ANY_TYPE, 0) : e;
}

/* A listening PCB, or NULL and *err. */
static struct tcp_pcb *make_pcb(const struct netstack *ns, uint16_t port, unsigned backlog, err_t *err)
{
	struct tcp_pcb *pcb = tcp_new_ip_type(IPADDR_TYPE_ANY), *listening;

	*err = ERR_MEM;
	if (!pcb)
		return NULL;
	*err = bind_port(ns, pcb, port);
	listening = *err == ERR_OK ? tcp_listen_with_backlog_and_err(pcb, (u8_t)backlog, err) : NULL;
	if (!listening)
		tcp_close(pcb);
	return listening;
}

int tcp_port_new(struct tcp_port **ret, struct netstack *ns, uint16_t port, unsigned backlog,
		 const struct tcp_port_events *ev, void *ctx)
{
	struct tcp_port *p;
	err_t e;

	assert(backlog >= 1 && backlog <= TCP_BACKLOG_MAX);
	if (ns->stats.tcp_ports >= TCP_PORTS_MAX)
		return VE_LIMIT;
	p = calloc(1, sizeof(*p) + backlog * sizeof(p->comers[0]));
	if (!p)
		return VE_NOMEM;
	p->pcb = make_pcb(ns, port, backlog, &e);
	if (!p->pcb) {
		free(p);
		return e == ERR_MEM ? VE_NOMEM : VE_LISTEN;
	}
	p->ns = ns;
	p->ev = ev;
	p->ctx = ctx;
	p->port = p->pcb->local_port;
	p->backlog = backlog;
	tcp_arg(p->pcb, p);
	tcp_accept(p->pcb, on_accept);
	list_init(&p->all);
	list_init(&p->ready);
	list_move_last(&ns->ports, &p->all);
	ns->stats.tcp_ports++;
	*ret = p;
	return 0;
}

/* Whose handshake is not through: they are told that nobody is here any more. */
static void reset_half_open(const struct tcp_port *p)
{
	struct tcp_pcb *next;

	for (struct tcp_pcb *pcb = tcp_active_pcbs; pcb; pcb = next) {
		next = pcb->next;
		if (pcb->state == SYN_RCVD && pcb->callback_arg == p)
			tcp_abort(pcb);
	}
}

void tcp_port_free(struct tcp_port *p)
{
	struct netstack *ns;

	if (!p)
		return;
	ns = p->ns;
	if (ns->port_current == p)
		ns->port_current = NULL;
	netstack_enter(ns);
	tcp_close(p->pcb);
	reset_half_open(p);
	while (p->ncomers > 0)
		flow_free(take_comer(p).flow);
	netstack_leave(ns);
	list_del(&p->ready);
	list_del(&p->all);
	ns->stats.tcp_ports--;
	free(p);
}

void tcp_port_local(const struct tcp_port *p, struct endpoint *ret)
{
	*ret = (struct endpoint){ .port = p->port };
	if (p->ns->ready)
		ret->ip = p->ns->address;
}
