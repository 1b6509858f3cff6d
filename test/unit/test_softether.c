/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_softether.c - the SoftEther session against a scripted server, in virtual time.
 *
 * What is said and done with one connection; test_se_pool.c has those of many. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/softether/se_error.h"
#include "core/softether/se_text.h"
#include "test/unit/se_world.inc.h"

#define OPS (&softether_session_ops)

/* A session whose wire has just come up. */
static void begin(struct world *w)
{
	world_init(w, 1);
	world_start(w);
}

static void hello(struct world *w)
{
	give_hello(w, 0);
	assert_string_equal(OPS->state_name(w->s), "login");
}

static void welcome(struct world *w, uint32_t timeout_ms)
{
	struct se_bytes b = { 0 };

	se_peer_welcome(&b, timeout_ms);
	give_answer(w, 0, &b);
	assert_string_equal(OPS->state_name(w->s), "up");
	assert_int_equal(w->ready, 1);
}

/* A session that is up, with nothing kept of what was said on the way. */
static void up(struct world *w)
{
	begin(w);
	hello(w);
	welcome(w, 20000);
	w->sent[0].n = 0;
}

/* It is over, for this reason, and nothing can bring it back. */
static void assert_over(struct world *w, int err, bool final, const char *text)
{
	static const struct slice frame = { .p = (const uint8_t *)"0123456789abcdef", .n = 16 };

	assert_closed(w, err, final, text);
	assert_int_equal(OPS->output(w->s, &frame, 1), VE_DOWN);
	w->open[0] = true; /* whatever the session believes */
	give(w, 0, "HTTP/1.1 200 OK\r\n\r\n", 19);
	wire_down(w, 0, &closed_in_order);
	at(w, w->now + 1000000);
	OPS->stop(w->s, w->now);
	take_events(w);
	assert_int_equal(w->closed, 1);
}

/* --- what we say --------------------------------------------------------------------------------------------------- */

static void test_signature(void **state)
{
	struct se_request req;
	struct world w;

	(void)state;
	begin(&w);
	assert_string_equal(OPS->state_name(w.s), "hello");
	assert_true(OPS->tx_peek(w.s, 0).n > 0);
	req = request_on(&w, 0);
	assert_string_equal(req.line, "POST /vpnsvc/connect.cgi HTTP/1.1");
	assert_string_equal(req.host, "vpn.example.com");
	assert_int_equal(req.size, 10);
	assert_memory_equal(req.body, "VPNCONNECT", 10);
	world_fini(&w);
}

static void find_str(const struct se_request *req, const char *name, const char *want)
{
	assert_element(req, name, 2, want, strlen(want));
}

static void find_int(const struct se_request *req, const char *name, const char *hex)
{
	struct se_bytes b = { 0 };

	se_bytes_hex(&b, hex);
	assert_element(req, name, 0, b.p, b.n);
	se_bytes_free(&b);
}

static void find_none(const struct se_request *req, const char *name)
{
	assert_element(req, name, -1, NULL, 0);
}

/* The login that the session in @w says after the Hello; borrowed from w->sent[0]. */
static struct se_request login_of(struct world *w)
{
	struct se_request req;

	send_all(w);
	w->sent[0].n = 0;
	hello(w);
	req = request_on(w, 0);
	assert_string_equal(req.line, "POST /vpnsvc/vpn.cgi HTTP/1.1");
	assert_string_equal(req.type, "application/octet-stream");
	return req;
}

static void test_login_request(void **state)
{
	static const char *const zeros[] = {
		"protocol", "client_id", "use_compress", "half_connection", "require_bridge_routing_mode",
		"require_monitor_mode", "qos", "support_bulk_on_rudp", "support_hmac_on_bulk_of_rudp",
		"support_udp_recovery", "V_IsWindows", "V_Build",
	};
	static const char *const never[] = {
		"use_fast_rc4", "use_udp_acceleration", "plain_password", "cert", "ticket", "ClientHostname",
		"ClientOsProductId", "branded_ctos", "adjust_mss",
	};
	struct se_bytes proof = { 0 };
	struct se_request req;
	struct world w;
	const uint8_t *p;
	size_t n;

	(void)state;
	begin(&w);
	req = login_of(&w);
	find_str(&req, "method", "login");
	find_str(&req, "hubname", "OFFICE"); /* once: HubName would abort here */
	find_str(&req, "username", "alice");
	find_int(&req, "authtype", "00000001");
	se_bytes_hex(&proof, "d9b039667401a6f1db96f5de9f74c3590f35e441");
	assert_element(&req, "secure_password", 1, proof.p, proof.n);
	find_int(&req, "max_connection", "00000001");
	find_int(&req, "use_encrypt", "00000001");
	for (size_t i = 0; i < ARRAY_LEN(zeros); i++)
		find_int(&req, zeros[i], "00000000");
	for (size_t i = 0; i < ARRAY_LEN(never); i++)
		find_none(&req, never[i]);
	assert_int_equal(se_peer_find(req.body, req.size, "client_str", &p, &n), 2);
	assert_null(memmem(p, n, "server", 6));
	assert_null(memmem(p, n, "bridge", 6));
	assert_null(memmem(p, n, "client", 6));
	assert_element(&req, "hello", 2, p, n);
	assert_int_equal(se_peer_find(req.body, req.size, "unique_id", &p, &n), 1);
	assert_int_equal(n, 20);
	assert_int_equal(se_peer_find(req.body, req.size, "UniqueId", &p, &n), 1);
	assert_int_equal(n, 16);
	/* node information is byte-swapped */
	find_str(&req, "ServerProductName", "SoftEther VPN Server (64 bit) (Open Source)");
	find_int(&req, "ServerProductVer", "bc010000");
	find_int(&req, "ServerProductBuild", "4f260000");
	find_int(&req, "ServerPort2", "bb010000");
	find_str(&req, "ServerHostname", "vpn.example.com");
	/* padding comes last */
	assert_int_equal(se_peer_find(req.body, req.size, "pencore", &p, &n), 1);
	assert_true(n <= 999);
	assert_true(p + n == req.body + req.size);
	se_bytes_free(&proof);
	world_fini(&w);
}

static void test_padding_sizes(void **state)
{
	static const struct {
		uint16_t draw;
		size_t size;
	} cases[] = { { 0, 0 }, { 1, 1 }, { 999, 999 }, { 1000, 0 }, { 65535, 535 } };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct se_request req;
		struct world w;
		const uint8_t *p;
		size_t n;

		world_init(&w, 1);
		w.script = (const uint8_t *)&cases[i].draw;
		w.script_left = 2;
		world_start(&w);
		req = login_of(&w);
		assert_int_equal(se_peer_find(req.body, req.size, "pencore", &p, &n), 1);
		assert_int_equal(n, cases[i].size);
		for (size_t k = 0; k < n; k++)
			assert_int_equal(p[k], (uint8_t)k);
		world_fini(&w);
	}
}

static void test_anonymous(void **state)
{
	struct se_request req;
	struct world w;

	(void)state;
	world_init(&w, 1);
	w.conf.user = "";
	w.conf.password = NULL;
	w.wire[0].verified = false; /* nothing secret is said */
	world_start(&w);
	req = login_of(&w);
	find_int(&req, "authtype", "00000000");
	find_str(&req, "username", "");
	find_none(&req, "secure_password");
	world_fini(&w);
}

