/* SPDX-License-Identifier: GPL-3.0-or-later */
/* LCP: its options one by one, the ways servers propose to log in, echoes, and what it keeps quiet about. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "core/sstp/chap_md5.h"
#include "core/sstp/pap.h"
#include "test/support/ppp_bench.h"

static const struct auth_ops *const all_methods[] = { &bench_auth_ops, &chap_md5_auth_ops, &pap_auth_ops,
						      NULL };

/* A link that has sent its LCP request and nothing else. */
static void begin(struct ppp_bench *b)
{
	bench_init(b);
	b->conf.methods = all_methods;
	bench_start(b);
	bench_expect(b, PPP_LCP, BENCH_LCP_REQUEST);
}

static void test_our_request(void **state)
{
	struct ppp_bench b;

	(void)state;
	begin(&b);
	bench_expect_quiet(&b);
	bench_fini(&b);
	bench_init(&b);
	b.conf.mtu = 1300;
	bench_start(&b);
	bench_expect(&b, PPP_LCP, "01 01 000e 01040514 05065a17c0de");
	bench_fini(&b);
}

/* Each row: options of the server's request (in their own packet), our answer. */
static void test_options_of_servers(void **state)
{
	static const struct {
		const char *request, *reply;
	} cases[] = {
		{ "01 05 0004", "02 05 0004" },                                             /* nothing */
		/* MRU 4091, RRAS. */
		{ "01 05 0008 01040ffb", "02 05 0008 01040ffb" },
		{ "01 05 0008 01040044", "02 05 0008 01040044" },                           /* MRU 68 */
		{ "01 05 0008 01040043", "03 05 0008 010405dc" },                           /* MRU 67 */
		{ "01 05 0008 01040000", "03 05 0008 010405dc" },
		/* An MRU of one byte. */
		{ "01 05 0007 010305", "04 05 0007 010305" },
		{ "01 05 0009 0305c22381", "02 05 0009 0305c22381" },
		{ "01 05 000a 050611223344", "02 05 000a 050611223344" },
		/* No magic number. */
		{ "01 05 000a 050600000000", "03 05 000a 05065a17c0de" },
		{ "01 05 000a 05065a17c0de", "03 05 000a 05065a17c0de" },                   /* our own */
		{ "01 05 0008 0702 0802", "02 05 0008 0702 0802" },                         /* PFC, ACFC */
		{ "01 05 000a 020600000000", "02 05 000a 020600000000" },                   /* ACCM */
		/* Callback, RRAS. */
		{ "01 05 0007 0d0306", "04 05 0007 0d0306" },
		{ "01 05 0008 1104064e", "04 05 0008 1104064e" },                           /* MRRU, RRAS */
		/* Short sequence numbers. */
		{ "01 05 0006 1202", "04 05 0006 1202" },
		/* Endpoint discriminator. */
		{ "01 05 0008 13040102", "04 05 0008 13040102" },
		{ "01 05 000c 0408c02500000000", "04 05 000c 0408c02500000000" },           /* link quality */
	};
	struct ppp_bench b;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		begin(&b);
		b.ppp.lcp.fsm.heard = true; /* no second copy of ours */
		bench_input(&b, PPP_LCP, cases[i].request);
		bench_expect(&b, PPP_LCP, cases[i].reply);
		bench_expect_quiet(&b);
		bench_fini(&b);
	}
}

/* The request of a Windows server, as recorded by others: three rejects, then EAP turned down, then
 * agreement. */
