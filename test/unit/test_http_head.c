/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_http_head.c - heads that are right, heads that are wrong in every known way, and every bound. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/err.h"
#include "core/http_head.h"

/* A copy of exactly @n bytes on the heap, so that a sanitizer sees a read past the end. */
static int parse(enum http_kind kind, const char *text, size_t n, struct http_head *ret, const char **why)
{
	uint8_t *copy = malloc(n > 0 ? n : 1);
	ptrdiff_t moved;
	int r;

	memcpy(copy, text, n);
	r = http_head_parse(kind, (struct slice){ .p = copy, .n = n }, ret, why);
	if (r == 0) { /* let what was borrowed point into @text */
		moved = (const uint8_t *)text - copy;
		if (ret->method.p)
			ret->method.p += moved;
		if (ret->target.p)
			ret->target.p += moved;
		for (size_t i = 0; i < ret->nfields; i++) {
			ret->fields[i].name.p += moved;
			ret->fields[i].value.p += moved;
		}
	}
	free(copy);
	return r;
}

static bool is(struct slice s, const char *text)
{
	return s.n == strlen(text) && memcmp(s.p, text, s.n) == 0;
}

/* Must be refused with VE_PROTO and a reason, leaving the result untouched, and must not be taken for the
 * start of something longer that is right. */
static void refused(enum http_kind kind, const char *text, size_t n)
{
	static struct http_head h, before;
	const char *why = NULL;
	int r;

	memset(&before, 0x77, sizeof(before));
	h = before;
	r = parse(kind, text, n, &h, &why);
	if (r != VE_PROTO)
		fail_msg("%s instead of a refusal: %s", ve_name(r), text);
	assert_non_null(why);
	assert_true(strlen(why) > 0);
	assert_memory_equal(&h, &before, sizeof(h));
	assert_int_equal(parse(kind, text, n, &h, NULL), VE_PROTO); /* @why may be NULL */
}

#define REFUSED(kind, text) refused(kind, text, sizeof(text) - 1)
#define REQUEST(text) REFUSED(HTTP_REQUEST, text)
#define RESPONSE(text) REFUSED(HTTP_RESPONSE, text)
/* A request, or a response, whose start line is fine and whose fields are wrong. */
#define FIELDS(text)                                       \
	do {                                               \
		REQUEST("POST / HTTP/1.1\r\n" text);       \
		RESPONSE("HTTP/1.1 200 OK\r\n" text);      \
	} while (0)

static void accepted(enum http_kind kind, const char *text, struct http_head *h)
{
	const char *why = "";
	int r = parse(kind, text, strlen(text), h, &why);

	if (r != 0)
		fail_msg("%s (%s): %s", ve_name(r), why, text);
}

/* --- what is right -------------------------------------------------------------------------------------- */

static void test_request(void **state)
{
	/* RFC 9112 section 3.2.3, a CONNECT as browsers send it, with what the client said too early behind
	 * it */
	static const char text[] = "CONNECT www.example.com:443 HTTP/1.1\r\nHost: www.example.com:443\r\n"
				   "Proxy-Connection: keep-alive\r\nX-Empty:\r\nX-Blank: \t \r\nX-Padded: \t "
				   "a b \t \r\n\r\n\x16\x03";
	static struct http_head h;

	(void)state;
	accepted(HTTP_REQUEST, text, &h);
	assert_false(h.is_response);
	assert_true(is(h.method, "CONNECT"));
	assert_true(is(h.target, "www.example.com:443"));
	assert_int_equal(h.minor, 1);
	assert_int_equal(h.nfields, 5);
	assert_true(is(h.fields[0].name, "Host"));
	assert_true(is(h.fields[4].value, "a b"));
	assert_true(is(http_head_find(&h, "proxy-CONNECTION"), "keep-alive"));
	assert_true(http_value_is(http_head_find(&h, "Proxy-Connection"), "Keep-Alive"));
	assert_non_null(http_head_find(&h, "x-empty").p);
	assert_int_equal(http_head_find(&h, "x-empty").n, 0);
	assert_non_null(http_head_find(&h, "x-blank").p);
	assert_int_equal(http_head_find(&h, "x-blank").n, 0);
	assert_null(http_head_find(&h, "X-Absent").p);
	assert_null(http_head_find(&h, "Hos").p);
	assert_null(http_head_find(&h, "").p);
	assert_int_equal(h.length, sizeof(text) - 1 - 2);
	assert_false(h.has_content_length);
	assert_false(h.chunked);
}

