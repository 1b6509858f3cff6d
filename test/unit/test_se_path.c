/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_se_path.c - a SoftEther session with datagrams and compression: UDP acceleration, bulk over R-UDP, zlib.
 *
 * The other end of UDP acceleration is the same machine with the two sides' terms exchanged; what it says on the wire is
 * checked against the published vectors in its own test. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/softether/rudp_bulk.h"
#include "core/softether/se_udp.h"
#include "core/softether/se_zip.h"
#include "test/unit/se_world.inc.h"

#define UDP_PORT 50123u
#define SERVER_PORT 40000u
#define DATAGRAMS 256u

static const struct endpoint server = { { IP_V4, { 198, 51, 100, 1 } }, SERVER_PORT };
static const struct endpoint stranger = { { IP_V4, { 203, 0, 113, 66 } }, 6666 };
static const uint8_t bytes[FRAME_MAX] = { 1, 2, 3 };

/* What the session has sent as datagrams, copied. */
struct sent {
	uint32_t path;
	struct endpoint to;
	size_t n;
	uint8_t bytes[SE_UDP_DATAGRAM_MAX];
};

struct udp_world {
	struct world w;
	struct se_udp *peer;
	struct se_udp_terms terms; /* the peer's */
	struct sent sent[DATAGRAMS];
	unsigned nsent;
};

static void collect(struct udp_world *u)
{
	struct session_datagram d;

	u->nsent = 0;
	while (u->w.ops->datagram_out(u->w.s, &d, u->w.now)) {
		struct sent *s = &u->sent[u->nsent];

		assert_true(u->nsent < DATAGRAMS);
		assert_in_range(d.bytes.n, 1, sizeof(s->bytes));
		*s = (struct sent){ .path = d.path, .to = d.to, .n = d.bytes.n };
		memcpy(s->bytes, d.bytes.p, d.bytes.n);
		u->nsent++;
		take_events(&u->w);
	}
}

static void get_data(const struct se_request *req, const char *name, void *to, size_t n)
{
	const uint8_t *p;
	size_t size;

	assert_int_equal(se_peer_find(req->body, req->size, name, &p, &size), 1);
	assert_int_equal(size, n);
	memcpy(to, p, n);
}

static bool asks_for_udp(const struct se_request *req)
{
	const uint8_t *p;
	size_t n;

	return se_peer_find(req->body, req->size, "use_udp_acceleration", &p, &n) >= 0;
}

/* The server's half, 8.1. */
static void grant_udp(struct se_bytes *b, const struct udp_world *u)
{
	se_peer_int(b, "use_udp_acceleration", 1);
	se_peer_int(b, "udp_acceleration_version", u->terms.version);
	se_peer_int(b, "udp_acceleration_server_ip", 0);
	se_peer_int(b, "udp_acceleration_server_ip@ipv6_bool", 0);
	se_peer_int(b, "udp_acceleration_server_port", SERVER_PORT);
	se_peer_data(b, "udp_acceleration_server_key", u->terms.our_key1, sizeof(u->terms.our_key1));
	se_peer_data(b, "udp_acceleration_server_key_v2", u->terms.our_key2, sizeof(u->terms.our_key2));
	se_peer_int(b, "udp_acceleration_server_cookie", u->terms.our_cookie);
	se_peer_int(b, "udp_acceleration_client_cookie", u->terms.their_cookie);
	se_peer_int(b, "udp_acceleration_use_encryption", 1);
	se_peer_int(b, "udp_accel_fast_disconnect_detect", 1);
}

static void up_with(struct udp_world *u, enum udp_acceleration wanted, unsigned version, bool compress)
{
	struct se_peer_grants g = { .timeout_ms = 20000, .max_connection = 2, .use_compress = compress };
	struct se_bytes b = { 0 };
	struct se_request req;

	u->peer = NULL;
	world_init(&u->w, 2);
	u->w.conf.udp_acceleration = wanted;
	u->w.conf.compress = compress;
	u->w.wire[0].udp_port = UDP_PORT;
	world_start(&u->w);
	give_hello(&u->w, 0);
	req = request_on(&u->w, 0);
	assert_true(asks_for_udp(&req));
	u->terms = (struct se_udp_terms){ .version = version, .fast = true, .our_cookie = 0x11111111,
					  .their_cookie = 0x22222222 };
	get_data(&req, "udp_acceleration_client_key", u->terms.their_key1, sizeof(u->terms.their_key1));
	get_data(&req, "udp_acceleration_client_key_v2", u->terms.their_key2, sizeof(u->terms.their_key2));
	memset(u->terms.our_key1, 0x51, sizeof(u->terms.our_key1));
	memset(u->terms.our_key2, 0x52, sizeof(u->terms.our_key2));
	u->terms.primary = (struct endpoint){ u->w.wire[0].local.ip, UDP_PORT };
	assert_int_equal(se_udp_new(&u->peer, &u->terms, &u->w.env, u->w.now), 0);
	se_peer_welcome_with(&b, &g);
	grant_udp(&b, u);
	give_answer(&u->w, 0, &b);
	assert_int_equal(u->w.ready, 1);
}

