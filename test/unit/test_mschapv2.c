/* SPDX-License-Identifier: GPL-3.0-or-later */
/* MS-CHAPv2: the vectors of RFC 2759 9.2 and RFC 3079 3.5.3, one with an umlaut and a domain, then texts
 * and packets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "core/sstp/mschapv2.h"
#include "core/sstp/ppp_proto.h"
#include "test/support/unhex.h"

#define RFC_AUTH "5b5d7c7d7b3f2f3e3c2c602132262628"
#define RFC_PEER "21402324255e262a28295f2b3a337c7e"

static void expect(const uint8_t *got, size_t n, const char *hex)
{
	uint8_t want[64];

	assert_int_equal(unhex(hex, want, sizeof(want)), n);
	assert_memory_equal(got, want, n);
}

static void compute(struct mschapv2 *m, const char *user, const char *password, const char *auth,
		    const char *peer)
{
	uint8_t a[16], p[16];

	unhex(auth, a, sizeof(a));
	unhex(peer, p, sizeof(p));
	assert_int_equal(mschapv2_compute(m, user, password, a, p), 0);
}

static void test_rfc_vectors(void **state)
{
	struct mschapv2 m;

	(void)state;
	compute(&m, "User", "clientPass", RFC_AUTH, RFC_PEER);
	expect(m.challenge_hash, 8, "d02e4386bce91226");
	expect(m.nt_hash, 16, "44ebba8d5312b8d611474411f56989ae");
	expect(m.hash_hash, 16, "41c00c584bd2d91c4017a2a12fa59f3f");
	expect(m.nt_response, 24, "82309ecd8d708b5ea08faa3981cd83544233114a3d85d6df");
	expect(m.auth_response, 20, "407a5589115fd0d6209f510fe9c04566932cda56");
	expect(m.master_key, 16, "fdece3717a8c838cb388e527ae3cdd31");
	expect(m.send_key, 16, "d5f0e9521e3ea9589645e86051c82226");
	expect(m.recv_key, 16, "8b7cdc149b993a1ba118cb153f56dccb");
}

static void test_beyond_ascii_and_domain(void **state)
{
	struct mschapv2 m, plain;

	(void)state;
	compute(&m, "CONTOSO\\m\303\241ra", "P\303\244ssw0rd!\342\202\254",
		"000102030405060708090a0b0c0d0e0f", "101112131415161718191a1b1c1d1e1f");
	expect(m.challenge_hash, 8, "8b7d1fb3ce3d1825");
	expect(m.nt_hash, 16, "ff4c7c4cfc2e4d615cf02378a1bc4500");
	expect(m.hash_hash, 16, "c429f6af66329adcfd418bbca1e9e152");
	expect(m.nt_response, 24, "c596c37467d95c1647000de18de243ede30c7faaa186ef39");
	expect(m.auth_response, 20, "5e07d5a6b8153024f0466cb3a4f73bbb48565498");
	expect(m.master_key, 16, "f84b8d7437019eacb42246284f854421");
	expect(m.send_key, 16, "017006fa7750bdac8efa6c87b7ea0672");
	expect(m.recv_key, 16, "b9f3b8f5439c276a22585892f749f4da");
	/* Only what stands before the last backslash is cut; a suffix stays. */
	compute(&plain, "m\303\241ra", "P\303\244ssw0rd!\342\202\254", "000102030405060708090a0b0c0d0e0f",
		"101112131415161718191a1b1c1d1e1f");
	assert_memory_equal(&m, &plain, sizeof(m));
	compute(&plain, "m\303\241ra@hub", "P\303\244ssw0rd!\342\202\254", "000102030405060708090a0b0c0d0e0f",
		"101112131415161718191a1b1c1d1e1f");
	assert_memory_not_equal(m.challenge_hash, plain.challenge_hash, 8);
}

/* MD4 of the password's UTF-16: NT hashes everybody knows, the one of the recorded sessions, and one beyond
 * 16 bits. */
