/* SPDX-License-Identifier: GPL-3.0-or-later */
/* base64.c - four characters are three bytes; see base64.h. Keys pass here, so there is no table to index: a value is
 * found by arithmetic. */
#include "core/base64.h"

#include "core/err.h"

static int value_of(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

static char digit_of(unsigned v)
{
	v &= 63;
	if (v < 26)
		return (char)('A' + v);
	if (v < 52)
		return (char)('a' + v - 26);
	if (v < 62)
		return (char)('0' + v - 52);
	return v == 62 ? '+' : '/';
}

/* Four characters of which the last @padding are '='. */
static int decode_group(const char *text, unsigned padding, uint8_t ret[static 3])
{
	uint32_t bits = 0;

	for (unsigned i = 0; i < 4; i++) {
		int v = i < 4 - padding ? value_of(text[i]) : 0;

		if (v < 0)
			return VE_USAGE;
		bits = bits << 6 | (uint32_t)v;
	}
	if (bits & ((1u << 8 * padding) - 1)) /* bits that belong to no byte */
		return VE_USAGE;
	ret[0] = (uint8_t)(bits >> 16);
	ret[1] = (uint8_t)(bits >> 8);
	ret[2] = (uint8_t)bits;
	return 0;
}

int base64_decode(const char *text, size_t n, uint8_t *ret, size_t cap, size_t *ret_n)
{
	size_t done = 0;

	if (n % 4 != 0)
		return VE_USAGE;
	for (size_t at = 0; at < n; at += 4) {
		bool last = at + 4 == n;
		unsigned padding = !last || text[at + 3] != '=' ? 0 : text[at + 2] != '=' ? 1 : 2;
		uint8_t group[3];

		if (decode_group(text + at, padding, group) != 0)
			return VE_USAGE;
		for (unsigned i = 0; i < 3 - padding; i++) {
			if (done == cap)
				return VE_LIMIT;
			ret[done++] = group[i];
		}
	}
	*ret_n = done;
	return 0;
}

char *base64_put(char *to, const void *p, size_t n)
{
	const uint8_t *b = p;

	for (size_t at = 0; at < n; at += 3) {
		size_t left = n - at;
		unsigned bits = (unsigned)b[at] << 16 | (left > 1 ? (unsigned)b[at + 1] << 8 : 0) | (left > 2 ? b[at + 2] : 0);

		*to++ = digit_of(bits >> 18);
		*to++ = digit_of(bits >> 12);
		*to++ = left > 1 ? digit_of(bits >> 6) : '=';
		*to++ = left > 2 ? digit_of(bits) : '=';
	}
	return to;
}
