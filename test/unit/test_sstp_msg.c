/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The SSTP codec: packets as the documents print them and as real servers send them, every truncation,
 * every length. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/err.h"
#include "core/sstp/sstp_msg.h"
#include "test/support/unhex.h"

/* A packet in a heap block of its own size, so that a sanitizer sees any read beyond it. */
struct block {
	uint8_t *p;
	size_t n;
};

static struct block block_of(const uint8_t *from, size_t n)
{
	struct block b = { .p = malloc(n ? n : 1), .n = n };

	assert_non_null(b.p);
	if (n)
		memcpy(b.p, from, n);
	return b;
}

static void take(const char *hex, struct sstp_packet *ret, uint8_t *buf, size_t cap)
{
	size_t n = unhex(hex, buf, cap);

	assert_int_equal(sstp_msg_take((struct slice){ buf, n }, ret), 0);
	assert_int_equal(ret->length, n);
}

static void expect_bytes(const struct wr *w, const char *hex)
{
	uint8_t want[256];
	size_t n = unhex(hex, want, sizeof(want));

	assert_true(wr_ok(w));
	assert_int_equal(w->n, n);
	assert_memory_equal(w->p, want, n);
}

static void test_writes_the_documented_bytes(void **state)
{
	uint8_t buf[SSTP_CONNECTED_LEN], nonce[SSTP_NONCE], cert[32];
	struct wr w;

	(void)state;
	w = wr_init(buf, sizeof(buf));
	sstp_msg_connect_request(&w);
	expect_bytes(&w, "1001000E 0001 0001 00010006 0001");
	w = wr_init(buf, sizeof(buf));
	sstp_msg_with_status(&w, SSTP_CALL_DISCONNECT, SSTP_ATTRIB_NO_ERROR, SSTP_STATUS_NO_ERROR);
	expect_bytes(&w, "10010014 0006 0001 0002000C 00000000 00000000");
	w = wr_init(buf, sizeof(buf));
	sstp_msg_with_status(&w, SSTP_CALL_ABORT, SSTP_ATTRIB_CRYPTO_BINDING_REQ,
			     SSTP_STATUS_VALUE_NOT_SUPPORTED);
	expect_bytes(&w, "10010014 0005 0001 0002000C 00000004 00000004");
	w = wr_init(buf, sizeof(buf));
	sstp_msg_simple(&w, SSTP_CALL_DISCONNECT_ACK);
	expect_bytes(&w, "10010008 0007 0000");
	w = wr_init(buf, sizeof(buf));
	sstp_msg_simple(&w, SSTP_ECHO_REQUEST);
	expect_bytes(&w, "10010008 0008 0000");
	w = wr_init(buf, sizeof(buf));
	sstp_msg_simple(&w, SSTP_ECHO_RESPONSE);
	expect_bytes(&w, "10010008 0009 0000");
	memset(nonce, 0xaa, sizeof(nonce));
	memset(cert, 0xbb, sizeof(cert));
	w = wr_init(buf, sizeof(buf));
	sstp_msg_connected(&w, SSTP_HASH_SHA1, nonce, cert);
	expect_bytes(&w, "10010070 0004 0001 00030068 00000001"
			 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
			 "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb000000000000000000000000"
			 "0000000000000000000000000000000000000000000000000000000000000000");
}

static void test_writer_without_room(void **state)
{
	uint8_t buf[64], nonce[SSTP_NONCE] = { 0 }, cert[32] = { 0 };

	(void)state;
	for (size_t cap = 0; cap < 20; cap++) {
		struct wr w = wr_init(buf, cap);

		sstp_msg_with_status(&w, SSTP_CALL_ABORT, SSTP_ATTRIB_NO_ERROR, SSTP_STATUS_NO_ERROR);
		assert_false(wr_ok(&w));
	}
	struct wr w = wr_init(buf, sizeof(buf));

	sstp_msg_connected(&w, SSTP_HASH_SHA256, nonce, cert);
	assert_false(wr_ok(&w));
}

static void test_every_truncation(void **state)
{
	uint8_t bytes[64];
	size_t n = unhex("10010030 0002 0001 00040028 00000003"
			 "2eacc39b054ee78653eee31add8cdd0c2f122e93ab3bb7c7c12df4396084efef",
			 bytes, sizeof(bytes));
	struct sstp_packet p = { 0 };

	(void)state;
	for (size_t i = 0; i < n; i++) {
		struct block b = block_of(bytes, i);

		assert_int_equal(sstp_msg_take((struct slice){ b.p, b.n }, &p), VE_AGAIN);
		assert_int_equal(p.length, 0);
		free(b.p);
	}
	struct block b = block_of(bytes, n);

	assert_int_equal(sstp_msg_take((struct slice){ b.p, b.n }, &p), 0);
	assert_int_equal(p.length, n);
	free(b.p);
}

