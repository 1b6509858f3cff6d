/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The whole session against a small server: logins, every split point, every timer, every way it can end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "core/bytes.h"
#include "core/limits.h"
#include "core/sstp/sstp.h"
#include "test/support/closed.h"
#include "test/support/heap.h"
#include "test/support/sstp_rig.h"
#include "test/support/unhex.h"

#define NONCE_31 "01010101010101010101010101010101010101010101010101010101010101"

static const struct session_ops *const ops = &sstp_session_ops;

static void fill(void *ctx, void *to, size_t n)
{
	(void)ctx;
	memset(to, 0x2a, n);
}

static void expect_closed(const struct rig *r, int err, bool final, const char *word)
{
	if (r->closes != 1)
		fail_msg("not closed, expected \"%s\"", word);
	if (r->fault.err != err || r->fault.final != final || !strstr(r->fault.text, word))
		fail_msg("expected %d%s \"%s\", got %d%s: %s", err, final ? " final" : "", word, r->fault.err,
			 r->fault.final ? " final" : "", r->fault.text);
	assert_memory_equal(r->fault.text, "sstp vpn.example.test:443: ", 27);
	assert_null(strstr(r->fault.text, "secret"));
}

/* A session with a server that goes so far and no further. */
static void to_stage(struct rig *r, enum rig_stage stage)
{
	rig_init(r);
	r->stage = stage;
	rig_start(r);
	rig_run(r);
	assert_int_equal(r->closes, 0);
}

/* --- login -------------------------------------------------------------------------------------------- */

static void expect_facts(const struct rig *r)
{
	char buf[IP_TEXT_MAX];

	assert_int_equal(r->readies, 1);
	assert_int_equal(r->closes, 0);
	assert_true(r->bound);
	assert_int_equal(r->packets_before_connected, 0);
	assert_int_equal(r->facts.kind, LINK_IP);
	assert_int_equal(r->facts.mtu, 1400);
	assert_string_equal(ip_text(&r->facts.ip4, buf), "10.1.2.3");
	assert_string_equal(ip_text(&r->facts.dns[0], buf), "10.1.0.53");
	assert_int_equal(r->facts.dns[1].family, IP_NONE);
	assert_string_equal(ops->state_name(r->s), "up");
}

static void test_login(void **state)
{
	static struct rig r;

	(void)state;
	rig_init(&r);
	rig_start(&r);
	assert_string_equal(ops->state_name(r.s), "http");
	assert_true(ops->tx_peek(r.s, 0).n > 150);
	rig_run(&r);
	expect_facts(&r);
	assert_false(r.facts.has_ip6_iid);
	assert_int_equal(r.ready_at, 5000); /* no waiting for anything */
	assert_int_equal(r.notices, 0);
	rig_fini(&r);
	rig_init(&r);
	r.ip6 = true;
	rig_start(&r);
	rig_run(&r);
	expect_facts(&r);
	assert_true(r.facts.has_ip6_iid);
	rig_fini(&r);
}

static void test_every_split_point(void **state)
{
	static struct rig r;
	uint64_t total = UINT64_MAX;

	(void)state;
	for (uint64_t at = 0; at <= total; at++) {
		rig_init(&r);
		r.ip6 = true;
		r.split_at = at == 0 ? UINT64_MAX : at;
		rig_start(&r);
		rig_run(&r);
		expect_facts(&r);
		if (at == 0)
			total = r.sent;
		assert_int_equal(r.sent, total);
		rig_fini(&r);
	}
	assert_true(total > 350);
	rig_init(&r);
	r.byte_by_byte = true;
	rig_start(&r);
	rig_run(&r);
	expect_facts(&r);
	rig_fini(&r);
}

/* The server gives up at every byte of its side. */
static void test_every_truncation(void **state)
{
	static struct rig r;

	(void)state;
	for (uint64_t at = 1; at < 420; at++) {
		rig_init(&r);
		r.split_at = at;
		rig_start(&r);
		for (unsigned n = 0; r.sent < at && n < 50; n++) {
			rig_run(&r);
			if (r.readies)
				break;
		}
		rig_eof(&r);
		assert_int_equal(r.closes, 1);
		assert_true(r.fault.err < 0);
		rig_fini(&r);
	}
}

/* sstp-server: nothing is heard before its PPP runs. accel-ppp: a moment of deafness after the login. */
static void test_lost_first_packets(void **state)
{
	static struct rig r;

	(void)state;
	rig_init(&r);
	r.deaf_until = 5700;
	rig_start(&r);
	rig_wait(&r, 1000);
	expect_facts(&r);
	assert_int_equal(r.ready_at, 5700);
	rig_fini(&r);
	rig_init(&r);
	r.late_ncp = true;
	rig_start(&r);
	rig_run(&r);
	expect_facts(&r);
	assert_int_equal(r.ready_at, 5000);
	rig_fini(&r);
	rig_init(&r);
	r.deaf6 = true;
	rig_start(&r);
	rig_wait(&r, 1000);
	expect_facts(&r);
	assert_int_equal(r.ready_at, 5500);
	rig_fini(&r);
}

static void test_sha1_only(void **state)
{
	static struct rig r;

	(void)state;
	rig_init(&r);
	r.mask = 1;
	rig_start(&r);
	rig_run(&r);
	expect_facts(&r);
	assert_int_equal(r.notices, 1);
	assert_non_null(strstr(r.notice, "SHA-1"));
	rig_fini(&r);
}