static void udp_fini(struct udp_world *u)
{
	se_udp_free(u->peer);
	world_fini(&u->w);
}

/* What both sides have to say now; TCP lives too. Returns how many frames came out at the peer. */
static unsigned exchange(struct udp_world *u, bool path_works)
{
	uint8_t to[SE_UDP_DATAGRAM_MAX];
	struct endpoint from = u->terms.primary, at_ours;
	unsigned frames = 0;
	size_t n;

	collect(u);
	for (unsigned i = 0; i < u->nsent && path_works; i++) {
		struct slice d = { u->sent[i].bytes, u->sent[i].n }, frame;
		bool zipped;

		assert_int_equal(u->sent[i].path, SESSION_PATH_UDP);
		frames += se_udp_input(u->peer, &from, d, &frame, &zipped, u->w.now) > 0;
	}
	while ((n = se_udp_keepalive(u->peer, to, &at_ours, u->w.now)) > 0) {
		struct slice d = { to, n };

		if (path_works)
			u->w.ops->datagram_in(u->w.s, SESSION_PATH_UDP, &server, d, u->w.now);
		take_events(&u->w);
	}
	return frames;
}

static void pass(struct udp_world *u, unsigned ms, bool path_works)
{
	for (unsigned i = 0; i < ms; i += 100) {
		u->w.now += 100;
		for (unsigned k = 0; k < 2 && i % 1000 == 0; k++) {
			if (u->w.open[k])
				give_empty_unit(&u->w, k);
		}
		u->w.ops->tick(u->w.s, u->w.now);
		take_events(&u->w);
		if (u->w.dialed)
			join(&u->w, only_dial(&u->w), 0);
		(void)exchange(u, path_works);
		send_all(&u->w);
		assert_int_equal(u->w.closed, 0);
	}
}

static int output(struct udp_world *u, size_t n)
{
	struct slice v[2] = { { .p = bytes, .n = n / 2 }, { .p = bytes + n / 2, .n = n - n / 2 } };

	return u->w.ops->output(u->w.s, v, 2);
}

static size_t waiting(struct udp_world *u)
{
	return u->w.ops->tx_peek(u->w.s, 0).n + u->w.ops->tx_peek(u->w.s, 1).n;
}

/* --- what is asked for -------------------------------------------------------------------------------------------- */

static void test_offer(void **state)
{
	static const struct {
		enum udp_acceleration wanted;
		uint16_t port;
		bool offered;
	} cases[] = { { UDP_OFF, UDP_PORT, false }, { UDP_V2, 0, false }, { UDP_V2, UDP_PORT, true },
		      { UDP_V1, UDP_PORT, true } };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct se_request req;
		struct world w;

		world_init(&w, 1);
		w.conf.udp_acceleration = cases[i].wanted;
		w.wire[0].udp_port = cases[i].port;
		world_start(&w);
		give_hello(&w, 0);
		req = request_on(&w, 0);
		assert_int_equal(asks_for_udp(&req), cases[i].offered);
		world_fini(&w);
	}
}

static void test_no_grant(void **state)
{
	struct udp_world u;

	(void)state;
	up_with(&u, UDP_V2, 1, false); /* the old version, which was not asked for */
	assert_int_equal(u.w.facts.tcp_mss, 0);
	pass(&u, 15000, true);
	assert_int_equal(output(&u, 1000), 0);
	assert_true(waiting(&u) > 1000);
	collect(&u);
	assert_int_equal(u.nsent, 0);
	udp_fini(&u);
}

/* --- UDP acceleration --------------------------------------------------------------------------------------------- */

