/* SPDX-License-Identifier: GPL-3.0-or-later */
/* batch.c - see batch.h. One large answer is no bulk: it takes two visits in a row that bring BATCH_BYTES, and no pause
 * between them. Visits that bring nothing, as those of clients, do not count. */
#include "core/batch.h"

#include "core/limits.h"

#define IN_A_ROW_MS 1u /* from one to the next; the clock has milliseconds */

uint32_t batch_wait_us(struct batch *b, uint64_t now_ms)
{
	bool much = b->bytes >= BATCH_BYTES;
	bool again = much && b->much && now_ms - b->at_ms <= IN_A_ROW_MS;

	if (b->bytes == 0)
		return 0;
	*b = (struct batch){ .much = much, .at_ms = now_ms };
	return again ? BATCH_WAIT_US : 0;
}
