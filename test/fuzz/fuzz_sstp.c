/* SPDX-License-Identifier: GPL-3.0-or-later */
/* fuzz_sstp.c - a whole SSTP session: a server that says anything at any time, to a driver that does anything the
 * contract allows.
 *
 * Input: one byte of flags, then pieces: a byte of time (10 ms each; with the highest bit seconds), two bytes of length
 * (low 12 bits) and of what the driver does after it, and the server's bytes. Randomness is what the recorded client of
 * test/vectors/sstp had, so that recorded logins succeed here, too.
 *
 * What the session sends is read by a codec of this file's own: it has to be well-formed whatever came in. */
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "core/limits.h"
#include "core/sstp/sstp.h"
#include "core/utf8.h"
#include "test/support/closed.h"
#include "test/support/fuzz.h"

enum {
	FLAG_PAP = 1,
	FLAG_CHAP = 2,
	FLAG_SOFTETHER_USER = 4,
	FLAG_UNVERIFIED = 8,
	FLAG_INSECURE = 16,
	FLAG_BLOCKED = 32, /* nothing of what the session sends is taken until the end */
	FLAG_MTU = 64,
};

enum { ACT_OUTPUT = 0x1000, ACT_STOP = 0x2000, ACT_EOF = 0x4000 };

#define OPS (&sstp_session_ops)

struct run {
	struct session *s;
	uint64_t now;
	bool ready, closed, starved, blocked;
	bool http, called, connected;
	uint8_t out[SESSION_TX_MAX];
	size_t nout;
};

static void give_random(void *ctx, void *to, size_t n)
{
	static const uint8_t magic[4] = { 0x5a, 0x17, 0xc0, 0xde }, iid[8] = { 2, 17, 34, 51, 68, 85, 102, 119 };
	uint8_t *p = to;

	(void)ctx;
	for (size_t i = 0; i < n; i++)
		p[i] = n == sizeof(magic) ? magic[i] : n == sizeof(iid) ? iid[i] : n == 1 ? 9 : (uint8_t)i;
}

/* --- what the session sends --- */

static void check_packet(struct run *r, const uint8_t *p, size_t n)
{
	uint16_t protocol;

	if (p[1] == 1) {
		uint16_t type = load_be16(p + 4);

		MUST(n >= 8 && type >= 1 && type <= 9 && type != 2 && type != 3);
		MUST(type != 4 || (!r->connected && n == 112));
		MUST(type != 8 || r->connected);
		r->called = r->called || type == 1;
		r->connected = r->connected || type == 4;
		return;
	}
	MUST(r->called && n >= 12 && p[4] == 0xff && p[5] == 0x03);
	protocol = load_be16(p + 6);
	if (protocol == 0x21 || protocol == 0x57) {
		MUST(r->ready);
		return;
	}
	MUST(protocol == 0xc021 || protocol == 0xc023 || protocol == 0xc223 || protocol == 0x8021 ||
	     protocol == 0x8057);
	MUST(load_be16(p + 10) == n - 8);
	MUST(protocol >= 0xc000 || r->connected);
}

static void check_output(struct run *r)
{
	size_t at = 0;

	if (!r->http) {
		const uint8_t *end = memmem(r->out, r->nout, "\r\n\r\n", 4);

		MUST(end != NULL); /* it is shorter than what is taken at once */
		at = (size_t)(end + 4 - r->out);
		r->http = true;
	}
	while (r->nout - at >= 4) {
		size_t n = load_be16(r->out + at + 2);

		MUST(r->out[at] == 0x10 && r->out[at + 1] <= 1 && n >= 4 && n <= 4095);
		if (r->nout - at < n)
			break;
		check_packet(r, r->out + at, n);
		at += n;
	}
	r->nout -= at;
	memmove(r->out, r->out + at, r->nout);
}

static void take_output(struct run *r)
{
	for (;;) {
		struct slice t = OPS->tx_peek(r->s, 0);
		size_t n = t.n < 700 ? t.n : 700;

		if (n == 0)
			return;
		MUST(n <= sizeof(r->out) - r->nout);
		memcpy(r->out + r->nout, t.p, n);
		r->nout += n;
		OPS->tx_consume(r->s, 0, n, r->now);
		check_output(r);
	}
}

/* --- events --- */

static volatile uint8_t sink;