static void test_frames_change_over(void **state)
{
	for (unsigned version = 1; version <= 2; version++) {
		struct udp_world u;

		(void)state;
		up_with(&u, version == 1 ? UDP_V1 : UDP_V2, version, false);
		assert_in_range(u.w.facts.tcp_mss, 1300, 1420);
		assert_int_equal(u.w.facts.mtu, 1500);
		pass(&u, 5000, true);
		assert_int_equal(output(&u, 1000), 0);
		assert_int_equal(exchange(&u, true), 0);
		assert_true(waiting(&u) > 1000); /* not proven for long enough */
		send_all(&u.w);
		pass(&u, 8000, true);
		assert_int_equal(output(&u, 1000), 0);
		assert_int_equal(output(&u, 60), 0);
		assert_int_equal(waiting(&u), 0);
		assert_int_equal(exchange(&u, true), 2);
		/* TCP goes on living */
		u.w.sent[0].n = 0;
		pass(&u, 10000, true);
		assert_true(u.w.sent[0].n > 0);
		/* the path breaks: by TCP again, within the time of 8.6 */
		pass(&u, 2300, false);
		assert_int_equal(output(&u, 1000), 0);
		assert_true(waiting(&u) > 1000);
		udp_fini(&u);
	}
}

static void seal_frame(struct udp_world *u, size_t n, bool zipped, struct sent *ret)
{
	struct slice frame = { bytes, n };

	ret->n = se_udp_seal(u->peer, &frame, 1, zipped, ret->bytes, &ret->to, u->w.now);
	assert_true(ret->n > 0);
}

static void give_datagram(struct udp_world *u, uint32_t path, const struct endpoint *from, const void *p, size_t n)
{
	struct slice d = { p, n };

	u->w.ops->datagram_in(u->w.s, path, from, d, u->w.now);
	take_events(&u->w);
}

static void test_frames_in(void **state)
{
	static const size_t sizes[] = { 1, 13, 14, 60, 1514, FRAME_MAX };
	struct udp_world u;

	(void)state;
	up_with(&u, UDP_V2, 2, false);
	pass(&u, 2000, true);
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		unsigned had = u.w.nframes;
		struct sent d;

		seal_frame(&u, sizes[i], false, &d);
		for (size_t cut = 0; cut < d.n; cut += cut < 60 ? 1 : 97) /* every truncation that can matter */
			give_datagram(&u, SESSION_PATH_UDP, &server, d.bytes, cut);
		assert_int_equal(u.w.nframes, had);
		give_datagram(&u, 0, &server, d.bytes, d.n); /* by another path it is nothing */
		give_datagram(&u, 7, &server, d.bytes, d.n);
		assert_int_equal(u.w.nframes, had);
		give_datagram(&u, SESSION_PATH_UDP, &server, d.bytes, d.n);
		assert_int_equal(u.w.nframes, had + (sizes[i] >= FRAME_MIN));
	}
	udp_fini(&u);
}

static void test_strangers(void **state)
{
	uint8_t noise[200];
	struct udp_world u;

	(void)state;
	up_with(&u, UDP_V2, 2, false);
	pass(&u, 13000, true);
	for (unsigned i = 0; i < 200; i++) {
		memset(noise, (int)i, sizeof(noise));
		give_datagram(&u, SESSION_PATH_UDP, &stranger, noise, i);
	}
	assert_int_equal(u.w.nframes, 0);
	assert_int_equal(output(&u, 100), 0);
	collect(&u);
	assert_true(u.nsent >= 1);
	for (unsigned i = 0; i < u.nsent; i++)
		assert_true(endpoint_equal(&u.sent[i].to, &server)); /* nobody was led astray */
	udp_fini(&u);
}

static void test_full_queue(void **state)
{
	unsigned taken = 0, rooms;
	struct session_datagram d;
	struct udp_world u;

	(void)state;
	up_with(&u, UDP_V2, 2, false);
	pass(&u, 13000, true);
	while (output(&u, 1514) == 0)
		taken++;
	assert_in_range(taken, 60, SESSION_UDP_MAX / 1514);
	assert_int_equal(output(&u, 60), VE_AGAIN);
	rooms = u.w.rooms;
	for (unsigned i = 0; i < taken; i++) {
		assert_true(u.w.ops->datagram_out(u.w.s, &d, u.w.now));
		assert_true(endpoint_equal(&d.to, &server));
		take_events(&u.w);
		if (i < taken / 4)
			assert_int_equal(u.w.rooms, rooms);
	}
	assert_int_equal(u.w.rooms, rooms + 1);
	assert_int_equal(output(&u, 60), 0);
	udp_fini(&u);
}

