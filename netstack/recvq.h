/* SPDX-License-Identifier: GPL-3.0-or-later */
/* recvq.h - received bytes of a flow, in the pbufs they came in.
 *
 * Pieces below FLOW_SMALL are gathered in buffers of their own when they pile up: each would otherwise hold
 * on to the buffer of a whole frame, and a window of a megabyte sent byte by byte would take a hundred.
 * Zeroed is empty. */
#ifndef NETSTACK_RECVQ_H
#define NETSTACK_RECVQ_H

#include <stddef.h>

#include "core/bytes.h"

struct pbuf;

struct recvq {
	struct pbuf *head, *tail; /* linked by next; tot_len means nothing here */
	struct pbuf *gather;      /* tail, if it is one of ours and may take more */
	size_t off;               /* consumed of head */
	size_t len;
};

/* Queue a chain, which is given. */
void recvq_put(struct recvq *q, struct pbuf *chain);

/* Borrow up to @max pieces until the next consume. Returns how many. */
int recvq_peek(const struct recvq *q, struct slice *v, int max);

void recvq_consume(struct recvq *q, size_t n);
void recvq_fini(struct recvq *q);

#endif
