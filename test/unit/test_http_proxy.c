/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_http_proxy.c - the machine of the HTTP proxy: exchanges whole, cut everywhere, and ended everywhere. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/err.h"
#include "core/limits.h"
#include "test/support/http_rig.h"

#define VIA "Via: 1.1 softsocks\r\n"
#define OK_HEAD "HTTP/1.1 200 OK\r\n" RIG_DATE

/* An exchange as both sides see it. */
struct exchange {
	const char *name;
	const char *up;
	struct rig_answer answers[4];
	const char *sent; /* NULL: nothing */
	const char *down; /* NULL: not compared */
	enum { STAYS, CLOSES, TUNNELS, ABORTS } end;
};

static const struct exchange exchanges[] = {
	{ "get",
	  "GET http://a.test/x?y HTTP/1.1\r\nHost: a.test\r\nAccept: */*\r\nProxy-Connection: Keep-Alive\r\n\r\n",
	  { { .text = OK_HEAD "Content-Length: 5\r\n\r\nhello" } },
	  "[0]GET /x?y HTTP/1.1\r\nHost: a.test\r\nAccept: */*\r\n" VIA "\r\n",
	  OK_HEAD "Content-Length: 5\r\n" VIA "\r\nhello", STAYS },
	{ "two on one connection",
	  "GET http://a.test/1 HTTP/1.1\r\nHost: a.test\r\n\r\nGET http://A.test:80/2 HTTP/1.1\r\nHost: a.test\r\n\r\n",
	  { { .text = OK_HEAD "Content-Length: 1\r\n\r\n1" }, { .text = OK_HEAD "Content-Length: 1\r\n\r\n2"
	    } },
	  "[0]GET /1 HTTP/1.1\r\nHost: a.test\r\n" VIA "\r\nGET /2 HTTP/1.1\r\nHost: A.test:80\r\n" VIA "\r\n",
	  OK_HEAD "Content-Length: 1\r\n" VIA "\r\n1" OK_HEAD "Content-Length: 1\r\n" VIA "\r\n2", STAYS },
	{ "two targets",
	  "GET http://a.test/1 HTTP/1.1\r\nHost: a.test\r\n\r\n\r\nGET http://a.test:81/2 HTTP/1.1\r\nHost: a.test\r\n\r\n",
	  { { .text = OK_HEAD "Content-Length: 1\r\n\r\n1" }, { .text = OK_HEAD "Content-Length: 1\r\n\r\n2"
	    } },
	  "[0]GET /1 HTTP/1.1\r\nHost: a.test\r\n" VIA "\r\n[1]GET /2 HTTP/1.1\r\nHost: a.test:81\r\n"
	  VIA "\r\n",
	  OK_HEAD "Content-Length: 1\r\n" VIA "\r\n1" OK_HEAD "Content-Length: 1\r\n" VIA "\r\n2", STAYS },
	{ "post with a length, then get",
	  "POST http://a.test/ HTTP/1.1\r\nHost: a.test\r\nContent-Length: 11\r\n\r\nhello world"
	  "GET http://a.test/ HTTP/1.1\r\nHost: a.test\r\n\r\n",
	  { { .text = OK_HEAD "Content-Length: 0\r\n\r\n" }, { .text = OK_HEAD "Content-Length: 0\r\n\r\n" } },
	  "[0]POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 11\r\n" VIA "\r\nhello world"
	  "GET / HTTP/1.1\r\nHost: a.test\r\n" VIA "\r\n",
	  OK_HEAD "Content-Length: 0\r\n" VIA "\r\n" OK_HEAD "Content-Length: 0\r\n" VIA "\r\n", STAYS },
	{ "chunks and trailers both ways",
	  "PUT http://a.test/f HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\nTE: trailers, gzip\r\n"
	  "Connection: te\r\nTrailer: Sum\r\n\r\n5;ext=\"v;\"\r\nhello\r\n00a\r\n0123456789\r\n0\r\nSum: 1\r\n\r\n"
	  "GET http://a.test/2 HTTP/1.1\r\nHost: a.test\r\n\r\n",
	  { { .text = OK_HEAD "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nTag: x\r\n\r\n" },
	    { .text = OK_HEAD "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n" } },
	  "[0]PUT /f HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\nTrailer: Sum\r\nTE: trailers\r\n"
	  "Connection: TE\r\n" VIA "\r\n5;ext=\"v;\"\r\nhello\r\n00a\r\n0123456789\r\n0\r\nSum: 1\r\n\r\n"
	  "GET /2 HTTP/1.1\r\nHost: a.test\r\n" VIA "\r\n",
	  OK_HEAD "Transfer-Encoding: chunked\r\n" VIA "\r\n3\r\nabc\r\n0\r\nTag: x\r\n\r\n"
	  OK_HEAD "Transfer-Encoding: chunked\r\n" VIA "\r\n0\r\n\r\n", STAYS },
	{ "100-continue",
	  "POST http://a.test/ HTTP/1.1\r\nHost: a.test\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\nhi",
	  { { .text = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n" RIG_DATE "\r\n" } },
	  "[0]POST / HTTP/1.1\r\nHost: a.test\r\nExpect: 100-continue\r\nContent-Length: 2\r\n" VIA "\r\nhi",
	  "HTTP/1.1 100 Continue\r\n" VIA "\r\nHTTP/1.1 204 No Content\r\n" RIG_DATE VIA "\r\n", STAYS },
	{ "until close",
	  "GET http://a.test/ HTTP/1.1\r\nHost: a.test\r\n\r\n",
	  { { .text = "HTTP/1.0 200 OK\r\n\r\nall of it", .end = VE_EOF } },
	  "[0]GET / HTTP/1.1\r\nHost: a.test\r\n" VIA "\r\n",
	  "HTTP/1.1 200 OK\r\n" RIG_DATE "Connection: close\r\nVia: 1.0 softsocks\r\n\r\nall of it", CLOSES },
	{ "old client, chunked answer",
	  "GET http://a.test/ HTTP/1.0\r\n\r\n",
	  { { .text = OK_HEAD "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x\r\nde\r\n0\r\nT: u\r\n\r\n"
	    } },
	  "[0]GET / HTTP/1.1\r\nHost: a.test\r\nVia: 1.0 softsocks\r\n\r\n",
	  OK_HEAD "Connection: close\r\n" VIA "\r\nabcde", CLOSES },
	{ "head, and an answer that names a length",
	  "HEAD http://a.test/ HTTP/1.1\r\nHost: a.test\r\n\r\nGET http://a.test/ HTTP/1.1\r\nHost: a.test\r\n\r\n",
	  { { .text = OK_HEAD "Content-Length: 500\r\n\r\n" }, { .text = "HTTP/1.1 304 \r\n" RIG_DATE "\r\n"
	    } },
	  "[0]HEAD / HTTP/1.1\r\nHost: a.test\r\n" VIA "\r\nGET / HTTP/1.1\r\nHost: a.test\r\n" VIA "\r\n",
	  OK_HEAD "Content-Length: 500\r\n" VIA "\r\nHTTP/1.1 304 \r\n" RIG_DATE VIA "\r\n", STAYS },
	{ "websocket",
	  "GET http://a.test/ws HTTP/1.1\r\nHost: a.test\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n\r\n",
	  { { .text = "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n"
	    RIG_DATE "\r\nraw" } },
	  "[0]GET /ws HTTP/1.1\r\nHost: a.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" VIA "\r\n",
	  "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n" RIG_DATE "Connection: Upgrade\r\n"
	  VIA "\r\n",
	  TUNNELS },
	{ "connect", "CONNECT a.test:443 HTTP/1.1\r\nHost: a.test:443\r\n\r\n", { { .text = "raw" } }, "[0]",
	  "HTTP/1.1 200 Connection established\r\n\r\n", TUNNELS },
	{ "connect refused", "CONNECT a.test:443 HTTP/1.1\r\nHost: a.test:443\r\n\r\n",
	  { { .refuse = VE_REFUSED } }, NULL,
	  "HTTP/1.1 502 Bad Gateway\r\n"
	  RIG_DATE "Content-Type: text/plain; charset=utf-8\r\nCache-Control: no-store\r\n"
	  "X-Content-Type-Options: nosniff\r\nContent-Length: 137\r\n\r\n502 Bad Gateway\n\nThe server refused the connection.\n"
	  "Check the port, and whether the service runs there.\nServer: a.test:443\n\n-- softsocks\n", STAYS },
	{ "a server that closes after each answer",
	  "GET http://a.test/1 HTTP/1.1\r\nHost: a.test\r\n\r\nGET http://a.test/2 HTTP/1.1\r\nHost: a.test\r\n\r\n",
	  { { .text = OK_HEAD "Content-Length: 1\r\nConnection: close\r\n\r\n1" },
	    { .text = OK_HEAD "Content-Length: 1\r\n\r\n2", .end = VE_EOF } },
	  "[0]GET /1 HTTP/1.1\r\nHost: a.test\r\n" VIA "\r\n[1]GET /2 HTTP/1.1\r\nHost: a.test\r\n" VIA "\r\n",
	  OK_HEAD "Content-Length: 1\r\n" VIA "\r\n1" OK_HEAD "Content-Length: 1\r\n" VIA "\r\n2", STAYS },
	{ "a kept connection that dies is replaced",
	  "GET http://a.test/1 HTTP/1.1\r\nHost: a.test\r\n\r\nGET http://a.test/2 HTTP/1.1\r\nHost: a.test\r\n\r\n",
	  { { .text = OK_HEAD "Content-Length: 1\r\n\r\n1" }, { .text = "", .end = VE_RESET },
	    { .text = OK_HEAD "Content-Length: 1\r\n\r\n2" } },
	  "[0]GET /1 HTTP/1.1\r\nHost: a.test\r\n" VIA "\r\nGET /2 HTTP/1.1\r\nHost: a.test\r\n" VIA "\r\n"
	  "[1]GET /2 HTTP/1.1\r\nHost: a.test\r\n" VIA "\r\n",
	  OK_HEAD "Content-Length: 1\r\n" VIA "\r\n1" OK_HEAD "Content-Length: 1\r\n" VIA "\r\n2", STAYS },
	{ "an answer cut short", "GET http://a.test/1 HTTP/1.1\r\nHost: a.test\r\n\r\n",
	  { { .text = OK_HEAD "Content-Length: 9\r\n\r\n1234", .end = VE_EOF } },
	  "[0]GET /1 HTTP/1.1\r\nHost: a.test\r\n" VIA "\r\n", NULL, ABORTS },
	{ "malformed", "GET http://a.test/ HTTP/1.1\r\nHost : a.test\r\n\r\n", { { 0 } }, NULL, NULL, CLOSES },
	{ "bad chunk",
	  "POST http://a.test/ HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n",
	  { { 0 } },
	  NULL, NULL, CLOSES },
};

static void rig_start(struct http_rig *r, const struct exchange *x)
{
	http_rig_init(r);
	r->up = (const uint8_t *)x->up;
	r->nup = strlen(x->up);
	for (unsigned i = 0; i < 4 && (x->answers[i].text || x->answers[i].refuse); i++)
		r->answers[r->nanswers++] = x->answers[i];
}

static void assert_text(const uint8_t *got, size_t n, const char *want)
{
	if (n != strlen(want) || memcmp(got, want, n) != 0)
		fail_msg("got:\n%.*s\nwanted:\n%s", (int)n, (const char *)got, want);
}

static void check_end(const struct http_rig *r, const struct exchange *x)
{
	if (r->closed != (x->end == CLOSES) || r->tunnel != (x->end == TUNNELS))
		fail_msg("%s: closed %d, tunnel %d, cut %zu, %zu", x->name, r->closed, r->tunnel, r->cut,
		r->cut_once);
	assert_int_equal(r->aborted, x->end == ABORTS);
}

static void test_exchanges(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(exchanges); i++) {
		const struct exchange *x = &exchanges[i];
		struct http_rig r;

		print_message("  %s\n", x->name);
		rig_start(&r, x);
		http_rig_run(&r);
		check_end(&r, x);
		if (x->sent)
			assert_text(r.sent, r.nsent, x->sent);
		if (x->down)
			assert_text(r.down, r.ndown, x->down);
		if (x->end == STAYS) {
			assert_int_equal(r.p.state, HTTP_IDLE);
			assert_null(r.p.in.p);
			assert_null(r.p.out.p);
			assert_null(r.p.head.p);
			assert_null(r.p.answer.p);
		}
		http_rig_fini(&r);
	}
}

/* The same to the byte, however client and target cut what they send. */
static void same_when_cut(const struct exchange *x, const struct http_rig *whole, size_t cut, size_t once)
{
	struct http_rig r;

	rig_start(&r, x);
	r.cut = cut;
	r.cut_once = once;
	http_rig_run(&r);
	check_end(&r, x);
	if (x->end != ABORTS && x->sent) /* how far both got before an abort depends on it */
		assert_text(r.sent, r.nsent, (const char *)whole->sent);
	if (x->end != ABORTS)
		assert_text(r.down, r.ndown, (const char *)whole->down);
	assert_int_equal(r.opens, whole->opens);
	http_rig_fini(&r);
}

static void test_split_points(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(exchanges); i++) {
		const struct exchange *x = &exchanges[i];
		struct http_rig whole;

		rig_start(&whole, x);
		http_rig_run(&whole);
		for (size_t cut = 1; cut < 8; cut++)
			same_when_cut(x, &whole, cut, 0);
		for (size_t once = 1; once < 512; once++)
			same_when_cut(x, &whole, 0, once);
		http_rig_fini(&whole);
	}
}

