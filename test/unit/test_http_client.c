/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_http_client.c - HTTP clients on real loopback sockets, with the flows of fake_flow.inc.h behind their targets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>

#include "core/limits.h"
#include "socks/http_client.h"
#include "socks/http_proxy.h"

#include "fake_flow.inc.h"
#include "local_peer.inc.h"

#define GET "GET http://far.corp/ HTTP/1.1\r\nHost: far.corp\r\n\r\n"
#define GET_SENT "GET / HTTP/1.1\r\nHost: far.corp\r\nVia: 1.1 softsocks\r\n\r\n"
#define DATE "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
#define OK5 "HTTP/1.1 200 OK\r\n" DATE "Content-Length: 5\r\n\r\nhello"
#define OK5_GOT "HTTP/1.1 200 OK\r\n" DATE "Content-Length: 5\r\nVia: 1.1 softsocks\r\n\r\nhello"
#define LEN(s) (sizeof(s) - 1)

/* --- one client with its ends ---------------------------------------------------------------------------- */

static struct targets ts;
static struct client_conf conf;

struct bench {
	uv_tcp_t tcp;
	struct http_client *h;
	struct peer peer;
	bool waiting, over, closed, tunnel, in_call;
	unsigned turns_on; /* how often waiting() said on */
	struct target *t;  /* after tunnel() */
	char early[64];
	size_t nearly;
};

static void on_stream_closed(uv_handle_t *handle)
{
	struct bench *b = handle->loop->data;

	b->closed = true;
}

static void close_all(struct bench *b)
{
	http_client_close(b->h);
	b->h = NULL;
	if (!uv_is_closing((uv_handle_t *)&b->tcp))
		uv_close((uv_handle_t *)&b->tcp, on_stream_closed);
}

static void on_waiting(void *ctx, bool on)
{
	struct bench *b = ctx;

	assert_false(b->in_call);
	assert_true(b->waiting != on);
	b->waiting = on;
	b->turns_on += on;
}

static void on_over(void *ctx)
{
	struct bench *b = ctx;

	assert_false(b->in_call);
	assert_false(b->over);
	b->over = true;
	close_all(b);
}

static const struct flow_events no_events;

static void on_tunnel(void *ctx, struct target *t, struct slice early)
{
	struct bench *b = ctx;

	assert_false(b->in_call);
	b->tunnel = true;
	b->t = t;
	target_rebind(t, &no_events, NULL);
	assert_true(early.n < sizeof(b->early));
	if (early.n > 0)
		memcpy(b->early, early.p, early.n);
	b->nearly = early.n;
	http_client_close(b->h);
	b->h = NULL;
}

static const struct http_client_events events = { .waiting = on_waiting, .over = on_over, .tunnel = on_tunnel };

/* A client whose first bytes, @early, were read by somebody else. */
static void bench_init(struct bench *b, const char *early)
{
	int fds[2];

	*b = (struct bench){ .waiting = true };
	loop.data = b;
	tcp_pair(fds);
	peer_init(&b->peer, fds[0]);
	assert_int_equal(uv_tcp_init(&loop, &b->tcp), 0);
	assert_int_equal(uv_tcp_open(&b->tcp, fds[1]), 0);
	b->in_call = true;
	assert_int_equal(http_client_new(&b->h, (uv_stream_t *)&b->tcp,
					 (struct slice){ .p = (const uint8_t *)early, .n = strlen(early) },
					 &ts, &conf,
					 &events, b), 0);
	b->in_call = false;
	target_flush(&ts);
}

static void bench_fini(struct bench *b)
{
	target_free(b->t);
	close_all(b);
	target_flush(&ts);
	UNTIL(b->closed);
	settle_down();
	peer_fini(&b->peer);
}

static struct fake_conn *conn(unsigned i)
{
	assert_true(i < ns.opens);
	return &ns.conns[i];
}

static void send_text(struct bench *b, const char *text)
{
	peer_send_all(&b->peer, text, strlen(text));
}

static bool got_at_least(struct fake_conn *c, size_t n)
{
	fake_take(c, SIZE_MAX);
	return c->got.n >= n;
}

static void give_text(struct fake_conn *c, const char *text)
{
	assert_int_equal(fake_give(c, (const uint8_t *)text, strlen(text), 7), strlen(text));
}

