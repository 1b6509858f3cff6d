/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_se_pack.c - PACK: the published vector, every truncation, every bound on both sides.
 *
 * Inputs are given in heap blocks of exactly their size, so that a sanitizer sees a read past the end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/softether/se_pack.h"
#include "test/support/se_peer.h"

/* softether-protocol.md 14 */
static const char vector[] =
	"00000006"
	"00000007 6d6574686f64 00000002 00000001 00000005 6c6f67696e"
	"00000009 6175746874797065 00000000 00000001 00000001"
	"00000007 7469636b6574 00000001 00000001 00000003 010203"
	"00000005 506f7274 00000000 00000002 000001bb 000015b3"
	"00000004 6e3634 00000004 00000001 1122334455667788"
	"00000002 75 00000003 00000001 00000003 c38400";

/* The bytes given to the parser last; the getters borrow from them. */
static uint8_t *given;
static struct fault fault;

static int parse(struct se_pack *p, const uint8_t *bytes, size_t n)
{
	free(given);
	given = malloc(n ? n : 1);
	assert_non_null(given);
	if (n > 0)
		memcpy(given, bytes, n);
	fault = (struct fault){ 0 };
	return se_pack_parse(p, (struct slice){ .p = given, .n = n }, &fault);
}

static int forget_given(void **state)
{
	(void)state;
	free(given);
	given = NULL;
	return 0;
}

static void assert_good(struct se_pack *p, const struct se_bytes *b)
{
	assert_int_equal(parse(p, b->p, b->n), 0);
	assert_int_equal(fault.err, 0);
}

/* Refused, with exactly this reason. */
static void assert_bad(const struct se_bytes *b, const char *why)
{
	struct se_pack p;

	assert_int_equal(parse(&p, b->p, b->n), VE_PROTO);
	assert_int_equal(fault.err, VE_PROTO);
	assert_false(fault.final);
	assert_string_equal(fault.text, why);
}

static void assert_slice(struct slice s, const void *p, size_t n)
{
	assert_int_equal(s.n, n);
	if (n > 0)
		assert_memory_equal(s.p, p, n);
}

/* --- the vector
 * ------------------------------------------------------------------------------------------------- */

static void test_vector(void **state)
{
	struct se_bytes b = { 0 };
	struct se_pack p;
	struct slice s;
	uint32_t v;
	uint64_t n64;
	uint8_t ticket[3];

	(void)state;
	se_bytes_hex(&b, vector);
	assert_int_equal(b.n, 147);
	assert_good(&p, &b);
	assert_int_equal(p.n, 6);
	assert_true(se_pack_str(&p, "method", 0, &s));
	assert_slice(s, "login", 5);
	assert_int_equal(se_pack_int(&p, "authtype"), 1);
	assert_true(se_pack_data(&p, "ticket", 0, &s));
	assert_slice(s, "\1\2\3", 3);
	assert_true(se_pack_fixed(&p, "ticket", ticket, 3));
	assert_memory_equal(ticket, "\1\2\3", 3);
	assert_int_equal(se_pack_count(&p, "Port", SE_PACK_INT), 2);
	assert_true(se_pack_u32(&p, "Port", 0, &v));
	assert_int_equal(v, 443);
	assert_true(se_pack_u32(&p, "Port", 1, &v));
	assert_int_equal(v, 5555);
	assert_int_equal(se_pack_int(&p, "Port"), 443);
	assert_true(se_pack_u64(&p, "n64", 0, &n64));
	assert_true(n64 == 0x1122334455667788u);
	assert_true(se_pack_str(&p, "u", 0, &s));
	assert_slice(s, "\xc3\x84", 2);
	se_bytes_free(&b);
}

static void test_every_truncation(void **state)
{
	struct se_bytes b = { 0 };
	struct se_pack p;

	(void)state;
	se_bytes_hex(&b, vector);
	for (size_t n = 0; n < b.n; n++) {
		assert_int_equal(parse(&p, b.p, n), VE_PROTO);
		assert_true(strlen(fault.text) > 0);
	}
	se_bytes_free(&b);
}

static void test_trailing_bytes(void **state)
{
	struct se_bytes b = { 0 };
	struct se_pack p;

	(void)state;
	se_bytes_hex(&b, vector);
	se_bytes_fill(&b, 0xff, 33);
	assert_good(&p, &b);
	assert_int_equal(p.n, 6);
	se_bytes_free(&b);
}

