/* SPDX-License-Identifier: GPL-3.0-or-later */
/* se_pool.c - the connections of a session that is up (softether-protocol.md 6.3, 6.4, 6.8, 7).
 *
 * There should be s->wanted of them, and never more are asked for than the server grants. As long as there are fewer, one is
 * dialed every SE_DIAL_MS; those that are being set up count. A dial that fails makes the pause longer, one that succeeds
 * makes it short again: a server that says "too many" counts some that are gone, and will notice. With none left, it is short
 * as well: then every second counts, because the server keeps a session without connections for no longer than the
 * timeout that we keep to as well.
 *
 * A server may take every new connection and close it at once: SoftEther 5.01 with OpenSSL 3 does, when one connection of
 * a session had ended without TLS's goodbye. Such a session is dead, although the server does not say so.
 *
 * A frame goes by one channel and sticks to it, because channels do not keep frames in order between them. Only when its
 * wire did not take all that was given to it, or its queue is full, the one with the fewest bytes waiting is looked for.
 * In SoftEther's own words: the one with the smallest "late count", which a batch that was not taken raises. */
#include <string.h>

#include "core/softether/se_error.h"
#include "core/softether/se_session.h"

#define ERROR_NO_SESSION 13u /* 5.4: also after an administrator's end, 12.1 */
#define ERROR_WRONG_PROTOCOL 14u

static unsigned count(const struct softether *s, enum se_channel_state from, enum se_channel_state to)
{
	unsigned n = 0;

	for (unsigned k = 0; k < SESSION_CHANNELS_MAX; k++)
		n += s->ch[k].st >= from && s->ch[k].st <= to;
	return n;
}

unsigned se_pool_live(const struct softether *s)
{
	return count(s, SE_CHANNEL_UP, SE_CHANNEL_UP);
}

static bool is_short(const struct softether *s)
{
	return count(s, SE_CHANNEL_DIALED, SE_CHANNEL_UP) < s->wanted;
}

static size_t share(const struct softether *s)
{
	size_t n = SESSION_TX_MAX / s->wanted;

	return n < SE_CHANNEL_TX_MIN ? SE_CHANNEL_TX_MIN : n;
}

void se_pool_start(struct softether *s, const struct se_welcome *w, uint64_t now_ms)
{
	struct se_channel *ch = &s->ch[s->first];

	s->half = w->half_connection;
	s->resumable = !s->at->carries_datagrams || w->udp_recovery;
	s->wanted = (unsigned)min_size(w->max_connection, SESSION_CHANNELS_MAX);
	if (!s->at->carries_datagrams)
		s->wanted = (unsigned)min_size(s->wanted, s->terms.max_connection);
	if (s->wanted < 1 || !s->resumable)
		s->wanted = 1;
	if (s->half && s->wanted < 2)
		s->wanted = 2; /* one for each direction */
	memcpy(s->key, w->session_key, sizeof(s->key));
	s->heard_ms = s->dialed_ms = now_ms;
	s->dial_ms = now_ms + SE_DIAL_MS;
	ch->age = ++s->ages;
	se_channel_up(ch, s->half ? SE_TO_SERVER : SE_BOTH_WAYS, w->compress, share(s), now_ms);
	se_channel_speak(ch, s->timeout_ms, s->env, now_ms);
	if (s->half)
		(void)se_pool_dial(s, now_ms); /* at once: half a session is none */
}

/* --- coming ------------------------------------------------------------------------------------------------------- */

/* Numbers are taken in turn, so that one that was just given up rests a while. */
unsigned se_pool_dial(struct softether *s, uint64_t now_ms)
{
	for (unsigned i = 1; i <= SESSION_CHANNELS_MAX; i++) {
		unsigned k = (s->number + i) % SESSION_CHANNELS_MAX;

		if (s->ch[k].st != SE_CHANNEL_FREE)
			continue;
		se_channel_enter(&s->ch[k], SE_CHANNEL_DIALED, now_ms);
		s->dials |= UINT32_C(1) << k;
		s->number = k;
		s->dialed_ms = now_ms;
		s->dial_ms = now_ms + SE_DIAL_MS;
		return k;
	}
	return SE_NO_CHANNEL;
}