static void test_longest_names(void **state)
{
	static const uint16_t draw = 999;
	char user[USER_MAX + 2], hub[USER_MAX + 2];
	struct se_request req;
	struct world w;

	(void)state;
	world_init(&w, 1);
	memset(user, 'u', sizeof(user));
	memset(hub, 'h', sizeof(hub));
	user[USER_MAX] = hub[USER_MAX] = '\0';
	memset(w.wire[0].host, 'n', HOST_MAX);
	w.wire[0].host[HOST_MAX] = '\0';
	w.wire[0].port = 65535;
	w.conf.user = user;
	w.conf.hub = hub;
	w.script = (const uint8_t *)&draw;
	w.script_left = 2;
	world_start(&w);
	req = login_of(&w);
	find_str(&req, "username", user);
	find_str(&req, "hubname", hub);
	find_str(&req, "ServerHostname", w.wire[0].host);
	assert_string_equal(req.host, w.wire[0].host);
	/* a fault on the longest name is still one line */
	give_error(&w, 0, 149);
	assert_int_equal(w.closed, 1);
	assert_non_null(strstr(w.fault.text, "error 149"));
	world_fini(&w);
}

static void test_conf_that_lacks_something(void **state)
{
	char too_long[USER_MAX + 2];
	struct world w;

	(void)state;
	memset(too_long, 'x', sizeof(too_long));
	too_long[USER_MAX + 1] = '\0';
	for (int i = 0; i < 10; i++) {
		world_init(&w, 1);
		switch (i) {
		case 0: w.conf.hub = NULL; break;
		case 1: w.conf.hub = ""; break;
		case 2: w.conf.hub = too_long; break;
		case 3: w.conf.user = NULL; break;
		case 4: w.conf.user = too_long; break;
		case 5: w.conf.user = ""; break; /* with a password */
		case 6: w.wire[0].host[0] = '\0'; break;
		case 7: strcpy(w.wire[0].host, "a b"); break;
		case 8: strcpy(w.wire[0].host, "a\r\nX: y"); break;
		default: memset(w.wire[0].host, 'x', sizeof(w.wire[0].host)); break;
		}
		assert_int_equal(OPS->create(&w.s, &w.conf, &w.wire[0], &w.env, w.now), VE_USAGE);
		assert_null(w.s);
	}
	OPS->destroy(NULL);
}

static void test_address_of_version_6(void **state)
{
	struct se_request req;
	struct world w;

	(void)state;
	world_init(&w, 1);
	strcpy(w.wire[0].host, "2001:db8::1");
	w.wire[0].port = 992;
	world_start(&w);
	req = request_on(&w, 0);
	assert_string_equal(req.host, "[2001:db8::1]");
	OPS->stop(w.s, w.now);
	take_events(&w);
	assert_over(&w, VE_CANCELED, false, "softether [2001:db8::1]:992: stopped");
	world_fini(&w);
}

/* --- whom we say it to --------------------------------------------------------------------------------------------- */

static void test_unverified_server_gets_no_password(void **state)
{
	struct world w;

	(void)state;
	world_init(&w, 1);
	w.wire[0].verified = false;
	world_start(&w);
	assert_int_equal(OPS->tx_peek(w.s, 0).n, 0);
	assert_true(OPS->deadline(w.s) == UINT64_MAX);
	take_events(&w);
	assert_non_null(strstr(w.fault.text,
			       "--pin sha256:a0a1a2a3a4a5a6a7a8a9aaabacadaeafb0b1b2b3b4b5b6b7b8b9ba"
			       "bbbcbdbebf, "));
	assert_non_null(strstr(w.fault.text, "--insecure"));
	assert_over(&w, VE_AUTH, true, w.fault.text);
	assert_int_equal(w.sent[0].n, 0);
	world_fini(&w);
}

static void test_unverified_server_with_consent(void **state)
{
	struct world w;

	(void)state;
	world_init(&w, 1);
	w.wire[0].verified = false;
	w.conf.allow_unverified = true;
	world_start(&w);
	hello(&w);
	welcome(&w, 20000);
	assert_int_equal(w.ready, 1);
	world_fini(&w);
}

/* The proof of the password is gone from the queue once the wire has it, the challenge once it is answered. */
static void test_secrets_are_wiped(void **state)
{
	struct se_bytes body = { 0 }, b = { 0 };
	struct world w;
	struct slice tx;
	uint8_t *rx;
	size_t room;

	(void)state;
	begin(&w);
	send_all(&w);
	se_peer_hello(&body);
	se_peer_answer(&b, &body);
	rx = OPS->rx_reserve(w.s, 0, &room);
	memcpy(rx, b.p, b.n);
	OPS->rx_commit(w.s, 0, b.n, w.now);
	take_events(&w);
	for (size_t i = 0; i < b.n; i++)
		assert_int_equal(rx[i], 0);
	tx = OPS->tx_peek(w.s, 0);
	assert_true(tx.n > 1000);
	for (size_t done = 0; done < tx.n; done += 100) {
		OPS->tx_consume(w.s, 0, min_size(100, tx.n - done), w.now);
		for (size_t i = 0; i < min_size(done + 100, tx.n); i++)
			assert_int_equal(tx.p[i], 0);
	}
	assert_int_equal(OPS->tx_peek(w.s, 0).n, 0);
	se_bytes_free(&body);
	se_bytes_free(&b);
	world_fini(&w);
}

/* --- a whole session ----------------------------------------------------------------------------------------------- */

static const char message[] = "Welcome.\r\nhttp://example.com/ is only text";

static void whole_stream(struct se_bytes *b)
{
	struct se_bytes body = { 0 };
	uint8_t frame[FRAME_MAX];

	for (size_t i = 0; i < sizeof(frame); i++)
		frame[i] = (uint8_t)(i * 3);
	se_peer_hello(&body);
	se_peer_data(&body, "pencore", frame, 500);
	se_peer_answer(b, &body);
	se_peer_noop(&body);
	se_peer_answer(b, &body);
	se_peer_welcome(&body, 20000);
	se_peer_data(&body, "Msg", message, strlen(message));
	se_peer_data(&body, "pencore", frame, 100);
	se_peer_answer(b, &body);
	se_peer_keepalive(b, 348);
	se_peer_frame(b, frame, 42);
	se_bytes_u32(b, 2);
	se_bytes_u32(b, 60);
	se_bytes_add(b, frame, 60);
	se_bytes_u32(b, FRAME_MAX);
	se_bytes_add(b, frame, FRAME_MAX);
	se_peer_frame(b, frame, 14);
	se_bytes_free(&body);
}

static void assert_whole_session(struct world *w)
{
	static const char shown[] = "Welcome. http://example.com/ is only text\n";
	static const size_t sizes[] = { 42, 60, FRAME_MAX, 14 };
	struct rd r = rd_init(w->frames.p, w->frames.n);

	assert_int_equal(w->closed, 0);
	assert_int_equal(w->ready, 1);
	assert_int_equal(w->notices, 1);
	assert_int_equal(w->notice.n, strlen(shown));
	assert_memory_equal(w->notice.p, shown, w->notice.n);
	assert_int_equal(w->facts.kind, LINK_ETHERNET);
	assert_int_equal(w->facts.mtu, 1500);
	assert_int_equal(w->facts.mac[0], 0x5e);
	assert_int_equal(w->nframes, ARRAY_LEN(sizes));
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		const uint8_t *p;

		assert_int_equal(rd_u32(&r), sizes[i]);
		p = rd_bytes(&r, sizes[i]);
		assert_non_null(p);
		for (size_t k = 0; k < sizes[i]; k++)
			assert_int_equal(p[k], (uint8_t)(k * 3));
	}
	assert_true(rd_done(&r));
}

