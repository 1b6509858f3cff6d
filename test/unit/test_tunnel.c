/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_tunnel.c - the pump and its reconnects, against a wire, a session and a link made of memory.
 *
 * The fakes below stand where wire.c, a protocol and netstack/ would; they are scripted by the test and write down what
 * the tunnel did to them. The loop is real, its timers are 1 ms or never. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <uv.h>

#include "core/buf.h"
#include "core/log.h"
#include "core/tunnel.h"
#include "core/wire.h"

/* --- fake wire ------------------------------------------------------------------------------------------------ */

struct wire {
	const struct wire_events *ev;
	void *ctx;
};

static struct {
	struct wire *now;       /* the open wire, NULL if none */
	unsigned opened, closed;
	uint8_t in[256];        /* plaintext that the server sent */
	size_t nin;
	uint8_t out[4096];      /* plaintext that the tunnel sent */
	size_t nout;
	size_t out_cap;         /* how much it takes before it is full */
	unsigned flushes;
} wire;

int wire_open(struct wire **ret, uv_loop_t *loop, const struct wire_conf *c, struct trust *trust,
	      const struct wire_events *ev, void *ctx)
{
	(void)loop;
	(void)trust;
	assert_string_equal(c->host, "vpn.example.com");
	assert_int_equal(c->port, 443);
	assert_null(wire.now);
	wire.now = calloc(1, sizeof(*wire.now));
	assert_non_null(wire.now);
	wire.now->ev = ev;
	wire.now->ctx = ctx;
	wire.opened++;
	wire.nin = 0;
	*ret = wire.now;
	return 0;
}

int wire_read(struct wire *w, uint8_t *p, size_t cap, size_t *ret)
{
	size_t n = min_size(cap, wire.nin);

	assert_ptr_equal(w, wire.now);
	if (n == 0)
		return VE_AGAIN;
	memcpy(p, wire.in, n);
	memmove(wire.in, wire.in + n, wire.nin - n);
	wire.nin -= n;
	*ret = n;
	return 0;
}

size_t wire_write(struct wire *w, const uint8_t *p, size_t n)
{
	size_t take = min_size(n, wire.out_cap - wire.nout);

	assert_ptr_equal(w, wire.now);
	memcpy(wire.out + wire.nout, p, take);
	wire.nout += take;
	return take;
}

void wire_flush(struct wire *w)
{
	assert_ptr_equal(w, wire.now);
	wire.flushes++;
}

void wire_close(struct wire *w)
{
	if (!w)
		return;
	assert_ptr_equal(w, wire.now);
	wire.closed++;
	wire.now = NULL;
	free(w);
}

static void wire_opens(void)
{
	struct wire_facts facts = { .verified = true, .port = 443 };

	wire.now->ev->opened(wire.now->ctx, &facts);
}

static void wire_brings(const char *bytes)
{
	size_t n = strlen(bytes);

	assert_true(wire.nin + n <= sizeof(wire.in));
	memcpy(wire.in + wire.nin, bytes, n);
	wire.nin += n;
	wire.now->ev->readable(wire.now->ctx);
}

static void wire_ends(int err, const char *text)
{
	struct fault f = { 0 };

	fault_set(&f, err, "%s", text);
	wire.now->ev->closed(wire.now->ctx, &f);
}

/* --- fake session: each received byte is an event ----------------------------------------------------------------
 * 'R' READY, 'f' a frame, 'o' ROOM, 'X' closed for good, 'x' closed and worth retrying; output() appends to tx. */

struct fake_session {
	struct session base;
	struct buf rx, tx;
	struct fault fault;
	struct link_facts facts;
	struct fault end; /* of the wire; err 0: it is there */
	bool ready, stopped, closed;
	uint64_t deadline;
};

static struct {
	unsigned created, destroyed, ticks;
	int create_result;
	bool silent_goodbye; /* stop() is never answered by CLOSED */
	size_t tx_cap;
	uint64_t deadline;
	struct fake_session *now;
} sess;

static struct fake_session *fake_of(const struct session *s)
{
	return (struct fake_session *)(uintptr_t)s;
}

