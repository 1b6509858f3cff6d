/* SPDX-License-Identifier: GPL-3.0-or-later */
/* PPP's phases: which packet is heard when, login, echoes, goodbyes; and the frames around it all. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "test/support/ppp_bench.h"
#include "test/support/unhex.h"

#define ALL_ZERO "810600000000 820600000000 830600000000 840600000000"

static void begin(struct ppp_bench *b)
{
	bench_init(b);
	bench_start(b);
	bench_expect(b, PPP_LCP, BENCH_LCP_REQUEST);
	bench_expect_quiet(b);
}

static void get_ready(struct ppp_bench *b)
{
	begin(b);
	bench_login(b);
	bench_input(b, PPP_LCP, "08 05 0014 8057 0101000e010a0022334455667788");
	bench_input(b, PPP_IPCP, "01 02 000a 03060a000001");
	bench_input(b, PPP_IPCP, "03 01 000a 03060a000005");
	bench_input(b, PPP_IPCP, "02 02 0022 03060a000005 " ALL_ZERO);
	assert_true(b->ppp.ready);
	bench_skip(b);
}

static void test_frames(void **state)
{
	static const struct {
		const char *frame;
		uint16_t protocol;
		size_t left;
	} cases[] = {
		{ "ff03 c021 0102", 0xc021, 2 },
		{ "c021 0102", 0xc021, 2 },
		{ "ff03 0021 45", 0x21, 1 },
		{ "ff03 21 45", 0x21, 1 },
		{ "21 45", 0x21, 1 },
		{ "0021 45", 0x21, 1 },
		{ "57 60", 0x57, 1 },
		{ "ff03 c021", 0xc021, 0 },
		{ "21", 0x21, 0 },
		{ "ff03", 0, 0 },
		{ "", 0, 0 },
		{ "ff", 0xff, 0 },
		{ "00", 0, 0 },
		{ "c0", 0, 0 },
		{ "c020 01", 0, 0 },
		{ "ff03 c0", 0, 0 },
		{ "ff03 8020", 0, 0 },
		{ "ff04 01", 0xff, 2 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		uint8_t bytes[16], *p;
		size_t n = unhex(cases[i].frame, bytes, sizeof(bytes));
		struct slice frame;

		p = malloc(n ? n : 1);
		memcpy(p, bytes, n);
		frame = (struct slice){ .p = p, .n = n };
		assert_int_equal(ppp_strip(&frame), cases[i].protocol);
		if (cases[i].protocol)
			assert_int_equal(frame.n, cases[i].left);
		free(p);
	}
}

static void test_control_packets(void **state)
{
	static const char *const bad[] = { "",         "01",       "0102",     "010200",
					   "01020000", "01020003", "01020005", "0102ffff01" };
	uint8_t bytes[16];
	struct ppp_control c;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		size_t n = unhex(bad[i], bytes, sizeof(bytes));

		assert_int_equal(ppp_control_parse((struct slice){ bytes, n }, &c), VE_PROTO);
	}
	unhex("0102000611223344", bytes, sizeof(bytes));
	assert_int_equal(ppp_control_parse((struct slice){ bytes, 8 }, &c), 0);
	assert_int_equal(c.code, 1);
	assert_int_equal(c.id, 2);
	assert_int_equal(rd_left(&c.data), 2);
}

static void test_login_comes_before_addresses(void **state)
{
	struct ppp_bench b;

	(void)state;
	begin(&b);
	bench_input(&b, PPP_CHAP, "01 01 0004"); /* the link is not open: all but LCP is dropped */
	bench_input(&b, PPP_IPCP, "01 01 0004");
	bench_input(&b, 0x80fd, "01 01 0004");
	bench_expect_quiet(&b);
	bench_open_lcp(&b);
	bench_input(&b, PPP_IPCP, "01 01 0004"); /* not logged in: dropped, but not rejected */
	bench_input(&b, PPP_IPV6CP, "01 01 0004");
	bench_expect_quiet(&b);
	bench_input(&b, PPP_CHAP, "01 01 0004");
	bench_expect(&b, PPP_CHAP, "02 01 0004");
	bench_wait(&b, 2000);
	bench_expect(&b, PPP_CHAP, "0277");
	bench_input(&b, PPP_CHAP, "03 01 0004");
	assert_int_equal(b.logins, 1);
	/* The owner hears of it before the first request leaves. */
	assert_int_equal(b.sent_at_login, b.first);
	for (unsigned i = 0; i < AUTH_HLAK; i++)
		assert_int_equal(b.hlak[i], 0x4b);
	bench_expect(&b, PPP_IPCP, BENCH_IPCP_REQUEST);
	bench_expect(&b, PPP_IPV6CP, BENCH_IPV6CP_REQUEST);
	bench_expect_quiet(&b);
	bench_input(&b, PPP_CHAP, "03 01 0004"); /* again: once is enough */
	assert_int_equal(b.logins, 1);
	bench_expect_quiet(&b);
	bench_fini(&b);
}

