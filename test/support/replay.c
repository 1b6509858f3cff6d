/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "test/support/closed.h"
#include "test/support/replay.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/sstp/sstp.h"

#define REQUEST_MAX 64u
/* The recorded client was done; ours may still wait for IPv6, which that one never asked for. */
#define GRACE_MS 5000u

/* The last Configure-Request of ours in one protocol. */
struct request {
	uint16_t protocol;
	bool sent;
	bool spoken;         /* a request for it is in the record, from whichever side */
	uint8_t id, options[REQUEST_MAX];
	size_t n;
	bool asked[256];     /* option types the recorded client ever asked for */
	uint8_t ours[256];   /* recorded identifier -> ours, once answered */
	bool answered[256];
	/* Recorded identifiers of the server's requests that the recorded client acknowledged. */
	bool taken[256];
	bool server_must_ask, unwanted[256];
};

struct player {
	const struct transcript *t;
	struct session *s;
	uint64_t now;
	struct request requests[3];
	struct replay_result *r;
	bool closed, called, stopped;
	uint8_t out[SESSION_TX_MAX];
	size_t nout;
	bool got_http;
	void (*fed)(void *ctx, uint64_t ms, const uint8_t *p, size_t n);
	void *ctx;
};

static void rule_(bool ok, const char *what, int line)
{
	if (ok)
		return;
	fprintf(stderr, "replay.c:%d: the client broke a rule: %s\n", line, what);
	abort();
}

#define rule(ok) rule_(ok, #ok, __LINE__)

/* The recorded client's randomness, told apart by size: peer challenge (and a GUID that nobody checks),
 * interface identifier, magic number. */
static void recorded_random(void *ctx, void *to, size_t n)
{
	static const uint8_t magic[4] = { 0x5a, 0x17, 0xc0, 0xde },
			     iid[8] = { 2, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77 };
	struct player *p = ctx;
	struct slice peer = transcript_bytes(p->t, "peer_challenge");

	memset(to, 9, n);
	if (n == sizeof(magic))
		memcpy(to, magic, n);
	else if (n == sizeof(iid))
		memcpy(to, iid, n);
	else if (n == 16 && peer.n == 16)
		memcpy(to, peer.p, n);
}

static struct request *request_of(struct player *p, uint16_t protocol)
{
	for (size_t i = 0; i < ARRAY_LEN(p->requests); i++) {
		if (p->requests[i].protocol == protocol)
			return &p->requests[i];
	}
	return NULL;
}

/* --- what our client sends ---------------------------------------------------------------------------- */

static void judge_request(struct player *p, uint16_t protocol, const uint8_t *packet, size_t n)
{
	struct request *q = request_of(p, protocol);
	size_t at = 4;

	rule(n - 4 <= sizeof(q->options));
	while (at < n) {
		uint8_t type = packet[at], len = n - at >= 2 ? packet[at + 1] : 0;

		rule(len >= 2 && len <= n - at);
		if (protocol == 0xc021)
			rule((type == 1 && len == 4) || (type == 5 && len == 6));
		else if (protocol == 0x8021)
			rule((type == 3 || (type >= 129 && type <= 132)) && len == 6);
		else
			rule(type == 1 && len == 10);
		at += len;
	}
	q->sent = true;
	q->id = packet[1];
	q->n = n - 4;
	memcpy(q->options, packet + 4, n - 4);
}

static void judge_response(struct player *p, const uint8_t *packet, size_t n)
{
	const char *user = transcript_text(p->t, "user");
	struct slice recorded = transcript_bytes(p->t, "nt_response");

	rule(packet[0] == 2 && n == 54 + strlen(user) && packet[4] == 49 && packet[53] == 0);
	rule(memcmp(packet + 54, user, strlen(user)) == 0);
	p->r->responded = true;
	p->r->response_equals = recorded.n == 24 && memcmp(packet + 29, recorded.p, 24) == 0;
}

/* Our client rejects options that the recorded one took: the server will have to ask again without them. If
 * ours wants other values, the server can only insist. */
static void note_refusal(struct player *p, uint16_t protocol, const uint8_t *packet, size_t n)
{
	struct request *q = request_of(p, protocol);

	if (!q || (packet[0] != 3 && packet[0] != 4) || !q->taken[packet[1]])
		return;
	q->server_must_ask = true;
	for (size_t at = 4; packet[0] == 4 && at < n; at += packet[at + 1])
		q->unwanted[packet[at]] = true;
}

