/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_udp.c - UDP sockets: what goes out, who may answer, what is dropped, and what a link's end means to them. */
#include "test/support/world.h"

#include "netstack/udp.h"

#include "lwip/ip4_frag.h"

#define LONGEST4 65507u
#define LONGEST6 65487u
#define TOLD_MAX 4096u

/* What a socket was told, in order. */
struct told {
	struct endpoint who;
	int err;
	size_t n;
	uint8_t first; /* byte of a datagram; 0 without */
};

struct ear {
	struct udp_sock *u;
	struct told told[TOLD_MAX];
	unsigned n;
	size_t bytes;
	uint8_t last[LONGEST4]; /* the last datagram */
	struct udp_sock **frees; /* set to NULL after; may be our own */
	bool answers;
};

static struct world w;
static struct ear ear;
static uint8_t big[70000];
static const struct ip OTHER = { .family = IP_V4, .b = { 10, 0, 0, 80 } };
static const struct ip THIRD = { .family = IP_V4, .b = { 10, 0, 0, 81 } };

static void note(struct ear *e, const struct endpoint *who, int err, struct slice s)
{
	assert_true(e->n < TOLD_MAX);
	e->told[e->n++] = (struct told){ .who = *who, .err = err, .n = s.n, .first = s.n > 0 ? s.p[0] : 0 };
	e->bytes += s.n;
	memcpy(e->last, s.p ? s.p : (const uint8_t *)"", s.n);
}

static void on_received(void *ctx, const struct endpoint *from, struct slice s)
{
	struct ear *e = ctx;

	if (e->frees) {
		udp_sock_free(*e->frees);
		*e->frees = NULL;
		e->frees = NULL;
	}
	note(e, from, 0, s); /* after the free: what is borrowed for the call is still there */
	if (e->answers)
		assert_int_equal(udp_sock_send(e->u, from, s), 0);
}

static void on_unreachable(void *ctx, const struct endpoint *to, int err)
{
	note(ctx, to, err, (struct slice){ 0 });
}

static const struct udp_events events = { on_received, on_unreachable };
static const struct udp_events deaf = { on_received, NULL };

static void start_with_mtu(uint16_t mtu)
{
	struct netstack_conf conf = world_conf();

	memset(&ear, 0, sizeof(ear));
	for (size_t i = 0; i < sizeof(big); i++)
		big[i] = pattern(3, i);
	world_init(&w, &conf, LINK_IP);
	w.facts.ip4 = packet_ip4(10, 9, 8, 7);
	w.facts.mtu = mtu;
	world_start(&w);
	assert_int_equal(udp_sock_new(&ear.u, w.ns, 0, &events, &ear), 0);
}

static void start(void)
{
	start_with_mtu(1500);
}

static void start_ethernet(void)
{
	struct netstack_conf conf = world_conf();

	memset(&ear, 0, sizeof(ear));
	world_init(&w, &conf, LINK_ETHERNET);
	w.router.on = true;
	world_start(&w);
	world_run(&w, 10000);
	assert_true(netstack_has_ip6(w.ns));
	assert_int_equal(udp_sock_new(&ear.u, w.ns, 0, &events, &ear), 0);
}

static void finish(void)
{
	udp_sock_free(ear.u);
	ear.u = NULL;
	world_settle(&w);
	world_fini(&w);
}

static struct endpoint at(struct ip ip, uint16_t port)
{
	return (struct endpoint){ .ip = ip, .port = port };
}

static struct slice bytes(size_t n)
{
	return (struct slice){ .p = big, .n = n };
}

static int say(struct udp_sock *u, struct endpoint to, size_t n)
{
	return udp_sock_send(u, &to, bytes(n));
}

static uint16_t port_of(const struct udp_sock *u)
{
	struct endpoint e;

	udp_sock_local(u, &e);
	return e.port;
}

static struct netstack_stats stats(void)
{
	struct netstack_stats s;

	netstack_get_stats(w.ns, &s);
	return s;
}

static struct packet datagram(struct endpoint from, struct ip to, uint16_t to_port, size_t n)
{
	return (struct packet){ .from = from.ip, .to = to, .proto = PROTO_UDP, .from_port = from.port, .to_port = to_port,
				.payload = bytes(n) };
}

/* @n bytes from @from to the socket; not delivered yet. */
static void hear(const struct udp_sock *u, struct endpoint from, size_t n)
{
	world_send(&w, datagram(from, w.ready_ip, port_of(u), n));
}

/* --- one datagram --------------------------------------------------------------------------------------- */

static size_t seen_bytes;
static unsigned seen;

static bool watch_udp(struct world *world, const struct packet *p)
{
	(void)world;
	if (p->proto != PROTO_UDP)
		return false;
	w.last_udp = *p;
	w.last_udp.payload = (struct slice){ 0 };
	seen++;
	seen_bytes = p->payload.n;
	assert_memory_equal(p->payload.p, big, p->payload.n);
	return true;
}

