/* SPDX-License-Identifier: GPL-3.0-or-later */
/* PAP and CHAP-MD5, the two methods that nobody gets without asking; and text made printable. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/sstp/chap_md5.h"
#include "core/sstp/pap.h"
#include "core/sstp/printable.h"
#include "test/support/ppp_bench.h"
#include "test/support/unhex.h"

static const struct auth_account alice = { .user = "alice", .password = "s3cret" };

struct login {
	struct auth *a;
	uint8_t out[PPP_AUTH_PACKET_MAX];
	struct wr w;
};

static void begin(struct login *l, const struct auth_ops *ops, const struct auth_account *account)
{
	assert_int_equal(ops->create(&l->a, account, &bench_env), 0);
	l->w = wr_init(l->out, sizeof(l->out));
	ops->start(l->a, 1000, &l->w);
	assert_true(wr_ok(&l->w));
}

static void give(struct login *l, const char *hex)
{
	uint8_t in[600];
	size_t n = unhex(hex, in, sizeof(in));

	l->w = wr_init(l->out, sizeof(l->out));
	l->a->ops->input(l->a, (struct slice){ in, n }, 1000, &l->w);
}

static void tick(struct login *l)
{
	l->w = wr_init(l->out, sizeof(l->out));
	l->a->ops->tick(l->a, l->a->deadline, &l->w);
}

static void expect(const struct login *l, const char *hex)
{
	uint8_t want[600];
	size_t n = unhex(hex, want, sizeof(want));

	assert_int_equal(l->w.n, n);
	assert_memory_equal(l->out, want, n);
}

static void end(struct login *l)
{
	l->a->ops->destroy(l->a);
}

#define PAP_REQUEST "01 00 0011 05 616c696365 06 733363726574"

static void test_pap(void **state)
{
	static const uint8_t zeros[AUTH_HLAK];
	struct login l;

	(void)state;
	begin(&l, &pap_auth_ops, &alice);
	expect(&l, PAP_REQUEST);
	for (unsigned i = 0; i < PPP_AUTH_RESENDS_MAX; i++) {
		assert_int_equal(l.a->deadline, 4000 + 3000 * i);
		tick(&l);
		expect(&l, PAP_REQUEST);
	}
	tick(&l);
	assert_int_equal(l.w.n, 0);
	assert_true(l.a->deadline == UINT64_MAX);
	give(&l, "02 01 0005 00"); /* another identifier */
	give(&l, "02 00 0003");
	give(&l, "05 00 0004");
	assert_int_equal(l.a->state, AUTH_GOING);
	give(&l, "02 00 0004"); /* without a message, as SoftEther sends it */
	assert_int_equal(l.a->state, AUTH_OK);
	assert_memory_equal(l.a->hlak, zeros, sizeof(zeros));
	end(&l);
}

static void refused(const char *packet, const char *word)
{
	struct login l;

	begin(&l, &pap_auth_ops, &alice);
	give(&l, packet);
	assert_int_equal(l.a->state, AUTH_FAILED);
	assert_int_equal(l.a->fault.err, VE_AUTH);
	assert_true(l.a->fault.final);
	assert_non_null(strstr(l.a->fault.text, "691"));
	if (!strstr(l.a->fault.text, word))
		fail_msg("no \"%s\" in: %s", word, l.a->fault.text);
	assert_null(strstr(l.a->fault.text, "s3cret"));
	end(&l);
}

static void test_pap_refused(void **state)
{
	(void)state;
	refused("03 00 0004", "wrong;");
	refused("03 00 0005 00", "wrong;");
	refused("03 00 0008 03 6e6f21", "(the server says: no!)");
	/* A message that says to be longer than it is. */
	refused("03 00 0008 ff 6e6f21", "(the server says: no!)");
	refused("03 00 0008 02 6e6f21", "(the server says: no)");
	refused("03 00 0009 04 6e0a1b7f", "(the server says: n?" "?" "?)");
}

