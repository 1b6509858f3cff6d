/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_flow.c - TCP flows: from the handshake to the last ACK, through everything that can happen in
 * between. */
#include "test/support/world.h"

#define BULK (3u << 20)

static struct world w;
static struct client c;
static struct tcp_peer *peer;
static const struct ip OTHER = { .family = IP_V4, .b = { 10, 0, 0, 80 } };

static void start_with(const struct netstack_conf *conf, enum link_kind kind)
{
	memset(&c, 0, sizeof(c));
	c.read_at_once = true;
	world_init(&w, conf, kind);
	w.facts.ip4 = packet_ip4(10, 9, 8, 7);
	peer = world_peer(&w, OTHER, 80);
	w.dhcp.address = packet_ip4(10, 9, 8, 7);
	w.dhcp.mask = packet_ip4(255, 0, 0, 0);
	w.dhcp.gateway = w.dhcp.server = w.dhcp.dns = packet_ip4(10, 0, 0, 1);
}

static void start(void)
{
	struct netstack_conf conf = world_conf();

	start_with(&conf, LINK_IP);
	world_start(&w);
}

static void open_flow(void)
{
	assert_int_equal(client_open(&c, &w, dest_ip(OTHER, 80)), 0);
	world_settle(&w);
	assert_int_equal(c.opened, 1);
	assert_int_equal(c.closed, 0);
	assert_int_equal(peer->state, PEER_OPEN);
}

static void finish(void)
{
	flow_free(c.f);
	flow_flush(w.ns);
	world_settle(&w);
	world_fini(&w);
}

static uint32_t flows_now(void)
{
	struct netstack_stats s;

	netstack_get_stats(w.ns, &s);
	return s.flows;
}

/* --- opening -------------------------------------------------------------------------------------------- */

static bool check_syn(struct world *world, const struct packet *p)
{
	(void)world;
	if (p->proto == PROTO_TCP && (p->flags & SYN)) {
		assert_int_equal(p->flags, SYN);
		assert_int_equal(p->mss, 1460);
		assert_int_equal(p->scale, 8);
		assert_true(p->sack_permitted);
		assert_int_equal(p->window, 0xffff);
		assert_in_range(p->from_port, 32768, 65535);
		assert_int_equal(p->hops, 64);
	}
	return false;
}

static void handshake(void **state)
{
	struct ip local, remote;
	uint16_t port;

	(void)state;
	start();
	w.on_packet = check_syn;
	open_flow();
	flow_addresses(c.f, &local, &port, &remote);
	assert_true(ip_equal(&local, &w.facts.ip4));
	assert_true(ip_equal(&remote, &OTHER));
	assert_int_equal(port, peer->their_port);
	assert_int_equal(flows_now(), 1);
	finish();
}

static void ports_differ(void **state)
{
	struct client many[8] = { 0 };
	uint16_t ports[8];
	struct ip a, b;

	(void)state;
	start();
	for (int i = 0; i < 8; i++) {
		assert_int_equal(client_open(&many[i], &w, dest_ip(OTHER, 81)), 0);
		flow_addresses(many[i].f, &a, &ports[i], &b);
		for (int k = 0; k < i; k++)
			assert_int_not_equal(ports[k], ports[i]);
	}
	assert_false(ports[1] == ports[0] + 1 && ports[2] == ports[0] + 2); /* not in a row */
	for (int i = 0; i < 8; i++)
		flow_free(many[i].f);
	world_fini(&w);
}

/* A RST without ACK means nothing, but SecureNAT says "refused" with one for each SYN. */
static void refused_by_bare_resets(void **state)
{
	struct packet rst;

	(void)state;
	start();
	peer->mute = true;
	assert_int_equal(client_open(&c, &w, dest_ip(OTHER, 80)), 0);
	world_settle(&w);
	rst = (struct packet){ .from = OTHER, .to = w.facts.ip4, .proto = PROTO_TCP, .from_port = 80,
			       .to_port = w.last_tcp.from_port, .flags = RST, .seq = 0x12345678 };
	world_send(&w, rst);
	world_settle(&w);
	assert_int_equal(c.closed, 0);
	rst.from_port = 81; /* another connection's */
	world_send(&w, rst);
	world_settle(&w);
	assert_int_equal(c.closed, 0);
	rst.from_port = 80;
	rst.seq = 0x87654321;
	world_send(&w, rst);
	world_settle(&w);
	assert_int_equal(c.closed, 1);
	assert_int_equal(c.opened, 0);
	assert_int_equal(c.err, VE_REFUSED);
	finish();
}

static void refused(void **state)
{
	struct packet rst;

	(void)state;
	start();
	peer->mute = true;
	assert_int_equal(client_open(&c, &w, dest_ip(OTHER, 80)), 0);
	world_settle(&w);
	rst = (struct packet){ .from = OTHER, .to = w.facts.ip4, .proto = PROTO_TCP, .from_port = 80,
			       .to_port = w.last_tcp.from_port, .flags = RST | ACK, .ack = w.last_tcp.seq + 7 };
	world_send(&w, rst); /* acknowledges what was never sent: somebody's guess */
	world_settle(&w);
	assert_int_equal(c.closed, 0);
	rst.ack = w.last_tcp.seq + 1;
	world_send(&w, rst);
	world_settle(&w);
	assert_int_equal(c.closed, 1);
	assert_int_equal(c.opened, 0);
	assert_int_equal(c.err, VE_REFUSED);
	finish();
}

/* One for each attempt, with a reconnect between them, is one each. */
static bool answer_syn_with_bare_reset(struct world *world, const struct packet *p)
{
	if (p->proto == PROTO_TCP && (p->flags & SYN))
		world_send(world, (struct packet){ .from = p->to, .to = p->from, .proto = PROTO_TCP, .from_port = p->to_port,
						   .to_port = p->from_port, .flags = RST, .seq = world_random32() });
	return p->proto == PROTO_TCP;
}

static void bare_resets_of_two_attempts(void **state)
{
	(void)state;
	start();
	w.on_packet = answer_syn_with_bare_reset;
	assert_int_equal(client_open(&c, &w, dest_ip(OTHER, 80)), 0);
	world_settle(&w);
	world_down(&w);
	assert_int_equal(world_up(&w), 0);
	world_settle(&w);
	assert_int_equal(c.closed, 0);
	w.on_packet = NULL;
	world_run(&w, 1500);
	assert_int_equal(c.closed, 0);
	assert_int_equal(c.opened, 1);
	finish();
}

static void no_answer(void **state)
{
	(void)state;
	start();
	peer->mute = true;
	world_watch(&w);
	assert_int_equal(client_open(&c, &w, dest_ip(OTHER, 80)), 0);
	world_run(&w, FLOW_CONNECT_MS - 1);
	assert_int_equal(c.closed, 0);
	assert_in_range(w.seen_syn, 5, 11);
	world_run(&w, 1);
	assert_int_equal(c.closed, 1);
	assert_int_equal(c.err, VE_TIMEOUT);
	world_watch(&w);
	world_run(&w, 30000);
	assert_int_equal(w.seen_tcp, 0);
	finish();
}

static void nobody_has_that_address(void **state)
{
	struct netstack_conf conf = world_conf();

	(void)state;
	start_with(&conf, LINK_ETHERNET);
	world_start(&w);
	w.arp_mute = true;
	assert_int_equal(client_open(&c, &w, dest_ip(packet_ip4(10, 3, 3, 3), 80)), 0);
	world_run(&w, FLOW_CONNECT_MS);
	assert_int_equal(c.closed, 1);
	assert_int_equal(c.err, VE_UNREACH);
	assert_int_equal(w.seen_syn, 0);
	finish();
}

