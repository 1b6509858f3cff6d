/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "test/support/closed.h"
#include "test/support/sstp_rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/sstp/mschapv2.h"
#include "core/sstp/sstp.h"
#include "core/sstp/sstp_bind.h"
#include "test/support/unhex.h"

static void need_(bool ok, const char *what, int line)
{
	if (ok)
		return;
	fprintf(stderr, "sstp_rig.c:%d: %s\n", line, what);
	abort();
}

#define need(ok) need_(ok, #ok, __LINE__)

/* A running number: everything drawn is different, and the same in every run. */
static void counting(void *ctx, void *to, size_t n)
{
	uint8_t *next = ctx, *p = to;

	for (size_t i = 0; i < n; i++)
		p[i] = ++*next ? *next : ++*next;
}

static uint8_t counter;
static const struct session_env env = { .random = counting, .ctx = &counter };

/* --- the session's side ------------------------------------------------------------------------------- */

static void take_frame(struct rig *r, struct slice f)
{
	need(r->readies == 1 && f.n > 0);
	if (r->frames < RIG_FRAMES_MAX) {
		r->frame[r->frames].n = f.n;
		memcpy(r->frame[r->frames].bytes, f.p, min_size(f.n, sizeof(r->frame[0].bytes)));
	}
	r->frames++;
}

void rig_events(struct rig *r)
{
	struct session_event ev;

	for (unsigned n = 0; r->s->ops->next_event(r->s, &ev, r->now); n++) {
		need(n < 100000 && r->closes == 0); /* CLOSED is the last one */
		switch (ev.type) {
		case SESSION_READY:
			r->readies++;
			r->facts = *ev.facts;
			r->ready_at = r->now;
			break;
		case SESSION_FRAME:
			take_frame(r, ev.frame);
			break;
		case SESSION_ROOM:
			r->rooms++;
			break;
		case SESSION_NOTICE:
			r->notices++;
			snprintf(r->notice, sizeof(r->notice), "%s", ev.text);
			break;
		case SESSION_DIAL:
		case SESSION_HANGUP:
			need(0); /* SSTP has one connection */
			break;
		case SESSION_CLOSED:
			r->closes++;
			r->fault = *ev.fault;
			r->closed_at = r->now;
			break;
		}
	}
}

void rig_pull(struct rig *r)
{
	for (;;) {
		struct slice t = r->s->ops->tx_peek(r->s, 0);
		size_t n = min_size(t.n, sizeof(r->rx) - r->nrx);

		if (n == 0)
			return;
		memcpy(r->rx + r->nrx, t.p, n);
		r->nrx += n;
		r->s->ops->tx_consume(r->s, 0, n, r->now);
	}
}

static void give_piece(struct rig *r, const uint8_t *p, size_t n)
{
	while (n > 0) {
		size_t room;
		uint8_t *to = r->s->ops->rx_reserve(r->s, 0, &room);

		need(room > 0);
		room = min_size(room, r->byte_by_byte ? 1 : n);
		memcpy(to, p, room);
		r->s->ops->rx_commit(r->s, 0, room, r->now);
		p += room;
		n -= room;
		rig_events(r);
	}
}

void rig_give(struct rig *r, const void *p, size_t n)
{
	const uint8_t *b = p;
	uint64_t until = r->split_at - r->sent;

	if (r->split_at > r->sent && until < n) {
		give_piece(r, b, (size_t)until);
		b += until;
		n -= (size_t)until;
		r->sent += until;
	}
	give_piece(r, b, n);
	r->sent += n;
}

void rig_give_hex(struct rig *r, const char *hex)
{
	uint8_t bytes[5000];

	rig_give(r, bytes, unhex(hex, bytes, sizeof(bytes)));
}

void rig_give_frame(struct rig *r, uint16_t protocol, const void *p, size_t n)
{
	uint8_t packet[4096] = { 0x10, 0, 0, 0, 0xff, 0x03 };

	need(n + 8 <= 4095);
	store_be16(packet + 2, (uint16_t)(n + 8));
	store_be16(packet + 6, protocol);
	if (n > 0)
		memcpy(packet + 8, p, n);
	rig_give(r, packet, n + 8);
}