/* The queue is full when UDP fails: the link hears that TCP has room. */
static void test_full_queue_and_failure(void **state)
{
	unsigned rooms;
	struct udp_world u;

	(void)state;
	up_with(&u, UDP_V2, 2, false);
	pass(&u, 13000, true);
	while (output(&u, 1514) == 0)
		;
	rooms = u.w.rooms;
	for (unsigned i = 0; i < 40 && u.w.rooms == rooms; i++) {
		u.w.now += 100;
		u.w.ops->tick(u.w.s, u.w.now);
		take_events(&u.w);
	}
	assert_int_equal(u.w.rooms, rooms + 1);
	assert_int_equal(output(&u, 1000), 0);
	assert_true(waiting(&u) > 1000);
	udp_fini(&u);
}

/* The port that the server's NAT shows comes by TCP, in pieces of any size. */
static void test_nat_port(void **state)
{
	static const struct {
		const char *hex;
		uint16_t port; /* 0: nothing is learned */
		const char *ip;
	} cases[] = {
		{ "4e4154545f4d595f504f5254 9c99", 40089, "\xc6\x33\x64\x01" },
		{ "4e4154545f4d595f504f5254 9c99 4e4154545f4d595f4950 00000000000000000000ffffcb007117", 40089, "\xcb\x00\x71\x17" },
		{ "4e4154545f4d595f504f5254 9c", 0, NULL },
		{ "4e4154545f4d595f504f5255 9c99", 0, NULL },
		{ "", 0, NULL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct se_bytes filler = { 0 }, unit = { 0 };

		se_bytes_hex(&filler, cases[i].hex);
		se_bytes_hex(&unit, "ffffffff");
		se_bytes_u32(&unit, (uint32_t)filler.n);
		se_bytes_add(&unit, filler.p, filler.n);
		for (size_t cut = 0; cut <= unit.n; cut++) {
			bool found = false;
			struct udp_world u;

			up_with(&u, UDP_V2, 2, false);
			collect(&u);
			give(&u.w, 0, unit.p, cut);
			give(&u.w, 0, unit.p + cut, unit.n - cut);
			at(&u.w, u.w.now);
			u.w.now += 3000;
			collect(&u);
			for (unsigned k = 0; k < u.nsent; k++)
				found = found || (u.sent[k].to.port == 40089 && cases[i].ip &&
						  memcmp(u.sent[k].to.ip.b, cases[i].ip, 4) == 0);
			assert_int_equal(found, cases[i].port != 0);
			udp_fini(&u);
		}
		se_bytes_free(&filler);
		se_bytes_free(&unit);
	}
}

static void test_udp_survives_its_connections(void **state)
{
	static const struct fault broken = { .err = VE_LOST, .text = "reset" };
	struct udp_world u;

	(void)state;
	up_with(&u, UDP_V2, 2, false);
	pass(&u, 13000, true);
	wire_down(&u.w, 0, &broken);
	wire_down(&u.w, 1, &broken);
	assert_int_equal(output(&u, 1000), 0); /* frames go on */
	assert_int_equal(exchange(&u, true), 1);
	join(&u.w, only_dial(&u.w), 0);
	assert_int_equal(u.w.closed, 0);
	udp_fini(&u);
}

/* --- compression -------------------------------------------------------------------------------------------------- */

static void test_compressed_blocks(void **state)
{
	uint8_t zipped[SE_ZIP_MAX], plain[FRAME_MAX];
	struct slice frame = { bytes, 1000 }, out;
	struct se_bytes unit = { 0 };
	struct se_zip *zip;
	struct rd r;
	struct world w;
	struct se_peer_grants g = { .timeout_ms = 20000, .max_connection = 1, .use_compress = 1 };
	struct se_bytes b = { 0 };
	size_t n;

	(void)state;
	assert_int_equal(se_zip_new(&zip), 0);
	world_init(&w, 1);
	w.conf.compress = true;
	world_start(&w);
	give_hello(&w, 0);
	se_peer_welcome_with(&b, &g);
	give_answer(&w, 0, &b);
	assert_int_equal(w.ready, 1);
	w.sent[0].n = 0;
	/* out: one block, which is a stream of its own */
	assert_int_equal(w.ops->output(w.s, &frame, 1), 0);
	send_all(&w);
	r = rd_init(w.sent[0].p, w.sent[0].n);
	assert_int_equal(rd_u32(&r), 1);
	n = rd_u32(&r);
	assert_true(n < 100);
	assert_int_equal(se_zip_inflate(zip, (struct slice){ rd_bytes(&r, n), n }, plain, &out), 0);
	assert_int_equal(out.n, 1000);
	assert_memory_equal(out.p, bytes, 1000);
	assert_true(rd_done(&r));
	/* in, at every split; what does not inflate, or to less than a frame, is dropped */
	n = se_zip_deflate(zip, &frame, 1, zipped);
	se_peer_frame(&unit, bytes, 60);
	se_peer_frame(&unit, zipped, n - 1);
	se_peer_frame(&unit, zipped, n);
	frame.n = 13;
	n = se_zip_deflate(zip, &frame, 1, zipped);
	se_peer_frame(&unit, zipped, n);
	for (size_t cut = 0; cut <= unit.n; cut++) {
		unsigned had = w.nframes;

		w.frames.n = 0;
		give(&w, 0, unit.p, cut);
		give(&w, 0, unit.p + cut, unit.n - cut);
		assert_int_equal(w.nframes, had + 1);
		assert_int_equal(w.frames.n, 1004);
		assert_memory_equal(w.frames.p + 4, bytes, 1000);
	}
	frame.n = 13;
	assert_int_equal(w.ops->output(w.s, &frame, 1), VE_LIMIT);
	frame.n = FRAME_MAX;
	assert_int_equal(w.ops->output(w.s, &frame, 1), 0);
	se_zip_free(zip);
	se_bytes_free(&unit);
	world_fini(&w);
}

static void test_compressed_datagrams(void **state)
{
	uint8_t zipped[SE_ZIP_MAX], noise[500];
	struct se_zip *zip;
	struct slice frame = { bytes, 1000 };
	struct udp_world u;
	struct sent d;
	size_t n;

	(void)state;
	assert_int_equal(se_zip_new(&zip), 0);
	up_with(&u, UDP_V2, 2, true);
	pass(&u, 13000, true);
	assert_int_equal(output(&u, 1000), 0);
	collect(&u);
	assert_true(u.nsent > 0 && u.sent[0].n < 200);
	/* what does not get smaller goes as it is */
	for (size_t i = 0; i < sizeof(noise); i++)
		noise[i] = (uint8_t)(i * i * 31 + i * 7 + (i >> 3) * 113);
	frame = (struct slice){ noise, sizeof(noise) };
	assert_int_equal(u.w.ops->output(u.w.s, &frame, 1), 0);
	collect(&u);
	assert_true(u.nsent > 0);
	frame = (struct slice){ bytes, 1000 };
	n = se_zip_deflate(zip, &frame, 1, zipped);
	frame = (struct slice){ zipped, n };
	d.n = se_udp_seal(u.peer, &frame, 1, true, d.bytes, &d.to, u.w.now);
	give_datagram(&u, SESSION_PATH_UDP, &server, d.bytes, d.n);
	assert_int_equal(u.w.nframes, 1);
	assert_int_equal(u.w.frames.n, 1004);
	seal_frame(&u, 60, true, &d); /* marked as compressed, and is not */
	give_datagram(&u, SESSION_PATH_UDP, &server, d.bytes, d.n);
	assert_int_equal(u.w.nframes, 1);
	seal_frame(&u, 60, false, &d);
	give_datagram(&u, SESSION_PATH_UDP, &server, d.bytes, d.n);
	assert_int_equal(u.w.nframes, 2);
	se_zip_free(zip);
	udp_fini(&u);
}

/* --- bulk over R-UDP ---------------------------------------------------------------------------------------------- */

static void up_rudp(struct world *w, size_t key_size, uint32_t recovery)
{
	struct se_peer_grants g = { .timeout_ms = 20000, .max_connection = 2 };
	uint8_t send_key[32], recv_key[32];
	struct se_bytes b = { 0 };

	memset(send_key, 0x31, sizeof(send_key));
	memset(recv_key, 0x32, sizeof(recv_key));
	world_init(w, 1);
	w->ops = &softether_udp_session_ops;
	for (unsigned k = 0; k < WIRES; k++)
		w->wire[k].carries_datagrams = true;
	world_start(w);
	assert_ptr_equal(w->s->ops, &softether_udp_session_ops);
	give_hello(w, 0);
	se_peer_welcome_with(&b, &g);
	se_peer_int(&b, "enable_udp_recovery", recovery);
	if (key_size > 0) {
		se_peer_int(&b, "enable_bulk_on_rudp", 1);
		se_peer_int(&b, "enable_hmac_on_bulk_of_rudp", 1);
		se_peer_int(&b, "rudp_bulk_version", 0);
		se_peer_data(&b, "bulk_on_rudp_send_key", send_key, key_size);
		se_peer_data(&b, "bulk_on_rudp_recv_key", recv_key, key_size);
	}
	give_answer(w, 0, &b);
	assert_int_equal(w->ready, 1);
}

static void test_bulk(void **state)
{
	static const size_t sizes[] = { 20, 32 };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		uint8_t ours[32], theirs[32], to[RUDP_BULK_DATAGRAM_MAX];
		struct slice frame = { bytes, 1000 }, out;
		struct rudp_bulk peer;
		struct session_datagram d;
		struct world w;
		bool zipped;
		size_t n;

		memset(ours, 0x31, sizeof(ours));
		memset(theirs, 0x32, sizeof(theirs));
		up_rudp(&w, sizes[i], 1);
		assert_int_equal(w.facts.tcp_mss, 1277);
		assert_int_equal(rudp_bulk_init(&peer, (struct slice){ theirs, sizes[i] }, (struct slice){ ours, sizes[i] },
						true, &w.env), 0);
		assert_int_equal(w.ops->output(w.s, &frame, 1), 0);
		assert_int_equal(w.ops->tx_peek(w.s, 0).n, 0);
		assert_true(w.ops->datagram_out(w.s, &d, w.now));
		assert_int_equal(d.path, 0);
		assert_int_equal(rudp_bulk_open(&peer, d.bytes, to, &out, &zipped), 0);
		assert_int_equal(out.n, 1000);
		assert_false(zipped);
		n = rudp_bulk_seal(&peer, &frame, 1, false, to);
		w.ops->datagram_in(w.s, 0, &server, (struct slice){ to, n }, w.now);
		take_events(&w);
		assert_int_equal(w.nframes, 1);
		w.ops->datagram_in(w.s, 0, &server, (struct slice){ to, n - 1 }, w.now);
		w.ops->datagram_in(w.s, 5, &server, (struct slice){ to, n }, w.now);
		take_events(&w);
		assert_int_equal(w.nframes, 1);
		/* the spare one takes over */
		at(&w, w.now + 1000);
		join(&w, only_dial(&w), 0);
		wire_down(&w, 0, &closed_in_order);
		assert_int_equal(w.ops->output(w.s, &frame, 1), 0);
		assert_true(w.ops->datagram_out(w.s, &d, w.now));
		assert_int_equal(d.path, 1);
		world_fini(&w);
	}
}

