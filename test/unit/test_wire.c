/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_wire.c - wire.c on a real loop, against a TLS server on 127.0.0.1 in the same loop. */
/* The whole of it: the tests of address order and of the staggered start look inside. First, because cmocka
 * has a macro called fail. */
#include "core/wire.c"
#include "core/wire_resolve.c"
#include "core/wire_tcp.c"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "test/support/tls_peer.h"

#define CERTS "test/data/certs/"
#define VPN "vpn.example.com"

/* --- the server ----------------------------------------------------------------------------------------- */

enum manners {
	SERVE,          /* TLS, then echo or what the test does with it */
	SILENT,         /* accept, read, say nothing */
	HTTP,           /* a plain web server */
	CLOSE_AT_ONCE,  /* accept, close */
	RESET_AT_HELLO, /* take the ClientHello, then reset */
	CLOSE_AT_HELLO, /* take the ClientHello, send a part of the answer, close */
};

struct server {
	uv_loop_t *loop;
	uv_tcp_t listener, conn;
	bool has_conn, conn_closing;
	uint16_t port;
	enum manners manners;
	struct tls_peer_conf conf;
	struct tls_peer *tls;
	bool shaken;
	bool echo;
	size_t got;            /* plaintext, checked against pattern() */
	size_t to_send, sent;  /* plaintext of pattern() for the client */
	size_t unsent;         /* ciphertext libuv still has */
	bool bye;              /* close_notify and close when all is sent */
	bool cut;              /* close without close_notify when all is sent */
	bool paused;           /* do not read */
	bool heard_bye;
	uint8_t buf[65536];
};

static uint8_t pattern(size_t at)
{
	return (uint8_t)(at * 31 + (at >> 8) * 7 + (at >> 16));
}

static void server_close_conn(struct server *s)
{
	if (s->has_conn && !s->conn_closing)
		uv_close((uv_handle_t *)&s->conn, NULL);
	s->conn_closing = true;
}

struct server_write {
	uv_write_t req;
	struct server *s;
	size_t n;
	uint8_t bytes[];
};

static void server_advance(struct server *s);

static void on_server_written(uv_write_t *req, int status)
{
	struct server_write *w = (struct server_write *)req;
	struct server *s = w->s;

	s->unsent -= w->n;
	free(w);
	if (status == 0 && !s->conn_closing)
		server_advance(s);
}

static void server_push_bytes(struct server *s, const uint8_t *p, size_t n)
{
	struct server_write *w = malloc(sizeof(*w) + n);
	uv_buf_t buf;

	w->s = s;
	w->n = n;
	memcpy(w->bytes, p, n);
	buf = uv_buf_init((char *)w->bytes, (unsigned)n);
	s->unsent += n;
	assert_int_equal(uv_write(&w->req, (uv_stream_t *)&s->conn, &buf, 1, on_server_written), 0);
}

static void server_push(struct server *s)
{
	struct slice out = tls_peer_out(s->tls);

	if (out.n == 0 || s->conn_closing)
		return;
	server_push_bytes(s, out.p, out.n);
	tls_peer_consume(s->tls, out.n);
}

static void server_read_plain(struct server *s)
{
	static uint8_t plain[32768];
	long n;

	while ((n = tls_peer_read(s->tls, plain, sizeof(plain))) > 0) {
		if (s->echo) {
			tls_peer_write(s->tls, plain, (size_t)n);
			continue;
		}
		for (long i = 0; i < n; i++) {
			if (plain[i] != pattern(s->got + (size_t)i))
				fail_msg("the server got something else at %zu", s->got + (size_t)i);
		}
		s->got += (size_t)n;
	}
	if (n < 0 && tls_peer_alert(s->tls) == 0)
		s->heard_bye = true;
}

/* Say what is to be said, a piece at a time so that the kernel's buffers decide the pace. */
static void server_speak(struct server *s)
{
	static uint8_t plain[32768];

	while (s->sent < s->to_send && s->unsent < 100000) {
		size_t n = min_size(sizeof(plain), s->to_send - s->sent);

		for (size_t i = 0; i < n; i++)
			plain[i] = pattern(s->sent + i);
		tls_peer_write(s->tls, plain, n);
		s->sent += n;
		server_push(s);
	}
	if (s->sent < s->to_send || s->unsent > 0)
		return;
	if (s->bye) {
		s->bye = false;
		s->cut = true;
		tls_peer_shutdown(s->tls);
		server_push(s);
	} else if (s->cut) {
		server_close_conn(s);
	}
}

