/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_route.c - rules and where they send a request, as tables. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "core/bytes.h"
#include "core/err.h"
#include "core/route.h"

static const char *const action_words[] = { "tunnel", "direct", "block" };

static enum route_action find(const struct route_rule *rules, size_t n, const char *to)
{
	struct dest d;

	assert_int_equal(dest_parse(to, 0, &d), 0);
	return route_find(rules, n, &d);
}

/* One rule, and what it matches: "block" where it does, "tunnel" where not. */
static void test_matches(void **state)
{
	static const struct {
		const char *pattern, *to;
		bool match;
	} cases[] = {
		{ "10.0.0.0/8", "10.255.1.2:80", true },
		{ "10.0.0.0/8", "11.0.0.0:80", false },
		{ "10.0.0.0/8", "[::ffff:10.1.2.3]:80", true }, /* the same host, in IPv6's clothes */
		{ "10.0.0.0/8", "[a00::]:80", false },
		{ "10.0.0.0/8", "10.1.2.3.example.com:80", false },
		{ "192.168.1.128/25", "192.168.1.128:1", true },
		{ "192.168.1.128/25", "192.168.1.127:1", false },
		{ "192.168.1.1", "192.168.1.1:1", true },
		{ "192.168.1.1", "192.168.1.2:1", false },
		{ "192.168.1.1/32", "192.168.1.1:65535", true },
		{ "0.0.0.0/0", "1.2.3.4:1", true },
		{ "0.0.0.0/0", "[::1]:1", false },
		{ "0.0.0.0/0", "host:1", false },
		{ "::/0", "[2001:db8::1]:1", true },
		{ "::/0", "1.2.3.4:1", false },
		{ "fd00::/8", "[fdff::1]:22", true },
		{ "fd00::/8", "[fe00::1]:22", false },
		{ "[fd00::]/8", "[fd12::1]:22", true },
		{ "[fd00::]/8:22", "[fd12::1]:22", true },
		{ "[fd00::]/8:22", "[fd12::1]:23", false },
		{ "[2001:db8::1]:80-90", "[2001:db8::1]:90", true },
		{ "[2001:db8::1]:80-90", "[2001:db8::1]:91", false },
		{ "[2001:db8::1]", "[2001:db8::1]:91", true },
		{ "2001:db8::1", "[2001:db8::1]:91", true },
		{ "2001:db8::1", "[2001:db8::2]:91", false },
		{ "2001:db8::/127", "[2001:db8::1]:91", true },
		{ "2001:db8::/127", "[2001:db8::2]:91", false },
		{ "10.1.0.0/16:443", "10.1.2.3:443", true },
		{ "10.1.0.0/16:443", "10.1.2.3:444", false },
		{ "10.1.0.0/16:1-65535", "10.1.2.3:65535", true },
		{ "example.com", "example.com:1", true },
		{ "example.com", "EXAMPLE.Com:1", true },
		{ "EXAMPLE.COM", "example.com:1", true },
		{ "example.com", "example.com.:1", true },
		{ "example.com.", "example.com:1", true },
		{ "example.com.", "www.example.com.:1", true },
		{ "example.com", "a.b.example.com:1", true },
		{ "example.com", "badexample.com:1", false },
		{ "example.com", "example.com.evil.net:1", false },
		{ "example.com", "com:1", false },
		{ "example.com", "xample.com:1", false },
		{ ".example.com", "example.com:1", false },
		{ ".example.com", "example.com.:1", false },
		{ ".example.com", "www.example.com:1", true },
		{ ".example.com", "WWW.EXAMPLE.COM.:1", true },
		{ ".example.com", ".example.com:1", true }, /* below it, by a label without letters */
		{ "com", "example.com:1", true },
		{ "com", ".:1", false },
		{ "localhost", "localhost:1", true },
		{ "a_b-c.1x", "a_b-c.1x:1", true },
		{ "example.com:80", "example.com:80", true },
		{ "example.com:80", "example.com:81", false },
		{ "example.com", "93.184.216.34:80", false },
		{ "*", "example.com:80", true },
		{ "*", "1.2.3.4:80", true },
		{ "*", "[::1]:80", true },
		{ "*:25", "x:25", true },
		{ "*:25", "x:24", false },
		{ "*:25-25", "[::1]:25", true },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct route_rule rule;
		char text[300];

		snprintf(text, sizeof(text), "%s=block", cases[i].pattern);
		if (route_parse(text, &rule) != 0)
			fail_msg("%s is refused", text);
		if ((find(&rule, 1, cases[i].to) == ROUTE_BLOCK) != cases[i].match)
			fail_msg("%s and %s", cases[i].pattern, cases[i].to);
	}
}

