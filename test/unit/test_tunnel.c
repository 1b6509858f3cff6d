/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_tunnel.c - the pump and its reconnects, against a wire, a session and a link made of memory.
 *
 * The fakes below stand where wire.c, a protocol and netstack/ would; they are scripted by the test and write down what
 * the tunnel did to them. The loop is real, its timers are 1 ms or never. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>
#include <uv.h>

#include "core/buf.h"
#include "core/log.h"
#include "core/tunnel.h"
#include "core/wire.h"

/* --- fake wire ------------------------------------------------------------------------------------------------ */

struct wire {
	const struct wire_events *ev;
	void *ctx;
	bool open;
	struct endpoint to;     /* of wire_conf */
	bool has_only;
	uint8_t only[32];
	uint8_t in[256];        /* plaintext that the server sent */
	size_t nin;
	uint8_t out[4096];      /* plaintext that the tunnel sent */
	size_t nout;
	unsigned flushes, datagrams;
	size_t backlog;         /* how much may wait; 0: as much as likes */
};

static struct {
	struct wire all[32];    /* by order of wire_open() */
	struct wire *now;       /* the one that the session is made on */
	unsigned opened, closed;
	size_t out_cap;         /* how much each takes before it is full */
	int open_result;
	const char *rendezvous; /* expected */
} wire;

int wire_open(struct wire **ret, uv_loop_t *loop, const struct wire_conf *c, struct trust *trust,
	      const struct wire_events *ev, void *ctx)
{
	struct wire *w = &wire.all[wire.opened];

	(void)loop;
	(void)trust;
	assert_string_equal(c->host, "vpn.example.com");
	assert_int_equal(c->port, 443);
	assert_ptr_equal(c->rendezvous, wire.rendezvous);
	if (wire.open_result != 0)
		return wire.open_result;
	assert_true(wire.opened < ARRAY_LEN(wire.all));
	*w = (struct wire){ .ev = ev, .ctx = ctx, .open = true, .to = c->to, .has_only = c->only != NULL };
	if (c->only)
		memcpy(w->only, c->only, sizeof(w->only));
	else
		wire.now = w;
	wire.opened++;
	*ret = w;
	return 0;
}

int wire_read(struct wire *w, uint8_t *p, size_t cap, size_t *ret)
{
	size_t n = min_size(cap, w->nin);

	assert_true(w->open);
	if (n == 0)
		return VE_AGAIN;
	memcpy(p, w->in, n);
	memmove(w->in, w->in + n, w->nin - n);
	w->nin -= n;
	*ret = n;
	return 0;
}

size_t wire_write(struct wire *w, const uint8_t *p, size_t n)
{
	size_t take = min_size(n, wire.out_cap - w->nout);

	assert_true(w->open);
	memcpy(w->out + w->nout, p, take);
	w->nout += take;
	return take;
}

size_t wire_backlog(const struct wire *w)
{
	return w->backlog == 0 ? SIZE_MAX : w->backlog;
}

void wire_flush(struct wire *w)
{
	assert_true(w->open);
	w->flushes++;
}

void wire_send_datagram(struct wire *w, struct slice bytes)
{
	assert_true(w->open);
	assert_int_equal(bytes.n, 4);
	w->datagrams++;
}

void wire_close(struct wire *w)
{
	if (!w)
		return;
	assert_true(w->open);
	w->open = false;
	wire.closed++;
}

static const struct endpoint server_at = { { IP_V4, { 127, 0, 0, 1 } }, 443 };

static void opens(struct wire *w)
{
	struct wire_facts facts = { .verified = true, .port = 443, .peer = server_at };

	w->ev->opened(w->ctx, &facts);
}

static void brings(struct wire *w, const char *bytes)
{
	size_t n = strlen(bytes);

	assert_true(w->nin + n <= sizeof(w->in));
	memcpy(w->in + w->nin, bytes, n);
	w->nin += n;
	w->ev->readable(w->ctx);
}

static void ends(struct wire *w, int err, const char *text)
{
	struct fault f = { 0 };

	fault_set(&f, err, "%s", text);
	w->ev->closed(w->ctx, &f);
}

static void wire_opens(void)
{
	opens(wire.now);
}

static void wire_brings(const char *bytes)
{
	brings(wire.now, bytes);
}

static void wire_ends(int err, const char *text)
{
	ends(wire.now, err, text);
}

/* --- fake session: each received byte is an event ----------------------------------------------------------------
 * 'R' READY, 'f' a frame, 'o' ROOM, 'X' closed for good, 'x' closed and worth retrying; '1' to '3' DIAL that channel, 'h'
 * HANGUP channel 1. output() appends to the tx of the channel that has least in it. */

#define CHANNELS 4u

struct fake_session {
	struct session base;
	struct buf rx, tx[CHANNELS];
	bool has[CHANNELS];       /* channels that are open */
	bool lost_first;          /* channel 0 is to be dialed again */
	struct session_dial dial;
	struct fault fault;
	struct link_facts facts;
	struct fault end; /* of the wire; err 0: it is there */
	bool ready, stopped, closed;
	uint64_t deadline;
};

static struct {
	unsigned created, destroyed, ticks;
	int create_result;
	bool silent_goodbye; /* stop() is never answered by CLOSED */
	size_t tx_cap;
	uint64_t deadline;
	struct fake_session *now;
	const struct session_ops *ops;
	bool goes_on_later;  /* when channel 0 is gone, the next tick dials it again */
	bool goes_on;        /* when channel 0 is gone, it is dialed again; others are not missed */
	bool indifferent;    /* it does not react to the end of anything */
	bool ticks_for_ever; /* each tick wants another one at once */
	unsigned opened[CHANNELS], closed[CHANNELS];
	struct fault closed_by;
	struct wire_facts facts;
	struct endpoint dial_to;
	unsigned datagrams_in;
	uint32_t path_in;
	uint8_t last_in;
	struct endpoint from;
	unsigned to_send[2]; /* datagrams for the UDP socket, for the wire of channel 0 */
	struct endpoint send_to;
} sess;

static struct fake_session *fake_of(const struct session *s)
{
	return (struct fake_session *)(uintptr_t)s;
}

