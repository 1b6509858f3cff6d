/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_dhcp.c - leases through the link: short ones, renewed, refused, lost; and what servers say besides. Virtual time. */
#include "test/support/world.h"

#include "netstack/udp.h"

static struct world w;
static struct client c;
static struct netstack_conf conf;
static struct tcp_peer *peer;

static const struct ip *gateway(void)
{
	static struct ip ip;

	ip = packet_ip4(192, 168, 30, 1);
	return &ip;
}

static void setup(void)
{
	conf = world_conf();
	memset(&c, 0, sizeof(c));
	c.read_at_once = true;
	world_init(&w, &conf, LINK_ETHERNET);
	peer = world_peer(&w, *gateway(), 80);
}

static void open_flow(void)
{
	assert_int_equal(client_open(&c, &w, dest_ip(*gateway(), 80)), 0);
	world_settle(&w);
	assert_int_equal(c.opened, 1);
}

/* Bytes each way, all of them right. */
static void check_flow(size_t n)
{
	c.to_send += n;
	client_write(&c);
	flow_flush(w.ns);
	peer_send_pattern(peer, n);
	world_run(&w, 3000);
	assert_int_equal(c.closed, 0);
	assert_int_equal(c.got, peer->tx_len);
	peer_check_pattern(peer, c.to_send);
}

static void finish(void)
{
	flow_free(c.f);
	world_fini(&w);
}

static bool was_broadcast(void)
{
	return ip_equal(&w.dhcp.asked, &(struct ip){ .family = IP_V4, .b = { 255, 255, 255, 255 } });
}

/* --- renewal -------------------------------------------------------------------------------------------- */

static void a_lease_of_a_minute(void **state)
{
	(void)state;
	setup();
	w.dhcp.lease_s = 60;
	world_start(&w);
	open_flow();
	for (unsigned i = 0; i < 200; i++)
		check_flow(5000); /* 10 minutes */
	assert_in_range(w.dhcp.requests, 19, 22);
	assert_true(ip_equal(&w.dhcp.asked, &w.dhcp.server));
	assert_false(w.dhcp.has_server_id);
	assert_true(ip_equal(&w.dhcp.requested, &w.dhcp.address));
	assert_int_equal(w.dhcp.discovers, 1);
	assert_int_equal(w.readies, 1);
	assert_int_equal(w.faileds, 0);
	finish();
}

/* A server says itself when, to the second. */
static void t1_and_t2(void **state)
{
	(void)state;
	setup();
	w.dhcp.lease_s = 1000;
	w.dhcp.t1_s = 100;
	w.dhcp.t2_s = 700;
	w.dhcp.gone = w.dhcp.server;
	world_start(&w); /* 2 s */
	world_run(&w, 95000);
	assert_int_equal(w.dhcp.requests, 1);
	world_run(&w, 4000);
	assert_int_equal(w.dhcp.requests, 2);
	assert_false(was_broadcast());
	world_run(&w, 595000); /* 696 s; again after half of what is left until T2, down to 50 s */
	assert_in_range(w.dhcp.requests, 4, 7);
	assert_false(was_broadcast());
	world_run(&w, 8000);
	assert_true(was_broadcast());
	assert_int_equal(w.readies, 1);
	world_fini(&w);
}

/* The server is gone at T1, another one answers at T2, and from then on it is the one to ask. */
static void another_server_rebinds(void **state)
{
	unsigned before;

	(void)state;
	setup();
	w.dhcp.lease_s = 60;
	world_start(&w);
	open_flow();
	w.dhcp.gone = w.dhcp.server;
	w.dhcp.server = packet_ip4(192, 168, 30, 2);
	world_run(&w, 45000);
	assert_false(was_broadcast());
	assert_true(ip_equal(&w.dhcp.asked, &w.dhcp.gone));
	world_run(&w, 8000);
	assert_true(was_broadcast());
	assert_true(ip_equal(&w.dhcp.requested, &w.dhcp.address));
	before = w.dhcp.requests;
	world_run(&w, 31000);
	assert_int_equal(w.dhcp.requests, before + 1);
	assert_true(ip_equal(&w.dhcp.asked, &w.dhcp.server));
	assert_int_equal(w.readies, 1);
	check_flow(1000);
	finish();
}

/* All that is sent between two moments of a lease is lost. */
static uint64_t deaf_from, deaf_to;

static bool lose(struct world *world, const struct packet *p)
{
	(void)world;
	return p->to_port == 67 && world_ms >= deaf_from && world_ms < deaf_to;
}

