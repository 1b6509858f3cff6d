/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_vpn_file.c - account files of SoftEther's client: the grammar, what becomes of each key, and that our own parser
 * takes the result. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/base64.h"
#include "core/bytes.h"
#include "core/conf.h"
#include "core/vpn_file.h"

#define OPEN "declare root\n{\n"
#define HOST_AND_HUB "declare ClientOption\n{\nstring Hostname h\nstring HubName H\n"
#define AUTH(lines) "declare ClientAuth\n{\n" lines "}\n"
#define ANONYMOUS AUTH("uint AuthType 0\n")

static char *result;
static struct fault fault;
static struct conf conf;
static const char *file_text;

static int read_text(const char *path, char **ret_text, struct fault *f)
{
	(void)path;
	(void)f;
	*ret_text = strdup(file_text);
	return 0;
}

static int parse_conf(const char *text)
{
	char *argv[] = { "softsocks", "check", "-c", "f", NULL };

	file_text = text;
	conf_fini(&conf);
	fault = (struct fault){ 0 };
	return conf_parse(&conf, 4, argv, NULL, read_text, &fault);
}

static int convert(const char *text)
{
	free(result);
	result = NULL;
	fault = (struct fault){ 0 };
	return vpn_file_convert("a.vpn", text, &result, &fault);
}

/* It converts, and conf.c takes the result, as well as the file itself. */
static void good(const char *text)
{
	if (convert(text) != 0)
		fail_msg("%s", fault.text);
	assert_false(vpn_file_is(result));
	assert_true(vpn_file_is(text));
	if (parse_conf(text) != 0 || parse_conf(result) != 0)
		fail_msg("%s\n%s", fault.text, result);
}

static void bad(const char *text, const char *line)
{
	if (convert(text) != VE_USAGE || fault.err != VE_USAGE || strncmp(fault.text, line, strlen(line)) != 0)
		fail_msg("wanted: %s\n        got: %s", line, fault.text);
	assert_null(result);
}

static void has(const char *what)
{
	if (!strstr(result, what))
		fail_msg("no %s in\n%s", what, result);
}

static void has_not(const char *what)
{
	if (strstr(result, what))
		fail_msg("%s in\n%s", what, result);
}

static char *sample(const char *name)
{
	char path[128];
	struct fault f = { 0 };
	char *text = NULL;

	snprintf(path, sizeof(path), "test/data/vpn/%s.vpn", name);
	assert_int_equal(conf_read_file(path, &text, &f), 0);
	return text;
}

/* --- the samples ---------------------------------------------------------------------------------------- */

/* The hash is the vector of softether-protocol.md 14. */
static void test_password(void **state)
{
	static const uint8_t hash[20] = { 0x11, 0x9d, 0x71, 0xdb, 0x56, 0xb8, 0xcf, 0x61, 0xd6, 0xbb,
					  0x0a, 0x20, 0xd0, 0x11, 0x76, 0xf6, 0x50, 0xfb, 0x4b, 0xa1 };
	char *text = sample("password");

	(void)state;
	good(text);
	free(text);
	assert_string_equal(conf.protocol->scheme, "softether");
	assert_string_equal(conf.host, "vpn.example.org");
	assert_int_equal(conf.port, 5555);
	assert_string_equal(conf.hub, "TESTHUB");
	assert_string_equal(conf.user, "alice");
	assert_true(conf.has_password_hash);
	assert_memory_equal(conf.password_hash, hash, sizeof(hash));
	assert_false(conf.anonymous);
	assert_int_equal(conf.auth_methods, 0);
	assert_int_equal(conf.trust.npins, 1);
	assert_int_equal(conf.tcp_connections, 8);
	assert_int_equal(conf.udp_acceleration, UDP_OFF);
	assert_true(conf.compress);
	assert_false(conf.half_connection);
	assert_true(conf.retries == UINT32_MAX && conf.retries_given);
	assert_int_equal(conf.retry_interval_ms, 15000);
	assert_string_equal(conf.secrets_file, "f");
	assert_memory_equal(result, "# There is a secret in this file, password-hash: chmod 600 it", 60);
	has("\"My VPN\"");
	has("# DeviceName \"VPN\": the virtual network adapter");
	has("# UseEncrypt true: ");
}