static void judge_data(struct player *p, const uint8_t *frame, size_t n)
{
	uint16_t protocol;

	rule(n >= 8 && frame[0] == 0xff && frame[1] == 0x03);
	protocol = load_be16(frame + 2);
	frame += 4;
	n -= 4;
	rule(p->called && load_be16(frame + 2) == n);
	if (protocol == 0x8021 || protocol == 0x8057)
		rule(p->r->connected); /* never before CALL_CONNECTED */
	if (protocol == 0xc223)
		judge_response(p, frame, n);
	else
		rule(protocol == 0xc021 || protocol == 0xc023 || protocol == 0x8021 || protocol == 0x8057);
	if (frame[0] == 1 && protocol != 0xc023)
		judge_request(p, protocol, frame, n);
	note_refusal(p, protocol, frame, n);
}

static void judge_control(struct player *p, const uint8_t *packet, size_t n)
{
	uint16_t type = load_be16(packet + 4);

	rule(n >= 8);
	if (type == 1)
		rule(!p->r->connected && n == 14 && load_be16(packet + 12) == 1);
	p->called = p->called || type == 1;
	if (type == 4) {
		rule(!p->r->connected && n == 112);
		p->r->connected = true;
		memcpy(p->r->mac, packet + 80, 32);
	}
	rule(type != 2 && type != 3 && type <= 9);
	rule(type != 8 || p->r->connected);
	rule((type != 5 && type != 6) || n == 20);
	rule((type < 7) || n == 8);
}

static size_t whole_packet(const struct player *p)
{
	const uint8_t *end;
	size_t n;

	if (!p->got_http) {
		end = memmem(p->out, p->nout, "\r\n\r\n", 4);
		return end ? (size_t)(end + 4 - p->out) : 0;
	}
	if (p->nout < 4)
		return 0;
	n = load_be16(p->out + 2);
	rule(p->out[0] == 0x10 && p->out[1] <= 1 && n >= 4 && n <= 4095);
	return n <= p->nout ? n : 0;
}

static void judge(struct player *p, size_t n)
{
	static const char request_line[] =
		"SSTP_DUPLEX_POST /sra_{BA195980-CD49-458b-9E23-C84EE0ADCD75}/ HTTP/1.1\r\n";

	if (!p->got_http) {
		rule(n > sizeof(request_line) && memcmp(p->out, request_line, sizeof(request_line) - 1) == 0);
		rule(memmem(p->out, n, "\r\nHost: vpn.example.test\r\n", 26) != NULL && n == p->nout);
		p->got_http = true;
	} else if (p->out[1]) {
		judge_control(p, p->out, n);
	} else {
		judge_data(p, p->out + 4, n - 4);
	}
	p->nout -= n;
	memmove(p->out, p->out + n, p->nout);
}

static void take_output(struct player *p)
{
	struct slice t;
	size_t n;

	for (;;) {
		t = p->s->ops->tx_peek(p->s, 0);
		if (t.n == 0)
			break;
		rule(t.n <= sizeof(p->out) - p->nout);
		memcpy(p->out + p->nout, t.p, t.n);
		p->nout += t.n;
		p->s->ops->tx_consume(p->s, 0, t.n, p->now);
		while ((n = whole_packet(p)) > 0)
			judge(p, n);
	}
}

static void take_events(struct player *p)
{
	struct session_event ev;

	while (p->s->ops->next_event(p->s, &ev, p->now)) {
		rule(!p->closed);
		if (ev.type == SESSION_READY) {
			p->r->ready = true;
			p->r->ready_ms = p->now;
			p->r->facts = *ev.facts;
		} else if (ev.type == SESSION_CLOSED) {
			p->closed = true;
			p->r->fault = *ev.fault;
		}
		p->r->frames += ev.type == SESSION_FRAME;
	}
	take_output(p);
}

static void advance(struct player *p, uint64_t to)
{
	for (unsigned i = 0; !p->closed; i++) {
		uint64_t at = p->s->ops->deadline(p->s);

		rule(i < 100000);
		if (at > to)
			break;
		p->now = at > p->now ? at : p->now;
		p->s->ops->tick(p->s, p->now);
		take_events(p);
	}
	p->now = to > p->now ? to : p->now;
}

