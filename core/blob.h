/* SPDX-License-Identifier: GPL-3.0-or-later */
/* blob.h - the bytes of a certificate or key, which may be secret: wiped before they are freed. */
#ifndef CORE_BLOB_H
#define CORE_BLOB_H

#include <stddef.h>
#include <stdint.h>

#include "core/bytes.h"
#include "core/err.h"

struct blob {
	uint8_t *p;
	size_t n, cap;
};

/* An empty one with room for @cap bytes (0 is fine). Returns 0 with *ret (blob_free), or VE_NOMEM with @f. */
int blob_new(struct blob *ret, size_t cap, struct fault *f);

/* One with the bytes of @in. Returns as blob_new(). */
int blob_copy(struct blob *ret, struct slice in, struct fault *f);

/* Wipe and free it. A zeroed or freed one is fine. */
void blob_free(struct blob *b);

static inline struct slice blob_slice(const struct blob *b)
{
	return (struct slice){ .p = b->p, .n = b->n };
}

#endif