static void dial_if_due(struct softether *s, uint64_t now_ms)
{
	if (s->st == SE_UP && now_ms >= s->dial_ms && is_short(s))
		(void)se_pool_dial(s, now_ms);
}

int se_pool_opened(struct softether *s, unsigned k, const struct wire_facts *w, uint64_t now_ms)
{
	return se_channel_greet(&s->ch[k], w, share(s), s->authority, now_ms);
}

static int join(struct softether *s, unsigned k, const struct se_pack *p, struct fault *f, uint64_t now_ms)
{
	uint8_t request[SE_REQUEST_SIZE_MAX];
	struct slice body = { .p = request };
	struct se_hello hello;
	int r = se_hello_read(p, &hello, f);

	if (r != 0)
		return r;
	body.n = se_additional_write(request, s->key, s->env);
	r = se_channel_ask(&s->ch[k], s->authority, body, now_ms);
	wipe(request, sizeof(request));
	if (r != 0)
		fault_set(f, r, "no room for a request");
	return r;
}

/* With all channels in place and all of one direction, the newest gives up its place for another, 6.8. */
static void balance(struct softether *s, unsigned newest, uint64_t now_ms)
{
	unsigned to = 0, live = se_pool_live(s);

	for (unsigned k = 0; k < SESSION_CHANNELS_MAX; k++)
		to += s->ch[k].st == SE_CHANNEL_UP && s->ch[k].direction == SE_TO_SERVER;
	if (s->half && live >= s->wanted && (to == 0 || to == live))
		se_pool_hang_up(s, newest, false, now_ms);
}

static int on_joined(struct softether *s, unsigned k, const struct se_pack *p, struct fault *f, uint64_t now_ms)
{
	struct se_channel *ch = &s->ch[k];
	enum se_direction direction;
	int r = se_additional_read(p, s->half, &direction, f);

	if (r != 0)
		return r;
	ch->age = ++s->ages;
	s->pause_ms = 0;
	s->heard_ms = now_ms;
	se_channel_up(ch, direction, s->zip != NULL, ch->tx.cap, now_ms);
	if (se_channel_sends(ch))
		se_channel_speak(ch, s->timeout_ms, s->env, now_ms);
	balance(s, k, now_ms);
	softether_check_room(s);
	return 0;
}

/* Returns true with s->detail if the session is dead. Else this channel is, by @f. */
static bool on_refusal(struct softether *s, uint32_t error, struct fault *f)
{
	se_error_fault(f, error, SE_ADDITIONAL, s->account.user);
	switch (error) {
	case ERROR_NO_SESSION:
		fault_set(&s->detail, VE_LOST, SE_ENDED_BY_SERVER);
		return true;
	case ERROR_WRONG_PROTOCOL:
		s->detail = *f;
		s->detail.err = VE_LOST;
		s->detail.final = false;
		return true;
	default: /* 15, too many connections, among them: the server still counts some that are gone, until it notices */
		break;
	}
	return false;
}

int se_pool_take(struct softether *s, unsigned k, uint64_t now_ms)
{
	struct se_channel *ch = &s->ch[k];
	struct fault f = { 0 };
	struct se_pack p;
	uint32_t error = 0;
	int r = se_channel_answer(ch, &p, &f);

	if (r == 0)
		return 0;
	if (r > 0) {
		error = se_pack_int(&p, "error");
		if (error != 0 && on_refusal(s, error, &f))
			return s->detail.err;
		if (error != 0)
			r = f.err;
		else if (ch->st == SE_CHANNEL_GREETED)
			r = join(s, k, &p, &f, now_ms);
		else
			r = on_joined(s, k, &p, &f, now_ms);
		if (r == 0)
			r = se_channel_answered(ch, &f);
	}
	if (r < 0) {
		se_pool_hang_up(s, k, false, now_ms);
		se_pool_gone(s, k, &f, now_ms);
	}
	return 1;
}