static void out_and_back(void **state)
{
	static const size_t sizes[] = { 0, 1, 2, 511, 512, 513, 1471, 1472 };
	struct endpoint local;

	(void)state;
	start();
	w.on_packet = watch_udp;
	udp_sock_local(ear.u, &local);
	assert_true(ip_equal(&local.ip, &w.facts.ip4));
	assert_in_range(local.port, 32768, 65535);
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		seen = 0;
		assert_int_equal(say(ear.u, at(OTHER, 53), sizes[i]), 0);
		world_settle(&w);
		assert_int_equal(seen, 1);
		assert_int_equal(seen_bytes, sizes[i]);
		assert_true(ip_equal(&w.last_udp.from, &w.facts.ip4) && ip_equal(&w.last_udp.to, &OTHER));
		assert_int_equal(w.last_udp.from_port, local.port);
		assert_int_equal(w.last_udp.to_port, 53);
		assert_int_equal(w.last_udp.hops, 64);
		hear(ear.u, at(OTHER, 53), sizes[i]);
		world_settle(&w);
		assert_int_equal(ear.n, i + 1);
		assert_int_equal(ear.told[i].n, sizes[i]);
		assert_memory_equal(ear.last, big, sizes[i]);
		assert_true(endpoint_equal(&ear.told[i].who, &(struct endpoint){ OTHER, 53 }));
	}
	finish();
}

/* Whom we have never spoken to may answer as well: endpoint-independent. */
static void anybody_may_answer(void **state)
{
	(void)state;
	start();
	hear(ear.u, at(OTHER, 1), 10);
	hear(ear.u, at(THIRD, 65535), 20);
	world_settle(&w);
	assert_int_equal(ear.n, 2);
	assert_int_equal(ear.told[0].n, 10);
	assert_int_equal(ear.told[1].n, 20);
	assert_true(ip_equal(&ear.told[1].who.ip, &THIRD));
	assert_int_equal(ear.told[1].who.port, 65535);
	finish();
}

static void what_is_damaged_does_not_come(void **state)
{
	struct packet p;
	struct frame f;

	(void)state;
	start();
	p = datagram(at(OTHER, 53), w.facts.ip4, port_of(ear.u), 32);
	packet_make(&f, &p, false);
	for (size_t n = 0; n < f.n; n++) { /* every truncation, */
		struct frame cut = f;

		cut.n = n;
		queue_put(w.in, &cut);
	}
	for (size_t i = 20; i < f.n; i++) { /* every byte behind the IP header, */
		struct frame bad = f;

		bad.b[i] ^= 0x40;
		queue_put(w.in, &bad);
	}
	p.to_port++; /* another port, */
	world_send(&w, p);
	p.to_port--;
	p.to = THIRD; /* another host's */
	world_send(&w, p);
	world_settle(&w);
	assert_int_equal(ear.n, 0);
	queue_put(w.in, &f);
	world_settle(&w);
	assert_int_equal(ear.n, 1);
	finish();
}

static void ip6(void **state)
{
	struct ip far = packet_ip6("2001:db8:9::53"), near = packet_ip6("fe80::53"), group = packet_ip6("ff02::fb");

	(void)state;
	start_ethernet();
	w.on_packet = watch_udp;
	seen = 0;
	assert_int_equal(say(ear.u, at(far, 53), 100), 0);
	world_settle(&w);
	assert_int_equal(seen, 1);
	assert_true(ip_equal(&w.last_udp.to, &far));
	world_send(&w, datagram(at(far, 53), w.last_udp.from, w.last_udp.from_port, 100));
	world_settle(&w);
	assert_int_equal(ear.n, 1);
	assert_true(ip_equal(&ear.told[0].who.ip, &far));
	assert_int_equal(say(ear.u, at(near, 53), 100), 0);
	world_settle(&w);
	assert_int_equal(seen, 2);
	assert_int_equal(w.last_udp.from.b[0], 0xfe);
	world_send(&w, datagram(at(near, 53), w.last_udp.from, w.last_udp.from_port, 100));
	world_settle(&w);
	assert_int_equal(ear.n, 2);
	assert_true(ip_equal(&ear.told[1].who.ip, &near));
	assert_int_equal(say(ear.u, at(group, 5353), 100), 0);
	assert_int_equal(say(ear.u, at(OTHER, 53), 100), 0); /* and IPv4 from the same port */
	world_settle(&w);
	assert_int_equal(seen, 4);
	assert_int_equal(w.last_udp.from_port, port_of(ear.u));
	assert_int_equal(say(ear.u, at(w.last_udp.from, 53), 1), VE_NETUNREACH); /* ourselves */
	finish();
}

