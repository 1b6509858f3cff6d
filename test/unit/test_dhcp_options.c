/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_dhcp_options.c - DHCP messages as bytes: routes, domain, MTU, and the times of a lease. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/err.h"
#include "core/wr.h"
#include "netstack/dhcp_options.h"

enum { HEAD = 240 };

static uint8_t m[2048];
static size_t n;
static struct dhcp_config c;

static uint32_t ip4(uint32_t a, uint32_t b, uint32_t d, uint32_t e)
{
	return a << 24 | b << 16 | d << 8 | e;
}

/* An ACK for 192.168.30.10, so far without an option. */
static void begin(void)
{
	memset(m, 0, sizeof(m));
	m[0] = 2;
	store_be32(m + 16, ip4(192, 168, 30, 10));
	store_be32(m + 236, 0x63825363);
	n = HEAD;
}

static void add(uint8_t code, const void *v, size_t len)
{
	m[n++] = code;
	m[n++] = (uint8_t)len;
	memcpy(m + n, v, len);
	n += len;
}

static int parse(void)
{
	uint8_t *exact = test_malloc(n ? n : 1);
	int r;

	memcpy(exact, m, n);
	memset(&c, 0xa5, sizeof(c));
	r = dhcp_config_parse((struct slice){ .p = exact, .n = n }, true, &c);
	test_free(exact);
	return r;
}

static void expect_route(unsigned i, uint32_t net, uint8_t prefix, uint32_t gateway)
{
	assert_true(i < c.nroutes);
	assert_int_equal(c.routes[i].net, net);
	assert_int_equal(c.routes[i].prefix, prefix);
	assert_int_equal(c.routes[i].gateway, gateway);
}

/* The table of RFC 3442: each descriptor with a router. */
static void rfc3442_examples(void **state)
{
	static const struct {
		uint8_t b[5], len;
		uint32_t net;
	} cases[] = {
		{ { 0 }, 1, 0 },
		{ { 8, 10 }, 2, 0x0a000000 },
		{ { 24, 10, 0, 0 }, 4, 0x0a000000 },
		{ { 16, 10, 17 }, 3, 0x0a110000 },
		{ { 24, 10, 27, 129 }, 4, 0x0a1b8100 },
		{ { 25, 10, 229, 0, 128 }, 5, 0x0ae50080 },
		{ { 32, 10, 198, 122, 47 }, 5, 0x0ac67a2f },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		uint8_t v[9];

		memcpy(v, cases[i].b, cases[i].len);
		memcpy(v + cases[i].len, "\xc0\xa8\x1e\x01", 4);
		begin();
		add(121, v, cases[i].len + 4u);
		assert_int_equal(parse(), 0);
		assert_true(c.has_routes);
		assert_int_equal(c.nroutes, 1);
		expect_route(0, cases[i].net, cases[i].b[0], ip4(192, 168, 30, 1));
	}
}

static void longest_prefix_first(void **state)
{
	static const uint8_t v[] = { 0,	 192, 168, 30, 1, 8, 10, 192, 168, 30, 2, 24, 10, 1, 2, 192, 168, 30, 3,
				     24, 10,  1,   2,  192, 168, 30, 4, 32, 10, 1, 2, 3, 0, 0, 0, 0 };

	(void)state;
	begin();
	add(121, v, sizeof(v));
	assert_int_equal(parse(), 0);
	assert_int_equal(c.nroutes, 5);
	assert_int_equal(dhcp_config_route(&c, ip4(10, 1, 2, 3))->gateway, 0);
	assert_int_equal(dhcp_config_route(&c, ip4(10, 1, 2, 4))->gateway, ip4(192, 168, 30, 3)); /* the first of two */
	assert_int_equal(dhcp_config_route(&c, ip4(10, 1, 3, 4))->gateway, ip4(192, 168, 30, 2));
	assert_int_equal(dhcp_config_route(&c, ip4(11, 1, 3, 4))->gateway, ip4(192, 168, 30, 1));
	begin();
	assert_int_equal(parse(), 0);
	assert_false(c.has_routes);
	assert_null(dhcp_config_route(&c, ip4(10, 1, 2, 3)));
}