static void test_like_rras(void **state)
{
	struct ppp_bench b;

	(void)state;
	begin(&b);
	b.ppp.lcp.fsm.heard = true;
	/* The proposal repeats because of the Reject, that is no insisting. */
	for (unsigned i = 0; i < 2; i++) {
		bench_input(
			&b, PPP_LCP,
			"01 00 0026 01040ffb 0304c227 050655667788 0702 0802"
			" 0d0306 1104064e 1309 03aabbccddeeff");
		bench_expect(&b, PPP_LCP, "04 00 0014 0d0306 1104064e 1309 03aabbccddeeff");
	}
	bench_input(&b, PPP_LCP, "01 01 0016 01040ffb 0304c227 050655667788 0702 0802");
	bench_expect(&b, PPP_LCP, "03 01 0009 0305c22381");
	bench_input(&b, PPP_LCP, "01 02 0017 01040ffb 0305c22381 050655667788 0702 0802");
	bench_expect(&b, PPP_LCP, "02 02 0017 01040ffb 0305c22381 050655667788 0702 0802");
	bench_input(&b, PPP_LCP, "02 01 000e 010405dc 05065a17c0de");
	assert_int_equal(b.ppp.phase, PPP_AUTHENTICATE);
	assert_int_equal(b.ppp.lcp.peer_mru, 4091);
	assert_int_equal(b.ppp.fault.err, 0);
	bench_fini(&b);
}

/* SoftEther: PAP first, magic rejected. accel-ppp: MRU 1400. */
static void test_like_softether_and_accel(void **state)
{
	struct ppp_bench b;

	(void)state;
	begin(&b);
	bench_input(&b, PPP_LCP, "01 00 0008 0304c023");
	bench_expect(&b, PPP_LCP, BENCH_LCP_REQUEST);
	bench_expect(&b, PPP_LCP, "03 00 0009 0305c22381");
	bench_input(&b, PPP_LCP, "04 01 000a 05065a17c0de");
	bench_expect(&b, PPP_LCP, "01 02 0008 010405dc");
	bench_input(&b, PPP_LCP, "01 01 0009 0305c22381");
	bench_expect(&b, PPP_LCP, "02 01 0009 0305c22381");
	bench_input(&b, PPP_LCP, "02 02 0008 010405dc");
	assert_int_equal(b.ppp.phase, PPP_AUTHENTICATE);
	assert_int_equal(b.ppp.lcp.magic, 0);
	/* And its echo: no magic of ours. */
	bench_input(&b, PPP_LCP, "09 04 0018 00000000 41686f2042616b61204d616e756b6500");
	bench_expect(&b, PPP_LCP, "0a 04 0018 00000000 41686f2042616b61204d616e756b6500");
	bench_fini(&b);
	begin(&b);
	bench_input(&b, PPP_LCP, "03 01 0008 01040578");
	bench_expect(&b, PPP_LCP, "01 02 000e 01040578 05065a17c0de");
	bench_input(&b, PPP_LCP, "03 02 0008 01040043"); /* nobody can mean that: ours again */
	bench_expect(&b, PPP_LCP, "01 03 000e 01040578 05065a17c0de");
	bench_input(&b, PPP_LCP, "03 03 000a 0506deadbeef"); /* a magic number is drawn, not taken */
	bench_expect(&b, PPP_LCP, "01 04 000e 01040578 05065a17c0de");
	bench_fini(&b);
}

static void test_ladder_of_proposals(void **state)
{
	struct ppp_bench b;

	(void)state;
	begin(&b);
	b.ppp.lcp.fsm.heard = true;
	bench_input(&b, PPP_LCP, "01 01 0008 0304c227"); /* EAP */
	bench_expect(&b, PPP_LCP, "03 01 0009 0305c22381");
	bench_input(&b, PPP_LCP, "01 02 0009 0305c22380"); /* MS-CHAPv1 */
	bench_expect(&b, PPP_LCP, "03 02 0009 0305c22381");
	bench_input(&b, PPP_LCP, "01 03 0009 0305c22305"); /* CHAP-MD5 */
	bench_expect(&b, PPP_LCP, "03 03 0009 0305c22381");
	bench_input(&b, PPP_LCP, "01 04 0008 0304c023"); /* PAP */
	bench_expect(&b, PPP_LCP, "03 04 0009 0305c22381");
	assert_int_equal(b.ppp.fault.err, 0);
	bench_input(&b, PPP_LCP, "01 05 0009 0305c22381");
	bench_expect(&b, PPP_LCP, "02 05 0009 0305c22381");
	assert_int_equal(b.ppp.lcp.refused.n, 0);
	bench_fini(&b);
}

