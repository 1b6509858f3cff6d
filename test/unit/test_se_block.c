/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_se_block.c - the stream of frames: published vectors, every split point, every size on both sides of
 * its bound. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/softether/se_block.h"
#include "test/support/se_peer.h"

/* softether-protocol.md 14: a 42-byte ARP request */
static const char frame_f[] =
	"ffffffffffff5e0011223344080600010800060400015e0011223344c0a81e0a000000000000c0a81e01";

/* A receiver that gets a stream in pieces and writes every frame it is given, with its length, behind the
 * others. */
struct receiver {
	struct se_block_in in;
	struct se_bytes kept, frames;
	struct fault fault;
	unsigned count;
	int err;
};

static void receive(struct receiver *r, const uint8_t *p, size_t n)
{
	se_bytes_add(&r->kept, p, n);
	while (r->err == 0) {
		/* exactly sized, so that a sanitizer sees a read past the end */
		uint8_t *exact = malloc(r->kept.n ? r->kept.n : 1);
		struct slice frame = { 0 }, in = { .p = exact, .n = r->kept.n };
		size_t used = 0;
		int got;

		assert_non_null(exact);
		if (r->kept.n > 0)
			memcpy(exact, r->kept.p, r->kept.n);
		got = se_block_take(&r->in, in, &used, &frame, &r->fault);
		if (got == 1) {
			assert_in_range(frame.n, FRAME_MIN, FRAME_MAX);
			assert_true(frame.p + frame.n == exact + used);
			se_bytes_u32(&r->frames, (uint32_t)frame.n);
			se_bytes_add(&r->frames, frame.p, frame.n);
			r->count++;
		}
		free(exact);
		if (got < 0) {
			assert_int_equal(got, VE_PROTO);
			assert_int_equal(r->fault.err, VE_PROTO);
			r->err = got;
			return;
		}
		if (used > 0)
			memmove(r->kept.p, r->kept.p + used, r->kept.n - used);
		r->kept.n -= used;
		if (got == 0)
			return;
	}
}

static void receiver_fini(struct receiver *r)
{
	se_bytes_free(&r->kept);
	se_bytes_free(&r->frames);
}

static void add_frame(struct se_bytes *b, size_t size)
{
	se_bytes_u32(b, (uint32_t)size);
	for (size_t i = 0; i < size; i++)
		se_bytes_fill(b, (int)(i * 5 + size), 1);
}

/* --- reading
 * ---------------------------------------------------------------------------------------------------- */

static void test_vectors(void **state)
{
	struct receiver r = { 0 };
	struct se_bytes b = { 0 }, f = { 0 };

	(void)state;
	se_bytes_hex(&b, "ffffffff 0000000e 4e4154545f4d595f504f5254 9c40");
	se_bytes_hex(&b, "00000001 0000002a");
	se_bytes_hex(&b, frame_f);
	se_bytes_hex(&f, "0000002a");
	se_bytes_hex(&f, frame_f);
	receive(&r, b.p, b.n);
	assert_int_equal(r.err, 0);
	assert_int_equal(r.count, 1);
	assert_int_equal(r.frames.n, f.n);
	assert_memory_equal(r.frames.p, f.p, f.n);
	assert_int_equal(r.kept.n, 0);
	receiver_fini(&r);
	se_bytes_free(&b);
	se_bytes_free(&f);
}

/* Everything a stream may hold. */
static void sample(struct se_bytes *b)
{
	se_peer_keepalive(b, 3);
	se_bytes_u32(b, 0);
	se_bytes_u32(b, 4);
	add_frame(b, 14);
	se_bytes_u32(b, 0); /* an empty block */
	add_frame(b, 5);    /* shorter than a frame */
	add_frame(b, 60);
	se_peer_keepalive(b, 0);
	se_bytes_u32(b, 2);
	add_frame(b, 1601);
	add_frame(b, 1600);
	se_bytes_u32(b, 0);
	se_bytes_u32(b, 0);
	se_bytes_u32(b, 1);
	add_frame(b, 3200);
	se_bytes_u32(b, 1);
	add_frame(b, 20);
}

static void test_every_split(void **state)
{
	struct se_bytes b = { 0 }, want = { 0 };

	(void)state;
	sample(&b);
	add_frame(&want, 14);
	add_frame(&want, 60);
	add_frame(&want, 1600);
	add_frame(&want, 20);
	for (size_t at = 0; at <= b.n; at++) {
		struct receiver r = { 0 };

		receive(&r, b.p, at);
		receive(&r, b.p + at, b.n - at);
		assert_int_equal(r.err, 0);
		assert_int_equal(r.kept.n, 0);
		assert_int_equal(r.in.left, 0);
		assert_int_equal(r.in.dropped, 3);
		assert_int_equal(r.frames.n, want.n);
		assert_memory_equal(r.frames.p, want.p, want.n);
		receiver_fini(&r);
	}
	se_bytes_free(&b);
	se_bytes_free(&want);
}

