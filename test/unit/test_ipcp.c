/* SPDX-License-Identifier: GPL-3.0-or-later */
/* IPCP: how real servers give an address and name servers, and how they do not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "test/support/ppp_bench.h"

/* Logged in, IPv6 refused at once, so that IPv4 alone decides. */
static void begin(struct ppp_bench *b)
{
	bench_init(b);
	bench_start(b);
	bench_login(b);
	bench_expect(b, PPP_IPCP, BENCH_IPCP_REQUEST);
	bench_expect(b, PPP_IPV6CP, BENCH_IPV6CP_REQUEST);
	bench_expect_quiet(b);
	bench_input(b, PPP_LCP, "08 05 0014 8057 0101000e010a0022334455667788");
	bench_expect_quiet(b);
}

static void expect_ip(const struct ip *ip, const char *text)
{
	char buf[IP_TEXT_MAX];

	assert_string_equal(ip_text(ip, buf), text);
}

static void test_like_accel(void **state)
{
	struct ppp_bench b;

	(void)state;
	begin(&b);
	bench_input(&b, PPP_IPCP, "01 5b 000a 03060a580001");
	bench_expect(&b, PPP_IPCP, BENCH_IPCP_REQUEST); /* the first one may have been lost */
	bench_expect(&b, PPP_IPCP, "02 5b 000a 03060a580001");
	bench_input(&b, PPP_IPCP, "04 01 000a 840600000000"); /* NBNS2 is not configured */
	bench_expect(&b, PPP_IPCP, "01 02 001c 030600000000 810600000000 820600000000 830600000000");
	bench_input(&b, PPP_IPCP, "03 02 001c 03060a58002d 81060a580035 82060a580037 83060a580036");
	bench_expect(&b, PPP_IPCP, "01 03 001c 03060a58002d 81060a580035 82060a580037 83060a580036");
	assert_false(b.ppp.ready);
	bench_input(&b, PPP_IPCP, "02 03 001c 03060a58002d 81060a580035 82060a580037 83060a580036");
	bench_expect_quiet(&b);
	assert_true(b.ppp.ready);
	assert_true(b.ppp.ip4);
	assert_false(b.ppp.ip6);
	assert_true(b.ppp.confirmed);
	assert_int_equal(b.ppp.facts.kind, LINK_IP);
	assert_int_equal(b.ppp.facts.mtu, 1400);
	expect_ip(&b.ppp.facts.ip4, "10.88.0.45");
	expect_ip(&b.ppp.facts.dns[0], "10.88.0.53");
	expect_ip(&b.ppp.facts.dns[1], "10.88.0.54");
	expect_ip(&b.ppp.facts.nbns[0], "10.88.0.55");
	expect_ip(&b.ppp.facts.nbns[1], "-");
	assert_false(b.ppp.facts.has_ip6_iid);
	bench_fini(&b);
}

static void test_like_softether(void **state)
{
	struct ppp_bench b;

	(void)state;
	begin(&b);
	bench_input(&b, PPP_IPCP, "01 02 000a 030601000001");
	bench_skip(&b);
	bench_input(&b, PPP_IPCP, "04 01 0016 820600000000 830600000000 840600000000");
	bench_expect(&b, PPP_IPCP, "01 02 0010 030600000000 810600000000");
	bench_input(&b, PPP_IPCP, "03 02 0010 0306c0a81e0a 8106c0a81e01");
	bench_expect(&b, PPP_IPCP, "01 03 0010 0306c0a81e0a 8106c0a81e01");
	bench_input(&b, PPP_IPCP, "02 03 0010 0306c0a81e0a 8106c0a81e01");
	assert_true(b.ppp.ready);
	expect_ip(&b.ppp.facts.dns[0], "192.168.30.1");
	expect_ip(&b.ppp.facts.dns[1], "-");
	bench_fini(&b);
}

