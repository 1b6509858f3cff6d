/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_pac.c - the PAC file: its text here, its meaning in a JavaScript engine (node) where there is one.
 *
 * The meaning is tested against route_find(): whatever the rules send "direct" the file must, and nothing else. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/route.h"
#include "socks/pac.h"

static const struct endpoint proxy4 = { .ip = { .family = IP_V4, .b = { 127, 0, 0, 1 } }, .port = 1080 };

static char *pac(const struct route_rule *rules, size_t n, const struct endpoint *proxy)
{
	char *text = malloc(PAC_TEXT_MAX + 1);
	struct wr w;

	assert_non_null(text);
	w = wr_init(text, PAC_TEXT_MAX);
	pac_write(&w, rules, n, proxy);
	assert_true(wr_ok(&w));
	text[w.n] = '\0';
	return text;
}

static size_t parse_rules(struct route_rule *to, const char *const *texts, size_t n)
{
	for (size_t i = 0; i < n; i++)
		assert_int_equal(route_parse(texts[i], &to[i]), 0);
	return n;
}

static void assert_has(const char *text, const char *part)
{
	if (!strstr(text, part))
		fail_msg("\"%s\" is missing in:\n%s", part, text);
}

static void test_text(void **state)
{
	static const char *const texts[] = { "10.0.0.0/8=direct", "[fd00::]/8:443=tunnel",
	".corp.example:80-90=block", "*=direct" };
	struct route_rule rules[4];
	char *text = pac(rules, parse_rules(rules, texts, 4), &proxy4);

	(void)state;
	assert_has(text, "var proxy = \"PROXY 127.0.0.1:1080\";\n");
	assert_has(text, "\t[\"0a000000\", 8, \"\", 0, 0, 65535, 1],\n");
	assert_has(text, "\t[\"fd000000000000000000000000000000\", 8, \"\", 0, 443, 443, 0],\n");
	assert_has(text, "\t[\"\", 0, \"corp.example\", 1, 80, 90, 0],\n");
	assert_has(text, "\t[\"\", 0, \"\", 0, 0, 65535, 1],\n");
	assert_has(text, "function FindProxyForURL(url, host) {\n");
	assert_null(strstr(text, "DIRECT;")); /* no way around the proxy */
	assert_null(strstr(text, "isInNet"));
	assert_null(strstr(text, "dnsResolve"));
	free(text);
}

static void test_proxy_over_ipv6(void **state)
{
	const struct endpoint at = { .ip = { .family = IP_V6, .b = { [15] = 1 } }, .port = 8080 };
	char *text = pac(NULL, 0, &at);

	(void)state;
	assert_has(text, "\"PROXY [::1]:8080\"");
	free(text);
}

/* What cannot be in a rule stays a string even if it were. */
static void test_strings_stay_strings(void **state)
{
	struct route_rule rule = { .action = ROUTE_DIRECT, .port_to = 65535 };
	char *text;

	(void)state;
	snprintf(rule.suffix, sizeof(rule.suffix), "a\"];alert(1);//\\\n</script>");
	text = pac(&rule, 1, &proxy4);
	assert_has(text, "\"a\?];alert(1);//\?\?\?/script\?\", 0, 0, 65535, 1],\n");
	free(text);
}

static void test_largest(void **state)
{
	struct route_rule *rules = calloc(ROUTES_MAX, sizeof(*rules));
	char *text;

	(void)state;
	assert_non_null(rules);
	for (size_t i = 0; i < ROUTES_MAX; i++) {
		rules[i] = (struct route_rule){ .net = { .family = IP_V6 }, .prefix = 128, .below_only = true,
		.port_from = 65534,
						.port_to = 65535 };
		memset(rules[i].suffix, 'x', HOST_MAX);
		memset(rules[i].net.b, 0xff, 16);
	}
	text = pac(rules, ROUTES_MAX, &proxy4);
	assert_true(strlen(text) < PAC_TEXT_MAX);
	free(text);
	free(rules);
}

/* --- meaning ---------------------------------------------------------------------------------------------- */

static const char *const rule_texts[] = {
	"db.corp.example:5432=tunnel", ".corp.example=direct", "10.1.0.0/16=tunnel", "10.0.0.0/9=direct",
	"192.168.1.1=direct", "fd00:1::/32=direct", "[2001:db8::]/33=direct", "intra=direct",
	"0.0.0.0/1:8000-8100=direct",
	"*:8443=direct",
};

struct question {
	const char *url;
	const char *host; /* as browsers give it: brackets or none around IPv6 */
	const char *dest;
};