static void test_empty_pack(void **state)
{
	struct se_bytes b = { 0 };
	struct se_pack p;
	struct slice s;

	(void)state;
	se_peer_pack(&b);
	assert_good(&p, &b);
	assert_int_equal(p.n, 0);
	assert_int_equal(se_pack_int(&p, "error"), 0);
	assert_false(se_pack_str(&p, "", 0, &s));
	se_bytes_free(&b);
}

/* --- getters
 * ---------------------------------------------------------------------------------------------------- */

static void test_absent_and_wrong_type(void **state)
{
	struct se_bytes b = { 0 };
	struct se_pack p;
	struct slice s = { .p = (const uint8_t *)"kept", .n = 4 };
	uint32_t v = 77;
	uint64_t n64 = 78;
	uint8_t to[4] = "abc";

	(void)state;
	se_bytes_hex(&b, vector);
	assert_good(&p, &b);
	assert_int_equal(se_pack_int(&p, "method"), 0);
	assert_int_equal(se_pack_int(&p, "ticket"), 0);
	assert_int_equal(se_pack_int(&p, "n64"), 0);
	assert_int_equal(se_pack_int(&p, "nothing"), 0);
	assert_false(se_pack_u32(&p, "u", 0, &v));
	assert_false(se_pack_u32(&p, "Port", 2, &v));
	assert_false(se_pack_u64(&p, "authtype", 0, &n64));
	assert_false(se_pack_u64(&p, "n64", 1, &n64));
	assert_false(se_pack_data(&p, "method", 0, &s));
	assert_false(se_pack_data(&p, "ticket", 1, &s));
	assert_false(se_pack_str(&p, "ticket", 0, &s));
	assert_false(se_pack_str(&p, "method", 1, &s));
	assert_false(se_pack_fixed(&p, "ticket", to, 2));
	assert_false(se_pack_fixed(&p, "ticket", to, 4));
	assert_int_equal(se_pack_count(&p, "Port", SE_PACK_STR), 0);
	assert_slice(s, "kept", 4);
	assert_int_equal(v, 77);
	assert_int_equal(n64, 78);
	assert_string_equal((char *)to, "abc");
	se_bytes_free(&b);
}

static void test_names_ignore_case(void **state)
{
	struct se_bytes b = { 0 };
	struct se_pack p;

	(void)state;
	se_bytes_hex(&b, vector);
	assert_good(&p, &b);
	assert_int_equal(se_pack_int(&p, "AuthType"), 1);
	assert_int_equal(se_pack_int(&p, "PORT"), 443);
	assert_int_equal(se_pack_int(&p, "port"), 443);
	assert_int_equal(se_pack_int(&p, "authtyp"), 0);
	assert_int_equal(se_pack_int(&p, "authtypes"), 0);
	se_bytes_free(&b);
}

static void test_strings(void **state)
{
	struct se_bytes b = { 0 };
	struct se_pack p;
	struct slice s;

	(void)state;
	se_peer_pack(&b);
	se_peer_str(&b, "padded", " \t\r\n two words \v\f ");
	se_peer_str(&b, "blank", " \t ");
	se_peer_str(&b, "empty", "");
	se_peer_element(&b, "bare", 3, 1); /* a UNISTR without its NUL */
	se_bytes_u32(&b, 2);
	se_bytes_text(&b, "xy");
	se_peer_element(&b, "none", 3, 1);
	se_bytes_u32(&b, 0);
	se_peer_element(&b, "many", 2, 3);
	se_bytes_u32(&b, 1);
	se_bytes_text(&b, "1");
	se_bytes_u32(&b, 0);
	se_bytes_u32(&b, 3);
	se_bytes_text(&b, "333");
	assert_good(&p, &b);
	assert_true(se_pack_str(&p, "padded", 0, &s));
	assert_slice(s, "two words", 9);
	assert_true(se_pack_str(&p, "blank", 0, &s));
	assert_slice(s, "", 0);
	assert_true(se_pack_str(&p, "empty", 0, &s));
	assert_slice(s, "", 0);
	assert_true(se_pack_str(&p, "bare", 0, &s));
	assert_slice(s, "xy", 2);
	assert_true(se_pack_str(&p, "none", 0, &s));
	assert_slice(s, "", 0);
	assert_int_equal(se_pack_count(&p, "many", SE_PACK_STR), 3);
	assert_true(se_pack_str(&p, "many", 0, &s));
	assert_slice(s, "1", 1);
	assert_true(se_pack_str(&p, "many", 1, &s));
	assert_slice(s, "", 0);
	assert_true(se_pack_str(&p, "many", 2, &s));
	assert_slice(s, "333", 3);
	assert_false(se_pack_str(&p, "many", 3, &s));
	se_bytes_free(&b);
}

