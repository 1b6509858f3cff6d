/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_link_ethernet.c - a host on a virtual hub: addresses, ARP, neighbours, and frames of all sizes. */
#include "test/support/world.h"

static struct world w;
static struct client c;
static struct netstack_conf conf;

static void start(void)
{
	memset(&c, 0, sizeof(c));
	c.read_at_once = true;
	world_init(&w, &conf, LINK_ETHERNET);
}

static void setup(void)
{
	conf = world_conf();
	start();
}

static struct netstack_stats stats(void)
{
	struct netstack_stats s;

	netstack_get_stats(w.ns, &s);
	return s;
}

/* --- DHCP ----------------------------------------------------------------------------------------------- */

static bool check_discover(struct world *world, const struct packet *p)
{
	static const uint8_t broadcast[6] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };
	struct ip all = packet_ip4(255, 255, 255, 255), none = { .family = IP_V4 };

	if (p->to_port != 67)
		return false;
	assert_memory_equal(p->to_mac, broadcast, 6);
	assert_true(ip_equal(&p->to, &all));
	assert_true(ip_equal(&p->from, &none));
	assert_int_equal(p->from_port, 68);
	(void)world;
	return false;
}

static void a_lease(void **state)
{
	(void)state;
	setup();
	w.on_packet = check_discover;
	assert_int_equal(world_up(&w), 0);
	assert_int_equal(w.readies, 0); /* not from inside of up() */
	world_settle(&w);
	assert_int_equal(w.readies, 1);
	assert_true(ip_equal(&w.ready_ip, &w.dhcp.address));
	assert_int_equal(w.dhcp.discovers, 1);
	assert_int_equal(w.dhcp.requests, 1);
	assert_true(w.dhcp.has_server_id);
	assert_true(w.seen_arp >= 1); /* says who has the address now */
	assert_true(ip_equal(&w.last_arp.arp_sender, &w.dhcp.address));
	world_run(&w, 600000);
	assert_int_equal(w.readies, 1);
	assert_int_equal(w.faileds, 0);
	world_fini(&w);
}

static void no_dhcp(void **state)
{
	(void)state;
	setup();
	w.dhcp.on = false;
	assert_int_equal(world_up(&w), 0);
	world_run(&w, DHCP_WAIT_MS - 1);
	assert_int_equal(w.faileds, 0);
	assert_int_equal(w.dhcp.discovers, 4);
	world_run(&w, 1);
	assert_int_equal(w.faileds, 1);
	assert_int_equal(w.readies, 0);
	assert_int_equal(w.fault.err, VE_ADDRESS);
	assert_false(w.fault.final);
	assert_string_equal(w.fault.text, "no DHCP answer in 15 s: the hub has neither SecureNAT nor a bridged network with "
					  "DHCP, or a policy filters it; give an address with --ip4 A/N --gateway A --dns A");
	w.dhcp.on = true; /* too late: the owner has been told, and is about to end the session */
	world_run(&w, 60000);
	assert_int_equal(w.faileds, 1);
	assert_int_equal(w.readies, 0);
	world_down(&w);
	/* the next session, the next chance */
	world_start(&w);
	world_fini(&w);
}

static void a_late_server(void **state)
{
	(void)state;
	setup();
	w.dhcp.on = false;
	assert_int_equal(world_up(&w), 0);
	world_run(&w, 10000);
	w.dhcp.on = true;
	world_run(&w, 4999);
	assert_int_equal(w.readies, 1);
	assert_int_equal(w.faileds, 0);
	world_fini(&w);
}

static void refused_once(void **state)
{
	(void)state;
	setup();
	w.dhcp.nak = true;
	assert_int_equal(world_up(&w), 0);
	world_settle(&w);
	assert_int_equal(w.readies, 1);
	assert_int_equal(w.dhcp.discovers, 2);
	assert_int_equal(w.dhcp.requests, 2);
	world_fini(&w);
}

static void renewal(void **state)
{
	(void)state;
	setup();
	world_start(&w);
	world_run(&w, 3500000);
	assert_int_equal(w.dhcp.requests, 1);
	world_run(&w, 200000); /* T1 is an hour; lwIP counts minutes */
	assert_int_equal(w.dhcp.requests, 2);
	assert_false(w.dhcp.has_server_id);
	assert_true(ip_equal(&w.dhcp.requested, &w.dhcp.address));
	world_run(&w, 24 * 3600000);
	assert_in_range(w.dhcp.requests, 24, 28);
	assert_int_equal(w.dhcp.discovers, 1);
	assert_int_equal(w.readies, 1);
	world_fini(&w);
}