void rig_give_ppp(struct rig *r, const char *hex)
{
	uint8_t bytes[4096];
	size_t n = unhex(hex, bytes, sizeof(bytes));

	need(n >= 2);
	rig_give_frame(r, load_be16(bytes), bytes + 2, n - 2);
}

void rig_eof(struct rig *r)
{
	r->s->ops->channel_closed(r->s, 0, &closed_in_order, r->now);
	rig_events(r);
}

/* --- the server --------------------------------------------------------------------------------------- */

/* Code, identifier, length, data, as a PPP packet of @protocol. */
static void reply(struct rig *r, uint16_t protocol, uint8_t code, uint8_t id, const void *data, size_t n)
{
	uint8_t b[2000];

	need(n + 4 <= sizeof(b));
	b[0] = code;
	b[1] = id;
	store_be16(b + 2, (uint16_t)(n + 4));
	if (n > 0)
		memcpy(b + 4, data, n);
	rig_give_frame(r, protocol, b, n + 4);
}

static void send_lcp_request(struct rig *r)
{
	uint8_t options[32] = { 3, 5, 0xc2, 0x23, 0x81, 5, 6, 0xaa, 0xbb, 0xcc, 0xdd };
	size_t n = 11;

	if (r->lcp_sent)
		return;
	r->lcp_sent = true;
	n += unhex(r->mru, options + n, sizeof(options) - n);
	reply(r, 0xc021, 1, 0x70, options, n);
}

static void link_is_open(struct rig *r)
{
	uint8_t challenge[19] = { 16 };

	if (!r->lcp_ours || !r->lcp_theirs || r->challenged || r->stage < RIG_CHALLENGE)
		return;
	r->challenged = true;
	memcpy(challenge + 1, r->challenge, 16);
	challenge[17] = 'v';
	challenge[18] = 'm';
	reply(r, 0xc223, 1, 0x21, challenge, 19);
}

static void on_lcp(struct rig *r, const uint8_t *p, size_t n)
{
	switch (p[0]) {
	case 1:
		r->lcp_theirs = true;
		send_lcp_request(r);
		reply(r, 0xc021, 2, p[1], p + 4, n - 4);
		link_is_open(r);
		break;
	case 2:
		need(p[1] == 0x70);
		r->lcp_ours = true;
		link_is_open(r);
		break;
	case 5:
		r->term_requests++;
		reply(r, 0xc021, 6, p[1], NULL, 0);
		break;
	case 6:
		r->term_acks++;
		break;
	case 9:
		r->lcp_echoes++;
		reply(r, 0xc021, 10, p[1], "\xaa\xbb\xcc\xdd", 4);
		break;
	default:
		need(p[0] == 8 || p[0] == 10 || p[0] == 7);
	}
}

static void on_chap(struct rig *r, const uint8_t *p, size_t n)
{
	static const char failure[] = "E=691 R=0 C=2541610DD987C5FE016FBEC8315000D5 V=3 M=no way";
	struct mschapv2 m;
	char text[80] = "S=", name[64] = "";

	need(p[0] == 2 && p[1] == 0x21 && n >= 54 && p[4] == 49 && n - 54 < sizeof(name));
	memcpy(name, p + 54, n - 54);
	if (r->stage < RIG_LOGIN)
		return;
	need(mschapv2_compute(&m, name, r->password, r->challenge, p + 5) == 0);
	if (memcmp(m.nt_response, p + 29, 24) != 0) {
		reply(r, 0xc223, 4, 0x21, failure, sizeof(failure) - 1);
		return;
	}
	memcpy(r->hlak, m.send_key, 16);
	memcpy(r->hlak + 16, m.recv_key, 16);
	m.auth_response[0] ^= r->wrong_proof;
	for (unsigned i = 0; i < 20; i++)
		snprintf(text + 2 + 2 * i, 3, "%02X", m.auth_response[i]);
	strcat(text, " M=welcome");
	reply(r, 0xc223, 3, 0x21, text, strlen(text));
}

