/* SPDX-License-Identifier: GPL-3.0-or-later */
/* base64.h - RFC 4648 section 4, strictly: no blanks or line ends, padding where it belongs, no stray bits. */
#ifndef CORE_BASE64_H
#define CORE_BASE64_H

#include <stddef.h>
#include <stdint.h>

#define BASE64_SIZE(n) (((n) + 2) / 3 * 4) /* characters that @n bytes become */

/* Decode @n characters into at most @cap bytes; @ret may be @text itself. Returns 0 with *ret_n, VE_USAGE if it is no
 * Base64, VE_LIMIT if it is longer than @cap; nothing says what is in @ret then. */
int base64_decode(const char *text, size_t n, uint8_t *ret, size_t cap, size_t *ret_n);

/* The same for texts of others, who are not always strict: padding may be missing, and stray bits are ignored. */
int base64_decode_lax(const char *text, size_t n, uint8_t *ret, size_t cap, size_t *ret_n);

/* Write @n bytes as BASE64_SIZE(n) characters. Returns where they end; writes no NUL there. */
char *base64_put(char *to, const void *p, size_t n);

#endif
