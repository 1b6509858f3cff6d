/* SPDX-License-Identifier: GPL-3.0-or-later */
/* se_text.h - text that a server sent, made fit for a terminal and a log. */
#ifndef SOFTETHER_SE_TEXT_H
#define SOFTETHER_SE_TEXT_H

#include <stddef.h>

#include "core/bytes.h"

/* Copy @in to @to (of @cap bytes, at least 1), NUL-terminated, as one line of valid UTF-8. White space of any
 * kind and amount becomes one blank, none at the ends; bytes that are not UTF-8, control characters, and
 * characters that change the direction of writing or are invisible become '?'. Cut at a whole character if it
 * does not fit. Returns the length, at most @in.n. */
size_t se_text_clean(struct slice in, char *to, size_t cap);

#endif
