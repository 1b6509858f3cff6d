/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_se_udp.c - published vectors, every truncation, the two clocks, roaming, and where keep-alives go. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/err.h"
#include "core/softether/se_cipher.h"
#include "core/softether/se_udp.h"
#include "test/support/unhex.h"

#define OURS 0x55667788u
#define THEIRS 0x11223344u
#define T0 50000u

/* softether-protocol.md 14 */
static const char frame_f[] =
	"ffffffffffff5e0011223344080600010800060400015e0011223344c0a81e0a000000000000c0a81e01";
static const char udp_v2[] =
	"404142434445464748494a4be9764fc5724aee0158cff5e8bbef6dcdb4cc64c844d6419001f32da415793a7bd280dd78"
	"204b63fe0a692b476b0aee8fc36028095668872fdbc20f3b08ab9b7fca30295df35142d0caf447b2c6ab022e286c2054";
static const char udp_v1[] =
	"404142434445464748494a4b4c4d4e4f505152537dcb9710c10c6b16370361847c37fd77c12ac88f22b48c81b5b8d972"
	"2a977185e06f386693f8537ae487415e3b";

/* A nonce that is about to become 40..4b, an iv of 40..53, and numbers of the test's choice. */
static uint16_t number;

static void random_fixed(void *ctx, void *to, size_t n)
{
	uint8_t *p = to;

	(void)ctx;
	for (size_t i = 0; i < n; i++)
		p[i] = n == 64 ? (uint8_t)(i % 2 ? number : number >> 8) : (uint8_t)(0x40 + i);
	if (n == 12)
		p[11]--;
}

static const struct session_env env = { .random = random_fixed };

static struct endpoint at(const char *ip, uint16_t port)
{
	struct endpoint e = { .port = port };

	assert_int_equal(ip_parse(ip, &e.ip), 0);
	return e;
}

static struct se_udp_terms terms(unsigned version)
{
	struct se_udp_terms t = { .version = version, .our_cookie = OURS, .their_cookie = THEIRS };

	for (unsigned i = 0; i < 128; i++) {
		t.our_key2[i] = (uint8_t)i;
		t.their_key2[i] = (uint8_t)(i ^ 0x80);
	}
	memcpy(t.our_key1, t.our_key2, 20);
	memcpy(t.their_key1, t.their_key2, 20);
	t.primary = at("192.0.2.1", 40000);
	return t;
}

static struct se_udp *make(const struct se_udp_terms *t)
{
	struct se_udp *u;

	assert_int_equal(se_udp_new(&u, t, &env, T0), 0);
	return u;
}

/* What a server would send. */
struct packet {
	uint32_t cookie;
	uint64_t tick, echo;
	uint16_t size;
	uint8_t flag;
	size_t data, pad; /* bytes there really are */
};

static size_t seal_packet(const struct se_udp_terms *t, const struct packet *p, uint8_t *d)
{
	size_t head = t->version == 2 ? 12 : 20, n = 23 + p->data + p->pad;
	uint8_t *b = d + head;

	memset(d, 0, head + n + 20);
	memset(d, 0x17, head);
	store_be32(b, p->cookie);
	store_be64(b + 4, p->tick);
	store_be64(b + 12, p->echo);
	store_be16(b + 20, p->size);
	b[22] = p->flag;
	memset(b + 23, 0xab, p->data);
	if (t->version == 2) {
		assert_int_equal(se_aead_seal(t->their_key2, d, b, n), 0);
		return head + n + 16;
	}
	assert_int_equal(se_rc4(t->their_key1, d, b, n + 20), 0);
	return head + n + 20;
}

static int give(struct se_udp *u, const struct endpoint *from, const uint8_t *d, size_t n, uint64_t now)
{
	uint8_t *exact = malloc(n ? n : 1);
	struct slice frame = { NULL, 0 };
	bool z;
	int r;

	assert_non_null(exact);
	if (n > 0)
		memcpy(exact, d, n);
	r = se_udp_input(u, from, (struct slice){ exact, n }, &frame, &z, now);
	free(exact);
	if (r == 1) {
		for (size_t i = 0; i < frame.n; i++)
			assert_int_equal(frame.p[i], 0xab);
	}
	return r;
}