static void insist(const char *proposal, unsigned methods, bool unverified, const char *const words[3])
{
	struct ppp_bench b;
	char packet[40];

	bench_init(&b);
	b.conf.methods = all_methods;
	b.conf.account.methods = methods;
	b.conf.unverified = unverified;
	bench_start(&b);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(b.ppp.fault.err, 0);
		snprintf(packet, sizeof(packet), "01 %02x %04x %s", i, 4 + proposal[3] - '0', proposal);
		bench_input(&b, PPP_LCP, packet);
	}
	assert_int_equal(b.ppp.fault.err, VE_AUTH);
	assert_true(b.ppp.fault.final);
	for (unsigned i = 0; i < 3; i++) {
		if (words[i] && !strstr(b.ppp.fault.text, words[i]))
			fail_msg("no \"%s\" in: %s", words[i], b.ppp.fault.text);
	}
	bench_fini(&b);
}

static void test_insisting_server(void **state)
{
	(void)state;
	insist("0304c023", AUTH_DEFAULT, false,
	       (const char *const[3]){ "insists on PAP", "allowed here: MS-CHAPv2;", "--auth pap" });
	insist("0305c22305", AUTH_DEFAULT, false,
	       (const char *const[3]){ "insists on CHAP-MD5", "MS-CHAPv2", "--auth chap" });
	insist("0305c22380", AUTH_DEFAULT, false,
	       (const char *const[3]){ "insists on MS-CHAPv1", "does not have it", NULL });
	insist("0304c227", AUTH_DEFAULT, false, (const char *const[3]){ "insists on EAP", "734", NULL });
	insist("0304c229", AUTH_DEFAULT, false, (const char *const[3]){ "an unknown method", "734", NULL });
	insist("0305c22381", AUTH_PAP, false,
	       (const char *const[3]){ "insists on MS-CHAPv2", "allowed here: PAP", NULL });
	insist("0304c227", AUTH_DEFAULT | AUTH_CHAP | AUTH_PAP, false,
	       (const char *const[3]){ "insists on EAP", "here: MS-CHAPv2, CHAP-MD5, PAP;", NULL });
	insist("0304c023", AUTH_PAP, true,
	       (const char *const[3]){ "insists on PAP", "allowed here: none", "not verified" });
	insist("0305c22305", AUTH_CHAP | AUTH_MSCHAPV2, true,
	       (const char *const[3]){ "CHAP-MD5", "here: MS-CHAPv2;", "not verified" });
}

static void agree(const char *proposal, unsigned methods, const struct auth_ops *want)
{
	struct ppp_bench b;
	char packet[40];

	bench_init(&b);
	b.conf.methods = all_methods;
	b.conf.account.methods = methods;
	bench_start(&b);
	snprintf(packet, sizeof(packet), "01 22 %04x %s", 4 + proposal[3] - '0', proposal);
	bench_input(&b, PPP_LCP, packet);
	bench_input(&b, PPP_LCP, "02 01 000e 010405dc 05065a17c0de");
	assert_int_equal(b.ppp.phase, PPP_AUTHENTICATE);
	assert_ptr_equal(b.ppp.auth->ops, want);
	bench_fini(&b);
}

static void test_methods_the_user_asked_for(void **state)
{
	(void)state;
	agree("0304c023", AUTH_PAP, &pap_auth_ops);
	agree("0304c023", AUTH_PAP | AUTH_MSCHAPV2, &pap_auth_ops);
	agree("0305c22305", AUTH_CHAP, &chap_md5_auth_ops);
	agree("0305c22381", AUTH_DEFAULT, &bench_auth_ops);
}

