/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_relay.c - relays between real loopback sockets and the flows of fake_flow.inc.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <netinet/tcp.h>
#include <signal.h>

#include "core/limits.h"
#include "socks/relay.h"

#include "fake_flow.inc.h"
#include "local_peer.inc.h"

/* --- one relay with its two ends ----------------------------------------------------------------------- */

static struct targets targets;

struct bench {
	struct relay r;
	struct peer peer;       /* the client's end of the socket */
	struct fake_conn *conn; /* the far end of the flow */
	bool opened, over, closed;
	int failed, over_err;
};

static void on_opened(void *ctx)
{
	struct bench *b = ctx;

	b->opened = true;
}

static void on_failed(void *ctx, int err)
{
	struct bench *b = ctx;

	b->failed = err;
}

static void on_over(void *ctx, int err)
{
	struct bench *b = ctx;

	assert_false(b->over);
	b->over = true;
	b->over_err = err;
	relay_close(&b->r);
}

static void on_closed(void *ctx)
{
	struct bench *b = ctx;

	assert_false(b->closed);
	b->closed = true;
}

static const struct relay_events events = {
	.opened = on_opened,
	.failed = on_failed,
	.over = on_over,
	.closed = on_closed,
};

static void bench_init(struct bench *b)
{
	int fds[2];

	*b = (struct bench){ 0 };
	tcp_pair(fds);
	peer_init(&b->peer, fds[0]);
	assert_int_equal(relay_init(&b->r, fds[1], &targets, &events, b), 0);
}

static void bench_connect(struct bench *b)
{
	const struct dest to = { .name = "far.corp", .port = 80 };

	assert_int_equal(relay_connect(&b->r, &to), 0);
	flow_flush(&ns);
	b->conn = &ns.conns[ns.opens - 1];
}

static void bench_open(struct bench *b)
{
	bench_init(b);
	bench_connect(b);
	UNTIL(b->opened);
}

static void bench_start(struct bench *b, const void *early, size_t n)
{
	relay_start(&b->r, (struct slice){ .p = early, .n = n });
	flow_flush(&ns);
}

/* Open and relaying. */
static void bench_run(struct bench *b)
{
	bench_open(b);
	bench_start(b, NULL, 0);
}

static void bench_fini(struct bench *b)
{
	relay_close(&b->r);
	flow_flush(&ns);
	UNTIL(b->closed);
	assert_true(b->conn == NULL || b->conn->freed);
	peer_fini(&b->peer);
}

static int setup(void **state)
{
	(void)state;
	signal(SIGPIPE, SIG_IGN);
	fake_init(&ns);
	targets = (struct targets){ .loop = &loop, .ns = &ns, .connect_ms = 10000 };
	return uv_loop_init(&loop);
}

static int teardown(void **state)
{
	(void)state;
	fake_fini(&ns);
	return uv_loop_close(&loop); /* fails if a handle is left */
}

static void assert_bytes(const struct received *got, const void *want, size_t n)
{
	assert_int_equal(got->n, n);
	if (n > 0)
		assert_memory_equal(got->p, want, n);
}

/* --- bytes --------------------------------------------------------------------------------------------- */

static void test_echo(void **state)
{
	struct bench b;

	(void)state;
	bench_run(&b);
	for (unsigned i = 1; i <= 3; i++) {
		peer_send_all(&b.peer, "ping", 4);
		UNTIL(fake_take(b.conn, 4) > 0 && b.conn->got.n == i * 4);
		assert_int_equal(fake_give(b.conn, b.conn->got.p + i * 4 - 4, 4, 3), 4);
		UNTIL(peer_has(&b.peer, i * 4));
	}
	assert_bytes(&b.peer.got, "pingpingping", 12);
	assert_false(b.over);
	bench_fini(&b);
}