static void on_ipcp(struct rig *r, const uint8_t *p, size_t n)
{
	static const uint8_t nak[] = { 3, 6, 10, 1, 2, 3, 129, 6, 10, 1, 0, 53 },
			     ours[] = { 3, 6, 10, 1, 0, 1 };

	if (p[0] != 1)
		return;
	if (!r->ipcp_sent) {
		r->ipcp_sent = true;
		reply(r, 0x8021, 1, 0x31, ours, sizeof(ours));
	}
	need(n >= 10 && p[4] == 3);
	if (memcmp(p + 4, nak, 6) == 0)
		reply(r, 0x8021, 2, p[1], p + 4, n - 4);
	else
		reply(r, 0x8021, 3, p[1], nak, sizeof(nak));
}

static void on_ipv6cp(struct rig *r, const uint8_t *p, size_t n)
{
	static const uint8_t ours[] = { 1, 10, 0, 0, 0, 0, 0, 0, 0, 1 };
	uint8_t rejected[64] = { 0x80, 0x57 };

	if (p[0] != 1 || r->deaf6)
		return;
	if (!r->ip6) {
		memcpy(rejected + 2, p, min_size(n, 60));
		reply(r, 0xc021, 8, 0x32, rejected, 2 + min_size(n, 60));
		return;
	}
	if (!r->ip6_sent) {
		r->ip6_sent = true;
		reply(r, 0x8057, 1, 0x33, ours, sizeof(ours));
	}
	reply(r, 0x8057, 2, p[1], p + 4, n - 4);
}

static void on_network(struct rig *r, uint16_t protocol, const uint8_t *p, size_t n)
{
	r->packets_before_connected += r->connected == 0;
	if (r->stage < RIG_UP)
		return;
	if (r->late_ncp && !r->lost_one) { /* lost, and the server's own request comes just behind it */
		static const uint8_t ours[] = { 3, 6, 10, 1, 0, 1 };

		r->lost_one = true;
		r->ipcp_sent = true;
		reply(r, 0x8021, 1, 0x31, ours, sizeof(ours));
		return;
	}
	if (protocol == 0x8021)
		on_ipcp(r, p, n);
	else
		on_ipv6cp(r, p, n);
}

static void on_data(struct rig *r, const uint8_t *p, size_t n)
{
	uint16_t protocol;

	need(n >= 4 && p[0] == 0xff && p[1] == 0x03); /* always the long form */
	protocol = load_be16(p + 2);
	p += 4;
	n -= 4;
	if (protocol == 0x21 || protocol == 0x57) {
		r->data_packets++;
		return;
	}
	need(n >= 4 && load_be16(p + 2) == n);
	if (r->now < r->deaf_until || r->stage < RIG_LCP)
		return;
	if (protocol == 0xc021)
		on_lcp(r, p, n);
	else if (protocol == 0xc223)
		on_chap(r, p, n);
	else if (protocol == 0x8021 || protocol == 0x8057)
		on_network(r, protocol, p, n);
	else
		need(false);
}

static void on_connected(struct rig *r, const uint8_t *p, size_t n)
{
	uint8_t want[SSTP_CONNECTED_LEN];
	enum sstp_hash hash = r->mask & 2 ? SSTP_HASH_SHA256 : SSTP_HASH_SHA1;

	need(n == sizeof(want) && r->connected++ == 0);
	need(sstp_bind_connected(want, hash, r->nonce,
				 hash == SSTP_HASH_SHA256 ? r->wire.cert_sha256 : r->wire.cert_sha1,
				 r->hlak) == 0);
	r->bound = memcmp(want, p, n) == 0;
}

static void on_control(struct rig *r, const uint8_t *p, size_t n)
{
	uint8_t ack[48] = { 0x10, 1, 0, 48, 0, 2, 0, 1, 0, 4, 0, 40, 0, 0, 0, r->mask };

	need(n >= 8);
	switch (load_be16(p + 4)) {
	case 1:
		r->requested = true;
		memcpy(ack + 16, r->nonce, 32);
		if (r->stage >= RIG_CALL)
			rig_give(r, ack, sizeof(ack));
		break;
	case 4:
		on_connected(r, p, n);
		break;
	case 5:
		r->aborts++;
		r->abort_status = load_be32(p + 16);
		break;
	case 6:
		r->disconnects++;
		rig_give_hex(r, "10010008 0007 0000");
		break;
	case 7:
		r->disconnect_acks++;
		break;
	case 8:
		r->echo_requests++;
		rig_give_hex(r, "10010008 0009 0000");
		break;
	case 9:
		r->echo_responses++;
		break;
	default:
		need(false);
	}
}

