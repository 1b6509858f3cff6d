/* SPDX-License-Identifier: GPL-3.0-or-later */
/* printable.h - text that a server chose, made fit for one line on a terminal. */
#ifndef CORE_SSTP_PRINTABLE_H
#define CORE_SSTP_PRINTABLE_H

#include "core/bytes.h"

/* Copy @from to @to (@cap bytes, > 0), ended by NUL, cut between characters. Control characters and what is
 * not UTF-8 become '?'. Returns @to. */
const char *printable(char *to, size_t cap, struct slice from);

#endif
