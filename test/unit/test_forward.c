/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_forward.c - forwards between real sockets of this machine and the private network of fake_flow.inc.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <signal.h>
#include <stdio.h>
#include <sys/un.h>

#include "core/limits.h"
#include "core/log.h"
#include "socks/forward.h"

#include "fake_flow.inc.h"
#include "local_peer.inc.h"

static struct targets targets;
static struct forwards *fw;
static struct forward local[4], remote[4];
static struct fault fault;
static unsigned fds_before;

static int open_forwards(unsigned nlocal, unsigned nremote, uint32_t idle_ms)
{
	const struct forwards_conf c = { .local = local, .remote = remote, .nlocal = nlocal, .nremote = nremote,
					 .idle_ms = idle_ms };

	fault = (struct fault){ 0 };
	return forwards_new(&fw, &targets, &c, &fault);
}

static struct dest ip_dest(const char *ip, uint16_t port)
{
	struct dest d = { .port = port };

	assert_int_equal(ip_parse(ip, &d.ip), 0);
	return d;
}

static struct forward make(const char *at, uint16_t port, struct dest to, bool udp)
{
	return (struct forward){ .from.at = ip_dest(at, port), .to = to, .udp = udp };
}

static const struct dest far_host = { .name = "far.corp", .port = 80 };

static int setup(void **state)
{
	(void)state;
	fds_before = count_fds();
	uv_loop_init(&loop);
	fake_init(&ns);
	targets = (struct targets){ .loop = &loop, .ns = &ns };
	fw = NULL;
	return 0;
}

/* What libuv opens once in a process. */
static int warm_up(void **state)
{
	(void)state;
	uv_loop_init(&loop);
	return uv_loop_close(&loop);
}

static int teardown(void **state)
{
	(void)state;
	forwards_close(fw);
	flow_flush(&ns);
	targets_fini(&targets);
	uv_run(&loop, UV_RUN_DEFAULT);
	fake_fini(&ns);
	assert_int_equal(uv_loop_close(&loop), 0); /* with its spare descriptor */
	assert_int_equal(count_fds(), fds_before);
	return 0;
}

/* The port of forward @i, from its text. */
static uint16_t port_of(unsigned i)
{
	char text[FORWARD_TEXT_MAX];
	const char *at;

	assert_non_null(forwards_text(fw, i, text));
	at = strstr(text, "127.0.0.1:");
	assert_non_null(at);
	return (uint16_t)strtoul(at + 10, NULL, 10);
}

static int host_socket(int type)
{
	int fd = socket(AF_INET, type, 0);

	assert_true(fd >= 0);
	return fd;
}

static struct sockaddr_in loopback(uint16_t port)
{
	return (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
}

static void dial(struct peer *p, uint16_t port)
{
	struct sockaddr_in a = loopback(port);
	int fd = host_socket(SOCK_STREAM);

	assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	peer_init(p, fd);
}

/* A socket of the test on a free port. */
static int serve(int type, uint16_t *port)
{
	struct sockaddr_in a = loopback(0);
	socklen_t n = sizeof(a);
	int fd = host_socket(type);

	assert_int_equal(bind(fd, (struct sockaddr *)&a, n), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &n), 0);
	if (type == SOCK_STREAM)
		assert_int_equal(listen(fd, 5), 0);
	assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
	*port = ntohs(a.sin_port);
	return fd;
}

static struct forwards_stats stats(void)
{
	struct forwards_stats s;

	forwards_get_stats(fw, &s);
	return s;
}

/* --- -L, TCP ------------------------------------------------------------------------------------------- */

static void exchange(struct peer *p, struct fake_conn *c)
{
	size_t n = 300000;
	uint8_t *up = make_bytes(n, 1), *down = make_bytes(n, 2);
	size_t sent = 0, given = 0;

	for (unsigned i = 0; (c->got.n < n || p->got.n < n) && i < 100000; i++) {
		sent += peer_send(p, up + sent, n - sent);
		given += fake_give(c, down + given, n - given, 1400);
		fake_take(c, SIZE_MAX);
		peer_recv(p, SIZE_MAX);
		turn();
	}
	assert_int_equal(c->got.n, n);
	assert_memory_equal(c->got.p, up, n);
	assert_int_equal(p->got.n, n);
	assert_memory_equal(p->got.p, down, n);
	free(up);
	free(down);
}

