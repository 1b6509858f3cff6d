/* SPDX-License-Identifier: GPL-3.0-or-later */
/* softether.c - the machine: what is said when, and what ends a session.
 *
 * Theory of operation
 *
 *     us                                         server
 *     POST connect.cgi "VPNCONNECT"        -->
 *                                          <--   200, PACK hello: product, challenge          ST_HELLO
 *     POST vpn.cgi, PACK login             -->
 *                                          <--   200, PACK welcome, or error, or NOOPs first  ST_LOGIN
 *     units of frames, keep-alives         <-->  the same                                     ST_UP
 *
 * Until the Welcome, the server answers requests: one message is one HTTP answer whose body is a PACK. It is
 * received whole, validated, acted upon, wiped and forgotten. From the byte after the Welcome on, both
 * directions are streams of frames (se_block.h), and nothing of HTTP comes back. There is no goodbye: a side
 * that has enough closes the connection.
 *
 * States, and what holds in them:
 *
 *     ST_HELLO   tx: the signature request. rx: small, grown to one answer when its length is known.
 *     ST_LOGIN   tx: and the login. The same for rx.
 *     ST_UP      READY was or is about to be given out. rx: one size for all of the session. Keep-alives run.
 *     ST_OVER    fault is set. Nothing is received, queued or timed any more; what is in tx may be sent.
 *
 * Only enter() changes the state. Whoever finds a reason to end it writes one half-line into a struct fault,
 * naming the rule; end_by() puts in front of it who spoke, and in which message.
 *
 * What belongs to one TCP connection is in struct channel, what belongs to the session around it: a session
 * may be granted several connections, and the login, its timeout and our address are the same for all of
 * them. */
#include "core/softether/softether.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/buf.h"
#include "core/limits.h"
#include "core/softether/se_block.h"
#include "core/softether/se_error.h"
#include "core/softether/se_http.h"
#include "core/softether/se_ident.h"
#include "core/softether/se_login.h"
#include "core/softether/se_pack.h"
#include "core/softether/se_text.h"

#define RX_UP (SESSION_RX_MAX + 4u * KIB) /* a read of SESSION_RX_MAX fits behind a piece that is not whole */
#define TX_FRAMES (SESSION_TX_MAX - SESSION_TX_CONTROL)
#define MTU_DEFAULT 1500u /* hubs pass it, softether-protocol.md 11.1 */
#define MTU_MIN 576u
#define NOOP_SKIP 2u      /* the NOOP that a slow server sends before its answer, 2.6 */
#define ERROR_TOO_LONG 126u /* 5.4 */

_Static_assert(RX_UP >= SESSION_RX_MAX + SE_BLOCK_PIECE_MAX, "a piece may not fill the receive queue");
_Static_assert(RX_UP >= SE_HTTP_FIRST_MAX, "what follows the Welcome may not be cut");
_Static_assert(SESSION_TX_CONTROL >= 8 + SE_KEEPALIVE_MAX, "a keep-alive must always fit");

enum state { ST_HELLO, ST_LOGIN, ST_UP, ST_OVER };

enum pending { /* events to be given out, in this order */
	PEND_NOTICE = 1,
	PEND_FORGET = 2, /* no event: the notice was given out, its memory can go */
	PEND_READY = 4,
	PEND_ROOM = 8,
	PEND_CLOSED = 16,
};

/* One TCP connection. */
struct channel {
	struct buf rx, tx;
	struct se_block_in in;
	struct se_block_out out;
	size_t secret;     /* bytes at the front of tx that belong to the login: wiped when they leave */
	bool starved;      /* output() was refused and ROOM is owed */
	bool eof;          /* the server has closed; what is in rx is the rest */
	uint64_t heard_ms; /* when the server last said something */
	uint64_t speak_ms; /* when we have to */
	uint32_t span_ms;  /* the time between our last bytes and that */
};

struct softether {
	struct session base; /* first */
	enum state st;
	unsigned pending;
	const struct session_conf *conf;
	const struct wire_facts *wire;
	const struct session_env *env;

	struct channel ch;
	struct se_http_answer answer; /* the one being received */
	unsigned noops;

	uint64_t began_ms;
	uint64_t end_ms;     /* longest session by policy, UINT64_MAX: none */
	uint32_t timeout_ms; /* silence that ends the data phase */
	struct se_ident ident;
	struct link_facts facts;
	char *notice;