static void test_framing_lengths(void **state)
{
	static const struct {
		uint8_t header[4];
		int want;
		size_t length;
	} cases[] = {
		{ { 0x10, 0, 0, 0 }, VE_PROTO, 0 },      { { 0x10, 0, 0, 3 }, VE_PROTO, 0 },
		{ { 0x10, 0, 0, 4 }, 0, 4 },             { { 0x10, 0, 0, 5 }, 0, 5 },
		{ { 0x10, 1, 0, 4 }, VE_PROTO, 0 },      { { 0x10, 1, 0, 7 }, VE_PROTO, 0 },
		{ { 0x10, 1, 0, 8 }, 0, 8 },             { { 0x10, 0, 0x0f, 0xff }, 0, 4095 },
		{ { 0x10, 0, 0xf0, 4 }, 0, 4 },          { { 0x10, 0xfe, 0, 4 }, 0, 4 }, /* reserved bits */
		{ { 0x10, 0xff, 0, 8 }, 0, 8 },          { { 0x11, 0, 0, 4 }, VE_PROTO, 0 },
		/* "HTTP". */
		{ { 0x20, 0, 0, 4 }, VE_PROTO, 0 },      { { 0x48, 0x54, 0x54, 0x50 }, VE_PROTO, 0 },
	};
	static uint8_t buf[SSTP_PACKET_MAX + 1];
	struct sstp_packet p;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		memcpy(buf, cases[i].header, 4);
		assert_int_equal(sstp_msg_take((struct slice){ buf, sizeof(buf) }, &p), cases[i].want);
		if (cases[i].want)
			continue;
		assert_int_equal(p.length, cases[i].length);
		assert_int_equal(p.body.n, cases[i].length - 4);
		assert_ptr_equal(p.body.p, buf + 4);
		assert_int_equal(p.control, cases[i].header[1] & 1);
	}
	/* The version alone is enough to refuse, the other three bytes need not be there. */
	assert_int_equal(sstp_msg_take((struct slice){ (const uint8_t *)"H", 1 }, &p), VE_PROTO);
	assert_int_equal(sstp_msg_take((struct slice){ NULL, 0 }, &p), VE_AGAIN);
}

static void test_type_and_attributes(void **state)
{
	uint8_t buf[64], id;
	uint16_t type;
	struct sstp_packet p;
	struct rd a, v;

	(void)state;
	take("10010016 0003 0001 0002000E 00000001 00000004 0000", &p, buf, sizeof(buf));
	assert_int_equal(sstp_msg_type(&p, &type, &a), 0);
	assert_int_equal(type, SSTP_CALL_CONNECT_NAK);
	assert_true(sstp_msg_attribute(&a, &id, &v));
	assert_int_equal(id, SSTP_ATTRIB_STATUS_INFO);
	assert_int_equal(rd_left(&v), 10);
	assert_false(sstp_msg_attribute(&a, &id, &v));
	assert_true(rd_done(&a));
	/* An attribute of its header alone; reserved bits of the length are no length. */
	take("1001000C 0002 0001 00 05 F004", &p, buf, sizeof(buf));
	assert_int_equal(sstp_msg_type(&p, &type, &a), 0);
	assert_true(sstp_msg_attribute(&a, &id, &v));
	assert_int_equal(id, 5);
	assert_int_equal(rd_left(&v), 0);
	assert_false(sstp_msg_attribute(&a, &id, &v));
}

static void test_bad_attribute_lengths(void **state)
{
	static const char *const bad[] = {
		"1001000C 0002 0001 0004 0000", "1001000C 0002 0001 0004 0003",
		"1001000C 0002 0001 0004 0005", "1001000C 0002 0001 0004 0FFF",
		"10010009 0002 0001 00",        "1001000B 0002 0001 000400",
	};
	uint8_t buf[64], id, mask, nonce[SSTP_NONCE];
	uint16_t type;
	struct sstp_packet p;
	struct rd a, v;
	uint32_t status;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		take(bad[i], &p, buf, sizeof(buf));
		assert_int_equal(sstp_msg_type(&p, &type, &a), 0);
		assert_false(sstp_msg_status(a, &status));
		assert_int_equal(sstp_msg_binding_request(a, &mask, nonce), VE_PROTO);
		assert_false(sstp_msg_attribute(&a, &id, &v));
		assert_false(rd_ok(&a));
	}
}

