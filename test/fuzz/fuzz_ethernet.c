/* SPDX-License-Identifier: GPL-3.0-or-later */
/* fuzz_ethernet.c - frames, time and a client's actions, for a stack on a hub with a lease, an open flow, the TCP port
 * 8080 and the UDP port 5000.
 *
 * An input is a sequence of steps, each a letter and its arguments (big-endian):
 *
 *     F nn bytes   a frame of nn bytes
 *     C nn bytes   the same with all checksums put right, or nothing behind them would ever be reached
 *     T nn         nn milliseconds pass
 *     S f ss aa ww nn   a segment of the flow's peer: flags, offsets of its numbers from what would be right (signed),
 *                  window, bytes of payload
 *     K aa n (ll rr)...    an ACK of the flow's peer that has n blocks, 0 to 4, of what came out of order (RFC 2018): offsets
 *                  from what would be right (signed)
 *     D nn bytes   a DNS answer, with the id and port of the last question
 *     O n          the client, or the tunnel, does something: see act()
 *
 * Anything else ends it. Clock and randomness are made anew for each input, so is the stack. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "core/err.h"
#include "core/limits.h"
#include "core/log.h"
#include "core/rd.h"
#include "netstack/flow.h"
#include "netstack/listen.h"
#include "netstack/netstack_int.h"
#include "netstack/udp.h"
#include "test/support/fuzz.h"
#include "test/support/packet.h"

#define STEPS_MAX 400u
#define TIME_MAX 600000u /* of one input: ten minutes, or a few thousand ticks */

static const uint8_t our_mac[6] = { 0x5e, 1, 2, 3, 4, 5 }, hub_mac[6] = { 0x5e, 0xaa, 0xbb, 0xcc, 0xdd, 0xee };

struct client {
	struct flow *f;
	bool closed;
};

static struct {
	uv_loop_t loop;
	struct netstack *ns;
	const struct link_ops *ops;
	struct link_owner owner;
	uint64_t now, random;
	bool linked, refuse;
	struct client client[3];
	struct tcp_port *port;
	struct udp_sock *udp;
	unsigned guests;
	struct frame in[64]; /* answers that wait for the stack to return */
	unsigned nin;
	/* of the last segment the stack has sent */
	struct ip local, remote;
	uint16_t local_port, remote_port;
	uint32_t expected; /* the number that follows it */
	uint32_t acked;    /* its acknowledgement: where the peer goes on */
	uint16_t dns_port, dns_id;
} w;

static uint64_t fake_clock(void)
{
	return w.now;
}

static void fake_random(void *ctx, void *to, size_t n)
{
	(void)ctx;
	for (size_t i = 0; i < n; i++) {
		w.random = w.random * 6364136223846793005u + 1442695040888963407u;
		((uint8_t *)to)[i] = (uint8_t)(w.random >> 33);
	}
}

/* --- the hub -------------------------------------------------------------------------------------------- */

static void answer(struct packet *p)
{
	if (w.nin == ARRAY_LEN(w.in))
		return;
	memcpy(p->from_mac, hub_mac, 6);
	memcpy(p->to_mac, our_mac, 6);
	packet_make(&w.in[w.nin++], p, true);
}

static void answer_arp(const struct packet *q)
{
	struct packet a = { .ethertype = ETH_ARP, .arp_op = ARP_REPLY, .arp_sender = q->arp_target,
			    .arp_target = q->arp_sender };

	if (q->arp_op != ARP_REQUEST || ip_equal(&q->arp_sender, &q->arp_target))
		return;
	memcpy(a.arp_sender_mac, hub_mac, 6);
	memcpy(a.arp_target_mac, our_mac, 6);
	answer(&a);
}