/* Nobody renews: at the end of the lease the address is gone, and with it the flows bound to it. */
static void the_lease_ends(void **state)
{
	(void)state;
	setup();
	world_peer(&w, packet_ip4(192, 168, 30, 1), 80);
	world_start(&w);
	w.dhcp.on = false;
	world_run(&w, 7000000);
	assert_int_equal(client_open(&c, &w, dest_ip(packet_ip4(192, 168, 30, 1), 80)), 0);
	world_settle(&w);
	assert_int_equal(c.opened, 1);
	world_run(&w, 300000);
	assert_int_equal(c.closed, 1);
	assert_int_equal(c.err, VE_DOWN);
	flow_free(c.f);
	assert_int_equal(w.faileds, 1);
	world_down(&w);
	w.dhcp.on = true;
	world_start(&w);
	world_fini(&w);
}

/* A NAK in the middle of a lease: another address follows, and the owner hears of it. */
static void renumbered(void **state)
{
	(void)state;
	setup();
	world_peer(&w, packet_ip4(192, 168, 30, 1), 80);
	world_start(&w);
	assert_int_equal(client_open(&c, &w, dest_ip(packet_ip4(192, 168, 30, 1), 80)), 0);
	world_settle(&w);
	w.dhcp.address = packet_ip4(192, 168, 30, 77);
	world_run(&w, 3700000);
	assert_int_equal(w.readies, 2);
	assert_true(ip_equal(&w.ready_ip, &w.dhcp.address));
	assert_int_equal(c.closed, 1);
	assert_int_equal(c.err, VE_DOWN);
	flow_free(c.f);
	world_fini(&w);
}

static void reconnect_confirms_the_address(void **state)
{
	(void)state;
	setup();
	world_start(&w);
	world_down(&w);
	world_run(&w, 20000);
	world_start(&w);
	assert_int_equal(w.readies, 2);
	assert_int_equal(w.dhcp.discovers, 1);
	assert_int_equal(w.dhcp.requests, 2); /* INIT-REBOOT */
	assert_false(w.dhcp.has_server_id);
	assert_true(ip_equal(&w.dhcp.requested, &w.dhcp.address));
	/* a server that knows us no more says no */
	world_down(&w);
	w.dhcp.address = packet_ip4(192, 168, 30, 55);
	world_start(&w);
	assert_int_equal(w.dhcp.discovers, 2);
	assert_true(ip_equal(&w.ready_ip, &w.dhcp.address));
	world_fini(&w);
}

/* A server that has forgotten us may be silent (RFC 2131 4.3.2): we start over in time. */
static bool hide_reboot(struct world *world, const struct packet *p)
{
	return p->to_port == 67 && world->dhcp.discovers == 1 && p->payload.n > 244 && p->payload.p[242] == 3;
}

static void reconnect_to_a_silent_server(void **state)
{
	(void)state;
	setup();
	world_start(&w);
	world_down(&w);
	w.on_packet = hide_reboot;
	assert_int_equal(world_up(&w), 0);
	world_run(&w, DHCP_WAIT_MS - 1);
	assert_int_equal(w.readies, 2);
	assert_int_equal(w.dhcp.discovers, 2);
	world_fini(&w);
}

/* Every way to cut, and every byte of an answer changed: what comes of it must be sane. */
static void damaged_dhcp(void **state)
{
	struct frame f = { .n = 0 };

	(void)state;
	setup();
	w.dhcp.on = false;
	assert_int_equal(world_up(&w), 0);
	world_settle(&w);
	send_dhcp(&w, 2);
	assert_true(queue_take(w.in, &f));
	for (size_t n = 0; n < f.n; n++) {
		struct frame g;

		memcpy(g.b, f.b, n);
		g.n = n;
		queue_put(w.in, &g);
		world_settle(&w);
	}
	for (size_t i = 0; i < f.n; i++) {
		struct frame g = f;

		g.b[i] ^= (uint8_t)(1u << i % 8);
		packet_fix_checksums(g.b, g.n, true);
		queue_put(w.in, &g);
		world_settle(&w);
	}
	world_fini(&w);
}

/* --- static addresses ----------------------------------------------------------------------------------- */