static void test_binding_request(void **state)
{
	uint8_t buf[256], bytes[64], mask = 0xee, nonce[SSTP_NONCE];
	uint16_t type;
	struct sstp_packet p;
	struct rd a;

	(void)state;
	take("10010030 0002 0001 00040028 000000ff" /* unknown hash bits are not offered to anybody */
	     "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f", &p, buf, sizeof(buf));
	assert_int_equal(sstp_msg_type(&p, &type, &a), 0);
	assert_int_equal(sstp_msg_binding_request(a, &mask, nonce), 0);
	assert_int_equal(mask, 3);
	assert_int_equal(nonce[31], 0x1f);
	/* Behind an attribute nobody knows, and longer than it has to be. */
	take("10010038 0002 0002 00 77 0006 abcd 00 04 002a 00000001"
	     "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f 0000", &p, buf, sizeof(buf));
	assert_int_equal(sstp_msg_type(&p, &type, &a), 0);
	assert_int_equal(sstp_msg_binding_request(a, &mask, nonce), 0);
	assert_int_equal(mask, 1);
	assert_int_equal(nonce[0], 0);
	/* One byte short. */
	take("1001002f 0002 0001 00040027 00000003"
	     "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e", &p, buf, sizeof(buf));
	assert_int_equal(sstp_msg_type(&p, &type, &a), 0);
	mask = 0xee;
	assert_int_equal(sstp_msg_binding_request(a, &mask, nonce), VE_PROTO);
	assert_int_equal(mask, 0xee);
	/* None at all. */
	take("10010008 0002 0000", &p, bytes, sizeof(bytes));
	assert_int_equal(sstp_msg_type(&p, &type, &a), 0);
	assert_int_equal(sstp_msg_binding_request(a, &mask, nonce), VE_PROTO);
}

static void test_status_of_real_servers(void **state)
{
	static const struct {
		const char *hex;
		bool has;
		uint32_t status;
	} cases[] = {
		{ "10010008 0005 0000", false, 0 },                                       /* SoftEther */
		{ "10010014 0005 0001 0002000C 00000002 00000007", true, 7 },             /* accel-ppp */
		/* Sstp-server: no attribute id. */
		{ "10010010 0005 0001 0002 0008 00000007", true, 7 },
		/* Sstp-server: attribute id 0. */
		{ "10010010 0006 0001 0000 0008 00000000", true, 0 },
		/* SoftEther's NAK. */
		{ "10010014 0003 0001 0002000C 00000001 00000004", true, 4 },
		/* Accel-ppp's NAK. */
		{ "10010016 0003 0001 0002000E 00000001 00000004 0000", true, 4 },
		/* Cut short, both ways. */
		{ "1001000F 0005 0001 0002 0007 000000", false, 0 },
		{ "10010013 0005 0001 0002 000B 00000002 000000", false, 0 },
	};
	uint8_t buf[64];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct sstp_packet p;
		struct rd a;
		uint16_t type;
		uint32_t status = 99;

		take(cases[i].hex, &p, buf, sizeof(buf));
		assert_int_equal(sstp_msg_type(&p, &type, &a), 0);
		assert_int_equal(sstp_msg_status(a, &status), cases[i].has);
		assert_int_equal(status, cases[i].has ? cases[i].status : 99);
	}
}

static void test_names(void **state)
{
	(void)state;
	assert_string_equal(sstp_status_name(8), "negotiation timeout");
	assert_string_equal(sstp_status_name(0x0b), "status info not supported in message");
	assert_null(sstp_status_name(0x0c));
	assert_string_equal(sstp_type_name(SSTP_CALL_ABORT), "CALL_ABORT");
	assert_string_equal(sstp_type_name(SSTP_ECHO_RESPONSE), "ECHO_RESPONSE");
	assert_string_equal(sstp_type_name(0), "unknown message");
	assert_string_equal(sstp_type_name(10), "unknown message");
	assert_string_equal(sstp_type_name(0xffff), "unknown message");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_writes_the_documented_bytes),
		cmocka_unit_test(test_writer_without_room),
		cmocka_unit_test(test_every_truncation),
		cmocka_unit_test(test_framing_lengths),
		cmocka_unit_test(test_type_and_attributes),
		cmocka_unit_test(test_bad_attribute_lengths),
		cmocka_unit_test(test_binding_request),
		cmocka_unit_test(test_status_of_real_servers),
		cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