static void targets_that_cannot_be(void **state)
{
	static const struct {
		const char *ip;
		int err;
	} cases[] = {
		{ "0.0.0.0", VE_NETUNREACH },	{ "0.1.2.3", VE_NETUNREACH },	     { "127.0.0.1", VE_NETUNREACH },
		{ "224.0.0.1", VE_NETUNREACH }, { "255.255.255.255", VE_NETUNREACH }, { "10.9.8.7", VE_REFUSED },
		{ "2001:db8::1", VE_NETUNREACH }, { "::1", VE_NETUNREACH },	     { "::", VE_NETUNREACH },
		{ "ff02::1", VE_NETUNREACH },
	};

	(void)state;
	start();
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct ip ip = { 0 };

		assert_int_equal(ip_parse(cases[i].ip, &ip), 0);
		memset(&c, 0, sizeof(c));
		world_watch(&w);
		assert_int_equal(client_open(&c, &w, dest_ip(ip, 80)), 0);
		assert_int_equal(c.closed, 0); /* not from inside the call */
		world_settle(&w);
		assert_int_equal(c.closed, 1);
		assert_int_equal(c.err, cases[i].err);
		assert_int_equal(w.seen_tcp, 0);
		flow_free(c.f);
	}
	c.f = NULL;
	finish();
}

/* --- ICMP ----------------------------------------------------------------------------------------------- */

/* A router's, about a packet of TCP: 8 bytes behind its IP header. */
static void send_error(const struct packet *quoted, uint8_t type, uint8_t code)
{
	world_icmp_error(&w, packet_ip4(10, 0, 0, 1), type, code, quoted, 28);
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
	peer->mute = true;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct packet q;

		memset(&c, 0, sizeof(c));
		assert_int_equal(client_open(&c, &w, dest_ip(OTHER, 80)), 0);
		world_settle(&w);
		q = w.last_tcp;
		q.seq++; /* not ours */
		send_error(&q, 3, cases[i].code);
		q = w.last_tcp;
		q.to.b[3]++;
		send_error(&q, 3, cases[i].code);
		q = w.last_tcp;
		q.to_port++;
		send_error(&q, 3, cases[i].code);
		q = w.last_tcp;
		q.proto = PROTO_UDP;
		send_error(&q, 3, cases[i].code);
		send_error(&w.last_tcp, 11, cases[i].code); /* time exceeded: go on */
		world_settle(&w);
		assert_int_equal(c.closed, 0);
		send_error(&w.last_tcp, 3, cases[i].code);
		world_settle(&w);
		assert_int_equal(c.closed, cases[i].err != 0);
		assert_int_equal(c.err, cases[i].err);
		flow_free(c.f);
	}
	c.f = NULL;
	finish();
}

/* An error message that was damaged on its way, and all its truncations. */
static void unreachable_damaged(void **state)
{
	struct packet p;
	uint8_t body[32] = { 0 };
	struct frame f;

	(void)state;
	start();
	peer->mute = true;
	assert_int_equal(client_open(&c, &w, dest_ip(OTHER, 80)), 0);
	world_settle(&w);
	packet_make(&f, &w.last_tcp, false);
	memcpy(body + 4, f.b, 28);
	for (size_t n = 0; n < sizeof(body); n++) {
		p = (struct packet){ .from = OTHER, .to = w.facts.ip4, .proto = PROTO_ICMP4, .type = 3, .code = 1,
				     .payload = { .p = body, .n = n } };
		world_send(&w, p);
	}
	p.payload.n = sizeof(body);
	packet_make(&f, &p, false);
	f.b[22] ^= 1; /* the checksum */
	queue_put(w.in, &f);
	world_settle(&w);
	assert_int_equal(c.closed, 0);
	world_send(&w, p);
	world_settle(&w);
	assert_int_equal(c.closed, 1);
	finish();
}

/* An open connection is not ended by what anybody could send. */
static void unreachable_when_open(void **state)
{
	(void)state;
	start();
	open_flow();
	c.to_send = 1000;
	client_write(&c);
	flow_flush(w.ns);
	world_settle(&w);
	send_error(&w.last_tcp, 3, 1);
	world_settle(&w);
	assert_int_equal(c.closed, 0);
	finish();
}

/* --- bytes ---------------------------------------------------------------------------------------------- */

/* Both directions at once, until both are through. */
static void exchange(size_t n, uint64_t ms)
{
	c.to_send = n;
	c.shut_after = true;
	peer_send_pattern(peer, n);
	tcp_peer_close(peer, world_ms);
	client_write(&c);
	flow_flush(w.ns);
	for (uint64_t i = 0; i < ms && (c.closed == 0 || !peer->got_fin); i += 100)
		world_run(&w, 100);
	assert_int_equal(c.got, n);
	assert_true(c.eof);
	peer_check_pattern(peer, n);
	assert_true(peer->got_fin);
	assert_int_equal(c.closed, 1);
	assert_int_equal(c.err, 0);
}

static void both_ways(void **state)
{
	static const size_t sizes[] = { 0, 1, 2, 535, 1459, 1460, 1461, 16383, 16384, 16385, 65535, 65536, 300000, BULK };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		start();
		open_flow();
		exchange(sizes[i], 5000);
		assert_int_equal(peer->resent, 0);
		finish();
	}
}

static void both_ways_without_options(void **state)
{
	(void)state;
	start();
	peer->scale = -1;
	peer->mss = 0; /* says nothing: 536 */
	peer->buffer = 65535;
	assert_int_equal(client_open(&c, &w, dest_ip(OTHER, 80)), 0);
	peer->mss = 536;
	world_settle(&w);
	exchange(500000, 20000);
	finish();
}

static void both_ways_over_ethernet(void **state)
{
	struct netstack_conf conf = world_conf();

	(void)state;
	start_with(&conf, LINK_ETHERNET);
	world_start(&w);
	open_flow();
	exchange(BULK, 5000);
	finish();
}

static unsigned drop_every, seen_for_drop;

static bool drop_some(struct world *world, const struct packet *p)
{
	(void)world;
	return p->proto == PROTO_TCP && ++seen_for_drop % drop_every == 0;
}

/* Every n-th packet of ours is lost. */
static void retransmission(void **state)
{
	static const unsigned each[] = { 3, 7, 50 };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(each); i++) {
		start();
		open_flow();
		drop_every = each[i];
		seen_for_drop = 0;
		w.on_packet = drop_some;
		exchange(200000, 600000);
		finish();
	}
}

/* Segments of 1,000 bytes from the peer, which begin at these places of its stream. */
static void send_pieces(const unsigned *from, size_t n)
{
	static uint8_t bytes[5000];
	struct packet s;

	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = pattern(1, i);
	for (size_t i = 0; i < n; i++) {
		s = tcp_peer_segment(peer, ACK | PSH);
		s.seq += from[i];
		s.payload = (struct slice){ .p = bytes + from[i], .n = 1000 };
		world_send(&w, s);
	}
	world_settle(&w);
}

/* One of them twice. */
static void out_of_order(void **state)
{
	static const unsigned from[] = { 4000, 2000, 2000, 3000, 1000, 0 };

	(void)state;
	start();
	open_flow();
	for (size_t i = 0; i < ARRAY_LEN(from); i++) {
		send_pieces(&from[i], 1);
		assert_int_equal(c.got, from[i] == 0 ? 5000 : 0);
	}
	finish();
}

static void overlapping_segments(void **state)
{
	static const unsigned from[] = { 500, 0, 700, 100, 2000, 1200 };

	(void)state;
	start();
	open_flow();
	send_pieces(from, ARRAY_LEN(from));
	assert_int_equal(c.got, 3000);
	finish();
}

/* --- back-pressure -------------------------------------------------------------------------------------- */

static void a_client_that_does_not_read(void **state)
{
	uint32_t before;

	(void)state;
	start();
	c.read_at_once = false;
	open_flow();
	peer_send_pattern(peer, BULK);
	world_run(&w, 20000);
	assert_int_equal(peer->nxt, peer->una); /* nothing was lost */
	assert_in_range(peer->una - peer->iss - 1, FLOW_WINDOW_START - 256, FLOW_WINDOW_START);
	assert_int_equal(peer->their_window, 0);
	before = peer->una;
	client_read(&c, 40000);
	flow_flush(w.ns);
	world_settle(&w);
	assert_int_equal(c.got, 40000);
	assert_in_range(peer->una - before, 30000, 40000); /* the window opened, and was used */
	for (int i = 0; i < 1000 && c.got < BULK; i++) {
		client_read(&c, 30000);
		flow_flush(w.ns);
		world_run(&w, 10);
	}
	assert_int_equal(c.got, BULK);
	finish();
}