static void static_address(void **state)
{
	(void)state;
	conf = world_conf();
	conf.ip4 = packet_ip4(10, 20, 0, 5);
	conf.ip4_prefix = 16;
	conf.gateway = packet_ip4(10, 20, 0, 1);
	start();
	world_peer(&w, packet_ip4(10, 99, 0, 1), 80);
	world_start(&w);
	assert_int_equal(w.dhcp.discovers, 0);
	assert_true(ip_equal(&w.ready_ip, &conf.ip4));
	assert_true(ip_equal(&w.last_arp.arp_sender, &conf.ip4));
	assert_int_equal(client_open(&c, &w, dest_ip(packet_ip4(10, 99, 0, 1), 80)), 0);
	world_settle(&w);
	assert_true(ip_equal(&w.last_arp.arp_target, &conf.gateway)); /* through the gateway */
	assert_int_equal(c.opened, 1);
	world_down(&w);
	world_run(&w, 5000);
	world_start(&w);
	assert_int_equal(c.closed, 0);
	flow_free(c.f);
	world_fini(&w);
}

static void static_address_without_gateway(void **state)
{
	(void)state;
	conf = world_conf();
	conf.ip4 = packet_ip4(10, 20, 0, 5);
	conf.ip4_prefix = 24;
	start();
	world_peer(&w, packet_ip4(10, 20, 0, 9), 80);
	world_start(&w);
	assert_int_equal(client_open(&c, &w, dest_ip(packet_ip4(10, 20, 0, 9), 80)), 0);
	world_settle(&w);
	assert_int_equal(c.opened, 1);
	flow_free(c.f);
	memset(&c, 0, sizeof(c));
	assert_int_equal(client_open(&c, &w, dest_ip(packet_ip4(10, 20, 1, 9), 80)), 0);
	world_settle(&w);
	assert_int_equal(c.err, VE_NETUNREACH);
	flow_free(c.f);
	memset(&c, 0, sizeof(c));
	assert_int_equal(client_open(&c, &w, dest_ip(packet_ip4(10, 20, 0, 255), 80)), 0); /* everybody */
	world_settle(&w);
	assert_int_equal(c.err, VE_NETUNREACH);
	flow_free(c.f);
	world_fini(&w);
}

/* --- ARP ------------------------------------------------------------------------------------------------ */

static const uint8_t hub_mac[6] = { 0x00, 0xae, 1, 2, 3, 4 };

static struct packet poll_from_the_hub(struct ip target)
{
	struct packet p = { .ethertype = ETH_ARP, .arp_op = ARP_REQUEST, .arp_sender = packet_ip4(172, 31, 77, 77),
			    .arp_target = target };

	memcpy(p.from_mac, hub_mac, 6);
	memcpy(p.arp_sender_mac, hub_mac, 6);
	memset(p.to_mac, 0xff, 6);
	return p;
}

/* softether-protocol.md 11.4: the hub asks from an address that is in no subnet of ours. */
static void the_hub_polls(void **state)
{
	(void)state;
	setup();
	assert_int_equal(world_up(&w), 0);
	w.dhcp.on = false;
	world_settle(&w);
	world_watch(&w);
	world_send(&w, poll_from_the_hub(w.dhcp.address));
	world_settle(&w);
	assert_int_equal(w.seen_arp, 0); /* not ours yet */
	w.dhcp.on = true;
	world_run(&w, 5000);
	assert_int_equal(w.readies, 1);
	for (int i = 0; i < 20; i++) {
		world_watch(&w);
		world_send(&w, poll_from_the_hub(w.dhcp.address));
		world_settle(&w);
		assert_int_equal(w.seen_arp, 1);
		assert_int_equal(w.last_arp.arp_op, ARP_REPLY);
		assert_memory_equal(w.last_arp.to_mac, hub_mac, 6);
		assert_memory_equal(w.last_arp.arp_target_mac, hub_mac, 6);
		assert_memory_equal(w.last_arp.arp_sender_mac, w.facts.mac, 6);
		assert_true(ip_equal(&w.last_arp.arp_sender, &w.dhcp.address));
		assert_true(ip_equal(&w.last_arp.arp_target, &(struct ip){ .family = IP_V4, .b = { 172, 31, 77, 77 } }));
		world_run(&w, 5000);
	}
	world_watch(&w);
	world_send(&w, poll_from_the_hub(packet_ip4(192, 168, 30, 11))); /* somebody else */
	world_settle(&w);
	assert_int_equal(w.seen_arp, 0);
	world_fini(&w);
}

static void damaged_arp(void **state)
{
	struct packet p;
	struct frame f;

	(void)state;
	setup();
	world_start(&w);
	world_watch(&w);
	p = poll_from_the_hub(w.dhcp.address);
	packet_make(&f, &p, true);
	for (size_t n = 0; n < f.n; n++) {
		struct frame g;

		memcpy(g.b, f.b, n);
		g.n = n;
		queue_put(w.in, &g);
	}
	for (size_t i = 14; i < 20; i++) { /* hardware, protocol, lengths */
		struct frame g = f;

		g.b[i] ^= 0x11;
		queue_put(w.in, &g);
	}
	world_settle(&w);
	assert_int_equal(w.seen_arp, 0);
	world_fini(&w);
}