/* The first thing in rx, or 0 if it is not whole. */
static size_t first_packet(const struct rig *r)
{
	const uint8_t *end;
	size_t n;

	if (!r->got_http) {
		end = memmem(r->rx, r->nrx, "\r\n\r\n", 4);
		return end ? (size_t)(end + 4 - r->rx) : 0;
	}
	if (r->nrx < 4)
		return 0;
	n = load_be16(r->rx + 2);
	need(r->rx[0] == 0x10 && r->rx[1] <= 1 && n >= 4 && n <= 4095);
	return n <= r->nrx ? n : 0;
}

static void on_packet(struct rig *r, const uint8_t *p, size_t n)
{
	if (!r->got_http) {
		/* Nothing may follow it yet. */
		need(memcmp(p, "SSTP_DUPLEX_POST ", 17) == 0 && n == r->nrx + n);
		r->got_http = true;
		if (r->stage >= RIG_HTTP)
			rig_give(r, "HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551615\r\n\r\n", 57);
	} else if (p[1] & 1) {
		on_control(r, p, n);
	} else {
		on_data(r, p + 4, n - 4);
	}
}

static bool serve_one(struct rig *r)
{
	uint8_t packet[4096];
	size_t n;

	rig_pull(r);
	n = first_packet(r);
	if (n == 0)
		return false;
	need(n <= sizeof(packet));
	memcpy(packet, r->rx, n);
	r->nrx -= n;
	memmove(r->rx, r->rx + n, r->nrx);
	if (!r->mute)
		on_packet(r, packet, n);
	return true;
}

void rig_run(struct rig *r)
{
	unsigned n = 0;

	rig_events(r);
	if (r->requested && !r->mute && r->stage >= RIG_LCP && r->deaf_until && r->now >= r->deaf_until)
		send_lcp_request(r);
	while (serve_one(r))
		need(++n < 10000);
}

void rig_wait(struct rig *r, uint64_t ms)
{
	uint64_t end = r->now + ms;

	rig_run(r);
	for (unsigned i = 0; r->closes == 0; i++) {
		uint64_t at = r->s->ops->deadline(r->s);

		need(i < 100000);
		if (r->deaf_until > r->now && r->deaf_until < at)
			at = r->deaf_until;
		if (at > end)
			break;
		r->now = at > r->now ? at : r->now;
		r->s->ops->tick(r->s, r->now);
		rig_run(r);
	}
	if (r->closes == 0)
		r->now = end;
	rig_run(r);
}

void rig_init(struct rig *r)
{
	memset(r, 0, sizeof(*r));
	counter = 0;
	r->now = 5000;
	r->conf = (struct session_conf){ .user = "alice", .password = "secret" };
	r->wire = (struct wire_facts){ .verified = true, .host = "vpn.example.test", .port = 443 };
	memset(r->wire.cert_sha1, 0x51, sizeof(r->wire.cert_sha1));
	memset(r->wire.cert_sha256, 0x52, sizeof(r->wire.cert_sha256));
	memset(r->nonce, 0x77, sizeof(r->nonce));
	memset(r->challenge, 0x33, sizeof(r->challenge));
	r->stage = RIG_UP;
	r->mask = 3;
	r->password = "secret";
	r->mru = "";
	r->split_at = UINT64_MAX;
}

void rig_start(struct rig *r)
{
	need(sstp_session_ops.create(&r->s, &r->conf, &r->wire, &env, r->now) == 0);
}

void rig_fini(struct rig *r)
{
	if (r->s)
		r->s->ops->destroy(r->s);
	r->s = NULL;
}

void rig_login(struct rig *r)
{
	rig_init(r);
	rig_start(r);
	rig_run(r);
	need(r->readies == 1 && r->closes == 0 && r->bound);
}