static void test_every_split(void **state)
{
	struct se_bytes b = { 0 };

	(void)state;
	whole_stream(&b);
	for (size_t i = 0; i <= b.n; i++) {
		struct world w;

		begin(&w);
		give(&w, 0, b.p, i);
		give(&w, 0, b.p + i, b.n - i);
		assert_whole_session(&w);
		world_fini(&w);
	}
	se_bytes_free(&b);
}

static void test_byte_by_byte(void **state)
{
	struct se_bytes b = { 0 };
	struct world w;

	(void)state;
	whole_stream(&b);
	begin(&w);
	for (size_t i = 0; i < b.n; i++)
		give(&w, 0, b.p + i, 1);
	assert_whole_session(&w);
	world_fini(&w);
	se_bytes_free(&b);
}

/* The server may go at any byte: a fault of the right kind, and never an event twice. */
static void test_every_truncation(void **state)
{
	struct se_bytes b = { 0 };

	(void)state;
	whole_stream(&b);
	for (size_t i = 0; i <= b.n; i++) {
		struct world w;

		begin(&w);
		give(&w, 0, b.p, i);
		wire_down(&w, 0, &closed_in_order);
		if (w.ready) {
			assert_int_equal(w.closed, 0); /* not for good: another connection may take over */
			at(&w, w.now + SE_DIAL_MS);
			assert_int_equal(w.ndials, 1);
		} else {
			assert_int_equal(w.closed, 1);
			assert_int_equal(w.fault.err, VE_EOF);
			assert_false(w.fault.final);
		}
		world_fini(&w);
	}
	se_bytes_free(&b);
}

/* A large batch comes in few, large pieces, and is handed out in place. */
static void test_large_batches(void **state)
{
	struct se_bytes b = { 0 };
	uint8_t frame[1514] = { 1 };
	unsigned reads = 0, count = 0;
	struct world w;
	size_t done = 0;

	(void)state;
	up(&w);
	for (unsigned i = 0; i < 1000; i++)
		se_peer_frame(&b, frame, i % 7 ? sizeof(frame) : 60);
	while (done < b.n) {
		struct session_event ev;
		size_t room, n;
		uint8_t *to = OPS->rx_reserve(w.s, 0, &room);

		assert_true(room >= SESSION_RX_MAX);
		n = min_size(room, b.n - done);
		memcpy(to, b.p + done, n);
		OPS->rx_commit(w.s, 0, n, w.now);
		done += n;
		reads++;
		while (OPS->next_event(w.s, &ev, w.now)) {
			assert_int_equal(ev.type, SESSION_FRAME);
			assert_true(ev.frame.p >= to - SESSION_RX_MAX && ev.frame.p + ev.frame.n <= to + n);
			count++;
		}
	}
	assert_int_equal(count, 1000);
	assert_true(reads <= b.n / SESSION_RX_MAX + 1);
	se_bytes_free(&b);
	world_fini(&w);
}

static void test_mtu(void **state)
{
	static const struct {
		uint16_t wanted, got;
	} cases[] = { { 0, 1500 }, { 1, 576 }, { 576, 576 }, { 1390, 1390 }, { 1500, 1500 }, { 1582, 1582 }, { 9000, 1582 } };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct world w;

		world_init(&w, 1);
		w.conf.mtu = cases[i].wanted;
		world_start(&w);
		hello(&w);
		welcome(&w, 20000);
		assert_int_equal(w.facts.mtu, cases[i].got);
		world_fini(&w);
	}
}

/* --- notices ------------------------------------------------------------------------------------------------------- */

static void test_text_cleaning(void **state)
{
	static const struct {
		const char *in, *out;
	} cases[] = {
		{ "plain", "plain" },
		{ "", "" },
		{ " \r\n\t ", "" },
		{ "\r\n two\t\tlines \n\n here\n", "two lines here" },
		{ "bell\a esc\x1b[31m del\x7f", "bell? esc?[31m del?" },
		{ "Gr\xc3\xbc\xc3\x9f"
		  "e \xe2\x82\xac \xf0\x9f\x98\x80",
		  "Gr\xc3\xbc\xc3\x9f"
		  "e \xe2\x82\xac \xf0\x9f\x98\x80" },
		{ "c1 \xc2\x9b"
		  "31m nel\xc2\x85x nbsp\xc2\xa0x",
		  "c1 ?31m nel x nbsp x" },
		{ "\xe2\x80\xae"
		  "rtl \xe2\x81\xa6x \xef\xbb\xbf \xe2\x80\xa8ls",
		  "?rtl ?x ? ls" },
		{ "\xff\xc0\xaf \xed\xa0\x80 \xf5\x80\x80\x80 \xc3", "??? ??? ???? ?" },
		{ "\xf3\xa0\x81\x81 \xef\xbf\xbf \xef\xbf\xbd", "? ? \xef\xbf\xbd" },
	};
	char out[128];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct slice in = { .p = (const uint8_t *)cases[i].in, .n = strlen(cases[i].in) };

		assert_int_equal(se_text_clean(in, out, sizeof(out)), strlen(cases[i].out));
		assert_string_equal(out, cases[i].out);
	}
	/* NUL is a control character like others; what does not fit is cut between characters */
	assert_int_equal(se_text_clean((struct slice){ .p = (const uint8_t *)"a\0b", .n = 3 }, out, 4), 3);
	assert_string_equal(out, "a?b");
	assert_int_equal(se_text_clean((struct slice){ .p = (const uint8_t *)"ab\xc3\xbc", .n = 4 }, out, 4),
			 2);
	assert_string_equal(out, "ab");
	assert_int_equal(se_text_clean((struct slice){ .p = (const uint8_t *)"a b", .n = 3 }, out, 3), 1);
	assert_int_equal(se_text_clean((struct slice){ .p = (const uint8_t *)"ab", .n = 2 }, out, 1), 0);
	assert_string_equal(out, "");
}

static void up_with_message(struct world *w, const void *p, size_t n)
{
	struct se_bytes b = { 0 };

	begin(w);
	hello(w);
	se_peer_welcome(&b, 20000);
	se_peer_data(&b, "Msg", p, n);
	give_answer(w, 0, &b);
	assert_int_equal(w->ready, 1);
}

static void test_notices(void **state)
{
	struct se_bytes b = { 0 };
	struct world w;

	(void)state;
	up_with_message(&w, "", 0);
	assert_int_equal(w.notices, 0);
	world_fini(&w);
	up_with_message(&w, "\n \n", 3);
	assert_int_equal(w.notices, 0);
	world_fini(&w);
	se_bytes_fill(&b, 'm', SE_NOTICE_MAX + 1);
	up_with_message(&w, b.p, SE_NOTICE_MAX);
	assert_int_equal(w.notice.n - 1, SE_NOTICE_MAX);
	world_fini(&w);
	up_with_message(&w, b.p, SE_NOTICE_MAX + 1);
	assert_int_equal(w.notice.n - 1, SE_NOTICE_MAX);
	assert_int_equal(w.notices, 1);
	world_fini(&w);
	se_bytes_free(&b);
}