static int fake_create(struct session **ret, const struct session_conf *c, const struct wire_facts *w,
		       const struct session_env *env, uint64_t now_ms);

static void fake_destroy(struct session *s)
{
	struct fake_session *f = fake_of(s);

	buf_fini(&f->rx);
	buf_fini(&f->tx);
	free(f);
	sess.destroyed++;
	sess.now = NULL;
}

static uint8_t *fake_rx_reserve(struct session *s, unsigned channel, size_t *room)
{
	(void)channel;
	return buf_reserve(&fake_of(s)->rx, 1, room);
}

static void fake_rx_commit(struct session *s, unsigned channel, size_t n, uint64_t now_ms)
{
	(void)channel;
	(void)now_ms;
	buf_commit(&fake_of(s)->rx, n);
}

static void fake_channel_closed(struct session *s, unsigned channel, const struct fault *f, uint64_t now_ms)
{
	(void)channel;
	(void)now_ms;
	fake_of(s)->end = *f;
}

static struct slice fake_tx_peek(const struct session *s, unsigned channel)
{
	(void)channel;
	return buf_peek(&fake_of(s)->tx);
}

static void fake_tx_consume(struct session *s, unsigned channel, size_t n, uint64_t now_ms)
{
	(void)channel;
	(void)now_ms;
	buf_consume(&fake_of(s)->tx, n);
}

static int fake_output(struct session *s, const struct slice *v, size_t nv)
{
	assert_int_equal(nv, 1);
	return buf_put(&fake_of(s)->tx, v->p, v->n);
}

static bool close_event(struct fake_session *f, int err, bool final, const char *text, struct session_event *ret)
{
	f->closed = true;
	if (final)
		fault_set_final(&f->fault, err, "%s", text);
	else
		fault_set(&f->fault, err, "%s", text);
	*ret = (struct session_event){ .type = SESSION_CLOSED, .fault = &f->fault };
	return true;
}

static bool fake_next_event(struct session *s, struct session_event *ret, uint64_t now_ms)
{
	struct fake_session *f = fake_of(s);
	struct slice in = buf_peek(&f->rx);

	(void)now_ms;
	if (f->closed)
		return false;
	if (f->stopped && !sess.silent_goodbye)
		return close_event(f, VE_CANCELED, false, "stopped", ret);
	if (in.n == 0 && f->end.err == 0)
		return false;
	if (in.n == 0) /* a broken wire speaks for itself once the session is up */
		return f->ready && f->end.err != VE_EOF
			       ? close_event(f, f->end.err, false, f->end.text, ret)
			       : close_event(f, VE_LOST, false, "the server ended the session", ret);
	buf_consume(&f->rx, 1);
	switch (in.p[0]) {
	case 'R':
		f->ready = true;
		*ret = (struct session_event){ .type = SESSION_READY, .facts = &f->facts };
		return true;
	case 'f':
		*ret = (struct session_event){ .type = SESSION_FRAME, .frame = { in.p, 1 } };
		return true;
	case 'o':
		*ret = (struct session_event){ .type = SESSION_ROOM };
		return true;
	case 'X':
		return close_event(f, VE_AUTH, true, "wrong password", ret);
	default:
		return close_event(f, VE_LOST, false, "kicked", ret);
	}
}

static uint64_t fake_deadline(const struct session *s)
{
	return fake_of(s)->deadline;
}

static void fake_tick(struct session *s, uint64_t now_ms)
{
	(void)now_ms;
	fake_of(s)->deadline = UINT64_MAX;
	sess.ticks++;
	assert_int_equal(buf_put(&fake_of(s)->tx, "tick", 4), 0);
}

static void fake_stop(struct session *s, uint64_t now_ms)
{
	(void)now_ms;
	fake_of(s)->stopped = true;
	assert_int_equal(buf_put(&fake_of(s)->tx, "bye", 3), 0);
}

static const char *fake_state_name(const struct session *s)
{
	(void)s;
	return "fake";
}

