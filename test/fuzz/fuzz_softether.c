/* SPDX-License-Identifier: GPL-3.0-or-later */
/* fuzz_softether.c - a whole SoftEther session: a server that says anything, in pieces of any size, at any
 * time, to a driver that does anything the contract allows.
 *
 * Input: one byte of flags, one with the length of the script (0 counts as 1), the script, the server's
 * bytes. The script is read over and over: each byte says how much the server says next, and what the driver
 * does after that. With FLAG_WRAP the server's bytes begin with messages, each a 16-bit length and a PACK,
 * which are put into HTTP here: so a mutation that changes a length does not end in the HTTP parser every
 * time. */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/limits.h"
#include "core/softether/softether.h"
#include "core/utf8.h"
#include "test/support/closed.h"
#include "test/support/se_peer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {
	FLAG_WRAP = 1, /* bits 4 and 5: one less than the number of messages */
	FLAG_ANONYMOUS = 2,
	FLAG_UNVERIFIED = 4,
	FLAG_INSECURE = 8,
};

#define OPS (&softether_session_ops)

struct run {
	struct session *s;
	uint64_t now;
	uint8_t random;
	bool ready, closed, starved;
	uint8_t script[256];
	size_t script_len, script_at;
};

static void demand(bool ok)
{
	if (!ok)
		abort();
}

static void give_random(void *ctx, void *to, size_t n)
{
	struct run *r = ctx;
	uint8_t *p = to;

	while (n-- > 0)
		*p++ = r->random++;
}

static volatile uint8_t sink;

static void on_event(struct run *r, const struct session_event *ev)
{
	demand(!r->closed);
	switch (ev->type) {
	case SESSION_READY:
		demand(!r->ready && ev->facts->kind == LINK_ETHERNET && ev->facts->mtu >= 576);
		r->ready = true;
		break;
	case SESSION_FRAME:
		demand(r->ready && ev->frame.n >= FRAME_MIN && ev->frame.n <= FRAME_MAX);
		for (size_t i = 0; i < ev->frame.n; i++)
			sink = ev->frame.p[i];
		break;
	case SESSION_ROOM:
		demand(r->starved);
		r->starved = false;
		break;
	case SESSION_NOTICE:
		demand(strlen(ev->text) > 0 && strlen(ev->text) <= SE_NOTICE_MAX &&
		       utf8_is_text(ev->text, strlen(ev->text)));
		break;
	case SESSION_CLOSED:
		demand(ev->fault->err < 0 && ev->fault->text[0] != '\0');
		r->closed = true;
		break;
	}
}

static void take_events(struct run *r)
{
	struct session_event ev;

	while (OPS->next_event(r->s, &ev, r->now))
		on_event(r, &ev);
	if (r->closed)
		demand(OPS->deadline(r->s) == UINT64_MAX);
}

static void consume(struct run *r, size_t n)
{
	struct slice tx = OPS->tx_peek(r->s, 0);

	demand(tx.n <= SESSION_TX_MAX);
	n = min_size(n, tx.n);
	for (size_t i = 0; i < n; i++)
		sink = tx.p[i];
	OPS->tx_consume(r->s, 0, n, r->now);
	take_events(r);
}

static void output(struct run *r, unsigned count, size_t size)
{
	static const uint8_t bytes[FRAME_MAX + 1];
	struct slice v[2] = { { .p = bytes, .n = size / 3 }, { .p = bytes, .n = size - size / 3 } };

	while (count-- > 0) {
		int e = OPS->output(r->s, v, 2);

		if (e == VE_AGAIN)
			r->starved = true;
		else if (e == 0)
			demand(r->ready && !r->closed && size >= FRAME_MIN && size <= FRAME_MAX);
		else
			demand(e == VE_LIMIT || (e == VE_DOWN && (!r->ready || r->closed)));
	}
}

