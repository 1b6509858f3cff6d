/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_socks_rfc.c - the requirements on a server, as a table: RFC 1928 (SOCKS5), RFC 1929 (its passwords), and the memos
 * of SOCKS4 and SOCKS4a. One row each, in the order of the texts. What is about bytes drives the machines of socks.h, at
 * every place where the bytes can be cut; what is about connections, datagrams or time runs the test that shows it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "fake_flow.inc.h"
#include "local_peer.inc.h"
#include "front_bench.inc.h"
#include "socks_front.inc.h"

#include "socks/socks.h"
#include "socks/socks_udp.h"

#define B(s) { (const uint8_t *)(s), sizeof(s) - 1 }
#define ZEROS_15 "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"
#define PENDING 1 /* no outcome is told to the machine */

struct row {
	const char *requirement;
	void (*run)(void **state); /* the test that shows it; else: */
	bool auth;              /* user "u" and password "p" are wanted */
	struct slice in;
	enum socks_event event;
	const char *dest;       /* of a request */
	int outcome;            /* 0: connected to 10.0.0.1:0x1234 */
	struct slice out;       /* all that is sent */
};

/* --- three tests that are about more than bytes, and not among those of socks_front.inc.h ---------------- */

/* RFC 1928 6: the connection is over 10 seconds after the failure at the latest, whatever the client does. */
static void refused_client_is_cut(void **state)
{
	struct peer p;

	(void)state;
	assert_true(SOCKS_HANDSHAKE_MS <= 10000);
	front_open("127.0.0.1");
	dial(&p, &at);
	SEND(&p, GREETING "\x05\x09\x00\x01");
	UNTIL(peer_at_end(&p)); /* nothing more comes from us, at once */
	front_tick(front, uv_now(&loop) + SOCKS_HANDSHAKE_MS);
	UNTIL(front_clients(front) == 0);
	peer_fini(&p);
	front_end();
}

/* The same two messages and payload in one segment. */
static void pipelined(void **state)
{
	struct peer p;

	(void)state;
	front_open("127.0.0.1");
	dial(&p, &at);
	SEND(&p, GREETING REQUEST "payload");
	EXPECT(&p, CHOSEN SUCCESS);
	UNTIL(fake_take(&ns.conns[0], 7) == 7);
	gone(&p);
	front_end();
}

