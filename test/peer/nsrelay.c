/* SPDX-License-Identifier: GPL-3.0-or-later */

/* nsrelay.c - carries TCP connections through a door that nshold.c left open.
 *
 *   nsrelay FD=ADDR:PORT...
 *
 * Every FD is a listening socket that was opened in another network (the host's); what arrives there is
 * connected to ADDR:PORT of the network this process lives in. A socket belongs to the network it was made in
 * for as long as it lives, so nothing else is needed to step from one into the other.
 *
 * The relay is to be invisible to a test. Bytes and their order stay; an end of stream is passed on by itself
 * (half-close, both directions); a reset is passed on as a reset; if ADDR:PORT cannot be reached, the client
 * is reset at once, which is the nearest a socket that has already been accepted can come to a refusal. One
 * process, one poll loop: each direction of a connection is a buffer, filled while it has room and emptied
 * while it has bytes, so a slow side slows its sender down and nobody else.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define MAX_DOORS  8
#define MAX_CONNS  512             /* further clients wait in the listen queue */
#define BUF_SIZE   (256 * 1024)    /* a direction; a few round trips of loopback */

struct door {
	int fd;
	struct sockaddr_in to;
};

/* One direction: bytes [start, end) of buf were read from one side and not yet written to the other. */
struct flow {
	unsigned char *buf;
	size_t start, end;
	bool eof;               /* the reading side has ended */
	bool shut;              /* and the other side was told */
};

/* Side 0 is the client (outside), side 1 the server (inside); flow[i] carries what side i sends. */
struct conn {
	int fd[2];
	bool connecting;
	struct flow flow[2];
};

static struct door doors[MAX_DOORS];
static int ndoors;
static struct conn *conns[MAX_CONNS];
static int nconns;

static void flow_fini(struct flow *f)
{
	free(f->buf);
	f->buf = NULL;
}