/* After a reconnect the gateway may be another machine. */
static void arp_is_forgotten(void **state)
{
	(void)state;
	setup();
	world_peer(&w, packet_ip4(192, 168, 30, 1), 80);
	world_start(&w);
	assert_int_equal(client_open(&c, &w, dest_ip(packet_ip4(192, 168, 30, 1), 80)), 0);
	world_settle(&w);
	world_down(&w);
	memcpy(w.gateway_mac, "\x5e\x11\x22\x33\x44\x55", 6);
	world_start(&w);
	c.to_send = 100;
	client_write(&c);
	flow_flush(w.ns);
	world_settle(&w);
	assert_memory_equal(w.last_tcp.to_mac, w.gateway_mac, 6);
	assert_int_equal(w.peer[0].rx_len, 100);
	flow_free(c.f);
	world_fini(&w);
}

/* --- frames --------------------------------------------------------------------------------------------- */

static void sizes(void **state)
{
	static const struct {
		size_t n;
		bool good;
	} cases[] = { { 0, false },   { 1, false },    { 13, false },  { 14, true },	  { 15, true },
		      { 60, true },   { 1514, true },  { 1518, true }, { FRAME_MAX, true }, { FRAME_MAX + 1, false },
		      { 2000, false } };
	static const uint16_t types[] = { ETH_IP4, ETH_ARP, ETH_IP6, 0x8100, 0x88b5 };

	(void)state;
	setup();
	world_start(&w);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		for (size_t t = 0; t < ARRAY_LEN(types); t++) {
			struct netstack_stats before = stats(), after;
			struct frame f = { .n = cases[i].n };

			memcpy(f.b, w.facts.mac, 6);
			memcpy(f.b + 6, w.gateway_mac, 6);
			store_be16(f.b + 12, types[t]);
			memset(f.b + 14, types[t] == ETH_IP4 ? 0x45 : 0x60, sizeof(f.b) - 14);
			queue_put(w.in, &f);
			world_settle(&w);
			after = stats();
			assert_int_equal(after.frames_in - before.frames_in, cases[i].good);
			assert_int_equal(after.bytes_in - before.bytes_in, cases[i].good ? cases[i].n : 0);
			assert_int_equal(after.dropped_in - before.dropped_in, !cases[i].good || types[t] == 0x8100);
		}
	}
	world_fini(&w);
}

static struct packet ping(size_t n)
{
	static uint8_t b[1472 + 4];
	struct packet p = { .from = packet_ip4(192, 168, 30, 1), .to = w.dhcp.address, .proto = PROTO_ICMP4, .type = 8,
			    .payload = { .p = b, .n = n } };

	for (size_t i = 0; i < sizeof(b); i++)
		b[i] = (uint8_t)i;
	return p;
}

static unsigned pongs;

static bool count_pongs(struct world *world, const struct packet *p)
{
	(void)world;
	pongs += p->proto == PROTO_ICMP4 && p->type == 0;
	return p->proto == PROTO_ICMP4;
}

/* Pings are answered, whatever their size; those to others, from ourselves or from groups are not even looked
 * at. */
static void whom_it_is_for(void **state)
{
	struct packet p;

	(void)state;
	setup();
	w.on_packet = count_pongs;
	world_start(&w);
	pongs = 0;
	for (size_t n = 4; n < 1476; n += 92) {
		world_send(&w, ping(n));
		world_settle(&w);
	}
	assert_int_equal(pongs, 16);
	pongs = 0;
	p = ping(20);
	memcpy(p.to_mac, "\x5e\x01\x02\x03\x04\x06", 6);
	world_send(&w, p);
	p = ping(20);
	memcpy(p.from_mac, w.facts.mac, 6);
	world_send(&w, p);
	p = ping(20);
	memcpy(p.from_mac, "\x01\x00\x5e\x00\x00\x01", 6);
	world_send(&w, p);
	world_settle(&w);
	assert_int_equal(pongs, 0);
	world_fini(&w);
}

static unsigned syns;

static bool check_mss(struct world *world, const struct packet *p)
{
	unsigned mss = world->facts.mtu - 40u;

	if (world->facts.tcp_mss > 0 && world->facts.tcp_mss < mss)
		mss = world->facts.tcp_mss;
	if (p->proto == PROTO_TCP && (p->flags & SYN)) {
		assert_int_equal(p->mss, mss);
		syns++;
	}
	return false;
}

