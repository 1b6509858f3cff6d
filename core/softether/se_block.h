/* SPDX-License-Identifier: GPL-3.0-or-later */
/* se_block.h - Ethernet frames in SoftEther's data phase (softether-protocol.md 6.1 to 6.3).
 *
 *     stream = unit *
 *     unit   = u32 N, then N blocks          N = 0 is allowed and says nothing
 *            | u32 0xffffffff, u32 n, filler  a keep-alive, 0 <= n <= 512
 *     block  = u32 n, frame                   n = 0 is allowed and says nothing
 *
 * Reading lends frames in place; writing appends to a queue and copies once. Both sides know nothing of time.
 * */
#ifndef SOFTETHER_SE_BLOCK_H
#define SOFTETHER_SE_BLOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/buf.h"
#include "core/bytes.h"
#include "core/err.h"
#include "core/limits.h"

/* The largest piece that se_block_take() needs to see whole. */
#define SE_BLOCK_PIECE_MAX (4u + FRAME_HARD_MAX)

struct se_block_in {
	bool zipped;      /* blocks are compressed frames, 6.5: any size up to FRAME_HARD_MAX may be one */
	uint32_t left;    /* blocks to come in this unit */
	uint64_t dropped; /* blocks with a size that no frame has: 1..13, 1601..3200 */
};

enum { SE_BLOCK_FRAME = 1, SE_BLOCK_KEEPALIVE = 2 };

/* Take the next frame or keep-alive out of @in, the bytes not yet used. *used is how many of them are done with (set in
 * every case but a fault), among them those of *ret. Returns SE_BLOCK_FRAME with *ret, of FRAME_MIN..FRAME_MAX bytes
 * (zipped: 1..FRAME_HARD_MAX), or SE_BLOCK_KEEPALIVE with its filler, either borrowed from @in; 0 when the next piece is
 * not whole; VE_PROTO with @f naming the rule ("a block of 3201 bytes, allowed are 3200"). */
int se_block_take(struct se_block_in *b, struct slice in, size_t *used, struct slice *ret, struct fault *f);

/* Frames that are written after each other share one unit as long as none of it has left the queue: then the
 * number in its head is still ours to change. That saves four bytes a frame, a fourteenth of a bare TCP ACK.
 * */
struct se_block_out {
	bool zipped;     /* as above */
	size_t unit;     /* size of the unit at the end of the queue so far; 0: none that may be continued */
	uint32_t frames; /* in it */
};

/* Append one frame given in @nv pieces to @tx, leaving it with @limit bytes at most. Returns 0, VE_AGAIN with
 * nothing taken, or VE_LIMIT if it is shorter than FRAME_MIN or longer than FRAME_MAX (zipped: as above). */
int se_block_put(struct se_block_out *o, struct buf *tx, size_t limit, const struct slice *v, size_t nv);

/* Append a keep-alive with @n bytes of filler (at most SE_KEEPALIVE_MAX). Returns where the filler is to be
 * written, borrowed until the next call on @tx, or NULL with nothing done if there is no room. */
uint8_t *se_block_put_keepalive(struct se_block_out *o, struct buf *tx, size_t n);

/* Bytes have left @tx at the front. */
static inline void se_block_sent(struct se_block_out *o, const struct buf *tx)
{
	if (buf_len(tx) < o->unit)
		o->unit = 0;
}

#endif
