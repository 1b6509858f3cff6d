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

static size_t without_padding(const char *text, size_t n)
{
	for (unsigned pads = 0; pads < 2 && n > 0 && text[n - 1] == '='; pads++)
		n--;
	return n;
}

/* Characters without padding. *ret_stray: the bits behind the last byte, two or four that belong to none. */
static int decode(const char *text, size_t n, uint8_t *ret, size_t cap, size_t *ret_n, unsigned *ret_stray)
{
	unsigned bits = 0, have = 0;
	size_t done = 0;

	if (n % 4 == 1)
		return VE_USAGE;
	for (size_t at = 0; at < n; at++) {
		int v = value_of(text[at]);

		if (v < 0)
			return VE_USAGE;
		bits = bits << 6 | (unsigned)v;
		have += 6;
		if (have < 8)
			continue;
		if (done == cap)
			return VE_LIMIT;
		have -= 8;
		ret[done++] = (uint8_t)(bits >> have);
		bits &= (1u << have) - 1;
	}
	*ret_n = done;
	*ret_stray = bits;
	return 0;
}

int base64_decode(const char *text, size_t n, uint8_t *ret, size_t cap, size_t *ret_n)
{
	unsigned stray;
	size_t done;
	int r;

	if (n % 4 != 0)
		return VE_USAGE;
	r = decode(text, without_padding(text, n), ret, cap, &done, &stray);
	if (r == 0 && stray != 0)
		r = VE_USAGE;
	if (r == 0)
		*ret_n = done;
	return r;
}

int base64_decode_lax(const char *text, size_t n, uint8_t *ret, size_t cap, size_t *ret_n)
{
	unsigned stray;

	return decode(text, without_padding(text, n), ret, cap, ret_n, &stray);
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