/* A driver that stops in the middle of the events: nothing leaks. */
static void test_notice_not_taken(void **state)
{
	struct se_bytes body = { 0 }, b = { 0 };
	struct session_event ev;
	struct world w;
	size_t room;

	(void)state;
	begin(&w);
	hello(&w);
	se_peer_welcome(&body, 20000);
	se_peer_data(&body, "Msg", "hi", 2);
	se_peer_answer(&b, &body);
	memcpy(OPS->rx_reserve(w.s, 0, &room), b.p, b.n);
	OPS->rx_commit(w.s, 0, b.n, w.now);
	assert_true(OPS->next_event(w.s, &ev, w.now));
	assert_int_equal(ev.type, SESSION_NOTICE);
	assert_string_equal(ev.text, "hi");
	assert_int_equal(OPS->output(w.s, NULL, 0), VE_DOWN); /* READY was not given out */
	OPS->stop(w.s, w.now);
	assert_true(OPS->next_event(w.s, &ev, w.now));
	assert_int_equal(ev.type, SESSION_CLOSED);
	se_bytes_free(&body);
	se_bytes_free(&b);
	world_fini(&w);
}

/* --- refusals ------------------------------------------------------------------------------------------------------ */

static void test_every_error_code(void **state)
{
	(void)state;
	for (uint32_t code = 1; code <= 200; code++) {
		const struct se_error *e = se_error_find(code);

		for (int in_login = 0; in_login < 2; in_login++) {
			struct se_bytes b = { 0 };
			struct world w;
			char start[80];

			begin(&w);
			if (in_login)
				hello(&w);
			se_peer_pack(&b);
			se_peer_int(&b, "error", code);
			se_peer_int(&b, "no_save_password", 1);
			give_answer(&w, 0, &b);
			snprintf(start, sizeof(start), "%s%s: error %u: ", WHO,
				 in_login ? "login answer" : "hello", code);
			assert_int_equal(strncmp(w.fault.text, start, strlen(start)), 0);
			assert_over(&w, e->err, e->final, w.fault.text);
			world_fini(&w);
		}
	}
}

static void test_error_classes(void **state)
{
	static const uint32_t final[] = { 7, 8, 9, 12, 51, 85, 87, 106, 107, 108, 109, 126, 127, 149 };
	static const uint32_t again[] = { 1,  2,  3,  4,  5,  6,  10,  11,   13,
					  14, 15, 16, 20, 21, 23, 124, 9999, UINT32_MAX };
	static const uint32_t proto[] = { 2, 3, 4, 5, 14, 15, 33, 38 };
	static const uint32_t auth[] = { 7,  8,  9,   10,  12,  13,  16,  20,  21,  51,
					 85, 87, 106, 107, 108, 109, 124, 127, 9999 };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(final); i++)
		assert_true(se_error_find(final[i])->final);
	for (size_t i = 0; i < ARRAY_LEN(again); i++)
		assert_false(se_error_find(again[i])->final);
	for (size_t i = 0; i < ARRAY_LEN(proto); i++)
		assert_int_equal(se_error_find(proto[i])->err, VE_PROTO);
	for (size_t i = 0; i < ARRAY_LEN(auth); i++)
		assert_int_equal(se_error_find(auth[i])->err, VE_AUTH);
	assert_int_equal(se_error_find(11)->err, VE_LOST);
	for (uint32_t code = 0; code < 300; code++) {
		const struct se_error *e = se_error_find(code);

		assert_true(e->code == code || e->code == 0);
		assert_true(strlen(e->text) > 0);
	}
}

static void test_wrong_password(void **state)
{
	struct world w;

	(void)state;
	begin(&w);
	hello(&w);
	give_error(&w, 0, 9);
	assert_over(&w, VE_AUTH, true,
		      WHO "login answer: error 9: wrong user name or password; check both; they "
			  "belong to the hub, not to the server");
	world_fini(&w);
}

static void test_anonymous_without_account(void **state)
{
	struct world w;

	(void)state;
	world_init(&w, 1);
	w.conf.user = "";
	w.conf.password = NULL;
	world_start(&w);
	hello(&w);
	give_error(&w, 0, 9);
	assert_over(&w, VE_AUTH, true,
		      WHO "login answer: error 9: no account without a name; an anonymous one has a "
			  "name too, and takes any password: softether://NAME@HOST/HUB");
	world_fini(&w);
}

/* --- answers that are none ----------------------------------------------------------------------------------------- */

/* The same bytes as the first answer and as the second; then the same fault, but for the message's name. */
static void assert_both_refuse(const struct se_bytes *b, const char *why)
{
	for (int in_login = 0; in_login < 2; in_login++) {
		struct world w;
		char text[FAULT_TEXT_MAX];

		begin(&w);
		if (in_login)
			hello(&w);
		give(&w, 0, b->p, b->n);
		assert_int_equal(w.ready, 0);
		snprintf(text, sizeof(text), "%s%s: %s", WHO, in_login ? "login answer" : "hello", why);
		assert_over(&w, VE_PROTO, false, text);
		world_fini(&w);
	}
}

