/* SPDX-License-Identifier: GPL-3.0-or-later */
/* socks_front.inc.h - what a SOCKS client can ask for besides CONNECT, over real loopback sockets: SOCKS4, passwords,
 * BIND, UDP ASSOCIATE, unix: listeners, idle times. The private network is fake_flow.inc.h. The tests are those of
 * test_socks_front.c; the table of test_socks_rfc.c runs some of them as proof of a requirement. */
#ifndef TEST_SOCKS_FRONT_INC_H
#define TEST_SOCKS_FRONT_INC_H

#include <sys/stat.h>
#include <sys/un.h>

#include "fake_flow.inc.h"
#include "local_peer.inc.h"
#include "front_bench.inc.h"

#define NOWHERE "\x00\x01\x00\x00\x00\x00\x00\x00"

static inline void expect(struct peer *p, const void *want, size_t n)
{
	UNTIL(peer_has(p, n));
	assert_bytes(&p->got, want, n);
	p->got.n = 0;
}
#define EXPECT(p, s) expect(p, s, LEN(s))
#define SEND(p, s) peer_send_all(p, s, LEN(s))

/* With a reset: a mere end is a half-close. */
static inline void gone(struct peer *p)
{
	if (p->fd >= 0)
		peer_reset(p);
	peer_fini(p);
	UNTIL(front_clients(front) == 0);
}

static inline void refused(const void *in, size_t in_n, const void *out, size_t out_n)
{
	struct peer p;

	dial(&p, &at);
	peer_send_all(&p, in, in_n);
	UNTIL(peer_at_end(&p));
	assert_int_equal(p.got_err, 0);
	assert_bytes(&p.got, out, out_n);
	gone(&p);
}
#define REFUSED(in, out) refused(in, LEN(in), out, LEN(out))

/* --- SOCKS4 -------------------------------------------------------------------------------------------- */

static inline void echo(struct peer *p, struct fake_conn *c)
{
	peer_send_all(p, "ping", 4);
	UNTIL(fake_take(c, 4) > 0 && c->got.n == 4);
	fake_give(c, (const uint8_t *)"pong", 4, 4);
	EXPECT(p, "pong");
}

static inline void test_socks4(void **state)
{
	struct peer p;

	(void)state;
	front_open("127.0.0.1");
	dial(&p, &at);
	SEND(&p, "\x04\x01\x00\x50\x0a\x4d\x00\x01me\x00");
	EXPECT(&p, "\x00\x5a\xc3\x50\xc0\xa8\x1e\x0a");
	assert_int_equal(ns.conns[0].to.ip.b[1], 77);
	echo(&p, &ns.conns[0]);
	gone(&p);
	front_end();
}

static inline void test_socks4a(void **state)
{
	struct peer p;

	(void)state;
	front_open("127.0.0.1");
	dial(&p, &at);
	SEND(&p, "\x04\x01\x00\x50\x00\x00\x00\x01\x00" "far.corp\x00" "early");
	EXPECT(&p, "\x00\x5a\xc3\x50\xc0\xa8\x1e\x0a");
	assert_string_equal(ns.conns[0].to.name, "far.corp");
	UNTIL(fake_take(&ns.conns[0], 5) == 5);
	gone(&p);
	front_end();
}

static inline void test_socks4_failure(void **state)
{
	(void)state;
	ns.outcome = FAKE_FAILS;
	ns.err = VE_REFUSED;
	front_open("127.0.0.1");
	REFUSED("\x04\x01\x00\x50\x0a\x4d\x00\x01\x00", "\x00\x5b\x00\x00\x00\x00\x00\x00");
	front_end();
}

/* --- passwords ----------------------------------------------------------------------------------------- */

static struct proxy_auth auth;

static inline void front_open_auth(void)
{
	assert_int_equal(proxy_auth_set(&auth, "alice", "secret"), 0);
	client_conf.auth = &auth;
	front_open("127.0.0.1");
}

#define LOGIN "\x05\x01\x02" "\x01\x05" "alice" "\x06" "secret"

