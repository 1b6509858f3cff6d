/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_socks5.c - the SOCKS5 machine against RFC 1928, requirement by requirement, and against every cut
 * of its input. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "core/bytes.h"
#include "core/err.h"
#include "core/limits.h"
#include "socks/socks5.h"

#define GREETING "\x05\x01\x00"
#define NOWHERE "\x00\x01\x00\x00\x00\x00\x00\x00" /* RSV ATYP BND.ADDR BND.PORT of a refusal */
#define CHOSEN "\x05\x00"
#define B(s) { (const uint8_t *)(s), sizeof(s) - 1 }

/* --- running the machine ------------------------------------------------------------------------------- */

struct run {
	struct socks5 s;
	enum socks_event event; /* the last one that was not MORE */
	unsigned events;         /* how many were not MORE */
	uint8_t rest[8192];      /* not taken */
	size_t nrest;
	uint8_t tx[1024];        /* all that was sent */
	size_t ntx;
};

static void run_init(struct run *r)
{
	*r = (struct run){ .event = SOCKS_MORE };
	socks5_init(&r->s, NULL);
}

/* Takes what there is one byte at a time first, to see that peek and consume agree. */
static void run_drain(struct run *r)
{
	struct slice tx = socks5_tx_peek(&r->s);
	size_t total = tx.n;

	assert_true(tx.n <= sizeof(r->tx) - r->ntx);
	memcpy(r->tx + r->ntx, tx.p, tx.n);
	r->ntx += tx.n;
	if (total > 0) {
		socks5_tx_consume(&r->s, 1);
		assert_int_equal(socks5_tx_peek(&r->s).n, total - 1);
		assert_ptr_equal(socks5_tx_peek(&r->s).p, tx.p + 1);
		socks5_tx_consume(&r->s, total - 1);
	}
	assert_int_equal(socks5_tx_peek(&r->s).n, 0);
}

static void run_feed(struct run *r, const void *p, size_t n)
{
	enum socks_event ev;
	struct slice in;
	uint8_t *exact;
	size_t taken = SIZE_MAX;

	assert_true(n <= sizeof(r->rest) - r->nrest);
	if (n > 0)
		memcpy(r->rest + r->nrest, p, n);
	r->nrest += n;
	exact = malloc(r->nrest > 0 ? r->nrest : 1); /* so that a sanitizer sees a read past its end */
	assert_non_null(exact);
	memcpy(exact, r->rest, r->nrest);
	in = (struct slice){ .p = exact, .n = r->nrest };
	ev = socks5_input(&r->s, in, &taken);
	free(exact);
	assert_true(taken <= r->nrest);
	memmove(r->rest, r->rest + taken, r->nrest - taken);
	r->nrest -= taken;
	if (ev != SOCKS_MORE && r->event == SOCKS_MORE) {
		r->event = ev;
		r->events++;
	} else if (r->event == SOCKS_REFUSED) {
		assert_int_equal(ev, SOCKS_REFUSED);
	} else {
		assert_int_equal(ev, SOCKS_MORE);
	}
	run_drain(r);
}

static void assert_sent(const struct run *r, struct slice want)
{
	assert_int_equal(r->ntx, want.n);
	assert_memory_equal(r->tx, want.p, want.n);
}

/* --- RFC 1928 as a table ------------------------------------------------------------------------------- */

#define V4 "\x05\x01\x00\x01" /* VER CMD RSV ATYP */
#define NAME "\x05\x01\x00\x03"
#define V6 "\x05\x01\x00\x04"
#define ZEROS_13 "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"

/* What a greeting leads to; @rest is behind it. */
#define CHOOSES(requirement, greeting) { requirement, B(greeting), SOCKS_MORE, B(CHOSEN), B(""), NULL }
#define NONE_FITS(requirement, greeting, rest) \
	{ requirement, B(greeting rest), SOCKS_REFUSED, B("\x05\xff"), B(rest), NULL }
/* What a request leads to, sent together with a good greeting; @taken is read off the input, @rest is not. */
#define CONNECTS(requirement, request, text, payload) \
	{ requirement, B(GREETING request payload), SOCKS_CONNECT, B(CHOSEN), B(payload), text }
#define REFUSES(requirement, taken, rest, code) \
	{ requirement, B(GREETING taken rest), SOCKS_REFUSED, B(CHOSEN "\x05" code NOWHERE), B(rest), NULL }
