/* SPDX-License-Identifier: GPL-3.0-or-later */
/* fuzz_softether.c - a whole SoftEther session: a server that says anything, on any of its connections and as datagrams,
 * in pieces of any size, at any time, to a driver that does anything the contract allows.
 *
 * Input: one byte of flags, one with the length of the script (0 counts as 1), the script, the server's bytes. The script
 * is read over and over: each byte says how much the server says next, whether on the same connection as before, and what
 * the driver does after that. With FLAG_WRAP the server's bytes begin with messages, each a 16-bit length and a PACK,
 * which are put into HTTP here: so a mutation that changes a length does not end in the HTTP parser every time. With
 * FLAG_UP the session is brought up first, with four connections and UDP acceleration granted, so that all bytes are for
 * what comes after. */
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "core/limits.h"
#include "core/softether/se_udp.h"
#include "core/softether/softether.h"
#include "core/utf8.h"
#include "test/support/closed.h"
#include "test/support/fuzz.h"
#include "test/support/se_peer.h"

enum {
	FLAG_WRAP = 1, /* bits 4 and 5: one less than the number of messages */
	FLAG_ANONYMOUS = 2,
	FLAG_UNVERIFIED = 4,
	FLAG_INSECURE = 8,
	FLAG_UP = 64,
	FLAG_ZIP = 128, /* with FLAG_UP: compressed; without: half connections are asked for */
};

#define OPS (&softether_session_ops)
#define WIRES SESSION_CHANNELS_MAX

struct run {
	struct session *s;
	uint64_t now;
	uint8_t random;
	bool ready, closed, starved;
	uint32_t open, dialed; /* a bit for each channel */
	unsigned channel;      /* where the server speaks */
	struct wire_facts wire;
	struct session_env env;
	struct se_udp *peer;
	struct se_udp_terms terms;
	uint8_t script[256];
	size_t script_len, script_at;
};

static const struct fault broken = { .err = VE_LOST, .text = "connection reset" };

static void give_random(void *ctx, void *to, size_t n)
{
	struct run *r = ctx;
	uint8_t *p = to;

	while (n-- > 0)
		*p++ = r->random++;
}

static volatile uint8_t sink;

static void touch(struct slice s)
{
	for (size_t i = 0; i < s.n; i++)
		sink = s.p[i];
}

/* --- what the session does ---------------------------------------------------------------------------------------- */

static void on_dial(struct run *r, const struct session_dial *d)
{
	MUST(d->channel < WIRES && !((r->open | r->dialed) >> d->channel & 1));
	r->dialed |= UINT32_C(1) << d->channel;
}

static void on_hangup(struct run *r, unsigned k)
{
	struct slice rest;

	MUST(k < WIRES && ((r->open | r->dialed) >> k & 1));
	rest = OPS->tx_peek(r->s, k);
	touch(rest);
	OPS->tx_consume(r->s, k, rest.n, r->now);
	r->open &= ~(UINT32_C(1) << k);
	r->dialed &= ~(UINT32_C(1) << k);
}

static void on_event(struct run *r, const struct session_event *ev)
{
	MUST(!r->closed);
	switch (ev->type) {
	case SESSION_READY:
		MUST(!r->ready && ev->facts->kind == LINK_ETHERNET && ev->facts->mtu >= 576);
		r->ready = true;
		break;
	case SESSION_FRAME:
		MUST(r->ready && ev->frame.n >= FRAME_MIN && ev->frame.n <= FRAME_MAX);
		touch(ev->frame);
		break;
	case SESSION_ROOM:
		MUST(r->starved);
		r->starved = false;
		break;
	case SESSION_NOTICE:
		MUST(strlen(ev->text) > 0 && strlen(ev->text) <= SE_NOTICE_MAX &&
		     utf8_is_text(ev->text, strlen(ev->text)));
		break;
	case SESSION_DIAL:
		on_dial(r, ev->dial);
		break;
	case SESSION_HANGUP:
		on_hangup(r, ev->channel);
		break;
	case SESSION_CLOSED:
		MUST(ev->fault->err < 0 && ev->fault->text[0] != '\0');
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
		MUST(OPS->deadline(r->s) == UINT64_MAX);
}

/* Datagrams out; half of them arrive. */
static void push_datagrams(struct run *r)
{
	struct session_datagram d;
	struct slice frame;
	bool zipped;

	while (OPS->datagram_out(r->s, &d, r->now)) {
		MUST(!r->closed && d.path == SESSION_PATH_UDP && d.bytes.n > 0);
		touch(d.bytes);
		if (r->peer && r->random & 1)
			(void)se_udp_input(r->peer, &r->terms.primary, d.bytes, &frame, &zipped, r->now);
		take_events(r);
	}
}

/* --- what the driver does ----------------------------------------------------------------------------------------- */

static void consume(struct run *r, size_t n)
{
	struct slice tx = OPS->tx_peek(r->s, r->channel);

	MUST(tx.n <= SESSION_TX_MAX);
	tx.n = min_size(n, tx.n);
	touch(tx);
	OPS->tx_consume(r->s, r->channel, tx.n, r->now);
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
			MUST(r->ready && !r->closed && size >= FRAME_MIN && size <= FRAME_MAX);
		else
			MUST(e == VE_LIMIT || (e == VE_DOWN && (!r->ready || r->closed)));
	}
}

