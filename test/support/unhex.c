/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "test/support/unhex.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static unsigned digit(char c)
{
	static const char digits[] = "0123456789abcdef";
	const char *at = c ? strchr(digits, tolower((unsigned char)c)) : NULL;

	if (!at) {
		fprintf(stderr, "unhex: '%c' is no hexadecimal digit\n", c);
		abort();
	}
	return (unsigned)(at - digits);
}

size_t unhex(const char *text, uint8_t *to, size_t cap)
{
	size_t n = 0;

	while (*text) {
		if (isspace((unsigned char)*text)) {
			text++;
			continue;
		}
		if (n == cap)
			abort();
		to[n++] = (uint8_t)(digit(text[0]) << 4 | digit(text[1]));
		text += 2;
	}
	return n;
}