static void test_response(void **state)
{
	/* what a SoftEther server answers, softether-protocol.md 2.4 */
	static const char text[] =
		"HTTP/1.1 200 OK\r\nDate: Sat, 21 Nov 2026 19:30:00 GMT\r\nKeep-Alive: timeout=15; max=19\r\n"
		"Connection: Keep-Alive\r\nContent-Type: application/octet-stream\r\nContent-Length: "
		"294\r\n\r\n";
	static struct http_head h;

	(void)state;
	accepted(HTTP_RESPONSE, text, &h);
	assert_true(h.is_response);
	assert_int_equal(h.status, 200);
	assert_int_equal(h.nfields, 5);
	assert_null(h.method.p);
	assert_null(h.target.p);
	assert_true(h.has_content_length);
	assert_true(h.content_length == 294);
	assert_int_equal(h.length, sizeof(text) - 1);

	accepted(HTTP_RESPONSE, "HTTP/1.0 407 Proxy Authentication Required\r\n\r\n", &h);
	assert_int_equal(h.minor, 0);
	assert_int_equal(h.status, 407);
	assert_int_equal(h.nfields, 0);
	accepted(HTTP_RESPONSE, "HTTP/1.1 999\r\n\r\n", &h);
	assert_int_equal(h.status, 999);
	accepted(HTTP_RESPONSE, "HTTP/1.1 100 \r\n\r\nHTTP/1.1 200 OK\r\n\r\n", &h);
	assert_int_equal(h.status, 100);
	assert_int_equal(h.length, 17);
	accepted(HTTP_RESPONSE, "HTTP/1.1 200 Gr\xc3\xbc\xc3\x9f\t Gott\r\nX: \xff\r\n\r\n", &h);
	assert_true(is(h.fields[0].value, "\xff"));
}

static void test_requests_of_all_kinds(void **state)
{
	static const char *const lines[] = {
		"GET / HTTP/1.1", "GET http://intranet/x?y=z#f HTTP/1.1", "HEAD /a HTTP/1.0",
		"OPTIONS * HTTP/1.1", "CONNECT [2001:db8::1]:443 HTTP/1.1", "DELETE / HTTP/1.1",
		"PROPFIND /dav HTTP/1.1", "PATCH / HTTP/1.1",
	};
	static struct http_head h;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
		char text[128];
		const char *target = strchr(lines[i], ' ') + 1;

		snprintf(text, sizeof(text), "%s\r\n\r\n", lines[i]);
		accepted(HTTP_REQUEST, text, &h);
		assert_int_equal(h.target.n, strcspn(target, " "));
		assert_memory_equal(h.target.p, target, h.target.n);
		assert_int_equal(h.length, strlen(text));
	}
	/* one empty line in front is overlooked, and counted */
	accepted(HTTP_REQUEST, "\r\nGET / HTTP/1.1\r\n\r\n", &h);
	assert_int_equal(h.length, 20);
	assert_true(is(h.method, "GET"));
}

static void test_body_lengths(void **state)
{
	static struct http_head h;

	(void)state;
	accepted(HTTP_REQUEST, "POST / HTTP/1.1\r\nContent-Length: 0\r\n\r\n", &h);
	assert_true(h.has_content_length && h.content_length == 0);
	accepted(HTTP_REQUEST, "POST / HTTP/1.1\r\ncontent-length:\t1 \r\n\r\n", &h);
	assert_true(h.content_length == 1);
	accepted(HTTP_RESPONSE, "HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551615\r\n\r\n", &h);
	assert_true(h.content_length == UINT64_MAX);
	FIELDS("Content-Length: 18446744073709551616\r\n\r\n");
	FIELDS("Content-Length: 99999999999999999999\r\n\r\n");
	FIELDS("Content-Length: 184467440737095516150\r\n\r\n");
	FIELDS("Content-Length: 36893488147419103232\r\n\r\n"); /* 2^65: zero if it wrapped */

	accepted(HTTP_REQUEST, "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", &h);
	assert_true(h.chunked && !h.has_content_length);
	accepted(HTTP_REQUEST, "POST / HTTP/1.1\r\ntransfer-encoding: gzip ,\tChunked\r\n\r\n", &h);
	assert_true(h.chunked);
	accepted(HTTP_RESPONSE,
		 "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\nA: b\r\nTransfer-Encoding: chunked\r\n\r\n",
		 &h);
	assert_true(h.chunked);
	/* in a response the body then ends with the connection: RFC 9112 section 6.3 */
	accepted(HTTP_RESPONSE, "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n", &h);
	assert_true(!h.chunked && !h.has_content_length);
}