static bool is_final_page(const struct http_rig *r, const char *status)
{
	return strstr((const char *)r->down, status) != NULL;
}

/* A client that ends anywhere in its requests: what is whole is answered, what is not never looks whole to a target. */
static void test_truncated_requests(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(exchanges); i++) {
		const struct exchange *x = &exchanges[i];

		for (size_t n = 0; n < strlen(x->up); n++) {
			struct http_rig r;

			rig_start(&r, x);
			r.nup = n;
			r.up_ends = true;
			r.down[0] = '\0';
			http_rig_run(&r);
			assert_true(r.closed || r.aborted || r.tunnel);
			if (x->sent && r.nsent > 0 && !strstr(x->up, "HTTP/1.0"))
				assert_memory_equal(r.sent, x->sent, r.nsent);
			http_rig_fini(&r);
		}
	}
}

/* A target that ends anywhere in its answer: the client gets an error page, or a connection that breaks; never a part that
 * could be taken for the whole, unless only the end of the connection tells. */
static void test_truncated_answers(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(exchanges); i++) {
		const struct exchange *x = &exchanges[i];
		size_t whole = x->answers[0].text ? strlen(x->answers[0].text) : 0;

		if (x->end == TUNNELS || x->answers[0].end != 0)
			continue;
		for (size_t n = 0; n < whole; n++) {
			struct http_rig r;

			rig_start(&r, x);
			r.nanswers = 1;
			r.answers[0].n = n;
			r.answers[0].text = n > 0 ? x->answers[0].text : "";
			r.answers[0].end = n % 2 ? VE_EOF : VE_RESET;
			r.down[0] = '\0';
			http_rig_run(&r);
			if (!r.aborted && !is_final_page(&r, "HTTP/1.1 502 "))
				fail_msg("%s: %zu bytes of an answer: %s", x->name, n, (const char *)r.down);
			http_rig_fini(&r);
		}
	}
}

