/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_link_ip.c - bare packets to a server: the address the session has negotiated, and IPv6 beside it. */
#include "test/support/world.h"

static struct world w;
static struct client c;
static struct netstack_conf conf;
static const struct ip OTHER = { .family = IP_V4, .b = { 172, 16, 3, 4 } };

static void start(void)
{
	memset(&c, 0, sizeof(c));
	c.read_at_once = true;
	world_init(&w, &conf, LINK_IP);
	w.facts.ip4 = packet_ip4(10, 9, 8, 7);
	world_peer(&w, OTHER, 80);
}

static void setup(void)
{
	conf = world_conf();
	start();
}

static void offer_ip6(void)
{
	static const uint8_t iid[8] = { 0x02, 0, 0, 0, 0, 0, 0, 0x77 };

	w.facts.has_ip6_iid = true;
	memcpy(w.facts.ip6_iid, iid, 8);
	w.router.on = true;
}

static void the_negotiated_address(void **state)
{
	struct ip dns[DNS_SERVERS_MAX];

	(void)state;
	setup();
	w.facts.dns[0] = packet_ip4(10, 0, 0, 53);
	w.facts.dns[1] = packet_ip4(10, 0, 0, 54);
	netstack_tick(w.ns); /* the next of lwIP's timers is some way off */
	assert_int_equal(world_up(&w), 0);
	assert_int_equal(w.readies, 0); /* not inside of up(), */
	assert_int_equal(netstack_sleep(w.ns), 0); /* but next, and not with lwIP's next timer */
	world_settle(&w);
	assert_int_equal(w.readies, 1);
	assert_true(ip_equal(&w.ready_ip, &w.facts.ip4));
	assert_int_equal(w.seen_frames, 0); /* nobody to greet */
	assert_int_equal(netstack_dns(w.ns, dns), 2);
	assert_true(ip_equal(&dns[1], &w.facts.dns[1]));
	assert_int_equal(client_open(&c, &w, dest_ip(OTHER, 80)), 0);
	world_settle(&w);
	assert_int_equal(c.opened, 1);
	assert_true(ip_equal(&w.peer[0].their_ip, &w.facts.ip4));
	world_run(&w, 120000);
	flow_free(c.f);
	world_fini(&w);
}

static void the_users_address(void **state)
{
	struct ip dns[DNS_SERVERS_MAX];

	(void)state;
	conf = world_conf();
	conf.ip4 = packet_ip4(10, 200, 0, 1);
	conf.ip4_prefix = 24;
	conf.dns = packet_ip4(10, 200, 0, 53);
	start();
	w.facts.dns[0] = packet_ip4(10, 0, 0, 53);
	world_start(&w);
	assert_true(ip_equal(&w.ready_ip, &conf.ip4));
	assert_int_equal(netstack_dns(w.ns, dns), 1);
	assert_true(ip_equal(&dns[0], &conf.dns));
	assert_int_equal(client_open(&c, &w, dest_ip(OTHER, 80)), 0); /* everything goes to the server */
	world_settle(&w);
	assert_int_equal(c.opened, 1);
	flow_free(c.f);
	world_fini(&w);
}

static void other_name_servers_after_a_reconnect(void **state)
{
	struct ip dns[DNS_SERVERS_MAX];

	(void)state;
	setup();
	w.facts.dns[0] = packet_ip4(10, 0, 0, 53);
	w.facts.dns[1] = packet_ip4(10, 0, 0, 54);
	world_start(&w);
	world_down(&w);
	w.facts.dns[0] = packet_ip4(10, 0, 0, 99);
	w.facts.dns[1] = (struct ip){ 0 };
	world_start(&w);
	assert_int_equal(netstack_dns(w.ns, dns), 1);
	assert_true(ip_equal(&dns[0], &w.facts.dns[0]));
	world_fini(&w);
}