/* OFFER for a DISCOVER, ACK for a REQUEST: 192.168.30.10/24, gateway and name server .1, for two hours. */
static void answer_dhcp(const struct packet *q)
{
	static const uint8_t options[] = { 99, 130, 83, 99, 53, 1, 0, 54, 4, 192, 168, 30, 1, 51, 4, 0, 0, 28, 32,
					   1, 4, 255, 255, 255, 0, 3, 4, 192, 168, 30, 1, 6, 4, 192, 168, 30, 1, 255 };
	uint8_t b[236 + sizeof(options)] = { 2, 1, 6 };
	struct packet p = { .from = packet_ip4(192, 168, 30, 1), .to = packet_ip4(255, 255, 255, 255), .proto = PROTO_UDP,
			    .from_port = 67, .to_port = 68, .payload = { .p = b, .n = sizeof(b) } };

	if (q->payload.n < 243)
		return;
	memcpy(b + 4, q->payload.p + 4, 4);
	memcpy(b + 16, packet_ip4(192, 168, 30, 10).b, 4);
	memcpy(b + 28, our_mac, 6);
	memcpy(b + 236, options, sizeof(options));
	b[236 + 6] = q->payload.p[242] == 1 ? 2 : 5;
	answer(&p);
}

static void note_segment(const struct packet *p)
{
	w.local = p->from;
	w.remote = p->to;
	w.local_port = p->from_port;
	w.remote_port = p->to_port;
	w.expected = p->seq + (uint32_t)p->payload.n + (p->flags & SYN ? 1 : 0) + (p->flags & FIN ? 1 : 0);
	if (p->flags & ACK)
		w.acked = p->ack;
	else
		w.acked = 1000; /* where a peer begins that has not said a word */
}

static void note_query(const struct packet *p)
{
	w.dns_port = p->from_port;
	w.dns_id = p->payload.n >= 2 ? load_be16(p->payload.p) : 0;
}

static int on_output(void *ctx, const struct slice *v, size_t nv)
{
	struct frame f = { .n = 0 };
	struct packet p;

	(void)ctx;
	if (!w.linked)
		abort();
	if (w.refuse)
		return VE_AGAIN;
	for (size_t i = 0; i < nv; i++) {
		if (v[i].n > sizeof(f.b) - f.n)
			abort(); /* longer than any frame */
		memcpy(f.b + f.n, v[i].p, v[i].n);
		f.n += v[i].n;
	}
	if (f.n < FRAME_MIN || f.n > 1514)
		abort();
	if (!packet_parse(&p, (struct slice){ .p = f.b, .n = f.n }, true))
		return 0; /* a fragment, for one */
	if (p.ethertype == ETH_ARP)
		answer_arp(&p);
	else if (p.proto == PROTO_TCP)
		note_segment(&p);
	else if (p.proto == PROTO_UDP && p.to_port == 67)
		answer_dhcp(&p);
	else if (p.proto == PROTO_UDP && p.to_port == 53)
		note_query(&p);
	return 0;
}

static void on_ready(void *ctx, const struct ip *ip)
{
	(void)ctx, (void)ip;
}

static void on_failed(void *ctx, const struct fault *f)
{
	(void)ctx, (void)f;
}

static void on_kick(void *ctx)
{
	(void)ctx;
}

static void deliver(const uint8_t *p, size_t n)
{
	uint8_t *exact = malloc(n ? n : 1); /* a sanitizer sees reads behind its end */

	if (!exact)
		abort();
	if (n)
		memcpy(exact, p, n);
	w.ops->input(w.ns, (struct slice){ .p = exact, .n = n });
	free(exact);
}

static void settle(void)
{
	for (unsigned i = 0; i < 50; i++) {
		unsigned n = w.nin;
		static struct frame batch[ARRAY_LEN(w.in)];

		memcpy(batch, w.in, n * sizeof(batch[0]));
		w.nin = 0;
		for (unsigned k = 0; k < n && w.linked; k++)
			deliver(batch[k].b, batch[k].n);
		if (w.linked)
			w.ops->turn_end(w.ns);
		else
			netstack_dispatch(w.ns);
		if (w.nin == 0 && netstack_sleep(w.ns) > 0)
			return;
	}
}

