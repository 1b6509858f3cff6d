/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_listen.c - TCP ports of ours: who gets in, how many, and what a link's end means to them. */
#include "test/support/world.h"

#include "netstack/listen.h"

#define COMERS_MAX 16u

/* The owner of a port. Each comer becomes a client, as the world has them. */
struct inn {
	struct tcp_port *port;
	struct client c[COMERS_MAX];
	struct endpoint from[COMERS_MAX];
	unsigned n;
	bool turns_away;   /* frees comers */
	bool closes;       /* frees the port with the first comer */
};

static struct world w;
static struct inn inn;
static const struct ip OTHER = { .family = IP_V4, .b = { 10, 0, 0, 80 } };

static void on_accepted(void *ctx, struct flow *f, const struct endpoint *from)
{
	struct inn *i = ctx;
	struct client *c = &i->c[i->n];

	assert_true(i->n < COMERS_MAX);
	i->from[i->n++] = *from;
	if (i->closes) {
		tcp_port_free(i->port);
		i->port = NULL;
	}
	if (i->turns_away) {
		flow_free(f);
		return;
	}
	*c = (struct client){ .w = &w, .f = f, .read_at_once = true, .opened = 1 };
	flow_adopt(f, &client_events, c);
	assert_int_equal(c->readable + c->closed, 0); /* not from inside the call */
}

static const struct tcp_port_events events = { on_accepted };

static void init(enum link_kind kind)
{
	struct netstack_conf conf = world_conf();

	memset(&inn, 0, sizeof(inn));
	world_init(&w, &conf, kind);
	w.facts.ip4 = packet_ip4(10, 9, 8, 7);
}

static void open_port(uint16_t port, unsigned backlog)
{
	assert_int_equal(tcp_port_new(&inn.port, w.ns, port, backlog, &events, &inn), 0);
}

static void start(void)
{
	init(LINK_IP);
	world_start(&w);
	open_port(80, 8);
}

static void finish(void)
{
	tcp_port_free(inn.port);
	inn.port = NULL;
	for (unsigned i = 0; i < inn.n; i++)
		flow_free(inn.c[i].f);
	flow_flush(w.ns);
	world_settle(&w);
	world_fini(&w);
}

static uint16_t port_now(void)
{
	struct endpoint e;

	tcp_port_local(inn.port, &e);
	return e.port;
}

static struct netstack_stats stats(void)
{
	struct netstack_stats s;

	netstack_get_stats(w.ns, &s);
	return s;
}

static struct tcp_peer *guest(uint16_t port)
{
	return world_peer(&w, OTHER, port);
}

/* Both ways, until both are through. */
static void exchange(struct client *c, struct tcp_peer *p, size_t n)
{
	c->to_send = n;
	c->shut_after = true;
	peer_send_pattern(p, n);
	tcp_peer_close(p, world_ms);
	client_write(c);
	flow_flush(w.ns);
	for (int i = 0; i < 200 && (c->closed == 0 || !p->got_fin); i++)
		world_run(&w, 100);
	assert_int_equal(c->got, n);
	assert_true(c->eof);
	peer_check_pattern(p, n);
	assert_true(p->got_fin);
	assert_int_equal(c->closed, 1);
	assert_int_equal(c->err, 0);
}

/* --- one connection ------------------------------------------------------------------------------------- */

static void accepted(void **state)
{
	static const size_t sizes[] = { 0, 1, 1460, 300000 };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		struct ip local, remote;
		uint16_t port;
		struct tcp_peer *p;

		start();
		p = guest(4000);
		tcp_peer_connect(p, w.facts.ip4, 80, world_ms);
		world_settle(&w);
		assert_int_equal(p->state, PEER_OPEN);
		assert_int_equal(p->their_mss, 1460);
		assert_int_equal(p->their_scale, 8);
		assert_int_equal(inn.n, 1);
		assert_true(endpoint_equal(&inn.from[0], &(struct endpoint){ OTHER, 4000 }));
		flow_addresses(inn.c[0].f, &local, &port, &remote);
		assert_true(ip_equal(&local, &w.facts.ip4) && ip_equal(&remote, &OTHER));
		assert_int_equal(port, 80);
		assert_int_equal(stats().flows, 1);
		exchange(&inn.c[0], p, sizes[i]);
		finish();
	}
}