static void local_tcp(void **state)
{
	struct fake_conn *c = &ns.conns[0];
	char text[FORWARD_TEXT_MAX];
	struct peer p;

	(void)state;
	local[0] = make("127.0.0.1", 0, far_host, false);
	assert_int_equal(open_forwards(1, 0, 0), 0);
	assert_non_null(forwards_text(fw, 0, text));
	assert_non_null(strstr(text, "-L 127.0.0.1:"));
	assert_non_null(strstr(text, ":far.corp:80"));
	assert_null(forwards_text(fw, 1, text));
	dial(&p, port_of(0));
	UNTIL(ns.opens == 1);
	assert_string_equal(c->to.name, "far.corp");
	assert_int_equal(c->to.port, 80);
	UNTIL(c->flow->open);
	exchange(&p, c);
	peer_end(&p);
	UNTIL((fake_take(c, SIZE_MAX), c->got_fin));
	assert_int_equal(stats().clients, 1); /* the other way goes on */
	fake_give(c, (const uint8_t *)"bye", 3, 3);
	fake_end(c);
	UNTIL(peer_at_end(&p));
	assert_int_equal(p.got_err, 0);
	assert_memory_equal(p.got.p + p.got.n - 3, "bye", 3);
	UNTIL(stats().clients == 0);
	assert_false(c->reset);
	peer_fini(&p);
}

static void local_unix(void **state)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	char text[FORWARD_TEXT_MAX], path[64];
	struct peer p;
	int fd;

	(void)state;
	snprintf(path, sizeof(path), "/tmp/test_forward.%ld", (long)getpid());
	local[0] = (struct forward){ .from.path = path, .to = far_host };
	assert_int_equal(open_forwards(1, 0, 0), 0);
	forwards_text(fw, 0, text);
	assert_non_null(strstr(text, path));
	snprintf(a.sun_path, sizeof(a.sun_path), "%s", path);
	fd = socket(AF_UNIX, SOCK_STREAM, 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	peer_init(&p, fd);
	UNTIL(ns.opens == 1 && ns.conns[0].flow->open);
	exchange(&p, &ns.conns[0]);
	fake_end(&ns.conns[0]);
	peer_fini(&p);
	UNTIL(stats().clients == 0);
	forwards_close(fw);
	fw = NULL;
	flow_flush(&ns);
	settle_down();
	assert_int_not_equal(access(path, F_OK), 0);
}

/* An empty stream would look like an answer. */
static void a_failed_connect_resets(void **state)
{
	struct peer p;

	(void)state;
	log_set_level(LOG_ERROR);
	ns.outcome = FAKE_FAILS;
	ns.err = VE_REFUSED;
	local[0] = make("127.0.0.1", 0, far_host, false);
	assert_int_equal(open_forwards(1, 0, 0), 0);
	dial(&p, port_of(0));
	UNTIL(peer_at_end(&p));
	assert_int_equal(p.got_err, ECONNRESET);
	peer_fini(&p);
	ns.open_result = VE_LIMIT; /* not even tried */
	dial(&p, port_of(0));
	UNTIL(peer_at_end(&p));
	assert_int_equal(p.got_err, ECONNRESET);
	UNTIL(stats().clients == 0);
	peer_fini(&p);
}

static void a_busy_port(void **state)
{
	uint16_t port;
	int fd;

	(void)state;
	fd = serve(SOCK_STREAM, &port);
	local[0] = make("127.0.0.1", 0, far_host, false);
	local[1] = make("127.0.0.1", port, far_host, false);
	assert_int_equal(open_forwards(2, 0, 0), VE_LISTEN);
	assert_int_equal(fault.err, VE_LISTEN);
	assert_non_null(strstr(fault.text, "in use; another softsocks? choose a different one with -L"));
	close(fd);
	fd = serve(SOCK_DGRAM, &port);
	local[1] = make("127.0.0.1", port, far_host, true);
	assert_int_equal(open_forwards(2, 0, 0), VE_LISTEN);
	assert_non_null(strstr(fault.text, "/udp: address already in use"));
	close(fd);
	ns.port_result = ns.sock_result = VE_LISTEN;
	remote[0] = (struct forward){ .from.at.port = 8080, .to = far_host };
	assert_int_equal(open_forwards(1, 1, 0), VE_LISTEN);
	assert_non_null(strstr(fault.text, "-R 8080: the port is taken"));
	remote[0].udp = true;
	assert_int_equal(open_forwards(1, 1, 0), VE_LISTEN);
	assert_non_null(strstr(fault.text, "-R 8080/udp: the port is taken"));
	settle_down();
}