/* Both directions at once, through windows far smaller than the data, in odd pieces; every byte compared. */
static void bulk(size_t tx_max, size_t rx_max, size_t piece, size_t total)
{
	uint8_t *up = make_bytes(total, 1), *down = make_bytes(total, 2);
	size_t sent = 0, given = 0;
	struct bench b;

	ns.tx_max = tx_max;
	ns.rx_max = rx_max;
	bench_run(&b);
	for (unsigned i = 0; b.peer.got.n < total || b.conn->got.n < total; i++) {
		assert_true(i < 1000000); /* hangs */
		sent += peer_send(&b.peer, up + sent, min_size(total - sent, 50021));
		given += fake_give(b.conn, down + given, total - given, piece);
		turn();
		fake_take(b.conn, 1 + i * 7919 % 30011);
		peer_recv(&b.peer, 1 + i * 104729 % 40009);
		if (i > 20000)
			poll(NULL, 0, 1);
	}
	assert_bytes(&b.peer.got, down, total);
	assert_bytes(&b.conn->got, up, total);
	assert_false(b.over);
	bench_fini(&b);
	free(up);
	free(down);
}

static void test_bulk(void **state)
{
	(void)state;
	bulk(65536, 65536, 1360, 8u << 20);
}

static void test_bulk_large_windows(void **state)
{
	(void)state;
	bulk(1u << 20, 1u << 20, 1360, 16u << 20);
}

static void test_bulk_tiny_pieces(void **state)
{
	(void)state;
	bulk(1021, 509, 1, 100000);
}

/* More pieces than one write takes. */
static void test_many_pieces_at_once(void **state)
{
	uint8_t *down = make_bytes(4000, 3);
	struct bench b;

	(void)state;
	bench_run(&b);
	assert_int_equal(fake_give(b.conn, down, 4000, 1), 4000);
	UNTIL(peer_has(&b.peer, 4000));
	assert_bytes(&b.peer.got, down, 4000);
	bench_fini(&b);
	free(down);
}

/* A client that sends as fast as it can leaves turns of the loop to others, and is not forgotten. */
static void test_turns_are_short(void **state)
{
	const size_t total = 16 * CLIENT_TURN_MAX;
	uint8_t *up = make_bytes(total, 4);
	size_t sent = 0, got = 0, longest = 0;
	struct bench b;

	(void)state;
	ns.tx_max = total;
	bench_run(&b);
	while (got < total) {
		sent += peer_send(&b.peer, up + sent, total - sent);
		turn();
		fake_take(b.conn, SIZE_MAX);
		longest = b.conn->got.n - got > longest ? b.conn->got.n - got : longest;
		got = b.conn->got.n;
	}
	assert_true(longest <= CLIENT_TURN_MAX);
	assert_true(b.r.reading);
	assert_bytes(&b.conn->got, up, total);
	bench_fini(&b);
	free(up);
}

/* --- half-close ---------------------------------------------------------------------------------------- */

static void test_client_ends_first(void **state)
{
	uint8_t *up = make_bytes(300000, 4), *down = make_bytes(300000, 5);
	size_t given = 0;
	struct bench b;

	(void)state;
	bench_run(&b);
	peer_send_all(&b.peer, up, 100); /* the rest stays in the socket: nobody takes it from the flow yet */
	peer_send_all(&b.peer, up + 100, 65536);
	settle_down();
	assert_false(b.conn->got_fin);
	UNTIL((fake_take(b.conn, SIZE_MAX), b.conn->got.n == 65636));
	peer_send_all(&b.peer, up + 65636, 40000);
	peer_end(&b.peer);
	UNTIL((fake_take(b.conn, 1000), b.conn->got_fin));
	assert_bytes(&b.conn->got, up, 105636);
	settle_down();
	assert_false(b.over);
	/* the other direction goes on */
	UNTIL((given += fake_give(b.conn, down + given, 300000 - given, 1360), peer_has(&b.peer, 300000)));
	fake_end(b.conn);
	UNTIL(peer_at_end(&b.peer));
	assert_int_equal(b.peer.got_err, 0);
	assert_bytes(&b.peer.got, down, 300000);
	UNTIL(b.over);
	assert_int_equal(b.over_err, 0);
	assert_false(b.conn->reset);
	bench_fini(&b);
	free(up);
	free(down);
}