static inline void test_login(void **state)
{
	struct peer p;

	(void)state;
	front_open_auth();
	dial(&p, &at);
	SEND(&p, LOGIN REQUEST); /* all at once */
	EXPECT(&p, "\x05\x02\x01\x00" SUCCESS);
	echo(&p, &ns.conns[0]);
	gone(&p);
	front_end();
}

/* The answer comes late, is the same whatever was wrong, and nobody else waits for it. */
static inline void test_wrong_login(void **state)
{
	static const char *const wrong[] = { "\x01\x05" "alice" "\x06" "Secret", "\x01\x05" "alicE" "\x06" "secret",
					     "\x01\x05" "alice" "\x05" "secre\x00", "\x01\x01" "x" "\x01" "y\x00\x00\x00\x00\x00\x00\x00\x00\x00" };

	(void)state;
	front_open_auth();
	for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
		struct peer p, other;

		dial(&p, &at);
		SEND(&p, "\x05\x01\x02");
		EXPECT(&p, "\x05\x02");
		peer_send_all(&p, wrong[i], 14);
		dial(&other, &at);
		SEND(&other, LOGIN REQUEST);
		EXPECT(&other, "\x05\x02\x01\x00" SUCCESS);
		settle_down();
		assert_false(peer_has(&p, 1));
		assert_true(uv_backend_timeout(&loop) >= 0);
		assert_true(uv_backend_timeout(&loop) <= (int)PROXY_DENIED_MS);
		front_tick(front, uv_now(&loop) + PROXY_DENIED_MS);
		UNTIL(peer_at_end(&p));
		assert_int_equal(p.got_err, 0);
		assert_bytes(&p.got, "\x01\x01", 2);
		peer_fini(&p);
		gone(&other);
	}
	front_end();
}

static inline void test_login_wanted(void **state)
{
	(void)state;
	front_open_auth();
	REFUSED("\x05\x01\x00", "\x05\xff");
	REFUSED("\x04\x01\x00\x50\x0a\x4d\x00\x01me\x00", "\x00\x5b\x00\x00\x00\x00\x00\x00");
	front_end();
}

/* A client that goes while its wrong password is not answered yet. */
static inline void test_denied_client_goes(void **state)
{
	struct peer p;

	(void)state;
	front_open_auth();
	for (unsigned i = 0; i < 2; i++) {
		dial(&p, &at);
		SEND(&p, "\x05\x01\x02\x01\x01x\x01y");
		EXPECT(&p, "");
		UNTIL(front_clients(front) == 1);
		settle_down();
		if (i == 0)
			peer_reset(&p);
		else
			peer_end(&p);
		UNTIL(front_clients(front) == 0);
		peer_fini(&p);
	}
	front_end();
}

static inline void test_proxy_auth(void **state)
{
	char longest[257];
	struct proxy_auth a;

	(void)state;
	memset(longest, 'x', 256);
	longest[256] = '\0';
	assert_int_equal(proxy_auth_set(&a, "", "p"), VE_USAGE);
	assert_int_equal(proxy_auth_set(&a, "u", ""), VE_USAGE);
	assert_int_equal(proxy_auth_set(&a, longest, "p"), VE_USAGE);
	assert_int_equal(proxy_auth_set(&a, "u", longest), VE_USAGE);
	assert_int_equal(proxy_auth_set(&a, longest + 1, longest + 1), 0);
	for (size_t n = 0; n <= 256; n++) {
		struct slice s = { (const uint8_t *)longest, n };

		assert_int_equal(proxy_auth_ok(&a, s, (struct slice){ (const uint8_t *)longest, 255 }), n == 255);
		assert_int_equal(proxy_auth_ok(&a, (struct slice){ (const uint8_t *)longest, 255 }, s), n == 255);
	}
	assert_int_equal(proxy_auth_set(&a, "u", "p"), 0);
	assert_true(proxy_auth_ok(&a, (struct slice){ (const uint8_t *)"u", 1 }, (struct slice){ (const uint8_t *)"p", 1 }));
	assert_false(proxy_auth_ok(&a, (struct slice){ (const uint8_t *)"u\0", 2 }, (struct slice){ (const uint8_t *)"p", 1 }));
	assert_false(proxy_auth_ok(&a, (struct slice){ 0 }, (struct slice){ 0 }));
}

