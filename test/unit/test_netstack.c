/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_netstack.c - the stack's life, its clockwork, and what it must get right whatever the link is. */
#include "test/support/world.h"

#include "lwip_hooks.h"

static struct world w;
static struct client c;

static void start(enum link_kind kind)
{
	struct netstack_conf conf = world_conf();

	memset(&c, 0, sizeof(c));
	c.read_at_once = true;
	world_init(&w, &conf, kind);
	if (kind == LINK_IP)
		w.facts.ip4 = packet_ip4(10, 9, 8, 7);
}

/* --- port.c --------------------------------------------------------------------------------------------- */

/* The reference implementation's vectors: key 00..0f, input 00..(n-1). */
static void siphash_matches_published_vectors(void **state)
{
	static const uint64_t expect[] = { 0x726fdb47dd0e0e31u, 0x74f839c593dc67fdu, 0x0d6c8009d9a94f5au,
					   0x85676696d7fb7e2du, 0xcf2794e0277187b7u, 0x18765564cd99a68du,
					   0xcbc9466e58fee3ceu, 0xab0200f58b01d137u, 0x93f5f5799a932462u };
	uint8_t key[16], in[16];

	(void)state;
	for (uint8_t i = 0; i < 16; i++)
		key[i] = in[i] = i;
	for (size_t n = 0; n < ARRAY_LEN(expect); n++)
		assert_true(netstack_siphash(key, in, n) == expect[n]);
	assert_true(netstack_siphash(key, in, 15) == 0xa129ca6149be45e5u);
}

static uint32_t isn(uint16_t local_port, uint16_t remote_port)
{
	struct ip a = packet_ip4(10, 0, 0, 1), b = packet_ip4(10, 0, 0, 2);
	ip_addr_t l, r;

	ip_to_lwip(&l, &a);
	ip_to_lwip(&r, &b);
	return netstack_tcp_isn(&l, local_port, &r, remote_port);
}

static void isn_follows_rfc_6528(void **state)
{
	uint32_t first;

	(void)state;
	start(LINK_IP);
	first = isn(1000, 80);
	assert_int_equal(isn(1000, 80), first); /* a function of the four values and the time, */
	world_ms += 4;
	assert_int_equal(isn(1000, 80) - first, 1000); /* which counts in steps of 4 us, */
	assert_int_not_equal(isn(1001, 80) - first, 1000);
	assert_int_not_equal(isn(1000, 81) - first, 1000);
	world_ms -= 4;
	world_fini(&w);
	start(LINK_IP);
	assert_int_not_equal(isn(1000, 80), first); /* under a key of its own for each stack */
	world_fini(&w);
}

static void addresses_convert(void **state)
{
	struct ip v4 = packet_ip4(192, 0, 2, 1), v6 = packet_ip6("2001:db8::1"), none = { 0 }, back;
	ip_addr_t a;

	(void)state;
	ip_to_lwip(&a, &v4);
	back = ip_from_lwip(&a);
	assert_true(ip_equal(&back, &v4));
	ip_to_lwip(&a, &v6);
	back = ip_from_lwip(&a);
	assert_true(ip_equal(&back, &v6));
	ip_to_lwip(&a, &none);
	back = ip_from_lwip(&a);
	assert_int_equal(back.family, IP_NONE);
}

/* --- life ----------------------------------------------------------------------------------------------- */

static void there_is_one_stack_at_a_time(void **state)
{
	struct netstack_conf conf = world_conf();
	struct netstack *second = NULL;

	(void)state;
	for (int i = 0; i < 3; i++) {
		start(LINK_ETHERNET);
		assert_int_equal(netstack_new(&second, &w.loop, &conf), VE_LIMIT);
		assert_null(second);
		world_start(&w);
		world_fini(&w);
	}
	netstack_free(NULL);
}