static void pass_time(struct run *r, uint64_t to)
{
	if (to != UINT64_MAX && to > r->now)
		r->now = to;
	OPS->tick(r->s, r->now);
	take_events(r);
	demand(OPS->deadline(r->s) > r->now); /* or the driver would spin */
}

static void act(struct run *r, uint8_t op)
{
	switch (op >> 5) {
	case 0:
		break;
	case 1:
		consume(r, SIZE_MAX);
		break;
	case 2:
		consume(r, 1u << (op & 15));
		break;
	case 3:
		output(r, 1, op & 1 ? 60 : 1514);
		break;
	case 4:
		output(r, 40, op & 31 ? 1450u + 10u * (op & 15) : 13u);
		break;
	case 5:
		pass_time(r, r->now + 100u * (op & 31));
		break;
	case 6:
		pass_time(r, OPS->deadline(r->s));
		break;
	case 7:
		if ((op & 31) == 31)
			OPS->stop(r->s, r->now);
		else if ((op & 31) == 30)
			OPS->channel_closed(r->s, 0, &closed_in_order, r->now);
		take_events(r);
		break;
	}
}

static size_t piece(uint8_t op)
{
	static const uint32_t sizes[] = { 1,   2,   3,    4,    7,    8,     13,    64,
					  200, 512, 1000, 1460, 4096, 16384, 65536, 262144 };

	return sizes[op & 15];
}

static void drive(struct run *r, const uint8_t *p, size_t n)
{
	while (n > 0) {
		uint8_t op = r->script[r->script_at++ % r->script_len];
		size_t room, take;
		uint8_t *to = OPS->rx_reserve(r->s, 0, &room);

		demand(room > 0);
		take = min_size(min_size(room, piece(op)), n);
		memcpy(to, p, take);
		OPS->rx_commit(r->s, 0, take, r->now);
		p += take;
		n -= take;
		take_events(r);
		act(r, op);
	}
	OPS->channel_closed(r->s, 0, &closed_in_order, r->now);
	take_events(r);
	demand(r->closed);
	output(r, 1, 60);
	consume(r, SIZE_MAX);
	pass_time(r, r->now + 100000);
}

/* The server's bytes: messages in HTTP, then what is left. */
static void compose(struct se_bytes *b, const uint8_t *p, size_t n, uint8_t flags)
{
	unsigned messages = flags & FLAG_WRAP ? 1 + (flags >> 4 & 3) : 0;

	while (messages-- > 0 && n >= 2) {
		size_t len = min_size((size_t)p[0] << 8 | p[1], n - 2);
		struct se_bytes body = { 0 };

		se_bytes_add(&body, p + 2, len);
		se_peer_answer(b, &body);
		se_bytes_free(&body);
		p += 2 + len;
		n -= 2 + len;
	}
	se_bytes_add(b, p, n);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct session_conf conf = { .user = "alice", .password = "Secret123", .hub = "OFFICE" };
	struct wire_facts wire = { .verified = true, .host = "vpn.example.com", .port = 443 };
	struct run r = { .now = 1000, .script_len = 1 };
	struct session_env env = { .random = give_random, .ctx = &r };
	struct se_bytes b = { 0 };
	size_t script;

	if (size < 2)
		return 0;
	if (data[0] & FLAG_ANONYMOUS)
		conf.password = NULL;
	wire.verified = !(data[0] & FLAG_UNVERIFIED);
	conf.allow_unverified = data[0] & FLAG_INSECURE;
	script = min_size(data[1], size - 2);
	if (script > 0) {
		r.script_len = script;
		memcpy(r.script, data + 2, script);
	}
	compose(&b, data + 2 + script, size - 2 - script, data[0]);
	demand(OPS->create(&r.s, &conf, &wire, &env, r.now) == 0);
	take_events(&r);
	drive(&r, b.p, b.n);
	OPS->destroy(r.s);
	se_bytes_free(&b);
	return 0;
}
