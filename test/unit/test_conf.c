/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_conf.c - what users can say, in all places where they can say it, and the line they get when it is
 * wrong. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/bytes.h"
#include "core/conf.h"
#include "core/conf_table.h"

#define URL "softether://h/H"
#define HEX "00112233445566778899aabbccddeeff00112233445566778899AABBCCDDEEFF"
#define PIN "sha256:" HEX

/* --- one parse ------------------------------------------------------------------------------------------ */

static struct conf conf;
static struct fault fault;
static const char *file_text; /* what "-c any" reads */

static int read_text(const char *path, char **ret_text, struct fault *f)
{
	(void)path;
	(void)f;
	if (!file_text)
		return VE_IO;
	*ret_text = strdup(file_text);
	return 0;
}

/* Parse up to 15 words of command line, ended by NULL, with @env (may be NULL) and file_text. */
static int parse_with(char *const env[], va_list words)
{
	char *argv[17] = { (char *)"softsocks" };
	int argc = 1;
	char *word;

	while ((word = va_arg(words, char *)) && argc < 16)
		argv[argc++] = word;
	conf_fini(&conf);
	fault = (struct fault){ 0 };
	return conf_parse(&conf, argc, argv, env, read_text, &fault);
}

static void good(char *const env[], ...) __attribute__((sentinel));
static void bad(const char *line, char *const env[], ...) __attribute__((sentinel));

static void good(char *const env[], ...)
{
	va_list words;
	int r;

	va_start(words, env);
	r = parse_with(env, words);
	va_end(words);
	if (r != 0)
		fail_msg("%s", fault.text);
}

/* Refused with VE_USAGE and a line that begins with @line. Nothing is left to free. */
static void bad(const char *line, char *const env[], ...)
{
	static struct conf before;
	va_list words;
	int r;

	va_start(words, env);
	r = parse_with(env, words);
	va_end(words);
	if (r != VE_USAGE || fault.err != VE_USAGE || strncmp(fault.text, line, strlen(line)) != 0)
		fail_msg("wanted:  %s\n        got %d: %s", line, r, fault.text);
	conf_fini(&before); /* untouched, that is, as conf_fini() leaves it */
	assert_memory_equal(&conf, &before, sizeof(conf));
}

#define GOOD(...) good(NULL, __VA_ARGS__, NULL)
#define BAD(line, ...) bad(line, NULL, __VA_ARGS__, NULL)
#define ENV(...) ((char *const[]){ __VA_ARGS__, NULL })

/* The option with @value is refused on the command line, in the file and in the environment, each naming its
 * place. */
static void bad_everywhere(const char *name, const char *env_name, const char *value, const char *reason)
{
	char word[1200], line[1400], env[1200];

	snprintf(word, sizeof(word), "--%s=%s", name, value);
	snprintf(line, sizeof(line), "command line: --%s \"%s\": %s", name, value, reason);
	BAD(line, word, URL);
	snprintf(word, sizeof(word), "\n\n  %s = %s \n", name, value);
	file_text = word;
	snprintf(line, sizeof(line), "dir/x.conf:3: %s \"%s\": %s", name, value, reason);
	BAD(line, "-c", "dir/x.conf", URL);
	file_text = NULL;
	snprintf(env, sizeof(env), "%s=%s", env_name, value);
	snprintf(line, sizeof(line), "environment: %s \"%s\": %s", env_name, value, reason);
	bad(line, ENV(env), URL, NULL);
}

static const char *listener(unsigned i)
{
	static char text[DEST_TEXT_MAX];

	assert_true(i < conf.nlisten);
	return dest_text(&conf.listen[i].at, text);
}

/* --- URLs ----------------------------------------------------------------------------------------------- */