static void test_plain(void **state)
{
	char *text = sample("plain64"); /* CRLF, escapes */

	(void)state;
	good(text);
	free(text);
	assert_string_equal(conf.password_text, "Secret123");
	assert_int_equal(conf.auth_methods, AUTH_PLAIN);
	assert_string_equal(conf.user, "bob@example.org");
	assert_string_equal(conf.hub, "Hub #/1");
	has("# CheckServerCert false: SoftEther's client would take any certificate");
	assert_int_equal(conf.trust.npins, 0);
	assert_false(conf.trust.insecure);
	text = sample("plain32"); /* a mark in front, IPv6, no port */
	good(text);
	free(text);
	assert_string_equal(conf.password_text, "Secret123");
	assert_string_equal(conf.host, "2001:db8::1");
	assert_int_equal(conf.port, 443);
}

static void test_certificate(void **state)
{
	char *text = sample("certificate");

	(void)state;
	good(text);
	free(text);
	assert_int_equal(conf.auth_methods, AUTH_CERTIFICATE);
	assert_int_equal(conf.cert_data.n, 4);
	assert_memory_equal(conf.cert_data.p, "\x30\x82\x01\x02", 4);
	assert_memory_equal(conf.key_data.p, "\x30\x82\x02\x02", 4);
	assert_string_equal(conf.protocol->scheme, "softether"); /* the hint "/tcp" */
	assert_null(conf.rendezvous);
	has("# ProxyType 1: a proxy on the way to the server is not supported");
	has("# ProxyPassword (9 bytes)");
	has_not("Secret");
	has_not("PfoHkBVZXWn");
}

static void test_anonymous(void **state)
{
	char *text = sample("anonymous");

	(void)state;
	good(text);
	free(text);
	assert_true(conf.anonymous);
	assert_string_equal(conf.protocol->scheme, "softether+udp");
	assert_int_equal(conf.port, 40000);
	assert_int_equal(conf.tcp_connections, 32);
	assert_int_equal(conf.retry_interval_ms, 60000);
	assert_int_equal(conf.retries, 3);
	assert_null(conf.secrets_file);
	has("# HashedPassword: left out");
	has("# MaxConnection 99: softsocks has 1 to 32");
	has("# There is no secret in this file.");
	has_not("EZ1x21");
}

/* A file that was cut off anywhere is refused: it would be another account. */
static void test_truncations(void **state)
{
	static const char *const names[] = { "password", "plain64", "plain32", "certificate", "anonymous" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		char *text = sample(names[i]);
		size_t whole = (size_t)(strrchr(text, '}') - text) + 1;

		for (size_t n = 0; n < whole; n++) {
			char *cut = malloc(n + 1);

			assert_non_null(cut);
			memcpy(cut, text, n);
			cut[n] = '\0';
			assert_int_equal(convert(cut), VE_USAGE);
			assert_memory_equal(fault.text, "account file a.vpn", 18);
			free(cut);
		}
		text[whole] = '\0';
		assert_int_equal(convert(text), 0);
		free(text);
	}
}

/* --- the grammar ---------------------------------------------------------------------------------------- */

