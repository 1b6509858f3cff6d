/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_target.c - where the routes send a client: connections of this machine ("direct"), nowhere ("block"), and how long a
 * connect may take. Clients and direct servers are real loopback sockets, the private network is fake_flow.inc.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "fake_flow.inc.h"
#include "local_peer.inc.h"
#include "front_bench.inc.h"

#include "core/err.h"
#include "socks/direct.h"

#define NOWHERE "\x00\x01\x00\x00\x00\x00\x00\x00"

static struct route_rule rules[2];

/* A server on this machine, not accepting yet. */
static int serve(const char *ip, int backlog, struct dest *ret)
{
	struct dest d = any_port(ip);
	struct sockaddr_storage sa;
	socklen_t n = sockaddr_from_dest(&d, &sa);
	int fd = socket(sa.ss_family, SOCK_STREAM | SOCK_NONBLOCK, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&sa, n), 0);
	assert_int_equal(listen(fd, backlog), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&sa, &n), 0);
	sockaddr_to_dest(&sa, ret);
	return fd;
}

static void use_rules(const char *first, const char *second)
{
	assert_int_equal(route_parse(first, &rules[0]), 0);
	targets.rules = rules;
	targets.nrules = 1;
	if (second)
		assert_int_equal(route_parse(second, &rules[targets.nrules++]), 0);
}

/* Greeting and request for @name, or 127.0.0.1 if it is NULL. */
static void ask(struct peer *p, const char *name, uint16_t port)
{
	uint8_t out[300] = GREETING "\x05\x01\x00\x01\x7f\x00\x00\x01";
	size_t n = LEN(GREETING) + 8;

	if (name) {
		out[LEN(GREETING) + 3] = 3;
		out[LEN(GREETING) + 4] = (uint8_t)strlen(name);
		memcpy(out + LEN(GREETING) + 5, name, strlen(name));
		n = LEN(GREETING) + 5 + strlen(name);
	}
	store_be16(out + n, port);
	dial(p, &at);
	peer_send_all(p, out, n + 2);
}

static void assert_reply(struct peer *p, uint8_t code)
{
	UNTIL(peer_has(p, 12));
	assert_int_equal(p->got.p[3], code);
	p->got.n = 0;
}

/* Both ends of a client's direct connection: @p ours, @far the server's. */
static void open_direct(struct peer *p, struct peer *far, const char *name)
{
	struct dest to;
	int l = serve("127.0.0.1", 8, &to), fd = -1;

	ask(p, name, to.port);
	assert_reply(p, 0);
	UNTIL((fd = accept(l, NULL, NULL)) >= 0);
	peer_init(far, fd);
	close(l);
	assert_int_equal(ns.opens, 0);
}

static void over(struct peer *p, struct peer *far)
{
	peer_fini(p);
	peer_fini(far);
	UNTIL(front_clients(front) == 0);
	front_end();
}

/* --- direct -------------------------------------------------------------------------------------------- */

static void test_direct(void **state)
{
	struct peer p, far;

	(void)state;
	use_rules("127.0.0.0/8=direct", NULL);
	front_open("127.0.0.1");
	open_direct(&p, &far, NULL);
	peer_send_all(&p, "ping", 4);
	UNTIL(peer_has(&far, 4));
	assert_bytes(&far.got, "ping", 4);
	peer_send_all(&far, "pong", 4);
	UNTIL(peer_has(&p, 4));
	assert_bytes(&p.got, "pong", 4);
	/* each way ends on its own */
	peer_end(&p);
	UNTIL(peer_at_end(&far));
	assert_int_equal(far.got_err, 0);
	peer_send_all(&far, "more", 4);
	UNTIL(peer_has(&p, 8));
	peer_close(&far);
	UNTIL(peer_at_end(&p));
	assert_int_equal(p.got_err, 0);
	over(&p, &far);
}

static void test_direct_by_name(void **state)
{
	struct peer p, far;

	(void)state;
	use_rules("*=direct", NULL); /* "127.1" is a name to us, which every system knows as 127.0.0.1 */
	front_open("127.0.0.1");
	open_direct(&p, &far, "127.1");
	over(&p, &far);
}