/* --- BIND ---------------------------------------------------------------------------------------------- */

#define BIND_V4(a) GREETING "\x05\x02\x00\x01" a "\x00\x14"

static inline void start_bind(struct peer *p, const void *in, size_t n)
{
	dial(p, &at);
	peer_send_all(p, in, n);
	EXPECT(p, CHOSEN SUCCESS);
	assert_non_null(ns.ports[0]);
}

static inline void test_bind(void **state)
{
	struct peer p;

	(void)state;
	front_open("127.0.0.1");
	start_bind(&p, BIND_V4("\x0a\x4d\x00\x01"), LEN(BIND_V4("\x0a\x4d\x00\x01")));
	SEND(&p, "early");
	fake_come(&ns, 0, "10.77.0.9", 4000); /* a stranger: reset, and we wait on */
	settle_down();
	assert_true(ns.conns[0].freed && ns.conns[0].reset);
	assert_false(peer_has(&p, 1));
	fake_come(&ns, 0, "10.77.0.1", 4001); /* from another port than the one in the request: does not count */
	EXPECT(&p, "\x05\x00\x00\x01\x0a\x4d\x00\x01\x0f\xa1");
	assert_null(ns.ports[0]);
	UNTIL(fake_take(&ns.conns[1], 5) == 5);
	fake_give(&ns.conns[1], (const uint8_t *)"data", 4, 4);
	EXPECT(&p, "data");
	fake_end(&ns.conns[1]);
	peer_end(&p);
	UNTIL(front_clients(front) == 0);
	assert_false(ns.conns[1].reset);
	peer_fini(&p);
	front_end();
}

static inline void test_bind_anybody(void **state)
{
	struct peer p;

	(void)state;
	front_open("127.0.0.1");
	start_bind(&p, BIND_V4("\x00\x00\x00\x00"), LEN(BIND_V4("\x00\x00\x00\x00")));
	fake_come(&ns, 0, "fd00::5", 7);
	EXPECT(&p, "\x05\x00\x00\x04\xfd\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x05\x00\x07");
	gone(&p);
	assert_true(ns.conns[0].freed);
	front_end();
}

static inline void test_bind_name(void **state)
{
	struct peer p;

	(void)state;
	front_open("127.0.0.1");
	start_bind(&p, GREETING "\x05\x02\x00\x03\x03" "ftp\x00\x00", 13);
	fake_come(&ns, 0, "10.77.0.1", 20);
	EXPECT(&p, "\x05\x00\x00\x01\x0a\x4d\x00\x01\x00\x14");
	gone(&p);
	ns.lookup_err = VE_RESOLVE;
	REFUSED(GREETING "\x05\x02\x00\x03\x03" "ftp\x00\x00", CHOSEN "\x05\x04" NOWHERE);
	/* gone while the name is looked up */
	ns.lookup_waits = true;
	dial(&p, &at);
	SEND(&p, GREETING "\x05\x02\x00\x03\x03" "ftp\x00\x00");
	EXPECT(&p, CHOSEN);
	UNTIL(ns.lookups[0]);
	peer_reset(&p);
	UNTIL(front_clients(front) == 0);
	peer_fini(&p);
	front_end();
}

static inline void test_bind_socks4(void **state)
{
	struct peer p;

	(void)state;
	front_open("127.0.0.1");
	dial(&p, &at);
	SEND(&p, "\x04\x02\x00\x14\x0a\x4d\x00\x01\x00");
	EXPECT(&p, "\x00\x5a\xc3\x50\xc0\xa8\x1e\x0a");
	fake_come(&ns, 0, "10.77.0.1", 20);
	EXPECT(&p, "\x00\x5a\x00\x14\x0a\x4d\x00\x01");
	echo(&p, &ns.conns[0]);
	gone(&p);
	/* the memo: a stranger ends it */
	dial(&p, &at);
	SEND(&p, "\x04\x02\x00\x14\x0a\x4d\x00\x01\x00");
	EXPECT(&p, "\x00\x5a\xc3\x50\xc0\xa8\x1e\x0a");
	fake_come(&ns, 0, "10.77.0.2", 20);
	UNTIL(peer_at_end(&p));
	assert_bytes(&p.got, "\x00\x5b\x00\x00\x00\x00\x00\x00", 8);
	gone(&p);
	front_end();
}