static void assert_got(const struct received *got, const char *want)
{
	if (got->n != strlen(want) || memcmp(got->p, want, got->n) != 0)
		fail_msg("got:\n%.*s\nwanted:\n%s", (int)got->n, (const char *)got->p, want);
}

static void assert_begins(const struct received *got, const char *want)
{
	if (got->n < strlen(want) || memcmp(got->p, want, strlen(want)) != 0)
		fail_msg("got:\n%.*s\nwanted:\n%s", (int)got->n, (const char *)got->p, want);
}

/* Ask once and be answered. */
static void exchange(struct bench *b, struct fake_conn *c)
{
	size_t sent = c->got.n, got = b->peer.got.n;

	UNTIL(got_at_least(c, sent + LEN(GET_SENT)));
	assert_memory_equal(c->got.p + sent, GET_SENT, LEN(GET_SENT));
	give_text(c, OK5);
	UNTIL(peer_has(&b->peer, got + LEN(OK5_GOT)));
	assert_memory_equal(b->peer.got.p + got, OK5_GOT, LEN(OK5_GOT));
}

static int setup(void **state)
{
	(void)state;
	signal(SIGPIPE, SIG_IGN);
	fake_init(&ns);
	ts = (struct targets){ .loop = &loop, .ns = &ns };
	conf = (struct client_conf){ 0 };
	return uv_loop_init(&loop);
}

static int teardown(void **state)
{
	(void)state;
	targets_fini(&ts);
	uv_run(&loop, UV_RUN_NOWAIT); /* closes their timers */
	fake_fini(&ns);
	return uv_loop_close(&loop); /* fails if a handle is left */
}

/* --- exchanges ------------------------------------------------------------------------------------------- */

static void test_keep_alive(void **state)
{
	struct bench b;

	(void)state;
	bench_init(&b, "G");
	assert_true(b.waiting);
	send_text(&b, &GET[1]);
	UNTIL(ns.opens == 1);
	assert_string_equal(conn(0)->to.name, "far.corp");
	assert_int_equal(conn(0)->to.port, 80);
	exchange(&b, conn(0));
	assert_false(b.waiting);
	for (unsigned i = 0; i < 3; i++) {
		send_text(&b, GET);
		exchange(&b, conn(0));
	}
	assert_int_equal(ns.opens, 1);
	assert_false(b.waiting);
	send_text(&b, "GET http");
	UNTIL(b.waiting);
	assert_false(b.over);
	bench_fini(&b);
}

static void test_kept_target_ends(void **state)
{
	struct bench b;

	(void)state;
	bench_init(&b, GET);
	UNTIL(ns.opens == 1);
	exchange(&b, conn(0));
	fake_end(conn(0));
	UNTIL(conn(0)->freed);
	assert_false(conn(0)->reset);
	send_text(&b, GET);
	UNTIL(ns.opens == 2);
	exchange(&b, conn(1));
	fake_break(conn(1), VE_RESET);
	UNTIL(conn(1)->freed);
	assert_false(b.over);
	bench_fini(&b);
}

/* It dies with the request already on its way. */
static void test_repeated(void **state)
{
	struct bench b;

	(void)state;
	bench_init(&b, GET);
	UNTIL(ns.opens == 1);
	exchange(&b, conn(0));
	send_text(&b, GET);
	UNTIL(got_at_least(conn(0), 2 * LEN(GET_SENT)));
	fake_break(conn(0), VE_RESET);
	UNTIL(ns.opens == 2);
	exchange(&b, conn(1));
	bench_fini(&b);
}

static void test_connect(void **state)
{
	struct bench b;

	(void)state;
	bench_init(&b, "CONNECT far.corp:22 HTTP/1.1\r\nHost: far.corp:22\r\n\r\nSSH-2.0");
	UNTIL(b.tunnel);
	UNTIL(peer_has(&b.peer, 39));
	assert_got(&b.peer.got, "HTTP/1.1 200 Connection established\r\n\r\n");
	assert_int_equal(conn(0)->to.port, 22);
	assert_int_equal(b.nearly, 7);
	assert_memory_equal(b.early, "SSH-2.0", 7);
	assert_non_null(b.t);
	assert_false(b.over);
	bench_fini(&b);
}