static int fake_create(struct session **ret, const struct session_conf *c, const struct wire_facts *w,
		       const struct session_env *env, uint64_t now_ms);

static void fake_destroy(struct session *s)
{
	struct fake_session *f = fake_of(s);

	buf_fini(&f->rx);
	for (unsigned i = 0; i < CHANNELS; i++)
		buf_fini(&f->tx[i]);
	free(f);
	sess.destroyed++;
	sess.now = NULL;
}

static uint8_t *fake_rx_reserve(struct session *s, unsigned channel, size_t *room)
{
	assert_true(fake_of(s)->has[channel]);
	return buf_reserve(&fake_of(s)->rx, 1, room);
}

static void fake_rx_commit(struct session *s, unsigned channel, size_t n, uint64_t now_ms)
{
	assert_true(fake_of(s)->has[channel]);
	(void)now_ms;
	buf_commit(&fake_of(s)->rx, n);
}

static void fake_channel_opened(struct session *s, unsigned channel, const struct wire_facts *w, uint64_t now_ms)
{
	struct fake_session *f = fake_of(s);

	(void)now_ms;
	assert_true(w->verified);
	assert_false(f->has[channel]);
	f->has[channel] = true;
	sess.opened[channel]++;
	sess.facts = *w;
	assert_int_equal(buf_put(&f->tx[channel], "again", 5), 0);
}

static void fake_channel_closed(struct session *s, unsigned channel, const struct fault *f, uint64_t now_ms)
{
	struct fake_session *fake = fake_of(s);

	(void)now_ms;
	fake->has[channel] = false;
	sess.closed[channel]++;
	sess.closed_by = *f;
	if (sess.goes_on)
		fake->lost_first |= channel == 0;
	else if (sess.goes_on_later)
		fake->deadline = 0;
	else if (!sess.indifferent)
		fake->end = *f;
}

static struct slice fake_tx_peek(const struct session *s, unsigned channel)
{
	assert_true(fake_of(s)->has[channel]);
	return buf_peek(&fake_of(s)->tx[channel]);
}

static void fake_tx_consume(struct session *s, unsigned channel, size_t n, uint64_t now_ms)
{
	(void)now_ms;
	buf_consume(&fake_of(s)->tx[channel], n);
}

static int fake_output(struct session *s, const struct slice *v, size_t nv)
{
	struct fake_session *f = fake_of(s);
	unsigned least = 0;

	assert_int_equal(nv, 1);
	for (unsigned i = 1; i < CHANNELS; i++) {
		if (f->has[i] && buf_len(&f->tx[i]) < buf_len(&f->tx[least]))
			least = i;
	}
	return buf_put(&f->tx[least], v->p, v->n);
}

static void fake_datagram_in(struct session *s, uint32_t path, const struct endpoint *from, struct slice bytes,
			     uint64_t now_ms)
{
	(void)now_ms;
	sess.datagrams_in++;
	sess.path_in = path;
	sess.from = *from;
	sess.last_in = bytes.p[0];
	assert_int_equal(buf_put(&fake_of(s)->rx, bytes.p, bytes.n), 0);
}

static bool fake_datagram_out(struct session *s, struct session_datagram *ret, uint64_t now_ms)
{
	static const uint8_t text[] = "data";

	(void)s;
	(void)now_ms;
	for (unsigned i = 0; i < 2; i++) {
		if (sess.to_send[i] == 0)
			continue;
		sess.to_send[i]--;
		*ret = (struct session_datagram){ i == 0 ? SESSION_PATH_UDP : 0, sess.send_to, { text, 4 } };
		return true;
	}
	return false;
}

static bool close_event(struct fake_session *f, int err, bool final, const char *text, struct session_event *ret)
{
	f->closed = true;
	if (final)
		fault_set_final(&f->fault, err, "%s", text);
	else
		fault_set(&f->fault, err, "%s", text);
	*ret = (struct session_event){ .type = SESSION_CLOSED, .fault = &f->fault };
	return true;
}

static bool dial_event(struct fake_session *f, unsigned channel, struct session_event *ret)
{
	f->dial = (struct session_dial){ .channel = channel, .to = sess.dial_to };
	memset(f->dial.cert_sha256, 0xce, 32);
	*ret = (struct session_event){ .type = SESSION_DIAL, .dial = &f->dial };
	return true;
}

static bool hangup_event(struct fake_session *f, struct session_event *ret)
{
	assert_int_equal(buf_put(&f->tx[1], "end", 3), 0);
	*ret = (struct session_event){ .type = SESSION_HANGUP, .channel = 1 };
	return true;
}

static bool fake_next_event(struct session *s, struct session_event *ret, uint64_t now_ms)
{
	struct fake_session *f = fake_of(s);
	struct slice in = buf_peek(&f->rx);

	(void)now_ms;
	if (f->closed)
		return false;
	if (f->stopped && !sess.silent_goodbye)
		return close_event(f, VE_CANCELED, false, "stopped", ret);
	if (f->lost_first) {
		f->lost_first = false;
		return dial_event(f, 0, ret);
	}
	if (in.n == 0 && f->end.err == 0)
		return false;
	if (in.n == 0) /* a broken wire speaks for itself once the session is up */
		return f->ready && f->end.err != VE_EOF
			       ? close_event(f, f->end.err, false, f->end.text, ret)
			       : close_event(f, VE_LOST, false, "the server ended the session", ret);
	buf_consume(&f->rx, 1);
	switch (in.p[0]) {
	case 'R':
		f->ready = true;
		*ret = (struct session_event){ .type = SESSION_READY, .facts = &f->facts };
		return true;
	case 'f':
		*ret = (struct session_event){ .type = SESSION_FRAME, .frame = { in.p, 1 } };
		return true;
	case 'o':
		*ret = (struct session_event){ .type = SESSION_ROOM };
		return true;
	case '1':
	case '2':
	case '3':
		return dial_event(f, in.p[0] - (unsigned)'0', ret);
	case 'h':
		return hangup_event(f, ret);
	case 'X':
		return close_event(f, VE_AUTH, true, "wrong password", ret);
	default:
		return close_event(f, VE_LOST, false, "kicked", ret);
	}
}