/* pppd asks for header compression first, and names one server twice. */
static void test_like_pppd(void **state)
{
	struct ppp_bench b;

	(void)state;
	begin(&b);
	bench_input(&b, PPP_IPCP, "01 01 0010 0206002d0f01 03060a590001");
	bench_expect(&b, PPP_IPCP, BENCH_IPCP_REQUEST);
	bench_expect(&b, PPP_IPCP, "04 01 000a 0206002d0f01");
	bench_input(&b, PPP_IPCP, "01 02 000a 03060a590001");
	bench_expect(&b, PPP_IPCP, "02 02 000a 03060a590001");
	bench_input(&b, PPP_IPCP, "04 01 0010 820600000000 840600000000");
	bench_expect(&b, PPP_IPCP, "01 02 0016 030600000000 810600000000 830600000000");
	bench_input(&b, PPP_IPCP, "03 02 0016 03060a5a000b 81060a5a0035 83060a5a0035");
	bench_skip(&b);
	bench_input(&b, PPP_IPCP, "02 03 0016 03060a5a000b 81060a5a0035 83060a5a0035");
	assert_true(b.ppp.ready);
	expect_ip(&b.ppp.facts.dns[0], "10.90.0.53");
	expect_ip(&b.ppp.facts.dns[1], "-");
	bench_fini(&b);
}

static void test_no_dhcp_behind_softether(void **state)
{
	struct ppp_bench b;

	(void)state;
	begin(&b);
	bench_input(&b, PPP_IPCP, "01 02 000a 030601000001");
	b.now += 5000;
	bench_input(&b, PPP_IPCP,
		    "04 01 0022 030600000000 810600000000 820600000000 830600000000 840600000000");
	assert_int_equal(b.ppp.fault.err, VE_ADDRESS);
	assert_non_null(strstr(b.ppp.fault.text, "no DHCP server"));
	assert_non_null(strstr(b.ppp.fault.text, "720"));
	assert_false(b.ppp.fault.final);
	bench_fini(&b);
}

static void test_silent_ipcp(void **state)
{
	struct ppp_bench b;

	(void)state;
	begin(&b);
	b.ppp.echo = UINT64_MAX; /* not what is looked at here */
	for (unsigned i = 0; i < 9; i++) {
		bench_wait(&b, 3000);
		bench_expect(&b, PPP_IPCP, BENCH_IPCP_REQUEST);
	}
	assert_int_equal(b.ppp.fault.err, 0);
	bench_wait(&b, 3000);
	assert_int_equal(b.ppp.fault.err, VE_ADDRESS);
	assert_non_null(strstr(b.ppp.fault.text, "does not answer"));
	bench_fini(&b);
}

static void test_rejected_ipcp(void **state)
{
	struct ppp_bench b;

	(void)state;
	begin(&b);
	bench_input(&b, PPP_LCP, "08 06 000a 802101010004");
	assert_int_equal(b.ppp.fault.err, VE_ADDRESS);
	assert_non_null(strstr(b.ppp.fault.text, "refuses IPv4"));
	bench_fini(&b);
}

/* An address that nobody can have: each row is what the server Naks with, then acknowledges. */
static void test_unusable_addresses(void **state)
{
	static const char *const bad[] = { "00000000", "00000001", "7f000001",
					   "e0000001", "ffffffff", "f0000001" };
	static const char *const good[] = { "01000002", "0a000001", "7e000001",
					    "80000001", "dfffffff", "c0000001" };
	struct ppp_bench b;
	char nak[64], ack[128];

	(void)state;
	for (size_t i = 0; i < 2 * sizeof(bad) / sizeof(bad[0]); i++) {
		const char *a = i % 2 ? good[i / 2] : bad[i / 2];

		begin(&b);
		bench_input(&b, PPP_IPCP, "01 02 0004");
		snprintf(nak, sizeof(nak), "03 01 000a 0306%s", a);
		bench_input(&b, PPP_IPCP, nak);
		snprintf(ack, sizeof(ack),
			 "02 02 0022 0306%s 810600000000 820600000000 830600000000 840600000000", a);
		bench_input(&b, PPP_IPCP, ack);
		assert_int_equal(b.ppp.ready, i % 2);
		assert_int_equal(b.ppp.fault.err, i % 2 ? 0 : VE_ADDRESS);
		bench_fini(&b);
	}
}

static void test_address_of_the_server_itself(void **state)
{
	struct ppp_bench b;

	(void)state;
	bench_init(&b);
	assert_int_equal(ip_parse("203.0.113.9", &b.conf.server), 0);
	bench_start(&b);
	bench_login(&b);
	bench_input(&b, PPP_LCP, "08 05 0014 8057 0101000e010a0022334455667788");
	bench_input(&b, PPP_IPCP, "01 02 0004");
	bench_input(&b, PPP_IPCP, "03 01 000a 0306cb007109");
	bench_input(&b, PPP_IPCP,
		    "02 02 0022 0306cb007109 810600000000 820600000000 830600000000 840600000000");
	assert_int_equal(b.ppp.fault.err, VE_ADDRESS);
	bench_fini(&b);
}

