/* SPDX-License-Identifier: GPL-3.0-or-later */
/* rd.h - a bounded reader over bytes that somebody else chose.
 *
 * A cursor with a sticky fault: the first read past the end marks it bad, and from then on every read gives zero,
 * NULL or an empty reader and moves nothing. So a parser reads all its fields straight through and asks once, at the
 * end, rd_ok() (nothing was missing) or rd_done() (nothing was missing and nothing is left). Nothing is copied; the
 * bytes stay borrowed from whoever owns them. Integers are big-endian. */
#ifndef CORE_RD_H
#define CORE_RD_H

#include <stdbool.h>
#include <string.h>

#include "core/bytes.h"

struct rd {
	const uint8_t *p;
	const uint8_t *end;
	bool bad;
};

static inline struct rd rd_init(const void *p, size_t n)
{
	const uint8_t *b = p;

	return (struct rd){ .p = b, .end = n > 0 ? b + n : b, .bad = false };
}

static inline size_t rd_left(const struct rd *r)
{
	return r->p == r->end ? 0 : (size_t)(r->end - r->p);
}

static inline bool rd_ok(const struct rd *r)
{
	return !r->bad;
}

static inline bool rd_done(const struct rd *r)
{
	return !r->bad && r->p == r->end;
}

/* Borrow the next @n bytes and step over them; NULL, and the reader is bad, when fewer are left. */
static inline const uint8_t *rd_bytes(struct rd *r, size_t n)
{
	const uint8_t *p = r->p;

	if (r->bad || rd_left(r) < n) {
		r->bad = true;
		return NULL;
	}
	if (n > 0)
		r->p += n;
	return p;
}

static inline void rd_skip(struct rd *r, size_t n)
{
	(void)rd_bytes(r, n);
}

static inline uint8_t rd_u8(struct rd *r)
{
	const uint8_t *p = rd_bytes(r, 1);

	return p ? p[0] : 0;
}

static inline uint16_t rd_u16(struct rd *r)
{
	const uint8_t *p = rd_bytes(r, 2);

	return p ? load_be16(p) : 0;
}

static inline uint32_t rd_u32(struct rd *r)
{
	const uint8_t *p = rd_bytes(r, 4);

	return p ? load_be32(p) : 0;
}

static inline uint64_t rd_u64(struct rd *r)
{
	const uint8_t *p = rd_bytes(r, 8);

	return p ? load_be64(p) : 0;
}

/* Copy the next @n bytes to @to; zeros when they are not there. */
static inline void rd_copy(struct rd *r, void *to, size_t n)
{
	const uint8_t *p = rd_bytes(r, n);

	if (n == 0)
		return;
	if (p)
		memcpy(to, p, n);
	else
		memset(to, 0, n);
}

/* A reader over just the next @n bytes, which @r steps over; empty and bad when they are not there. */
static inline struct rd rd_sub(struct rd *r, size_t n)
{
	const uint8_t *p = rd_bytes(r, n);
	struct rd sub = rd_init(p, p ? n : 0);

	sub.bad = r->bad;
	return sub;
}

/* What is left, as borrowed bytes; moves nothing. */
static inline struct slice rd_rest(const struct rd *r)
{
	return (struct slice){ .p = r->p, .n = r->bad ? 0 : rd_left(r) };
}

#endif
