/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_front.c - listeners and clients over real loopback sockets, with the flows of fake_flow.inc.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>

#include "core/limits.h"
#include "core/log.h"
#include "socks/front.h"
#include "socks/sockaddr.h"

#include "fake_flow.inc.h"
#include "local_peer.inc.h"
#include "front_bench.inc.h"

/* Connected to far.corp:80, everything that was exchanged checked; @p's received bytes start anew. */
static struct fake_conn *open_client(struct peer *p)
{
	struct fake_conn *c;
	unsigned opens = ns.opens;

	dial(p, &at);
	peer_send_all(p, GREETING, LEN(GREETING));
	UNTIL(peer_has(p, 2));
	peer_send_all(p, REQUEST, LEN(REQUEST));
	UNTIL(peer_has(p, LEN(CHOSEN SUCCESS)));
	assert_bytes(&p->got, CHOSEN SUCCESS, LEN(CHOSEN SUCCESS));
	assert_int_equal(ns.opens, opens + 1);
	c = &ns.conns[opens];
	assert_string_equal(c->to.name, "far.corp");
	assert_int_equal(c->to.port, 80);
	p->got.n = 0;
	return c;
}

/* --- handshakes ---------------------------------------------------------------------------------------- */

static void test_echo(void **state)
{
	struct fake_conn *c;
	struct peer p;

	(void)state;
	front_open("127.0.0.1");
	c = open_client(&p);
	assert_int_equal(front_clients(front), 1);
	peer_send_all(&p, "ping", 4);
	UNTIL(fake_take(c, 4) == 4);
	assert_bytes(&c->got, "ping", 4);
	fake_give(c, (const uint8_t *)"pong", 4, 4);
	UNTIL(peer_has(&p, 4));
	assert_bytes(&p.got, "pong", 4);
	fake_end(c);
	UNTIL(peer_at_end(&p));
	assert_int_equal(p.got_err, 0);
	peer_fini(&p);
	UNTIL(front_clients(front) == 0);
	assert_false(c->reset);
	front_end();
}

static void test_byte_by_byte(void **state)
{
	static const char in[] = GREETING REQUEST;
	struct peer p;

	(void)state;
	front_open("127.0.0.1");
	dial(&p, &at);
	for (size_t i = 0; i < LEN(in); i++) {
		assert_int_equal(ns.opens, 0);
		peer_send_all(&p, in + i, 1);
		settle_down();
	}
	UNTIL(peer_has(&p, LEN(CHOSEN SUCCESS)));
	assert_bytes(&p.got, CHOSEN SUCCESS, LEN(CHOSEN SUCCESS));
	peer_fini(&p);
	front_end();
}

/* Greeting, request and payload at once; the payload from nothing to far more than the handshake's buffer. */
static void test_pipelined(void **state)
{
	const size_t full = SOCKS_READ_MAX - LEN(GREETING REQUEST);
	const size_t sizes[] = { 0, 1, 500, full - 1, full, full + 1, SOCKS_READ_MAX, 5000, 300000 };

	(void)state;
	front_open("127.0.0.1");
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		size_t n = LEN(GREETING REQUEST) + sizes[i], sent = 0;
		uint8_t *in = make_bytes(n, (uint32_t)i);
		struct fake_conn *c = &ns.conns[i];
		struct peer p;

		memcpy(in, GREETING REQUEST, LEN(GREETING REQUEST));
		dial(&p, &at);
		sent = peer_send(&p, in, n);
		UNTIL((sent += peer_send(&p, in + sent, n - sent), fake_take(c, n), c->got.n == sizes[i]));
		assert_bytes(&c->got, in + LEN(GREETING REQUEST), sizes[i]);
		UNTIL(peer_has(&p, LEN(CHOSEN SUCCESS)));
		assert_bytes(&p.got, CHOSEN SUCCESS, LEN(CHOSEN SUCCESS));
		peer_fini(&p);
		free(in);
	}
	front_end();
}

/* The same, with the client's end behind it, while the flow is still being opened: a half-close, not a
 * farewell. */
static void test_pipelined_with_end(void **state)
{
	struct peer p;

	(void)state;
	ns.outcome = FAKE_WAITS;
	front_open("127.0.0.1");
	dial(&p, &at);
	peer_send_all(&p, GREETING REQUEST "all I have", LEN(GREETING REQUEST "all I have"));
	peer_end(&p);
	UNTIL(ns.opens == 1);
	settle_down();
	assert_int_equal(front_clients(front), 1);
	ns.conns[0].flow->outcome = FAKE_OPENS;
	UNTIL((fake_take(&ns.conns[0], 3), ns.conns[0].got_fin));
	assert_bytes(&ns.conns[0].got, "all I have", 10);
	fake_give(&ns.conns[0], (const uint8_t *)"answer", 6, 6);
	fake_end(&ns.conns[0]);
	UNTIL(peer_at_end(&p));
	assert_bytes(&p.got, CHOSEN SUCCESS "answer", LEN(CHOSEN SUCCESS "answer"));
	assert_int_equal(p.got_err, 0);
	UNTIL(front_clients(front) == 0);
	assert_false(ns.conns[0].reset);
	peer_fini(&p);
	front_end();
}

