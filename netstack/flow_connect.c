/* SPDX-License-Identifier: GPL-3.0-or-later */
/* flow_connect.c - how a flow gets its connection; the rest of its life is in flow_tcp.c.
 *
 * Theory of operation
 *
 * flow_open() starts a flow at once if the link is there, else it is held until flow_link_ready() does. An address is
 * connected to directly; what cannot work is found out before lwIP would wait for it. A name is resolved first, and
 * several addresses are a race (flow_race.c), whose winner gives its connection away: flow_take_over(). FLOW_CONNECT_MS
 * runs over all of that.
 *
 * If the link goes away meanwhile, what was found out is void, and the flow is held again. Until the SYN is answered, ICMP
 * errors and even resets that prove nothing may end the attempt; later nobody listens to these. */
#include "netstack/flow.h"

#include "core/err.h"
#include "netstack/flow_int.h"

#include "lwip/nd6.h"
#include "lwip/priv/tcp_priv.h"
#include "lwip/tcp.h"
#include "lwip_hooks.h"

#define PORT_TRIES 16u /* random local ports until the first free one is good enough */

/* --- one address ---------------------------------------------------------------------------------------- */

static err_t on_connected(void *arg, struct tcp_pcb *pcb, err_t err)
{
	struct flow *f = arg;

	(void)pcb, (void)err;
	flow_windows_opened(f);
	flow_enter(f, FLOW_OPEN);
	flow_make_ready(f, FACT_OPENED);
	if (f->tx_shut)
		flow_make_dirty(f);
	return ERR_OK;
}

static bool is_unicast4(const struct ip *ip)
{
	return ip->b[0] != 0 && ip->b[0] != 127 && ip->b[0] < 224;
}

static bool is_unicast6(const ip_addr_t *a)
{
	return !ip6_addr_isany(ip_2_ip6(a)) && !ip6_addr_isloopback(ip_2_ip6(a)) && !ip6_addr_ismulticast(ip_2_ip6(a));
}

/* What lwIP would find out only by waiting, or not at all. Returns 0 or what the flow breaks with. */
static int check_target4(struct netstack *ns, const struct ip *to, const ip_addr_t *remote)
{
	const struct netif *n = &ns->netif;

	if (!is_unicast4(to) || ip4_addr_isany(netif_ip4_addr(n)) || ip4_addr_isbroadcast(ip_2_ip4(remote), n))
		return VE_NETUNREACH;
	if (ip4_addr_eq(ip_2_ip4(remote), netif_ip4_addr(n)))
		return VE_REFUSED; /* ourselves: what goes to the tunnel does not come back */
	if (!netstack_has_route4(ns, remote))
		return VE_NETUNREACH;
	return 0;
}

static int check_target6(struct netstack *ns, const ip_addr_t *remote)
{
	bool far = !ip6_addr_islinklocal(ip_2_ip6(remote));

	if (!is_unicast6(remote) || (far && !netstack_has_ip6(ns)))
		return VE_NETUNREACH;
	if (far && (ns->netif.flags & NETIF_FLAG_ETHARP) && !nd6_find_route(ip_2_ip6(remote)))
		return VE_NETUNREACH; /* neither our prefix nor a router */
	if (netif_get_ip6_addr_match(&ns->netif, ip_2_ip6(remote)) >= 0)
		return VE_REFUSED;
	return 0;
}

static err_t bind_random_port(struct tcp_pcb *pcb, const ip_addr_t *any)
{
	err_t e = ERR_USE;

	for (unsigned i = 0; i < PORT_TRIES && e == ERR_USE; i++) {
		u16_t port = (u16_t)(LOCAL_PORT_MIN | (netstack_random() & (LOCAL_PORT_MIN - 1)));

		if (!tcp_port_is_used(port)) /* else tcp_bind() would look at all connections to find out */
			e = tcp_bind(pcb, any, port);
	}
	return e == ERR_USE ? tcp_bind(pcb, any, 0) : e;
}

static struct tcp_pcb *make_pcb(struct flow *f, const ip_addr_t *remote)
{
	bool v6 = IP_IS_V6(remote);
	struct tcp_pcb *pcb;

	flow_sweep_finishing(f->ns); /* without memory, tcp_new() frees PCBs in TIME_WAIT */
	pcb = tcp_new_ip_type(v6 ? IPADDR_TYPE_V6 : IPADDR_TYPE_V4);
	if (!pcb)
		return NULL;
	if (bind_random_port(pcb, v6 ? IP6_ADDR_ANY : IP4_ADDR_ANY) != ERR_OK) {
		tcp_close(pcb);
		return NULL;
	}
	flow_set_up_pcb(pcb, f);
	return pcb;
}

static int connect_pcb(struct flow *f)
{
	ip_addr_t remote;
	err_t e;
	int r;

	ip_to_lwip(&remote, &f->remote);
	r = f->remote.family == IP_V4 ? check_target4(f->ns, &f->remote, &remote) : check_target6(f->ns, &remote);
	if (r != 0)
		return r;
	f->pcb = make_pcb(f, &remote);
	if (!f->pcb)
		return VE_NOMEM;
	f->local_port = f->pcb->local_port;
	flow_enter(f, FLOW_CONNECTING);
	e = tcp_connect(f->pcb, &remote, f->to.port, on_connected);
	flow_windows_start(f);
	f->local = ip_from_lwip(&f->pcb->local_ip);
	return e == ERR_OK ? 0 : e == ERR_MEM ? VE_NOMEM : VE_NETUNREACH;
}

static void start_connect(struct flow *f)
{
	int r = connect_pcb(f);

	if (r != 0)
		flow_break(f, r, false);
}

