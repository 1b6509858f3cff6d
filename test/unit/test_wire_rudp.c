/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_wire_rudp.c - a wire over R-UDP on a real loop, against a server in the same loop: our own R-UDP machine with its
 * two keys swapped (softether-protocol.md 9.2), and a TLS server on it. The search through the rendezvous service is
 * scripted: natt.c has tests of its own. */
#include "core/limits.h"

/* Waits that a test can shorten. */
static unsigned long connect_limit_ms, dead_limit_ms;
#undef RUDP_CONNECT_MS
#undef RUDP_DEAD_MS
#define RUDP_CONNECT_MS connect_limit_ms
#define RUDP_DEAD_MS dead_limit_ms
#include "core/softether/rudp.c"

#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/random.h"
#include "core/softether/natt.h"
#include "core/udp_socket.h"
#include "core/wire.h"
#include "test/support/tls_peer.h"

#define CERTS "test/data/certs/"
#define VPN "vpn.example.com"

static const struct session_env env = { random_bytes, NULL };

static uint8_t pattern(size_t at)
{
	return (uint8_t)(at * 31 + (at >> 8) * 7 + (at >> 16));
}

static struct endpoint local(uint16_t port)
{
	return (struct endpoint){ { IP_V4, { 127, 0, 0, 1 } }, port };
}

/* --- the search, scripted --------------------------------------------------------------------------------------- */

const char *natt_host(const struct ip *ip, char buf[static NATT_HOST_MAX])
{
	(void)ip;
	snprintf(buf, NATT_HOST_MAX, "no-such-service.invalid");
	return buf;
}

void natt_init(struct natt *n, const struct ip *server, const char *host, const struct session_env *e, uint64_t now_ms)
{
	*n = (struct natt){ .server = *server, .env = e, .send_ms = now_ms };
	snprintf(n->host, sizeof(n->host), "%s", host);
	assert_int_equal(server->family, IP_V4);
}

/* "at" port: there. "lan" port: there, from a new socket. "no": nowhere. */
void natt_input(struct natt *n, struct slice datagram, uint64_t now_ms)
{
	unsigned port = 0;
	char text[32];

	(void)now_ms;
	assert_in_range(datagram.n, 1, sizeof(text) - 1);
	memcpy(text, datagram.p, datagram.n);
	text[datagram.n] = '\0';
	n->over = true;
	if (strcmp(text, "no") == 0) {
		fault_set(&n->fault, VE_CONNECT, "NAT traversal: no such server");
		return;
	}
	n->same_lan = text[0] == 'l';
	n->found = sscanf(text, "%*[atlan] %u", &port) == 1;
	assert_true(n->found);
	n->at = local((uint16_t)port);
}

bool natt_output(struct natt *n, struct slice *ret, uint64_t now_ms)
{
	if (n->send_ms > now_ms || n->over)
		return false;
	n->send_ms = UINT64_MAX;
	*ret = (struct slice){ (const uint8_t *)"ask", 3 };
	return true;
}

uint64_t natt_deadline(const struct natt *n)
{
	return n->send_ms;
}

void natt_tick(struct natt *n, uint64_t now_ms)
{
	(void)n;
	(void)now_ms;
}

/* --- the server ------------------------------------------------------------------------------------------------- */

struct server {
	uv_loop_t *loop;
	struct udp_socket *udp;
	struct rudp *r;           /* NULL: nobody has come yet */
	struct tls_peer *tls;
	struct endpoint client;
	uv_timer_t timer;
	bool deaf;                /* it answers nothing */
	bool stripped, shaken;
	size_t got;               /* plaintext, checked, and echoed */
	unsigned datagrams;       /* that are no segments */
	char last[32];
};

static void server_go_on(struct server *s);

static void on_server_timer(uv_timer_t *timer)
{
	server_go_on(timer->data);
}

