/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_backlog.c - how much may wait, for links of every speed, in virtual time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/backlog.h"
#include "core/bytes.h"
#include "core/limits.h"

/* A link that sends @rate bytes a second out of a queue that is full at the bound and asks for more at half of it. */
struct link {
	struct backlog b;
	uint64_t rate, now_us;
	unsigned changes, refills;
};

static void link_init(struct link *l, uint64_t rate)
{
	*l = (struct link){ .rate = rate, .now_us = 5000000 };
	backlog_init(&l->b);
	backlog_taken(&l->b, WIRE_BACKLOG_MAX);
	assert_false(backlog_full(&l->b, l->now_us / 1000));
}

/* Bulk for @us, refilled @late_us after it could be. */
static void run(struct link *l, uint64_t us, uint64_t late_us)
{
	uint64_t end = l->now_us + us;

	while (l->now_us < end) {
		size_t sent = backlog_bound(&l->b) / 2;

		l->now_us += sent * 1000000 / l->rate + late_us;
		sent += min_size(late_us * l->rate / 1000000, sent); /* no more than was there */
		backlog_eased(&l->b, l->now_us / 1000);
		backlog_taken(&l->b, sent);
		l->changes += backlog_full(&l->b, l->now_us / 1000);
		l->refills++;
		assert_in_range(backlog_bound(&l->b), WIRE_BACKLOG_MIN, WIRE_BACKLOG_MAX);
	}
}

static size_t ideal(uint64_t rate)
{
	uint64_t n = rate * WIRE_BACKLOG_MS / 1000;

	return n < WIRE_BACKLOG_MIN ? WIRE_BACKLOG_MIN : n > WIRE_BACKLOG_MAX ? WIRE_BACKLOG_MAX : (size_t)n;
}

static void assert_near(const struct link *l, uint64_t rate)
{
	size_t want = ideal(rate), got = backlog_bound(&l->b);

	assert_true(got >= want - want / 4 && got <= want + want / 4);
}

/* From 64 kbit/s to 10 Gbit/s, and with an owner that is a little late. */
static void test_every_rate(void **state)
{
	(void)state;
	for (uint64_t rate = 8000; rate < 1250000000; rate = rate * 3 / 2) {
		for (uint64_t late_us = 0; late_us <= 200; late_us += 100) {
			struct link l;
			unsigned settled;

			link_init(&l, rate);
			assert_int_equal(backlog_bound(&l.b), WIRE_BACKLOG_MAX);
			run(&l, 40000000 + 3000000 / rate, late_us);
			if (late_us == 0 || rate < 50000000)
				assert_near(&l, rate);
			settled = l.changes;
			run(&l, 10000000, late_us);
			assert_true(l.changes - settled <= 2 + 10000 / 20); /* one a measurement at most */
		}
	}
}

/* A link becomes slower, and faster: known within some tenths of a second. */
static void test_changing_rate(void **state)
{
	static const uint64_t rates[] = { 12500000, 125000, 125000000, 1250000, 12500000 };
	struct link l;

	(void)state;
	link_init(&l, rates[0]);
	for (size_t i = 0; i < ARRAY_LEN(rates); i++) {
		l.rate = rates[i];
		run(&l, rates[i] < 1000000 ? 2000000 : 400000, 50);
		assert_near(&l, rates[i]);
	}
}

/* What happens with pauses says nothing about the link. */
static void test_idle(void **state)
{
	struct link l;

	(void)state;
	link_init(&l, 12500000);
	run(&l, 1000000, 0);
	assert_near(&l, 12500000);
	for (unsigned i = 0; i < 100; i++) { /* once a second, a little more than the queue takes */
		l.now_us += 1000;
		backlog_eased(&l.b, l.now_us / 1000);
		l.now_us += 1000000;
		backlog_taken(&l.b, 70000);
		assert_false(backlog_full(&l.b, l.now_us / 1000));
	}
	assert_near(&l, 12500000);
	assert_true(l.b.full);
	assert_false(backlog_full(&l.b, l.now_us / 1000 + 50)); /* it is already */
}

/* Only a link that has been full lately is offered small steps. */
static void test_steps(void **state)
{
	struct backlog b;

	(void)state;
	backlog_init(&b);
	assert_int_equal(backlog_step(&b, 0), WIRE_BACKLOG_MAX);
	backlog_taken(&b, 100000);
	assert_false(backlog_full(&b, 1000));
	assert_int_equal(backlog_step(&b, 1000), WIRE_BACKLOG_MAX / 2);
	backlog_eased(&b, 1030);
	backlog_taken(&b, 30000);
	assert_true(backlog_full(&b, 1030)); /* 1 MB/s */
	assert_int_equal(backlog_bound(&b), WIRE_BACKLOG_MIN);
	assert_int_equal(backlog_step(&b, 1030), WIRE_BACKLOG_MIN / 2);
	assert_int_equal(backlog_step(&b, 9999), WIRE_BACKLOG_MIN / 2); /* full all the time */
	backlog_eased(&b, 10000);
	assert_int_equal(backlog_step(&b, 11000), WIRE_BACKLOG_MIN / 2);
	assert_int_equal(backlog_step(&b, 11001), WIRE_BACKLOG_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_rate),
		cmocka_unit_test(test_changing_rate),
		cmocka_unit_test(test_idle),
		cmocka_unit_test(test_steps),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