static void server_advance(struct server *s)
{
	if (s->manners != SERVE)
		return;
	if (!s->shaken)
		s->shaken = tls_peer_shake(s->tls) == 1;
	server_push(s);
	if (!s->shaken)
		return;
	server_read_plain(s);
	server_push(s);
	server_speak(s);
}

static void on_server_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
	struct server *s = handle->data;

	(void)suggested;
	*buf = uv_buf_init((char *)s->buf, sizeof(s->buf));
}

static void server_misbehave(struct server *s)
{
	static const char page[] = "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n";

	switch (s->manners) {
	case HTTP:
		server_push_bytes(s, (const uint8_t *)page, sizeof(page) - 1);
		break;
	case RESET_AT_HELLO:
		uv_tcp_close_reset(&s->conn, NULL);
		s->conn_closing = true;
		break;
	case CLOSE_AT_HELLO:
		tls_peer_shake(s->tls);
		server_push_bytes(s, tls_peer_out(s->tls).p, 100);
		s->manners = SILENT;
		server_close_conn(s);
		break;
	default:
		break;
	}
}

static void on_server_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
	struct server *s = stream->data;

	if (n < 0) {
		server_close_conn(s);
		return;
	}
	tls_peer_in(s->tls, buf->base, (size_t)n);
	if (s->manners == SERVE)
		server_advance(s);
	else
		server_misbehave(s);
}

static void server_resume(struct server *s)
{
	s->paused = false;
	uv_read_start((uv_stream_t *)&s->conn, on_server_alloc, on_server_read);
}

static void on_connection(uv_stream_t *listener, int status)
{
	struct server *s = listener->data;

	assert_int_equal(status, 0);
	assert_false(s->has_conn);
	assert_int_equal(uv_tcp_init(s->loop, &s->conn), 0);
	s->has_conn = true;
	s->conn.data = s;
	assert_int_equal(uv_accept(listener, (uv_stream_t *)&s->conn), 0);
	if (s->manners == CLOSE_AT_ONCE)
		server_close_conn(s);
	else
		server_resume(s);
}

static void server_start(struct server *s, uv_loop_t *loop, enum manners manners, const struct tls_peer_conf *conf)
{
	struct sockaddr_in at;
	int len = sizeof(at);

	memset(s, 0, sizeof(*s));
	s->loop = loop;
	s->manners = manners;
	s->tls = tls_peer_new(conf);
	assert_int_equal(uv_ip4_addr("127.0.0.1", 0, &at), 0);
	assert_int_equal(uv_tcp_init(loop, &s->listener), 0);
	s->listener.data = s;
	assert_int_equal(uv_tcp_bind(&s->listener, (struct sockaddr *)&at, 0), 0);
	assert_int_equal(uv_listen((uv_stream_t *)&s->listener, 16, on_connection), 0);
	assert_int_equal(uv_tcp_getsockname(&s->listener, (struct sockaddr *)&at, &len), 0);
	s->port = ntohs(at.sin_port);
}

static void server_stop(struct server *s)
{
	server_close_conn(s);
	if (!uv_is_closing((uv_handle_t *)&s->listener))
		uv_close((uv_handle_t *)&s->listener, NULL);
}

/* --- the client ----------------------------------------------------------------------------------------- */

enum event { NONE, OPENED, READABLE, WRITABLE, CLOSED };

struct rig {
	uv_loop_t loop;
	struct trust_conf conf;
	struct trust *trust;
	struct server server;
	struct wire *wire;
	enum event close_in;     /* call wire_close() in this event */
	unsigned opened, closed;
	struct wire_facts facts;
	struct fault fault;
	size_t to_send, sent;    /* of pattern() */
	size_t got;
	size_t want;             /* stop the loop when this much has come; 0: never */
	size_t greed;            /* most bytes to pull in one event; SIZE_MAX: all */
	unsigned short_writes, writables, readables;
	bool waits;              /* for writable() */
	bool paused;             /* pull nothing */
	bool server_stays;       /* after closed(), until the client's end reached it */
	uv_timer_t later;        /* pulls again after a pause of the owner's */
};

static void rig_stop(struct rig *r)
{
	if (r->wire)
		wire_close(r->wire);
	r->wire = NULL;
	server_stop(&r->server);
	if (!uv_is_closing((uv_handle_t *)&r->later))
		uv_close((uv_handle_t *)&r->later, NULL);
}

/* Does the event end it all? */
static bool is_last(struct rig *r, enum event e)
{
	if (r->close_in != e)
		return false;
	rig_stop(r);
	return true;
}