static void test_addresses(void **state)
{
	static const uint8_t v6[16] = { 0x20, 1, 0xd, 0xb8, [15] = 1 };
	char long_name[SE_PACK_NAME_MAX + 1];
	struct se_bytes b = { 0 };
	struct se_pack p;
	struct ip ip = { .family = IP_NONE };

	(void)state;
	memset(long_name, 'n', SE_PACK_NAME_MAX);
	long_name[SE_PACK_NAME_MAX] = '\0';
	se_peer_pack(&b);
	se_peer_element(&b, "old", 0, 1);
	se_bytes_hex(&b, "010200c0"); /* 14: 192.0.2.1 */
	se_peer_int(&b, "v4", 0x0100007f);
	se_peer_int(&b, "v4@ipv6_bool", 0);
	se_peer_data(&b, "v4@ipv6_array", v6, sizeof(v6));
	se_peer_int(&b, "v6", 0xfe0200c0); /* the marker that 4.x puts here */
	se_peer_int(&b, "v6@ipv6_bool", 1);
	se_peer_data(&b, "v6@ipv6_array", v6, sizeof(v6));
	se_peer_int(&b, "short", 1);
	se_peer_int(&b, "short@ipv6_bool", 1);
	se_peer_data(&b, "short@ipv6_array", v6, 15);
	se_peer_int(&b, "half@ipv6_bool", 0);
	se_peer_int(&b, long_name, 5);
	assert_good(&p, &b);
	assert_false(se_pack_ip(&p, "none", &ip));
	assert_false(se_pack_ip(&p, "half", &ip));
	assert_false(se_pack_ip(&p, "short", &ip));
	assert_false(se_pack_ip(&p, long_name, &ip));
	assert_int_equal(ip.family, IP_NONE);
	assert_true(se_pack_ip(&p, "old", &ip));
	assert_int_equal(ip.family, IP_V4);
	assert_memory_equal(ip.b, "\xc0\0\2\1", 4);
	assert_true(se_pack_ip(&p, "v4", &ip));
	assert_int_equal(ip.family, IP_V4);
	assert_memory_equal(ip.b, "\x7f\0\0\1", 4);
	assert_true(se_pack_ip(&p, "v6", &ip));
	assert_int_equal(ip.family, IP_V6);
	assert_memory_equal(ip.b, v6, 16);
	se_bytes_free(&b);
}

/* --- bounds
 * ----------------------------------------------------------------------------------------------------- */

static void test_size_of_pack(void **state)
{
	struct se_bytes b = { 0 };
	struct se_pack p;

	(void)state;
	se_peer_pack(&b);
	se_bytes_fill(&b, 0, SE_BODY_MAX - b.n);
	assert_good(&p, &b);
	se_bytes_fill(&b, 0, 1);
	assert_bad(&b, "a PACK of 1048577 bytes, allowed are 1048576");
	b.n = 3;
	assert_bad(&b, "a PACK of 3 bytes, it takes at least 4");
	b.n = 0;
	assert_bad(&b, "a PACK of 0 bytes, it takes at least 4");
	se_bytes_free(&b);
}

static void numbered(struct se_bytes *b, unsigned from, unsigned to)
{
	char name[16];

	se_peer_pack(b);
	for (unsigned i = from; i != to; i += from < to ? 1u : -1u) {
		snprintf(name, sizeof(name), "%s%05u", i % 2 ? "E" : "e", i);
		se_peer_int(b, name, i);
	}
}

static void test_number_of_elements(void **state)
{
	struct se_bytes b = { 0 };
	struct se_pack p;
	char name[16];

	(void)state;
	numbered(&b, 0, SE_PACK_ELEMENTS_MAX);
	assert_good(&p, &b);
	numbered(&b, SE_PACK_ELEMENTS_MAX, 0);
	assert_good(&p, &b);
	for (unsigned i = 1; i <= SE_PACK_ELEMENTS_MAX; i++) {
		snprintf(name, sizeof(name), "%s%05u", i % 3 ? "E" : "e", i);
		assert_int_equal(se_pack_int(&p, name), i);
	}
	numbered(&b, 0, SE_PACK_ELEMENTS_MAX + 1);
	assert_bad(&b, "a PACK of 513 elements, allowed are 512");
	memset(b.p, 0xff, 4);
	assert_bad(&b, "a PACK of 4294967295 elements, allowed are 512");
	b.n = 0;
	se_bytes_hex(&b, "00000002 00000001 00000000 00000001 00000000"); /* the shortest element, once */
	assert_bad(&b, "a PACK of 2 elements does not fit into 20 bytes");
	b.p[3] = 1;
	assert_good(&p, &b);
	se_bytes_free(&b);
}