/* --- going -------------------------------------------------------------------------------------------------------- */

/* The wire is to be closed; one that nobody has heard of is not. */
static void announce(struct softether *s, unsigned k)
{
	uint32_t bit = UINT32_C(1) << k;

	if (s->dials & bit)
		s->dials &= ~bit;
	else
		s->hangups |= bit;
}

void se_pool_hang_up(struct softether *s, unsigned k, bool politely, uint64_t now_ms)
{
	announce(s, k);
	se_channel_enter(&s->ch[k], politely ? SE_CHANNEL_LEAVING : SE_CHANNEL_FREE, now_ms);
}

/* The last one was lost: the next is dialed at once, but no faster than ever. */
static void be_alone(struct softether *s, uint64_t now_ms)
{
	uint64_t soon = s->dialed_ms + SE_DIAL_MS;

	s->alone_ms = now_ms;
	s->sending = SE_NO_CHANNEL;
	if (soon < now_ms)
		soon = now_ms;
	if (s->dial_ms > soon)
		s->dial_ms = soon;
}

static void wait_longer(struct softether *s, uint64_t now_ms)
{
	if (se_pool_live(s) == 0) {
		s->dial_ms = s->dialed_ms + SE_DIAL_MS;
		return;
	}
	s->pause_ms = s->pause_ms == 0 ? SE_DIAL_MS : 2 * s->pause_ms;
	if (s->pause_ms > SE_DIAL_PAUSE_MAX_MS)
		s->pause_ms = SE_DIAL_PAUSE_MAX_MS;
	s->dial_ms = now_ms + s->pause_ms;
}

/* Without resumption, there is nothing after the last one. */
static bool is_alive(const struct softether *s)
{
	return s->resumable || se_pool_live(s) > 0;
}

/* Count those that die before they live. Returns whether the session has to be given up. */
static bool is_hopeless(struct softether *s, const struct se_channel *gone)
{
	if (!se_channel_hears(gone) || se_pool_live(s) > 1)
		return false;
	s->stillborn = gone->served ? 0 : s->stillborn + 1;
	return s->stillborn >= SE_STILLBORN_MAX;
}

void se_pool_gone(struct softether *s, unsigned k, const struct fault *f, uint64_t now_ms)
{
	struct se_channel *ch = &s->ch[k];
	bool was_up = ch->st == SE_CHANNEL_UP;
	bool hopeless = is_hopeless(s, ch);

	s->lost = *f;
	se_channel_enter(ch, SE_CHANNEL_FREE, now_ms);
	if (!was_up)
		wait_longer(s, now_ms);
	else if (se_pool_live(s) == 0)
		be_alone(s, now_ms);
	if (hopeless) {
		fault_set(&s->detail, VE_LOST, "the server closes every new connection of the session at once");
		softether_end(s, "", now_ms);
	} else if (was_up && !is_alive(s)) {
		fault_set(&s->detail, VE_LOST, "the connection was lost: %s", s->lost.text);
		softether_end(s, "", now_ms);
	}
	dial_if_due(s, now_ms);
}

/* --- frames ------------------------------------------------------------------------------------------------------- */

static bool is_better(const struct se_channel *a, const struct se_channel *b)
{
	size_t na = buf_len(&a->tx), nb = buf_len(&b->tx);

	return na < nb || (na == nb && a->age > b->age);
}

/* The channel with the fewest bytes waiting, of equals the newest. */
static unsigned best(const struct softether *s)
{
	unsigned found = SE_NO_CHANNEL;

	for (unsigned k = 0; k < SESSION_CHANNELS_MAX; k++) {
		if (!se_channel_sends(&s->ch[k]))
			continue;
		if (found == SE_NO_CHANNEL || is_better(&s->ch[k], &s->ch[found]))
			found = k;
	}
	return found;
}