static void push(struct rig *r)
{
	static uint8_t piece[50000];

	while (r->wire && r->sent < r->to_send) {
		size_t n = min_size(sizeof(piece), r->to_send - r->sent), taken;

		for (size_t i = 0; i < n; i++)
			piece[i] = pattern(r->sent + i);
		taken = wire_write(r->wire, piece, n);
		r->sent += taken;
		if (taken < n) {
			r->short_writes++;
			r->waits = true;
			break;
		}
	}
	wire_flush(r->wire);
}

static void pull(struct rig *r);

static void on_later(uv_timer_t *timer)
{
	pull(timer->data);
}

static void pull(struct rig *r)
{
	static uint8_t piece[20000];
	size_t greed = r->greed, n;

	while (r->wire && greed > 0 && !r->paused) {
		int err = wire_read(r->wire, piece, min_size(sizeof(piece), greed), &n);

		if (err != 0)
			return;
		for (size_t i = 0; i < n; i++) {
			if (piece[i] != pattern(r->got + i))
				fail_msg("the client got something else at %zu", r->got + i);
		}
		r->got += n;
		greed -= n;
		if (r->want != 0 && r->got >= r->want) {
			rig_stop(r);
			return;
		}
	}
	if (r->wire && !r->paused)
		uv_timer_start(&r->later, on_later, 0, 0); /* full: the rest later, without an event */
}

static void on_opened(void *ctx, const struct wire_facts *facts)
{
	struct rig *r = ctx;

	r->opened++;
	r->facts = *facts;
	if (!is_last(r, OPENED))
		push(r);
}

static void on_readable(void *ctx)
{
	struct rig *r = ctx;

	assert_int_equal(r->opened, 1);
	assert_int_equal(r->closed, 0);
	r->readables++;
	if (!is_last(r, READABLE))
		pull(r);
}

static void on_writable(void *ctx)
{
	struct rig *r = ctx;

	r->writables++;
	assert_true(r->waits);
	r->waits = false;
	if (!is_last(r, WRITABLE))
		push(r);
}

static void on_closed(void *ctx, const struct fault *f)
{
	struct rig *r = ctx;
	uint8_t byte;
	size_t n;

	assert_int_equal(r->closed++, 0);
	r->fault = *f;
	assert_true(wire_read(r->wire, &byte, 1, &n) < 0);
	assert_int_not_equal(wire_read(r->wire, &byte, 1, &n), VE_AGAIN);
	assert_int_equal(wire_write(r->wire, &byte, 1), 0);
	wire_flush(r->wire);
	if (!r->server_stays) {
		rig_stop(r);
		return;
	}
	wire_close(r->wire);
	r->wire = NULL;
}

static const struct wire_events events = {
	.opened = on_opened, .readable = on_readable, .writable = on_writable, .closed = on_closed,
};

static void rig_init(struct rig *r, enum manners manners, const struct tls_peer_conf *server)
{
	static const struct tls_peer_conf good = { .chain = "good" };
	struct fault f = { 0 };

	memset(r, 0, sizeof(*r));
	r->conf = (struct trust_conf){ .ca_file = CERTS "ca.pem", .verify_name = VPN };
	r->greed = SIZE_MAX;
	assert_int_equal(uv_loop_init(&r->loop), 0);
	assert_int_equal(trust_new(&r->trust, &r->conf, &f), 0);
	uv_timer_init(&r->loop, &r->later);
	r->later.data = r;
	server_start(&r->server, &r->loop, manners, server ? server : &good);
}

static void rig_open(struct rig *r, const struct wire_conf *c)
{
	assert_int_equal(wire_open(&r->wire, &r->loop, c, r->trust, &events, r), 0);
}

static void rig_connect(struct rig *r, const char *host, uint16_t port)
{
	rig_open(r, &(struct wire_conf){ .host = host, .port = port });
}

/* Run to the end; nothing may be left. */
static void rig_fini(struct rig *r)
{
	assert_int_equal(uv_run(&r->loop, UV_RUN_DEFAULT), 0);
	assert_int_equal(uv_loop_close(&r->loop), 0);
	tls_peer_free(r->server.tls);
	trust_free(r->trust);
}

static void rig_run(struct rig *r)
{
	rig_connect(r, "127.0.0.1", r->server.port);
	rig_fini(r);
}

#define ASSERT_FAULT(r, code, what)                                                    \
	do {                                                                           \
		if ((r).fault.err != (code) || !strstr((r).fault.text, what))          \
			fail_msg("%s: %s", ve_name((r).fault.err), (r).fault.text);    \
		assert_int_equal((r).closed, 1);                                       \
	} while (0)