static void test_passwords(void **state)
{
	static const struct {
		const char *password, *nt_hash;
	} cases[] = {
		{ "", "31d6cfe0d16ae931b73c59d7e0c089c0" },
		{ "password", "8846f7eaee8fb117ad06bdd830b7586c" },
		{ "secret", "878d8014606cda29677a44efa1353fc7" },
		/* A surrogate pair; computed with OpenSSL. */
		{ "\360\237\230\200", "4b58a10cc20a4e7d808d218e1f80aabc" },
	};
	struct mschapv2 m, other;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		compute(&m, "u", cases[i].password, RFC_AUTH, RFC_PEER);
		expect(m.nt_hash, 16, cases[i].nt_hash);
	}
	/* Bytes that are no UTF-8 count as Latin-1: "\xe4" is the letter that UTF-8 writes as c3 a4. */
	compute(&m, "u", "\344", RFC_AUTH, RFC_PEER);
	compute(&other, "u", "\303\244", RFC_AUTH, RFC_PEER);
	assert_memory_equal(m.nt_hash, other.nt_hash, 16);
}

static void test_every_byte_is_allowed_and_matters(void **state)
{
	uint8_t seen[256][16];
	char password[3] = "xx";

	(void)state;
	for (unsigned b = 1; b < 256; b++) {
		struct mschapv2 m;

		password[1] = (char)b;
		compute(&m, "u", password, RFC_AUTH, RFC_PEER);
		memcpy(seen[b], m.nt_hash, 16);
		for (unsigned before = 1; before < b; before++)
			assert_memory_not_equal(seen[before], seen[b], 16);
	}
}

static void test_longest_password(void **state)
{
	struct mschapv2 m = { 0 }, zero = { 0 };
	uint8_t c[16] = { 0 };
	char password[1100];

	(void)state;
	memset(password, 'a', sizeof(password));
	password[256] = '\0';
	assert_int_equal(mschapv2_compute(&m, "u", password, c, c), 0);
	memset(&m, 0, sizeof(m));
	password[256] = 'a';
	password[257] = '\0';
	assert_int_equal(mschapv2_compute(&m, "u", password, c, c), VE_LIMIT);
	assert_memory_equal(&m, &zero, sizeof(m));
	/* 128 characters outside of the basic plane are 256 units; one unit more does not fit. */
	for (unsigned i = 0; i < 128; i++)
		memcpy(password + 4 * i, "\360\237\230\200", 4);
	password[512] = '\0';
	assert_int_equal(mschapv2_compute(&m, "u", password, c, c), 0);
	strcpy(password + 512, "a");
	assert_int_equal(mschapv2_compute(&m, "u", password, c, c), VE_LIMIT);
}

static bool proves(const char *text, const struct mschapv2 *m)
{
	return mschapv2_success_proves((struct slice){ (const uint8_t *)text, strlen(text) }, m);
}

static void test_success_text(void **state)
{
	struct mschapv2 m;
	char text[64] = "S=407A5589115FD0D6209F510FE9C04566932CDA56";

	(void)state;
	compute(&m, "User", "clientPass", RFC_AUTH, RFC_PEER);
	assert_true(proves(text, &m));
	assert_true(proves("S=407A5589115FD0D6209F510FE9C04566932CDA56 M=Access granted", &m));
	assert_true(proves("S=407a5589115fd0d6209f510fe9c04566932cda56 M=", &m));
	assert_true(proves("S=407A5589115FD0D6209F510FE9C04566932CDA56 ", &m));
	for (size_t i = 2; i < 42; i++) { /* every digit counts */
		char saved = text[i];

		text[i] = saved == '0' ? '1' : '0';
		assert_false(proves(text, &m));
		text[i] = 'g';
		assert_false(proves(text, &m));
		text[i] = saved;
	}
	for (size_t n = 0; n < 42; n++) /* and every truncation */
		assert_false(mschapv2_success_proves((struct slice){ (const uint8_t *)text, n }, &m));
	assert_false(proves("S=407A5589115FD0D6209F510FE9C04566932CDA560", &m));
	assert_false(proves("407A5589115FD0D6209F510FE9C04566932CDA56", &m));
	/* That S= is part of the words. */
	assert_false(proves("M=hello S=407A5589115FD0D6209F510FE9C04566932CDA56", &m));
}

