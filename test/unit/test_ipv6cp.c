/* SPDX-License-Identifier: GPL-3.0-or-later */
/* IPV6CP, and how the two network protocols wait for each other. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "test/support/ppp_bench.h"

#define ALL_ZERO "810600000000 820600000000 830600000000 840600000000"

static void begin(struct ppp_bench *b)
{
	bench_init(b);
	bench_start(b);
	bench_login(b);
	bench_expect(b, PPP_IPCP, BENCH_IPCP_REQUEST);
	bench_expect(b, PPP_IPV6CP, BENCH_IPV6CP_REQUEST);
	b->ppp.ipv6cp.fsm.heard = true;
}

static void get_ip4(struct ppp_bench *b)
{
	bench_input(b, PPP_IPCP, "01 02 000a 03060a000001");
	bench_input(b, PPP_IPCP, "03 01 000a 03060a000005");
	bench_input(b, PPP_IPCP, "02 02 0022 03060a000005 " ALL_ZERO);
	bench_skip(b);
}

static void get_ip6(struct ppp_bench *b)
{
	bench_input(b, PPP_IPV6CP, "01 f3 000e 010a0000000000000001");
	bench_input(b, PPP_IPV6CP, "02 01 000e 010a0022334455667788");
	bench_skip(b);
}

static void test_agreement(void **state)
{
	struct ppp_bench b;

	(void)state;
	begin(&b);
	bench_input(&b, PPP_IPV6CP, "01 f3 000e 010a0000000000000001");
	bench_expect(&b, PPP_IPV6CP, "02 f3 000e 010a0000000000000001");
	bench_input(&b, PPP_IPV6CP, "03 01 000e 010a 0a0b0c0d0e0f1011"); /* it prefers another one for us */
	bench_expect(&b, PPP_IPV6CP, "01 02 000e 010a 0a0b0c0d0e0f1011");
	bench_input(&b, PPP_IPV6CP, "02 02 000e 010a 0a0b0c0d0e0f1011");
	assert_false(b.ppp.ready); /* IPv4 is not decided yet */
	get_ip4(&b);
	assert_true(b.ppp.ready);
	assert_true(b.ppp.ip6);
	assert_true(b.ppp.facts.has_ip6_iid);
	assert_memory_equal(b.ppp.facts.ip6_iid, "\x0a\x0b\x0c\x0d\x0e\x0f\x10\x11", 8);
	bench_fini(&b);
}

static void test_requests_of_servers(void **state)
{
	static const struct {
		const char *request, *reply;
	} cases[] = {
		{ "01 09 0004", "02 09 0004" },
		{ "01 09 000e 010a0000000000000000", "03 09 000e 010a0022334455667788" }, /* zero */
		/* Ours: the bench draws nothing else. */
		{ "01 09 000e 010a0022334455667788", "03 09 000e 010a0022334455667788" },
		{ "01 09 000d 010900223344556677", "04 09 000d 010900223344556677" },
		{ "01 09 0008 0204004f", "04 09 0008 0204004f" }, /* header compression */
	};
	struct ppp_bench b;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		begin(&b);
		bench_input(&b, PPP_IPV6CP, cases[i].request);
		bench_expect(&b, PPP_IPV6CP, cases[i].reply);
		bench_expect_quiet(&b);
		bench_fini(&b);
	}
}

static void test_naks_that_make_no_sense(void **state)
{
	struct ppp_bench b;

	(void)state;
	begin(&b);
	bench_input(&b, PPP_IPV6CP, "01 f3 000e 010a0000000000000001");
	bench_skip(&b);
	/* Zero, and the server's own: we draw again. */
	bench_input(&b, PPP_IPV6CP, "03 01 000e 010a0000000000000000");
	bench_expect(&b, PPP_IPV6CP, "01 02 000e 010a0022334455667788");
	bench_input(&b, PPP_IPV6CP, "03 02 000e 010a0000000000000001");
	bench_expect(&b, PPP_IPV6CP, "01 03 000e 010a0022334455667788");
	bench_fini(&b);
}

/* IPv6 refused in every way there is: IPv4 goes on. */
static void test_ip6_refused(void **state)
{
	static const struct {
		uint16_t protocol;
		const char *packet;
	} ways[] = {
		{ PPP_LCP, "08 05 0014 8057 0101000e010a0022334455667788" },
		{ PPP_IPV6CP, "04 01 000e 010a0022334455667788" },
		{ PPP_IPV6CP, "07 01 0012 0101000e010a0022334455667788" },
	};
	struct ppp_bench b;

	(void)state;
	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
		for (unsigned after = 0; after < 2; after++) {
			begin(&b);
			if (after)
				get_ip4(&b);
			assert_false(b.ppp.ready);
			bench_input(&b, ways[i].protocol, ways[i].packet);
			if (!after)
				get_ip4(&b);
			assert_true(b.ppp.ready);
			assert_true(b.ppp.ip4);
			assert_false(b.ppp.ip6);
			assert_false(b.ppp.facts.has_ip6_iid);
			assert_int_equal(b.ppp.fault.err, 0);
			bench_skip(&b);
			/* Now it is our turn to refuse. */
			bench_input(&b, PPP_IPV6CP, "01 f3 000e 010a0000000000000001");
			bench_expect(&b, PPP_LCP, "08 02 0014 8057 01f3000e010a0000000000000001");
			bench_fini(&b);
		}
	}
}

