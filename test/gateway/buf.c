/* SPDX-License-Identifier: GPL-3.0-or-later */

/* buf.c - a queue of bytes that grows. Nothing is copied when its front is taken; the rest moves down when room is needed. */
#include "test/gateway/gateway.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

uint8_t *buf_room(struct buf *b, size_t n)
{
	if (b->len == 0)
		b->start = 0;
	if (b->start + b->len + n > b->cap && b->start > 0) {
		memmove(b->data, b->data + b->start, b->len);
		b->start = 0;
	}
	if (b->len + n > b->cap) {
		size_t cap = b->cap ? b->cap : 4096;

		while (cap < b->len + n)
			cap *= 2;
		b->data = realloc(b->data, cap);
		if (!b->data) {
			fputs("gateway: no memory\n", stderr);
			exit(1);
		}
		b->cap = cap;
	}
	return b->data + b->start + b->len;
}

void buf_add(struct buf *b, const void *data, size_t n)
{
	if (n == 0)
		return;
	memcpy(buf_room(b, n), data, n);
	b->len += n;
}

void buf_drop(struct buf *b, size_t n)
{
	b->start += n;
	b->len -= n;
}

void buf_fini(struct buf *b)
{
	free(b->data);
	memset(b, 0, sizeof(*b));
}
