/* SPDX-License-Identifier: GPL-3.0-or-later */
/* se_channel.c - see se_channel.h.
 *
 * Until it is up, the server answers requests: one message is one HTTP answer whose body is a PACK. It is received whole,
 * validated, acted upon, wiped and forgotten. From the byte after the last answer on, both directions are streams of
 * frames (se_block.h), and nothing of HTTP comes back.
 *
 * Memory is held from se_channel_greet() until the state is FREE. Frames that wait when a channel goes are dropped. What
 * waits here is the smaller part of what is lost with a connection: TLS and the kernel have taken more, and nobody can
 * say how much of it arrived. TCP inside the tunnel mends the hole as a whole; frames that were moved to another channel
 * would only arrive behind it, out of order. */
#include "core/softether/se_channel.h"

#include <string.h>

#include "core/limits.h"

#define RX_UP (SESSION_RX_MAX + 4u * KIB) /* a read of SESSION_RX_MAX fits behind a piece that is not whole */
#define NOOP_SKIP 2u                      /* the NOOP that a slow server sends before its answer, 2.6 */

_Static_assert(RX_UP >= SESSION_RX_MAX + SE_BLOCK_PIECE_MAX, "a piece may not fill the receive queue");
_Static_assert(RX_UP >= SE_HTTP_FIRST_MAX, "what follows the last answer may not be cut");
_Static_assert(SESSION_TX_CONTROL >= 8 + SE_KEEPALIVE_MAX, "a keep-alive must always fit");

/* Drop @n bytes from the front and leave nothing of them. */
static void forget(struct buf *b, size_t n)
{
	wipe(b->p + b->head, n);
	buf_consume(b, n);
}

/* Back to nothing, wiping what there was. */
static void release(struct se_channel *ch)
{
	buf_fini(&ch->rx);
	buf_fini(&ch->tx);
	*ch = (struct se_channel){ .st = SE_CHANNEL_FREE };
}

/* The only function that changes the state. */
void se_channel_enter(struct se_channel *ch, enum se_channel_state to, uint64_t now_ms)
{
	if (to == SE_CHANNEL_FREE || (to == SE_CHANNEL_LEAVING && buf_len(&ch->tx) == 0)) {
		release(ch);
		return;
	}
	if (to == SE_CHANNEL_LEAVING)
		forget(&ch->rx, buf_len(&ch->rx));
	ch->st = to;
	ch->began_ms = ch->heard_ms = now_ms; /* each phase has its own patience */
}

int se_channel_greet(struct se_channel *ch, const struct wire_facts *w, size_t tx_cap, const char *authority,
		     uint64_t now_ms)
{
	if (buf_init(&ch->rx, SE_HTTP_FIRST_MAX) != 0)
		return VE_NOMEM;
	if (buf_init(&ch->tx, tx_cap) != 0) {
		buf_fini(&ch->rx);
		return VE_NOMEM;
	}
	ch->wire = w;
	(void)se_http_put_signature(&ch->tx, authority); /* fits: the queue is empty */
	se_channel_enter(ch, SE_CHANNEL_GREETED, now_ms);
	return 0;
}

int se_channel_ask(struct se_channel *ch, const char *authority, struct slice body, uint64_t now_ms)
{
	if (se_http_put_pack(&ch->tx, authority, body) != 0)
		return VE_LIMIT;
	ch->secret = buf_len(&ch->tx);
	se_channel_enter(ch, SE_CHANNEL_ASKED, now_ms);
	return 0;
}

/* --- answers ------------------------------------------------------------------------------------------------------ */

/* Make rx a queue of @cap bytes; what is in it fits. Returns 0 or VE_NOMEM with @f. */
static int rx_resize(struct se_channel *ch, size_t cap, struct fault *f)
{
	struct slice kept = buf_peek(&ch->rx);
	struct buf new;

	if (ch->rx.cap == cap)
		return 0;
	if (buf_init(&new, cap) != 0) {
		fault_set(f, VE_NOMEM, "no memory for an answer of %zu bytes", cap);
		return VE_NOMEM;
	}
	(void)buf_put(&new, kept.p, kept.n);
	buf_fini(&ch->rx);
	ch->rx = new;
	return 0;
}

/* Returns 1 if an answer is there as a whole, 0 if bytes are missing, VE_* with @f. */
static int whole_answer(struct se_channel *ch, struct fault *f)
{
	struct se_http_answer *a = &ch->answer;
	int r;

	if (a->head == 0) {
		r = se_http_read_head(a, buf_peek(&ch->rx), f);
		if (r != 0)
			return r == VE_AGAIN ? 0 : r;
		if (a->head + a->body > ch->rx.cap) {
			r = rx_resize(ch, a->head + a->body, f);
			if (r != 0)
				return r;
		}
	}
	return buf_len(&ch->rx) >= a->head + a->body;
}