#define FOREIGN(requirement, in, out) { requirement, B(in), SOCKS_REFUSED, B(out), B(in), NULL }

static const struct row {
	const char *requirement;
	struct slice in;
	enum socks_event event;
	struct slice out;
	struct slice rest;    /* CONNECT: what is payload */
	const char *dest;     /* CONNECT: as text */
} rows[] = {
	/* section 3: greeting */
	CHOOSES("3: X'00' offered alone is chosen", GREETING),
	CHOOSES("3: X'00' is chosen among others, wherever it stands", "\x05\x03\x02\x01\x00"),
	CHOOSES("3: X'00' is chosen when username/password is offered first", "\x05\x02\x02\x00"),
	NONE_FITS("3: none acceptable is answered with X'FF'", "\x05\x01\x02", ""),
	NONE_FITS("3: GSSAPI alone is not acceptable", "\x05\x01\x01", ""),
	NONE_FITS("3: X'FF' offered as a method is none", "\x05\x01\xff", ""),
	NONE_FITS("3: private methods are not acceptable", "\x05\x02\x80\xfe", ""),
	NONE_FITS("3: no method at all is answered with X'FF'", "\x05\x00", ""),
	NONE_FITS("3: bytes behind NMETHODS methods are no methods", "\x05\x01\x02", "\x00"),
	/* section 4: request */
	CONNECTS("4: CONNECT to an IPv4 address", V4 "\x0a\x4d\x00\x01\x00\x50", "10.77.0.1:80", ""),
	CONNECTS("4: CONNECT to a domain name", NAME "\x0bintra.corp.\x01\xbb", "intra.corp.:443", ""),
	CONNECTS("4: CONNECT to an IPv6 address", V6 "\xfd\x00" ZEROS_13 "\x01\x00\x50", "[fd00::1]:80", ""),
	CONNECTS("4: ports are in network order", V4 "\x01\x02\x03\x04\x12\x34", "1.2.3.4:4660", ""),
	CONNECTS("4: the largest port", V4 "\x01\x02\x03\x04\xff\xff", "1.2.3.4:65535", ""),
	CONNECTS("4: the smallest port", V4 "\x01\x02\x03\x04\x00\x01", "1.2.3.4:1", ""),
	REFUSES("4: port 0 cannot be connected to", V4 "\x01\x02\x03\x04\x00\x00", "", "\x01"),
	REFUSES("4: command 4 is not supported: X'07'", "", "\x05\x04\x00\x01\x00\x00\x00\x00", "\x07"),
	REFUSES("4: command 0 is not supported: X'07'", "", "\x05\x00\x00\x01", "\x07"),
	REFUSES("4: command X'F0' (Tor's RESOLVE) is not supported: X'07'", "", "\x05\xf0\x00\x03", "\x07"),
	REFUSES("4: the request's version must be 5", "", "\x04\x01\x00\x01", "\x01"),
	REFUSES("4: RSV must be X'00'", "", "\x05\x01\x01\x01", "\x01"),
	/* section 5: addressing */
	REFUSES("5: ATYP 0 is not supported: X'08'", "", "\x05\x01\x00\x00", "\x08"),
	REFUSES("5: ATYP 2 is not supported: X'08'", "", "\x05\x01\x00\x02", "\x08"),
	REFUSES("5: ATYP X'FF' is not supported: X'08'", "", "\x05\x01\x00\xff", "\x08"),
	CONNECTS("5: a name of length 1", NAME "\x01x\x00\x50", "x:80", ""),
	REFUSES("5: a name of length 0 is malformed", NAME "\x00\x00\x50", "", "\x01"),
	REFUSES("5: there is no terminating NUL: one is malformed", NAME "\x02x\x00\x00\x50", "", "\x01"),
	REFUSES("5: a name with a blank is malformed", NAME "\x03x y\x00\x50", "", "\x01"),
	CONNECTS("5: an IPv4 address as name", NAME "\x08" "10.0.0.1\x00\x50", "10.0.0.1:80", ""),
	CONNECTS("5: an IPv6 address as name", NAME "\x07" "fd00::1\x00\x50", "[fd00::1]:80", ""),
	/* a client need not wait: nothing in sections 3 and 4 forbids to send everything at once */
	CONNECTS("greeting, request and payload in one go", NAME "\x01x\x00\x50", "x:80", "GET /\r\n"),
	CONNECTS("payload that looks like SOCKS5 is payload", NAME "\x01x\x00\x50", "x:80", GREETING),
	REFUSES("a refusal is final: what follows is not looked at", "", "\x05\x04\x00\x01" GREETING, "\x07"),
	/* other protocols */
	FOREIGN("a TLS hello gets nothing", "\x16\x03\x01\x02\x00", ""),
	FOREIGN("version 0 gets nothing", "\x00", ""),
	FOREIGN("version 6 gets nothing", "\x06\x01\x00", ""),
	FOREIGN("a high byte gets nothing", "\xff\xff", ""),
};