static void microsofts_routes(void **state)
{
	static const uint8_t a[] = { 8, 10, 192, 168, 30, 1 }, b[] = { 8, 11, 192, 168, 30, 1 };

	(void)state;
	begin();
	add(249, a, sizeof(a));
	assert_int_equal(parse(), 0);
	assert_true(c.has_routes);
	expect_route(0, ip4(10, 0, 0, 0), 8, ip4(192, 168, 30, 1));
	add(121, b, sizeof(b)); /* the standard's own goes first */
	assert_int_equal(parse(), 0);
	assert_int_equal(c.nroutes, 1);
	expect_route(0, ip4(11, 0, 0, 0), 8, ip4(192, 168, 30, 1));
	begin();
	add(121, "\x21\1\2\3\4\1\2\3\4", 9); /* /33 */
	add(249, a, sizeof(a));
	assert_int_equal(parse(), 0);
	expect_route(0, ip4(10, 0, 0, 0), 8, ip4(192, 168, 30, 1));
}

/* A cut option counts as not given, and a router that is none takes its route along. */
static void damaged_routes(void **state)
{
	static const uint8_t v[] = { 8, 10, 192, 168, 30, 1, 24, 10, 1, 2, 192, 168, 30, 3 };
	static const uint8_t groups[] = { 8, 10, 224, 0, 0, 1, 8, 11, 127, 0, 0, 1, 8, 12, 255, 255, 255, 255 };

	(void)state;
	for (size_t len = 0; len <= sizeof(v); len++) {
		begin();
		add(121, v, len);
		assert_int_equal(parse(), 0);
		assert_int_equal(c.has_routes, len == 6 || len == sizeof(v));
		assert_int_equal(c.nroutes, len == 6 ? 1 : len == sizeof(v) ? 2 : 0);
	}
	begin();
	add(121, groups, sizeof(groups));
	assert_int_equal(parse(), 0);
	assert_true(c.has_routes);
	assert_int_equal(c.nroutes, 0);
}

static void too_many_routes(void **state)
{
	(void)state;
	begin();
	for (unsigned i = 0; i < DHCP_ROUTES_MAX + 10; i++) {
		uint8_t v[] = { 16, 10, (uint8_t)i, 192, 168, 30, 1 };

		add(121, v, sizeof(v)); /* split, RFC 3396 */
	}
	assert_int_equal(parse(), 0);
	assert_int_equal(c.nroutes, DHCP_ROUTES_MAX);
	for (unsigned i = 0; i < DHCP_ROUTES_MAX; i++)
		expect_route(i, ip4(10, i, 0, 0), 16, ip4(192, 168, 30, 1));
}

/* One value in three places: options, file, sname. Split at every byte. */
static void overloaded(void **state)
{
	static const char name[] = "corp.example";
	const size_t all = sizeof(name) - 1;

	(void)state;
	for (size_t i = 0; i <= all; i++) {
		for (size_t k = i; k <= all; k++) {
			begin();
			add(52, "\3", 1);
			add(15, name, i);
			m[n++] = 255;
			m[108] = 15;
			m[109] = (uint8_t)(k - i);
			memcpy(m + 110, name + i, k - i);
			m[110 + k - i] = 255;
			m[44] = 15;
			m[45] = (uint8_t)(all - k);
			memcpy(m + 46, name + k, all - k);
			m[46 + all - k] = 255;
			assert_int_equal(parse(), 0);
			assert_string_equal(c.domain, name);
			m[HEAD + 2] = 1; /* the file only */
			assert_int_equal(parse(), 0);
			if (k < all && k > 0 && name[k - 1] != '.' && k != 0)
				assert_memory_equal(c.domain, name, k);
		}
	}
}