static const struct session_ops fake_ops = {
	.scheme = "fake",
	.link = LINK_ETHERNET,
	.default_port = 443,
	.create = fake_create,
	.destroy = fake_destroy,
	.rx_reserve = fake_rx_reserve,
	.rx_commit = fake_rx_commit,
	.channel_closed = fake_channel_closed,
	.tx_peek = fake_tx_peek,
	.tx_consume = fake_tx_consume,
	.output = fake_output,
	.next_event = fake_next_event,
	.deadline = fake_deadline,
	.tick = fake_tick,
	.stop = fake_stop,
	.state_name = fake_state_name,
};

static int fake_create(struct session **ret, const struct session_conf *c, const struct wire_facts *w,
		       const struct session_env *env, uint64_t now_ms)
{
	struct fake_session *f;

	(void)env;
	(void)now_ms;
	assert_string_equal(c->user, "alice");
	assert_true(w->verified);
	if (sess.create_result != 0)
		return sess.create_result;
	f = calloc(1, sizeof(*f));
	assert_non_null(f);
	f->base.ops = &fake_ops;
	f->deadline = sess.deadline;
	assert_int_equal(buf_init(&f->rx, 64), 0);
	assert_int_equal(buf_init(&f->tx, sess.tx_cap), 0);
	assert_int_equal(buf_put(&f->tx, "hello", 5), 0);
	sess.created++;
	sess.now = f;
	*ret = &f->base;
	return 0;
}

/* --- fake link ------------------------------------------------------------------------------------------------ */

static struct {
	const struct link_owner *owner;
	unsigned ups, downs, frames, rooms, turn_ends;
	int up_result;
	bool fail_on_frame;
	char answer; /* sent for each frame, 0: nothing */
	int last_output;
} net;

static int fake_link_up(void *link, const struct link_facts *facts, const struct link_owner *owner)
{
	(void)link;
	(void)facts;
	if (net.up_result != 0)
		return net.up_result;
	net.owner = owner;
	net.ups++;
	return 0;
}

static void fake_link_input(void *link, struct slice frame)
{
	struct slice v = { (const uint8_t *)&net.answer, 1 };
	struct fault f = { 0 };

	(void)link;
	assert_int_equal(frame.n, 1);
	net.frames++;
	if (net.answer)
		net.last_output = net.owner->output(net.owner->ctx, &v, 1);
	if (net.fail_on_frame) {
		fault_set(&f, VE_ADDRESS, "no DHCP answer");
		net.owner->failed(net.owner->ctx, &f);
	}
}

static void fake_link_room(void *link)
{
	(void)link;
	net.rooms++;
}

static void fake_link_turn_end(void *link)
{
	(void)link;
	net.turn_ends++;
}

static void fake_link_down(void *link)
{
	(void)link;
	net.owner = NULL;
	net.downs++;
}

static const struct link_ops fake_link_ops = {
	fake_link_up, fake_link_input, fake_link_room, fake_link_turn_end, fake_link_down,
};

static void link_gets_address(void)
{
	struct ip a = { .family = IP_V4, .b = { 192, 168, 30, 10 } };

	net.owner->ready(net.owner->ctx, &a);
}

/* --- the tunnel under test ------------------------------------------------------------------------------------ */

static struct {
	uv_loop_t loop;
	struct tunnel *t;
	unsigned ready, lost, over;
	struct fault fault; /* of the last lost() or over() */
} up;

static void on_ready(void *ctx, const struct ip *address)
{
	(void)ctx;
	assert_int_equal(address->b[3], 10);
	up.ready++;
}

static void on_lost(void *ctx, const struct fault *f)
{
	(void)ctx;
	up.fault = *f;
	up.lost++;
}

static void on_over(void *ctx, const struct fault *f)
{
	(void)ctx;
	up.fault = *f;
	up.over++;
}

static const struct tunnel_events events = { on_ready, on_lost, on_over };

static void zeros(void *ctx, void *to, size_t n)
{
	(void)ctx;
	memset(to, 0, n);
}

static const struct session_env env = { zeros, NULL };

