/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_rudp_bulk.c - published vectors both ways, every truncation and changed byte, sequence numbers, sizes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/err.h"
#include "core/softether/rudp_bulk.h"
#include "core/softether/se_cipher.h"
#include "test/support/unhex.h"

/* softether-protocol.md 14 */
static const char frame_f[] =
	"ffffffffffff5e0011223344080600010800060400015e0011223344c0a81e0a000000000000c0a81e01";
static const char bulk_v2[] =
	"000102030405060708090a0b89fb08002917a541487cc00c67e25063d85281a35972adb8ee9729c175c1f83cfda21fb726b6"
	"af92373276d865944f8b6085ab76d12178e34064a538adb6201eeb4bafc7";
static const char bulk_v1[] =
	"b482b20bd6b4bf51305114f3cbb895436b0bb700202122232425262728292a2b2c2d2e2f30313233cdaa708985fb3e782526"
	"822f617094a2fd3482c3aec896cf7a02a4d77096ef700766e23e1d020649ccb4395ed7b3f2a676662ea8";
static const char sign_v1[] = "940f0d857d11b0a43c10a1416a2ad93fad9508e7";

/* Randomness that a test writes down; then it counts. */
static uint8_t script[64];
static size_t script_n, script_at;

static void random_script(void *ctx, void *to, size_t n)
{
	uint8_t *p = to;

	(void)ctx;
	for (size_t i = 0; i < n; i++)
		p[i] = script_at < script_n ? script[script_at++] : (uint8_t)(7 * i + script_at++);
}

static const struct session_env env = { .random = random_script };

static const uint8_t count[64] = { 0,  1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12, 13, 14, 15,
				   16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31 };

static void init(struct rudp_bulk *b, size_t key, bool hmac)
{
	struct slice k = { count, key };

	assert_int_equal(rudp_bulk_init(b, k, k, hmac, &env), 0);
}

static int open_exact(struct rudp_bulk *b, const uint8_t *d, size_t n, struct slice *ret, bool *z)
{
	static uint8_t to[RUDP_BULK_DATAGRAM_MAX];
	uint8_t *exact = malloc(n ? n : 1);
	int r;

	assert_non_null(exact);
	if (n > 0)
		memcpy(exact, d, n);
	r = rudp_bulk_open(b, (struct slice){ exact, n }, to, ret, z);
	free(exact);
	return r;
}

static void vector(const char *hex, size_t key, bool hmac)
{
	uint8_t want[256], f[64], got[RUDP_BULK_DATAGRAM_MAX];
	size_t n = unhex(hex, want, sizeof(want)), nf = unhex(frame_f, f, sizeof(f));
	struct slice v[2] = { { f, 10 }, { f + 10, nf - 10 } }, frame;
	struct rudp_bulk b;
	bool z = true;

	if (key == 20 && !hmac)
		assert_int_equal(unhex(sign_v1, want, 20), 20);
	script_n = 0;
	init(&b, key, hmac);
	script_at = 0;
	if (key == 32) {
		memcpy(b.nonce, count, 12);
		b.nonce[11]--; /* counted up before use */
		script_n = 0;
	} else {
		for (unsigned i = 0; i < 20; i++)
			script[i] = (uint8_t)(0x20 + i);
		script_n = 20;
	}
	script[script_n++] = 1; /* one more: a padding of 2 */
	assert_int_equal(rudp_bulk_seal(&b, v, 2, false, got), n);
	assert_memory_equal(got, want, n);
	script_n = 0;
	for (size_t i = 0; i < n; i++)
		assert_int_equal(open_exact(&b, want, i, &frame, &z), VE_PROTO);
	for (size_t i = 0; i < n; i++) {
		want[i] ^= 1;
		assert_int_equal(open_exact(&b, want, n, &frame, &z), VE_PROTO);
		want[i] ^= 1;
	}
	assert_int_equal(b.recv_seq, 0);
	assert_int_equal(open_exact(&b, want, n, &frame, &z), 0);
	assert_false(z);
	assert_int_equal(frame.n, nf);
	assert_memory_equal(frame.p, f, nf);
	assert_int_equal(b.recv_seq, 1);
	rudp_bulk_fini(&b);
}

static void test_vectors(void **state)
{
	(void)state;
	vector(bulk_v2, 32, false);
	vector(bulk_v1, 20, true);
	vector(bulk_v1, 20, false);
}

static void test_keys(void **state)
{
	struct rudp_bulk b;

	(void)state;
	for (size_t i = 0; i <= 40; i++) {
		int want = i == 20 || i == 32 ? 0 : VE_PROTO;

		assert_int_equal(rudp_bulk_init(&b, (struct slice){ count, i }, (struct slice){ count, i }, true, &env),
				 want);
	}
	assert_int_equal(rudp_bulk_init(&b, (struct slice){ count, 20 }, (struct slice){ count, 32 }, true, &env), VE_PROTO);
}