static const struct question questions[] = {
	{ "http://db.corp.example:5432/", "db.corp.example", "db.corp.example:5432" },
	{ "http://db.corp.example/", "db.corp.example", "db.corp.example:80" },
	{ "http://corp.example/", "corp.example", "corp.example:80" },
	{ "http://WWW.Corp.Example/x:1/", "WWW.Corp.Example", "www.corp.example:80" },
	{ "http://xcorp.example/", "xcorp.example", "xcorp.example:80" },
	{ "https://intra/", "intra", "intra:443" },
	{ "https://sub.intra:9/", "sub.intra", "sub.intra:9" },
	{ "http://10.1.2.3/", "10.1.2.3", "10.1.2.3:80" },
	{ "http://10.2.2.3/", "10.2.2.3", "10.2.2.3:80" },
	{ "http://10.127.255.255/", "10.127.255.255", "10.127.255.255:80" },
	{ "http://10.128.0.0/", "10.128.0.0", "10.128.0.0:80" },
	{ "http://192.168.1.1/", "192.168.1.1", "192.168.1.1:80" },
	{ "http://192.168.1.10/", "192.168.1.10", "192.168.1.10:80" },
	{ "http://127.0.0.1:8000/", "127.0.0.1", "127.0.0.1:8000" },
	{ "http://128.0.0.1:8000/", "128.0.0.1", "128.0.0.1:8000" },
	{ "http://127.0.0.1:8101/", "127.0.0.1", "127.0.0.1:8101" },
	{ "http://[fd00:1::5]/", "fd00:1::5", "[fd00:1::5]:80" },
	{ "http://[fd00:1::5]/", "[fd00:1::5]", "[fd00:1::5]:80" },
	{ "http://[fd00:2::5]/", "fd00:2::5", "[fd00:2::5]:80" },
	{ "http://[2001:db8:7fff::1]/", "2001:db8:7fff::1", "[2001:db8:7fff::1]:80" },
	{ "http://[2001:db8:8000::1]/", "2001:db8:8000::1", "[2001:db8:8000::1]:80" },
	{ "http://[::1]:8443/", "::1", "[::1]:8443" },
	{ "https://example.org:8443/a?b=http://c:1/", "example.org", "example.org:8443" },
	{ "https://example.org/8443", "example.org", "example.org:443" },
	{ "wss://corp.example:8443/", "corp.example", "corp.example:8443" },
	{ "http://1.2.3.4.5/", "1.2.3.4.5", "1.2.3.4.5:80" },
	{ "http://me@a.intra/", "a.intra", "a.intra:80" },
};

static FILE *run_script(const char *text, char path[static 32])
{
	char command[64];
	FILE *f;
	int fd;

	snprintf(path, 32, "/tmp/test-pac-XXXXXX");
	fd = mkstemp(path);
	assert_true(fd >= 0);
	f = fdopen(fd, "w");
	assert_non_null(f);
	fputs(text, f);
	for (size_t i = 0; i < ARRAY_LEN(questions); i++)
		fprintf(f, "console.log(FindProxyForURL(\"%s\", \"%s\"));\n", questions[i].url,
		questions[i].host);
	fclose(f);
	snprintf(command, sizeof(command), "node %s", path);
	f = popen(command, "r");
	assert_non_null(f);
	return f;
}

static void test_meaning(void **state)
{
	struct route_rule rules[ARRAY_LEN(rule_texts)];
	size_t n = parse_rules(rules, rule_texts, ARRAY_LEN(rule_texts));
	char *text = pac(rules, n, &proxy4);
	char path[32], line[200];
	unsigned direct = 0;
	FILE *f;

	(void)state;
	if (system("node --version > /dev/null 2>&1") != 0) {
		free(text);
		print_message("  no node here\n");
		skip();
	}
	f = run_script(text, path);
	for (size_t i = 0; i < ARRAY_LEN(questions); i++) {
		struct dest d;
		bool is_direct;

		assert_int_equal(dest_parse(questions[i].dest, 0, &d), 0);
		is_direct = route_find(rules, n, &d) == ROUTE_DIRECT;
		direct += is_direct;
		assert_non_null(fgets(line, sizeof(line), f));
		line[strcspn(line, "\n")] = '\0';
		if (strcmp(line, is_direct ? "DIRECT" : "PROXY 127.0.0.1:1080") != 0)
			fail_msg("%s: %s, but route_find() says %s", questions[i].url, line,
			is_direct ? "direct" : "proxy");
	}
	assert_int_equal(pclose(f), 0);
	assert_true(direct > 8 && direct < ARRAY_LEN(questions) - 8);
	unlink(path);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_text),
		cmocka_unit_test(test_proxy_over_ipv6),
		cmocka_unit_test(test_strings_stay_strings),
		cmocka_unit_test(test_largest),
		cmocka_unit_test(test_meaning),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
