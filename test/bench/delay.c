/* SPDX-License-Identifier: GPL-3.0-or-later */

/* delay.c - a long way for TCP connections: a relay that hands on every byte a fixed time after it came.
 *
 *   delay MICROSECONDS LISTEN-ADDR:PORT TO-ADDR:PORT
 *
 * The time is that of one way, and both are delayed. The rate is not limited: up to RING bytes of a direction may be under
 * way, which at 50 ms is five times 1 Gbit/s. (What the two ends' own TCP makes of a long way is not seen: their
 * acknowledgements come from here. It is the protocols inside that see it.) An end of stream is delayed like a byte.
 *
 * One thread, one ppoll. A direction is a ring of bytes, and a ring of marks that say when the bytes up to a place may go on.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define RING       (32u << 20)     /* bytes of one direction, a power of two */
#define MARKS      4096u           /* a power of two */
#define GRAIN_NS   50000           /* what comes this close together goes on together */
#define PIECE      (512u * 1024)   /* of one read or write */
#define MAX_CONNS  64

struct mark {
	uint64_t end;           /* bytes before this place of the stream ... */
	int64_t at;             /* ... may go on at this time */
};

struct way {
	unsigned char *ring;
	uint64_t in, out;       /* places in the stream: read so far, written so far */
	struct mark marks[MARKS];
	uint64_t first, next;   /* marks in use */
	bool ended, told;       /* the reading side has ended; the other one knows */
	int64_t ended_at;
};

struct conn {
	int fd[2];
	struct way way[2];      /* [i]: what comes from fd[i] */
};

static struct conn *conns[MAX_CONNS];
static int nconns;
static int64_t delay_ns;

static void die(const char *what, const char *object)
{
	fprintf(stderr, "delay: %s %s: %s\n", what, object, strerror(errno));
	exit(1);
}

static int64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

static struct sockaddr_in address(const char *text)
{
	struct sockaddr_in sin = { .sin_family = AF_INET };
	char addr[INET_ADDRSTRLEN];
	unsigned port;

	if (sscanf(text, "%15[0-9.]:%u", addr, &port) != 2 || port > 65535 || inet_pton(AF_INET, addr, &sin.sin_addr) != 1) {
		fprintf(stderr, "delay: '%s' is not ADDR:PORT\n", text);
		exit(2);
	}
	sin.sin_port = htons((uint16_t)port);
	return sin;
}

static void conn_free(struct conn *c)
{
	for (int i = 0; i < 2; i++) {
		close(c->fd[i]);
		munmap(c->way[i].ring, RING);
	}
	free(c);
}

static void set_up_socket(int fd)
{
	const int yes = 1;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
	fcntl(fd, F_SETFL, O_NONBLOCK);
}