static inline void test_bind_timeout(void **state)
{
	struct peer p;

	(void)state;
	front_open("127.0.0.1");
	start_bind(&p, BIND_V4("\x0a\x4d\x00\x01"), LEN(BIND_V4("\x0a\x4d\x00\x01")));
	front_tick(front, uv_now(&loop) + BIND_MS - 1000);
	settle_down();
	assert_false(peer_has(&p, 1));
	front_tick(front, uv_now(&loop) + BIND_MS);
	UNTIL(peer_at_end(&p));
	assert_bytes(&p.got, "\x05\x04" NOWHERE, 10);
	assert_null(ns.ports[0]);
	gone(&p);
	front_end();
}

static inline void test_bind_refusals(void **state)
{
	static struct route_rule rules[2];
	struct peer p;

	(void)state;
	assert_int_equal(route_parse("10.1.0.0/16=direct", &rules[0]), 0);
	assert_int_equal(route_parse("10.2.0.0/16=block", &rules[1]), 0);
	targets.rules = rules;
	targets.nrules = 2;
	front_open("127.0.0.1");
	REFUSED(BIND_V4("\x0a\x01\x00\x01"), CHOSEN "\x05\x02" NOWHERE);
	REFUSED(BIND_V4("\x0a\x02\x00\x01"), CHOSEN "\x05\x02" NOWHERE);
	ns.link_down = true;
	REFUSED(BIND_V4("\x0a\x4d\x00\x01"), CHOSEN "\x05\x03" NOWHERE);
	ns.link_down = false;
	ns.port_result = VE_LIMIT;
	REFUSED(BIND_V4("\x0a\x4d\x00\x01"), CHOSEN "\x05\x01" NOWHERE);
	ns.port_result = 0;
	start_bind(&p, BIND_V4("\x0a\x4d\x00\x01"), LEN(BIND_V4("\x0a\x4d\x00\x01")));
	peer_reset(&p);
	UNTIL(front_clients(front) == 0);
	assert_null(ns.ports[0]);
	peer_fini(&p);
	start_bind(&p, BIND_V4("\x0a\x4d\x00\x01"), LEN(BIND_V4("\x0a\x4d\x00\x01")));
	front_end(); /* with one that waits */
	peer_fini(&p);
}

static inline void test_bind_cap(void **state)
{
	struct peer p[BINDS_MAX];

	(void)state;
	front_open("127.0.0.1");
	for (unsigned i = 0; i < BINDS_MAX; i++) {
		dial(&p[i], &at);
		SEND(&p[i], BIND_V4("\x0a\x4d\x00\x01"));
		EXPECT(&p[i], CHOSEN SUCCESS);
	}
	for (unsigned i = 0; i < 2; i++) {
		struct peer more;

		dial(&more, &at);
		SEND(&more, BIND_V4("\x0a\x4d\x00\x01"));
		if (i == 0) {
			EXPECT(&more, CHOSEN "\x05\x01" NOWHERE);
			peer_reset(&p[0]); /* one goes, one may come */
			peer_fini(&p[0]);
			UNTIL(ns.ports[0] == NULL);
		} else {
			EXPECT(&more, CHOSEN SUCCESS);
		}
		peer_reset(&more);
		peer_fini(&more);
	}
	for (unsigned i = 1; i < BINDS_MAX; i++)
		peer_fini(&p[i]);
	front_end();
}

/* --- UDP ASSOCIATE ------------------------------------------------------------------------------------- */

#define ASSOCIATE GREETING "\x05\x03\x00\x01\x00\x00\x00\x00\x00\x00"

struct udp_client {
	struct peer control;
	int fd;
	struct dest relay;
};

static inline int udp_socket(const char *ip)
{
	struct dest d = any_port(ip);
	struct sockaddr_storage sa;
	socklen_t n = sockaddr_from_dest(&d, &sa);
	int fd = socket(sa.ss_family, SOCK_DGRAM | SOCK_NONBLOCK, 0);

	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&sa, n), 0);
	return fd;
}

