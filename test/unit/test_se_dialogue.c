/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_se_dialogue.c - logins that take more than one connection: redirects and password changes; and VPN Azure. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <wolfssl/wolfcrypt/settings.h>
#include <wolfssl/wolfcrypt/hash.h>

#include "core/bytes.h"
#include "core/softether/se_error.h"
#include "test/unit/se_world.inc.h"

static const char certificate[] = "a certificate, as far as this test is concerned";
static const char ticket[20] = "TICKETTICKETTICKETTI";

/* A redirect to the address 203.0.113.9 (or another), with the ports. */
static void redirect(struct se_bytes *b, uint32_t ip, const uint32_t *ports, uint32_t nports)
{
	se_peer_pack(b);
	se_peer_int(b, "Redirect", 1);
	se_peer_int(b, "Ip", ip);
	se_peer_int(b, "Ip@ipv6_bool", 0);
	se_peer_element(b, "Port", 0, nports);
	for (uint32_t i = 0; i < nports; i++)
		se_bytes_u32(b, ports[i]);
	se_peer_data(b, "Ticket", ticket, sizeof(ticket));
}

#define MEMBER 0x097100cbu /* 203.0.113.9, least significant byte first */

static void good_redirect(struct se_bytes *b)
{
	static const uint32_t ports[] = { 992, 5555 };

	redirect(b, MEMBER, ports, 2);
	se_peer_data(b, "Cert", certificate, sizeof(certificate));
}

static void at_login(struct world *w)
{
	world_init(w, 2);
	world_start(w);
	give_hello(w, 0);
	w->sent[0].n = 0;
}

/* --- redirects ---------------------------------------------------------------------------------------------------- */

static void test_redirect(void **state)
{
	static const struct se_peer_grants grants = { .timeout_ms = 20000, .max_connection = 2 };
	struct se_bytes b = { 0 };
	struct se_request req;
	uint8_t hash[32];
	struct world w;

	(void)state;
	assert_int_equal(wc_Sha256Hash((const uint8_t *)certificate, sizeof(certificate), hash), 0);
	at_login(&w);
	good_redirect(&b);
	se_peer_data(&b, "Msg", "elsewhere", 9);
	give_answer(&w, 0, &b);
	assert_string_equal(w.ops->state_name(w.s), "moving");
	assert_int_equal(w.notices, 1);
	/* it is acknowledged, and that wire is given up */
	assert_int_equal(w.hung_up, 1);
	req = request_on(&w, 0);
	assert_string_equal(req.line, "POST /vpnsvc/vpn.cgi HTTP/1.1");
	assert_element(&req, "method", -1, NULL, 0);
	/* the other server, and no other */
	assert_int_equal(only_dial(&w), 1);
	assert_int_equal(w.dial.to.ip.family, IP_V4);
	assert_memory_equal(w.dial.to.ip.b, "\xcb\x00\x71\x09", 4);
	assert_int_equal(w.dial.to.port, 992);
	assert_memory_equal(w.dial.cert_sha256, hash, 32);
	wire_up(&w, 1);
	assert_string_equal(w.ops->state_name(w.s), "hello");
	give_hello(&w, 1);
	req = request_on(&w, 1);
	assert_element(&req, "method", 2, "login", 5);
	assert_element(&req, "authtype", 0, "\0\0\0\x63", 4);
	assert_element(&req, "ticket", 1, ticket, sizeof(ticket));
	assert_element(&req, "secure_password", -1, NULL, 0);
	assert_element(&req, "hubname", 2, "OFFICE", 6);
	assert_element(&req, "username", 2, "alice", 5);
	give_welcome(&w, 1, &grants);
	/* the next ones go there as well */
	w.ops->tick(w.s, w.now + 1000);
	take_events(&w);
	assert_int_equal(only_dial(&w), 2);
	assert_int_equal(w.dial.to.port, 992);
	assert_memory_equal(w.dial.to.ip.b, "\xcb\x00\x71\x09", 4);
	assert_memory_equal(w.dial.cert_sha256, hash, 32);
	world_fini(&w);
}

static void test_port_that_is_known(void **state)
{
	static const uint32_t ports[] = { 5555, 443, 992 };
	struct se_bytes b = { 0 };
	struct world w;

	(void)state;
	at_login(&w);
	redirect(&b, MEMBER, ports, 3);
	se_peer_data(&b, "Cert", certificate, sizeof(certificate));
	give_answer(&w, 0, &b);
	assert_int_equal(w.dial.to.port, 443);
	world_fini(&w);
}