/* --- what is wrong -------------------------------------------------------------------------------------- */

/* RFC 9112 section 6 and 11.2: two readers that disagree about where a message ends. */
static void test_smuggling(void **state)
{
	(void)state;
	FIELDS("Content-Length: 5\r\nContent-Length: 5\r\n\r\n");
	FIELDS("Content-Length: 5\r\nContent-Length: 6\r\n\r\n");
	FIELDS("Content-Length: 5\r\nX: y\r\ncONTENT-lENGTH: 5\r\n\r\n");
	FIELDS("Content-Length: 5, 5\r\n\r\n");
	FIELDS("Content-Length: 5,\r\n\r\n");
	FIELDS("Content-Length:\r\n\r\n");
	FIELDS("Content-Length: \r\n\r\n");
	FIELDS("Content-Length: +5\r\n\r\n");
	FIELDS("Content-Length: -5\r\n\r\n");
	FIELDS("Content-Length: 0x5\r\n\r\n");
	FIELDS("Content-Length: 5 5\r\n\r\n");
	FIELDS("Content-Length: 5a\r\n\r\n");
	FIELDS("Content-Length: 5.0\r\n\r\n");
	FIELDS("Content-Length: \"5\"\r\n\r\n");
	FIELDS("Content-Length: 5\x0b\r\n\r\n");

	FIELDS("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n");
	FIELDS("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n");
	FIELDS("Transfer-Encoding: gzip\r\nContent-Length: 5\r\n\r\n");
	FIELDS("Transfer-Encoding: chunked, gzip\r\n\r\n");
	FIELDS("Transfer-Encoding: chunked, chunked\r\n\r\n");
	FIELDS("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n");
	FIELDS("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n");
	FIELDS("Transfer-Encoding:\r\n\r\n");
	FIELDS("Transfer-Encoding: ,chunked\r\n\r\n");
	FIELDS("Transfer-Encoding: chunked,\r\n\r\n");
	FIELDS("Transfer-Encoding: \"chunked\"\r\n\r\n");
	FIELDS("Transfer-Encoding: chunked;q=1\r\n\r\n");
	FIELDS("Transfer-Encoding: x;a=\"b, chunked\r\n\r\n");
	FIELDS("Transfer-Encoding: gzip chunked\r\n\r\n");
	FIELDS("Transfer-Encoding: \x0b" "chunked\r\n\r\n");
	REQUEST("POST / HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n");
	REQUEST("POST / HTTP/1.1\r\nTransfer-Encoding: xchunked\r\n\r\n");
	REQUEST("POST / HTTP/1.1\r\nTransfer-Encoding: chunkedx\r\n\r\n");
	REQUEST("POST / HTTP/1.1\r\nTransfer-Encoding: identity\r\n\r\n");
	REQUEST("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n");
	RESPONSE("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");

	REQUEST("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n");
	REQUEST("GET / HTTP/1.1\r\nHost: a\r\nhost: a\r\n\r\n");
}