static void test_reply_with_ip6_address(void **state)
{
	struct peer p;

	(void)state;
	ns.local = (struct ip){ .family = IP_V6, .b = { 0xfd, [15] = 2 } };
	front_open("127.0.0.1");
	dial(&p, &at);
	peer_send_all(&p, GREETING REQUEST, LEN(GREETING REQUEST));
	UNTIL(peer_has(&p, 2 + 22));
	assert_memory_equal(p.got.p + 2, "\x05\x00\x00\x04\xfd\x00", 6);
	assert_memory_equal(p.got.p + 22, "\xc3\x50", 2);
	peer_fini(&p);
	front_end();
}

/* --- refusals ------------------------------------------------------------------------------------------ */

/* Send @in and a lot that nobody will read; the reply must arrive whole, and after it an orderly end. */
static void check_refused(const char *in, size_t n, const char *out, size_t out_n)
{
	uint8_t *more = make_bytes(200000, 1);
	unsigned opens = ns.opens;
	size_t sent = 0;
	struct peer p;

	dial(&p, &at);
	peer_send_all(&p, in, n);
	UNTIL((sent += peer_send(&p, more + sent, 200000 - sent)) == 200000);
	UNTIL(peer_at_end(&p));
	assert_int_equal(p.got_err, 0);
	assert_true(p.got.n >= out_n);
	assert_memory_equal(p.got.p, out, out_n);
	assert_int_equal(ns.opens, opens);
	assert_int_equal(front_clients(front), 1); /* until the client has closed, or its time is over */
	peer_fini(&p);
	UNTIL(front_clients(front) == 0);
	free(more);
}

#define NOWHERE "\x00\x01\x00\x00\x00\x00\x00\x00"
#define CHECK_REFUSED(in, out) check_refused(in, LEN(in), out, LEN(out))

static void test_refusals(void **state)
{
	(void)state;
	front_open("127.0.0.1");
	CHECK_REFUSED("\x05\x01\x02", "\x05\xff");
	CHECK_REFUSED("\x05\x00", "\x05\xff");
	CHECK_REFUSED(GREETING "\x05\x04\x00\x01\x00\x00\x00\x00\x00\x00", CHOSEN "\x05\x07" NOWHERE);
	CHECK_REFUSED(GREETING "\x05\x01\x00\x02", CHOSEN "\x05\x08" NOWHERE);
	CHECK_REFUSED(GREETING "\x05\x01\x00\x03\x00\x00\x50", CHOSEN "\x05\x01" NOWHERE);
	CHECK_REFUSED("\x04\x03\x00\x50\x0a\x00\x00\x01\x00", "\x00\x5b\x00\x00\x00\x00\x00\x00");
	CHECK_REFUSED("\x16\x03\x01", "");
	front_end();
}

static void check_failed_connect(uint8_t code)
{
	const uint8_t reply[] = { 5, 0, 5, code, 0, 1, 0, 0, 0, 0, 0, 0 };
	struct peer p;

	dial(&p, &at);
	peer_send_all(&p, GREETING REQUEST "early payload", LEN(GREETING REQUEST "early payload"));
	UNTIL(peer_at_end(&p));
	assert_int_equal(p.got_err, 0);
	assert_bytes(&p.got, reply, sizeof(reply));
	peer_fini(&p);
	UNTIL(front_clients(front) == 0);
}

static const struct {
	int err;
	uint8_t code;
} failures[] = {
	{ VE_REFUSED, 5 }, { VE_UNREACH, 4 },    { VE_RESOLVE, 4 }, { VE_TIMEOUT, 4 },
	{ VE_DOWN, 3 },    { VE_NETUNREACH, 3 }, { VE_LIMIT, 1 },   { VE_NOMEM, 1 },
};

static void test_failed_connects(void **state)
{
	(void)state;
	front_open("127.0.0.1");
	ns.outcome = FAKE_FAILS;
	for (size_t i = 0; i < ARRAY_LEN(failures); i++) {
		ns.err = failures[i].err;
		check_failed_connect(failures[i].code);
		assert_true(ns.conns[i].freed);
	}
	front_end();
}

static void test_connects_refused_at_once(void **state)
{
	(void)state;
	front_open("127.0.0.1");
	for (size_t i = 0; i < ARRAY_LEN(failures); i++) {
		ns.open_result = failures[i].err;
		check_failed_connect(failures[i].code);
	}
	assert_int_equal(ns.opens, 0);
	front_end();
}

/* The early payload fills the buffer and stops the reading; a refusal must read on, or the reply would be
 * lost. */
