/* SPDX-License-Identifier: GPL-3.0-or-later */
/* softether.c - the machine: what a session is doing, and what ends it. se_session.h names its parts.
 *
 * Theory of operation
 *
 *     SE_HELLO --> SE_LOGIN --> SE_UP --> SE_OVER          SE_MOVING: a redirect, or once more for a new password
 *        ^            |
 *        +- SE_MOVING-+
 *
 * Until the Welcome there is one connection and a conversation on it (se_dialogue.c). From then on a session is a set of
 * connections that carry frames (se_pool.c), of which the first one is no longer special, and perhaps datagrams beside
 * them (se_path.c). There is no goodbye: a side that has enough closes the connections. So the end of a connection may
 * mean anything, and only the answer to the next one tells: "no such session" is the end of it, and anything else is
 * tried again until the server must have forgotten us.
 *
 * Only softether_enter() changes the state. Whoever finds a reason to end the session writes one half-line into
 * s->detail, naming the rule; softether_end() puts in front of it who spoke, and in which message. */
#include "core/softether/softether.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/limits.h"
#include "core/softether/se_error.h"
#include "core/softether/se_session.h"

#define MTU_DEFAULT 1500u /* hubs pass it, softether-protocol.md 11.1 */
#define MTU_MIN 576u
#define LOGIN_PLAIN_MS 90000u /* the server asks somebody else about the password, 4.4 */
#define ERROR_TOO_LONG 126u   /* 5.4 */

static const char *const state_names[] = {
	[SE_HELLO] = "hello", [SE_LOGIN] = "login", [SE_PASSWORD] = "setting a password",
	[SE_MOVING] = "moving", [SE_UP] = "up",     [SE_OVER] = "closed",
};

static struct softether *softether_of(struct session *base)
{
	return (struct softether *)base;
}

static const struct softether *softether_of_const(const struct session *base)
{
	return (const struct softether *)base;
}

/* --- state -------------------------------------------------------------------------------------------------------- */

static void stop_receiving(struct softether *s, uint64_t now_ms)
{
	for (unsigned k = 0; k < SESSION_CHANNELS_MAX; k++) {
		if (s->ch[k].st != SE_CHANNEL_FREE)
			se_channel_enter(&s->ch[k], SE_CHANNEL_LEAVING, now_ms);
	}
}

void softether_enter(struct softether *s, enum se_state to, uint64_t now_ms)
{
	s->st = to;
	if (to == SE_UP)
		s->pending |= SE_PEND_READY;
	if (to == SE_OVER) {
		s->starved = false;
		s->plain_n = 0;
		s->dials = s->hangups = 0; /* they all go with the session */
		stop_receiving(s, now_ms);
		s->pending = (s->pending & (SE_PEND_NOTICE | SE_PEND_FORGET | SE_PEND_REMARK)) | SE_PEND_CLOSED;
	}
}

void softether_end(struct softether *s, const char *message, uint64_t now_ms)
{
	const char *glue = *message ? ": " : "";

	fault_set(&s->fault, s->detail.err, "softether %s:%u: %s%s%s", s->authority, s->wire->port, message, glue,
		  s->detail.text);
	s->fault.final = s->detail.final;
	s->fault.wait_ms = s->detail.wait_ms;
	softether_enter(s, SE_OVER, now_ms);
}

void softether_remark(struct softether *s, const char *text)
{
	s->remark = text;
	s->pending |= SE_PEND_REMARK;
}

/* Once refused, frames are refused until half of a queue has left: then the link comes back once for a large batch, and
 * the queue does not move its bytes about for every small one. */
void softether_check_room(struct softether *s)
{
	bool has_room;

	if (!s->starved || s->st != SE_UP)
		return;
	if (se_path_ready(&s->path, se_pool_datagram_channel(s), s->now_ms))
		has_room = se_path_has_room(&s->path);
	else
		has_room = se_pool_has_room(s);
	if (has_room) {
		s->starved = false;
		s->pending |= SE_PEND_ROOM;
	}
}

/* --- bytes -------------------------------------------------------------------------------------------------------- */

static bool is_open(const struct softether *s, unsigned channel)
{
	return channel < SESSION_CHANNELS_MAX && s->ch[channel].rx.cap > 0;
}

