/* SPDX-License-Identifier: GPL-3.0-or-later */
/* wr.h - a bounded writer into memory of a known size.
 *
 * The mirror of rd.h: what does not fit marks the writer bad and is left out whole, later writes do nothing, and the
 * caller asks wr_ok() once at the end. Integers are big-endian. Lengths that are known only later are written as
 * zero and patched: `size_t at = wr.n; wr_u16(&w, 0); ...; wr_patch_u16(&w, at, (uint16_t)(w.n - at));`. */
#ifndef CORE_WR_H
#define CORE_WR_H

#include <stdbool.h>
#include <string.h>

#include "core/bytes.h"

struct wr {
	uint8_t *p;
	size_t n;   /* bytes written so far */
	size_t cap; /* bytes there is room for */
	bool bad;
};

static inline struct wr wr_init(void *p, size_t cap)
{
	return (struct wr){ .p = p, .n = 0, .cap = cap, .bad = false };
}

static inline bool wr_ok(const struct wr *w)
{
	return !w->bad;
}

/* Borrow the next @n bytes to fill in place; NULL, and the writer is bad, when they do not fit. */
static inline uint8_t *wr_space(struct wr *w, size_t n)
{
	uint8_t *p;

	if (w->bad || w->cap - w->n < n) {
		w->bad = true;
		return NULL;
	}
	p = w->p + w->n;
	w->n += n;
	return p;
}

static inline void wr_u8(struct wr *w, uint8_t v)
{
	uint8_t *p = wr_space(w, 1);

	if (p)
		p[0] = v;
}

static inline void wr_u16(struct wr *w, uint16_t v)
{
	uint8_t *p = wr_space(w, 2);

	if (p)
		store_be16(p, v);
}

static inline void wr_u32(struct wr *w, uint32_t v)
{
	uint8_t *p = wr_space(w, 4);

	if (p)
		store_be32(p, v);
}

static inline void wr_u64(struct wr *w, uint64_t v)
{
	uint8_t *p = wr_space(w, 8);

	if (p)
		store_be64(p, v);
}

static inline void wr_bytes(struct wr *w, const void *from, size_t n)
{
	uint8_t *p = wr_space(w, n);

	if (p && n > 0)
		memcpy(p, from, n);
}

static inline void wr_str(struct wr *w, const char *s)
{
	wr_bytes(w, s, strlen(s));
}

static inline void wr_patch_u16(struct wr *w, size_t at, uint16_t v)
{
	if (!w->bad && w->n >= 2 && at <= w->n - 2)
		store_be16(w->p + at, v);
}

static inline void wr_patch_u32(struct wr *w, size_t at, uint32_t v)
{
	if (!w->bad && w->n >= 4 && at <= w->n - 4)
		store_be32(w->p + at, v);
}

#endif
