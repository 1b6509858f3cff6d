/* SPDX-License-Identifier: GPL-3.0-or-later */
/* bytes.c - the two byte helpers that a compiler must not be clever about. */
#include "core/bytes.h"

#include <string.h>

void wipe(void *p, size_t n)
{
	if (n > 0)
		explicit_bzero(p, n);
}

int ct_differ(const void *a, const void *b, size_t n)
{
	const uint8_t *x = a, *y = b;
	unsigned diff = 0;

	for (size_t i = 0; i < n; i++)
		diff |= (unsigned)(x[i] ^ y[i]);
	return diff != 0;
}
