/* SPDX-License-Identifier: GPL-3.0-or-later */
/* se_text.c - core/utf8.h finds the characters; what they are is judged here, by their numbers. */
#include "core/softether/se_text.h"

#include <stdbool.h>
#include <string.h>

#include "core/utf8.h"

/* The number of the character of @len bytes at @p, which utf8_char() has found whole. */
static uint32_t decode(const uint8_t *p, size_t len)
{
	uint32_t c = len == 1 ? p[0] : p[0] & (0x7fu >> len);

	for (size_t i = 1; i < len; i++)
		c = c << 6 | (p[i] & 0x3fu);
	return c;
}

static bool is_space(uint32_t c)
{
	return c == ' ' || (c >= '\t' && c <= '\r') || c == 0x85 || c == 0xa0 || c == 0x2028 || c == 0x2029;
}

static bool is_harmless(uint32_t c)
{
	return c >= 0x20 && !(c >= 0x7f && c <= 0x9f) &&
	       c != 0x061c && !(c >= 0x200b && c <= 0x200f) && /* marks of direction, zero width */
	       !(c >= 0x202a && c <= 0x202e) && !(c >= 0x2060 && c <= 0x206f) &&
	       c != 0xfeff && !(c >= 0xfff0 && c <= 0xfffb) &&
	       !(c >= 0xe0000 && c <= 0xe0fff) && (c & 0xfffe) != 0xfffe; /* tags, no characters */
}

size_t se_text_clean(struct slice in, char *to, size_t cap)
{
	size_t n = 0, i = 0;
	bool gap = false; /* white space since the last character */

	while (i < in.n) {
		const uint8_t *from = in.p + i;
		size_t len = utf8_char(from, in.n - i), out;
		uint32_t c = decode(from, len > 0 ? len : 1);

		i += len > 0 ? len : 1;
		if (len > 0 && is_space(c)) {
			gap = n > 0;
			continue;
		}
		if (len == 0 || !is_harmless(c)) {
			from = (const uint8_t *)"?";
			len = 1;
		}
		out = len + gap;
		if (out > cap - 1 - n)
			break;
		if (gap)
			to[n++] = ' ';
		memcpy(to + n, from, len);
		n += len;
		gap = false;
	}
	to[n] = '\0';
	return n;
}