/* Others connect to the same host, which does not answer: a guest comes in, and waits for his turn. */
static void waits_for_its_turn(void **state)
{
	struct half_open_claim *claims[HALF_OPEN_MAX / 2 - 1];
	struct peer first, second;

	(void)state;
	ns.outcome = FAKE_WAITS;
	local[0] = make("127.0.0.1", 0, far_host, false);
	assert_int_equal(open_forwards(1, 0, 0), 0);
	for (unsigned i = 0; i < ARRAY_LEN(claims); i++)
		assert_int_equal(half_open_join(&targets.half_open, &far_host, NULL, &claims[i]), 0);
	dial(&first, port_of(0));
	dial(&second, port_of(0));
	UNTIL(stats().clients == 2);
	settle_down();
	assert_int_equal(ns.opens, 1);
	ns.outcome = FAKE_OPENS;
	ns.conns[0].flow->outcome = FAKE_OPENS;
	UNTIL(ns.opens == 2 && ns.conns[1].flow->open);
	for (unsigned i = 0; i < ARRAY_LEN(claims); i++)
		half_open_leave(&targets.half_open, claims[i]);
	peer_reset(&first);
	peer_reset(&second);
	UNTIL(stats().clients == 0);
}

static void idle_ones_go(void **state)
{
	struct peer p;

	(void)state;
	local[0] = make("127.0.0.1", 0, far_host, false);
	assert_int_equal(open_forwards(1, 0, 400000), 0);
	dial(&p, port_of(0));
	UNTIL(ns.opens == 1 && ns.conns[0].flow->open);
	settle_down();
	forwards_tick(fw, uv_now(&loop) + 399000);
	assert_int_equal(stats().clients, 1);
	forwards_tick(fw, uv_now(&loop) + 500000);
	UNTIL(stats().clients == 0);
	assert_true(ns.conns[0].reset);
	peer_fini(&p);
}

/* --- -R, TCP ------------------------------------------------------------------------------------------- */

/* Somebody in the private network comes to port 0 of ours; @p is where he arrives. */
static struct fake_conn *come(int listener, struct peer *p)
{
	int fd = -1;

	fake_come(&ns, 0, "10.0.0.9", 4000);
	UNTIL((fd = accept(listener, NULL, NULL)) >= 0);
	peer_init(p, fd);
	return &ns.conns[ns.opens - 1];
}

static void remote_tcp(void **state)
{
	struct fake_conn *c;
	struct peer p;
	uint16_t port;
	int l;

	(void)state;
	l = serve(SOCK_STREAM, &port);
	remote[0] = (struct forward){ .from.at.port = 8080, .to = ip_dest("127.0.0.1", port) };
	assert_int_equal(open_forwards(0, 1, 0), 0);
	c = come(l, &p);
	assert_int_equal(stats().clients, 1);
	exchange(&p, c);
	fake_end(c);
	UNTIL(peer_at_end(&p));
	peer_send_all(&p, "last", 4);
	peer_end(&p);
	UNTIL((fake_take(c, SIZE_MAX), c->got_fin));
	assert_memory_equal(c->got.p + c->got.n - 4, "last", 4);
	UNTIL(stats().clients == 0);
	assert_false(c->reset);
	peer_fini(&p);
	close(l);
}