static void test_mtu(void **state)
{
	static struct rig r;

	(void)state;
	rig_init(&r);
	r.mru = "01040514";
	rig_start(&r);
	rig_run(&r);
	assert_int_equal(r.facts.mtu, 1300);
	rig_fini(&r);
}

static void test_configurations(void **state)
{
	static struct rig r;
	struct session *s = NULL;
	struct session_env env = { 0 };

	(void)state;
	rig_init(&r);
	r.conf.user = "";
	assert_int_equal(ops->create(&s, &r.conf, &r.wire, &env, 0), VE_USAGE);
	r.conf.user = NULL;
	assert_int_equal(ops->create(&s, &r.conf, &r.wire, &env, 0), VE_USAGE);
	r.conf.user = "alice";
	r.conf.password = NULL;
	assert_int_equal(ops->create(&s, &r.conf, &r.wire, &env, 0), VE_USAGE);
	assert_null(s);
	ops->destroy(NULL);
	assert_string_equal(ops->scheme, "sstp");
	assert_int_equal(ops->default_port, 443);
	assert_int_equal(ops->link, LINK_IP);
	/* An address in brackets in front of every message. */
	strcpy(r.wire.host, "2001:db8::1");
	r.conf.password = "secret";
	rig_start(&r);
	rig_eof(&r);
	assert_memory_equal(r.fault.text, "sstp [2001:db8::1]:443: ", 24);
	rig_fini(&r);
}

/* Every allocation fails once: none is forgotten, and a session that lives on says what happened. */
static void test_failing_allocations(void **state)
{
	static struct rig r;
	const struct session_env env = { .random = fill };
	long before = heap.live;
	unsigned n = 0;
	int err;

	(void)state;
	if (!HEAP_COUNTED)
		skip();
	rig_login(&r);
	rig_fini(&r);
	rig_init(&r);
	do {
		struct session *s = NULL;

		heap.asked = 0;
		heap.fail_at = ++n;
		err = ops->create(&s, &r.conf, &r.wire, &env, 0);
		heap.fail_at = 0;
		assert_true(err == 0 || err == VE_NOMEM);
		assert_int_equal(err == 0, s != NULL);
		ops->destroy(s);
		assert_int_equal(heap.live, before);
	} while (err != 0 && n < 100);
	assert_int_equal(n, 5); /* the session, three queues; the fifth does not exist */
	rig_init(&r);
	rig_start(&r);
	heap.asked = 0;
	heap.fail_at = 1;
	rig_run(&r);
	heap.fail_at = 0;
	expect_closed(&r, VE_NOMEM, false, "cannot start MS-CHAPv2");
	rig_fini(&r);
	assert_int_equal(heap.live, before);
}

/* --- refusals ----------------------------------------------------------------------------------------- */

static void test_wrong_password(void **state)
{
	static struct rig r;

	(void)state;
	rig_init(&r);
	r.password = "other";
	rig_start(&r);
	rig_run(&r);
	expect_closed(&r, VE_AUTH, true, "691");
	assert_non_null(strstr(r.fault.text, "no way"));
	assert_int_equal(r.connected, 0);
	assert_int_equal(r.term_requests, 1); /* LCP first, then SSTP */
	assert_int_equal(r.disconnects, 1);
	rig_fini(&r);
}

static void test_server_without_proof(void **state)
{
	static struct rig r;

	(void)state;
	rig_init(&r);
	r.wrong_proof = true;
	rig_start(&r);
	rig_run(&r);
	expect_closed(&r, VE_AUTH, true, "cannot prove");
	assert_int_equal(r.connected, 0);
	rig_fini(&r);
}

static void test_binding_refused(void **state)
{
	static const char *const aborts[] = {
		"10010014 0005 0001 0002000C 00000002 00000007", /* accel-ppp */
		"10010010 0005 0001 0002 0008 00000007",         /* sstp-server */
		"10010008 0005 0000",                            /* SoftEther's shape */
		"10010014 0005 0001 0002000C 00000003 00000004", /* as the specification has it */
	};
	static struct rig r;

	(void)state;
	for (size_t i = 0; i <= ARRAY_LEN(aborts); i++) {
		to_stage(&r, RIG_LOGIN);
		assert_int_equal(r.connected, 1);
		/* One packet of a network protocol proves nothing. */
		rig_give_ppp(&r, "8021 01 6e 000a 03060a580001");
		if (i < ARRAY_LEN(aborts))
			rig_give_hex(&r, aborts[i]);
		else
			rig_eof(&r);
		rig_wait(&r, 999);
		/* The server may close first, within a second. */
		assert_int_equal(r.closes, i == ARRAY_LEN(aborts));
		rig_wait(&r, 1);
		expect_closed(&r, VE_AUTH, false, "crypto binding");
		assert_non_null(strstr(r.fault.text, "5252525252"));
		assert_non_null(strstr(r.fault.text, "MS-CHAPv2"));
		assert_true(strlen(r.fault.text) < FAULT_TEXT_MAX - 20);
		assert_int_equal(r.aborts, i < ARRAY_LEN(aborts));
		rig_fini(&r);
	}
	/* Once an answer to a request of ours has come, it was accepted. */
	to_stage(&r, RIG_LOGIN);
	rig_give_ppp(&r, "8021 04 01 000a 840600000000");
	rig_give_hex(&r, aborts[0]);
	rig_wait(&r, 1000);
	expect_closed(&r, VE_ADDRESS, false, "status 7 (invalid frame received)");
	rig_fini(&r);
	/* So says SoftEther's echo. */
	to_stage(&r, RIG_LOGIN);
	rig_give_hex(&r, "10010008 0008 0000");
	rig_eof(&r);
	expect_closed(&r, VE_ADDRESS, false, "closed the connection");
	rig_fini(&r);
}

