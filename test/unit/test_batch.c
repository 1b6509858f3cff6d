/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_batch.c - only what is in the middle of bulk has to wait. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "core/batch.h"
#include "core/limits.h"

static uint32_t visit(struct batch *b, size_t n, uint64_t now_ms)
{
	batch_came(b, n);
	return batch_wait_us(b, now_ms);
}

static void waits_in_bulk(void **state)
{
	struct batch b = { 0 };

	(void)state;
	assert_int_equal(visit(&b, BATCH_BYTES, 1000), 0); /* one large answer */
	assert_int_equal(visit(&b, BATCH_BYTES, 1000), BATCH_WAIT_US);
	assert_int_equal(visit(&b, SIZE_MAX, 1001), BATCH_WAIT_US);
}

static void pieces_of_a_visit_are_summed(void **state)
{
	struct batch b = { 0 };

	(void)state;
	visit(&b, BATCH_BYTES, 7);
	batch_came(&b, BATCH_BYTES - 1);
	assert_int_equal(visit(&b, 1, 7), BATCH_WAIT_US);
}

static void small_visits_do_not_wait(void **state)
{
	struct batch b = { 0 };

	(void)state;
	for (uint64_t now = 0; now < 10; now++)
		assert_int_equal(visit(&b, BATCH_BYTES - 1, now / 4), 0);
	assert_int_equal(visit(&b, BATCH_BYTES, 2), 0);
	assert_int_equal(visit(&b, 1, 2), 0); /* an end of bulk */
	assert_int_equal(visit(&b, BATCH_BYTES, 2), 0);
}

static void silence_ends_bulk(void **state)
{
	struct batch b = { 0 };

	(void)state;
	visit(&b, BATCH_BYTES, 50);
	assert_int_equal(visit(&b, BATCH_BYTES, 51), BATCH_WAIT_US);
	assert_int_equal(visit(&b, BATCH_BYTES, 53), 0);
	assert_int_equal(visit(&b, BATCH_BYTES, 53), BATCH_WAIT_US);
}

static void visits_of_others_do_not_count(void **state)
{
	struct batch b = { 0 };

	(void)state;
	visit(&b, BATCH_BYTES, 50);
	assert_int_equal(batch_wait_us(&b, 50), 0);
	assert_int_equal(batch_wait_us(&b, 50), 0);
	assert_int_equal(visit(&b, BATCH_BYTES, 51), BATCH_WAIT_US);
	assert_int_equal(batch_wait_us(&b, 51), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(waits_in_bulk),
		cmocka_unit_test(pieces_of_a_visit_are_summed),
		cmocka_unit_test(small_visits_do_not_wait),
		cmocka_unit_test(silence_ends_bulk),
		cmocka_unit_test(visits_of_others_do_not_count),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
