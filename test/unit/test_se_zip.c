/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Compressed frames: the published one, all sizes, and everything that is not exactly one stream of one frame. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#define ZLIB_CONST
#include <zlib.h>

#include "core/err.h"
#include "core/softether/se_zip.h"
#include "test/support/unhex.h"

/* softether-protocol.md 14: an ARP request, and its form as zlib writes it at level 6. */
static const char frame_hex[] = "ffffffffffff5e0011223344080600010800060400015e0011223344c0a81e0a"
				"000000000000c0a81e01";
static const char zip_hex[] = "789cfbff1f04e21804958c5d38d818183918d858181821fc032be4b818c000c8"
			      "6204003e590b44";

static uint64_t random_state;

static uint8_t random_byte(void)
{
	random_state = random_state * 6364136223846793005u + 1442695040888963407u;
	return (uint8_t)(random_state >> 56);
}

/* What others make of @n bytes at @p: the largest window, level 9. Returns its size. */
static size_t foreign(const uint8_t *p, size_t n, uint8_t *to, size_t cap)
{
	z_stream s = { 0 };
	size_t size;

	assert_int_equal(deflateInit(&s, 9), Z_OK);
	s.next_in = p;
	s.avail_in = (uInt)n;
	s.next_out = to;
	s.avail_out = (uInt)cap;
	assert_int_equal(deflate(&s, Z_FINISH), Z_STREAM_END);
	size = cap - s.avail_out;
	deflateEnd(&s);
	return size;
}

/* And what they read: a new state, byte by byte. */
static size_t foreign_inflate(const uint8_t *p, size_t n, uint8_t *to, size_t cap)
{
	z_stream s = { .next_out = to, .avail_out = (uInt)cap };
	int r = Z_OK;

	assert_int_equal(inflateInit(&s), Z_OK);
	for (size_t i = 0; i < n; i++) {
		assert_int_equal(r, Z_OK);
		s.next_in = p + i;
		s.avail_in = 1;
		r = inflate(&s, Z_NO_FLUSH);
	}
	assert_int_equal(r, Z_STREAM_END);
	inflateEnd(&s);
	return cap - s.avail_out;
}

static int setup(void **state)
{
	struct se_zip *z;

	random_state = 1;
	assert_int_equal(se_zip_new(&z), 0);
	*state = z;
	return 0;
}

static int teardown(void **state)
{
	se_zip_free(*state);
	return 0;
}

static void test_published_frame(void **state)
{
	uint8_t zip[64], frame[64], to[FRAME_MAX];
	size_t zip_n = unhex(zip_hex, zip, sizeof(zip)), frame_n = unhex(frame_hex, frame, sizeof(frame));
	struct slice got;

	assert_int_equal(frame_n, 42);
	assert_int_equal(se_zip_inflate(*state, (struct slice){ zip, zip_n }, to, &got), 0);
	assert_int_equal(got.n, frame_n);
	assert_memory_equal(got.p, frame, frame_n);
}

/* @n bytes through us and back, through us and zlib's own uncompress(), and through zlib's compress() and us. */
static void assert_round(struct se_zip *z, const uint8_t *p, size_t n, size_t split)
{
	const struct slice v[] = { { p, split }, { p, 0 }, { p + split, n - split } };
	uint8_t zip[SE_ZIP_MAX], to[FRAME_MAX];
	size_t zip_n = se_zip_deflate(z, v, 3, zip);
	struct slice got = { .n = 0 };

	assert_true(zip_n > 0);
	assert_int_equal(se_zip_inflate(z, (struct slice){ zip, zip_n }, to, &got), 0);
	assert_int_equal(got.n, n);
	assert_memory_equal(got.p, p, n);
	assert_int_equal(foreign_inflate(zip, zip_n, to, sizeof(to)), n);
	assert_memory_equal(to, p, n);
	zip_n = foreign(p, n, zip, sizeof(zip));
	assert_int_equal(se_zip_inflate(z, (struct slice){ zip, zip_n }, to, &got), 0);
	assert_int_equal(got.n, n);
	assert_memory_equal(got.p, p, n);
}

/* One state for all of them: each stream must start anew. */
static void test_every_size(void **state)
{
	uint8_t noise[FRAME_MAX], flat[FRAME_MAX], text[FRAME_MAX];

	for (size_t i = 0; i < FRAME_MAX; i++) {
		noise[i] = random_byte();
		flat[i] = 0x41;
		text[i] = (uint8_t)"GET / HTTP/1.1\r\n"[random_byte() % 16];
	}
	for (size_t n = 1; n <= FRAME_MAX; n++) {
		assert_round(*state, noise, n, n / 2);
		assert_round(*state, flat, n, 0);
		assert_round(*state, text, n, n);
	}
}

/* The same frame gives the same bytes, whatever went before: nothing of one frame is in another's size. */
static void test_frames_are_alone(void **state)
{
	uint8_t frame[64], other[FRAME_MAX], first[SE_ZIP_MAX], second[SE_ZIP_MAX];
	size_t n = unhex(frame_hex, frame, sizeof(frame)), a, b;
	struct slice v = { frame, n }, w = { other, sizeof(other) };

	for (size_t i = 0; i < sizeof(other); i++)
		other[i] = frame[i % n];
	a = se_zip_deflate(*state, &v, 1, first);
	assert_true(se_zip_deflate(*state, &w, 1, second) > 0);
	b = se_zip_deflate(*state, &v, 1, second);
	assert_int_equal(a, b);
	assert_memory_equal(first, second, a);
}

