/* SPDX-License-Identifier: GPL-3.0-or-later */
/* random.c - getrandom(2), whole or not at all. */
#include "core/random.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

void random_bytes(void *ctx, void *to, size_t n)
{
	uint8_t *p = to;

	(void)ctx;
	while (n > 0) {
		ssize_t got = getrandom(p, n, 0);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0) {
			fputs("softsocks: the kernel gives no random bytes (getrandom failed); cannot go on\n", stderr);
			abort();
		}
		p += got;
		n -= (size_t)got;
	}
}
