/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_sendq.c - a flow's send queue against a model: the stream as one array with three marks in it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/err.h"
#include "core/limits.h"
#include "netstack/sendq.h"

static uint64_t seed = 1;

static size_t draw(size_t below)
{
	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return (size_t)(seed >> 33) % below;
}

static uint8_t stream(size_t i)
{
	return (uint8_t)(i * 13 + (i >> 8));
}

struct model {
	size_t committed, written, acked;
};

static void fill(struct sendq *q, struct model *m, size_t want)
{
	size_t room = 0;
	uint8_t *p = NULL;
	int r = sendq_reserve(q, FLOW_SEND_MAX, SIZE_MAX, &p, &room);

	if (m->committed - m->acked == FLOW_SEND_MAX) {
		assert_int_equal(r, VE_AGAIN);
		return;
	}
	assert_int_equal(r, 0);
	assert_in_range(room, 1, FLOW_CHUNK);
	assert_true(room <= FLOW_SEND_MAX - (m->committed - m->acked));
	want = min_size(want, room);
	for (size_t i = 0; i < want; i++)
		p[i] = stream(m->committed + i);
	sendq_commit(q, want);
	m->committed += want;
}

static void give(struct sendq *q, struct model *m, size_t want)
{
	bool more;
	struct slice s = sendq_peek(q, &more);

	if (m->written == m->committed) {
		assert_int_equal(s.n, 0);
		assert_false(more);
		return;
	}
	assert_true(s.n > 0 && s.n <= m->committed - m->written);
	assert_int_equal(more, s.n < m->committed - m->written);
	for (size_t i = 0; i < s.n; i++)
		assert_int_equal(s.p[i], stream(m->written + i));
	want = min_size(want, s.n);
	sendq_written(q, want);
	m->written += want;
}

static void acknowledge(struct sendq *q, struct model *m, size_t want)
{
	want = min_size(want, m->written - m->acked);
	sendq_acked(q, want);
	m->acked += want;
}

static void random_walks(void **state)
{
	(void)state;
	for (int round = 0; round < 20; round++) {
		struct sendq q = { 0 };
		struct model m = { 0 };
		size_t step = 1 + draw(60000);

		for (int i = 0; i < 3000; i++) {
			switch (draw(3)) {
			case 0:
				fill(&q, &m, draw(step));
				break;
			case 1:
				give(&q, &m, 1 + draw(step));
				break;
			default:
				acknowledge(&q, &m, draw(step));
			}
			assert_int_equal(q.len, m.committed - m.acked);
			assert_true(q.memory >= q.len && q.memory < q.len + 3 * FLOW_CHUNK);
			if (q.len == 0)
				assert_true(!q.head && q.memory == 0); /* nothing is held while idle */
		}
		sendq_fini(&q);
	}
}

/* What lwIP was given a reference to must not move or change while more is added. */
static void written_bytes_stay(void **state)
{
	struct sendq q = { 0 };
	struct model m = { 0 };
	bool more;
	struct slice first;

	(void)state;
	fill(&q, &m, 1000);
	first = sendq_peek(&q, &more);
	give(&q, &m, first.n);
	while (m.committed < FLOW_SEND_MAX)
		fill(&q, &m, 777);
	for (size_t i = 0; i < 1000; i++)
		assert_int_equal(first.p[i], stream(i));
	sendq_fini(&q);
}

static void limits(void **state)
{
	struct sendq q = { 0 };
	struct model m = { 0 };
	size_t room;
	uint8_t *p;

	(void)state;
	while (m.committed < FLOW_SEND_MAX)
		fill(&q, &m, FLOW_CHUNK);
	assert_int_equal(m.committed, FLOW_SEND_MAX);
	assert_int_equal(sendq_reserve(&q, FLOW_SEND_MAX, SIZE_MAX, &p, &room), VE_AGAIN);
	give(&q, &m, 1);
	acknowledge(&q, &m, 1);
	assert_int_equal(sendq_reserve(&q, FLOW_SEND_MAX, SIZE_MAX, &p, &room), 0);
	assert_int_equal(room, 1);
	sendq_commit(&q, 1);
	assert_int_equal(sendq_reserve(&q, FLOW_SEND_MAX, SIZE_MAX, &p, &room), VE_AGAIN);
	sendq_fini(&q);
	assert_int_equal(q.len, 0);
	sendq_fini(&q);
}