static void test_frames_that_are_none(void **state)
{
	static const uint8_t big[FRAME_MAX + 1];
	uint8_t to[SE_ZIP_MAX];
	struct slice none = { big, 0 }, most = { big, FRAME_MAX }, more = { big, FRAME_MAX + 1 };

	assert_int_equal(se_zip_deflate(*state, &none, 1, to), 0);
	assert_int_equal(se_zip_deflate(*state, NULL, 0, to), 0);
	assert_true(se_zip_deflate(*state, &most, 1, to) > 0);
	assert_int_equal(se_zip_deflate(*state, &more, 1, to), 0);
}

static void assert_refused(struct se_zip *z, const uint8_t *p, size_t n)
{
	uint8_t *exact = malloc(n > 0 ? n : 1), to[FRAME_MAX];
	struct slice got = { .n = 77 };

	assert_non_null(exact);
	memcpy(exact, p, n);
	assert_int_equal(se_zip_inflate(z, (struct slice){ exact, n }, to, &got), VE_PROTO);
	assert_int_equal(got.n, 77);
	free(exact);
}

static void test_every_truncation(void **state)
{
	uint8_t noise[300], zip[SE_ZIP_MAX], small[64];
	struct slice v = { noise, sizeof(noise) };
	size_t n;

	for (size_t i = 0; i < sizeof(noise); i++)
		noise[i] = random_byte() & 15;
	n = se_zip_deflate(*state, &v, 1, zip);
	for (size_t i = 0; i < n; i++)
		assert_refused(*state, zip, i);
	n = unhex(zip_hex, small, sizeof(small));
	for (size_t i = 0; i < n; i++)
		assert_refused(*state, small, i);
	assert_round(*state, noise, sizeof(noise), 7); /* and the state is none the worse */
}

static void test_every_flipped_bit(void **state)
{
	uint8_t zip[64], frame[64], to[FRAME_MAX];
	size_t n = unhex(zip_hex, zip, sizeof(zip)), frame_n = unhex(frame_hex, frame, sizeof(frame));
	struct slice got;

	for (size_t bit = 0; bit < 8 * n; bit++) {
		zip[bit / 8] ^= (uint8_t)(1 << bit % 8);
		/* The level in the header, and nothing else, may change without notice. */
		if (se_zip_inflate(*state, (struct slice){ zip, n }, to, &got) == 0) {
			assert_int_equal(got.n, frame_n);
			assert_memory_equal(got.p, frame, frame_n);
		}
		zip[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
}

static void test_not_one_stream(void **state)
{
	uint8_t zip[SE_ZIP_MAX + 64], frame[64];
	size_t n = unhex(zip_hex, zip, sizeof(zip)), frame_n = unhex(frame_hex, frame, sizeof(frame));
	uint8_t empty[32];
	size_t empty_n = foreign(frame, 0, empty, sizeof(empty));

	zip[n] = 0;
	assert_refused(*state, zip, n + 1);
	memcpy(zip + n, zip, n);
	assert_refused(*state, zip, 2 * n);
	assert_refused(*state, frame, frame_n); /* a frame that was not compressed */
	assert_refused(*state, empty, empty_n);
	assert_refused(*state, zip + 2, n - 6); /* raw deflate */
}

/* Sizes around the cap, and streams that would fill a disk. */
static void test_bombs(void **state)
{
	static uint8_t plain[4u * MIB], zip[64u * KIB];
	uint8_t to[FRAME_MAX];
	struct slice got;
	size_t n = foreign(plain, FRAME_MAX, zip, sizeof(zip));

	assert_int_equal(se_zip_inflate(*state, (struct slice){ zip, n }, to, &got), 0);
	assert_int_equal(got.n, FRAME_MAX);
	n = foreign(plain, FRAME_MAX + 1, zip, sizeof(zip));
	assert_refused(*state, zip, n);
	n = foreign(plain, sizeof(plain) / 2, zip, sizeof(zip));
	assert_true(n <= FRAME_HARD_MAX);
	assert_refused(*state, zip, n);
	n = foreign(plain, sizeof(plain), zip, sizeof(zip));
	assert_true(n > FRAME_HARD_MAX);
	assert_refused(*state, zip, n);
	assert_round(*state, plain, 100, 50);
}

/* A header that asks for a preset dictionary: there is none. */
static void test_dictionary(void **state)
{
	static const uint8_t dict[] = "GET / HTTP/1.1";
	uint8_t zip[128];
	z_stream s = { 0 };

	assert_int_equal(deflateInit(&s, 6), Z_OK);
	assert_int_equal(deflateSetDictionary(&s, dict, sizeof(dict)), Z_OK);
	s.next_in = dict;
	s.avail_in = sizeof(dict);
	s.next_out = zip;
	s.avail_out = sizeof(zip);
	assert_int_equal(deflate(&s, Z_FINISH), Z_STREAM_END);
	assert_refused(*state, zip, sizeof(zip) - s.avail_out);
	deflateEnd(&s);
}

static void test_free_nothing(void **state)
{
	(void)state;
	se_zip_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_published_frame, setup, teardown),
		cmocka_unit_test_setup_teardown(test_every_size, setup, teardown),
		cmocka_unit_test_setup_teardown(test_frames_are_alone, setup, teardown),
		cmocka_unit_test_setup_teardown(test_frames_that_are_none, setup, teardown),
		cmocka_unit_test_setup_teardown(test_every_truncation, setup, teardown),
		cmocka_unit_test_setup_teardown(test_every_flipped_bit, setup, teardown),
		cmocka_unit_test_setup_teardown(test_not_one_stream, setup, teardown),
		cmocka_unit_test_setup_teardown(test_bombs, setup, teardown),
		cmocka_unit_test_setup_teardown(test_dictionary, setup, teardown),
		cmocka_unit_test(test_free_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