static void test_answers_that_are_none(void **state)
{
#define NOT "this is not a SoftEther server, but an HTTP server that answered "
#define OK "HTTP/1.1 200 OK\r\n"
#define TYPE "Content-Type: application/octet-stream\r\n"
	static const struct {
		const char *answer, *why;
	} cases[] = {
		{ "HTTP/1.1 404 Not Found\r\nContent-Length: 3\r\nContent-Type: text/html\r\n\r\nno.",
		  NOT "404" },
		{ "HTTP/1.1 403 Forbidden\r\n" TYPE "Content-Length: 4\r\n\r\n\0\0\0\0", NOT "403" },
		{ "HTTP/1.1 202 Accepted\r\n" TYPE "Content-Length: 4\r\n\r\n", NOT "202" },
		{ "HTTP/1.1 301 Moved\r\nLocation: https://x/\r\n\r\n", NOT "301" },
		{ OK "Content-Type: text/html; charset=utf-8\r\nContent-Length: 6\r\n\r\n<html>",
		  NOT "with text/html; charset=utf-8" },
		{ OK "Content-Length: 4\r\n\r\n", NOT "with no type" },
		{ "HTTP/1.0 200 OK\r\n" TYPE "Content-Length: 4\r\n\r\n",
		  "the answer is HTTP/1.0 instead of HTTP/1.1" },
		{ OK TYPE "\r\n", "the HTTP answer has no Content-Length" },
		{ OK TYPE "Transfer-Encoding: chunked\r\n\r\n4\r\n",
		  "the HTTP answer has no Content-Length" },
		{ OK TYPE "Content-Length: 0\r\n\r\n",
		  "the HTTP answer has a Content-Length of 0, allowed are 1 to 1048576" },
		{ OK TYPE "Content-Length: 1048577\r\n\r\n",
		  "the HTTP answer has a Content-Length of 1048577, allowed are 1 to 1048576" },
		{ OK TYPE "Content-Length: 18446744073709551615\r\n\r\n",
		  "the HTTP answer has a Content-Length of 18446744073709551615, allowed are 1 to 1048576" },
		{ OK TYPE "Content-Length: 1\r\n\r\n\1", "a PACK of 1 bytes, it takes at least 4" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct se_bytes b = { 0 };

		se_bytes_text(&b, cases[i].answer);
		assert_both_refuse(&b, cases[i].why);
		se_bytes_free(&b);
	}
}

/* Where the reason is the HTTP parser's: refused, whatever the words. */
static void test_no_http(void **state)
{
	static const char *const cases[] = {
		OK TYPE "Content-Length: -4\r\n\r\n",
		OK TYPE "Content-Length: 4\r\nContent-Length: 5\r\n\r\n",
		OK TYPE "Content-Length: 0x10\r\n\r\n",
		OK TYPE "Content-Length: 99999999999999999999999\r\n\r\n",
		"SSH-2.0-OpenSSH_9.2p1\r\n\r\n",
		"220 mail.example.com ESMTP\r\n\r\n",
		"\x15\x03\x01\x00\x02\x02\x28\r\n\r\n",
		"GET / HTTP/1.1\r\n\r\n",
		"HTTP/1.1 two hundred\r\n\r\n",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct world w;

		begin(&w);
		give(&w, 0, cases[i], strlen(cases[i]));
		assert_int_equal(w.closed, 1);
		assert_int_equal(w.fault.err, VE_PROTO);
		assert_non_null(strstr(w.fault.text, WHO "hello: "));
		world_fini(&w);
	}
}

static void test_endless_head(void **state)
{
	struct se_bytes b = { 0 };
	struct world w;
	char text[200];

	(void)state;
	se_bytes_text(&b, OK TYPE);
	for (unsigned i = 0; i < 500; i++)
		se_bytes_text(&b, "X-Filler: 0123456789012345678901234567890123456789\r\n");
	begin(&w);
	give(&w, 0, b.p, b.n);
	snprintf(text, sizeof(text), WHO "hello: this is not a SoftEther server: an HTTP head of more than %u bytes or "
		 "%u fields", HTTP_HEAD_MAX, HTTP_FIELDS_MAX);
	assert_over(&w, VE_PROTO, false, text);
	world_fini(&w);
	se_bytes_free(&b);
}

/* The largest body there may be, filled by the largest values there may be. */
static void test_largest_body(void **state)
{
	struct se_bytes b = { 0 }, filler = { 0 };
	struct world w;

	(void)state;
	begin(&w);
	hello(&w);
	se_peer_welcome(&b, 20000);
	se_bytes_fill(&filler, 'f', SE_PACK_VALUE_MAX);
	se_peer_data(&b, "Msg", filler.p, SE_PACK_VALUE_MAX);
	se_peer_data(&b, "more", filler.p, SE_BODY_MAX - b.n - 20);
	assert_int_equal(b.n, SE_BODY_MAX);
	give_answer(&w, 0, &b);
	assert_int_equal(w.ready, 1);
	assert_int_equal(w.notice.n - 1, SE_NOTICE_MAX);
	se_bytes_free(&filler);
	world_fini(&w);
}

static void test_broken_packs(void **state)
{
	struct se_bytes body = { 0 }, b = { 0 };

	(void)state;
	se_peer_welcome(&body, 20000);
	se_peer_int(&body, "timeout", 20000);
	se_peer_answer(&b, &body);
	assert_both_refuse(&b, "element \"timeout\" appears twice");
	b.n = 0;
	se_peer_hello(&body);
	se_peer_str(&body, "HELLO", "again");
	se_peer_answer(&b, &body);
	assert_both_refuse(&b, "element \"HELLO\" appears twice");
	b.n = 0;
	se_peer_hello(&body);
	body.n--;
	se_peer_answer(&b, &body);
	assert_both_refuse(&b, "the bytes end inside element \"version\"");
	b.n = 0;
	body.n = 0;
	se_bytes_text(&body, "<html>");
	se_peer_answer(&b, &body);
	assert_both_refuse(&b, "a PACK of 1013478509 elements, allowed are 512");
	se_bytes_free(&body);
	se_bytes_free(&b);
}

/* --- Hello and Welcome, element by element ------------------------------------------------------------------------- */

static void assert_hello_refused(struct se_bytes *body, const char *why)
{
	struct world w;
	char text[FAULT_TEXT_MAX];

	begin(&w);
	give_answer(&w, 0, body);
	snprintf(text, sizeof(text), WHO "hello: this is not a SoftEther server: %s", why);
	assert_over(&w, VE_PROTO, false, text);
	world_fini(&w);
}

static void test_incomplete_hello(void **state)
{
	static const uint8_t challenge[21] = { 1 };
	struct se_bytes b = { 0 };

	(void)state;
	se_peer_pack(&b);
	assert_hello_refused(&b, "element \"hello\" is missing");
	se_peer_pack(&b);
	se_peer_int(&b, "hello", 1);
	se_peer_data(&b, "random", challenge, 20);
	assert_hello_refused(&b, "element \"hello\" is missing");
	se_peer_pack(&b);
	se_peer_str(&b, "hello", "x");
	assert_hello_refused(&b, "element \"random\" of 20 bytes is missing");
	for (size_t n = 0; n <= 21; n++) {
		se_peer_pack(&b);
		se_peer_str(&b, "hello", "x");
		se_peer_data(&b, "random", challenge, n);
		if (n != 20)
			assert_hello_refused(&b, "element \"random\" of 20 bytes is missing");
	}
	se_bytes_free(&b);
}

/* A Welcome in which the element @name is given as @type, one value of @n bytes; NULL: left out. */
static void welcome_with(struct world *w, const char *name, int type, const void *value, size_t n)
{
	static const char key[20] = "k";
	static const struct {
		const char *name;
		int type; /* 0 INT, 1 DATA, 2 STR */
		uint32_t v;
	} good[] = {
		{ "session_name", 2, 0 }, { "connection_name", 2, 0 }, { "session_key", 1, 0 },
		{ "use_encrypt", 0, 1 },  { "use_compress", 0, 0 },    { "half_connection", 0, 0 },
		{ "use_fast_rc4", 0, 0 }, { "Redirect", 0, 0 },        { "timeout", 0, 20000 },
	};
	struct se_bytes b = { 0 };

	begin(w);
	hello(w);
	se_peer_pack(&b);
	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		if (strcmp(good[i].name, name) == 0)
			continue;
		if (good[i].type == 0)
			se_peer_int(&b, good[i].name, good[i].v);
		else if (good[i].type == 1)
			se_peer_data(&b, good[i].name, key, sizeof(key));
		else
			se_peer_str(&b, good[i].name, "X-1");
	}
	if (value) {
		se_peer_element(&b, name, (uint32_t)type, 1);
		if (type == 1 || type == 2)
			se_bytes_u32(&b, (uint32_t)n);
		se_bytes_add(&b, value, n);
	}
	give_answer(w, 0, &b);
}