/* A link that takes more than is good for TCP. */
static void mss_below_the_mtu(void **state)
{
	static const uint16_t mss[] = { 0, 536, 1309, 1460, 1500 };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(mss); i++) {
		setup();
		w.facts.mtu = 1500;
		w.facts.tcp_mss = mss[i];
		w.on_packet = check_mss;
		syns = 0;
		world_peer(&w, packet_ip4(192, 168, 30, 1), 80);
		world_start(&w);
		assert_int_equal(client_open(&c, &w, dest_ip(packet_ip4(192, 168, 30, 1), 80)), 0);
		world_settle(&w);
		assert_int_equal(c.opened, 1);
		assert_true(syns > 0);
		flow_free(c.f);
		world_fini(&w);
	}
}

static void mtu(void **state)
{
	static const uint16_t mtus[] = { 576, 1279, 1280, 1400, 1500, 1582 };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(mtus); i++) {
		setup();
		w.facts.mtu = mtus[i];
		w.on_packet = check_mss;
		world_peer(&w, packet_ip4(192, 168, 30, 1), 80);
		world_start(&w);
		assert_int_equal(client_open(&c, &w, dest_ip(packet_ip4(192, 168, 30, 1), 80)), 0);
		world_settle(&w);
		assert_int_equal(c.opened, 1);
		flow_free(c.f);
		world_run(&w, 10000);
		assert_int_equal(w.seen_icmp6 > 0, mtus[i] >= 1280);
		world_fini(&w);
	}
}

/* --- IPv6 ----------------------------------------------------------------------------------------------- */

static void ip6_by_itself(void **state)
{
	struct ip dns[DNS_SERVERS_MAX];

	(void)state;
	setup();
	w.router.on = true;
	world_peer(&w, packet_ip6("2001:db8:9::80"), 80);
	world_start(&w);
	world_run(&w, 10000);
	assert_true(w.router.solicited >= 1);
	assert_true(netstack_has_ip6(w.ns));
	assert_true(ip_equal(&w.ready_ip, &w.dhcp.address)); /* nobody waited for it */
	assert_int_equal(w.readies, 1);
	assert_int_equal(netstack_dns(w.ns, dns), 2); /* the router's server did not displace DHCP's */
	assert_true(ip_equal(&dns[0], &w.dhcp.dns));
	assert_true(ip_equal(&dns[1], &w.router.dns));
	assert_int_equal(client_open(&c, &w, dest_ip(packet_ip6("2001:db8:9::80"), 80)), 0);
	c.to_send = 100000;
	world_settle(&w);
	assert_int_equal(c.opened, 1);
	peer_send_pattern(&w.peer[0], 100000);
	world_run(&w, 2000);
	peer_check_pattern(&w.peer[0], 100000);
	assert_int_equal(c.got, 100000);
	{
		struct ip local, remote, expect = packet_ip6("2001:db8:1:2:5c01:2ff:fe03:405"); /* 5e:.. with its bit 1 turned */
		uint16_t port;

		flow_addresses(c.f, &local, &port, &remote);
		assert_true(ip_equal(&local, &expect));
	}
	{
		struct client own = { 0 };
		struct ip local, remote;
		uint16_t port;

		flow_addresses(c.f, &local, &port, &remote);
		assert_int_equal(client_open(&own, &w, dest_ip(local, 80)), 0);
		world_settle(&w);
		assert_int_equal(own.err, VE_REFUSED);
		flow_free(own.f);
	}
	w.refuse_all = true; /* a full session is the same for IPv6 */
	c.to_send = 150000;
	client_write(&c);
	flow_flush(w.ns);
	w.refuse_all = false;
	world_settle(&w);
	peer_check_pattern(&w.peer[0], 150000);
	world_down(&w);
	world_run(&w, 3000);
	world_start(&w);
	c.to_send = 200000;
	client_write(&c);
	flow_flush(w.ns);
	world_run(&w, 3000);
	peer_check_pattern(&w.peer[0], 200000);
	flow_free(c.f);
	world_fini(&w);
}

static void ip6_without_router(void **state)
{
	(void)state;
	setup();
	world_start(&w);
	world_run(&w, 20000);
	assert_false(netstack_has_ip6(w.ns));
	assert_int_equal(client_open(&c, &w, dest_ip(packet_ip6("2001:db8:9::80"), 80)), 0);
	world_settle(&w);
	assert_int_equal(c.closed, 1);
	assert_int_equal(c.err, VE_NETUNREACH);
	flow_free(c.f);
	world_fini(&w);
}