static void what_runs_is_taken_down(void **state)
{
	(void)state;
	start(LINK_ETHERNET);
	world_peer(&w, packet_ip4(192, 168, 30, 1), 80);
	world_start(&w);
	w.on_dns = NULL;
	assert_int_equal(client_open(&c, &w, dest_host("silent.example", 80)), 0);
	world_settle(&w);
	flow_free(c.f);
	assert_int_equal(client_open(&c, &w, dest_ip(packet_ip4(192, 168, 30, 1), 80)), 0);
	world_settle(&w);
	assert_int_equal(c.opened, 1);
	/* half of an IPv4 datagram, which lwIP keeps for its other half */
	{
		struct packet p = { .from = packet_ip4(192, 168, 30, 1), .to = w.dhcp.address, .proto = 99,
				    .payload = { .p = (const uint8_t *)"12345678", .n = 8 } };
		struct frame f;

		memcpy(p.from_mac, w.gateway_mac, 6);
		memcpy(p.to_mac, w.facts.mac, 6);
		packet_make(&f, &p, true);
		f.b[14 + 6] = 0x20;
		packet_fix_checksums(f.b, f.n, true);
		queue_put(w.in, &f);
		world_settle(&w);
	}
	flow_free(c.f);
	world_fini(&w); /* looks for what is left */
}

static void another_kind_of_link_replaces_the_first(void **state)
{
	(void)state;
	start(LINK_ETHERNET);
	world_start(&w);
	world_down(&w);
	w.ethernet = false;
	w.facts.kind = LINK_IP;
	w.facts.ip4 = packet_ip4(10, 1, 1, 1);
	world_start(&w);
	assert_true(ip_equal(&w.ready_ip, &w.facts.ip4));
	world_down(&w);
	w.ethernet = true;
	w.facts.kind = LINK_ETHERNET;
	world_start(&w);
	assert_true(ip_equal(&w.ready_ip, &w.dhcp.address));
	world_fini(&w);
}

static void no_memory_for_the_stack(void **state)
{
	struct netstack_conf conf = world_conf();
	struct netstack *ns;
	uv_loop_t loop;
	long before;
	int r;

	(void)state;
	if (!HEAP_COUNTED)
		skip();
	assert_int_equal(uv_loop_init(&loop), 0);
	before = heap.live;
	heap.spare = sizeof(struct sys_timeo);
	for (unsigned long n = 1;; n++) {
		heap.asked = 0;
		heap.fail_at = n;
		r = netstack_new(&ns, &loop, &conf);
		heap.fail_at = 0;
		if (r == 0)
			break;
		assert_int_equal(r, VE_NOMEM);
		assert_int_equal(heap.live, before);
		assert_true(n < 20);
	}
	netstack_free(ns);
	uv_run(&loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&loop), 0);
}

/* --- the clockwork -------------------------------------------------------------------------------------- */

static void at_rest_it_wakes_once_a_second(void **state)
{
	uint64_t end;
	unsigned ticks = 0;

	(void)state;
	start(LINK_ETHERNET);
	world_start(&w);
	world_run(&w, 30000); /* IPv6 has given up on routers, MLD has reported */
	end = world_ms + 60000;
	while (world_ms < end) {
		world_ms += netstack_sleep(w.ns);
		netstack_tick(w.ns);
		ticks++;
	}
	assert_in_range(ticks, 1, 61);
	assert_int_equal(w.out->n, 0); /* and has nothing to say */
	world_fini(&w);
}