static void pass(uint64_t ms)
{
	uint64_t end = w.now + ms;

	while (w.now < end) {
		uint64_t step = netstack_sleep(w.ns);

		step = step == 0 ? 1 : step;
		w.now += step < end - w.now ? step : end - w.now;
		netstack_tick(w.ns);
		settle();
	}
}

/* --- clients -------------------------------------------------------------------------------------------- */

static void on_event(void *ctx)
{
	struct client *c = ctx;

	if (!c->f || c->closed)
		abort();
}

static void on_closed(void *ctx, int err)
{
	struct client *c = ctx;

	on_event(c);
	if (err > 0)
		abort();
	c->closed = true;
}

static const struct flow_events ev = { .opened = on_event, .readable = on_event, .writable = on_event, .closed = on_closed };

static void open_flow(struct client *c, const struct dest *to)
{
	if (c->f)
		flow_free(c->f);
	*c = (struct client){ 0 };
	if (flow_open(w.ns, to, &ev, c, &c->f) != 0)
		c->f = NULL;
}

/* A guest takes the place of one of the clients. */
static void on_accepted(void *ctx, struct flow *f, const struct endpoint *from)
{
	struct client *c = &w.client[w.guests++ % ARRAY_LEN(w.client)];

	(void)ctx;
	if (from->port == 6666) {
		flow_free(f);
		return;
	}
	flow_free(c->f);
	*c = (struct client){ .f = f };
	flow_adopt(f, &ev, c);
}

static void open_port(void)
{
	static const struct tcp_port_events port_events = { on_accepted };

	tcp_port_free(w.port);
	w.port = NULL;
	if (tcp_port_new(&w.port, w.ns, 8080, 4, &port_events, NULL) != 0)
		w.port = NULL; /* an accepted flow may have kept it from being bound */
}

static void send_udp(const struct endpoint *to, size_t n)
{
	static uint8_t b[9000];
	int r = udp_sock_send(w.udp, to, (struct slice){ .p = b, .n = n });

	if (r > 0 || n > sizeof(b))
		abort();
}

/* What comes is sent back; a datagram that says so closes the port. */
static void on_received(void *ctx, const struct endpoint *from, struct slice s)
{
	volatile uint8_t sum = 0;

	(void)ctx;
	for (size_t i = 0; i < s.n; i++)
		sum = (uint8_t)(sum + s.p[i]);
	if (s.n > 0 && s.p[0] == 'x') {
		udp_sock_free(w.udp);
		w.udp = NULL;
		return;
	}
	send_udp(from, s.n < 9000 ? s.n : 9000);
}

static void on_unreachable(void *ctx, const struct endpoint *to, int err)
{
	(void)ctx;
	if (err >= 0 || to->ip.family == IP_NONE)
		abort();
}

static void open_udp(void)
{
	static const struct udp_events udp_events = { on_received, on_unreachable };

	if (!w.udp && udp_sock_new(&w.udp, w.ns, 5000, &udp_events, NULL) != 0)
		abort();
}

/* Actions from 240 on: the ports. */
static void act_on_ports(uint8_t what)
{
	const struct endpoint near = { .ip = packet_ip4(192, 168, 30, 1), .port = 5000 };
	const struct endpoint six = { .ip = packet_ip6("2001:db8::1"), .port = 5000 };

	if (what == 240)
		open_port();
	open_udp();
	if (what == 241)
		send_udp(&near, 100);
	else if (what == 242)
		send_udp(&near, 9000);
	else if (what == 243)
		send_udp(&six, 3000);
}

