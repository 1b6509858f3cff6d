/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_natt.c - what is asked, how often, and which answers count. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/softether/natt.h"
#include "test/support/se_peer.h"

#define T0 9000u
#define ID 0x4142434445464748ull

static void random_fixed(void *ctx, void *to, size_t n)
{
	uint64_t id = ID;

	(void)ctx;
	assert_int_equal(n, sizeof(id));
	memcpy(to, &id, n);
}

static const struct session_env env = { .random = random_fixed };

static void start(struct natt *n)
{
	struct ip ip;

	assert_int_equal(ip_parse("192.0.2.1", &ip), 0);
	natt_init(n, &ip, "vpn.example", &env, T0);
}

static void int64(struct se_bytes *b, const char *name, uint64_t v)
{
	se_peer_element(b, name, 4, 1);
	se_bytes_u32(b, (uint32_t)(v >> 32));
	se_bytes_u32(b, (uint32_t)v);
}

static void answer(struct se_bytes *b, uint64_t id, uint64_t cookie)
{
	*b = (struct se_bytes){ 0 };
	se_peer_pack(b);
	se_peer_str(b, "opcode", "nat_t_connect_request");
	int64(b, "tran_id", id);
	int64(b, "cookie", cookie);
}

static void found(struct se_bytes *b, const char *ip, uint32_t port)
{
	answer(b, ID, 5);
	se_peer_int(b, "ok", 1);
	se_peer_str(b, "result_ip", ip);
	se_peer_int(b, "result_port", port);
	se_peer_int(b, "same_lan", 0);
}

static void give_part(struct natt *n, const struct se_bytes *b, size_t size, uint64_t now)
{
	uint8_t *exact = malloc(size ? size : 1);

	assert_non_null(exact);
	if (size > 0)
		memcpy(exact, b->p, size);
	natt_input(n, (struct slice){ exact, size }, now);
	free(exact);
}

static void give(struct natt *n, struct se_bytes *b, uint64_t now)
{
	give_part(n, b, b->n, now);
	se_bytes_free(b);
	*b = (struct se_bytes){ 0 };
}

/* @d is the request with this cookie. */
static void expect(struct slice d, const char *ip, uint64_t cookie, const char *host)
{
	struct se_bytes b = { 0 };

	se_peer_pack(&b);
	se_peer_str(&b, "opcode", "nat_t_connect_request");
	int64(&b, "tran_id", ID);
	se_peer_str(&b, "dest_ip", ip);
	int64(&b, "cookie", cookie);
	se_peer_str(&b, "target_hostname", host);
	se_peer_str(&b, "svc_name", "SoftEther_VPN");
	se_peer_int(&b, "nat_traversal_version", 1);
	assert_int_equal(d.n, b.n);
	assert_memory_equal(d.p, b.p, b.n);
	se_bytes_free(&b);
}

static void test_host(void **state)
{
	char buf[NATT_HOST_MAX];
	struct ip ip;

	(void)state;
	assert_int_equal(ip_parse("192.0.2.1", &ip), 0);
	assert_string_equal(natt_host(&ip, buf), "xa.x7.dev.servers.nat-traversal.softether-network.net");
}

static void test_request(void **state)
{
	struct slice d;
	struct natt n;

	(void)state;
	start(&n);
	assert_true(natt_output(&n, &d, T0));
	expect(d, "192.0.2.1", 0, "vpn.example");
}

static void test_longest_request(void **state)
{
	char host[HOST_MAX + 1];
	struct slice d;
	struct natt n;
	struct ip ip;

	(void)state;
	memset(host, 'a', HOST_MAX);
	host[HOST_MAX] = '\0';
	assert_int_equal(ip_parse("223.255.255.255", &ip), 0);
	natt_init(&n, &ip, host, &env, T0);
	assert_true(natt_output(&n, &d, T0));
	expect(d, "223.255.255.255", 0, host);
}

static void test_times(void **state)
{
	static const uint64_t at[] = { 0, 200, 600, 1400, 3000, 6200, 9400 };
	struct slice d;
	struct natt n;

	(void)state;
	start(&n);
	for (size_t i = 0; i < ARRAY_LEN(at); i++) {
		assert_int_equal(natt_deadline(&n), T0 + at[i]);
		if (i > 0)
			assert_false(natt_output(&n, &d, T0 + at[i] - 1));
		natt_tick(&n, T0 + at[i]);
		assert_true(natt_output(&n, &d, T0 + at[i]));
		assert_false(natt_output(&n, &d, T0 + at[i]));
	}
	assert_int_equal(natt_deadline(&n), T0 + 12000);
	natt_tick(&n, T0 + 11999);
	assert_false(n.over);
	natt_tick(&n, T0 + 12000);
	assert_true(n.over && !n.found);
	assert_int_equal(n.fault.err, VE_TIMEOUT);
	assert_true(natt_deadline(&n) == UINT64_MAX);
	assert_false(natt_output(&n, &d, T0 + 20000));
}