static void the_owner_is_kicked_only_by_outsiders(void **state)
{
	(void)state;
	start(LINK_IP);
	world_peer(&w, packet_ip4(10, 0, 0, 80), 80);
	world_start(&w);
	world_watch(&w);
	assert_int_equal(client_open(&c, &w, dest_ip(packet_ip4(10, 0, 0, 80), 80)), 0); /* SYN, and flow_flush() */
	assert_int_equal(w.kicks, 1);
	world_settle(&w); /* SYN-ACK comes by link_ops; world_kick() checks that the ACK does not kick */
	assert_int_equal(c.opened, 1);
	assert_int_equal(w.kicks, 1);
	c.to_send = 100;
	client_write(&c);
	assert_int_equal(w.kicks, 1); /* nothing goes out before the flush */
	flow_flush(w.ns);
	assert_int_equal(w.kicks, 2);
	flow_flush(w.ns); /* nothing to do, nobody to wake */
	assert_int_equal(w.kicks, 2);
	world_settle(&w);
	world_watch(&w);
	w.peer[0].mute = true;
	c.to_send = 200;
	client_write(&c);
	flow_flush(w.ns);
	world_watch(&w);
	world_run(&w, 3000); /* a retransmission comes from the timer */
	assert_true(w.kicks >= 1);
	flow_free(c.f);
	world_fini(&w);
}

/* The libuv timer does what the tests' clock does. */
static void libuv_runs_it(void **state)
{
	(void)state;
	start(LINK_IP);
	world_peer(&w, packet_ip4(10, 0, 0, 80), 80);
	world_start(&w);
	/* No IPv6 here: the flow fails at once, but its event has to wait for the loop. */
	assert_int_equal(client_open(&c, &w, dest_ip(packet_ip6("2001:db8::1"), 80)), 0);
	assert_int_equal(c.closed, 0);
	for (int i = 0; i < 10 && c.closed == 0; i++)
		uv_run(&w.loop, UV_RUN_NOWAIT);
	assert_int_equal(c.closed, 1);
	assert_int_equal(c.err, VE_NETUNREACH);
	flow_free(c.f);
	world_fini(&w);
}

static void dispatch_is_not_reentered(void **state)
{
	(void)state;
	start(LINK_IP);
	world_peer(&w, packet_ip4(10, 0, 0, 80), 80);
	world_start(&w);
	assert_int_equal(client_open(&c, &w, dest_ip(packet_ip4(10, 0, 0, 80), 80)), 0);
	world_settle(&w);
	netstack_dispatch(w.ns);
	netstack_dispatch(w.ns);
	assert_int_equal(c.opened, 1);
	flow_free(c.f);
	world_fini(&w);
}

static void dispatch_again(void *ctx)
{
	struct client *me = ctx;

	me->opened++;
	netstack_dispatch(w.ns); /* would tell the others first, and this one again */
	flow_flush(w.ns);
	assert_int_equal(me->opened, 1);
}

static void dispatch_from_an_event(void **state)
{
	static const struct flow_events ev = { .opened = dispatch_again };
	struct dest to = dest_ip(packet_ip4(10, 0, 0, 80), 80);

	(void)state;
	start(LINK_IP);
	world_peer(&w, to.ip, to.port);
	world_start(&w);
	assert_int_equal(flow_open(w.ns, &to, &ev, &c, &c.f), 0);
	flow_flush(w.ns);
	world_settle(&w);
	assert_int_equal(c.opened, 1);
	flow_free(c.f);
	world_fini(&w);
}

/* A packet in more pieces than are lent at once goes out in one. */
static void many_pieces(void **state)
{
	struct packet udp = { .from = packet_ip4(10, 9, 8, 7), .to = packet_ip4(10, 0, 0, 9), .proto = PROTO_UDP,
			      .from_port = 1, .to_port = 2, .payload = { .p = (const uint8_t *)"0123456789abcdef", .n = 16 } };
	struct frame f, g;

	(void)state;
	start(LINK_IP);
	world_start(&w);
	packet_make(&f, &udp, false);
	for (size_t pieces = 1; pieces <= f.n; pieces++) {
		struct pbuf *chain = NULL;

		for (size_t i = 0; i < pieces; i++) {
			struct pbuf *p = pbuf_alloc(PBUF_RAW, (u16_t)(i + 1 < pieces ? 1 : f.n - i), PBUF_RAM);

			assert_non_null(p);
			memcpy(p->payload, f.b + i, p->len);
			if (chain)
				pbuf_cat(chain, p);
			else
				chain = p;
		}
		assert_int_equal(netstack_output(w.ns, chain, 0), ERR_OK);
		pbuf_free(chain);
		assert_true(queue_take(w.out, &g));
		assert_int_equal(g.n, f.n);
		assert_memory_equal(g.b, f.b, f.n);
	}
	world_fini(&w);
}