static void test_pap_lengths(void **state)
{
	char user[257], password[257];
	struct auth_account account = { .user = user, .password = password };
	struct login l;

	(void)state;
	memset(user, 'u', sizeof(user));
	memset(password, 'p', sizeof(password));
	user[255] = password[255] = '\0';
	begin(&l, &pap_auth_ops, &account);
	assert_int_equal(l.w.n, 4 + 1 + 255 + 1 + 255);
	assert_int_equal(load_be16(l.out + 2), l.w.n);
	end(&l);
	password[255] = 'p';
	password[256] = '\0';
	begin(&l, &pap_auth_ops, &account);
	assert_int_equal(l.a->state, AUTH_FAILED);
	assert_int_equal(l.w.n, 0);
	end(&l);
}

static void test_chap_md5_vector(void **state)
{
	uint8_t challenge[16], value[16], want[16];

	(void)state;
	unhex("000102030405060708090a0b0c0d0e0f", challenge, sizeof(challenge));
	unhex("821643665b430359e52ac524d29c8f95", want, sizeof(want));
	assert_int_equal(chap_md5_value(value, 7, "secret", (struct slice){ challenge, 16 }), 0);
	assert_memory_equal(value, want, 16);
}

static void test_chap_md5(void **state)
{
	static const struct auth_account account = { .user = "bob", .password = "secret" };
	struct login l;

	(void)state;
	begin(&l, &chap_md5_auth_ops, &account);
	assert_int_equal(l.w.n, 0);
	give(&l, "01 07 0015 10 000102030405060708090a0b0c0d0e0f");
	expect(&l, "02 07 0018 10 821643665b430359e52ac524d29c8f95 626f62");
	give(&l, "03 07 0006 6f6b");
	assert_int_equal(l.a->state, AUTH_OK);
	end(&l);
	begin(&l, &chap_md5_auth_ops, &account);
	give(&l, "01 07 0005 00"); /* an empty challenge is none */
	assert_int_equal(l.w.n, 0);
	give(&l, "01 07 0006 01 aa");
	assert_int_equal(l.w.n, 24);
	give(&l, "04 07 0007 626164");
	assert_int_equal(l.a->state, AUTH_FAILED);
	assert_non_null(strstr(l.a->fault.text, "(the server says: bad)"));
	end(&l);
}

static void test_longest_challenge(void **state)
{
	struct login l;
	char hex[600] = "01 07 0104 ff";

	(void)state;
	begin(&l, &chap_md5_auth_ops, &alice);
	for (unsigned i = 0; i < 255; i++)
		strcat(hex, "5a");
	give(&l, hex);
	assert_int_equal(l.w.n, 4 + 1 + 16 + 5);
	give(&l, hex); /* recognised as the same */
	assert_int_equal(l.w.n, 4 + 1 + 16 + 5);
	end(&l);
}

static void expect_printable(const char *from, size_t cap, const char *want)
{
	char buf[64];

	assert_ptr_equal(printable(buf, cap, (struct slice){ (const uint8_t *)from, strlen(from) }), buf);
	assert_string_equal(buf, want);
}

static void test_printable(void **state)
{
	char buf[4];

	(void)state;
	expect_printable("plain", 64, "plain");
	expect_printable("", 64, "");
	expect_printable("a\tb\r\nc\033[0m\177", 64, "a?b??c?[0m?");
	expect_printable("caf\303\251", 64, "caf\303\251");
	expect_printable("caf\351", 64, "caf?");
	expect_printable("\302\205", 64, "?"); /* a control character beyond ASCII */
	expect_printable("abcdef", 4, "abc");
	expect_printable("ab\303\251f", 4, "ab"); /* never half a character */
	expect_printable("x", 1, "");
	printable(buf, sizeof(buf), (struct slice){ .p = (const uint8_t *)"a\0b", .n = 3 });
	assert_string_equal(buf, "a?b");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pap),
		cmocka_unit_test(test_pap_refused),
		cmocka_unit_test(test_pap_lengths),
		cmocka_unit_test(test_chap_md5_vector),
		cmocka_unit_test(test_chap_md5),
		cmocka_unit_test(test_longest_challenge),
		cmocka_unit_test(test_printable),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
