/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_se_nomem.c - a whole SoftEther session in which one allocation after the other fails.
 *
 * The session and the queues are compiled into this file with an allocator that counts. Whatever fails, the
 * session is not made, or ends with VE_NOMEM; nothing leaks, which the sanitizer sees. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static unsigned allocations, failing; /* the one that fails, counted from 1; 0: none */

static void *counted_malloc(size_t n)
{
	return ++allocations == failing ? NULL : malloc(n);
}

static void *counted_calloc(size_t n, size_t size)
{
	return ++allocations == failing ? NULL : calloc(n, size);
}

#define malloc(n) counted_malloc(n)
#define calloc(n, size) counted_calloc(n, size)
#include "core/buf.c"
#include "core/softether/se_channel.c"
#include "core/softether/se_dialogue.c"
#include "core/softether/se_pool.c"
#include "core/softether/softether.c"
#undef malloc
#undef calloc

#include "test/support/se_peer.h"

static void give_zeros(void *ctx, void *to, size_t n)
{
	(void)ctx;
	memset(to, 0, n);
}

struct run {
	struct session *s;
	bool ready;
	unsigned dials, hangups;
	int end; /* the error that ended the session, 0: none */
};

static void take_events(struct run *r, uint64_t now)
{
	struct session_event ev;

	while (softether_session_ops.next_event(r->s, &ev, now)) {
		if (ev.type == SESSION_CLOSED)
			r->end = ev.fault->err;
		r->ready |= ev.type == SESSION_READY;
		r->dials += ev.type == SESSION_DIAL;
		r->hangups += ev.type == SESSION_HANGUP;
	}
}

static void give(struct run *r, unsigned channel, const struct se_bytes *stream, uint64_t now)
{
	const struct session_ops *ops = &softether_session_ops;
	size_t done = 0;

	while (r->end == 0 && r->hangups == 0 && done < stream->n) {
		size_t room;
		uint8_t *to = ops->rx_reserve(r->s, channel, &room);
		size_t n = min_size(room, stream->n - done);

		assert_true(room > 0);
		memcpy(to, stream->p + done, n);
		ops->rx_commit(r->s, channel, n, now);
		done += n;
		take_events(r, now);
	}
}

/* A login with @stream, and another connection with @more. Returns the error that ended the session, 0 if it came up;
 * *joined says how the other connection went. */
static int run_session(const struct se_bytes *stream, const struct se_bytes *more, bool *joined)
{
	const struct session_ops *ops = &softether_session_ops;
	struct session_conf conf = { .user = "alice", .password = "Secret123", .hub = "OFFICE", .tcp_connections = 2 };
	struct wire_facts wire = { .verified = true, .host = "vpn.example.com", .port = 443 };
	struct session_env env = { .random = give_zeros };
	struct run r = { 0 };

	*joined = false;
	r.end = ops->create(&r.s, &conf, &wire, &env, 0);
	if (r.end != 0) {
		assert_null(r.s);
		return r.end;
	}
	give(&r, 0, stream, 0);
	assert_true(r.ready == (r.end == 0));
	ops->tick(r.s, 1000);
	take_events(&r, 1000);
	assert_int_equal(r.dials, r.ready);
	if (r.ready) {
		ops->channel_opened(r.s, 1, &wire, 1000);
		take_events(&r, 1000);
		give(&r, 1, more, 1000);
	}
	*joined = r.ready && r.hangups == 0;
	ops->destroy(r.s);
	return r.end;
}

static void test_each_allocation(void **state)
{
	static const struct se_peer_grants grants = { .timeout_ms = 20000, .max_connection = 2 };
	struct se_bytes stream = { 0 }, more = { 0 }, body = { 0 };
	unsigned count, refused = 0;
	uint8_t message[30000];
	bool joined;

	(void)state;
	memset(message, 'm', sizeof(message));
	se_peer_hello(&body);
	se_peer_data(&body, "pencore", message, sizeof(message));
	se_peer_answer(&stream, &body);
	se_peer_answer(&more, &body);
	se_peer_welcome_with(&body, &grants);
	se_peer_data(&body, "Msg", message, sizeof(message));
	se_peer_answer(&stream, &body);
	se_peer_pack(&body);
	se_peer_int(&body, "direction", 0);
	se_peer_answer(&more, &body);
	allocations = failing = 0;
	assert_int_equal(run_session(&stream, &more, &joined), 0);
	assert_true(joined);
	count = allocations;
	/* session, two queues, two answers, login, the way back from the first, message, data phase; two queues, answer, the
	 * way back, data phase */
	assert_true(count >= 13);
	for (unsigned i = 1; i <= count; i++) {
		int r;

		allocations = 0;
		failing = i;
		r = run_session(&stream, &more, &joined);
		assert_false(joined);
		if (r == 0) {
			refused++; /* the session goes on without the other connection */
			continue;
		}
		assert_int_equal(refused, 0);
		assert_int_equal(r, VE_NOMEM);
		assert_int_equal(allocations, i);
	}
	assert_true(refused >= 5);
	se_bytes_free(&stream);
	se_bytes_free(&more);
	se_bytes_free(&body);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_allocation),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