/* --- getting there -------------------------------------------------------------------------------------- */

static uint16_t free_port(void)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(at);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &len), 0);
	close(fd);
	return ntohs(at.sin_port);
}

static void test_refused(void **state)
{
	struct rig r;

	(void)state;
	rig_init(&r, SERVE, NULL);
	rig_connect(&r, "127.0.0.1", free_port());
	rig_fini(&r);
	ASSERT_FAULT(r, VE_CONNECT, "connection refused (127.0.0.1); is the server running");
	assert_non_null(strstr(r.fault.text, "server 127.0.0.1:"));
	assert_false(r.fault.final);
	assert_int_equal(r.opened, 0);
}

static void test_unknown_host(void **state)
{
	static const char *const names[] = { "no-such-host.invalid", "a..b", "not a name", "xn--\xff\xfe" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		struct rig r;

		rig_init(&r, SERVE, NULL);
		rig_connect(&r, names[i], 443);
		rig_fini(&r);
		ASSERT_FAULT(r, VE_RESOLVE, "server ");
		assert_false(r.fault.final);
	}
}

static void test_by_name(void **state)
{
	struct addrinfo *found;
	struct rig r;

	(void)state;
	if (getaddrinfo("localhost", NULL, NULL, &found) != 0)
		skip(); /* no /etc/hosts here, and so no name that surely leads to this machine */
	freeaddrinfo(found);
	rig_init(&r, SERVE, NULL);
	r.close_in = OPENED;
	rig_connect(&r, "localhost", r.server.port); /* an IPv6 address that refuses does not matter */
	rig_fini(&r);
	assert_int_equal(r.opened, 1);
	assert_string_equal(r.facts.host, "localhost");
	assert_true(r.facts.verified);
}

/* The name need not exist if the address is known; it is what the certificate is compared with all the same. */
static void test_to_an_endpoint(void **state)
{
	struct rig r;

	(void)state;
	rig_init(&r, SERVE, NULL);
	r.conf.verify_name = NULL;
	r.close_in = OPENED;
	rig_open(&r, &(struct wire_conf){ .host = VPN, .port = 443,
					  .to = { { IP_V4, { 127, 0, 0, 1 } }, r.server.port } });
	rig_fini(&r);
	assert_int_equal(r.opened, 1);
	assert_true(r.facts.verified);
	assert_string_equal(r.facts.host, VPN);
	assert_int_equal(r.facts.port, 443);
	assert_true(endpoint_equal(&r.facts.peer, &(struct endpoint){ { IP_V4, { 127, 0, 0, 1 } }, r.server.port }));
	assert_int_equal(r.facts.local.ip.family, IP_V4);
	assert_memory_equal(r.facts.local.ip.b, r.facts.peer.ip.b, 4);
	assert_int_not_equal(r.facts.local.port, 0);
}

/* A further connection of a session: its certificate counts, and nothing else. */
static void test_only_one_certificate(void **state)
{
	uint8_t only[32];
	struct rig r;

	(void)state;
	rig_init(&r, SERVE, NULL);
	r.close_in = OPENED;
	rig_run(&r);
	memcpy(only, r.facts.cert_sha256, sizeof(only));

	rig_init(&r, SERVE, NULL);
	r.conf.verify_name = "another.example.net";
	r.close_in = OPENED;
	rig_open(&r, &(struct wire_conf){ .host = "127.0.0.1", .port = r.server.port, .only = only });
	rig_fini(&r);
	assert_int_equal(r.opened, 1);
	assert_true(r.facts.verified);

	only[31] ^= 1;
	rig_init(&r, SERVE, NULL);
	r.conf.insecure = true;
	rig_open(&r, &(struct wire_conf){ .host = "127.0.0.1", .port = r.server.port, .only = only });
	rig_fini(&r);
	ASSERT_FAULT(r, VE_TLS, "another certificate");
	assert_true(r.fault.final);
	assert_int_equal(r.opened, 0);
}

/* A socket on 127.0.0.1 whose backlog is full: connects to it hang. */
struct black_hole {
	int listener, filler[4];
	union wire_addr at;
};