static void test_grammar(void **state)
{
	(void)state;
	good("# comment\n\n  \t\n" OPEN "anything at all\nfloat X 1\n" ANONYMOUS HOST_AND_HUB "}\n}\n");
	good("DECLARE ROOT\n\t{\nDeclare CLIENTOPTION x y\n{\nSTRING hostNAME h more words\nString HUBname H\n}\n}");
	good(OPEN HOST_AND_HUB "string ProxyName\nbyte ProxyPassword\nstring AccountName $\n}\n}\n"); /* empty values */
	good(OPEN HOST_AND_HUB "bool UseCompress 2\nbool NoUdpAcceleration TRUE\n}\n}\n");
	assert_true(conf.compress);
	assert_int_equal(conf.udp_acceleration, UDP_OFF);
	bad("", "account file a.vpn, line 1: no account file");
	bad("x\ny", "account file a.vpn, line 2: no account file");
	bad("declare foo\n{\n}\n", "account file a.vpn, line 1: expected one \"declare root\"");
	bad("declare\n{\n}\n", "account file a.vpn, line 1: expected a name behind declare");
	bad("string Hostname h\n", "account file a.vpn, line 1: a value outside");
	bad("declare root\nstring a b\n", "account file a.vpn, line 2: expected { behind declare");
	bad("{\n", "account file a.vpn, line 1: there is a { without declare");
	bad(OPEN "{\n", "account file a.vpn, line 3: there is a { without declare");
	bad("}\n", "account file a.vpn, line 1: there is a } too many");
	bad(OPEN "}\n}\n", "account file a.vpn, line 4: there is a } too many");
	bad(OPEN "}\n" OPEN "}\n", "account file a.vpn, line 4: expected one \"declare root\"");
	bad("declare root\n", "account file a.vpn, line 2: the file is cut off");
	bad(OPEN HOST_AND_HUB "string\n}\n}\n", "account file a.vpn, line 7: expected a name behind string");
	bad(OPEN HOST_AND_HUB "uint Port x\n}\n}\n", "account file a.vpn, line 7: Port: expected a number from 0 to 4294967295");
	bad(OPEN HOST_AND_HUB "uint Port -1\n}\n}\n", "account file a.vpn, line 7: Port: expected a number");
	bad(OPEN HOST_AND_HUB "uint Port 4294967296\n}\n}\n", "account file a.vpn, line 7: Port: expected a number");
	bad(OPEN HOST_AND_HUB "uint Port\n}\n}\n", "account file a.vpn, line 7: Port: expected a number");
	bad(OPEN "uint64 CreateDateTime 18446744073709551616\n}\n",
	    "account file a.vpn, line 3: CreateDateTime: expected a number from 0 to 18446744073709551615");
	bad(OPEN HOST_AND_HUB "string Port 1\n}\n}\n", "account file a.vpn, line 7: Port: expected uint");
	bad(OPEN HOST_AND_HUB "bool UseCompress maybe\n}\n}\n", "account file a.vpn, line 7: UseCompress: expected true or false");
	bad(OPEN HOST_AND_HUB "string hubname X\n}\n}\n", "account file a.vpn, line 7: HubName is in line 6 already");
	bad(OPEN "byte ServerCert MII\n}\n", "account file a.vpn, line 3: ServerCert: expected Base64");
}

static void test_escapes(void **state)
{
	static const char *const wrong[] = { "a$", "a$2", "$2", "$2g", "$g2", "$00", "a$$" };

	(void)state;
	good(OPEN ANONYMOUS "declare ClientOption\n{\nstring Hostname h\nstring HubName $24$41b$c3$A4$20\n}\n}\n");
	assert_string_equal(conf.hub, "$Ab\xc3\xa4 ");
	good(OPEN "declare Client$41uth\n{\n}\n" HOST_AND_HUB "string Account$4eame a$0D$0Ab$01$7f$ff\n}\n}\n");
	has("\"a??b???\""); /* no line of its own */
	for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
		char text[256];

		snprintf(text, sizeof(text), OPEN HOST_AND_HUB "string AccountName %s\n}\n}\n", wrong[i]);
		bad(text, "account file a.vpn, line 7: AccountName: a $ is not followed by two hex digits");
	}
}

/* Unknown keys and folders are named, and what is in an unknown folder is nobody's. */
static void test_unknown(void **state)
{
	char text[8192] = OPEN HOST_AND_HUB;

	(void)state;
	good(OPEN "uint Future 1\ndeclare Other\n{\nstring Hostname evil\ndeclare ClientOption\n{\nstring HubName evil\n}\n}\n"
		  HOST_AND_HUB "bool Fu$0ature true\n}\n}\n");
	assert_string_equal(conf.host, "h");
	assert_string_equal(conf.hub, "H");
	has("# Future (line 3): unknown to softsocks");
	has("# Other (line 4): unknown to softsocks");
	has("# Fu?ture (line 16): unknown to softsocks");
	for (int i = 0; i < 40; i++)
		snprintf(text + strlen(text), sizeof(text) - strlen(text), "uint X%d 1\n", i);
	snprintf(text + strlen(text), sizeof(text) - strlen(text), "}\n}\n");
	good(text);
	has("# X31 (line");
	has_not("# X32");
	has("# and 8 more that are unknown");
}

static void test_nesting(void **state)
{
	(void)state;
	for (unsigned depth = 7; depth <= 9; depth++) {
		char text[1024] = OPEN HOST_AND_HUB "}\n";

		for (unsigned i = 1; i < depth; i++)
			snprintf(text + strlen(text), sizeof(text) - strlen(text), "declare a\n{\n");
		for (unsigned i = 1; i < depth; i++)
			snprintf(text + strlen(text), sizeof(text) - strlen(text), "}\n");
		snprintf(text + strlen(text), sizeof(text) - strlen(text), "}\n");
		if (depth <= 8)
			good(text);
		else
			bad(text, "account file a.vpn, line 22: more than 8 folders in folders");
	}
}