static int send_from(struct se_udp *u, const struct se_udp_terms *t, const struct endpoint *from, uint64_t tick,
		     uint64_t echo, uint64_t now)
{
	struct packet p = { .cookie = OURS, .tick = tick, .echo = echo };
	uint8_t d[256];

	return give(u, from, d, seal_packet(t, &p, d), now);
}

/* --- vectors ---------------------------------------------------------------------------------------------- */

static void test_vector_out_v2(void **state)
{
	struct se_udp_terms t = terms(2);
	struct se_udp *u = make(&t);
	uint8_t f[64], want[128], d[SE_UDP_DATAGRAM_MAX];
	size_t nf = unhex(frame_f, f, sizeof(f)), n = unhex(udp_v2, want, sizeof(want));
	struct endpoint to;

	(void)state;
	assert_int_equal(send_from(u, &t, &t.primary, 2000, 0, T0), 0);
	number = 3 * 65536 / 32 + 5; /* a padding of 3 */
	assert_int_equal(se_udp_seal(u, (struct slice[]){ { f, 14 }, { f + 14, nf - 14 } }, 2, false, d, &to, T0 + 999), n);
	assert_memory_equal(d, want, n);
	assert_true(endpoint_equal(&to, &t.primary));
	se_udp_free(u);
}

static void test_vector_out_v1(void **state)
{
	struct se_udp_terms t = terms(1);
	struct se_udp *u = make(&t);
	uint8_t want[128], d[SE_UDP_DATAGRAM_MAX];
	size_t n = unhex(udp_v1, want, sizeof(want));
	struct endpoint to;

	(void)state;
	assert_int_equal(send_from(u, &t, &t.primary, 2000, 0, T0), 0);
	number = 160; /* a padding of 2: 160 * 937 / 65536 */
	assert_int_equal(se_udp_keepalive(u, d, &to, T0 + 999), n);
	assert_memory_equal(d, want, n);
	se_udp_free(u);
}

static void test_vector_in(void **state)
{
	(void)state;
	for (unsigned version = 1; version <= 2; version++) {
		struct se_udp_terms t = terms(version);
		uint8_t d[128], f[64];
		size_t n = unhex(version == 2 ? udp_v2 : udp_v1, d, sizeof(d)), nf = unhex(frame_f, f, sizeof(f));
		struct slice frame;
		struct se_udp *u;
		bool z = true;

		t.our_cookie = THEIRS;
		memcpy(t.their_key1, t.our_key1, 20);
		memcpy(t.their_key2, t.our_key2, 128);
		u = make(&t);
		/* version 1 cannot tell padding from its proof: that one may be shortened by its 2 bytes of padding */
		for (size_t i = 0; i < n - (version == 1 ? 2 : 0); i++)
			assert_int_equal(give(u, &t.primary, d, i, T0 + 3000), VE_PROTO);
		for (size_t i = 0; i < n && version == 2; i++) {
			d[i] ^= 0x10;
			assert_int_equal(give(u, &t.primary, d, n, T0 + 3000), VE_PROTO);
			d[i] ^= 0x10;
		}
		assert_int_equal(se_udp_input(u, &t.primary, (struct slice){ d, n }, &frame, &z, T0 + 3000), version - 1);
		if (version == 2) {
			assert_int_equal(frame.n, nf);
			assert_memory_equal(frame.p, f, nf);
			assert_false(z);
		}
		se_udp_free(u);
	}
}

/* --- form ------------------------------------------------------------------------------------------------- */

