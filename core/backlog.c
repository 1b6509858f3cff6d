/* SPDX-License-Identifier: GPL-3.0-or-later */
/* backlog.c - see backlog.h.
 *
 * Each time the connection is full, its own queue is as long as the last time. So the bytes that it took in between are
 * what it sent, and their number over the time is its rate; provided that it had something to send all the time. It may
 * have run dry when it was not full for longer than a refill takes: then counting starts anew.
 *
 * A bound that is too low mends itself. The connection is full sooner and more often, and even if it runs dry before each
 * refill, that is tens of microseconds after it was full: the rate that is seen is above that of the bound, and
 * the bound follows. */
#include "core/backlog.h"

#include "core/limits.h"

#define SPAN_MS 20u      /* of a measurement, at least: the clock has milliseconds */
#define LONG_MS 100u     /* a measurement of this length needs no older ones beside it */
#define IDLE_MS 5u       /* not full for longer than this: it may have run dry */
#define MEMORY_MS 1000u  /* full within this time: it will be full again */

void backlog_init(struct backlog *b)
{
	*b = (struct backlog){ .bound = WIRE_BACKLOG_MAX };
}

static size_t bound_for(uint64_t rate)
{
	uint64_t bound = rate * WIRE_BACKLOG_MS / 1000;

	if (bound < WIRE_BACKLOG_MIN)
		return WIRE_BACKLOG_MIN;
	return bound < WIRE_BACKLOG_MAX ? (size_t)bound : WIRE_BACKLOG_MAX;
}

/* Is @to so far from @from that it is worth telling the system? */
static bool is_news(size_t from, size_t to)
{
	size_t gap = from > to ? from - to : to - from;

	return gap > from / 8 || (gap > 0 && (to == WIRE_BACKLOG_MIN || to == WIRE_BACKLOG_MAX));
}

static bool measured(struct backlog *b, uint64_t now_ms)
{
	uint64_t span = now_ms - b->began_ms, rate = b->bytes * 1000 / span;
	size_t bound;

	b->rate = b->rate == 0 || span >= LONG_MS ? rate : (b->rate + rate) / 2;
	bound = bound_for(b->rate);
	if (!is_news(b->bound, bound))
		return false;
	b->bound = bound;
	return true;
}

bool backlog_full(struct backlog *b, uint64_t now_ms)
{
	bool changed = false;

	if (b->full)
		return false;
	b->full = true;
	if (b->measuring && now_ms - b->eased_ms <= IDLE_MS && now_ms - b->began_ms < SPAN_MS)
		return false; /* too early to say */
	if (b->measuring && now_ms - b->eased_ms <= IDLE_MS)
		changed = measured(b, now_ms);
	b->measuring = true;
	b->began_ms = now_ms;
	b->bytes = 0;
	return changed;
}

void backlog_eased(struct backlog *b, uint64_t now_ms)
{
	b->full = false;
	b->eased_ms = now_ms;
}

size_t backlog_step(const struct backlog *b, uint64_t now_ms)
{
	if (!b->full && (!b->measuring || now_ms - b->eased_ms > MEMORY_MS))
		return WIRE_BACKLOG_MAX;
	return b->bound / 2;
}