/* The other end of what rudp_new() makes, from the request. */
static void server_accept(struct server *s, const struct endpoint *from, struct slice request)
{
	uint8_t key[SHA1_SIZE];

	assert_int_equal(request.n, REQUEST_SIZE);
	assert_int_equal(rudp_new(&s->r, &env, uv_now(s->loop)), 0);
	memcpy(s->r->init, request.p, INIT_SIZE);
	assert_int_equal(derive_all(s->r), 0);
	memcpy(key, s->r->key_send, sizeof(key));
	memcpy(s->r->key_send, s->r->key_recv, sizeof(key));
	memcpy(s->r->key_recv, key, sizeof(key));
	buf_consume(&s->r->tx, buf_len(&s->r->tx));
	enter(s->r, RUDP_OPEN, 0, NULL, uv_now(s->loop));
	put_off_idle(s->r, uv_now(s->loop));
	s->r->ack_due = true; /* say something */
	s->client = *from;
}

static void server_read(struct server *s)
{
	static uint8_t plain[16384];
	struct slice in = rudp_peek(s->r);
	long n;

	if (!s->stripped && in.n >= 8) { /* the number of the goodbye */
		s->r->goodbye = load_be64(in.p);
		rudp_consume(s->r, 8);
		in = rudp_peek(s->r);
		s->stripped = true;
	}
	if (!s->stripped)
		return;
	if (in.n > 0)
		tls_peer_in(s->tls, in.p, in.n);
	rudp_consume(s->r, in.n);
	if (!s->shaken)
		s->shaken = tls_peer_shake(s->tls) == 1;
	while (s->shaken && (n = tls_peer_read(s->tls, plain, sizeof(plain))) > 0) {
		for (long i = 0; i < n; i++)
			assert_int_equal(plain[i], pattern(s->got + (size_t)i));
		tls_peer_write(s->tls, plain, (size_t)n);
		s->got += (size_t)n;
	}
}

/* Everything that can go on goes on. */
static void server_go_on(struct server *s)
{
	struct slice out;
	uint64_t now, at;

	if (!s->r || s->deaf)
		return;
	now = uv_now(s->loop);
	rudp_tick(s->r, now);
	while (rudp_peek(s->r).n > 0 && (s->stripped || rudp_peek(s->r).n >= 8))
		server_read(s);
	out = tls_peer_out(s->tls);
	tls_peer_consume(s->tls, rudp_write(s->r, out.p, out.n));
	while (udp_socket_has_room(s->udp) && rudp_output(s->r, &out, now))
		udp_socket_send(s->udp, &s->client, out);
	udp_socket_flush(s->udp);
	at = rudp_deadline(s->r);
	if (at != UINT64_MAX)
		uv_timer_start(&s->timer, on_server_timer, at > now ? at - now : 0, 0);
}

static void on_server_datagram(void *ctx, const struct endpoint *from, struct slice bytes)
{
	struct server *s = ctx;

	if (s->deaf)
		return;
	if (!s->r)
		server_accept(s, from, bytes);
	else if (!rudp_input(s->r, bytes, uv_now(s->loop)) && bytes.n < REQUEST_SIZE) {
		s->datagrams++;
		snprintf(s->last, sizeof(s->last), "%.*s", (int)bytes.n, (const char *)bytes.p);
	}
}

static void on_server_batch(void *ctx)
{
	server_go_on(ctx);
}

static const struct udp_socket_events server_events = { on_server_datagram, on_server_batch, on_server_batch };

/* --- the client ------------------------------------------------------------------------------------------------- */

struct rig {
	uv_loop_t loop;
	struct trust_conf conf;
	struct trust *trust;
	struct server server;
	struct udp_socket *service; /* rendezvous */
	char answer[32];            /* of it */
	bool punches;               /* the server's NAT is opened, with its real port */
	bool stranger_first;        /* somebody else answers before the service does */
	uint16_t asked_from;
	struct wire *wire;
	unsigned opened, closed, datagrams;
	struct wire_facts facts;
	struct fault fault;
	size_t to_send, sent, got;
	struct endpoint from;
	char last[32];
	bool close_on_datagram;
};

static void send_text(struct udp_socket *u, const struct endpoint *to, const char *text)
{
	udp_socket_send(u, to, (struct slice){ (const uint8_t *)text, strlen(text) });
	udp_socket_flush(u);
}

static void on_service_datagram(void *ctx, const struct endpoint *from, struct slice bytes)
{
	struct rig *r = ctx;

	assert_memory_equal(bytes.p, "ask", 3);
	r->asked_from = from->port;
	if (r->stranger_first)
		send_text(r->server.udp, from, "no");
	send_text(r->service, from, r->answer);
	if (r->punches)
		send_text(r->server.udp, from, "hole");
}