static void remote_tcp_to_nobody(void **state)
{
	uint16_t port;

	(void)state;
	close(serve(SOCK_STREAM, &port));
	remote[0] = (struct forward){ .from.at.port = 8080, .to = ip_dest("127.0.0.1", port) };
	assert_int_equal(open_forwards(0, 1, 0), 0);
	fake_come(&ns, 0, "10.0.0.9", 4000);
	UNTIL(ns.opens == 1 && stats().clients == 0);
	assert_true(ns.conns[0].reset);
}

static void remote_tcp_breaks(void **state)
{
	struct fake_conn *c;
	struct peer p;
	uint16_t port;
	int l;

	(void)state;
	l = serve(SOCK_STREAM, &port);
	remote[0] = (struct forward){ .from.at.port = 8080, .to = ip_dest("127.0.0.1", port) };
	assert_int_equal(open_forwards(0, 1, 0), 0);
	c = come(l, &p);
	fake_break(c, VE_RESET);
	UNTIL(peer_at_end(&p));
	assert_int_equal(p.got_err, ECONNRESET);
	peer_fini(&p);
	c = come(l, &p);
	settle_down();
	peer_reset(&p);
	UNTIL(c->freed);
	assert_true(c->reset);
	peer_fini(&p);
	c = come(l, &p); /* and one that is there when the program ends */
	settle_down();
	forwards_close(fw);
	fw = NULL;
	flow_flush(&ns);
	UNTIL(peer_at_end(&p));
	assert_int_equal(p.got_err, ECONNRESET);
	assert_true(c->reset);
	peer_fini(&p);
	close(l);
}

/* --- UDP ----------------------------------------------------------------------------------------------- */

static void host_send(int fd, uint16_t port, const char *text)
{
	struct sockaddr_in a = loopback(port);

	assert_int_equal(sendto(fd, text, strlen(text), 0, (struct sockaddr *)&a, sizeof(a)), strlen(text));
}

/* What has arrived, or "". */
static const char *host_recv(int fd, struct sockaddr_in *from)
{
	static char b[64];
	socklen_t n = sizeof(*from);
	ssize_t r = recvfrom(fd, b, sizeof(b) - 1, MSG_DONTWAIT, (struct sockaddr *)from, &n);

	b[r > 0 ? r : 0] = '\0';
	return b;
}

static void local_udp(void **state)
{
	struct sockaddr_in from;
	char text[FORWARD_TEXT_MAX];
	int a, b;

	(void)state;
	a = host_socket(SOCK_DGRAM);
	b = host_socket(SOCK_DGRAM);
	local[0] = make("127.0.0.1", 0, ip_dest("10.77.0.53", 53), true);
	assert_int_equal(open_forwards(1, 0, 0), 0);
	assert_non_null(strstr(forwards_text(fw, 0, text), ":10.77.0.53:53/udp"));
	host_send(a, port_of(0), "from a");
	UNTIL(ns.nsent == 1);
	host_send(b, port_of(0), "from b");
	UNTIL(ns.nsent == 2);
	host_send(a, port_of(0), "again");
	UNTIL(ns.nsent == 3);
	assert_int_equal(stats().peers, 2); /* each has a socket of its own */
	assert_non_null(ns.socks[1]);
	assert_null(ns.socks[2]);
	assert_int_equal(ns.sent[0].who.port, 53);
	assert_memory_equal(ns.sent[1].p, "from b", 6);
	fake_send(&ns, 1, "10.77.0.53", 54, "other port", 10);
	fake_send(&ns, 1, "10.77.0.54", 53, "other host", 10);
	fake_send(&ns, 1, "10.77.0.53", 53, "to b", 4);
	UNTIL(strcmp(host_recv(b, &from), "to b") == 0);
	assert_int_equal(ntohs(from.sin_port), port_of(0));
	settle_down();
	assert_string_equal(host_recv(b, &from), "");
	assert_string_equal(host_recv(a, &from), "");
	assert_int_equal(stats().lost, 2);
	forwards_tick(fw, uv_now(&loop) + FORWARD_IDLE_MS - 10000);
	assert_int_equal(stats().peers, 2);
	forwards_tick(fw, uv_now(&loop) + FORWARD_IDLE_MS + 2000u * CLIENT_KEEPALIVE_S);
	assert_int_equal(stats().peers, 0);
	assert_null(ns.socks[0]);
	close(a);
	close(b);
}