static inline void udp_open_with(struct udp_client *u, const char *ip, const void *request, size_t n)
{
	struct peer *p = &u->control;

	u->fd = udp_socket(ip);
	dial(p, &at);
	peer_send_all(p, request, n);
	UNTIL(peer_has(p, 12));
	assert_memory_equal(p->got.p, CHOSEN "\x05\x00\x00\x01\x7f\x00\x00\x01", 10);
	u->relay = at;
	u->relay.port = load_be16(p->got.p + 10);
	p->got.n = 0;
}

static inline void udp_open(struct udp_client *u)
{
	udp_open_with(u, "127.0.0.1", ASSOCIATE, LEN(ASSOCIATE));
}

static inline void udp_close(struct udp_client *u)
{
	close(u->fd);
	gone(&u->control);
}

static inline void udp_send_from(int fd, const struct dest *to, const void *p, size_t n)
{
	struct sockaddr_storage sa;
	socklen_t len = sockaddr_from_dest(to, &sa);

	assert_int_equal(sendto(fd, p, n, 0, (struct sockaddr *)&sa, len), (ssize_t)n);
}
#define UDP_SEND(u, s) udp_send_from((u)->fd, &(u)->relay, s, LEN(s))

static inline void udp_expect(struct udp_client *u, const void *want, size_t n)
{
	uint8_t got[2048];
	ssize_t r = -1;

	UNTIL((r = recv(u->fd, got, sizeof(got), 0)) >= 0);
	assert_int_equal(r, n);
	assert_memory_equal(got, want, n);
}

#define TO_V4 "\x00\x00\x00\x01\x0a\x4d\x00\x01\x00\x35"
#define TO_NAME "\x00\x00\x00\x03\x08" "far.corp\x00\x35"

static inline void test_udp(void **state)
{
	struct udp_client u;

	(void)state;
	front_open("127.0.0.1");
	udp_open(&u);
	UDP_SEND(&u, TO_V4 "question");
	UNTIL(ns.nsent == 1);
	assert_int_equal(ns.sent[0].who.port, 53);
	assert_int_equal(ns.sent[0].who.ip.b[1], 77);
	assert_int_equal(ns.sent[0].n, 8);
	assert_memory_equal(ns.sent[0].p, "question", 8);
	fake_send(&ns, 0, "10.77.0.1", 53, "answer", 6);
	udp_expect(&u, TO_V4 "answer", LEN(TO_V4 "answer"));
	/* endpoint-independent: others may answer, from IPv6 as well; an empty datagram is one */
	fake_send(&ns, 0, "fd00::7", 9, "", 0);
	udp_expect(&u, "\x00\x00\x00\x04\xfd\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x07\x00\x09", 22);
	UDP_SEND(&u, TO_V4);
	UNTIL(ns.nsent == 2);
	assert_int_equal(ns.sent[1].n, 0);
	assert_int_equal(front_udp(front)->out, 2);
	assert_int_equal(front_udp(front)->in, 2);
	udp_close(&u);
	assert_null(ns.socks[0]);
	assert_int_equal(front_udp(front)->count, 0);
	front_end();
}

static inline void test_udp_names(void **state)
{
	struct udp_client u;

	(void)state;
	front_open("127.0.0.1");
	udp_open(&u);
	UDP_SEND(&u, TO_NAME "question");
	UNTIL(ns.nsent == 1);
	assert_true(ip_equal(&ns.sent[0].who.ip, &ns.lookup_ip));
	assert_int_equal(ns.sent[0].who.port, 53);
	assert_memory_equal(ns.sent[0].p, "question", 8);
	ns.lookup_err = VE_RESOLVE;
	UDP_SEND(&u, TO_NAME "lost");
	UNTIL(front_udp(front)->lost == 1);
	/* as many as may wait, and one more */
	ns.lookup_err = 0;
	ns.lookup_waits = true;
	for (unsigned i = 0; i < UDP_LOOKUPS_MAX + 1; i++)
		UDP_SEND(&u, TO_NAME "waits");
	UNTIL(front_udp(front)->lost == 2);
	assert_int_equal(ns.nsent, 1);
	ns.lookup_waits = false;
	UNTIL(ns.nsent == 1 + UDP_LOOKUPS_MAX);
	ns.lookup_waits = true;
	UDP_SEND(&u, TO_NAME "closed meanwhile");
	UNTIL(ns.lookups[0]);
	udp_close(&u);
	assert_null(ns.lookups[0]);
	front_end();
}