static void over_ethernet_and_ip6(void **state)
{
	struct ip far = packet_ip6("2001:db8:9::80"), ours = { 0 };
	struct tcp_peer *p, *q;

	(void)state;
	init(LINK_ETHERNET);
	w.router.on = true;
	world_start(&w);
	world_run(&w, 10000);
	open_port(8080, 4);
	for (s8_t i = 0; i < LWIP_IPV6_NUM_ADDRESSES; i++)
		if (ip6_addr_isvalid(netif_ip6_addr_state(&w.ns->netif, i)))
			ours = ip_from_lwip(netif_ip_addr6(&w.ns->netif, i)); /* the last one is no link-local */
	p = world_peer(&w, far, 4000);
	tcp_peer_connect(p, ours, 8080, world_ms);
	q = world_peer(&w, packet_ip4(192, 168, 30, 80), 4000);
	tcp_peer_connect(q, w.dhcp.address, 8080, world_ms);
	world_run(&w, 2000);
	assert_int_equal(inn.n, 2);
	assert_true(ip_equal(&inn.from[0].ip, &far));
	exchange(&inn.c[0], p, 5000);
	exchange(&inn.c[1], q, 5000);
	finish();
}

/* A handshake, data, and the end, all in one batch: nothing gets lost before there is an owner. */
static void all_in_one_batch(void **state)
{
	struct packet p = { .from = OTHER, .proto = PROTO_TCP, .from_port = 4000, .to_port = 80, .flags = SYN,
			    .seq = 1000, .window = 65535, .scale = -1 };
	uint8_t b[5];

	(void)state;
	start();
	p.to = w.facts.ip4;
	world_send(&w, p);
	world_settle(&w);
	assert_int_equal(w.last_tcp.flags, SYN | ACK);
	for (size_t i = 0; i < sizeof(b); i++)
		b[i] = pattern(1, i);
	p.flags = ACK;
	p.seq = 1001;
	p.ack = w.last_tcp.seq + 1;
	world_send(&w, p);
	p.flags = ACK | FIN;
	p.payload = (struct slice){ b, sizeof(b) };
	world_send(&w, p);
	world_settle(&w);
	assert_int_equal(inn.n, 1);
	assert_int_equal(inn.c[0].got, 5);
	assert_true(inn.c[0].eof);
	assert_int_equal(inn.c[0].closed, 0);
	finish();
}

/* It is gone before its owner hears of it. */
static void reset_in_the_same_batch(void **state)
{
	struct packet p = { .from = OTHER, .proto = PROTO_TCP, .from_port = 4000, .to_port = 80, .flags = SYN,
			    .seq = 1000, .window = 65535, .scale = -1 };

	(void)state;
	start();
	p.to = w.facts.ip4;
	world_send(&w, p);
	world_settle(&w);
	p.flags = ACK;
	p.seq = 1001;
	p.ack = w.last_tcp.seq + 1;
	world_send(&w, p);
	p.flags = RST | ACK;
	world_send(&w, p);
	world_settle(&w);
	assert_int_equal(inn.n, 1);
	assert_int_equal(inn.c[0].closed, 1);
	assert_int_equal(inn.c[0].err, VE_RESET);
	finish();
}

static void turned_away(void **state)
{
	struct tcp_peer *p;

	(void)state;
	start();
	inn.turns_away = true;
	p = guest(4000);
	tcp_peer_connect(p, w.facts.ip4, 80, world_ms);
	world_settle(&w);
	assert_int_equal(inn.n, 1);
	assert_true(p->got_rst);
	assert_int_equal(stats().flows, 0);
	finish();
}

/* --- ports ---------------------------------------------------------------------------------------------- */

static void ports(void **state)
{
	struct tcp_port *other = NULL;
	struct endpoint e;

	(void)state;
	start();
	tcp_port_local(inn.port, &e);
	assert_true(ip_equal(&e.ip, &w.facts.ip4));
	assert_int_equal(e.port, 80);
	assert_int_equal(tcp_port_new(&other, w.ns, 80, 1, &events, &inn), VE_LISTEN);
	assert_null(other);
	assert_int_equal(tcp_port_new(&other, w.ns, 0, 1, &events, &inn), 0);
	tcp_port_local(other, &e);
	assert_in_range(e.port, 32768, 65535);
	tcp_port_free(other);
	tcp_port_free(NULL);
	finish();
}