/* End a connection; with @reset both sides learn that it did not end well. */
static void conn_free(struct conn *c, bool reset)
{
	const struct linger hard = { .l_onoff = 1, .l_linger = 0 };

	for (int i = 0; i < 2; i++) {
		if (c->fd[i] >= 0 && reset)
			setsockopt(c->fd[i], SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
		if (c->fd[i] >= 0)
			close(c->fd[i]);
		flow_fini(&c->flow[i]);
	}
	free(c);
}

static bool conn_dial(struct conn *c, const struct sockaddr_in *to)
{
	const int one = 1;

	c->fd[1] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (c->fd[1] < 0)
		return false;
	for (int i = 0; i < 2; i++) {
		c->flow[i].buf = malloc(BUF_SIZE);
		if (!c->flow[i].buf)
			return false;
		setsockopt(c->fd[i], IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	}
	if (connect(c->fd[1], (const struct sockaddr *)to, sizeof(*to)) == 0)
		return true;
	c->connecting = errno == EINPROGRESS;
	return c->connecting;
}

static void door_accept(const struct door *d)
{
	int fd = accept4(d->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	struct conn *c;

	if (fd < 0)
		return;
	c = calloc(1, sizeof(*c));
	if (!c) {
		close(fd);
		return;
	}
	c->fd[0] = fd;
	c->fd[1] = -1;
	if (conn_dial(c, &d->to))
		conns[nconns++] = c;
	else
		conn_free(c, true);
}

static bool again(void)
{
	return errno == EAGAIN || errno == EINTR;
}

static bool flow_fill(struct flow *f, int from)
{
	ssize_t n;

	if (f->start == f->end)
		f->start = f->end = 0;
	if (f->eof || f->end == BUF_SIZE)
		return true;
	n = recv(from, f->buf + f->end, BUF_SIZE - f->end, 0);
	if (n < 0)
		return again();
	f->end += (size_t)n;
	f->eof = n == 0;
	return true;
}

static bool flow_drain(struct flow *f, int to)
{
	ssize_t n;

	if (f->start < f->end) {
		n = send(to, f->buf + f->start, f->end - f->start, MSG_NOSIGNAL);
		if (n < 0)
			return again();
		f->start += (size_t)n;
	}
	if (f->eof && !f->shut && f->start == f->end) {
		f->shut = true;
		return shutdown(to, SHUT_WR) == 0;
	}
	return true;
}

/* What to wait for on side @i. */
static short conn_wants(const struct conn *c, int i)
{
	const struct flow *in = &c->flow[i], *out = &c->flow[!i];
	short ev = 0;

	if (c->connecting)
		return i == 1 ? POLLOUT : 0;
	if (!in->eof && (in->end < BUF_SIZE || in->start == in->end))
		ev |= POLLIN;
	if (out->start < out->end)
		ev |= POLLOUT;
	return ev;
}

/* A side that has hung up says so in every poll, wanted or not. Leave it alone once its end was read: there is
 * nothing more to learn than whether writing to it works. The same while its bytes find no room: later will do. */
static bool conn_quiet(const struct conn *c, int i)
{
	return !conn_wants(c, i) && (c->flow[i].eof || c->flow[!i].shut);
}

static bool conn_connected(struct conn *c)
{
	socklen_t len = sizeof(int);
	int err = 0;

	if (getsockopt(c->fd[1], SOL_SOCKET, SO_ERROR, &err, &len) != 0 || err != 0)
		return false;
	c->connecting = false;
	return true;
}

/* Move what can be moved. Returns false when the connection has to be reset. */
static bool conn_serve(struct conn *c, const struct pollfd p[2])
{
	if ((p[0].revents | p[1].revents) & (POLLERR | POLLNVAL))
		return false;
	if (c->connecting)
		return !(p[1].revents & (POLLOUT | POLLHUP)) || conn_connected(c);
	for (int i = 0; i < 2; i++) {
		if ((p[i].revents & (POLLIN | POLLHUP)) && !flow_fill(&c->flow[i], c->fd[i]))
			return false;
		if (!flow_drain(&c->flow[i], c->fd[!i]))
			return false;
	}
	return true;
}

static bool conn_done(const struct conn *c)
{
	return c->flow[0].shut && c->flow[1].shut;
}

static void serve_conns(const struct pollfd *p)
{
	int kept = 0, n = nconns;

	for (int i = 0; i < n; i++, p += 2) {
		struct conn *c = conns[i];
		bool ok = conn_serve(c, p);

		if (ok && !conn_done(c))
			conns[kept++] = c;
		else
			conn_free(c, !ok);
	}
	nconns = kept;
}

static void loop(void)
{
	static struct pollfd p[2 * MAX_CONNS + MAX_DOORS];
	struct pollfd *q;

	for (;;) {
		q = p;
		for (int i = 0; i < nconns; i++) {
			for (int side = 0; side < 2; side++, q++) {
				q->events = conn_wants(conns[i], side);
				q->fd = conn_quiet(conns[i], side) ? -1 : conns[i]->fd[side];
			}
		}
		for (int i = 0; i < ndoors; i++, q++) {
			q->fd = nconns < MAX_CONNS ? doors[i].fd : -1;
			q->events = POLLIN;
		}
		if (poll(p, (nfds_t)(q - p), -1) < 0)
			continue;
		q -= ndoors;
		serve_conns(p);
		for (int i = 0; i < ndoors; i++)
			if ((q[i].revents & POLLIN) && nconns < MAX_CONNS)
				door_accept(&doors[i]);
	}
}

static bool door_parse(const char *text, struct door *ret)
{
	char addr[16];
	unsigned port;
	int fd, end = 0;

	if (sscanf(text, "%d=%15[0-9.]:%u%n", &fd, addr, &port, &end) != 3 || text[end] || !port || port > 65535)
		return false;
	ret->fd = fd;
	ret->to.sin_family = AF_INET;
	ret->to.sin_port = htons((uint16_t)port);
	return inet_pton(AF_INET, addr, &ret->to.sin_addr) == 1 &&
	       fcntl(fd, F_SETFD, FD_CLOEXEC) == 0 && fcntl(fd, F_SETFL, O_NONBLOCK) == 0;
}

int main(int argc, char **argv)
{
	if (argc < 2 || argc - 1 > MAX_DOORS) {
		fprintf(stderr, "usage: nsrelay FD=ADDR:PORT... (at most %d)\n", MAX_DOORS);
		return 2;
	}
	for (ndoors = 0; ndoors < argc - 1; ndoors++) {
		const char *arg = argv[ndoors + 1];

		if (!door_parse(arg, &doors[ndoors])) {
			fprintf(stderr, "nsrelay: '%s' is not FD=ADDR:PORT with an open socket FD\n", arg);
			return 2;
		}
	}
	signal(SIGPIPE, SIG_IGN);
	loop();
	return 1;
}