/* EAP servers that never say Success: the first packet of a network protocol counts, if the method is
 * finished. */
static void test_implied_success(void **state)
{
	struct ppp_bench b;

	(void)state;
	begin(&b);
	bench_open_lcp(&b);
	bench_input(&b, PPP_IPCP, "01 01 000a 03060a000001");
	assert_int_equal(b.logins, 0);
	bench_input(&b, PPP_CHAP, "07");
	bench_input(&b, PPP_IPCP, "01 01 000a 03060a000001");
	assert_int_equal(b.logins, 1);
	bench_expect(&b, PPP_IPCP, BENCH_IPCP_REQUEST);
	bench_expect(&b, PPP_IPV6CP, BENCH_IPV6CP_REQUEST);
	bench_expect(&b, PPP_IPCP, BENCH_IPCP_REQUEST);
	bench_expect(&b, PPP_IPCP, "02 01 000a 03060a000001"); /* the packet itself is heard, too */
	bench_fini(&b);
}

static void test_refused_login(void **state)
{
	struct ppp_bench b;

	(void)state;
	begin(&b);
	bench_open_lcp(&b);
	bench_input(&b, PPP_CHAP, "04 01 0004");
	assert_int_equal(b.ppp.fault.err, VE_AUTH);
	assert_true(b.ppp.fault.final);
	bench_input(&b, PPP_CHAP, "03 01 0004"); /* nothing helps now */
	assert_int_equal(b.logins, 0);
	ppp_stop(&b.ppp, "Authentication failed", b.now);
	bench_expect(&b, PPP_LCP, "05 02 0019 41757468656e7469636174696f6e206661696c6564");
	bench_input(&b, PPP_LCP, "05 44 0004"); /* the server has the same idea */
	bench_expect(&b, PPP_LCP, "06 44 0004");
	bench_input(&b, PPP_LCP, "06 02 0004");
	assert_int_equal(b.ppp.phase, PPP_DEAD);
	bench_fini(&b);
	get_ready(&b); /* and in the middle of a session, when the server asks again */
	bench_input(&b, PPP_CHAP, "04 01 0004");
	assert_int_equal(b.ppp.fault.err, VE_AUTH);
	bench_fini(&b);
}

static void test_protocol_reject(void **state)
{
	struct ppp_bench b;
	static uint8_t big[PPP_INFO_MAX];

	(void)state;
	begin(&b);
	bench_open_lcp(&b);
	bench_input(&b, 0x80fd, "01 04 000a 120601000060"); /* compression */
	bench_expect(&b, PPP_LCP, "08 02 0010 80fd 0104000a120601000060");
	bench_input(&b, PPP_PAP, "01 04 0004"); /* not what was agreed on */
	bench_expect(&b, PPP_LCP, "08 03 000a c0230104 0004");
	ppp_input(&b.ppp, 0x8053, (struct slice){ .p = big, .n = sizeof(big) }, b.now);
	assert_int_equal(b.sent[b.n - 1].n, 1500); /* cut to the server's MRU */
	b.first = b.n;
	for (unsigned i = 0; i < 100; i++)
		bench_input(&b, 0x8053, "01 04 0004");
	bench_expect(&b, PPP_LCP, "08 05 000a 8053 01040004"); /* four a second */
	bench_expect_quiet(&b);
	b.now += 1000;
	bench_input(&b, 0x0057 + 0x4000, "01 04 0004");
	bench_expect(&b, PPP_LCP, "08 06 000a 4057 01040004");
	bench_fini(&b);
}

static void test_reject_is_cut_to_a_tiny_mru(void **state)
{
	static uint8_t big[1500];
	struct ppp_bench b;

	(void)state;
	begin(&b);
	bench_input(&b, PPP_LCP, "01 07 000d 01040044 0305c22381");
	bench_input(&b, PPP_LCP, "02 01 000e 010405dc 05065a17c0de");
	bench_skip(&b);
	ppp_input(&b.ppp, 0x8053, (struct slice){ .p = big, .n = sizeof(big) }, b.now);
	assert_int_equal(b.n, 1);
	assert_int_equal(b.sent[0].n, 68);
	bench_fini(&b);
}