static void udp_headers(void **state)
{
	static const struct {
		struct slice in;
		int err;
		const char *dest;
		size_t payload;
	} rows[] = {
		{ B("\x00\x00\x00\x01\x0a\x00\x00\x01\x00\x35" "abc"), 0, "10.0.0.1:53", 3 },
		{ B("\x00\x00\x00\x04\xfd" ZEROS_15 "\x00\x35"), 0, "[fd00::]:53", 0 },
		{ B("\x00\x00\x00\x03\x01x\x00\x35" "abc"), 0, "x:53", 3 },
		{ B("\x00\x00\x01\x01\x0a\x00\x00\x01\x00\x35"), VE_LIMIT, NULL, 0 },
		{ B("\x00\x00\xff\x01\x0a\x00\x00\x01\x00\x35"), VE_LIMIT, NULL, 0 },
		{ B("\x01\x00\x00\x01\x0a\x00\x00\x01\x00\x35"), VE_PROTO, NULL, 0 },
		{ B("\x00\x00\x00\x02\x0a\x00\x00\x01\x00\x35"), VE_PROTO, NULL, 0 },
		{ B("\x00\x00\x00\x03\x00\x00\x35"), VE_PROTO, NULL, 0 },
		{ B("\x00\x00\x00\x01\x0a\x00\x00\x01\x00\x00"), VE_PROTO, NULL, 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char text[DEST_TEXT_MAX];
		struct slice payload;
		struct dest d;

		assert_int_equal(socks_udp_parse(rows[i].in, &d, &payload), rows[i].err);
		if (rows[i].err != 0)
			continue;
		assert_string_equal(dest_text(&d, text), rows[i].dest);
		assert_int_equal(payload.n, rows[i].payload);
		for (size_t n = 0; n < rows[i].in.n - payload.n; n++) /* cut off anywhere */
			assert_int_equal(socks_udp_parse((struct slice){ rows[i].in.p, n }, &d, &payload), VE_PROTO);
	}
}

/* --- the table ----------------------------------------------------------------------------------------- */

#define RUNS(text, test) { .requirement = text, .run = test }
#define DRIVES(requirement, in_, event_, dest_, outcome_, out_) \
	{ requirement, NULL, false, B(in_), event_, dest_, outcome_, B(out_) }
#define AUTH(requirement, in_, event_, dest_, outcome_, out_) \
	{ requirement, NULL, true, B(in_), event_, dest_, outcome_, B(out_) }
/* A CONNECT whose outcome is @err gets the reply code @code. */
#define REPLIES(requirement, err, code) \
	DRIVES(requirement, GREETING "\x05\x01\x00\x03\x01x\x00\x50", SOCKS_CONNECT, "x:80", err, CHOSEN "\x05" code NOWHERE)
#define AT "\x00\x01\x0a\x00\x00\x01\x12\x34" /* RSV ATYP BND.ADDR BND.PORT of a success */
#define LOGIN_U_P "\x05\x01\x02\x01\x01u\x01p"
#define AT4 "\x00\x5a\x12\x34\x0a\x00\x00\x01"
#define NO4 "\x00\x5b\x00\x00\x00\x00\x00\x00"

static const struct row rows[] = {
	/* RFC 1928 */
	DRIVES("1928 3: one of the client's methods is selected", "\x05\x03\x01\x00\x02", SOCKS_MORE, NULL, PENDING, CHOSEN),
	AUTH("1928 3: USERNAME/PASSWORD is supported, and selected where it is wanted", "\x05\x03\x00\x01\x02", SOCKS_MORE,
	     NULL, PENDING, "\x05\x02"),
	DRIVES("1928 3: none acceptable is X'FF'", "\x05\x02\x80\x02", SOCKS_REFUSED, NULL, PENDING, "\x05\xff"),
	AUTH("1928 3: no access without the method that is wanted", "\x05\x01\x00", SOCKS_REFUSED, NULL, PENDING, "\x05\xff"),
	DRIVES("1928 3: GSSAPI, which MUST be supported, is not: it is never selected", "\x05\x01\x01", SOCKS_REFUSED, NULL,
	       PENDING, "\x05\xff"),
	AUTH("1928 3: the negotiation of the method comes before any request", "\x05\x01\x02\x05\x01\x00\x01\x0a\x00\x00\x01\x00\x50",
	     SOCKS_REFUSED, NULL, PENDING, "\x05\x02\x01\x01"),
	RUNS("1928 3, 4: a client need not wait for answers", pipelined),
	DRIVES("1928 4: CONNECT", GREETING "\x05\x01\x00\x01\x0a\x4d\x00\x01\x00\x50", SOCKS_CONNECT, "10.77.0.1:80", 0,
	       CHOSEN "\x05\x00" AT),
	DRIVES("1928 4: BIND", GREETING "\x05\x02\x00\x01\x0a\x4d\x00\x01\x00\x14", SOCKS_BIND, "10.77.0.1:20", 0,
	       CHOSEN "\x05\x00" AT "\x05\x00" AT),
	DRIVES("1928 4: UDP ASSOCIATE", GREETING "\x05\x03\x00\x01\x00\x00\x00\x00\x00\x00", SOCKS_ASSOCIATE, "0.0.0.0:0", 0,
	       CHOSEN "\x05\x00" AT),
	DRIVES("1928 4: the version of a request is 5", GREETING "\x01\x01\x00\x01", SOCKS_REFUSED, NULL, PENDING,
	       CHOSEN "\x05\x01" NOWHERE),
	DRIVES("1928 4: RESERVED is X'00'", GREETING "\x05\x01\x07\x01", SOCKS_REFUSED, NULL, PENDING,
	       CHOSEN "\x05\x01" NOWHERE),
	DRIVES("1928 4: ports are in network order", GREETING "\x05\x01\x00\x01\x0a\x4d\x00\x01\x12\x34", SOCKS_CONNECT,
	       "10.77.0.1:4660", 0, CHOSEN "\x05\x00" AT),
	DRIVES("1928 5: X'01' is an IPv4 address of 4 octets", GREETING "\x05\x01\x00\x01\x01\x02\x03\x04\x00\x50", SOCKS_CONNECT,
	       "1.2.3.4:80", 0, CHOSEN "\x05\x00" AT),
	DRIVES("1928 5: X'03' is a name behind its length, without a NUL", GREETING "\x05\x01\x00\x03\x08" "far.corp\x00\x50",
	       SOCKS_CONNECT, "far.corp:80", 0, CHOSEN "\x05\x00" AT),
	DRIVES("1928 5: X'04' is an IPv6 address of 16 octets", GREETING "\x05\x01\x00\x04\xfd" ZEROS_15 "\x00\x50",
	       SOCKS_CONNECT, "[fd00::]:80", 0, CHOSEN "\x05\x00" AT),
	REPLIES("1928 6: X'01' general failure: out of memory", VE_NOMEM, "\x01"),
	REPLIES("1928 6: X'01' general failure: a cap is reached", VE_LIMIT, "\x01"),
	REPLIES("1928 6: X'02' not allowed by ruleset: --route block", VE_BLOCKED, "\x02"),
	REPLIES("1928 6: X'03' network unreachable: no address of that family", VE_NETUNREACH, "\x03"),
	REPLIES("1928 6: X'03' network unreachable: the tunnel is down", VE_DOWN, "\x03"),
	REPLIES("1928 6: X'04' host unreachable", VE_UNREACH, "\x04"),
	REPLIES("1928 6: X'04' host unreachable: no such name", VE_RESOLVE, "\x04"),
	REPLIES("1928 6: X'04' host unreachable: no answer", VE_TIMEOUT, "\x04"),
	REPLIES("1928 6: X'05' connection refused", VE_REFUSED, "\x05"),
	DRIVES("1928 6: X'07' command not supported", GREETING "\x05\x04\x00\x01", SOCKS_REFUSED, NULL, PENDING,
	       CHOSEN "\x05\x07" NOWHERE),
	DRIVES("1928 6: X'08' address type not supported", GREETING "\x05\x01\x00\x05", SOCKS_REFUSED, NULL, PENDING,
	       CHOSEN "\x05\x08" NOWHERE),
	RUNS("1928 6: after a failure the connection ends within 10 seconds", refused_client_is_cut),
	RUNS("1928 6: BIND: two replies, where we listen and who came; DST.ADDR is who may", test_bind),
	RUNS("1928 6: BIND: failures have their codes", test_bind_refusals),
	RUNS("1928 6: UDP: BND is where the client sends its datagrams", test_udp),
	RUNS("1928 6: UDP: zeros for DST: the client does not know yet; a port: only from there", test_udp_announced_port),
	RUNS("1928 6: UDP: the association ends with its TCP connection", test_udp_ends_with_tcp),
	RUNS("1928 6: UDP: an association that cannot be has a code", test_udp_refusals),
	RUNS("1928 7: the header of a datagram: RSV, FRAG, ATYP, DST", udp_headers),
	RUNS("1928 7: names in datagrams are resolved by the relay", test_udp_names),
	RUNS("1928 7: what cannot be relayed is dropped silently; FRAG that is not 0; other senders than the client",
	     test_udp_dropped),
	RUNS("1928 7: a datagram to the client has a header that says from whom", test_udp),
	/* RFC 1929 */
	AUTH("1929 2: X'00' is success, and then comes the request", LOGIN_U_P "\x05\x01\x00\x03\x01x\x00\x50", SOCKS_CONNECT,
	     "x:80", 0, "\x05\x02\x01\x00\x05\x00" AT),
	AUTH("1929 2: the version of the negotiation is 1", "\x05\x01\x02\x05\x01u\x01p", SOCKS_REFUSED, NULL, PENDING,
	     "\x05\x02\x01\x01"),
	AUTH("1929 2: a wrong password is not X'00'", "\x05\x01\x02\x01\x01u\x01x", SOCKS_REFUSED, NULL, PENDING,
	     "\x05\x02\x01\x01"),
	AUTH("1929 2: nor is a wrong user; the answer is the same", "\x05\x01\x02\x01\x01x\x01p", SOCKS_REFUSED, NULL, PENDING,
	     "\x05\x02\x01\x01"),
	AUTH("1929 2: user and password have at least one octet", "\x05\x01\x02\x01\x00\x00", SOCKS_REFUSED, NULL, PENDING,
	     "\x05\x02\x01\x01"),
	RUNS("1929 2: they have up to 255 octets", test_proxy_auth),
	RUNS("1929 2: after a failure the connection is closed", test_wrong_login),
	/* SOCKS4 */
	DRIVES("SOCKS4: CONNECT is granted with 90", "\x04\x01\x00\x50\x0a\x4d\x00\x01me\x00", SOCKS_CONNECT, "10.77.0.1:80", 0,
	       AT4),
	DRIVES("SOCKS4: the version of a reply is 0; 91 is rejected or failed", "\x04\x01\x00\x50\x0a\x4d\x00\x01me\x00",
	       SOCKS_CONNECT, "10.77.0.1:80", VE_REFUSED, NO4),
	DRIVES("SOCKS4: the user id may be empty", "\x04\x01\x00\x50\x0a\x4d\x00\x01\x00", SOCKS_CONNECT, "10.77.0.1:80", 0, AT4),
	DRIVES("SOCKS4: the user id ends with its NUL: until then the request is not whole", "\x04\x01\x00\x50\x0a\x4d\x00\x01me",
	       SOCKS_MORE, NULL, PENDING, ""),
	DRIVES("SOCKS4: other commands than CONNECT and BIND are rejected", "\x04\x03\x00\x50\x0a\x4d\x00\x01\x00", SOCKS_REFUSED,
	       NULL, PENDING, NO4),
	DRIVES("SOCKS4: BIND has two replies", "\x04\x02\x00\x14\x0a\x4d\x00\x01\x00", SOCKS_BIND, "10.77.0.1:20", 0, AT4 AT4),
	AUTH("SOCKS4: access is the server's to decide: never without the password", "\x04\x01\x00\x50\x0a\x4d\x00\x01\x00",
	     SOCKS_REFUSED, NULL, PENDING, NO4),
	RUNS("SOCKS4: after a failure the connection is closed", test_socks4_failure),
	RUNS("SOCKS4: after success both directions are relayed", test_socks4),
	RUNS("SOCKS4: BIND: another host than DSTIP ends it with 91", test_bind_socks4),
	RUNS("SOCKS4: BIND: the peer has two minutes", test_bind_timeout),
	/* SOCKS4a */
	DRIVES("SOCKS4a: 0.0.0.x announces a name behind the user id", "\x04\x01\x00\x50\x00\x00\x00\x01me\x00" "far.corp\x00",
	       SOCKS_CONNECT, "far.corp:80", 0, AT4),
	DRIVES("SOCKS4a: whatever x is", "\x04\x01\x00\x50\x00\x00\x00\xff\x00" "far.corp\x00", SOCKS_CONNECT, "far.corp:80", 0,
	       AT4),
	DRIVES("SOCKS4a: but 0: 0.0.0.0 is no name, and no destination", "\x04\x01\x00\x50\x00\x00\x00\x00\x00", SOCKS_REFUSED,
	       NULL, PENDING, NO4),
	DRIVES("SOCKS4a: the name ends with its NUL: until then the request is not whole",
	       "\x04\x01\x00\x50\x00\x00\x00\x01\x00" "far.corp", SOCKS_MORE, NULL, PENDING, ""),
	DRIVES("SOCKS4a: an empty name is rejected", "\x04\x01\x00\x50\x00\x00\x00\x01\x00\x00", SOCKS_REFUSED, NULL, PENDING,
	       NO4),
	DRIVES("SOCKS4a: BIND takes a name, too", "\x04\x02\x00\x14\x00\x00\x00\x01\x00" "far.corp\x00", SOCKS_BIND,
	       "far.corp:20", 0, AT4 AT4),
	RUNS("SOCKS4a: the name is passed on to be resolved where it means something", test_socks4a),
};

/* --- driving ------------------------------------------------------------------------------------------- */

struct sent {
	uint8_t p[64];
	size_t n;
};

static void collect(struct socks *s, struct sent *out)
{
	struct slice tx = socks_tx_peek(s);

	assert_true(tx.n <= sizeof(out->p) - out->n);
	if (tx.n > 0)
		memcpy(out->p + out->n, tx.p, tx.n);
	out->n += tx.n;
	socks_tx_consume(s, tx.n);
}

static void tell_outcome(struct socks *s, const struct row *row, struct sent *out)
{
	const struct endpoint far = { .ip = { .family = IP_V4, .b = { 10, 0, 0, 1 } }, .port = 0x1234 };

	if (row->event == SOCKS_BIND)
		socks_bound(s, &far);
	collect(s, out);
	if (row->outcome == 0)
		socks_connected(s, &far);
	else
		socks_failed(s, row->outcome);
	collect(s, out);
}

/* The input in two pieces, cut behind @cut bytes. */
static void drive(const struct row *row, size_t cut)
{
	enum socks_event ev = SOCKS_MORE;
	struct sent out = { .n = 0 };
	char text[DEST_TEXT_MAX];
	struct proxy_auth pa;
	size_t taken, at_ = 0;
	struct socks s;

	assert_int_equal(proxy_auth_set(&pa, "u", "p"), 0);
	socks_init(&s, row->auth ? &pa : NULL);
	for (unsigned i = 0; i < 2 && ev == SOCKS_MORE; i++) {
		size_t seen = i == 0 ? cut : row->in.n;

		ev = socks_input(&s, (struct slice){ row->in.p + at_, seen - at_ }, &taken);
		at_ += taken;
		collect(&s, &out);
	}
	assert_int_equal(ev, row->event);
	if (row->dest)
		assert_string_equal(dest_text(socks_dest(&s), text), row->dest);
	if (row->outcome != PENDING)
		tell_outcome(&s, row, &out);
	if (ev == SOCKS_REFUSED)
		assert_non_null(socks_why(&s));
	assert_int_equal(out.n, row->out.n);
	assert_memory_equal(out.p, row->out.p, out.n);
}

static void test_row(void **state)
{
	const struct row *row = *state;

	for (size_t cut = 0; cut <= row->in.n; cut++)
		drive(row, cut);
}

static void test_run_row(void **state)
{
	const struct row *row = *state;
	void *nothing = NULL;

	setup(&nothing);
	row->run(&nothing);
	assert_int_equal(teardown(&nothing), 0);
}

int main(void)
{
	struct CMUnitTest tests[ARRAY_LEN(rows)];

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		tests[i] = (struct CMUnitTest){
			.name = rows[i].requirement,
			.test_func = rows[i].run ? test_run_row : test_row,
			.initial_state = (void *)(uintptr_t)&rows[i],
		};
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