	struct fault cut;    /* how the wire broke, where it says more than "closed"; err 0: it does not */
	struct fault detail; /* the half-line of whoever found a fault */
	struct fault fault;  /* the line for the user */
	char authority[HOST_MAX + 3]; /* the server's name as in a URL */
};

static int on_hello(struct softether *s, const struct se_pack *p, uint64_t now_ms);
static int on_login_answer(struct softether *s, const struct se_pack *p, uint64_t now_ms);

static const struct phase {
	const char *name;    /* for logs */
	const char *message; /* what the server is saying, for faults */
	int (*on_pack)(struct softether *s, const struct se_pack *p, uint64_t now_ms);
} phases[] = {
	[ST_HELLO] = { "hello", "hello", on_hello },
	[ST_LOGIN] = { "login", "login answer", on_login_answer },
	[ST_UP] = { "up", "data", NULL },
	[ST_OVER] = { "closed", "end", NULL },
};

static struct softether *softether_of(struct session *base)
{
	return (struct softether *)base;
}

static const struct softether *softether_of_const(const struct session *base)
{
	return (const struct softether *)base;
}

/* --- state
 * -------------------------------------------------------------------------------------------------------- */

/* Drop @n bytes from the front and leave nothing of them. */
static void forget(struct buf *b, size_t n)
{
	wipe(b->p + b->head, n);
	buf_consume(b, n);
}

/* The only function that changes the state. */
static void enter(struct softether *s, enum state to, uint64_t now_ms)
{
	s->st = to;
	s->ch.heard_ms = now_ms; /* each phase has its own patience */
	if (to == ST_UP)
		s->pending |= PEND_READY;
	if (to == ST_OVER) {
		s->ch.starved = false;
		forget(&s->ch.rx, buf_len(&s->ch.rx));
		s->pending = (s->pending & (PEND_NOTICE | PEND_FORGET)) | PEND_CLOSED;
	}
}

/* The session ends because of s->detail, found in @message ("" if it is about the connection as such). */
static void end_by(struct softether *s, const char *message, uint64_t now_ms)
{
	const char *glue = *message ? ": " : "";

	fault_set(&s->fault, s->detail.err, "softether %s:%u: %s%s%s", s->authority, s->wire->port,
		  message, glue, s->detail.text);
	s->fault.final = s->detail.final;
	enter(s, ST_OVER, now_ms);
}

static void end(struct softether *s, uint64_t now_ms)
{
	end_by(s, "", now_ms);
}

/* --- bytes
 * -------------------------------------------------------------------------------------------------------- */

/* Make rx a queue of @cap bytes; what is in it fits. Returns 0 or VE_NOMEM with s->detail. */
static int rx_resize(struct softether *s, size_t cap)
{
	struct buf *rx = &s->ch.rx;
	struct slice kept = buf_peek(rx);
	struct buf new;

	if (rx->cap == cap)
		return 0;
	if (buf_init(&new, cap) != 0) {
		fault_set(&s->detail, VE_NOMEM, "no memory for an answer of %zu bytes", cap);
		return VE_NOMEM;
	}
	(void)buf_put(&new, kept.p, kept.n);
	buf_fini(rx);
	*rx = new;
	return 0;
}

static uint8_t *softether_rx_reserve(struct session *base, unsigned channel, size_t *room)
{
	struct buf *rx = &softether_of(base)->ch.rx;

	(void)channel;
	return buf_reserve(rx, rx->cap, room);
}

static void softether_rx_commit(struct session *base, unsigned channel, size_t n, uint64_t now_ms)
{
	struct softether *s = softether_of(base);

	(void)channel;
	buf_commit(&s->ch.rx, n);
	if (n > 0)
		s->ch.heard_ms = now_ms;
	if (s->st == ST_OVER)
		forget(&s->ch.rx, buf_len(&s->ch.rx));
}

/* The session knows best what an end means, as long as it is one of the server's choosing: during the login a reset is
 * just a ruder close. */
static void softether_channel_closed(struct session *base, unsigned channel, const struct fault *f, uint64_t now_ms)
{
	struct softether *s = softether_of(base);

	(void)channel;
	(void)now_ms;
	s->ch.eof = true;
	if (f->err != VE_EOF && (f->err != VE_LOST || s->st == ST_UP))
		s->cut = *f;
}