static inline void test_udp_dropped(void **state)
{
	struct udp_client u;
	const struct udp_relays *all;
	int stranger;

	(void)state;
	front_open("127.0.0.1");
	udp_open(&u);
	all = front_udp(front);
	UDP_SEND(&u, "\x00\x00\x01\x01\x0a\x4d\x00\x01\x00\x35" "fragment");
	UNTIL(all->fragments == 1);
	UDP_SEND(&u, "\x00\x00\x80\x01\x0a\x4d\x00\x01\x00\x35" "last fragment");
	UNTIL(all->fragments == 2);
	UDP_SEND(&u, "\x00\x01\x00\x01\x0a\x4d\x00\x01\x00\x35" "reserved");
	UDP_SEND(&u, "\x00\x00\x00\x02\x0a\x4d\x00\x01\x00\x35" "type");
	UDP_SEND(&u, "\x00\x00\x00");
	UDP_SEND(&u, "");
	UDP_SEND(&u, "\x00\x00\x00\x01\x0a\x4d\x00\x01\x00\x00" "port 0");
	UNTIL(all->malformed == 5);
	stranger = udp_socket("127.0.0.1"); /* another port of the same host, and another address */
	udp_send_from(stranger, &u.relay, TO_V4 "x", LEN(TO_V4 "x"));
	UNTIL(all->strangers == 1);
	close(stranger);
	stranger = udp_socket("127.0.0.2");
	udp_send_from(stranger, &u.relay, TO_V4 "x", LEN(TO_V4 "x"));
	UNTIL(all->strangers == 2);
	close(stranger);
	ns.send_result = VE_AGAIN;
	UDP_SEND(&u, TO_V4 "full");
	UNTIL(all->lost == 1);
	assert_int_equal(ns.nsent, 0);
	udp_close(&u);
	front_end();
}

/* A port that the request announces is the only one. */
static inline void test_udp_announced_port(void **state)
{
	uint8_t request[] = GREETING "\x05\x03\x00\x01\x7f\x00\x00\x01\x00\x00";
	struct sockaddr_storage sa;
	socklen_t n = sizeof(sa);
	struct udp_client u;
	struct dest mine;
	int first;

	(void)state;
	front_open("127.0.0.1");
	first = udp_socket("127.0.0.1");
	assert_int_equal(getsockname(first, (struct sockaddr *)&sa, &n), 0);
	sockaddr_to_dest(&sa, &mine);
	store_be16(request + sizeof(request) - 3, mine.port);
	udp_open_with(&u, "127.0.0.1", request, sizeof(request) - 1);
	UDP_SEND(&u, TO_V4 "x");
	UNTIL(front_udp(front)->strangers == 1);
	/* known from the start: what comes in first reaches it */
	fake_send(&ns, 0, "10.77.0.1", 53, "hello", 5);
	close(u.fd);
	u.fd = first;
	udp_expect(&u, TO_V4 "hello", LEN(TO_V4 "hello"));
	UDP_SEND(&u, TO_V4 "y");
	UNTIL(ns.nsent == 1);
	udp_close(&u);
	front_end();
}

static inline void test_udp_ends_with_tcp(void **state)
{
	struct udp_client u;

	(void)state;
	front_open("127.0.0.1");
	for (unsigned i = 0; i < 3; i++) {
		udp_open(&u);
		SEND(&u.control, "ignored");
		settle_down();
		assert_int_equal(front_clients(front), 1);
		if (i == 0)
			peer_end(&u.control);
		else if (i == 1)
			peer_reset(&u.control);
		else
			front_tick(front, uv_now(&loop) + UDP_IDLE_MS);
		UNTIL(front_clients(front) == 0);
		assert_null(ns.socks[0]);
		udp_close(&u);
	}
	udp_open(&u);
	front_end(); /* with one that is open */
	close(u.fd);
	peer_fini(&u.control);
}

