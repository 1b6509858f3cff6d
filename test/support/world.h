/* SPDX-License-Identifier: GPL-3.0-or-later */
/* world.h - a netstack with everything around it played by the test: clock, session, hub, servers, clients.
 *
 * For the netstack's own tests; functions are in the header because nothing else should be linked with it.
 * Time stands still until world_run(). What the stack sends is queued, read by packet.h (a packet it cannot
 * read fails the test), and answered here: ARP, DHCP, DNS, and the TCP peers a test has put up. Answers go in
 * as batches, as the tunnel does it. At the end, world_fini() looks for whatever was left behind. */
#ifndef TEST_SUPPORT_WORLD_H
#define TEST_SUPPORT_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <uv.h>

#include "core/err.h"
#include "core/log.h"
#include "core/wr.h"
#include "core/rd.h"
#include "test/support/heap.h"
#include "netstack/flow.h"
#include "netstack/netstack.h"
#include "netstack/netstack_int.h"
#include "test/support/packet.h"
#include "test/support/tcp_peer.h"

#include "lwip/priv/raw_priv.h"
#include "lwip/priv/tcp_priv.h"
#include "lwip/stats.h"
#include "lwip/timeouts.h"
#include "lwip/udp.h"

#define QUEUE_MAX 4096u
#define PEERS_MAX 8u

struct queue {
	struct frame f[QUEUE_MAX];
	unsigned first, n;
};

static uint64_t world_ms = 1000;
static bool world_cold = true; /* nothing has run before in this process */

static uint64_t world_clock(void)
{
	return world_ms;
}

struct dhcp_script {
	bool on;
	struct ip address, mask, gateway, dns, server;
	uint32_t lease_s;
	uint32_t t1_s, t2_s; /* 0: not said */
	const uint8_t *more; /* further options, as they stand in the message */
	size_t nmore;
	struct ip gone;      /* a server that is no more: what is sent to it gets no answer */
	bool unicast;        /* answer to the client alone */
	bool nak;            /* answer the next REQUEST with NAK */
	bool nak_all;        /* and all others */
	unsigned discovers, requests, releases, naks;
	struct ip asked;     /* where the last REQUEST went */
	uint8_t wanted[32];  /* option 55 of the last message */
	size_t nwanted;
	struct ip requested; /* option 50, or ciaddr, of the last REQUEST */
	bool has_server_id;  /* of the last REQUEST */
	uint32_t xid;
};

/* A router for IPv6, at fe80::1, that answers for everybody on the link. */
struct router_script {
	bool on;
	struct ip prefix, prefix2; /* /64 to make addresses from; IP_NONE: none offered */
	uint32_t preferred_s, valid_s; /* of the first one; the second one has an hour */
	uint32_t mtu;     /* 0: not said */
	struct ip dns;    /* RDNSS */
	uint16_t lifetime_s;
	unsigned solicited; /* router solicitations seen */
};

struct world {
	struct netstack *ns;
	uv_loop_t loop;
	const struct link_ops *ops;
	struct link_owner owner;
	struct link_facts facts;
	bool ethernet;
	uint16_t vlan; /* all frames have this tag, both ways; 0: none has any */
	bool linked;

	/* the session */
	struct queue *out;     /* from the stack, not yet answered */
	struct queue *in;      /* to the stack, not yet delivered */
	bool refuse_all;
	unsigned refuse_every; /* every n-th packet is refused; 0: none */
	unsigned offered, refused;
	bool room_owed;
	unsigned kicks, readies, faileds;
	struct ip ready_ip;
	struct fault fault;
	unsigned depth; /* link_ops calls under way: kick() is wrong then */

	/* the network */
	uint8_t gateway_mac[6];
	bool arp_mute;
	struct dhcp_script dhcp;
	struct router_script router;
	struct tcp_peer peer[PEERS_MAX];
	unsigned npeers;
	void (*on_dns)(struct world *w, const struct packet *query); /* NULL: no name server there */
	bool (*on_packet)(struct world *w, const struct packet *p);  /* first look; true: it is dealt with */

	/* what was seen since the last world_watch() */
	unsigned seen_frames, seen_arp, seen_tcp, seen_syn, seen_rst, seen_dns, seen_icmp6;
	struct packet last_arp, last_tcp, last_udp; /* their payload is gone */
	uint16_t last_mss; /* of the last SYN */

