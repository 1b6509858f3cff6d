/* SPDX-License-Identifier: GPL-3.0-or-later */
/* sendq.h - the bytes of a flow from the client's read to the peer's ACK, in chunks that never move.
 *
 *     head       write                fill of the last chunk
 *       |-- in lwIP --|-- unwritten --|-- room
 *     acked: freed                                            len = in lwIP + unwritten
 *
 * lwIP refers to written bytes until they are acknowledged, so they stay where they are. A queue that is
 * empty holds no memory, except room that was lent and not yet given back by a commit. Zeroed is empty. */
#ifndef NETSTACK_SENDQ_H
#define NETSTACK_SENDQ_H

#include <stdbool.h>
#include <stddef.h>

#include "core/bytes.h"

struct chunk;

struct sendq {
	struct chunk *head, *tail;
	struct chunk *write; /* the first with something unwritten, or NULL */
	size_t len;
	size_t memory; /* of all chunks */
	bool lent;
};

/* Borrow room in one piece until the next commit, in a queue that may have up to @max bytes and take another @left bytes
 * of memory; its first chunk is always granted. Returns 0 with *ret and *room >= 1, VE_AGAIN (full), VE_NOMEM. */
int sendq_reserve(struct sendq *q, size_t max, size_t left, uint8_t **ret, size_t *room);

/* Would there be room, if @max is no obstacle? */
bool sendq_may_grow(const struct sendq *q, size_t left);

/* @n bytes of the room last lent were filled; 0 just gives it back. */
void sendq_commit(struct sendq *q, size_t n);

/* Unwritten bytes in one piece; n == 0 if there are none. *more: others lie behind them. */
struct slice sendq_peek(const struct sendq *q, bool *more);

/* The first @n unwritten bytes, no more than sendq_peek() has shown, are in lwIP now. */
void sendq_written(struct sendq *q, size_t n);

/* The first @n written bytes were acknowledged. */
void sendq_acked(struct sendq *q, size_t n);

/* Drop everything that is queued; what is lent stays until the next commit. lwIP must have let go of it. */
void sendq_clear(struct sendq *q);

/* And what is lent as well. */
void sendq_fini(struct sendq *q);

#endif
