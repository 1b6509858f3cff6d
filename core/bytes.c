/* SPDX-License-Identifier: GPL-3.0-or-later */
/* bytes.c - the byte helpers that are more than a line; two of them a compiler must not be clever about. */
#include "core/bytes.h"

#include <string.h>

void wipe(void *p, size_t n)
{
	if (n > 0)
		explicit_bzero(p, n);
}

int hex_digit(int c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

char *put_hex(char *to, const void *p, size_t n)
{
	static const char digits[] = "0123456789abcdef";
	const uint8_t *b = p;

	for (size_t i = 0; i < n; i++) {
		*to++ = digits[b[i] >> 4];
		*to++ = digits[b[i] & 15];
	}
	return to;
}

int ct_differ(const void *a, const void *b, size_t n)
{
	const uint8_t *x = a, *y = b;
	unsigned diff = 0;

	for (size_t i = 0; i < n; i++)
		diff |= (unsigned)(x[i] ^ y[i]);
	return diff != 0;
}