static int setup(void **state)
{
	(void)state;
	memset(&wire, 0, sizeof(wire));
	memset(&sess, 0, sizeof(sess));
	memset(&net, 0, sizeof(net));
	memset(&up, 0, sizeof(up));
	wire.out_cap = sizeof(wire.out);
	sess.tx_cap = 64;
	sess.deadline = UINT64_MAX;
	log_set_level(LOG_ERROR);
	return uv_loop_init(&up.loop);
}

static void start(uint32_t retries, bool retry_first)
{
	static const struct session_conf account = { .user = "alice" };
	struct tunnel_conf c = {
		.protocol = &fake_ops,
		.host = "vpn.example.com",
		.port = 443,
		.session = account,
		.retries = retries,
		.retry_interval_ms = 1,
		.retry_first = retry_first,
	};

	assert_int_equal(tunnel_new(&up.t, &up.loop, &c, NULL, &fake_link_ops, NULL, &env, &events, NULL), 0);
}

/* Frees the tunnel and proves that nothing of it is left. */
static int teardown(void **state)
{
	(void)state;
	tunnel_free(up.t);
	uv_run(&up.loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&up.loop), 0);
	assert_int_equal(wire.opened, wire.closed);
	assert_int_equal(sess.created, sess.destroyed);
	assert_int_equal(net.ups, net.downs);
	return 0;
}

static void come_up(void)
{
	wire_opens();
	wire_brings("R");
	link_gets_address();
	assert_true(up.ready > 0);
}

/* Let the loop go on until the back-off has made a new wire. */
static void wait_for_wire(unsigned opened)
{
	while (wire.opened < opened)
		uv_run(&up.loop, UV_RUN_ONCE);
}

/* --- tests ---------------------------------------------------------------------------------------------------- */

static void test_comes_up(void **state)
{
	(void)state;
	start(UINT32_MAX, false);
	assert_int_equal(wire.opened, 1);
	wire_opens();
	assert_memory_equal(wire.out, "hello", 5); /* the session's first request left in the same turn */
	assert_int_equal(wire.nout, 5);
	wire_brings("R");
	assert_int_equal(net.ups, 1);
	assert_int_equal(up.ready, 0);
	link_gets_address();
	assert_int_equal(up.ready, 1);
}

static void test_batch_is_one_turn_and_one_flush(void **state)
{
	unsigned flushes;

	(void)state;
	start(UINT32_MAX, false);
	come_up();
	wire.nout = 0;
	flushes = wire.flushes;
	net.answer = 'a';
	wire_brings("ffff");
	assert_int_equal(net.frames, 4);
	assert_int_equal(net.turn_ends, 1);
	assert_int_equal(wire.nout, 4);
	assert_memory_equal(wire.out, "aaaa", 4);
	assert_int_equal(wire.flushes, flushes + 1);
}

static void test_kick_flushes_once_before_the_loop_sleeps(void **state)
{
	struct slice v = { (const uint8_t *)"q", 1 };
	unsigned flushes;

	(void)state;
	start(UINT32_MAX, false);
	come_up();
	uv_run(&up.loop, UV_RUN_NOWAIT);
	wire.nout = 0;
	flushes = wire.flushes;
	for (int i = 0; i < 3; i++) {
		assert_int_equal(net.owner->output(net.owner->ctx, &v, 1), 0);
		net.owner->kick(net.owner->ctx);
	}
	assert_int_equal(wire.nout, 0);
	uv_run(&up.loop, UV_RUN_NOWAIT);
	assert_int_equal(wire.nout, 3);
	assert_int_equal(wire.flushes, flushes + 1);
}

static void test_full_wire_leaves_bytes_in_the_session(void **state)
{
	(void)state;
	start(UINT32_MAX, false);
	come_up();
	wire.nout = 0;
	wire.out_cap = 2;
	net.answer = 'a';
	wire_brings("fffff");
	assert_int_equal(wire.nout, 2);
	assert_int_equal(buf_len(&sess.now->tx), 3);
	wire.nout = 0;
	wire.out_cap = sizeof(wire.out);
	wire.now->ev->writable(wire.now->ctx);
	assert_int_equal(wire.nout, 3);
	assert_int_equal(buf_len(&sess.now->tx), 0);
}