static void test_welcome_elements(void **state)
{
	static const char yes[4] = { 0, 0, 0, 1 }, odd[4] = { 1, 0, 0, 0 }, no[4] = { 0 };
	static const struct {
		const char *name;
		int type;
		const char *value;
		size_t n;
		const char *why; /* NULL: accepted */
	} cases[] = {
		{ "nothing", 0, NULL, 0, NULL },
		{ "session_name", 0, NULL, 0, "element \"session_name\" is missing" },
		{ "session_name", 1, "x", 1, "element \"session_name\" is missing" },
		{ "connection_name", 0, NULL, 0, "element \"connection_name\" is missing" },
		{ "session_key", 0, NULL, 0, "element \"session_key\" of 20 bytes is missing" },
		{ "session_key", 1, "0123456789012345678", 19,
		  "element \"session_key\" of 20 bytes is missing" },
		{ "session_key", 1, "012345678901234567890", 21,
		  "element \"session_key\" of 20 bytes is missing" },
		{ "session_key", 2, "01234567890123456789", 20,
		  "element \"session_key\" of 20 bytes is missing" },
		{ "use_encrypt", 0, NULL, 0, "encrypt" },
		{ "use_encrypt", 0, no, 4, "encrypt" },
		{ "use_encrypt", 2, "1", 1, "encrypt" },
		{ "use_encrypt", 0, odd, 4, NULL },
		{ "use_compress", 0, yes, 4, "compress" },
		{ "use_compress", 0, NULL, 0, NULL },
		{ "half_connection", 0, yes, 4, "half_connection" },
		{ "half_connection", 0, odd, 4, "half_connection" },
		{ "use_fast_rc4", 0, yes, 4, "RC4" },
		{ "Redirect", 0, yes, 4, "redirect" },
		{ "error", 0, no, 4, NULL },
		{ "noop", 0, yes, 4, NULL }, /* 1 is no reason to wait for more */
		{ "timeout", 0, NULL, 0, NULL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct world w;

		welcome_with(&w, cases[i].name, cases[i].type, cases[i].value, cases[i].n);
		if (cases[i].why) {
			bool missing = strstr(cases[i].why, "missing") || strstr(cases[i].why, "redirect");

			assert_int_equal(w.ready, 0);
			assert_non_null(strstr(w.fault.text, WHO "login answer: "));
			assert_non_null(strstr(w.fault.text, cases[i].why));
			assert_over(&w, VE_PROTO, !missing, w.fault.text);
		} else {
			assert_int_equal(w.closed, 0);
			assert_int_equal(w.ready, 1);
		}
		world_fini(&w);
	}
}

static void test_redirect_shows_its_message(void **state)
{
	struct se_bytes b = { 0 };
	struct world w;

	(void)state;
	begin(&w);
	hello(&w);
	se_peer_pack(&b);
	se_peer_int(&b, "Redirect", 1);
	se_peer_data(&b, "Msg", "busy", 4);
	give_answer(&w, 0, &b);
	assert_int_equal(w.notices, 1);
	assert_over(&w, VE_PROTO, false, WHO "login answer: a redirect without an address");
	world_fini(&w);
}

static void test_noops(void **state)
{
	(void)state;
	for (unsigned many = SE_NOOPS_MAX; many <= SE_NOOPS_MAX + 1; many++) {
		struct world w;

		begin(&w);
		send_all(&w);
		for (unsigned i = 0; i < many; i++) {
			struct se_bytes b = { 0 };

			se_peer_noop(&b);
			if (i == 3) {
				give_answer(&w, 0, &b);
				hello(&w);
			} else {
				give_answer(&w, 0, &b);
			}
			w.now += 5000;
		}
		if (many == SE_NOOPS_MAX)
			welcome(&w, 20000);
		else
			assert_over(&w, VE_PROTO, false,
				      WHO "login answer: more than 30 NOOPs instead of an answer");
		world_fini(&w);
	}
}

/* --- silence and the end ------------------------------------------------------------------------------------------- */

static void test_silence_in_login(void **state)
{
	(void)state;
	for (int in_login = 0; in_login < 2; in_login++) {
		struct world w;
		uint64_t from;

		begin(&w);
		w.now += 7000;
		if (in_login)
			hello(&w);
		from = in_login ? w.now : START;
		assert_true(OPS->deadline(w.s) == from + SE_HTTP_IDLE_MS);
		at(&w, from + SE_HTTP_IDLE_MS - 1);
		assert_int_equal(w.closed, 0);
		give(&w, 0, "H", 1); /* anything counts */
		assert_true(OPS->deadline(w.s) == from + 2 * SE_HTTP_IDLE_MS - 1);
		at(&w, from + 2 * SE_HTTP_IDLE_MS - 2);
		assert_int_equal(w.closed, 0);
		at(&w, from + 2 * SE_HTTP_IDLE_MS - 1);
		assert_over(&w, VE_TIMEOUT, false, in_login ? WHO "no login answer for 15 s" :
			      WHO "no hello for 15 s");
		world_fini(&w);
	}
}

/* One byte every ten seconds is no silence, but comes to an end too. */
static void test_endless_drip(void **state)
{
	struct se_bytes b = { 0 };
	struct world w;

	(void)state;
	se_bytes_text(&b, OK TYPE "Content-Length: 100\r\n\r\n");
	se_bytes_fill(&b, 0, 100);
	begin(&w);
	for (size_t i = 0; i < b.n && !w.closed; i++) {
		at(&w, w.now + 10000);
		if (!w.closed)
			give(&w, 0, b.p + i, 1);
	}
	assert_true(w.now == START + SE_LOGIN_MS);
	assert_over(&w, VE_TIMEOUT, false, WHO "the login is not finished after 300 s");
	world_fini(&w);
	se_bytes_free(&b);
}

static void test_silence_when_up(void **state)
{
	static const struct {
		uint32_t granted, held;
	} cases[] = { { 0, 20000 }, { 1, 5000 }, { 4999, 5000 }, { 5000, 5000 }, { 20000, 20000 },
		      { 60000, 60000 }, { 60001, 60000 }, { UINT32_MAX, 60000 } };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct world w;
		char text[100];

		begin(&w);
		hello(&w);
		welcome(&w, cases[i].granted); /* 0: not named */
		w.now += 4000;
		give(&w, 0, "\0\0\0", 3); /* less than a unit is a sign of life as well */
		while (w.now < START + 4000 + cases[i].held - 1) {
			uint64_t next = OPS->deadline(w.s);

			at(&w, next < START + 4000 + cases[i].held ? next : START + 4000 + cases[i].held - 1);
			assert_int_equal(w.closed, 0);
			send_all(&w);
		}
		at(&w, START + 4000 + cases[i].held);
		snprintf(text, sizeof(text), WHO "server silent for %u s", cases[i].held / 1000);
		assert_over(&w, VE_LOST, false, text);
		world_fini(&w);
	}
}