static struct slice softether_tx_peek(const struct session *base, unsigned channel)
{
	(void)channel;
	return buf_peek(&softether_of_const(base)->ch.tx);
}

static void softether_tx_consume(struct session *base, unsigned channel, size_t n, uint64_t now_ms)
{
	struct softether *s = softether_of(base);
	struct channel *ch = &s->ch;

	(void)channel;
	if (n == 0)
		return;
	if (ch->secret > 0) {
		size_t secret = min_size(n, ch->secret);

		wipe(ch->tx.p + ch->tx.head, secret);
		ch->secret -= secret;
	}
	buf_consume(&ch->tx, n);
	se_block_sent(&ch->out, &ch->tx);
	ch->speak_ms = now_ms + ch->span_ms;
	if (ch->starved && buf_len(&ch->tx) < SESSION_TX_MAX / 2) {
		ch->starved = false;
		s->pending |= PEND_ROOM;
	}
}

/* Once refused, frames are refused until half of the queue has left: then the link comes back once for a
 * large batch, and the queue does not move its bytes about for every small one. */
static int softether_output(struct session *base, const struct slice *v, size_t nv)
{
	struct softether *s = softether_of(base);
	struct channel *ch = &s->ch;
	int r;

	if (s->st != ST_UP || (s->pending & PEND_READY))
		return VE_DOWN;
	if (ch->starved)
		return VE_AGAIN;
	r = se_block_put(&ch->out, &ch->tx, TX_FRAMES, v, nv);
	if (r == VE_AGAIN)
		ch->starved = true;
	return r;
}

/* --- the login, message by message
 * -------------------------------------------------------------------------------- */

static int on_hello(struct softether *s, const struct se_pack *p, uint64_t now_ms)
{
	const struct se_login_terms terms = se_login_terms_of(s->conf, s->wire);
	uint8_t *login;
	struct slice body;
	struct se_hello hello;
	int r = se_hello_read(p, &hello, &s->detail);

	if (r != 0)
		return r;
	login = malloc(SE_LOGIN_SIZE_MAX);
	if (!login) {
		fault_set(&s->detail, VE_NOMEM, "no memory for the login");
		return VE_NOMEM;
	}
	body.p = login;
	r = se_login_write(login, &body.n, s->conf, &terms, s->wire, &s->ident, &hello, s->env, &s->detail);
	if (r == 0) {
		r = se_http_put_pack(&s->ch.tx, s->authority, body);
		if (r != 0)
			fault_set(&s->detail, VE_LIMIT, "no room for the login");
	}
	wipe(login, SE_LOGIN_SIZE_MAX);
	free(login);
	if (r != 0)
		return r;
	s->ch.secret = buf_len(&s->ch.tx);
	enter(s, ST_LOGIN, now_ms);
	return 0;
}

/* The hub's message to its users, 5.3. It is text, whatever it looks like. */
static int take_notice(struct softether *s, const struct se_pack *p)
{
	struct slice msg;
	size_t cap;

	if (!se_pack_data(p, "Msg", 0, &msg) || msg.n == 0)
		return 0;
	cap = min_size(msg.n, SE_NOTICE_MAX) + 1;
	s->notice = malloc(cap);
	if (!s->notice) {
		fault_set(&s->detail, VE_NOMEM, "no memory for a message of %zu bytes", cap);
		return VE_NOMEM;
	}
	s->pending |= se_text_clean(msg, s->notice, cap) > 0 ? PEND_NOTICE : PEND_FORGET;
	return 0;
}

/* Speak: a keep-alive of random size, and draw when the next one is due, 6.3. */
static void speak(struct softether *s, uint64_t now_ms)
{
	struct channel *ch = &s->ch;
	uint32_t random[2];
	size_t n;
	uint8_t *p;

	s->env->random(s->env->ctx, random, sizeof(random));
	n = random[0] % SE_KEEPALIVE_MAX;
	p = se_block_put_keepalive(&ch->out, &ch->tx, n);
	if (p && n > 0)
		s->env->random(s->env->ctx, p, n);
	ch->span_ms = random[1] % (s->timeout_ms / 2);
	if (ch->span_ms < s->timeout_ms / 5)
		ch->span_ms = s->timeout_ms / 5;
	ch->speak_ms = now_ms + ch->span_ms;
}