static inline void test_udp_refusals(void **state)
{
	(void)state;
	front_open("127.0.0.1");
	ns.sock_result = VE_LIMIT;
	REFUSED(ASSOCIATE, CHOSEN "\x05\x01" NOWHERE);
	ns.sock_result = 0;
	((struct udp_relays *)(uintptr_t)front_udp(front))->count = UDP_ASSOCIATIONS_MAX;
	REFUSED(ASSOCIATE, CHOSEN "\x05\x01" NOWHERE);
	((struct udp_relays *)(uintptr_t)front_udp(front))->count = 0;
	front_end();
}

static inline void udp_direct(const char *pattern, const char *to, size_t to_n)
{
	static struct route_rule rules[2];
	struct sockaddr_storage sa;
	socklen_t n = sizeof(sa);
	struct udp_client u;
	uint8_t out[64], got[64];
	struct dest there;
	int far = udp_socket("127.0.0.1");
	ssize_t r = -1;

	assert_int_equal(getsockname(far, (struct sockaddr *)&sa, &n), 0);
	sockaddr_to_dest(&sa, &there);
	assert_int_equal(route_parse("10.2.0.0/16=block", &rules[0]), 0);
	assert_int_equal(route_parse(pattern, &rules[1]), 0);
	targets.rules = rules;
	targets.nrules = 2;
	front_open("127.0.0.1");
	udp_open(&u);
	UDP_SEND(&u, "\x00\x00\x00\x01\x0a\x02\x00\x01\x00\x35" "blocked");
	UNTIL(front_udp(front)->blocked == 1);
	memcpy(out, to, to_n);
	store_be16(out + to_n, there.port);
	memcpy(out + to_n + 2, "hi", 2);
	udp_send_from(u.fd, &u.relay, out, to_n + 4);
	n = sizeof(sa);
	UNTIL((r = recvfrom(far, got, sizeof(got), 0, (struct sockaddr *)&sa, &n)) >= 0);
	assert_int_equal(r, 2);
	assert_int_equal(sendto(far, "ho", 2, 0, (struct sockaddr *)&sa, n), 2);
	memcpy(out, "\x00\x00\x00\x01\x7f\x00\x00\x01", 8);
	store_be16(out + 8, there.port);
	memcpy(out + 10, "ho", 2);
	udp_expect(&u, out, 12);
	assert_int_equal(ns.nsent, 0);
	udp_close(&u);
	close(far);
	front_end();
}

static inline void test_udp_direct(void **state)
{
	(void)state;
	udp_direct("127.0.0.0/8=direct", "\x00\x00\x00\x01\x7f\x00\x00\x01", 8);
}

static inline void test_udp_direct_name(void **state)
{
	(void)state;
	/* every system's resolver knows this form of 127.0.0.1; to us it is a name */
	udp_direct("*:1-65535=direct", "\x00\x00\x00\x03\x05" "127.1", 10);
}

/* --- unix: --------------------------------------------------------------------------------------------- */

static char dir[] = "/tmp/softsocks-test-XXXXXX";
static char path[128];

static inline int open_unix(struct fault *f)
{
	struct listen_addr l = { .path = path };

	*f = (struct fault){ 0 };
	return front_new(&front, &targets, &client_conf, &l, 1, f);
}

static inline void make_path(void)
{
	memcpy(dir + sizeof(dir) - 7, "XXXXXX", 6);
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/s", dir);
}

static inline int dial_unix(void)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	memcpy(sa.sun_path, path, strlen(path) + 1);
	if (connect(fd, (struct sockaddr *)&sa, sizeof(sa)) == 0)
		return fd;
	close(fd);
	return -1;
}