static void explain(const char *text, const char *user, const char *password, struct fault *f)
{
	const struct auth_account account = { .user = user, .password = password };

	*f = (struct fault){ 0 };
	mschapv2_explain_failure(f, &account, (struct slice){ (const uint8_t *)text, strlen(text) });
	assert_int_equal(f->err, VE_AUTH);
	assert_true(f->final);
	assert_null(strpbrk(f->text, "\n\r\033"));
}

static void test_failure_texts(void **state)
{
	static const struct {
		const char *text, *number, *meaning;
	} cases[] = {
		{ "E=691 R=0 V=3 M=Authentication failure", "691",
		  "user name or password wrong (the server says: Authentication "
		  "failure)" },
		{ "E=691 R=0 C=2541610DD987C5FE016FBEC8315000D5 V=3", "691",
		  "user name or password wrong" },
		{ "E=691 R=1 C=1756fa45414a09095cad80c448829614 V=0 M=Access denied", "691",
		  "Access denied" },
		{ "", "691", "user name or password wrong" },
		{ "E=646 R=0", "646", "time of day" },
		{ "E=647 R=0", "647", "disabled" },
		{ "E=648 R=0 C=00 V=3 M=expired", "648", "expired" },
		{ "E=649 R=0", "649", "dial in" },
		{ "E=709 R=0", "709", "new password" },
		{ "E=999 M=what", "999", "(the server says: what)" },
		{ "R=0 E=691", "691", "wrong" },
		{ "no such user", "error 0", "no such user" },
		{ "E= M=x", "error 0", "x" },
		{ "E=69a M=x", "error 0", "x" },
		{ "E=99999999999999999999", "error 0", "E=9999" },
		{ "M=it says E=691", "error 0", "it says E=691" },
		{ "E=691 M=bell\a and \033[31mred\r\n", "691", "bell? and ?[31mred??" },
		{ "E=691 M=\377\300", "691", "??" },
	};
	struct fault f;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		explain(cases[i].text, "alice@TEST", "secret", &f);
		if (!strstr(f.text, cases[i].number) || !strstr(f.text, cases[i].meaning))
			fail_msg("\"%s\" became \"%s\"", cases[i].text, f.text);
		assert_non_null(strstr(f.text, "alice@TEST"));
		assert_null(strstr(f.text, "secret"));
	}
}

static void test_hints(void **state)
{
	struct fault f;

	(void)state;
	explain("E=691", "alice", "secret", &f);
	assert_non_null(strstr(f.text, "USER@HUB"));
	explain("E=691", "alice@TEST", "secret", &f);
	assert_null(strstr(f.text, "USER@HUB"));
	explain("E=691", "alice", "s\303\251cret", &f);
	assert_non_null(strstr(f.text, "ASCII"));
}

/* --- packets ------------------------------------------------------------------------------------------ */

static void rfc_peer_challenge(void *ctx, void *to, size_t n)
{
	uint8_t peer[16];

	(void)ctx;
	assert_int_equal(n, sizeof(peer));
	unhex(RFC_PEER, peer, sizeof(peer));
	memcpy(to, peer, n);
}

static const struct session_env env = { .random = rfc_peer_challenge };
static const struct auth_account rfc_account = { .user = "User", .password = "clientPass" };

/* One login and what it last wrote. */
struct login {
	struct auth *a;
	uint8_t out[PPP_AUTH_PACKET_MAX];
	struct wr w;
};

