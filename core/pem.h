/* SPDX-License-Identifier: GPL-3.0-or-later */
/* pem.h - the textual encodings of keys and certificates, RFC 7468. Everything borrows from the input. */
#ifndef CORE_PEM_H
#define CORE_PEM_H

#include <stdbool.h>

#include "core/blob.h"

/* One block: its label, the lines between, and all of it with both marks. */
struct pem {
	struct slice label, body, whole;
};

/* Does @in look like PEM at all? */
bool pem_is(struct slice in);

/* The first block in *in, which is moved behind it. Returns false if there is none that is whole. */
bool pem_next(struct slice *in, struct pem *ret);

bool pem_label_is(const struct pem *b, const char *text);

/* Is @text somewhere in @part, a label or a body? */
bool pem_has(struct slice part, const char *text);

/* The bytes of a block that is not encrypted as such. Returns 0, VE_USAGE without a fault, or VE_NOMEM with @f. */
int pem_decode(const struct pem *b, struct blob *ret, struct fault *f);

#endif