	long heap_before;
};

/* --- randomness: repeatable ----------------------------------------------------------------------------- */

static uint64_t world_seed = 1;

static inline uint32_t world_random32(void)
{
	world_seed = world_seed * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(world_seed >> 32);
}

static inline void world_random(void *ctx, void *to, size_t n)
{
	uint8_t *b = to;

	(void)ctx;
	for (size_t i = 0; i < n; i++)
		b[i] = (uint8_t)world_random32();
}

/* --- the session ---------------------------------------------------------------------------------------- */

static inline void queue_put(struct queue *q, const struct frame *f)
{
	struct frame *to = &q->f[(q->first + q->n) % QUEUE_MAX];

	assert_true(q->n < QUEUE_MAX);
	memcpy(to->b, f->b, f->n);
	to->n = f->n;
	q->n++;
}

static inline bool queue_take(struct queue *q, struct frame *ret)
{
	const struct frame *f = &q->f[q->first];

	if (q->n == 0)
		return false;
	memcpy(ret->b, f->b, f->n);
	ret->n = f->n;
	q->first = (q->first + 1) % QUEUE_MAX;
	q->n--;
	return true;
}

static inline int world_output(void *ctx, const struct slice *v, size_t nv)
{
	struct world *w = ctx;
	struct frame f = { .n = 0 };

	assert_true(w->linked);
	w->offered++;
	if (w->refuse_all || (w->refuse_every && w->offered % w->refuse_every == 0) || w->out->n == QUEUE_MAX) {
		w->refused++;
		w->room_owed = true;
		return VE_AGAIN;
	}
	for (size_t i = 0; i < nv; i++) {
		assert_true(v[i].n <= sizeof(f.b) - f.n);
		memcpy(f.b + f.n, v[i].p, v[i].n);
		f.n += v[i].n;
	}
	queue_put(w->out, &f);
	return 0;
}

static inline void world_ready(void *ctx, const struct ip *ip)
{
	struct world *w = ctx;

	assert_true(w->linked);
	w->readies++;
	w->ready_ip = *ip;
}

static inline void world_failed(void *ctx, const struct fault *f)
{
	struct world *w = ctx;

	assert_true(w->linked);
	w->faileds++;
	w->fault = *f;
}

static inline void world_kick(void *ctx)
{
	struct world *w = ctx;

	assert_true(w->linked);
	assert_int_equal(w->depth, 0);
	w->kicks++;
}

/* --- sending to the stack ------------------------------------------------------------------------------- */

static inline void world_tag(struct frame *f, uint16_t tag)
{
	memmove(f->b + 16, f->b + 12, f->n - 12);
	store_be16(f->b + 12, 0x8100);
	store_be16(f->b + 14, tag);
	f->n += 4;
}

/* Queue a packet for the stack; MAC addresses are filled in. */
static inline void world_send(struct world *w, struct packet p)
{
	static const uint8_t zero[6];
	struct frame f;

	if (memcmp(p.from_mac, zero, 6) == 0)
		memcpy(p.from_mac, w->gateway_mac, 6);
	if (memcmp(p.to_mac, zero, 6) == 0)
		memcpy(p.to_mac, w->facts.mac, 6);
	packet_make(&f, &p, w->ethernet);
	if (w->vlan != 0)
		world_tag(&f, w->vlan);
	queue_put(w->in, &f);
}

/* Queue an ICMP error of @from that quotes @quoted, the first @n bytes from its IP header on. */
static inline void world_icmp_error(struct world *w, struct ip from, uint8_t type, uint8_t code,
				    const struct packet *quoted, size_t n)
{
	struct packet p = { .from = from, .to = quoted->from, .proto = from.family == IP_V4 ? PROTO_ICMP4 : PROTO_ICMP6,
			    .type = type, .code = code };
	uint8_t body[200] = { 0 };
	struct frame f;

	assert_in_range(n, 0, sizeof(body) - 4);
	packet_make(&f, quoted, false);
	memcpy(body + 4, f.b, n);
	p.payload = (struct slice){ .p = body, .n = 4 + n };
	world_send(w, p);
}