/* --- limits and back-pressure --------------------------------------------------------------------------- */

static char *filled(const char *head, const char *unit, size_t total)
{
	char *s = malloc(total + 1);
	size_t n = strlen(head), u = strlen(unit);

	assert_non_null(s);
	memcpy(s, head, n);
	for (; n + u <= total; n += u)
		memcpy(s + n, unit, u);
	s[n] = '\0';
	return s;
}

static void big_head(const char *head, const char *unit, const char *status)
{
	char *text = filled(head, unit, 1024 * 1024);
	struct exchange x = { .up = text };
	struct http_rig r;

	rig_start(&r, &x);
	http_rig_run(&r);
	assert_true(r.closed);
	assert_memory_equal(r.down, status, strlen(status));
	assert_int_equal(r.opens, 0);
	assert_true(r.up_at <= HTTP_HEAD_MAX);
	assert_true(r.memory <= HTTP_HEAD_MAX + HTTP_OUT_MAX);
	http_rig_fini(&r);
	free(text);
}

static void test_big_heads(void **state)
{
	(void)state;
	big_head("GET http://a.test/ HTTP/1.1\r\nHost: a.test\r\n", "Cookie: 0123456789\r\n", "HTTP/1.1 431 ");
	big_head("GET http://a.test/ HTTP/1.1\r\nHost: a.test\r\nCookie: ", "0123456789", "HTTP/1.1 431 ");
	big_head("GET http://a.test/", "0123456789", "HTTP/1.1 414 ");
}