static void check_row(const struct row *row, const struct run *r)
{
	char text[DEST_TEXT_MAX];

	assert_int_equal(r->event, row->event);
	assert_int_equal(r->events, row->event == SOCKS_MORE ? 0 : 1);
	assert_sent(r, row->out);
	assert_int_equal(r->nrest, row->rest.n);
	assert_memory_equal(r->rest, row->rest.p, row->rest.n);
	if (row->event == SOCKS_CONNECT)
		assert_string_equal(dest_text(&r->s.dest, text), row->dest);
	if (row->event == SOCKS_REFUSED)
		assert_non_null(r->s.why);
}

static void test_row(void **state)
{
	const struct row *row = *state;
	struct run r;

	run_init(&r);
	run_feed(&r, row->in.p, row->in.n);
	check_row(row, &r);
	run_feed(&r, NULL, 0); /* asking again changes nothing */
	check_row(row, &r);
}

static void test_every_split(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct row *row = &rows[i];

		for (size_t a = 0; a <= row->in.n; a++) {
			for (size_t b = a; b <= row->in.n; b++) {
				struct run r;

				run_init(&r);
				run_feed(&r, row->in.p, a);
				run_feed(&r, row->in.p + a, b - a);
				run_feed(&r, row->in.p + b, row->in.n - b);
				check_row(row, &r);
			}
		}
	}
}

static void test_byte_by_byte(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct run r;

		run_init(&r);
		for (size_t k = 0; k < rows[i].in.n; k++)
			run_feed(&r, rows[i].in.p + k, 1);
		check_row(&rows[i], &r);
	}
}

/* A handshake that is cut off anywhere decides nothing and takes no partial message. */
static void test_every_truncation(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		size_t whole = rows[i].in.n - rows[i].rest.n;

		if (rows[i].event != SOCKS_CONNECT)
			continue;
		for (size_t n = 0; n < whole; n++) {
			size_t greeting = 2 + (n >= 2 ? rows[i].in.p[1] : 0u);
			struct run r;

			run_init(&r);
			run_feed(&r, rows[i].in.p, n);
			assert_int_equal(r.event, SOCKS_MORE);
			assert_int_equal(r.ntx, n >= greeting ? 2 : 0);
			assert_int_equal(r.nrest, n >= greeting ? n - greeting : n);
		}
	}
}

/* --- lengths ------------------------------------------------------------------------------------------- */

static void test_nmethods(void **state)
{
	uint8_t in[2 + 255];

	(void)state;
	for (unsigned count = 0; count <= 255; count++) {
		struct run r;

		in[0] = 5;
		in[1] = (uint8_t)count;
		for (unsigned i = 0; i < count; i++)
			in[2 + i] = (uint8_t)(1 + i % 255);
		run_init(&r);
		run_feed(&r, in, 2 + count);
		assert_int_equal(r.event, SOCKS_REFUSED);
		assert_sent(&r, (struct slice)B("\x05\xff"));
		if (count == 0)
			continue;
		in[2 + count - 1] = 0; /* the last one counts, too */
		run_init(&r);
		run_feed(&r, in, 2 + count - 1);
		assert_int_equal(r.ntx, 0);
		run_feed(&r, in + 2 + count - 1, 1);
		assert_int_equal(r.event, SOCKS_MORE);
		assert_sent(&r, (struct slice)B(CHOSEN));
		assert_int_equal(r.s.state, SOCKS5_ST_REQUEST);
	}
}

/* Labels of at most 63 letters, so that it is a host name by any rule that a name of this length can keep. */
static void make_name(uint8_t *to, size_t n)
{
	for (size_t i = 0; i < n; i++)
		to[i] = i % 64 == 63 && i + 1 < n ? '.' : 'a';
}

