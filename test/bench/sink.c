/* SPDX-License-Identifier: GPL-3.0-or-later */

/* sink.c - the far end of the benchmark: a web server that costs next to nothing.
 *
 *   sink ADDR:PORT
 *
 * GET /N is answered with N bytes, any PUT with the number of bytes that came: bodies have a Content-Length, or chunks of
 * which each has a head of exactly eight bytes ("100000" and the line's end), the last one's included. Connections are
 * kept unless the client says "Connection: close". So curl can be sent here, too.
 *
 * One thread, one epoll. What is sent is one static buffer again and again; what comes is not even copied out of the kernel
 * (MSG_TRUNC). An idle connection holds no buffer: a request's head is expected in one segment, and looked at in place.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define BLOCK      (256 * 1024)    /* of one send or receive */
#define HEAD_MAX   2048
#define CHUNK_HEAD 8
#define EVENTS     256
#define BACKLOG    4096            /* ten thousand connections come in a burst */

enum phase {
	AWAIT_HEAD,     /* of a request */
	SEND_BODY,
	SKIP_BODY,      /* a request's, of known length */
	CHUNK,          /* at the head of a chunk of it */
	SKIP_CHUNK,
};

struct conn {
	int fd;
	enum phase phase;
	bool closing;           /* after this answer */
	bool last;              /* chunk */
	uint64_t left;          /* bytes of what is being sent or skipped */
	uint64_t count;         /* bytes of the body so far */
};

static unsigned char block[BLOCK];
static int poller;

static void die(const char *what, const char *object)
{
	fprintf(stderr, "sink: %s %s: %s\n", what, object, strerror(errno));
	exit(1);
}

/* Not a byte pattern that anything on the way could compress. */
static void fill_block(void)
{
	uint64_t x = 88172645463325252u;

	for (size_t i = 0; i < BLOCK; i += 8) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		memcpy(block + i, &x, 8);
	}
}

static void watch(struct conn *c, uint32_t what, int op)
{
	struct epoll_event ev = { .events = what, .data.ptr = c };

	if (epoll_ctl(poller, op, c->fd, &ev) != 0)
		die("cannot watch", "a connection");
}

static void conn_free(struct conn *c)
{
	close(c->fd);
	free(c);
}

/* Returns false if the connection is over. */
static bool answered(struct conn *c)
{
	c->phase = AWAIT_HEAD;
	c->count = 0;
	if (!c->closing)
		return true;
	shutdown(c->fd, SHUT_WR);
	return false;
}

static bool answer(struct conn *c, uint64_t length, const char *body)
{
	char head[200];
	int n = snprintf(head, sizeof(head), "HTTP/1.1 200 OK\r\nContent-Length: %" PRIu64 "\r\nConnection: %s\r\n\r\n%s",
			 length, c->closing ? "close" : "keep-alive", body);

	/* The socket is empty then, so that this fits. */
	return send(c->fd, head, (size_t)n, MSG_NOSIGNAL | (length && !*body ? MSG_MORE : 0)) == n;
}

static bool answer_count(struct conn *c)
{
	char text[24];
	int n = snprintf(text, sizeof(text), "%" PRIu64 "\n", c->count);

	return answer(c, (uint64_t)n, text) && answered(c);
}

static const char *field(const char *head, const char *name)
{
	for (const char *line = strstr(head, "\r\n"); line && line[2] != '\r'; line = strstr(line + 2, "\r\n"))
		if (!strncasecmp(line + 2, name, strlen(name)))
			return line + 2 + strlen(name);
	return NULL;
}

static bool begin_body(struct conn *c, const char *head)
{
	static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";
	const char *length = field(head, "Content-Length:");

	if (field(head, "Expect:") && send(c->fd, go_on, sizeof(go_on) - 1, MSG_NOSIGNAL) < 0)
		return false;
	c->phase = length ? SKIP_BODY : CHUNK;
	c->left = length ? strtoull(length, NULL, 10) : 0;
	return length == NULL || c->left > 0 || answer_count(c);
}

static bool begin(struct conn *c, const char *head)
{
	const char *connection = field(head, "Connection:");

	c->closing = connection && !strncasecmp(connection, " close", 6);
	if (!strncmp(head, "PUT ", 4))
		return begin_body(c, head);
	if (strncmp(head, "GET /", 5) != 0)
		return false;
	c->left = strtoull(head + 5, NULL, 10);
	c->phase = SEND_BODY;
	if (!answer(c, c->left, ""))
		return false;
	watch(c, EPOLLOUT, EPOLL_CTL_MOD);
	return true;
}

static bool read_head(struct conn *c)
{
	char head[HEAD_MAX + 1], *end;
	ssize_t n = recv(c->fd, head, HEAD_MAX, MSG_PEEK);

	if (n <= 0)
		return n < 0 && errno == EAGAIN;
	head[n] = '\0';
	end = strstr(head, "\r\n\r\n");
	if (!end)
		return n < HEAD_MAX;
	end[4] = '\0';
	if (recv(c->fd, head, (size_t)(end + 4 - head), MSG_TRUNC) < 0)
		return false;
	return begin(c, head);
}