static void test_line_ends(void **state)
{
	(void)state;
	/* obs-fold, RFC 9112 section 5.2 */
	FIELDS("A: b\r\n c\r\n\r\n");
	FIELDS("A: b\r\n\tc\r\n\r\n");
	FIELDS("A:\r\n b\r\n\r\n");
	FIELDS("A: b\r\n \r\n\r\n");
	/* a blank before the first field, RFC 9112 section 2.2 */
	FIELDS(" A: b\r\n\r\n");
	FIELDS("\tA: b\r\n\r\n");
	/* between name and colon, RFC 9112 section 5.1 */
	FIELDS("A : b\r\n\r\n");
	FIELDS("A\t: b\r\n\r\n");
	FIELDS("Content-Length : 5\r\n\r\n");
	FIELDS("Transfer-Encoding : chunked\r\n\r\n");
	/* bare CR, bare LF */
	FIELDS("A: b\n\r\n");
	FIELDS("A: b\r\n\n");
	FIELDS("A: b\n\n");
	FIELDS("A: b\rC: d\r\n\r\n");
	FIELDS("A: b\r\r\n\r\n");
	FIELDS("A: b\r\n\r\r\n");
	FIELDS("\n");
	FIELDS("\rA: b\r\n\r\n");
	REQUEST("GET / HTTP/1.1\n\r\n");
	REQUEST("GET / HTTP/1.1\rA: b\r\n\r\n");
	REQUEST("GET / HTTP/1.1\r\r\n\r\n");
	RESPONSE("HTTP/1.1 200 OK\n\r\n");
	RESPONSE("HTTP/1.1 200 OK\rA: b\r\n\r\n");
	RESPONSE("HTTP/1.1 200\r\r\n\r\n");
	/* blank lines in front */
	RESPONSE("\r\nHTTP/1.1 200 OK\r\n\r\n");
	RESPONSE("\nHTTP/1.1 200 OK\r\n\r\n");
	RESPONSE(" HTTP/1.1 200 OK\r\n\r\n");
	REQUEST("\r\n\r\nGET / HTTP/1.1\r\n\r\n");
	REQUEST("\nGET / HTTP/1.1\r\n\r\n");
	REQUEST("\rGET / HTTP/1.1\r\n\r\n");
	REQUEST("\r\rGET / HTTP/1.1\r\n\r\n");
	REQUEST("\r\n\rGET / HTTP/1.1\r\n\r\n");
	REQUEST("\r\n\nGET / HTTP/1.1\r\n\r\n");
	REQUEST(" GET / HTTP/1.1\r\n\r\n");
	/* no name, no colon */
	FIELDS(": b\r\n\r\n");
	FIELDS("nothing\r\n\r\n");
}

