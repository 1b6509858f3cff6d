/* SPDX-License-Identifier: GPL-3.0-or-later */
/* se_world.inc.h - a SoftEther session with all its wires, in virtual time. Included by programs that have cmocka.
 *
 * The test is the server: it opens the wires that were dialed, answers what came on them, sees the datagrams. The bytes
 * are those of test/support/se_peer.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/limits.h"
#include "core/rd.h"
#include "core/session.h"
#include "core/softether/softether.h"
#include "test/support/closed.h"
#include "test/support/se_peer.h"

#define WHO "softether vpn.example.com:443: "
#define START 1000000u
#define WIRES SESSION_CHANNELS_MAX
#define ENDED "the server ended the session (server stopped, session deleted by an administrator, or policy)"

struct world {
	const struct session_ops *ops;
	struct session *s;
	struct session_conf conf;
	struct wire_facts wire[WIRES];
	struct session_env env;
	uint64_t now;
	uint8_t next_random;     /* each byte is one more than the last ... */
	const uint8_t *script;   /* ... unless the test says what comes */
	size_t script_left;

	struct se_bytes sent[WIRES]; /* by the session, as far as it was fetched */
	bool open[WIRES];
	uint32_t dialed, hung_up;    /* a bit for each channel, cleared by the test */
	unsigned ndials;
	struct session_dial dial;    /* the last one */
	struct se_bytes frames;      /* each with its length before it */
	unsigned nframes, ready, rooms, notices, closed;
	struct link_facts facts;
	struct se_bytes notice;      /* all of them, each with a newline */
	struct fault fault;
};

static inline void give_random(void *ctx, void *to, size_t n)
{
	struct world *w = ctx;
	uint8_t *p = to;

	for (; n > 0 && w->script_left > 0; n--, w->script_left--)
		*p++ = *w->script++;
	while (n-- > 0)
		*p++ = w->next_random++;
}

static inline void set_wire(struct world *w, unsigned k)
{
	struct wire_facts *f = &w->wire[k];

	f->verified = true;
	f->port = 443;
	snprintf(f->host, sizeof(f->host), "vpn.example.com");
	for (unsigned i = 0; i < 32; i++)
		f->cert_sha256[i] = (uint8_t)(0xa0 + i);
	f->local = (struct endpoint){ { IP_V4, { 192, 0, 2, 7 } }, (uint16_t)(50000 + k) };
	f->peer = (struct endpoint){ { IP_V4, { 198, 51, 100, 1 } }, 443 };
}

static inline void world_init(struct world *w, unsigned connections)
{
	memset(w, 0, sizeof(*w));
	w->ops = &softether_session_ops;
	w->now = START;
	w->conf.user = "alice";
	w->conf.password = "Secret123";
	w->conf.hub = "OFFICE";
	memset(w->conf.installation_id, 7, sizeof(w->conf.installation_id));
	w->conf.tcp_connections = connections;
	for (unsigned k = 0; k < WIRES; k++)
		set_wire(w, k);
	w->env.random = give_random;
	w->env.ctx = w;
}

static inline void world_fini(struct world *w)
{
	w->ops->destroy(w->s);
	for (unsigned k = 0; k < WIRES; k++)
		se_bytes_free(&w->sent[k]);
	se_bytes_free(&w->frames);
	se_bytes_free(&w->notice);
	w->s = NULL;
}

static inline void on_event(struct world *w, const struct session_event *ev)
{
	assert_int_equal(w->closed, 0); /* CLOSED is the last event */
	switch (ev->type) {
	case SESSION_READY:
		assert_int_equal(w->ready, 0);
		w->ready++;
		w->facts = *ev->facts;
		break;
	case SESSION_FRAME:
		assert_int_equal(w->ready, 1);
		assert_in_range(ev->frame.n, FRAME_MIN, FRAME_MAX);
		se_bytes_u32(&w->frames, (uint32_t)ev->frame.n);
		se_bytes_add(&w->frames, ev->frame.p, ev->frame.n);
		w->nframes++;
		break;
	case SESSION_ROOM:
		w->rooms++;
		break;
	case SESSION_NOTICE:
		w->notices++;
		se_bytes_text(&w->notice, ev->text);
		se_bytes_text(&w->notice, "\n");
		break;
	case SESSION_DIAL:
		assert_in_range(ev->dial->channel, 0, WIRES - 1);
		assert_false(w->open[ev->dial->channel]);
		assert_false(w->dialed >> ev->dial->channel & 1);
		w->dialed |= UINT32_C(1) << ev->dial->channel;
		w->ndials++;
		w->dial = *ev->dial;
		break;
	case SESSION_HANGUP: {
		struct slice rest = w->ops->tx_peek(w->s, ev->channel);

		assert_in_range(ev->channel, 0, WIRES - 1);
		assert_true(w->open[ev->channel] || (w->dialed >> ev->channel & 1));
		se_bytes_add(&w->sent[ev->channel], rest.p, rest.n);
		w->ops->tx_consume(w->s, ev->channel, rest.n, w->now);
		w->open[ev->channel] = false;
		w->dialed &= ~(UINT32_C(1) << ev->channel);
		w->hung_up |= UINT32_C(1) << ev->channel;
		break;
	}
	case SESSION_CLOSED:
		w->closed++;
		w->fault = *ev->fault;
		assert_int_not_equal(w->fault.err, 0);
		break;
	}
}