static uint64_t fake_deadline(const struct session *s)
{
	return fake_of(s)->deadline;
}

static void fake_tick(struct session *s, uint64_t now_ms)
{
	(void)now_ms;
	if (!sess.ticks_for_ever)
		fake_of(s)->deadline = UINT64_MAX;
	sess.ticks++;
	fake_of(s)->lost_first |= sess.goes_on_later;
	if (sess.ticks == 1 && !sess.goes_on_later)
		assert_int_equal(buf_put(&fake_of(s)->tx[0], "tick", 4), 0);
}

static void fake_stop(struct session *s, uint64_t now_ms)
{
	(void)now_ms;
	fake_of(s)->stopped = true;
	fake_of(s)->deadline = sess.deadline;
	assert_int_equal(buf_put(&fake_of(s)->tx[0], "bye", 3), 0);
}

static const char *fake_state_name(const struct session *s)
{
	(void)s;
	return "fake";
}

#define FAKE_OPS                                                                                              \
	.scheme = "fake", .link = LINK_ETHERNET, .default_port = 443, .create = fake_create,                  \
	.destroy = fake_destroy, .rx_reserve = fake_rx_reserve, .rx_commit = fake_rx_commit,                  \
	.channel_opened = fake_channel_opened, .channel_closed = fake_channel_closed,                         \
	.tx_peek = fake_tx_peek, .tx_consume = fake_tx_consume, .output = fake_output,                        \
	.next_event = fake_next_event, .deadline = fake_deadline, .tick = fake_tick, .stop = fake_stop,       \
	.state_name = fake_state_name

static const struct session_ops fake_ops = { FAKE_OPS };
static const struct session_ops datagram_ops = {
	FAKE_OPS, .datagram_in = fake_datagram_in, .datagram_out = fake_datagram_out,
};

static int fake_create(struct session **ret, const struct session_conf *c, const struct wire_facts *w,
		       const struct session_env *env, uint64_t now_ms)
{
	struct fake_session *f;

	(void)env;
	(void)now_ms;
	assert_string_equal(c->user, "alice");
	assert_true(w->verified);
	if (sess.create_result != 0)
		return sess.create_result;
	f = calloc(1, sizeof(*f));
	assert_non_null(f);
	f->base.ops = sess.ops;
	f->has[0] = true;
	sess.facts = *w;
	f->deadline = sess.deadline;
	assert_int_equal(buf_init(&f->rx, 64), 0);
	for (unsigned i = 0; i < CHANNELS; i++)
		assert_int_equal(buf_init(&f->tx[i], sess.tx_cap), 0);
	assert_int_equal(buf_put(&f->tx[0], "hello", 5), 0);
	sess.created++;
	sess.now = f;
	*ret = &f->base;
	return 0;
}

/* --- fake link ------------------------------------------------------------------------------------------------ */

static struct {
	const struct link_owner *owner;
	unsigned ups, downs, frames, rooms, turn_ends;
	int up_result;
	bool fail_on_frame;
	char answer; /* sent for each frame, 0: nothing */
	int last_output;
} net;

static int fake_link_up(void *link, const struct link_facts *facts, const struct link_owner *owner)
{
	(void)link;
	(void)facts;
	if (net.up_result != 0)
		return net.up_result;
	net.owner = owner;
	net.ups++;
	return 0;
}

static void fake_link_input(void *link, struct slice frame)
{
	struct slice v = { (const uint8_t *)&net.answer, 1 };
	struct fault f = { 0 };

	(void)link;
	assert_int_equal(frame.n, 1);
	net.frames++;
	if (net.answer)
		net.last_output = net.owner->output(net.owner->ctx, &v, 1);
	if (net.fail_on_frame) {
		fault_set(&f, VE_ADDRESS, "no DHCP answer");
		net.owner->failed(net.owner->ctx, &f);
	}
}

static void fake_link_room(void *link)
{
	(void)link;
	net.rooms++;
}

static void fake_link_turn_end(void *link)
{
	(void)link;
	net.turn_ends++;
}

static void fake_link_down(void *link)
{
	(void)link;
	net.owner = NULL;
	net.downs++;
}

static const struct link_ops fake_link_ops = {
	fake_link_up, fake_link_input, fake_link_room, fake_link_turn_end, fake_link_down,
};

static void link_gets_address(void)
{
	struct ip a = { .family = IP_V4, .b = { 192, 168, 30, 10 } };

	net.owner->ready(net.owner->ctx, &a);
}

/* --- the tunnel under test ------------------------------------------------------------------------------------ */

static struct {
	uv_loop_t loop;
	struct tunnel *t;
	unsigned ready, lost, over;
	struct fault fault; /* of the last lost() or over() */
} up;

static void on_ready(void *ctx, const struct ip *address)
{
	(void)ctx;
	assert_int_equal(address->b[3], 10);
	up.ready++;
}

static void on_lost(void *ctx, const struct fault *f)
{
	(void)ctx;
	up.fault = *f;
	up.lost++;
}

static void on_over(void *ctx, const struct fault *f)
{
	(void)ctx;
	up.fault = *f;
	up.over++;
}

static const struct tunnel_events events = { on_ready, on_lost, on_over };

static void zeros(void *ctx, void *to, size_t n)
{
	(void)ctx;
	memset(to, 0, n);
}

static const struct session_env env = { zeros, NULL };

static int setup(void **state)
{
	(void)state;
	memset(&wire, 0, sizeof(wire));
	memset(&sess, 0, sizeof(sess));
	memset(&net, 0, sizeof(net));
	memset(&up, 0, sizeof(up));
	wire.out_cap = sizeof(wire.all[0].out);
	sess.tx_cap = 64;
	sess.deadline = UINT64_MAX;
	sess.ops = &fake_ops;
	log_set_level(LOG_ERROR);
	return uv_loop_init(&up.loop);
}

static void start(uint32_t retries, bool retry_first)
{
	static const struct session_conf account = { .user = "alice", .udp_acceleration = UDP_V2 };
	struct tunnel_conf c = {
		.protocol = sess.ops,
		.host = "vpn.example.com",
		.port = 443,
		.rendezvous = wire.rendezvous,
		.session = account,
		.retries = retries,
		.retry_interval_ms = 1,
		.retry_first = retry_first,
	};

	assert_int_equal(tunnel_new(&up.t, &up.loop, &c, NULL, &fake_link_ops, NULL, &env, &events, NULL), 0);
}