static void test_cookie_then_found(void **state)
{
	struct se_bytes b;
	struct slice d;
	struct natt n;
	struct ip ip;

	(void)state;
	start(&n);
	assert_true(natt_output(&n, &d, T0));
	answer(&b, ID, 0x100000002ull);
	give(&n, &b, T0 + 50);
	assert_int_equal(natt_deadline(&n), T0 + 50); /* at once, with the cookie */
	assert_true(natt_output(&n, &d, T0 + 50));
	expect(d, "192.0.2.1", 0x100000002ull, "vpn.example");
	assert_false(natt_output(&n, &d, T0 + 51));
	answer(&b, ID, 0x100000002ull); /* the late twin of the first answer */
	give(&n, &b, T0 + 60);
	assert_false(n.over);
	found(&b, "198.51.100.4", 61234);
	give(&n, &b, T0 + 100);
	assert_true(n.found && n.over && !n.same_lan);
	assert_int_equal(ip_parse("198.51.100.4", &ip), 0);
	assert_true(ip_equal(&n.at.ip, &ip));
	assert_int_equal(n.at.port, 61234);
	assert_false(natt_output(&n, &d, T0 + 5000));
	natt_tick(&n, T0 + 20000);
	assert_int_equal(n.fault.err, 0);
}

static void test_same_lan(void **state)
{
	struct se_bytes b;
	struct natt n;

	(void)state;
	start(&n);
	answer(&b, ID, 5);
	se_peer_int(&b, "ok", 1);
	se_peer_str(&b, "result_ip", "192.168.1.4");
	se_peer_int(&b, "result_port", 5555);
	se_peer_int(&b, "same_lan", 1);
	give(&n, &b, T0);
	assert_true(n.found && n.same_lan);
}

static void test_bad_places(void **state)
{
	static const struct { const char *ip; uint32_t port; } t[] = {
		{ "0.0.0.0", 5555 }, { "127.0.0.1", 5555 }, { "224.0.0.1", 5555 }, { "255.255.255.255", 5555 },
		{ "198.51.100.4", 0 }, { "198.51.100.4", 65536 }, { "198.51.100.4", UINT32_MAX }, { "2001:db8::1", 5555 },
		{ "", 5555 }, { "name.example", 5555 },
		{ "198.51.100.4 and a text that is much longer than any address is", 5555 },
	};
	struct se_bytes b;
	struct natt n;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		start(&n);
		found(&b, t[i].ip, t[i].port);
		give(&n, &b, T0);
		assert_true(n.over && !n.found);
		assert_int_equal(n.fault.err, VE_PROTO);
	}
}

static void test_refusals(void **state)
{
	struct se_bytes b;
	struct natt n;

	(void)state;
	start(&n);
	answer(&b, ID, 5);
	se_peer_int(&b, "multi_candidates", 1);
	give(&n, &b, T0);
	assert_true(n.over && !n.found);
	assert_int_equal(n.fault.err, VE_CONNECT);
	start(&n);
	for (unsigned i = 0; i < 4; i++) {
		assert_false(n.over);
		answer(&b, ID, 5);
		give(&n, &b, T0);
	}
	assert_true(n.over && !n.found);
	assert_int_equal(n.fault.err, VE_CONNECT);
}

/* A service that has a new cookie each time cannot make us send each time. */
static void test_many_cookies(void **state)
{
	struct slice d;
	struct se_bytes b;
	struct natt n;
	unsigned sent = 0;

	(void)state;
	start(&n);
	for (unsigned i = 1; i < 100; i++) {
		sent += natt_output(&n, &d, T0);
		answer(&b, ID, i);
		give(&n, &b, T0);
	}
	assert_int_equal(sent, 5);
}

static void test_not_ours(void **state)
{
	struct se_bytes b;
	struct natt n;

	(void)state;
	start(&n);
	answer(&b, ID + 1, 7);
	se_peer_int(&b, "ok", 1);
	give(&n, &b, T0);
	b = (struct se_bytes){ 0 };
	se_peer_pack(&b);
	se_peer_str(&b, "opcode", "nat_t_get_info");
	int64(&b, "tran_id", ID);
	se_peer_int(&b, "ok", 1);
	give(&n, &b, T0);
	answer(&b, ID, 7);
	se_peer_element(&b, "filler", 1, 1);
	se_bytes_u32(&b, 2048);
	se_bytes_fill(&b, 'x', 2048);
	give(&n, &b, T0); /* too long to be an answer */
	assert_int_equal(n.cookie, 0);
	assert_int_equal(n.refusals, 0);
	assert_false(n.over);
}

static void test_truncated(void **state)
{
	struct se_bytes b;
	struct natt n;

	(void)state;
	start(&n);
	found(&b, "198.51.100.4", 61234);
	for (size_t i = 0; i < b.n; i++) {
		give_part(&n, &b, i, T0);
		assert_false(n.over);
	}
	assert_int_equal(n.cookie, 0);
	give(&n, &b, T0);
	assert_true(n.found);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_host),        cmocka_unit_test(test_request),
		cmocka_unit_test(test_longest_request), cmocka_unit_test(test_times),
		cmocka_unit_test(test_cookie_then_found), cmocka_unit_test(test_same_lan),
		cmocka_unit_test(test_bad_places),  cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_many_cookies), cmocka_unit_test(test_not_ours),
		cmocka_unit_test(test_truncated),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