static void multicast_stays_near(void **state)
{
	(void)state;
	start_ethernet();
	w.on_packet = watch_udp;
	seen = 0;
	assert_int_equal(say(ear.u, at(packet_ip4(239, 255, 255, 250), 1900), 10), 0);
	world_settle(&w);
	assert_int_equal(seen, 1);
	assert_int_equal(w.last_udp.hops, 1);
	assert_memory_equal(w.last_udp.to_mac, "\x01\x00\x5e\x7f\xff\xfa", 6);
	assert_int_equal(say(ear.u, at(packet_ip4(255, 255, 255, 255), 1900), 10), 0);
	assert_int_equal(say(ear.u, at(packet_ip4(192, 168, 30, 255), 1900), 10), 0);
	world_settle(&w);
	assert_int_equal(seen, 3);
	assert_memory_equal(w.last_udp.to_mac, "\xff\xff\xff\xff\xff\xff", 6);
	finish();
}

static void targets_that_cannot_be(void **state)
{
	static const char *const ips[] = { "0.0.0.0", "0.1.2.3", "127.0.0.1", "240.0.0.1", "10.9.8.7",
					   "2001:db8::1", "::1", "::", "::ffff:10.0.0.80" };

	(void)state;
	start();
	world_watch(&w);
	for (size_t i = 0; i < ARRAY_LEN(ips); i++) {
		struct ip ip = { 0 };

		assert_int_equal(ip_parse(ips[i], &ip), 0);
		assert_int_equal(say(ear.u, at(ip, 53), 1), VE_NETUNREACH);
	}
	assert_int_equal(say(ear.u, at((struct ip){ 0 }, 53), 1), VE_NETUNREACH);
	assert_int_equal(say(ear.u, at(OTHER, 0), 1), VE_NETUNREACH);
	world_settle(&w);
	assert_int_equal(w.seen_frames, 0);
	finish();
}

/* Ethernet with neither a router nor a prefix that fits. */
static void no_way_there(void **state)
{
	struct netstack_conf conf = world_conf();

	(void)state;
	memset(&ear, 0, sizeof(ear));
	world_init(&w, &conf, LINK_ETHERNET);
	w.dhcp.gateway.family = IP_NONE;
	world_start(&w);
	assert_int_equal(udp_sock_new(&ear.u, w.ns, 0, &events, &ear), 0);
	assert_int_equal(say(ear.u, at(OTHER, 53), 1), VE_NETUNREACH);
	assert_int_equal(say(ear.u, at(packet_ip4(192, 168, 30, 77), 53), 1), 0);
	finish();
}

/* --- ports ---------------------------------------------------------------------------------------------- */

static void ports(void **state)
{
	struct udp_sock *a, *b, *c = NULL;

	(void)state;
	start();
	assert_int_equal(udp_sock_new(&a, w.ns, 5000, &events, &ear), 0);
	assert_int_equal(port_of(a), 5000);
	assert_int_equal(udp_sock_new(&c, w.ns, 5000, &events, &ear), VE_LISTEN);
	assert_int_equal(udp_sock_new(&c, w.ns, 68, &events, &ear), VE_LISTEN);  /* DHCP's */
	assert_int_equal(udp_sock_new(&c, w.ns, 546, &events, &ear), VE_LISTEN); /* DHCPv6's */
	assert_null(c);
	assert_int_equal(udp_sock_new(&b, w.ns, 0, &events, &ear), 0);
	assert_int_not_equal(port_of(b), port_of(ear.u));
	hear(a, at(OTHER, 53), 7);
	world_settle(&w);
	assert_int_equal(ear.n, 1);
	udp_sock_free(a);
	assert_int_equal(udp_sock_new(&a, w.ns, 5000, &events, &ear), 0);
	assert_int_equal(stats().udp_socks, 3);
	udp_sock_free(a);
	udp_sock_free(b);
	udp_sock_free(NULL);
	finish();
}

static void as_many_as_the_cap(void **state)
{
	static struct udp_sock *many[UDP_SOCKS_MAX];
	struct udp_sock *extra = NULL;

	(void)state;
	start();
	for (unsigned i = 1; i < UDP_SOCKS_MAX; i++)
		assert_int_equal(udp_sock_new(&many[i], w.ns, 0, &events, &ear), 0);
	assert_int_equal(udp_sock_new(&extra, w.ns, 0, &events, &ear), VE_LIMIT);
	assert_null(extra);
	for (unsigned i = 1; i < UDP_SOCKS_MAX; i++)
		hear(many[i], at(OTHER, 53), i % 100);
	world_settle(&w);
	assert_int_equal(ear.n, UDP_SOCKS_MAX - 1);
	udp_sock_free(many[7]);
	assert_int_equal(udp_sock_new(&many[7], w.ns, 0, &events, &ear), 0);
	for (unsigned i = 1; i < UDP_SOCKS_MAX; i++)
		udp_sock_free(many[i]);
	assert_int_equal(stats().udp_socks, 1);
	finish();
}

