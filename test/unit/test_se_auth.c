/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_se_auth.c - SHA-0 and the password proof against softether-protocol.md 14, and what is derived per
 * account. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/softether/se_auth.h"
#include "core/softether/se_ident.h"
#include "test/support/se_peer.h"

static void assert_hash(const uint8_t *hash, const char *hex)
{
	struct se_bytes b = { 0 };

	se_bytes_hex(&b, hex);
	assert_int_equal(b.n, SE_HASH_SIZE);
	assert_memory_equal(hash, b.p, SE_HASH_SIZE);
	se_bytes_free(&b);
}

static void sha0_of(const void *p, size_t n, uint8_t ret[static SE_HASH_SIZE])
{
	struct slice s = { .p = p, .n = n };

	se_sha0(&s, 1, ret);
}

static void test_sha0_vectors(void **state)
{
	static const struct {
		const char *text, *hex;
	} cases[] = {
		{ "", "f96cea198ad1dd5617ac084a3d92c6107708c0ef" },
		{ "abc", "0164b8a914cd2a5e74c4f7ff082c4d97f1edf880" },
		{ "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
		  "d2516ee1acfa5baf33dfc1c471e438449ef134c8" },
	};
	uint8_t hash[SE_HASH_SIZE];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		sha0_of(cases[i].text, strlen(cases[i].text), hash);
		assert_hash(hash, cases[i].hex);
	}
}

/* FIPS 180's own long vector, of 1993. */
static void test_sha0_million(void **state)
{
	char *a = malloc(1000000);
	uint8_t hash[SE_HASH_SIZE];

	(void)state;
	assert_non_null(a);
	memset(a, 'a', 1000000);
	sha0_of(a, 1000000, hash);
	assert_hash(hash, "3232affa48628a26653b5aaa44541fd90d690603");
	free(a);
}

/* Every length around the block's edges, in two pieces split everywhere, and byte by byte. */
static void test_sha0_splits(void **state)
{
	uint8_t text[130], whole[SE_HASH_SIZE], parts[SE_HASH_SIZE];
	struct slice v[130];

	(void)state;
	for (size_t i = 0; i < sizeof(text); i++)
		text[i] = (uint8_t)(i * 7);
	for (size_t n = 0; n <= sizeof(text); n++) {
		sha0_of(text, n, whole);
		for (size_t at = 0; at <= n; at++) {
			v[0] = (struct slice){ .p = text, .n = at };
			v[1] = (struct slice){ .p = text + at, .n = n - at };
			se_sha0(v, 2, parts);
			assert_memory_equal(whole, parts, SE_HASH_SIZE);
		}
		for (size_t i = 0; i < n; i++)
			v[i] = (struct slice){ .p = text + i, .n = 1 };
		se_sha0(v, n, parts);
		assert_memory_equal(whole, parts, SE_HASH_SIZE);
	}
}

static void test_password_vectors(void **state)
{
	static const struct {
		const char *user, *password, *hex;
	} cases[] = {
		{ "alice", "Secret123", "119d71db56b8cf61d6bb0a20d01176f650fb4ba1" },
		{ "vpn", "vpn", "1fc37bad3f011f8e2ad271570bd3651717ad1b34" },
		{ "User Name", "p\xc3\xa4ssw\xc3\xb6rd", "8f904a549e0f5ca1ffb03f25f4e451df507f77af" },
		{ "administrator", "", "6e9c375ff3b913c6ba1ba71c9e5e2e5e60ed9302" },
		{ "ALICE", "Secret123", "119d71db56b8cf61d6bb0a20d01176f650fb4ba1" },
	};
	uint8_t hash[SE_HASH_SIZE];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		se_auth_hash(cases[i].password, cases[i].user, hash);
		assert_hash(hash, cases[i].hex);
	}
}

static void test_challenge_vectors(void **state)
{
	uint8_t challenge[SE_HASH_SIZE], hash[SE_HASH_SIZE], response[SE_HASH_SIZE];

	(void)state;
	for (unsigned i = 0; i < sizeof(challenge); i++)
		challenge[i] = (uint8_t)i;
	se_auth_hash("Secret123", "alice", hash);
	se_auth_response(hash, challenge, response);
	assert_hash(response, "d9b039667401a6f1db96f5de9f74c3590f35e441");
	se_auth_hash("vpn", "vpn", hash);
	se_auth_response(hash, challenge, response);
	assert_hash(response, "09aabdcf0bd28b416c19a219e71230aa132027c3");
}

/* --- who we are
 * ------------------------------------------------------------------------------------------------- */

static struct se_ident ident(uint8_t installation, const char *host, const char *hub, const char *user)
{
	uint8_t id[20];
	struct se_ident ret;

	memset(id, installation, sizeof(id));
	memset(&ret, 0xa5, sizeof(ret));
	assert_int_equal(se_ident_make(&ret, id, host, hub, user), 0);
	return ret;
}

static void test_ident_is_stable(void **state)
{
	struct se_ident a = ident(1, "vpn.example.com", "HUB", "alice");
	struct se_ident b = ident(1, "VPN.example.com", "hub", "Alice");

	(void)state;
	assert_memory_equal(&a, &b, sizeof(a));
	assert_int_equal(a.mac[0], 0x5e);
	assert_memory_not_equal(a.machine, a.node, sizeof(a.node));
	assert_memory_not_equal(a.machine, a.mac + 1, 5);
	assert_memory_not_equal(a.node, a.mac + 1, 5);
}

static void test_ident_differs(void **state)
{
	const struct se_ident all[] = {
		ident(1, "vpn.example.com", "HUB", "alice"), ident(2, "vpn.example.com", "HUB", "alice"),
		ident(1, "vpn.example.org", "HUB", "alice"), ident(1, "vpn.example.com", "HUB2", "alice"),
		ident(1, "vpn.example.com", "HUB", "alice2"), ident(1, "vpn.example.com", "HUB2alice", ""),
		ident(1, "vpn.example.com", "", "HUBalice"), ident(1, "vpn.example.comHUB", "", "alice"),
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(all); i++) {
		for (size_t k = 0; k < i; k++) {
			assert_memory_not_equal(all[i].mac, all[k].mac, sizeof(all[i].mac));
			assert_memory_not_equal(all[i].machine, all[k].machine, sizeof(all[i].machine));
			assert_memory_not_equal(all[i].node, all[k].node, sizeof(all[i].node));
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sha0_vectors),
		cmocka_unit_test(test_sha0_million),
		cmocka_unit_test(test_sha0_splits),
		cmocka_unit_test(test_password_vectors),
		cmocka_unit_test(test_challenge_vectors),
		cmocka_unit_test(test_ident_is_stable),
		cmocka_unit_test(test_ident_differs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