static void test_failed_connect_with_much_payload(void **state)
{
	uint8_t *more = make_bytes(200000, 1);
	size_t sent = 0;
	struct peer p;

	(void)state;
	front_open("127.0.0.1");
	ns.outcome = FAKE_WAITS;
	dial(&p, &at);
	peer_send_all(&p, GREETING REQUEST, LEN(GREETING REQUEST));
	UNTIL((sent += peer_send(&p, more + sent, 200000 - sent)) == 200000);
	UNTIL(ns.opens == 1);
	settle_down();
	ns.conns[0].flow->err = VE_REFUSED;
	ns.conns[0].flow->outcome = FAKE_FAILS;
	UNTIL(peer_at_end(&p));
	assert_int_equal(p.got_err, 0);
	assert_bytes(&p.got, CHOSEN "\x05\x05" NOWHERE, 12);
	peer_fini(&p);
	UNTIL(front_clients(front) == 0);
	free(more);
	front_end();
}

/* --- clients that go ----------------------------------------------------------------------------------- */

static void test_client_ends_in_handshake(void **state)
{
	static const char in[] = GREETING REQUEST;

	(void)state;
	front_open("127.0.0.1");
	for (size_t n = 0; n < LEN(in); n++) {
		struct peer p;

		dial(&p, &at);
		UNTIL(front_clients(front) == 1);
		peer_send_all(&p, in, n);
		peer_end(&p);
		UNTIL(peer_at_end(&p));
		assert_int_equal(p.got_err, 0);
		assert_int_equal(p.got.n, n >= LEN(GREETING) ? 2 : 0);
		UNTIL(front_clients(front) == 0);
		peer_fini(&p);
	}
	assert_int_equal(ns.opens, 0);
	front_end();
}

static void test_client_resets_in_handshake(void **state)
{
	static const char in[] = GREETING REQUEST;

	(void)state;
	front_open("127.0.0.1");
	for (size_t n = 0; n < LEN(in); n++) {
		struct peer p;

		dial(&p, &at);
		UNTIL(front_clients(front) == 1);
		peer_send_all(&p, in, n);
		settle_down();
		peer_reset(&p);
		UNTIL(front_clients(front) == 0);
		peer_fini(&p);
	}
	/* gone before it was accepted */
	for (unsigned i = 0; i < 10; i++) {
		struct peer p;

		dial(&p, &at);
		peer_reset(&p);
		peer_fini(&p);
	}
	settle_down();
	UNTIL(front_clients(front) == 0);
	assert_int_equal(ns.opens, 0);
	front_end();
}

static void test_client_resets_while_connecting(void **state)
{
	struct peer p;

	(void)state;
	ns.outcome = FAKE_WAITS;
	front_open("127.0.0.1");
	dial(&p, &at);
	peer_send_all(&p, GREETING REQUEST, LEN(GREETING REQUEST));
	UNTIL(ns.opens == 1);
	settle_down();
	peer_reset(&p);
	UNTIL(front_clients(front) == 0);
	assert_true(ns.conns[0].freed);
	peer_fini(&p);
	front_end();
}

static void test_client_resets_while_relaying(void **state)
{
	struct fake_conn *a, *b;
	struct peer p, other;

	(void)state;
	front_open("127.0.0.1");
	a = open_client(&p);
	b = open_client(&other);
	peer_reset(&p);
	UNTIL(front_clients(front) == 1);
	assert_true(a->reset);
	assert_false(b->freed); /* the other one does not notice */
	peer_send_all(&other, "x", 1);
	UNTIL(fake_take(b, 1) == 1);
	peer_fini(&p);
	peer_fini(&other);
	front_end();
}

static void test_flow_reset_while_relaying(void **state)
{
	struct fake_conn *c;
	struct peer p;

	(void)state;
	front_open("127.0.0.1");
	c = open_client(&p);
	fake_break(c, VE_RESET);
	UNTIL(peer_at_end(&p));
	assert_int_equal(p.got_err, ECONNRESET);
	UNTIL(front_clients(front) == 0);
	peer_fini(&p);
	front_end();
}

/* What a client does not read waits in the private network: not in this process, and not in the kernel either. */
static void test_deaf_client(void **state)
{
	const size_t much = 16u << 20;
	uint8_t *data = make_bytes(much, 1);
	const int some = 4096;
	size_t given = 0;
	struct fake_conn *c;
	struct peer p;

	(void)state;
	front_open("127.0.0.1");
	c = open_client(&p);
	if (setsockopt(p.fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &some, sizeof(some)) == 0) { /* the system knows the option */
		for (unsigned idle = 0; idle < 200; idle++) {
			size_t n = fake_give(c, data + given, much - given, 1360);

			given += n;
			if (n > 0)
				idle = 0;
			turn();
		}
		assert_true(given > CLIENT_UNSENT_MAX / 2);
		assert_true(given < 2 * CLIENT_UNSENT_MAX);
		UNTIL((given += fake_give(c, data + given, much - given, 1360), peer_has(&p, much)));
		assert_bytes(&p.got, data, much);
	}
	peer_reset(&p);
	peer_fini(&p);
	UNTIL(front_clients(front) == 0);
	free(data);
	front_end();
}

/* --- time ---------------------------------------------------------------------------------------------- */