static void test_form(void **state)
{
	static const struct { struct packet p; int want; } t[] = {
		{ { OURS, 10, 1, 0, 0, 0, 0 }, 0 },
		{ { OURS, 10, 1, 100, 0, 100, 0 }, 1 },
		{ { OURS, 10, 1, 100, 1, 100, 31 }, 1 },
		{ { OURS, 10, 1, 101, 0, 100, 0 }, VE_PROTO },
		{ { OURS, 10, 1, 65535, 0, 100, 31 }, VE_PROTO },
		{ { OURS, 10, 1, 100, 2, 100, 0 }, VE_PROTO },
		{ { THEIRS, 10, 1, 100, 0, 100, 0 }, VE_PROTO },
		{ { 0, 10, 1, 0, 0, 0, 0 }, VE_PROTO },
		{ { OURS, 10, 2, 0, 0, 0, 0 }, VE_PROTO }, /* our clock says 1 */
		{ { OURS, 10, UINT64_MAX, 0, 0, 0, 0 }, VE_PROTO },
		{ { OURS, 10, 1, FRAME_MAX, 0, FRAME_MAX, 0 }, 1 },
		{ { OURS, 10, 1, FRAME_MAX + 1, 0, FRAME_MAX + 1, 0 }, VE_PROTO },
		{ { OURS, 10, 1, 1, 0, 1, 2048 - 12 - 23 - 20 - 20 - 1 }, 1 },
		{ { OURS, 10, 1, 1, 0, 1, 2048 }, VE_PROTO },
	};
	uint8_t d[2400];

	(void)state;
	for (unsigned version = 1; version <= 2; version++) {
		struct se_udp_terms terms_of = terms(version);

		for (size_t i = 0; i < ARRAY_LEN(t); i++) {
			struct se_udp *u = make(&terms_of);
			size_t n = seal_packet(&terms_of, &t[i].p, d);

			assert_int_equal(give(u, &terms_of.primary, d, n, T0), t[i].want);
			se_udp_free(u);
		}
	}
}

static void test_age(void **state)
{
	struct se_udp_terms t = terms(2);
	struct se_udp *u = make(&t);

	(void)state;
	assert_int_equal(send_from(u, &t, &t.primary, 100000, 0, T0), 0);
	assert_int_equal(send_from(u, &t, &t.primary, 70001, 0, T0), 0);
	assert_int_equal(send_from(u, &t, &t.primary, 70000, 0, T0), VE_PROTO);
	assert_int_equal(send_from(u, &t, &t.primary, 0, 0, T0), VE_PROTO);
	assert_int_equal(send_from(u, &t, &t.primary, UINT64_MAX, 0, T0), 0);
	assert_int_equal(send_from(u, &t, &t.primary, 100001, 0, T0), VE_PROTO);
	se_udp_free(u);
}

/* --- readiness -------------------------------------------------------------------------------------------- */

static void readiness(bool fast, uint64_t silence)
{
	struct se_udp_terms t = terms(2);
	struct endpoint to;
	uint8_t d[SE_UDP_DATAGRAM_MAX];
	struct se_udp *u;
	uint64_t now = T0 + 100, tick = 1;

	t.fast = fast;
	u = make(&t);
	number = 0;
	assert_int_equal(send_from(u, &t, &t.primary, tick++, 0, now), 0); /* proves one direction only */
	for (unsigned i = 0; i < 100; i++)
		assert_false(se_udp_ready(u, now + i * 1000));
	for (unsigned round = 0; round < 2; round++) {
		uint64_t began = now, last = 0;

		for (; now <= began + 10000; now += 1000) {
			assert_int_equal(send_from(u, &t, &t.primary, tick++, now - T0 + 1, now), 0);
			assert_int_equal(se_udp_ready(u, now), now - began >= 10000);
			last = now;
		}
		while (se_udp_keepalive(u, d, &to, last) > 0)
			;
		assert_true(se_udp_deadline(u) > last);
		assert_true(se_udp_deadline(u) <= last + silence + 1);
		assert_true(se_udp_ready(u, last + silence));
		assert_false(se_udp_ready(u, last + silence + 1));
		now = last + silence + 1;
		while (se_udp_keepalive(u, d, &to, now) > 0)
			;
		assert_true(se_udp_deadline(u) > now);
	}
	se_udp_free(u);
}

static void test_ready(void **state)
{
	(void)state;
	readiness(false, 9000);
	readiness(true, 2100);
}

/* The deadline is there when ten seconds are over, also if keep-alives are not due then. */
static void test_deadline(void **state)
{
	struct se_udp_terms t = terms(2);
	struct se_udp *u = make(&t);
	struct endpoint to;
	uint8_t d[SE_UDP_DATAGRAM_MAX];
	uint64_t now = T0, tick = 1;
	bool ready = false;

	(void)state;
	number = 65535; /* the longest intervals */
	for (unsigned i = 0; i < 200; i++) {
		bool was = ready;

		while (se_udp_keepalive(u, d, &to, now) > 0)
			;
		ready = se_udp_ready(u, now);
		if (ready != was) {
			assert_true(ready);
			assert_int_equal(now, T0 + 10000);
		}
		if (!ready)
			assert_int_equal(send_from(u, &t, &t.primary, tick++, now - T0 + 1, now), 0);
		assert_true(se_udp_deadline(u) > now);
		if (ready && !was)
			break;
		now = se_udp_deadline(u);
	}
	assert_true(ready);
	se_udp_free(u);
}

