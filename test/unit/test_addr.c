/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_addr.c - addresses and destinations between text and bytes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "core/addr.h"
#include "core/bytes.h"
#include "core/err.h"

/* --- ip ------------------------------------------------------------------------------------------------- */

/* Examples of RFC 5952 sections 1, 2, 4 and 5, and the ends of the range. */
static void test_ip_text(void **state)
{
	static const struct {
		const char *in, *out;
	} cases[] = {
		{ "0.0.0.0", "0.0.0.0" },
		{ "255.255.255.255", "255.255.255.255" },
		{ "192.0.2.1", "192.0.2.1" },
		{ "2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1" },
		{ "2001:0db8:0:0:1:0:0:1", "2001:db8::1:0:0:1" },
		{ "2001:db8::1:0:0:1", "2001:db8::1:0:0:1" },
		{ "2001:DB8:0:0:1::1", "2001:db8::1:0:0:1" },
		{ "2001:db8:aaaa:bbbb:cccc:dddd:eeee:0001", "2001:db8:aaaa:bbbb:cccc:dddd:eeee:1" },
		{ "2001:db8:0:0:0:0:2:1", "2001:db8::2:1" },
		{ "2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1" },
		{ "2001:0:0:1:0:0:0:1", "2001:0:0:1::1" },
		{ "::ffff:192.0.2.1", "::ffff:192.0.2.1" },
		{ "::FFFF:c000:0201", "::ffff:192.0.2.1" },
		{ "::", "::" },
		{ "::1", "::1" },
		{ "0:0:0:0:0:0:0:1", "::1" },
		{ "FE80::1", "fe80::1" },
		{ "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		char text[IP_TEXT_MAX];
		struct ip ip, again;

		assert_int_equal(ip_parse(cases[i].in, &ip), 0);
		assert_int_equal(ip.family, strchr(cases[i].in, ':') ? IP_V6 : IP_V4);
		assert_ptr_equal(ip_text(&ip, text), text);
		assert_string_equal(text, cases[i].out);
		assert_int_equal(ip_parse(text, &again), 0);
		assert_true(ip_equal(&ip, &again));
	}
}

static void test_ip_bytes(void **state)
{
	static const uint8_t v6[16] = { 0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x12, 0x34 };
	char text[IP_TEXT_MAX];
	struct ip ip, other;

	(void)state;
	assert_int_equal(ip_parse("192.0.2.254", &ip), 0);
	assert_memory_equal(ip.b, "\xc0\x00\x02\xfe\0\0\0\0\0\0\0\0\0\0\0\0", 16);
	other = ip;
	other.b[7] = 9; /* not part of an IPv4 address */
	assert_true(ip_equal(&ip, &other));
	other.b[3] ^= 1;
	assert_false(ip_equal(&ip, &other));
	assert_int_equal(ip_parse("2001:db8::1234", &ip), 0);
	assert_memory_equal(ip.b, v6, 16);
	other = ip;
	other.b[15] ^= 1;
	assert_false(ip_equal(&ip, &other));
	other = (struct ip){ .family = IP_NONE };
	assert_false(ip_equal(&ip, &other));
	assert_true(ip_equal(&other, &(struct ip){ .family = IP_NONE, .b = { 1 } }));
	assert_string_equal(ip_text(&other, text), "-");
}

static void test_ip_refused(void **state)
{
	static const char *const bad[] = {
		"", " ", ".", "1", "1.2.3", "1.2.3.", "1.2.3.4.", ".1.2.3.4", "1.2.3.4.5", "256.0.0.1",
		"1.2.3.256", "01.2.3.4", "1.2.3.04", "0x1.2.3.4", "1.2.3.4 ", " 1.2.3.4", "1.2.3.4/24",
		"-1.2.3.4", "1..2.3", "a.b.c.d", ":", ":::", "1::2::3", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9",
		"12345::", "::g", "[::1]", "::1%lo", "fe80::1%1", "::1 ", " ::1", "1:2:3:4:5:6:7::8:9",
		"::1.2.3", "::1.2.3.256", ":1:2:3:4:5:6:7:8", "localhost",
	};
	struct ip ip, before;

	(void)state;
	memset(&before, 0x77, sizeof(before));
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		ip = before;
		if (ip_parse(bad[i], &ip) != VE_USAGE)
			fail_msg("\"%s\" was taken", bad[i]);
		assert_memory_equal(&ip, &before, sizeof(ip));
	}
}

/* --- dest ----------------------------------------------------------------------------------------------- */

static void test_dest_name_bytes(void **state)
{
	(void)state;
	for (unsigned c = 0; c < 256; c++) {
		uint8_t name[3] = { 'a', (uint8_t)c, 'z' };
		struct dest d = { .port = 7, .name = "before" };
		int r = dest_set_name(&d, name, sizeof(name));

		assert_int_equal(r, c > 0x20 && c < 0x7f ? 0 : VE_USAGE);
		if (r == 0)
			assert_memory_equal(d.name, name, 3);
		else
			assert_string_equal(d.name, "before");
		assert_int_equal(d.port, 7);
	}
}

static void test_dest_name_lengths(void **state)
{
	char name[HOST_MAX + 1];
	struct dest d = { .name = "before", .port = 7 };

	(void)state;
	memset(name, 'n', sizeof(name));
	assert_int_equal(dest_set_name(&d, name, 0), VE_USAGE);
	assert_int_equal(dest_set_name(&d, name, HOST_MAX + 1), VE_USAGE);
	assert_int_equal(dest_set_name(&d, name, SIZE_MAX), VE_USAGE);
	assert_string_equal(d.name, "before");
	assert_int_equal(dest_set_name(&d, name, 1), 0);
	assert_string_equal(d.name, "n");
	assert_int_equal(dest_set_name(&d, name, HOST_MAX), 0);
	assert_int_equal(strlen(d.name), HOST_MAX);
	assert_int_equal(d.ip.family, IP_NONE);
	assert_int_equal(d.port, 7);
}