static void test_full_session_says_again_and_room_follows(void **state)
{
	(void)state;
	sess.tx_cap = 5;
	start(UINT32_MAX, false);
	wire.out_cap = 0;
	come_up(); /* "hello" fills tx, and the wire takes nothing */
	net.answer = 'a';
	wire_brings("f");
	assert_int_equal(net.last_output, VE_AGAIN);
	wire_brings("o");
	assert_int_equal(net.rooms, 1);
}

static void test_deadline_ticks_and_the_tick_is_sent(void **state)
{
	(void)state;
	sess.deadline = 0; /* in the past */
	start(UINT32_MAX, false);
	wire_opens();
	wire.nout = 0;
	while (sess.ticks == 0)
		uv_run(&up.loop, UV_RUN_ONCE);
	assert_int_equal(sess.ticks, 1);
	assert_memory_equal(wire.out, "tick", 4);
}

static void test_first_connect_is_not_retried_by_default(void **state)
{
	(void)state;
	start(UINT32_MAX, false);
	wire_ends(VE_CONNECT, "connection refused");
	assert_int_equal(up.over, 1);
	assert_int_equal(up.lost, 0);
	assert_int_equal(up.fault.err, VE_CONNECT);
	assert_string_equal(up.fault.text, "connection refused");
}

static void test_first_connect_is_retried_when_asked(void **state)
{
	(void)state;
	start(2, true);
	wire_ends(VE_CONNECT, "connection refused");
	assert_int_equal(up.lost, 1);
	wait_for_wire(2);
	wire_ends(VE_CONNECT, "connection refused");
	wait_for_wire(3);
	wire_ends(VE_CONNECT, "connection refused");
	assert_int_equal(up.lost, 2);
	assert_int_equal(up.over, 1);
	assert_int_equal(up.fault.err, VE_CONNECT); /* never up: the reason, not "lost" */
}

static void test_final_fault_is_never_retried(void **state)
{
	(void)state;
	start(UINT32_MAX, true);
	wire_opens();
	wire_brings("X");
	assert_int_equal(up.over, 1);
	assert_int_equal(up.fault.err, VE_AUTH);
	assert_int_equal(wire.closed, 1);
}

static void test_lost_tunnel_comes_back(void **state)
{
	(void)state;
	start(UINT32_MAX, false);
	come_up();
	wire_brings("x");
	assert_int_equal(up.lost, 1);
	assert_string_equal(up.fault.text, "kicked");
	assert_int_equal(net.downs, 1);
	assert_int_equal(sess.destroyed, 1);
	wait_for_wire(2);
	come_up();
	assert_int_equal(up.ready, 2);
	assert_int_equal(up.over, 0);
}

static void test_lost_with_no_retries_is_lost(void **state)
{
	(void)state;
	start(0, true);
	come_up();
	wire_ends(VE_EOF, "closed by the server");
	assert_int_equal(up.over, 1);
	assert_int_equal(up.fault.err, VE_LOST);
	assert_string_equal(up.fault.text, "the server ended the session"); /* the session's words, not the wire's */
}

static void test_reset_speaks_for_itself_but_not_during_the_login(void **state)
{
	(void)state;
	start(0, false);
	wire_opens();
	wire_ends(VE_LOST, "connection reset");
	assert_string_equal(up.fault.text, "the server ended the session");
	tunnel_free(up.t);
	uv_run(&up.loop, UV_RUN_DEFAULT);

	start(0, false);
	come_up();
	wire_ends(VE_LOST, "connection reset");
	assert_string_equal(up.fault.text, "connection reset");
}

static void test_final_fault_after_loss_keeps_its_code(void **state)
{
	(void)state;
	start(UINT32_MAX, false);
	come_up();
	wire_brings("x");
	wait_for_wire(2);
	wire_opens();
	wire_brings("X");
	assert_int_equal(up.over, 1);
	assert_int_equal(up.fault.err, VE_AUTH);
}