static void test_upgrade(void **state)
{
	struct bench b;
	struct slice v[4];

	(void)state;
	bench_init(&b,
	"GET http://far.corp/ HTTP/1.1\r\nHost: far.corp\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
	UNTIL(ns.opens == 1 && got_at_least(conn(0), 20));
	fake_give(conn(0), (const uint8_t *)"HTTP/1.1 101 Switching\r\nUpgrade: websocket\r\n\r\nframes", 52,
	52);
	UNTIL(b.tunnel);
	assert_int_equal(target_peek(b.t, v, 4), 1);
	assert_int_equal(v[0].n, 6);
	assert_memory_equal(v[0].p, "frames", 6);
	bench_fini(&b);
}

/* --- failures -------------------------------------------------------------------------------------------- */

static void failing(int err, const char *status)
{
	struct bench b;

	ns.outcome = FAKE_FAILS;
	ns.err = err;
	bench_init(&b, GET);
	UNTIL(peer_has(&b.peer, 100));
	assert_begins(&b.peer.got, status);
	assert_false(b.waiting);
	ns.outcome = FAKE_OPENS; /* the connection is kept: a browser goes on with it */
	b.peer.got.n = 0;
	send_text(&b, GET);
	UNTIL(ns.opens > 0 && conn(ns.opens - 1)->flow && got_at_least(conn(ns.opens - 1), LEN(GET_SENT)));
	bench_fini(&b);
}

static void test_failures(void **state)
{
	(void)state;
	failing(VE_REFUSED, "HTTP/1.1 502 ");
	failing(VE_TIMEOUT, "HTTP/1.1 504 ");
	failing(VE_RESOLVE, "HTTP/1.1 502 ");
	failing(VE_DOWN, "HTTP/1.1 503 ");
}

static void test_cannot_open(void **state)
{
	struct bench b;

	(void)state;
	ns.open_result = VE_DOWN;
	bench_init(&b, GET);
	UNTIL(peer_has(&b.peer, 100));
	assert_begins(&b.peer.got, "HTTP/1.1 503 ");
	bench_fini(&b);
}

static void test_blocked(void **state)
{
	struct route_rule rule;
	struct bench b;

	(void)state;
	assert_int_equal(route_parse("far.corp=block", &rule), 0);
	ts.rules = &rule;
	ts.nrules = 1;
	bench_init(&b, GET);
	UNTIL(peer_has(&b.peer, 100));
	assert_begins(&b.peer.got, "HTTP/1.1 403 ");
	assert_int_equal(ns.opens, 0);
	bench_fini(&b);
}

static void test_target_breaks(void **state)
{
	struct bench b;

	(void)state;
	bench_init(&b, GET);
	UNTIL(ns.opens == 1 && got_at_least(conn(0), LEN(GET_SENT)));
	give_text(conn(0), "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n1234");
	UNTIL(peer_has(&b.peer, 60));
	fake_break(conn(0), VE_RESET);
	UNTIL(b.over);
	UNTIL(peer_at_end(&b.peer));
	assert_int_equal(b.peer.got_err, ECONNRESET);
	bench_fini(&b);
}

static void test_client_breaks(void **state)
{
	struct bench b;

	(void)state;
	bench_init(&b, GET);
	UNTIL(ns.opens == 1 && got_at_least(conn(0), LEN(GET_SENT)));
	peer_reset(&b.peer);
	UNTIL(b.over);
	assert_true(conn(0)->freed && conn(0)->reset);
	bench_fini(&b);
}

/* The answer comes all the same: the client may have said all it wanted. */
static void test_client_half_closes(void **state)
{
	struct bench b;

	(void)state;
	bench_init(&b, GET);
	peer_end(&b.peer);
	UNTIL(ns.opens == 1 && got_at_least(conn(0), LEN(GET_SENT)));
	settle_down();
	assert_false(b.over);
	give_text(conn(0), OK5);
	UNTIL(peer_at_end(&b.peer));
	assert_int_equal(b.peer.got_err, 0);
	assert_true(b.peer.got.n > LEN(OK5));
	UNTIL(b.over);
	bench_fini(&b);
}

static void test_idle_client_leaves(void **state)
{
	struct bench b;

	(void)state;
	bench_init(&b, GET);
	UNTIL(ns.opens == 1);
	exchange(&b, conn(0));
	peer_close(&b.peer);
	UNTIL(b.over);
	bench_fini(&b);
}

/* A head of a megabyte is answered after 16 KiB; the rest goes nowhere, and the answer is not lost by a reset. */
static void test_huge_head(void **state)
{
	size_t n = 1024 * 1024, done = 0;
	char *text = malloc(n);
	struct bench b;

	(void)state;
	assert_non_null(text);
	memset(text, 'x', n);
	memcpy(text, "ET http://far.corp/ HTTP/1.1\r\nCookie: ", 38);
	bench_init(&b, "G");
	UNTIL((done += peer_send(&b.peer, text + done, n - done)) == n);
	peer_end(&b.peer);
	UNTIL(peer_at_end(&b.peer));
	assert_int_equal(b.peer.got_err, 0);
	assert_begins(&b.peer.got, "HTTP/1.1 431 ");
	UNTIL(b.over);
	bench_fini(&b);
	free(text);
}

/* It got its last answer, and stays: the owner is told when to lose patience. */
static void test_last_answer_waits(void **state)
{
	struct bench b;

	(void)state;
	bench_init(&b, "GET / HTTP/1.0\r\nbad\r\n\r\n");
	assert_false(b.over); /* not from inside the call */
	UNTIL(peer_at_end(&b.peer));
	assert_begins(&b.peer.got, "HTTP/1.1 400 ");
	UNTIL(b.waiting && b.turns_on == 1);
	assert_false(b.over);
	peer_close(&b.peer);
	UNTIL(b.over);
	bench_fini(&b);
}

/* --- windows --------------------------------------------------------------------------------------------- */

static size_t put_head(uint8_t **to, const char *head, size_t body)
{
	size_t n = strlen(head);
	uint8_t *bytes = make_bytes(body, 3);

	*to = malloc(n + body);
	assert_non_null(*to);
	memcpy(*to, head, n);
	memcpy(*to + n, bytes, body);
	free(bytes);
	return n + body;
}

/* Both bodies at once, through windows far smaller than they are, in odd pieces; every byte compared. */
static void bulk(size_t tx_max, size_t rx_max, size_t piece, size_t body)
{
	char head[200];
	uint8_t *up, *down;
	const size_t via = LEN("Via: 1.1 softsocks\r\n");
	size_t nup, ndown, sent = 1, given = 0, want, allowed;
	struct bench b;

	ns.tx_max = tx_max;
	ns.rx_max = rx_max;
	snprintf(head, sizeof(head),
	"POST http://far.corp/ HTTP/1.1\r\nHost: far.corp\r\nContent-Length: %zu\r\n\r\n", body);
	nup = put_head(&up, head, body);
	snprintf(head, sizeof(head), "HTTP/1.1 200 OK\r\n" DATE "Content-Length: %zu\r\n\r\n", body);
	ndown = put_head(&down, head, body);
	want = nup - LEN("http://far.corp") + via;
	bench_init(&b, "P");
	for (unsigned i = 0; ns.opens == 0 || b.peer.got.n < ndown + via || conn(0)->got.n < want; i++) {
		assert_true(i < 25000); /* hangs */
		sent += peer_send(&b.peer, up + sent, min_size(nup - sent, 50021));
		if (ns.opens > 0 && sent > 1000) {
			fake_take(conn(0), 1 + i * 7919 % 30011);
			/* an answer that is complete before its request would end the exchange */
			allowed = conn(0)->got.n == want ? ndown : conn(0)->got.n > 0 ? ndown - 10 : 0;
			if (allowed > given)
				given += fake_give(conn(0), down + given, allowed - given, piece);
		}
		turn();
		peer_recv(&b.peer, 1 + i * 104729 % 40009);
		if (i > 20000)
			poll(NULL, 0, 1); /* let the kernel do its part */
	}
	assert_memory_equal(b.peer.got.p + b.peer.got.n - body, down + ndown - body, body);
	assert_memory_equal(conn(0)->got.p + conn(0)->got.n - body, up + nup - body, body);
	bench_fini(&b);
	free(up);
	free(down);
}

static void test_bulk(void **state)
{
	(void)state;
	bulk(65536, 65536, 1360, 3000000);
}

static void test_bulk_small_windows(void **state)
{
	(void)state;
	bulk(1000, 700, 13, 300000);
}

/* A client that reads nothing holds up its own target only, whose window closes. */
static void test_deaf_client(void **state)
{
	size_t body = 64u * 1024 * 1024, given = 0, before;
	uint8_t *bytes = make_bytes(65536, 1);
	struct bench b;

	(void)state;
	bench_init(&b, GET);
	UNTIL(ns.opens == 1 && got_at_least(conn(0), LEN(GET_SENT)));
	give_text(conn(0), "HTTP/1.1 200 OK\r\nContent-Length: 67108864\r\n\r\n");
	do {
		before = given;
		for (unsigned i = 0; i < 200; i++) {
			given += fake_give(conn(0), bytes, 65536, 4096);
			turn();
		}
	} while (given > before);
	assert_true(given < body / 2); /* the kernel's buffers, HTTP_OUT_MAX and one window */
	assert_int_equal(fake_give(conn(0), bytes, 1, 1), 0);
	bench_fini(&b);
	free(bytes);
}

/* --- our own pages ---------------------------------------------------------------------------------------- */

static void test_pac(void **state)
{
	struct sockaddr_in a;
	socklen_t n = sizeof(a);
	char want[64];
	struct bench b;

	(void)state;
	bench_init(&b, "GET /proxy.pac HTTP/1.0\r\n\r\n");
	assert_int_equal(getpeername(b.peer.fd, (struct sockaddr *)&a, &n), 0);
	UNTIL(peer_at_end(&b.peer));
	assert_begins(&b.peer.got, "HTTP/1.1 200 ");
	snprintf(want, sizeof(want), "\r\n\r\nvar proxy = \"PROXY 127.0.0.1:%u\";\n", ntohs(a.sin_port));
	assert_non_null(memmem(b.peer.got.p, b.peer.got.n, want, strlen(want)));
	assert_int_equal(ns.opens, 0);
	bench_fini(&b);
}

static void test_login(void **state)
{
	struct proxy_auth auth;
	struct bench b;

	(void)state;
	assert_int_equal(proxy_auth_set(&auth, "user", "pass"), 0);
	conf.auth = &auth;
	bench_init(&b, GET);
	UNTIL(peer_has(&b.peer, 100));
	assert_begins(&b.peer.got, "HTTP/1.1 407 ");
	b.peer.got.n = 0;
	send_text(&b,
	"GET http://far.corp/ HTTP/1.1\r\nHost: far.corp\r\nProxy-Authorization: Basic dXNlcjpwYXNz\r\n\r\n");
	UNTIL(ns.opens == 1);
	exchange(&b, conn(0));
	bench_fini(&b);
}

/* --- the owner's end -------------------------------------------------------------------------------------- */

/* Closed by its owner after any number of turns of an exchange. */
static void test_closed_any_time(void **state)
{
	(void)state;
	for (unsigned turns = 0; turns < 12; turns++) {
		struct bench b;

		bench_init(&b, GET);
		for (unsigned i = 0; i < turns; i++) {
			turn();
			if (i == 6)
				give_text(conn(ns.opens - 1),
				"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n1234");
		}
		bench_fini(&b);
		assert_false(b.over);
	}
}

static void test_idle_timeout(void **state)
{
	struct bench b;

	(void)state;
	conf.idle_ms = 1;
	bench_init(&b, GET);
	UNTIL(b.over);
	bench_fini(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		TEST(test_keep_alive),
		TEST(test_kept_target_ends),
		TEST(test_repeated),
		TEST(test_connect),
		TEST(test_upgrade),
		TEST(test_failures),
		TEST(test_cannot_open),
		TEST(test_blocked),
		TEST(test_target_breaks),
		TEST(test_client_breaks),
		TEST(test_client_half_closes),
		TEST(test_idle_client_leaves),
		TEST(test_huge_head),
		TEST(test_last_answer_waits),
		TEST(test_bulk),
		TEST(test_bulk_small_windows),
		TEST(test_deaf_client),
		TEST(test_pac),
		TEST(test_login),
		TEST(test_closed_any_time),
		TEST(test_idle_timeout),
#undef TEST
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