static void begin(struct login *l)
{
	assert_int_equal(mschapv2_auth_ops.create(&l->a, &rfc_account, &env), 0);
	l->w = wr_init(l->out, sizeof(l->out));
	l->a->ops->start(l->a, 1000, &l->w);
	assert_int_equal(l->w.n, 0);
	assert_int_equal(l->a->state, AUTH_GOING);
}

static void give(struct login *l, const char *hex, uint64_t now)
{
	uint8_t in[600];
	size_t n = unhex(hex, in, sizeof(in));

	l->w = wr_init(l->out, sizeof(l->out));
	l->a->ops->input(l->a, (struct slice){ in, n }, now, &l->w);
	assert_true(wr_ok(&l->w));
}

static void end(struct login *l)
{
	l->a->ops->destroy(l->a);
}

#define CHALLENGE_5 "01050019 10" RFC_AUTH "73727631"
#define RESPONSE_5 \
	"0205003a3121402324255e262a28295f2b3a337c7e000000000000000082309ecd8d708b5ea08faa3981cd8354" \
	"4233114a3d85d6df0055736572"
#define SUCCESS_5 \
	"0305002e 533d34303741353538393131354644304436323039463531304645394330343536363933324344413536"

static void expect_response(struct login *l)
{
	uint8_t want[100];
	size_t n = unhex(RESPONSE_5, want, sizeof(want));

	assert_int_equal(l->w.n, n);
	assert_memory_equal(l->out, want, n);
}

static void test_login(void **state)
{
	struct login l;

	(void)state;
	begin(&l);
	give(&l, CHALLENGE_5, 1000);
	expect_response(&l);
	assert_int_equal(l.a->state, AUTH_GOING);
	assert_int_equal(l.a->deadline, 4000);
	give(&l, SUCCESS_5, 1100);
	assert_int_equal(l.w.n, 0);
	assert_int_equal(l.a->state, AUTH_OK);
	assert_true(l.a->deadline == UINT64_MAX);
	expect(l.a->hlak, 32, "d5f0e9521e3ea9589645e86051c822268b7cdc149b993a1ba118cb153f56dccb");
	end(&l);
}

static void test_repeated_challenge_and_response(void **state)
{
	struct login l;

	(void)state;
	begin(&l);
	give(&l, CHALLENGE_5, 1000);
	give(&l, CHALLENGE_5, 2000); /* SoftEther, every second: the same Response */
	expect_response(&l);
	assert_int_equal(l.a->deadline, 5000);
	for (unsigned i = 0; i < PPP_AUTH_RESENDS_MAX; i++) {
		l.w = wr_init(l.out, sizeof(l.out));
		l.a->ops->tick(l.a, l.a->deadline, &l.w);
		expect_response(&l);
	}
	l.w = wr_init(l.out, sizeof(l.out));
	l.a->ops->tick(l.a, l.a->deadline, &l.w);
	assert_int_equal(l.w.n, 0);
	/* Enough said; a slow authentication server may still answer. */
	assert_true(l.a->deadline == UINT64_MAX);
	give(&l, SUCCESS_5, 50000);
	assert_int_equal(l.a->state, AUTH_OK);
	give(&l, CHALLENGE_5, 51000); /* SoftEther again: settled */
	assert_int_equal(l.w.n, 0);
	give(&l, SUCCESS_5, 51001); /* and the answer to a repeated Response */
	assert_int_equal(l.a->state, AUTH_OK);
	end(&l);
}

static void test_impostor(void **state)
{
	struct login l;

	(void)state;
	begin(&l);
	give(&l, SUCCESS_5, 1000); /* before any challenge: nothing to succeed with */
	assert_int_equal(l.a->state, AUTH_GOING);
	give(&l, CHALLENGE_5, 1000);
	give(&l,
	     "0306002e 533d34303741353538393131354644304436323039463531304645394330343536363933324344413536",
	     1001);
	assert_int_equal(l.a->state, AUTH_GOING); /* another identifier */
	give(&l, "03050004", 1002);
	assert_int_equal(l.a->state, AUTH_FAILED);
	assert_int_equal(l.a->fault.err, VE_AUTH);
	assert_true(l.a->fault.final);
	give(&l, SUCCESS_5, 1003); /* too late */
	assert_int_equal(l.a->state, AUTH_FAILED);
	end(&l);
}