static void test_bytes_before_the_end_still_count(void **state)
{
	(void)state;
	start(0, false);
	come_up();
	memcpy(wire.in, "ffX", 3);
	wire.nin = 3;
	wire_ends(VE_EOF, "closed by the server");
	assert_int_equal(net.frames, 2);
	assert_int_equal(up.fault.err, VE_AUTH);
}

static void test_link_failure_inside_input_ends_the_attempt_later(void **state)
{
	(void)state;
	start(0, false);
	wire_opens();
	net.fail_on_frame = true;
	wire_brings("Rfff");
	assert_int_equal(net.frames, 1); /* no frame is delivered after the failure */
	assert_int_equal(up.over, 1);
	assert_int_equal(up.fault.err, VE_ADDRESS);
}

static void test_link_that_cannot_start(void **state)
{
	(void)state;
	net.up_result = VE_NOMEM;
	start(0, false);
	wire_opens();
	wire_brings("R");
	assert_int_equal(up.over, 1);
	assert_int_equal(up.fault.err, VE_NOMEM);
	assert_int_equal(net.downs, 0);
}

static void test_session_that_cannot_start(void **state)
{
	(void)state;
	sess.create_result = VE_USAGE;
	start(UINT32_MAX, true);
	wire_opens();
	assert_int_equal(up.over, 1);
	assert_int_equal(up.fault.err, VE_USAGE);
}

static void test_stop_says_goodbye(void **state)
{
	(void)state;
	start(UINT32_MAX, true);
	come_up();
	wire.nout = 0;
	tunnel_stop(up.t);
	tunnel_stop(up.t);
	uv_run(&up.loop, UV_RUN_NOWAIT);
	assert_memory_equal(wire.out, "bye", 3);
	assert_int_equal(up.over, 1);
	assert_int_equal(up.fault.err, VE_CANCELED);
}

static void test_stop_while_connecting_and_while_waiting(void **state)
{
	(void)state;
	start(UINT32_MAX, true);
	wire_ends(VE_CONNECT, "connection refused");
	assert_int_equal(up.lost, 1);
	tunnel_stop(up.t);
	uv_run(&up.loop, UV_RUN_NOWAIT);
	assert_int_equal(up.over, 1);
	tunnel_free(up.t);
	uv_run(&up.loop, UV_RUN_DEFAULT);

	up.over = 0;
	start(UINT32_MAX, true);
	tunnel_stop(up.t);
	uv_run(&up.loop, UV_RUN_NOWAIT);
	assert_int_equal(up.over, 1);
	assert_int_equal(up.fault.err, VE_CANCELED);
}

static void test_stop_without_an_answer_ends_all_the_same(void **state)
{
	(void)state;
	sess.silent_goodbye = true;
	start(UINT32_MAX, true);
	come_up();
	tunnel_stop(up.t);
	while (up.over == 0)
		uv_run(&up.loop, UV_RUN_ONCE);
	assert_int_equal(up.fault.err, VE_CANCELED);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_comes_up),
		T(test_batch_is_one_turn_and_one_flush),
		T(test_kick_flushes_once_before_the_loop_sleeps),
		T(test_full_wire_leaves_bytes_in_the_session),
		T(test_full_session_says_again_and_room_follows),
		T(test_deadline_ticks_and_the_tick_is_sent),
		T(test_first_connect_is_not_retried_by_default),
		T(test_first_connect_is_retried_when_asked),
		T(test_final_fault_is_never_retried),
		T(test_lost_tunnel_comes_back),
		T(test_lost_with_no_retries_is_lost),
		T(test_reset_speaks_for_itself_but_not_during_the_login),
		T(test_final_fault_after_loss_keeps_its_code),
		T(test_bytes_before_the_end_still_count),
		T(test_link_failure_inside_input_ends_the_attempt_later),
		T(test_link_that_cannot_start),
		T(test_session_that_cannot_start),
		T(test_stop_says_goodbye),
		T(test_stop_while_connecting_and_while_waiting),
		T(test_stop_without_an_answer_ends_all_the_same),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