/* Frees the tunnel and proves that nothing of it is left. */
static int teardown(void **state)
{
	(void)state;
	tunnel_free(up.t);
	uv_run(&up.loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&up.loop), 0);
	assert_int_equal(wire.opened, wire.closed);
	assert_int_equal(sess.created, sess.destroyed);
	assert_int_equal(net.ups, net.downs);
	return 0;
}

static void come_up(void)
{
	wire_opens();
	wire_brings("R");
	link_gets_address();
	assert_true(up.ready > 0);
}

/* Let the loop go on until the back-off has made a new wire. */
static void wait_for_wire(unsigned opened)
{
	while (wire.opened < opened)
		uv_run(&up.loop, UV_RUN_ONCE);
}

/* --- tests ---------------------------------------------------------------------------------------------------- */

static void test_comes_up(void **state)
{
	(void)state;
	start(UINT32_MAX, false);
	assert_int_equal(wire.opened, 1);
	wire_opens();
	assert_memory_equal(wire.now->out, "hello", 5); /* the session's first request left in the same turn */
	assert_int_equal(wire.now->nout, 5);
	wire_brings("R");
	assert_int_equal(net.ups, 1);
	assert_int_equal(up.ready, 0);
	link_gets_address();
	assert_int_equal(up.ready, 1);
}

static void test_batch_is_one_turn_and_one_flush(void **state)
{
	unsigned flushes;

	(void)state;
	start(UINT32_MAX, false);
	come_up();
	wire.now->nout = 0;
	flushes = wire.now->flushes;
	net.answer = 'a';
	wire_brings("ffff");
	assert_int_equal(net.frames, 4);
	assert_int_equal(net.turn_ends, 1);
	assert_int_equal(wire.now->nout, 4);
	assert_memory_equal(wire.now->out, "aaaa", 4);
	assert_int_equal(wire.now->flushes, flushes + 1);
}

static void test_kick_flushes_once_before_the_loop_sleeps(void **state)
{
	struct slice v = { (const uint8_t *)"q", 1 };
	unsigned flushes;

	(void)state;
	start(UINT32_MAX, false);
	come_up();
	uv_run(&up.loop, UV_RUN_NOWAIT);
	wire.now->nout = 0;
	flushes = wire.now->flushes;
	for (int i = 0; i < 3; i++) {
		assert_int_equal(net.owner->output(net.owner->ctx, &v, 1), 0);
		net.owner->kick(net.owner->ctx);
	}
	assert_int_equal(wire.now->nout, 0);
	uv_run(&up.loop, UV_RUN_NOWAIT);
	assert_int_equal(wire.now->nout, 3);
	assert_int_equal(wire.now->flushes, flushes + 1);
}

static void test_full_wire_leaves_bytes_in_the_session(void **state)
{
	(void)state;
	start(UINT32_MAX, false);
	come_up();
	wire.now->nout = 0;
	wire.out_cap = 2;
	net.answer = 'a';
	wire_brings("fffff");
	assert_int_equal(wire.now->nout, 2);
	assert_int_equal(buf_len(&sess.now->tx[0]), 3);
	wire.now->nout = 0;
	wire.out_cap = sizeof(wire.now->out);
	wire.now->ev->writable(wire.now->ctx);
	assert_int_equal(wire.now->nout, 3);
	assert_int_equal(buf_len(&sess.now->tx[0]), 0);
}

static void test_full_session_says_again_and_room_follows(void **state)
{
	(void)state;
	sess.tx_cap = 5;
	start(UINT32_MAX, false);
	wire.out_cap = 0;
	come_up(); /* "hello" fills tx, and the wire takes nothing */
	net.answer = 'a';
	wire_brings("f");
	assert_int_equal(net.last_output, VE_AGAIN);
	wire_brings("o");
	assert_int_equal(net.rooms, 1);
}

/* A frame of @n bytes with an IPv4 packet for @protocol in it. */
static int send_packet(uint8_t protocol, size_t n)
{
	uint8_t frame[1500] = { [0] = 0x45, [9] = protocol };
	struct slice v = { frame, n };

	return net.owner->output(net.owner->ctx, &v, 1);
}

/* The same in Ethernet, with and without a VLAN's tag. */
static int send_ethernet(uint16_t type, bool tagged, uint8_t version, uint8_t protocol, size_t n)
{
	uint8_t frame[1500] = { 0 };
	size_t at = tagged ? 18 : 14;
	struct slice v = { frame, n };

	if (tagged)
		store_be16(frame + 12, 0x8100);
	store_be16(frame + at - 2, type);
	frame[at] = (uint8_t)(version << 4);
	frame[at + (version == 4 ? 9 : 6)] = protocol;
	return net.owner->output(net.owner->ctx, &v, 1);
}

static void come_up_crowded(enum link_kind kind)
{
	static struct session_ops ops;

	ops = fake_ops;
	ops.link = kind;
	sess.ops = &ops;
	sess.tx_cap = 8000;
	start(UINT32_MAX, false);
	come_up();
	wire.now->nout = 0;
	wire.out_cap = 0;
	wire.now->backlog = 1000;
}

/* Behind a wire that is full, bulk waits in lwIP; what cannot wait, or should not, goes on. */
static void test_full_wire_holds_bulk_back(void **state)
{
	(void)state;
	come_up_crowded(LINK_IP);
	assert_int_equal(send_packet(6, 600), 0);
	assert_int_equal(send_packet(6, 600), 0); /* the one that fills it up */
	assert_int_equal(send_packet(6, 600), VE_AGAIN);
	assert_int_equal(send_packet(6, 257), VE_AGAIN);
	assert_int_equal(send_packet(6, 256), 0);
	assert_int_equal(send_packet(6, 40), 0);
	assert_int_equal(send_packet(17, 600), 0);
	assert_int_equal(net.rooms, 0);
	wire.out_cap = 2000;
	wire.now->ev->writable(wire.now->ctx);
	assert_int_equal(wire.now->nout, 1200 + 256 + 40 + 504);
	assert_int_equal(net.rooms, 1); /* 96 are left */
	assert_int_equal(send_packet(6, 950), 0);
	assert_int_equal(send_packet(6, 600), VE_AGAIN);
	wire.now->backlog = 0; /* it takes something again, and need not have asked for it */
	wire.out_cap = sizeof(wire.now->out);
	wire.now->ev->readable(wire.now->ctx);
	assert_int_equal(net.rooms, 2);
	assert_int_equal(send_packet(6, 1400), 0);
	wire.now->ev->readable(wire.now->ctx);
	assert_int_equal(net.rooms, 2); /* nobody was refused */
}

