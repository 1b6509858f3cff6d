/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_http_rfc.c - what RFC 9110 and RFC 9112 require of a proxy, one row a requirement, every row a test.
 *
 * A row is an exchange and what must and must not be found in what the target and the client got. Several texts are parted
 * by "|". Some rows are our own decisions where the RFCs leave them to us; they say so. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/err.h"
#include "test/support/http_rig.h"

#define REQ(method, target, fields) method " " target " HTTP/1.1\r\nHost: a.test\r\n" fields "\r\n"
#define GET(fields) REQ("GET", "http://a.test/p", fields)
#define OK(fields) "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n" fields "\r\n"
#define S400 "HTTP/1.1 400 "
#define CLOSE "Connection: close"

struct row {
	const char *name;
	const char *up;
	const char *answer; /* NULL: the target says nothing */
	const char *sent_has, *sent_not, *down_has, *down_not;
	enum { ANY, STAYS, CLOSES, ABORTS, TUNNELS } end;
	int answer_end;
	bool auth;
};

static const struct row rows[] = {
	/* --- RFC 9110: fields and forwarding --- */
	{ "9110 5.3: fields of one name keep their order", GET("X: 1\r\nY: 0\r\nX: 2\r\n"), OK(""),
	  .sent_has = "X: 1\r\nY: 0\r\nX: 2\r\n" },
	{ "9110 5.1: unknown fields are forwarded", GET("X-Nobody-Knows: 1\r\n"), OK("X-Me-Neither: 2\r\n"),
	  .sent_has = "X-Nobody-Knows: 1\r\n", .down_has = "X-Me-Neither: 2\r\n" },
	{ "9110 7.6.1: Connection is removed, with the fields it names",
	  GET("Connection: x-mine , close\r\nX-Mine: 1\r\nX-Other: 2\r\n"),
	  OK("Connection: X-Yours\r\nX-Yours: 1\r\n"), .sent_has = "X-Other: 2",
	  .sent_not = "Connection|X-Mine|x-mine",
	  .down_not = "X-Yours" },
	{ "9110 7.6.1: Connection in several fields, empty members",
	  GET("Connection: , a\r\nConnection: b,,\r\nA: 1\r\nB: 2\r\nC: 3\r\n"), OK(""),
	  .sent_has = "C: 3", .sent_not = "A: 1|B: 2" },
	{ "9110 7.6.1: hop-by-hop fields are removed unnamed",
	  GET("Proxy-Connection: keep-alive\r\nKeep-Alive: 5\r\nTE: gzip\r\n"),
	  OK("Keep-Alive: timeout=5\r\nProxy-Connection: close\r\n"),
	  .sent_not = "Proxy-Connection|Keep-Alive|TE:",
	  .down_not = "Keep-Alive|Proxy-Connection" },
	{ "9110 7.6.1: Connection cannot remove what frames the body", REQ("POST", "http://a.test/",
	  "Connection: content-length, host\r\nContent-Length: 2\r\n") "hi",
	  OK(""), .sent_has = "Content-Length: 2\r\n|Host: a.test\r\n|\r\n\r\nhi", .end = STAYS },
	{ "9110 7.6.2: Max-Forwards 0 ends OPTIONS here", REQ("OPTIONS", "http://a.test/",
	  "Max-Forwards: 0\r\n"), NULL,
	  .sent_not = "OPTIONS", .down_has = "HTTP/1.1 200 |Allow: |Content-Length: 0\r\n", .end = STAYS },
	{ "9110 7.6.2: Max-Forwards 0 ends TRACE here (nothing is reflected: ours)", REQ("TRACE",
	  "http://a.test/", "Max-Forwards: 0\r\nCookie: secret\r\n"), NULL,
	  .sent_not = "TRACE", .down_has = "HTTP/1.1 405 |Allow: ", .down_not = "secret" },
	{ "9110 7.6.2: Max-Forwards is counted down for OPTIONS", REQ("OPTIONS", "http://a.test/",
	  "Max-Forwards: 10\r\n"), OK(""), .sent_has = "Max-Forwards: 9\r\n", .sent_not = "Max-Forwards: 10"
	  },
	{ "9110 7.6.2: and for TRACE", REQ("TRACE", "http://a.test/", "Max-Forwards: 1\r\n"), OK(""),
	  .sent_has = "TRACE / |Max-Forwards: 0\r\n" },
	{ "9110 7.6.2: not for other methods", GET("Max-Forwards: 0\r\n"), OK(""),
	  .sent_has = "Max-Forwards: 0\r\n" },
	{ "9110 7.6.2: no number", REQ("OPTIONS", "http://a.test/", "Max-Forwards: -1\r\n"), NULL,
	  .down_has = S400 },
	{ "9110 7.6.3: Via is added to requests and answers, after what is there", GET("Via: 1.0 fred\r\n"),
	  "HTTP/1.0 200 OK\r\nContent-Length: 0\r\nVia: 1.1 web\r\n\r\n",
	  .sent_has = "Via: 1.0 fred\r\nVia: 1.1 softsocks\r\n", .down_has = "Via: 1.1 web\r\n"
	  RIG_DATE "Via: 1.0 softsocks\r\n" },
	{ "9110 7.6.3: circles end (how many rounds: ours)",
	  GET("Via: 1.1 softsocks, 1.1 x (softsocks)\r\nVia: 1.1 softsocks, HTTP/1.1 SoftSocks (a), 1.1 softsocks\r\n"),
	  NULL,
	  .sent_not = "GET", .down_has = "HTTP/1.1 502 " },
	{ "9110 7.6.3: a chain of proxies is none", GET("Via: 1.1 softsocks, 1.1 softsocks\r\n"), OK(""),
	  .sent_has = "GET" },
	{ "9110 7.8: an upgrade that is asked for is forwarded",
	  GET("Connection: upgrade\r\nUpgrade: websocket\r\n"), OK(""),
	  .sent_has = "Connection: Upgrade\r\nUpgrade: websocket\r\n" },
	{ "9110 7.8: not if Connection does not name it", GET("Upgrade: websocket\r\n"), OK(""),
	  .sent_not = "Upgrade" },
	{ "9110 7.8: not from HTTP/1.0",
	  "GET http://a.test/ HTTP/1.0\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n", OK(""),
	  .sent_not = "Upgrade|upgrade" },
	{ "9110 7.8: h2c is for the next hop only (dropped: ours)",
	  GET("Connection: upgrade, http2-settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMA\r\n"), OK(""),
	  .sent_not = "Upgrade|HTTP2-Settings" },
	{ "9110 15.2.2: 101 that nobody asked for", GET(""), "HTTP/1.1 101 Switching\r\nUpgrade: x\r\n\r\n",
	  .down_has = "HTTP/1.1 502 ", .down_not = " 101 " },
	{ "9110 7.8: the answer to 101 is passed on with its fields",
	  GET("Connection: upgrade\r\nUpgrade: x\r\n"),
	  "HTTP/1.1 101 S\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n",
	  .down_has = "HTTP/1.1 101 S\r\nUpgrade: x\r\n|Connection: Upgrade\r\n", .end = TUNNELS },
	{ "9110 15.5.22: 426 keeps Upgrade", GET(""),
	  "HTTP/1.1 426 Upgrade Required\r\nConnection: upgrade\r\nUpgrade: TLS/1.0\r\nContent-Length: 0\r\n\r\n",
	  .down_has = "Upgrade: TLS/1.0\r\n|Connection: Upgrade\r\n" },
	{ "9110 10.1.1: Expect is forwarded, and 100 comes back", REQ("PUT", "http://a.test/",
	  "Expect: 100-continue\r\nContent-Length: 1\r\n") "x", "HTTP/1.1 100 Continue\r\n\r\n" OK(""),
	  .sent_has = "Expect: 100-continue\r\n", .down_has = "HTTP/1.1 100 Continue\r\n|HTTP/1.1 200 OK\r\n",
	  .end = STAYS },
	{ "9110 10.1.1: not for HTTP/1.0",
	  "PUT http://a.test/ HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\nx",
	  "HTTP/1.1 100 Continue\r\n\r\n" OK(""),
	  .sent_not = "Expect", .down_has = "HTTP/1.1 200 OK", .down_not = "100 Continue" },
	{ "9110 15.2: 1xx before the answer are passed on, several of them", GET(""),
	  "HTTP/1.1 102 P\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" OK(""),
	  .down_has = "HTTP/1.1 102 P\r\n|HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n|HTTP/1.1 200 OK\r\n" },
	{ "9110 15.2: but not to HTTP/1.0", "GET http://a.test/ HTTP/1.0\r\n\r\n",
	  "HTTP/1.1 103 Early Hints\r\n\r\n" OK(""), .down_has = "HTTP/1.1 200 OK", .down_not = " 103 " },
	{ "9110 10.1.4: TE: trailers goes on as ours", GET("TE: gzip, trailers\r\nConnection: TE\r\n"),
	  OK(""), .sent_has = "TE: trailers\r\nConnection: TE\r\n", .sent_not = "gzip" },
	{ "9110 6.6.1: a Date is added", GET(""), OK(""), .down_has = RIG_DATE },
	{ "9110 6.6.1: but not beside one", GET(""), OK("Date: Mon, 07 Nov 1994 08:49:37 GMT\r\n"),
	  .down_has = "Date: Mon", .down_not = "Date: Sun" },
	{ "9110 11.7: proxy credentials stay here",
	  GET("Proxy-Authorization: Basic dXNlcjpwYXNz\r\nAuthorization: Basic YTpi\r\n"),
	  OK("Proxy-Authenticate: Basic realm=x\r\nProxy-Authentication-Info: y\r\n"),
	  .sent_has = "\r\nAuthorization: Basic YTpi\r\n", .sent_not = "Proxy-Authorization",
	  .down_not = "Proxy-Auth" },
	{ "9110 11.7.1: without credentials: 407 and a challenge", GET(""), NULL, .sent_not = "GET",
	  .down_has = "HTTP/1.1 407 |Proxy-Authenticate: Basic realm=", .end = STAYS, .auth = true },
	{ "9110 11.7.1: CONNECT needs them too", REQ("CONNECT", "a.test:1", ""), NULL,
	  .down_has = "HTTP/1.1 407 ", .auth = true },
	{ "9110 11.7.2: with the right ones", GET("Proxy-Authorization: basic dXNlcjpwYXNz\r\n"), OK(""),
	  .sent_has = "GET", .down_has = "200 OK", .auth = true },
	{ "9110 11.7.2: with wrong ones", GET("Proxy-Authorization: Basic dXNlcjpwYXN6\r\n"), NULL,
	  .down_has = "HTTP/1.1 407 ", .auth = true },
	{ "9110 11.7.2: of another scheme", GET("Proxy-Authorization: Bearer dXNlcjpwYXNz\r\n"), NULL,
	  .down_has = "HTTP/1.1 407 ", .auth = true },
	{ "9110 11.7.2: twice",
	  GET("Proxy-Authorization: Basic dXNlcjpwYXNz\r\nProxy-Authorization: Basic dXNlcjpwYXNz\r\n"), NULL,
	  .down_has = "HTTP/1.1 407 ", .auth = true },
	{ "9110 11.7.2: no base64", GET("Proxy-Authorization: Basic dX!lcjpwYXNz\r\n"), NULL,
	  .down_has = "HTTP/1.1 407 ", .auth = true },
	{ "9110 11.7.1: 407 with a body to come ends the connection", REQ("POST", "http://a.test/",
	  "Content-Length: 5\r\n") "hello", NULL, .down_has = "HTTP/1.1 407 |" CLOSE, .end = CLOSES,
	  .auth = true },
	{ "ours: the PAC file needs no login", "GET /proxy.pac HTTP/1.0\r\n\r\n", NULL,
	  .down_has = "HTTP/1.1 200 |application/x-ns-proxy-autoconfig|FindProxyForURL", .auth = true },

	/* --- RFC 9110: methods --- */
	{ "9110 9.1: any method llhttp knows is forwarded", REQ("PROPFIND", "http://a.test/d",
	  "Depth: 1\r\n"), OK(""), .sent_has = "PROPFIND /d HTTP/1.1\r\n" },
	{ "9110 9.1: an unknown method is 501", REQ("FROBNICATE", "http://a.test/", ""), NULL,
	  .down_has = "HTTP/1.1 501 ", .end = CLOSES },
	{ "9110 9.1: methods are case-sensitive", REQ("get", "http://a.test/", ""), NULL,
	  .down_has = "HTTP/1.1 501 " },
	{ "9110 9.3.2: HEAD has no body", REQ("HEAD", "http://a.test/", "") GET(""),
	  "HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n", .sent_has = "HEAD / |GET /p ",
	  .down_has = "Content-Length: 7\r\n" },
	{ "9110 9.3.2: nor has our page for it", REQ("HEAD", "/nothing", "Accept: text/html\r\n") , NULL,
	  .down_has = "HTTP/1.1 421 |Content-Length: ", .down_not = "<html" },
	{ "9110 9.3.6: CONNECT", REQ("CONNECT", "a.test:22", ""), "x", .down_has = "HTTP/1.1 200 ",
	  .down_not = "Content-Length|Transfer-Encoding", .end = TUNNELS },
	{ "9110 9.3.6: needs a port", REQ("CONNECT", "a.test", ""), NULL, .down_has = S400 },
	{ "9110 9.3.6: which is not empty", REQ("CONNECT", "a.test:", ""), NULL, .down_has = S400 },
	{ "9110 9.3.6: and is one", REQ("CONNECT", "a.test:70000", ""), NULL, .down_has = S400 },
	{ "9110 9.3.6: 0 is none", REQ("CONNECT", "a.test:0", ""), NULL, .down_has = S400 },
	{ "9110 9.3.6: CONNECT to IPv6", REQ("CONNECT", "[fd00::1]:22", ""), "x", .end = TUNNELS },
	{ "9110 9.3.6: CONNECT has no content", REQ("CONNECT", "a.test:22", "Content-Length: 3\r\n"), NULL,
	  .sent_not = "[0]", .down_has = S400 },
	{ "9110 9.3.6: nor chunks", REQ("CONNECT", "a.test:22", "Transfer-Encoding: chunked\r\n"), NULL,
	  .sent_not = "[0]", .down_has = S400 },
	{ "9110 9.3.8: TRACE has no content", REQ("TRACE", "http://a.test/", "Content-Length: 3\r\n") "abc",
	  NULL, .sent_not = "[0]", .down_has = S400 },
	{ "9110 9.3.7: OPTIONS * of the proxy itself", "OPTIONS * HTTP/1.1\r\nHost: 127.0.0.1:1080\r\n\r\n",
	  NULL, .down_has = "HTTP/1.1 200 |Allow: " },
	{ "9110 15.5.6: our pages are read-only",
	  "POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 0\r\n\r\n", NULL,
	  .down_has = "HTTP/1.1 405 |Allow: GET, HEAD" },
	{ "9110 15.5.5: and few", "GET /etc/passwd HTTP/1.1\r\nHost: localhost:1080\r\n\r\n", NULL,
	  .down_has = "HTTP/1.1 404 ", .down_not = "passwd" },
	{ "9110 15.5.20: a name that is not ours, over loopback (DNS rebinding)",
	  "GET /proxy.pac HTTP/1.1\r\nHost: evil.test:1080\r\n\r\n", NULL, .down_has = "HTTP/1.1 421 ",
	  .down_not = "FindProxy" },

	/* --- RFC 9110: URIs --- */
	{ "9110 4.2.1: an empty host is none", REQ("GET", "http:///x", ""), NULL, .down_has = S400 },
	{ "9110 4.2.1: an empty port is the usual one", REQ("GET", "http://a.test:/x", ""), OK(""),
	  .sent_has = "GET /x " },
	{ "9110 4.2.3: the scheme may be in capitals", REQ("GET", "HTTP://a.test/x", ""), OK(""),
	  .sent_has = "GET /x " },
	{ "9110 4.2.4: user information is an error", REQ("GET", "http://me:secret@a.test/", ""), NULL,
	  .sent_not = "[0]", .down_has = S400, .down_not = "secret" },
	{ "9110 4.2.5: a fragment is not sent", REQ("GET", "http://a.test/x#y", ""), NULL, .down_has = S400 },
	{ "9112 3.2.2: https in absolute form is not served: 501 (ours)", REQ("GET", "https://a.test/", ""),
	  NULL, .down_has = "HTTP/1.1 501 " },
	{ "ours: other schemes", REQ("GET", "ftp://a.test/", ""), NULL, .down_has = S400 },
	{ "ours: a host with characters that no host has", REQ("GET", "http://a%00b/", ""), NULL,
	  .down_has = S400 },
	{ "ours: a host with a blank escaped", REQ("GET", "http://a.test%20b/", ""), NULL, .down_has = S400 },

	/* --- RFC 9112: message, request line --- */
	{ "9112 2.2: an empty line before a request is overlooked", "\r\n" GET(""), OK(""), .sent_has = "GET" },
	{ "9112 2.2: bare LF (refused: ours)", "GET http://a.test/ HTTP/1.1\nHost: a.test\n\n", NULL,
	  .sent_not = "[0]", .down_has = S400, .end = CLOSES },
	{ "9112 2.2: bare CR", "GET http://a.test/ HTTP/1.1\r\nHost: a.test\r\nX: a\rb\r\n\r\n", NULL,
	  .sent_not = "[0]", .down_has = S400, .end = CLOSES },
	{ "9112 2.2: a blank before the first field", "GET http://a.test/ HTTP/1.1\r\n Host: a.test\r\n\r\n",
	  NULL, .sent_not = "[0]", .down_has = S400 },
	{ "9112 2.3: we send our own version", "GET http://a.test/ HTTP/1.0\r\n\r\n",
	  "HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", .sent_has = "GET / HTTP/1.1\r\n",
	  .down_has = "HTTP/1.1 200 OK" },
	{ "9110 15.6.6: another major version", "GET http://a.test/ HTTP/3.0\r\nHost: a.test\r\n\r\n", NULL,
	  .down_has = "HTTP/1.1 505 " },
	{ "9112 3: more than one blank (refused: ours)",
	  "GET  http://a.test/ HTTP/1.1\r\nHost: a.test\r\n\r\n", NULL, .sent_not = "[0]", .down_has = S400 },
	{ "9112 3.2: HTTP/1.1 without Host", "GET http://a.test/ HTTP/1.1\r\n\r\n", NULL, .sent_not = "[0]",
	  .down_has = S400 },
	{ "9112 3.2: two Hosts", GET("Host: b.test\r\n"), NULL, .sent_not = "[0]", .down_has = S400 },
	{ "9112 3.2: an invalid Host", "GET http://a.test/ HTTP/1.1\r\nHost: a.test/evil\r\n\r\n", NULL,
	  .sent_not = "[0]", .down_has = S400 },
	{ "9112 3.2: an empty Host is one", "GET http://a.test/ HTTP/1.1\r\nHost:\r\n\r\n", OK(""),
	  .sent_has = "Host: a.test\r\n" },
	{ "9112 3.2.1: origin form to the target", GET(""), OK(""), .sent_has = "GET /p HTTP/1.1\r\n",
	  .sent_not = "http://" },
	{ "9112 3.2.1: an empty path is /", REQ("GET", "http://a.test", ""), OK(""),
	  .sent_has = "GET / HTTP/1.1\r\n" },
	{ "9112 3.2.1: a query without a path", REQ("GET", "http://a.test?q=/", ""), OK(""),
	  .sent_has = "GET /?q=/ HTTP/1.1\r\n" },
	{ "9112 3.2.2: Host is what the target says",
	  "GET http://a.test:81/ HTTP/1.1\r\nHost: b.test\r\n\r\n", OK(""), .sent_has = "Host: a.test:81\r\n",
	  .sent_not = "b.test" },
	{ "9112 3.2.2: Host is made for HTTP/1.0", "GET http://a.test/ HTTP/1.0\r\n\r\n", OK(""),
	  .sent_has = "Host: a.test\r\n" },
	{ "9112 3.2.3: authority form is for CONNECT only", REQ("GET", "a.test:80", ""), NULL,
	  .down_has = S400 },
	{ "9112 3.2.4: OPTIONS with an empty path is * to the target", REQ("OPTIONS", "http://a.test", ""),
	  OK(""), .sent_has = "OPTIONS * HTTP/1.1\r\n" },
	{ "9112 3.2.4: * is for OPTIONS only", REQ("GET", "*", ""), NULL, .down_has = S400 },
	{ "9112 4: an empty reason", GET(""), "HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n",
	  .down_has = "HTTP/1.1 200 \r\n" },

	/* --- RFC 9112: fields --- */
	{ "9112 5.1: a blank before the colon: 400",
	  "GET http://a.test/ HTTP/1.1\r\nHost: a.test\r\nX : y\r\n\r\n", NULL, .sent_not = "[0]",
	  .down_has = S400, .end = CLOSES },
	{ "9112 5.1: in an answer (502, where it might be repaired: ours)", GET(""),
	  "HTTP/1.1 200 OK\r\nX : y\r\nContent-Length: 0\r\n\r\n", .down_has = "HTTP/1.1 502 " },
	{ "9112 5.2: a folded line: 400", GET("X: a\r\n b\r\n"), NULL, .sent_not = "[0]", .down_has = S400,
	  .end = CLOSES },
	{ "9112 5.2: in an answer: 502", GET(""),
	  "HTTP/1.1 200 OK\r\nX: a\r\n b\r\nContent-Length: 0\r\n\r\n", .down_has = "HTTP/1.1 502 " },
	{ "9110 5.5: a NUL", "GET http://a.test/ HTTP/1.1\r\nHost: a.test\r\nX: a\001b\r\n\r\n", NULL,
	  .sent_not = "[0]", .down_has = S400 },

	/* --- RFC 9112: bodies, smuggling --- */
	{ "9112 6.1: Transfer-Encoding and Content-Length", REQ("POST", "http://a.test/",
	  "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n") "0\r\n\r\n", NULL, .sent_not = "[0]",
	  .down_has = S400, .end = CLOSES },
	{ "9112 6.1: in the other order", REQ("POST", "http://a.test/",
	  "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n") "0\r\n\r\n", NULL, .sent_not = "[0]",
	  .down_has = S400, .end = CLOSES },
	{ "9112 6.1: in an answer", GET(""),
	  "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
	  .down_has = "HTTP/1.1 502 " },
	{ "9112 6.1: Transfer-Encoding in HTTP/1.0",
	  "POST http://a.test/ HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", NULL,
	  .sent_not = "[0]", .down_has = S400, .end = CLOSES },
	{ "9112 6.1: a coding that is not chunked last", REQ("POST", "http://a.test/",
	  "Transfer-Encoding: chunked, gzip\r\n"), NULL, .sent_not = "[0]", .down_has = S400, .end = CLOSES },
	{ "9112 6.1: chunked twice", REQ("POST", "http://a.test/",
	  "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"), NULL, .sent_not = "[0]",
	  .down_has = S400, .end = CLOSES },
	{ "9112 6.1: chunked in disguise", REQ("POST", "http://a.test/", "Transfer-Encoding: \x0b"
	  "chunked\r\n"), NULL, .sent_not = "[0]", .down_has = S400, .end = CLOSES },
	{ "9112 6.1: and almost", REQ("POST", "http://a.test/", "Transfer-Encoding: xchunked\r\n"), NULL,
	  .sent_not = "[0]", .down_has = S400, .end = CLOSES },
	{ "9112 6.1: no Transfer-Encoding to HTTP/1.0", "GET http://a.test/ HTTP/1.0\r\n\r\n",
	  "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
	  .down_has = "\r\n\r\nhi", .down_not = "Transfer-Encoding|0\r\n", .end = CLOSES },
	{ "9112 6.1: none in 204", GET(""), "HTTP/1.1 204 No\r\nTransfer-Encoding: chunked\r\n\r\n",
	  .down_has = "204", .down_not = "Transfer-Encoding" },
	{ "9110 8.6: no Content-Length in 204", GET(""), "HTTP/1.1 204 No\r\nContent-Length: 4\r\n\r\n",
	  .down_has = "204", .down_not = "Content-Length", .end = STAYS },
	{ "9112 6.3: two lengths that differ", REQ("POST", "http://a.test/",
	  "Content-Length: 5\r\nContent-Length: 6\r\n"), NULL, .sent_not = "[0]", .down_has = S400,
	  .end = CLOSES },
	{ "9112 6.3: two lengths that do not (refused: ours)", REQ("POST", "http://a.test/",
	  "Content-Length: 5, 5\r\n"), NULL, .sent_not = "[0]", .down_has = S400, .end = CLOSES },
	{ "9112 6.3: a length with a sign", REQ("POST", "http://a.test/", "Content-Length: +5\r\n"), NULL,
	  .sent_not = "[0]", .down_has = S400, .end = CLOSES },
	{ "9110 8.6: a length that overflows", REQ("POST", "http://a.test/",
	  "Content-Length: 18446744073709551617\r\n"), NULL, .sent_not = "[0]", .down_has = S400,
	  .end = CLOSES },
	{ "9112 6.3: a hexadecimal length", REQ("POST", "http://a.test/", "Content-Length: 0x5\r\n"), NULL,
	  .sent_not = "[0]", .down_has = S400, .end = CLOSES },
	{ "9112 6.3: an answer with two lengths: 502", GET(""),
	  "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx", .down_has = "HTTP/1.1 502 "
	  },
	{ "9112 6.3: 304 has no body, whatever it says", GET(""),
	  "HTTP/1.1 304 N\r\nContent-Length: 9\r\n\r\n", .down_has = "304 N\r\n|Content-Length: 9",
	  .end = STAYS },
	{ "9112 6.3: an answer without a length ends with the connection", GET(""),
	  "HTTP/1.1 200 OK\r\n\r\nall", .answer_end = VE_EOF, .down_has = CLOSE "|\r\n\r\nall",
	  .end = CLOSES },
	{ "9112 8: and is not whole if that breaks", GET(""), "HTTP/1.1 200 OK\r\n\r\nall",
	  .answer_end = VE_RESET, .end = ABORTS },
	{ "9112 8: less than Content-Length is not whole", GET(""),
	  "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nall", .answer_end = VE_EOF, .end = ABORTS },
	{ "9112 8: chunks without their end are not whole", GET(""),
	  "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nall\r\n", .answer_end = VE_EOF,
	  .end = ABORTS },
	{ "9112 6.3: a coding that was not asked for: 502", GET(""),
	  "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", .down_has = "HTTP/1.1 502 "
	  },
	{ "9112 7.1: a size that overflows", REQ("POST", "http://a.test/",
	  "Transfer-Encoding: chunked\r\n") "10000000000000001\r\nx", NULL, .down_has = S400, .end = CLOSES },
	{ "9112 7.1: a size that is none", REQ("POST", "http://a.test/",
	  "Transfer-Encoding: chunked\r\n") "0x1\r\nx\r\n0\r\n\r\n", NULL, .down_has = S400, .end = CLOSES },
	{ "9112 7.1: a size with a sign", REQ("POST", "http://a.test/",
	  "Transfer-Encoding: chunked\r\n") "-1\r\nx\r\n0\r\n\r\n", NULL, .down_has = S400, .end = CLOSES },
	{ "9112 7.1: bare LF behind the size", REQ("POST", "http://a.test/",
	  "Transfer-Encoding: chunked\r\n") "1\nx\r\n0\r\n\r\n", NULL, .down_has = S400, .end = CLOSES },
	{ "9112 7.1: content longer than its size", REQ("POST", "http://a.test/",
	  "Transfer-Encoding: chunked\r\n") "1\r\nxy\r\n0\r\n\r\n", NULL, .down_has = S400, .end = CLOSES },
	{ "9112 7.1: bare LF behind content", REQ("POST", "http://a.test/",
	  "Transfer-Encoding: chunked\r\n") "1\r\nx\n0\r\n\r\n", NULL, .down_has = S400, .end = CLOSES },
	{ "9112 7.1: a blank before the size", REQ("POST", "http://a.test/",
	  "Transfer-Encoding: chunked\r\n") " 1\r\nx\r\n0\r\n\r\n", NULL, .down_has = S400, .end = CLOSES },
	{ "9112 7.1.1: extensions pass", REQ("POST", "http://a.test/",
	  "Transfer-Encoding: chunked\r\n") "1;a;b=c;d=\"e;\"\r\nx\r\n0\r\n\r\n", OK(""),
	  .sent_has = "1;a;b=c;d=\"e;\"\r\nx\r\n0\r\n\r\n", .end = STAYS },
	{ "9112 7.1.1: bare LF in an extension", REQ("POST", "http://a.test/",
	  "Transfer-Encoding: chunked\r\n") "1;a\nx\r\n0\r\n\r\n", NULL, .down_has = S400, .end = CLOSES },
	{ "9112 7.1.2: trailers pass", REQ("POST", "http://a.test/",
	  "Transfer-Encoding: chunked\r\n") "0\r\nT: 1\r\n\r\n", OK(""), .sent_has = "0\r\nT: 1\r\n\r\n",
	  .end = STAYS },
	{ "9112 7.1: bad chunks of an answer end the connection", GET(""),
	  "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", .end = ABORTS },

	/* --- RFC 9112: connections --- */
	{ "9112 9.3: HTTP/1.1 stays", GET("") GET(""), OK(""), .sent_has = "GET", .end = ANY },
	{ "9112 9.6: close from the client ends it after the answer", GET("Connection: close\r\n") GET(""),
	  OK(""), .down_has = CLOSE, .end = CLOSES },
	{ "9112 9.3: HTTP/1.0 ends, also with keep-alive",
	  "GET http://a.test/ HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", OK(""), .down_has = CLOSE,
	  .end = CLOSES },
	{ "9112 9.6: close from the target is not passed on", GET(""), OK("Connection: close\r\n"),
	  .down_not = CLOSE, .end = STAYS },
	{ "9112 9.3.2: pipelined requests are answered in order", REQ("GET", "http://a.test/1", "") REQ("GET",
	  "http://b.test/2", ""), OK(""), .sent_has = "[0]GET /1 |[1]GET /2 " },
	{ "9110 15.6.3: an answer that is no HTTP: 502", GET(""), "SSH-2.0-OpenSSH\r\n\r\n",
	  .down_has = "HTTP/1.1 502 ", .down_not = "OpenSSH" },
	{ "ours: HTTP/0.9 is none", GET(""), "<html>\r\n\r\n", .down_has = "HTTP/1.1 502 " },
	{ "9110 12.5.1: pages are HTML for those who take it", REQ("GET", "http://a.test:0/",
	  "Accept: text/html;q=0.9, */*\r\n"), NULL, .down_has = "Content-Type: text/html|<!DOCTYPE html>" },
	{ "9110 12.5.1: and text for others", REQ("GET", "http://a.test:0/", "Accept: */*\r\n"), NULL,
	  .down_has = "Content-Type: text/plain", .down_not = "<" },
	{ "ours: nothing of a request is in a page", REQ("GET", "http://a.test:0/<script>",
	  "Accept: text/html\r\nX: <script>\r\n"), NULL, .down_has = S400, .down_not = "script" },
};