static inline void world_emit(void *ctx, const struct packet *p)
{
	world_send(ctx, *p);
}

/* --- the network ---------------------------------------------------------------------------------------- */

static inline struct tcp_peer *world_peer(struct world *w, struct ip ip, uint16_t port)
{
	struct tcp_peer *p = &w->peer[w->npeers++];

	assert_true(w->npeers <= PEERS_MAX);
	tcp_peer_init(p, ip, port, world_emit, w);
	return p;
}

static inline void answer_arp(struct world *w, const struct packet *q)
{
	struct packet a = { .ethertype = ETH_ARP, .arp_op = ARP_REPLY, .arp_sender = q->arp_target,
			    .arp_target = q->arp_sender };

	if (w->arp_mute || q->arp_op != ARP_REQUEST || ip_equal(&q->arp_target, &q->arp_sender))
		return;
	memcpy(a.arp_sender_mac, w->gateway_mac, 6);
	memcpy(a.arp_target_mac, q->arp_sender_mac, 6);
	world_send(w, a);
}

static inline void wr_option_ip(struct wr *o, uint8_t code, const struct ip *ip)
{
	if (ip->family == IP_NONE)
		return;
	wr_u8(o, code);
	wr_u8(o, 4);
	wr_bytes(o, ip->b, 4);
}

static inline void wr_option_u32(struct wr *o, uint8_t code, uint32_t v)
{
	if (v == 0)
		return;
	wr_u8(o, code);
	wr_u8(o, 4);
	wr_u32(o, v);
}

static inline void send_dhcp(struct world *w, uint8_t type)
{
	struct dhcp_script *d = &w->dhcp;
	struct packet p = { .from = d->server, .to = packet_ip4(255, 255, 255, 255), .proto = PROTO_UDP, .from_port = 67,
			    .to_port = 68 };
	uint8_t b[1400];
	struct wr o = wr_init(b, sizeof(b));

	wr_u32(&o, 0x02010600);
	wr_u32(&o, d->xid);
	memset(wr_space(&o, 8), 0, 8);
	wr_bytes(&o, type == 6 ? (const uint8_t *)"\0\0\0\0" : d->address.b, 4); /* yiaddr */
	memset(wr_space(&o, 8), 0, 8);
	wr_bytes(&o, w->facts.mac, 6);
	memset(wr_space(&o, 10 + 64 + 128), 0, 10 + 64 + 128);
	wr_u32(&o, 0x63825363);
	wr_u8(&o, 53);
	wr_u8(&o, 1);
	wr_u8(&o, type);
	wr_option_ip(&o, 54, &d->server);
	d->naks += type == 6;
	if (type != 6) {
		wr_option_u32(&o, 51, d->lease_s);
		wr_option_ip(&o, 1, &d->mask);
		wr_option_ip(&o, 3, &d->gateway);
		wr_option_ip(&o, 6, &d->dns);
		wr_option_u32(&o, 58, d->t1_s);
		wr_option_u32(&o, 59, d->t2_s);
		wr_bytes(&o, d->more, d->nmore);
	}
	wr_u8(&o, 255);
	assert_true(wr_ok(&o));
	if (!d->unicast)
		memset(p.to_mac, 0xff, 6); /* SecureNAT answers by broadcast */
	else if (type != 6)
		p.to = d->address;
	p.payload = (struct slice){ .p = b, .n = o.n };
	world_send(w, p);
}