static void read_flow(struct client *c, size_t max)
{
	struct slice v[4];
	int n = flow_peek(c->f, v, 4);
	size_t got = 0;
	volatile uint8_t sum = 0;

	for (int i = 0; i < n; i++) {
		for (size_t k = 0; k < v[i].n; k++)
			sum = (uint8_t)(sum + v[i].p[k]);
		got += v[i].n;
	}
	flow_consume(c->f, got < max ? got : max);
}

static void write_flow(struct client *c, size_t want)
{
	size_t room;
	uint8_t *p = flow_reserve(c->f, &room);

	if (!p)
		return;
	want = want < room ? want : room;
	memset(p, 'w', want);
	flow_commit(c->f, want);
}

static void link_up(void)
{
	struct link_facts facts = { .kind = LINK_ETHERNET, .mtu = 1500 };

	memcpy(facts.mac, our_mac, 6);
	w.linked = true;
	if (w.ops->up(w.ns, &facts, &w.owner) != 0)
		abort();
}

static void link_down(void)
{
	w.ops->down(w.ns);
	w.linked = false;
	w.nin = 0;
}

static void act(uint8_t what)
{
	struct client *c = &w.client[what % ARRAY_LEN(w.client)];
	struct dest to = { .ip = packet_ip4(192, 168, 30, 1), .port = 80 };
	struct dest far = { .ip = packet_ip4(10, 0, 0, 1), .port = 1 };
	struct dest six = { .ip = packet_ip6("2001:db8::1"), .port = 6 };
	struct dest name = { .name = "www.example", .port = 9 };

	if (what >= 240) {
		act_on_ports(what);
		return;
	}
	switch (what / 3) {
	case 0:
		open_flow(c, &to);
		break;
	case 1:
		open_flow(c, &far);
		break;
	case 2:
		open_flow(c, &name);
		break;
	case 3:
		open_flow(c, &six);
		break;
	case 4:
		w.refuse = !w.refuse;
		if (!w.refuse && w.linked)
			w.ops->room(w.ns);
		break;
	case 5:
		if (w.linked)
			link_down();
		else
			link_up();
		break;
	default:
		if (!c->f)
			return;
		switch (what / 3 % 7) {
		case 0:
			read_flow(c, SIZE_MAX);
			break;
		case 1:
			read_flow(c, 100);
			break;
		case 2:
			write_flow(c, 1);
			break;
		case 3:
			write_flow(c, FLOW_CHUNK);
			break;
		case 4:
			flow_shutdown(c->f);
			break;
		case 5:
			flow_free(c->f);
			c->f = NULL;
			break;
		default:
			write_flow(c, 1460);
			break;
		}
	}
	flow_flush(w.ns);
}

/* --- steps ---------------------------------------------------------------------------------------------- */

static void step_frame(struct rd *r, bool fix)
{
	uint16_t n = rd_u16(r);
	const uint8_t *p = rd_bytes(r, n);
	struct frame f;

	if (!p || n > sizeof(f.b) || !w.linked)
		return;
	memcpy(f.b, p, n);
	if (fix)
		packet_fix_checksums(f.b, n, true);
	deliver(f.b, n);
}

/* The id and port of a DNS answer are the last question's: nobody could guess them. */
static void step_dns(struct rd *r)
{
	uint16_t n = rd_u16(r);
	struct packet p = { .from = packet_ip4(192, 168, 30, 1), .to = packet_ip4(192, 168, 30, 10), .proto = PROTO_UDP,
			    .from_port = 53, .to_port = w.dns_port };
	uint8_t b[1400];
	const uint8_t *body = rd_bytes(r, n);

	if (!body || n < 2 || n > sizeof(b))
		return;
	memcpy(b, body, n);
	store_be16(b, w.dns_id);
	p.payload = (struct slice){ .p = b, .n = n };
	answer(&p);
}

/* 16 bits with a sign, as what is to be added modulo 2^32. */
static uint32_t rd_signed(struct rd *r)
{
	return (rd_u16(r) ^ 0x8000u) - 0x8000u;
}

