/* SPDX-License-Identifier: GPL-3.0-or-later */
/* backlog.h - how much may wait in front of a connection that takes less than it is offered.
 *
 * What waits there delays everything behind it: a keystroke, a name, a packet of a call. So no more should than the
 * connection sends in a few milliseconds; but that much, or it would run dry between two visits of ours. The machine
 * watches how fast a full connection takes bytes and names the bound. It has no clock: times are the caller's
 * milliseconds. */
#ifndef CORE_BACKLOG_H
#define CORE_BACKLOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct backlog {
	bool full;         /* it did not take all, and has not said that it can go on */
	bool measuring;    /* bytes were counted from began_ms on, and it was never idle */
	uint64_t began_ms;
	uint64_t bytes;
	uint64_t eased_ms; /* when it was full the last time */
	uint64_t rate;     /* bytes a second; 0: never measured */
	size_t bound;
};

void backlog_init(struct backlog *b);

/* It took @n bytes. */
static inline void backlog_taken(struct backlog *b, size_t n)
{
	b->bytes += n;
}

/* It took less than it was offered; it can go on. Returns whether the bound is another one now. */
bool backlog_full(struct backlog *b, uint64_t now_ms);
void backlog_eased(struct backlog *b, uint64_t now_ms);

/* The bound for the connection's own queue, WIRE_BACKLOG_MIN to WIRE_BACKLOG_MAX. */
static inline size_t backlog_bound(const struct backlog *b)
{
	return b->bound;
}

/* How much to prepare before offering it: more than this would only wait if it is refused. */
size_t backlog_step(const struct backlog *b, uint64_t now_ms);

#endif