static void test_far_end_ends_first(void **state)
{
	uint8_t *up = make_bytes(200000, 6);
	struct bench b;

	(void)state;
	bench_run(&b);
	assert_int_equal(fake_give(b.conn, (const uint8_t *)"last words", 10, 4), 10);
	fake_end(b.conn);
	UNTIL(peer_at_end(&b.peer));
	assert_int_equal(b.peer.got_err, 0);
	assert_bytes(&b.peer.got, "last words", 10);
	settle_down();
	assert_false(b.over);
	/* the other direction goes on */
	for (size_t sent = 0; b.conn->got.n < 200000;) {
		sent += peer_send(&b.peer, up + sent, 200000 - sent);
		turn();
		fake_take(b.conn, 5000);
	}
	assert_false(b.conn->got_fin);
	peer_end(&b.peer);
	UNTIL(b.over);
	assert_int_equal(b.over_err, 0);
	assert_false(b.conn->reset);
	assert_true(b.conn->got_fin);
	assert_bytes(&b.conn->got, up, 200000);
	bench_fini(&b);
	free(up);
}

/* The client's last bytes and its end come together, after the far end has ended: the kernel says
 * "hang-up" with them. */
static void test_client_ends_second_with_bytes(void **state)
{
	(void)state;
	for (size_t n = 0; n < 3; n++) {
		struct bench b;

		bench_run(&b);
		fake_end(b.conn);
		UNTIL(peer_at_end(&b.peer));
		settle_down();
		peer_send_all(&b.peer, "xy", n);
		peer_end(&b.peer);
		UNTIL(b.over);
		assert_int_equal(b.over_err, 0);
		assert_false(b.conn->reset);
		assert_bytes(&b.conn->got, "xy", n);
		bench_fini(&b);
	}
}

/* The client is done with the flow while bytes are still queued in it: they are not lost. */
static void test_both_end_with_bytes_queued(void **state)
{
	struct bench b;

	(void)state;
	bench_run(&b);
	fake_end(b.conn);
	peer_send_all(&b.peer, "queued", 6);
	peer_end(&b.peer);
	UNTIL(b.over);
	assert_int_equal(b.over_err, 0);
	assert_false(b.conn->reset);
	assert_bytes(&b.conn->got, "queued", 6);
	assert_true(b.conn->got_fin);
	UNTIL(peer_at_end(&b.peer));
	assert_int_equal(b.peer.got_err, 0);
	bench_fini(&b);
}

static void test_nothing_but_ends(void **state)
{
	struct bench b;

	(void)state;
	bench_run(&b);
	peer_end(&b.peer);
	fake_end(b.conn);
	UNTIL(b.over && peer_at_end(&b.peer));
	assert_int_equal(b.over_err, 0);
	assert_int_equal(b.peer.got_err, 0);
	assert_int_equal(b.peer.got.n + b.conn->got.n, 0);
	bench_fini(&b);
}

/* --- back-pressure ------------------------------------------------------------------------------------- */

/* Give until the client's socket, which nobody reads, and the flow's window are full. Returns how much
 * that was. */
static size_t stall(struct bench *b, const uint8_t *p, size_t n)
{
	size_t given = 0;

	for (unsigned idle = 0; idle < 50; idle++) {
		size_t some = fake_give(b->conn, p + given, n - given, 1360);

		given += some;
		if (some > 0)
			idle = 0;
		turn();
	}
	assert_true(given < n);
	return given;
}

#define MORE_THAN_FITS (64u << 20)

