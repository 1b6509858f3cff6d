/* SPDX-License-Identifier: GPL-3.0-or-later */
/* long_link.h - a link with a delay and a rate around the world of world.h, in virtual time: a packet leaves when those before
 * it have, and arrives half a round trip later. To be included once by a test, which defines arrive(). */
#ifndef TEST_SUPPORT_LONG_LINK_H
#define TEST_SUPPORT_LONG_LINK_H

#include "test/support/world.h"

#define LINK_MAX 65536u

struct flight {
	uint64_t due_us;
	struct frame f;
};

/* One direction. */
struct way {
	struct flight *flights; /* LINK_MAX */
	unsigned first, n;
	uint64_t free_us; /* when it can take the next packet */
};

static struct world w;
static struct way up, down;
static uint64_t delay_us, bytes_ms; /* of both */

/* @f, which the stack sent, is through. */
static void arrive(struct frame *f);

static inline void way_put(struct way *way, const struct frame *f)
{
	uint64_t now = world_ms * 1000;
	struct flight *to = &way->flights[(way->first + way->n++) % LINK_MAX];

	assert_true(way->n <= LINK_MAX);
	way->free_us = (way->free_us > now ? way->free_us : now) + f->n * 1000 / bytes_ms;
	to->due_us = way->free_us + delay_us;
	to->f = *f;
}

static inline bool way_take(struct way *way, struct frame *ret)
{
	if (way->n == 0 || way->flights[way->first].due_us > world_ms * 1000)
		return false;
	*ret = way->flights[way->first].f;
	way->first = (way->first + 1) % LINK_MAX;
	way->n--;
	return true;
}

/* For tcp_peer_init(). */
static inline void emit_down(void *ctx, const struct packet *p)
{
	struct frame f;

	(void)ctx;
	packet_make(&f, p, false);
	way_put(&down, &f);
}

static inline void collect(void)
{
	struct frame f;

	do {
		while (queue_take(w.out, &f))
			way_put(&up, &f);
		if (w.room_owed) {
			w.room_owed = false;
			w.depth++;
			w.ops->room(w.ns);
			w.depth--;
		}
	} while (w.out->n > 0);
}

static inline void run(uint64_t ms)
{
	struct frame f;

	for (uint64_t end = world_ms + ms; world_ms < end; world_ms++) {
		while (way_take(&up, &f))
			arrive(&f);
		w.depth++;
		while (way_take(&down, &f))
			w.ops->input(w.ns, (struct slice){ .p = f.b, .n = f.n });
		w.ops->turn_end(w.ns);
		w.depth--;
		if (netstack_sleep(w.ns) == 0)
			netstack_tick(w.ns);
		collect();
	}
}

/* The world anew, with a link of @rtt_ms and @rate bytes a millisecond. */
static inline void link_start(const struct netstack_conf *conf, uint64_t rtt_ms, uint64_t rate)
{
	world_init(&w, conf, LINK_IP);
	w.facts.ip4 = packet_ip4(10, 9, 8, 7);
	world_start(&w);
	delay_us = rtt_ms * 500;
	bytes_ms = rate;
	up.first = up.n = down.first = down.n = 0;
}

static inline void link_finish(void)
{
	w.out->n = 0;
	world_fini(&w);
}

/* For the whole group of tests. */
static inline int link_setup(void **state)
{
	up.flights = calloc(LINK_MAX, sizeof(*up.flights));
	down.flights = calloc(LINK_MAX, sizeof(*down.flights));
	return up.flights && down.flights ? world_warm_up(state) : -1;
}

static inline int link_teardown(void **state)
{
	(void)state;
	free(up.flights);
	free(down.flights);
	return 0;
}

#endif