static int on_login_answer(struct softether *s, const struct se_pack *p, uint64_t now_ms)
{
	const struct se_login_terms terms = se_login_terms_of(s->conf, s->wire);
	struct se_welcome welcome;
	int r = take_notice(s, p);

	if (r == 0 && se_is_redirect(p)) {
		fault_set_final(&s->detail, VE_PROTO, "the server is the controller of a cluster and sends us to "
				"another one (Redirect is 1), which is not supported");
		return VE_PROTO;
	}
	if (r == 0)
		r = se_welcome_read(p, &terms, s->wire, &welcome, &s->detail);
	if (r != 0)
		return r;
	s->timeout_ms = welcome.timeout_ms;
	if (welcome.auto_disconnect_s > 0)
		s->end_ms = now_ms + (uint64_t)welcome.auto_disconnect_s * 1000;
	wipe(&welcome, sizeof(welcome));
	enter(s, ST_UP, now_ms);
	speak(s, now_ms);
	return 0;
}

static int on_answer(struct softether *s, struct slice body, uint64_t now_ms)
{
	struct se_pack p;
	uint32_t error;
	int r = se_pack_parse(&p, body, &s->detail);

	if (r != 0)
		return r;
	if (se_pack_int(&p, "noop") == NOOP_SKIP) {
		if (++s->noops <= SE_NOOPS_MAX)
			return 0;
		fault_set(&s->detail, VE_PROTO, "more than %u NOOPs instead of an answer", SE_NOOPS_MAX);
		return VE_PROTO;
	}
	error = se_pack_int(&p, "error");
	if (error != 0) {
		enum se_asked request = SE_OTHER;

		if (s->st == ST_LOGIN)
			(void)se_login_choose(s->conf, s->wire, &request, &s->detail); /* held when it was sent */
		se_error_fault(&s->detail, error, request, s->conf->user);
		return s->detail.err;
	}
	return phases[s->st].on_pack(s, &p, now_ms);
}

/* Deal with one answer if it is whole. Returns 1 if it was, 0 if bytes are missing, VE_* with s->detail. */
static int take_answer(struct softether *s, uint64_t now_ms)
{
	struct se_http_answer *a = &s->answer;
	struct buf *rx = &s->ch.rx;
	struct slice in = buf_peek(rx);
	int r;

	if (a->head == 0) {
		r = se_http_read_head(a, in, &s->detail);
		if (r != 0)
			return r == VE_AGAIN ? 0 : r;
		if (a->head + a->body > rx->cap) {
			r = rx_resize(s, a->head + a->body);
			if (r != 0)
				return r;
		}
	}
	in = buf_peek(rx);
	if (in.n < a->head + a->body)
		return 0;
	r = on_answer(s, (struct slice){ .p = in.p + a->head, .n = a->body }, now_ms);
	if (r != 0)
		return r;
	forget(rx, a->head + a->body);
	*a = (struct se_http_answer){ 0 };
	r = rx_resize(s, s->st == ST_UP ? RX_UP : SE_HTTP_FIRST_MAX);
	return r == 0 ? 1 : r;
}

/* --- events
 * ------------------------------------------------------------------------------------------------------- */

/* Nothing more will come, and what is there is no whole message. */
static void ended(struct softether *s, uint64_t now_ms)
{
	const char *where = buf_len(&s->ch.rx) > 0 ? ", in the middle of a message" : "";

	if (s->cut.err != 0) {
		s->fault = s->cut;
		enter(s, ST_OVER, now_ms);
		return;
	}
	if (s->st == ST_UP)
		fault_set(&s->detail, VE_LOST, "the server ended the session (server stopped, session "
			  "deleted by an administrator, or policy)%s", where);
	else
		fault_set(&s->detail, VE_EOF, "the server closed the connection during login%s", where);
	end(s, now_ms);
}