static uint8_t *softether_rx_reserve(struct session *base, unsigned channel, size_t *room)
{
	struct softether *s = softether_of(base);

	if (s->st == SE_OVER) { /* what still comes is not looked at */
		*room = sizeof(s->plain);
		return s->plain;
	}
	*room = 0;
	return is_open(s, channel) ? se_channel_reserve(&s->ch[channel], room) : NULL;
}

static void softether_rx_commit(struct session *base, unsigned channel, size_t n, uint64_t now_ms)
{
	struct softether *s = softether_of(base);

	s->now_ms = now_ms;
	if (s->st == SE_OVER || !is_open(s, channel))
		return;
	se_channel_commit(&s->ch[channel], n, now_ms);
	s->reading = channel;
	if (n > 0 && s->ch[channel].st == SE_CHANNEL_UP)
		s->heard_ms = now_ms;
}

static struct slice softether_tx_peek(const struct session *base, unsigned channel)
{
	const struct softether *s = softether_of_const(base);

	return is_open(s, channel) ? buf_peek(&s->ch[channel].tx) : (struct slice){ .p = NULL };
}

static void softether_tx_consume(struct session *base, unsigned channel, size_t n, uint64_t now_ms)
{
	struct softether *s = softether_of(base);

	s->now_ms = now_ms;
	if (!is_open(s, channel))
		return;
	se_channel_sent(&s->ch[channel], n, now_ms);
	softether_check_room(s);
}

static int put_frame(struct softether *s, const struct slice *v, size_t nv)
{
	uint8_t zipped[SE_ZIP_MAX];
	struct slice small = { .p = zipped };
	uint32_t channel = se_pool_datagram_channel(s);

	if (se_path_ready(&s->path, channel, s->now_ms))
		return se_path_put(&s->path, channel, v, nv, s->now_ms);
	if (!s->zip)
		return se_pool_put(s, v, nv);
	small.n = se_zip_deflate(s->zip, v, nv, zipped);
	return se_pool_put(s, &small, 1);
}

static int softether_output(struct session *base, const struct slice *v, size_t nv)
{
	struct softether *s = softether_of(base);
	size_t size = 0;
	int r;

	if (s->st != SE_UP || (s->pending & SE_PEND_READY))
		return VE_DOWN;
	for (size_t i = 0; i < nv; i++) {
		if (v[i].n > FRAME_MAX - size)
			return VE_LIMIT;
		size += v[i].n;
	}
	if (size < FRAME_MIN)
		return VE_LIMIT;
	if (s->starved)
		return VE_AGAIN;
	r = put_frame(s, v, nv);
	if (r == VE_AGAIN)
		s->starved = true;
	return r;
}

/* --- datagrams ---------------------------------------------------------------------------------------------------- */

static void softether_datagram_in(struct session *base, uint32_t path, const struct endpoint *from, struct slice bytes,
				  uint64_t now_ms)
{
	struct softether *s = softether_of(base);

	s->now_ms = now_ms;
	if (s->st != SE_UP)
		return;
	if (path != SESSION_PATH_UDP && (path >= SESSION_CHANNELS_MAX || s->ch[path].st != SE_CHANNEL_UP))
		return;
	(void)se_path_in(&s->path, path, from, bytes, s->plain, &s->plain_n, now_ms);
	softether_check_room(s); /* UDP may just have become ready */
}

static bool softether_datagram_out(struct session *base, struct session_datagram *ret, uint64_t now_ms)
{
	struct softether *s = softether_of(base);
	bool have;

	s->now_ms = now_ms;
	if (s->st != SE_UP)
		return false;
	have = se_path_out(&s->path, ret, now_ms);
	softether_check_room(s);
	return have;
}

/* --- channels ----------------------------------------------------------------------------------------------------- */

static void softether_channel_opened(struct session *base, unsigned channel, const struct wire_facts *w, uint64_t now_ms)
{
	struct softether *s = softether_of(base);
	struct fault f = { 0 };

	s->now_ms = now_ms;
	if (channel >= SESSION_CHANNELS_MAX || s->ch[channel].st != SE_CHANNEL_DIALED)
		return;
	if (s->st == SE_MOVING) {
		if (se_dialogue_moved(s, w, now_ms) != 0)
			softether_end(s, "", now_ms);
	} else if (se_pool_opened(s, channel, w, now_ms) != 0) {
		fault_set(&f, VE_NOMEM, "no memory for another connection");
		se_pool_hang_up(s, channel, false, now_ms);
		se_pool_gone(s, channel, &f, now_ms);
	}
}

