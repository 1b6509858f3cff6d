/* SPDX-License-Identifier: GPL-3.0-or-later */
/* batch.h - when a busy loop should wait a moment before it looks at its sockets again.
 *
 * A server that is slower than we are sends in dribbles. Whoever runs at each of them pays for a wake-up, a read, a write to
 * the client and one of ACKs, and two more programs are woken, for a few packets. After a quarter of a millisecond there are
 * many more, at the same price. The machine says when that is worth it: in the middle of bulk, never for what comes after a
 * silence. It has no clock: times are the caller's milliseconds. */
#ifndef CORE_BATCH_H
#define CORE_BATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct batch {
	size_t bytes;   /* since the last batch_wait_us() */
	bool much;      /* the last visit that brought anything brought much, */
	uint64_t at_ms; /* and was then */
};

/* @n bytes came. */
static inline void batch_came(struct batch *b, size_t n)
{
	b->bytes += n;
}

/* The loop has done all there was to do. How many microseconds it should wait before it goes on: BATCH_WAIT_US or 0. */
uint32_t batch_wait_us(struct batch *b, uint64_t now_ms);

#endif