/* A port that one of our own flows has by chance. */
static void a_flows_port(void **state)
{
	struct client c = { 0 };
	struct tcp_port *other = NULL;

	(void)state;
	start();
	guest(443);
	assert_int_equal(client_open(&c, &w, dest_ip(OTHER, 443)), 0);
	world_settle(&w);
	assert_int_equal(c.opened, 1);
	assert_int_equal(tcp_port_new(&other, w.ns, w.last_tcp.from_port, 1, &events, &inn), VE_LISTEN);
	assert_null(other);
	flow_free(c.f);
	finish();
}

/* The program is restarted, so to speak, while connections of the port are still there. */
static void open_again(void **state)
{
	struct tcp_peer *p, *q;

	(void)state;
	start();
	p = guest(4000);
	q = guest(4001);
	tcp_peer_connect(p, w.facts.ip4, 80, world_ms);
	tcp_peer_connect(q, w.facts.ip4, 80, world_ms);
	world_settle(&w);
	assert_int_equal(inn.n, 2);
	flow_shutdown(inn.c[0].f); /* we first: TIME_WAIT is ours */
	flow_flush(w.ns);
	world_settle(&w);
	tcp_peer_close(p, world_ms);
	world_settle(&w);
	assert_non_null(tcp_tw_pcbs);
	tcp_port_free(inn.port);
	open_port(80, 8);
	exchange(&inn.c[1], q, 1000); /* the other one has gone on */
	finish();
}

static void as_many_as_the_cap(void **state)
{
	static struct tcp_port *many[TCP_PORTS_MAX];
	struct tcp_port *extra = NULL;

	(void)state;
	start();
	for (unsigned i = 1; i < TCP_PORTS_MAX; i++)
		assert_int_equal(tcp_port_new(&many[i], w.ns, 0, 1, &events, &inn), 0);
	assert_int_equal(tcp_port_new(&extra, w.ns, 0, 1, &events, &inn), VE_LIMIT);
	assert_int_equal(stats().tcp_ports, TCP_PORTS_MAX);
	for (unsigned i = 1; i < TCP_PORTS_MAX; i++)
		tcp_port_free(many[i]);
	assert_int_equal(stats().tcp_ports, 1);
	finish();
}

static void no_memory(void **state)
{
	struct tcp_port *p = NULL;
	int r;

	(void)state;
	if (!HEAP_COUNTED)
		skip();
	start();
	for (unsigned long n = 1;; n++) {
		heap.asked = 0;
		heap.fail_at = n;
		r = tcp_port_new(&p, w.ns, 0, 4, &events, &inn);
		heap.fail_at = 0;
		if (r == 0)
			break;
		assert_int_equal(r, VE_NOMEM);
		assert_null(p);
		assert_true(n < 10);
	}
	tcp_port_free(p);
	finish();
}

/* Each allocation on the way from the SYN to the owner fails once; the guest comes in all the same, or is reset. */
static void no_memory_for_a_guest(void **state)
{
	(void)state;
	if (!HEAP_COUNTED)
		skip();
	heap.spare = sizeof(struct sys_timeo);
	for (unsigned long n = 1; n < 25; n++) {
		struct tcp_peer *p;

		start();
		p = guest(4000);
		tcp_peer_connect(p, w.facts.ip4, 80, world_ms);
		heap.asked = 0;
		heap.fail_at = n;
		world_settle(&w);
		heap.fail_at = 0;
		world_run(&w, 5000);
		assert_true(p->got_rst || (p->state == PEER_OPEN && inn.n == 1));
		finish();
	}
}

/* --- bounds --------------------------------------------------------------------------------------------- */

static void send_syn(uint16_t from_port)
{
	world_send(&w, (struct packet){ .from = OTHER, .to = w.facts.ip4, .proto = PROTO_TCP, .from_port = from_port,
					.to_port = port_now(), .flags = SYN, .seq = 7, .window = 65535, .mss = 1460, .scale = -1 });
}