static void test_name_lengths(void **state)
{
	(void)state;
	for (size_t n = 1; n <= 255; n++) {
		uint8_t in[3 + SOCKS5_MESSAGE_MAX] = { 5, 1, 0, 5, 1, 0, 3, (uint8_t)n };
		struct run r;

		make_name(in + 8, n);
		in[8 + n] = 0x12;
		in[9 + n] = 0x34;
		run_init(&r);
		run_feed(&r, in, 9 + n);
		assert_int_equal(r.event, SOCKS_MORE);
		run_feed(&r, in + 9 + n, 1);
		assert_int_equal(r.event, SOCKS_CONNECT);
		assert_int_equal(r.s.dest.port, 0x1234);
		assert_int_equal(r.s.dest.ip.family, IP_NONE);
		assert_int_equal(strlen(r.s.dest.name), n);
		assert_memory_equal(r.s.dest.name, in + 8, n);
		assert_int_equal(r.nrest, 0);
	}
	assert_int_equal(HOST_MAX, 255);
}

/* Every byte at every place of a short name: either it is the name that was sent, or the request is
 * refused. */
static void test_name_bytes(void **state)
{
	(void)state;
	for (unsigned at = 0; at < 3; at++) {
		for (unsigned byte = 0; byte <= 255; byte++) {
			uint8_t in[] = { 5, 1, 0, 5, 1, 0, 3, 3, 'a', 'b', 'c', 0, 80 };
			struct run r;

			in[8 + at] = (uint8_t)byte;
			run_init(&r);
			run_feed(&r, in, sizeof(in));
			if (byte <= 0x20 || byte >= 0x7f)
				assert_int_equal(r.event, SOCKS_REFUSED);
			if (r.event == SOCKS_CONNECT) {
				assert_int_equal(strlen(r.s.dest.name), 3);
				assert_memory_equal(r.s.dest.name, in + 8, 3);
			} else {
				assert_sent(&r, (struct slice)B(CHOSEN "\x05\x01" NOWHERE));
			}
		}
	}
}

/* Every value of each of the four bytes that decide. */
static void test_request_head_values(void **state)
{
	(void)state;
	for (unsigned at = 0; at < 4; at++) {
		for (unsigned byte = 0; byte <= 255; byte++) {
			uint8_t in[] = { 5, 1, 0, 5, 1, 0, 1 };
			uint8_t want = 0;
			struct run r;

			in[3 + at] = (uint8_t)byte;
			if ((at == 0 && byte != 5) || (at == 2 && byte != 0))
				want = 0x01;
			else if (at == 1 && (byte < 1 || byte > 3))
				want = 0x07;
			else if (at == 3 && byte != 1 && byte != 3 && byte != 4)
				want = 0x08;
			run_init(&r);
			run_feed(&r, in, sizeof(in));
			assert_int_equal(r.event, want ? SOCKS_REFUSED : SOCKS_MORE);
			assert_int_equal(r.ntx, want ? 12 : 2);
			if (want)
				assert_int_equal(r.tx[3], want);
		}
	}
}

/* --- outcomes, section 6 ------------------------------------------------------------------------------- */

static void run_to_connecting(struct run *r)
{
	run_init(r);
	run_feed(r, GREETING "\x05\x01\x00\x03\x01x\x00\x50", 11);
	assert_int_equal(r->event, SOCKS_CONNECT);
	r->ntx = 0;
}

static void test_success_ip4(void **state)
{
	const struct endpoint local = { .ip = { .family = IP_V4, .b = { 192, 168, 30, 10 } }, .port = 49152 };
	struct run r;

	(void)state;
	run_to_connecting(&r);
	socks5_connected(&r.s, &local);
	run_drain(&r);
	assert_sent(&r, (struct slice)B("\x05\x00\x00\x01\xc0\xa8\x1e\x0a\xc0\x00"));
	run_feed(&r, "payload", 7);
	assert_int_equal(r.nrest, 7); /* none of the machine's business */
	assert_int_equal(r.ntx, 10);
}

static void test_success_ip6(void **state)
{
	const struct endpoint local = { .ip = { .family = IP_V6, .b = { 0xfd, 0, [15] = 9 } }, .port = 1 };
	struct run r;

	(void)state;
	run_to_connecting(&r);
	socks5_connected(&r.s, &local);
	run_drain(&r);
	assert_sent(&r, (struct slice)B("\x05\x00\x00\x04\xfd\x00" ZEROS_13 "\x09\x00\x01"));
}

