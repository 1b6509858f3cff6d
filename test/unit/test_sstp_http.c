/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The HTTP exchange: our request byte for byte, the answers of real servers and of what is none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "core/sstp/sstp_http.h"

static void fixed(void *ctx, void *to, size_t n)
{
	(void)ctx;
	memset(to, 0xff, n);
}

static const struct session_env env = { .random = fixed };

static void expect_request(const char *host, uint16_t port, const char *host_field)
{
	uint8_t buf[SSTP_HTTP_REQUEST_MAX];
	char want[SSTP_HTTP_REQUEST_MAX];
	struct wr w = wr_init(buf, sizeof(buf));

	snprintf(want, sizeof(want),
		 "SSTP_DUPLEX_POST /sra_{BA195980-CD49-458b-9E23-C84EE0ADCD75}/ HTTP/1.1\r\n"
		 "SSTPCORRELATIONID: {FFFFFFFF-FFFF-4FFF-BFFF-FFFFFFFFFFFF}\r\n"
		 "Content-Length: 18446744073709551615\r\nHost: %s\r\n\r\n",
		 host_field);
	sstp_http_request(&w, host, port, &env);
	assert_true(wr_ok(&w));
	assert_int_equal(w.n, strlen(want));
	assert_memory_equal(buf, want, w.n);
}

static void test_request(void **state)
{
	char longest[HOST_MAX + 1], field[HOST_MAX + 20];

	(void)state;
	expect_request("vpn.example.com", 443, "vpn.example.com");
	expect_request("vpn.example.com", 4443, "vpn.example.com:4443");
	expect_request("192.0.2.1", 443, "192.0.2.1");
	expect_request("2001:db8::1", 443, "[2001:db8::1]");
	expect_request("2001:db8::1", 65535, "[2001:db8::1]:65535");
	memset(longest, 'a', HOST_MAX);
	longest[HOST_MAX] = '\0';
	snprintf(field, sizeof(field), "%s:65535", longest);
	expect_request(longest, 65535, field);
}

static int check(const char *response, struct fault *f)
{
	struct http_head head;
	struct slice in = { .p = (const uint8_t *)response, .n = strlen(response) };

	*f = (struct fault){ 0 };
	assert_int_equal(http_head_parse(HTTP_RESPONSE, in, &head, NULL), 0);
	return sstp_http_check(&head, f);
}

#define ENDLESS "Content-Length: 18446744073709551615\r\n"

static void test_answers_of_sstp_servers(void **state)
{
	static const char *const good[] = {
		"HTTP/1.1 200 OK\r\n" ENDLESS
		"Date: Sat, 21 Nov 2026 18:55:00 GMT\r\nServer: Microsoft-HTTPAPI/2.0\r\n\r\n",
		"HTTP/1.1 200 OK\r\nDate: Sat, 21 Nov 2026 18:55:00 GMT\r\n" ENDLESS
		"Connection: keep-alive\r\n\r\n",
		"HTTP/1.1 200 OK\r\n" ENDLESS "Server: SSTP-Server/0.7.2\r\n\r\n",
		"HTTP/1.1 200\r\n" ENDLESS "\r\n",
		"HTTP/1.0 200 OK\r\n\r\n",
		"HTTP/1.1 200 OK\r\ncontent-length:18446744073709551615\r\nX-Unknown: yes\r\n\r\n",
	};
	struct fault f;

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		assert_int_equal(check(good[i], &f), 0);
		assert_int_equal(f.err, 0);
	}
}

static void test_other_answers(void **state)
{
	static const struct {
		const char *response, *words[3];
	} cases[] = {
		{ "HTTP/1.1 404 Not Found\r\nServer: nginx\r\n\r\n",
		  { "404 (nginx)", "no SSTP server", NULL } },
		{ "HTTP/1.1 202 OK\r\n\r\n", { "202", "web server", NULL } },
		{ "HTTP/1.1 301 Moved\r\nLocation: https://www.example.com/\r\n\r\n",
		  { "301", "https://www.example.com/", "redirects" } },
		{ "HTTP/1.1 302 Found\r\n\r\n", { "302", "redirects", NULL } },
		{ "HTTP/1.1 401 Unauthorized\r\n\r\n", { "401", "login of its own", NULL } },
		{ "HTTP/1.1 403 Forbidden\r\n\r\n", { "403", "reverse proxy", NULL } },
		{ "HTTP/1.1 407 Proxy\r\n\r\n", { "407", "proxy", NULL } },
		{ "HTTP/1.1 400 Bad Request\r\n\r\n", { "400", "no SSTP server", NULL } },
		{ "HTTP/1.1 501 Not Implemented\r\n\r\n", { "501", "no SSTP server", NULL } },
		{ "HTTP/1.1 502 Bad Gateway\r\n\r\n", { "502", "down", NULL } },
		{ "HTTP/1.1 503 Service Unavailable\r\n\r\n", { "503", "no free SSTP port", NULL } },
		{ "HTTP/1.1 999 Odd\r\n\r\n", { "999", "no SSTP server", NULL } },
		{ "HTTP/1.1 200 OK\r\nContent-Length: 612\r\n\r\n", { "ordinary web server", NULL, NULL } },
		{ "HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551614\r\n\r\n",
		  { "ordinary web server", NULL, NULL } },
		{ "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
		  { "ordinary web server", NULL, NULL } },
		{ "HTTP/1.1 404 Not Found\r\nServer: \303\251vil\377\r\n\r\n", { "vil?", NULL, NULL } },
	};
	struct fault f;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(check(cases[i].response, &f), VE_PROTO);
		assert_int_equal(f.err, VE_PROTO);
		for (unsigned k = 0; k < 3; k++) {
			if (cases[i].words[k] && !strstr(f.text, cases[i].words[k]))
				fail_msg("no \"%s\" in: %s", cases[i].words[k], f.text);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_request),
		cmocka_unit_test(test_answers_of_sstp_servers),
		cmocka_unit_test(test_other_answers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
