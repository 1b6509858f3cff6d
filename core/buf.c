/* SPDX-License-Identifier: GPL-3.0-or-later */
/* buf.c - see buf.h for the idea.
 *
 *     p            head             tail           cap
 *     |   free     |    queued      |    free      |
 *
 * reserve lends [tail, cap); if that is too little for what was asked, the queued part moves to the front first. An
 * emptied queue starts at the front again, which is what makes moving rare. */
#include "core/buf.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "core/err.h"

int buf_init(struct buf *b, size_t cap)
{
	assert(cap > 0);
	*b = (struct buf){ 0 };
	b->p = malloc(cap);
	if (!b->p)
		return VE_NOMEM;
	b->cap = cap;
	return 0;
}

void buf_fini(struct buf *b)
{
	wipe(b->p, b->cap);
	free(b->p);
	*b = (struct buf){ 0 };
}

uint8_t *buf_reserve(struct buf *b, size_t want, size_t *room)
{
	if (b->cap - b->tail < want && b->head > 0) {
		memmove(b->p, b->p + b->head, buf_len(b));
		b->tail -= b->head;
		b->head = 0;
	}
	*room = b->cap - b->tail;
	return b->p + b->tail;
}

void buf_commit(struct buf *b, size_t n)
{
	assert(n <= b->cap - b->tail);
	b->tail += n;
}

int buf_put(struct buf *b, const void *p, size_t n)
{
	size_t room;
	uint8_t *to = buf_reserve(b, n, &room);

	if (room < n)
		return VE_AGAIN;
	if (n > 0)
		memcpy(to, p, n);
	buf_commit(b, n);
	return 0;
}

void buf_consume(struct buf *b, size_t n)
{
	assert(n <= buf_len(b));
	b->head += n;
	if (b->head == b->tail)
		b->head = b->tail = 0;
}