static const struct udp_socket_events service_events = { on_service_datagram, NULL, NULL };

static void push(struct rig *r)
{
	static uint8_t piece[50000];

	while (r->sent < r->to_send) {
		size_t n = min_size(sizeof(piece), r->to_send - r->sent), taken;

		for (size_t i = 0; i < n; i++)
			piece[i] = pattern(r->sent + i);
		taken = wire_write(r->wire, piece, n);
		r->sent += taken;
		if (taken < n)
			break;
	}
	wire_flush(r->wire);
}

static void on_opened(void *ctx, const struct wire_facts *facts)
{
	struct rig *r = ctx;

	r->opened++;
	r->facts = *facts;
	push(r);
}

static void on_readable(void *ctx)
{
	struct rig *r = ctx;
	uint8_t piece[20000];
	size_t n;

	while (wire_read(r->wire, piece, sizeof(piece), &n) == 0) {
		for (size_t i = 0; i < n; i++)
			assert_int_equal(piece[i], pattern(r->got + i));
		r->got += n;
	}
}

static void on_writable(void *ctx)
{
	push(ctx);
}

static void on_datagram(void *ctx, const struct endpoint *from, struct slice bytes)
{
	struct rig *r = ctx;

	assert_non_null(r->wire);
	r->datagrams++;
	r->from = *from;
	snprintf(r->last, sizeof(r->last), "%.*s", (int)bytes.n, (const char *)bytes.p);
	if (r->close_on_datagram) {
		wire_close(r->wire);
		r->wire = NULL;
	}
}

static void on_closed(void *ctx, const struct fault *f)
{
	struct rig *r = ctx;

	r->closed++;
	r->fault = *f;
	wire_close(r->wire);
	r->wire = NULL;
}

static const struct wire_events events = { on_opened, on_readable, on_writable, on_datagram, on_closed };

static void rig_init(struct rig *r)
{
	struct server *s = &r->server;
	struct fault f = { 0 };

	memset(r, 0, sizeof(*r));
	connect_limit_ms = dead_limit_ms = 3600000; /* whoever waits for these waits an hour */
	r->conf = (struct trust_conf){ .ca_file = CERTS "ca.pem", .verify_name = VPN };
	assert_int_equal(uv_loop_init(&r->loop), 0);
	assert_int_equal(trust_new(&r->trust, &r->conf, &f), 0);
	s->loop = &r->loop;
	s->tls = tls_peer_new(&(struct tls_peer_conf){ .chain = "good" });
	assert_int_equal(udp_socket_open(&s->udp, &r->loop, IP_V4, &server_events, s), 0);
	assert_int_equal(udp_socket_open(&r->service, &r->loop, IP_V4, &service_events, r), 0);
	uv_timer_init(&r->loop, &s->timer);
	s->timer.data = s;
}

static void rig_open(struct rig *r, const char *host, const char *rendezvous)
{
	struct wire_conf c = {
		.host = host,
		.port = udp_socket_port(r->server.udp),
		.transport = WIRE_RUDP,
		.rendezvous = rendezvous,
		.env = &env,
	};

	assert_int_equal(wire_open(&r->wire, &r->loop, &c, r->trust, &events, r), 0);
}

/* With the service of the rig, which will say that. */
static void rig_seek(struct rig *r, const char *answer, uint16_t port)
{
	char at[32];

	snprintf(at, sizeof(at), "127.0.0.1:%u", udp_socket_port(r->service));
	snprintf(r->answer, sizeof(r->answer), port > 0 ? "%s %u" : "%s", answer, port);
	rig_open(r, "127.0.0.1", at);
}

/* Close everything; nothing may be left. */
static void rig_fini(struct rig *r)
{
	wire_close(r->wire);
	udp_socket_close(r->server.udp);
	udp_socket_close(r->service);
	uv_close((uv_handle_t *)&r->server.timer, NULL);
	assert_int_equal(uv_run(&r->loop, UV_RUN_DEFAULT), 0);
	assert_int_equal(uv_loop_close(&r->loop), 0);
	rudp_free(r->server.r);
	tls_peer_free(r->server.tls);
	trust_free(r->trust);
}

