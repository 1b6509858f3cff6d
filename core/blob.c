/* SPDX-License-Identifier: GPL-3.0-or-later */
/* blob.c - see blob.h. */
#include "core/blob.h"

#include <stdlib.h>
#include <string.h>

int blob_new(struct blob *ret, size_t cap, struct fault *f)
{
	*ret = (struct blob){ .p = malloc(cap > 0 ? cap : 1), .n = 0, .cap = cap };
	if (ret->p)
		return 0;
	fault_set(f, VE_NOMEM, "no memory for a certificate or key of %zu bytes", cap);
	return VE_NOMEM;
}

void blob_free(struct blob *b)
{
	if (b->p)
		wipe(b->p, b->cap);
	free(b->p);
	*b = (struct blob){ 0 };
}

int blob_copy(struct blob *ret, struct slice in, struct fault *f)
{
	int r = blob_new(ret, in.n, f);

	if (r != 0)
		return r;
	if (in.n > 0)
		memcpy(ret->p, in.p, in.n);
	ret->n = in.n;
	return 0;
}