static void test_mtu(void **state)
{
	static const struct {
		uint16_t user;
		const char *mru; /* the server's, "" for none */
		uint16_t want;
	} cases[] = {
		{ 0, "", 1400 },
		{ 0, "01040ffb", 1400 },
		{ 0, "01040578", 1400 },
		{ 0, "01040514", 1300 },
		{ 0, "010400ff", 576 },
		{ 1500, "", 1500 },
		{ 1500, "01040578", 1400 },
		{ 1450, "01040ffb", 1450 },
		{ 1300, "01040578", 1300 },
		{ 100, "", 576 },
		{ 9000, "01040ffb", 1500 },
	};
	char packet[64];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct ppp_bench b;
		uint16_t mru = cases[i].user == 0 ? 1500 : cases[i].want == 1400 ? 1500 : cases[i].want;

		bench_init(&b);
		b.conf.mtu = cases[i].user;
		bench_start(&b);
		snprintf(packet, sizeof(packet), "01 07 %04zx %s 0305c22381", 9 + strlen(cases[i].mru) / 2,
			 cases[i].mru);
		bench_input(&b, PPP_LCP, packet);
		snprintf(packet, sizeof(packet), "02 01 000e 0104%04x 05065a17c0de", mru);
		bench_input(&b, PPP_LCP, packet);
		bench_input(&b, PPP_CHAP, "03 01 0004");
		assert_int_equal(b.logins, 1);
		assert_int_equal(b.ppp.facts.mtu, cases[i].want);
		bench_fini(&b);
	}
}

static void test_lcp_after_login_is_fatal(void **state)
{
	struct ppp_bench b;

	(void)state;
	get_ready(&b);
	/* The one we know: a late copy. */
	bench_input(&b, PPP_LCP, "01 07 0013 0104 05dc 0305c22381 0506aabbccdd");
	bench_expect(&b, PPP_LCP, "02 07 0013 0104 05dc 0305c22381 0506aabbccdd");
	assert_int_equal(b.ppp.fault.err, 0);
	bench_input(&b, PPP_LCP, "01 08 0009 0305c22381");
	assert_int_equal(b.ppp.fault.err, VE_LOST);
	bench_expect_quiet(&b);
	bench_fini(&b);
	get_ready(&b);
	bench_input(&b, PPP_LCP, "01 08 0009 0300c22381"); /* malformed: no request at all */
	bench_input(&b, PPP_LCP, "01 08 0009 0306c22381");
	assert_int_equal(b.ppp.fault.err, 0);
	bench_input(&b, PPP_LCP, "07 08 000c 0102 0008 010405dc"); /* it does not know Configure-Request any more */
	assert_int_equal(b.ppp.fault.err, VE_LOST);
	assert_non_null(strstr(b.ppp.fault.text, "rejects LCP"));
	bench_skip(&b);
	ppp_stop(&b.ppp, "bye", b.now);
	bench_input(&b, PPP_LCP, "06 02 0004");
	assert_int_equal(b.ppp.phase, PPP_DEAD);
	bench_fini(&b);
	begin(&b);
	bench_login(&b);
	bench_input(&b, PPP_LCP, "06 08 0004"); /* an acknowledgement of a goodbye that nobody said */
	assert_int_equal(b.ppp.fault.err, VE_PROTO);
	bench_fini(&b);
}

static void test_echoes(void **state)
{
	struct ppp_bench b;

	(void)state;
	get_ready(&b);
	bench_wait(&b, PPP_ECHO_MS);
	bench_expect(&b, PPP_LCP, "09 02 0008 5a17c0de");
	bench_input(&b, PPP_LCP, "0a 02 0008 aabbccdd");
	bench_wait(&b, PPP_ECHO_MS);
	bench_expect(&b, PPP_LCP, "09 03 0008 5a17c0de");
	bench_wait(&b, PPP_ECHO_MS);
	bench_wait(&b, PPP_ECHO_MS);
	bench_wait(&b, PPP_ECHO_MS);
	assert_int_equal(b.ppp.misses, 3);
	assert_int_equal(b.ppp.fault.err, 0);
	b.ppp.heard = true; /* a packet of data shows life just as well */
	bench_wait(&b, PPP_ECHO_MS);
	assert_int_equal(b.ppp.misses, 0);
	for (unsigned i = 0; i < 4; i++)
		bench_wait(&b, PPP_ECHO_MS);
	assert_int_equal(b.ppp.fault.err, VE_LOST);
	bench_fini(&b);
}

