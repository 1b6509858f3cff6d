/* SPDX-License-Identifier: GPL-3.0-or-later */
/* netstack.c - the life of the stack, its one timer, and the seam to the tunnel.
 *
 * Theory of operation
 *
 * lwIP runs in the loop's thread and only when somebody calls it:
 *
 *     tunnel       link_ops: frames in, room for frames out, end of a batch, up and down
 *     timer        lwIP's own timeouts and our deadlines
 *     front-ends   flow_*()
 *
 * Its callbacks record facts and put flows on ready_list. When lwIP has returned, dispatch acts on them: the
 * state of the link first (an address came or went), then events to front-ends, then everything these have
 * queued is handed to lwIP. So nothing that lwIP is in the middle of is ever pulled away under it, and no
 * call back happens inside a call.
 *
 * Each of these entries is bracketed by netstack_enter() and netstack_leave(). The outermost leave tells the
 * tunnel to flush, unless it is the tunnel itself that called, and arms the timer: for the next timeout of
 * lwIP or of ours, or at once if a front-end's call outside of any dispatch made something ready.
 *
 * Output. lwIP gives a packet to the netif, the netif lends its pieces to the owner. A full session says
 * VE_AGAIN, the netif says ERR_MEM, and lwIP keeps a segment it cannot send. It would try again with its next
 * timer; we remember the flow and try when the tunnel reports room. ARP, ND, DHCP and DNS come again by
 * themselves: they are dropped and counted.
 *
 * The link. up() sets netif and address up, by whatever the kind of link does for that, and gives it
 * DHCP_WAIT_MS. "Ready" is checked after each batch: with an address, flows that were held start, and the
 * owner hears of it; losing the address is the way back. down() keeps netif, address and flows; lwIP finds no
 * route while the link is down, and waits. Flows survive if the next up() leads to the same address, and not
 * longer than conf.hold_ms. The same holds when DHCP takes the address away for a while.
 *
 * One stack. lwIP's state is global, so is the pointer that guards it; lwip_init() runs once in a process,
 * and netstack_free() takes back everything that was made since, so that another stack can follow. */
#include "netstack/netstack.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "core/log.h"
#include "core/rd.h"
#include "netstack/flow.h"
#include "netstack/netstack_int.h"

#include "lwip/dns.h"
#include "lwip/icmp.h"
#include "lwip/inet_chksum.h"
#include "lwip/init.h"
#include "lwip/ip.h"
#include "lwip/ip4_frag.h"
#include "lwip/ip6_frag.h"
#include "lwip/mld6.h"
#include "lwip/priv/tcp_priv.h"
#include "lwip/prot/icmp6.h"
#include "lwip/raw.h"
#include "lwip/timeouts.h"
#include "netif/ethernet.h"

/* With nothing going on, lwIP's timers only age tables, by the second; MLD's ten a second have nothing to do
 * then. */
#define REST_MS 1000u
#define BEHIND 16u          /* zeros after a frame, see netstack_pbuf() */
#define INBUF_SIZE (2 + FRAME_MAX + BEHIND)
#define INBUF_MIN 512u      /* below it, malloc has the memory at hand, and an ACK does not take up a frame's */
#define INBUFS_SPARE_MAX 512u /* of two or three batches: 0.8 MiB */
#ifndef __has_feature
#define __has_feature(f) 0
#endif
/* With AddressSanitizer there are no spares, and each buffer is as long as it has to be: it sees what goes
 * wrong in it. */
#if defined(__SANITIZE_ADDRESS__) || __has_feature(address_sanitizer)
#define POISON_SPARES 1
#else
#define POISON_SPARES 0
#endif
#define TCP_HEADS 40u       /* IPv4's and TCP's */
#define VLAN_TAG 4u
#define PIECES_MAX 16u      /* of one packet: headers, and payload across two or three chunks */
#define DISPATCH_ROUNDS 16u /* events that cause events; more than a few would be a loop between two front-ends */

struct stack {
	struct netstack ns;
	uv_timer_t timer;
	bool armed;
	uint64_t armed_at; /* on the loop's clock */
};

static struct netstack *the_stack;

struct netstack *netstack_the_one(void)
{
	return the_stack;
}

/* --- timer ---------------------------------------------------------------------------------------------- */