static void pass_time(struct run *r, uint64_t to)
{
	if (to != UINT64_MAX && to > r->now)
		r->now = to;
	OPS->tick(r->s, r->now);
	take_events(r);
	push_datagrams(r);
	take_events(r);
	MUST(OPS->deadline(r->s) > r->now); /* or the driver would spin */
}

static void close_wire(struct run *r, unsigned k, const struct fault *f)
{
	r->open &= ~(UINT32_C(1) << k);
	r->dialed &= ~(UINT32_C(1) << k);
	OPS->channel_closed(r->s, k, f, r->now);
	take_events(r);
}

/* All that was dialed is there, or is not. */
static void answer_dials(struct run *r, bool well)
{
	for (unsigned k = 0; k < WIRES; k++) {
		if (!(r->dialed >> k & 1))
			continue;
		if (!well) {
			close_wire(r, k, &broken);
			continue;
		}
		r->dialed &= ~(UINT32_C(1) << k);
		r->open |= UINT32_C(1) << k;
		r->channel = k;
		OPS->channel_opened(r->s, k, &r->wire, r->now);
		take_events(r);
	}
}

static void give(struct run *r, const uint8_t *p, size_t n)
{
	while (n > 0 && r->open >> r->channel & 1) {
		size_t room, take;
		uint8_t *to = OPS->rx_reserve(r->s, r->channel, &room);

		MUST(room > 0);
		take = min_size(room, n);
		memcpy(to, p, take);
		OPS->rx_commit(r->s, r->channel, take, r->now);
		p += take;
		n -= take;
		take_events(r);
	}
}

static void give_pack(struct run *r, struct se_bytes *body)
{
	struct se_bytes b = { 0 };

	se_peer_answer(&b, body);
	give(r, b.p, b.n);
	se_bytes_free(&b);
	se_bytes_free(body);
}

/* What a server says to one more connection. */
static void finish_join(struct run *r)
{
	struct se_bytes b = { 0 };

	se_peer_hello(&b);
	give_pack(r, &b);
	se_peer_pack(&b);
	se_peer_int(&b, "direction", 0);
	give_pack(r, &b);
}

/* The next bytes of the input as a datagram: sealed as a frame, or as they are. Returns how many were used. */
static size_t give_datagram(struct run *r, const uint8_t *p, size_t n)
{
	uint8_t to[SE_UDP_DATAGRAM_MAX];
	struct slice d = { .p = p, .n = 0 };
	struct endpoint e;
	uint8_t kind;

	if (n < 2)
		return n;
	kind = p[0];
	d = (struct slice){ .p = p + 2, .n = min_size(n - 2, (size_t)p[1] * (kind & 4 ? 8 : 1)) };
	n = 2 + d.n;
	if (r->peer && kind & 1) {
		d.n = se_udp_seal(r->peer, &d, 1, kind & 2, to, &e, r->now);
		d.p = to;
	} else if (r->peer && kind & 2) {
		d.n = se_udp_keepalive(r->peer, to, &e, r->now);
		d.p = to;
	}
	OPS->datagram_in(r->s, kind & 8 ? kind >> 4 : SESSION_PATH_UDP, &r->terms.secondary, d, r->now);
	take_events(r);
	return n;
}

static void act_rarely(struct run *r, uint8_t op)
{
	switch (op & 31) {
	case 31:
		OPS->stop(r->s, r->now);
		break;
	case 30:
		close_wire(r, r->channel, &closed_in_order);
		break;
	case 29:
		finish_join(r);
		break;
	case 28:
		close_wire(r, r->channel, &broken);
		break;
	case 27:
		answer_dials(r, false);
		break;
	default:
		answer_dials(r, true);
		break;
	}
	take_events(r);
}

static void act(struct run *r, uint8_t op)
{
	switch (op >> 5) {
	case 0:
		break;
	case 1:
		consume(r, SIZE_MAX);
		push_datagrams(r);
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
		act_rarely(r, op);
		break;
	}
}

static size_t piece(uint8_t op)
{
	static const uint32_t sizes[] = { 1,   2,   3,    4,    7,    8,     13,    64,
					  200, 512, 1000, 1460, 4096, 16384, 65536, 262144 };

	return sizes[op & 15];
}

static void next_channel(struct run *r)
{
	for (unsigned i = 0; i < WIRES; i++) {
		r->channel = (r->channel + 1) % WIRES;
		if (r->open >> r->channel & 1)
			return;
	}
}

