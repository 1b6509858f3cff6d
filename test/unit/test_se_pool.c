/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_se_pool.c - a SoftEther session of many connections: coming, going, resuming, and which one a frame goes by. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "test/unit/se_world.inc.h"

static const struct fault broken = { .err = VE_LOST, .text = "server vpn.example.com: connection reset" };
static const struct fault refused = { .err = VE_CONNECT, .text = "server vpn.example.com: connection refused" };
static const uint8_t bytes[FRAME_MAX] = { 1, 2, 3 };

/* A session that is up with what the server grants; nothing is kept of what was said on the way. */
static void up_with(struct world *w, unsigned connections, const struct se_peer_grants *g)
{
	world_init(w, connections);
	w->conf.half_connection = g->half_connection;
	world_start(w);
	give_hello(w, 0);
	give_welcome(w, 0, g);
	w->sent[0].n = 0;
}

static void up(struct world *w, unsigned connections, uint32_t granted)
{
	struct se_peer_grants g = { .timeout_ms = 20000, .max_connection = granted };

	up_with(w, connections, &g);
}

/* The server speaks on every wire, and a second passes. */
static void second(struct world *w)
{
	for (unsigned k = 0; k < WIRES; k++) {
		if (w->open[k])
			give_empty_unit(w, k);
	}
	at(w, w->now + 1000);
	send_all(w);
}

/* A session that is up, and the wire of its second channel has just come. */
static void up_joining(struct world *w)
{
	up(w, 2, 2);
	second(w);
	wire_up(w, 1);
}

/* All the channels there should be: 0 to @n - 1. */
static void up_full(struct world *w, unsigned n)
{
	up(w, n, n);
	for (unsigned k = 1; k < n; k++) {
		second(w);
		assert_int_equal(only_dial(w), k);
		join(w, k, 0);
	}
	second(w);
	assert_int_equal(w->dialed, 0);
	for (unsigned k = 0; k < n; k++)
		w->sent[k].n = 0;
}

static int output(struct world *w, size_t n)
{
	struct slice frame = { .p = bytes, .n = n };

	return w->ops->output(w->s, &frame, 1);
}

/* Where the bytes wait: the number of the only channel that has some. */
static unsigned only_queue(struct world *w)
{
	unsigned found = WIRES;

	for (unsigned k = 0; k < WIRES; k++) {
		if (w->ops->tx_peek(w->s, k).n == 0)
			continue;
		assert_int_equal(found, WIRES);
		found = k;
	}
	return found;
}

static void output_batch(struct world *w)
{
	for (unsigned i = 0; i < 20; i++)
		assert_int_equal(output(w, 1000), 0);
}

static void assert_goes_by(struct world *w, unsigned channel)
{
	assert_int_equal(output(w, 60), 0);
	assert_int_equal(only_queue(w), channel);
}

/* The server answers the wire that has come with an error. */
static void refuse_join(struct world *w, unsigned k, uint32_t error)
{
	give_hello(w, k);
	give_error(w, k, error);
}

/* --- coming ------------------------------------------------------------------------------------------------------- */