static void test_largest_head(void **state)
{
	static const char end[] = "\r\n\r\n";
	char *text = filled("GET http://a.test/ HTTP/1.1\r\nHost: a.test\r\nCookie: ", "x", HTTP_HEAD_MAX);
	struct exchange x = { .up = text, .answers = { { .text = OK_HEAD "Content-Length: 0\r\n\r\n" } } };

	(void)state;
	memcpy(text + HTTP_HEAD_MAX - 4, end, 4);
	for (size_t more = 0; more < 2; more++) {
		struct http_rig r;

		rig_start(&r, &x);
		r.nup = HTTP_HEAD_MAX;
		if (more) {
			memcpy(text + HTTP_HEAD_MAX - 4, "xxxx", 4);
			http_rig_run(&r);
			assert_memory_equal(r.down, "HTTP/1.1 431 ", 13);
		} else {
			http_rig_run(&r);
			assert_memory_equal(r.down, "HTTP/1.1 200 ", 13);
		}
		http_rig_fini(&r);
	}
	free(text);
}

static void test_many_fields(void **state)
{
	char text[8192];
	struct exchange x = { .up = text, .answers = { { .text = OK_HEAD "Content-Length: 0\r\n\r\n" } } };

	(void)state;
	for (unsigned fields = HTTP_FIELDS_MAX; fields <= HTTP_FIELDS_MAX + 1; fields++) {
		struct http_rig r;
		int n = snprintf(text, sizeof(text), "GET http://a.test/ HTTP/1.1\r\nHost: a.test\r\n");

		for (unsigned i = 1; i < fields; i++)
			n += snprintf(text + n, sizeof(text) - (size_t)n, "X-%u:y\r\n", i);
		snprintf(text + n, sizeof(text) - (size_t)n, "\r\n");
		rig_start(&r, &x);
		http_rig_run(&r);
		assert_memory_equal(r.down, fields > HTTP_FIELDS_MAX ? "HTTP/1.1 431 " : "HTTP/1.1 200 ", 13);
		http_rig_fini(&r);
	}
}