static void test_silent_ip6_delays_little(void **state)
{
	struct ppp_bench b;

	(void)state;
	begin(&b);
	get_ip4(&b);
	bench_wait(&b, PPP_IP6_GRACE_MS - 1);
	assert_false(b.ppp.ready);
	bench_wait(&b, 1);
	assert_true(b.ppp.ready);
	assert_false(b.ppp.ip6);
	get_ip6(&b); /* too late for this session: the facts are given out */
	assert_false(b.ppp.ip6);
	assert_int_equal(b.ppp.fault.err, 0);
	bench_wait(&b, 60000);
	assert_true(b.ppp.ip4);
	bench_fini(&b);
}

static void test_ip4_refused_and_ip6_works(void **state)
{
	struct ppp_bench b;

	(void)state;
	for (unsigned after = 0; after < 2; after++) {
		begin(&b);
		if (after)
			get_ip6(&b);
		bench_input(&b, PPP_LCP, "08 05 000a 802101010004");
		if (!after)
			get_ip6(&b);
		assert_true(b.ppp.ready);
		assert_false(b.ppp.ip4);
		assert_true(b.ppp.ip6);
		assert_int_equal(b.ppp.facts.ip4.family, IP_NONE);
		bench_input(&b, PPP_IPV6CP, "05 11 0004"); /* and when that ends, all has ended */
		bench_wait(&b, 4000);
		assert_int_equal(b.ppp.fault.err, VE_LOST);
		bench_fini(&b);
	}
}

static void test_ip4_refused_and_ip6_silent(void **state)
{
	struct ppp_bench b;

	(void)state;
	begin(&b);
	bench_input(&b, PPP_LCP, "08 05 000a 802101010004");
	bench_wait(&b, PPP_IP6_ALONE_MS - 1);
	assert_int_equal(b.ppp.fault.err, 0);
	bench_wait(&b, 1);
	assert_int_equal(b.ppp.fault.err, VE_ADDRESS);
	bench_fini(&b);
}

static void test_ip6_ends_later(void **state)
{
	struct ppp_bench b;

	(void)state;
	begin(&b);
	get_ip6(&b);
	get_ip4(&b);
	assert_true(b.ppp.ready && b.ppp.ip4 && b.ppp.ip6);
	bench_input(&b, PPP_IPV6CP, "05 11 0004");
	bench_expect(&b, PPP_IPV6CP, "06 11 0004");
	bench_wait(&b, 4000);
	assert_false(b.ppp.ip6);
	assert_true(b.ppp.ip4);
	assert_int_equal(b.ppp.fault.err, 0);
	bench_fini(&b);
}

/* Where no IPv6 packet of the smallest allowed link fits, there is no IPv6. */
static void test_small_link(void **state)
{
	struct ppp_bench b;

	(void)state;
	bench_init(&b);
	b.conf.mtu = 1279;
	bench_start(&b);
	bench_skip(&b);
	bench_input(&b, PPP_LCP, "01 07 0009 0305c22381");
	bench_input(&b, PPP_LCP, "02 01 000e 010404ff 05065a17c0de");
	bench_input(&b, PPP_CHAP, "03 01 0004");
	assert_int_equal(b.logins, 1);
	bench_skip(&b);
	bench_input(&b, PPP_IPV6CP, "01 f3 000e 010a0000000000000001");
	bench_expect(&b, PPP_LCP, "08 02 0014 8057 01f3000e010a0000000000000001");
	get_ip4(&b);
	assert_true(b.ppp.ready);
	assert_int_equal(b.ppp.facts.mtu, 1279);
	assert_false(b.ppp.ip6);
	bench_fini(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_agreement),
		cmocka_unit_test(test_requests_of_servers),
		cmocka_unit_test(test_naks_that_make_no_sense),
		cmocka_unit_test(test_ip6_refused),
		cmocka_unit_test(test_silent_ip6_delays_little),
		cmocka_unit_test(test_ip4_refused_and_ip6_works),
		cmocka_unit_test(test_ip4_refused_and_ip6_silent),
		cmocka_unit_test(test_ip6_ends_later),
		cmocka_unit_test(test_small_link),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