static unsigned active_pcbs(void)
{
	unsigned n = 0;

	for (struct tcp_pcb *pcb = tcp_active_pcbs; pcb; pcb = pcb->next)
		n++;
	return n;
}

static void a_flood_of_syns(void **state)
{
	struct tcp_peer *p;

	(void)state;
	start();
	for (uint16_t i = 0; i < 30000; i++) {
		send_syn((uint16_t)(5000 + i));
		if (i % 1000 == 999)
			world_settle(&w);
	}
	assert_int_equal(active_pcbs(), 8);
	assert_int_equal(inn.n, 0);
	p = guest(4000);
	tcp_peer_connect(p, w.facts.ip4, 80, world_ms);
	world_run(&w, 2000);
	assert_int_equal(p->state, PEER_SYN_SENT); /* not answered, */
	world_run(&w, 30000);
	assert_int_equal(p->state, PEER_OPEN); /* until the others are given up */
	assert_int_equal(inn.n, 1);
	assert_int_equal(active_pcbs(), 1);
	exchange(&inn.c[0], p, 1000);
	finish();
}

/* More guests in one batch than there is room for: the rest comes with its next SYN. */
static void a_crowd(void **state)
{
	struct tcp_peer *p[6];

	(void)state;
	start();
	tcp_port_free(inn.port);
	open_port(80, 2);
	for (uint16_t i = 0; i < 6; i++) {
		p[i] = guest((uint16_t)(4000 + i));
		tcp_peer_connect(p[i], w.facts.ip4, 80, world_ms);
	}
	world_run(&w, 5000);
	assert_int_equal(inn.n, 6);
	for (unsigned i = 0; i < 6; i++) {
		unsigned k = 0;

		while (inn.from[k].port != 4000 + i)
			k++;
		exchange(&inn.c[k], p[i], 1000);
	}
	finish();
}

static void no_more_flows(void **state)
{
	struct tcp_peer *p;

	(void)state;
	start();
	w.ns->stats.flows += FLOWS_MAX;
	p = guest(4000);
	tcp_peer_connect(p, w.facts.ip4, 80, world_ms);
	world_settle(&w);
	w.ns->stats.flows -= FLOWS_MAX;
	assert_true(p->got_rst);
	assert_int_equal(inn.n, 0);
	finish();
}

/* What the session had no room for is repeated for the right one of several connections to one port. */
static void a_full_session(void **state)
{
	struct tcp_peer *p[3];

	(void)state;
	start();
	for (uint16_t i = 0; i < 3; i++) {
		p[i] = guest((uint16_t)(4000 + i));
		tcp_peer_connect(p[i], w.facts.ip4, 80, world_ms);
		world_settle(&w);
	}
	assert_int_equal(inn.n, 3);
	w.refuse_every = 3;
	for (unsigned i = 0; i < 3; i++) {
		inn.c[i].to_send = 200000;
		client_write(&inn.c[i]);
	}
	flow_flush(w.ns);
	world_run(&w, 900); /* before any retransmission timer */
	for (unsigned i = 0; i < 3; i++)
		peer_check_pattern(p[i], 200000);
	assert_true(w.refused > 20);
	w.refuse_every = 0;
	finish();
}

/* --- the end of a port ---------------------------------------------------------------------------------- */

static void a_port_is_closed(void **state)
{
	struct tcp_peer *in, *late;

	(void)state;
	start();
	in = guest(4000);
	tcp_peer_connect(in, w.facts.ip4, 80, world_ms);
	world_settle(&w);
	assert_int_equal(inn.n, 1);
	send_syn(6000); /* somebody is half in */
	world_settle(&w);
	assert_int_equal(active_pcbs(), 2);
	world_watch(&w);
	tcp_port_free(inn.port);
	inn.port = NULL;
	assert_int_equal(w.kicks, 1);
	world_settle(&w);
	assert_int_equal(w.seen_rst, 1);
	assert_int_equal(active_pcbs(), 1);
	late = guest(4001);
	tcp_peer_connect(late, w.facts.ip4, 80, world_ms);
	world_settle(&w);
	assert_true(late->got_rst);
	exchange(&inn.c[0], in, 1000); /* who was in stays */
	finish();
}