static void a_peer_that_does_not_read(void **state)
{
	(void)state;
	start();
	peer->buffer = 50000;
	peer->read_at_once = false;
	c.to_send = BULK;
	c.shut_after = true;
	open_flow();
	flow_flush(w.ns);
	world_run(&w, 120000); /* zero-window probes, for two minutes */
	assert_int_equal(c.closed, 0);
	assert_in_range(peer->rx_len, 50000 - 128, 50000); /* its windows come in units of 128 */
	assert_in_range(c.sent, FLOW_SEND_START, FLOW_SEND_START + peer->rx_len); /* what is queued here has its bound, too */
	for (int i = 0; i < 3000 && !peer->got_fin; i++) {
		if (peer->unread > 0)
			tcp_peer_read(peer, min_size(peer->unread, 30000));
		world_run(&w, 100);
	}
	peer_check_pattern(peer, BULK);
	assert_true(peer->got_fin);
	assert_true(c.writable > 0);
	finish();
}

/* lwIP's persist timer must stop when a probe carried all there was: one byte into a closed window. */
static void one_byte_into_a_closed_window(void **state)
{
	(void)state;
	start();
	peer->buffer = 100;
	peer->read_at_once = false;
	c.to_send = 100;
	open_flow();
	world_settle(&w);
	assert_int_equal(peer->rx_len, 100);
	c.to_send = 101;
	client_write(&c);
	flow_flush(w.ns);
	world_run(&w, 200);
	assert_int_equal(peer->rx_len, 100);
	peer->buffer = 101; /* takes the probe's byte, and stays closed */
	world_run(&w, 60000);
	assert_int_equal(peer->rx_len, 101);
	peer->buffer = 50000;
	tcp_peer_read(peer, 101);
	c.to_send = 5000;
	client_write(&c);
	flow_flush(w.ns);
	for (int i = 0; i < 500 && peer->rx_len < 5000; i++) {
		if (peer->unread > 0)
			tcp_peer_read(peer, peer->unread);
		world_run(&w, 100);
	}
	peer_check_pattern(peer, 5000);
	finish();
}

/* The session refuses every n-th packet: nothing is lost, nothing needs a retransmission. */
static void refused_output(void **state)
{
	(void)state;
	for (unsigned n = 2; n <= 9; n++) {
		struct netstack_conf conf = world_conf();
		struct netstack_stats s;

		start_with(&conf, n % 2 ? LINK_IP : LINK_ETHERNET);
		world_start(&w);
		w.refuse_every = n;
		assert_int_equal(client_open(&c, &w, dest_ip(OTHER, 80)), 0);
		world_run(&w, w.ethernet ? 5000 : 0); /* for ARP, which is not repeated with the room */
		exchange(500000, 2000);
		assert_int_equal(peer->resent, 0);
		assert_true(w.refused > 20);
		netstack_get_stats(w.ns, &s);
		if (!w.ethernet)
			assert_int_equal(s.dropped_out, 0);
		finish();
	}
}

/* Full for a while: data waits, ACKs wait, and go out with the room, not with a timer. */
static void refused_for_a_while(void **state)
{
	(void)state;
	start();
	open_flow();
	c.to_send = 10000;
	w.refuse_all = true;
	client_write(&c);
	flow_flush(w.ns);
	peer_send_pattern(peer, 3000);
	world_settle(&w);
	assert_int_equal(c.got, 3000);
	assert_int_equal(peer->rx_len, 0);
	assert_int_equal(peer->una, peer->iss + 1);
	world_run(&w, 250); /* lwIP's fast timer tries the ACK, fails, and forgets it */
	w.refuse_all = false;
	world_settle(&w);
	peer_check_pattern(peer, 10000);
	assert_int_equal(peer->una, peer->iss + 1 + 3000);
	/* ACK alone */
	w.refuse_all = true;
	peer_send_pattern(peer, 2000);
	world_run(&w, 300);
	assert_int_equal(peer->una, peer->iss + 1 + 3000);
	w.refuse_all = false;
	world_settle(&w);
	assert_int_equal(peer->una, peer->iss + 1 + 5000);
	assert_int_equal(peer->resent, 0);
	finish();
}

/* Several flows find the session full, again and again: each gets its turn. */
static void refused_flows_take_turns(void **state)
{
	static struct client many[6];
	struct tcp_peer *p[6];
	unsigned seen = 0;

	(void)state;
	start();
	memset(many, 0, sizeof(many));
	for (uint16_t i = 0; i < 6; i++) {
		p[i] = world_peer(&w, OTHER, (uint16_t)(1000 + i));
		assert_int_equal(client_open(&many[i], &w, dest_ip(OTHER, (uint16_t)(1000 + i))), 0);
	}
	world_settle(&w);
	w.refuse_all = true;
	for (int i = 0; i < 6; i++) {
		many[i].to_send = 500000;
		client_write(&many[i]);
	}
	flow_flush(w.ns);
	w.refuse_all = false;
	w.refuse_every = 5; /* four packets to each room */
	w.offered = 0;
	for (int i = 0; i < 6; i++) {
		w.room_owed = false;
		w.depth++;
		w.ops->room(w.ns);
		w.depth--;
		assert_int_equal(w.out->n, 4 * (i + 1));
	}
	for (unsigned i = 0; i < w.out->n; i++) {
		struct packet q;

		assert_true(packet_parse(&q, (struct slice){ .p = w.out->f[(w.out->first + i) % QUEUE_MAX].b,
							     .n = w.out->f[(w.out->first + i) % QUEUE_MAX].n }, false));
		seen |= 1u << (q.to_port - 1000);
	}
	assert_int_equal(seen, 0x3f); /* six rooms, six flows */
	w.room_owed = true;
	world_run(&w, 5000);
	for (int i = 0; i < 6; i++) {
		peer_check_pattern(p[i], 500000);
		flow_free(many[i].f);
	}
	finish();
}

/* Position of the first packet to @port that waits to be taken from the stack, w.out->n: none. */
static unsigned place_of(uint16_t port)
{
	for (unsigned i = 0; i < w.out->n; i++) {
		const struct frame *f = &w.out->f[(w.out->first + i) % QUEUE_MAX];
		struct packet q;

		assert_true(packet_parse(&q, (struct slice){ .p = f->b, .n = f->n }, false));
		if (q.to_port == port && q.payload.n > 0)
			return i;
	}
	return w.out->n;
}

/* One flow has as much to send as it may, another one little: the second one does not wait for all of the first. */
static void a_small_flow_beside_bulk(void **state)
{
	const unsigned turn = TCP_OUTPUT_QUANTUM / 1460 + 1;
	static struct client little;

	(void)state;
	for (int full = 0; full < 2; full++) {
		start();
		memset(&little, 0, sizeof(little));
		world_peer(&w, OTHER, 81);
		open_flow();
		assert_int_equal(client_open(&little, &w, dest_ip(OTHER, 81)), 0);
		c.to_send = BULK; /* slow start is through */
		client_write(&c);
		flow_flush(w.ns);
		world_run(&w, 5000);
		assert_int_equal(peer->rx_len, BULK);
		w.refuse_all = full;
		c.to_send = BULK + 128 * 1024;
		little.to_send = 100;
		client_write(&c);
		if (full) /* the session is full when the bulk comes, and then has room for some */
			flow_flush(w.ns);
		client_write(&little);
		flow_flush(w.ns);
		w.refuse_all = false;
		if (full) {
			assert_int_equal(w.out->n, 0);
			w.refuse_every = 80;
			w.offered = 0;
			w.room_owed = false;
			w.depth++;
			w.ops->room(w.ns);
			w.depth--;
			assert_int_equal(w.out->n, 79);
			w.refuse_every = 0;
			w.room_owed = true;
		}
		assert_true(w.out->n > turn);
		assert_int_equal(place_of(80), 0);
		assert_in_range(place_of(81), 1, turn);
		world_run(&w, 5000);
		peer_check_pattern(peer, c.to_send);
		flow_free(little.f);
		finish();
	}
}