static void test_no_login_at_all(void **state)
{
	struct ppp_bench b;

	(void)state;
	begin(&b);
	bench_input(&b, PPP_LCP, "01 22 0008 010405dc");
	bench_input(&b, PPP_LCP, "02 01 000e 010405dc 05065a17c0de");
	assert_int_equal(b.ppp.fault.err, VE_AUTH);
	assert_true(b.ppp.fault.final);
	assert_non_null(strstr(b.ppp.fault.text, "no login at all"));
	assert_int_equal(b.logins, 0);
	bench_fini(&b);
}

static void test_echo(void **state)
{
	struct ppp_bench b;

	(void)state;
	begin(&b);
	bench_input(&b, PPP_LCP, "09 05 0008 11223344"); /* not open: no reply */
	bench_expect_quiet(&b);
	bench_open_lcp(&b);
	bench_input(&b, PPP_LCP, "09 00 0008 11223344");
	bench_expect(&b, PPP_LCP, "0a 00 0008 5a17c0de");
	bench_input(&b, PPP_LCP, "09 01 000a 11223344 abcd ffff"); /* data is copied, padding is not */
	bench_expect(&b, PPP_LCP, "0a 01 000a 5a17c0de abcd");
	bench_input(&b, PPP_LCP, "09 02 0007 112233"); /* no magic number in it */
	bench_input(&b, PPP_LCP, "09 03 0004");
	bench_expect_quiet(&b);
	bench_fini(&b);
}

static void test_largest_echo(void **state)
{
	static uint8_t big[PPP_INFO_MAX];
	struct ppp_bench b;

	(void)state;
	begin(&b);
	bench_open_lcp(&b);
	big[0] = 9;
	store_be16(big + 2, sizeof(big));
	ppp_input(&b.ppp, PPP_LCP, (struct slice){ .p = big, .n = sizeof(big) }, b.now);
	assert_int_equal(b.n, 1);
	assert_int_equal(b.sent[0].n, PPP_INFO_MAX);
	bench_fini(&b);
}

static void test_flood_of_echoes(void **state)
{
	struct ppp_bench b;
	unsigned replies = 0;

	(void)state;
	begin(&b);
	bench_open_lcp(&b);
	for (unsigned i = 0; i < 10000; i++) {
		bench_input(&b, PPP_LCP, "09 05 0008 11223344");
		replies += b.n > 0;
		bench_skip(&b);
	}
	assert_int_equal(replies, PPP_ECHOES_A_SECOND);
	b.now += 1000;
	bench_input(&b, PPP_LCP, "09 05 0008 11223344");
	bench_expect(&b, PPP_LCP, "0a 05 0008 5a17c0de");
	bench_fini(&b);
}

static void test_what_is_ignored(void **state)
{
	static const char *const quiet[] = {
		"0b 05 0008 11223344",                         /* Discard-Request */
		"0c 05 001a 11223344 4d5352415356352e3230ff00", /* Identification */
		"0d 05 000c 11223344 00000e10",                /* Time-Remaining */
		"0a 05 0008 11223344",                         /* an Echo-Reply to nothing */
		"08 05 0005 80",                               /* a Protocol-Reject without protocol */
		"08 05 0008 80fd0101",                         /* and one of a protocol that we never spoke */
	};
	struct ppp_bench b;

	(void)state;
	begin(&b);
	bench_open_lcp(&b);
	for (size_t i = 0; i < sizeof(quiet) / sizeof(quiet[0]); i++)
		bench_input(&b, PPP_LCP, quiet[i]);
	bench_expect_quiet(&b);
	assert_int_equal(b.ppp.fault.err, 0);
	bench_input(&b, PPP_LCP, "0e 05 0004");
	bench_expect(&b, PPP_LCP, "07 02 0008 0e050004");
	bench_fini(&b);
}