/* The reply names our end of the connection. */
static void test_direct_address(void **state)
{
	struct sockaddr_storage sa;
	struct peer p, far = { .fd = -1 };
	socklen_t n = sizeof(sa);
	struct dest to, from;
	int l;

	(void)state;
	use_rules("*=direct", NULL);
	front_open("127.0.0.1");
	l = serve("127.0.0.1", 8, &to);
	ask(&p, NULL, to.port);
	UNTIL(peer_has(&p, 12));
	UNTIL((far.fd = accept(l, (struct sockaddr *)&sa, &n)) >= 0);
	sockaddr_to_dest(&sa, &from);
	assert_memory_equal(p.got.p, CHOSEN "\x05\x00\x00\x01\x7f\x00\x00\x01", 10);
	assert_int_equal(load_be16(p.got.p + 10), from.port);
	close(l);
	over(&p, &far);
}

/* Far more than the windows, both ways at once; then ends that follow the last bytes at once. */
static void test_direct_bulk(void **state)
{
	enum { TOTAL = 6u << 20 };
	uint8_t *up = make_bytes(TOTAL, 1), *down = make_bytes(TOTAL, 2);
	size_t sent = 0, given = 0;
	struct peer p, far;

	(void)state;
	use_rules("*=direct", NULL);
	front_open("127.0.0.1");
	open_direct(&p, &far, NULL);
	for (unsigned i = 0; !p.got_end || !far.got_end; i++) {
		assert_true(i < 1000000); /* hangs */
		if (sent < TOTAL && (sent += peer_send(&p, up + sent, min_size(TOTAL - sent, 50021))) == TOTAL)
			peer_end(&p);
		if (given < TOTAL && (given += peer_send(&far, down + given, min_size(TOTAL - given, 70001))) == TOTAL)
			peer_end(&far);
		turn();
		peer_recv(&far, 1 + i * 7919 % 30011);
		peer_recv(&p, 1 + i * 104729 % 40009);
		assert_int_equal(p.got_err | far.got_err, 0);
	}
	assert_bytes(&p.got, down, TOTAL);
	assert_bytes(&far.got, up, TOTAL);
	over(&p, &far);
	free(up);
	free(down);
}

/* A server that does not read stops its client, and nobody else. */
static void test_direct_stalled(void **state)
{
	uint8_t *data = make_bytes(32u << 20, 3);
	struct peer p, far, q, far2;
	size_t sent = 0;

	(void)state;
	use_rules("*=direct", NULL);
	front_open("127.0.0.1");
	open_direct(&p, &far, NULL);
	open_direct(&q, &far2, NULL);
	for (unsigned idle = 0; idle < 50; idle++) {
		size_t some = peer_send(&p, data + sent, (32u << 20) - sent);

		sent += some;
		if (some > 0)
			idle = 0;
		turn();
	}
	assert_true(sent < 32u << 20);
	peer_send_all(&q, "x", 1);
	UNTIL(peer_has(&far2, 1));
	UNTIL(peer_has(&far, sent));
	assert_bytes(&far.got, data, sent);
	peer_fini(&q);
	peer_fini(&far2);
	over(&p, &far);
	free(data);
}

static void test_direct_resets(void **state)
{
	struct peer p, far;

	(void)state;
	use_rules("*=direct", NULL);
	front_open("127.0.0.1");
	open_direct(&p, &far, NULL);
	peer_reset(&far);
	UNTIL(peer_at_end(&p));
	assert_int_equal(p.got_err, ECONNRESET);
	peer_fini(&p);
	peer_fini(&far);
	UNTIL(front_clients(front) == 0);
	open_direct(&p, &far, NULL);
	peer_reset(&p);
	UNTIL(peer_at_end(&far));
	assert_int_equal(far.got_err, ECONNRESET);
	over(&p, &far);
}

/* What is queued when both sides are done still arrives, though client and target are gone for us. */
static void test_direct_lingers(void **state)
{
	uint8_t *data = make_bytes(16u << 20, 4);
	struct peer p, far;
	size_t sent = 0;

	(void)state;
	use_rules("*=direct", NULL);
	front_open("127.0.0.1");
	open_direct(&p, &far, NULL);
	for (unsigned idle = 0; idle < 50; idle++) {
		size_t some = peer_send(&p, data + sent, min_size(65536, (16u << 20) - sent));

		sent += some;
		if (some > 0)
			idle = 0;
		turn();
	}
	assert_int_equal(shutdown(far.fd, SHUT_WR), 0);
	peer_end(&p);
	UNTIL(peer_at_end(&p));
	UNTIL(peer_has(&far, sent) && peer_at_end(&far));
	assert_int_equal(far.got_err, 0);
	assert_bytes(&far.got, data, sent);
	over(&p, &far);
	assert_null(targets.lingering);
	free(data);
}