/* A batch is acknowledged at its end; at the beginning of a stream, every second segment is. */
static void acks_of_a_batch(void **state)
{
	unsigned before;

	(void)state;
	start();
	open_flow();
	before = peer->acks_in;
	peer_send_pattern(peer, 14600);
	world_settle(&w);
	assert_in_range(peer->acks_in - before, 5, 6);
	peer_send_pattern(peer, 2u << 20);
	world_run(&w, 1000);
	assert_int_equal(c.got, 14600 + (2u << 20));
	before = peer->acks_in;
	peer_send_pattern(peer, 58400);
	world_settle(&w);
	assert_in_range(peer->acks_in - before, 1, 2);
	assert_int_equal(peer->una, peer->nxt);
	/* two segments that come one by one are two, and one is for the timer */
	before = peer->acks_in;
	peer_send_pattern(peer, 1460);
	world_settle(&w);
	assert_int_equal(peer->acks_in - before, 0);
	peer_send_pattern(peer, 1460);
	world_settle(&w);
	assert_int_equal(peer->acks_in - before, 1);
	peer_send_pattern(peer, 1460);
	world_run(&w, 200);
	assert_int_equal(peer->acks_in - before, 2);
	assert_int_equal(peer->una, peer->nxt);
	assert_int_equal(peer->resent, 0);
	finish();
}

static void refused_syn_and_fin(void **state)
{
	(void)state;
	start();
	w.refuse_all = true;
	assert_int_equal(client_open(&c, &w, dest_ip(OTHER, 80)), 0);
	world_settle(&w);
	w.refuse_all = false;
	world_settle(&w);
	assert_int_equal(c.opened, 1);
	w.refuse_all = true;
	flow_shutdown(c.f);
	flow_flush(w.ns);
	world_settle(&w);
	assert_false(peer->got_fin);
	w.refuse_all = false;
	world_settle(&w);
	assert_true(peer->got_fin);
	finish();
}

/* A SYN that waited for ARP meets a full session when the answer comes: lwIP thinks that it was sent. */
static void refused_out_of_the_arp_queue(void **state)
{
	struct netstack_conf conf = world_conf();

	(void)state;
	start_with(&conf, LINK_ETHERNET);
	world_start(&w);
	w.arp_mute = true;
	assert_int_equal(client_open(&c, &w, dest_ip(OTHER, 80)), 0);
	world_settle(&w);
	w.arp_mute = false;
	answer_arp(&w, &w.last_arp);
	w.refuse_all = true;
	world_watch(&w);
	world_settle(&w);
	assert_int_equal(w.seen_syn, 0);
	w.refuse_all = false;
	world_settle(&w); /* no time has passed */
	assert_int_equal(w.seen_syn, 1);
	assert_int_equal(c.opened, 1);
	finish();
}

static void dropped_output_is_counted(void **state)
{
	struct netstack_stats s;

	(void)state;
	start();
	w.refuse_all = true;
	w.facts.dns[0] = packet_ip4(10, 0, 0, 1);
	world_down(&w);
	world_start(&w);
	assert_int_equal(client_open(&c, &w, dest_host("a.example", 80)), 0); /* UDP */
	netstack_get_stats(w.ns, &s);
	assert_int_equal(s.dropped_out, 1);
	finish();
}

/* --- crumbs --------------------------------------------------------------------------------------------- */

static void crumbs_are_gathered(void **state)
{
	static const size_t N = 50000;
	uint8_t byte;
	struct packet s;
	long before;

	(void)state;
	start();
	c.read_at_once = false;
	open_flow();
	before = heap.live;
	for (size_t i = 0; i < N; i++) {
		byte = pattern(1, i);
		s = tcp_peer_segment(peer, ACK | PSH);
		s.seq += (uint32_t)i;
		s.payload = (struct slice){ .p = &byte, .n = 1 };
		world_send(&w, s);
		if (i % 1000 == 0)
			world_settle(&w);
	}
	world_settle(&w);
	assert_true(heap.live - before < (long)(N / 400)); /* blocks of 512 bytes, not of one */
	client_read(&c, SIZE_MAX);
	assert_int_equal(c.got, N);
	finish();
}

static void mixed_pieces(void **state)
{
	static uint8_t bytes[60000];
	size_t at = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = pattern(1, i);
	start();
	c.read_at_once = false;
	open_flow();
	while (at < sizeof(bytes)) {
		struct packet s = tcp_peer_segment(peer, ACK | PSH);
		size_t n = world_random32() % 3 == 0 ? 1 + world_random32() % 1460 : 1 + world_random32() % 300;

		n = min_size(n, sizeof(bytes) - at);
		s.seq += (uint32_t)at;
		s.payload = (struct slice){ .p = bytes + at, .n = n };
		world_send(&w, s);
		at += n;
		if (world_random32() % 4 == 0) {
			world_settle(&w);
			client_read(&c, world_random32() % 2000);
		}
	}
	world_settle(&w);
	client_read(&c, SIZE_MAX);
	assert_int_equal(c.got, sizeof(bytes));
	finish();
}

/* --- ends ----------------------------------------------------------------------------------------------- */

static void we_close_first(void **state)
{
	(void)state;
	start();
	c.to_send = 1000;
	c.shut_after = true;
	open_flow();
	world_settle(&w);
	assert_true(peer->got_fin);
	peer_check_pattern(peer, 1000);
	assert_int_equal(c.closed, 0);
	peer_send_pattern(peer, 100000); /* goes on for a while */
	world_run(&w, 30000);
	assert_int_equal(c.got, 100000);
	assert_false(c.eof);
	tcp_peer_close(peer, world_ms);
	world_settle(&w);
	assert_true(c.eof);
	assert_int_equal(c.closed, 1);
	assert_int_equal(c.err, 0);
	assert_true(peer->fin_acked);
	flow_free(c.f);
	assert_int_equal(flows_now(), 0);
	assert_non_null(tcp_tw_pcbs); /* lwIP's own now */
	world_run(&w, 15000);
	assert_null(tcp_tw_pcbs);
	assert_false(peer->got_rst);
	world_fini(&w);
}

static void the_peer_closes_first(void **state)
{
	(void)state;
	start();
	open_flow();
	peer_send_pattern(peer, 5000);
	tcp_peer_close(peer, world_ms);
	world_settle(&w);
	assert_true(c.eof);
	assert_int_equal(c.got, 5000);
	assert_int_equal(c.closed, 0);
	c.to_send = 100000;
	c.shut_after = true;
	client_write(&c);
	flow_flush(w.ns);
	world_run(&w, 1000);
	peer_check_pattern(peer, 100000);
	assert_true(peer->got_fin);
	assert_int_equal(c.closed, 1);
	assert_int_equal(c.err, 0);
	assert_null(tcp_active_pcbs);
	finish();
}

/* FINs cross: lwIP goes through CLOSING to TIME_WAIT, the last step of it without a word. */
static void both_close_at_once(void **state)
{
	struct packet s;

	(void)state;
	start();
	open_flow();
	peer->mute = true;
	flow_shutdown(c.f);
	flow_flush(w.ns);
	world_settle(&w);
	s = tcp_peer_segment(peer, ACK | FIN); /* does not acknowledge ours */
	world_send(&w, s);
	world_settle(&w);
	assert_int_equal(c.closed, 1);
	assert_int_equal(c.err, 0);
	assert_int_equal(tcp_active_pcbs->state, CLOSING);
	flow_free(c.f);
	assert_int_equal(flows_now(), 1); /* the FIN may have to be sent again */
	s = tcp_peer_segment(peer, ACK);
	s.seq++;
	s.ack++;
	world_send(&w, s);
	world_settle(&w);
	assert_null(tcp_active_pcbs);
	assert_int_equal(tcp_tw_pcbs->state, TIME_WAIT);
	world_run(&w, 500);
	assert_int_equal(flows_now(), 0);
	world_run(&w, 20000);
	assert_null(tcp_tw_pcbs);
	world_fini(&w);
}