static void test_no_binding_offered(void **state)
{
	static const char *const acks[] = {
		"10010008 0002 0000",
		"10010030 0002 0001 00040028 00000000 " NONCE_31 "01",
		"10010030 0002 0001 00040028 00000004 " NONCE_31 "01",
		("1001002f 0002 0001 00040027 00000003 " NONCE_31),
		"1001000c 0002 0001 0004 0000",
	};
	static struct rig r;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(acks); i++) {
		to_stage(&r, RIG_HTTP);
		rig_give_hex(&r, acks[i]);
		rig_run(&r);
		assert_int_equal(r.aborts, 1);
		assert_int_equal(r.abort_status, 4);
		rig_wait(&r, 3000);
		expect_closed(&r, VE_PROTO, false, "crypto binding");
		rig_fini(&r);
	}
}

static void test_naks(void **state)
{
	static struct rig r;

	(void)state;
	to_stage(&r, RIG_HTTP);
	for (unsigned i = 0; i < 3; i++) {
		r.requested = false;
		r.now += 59000; /* each one starts the timer anew */
		rig_give_hex(&r, "10010014 0003 0001 0002000C 00000001 00000004");
		rig_run(&r);
		assert_true(r.requested);
		assert_int_equal(r.closes, 0);
	}
	rig_give_hex(&r, "10010014 0003 0001 0002000C 00000001 00000004");
	rig_run(&r);
	assert_int_equal(r.aborts, 1);
	rig_wait(&r, 3000);
	expect_closed(&r, VE_PROTO, false, "status 4 (value not supported)");
	rig_fini(&r);
}

static void test_insisting_on_pap(void **state)
{
	static struct rig r;

	(void)state;
	to_stage(&r, RIG_CALL);
	for (unsigned i = 0; i < 3; i++)
		rig_give_ppp(&r, "c021 01 00 0008 0304c023");
	rig_wait(&r, 10000);
	expect_closed(&r, VE_AUTH, true, "insists on PAP");
	assert_int_equal(r.disconnects, 1);
	rig_fini(&r);
	/* The user allows PAP, but the server's certificate was not checked. */
	for (unsigned i = 0; i < 2; i++) {
		rig_init(&r);
		r.stage = RIG_CALL;
		r.conf.auth_methods = AUTH_PAP;
		r.wire.verified = false;
		r.conf.allow_unverified = i == 1;
		rig_start(&r);
		rig_run(&r);
		rig_give_ppp(&r, "c021 01 00 0008 0304c023");
		rig_give_ppp(&r, "c021 02 01 000e 010405dc 050601020304");
		rig_pull(&r);
		assert_int_equal(memmem(r.rx, r.nrx, "secret", 6) != NULL, i == 1);
		rig_fini(&r);
	}
}

/* --- silence ------------------------------------------------------------------------------------------ */

static void fall_silent(enum rig_stage stage, uint64_t after, int err, const char *word)
{
	static struct rig r;

	to_stage(&r, stage);
	r.mute = true;
	rig_wait(&r, after - 1);
	if (r.closes)
		fail_msg("stage %d closed too early, at %u: %s", stage, (unsigned)(r.closed_at - 5000),
			 r.fault.text);
	rig_wait(&r, 1);
	expect_closed(&r, err, false, word);
	rig_fini(&r);
}

static void test_silence_in_every_phase(void **state)
{
	(void)state;
	fall_silent(RIG_SILENT, 60000, VE_TIMEOUT, "no answer to the SSTP request");
	fall_silent(RIG_HTTP, 60000 + 3000, VE_TIMEOUT, "no answer to the call");
	fall_silent(RIG_CALL, 30000 + 5000, VE_TIMEOUT, "718"); /* ten LCP requests, then the goodbye */
	fall_silent(RIG_LCP, 60000 + 3000, VE_TIMEOUT, "its challenge");
	fall_silent(RIG_CHALLENGE, 60000 + 3000, VE_TIMEOUT, "verdict on our login (721");
	fall_silent(RIG_LOGIN, 30000 + 2000 + 5000, VE_ADDRESS, "720");
	fall_silent(RIG_UP, 60000, VE_LOST, "fell silent");
}

/* The authentication server is slow, and the server repeats itself meanwhile: within its minute that is
 * fine. */
static void test_slow_login(void **state)
{
	static struct rig r;

	(void)state;
	rig_init(&r);
	r.stage = RIG_CHALLENGE;
	rig_start(&r);
	rig_wait(&r, 58000);
	assert_int_equal(r.closes, 0);
	r.stage = RIG_UP;
	/* The same challenge again. */
	rig_give_ppp(&r, "c223 01 21 0017 10 33333333333333333333333333333333 766d");
	rig_run(&r);
	expect_facts(&r);
	/* SoftEther, even after its Success. */
	rig_give_ppp(&r, "c223 01 21 0017 10 33333333333333333333333333333333 766d");
	rig_run(&r);
	assert_int_equal(r.connected, 1);
	assert_int_equal(r.closes, 0);
	rig_fini(&r);
}