static void test_urls(void **state)
{
	static const struct {
		const char *url, *user, *host, *hub;
		uint16_t port;
	} cases[] = {
		{ "softether://vpn.example.com/OFFICE", "", "vpn.example.com", "OFFICE", 443 },
		{ "softether://alice@vpn.example.com/OFFICE", "alice", "vpn.example.com", "OFFICE", 443 },
		{ "SoftEther://alice@vpn.example.com:5555/OFFICE", "alice", "vpn.example.com", "OFFICE",
		  5555 },
		{ "softether://alice@192.0.2.7:1/h", "alice", "192.0.2.7", "h", 1 },
		{ "softether://[2001:DB8::1]/h", "", "2001:db8::1", "h", 443 },
		{ "softether://a@[2001:db8::1]:65535/h", "a", "2001:db8::1", "h", 65535 },
		{ "softether://a%40b%3Ac%2fd@h/x%2Fy%20%C3%A4%25", "a@b:c/d", "h", "x/y \xc3\xa4%", 443 },
		{ "softether://a@b@h/x@y:z", "a@b", "h", "x@y:z", 443 },
		{ "softether://p\xc3\xa4r@h/+", "p\xc3\xa4r", "h", "+", 443 },
		{ "softether://h_-.x./H", "", "h_-.x.", "H", 443 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		GOOD(cases[i].url);
		assert_string_equal(conf.protocol->scheme, "softether");
		assert_string_equal(conf.user, cases[i].user);
		assert_string_equal(conf.host, cases[i].host);
		assert_string_equal(conf.hub, cases[i].hub);
		assert_int_equal(conf.port, cases[i].port);
		assert_int_equal(conf.anonymous, cases[i].user[0] == '\0');
		assert_int_equal(conf.command, CMD_CONNECT);
	}
}

static void test_login_methods(void **state)
{
	(void)state;
	GOOD("--auth=anonymous", "softether://guest@h/H");
	assert_true(conf.anonymous);
	assert_string_equal(conf.user, "guest");
	GOOD("--auth=mschapv2,pap", "sstp://guest@h");
	assert_false(conf.anonymous);
	assert_int_equal(conf.auth_methods, AUTH_MSCHAPV2 | AUTH_PAP);
	GOOD("--auth=chap", "sstp://guest@h");
	assert_int_equal(conf.auth_methods, AUTH_CHAP);
	GOOD("--auth=password", "softether://guest@h/H");
	assert_int_equal(conf.auth_methods, 0);
	assert_false(conf.anonymous);
	GOOD("--auth=plain", "softether://guest@h/H");
	assert_int_equal(conf.auth_methods, AUTH_PLAIN);
	GOOD("--auth=certificate", "--p12=f", "softether://guest@h/H");
	assert_int_equal(conf.auth_methods, AUTH_CERTIFICATE);
	GOOD("--auth=anonymous", "--auth=plain", "softether://guest@h/H");
	assert_false(conf.anonymous);
	assert_int_equal(conf.auth_methods, AUTH_PLAIN);
}

static void test_urls_refused(void **state)
{
	static const struct {
		const char *url, *reason;
	} cases[] = {
		{ "softether:/h/H", "neither a URL" },
		{ "vpn.example.com", "neither a URL" },
		{ "://h/H", "expected a URL that begins with softether://" },
		{ "ssh://h/H", "expected a URL that begins with softether://" },
		{ "softether2://h/H", "expected a URL that begins with softether://" },
		{ "averyveryveryverylongscheme://h/H", "expected a URL that begins with softether://" },
		{ "softether:///H", "the host is missing" },
		{ "softether://", "the host is missing" },
		{ "softether://a@/H", "the host is missing" },
		{ "softether://@h/H", "the user name is empty" },
		{ "softether://h", "the name of the virtual hub is missing" },
		{ "softether://h/", "the name of the virtual hub is missing" },
		{ "softether://h:0/H", "expected HOST, HOST:PORT" },
		{ "softether://h:65536/H", "expected HOST, HOST:PORT" },
		{ "softether://h:/H", "expected HOST, HOST:PORT" },
		{ "softether://h:x/H", "expected HOST, HOST:PORT" },
		{ "softether://::1/H", "expected HOST, HOST:PORT" },
		{ "softether://[::1/H", "expected HOST, HOST:PORT" },
		{ "softether://[h]/H", "expected HOST, HOST:PORT" },
		{ "softether://h\xc3\xb6st/H", "expected HOST, HOST:PORT" },
		{ "softether://h st/H", "expected HOST, HOST:PORT" },
		{ "softether://h%41/H", "the host is no host name" },
		{ "softether://a..b/H", "the host is no host name" },
		{ "softether://.b/H", "the host is no host name" },
		{ "softether://h/H/", "only the name of the virtual hub may follow" },
		{ "softether://h/a/b", "only the name of the virtual hub may follow" },
		{ "softether://h/H?x=y", "'?' has no meaning here (in a hub name write it as %3F)" },
		{ "softether://h/H#x", "'#' has no meaning here (in a hub name write it as %23)" },
		{ "softether://h?x", "'?' has no meaning here" },
		{ "softether://h/%", "in the hub name, % is not followed by two hex digits" },
		{ "softether://h/%4", "in the hub name, % is not followed by two hex digits" },
		{ "softether://h/%4g", "in the hub name, % is not followed by two hex digits" },
		{ "softether://h/%g4", "in the hub name, % is not followed by two hex digits" },
		{ "softether://a%@h/H", "in the user name, % is not followed by two hex digits" },
		{ "softether://h/a%00b", "the hub name is not UTF-8 text, or has control characters" },
		{ "softether://h/%0A", "the hub name is not UTF-8 text, or has control characters" },
		{ "softether://h/%FF", "the hub name is not UTF-8 text, or has control characters" },
		{ "softether://%C3@h/H", "the user name is not UTF-8 text, or has control characters" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		char line[400];
		struct conf c = { .host = "before", .user = "before" };
		struct fault f = { 0 };

		snprintf(line, sizeof(line), "command line: URL \"%s\": %s", cases[i].url, cases[i].reason);
		BAD(line, cases[i].url);
		if (strstr(cases[i].reason, "neither"))
			continue;
		assert_int_equal(conf_parse_url(&c, cases[i].url, &f), VE_USAGE);
		snprintf(line, sizeof(line), "URL \"%s\": %s", cases[i].url, cases[i].reason);
		assert_memory_equal(f.text, line, strlen(line));
		assert_string_equal(c.host, "before");
		assert_string_equal(c.user, "before");
	}
}

/* Wherever a password is typed by mistake, it is in no error line. */
static void test_passwords_are_not_repeated(void **state)
{
	static const char *const words[] = {
		"softether://alice:hunter2@h/H", "softether://:hunter2@h/H", "softether://alice:hunter2@h",
		"alice:hunter2@h/H", "softether://alice:hunter2@", "softether://alice:hun/hunter2@h/H",
		"softether://a:hunter2%@h/H", "softether://a:b@hunter2@h/H", "ssh://alice:hunter2@h",
		"http:alice:hunter2@h", "--password=hunter2", "--url=softether://a:hunter2@h/H",
		"--passwd=hunter2", "-phunter2", "-P=hunter2",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(words); i++) {
		BAD("command line: ", words[i]);
		if (strstr(fault.text, "hunter2"))
			fail_msg("%s", fault.text);
	}
	BAD("command line: URL \"softether://...@h/H\": a password in a URL can be read by every user",
	    words[0]);
	BAD("command line: a password is not given as an option, where every user of this machine could",
	    "--password=x");
	BAD("command line: a password is not given as an option", "--password", "x");
	BAD("command line: a password is not given as an option", "-p", "x");
	BAD("command line: more than one argument", URL, "hunter2");
	assert_null(strstr(fault.text, "hunter2"));
	file_text = "password = hunter2\npassword = hunter2";
	BAD("f:2: password: it is already in line 1", "-c", "f", URL);
	assert_null(strstr(fault.text, "hunter2"));
	file_text = "password = hunter2\x7f";
	BAD("f:1: password: expected a password of 1 to 255 bytes", "-c", "f", URL);
	assert_null(strstr(fault.text, "hunter2"));
	file_text = "password-hash = hunter2";
	BAD("f:1: password-hash: expected 20 bytes in Base64", "-c", "f", URL);
	assert_null(strstr(fault.text, "hunter2"));
	file_text = "key-data = hunter2";
	BAD("f:1: key-data: expected an RSA key, DER in Base64", "-c", "f", URL);
	assert_null(strstr(fault.text, "hunter2"));
	file_text = "url = softether://alice:hunter2@h/H";
	BAD("f:1: url \"softether://...@h/H\": a password in a URL", "-c", "f");
	assert_null(strstr(fault.text, "hunter2"));
	file_text = "hunter2";
	BAD("f:1: expected name = value", "-c", "f", URL);
	assert_null(strstr(fault.text, "hunter2"));
	file_text = NULL;
	bad("environment: SOFTSOCKS_URL \"softether://...@h/H\"",
	    ENV("SOFTSOCKS_URL=softether://a:hunter2@h/H"), "-u", "x", NULL);
}

static void test_url_name_lengths(void **state)
{
	for (size_t n = USER_MAX - 1; n <= USER_MAX + 1; n++) {
		char url[1200] = "softether://", *to = url + 12;
		struct fault f = { 0 };
		struct conf c = { 0 };
		int want = n <= USER_MAX ? 0 : VE_USAGE;

		(void)state;
		for (size_t i = 0; i < n; i++) /* every other one escaped */
			to += sprintf(to, i % 2 ? "%%61" : "a");
		strcpy(to, "@h/H");
		assert_int_equal(conf_parse_url(&c, url, &f), want);
		assert_int_equal(strlen(c.user), want == 0 ? n : 0);

		to = url + sprintf(url, "softether://h/");
		memset(to, 'b', n);
		to[n] = '\0';
		f = (struct fault){ 0 };
		assert_int_equal(conf_parse_url(&c, url, &f), want);
		if (want != 0)
			assert_non_null(strstr(f.text, ": the hub name is longer than 255 bytes"));

		to = url + sprintf(url, "softether://");
		memset(to, 'c', n);
		strcpy(to + n, "/H");
		f = (struct fault){ 0 };
		assert_int_equal(conf_parse_url(&c, url, &f), want);
	}
}

/* conf_parse_url() by itself: the user stays if the URL names none. */
static void test_parse_url_alone(void **state)
{
	struct conf c = { .user = "before" };
	struct fault f = { 0 };

	(void)state;
	assert_int_equal(conf_parse_url(&c, "softether://h:992/H", &f), 0);
	assert_string_equal(c.user, "before");
	assert_int_equal(c.port, 992);
	assert_int_equal(conf_parse_url(&c, "softether://bob@h/H", &f), 0);
	assert_string_equal(c.user, "bob");
	assert_int_equal(f.err, 0);
}

/* --- options -------------------------------------------------------------------------------------------- */

static void test_defaults(void **state)
{
	(void)state;
	GOOD(URL);
	assert_int_equal(conf.nlisten, 1);
	assert_string_equal(listener(0), "127.0.0.1:1080");
	assert_false(conf.allow_remote);
	assert_true(conf.anonymous);
	assert_null(conf.password_file);
	assert_int_equal(conf.password_fd, -1);
	assert_int_equal(conf.trust.tls_min, TLS_MIN_1_2);
	assert_false(conf.trust.insecure);
	assert_int_equal(conf.trust.npins, 0);
	assert_null(conf.trust.ca_file);
	assert_null(conf.trust.verify_name);
	assert_null(conf.trust.sni);
	assert_null(conf.trust.keylog_file);
	assert_int_equal(conf.ip4.family, IP_NONE);
	assert_int_equal(conf.gateway.family, IP_NONE);
	assert_int_equal(conf.dns.family, IP_NONE);
	assert_int_equal(conf.mtu, 0);
	assert_true(conf.retries == UINT32_MAX);
	assert_false(conf.retries_given);
	assert_int_equal(conf.retry_interval_ms, 1000);
	assert_int_equal(conf.hold_ms, 30000);
	assert_int_equal(conf.memory, FLOW_MEMORY);
	assert_int_equal(conf.ready_fd, -1);
	assert_null(conf.pid_file);
	assert_int_equal(conf.log_level, LOG_INFO);
	assert_false(conf.log_json);
	conf_fini(&conf);
	conf_fini(&conf);
}

/* Every option with a value, from wherever it comes. */
static void check_all_options(void)
{
	char text[IP_TEXT_MAX];

	assert_int_equal(conf.nlisten, 2);
	assert_string_equal(listener(0), "0.0.0.0:8080");
	assert_string_equal(listener(1), "[::1]:0");
	assert_true(conf.allow_remote);
	assert_string_equal(conf.user, "alice");
	assert_false(conf.anonymous);
	assert_string_equal(conf.password_file, "/etc/pass word");
	assert_string_equal(conf.trust.ca_file, "ca#1.pem");
	assert_int_equal(conf.trust.npins, 2);
	assert_int_equal(conf.trust.pins[1][15], 0xff);
	assert_string_equal(conf.trust.verify_name, "vpn.internal");
	assert_string_equal(conf.trust.sni, "front.example");
	assert_int_equal(conf.trust.tls_min, TLS_MIN_1_3);
	assert_string_equal(conf.trust.keylog_file, "keys.log");
	assert_string_equal(ip_text(&conf.ip4, text), "192.168.30.10");
	assert_int_equal(conf.ip4_prefix, 24);
	assert_string_equal(ip_text(&conf.gateway, text), "192.168.30.1");
	assert_string_equal(ip_text(&conf.dns, text), "10.0.0.53");
	assert_int_equal(conf.mtu, 1400);
	assert_int_equal(conf.retries, 7);
	assert_true(conf.retries_given);
	assert_int_equal(conf.retry_interval_ms, 2500);
	assert_int_equal(conf.hold_ms, 0);
	assert_int_equal(conf.memory, 48u << 20);
	assert_int_equal(conf.ready_fd, 3);
	assert_string_equal(conf.pid_file, "/run/x.pid");
	assert_int_equal(conf.log_level, LOG_DEBUG);
	assert_true(conf.log_json);
	assert_string_equal(conf.host, "h");
}

static void test_all_on_command_line(void **state)
{
	char *apart[] = { "softsocks",
			  "-l", "0.0.0.0:8080", "-l[::1]:0", "--allow-remote", "-u", "alice",
			  "--password-file", "/etc/pass word", "--ca", "ca#1.pem", "--pin", PIN, "--pin", HEX,
			  "--verify-name", "vpn.internal", "--sni", "front.example", "--tls-min", "1.3",
			  "--keylog", "keys.log", "--ip4", "192.168.30.10/24", "--gateway", "192.168.30.1",
			  "--dns", "10.0.0.53", "--mtu", "1400", "--retries", "7", "--retry-interval", "2.5",
			  "--memory", "48", "--hold", "0", "--ready-fd", "3", "--pid-file", "/run/x.pid", URL, "--log-level",
			  "debug", "--log-format", "json",
			  NULL };
	char *joined[] = { "softsocks",
			   "--listen=0.0.0.0:8080", "--listen=[::1]:0", "--allow-remote=yes", "--user=alice",
			   "--password-file=/etc/pass word", "--ca=ca#1.pem", "--pin=" PIN, "--pin=" HEX,
			   "--verify-name=vpn.internal", "--sni=front.example", "--tls-min=1.3",
			   "--keylog=keys.log", "--ip4=192.168.30.10/24", "--gateway=192.168.30.1",
			   "--dns=10.0.0.53", "--mtu=1400", "--retries=7", "--retry-interval=2.500",
			   "--memory=48", "--hold=0.0", "--ready-fd=3", "--pid-file=/run/x.pid", "--log-level=debug",
			   "--log-format=json", "--", URL,
			   NULL };

	(void)state;
	conf_fini(&conf);
	fault = (struct fault){ 0 };
	assert_int_equal(conf_parse(&conf, ARRAY_LEN(apart) - 1, apart, NULL, read_text, &fault), 0);
	check_all_options();
	conf_fini(&conf);
	assert_int_equal(conf_parse(&conf, ARRAY_LEN(joined) - 1, joined, NULL, read_text, &fault), 0);
	check_all_options();
}

static const char *const full_file =
	"# a file with everything\r\n"
	"url = softether://h/H\r\n"
	"\tlisten=0.0.0.0:8080\r\n"
	"listen = [::1]:0   # the second one\n"
	"allow-remote = true\n"
	"user = \"alice\" # quoted\n"
	"   \n"
	"password-file = \"/etc/pass word\"\n"
	"ca = ca#1.pem # a # inside of a word is none\n"
	"pin = " PIN "\npin = " HEX "\n"
	"verify-name = vpn.internal\nsni = front.example\ntls-min = 1.3\nkeylog = keys.log\n"
	"ip4 = 192.168.30.10/24\ngateway = 192.168.30.1\ndns = 10.0.0.53\nmtu = 1400\n"
	"retries = 7\nretry-interval = 2.5\nmemory = 48\nhold = 0\n"
	"ready-fd = 3\npid-file = /run/x.pid\nlog-level = debug\nlog-format = json"; /* no newline at the end
										      */

static void test_all_in_file(void **state)
{
	char marked[2048];

	(void)state;
	file_text = full_file;
	GOOD("-c", "any");
	check_all_options();
	assert_int_equal(conf.command, CMD_CONNECT);
	GOOD("check", "--config=any");
	check_all_options();
	assert_int_equal(conf.command, CMD_CHECK);
	snprintf(marked, sizeof(marked), "\xef\xbb\xbf%s", full_file);
	file_text = marked;
	GOOD("-cany", "check");
	check_all_options();
	assert_int_equal(conf.command, CMD_CHECK);
	file_text = NULL;
}

static void test_all_in_environment(void **state)
{
	char *const env[] = { "PATH=/bin", "SOFTSOCKS_URL=" URL, "SOFTSOCKS_LISTEN=0.0.0.0:8080, [::1]:0",
			      "SOFTSOCKS_ALLOW_REMOTE=on", "SOFTSOCKS_USER=alice",
			      "SOFTSOCKS_PASSWORD_FILE=/etc/pass word", "SOFTSOCKS_CA=ca#1.pem",
			      "SOFTSOCKS_PIN=" PIN " " HEX, "SOFTSOCKS_VERIFY_NAME=vpn.internal",
			      "SOFTSOCKS_SNI=front.example", "SOFTSOCKS_TLS_MIN=1.3",
			      "SOFTSOCKS_KEYLOG=keys.log", "SOFTSOCKS_IP4=192.168.30.10/24",
			      "SOFTSOCKS_GATEWAY=192.168.30.1", "SOFTSOCKS_DNS=10.0.0.53",
			      "SOFTSOCKS_MTU=1400", "SOFTSOCKS_RETRIES=7", "SOFTSOCKS_RETRY_INTERVAL=2.5",
			      "SOFTSOCKS_MEMORY=48", "SOFTSOCKS_HOLD=0", "SOFTSOCKS_READY_FD=3", "SOFTSOCKS_PID_FILE=/run/x.pid",
			      "SOFTSOCKS_LOG_LEVEL=debug", "SOFTSOCKS_LOG_FORMAT=json",
			      /* none of ours: what container managers and password.c use, and what is for the
				 command line only */
			      "SOFTSOCKS_PORT=tcp://10.0.0.1:1080", "SOFTSOCKS_PASSWORD=secret",
			      "SOFTSOCKS_CONFIG=/nonexistent", "SOFTSOCKS_HELP=yes",
			      "SOFTSOCKS_INSECURE=", "SOFTSOCKS_MTUX=1", "softsocks_mtu=2", NULL };

	(void)state;
	good(env, NULL);
	check_all_options();
	assert_int_equal(conf.command, CMD_CONNECT);
}

/* Command line over file over environment over default, for each kind of option. */
static void test_precedence(void **state)
{
	char *env[] = { "SOFTSOCKS_MTU=600", "SOFTSOCKS_LISTEN=1,2", "SOFTSOCKS_USER=eve",
			"SOFTSOCKS_PASSWORD_FD=5", "SOFTSOCKS_INSECURE=yes",
			"SOFTSOCKS_URL=softether://enva@envh:7/ENV", NULL };

	(void)state;
	bad("environment: SOFTSOCKS_URL \"softether://enva@envh:7/ENV\": the user of the URL and --user", env,
	    NULL);
	env[2] = "X=";
	good(env, NULL);
	assert_int_equal(conf.mtu, 600);
	assert_int_equal(conf.nlisten, 2);
	assert_string_equal(conf.user, "enva");
	assert_int_equal(conf.password_fd, 5);
	assert_true(conf.trust.insecure);
	assert_string_equal(conf.hub, "ENV");

	file_text = "mtu=700\nlisten=3\nlisten=4\nlisten=5\nuser=filea\npassword-file=p\ninsecure=no\nurl="
		    "softether://fileh/FILE";
	good(env, "-c", "f", NULL);
	assert_int_equal(conf.mtu, 700);
	assert_int_equal(conf.nlisten, 3);
	assert_string_equal(listener(2), "127.0.0.1:5");
	assert_string_equal(conf.user, "filea");
	assert_int_equal(conf.password_fd, -1);
	assert_string_equal(conf.password_file, "p");
	assert_false(conf.trust.insecure);
	assert_string_equal(conf.hub, "FILE");
	assert_int_equal(conf.port, 443); /* nothing of the other URL is left */

	good(env, "--mtu=800", "-c", "f", "-l6", "--password-fd=9", "--insecure", "softether://arga@argh/ARG",
	     NULL);
	assert_int_equal(conf.mtu, 800);
	assert_int_equal(conf.nlisten, 1);
	assert_string_equal(listener(0), "127.0.0.1:6");
	assert_string_equal(conf.user, "arga");
	assert_int_equal(conf.password_fd, 9);
	assert_null(conf.password_file);
	assert_true(conf.trust.insecure);
	assert_string_equal(conf.hub, "ARG");

	good(env, "-c", "f", "softether://argh/ARG", "--user", "arga", "--mtu", "801", "--mtu", "802", NULL);
	assert_string_equal(conf.user, "arga");
	assert_int_equal(conf.mtu, 802); /* on the command line the last one counts: scripts append */
	good(env, "-c", "f", "softether://argh/ARG", NULL);
	assert_string_equal(conf.user, "filea"); /* a URL without user does not take it away */
	good(NULL, "-u", "same", "softether://same@h/H", NULL);
	assert_string_equal(conf.user, "same");
	BAD("command line: URL \"softether://a@h/H\": the user of the URL and --user differ", "-u", "b",
	    "softether://a@h/H");
	BAD("command line: --user \"b\": the user of the URL and --user differ", "softether://a@h/H", "-u",
	    "b");
	file_text = NULL;
}

static void test_wrong_values(void **state)
{
	static const struct {
		const char *name, *env, *value, *reason;
	} cases[] = {
		{ "user", "SOFTSOCKS_USER", "a\xff", "expected a name of 1 to 255 bytes in UTF-8" },
		{ "password-fd", "SOFTSOCKS_PASSWORD_FD", "-1",
		  "expected the number of a descriptor, 0 to 1048575" },
		{ "password-fd", "SOFTSOCKS_PASSWORD_FD", "1048576", "expected the number of a descriptor" },
		{ "verify-name", "SOFTSOCKS_VERIFY_NAME", "a/b", "expected a host name" },
		{ "sni", "SOFTSOCKS_SNI", "a..b", "expected a host name" },
		{ "sni", "SOFTSOCKS_SNI", "192.0.2.1", "an address cannot be asked for by name" },
		{ "insecure", "SOFTSOCKS_INSECURE", "maybe", "expected yes or no" },
		{ "allow-remote", "SOFTSOCKS_ALLOW_REMOTE", "2", "expected yes or no" },
		{ "tls-min", "SOFTSOCKS_TLS_MIN", "1.4", "expected 1.0, 1.1, 1.2 or 1.3" },
		{ "tls-min", "SOFTSOCKS_TLS_MIN", "TLS1.2", "expected 1.0, 1.1, 1.2 or 1.3" },
		{ "mtu", "SOFTSOCKS_MTU", "575", "expected a number from 576 to 1582" },
		{ "mtu", "SOFTSOCKS_MTU", "1583", "expected a number from 576 to 1582" },
		{ "mtu", "SOFTSOCKS_MTU", "1400b", "expected a number from 576 to 1582" },
		{ "mtu", "SOFTSOCKS_MTU", "+1400", "expected a number from 576 to 1582" },
		{ "mtu", "SOFTSOCKS_MTU", "4294968696", "expected a number from 576 to 1582" },
		{ "mtu", "SOFTSOCKS_MTU", "18446744073709553016", "expected a number from 576 to 1582" },
		{ "retries", "SOFTSOCKS_RETRIES", "-1",
		  "expected a number from 0 to 4294967294, or forever" },
		{ "retries", "SOFTSOCKS_RETRIES", "4294967295",
		  "expected a number from 0 to 4294967294, or forever" },
		{ "retries", "SOFTSOCKS_RETRIES", "99999999999",
		  "expected a number from 0 to 4294967294, or forever" },
		{ "retry-interval", "SOFTSOCKS_RETRY_INTERVAL", "0", "expected seconds from 0.001 to 60" },
		{ "retry-interval", "SOFTSOCKS_RETRY_INTERVAL", "0.000",
		  "expected seconds from 0.001 to 60" },
		{ "retry-interval", "SOFTSOCKS_RETRY_INTERVAL", "60.001",
		  "expected seconds from 0.001 to 60" },
		{ "memory", "SOFTSOCKS_MEMORY", "15", "expected a number from 16 to 65536" },
		{ "memory", "SOFTSOCKS_MEMORY", "65537", "expected a number from 16 to 65536" },
		{ "memory", "SOFTSOCKS_MEMORY", "64M", "expected a number from 16 to 65536" },
		{ "hold", "SOFTSOCKS_HOLD", "3600.001", "expected seconds from 0 to 3600" },
		{ "hold", "SOFTSOCKS_HOLD", "1.2345", "expected seconds" },
		{ "hold", "SOFTSOCKS_HOLD", "1.", "expected seconds" },
		{ "hold", "SOFTSOCKS_HOLD", ".5", "expected seconds" },
		{ "hold", "SOFTSOCKS_HOLD", "1.2.3", "expected seconds" },
		{ "hold", "SOFTSOCKS_HOLD", "-1", "expected seconds" },
		{ "hold", "SOFTSOCKS_HOLD", "1s", "expected seconds" },
		{ "hold", "SOFTSOCKS_HOLD", "9999999", "expected seconds" },
		{ "ready-fd", "SOFTSOCKS_READY_FD", "0", "expected the number of a descriptor, 1, or 3 to" },
		{ "ready-fd", "SOFTSOCKS_READY_FD", "2", "expected the number of a descriptor, 1, or 3 to" },
		{ "log-level", "SOFTSOCKS_LOG_LEVEL", "all", "expected error, warn, info, debug or trace" },
		{ "log-format", "SOFTSOCKS_LOG_FORMAT", "xml", "expected text or json" },
		{ "ip4", "SOFTSOCKS_IP4", "192.0.2.1",
		  "expected an IPv4 host address and the length of its prefix" },
		{ "ip4", "SOFTSOCKS_IP4", "192.0.2.1/0", "expected an IPv4 host address" },
		{ "ip4", "SOFTSOCKS_IP4", "192.0.2.1/33", "expected an IPv4 host address" },
		{ "ip4", "SOFTSOCKS_IP4", "192.0.2.1/", "expected an IPv4 host address" },
		{ "ip4", "SOFTSOCKS_IP4", "192.0.2.1/255.255.255.0", "expected an IPv4 host address" },
		{ "ip4", "SOFTSOCKS_IP4", "2001:db8::1/64", "expected an IPv4 host address" },
		{ "ip4", "SOFTSOCKS_IP4", "127.0.0.1/8", "expected an IPv4 host address" },
		{ "ip4", "SOFTSOCKS_IP4", "224.0.0.1/24", "expected an IPv4 host address" },
		{ "ip4", "SOFTSOCKS_IP4", "192.0.2.0/24",
		  "this is the address of the network itself, or its broadcast" },
		{ "ip4", "SOFTSOCKS_IP4", "192.0.2.255/24",
		  "this is the address of the network itself, or its broadcast" },
		{ "ip4", "SOFTSOCKS_IP4", "10.255.255.255/8",
		  "this is the address of the network itself, or its broadcast" },
		{ "gateway", "SOFTSOCKS_GATEWAY", "gw", "expected the IPv4 address of a host" },
		{ "gateway", "SOFTSOCKS_GATEWAY", "0.0.0.0", "expected the IPv4 address of a host" },
		{ "dns", "SOFTSOCKS_DNS", "255.255.255.255", "expected the IPv4 address of a host" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		bad_everywhere(cases[i].name, cases[i].env, cases[i].value, cases[i].reason);
	BAD("command line: --user \"\": expected a name", "-u", "", URL);
	BAD("command line: --ca \"\": expected the name of a PEM file", "--ca=", URL);
	BAD("command line: --insecure \"\": expected yes or no", "--insecure=", URL);
	file_text = "pid-file = ";
	BAD("f:1: pid-file \"\": expected the name of a file", "-c", "f", URL);
	file_text = NULL;
}

static void test_right_values_at_the_edge(void **state)
{
	char user[USER_MAX + 2];

	(void)state;
	GOOD("--mtu=576", "--retries=0", "--retry-interval=0.001", "--hold=3600", "--memory=65536", "--ip4=10.0.0.1/1",
	     "--ready-fd=1", URL);
	assert_int_equal(conf.mtu, 576);
	assert_int_equal(conf.retries, 0);
	assert_true(conf.retries_given);
	assert_int_equal(conf.retry_interval_ms, 1);
	assert_int_equal(conf.hold_ms, 3600000);
	assert_int_equal(conf.memory, (size_t)65536 << 20);
	GOOD("--mtu=1500", "--retries=4294967294", "--retry-interval=60", "--ip4=192.0.2.0/31",
	     "--ready-fd=1048575", URL);
	assert_true(conf.retries == 4294967294u);
	assert_int_equal(conf.retry_interval_ms, 60000);
	assert_int_equal(conf.ready_fd, 1048575);
	GOOD("--mtu=1582", URL);
	assert_int_equal(conf.mtu, 1582);
	GOOD("--mtu=1500", "sstp://u@h");
	BAD("command line: --mtu: PPP carries no packet above 1500 bytes", "--mtu=1501", "sstp://u@h");
	GOOD("--retries=forever", "--ip4=192.0.2.255/32", "--password-fd=0", "-ux", URL);
	assert_true(conf.retries == UINT32_MAX && conf.retries_given);
	assert_int_equal(conf.password_fd, 0);
	memset(user, 'u', sizeof(user));
	user[USER_MAX] = '\0';
	GOOD("--user", user, URL);
	assert_string_equal(conf.user, user);
	user[USER_MAX] = 'u';
	user[USER_MAX + 1] = '\0';
	BAD("command line: --user \"uuuu", "--user", user, URL);
	assert_non_null(strstr(fault.text, "uuu...\": expected a name of 1 to 255 bytes")); /* shortened */
}

static void test_listeners(void **state)
{
	static const struct {
		const char *in, *out;
	} right[] = {
		{ "1", "127.0.0.1:1" },
		{ "65535", "127.0.0.1:65535" },
		{ "0", "127.0.0.1:0" },
		{ "127.0.0.1:80", "127.0.0.1:80" },
		{ "127.9.8.7:80", "127.9.8.7:80" },
		{ "localhost:80", "127.0.0.1:80" },
		{ "[::1]:80", "[::1]:80" },
	};
	static const char *const wrong[] = {
		"x", "65536", ":80", "127.0.0.1", "127.0.0.1:", "127.0.0.1:x", "127.0.0.1:65536",
		"127.0.0.1:-1", "*:80", "name:80", "[127.0.0.1]:80", "[::1]", "[::1]80", "[]:80",
		"unix", "127.0.0.1:80 ", "127.0.0.1:0000000080", "127.0.0.1:80:80", "[fe80::1%lo]:80",
		"1111111111111111111111111111111111111111111111111:80",
	};
	static const char *const remote[] = { "0.0.0.0:80", "[::]:80", "192.0.2.1:80", "[2001:db8::1]:80",
					      "[::ffff:127.0.0.1]:80" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(right); i++) {
		GOOD("-l", right[i].in, URL);
		assert_string_equal(listener(0), right[i].out);
	}
	for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
		char line[200];

		snprintf(line, sizeof(line),
			 "command line: --listen \"%s\": expected PORT, ADDR:PORT, [IPV6]:PORT or unix:PATH", wrong[i]);
		BAD(line, "-l", wrong[i], URL);
	}
	BAD("command line: --listen \"::1:80\": an IPv6 address with a port needs brackets", "-l", "::1:80",
	    URL);
	for (size_t i = 0; i < ARRAY_LEN(remote); i++) {
		char line[200];

		snprintf(line, sizeof(line), "command line: --listen \"%s\": other machines could reach it",
			 remote[i]);
		BAD(line, "-l", "1080", "-l", remote[i], URL);
		assert_non_null(strstr(fault.text, "--allow-remote"));
		GOOD("-l", remote[i], "--allow-remote", URL);
		assert_string_equal(listener(0), remote[i]);
	}
	file_text = "allow-remote = no\n\nlisten = 0.0.0.0:1";
	bad("f:3: listen \"0.0.0.0:1\": other machines", ENV("SOFTSOCKS_ALLOW_REMOTE=yes"), "-c", "f", URL,
	    NULL);
	file_text = NULL;
}

static void test_list_bounds(void **state)
{
	(void)state;
	for (unsigned n = LISTENERS_MAX; n <= LISTENERS_MAX + 1; n++) {
		char env[256] = "SOFTSOCKS_LISTEN= ,";

		for (unsigned i = 0; i < n; i++)
			snprintf(env + strlen(env), sizeof(env) - strlen(env), "%s%u", i % 2 ? ", " : "\t",
				 i + 1);
		if (n <= LISTENERS_MAX)
			good(ENV(env), URL, NULL);
		else
			bad("environment: SOFTSOCKS_LISTEN \"17\": there can be 16 listeners at most",
			    ENV(env), URL, NULL);
		if (n <= LISTENERS_MAX)
			assert_string_equal(listener(LISTENERS_MAX - 1), "127.0.0.1:16");
	}
	for (int n = TRUST_PINS_MAX; n <= TRUST_PINS_MAX + 1; n++) {
		char text[1024] = "";

		for (int i = 0; i < n; i++)
			snprintf(text + strlen(text), sizeof(text) - strlen(text), "pin = " PIN "\n");
		file_text = text;
		if (n <= TRUST_PINS_MAX)
			GOOD("-c", "f", URL);
		else
			BAD("f:9: pin \"" PIN "\": there can be 8 pins at most", "-c", "f", URL);
		if (n <= TRUST_PINS_MAX)
			assert_int_equal(conf.trust.npins, TRUST_PINS_MAX);
	}
	file_text = NULL;
	BAD("command line: --pin \"sha256:12\": expected sha256: and the 64 hex digits", "--pin", "sha256:12",
	    URL);
}

static void test_values_that_do_not_fit_together(void **state)
{
	(void)state;
	BAD("command line: --gateway: it needs --ip4", "--gateway", "10.0.0.1", URL);
	BAD("command line: --gateway: it is no host of the network", "--ip4=10.0.0.5/24",
	    "--gateway=10.0.1.1", URL);
	BAD("command line: --gateway: it is no host of the network", "--ip4=10.0.0.5/24",
	    "--gateway=10.0.0.0", URL);
	BAD("command line: --gateway: it is no host of the network", "--ip4=10.0.0.5/24",
	    "--gateway=10.0.0.255", URL);
	BAD("command line: --gateway: it is our own address", "--ip4=10.0.0.5/24", "--gateway=10.0.0.5", URL);
	BAD("command line: --gateway: it is no host of the network", "--ip4=10.0.0.5/32",
	    "--gateway=10.0.0.1", URL);
	GOOD("--ip4=10.0.0.5/31", "--gateway=10.0.0.4", URL);
	GOOD("--ip4=10.0.0.5/24", URL);
	GOOD("--dns=10.0.0.5", URL);
	file_text = "gateway = 10.0.1.1\nip4 = 10.0.0.5/24";
	BAD("f:1: gateway: it is no host of the network", "-c", "f", URL);
	GOOD("-c", "f", "--ip4=10.0.1.5/24", URL);
	BAD("command line: --password-file: without a user the login is anonymous", "--password-file=p", URL);
	bad("environment: SOFTSOCKS_PASSWORD_FD: without a user the login is anonymous",
	    ENV("SOFTSOCKS_PASSWORD_FD=3"), URL, NULL);
	BAD("command line: --password-file: --auth anonymous has no password", "--auth=anonymous", "-ux",
	    "--password-file=p", URL);
	BAD("sstp has no login without a user and a password", "sstp://vpn.example.com");
	BAD("sstp has no login without a user and a password", "--auth=anonymous", "sstp://a@vpn.example.com");
	GOOD("sstp://a@vpn.example.com");
	BAD("command line: --auth \"pap,\": expected anonymous, password", "--auth=pap,", URL);
	BAD("command line: --auth \"pap,anonymous\": expected", "--auth=pap,anonymous", URL);
	BAD("command line: --auth \"PAP\": expected", "--auth=PAP", URL);
	GOOD("--auth=anonymous", "-ux", URL);
	BAD("command line: --password-fd \"3\": there is --password-file already", "--password-file=p",
	    "--password-fd=3", "-ux", URL);
	BAD("command line: --password-file \"p\": there is --password-fd already", "--password-fd=3",
	    "--password-file=p", "-ux", URL);
	BAD("command line: --ready-fd: --password-fd is the same descriptor", "--password-fd=3",
	    "--ready-fd=3", "-ux", URL);
	BAD("command line: --insecure: it would take any certificate, but --pin", "--insecure", "--pin", PIN,
	    URL);
	GOOD("--insecure=no", "--pin", PIN, URL);
	file_text = NULL;
}

/* --- the command line by itself ------------------------------------------------------------------------- */

static void test_command_line_shape(void **state)
{
	(void)state;
	BAD("no server: expected a URL, softether://USER@HOST/HUB or sstp://USER@HOST", "-ux");
	BAD("no server: expected a URL", "check");
	file_text = "mtu = 600";
	BAD("no server: add a URL, softether://USER@HOST/HUB or sstp://USER@HOST, to the command line, or the line "
	    "\"url = ...\" to f",
	    "-c", "f");
	file_text = NULL;
	BAD("command line: unknown option --frobnicate; softsocks --help lists all", "--frobnicate=3", URL);
	/* no abbreviations: they would break with new options */
	BAD("command line: unknown option --lis;", "--lis=3", URL);
	BAD("command line: unknown option --aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa;",
	    "--aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa=3", URL);
	BAD("command line: unknown option --;", "--=3", URL);
	BAD("command line: unknown option -x;", "-x", URL);
	BAD("command line: unknown option -=;", "-=", URL);
	BAD("command line: the URL is written without --url", "--url", URL);
	BAD("command line: --listen needs a value: [ADDR:]PORT", URL, "--listen");
	BAD("command line: --listen needs a value: [ADDR:]PORT", URL, "-l");
	BAD("command line: more than one argument", URL, URL);
	BAD("command line: more than one argument", URL, "check");
	BAD("command line: more than one argument", "check", URL, "--", URL);
	BAD("command line: URL \"-\": neither a URL (softether://... or sstp://...) nor a command (check, import, passwd)", "-");
	BAD("command line: URL \"run\": neither a URL (softether://... or sstp://...) nor a command (check, import, passwd)", "run", URL);
	BAD("command line: URL \"\": neither a URL", "");
	BAD("command line: URL \"-l\": neither a URL", "--", "-l");
	GOOD("-u", "-l", URL); /* like getopt: the next word, whatever it looks like */
	assert_string_equal(conf.user, "-l");
	GOOD("--user=a=b", URL);
	assert_string_equal(conf.user, "a=b");
	/* options of the contract that do not exist yet are refused, not ignored */
	BAD("command line: unknown option --status;", "--status=80", URL);
	BAD("command line: unknown option --upstream;", "--upstream", "none", URL);
}

static void test_help_and_version_come_first(void **state)
{
	char *const env[] = { "SOFTSOCKS_MTU=broken", NULL };

	(void)state;
	good(env, "--help", NULL);
	assert_int_equal(conf.command, CMD_HELP);
	assert_int_equal(conf.text, TEXT_HELP);
	good(env, "-c", "/nonexistent", "--mtu=x", "-hV", "--frobnicate", NULL);
	assert_int_equal(conf.command, CMD_HELP);
	good(env, "check", "-V", "x", NULL);
	assert_int_equal(conf.command, CMD_VERSION);
	good(env, "--man", NULL);
	assert_int_equal(conf.text, TEXT_MAN);
	good(env, "--completion", "zsh", NULL);
	assert_int_equal(conf.command, CMD_HELP);
	assert_int_equal(conf.text, TEXT_ZSH);
	BAD("command line: --completion \"tcsh\": expected bash, zsh or fish", "--completion=tcsh");
	BAD("command line: unknown option --frobnicate", "--frobnicate", "--help");
	good(NULL, "-h", NULL); /* argc can be 0, too */
	assert_int_equal(conf_parse(&conf, 0, (char *[]){ NULL }, NULL, read_text, &fault), VE_USAGE);
}

/* --- config files --------------------------------------------------------------------------------------- */

static void test_file_syntax(void **state)
{
	static const struct {
		const char *text, *line;
	} cases[] = {
		{ "mtu", "f:1: expected name = value" },
		{ "= 3", "f:1: expected name = value" },
		{ "\n# x\n mtu : 3", "f:3: expected name = value" },
		{ "MTU = 600", "f:1: unknown option MTU;" },
		{ "--mtu = 600", "f:1: unknown option --mtu;" },
		{ "frobnicate = 3", "f:1: unknown option frobnicate;" },
		{ "mtu 7 = 600", "f:1: unknown option mtu 7;" },
		{ "config = x", "f:1: --config is for the command line only" },
		{ "help = yes", "f:1: --help is for the command line only" },
		{ "man = yes", "f:1: --man is for the command line only" },
		{ "mtu = 600\nhold = 1\nmtu = 600", "f:3: mtu \"600\": it is already in line 1" },
		{ "user = \"a", "f:1: the closing quotation mark is missing" },
		{ "user = \"a\\\"", "f:1: the closing quotation mark is missing" },
		{ "user = \"a\" b", "f:1: something follows the closing quotation mark" },
		{ "user = \"\"", "f:1: user \"\": expected a name" },
		{ "user = # a", "f:1: user \"\": expected a name" },
		{ "user = a\x01", "f:1: a control character in the line" },
		{ "user = a\rmtu = 3", "f:1: a control character in the line" },
		{ "insecure", "f:1: expected name = value" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		file_text = cases[i].text;
		BAD(cases[i].line, "-c", "f", URL);
	}
	file_text = "user = \"a \\\"b\\\" \\\\ \\n # \"#c\n\tca\t=\tx y\t# z\t\r\n";
	GOOD("-c", "f", URL);
	assert_string_equal(conf.user, "a \"b\" \\ \\n # ");
	assert_string_equal(conf.trust.ca_file, "x y");
	file_text = "user=a#b =c#";
	GOOD("-c", "f", URL);
	assert_string_equal(conf.user, "a#b =c#");
	file_text = "";
	GOOD("-c", "f", URL);
	file_text = "\n";
	GOOD("-c", "f", URL);
	file_text = "#";
	BAD("command line: --config \"g\": there can be only one config file", "-c", "f", "-c", "g", URL);
	BAD("command line: --config \"\": expected the name of a file", "-c", "", URL);
	file_text = NULL;
}

/* Every truncation of a full file is either right or refused in one line that names the file. */
static void test_file_truncations(void **state)
{
	char text[2048];

	(void)state;
	for (size_t n = 0; n <= strlen(full_file); n++) {
		char *argv[] = { "softsocks", "-c", "f", URL, NULL };

		snprintf(text, sizeof(text), "%.*s", (int)n, full_file);
		file_text = text;
		conf_fini(&conf);
		fault = (struct fault){ 0 };
		if (conf_parse(&conf, 4, argv, NULL, read_text, &fault) != 0) {
			assert_int_equal(fault.err, VE_USAGE);
			assert_memory_equal(fault.text, "f:", 2);
		}
	}
	file_text = NULL;
}

static int no_memory(const char *path, char **ret_text, struct fault *f)
{
	(void)path;
	(void)ret_text;
	fault_set(f, VE_NOMEM, "out");
	return VE_NOMEM;
}

static void test_file_cannot_be_read(void **state)
{
	char *argv[] = { "softsocks", "-c", "f", URL, NULL };

	(void)state;
	conf_fini(&conf);
	fault = (struct fault){ 0 };
	file_text = NULL;
	assert_int_equal(conf_parse(&conf, 4, argv, NULL, read_text, &fault), VE_IO);
	assert_string_equal(fault.text, "config file f: cannot be read");
	fault = (struct fault){ 0 };
	assert_int_equal(conf_parse(&conf, 4, argv, NULL, no_memory, &fault), VE_NOMEM);
	assert_string_equal(fault.text, "out");
}

static void make_file(const char *path, const void *p, size_t n)
{
	FILE *f = fopen(path, "wb");

	assert_non_null(f);
	assert_int_equal(fwrite(p, 1, n, f), n);
	assert_int_equal(fclose(f), 0);
}

static void note_line(void *ctx, enum log_level level, const char *line)
{
	assert_int_equal(level, LOG_WARN);
	snprintf(ctx, 200, "%s", line);
}

static void test_public_secrets(void **state)
{
	char dir[] = "/tmp/softsocks-test-XXXXXX", path[64], line[200] = "";
	struct conf c = { .secrets_file = path };

	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/conf", dir);
	make_file(path, "x", 1);
	log_set_sink(note_line, line);
	assert_int_equal(chmod(path, 0640), 0);
	conf_warn_of_public_secrets(&c);
	assert_string_equal(line, "");
	assert_int_equal(chmod(path, 0644), 0);
	conf_warn_of_public_secrets(&c);
	assert_non_null(strstr(line, "/conf: there are secrets in it, and every user"));
	line[0] = '\0';
	c.secrets_file = NULL;
	conf_warn_of_public_secrets(&c);
	assert_string_equal(line, "");
	log_set_sink(NULL, NULL);
	unlink(path);
	rmdir(dir);
}

static void test_real_files(void **state)
{
	static char big[CONF_FILE_MAX + 1];
	char dir[] = "/tmp/softsocks-test-XXXXXX", path[64], *text = NULL;

	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/conf", dir);
	fault = (struct fault){ 0 };
	assert_int_equal(conf_read_file(path, &text, &fault), VE_USAGE);
	assert_non_null(strstr(fault.text, "/conf: cannot be opened: No such file"));
	fault = (struct fault){ 0 };
	assert_int_equal(conf_read_file(dir, &text, &fault), VE_USAGE);
	assert_non_null(strstr(fault.text, ": cannot be read: Is a directory"));
	make_file(path, "a\0b", 3);
	fault = (struct fault){ 0 };
	assert_int_equal(conf_read_file(path, &text, &fault), VE_USAGE);
	assert_non_null(strstr(fault.text, "NUL bytes"));
	memset(big, '#', sizeof(big));
	make_file(path, big, sizeof(big));
	fault = (struct fault){ 0 };
	assert_int_equal(conf_read_file(path, &text, &fault), VE_USAGE);
	assert_non_null(strstr(fault.text, "longer than 131072 bytes"));
	assert_null(text);
	make_file(path, big, sizeof(big) - 1);
	fault = (struct fault){ 0 };
	assert_int_equal(conf_read_file(path, &text, &fault), 0);
	assert_int_equal(strlen(text), CONF_FILE_MAX);
	free(text);
	make_file(path, "", 0);
	assert_int_equal(conf_read_file(path, &text, &fault), 0);
	assert_string_equal(text, "");
	free(text);
	unlink(path);
	rmdir(dir);
}

/* --- the local side ------------------------------------------------------------------------------------- */

static void test_socket_paths(void **state)
{
	char path[SOCKET_PATH_MAX + 8] = "unix:";

	(void)state;
	GOOD("-l", "unix:/run/x:y", "-l", "unix:rel", "-l", "1", URL); /* nobody else can connect to a path */
	assert_int_equal(conf.nlisten, 3);
	assert_string_equal(conf.listen[0].path, "/run/x:y");
	assert_string_equal(conf.listen[1].path, "rel");
	assert_null(conf.listen[2].path);
	good(ENV("SOFTSOCKS_LISTEN=unix:/a, 5 unix:/b"), URL, NULL);
	assert_string_equal(conf.listen[2].path, "/b");
	BAD("command line: --listen \"unix:\": the path of the socket is missing", "-l", "unix:", URL);
	memset(path + 5, 'p', SOCKET_PATH_MAX);
	GOOD("-l", path, URL);
	path[5 + SOCKET_PATH_MAX] = 'p';
	BAD("command line: --listen \"unix:ppp", "-l", path, URL);
	assert_non_null(strstr(fault.text, "can have 107 bytes at most"));
}

static void test_proxy_auth(void **state)
{
	static const char *const wrong[] = { "x", ":f", "u:", ":", "a\x01:f", "\xff:f" };

	(void)state;
	GOOD("-l", "0.0.0.0:1", "--proxy-auth", "us er:/etc/p:q", URL);
	assert_string_equal(conf.proxy_user, "us er");
	assert_string_equal(conf.proxy_password_file, "/etc/p:q");
	assert_false(conf.allow_remote);
	for (size_t i = 0; i < ARRAY_LEN(wrong); i++)
		BAD("command line: --proxy-auth \"", "--proxy-auth", wrong[i], URL);
	BAD("command line: --listen \"[::]:1\": other machines could reach it, and the proxy asks nobody", "-l", "[::]:1", URL);
	assert_non_null(strstr(fault.text, "--proxy-auth"));
}

static void check_forward(const struct forward *fw, const char *from, const char *to, bool udp)
{
	char text[DEST_TEXT_MAX];

	assert_string_equal(fw->from.path ? fw->from.path : dest_text(&fw->from.at, text), from);
	assert_string_equal(dest_text(&fw->to, text), to);
	assert_int_equal(fw->udp, udp);
}

static void test_local_forwards(void **state)
{
	static const struct {
		const char *in, *from, *to;
		bool udp;
	} right[] = {
		{ "8080:web:80", "127.0.0.1:8080", "web:80", false },
		{ "0:web:80", "127.0.0.1:0", "web:80", false },
		{ "53:10.0.0.1:53/udp", "127.0.0.1:53", "10.0.0.1:53", true },
		{ "127.1.2.3:80:web:65535", "127.1.2.3:80", "web:65535", false },
		{ "localhost:80:web:1", "127.0.0.1:80", "web:1", false },
		{ "[::1]:80:[2001:db8::1]:81", "[::1]:80", "[2001:db8::1]:81", false },
		{ "80:[::1]:81/udp", "127.0.0.1:80", "[::1]:81", true },
		{ "unix:/run/s:web:80", "/run/s", "web:80", false },
		{ "unix:/run/a:b:web:80", "/run/a:b", "web:80", false },
		{ "unix:/run/s:[::1]:80", "/run/s", "[::1]:80", false },
	};
	static const char *const wrong[] = {
		"", "80", "80:web", "web:80", "80:web:0", "80:web:65536", "80:web:", "80::80", ":80:web:80", "65536:web:80",
		"80:web:80/tcp", "80:web:80/udp/udp", "x:80:web:80", "80:we b:80", "80:[::1:80", "80:::1:80", "80:[web]:80",
		"unix::web:80", "80:web:80/", "/udp", ":/udp", "a:/udp",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(right); i++) {
		GOOD("-L", right[i].in, URL);
		assert_int_equal(conf.nlocal, 1);
		check_forward(&conf.local[0], right[i].from, right[i].to, right[i].udp);
		assert_int_equal(conf.nlisten, 1);
	}
	for (size_t i = 0; i < ARRAY_LEN(wrong); i++)
		BAD("command line: --local-forward \"", "-L", wrong[i], URL);
	BAD("command line: --local-forward \"unix:/s:web:80/udp\": a socket in the file system takes connections only", "-L",
	    "unix:/s:web:80/udp", URL);
	file_text = "local-forward = 1:a:1\n\nlocal-forward = 0.0.0.0:2:b:2";
	BAD("f:3: local-forward \"0.0.0.0:2\": other machines could reach it, and a forward asks nobody", "-c", "f", URL);
	BAD("f:3: local-forward \"0.0.0.0:2\"", "-c", "f", "--proxy-auth=a:b", URL); /* that is not for forwards */
	GOOD("-c", "f", "--allow-remote", URL);
	check_forward(&conf.local[1], "0.0.0.0:2", "b:2", false);
	GOOD("-c", "f", "-L3:c:3", URL); /* replaced as a whole */
	assert_int_equal(conf.nlocal, 1);
	file_text = NULL;
}

static void test_remote_forwards(void **state)
{
	static const char *const wrong[] = { "0:web:80", "65536:web:80", "127.0.0.1:80:web:80", "unix:/s:web:80", "80:web",
					     "080808:web:80x", "000000080:web:80" };

	(void)state;
	GOOD("-R", "80:localhost:8080", "-R80:127.0.0.1:81/udp", "--remote-forward=81:[::1]:1", URL);
	assert_int_equal(conf.nremote, 3);
	assert_int_equal(conf.remote[0].from.at.port, 80);
	assert_int_equal(conf.remote[2].from.at.port, 81);
	assert_true(conf.remote[1].udp);
	assert_string_equal(conf.remote[0].to.name, "localhost");
	for (size_t i = 0; i < ARRAY_LEN(wrong); i++)
		BAD("command line: --remote-forward \"", "-R", wrong[i], URL);
	BAD("command line: --remote-forward \"80:b:2\": TCP port 80 is forwarded already", "-R80:a:1", "-R80:b:2", URL);
}

static void test_forward_bounds(void **state)
{
	(void)state;
	for (unsigned n = FORWARDS_MAX; n <= FORWARDS_MAX + 1; n++) {
		char local[1024] = "SOFTSOCKS_LOCAL_FORWARD=", remote[1024] = "SOFTSOCKS_REMOTE_FORWARD=";

		for (unsigned i = 0; i < n; i++) {
			snprintf(local + strlen(local), sizeof(local) - strlen(local), "%u:h:1,", i);
			snprintf(remote + strlen(remote), sizeof(remote) - strlen(remote), "%u:h:1,", i + 1);
		}
		if (n == FORWARDS_MAX) {
			good(ENV(local, remote), URL, NULL);
			assert_int_equal(conf.nlocal, n);
			assert_int_equal(conf.nremote, n);
			continue;
		}
		bad("environment: SOFTSOCKS_LOCAL_FORWARD \"64:h:1\": there can be 64 forwards at most", ENV(local), URL, NULL);
		bad("environment: SOFTSOCKS_REMOTE_FORWARD \"65:h:1\": there can be 64 forwards at most", ENV(remote), URL, NULL);
	}
}

static void test_stdio(void **state)
{
	(void)state;
	GOOD("-W", "[::1]:22", URL);
	assert_true(conf.has_stdio);
	assert_int_equal(conf.stdio.port, 22);
	assert_int_equal(conf.nlisten, 0); /* the default one is not wanted */
	GOOD("-W", "host:22", "-l", "1080", URL);
	assert_int_equal(conf.nlisten, 1);
	good(ENV("SOFTSOCKS_LISTEN=5"), "--stdio=host:22", URL, NULL);
	assert_int_equal(conf.nlisten, 1);
	BAD("command line: --stdio \"host\": expected HOST:PORT", "-W", "host", URL);
	BAD("command line: --stdio \"a/b:1\": expected HOST:PORT", "-W", "a/b:1", URL);
	BAD("command line: --ready-fd: --stdio needs standard output for itself", "-W", "host:22", "--ready-fd=1", URL);
	GOOD("-W", "host:22", "--ready-fd=3", URL);
}

static void test_routes(void **state)
{
	char env[ROUTES_MAX * 16 + 64] = "SOFTSOCKS_ROUTE=";

	(void)state;
	GOOD(URL);
	assert_int_equal(conf.nroutes, 0);
	assert_null(conf.routes);
	file_text = "route = 10.0.0.0/8=tunnel\nroute = *=direct";
	GOOD("-c", "f", URL);
	assert_int_equal(conf.nroutes, 2);
	assert_int_equal(conf.routes[0].action, ROUTE_TUNNEL);
	assert_int_equal(conf.routes[1].action, ROUTE_DIRECT);
	GOOD("-c", "f", "--route=*:25=block", URL);
	assert_int_equal(conf.nroutes, 1);
	assert_int_equal(conf.routes[0].port_to, 25);
	BAD("command line: --route \"x\": expected PATTERN[:PORT[-PORT]]=ACTION", "-c", "f", "--route=x", URL);
	file_text = NULL;
	for (unsigned i = 0; i < ROUTES_MAX; i++)
		snprintf(env + strlen(env), sizeof(env) - strlen(env), "*:%u=block,", i + 1);
	good(ENV(env), URL, NULL);
	assert_int_equal(conf.nroutes, ROUTES_MAX);
	snprintf(env + strlen(env), sizeof(env) - strlen(env), "*=block");
	bad("environment: SOFTSOCKS_ROUTE \"*=block\": there can be 256 routes at most", ENV(env), URL, NULL);
}

static void test_times_and_search(void **state)
{
	(void)state;
	GOOD(URL);
	assert_int_equal(conf.connect_ms, FLOW_CONNECT_MS); /* what the table says is what the stack does by itself */
	assert_int_equal(conf.idle_ms, 0);
	assert_null(conf.search);
	GOOD("--connect-timeout=0.1", "--idle-timeout=604800", "--search=corp.example.", URL);
	assert_int_equal(conf.connect_ms, 100);
	assert_int_equal(conf.idle_ms, 604800000);
	assert_string_equal(conf.search, "corp.example");
	GOOD("--connect-timeout=300", "--search=none", URL);
	assert_string_equal(conf.search, "");
	bad_everywhere("connect-timeout", "SOFTSOCKS_CONNECT_TIMEOUT", "0.099", "expected seconds from 0.1 to 300");
	bad_everywhere("connect-timeout", "SOFTSOCKS_CONNECT_TIMEOUT", "300.001", "expected seconds from 0.1 to 300");
	bad_everywhere("idle-timeout", "SOFTSOCKS_IDLE_TIMEOUT", "604801", "expected seconds from 0 to 604800");
	bad_everywhere("search", "SOFTSOCKS_SEARCH", ".corp", "expected a domain name, or none");
	bad_everywhere("search", "SOFTSOCKS_SEARCH", "10.0.0.1", "expected a domain name, or none");
}

/* --- SoftEther ------------------------------------------------------------------------------------------ */

static void test_softether_options(void **state)
{
	static const char *const only[][2] = {
		{ "--cert=f", "cert" }, { "--key=f", "key" }, { "--p12=f", "p12" }, { "--key-password-file=f", "key-password-file" },
		{ "--new-password-file=f", "new-password-file" }, { "--tcp-connections=1", "tcp-connections" },
		{ "--udp-acceleration=off", "udp-acceleration" }, { "--compress", "compress" },
		{ "--half-connection", "half-connection" }, { "--nat-traversal=on", "nat-traversal" },
		{ "--vlan=1", "vlan" },
	};

	(void)state;
	GOOD(URL);
	assert_int_equal(conf.tcp_connections, 1);
	assert_int_equal(conf.udp_acceleration, UDP_V2);
	assert_false(conf.compress || conf.half_connection);
	assert_null(conf.rendezvous);
	GOOD("--tcp-connections=32", "--udp-acceleration=v1", "--compress", "--half-connection", URL);
	assert_int_equal(conf.tcp_connections, 32);
	assert_int_equal(conf.udp_acceleration, UDP_V1);
	assert_true(conf.compress && conf.half_connection);
	assert_int_equal(conf.vlan, 0);
	GOOD("--vlan=1", URL);
	assert_int_equal(conf.vlan, 1);
	GOOD("--vlan=4094", URL);
	assert_int_equal(conf.vlan, 4094);
	bad_everywhere("vlan", "SOFTSOCKS_VLAN", "0", "expected a number from 1 to 4094");
	bad_everywhere("vlan", "SOFTSOCKS_VLAN", "4095", "expected a number from 1 to 4094");
	GOOD("--udp-acceleration=off", URL);
	assert_int_equal(conf.udp_acceleration, UDP_OFF);
	bad_everywhere("tcp-connections", "SOFTSOCKS_TCP_CONNECTIONS", "0", "expected a number from 1 to 32");
	bad_everywhere("tcp-connections", "SOFTSOCKS_TCP_CONNECTIONS", "33", "expected a number from 1 to 32");
	bad_everywhere("udp-acceleration", "SOFTSOCKS_UDP_ACCELERATION", "v2", "expected on, off or v1");
	BAD("command line: --half-connection: it needs two connections", "--half-connection", URL);
	for (size_t i = 0; i < ARRAY_LEN(only); i++) {
		char line[128];

		snprintf(line, sizeof(line), "command line: --%s: it is for softether:// only", only[i][1]);
		BAD(line, only[i][0], "sstp://a@h");
	}
	file_text = "password-hash = EZ1x21a4z2HWuwog0BF29lD7S6E=";
	BAD("f:1: password-hash: it is for softether:// only", "-c", "f", "sstp://a@h");
	file_text = NULL;
	BAD("command line: --auth: mschapv2, chap and pap are for sstp://", "--auth=pap", "softether://a@h/H");
	BAD("command line: --auth: password, plain and certificate are for softether://", "--auth=password", "sstp://a@h");
	BAD("command line: --auth: password, plain and certificate are for softether://", "--auth=plain", "sstp://a@h");
	BAD("command line: --auth \"plain,pap\": expected", "--auth=plain,pap", "sstp://a@h");
	BAD("command line: --auth: the server wants to know whose login it is", "--auth=plain", URL);
	BAD("command line: --insecure: --auth plain sends the password itself", "--auth=plain", "--insecure",
	    "softether://a@h/H");
}

static void test_nat_traversal(void **state)
{
	static const char udp[] = "softether+udp://h/H";

	(void)state;
	GOOD(udp);
	assert_string_equal(conf.protocol->scheme, "softether+udp");
	assert_int_equal(conf.port, 443);
	assert_null(conf.rendezvous);
	GOOD("--nat-traversal=on", udp);
	assert_string_equal(conf.rendezvous, "");
	GOOD("--nat-traversal=n.example:77", udp);
	assert_string_equal(conf.rendezvous, "n.example:77");
	GOOD("--nat-traversal=192.0.2.1", udp);
	assert_string_equal(conf.rendezvous, "192.0.2.1");
	GOOD("--nat-traversal=n", "--nat-traversal=off", udp);
	assert_null(conf.rendezvous);
	bad_everywhere("nat-traversal", "SOFTSOCKS_NAT_TRAVERSAL", "h:0", "expected on, off, HOST or HOST:PORT");
	bad_everywhere("nat-traversal", "SOFTSOCKS_NAT_TRAVERSAL", "a/b", "expected on, off, HOST or HOST:PORT");
	bad_everywhere("nat-traversal", "SOFTSOCKS_NAT_TRAVERSAL", "[::1]:5", "SoftEther's NAT traversal has IPv4 only");
	BAD("command line: --nat-traversal: it finds a way for UDP: it needs a URL", "--nat-traversal=on", URL);
}

#define AT "softether://a@h/H"

static void test_certificates(void **state)
{
	(void)state;
	GOOD("--cert=c", "--key=k", "--key-password-file=p", AT);
	assert_int_equal(conf.auth_methods, AUTH_CERTIFICATE); /* it says so by itself */
	assert_string_equal(conf.cert_file, "c");
	assert_string_equal(conf.key_file, "k");
	assert_string_equal(conf.key_password_file, "p");
	GOOD("--p12=f", "--auth=certificate", AT);
	assert_string_equal(conf.p12_file, "f");
	BAD("command line: --cert: it needs --key", "--cert=c", AT);
	BAD("command line: --key: it needs --cert", "--key=k", AT);
	BAD("command line: --key-password-file: it needs --key or --p12", "--key-password-file=k", AT);
	BAD("command line: --auth: certificate needs --cert and --key, or --p12", "--auth=certificate", AT);
	BAD("command line: --p12 \"f\": there is --cert already: only one of them can give the certificate", "--cert=c",
	    "--p12=f", AT);
	BAD("command line: --key \"k\": there is --p12 already: only one of them can give the key", "--p12=f", "--key=k", AT);
	BAD("command line: --p12: --auth names another way", "--p12=f", "--auth=password", AT);
	BAD("command line: --p12: --auth names another way", "--p12=f", "--auth=anonymous", AT);
	BAD("command line: --password-file: a login with a certificate has no password", "--p12=f", "--password-file=p", AT);
	BAD("command line: --p12: the server wants to know whose login it is", "--p12=f", URL);
	file_text = "cert-data = MIIBAg==\nkey-data = MIICAg==\nurl = " AT;
	GOOD("-c", "f");
	assert_int_equal(conf.cert_data.n, 4);
	assert_memory_equal(conf.key_data.p, "\x30\x82\x02\x02", 4);
	assert_string_equal(conf.secrets_file, "f");
	GOOD("-c", "f", "--p12=x"); /* a higher source replaces it all */
	assert_int_equal(conf.cert_data.n, 0);
	assert_int_equal(conf.key_data.n, 0);
	GOOD("-c", "f", "--cert=x", "--key=y");
	assert_int_equal(conf.cert_data.n, 0);
	BAD("command line: --key: it needs --cert", "-c", "f", "--key=y");
	file_text = "cert-data = MIIBAg==";
	BAD("f:1: cert-data: it needs key-data", "-c", "f", AT);
	file_text = "key-data = MIIBAg==";
	BAD("f:1: key-data: it needs cert-data", "-c", "f", AT);
	file_text = "cert-data = MIIBAg=";
	BAD("f:1: cert-data \"MIIBAg=\": expected a certificate, DER in Base64", "-c", "f", AT);
	file_text = "cert = c\nkey-data = MIIBAg==";
	BAD("f:2: key-data: it needs cert-data", "-c", "f", AT); /* files, or data: not one of each */
	file_text = "cert = c\nkey = k\np12 = f";
	BAD("f:3: p12 \"f\": there is --cert already", "-c", "f", AT);
	file_text = NULL;
	BAD("command line: cert-data is for a config file only", "--cert-data=MIIBAg==", AT);
	BAD("command line: a key-data is not given as an option", "--key-data=MIIBAg==", AT);
	bad("command line: --cert: it needs --key", ENV("SOFTSOCKS_KEY_DATA=MIIBAg==", "SOFTSOCKS_CERT_DATA=x"), "--cert=c", AT,
	    NULL); /* they are no variables */
}

static void test_passwords_in_files(void **state)
{
	char text[PASSWORD_MAX + 32];

	(void)state;
	file_text = "password = \"a b#\\\"\"";
	GOOD("-c", "f", AT);
	assert_string_equal(conf.password_text, "a b#\"");
	assert_string_equal(conf.secrets_file, "f");
	GOOD("-c", "f", AT, "--password-file=p");
	assert_null(conf.password_text);
	assert_string_equal(conf.secrets_file, "f"); /* it is still in there */
	bad("f:1: password: without a user the login is anonymous", ENV("X=1"), "-c", "f", URL, NULL);
	for (size_t n = PASSWORD_MAX; n <= PASSWORD_MAX + 1; n++) {
		snprintf(text, sizeof(text), "password = %0*d", (int)n, 0);
		file_text = text;
		if (n == PASSWORD_MAX)
			GOOD("-c", "f", AT);
		else
			BAD("f:1: password: expected a password of 1 to 255 bytes", "-c", "f", AT);
	}
	file_text = "password-hash = EZ1x21a4z2HWuwog0BF29lD7S6E=";
	GOOD("-c", "f", AT);
	assert_true(conf.has_password_hash);
	assert_int_equal(conf.password_hash[19], 0xa1);
	GOOD("-c", "f", AT, "--password-fd=5");
	assert_false(conf.has_password_hash);
	BAD("f:1: password-hash: --auth plain sends the password itself", "-c", "f", AT, "--auth=plain");
	file_text = "password-hash = EZ1x21a4z2HWuwog0BF29lD7Sw==";
	BAD("f:1: password-hash: expected 20 bytes in Base64", "-c", "f", AT);
	file_text = "password = x\npassword-file = y";
	BAD("f:2: password-file \"y\": there is password already", "-c", "f", AT);
	file_text = "mtu = 600";
	GOOD("-c", "f", AT);
	assert_null(conf.secrets_file);
	file_text = NULL;
	/* SOFTSOCKS_PASSWORD is for password.c alone */
	good(ENV("SOFTSOCKS_PASSWORD=x\xff"), "--password-file=p", AT, NULL);
	assert_null(conf.password_text);
}

/* --- commands ------------------------------------------------------------------------------------------- */

static void test_commands(void **state)
{
	(void)state;
	GOOD("import", "x.vpn");
	assert_int_equal(conf.command, CMD_IMPORT);
	assert_string_equal(conf.import_file, "x.vpn");
	GOOD("--log-level=debug", "import", "--log-format=json", "x");
	BAD("import: expected the name of an account file", "import");
	BAD("command line: more than one argument that is no option: expected one account file", "import", "a", "b");
	BAD("command line: --mtu: import takes no options", "import", "a", "--mtu=600");
	good(ENV("SOFTSOCKS_MTU=600"), "import", "a", NULL); /* the environment is for every command */
	GOOD("passwd", AT, "--new-password-file=n", "--password-file=o");
	assert_int_equal(conf.command, CMD_PASSWD);
	assert_string_equal(conf.new_password_file, "n");
	BAD("passwd: whose password?", "passwd", URL);
	BAD("passwd: only SoftEther lets users set a password", "passwd", "sstp://a@h");
	BAD("command line: --auth: passwd needs a login with the password", "passwd", AT, "--auth=anonymous");
	BAD("command line: --auth: passwd needs a login with the password", "passwd", AT, "--auth=plain");
	BAD("command line: --stdio: passwd sets a new password", "passwd", AT, "-W", "h:1");
	BAD("command line: --listen: passwd sets a new password", "passwd", AT, "-l1");
	BAD("no server: expected a URL", "passwd");
	file_text = "listen = 5\nlocal-forward = 1:h:1\nurl = " AT; /* the file is for connect as well */
	GOOD("passwd", "-c", "f");
	file_text = NULL;
}

/* An account file needs no other option, and is outweighed like a config file. */
static void test_account_file(void **state)
{
	(void)state;
	file_text = "declare root\n{\ndeclare ClientOption\n{\nstring Hostname vh\nstring HubName VH\nuint MaxConnection 4\n}\n}\n";
	GOOD("-c", "x.vpn");
	assert_string_equal(conf.host, "vh");
	assert_int_equal(conf.tcp_connections, 4);
	GOOD("-c", "x.vpn", "--tcp-connections=2", "check");
	assert_int_equal(conf.tcp_connections, 2);
	BAD("x.vpn: tcp-connections: it is for softether:// only", "-c", "x.vpn", "sstp://a@h"); /* no line: it is not ours */
	file_text = "declare root\n{\n";
	BAD("account file x.vpn, line 3: the file is cut off", "-c", "x.vpn");
	file_text = NULL;
}

/* --- the texts ------------------------------------------------------------------------------------------ */

/* The rows of options.def, as this test sees them. */
static const struct {
	const char *name, *env, *initial;
	bool shown, file_only;
} rows[] = {
#define SECTION(title)
#define OPTION(id, option, letter, arg, flags, set, default_value, expected, text) \
	{ option, "SOFTSOCKS_" #id, default_value, \
	  strcmp(option, "man") != 0 && strcmp(option, "completion") != 0, ((flags) & OPT_FILE_ONLY) != 0 },
#include "core/options.def"
#undef OPTION
#undef SECTION
};

static void test_texts_name_every_option(void **state)
{
	(void)state;
	for (int kind = TEXT_HELP; kind <= TEXT_FISH; kind++) {
		char *text = conf_text((enum conf_text_kind)kind);

		assert_non_null(text);
		assert_true(strlen(text) > 500);
		for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
			char want[64], *to = want;

			if (strcmp(rows[i].name, "url") == 0 || (rows[i].file_only && kind != TEXT_MAN))
				continue;
			if (kind == TEXT_FISH)
				to += sprintf(to, " -l ");
			else
				to += sprintf(to, rows[i].file_only ? "\"" : kind == TEXT_MAN ? "\\-\\-" : "--");
			for (const char *s = rows[i].name; *s; s++)
				to += sprintf(to, *s == '-' && kind == TEXT_MAN ? "\\-" : "%c", *s);
			if (!strstr(text, want) != !rows[i].shown)
				fail_msg("%s in text %d", rows[i].name, kind);
		}
		free(text);
	}
}

static void test_help_text(void **state)
{
	char *text = conf_text(TEXT_HELP), *line = text;

	(void)state;
	assert_memory_equal(text, "Usage: softsocks [OPTIONS] softether://[USER@]HOST[:PORT]/HUB\n", 62);
	while (*line) { /* fits into a terminal, no blanks at the ends */
		size_t n = strcspn(line, "\n");

		assert_in_range(n, 0, 79);
		assert_true(n == 0 || line[n - 1] != ' ');
		assert_int_equal(line[n], '\n');
		line += n + 1;
	}
	assert_non_null(strstr(text, "\n  -l, --listen [ADDR:]PORT\n"));
	assert_non_null(strstr(text, "\n      --mtu N              The largest IP packet"));
	assert_non_null(strstr(text, "Default: forever."));
	free(text);
}

/* No line of the manual page is taken for a request by mistake, and no escape is unknown. */
static void test_man_text(void **state)
{
	static const char *const requests[] = { ".TH ", ".SH ", ".SS ", ".TP", ".PP",
						".B ",  ".BR ", ".nf",  ".fi" };
	char *text = conf_text(TEXT_MAN);

	(void)state;
	for (char *line = text; *line;) {
		size_t n = strcspn(line, "\n");
		bool known = line[0] != '.' && line[0] != '\'';

		for (size_t i = 0; i < ARRAY_LEN(requests); i++)
			known = known || strncmp(line, requests[i], strlen(requests[i])) == 0;
		if (!known)
			fail_msg("%.*s", (int)n, line);
		for (size_t i = 0; i < n; i++) {
			if (line[i] == '\\')
				assert_non_null(strchr("-e&f", line[++i]));
		}
		line += n + 1;
	}
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_urls),
		cmocka_unit_test(test_login_methods),
		cmocka_unit_test(test_urls_refused),
		cmocka_unit_test(test_passwords_are_not_repeated),
		cmocka_unit_test(test_url_name_lengths),
		cmocka_unit_test(test_parse_url_alone),
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_all_on_command_line),
		cmocka_unit_test(test_all_in_file),
		cmocka_unit_test(test_all_in_environment),
		cmocka_unit_test(test_precedence),
		cmocka_unit_test(test_wrong_values),
		cmocka_unit_test(test_right_values_at_the_edge),
		cmocka_unit_test(test_listeners),
		cmocka_unit_test(test_list_bounds),
		cmocka_unit_test(test_values_that_do_not_fit_together),
		cmocka_unit_test(test_command_line_shape),
		cmocka_unit_test(test_help_and_version_come_first),
		cmocka_unit_test(test_file_syntax),
		cmocka_unit_test(test_file_truncations),
		cmocka_unit_test(test_file_cannot_be_read),
		cmocka_unit_test(test_real_files),
		cmocka_unit_test(test_public_secrets),
		cmocka_unit_test(test_socket_paths),
		cmocka_unit_test(test_proxy_auth),
		cmocka_unit_test(test_local_forwards),
		cmocka_unit_test(test_remote_forwards),
		cmocka_unit_test(test_forward_bounds),
		cmocka_unit_test(test_stdio),
		cmocka_unit_test(test_routes),
		cmocka_unit_test(test_times_and_search),
		cmocka_unit_test(test_softether_options),
		cmocka_unit_test(test_nat_traversal),
		cmocka_unit_test(test_certificates),
		cmocka_unit_test(test_passwords_in_files),
		cmocka_unit_test(test_commands),
		cmocka_unit_test(test_account_file),
		cmocka_unit_test(test_texts_name_every_option),
		cmocka_unit_test(test_help_text),
		cmocka_unit_test(test_man_text),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);

	conf_fini(&conf);
	return failed;
}
