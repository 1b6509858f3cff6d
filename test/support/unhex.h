/* SPDX-License-Identifier: GPL-3.0-or-later */
/* unhex.h - bytes as specifications print them. */
#ifndef TEST_SUPPORT_UNHEX_H
#define TEST_SUPPORT_UNHEX_H

#include <stddef.h>
#include <stdint.h>

/* Hexadecimal digits, blanks between bytes allowed, into @to (@cap bytes). Returns the count; aborts on
 * anything else. */
size_t unhex(const char *text, uint8_t *to, size_t cap);

#endif