static void test_end_in_each_phase(void **state)
{
	static const char *const login = WHO "the server closed the connection during login";
	static const char *const when_up =
		WHO "all connections were lost, and no other could be made in 20 s; the last: the server closed it";
	struct se_bytes b = { 0 };
	struct session_event ev;
	uint8_t frame[60] = { 0 };
	struct world w;
	char text[300];
	size_t room;

	(void)state;
	begin(&w);
	wire_down(&w, 0, &closed_in_order);
	assert_over(&w, VE_EOF, false, login);
	world_fini(&w);

	begin(&w);
	hello(&w);
	wire_down(&w, 0, &closed_in_order);
	assert_over(&w, VE_EOF, false, login);
	world_fini(&w);

	begin(&w);
	hello(&w);
	give(&w, 0, "HTTP/1.1", 8);
	wire_down(&w, 0, &closed_in_order);
	snprintf(text, sizeof(text), "%s, in the middle of a message", login);
	assert_over(&w, VE_EOF, false, text);
	world_fini(&w);

	/* what came before the end counts */
	up(&w);
	se_peer_frame(&b, frame, sizeof(frame));
	se_peer_frame(&b, frame, sizeof(frame));
	memcpy(OPS->rx_reserve(w.s, 0, &room), b.p, b.n);
	OPS->rx_commit(w.s, 0, b.n, w.now);
	OPS->channel_closed(w.s, 0, &closed_in_order, w.now);
	assert_true(OPS->next_event(w.s, &ev, w.now));
	assert_int_equal(ev.type, SESSION_FRAME);
	assert_true(OPS->next_event(w.s, &ev, w.now));
	assert_int_equal(ev.type, SESSION_FRAME);
	take_events(&w);
	at(&w, w.now + 19999);
	assert_int_equal(w.closed, 0);
	at(&w, w.now + 1);
	assert_over(&w, VE_LOST, false, when_up);
	world_fini(&w);
	se_bytes_free(&b);
}

static void test_stop(void **state)
{
	for (int phase = 0; phase < 3; phase++) {
		struct world w;

		(void)state;
		begin(&w);
		if (phase > 0)
			hello(&w);
		if (phase > 1)
			welcome(&w, 20000);
		send_all(&w);
		OPS->stop(w.s, w.now);
		OPS->stop(w.s, w.now);
		assert_int_equal(OPS->tx_peek(w.s, 0).n, 0); /* there is no goodbye */
		take_events(&w);
		assert_over(&w, VE_CANCELED, false, WHO "stopped");
		world_fini(&w);
	}
}

static void test_longest_session_by_policy(void **state)
{
	static const char seconds[4] = { 0, 0, 0, 30 };
	struct world w;

	(void)state;
	welcome_with(&w, "policy:AutoDisconnect", 0, seconds, 4);
	assert_int_equal(w.ready, 1);
	for (unsigned i = 1; i < 30; i++) {
		at(&w, START + i * 1000);
		give_empty_unit(&w, 0);
	}
	assert_int_equal(w.closed, 0);
	at(&w, START + 30000);
	assert_over(&w, VE_LOST, true, WHO "error 126: the policy allows sessions of limited length only");
	world_fini(&w);
}

static void test_broken_data(void **state)
{
	static const struct {
		const char *hex, *why;
	} cases[] = {
		{ "00000001 00000c81", "a block of 3201 bytes, allowed are 3200" },
		{ "ffffffff 00000201", "a keep-alive of 513 bytes, allowed are 512" },
		{ "00010001", "a unit of 65537 blocks, allowed are 65536" },
		{ "48545450 2f312e31", "a unit of 1213486160 blocks, allowed are 65536" }, /* HTTP again */
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct se_bytes b = { 0 };
		uint8_t frame[14] = { 0 };
		struct world w;
		char text[100];

		up(&w);
		se_peer_frame(&b, frame, sizeof(frame));
		se_bytes_hex(&b, cases[i].hex);
		give(&w, 0, b.p, b.n);
		assert_int_equal(w.nframes, 1);
		snprintf(text, sizeof(text), WHO "data: %s", cases[i].why);
		assert_over(&w, VE_PROTO, false, text);
		se_bytes_free(&b);
		world_fini(&w);
	}
}

/* --- keep-alives --------------------------------------------------------------------------------------------------- */

/* One keep-alive, nothing else, with the filler that the randomness says. */
static void assert_keepalive(struct world *w, size_t size, uint8_t first)
{
	struct rd r;

	send_all(w);
	r = rd_init(w->sent[0].p, w->sent[0].n);
	assert_true(rd_u32(&r) == UINT32_MAX);
	assert_int_equal(rd_u32(&r), size);
	for (size_t i = 0; i < size; i++)
		assert_int_equal(rd_u8(&r), (uint8_t)(first + i));
	assert_true(rd_done(&r));
	w->sent[0].n = 0;
}

/* Eight bytes of randomness decide: the size, modulo 512, and the pause, modulo half of the timeout. */
static void script_keepalive(struct world *w, uint32_t draws[2], uint32_t size, uint32_t pause)
{
	draws[0] = size;
	draws[1] = pause;
	w->script = (const uint8_t *)draws;
	w->script_left = 8;
	w->next_random = 0;
}

static void test_keepalive_timing(void **state)
{
	static const struct {
		uint32_t draw, size, pause_draw, pause;
	} cases[] = {
		{ 0, 0, 0, 4000 },          /* never under a fifth of 20 s */
		{ 511, 511, 3999, 4000 },
		{ 512, 0, 4001, 4001 },
		{ 700, 188, 9999, 9999 },   /* always under half of it */
		{ 1, 1, 10000, 4000 },
		{ 2, 2, 28123, 8123 },
	};
	uint32_t draws[2];
	struct world w;

	(void)state;
	begin(&w);
	hello(&w);
	w.sent[0].n = 0;
	script_keepalive(&w, draws, cases[0].draw, cases[0].pause_draw);
	welcome(&w, 20000); /* the first is due at once */
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		assert_keepalive(&w, cases[i].size, 0);
		assert_true(OPS->deadline(w.s) == w.now + cases[i].pause);
		at(&w, w.now + cases[i].pause - 1);
		assert_int_equal(OPS->tx_peek(w.s, 0).n, 0);
		give_empty_unit(&w, 0); /* what we hear does not matter */
		if (i + 1 < ARRAY_LEN(cases))
			script_keepalive(&w, draws, cases[i + 1].draw, cases[i + 1].pause_draw);
		at(&w, w.now + 1);
		assert_true(OPS->tx_peek(w.s, 0).n > 0);
	}
	world_fini(&w);
}

static void test_data_postpones_keepalive(void **state)
{
	static const uint8_t bytes[60] = { 1 };
	static const struct slice frame = { .p = bytes, .n = sizeof(bytes) };
	uint32_t draws[2];
	struct world w;

	(void)state;
	begin(&w);
	hello(&w);
	script_keepalive(&w, draws, 3, 5000);
	welcome(&w, 20000);
	for (unsigned i = 0; i < 10; i++) {
		w.sent[0].n = 0;
		at(&w, w.now + 4999);
		give_empty_unit(&w, 0);
		assert_int_equal(OPS->output(w.s, &frame, 1), 0);
		send_all(&w);
		assert_int_equal(w.sent[0].n, 68);
		assert_true(OPS->deadline(w.s) == w.now + 5000);
	}
	/* a frame that waits for the wire speaks for itself: nothing is put behind it */
	assert_int_equal(OPS->output(w.s, &frame, 1), 0);
	at(&w, w.now + 5000);
	assert_int_equal(OPS->tx_peek(w.s, 0).n, 68);
	assert_true(OPS->deadline(w.s) == w.now + 5000);
	w.sent[0].n = 0;
	send_all(&w);
	assert_int_equal(w.sent[0].n, 68);
	world_fini(&w);
}

/* --- frames out ---------------------------------------------------------------------------------------------------- */