/* The first rule that matches decides. */
static void test_precedence(void **state)
{
	static const char *const rules[] = {
		"git.corp.example:22=direct", "corp.example=tunnel", "10.1.1.0/24=block", "10.0.0.0/8=tunnel",
		"*:25=block",		      ".example=direct",     "*=direct",
	};
	static const struct {
		const char *to;
		enum route_action action;
	} cases[] = {
		{ "git.corp.example:22", ROUTE_DIRECT }, { "git.corp.example:23", ROUTE_TUNNEL },
		{ "corp.example:25", ROUTE_TUNNEL },     { "10.1.1.7:25", ROUTE_BLOCK },
		{ "10.1.2.7:25", ROUTE_TUNNEL },	 { "mail.example:25", ROUTE_BLOCK },
		{ "www.example:80", ROUTE_DIRECT },      { "[2001:db8::1]:25", ROUTE_BLOCK },
		{ "192.0.2.1:80", ROUTE_DIRECT },
	};
	struct route_rule parsed[ARRAY_LEN(rules)];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rules); i++)
		assert_int_equal(route_parse(rules[i], &parsed[i]), 0);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		enum route_action got = find(parsed, ARRAY_LEN(parsed), cases[i].to);

		if (got != cases[i].action)
			fail_msg("%s: %s", cases[i].to, action_words[got]);
	}
	assert_int_equal(find(parsed, 6, "192.0.2.1:80"), ROUTE_TUNNEL); /* no rule matches */
	assert_int_equal(find(NULL, 0, "192.0.2.1:80"), ROUTE_TUNNEL);
}

static void test_refused(void **state)
{
	static const char *const wrong[] = {
		"", "=", "=direct", "*", "*=", "*=Direct", "*=direct ", "* =direct", "*=nowhere", "**=direct", "*.example=direct",
		"10.0.0.0/33=direct", "10.0.0.1/8=direct", "10.0.0.0/=direct", "10.0.0.0/-1=direct", "10.0.0.0/008x=direct",
		"10.0.0=direct", "10=direct", "256.0.0.1=direct", "fd00::1/8=direct", "::/129=direct", "fd00::/8:80=direct",
		"::1]:80=direct", "[::1=direct", "[::1]80=direct", "[10.0.0.1]=direct", "[host]=direct", "[]=direct", ":80=direct",
		"*:=direct", "*:0=direct", "*:65536=direct", "*:80-=direct", "*:-80=direct", "*:90-80=direct", "*:80-65536=direct",
		"*:8x=direct", "*:1:2=direct", "a..b=direct", "..a=direct", ".=direct", "..=direct", "a..=direct", "a b=direct",
		"a/b=direct", "h\xc3\xb6st=direct", "a:b:80=direct", "*:000080=direct", "a=b=direct",
	};
	struct route_rule rule, before;

	(void)state;
	memset(&rule, 0x5a, sizeof(rule));
	before = rule;
	for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
		if (route_parse(wrong[i], &rule) != VE_USAGE)
			fail_msg("%s is taken", wrong[i]);
		assert_memory_equal(&rule, &before, sizeof(rule));
	}
}

static void test_lengths(void **state)
{
	(void)state;
	for (size_t n = HOST_MAX - 1; n <= HOST_MAX + 20; n++) {
		char text[400];
		struct route_rule rule;

		memset(text, 'a', n);
		snprintf(text + n, sizeof(text) - n, "=direct");
		assert_int_equal(route_parse(text, &rule), n <= HOST_MAX ? 0 : VE_USAGE);
		if (n > HOST_MAX)
			continue;
		assert_int_equal(strlen(rule.suffix), n);
		snprintf(text + n, sizeof(text) - n, ":10000-65535=direct");
		assert_int_equal(route_parse(text, &rule), 0);
		assert_int_equal(rule.port_from, 10000);
	}
}

/* Every truncation of a rule is a rule or refused, and the parser reads nothing behind it. */
static void test_truncations(void **state)
{
	static const char full[] = "[2001:db8::]/32:80-443=tunnel";

	(void)state;
	for (size_t n = 0; n < sizeof(full) - 1; n++) {
		struct route_rule rule;
		char text[sizeof(full)];

		memcpy(text, full, n);
		text[n] = '\0';
		assert_int_equal(route_parse(text, &rule), VE_USAGE);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_matches),    cmocka_unit_test(test_precedence),  cmocka_unit_test(test_refused),
		cmocka_unit_test(test_lengths),    cmocka_unit_test(test_truncations),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