/* The session knows best what an end means, as long as it is one of the server's choosing: during the login a reset is
 * just a ruder close. */
static void softether_channel_closed(struct session *base, unsigned channel, const struct fault *f, uint64_t now_ms)
{
	struct softether *s = softether_of(base);
	struct se_channel *ch;

	s->now_ms = now_ms;
	if (channel >= SESSION_CHANNELS_MAX)
		return;
	s->hangups &= ~(UINT32_C(1) << channel);
	ch = &s->ch[channel];
	if (ch->st == SE_CHANNEL_FREE || ch->st == SE_CHANNEL_LEAVING) {
		se_channel_enter(ch, SE_CHANNEL_FREE, now_ms);
	} else if (ch->st == SE_CHANNEL_DIALED && s->st == SE_MOVING) {
		s->fault = *f;
		softether_enter(s, SE_OVER, now_ms);
	} else if (ch->st == SE_CHANNEL_DIALED) {
		se_pool_gone(s, channel, f, now_ms);
	} else {
		ch->eof = true; /* what it delivered still counts */
		s->reading = channel;
		if (f->err != VE_EOF && (f->err != VE_LOST || s->st == SE_UP))
			ch->cut = *f;
	}
}

/* Nothing more will come on that channel, and what is there is no whole message. */
static void ended(struct softether *s, unsigned k, uint64_t now_ms)
{
	struct se_channel *ch = &s->ch[k];
	const char *where = buf_len(&ch->rx) > 0 ? ", in the middle of a message" : "";
	struct fault f = ch->cut;

	if (s->st != SE_UP && f.err != 0) {
		s->fault = f;
		softether_enter(s, SE_OVER, now_ms);
	} else if (s->st != SE_UP) {
		fault_set(&s->detail, VE_EOF, "the server closed the connection during login%s", where);
		softether_end(s, "", now_ms);
	} else {
		fault_set(&f, VE_EOF, "the server closed it%s", where); /* unless the wire said more */
		se_pool_gone(s, k, &f, now_ms);
	}
}

/* --- events ------------------------------------------------------------------------------------------------------- */

static unsigned lowest(uint32_t bits)
{
	unsigned k = 0;

	while (!(bits >> k & 1))
		k++;
	return k;
}

static struct session_event dial_event(struct softether *s)
{
	s->dial = s->target;
	s->dial.channel = lowest(s->dials);
	s->dials &= s->dials - 1;
	return (struct session_event){ .type = SESSION_DIAL, .dial = &s->dial };
}

static struct session_event hangup_event(struct softether *s)
{
	unsigned k = lowest(s->hangups);

	s->hangups &= s->hangups - 1;
	return (struct session_event){ .type = SESSION_HANGUP, .channel = k };
}

static void forget_notice(struct softether *s)
{
	s->pending ^= SE_PEND_FORGET;
	free(s->notice);
	s->notice = NULL;
}

static bool pop_pending(struct softether *s, struct session_event *ev)
{
	if (s->pending & SE_PEND_NOTICE) {
		s->pending ^= SE_PEND_NOTICE;
		s->pending |= SE_PEND_FORGET;
		*ev = (struct session_event){ .type = SESSION_NOTICE, .text = s->notice };
		return true;
	}
	if (s->pending & SE_PEND_FORGET)
		forget_notice(s);
	if (s->pending & SE_PEND_REMARK) {
		s->pending ^= SE_PEND_REMARK;
		*ev = (struct session_event){ .type = SESSION_NOTICE, .text = s->remark };
	} else if (s->pending & SE_PEND_READY) {
		s->pending ^= SE_PEND_READY;
		*ev = (struct session_event){ .type = SESSION_READY, .facts = &s->facts };
	} else if (s->hangups != 0) {
		*ev = hangup_event(s);
	} else if (s->dials != 0) {
		*ev = dial_event(s);
	} else if (s->pending & SE_PEND_ROOM) {
		s->pending ^= SE_PEND_ROOM;
		*ev = (struct session_event){ .type = SESSION_ROOM };
	} else if (s->pending & SE_PEND_CLOSED) {
		s->pending ^= SE_PEND_CLOSED;
		*ev = (struct session_event){ .type = SESSION_CLOSED, .fault = &s->fault };
	} else {
		return false;
	}
	return true;
}

