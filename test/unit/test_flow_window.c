/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_flow_window.c - how windows grow with the way they have to fill, rest, and share the memory there is.
 *
 * Whatever a test does, no window that was announced is taken back. */
#include "netstack/flow_int.h"
#include "test/support/long_link.h"

#define FLOWS 40u

/* A flow and who uses it. */
struct user {
	struct flow *f;
	struct tcp_peer peer;
	bool deaf;       /* does not read */
	bool talks;      /* sends without an end */
	uint64_t got, sent;
	unsigned closed;
	uint32_t edge;   /* of the window announced so far */
	bool has_edge;
};

static struct user user[FLOWS];
static unsigned nusers;

/* --- what the peers see --------------------------------------------------------------------------------- */

/* The right edge of the window only moves on; less than a unit of it is rounding. */
static void check_edge(struct user *u, const struct packet *p)
{
	uint32_t edge = p->ack + ((uint32_t)p->window << (p->flags & SYN ? 0 : TCP_RCV_SCALE));

	if (!(p->flags & ACK) || (p->flags & RST))
		return;
	if (u->has_edge && (int32_t)(edge - u->edge) <= -(1 << TCP_RCV_SCALE))
		fail_msg("a window was taken back by %d bytes", (int)(u->edge - edge));
	if (!u->has_edge || (int32_t)(edge - u->edge) > 0)
		u->edge = edge;
	u->has_edge = true;
}

static void arrive(struct frame *f)
{
	struct packet p;

	assert_true(packet_parse(&p, (struct slice){ .p = f->b, .n = f->n }, false));
	for (unsigned i = 0; i < nusers; i++) {
		if (user[i].peer.port != p.to_port)
			continue;
		check_edge(&user[i], &p);
		tcp_peer_input(&user[i].peer, &p, world_ms);
	}
}

/* --- users ---------------------------------------------------------------------------------------------- */

static void on_opened(void *ctx)
{
	(void)ctx;
}

static void on_readable(void *ctx)
{
	struct user *u = ctx;
	struct slice v[64];
	int n;

	while (!u->deaf && (n = flow_peek(u->f, v, 64)) > 0) {
		size_t bytes = 0;

		for (int i = 0; i < n; i++)
			bytes += v[i].n;
		u->got += bytes;
		flow_consume(u->f, bytes);
	}
}

static void on_writable(void *ctx)
{
	struct user *u = ctx;
	size_t room;
	uint8_t *p;

	while (u->talks && (p = flow_reserve(u->f, &room))) {
		memset(p, 0, room);
		flow_commit(u->f, room);
		u->sent += room;
	}
}

static void on_closed(void *ctx, int err)
{
	(void)err;
	((struct user *)ctx)->closed++;
}

static struct user *add_user(void)
{
	static const struct flow_events ev = { .opened = on_opened, .readable = on_readable, .writable = on_writable,
					       .closed = on_closed };
	struct user *u = &user[nusers];
	struct ip ip = packet_ip4(10, 0, 0, 80);
	struct dest to = dest_ip(ip, (uint16_t)(1000 + nusers));

	assert_true(nusers < FLOWS);
	memset(u, 0, sizeof(*u));
	tcp_peer_init(&u->peer, ip, to.port, emit_down, NULL);
	u->peer.endless = true;
	u->peer.scale = 10;
	u->peer.buffer = 32u << 20;
	nusers++;
	assert_int_equal(flow_open(w.ns, &to, &ev, u, &u->f), 0);
	return u;
}

/* The peer sends without an end, from now on. */
static void stream_down(struct user *u)
{
	static const uint8_t nothing;

	u->peer.sending = true;
	tcp_peer_send(&u->peer, &nothing, 0, world_ms);
}

static void stream_up(struct user *u)
{
	u->talks = true;
	on_writable(u);
	flow_flush(w.ns);
}

static void start(uint64_t rtt_ms, uint64_t mb_per_s, size_t memory)
{
	struct netstack_conf conf = world_conf();

	conf.memory = memory;
	link_start(&conf, rtt_ms, mb_per_s * 1000);
	nusers = 0;
}

static size_t memory_now(void)
{
	struct netstack_stats s;

	netstack_get_stats(w.ns, &s);
	return (size_t)s.memory;
}

static void finish(void)
{
	for (unsigned i = 0; i < nusers; i++) {
		flow_free(user[i].f);
		tcp_peer_fini(&user[i].peer);
	}
	assert_int_equal(memory_now(), 0);
	link_finish();
}