static void test_what_can_wait_in_ethernet(void **state)
{
	(void)state;
	come_up_crowded(LINK_ETHERNET);
	assert_int_equal(send_ethernet(0x0800, false, 4, 6, 1400), 0);
	assert_int_equal(send_ethernet(0x0800, false, 4, 6, 1400), VE_AGAIN);
	assert_int_equal(send_ethernet(0x0800, true, 4, 6, 1400), VE_AGAIN);
	assert_int_equal(send_ethernet(0x86dd, false, 6, 6, 1400), VE_AGAIN);
	assert_int_equal(send_ethernet(0x86dd, true, 6, 6, 1400), VE_AGAIN);
	assert_int_equal(send_ethernet(0x0800, false, 4, 17, 300), 0);
	assert_int_equal(send_ethernet(0x86dd, false, 6, 17, 300), 0);
	assert_int_equal(send_ethernet(0x86dd, false, 6, 58, 300), 0);
	assert_int_equal(send_ethernet(0x0806, false, 4, 6, 300), 0); /* ARP */
	assert_int_equal(send_ethernet(0x0800, false, 5, 6, 300), 0); /* no version of IP */
	assert_int_equal(net.rooms, 0);
}

/* As long as one wire takes something, the session chooses. */
static void test_one_full_wire_of_two_holds_nothing_back(void **state)
{
	(void)state;
	come_up_crowded(LINK_IP);
	wire_brings("1");
	opens(&wire.all[1]);
	assert_int_equal(send_packet(6, 1400), 0);
	assert_int_equal(send_packet(6, 1400), 0);
	assert_int_equal(send_packet(6, 1400), 0);
	wire.all[1].backlog = 1000;
	assert_int_equal(send_packet(6, 1400), VE_AGAIN);
	ends(&wire.all[1], VE_LOST, "reset");
	assert_int_equal(net.rooms, 0);
}

static void test_deadline_ticks_and_the_tick_is_sent(void **state)
{
	(void)state;
	sess.deadline = 0; /* in the past */
	start(UINT32_MAX, false);
	wire_opens();
	wire.now->nout = 0;
	while (sess.ticks == 0)
		uv_run(&up.loop, UV_RUN_ONCE);
	assert_int_equal(sess.ticks, 1);
	assert_memory_equal(wire.now->out, "tick", 4);
}

static void test_first_connect_is_not_retried_by_default(void **state)
{
	(void)state;
	start(UINT32_MAX, false);
	wire_ends(VE_CONNECT, "connection refused");
	assert_int_equal(up.over, 1);
	assert_int_equal(up.lost, 0);
	assert_int_equal(up.fault.err, VE_CONNECT);
	assert_string_equal(up.fault.text, "connection refused");
}

static void test_first_connect_is_retried_when_asked(void **state)
{
	(void)state;
	start(2, true);
	wire_ends(VE_CONNECT, "connection refused");
	assert_int_equal(up.lost, 1);
	wait_for_wire(2);
	wire_ends(VE_CONNECT, "connection refused");
	wait_for_wire(3);
	wire_ends(VE_CONNECT, "connection refused");
	assert_int_equal(up.lost, 2);
	assert_int_equal(up.over, 1);
	assert_int_equal(up.fault.err, VE_CONNECT); /* never up: the reason, not "lost" */
}

static void test_final_fault_is_never_retried(void **state)
{
	(void)state;
	start(UINT32_MAX, true);
	wire_opens();
	wire_brings("X");
	assert_int_equal(up.over, 1);
	assert_int_equal(up.fault.err, VE_AUTH);
	assert_int_equal(wire.closed, 1);
}

static void test_lost_tunnel_comes_back(void **state)
{
	(void)state;
	start(UINT32_MAX, false);
	come_up();
	wire_brings("x");
	assert_int_equal(up.lost, 1);
	assert_string_equal(up.fault.text, "kicked");
	assert_int_equal(net.downs, 1);
	assert_int_equal(sess.destroyed, 1);
	wait_for_wire(2);
	come_up();
	assert_int_equal(up.ready, 2);
	assert_int_equal(up.over, 0);
}

static void test_lost_with_no_retries_is_lost(void **state)
{
	(void)state;
	start(0, true);
	come_up();
	wire_ends(VE_EOF, "closed by the server");
	assert_int_equal(up.over, 1);
	assert_int_equal(up.fault.err, VE_LOST);
	assert_string_equal(up.fault.text, "the server ended the session"); /* the session's words, not the wire's */
}

static void test_reset_speaks_for_itself_but_not_during_the_login(void **state)
{
	(void)state;
	start(0, false);
	wire_opens();
	wire_ends(VE_LOST, "connection reset");
	assert_string_equal(up.fault.text, "the server ended the session");
	tunnel_free(up.t);
	uv_run(&up.loop, UV_RUN_DEFAULT);

	start(0, false);
	come_up();
	wire_ends(VE_LOST, "connection reset");
	assert_string_equal(up.fault.text, "connection reset");
}

static void test_final_fault_after_loss_keeps_its_code(void **state)
{
	(void)state;
	start(UINT32_MAX, false);
	come_up();
	wire_brings("x");
	wait_for_wire(2);
	wire_opens();
	wire_brings("X");
	assert_int_equal(up.over, 1);
	assert_int_equal(up.fault.err, VE_AUTH);
}

static void test_bytes_before_the_end_still_count(void **state)
{
	(void)state;
	start(0, false);
	come_up();
	memcpy(wire.now->in, "ffX", 3);
	wire.now->nin = 3;
	wire_ends(VE_EOF, "closed by the server");
	assert_int_equal(net.frames, 2);
	assert_int_equal(up.fault.err, VE_AUTH);
}