static void test_slow_handshakes(void **state)
{
	static const char *const in[] = { "", "\x05", "\x05\x01", GREETING, GREETING REQUEST };
	static const size_t lengths[] = { 0, 1, 2, 3, 11 };
	struct peer slow[ARRAY_LEN(in)], fast;
	struct fake_conn *c;
	uint64_t start;

	(void)state;
	front_open("127.0.0.1");
	start = uv_now(&loop);
	for (size_t i = 0; i < ARRAY_LEN(in); i++) {
		dial(&slow[i], &at);
		peer_send_all(&slow[i], in[i], lengths[i]);
	}
	c = open_client(&fast);
	UNTIL(front_clients(front) == ARRAY_LEN(in) + 1);
	/* a timer is set, and not for later than it should be */
	assert_true(uv_backend_timeout(&loop) >= 0);
	assert_true(uv_backend_timeout(&loop) <= (int)SOCKS_HANDSHAKE_MS);
	front_tick(front, start + SOCKS_HANDSHAKE_MS - 1);
	settle_down();
	assert_int_equal(front_clients(front), ARRAY_LEN(in) + 1);
	front_tick(front, uv_now(&loop) + SOCKS_HANDSHAKE_MS);
	UNTIL(front_clients(front) == 1);
	for (size_t i = 0; i < ARRAY_LEN(in); i++) {
		UNTIL(peer_at_end(&slow[i]));
		peer_fini(&slow[i]);
	}
	assert_false(c->freed); /* a client that is relayed has all the time in the world */
	peer_fini(&fast);
	front_end();
}

/* Each client has its own time: the first is over while the second is not. */
static void test_handshakes_end_in_turn(void **state)
{
	struct peer first, second;
	uint64_t when;

	(void)state;
	front_open("127.0.0.1");
	dial(&first, &at);
	UNTIL(front_clients(front) == 1);
	when = uv_now(&loop);
	while (uv_now(&loop) < when + 2) /* the clock has moved on: no length of time is assumed */
		turn();
	dial(&second, &at);
	UNTIL(front_clients(front) == 2);
	front_tick(front, when + SOCKS_HANDSHAKE_MS);
	UNTIL(front_clients(front) == 1);
	assert_true(peer_at_end(&first));
	assert_false(peer_at_end(&second));
	peer_fini(&first);
	peer_fini(&second);
	front_end();
}

/* How long a connect may take is the flow's business (FLOW_CONNECT_MS, hold). */
static void test_connecting_is_not_timed(void **state)
{
	struct peer p;

	(void)state;
	ns.outcome = FAKE_WAITS;
	front_open("127.0.0.1");
	dial(&p, &at);
	peer_send_all(&p, GREETING REQUEST, LEN(GREETING REQUEST));
	UNTIL(ns.opens == 1);
	front_tick(front, uv_now(&loop) + 100 * SOCKS_HANDSHAKE_MS);
	settle_down();
	assert_int_equal(front_clients(front), 1);
	ns.conns[0].flow->outcome = FAKE_OPENS;
	UNTIL(peer_has(&p, LEN(CHOSEN SUCCESS)));
	peer_fini(&p);
	front_end();
}

/* A refused client that never closes, and goes on sending, does not stay. */
static void test_refused_client_that_stays(void **state)
{
	struct peer p;

	(void)state;
	ns.outcome = FAKE_FAILS;
	ns.err = VE_REFUSED;
	front_open("127.0.0.1");
	dial(&p, &at);
	peer_send_all(&p, GREETING REQUEST, LEN(GREETING REQUEST));
	UNTIL(peer_at_end(&p));
	peer_send_all(&p, "still here", 10);
	settle_down();
	assert_int_equal(front_clients(front), 1);
	assert_true(uv_backend_timeout(&loop) >= 0);
	front_tick(front, uv_now(&loop) + SOCKS_HANDSHAKE_MS);
	UNTIL(front_clients(front) == 0);
	peer_fini(&p);
	front_end();
}

/* Half-closed, then reset, and the target says nothing: found by the sweep, while others are left alone. */
static void test_vanished_clients_are_found(void **state)
{
	struct fake_conn *c, *d;
	struct peer p, other;

	(void)state;
	front_open("127.0.0.1");
	c = open_client(&p);
	d = open_client(&other);
	peer_end(&p);
	UNTIL((fake_take(c, 1), c->got_fin));
	peer_reset(&p);
	settle_down();
	assert_int_equal(front_clients(front), 2);
	assert_true(uv_backend_timeout(&loop) >= 0);
	assert_true(uv_backend_timeout(&loop) <= 1000 * (int)CLIENT_KEEPALIVE_S);
	front_tick(front, uv_now(&loop) + 1000 * CLIENT_KEEPALIVE_S);
	UNTIL(front_clients(front) == 1);
	assert_true(c->reset);
	assert_false(d->freed);
	peer_fini(&p);
	peer_fini(&other);
	front_end();
}

/* --- too many ------------------------------------------------------------------------------------------ */

/* Descriptors the loop and the front do not have yet, and the test's own. */
static void limit_files(rlim_t n)
{
	struct rlimit l;

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &l), 0);
	l.rlim_cur = n;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &l), 0);
}

static struct rlimit files_before;