/* ... but not at the program's end. */
static void test_lingering_ends_with_the_program(void **state)
{
	static const struct flow_events none = { 0 };
	struct direct *d, *lingering = NULL;
	struct dest to;
	int l;

	(void)state;
	l = serve("127.0.0.1", 8, &to);
	assert_int_equal(direct_open(&loop, &to, &lingering, &none, NULL, &d), 0);
	direct_free(d); /* before it has begun */
	assert_null(lingering);
	settle_down();
	assert_false(uv_loop_alive(&loop));
	close(l);
	direct_drop(&lingering);
}

/* --- failures ------------------------------------------------------------------------------------------ */

static void check_failure(const char *name, uint16_t port, uint8_t code)
{
	struct peer p;

	ask(&p, name, port);
	UNTIL(peer_at_end(&p));
	assert_int_equal(p.got_err, 0);
	assert_int_equal(p.got.n, 12);
	assert_int_equal(p.got.p[3], code);
	peer_fini(&p);
	UNTIL(front_clients(front) == 0);
	assert_int_equal(targets.half_open.under_way, 0);
}

static void test_failures(void **state)
{
	struct dest closed;

	(void)state;
	close(serve("127.0.0.1", 1, &closed));
	use_rules("*:1-9=block", "*=direct");
	front_open("127.0.0.1");
	check_failure(NULL, closed.port, 5);
	check_failure("127.1", closed.port, 5);
	check_failure("a..b", 80, 4); /* no resolver asks anybody about this */
	check_failure(NULL, 9, 2);
	check_failure("blocked.example", 1, 2);
	assert_int_equal(ns.opens, 0);
	front_end();
}

/* A server whose queue is full does not answer at all. */
static void test_direct_timeout(void **state)
{
	struct peer p[4];
	struct dest to;
	int l;

	(void)state;
	l = serve("127.0.0.1", 0, &to);
	for (size_t i = 0; i < ARRAY_LEN(p); i++) {
		struct sockaddr_storage sa;
		socklen_t n = sockaddr_from_dest(&to, &sa);

		peer_init(&p[i], socket(AF_INET, SOCK_STREAM, 0));
		(void)!connect(p[i].fd, (struct sockaddr *)&sa, n);
	}
	targets.connect_ms = 1;
	use_rules("*=direct", NULL);
	front_open("127.0.0.1");
	check_failure(NULL, to.port, 4);
	front_end();
	for (size_t i = 0; i < ARRAY_LEN(p); i++)
		peer_fini(&p[i]);
	close(l);
}

static void test_flow_timeout(void **state)
{
	struct peer p;

	(void)state;
	targets.connect_ms = 1;
	ns.outcome = FAKE_WAITS;
	front_open("127.0.0.1");
	check_failure("far.corp", 80, 4);
	assert_true(ns.conns[0].freed);
	/* not while it waits for the tunnel */
	ns.holding = true;
	ask(&p, "far.corp", 80);
	UNTIL(ns.opens == 2);
	for (unsigned i = 0; i < 20; i++) {
		poll(NULL, 0, 1);
		turn();
	}
	assert_false(ns.conns[1].freed);
	ns.holding = false;
	UNTIL(ns.conns[1].freed);
	assert_reply(&p, 4);
	peer_fini(&p);
	UNTIL(front_clients(front) == 0);
	/* and not after it has opened */
	ns.outcome = FAKE_OPENS;
	ask(&p, "far.corp", 80);
	assert_reply(&p, 0);
	for (unsigned i = 0; i < 20; i++) {
		poll(NULL, 0, 1);
		turn();
	}
	assert_int_equal(front_clients(front), 1);
	peer_fini(&p);
	front_end();
}

/* Clients that go while their target is being looked up, or connected. */
static void test_clients_go(void **state)
{
	struct peer p;

	(void)state;
	use_rules("*=direct", NULL);
	front_open("127.0.0.1");
	for (unsigned i = 0; i < 20; i++) {
		ask(&p, i % 2 ? "127.1" : NULL, 9);
		for (unsigned k = 0; k < i; k++)
			turn();
		peer_reset(&p);
		peer_fini(&p);
		UNTIL(front_clients(front) == 0);
	}
	ask(&p, "127.1", 9);
	UNTIL(targets.half_open.under_way == 1 || peer_has(&p, 12));
	front_end();
	peer_fini(&p);
}

/* --- by rules ------------------------------------------------------------------------------------------ */

static void test_the_rest_goes_through_the_tunnel(void **state)
{
	struct peer p;

	(void)state;
	use_rules("10.0.0.0/8=direct", ".example=block");
	front_open("127.0.0.1");
	ask(&p, "far.corp", 80);
	assert_reply(&p, 0);
	assert_int_equal(ns.opens, 1);
	peer_fini(&p);
	front_end();
}