static void test_link_failure_inside_input_ends_the_attempt_later(void **state)
{
	(void)state;
	start(0, false);
	wire_opens();
	net.fail_on_frame = true;
	wire_brings("Rfff");
	assert_int_equal(net.frames, 1); /* no frame is delivered after the failure */
	assert_int_equal(up.over, 1);
	assert_int_equal(up.fault.err, VE_ADDRESS);
}

static void test_link_that_cannot_start(void **state)
{
	(void)state;
	net.up_result = VE_NOMEM;
	start(0, false);
	wire_opens();
	wire_brings("R");
	assert_int_equal(up.over, 1);
	assert_int_equal(up.fault.err, VE_NOMEM);
	assert_int_equal(net.downs, 0);
}

static void test_session_that_cannot_start(void **state)
{
	(void)state;
	sess.create_result = VE_USAGE;
	start(UINT32_MAX, true);
	wire_opens();
	assert_int_equal(up.over, 1);
	assert_int_equal(up.fault.err, VE_USAGE);
}

static void test_stop_says_goodbye(void **state)
{
	(void)state;
	start(UINT32_MAX, true);
	come_up();
	wire.now->nout = 0;
	tunnel_stop(up.t);
	tunnel_stop(up.t);
	uv_run(&up.loop, UV_RUN_NOWAIT);
	assert_memory_equal(wire.now->out, "bye", 3);
	assert_int_equal(up.over, 1);
	assert_int_equal(up.fault.err, VE_CANCELED);
}

static void test_stop_while_connecting_and_while_waiting(void **state)
{
	(void)state;
	start(UINT32_MAX, true);
	wire_ends(VE_CONNECT, "connection refused");
	assert_int_equal(up.lost, 1);
	tunnel_stop(up.t);
	uv_run(&up.loop, UV_RUN_NOWAIT);
	assert_int_equal(up.over, 1);
	tunnel_free(up.t);
	uv_run(&up.loop, UV_RUN_DEFAULT);

	up.over = 0;
	start(UINT32_MAX, true);
	tunnel_stop(up.t);
	uv_run(&up.loop, UV_RUN_NOWAIT);
	assert_int_equal(up.over, 1);
	assert_int_equal(up.fault.err, VE_CANCELED);
}

static void test_stop_without_an_answer_ends_all_the_same(void **state)
{
	(void)state;
	sess.silent_goodbye = true;
	start(UINT32_MAX, true);
	come_up();
	tunnel_stop(up.t);
	while (up.over == 0)
		uv_run(&up.loop, UV_RUN_ONCE);
	assert_int_equal(up.fault.err, VE_CANCELED);
}

/* The goodbye takes a timer of the session: SSTP's does, if the server does not answer. */
static void test_timers_run_while_stopping(void **state)
{
	(void)state;
	sess.silent_goodbye = true;
	start(UINT32_MAX, true);
	come_up();
	wire.now->nout = 0;
	sess.deadline = 0; /* of the goodbye */
	tunnel_stop(up.t);
	while (sess.ticks == 0 && up.over == 0)
		uv_run(&up.loop, UV_RUN_ONCE);
	assert_int_equal(up.over, 0);
	assert_int_equal(wire.now->nout, 7);
	assert_memory_equal(wire.now->out, "byetick", 7);
	wire_brings("x");
	assert_int_equal(up.over, 1);
}

/* But not for ever, even if there is always another timer. */
static void test_timers_do_not_prolong_the_stop(void **state)
{
	(void)state;
	sess.silent_goodbye = true;
	sess.ticks_for_ever = true;
	start(UINT32_MAX, true);
	come_up();
	sess.deadline = 0;
	tunnel_stop(up.t);
	while (up.over == 0)
		uv_run(&up.loop, UV_RUN_ONCE);
	assert_int_equal(up.fault.err, VE_CANCELED);
	assert_true(sess.ticks > 1);
}

/* --- several channels ----------------------------------------------------------------------------------------- */

static void test_dials(void **state)
{
	static const struct endpoint elsewhere = { { IP_V4, { 192, 0, 2, 9 } }, 992 };
	uint8_t cert[32];

	(void)state;
	memset(cert, 0xce, sizeof(cert));
	start(0, false);
	come_up();
	wire_brings("1");
	assert_int_equal(wire.opened, 2);
	assert_true(endpoint_equal(&wire.all[1].to, &server_at)); /* where channel 0 went */
	assert_true(wire.all[1].has_only);
	assert_memory_equal(wire.all[1].only, cert, 32);
	sess.dial_to = elsewhere;
	wire_brings("2");
	assert_true(endpoint_equal(&wire.all[2].to, &elsewhere));
	opens(&wire.all[2]);
	opens(&wire.all[1]);
	assert_int_equal(sess.opened[1], 1);
	assert_int_equal(sess.opened[2], 1);
	assert_true(endpoint_equal(&sess.facts.peer, &server_at));
	assert_int_equal(wire.all[1].nout, 5);
	assert_memory_equal(wire.all[1].out, "again", 5);
	assert_int_equal(up.ready, 1);
	assert_int_equal(net.ups, 1);
	assert_int_equal(sess.created, 1);
}

/* Whatever came by whichever channel, it is one turn for the link and one flush for each wire. */
static void test_channels_share_a_turn(void **state)
{
	unsigned flushes[3];

	(void)state;
	start(0, false);
	come_up();
	wire_brings("12");
	opens(&wire.all[1]);
	opens(&wire.all[2]);
	net.turn_ends = 0;
	net.answer = 'a';
	for (unsigned i = 0; i < 3; i++) {
		flushes[i] = wire.all[i].flushes;
		wire.all[i].nout = 0;
	}
	memcpy(wire.all[2].in, "fff", 3);
	wire.all[2].nin = 3;
	brings(&wire.all[1], "ff");
	assert_int_equal(net.frames, 2); /* nobody said that the other is readable */
	brings(&wire.all[2], "f");
	assert_int_equal(net.frames, 6);
	assert_int_equal(net.turn_ends, 2);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(wire.all[i].flushes, flushes[i] + 2);
	assert_int_equal(wire.all[0].nout + wire.all[1].nout + wire.all[2].nout, 6);
	assert_true(wire.all[1].nout > 0 && wire.all[2].nout > 0);
}