/* --- values --------------------------------------------------------------------------------------------- */

static void test_servers(void **state)
{
	static const struct {
		const char *lines, *url;
	} right[] = {
		{ "string Hostname h\n", "softether://h:443/H" },
		{ "string Hostname h\nuint Port 0\n", "softether://h:443/H" },
		{ "string Hostname h/\n", "softether://h:443/H" },
		{ "string Hostname h/None\n", "softether://h:443/H" },
		{ "string Hostname 192.0.2.1\nuint Port 65535\n", "softether://192.0.2.1:65535/H" },
		{ "string Hostname [2001:db8::1]\n", "softether://[2001:db8::1]:443/H" },
		{ "string Hostname 192.0.2.1\nuint PortUDP 1\n", "softether+udp://192.0.2.1:1/H" },
		{ "string Hostname 192.0.2.1/hint\nuint Port 992\n", "softether+udp://192.0.2.1:992/H" },
	};
	static const struct {
		const char *lines, *reason;
	} wrong[] = {
		{ "", ": Hostname is missing: expected the name" },
		{ "string Hostname $\n", ", line 6: Hostname: expected the name" },
		{ "string Hostname /x\n", ", line 6: Hostname: expected the name" },
		{ "string Hostname a..b\n", ", line 6: Hostname: expected a host name" },
		{ "string Hostname a$20b\n", ", line 6: Hostname: expected a host name" },
		{ "string Hostname a:80\n", ", line 6: Hostname: expected a host name" },
		{ "string Hostname a@b\n", ", line 6: Hostname: expected a host name" },
		{ "string Hostname [h\n", ", line 6: Hostname: expected a host name" },
		{ "string Hostname h\nuint Port 65536\n", ", line 7: Port: expected a number from 1" },
		{ "string Hostname h\nuint PortUDP 65536\n", ", line 7: PortUDP: expected a number from 0" },
	};
	char text[512];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(right); i++) {
		snprintf(text, sizeof(text), OPEN "declare ClientOption\n{\nstring HubName H\n%s}\n}\n", right[i].lines);
		good(text);
		has(right[i].url);
		assert_int_equal(conf.rendezvous != NULL, strstr(right[i].lines, "/hint") != NULL);
	}
	for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
		char line[256];

		snprintf(text, sizeof(text), OPEN "declare ClientOption\n{\nstring HubName H\n%s}\n}\n", wrong[i].lines);
		snprintf(line, sizeof(line), "account file a.vpn%s", wrong[i].reason);
		bad(text, line);
	}
	bad(OPEN "declare ClientOption\n{\nstring Hostname h\n}\n}\n", "account file a.vpn: HubName is missing: expected a name");
	bad(OPEN "declare ClientOption\n{\nstring Hostname h\nstring HubName a$0Ab\n}\n}\n",
	    "account file a.vpn, line 6: HubName: not UTF-8");
	bad(OPEN AUTH("string Username $FF\n") HOST_AND_HUB "}\n}\n", "account file a.vpn, line 5: Username: not UTF-8");
}

static void test_logins(void **state)
{
	static const struct {
		const char *lines, *reason;
	} wrong[] = {
		{ "uint AuthType 4\nstring Username a\n", ", line 5: AuthType: the login is with a smart card" },
		{ "uint AuthType 5\nstring Username a\n", ", line 5: AuthType: the login is with a key in an OpenSSL engine" },
		{ "uint AuthType 6\nstring Username a\n", ", line 5: AuthType: expected 0 to 5" },
		{ "uint AuthType 1\n", ": Username is missing: expected a name, because" },
		{ "uint AuthType 1\nstring Username a\nbyte HashedPassword AAAA\n",
		  ", line 7: HashedPassword: expected 20 bytes" },
		{ "uint AuthType 2\nstring Username a\nbyte EncryptedPassword AAAA\n",
		  ", line 7: EncryptedPassword: what is in it is no text" },
		{ "uint AuthType 3\nstring Username a\n", ": ClientCert is missing: expected a certificate" },
		{ "uint AuthType 3\nstring Username a\nbyte ClientCert AAAA\n", ": ClientKey is missing: expected a key" },
	};

	(void)state;
	good(OPEN AUTH("uint AuthType 1\nstring Username a\n") HOST_AND_HUB "}\n}\n");
	assert_false(conf.has_password_hash || conf.anonymous);
	has("it is asked for");
	good(OPEN AUTH("uint AuthType 2\nstring Username a\nbyte EncryptedPassword $\n") HOST_AND_HUB "}\n}\n");
	assert_null(conf.password_text);
	assert_int_equal(conf.auth_methods, AUTH_PLAIN);
	good(OPEN AUTH("uint AuthType 0\nstring Username guest\n") HOST_AND_HUB "}\n}\n");
	assert_true(conf.anonymous);
	assert_string_equal(conf.user, "guest");
	for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
		char text[512], line[256];

		snprintf(text, sizeof(text), OPEN "declare ClientAuth\n{\n%s}\n" HOST_AND_HUB "}\n}\n", wrong[i].lines);
		snprintf(line, sizeof(line), "account file a.vpn%s", wrong[i].reason);
		bad(text, line);
	}
}