static void test_errors(void **state)
{
	(void)state;
	assert_int_equal(direct_error(UV_ECONNREFUSED), VE_REFUSED);
	assert_int_equal(direct_error(UV_EHOSTUNREACH), VE_UNREACH);
	assert_int_equal(direct_error(UV_ENETUNREACH), VE_NETUNREACH);
	assert_int_equal(direct_error(UV_EAFNOSUPPORT), VE_NETUNREACH);
	assert_int_equal(direct_error(UV_ETIMEDOUT), VE_TIMEOUT);
	assert_int_equal(direct_error(UV_EMFILE), VE_LIMIT);
	assert_int_equal(direct_error(UV_ENOMEM), VE_NOMEM);
	assert_int_equal(direct_error(UV_EPERM), VE_BLOCKED);
	assert_int_equal(direct_error(UV_EINVAL), VE_UNREACH);
}

/* --- parting ------------------------------------------------------------------------------------------- */

static void on_nothing(void *ctx)
{
	(void)ctx;
}

static void on_too_late(void *ctx, int err)
{
	(void)err;
	assert_true(*(bool *)ctx); /* no event after target_part() */
}

/* An open target that is done with; *alive is false from there on. */
static struct fake_conn *part(bool *alive)
{
	static const struct flow_events events = { on_nothing, on_nothing, on_nothing, on_too_late };
	struct dest to = { .ip = { IP_V4, { 10, 0, 0, 1 } }, .port = 80 };
	struct fake_conn *c;
	struct target *t;

	*alive = true;
	assert_int_equal(target_open(&targets, &to, &events, alive, &t), 0);
	target_flush(&targets);
	c = &ns.conns[ns.opens - 1];
	UNTIL(c->flow->open);
	*alive = false;
	target_part(t);
	target_flush(&targets);
	return c;
}

static void test_parting(void **state)
{
	enum { ENDS, BREAKS, TALKS_ON, PROGRAM_ENDS, WAYS };
	static uint8_t much[TARGET_PART_BYTES + 1];

	(void)state;
	for (int way = 0; way < WAYS; way++) {
		struct fake_conn *c;
		bool alive;

		front_open("127.0.0.1");
		c = part(&alive);
		assert_true(c->flow->shut);
		assert_false(c->freed);
		if (way == ENDS) {
			fake_give(c, (const uint8_t *)"rest", 4, 4);
			fake_end(c);
		} else if (way == BREAKS) {
			fake_break(c, VE_RESET);
		} else if (way == TALKS_ON) {
			fake_give(c, much, sizeof(much), 1460);
		} else {
			targets_fini(&targets);
			target_flush(&targets);
		}
		UNTIL(c->freed);
		assert_int_equal(c->reset, way == TALKS_ON || way == PROGRAM_ENDS);
		assert_null(targets.parting);
		assert_int_equal(targets.nparting, 0);
		front_end();
	}
}

/* One too many is reset at once; when another is through, there is room again. */
static void test_parting_has_a_cap(void **state)
{
	struct fake_conn *first, *last;
	bool alive;

	(void)state;
	front_open("127.0.0.1");
	first = part(&alive);
	assert_int_equal(targets.nparting, 1);
	targets.nparting = TARGETS_PARTING_MAX; /* the others */
	last = part(&alive);
	assert_true(last->freed);
	assert_true(last->reset);
	assert_int_equal(targets.nparting, TARGETS_PARTING_MAX);
	fake_end(first);
	UNTIL(first->freed);
	assert_false(first->reset);
	assert_int_equal(targets.nparting, TARGETS_PARTING_MAX - 1);
	first = part(&alive);
	assert_false(first->freed);
	assert_int_equal(targets.nparting, TARGETS_PARTING_MAX);
	targets.nparting = 1;
	targets_fini(&targets);
	target_flush(&targets);
	assert_true(first->freed);
	front_end();
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_direct),
		TEST(test_direct_by_name),
		TEST(test_direct_address),
		TEST(test_direct_bulk),
		TEST(test_direct_stalled),
		TEST(test_direct_resets),
		TEST(test_direct_lingers),
		TEST(test_lingering_ends_with_the_program),
		TEST(test_failures),
		TEST(test_direct_timeout),
		TEST(test_flow_timeout),
		TEST(test_clients_go),
		TEST(test_the_rest_goes_through_the_tunnel),
		TEST(test_parting),
		TEST(test_parting_has_a_cap),
		TEST(test_errors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