static void test_stalled_client_beside_a_moving_one(void **state)
{
	uint8_t *data = make_bytes(MORE_THAN_FITS, 7);
	size_t stuck, given = 0;
	struct bench a, b;

	(void)state;
	bench_run(&a);
	bench_run(&b);
	stuck = stall(&a, data, MORE_THAN_FITS);
	assert_true(a.r.lent > 0);
	assert_int_equal(a.conn->flow->rx_n, ns.rx_max); /* its window is shut, and that is all that waits */
	while (b.peer.got.n < 8u << 20) {
		given += fake_give(b.conn, data + given, (8u << 20) - given, 1360);
		turn();
		peer_recv(&b.peer, SIZE_MAX);
		assert_int_equal(fake_give(a.conn, data + stuck, 1, 1), 0);
	}
	assert_bytes(&b.peer.got, data, 8u << 20);
	assert_int_equal(a.peer.got.n, 0);
	/* the stalled one wakes up and misses nothing */
	while (a.peer.got.n < stuck + 1000000) {
		stuck += a.peer.got.n < 1000000 ? fake_give(a.conn, data + stuck, 1360, 1360) : 0;
		if (a.peer.got.n >= stuck)
			break;
		turn();
		peer_recv(&a.peer, SIZE_MAX);
	}
	assert_bytes(&a.peer.got, data, stuck);
	bench_fini(&a);
	bench_fini(&b);
	free(data);
}

static void test_far_end_that_takes_nothing(void **state)
{
	uint8_t *data = make_bytes(MORE_THAN_FITS, 8);
	struct bench b;
	size_t sent = 0;

	(void)state;
	bench_run(&b);
	for (unsigned idle = 0; idle < 50; idle++) {
		size_t some = peer_send(&b.peer, data + sent, MORE_THAN_FITS - sent);

		sent += some;
		if (some > 0)
			idle = 0;
		turn();
	}
	assert_true(sent < MORE_THAN_FITS); /* TCP has stopped the client */
	assert_int_equal(buf_len(&b.conn->flow->tx), ns.tx_max);
	assert_false(b.r.reading);
	/* one byte of room starts it again, and stops it again */
	assert_int_equal(fake_take(b.conn, 1), 1);
	UNTIL(buf_len(&b.conn->flow->tx) == ns.tx_max && !b.r.reading);
	UNTIL((fake_take(b.conn, 60000), b.conn->got.n == sent));
	assert_bytes(&b.conn->got, data, sent);
	assert_true(b.r.reading);
	bench_fini(&b);
	free(data);
}

/* --- breaks -------------------------------------------------------------------------------------------- */

static void test_flow_reset(void **state)
{
	struct bench b;

	(void)state;
	bench_run(&b);
	assert_int_equal(fake_give(b.conn, (const uint8_t *)"before", 6, 6), 6);
	fake_break(b.conn, VE_RESET);
	UNTIL(b.over);
	assert_int_equal(b.over_err, VE_RESET);
	UNTIL(peer_at_end(&b.peer));
	assert_bytes(&b.peer.got, "before", 6); /* what came is delivered, and then no orderly end */
	assert_int_equal(b.peer.got_err, ECONNRESET);
	bench_fini(&b);
}

static void test_flow_break_passes_its_error_on(void **state)
{
	static const int errs[] = { VE_TIMEOUT, VE_DOWN, VE_RESET };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(errs); i++) {
		struct bench b;

		bench_run(&b);
		fake_break(b.conn, errs[i]);
		UNTIL(b.over && peer_at_end(&b.peer));
		assert_int_equal(b.over_err, errs[i]);
		assert_int_equal(b.peer.got_err, ECONNRESET);
		bench_fini(&b);
	}
}