/* A flow that nobody has freed yet must not look at a PCB that lwIP has freed after TIME_WAIT. */
static void kept_beyond_time_wait(void **state)
{
	(void)state;
	start();
	c.shut_after = true;
	open_flow();
	tcp_peer_close(peer, world_ms);
	world_settle(&w);
	assert_int_equal(c.closed, 1);
	world_run(&w, 60000);
	assert_null(tcp_tw_pcbs);
	client_read(&c, 1);
	flow_shutdown(c.f);
	flow_flush(w.ns);
	finish();
}

/* The end comes before the client has read everything: closed() waits for the reading. */
static void unread_at_the_end(void **state)
{
	(void)state;
	start();
	c.read_at_once = false;
	c.shut_after = true;
	open_flow();
	peer_send_pattern(peer, 10000);
	tcp_peer_close(peer, world_ms);
	world_run(&w, 60000);
	assert_int_equal(c.closed, 0);
	client_read(&c, 9999);
	flow_flush(w.ns);
	world_settle(&w);
	assert_int_equal(c.closed, 0);
	client_read(&c, 1);
	assert_true(c.eof);
	assert_int_equal(c.closed, 0); /* not from inside */
	flow_flush(w.ns);
	world_settle(&w);
	assert_int_equal(c.closed, 1);
	assert_int_equal(c.err, 0);
	assert_false(peer->got_rst);
	finish();
}

/* The client is gone, its bytes are not: they and the FIN go out without it. */
static void queue_outlives_the_flow(void **state)
{
	(void)state;
	start();
	peer->buffer = 10000;
	peer->read_at_once = false;
	c.to_send = 100000;
	c.shut_after = true;
	open_flow();
	tcp_peer_close(peer, world_ms);
	world_settle(&w);
	assert_int_equal(c.closed, 1);
	assert_int_equal(c.err, 0);
	flow_free(c.f);
	assert_in_range(peer->rx_len, 8000, 10000);
	assert_int_equal(flows_now(), 1);
	for (int i = 0; i < 400 && !peer->got_fin; i++) {
		if (peer->unread > 0)
			tcp_peer_read(peer, peer->unread);
		world_run(&w, 50);
	}
	peer_check_pattern(peer, 100000);
	assert_true(peer->got_fin);
	assert_false(peer->got_rst);
	world_run(&w, 1000);
	assert_int_equal(flows_now(), 0);
	world_fini(&w);
}

/* The same when the peer was the first to close: lwIP says when the last ACK has come. */
static void queue_outlives_the_flow_in_last_ack(void **state)
{
	(void)state;
	start();
	peer->buffer = 10000;
	peer->read_at_once = false;
	open_flow();
	tcp_peer_close(peer, world_ms);
	world_settle(&w);
	assert_true(c.eof);
	c.to_send = 100000;
	c.shut_after = true;
	client_write(&c);
	flow_flush(w.ns);
	world_settle(&w);
	assert_int_equal(c.closed, 1);
	flow_free(c.f);
	assert_int_equal(flows_now(), 1);
	for (int i = 0; i < 400 && !peer->got_fin; i++) {
		if (peer->unread > 0)
			tcp_peer_read(peer, peer->unread);
		world_run(&w, 50);
	}
	peer_check_pattern(peer, 100000);
	assert_int_equal(flows_now(), 0);
	assert_null(tcp_active_pcbs);
	assert_null(tcp_tw_pcbs);
	world_fini(&w);
}

/* Make a flow that lingers: both sides have closed, its owner is gone, its queue is not empty. */
static void make_lingering(void)
{
	peer->buffer = 10000;
	peer->read_at_once = false;
	c.to_send = 100000;
	c.shut_after = true;
	open_flow();
	tcp_peer_close(peer, world_ms);
	world_settle(&w);
	assert_int_equal(c.closed, 1);
	flow_free(c.f);
	assert_int_equal(flows_now(), 1);
}

static void lingering_when_all_ends(void **state)
{
	(void)state;
	start();
	make_lingering();
	world_fini(&w);
	/* or the link stays away */
	start();
	make_lingering();
	world_down(&w);
	world_run(&w, 29999);
	assert_int_equal(flows_now(), 1);
	world_run(&w, 1);
	assert_int_equal(flows_now(), 0);
	world_fini(&w);
	/* or the peer has had enough */
	start();
	make_lingering();
	tcp_peer_reset(peer);
	world_settle(&w);
	assert_int_equal(flows_now(), 0);
	world_fini(&w);
}

static void lingering_makes_room(void **state)
{
	static struct client many[FLOWS_MAX];

	(void)state;
	start();
	make_lingering();
	memset(many, 0, sizeof(many));
	for (size_t i = 0; i < FLOWS_MAX; i++) {
		assert_int_equal(client_open(&many[i], &w, dest_ip(OTHER, 9)), 0);
		if (i % 1000 == 0)
			world_settle(&w);
		assert_int_equal(flows_now(), i + 2 < FLOWS_MAX ? i + 2 : FLOWS_MAX);
	}
	world_settle(&w);
	assert_true(peer->got_rst);
	for (size_t i = 0; i < FLOWS_MAX; i++)
		flow_free(many[i].f);
	world_fini(&w);
}

static void but_not_for_ever(void **state)
{
	(void)state;
	start();
	peer->buffer = 10000;
	peer->read_at_once = false;
	c.to_send = 100000;
	c.shut_after = true;
	open_flow();
	tcp_peer_close(peer, world_ms);
	world_settle(&w);
	flow_free(c.f);
	world_run(&w, FLOW_LINGER_MS - 1);
	assert_int_equal(flows_now(), 1);
	assert_false(peer->got_rst);
	world_run(&w, 1);
	assert_int_equal(flows_now(), 0);
	assert_true(peer->got_rst);
	world_fini(&w);
}

static void freeing_resets(void **state)
{
	(void)state;
	/* open */
	start();
	open_flow();
	finish();
	/* with data on the way both ways */
	start();
	c.read_at_once = false;
	c.to_send = 100000;
	open_flow();
	peer_send_pattern(peer, 100000);
	world_settle(&w);
	flow_free(c.f);
	flow_flush(w.ns);
	world_settle(&w);
	assert_true(peer->got_rst);
	assert_int_equal(flows_now(), 0);
	world_fini(&w);
	/* both have closed, but bytes of the peer were not read */
	start();
	c.read_at_once = false;
	c.shut_after = true;
	open_flow();
	peer_send_pattern(peer, 100);
	world_settle(&w);
	flow_free(c.f);
	flow_flush(w.ns);
	world_settle(&w);
	assert_true(peer->got_rst);
	world_fini(&w);
	/* while connecting: not a word */
	start();
	peer->mute = true;
	assert_int_equal(client_open(&c, &w, dest_ip(OTHER, 80)), 0);
	world_settle(&w);
	world_watch(&w);
	flow_free(c.f);
	flow_flush(w.ns);
	world_run(&w, 20000);
	assert_int_equal(w.seen_tcp, 0);
	world_fini(&w);
	flow_free(NULL);
}