/* Connect to port 80 there, and be told @err, or nothing. */
static void expect_open(const char *ip, int err)
{
	struct ip to;

	memset(&c, 0, sizeof(c));
	assert_int_equal(ip_parse(ip, &to), 0);
	assert_int_equal(client_open(&c, &w, dest_ip(to, 80)), 0);
	world_settle(&w);
	assert_int_equal(c.err, err);
	assert_int_equal(c.opened, err == 0);
	flow_free(c.f);
}

/* A prefix, but no router that would carry us further. */
static void ip6_on_link_only(void **state)
{
	(void)state;
	setup();
	w.router.on = true;
	w.router.lifetime_s = 0;
	world_peer(&w, packet_ip6("2001:db8:1:2::80"), 80);
	world_start(&w);
	world_run(&w, 10000);
	assert_int_equal(client_open(&c, &w, dest_ip(packet_ip6("2001:db8:9::80"), 80)), 0);
	world_settle(&w);
	assert_int_equal(c.err, VE_NETUNREACH);
	flow_free(c.f);
	memset(&c, 0, sizeof(c));
	assert_int_equal(client_open(&c, &w, dest_ip(packet_ip6("2001:db8:1:2::80"), 80)), 0);
	world_settle(&w);
	assert_int_equal(c.opened, 1);
	flow_free(c.f);
	world_fini(&w);
}

static void ip6_unreachable(void **state)
{
	static const struct {
		uint8_t code;
		int err;
	} cases[] = { { 0, VE_NETUNREACH }, { 1, VE_UNREACH }, { 3, VE_UNREACH }, { 4, VE_REFUSED } };

	(void)state;
	setup();
	w.router.on = true;
	world_start(&w);
	world_run(&w, 10000);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const struct ip router = packet_ip6("2001:db8:1:2::1");
		struct packet q;

		memset(&c, 0, sizeof(c));
		assert_int_equal(client_open(&c, &w, dest_ip(packet_ip6("2001:db8:9::80"), 80)), 0);
		world_settle(&w);
		q = w.last_tcp;
		q.seq ^= 1; /* not ours */
		world_icmp_error(&w, router, 1, cases[i].code, &q, 60);
		world_settle(&w);
		assert_int_equal(c.closed, 0);
		world_icmp_error(&w, router, 1, cases[i].code, &w.last_tcp, 60);
		world_settle(&w);
		assert_int_equal(c.closed, 1);
		assert_int_equal(c.err, cases[i].err);
		flow_free(c.f);
	}
	world_fini(&w);
}

static void another_mac(void **state)
{
	(void)state;
	setup();
	w.router.on = true;
	world_start(&w);
	world_run(&w, 10000);
	world_down(&w);
	w.facts.mac[5]++;
	world_start(&w); /* answer() and the DHCP script check the address of every frame */
	world_run(&w, 10000);
	assert_true(netstack_has_ip6(w.ns));
	world_fini(&w);
}

/* A router that says goodbye takes the way out along, not the link; and can come back. */
static void ip6_router_goes_away(void **state)
{
	(void)state;
	setup();
	w.router.on = true;
	world_peer(&w, packet_ip6("2001:db8:9::80"), 80);
	world_peer(&w, packet_ip6("2001:db8:1:2::80"), 80);
	world_start(&w);
	world_run(&w, 10000);
	w.router.lifetime_s = 0;
	send_router_advertisement(&w);
	world_run(&w, 3000);
	assert_true(netstack_has_ip6(w.ns));
	expect_open("2001:db8:9::80", VE_NETUNREACH);
	expect_open("2001:db8:1:2::80", 0);
	w.router.lifetime_s = 1800;
	send_router_advertisement(&w);
	world_settle(&w);
	expect_open("2001:db8:9::80", 0);
	w.router.on = false; /* nothing more from it: all of it ends by itself */
	world_run(&w, 1801000);
	expect_open("2001:db8:9::80", VE_NETUNREACH);
	world_run(&w, 24 * 3600000);
	assert_false(netstack_has_ip6(w.ns));
	world_fini(&w);
}

static bool is_in(const struct ip *ip, const char *prefix)
{
	struct ip p = packet_ip6(prefix);

	return ip->family == IP_V6 && memcmp(ip->b, p.b, 8) == 0;
}