/* A client that reads nothing: the machine takes what it has room for, then nothing. */
static void test_deaf_client(void **state)
{
	static const char head[] = OK_HEAD "Content-Length: 400000\r\n\r\n";
	char *text = filled(head, "0123456789abcdef", sizeof(head) - 1 + 400000);
	struct exchange x = { .up = "GET http://a.test/ HTTP/1.1\r\nHost: a.test\r\n\r\n",
	.answers = { { .text = text } } };
	struct http_rig r;

	(void)state;
	rig_start(&r, &x);
	r.deaf = true;
	http_rig_run(&r);
	assert_true(r.answer_at <= HTTP_OUT_MAX);
	assert_true(r.memory <= 2 * HTTP_HEAD_MAX + HTTP_OUT_MAX + HTTP_HEAD_MAX + HTTP_REQUEST_GROWTH);
	r.deaf = false;
	http_rig_run(&r);
	assert_int_equal(r.ndown, strlen(text) + strlen(VIA));
	assert_memory_equal(r.down + r.ndown - 400000, text + sizeof(head) - 1, 400000);
	http_rig_fini(&r);
	free(text);
}

static void fill(struct http_proxy *p, const char *text)
{
	size_t room;
	uint8_t *to = http_proxy_reserve(p, &room);

	assert_non_null(to);
	memcpy(to, text, room);
	http_proxy_commit(p, room);
}

/* A target that takes nothing: the body waits at the client. */
static void test_deaf_target(void **state)
{
	static const char head[] = "POST http://a.test/ HTTP/1.1\r\nHost: a.test\r\nContent-Length: 100000\r\n\r\n";
	char *text = filled(head, "0123456789abcdef", sizeof(head) - 1 + 100000);
	struct exchange x = { .up = text, .answers = { { .text = OK_HEAD "Content-Length: 0\r\n\r\n" } } };
	struct http_rig r;
	size_t room;

	(void)state;
	rig_start(&r, &x);
	http_rig_run(&r);
	assert_int_equal(r.nsent, strlen(text) + 3 - strlen("http://a.test") + strlen(VIA));
	assert_true(r.memory <= 2 * HTTP_HEAD_MAX + HTTP_OUT_MAX + HTTP_HEAD_MAX + HTTP_REQUEST_GROWTH);
	http_rig_fini(&r);

	/* by hand: nothing is pulled */
	rig_start(&r, &x);
	fill(&r.p, text);
	assert_int_equal(http_proxy_next_event(&r.p), HTTP_EV_OPEN);
	fill(&r.p, text);
	http_proxy_target_opened(&r.p);
	assert_null(http_proxy_reserve(&r.p, &room));
	http_rig_fini(&r);
	free(text);
}