/* Are all of @texts, parted by "|", in @in? Or none of them? */
static void check_texts(const char *what, const char *texts, const char *in, bool wanted)
{
	while (texts && *texts) {
		size_t n = strcspn(texts, "|");
		char one[256];

		assert_true(n < sizeof(one));
		memcpy(one, texts, n);
		one[n] = '\0';
		if ((strstr(in, one) != NULL) != wanted)
			fail_msg("%s: \"%s\" is %s:\n%s", what, one, wanted ? "missing" : "there", in);
		texts += n + (texts[n] == '|');
	}
}

static void run_row(const struct row *x, size_t cut)
{
	struct proxy_auth auth;
	struct http_rig r;

	http_rig_init(&r);
	r.cut = cut;
	assert_int_equal(proxy_auth_set(&auth, "user", "pass"), 0);
	r.conf.auth = x->auth ? &auth : NULL;
	r.up = (const uint8_t *)x->up;
	r.nup = strlen(x->up);
	if (x->answer) {
		r.answers[0] = (struct rig_answer){ .text = x->answer, .end = x->answer_end };
		r.answers[1] = r.answers[0];
		r.nanswers = 2;
	}
	r.down[0] = r.sent[0] = '\0';
	http_rig_run(&r);
	check_texts("to the target", x->sent_has, (const char *)r.sent, true);
	check_texts("to the target", x->sent_not, (const char *)r.sent, false);
	check_texts("to the client", x->down_has, (const char *)r.down, true);
	check_texts("to the client", x->down_not, (const char *)r.down, false);
	if (x->end != ANY)
		assert_int_equal(x->end, r.closed ? CLOSES : r.aborted ? ABORTS : r.tunnel ? TUNNELS : STAYS);
	http_rig_fini(&r);
}

static void test_row(void **state)
{
	run_row(*state, 0);
	run_row(*state, 1);
}

int main(void)
{
	static struct CMUnitTest tests[ARRAY_LEN(rows)];

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		tests[i] = (struct CMUnitTest){ .name = rows[i].name, .test_func = test_row,
		.initial_state = (void *)(uintptr_t)&rows[i] };
	return _cmocka_run_group_tests("RFC 9110 and 9112", tests, ARRAY_LEN(tests), NULL, NULL);
}
