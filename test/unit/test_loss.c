/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_loss.c - an upload over a long way that loses packets: what the peer has is not sent again, all else soon.
 *
 * Virtual time: a round trip of 100 ms, and segments that are lost by a rule. Every byte is compared. */
#include "test/support/long_link.h"

#define TOTAL (6u << 20)
#define RTT_MS 100u
#define AT_ONCE (1u << 30) /* bytes a millisecond: no rate */

static struct tcp_peer peer;
static struct flow *flow;
static uint32_t newest; /* sequence number behind all that was sent so far */
static bool (*loses)(const struct packet *p, unsigned n);
static unsigned nsegments, nlost, nagain; /* with data: all, lost, those that the peer had */
static size_t sent;
static bool ended;
static unsigned closed;
static uint64_t began;

static bool has(uint32_t from, uint32_t to)
{
	for (unsigned i = 0; i < peer.nheld; i++)
		if ((int32_t)(from - peer.held[i][0]) >= 0 && (int32_t)(peer.held[i][1] - to) >= 0)
			return true;
	return (int32_t)(peer.rcv_nxt - to) >= 0;
}

static void arrive(struct frame *f)
{
	struct packet p;
	bool lost;

	assert_true(packet_parse(&p, (struct slice){ .p = f->b, .n = f->n }, false));
	lost = p.payload.n > 0 && loses(&p, nsegments++);

	if (p.payload.n > 0 && (int32_t)(p.seq + (uint32_t)p.payload.n - newest) > 0)
		newest = p.seq + (uint32_t)p.payload.n;
	nlost += lost;
	if (lost)
		return;
	if (p.payload.n > 0 && has(p.seq, p.seq + (uint32_t)p.payload.n))
		nagain++;
	tcp_peer_input(&peer, &p, world_ms);
}

static uint8_t byte_at(size_t at)
{
	return (uint8_t)((at * 2654435761u) >> 13);
}

static void on_opened(void *ctx)
{
	(void)ctx;
}

static void on_readable(void *ctx)
{
	(void)ctx;
}

static void on_writable(void *ctx)
{
	size_t room;
	uint8_t *p;

	(void)ctx;
	while (sent < TOTAL && (p = flow_reserve(flow, &room))) {
		room = room < TOTAL - sent ? room : TOTAL - sent;
		for (size_t i = 0; i < room; i++)
			p[i] = byte_at(sent + i);
		flow_commit(flow, room);
		sent += room;
	}
	if (sent == TOTAL && !ended)
		flow_shutdown(flow);
	ended = sent == TOTAL;
}

static void on_closed(void *ctx, int err)
{
	(void)ctx;
	(void)err;
	closed++;
}

/* Upload TOTAL, and return how many ms it took. */
static uint64_t upload(bool sack, bool (*rule)(const struct packet *, unsigned))
{
	static const struct flow_events ev = { .opened = on_opened, .readable = on_readable, .writable = on_writable,
					       .closed = on_closed };
	struct netstack_conf conf = world_conf();
	struct ip ip = packet_ip4(10, 0, 0, 80);
	struct dest to = dest_ip(ip, 80);
	uint64_t took;

	link_start(&conf, RTT_MS, AT_ONCE);
	nsegments = nlost = nagain = closed = 0;
	sent = 0;
	ended = false;
	loses = rule;
	tcp_peer_init(&peer, ip, to.port, emit_down, NULL);
	peer.sack = sack;
	peer.scale = 10;
	peer.buffer = 7u << 20;
	assert_int_equal(flow_open(w.ns, &to, &ev, NULL, &flow), 0);
	run(300);
	assert_int_equal(peer.state, PEER_OPEN);
	newest = peer.rcv_nxt;
	on_writable(NULL);
	flow_flush(w.ns);
	began = world_ms;
	while (!peer.got_fin && world_ms - began < 300000)
		run(1);
	took = world_ms - began;
	assert_true(peer.got_fin);
	assert_int_equal(peer.rx_len, TOTAL);
	for (size_t i = 0; i < TOTAL; i++)
		if (peer.rx[i] != byte_at(i))
			fail_msg("byte %zu is wrong", i);
	run(300);
	flow_free(flow);
	tcp_peer_fini(&peer);
	link_finish();
	return took;
}

static bool nothing(const struct packet *p, unsigned n)
{
	(void)p;
	(void)n;
	return false;
}

/* A queue overflows in slow start: every second one of a thousand. */
static bool a_burst(const struct packet *p, unsigned n)
{
	return p->seq == newest && n >= 1000 && n < 2000 && n % 2 == 1;
}

static bool one(const struct packet *p, unsigned n)
{
	(void)p;
	return n == 1500;
}

static bool in_a_row(const struct packet *p, unsigned n)
{
	return p->seq == newest && n >= 1200 && n < 1500;
}

/* The retransmissions, too. */
static bool one_of_forty(const struct packet *p, unsigned n)
{
	(void)p;
	return n > 100 && n * 2654435761u >> 16 < 65536 / 40;
}

/* A way that is interrupted: a timeout is needed. */
static bool nothing_comes(const struct packet *p, unsigned n)
{
	(void)p;
	(void)n;
	return world_ms - began >= 800 && world_ms - began < 1400;
}

/* Every second one for a while, and what is sent again is lost as well, once: a timeout with most of it there. */
static bool twice(const struct packet *p, unsigned n)
{
	return p->seq == newest ? n >= 1000 && n < 2000 && n % 2 == 1 : world_ms - began < 1000;
}

static void without_loss(void **state)
{
	(void)state;
	assert_in_range(upload(true, nothing), 800, 1500);
	assert_int_equal(nagain, 0);
	assert_in_range(nsegments, TOTAL / 1460, TOTAL / 1460 + 200);
}

static void one_is_lost(void **state)
{
	(void)state;
	assert_in_range(upload(true, one), 800, 1800);
	assert_int_equal(nlost, 1);
	assert_int_equal(nagain, 0);
}

/* Half a second beyond what it takes without loss; each hole is filled once, and nothing else is sent twice. */
static void a_burst_is_lost(void **state)
{
	(void)state;
	assert_in_range(upload(true, a_burst), 800, 2200);
	assert_in_range(nlost, 300, 500);
	assert_int_equal(nagain, 0);
	assert_in_range(upload(true, in_a_row), 800, 2200);
	assert_in_range(nlost, 200, 300);
	assert_int_equal(nagain, 0);
}

static void loss_that_goes_on(void **state)
{
	(void)state;
	upload(true, one_of_forty);
	assert_true(nlost > 50);
	upload(true, nothing_comes);
	assert_true(nlost > 700);
	assert_in_range(upload(true, twice), 800, 4000);
	assert_true(nlost > 400);
	assert_int_equal(nagain, 0);
}

/* Peers that do not know SACK get what they need as well. */
static void without_sack(void **state)
{
	(void)state;
	assert_in_range(upload(false, nothing), 800, 1500);
	upload(false, one);
	assert_int_equal(nlost, 1);
	upload(false, one_of_forty);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_loss),
		cmocka_unit_test(one_is_lost),
		cmocka_unit_test(a_burst_is_lost),
		cmocka_unit_test(loss_that_goes_on),
		cmocka_unit_test(without_sack),
	};

	return cmocka_run_group_tests(tests, link_setup, link_teardown);
}