static void reset_by_the_peer(void **state)
{
	struct slice v[4];

	(void)state;
	start();
	c.read_at_once = false;
	c.to_send = 50000;
	peer->buffer = 10000;
	peer->read_at_once = false;
	open_flow();
	peer_send_pattern(peer, 100);
	world_settle(&w);
	tcp_peer_reset(peer);
	world_settle(&w);
	assert_int_equal(c.closed, 1);
	assert_int_equal(c.err, VE_RESET);
	client_read(&c, SIZE_MAX); /* what came before is still there */
	assert_int_equal(c.got, 100);
	assert_int_equal(flow_peek(c.f, v, 4), 0); /* but it was not the end */
	{
		size_t room = 1;

		assert_null(flow_reserve(c.f, &room));
		assert_int_equal(room, 0);
		flow_shutdown(c.f);
		flow_commit(c.f, 0);
	}
	finish();
}

/* Everything of a short answer, and a reset right behind it, in one batch. */
static void answer_and_reset(void **state)
{
	struct packet s;

	(void)state;
	start();
	assert_int_equal(client_open(&c, &w, dest_ip(OTHER, 80)), 0);
	world_settle(&w);
	peer_send_pattern(peer, 3000);
	s = tcp_peer_segment(peer, RST | ACK);
	world_send(&w, s);
	world_settle(&w);
	assert_int_equal(c.got, 3000);
	assert_int_equal(c.closed, 1);
	assert_int_equal(c.err, VE_RESET);
	finish();
}

static void a_peer_that_died(void **state)
{
	(void)state;
	start();
	open_flow();
	peer->mute = true;
	world_run(&w, FLOW_KEEPALIVE_MS - 2000);
	world_watch(&w);
	world_run(&w, 4000);
	assert_int_equal(w.seen_tcp, 1); /* the first probe */
	assert_int_equal(c.closed, 0);
	world_run(&w, FLOW_KEEPALIVE_RETRY_MS * FLOW_KEEPALIVE_RETRIES);
	assert_int_equal(c.closed, 1);
	assert_int_equal(c.err, VE_TIMEOUT);
	finish();
	/* it answers: nothing happens, however long */
	start();
	open_flow();
	world_run(&w, 5 * FLOW_KEEPALIVE_MS);
	assert_int_equal(c.closed, 0);
	finish();
}

static void a_peer_that_died_after_our_fin(void **state)
{
	(void)state;
	start();
	c.shut_after = true;
	open_flow();
	world_run(&w, 3 * FLOW_KEEPALIVE_MS); /* answers probes */
	assert_int_equal(c.closed, 0);
	peer->mute = true;
	world_run(&w, FLOW_KEEPALIVE_MS + FLOW_KEEPALIVE_RETRY_MS * (FLOW_KEEPALIVE_RETRIES + 1));
	assert_int_equal(c.closed, 1);
	assert_int_equal(c.err, VE_TIMEOUT);
	finish();
}

/* --- resting -------------------------------------------------------------------------------------------- */

static bool lose_one;

static bool lose_the_next(struct world *world, const struct packet *p)
{
	bool lost = lose_one && p->proto == PROTO_TCP;

	(void)world;
	lose_one = lose_one && !lost;
	return lost;
}

/* An idle flow keeps no timer running, and everything that must happen to it in time still does. */
static void an_idle_flow_rests(void **state)
{
	static const uint8_t bytes[100];
	struct packet s;

	(void)state;
	start();
	w.on_packet = lose_the_next;
	open_flow();
	world_run(&w, 1000);
	assert_null(tcp_timer_pcbs);
	assert_non_null(tcp_active_pcbs);
	assert_true(netstack_sleep(w.ns) > 200);
	/* our segment is lost: it is sent again, and the flow comes to rest again */
	lose_one = true;
	c.to_send = 100;
	client_write(&c);
	flow_flush(w.ns);
	world_settle(&w);
	assert_int_equal(peer->rx_len, 0);
	assert_non_null(tcp_timer_pcbs);
	world_run(&w, 2000);
	assert_int_equal(peer->rx_len, 100);
	assert_null(tcp_timer_pcbs);
	/* a single small segment is acknowledged in time */
	peer_send_pattern(peer, 1);
	world_settle(&w);
	assert_int_equal(c.got, 1);
	world_run(&w, 300);
	assert_int_equal(peer->una, peer->nxt);
	world_run(&w, 1000);
	assert_null(tcp_timer_pcbs);
	/* a hole: what waits behind it is forgotten some time, so this one does not rest */
	s = tcp_peer_segment(peer, ACK | PSH);
	s.seq += 1000;
	s.payload = (struct slice){ .p = bytes, .n = sizeof(bytes) };
	world_send(&w, s);
	world_settle(&w);
	assert_non_null(tcp_timer_pcbs);
	world_run(&w, 60000);
	assert_null(tcp_timer_pcbs);
	assert_int_equal(c.closed, 0);
	finish();
}

/* Silence is measured across the time in which no timer ran, for each flow from its own last segment. */
static void resting_flows_are_kept_alive(void **state)
{
	static struct client second;

	(void)state;
	start();
	open_flow();
	world_run(&w, 100000);
	memset(&second, 0, sizeof(second));
	world_peer(&w, OTHER, 81);
	assert_int_equal(client_open(&second, &w, dest_ip(OTHER, 81)), 0);
	world_run(&w, 1000);
	assert_int_equal(second.opened, 1);
	assert_null(tcp_timer_pcbs);
	world_watch(&w);
	world_run(&w, FLOW_KEEPALIVE_MS - 101000 - 1000);
	assert_int_equal(w.seen_tcp, 0);
	world_run(&w, 3000);
	assert_int_equal(w.seen_tcp, 1); /* the older one's */
	assert_int_equal(w.last_tcp.to_port, 80);
	assert_null(tcp_timer_pcbs); /* answered */
	world_run(&w, 100000);
	assert_int_equal(w.seen_tcp, 2);
	assert_int_equal(w.last_tcp.to_port, 81);
	peer->mute = true;
	world_run(&w, FLOW_KEEPALIVE_MS + FLOW_KEEPALIVE_RETRIES * FLOW_KEEPALIVE_RETRY_MS);
	assert_int_equal(c.closed, 1);
	assert_int_equal(c.err, VE_TIMEOUT);
	assert_int_equal(second.closed, 0);
	flow_free(second.f);
	finish();
}

/* Ports of ours come back when nobody uses them any more. */
static void ports_are_given_back(void **state)
{
	(void)state;
	start();
	for (int i = 0; i < 70000; i++) {
		memset(&c, 0, sizeof(c));
		assert_int_equal(client_open(&c, &w, dest_ip(OTHER, 9)), 0);
		flow_free(c.f);
		w.out->n = 0;
	}
	c.f = NULL;
	open_flow();
	finish();
}

/* --- freeing from events -------------------------------------------------------------------------------- */

static void freed_in_every_event(void **state)
{
	(void)state;
	for (unsigned event = 0; event < 4; event++) {
		start();
		c.free_in = 1u << event;
		c.to_send = 4 * FLOW_SEND_START;
		assert_int_equal(client_open(&c, &w, dest_ip(OTHER, 80)), 0);
		world_settle(&w);
		if (c.f && event == 1)
			peer_send_pattern(peer, 100);
		if (c.f && event == 3)
			tcp_peer_reset(peer);
		world_run(&w, 1000);
		assert_null(c.f);
		assert_int_equal(flows_now(), 0);
		world_fini(&w);
	}
}

/* One flow's event frees all the others that have news in the same batch. */
static struct client some[4];

static void free_the_others(void *ctx)
{
	struct client *me = ctx;

	me->readable++;
	for (size_t i = 0; i < ARRAY_LEN(some); i++) {
		if (&some[i] != me) {
			flow_free(some[i].f);
			some[i].f = NULL;
		}
	}
}