/* The bounds of what Base64 may hold, and of names. */
static void test_lengths(void **state)
{
	static uint8_t der[CERT_DER_MAX + 1];
	static char coded[BASE64_SIZE(CERT_DER_MAX + 1) + 1], text[sizeof(coded) + 1024];

	(void)state;
	for (size_t n = CERT_DER_MAX; n <= CERT_DER_MAX + 1; n++) {
		*base64_put(coded, der, n) = '\0';
		snprintf(text, sizeof(text),
			 OPEN AUTH("uint AuthType 3\nstring Username a\nbyte ClientKey AAAA\n") HOST_AND_HUB "}\n}\n");
		snprintf(strstr(text, "byte ClientKey"), sizeof(text) - 256,
			 "byte ClientKey AAAA\nbyte ClientCert %s\n}\n" HOST_AND_HUB "}\n}\n", coded);
		if (n == CERT_DER_MAX)
			good(text);
		else
			bad(text, "account file a.vpn, line 8: ClientCert: longer than 16384 bytes");
	}
	for (size_t n = USER_MAX; n <= USER_MAX + 1; n++) {
		char name[USER_MAX + 2];

		memset(name, ' ' + 1, n);
		name[n] = '\0';
		snprintf(text, sizeof(text), OPEN "declare ClientOption\n{\nstring Hostname h\nstring HubName %s\n}\n}\n", name);
		if (n == USER_MAX)
			good(text);
		else
			bad(text, "account file a.vpn, line 6: HubName: longer than 255 bytes");
	}
}

static void test_half_connection(void **state)
{
	(void)state;
	good(OPEN HOST_AND_HUB "bool HalfConnection true\nuint MaxConnection 2\n}\n}\n");
	assert_true(conf.half_connection);
	good(OPEN HOST_AND_HUB "bool HalfConnection true\nuint MaxConnection 1\n}\n}\n");
	assert_false(conf.half_connection);
	has("# HalfConnection true: means nothing");
	good(OPEN HOST_AND_HUB "bool HalfConnection true\nuint MaxConnection 0\n}\n}\n");
	assert_int_equal(conf.tcp_connections, 1);
}

static void test_recognised(void **state)
{
	static const char *const no[] = { "", "#", "# declare root", "url = x\ndeclare root", "declare", "declare roots",
					  "declares root", "declare other", "declare =", "declare\nroot" };
	static const char *const yes[] = { "declare root", "\357\273\277declare root\r\n{", "# x\r\n\r\n#\n \tDeclare\tRoot " };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(no); i++)
		assert_false(vpn_file_is(no[i]));
	for (size_t i = 0; i < ARRAY_LEN(yes); i++)
		assert_true(vpn_file_is(yes[i]));
	/* a broken one is not taken for a config file, and the command line outweighs it */
	assert_int_equal(parse_conf(OPEN "string a\n"), VE_USAGE);
	assert_memory_equal(fault.text, "account file f, line 4: the file is cut off", 40);
}

static int stop(void **state)
{
	(void)state;
	free(result);
	conf_fini(&conf);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_password),	cmocka_unit_test(test_plain),   cmocka_unit_test(test_certificate),
		cmocka_unit_test(test_anonymous),	cmocka_unit_test(test_truncations), cmocka_unit_test(test_grammar),
		cmocka_unit_test(test_escapes),		cmocka_unit_test(test_unknown), cmocka_unit_test(test_nesting),
		cmocka_unit_test(test_servers),		cmocka_unit_test(test_logins),  cmocka_unit_test(test_lengths),
		cmocka_unit_test(test_half_connection), cmocka_unit_test(test_recognised),
	};

	return cmocka_run_group_tests(tests, NULL, stop);
}