static uint32_t window_of(const struct user *u)
{
	return u->peer.their_window;
}

/* --- growing -------------------------------------------------------------------------------------------- */

/* One stream at 100 ms: 400 Mbit/s each way, that is 5 MB under way. */
static void a_long_way_down(void **state)
{
	struct user *u;
	uint64_t before;

	(void)state;
	start(100, 50, 0);
	u = add_user();
	run(200);
	assert_int_equal(u->peer.state, PEER_OPEN);
	assert_in_range(window_of(u), FLOW_WINDOW_START - 256, FLOW_WINDOW_START);
	stream_down(u);
	run(1500);
	before = u->got;
	run(1000);
	assert_in_range(u->got - before, 47000000, 50000000); /* with headers, 50 MB */
	assert_in_range(window_of(u), 5u << 20, FLOW_WINDOW_MAX);
	assert_int_equal(u->peer.resent, 0);
	finish();
}

static void a_long_way_up(void **state)
{
	struct user *u;
	uint64_t before;

	(void)state;
	start(100, 50, 0);
	u = add_user();
	run(200);
	stream_up(u);
	run(1700);
	before = u->peer.rx_len;
	run(1000);
	assert_in_range(u->peer.rx_len - before, 47000000, 50000000);
	assert_int_equal(u->peer.resent, 0);
	assert_true(u->sent - u->peer.rx_len <= FLOW_SEND_MAX);
	finish();
}

/* What lies in a window beyond what the way needs is a queue in front of everybody else. */
static void a_short_way(void **state)
{
	struct user *u;

	(void)state;
	start(2, 100, 0);
	u = add_user();
	run(10);
	stream_down(u);
	run(1000);
	assert_true(u->got > 90000000);
	assert_in_range(window_of(u), 256u << 10, 2u << 20);
	assert_in_range(down.n, 0, 1500); /* packets waiting for the link: 20 ms of it */
	u->peer.sending = false;
	run(50);
	stream_up(u);
	run(1000);
	assert_true(u->peer.rx_len > 90000000);
	assert_true(u->sent - u->peer.rx_len <= 2u << 20);
	finish();
}

/* A handshake that stands in another flow's queue says nothing about the way. */
static void a_handshake_in_a_queue(void **state)
{
	struct user *u, *second;

	(void)state;
	start(2, 20, 0);
	u = add_user();
	run(10);
	assert_in_range(u->f->rtt_ms, 2, 4);
	bytes_ms = 1000; /* the link is slower all at once: what is under way becomes a queue */
	stream_down(u);
	run(500);
	second = add_user();
	run(500);
	assert_int_equal(second->peer.state, PEER_OPEN);
	assert_in_range(second->f->rtt_ms, 2, 4);
	u->peer.sending = false;
	world_ms += 60000;
	run(500);
	second = add_user();
	delay_us = 25000;
	run(200);
	assert_in_range(second->f->rtt_ms, 50, 54); /* but not for ever */
	finish();
}

/* A peer that has little to say needs no more than it had. */
static void a_slow_peer(void **state)
{
	struct user *u;

	(void)state;
	start(100, 50, 0);
	u = add_user();
	run(200);
	bytes_ms = 100;
	stream_down(u);
	run(10000);
	assert_in_range(window_of(u), FLOW_WINDOW_START / 2, FLOW_WINDOW_START);
	assert_true(u->got > 900000);
	finish();
}

/* --- resting -------------------------------------------------------------------------------------------- */

static void a_window_rests(void **state)
{
	struct user *u;
	uint32_t grown;
	size_t held;

	(void)state;
	start(100, 50, 0);
	u = add_user();
	run(200);
	stream_down(u);
	run(1500);
	u->peer.sending = false;
	run(1000);
	grown = window_of(u);
	held = memory_now();
	assert_true(grown >= 5u << 20);
	assert_in_range(held, grown, 2 * grown);
	world_ms += 10 * FLOW_REST_MS;
	run(1);
	assert_int_equal(window_of(u), grown); /* what was announced stays */
	u->peer.sending = true;
	bytes_ms = 100; /* from now on it trickles: the window closes by what comes */
	stream_down(u);
	run(2000);
	u->peer.sending = false;
	bytes_ms = 50000;
	run(100000);
	assert_true(memory_now() < held);
	finish();
}

/* --- memory --------------------------------------------------------------------------------------------- */