static void test_output(void **state)
{
	static const uint8_t bytes[FRAME_MAX + 1] = { 9 };
	struct se_bytes want = { 0 };
	struct slice v[2] = { { .p = bytes, .n = 14 }, { .p = bytes, .n = 46 } };
	struct world w;

	(void)state;
	begin(&w);
	assert_int_equal(OPS->output(w.s, v, 2), VE_DOWN);
	hello(&w);
	assert_int_equal(OPS->output(w.s, v, 2), VE_DOWN);
	welcome(&w, 20000);
	w.sent[0].n = 0;
	assert_int_equal(OPS->output(w.s, v, 2), 0);
	assert_int_equal(OPS->output(w.s, v, 1), 0);
	send_all(&w);
	se_bytes_u32(&want, 2);
	se_bytes_u32(&want, 60);
	se_bytes_add(&want, bytes, 14);
	se_bytes_add(&want, bytes, 46);
	se_bytes_u32(&want, 14);
	se_bytes_add(&want, bytes, 14);
	assert_int_equal(w.sent[0].n, want.n);
	assert_memory_equal(w.sent[0].p, want.p, want.n);
	v[0].n = 13;
	assert_int_equal(OPS->output(w.s, v, 1), VE_LIMIT);
	v[0].n = FRAME_MAX + 1;
	assert_int_equal(OPS->output(w.s, v, 1), VE_LIMIT);
	v[0].n = FRAME_MAX;
	assert_int_equal(OPS->output(w.s, v, 1), 0);
	assert_int_equal(w.rooms, 0);
	se_bytes_free(&want);
	world_fini(&w);
}

static void test_again_and_room(void **state)
{
	static const uint8_t bytes[1514] = { 9 };
	static const struct slice frame = { .p = bytes, .n = sizeof(bytes) };
	struct world w;

	(void)state;
	up(&w);
	for (unsigned round = 0; round < 3; round++) {
		unsigned count = 0;
		size_t queued;

		while (OPS->output(w.s, &frame, 1) == 0)
			count++;
		queued = OPS->tx_peek(w.s, 0).n;
		assert_int_equal(queued, 4 + count * (4 + sizeof(bytes)));
		assert_true(queued <= SESSION_TX_MAX - SESSION_TX_CONTROL);
		assert_true(queued + 4 + sizeof(bytes) > SESSION_TX_MAX - SESSION_TX_CONTROL);
		assert_int_equal(OPS->output(w.s, &frame, 1), VE_AGAIN);
		/* down to half, and no further */
		OPS->tx_consume(w.s, 0, queued - SESSION_TX_MAX / 2, w.now);
		take_events(&w);
		assert_int_equal(w.rooms, round);
		assert_int_equal(OPS->output(w.s, &frame, 1), VE_AGAIN);
		OPS->tx_consume(w.s, 0, 1, w.now);
		take_events(&w);
		assert_int_equal(w.rooms, round + 1);
		OPS->tx_consume(w.s, 0, 1000, w.now);
		take_events(&w);
		assert_int_equal(w.rooms, round + 1); /* once */
		assert_int_equal(OPS->output(w.s, &frame, 1), 0);
		OPS->tx_consume(w.s, 0, OPS->tx_peek(w.s, 0).n, w.now);
		take_events(&w);
		assert_int_equal(w.rooms, round + 1);
	}
	world_fini(&w);
}

/* Random sizes, random partial writes: what arrives is what was accepted, in whole frames. */
static void test_output_under_pressure(void **state)
{
	struct se_bytes b = { 0 };
	struct rd r;
	struct world w;
	uint32_t seed = 12345, accepted = 0, seen = 0;

	(void)state;
	up(&w);
	for (unsigned i = 0; i < 20000; i++) {
		uint8_t bytes[FRAME_MAX];
		struct slice frame = { .p = bytes };
		struct slice tx;
		size_t n;

		seed = seed * 1664525 + 1013904223;
		frame.n = FRAME_MIN + (seed >> 8) % (FRAME_MAX - FRAME_MIN + 1);
		memset(bytes, (int)(accepted & 0xff), frame.n);
		if (OPS->output(w.s, &frame, 1) == 0) {
			accepted++;
			se_bytes_u32(&b, (uint32_t)frame.n);
		}
		if (i % 200 == 0) {
			tx = OPS->tx_peek(w.s, 0);
			n = (seed >> 4) % (tx.n + 1);
			se_bytes_add(&w.sent[0], tx.p, n);
			OPS->tx_consume(w.s, 0, n, w.now);
			take_events(&w);
		}
	}
	send_all(&w);
	assert_true(w.rooms > 0);
	r = rd_init(w.sent[0].p, w.sent[0].n);
	while (rd_left(&r) > 0) {
		uint32_t count = rd_u32(&r);

		assert_in_range(count, 1, SE_UNIT_FRAMES_MAX);
		for (uint32_t i = 0; i < count; i++, seen++) {
			uint32_t size = rd_u32(&r);
			const uint8_t *p = rd_bytes(&r, size);

			assert_non_null(p);
			assert_int_equal(size, load_be32(b.p + 4 * seen));
			assert_int_equal(p[0], seen & 0xff);
			assert_int_equal(p[size - 1], seen & 0xff);
		}
	}
	assert_true(rd_done(&r));
	assert_int_equal(seen, accepted);
	se_bytes_free(&b);
	world_fini(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_signature),
		cmocka_unit_test(test_login_request),
		cmocka_unit_test(test_padding_sizes),
		cmocka_unit_test(test_anonymous),
		cmocka_unit_test(test_longest_names),
		cmocka_unit_test(test_conf_that_lacks_something),
		cmocka_unit_test(test_address_of_version_6),
		cmocka_unit_test(test_unverified_server_gets_no_password),
		cmocka_unit_test(test_unverified_server_with_consent),
		cmocka_unit_test(test_secrets_are_wiped),
		cmocka_unit_test(test_every_split),
		cmocka_unit_test(test_byte_by_byte),
		cmocka_unit_test(test_every_truncation),
		cmocka_unit_test(test_large_batches),
		cmocka_unit_test(test_mtu),
		cmocka_unit_test(test_text_cleaning),
		cmocka_unit_test(test_notices),
		cmocka_unit_test(test_notice_not_taken),
		cmocka_unit_test(test_every_error_code),
		cmocka_unit_test(test_error_classes),
		cmocka_unit_test(test_wrong_password),
		cmocka_unit_test(test_anonymous_without_account),
		cmocka_unit_test(test_answers_that_are_none),
		cmocka_unit_test(test_no_http),
		cmocka_unit_test(test_endless_head),
		cmocka_unit_test(test_largest_body),
		cmocka_unit_test(test_broken_packs),
		cmocka_unit_test(test_incomplete_hello),
		cmocka_unit_test(test_welcome_elements),
		cmocka_unit_test(test_redirect_shows_its_message),
		cmocka_unit_test(test_noops),
		cmocka_unit_test(test_silence_in_login),
		cmocka_unit_test(test_endless_drip),
		cmocka_unit_test(test_silence_when_up),
		cmocka_unit_test(test_end_in_each_phase),
		cmocka_unit_test(test_stop),
		cmocka_unit_test(test_longest_session_by_policy),
		cmocka_unit_test(test_broken_data),
		cmocka_unit_test(test_keepalive_timing),
		cmocka_unit_test(test_data_postpones_keepalive),
		cmocka_unit_test(test_output),
		cmocka_unit_test(test_again_and_room),
		cmocka_unit_test(test_output_under_pressure),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