static void test_growing(void **state)
{
	struct se_request req;
	struct se_bytes b = { 0 };
	struct world w;

	(void)state;
	up(&w, 8, 3);
	at(&w, START + 999);
	assert_int_equal(w.dialed, 0);
	at(&w, START + 1000);
	assert_int_equal(only_dial(&w), 1);
	assert_int_equal(w.dial.to.ip.family, IP_NONE);
	assert_memory_equal(w.dial.cert_sha256, w.wire[0].cert_sha256, 32);
	wire_up(&w, 1);
	req = request_on(&w, 1);
	assert_memory_equal(req.body, "VPNCONNECT", 10);
	give_hello(&w, 1);
	req = request_on(&w, 1);
	assert_string_equal(req.line, "POST /vpnsvc/vpn.cgi HTTP/1.1");
	assert_element(&req, "method", 2, "additional_connect", 18);
	assert_element(&req, "session_key", 1, "KEYKEYKEYKEYKEYKEYKE", 20);
	w.sent[1].n = 0;
	se_peer_pack(&b);
	se_peer_int(&b, "error", 0);
	se_peer_int(&b, "direction", 0);
	give_answer(&w, 1, &b);
	assert_true(w.sent[1].n >= 8); /* a keep-alive at once */
	assert_int_equal(load_be32(w.sent[1].p), UINT32_MAX);
	/* connections being set up count, and one a second is dialed */
	at(&w, START + 1999);
	assert_int_equal(w.ndials, 1);
	at(&w, START + 2000);
	assert_int_equal(w.ndials, 2);
	at(&w, START + 5000);
	assert_int_equal(w.ndials, 2);
	join(&w, 2, 0);
	for (unsigned i = 0; i < 100; i++)
		second(&w);
	assert_int_equal(w.ndials, 2); /* three in all */
	assert_int_equal(w.closed, 0);
	world_fini(&w);
}

static void test_how_many(void **state)
{
	static const struct {
		unsigned wanted;
		uint32_t granted;
		unsigned got;
	} cases[] = { { 1, 1, 1 }, { 1, 8, 1 }, { 8, 1, 1 }, { 8, 0, 1 }, { 2, 2, 2 }, { 2, UINT32_MAX, 2 }, { 0, 8, 1 },
		      { 32, 32, 32 }, { 1000, 1000, 32 } };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct world w;

		up(&w, cases[i].wanted, cases[i].granted);
		for (unsigned n = 0; n < 40; n++) {
			second(&w);
			if (w.dialed)
				join(&w, only_dial(&w), 0);
		}
		assert_int_equal(w.ndials, cases[i].got - 1);
		world_fini(&w);
	}
}

/* All that the server says on a new connection, up to its first frame. */
static void join_stream(struct se_bytes *b)
{
	struct se_bytes body = { 0 };

	se_peer_hello(&body);
	se_peer_answer(b, &body);
	se_peer_noop(&body);
	se_peer_answer(b, &body);
	se_peer_pack(&body);
	se_peer_int(&body, "error", 0);
	se_peer_int(&body, "direction", 0);
	se_peer_answer(b, &body);
	se_peer_keepalive(b, 40);
	se_peer_frame(b, bytes, 60);
	se_bytes_free(&body);
}

static void test_join_at_every_split(void **state)
{
	struct se_bytes b = { 0 };

	(void)state;
	join_stream(&b);
	for (size_t i = 0; i <= b.n; i++) {
		struct world w;

		up_joining(&w);
		give(&w, 1, b.p, i);
		give(&w, 1, b.p + i, b.n - i);
		assert_int_equal(w.nframes, 1);
		assert_true(w.open[1]);
		assert_int_equal(w.closed, 0);
		world_fini(&w);
	}
	se_bytes_free(&b);
}

/* Wherever a new connection ends, the session goes on and tries again. */
static void test_join_cut_anywhere(void **state)
{
	struct se_bytes b = { 0 };

	(void)state;
	join_stream(&b);
	for (size_t i = 0; i <= b.n; i++) {
		struct world w;

		up_joining(&w);
		give(&w, 1, b.p, i);
		wire_down(&w, 1, i & 1 ? &closed_in_order : &broken);
		second(&w);
		assert_int_equal(only_dial(&w), 2);
		assert_int_equal(w.closed, 0);
		assert_goes_by(&w, 0);
		world_fini(&w);
	}
	se_bytes_free(&b);
}