static void ip6_beside_ip4(void **state)
{
	struct ip dns[DNS_SERVERS_MAX], local, remote, expect = packet_ip6("2001:db8:1:2:200:0:0:77");
	uint16_t port;

	(void)state;
	setup();
	offer_ip6();
	world_peer(&w, packet_ip6("2001:db8:9::80"), 80);
	world_start(&w);
	assert_true(ip_equal(&w.ready_ip, &w.facts.ip4));
	world_run(&w, 10000);
	assert_true(w.router.solicited >= 1);
	assert_true(netstack_has_ip6(w.ns));
	assert_int_equal(w.readies, 1);
	assert_int_equal(netstack_dns(w.ns, dns), 1);
	assert_true(ip_equal(&dns[0], &w.router.dns));
	c.to_send = 50000;
	assert_int_equal(client_open(&c, &w, dest_ip(packet_ip6("2001:db8:9::80"), 80)), 0);
	world_settle(&w);
	assert_int_equal(c.opened, 1);
	flow_addresses(c.f, &local, &port, &remote);
	assert_true(ip_equal(&local, &expect));
	world_run(&w, 1000);
	peer_check_pattern(&w.peer[1], 50000);
	/* the same identifier: the flow goes on */
	world_down(&w);
	world_run(&w, 1000);
	world_start(&w);
	c.to_send = 60000;
	client_write(&c);
	flow_flush(w.ns);
	world_run(&w, 2000);
	peer_check_pattern(&w.peer[1], 60000);
	/* another one: it does not */
	world_down(&w);
	w.facts.ip6_iid[7]++;
	world_start(&w);
	assert_int_equal(c.closed, 1);
	assert_int_equal(c.err, VE_DOWN);
	flow_free(c.f);
	/* and without, there is no IPv6 any more */
	world_down(&w);
	w.facts.has_ip6_iid = false;
	world_start(&w);
	world_run(&w, 10000);
	assert_false(netstack_has_ip6(w.ns));
	world_fini(&w);
}

static void ip6_only(void **state)
{
	struct ip expect = packet_ip6("2001:db8:1:2:200:0:0:77");

	(void)state;
	setup();
	w.facts.ip4 = (struct ip){ 0 };
	offer_ip6();
	assert_int_equal(world_up(&w), 0);
	world_run(&w, DHCP_WAIT_MS - 1);
	assert_int_equal(w.readies, 1);
	assert_true(ip_equal(&w.ready_ip, &expect));
	assert_int_equal(client_open(&c, &w, dest_ip(OTHER, 80)), 0);
	world_settle(&w);
	assert_int_equal(c.err, VE_NETUNREACH); /* no IPv4 here */
	flow_free(c.f);
	world_fini(&w);
}

static void no_address_at_all(void **state)
{
	(void)state;
	setup();
	w.facts.ip4 = (struct ip){ 0 };
	assert_int_equal(world_up(&w), 0);
	world_run(&w, DHCP_WAIT_MS - 1);
	assert_int_equal(w.faileds, 0);
	world_run(&w, 1);
	assert_int_equal(w.faileds, 1);
	assert_int_equal(w.fault.err, VE_ADDRESS);
	assert_non_null(strstr(w.fault.text, "IPv6 was not agreed on"));
	world_down(&w);
	offer_ip6();
	w.router.on = false;
	assert_int_equal(world_up(&w), 0);
	world_run(&w, DHCP_WAIT_MS);
	assert_int_equal(w.faileds, 2);
	assert_non_null(strstr(w.fault.text, "no router"));
	world_fini(&w);
}

static void small_mtu_has_no_ip6(void **state)
{
	(void)state;
	setup();
	offer_ip6();
	w.facts.mtu = 1279;
	world_start(&w);
	world_run(&w, 10000);
	assert_int_equal(w.router.solicited, 0);
	world_fini(&w);
}

/* What is no packet, what is too short for its version, and what lies about its length. */
static void sizes(void **state)
{
	static const struct {
		size_t n;
		uint8_t first;
		bool good;
	} cases[] = { { 0, 0, false },	     { 1, 0x45, false },   { 19, 0x45, false },	 { 20, 0x45, true },
		      { 20, 0x4f, true },    { 20, 0x60, false },  { 39, 0x60, false },	 { 40, 0x60, true },
		      { 40, 0x50, false },   { 1500, 0x45, true }, { 1500, 0x60, true }, { FRAME_MAX, 0x45, true },
		      { FRAME_MAX + 1, 0x45, false } };

	(void)state;
	setup();
	offer_ip6();
	world_start(&w);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct netstack_stats before, after;
		struct frame f = { .n = cases[i].n };

		netstack_get_stats(w.ns, &before);
		memset(f.b, 0xff, sizeof(f.b));
		f.b[0] = cases[i].first;
		queue_put(w.in, &f);
		world_settle(&w);
		netstack_get_stats(w.ns, &after);
		assert_int_equal(after.frames_in - before.frames_in, cases[i].good);
		assert_int_equal(after.dropped_in - before.dropped_in, !cases[i].good);
	}
	world_fini(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_negotiated_address),
		cmocka_unit_test(the_users_address),
		cmocka_unit_test(other_name_servers_after_a_reconnect),
		cmocka_unit_test(ip6_beside_ip4),
		cmocka_unit_test(ip6_only),
		cmocka_unit_test(no_address_at_all),
		cmocka_unit_test(small_mtu_has_no_ip6),
		cmocka_unit_test(sizes),
	};

	return cmocka_run_group_tests(tests, world_warm_up, NULL);
}