/* A server that answers whole, ends, and then resets because it did not read all: the answer is whole. */
static void test_flow_reset_after_its_end(void **state)
{
	struct bench b;

	(void)state;
	bench_run(&b);
	assert_int_equal(fake_give(b.conn, (const uint8_t *)"answer", 6, 6), 6);
	fake_end(b.conn);
	fake_break(b.conn, VE_RESET);
	UNTIL(b.over && peer_at_end(&b.peer));
	assert_int_equal(b.over_err, VE_RESET);
	assert_bytes(&b.peer.got, "answer", 6);
	assert_int_equal(b.peer.got_err, 0);
	settle_down();
	assert_int_equal(peer_error(&b.peer), 0);
	/* and a client that goes on sending hears of it */
	UNTIL((peer_send(&b.peer, "x", 1), b.peer.got_err != 0));
	bench_fini(&b);
}

static void test_flow_reset_later_after_its_end(void **state)
{
	struct bench b;

	(void)state;
	bench_run(&b);
	fake_end(b.conn);
	UNTIL(peer_at_end(&b.peer));
	settle_down();
	assert_false(b.over);
	fake_break(b.conn, VE_RESET);
	UNTIL(b.over);
	assert_int_equal(b.over_err, VE_RESET);
	assert_int_equal(b.peer.got_err, 0);
	bench_fini(&b);
}

/* The flow breaks while its bytes wait for a client that does not read: it still gets them, then the
 * reset. */
static void test_flow_reset_with_stalled_client(void **state)
{
	uint8_t *data = make_bytes(MORE_THAN_FITS, 9);
	struct bench b;
	size_t given;

	(void)state;
	bench_run(&b);
	given = stall(&b, data, MORE_THAN_FITS);
	fake_break(b.conn, VE_RESET);
	settle_down();
	assert_false(b.over);
	UNTIL(peer_at_end(&b.peer));
	assert_int_equal(b.peer.got_err, ECONNRESET);
	assert_true(b.peer.got.n <= given);
	assert_memory_equal(b.peer.got.p, data, b.peer.got.n);
	assert_true(b.over);
	bench_fini(&b);
	free(data);
}

static void test_client_reset(void **state)
{
	struct bench b;

	(void)state;
	bench_run(&b);
	peer_reset(&b.peer);
	UNTIL(b.over);
	assert_int_equal(b.over_err, VE_RESET);
	assert_true(b.conn->freed);
	assert_true(b.conn->reset);
	bench_fini(&b);
}

static void test_client_reset_while_stalled(void **state)
{
	uint8_t *data = make_bytes(MORE_THAN_FITS, 10);
	struct bench b;

	(void)state;
	bench_run(&b);
	stall(&b, data, MORE_THAN_FITS);
	assert_true(b.r.lent > 0);
	peer_reset(&b.peer);
	UNTIL(b.over);
	assert_true(b.conn->reset);
	bench_fini(&b);
	free(data);
}

/* The client has closed for good, but all we know is that it ended sending: the next bytes for it tell. */
static void test_client_closes_and_far_end_goes_on(void **state)
{
	struct bench b;

	(void)state;
	bench_run(&b);
	peer_close(&b.peer);
	UNTIL((fake_take(b.conn, 1), b.conn->got_fin));
	settle_down();
	assert_false(b.over);
	UNTIL((fake_give(b.conn, (const uint8_t *)"x", 1, 1), b.over));
	assert_int_equal(b.over_err, VE_RESET);
	assert_true(b.conn->reset);
	bench_fini(&b);
}

/* The client ended sending, the far end is silent: nobody polls the socket, and it is reset. */
static void test_probe_finds_reset_after_end(void **state)
{
	struct bench b;

	(void)state;
	bench_run(&b);
	relay_probe(&b.r); /* a healthy client, being read */
	peer_end(&b.peer);
	UNTIL((fake_take(b.conn, 1), b.conn->got_fin));
	relay_probe(&b.r); /* a healthy client, half-closed */
	assert_false(b.over);
	peer_reset(&b.peer);
	settle_down();
	assert_false(b.over);
	relay_probe(&b.r);
	flow_flush(&ns);
	assert_true(b.over);
	assert_int_equal(b.over_err, VE_RESET);
	assert_true(b.conn->reset);
	relay_probe(&b.r); /* closing: nothing */
	bench_fini(&b);
}