/* What the server asks of us: its address, anything but zero; nothing else. */
static void test_requests_of_servers(void **state)
{
	static const struct {
		const char *request, *reply;
	} cases[] = {
		{ "01 09 0004", "02 09 0004" },
		{ "01 09 000a 030601000001", "02 09 000a 030601000001" },
		{ "01 09 000a 030600000000", "04 09 000a 030600000000" }, /* it wants one from us */
		{ "01 09 000e 010a 0a000001 0a000002", "04 09 000e 010a 0a000001 0a000002" },
		{ "01 09 000a 0206002d0f01", "04 09 000a 0206002d0f01" },
		{ "01 09 0010 81060a000001 83060a000001", "04 09 0010 81060a000001 83060a000001" },
		{ "01 09 0008 03040a00", "04 09 0008 03040a00" },
		{ "01 09 000c 03080a0000010000", "04 09 000c 03080a0000010000" },
	};
	struct ppp_bench b;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		begin(&b);
		b.ppp.ipcp.fsm.heard = true;
		bench_input(&b, PPP_IPCP, cases[i].request);
		bench_expect(&b, PPP_IPCP, cases[i].reply);
		bench_expect_quiet(&b);
		bench_fini(&b);
	}
}

static void get_address(struct ppp_bench *b)
{
	begin(b);
	bench_input(b, PPP_IPCP, "01 02 000a 03060a000001");
	bench_input(b, PPP_IPCP, "03 01 000a 03060a000005");
	bench_input(b, PPP_IPCP,
		    "02 02 0022 03060a000005 810600000000 820600000000 830600000000 840600000000");
	assert_true(b->ppp.ready);
	expect_ip(&b->ppp.facts.ip4, "10.0.0.5");
	bench_skip(b);
}

/* A server may negotiate anew: the same address goes on, another one ends the session. */
static void test_renegotiation(void **state)
{
	struct ppp_bench b;

	(void)state;
	get_address(&b);
	bench_input(&b, PPP_IPCP, "01 03 000a 03060a000001");
	assert_int_equal(b.ppp.fault.err, 0);
	assert_true(b.ppp.ip4);
	bench_input(&b, PPP_IPCP,
		    "02 03 0022 03060a000005 810600000000 820600000000 830600000000 840600000000");
	assert_int_equal(b.ppp.fault.err, 0);
	bench_input(&b, PPP_IPCP, "01 04 000a 03060a000001");
	bench_input(&b, PPP_IPCP, "03 04 000a 03060a000006");
	bench_input(&b, PPP_IPCP,
		    "02 05 0022 03060a000006 810600000000 820600000000 830600000000 840600000000");
	assert_int_equal(b.ppp.fault.err, VE_LOST);
	expect_ip(&b.ppp.facts.ip4, "10.0.0.5");
	bench_fini(&b);
}

static void test_renegotiation_to_nothing(void **state)
{
	struct ppp_bench b;

	(void)state;
	get_address(&b);
	bench_input(&b, PPP_IPCP, "01 03 000a 03060a000001");
	bench_input(&b, PPP_IPCP, "03 03 000a 030600000000");
	bench_input(&b, PPP_IPCP,
		    "02 04 0022 030600000000 810600000000 820600000000 830600000000 840600000000");
	assert_int_equal(b.ppp.fault.err, VE_ADDRESS);
	bench_fini(&b);
}

static void test_address_taken_back(void **state)
{
	struct ppp_bench b;

	(void)state;
	get_address(&b);
	bench_input(&b, PPP_IPCP, "05 09 0004");
	bench_expect(&b, PPP_IPCP, "06 09 0004");
	bench_wait(&b, 3000);
	assert_int_equal(b.ppp.fault.err, VE_LOST);
	bench_fini(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_like_accel),
		cmocka_unit_test(test_like_softether),
		cmocka_unit_test(test_like_pppd),
		cmocka_unit_test(test_no_dhcp_behind_softether),
		cmocka_unit_test(test_silent_ipcp),
		cmocka_unit_test(test_rejected_ipcp),
		cmocka_unit_test(test_unusable_addresses),
		cmocka_unit_test(test_address_of_the_server_itself),
		cmocka_unit_test(test_requests_of_servers),
		cmocka_unit_test(test_renegotiation),
		cmocka_unit_test(test_renegotiation_to_nothing),
		cmocka_unit_test(test_address_taken_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