static void no_memory(void **state)
{
	struct udp_sock *u = NULL;
	int r;

	(void)state;
	if (!HEAP_COUNTED)
		skip();
	start();
	for (unsigned long n = 1;; n++) {
		heap.asked = 0;
		heap.fail_at = n;
		r = udp_sock_new(&u, w.ns, 0, &events, &ear);
		heap.fail_at = 0;
		if (r == 0)
			break;
		assert_int_equal(r, VE_NOMEM);
		assert_null(u);
		assert_true(n < 10);
	}
	for (unsigned long n = 1;; n++) {
		heap.asked = 0;
		heap.fail_at = n;
		r = say(u, at(OTHER, 53), 3000);
		heap.fail_at = 0;
		if (r == 0)
			break;
		assert_int_equal(r, VE_NOMEM);
		assert_true(n < 20);
	}
	w.out->n = 0; /* fragments */
	world_send(&w, datagram(at(OTHER, 53), w.facts.ip4, port_of(u), 10));
	heap.asked = 0;
	heap.fail_at = 3; /* the frame, its pbuf, and then the socket's copy */
	world_settle(&w);
	heap.fail_at = 0;
	assert_int_equal(ear.n, 0);
	assert_int_equal(stats().dropped_in, 1);
	udp_sock_free(u);
	finish();
}

/* --- events --------------------------------------------------------------------------------------------- */

static void free_in_event(void **state)
{
	(void)state;
	start();
	ear.frees = &ear.u;
	for (int i = 0; i < 3; i++)
		hear(ear.u, at(OTHER, 53), 10); /* two of these are never told */
	world_settle(&w);
	assert_int_equal(ear.n, 1);
	assert_null(ear.u);
	finish();
}

static void free_another_in_event(void **state)
{
	static struct ear second;

	(void)state;
	start();
	memset(&second, 0, sizeof(second));
	assert_int_equal(udp_sock_new(&second.u, w.ns, 0, &events, &second), 0);
	hear(ear.u, at(OTHER, 53), 10);
	hear(second.u, at(OTHER, 53), 20);
	ear.frees = &second.u;
	world_settle(&w);
	assert_int_equal(ear.n, 1);
	assert_int_equal(second.n, 0);
	assert_null(second.u);
	finish();
}

static void answer_in_event(void **state)
{
	(void)state;
	start();
	w.on_packet = watch_udp;
	seen = 0;
	ear.answers = true;
	for (int i = 0; i < 20; i++)
		hear(ear.u, at(OTHER, 53), 10);
	world_settle(&w);
	assert_int_equal(ear.n, 20);
	assert_int_equal(seen, 20);
	finish();
}

/* A send from outside is brought to the tunnel's notice, one from an event is not: the tunnel flushes by itself then. */
static void kicks(void **state)
{
	(void)state;
	start();
	world_watch(&w);
	assert_int_equal(say(ear.u, at(OTHER, 53), 10), 0);
	assert_int_equal(w.kicks, 1);
	world_settle(&w);
	world_watch(&w);
	ear.answers = true;
	hear(ear.u, at(OTHER, 53), 10);
	world_settle(&w);
	assert_int_equal(w.kicks, 0);
	finish();
}

/* --- bounds --------------------------------------------------------------------------------------------- */

static void the_queue_is_bounded(void **state)
{
	uint64_t before;

	(void)state;
	start();
	before = stats().dropped_in;
	for (int i = 0; i < 400; i++)
		hear(ear.u, at(OTHER, 53), 1400);
	world_settle(&w);
	assert_in_range(ear.bytes, UDP_QUEUE_MAX - 20000, UDP_QUEUE_MAX);
	assert_int_equal(stats().dropped_in - before, 400 - ear.n);
	ear.n = 0;
	for (unsigned i = 0; i < TOLD_MAX; i++) /* empty datagrams need room, too */
		hear(ear.u, at(OTHER, 53), 0);
	world_settle(&w);
	assert_in_range(ear.n, 1000, UDP_QUEUE_MAX / sizeof(struct endpoint));
	ear.n = 0;
	hear(ear.u, at(OTHER, 53), 1400);
	world_settle(&w);
	assert_int_equal(ear.n, 1);
	finish();
}

static void the_session_is_full(void **state)
{
	uint64_t before;

	(void)state;
	start();
	w.refuse_all = true;
	before = stats().dropped_out;
	assert_int_equal(say(ear.u, at(OTHER, 53), 10), VE_AGAIN);
	assert_int_equal(stats().dropped_out, before + 1);
	assert_int_equal(say(ear.u, at(OTHER, 53), 4000), VE_AGAIN); /* in fragments */
	w.refuse_all = false;
	w.on_packet = watch_udp;
	seen = 0;
	world_settle(&w);
	assert_int_equal(seen, 0); /* dropped is dropped */
	assert_int_equal(say(ear.u, at(OTHER, 53), 10), 0);
	world_settle(&w);
	assert_int_equal(seen, 1);
	finish();
}

/* --- fragments ------------------------------------------------------------------------------------------ */

static uint8_t whole[66000];