static void domains(void **state)
{
	static const struct {
		const char *in;
		size_t n; /* 0: all of it */
		const char *out;
	} cases[] = {
		{ "example", 0, "example" },
		{ "Corp.Example.", 0, "Corp.Example" },
		{ "corp.example\0", 13, "corp.example" },
		{ "corp.example.\0\0", 15, "corp.example" },
		{ "a_b.c-d.e9", 0, "a_b.c-d.e9" },
		{ "9.example", 0, "9.example" },
		{ "", 0, "" },
		{ ".", 0, "" },
		{ "\0", 1, "" },
		{ ".example", 0, "" },
		{ "a..b", 0, "" },
		{ "a.b..", 0, "" },
		{ "-a.b", 0, "" },
		{ "a-.b", 0, "" },
		{ "a.b-", 0, "" },
		{ "a b", 0, "" },
		{ "a\nb", 0, "" },
		{ "a\0b", 3, "" },
		{ "caf\xc3\xa9", 0, "" },
		{ "10.0.0.1", 0, "" },
		{ "123", 0, "" },
		{ "a/b", 0, "" },
		{ "a.%s%n", 0, "" },
	};
	char longest[256];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		begin();
		add(15, cases[i].in, cases[i].n ? cases[i].n : strlen(cases[i].in));
		assert_int_equal(parse(), 0);
		assert_string_equal(c.domain, cases[i].out);
	}
	memset(longest, 'a', sizeof(longest));
	for (size_t i = 63; i < sizeof(longest); i += 64)
		longest[i] = '.';
	for (size_t len = 250; len <= 255; len++) {
		begin();
		add(15, longest, len);
		assert_int_equal(parse(), 0);
		assert_int_equal(strlen(c.domain), len <= 253 ? len : 0);
	}
	memset(longest, 'a', 64);
	begin();
	add(15, longest, 63);
	assert_int_equal(parse(), 0);
	assert_int_equal(strlen(c.domain), 63);
	add(15, longest, 1);
	assert_int_equal(parse(), 0);
	assert_string_equal(c.domain, "");
}

static void mtus(void **state)
{
	static const struct {
		const char *v;
		size_t n;
		uint16_t mtu;
	} cases[] = { { "\x02\x40", 2, 576 },	{ "\x02\x3f", 2, 0 }, { "\x05\xdc", 2, 1500 }, { "\xff\xff", 2, 65535 },
		      { "\x05\xdc\0", 3, 0 }, { "\x05", 1, 0 },	  { "", 0, 0 } };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		begin();
		add(26, cases[i].v, cases[i].n);
		assert_int_equal(parse(), 0);
		assert_int_equal(c.mtu, cases[i].mtu);
	}
}

/* What no host can have is not believed. */
static void addresses(void **state)
{
	static const struct {
		uint32_t ip, mask;
		bool good;
	} cases[] = {
		{ 0xc0a81e0a, 0xffffff00, true },  { 0xc0a81e00, 0xffffff00, false }, { 0xc0a81eff, 0xffffff00, false },
		{ 0xc0a81e0a, 0xffff00ff, false }, { 0xc0a81e0a, 0x000000ff, false }, { 0xc0a81e0a, 0xffffffff, true },
		{ 0xc0a81e0a, 0xfffffffe, true },  { 0xc0a81e0b, 0xfffffffe, true },  { 0xc0a81e0a, 0, true },
		{ 0, 0xffffff00, false },	   { 0x7f000001, 0xff000000, false }, { 0xe0000001, 0xff000000, false },
		{ 0xffffffff, 0xff000000, false }, { 0x00010203, 0xff000000, false },
	};
	uint8_t mask[4];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		begin();
		store_be32(m + 16, cases[i].ip);
		store_be32(mask, cases[i].mask);
		add(1, mask, 4);
		assert_int_equal(parse(), cases[i].good ? 0 : VE_PROTO);
		assert_int_equal(dhcp_config_parse((struct slice){ .p = m, .n = n }, false, &c), 0);
	}
	begin();
	add(1, mask, 3);
	assert_int_equal(parse(), VE_PROTO);
}