static int setup_files(void **state)
{
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &files_before), 0);
	return setup(state);
}

static int teardown_files(void **state)
{
	setrlimit(RLIMIT_NOFILE, &files_before);
	return teardown(state);
}

/* One line says what the limit means and what it should be; forget it. */
static void assert_told_of_limit(void)
{
	char want[32];

	assert_int_equal(nlines, 1);
	assert_non_null(strstr(lines[0], "files may be open: more will wait"));
	snprintf(want, sizeof(want), "to %u", CLIENTS_MAX + DESCRIPTORS_KEPT);
	assert_non_null(strstr(lines[0], want));
	nlines = 0;
}

/* Enough, but for one: said once. Enough: nothing. */
static void test_limit_is_told(void **state)
{
	(void)state;
	if (files_before.rlim_max < CLIENTS_MAX + DESCRIPTORS_KEPT)
		skip();
	limit_files(CLIENTS_MAX + DESCRIPTORS_KEPT - 1);
	front_open("127.0.0.1");
	assert_told_of_limit();
	front_end();
	limit_files(CLIENTS_MAX + DESCRIPTORS_KEPT);
	front_open("127.0.0.1");
	front_end();
	assert_int_equal(nlines, 0);
}

static void test_limit_of_clients(void **state)
{
	struct peer p[5];

	(void)state;
	limit_files(DESCRIPTORS_KEPT + 3);
	front_open("127.0.0.1");
	assert_told_of_limit();
	for (unsigned i = 0; i < 5; i++)
		dial(&p[i], &at); /* two of them only into the kernel's queue */
	UNTIL(front_clients(front) == 3);
	for (unsigned i = 0; i < 5; i++)
		peer_send_all(&p[i], GREETING, LEN(GREETING));
	UNTIL(peer_has(&p[0], 2) && peer_has(&p[1], 2) && peer_has(&p[2], 2));
	settle_down();
	assert_int_equal(front_clients(front), 3);
	assert_false(peer_has(&p[3], 1));
	assert_false(peer_at_end(&p[3])); /* waiting, not refused */
	assert_int_equal(nlines, 1);
	assert_non_null(strstr(lines[0], "3 clients"));
	/* one goes, one comes */
	peer_fini(&p[1]);
	UNTIL(peer_has(&p[3], 2));
	settle_down();
	assert_int_equal(front_clients(front), 3);
	assert_false(peer_has(&p[4], 1));
	peer_fini(&p[0]);
	UNTIL(peer_has(&p[4], 2));
	assert_int_equal(nlines, 1); /* said once */
	for (unsigned i = 2; i < 5; i++)
		peer_fini(&p[i]);
	UNTIL(front_clients(front) == 0);
	front_end();
}

/* Every descriptor up to the limit is taken. Returns how many of @fds were needed. */
static unsigned take_all_files(int fds[static 256])
{
	unsigned n = 0;

	while (n < 256 && (fds[n] = dup(0)) >= 0)
		n++;
	assert_true(n < 256);
	assert_int_equal(errno, EMFILE);
	return n;
}

static void give_back(int *fds, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		close(fds[i]);
}

/* Somebody else in the process has used up the descriptors: wait, do not spin, do not turn clients away. */
static void test_no_descriptors(void **state)
{
	int fds[256];
	struct peer p, q;
	unsigned taken;

	(void)state;
	limit_files(DESCRIPTORS_KEPT + 100);
	front_open("127.0.0.1");
	assert_told_of_limit();
	dial(&p, &at);
	dial(&q, &at);
	taken = take_all_files(fds);
	UNTIL(nlines == 1);
	assert_non_null(strstr(lines[0], "Too many open files"));
	assert_true(uv_backend_timeout(&loop) >= 0); /* the loop would sleep, and has somebody to wake it */
	assert_true(uv_backend_timeout(&loop) <= (int)ACCEPT_PAUSE_MS);
	front_tick(front, uv_now(&loop) + ACCEPT_PAUSE_MS); /* in vain, and in silence */
	settle_down();
	assert_int_equal(front_clients(front), 0);
	assert_int_equal(nlines, 1);
	give_back(fds, taken);
	front_tick(front, uv_now(&loop) + ACCEPT_PAUSE_MS);
	UNTIL(front_clients(front) == 2);
	peer_send_all(&p, GREETING, LEN(GREETING));
	peer_send_all(&q, GREETING, LEN(GREETING));
	UNTIL(peer_has(&p, 2) && peer_has(&q, 2));
	peer_fini(&p);
	peer_fini(&q);
	front_end();
}

/* The pause ends by the front's own timer, too. */
static void test_pause_ends_by_itself(void **state)
{
	int fds[256];
	struct peer p;
	unsigned taken;

	(void)state;
	limit_files(DESCRIPTORS_KEPT + 100);
	front_open("127.0.0.1");
	assert_told_of_limit();
	dial(&p, &at);
	taken = take_all_files(fds);
	UNTIL(nlines == 1);
	give_back(fds, taken);
	UNTIL(front_clients(front) == 1);
	peer_fini(&p);
	front_end();
}