static void rig_until(struct rig *r, const unsigned *counter)
{
	while (*counter == 0)
		uv_run(&r->loop, UV_RUN_ONCE);
}

#define ASSERT_FAULT(r, code, what)                                                    \
	do {                                                                           \
		if ((r).fault.err != (code) || !strstr((r).fault.text, what))          \
			fail_msg("%s: %s", ve_name((r).fault.err), (r).fault.text);    \
		assert_int_equal((r).closed, 1);                                       \
	} while (0)

/* --- tests ------------------------------------------------------------------------------------------------------ */

static void test_stream(void **state)
{
	struct rig r;

	(void)state;
	rig_init(&r);
	r.to_send = 2 * MIB;
	rig_open(&r, "127.0.0.1", NULL);
	while (r.got < r.to_send)
		uv_run(&r.loop, UV_RUN_ONCE);
	assert_int_equal(r.opened, 1);
	assert_true(r.facts.verified);
	assert_true(r.facts.carries_datagrams);
	assert_true(endpoint_equal(&r.facts.peer, &(struct endpoint){ local(1).ip, udp_socket_port(r.server.udp) }));
	assert_true(endpoint_equal(&r.facts.local, &r.server.client));
	assert_int_equal(r.closed, 0);
	rig_fini(&r);
}

static void test_datagrams(void **state)
{
	struct rig r;

	(void)state;
	rig_init(&r);
	rig_open(&r, "127.0.0.1", NULL);
	rig_until(&r, &r.opened);
	wire_send_datagram(r.wire, (struct slice){ (const uint8_t *)"up", 2 });
	wire_flush(r.wire);
	rig_until(&r, &r.server.datagrams);
	assert_string_equal(r.server.last, "up");
	send_text(r.server.udp, &r.server.client, "down");
	rig_until(&r, &r.datagrams);
	assert_string_equal(r.last, "down");
	assert_int_equal(r.from.port, udp_socket_port(r.server.udp));
	/* and the stream goes on */
	r.to_send = 1000;
	push(&r);
	while (r.got < r.to_send)
		uv_run(&r.loop, UV_RUN_ONCE);
	r.close_on_datagram = true;
	r.datagrams = 0;
	send_text(r.server.udp, &r.server.client, "one");
	send_text(r.server.udp, &r.server.client, "two");
	rig_until(&r, &r.datagrams);
	rig_fini(&r);
	assert_int_equal(r.datagrams, 1);
}

static void test_server_says_goodbye(void **state)
{
	struct rig r;

	(void)state;
	rig_init(&r);
	r.to_send = 5000;
	rig_open(&r, "127.0.0.1", NULL);
	while (r.got < r.to_send)
		uv_run(&r.loop, UV_RUN_ONCE);
	rudp_close(r.server.r, uv_now(&r.loop));
	server_go_on(&r.server);
	rig_until(&r, &r.closed);
	ASSERT_FAULT(r, VE_EOF, "closed the connection");
	rig_fini(&r);
}

static void test_we_say_goodbye(void **state)
{
	struct rig r;

	(void)state;
	rig_init(&r);
	rig_open(&r, "127.0.0.1", NULL);
	rig_until(&r, &r.opened);
	wire_close(r.wire);
	r.wire = NULL;
	while (rudp_state(r.server.r) != RUDP_CLOSED)
		uv_run(&r.loop, UV_RUN_ONCE);
	assert_int_equal(rudp_fault(r.server.r)->err, VE_EOF);
	rig_fini(&r);
}

static void test_server_goes_silent(void **state)
{
	struct rig r;

	(void)state;
	rig_init(&r);
	rig_open(&r, "127.0.0.1", NULL);
	rig_until(&r, &r.opened);
	r.server.deaf = true;
	uv_timer_stop(&r.server.timer);
	dead_limit_ms = 1;
	r.to_send = 100;
	push(&r);
	rig_until(&r, &r.closed);
	ASSERT_FAULT(r, VE_LOST, "the connection broke");
	rig_fini(&r);
}

static void test_no_answer(void **state)
{
	struct rig r;

	(void)state;
	rig_init(&r);
	r.server.deaf = true;
	connect_limit_ms = 1;
	rig_open(&r, "127.0.0.1", NULL);
	rig_until(&r, &r.closed);
	ASSERT_FAULT(r, VE_CONNECT, "no R-UDP answer");
	assert_non_null(strstr(r.fault.text, "server 127.0.0.1:"));
	rig_fini(&r);
}