static void test_failure_packet(void **state)
{
	struct login l;

	(void)state;
	begin(&l);
	give(&l, CHALLENGE_5, 1000);
	give(&l, "04050029 453d36393120523d3020563d33204d3d41757468656e7469636174696f6e206661696c757265",
	     1001);
	assert_int_equal(l.a->state, AUTH_FAILED);
	assert_non_null(strstr(l.a->fault.text, "691"));
	end(&l);
}

static void test_rechallenge_after_login(void **state)
{
	struct login l;
	uint8_t hlak[32];

	(void)state;
	begin(&l);
	give(&l, CHALLENGE_5, 1000);
	give(&l, SUCCESS_5, 1001);
	memcpy(hlak, l.a->hlak, sizeof(hlak));
	give(&l, "01070015 10 000102030405060708090a0b0c0d0e0f", 1500);
	assert_int_equal(l.w.n, 0); /* nobody needs us twice a second */
	give(&l, "01070015 10 000102030405060708090a0b0c0d0e0f", 60000);
	assert_int_equal(l.w.n, 58);
	assert_int_equal(l.out[1], 7);
	assert_int_equal(l.a->state, AUTH_OK);
	assert_memory_equal(l.a->hlak, hlak, sizeof(hlak));
	give(&l, "04070009 453d363931", 60001);
	assert_int_equal(l.a->state, AUTH_FAILED);
	end(&l);
}

static void test_bad_challenges(void **state)
{
	static const char *const bad[] = {
		"",
		"01",
		"01050003",
		"010500",
		"01050019 10" RFC_AUTH "737276",
		"01050005 00",
		"01050004",
		"01050014 0f 5b5d7c7d7b3f2f3e3c2c6021322626",
		"01050016 11 5b5d7c7d7b3f2f3e3c2c60213226262828",
		"01050015 ff" RFC_AUTH,
		"02050015 10" RFC_AUTH,
		"05050015 10" RFC_AUTH,
		"010500ff 10" RFC_AUTH,
	};
	struct login l;

	(void)state;
	begin(&l);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		give(&l, bad[i], 1000);
		assert_int_equal(l.w.n, 0);
	}
	give(&l, CHALLENGE_5 "ffff", 1000); /* padding */
	expect_response(&l);
	end(&l);
}

static void test_endless_challenges(void **state)
{
	struct login l;
	char hex[64];
	unsigned n = 0;

	(void)state;
	begin(&l);
	while (l.a->state == AUTH_GOING && n < 1000) {
		snprintf(hex, sizeof(hex), "01%02x0015 10 %032x", n & 0xff, n);
		give(&l, hex, 1000);
		n++;
	}
	assert_int_equal(n, 17);
	assert_int_equal(l.a->fault.err, VE_PROTO);
	end(&l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rfc_vectors),
		cmocka_unit_test(test_beyond_ascii_and_domain),
		cmocka_unit_test(test_passwords),
		cmocka_unit_test(test_every_byte_is_allowed_and_matters),
		cmocka_unit_test(test_longest_password),
		cmocka_unit_test(test_success_text),
		cmocka_unit_test(test_failure_texts),
		cmocka_unit_test(test_hints),
		cmocka_unit_test(test_login),
		cmocka_unit_test(test_repeated_challenge_and_response),
		cmocka_unit_test(test_impostor),
		cmocka_unit_test(test_failure_packet),
		cmocka_unit_test(test_rechallenge_after_login),
		cmocka_unit_test(test_bad_challenges),
		cmocka_unit_test(test_endless_challenges),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