/* --- too many connects --------------------------------------------------------------------------------- */

static struct half_open_claim *elsewhere[HALF_OPEN_MAX];
static unsigned nelsewhere;

/* Connects that others have under way: @n to far.corp. */
static void take_places(unsigned n)
{
	const struct dest to = parse("far.corp:443");

	for (nelsewhere = 0; nelsewhere < n; nelsewhere++) {
		assert_int_equal(half_open_join(&targets.half_open, &to, NULL, &elsewhere[nelsewhere]), 0);
		assert_true(elsewhere[nelsewhere]->under_way);
	}
}

static void give_places_back(void)
{
	while (nelsewhere > 0)
		half_open_leave(&targets.half_open, elsewhere[--nelsewhere]);
	assert_int_equal(targets.half_open.under_way, 0);
	assert_int_equal(targets.half_open.waiting, 0);
}

static void ask_for_far(struct peer *p)
{
	dial(p, &at);
	peer_send_all(p, GREETING REQUEST, LEN(GREETING REQUEST));
	UNTIL(peer_has(p, LEN(CHOSEN)));
}

static void expect_outcome(struct peer *p, uint8_t code)
{
	UNTIL(peer_has(p, 12));
	assert_int_equal(p->got.p[3], code);
	peer_reset(p);
	peer_fini(p);
}

/* However many connect to a host that does not answer: who wants to go elsewhere is served at once, and the others wait
 * for their turn and get it. */
static void test_connects_wait_for_their_turn(void **state)
{
	struct peer first, second, third, quick;
	char request[] = GREETING REQUEST;

	(void)state;
	ns.outcome = FAKE_WAITS;
	front_open("127.0.0.1");
	take_places(HALF_OPEN_MAX / 2 - 1);
	ask_for_far(&first);
	UNTIL(ns.opens == 1);
	ask_for_far(&second);
	ask_for_far(&third);
	settle_down();
	assert_int_equal(front_clients(front), 3);
	assert_int_equal(ns.opens, 1);
	ns.outcome = FAKE_OPENS;
	memcpy(request + LEN(GREETING) + 5, "new", 3);
	dial(&quick, &at);
	peer_send_all(&quick, request, sizeof(request) - 1);
	expect_outcome(&quick, 0);
	assert_int_equal(ns.opens, 2);
	ns.conns[0].flow->err = VE_TIMEOUT;
	ns.conns[0].flow->outcome = FAKE_FAILS;
	expect_outcome(&first, 4);
	expect_outcome(&second, 0);
	expect_outcome(&third, 0);
	assert_int_equal(ns.opens, 4);
	give_places_back();
	UNTIL(front_clients(front) == 0);
	front_end();
}

/* Who has his turn may be told at once that it will not work; and the next one has it then. */
static void test_turn_that_fails(void **state)
{
	struct peer first, second, third;

	(void)state;
	ns.outcome = FAKE_WAITS;
	front_open("127.0.0.1");
	take_places(HALF_OPEN_MAX / 2 - 1);
	ask_for_far(&first);
	UNTIL(ns.opens == 1);
	ask_for_far(&second);
	ask_for_far(&third);
	settle_down();
	ns.open_result = VE_LIMIT;
	ns.conns[0].flow->outcome = FAKE_OPENS;
	expect_outcome(&first, 0);
	expect_outcome(&second, 1);
	expect_outcome(&third, 1);
	assert_int_equal(ns.opens, 1);
	give_places_back();
	UNTIL(front_clients(front) == 0);
	front_end();
}

static void test_clients_that_wait_for_their_turn_go(void **state)
{
	struct peer p, q;

	(void)state;
	front_open("127.0.0.1");
	take_places(HALF_OPEN_MAX / 2);
	ask_for_far(&p);
	UNTIL(targets.half_open.waiting == 1);
	peer_reset(&p);
	peer_fini(&p);
	UNTIL(front_clients(front) == 0);
	assert_int_equal(targets.half_open.waiting, 0);
	/* the time for one connect is over */
	targets.connect_ms = 1;
	ask_for_far(&p);
	expect_outcome(&p, 4);
	UNTIL(front_clients(front) == 0);
	/* the program ends */
	targets.connect_ms = 0;
	ask_for_far(&p);
	ask_for_far(&q);
	UNTIL(targets.half_open.waiting == 2);
	front_end();
	assert_int_equal(ns.opens, 0);
	peer_fini(&p);
	peer_fini(&q);
	give_places_back();
}

/* Connects hear that the front is full, and when it is not any more. */
static void test_full_front_says_so(void **state)
{
	struct peer p, q;

	(void)state;
	limit_files(DESCRIPTORS_KEPT + 2);
	front_open("127.0.0.1");
	assert_false(targets.full);
	dial(&p, &at);
	dial(&q, &at);
	UNTIL(front_clients(front) == 2);
	assert_true(targets.full);
	peer_fini(&p);
	UNTIL(front_clients(front) == 1);
	assert_false(targets.full);
	peer_fini(&q);
	front_end();
}

/* --- listeners ----------------------------------------------------------------------------------------- */