/* The next frame of channel @k. Returns 2 with @ev, 1 if something else was there, 0 if bytes are missing, VE_PROTO with
 * s->detail. */
static int take_frame(struct softether *s, unsigned k, struct session_event *ev)
{
	struct se_channel *ch = &s->ch[k];
	struct slice block, frame;
	int r = se_channel_take(ch, &block, &s->detail);

	if (r <= 0)
		return r;
	frame = block;
	if (r == SE_BLOCK_KEEPALIVE) {
		se_path_keepalive(&s->path, block);
		return 1;
	}
	if (s->zip && (se_zip_inflate(s->zip, block, s->plain, &frame) != 0 || frame.n < FRAME_MIN)) {
		ch->in.dropped++;
		return 1;
	}
	*ev = (struct session_event){ .type = SESSION_FRAME, .frame = frame };
	return 2;
}

/* What channel @k has for us. Returns like take_frame(); what is wrong on a channel that is being set up ends only that. */
static int take(struct softether *s, unsigned k, struct session_event *ev, uint64_t now_ms)
{
	struct se_channel *ch = &s->ch[k];
	const char *message = "data";
	int r = 0;

	if (ch->st == SE_CHANNEL_UP) {
		r = take_frame(s, k, ev);
	} else if (ch->st != SE_CHANNEL_GREETED && ch->st != SE_CHANNEL_ASKED) {
		return 0;
	} else if (s->st == SE_UP) {
		message = "";
		r = se_pool_take(s, k, now_ms);
	} else {
		message = se_dialogue_message(s);
		r = se_dialogue_take(s, now_ms);
	}
	if (r < 0)
		softether_end(s, s->detail.err == VE_CANCELED ? "" : message, now_ms);
	else if (r == 0 && ch->eof)
		ended(s, k, now_ms);
	else
		return r;
	return 1;
}

/* All channels in turn, beginning with the one that was read last. */
static int take_any(struct softether *s, struct session_event *ev, uint64_t now_ms)
{
	for (unsigned i = 0; i < SESSION_CHANNELS_MAX; i++) {
		unsigned k = (s->reading + i) % SESSION_CHANNELS_MAX;
		int r = take(s, k, ev, now_ms);

		if (r != 0) {
			s->reading = k;
			return r;
		}
	}
	return 0;
}

static bool softether_next_event(struct session *base, struct session_event *ret, uint64_t now_ms)
{
	struct softether *s = softether_of(base);
	int r;

	s->now_ms = now_ms;
	for (;;) {
		if ((s->pending | s->hangups | s->dials) != 0 && pop_pending(s, ret))
			return true;
		if (s->st == SE_OVER)
			return false;
		if (s->plain_n > 0) {
			*ret = (struct session_event){ .type = SESSION_FRAME,
						       .frame = { .p = s->plain, .n = s->plain_n } };
			s->plain_n = 0;
			return true;
		}
		r = take_any(s, ret, now_ms);
		if (r != 1)
			return r > 1;
	}
}

/* --- time --------------------------------------------------------------------------------------------------------- */

static uint32_t login_patience(const struct softether *s)
{
	return s->st == SE_LOGIN && s->asked == SE_LOGIN_PLAIN ? LOGIN_PLAIN_MS : SE_HTTP_IDLE_MS;
}

/* When a session that hears nothing is over. Without a channel, the server's patience has just begun. */
static uint64_t end_of_patience(const struct softether *s)
{
	bool alone = se_pool_live(s) == 0 && s->alone_ms > s->heard_ms;

	return (alone ? s->alone_ms : s->heard_ms) + s->timeout_ms;
}