static void test_hello(void **state)
{
	static struct rig r;

	(void)state;
	rig_login(&r);
	rig_wait(&r, 600000); /* an idle link with a server that answers lives on */
	assert_int_equal(r.closes, 0);
	assert_int_equal(r.lcp_echoes, 40);
	assert_int_equal(r.echo_requests, 0); /* the answers to LCP's echoes are life enough */
	r.mute = true;
	rig_wait(&r, 29999);
	rig_pull(&r);
	assert_null(memmem(r.rx, r.nrx, "\x10\x01\x00\x08\x00\x08\x00\x00", 8));
	rig_give_hex(&r, "10000004"); /* anything counts, even an empty data packet */
	r.now += 29999;
	r.s->ops->tick(r.s, r.now);
	rig_pull(&r);
	assert_null(memmem(r.rx, r.nrx, "\x10\x01\x00\x08\x00\x08\x00\x00", 8));
	r.now += 1;
	r.s->ops->tick(r.s, r.now);
	rig_pull(&r);
	assert_non_null(memmem(r.rx, r.nrx, "\x10\x01\x00\x08\x00\x08\x00\x00", 8));
	rig_give_hex(&r, "10010008 0009 0000"); /* and the answer starts all over */
	r.now += 59999;
	assert_int_equal(r.closes, 0);
	rig_fini(&r);
}

static void test_dead_server(void **state)
{
	static struct rig r;

	(void)state;
	rig_login(&r);
	r.mute = true;
	rig_wait(&r, 60000);
	expect_closed(&r, VE_LOST, false, "fell silent");
	assert_int_equal(r.closed_at, 65000);
	rig_fini(&r);
}

/* SSTP alive, PPP dead: SoftEther after an administrator removed the session. */
static void test_dead_ppp_behind_a_live_server(void **state)
{
	static struct rig r;

	(void)state;
	rig_login(&r);
	r.mute = true;
	for (unsigned i = 0; i < 30 && r.closes == 0; i++) {
		rig_give_hex(&r, "10010008 0008 0000");
		rig_wait(&r, 4000);
	}
	expect_closed(&r, VE_LOST, false, "LCP echoes");
	rig_fini(&r);
}

/* --- echoes ------------------------------------------------------------------------------------------- */

static void test_echo_requests(void **state)
{
	static struct rig r;

	(void)state;
	to_stage(&r, RIG_HTTP);
	rig_give_hex(&r, "10010008 0008 0000"); /* before the call: neither answered nor held against it */
	rig_run(&r);
	assert_int_equal(r.echo_responses, 0);
	assert_int_equal(r.closes + r.aborts, 0);
	rig_fini(&r);
	to_stage(&r, RIG_CALL);
	rig_give_hex(&r, "10010008 0008 0000");
	rig_give_hex(&r, "10010008 0009 0000");
	rig_run(&r);
	assert_int_equal(r.echo_responses, 1);
	rig_fini(&r);
	rig_login(&r);
	for (unsigned i = 0; i < 1000; i++)
		rig_give_hex(&r, "10010008 0008 0000");
	rig_run(&r);
	assert_int_equal(r.echo_responses, 100); /* a second */
	r.now += 1000;
	rig_give_hex(&r, "10010008 0008 0000");
	rig_run(&r);
	assert_int_equal(r.echo_responses, 101);
	rig_fini(&r);
}

/* --- ends --------------------------------------------------------------------------------------------- */

static const enum rig_stage stages[] = { RIG_HTTP, RIG_CALL, RIG_LCP, RIG_CHALLENGE, RIG_UP };

static const struct {
	int err;
	const char *word;
} ends[] = {
	{ VE_PROTO, "instead of answering the call" },
	{ VE_PROTO, "first PPP packet" },
	{ VE_PROTO, "its challenge" },
	{ VE_PROTO, "verdict" },
	{ VE_LOST, "the server" },
};

static void test_abort_in_every_phase(void **state)
{
	static struct rig r;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(stages); i++) {
		to_stage(&r, stages[i]);
		rig_give_hex(&r, "10010014 0005 0001 0002000C 00000002 00000008");
		rig_run(&r);
		assert_int_equal(r.aborts, 1); /* answered */
		assert_int_equal(r.closes, 0);
		rig_give_hex(&r, "10010008 0008 0000"); /* and nothing after it */
		rig_give_hex(&r, "10010008 0005 0000");
		rig_run(&r);
		assert_int_equal(r.echo_responses, 0);
		rig_wait(&r, 1000);
		expect_closed(&r, ends[i].err, false, ends[i].word);
		assert_non_null(strstr(r.fault.text, "negotiation timeout"));
		assert_int_equal(r.aborts, 1);
		rig_fini(&r);
	}
}

static void test_disconnect_in_every_phase(void **state)
{
	static struct rig r;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(stages); i++) {
		to_stage(&r, stages[i]);
		rig_give_hex(&r, i % 2 ? "10010008 0006 0000" : "10010010 0006 0001 0000 0008 00000000");
		rig_run(&r);
		assert_int_equal(r.disconnect_acks, 1);
		assert_int_equal(r.closes, 0);
		rig_eof(&r); /* it closes before our second is over */
		expect_closed(&r, ends[i].err, false, ends[i].word);
		rig_fini(&r);
	}
}

static void test_eof_in_every_phase(void **state)
{
	static struct rig r;

	(void)state;
	to_stage(&r, RIG_SILENT);
	rig_eof(&r);
	expect_closed(&r, VE_PROTO, false, "without answering the SSTP request");
	rig_fini(&r);
	for (size_t i = 0; i < ARRAY_LEN(stages); i++) {
		to_stage(&r, stages[i]);
		rig_eof(&r);
		expect_closed(&r, ends[i].err, false, ends[i].word);
		assert_int_equal(ops->deadline(r.s), UINT64_MAX);
		rig_fini(&r);
	}
}