static void test_one_channel_ends_and_the_others_go_on(void **state)
{
	(void)state;
	sess.goes_on = true;
	start(0, false);
	come_up();
	wire_brings("12");
	opens(&wire.all[1]);
	opens(&wire.all[2]);
	memcpy(wire.all[1].in, "ff", 2);
	wire.all[1].nin = 2;
	ends(&wire.all[1], VE_LOST, "connection reset");
	assert_int_equal(net.frames, 2); /* what came before the end still counts */
	assert_int_equal(sess.closed[1], 1);
	assert_string_equal(sess.closed_by.text, "connection reset");
	assert_int_equal(wire.closed, 1);
	brings(&wire.all[2], "f");
	wire_brings("f");
	assert_int_equal(net.frames, 4);
	wire_brings("1"); /* the number is free again */
	opens(&wire.all[3]);
	assert_int_equal(sess.opened[1], 2);
	assert_int_equal(up.lost + up.over, 0);
}

/* The first wire goes, another takes its place: same session, same link, nobody above notices. */
static void test_first_channel_is_dialed_again(void **state)
{
	(void)state;
	sess.goes_on = true;
	start(0, false);
	come_up();
	wire_ends(VE_LOST, "connection reset");
	assert_int_equal(wire.opened, 2);
	assert_true(wire.all[1].has_only);
	assert_true(endpoint_equal(&wire.all[1].to, &server_at));
	opens(&wire.all[1]);
	brings(&wire.all[1], "ff");
	assert_int_equal(net.frames, 2);
	assert_int_equal(sess.opened[0], 1);
	assert_int_equal(sess.created, 1);
	assert_int_equal(net.ups, 1);
	assert_int_equal(net.downs, 0);
	assert_int_equal(up.ready, 1);
	assert_int_equal(up.lost, 0);
}

/* Servers mind dials that come too fast: a session may take its time, as long as it has a time. */
static void test_first_channel_is_dialed_again_later(void **state)
{
	(void)state;
	sess.goes_on_later = true;
	start(0, false);
	come_up();
	wire_ends(VE_LOST, "connection reset");
	assert_int_equal(wire.opened, 1);
	assert_int_equal(up.over, 0);
	while (wire.opened == 1)
		uv_run(&up.loop, UV_RUN_ONCE);
	ends(&wire.all[1], VE_CONNECT, "network is unreachable");
	while (wire.opened == 2)
		uv_run(&up.loop, UV_RUN_ONCE);
	opens(&wire.all[2]);
	brings(&wire.all[2], "f");
	assert_int_equal(net.frames, 1);
	assert_int_equal(net.downs, 0);
	assert_int_equal(up.over + up.lost, 0);
}

static void test_dial_that_fails(void **state)
{
	(void)state;
	sess.goes_on = true;
	start(0, false);
	come_up();
	wire_brings("1");
	ends(&wire.all[1], VE_CONNECT, "connection refused");
	assert_int_equal(sess.closed[1], 1);
	assert_int_equal(sess.closed_by.err, VE_CONNECT);
	wire.open_result = VE_NOMEM;
	wire_brings("2f");
	assert_int_equal(sess.closed[2], 1);
	assert_int_equal(sess.closed_by.err, VE_NOMEM);
	assert_int_equal(net.frames, 1);
	assert_int_equal(up.over, 0);
}

/* No channel left, and the session has nothing to say about it. */
static void test_last_channel_speaks_for_an_indifferent_session(void **state)
{
	(void)state;
	sess.indifferent = true;
	start(0, false);
	come_up();
	wire_brings("1");
	opens(&wire.all[1]);
	wire_ends(VE_LOST, "connection reset");
	assert_int_equal(up.over, 0);
	brings(&wire.all[1], "f");
	assert_int_equal(net.frames, 1);
	ends(&wire.all[1], VE_LOST, "network is unreachable");
	assert_int_equal(up.over, 1);
	assert_string_equal(up.fault.text, "network is unreachable");
}

static void test_hangup_sends_first(void **state)
{
	(void)state;
	start(0, false);
	come_up();
	wire_brings("1");
	opens(&wire.all[1]);
	wire.all[1].nout = 0;
	wire_brings("h");
	assert_false(wire.all[1].open);
	assert_int_equal(wire.all[1].nout, 3);
	assert_memory_equal(wire.all[1].out, "end", 3);
	assert_int_equal(sess.closed[1], 0);
	assert_int_equal(up.over, 0);
	sess.now->has[1] = false;
	wire_brings("1f");
	opens(&wire.all[2]);
	assert_int_equal(sess.opened[1], 2);
}

/* The channel's own last bytes ask for it, and it ends at the same time. */
static void test_hangup_of_a_channel_that_ends(void **state)
{
	(void)state;
	start(0, false);
	come_up();
	wire_brings("1");
	opens(&wire.all[1]);
	memcpy(wire.all[1].in, "fhf", 3);
	wire.all[1].nin = 3;
	ends(&wire.all[1], VE_EOF, "closed");
	assert_int_equal(sess.closed[1], 0);
	assert_int_equal(wire.closed, 1);
	assert_int_equal(up.over, 0);
	/* and before it is up: there is nothing to be sent */
	sess.now->has[1] = false;
	wire_brings("1");
	buf_consume(&sess.now->tx[1], buf_len(&sess.now->tx[1]));
	wire_brings("h");
	assert_false(wire.all[2].open);
	assert_int_equal(wire.all[2].nout, 0);
}

static void test_all_channels_end_with_the_session(void **state)
{
	(void)state;
	start(UINT32_MAX, false);
	come_up();
	wire_brings("12");
	opens(&wire.all[1]);
	brings(&wire.all[1], "x"); /* wire 2 is still connecting */
	assert_int_equal(wire.closed, 3);
	assert_int_equal(up.lost, 1);
	wait_for_wire(4);
	come_up();
}

