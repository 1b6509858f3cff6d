/* SPDX-License-Identifier: GPL-3.0-or-later */
/* http_rig.c - see http_rig.h. */
#include "test/support/http_rig.h"

#include <stdlib.h>
#include <string.h>

#include "core/err.h"

#define MUST(condition)          \
	do {                     \
		if (!(condition)) \
			abort(); \
	} while (0)

void http_rig_init(struct http_rig *r)
{
	*r = (struct http_rig){ .local = { .ip = { .family = IP_V4, .b = { 127, 0, 0, 1 } }, .port = 1080 } };
	r->down = malloc(RIG_BYTES);
	r->sent = malloc(RIG_BYTES);
	MUST(r->down && r->sent);
	http_proxy_init(&r->p, &r->conf, &r->local);
	http_proxy_clock(&r->p, 1000, RIG_SECONDS);
}

void http_rig_fini(struct http_rig *r)
{
	http_proxy_fini(&r->p);
	free(r->down);
	free(r->sent);
}

static size_t piece(const struct http_rig *r, size_t n, size_t at)
{
	if (r->cut > 0 && n > r->cut)
		n = r->cut;
	if (r->cut_once > at && n > r->cut_once - at)
		n = r->cut_once - at;
	return n;
}

static void add(uint8_t *to, size_t *n, const void *p, size_t len)
{
	MUST(len <= RIG_BYTES - 1 - *n);
	if (len > 0)
		memcpy(to + *n, p, len);
	*n += len;
	to[*n] = '\0';
}

static struct rig_answer *next_answer(struct http_rig *r)
{
	return r->answer < r->nanswers ? &r->answers[r->answer] : NULL;
}

static void close_target(struct http_rig *r)
{
	if (r->open && r->answer_at > 0) { /* in the middle of an answer: the rest is lost */
		r->answer++;
		r->answer_at = 0;
	}
	r->open = false;
}

static void open_target(struct http_rig *r)
{
	struct rig_answer *a;
	char mark[] = "[0]";

	close_target(r);
	a = next_answer(r);
	mark[1] = (char)('0' + r->opens++ % 10);
	r->dest = r->p.dest;
	r->open = !a || a->refuse == 0;
	if (r->open) {
		add(r->sent, &r->nsent, mark, 3);
		http_proxy_target_opened(&r->p);
		return;
	}
	r->answer++;
	http_proxy_target_ended(&r->p, a->refuse);
}

static bool take_events(struct http_rig *r)
{
	enum http_event ev = http_proxy_next_event(&r->p);

	MUST(!r->tunnel && !r->closed && !r->aborted ? true : ev == HTTP_EV_NONE || ev == HTTP_EV_DROP);
	switch (ev) {
	case HTTP_EV_NONE:
		return false;
	case HTTP_EV_DROP:
		r->drops++;
		close_target(r);
		break;
	case HTTP_EV_OPEN:
		open_target(r);
		break;
	case HTTP_EV_TUNNEL:
		MUST(r->open);
		r->tunnel = true;
		break;
	case HTTP_EV_CLOSE:
		r->closed = true;
		break;
	case HTTP_EV_ABORT:
		r->aborted = true;
		break;
	}
	return true;
}

static bool move_up(struct http_rig *r)
{
	size_t room, n;
	uint8_t *to;

	if (r->up_at == r->nup && r->up_ends && !r->up_ended) {
		r->up_ended = true;
		http_proxy_client_ended(&r->p);
		return true;
	}
	if (r->up_at == r->nup)
		return false;
	to = http_proxy_reserve(&r->p, &room);
	if (!to)
		return false;
	n = piece(r, r->nup - r->up_at, r->up_at);
	n = n < room ? n : room;
	memcpy(to, r->up + r->up_at, n);
	r->up_at += n;
	http_proxy_commit(&r->p, n);
	return n > 0;
}

static bool pull(struct http_rig *r)
{
	uint8_t to[8192];
	size_t n;

	if (!r->open)
		return false;
	n = http_proxy_request_pull(&r->p, to, r->cut > 0 ? r->cut : sizeof(to));
	add(r->sent, &r->nsent, to, n);
	return n > 0;
}

/* Is a request through that has no answer so far? */
static bool is_asked(const struct http_rig *r)
{
	return r->p.state == HTTP_WAITING && r->p.up.done && (!r->p.head.p || r->p.head_sent == buf_len(&r->p.head));
}

static bool push(struct http_rig *r)
{
	struct rig_answer *a = next_answer(r);
	size_t n, taken;

	if (!r->open || !a || (r->answer_at == 0 && !a->at_once && !is_asked(r)))
		return false;
	if (a->n == 0)
		a->n = strlen(a->text);
	n = piece(r, a->n - r->answer_at, r->answer_at);
	taken = http_proxy_answer_push(&r->p, (struct slice){ .p = (const uint8_t *)a->text + r->answer_at, .n = n });
	MUST(taken <= n);
	r->answer_at += taken;
	if (r->answer_at < a->n)
		return taken > 0;
	r->answer++;
	r->answer_at = 0;
	if (a->end != 0 && r->p.state != HTTP_GONE) {
		http_proxy_target_ended(&r->p, a->end);
		return true;
	}
	return true;
}

static bool move_down(struct http_rig *r)
{
	struct slice s = http_proxy_peek(&r->p);
	size_t n = piece(r, s.n, s.n);

	if (r->deaf || n == 0)
		return false;
	add(r->down, &r->ndown, s.p, n);
	http_proxy_consume(&r->p, n);
	return true;
}

static void count_memory(struct http_rig *r)
{
	size_t n = r->p.in.cap + r->p.out.cap + r->p.head.cap + r->p.answer.cap;

	if (n > r->memory)
		r->memory = n;
}

void http_rig_run(struct http_rig *r)
{
	bool moved = true;

	for (unsigned turns = 0; moved; turns++) {
		MUST(turns < 3000000);
		moved = false;
		while (take_events(r))
			moved = true;
		if (r->tunnel || r->closed || r->aborted)
			return;
		while (pull(r))
			moved = true;
		moved |= take_events(r);
		moved |= push(r);
		count_memory(r);
		moved |= move_down(r);
		moved |= move_up(r);
		count_memory(r);
	}
}