/* What came before the end of the stream still counts. */
static void test_abort_and_eof_in_one_read(void **state)
{
	static struct rig r;
	uint8_t abort_packet[8];
	size_t room, n = unhex("10010008 0005 0000", abort_packet, sizeof(abort_packet));
	uint8_t *to;

	(void)state;
	rig_login(&r);
	to = ops->rx_reserve(r.s, 0, &room);
	memcpy(to, abort_packet, n);
	ops->rx_commit(r.s, 0, n, r.now);
	rig_eof(&r);
	expect_closed(&r, VE_LOST, false, "aborted the call");
	rig_fini(&r);
}

static void test_goodbye_of_the_server(void **state)
{
	static struct rig r;

	(void)state;
	rig_login(&r);
	rig_give_ppp(&r, "c021 05 f9 0007 627965");
	rig_run(&r);
	assert_int_equal(r.term_acks, 1);
	assert_int_equal(r.disconnects, 0); /* it has five seconds to say it itself */
	rig_wait(&r, 4999);
	assert_int_equal(r.disconnects, 0);
	rig_give_hex(&r, "10010008 0006 0000");
	rig_run(&r);
	assert_int_equal(r.disconnect_acks, 1);
	rig_wait(&r, 1000);
	expect_closed(&r, VE_LOST, false, "it says: bye");
	rig_fini(&r);
	rig_login(&r);
	rig_give_ppp(&r, "c021 05 f9 0004");
	rig_wait(&r, 5000);
	assert_int_equal(r.disconnects, 1); /* it did not: we do */
	expect_closed(&r, VE_LOST, false, "ended the connection");
	rig_fini(&r);
}

/* Both sides disconnect at once: each answers the other. */
static void test_two_disconnects(void **state)
{
	static struct rig r;

	(void)state;
	rig_login(&r);
	r.mute = true;
	ops->stop(r.s, r.now);
	rig_give_ppp(&r, "c021 06 02 0004"); /* Terminate-Ack: our CALL_DISCONNECT goes out */
	r.mute = false;
	rig_give_hex(&r, "10010008 0006 0000");
	rig_pull(&r);
	assert_non_null(memmem(r.rx, r.nrx, "\x10\x01\x00\x08\x00\x07\x00\x00", 8));
	rig_give_hex(&r, "10010008 0007 0000"); /* its answer is too late to matter */
	assert_int_equal(r.closes, 0);
	rig_wait(&r, 500);
	expect_closed(&r, VE_CANCELED, false, "stop");
	rig_fini(&r);
}

static void test_stop_in_every_phase(void **state)
{
	static struct rig r;

	(void)state;
	for (unsigned silent = 0; silent < 2; silent++) {
		for (int stage = RIG_SILENT; stage <= RIG_UP; stage++) {
			to_stage(&r, (enum rig_stage)stage);
			r.mute = silent;
			ops->stop(r.s, r.now);
			ops->stop(r.s, r.now);
			rig_wait(&r, 1000);
			expect_closed(&r, VE_CANCELED, false, "asked to stop");
			if (stage >= RIG_LCP && !silent) {
				assert_int_equal(r.term_requests, 1);
				assert_int_equal(r.disconnects, 1);
				assert_int_equal(r.closed_at, 5000); /* a server that answers costs no time */
			}
			rig_fini(&r);
		}
	}
}

static void test_stop_during_a_goodbye(void **state)
{
	static struct rig r;

	(void)state;
	rig_login(&r);
	r.mute = true;
	rig_give_ppp(&r, "c021 05 f9 0004");
	ops->stop(r.s, r.now);
	rig_wait(&r, 1000);
	expect_closed(&r, VE_LOST, false, "ended the connection"); /* the cause was there first */
	rig_fini(&r);
}

static void test_untimely_messages(void **state)
{
	static const char *const bad[] = {
		"1001000e 0001 0001 00010006 0001", /* a call to us */
		"10010008 0004 0000",               /* CALL_CONNECTED */
		"10010008 0003 0000",               /* a NAK in the middle */
		"10010008 0007 0000",               /* an answer to a goodbye that we have not said */
		"10010008 0000 0000",
		"10010008 000a 0000",
		"10010008 ffff 0000",
		"10010030 0002 0001 00040028 00000003 " NONCE_31 "01",
	};
	static struct rig r;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		for (int stage = RIG_CALL; stage <= RIG_UP; stage += RIG_UP - RIG_CALL) {
			to_stage(&r, (enum rig_stage)stage);
			rig_give_hex(&r, bad[i]);
			rig_run(&r);
			assert_int_equal(r.aborts, 1);
			assert_int_equal(r.abort_status, 5);
			rig_wait(&r, 2999);
			assert_int_equal(r.closes, 0);
			rig_give_hex(&r, "10010008 0005 0000"); /* the server's answer */
			rig_wait(&r, 1000);
			expect_closed(&r, stage == RIG_UP ? VE_LOST : VE_PROTO, false, "the server sends");
			rig_fini(&r);
		}
	}
}

static void test_repeated_ack(void **state)
{
	static struct rig r;

	(void)state;
	rig_login(&r);
	rig_give_hex(&r, "10010030 0002 0001 00040028 00000003"
		     "7777777777777777777777777777777777777777777777777777777777777777");
	rig_wait(&r, 1000);
	assert_int_equal(r.closes + r.aborts, 0);
	rig_fini(&r);
}