static void test_several_listeners(void **state)
{
	struct listen_addr l[3] = {
		{ .at = any_port("127.0.0.1") }, { .at = any_port("127.0.0.2") }, { .at = any_port("::1") }
	};
	struct fault f = { 0 };

	(void)state;
	assert_int_equal(front_new(&front, &targets, &client_conf, l, 3, &f), 0);
	for (unsigned i = 0; i < 3; i++) {
		struct peer p;

		front_address(front, i, &at);
		assert_true(ip_equal(&at.ip, &l[i].at.ip));
		open_client(&p);
		peer_fini(&p);
	}
	front_end();
}

/* IPv4 and IPv6 "any" on one port: IPv6 sockets are for IPv6 only, whatever the system's default is. */
static void test_ip6_listener_is_ip6_only(void **state)
{
	struct listen_addr l[2] = { { .at = any_port("::") }, { .at = any_port("0.0.0.0") } };
	struct fault f = { 0 };
	struct peer p;

	(void)state;
	front_open("::1"); /* a port that was free a moment ago */
	l[0].at.port = l[1].at.port = at.port;
	front_end();
	assert_int_equal(front_new(&front, &targets, &client_conf, l, 2, &f), 0);
	front_address(front, 0, &at);
	at.ip = parse("[::1]:1").ip;
	open_client(&p);
	peer_fini(&p);
	at.ip = parse("127.0.0.1:1").ip;
	open_client(&p);
	peer_fini(&p);
	front_end();
}

static void check_listen_fault(const struct listen_addr *l, unsigned n, const char *want)
{
	struct front *untouched = (struct front *)&loop, *fr = untouched;
	unsigned fds = count_fds();
	struct fault f = { 0 };

	assert_int_equal(front_new(&fr, &targets, &client_conf, l, n, &f), VE_LISTEN);
	assert_ptr_equal(fr, untouched);
	assert_int_equal(f.err, VE_LISTEN);
	assert_true(f.final);
	assert_string_equal(f.text, want);
	assert_int_equal(ve_exit_status(f.err), 8);
	assert_int_equal(count_fds(), fds); /* all or none: the first was closed again */
	assert_false(uv_loop_alive(&loop));
}

static void test_port_in_use(void **state)
{
	struct sockaddr_storage sa;
	struct listen_addr l[2] = { { .at = any_port("127.0.0.1") }, { .at = any_port("127.0.0.1") } };
	socklen_t n = sockaddr_from_dest(&l[0].at, &sa);
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	char want[256];

	(void)state;
	assert_int_equal(bind(fd, (struct sockaddr *)&sa, n), 0);
	assert_int_equal(listen(fd, 1), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&sa, &n), 0);
	sockaddr_to_dest(&sa, &l[1].at);
	snprintf(want, sizeof(want), "listener 127.0.0.1:%u: address already in use; another softsocks? "
				     "choose a different one with -l", l[1].at.port);
	check_listen_fault(l, 2, want);
	check_listen_fault(l + 1, 1, want);
	close(fd);
}

/* Connections that we closed first leave the port in TIME_WAIT; the next program must get it all the same. */
static void test_port_is_free_again_at_once(void **state)
{
	struct listen_addr again = { 0 };
	struct fault f = { 0 };
	struct peer p;

	(void)state;
	front_open("127.0.0.1");
	dial(&p, &at);
	UNTIL(front_clients(front) == 1);
	front_end();
	UNTIL(peer_at_end(&p));
	peer_fini(&p);
	again.at = at;
	assert_int_equal(front_new(&front, &targets, &client_conf, &again, 1, &f), 0);
	front_end();
}

static void test_address_not_here(void **state)
{
	struct listen_addr l[2] = { { .at = any_port("127.0.0.1") }, { .at = parse("192.0.2.1:1080") } };

	(void)state;
	check_listen_fault(l, 2, "listener 192.0.2.1:1080: no such address on this machine; "
				 "choose a different one with -l");
}

static void test_name_as_listener(void **state)
{
	struct listen_addr l = { .at = parse("localhost:1080") };

	(void)state;
	check_listen_fault(&l, 1, "listener localhost:1080: not an address; choose one with -l, "
				  "as in 127.0.0.1:1080");
}

/* --- the end ------------------------------------------------------------------------------------------- */