static inline void answer_dhcp(struct world *w, const struct packet *q)
{
	struct dhcp_script *d = &w->dhcp;
	struct rd r = rd_init(q->payload.p, q->payload.n), o;
	uint8_t type = 0;
	struct ip requested = { .family = IP_V4 };

	rd_skip(&r, 4);
	d->xid = rd_u32(&r);
	rd_skip(&r, 4);
	rd_copy(&r, requested.b, 4); /* ciaddr */
	rd_skip(&r, 12);
	assert_memory_equal(rd_bytes(&r, 6), w->facts.mac, 6);
	rd_skip(&r, 10 + 64 + 128 + 4);
	o = r;
	assert_true(rd_ok(&r));
	d->has_server_id = false;
	while (rd_left(&o) > 0) {
		uint8_t code = rd_u8(&o);
		struct rd v = code == 0 || code == 255 ? o : rd_sub(&o, rd_u8(&o));

		if (code == 53)
			type = rd_u8(&v);
		else if (code == 50)
			rd_copy(&v, requested.b, 4);
		else if (code == 54)
			d->has_server_id = true;
		else if (code == 55)
			rd_copy(&v, d->wanted, d->nwanted = min_size(rd_left(&v), sizeof(d->wanted)));
		else if (code == 255)
			break;
	}
	if (type == 1) {
		d->discovers++;
		if (d->on)
			send_dhcp(w, 2);
	} else if (type == 3) {
		d->requests++;
		d->requested = requested;
		d->asked = q->to;
		if (!d->on || ip_equal(&q->to, &d->gone))
			return;
		send_dhcp(w, d->nak || d->nak_all || !ip_equal(&requested, &d->address) ? 6 : 5);
		d->nak = false;
	} else if (type == 7) {
		d->releases++;
	}
}

static inline void wr_prefix(struct wr *o, const struct ip *prefix, uint32_t valid_s, uint32_t preferred_s)
{
	wr_u32(o, 0x030440c0); /* prefix, /64, on link and for autoconfiguration */
	wr_u32(o, valid_s);
	wr_u32(o, preferred_s);
	wr_u32(o, 0);
	wr_bytes(o, prefix->b, 16);
}

static inline void send_router_advertisement(struct world *w)
{
	const struct router_script *s = &w->router;
	struct packet p = { .from = packet_ip6("fe80::1"), .to = packet_ip6("ff02::1"), .proto = PROTO_ICMP6, .hops = 255,
			    .type = 134 };
	uint8_t b[160];
	struct wr o = wr_init(b, sizeof(b));

	wr_u8(&o, 64);
	wr_u8(&o, 0);
	wr_u16(&o, s->lifetime_s);
	wr_u32(&o, 0);
	wr_u32(&o, 0);
	if (w->ethernet) {
		wr_u16(&o, 0x0101); /* source link-layer address */
		wr_bytes(&o, w->gateway_mac, 6);
	}
	if (s->prefix.family == IP_V6)
		wr_prefix(&o, &s->prefix, s->valid_s, s->preferred_s);
	if (s->prefix2.family == IP_V6)
		wr_prefix(&o, &s->prefix2, 3600, 3600);
	if (s->mtu > 0) {
		wr_u32(&o, 0x05010000);
		wr_u32(&o, s->mtu);
	}
	if (s->dns.family == IP_V6) {
		wr_u32(&o, 0x19030000); /* RDNSS */
		wr_u32(&o, 3600);
		wr_bytes(&o, s->dns.b, 16);
	}
	assert_true(wr_ok(&o));
	memcpy(p.to_mac, "\x33\x33\0\0\0\1", 6);
	p.payload = (struct slice){ .p = b, .n = o.n };
	world_send(w, p);
}

/* A neighbour solicitation for anything that is not ours. */
static inline void answer_solicitation(struct world *w, const struct packet *q)
{
	struct packet p = { .to = q->from, .proto = PROTO_ICMP6, .hops = 255, .type = 136 };
	uint8_t b[4 + 16 + 8];
	struct wr o = wr_init(b, sizeof(b));

	if (q->payload.n < 20 || ip_equal(&q->from, &(struct ip){ .family = IP_V6 }))
		return; /* the check for duplicates of our own */
	p.from.family = IP_V6;
	memcpy(p.from.b, q->payload.p + 4, 16);
	wr_u32(&o, 0xe0000000); /* a router, as asked, overriding */
	wr_bytes(&o, p.from.b, 16);
	wr_u16(&o, 0x0201);
	wr_bytes(&o, w->gateway_mac, 6);
	p.payload = (struct slice){ .p = b, .n = o.n };
	world_send(w, p);
}

static inline void answer_icmp6(struct world *w, const struct packet *p)
{
	w->seen_icmp6++;
	if (!w->router.on)
		return;
	if (p->type == 133) {
		w->router.solicited++;
		send_router_advertisement(w);
	} else if (p->type == 135) {
		answer_solicitation(w, p);
	}
}

