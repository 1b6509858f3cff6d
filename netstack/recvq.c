/* SPDX-License-Identifier: GPL-3.0-or-later */
/* recvq.c - see recvq.h. */
#include "netstack/recvq.h"

#include <assert.h>
#include <stdbool.h>
#include <string.h>

#include "core/limits.h"

#include "lwip/pbuf.h"

/* Two pieces that just were not small: little is lost where such pieces and crumbs take turns. */
#define GATHER_SIZE (2 * FLOW_SMALL)

static void append(struct recvq *q, struct pbuf *p)
{
	if (q->tail)
		q->tail->next = p;
	else
		q->head = p;
	q->tail = p;
	q->len += p->len;
	q->gather = NULL;
}

/* Put the bytes of @p behind those of other crumbs. Returns false without memory. */
static bool gather(struct recvq *q, const struct pbuf *p)
{
	struct pbuf *g = q->gather;

	if (!g || GATHER_SIZE - g->len < p->len) {
		g = pbuf_alloc(PBUF_RAW, GATHER_SIZE, PBUF_RAM);
		if (!g)
			return false;
		g->len = 0;
		append(q, g);
		q->gather = g;
	}
	memcpy((uint8_t *)g->payload + g->len, p->payload, p->len);
	g->len = (u16_t)(g->len + p->len);
	q->len += p->len;
	return true;
}

static void put_one(struct recvq *q, struct pbuf *p)
{
	bool small = p->len < FLOW_SMALL && q->head; /* the only one may stay as it is */

	if (p->len > 0 && (!small || !gather(q, p)))
		append(q, p);
	else
		pbuf_free(p);
}

void recvq_put(struct recvq *q, struct pbuf *chain)
{
	while (chain) {
		struct pbuf *p = chain;

		chain = p->next;
		p->next = NULL;
		put_one(q, p);
	}
}

int recvq_peek(const struct recvq *q, struct slice *v, int max)
{
	size_t off = q->off;
	int n = 0;

	for (const struct pbuf *p = q->head; p && n < max; p = p->next, off = 0)
		v[n++] = (struct slice){ .p = (const uint8_t *)p->payload + off, .n = p->len - off };
	return n;
}

static void drop_head(struct recvq *q)
{
	struct pbuf *p = q->head;

	q->head = p->next;
	if (!q->head)
		q->tail = q->gather = NULL;
	p->next = NULL;
	pbuf_free(p);
	q->off = 0;
}

void recvq_consume(struct recvq *q, size_t n)
{
	assert(n <= q->len);
	q->len -= n;
	while (n > 0) {
		size_t part = min_size(n, q->head->len - q->off);

		q->off += part;
		n -= part;
		if (q->off == q->head->len)
			drop_head(q);
	}
}

void recvq_fini(struct recvq *q)
{
	while (q->head)
		drop_head(q);
	*q = (struct recvq){ 0 };
}