static void test_rudp_without_bulk(void **state)
{
	struct slice frame = { bytes, 1000 };
	struct session_datagram d;
	struct world w;

	(void)state;
	up_rudp(&w, 0, 1);
	assert_int_equal(w.facts.tcp_mss, 0);
	assert_int_equal(w.ops->output(w.s, &frame, 1), 0);
	assert_true(w.ops->tx_peek(w.s, 0).n > 1000);
	assert_false(w.ops->datagram_out(w.s, &d, w.now));
	world_fini(&w);
}

/* Without recovery there is one connection, and its end is the end. */
static void test_rudp_without_recovery(void **state)
{
	struct world w;

	(void)state;
	up_rudp(&w, 20, 0);
	at(&w, w.now + 5000);
	assert_int_equal(w.dialed, 0);
	wire_down(&w, 0, &closed_in_order);
	assert_closed(&w, VE_LOST, false, WHO "the connection was lost: the server closed it");
	world_fini(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_offer),
		cmocka_unit_test(test_no_grant),
		cmocka_unit_test(test_frames_change_over),
		cmocka_unit_test(test_frames_in),
		cmocka_unit_test(test_strangers),
		cmocka_unit_test(test_full_queue),
		cmocka_unit_test(test_full_queue_and_failure),
		cmocka_unit_test(test_nat_port),
		cmocka_unit_test(test_udp_survives_its_connections),
		cmocka_unit_test(test_compressed_blocks),
		cmocka_unit_test(test_compressed_datagrams),
		cmocka_unit_test(test_bulk),
		cmocka_unit_test(test_rudp_without_bulk),
		cmocka_unit_test(test_rudp_without_recovery),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