/* --- what the server sends ---------------------------------------------------------------------------- */

static void feed(struct player *p, const uint8_t *bytes, size_t n)
{
	if (p->fed)
		p->fed(p->ctx, p->now, bytes, n);
	while (n > 0) {
		size_t room;
		uint8_t *to = p->s->ops->rx_reserve(p->s, 0, &room);

		rule(room > 0);
		room = min_size(room, n);
		memcpy(to, bytes, room);
		p->s->ops->rx_commit(p->s, 0, room, p->now);
		bytes += room;
		n -= room;
		take_events(p);
	}
}

static void feed_control(struct player *p, uint16_t protocol, uint8_t code, uint8_t id,
			 const uint8_t *options, size_t n)
{
	uint8_t b[600] = { 0x10, 0, 0, 0, 0xff, 0x03 };

	store_be16(b + 2, (uint16_t)(12 + n));
	store_be16(b + 6, protocol);
	b[8] = code;
	b[9] = id;
	store_be16(b + 10, (uint16_t)(4 + n));
	memcpy(b + 12, options, n);
	feed(p, b, 12 + n);
}

/* The options of @from whose type @keep wants, into @to. */
static size_t select_options(const uint8_t *from, size_t n, const bool keep[256], uint8_t *to)
{
	size_t at = 0, k = 0;

	while (at < n) {
		uint8_t len = from[at + 1];

		if (keep[from[at]]) {
			memcpy(to + k, from + at, len);
			k += len;
		}
		at += len;
	}
	return k;
}

/* Reject what the recorded client never asked this server for. */
static void reject_foreign(struct player *p, struct request *q)
{
	bool foreign[256];
	uint8_t options[REQUEST_MAX];
	size_t n;

	for (unsigned i = 0; i < 256; i++)
		foreign[i] = !q->asked[i];
	n = select_options(q->options, q->n, foreign, options);
	if (n > 0)
		feed_control(p, q->protocol, 4, q->id, options, n);
}

/* And the whole of IPv6, if neither side of the record ever spoke of it: as SoftEther, when its address is
 * there. */
static void reject_ip6(struct player *p)
{
	struct request *q = request_of(p, 0x8057);
	uint8_t rejected[6 + REQUEST_MAX] = { 0x80, 0x57, 1, q->id, 0, (uint8_t)(4 + q->n) };

	if (!q->sent || q->spoken)
		return;
	q->spoken = true;
	memcpy(rejected + 6, q->options, q->n);
	feed_control(p, 0xc021, 8, 0x99, rejected, 6 + q->n);
}

/* An answer to a Configure-Request. */
static void feed_answer(struct player *p, struct request *q, struct slice packet)
{
	uint8_t recorded_id = packet.p[1], options[600];
	bool asked[256] = { false };
	size_t n = load_be16(packet.p + 2) - 4u;

	if (!q->sent)
		return;
	if (q->protocol == 0x8021)
		reject_ip6(p);
	if (!q->answered[recorded_id])
		reject_foreign(p, q);
	if (!q->answered[recorded_id])
		q->ours[recorded_id] = q->id;
	q->answered[recorded_id] = true;
	if (packet.p[0] == 2) {
		feed_control(p, q->protocol, 2, q->ours[recorded_id], q->options, q->n);
		return;
	}
	memcpy(options, packet.p + 4, n);
	if (packet.p[0] == 4) {
		for (size_t at = 0; at < q->n; at += q->options[at + 1])
			asked[q->options[at]] = true;
		n = select_options(packet.p + 4, n, asked, options);
		if (n == 0)
			return;
	}
	feed_control(p, q->protocol, packet.p[0], q->ours[recorded_id], options, n);
}

/* The server's request once more, without what our client rejected, under the same identifier. */
static void ask_again(struct player *p, struct request *q, struct slice packet)
{
	bool wanted[256];
	uint8_t options[600];
	size_t n;

	q->server_must_ask = false;
	for (unsigned i = 0; i < 256; i++)
		wanted[i] = !q->unwanted[i];
	n = select_options(packet.p + 4, load_be16(packet.p + 2) - 4u, wanted, options);
	feed_control(p, q->protocol, 1, packet.p[1], options, n);
}