/* Half of all clients have taken what they could and stop to read; nobody gets more than there is, and the others go on. */
static void clients_that_do_not_read(void **state)
{
	const size_t memory = 16u << 20, floor = FLOWS * 2 * FLOW_WINDOW_MIN;
	uint64_t before, held = 0;

	(void)state;
	start(100, 50, memory);
	for (unsigned i = 0; i + 1 < FLOWS; i++)
		add_user();
	run(300);
	for (unsigned i = 0; i < nusers; i++)
		stream_down(&user[i]);
	for (unsigned i = 0; i < nusers; i++) {
		run(150);
		assert_true(memory_now() <= memory);
		user[i].deaf = true;
	}
	run(5000);
	assert_true(memory_now() <= memory);
	for (unsigned i = 0; i < nusers; i++) {
		const struct tcp_peer *p = &user[i].peer;

		assert_int_equal(p->una, p->nxt);
		held += p->una - p->iss - 1 - user[i].got;
		assert_int_equal(user[i].closed, 0);
	}
	assert_in_range(held, 0, memory / 2 + floor);
	assert_true(memory_now() > memory / 2);
	/* one more, which has only what is everybody's */
	add_user();
	run(300);
	stream_down(&user[FLOWS - 1]);
	run(2000);
	before = user[FLOWS - 1].got;
	run(1000);
	assert_true(user[FLOWS - 1].got - before > 100000);
	/* the others read again: all goes on, and the memory comes back */
	for (unsigned i = 0; i < nusers; i++) {
		user[i].deaf = false;
		on_readable(&user[i]);
	}
	flow_flush(w.ns);
	run(3000);
	before = 0;
	for (unsigned i = 0; i < nusers; i++)
		before += user[i].got;
	run(1000);
	for (unsigned i = 0; i < nusers; i++)
		before -= user[i].got;
	assert_true((uint64_t)-before > 40000000);
	assert_true(memory_now() <= memory);
	finish();
}

/* The same the other way: peers that take nothing. */
static void peers_that_do_not_read(void **state)
{
	const size_t memory = 16u << 20;
	uint64_t queued = 0;

	(void)state;
	start(20, 50, memory);
	for (unsigned i = 0; i + 1 < FLOWS; i++) {
		struct user *u = add_user();

		u->peer.read_at_once = i < 8;
		u->peer.buffer = i < 8 ? 32u << 20 : 60000;
	}
	run(100);
	for (unsigned i = 0; i < nusers; i++)
		stream_up(&user[i]);
	run(3000);
	assert_true(memory_now() <= memory);
	for (unsigned i = 0; i < 8; i++)
		assert_true(user[i].peer.rx_len > 1000000);
	for (unsigned i = 0; i < 8; i++) { /* these stop as well */
		user[i].peer.read_at_once = false;
		user[i].peer.unread = user[i].peer.buffer = 1u << 20;
	}
	run(5000);
	assert_true(memory_now() <= memory);
	for (unsigned i = 0; i < nusers; i++) {
		queued += user[i].sent - user[i].peer.rx_len;
		assert_true(user[i].sent >= FLOW_CHUNK_MIN);
		assert_int_equal(user[i].closed, 0);
	}
	assert_in_range(queued, 0, memory + FLOWS * FLOW_CHUNK_MIN);
	add_user();
	run(100);
	stream_up(&user[FLOWS - 1]);
	run(2000);
	assert_true(user[FLOWS - 1].peer.rx_len > 500000);
	finish();
}

/* With most of the memory in use, a new flow asks for little. */
static void starting_small(void **state)
{
	struct user *u;

	(void)state;
	start(10, 50, 16u << 20);
	w.ns->memory_used = 9u << 20; /* somebody's */
	u = add_user();
	run(50);
	assert_int_equal(u->peer.state, PEER_OPEN);
	assert_int_equal(window_of(u), FLOW_WINDOW_MIN);
	stream_down(u);
	run(500);
	assert_true(window_of(u) > FLOW_WINDOW_START);
	w.ns->memory_used -= 9u << 20;
	finish();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_long_way_down),
		cmocka_unit_test(a_long_way_up),
		cmocka_unit_test(a_short_way),
		cmocka_unit_test(a_handshake_in_a_queue),
		cmocka_unit_test(a_slow_peer),
		cmocka_unit_test(a_window_rests),
		cmocka_unit_test(clients_that_do_not_read),
		cmocka_unit_test(peers_that_do_not_read),
		cmocka_unit_test(starting_small),
	};

	return cmocka_run_group_tests(tests, link_setup, link_teardown);
}