static uint64_t softether_deadline(const struct session *base)
{
	const struct softether *s = softether_of_const(base);
	const struct se_channel *ch = &s->ch[s->first];

	switch (s->st) {
	case SE_HELLO:
	case SE_LOGIN:
	case SE_PASSWORD:
		return earlier(ch->heard_ms + login_patience(s), s->began_ms + SE_LOGIN_MS);
	case SE_MOVING:
		return earlier(se_channel_patience(ch), s->began_ms + SE_LOGIN_MS);
	case SE_UP:
		return earlier(earlier(end_of_patience(s), s->end_ms),
			       earlier(se_pool_deadline(s), se_path_deadline(&s->path)));
	case SE_OVER:
		break;
	}
	return UINT64_MAX;
}

static void tick_login(struct softether *s, uint64_t now_ms)
{
	const struct se_channel *ch = &s->ch[s->first];

	if (s->st == SE_MOVING && now_ms >= se_channel_patience(ch))
		fault_set(&s->detail, VE_TIMEOUT, "no second connection for %u s", SE_JOIN_MS / 1000);
	else if (s->st != SE_MOVING && now_ms >= ch->heard_ms + login_patience(s))
		fault_set(&s->detail, VE_TIMEOUT, "no %s for %u s", se_dialogue_message(s), login_patience(s) / 1000);
	else if (now_ms >= s->began_ms + SE_LOGIN_MS)
		fault_set(&s->detail, VE_TIMEOUT, "the login is not finished after %u s", SE_LOGIN_MS / 1000);
	else
		return;
	softether_end(s, "", now_ms);
}

static void tick_up(struct softether *s, uint64_t now_ms)
{
	if (now_ms >= end_of_patience(s) && se_pool_live(s) == 0)
		fault_set(&s->detail, VE_LOST, "all connections were lost, and no other could be made in %" PRIu32 " s; the "
			  "last: %s", s->timeout_ms / 1000, s->lost.text);
	else if (now_ms >= end_of_patience(s))
		fault_set(&s->detail, VE_LOST, "server silent for %" PRIu32 " s", s->timeout_ms / 1000);
	else if (now_ms >= s->end_ms)
		se_error_fault(&s->detail, ERROR_TOO_LONG, SE_OTHER, s->account.user);
	if (s->detail.err != 0)
		softether_end(s, "", now_ms);
	else
		se_pool_tick(s, now_ms);
}

static void softether_tick(struct session *base, uint64_t now_ms)
{
	struct softether *s = softether_of(base);

	s->now_ms = now_ms;
	if (s->st == SE_UP)
		tick_up(s, now_ms);
	else if (s->st != SE_OVER)
		tick_login(s, now_ms);
}

static void softether_stop(struct session *base, uint64_t now_ms)
{
	struct softether *s = softether_of(base);

	if (s->st == SE_OVER)
		return;
	s->pending &= ~(unsigned)(SE_PEND_NOTICE | SE_PEND_REMARK);
	s->detail = (struct fault){ 0 };
	fault_set(&s->detail, VE_CANCELED, "stopped"); /* the protocol has no goodbye, 12.1 */
	softether_end(s, "", now_ms);
}

static const char *softether_state_name(const struct session *base)
{
	return state_names[softether_of_const(base)->st];
}

/* --- birth and death ---------------------------------------------------------------------------------------------- */

static bool is_name(const char *s, size_t max)
{
	return s && strnlen(s, max + 1) <= max;
}

/* The host goes into a line of HTTP. */
static bool is_host(const char *s)
{
	if (!is_name(s, HOST_MAX) || !*s)
		return false;
	for (; *s; s++) {
		unsigned char c = (unsigned char)*s;

		if (c <= 0x20 || c == 0x7f)
			return false;
	}
	return true;
}

static bool is_usable(const struct session_conf *c, const struct wire_facts *w)
{
	return is_name(c->hub, USER_MAX) && *c->hub && is_name(c->user, USER_MAX) && (!c->password || *c->user) &&
	       is_host(w->host);
}

static uint16_t choose_mtu(uint16_t wanted)
{
	if (wanted == 0)
		return MTU_DEFAULT;
	return wanted < MTU_MIN ? MTU_MIN : wanted > FRAME_MTU_MAX ? FRAME_MTU_MAX : wanted;
}

static void softether_destroy(struct session *base)
{
	struct softether *s;

	if (!base)
		return;
	s = softether_of(base);
	for (unsigned k = 0; k < SESSION_CHANNELS_MAX; k++)
		se_channel_enter(&s->ch[k], SE_CHANNEL_FREE, s->now_ms);
	se_path_fini(&s->path);
	se_zip_free(s->zip);
	free(s->notice);
	wipe(s, sizeof(*s));
	free(s);
}