static void test_garbage(void **state)
{
	static const char *const bad[] = { "11000004", "10000003",       "10000000",
					   "10010004", "10010007000500", "48545450" };
	static struct rig r;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		for (int stage = RIG_HTTP; stage <= RIG_UP; stage++) {
			to_stage(&r, (enum rig_stage)stage);
			r.nrx = 0;
			rig_give_hex(&r, bad[i]);
			assert_int_equal(r.closes, 1); /* at once, and without a word */
			assert_int_equal(r.fault.err, stage == RIG_UP ? VE_LOST : VE_PROTO);
			assert_int_equal(ops->tx_peek(r.s, 0).n, 0);
			rig_fini(&r);
		}
	}
}

static void test_http_that_is_not_sstp(void **state)
{
	static const struct {
		const char *answer, *word;
	} cases[] = {
		{ "HTTP/1.1 404 Not Found\r\nServer: nginx\r\nContent-Length: 5\r\n\r\nhello",
		  "404 (nginx)" },
		{ "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 40\r\n\r\n<html>",
		  "ordinary web server" },
		{ "SSH-2.0-OpenSSH_9.2p1\r\n\r\n", "does not speak HTTP" },
		{ "<html><body>no</body></html>\r\n\r\n", "does not speak HTTP" },
		{ "\x15\x03\x01\x00\x02\x02\x0a", "does not speak HTTP" },
	};
	static struct rig r;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		to_stage(&r, RIG_SILENT);
		rig_give(&r, cases[i].answer, strlen(cases[i].answer));
		expect_closed(&r, VE_PROTO, false, cases[i].word);
		assert_int_equal(r.requested, 0);
		rig_fini(&r);
	}
}

static void test_endless_http_head(void **state)
{
	static struct rig r;
	char line[64];

	(void)state;
	to_stage(&r, RIG_SILENT);
	rig_give(&r, "HTTP/1.1 200 OK\r\n", 17);
	for (unsigned i = 0; r.closes == 0 && i < 10000; i++) {
		snprintf(line, sizeof(line), "X-Filler-%05u: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n", i);
		rig_give(&r, line, strlen(line));
	}
	expect_closed(&r, VE_PROTO, false, "does not speak HTTP");
	rig_fini(&r);
}

/* The answer and the first packet in one read. */
static void test_bytes_behind_the_http_head(void **state)
{
	static struct rig r;

	(void)state;
	to_stage(&r, RIG_SILENT);
	rig_give(&r, "HTTP/1.1 200 OK\r\n\r\n\x10\x01\x00\x08\x00\x08\x00\x00", 27);
	rig_run(&r);
	assert_int_equal(r.closes, 0);
	assert_true(r.requested);
	assert_string_equal(ops->state_name(r.s), "call");
	rig_fini(&r);
}

/* --- data --------------------------------------------------------------------------------------------- */

static void test_frames_in(void **state)
{
	static struct rig r;
	uint8_t packet[1500] = { 0x45 };

	(void)state;
	rig_init(&r);
	r.ip6 = true;
	rig_start(&r);
	rig_run(&r);
	rig_give_frame(&r, 0x0021, packet, 1400);
	assert_int_equal(r.frames, 1);
	assert_int_equal(r.frame[0].n, 1400);
	assert_int_equal(r.frame[0].bytes[0], 0x45);
	packet[0] = 0x60;
	rig_give_frame(&r, 0x0057, packet, 1500); /* more than our MTU: the link's business */
	assert_int_equal(r.frames, 2);
	rig_give_hex(&r, "10000007 21 4500");      /* neither FF 03 nor a whole protocol number */
	rig_give_hex(&r, "10000009 ff03 21 4500");
	rig_give_hex(&r, "10000008 0021 4500");
	assert_int_equal(r.frames, 5);
	assert_int_equal(r.frame[4].n, 2);
	assert_memory_equal(r.frame[4].bytes, "\x45\x00", 2);
	/* Empty or no PPP: nothing. */
	rig_give_hex(&r, "10000004 10000008ff030021 10000006ff03 10000006c0c0");
	assert_int_equal(r.frames, 5);
	assert_int_equal(r.closes, 0);
	rig_fini(&r);
}

static void test_no_frames_before_ready(void **state)
{
	static struct rig r;

	(void)state;
	for (int stage = RIG_HTTP; stage <= RIG_LOGIN; stage++) {
		to_stage(&r, (enum rig_stage)stage);
		rig_give_hex(&r, "1000000aff03 0021 4500");
		rig_give_hex(&r, "1000000aff03 0057 6000");
		assert_int_equal(r.frames, 0);
		rig_fini(&r);
	}
	rig_login(&r); /* IPv6 was refused */
	rig_give_hex(&r, "1000000aff03 0057 6000");
	assert_int_equal(r.frames, 0);
	rig_fini(&r);
}