/* Put together what the stack has sent, and look at every fragment. Returns the size of the IP payload. */
static size_t collect(uint16_t mtu)
{
	size_t next = 0;
	bool last = false;
	struct frame f;

	while (queue_take(w.out, &f)) {
		bool v6 = f.b[0] >> 4 == 6;
		size_t head = v6 ? 48 : 20, total = v6 ? 40u + load_be16(f.b + 4) : load_be16(f.b + 2), offset;

		assert_false(last); /* the fragment without "more" is the last one */
		assert_true(f.n <= mtu && f.n == total && f.n > head);
		if (v6) {
			assert_int_equal(f.b[6], 44);
			assert_int_equal(f.b[40], PROTO_UDP);
			offset = load_be16(f.b + 42) & 0xfff8u;
			last = !(f.b[43] & 1);
		} else {
			assert_int_equal(f.b[9], PROTO_UDP);
			assert_int_equal(packet_checksum(f.b, 20, 0), 0);
			offset = (load_be16(f.b + 6) & 0x1fffu) * 8;
			last = !(f.b[6] & 0x20);
		}
		assert_int_equal(offset, next);
		assert_true(offset + f.n - head <= sizeof(whole));
		memcpy(whole + offset, f.b + head, f.n - head);
		next = offset + f.n - head;
	}
	assert_true(last);
	return next;
}

/* MTUs that leave 0 to 7 bytes beside the multiples of 8 that fragments carry, and sizes around their borders. */
static void long_datagrams_go_out_in_fragments(void **state)
{
	(void)state;
	for (uint16_t mtu = 1393; mtu <= 1400; mtu++) {
		size_t part = (mtu - 20u) / 8 * 8;

		start_with_mtu(mtu);
		for (size_t k = 1; k <= 3; k++) {
			for (size_t n = k * part - 10; n <= k * part + 10; n++) { /* bytes behind the IP header */
				if (n + 20 <= mtu)
					continue;
				assert_int_equal(say(ear.u, at(OTHER, 53), n - 8), 0);
				assert_int_equal(collect(mtu), n);
				assert_memory_equal(whole + 8, big, n - 8);
				assert_int_equal(load_be16(whole + 4), n);
			}
		}
		finish();
	}
}

static void the_longest(void **state)
{
	(void)state;
	start();
	assert_int_equal(say(ear.u, at(OTHER, 53), LONGEST4), 0);
	assert_int_equal(collect(1500), LONGEST4 + 8);
	assert_memory_equal(whole + 8, big, LONGEST4);
	assert_int_equal(say(ear.u, at(OTHER, 53), LONGEST4 + 1), VE_LIMIT);
	finish();
}

static void long_datagrams_over_ip6(void **state)
{
	static const uint8_t iid[8] = { 2, 0, 0, 0, 0, 0, 0, 0x77 };
	struct netstack_conf conf = world_conf();
	struct ip far = packet_ip6("2001:db8:9::53");

	(void)state;
	memset(&ear, 0, sizeof(ear));
	world_init(&w, &conf, LINK_IP);
	w.facts.ip4 = packet_ip4(10, 9, 8, 7);
	w.facts.has_ip6_iid = true;
	memcpy(w.facts.ip6_iid, iid, 8);
	w.facts.mtu = 1400;
	w.router.on = true;
	world_start(&w);
	world_run(&w, 10000);
	assert_int_equal(udp_sock_new(&ear.u, w.ns, 0, &events, &ear), 0);
	for (size_t n = 1340; n < 1380; n++) {
		assert_int_equal(say(ear.u, at(far, 53), n), 0);
		if (n <= 1400 - 48) {
			w.on_packet = watch_udp;
			world_settle(&w);
			assert_int_equal(seen_bytes, n);
			continue;
		}
		assert_int_equal(collect(1400), n + 8);
		assert_memory_equal(whole + 8, big, n);
	}
	assert_int_equal(say(ear.u, at(far, 53), LONGEST6), 0);
	assert_int_equal(collect(1400), LONGEST6 + 8);
	assert_memory_equal(whole + 8, big, LONGEST6);
	assert_int_equal(say(ear.u, at(far, 53), LONGEST6 + 1), VE_LIMIT);
	finish();
}

/* One fragment, in bytes behind the IP header, of the datagram that whole[] holds. */
static void send_fragment(uint16_t id, size_t from, size_t to, bool more)
{
	struct packet p = { .from = OTHER, .to = w.facts.ip4, .proto = 99, .payload = { .p = whole + from, .n = to - from } };
	struct frame f;

	packet_make(&f, &p, false);
	f.b[9] = PROTO_UDP;
	store_be16(f.b + 4, id);
	store_be16(f.b + 6, (uint16_t)((more ? 0x2000u : 0u) | from / 8));
	store_be16(f.b + 10, 0);
	store_be16(f.b + 10, packet_checksum(f.b, 20, 0));
	queue_put(w.in, &f);
}

/* A datagram with @n bytes of payload into whole[]; without a checksum, which packet.c makes for packets only. */
static void make_whole(size_t n)
{
	store_be16(whole, 53);
	store_be16(whole + 2, port_of(ear.u));
	store_be16(whole + 4, (uint16_t)(8 + n));
	store_be16(whole + 6, 0);
	memcpy(whole + 8, big, n);
}