static void test_start_lines(void **state)
{
	(void)state;
	REQUEST("GET  / HTTP/1.1\r\n\r\n");
	REQUEST("GET /  HTTP/1.1\r\n\r\n");
	REQUEST("GET\t/ HTTP/1.1\r\n\r\n");
	REQUEST("GET /\tHTTP/1.1\r\n\r\n");
	REQUEST("GET / HTTP/1.1 \r\n\r\n");
	REQUEST("GET / b HTTP/1.1\r\n\r\n");
	REQUEST("GET /\r\n\r\n");
	REQUEST("GET\r\n\r\n");
	REQUEST("GET / \r\n\r\n");
	REQUEST("GET HTTP/1.1\r\n\r\n");
	REQUEST("GET / HTTP/0.9\r\n\r\n");
	REQUEST("GET / HTTP/2.0\r\n\r\n");
	REQUEST("GET / HTTP/1.2\r\n\r\n");
	REQUEST("GET / HTTP/1.11\r\n\r\n");
	REQUEST("GET / HTTP/11\r\n\r\n");
	REQUEST("GET / HTTP/1.\r\n\r\n");
	REQUEST("GET / http/1.1\r\n\r\n");
	REQUEST("GET / HTTPS/1.1\r\n\r\n");
	REQUEST("GET / RTSP/1.0\r\n\r\n");
	REQUEST("DESCRIBE rtsp://x RTSP/1.0\r\n\r\n");
	REQUEST("SOURCE / ICE/1.0\r\n\r\n");
	REQUEST("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
	REQUEST("get / HTTP/1.1\r\n\r\n");
	REQUEST("FROBNICATE / HTTP/1.1\r\n\r\n");
	REQUEST("GET /\x80 HTTP/1.1\r\n\r\n");
	REQUEST("GET /\x01 HTTP/1.1\r\n\r\n");
	REQUEST("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"); /* a TLS client */
	REQUEST("\x05\x01\x00");                                 /* a SOCKS client */
	RESPONSE("HTTP/1.1  200 OK\r\n\r\n");
	RESPONSE("HTTP/1.1\t200 OK\r\n\r\n");
	RESPONSE("HTTP/1.1 20 OK\r\n\r\n");
	RESPONSE("HTTP/1.1 2000 OK\r\n\r\n");
	RESPONSE("HTTP/1.1 20a OK\r\n\r\n");
	RESPONSE("HTTP/1.1 000 OK\r\n\r\n");
	RESPONSE("HTTP/1.1 099 OK\r\n\r\n");
	RESPONSE("HTTP/1.1 -20 OK\r\n\r\n");
	RESPONSE("HTTP/1.1\r\n\r\n");
	RESPONSE("HTTP/1.1 \r\n\r\n");
	RESPONSE("HTTP/2.0 200 OK\r\n\r\n");
	RESPONSE("HTTP/0.9 200 OK\r\n\r\n");
	RESPONSE("HTTP/1.10 200 OK\r\n\r\n");
	RESPONSE("http/1.1 200 OK\r\n\r\n");
	RESPONSE("RTSP/1.0 200 OK\r\n\r\n");
	RESPONSE("ICY 200 OK\r\n\r\n");
	RESPONSE("SSH-2.0-OpenSSH_9.2\r\n");
	RESPONSE("GET / HTTP/1.1\r\n\r\n");
	REQUEST("HTTP/1.1 200 OK\r\n\r\n");
}

static bool is_tchar(unsigned c)
{
	return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
	       (c != 0 && c < 0x80 && strchr("!#$%&'*+-.^_`|~", (int)c));
}

/* Every byte in a name, in a value, and in the reason phrase: RFC 9110 sections 5.1 and 5.5, RFC 9112
 * section 4. */
static void test_every_byte(void **state)
{
	static struct http_head h;

	(void)state;
	for (unsigned c = 0; c < 256; c++) {
		bool text = c == '\t' || (c >= 0x20 && c != 0x7f);
		char head[] = "HTTP/1.1 200 a_b\r\nA_B: a_b\r\n\r\n";
		size_t n = sizeof(head) - 1;

		head[14] = (char)c;
		assert_int_equal(parse(HTTP_RESPONSE, head, n, &h, NULL), text ? 0 : VE_PROTO);
		head[14] = '_';
		head[24] = (char)c;
		assert_int_equal(parse(HTTP_RESPONSE, head, n, &h, NULL), text ? 0 : VE_PROTO);
		if (text)
			assert_int_equal(h.fields[0].value.n, 3);
		head[24] = '_';
		head[19] = (char)c;
		if (c == ':') { /* the name ends there */
			assert_int_equal(parse(HTTP_RESPONSE, head, n, &h, NULL), 0);
			assert_true(is(h.fields[0].name, "A"));
		} else {
			assert_int_equal(parse(HTTP_RESPONSE, head, n, &h, NULL), is_tchar(c) ? 0 : VE_PROTO);
		}
	}
}

/* --- pieces and bounds ---------------------------------------------------------------------------------- */

/* Every truncation asks for more, except that none is ever taken, and what follows the head changes nothing.
 */
static void test_truncations(void **state)
{
	static const char *const texts[] = {
		"\r\nPOST /vpnsvc/vpn.cgi HTTP/1.1\r\nHost: h:443\r\nKeep-Alive: timeout=15; "
		"max=19\r\nConnection: Keep-Alive\r\n"
		"X:\r\nContent-Length: 12345\r\n\r\n",
		"CONNECT [::1]:443 HTTP/1.0\r\nProxy-Authorization: Basic YTpi\r\n\r\n",
		("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\nConnection: upgrade\r\n"
		 "Upgrade: x\r\nA: \xff \r\n\r\n"),
		"HTTP/1.0 302\r\nLocation: /\r\nContent-Length: 0\r\n\r\n",
	};
	static struct http_head h, whole;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		enum http_kind kind = texts[i][0] == 'H' ? HTTP_RESPONSE : HTTP_REQUEST;
		size_t n = strlen(texts[i]);
		char longer[512];
		const char *why = "none";

		for (size_t k = 0; k < n; k++) {
			int r = parse(kind, texts[i], k, &h, &why);

			if (r != VE_AGAIN)
				fail_msg("%s after %zu bytes of %s", ve_name(r), k, texts[i]);
		}
		assert_string_equal(why, "none");
		accepted(kind, texts[i], &whole);
		assert_int_equal(whole.length, n);
		snprintf(longer, sizeof(longer), "%s%s", texts[i], "GET / HTTP/1.1\r\n\r\n\x01");
		accepted(kind, longer, &h);
		assert_int_equal(h.length, n);
		assert_int_equal(h.nfields, whole.nfields);
	}
	assert_int_equal(http_head_parse(HTTP_REQUEST, (struct slice){ 0 }, &h, NULL), VE_AGAIN);
	assert_int_equal(http_head_parse(HTTP_RESPONSE, (struct slice){ 0 }, &h, NULL), VE_AGAIN);
}