/* The account, with the password that is valid by now. */
static void take_account(struct softether *s, const struct session_conf *c)
{
	s->account = *c;
	if (c->password_is_new && *c->password_is_new && c->new_password) {
		s->account.password = c->new_password;
		s->account.password_hash = NULL;
	}
	if (s->account.tcp_connections < 1)
		s->account.tcp_connections = 1;
	if (s->account.tcp_connections > SESSION_CHANNELS_MAX)
		s->account.tcp_connections = SESSION_CHANNELS_MAX;
	s->task = c->change_password ? SE_TASK_PASSWORD : SE_TASK_LOGIN;
}

static void init(struct softether *s, const struct session_conf *c, const struct wire_facts *w,
		 const struct session_env *env, uint64_t now_ms)
{
	bool is_v6 = strchr(w->host, ':') != NULL;

	s->wire = s->at = w;
	s->env = env;
	s->began_ms = s->now_ms = now_ms;
	s->end_ms = UINT64_MAX;
	s->sending = SE_NO_CHANNEL;
	memcpy(s->target.cert_sha256, w->cert_sha256, sizeof(s->target.cert_sha256));
	snprintf(s->authority, sizeof(s->authority), "%s%s%s", is_v6 ? "[" : "", w->host, is_v6 ? "]" : "");
	take_account(s, c);
	s->facts = (struct link_facts){ .kind = LINK_ETHERNET, .mtu = choose_mtu(c->mtu) };
	memcpy(s->facts.mac, s->ident.mac, sizeof(s->facts.mac));
	softether_enter(s, SE_HELLO, now_ms);
}

static int make(struct session **ret, const struct session_ops *ops, const struct session_conf *c,
		const struct wire_facts *w, const struct session_env *env, uint64_t now_ms)
{
	struct softether *s;

	if (!is_usable(c, w))
		return VE_USAGE;
	s = calloc(1, sizeof(*s));
	if (!s)
		return VE_NOMEM;
	s->base.ops = ops;
	if (se_ident_make(&s->ident, c->installation_id, w->host, c->hub, c->user) != 0) {
		softether_destroy(&s->base);
		return VE_NOMEM;
	}
	init(s, c, w, env, now_ms);
	if (se_login_choose(&s->account, w, &s->asked, &s->detail) != 0) {
		softether_end(s, "", now_ms); /* without a byte */
	} else if (se_channel_greet(&s->ch[0], w, SESSION_TX_MAX, s->authority, now_ms) != 0) {
		softether_destroy(&s->base);
		return VE_NOMEM;
	}
	*ret = &s->base;
	return 0;
}

static int softether_create(struct session **ret, const struct session_conf *c, const struct wire_facts *w,
			    const struct session_env *env, uint64_t now_ms)
{
	return make(ret, &softether_session_ops, c, w, env, now_ms);
}

static int softether_udp_create(struct session **ret, const struct session_conf *c, const struct wire_facts *w,
				const struct session_env *env, uint64_t now_ms)
{
	return make(ret, &softether_udp_session_ops, c, w, env, now_ms);
}

#define COMMON_OPS                                                                                                      \
	.link = LINK_ETHERNET, .default_port = 443, .has_anonymous = true, .destroy = softether_destroy,                \
	.rx_reserve = softether_rx_reserve, .rx_commit = softether_rx_commit,                                           \
	.channel_opened = softether_channel_opened, .channel_closed = softether_channel_closed,                         \
	.tx_peek = softether_tx_peek, .tx_consume = softether_tx_consume, .datagram_in = softether_datagram_in,         \
	.datagram_out = softether_datagram_out, .output = softether_output, .next_event = softether_next_event,         \
	.deadline = softether_deadline, .tick = softether_tick, .stop = softether_stop,                                 \
	.state_name = softether_state_name

const struct session_ops softether_session_ops = {
	.scheme = "softether", .transport = WIRE_TCP, .create = softether_create, COMMON_OPS
};

const struct session_ops softether_udp_session_ops = {
	.scheme = "softether+udp", .transport = WIRE_RUDP, .create = softether_udp_create, COMMON_OPS
};