static void on_server(struct player *p, const struct transcript_entry *e)
{
	struct slice packet;
	uint16_t protocol = transcript_protocol(e, &packet);
	struct request *q = protocol ? request_of(p, protocol) : NULL;

	advance(p, e->ms);
	take_events(p);
	if (p->closed)
		return;
	if (q && packet.p[0] >= 2 && packet.p[0] <= 4)
		feed_answer(p, q, packet);
	else
		feed(p, e->bytes, e->n);
	for (unsigned i = 0; i < 5 && q && q->server_must_ask; i++)
		ask_again(p, q, packet);
}

static void stop(struct player *p)
{
	if (p->stopped)
		return;
	p->stopped = true;
	for (unsigned ms = 0; ms < GRACE_MS && p->r->connected && !p->r->ready && !p->closed; ms += 100)
		advance(p, p->now + 100);
	p->s->ops->stop(p->s, p->now);
	take_events(p);
}

static void on_client(struct player *p, const struct transcript_entry *e)
{
	struct slice packet;
	uint16_t protocol = transcript_protocol(e, &packet);

	advance(p, e->ms);
	if (protocol == 0xc021 && packet.p[0] == 5 && !p->closed)
		stop(p);
}

static void on_remark(struct player *p, const struct transcript_entry *e)
{
	advance(p, e->ms);
	if (p->closed)
		return;
	if (strstr(e->text, "server closed")) {
		p->s->ops->channel_closed(p->s, 0, &closed_in_order, p->now);
		take_events(p);
	} else if (strstr(e->text, "client closed")) {
		stop(p);
	}
}

static void learn_requests(struct player *p)
{
	static const uint16_t protocols[] = { 0xc021, 0x8021, 0x8057 };

	for (size_t i = 0; i < ARRAY_LEN(protocols); i++)
		p->requests[i].protocol = protocols[i];
	for (size_t i = 0; i < p->t->nentries; i++) {
		const struct transcript_entry *e = &p->t->entries[i];
		struct slice packet;
		uint16_t protocol = transcript_protocol(e, &packet);
		struct request *q = protocol ? request_of(p, protocol) : NULL;

		if (q && e->who == 'C' && packet.p[0] == 2)
			q->taken[packet.p[1]] = true;
		if (!q || packet.p[0] != 1)
			continue;
		q->spoken = true;
		if (e->who != 'C')
			continue;
		for (size_t at = 4; at < load_be16(packet.p + 2); at += packet.p[at + 1])
			q->asked[packet.p[at]] = true;
	}
}

void replay(const struct transcript *t, unsigned auth_methods, struct replay_result *ret,
	    void (*fed)(void *ctx, uint64_t ms, const uint8_t *p, size_t n), void *ctx)
{
	struct player *p = calloc(1, sizeof(*p));
	struct session_env env = { .random = recorded_random, .ctx = p };
	struct session_conf conf = { .user = transcript_text(t, "user"),
				     .password = transcript_text(t, "password"),
				     .auth_methods = auth_methods };
	struct wire_facts wire = { .verified = true, .host = "vpn.example.test", .port = 443 };

	rule(p != NULL);
	memset(ret, 0, sizeof(*ret));
	p->t = t;
	p->r = ret;
	p->fed = fed;
	p->ctx = ctx;
	memcpy(wire.cert_sha1, transcript_bytes(t, "cert_sha1").p, 20);
	memcpy(wire.cert_sha256, transcript_bytes(t, "cert_sha256").p, 32);
	learn_requests(p);
	rule(sstp_session_ops.create(&p->s, &conf, &wire, &env, 0) == 0);
	take_output(p);
	for (size_t i = 0; i < t->nentries && !p->closed; i++) {
		if (t->entries[i].who == 'S')
			on_server(p, &t->entries[i]);
		else if (t->entries[i].who == 'C')
			on_client(p, &t->entries[i]);
		else
			on_remark(p, &t->entries[i]);
	}
	if (!p->closed) {
		p->s->ops->channel_closed(p->s, 0, &closed_in_order, p->now);
		take_events(p);
	}
	rule(p->closed);
	p->s->ops->destroy(p->s);
	free(p);
}
