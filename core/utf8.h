/* SPDX-License-Identifier: GPL-3.0-or-later */
/* utf8.h - is this text? RFC 3629, strictly: no overlong forms, no surrogates, nothing above U+10FFFF. */
#ifndef CORE_UTF8_H
#define CORE_UTF8_H

#include <stdbool.h>
#include <stddef.h>

/* How many of the @n bytes (> 0) at @p make up the first character: 1 to 4, 0 if it is not whole or none. */
size_t utf8_char(const void *p, size_t n);

/* Are the @n bytes at @p whole characters, and none a control character (C0, DEL, C1)? True for none. */
bool utf8_is_text(const void *p, size_t n);

#endif