static void test_output(void **state)
{
	static struct rig r;
	uint8_t ip[1501] = { 0x45 };
	struct slice v[3] = { { ip, 1 }, { ip + 1, 0 }, { ip + 1, 39 } };

	(void)state;
	for (int stage = RIG_SILENT; stage <= RIG_LOGIN; stage++) {
		to_stage(&r, (enum rig_stage)stage);
		assert_int_equal(ops->output(r.s, v, 3), VE_DOWN);
		rig_fini(&r);
	}
	rig_login(&r);
	for (size_t i = 1; i < sizeof(ip); i++)
		ip[i] = (uint8_t)i;
	rig_pull(&r);
	r.nrx = 0;
	assert_int_equal(ops->output(r.s, v, 3), 0);
	rig_pull(&r);
	assert_int_equal(r.nrx, 48);
	assert_memory_equal(r.rx, "\x10\x00\x00\x30\xff\x03\x00\x21", 8);
	assert_memory_equal(r.rx + 8, ip, 40);
	v[0].n = 19;
	assert_int_equal(ops->output(r.s, v, 1), VE_LIMIT);
	v[0].n = 1401;
	assert_int_equal(ops->output(r.s, v, 1), VE_LIMIT);
	assert_int_equal(ops->output(r.s, v, 0), VE_LIMIT);
	v[0].n = 1400;
	assert_int_equal(ops->output(r.s, v, 1), 0);
	ip[0] = 0x60;
	v[0].n = 60;
	assert_int_equal(ops->output(r.s, v, 1), VE_LIMIT); /* no IPv6 on this link */
	ip[0] = 0x15;
	assert_int_equal(ops->output(r.s, v, 1), VE_LIMIT);
	rig_fini(&r);
	rig_init(&r);
	r.ip6 = true;
	rig_start(&r);
	rig_run(&r);
	ip[0] = 0x60;
	assert_int_equal(ops->output(r.s, v, 1), 0);
	rig_pull(&r);
	assert_memory_equal(r.rx, "\x10\x00\x00\x44\xff\x03\x00\x57\x60", 9);
	v[0].n = 39;
	assert_int_equal(ops->output(r.s, v, 1), VE_LIMIT);
	r.s->ops->channel_closed(r.s, 0, &closed_in_order, r.now);
	rig_events(&r);
	v[0].n = 60;
	assert_int_equal(ops->output(r.s, v, 1), VE_DOWN);
	rig_fini(&r);
}

static void test_full_queue(void **state)
{
	static struct rig r;
	static uint8_t ip[1400] = { 0x45 };
	const struct slice v = { ip, sizeof(ip) };
	unsigned taken = 0;

	(void)state;
	rig_login(&r);
	while (ops->output(r.s, &v, 1) == 0)
		taken++;
	assert_int_equal(ops->output(r.s, &v, 1), VE_AGAIN);
	assert_int_equal(taken, (SESSION_TX_MAX - SESSION_TX_CONTROL) / 1408);
	rig_events(&r);
	assert_int_equal(r.rooms, 0);
	for (unsigned i = 0; i < taken / 2 && r.rooms == 0; i++) {
		ops->tx_consume(r.s, 0, 1408, r.now);
		rig_events(&r);
	}
	assert_int_equal(r.rooms, 0);
	ops->tx_consume(r.s, 0, 2 * 1408, r.now);
	rig_events(&r);
	assert_int_equal(r.rooms, 1);
	assert_int_equal(ops->output(r.s, &v, 1), 0);
	while (ops->tx_peek(r.s, 0).n > 0)
		ops->tx_consume(r.s, 0, ops->tx_peek(r.s, 0).n, r.now);
	rig_events(&r);
	assert_int_equal(r.rooms, 1); /* once */
	rig_fini(&r);
}

/* A full queue of data does not delay an echo reply by more than one packet, nor does it tear a packet. */
static void test_control_overtakes_data(void **state)
{
	static struct rig r;
	static uint8_t ip[1000] = { 0x45 };
	const struct slice v = { ip, sizeof(ip) };
	struct slice t;

	(void)state;
	for (size_t gone = 0; gone <= 2016; gone += 7) {
		rig_login(&r);
		for (unsigned i = 0; i < 10; i++)
			assert_int_equal(ops->output(r.s, &v, 1), 0);
		assert_int_equal(ops->tx_peek(r.s, 0).n, 10080);
		ops->tx_consume(r.s, 0, gone, r.now);
		rig_give_hex(&r, "10010008 0008 0000");
		if (gone % 1008 != 0) { /* the rest of the packet that has begun */
			t = ops->tx_peek(r.s, 0);
			assert_int_equal(t.n, 1008 - gone % 1008);
			ops->tx_consume(r.s, 0, 1, r.now);
			if (t.n > 1)
				assert_int_equal(ops->tx_peek(r.s, 0).n, t.n - 1);
			ops->tx_consume(r.s, 0, t.n - 1, r.now);
		}
		t = ops->tx_peek(r.s, 0);
		assert_int_equal(t.n, 8);
		assert_memory_equal(t.p, "\x10\x01\x00\x08\x00\x09\x00\x00", 8);
		ops->tx_consume(r.s, 0, 3, r.now);
		assert_int_equal(ops->tx_peek(r.s, 0).n, 5);
		ops->tx_consume(r.s, 0, 5, r.now);
		t = ops->tx_peek(r.s, 0);
		assert_int_equal(t.n, (10080 - gone) / 1008 * 1008);
		assert_memory_equal(t.p, "\x10\x00\x03\xf0\xff\x03\x00\x21\x45", 9);
		rig_fini(&r);
	}
}

/* What has not begun to leave when the session ends would only follow the goodbye. */
static void test_goodbye_overtakes_data(void **state)
{
	static struct rig r;
	static uint8_t ip[1000] = { 0x45 };
	const struct slice v = { ip, sizeof(ip) };

	(void)state;
	rig_login(&r);
	for (unsigned i = 0; i < 10; i++)
		assert_int_equal(ops->output(r.s, &v, 1), 0);
	ops->tx_consume(r.s, 0, 1500, r.now);
	ops->stop(r.s, r.now);
	assert_int_equal(ops->output(r.s, &v, 1), VE_DOWN);
	assert_int_equal(ops->tx_peek(r.s, 0).n, 516); /* the packet that had begun */
	ops->tx_consume(r.s, 0, 516, r.now);
	assert_int_equal(ops->tx_peek(r.s, 0).n, 24); /* Terminate-Request, and no data behind it */
	rig_wait(&r, 1000);
	assert_int_equal(r.data_packets, 0);
	expect_closed(&r, VE_CANCELED, false, "stop");
	assert_int_equal(r.disconnects, 1);
	rig_fini(&r);
}