static void on_event(struct run *r, const struct session_event *ev)
{
	MUST(!r->closed);
	switch (ev->type) {
	case SESSION_READY:
		MUST(!r->ready && ev->facts->kind == LINK_IP && ev->facts->mtu >= 576 && ev->facts->mtu <= 1500);
		MUST(ev->facts->ip4.family == IP_V4 || ev->facts->has_ip6_iid);
		r->ready = true;
		break;
	case SESSION_FRAME:
		MUST(r->ready && ev->frame.n > 0 && ev->frame.n <= 4091);
		for (size_t i = 0; i < ev->frame.n; i++)
			sink = ev->frame.p[i];
		break;
	case SESSION_ROOM:
		MUST(r->starved);
		r->starved = false;
		break;
	case SESSION_NOTICE:
		MUST(ev->text[0] != '\0' && utf8_is_text(ev->text, strlen(ev->text)));
		break;
	case SESSION_CLOSED:
		MUST(ev->fault->err < 0 && ev->fault->text[0] != '\0');
		r->closed = true;
		break;
	case SESSION_DIAL: /* one connection is all that SSTP has */
	case SESSION_HANGUP:
		MUST(false);
	}
}

static void take_events(struct run *r)
{
	struct session_event ev;

	while (OPS->next_event(r->s, &ev, r->now))
		on_event(r, &ev);
	if (!r->blocked)
		take_output(r);
}

static void pass_time(struct run *r, uint64_t ms)
{
	uint64_t end = r->now + ms;

	for (unsigned ticks = 0; OPS->deadline(r->s) <= end; ticks++) {
		uint64_t at = OPS->deadline(r->s);

		MUST(ticks < 2000);
		r->now = at > r->now ? at : r->now;
		OPS->tick(r->s, r->now);
		take_events(r);
	}
	r->now = end;
}

static void give(struct run *r, const uint8_t *p, size_t n)
{
	while (n > 0) {
		size_t room;
		uint8_t *to = OPS->rx_reserve(r->s, 0, &room);

		MUST(room > 0);
		room = room < n ? room : n;
		memcpy(to, p, room);
		OPS->rx_commit(r->s, 0, room, r->now);
		p += room;
		n -= room;
		take_events(r);
	}
}

static void output(struct run *r, size_t n)
{
	uint8_t packet[1600];
	struct slice v[2] = { { packet, 7 }, { packet + 7, n % 1500 } };
	int err;

	memset(packet, n & 1 ? 0x60 : 0x45, sizeof(packet));
	err = OPS->output(r->s, v, 2);
	MUST(err == 0 || err == VE_AGAIN || err == VE_LIMIT || err == VE_DOWN);
	MUST(err != 0 || (r->ready && !r->closed));
	r->starved = r->starved || err == VE_AGAIN;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t flags = size > 0 ? data[0] : 0;
	struct session_conf conf = { .user = flags & FLAG_SOFTETHER_USER ? "alice@TEST" : "alice", .password = "secret" };
	struct wire_facts wire = { .verified = !(flags & FLAG_UNVERIFIED), .host = "vpn.example.test", .port = 443 };
	const struct session_env env = { .random = give_random };
	static struct run r;
	size_t at = 1;

	conf.auth_methods = AUTH_DEFAULT | (flags & FLAG_PAP ? AUTH_PAP : 0u) | (flags & FLAG_CHAP ? AUTH_CHAP : 0u);
	conf.allow_unverified = flags & FLAG_INSECURE;
	conf.mtu = flags & FLAG_MTU ? 1500 : 0;
	memset(&r, 0, sizeof(r));
	r.blocked = flags & FLAG_BLOCKED;
	MUST(OPS->create(&r.s, &conf, &wire, &env, 0) == 0);
	take_events(&r);
	while (size > at && size - at >= 3) {
		uint64_t ms = data[at] & 0x80 ? (data[at] & 0x7fu) * 1000u : data[at] * 10u;
		uint16_t head = load_be16(data + at + 1);
		size_t n = head & 0x0fff;

		at += 3;
		n = n < size - at ? n : size - at;
		pass_time(&r, ms);
		give(&r, data + at, n);
		at += n;
		if (head & ACT_OUTPUT)
			output(&r, at * 37);
		if (head & ACT_STOP)
			OPS->stop(r.s, r.now);
		if (head & ACT_EOF)
			OPS->channel_closed(r.s, 0, &closed_in_order, r.now);
		take_events(&r);
	}
	OPS->channel_closed(r.s, 0, &closed_in_order, r.now);
	take_events(&r);
	MUST(r.closed && OPS->deadline(r.s) == UINT64_MAX);
	take_output(&r);
	OPS->destroy(r.s);
	return 0;
}