/* The flow is full, so the socket is not read. */
static void test_probe_finds_reset_behind_a_full_flow(void **state)
{
	struct bench b;

	(void)state;
	ns.tx_max = 4;
	bench_run(&b);
	peer_send_all(&b.peer, "12345678", 8);
	UNTIL(!b.r.reading);
	relay_probe(&b.r);
	assert_false(b.over);
	peer_reset(&b.peer);
	settle_down();
	assert_false(b.over);
	relay_probe(&b.r);
	flow_flush(&ns);
	assert_true(b.over);
	bench_fini(&b);
}

/* --- closing from outside ------------------------------------------------------------------------------ */

static void test_close_while_relaying(void **state)
{
	struct bench b;

	(void)state;
	bench_run(&b);
	relay_close(&b.r);
	flow_flush(&ns);
	assert_true(b.conn->freed); /* at once */
	assert_true(b.conn->reset);
	relay_close(&b.r); /* again: nothing */
	UNTIL(b.closed && peer_at_end(&b.peer));
	assert_int_equal(b.peer.got_err, ECONNRESET);
	assert_false(b.over);
	bench_fini(&b);
}

/* A write that has pieces of the flow is under way: libuv must not touch them any more. */
static void test_close_with_lent_bytes(void **state)
{
	uint8_t *data = make_bytes(MORE_THAN_FITS, 11);
	struct bench b;

	(void)state;
	bench_run(&b);
	stall(&b, data, MORE_THAN_FITS);
	assert_true(b.r.lent > 0);
	relay_close(&b.r);
	flow_flush(&ns);
	UNTIL(b.closed);
	bench_fini(&b);
	free(data);
}

/* The same, and the stack is gone before libuv reports the canceled write, as when the program ends. */
static void test_close_touches_no_stack_later(void **state)
{
	uint8_t *data = make_bytes(MORE_THAN_FITS, 12);
	struct netstack gone;
	struct bench b;

	(void)state;
	bench_run(&b);
	stall(&b, data, MORE_THAN_FITS);
	relay_close(&b.r);
	gone = ns;
	memset(&ns, 0xff, sizeof(ns));
	for (unsigned i = 0; i < 50; i++)
		uv_run(&loop, UV_RUN_NOWAIT);
	for (size_t i = 0; i < sizeof(ns); i++)
		assert_int_equal(((uint8_t *)&ns)[i], 0xff);
	ns = gone;
	ns.unflushed = false;
	assert_true(b.closed);
	bench_fini(&b);
	free(data);
}

static void test_close_while_connecting(void **state)
{
	struct bench b;

	(void)state;
	ns.outcome = FAKE_WAITS;
	bench_init(&b);
	bench_connect(&b);
	settle_down();
	assert_false(b.opened);
	relay_close(&b.r);
	flow_flush(&ns);
	assert_true(b.conn->freed);
	UNTIL(b.closed && peer_at_end(&b.peer));
	assert_int_equal(b.peer.got_err, 0); /* nothing was promised: an orderly end */
	bench_fini(&b);
}

/* --- connecting ---------------------------------------------------------------------------------------- */

static void test_connect_failures(void **state)
{
	static const int errs[] = { VE_REFUSED, VE_UNREACH, VE_NETUNREACH, VE_TIMEOUT, VE_RESOLVE, VE_DOWN };

	(void)state;
	ns.outcome = FAKE_FAILS;
	for (size_t i = 0; i < ARRAY_LEN(errs); i++) {
		struct bench b;

		ns.err = errs[i];
		bench_init(&b);
		bench_connect(&b);
		UNTIL(b.failed != 0);
		assert_int_equal(b.failed, errs[i]);
		assert_true(b.conn->freed); /* it holds no place among the flows while the client is told */
		assert_false(b.over);
		bench_fini(&b);
	}
}

