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

/* Returns the error that ended the session, 0 if it came up. */
static int run_session(const struct se_bytes *stream)
{
	const struct session_ops *ops = &softether_session_ops;
	struct session_conf conf = { .user = "alice", .password = "Secret123", .hub = "OFFICE" };
	struct wire_facts wire = { .verified = true, .host = "vpn.example.com", .port = 443 };
	struct session_env env = { .random = give_zeros };
	struct session_event ev;
	struct session *s = NULL;
	bool ready = false;
	size_t done = 0;
	int r = ops->create(&s, &conf, &wire, &env, 0);

	if (r != 0) {
		assert_null(s);
		return r;
	}
	while (r == 0 && done < stream->n) {
		size_t room;
		uint8_t *to = ops->rx_reserve(s, 0, &room);
		size_t n = min_size(room, stream->n - done);

		assert_true(room > 0);
		memcpy(to, stream->p + done, n);
		ops->rx_commit(s, 0, n, 0);
		done += n;
		while (ops->next_event(s, &ev, 0)) {
			if (ev.type == SESSION_CLOSED)
				r = ev.fault->err;
			if (ev.type == SESSION_READY)
				ready = true;
		}
	}
	assert_true(ready == (r == 0));
	ops->destroy(s);
	return r;
}

static void test_each_allocation(void **state)
{
	struct se_bytes stream = { 0 }, body = { 0 };
	uint8_t message[30000];
	unsigned count;

	(void)state;
	memset(message, 'm', sizeof(message));
	se_peer_hello(&body);
	se_peer_data(&body, "pencore", message, sizeof(message));
	se_peer_answer(&stream, &body);
	se_peer_welcome(&body, 20000);
	se_peer_data(&body, "Msg", message, sizeof(message));
	se_peer_answer(&stream, &body);
	allocations = failing = 0;
	assert_int_equal(run_session(&stream), 0);
	count = allocations;
	/* session, two queues, two answers, the way back from the first, message, data phase */
	assert_true(count >= 7);
	for (unsigned i = 1; i <= count; i++) {
		allocations = 0;
		failing = i;
		assert_int_equal(run_session(&stream), VE_NOMEM);
		assert_int_equal(allocations, i);
	}
	se_bytes_free(&stream);
	se_bytes_free(&body);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_allocation),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