static int too_long(void *ctx, const struct slice *v, size_t nv)
{
	(void)ctx, (void)v, (void)nv;
	return VE_LIMIT;
}

static void what_the_session_cannot_carry(void **state)
{
	struct netstack_stats s;

	(void)state;
	start(LINK_IP);
	world_start(&w);
	w.owner.output = too_long;
	assert_int_equal(client_open(&c, &w, dest_ip(packet_ip4(10, 0, 0, 80), 80)), 0);
	netstack_get_stats(w.ns, &s);
	assert_int_equal(s.dropped_out, 1);
	world_run(&w, FLOW_CONNECT_MS);
	assert_int_equal(c.err, VE_TIMEOUT);
	flow_free(c.f);
	world_fini(&w);
}

static void counters_count(void **state)
{
	struct netstack_stats s;
	struct frame f = { .n = 0 };

	(void)state;
	start(LINK_IP);
	world_peer(&w, packet_ip4(10, 0, 0, 80), 80);
	world_start(&w);
	netstack_get_stats(w.ns, &s);
	assert_int_equal(s.frames_in + s.dropped_in + s.flows + s.flows_held, 0);
	queue_put(w.in, &f);
	assert_int_equal(client_open(&c, &w, dest_ip(packet_ip4(10, 0, 0, 80), 80)), 0);
	world_settle(&w);
	netstack_get_stats(w.ns, &s);
	assert_int_equal(s.frames_out, 2); /* SYN, ACK */
	assert_int_equal(s.frames_in, 1);
	assert_int_equal(s.dropped_in, 1);
	assert_true(s.bytes_in >= 40 && s.bytes_out >= 80);
	assert_int_equal(s.flows, 1);
	flow_free(c.f);
	netstack_get_stats(w.ns, &s);
	assert_int_equal(s.flows, 0);
	world_fini(&w);
}

/* link_ops may be called in any order that a tunnel can produce, also when nothing is up. */
static void link_ops_when_down(void **state)
{
	(void)state;
	start(LINK_IP);
	w.ops->input(w.ns, (struct slice){ .p = (const uint8_t *)"x", .n = 1 });
	w.ops->turn_end(w.ns);
	w.ops->room(w.ns);
	w.ops->down(w.ns);
	world_start(&w);
	world_down(&w);
	w.ops->down(w.ns);
	w.ops->turn_end(w.ns);
	world_run(&w, 120000);
	world_fini(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(siphash_matches_published_vectors),
		cmocka_unit_test(isn_follows_rfc_6528),
		cmocka_unit_test(addresses_convert),
		cmocka_unit_test(there_is_one_stack_at_a_time),
		cmocka_unit_test(what_runs_is_taken_down),
		cmocka_unit_test(another_kind_of_link_replaces_the_first),
		cmocka_unit_test(no_memory_for_the_stack),
		cmocka_unit_test(at_rest_it_wakes_once_a_second),
		cmocka_unit_test(the_owner_is_kicked_only_by_outsiders),
		cmocka_unit_test(libuv_runs_it),
		cmocka_unit_test(dispatch_is_not_reentered),
		cmocka_unit_test(dispatch_from_an_event),
		cmocka_unit_test(many_pieces),
		cmocka_unit_test(what_the_session_cannot_carry),
		cmocka_unit_test(counters_count),
		cmocka_unit_test(link_ops_when_down),
	};

	return cmocka_run_group_tests(tests, world_warm_up, NULL);
}