/* A server that sends and does not read: everything stays bounded. */
static void test_server_that_does_not_read(void **state)
{
	static struct rig r;
	static uint8_t big[4087];
	size_t n = 0;

	(void)state;
	rig_login(&r);
	big[0] = 9;
	store_be16(big + 2, 4087);
	for (unsigned i = 0; i < 3000; i++) {
		r.now += 10;
		rig_give_frame(&r, 0xc021, big, sizeof(big));
		rig_give_hex(&r, "10010008 0008 0000");
		rig_give_ppp(&r, "80fd 01 01 0004");
		rig_give_ppp(&r, "c021 63 01 0004");
	}
	while (ops->tx_peek(r.s, 0).n > 0) {
		n += ops->tx_peek(r.s, 0).n;
		ops->tx_consume(r.s, 0, ops->tx_peek(r.s, 0).n, r.now);
	}
	assert_true(n <= SESSION_TX_CONTROL);
	assert_int_equal(r.closes, 0);
	rig_fini(&r);
}

static void test_no_name_server(void **state)
{
	static struct rig r;

	(void)state;
	to_stage(&r, RIG_LOGIN);
	rig_give_ppp(&r, "c021 08 32 0014 8057 0101000e010a0000000000000000");
	rig_give_ppp(&r, "8021 01 31 000a 03060a010001");
	rig_give_ppp(&r, "8021 04 01 001c 810600000000 820600000000 830600000000 840600000000");
	rig_give_ppp(&r, "8021 03 02 000a 03060a010203");
	rig_give_ppp(&r, "8021 02 03 000a 03060a010203");
	assert_int_equal(r.readies, 1);
	assert_int_equal(r.notices, 1);
	assert_non_null(strstr(r.notice, "DNS"));
	rig_fini(&r);
}

/* IPv6 alone is a link as well; why there is no IPv4 is said, in case that is what the user needed. */
static void test_ip6_alone(void **state)
{
	static struct rig r;

	(void)state;
	to_stage(&r, RIG_LOGIN);
	rig_give_ppp(&r, "8057 01 33 000e 010a0000000000000001");
	rig_give_ppp(&r, "8057 02 01 000e 010a 05060708090a0b0c");
	rig_give_ppp(&r, "8021 04 01 000a 030600000000");
	assert_int_equal(r.readies, 1);
	assert_true(r.facts.has_ip6_iid);
	assert_int_equal(r.facts.ip4.family, IP_NONE);
	assert_int_equal(r.notices, 1);
	assert_non_null(strstr(r.notice, "no DHCP server"));
	rig_give_hex(&r, "1000000aff03 0021 4500");
	assert_int_equal(r.frames, 0);
	rig_give_hex(&r, "1000000aff03 0057 6000");
	assert_int_equal(r.frames, 1);
	rig_fini(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_login),
		cmocka_unit_test(test_every_split_point),
		cmocka_unit_test(test_every_truncation),
		cmocka_unit_test(test_lost_first_packets),
		cmocka_unit_test(test_sha1_only),
		cmocka_unit_test(test_mtu),
		cmocka_unit_test(test_configurations),
		cmocka_unit_test(test_failing_allocations),
		cmocka_unit_test(test_wrong_password),
		cmocka_unit_test(test_server_without_proof),
		cmocka_unit_test(test_binding_refused),
		cmocka_unit_test(test_no_binding_offered),
		cmocka_unit_test(test_naks),
		cmocka_unit_test(test_insisting_on_pap),
		cmocka_unit_test(test_silence_in_every_phase),
		cmocka_unit_test(test_slow_login),
		cmocka_unit_test(test_hello),
		cmocka_unit_test(test_dead_server),
		cmocka_unit_test(test_dead_ppp_behind_a_live_server),
		cmocka_unit_test(test_echo_requests),
		cmocka_unit_test(test_abort_in_every_phase),
		cmocka_unit_test(test_disconnect_in_every_phase),
		cmocka_unit_test(test_eof_in_every_phase),
		cmocka_unit_test(test_abort_and_eof_in_one_read),
		cmocka_unit_test(test_goodbye_of_the_server),
		cmocka_unit_test(test_two_disconnects),
		cmocka_unit_test(test_stop_in_every_phase),
		cmocka_unit_test(test_stop_during_a_goodbye),
		cmocka_unit_test(test_untimely_messages),
		cmocka_unit_test(test_repeated_ack),
		cmocka_unit_test(test_garbage),
		cmocka_unit_test(test_http_that_is_not_sstp),
		cmocka_unit_test(test_endless_http_head),
		cmocka_unit_test(test_bytes_behind_the_http_head),
		cmocka_unit_test(test_frames_in),
		cmocka_unit_test(test_no_frames_before_ready),
		cmocka_unit_test(test_output),
		cmocka_unit_test(test_full_queue),
		cmocka_unit_test(test_control_overtakes_data),
		cmocka_unit_test(test_goodbye_overtakes_data),
		cmocka_unit_test(test_server_that_does_not_read),
		cmocka_unit_test(test_no_name_server),
		cmocka_unit_test(test_ip6_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