static void test_protocol_rejects_that_matter(void **state)
{
	struct ppp_bench b;

	(void)state;
	begin(&b);
	bench_open_lcp(&b);
	bench_input(&b, PPP_LCP, "08 05 0008 c2230101");
	assert_int_equal(b.ppp.fault.err, VE_PROTO);
	bench_fini(&b);
	begin(&b);
	bench_open_lcp(&b);
	bench_input(&b, PPP_LCP, "08 05 0008 c0210101");
	assert_int_equal(b.ppp.fault.err, VE_PROTO);
	bench_fini(&b);
}

static void test_silent_server(void **state)
{
	struct ppp_bench b;

	(void)state;
	begin(&b);
	for (unsigned i = 0; i < 9; i++) {
		bench_wait(&b, 3000);
		bench_expect(&b, PPP_LCP, BENCH_LCP_REQUEST);
		bench_expect_quiet(&b);
	}
	assert_int_equal(b.ppp.fault.err, 0);
	bench_wait(&b, 3000);
	assert_int_equal(b.ppp.fault.err, VE_TIMEOUT);
	assert_non_null(strstr(b.ppp.fault.text, "718"));
	bench_fini(&b);
}

static void test_server_that_agrees_to_nothing(void **state)
{
	struct ppp_bench b;

	(void)state;
	begin(&b);
	/* It accepts ours, and never asks itself. */
	bench_input(&b, PPP_LCP, "02 01 000e 010405dc 05065a17c0de");
	bench_wait(&b, 40000);
	assert_int_equal(b.ppp.fault.err, VE_PROTO);
	assert_non_null(strstr(b.ppp.fault.text, "734"));
	bench_fini(&b);
}

/* Before the login is through, LCP may start over; an attempt at a login is forgotten then. */
static void test_start_over_before_login(void **state)
{
	struct ppp_bench b;

	(void)state;
	begin(&b);
	bench_open_lcp(&b);
	bench_input(&b, PPP_LCP, "01 08 0009 0305c22381");
	bench_expect(&b, PPP_LCP, "01 02 000e 010405dc 05065a17c0de");
	bench_expect(&b, PPP_LCP, "02 08 0009 0305c22381");
	assert_int_equal(b.ppp.phase, PPP_ESTABLISH);
	bench_input(&b, PPP_CHAP, "03 01 0004"); /* not open: dropped */
	assert_int_equal(b.logins, 0);
	bench_input(&b, PPP_LCP, "02 02 000e 010405dc 05065a17c0de");
	assert_int_equal(b.ppp.phase, PPP_AUTHENTICATE);
	bench_input(&b, PPP_CHAP, "03 01 0004");
	assert_int_equal(b.logins, 1);
	bench_fini(&b);
}

static void test_names(void **state)
{
	(void)state;
	assert_string_equal(lcp_auth_name((struct slice){ (const uint8_t *)"\xc0\x23", 2 }), "PAP");
	assert_string_equal(lcp_auth_name((struct slice){ (const uint8_t *)"\xc2\x23\x81", 3 }), "MS-CHAPv2");
	assert_string_equal(lcp_auth_name((struct slice){ (const uint8_t *)"\xc2\x23", 2 }),
			    "an unknown method");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_our_request),
		cmocka_unit_test(test_options_of_servers),
		cmocka_unit_test(test_like_rras),
		cmocka_unit_test(test_like_softether_and_accel),
		cmocka_unit_test(test_ladder_of_proposals),
		cmocka_unit_test(test_insisting_server),
		cmocka_unit_test(test_methods_the_user_asked_for),
		cmocka_unit_test(test_no_login_at_all),
		cmocka_unit_test(test_echo),
		cmocka_unit_test(test_largest_echo),
		cmocka_unit_test(test_flood_of_echoes),
		cmocka_unit_test(test_what_is_ignored),
		cmocka_unit_test(test_protocol_rejects_that_matter),
		cmocka_unit_test(test_silent_server),
		cmocka_unit_test(test_server_that_agrees_to_nothing),
		cmocka_unit_test(test_start_over_before_login),
		cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