static void black_hole_open(struct black_hole *h)
{
	socklen_t len = sizeof(h->at.v4);

	memset(h, 0, sizeof(*h));
	h->at.v4.sin_family = AF_INET;
	h->at.v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	h->listener = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(bind(h->listener, &h->at.any, sizeof(h->at.v4)), 0);
	assert_int_equal(listen(h->listener, 0), 0);
	assert_int_equal(getsockname(h->listener, &h->at.any, &len), 0);
	for (size_t i = 0; i < ARRAY_LEN(h->filler); i++) {
		h->filler[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
		(void)!connect(h->filler[i], &h->at.any, sizeof(h->at.v4));
	}
}

static void black_hole_close(struct black_hole *h)
{
	for (size_t i = 0; i < ARRAY_LEN(h->filler); i++)
		close(h->filler[i]);
	close(h->listener);
}

static void test_no_answer(void **state)
{
	struct black_hole hole;
	struct rig r;

	(void)state;
	black_hole_open(&hole);
	rig_init(&r, SERVE, NULL);
	rig_connect(&r, "127.0.0.1", ntohs(hole.at.v4.sin_port));
	wire_set_limits(r.wire, 1, 1);
	rig_fini(&r);
	ASSERT_FAULT(r, VE_CONNECT, "no answer within 1 s (127.0.0.1)");
	black_hole_close(&hole);
}

/* The first address hangs, the second refuses, the third is the server. */
static void test_staggered(void **state)
{
	struct wire_addresses *to;
	struct black_hole hole;
	struct rig r;

	(void)state;
	black_hole_open(&hole);
	rig_init(&r, SERVE, NULL);
	r.close_in = OPENED;
	rig_connect(&r, "127.0.0.1", r.server.port);
	to = &tcp_of(r.wire->carrier)->addresses;
	to->v[2] = to->v[0];
	uv_ip4_addr("127.0.0.1", free_port(), &to->v[1].v4);
	to->v[0] = hole.at;
	to->n = 3;
	wire_set_limits(r.wire, 3600000, 15000); /* whoever waits for the first one waits an hour */
	rig_fini(&r);
	assert_int_equal(r.opened, 1);
	black_hole_close(&hole);
}

/* All of them lead nowhere: the refusal says most, so that is reported, whatever came last. */
static void test_all_addresses_fail(void **state)
{
	struct wire_addresses *to;
	struct black_hole hole;
	struct rig r;

	(void)state;
	black_hole_open(&hole);
	rig_init(&r, SERVE, NULL);
	rig_connect(&r, "127.0.0.1", r.server.port);
	to = &tcp_of(r.wire->carrier)->addresses;
	uv_ip4_addr("127.0.0.1", free_port(), &to->v[0].v4);
	to->v[1] = hole.at;
	uv_ip6_addr("2001:db8::1", 443, &to->v[2].v6);
	to->n = 3;
	wire_set_limits(r.wire, 50, 50);
	rig_fini(&r);
	ASSERT_FAULT(r, VE_CONNECT, "connection refused (127.0.0.1 and 2 other addresses)");
	black_hole_close(&hole);
}

/* What the resolver may give: both families in its order, too many, others. */
static void test_address_order(void **state)
{
	static const char *const families[] = { "666444", "444666", "6", "4", "64", "6644444444", "x6x4x", "x", "" };
	static const char *const taken[] = { "646464", "464646", "6", "4", "64", "64644444", "64", "", "" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(families); i++) {
		struct addrinfo list[12];
		union wire_addr addr[12];
		struct wire_addresses w = { 0 };
		size_t n = strlen(families[i]);

		memset(list, 0, sizeof(list));
		memset(addr, 0, sizeof(addr));
		for (size_t k = 0; k < n; k++) {
			bool v4 = families[i][k] == '4';

			addr[k].any.sa_family = families[i][k] == 'x' ? AF_UNIX : v4 ? AF_INET : AF_INET6;
			if (v4)
				addr[k].v4.sin_port = (in_port_t)k;
			else
				addr[k].v6.sin6_port = (in_port_t)k;
			list[k].ai_family = addr[k].any.sa_family;
			list[k].ai_addr = &addr[k].any;
			list[k].ai_addrlen = v4 ? sizeof(addr[k].v4) : sizeof(addr[k].v6);
			list[k].ai_next = k + 1 < n ? &list[k + 1] : NULL;
		}
		take_addresses(&w, n > 0 ? list : NULL);
		assert_int_equal(w.n, strlen(taken[i]));
		for (unsigned k = 0; k < w.n; k++) {
			assert_int_equal(w.v[k].any.sa_family, taken[i][k] == '4' ? AF_INET : AF_INET6);
			for (unsigned m = 0; m < k; m++) /* each once */
				assert_memory_not_equal(&w.v[k], &w.v[m], sizeof(union wire_addr));
		}
	}
}

/* --- TLS does not come up ------------------------------------------------------------------------------- */

static void test_silent_peer(void **state)
{
	struct rig r;

	(void)state;
	rig_init(&r, SILENT, NULL);
	rig_connect(&r, "127.0.0.1", r.server.port);
	wire_set_limits(r.wire, 10000, 1);
	rig_fini(&r);
	ASSERT_FAULT(r, VE_TLS, "not finished within 1 s");
}

static void test_misbehaving_peers(void **state)
{
	static const struct {
		enum manners manners;
		int err;
		const char *text;
	} v[] = {
		{ HTTP, VE_PROTO, "\"HTTP/1.1 400 Bad Request\"" },
		{ CLOSE_AT_ONCE, VE_TLS, "handshake" },
		{ CLOSE_AT_HELLO, VE_TLS, "during the TLS handshake" },
		{ RESET_AT_HELLO, VE_TLS, "reset" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(v); i++) {
		struct rig r;

		rig_init(&r, v[i].manners, NULL);
		rig_run(&r);
		ASSERT_FAULT(r, v[i].err, v[i].text);
		assert_int_equal(r.opened, 0);
		assert_false(r.fault.final);
	}
}

static void test_refused_certificate(void **state)
{
	struct rig r;

	(void)state;
	rig_init(&r, SERVE, &(struct tls_peer_conf){ .chain = "by-other" });
	r.server_stays = true;
	rig_connect(&r, "127.0.0.1", r.server.port);
	while (!r.server.conn_closing)
		uv_run(&r.loop, UV_RUN_ONCE);
	assert_true(tls_peer_alert(r.server.tls) > 0); /* the alert was sent before the socket was closed */
	rig_stop(&r);
	rig_fini(&r);
	ASSERT_FAULT(r, VE_TLS, "0x800B0109");
	assert_true(r.fault.final);
	assert_int_equal(r.opened, 0);
	assert_int_equal(r.server.got, 0);
}

/* --- data ----------------------------------------------------------------------------------------------- */

#define MUCH (8u * MIB)

static void test_down(void **state)
{
	static const size_t greeds[] = { SIZE_MAX, 50000, 1777 };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(greeds); i++) {
		struct rig r;

		rig_init(&r, SERVE, NULL);
		r.greed = greeds[i];
		r.server.to_send = r.want = i == 2 ? MUCH / 16 : MUCH;
		rig_run(&r);
		assert_int_equal(r.got, r.want);
		assert_int_equal(r.closed, 0);
	}
}

/* However much the server has to say, others have their turn in between. */
static void test_turns_are_short(void **state)
{
	size_t longest = 0;
	struct rig r;

	(void)state;
	rig_init(&r, SERVE, NULL);
	r.server.to_send = r.want = MUCH;
	rig_connect(&r, "127.0.0.1", r.server.port);
	while (r.got < MUCH) {
		size_t before = r.got;

		uv_run(&r.loop, UV_RUN_ONCE);
		longest = r.got - before > longest ? r.got - before : longest;
	}
	assert_true(longest <= WIRE_TURN_MAX + WIRE_READ_MAX);
	rig_stop(&r);
	rig_fini(&r);
}

static void test_up(void **state)
{
	struct rig r;

	(void)state;
	rig_init(&r, SERVE, NULL);
	r.to_send = MUCH;
	rig_connect(&r, "127.0.0.1", r.server.port);
	while (r.server.got < MUCH)
		uv_run(&r.loop, UV_RUN_ONCE);
	assert_int_equal(r.sent, MUCH);
	assert_true(r.short_writes > 0);
	assert_int_equal(r.writables, r.short_writes); /* one for each, no more */
	rig_stop(&r);
	rig_fini(&r);
}

static void test_both_ways(void **state)
{
	struct rig r;

	(void)state;
	rig_init(&r, SERVE, NULL);
	r.greed = 30000;
	r.server.to_send = r.to_send = MUCH / 2;
	rig_connect(&r, "127.0.0.1", r.server.port);
	while (r.got < MUCH / 2 || r.server.got < MUCH / 2)
		uv_run(&r.loop, UV_RUN_ONCE);
	rig_stop(&r);
	rig_fini(&r);
}

/* The owner takes nothing: nothing is read beyond one window, and all is there when it comes back. */
static void test_paused_owner(void **state)
{
	struct rig r;
	size_t sent;

	(void)state;
	rig_init(&r, SERVE, NULL);
	r.server.to_send = r.want = 24 * MIB;
	r.paused = true;
	rig_connect(&r, "127.0.0.1", r.server.port);
	while (r.readables == 0)
		uv_run(&r.loop, UV_RUN_ONCE);
	do { /* until the kernel's buffers are full */
		sent = r.server.sent;
		for (unsigned i = 0; i < 100; i++)
			uv_run(&r.loop, UV_RUN_NOWAIT);
	} while (r.server.sent > sent);
	assert_true(sent < r.server.to_send);
	assert_int_equal(r.got, 0);
	assert_int_equal(r.readables, 1);
	assert_false(r.wire->reading);
	r.paused = false;
	pull(&r); /* outside of any event */
	rig_fini(&r);
	assert_int_equal(r.got, r.want);
}

/* The server reads no more; wait until everything on the way is full. */
static void stop_server(struct rig *r)
{
	size_t sent;

	uv_read_stop((uv_stream_t *)&r->server.conn);
	do {
		sent = r->sent;
		for (unsigned i = 0; i < 100; i++)
			uv_run(&r->loop, UV_RUN_NOWAIT);
	} while (r->sent > sent);
}

/* The server takes nothing: wire_write() stops at its bound, and goes on when there is room. */
static void test_paused_server(void **state)
{
	struct rig r;

	(void)state;
	rig_init(&r, SERVE, NULL);
	r.to_send = 24 * MIB;
	rig_connect(&r, "127.0.0.1", r.server.port);
	assert_int_equal(wire_backlog(r.wire), SIZE_MAX);
	while (!r.server.shaken)
		uv_run(&r.loop, UV_RUN_ONCE);
	stop_server(&r);
	assert_true(r.sent < r.to_send);
	assert_true(tls_out_peek(r.wire->tls).n <= WIRE_WRITE_MAX);
	assert_in_range(wire_backlog(r.wire), WIRE_BACKLOG_MIN / 2, WIRE_BACKLOG_MAX / 2);
	assert_int_equal(r.writables + 1, r.short_writes);
	server_resume(&r.server);
	while (r.server.got < r.to_send)
		uv_run(&r.loop, UV_RUN_ONCE);
	rig_stop(&r);
	rig_fini(&r);
}

/* New keys are asked for while nobody reads what we send: the wire goes on by itself once somebody does. */
static void test_key_updates(void **state)
{
	struct rig r;
	unsigned asked = 0;

	(void)state;
	rig_init(&r, SERVE, NULL);
	r.to_send = 32 * MIB;
	rig_connect(&r, "127.0.0.1", r.server.port);
	while (!r.server.shaken || r.sent < MIB)
		uv_run(&r.loop, UV_RUN_ONCE);
	stop_server(&r);
	/* As many as it takes: the kernel may find more room for our data now and then. */
	while (!r.wire->stalled) {
		for (unsigned i = 0; i < 1000 && r.server.unsent < 100000; i++, asked++)
			tls_peer_update_keys(r.server.tls);
		server_advance(&r.server);
		uv_run(&r.loop, UV_RUN_NOWAIT);
		assert_true(asked < 1000000);
	}
	r.server.to_send = r.server.sent + 3;
	server_advance(&r.server);
	assert_int_equal(r.got, 0);
	server_resume(&r.server);
	while (r.got < 3 || r.server.got < r.to_send)
		uv_run(&r.loop, UV_RUN_ONCE);
	rig_stop(&r);
	rig_fini(&r);
}

/* --- ends ----------------------------------------------------------------------------------------------- */

static void test_server_ends(void **state)
{
	(void)state;
	for (unsigned polite = 0; polite < 2; polite++) {
		for (size_t greed = 1000; greed < SIZE_MAX; greed = SIZE_MAX) {
			struct rig r;

			rig_init(&r, SERVE, NULL);
			r.greed = greed;
			r.server.to_send = 100000;
			r.server.bye = polite;
			r.server.cut = !polite;
			rig_run(&r);
			ASSERT_FAULT(r, VE_EOF, "closed the connection");
			assert_int_equal(r.got, 100000); /* nothing of what came before is lost */
		}
	}
}

static void test_server_resets(void **state)
{
	struct rig r;

	(void)state;
	for (unsigned writing = 0; writing < 2; writing++) {
		rig_init(&r, SERVE, NULL);
		rig_connect(&r, "127.0.0.1", r.server.port);
		while (r.opened == 0 || !r.server.shaken)
			uv_run(&r.loop, UV_RUN_ONCE);
		if (writing) {
			uv_read_stop((uv_stream_t *)&r.server.conn);
			r.to_send = 24 * MIB;
			push(&r); /* a write is under way when it happens */
			assert_true(r.sent < r.to_send);
		}
		uv_tcp_close_reset(&r.server.conn, NULL);
		r.server.conn_closing = true;
		rig_fini(&r);
		ASSERT_FAULT(r, VE_LOST, "the connection broke: ");
		assert_false(r.fault.final);
	}
}

/* wire_close() inside of each event, and where there is none: no event after it, nothing left. */
static void test_close_in_events(void **state)
{
	static const enum event at[] = { OPENED, READABLE, WRITABLE };
	struct rig r;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(at); i++) {
		rig_init(&r, SERVE, NULL);
		r.close_in = at[i];
		r.to_send = at[i] == WRITABLE ? MUCH : 0;
		r.server.to_send = 100;
		rig_run(&r);
		assert_int_equal(r.opened, 1);
		assert_int_equal(r.closed, 0);
	}
	wire_close(NULL);
	/* before anything, while resolving, while connecting */
	for (unsigned turns = 0; turns < 4; turns++) {
		for (unsigned by_name = 0; by_name < 2; by_name++) {
			rig_init(&r, SERVE, NULL);
			rig_connect(&r, by_name ? "localhost" : "127.0.0.1", r.server.port);
			for (unsigned i = 0; i < turns; i++)
				uv_run(&r.loop, UV_RUN_NOWAIT);
			rig_stop(&r);
			rig_fini(&r);
			assert_int_equal(r.closed, 0);
		}
	}
}