/* The end: every wire is closed, none can be made again, and time passes. */
static void wind_up(struct run *r)
{
	for (unsigned k = 0; k < WIRES; k++) {
		if (r->open >> k & 1)
			close_wire(r, k, &closed_in_order);
	}
	for (unsigned i = 0; i < 1000 && !r->closed; i++) {
		answer_dials(r, false);
		if (!r->closed)
			pass_time(r, OPS->deadline(r->s));
	}
	MUST(r->closed);
	output(r, 1, 60);
	consume(r, SIZE_MAX);
	pass_time(r, r->now + 100000);
}

static void drive(struct run *r, const uint8_t *p, size_t n)
{
	while (n > 0) {
		uint8_t op = r->script[r->script_at++ % r->script_len];
		size_t take = min_size(piece(op), n);

		if (op & 16 || !(r->open >> r->channel & 1))
			next_channel(r);
		if (op == 0x1f)
			take = give_datagram(r, p, n);
		else
			give(r, p, take);
		p += take;
		n -= take;
		act(r, op);
	}
	wind_up(r);
}

/* --- a server that is nice at first ------------------------------------------------------------------------------- */

static void grant_udp(struct run *r, struct se_bytes *b, const struct se_request *login)
{
	struct se_udp_terms *t = &r->terms;
	const uint8_t *p;
	size_t n;

	MUST(se_peer_find(login->body, login->size, "udp_acceleration_client_key_v2", &p, &n) == 1 &&
	     n == sizeof(t->their_key2));
	memcpy(t->their_key2, p, n);
	memset(t->our_key2, 7, sizeof(t->our_key2));
	t->version = 2;
	t->our_cookie = t->their_cookie = 1;
	MUST(se_udp_new(&r->peer, t, &r->env, r->now) == 0);
	se_peer_int(b, "use_udp_acceleration", 1);
	se_peer_int(b, "udp_acceleration_version", 2);
	se_peer_int(b, "udp_acceleration_server_ip", 0);
	se_peer_int(b, "udp_acceleration_server_port", 40000);
	se_peer_data(b, "udp_acceleration_server_key", t->our_key2, SE_UDP_KEY1_SIZE);
	se_peer_data(b, "udp_acceleration_server_key_v2", t->our_key2, sizeof(t->our_key2));
	se_peer_int(b, "udp_acceleration_server_cookie", 1);
	se_peer_int(b, "udp_acceleration_client_cookie", 1);
	se_peer_int(b, "udp_acceleration_use_encryption", 1);
}

static void bring_up(struct run *r, bool zip)
{
	struct se_peer_grants g = { .timeout_ms = 20000, .max_connection = 4, .use_compress = zip };
	struct se_request login;
	struct se_bytes b = { 0 };
	struct slice tx;

	consume(r, SIZE_MAX);
	se_peer_hello(&b);
	give_pack(r, &b);
	tx = OPS->tx_peek(r->s, 0);
	MUST(se_peer_request(tx.p, tx.n, &login) == tx.n);
	se_peer_welcome_with(&b, &g);
	grant_udp(r, &b, &login);
	consume(r, SIZE_MAX);
	give_pack(r, &b);
	MUST(r->ready);
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

static void set_up(struct run *r, struct session_conf *conf, uint8_t flags)
{
	r->env = (struct session_env){ .random = give_random, .ctx = r };
	r->wire.verified = !(flags & FLAG_UNVERIFIED);
	r->wire.local = (struct endpoint){ { IP_V4, { 192, 0, 2, 7 } }, 50000 };
	r->wire.peer = (struct endpoint){ { IP_V4, { 198, 51, 100, 1 } }, 443 };
	r->terms.primary = (struct endpoint){ r->wire.local.ip, 50123 };
	r->terms.secondary = (struct endpoint){ r->wire.peer.ip, 40000 };
	conf->tcp_connections = 4;
	conf->allow_unverified = flags & FLAG_INSECURE;
	if (flags & FLAG_ANONYMOUS)
		conf->password = NULL;
	if (flags & FLAG_UP) {
		r->wire.verified = true;
		r->wire.udp_port = 50123;
		conf->udp_acceleration = UDP_V2;
		conf->compress = flags & FLAG_ZIP;
	} else {
		conf->half_connection = flags & FLAG_ZIP;
		conf->new_password = "Secret456";
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct session_conf conf = { .user = "alice", .password = "Secret123", .hub = "OFFICE" };
	struct run r = { .now = 1000, .script_len = 1, .open = 1, .wire = { .host = "vpn.example.com", .port = 443 } };
	struct se_bytes b = { 0 };
	size_t script;

	if (size < 2)
		return 0;
	set_up(&r, &conf, data[0]);
	script = min_size(data[1], size - 2);
	if (script > 0) {
		r.script_len = script;
		memcpy(r.script, data + 2, script);
	}
	compose(&b, data + 2 + script, size - 2 - script, data[0]);
	MUST(OPS->create(&r.s, &conf, &r.wire, &r.env, r.now) == 0);
	take_events(&r);
	if (data[0] & FLAG_UP)
		bring_up(&r, data[0] & FLAG_ZIP);
	drive(&r, b.p, b.n);
	OPS->destroy(r.s);
	se_udp_free(r.peer);
	se_bytes_free(&b);
	return 0;
}