static void test_two_hops_and_no_more(void **state)
{
	struct se_bytes b = { 0 };
	struct world w;

	(void)state;
	at_login(&w);
	for (unsigned k = 0; k < 2; k++) {
		good_redirect(&b);
		give_answer(&w, k, &b);
		assert_int_equal(w.closed, 0);
		wire_up(&w, only_dial(&w));
		give_hello(&w, k + 1);
	}
	good_redirect(&b);
	give_answer(&w, 2, &b);
	assert_closed(&w, VE_PROTO, false, WHO "login answer: more than 2 redirects in one login");
	world_fini(&w);
}

static void test_redirects_to_nowhere(void **state)
{
	static const uint32_t bad[] = { 0, 0x0100007f, 0xffffffff, 0x010000e0, 0x05060700 };
	static const uint32_t ports[] = { 443 };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct se_bytes b = { 0 };
		struct world w;

		at_login(&w);
		redirect(&b, bad[i], ports, 1);
		se_peer_data(&b, "Cert", certificate, sizeof(certificate));
		give_answer(&w, 0, &b);
		assert_int_equal(w.closed, 1);
		assert_int_equal(w.fault.err, VE_PROTO);
		assert_int_equal(w.dialed, 0);
		world_fini(&w);
	}
}

static void test_loopback_to_loopback(void **state)
{
	static const uint32_t ports[] = { 5555 };
	struct se_bytes b = { 0 };
	struct world w;

	(void)state;
	world_init(&w, 1);
	w.wire[0].peer.ip = (struct ip){ IP_V4, { 127, 0, 0, 1 } };
	world_start(&w);
	give_hello(&w, 0);
	redirect(&b, 0x0200007f, ports, 1);
	se_peer_data(&b, "Cert", certificate, sizeof(certificate));
	give_answer(&w, 0, &b);
	assert_int_equal(w.closed, 0);
	assert_memory_equal(w.dial.to.ip.b, "\x7f\x00\x00\x02", 4);
	world_fini(&w);
}

static void test_redirect_without_certificate(void **state)
{
	static const uint32_t ports[] = { 443 };
	struct se_bytes b = { 0 };
	struct world w;

	(void)state;
	at_login(&w);
	redirect(&b, MEMBER, ports, 1);
	give_answer(&w, 0, &b);
	assert_int_equal(w.closed, 1);
	assert_non_null(strstr(w.fault.text, "certificate"));
	world_fini(&w);
}

static void test_member_that_is_not_there(void **state)
{
	static const struct fault f = { .err = VE_CONNECT, .text = "server 203.0.113.9: connection refused" };

	for (int how = 0; how < 3; how++) {
		struct se_bytes b = { 0 };
		struct world w;

		(void)state;
		at_login(&w);
		good_redirect(&b);
		give_answer(&w, 0, &b);
		if (how == 0) {
			wire_down(&w, 1, &f);
			assert_closed(&w, VE_CONNECT, false, f.text);
		} else if (how == 1) {
			w.now += SE_JOIN_MS;
			w.ops->tick(w.s, w.now);
			take_events(&w);
			assert_closed(&w, VE_TIMEOUT, false, WHO "no second connection for 30 s");
		} else {
			wire_up(&w, 1);
			give_hello(&w, 1);
			give_error(&w, 1, 9);
			assert_int_equal(w.closed, 1);
			assert_int_equal(w.fault.err, se_error_for(9, SE_LOGIN_TICKET)->err);
		}
		world_fini(&w);
	}
}

/* --- passwords ---------------------------------------------------------------------------------------------------- */

static void at_password_change(struct world *w)
{
	world_init(w, 1);
	w->conf.change_password = true;
	w->conf.new_password = "NewSecret456";
	world_start(w);
	give_hello(w, 0);
}

static void test_changing_the_password(void **state)
{
	static const uint8_t old_proof[] = { 0xd9, 0xb0, 0x39, 0x66, 0x74, 0x01, 0xa6, 0xf1, 0xdb, 0x96,
					     0xf5, 0xde, 0x9f, 0x74, 0xc3, 0x59, 0x0f, 0x35, 0xe4, 0x41 };
	struct se_bytes b = { 0 };
	struct se_request req;
	struct world w;

	(void)state;
	at_password_change(&w);
	req = request_on(&w, 0);
	assert_element(&req, "method", 2, "password", 8);
	assert_element(&req, "hubname", 2, "OFFICE", 6);
	assert_element(&req, "username", 2, "alice", 5);
	assert_element(&req, "secure_old_password", 1, old_proof, sizeof(old_proof));
	se_peer_pack(&b);
	se_peer_int(&b, "error", 0);
	give_answer(&w, 0, &b);
	assert_closed(&w, VE_CANCELED, false, WHO "password changed");
	assert_int_equal(w.ready, 0);
	world_fini(&w);
}

