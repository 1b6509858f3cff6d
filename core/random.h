/* SPDX-License-Identifier: GPL-3.0-or-later */
/* random.h - the system's randomness, in the shape that session_env and netstack_conf ask for. */
#ifndef CORE_RANDOM_H
#define CORE_RANDOM_H

#include <stddef.h>

/* Fill @n bytes with cryptographically strong randomness from the kernel. @ctx is not used. Never fails: without
 * randomness nothing here may go on, so it aborts with a line on stderr. */
void random_bytes(void *ctx, void *to, size_t n);

#endif