static void fragments_are_put_together(void **state)
{
	static const size_t sizes[] = { 9, 1473, 3000, 20000, LONGEST4 };
	uint16_t id = 1;

	(void)state;
	start();
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		size_t n = sizes[i] + 8, part = n < 100 ? 8 : 1480;

		make_whole(sizes[i]);
		for (size_t from = 0; from < n; from += part) /* first to last */
			send_fragment(id, from, min_size(from + part, n), from + part < n);
		id++;
		world_settle(&w);
		assert_int_equal(ear.n, 1);
		assert_int_equal(ear.told[0].n, sizes[i]);
		assert_memory_equal(ear.last, big, sizes[i]);
		for (size_t from = (n - 1) / part * part; from > 0; from -= part) /* last to first */
			send_fragment(id, from, min_size(from + part, n), from + part < n);
		world_settle(&w);
		assert_int_equal(ear.n, 1);
		send_fragment(id++, 0, part, true);
		world_settle(&w);
		assert_int_equal(ear.n, 2);
		assert_int_equal(ear.told[1].n, sizes[i]);
		assert_memory_equal(ear.last, big, sizes[i]);
		ear.n = 0;
	}
	finish();
}

/* Beginnings without ends: memory stays within IP_REASS_MAX_PBUFS frames, and is given back after a while. */
static void halves_do_not_pile_up(void **state)
{
	long before;

	(void)state;
	start();
	make_whole(3000);
	before = heap.live;
	for (uint16_t id = 1; id < 2000; id++)
		send_fragment(id, 0, 1480, true);
	world_settle(&w);
	if (HEAP_COUNTED)
		assert_in_range(heap.live - before, 0, 3 * IP_REASS_MAX_PBUFS);
	world_run(&w, 1000 * (IP_REASS_MAXAGE + 2));
	assert_int_equal(ear.n, 0);
	for (size_t from = 0; from < 3008; from += 1480)
		send_fragment(5000, from, min_size(from + 1480, 3008), from + 1480 < 3008);
	world_settle(&w);
	assert_int_equal(ear.n, 1);
	finish();
}

/* Pieces that overlap, or reach beyond what a datagram can be, are nothing. */
static void fragments_that_lie(void **state)
{
	(void)state;
	start();
	make_whole(3000);
	send_fragment(1, 0, 1480, true);
	send_fragment(1, 1472, 3008, false);
	world_settle(&w);
	assert_int_equal(ear.n, 0);
	send_fragment(2, 0, 1480, true);
	memmove(whole + 65528, whole, 400); /* ends at 65928 */
	send_fragment(2, 65528, 65928, false);
	world_settle(&w);
	assert_int_equal(ear.n, 0);
	finish();
}

/* --- the link ------------------------------------------------------------------------------------------- */

static void the_link_goes_and_comes(void **state)
{
	struct endpoint local;
	uint16_t port;

	(void)state;
	start();
	w.on_packet = watch_udp;
	port = port_of(ear.u);
	world_down(&w);
	udp_sock_local(ear.u, &local);
	assert_int_equal(local.ip.family, IP_NONE);
	assert_int_equal(local.port, port);
	assert_int_equal(say(ear.u, at(OTHER, 53), 1), VE_DOWN);
	world_start(&w); /* the same address */
	seen = 0;
	assert_int_equal(say(ear.u, at(OTHER, 53), 1), 0);
	world_settle(&w);
	assert_int_equal(seen, 1);
	world_down(&w);
	w.facts.ip4 = packet_ip4(10, 1, 1, 1); /* and another one */
	world_start(&w);
	udp_sock_local(ear.u, &local);
	assert_true(ip_equal(&local.ip, &w.facts.ip4));
	assert_int_equal(local.port, port);
	assert_int_equal(say(ear.u, at(OTHER, 53), 1), 0);
	hear(ear.u, at(OTHER, 53), 5);
	world_settle(&w);
	assert_int_equal(seen, 2);
	assert_true(ip_equal(&w.last_udp.from, &w.facts.ip4));
	assert_int_equal(ear.n, 1);
	finish();
}

/* Another kind of link is another interface; the socket does not care. */
static void another_kind_of_link(void **state)
{
	(void)state;
	start();
	w.on_packet = watch_udp;
	world_down(&w);
	w.ethernet = true;
	w.facts.kind = LINK_ETHERNET;
	w.on_packet = NULL;
	world_start(&w);
	hear(ear.u, at(OTHER, 53), 5);
	world_settle(&w);
	assert_int_equal(ear.n, 1);
	assert_int_equal(say(ear.u, at(OTHER, 53), 5), 0);
	world_settle(&w);
	assert_int_equal(w.last_udp.to_port, 53);
	finish();
}