/* At every turn of the loop from the start to the data. */
static void test_close_at_each_turn(void **state)
{
	struct rig r;

	(void)state;
	for (unsigned turns = 0; turns < 50; turns++) {
		rig_init(&r, SERVE, NULL);
		r.to_send = r.server.to_send = MUCH;
		rig_connect(&r, "127.0.0.1", r.server.port);
		for (unsigned i = 0; i < turns; i++)
			uv_run(&r.loop, UV_RUN_NOWAIT);
		rig_stop(&r);
		rig_fini(&r);
		assert_int_equal(r.closed, 0);
	}
}

/* Our goodbye reaches the server. */
static void test_goodbye(void **state)
{
	struct rig r;

	(void)state;
	rig_init(&r, SERVE, NULL);
	r.to_send = 10;
	rig_connect(&r, "127.0.0.1", r.server.port);
	while (r.server.got < 10)
		uv_run(&r.loop, UV_RUN_ONCE);
	wire_close(r.wire);
	r.wire = NULL;
	while (!r.server.conn_closing)
		uv_run(&r.loop, UV_RUN_ONCE);
	assert_true(r.server.heard_bye);
	rig_stop(&r);
	rig_fini(&r);
}

/* As a protocol talks: a request, an answer, many times. */
static void test_ping_pong(void **state)
{
	struct rig r;

	(void)state;
	rig_init(&r, SERVE, NULL);
	r.server.echo = true;
	rig_connect(&r, "127.0.0.1", r.server.port);
	for (size_t i = 1; i <= 500; i++) {
		r.to_send = i * 700;
		while (r.opened == 0)
			uv_run(&r.loop, UV_RUN_ONCE);
		push(&r);
		while (r.got < r.to_send)
			uv_run(&r.loop, UV_RUN_ONCE);
	}
	rig_stop(&r);
	rig_fini(&r);
}