static void local_udp_to_a_name(void **state)
{
	const struct dest name = { .name = "dns.corp", .port = 53 };
	int a;

	(void)state;
	a = host_socket(SOCK_DGRAM);
	local[0] = make("127.0.0.1", 0, name, true);
	ns.lookup_waits = true;
	assert_int_equal(open_forwards(1, 0, 0), 0);
	host_send(a, port_of(0), "first");
	UNTIL(ns.lookups[0] != NULL);
	assert_string_equal(ns.lookups[0]->name, "dns.corp");
	host_send(a, port_of(0), "second"); /* one waits, the others do not */
	UNTIL(stats().lost == 1);
	ns.lookup_waits = false;
	UNTIL(ns.nsent == 1);
	assert_memory_equal(ns.sent[0].p, "first", 5);
	assert_true(ip_equal(&ns.sent[0].who.ip, &ns.lookup_ip));
	host_send(a, port_of(0), "third");
	UNTIL(ns.nsent == 2);
	assert_null(ns.lookups[0]); /* known */
	close(a);
}

static void local_udp_to_no_name(void **state)
{
	const struct dest name = { .name = "dns.corp", .port = 53 };
	int a;

	(void)state;
	a = host_socket(SOCK_DGRAM);
	local[0] = make("127.0.0.1", 0, name, true);
	ns.lookup_err = VE_RESOLVE;
	assert_int_equal(open_forwards(1, 0, 0), 0);
	host_send(a, port_of(0), "first");
	UNTIL(stats().lost == 1);
	ns.lookup_err = 0; /* asked again with the next one */
	host_send(a, port_of(0), "second");
	UNTIL(ns.nsent == 1);
	assert_memory_equal(ns.sent[0].p, "second", 6);
	ns.lookup_waits = true;
	close(a);
}

static void local_udp_blocked(void **state)
{
	static const struct route_rule rule = { .action = ROUTE_BLOCK, .port_to = UINT16_MAX };
	int a;

	(void)state;
	a = host_socket(SOCK_DGRAM);
	targets.rules = &rule;
	targets.nrules = 1;
	local[0] = make("127.0.0.1", 0, ip_dest("10.77.0.53", 53), true);
	assert_int_equal(open_forwards(1, 0, 0), 0);
	host_send(a, port_of(0), "x");
	UNTIL(stats().lost == 1);
	assert_int_equal(ns.nsent, 0);
	close(a);
}

static void remote_udp(void **state)
{
	struct sockaddr_in from;
	uint16_t port;
	int s;

	(void)state;
	s = serve(SOCK_DGRAM, &port);
	remote[0] = (struct forward){ .from.at.port = 5353, .to = ip_dest("127.0.0.1", port), .udp = true };
	assert_int_equal(open_forwards(0, 1, 0), 0);
	fake_send(&ns, 0, "10.0.0.9", 4000, "question", 8);
	UNTIL(strcmp(host_recv(s, &from), "question") == 0);
	assert_int_equal(sendto(s, "answer", 6, 0, (struct sockaddr *)&from, sizeof(from)), 6);
	UNTIL(ns.nsent == 1);
	assert_memory_equal(ns.sent[0].p, "answer", 6);
	assert_int_equal(ns.sent[0].who.port, 4000);
	fake_send(&ns, 0, "10.0.0.9", 4001, "other", 5);
	UNTIL(strcmp(host_recv(s, &from), "other") == 0);
	assert_int_equal(stats().peers, 2);
	forwards_tick(fw, uv_now(&loop) + FORWARD_IDLE_MS + 1000u * CLIENT_KEEPALIVE_S);
	assert_int_equal(stats().peers, 0);
	close(s);
}