static inline void answer_tcp(struct world *w, const struct packet *p)
{
	w->seen_tcp++;
	w->last_tcp = *p;
	w->last_tcp.payload = (struct slice){ 0 };
	if (p->flags & SYN) {
		w->seen_syn++;
		w->last_mss = p->mss;
	}
	w->seen_rst += (p->flags & RST) != 0;
	for (unsigned i = 0; i < w->npeers; i++)
		if (ip_equal(&w->peer[i].ip, &p->to) && w->peer[i].port == p->to_port)
			tcp_peer_input(&w->peer[i], p, world_ms);
}

static inline void answer_udp(struct world *w, const struct packet *p)
{
	w->last_udp = *p;
	w->last_udp.payload = (struct slice){ 0 };
	if (p->to_port == 67)
		answer_dhcp(w, p);
	if (p->to_port == 53) {
		w->seen_dns++;
		if (w->on_dns)
			w->on_dns(w, p);
	}
}

static inline void answer(struct world *w, struct frame *f)
{
	struct packet p;

	w->seen_frames++;
	if (w->vlan != 0) {
		assert_true(f->n >= 18 && load_be16(f->b + 12) == 0x8100 && load_be16(f->b + 14) == w->vlan);
		memmove(f->b + 12, f->b + 16, f->n - 16);
		f->n -= 4;
	}
	assert_true(packet_parse(&p, (struct slice){ .p = f->b, .n = f->n }, w->ethernet));
	if (w->ethernet)
		assert_memory_equal(p.from_mac, w->facts.mac, 6);
	if (w->on_packet && w->on_packet(w, &p))
		return;
	if (p.ethertype == ETH_ARP) {
		w->seen_arp++;
		w->last_arp = p;
		answer_arp(w, &p);
	} else if (p.proto == PROTO_TCP) {
		answer_tcp(w, &p);
	} else if (p.proto == PROTO_UDP) {
		answer_udp(w, &p);
	} else if (p.proto == PROTO_ICMP6) {
		answer_icmp6(w, &p);
	}
}

/* --- time ----------------------------------------------------------------------------------------------- */

static inline void world_deliver(struct world *w)
{
	struct frame f;

	if (w->in->n == 0 || !w->linked)
		return;
	w->depth++;
	while (queue_take(w->in, &f)) {
		uint8_t *exact = malloc(f.n ? f.n : 1); /* so that a sanitizer sees reads behind its end */

		if (!exact)
			continue;
		memcpy(exact, f.b, f.n);
		w->ops->input(w->ns, (struct slice){ .p = exact, .n = f.n });
		free(exact);
	}
	w->ops->turn_end(w->ns);
	w->depth--;
}

/* Until nothing moves any more without time passing. */
static inline void world_settle(struct world *w)
{
	struct frame f;

	for (unsigned i = 0; i < 100000; i++) {
		bool moved = w->in->n > 0 && w->linked;

		world_deliver(w);
		if (queue_take(w->out, &f)) {
			answer(w, &f);
			moved = true;
		}
		if (w->room_owed && !w->refuse_all && w->linked && w->out->n == 0) {
			w->room_owed = false;
			w->depth++;
			w->ops->room(w->ns);
			w->depth--;
			moved = true;
		}
		if (w->ns && netstack_sleep(w->ns) == 0) {
			netstack_tick(w->ns);
			moved = true;
		}
		if (!moved)
			return;
	}
	fail_msg("the world does not come to rest");
}

/* Let @ms pass, in the steps in which somebody wants to wake up. */
static inline void world_run(struct world *w, uint64_t ms)
{
	uint64_t end = world_ms + ms;

	world_settle(w);
	while (world_ms < end) {
		uint64_t step = netstack_sleep(w->ns);

		step = step > 50 && w->npeers > 0 ? 50 : step;
		step = step == 0 ? 1 : step;
		world_ms += step < end - world_ms ? step : end - world_ms;
		netstack_tick(w->ns);
		for (unsigned i = 0; i < w->npeers; i++)
			tcp_peer_tick(&w->peer[i], world_ms);
		world_settle(w);
	}
}

static inline void world_watch(struct world *w)
{
	w->seen_frames = w->seen_arp = w->seen_tcp = w->seen_syn = w->seen_rst = w->seen_dns = w->seen_icmp6 = 0;
	w->kicks = 0;
}

