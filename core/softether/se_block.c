/* SPDX-License-Identifier: GPL-3.0-or-later */
/* se_block.c - see se_block.h for the format.
 *
 * This is the code every byte of the tunnel goes through. The common case of reading, a block with a frame in
 * it, is two comparisons and a load; all that is rare or illegal is in functions of its own. Numbers the
 * server chooses are compared in 64 bits or against what is there, never added to pointers unchecked, and
 * never allocated by. */
#include "core/softether/se_block.h"

#include <assert.h>
#include <inttypes.h>
#include <string.h>

#include "core/softether/se_error.h"

#define KEEPALIVE UINT32_MAX /* in the place of the number of blocks */

/* --- reading
 * ------------------------------------------------------------------------------------------------------ */

/* The head of a unit at @p, or a keep-alive. Returns its size, 0 if it is not whole, or VE_PROTO. */
static int take_head(struct se_block_in *b, const uint8_t *p, size_t n, struct fault *f)
{
	uint32_t number, size;

	if (n < 4)
		return 0;
	number = load_be32(p);
	if (number <= SE_UNIT_BLOCKS_MAX) {
		b->left = number;
		return 4;
	}
	if (number != KEEPALIVE)
		return se_broken(f, "a unit of %" PRIu32 " blocks, allowed are %u", number,
				 SE_UNIT_BLOCKS_MAX);
	if (n < 8)
		return 0;
	size = load_be32(p + 4);
	if (size > SE_KEEPALIVE_MAX)
		return se_broken(f, "a keep-alive of %" PRIu32 " bytes, allowed are %u", size,
				 SE_KEEPALIVE_MAX);
	return n - 8 < size ? 0 : (int)(8 + size);
}

/* A block at @p whose size is none of a frame. Returns like take_head(). */
static int take_odd(struct se_block_in *b, size_t n, uint32_t size, struct fault *f)
{
	if (size > FRAME_HARD_MAX)
		return se_broken(f, "a block of %" PRIu32 " bytes, allowed are %u", size, FRAME_HARD_MAX);
	if (n - 4 < size)
		return 0;
	b->left--;
	b->dropped += size > 0;
	return (int)(4 + size);
}

/* The keep-alive of @size bytes at @p, behind @before bytes that are done with. */
static int take_keepalive(const uint8_t *p, size_t size, size_t before, size_t *used, struct slice *ret)
{
	*ret = (struct slice){ .p = p + 8, .n = size - 8 };
	*used = before + size;
	return SE_BLOCK_KEEPALIVE;
}

int se_block_take(struct se_block_in *b, struct slice in, size_t *used, struct slice *ret, struct fault *f)
{
	const uint8_t *p = in.p;
	size_t n = in.n;
	uint32_t least = b->zipped ? 1 : FRAME_MIN, span = (b->zipped ? FRAME_HARD_MAX : FRAME_MAX) - least;
	uint32_t size;
	int step;

	for (;;) {
		if (b->left == 0) {
			step = take_head(b, p, n, f);
			if (step > 4)
				return take_keepalive(p, (size_t)step, in.n - n, used, ret);
		} else if (n < 4) {
			step = 0;
		} else if ((size = load_be32(p)) - least > span) {
			step = take_odd(b, n, size, f);
		} else if (n - 4 < size) {
			step = 0;
		} else {
			b->left--;
			*ret = (struct slice){ .p = p + 4, .n = size };
			*used = in.n - n + 4 + size;
			return SE_BLOCK_FRAME;
		}
		if (step <= 0) {
			*used = in.n - n;
			return step;
		}
		p += step;
		n -= (size_t)step;
	}
}

/* --- writing
 * ------------------------------------------------------------------------------------------------------ */

int se_block_put(struct se_block_out *o, struct buf *tx, size_t limit, const struct slice *v, size_t nv)
{
	size_t most = o->zipped ? FRAME_HARD_MAX : FRAME_MAX;
	size_t size = 0, head, room;
	uint8_t *p;

	for (size_t i = 0; i < nv; i++) {
		if (v[i].n > most - size)
			return VE_LIMIT;
		size += v[i].n;
	}
	if (size < (o->zipped ? 1 : FRAME_MIN))
		return VE_LIMIT;
	if (o->frames == SE_UNIT_FRAMES_MAX)
		o->unit = 0;
	head = o->unit == 0 ? 8 : 4;
	if (buf_len(tx) + head + size > limit)
		return VE_AGAIN;
	p = buf_reserve(tx, head + size, &room);
	if (room < head + size)
		return VE_AGAIN;
	if (o->unit == 0)
		o->frames = 0;
	o->frames++;
	store_be32(p - o->unit, o->frames); /* the head of the unit is so far back, or here */
	p += head - 4;
	store_be32(p, (uint32_t)size);
	p += 4;
	for (size_t i = 0; i < nv; i++) {
		if (v[i].n > 0)
			memcpy(p, v[i].p, v[i].n);
		p += v[i].n;
	}
	buf_commit(tx, head + size);
	o->unit += head + size;
	return 0;
}

uint8_t *se_block_put_keepalive(struct se_block_out *o, struct buf *tx, size_t n)
{
	size_t room;
	uint8_t *p = buf_reserve(tx, 8 + n, &room);

	assert(n <= SE_KEEPALIVE_MAX);
	if (room < 8 + n)
		return NULL;
	store_be32(p, KEEPALIVE);
	store_be32(p + 4, (uint32_t)n);
	buf_commit(tx, 8 + n);
	o->unit = 0;
	return p + 8;
}