static void test_connect_refused_at_once(void **state)
{
	static const int errs[] = { VE_NOMEM, VE_LIMIT, VE_DOWN };
	const struct dest to = { .name = "x", .port = 1 };
	struct bench b;

	(void)state;
	bench_init(&b);
	for (size_t i = 0; i < ARRAY_LEN(errs); i++) {
		ns.open_result = errs[i];
		assert_int_equal(relay_connect(&b.r, &to), errs[i]);
		flow_flush(&ns);
	}
	ns.open_result = 0;
	bench_connect(&b); /* the relay is as before */
	UNTIL(b.opened);
	bench_fini(&b);
}

static void test_local_address(void **state)
{
	struct bench b;
	struct endpoint local;

	(void)state;
	bench_open(&b);
	relay_local(&b.r, &local);
	assert_true(ip_equal(&local.ip, &ns.local));
	assert_int_equal(local.port, ns.local_port);
	bench_fini(&b);
}

/* What happens between opened() and relay_start() is not lost. */
static void test_flow_events_before_start(void **state)
{
	struct bench b;

	(void)state;
	bench_open(&b);
	assert_int_equal(fake_give(b.conn, (const uint8_t *)"220 hello", 9, 9), 9);
	settle_down();
	assert_false(peer_has(&b.peer, 1));
	bench_start(&b, NULL, 0);
	UNTIL(peer_has(&b.peer, 9));
	bench_fini(&b);
}

static void test_flow_breaks_before_start(void **state)
{
	struct bench b;

	(void)state;
	bench_open(&b);
	assert_int_equal(fake_give(b.conn, (const uint8_t *)"220 hello", 9, 9), 9);
	fake_break(b.conn, VE_RESET);
	settle_down();
	assert_false(b.over);
	bench_start(&b, "early", 5);
	UNTIL(b.over && peer_at_end(&b.peer));
	assert_bytes(&b.peer.got, "220 hello", 9);
	assert_int_equal(b.peer.got_err, ECONNRESET);
	bench_fini(&b);
}

/* --- what came early ----------------------------------------------------------------------------------- */

static void test_early_bytes_come_first(void **state)
{
	struct bench b;

	(void)state;
	bench_open(&b);
	peer_send_all(&b.peer, "later", 5);
	bench_start(&b, "early,", 6);
	assert_null(b.r.early); /* the flow took it: nothing is kept */
	UNTIL((fake_take(b.conn, SIZE_MAX), b.conn->got.n == 11));
	assert_bytes(&b.conn->got, "early,later", 11);
	bench_fini(&b);
}

/* Any room that the flow has at first, from none to enough. */
static void test_early_bytes_that_do_not_fit(void **state)
{
	uint8_t *up = make_bytes(40, 13);

	(void)state;
	for (size_t room = 1; room <= 32; room++) {
		struct bench b;

		ns.tx_max = room;
		bench_open(&b);
		peer_send_all(&b.peer, up + 30, 10);
		bench_start(&b, up, 30);
		assert_int_equal(b.r.early == NULL, room >= 30);
		UNTIL((fake_take(b.conn, 1), b.conn->got.n == 40));
		assert_bytes(&b.conn->got, up, 40);
		assert_null(b.r.early);
		bench_fini(&b);
	}
	free(up);
}

static void test_early_bytes_and_end(void **state)
{
	(void)state;
	for (size_t room = 1; room <= 8; room++) {
		struct bench b;

		ns.tx_max = room;
		bench_open(&b);
		peer_end(&b.peer);
		bench_start(&b, "early", 5);
		UNTIL((fake_take(b.conn, 1), b.conn->got_fin));
		assert_bytes(&b.conn->got, "early", 5);
		fake_end(b.conn);
		UNTIL(b.over);
		assert_int_equal(b.over_err, 0);
		bench_fini(&b);
	}
}

