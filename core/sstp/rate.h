/* SPDX-License-Identifier: GPL-3.0-or-later */
/* rate.h - no more than so many of something a second, so that a peer cannot make us work or talk without
 * end. */
#ifndef CORE_SSTP_RATE_H
#define CORE_SSTP_RATE_H

#include <stdbool.h>
#include <stdint.h>

struct rate {
	uint64_t since; /* start of the current second */
	unsigned n;     /* granted in it */
};

static inline bool rate_allows(struct rate *r, unsigned a_second, uint64_t now_ms)
{
	if (r->n == 0 || now_ms - r->since >= 1000) {
		r->since = now_ms;
		r->n = 0;
	}
	if (r->n >= a_second)
		return false;
	r->n++;
	return true;
}

#endif