static void test_password_that_is_not_changed(void **state)
{
	static const uint32_t errors[] = { 52, 68, 69, 9, 3 };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(errors); i++) {
		const struct se_error *e = se_error_for(errors[i], SE_NEW_PASSWORD);
		char start[100];
		struct world w;

		at_password_change(&w);
		give_error(&w, 0, errors[i]);
		snprintf(start, sizeof(start), WHO "answer to the password change: error %u: %.20s", errors[i], e->text);
		assert_int_equal(w.closed, 1);
		assert_memory_equal(w.fault.text, start, strlen(start));
		assert_int_equal(w.fault.final, e->final);
		world_fini(&w);
	}
}

static void test_password_is_not_given_to_anybody(void **state)
{
	struct world w;

	(void)state;
	world_init(&w, 1);
	w.conf.change_password = true;
	w.conf.new_password = "NewSecret456";
	w.wire[0].verified = false;
	world_start(&w);
	assert_int_equal(w.closed, 1);
	assert_int_equal(w.fault.err, VE_AUTH);
	assert_int_equal(w.ops->tx_peek(w.s, 0).n, 0);
	world_fini(&w);
}

/* 138, and a new password was given: it is set, and the login begins anew with it. */
static void test_demanded_password(void **state)
{
	static const struct se_peer_grants grants = { .timeout_ms = 20000, .max_connection = 1 };
	const uint8_t *proof;
	struct se_bytes b = { 0 }, first = { 0 };
	struct se_request req;
	bool is_new = false;
	struct world w;
	size_t n;

	(void)state;
	world_init(&w, 1);
	w.conf.new_password = "NewSecret456";
	w.conf.password_is_new = &is_new;
	world_start(&w);
	give_hello(&w, 0);
	req = request_on(&w, 0);
	assert_int_equal(se_peer_find(req.body, req.size, "secure_password", &proof, &n), 1);
	se_bytes_add(&first, proof, n);
	give_error(&w, 0, 138);
	assert_int_equal(w.hung_up, 1);
	assert_int_equal(only_dial(&w), 1);
	assert_int_equal(w.dial.to.ip.family, IP_NONE);
	assert_memory_equal(w.dial.cert_sha256, w.wire[0].cert_sha256, 32);
	wire_up(&w, 1);
	give_hello(&w, 1);
	req = request_on(&w, 1);
	assert_element(&req, "method", 2, "password", 8);
	assert_false(is_new);
	se_peer_pack(&b);
	se_peer_int(&b, "error", 0);
	give_answer(&w, 1, &b);
	assert_true(is_new);
	assert_int_equal(w.notices, 1);
	wire_up(&w, 2);
	give_hello(&w, 2);
	req = request_on(&w, 2);
	assert_element(&req, "method", 2, "login", 5);
	assert_int_equal(se_peer_find(req.body, req.size, "secure_password", &proof, &n), 1);
	assert_memory_not_equal(proof, first.p, n);
	se_bytes_free(&first);
	se_bytes_add(&first, proof, n);
	give_welcome(&w, 2, &grants);
	assert_int_equal(w.closed, 0);
	w.ops->destroy(w.s);

	/* the next session knows */
	w.ready = w.closed = 0;
	memset(w.open, 0, sizeof(w.open));
	world_start(&w);
	give_hello(&w, 0);
	req = request_on(&w, 0);
	assert_element(&req, "secure_password", 1, first.p, first.n);
	se_bytes_free(&first);
	world_fini(&w);
}

static void test_demand_that_cannot_be_met(void **state)
{
	struct world w;

	(void)state;
	at_login(&w); /* no new password */
	give_error(&w, 0, 138);
	assert_int_equal(w.closed, 1);
	assert_non_null(strstr(w.fault.text, "error 138"));
	world_fini(&w);
	/* the server is never content */
	world_init(&w, 1);
	w.conf.new_password = "NewSecret456";
	world_start(&w);
	for (unsigned k = 0; k < 3; k += 2) {
		struct se_bytes b = { 0 };

		give_hello(&w, k);
		give_error(&w, k, 138);
		if (k > 0)
			break;
		wire_up(&w, 1);
		give_hello(&w, 1);
		se_peer_pack(&b);
		give_answer(&w, 1, &b);
		wire_up(&w, 2);
	}
	assert_int_equal(w.closed, 1);
	assert_non_null(strstr(w.fault.text, "error 138"));
	world_fini(&w);
}

