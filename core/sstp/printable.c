/* SPDX-License-Identifier: GPL-3.0-or-later */
/* printable.c - whole characters are copied, anything else becomes '?', byte by byte. */
#include "core/sstp/printable.h"

#include <string.h>

#include "core/utf8.h"

const char *printable(char *to, size_t cap, struct slice from)
{
	size_t at = 0, n = 0;

	while (at < from.n) {
		size_t len = utf8_char(from.p + at, from.n - at);
		size_t take = len ? len : 1;

		if (n + take >= cap)
			break;
		if (utf8_is_text(from.p + at, take)) {
			memcpy(to + n, from.p + at, take);
			n += take;
		} else {
			to[n++] = '?';
		}
		at += take;
	}
	to[n] = '\0';
	return to;
}