/* An echo of our clock of 30 seconds ago proves nothing. */
static void test_stale_echo(void **state)
{
	struct se_udp_terms t = terms(2);

	(void)state;
	for (uint64_t age = 29999; age <= 30001; age++) {
		struct se_udp *u = make(&t);
		uint64_t tick = 1;

		for (uint64_t i = 0; i <= 10000; i += 1000)
			assert_int_equal(send_from(u, &t, &t.primary, tick++, 1 + i, T0 + i + age), 0);
		assert_int_equal(se_udp_ready(u, T0 + 10000 + age), age <= 30000);
		se_udp_free(u);
	}
}

/* --- where to --------------------------------------------------------------------------------------------- */

static void expect_current(struct se_udp *u, const struct endpoint *want)
{
	static const uint8_t frame[60];
	uint8_t d[SE_UDP_DATAGRAM_MAX];
	struct endpoint to;

	assert_true(se_udp_seal(u, &(struct slice){ frame, 60 }, 1, false, d, &to, T0 + 10) > 0);
	assert_true(endpoint_equal(&to, want));
}

static void test_roaming(void **state)
{
	(void)state;
	for (unsigned version = 1; version <= 2; version++) {
		struct se_udp_terms t = terms(version);
		struct se_udp *u = make(&t);
		struct endpoint a = at("198.51.100.7", 1234), b = at("198.51.100.8", 4321), bad = at("224.0.0.1", 1),
				v6 = at("2001:db8::1", 40000), none = at("198.51.100.8", 0);
		struct packet p = { .cookie = OURS, .tick = 900, .echo = 0 };
		uint8_t d[256];
		size_t n;

		expect_current(u, &t.primary);
		assert_int_equal(send_from(u, &t, &a, 500, 0, T0), 0);
		expect_current(u, &a);
		assert_int_equal(send_from(u, &t, &b, 500, 0, T0), 0); /* a replay */
		assert_int_equal(send_from(u, &t, &b, 499, 0, T0), 0); /* late */
		expect_current(u, &a);
		n = seal_packet(&t, &p, d);
		d[n - 1] ^= 1; /* forged */
		assert_int_equal(give(u, &b, d, n, T0), VE_PROTO);
		expect_current(u, &a);
		assert_int_equal(send_from(u, &t, &bad, 501, 0, T0), 0);
		assert_int_equal(send_from(u, &t, &v6, 502, 0, T0), 0);
		assert_int_equal(send_from(u, &t, &none, 503, 0, T0), 0);
		expect_current(u, &a);
		assert_int_equal(send_from(u, &t, &b, 504, 0, T0), 0);
		expect_current(u, &b);
		se_udp_free(u);
	}
}

static size_t paths(struct se_udp *u, struct endpoint *to, size_t cap, uint64_t now)
{
	uint8_t d[SE_UDP_DATAGRAM_MAX];
	size_t n = 0;

	while (n < cap && se_udp_keepalive(u, d, &to[n], now) > 0)
		n++;
	return n;
}

static bool has(const struct endpoint *to, size_t n, const char *ip, uint16_t port)
{
	struct endpoint e = at(ip, port);
	size_t found = 0;

	for (size_t i = 0; i < n; i++)
		found += endpoint_equal(&to[i], &e);
	assert_in_range(found, 0, 1);
	return found == 1;
}