int se_channel_answer(struct se_channel *ch, struct se_pack *ret, struct fault *f)
{
	for (;;) {
		int r = whole_answer(ch, f);

		if (r <= 0)
			return r;
		r = se_pack_parse(ret, (struct slice){ .p = buf_peek(&ch->rx).p + ch->answer.head,
						       .n = ch->answer.body }, f);
		if (r != 0)
			return r;
		if (se_pack_int(ret, "noop") != NOOP_SKIP)
			return 1;
		if (++ch->noops > SE_NOOPS_MAX) {
			fault_set(f, VE_PROTO, "more than %u NOOPs instead of an answer", SE_NOOPS_MAX);
			return VE_PROTO;
		}
		r = se_channel_answered(ch, f);
		if (r != 0)
			return r;
	}
}

int se_channel_answered(struct se_channel *ch, struct fault *f)
{
	if (ch->st == SE_CHANNEL_FREE || ch->st == SE_CHANNEL_LEAVING)
		return 0; /* it was the reason to leave */
	forget(&ch->rx, ch->answer.head + ch->answer.body);
	ch->answer = (struct se_http_answer){ 0 };
	ch->served = ch->st == SE_CHANNEL_UP && buf_len(&ch->rx) > 0;
	return rx_resize(ch, ch->st == SE_CHANNEL_UP ? RX_UP : SE_HTTP_FIRST_MAX, f);
}

/* --- frames ------------------------------------------------------------------------------------------------------- */

void se_channel_up(struct se_channel *ch, enum se_direction direction, bool zipped, size_t limit, uint64_t now_ms)
{
	ch->direction = direction;
	ch->in.zipped = ch->out.zipped = zipped;
	ch->limit = min_size(limit, ch->tx.cap) - SESSION_TX_CONTROL;
	se_channel_enter(ch, SE_CHANNEL_UP, now_ms);
}

bool se_channel_sends(const struct se_channel *ch)
{
	return ch->st == SE_CHANNEL_UP && ch->direction != SE_FROM_SERVER && !ch->eof;
}

bool se_channel_hears(const struct se_channel *ch)
{
	return ch->st == SE_CHANNEL_UP && ch->direction != SE_TO_SERVER;
}

void se_channel_speak(struct se_channel *ch, uint32_t timeout_ms, const struct session_env *env, uint64_t now_ms)
{
	uint32_t random[2];
	size_t n;
	uint8_t *p;

	env->random(env->ctx, random, sizeof(random));
	n = random[0] % SE_KEEPALIVE_MAX;
	p = se_block_put_keepalive(&ch->out, &ch->tx, n);
	if (p && n > 0)
		env->random(env->ctx, p, n);
	ch->span_ms = random[1] % (timeout_ms / 2);
	if (ch->span_ms < timeout_ms / 5)
		ch->span_ms = timeout_ms / 5;
	ch->speak_ms = now_ms + ch->span_ms;
}

int se_channel_take(struct se_channel *ch, struct slice *ret, struct fault *f)
{
	size_t used;
	int r = se_block_take(&ch->in, buf_peek(&ch->rx), &used, ret, f);

	if (r >= 0)
		buf_consume(&ch->rx, used); /* moves no byte: the frame stays where it is until the next reserve */
	return r;
}

/* --- bytes -------------------------------------------------------------------------------------------------------- */

uint8_t *se_channel_reserve(struct se_channel *ch, size_t *room)
{
	*room = 0;
	return ch->rx.cap > 0 ? buf_reserve(&ch->rx, ch->rx.cap, room) : NULL;
}

void se_channel_commit(struct se_channel *ch, size_t n, uint64_t now_ms)
{
	buf_commit(&ch->rx, n);
	if (n > 0)
		ch->heard_ms = now_ms;
	ch->served |= n > 0 && ch->st == SE_CHANNEL_UP;
	if (ch->st == SE_CHANNEL_LEAVING)
		forget(&ch->rx, n);
}

void se_channel_sent(struct se_channel *ch, size_t n, uint64_t now_ms)
{
	if (n == 0)
		return;
	if (ch->secret > 0) {
		size_t secret = min_size(n, ch->secret);

		wipe(ch->tx.p + ch->tx.head, secret);
		ch->secret -= secret;
	}
	buf_consume(&ch->tx, n);
	se_block_sent(&ch->out, &ch->tx);
	ch->behind = buf_len(&ch->tx) > 0;
	ch->speak_ms = now_ms + ch->span_ms;
	if (ch->st == SE_CHANNEL_LEAVING && buf_len(&ch->tx) == 0)
		se_channel_enter(ch, SE_CHANNEL_FREE, now_ms);
}

/* --- time --------------------------------------------------------------------------------------------------------- */

uint64_t se_channel_patience(const struct se_channel *ch)
{
	uint64_t silence = ch->heard_ms + SE_HTTP_IDLE_MS;

	switch (ch->st) {
	case SE_CHANNEL_DIALED:
		return ch->began_ms + SE_JOIN_MS;
	case SE_CHANNEL_GREETED:
	case SE_CHANNEL_ASKED:
		return silence < ch->began_ms + SE_JOIN_MS ? silence : ch->began_ms + SE_JOIN_MS;
	case SE_CHANNEL_LEAVING:
		return ch->began_ms + SE_LEAVE_MS;
	case SE_CHANNEL_FREE:
	case SE_CHANNEL_UP:
		break;
	}
	return UINT64_MAX;
}