static void test_dest_name_literals(void **state)
{
	struct dest d = { .port = 7 };
	char text[DEST_TEXT_MAX];

	(void)state;
	assert_int_equal(dest_set_name(&d, "192.0.2.1xyz", 9), 0); /* by length, not up to a NUL */
	assert_int_equal(d.ip.family, IP_V4);
	assert_string_equal(d.name, "");
	assert_string_equal(dest_text(&d, text), "192.0.2.1:7");
	assert_int_equal(dest_set_name(&d, "2001:db8::1", 11), 0);
	assert_int_equal(d.ip.family, IP_V6);
	assert_string_equal(dest_text(&d, text), "[2001:db8::1]:7");
	assert_int_equal(dest_set_name(&d, "1.2.3.4.example", 15), 0); /* a name resets the address */
	assert_int_equal(d.ip.family, IP_NONE);
	assert_string_equal(dest_text(&d, text), "1.2.3.4.example:7");
}

static void test_dest_text_longest(void **state)
{
	char text[DEST_TEXT_MAX];
	struct dest d = { .port = 65535 };

	(void)state;
	memset(d.name, 'n', HOST_MAX);
	assert_int_equal(strlen(dest_text(&d, text)), HOST_MAX + 6);
	assert_string_equal(text + HOST_MAX, ":65535");
	assert_int_equal(ip_parse("ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255", &d.ip), 0);
	assert_string_equal(dest_text(&d, text), "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535");
}

static void test_dest_parse(void **state)
{
	static const struct {
		const char *in;
		uint16_t default_port;
		const char *out;
	} cases[] = {
		{ "host:1", 0, "host:1" },
		{ "host:65535", 0, "host:65535" },
		{ "host:00080", 0, "host:80" },
		{ "host", 443, "host:443" },
		{ "host:80", 443, "host:80" },
		{ "192.0.2.1:80", 0, "192.0.2.1:80" },
		{ "192.0.2.1", 1, "192.0.2.1:1" },
		{ "[2001:DB8::1]:80", 0, "[2001:db8::1]:80" },
		{ "[::1]", 443, "[::1]:443" },
		{ "_srv.ex-ample.:9", 0, "_srv.ex-ample.:9" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		char text[DEST_TEXT_MAX];
		struct dest d, again;

		if (dest_parse(cases[i].in, cases[i].default_port, &d) != 0)
			fail_msg("\"%s\" was refused", cases[i].in);
		assert_string_equal(dest_text(&d, text), cases[i].out);
		assert_int_equal(dest_parse(text, 0, &again), 0);
		assert_int_equal(again.port, d.port);
		assert_true(ip_equal(&again.ip, &d.ip));
		assert_string_equal(again.name, d.name);
	}
}

static void test_dest_refused(void **state)
{
	static const struct {
		const char *in;
		uint16_t default_port;
	} bad[] = {
		{ "", 443 }, { "host", 0 }, { "[::1]", 0 }, { ":80", 443 }, { "host:", 443 },
		{ "host:0", 443 }, { "host:65536", 443 }, { "host:655350", 443 }, { "host:000080", 443 },
		{ "host:4294967376", 443 }, { "host:-1", 443 }, { "host:+1", 443 }, { "host: 1", 443 },
		{ "host:1 ", 443 }, { "host:0x50", 443 }, { "host:80:80", 443 }, { "::1", 443 },
		{ "2001:db8::1:80", 443 }, { "[::1", 443 }, { "[::1]80", 443 }, { "[::1]:", 443 },
		{ "[]", 443 }, { "[]:80", 443 }, { "[host]:80", 443 }, { "[192.0.2.1]:80", 443 },
		{ "[::1]]:80", 443 }, { "[[::1]]:80", 443 }, { "ho st:80", 443 }, { "h\xc3\xb6st:80", 443 },
		{ "host\n:80", 443 }, { "[fe80::1%lo]:80", 443 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct dest d, before;

		memset(&before, 0x77, sizeof(before));
		d = before;
		if (dest_parse(bad[i].in, bad[i].default_port, &d) != VE_USAGE)
			fail_msg("\"%s\" was taken", bad[i].in);
		assert_memory_equal(&d, &before, sizeof(d));
	}
}

static void test_dest_long_hosts(void **state)
{
	char text[HOST_MAX + 16];
	struct dest d;

	(void)state;
	memset(text, 'n', sizeof(text));
	strcpy(text + HOST_MAX, ":1");
	assert_int_equal(dest_parse(text, 0, &d), 0);
	memset(text, 'n', sizeof(text));
	strcpy(text + HOST_MAX + 1, ":1");
	assert_int_equal(dest_parse(text, 0, &d), VE_USAGE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ip_text),
		cmocka_unit_test(test_ip_bytes),
		cmocka_unit_test(test_ip_refused),
		cmocka_unit_test(test_dest_name_bytes),
		cmocka_unit_test(test_dest_name_lengths),
		cmocka_unit_test(test_dest_name_literals),
		cmocka_unit_test(test_dest_text_longest),
		cmocka_unit_test(test_dest_parse),
		cmocka_unit_test(test_dest_refused),
		cmocka_unit_test(test_dest_long_hosts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