static void test_answers_to_a_join(void **state)
{
	static const struct {
		uint32_t error;
		const char *end; /* NULL: the session goes on */
	} cases[] = {
		{ 13, WHO ENDED }, { 14, WHO "error 14: the session is of another protocol" }, { 15, NULL }, { 3, NULL },
		{ 9, NULL }, { 9999, NULL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct world w;

		up_joining(&w);
		refuse_join(&w, 1, cases[i].error);
		if (cases[i].end) {
			assert_closed(&w, VE_LOST, false, cases[i].end);
		} else {
			assert_int_equal(w.closed, 0);
			assert_int_equal(w.hung_up, 2);
			for (unsigned n = 0; n < 5; n++)
				second(&w);
			assert_int_equal(w.ndials, 2); /* another try, after a pause; also after 15 */
		}
		world_fini(&w);
	}
}

/* What is wrong on a new connection does not end the session. */
static void test_nonsense_on_a_join(void **state)
{
	static const char *const answers[] = {
		"HTTP/1.1 404 Not Found\r\nContent-Length: 3\r\nContent-Type: text/html\r\n\r\nno.",
		"SSH-2.0-OpenSSH_9.2p1\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: 5\r\n\r\nhello",
	};

	(void)state;
	for (size_t i = 0; i < 2 * ARRAY_LEN(answers); i++) {
		struct world w;

		up_joining(&w);
		if (i & 1)
			give_hello(&w, 1);
		give(&w, 1, answers[i / 2], strlen(answers[i / 2]));
		assert_int_equal(w.hung_up, 2);
		assert_int_equal(w.closed, 0);
		world_fini(&w);
	}
}

static void test_failed_dials_wait_longer(void **state)
{
	static const unsigned pauses[] = { 1, 2, 4, 8, 16, 32, 60, 60 };
	struct world w;

	(void)state;
	up(&w, 2, 2);
	second(&w);
	for (size_t i = 0; i < ARRAY_LEN(pauses); i++) {
		wire_down(&w, only_dial(&w), &refused);
		for (unsigned n = 1; n < pauses[i]; n++)
			second(&w);
		assert_int_equal(w.dialed, 0);
		second(&w);
	}
	join(&w, only_dial(&w), 0); /* and from then on little again */
	second(&w);
	wire_down(&w, 0, &broken);
	assert_int_not_equal(w.dialed, 0);
	wire_down(&w, only_dial(&w), &refused);
	second(&w);
	assert_int_not_equal(w.dialed, 0);
	world_fini(&w);
}

static void test_dials_that_hang(void **state)
{
	struct world w;

	(void)state;
	up(&w, 2, 2);
	second(&w); /* the wire says nothing at all */
	for (unsigned i = 0; i < SE_JOIN_MS / 1000; i++) {
		assert_int_equal(w.hung_up, 0);
		second(&w);
	}
	assert_int_equal(w.hung_up, 2);
	second(&w); /* it is up, but its server is mute */
	wire_up(&w, only_dial(&w));
	w.hung_up = 0;
	for (unsigned i = 0; i < SE_HTTP_IDLE_MS / 1000; i++) {
		assert_int_equal(w.hung_up, 0);
		at(&w, w.now + 1000);
		give_empty_unit(&w, 0);
	}
	assert_int_equal(w.hung_up, 4);
	assert_int_equal(w.closed, 0);
	world_fini(&w);
}

/* --- going -------------------------------------------------------------------------------------------------------- */

static void test_lost_channel_is_replaced(void **state)
{
	struct world w;

	(void)state;
	up_full(&w, 3);
	wire_down(&w, 1, &broken);
	assert_int_equal(only_dial(&w), 3);
	assert_goes_by(&w, 2);
	join(&w, 3, 0);
	second(&w);
	assert_int_equal(w.dialed, 0);
	assert_int_equal(w.closed, 0);
	world_fini(&w);
}

static void test_silent_channel_is_given_up(void **state)
{
	struct world w;
	uint64_t from;

	(void)state;
	up_full(&w, 2);
	from = w.now; /* both were heard a second ago */
	for (unsigned i = 0; i < 19; i++) {
		assert_int_equal(w.hung_up, 0);
		give_empty_unit(&w, 0);
		at(&w, w.now + 1000);
	}
	assert_true(w.now == from + 19000);
	assert_int_equal(w.hung_up, 2);
	assert_int_not_equal(w.dialed, 0);
	assert_int_equal(w.closed, 0);
	world_fini(&w);
}

static void test_silence_on_all(void **state)
{
	struct world w;

	(void)state;
	up_full(&w, 2);
	for (unsigned i = 0; i < 18; i++)
		at(&w, w.now + 1000);
	assert_int_equal(w.closed, 0);
	at(&w, w.now + 1000);
	assert_closed(&w, VE_LOST, false, WHO "server silent for 20 s");
	world_fini(&w);
}

static void test_keepalives_of_each(void **state)
{
	unsigned spoken[3] = { 0 };
	struct world w;

	(void)state;
	up_full(&w, 3);
	for (unsigned i = 0; i < 100; i++) {
		second(&w);
		for (unsigned k = 0; k < 3; k++) {
			spoken[k] += w.sent[k].n > 0;
			w.sent[k].n = 0;
		}
	}
	for (unsigned k = 0; k < 3; k++)
		assert_in_range(spoken[k], 100 / 10, 100 / 4);
	world_fini(&w);
}

/* --- resuming ----------------------------------------------------------------------------------------------------- */

static void test_resume(void **state)
{
	for (unsigned n = 1; n <= 3; n++) {
		struct world w;

		(void)state;
		up_full(&w, n);
		for (unsigned k = 0; k < n; k++) {
			assert_int_equal(output(&w, 60), 0);
			wire_down(&w, k, k & 1 ? &closed_in_order : &broken);
		}
		assert_int_equal(w.closed, 0);
		assert_int_not_equal(w.dialed, 0); /* at once */
		assert_int_equal(output(&w, 60), VE_AGAIN);
		for (unsigned i = 0; i < 5; i++) {
			while (w.dialed) {
				unsigned k = 0;

				while (!(w.dialed >> k & 1))
					k++;
				wire_down(&w, k, &refused);
			}
			at(&w, w.now + 999);
			assert_int_equal(w.dialed, 0);
			at(&w, w.now + 1);
			assert_int_not_equal(w.dialed, 0);
		}
		assert_int_equal(w.rooms, 0);
		join(&w, only_dial(&w), 0);
		assert_int_equal(w.rooms, 1);
		assert_int_equal(output(&w, 60), 0);
		send_all(&w);
		assert_int_equal(w.ready, 1); /* the stack has noticed nothing */
		world_fini(&w);
	}
}

static void test_nothing_to_resume(void **state)
{
	struct world w;

	(void)state;
	up_full(&w, 1);
	wire_down(&w, 0, &broken);
	for (unsigned i = 0; i < 20; i++) {
		assert_int_equal(w.closed, 0);
		wire_down(&w, only_dial(&w), &refused);
		at(&w, w.now + 1000);
	}
	assert_closed(&w, VE_LOST, false, WHO "all connections were lost, and no other could be made in 20 s; the last: "
					      "server vpn.example.com: connection refused");
	world_fini(&w);
}

/* The server takes new connections and closes them before it says anything: once that may be bad luck. */
static void test_stillborn(void **state)
{
	(void)state;
	for (unsigned n = 1; n <= 3; n++) {
		struct world w;

		up_full(&w, n);
		for (unsigned k = 0; k < n; k++)
			wire_down(&w, k, &closed_in_order);
		for (unsigned i = 0; i < 5; i++) { /* not in a row */
			unsigned k = only_dial(&w);

			join(&w, k, 0);
			if (i & 1)
				give_empty_unit(&w, k);
			wire_down(&w, k, &closed_in_order);
			assert_int_equal(w.closed, 0);
			if (i == 4)
				break;
			at(&w, w.now + 1000);
		}
		at(&w, w.now + 1000);
		join(&w, n + 5, 0);
		wire_down(&w, n + 5, &closed_in_order);
		assert_closed(&w, VE_LOST, false, WHO "the server closes every new connection of the session at once");
		world_fini(&w);
	}
}

static void test_administrator(void **state)
{
	struct world w;

	(void)state;
	up_full(&w, 3);
	for (unsigned k = 0; k < 3; k++)
		wire_down(&w, k, &closed_in_order);
	wire_up(&w, 3);
	refuse_join(&w, 3, 13);
	assert_closed(&w, VE_LOST, false, WHO ENDED);
	world_fini(&w);
}

/* Too many, while there is none: the server counts those that it does not know to be gone. */
static void test_too_many_while_alone(void **state)
{
	struct world w;

	(void)state;
	up_full(&w, 2);
	wire_down(&w, 0, &broken);
	wire_down(&w, 1, &broken);
	wire_up(&w, 2);
	refuse_join(&w, 2, 15);
	assert_int_equal(w.closed, 0);
	at(&w, w.now + 1000);
	assert_int_not_equal(w.dialed, 0);
	world_fini(&w);
}

static void test_end_while_alone(void **state)
{
	struct world w;

	(void)state;
	up_full(&w, 1);
	wire_down(&w, 0, &broken);
	w.ops->stop(w.s, w.now);
	take_events(&w);
	assert_closed(&w, VE_CANCELED, false, WHO "stopped");
	world_fini(&w);
}

/* --- sharing out -------------------------------------------------------------------------------------------------- */

static void test_a_batch_goes_one_way(void **state)
{
	struct world w;

	(void)state;
	up_full(&w, 3);
	output_batch(&w);
	assert_int_equal(only_queue(&w), 2); /* the newest */
	send_all(&w);
	output_batch(&w);
	assert_int_equal(only_queue(&w), 2); /* again: nothing was left behind */
	world_fini(&w);
}

static void test_away_from_the_slow_one(void **state)
{
	size_t queued;
	struct world w;

	(void)state;
	up_full(&w, 3);
	output_batch(&w);
	queued = w.ops->tx_peek(w.s, 2).n;
	w.ops->tx_consume(w.s, 2, 100, w.now); /* no more was taken */
	for (unsigned i = 0; i < 10; i++)
		assert_int_equal(output(&w, 1000), 0);
	assert_int_equal(w.ops->tx_peek(w.s, 2).n, queued - 100);
	assert_int_equal(w.ops->tx_peek(w.s, 1).n, 4 + 10 * 1004);
	assert_int_equal(w.ops->tx_peek(w.s, 0).n, 0);
	w.ops->tx_consume(w.s, 1, 100, w.now);
	assert_int_equal(output(&w, 1000), 0);
	assert_int_equal(w.ops->tx_peek(w.s, 0).n, 1008);
	w.ops->tx_consume(w.s, 0, 8, w.now); /* all are behind: the least of them */
	assert_int_equal(output(&w, 1000), 0);
	assert_int_equal(w.ops->tx_peek(w.s, 0).n, 1000 + 4 + 1004);
	world_fini(&w);
}

static void test_full_queues(void **state)
{
	unsigned taken = 0;
	struct world w;

	(void)state;
	up_full(&w, 8);
	while (output(&w, 1514) == 0)
		taken++;
	assert_int_equal(output(&w, 1514), VE_AGAIN);
	for (unsigned k = 0; k < 8; k++)
		assert_in_range(w.ops->tx_peek(w.s, k).n, SE_CHANNEL_TX_MIN - SESSION_TX_CONTROL - 1600, SE_CHANNEL_TX_MIN);
	assert_true(taken > 300);
	assert_int_equal(w.rooms, 0);
	w.ops->tx_consume(w.s, 5, 20000, w.now);
	take_events(&w);
	assert_int_equal(w.rooms, 0);
	w.ops->tx_consume(w.s, 5, 20000, w.now);
	take_events(&w);
	assert_int_equal(w.rooms, 1); /* one of them is enough */
	assert_int_equal(output(&w, 1514), 0);
	world_fini(&w);
}

/* --- one direction each ------------------------------------------------------------------------------------------- */

static void up_half(struct world *w, unsigned connections)
{
	struct se_peer_grants g = { .timeout_ms = 20000, .max_connection = connections, .half_connection = 1 };

	up_with(w, connections, &g);
}

static void test_half_connections(void **state)
{
	struct world w;

	(void)state;
	up_half(&w, 2);
	assert_int_equal(only_dial(&w), 1); /* at once: nothing can be heard */
	join(&w, 1, 1);
	assert_int_equal(w.sent[1].n, 0); /* where we may not speak, not even that we live */
	for (unsigned i = 0; i < 60; i++) {
		assert_goes_by(&w, 0);
		give_empty_unit(&w, 1);
		at(&w, w.now + 1000);
		send_all(&w);
	}
	assert_int_equal(w.sent[1].n, 0);
	assert_int_equal(w.ndials, 1);
	assert_int_equal(w.closed, 0); /* nothing came by channel 0 in a minute */
	wire_down(&w, 0, &broken);
	assert_int_equal(output(&w, 60), VE_AGAIN);
	join(&w, only_dial(&w), 2);
	assert_int_equal(w.rooms, 1);
	assert_int_equal(output(&w, 60), 0);
	world_fini(&w);
}

static void test_half_connections_all_one_way(void **state)
{
	struct world w;

	(void)state;
	up_half(&w, 2);
	join(&w, 1, 2);
	assert_int_equal(w.hung_up, 2); /* the newest makes room for one of the other direction */
	at(&w, w.now + 1000);
	join(&w, only_dial(&w), 1);
	give_empty_unit(&w, 2);
	at(&w, w.now + 1000);
	assert_int_equal(w.dialed, 0);
	world_fini(&w);
}

static void test_half_connection_without_a_voice(void **state)
{
	struct world w;

	(void)state;
	up_half(&w, 2);
	for (unsigned i = 0; i < 19; i++) {
		if (w.dialed)
			wire_down(&w, only_dial(&w), &refused);
		at(&w, w.now + 1000);
	}
	assert_int_equal(w.closed, 0);
	at(&w, w.now + 1000);
	assert_closed(&w, VE_LOST, false, WHO "server silent for 20 s");
	world_fini(&w);
}

/* A direction that was not agreed upon. */
static void test_wrong_directions(void **state)
{
	for (uint32_t direction = 1; direction < 4; direction++) {
		struct world w;

		(void)state;
		up(&w, 2, 2);
		second(&w);
		join(&w, 1, direction);
		assert_int_equal(w.hung_up, 2);
		assert_int_equal(w.closed, 0);
		world_fini(&w);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_growing),
		cmocka_unit_test(test_how_many),
		cmocka_unit_test(test_join_at_every_split),
		cmocka_unit_test(test_join_cut_anywhere),
		cmocka_unit_test(test_answers_to_a_join),
		cmocka_unit_test(test_nonsense_on_a_join),
		cmocka_unit_test(test_failed_dials_wait_longer),
		cmocka_unit_test(test_dials_that_hang),
		cmocka_unit_test(test_lost_channel_is_replaced),
		cmocka_unit_test(test_silent_channel_is_given_up),
		cmocka_unit_test(test_silence_on_all),
		cmocka_unit_test(test_keepalives_of_each),
		cmocka_unit_test(test_resume),
		cmocka_unit_test(test_nothing_to_resume),
		cmocka_unit_test(test_stillborn),
		cmocka_unit_test(test_administrator),
		cmocka_unit_test(test_too_many_while_alone),
		cmocka_unit_test(test_end_while_alone),
		cmocka_unit_test(test_a_batch_goes_one_way),
		cmocka_unit_test(test_away_from_the_slow_one),
		cmocka_unit_test(test_full_queues),
		cmocka_unit_test(test_half_connections),
		cmocka_unit_test(test_half_connections_all_one_way),
		cmocka_unit_test(test_half_connection_without_a_voice),
		cmocka_unit_test(test_wrong_directions),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