/* An address for each; none that is on its way out for something new. */
static void ip6_two_prefixes(void **state)
{
	(void)state;
	setup();
	w.router.on = true;
	w.router.prefix2 = packet_ip6("2001:db8:77:1::");
	world_peer(&w, packet_ip6("2001:db8:1:2::80"), 80);
	world_peer(&w, packet_ip6("2001:db8:77:1::80"), 80);
	world_peer(&w, packet_ip6("2001:db8:9::80"), 80);
	world_peer(&w, packet_ip6("2001:db8:9::81"), 80);
	world_start(&w);
	world_run(&w, 10000);
	expect_open("2001:db8:1:2::80", 0);
	assert_true(is_in(&w.last_tcp.from, "2001:db8:1:2::"));
	expect_open("2001:db8:77:1::80", 0);
	assert_true(is_in(&w.last_tcp.from, "2001:db8:77:1::"));
	w.router.preferred_s = 0; /* deprecated */
	send_router_advertisement(&w);
	world_run(&w, 5000);
	expect_open("2001:db8:9::80", 0);
	assert_true(is_in(&w.last_tcp.from, "2001:db8:77:1::"));
	w.router.preferred_s = 14400;
	w.router.prefix2.family = IP_NONE;
	world_run(&w, 3600000); /* the second one is over */
	send_router_advertisement(&w);
	world_settle(&w);
	expect_open("2001:db8:9::81", 0);
	assert_true(is_in(&w.last_tcp.from, "2001:db8:1:2::"));
	world_fini(&w);
}

static void ip6_mtu_of_the_router(void **state)
{
	static const struct {
		uint32_t router;
		unsigned mss;
	} cases[] = { { 0, 1440 }, { 1280, 1220 }, { 1279, 1440 }, { 1400, 1340 }, { 1500, 1440 }, { 9000, 1440 }, { 0xffffffff, 1440 } };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		setup();
		w.router.on = true;
		w.router.mtu = cases[i].router;
		world_peer(&w, packet_ip6("2001:db8:9::80"), 80);
		world_peer(&w, packet_ip4(192, 168, 30, 1), 80);
		world_start(&w);
		world_run(&w, 10000);
		expect_open("2001:db8:9::80", 0);
		assert_int_equal(w.last_mss, cases[i].mss);
		expect_open("192.168.30.1", 0);
		assert_int_equal(w.last_mss, 1460); /* not IPv4's */
		world_fini(&w);
	}
}

/* The name has an IPv6 address only. */
static void answer_aaaa(struct world *world, const struct packet *query)
{
	struct ip ip = packet_ip6("2001:db8:9::80");
	struct packet a = { .from = query->to, .to = query->from, .proto = PROTO_UDP, .from_port = 53,
			    .to_port = query->from_port };
	uint8_t b[512];
	struct wr o = wr_init(b, sizeof(b));
	bool aaaa = load_be16(query->payload.p + query->payload.n - 4) == 28;

	wr_bytes(&o, query->payload.p, query->payload.n);
	wr_patch_u16(&o, 2, 0x8180);
	wr_patch_u16(&o, 6, aaaa);
	if (aaaa) {
		wr_u16(&o, 0xc00c);
		wr_u16(&o, 28);
		wr_u16(&o, 1);
		wr_u32(&o, 60);
		wr_u16(&o, 16);
		wr_bytes(&o, ip.b, 16);
	}
	assert_true(wr_ok(&o));
	a.payload = (struct slice){ .p = b, .n = o.n };
	world_send(world, a);
}

/* A router that comes up later than the tunnel: from then on names may have IPv6 addresses. */
static void ip6_later(void **state)
{
	(void)state;
	setup();
	w.on_dns = answer_aaaa;
	world_peer(&w, packet_ip6("2001:db8:9::80"), 80);
	world_start(&w);
	world_run(&w, 60000);
	assert_int_equal(client_open(&c, &w, dest_host("six.example", 80)), 0);
	world_run(&w, 1000);
	assert_int_equal(c.err, VE_NETUNREACH);
	flow_free(c.f);
	w.router.on = true;
	send_router_advertisement(&w);
	world_run(&w, 5000);
	memset(&c, 0, sizeof(c));
	assert_int_equal(client_open(&c, &w, dest_host("six.example", 80)), 0);
	world_run(&w, 1000);
	assert_int_equal(c.opened, 1);
	flow_free(c.f);
	assert_int_equal(w.readies, 1);
	world_fini(&w);
}

/* --- VLAN ----------------------------------------------------------------------------------------------- */

static bool takes(uint16_t tag, bool tagged)
{
	struct netstack_stats before = stats();
	struct packet p = ping(100);
	struct frame f;

	memcpy(p.from_mac, w.gateway_mac, 6);
	memcpy(p.to_mac, w.facts.mac, 6);
	packet_make(&f, &p, true);
	if (tagged)
		world_tag(&f, tag);
	pongs = 0;
	queue_put(w.in, &f);
	world_settle(&w);
	assert_int_equal(stats().dropped_in - before.dropped_in, pongs == 0);
	return pongs == 1;
}