static void test_sizes(void **state)
{
	static uint8_t frame[FRAME_MAX + 1];
	uint8_t d[RUDP_BULK_DATAGRAM_MAX];

	(void)state;
	for (size_t key = 20; key <= 32; key += 12) {
		struct rudp_bulk b;

		init(&b, key, true);
		for (size_t n = 0; n <= FRAME_MAX + 1; n++) {
			bool compressed = n % 2 != 0, z = !compressed;
			struct slice v[] = { { frame, n / 2 }, { frame + n / 2, n - n / 2 } }, got;
			size_t size = rudp_bulk_seal(&b, v, 2, compressed, d);

			frame[n ? n - 1 : 0] = (uint8_t)n;
			if (n == 0 || n > FRAME_MAX) {
				assert_int_equal(size, 0);
				continue;
			}
			size = rudp_bulk_seal(&b, v, 2, compressed, d);
			assert_int_equal(open_exact(&b, d, size, &got, &z), 0);
			assert_int_equal(z, compressed);
			assert_int_equal(got.n, n);
			assert_memory_equal(got.p, frame, n);
		}
		assert_int_equal(rudp_bulk_seal(&b, (struct slice[]){ { frame, SIZE_MAX }, { frame, 10 } }, 2, false, d), 0);
		rudp_bulk_fini(&b);
	}
}

static size_t with_seq(struct rudp_bulk *b, uint64_t seq, uint8_t *d)
{
	b->send_seq = seq - 1;
	return rudp_bulk_seal(b, &(struct slice){ count, 20 }, 1, false, d);
}

static void test_sequence(void **state)
{
	static const struct { uint64_t seq; int want; } t[] = {
		{ 1, 0 }, { 100000, 0 }, { 100000 - 16384, 0 }, { 100000 - 16385, VE_PROTO }, { 100000, 0 }, { 1, VE_PROTO },
		{ 0xf000000000000000ull, VE_PROTO }, { UINT64_MAX, VE_PROTO }, { 100001, 0 },
		{ 0xefffffffffffffffull, 0 }, { 100001, VE_PROTO },
	};
	uint8_t d[RUDP_BULK_DATAGRAM_MAX];

	(void)state;
	for (size_t key = 20; key <= 32; key += 12) {
		struct rudp_bulk b;

		init(&b, key, true);
		for (size_t i = 0; i < ARRAY_LEN(t); i++) {
			struct slice got;
			bool z;

			assert_int_equal(open_exact(&b, d, with_seq(&b, t[i].seq, d), &got, &z), t[i].want);
		}
		rudp_bulk_fini(&b);
	}
}

/* The weaker sign is taken until the better one was seen. */
static void test_downgrade(void **state)
{
	uint8_t weak[RUDP_BULK_DATAGRAM_MAX], strong[RUDP_BULK_DATAGRAM_MAX];
	size_t nweak, nstrong;
	struct rudp_bulk b;
	struct slice got;
	bool z;

	(void)state;
	init(&b, 20, false);
	nweak = with_seq(&b, 5, weak);
	b.hmac = true;
	nstrong = with_seq(&b, 6, strong);
	assert_int_equal(open_exact(&b, weak, nweak, &got, &z), 0);
	assert_int_equal(open_exact(&b, strong, nstrong, &got, &z), 0);
	assert_int_equal(open_exact(&b, weak, nweak, &got, &z), VE_PROTO);
	assert_int_equal(open_exact(&b, strong, nstrong, &got, &z), 0);
}

/* Bodies that are sealed well and make no sense. */
static void test_bodies(void **state)
{
	uint8_t d[256], body[64];
	struct rudp_bulk b;
	struct slice got;
	bool z;

	(void)state;
	for (size_t n = 1; n <= sizeof(body); n++) {
		for (unsigned pad = 0; pad < 256; pad++) {
			bool good = pad >= 1 && pad <= 31 && n > 8 + pad;

			init(&b, 32, false);
			memset(body, 0, sizeof(body));
			body[n - 1] = (uint8_t)pad;
			body[n > 8 ? 7 : 0] = 1;
			memcpy(d, b.nonce, 12);
			memcpy(d + 12, body, n);
			assert_int_equal(se_aead_seal(b.recv_key, b.nonce, d + 12, n), 0);
			assert_int_equal(open_exact(&b, d, 12 + n + 16, &got, &z), good ? 0 : VE_PROTO);
			if (good)
				assert_int_equal(got.n, n - 8 - pad);
		}
	}
}

/* No nonce is used twice, also where its lowest bytes overflow. */
static void test_nonces(void **state)
{
	uint8_t d[RUDP_BULK_DATAGRAM_MAX], last[12];
	struct rudp_bulk b;

	(void)state;
	init(&b, 32, false);
	memset(b.nonce, 0xff, 12);
	b.nonce[9] = 7;
	memcpy(last, b.nonce, 12);
	for (unsigned i = 0; i < 600; i++) {
		assert_true(with_seq(&b, 1, d) > 0);
		assert_true(memcmp(d, last, 12) > 0 || i == 0);
		memcpy(last, d, 12);
	}
	assert_int_equal(last[9], 8);
	memset(b.nonce, 0xff, 12);
	assert_true(with_seq(&b, 1, d) > 0);
	memset(last, 0, 12);
	assert_memory_equal(d, last, 12);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vectors), cmocka_unit_test(test_keys), cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_sequence), cmocka_unit_test(test_downgrade), cmocka_unit_test(test_bodies),
		cmocka_unit_test(test_nonces),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