/* --- life ----------------------------------------------------------------------------------------------- */

static inline struct netstack_conf world_conf(void)
{
	return (struct netstack_conf){ .hold_ms = 30000, .random = world_random };
}

static inline void world_init(struct world *w, const struct netstack_conf *c, enum link_kind kind)
{
	static struct queue queues[2]; /* too large for the stack, and not to be counted */

	memset(w, 0, sizeof(*w));
	w->out = &queues[0];
	w->in = &queues[1];
	w->out->n = w->in->n = 0;
	w->ethernet = kind == LINK_ETHERNET;
	w->ops = netstack_link_ops();
	w->owner = (struct link_owner){ .output = world_output, .ready = world_ready, .failed = world_failed,
					.kick = world_kick, .ctx = w };
	w->facts = (struct link_facts){ .kind = kind, .mtu = 1500, .mac = { 0x5e, 1, 2, 3, 4, 5 } };
	memcpy(w->gateway_mac, "\x5e\xaa\xbb\xcc\xdd\xee", 6);
	w->dhcp = (struct dhcp_script){ .on = true, .address = packet_ip4(192, 168, 30, 10),
					.mask = packet_ip4(255, 255, 255, 0), .gateway = packet_ip4(192, 168, 30, 1),
					.dns = packet_ip4(192, 168, 30, 1), .server = packet_ip4(192, 168, 30, 1),
					.lease_s = 7200 };
	w->router = (struct router_script){ .prefix = packet_ip6("2001:db8:1:2::"), .dns = packet_ip6("2001:db8:1:2::53"),
					    .lifetime_s = 1800, .valid_s = 86400, .preferred_s = 14400 };
	netstack_clock_set(world_clock);
	w->heap_before = heap.live;
	assert_int_equal(uv_loop_init(&w->loop), 0);
	assert_int_equal(netstack_new(&w->ns, &w->loop, c), 0);
}

static inline int world_up(struct world *w)
{
	int r;

	w->linked = true;
	w->depth++;
	r = w->ops->up(w->ns, &w->facts, &w->owner);
	w->depth--;
	if (r != 0)
		w->linked = false;
	return r;
}

static inline void world_down(struct world *w)
{
	w->depth++;
	w->ops->down(w->ns);
	w->depth--;
	w->linked = false;
	w->room_owed = false;
	w->out->n = w->in->n = 0;
}

/* Up, and with an address. */
static inline void world_start(struct world *w)
{
	unsigned before = w->readies;

	assert_int_equal(world_up(w), 0);
	world_run(w, 2000);
	assert_int_equal(w->readies, before + 1);
}

static inline void world_fini(struct world *w)
{
	struct netstack_stats s;

	if (w->linked)
		world_down(w);
	netstack_get_stats(w->ns, &s);
	netstack_free(w->ns);
	assert_null(tcp_active_pcbs);
	assert_null(tcp_tw_pcbs);
	assert_null(tcp_bound_pcbs);
	assert_null(tcp_listen_pcbs.pcbs);
	assert_null(udp_pcbs);
	assert_null(netif_list);
	uv_run(&w->loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&w->loop), 0);
	for (unsigned i = 0; i < w->npeers; i++)
		tcp_peer_fini(&w->peer[i]);
	world_ms += 1000; /* lwIP's TCP timer finds nothing to do, and goes */
	sys_check_timeouts();
	if (HEAP_COUNTED && !world_cold)
		assert_int_equal(heap.live, w->heap_before);
	world_cold = false;
}

/* For cmocka_run_group_tests(): what lwIP and libuv allocate once is no leak of the first test. */
static inline int world_warm_up(void **state)
{
	static struct world w;
	struct netstack_conf c = world_conf();

	(void)state;
	world_init(&w, &c, LINK_ETHERNET);
	world_fini(&w);
	return 0;
}

/* --- a client of a flow --------------------------------------------------------------------------------- */

/* Byte @i of the stream with number @stream. */
static inline uint8_t pattern(unsigned stream, size_t i)
{
	return (uint8_t)(i * 31 + (i >> 8) * 7 + (i >> 16) + stream * 101);
}

