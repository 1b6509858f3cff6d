/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_half_open.c - who may connect now, and who waits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "core/err.h"
#include "core/limits.h"
#include "socks/half_open.h"

#define MANY 10000u

static struct half_open h;
static struct half_open_claim *claims[MANY];

static int setup(void **state)
{
	(void)state;
	memset(&h, 0, sizeof(h));
	memset(claims, 0, sizeof(claims));
	return 0;
}

static void assert_empty(void)
{
	static const struct half_open empty;

	assert_memory_equal(&h, &empty, sizeof(h));
}

static struct dest address(unsigned host, uint16_t port)
{
	return (struct dest){ .ip = { IP_V4, { 10, (uint8_t)(host >> 16), (uint8_t)(host >> 8), (uint8_t)host } }, .port = port };
}

static struct dest name(const char *text)
{
	struct dest d = { .port = 80 };

	assert_int_equal(dest_set_name(&d, text, strlen(text)), 0);
	return d;
}

static struct half_open_claim *join(struct dest to)
{
	struct half_open_claim *c = NULL;

	assert_int_equal(half_open_join(&h, &to, NULL, &c), 0);
	assert_non_null(c);
	return c;
}

static void leave_all(unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		half_open_leave(&h, claims[i]);
		claims[i] = NULL;
	}
}

/* Half of all for one place, a third for each of two, and so on: there is always room for the next place. */
static void shares(void **state)
{
	struct half_open_claim *late;

	(void)state;
	for (unsigned places = 1; places <= 40; places++) {
		unsigned under_way[40] = { 0 };

		for (unsigned i = 0; i < MANY; i++) {
			claims[i] = join(address(i % places, 80));
			under_way[i % places] += claims[i]->under_way;
		}
		for (unsigned p = 0; p < places; p++) {
			assert_true(under_way[p] >= HALF_OPEN_MAX / (places + 1));
			assert_true(under_way[p] <= HALF_OPEN_MAX / (places + 1) + 1);
		}
		assert_int_equal(h.under_way + h.waiting, MANY);
		assert_false(half_open_is_crowded(&h));
		assert_null(half_open_next(&h));
		late = join(address(99, 80));
		assert_true(late->under_way);
		half_open_leave(&h, late);
		leave_all(MANY);
		assert_empty();
	}
}

/* A place is an address of either family, or a name in any case; never a port. */
static void places(void **state)
{
	struct dest six = { .ip = { IP_V6, { 0xfd, [15] = 1 } }, .port = 80 }, other_six = six;
	unsigned n = 0;

	(void)state;
	other_six.ip.b[15] = 2;
	for (unsigned i = 0; i < HALF_OPEN_MAX / 2; i++)
		claims[n++] = join(name(i % 2 ? "Far.Corp" : "fAR.cORP"));
	assert_int_equal(h.waiting, 0);
	claims[n++] = join(name("far.corp"));
	assert_false(claims[n - 1]->under_way);
	claims[n++] = join(name("far.corp2"));
	assert_true(claims[n - 1]->under_way);
	leave_all(n);
	n = 0;
	for (unsigned i = 0; i < HALF_OPEN_MAX / 2; i++)
		claims[n++] = join(address(1, (uint16_t)(i + 1)));
	claims[n++] = join(address(1, 50000));
	assert_false(claims[n - 1]->under_way);
	leave_all(n);
	n = 0;
	for (unsigned i = 0; i < HALF_OPEN_MAX / 2; i++)
		claims[n++] = join(six);
	claims[n++] = join(six);
	assert_false(claims[n - 1]->under_way);
	claims[n++] = join(other_six);
	assert_true(claims[n - 1]->under_way);
	claims[n++] = join(name("fd00"));
	assert_true(claims[n - 1]->under_way);
	leave_all(n);
	assert_empty();
}

/* At one place those that came first; among places by turns, however many wait at one of them. */
static void turns(void **state)
{
	static const unsigned where[] = { 1, 1, 1, 2, 3, 3 }, order[] = { 0, 3, 4, 1, 5, 2 };
	struct half_open_claim *waiting[6];
	unsigned n = 0;

	(void)state;
	/* full, but for one each that these three places have */
	for (unsigned p = 1; p <= 3; p++)
		claims[n++] = join(address(p, 80));
	for (; h.under_way < HALF_OPEN_MAX; n++)
		claims[n] = join(address(100 + n, 80));
	for (unsigned i = 0; i < 6; i++) {
		waiting[i] = join(address(where[i], 80));
		assert_false(waiting[i]->under_way);
	}
	assert_true(half_open_is_crowded(&h));
	assert_null(half_open_next(&h));
	for (unsigned i = 0; i < 3; i++)
		half_open_leave(&h, claims[i]);
	for (unsigned i = 3; i < 60; i++)
		half_open_leave(&h, claims[i]);
	for (unsigned i = 0; i < 6; i++) {
		struct half_open_claim *c = half_open_next(&h);

		assert_ptr_equal(c, waiting[order[i]]);
		assert_true(c->under_way);
	}
	assert_null(half_open_next(&h));
	assert_int_equal(h.waiting, 0);
	for (unsigned i = 0; i < 6; i++)
		half_open_leave(&h, waiting[i]);
	for (unsigned i = 60; i < n; i++)
		half_open_leave(&h, claims[i]);
	assert_empty();
}