/* A head of exactly @n bytes, with one long field. */
static void make_head(char *to, size_t n)
{
	static const char start[] = "HTTP/1.1 200 OK\r\nA: ";

	memset(to, 'x', n);
	memcpy(to, start, sizeof(start) - 1);
	memcpy(to + n - 4, "\r\n\r\n", 4);
}

static void test_length_bound(void **state)
{
	static char text[HTTP_HEAD_MAX + 64];
	static struct http_head h;
	const char *why = NULL;

	(void)state;
	make_head(text, HTTP_HEAD_MAX);
	assert_int_equal(parse(HTTP_RESPONSE, text, HTTP_HEAD_MAX, &h, &why), 0);
	assert_int_equal(h.length, HTTP_HEAD_MAX);
	assert_int_equal(h.fields[0].value.n, HTTP_HEAD_MAX - 20 - 4);
	assert_int_equal(parse(HTTP_RESPONSE, text, HTTP_HEAD_MAX + 60, &h, &why),
			 0); /* with a body behind it */
	assert_int_equal(parse(HTTP_RESPONSE, text, HTTP_HEAD_MAX - 1, &h, &why), VE_AGAIN);
	make_head(text, HTTP_HEAD_MAX + 1);
	assert_int_equal(parse(HTTP_RESPONSE, text, HTTP_HEAD_MAX - 1, &h, &why), VE_AGAIN);
	assert_null(why);
	assert_int_equal(parse(HTTP_RESPONSE, text, HTTP_HEAD_MAX, &h, &why), VE_LIMIT);
	assert_non_null(why);
	assert_int_equal(parse(HTTP_RESPONSE, text, HTTP_HEAD_MAX + 1, &h, NULL), VE_LIMIT);
	/* a start line alone can be too long, too */
	memset(text, 'a', sizeof(text));
	memcpy(text, "GET /", 5);
	assert_int_equal(parse(HTTP_REQUEST, text, sizeof(text), &h, NULL), VE_LIMIT);
	assert_int_equal(parse(HTTP_REQUEST, text, 5, &h, NULL), VE_AGAIN);
}

static void test_field_bound(void **state)
{
	static struct http_head h;

	(void)state;
	for (size_t count = 0; count <= HTTP_FIELDS_MAX + 1; count++) {
		char text[4096];
		size_t n = (size_t)snprintf(text, sizeof(text), "GET / HTTP/1.1\r\n");
		const char *why = NULL;
		int r;

		for (size_t i = 0; i < count; i++)
			n += (size_t)snprintf(text + n, sizeof(text) - n, "F%zu: v%zu\r\n", i, i);
		n += (size_t)snprintf(text + n, sizeof(text) - n, "\r\n");
		r = parse(HTTP_REQUEST, text, n, &h, &why);
		assert_int_equal(r, count <= HTTP_FIELDS_MAX ? 0 : VE_LIMIT);
		assert_int_equal(why != NULL, r != 0);
		if (r != 0)
			continue;
		assert_int_equal(h.nfields, count);
		for (size_t i = 0; i < count; i++) {
			char want[16];

			snprintf(want, sizeof(want), "v%zu", i);
			assert_true(is(h.fields[i].value, want));
			snprintf(want, sizeof(want), "f%zu", i);
			assert_ptr_equal(http_head_find(&h, want).p, h.fields[i].value.p);
		}
	}
}

static void test_value_is(void **state)
{
	static const uint8_t text[] = "Keep-Alive";

	(void)state;
	assert_true(http_value_is((struct slice){ text, 10 }, "keep-alive"));
	assert_false(http_value_is((struct slice){ text, 9 }, "keep-alive"));
	assert_false(http_value_is((struct slice){ text, 10 }, "keep-aliv"));
	assert_false(http_value_is((struct slice){ text, 10 }, "keep_alive"));
	assert_true(http_value_is((struct slice){ NULL, 0 }, ""));
	assert_false(http_value_is((struct slice){ NULL, 0 }, "x"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_request),
		cmocka_unit_test(test_response),
		cmocka_unit_test(test_requests_of_all_kinds),
		cmocka_unit_test(test_body_lengths),
		cmocka_unit_test(test_smuggling),
		cmocka_unit_test(test_line_ends),
		cmocka_unit_test(test_start_lines),
		cmocka_unit_test(test_every_byte),
		cmocka_unit_test(test_truncations),
		cmocka_unit_test(test_length_bound),
		cmocka_unit_test(test_field_bound),
		cmocka_unit_test(test_value_is),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
