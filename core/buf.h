/* SPDX-License-Identifier: GPL-3.0-or-later */
/* buf.h - a bounded queue of bytes: one side lends a window and commits, the other peeks and consumes.
 *
 * The one way bytes move between our parts. What is queued always lies in one piece, so a parser sees whole messages
 * without copying. Space is reclaimed by moving what is left to the front, but only when a reserve would not fit
 * otherwise; a queue that is drained every turn, as ours are, never moves a byte. */
#ifndef CORE_BUF_H
#define CORE_BUF_H

#include "core/bytes.h"

struct buf {
	uint8_t *p;
	size_t cap;
	size_t head; /* first queued byte */
	size_t tail; /* one past the last */
};

/* Allocate a queue of @cap bytes (> 0). Returns 0, or VE_NOMEM with @b zeroed (safe to fini). */
int buf_init(struct buf *b, size_t cap);

/* Wipe and free. A zeroed or finished queue is fine. */
void buf_fini(struct buf *b);

static inline size_t buf_len(const struct buf *b)
{
	return b->tail - b->head;
}

static inline size_t buf_room(const struct buf *b)
{
	return b->cap - buf_len(b);
}

/* Borrow free space in one piece until the next call on @b. Moves queued bytes to the front if less than @want is
 * free behind them. *room is what is there, which may be less than @want or 0 (then the result is not to be used). */
uint8_t *buf_reserve(struct buf *b, size_t want, size_t *room);

/* @n bytes of the space last reserved were filled; more than was lent is a bug and asserts. */
void buf_commit(struct buf *b, size_t n);

/* Append a copy of @n bytes. Returns 0, or VE_AGAIN with nothing taken when they do not all fit. */
int buf_put(struct buf *b, const void *p, size_t n);

/* Borrow everything queued until the next call on @b. */
static inline struct slice buf_peek(const struct buf *b)
{
	return (struct slice){ .p = b->p + b->head, .n = buf_len(b) };
}

/* The first @n bytes are done with; more than is queued is a bug and asserts. */
void buf_consume(struct buf *b, size_t n);

#endif