/* A session that ends in the middle of a batch: what came is still told. */
static void the_link_goes_before_the_event(void **state)
{
	struct packet p;
	struct frame f;

	(void)state;
	start();
	p = datagram(at(OTHER, 53), w.facts.ip4, port_of(ear.u), 9);
	packet_make(&f, &p, false);
	w.ops->input(w.ns, (struct slice){ .p = f.b, .n = f.n });
	assert_int_equal(ear.n, 0);
	world_down(&w);
	assert_int_equal(ear.n, 0);
	world_settle(&w);
	assert_int_equal(ear.n, 1);
	finish();
}

static void made_while_down(void **state)
{
	struct netstack_conf conf = world_conf();

	(void)state;
	memset(&ear, 0, sizeof(ear));
	world_init(&w, &conf, LINK_IP);
	w.facts.ip4 = packet_ip4(10, 9, 8, 7);
	assert_int_equal(udp_sock_new(&ear.u, w.ns, 4000, &events, &ear), 0);
	assert_int_equal(say(ear.u, at(OTHER, 53), 1), VE_DOWN);
	world_start(&w);
	assert_int_equal(say(ear.u, at(OTHER, 53), 1), 0);
	finish();
}

/* --- ICMP ----------------------------------------------------------------------------------------------- */

static struct packet ours; /* our datagram, as it went out */

static bool keep_ours(struct world *world, const struct packet *p)
{
	(void)world;
	ours = *p;
	ours.payload = bytes(16);
	return true;
}

static void send_error(const struct packet *quoted, uint8_t code, size_t n)
{
	if (quoted->from.family == IP_V6)
		world_icmp_error(&w, packet_ip6("2001:db8:1:2::1"), 1, code, quoted, n);
	else
		world_icmp_error(&w, OTHER, 3, code, quoted, n);
}

static void unreachable(void **state)
{
	static const struct {
		uint8_t code;
		int err;
	} cases[] = { { 0, VE_NETUNREACH }, { 1, VE_UNREACH },	  { 2, VE_UNREACH },  { 3, VE_REFUSED },
		      { 4, 0 },		    { 6, VE_NETUNREACH }, { 13, VE_UNREACH }, { 200, VE_UNREACH } };

	(void)state;
	start();
	w.on_packet = keep_ours;
	assert_int_equal(say(ear.u, at(OTHER, 53), 16), 0);
	world_settle(&w);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		ear.n = 0;
		send_error(&ours, cases[i].code, 28);
		world_settle(&w);
		assert_int_equal(ear.n, cases[i].err != 0);
		if (cases[i].err == 0)
			continue;
		assert_int_equal(ear.told[0].err, cases[i].err);
		assert_true(endpoint_equal(&ear.told[0].who, &(struct endpoint){ OTHER, 53 }));
	}
	finish();
}

/* What quotes no datagram of ours is nothing to us. */
static void unreachable_of_others(void **state)
{
	struct packet q;

	(void)state;
	start();
	w.on_packet = keep_ours;
	assert_int_equal(say(ear.u, at(OTHER, 53), 16), 0);
	world_settle(&w);
	q = ours;
	q.to_port++;
	send_error(&q, 3, 28);
	q = ours;
	q.to = THIRD;
	send_error(&q, 3, 28);
	q = ours;
	q.from_port ^= 1;
	send_error(&q, 3, 28);
	q = ours;
	q.proto = PROTO_TCP;
	send_error(&q, 3, 28);
	for (size_t n = 0; n < 28; n++)
		send_error(&ours, 3, n);
	world_settle(&w);
	assert_int_equal(ear.n, 0);
	send_error(&ours, 3, 28);
	world_settle(&w);
	assert_int_equal(ear.n, 1);
	finish();
}

/* The error says that it is about a later fragment: what stands there are no ports. */
static void unreachable_for_a_later_fragment(void **state)
{
	uint8_t body[4 + 28] = { 0 };
	struct packet p = { .from = OTHER, .proto = PROTO_ICMP4, .type = 3, .code = 3, .payload = { body, sizeof(body) } };
	struct frame f;

	(void)state;
	start();
	w.on_packet = keep_ours;
	assert_int_equal(say(ear.u, at(OTHER, 53), 16), 0);
	world_settle(&w);
	p.to = ours.from;
	packet_make(&f, &ours, false);
	memcpy(body + 4, f.b, 28);
	body[4 + 7] = 185;
	world_send(&w, p);
	world_settle(&w);
	assert_int_equal(ear.n, 0);
	body[4 + 7] = 0;
	world_send(&w, p);
	world_settle(&w);
	assert_int_equal(ear.n, 1);
	finish();
}

/* The newest addresses are remembered, and only those. */
static void unreachable_after_others(void **state)
{
	struct packet first;

	(void)state;
	start();
	w.on_packet = keep_ours;
	for (uint16_t i = 0; i < 16; i++) {
		assert_int_equal(say(ear.u, at(OTHER, (uint16_t)(1000 + i)), 16), 0);
		assert_int_equal(say(ear.u, at(OTHER, 1000), 16), 0); /* again: takes no place */
	}
	world_settle(&w);
	first = ours;
	assert_int_equal(first.to_port, 1000);
	send_error(&first, 3, 28);
	world_settle(&w);
	assert_int_equal(ear.n, 1);
	assert_int_equal(say(ear.u, at(OTHER, 2000), 16), 0);
	world_settle(&w);
	send_error(&first, 3, 28);
	world_settle(&w);
	assert_int_equal(ear.n, 1);
	finish();
}

