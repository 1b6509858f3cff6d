/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_base64.c - RFC 4648 section 10's vectors, and what is none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/base64.h"
#include "core/err.h"

static const struct {
	const char *plain, *coded;
} vectors[] = {
	{ "", "" },		{ "f", "Zg==" },	 { "fo", "Zm8=" },	  { "foo", "Zm9v" },
	{ "foob", "Zm9vYg==" }, { "fooba", "Zm9vYmE=" }, { "foobar", "Zm9vYmFy" }, { "\xfb\xff\xfe", "+//+" },
};

#define COUNT (sizeof(vectors) / sizeof(vectors[0]))

static void test_vectors(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT; i++) {
		size_t size = strlen(vectors[i].plain), len = strlen(vectors[i].coded), n = 99;
		uint8_t bytes[16];
		char text[16];

		assert_int_equal(BASE64_SIZE(size), len);
		assert_ptr_equal(base64_put(text, vectors[i].plain, size), text + len);
		assert_memory_equal(text, vectors[i].coded, len);
		assert_int_equal(base64_decode(vectors[i].coded, len, bytes, size, &n), 0);
		assert_int_equal(n, size);
		assert_memory_equal(bytes, vectors[i].plain, size);
		if (size > 0)
			assert_int_equal(base64_decode(vectors[i].coded, len, bytes, size - 1, &n), VE_LIMIT);
		for (size_t cut = 1; cut < len; cut++) { /* truncations: wrong, unless whole groups are left */
			int r = base64_decode(vectors[i].coded, cut, bytes, sizeof(bytes), &n);

			assert_int_equal(r, cut % 4 == 0 ? 0 : VE_USAGE);
		}
	}
}

static void test_every_byte(void **state)
{
	uint8_t bytes[256], back[256];
	char text[BASE64_SIZE(256)];
	size_t n;

	(void)state;
	for (unsigned i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)i;
	for (size_t size = 0; size <= sizeof(bytes); size++) {
		char *end = base64_put(text, bytes + sizeof(bytes) - size, size);

		assert_int_equal(base64_decode(text, (size_t)(end - text), back, sizeof(back), &n), 0);
		assert_int_equal(n, size);
		assert_memory_equal(back, bytes + sizeof(bytes) - size, size);
		/* in place */
		assert_int_equal(base64_decode(text, (size_t)(end - text), (uint8_t *)text, sizeof(text), &n), 0);
		assert_memory_equal(text, bytes + sizeof(bytes) - size, size);
	}
}

static void test_wrong(void **state)
{
	static const char *const wrong[] = { "Z", "Zg", "Zg=", "Zh==", "Zm9=", "====", "Z===", "=Zg=", "Zg==Zg==", "Zm 9",
					     "Zm9v\n", "Zm-_", "Zm9\x80", "Zg=a" };
	uint8_t bytes[16];
	size_t n = 7;

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_int_equal(base64_decode(wrong[i], strlen(wrong[i]), bytes, sizeof(bytes), &n), VE_USAGE);
	assert_int_equal(n, 7);
}

static void test_lax(void **state)
{
	static const struct {
		const char *coded, *plain; /* NULL: wrong even so */
	} texts[] = {
		{ "", "" },	   { "Zg==", "f" }, { "Zg=", "f" },  { "Zg", "f" },   { "Zh==", "f" },	  { "Zm8", "fo" },
		{ "Zm9=", "fo" },  { "=", "" },	    { "==", "" },    { "Zm9v=", "foo" }, { "Zm9vYg", "foob" }, { "Z", NULL },
		{ "Z===", NULL },  { "===", NULL }, { "Zm 9", NULL }, { "Zm9v\n", NULL }, { "Zm-_", NULL },	  { "Zm9vY", NULL },
	};
	uint8_t bytes[4];

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		size_t n = 99;
		int r = base64_decode_lax(texts[i].coded, strlen(texts[i].coded), bytes, sizeof(bytes), &n);

		assert_int_equal(r, texts[i].plain ? 0 : VE_USAGE);
		assert_int_equal(n, texts[i].plain ? strlen(texts[i].plain) : 99);
		if (n == 99)
			continue;
		assert_memory_equal(bytes, texts[i].plain, n);
		if (n > 0)
			assert_int_equal(base64_decode_lax(texts[i].coded, strlen(texts[i].coded), bytes, n - 1, &n), VE_LIMIT);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vectors),
		cmocka_unit_test(test_every_byte),
		cmocka_unit_test(test_wrong),
		cmocka_unit_test(test_lax),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