/* The first chunk is everybody's; further ones only as far as memory is left. */
static void memory(void **state)
{
	struct sendq q = { 0 };
	struct model m = { 0 };
	size_t room;
	uint8_t *p;

	(void)state;
	assert_true(sendq_may_grow(&q, 0));
	assert_int_equal(sendq_reserve(&q, FLOW_SEND_MAX, 0, &p, &room), 0);
	assert_int_equal(room, FLOW_CHUNK_MIN);
	assert_int_equal(q.memory, FLOW_CHUNK_MIN);
	sendq_commit(&q, 1);
	assert_int_equal(sendq_reserve(&q, FLOW_SEND_MAX, 0, &p, &room), 0);
	assert_int_equal(room, FLOW_CHUNK_MIN - 1);
	sendq_commit(&q, room);
	assert_false(sendq_may_grow(&q, FLOW_CHUNK - 1));
	assert_int_equal(sendq_reserve(&q, FLOW_SEND_MAX, FLOW_CHUNK - 1, &p, &room), VE_AGAIN);
	assert_int_equal(q.memory, FLOW_CHUNK_MIN);
	assert_int_equal(sendq_reserve(&q, FLOW_SEND_MAX, FLOW_CHUNK, &p, &room), 0);
	assert_int_equal(room, FLOW_CHUNK);
	assert_int_equal(q.memory, FLOW_CHUNK_MIN + FLOW_CHUNK);
	sendq_commit(&q, 0);
	sendq_fini(&q);
	assert_int_equal(q.memory, 0);
	/* a smaller queue than it was */
	fill(&q, &m, FLOW_CHUNK_MIN);
	assert_int_equal(sendq_reserve(&q, 1000, SIZE_MAX, &p, &room), VE_AGAIN);
	assert_int_equal(sendq_reserve(&q, FLOW_CHUNK_MIN + 7, SIZE_MAX, &p, &room), 0);
	assert_int_equal(room, 7);
	sendq_commit(&q, 7);
	sendq_fini(&q);
}

/* Room that is lent survives everything until the commit. */
static void lent_room_is_safe(void **state)
{
	struct sendq q = { 0 };
	struct model m = { 0 };
	size_t room;
	uint8_t *p;

	(void)state;
	assert_int_equal(sendq_reserve(&q, FLOW_SEND_MAX, SIZE_MAX, &p, &room), 0);
	sendq_commit(&q, 0);
	assert_null(q.head); /* lent for nothing */
	fill(&q, &m, 10);
	give(&q, &m, 10);
	assert_int_equal(sendq_reserve(&q, FLOW_SEND_MAX, SIZE_MAX, &p, &room), 0);
	acknowledge(&q, &m, 10); /* the queue runs empty under it */
	memset(p, 7, room);
	sendq_clear(&q); /* and breaks */
	memset(p, 8, room);
	sendq_commit(&q, room);
	assert_int_equal(q.len, room);
	sendq_clear(&q);
	assert_null(q.head);
	fill(&q, &m, FLOW_CHUNK);
	fill(&q, &m, 5);
	assert_int_equal(sendq_reserve(&q, FLOW_SEND_MAX, SIZE_MAX, &p, &room), 0);
	sendq_clear(&q);
	memset(p, 9, room);
	sendq_commit(&q, 0);
	assert_null(q.head);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(random_walks),
		cmocka_unit_test(written_bytes_stay),
		cmocka_unit_test(limits),
		cmocka_unit_test(memory),
		cmocka_unit_test(lent_room_is_safe),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