static bool pop_pending(struct softether *s, struct session_event *ev)
{
	if (s->pending & PEND_NOTICE) {
		s->pending ^= PEND_NOTICE | PEND_FORGET;
		*ev = (struct session_event){ .type = SESSION_NOTICE, .text = s->notice };
		return true;
	}
	if (s->pending & PEND_FORGET) {
		s->pending ^= PEND_FORGET;
		free(s->notice);
		s->notice = NULL;
	}
	if (s->pending & PEND_READY) {
		s->pending ^= PEND_READY;
		*ev = (struct session_event){ .type = SESSION_READY, .facts = &s->facts };
		return true;
	}
	if (s->pending & PEND_ROOM) {
		s->pending ^= PEND_ROOM;
		*ev = (struct session_event){ .type = SESSION_ROOM };
		return true;
	}
	if (s->pending & PEND_CLOSED) {
		s->pending ^= PEND_CLOSED;
		*ev = (struct session_event){ .type = SESSION_CLOSED, .fault = &s->fault };
		return true;
	}
	return false;
}

/* The next frame. Returns 1 with @ev, 0 if bytes are missing, VE_PROTO with s->detail. */
static int take_frame(struct softether *s, struct session_event *ev)
{
	struct buf *rx = &s->ch.rx;
	struct slice frame;
	size_t used;
	int r = se_block_take(&s->ch.in, buf_peek(rx), &used, &frame, &s->detail);

	if (r < 0)
		return r;
	buf_consume(rx, used); /* moves no byte: the frame stays where it is until the next reserve */
	if (r > 0)
		*ev = (struct session_event){ .type = SESSION_FRAME, .frame = frame };
	return r;
}

static bool softether_next_event(struct session *base, struct session_event *ret, uint64_t now_ms)
{
	struct softether *s = softether_of(base);
	int r;

	for (;;) {
		if (s->pending != 0 && pop_pending(s, ret))
			return true;
		if (s->st == ST_UP) {
			r = take_frame(s, ret);
			if (r > 0)
				return true;
		} else if (s->st == ST_OVER) {
			return false;
		} else {
			r = take_answer(s, now_ms);
		}
		if (r < 0)
			end_by(s, phases[s->st].message, now_ms);
		else if (r == 0 && s->ch.eof)
			ended(s, now_ms);
		else if (r == 0)
			return false;
	}
}

/* --- time
 * ---------------------------------------------------------------------------------------------------------
 * */

static uint64_t earlier(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static uint64_t softether_deadline(const struct session *base)
{
	const struct softether *s = softether_of_const(base);

	switch (s->st) {
	case ST_HELLO:
	case ST_LOGIN:
		return earlier(s->ch.heard_ms + SE_HTTP_IDLE_MS, s->began_ms + SE_LOGIN_MS);
	case ST_UP:
		return earlier(earlier(s->ch.heard_ms + s->timeout_ms, s->ch.speak_ms), s->end_ms);
	case ST_OVER:
		break;
	}
	return UINT64_MAX;
}

static void tick_login(struct softether *s, uint64_t now_ms)
{
	if (now_ms >= s->ch.heard_ms + SE_HTTP_IDLE_MS)
		fault_set(&s->detail, VE_TIMEOUT, "no %s for %u s", phases[s->st].message,
			  SE_HTTP_IDLE_MS / 1000);
	else if (now_ms >= s->began_ms + SE_LOGIN_MS)
		fault_set(&s->detail, VE_TIMEOUT, "the login is not finished after %u s", SE_LOGIN_MS / 1000);
	else
		return;
	end(s, now_ms);
}

static void tick_up(struct softether *s, uint64_t now_ms)
{
	struct channel *ch = &s->ch;

	if (now_ms >= ch->heard_ms + s->timeout_ms) {
		fault_set(&s->detail, VE_LOST, "server silent for %" PRIu32 " s", s->timeout_ms / 1000);
		end(s, now_ms);
	} else if (now_ms >= s->end_ms) {
		se_error_fault(&s->detail, ERROR_TOO_LONG, SE_OTHER, s->conf->user);
		end(s, now_ms);
	} else if (now_ms >= ch->speak_ms) {
		if (buf_len(&ch->tx) == 0)
			speak(s, now_ms);
		else
			ch->speak_ms = now_ms + ch->span_ms; /* what waits is a sign of life as well */
	}
}

static void softether_tick(struct session *base, uint64_t now_ms)
{
	struct softether *s = softether_of(base);

	if (s->st == ST_UP)
		tick_up(s, now_ms);
	else if (s->st != ST_OVER)
		tick_login(s, now_ms);
}

static void softether_stop(struct session *base, uint64_t now_ms)
{
	struct softether *s = softether_of(base);

	if (s->st == ST_OVER)
		return;
	s->pending &= ~(unsigned)PEND_NOTICE;
	fault_set(&s->detail, VE_CANCELED, "stopped"); /* the protocol has no goodbye, 12.1 */
	end(s, now_ms);
}

static const char *softether_state_name(const struct session *base)
{
	return phases[softether_of_const(base)->st].name;
}

/* --- birth and death
 * ---------------------------------------------------------------------------------------------- */

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
	return is_name(c->hub, USER_MAX) && *c->hub && is_name(c->user, USER_MAX) &&
	       (!c->password || *c->user) && is_host(w->host);
}