static void freed_by_another(void **state)
{
	static const struct flow_events ev = { .opened = client_on_opened, .readable = free_the_others,
					       .writable = client_on_writable, .closed = client_on_closed };
	struct tcp_peer *p[4];
	unsigned told = 0;

	(void)state;
	start();
	memset(some, 0, sizeof(some));
	for (uint16_t i = 0; i < 4; i++) {
		struct dest to = dest_ip(OTHER, (uint16_t)(1000 + i));

		p[i] = world_peer(&w, OTHER, (uint16_t)(1000 + i));
		some[i].w = &w;
		assert_int_equal(flow_open(w.ns, &to, &ev, &some[i], &some[i].f), 0);
	}
	flow_flush(w.ns);
	world_settle(&w);
	for (int i = 0; i < 4; i++)
		peer_send_pattern(p[i], 10);
	world_settle(&w);
	for (int i = 0; i < 4; i++)
		told += some[i].readable;
	assert_int_equal(told, 1);
	assert_int_equal(flows_now(), 1);
	for (int i = 0; i < 4; i++)
		flow_free(some[i].f);
	world_fini(&w);
}

/* An event opens the next flow, which cannot be: its end is told later, and opens the next... */
static unsigned chain;

static void open_the_next(void *ctx, int err)
{
	static const struct flow_events ev = { .closed = open_the_next };
	struct dest to = dest_ip(packet_ip4(127, 0, 0, 1), 1);
	struct flow **f = ctx, *old = *f;

	assert_int_equal(err, VE_NETUNREACH);
	if (++chain < 100)
		assert_int_equal(flow_open(w.ns, &to, &ev, ctx, f), 0);
	else
		*f = NULL;
	flow_free(old);
}

static void opened_in_an_event(void **state)
{
	static const struct flow_events ev = { .closed = open_the_next };
	struct dest to = dest_ip(packet_ip4(127, 0, 0, 1), 1);
	struct flow *f;

	(void)state;
	start();
	chain = 0;
	assert_int_equal(flow_open(w.ns, &to, &ev, &f, &f), 0);
	flow_flush(w.ns);
	world_settle(&w);
	assert_int_equal(chain, 100);
	assert_null(f);
	world_fini(&w);
}

/* --- the link comes and goes ---------------------------------------------------------------------------- */

static void survives_a_reconnect(void **state)
{
	(void)state;
	for (int kind = LINK_ETHERNET; kind <= LINK_IP; kind++) {
		struct netstack_conf conf = world_conf();

		start_with(&conf, (enum link_kind)kind);
		world_start(&w);
		open_flow();
		c.to_send = 100000;
		client_write(&c);
		flow_flush(w.ns);
		w.ops->turn_end(w.ns);
		world_down(&w); /* with everything that was under way */
		peer_send_pattern(peer, 200000);
		w.in->n = 0;
		world_run(&w, 20000);
		assert_int_equal(c.closed, 0);
		assert_int_equal(world_up(&w), 0);
		world_settle(&w); /* goes on at once, not when a backed-off timer fires */
		assert_int_equal(w.readies, 2);
		assert_true(peer->rx_len > 10000);
		world_run(&w, 3000);
		peer_check_pattern(peer, 100000);
		assert_int_equal(c.got, 200000);
		assert_int_equal(c.closed, 0);
		finish();
	}
}

static void reset_by_another_address(void **state)
{
	(void)state;
	start();
	open_flow();
	world_down(&w);
	w.facts.ip4 = packet_ip4(10, 9, 8, 99);
	world_run(&w, 100);
	world_start(&w);
	assert_int_equal(c.closed, 1);
	assert_int_equal(c.err, VE_DOWN);
	flow_free(c.f);
	memset(&c, 0, sizeof(c));
	peer->state = PEER_LISTEN;
	open_flow();
	finish();
}

static void closed_when_down_for_too_long(void **state)
{
	(void)state;
	start();
	open_flow();
	world_down(&w);
	world_run(&w, 29999);
	assert_int_equal(c.closed, 0);
	world_run(&w, 1);
	assert_int_equal(c.closed, 1);
	assert_int_equal(c.err, VE_DOWN);
	assert_null(tcp_active_pcbs);
	finish();
}

/* Attempts to come back that get no address do not start the clock anew. */
static void closed_although_it_tries(void **state)
{
	struct netstack_conf conf = world_conf();

	(void)state;
	start_with(&conf, LINK_ETHERNET);
	world_start(&w);
	open_flow();
	world_down(&w);
	w.dhcp.on = false;
	for (int i = 0; i < 2; i++) {
		assert_int_equal(world_up(&w), 0);
		world_run(&w, 16000);
		world_down(&w);
	}
	assert_int_equal(w.faileds, 2);
	assert_int_equal(c.closed, 1);
	assert_int_equal(c.err, VE_DOWN);
	finish();
}

static void no_hold_no_survival(void **state)
{
	struct netstack_conf conf = world_conf();

	(void)state;
	conf.hold_ms = 0;
	start_with(&conf, LINK_IP);
	assert_int_equal(client_open(&c, &w, dest_ip(OTHER, 80)), VE_DOWN);
	world_start(&w);
	open_flow();
	world_down(&w);
	world_settle(&w);
	assert_int_equal(c.closed, 1);
	assert_int_equal(c.err, VE_DOWN);
	finish();
}

static void held_until_the_link_comes(void **state)
{
	struct netstack_conf conf = world_conf();
	struct netstack_stats s;

	(void)state;
	start_with(&conf, LINK_ETHERNET);
	assert_int_equal(client_open(&c, &w, dest_ip(OTHER, 80)), 0);
	netstack_get_stats(w.ns, &s);
	assert_int_equal(s.flows_held, 1);
	world_run(&w, 25000);
	assert_int_equal(c.closed + c.opened, 0);
	world_start(&w);
	assert_int_equal(c.opened, 1);
	netstack_get_stats(w.ns, &s);
	assert_int_equal(s.flows_held, 0);
	finish();
}

static void held_for_too_long(void **state)
{
	struct netstack_conf conf = world_conf();
	struct client late = { 0 };

	(void)state;
	/* not at all */
	conf.hold_ms = 0;
	start_with(&conf, LINK_IP);
	world_start(&w);
	peer->mute = true;
	assert_int_equal(client_open(&c, &w, dest_ip(OTHER, 80)), 0);
	world_settle(&w);
	world_down(&w);
	world_settle(&w);
	assert_int_equal(c.closed, 1);
	assert_int_equal(c.err, VE_DOWN);
	finish();
	conf.hold_ms = 30000;
	start_with(&conf, LINK_IP);
	assert_int_equal(client_open(&c, &w, dest_ip(OTHER, 80)), 0);
	world_run(&w, 10000);
	assert_int_equal(client_open(&late, &w, dest_ip(OTHER, 80)), 0);
	world_run(&w, 19999);
	assert_int_equal(c.closed, 0);
	world_run(&w, 1);
	assert_int_equal(c.closed, 1);
	assert_int_equal(c.err, VE_DOWN);
	assert_int_equal(late.closed, 0);
	world_run(&w, 10000);
	assert_int_equal(late.closed, 1);
	flow_free(late.f);
	finish();
}

/* What was connecting when the link went is held, and starts anew. */
static void connecting_when_the_link_goes(void **state)
{
	struct client named = { 0 };

	(void)state;
	start();
	w.facts.dns[0] = packet_ip4(10, 0, 0, 1);
	world_down(&w);
	world_start(&w);
	peer->mute = true;
	assert_int_equal(client_open(&c, &w, dest_ip(OTHER, 80)), 0);
	assert_int_equal(client_open(&named, &w, dest_host("never.example", 80)), 0);
	world_run(&w, 3000);
	world_down(&w);
	world_run(&w, 20000); /* longer than a connect may take */
	assert_int_equal(c.closed + named.closed, 0);
	peer->mute = false;
	world_start(&w);
	assert_int_equal(c.opened, 1);
	world_run(&w, 5000);
	assert_int_equal(named.closed, 1);
	assert_int_equal(named.err, VE_RESOLVE);
	flow_free(named.f);
	finish();
}

static void held_and_shut(void **state)
{
	struct netstack_conf conf = world_conf();

	(void)state;
	start_with(&conf, LINK_IP);
	assert_int_equal(client_open(&c, &w, dest_ip(OTHER, 80)), 0);
	flow_shutdown(c.f);
	world_start(&w);
	assert_int_equal(c.opened, 1);
	assert_true(peer->got_fin);
	finish();
}

