/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_hash.c - the vectors of FIPS 180 (SHA-1), RFC 2202 and RFC 4231 (HMAC). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/hash.h"
#include "test/support/unhex.h"

static struct slice text(const char *s)
{
	return (struct slice){ .p = (const uint8_t *)s, .n = strlen(s) };
}

static void test_sha1(void **state)
{
	static const char message[] = "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq";
	uint8_t got[SHA1_SIZE], want[SHA1_SIZE];

	(void)state;
	assert_int_equal(unhex("da39a3ee5e6b4b0d3255bfef95601890afd80709", want, sizeof(want)), SHA1_SIZE);
	assert_int_equal(hash_sha1(got, NULL, 0), 0);
	assert_memory_equal(got, want, SHA1_SIZE);
	assert_int_equal(unhex("84983e441c3bd26ebaae4aa1f95129e5e54670f1", want, sizeof(want)), SHA1_SIZE);
	for (size_t cut = 0; cut <= strlen(message); cut++) {
		const struct slice v[] = { { text(message).p, cut }, text(message + cut) };

		assert_int_equal(hash_sha1(got, v, 2), 0);
		assert_memory_equal(got, want, SHA1_SIZE);
	}
}

static void test_hmac(void **state)
{
	static const struct {
		const char *key, *in, *sha1, *sha256;
	} vectors[] = {
		{ "Jefe", "what do ya want for nothing?", "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79",
		  "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843" },
		{ "\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b", "Hi There",
		  "b617318655057264e28bc0b6fb378c8ef146be00",
		  "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7" },
	};
	uint8_t got[SHA256_SIZE], want[SHA256_SIZE];

	(void)state;
	for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
		assert_int_equal(unhex(vectors[i].sha1, want, sizeof(want)), SHA1_SIZE);
		assert_int_equal(hash_hmac_sha1(got, text(vectors[i].key), text(vectors[i].in)), 0);
		assert_memory_equal(got, want, SHA1_SIZE);
		assert_int_equal(unhex(vectors[i].sha256, want, sizeof(want)), SHA256_SIZE);
		assert_int_equal(hash_hmac_sha256(got, text(vectors[i].key), text(vectors[i].in)), 0);
		assert_memory_equal(got, want, SHA256_SIZE);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sha1),
		cmocka_unit_test(test_hmac),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