static void a_short_lease_is_asked_for_again(void **state)
{
	(void)state;
	setup();
	w.dhcp.lease_s = 60;
	world_start(&w);
	open_flow();
	w.on_packet = lose;
	deaf_from = world_ms;
	deaf_to = world_ms + 50000; /* in time for T2, */
	world_run(&w, 100000);
	assert_int_equal(w.readies, 1);
	deaf_from = world_ms;
	deaf_to = world_ms + 36000; /* or for one of the tries after T1 */
	world_run(&w, 100000);
	assert_int_equal(w.readies, 1);
	check_flow(1000);
	finish();
}

static void strange_lease_times(void **state)
{
	(void)state;
	setup();
	w.dhcp.lease_s = 0; /* not said */
	world_start(&w);
	world_run(&w, 1790000);
	assert_int_equal(w.dhcp.requests, 1);
	w.dhcp.lease_s = 1;
	world_run(&w, 20000);
	assert_in_range(w.dhcp.requests, 3, 6);
	world_run(&w, 40000);
	assert_in_range(w.dhcp.requests, 12, 18);
	assert_int_equal(w.readies, 1);
	w.dhcp.lease_s = UINT32_MAX; /* for ever, with nothing left of the lease before */
	world_run(&w, 10000);
	w.dhcp.requests = 0;
	w.dhcp.on = false;
	world_run(&w, 2 * 24 * 3600000);
	assert_int_equal(w.dhcp.requests, 0);
	assert_int_equal(w.readies, 1);
	w.dhcp.on = true;
	w.dhcp.lease_s = 3 * 86400; /* more seconds than 16 bits count */
	world_down(&w);
	world_start(&w);
	w.dhcp.requests = 0;
	world_run(&w, 24 * 3600000);
	assert_int_equal(w.dhcp.requests, 0);
	world_run(&w, 13 * 3600000);
	assert_int_equal(w.dhcp.requests, 1);
	world_fini(&w);
}

/* --- the lease is lost ---------------------------------------------------------------------------------- */

static void lose_the_lease(void)
{
	setup();
	w.dhcp.lease_s = 60;
	world_start(&w);
	open_flow();
	check_flow(1000);
	w.dhcp.on = false;
	world_run(&w, 60000);
	assert_false(netstack_has_ip4(w.ns));
	assert_int_equal(w.dhcp.releases, 0);
	assert_int_equal(c.closed, 0);
	world_watch(&w);
	world_run(&w, 3000);
	assert_int_equal(w.seen_tcp, 0);
}

static void the_same_address_again(void **state)
{
	(void)state;
	lose_the_lease();
	c.to_send += 500; /* waits */
	client_write(&c);
	flow_flush(w.ns);
	w.dhcp.on = true;
	world_run(&w, 9000);
	assert_int_equal(w.readies, 2);
	assert_int_equal(w.faileds, 0);
	check_flow(1000);
	finish();
}

static void another_address(void **state)
{
	(void)state;
	lose_the_lease();
	w.dhcp.on = true;
	w.dhcp.address = packet_ip4(192, 168, 30, 99);
	world_run(&w, 9000);
	assert_int_equal(w.readies, 2);
	assert_true(ip_equal(&w.ready_ip, &w.dhcp.address));
	assert_int_equal(c.closed, 1);
	assert_int_equal(c.err, VE_DOWN);
	finish();
}

static void no_address_any_more(void **state)
{
	(void)state;
	lose_the_lease();
	world_run(&w, 15000);
	assert_int_equal(w.faileds, 1); /* the tunnel hears of it */
	assert_int_equal(c.closed, 0);
	world_run(&w, 20000);
	assert_int_equal(c.closed, 1);
	assert_int_equal(c.err, VE_DOWN);
	finish();
}

/* After a reconnect nobody confirms the address: it ends with its lease all the same. */
static void unconfirmed(void **state)
{
	(void)state;
	setup();
	w.dhcp.lease_s = 30;
	world_start(&w);
	world_down(&w);
	w.dhcp.on = false;
	assert_int_equal(world_up(&w), 0);
	world_run(&w, 1000);
	assert_true(ip_equal(&w.last_udp.from, &(struct ip){ .family = IP_V4 }));
	world_run(&w, 20000);
	assert_true(netstack_has_ip4(w.ns));
	world_run(&w, 10000);
	assert_false(netstack_has_ip4(w.ns));
	world_fini(&w);
}