static void test_paths(void **state)
{
	struct se_udp_terms t = terms(2);
	struct endpoint to[20], moved = at("198.51.100.7", 1234);
	struct ip nat = at("203.0.113.9", 1).ip, mapped = at("::ffff:203.0.113.10", 1).ip;
	uint64_t now = T0, tick = 1;
	struct se_udp *u;

	(void)state;
	number = 0;
	t.secondary = at("10.9.8.7", 40000);
	u = make(&t);
	assert_int_equal(paths(u, to, 20, now), 2);
	assert_true(has(to, 2, "192.0.2.1", 40000) && has(to, 2, "10.9.8.7", 40000));
	assert_int_equal(se_udp_deadline(u), now + 1000);
	assert_int_equal(paths(u, to, 20, now + 999), 0);
	assert_int_equal(send_from(u, &t, &moved, tick++, 0, now), 0);
	now += 1000;
	assert_int_equal(paths(u, to, 20, now), 4); /* two addresses, two ports */
	assert_true(has(to, 4, "198.51.100.7", 1234) && has(to, 4, "198.51.100.7", 40000));
	assert_true(has(to, 4, "10.9.8.7", 1234) && has(to, 4, "10.9.8.7", 40000));
	se_udp_their_nat(u, 7777, NULL);
	assert_true(se_udp_deadline(u) <= now); /* at once */
	assert_int_equal(paths(u, to, 20, now), 6);
	assert_true(has(to, 6, "198.51.100.7", 7777) && has(to, 6, "10.9.8.7", 7777));
	se_udp_their_nat(u, 7777, &nat); /* the same port: no hurry */
	assert_int_equal(paths(u, to, 20, now), 0);
	now += 1000;
	assert_int_equal(paths(u, to, 20, now), 9);
	assert_true(has(to, 9, "203.0.113.9", 7777) && has(to, 9, "203.0.113.9", 40000) && has(to, 9, "203.0.113.9", 1234));
	se_udp_their_nat(u, 7778, &mapped);
	assert_int_equal(paths(u, to, 20, now), 9);
	assert_true(has(to, 9, "203.0.113.10", 7778));
	for (uint64_t end = now + 10000; now <= end; now += 1000)
		assert_int_equal(send_from(u, &t, &moved, tick++, now - T0 + 1, now), 0);
	now -= 1000;
	assert_true(se_udp_ready(u, now));
	assert_int_equal(paths(u, to, 20, now), 1);
	assert_true(has(to, 1, "198.51.100.7", 1234));
	se_udp_free(u);
}

static void test_bad_addresses(void **state)
{
	static const char *const bad[] = { "0.0.0.0", "0.1.2.3", "127.0.0.1", "224.0.0.1", "239.1.1.1", "255.255.255.255",
					   "240.0.0.1", "::1", "2001:db8::1", "::ffff:224.0.0.1", "::ffff:127.0.0.1" };
	static const char *const bad6[] = { "::", "::1", "ff02::1", "::ffff:192.0.2.1", "::192.0.2.1" };
	struct endpoint to[20];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad) + ARRAY_LEN(bad6); i++) {
		bool six = i >= ARRAY_LEN(bad);
		struct se_udp_terms t = terms(2);
		struct endpoint e = at(six ? bad6[i - ARRAY_LEN(bad)] : bad[i], 40000);
		struct se_udp *u;

		if (six)
			t.primary = at("2001:db8::5", 40000);
		t.secondary = e;
		u = make(&t);
		se_udp_their_nat(u, 0, &e.ip);
		assert_int_equal(paths(u, to, 20, T0), 1);
		assert_true(endpoint_equal(&to[0], &t.primary));
		se_udp_free(u);
		t.secondary.ip.family = IP_NONE;
		t.primary = e;
		if (e.ip.family == (six ? IP_V6 : IP_V4) && !se_is_loopback(&e.ip)) {
			u = make(&t);
			assert_int_equal(paths(u, to, 20, T0), 0);
			assert_int_equal(se_udp_seal(u, &(struct slice){ (uint8_t *)to, 60 }, 1, false, (uint8_t[SE_UDP_DATAGRAM_MAX]){ 0 },
						     to, T0), 0);
			se_udp_free(u);
		}
	}
}

/* A server on this machine. */
static void test_loopback(void **state)
{
	struct se_udp_terms t = terms(2);
	struct endpoint to[20];
	struct se_udp *u;

	(void)state;
	t.primary = at("127.0.0.1", 40000);
	t.secondary = at("127.0.0.2", 40000);
	u = make(&t);
	assert_int_equal(paths(u, to, 20, T0), 2);
	se_udp_free(u);
}

static void test_intervals(void **state)
{
	static const struct { bool fast; uint16_t number; uint64_t want; } t[] = {
		{ false, 0, 1000 }, { false, 65535, 3000 }, { true, 0, 500 }, { true, 65535, 1000 },
	};
	struct endpoint to[20];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		struct se_udp_terms of = terms(2);
		struct se_udp *u;

		of.fast = t[i].fast;
		number = t[i].number;
		u = make(&of);
		assert_int_equal(se_udp_deadline(u), T0);
		assert_int_equal(paths(u, to, 20, T0), 1);
		assert_int_equal(se_udp_deadline(u), T0 + t[i].want);
		assert_int_equal(paths(u, to, 20, T0 + t[i].want - 1), 0);
		assert_int_equal(paths(u, to, 20, T0 + t[i].want), 1);
		se_udp_free(u);
	}
}