/* The conversation that was silent longest makes room. */
static void the_oldest_makes_room(void **state)
{
	struct sockaddr_in from[FORWARD_PEERS_MAX + 1];
	uint16_t port;
	int s;

	(void)state;
	s = serve(SOCK_DGRAM, &port);
	remote[0] = (struct forward){ .from.at.port = 5353, .to = ip_dest("127.0.0.1", port), .udp = true };
	assert_int_equal(open_forwards(0, 1, 0), 0);
	for (unsigned i = 0; i <= FORWARD_PEERS_MAX; i++) {
		fake_send(&ns, 0, "10.0.0.9", (uint16_t)(4000 + i), "x", 1);
		UNTIL(strcmp(host_recv(s, &from[i]), "x") == 0);
		if (i == FORWARD_PEERS_MAX / 2) { /* the first speaks again: the second is the oldest now */
			fake_send(&ns, 0, "10.0.0.9", 4000, "y", 1);
			UNTIL(strcmp(host_recv(s, &from[0]), "y") == 0);
		}
	}
	assert_int_equal(stats().peers, FORWARD_PEERS_MAX);
	settle_down();
	assert_int_equal(sendto(s, "to 1", 4, 0, (struct sockaddr *)&from[1], sizeof(from[1])), 4);
	assert_int_equal(sendto(s, "to 0", 4, 0, (struct sockaddr *)&from[0], sizeof(from[0])), 4);
	UNTIL(ns.nsent == 1);
	settle_down();
	assert_int_equal(ns.nsent, 1);
	assert_int_equal(ns.sent[0].who.port, 4000);
	close(s);
}

static void remote_udp_to_a_name(void **state)
{
	struct sockaddr_in from;
	uint16_t port;
	int s;

	(void)state;
	s = serve(SOCK_DGRAM, &port);
	remote[0] = (struct forward){ .from.at.port = 5353, .to = { .name = "localhost", .port = port }, .udp = true };
	assert_int_equal(open_forwards(0, 1, 0), 0);
	fake_send(&ns, 0, "10.0.0.9", 4000, "question", 8);
	UNTIL(stats().datagrams + stats().lost == 1); /* localhost can be ::1 only */
	(void)host_recv(s, &from);
	close(s);
}

/* The stack has no more sockets (the fake has eight): what is over their number is dropped and counted. */
static void no_more_sockets(void **state)
{
	int fd[FAKE_SOCKS + 1];

	(void)state;
	local[0] = make("127.0.0.1", 0, ip_dest("10.77.0.53", 53), true);
	assert_int_equal(open_forwards(1, 0, 0), 0);
	for (unsigned i = 0; i <= FAKE_SOCKS; i++) {
		fd[i] = host_socket(SOCK_DGRAM);
		host_send(fd[i], port_of(0), "x");
		UNTIL(stats().datagrams + stats().lost == i + 1);
	}
	assert_int_equal(stats().lost, 1);
	assert_int_equal(stats().peers, FAKE_SOCKS);
	for (unsigned i = 0; i <= FAKE_SOCKS; i++)
		close(fd[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(local_tcp, setup, teardown),
		cmocka_unit_test_setup_teardown(local_unix, setup, teardown),
		cmocka_unit_test_setup_teardown(a_failed_connect_resets, setup, teardown),
		cmocka_unit_test_setup_teardown(a_busy_port, setup, teardown),
		cmocka_unit_test_setup_teardown(waits_for_its_turn, setup, teardown),
		cmocka_unit_test_setup_teardown(idle_ones_go, setup, teardown),
		cmocka_unit_test_setup_teardown(remote_tcp, setup, teardown),
		cmocka_unit_test_setup_teardown(remote_tcp_to_nobody, setup, teardown),
		cmocka_unit_test_setup_teardown(remote_tcp_breaks, setup, teardown),
		cmocka_unit_test_setup_teardown(local_udp, setup, teardown),
		cmocka_unit_test_setup_teardown(local_udp_to_a_name, setup, teardown),
		cmocka_unit_test_setup_teardown(local_udp_to_no_name, setup, teardown),
		cmocka_unit_test_setup_teardown(local_udp_blocked, setup, teardown),
		cmocka_unit_test_setup_teardown(remote_udp, setup, teardown),
		cmocka_unit_test_setup_teardown(the_oldest_makes_room, setup, teardown),
		cmocka_unit_test_setup_teardown(remote_udp_to_a_name, setup, teardown),
		cmocka_unit_test_setup_teardown(no_more_sockets, setup, teardown),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, warm_up, NULL);
}
