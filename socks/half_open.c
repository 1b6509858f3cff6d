/* SPDX-License-Identifier: GPL-3.0-or-later */
/* half_open.c - who may connect now, see half_open.h.
 *
 * Theory of operation
 *
 * A host that does not answer keeps each connect to it until its time is over, and one program can ask for thousands of
 * them in a moment. What is asked for is only known when a client was accepted and read. So clients are always accepted,
 * and it is their connects that wait, each at the place it wants to go to: an address, or a name.
 *
 * The rule is that of switches with a common buffer ("dynamic thresholds"): a place may have as many connects under way as
 * are free for everybody. One place alone gets half of HALF_OPEN_MAX, two get a third each, n get 1/(n + 1) each: the next
 * one always finds room, however many wait elsewhere. No clock decides, nobody loses what he has begun, and it does not
 * matter which of the places answer; where a place does answer, its queue moves on with every round trip.
 *
 * The port is not part of a place: it is hosts that do not answer, and a scan of a host's ports is the usual reason. At
 * a place it goes by the order of arrival, among places by turns.
 *
 * Only HALF_OPEN_MAX different places at once can fill everything. Then it is "crowded", and a connect has less time
 * (half_open_patience()): a while in which any host that lives has answered, but for those far away or overloaded. To
 * have no room for anybody would be worse. The same goes while the front can accept no more clients.
 *
 * Looking for the next one may walk over places that have their share. Such a place has at least one under way, so there are
 * at most HALF_OPEN_MAX of them. */
#include "socks/half_open.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/err.h"
#include "core/limits.h"

struct half_open_place {
	struct dest at; /* the port is whose claim came first */
	unsigned under_way;
	struct half_open_claim *first, *last; /* that wait here */
	struct half_open_place *bucket_next;
	struct half_open_place *prev, *next; /* of half_open.first; linked while somebody waits */
};

/* --- places -------------------------------------------------------------------------------------------- */

static uint32_t fnv(uint32_t hash, uint8_t byte)
{
	return (hash ^ byte) * 16777619u;
}

/* Who chooses addresses that share a bucket makes a list of at most CLIENTS_MAX, and is a local client. */
static struct half_open_place **bucket(struct half_open *h, const struct dest *to)
{
	uint32_t hash = 2166136261u;

	for (size_t i = 0; to->ip.family != IP_NONE && i < (to->ip.family == IP_V4 ? 4 : 16); i++)
		hash = fnv(hash, to->ip.b[i]);
	for (const char *p = to->name; to->ip.family == IP_NONE && *p; p++)
		hash = fnv(hash, (uint8_t)(*p | 0x20)); /* lower case, for letters; what it does to others does no harm */
	return &h->buckets[hash % HALF_OPEN_BUCKETS];
}

static bool is_at(const struct half_open_place *p, const struct dest *to)
{
	if (to->ip.family != IP_NONE || p->at.ip.family != IP_NONE)
		return ip_equal(&p->at.ip, &to->ip);
	return strcasecmp(p->at.name, to->name) == 0;
}

static struct half_open_place *find_place(struct half_open *h, const struct dest *to)
{
	struct half_open_place **b = bucket(h, to), *p = *b;

	while (p && !is_at(p, to))
		p = p->bucket_next;
	if (p)
		return p;
	p = calloc(1, sizeof(*p));
	if (!p)
		return NULL;
	p->at = *to;
	p->bucket_next = *b;
	*b = p;
	return p;
}

static void maybe_forget_place(struct half_open *h, struct half_open_place *p)
{
	struct half_open_place **at = bucket(h, &p->at);

	if (p->under_way > 0 || p->first)
		return;
	while (*at != p)
		at = &(*at)->bucket_next;
	*at = p->bucket_next;
	free(p);
}

static void append_place(struct half_open *h, struct half_open_place *p)
{
	p->prev = h->last;
	p->next = NULL;
	*(h->last ? &h->last->next : &h->first) = p;
	h->last = p;
}

static void remove_place(struct half_open *h, struct half_open_place *p)
{
	*(p->prev ? &p->prev->next : &h->first) = p->next;
	*(p->next ? &p->next->prev : &h->last) = p->prev;
}

/* --- waiting ------------------------------------------------------------------------------------------- */

static bool has_turn(const struct half_open *h, const struct half_open_place *p)
{
	return p->under_way < HALF_OPEN_MAX - h->under_way;
}

static void begin(struct half_open *h, struct half_open_claim *c)
{
	c->under_way = true;
	c->place->under_way++;
	h->under_way++;
}

static void enqueue(struct half_open *h, struct half_open_claim *c)
{
	struct half_open_place *p = c->place;

	if (!p->first)
		append_place(h, p);
	c->prev = p->last;
	*(p->last ? &p->last->next : &p->first) = c;
	p->last = c;
	h->waiting++;
}

static void dequeue(struct half_open *h, struct half_open_claim *c)
{
	struct half_open_place *p = c->place;

	*(c->prev ? &c->prev->next : &p->first) = c->next;
	*(c->next ? &c->next->prev : &p->last) = c->prev;
	c->prev = c->next = NULL;
	h->waiting--;
	if (!p->first)
		remove_place(h, p);
}

int half_open_join(struct half_open *h, const struct dest *to, void *owner, struct half_open_claim **ret)
{
	struct half_open_claim *c = calloc(1, sizeof(*c));

	if (!c)
		return VE_NOMEM;
	c->owner = owner;
	c->to = *to;
	c->place = find_place(h, to);
	if (!c->place) {
		free(c);
		return VE_NOMEM;
	}
	if (!c->place->first && has_turn(h, c->place))
		begin(h, c);
	else
		enqueue(h, c);
	*ret = c;
	return 0;
}

void half_open_leave(struct half_open *h, struct half_open_claim *c)
{
	if (!c)
		return;
	if (c->under_way) {
		assert(c->place->under_way > 0 && h->under_way > 0);
		c->place->under_way--;
		h->under_way--;
	} else {
		dequeue(h, c);
	}
	maybe_forget_place(h, c->place);
	free(c);
}

struct half_open_claim *half_open_next(struct half_open *h)
{
	struct half_open_place *p = h->under_way < HALF_OPEN_MAX ? h->first : NULL;
	struct half_open_claim *c;

	while (p && !has_turn(h, p))
		p = p->next;
	if (!p)
		return NULL;
	c = p->first;
	dequeue(h, c);
	begin(h, c);
	if (p->first) {
		remove_place(h, p);
		append_place(h, p);
	}
	return c;
}

bool half_open_is_crowded(const struct half_open *h)
{
	return h->waiting > 0 && h->under_way >= HALF_OPEN_MAX;
}

uint32_t half_open_patience(const struct half_open *h, const struct half_open_claim *c, uint32_t connect_ms, bool full)
{
	uint32_t ms = connect_ms > 0 ? connect_ms : c->under_way ? UINT32_MAX : FLOW_CONNECT_MS;

	if ((full || half_open_is_crowded(h)) && ms > HALF_OPEN_MS)
		return HALF_OPEN_MS;
	return ms;
}