/* --- refusals ------------------------------------------------------------------------------------------- */

static void nobody_asked(void **state)
{
	(void)state;
	setup();
	w.dhcp.on = false;
	assert_int_equal(world_up(&w), 0);
	world_settle(&w);
	send_dhcp(&w, 6); /* SELECTING */
	send_dhcp(&w, 5);
	world_settle(&w);
	assert_int_equal(w.dhcp.discovers, 1);
	assert_int_equal(w.readies, 0);
	w.dhcp.on = true;
	world_run(&w, 5000);
	assert_int_equal(w.readies, 1);
	send_dhcp(&w, 6); /* BOUND */
	send_dhcp(&w, 2);
	w.dhcp.address = packet_ip4(192, 168, 30, 66);
	send_dhcp(&w, 5);
	world_run(&w, 5000);
	assert_int_equal(w.readies, 1);
	assert_true(netstack_has_ip4(w.ns));
	world_fini(&w);
}

static void refused_at(bool rebinding)
{
	setup();
	w.dhcp.lease_s = 60;
	world_start(&w);
	open_flow();
	if (rebinding)
		w.dhcp.gone = w.dhcp.server;
	w.dhcp.nak = true;
	world_run(&w, rebinding ? 55000 : 31000);
	assert_int_equal(was_broadcast(), true); /* it has begun anew, */
	assert_int_equal(w.dhcp.discovers, 2);
	assert_int_equal(w.dhcp.naks, 1);
	w.dhcp.gone.family = IP_NONE;
	world_run(&w, 1000);
	assert_int_equal(w.readies, 2); /* had the same address again, */
	check_flow(2000);               /* and the flow has not noticed */
	finish();
}

static void refused_while_renewing(void **state)
{
	(void)state;
	refused_at(false);
}

static void refused_while_rebinding(void **state)
{
	(void)state;
	refused_at(true);
}

static struct ip stranger;

/* Somebody else refuses whatever we ask. */
static bool a_stranger_refuses(struct world *world, const struct packet *p)
{
	struct ip server = world->dhcp.server;

	if (p->to_port != 67 || p->payload.n < 243 || p->payload.p[242] != 3)
		return false;
	world->dhcp.xid = load_be32(p->payload.p + 4);
	world->dhcp.server = stranger;
	send_dhcp(world, 6);
	world->dhcp.server = server;
	return false;
}

static void refused_by_a_stranger(void **state)
{
	(void)state;
	setup();
	stranger = packet_ip4(192, 168, 30, 200);
	w.dhcp.lease_s = 60;
	w.on_packet = a_stranger_refuses;
	world_start(&w);
	world_run(&w, 600000);
	assert_int_equal(w.readies, 1);
	assert_int_equal(w.dhcp.discovers, 1);
	assert_true(w.dhcp.naks >= 19);
	world_fini(&w);
}

static void refused_for_ever(void **state)
{
	(void)state;
	setup();
	w.dhcp.nak_all = true;
	assert_int_equal(world_up(&w), 0);
	world_run(&w, DHCP_WAIT_MS);
	assert_in_range(w.dhcp.naks, 3, 5); /* with growing pauses */
	assert_int_equal(w.faileds, 1);
	assert_int_equal(w.fault.err, VE_ADDRESS);
	assert_non_null(strstr(w.fault.text, "refuses the address"));
	world_down(&w);
	w.dhcp.nak_all = false;
	world_start(&w);
	world_fini(&w);
}

/* --- several servers ------------------------------------------------------------------------------------ */

static bool three_offers(struct world *world, const struct packet *p)
{
	struct dhcp_script *d = &world->dhcp;
	struct ip server = d->server, address = d->address;

	if (p->to_port != 67 || p->payload.n < 243 || p->payload.p[242] != 1)
		return false;
	d->xid = load_be32(p->payload.p + 4);
	for (uint8_t i = 0; i < 3; i++) {
		d->server.b[3] = (uint8_t)(server.b[3] + i);
		d->address.b[3] = (uint8_t)(address.b[3] + i);
		send_dhcp(world, 2);
	}
	d->server = server;
	d->address = address;
	d->discovers++;
	return true;
}

static void the_first_offer(void **state)
{
	(void)state;
	for (unsigned unicast = 0; unicast < 2; unicast++) {
		setup();
		w.dhcp.unicast = unicast;
		w.on_packet = three_offers;
		assert_int_equal(world_up(&w), 0);
		world_run(&w, 5000);
		assert_int_equal(w.readies, 1);
		assert_int_equal(w.dhcp.requests, 1);
		assert_true(ip_equal(&w.ready_ip, &w.dhcp.address));
		world_fini(&w);
	}
}

