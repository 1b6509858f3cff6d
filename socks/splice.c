/* SPDX-License-Identifier: GPL-3.0-or-later */
/* splice.c - target <-> target, see splice.h.
 *
 * Theory of operation
 *
 * What one side has received is copied into the other side's send window and consumed, as much as there is room for; the
 * rest stays where it is, so its sender's window closes by itself. readable() of one side and writable() of the other go
 * on. VE_EOF of one side becomes target_shutdown() of the other. When both sides say that they ended in order, it is over.
 *
 * Nothing moves before both are open; the accepted side keeps what it receives until then. */
#include "socks/splice.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "core/bytes.h"
#include "core/err.h"

#define PIECES 16

struct side {
	struct splice *splice;
	struct target *target;
	bool open;
	bool ended;   /* its stream's end was passed on */
	bool closed;  /* closed() came, in order */
};

struct splice {
	struct side side[2]; /* accepted, made by us */
	struct targets *near;
	const struct splice_events *ev;
	void *ctx;
	uint64_t moved_at;
	bool over;
};

static struct side *other(struct side *s)
{
	return &s->splice->side[s == &s->splice->side[0]];
}

/* The last thing on every path that calls it: the splice may be freed from inside. */
static void finish(struct splice *s, int err)
{
	if (s->over)
		return;
	s->over = true;
	s->ev->over(s->ctx, err);
}

/* Copy one received piece. Returns how much of it there was room for. */
static size_t put(struct target *to, struct slice piece)
{
	size_t done = 0;

	while (done < piece.n) {
		size_t room;
		uint8_t *p = target_reserve(to, &room);

		if (!p || room == 0)
			break;
		room = min_size(room, piece.n - done);
		memcpy(p, piece.p + done, room);
		target_commit(to, room);
		done += room;
	}
	return done;
}

static void pump(struct side *from)
{
	struct side *to = other(from);
	struct slice v[PIECES];
	bool room = from->open && to->open && !from->ended;

	while (room) {
		int n = target_peek(from->target, v, PIECES);
		size_t done = 0;

		if (n == VE_EOF) {
			from->ended = true;
			target_shutdown(to->target);
			return;
		}
		if (n <= 0)
			return;
		for (int i = 0; i < n && room; i++) {
			size_t part = put(to->target, v[i]);

			done += part;
			room = part == v[i].n;
		}
		if (done > 0)
			from->splice->moved_at = uv_now(from->splice->near->loop);
		target_consume(from->target, done);
	}
}

static void on_opened(void *ctx)
{
	struct side *s = ctx;

	s->open = true;
	pump(s);
	pump(other(s));
}

static void on_readable(void *ctx)
{
	pump(ctx);
}

static void on_writable(void *ctx)
{
	pump(other(ctx));
}

static void on_closed(void *ctx, int err)
{
	struct side *s = ctx;

	s->closed = true;
	if (err != 0)
		finish(s->splice, err);
	else if (other(s)->closed)
		finish(s->splice, 0);
}

static const struct flow_events target_events = { on_opened, on_readable, on_writable, on_closed };

int splice_new(struct splice **ret, struct targets *near, struct flow *f, struct targets *far, const struct dest *to,
	       const struct splice_events *ev, void *ctx)
{
	struct splice *s = calloc(1, sizeof(*s));
	int err;

	if (!s) {
		flow_free(f);
		return VE_NOMEM;
	}
	s->side[0].splice = s->side[1].splice = s;
	s->near = near;
	s->ev = ev;
	s->ctx = ctx;
	s->moved_at = uv_now(near->loop);
	s->side[0].open = true;
	err = target_adopt(near, f, &target_events, &s->side[0], &s->side[0].target);
	if (err == 0)
		err = target_open(far, to, &target_events, &s->side[1], &s->side[1].target);
	if (err != 0) {
		splice_free(s);
		return err;
	}
	*ret = s;
	return 0;
}

uint64_t splice_moved_at(const struct splice *s)
{
	return s->moved_at;
}

void splice_free(struct splice *s)
{
	if (!s)
		return;
	target_free(s->side[0].target);
	target_free(s->side[1].target);
	free(s);
}