static void test_success_unknown_address(void **state)
{
	const struct endpoint local = { .ip = { .family = IP_NONE } };
	struct run r;

	(void)state;
	run_to_connecting(&r);
	socks5_connected(&r.s, &local);
	run_drain(&r);
	assert_sent(&r, (struct slice)B("\x05\x00" NOWHERE));
}

static void test_failures(void **state)
{
	static const struct {
		int err;
		uint8_t code;
	} want[] = {
		{ VE_REFUSED, 0x05 }, { VE_UNREACH, 0x04 },    { VE_RESOLVE, 0x04 }, { VE_TIMEOUT, 0x04 },
		{ VE_DOWN, 0x03 },    { VE_NETUNREACH, 0x03 }, { VE_LIMIT, 0x01 },   { VE_NOMEM, 0x01 },
		{ VE_RESET, 0x01 },   { VE_CANCELED, 0x01 },   { VE_IO, 0x01 },      { -12345, 0x01 },
		{ VE_BLOCKED, 0x02 }, { VE_USAGE, 0x07 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(want); i++) {
		const uint8_t reply[10] = { 5, want[i].code, 0, 1 };
		struct run r;

		run_to_connecting(&r);
		socks5_failed(&r.s, want[i].err);
		run_drain(&r);
		assert_sent(&r, (struct slice){ reply, sizeof(reply) });
		assert_int_equal(r.s.state, SOCKS5_ST_REFUSED);
		assert_string_equal(r.s.why, ve_name(want[i].err));
	}
}

/* A client that never waits: both answers may be in tx before anybody looks. */
static void test_answers_queue_up(void **state)
{
	const uint8_t in[] = GREETING "\x05\x01\x00\x03\x01x\x00\x50";
	const struct endpoint local = { .ip = { .family = IP_V6, .b = { 1 } }, .port = 7 };
	struct socks5 s;
	size_t taken;

	(void)state;
	socks5_init(&s, NULL);
	assert_int_equal(socks5_input(&s, (struct slice){ in, sizeof(in) - 1 }, &taken), SOCKS_CONNECT);
	socks5_connected(&s, &local);
	assert_int_equal(socks5_tx_peek(&s).n, 2 + 22);
	assert_memory_equal(socks5_tx_peek(&s).p, "\x05\x00\x05\x00\x00\x04\x01", 7);
}

static void test_first_bytes(void **state)
{
	(void)state;
	for (unsigned byte = 0; byte <= 255; byte++) {
		uint8_t b = (uint8_t)byte;
		struct run r;

		run_init(&r);
		run_feed(&r, &b, 1);
		if (byte == 5) {
			assert_int_equal(r.event, SOCKS_MORE);
			assert_int_equal(r.ntx, 0);
		} else {
			assert_int_equal(r.event, SOCKS_REFUSED);
			assert_int_equal(r.ntx, 0);
		}
	}
}

static void test_sizes(void **state)
{
	struct socks5 s;

	(void)state;
	assert_true(SOCKS5_MESSAGE_MAX >= 4 + 1 + 255 + 2);
	assert_true(SOCKS5_MESSAGE_MAX >= 2 + 255);
	assert_true(SOCKS5_MESSAGE_MAX >= 3 + 255 + 255);
	assert_true(sizeof(s) <= 512);
}

#define FIXED 14

int main(void)
{
	const struct CMUnitTest fixed[] = {
		cmocka_unit_test(test_every_split),
		cmocka_unit_test(test_byte_by_byte),
		cmocka_unit_test(test_every_truncation),
		cmocka_unit_test(test_nmethods),
		cmocka_unit_test(test_name_lengths),
		cmocka_unit_test(test_name_bytes),
		cmocka_unit_test(test_request_head_values),
		cmocka_unit_test(test_success_ip4),
		cmocka_unit_test(test_success_ip6),
		cmocka_unit_test(test_success_unknown_address),
		cmocka_unit_test(test_failures),
		cmocka_unit_test(test_answers_queue_up),
		cmocka_unit_test(test_first_bytes),
		cmocka_unit_test(test_sizes),
	};
	struct CMUnitTest tests[ARRAY_LEN(rows) + FIXED];

	_Static_assert(ARRAY_LEN(fixed) == FIXED, "room for all");
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		tests[i] = (struct CMUnitTest){
			.name = rows[i].requirement,
			.test_func = test_row,
			.initial_state = (void *)(uintptr_t)&rows[i],
		};
	}
	memcpy(tests + ARRAY_LEN(rows), fixed, sizeof(fixed));
	return cmocka_run_group_tests(tests, NULL, NULL);
}