/* Offsets of its numbers from what would be right. */
static struct packet segment(uint8_t flags, uint32_t seq, uint32_t ack, uint16_t window)
{
	return (struct packet){ .from = w.remote, .to = w.local, .proto = PROTO_TCP, .from_port = w.remote_port,
				.to_port = w.local_port, .seq = w.acked + seq, .ack = w.expected + ack, .flags = flags,
				.window = window, .mss = 1460, .scale = 7, .sack_permitted = true };
}

static void step_segment(struct rd *r)
{
	static uint8_t payload[1460];
	uint8_t flags = rd_u8(r);
	uint32_t seq = rd_signed(r), ack = rd_signed(r);
	uint16_t window = rd_u16(r), n = rd_u16(r);
	struct packet p = segment(flags, seq, ack, window);

	p.payload = (struct slice){ .p = payload, .n = n < sizeof(payload) ? n : sizeof(payload) };
	if (rd_ok(r) && w.local.family != IP_NONE)
		answer(&p);
}

static void step_sack(struct rd *r)
{
	struct packet p = segment(ACK, 0, rd_signed(r), 0xffff);

	p.nsacks = rd_u8(r) % (PACKET_SACKS + 1);
	for (unsigned i = 0; i < p.nsacks; i++) {
		p.sacks[i][0] = w.expected + rd_signed(r);
		p.sacks[i][1] = w.expected + rd_signed(r);
	}
	if (rd_ok(r) && w.local.family != IP_NONE)
		answer(&p);
}

static void start(void)
{
	static const uint8_t handshake[9] = { SYN | ACK, 0, 0, 0, 0, 0xff, 0xff, 0, 0 };
	struct netstack_conf c = { .hold_ms = 5000, .random = fake_random };
	struct rd syn_ack;

	memset(&w, 0, sizeof(w));
	w.now = 1000;
	w.ops = netstack_link_ops();
	w.owner = (struct link_owner){ .output = on_output, .ready = on_ready, .failed = on_failed, .kick = on_kick };
	netstack_clock_set(fake_clock);
	log_set_level(LOG_ERROR);
	if (uv_loop_init(&w.loop) != 0 || netstack_new(&w.ns, &w.loop, &c) != 0)
		abort();
	link_up();
	settle();
	open_port();
	open_udp();
	act(0);
	settle(); /* ARP, then the SYN */
	syn_ack = rd_init(handshake, sizeof(handshake));
	step_segment(&syn_ack);
	settle();
	if (w.local.family == IP_NONE)
		abort(); /* not even a SYN: nothing would be tried */
}

static void stop(void)
{
	for (size_t i = 0; i < ARRAY_LEN(w.client); i++)
		flow_free(w.client[i].f);
	tcp_port_free(w.port);
	udp_sock_free(w.udp);
	if (w.linked)
		link_down();
	netstack_free(w.ns);
	uv_run(&w.loop, UV_RUN_DEFAULT);
	if (uv_loop_close(&w.loop) != 0)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct rd r = rd_init(data, size);
	uint64_t time_left = TIME_MAX;

	start();
	for (unsigned i = 0; i < STEPS_MAX && rd_left(&r) > 0; i++) {
		uint8_t step = rd_u8(&r);

		if (step == 'F' || step == 'C') {
			step_frame(&r, step == 'C');
		} else if (step == 'S') {
			step_segment(&r);
		} else if (step == 'K') {
			step_sack(&r);
		} else if (step == 'D') {
			step_dns(&r);
		} else if (step == 'O') {
			act(rd_u8(&r));
		} else if (step == 'T') {
			uint64_t ms = rd_u16(&r);

			ms = ms < time_left ? ms : time_left;
			time_left -= ms;
			pass(ms);
		} else {
			break;
		}
		if (step != 'F' && step != 'C') /* frames make a batch until something else happens */
			settle();
	}
	settle();
	stop();
	return 0;
}