/* The handshake at the far side is not worth waiting for in a better way: it is on this machine. */
static void take(int listener, const struct sockaddr_in *to)
{
	struct conn *c;
	int near = accept4(listener, NULL, NULL, SOCK_CLOEXEC), far;

	if (near < 0)
		return;
	far = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (nconns == MAX_CONNS || far < 0 || connect(far, (const struct sockaddr *)to, sizeof(*to)) != 0) {
		close(near);
		if (far >= 0)
			close(far);
		return;
	}
	c = calloc(1, sizeof(*c));
	if (!c)
		die("no memory for", "a connection");
	c->fd[0] = near;
	c->fd[1] = far;
	for (int i = 0; i < 2; i++) {
		set_up_socket(c->fd[i]);
		c->way[i].ring = mmap(NULL, RING, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (c->way[i].ring == MAP_FAILED)
			die("no memory for", "a connection");
	}
	conns[nconns++] = c;
}

static bool has_room(const struct way *w)
{
	return !w->ended && w->in - w->out < RING && w->next - w->first < MARKS;
}

static void mark(struct way *w, int64_t now)
{
	struct mark *last = &w->marks[(w->next - 1) % MARKS];

	if (w->next == w->first || now + delay_ns - last->at > GRAIN_NS)
		last = &w->marks[w->next++ % MARKS], last->at = now + delay_ns;
	last->end = w->in;
}

/* Returns false on a reset. */
static bool read_way(struct way *w, int fd, int64_t now)
{
	uint64_t room = RING - (w->in - w->out), straight = RING - w->in % RING;
	ssize_t n;

	if (room > straight)
		room = straight;
	n = recv(fd, w->ring + w->in % RING, room < PIECE ? (size_t)room : PIECE, 0);
	if (n < 0)
		return errno == EAGAIN;
	if (n == 0) {
		w->ended = true;
		w->ended_at = now + delay_ns;
		return true;
	}
	w->in += (uint64_t)n;
	mark(w, now);
	return true;
}

/* Up to which place may bytes go on? */
static uint64_t due(struct way *w, int64_t now)
{
	uint64_t end = w->out;

	for (uint64_t m = w->first; m != w->next && w->marks[m % MARKS].at <= now; m++)
		end = w->marks[m % MARKS].end;
	return end;
}

static bool write_way(struct way *w, int fd, int64_t now)
{
	uint64_t end = due(w, now), n, straight;
	ssize_t k;

	while (end > w->out) {
		n = end - w->out;
		straight = RING - w->out % RING;
		if (n > straight)
			n = straight;
		k = send(fd, w->ring + w->out % RING, n < PIECE ? (size_t)n : PIECE, MSG_NOSIGNAL);
		if (k < 0)
			return errno == EAGAIN;
		w->out += (uint64_t)k;
		while (w->first != w->next && w->marks[w->first % MARKS].end <= w->out)
			w->first++;
	}
	if (w->ended && !w->told && w->in == w->out && w->ended_at <= now) {
		shutdown(fd, SHUT_WR);
		w->told = true;
	}
	return true;
}

/* When has this direction something to do by itself? INT64_MAX: never. */
static int64_t deadline(const struct way *w)
{
	if (w->first != w->next)
		return w->marks[w->first % MARKS].at;
	return w->ended && !w->told ? w->ended_at : INT64_MAX;
}

/* What is to be watched on the two sockets; returns the next deadline. */
static int64_t watch(const struct conn *c, struct pollfd p[2], int64_t now)
{
	int64_t next = INT64_MAX, at;

	for (int i = 0; i < 2; i++)
		p[i] = (struct pollfd){ .fd = c->fd[i], .events = has_room(&c->way[i]) ? POLLIN : 0 };
	for (int i = 0; i < 2; i++) {
		at = deadline(&c->way[i]);
		if (at <= now)
			p[!i].events |= POLLOUT; /* it is late: the socket was full */
		else if (at < next)
			next = at;
	}
	for (int i = 0; i < 2; i++)
		if (p[i].events == 0 && c->way[i].ended)
			p[i].fd = -1; /* its hang-up would wake us for ever */
	return next;
}

static bool turn(struct conn *c, const struct pollfd p[2])
{
	int64_t now = now_ns();

	for (int i = 0; i < 2; i++) {
		if ((p[i].revents & (POLLIN | POLLHUP | POLLERR)) && has_room(&c->way[i]) &&
		    !read_way(&c->way[i], c->fd[i], now))
			return false;
		if (!write_way(&c->way[i], c->fd[!i], now))
			return false;
	}
	return !(c->way[0].told && c->way[1].told);
}

static void loop(int listener, const struct sockaddr_in *to)
{
	struct pollfd p[1 + 2 * MAX_CONNS];
	struct timespec wait;
	int64_t now, next, at;
	int n;

	for (;;) {
		now = now_ns();
		next = INT64_MAX;
		p[0] = (struct pollfd){ .fd = listener, .events = POLLIN };
		for (int i = 0; i < nconns; i++) {
			at = watch(conns[i], p + 1 + 2 * i, now);
			next = at < next ? at : next;
		}
		wait = (struct timespec){ .tv_sec = (next - now) / 1000000000, .tv_nsec = (next - now) % 1000000000 };
		n = nconns;
		if (ppoll(p, (nfds_t)(1 + 2 * n), next == INT64_MAX ? NULL : &wait, NULL) < 0 && errno != EINTR)
			die("cannot wait for", "sockets");
		for (int i = n - 1; i >= 0; i--) {
			if (turn(conns[i], p + 1 + 2 * i))
				continue;
			conn_free(conns[i]);
			conns[i] = conns[--nconns];
		}
		if (p[0].revents)
			take(listener, to);
	}
}

int main(int argc, char **argv)
{
	struct sockaddr_in from, to;
	const int yes = 1;
	int fd;

	if (argc != 4) {
		fputs("usage: delay MICROSECONDS LISTEN-ADDR:PORT TO-ADDR:PORT\n", stderr);
		return 2;
	}
	signal(SIGPIPE, SIG_IGN);
	delay_ns = strtoll(argv[1], NULL, 10) * 1000;
	from = address(argv[2]);
	to = address(argv[3]);
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes)) != 0 ||
	    bind(fd, (struct sockaddr *)&from, sizeof(from)) != 0 || listen(fd, 64) != 0)
		die("cannot listen on", argv[2]);
	loop(fd, &to);
}