static void test_number_of_values(void **state)
{
	static const unsigned counts[] = { 1, 2, SE_PACK_VALUES_MAX, SE_PACK_VALUES_MAX + 1, 0, UINT32_MAX };
	static const unsigned sizes[] = { 4, 4, 4, 4, 8 }; /* of an integer, or of an empty value */

	(void)state;
	for (uint32_t type = 0; type < 5; type++) {
		for (size_t i = 0; i < ARRAY_LEN(counts); i++) {
			struct se_bytes b = { 0 };
			struct se_pack p;
			char why[80];

			se_peer_pack(&b);
			se_peer_element(&b, "x", type, counts[i]);
			se_bytes_fill(&b, 0, counts[i] - 1 < 1000 ? sizes[type] * counts[i] : 4);
			snprintf(why, sizeof(why), "element \"x\" has %u values, allowed are 1 to 256",
				 counts[i]);
			if (counts[i] >= 1 && counts[i] <= SE_PACK_VALUES_MAX) {
				assert_good(&p, &b);
				assert_int_equal(se_pack_count(&p, "X", type), counts[i]);
				b.n--;
				if (counts[i] > 1) {
					assert_bad(&b, "the bytes end inside element \"x\"");
				} else {
					assert_int_equal(parse(&p, b.p, b.n), VE_PROTO);
				}
			} else {
				assert_bad(&b, why);
			}
			se_bytes_free(&b);
		}
	}
}

static void test_size_of_value(void **state)
{
	(void)state;
	for (uint32_t type = 1; type < 4; type++) {
		struct se_bytes b = { 0 };
		struct se_pack p;

		se_peer_pack(&b);
		se_peer_element(&b, "x", type, 2);
		se_bytes_u32(&b, 1);
		se_bytes_fill(&b, 'v', 1);
		se_bytes_u32(&b, SE_PACK_VALUE_MAX);
		se_bytes_fill(&b, 'v', SE_PACK_VALUE_MAX);
		assert_good(&p, &b);
		b.n--;
		assert_bad(&b, "the bytes end inside element \"x\"");
		b.n -= SE_PACK_VALUE_MAX - 1 + 4;
		se_bytes_u32(&b, SE_PACK_VALUE_MAX + 1);
		se_bytes_fill(&b, 'v', SE_PACK_VALUE_MAX + 1);
		assert_bad(&b, "element \"x\" has a value of 524289 bytes, allowed are 524288");
		b.n -= SE_PACK_VALUE_MAX + 1 + 4;
		se_bytes_hex(&b, "ffffffff");
		assert_bad(&b, "element \"x\" has a value of 4294967295 bytes, allowed are 524288");
		se_bytes_free(&b);
	}
}

static void test_length_of_name(void **state)
{
	char name[SE_PACK_NAME_MAX + 2];
	struct se_bytes b = { 0 };
	struct se_pack p;

	(void)state;
	memset(name, 'n', sizeof(name));
	name[SE_PACK_NAME_MAX] = '\0';
	se_peer_pack(&b);
	se_peer_int(&b, name, 7);
	se_peer_int(&b, "", 8);
	assert_good(&p, &b);
	assert_int_equal(se_pack_int(&p, name), 7);
	assert_int_equal(se_pack_int(&p, ""), 8);
	name[SE_PACK_NAME_MAX] = 'n';
	name[SE_PACK_NAME_MAX + 1] = '\0';
	assert_int_equal(se_pack_int(&p, name), 0);
	se_peer_pack(&b);
	se_peer_int(&b, name, 7);
	assert_bad(&b, "element 1 has a name of length field 65, allowed are 1 to 64");
	b.n = 0;
	se_bytes_hex(&b, "00000001 00000000 00000000 00000001 00000000");
	assert_bad(&b, "element 1 has a name of length field 0, allowed are 1 to 64");
	b.n = 0;
	se_bytes_hex(&b, "00000001 ffffffff 00000000 00000001 00000000");
	assert_bad(&b, "element 1 has a name of length field 4294967295, allowed are 1 to 64");
	se_bytes_free(&b);
}

static void test_bytes_of_name(void **state)
{
	struct se_bytes b = { 0 };
	struct se_pack p;

	(void)state;
	for (unsigned c = 0; c < 256; c++) {
		se_peer_pack(&b);
		se_peer_int(&b, "a?b", 1);
		b.p[4 + 4 + 1] = (uint8_t)c;
		if (c >= 0x20 && c <= 0x7e)
			assert_good(&p, &b);
		else
			assert_bad(&b, "element 1 has a name that is not printable ASCII");
	}
	se_bytes_free(&b);
}