/* Byte by byte, and with nothing in between: a truncated stream never gives a frame that is not whole. */
static void test_byte_by_byte(void **state)
{
	struct receiver r = { 0 };
	struct se_bytes b = { 0 };

	(void)state;
	sample(&b);
	for (size_t i = 0; i < b.n; i++) {
		receive(&r, b.p + i, 1);
		receive(&r, NULL, 0);
		assert_int_equal(r.err, 0);
	}
	assert_int_equal(r.count, 4);
	receiver_fini(&r);
	se_bytes_free(&b);
}

static void test_block_sizes(void **state)
{
	static const struct {
		uint32_t size;
		unsigned frames, dropped;
		const char *why;
	} cases[] = {
		{ 0, 0, 0, NULL },
		{ 1, 0, 1, NULL },
		{ 13, 0, 1, NULL },
		{ 14, 1, 0, NULL },
		{ 1514, 1, 0, NULL },
		{ 1600, 1, 0, NULL },
		{ 1601, 0, 1, NULL },
		{ 3200, 0, 1, NULL },
		{ 3201, 0, 0, "a block of 3201 bytes, allowed are 3200" },
		{ UINT32_MAX, 0, 0, "a block of 4294967295 bytes, allowed are 3200" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct receiver r = { 0 };
		struct se_bytes b = { 0 };

		se_bytes_u32(&b, 2);
		if (cases[i].why)
			se_bytes_u32(&b, cases[i].size); /* refused before it is there */
		else
			add_frame(&b, cases[i].size);
		add_frame(&b, 99); /* what follows is still found */
		receive(&r, b.p, b.n);
		assert_int_equal(r.err, cases[i].why ? VE_PROTO : 0);
		assert_string_equal(r.fault.text, cases[i].why ? cases[i].why : "");
		assert_int_equal(r.count, cases[i].why ? 0 : cases[i].frames + 1);
		assert_int_equal(r.in.dropped, cases[i].dropped);
		receiver_fini(&r);
		se_bytes_free(&b);
	}
}

static void test_keepalive_sizes(void **state)
{
	static const struct {
		uint32_t size;
		const char *why;
	} cases[] = {
		{ 0, NULL },
		{ 1, NULL },
		{ 512, NULL },
		{ 513, "a keep-alive of 513 bytes, allowed are 512" },
		{ UINT32_MAX, "a keep-alive of 4294967295 bytes, allowed are 512" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct receiver r = { 0 };
		struct se_bytes b = { 0 };

		if (cases[i].why) {
			se_bytes_hex(&b, "ffffffff");
			se_bytes_u32(&b, cases[i].size);
		} else {
			se_peer_keepalive(&b, cases[i].size);
			se_bytes_u32(&b, 1);
			add_frame(&b, 99);
		}
		receive(&r, b.p, b.n);
		assert_int_equal(r.err, cases[i].why ? VE_PROTO : 0);
		assert_string_equal(r.fault.text, cases[i].why ? cases[i].why : "");
		assert_int_equal(r.count, cases[i].why ? 0 : 1);
		receiver_fini(&r);
		se_bytes_free(&b);
	}
}

static void test_numbers_of_blocks(void **state)
{
	static const uint32_t bad[] = { SE_UNIT_BLOCKS_MAX + 1, 0x7fffffff, 0xfffffffe };
	struct receiver r = { 0 };
	struct se_bytes b = { 0 };

	(void)state;
	for (unsigned i = 0; i < 1000; i++)
		se_bytes_u32(&b, 0);
	se_bytes_u32(&b, SE_UNIT_BLOCKS_MAX);
	for (unsigned i = 0; i < SE_UNIT_BLOCKS_MAX - 1; i++)
		se_bytes_u32(&b, 0);
	add_frame(&b, 77);
	se_bytes_u32(&b, 1);
	add_frame(&b, 78);
	receive(&r, b.p, b.n);
	assert_int_equal(r.err, 0);
	assert_int_equal(r.count, 2);
	receiver_fini(&r);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		char why[80];

		r = (struct receiver){ 0 };
		b.n = 0;
		se_bytes_u32(&b, bad[i]);
		receive(&r, b.p, b.n);
		assert_int_equal(r.err, VE_PROTO);
		snprintf(why, sizeof(why), "a unit of %u blocks, allowed are 65536", bad[i]);
		assert_string_equal(r.fault.text, why);
		receiver_fini(&r);
	}
	se_bytes_free(&b);
}

/* --- writing
 * ---------------------------------------------------------------------------------------------------- */

static int put(struct se_block_out *o, struct buf *tx, size_t limit, size_t size)
{
	struct se_bytes b = { 0 };
	struct slice v;
	int r;

	add_frame(&b, size);
	v = (struct slice){ .p = b.p + 4, .n = size };
	r = se_block_put(o, tx, limit, &v, 1);
	se_bytes_free(&b);
	return r;
}

static void assert_queue(struct buf *tx, const struct se_bytes *want)
{
	struct slice s = buf_peek(tx);

	assert_int_equal(s.n, want->n);
	if (s.n > 0)
		assert_memory_equal(s.p, want->p, s.n);
}

static void test_one_frame(void **state)
{
	struct se_block_out o = { 0 };
	struct se_bytes want = { 0 };
	struct buf tx;
	struct slice v[5];

	(void)state;
	assert_int_equal(buf_init(&tx, 4096), 0);
	se_bytes_hex(&want, "00000001 0000002a");
	se_bytes_hex(&want, frame_f);
	/* in pieces, some of them empty */
	v[0] = (struct slice){ .p = want.p + 8, .n = 14 };
	v[1] = (struct slice){ .p = NULL, .n = 0 };
	v[2] = (struct slice){ .p = want.p + 22, .n = 1 };
	v[3] = (struct slice){ .p = want.p + 23, .n = 27 };
	v[4] = (struct slice){ .p = want.p + 50, .n = 0 };
	assert_int_equal(se_block_put(&o, &tx, 4096, v, 5), 0);
	assert_queue(&tx, &want);
	buf_fini(&tx);
	se_bytes_free(&want);
}

static void test_frames_share_a_unit(void **state)
{
	struct se_block_out o = { 0 };
	struct se_bytes want = { 0 };
	struct buf tx;

	(void)state;
	assert_int_equal(buf_init(&tx, 4096), 0);
	assert_int_equal(put(&o, &tx, 4096, 60), 0);
	se_block_sent(&o, &tx); /* nothing has left: the unit goes on */
	assert_int_equal(put(&o, &tx, 4096, 61), 0);
	assert_int_equal(put(&o, &tx, 4096, 62), 0);
	se_bytes_u32(&want, 3);
	add_frame(&want, 60);
	add_frame(&want, 61);
	add_frame(&want, 62);
	assert_queue(&tx, &want);
	/* one byte has left: a new one begins */
	buf_consume(&tx, 1);
	se_block_sent(&o, &tx);
	assert_int_equal(put(&o, &tx, 4096, 63), 0);
	assert_int_equal(put(&o, &tx, 4096, 64), 0);
	buf_consume(&tx, want.n - 1);
	se_block_sent(&o, &tx); /* all of the old, nothing of the new */
	assert_int_equal(put(&o, &tx, 4096, 65), 0);
	want.n = 0;
	se_bytes_u32(&want, 3);
	add_frame(&want, 63);
	add_frame(&want, 64);
	add_frame(&want, 65);
	assert_queue(&tx, &want);
	buf_consume(&tx, want.n);
	se_block_sent(&o, &tx);
	assert_int_equal(put(&o, &tx, 4096, 66), 0);
	want.n = 0;
	se_bytes_u32(&want, 1);
	add_frame(&want, 66);
	assert_queue(&tx, &want);
	buf_fini(&tx);
	se_bytes_free(&want);
}

/* The queue moves its bytes to the front; the unit is found again. */
static void test_unit_survives_a_move(void **state)
{
	struct se_block_out o = { 0 };
	struct se_bytes want = { 0 };
	struct buf tx;

	(void)state;
	assert_int_equal(buf_init(&tx, 400), 0);
	assert_int_equal(put(&o, &tx, 400, 100), 0);
	buf_consume(&tx, 50);
	se_block_sent(&o, &tx);
	assert_int_equal(put(&o, &tx, 400, 100), 0);
	buf_consume(&tx, 58);
	se_block_sent(&o, &tx);
	assert_int_equal(put(&o, &tx, 400, 120), 0);
	assert_int_equal(put(&o, &tx, 400, 121), 0);
	se_bytes_u32(&want, 3);
	add_frame(&want, 100);
	add_frame(&want, 120);
	add_frame(&want, 121);
	assert_queue(&tx, &want);
	buf_fini(&tx);
	se_bytes_free(&want);
}

static void test_sizes_and_limit(void **state)
{
	static const size_t bad[] = { 0, 1, 13, 1601, 3200, 100000 };
	struct se_block_out o = { 0 };
	uint8_t some[2] = { 1, 2 };
	struct slice wraps[2] = { { .p = some, .n = 20 }, { .p = some, .n = SIZE_MAX } };
	struct buf tx;

	(void)state;
	assert_int_equal(buf_init(&tx, 4096), 0);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(put(&o, &tx, 4096, bad[i]), VE_LIMIT);
	assert_int_equal(se_block_put(&o, &tx, 4096, wraps, 2), VE_LIMIT);
	assert_int_equal(se_block_put(&o, &tx, 4096, NULL, 0), VE_LIMIT);
	assert_int_equal(buf_len(&tx), 0);
	assert_int_equal(put(&o, &tx, 8 + 1599, 1600), VE_AGAIN);
	assert_int_equal(buf_len(&tx), 0);
	assert_int_equal(put(&o, &tx, 8 + 1600, 1600), 0);
	assert_int_equal(put(&o, &tx, 8 + 1600 + 4 + 13, 14), VE_AGAIN);
	assert_int_equal(put(&o, &tx, 8 + 1600 + 4 + 14, 14), 0);
	assert_int_equal(put(&o, &tx, SIZE_MAX, 1600), 0);
	assert_int_equal(put(&o, &tx, SIZE_MAX, 1600), VE_AGAIN); /* the queue itself is full */
	buf_fini(&tx);
}

static void test_long_units_are_cut(void **state)
{
	struct se_block_out o = { 0 };
	struct receiver r = { 0 };
	struct buf tx;
	struct slice s;

	(void)state;
	assert_int_equal(buf_init(&tx, 200000), 0);
	for (unsigned i = 0; i < 2 * SE_UNIT_FRAMES_MAX + 1; i++)
		assert_int_equal(put(&o, &tx, 200000, 14), 0);
	s = buf_peek(&tx);
	assert_int_equal(s.n, 3 * 4 + (2 * SE_UNIT_FRAMES_MAX + 1) * 18);
	assert_int_equal(load_be32(s.p), SE_UNIT_FRAMES_MAX);
	assert_int_equal(load_be32(s.p + 4 + SE_UNIT_FRAMES_MAX * 18), SE_UNIT_FRAMES_MAX);
	assert_int_equal(load_be32(s.p + 2 * (4 + SE_UNIT_FRAMES_MAX * 18)), 1);
	receive(&r, s.p, s.n);
	assert_int_equal(r.count, 2 * SE_UNIT_FRAMES_MAX + 1);
	receiver_fini(&r);
	buf_fini(&tx);
}

static void test_keepalive_ends_a_unit(void **state)
{
	struct se_block_out o = { 0 };
	struct se_bytes want = { 0 };
	struct buf tx;
	uint8_t *p;

	(void)state;
	assert_int_equal(buf_init(&tx, 200), 0);
	assert_int_equal(put(&o, &tx, 200, 20), 0);
	p = se_block_put_keepalive(&o, &tx, 2);
	assert_non_null(p);
	memset(p, 'k', 2);
	assert_int_equal(put(&o, &tx, 200, 21), 0);
	assert_non_null(se_block_put_keepalive(&o, &tx, 0));
	se_bytes_u32(&want, 1);
	add_frame(&want, 20);
	se_peer_keepalive(&want, 2);
	se_bytes_u32(&want, 1);
	add_frame(&want, 21);
	se_peer_keepalive(&want, 0);
	assert_queue(&tx, &want);
	assert_null(se_block_put_keepalive(&o, &tx, 200 - 8 - want.n + 1));
	assert_queue(&tx, &want);
	assert_non_null(se_block_put_keepalive(&o, &tx, 200 - 8 - want.n));
	buf_fini(&tx);
	se_bytes_free(&want);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vectors),
		cmocka_unit_test(test_every_split),
		cmocka_unit_test(test_byte_by_byte),
		cmocka_unit_test(test_block_sizes),
		cmocka_unit_test(test_keepalive_sizes),
		cmocka_unit_test(test_numbers_of_blocks),
		cmocka_unit_test(test_one_frame),
		cmocka_unit_test(test_frames_share_a_unit),
		cmocka_unit_test(test_unit_survives_a_move),
		cmocka_unit_test(test_sizes_and_limit),
		cmocka_unit_test(test_long_units_are_cut),
		cmocka_unit_test(test_keepalive_ends_a_unit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