static void test_unknown_names(void **state)
{
	struct rig r;

	(void)state;
	rig_init(&r);
	rig_open(&r, "no-such-host.invalid", NULL);
	rig_until(&r, &r.closed);
	ASSERT_FAULT(r, VE_RESOLVE, "server no-such-host.invalid:");
	rig_fini(&r);
	rig_init(&r);
	rig_open(&r, "127.0.0.1", "");
	rig_until(&r, &r.closed);
	ASSERT_FAULT(r, VE_RESOLVE, "NAT traversal service");
	rig_fini(&r);
	rig_init(&r);
	rig_open(&r, "::1", "127.0.0.1:5004");
	rig_until(&r, &r.closed);
	ASSERT_FAULT(r, VE_RESOLVE, "NAT traversal is for IPv4 only");
	rig_fini(&r);
	rig_init(&r);
	rig_open(&r, "127.0.0.1", "not a name:0");
	rig_until(&r, &r.closed);
	ASSERT_FAULT(r, VE_USAGE, "HOST or HOST:PORT");
	rig_fini(&r);
}

/* The hole in the server's NAT is for the port that asked. */
static void test_found(void **state)
{
	struct rig r;

	(void)state;
	rig_init(&r);
	r.stranger_first = true;
	rig_seek(&r, "at", udp_socket_port(r.server.udp));
	rig_until(&r, &r.opened);
	assert_int_equal(r.server.client.port, r.asked_from);
	rig_fini(&r);
}

static void test_found_on_the_same_lan(void **state)
{
	struct rig r;

	(void)state;
	rig_init(&r);
	rig_seek(&r, "lan", udp_socket_port(r.server.udp));
	rig_until(&r, &r.opened);
	assert_int_not_equal(r.server.client.port, r.asked_from);
	rig_fini(&r);
}

/* The service named a port that leads nowhere; what opens the server's NAT comes from the right one. */
static void test_found_at_another_port(void **state)
{
	struct server deaf = { .deaf = true };
	struct udp_socket *nobody;
	struct rig r;

	(void)state;
	rig_init(&r);
	r.punches = true;
	assert_int_equal(udp_socket_open(&nobody, &r.loop, IP_V4, &server_events, &deaf), 0);
	rig_seek(&r, "at", udp_socket_port(nobody));
	rig_until(&r, &r.opened);
	udp_socket_close(nobody);
	rig_fini(&r);
}

static void test_not_found(void **state)
{
	struct rig r;

	(void)state;
	rig_init(&r);
	rig_seek(&r, "no", 0);
	rig_until(&r, &r.closed);
	ASSERT_FAULT(r, VE_CONNECT, "NAT traversal: no such server");
	rig_fini(&r);
}

/* At every turn of the loop from the start to the data: no event after it, nothing left. */
static void test_close_at_each_turn(void **state)
{
	struct rig r;

	(void)state;
	for (unsigned turns = 0; turns < 40; turns++) {
		rig_init(&r);
		r.to_send = MIB;
		if (turns % 2)
			rig_seek(&r, turns % 4 == 1 ? "at" : "lan", udp_socket_port(r.server.udp));
		else
			rig_open(&r, turns % 4 == 0 ? "localhost" : "127.0.0.1", NULL);
		for (unsigned i = 0; i < turns; i++)
			uv_run(&r.loop, UV_RUN_NOWAIT);
		wire_close(r.wire);
		r.wire = NULL;
		rig_fini(&r);
		assert_int_equal(r.closed, 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_stream),
		cmocka_unit_test(test_datagrams),
		cmocka_unit_test(test_server_says_goodbye),
		cmocka_unit_test(test_we_say_goodbye),
		cmocka_unit_test(test_server_goes_silent),
		cmocka_unit_test(test_no_answer),
		cmocka_unit_test(test_unknown_names),
		cmocka_unit_test(test_found),
		cmocka_unit_test(test_found_on_the_same_lan),
		cmocka_unit_test(test_found_at_another_port),
		cmocka_unit_test(test_not_found),
		cmocka_unit_test(test_close_at_each_turn),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