/* More places than there is room: each gets one, in order, when somebody leaves. */
static void crowded(void **state)
{
	(void)state;
	for (unsigned i = 0; i < MANY; i++)
		claims[i] = join(address(i, 80));
	assert_int_equal(h.under_way, HALF_OPEN_MAX);
	assert_true(half_open_is_crowded(&h));
	for (unsigned i = 0; i < MANY; i++) {
		assert_true(claims[i]->under_way);
		half_open_leave(&h, claims[i]);
		if (i + HALF_OPEN_MAX < MANY)
			assert_ptr_equal(half_open_next(&h), claims[i + HALF_OPEN_MAX]);
		assert_null(half_open_next(&h));
	}
	assert_empty();
}

/* All the time that was asked for, unless others cannot come in because of it. */
static void patience(void **state)
{
	unsigned n = 0;

	(void)state;
	for (; n <= HALF_OPEN_MAX / 2; n++)
		claims[n] = join(address(1, 80));
	assert_true(claims[0]->under_way);
	assert_false(claims[n - 1]->under_way);
	assert_int_equal(half_open_patience(&h, claims[0], 0, false), UINT32_MAX);
	assert_int_equal(half_open_patience(&h, claims[n - 1], 0, false), FLOW_CONNECT_MS);
	assert_int_equal(half_open_patience(&h, claims[0], 300000, false), 300000);
	assert_int_equal(half_open_patience(&h, claims[n - 1], 300000, false), 300000);
	assert_int_equal(half_open_patience(&h, claims[0], 0, true), HALF_OPEN_MS);
	assert_int_equal(half_open_patience(&h, claims[n - 1], 0, true), HALF_OPEN_MS);
	for (; h.under_way < HALF_OPEN_MAX; n++)
		claims[n] = join(address(2 + n, 80));
	assert_true(half_open_is_crowded(&h));
	assert_int_equal(half_open_patience(&h, claims[0], 0, false), HALF_OPEN_MS);
	assert_int_equal(half_open_patience(&h, claims[0], 100, false), 100);
	half_open_leave(&h, claims[--n]);
	assert_int_equal(half_open_patience(&h, claims[0], 0, false), UINT32_MAX);
	leave_all(n);
	assert_empty();
}

static void nobody(void **state)
{
	(void)state;
	half_open_leave(&h, NULL);
	assert_null(half_open_next(&h));
	assert_false(half_open_is_crowded(&h));
	assert_empty();
}

/* Anybody comes and goes in any order, also those that wait: the sums are right, nobody is forgotten, nobody has to wait
 * who could go. */
static void any_order(void **state)
{
	uint32_t seed = 1;
	unsigned begun = 0;

	(void)state;
	for (unsigned step = 0; step < 200000; step++) {
		unsigned i, under_way = 0, waiting = 0;
		struct half_open_claim *c;

		seed = seed * 1664525u + 1013904223u;
		i = (seed >> 8) % 3000;
		if (claims[i]) {
			half_open_leave(&h, claims[i]);
			claims[i] = NULL;
		} else {
			claims[i] = join(address((seed >> 20) % 7 * (i % 300), 80));
		}
		while ((c = half_open_next(&h))) {
			assert_true(c->under_way);
			begun++;
		}
		assert_true(h.under_way <= HALF_OPEN_MAX);
		for (unsigned k = 0; step % 1000 == 0 && k < 3000; k++) {
			under_way += claims[k] && claims[k]->under_way;
			waiting += claims[k] && !claims[k]->under_way;
		}
		if (step % 1000 == 0) {
			assert_int_equal(h.under_way, under_way);
			assert_int_equal(h.waiting, waiting);
		}
	}
	assert_true(begun > 1000); /* or this has tested little */
	leave_all(3000);
	assert_empty();
}

#define TEST(f) cmocka_unit_test_setup(f, setup)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(shares), TEST(places), TEST(turns), TEST(crowded), TEST(patience), TEST(nobody), TEST(any_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