static bool mld_at_rest(const struct netstack *ns)
{
	const struct mld_group *g = ns->driver ? netif_mld6_data(&ns->netif) : NULL;

	while (g && g->timer == 0)
		g = g->next;
	return !g;
}

static bool at_rest(const struct netstack *ns)
{
	return !tcp_timer_pcbs && !tcp_tw_pcbs && (!ns->owner || ns->ready) && mld_at_rest(ns);
}

static uint64_t until(uint64_t when, uint64_t now)
{
	return when == UINT64_MAX ? UINT64_MAX : when > now ? when - now : 0;
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* When the state of the link has to be looked at again. */
static uint64_t link_deadline(const struct netstack *ns)
{
	uint64_t at = UINT64_MAX;

	if (ns->owner && !ns->ready && !ns->failed)
		at = ns->address_by;
	if (!ns->ready && !ns->flows_given_up)
		at = earlier(at, ns->unready_since + ns->conf.hold_ms);
	return at;
}

/* Does somebody wait to be told something? */
static bool has_news(const struct netstack *ns)
{
	return ns->link_news || !list_empty(&ns->ready_list) || !list_empty(&ns->ports_ready) ||
	       !list_empty(&ns->udp_ready) || !list_empty(&ns->lookups);
}

uint64_t netstack_sleep(struct netstack *ns)
{
	uint64_t now = netstack_now(), sleep = sys_timeouts_sleeptime();

	if (sleep < REST_MS && at_rest(ns))
		sleep = REST_MS;
	sleep = earlier(sleep, until(link_deadline(ns), now));
	sleep = earlier(sleep, until(flow_deadline(ns), now));
	sleep = earlier(sleep, until(resolve_deadline(ns), now));
	sleep = earlier(sleep, until(race_deadline(ns), now));
	return has_news(ns) ? 0 : sleep;
}

void netstack_tick(struct netstack *ns)
{
	uint64_t now = netstack_now();

	netstack_enter(ns);
	tcp_wake_silent();
	sys_check_timeouts();
	resolve_tick(ns, now);
	race_tick(ns, now);
	flow_tick(ns, now);
	netstack_dispatch(ns);
	netstack_leave(ns);
}

static void on_timer(uv_timer_t *timer)
{
	struct stack *s = timer->data;

	s->armed = false;
	netstack_tick(&s->ns);
}

/* Waking too early does no harm, so an earlier alarm is left alone: most turns only push the next one
 * away. */
static void arm(struct netstack *ns)
{
	struct stack *s = (struct stack *)ns;
	uint64_t sleep = netstack_sleep(ns), now = uv_now(s->timer.loop);

	if (s->armed && s->armed_at <= now + sleep)
		return;
	s->armed = true;
	s->armed_at = now + sleep;
	uv_timer_start(&s->timer, on_timer, sleep, 0);
}

void netstack_enter(struct netstack *ns)
{
	ns->depth++;
}

void netstack_leave(struct netstack *ns)
{
	assert(ns->depth > 0);
	if (--ns->depth > 0)
		return;
	if (ns->kick && !ns->in_link_op && ns->owner)
		ns->owner->kick(ns->owner->ctx);
	ns->kick = false;
	ns->in_link_op = false;
	arm(ns);
}

static void enter_link_op(struct netstack *ns)
{
	if (ns->depth == 0)
		ns->in_link_op = true;
	netstack_enter(ns);
}

/* --- frames in and out ---------------------------------------------------------------------------------- */

/* A pbuf for a whole frame. A batch has hundreds of them; malloc would give the memory of each batch back to
 * the kernel and take it again for the next. */
struct inbuf {
	struct pbuf_custom pbuf; /* first, so that a pbuf of lwIP is one of ours */
	struct inbuf *next;
	uint8_t data[INBUF_SIZE];
};

static struct inbuf *spare_inbufs;
static unsigned nspare_inbufs;

static void free_inbuf(struct pbuf *p)
{
	struct inbuf *b = (struct inbuf *)(void *)p;

	if (POISON_SPARES || nspare_inbufs == INBUFS_SPARE_MAX) {
		free(b);
		return;
	}
	b->next = spare_inbufs;
	spare_inbufs = b;
	nspare_inbufs++;
}

static struct pbuf *new_inbuf(size_t n)
{
	struct inbuf *b = spare_inbufs;

	if (b) {
		spare_inbufs = b->next;
		nspare_inbufs--;
	} else {
		b = malloc(POISON_SPARES ? offsetof(struct inbuf, data) + n : sizeof(*b));
	}
	if (!b)
		return NULL;
	b->pbuf.custom_free_function = free_inbuf;
	return pbuf_alloced_custom(PBUF_RAW, (u16_t)n, PBUF_REF, &b->pbuf, b->data, INBUF_SIZE);
}

static void drop_spare_inbufs(void)
{
	while (spare_inbufs) {
		struct inbuf *b = spare_inbufs;

		spare_inbufs = b->next;
		free(b);
	}
	nspare_inbufs = 0;
}

struct pbuf *netstack_pbuf(struct slice from, size_t min)
{
	const size_t shift = 2; /* puts the IP header behind an Ethernet header on a word */
	size_t content = from.n < min ? min : from.n, whole = shift + content + BEHIND;
	struct pbuf *p = whole <= INBUF_MIN ? pbuf_alloc(PBUF_RAW, (u16_t)whole, PBUF_RAM) : new_inbuf(whole);

	if (!p)
		return NULL;
	pbuf_remove_header(p, shift);
	memcpy(p->payload, from.p, from.n);
	memset((uint8_t *)p->payload + from.n, 0, content + BEHIND - from.n);
	p->len = p->tot_len = (u16_t)content;
	return p;
}

/* The TCP header of a segment that lwIP has just made, and where it goes; NULL for anything else and for
 * resets, which nobody repeats. */
static const uint8_t *tcp_header(const struct pbuf *p, size_t ip_at, struct ip *to)
{
	const uint8_t *ip = (const uint8_t *)p->payload + ip_at;
	size_t at, have = p->len > ip_at ? p->len - ip_at : 0;

	*to = (struct ip){ .family = IP_V4 };
	if (have >= 20 && ip[0] >> 4 == 4 && ip[9] == IP_PROTO_TCP) {
		at = 4u * (ip[0] & 15u);
		memcpy(to->b, ip + 16, 4);
	} else if (have >= 40 && ip[0] >> 4 == 6 && ip[6] == IP_PROTO_TCP) {
		at = 40;
		to->family = IP_V6;
		memcpy(to->b, ip + 24, 16);
	} else {
		return NULL;
	}
	return have < at + 20 || (ip[at + 13] & TCP_RST) ? NULL : ip + at;
}

/* With hints, the call comes from a PCB's own output, and lwIP hears the refusal; without, a queue of ARP or
 * ND is being emptied, whose packets lwIP has counted as sent. */
static void note_refused(struct netstack *ns, const struct pbuf *p, size_t ip_at)
{
	struct ip to;
	const uint8_t *tcp = tcp_header(p, ip_at, &to);
	ip_addr_t remote;

	if (!tcp) {
		ns->stats.dropped_out++;
		return;
	}
	ip_to_lwip(&remote, &to);
	flow_on_refused(ns, load_be16(tcp), &remote, load_be16(tcp + 2), ns->netif.hints == NULL);
}

static int lend_pieces(struct netstack *ns, struct pbuf *p)
{
	struct slice v[PIECES_MAX];
	struct pbuf *flat;
	size_t n = 0;
	int r;

	for (const struct pbuf *q = p; q && n < PIECES_MAX; q = q->next)
		v[n++] = (struct slice){ .p = q->payload, .n = q->len };
	if (pbuf_clen(p) <= PIECES_MAX)
		return ns->owner->output(ns->owner->ctx, v, n);
	flat = pbuf_clone(PBUF_RAW, PBUF_RAM, p);
	if (!flat)
		return VE_AGAIN;
	v[0] = (struct slice){ .p = flat->payload, .n = flat->len };
	r = ns->owner->output(ns->owner->ctx, v, 1);
	pbuf_free(flat);
	return r;
}

err_t netstack_output(struct netstack *ns, struct pbuf *p, size_t ip_at)
{
	int r;

	if (!ns->owner)
		return ERR_IF;
	r = lend_pieces(ns, p);
	if (r == 0) {
		ns->stats.frames_out++;
		ns->stats.bytes_out += p->tot_len;
		ns->kick = true;
		return ERR_OK;
	}
	if (r == VE_AGAIN) {
		note_refused(ns, p, ip_at);
		return ERR_MEM;
	}
	if (r != VE_DOWN)
		ns->stats.dropped_out++;
	return ERR_IF;
}

/* --- ICMP errors ---------------------------------------------------------------------------------------- */

static int icmp4_code(uint8_t code)
{
	switch (code) {
	case 3:
		return VE_REFUSED; /* port */
	case 0:  /* net */
	case 6:  /* net unknown */
	case 9:  /* net prohibited */
	case 11: /* net, for this service */
		return VE_NETUNREACH;
	case 4:
		return 0; /* wants fragments: lwIP lets routers make them */
	default:
		return VE_UNREACH;
	}
}

static int icmp6_code(uint8_t code)
{
	return code == 0 ? VE_NETUNREACH : code == 4 ? VE_REFUSED : VE_UNREACH;
}

/* What an ICMP error quotes: an IP packet of ours and at least the first 8 bytes behind its header. */
static void quoted4(struct netstack *ns, struct rd r, int err)
{
	struct ip local = { .family = IP_V4 }, remote = { .family = IP_V4 };
	uint8_t vhl = rd_u8(&r), proto;
	uint16_t offset, from, to;
	ip_addr_t l, o;

	rd_skip(&r, 5);
	offset = rd_u16(&r) & IP_OFFMASK;
	rd_skip(&r, 1);
	proto = rd_u8(&r);
	rd_skip(&r, 2);
	rd_copy(&r, local.b, 4);
	rd_copy(&r, remote.b, 4);
	rd_skip(&r, vhl % 16 >= 5 ? 4u * (vhl % 16 - 5u) : 0);
	from = rd_u16(&r);
	to = rd_u16(&r);
	ip_to_lwip(&l, &local);
	ip_to_lwip(&o, &remote);
	if (vhl / 16 != 4 || offset != 0 || rd_left(&r) < 4)
		return;
	if (proto == IP_PROTO_TCP)
		flow_on_unreachable(ns, err, &l, from, &o, to, rd_u32(&r));
	if (proto == IP_PROTO_UDP && ip_addr_eq(&l, ip_current_dest_addr()))
		udp_on_unreachable(ns, err, from, &(struct endpoint){ .ip = remote, .port = to });
}

static void quoted6(struct netstack *ns, struct rd r, int err)
{
	struct ip local = { .family = IP_V6 }, remote = { .family = IP_V6 };
	uint8_t version = rd_u8(&r) / 16, next;
	uint16_t offset = 0, from, to;
	ip_addr_t l, o;

	rd_skip(&r, 5);
	next = rd_u8(&r);
	rd_skip(&r, 1);
	rd_copy(&r, local.b, 16);
	rd_copy(&r, remote.b, 16);
	if (next == IP6_NEXTH_FRAGMENT) { /* a long datagram of ours: its first piece has the ports */
		next = rd_u8(&r);
		rd_skip(&r, 1);
		offset = rd_u16(&r) & IP6_FRAG_OFFSET_MASK;
		rd_skip(&r, 4);
	}
	from = rd_u16(&r);
	to = rd_u16(&r);
	ip_to_lwip(&l, &local);
	ip_to_lwip(&o, &remote);
	if (version != 6 || offset != 0 || rd_left(&r) < 4)
		return;
	if (next == IP_PROTO_TCP)
		flow_on_unreachable(ns, err, &l, from, &o, to, rd_u32(&r));
	if (next == IP_PROTO_UDP && ip_addr_zoneless_eq(&l, ip_current_dest_addr()))
		udp_on_unreachable(ns, err, from, &(struct endpoint){ .ip = remote, .port = to });
}

/* lwIP shows the packet with its IP header, before it has checked anything behind that; it goes on with it
 * afterwards. */
static u8_t on_icmp(void *arg, struct raw_pcb *pcb, struct pbuf *p, const ip_addr_t *from)
{
	u16_t header = ip_current_header_tot_len();
	bool v6 = IP_IS_V6(from);
	uint8_t type, code;
	struct rd r;

	(void)pcb;
	if (pbuf_remove_header(p, header))
		return 0;
	r = rd_init(p->payload, p->len);
	type = rd_u8(&r);
	code = rd_u8(&r);
	rd_skip(&r, 6);
	if (rd_ok(&r) && v6 && type == ICMP6_TYPE_DUR &&
	    ip_chksum_pseudo(p, IP6_NEXTH_ICMP6, p->tot_len, from, ip_current_dest_addr()) == 0)
		quoted6(arg, r, icmp6_code(code));
	else if (rd_ok(&r) && !v6 && type == ICMP_DUR && icmp4_code(code) != 0 && inet_chksum_pbuf(p) == 0)
		quoted4(arg, r, icmp4_code(code));
	pbuf_add_header_force(p, header);
	return 0;
}

/* --- the state of the link ------------------------------------------------------------------------------ */

const char *netstack_search(const struct netstack *ns)
{
	const char *domain = ns->conf.search ? ns->conf.search : ns->domain;

	return *domain ? domain : NULL;
}

bool netstack_has_ip4(const struct netstack *ns)
{
	return ns->driver && !ip4_addr_isany(netif_ip4_addr(&ns->netif));
}

bool netstack_has_ip6(const struct netstack *ns)
{
	if (!ns->driver)
		return false;
	for (s8_t i = 0; i < LWIP_IPV6_NUM_ADDRESSES; i++)
		if (ip6_addr_isvalid(netif_ip6_addr_state(&ns->netif, i)) &&
		    !ip6_addr_islinklocal(netif_ip6_addr(&ns->netif, i)))
			return true;
	return false;
}

unsigned netstack_dns(struct netstack *ns, struct ip ret[static DNS_SERVERS_MAX])
{
	unsigned n = 0;

	if (ns->conf.dns.family != IP_NONE) {
		ret[0] = ns->conf.dns;
		return 1;
	}
	for (unsigned i = 0; i < DNS_SERVERS_MAX && n < DNS_SERVERS_MAX; i++)
		if (ns->dns4[i].family != IP_NONE)
			ret[n++] = ns->dns4[i];
	for (unsigned i = 0; i < DNS_SERVERS_MAX && n < DNS_SERVERS_MAX && netstack_has_ip6(ns); i++)
		if (ns->dns6[i].family != IP_NONE)
			ret[n++] = ns->dns6[i];
	return n;
}

/* lwIP keeps name servers in one table, where a router advertisement overwrites what DHCP has put there. So
 * take them out of it: each family replaces what it had before. */
static void take_name_servers(struct netstack *ns)
{
	struct ip v4[DNS_SERVERS_MAX] = { 0 }, v6[DNS_SERVERS_MAX] = { 0 };
	unsigned n4 = 0, n6 = 0;

	for (u8_t i = 0; i < DNS_MAX_SERVERS; i++) {
		struct ip ip = ip_from_lwip(dns_getserver(i));

		if (ip.family == IP_V4 && n4 < DNS_SERVERS_MAX)
			v4[n4++] = ip;
		else if (ip.family == IP_V6 && n6 < DNS_SERVERS_MAX)
			v6[n6++] = ip;
		if (ip.family != IP_NONE)
			dns_setserver(i, NULL);
	}
	if (n4 > 0)
		memcpy(ns->dns4, v4, sizeof(v4));
	if (n6 > 0)
		memcpy(ns->dns6, v6, sizeof(v6));
}

/* Connections wait while there is no address; with another one they are over. */
static void reset_flows_of(const struct ip *old, const struct ip *address)
{
	ip_addr_t before, now;

	if (old->family != IP_V4)
		return;
	ip_to_lwip(&before, old);
	ip_to_lwip(&now, address);
	tcp_netif_ip_addr_changed(&before, &now);
}

static void become_ready(struct netstack *ns, const struct ip *address)
{
	char text[IP_TEXT_MAX];
	bool change = !ip_equal(address, &ns->address);

	log_debug("link: address %s%s", ip_text(address, text), change ? "" : " again");
	ns->ready = true;
	ns->flows_given_up = false;
	if (change) {
		reset_flows_of(&ns->address, address);
		resolve_forget(ns);
	}
	ns->address = *address;
	flow_link_ready(ns);
	ns->owner->ready(ns->owner->ctx, address);
}

static void become_unready(struct netstack *ns)
{
	if (!ns->ready)
		return;
	log_debug("link: %s", ns->owner ? "the address is gone" : "down");
	ns->ready = false;
	ns->unready_since = netstack_now();
	ns->address_by = ns->unready_since + DHCP_WAIT_MS;
	flow_link_lost(ns);
}

static void fail_link(struct netstack *ns)
{
	struct fault f = { 0 };

	ns->failed = true;
	ns->driver->no_address(ns, &f);
	ns->owner->failed(ns->owner->ctx, &f);
}

static void check_link(struct netstack *ns)
{
	uint64_t now = netstack_now();
	struct ip address;

	ns->link_news = false;
	take_name_servers(ns);
	if (ns->owner && !ns->failed && ns->driver->address(ns, &address)) {
		if (!ns->ready || !ip_equal(&address, &ns->address))
			become_ready(ns, &address);
	} else {
		become_unready(ns);
	}
	if (!ns->ready && !ns->flows_given_up && now >= ns->unready_since + ns->conf.hold_ms) {
		ns->flows_given_up = true;
		flow_give_up(ns);
	}
	if (ns->owner && !ns->ready && !ns->failed && now >= ns->address_by)
		fail_link(ns);
}

/* --- link_ops ------------------------------------------------------------------------------------------- */

static void remove_netif(struct netstack *ns)
{
	if (!ns->driver)
		return;
	ns->driver->stop(ns);
	netif_remove(&ns->netif);
	ns->driver = NULL;
}

static int add_netif(struct netstack *ns, const struct link_driver *driver)
{
	netif_input_fn input = driver == &link_ethernet ? ethernet_input : ip_input;

	if (ns->driver == driver)
		return 0;
	remove_netif(ns); /* another kind: nothing of the old one is of use */
	memset(&ns->netif, 0, sizeof(ns->netif));
	if (!netif_add(&ns->netif, NULL, NULL, NULL, ns, driver->init, input))
		return VE_NOMEM;
	ns->driver = driver;
	netif_set_default(&ns->netif);
	netif_set_up(&ns->netif);
	return 0;
}

/* The session has frames without a tag in mind. */
static uint16_t tcp_mtu(const struct netstack *ns)
{
	uint16_t mss = ns->facts.tcp_mss, tag = ns->conf.vlan != 0 ? VLAN_TAG : 0;

	return mss > tag ? (uint16_t)(mss - tag + TCP_HEADS) : 0;
}

static int on_up(void *link, const struct link_facts *facts, const struct link_owner *owner)
{
	struct netstack *ns = link;
	int r;

	assert(!ns->owner);
	enter_link_op(ns);
	ns->facts = *facts;
	netstack_tcp_mtu_set(tcp_mtu(ns));
	ns->failed = false;
	ns->address_by = netstack_now() + DHCP_WAIT_MS;
	r = add_netif(ns, facts->kind == LINK_ETHERNET ? &link_ethernet : &link_ip);
	ns->owner = owner; /* not before: the farewells of a netif of the other kind are not for this session */
	if (r == 0)
		r = ns->driver->up(ns);
	ns->link_news = r == 0; /* there may be an address already; its owner hears of it when this has returned */
	if (r != 0) {
		ns->owner = NULL;
		if (ns->driver)
			netif_set_link_down(&ns->netif);
	}
	netstack_leave(ns);
	return r;
}

static void on_input(void *link, struct slice frame)
{
	struct netstack *ns = link;

	if (!ns->owner)
		return;
	enter_link_op(ns);
	ns->driver->input(ns, frame);
	/* Many of these make a batch, whose netstack_leave() is in turn_end(): no timer and no kick for each
	 * frame. */
	if (--ns->depth == 0)
		ns->in_link_op = ns->kick = false;
}

static void on_room(void *link)
{
	struct netstack *ns = link;

	enter_link_op(ns);
	flow_retry_refused(ns);
	netstack_leave(ns);
}

static void on_turn_end(void *link)
{
	struct netstack *ns = link;

	enter_link_op(ns);
	netstack_dispatch(ns);
	netstack_leave(ns);
}

static void on_down(void *link)
{
	struct netstack *ns = link;

	if (!ns->owner)
		return;
	enter_link_op(ns);
	ns->owner = NULL;
	netif_set_link_down(&ns->netif);
	become_unready(ns);
	netstack_leave(ns);
}

const struct link_ops *netstack_link_ops(void)
{
	static const struct link_ops ops = {
		.up = on_up,
		.input = on_input,
		.room = on_room,
		.turn_end = on_turn_end,
		.down = on_down,
	};

	return &ops;
}

/* --- dispatch ------------------------------------------------------------------------------------------- */

void netstack_dispatch(struct netstack *ns)
{
	if (ns->dispatching)
		return;
	netstack_enter(ns);
	ns->dispatching = true;
	check_link(ns);
	for (unsigned i = 0; i < DISPATCH_ROUNDS && has_news(ns); i++) {
		udp_deliver_all(ns);
		lookup_deliver_all(ns);
		listen_deliver_all(ns);
		flow_deliver_all(ns);
	}
	flow_push_all(ns);
	ns->dispatching = false;
	netstack_leave(ns);
}

void flow_flush(struct netstack *ns)
{
	netstack_enter(ns);
	if (!ns->dispatching)
		flow_push_all(ns);
	netstack_leave(ns);
}

void netstack_get_stats(const struct netstack *ns, struct netstack_stats *ret)
{
	*ret = ns->stats;
	ret->memory = ns->memory_used;
}

/* --- life ----------------------------------------------------------------------------------------------- */

static void init_lwip(void)
{
	static bool done;

	if (done) {
		sys_restart_timeouts(); /* nobody has run them since the last stack */
		return;
	}
	lwip_init();
	done = true;
}

static int init_icmp(struct netstack *ns)
{
	ns->icmp4 = raw_new_ip_type(IPADDR_TYPE_V4, IP_PROTO_ICMP);
	ns->icmp6 = raw_new_ip_type(IPADDR_TYPE_V6, IP6_NEXTH_ICMP6);
	if (!ns->icmp4 || !ns->icmp6)
		return VE_NOMEM;
	raw_recv(ns->icmp4, on_icmp, ns);
	raw_recv(ns->icmp6, on_icmp, ns);
	return 0;
}

static void fini_icmp(struct netstack *ns)
{
	if (ns->icmp4)
		raw_remove(ns->icmp4);
	if (ns->icmp6)
		raw_remove(ns->icmp6);
}

int netstack_new(struct netstack **ret, uv_loop_t *loop, const struct netstack_conf *c)
{
	struct stack *s;
	struct netstack *ns;

	if (the_stack)
		return VE_LIMIT;
	s = calloc(1, sizeof(*s));
	if (!s)
		return VE_NOMEM;
	ns = &s->ns;
	ns->conf = *c;
	if (ns->conf.memory == 0)
		ns->conf.memory = FLOW_MEMORY;
	ns->unready_since = netstack_now();
	struct node *rings[] = { &ns->all, &ns->held, &ns->connecting, &ns->lingering, &ns->finishing,
				 &ns->ready_list, &ns->dirty, &ns->acks, &ns->refused, &ns->ports, &ns->ports_ready, &ns->udp,
				 &ns->udp_ready, &ns->races, &ns->lookups };
	for (size_t i = 0; i < ARRAY_LEN(rings); i++)
		list_init(rings[i]);
	resolver_init(&ns->resolver);
	netstack_random_set(c->random, c->random_ctx);
	init_lwip();
	if (init_icmp(ns) != 0)
		goto fail;
	uv_timer_init(loop, &s->timer);
	s->timer.data = s;
	the_stack = ns;
	arm(ns);
	*ret = ns;
	return 0;
fail:
	fini_icmp(ns);
	free(s);
	return VE_NOMEM;
}

/* What lwIP keeps beyond the flows, in tables of its own. */
static void drain_lwip(void)
{
	while (tcp_tw_pcbs)
		tcp_abort(tcp_tw_pcbs);
	assert(!tcp_active_pcbs && !tcp_bound_pcbs);
	for (unsigned i = 0; i <= IP_REASS_MAXAGE; i++)
		ip_reass_tmr();
	for (unsigned i = 0; i <= IPV6_REASS_MAXAGE; i++)
		ip6_reass_tmr();
	for (u8_t i = 0; i < DNS_MAX_SERVERS; i++)
		dns_setserver(i, NULL);
}

static void on_timer_closed(uv_handle_t *h)
{
	free(h->data);
}

void netstack_free(struct netstack *ns)
{
	struct stack *s = (struct stack *)ns;

	if (!ns)
		return;
	assert(ns == the_stack && ns->depth == 0);
	ns->owner = NULL;
	resolver_fini(ns);
	flow_free_lingering(ns);
	assert(list_empty(&ns->all) && list_empty(&ns->ports) && list_empty(&ns->udp)); /* front-ends free theirs first */
	remove_netif(ns);
	drain_lwip();
	fini_icmp(ns);
	drop_spare_inbufs();
	the_stack = NULL;
	uv_close((uv_handle_t *)&s->timer, on_timer_closed);
}