/* --- sizes ------------------------------------------------------------------------------------------------ */

static void test_sizes(void **state)
{
	static uint8_t frame[FRAME_MAX + 1], d[SE_UDP_DATAGRAM_MAX];
	struct endpoint to;

	(void)state;
	for (unsigned i = 0; i < 8; i++) {
		struct se_udp_terms t = terms(1 + i % 2);
		bool six = (i & 2) != 0;
		struct se_udp *u;
		size_t max;

		number = i & 4 ? 65535 : 0;
		if (six)
			t.primary = at("2001:db8::5", 40000);
		u = make(&t);
		max = se_udp_frame_max(u);
		assert_int_equal(max, 1500 - (six ? 48 : 28) - (t.version == 2 ? 51 : 63));
		for (size_t n = 0; n <= FRAME_MAX + 1; n++) {
			size_t size = se_udp_seal(u, &(struct slice){ frame, n }, 1, false, d, &to, T0);

			assert_true((size == 0) == (n == 0 || n > FRAME_MAX));
			if (size > 0)
				assert_true((size <= (six ? 1452u : 1472u)) == (n <= max));
		}
		assert_int_equal(se_udp_seal(u, (struct slice[]){ { frame, SIZE_MAX }, { frame, 20 } }, 2, false, d, &to, T0), 0);
		se_udp_free(u);
	}
}

/* Two machines, each the other's server: they find each other, and every datagram has a nonce of its own. */
static void test_pair(void **state)
{
	(void)state;
	for (unsigned version = 1; version <= 2; version++) {
		struct se_udp_terms a = terms(version), b = a;
		struct se_udp *u[2];
		uint8_t d[SE_UDP_DATAGRAM_MAX], last[12] = { 0 }, frame[600];
		struct endpoint to, from[2];
		uint64_t ready = 0;

		b.our_cookie = a.their_cookie;
		b.their_cookie = a.our_cookie;
		memcpy(b.our_key1, a.their_key1, 20);
		memcpy(b.our_key2, a.their_key2, 128);
		memcpy(b.their_key1, a.our_key1, 20);
		memcpy(b.their_key2, a.our_key2, 128);
		b.primary = at("198.51.100.1", 9);
		from[0] = at("198.51.100.77", 5555); /* behind a NAT */
		from[1] = a.primary;
		memset(frame, 0xab, sizeof(frame));
		number = 30000;
		u[0] = make(&a);
		u[1] = make(&b);
		for (uint64_t now = T0; now < T0 + 30000; now++) {
			for (unsigned i = 0; i < 2; i++) {
				size_t n;

				while ((n = se_udp_keepalive(u[i], d, &to, now)) > 0) {
					if (i == 0 && version == 2) {
						assert_memory_not_equal(last, d, 12);
						memcpy(last, d, 12);
					}
					if (i == 0 || endpoint_equal(&to, &from[0]))
						assert_int_equal(give(u[!i], &from[i], d, n, now), 0);
				}
				if (ready == 0 && se_udp_ready(u[0], now))
					ready = now;
				if (se_udp_ready(u[i], now)) {
					n = se_udp_seal(u[i], &(struct slice){ frame, sizeof(frame) }, 1, true, d, &to, now);
					assert_int_equal(give(u[!i], &from[i], d, n, now), 1);
				}
			}
		}
		assert_in_range(ready, T0 + 10000, T0 + 12000);
		se_udp_free(u[0]);
		se_udp_free(u[1]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vector_out_v2), cmocka_unit_test(test_vector_out_v1),
		cmocka_unit_test(test_vector_in),     cmocka_unit_test(test_form),
		cmocka_unit_test(test_age),           cmocka_unit_test(test_ready),
		cmocka_unit_test(test_deadline),      cmocka_unit_test(test_stale_echo),
		cmocka_unit_test(test_roaming),       cmocka_unit_test(test_paths),
		cmocka_unit_test(test_bad_addresses), cmocka_unit_test(test_loopback),
		cmocka_unit_test(test_intervals),     cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_pair),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