static inline void take_events(struct world *w)
{
	struct session_event ev;

	while (w->ops->next_event(w->s, &ev, w->now))
		on_event(w, &ev);
	assert_false(w->ops->next_event(w->s, &ev, w->now));
	if (w->closed)
		assert_true(w->ops->deadline(w->s) == UINT64_MAX);
}

/* The wires take all there is, but not at once. */
static inline void send_all(struct world *w)
{
	for (unsigned k = 0; k < WIRES; k++) {
		struct slice s;

		while (w->open[k] && (s = w->ops->tx_peek(w->s, k)).n > 0) {
			size_t n = s.n > 5 ? s.n / 2 : s.n;

			se_bytes_add(&w->sent[k], s.p, n);
			w->ops->tx_consume(w->s, k, n, w->now);
		}
	}
	take_events(w);
}

/* All that was said on a wire is one request; borrowed from there. */
static inline struct se_request request_on(struct world *w, unsigned k)
{
	struct se_request req;

	send_all(w);
	assert_int_equal(se_peer_request(w->sent[k].p, w->sent[k].n, &req), w->sent[k].n);
	return req;
}

/* @type as se_peer_find() says it; -1: there is none of that name. */
static inline void assert_element(const struct se_request *req, const char *name, int type, const void *want, size_t n)
{
	const uint8_t *p;
	size_t size;

	assert_int_equal(se_peer_find(req->body, req->size, name, &p, &size), type);
	if (type < 0)
		return;
	assert_int_equal(size, n);
	if (n > 0)
		assert_memory_equal(p, want, n);
}

/* Bytes from the server, then what they cause. */
static inline void give(struct world *w, unsigned k, const void *bytes, size_t n)
{
	const uint8_t *p = bytes;

	while (n > 0 && w->open[k]) {
		size_t room;
		uint8_t *to = w->ops->rx_reserve(w->s, k, &room);

		assert_true(room > 0);
		room = min_size(room, n);
		memcpy(to, p, room);
		w->ops->rx_commit(w->s, k, room, w->now);
		p += room;
		n -= room;
		take_events(w);
	}
	send_all(w);
}

/* One answer with this body; the body is freed. */
static inline void give_answer(struct world *w, unsigned k, struct se_bytes *body)
{
	struct se_bytes b = { 0 };

	se_peer_answer(&b, body);
	give(w, k, b.p, b.n);
	se_bytes_free(&b);
	se_bytes_free(body);
}

static inline void give_hello(struct world *w, unsigned k)
{
	struct se_bytes b = { 0 };

	send_all(w);
	w->sent[k].n = 0;
	se_peer_hello(&b);
	give_answer(w, k, &b);
}

static inline void give_welcome(struct world *w, unsigned k, const struct se_peer_grants *g)
{
	struct se_bytes b = { 0 };

	se_peer_welcome_with(&b, g);
	give_answer(w, k, &b);
	assert_int_equal(w->ready, 1);
}

static inline void give_error(struct world *w, unsigned k, uint32_t error)
{
	struct se_bytes b = { 0 };

	se_peer_pack(&b);
	se_peer_int(&b, "error", error);
	give_answer(w, k, &b);
}

static inline void give_empty_unit(struct world *w, unsigned k)
{
	give(w, k, "\0\0\0\0", 4);
}

static inline void world_start(struct world *w)
{
	assert_int_equal(w->ops->create(&w->s, &w->conf, &w->wire[0], &w->env, w->now), 0);
	assert_ptr_equal(w->s->ops, w->ops);
	w->open[0] = true;
	take_events(w);
}

/* The dialed wire is there. */
static inline void wire_up(struct world *w, unsigned k)
{
	assert_true(w->dialed >> k & 1);
	w->dialed &= ~(UINT32_C(1) << k);
	w->open[k] = true;
	w->sent[k].n = 0;
	w->ops->channel_opened(w->s, k, &w->wire[k], w->now);
	send_all(w);
}

static inline void wire_down(struct world *w, unsigned k, const struct fault *f)
{
	w->open[k] = false;
	w->dialed &= ~(UINT32_C(1) << k);
	w->ops->channel_closed(w->s, k, f, w->now);
	take_events(w);
}

/* The number of the only channel that is being dialed. */
static inline unsigned only_dial(struct world *w)
{
	unsigned k = 0;

	assert_int_not_equal(w->dialed, 0);
	assert_int_equal(w->dialed & (w->dialed - 1), 0);
	while (!(w->dialed >> k & 1))
		k++;
	return k;
}

/* The whole way of a dialed wire into the session. */
static inline void join(struct world *w, unsigned k, uint32_t direction)
{
	struct se_bytes b = { 0 };

	wire_up(w, k);
	give_hello(w, k);
	w->sent[k].n = 0;
	se_peer_pack(&b);
	se_peer_int(&b, "error", 0);
	se_peer_int(&b, "direction", direction);
	give_answer(w, k, &b);
}

static inline void at(struct world *w, uint64_t now)
{
	struct session_datagram d;

	w->now = now;
	w->ops->tick(w->s, now);
	take_events(w);
	while (w->ops->datagram_out(w->s, &d, now))
		take_events(w);
	assert_true(w->ops->deadline(w->s) > now); /* no driver spins */
}

static inline void assert_closed(struct world *w, int err, bool final, const char *text)
{
	assert_int_equal(w->closed, 1);
	assert_string_equal(w->fault.text, text);
	assert_int_equal(w->fault.err, err);
	assert_int_equal(w->fault.final, final);
	assert_string_equal(w->ops->state_name(w->s), "closed");
}
