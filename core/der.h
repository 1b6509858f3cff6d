/* SPDX-License-Identifier: GPL-3.0-or-later */
/* der.h - stepping through DER (X.690) with the bounded reader.
 *
 * Only what certificates need: tags below 31, definite lengths up to 4 bytes. Everything else marks the
 * reader bad. */
#ifndef CORE_DER_H
#define CORE_DER_H

#include "core/rd.h"

enum der_tag {
	DER_BOOLEAN = 0x01,
	DER_INTEGER = 0x02,
	DER_OCTET_STRING = 0x04,
	DER_OID = 0x06,
	DER_SEQUENCE = 0x30,
	DER_CONTEXT = 0x80,             /* [n] IMPLICIT, primitive: DER_CONTEXT | n */
	DER_CONTEXT_CONSTRUCTED = 0xa0, /* [n] constructed: DER_CONTEXT_CONSTRUCTED | n */
};

/* Step over the next element of @r. Returns its tag and sets *body to its contents; returns 0 at the end,
 * and, with @r bad, if what is left is no whole element. */
static inline uint8_t der_next(struct rd *r, struct rd *body)
{
	uint8_t tag, first;
	size_t n;

	*body = rd_init(NULL, 0);
	if (rd_done(r))
		return 0;
	tag = rd_u8(r);
	n = first = rd_u8(r);
	if (first & 0x80) {
		unsigned bytes = first & 0x7f;

		if (bytes == 0 || bytes > 4)
			r->bad = true;
		for (n = 0; bytes > 0 && rd_ok(r); bytes--)
			n = n << 8 | rd_u8(r);
	}
	if (tag == 0 || (tag & 0x1f) == 0x1f)
		r->bad = true;
	*body = rd_sub(r, n);
	return rd_ok(r) ? tag : 0;
}

/* The same for an element that must be there with @tag; anything else marks @r bad and gives an empty, bad
 * reader. */
static inline struct rd der_expect(struct rd *r, uint8_t tag)
{
	struct rd body;

	if (der_next(r, &body) != tag) {
		r->bad = true;
		body = (struct rd){ .bad = true };
	}
	return body;
}

#endif