static void test_idle_memory(void **state)
{
	(void)state;
	print_message("  an idle client: %zu bytes\n", sizeof(struct http_proxy));
	assert_true(sizeof(struct http_proxy) < 2048);
}

/* --- time ----------------------------------------------------------------------------------------------- */

static void test_idle_ends(void **state)
{
	struct http_rig r;

	(void)state;
	rig_start(&r, &exchanges[0]);
	assert_int_equal(http_proxy_deadline(&r.p),
	UINT64_MAX); /* the first head is the caller's to wait for */
	assert_true(http_proxy_waits(&r.p));
	http_rig_run(&r);
	assert_false(http_proxy_waits(&r.p));
	assert_int_equal(http_proxy_deadline(&r.p), 1000 + HTTP_IDLE_MS);
	http_proxy_clock(&r.p, 1000 + HTTP_IDLE_MS - 1, 0);
	http_proxy_tick(&r.p);
	http_rig_run(&r);
	assert_false(r.closed);
	http_proxy_clock(&r.p, 1000 + HTTP_IDLE_MS, 0);
	http_proxy_tick(&r.p);
	http_rig_run(&r);
	assert_true(r.closed);
	http_rig_fini(&r);
}

static void test_slow_next_head(void **state)
{
	struct http_rig r;

	(void)state;
	rig_start(&r, &exchanges[0]);
	http_rig_run(&r);
	r.up = (const uint8_t *)"GET http";
	r.nup = 8;
	r.up_at = 0;
	http_rig_run(&r);
	assert_true(http_proxy_waits(&r.p)); /* the caller cuts it off */
	http_rig_fini(&r);
}

static void test_no_answer(void **state)
{
	struct exchange x = exchanges[0];
	struct http_rig r;

	(void)state;
	memset(x.answers, 0, sizeof(x.answers));
	rig_start(&r, &x);
	http_rig_run(&r);
	assert_int_equal(http_proxy_deadline(&r.p), 1000 + HTTP_ANSWER_MS);
	http_proxy_clock(&r.p, 1000 + HTTP_ANSWER_MS, RIG_SECONDS);
	http_proxy_tick(&r.p);
	http_rig_run(&r);
	assert_memory_equal(r.down, "HTTP/1.1 504 ", 13);
	assert_false(r.open);
	http_rig_fini(&r);
}

/* --- what is odd ---------------------------------------------------------------------------------------- */

/* A POST is not sent twice. */
static void test_post_is_not_repeated(void **state)
{
	const struct exchange x = {
		.up = "GET http://a.test/1 HTTP/1.1\r\nHost: a.test\r\n\r\n"
		      "POST http://a.test/2 HTTP/1.1\r\nHost: a.test\r\nContent-Length: 1\r\n\r\nx",
		.answers = { { .text = OK_HEAD "Content-Length: 0\r\n\r\n" }, { .text = "", .end = VE_EOF } },
	};
	struct http_rig r;

	(void)state;
	rig_start(&r, &x);
	http_rig_run(&r);
	assert_int_equal(r.opens, 1);
	assert_true(is_final_page(&r, "HTTP/1.1 502 "));
	assert_true(r.closed);
	http_rig_fini(&r);
}

/* Once, and not for ever: the second connection is a new one. */
static void test_repeated_once(void **state)
{
	const struct exchange x = {
		.up = "GET http://a.test/1 HTTP/1.1\r\nHost: a.test\r\n\r\nGET http://a.test/2 HTTP/1.1\r\nHost: a.test\r\n\r\n",
		.answers = { { .text = OK_HEAD "Content-Length: 0\r\n\r\n" }, { .text = "", .end = VE_EOF },
			     { .text = "", .end = VE_EOF } },
	};
	struct http_rig r;

	(void)state;
	rig_start(&r, &x);
	http_rig_run(&r);
	assert_int_equal(r.opens, 2);
	assert_true(is_final_page(&r, "HTTP/1.1 502 "));
	http_rig_fini(&r);
}