static void test_server_without_echoes(void **state)
{
	struct ppp_bench b;

	(void)state;
	get_ready(&b);
	bench_wait(&b, PPP_ECHO_MS);
	bench_input(&b, PPP_LCP, "07 09 000c 090200085a17c0de");
	for (unsigned i = 0; i < 20; i++)
		bench_wait(&b, PPP_ECHO_MS);
	assert_int_equal(b.ppp.fault.err, 0);
	bench_fini(&b);
}

static void test_goodbye_of_ours(void **state)
{
	struct ppp_bench b;

	(void)state;
	get_ready(&b);
	ppp_stop(&b.ppp, "bye", b.now);
	bench_expect(&b, PPP_LCP, "05 02 0007 627965");
	assert_int_equal(b.ppp.phase, PPP_TERMINATE);
	bench_input(&b, PPP_IPCP, "01 09 0004"); /* nothing else matters any more */
	bench_input(&b, 0x80fd, "01 09 0004");
	bench_expect_quiet(&b);
	bench_wait(&b, 1000);
	bench_expect(&b, PPP_LCP, "05 03 0007 627965");
	bench_input(&b, PPP_LCP, "06 03 0007 627965");
	assert_int_equal(b.ppp.phase, PPP_DEAD);
	assert_true(ppp_deadline(&b.ppp) == UINT64_MAX);
	bench_fini(&b);
	get_ready(&b);
	ppp_stop(&b.ppp, "bye", b.now);
	bench_wait(&b, 2000);
	assert_int_equal(b.ppp.phase, PPP_DEAD); /* no answer */
	assert_int_equal(b.ppp.fault.err, 0);
	bench_fini(&b);
}

static void expect_end(const struct ppp_bench *b, int err, bool final, const char *word)
{
	struct fault f = { 0 };

	ppp_explain_end(&b->ppp, &f);
	assert_int_equal(f.err, err);
	assert_int_equal(f.final, final);
	if (!strstr(f.text, word))
		fail_msg("no \"%s\" in: %s", word, f.text);
}

static void test_goodbye_of_the_server(void **state)
{
	struct ppp_bench b;

	(void)state;
	begin(&b);
	bench_input(&b, PPP_LCP, "05 02 0007 627965");
	assert_true(b.ppp.peer_ended);
	expect_end(&b, VE_PROTO, false, "first PPP packet");
	expect_end(&b, VE_PROTO, false, "it says: bye");
	bench_fini(&b);
	begin(&b);
	bench_input(&b, PPP_LCP, "01 04 0008 0304c023");
	bench_input(&b, PPP_LCP, "05 02 0004");
	expect_end(&b, VE_AUTH, true, "insists on PAP");
	bench_fini(&b);
	begin(&b);
	bench_open_lcp(&b);
	bench_input(&b, PPP_LCP, "05 02 0004");
	bench_expect(&b, PPP_LCP, "06 02 0004");
	expect_end(&b, VE_PROTO, false, "its word, error 619");
	bench_fini(&b);
	begin(&b);
	bench_login(&b);
	bench_input(&b, PPP_LCP, "05 02 000b 6164 0a 1b5b6d21");
	expect_end(&b, VE_ADDRESS, false, "it says: ad??[m!");
	bench_fini(&b);
	get_ready(&b);
	bench_input(&b, PPP_LCP, "05 02 0004");
	expect_end(&b, VE_LOST, false, "ended the connection");
	bench_fini(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_frames),
		cmocka_unit_test(test_control_packets),
		cmocka_unit_test(test_login_comes_before_addresses),
		cmocka_unit_test(test_implied_success),
		cmocka_unit_test(test_refused_login),
		cmocka_unit_test(test_protocol_reject),
		cmocka_unit_test(test_reject_is_cut_to_a_tiny_mru),
		cmocka_unit_test(test_mtu),
		cmocka_unit_test(test_lcp_after_login_is_fatal),
		cmocka_unit_test(test_echoes),
		cmocka_unit_test(test_server_without_echoes),
		cmocka_unit_test(test_goodbye_of_ours),
		cmocka_unit_test(test_goodbye_of_the_server),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
