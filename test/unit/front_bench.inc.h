/* SPDX-License-Identifier: GPL-3.0-or-later */
/* front_bench.inc.h - a front over real loopback sockets, for tests with fake_flow.inc.h and local_peer.inc.h. */
#ifndef TEST_FRONT_BENCH_INC_H
#define TEST_FRONT_BENCH_INC_H

#include <signal.h>
#include <stdio.h>

#include "core/limits.h"
#include "core/log.h"
#include "socks/front.h"
#include "socks/sockaddr.h"
#include "socks/udp_relay.h"

#define GREETING "\x05\x01\x00"
#define CHOSEN "\x05\x00"
#define REQUEST "\x05\x01\x00\x03\x08" "far.corp\x00\x50"
#define SUCCESS "\x05\x00\x00\x01\xc0\xa8\x1e\x0a\xc3\x50" /* fake_init()'s address and port */
#define LEN(s) (sizeof(s) - 1)

static struct front *front;
static struct targets targets;
static struct client_conf client_conf;
static struct dest at; /* where it listens */

/* --- log lines ----------------------------------------------------------------------------------------- */

static char lines[16][512];
static unsigned nlines;

static inline void keep_line(void *ctx, enum log_level level, const char *line)
{
	(void)ctx;
	if (level <= LOG_WARN && nlines < ARRAY_LEN(lines))
		snprintf(lines[nlines++], sizeof(lines[0]), "%s", line);
}

/* --- setup --------------------------------------------------------------------------------------------- */

static inline int setup(void **state)
{
	(void)state;
	signal(SIGPIPE, SIG_IGN);
	fake_init(&ns);
	nlines = 0;
	log_set_sink(keep_line, NULL);
	front = NULL;
	targets = (struct targets){ .loop = &loop, .ns = &ns, .connect_ms = 10000 };
	client_conf = (struct client_conf){ 0 };
	return uv_loop_init(&loop);
}

static inline int teardown(void **state)
{
	(void)state;
	log_set_sink(NULL, NULL);
	fake_fini(&ns);
	return uv_loop_close(&loop); /* fails if a handle is left */
}

static inline struct dest parse(const char *text)
{
	struct dest d;

	assert_int_equal(dest_parse(text, 0, &d), 0);
	return d;
}

/* dest_parse() has no port 0, which lets the kernel choose. */
static inline struct dest any_port(const char *ip)
{
	struct dest d = { .port = 0 };

	assert_int_equal(ip_parse(ip, &d.ip), 0);
	return d;
}

static inline void front_open(const char *ip)
{
	struct fault f = { 0 };
	struct dest d = any_port(ip);
	struct listen_addr l = { .at = d };

	assert_int_equal(front_new(&front, &targets, &client_conf, &l, 1, &f), 0);
	front_address(front, 0, &at);
	assert_int_equal(at.ip.family, d.ip.family);
	assert_true(at.port > 0);
}

static inline void front_end(void)
{
	front_close(front);
	flow_flush(&ns);
	front = NULL;
	for (unsigned i = 0; uv_loop_alive(&loop) && i < TURNS_MAX; i++)
		turn();
	assert_false(uv_loop_alive(&loop));
}

static inline void dial(struct peer *p, const struct dest *to)
{
	struct sockaddr_storage sa;
	socklen_t n = sockaddr_from_dest(to, &sa);
	int fd = socket(sa.ss_family, SOCK_STREAM, 0);

	assert_true(fd >= 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&sa, n), 0); /* the kernel does it, accepted or not */
	peer_init(p, fd);
}

static inline void assert_bytes(const struct received *got, const void *want, size_t n)
{
	assert_int_equal(got->n, n);
	if (n > 0)
		assert_memory_equal(got->p, want, n);
}

#endif