static int put_on(struct softether *s, unsigned k, const struct slice *v, size_t nv)
{
	struct se_channel *ch = &s->ch[k];

	s->sending = k;
	return se_block_put(&ch->out, &ch->tx, ch->limit, v, nv);
}

int se_pool_put(struct softether *s, const struct slice *v, size_t nv)
{
	unsigned k = s->sending;
	int r = VE_AGAIN;

	if (k != SE_NO_CHANNEL && se_channel_sends(&s->ch[k]) && !s->ch[k].behind)
		r = put_on(s, k, v, nv);
	if (r != VE_AGAIN)
		return r;
	k = best(s);
	return k == SE_NO_CHANNEL ? VE_AGAIN : put_on(s, k, v, nv);
}

bool se_pool_has_room(const struct softether *s)
{
	for (unsigned k = 0; k < SESSION_CHANNELS_MAX; k++) {
		const struct se_channel *ch = &s->ch[k];

		if (se_channel_sends(ch) && buf_len(&ch->tx) < (ch->limit + SESSION_TX_CONTROL) / 2)
			return true;
	}
	return false;
}

uint32_t se_pool_datagram_channel(const struct softether *s)
{
	uint32_t found = SE_PATH_NO_CHANNEL;

	if (!s->path.has_bulk)
		return found; /* asked for every frame: spare the others the search */
	for (unsigned k = 0; k < SESSION_CHANNELS_MAX; k++) {
		const struct se_channel *ch = &s->ch[k];

		if (ch->st != SE_CHANNEL_UP || ch->eof || !ch->wire->carries_datagrams)
			continue;
		if (found == SE_PATH_NO_CHANNEL || ch->heard_ms >= s->ch[found].heard_ms)
			found = k;
	}
	return found;
}

/* --- time --------------------------------------------------------------------------------------------------------- */

uint64_t se_pool_deadline(const struct softether *s)
{
	uint64_t at = is_short(s) ? s->dial_ms : UINT64_MAX;

	for (unsigned k = 0; k < SESSION_CHANNELS_MAX; k++) {
		const struct se_channel *ch = &s->ch[k];

		at = earlier(at, se_channel_patience(ch));
		if (se_channel_hears(ch))
			at = earlier(at, ch->heard_ms + s->timeout_ms);
		if (se_channel_sends(ch))
			at = earlier(at, ch->speak_ms);
	}
	return at;
}

static void give_up(struct softether *s, unsigned k, const char *why, uint64_t now_ms)
{
	struct fault f = { 0 };
	bool leaving = s->ch[k].st == SE_CHANNEL_LEAVING;

	if (leaving) {
		se_channel_enter(&s->ch[k], SE_CHANNEL_FREE, now_ms);
		return;
	}
	fault_set(&f, VE_TIMEOUT, "%s", why);
	announce(s, k);
	se_pool_gone(s, k, &f, now_ms);
}

static void tick_channel(struct softether *s, unsigned k, uint64_t now_ms)
{
	struct se_channel *ch = &s->ch[k];

	if (now_ms >= se_channel_patience(ch))
		give_up(s, k, "it took too long to set a connection up", now_ms);
	else if (se_channel_hears(ch) && now_ms >= ch->heard_ms + s->timeout_ms)
		give_up(s, k, "the server was silent on it", now_ms);
	else if (se_channel_sends(ch) && now_ms >= ch->speak_ms && buf_len(&ch->tx) == 0)
		se_channel_speak(ch, s->timeout_ms, s->env, now_ms);
	else if (se_channel_sends(ch) && now_ms >= ch->speak_ms)
		ch->speak_ms = now_ms + ch->span_ms; /* what waits is a sign of life as well */
}

void se_pool_tick(struct softether *s, uint64_t now_ms)
{
	for (unsigned k = 0; k < SESSION_CHANNELS_MAX; k++)
		tick_channel(s, k, now_ms);
	dial_if_due(s, now_ms);
	softether_check_room(s);
}
