/* SPDX-License-Identifier: GPL-3.0-or-later */
/* local_peer.inc.h - the local end of a proxy connection, and the turns of the loop, for tests with
 * fake_flow.inc.h.
 *
 * Everything runs in one thread: the program under test on a libuv loop, its clients as non-blocking
 * sockets that the test reads and writes between turns, the far ends in the fake stack. UNTIL() turns
 * until a condition holds; nothing is asserted about time, the bound on turns only ends a test that hangs. */
#ifndef TEST_LOCAL_PEER_INC_H
#define TEST_LOCAL_PEER_INC_H

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>

#include "core/bytes.h"
#include "netstack/netstack.h"

static uv_loop_t loop;
static struct netstack ns;

/* One turn, as the program makes it: libuv's events, then the stack's. */
static inline void turn(void)
{
	uv_run(&loop, UV_RUN_NOWAIT);
	assert_false(ns.unflushed);
	netstack_dispatch(&ns);
}

/* About six seconds of naps: less than the program's own timers, which would hide that something is stuck. */
#define TURNS_MAX 7000u
#define UNTIL(condition)                                                        \
	do {                                                                    \
		for (unsigned turns_ = 0; !(condition); turns_++) {             \
			assert_true(turns_ < TURNS_MAX); /* hangs */            \
			if (turns_ > 1000) /* let the kernel do its part */     \
				poll(NULL, 0, 1);                               \
			turn();                                                 \
		}                                                               \
	} while (0)

/* Enough turns for everything that is going to happen by itself. */
static inline void settle_down(void)
{
	for (unsigned i = 0; i < 50; i++)
		turn();
}

/* --- bytes that can be told apart ---------------------------------------------------------------------- */

static inline uint8_t *make_bytes(size_t n, uint32_t seed)
{
	uint8_t *p = malloc(n > 0 ? n : 1);

	assert_non_null(p);
	for (size_t i = 0; i < n; i++) {
		seed = seed * 1664525u + 1013904223u;
		p[i] = (uint8_t)(seed >> 24);
	}
	return p;
}

/* --- a local client ------------------------------------------------------------------------------------ */

struct peer {
	int fd;
	struct received got;
	bool got_end;
	int got_err; /* errno that ended reading or writing */
};

static inline void peer_init(struct peer *p, int fd)
{
	*p = (struct peer){ .fd = fd };
	assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
}

static inline void peer_close(struct peer *p)
{
	if (p->fd >= 0)
		close(p->fd);
	p->fd = -1;
}

static inline void peer_fini(struct peer *p)
{
	peer_close(p);
	free(p->got.p);
}

/* Close as a program does that is killed in the middle: with a reset. */
static inline void peer_reset(struct peer *p)
{
	struct linger l = { .l_onoff = 1, .l_linger = 0 };

	assert_int_equal(setsockopt(p->fd, SOL_SOCKET, SO_LINGER, &l, sizeof(l)), 0);
	peer_close(p);
}

/* Send what the socket takes now. Returns how much. */
static inline size_t peer_send(struct peer *p, const void *from, size_t n)
{
	ssize_t w = n > 0 ? send(p->fd, from, n, MSG_NOSIGNAL) : 0;

	if (w < 0 && errno != EAGAIN && errno != EINTR)
		p->got_err = errno;
	return w > 0 ? (size_t)w : 0;
}

static inline void peer_send_all(struct peer *p, const void *from, size_t n)
{
	size_t done = 0;

	UNTIL((done += peer_send(p, (const uint8_t *)from + done, n - done)) == n);
}

static inline void peer_end(struct peer *p)
{
	assert_int_equal(shutdown(p->fd, SHUT_WR), 0);
}

/* Receive up to @n bytes of what is there now. Returns how many came. */
static inline size_t peer_recv(struct peer *p, size_t n)
{
	uint8_t buf[65536];
	ssize_t r;

	if (p->got_end || p->got_err)
		return 0;
	r = recv(p->fd, buf, min_size(n, sizeof(buf)), 0);
	if (r == 0) {
		p->got_end = true;
	} else if (r < 0) {
		if (errno != EAGAIN && errno != EINTR)
			p->got_err = errno;
	} else {
		received_add(&p->got, buf, (size_t)r);
	}
	return r > 0 ? (size_t)r : 0;
}

/* For conditions: receive what is there, then tell. */
static inline bool peer_has(struct peer *p, size_t n)
{
	peer_recv(p, SIZE_MAX);
	return p->got.n >= n;
}

static inline bool peer_at_end(struct peer *p)
{
	peer_recv(p, SIZE_MAX);
	return p->got_end || p->got_err;
}

/* What the kernel has learned and nobody has read yet: ECONNRESET after a reset. */
static inline int peer_error(const struct peer *p)
{
	int err = 0;
	socklen_t n = sizeof(err);

	assert_int_equal(getsockopt(p->fd, SOL_SOCKET, SO_ERROR, &err, &n), 0);
	return err;
}

/* Two ends of a TCP connection over loopback. */
static inline void tcp_pair(int fds[2])
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t n = sizeof(a);
	int l = socket(AF_INET, SOCK_STREAM, 0);

	assert_int_equal(bind(l, (struct sockaddr *)&a, n), 0);
	assert_int_equal(listen(l, 1), 0);
	assert_int_equal(getsockname(l, (struct sockaddr *)&a, &n), 0);
	fds[0] = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(connect(fds[0], (struct sockaddr *)&a, n), 0);
	fds[1] = accept(l, NULL, NULL);
	assert_true(fds[1] >= 0);
	close(l);
}

/* --- the descriptor table ------------------------------------------------------------------------------ */

static inline unsigned count_fds(void)
{
	unsigned n = 0;

	for (int fd = 0; fd < 4096; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

#endif