static uint16_t choose_mtu(uint16_t wanted)
{
	if (wanted == 0 || wanted > MTU_DEFAULT)
		return MTU_DEFAULT;
	return wanted < MTU_MIN ? MTU_MIN : wanted;
}

/* The proof of the password is worth a session to whoever gets it. */
static void refuse_unverified(struct softether *s, uint64_t now_ms)
{
	char pin[2 * sizeof(s->wire->cert_sha256) + 1];

	*put_hex(pin, s->wire->cert_sha256, sizeof(s->wire->cert_sha256)) = '\0';
	fault_set_final(&s->detail, VE_AUTH,
			"the server's certificate is not verified, and whoever is in between could pass the "
			"password login on and own the session: not logging in; to trust exactly this "
			"certificate: --pin sha256:%s, to log in all the same: --insecure", pin);
	end(s, now_ms);
}

static void softether_destroy(struct session *base)
{
	struct softether *s;

	if (!base)
		return;
	s = softether_of(base);
	buf_fini(&s->ch.rx);
	buf_fini(&s->ch.tx);
	free(s->notice);
	wipe(s, sizeof(*s));
	free(s);
}

static int softether_create(struct session **ret, const struct session_conf *c, const struct wire_facts *w,
			    const struct session_env *env, uint64_t now_ms)
{
	struct softether *s;
	bool is_v6;

	if (!is_usable(c, w))
		return VE_USAGE;
	s = calloc(1, sizeof(*s));
	if (!s)
		return VE_NOMEM;
	s->base.ops = &softether_session_ops;
	s->conf = c;
	s->wire = w;
	s->env = env;
	s->began_ms = now_ms;
	s->end_ms = UINT64_MAX;
	is_v6 = strchr(w->host, ':') != NULL;
	snprintf(s->authority, sizeof(s->authority), "%s%s%s", is_v6 ? "[" : "", w->host, is_v6 ? "]" : "");
	if (buf_init(&s->ch.rx, SE_HTTP_FIRST_MAX) != 0 || buf_init(&s->ch.tx, SESSION_TX_MAX) != 0 ||
	    se_ident_make(&s->ident, c->installation_id, w->host, c->hub, c->user) != 0) {
		softether_destroy(&s->base);
		return VE_NOMEM;
	}
	s->facts = (struct link_facts){ .kind = LINK_ETHERNET, .mtu = choose_mtu(c->mtu) };
	memcpy(s->facts.mac, s->ident.mac, sizeof(s->facts.mac));
	enter(s, ST_HELLO, now_ms);
	if (c->password && !w->verified && !c->allow_unverified)
		refuse_unverified(s, now_ms);
	else
		(void)se_http_put_signature(&s->ch.tx, s->authority); /* fits: the queue is empty */
	*ret = &s->base;
	return 0;
}

const struct session_ops softether_session_ops = {
	.scheme = "softether",
	.link = LINK_ETHERNET,
	.default_port = 443,
	.has_anonymous = true,
	.create = softether_create,
	.destroy = softether_destroy,
	.rx_reserve = softether_rx_reserve,
	.rx_commit = softether_rx_commit,
	.channel_closed = softether_channel_closed,
	.tx_peek = softether_tx_peek,
	.tx_consume = softether_tx_consume,
	.output = softether_output,
	.next_event = softether_next_event,
	.deadline = softether_deadline,
	.tick = softether_tick,
	.stop = softether_stop,
	.state_name = softether_state_name,
};