static void unreachable_is_bounded(void **state)
{
	(void)state;
	start();
	w.on_packet = keep_ours;
	assert_int_equal(say(ear.u, at(OTHER, 53), 16), 0);
	world_settle(&w);
	for (unsigned i = 0; i < TOLD_MAX; i++)
		send_error(&ours, 3, 28);
	world_settle(&w);
	assert_in_range(ear.n, 1000, UDP_QUEUE_MAX / sizeof(struct endpoint));
	finish();
}

static void nobody_listens_for_errors(void **state)
{
	struct udp_sock *u;

	(void)state;
	start();
	w.on_packet = keep_ours;
	assert_int_equal(udp_sock_new(&u, w.ns, 0, &deaf, &ear), 0);
	assert_int_equal(say(u, at(OTHER, 53), 16), 0);
	world_settle(&w);
	send_error(&ours, 3, 28);
	world_settle(&w);
	assert_int_equal(ear.n, 0);
	udp_sock_free(u);
	finish();
}

static void unreachable_over_ip6(void **state)
{
	struct ip far = packet_ip6("2001:db8:9::53");
	uint8_t body[4 + 40 + 8 + 8] = { 0 };
	struct packet p;
	struct frame f;

	(void)state;
	start_ethernet();
	assert_int_equal(say(ear.u, at(far, 53), 16), 0);
	world_settle(&w);
	ours = w.last_udp;
	ours.payload = bytes(16);
	assert_true(ip_equal(&ours.to, &far));
	send_error(&ours, 4, 48);
	for (size_t n = 0; n < 48; n++)
		send_error(&ours, 4, n);
	world_settle(&w);
	assert_int_equal(ear.n, 1);
	assert_int_equal(ear.told[0].err, VE_REFUSED);
	assert_true(endpoint_equal(&ear.told[0].who, &(struct endpoint){ far, 53 }));

	/* the same, as a first and as a later fragment */
	packet_make(&f, &ours, false);
	memcpy(body + 4, f.b, 40);
	body[4 + 6] = 44;
	body[4 + 40] = PROTO_UDP;
	body[4 + 43] = 1;
	memcpy(body + 4 + 48, f.b + 40, 8);
	p = (struct packet){ .from = packet_ip6("2001:db8:1:2::1"), .to = ours.from, .proto = PROTO_ICMP6, .type = 1, .code = 0,
			     .payload = { body, sizeof(body) } };
	world_send(&w, p);
	world_settle(&w);
	assert_int_equal(ear.n, 2);
	assert_int_equal(ear.told[1].err, VE_NETUNREACH);
	body[4 + 42] = 5;
	world_send(&w, p);
	world_settle(&w);
	assert_int_equal(ear.n, 2);
	finish();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(out_and_back),
		cmocka_unit_test(anybody_may_answer),
		cmocka_unit_test(what_is_damaged_does_not_come),
		cmocka_unit_test(ip6),
		cmocka_unit_test(multicast_stays_near),
		cmocka_unit_test(targets_that_cannot_be),
		cmocka_unit_test(no_way_there),
		cmocka_unit_test(ports),
		cmocka_unit_test(as_many_as_the_cap),
		cmocka_unit_test(no_memory),
		cmocka_unit_test(free_in_event),
		cmocka_unit_test(free_another_in_event),
		cmocka_unit_test(answer_in_event),
		cmocka_unit_test(kicks),
		cmocka_unit_test(the_queue_is_bounded),
		cmocka_unit_test(the_session_is_full),
		cmocka_unit_test(long_datagrams_go_out_in_fragments),
		cmocka_unit_test(the_longest),
		cmocka_unit_test(long_datagrams_over_ip6),
		cmocka_unit_test(fragments_are_put_together),
		cmocka_unit_test(halves_do_not_pile_up),
		cmocka_unit_test(fragments_that_lie),
		cmocka_unit_test(the_link_goes_and_comes),
		cmocka_unit_test(another_kind_of_link),
		cmocka_unit_test(the_link_goes_before_the_event),
		cmocka_unit_test(made_while_down),
		cmocka_unit_test(unreachable),
		cmocka_unit_test(unreachable_of_others),
		cmocka_unit_test(unreachable_for_a_later_fragment),
		cmocka_unit_test(unreachable_after_others),
		cmocka_unit_test(unreachable_is_bounded),
		cmocka_unit_test(nobody_listens_for_errors),
		cmocka_unit_test(unreachable_over_ip6),
	};

	return cmocka_run_group_tests(tests, world_warm_up, NULL);
}