static void test_types(void **state)
{
	struct se_bytes b = { 0 };

	(void)state;
	se_peer_pack(&b);
	se_peer_int(&b, "ok", 1);
	se_peer_element(&b, "odd", 5, 1);
	se_bytes_u32(&b, 0);
	assert_bad(&b, "element \"odd\" has the unknown type 5");
	se_bytes_free(&b);
}

static void test_duplicates(void **state)
{
	struct se_bytes b = { 0 };

	(void)state;
	se_peer_pack(&b);
	se_peer_int(&b, "timeout", 1);
	se_peer_int(&b, "other", 1);
	se_peer_str(&b, "timeout", "x");
	assert_bad(&b, "element \"timeout\" appears twice");
	se_peer_pack(&b);
	se_peer_int(&b, "hubname", 1);
	se_peer_int(&b, "HubName", 1);
	assert_bad(&b, "element \"HubName\" appears twice");
	se_peer_pack(&b);
	se_peer_int(&b, "", 1);
	se_peer_int(&b, "", 1);
	assert_bad(&b, "element \"\" appears twice");
	/* wherever the twins are among many */
	for (unsigned i = 0; i < SE_PACK_ELEMENTS_MAX - 1; i += 37) {
		char name[16], why[64];

		numbered(&b, 0, SE_PACK_ELEMENTS_MAX - 1);
		snprintf(name, sizeof(name), "E%05u", i);
		snprintf(why, sizeof(why), "element \"%s\" appears twice", name);
		se_peer_int(&b, name, 0);
		assert_bad(&b, why);
	}
	se_bytes_free(&b);
}

/* --- writing
 * ---------------------------------------------------------------------------------------------------- */

static size_t write_sample(uint8_t *to, size_t cap)
{
	struct se_packer k;
	uint8_t *p;

	se_packer_init(&k, to, cap);
	se_put_str(&k, "method", "login");
	se_put_int(&k, "authtype", 1);
	se_put_data(&k, "ticket", "\1\2\3", 3);
	se_put_int_swapped(&k, "ClientPort", 443);
	se_put_data(&k, "none", NULL, 0);
	p = se_put_space(&k, "pad", 2);
	if (p)
		memcpy(p, "\xaa\xbb", 2);
	return se_packer_end(&k);
}

static void test_writer(void **state)
{
	uint8_t out[512];
	struct se_bytes want = { 0 };
	size_t n = write_sample(out, sizeof(out));

	(void)state;
	se_bytes_hex(&want, "00000006"
			    "00000007 6d6574686f64 00000002 00000001 00000005 6c6f67696e"
			    "00000009 6175746874797065 00000000 00000001 00000001"
			    "00000007 7469636b6574 00000001 00000001 00000003 010203"
			    "0000000b 436c69656e74506f7274 00000000 00000001 bb010000"
			    "00000005 6e6f6e65 00000001 00000001 00000000"
			    "00000004 706164 00000001 00000001 00000002 aabb");
	assert_int_equal(n, want.n);
	assert_memory_equal(out, want.p, n);
	for (size_t cap = 0; cap < n; cap++) {
		uint8_t *small = malloc(cap ? cap : 1);

		assert_non_null(small);
		assert_int_equal(write_sample(small, cap), 0);
		free(small);
	}
	assert_int_equal(write_sample(out, n), n);
	se_bytes_free(&want);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_vector, forget_given),
		cmocka_unit_test_teardown(test_every_truncation, forget_given),
		cmocka_unit_test_teardown(test_trailing_bytes, forget_given),
		cmocka_unit_test_teardown(test_empty_pack, forget_given),
		cmocka_unit_test_teardown(test_absent_and_wrong_type, forget_given),
		cmocka_unit_test_teardown(test_names_ignore_case, forget_given),
		cmocka_unit_test_teardown(test_strings, forget_given),
		cmocka_unit_test_teardown(test_addresses, forget_given),
		cmocka_unit_test_teardown(test_size_of_pack, forget_given),
		cmocka_unit_test_teardown(test_number_of_elements, forget_given),
		cmocka_unit_test_teardown(test_number_of_values, forget_given),
		cmocka_unit_test_teardown(test_size_of_value, forget_given),
		cmocka_unit_test_teardown(test_length_of_name, forget_given),
		cmocka_unit_test_teardown(test_bytes_of_name, forget_given),
		cmocka_unit_test_teardown(test_types, forget_given),
		cmocka_unit_test_teardown(test_duplicates, forget_given),
		cmocka_unit_test_teardown(test_writer, forget_given),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