/* Clients in every state; flows are freed before front_close() returns, and nothing is left. */
static void test_close_with_clients(void **state)
{
	struct peer fresh, greeted, connecting, relaying, refused;
	struct fake_conn *c;
	unsigned fds;

	(void)state;
	front_open("127.0.0.1");
	open_client(&fresh); /* libuv opens a spare descriptor for its first stream */
	peer_fini(&fresh);
	fake_end(&ns.conns[0]);
	UNTIL(front_clients(front) == 0);
	fds = count_fds();
	dial(&fresh, &at);
	dial(&greeted, &at);
	peer_send_all(&greeted, GREETING, LEN(GREETING));
	UNTIL(peer_has(&greeted, 2));
	c = open_client(&relaying);
	dial(&refused, &at);
	peer_send_all(&refused, "\x05\x00", 2);
	UNTIL(peer_at_end(&refused));
	ns.outcome = FAKE_WAITS;
	dial(&connecting, &at);
	peer_send_all(&connecting, GREETING REQUEST, LEN(GREETING REQUEST));
	UNTIL(ns.opens == 3);
	assert_int_equal(front_clients(front), 5);
	front_close(front);
	assert_true(c->freed);
	assert_true(ns.conns[2].freed);
	flow_flush(&ns);
	for (unsigned i = 0; uv_loop_alive(&loop) && i < TURNS_MAX; i++)
		turn();
	assert_false(uv_loop_alive(&loop));
	UNTIL(peer_at_end(&relaying));
	assert_int_equal(relaying.got_err, ECONNRESET); /* what it has is not the whole */
	UNTIL(peer_at_end(&connecting));
	assert_int_equal(connecting.got_err, 0);
	peer_fini(&fresh);
	peer_fini(&greeted);
	peer_fini(&connecting);
	peer_fini(&relaying);
	peer_fini(&refused);
	assert_int_equal(count_fds(), fds - 1); /* the listener */
}

static void test_close_nothing(void **state)
{
	(void)state;
	front_close(NULL);
	front_open("127.0.0.1");
	front_end();
}

/* --- many ---------------------------------------------------------------------------------------------- */

static void test_many_clients(void **state)
{
	enum { MANY = 60 };
	uint8_t *data = make_bytes(200000, 1);
	struct peer p[MANY];
	size_t given[MANY] = { 0 };
	unsigned done = 0;

	(void)state;
	front_open("127.0.0.1");
	for (unsigned i = 0; i < MANY; i++) {
		dial(&p[i], &at);
		peer_send_all(&p[i], GREETING REQUEST, LEN(GREETING REQUEST));
	}
	UNTIL(ns.opens == MANY);
	for (unsigned turns = 0; done < MANY; turns++) {
		assert_true(turns < TURNS_MAX);
		turn();
		done = 0;
		for (unsigned i = 0; i < MANY; i++) {
			given[i] += fake_give(&ns.conns[i], data + given[i], 200000 - given[i], 1360);
			done += peer_has(&p[i], 200000 + LEN(CHOSEN SUCCESS));
		}
	}
	for (unsigned i = 0; i < MANY; i++) {
		assert_int_equal(p[i].got.n, 200000 + LEN(CHOSEN SUCCESS));
		assert_memory_equal(p[i].got.p + LEN(CHOSEN SUCCESS), data, 200000);
		peer_end(&p[i]);
		fake_end(&ns.conns[i]);
	}
	UNTIL(front_clients(front) == 0);
	for (unsigned i = 0; i < MANY; i++) {
		assert_false(ns.conns[i].reset);
		peer_fini(&p[i]);
	}
	free(data);
	front_end();
}

#define FRONT_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
#define FILES_TEST(f) cmocka_unit_test_setup_teardown(f, setup_files, teardown_files)

int main(void)
{
	const struct CMUnitTest tests[] = {
		FRONT_TEST(test_echo),
		FRONT_TEST(test_byte_by_byte),
		FRONT_TEST(test_pipelined),
		FRONT_TEST(test_pipelined_with_end),
		FRONT_TEST(test_reply_with_ip6_address),
		FRONT_TEST(test_refusals),
		FRONT_TEST(test_failed_connects),
		FRONT_TEST(test_connects_refused_at_once),
		FRONT_TEST(test_failed_connect_with_much_payload),
		FRONT_TEST(test_client_ends_in_handshake),
		FRONT_TEST(test_client_resets_in_handshake),
		FRONT_TEST(test_client_resets_while_connecting),
		FRONT_TEST(test_client_resets_while_relaying),
		FRONT_TEST(test_flow_reset_while_relaying),
		FRONT_TEST(test_deaf_client),
		FRONT_TEST(test_slow_handshakes),
		FRONT_TEST(test_handshakes_end_in_turn),
		FRONT_TEST(test_connecting_is_not_timed),
		FRONT_TEST(test_refused_client_that_stays),
		FRONT_TEST(test_vanished_clients_are_found),
		FILES_TEST(test_limit_is_told),
		FILES_TEST(test_limit_of_clients),
		FILES_TEST(test_no_descriptors),
		FILES_TEST(test_pause_ends_by_itself),
		FRONT_TEST(test_connects_wait_for_their_turn),
		FRONT_TEST(test_turn_that_fails),
		FRONT_TEST(test_clients_that_wait_for_their_turn_go),
		FILES_TEST(test_full_front_says_so),
		FRONT_TEST(test_several_listeners),
		FRONT_TEST(test_ip6_listener_is_ip6_only),
		FRONT_TEST(test_port_in_use),
		FRONT_TEST(test_port_is_free_again_at_once),
		FRONT_TEST(test_address_not_here),
		FRONT_TEST(test_name_as_listener),
		FRONT_TEST(test_close_with_clients),
		FRONT_TEST(test_close_nothing),
		FRONT_TEST(test_many_clients),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