/* Offers that no host could use are not taken; the next one is. */
static void an_impossible_offer(void **state)
{
	static const uint8_t bad[][8] = { { 0, 0, 0, 0, 255, 255, 255, 0 },      { 224, 0, 0, 1, 255, 255, 255, 0 },
					  { 127, 0, 0, 1, 255, 255, 255, 0 },    { 192, 168, 30, 255, 255, 255, 255, 0 },
					  { 192, 168, 30, 10, 255, 0, 255, 0 } };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct dhcp_script good;
		struct netstack_stats s;

		setup();
		good = w.dhcp;
		memcpy(w.dhcp.address.b, bad[i], 4);
		memcpy(w.dhcp.mask.b, bad[i] + 4, 4);
		assert_int_equal(world_up(&w), 0);
		world_settle(&w);
		assert_int_equal(w.dhcp.requests, 0);
		netstack_get_stats(w.ns, &s);
		assert_int_equal(s.dropped_in, 1);
		w.dhcp = good;
		world_run(&w, 3000);
		assert_int_equal(w.readies, 1);
		world_fini(&w);
	}
}

/* --- options -------------------------------------------------------------------------------------------- */

static size_t place_of(uint8_t option)
{
	for (size_t i = 0; i < w.dhcp.nwanted; i++)
		if (w.dhcp.wanted[i] == option)
			return i;
	fail_msg("option %u is not asked for", option);
	return 0;
}

static void what_is_asked_for(void **state)
{
	static const uint8_t all[] = { 1, 3, 6, 15, 26, 51, 58, 59, 121, 249 };

	(void)state;
	setup();
	world_start(&w);
	for (size_t i = 0; i < sizeof(all); i++)
		place_of(all[i]);
	assert_true(place_of(121) < place_of(3)); /* RFC 3442 */
	assert_true(place_of(249) < place_of(3));
	world_fini(&w);
}

static void more(const void *b, size_t n)
{
	w.dhcp.more = b;
	w.dhcp.nmore = n;
}

static void a_domain(void **state)
{
	static const uint8_t good[] = "\x0f\x0c" "corp.example", bad[] = "\x0f\x05" "a b.c";

	(void)state;
	setup();
	w.dhcp.lease_s = 60;
	more(good, sizeof(good) - 1);
	world_start(&w);
	assert_string_equal(netstack_search(w.ns), "corp.example");
	more(bad, sizeof(bad) - 1);
	world_run(&w, 31000);
	assert_null(netstack_search(w.ns));
	more(good, sizeof(good) - 1);
	world_run(&w, 31000);
	assert_string_equal(netstack_search(w.ns), "corp.example");
	world_fini(&w);
	conf.search = ""; /* the user wants none */
	world_init(&w, &conf, LINK_ETHERNET);
	more(good, sizeof(good) - 1);
	world_start(&w);
	assert_null(netstack_search(w.ns));
	world_fini(&w);
}

static void expect_hop(struct ip to, struct ip hop)
{
	memset(&c, 0, sizeof(c));
	memset(&w.last_arp, 0, sizeof(w.last_arp));
	assert_int_equal(client_open(&c, &w, dest_ip(to, 80)), 0);
	world_settle(&w);
	assert_int_equal(c.opened, 1);
	assert_true(ip_equal(&w.last_arp.arp_target, &hop));
	flow_free(c.f);
}

static void expect_unreachable(struct ip to)
{
	static const struct udp_events events = { .received = NULL };
	struct udp_sock *u;

	memset(&c, 0, sizeof(c));
	assert_int_equal(client_open(&c, &w, dest_ip(to, 80)), 0);
	world_settle(&w);
	assert_int_equal(c.err, VE_NETUNREACH);
	flow_free(c.f);
	assert_int_equal(udp_sock_new(&u, w.ns, 0, &events, NULL), 0);
	assert_int_equal(udp_sock_send(u, &(struct endpoint){ .ip = to, .port = 9 }, (struct slice){ 0 }), VE_NETUNREACH);
	udp_sock_free(u);
}