/* --- a name --------------------------------------------------------------------------------------------- */

static void on_resolved(void *ctx, int err, const struct ip_set *found)
{
	struct flow *f = ctx;

	f->err = err;
	if (err == 0)
		f->found = *found;
	flow_make_ready(f, FACT_RESOLVED);
}

void flow_start_found(struct flow *f)
{
	int r;

	if (f->found.n == 1) {
		f->remote = f->found.ips[0];
		start_connect(f);
		return;
	}
	r = race_new(&f->race, f->ns, f, &f->found, f->to.port);
	if (r != 0)
		flow_break(f, r, false);
	else
		flow_enter(f, FLOW_RACING);
}

bool flow_take_over(struct flow *to, struct flow *from)
{
	if (!from->pcb)
		return false;
	to->pcb = from->pcb;
	to->local = from->local;
	to->local_port = from->local_port;
	to->remote = from->remote;
	to->rx = from->rx;
	to->rx_fin = from->rx_fin;
	to->rtt_ms = from->rtt_ms;
	to->rx_pace = from->rx_pace;
	to->tx_pace = from->tx_pace;
	from->rx = (struct recvq){ 0 };
	flow_forget_pcb(from);
	flow_charge(to);
	tcp_arg(to->pcb, to);
	to->race = NULL; /* whose call this is */
	flow_enter(to, FLOW_OPEN);
	flow_make_ready(to, FACT_OPENED | (to->rx.len > 0 || to->rx_fin ? FACT_READABLE : 0u));
	if (to->tx_shut)
		flow_make_dirty(to);
	return true;
}

void flow_race_lost(struct flow *f, int err)
{
	flow_break(f, err, false);
}

/* --- a new flow ----------------------------------------------------------------------------------------- */

void flow_start(struct flow *f)
{
	int r;

	f->remote = f->to.ip;
	if (f->remote.family != IP_NONE) {
		start_connect(f);
		return;
	}
	if (resolve_cached(f->ns, f->to.name, &f->found)) {
		flow_start_found(f);
		return;
	}
	flow_enter(f, FLOW_RESOLVING);
	f->waiter.done = on_resolved;
	f->waiter.ctx = f;
	r = resolve_start(f->ns, f->to.name, &f->waiter);
	if (r != 0)
		flow_break(f, r == VE_NOMEM ? VE_NOMEM : VE_RESOLVE, false);
}

static bool drop_oldest_lingering(struct netstack *ns)
{
	struct flow *f;

	if (list_empty(&ns->lingering))
		return false;
	f = flow_of(ns->lingering.next, age);
	flow_drop_pcb(f, true);
	flow_destroy(f);
	return true;
}

int flow_open(struct netstack *ns, const struct dest *to, const struct flow_events *ev, void *ctx, struct flow **ret)
{
	struct flow *f;

	if (!ns->ready && ns->conf.hold_ms == 0)
		return VE_DOWN;
	if (!ns->ready && ns->stats.flows_held >= HELD_MAX)
		return VE_LIMIT;
	if (ns->stats.flows >= FLOWS_MAX && !drop_oldest_lingering(ns))
		return VE_LIMIT;
	f = flow_new(ns);
	if (!f)
		return VE_NOMEM;
	f->ev = ev;
	f->ctx = ctx;
	f->to = *to;
	if (ns->ready)
		flow_start(f);
	else
		flow_enter(f, FLOW_HELD);
	*ret = f;
	return 0;
}

bool flow_held(const struct flow *f)
{
	return f->state == FLOW_HELD;
}

/* --- the link went away --------------------------------------------------------------------------------- */

static void hold_again(struct flow *f)
{
	struct netstack *ns = f->ns;

	flow_drop_pcb(f, false);
	flow_stop_looking(f);
	f->facts = f->bare_resets = 0;
	f->err = 0;
	if (ns->conf.hold_ms == 0 || ns->stats.flows_held >= HELD_MAX)
		flow_break(f, VE_DOWN, false);
	else
		flow_enter(f, FLOW_HELD);
}

void flow_link_lost(struct netstack *ns)
{
	while (!list_empty(&ns->connecting))
		hold_again(flow_of(ns->connecting.next, age));
}

/* --- ICMP, and resets that are none --------------------------------------------------------------------- */

/* Only while connecting: later, RFC 1122 wants such errors to be a hint at most, and anybody could send
 * them. */
void flow_on_unreachable(struct netstack *ns, int err, const ip_addr_t *local, uint16_t local_port,
			 const ip_addr_t *remote, uint16_t remote_port, uint32_t seq)
{
	struct flow *f = flow_between(local_port, remote, remote_port);

	(void)ns;
	if (!f || f->state != FLOW_CONNECTING)
		return;
	if (!ip_addr_zoneless_eq(&f->pcb->local_ip, local) || seq != f->pcb->lastack)
		return; /* lastack is the number of the SYN as long as that is all there is */
	f->err = err;
	flow_make_ready(f, FACT_REFUSED);
}

/* SoftEther's SecureNAT, the router of most hubs, answers a refused connect with a RST that has no ACK and a
 * random number, once for each SYN. One of these means nothing: anybody in the hub could have sent it
 * blindly. A second one, in answer to the repeated SYN, is the refusal it stands for. Waiting for the timeout
 * instead would cost every user of a closed port nine seconds. */
void netstack_bare_reset(void *flow)
{
	struct flow *f = flow;

	if (!f || f->state != FLOW_CONNECTING || ++f->bare_resets < 2)
		return;
	f->err = VE_REFUSED;
	flow_make_ready(f, FACT_REFUSED);
}