/* Bytes that no request asked for are never the answer to the next one. */
static void test_unasked_bytes(void **state)
{
	const struct exchange x = {
		.up = "GET http://a.test/1 HTTP/1.1\r\nHost: a.test\r\n\r\nGET http://a.test/2 HTTP/1.1\r\nHost: a.test\r\n\r\n",
		.answers = { { .text = OK_HEAD "Content-Length: 1\r\n\r\n1HTTP/1.1 200 Poison\r\nContent-Length: 0\r\n\r\n"
		},
			     { .text = OK_HEAD "Content-Length: 1\r\n\r\n2" } },
	};

	struct http_rig r;

	(void)state;
	rig_start(&r, &x);
	http_rig_run(&r);
	assert_null(strstr((const char *)r.down, "Poison"));
	assert_int_equal(r.opens, 2);
	http_rig_fini(&r);
}

/* The answer comes before the request is through: it is passed on, and the connection ends after it. */
static void test_early_answer(void **state)
{
	const struct exchange x = {
		.up = "POST http://a.test/ HTTP/1.1\r\nHost: a.test\r\nContent-Length: 100\r\n\r\nbegin",
		.answers = { { .text = OK_HEAD "Content-Length: 2\r\n\r\nno", .at_once = true } },
	};
	struct http_rig r;

	(void)state;
	rig_start(&r, &x);
	http_rig_run(&r);
	assert_text(r.down, r.ndown, OK_HEAD "Content-Length: 2\r\nConnection: close\r\n" VIA "\r\nno");
	assert_true(r.closed);
	http_rig_fini(&r);
}

static void test_early_payload(void **state)
{
	const struct exchange x = {
		.up = "CONNECT a.test:443 HTTP/1.1\r\nHost: a.test:443\r\n\r\nhello",
		.answers = { { .text = "" } },
	};
	struct http_rig r;

	(void)state;
	rig_start(&r, &x);
	http_rig_run(&r);
	assert_true(r.tunnel);
	assert_text(buf_peek(&r.p.in).p, buf_len(&r.p.in), "hello");
	http_rig_fini(&r);
}

/* Endless interim answers, endless chunk extensions, endless trailers: nothing grows, and the last two end. */
static void test_endless(void **state)
{
	char *interim = filled("", "HTTP/1.1 102 Processing\r\n\r\n", 200000);
	char *extension = filled(OK_HEAD "Transfer-Encoding: chunked\r\n\r\n1;", "x", 200000);
	char *trailers = filled(OK_HEAD "Transfer-Encoding: chunked\r\n\r\n0\r\n", "A: b\r\n", 200000);
	struct exchange x = exchanges[0];
	struct http_rig r;

	(void)state;
	x.answers[0].text = interim;
	rig_start(&r, &x);
	http_rig_run(&r);
	assert_int_equal(r.p.state, HTTP_WAITING);
	http_rig_fini(&r);
	for (unsigned i = 0; i < 2; i++) {
		x.answers[0].text = i == 0 ? extension : trailers;
		rig_start(&r, &x);
		r.cut = 1000;
		http_rig_run(&r);
		assert_true(r.aborted);
		http_rig_fini(&r);
	}
	free(interim);
	free(extension);
	free(trailers);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_exchanges),
		cmocka_unit_test(test_split_points),
		cmocka_unit_test(test_truncated_requests),
		cmocka_unit_test(test_truncated_answers),
		cmocka_unit_test(test_big_heads),
		cmocka_unit_test(test_largest_head),
		cmocka_unit_test(test_many_fields),
		cmocka_unit_test(test_deaf_client),
		cmocka_unit_test(test_deaf_target),
		cmocka_unit_test(test_idle_memory),
		cmocka_unit_test(test_idle_ends),
		cmocka_unit_test(test_slow_next_head),
		cmocka_unit_test(test_no_answer),
		cmocka_unit_test(test_post_is_not_repeated),
		cmocka_unit_test(test_repeated_once),
		cmocka_unit_test(test_unasked_bytes),
		cmocka_unit_test(test_early_answer),
		cmocka_unit_test(test_early_payload),
		cmocka_unit_test(test_endless),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