static int set_up(void **state)
{
	(void)state;
	signal(SIGPIPE, SIG_IGN); /* as main() does: libuv writes without MSG_NOSIGNAL */
	unsetenv("SSL_CERT_FILE");
	unsetenv("SSL_CERT_DIR");
	return 0;
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_unknown_host),
		cmocka_unit_test(test_by_name),
		cmocka_unit_test(test_to_an_endpoint),
		cmocka_unit_test(test_only_one_certificate),
		cmocka_unit_test(test_no_answer),
		cmocka_unit_test(test_staggered),
		cmocka_unit_test(test_all_addresses_fail),
		cmocka_unit_test(test_address_order),
		cmocka_unit_test(test_silent_peer),
		cmocka_unit_test(test_misbehaving_peers),
		cmocka_unit_test(test_refused_certificate),
		cmocka_unit_test(test_down),
		cmocka_unit_test(test_turns_are_short),
		cmocka_unit_test(test_up),
		cmocka_unit_test(test_both_ways),
		cmocka_unit_test(test_paused_owner),
		cmocka_unit_test(test_paused_server),
		cmocka_unit_test(test_key_updates),
		cmocka_unit_test(test_server_ends),
		cmocka_unit_test(test_server_resets),
		cmocka_unit_test(test_close_in_events),
		cmocka_unit_test(test_close_at_each_turn),
		cmocka_unit_test(test_goodbye),
		cmocka_unit_test(test_ping_pong),
	};

	return cmocka_run_group_tests(tests, set_up, NULL);
}