/* --- errors that want their time ---------------------------------------------------------------------------------- */

static void test_waits(void **state)
{
	static const struct {
		uint32_t error, wait_ms;
	} cases[] = { { 10, 60000 }, { 16, 60000 }, { 20, 60000 }, { 21, 60000 }, { 9, 0 }, { 11, 0 }, { 23, 0 } };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct world w;

		at_login(&w);
		give_error(&w, 0, cases[i].error);
		assert_int_equal(w.closed, 1);
		assert_int_equal(w.fault.wait_ms, cases[i].wait_ms);
		world_fini(&w);
	}
}

/* --- VPN Azure ---------------------------------------------------------------------------------------------------- */

static void test_azure_wants_no_plain_password(void **state)
{
	static const struct {
		const char *host;
		bool insecure, refused;
	} cases[] = {
		{ "name.vpnazure.net", false, true },   { "NAME.VPNAzure.NET.", false, true },
		{ "name.vpnazure.net", true, false },   { "vpnazure.net.example.com", false, false },
		{ "namevpnazure.net", false, false },   { "vpn.example.com", false, false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct world w;

		world_init(&w, 1);
		snprintf(w.wire[0].host, sizeof(w.wire[0].host), "%s", cases[i].host);
		w.conf.auth_methods = AUTH_PLAIN;
		w.conf.allow_unverified = cases[i].insecure;
		world_start(&w);
		give_hello(&w, 0);
		assert_int_equal(w.closed, cases[i].refused);
		if (cases[i].refused) {
			assert_int_equal(w.fault.err, VE_AUTH);
			assert_true(w.fault.final);
			assert_int_equal(w.sent[0].n, 0);
		}
		world_fini(&w);
	}
}

static void test_plain_password_has_more_time(void **state)
{
	struct world w;

	(void)state;
	world_init(&w, 1);
	w.conf.auth_methods = AUTH_PLAIN;
	world_start(&w);
	assert_true(w.ops->deadline(w.s) == START + SE_HTTP_IDLE_MS);
	give_hello(&w, 0);
	assert_true(w.ops->deadline(w.s) == START + 90000);
	at(&w, START + 89999);
	assert_int_equal(w.closed, 0);
	w.now++;
	w.ops->tick(w.s, w.now);
	take_events(&w);
	assert_closed(&w, VE_TIMEOUT, false, WHO "no login answer for 90 s");
	world_fini(&w);
}

static void test_azure_warning(void **state)
{
	struct se_bytes b = { 0 };
	struct world w;

	(void)state;
	at_login(&w);
	se_peer_pack(&b);
	se_peer_str(&b, "session_name", "S");
	se_peer_str(&b, "connection_name", "C");
	se_peer_data(&b, "session_key", ticket, 20);
	se_peer_int(&b, "use_encrypt", 1);
	se_peer_int(&b, "is_azure_session", 1);
	se_peer_data(&b, "Msg", "hello", 5);
	give_answer(&w, 0, &b);
	assert_int_equal(w.ready, 1);
	assert_int_equal(w.notices, 2);
	assert_memory_equal(w.notice.p, "hello\n", 6);
	assert_non_null(memmem(w.notice.p, w.notice.n, "operator", 8));
	world_fini(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_redirect),
		cmocka_unit_test(test_port_that_is_known),
		cmocka_unit_test(test_two_hops_and_no_more),
		cmocka_unit_test(test_redirects_to_nowhere),
		cmocka_unit_test(test_loopback_to_loopback),
		cmocka_unit_test(test_redirect_without_certificate),
		cmocka_unit_test(test_member_that_is_not_there),
		cmocka_unit_test(test_changing_the_password),
		cmocka_unit_test(test_password_that_is_not_changed),
		cmocka_unit_test(test_password_is_not_given_to_anybody),
		cmocka_unit_test(test_demanded_password),
		cmocka_unit_test(test_demand_that_cannot_be_met),
		cmocka_unit_test(test_waits),
		cmocka_unit_test(test_azure_wants_no_plain_password),
		cmocka_unit_test(test_plain_password_has_more_time),
		cmocka_unit_test(test_azure_warning),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