static void limits(void **state)
{
	static struct client many[FLOWS_MAX];
	struct netstack_conf conf = world_conf();
	struct netstack_stats s;
	struct client one_more = { 0 };

	(void)state;
	start_with(&conf, LINK_ETHERNET);
	memset(many, 0, sizeof(many));
	for (size_t i = 0; i < HELD_MAX; i++)
		assert_int_equal(client_open(&many[i], &w, dest_ip(OTHER, 9)), 0);
	assert_int_equal(client_open(&one_more, &w, dest_ip(OTHER, 9)), VE_LIMIT);
	world_watch(&w);
	world_start(&w);
	assert_true(w.seen_syn >= HELD_MAX); /* all of them went through the ARP queue at once */
	for (size_t i = HELD_MAX; i < FLOWS_MAX; i++) {
		assert_int_equal(client_open(&many[i], &w, dest_ip(OTHER, 9)), 0);
		if (i % 500 == 0)
			world_settle(&w);
	}
	world_settle(&w);
	netstack_get_stats(w.ns, &s);
	assert_int_equal(s.flows, FLOWS_MAX);
	assert_int_equal(client_open(&one_more, &w, dest_ip(OTHER, 9)), VE_LIMIT);
	for (size_t i = 0; i < FLOWS_MAX; i++)
		flow_free(many[i].f);
	assert_int_equal(client_open(&one_more, &w, dest_ip(OTHER, 9)), 0);
	flow_free(one_more.f);
	world_fini(&w);
}

/* --- memory --------------------------------------------------------------------------------------------- */

/* A peer that acknowledges bytes which still wait for ARP here: they must not be sent from freed memory. */
static void acknowledged_before_it_was_sent(void **state)
{
	struct netstack_conf conf = world_conf();
	struct packet s;

	(void)state;
	start_with(&conf, LINK_ETHERNET);
	world_start(&w);
	open_flow();
	w.arp_mute = true;
	for (int i = 0; i < 8 && c.closed == 0; i++)
		world_run(&w, 60000); /* ARP forgets; keep-alives go nowhere */
	assert_int_equal(c.closed, 1);
	flow_free(c.f);
	memset(&c, 0, sizeof(c));
	w.arp_mute = false;
	peer->state = PEER_LISTEN;
	open_flow();
	/* make ARP forget again, quickly: a new link forgets too */
	world_down(&w);
	w.arp_mute = true;
	world_start(&w);
	c.to_send = 1000;
	client_write(&c);
	flow_flush(w.ns);
	world_settle(&w);
	peer->state = PEER_CLOSED; /* lies from now on */
	s = tcp_peer_segment(peer, ACK);
	s.ack += 1000;
	s.window = 1000;
	world_send(&w, s);
	world_settle(&w); /* the chunk is freed; with a sanitizer, poisoned */
	w.arp_mute = false;
	answer_arp(&w, &w.last_arp);
	world_settle(&w);
	finish();
}

/* The n-th allocation fails, for each n: no crash, no leak, and an answer of some kind. */
static void without_memory(void **state)
{
	bool enough = false;

	(void)state;
	if (!HEAP_COUNTED)
		skip();
	heap.spare = sizeof(struct sys_timeo);
	for (unsigned long i = 2; !enough; i++) {
		struct netstack_conf conf = world_conf();
		unsigned long n = i / 2;

		heap.and_then = i % 2 ? 0 : 10; /* lwIP tries some things again */
		start_with(&conf, n % 2 ? LINK_IP : LINK_ETHERNET);
		world_start(&w);
		heap.asked = 0;
		heap.fail_at = n;
		if (client_open(&c, &w, dest_ip(OTHER, 80)) == 0) {
			c.to_send = 20000;
			c.shut_after = true;
			for (int k = 0; k < 120 && peer->state != PEER_OPEN && c.closed == 0; k++)
				world_run(&w, 100);
			if (peer->state == PEER_OPEN) {
				peer_send_pattern(peer, 20000);
				tcp_peer_close(peer, world_ms);
			}
			world_run(&w, 30000);
			enough = heap.asked < n;
			heap.fail_at = 0;
			assert_int_equal(c.closed, 1);
			if (c.err == 0) {
				peer_check_pattern(peer, 20000);
				assert_int_equal(c.got, 20000);
			}
			flow_free(c.f);
		}
		heap.fail_at = 0;
		world_fini(&w);
		assert_true(n < 2000);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(handshake),
		cmocka_unit_test(ports_differ),
		cmocka_unit_test(refused),
		cmocka_unit_test(refused_by_bare_resets),
		cmocka_unit_test(bare_resets_of_two_attempts),
		cmocka_unit_test(no_answer),
		cmocka_unit_test(nobody_has_that_address),
		cmocka_unit_test(targets_that_cannot_be),
		cmocka_unit_test(unreachable),
		cmocka_unit_test(unreachable_damaged),
		cmocka_unit_test(unreachable_when_open),
		cmocka_unit_test(both_ways),
		cmocka_unit_test(both_ways_without_options),
		cmocka_unit_test(both_ways_over_ethernet),
		cmocka_unit_test(retransmission),
		cmocka_unit_test(out_of_order),
		cmocka_unit_test(overlapping_segments),
		cmocka_unit_test(a_client_that_does_not_read),
		cmocka_unit_test(a_peer_that_does_not_read),
		cmocka_unit_test(one_byte_into_a_closed_window),
		cmocka_unit_test(refused_output),
		cmocka_unit_test(refused_for_a_while),
		cmocka_unit_test(refused_flows_take_turns),
		cmocka_unit_test(a_small_flow_beside_bulk),
		cmocka_unit_test(acks_of_a_batch),
		cmocka_unit_test(refused_syn_and_fin),
		cmocka_unit_test(refused_out_of_the_arp_queue),
		cmocka_unit_test(dropped_output_is_counted),
		cmocka_unit_test(crumbs_are_gathered),
		cmocka_unit_test(mixed_pieces),
		cmocka_unit_test(we_close_first),
		cmocka_unit_test(the_peer_closes_first),
		cmocka_unit_test(both_close_at_once),
		cmocka_unit_test(kept_beyond_time_wait),
		cmocka_unit_test(unread_at_the_end),
		cmocka_unit_test(queue_outlives_the_flow),
		cmocka_unit_test(queue_outlives_the_flow_in_last_ack),
		cmocka_unit_test(lingering_when_all_ends),
		cmocka_unit_test(lingering_makes_room),
		cmocka_unit_test(but_not_for_ever),
		cmocka_unit_test(freeing_resets),
		cmocka_unit_test(reset_by_the_peer),
		cmocka_unit_test(answer_and_reset),
		cmocka_unit_test(a_peer_that_died),
		cmocka_unit_test(a_peer_that_died_after_our_fin),
		cmocka_unit_test(an_idle_flow_rests),
		cmocka_unit_test(resting_flows_are_kept_alive),
		cmocka_unit_test(ports_are_given_back),
		cmocka_unit_test(freed_in_every_event),
		cmocka_unit_test(freed_by_another),
		cmocka_unit_test(opened_in_an_event),
		cmocka_unit_test(survives_a_reconnect),
		cmocka_unit_test(reset_by_another_address),
		cmocka_unit_test(closed_when_down_for_too_long),
		cmocka_unit_test(closed_although_it_tries),
		cmocka_unit_test(no_hold_no_survival),
		cmocka_unit_test(held_until_the_link_comes),
		cmocka_unit_test(held_for_too_long),
		cmocka_unit_test(connecting_when_the_link_goes),
		cmocka_unit_test(held_and_shut),
		cmocka_unit_test(limits),
		cmocka_unit_test(acknowledged_before_it_was_sent),
		cmocka_unit_test(without_memory),
	};

	return cmocka_run_group_tests(tests, world_warm_up, NULL);
}