static bool send_body(struct conn *c)
{
	ssize_t n = 1;

	if (c->left > 0)
		n = send(c->fd, block, c->left < BLOCK ? (size_t)c->left : BLOCK, MSG_NOSIGNAL);
	if (n < 0)
		return errno == EAGAIN;
	c->left -= c->left ? (uint64_t)n : 0;
	if (c->left > 0)
		return true;
	watch(c, EPOLLIN, EPOLL_CTL_MOD);
	return answered(c);
}

/* Returns how much of what is left has come, 0 for nothing now, -1 at the end of the stream. */
static ssize_t skip(struct conn *c)
{
	ssize_t n = recv(c->fd, block, c->left < BLOCK ? (size_t)c->left : BLOCK, MSG_TRUNC);

	if (n == 0 || (n < 0 && errno != EAGAIN))
		return -1;
	if (n < 0)
		return 0;
	c->left -= (uint64_t)n;
	return n;
}

static bool skip_body(struct conn *c)
{
	ssize_t n = skip(c);

	if (n <= 0)
		return n == 0;
	c->count += (uint64_t)n;
	return c->left > 0 || answer_count(c);
}

static bool read_chunk(struct conn *c)
{
	char text[CHUNK_HEAD + 1];
	ssize_t n = recv(c->fd, text, CHUNK_HEAD, MSG_PEEK);
	uint64_t size;

	if (n <= 0)
		return n < 0 && errno == EAGAIN;
	if (n < CHUNK_HEAD)
		return true;
	text[CHUNK_HEAD] = '\0';
	if (text[6] != '\r' || recv(c->fd, text, CHUNK_HEAD, MSG_TRUNC) != CHUNK_HEAD)
		return false;
	size = strtoull(text, NULL, 16);
	c->count += size;
	c->left = size + 2;
	c->last = size == 0;
	c->phase = SKIP_CHUNK;
	return true;
}

static bool skip_chunk(struct conn *c)
{
	ssize_t n = skip(c);

	if (n <= 0)
		return n == 0;
	if (c->left > 0)
		return true;
	c->phase = CHUNK;
	return !c->last || answer_count(c);
}

static bool turn(struct conn *c)
{
	switch (c->phase) {
	case AWAIT_HEAD: return read_head(c);
	case SEND_BODY:  return send_body(c);
	case SKIP_BODY:  return skip_body(c);
	case CHUNK:      return read_chunk(c);
	case SKIP_CHUNK: return skip_chunk(c);
	}
	return false;
}

static void take(int listener)
{
	const int yes = 1;
	struct conn *c;
	int fd;

	while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
		c = calloc(1, sizeof(*c));
		if (!c)
			die("no memory for", "a connection");
		c->fd = fd;
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
		watch(c, EPOLLIN, EPOLL_CTL_ADD);
	}
	if (errno != EAGAIN && errno != ECONNABORTED)
		die("cannot accept", "a connection");
}

static int open_listener(const char *where)
{
	struct sockaddr_in sin = { .sin_family = AF_INET };
	char addr[INET_ADDRSTRLEN];
	const int yes = 1;
	unsigned port;
	int fd;

	if (sscanf(where, "%15[0-9.]:%u", addr, &port) != 2 || port > 65535 || inet_pton(AF_INET, addr, &sin.sin_addr) != 1) {
		fprintf(stderr, "sink: '%s' is not ADDR:PORT\n", where);
		exit(2);
	}
	sin.sin_port = htons((uint16_t)port);
	fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes)) != 0 ||
	    bind(fd, (struct sockaddr *)&sin, sizeof(sin)) != 0 || listen(fd, BACKLOG) != 0)
		die("cannot listen on", where);
	return fd;
}

int main(int argc, char **argv)
{
	struct epoll_event events[EVENTS], ev = { .events = EPOLLIN };
	struct rlimit files;
	int listener;

	if (argc != 2) {
		fputs("usage: sink ADDR:PORT\n", stderr);
		return 2;
	}
	signal(SIGPIPE, SIG_IGN);
	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		setrlimit(RLIMIT_NOFILE, &files);
	}
	fill_block();
	listener = open_listener(argv[1]);
	poller = epoll_create1(EPOLL_CLOEXEC);
	if (poller < 0 || epoll_ctl(poller, EPOLL_CTL_ADD, listener, &ev) != 0)
		die("cannot watch", argv[1]);
	for (;;) {
		int n = epoll_wait(poller, events, EVENTS, -1);

		for (int i = 0; i < n; i++) {
			struct conn *c = events[i].data.ptr;

			if (!c)
				take(listener);
			else if (!turn(c))
				conn_free(c);
		}
	}
}