static void test_close_with_early_bytes(void **state)
{
	struct bench b;

	(void)state;
	ns.tx_max = 2;
	bench_open(&b);
	bench_start(&b, "early", 5);
	assert_non_null(b.r.early);
	bench_fini(&b); /* a leak would be reported */
}

/* --- the socket, and sizes ----------------------------------------------------------------------------- */

static int option(const struct relay *r, int level, int name)
{
	int value = 0;
	socklen_t n = sizeof(value);
	uv_os_fd_t fd;

	assert_int_equal(uv_fileno(&r->client.handle, &fd), 0);
	assert_int_equal(getsockopt(fd, level, name, &value, &n), 0);
	return value;
}

static void test_socket_options(void **state)
{
	struct bench b;

	(void)state;
	bench_init(&b);
	assert_int_equal(option(&b.r, IPPROTO_TCP, TCP_NODELAY), 1);
	assert_int_equal(option(&b.r, SOL_SOCKET, SO_KEEPALIVE), 1);
	assert_int_equal(option(&b.r, IPPROTO_TCP, TCP_KEEPIDLE), CLIENT_KEEPALIVE_S);
	assert_int_equal(option(&b.r, IPPROTO_TCP, TCP_KEEPINTVL), CLIENT_KEEPALIVE_S);
	bench_fini(&b);
}

static void test_idle_relay_is_small(void **state)
{
	struct bench b;

	(void)state;
	bench_run(&b);
	peer_send_all(&b.peer, "x", 1);
	UNTIL(fake_take(b.conn, 1) == 1);
	assert_null(b.r.early);
	assert_int_equal(b.r.lent, 0);
	assert_true(sizeof(struct relay) <= 768);
	bench_fini(&b);
}

#define RELAY_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		RELAY_TEST(test_echo),
		RELAY_TEST(test_bulk),
		RELAY_TEST(test_bulk_large_windows),
		RELAY_TEST(test_bulk_tiny_pieces),
		RELAY_TEST(test_many_pieces_at_once),
		RELAY_TEST(test_turns_are_short),
		RELAY_TEST(test_client_ends_first),
		RELAY_TEST(test_far_end_ends_first),
		RELAY_TEST(test_client_ends_second_with_bytes),
		RELAY_TEST(test_both_end_with_bytes_queued),
		RELAY_TEST(test_nothing_but_ends),
		RELAY_TEST(test_stalled_client_beside_a_moving_one),
		RELAY_TEST(test_far_end_that_takes_nothing),
		RELAY_TEST(test_flow_reset),
		RELAY_TEST(test_flow_break_passes_its_error_on),
		RELAY_TEST(test_flow_reset_after_its_end),
		RELAY_TEST(test_flow_reset_later_after_its_end),
		RELAY_TEST(test_flow_reset_with_stalled_client),
		RELAY_TEST(test_client_reset),
		RELAY_TEST(test_client_reset_while_stalled),
		RELAY_TEST(test_client_closes_and_far_end_goes_on),
		RELAY_TEST(test_probe_finds_reset_after_end),
		RELAY_TEST(test_probe_finds_reset_behind_a_full_flow),
		RELAY_TEST(test_close_while_relaying),
		RELAY_TEST(test_close_with_lent_bytes),
		RELAY_TEST(test_close_touches_no_stack_later),
		RELAY_TEST(test_close_while_connecting),
		RELAY_TEST(test_connect_failures),
		RELAY_TEST(test_connect_refused_at_once),
		RELAY_TEST(test_local_address),
		RELAY_TEST(test_flow_events_before_start),
		RELAY_TEST(test_flow_breaks_before_start),
		RELAY_TEST(test_early_bytes_come_first),
		RELAY_TEST(test_early_bytes_that_do_not_fit),
		RELAY_TEST(test_early_bytes_and_end),
		RELAY_TEST(test_close_with_early_bytes),
		RELAY_TEST(test_socket_options),
		RELAY_TEST(test_idle_relay_is_small),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