static void messages(void **state)
{
	struct dhcp_config before;

	(void)state;
	begin();
	add(15, "example", 7);
	add(26, "\x05\xdc", 2);
	m[n++] = 255;
	add(26, "\x05\xd0", 2); /* behind the end */
	assert_int_equal(parse(), 0);
	assert_int_equal(c.mtu, 1500);
	memset(&before, 0xa5, sizeof(before));
	for (size_t full = n, i = 0; i <= full; i++) {
		n = i;
		assert_int_equal(parse(), i < HEAD ? VE_PROTO : 0);
		if (i < HEAD)
			assert_memory_equal(&c, &before, sizeof(c));
	}
	n = FRAME_MAX;
	assert_int_equal(parse(), 0);
	n = FRAME_MAX + 1;
	assert_int_equal(parse(), VE_PROTO);
	n = HEAD + 10;
	m[236] ^= 1; /* the cookie */
	assert_int_equal(parse(), VE_PROTO);
	begin();
	memset(m + HEAD, 0, 100); /* padding, then an option */
	n += 100;
	add(15, "example", 7);
	assert_int_equal(parse(), 0);
	assert_string_equal(c.domain, "example");
	begin();
	m[n++] = 15; /* no length, and a length beyond the end */
	assert_int_equal(parse(), 0);
	m[n++] = 9;
	assert_int_equal(parse(), 0);
	assert_string_equal(c.domain, "");
}

static void times(void **state)
{
	static const struct {
		uint32_t lease, t1, t2, want_lease, want_t1, want_t2;
	} cases[] = {
		{ 7200, 3600, 6300, 7200, 3600, 6300 },
		{ 60, 30, 52, 60, 30, 52 },
		{ 60, 0, 0, 60, 29, 52 },
		{ 100, 10, 20, 100, 10, 20 },
		{ 100, 50, 100, 100, 50, 87 },	 /* T2 is not before the end */
		{ 100, 90, 80, 100, 45, 80 },	 /* T1 is not before T2 */
		{ 100, 1000, 2000, 100, 49, 87 },
		{ 0, 0, 0, 3600, 1800, 3150 },	 /* no lease time at all */
		{ 1, 0, 0, 10, 4, 8 },
		{ 10, 5, 8, 10, 5, 8 },
		{ UINT32_MAX - 1, 0, 0, UINT32_MAX - 1, 2147483646, 3758096382 },
		{ UINT32_MAX, 10, 20, UINT32_MAX, UINT32_MAX, UINT32_MAX },
		{ 7200, UINT32_MAX, UINT32_MAX, 7200, 3600, 6300 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		uint32_t lease = cases[i].lease, t1 = cases[i].t1, t2 = cases[i].t2;

		dhcp_lease_times(&lease, &t1, &t2);
		assert_int_equal(lease, cases[i].want_lease);
		assert_int_equal(t1, cases[i].want_t1);
		assert_int_equal(t2, cases[i].want_t2);
	}
	assert_int_equal(dhcp_retry_s(10), 2);
	assert_int_equal(dhcp_retry_s(60), 3);
	assert_int_equal(dhcp_retry_s(7200), 60);
	assert_int_equal(dhcp_retry_s(UINT32_MAX), 60);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rfc3442_examples), cmocka_unit_test(longest_prefix_first),
		cmocka_unit_test(microsofts_routes), cmocka_unit_test(damaged_routes), cmocka_unit_test(too_many_routes),
		cmocka_unit_test(overloaded), cmocka_unit_test(domains), cmocka_unit_test(mtus),
		cmocka_unit_test(addresses), cmocka_unit_test(messages), cmocka_unit_test(times),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