/* Two in one batch, and the first one's event frees the port: the second is reset. */
static void closed_in_its_event(void **state)
{
	struct tcp_peer *p, *q;

	(void)state;
	start();
	inn.closes = true;
	p = guest(4000);
	q = guest(4001);
	tcp_peer_connect(p, w.facts.ip4, 80, world_ms);
	tcp_peer_connect(q, w.facts.ip4, 80, world_ms);
	w.ops->turn_end(w.ns);
	world_deliver(&w); /* both SYNs */
	for (struct frame f; queue_take(w.out, &f);)
		answer(&w, &f);
	world_deliver(&w); /* both ACKs */
	assert_int_equal(inn.n, 1);
	world_settle(&w);
	assert_int_equal(p->state, PEER_OPEN);
	assert_true(q->got_rst);
	exchange(&inn.c[0], p, 100);
	finish();
}

/* --- the link ------------------------------------------------------------------------------------------- */

static void the_link_goes_and_comes(void **state)
{
	struct tcp_peer *p, *q;
	struct endpoint e;

	(void)state;
	start();
	p = guest(4000);
	tcp_peer_connect(p, w.facts.ip4, 80, world_ms);
	world_settle(&w);
	assert_int_equal(inn.n, 1);
	world_down(&w);
	tcp_port_local(inn.port, &e);
	assert_int_equal(e.ip.family, IP_NONE);
	assert_int_equal(e.port, 80);
	world_start(&w); /* the same address: all goes on */
	exchange(&inn.c[0], p, 1000);
	q = guest(4001);
	tcp_peer_connect(q, w.facts.ip4, 80, world_ms);
	world_settle(&w);
	assert_int_equal(inn.n, 2);
	world_down(&w);
	w.facts.ip4 = packet_ip4(10, 1, 1, 1); /* another one: connections end, the port stays */
	world_start(&w);
	assert_int_equal(inn.c[1].closed, 1);
	assert_int_equal(inn.c[1].err, VE_DOWN);
	q = guest(4002);
	tcp_peer_connect(q, w.facts.ip4, 80, world_ms);
	world_settle(&w);
	assert_int_equal(inn.n, 3);
	exchange(&inn.c[2], q, 1000);
	finish();
}

static void made_while_down(void **state)
{
	struct tcp_peer *p;

	(void)state;
	init(LINK_IP);
	open_port(80, 1);
	world_start(&w);
	p = guest(4000);
	tcp_peer_connect(p, w.facts.ip4, 80, world_ms);
	world_settle(&w);
	assert_int_equal(inn.n, 1);
	finish();
}

/* The link stays away: what is open ends, as everywhere; half-open ones vanish by themselves. */
static void the_link_stays_away(void **state)
{
	struct tcp_peer *p;

	(void)state;
	start();
	p = guest(4000);
	tcp_peer_connect(p, w.facts.ip4, 80, world_ms);
	send_syn(6000);
	world_settle(&w);
	world_down(&w);
	world_run(&w, 40000);
	assert_int_equal(inn.c[0].closed, 1);
	assert_int_equal(inn.c[0].err, VE_DOWN);
	assert_int_equal(active_pcbs(), 0);
	finish();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(accepted),
		cmocka_unit_test(over_ethernet_and_ip6),
		cmocka_unit_test(all_in_one_batch),
		cmocka_unit_test(reset_in_the_same_batch),
		cmocka_unit_test(turned_away),
		cmocka_unit_test(ports),
		cmocka_unit_test(a_flows_port),
		cmocka_unit_test(open_again),
		cmocka_unit_test(as_many_as_the_cap),
		cmocka_unit_test(no_memory),
		cmocka_unit_test(no_memory_for_a_guest),
		cmocka_unit_test(a_flood_of_syns),
		cmocka_unit_test(a_crowd),
		cmocka_unit_test(no_more_flows),
		cmocka_unit_test(a_full_session),
		cmocka_unit_test(a_port_is_closed),
		cmocka_unit_test(closed_in_its_event),
		cmocka_unit_test(the_link_goes_and_comes),
		cmocka_unit_test(made_while_down),
		cmocka_unit_test(the_link_stays_away),
	};

	return cmocka_run_group_tests(tests, world_warm_up, NULL);
}
