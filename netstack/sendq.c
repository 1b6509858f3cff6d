/* SPDX-License-Identifier: GPL-3.0-or-later */
/* sendq.c - see sendq.h. Only the last chunk is ever less than full. */
#include "netstack/sendq.h"

#include <assert.h>
#include <stdlib.h>

#include "core/err.h"
#include "core/limits.h"

struct chunk {
	struct chunk *next;
	size_t acked, written, fill; /* acked <= written <= fill <= size */
	size_t size;
	uint8_t data[];
};

/* A small queue is a small chunk; in a long one, few segments straddle two. */
static size_t next_size(const struct sendq *q)
{
	return q->head ? FLOW_CHUNK : FLOW_CHUNK_MIN;
}

static struct chunk *add_chunk(struct sendq *q)
{
	size_t size = next_size(q);
	struct chunk *c = malloc(sizeof(*c) + size);

	if (!c)
		return NULL;
	*c = (struct chunk){ .size = size };
	q->memory += size;
	if (q->tail)
		q->tail->next = c;
	else
		q->head = c;
	q->tail = c;
	return c;
}

static void drop_head(struct sendq *q)
{
	struct chunk *c = q->head;

	q->head = c->next;
	if (!q->head)
		q->tail = NULL;
	q->memory -= c->size;
	free(c);
}

void sendq_fini(struct sendq *q)
{
	while (q->head)
		drop_head(q);
	*q = (struct sendq){ 0 };
}

void sendq_clear(struct sendq *q)
{
	if (!q->lent) {
		sendq_fini(q);
		return;
	}
	while (q->head != q->tail)
		drop_head(q);
	q->tail->acked = q->tail->written = q->tail->fill; /* nothing of it is in the queue, its room is still there */
	q->write = NULL;
	q->len = 0;
}

bool sendq_may_grow(const struct sendq *q, size_t left)
{
	return !q->head || q->tail->fill < q->tail->size || FLOW_CHUNK <= left;
}

int sendq_reserve(struct sendq *q, size_t max, size_t left, uint8_t **ret, size_t *room)
{
	struct chunk *c = q->tail;

	if (q->len >= max || !sendq_may_grow(q, left))
		return VE_AGAIN;
	if (!c || c->fill == c->size)
		c = add_chunk(q);
	if (!c)
		return VE_NOMEM;
	q->lent = true;
	*ret = c->data + c->fill;
	*room = min_size(c->size - c->fill, max - q->len);
	return 0;
}

void sendq_commit(struct sendq *q, size_t n)
{
	assert(n == 0 || (q->lent && n <= q->tail->size - q->tail->fill));
	q->lent = false;
	if (n > 0) {
		q->tail->fill += n;
		q->len += n;
		if (!q->write)
			q->write = q->tail;
	}
	if (q->len == 0)
		sendq_fini(q);
}

struct slice sendq_peek(const struct sendq *q, bool *more)
{
	const struct chunk *c = q->write;

	*more = c && c->next && c->next->fill > 0;
	if (!c)
		return (struct slice){ 0 };
	return (struct slice){ .p = c->data + c->written, .n = c->fill - c->written };
}

void sendq_written(struct sendq *q, size_t n)
{
	struct chunk *c = q->write;

	if (n == 0)
		return;
	assert(c && n <= c->fill - c->written);
	c->written += n;
	if (c->written == c->fill)
		q->write = c->next && c->next->fill > 0 ? c->next : NULL;
}

void sendq_acked(struct sendq *q, size_t n)
{
	assert(n <= q->len);
	q->len -= n;
	while (n > 0) {
		struct chunk *c = q->head;
		size_t part = min_size(n, c->written - c->acked);

		assert(part > 0);
		c->acked += part;
		n -= part;
		if (c->acked == c->size)
			drop_head(q);
	}
	if (q->len == 0 && !q->lent)
		sendq_fini(q);
}