static void vlan(void **state)
{
	static const uint16_t mtus[] = { 1500, 1582, 1586 };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(mtus); i++) {
		conf = world_conf();
		conf.vlan = 42;
		start();
		w.vlan = 42;
		w.facts.mtu = mtus[i];
		w.router.on = true;
		world_peer(&w, packet_ip4(192, 168, 30, 1), 80);
		world_peer(&w, packet_ip6("2001:db8:9::80"), 80);
		world_start(&w); /* every frame that comes out is checked for its tag */
		world_run(&w, 5000);
		for (unsigned k = 0; k < 2; k++) {
			memset(&c, 0, sizeof(c));
			c.read_at_once = true;
			assert_int_equal(client_open(&c, &w, dest_ip(w.peer[k].ip, 80)), 0);
			world_settle(&w);
			assert_int_equal(c.opened, 1);
			c.to_send = 100000;
			client_write(&c);
			flow_flush(w.ns);
			w.refuse_every = 7;
			peer_send_pattern(&w.peer[k], 100000);
			world_run(&w, 20000);
			peer_check_pattern(&w.peer[k], 100000);
			assert_int_equal(c.got, 100000);
			w.refuse_every = 0;
			flow_free(c.f);
		}
		w.on_packet = count_pongs;
		assert_true(takes(42, true));
		assert_true(takes(0xe000 | 42, true)); /* with a priority */
		assert_true(takes(0x1000 | 42, true)); /* may be dropped */
		assert_false(takes(43, true));
		assert_false(takes(0, true));
		assert_false(takes(0, false));
		world_fini(&w);
	}
}

static void without_vlan(void **state)
{
	(void)state;
	setup();
	w.on_packet = count_pongs;
	world_start(&w);
	assert_true(takes(0, false));
	assert_true(takes(0, true)); /* a priority, and no VLAN */
	assert_true(takes(0xe000, true));
	assert_false(takes(1, true));
	assert_false(takes(0xffff, true));
	for (size_t n = 14; n < 40; n++) { /* cut behind the type: never more than dropped */
		struct frame f = { .n = n };

		memcpy(f.b, w.facts.mac, 6);
		memcpy(f.b + 6, w.gateway_mac, 6);
		store_be16(f.b + 12, 0x8100);
		store_be16(f.b + 16, n % 2 ? 0x8100 : ETH_IP4);
		queue_put(w.in, &f);
		world_settle(&w);
	}
	world_fini(&w);
}

static void no_memory_for_the_link(void **state)
{
	int r;

	(void)state;
	if (!HEAP_COUNTED)
		skip();
	heap.spare = sizeof(struct sys_timeo);
	for (unsigned long n = 1; n < 60; n++) {
		setup();
		heap.asked = 0;
		heap.fail_at = n;
		r = world_up(&w);
		assert_true(r == 0 || r == VE_NOMEM);
		heap.fail_at = 0;
		if (r == 0)
			world_run(&w, 14000);
		else
			world_start(&w);
		assert_int_equal(w.readies, 1);
		world_fini(&w);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_lease),
		cmocka_unit_test(no_dhcp),
		cmocka_unit_test(a_late_server),
		cmocka_unit_test(refused_once),
		cmocka_unit_test(renewal),
		cmocka_unit_test(the_lease_ends),
		cmocka_unit_test(renumbered),
		cmocka_unit_test(reconnect_confirms_the_address),
		cmocka_unit_test(reconnect_to_a_silent_server),
		cmocka_unit_test(damaged_dhcp),
		cmocka_unit_test(static_address),
		cmocka_unit_test(static_address_without_gateway),
		cmocka_unit_test(the_hub_polls),
		cmocka_unit_test(damaged_arp),
		cmocka_unit_test(arp_is_forgotten),
		cmocka_unit_test(sizes),
		cmocka_unit_test(whom_it_is_for),
		cmocka_unit_test(mtu),
		cmocka_unit_test(mss_below_the_mtu),
		cmocka_unit_test(ip6_by_itself),
		cmocka_unit_test(ip6_without_router),
		cmocka_unit_test(ip6_on_link_only),
		cmocka_unit_test(ip6_unreachable),
		cmocka_unit_test(another_mac),
		cmocka_unit_test(ip6_router_goes_away),
		cmocka_unit_test(ip6_two_prefixes),
		cmocka_unit_test(ip6_mtu_of_the_router),
		cmocka_unit_test(ip6_later),
		cmocka_unit_test(vlan),
		cmocka_unit_test(without_vlan),
		cmocka_unit_test(no_memory_for_the_link),
	};

	return cmocka_run_group_tests(tests, world_warm_up, NULL);
}