/* 10/8 by one router, 10.1/16 on the link, nothing else: the router option does not count. */
static void routes(void **state)
{
	static const uint8_t without[] = { 121, 13, 8, 10, 192, 168, 30, 2, 16, 10, 1, 0, 0, 0, 0 };
	static const uint8_t with[] = { 249, 11, 8, 10, 192, 168, 30, 2, 0, 192, 168, 30, 3 };

	(void)state;
	setup();
	w.dhcp.lease_s = 60;
	w.dhcp.gateway = packet_ip4(192, 168, 30, 9); /* not the server, whom the stack knows */
	more(without, sizeof(without));
	world_peer(&w, packet_ip4(10, 2, 0, 1), 80);
	world_peer(&w, packet_ip4(10, 1, 0, 1), 80);
	world_peer(&w, packet_ip4(172, 16, 0, 1), 80);
	world_peer(&w, packet_ip4(172, 16, 0, 2), 80);
	world_start(&w);
	expect_hop(packet_ip4(10, 2, 0, 1), packet_ip4(192, 168, 30, 2));
	expect_hop(packet_ip4(10, 1, 0, 1), packet_ip4(10, 1, 0, 1));
	expect_unreachable(packet_ip4(172, 16, 0, 1));
	more(with, sizeof(with)); /* renewed with others, and a default */
	world_run(&w, 31000);
	expect_hop(packet_ip4(172, 16, 0, 1), packet_ip4(192, 168, 30, 3));
	more(NULL, 0); /* and with none: the router again */
	world_run(&w, 31000);
	expect_hop(packet_ip4(172, 16, 0, 2), w.dhcp.gateway);
	world_fini(&w);
}

static void a_router_that_is_silent(void **state)
{
	static const uint8_t b[] = { 121, 6, 8, 10, 192, 168, 30, 2 };

	(void)state;
	setup();
	more(b, sizeof(b));
	world_start(&w);
	w.arp_mute = true;
	assert_int_equal(client_open(&c, &w, dest_ip(packet_ip4(10, 2, 0, 1), 80)), 0);
	world_run(&w, FLOW_CONNECT_MS + 1000);
	assert_int_equal(c.closed, 1);
	assert_int_equal(c.err, VE_UNREACH);
	finish();
}

static void mtu(void **state)
{
	static const struct {
		uint8_t option[4];
		uint16_t session, want;
	} cases[] = { { { 26, 2, 0x05, 0x78 }, 1500, 1400 }, { { 26, 2, 0x02, 0x40 }, 1500, 576 },
		      { { 26, 2, 0x02, 0x3f }, 1500, 1500 }, { { 26, 2, 0x23, 0x28 }, 1500, 1500 },
		      { { 26, 2, 0x05, 0xdc }, 1400, 1400 }, { { 26, 2, 0x06, 0x2e }, 1582, 1582 },
		      { { 26, 2, 0x05, 0xdc }, 1582, 1500 } };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		setup();
		world_peer(&w, *gateway(), 81);
		w.facts.mtu = cases[i].session;
		w.dhcp.lease_s = 60;
		more(cases[i].option, 4);
		world_start(&w);
		open_flow();
		assert_int_equal(w.last_mss, cases[i].want - 40);
		check_flow(100000);
		flow_free(c.f);
		more(NULL, 0);
		world_run(&w, 31000);
		memset(&c, 0, sizeof(c));
		assert_int_equal(client_open(&c, &w, dest_ip(*gateway(), 81)), 0);
		world_settle(&w);
		assert_int_equal(w.last_mss, cases[i].session - 40);
		finish();
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_lease_of_a_minute),
		cmocka_unit_test(t1_and_t2),
		cmocka_unit_test(another_server_rebinds),
		cmocka_unit_test(a_short_lease_is_asked_for_again),
		cmocka_unit_test(strange_lease_times),
		cmocka_unit_test(the_same_address_again),
		cmocka_unit_test(another_address),
		cmocka_unit_test(no_address_any_more),
		cmocka_unit_test(unconfirmed),
		cmocka_unit_test(nobody_asked),
		cmocka_unit_test(refused_while_renewing),
		cmocka_unit_test(refused_while_rebinding),
		cmocka_unit_test(refused_by_a_stranger),
		cmocka_unit_test(refused_for_ever),
		cmocka_unit_test(the_first_offer),
		cmocka_unit_test(an_impossible_offer),
		cmocka_unit_test(what_is_asked_for),
		cmocka_unit_test(a_domain),
		cmocka_unit_test(routes),
		cmocka_unit_test(a_router_that_is_silent),
		cmocka_unit_test(mtu),
	};

	return cmocka_run_group_tests(tests, world_warm_up, NULL);
}