static inline void test_unix(void **state)
{
	char text[FRONT_TEXT_MAX], want[160];
	struct fault f;
	struct stat st;
	struct peer p;

	(void)state;
	make_path();
	assert_int_equal(open_unix(&f), 0);
	snprintf(want, sizeof(want), "unix:%s", path);
	assert_string_equal(front_listener(front, 0, text), want);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	peer_init(&p, dial_unix());
	SEND(&p, GREETING REQUEST);
	EXPECT(&p, CHOSEN SUCCESS);
	echo(&p, &ns.conns[0]);
	fake_end(&ns.conns[0]);
	UNTIL(peer_at_end(&p));
	peer_end(&p);
	UNTIL(front_clients(front) == 0);
	assert_false(ns.conns[0].reset);
	peer_fini(&p);
	/* there is no address to bind a UDP port to, nor to know the client by */
	peer_init(&p, dial_unix());
	SEND(&p, ASSOCIATE);
	EXPECT(&p, CHOSEN "\x05\x07" NOWHERE);
	gone(&p);
	front_end();
	assert_int_equal(stat(path, &st), -1);
	rmdir(dir);
}

static inline void test_unix_stale(void **state)
{
	struct front *first, *second = NULL;
	struct listen_addr l = { .path = path };
	struct fault f = { 0 };
	struct listener dead;

	(void)state;
	make_path();
	assert_int_equal(listener_open(&dead, &l, "-l", &f), 0);
	close(dead.fd); /* as a killed program leaves it */
	assert_int_equal(dial_unix(), -1);
	assert_int_equal(open_unix(&f), 0);
	first = front;
	/* a live one is in use */
	assert_int_equal(front_new(&second, &targets, &client_conf, &l, 1, &f), VE_LISTEN);
	assert_non_null(strstr(f.text, path));
	assert_non_null(strstr(f.text, "already in use"));
	assert_null(second);
	/* somebody else's file, meanwhile, is not ours to remove */
	assert_int_equal(unlink(path), 0);
	close(open(path, O_CREAT | O_WRONLY, 0600));
	front = first;
	front_end();
	assert_int_equal(unlink(path), 0);
	rmdir(dir);
}

static inline void test_unix_refused(void **state)
{
	char longest[160];
	struct listen_addr l = { .path = longest };
	struct fault f;

	(void)state;
	make_path();
	close(open(path, O_CREAT | O_WRONLY, 0600));
	assert_int_equal(open_unix(&f), VE_LISTEN);
	assert_non_null(strstr(f.text, "no socket"));
	assert_int_equal(unlink(path), 0); /* it was left alone */
	snprintf(path, sizeof(path), "%s/no/such", dir);
	assert_int_equal(open_unix(&f), VE_LISTEN);
	assert_non_null(strstr(f.text, "No such file"));
	/* the longest path, and one more */
	memset(longest, 'x', sizeof(longest));
	memcpy(longest, dir, strlen(dir));
	longest[strlen(dir)] = '/';
	longest[SOCKET_PATH_MAX] = '\0';
	f = (struct fault){ 0 };
	assert_int_equal(front_new(&front, &targets, &client_conf, &l, 1, &f), 0);
	front_end();
	longest[SOCKET_PATH_MAX] = 'x';
	longest[SOCKET_PATH_MAX + 1] = '\0';
	assert_int_equal(front_new(&front, &targets, &client_conf, &l, 1, &f), VE_LISTEN);
	assert_non_null(strstr(f.text, "too long"));
	rmdir(dir);
}

/* --- direct, and time ---------------------------------------------------------------------------------- */

static inline void test_idle(void **state)
{
	struct peer p, busy;

	(void)state;
	client_conf.idle_ms = 5000;
	front_open("127.0.0.1");
	dial(&p, &at);
	SEND(&p, GREETING REQUEST);
	EXPECT(&p, CHOSEN SUCCESS);
	assert_true(uv_backend_timeout(&loop) <= 5000);
	front_tick(front, uv_now(&loop) + 4000);
	settle_down();
	assert_int_equal(front_clients(front), 1);
	dial(&busy, &at);
	SEND(&busy, GREETING); /* in its handshake: has its own time */
	EXPECT(&busy, CHOSEN);
	front_tick(front, uv_now(&loop) + 7000);
	UNTIL(front_clients(front) == 1);
	UNTIL(peer_at_end(&p));
	peer_fini(&p);
	gone(&busy);
	front_end();
}

#endif