/* Each of our ports needs its own way through the NAT. */
static void test_rendezvous_for_each_wire(void **state)
{
	(void)state;
	wire.rendezvous = "rendezvous.example.net";
	start(0, false);
	come_up();
	wire_brings("1");
	assert_int_equal(wire.all[1].to.ip.family, IP_NONE);
	opens(&wire.all[1]);
}

/* --- datagrams ------------------------------------------------------------------------------------------------ */

/* A socket on 127.0.0.1 for the other side. */
static int peer_open(struct endpoint *at)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(a);
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &len), 0);
	*at = (struct endpoint){ { IP_V4, { 127, 0, 0, 1 } }, ntohs(a.sin_port) };
	return fd;
}

static void peer_send(int fd, uint16_t port, const char *text)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
				 .sin_port = htons(port) };

	assert_int_equal(sendto(fd, text, strlen(text), 0, (struct sockaddr *)&a, sizeof(a)), strlen(text));
}

static void test_datagrams_come_in(void **state)
{
	struct endpoint at;
	int fd = peer_open(&at);

	(void)state;
	sess.ops = &datagram_ops;
	start(0, false);
	come_up();
	assert_int_not_equal(sess.facts.udp_port, 0);
	net.turn_ends = 0;
	for (unsigned i = 0; i < 3; i++)
		peer_send(fd, sess.facts.udp_port, "ff");
	while (sess.datagrams_in < 3)
		uv_run(&up.loop, UV_RUN_ONCE);
	assert_int_equal(net.frames, 6);
	assert_int_equal(sess.path_in, SESSION_PATH_UDP);
	assert_true(endpoint_equal(&sess.from, &at));
	uv_run(&up.loop, UV_RUN_NOWAIT);
	assert_int_equal(net.turn_ends, 1);
	/* one that ends the session */
	peer_send(fd, sess.facts.udp_port, "X");
	while (up.over == 0)
		uv_run(&up.loop, UV_RUN_ONCE);
	assert_int_equal(up.fault.err, VE_AUTH);
	close(fd);
}

static void test_datagrams_go_out(void **state)
{
	uint8_t byte[16];
	unsigned got = 0;
	int fd = peer_open(&sess.send_to);

	(void)state;
	sess.ops = &datagram_ops;
	sess.to_send[0] = 50; /* more than a batch */
	sess.to_send[1] = 2;
	start(0, false);
	come_up();
	assert_int_equal(wire.now->datagrams, 2);
	for (ssize_t n; got < 50;) {
		n = recv(fd, byte, sizeof(byte), 0);
		if (n < 0) {
			uv_run(&up.loop, UV_RUN_NOWAIT);
			continue;
		}
		assert_int_equal(n, 4);
		assert_memory_equal(byte, "data", 4);
		got++;
	}
	assert_int_equal(sess.to_send[0], 0);
	close(fd);
}

/* Nobody listens there: that ends nothing. */
static void test_datagrams_into_the_void(void **state)
{
	(void)state;
	close(peer_open(&sess.send_to));
	sess.ops = &datagram_ops;
	start(0, false);
	come_up();
	for (unsigned i = 0; i < 5; i++) {
		sess.to_send[0] = 3;
		net.owner->kick(net.owner->ctx);
		for (unsigned k = 0; k < 3; k++)
			uv_run(&up.loop, UV_RUN_NOWAIT);
		assert_int_equal(sess.to_send[0], 0);
	}
	assert_int_equal(up.over + up.lost, 0);
}

static void test_datagrams_beside_a_wire(void **state)
{
	(void)state;
	sess.ops = &datagram_ops;
	start(0, false);
	come_up();
	wire_brings("2");
	opens(&wire.all[1]);
	wire.all[1].ev->datagram(wire.all[1].ctx, &server_at, (struct slice){ (const uint8_t *)"f", 1 });
	assert_int_equal(sess.path_in, 2);
	assert_int_equal(net.frames, 1);
	net.turn_ends = 0;
	uv_run(&up.loop, UV_RUN_NOWAIT);
	assert_int_equal(net.turn_ends, 1);
}

/* A protocol without datagrams, and one whose user does not want them. */
static void test_no_datagrams(void **state)
{
	(void)state;
	start(0, false);
	come_up();
	assert_int_equal(sess.facts.udp_port, 0);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_comes_up),
		T(test_batch_is_one_turn_and_one_flush),
		T(test_kick_flushes_once_before_the_loop_sleeps),
		T(test_full_wire_leaves_bytes_in_the_session),
		T(test_full_session_says_again_and_room_follows),
		T(test_full_wire_holds_bulk_back),
		T(test_what_can_wait_in_ethernet),
		T(test_one_full_wire_of_two_holds_nothing_back),
		T(test_deadline_ticks_and_the_tick_is_sent),
		T(test_first_connect_is_not_retried_by_default),
		T(test_first_connect_is_retried_when_asked),
		T(test_final_fault_is_never_retried),
		T(test_lost_tunnel_comes_back),
		T(test_lost_with_no_retries_is_lost),
		T(test_reset_speaks_for_itself_but_not_during_the_login),
		T(test_final_fault_after_loss_keeps_its_code),
		T(test_bytes_before_the_end_still_count),
		T(test_link_failure_inside_input_ends_the_attempt_later),
		T(test_link_that_cannot_start),
		T(test_session_that_cannot_start),
		T(test_stop_says_goodbye),
		T(test_stop_while_connecting_and_while_waiting),
		T(test_stop_without_an_answer_ends_all_the_same),
		T(test_timers_run_while_stopping),
		T(test_timers_do_not_prolong_the_stop),
		T(test_dials),
		T(test_channels_share_a_turn),
		T(test_one_channel_ends_and_the_others_go_on),
		T(test_first_channel_is_dialed_again),
		T(test_first_channel_is_dialed_again_later),
		T(test_dial_that_fails),
		T(test_last_channel_speaks_for_an_indifferent_session),
		T(test_hangup_sends_first),
		T(test_hangup_of_a_channel_that_ends),
		T(test_all_channels_end_with_the_session),
		T(test_rendezvous_for_each_wire),
		T(test_datagrams_come_in),
		T(test_datagrams_go_out),
		T(test_datagrams_into_the_void),
		T(test_datagrams_beside_a_wire),
		T(test_no_datagrams),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
