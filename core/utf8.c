/* SPDX-License-Identifier: GPL-3.0-or-later */
/* utf8.c - RFC 3629 section 4, as a table: the first byte tells the length and narrows the second byte; the
 * others are always 80..BF. */
#include "core/utf8.h"

#include <stdint.h>

#include "core/bytes.h"

static const struct {
	uint8_t first_from, first_to, second_from, second_to, len;
} forms[] = {
	{ 0xc2, 0xdf, 0x80, 0xbf, 2 }, { 0xe0, 0xe0, 0xa0, 0xbf, 3 }, { 0xe1, 0xec, 0x80, 0xbf, 3 },
	{ 0xed, 0xed, 0x80, 0x9f, 3 }, { 0xee, 0xef, 0x80, 0xbf, 3 }, { 0xf0, 0xf0, 0x90, 0xbf, 4 },
	{ 0xf1, 0xf3, 0x80, 0xbf, 4 }, { 0xf4, 0xf4, 0x80, 0x8f, 4 },
};

size_t utf8_char(const void *p, size_t n)
{
	const uint8_t *b = p;
	size_t i = 0, k;

	if (b[0] < 0x80)
		return 1;
	while (i < ARRAY_LEN(forms) && (b[0] < forms[i].first_from || b[0] > forms[i].first_to))
		i++;
	if (i == ARRAY_LEN(forms) || n < forms[i].len)
		return 0;
	if (b[1] < forms[i].second_from || b[1] > forms[i].second_to)
		return 0;
	for (k = 2; k < forms[i].len; k++) {
		if (b[k] < 0x80 || b[k] > 0xbf)
			return 0;
	}
	return forms[i].len;
}

bool utf8_is_text(const void *p, size_t n)
{
	const uint8_t *b = p;
	size_t at = 0;

	while (at < n) {
		size_t len = utf8_char(b + at, n - at);

		if (len == 0 || b[at] < 0x20 || b[at] == 0x7f)
			return false;
		if (b[at] == 0xc2 && b[at + 1] < 0xa0)
			return false;
		at += len;
	}
	return true;
}