struct client {
	struct world *w;
	struct flow *f;
	unsigned opened, readable, writable, closed;
	int err;
	bool read_at_once;
	size_t got;             /* bytes read, compared with stream 1 */
	bool eof;
	size_t to_send, sent;   /* bytes of stream 2 */
	bool shut_after;        /* flow_shutdown() behind them */
	bool shut;
	unsigned free_in;       /* bit i: event i (in the order of struct flow_events) frees the flow */
};

static inline bool client_frees(struct client *c, unsigned event)
{
	if (!(c->free_in & 1u << event))
		return false;
	flow_free(c->f);
	c->f = NULL;
	return true;
}

/* Read up to @max bytes. */
static inline void client_read(struct client *c, size_t max)
{
	struct slice v[8];
	size_t done = 0;
	int n;

	while (done < max && (n = flow_peek(c->f, v, 8)) > 0) {
		size_t taken = 0;

		for (int i = 0; i < n && done < max; i++) {
			size_t part = min_size(v[i].n, max - done);

			assert_true(v[i].n > 0);
			for (size_t k = 0; k < part; k++)
				if (v[i].p[k] != pattern(1, c->got + k))
					fail_msg("byte %zu is wrong", c->got + k);
			c->got += part;
			done += part;
			taken += part;
		}
		flow_consume(c->f, taken);
	}
	if (flow_peek(c->f, v, 8) == VE_EOF)
		c->eof = true;
}

static inline void client_write(struct client *c)
{
	while (c->sent < c->to_send) {
		size_t room;
		uint8_t *p = flow_reserve(c->f, &room);

		if (!p)
			return;
		room = min_size(room, c->to_send - c->sent);
		for (size_t i = 0; i < room; i++)
			p[i] = pattern(2, c->sent + i);
		c->sent += room;
		flow_commit(c->f, room);
	}
	if (c->shut_after && !c->shut) {
		c->shut = true;
		flow_shutdown(c->f);
	}
}

static inline void client_on_opened(void *ctx)
{
	struct client *c = ctx;

	assert_int_equal(c->opened++ + c->closed, 0);
	if (!client_frees(c, 0))
		client_write(c);
}

static inline void client_on_readable(void *ctx)
{
	struct client *c = ctx;

	assert_int_equal(c->closed, 0);
	assert_int_equal(c->opened, 1);
	c->readable++;
	if (c->read_at_once)
		client_read(c, SIZE_MAX);
	client_frees(c, 1);
}

static inline void client_on_writable(void *ctx)
{
	struct client *c = ctx;

	assert_int_equal(c->closed, 0);
	c->writable++;
	if (!client_frees(c, 2))
		client_write(c);
}

static inline void client_on_closed(void *ctx, int err)
{
	struct client *c = ctx;

	assert_int_equal(c->closed++, 0);
	c->err = err;
	client_frees(c, 3);
}

static const struct flow_events client_events = {
	.opened = client_on_opened,
	.readable = client_on_readable,
	.writable = client_on_writable,
	.closed = client_on_closed,
};

static inline struct dest dest_ip(struct ip ip, uint16_t port)
{
	return (struct dest){ .ip = ip, .port = port };
}

static inline struct dest dest_host(const char *name, uint16_t port)
{
	struct dest d = { .port = port };

	snprintf(d.name, sizeof(d.name), "%s", name);
	return d;
}

static inline int client_open(struct client *c, struct world *w, struct dest to)
{
	int r;

	c->w = w;
	r = flow_open(w->ns, &to, &client_events, c, &c->f);
	if (r == 0)
		flow_flush(w->ns);
	return r;
}

/* The stream @n of bytes for a peer to send to a client. */
static inline void peer_send_pattern(struct tcp_peer *p, size_t n)
{
	static uint8_t b[65536];
	size_t at = p->tx_len;

	while (n > 0) {
		size_t part = min_size(n, sizeof(b));

		for (size_t i = 0; i < part; i++)
			b[i] = pattern(1, at + i);
		tcp_peer_send(p, b, part, world_ms);
		at += part;
		n -= part;
	}
}

static inline void peer_check_pattern(const struct tcp_peer *p, size_t n)
{
	assert_int_equal(p->rx_len, n);
	for (size_t i = 0; i < n; i++)
		if (p->rx[i] != pattern(2, i))
			fail_msg("byte %zu is wrong", i);
}

#endif
