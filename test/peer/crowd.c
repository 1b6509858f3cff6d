/* SPDX-License-Identifier: GPL-3.0-or-later */

/* crowd.c - many clients of a proxy at once, well-behaved and not. Written from RFC 1928 and RFC 9112, with no code of the
 * program it tests.
 *
 *   crowd idle N PROXY_PORT ADDR PORT      N SOCKS5 connections to an echo; each sends 8 bytes and gets them back. Prints
 *                                          "open N"; at the end of standard input does it again and prints "alive N"
 *   crowd deaf N PROXY_PORT ADDR PORT      N SOCKS5 connections to a server that sends without end, and nothing is read
 *                                          behind the proxy's reply. Prints "open N"; holds them until standard input ends
 *   crowd half N PROXY_PORT ADDR PORT      N HTTP requests whose heads never end: a field each TRICKLE_MS. Who is thrown out
 *                                          comes back. Prints "open N" when all have sent something; when standard input
 *                                          has ended and there were N of them, "thrown out K"
 *   crowd void N PROXY_PORT ADDR PORT      N SOCKS5 connects to an address where nobody answers, as many at a time as this
 *                                          process may have descriptors. Prints "open N" when the first of them are under
 *                                          way, "answered N" for each byte of standard input, and "refused N, reset K" when
 *                                          all got an answer that says no. A yes is a failure
 *   crowd silence                         prints "port P" of a listener that takes all that come, reads what they say, and says
 *                                          nothing: the same load on the machine and none on a proxy. Until standard input ends
 *   crowd head BYTES PROXY_PORT ADDR PORT  one HTTP request with a head of so many bytes: prints the first line of the
 *                                          answer, or "reset"
 *
 * Exit status: 0, 1 one line on standard error says what went wrong. Nothing here takes longer than LIMIT_S. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define LIMIT_S    400
#define TRICKLE_MS 500
#define KEPT       32     /* descriptors that are not clients */
#define DEAF_BYTES 4096   /* receive buffer of who does not read: the proxy shall notice soon */
#define DIALS      128    /* connects begun in a row, before answers are looked at: the proxy's queue has an end */

enum state { UNUSED, DIALING, ASKED, GREETED, SAID, SETTLED };

struct client {
	int fd;
	enum state state;
	size_t got;             /* bytes of the answer awaited */
	unsigned char answer[10];
};

static struct client *clients;
static unsigned total, opened, settled, refused, thrown_out, reset;
static struct sockaddr_in proxy, target;
static int ep;
static char mode;
static struct timespec began;

static _Noreturn void die(const char *format, ...) __attribute__((format(printf, 1, 2)));
static _Noreturn void die(const char *format, ...)
{
	va_list ap;

	fprintf(stderr, "crowd: ");
	va_start(ap, format);
	vfprintf(stderr, format, ap);
	va_end(ap);
	fprintf(stderr, "\n");
	exit(1);
}

static unsigned long number(const char *text, unsigned long max)
{
	char *end;
	unsigned long n = strtoul(text, &end, 10);

	if (end == text || *end || n > max)
		die("not a number up to %lu: %s", max, text);
	return n;
}

static long ms_since_start(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (now.tv_sec - began.tv_sec) * 1000 + (now.tv_nsec - began.tv_nsec) / 1000000;
}

static void told(const char *what, unsigned n)
{
	printf("%s %u\n", what, n);
	fflush(stdout);
}

/* As many descriptors as we may have; returns how many clients that makes. */
static unsigned descriptors(void)
{
	struct rlimit l;

	if (getrlimit(RLIMIT_NOFILE, &l) != 0)
		die("getrlimit: %s", strerror(errno));
	l.rlim_cur = l.rlim_max;
	setrlimit(RLIMIT_NOFILE, &l);
	getrlimit(RLIMIT_NOFILE, &l);
	return l.rlim_cur > 1000000 ? 1000000 : (unsigned)l.rlim_cur - KEPT;
}

/* ---- one client ---- */

static void watch(struct client *c, int op, uint32_t events)
{
	struct epoll_event ev = { .events = events, .data.ptr = c };

	if (epoll_ctl(ep, op, c->fd, &ev) != 0)
		die("epoll: %s", strerror(errno));
}

static void dial(struct client *c)
{
	const int small = DEAF_BYTES;

	c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (c->fd < 0)
		die("socket: %s", strerror(errno));
	if (mode == 'd')
		setsockopt(c->fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
	if (connect(c->fd, (struct sockaddr *)&proxy, sizeof(proxy)) != 0 && errno != EINPROGRESS)
		die("connecting to the proxy: %s", strerror(errno));
	c->state = DIALING;
	c->got = 0;
	watch(c, EPOLL_CTL_ADD, EPOLLOUT);
}

static void hang_up(struct client *c)
{
	close(c->fd);
	c->fd = -1;
	c->state = UNUSED;
}

static bool say(struct client *c, const void *data, size_t n)
{
	return send(c->fd, data, n, MSG_NOSIGNAL) == (ssize_t)n;
}

static bool ask_socks(struct client *c)
{
	unsigned char q[3 + 10] = { 5, 1, 0, 5, 1, 0, 1 };

	memcpy(q + 7, &target.sin_addr, 4);
	memcpy(q + 11, &target.sin_port, 2);
	return say(c, q, sizeof(q));
}

static bool ask_http(struct client *c)
{
	char text[200], addr[INET_ADDRSTRLEN];
	int n = snprintf(text, sizeof(text), "GET http://%s:%u/ HTTP/1.1\r\nHost: nobody.invalid\r\n",
			 inet_ntop(AF_INET, &target.sin_addr, addr, sizeof(addr)), ntohs(target.sin_port));

	return say(c, text, (size_t)n);
}

static void settle(struct client *c)
{
	c->state = SETTLED;
	settled++;
}

/* So many at once are more than the kernel's queue of the proxy's listener holds: it resets some of those that believe to be
 * connected, before the proxy has seen them. They try again. */
static void on_reset(struct client *c)
{
	if (mode != 'v' || c->state > ASKED || c->got > 0)
		die("client %u of %u: reset after %ld ms in state %d", (unsigned)(c - clients), total, ms_since_start(),
		    (int)c->state);
	reset++;
	hang_up(c);
	dial(c);
}

/* Await @n bytes. Returns false until they are there; *gone: the connection ended before. */
static bool await(struct client *c, size_t n, bool *gone)
{
	ssize_t k = recv(c->fd, c->answer + c->got, n - c->got, 0);

	*gone = k == 0 || (k < 0 && errno != EAGAIN && errno != ECONNRESET);
	if (k < 0 && errno == ECONNRESET)
		on_reset(c);
	c->got += k > 0 ? (size_t)k : 0;
	if (k <= 0 || c->got < n)
		return false;
	c->got = 0;
	return true;
}

static void say_something(struct client *c)
{
	uint64_t name = (uint64_t)(c - clients) + 1;

	if (!say(c, &name, sizeof(name)))
		die("client %u: %s", (unsigned)(c - clients), strerror(errno));
	c->state = SAID;
}

static bool echoed(const struct client *c)
{
	uint64_t name = (uint64_t)(c - clients) + 1;

	return !memcmp(c->answer, &name, sizeof(name));
}

/* SOCKS5: two bytes for the greeting, ten for the request, then what the mode wants. */
static void on_socks_answer(struct client *c)
{
	unsigned i = (unsigned)(c - clients);
	bool gone = false;

	if (c->state == ASKED && await(c, 2, &gone))
		c->state = GREETED;
	if (c->state == GREETED && await(c, 10, &gone)) {
		if (mode == 'v') {
			if (c->answer[1] == 0)
				die("client %u: connected to an address where nobody is", i);
			refused++;
			hang_up(c);
			return;
		}
		if (c->answer[1] != 0)
			die("client %u: SOCKS5 reply %u", i, c->answer[1]);
		if (mode == 'i')
			say_something(c);
		else
			settle(c);
		if (mode == 'd')
			watch(c, EPOLL_CTL_MOD, 0);
	} else if (c->state == SAID && await(c, 8, &gone)) {
		if (!echoed(c))
			die("client %u: the echo differs", i);
		settle(c);
	}
	if (gone && c->state != SETTLED)
		die("client %u of %u: the proxy hung up after %ld ms in state %d", i, total, ms_since_start(), (int)c->state);
}

static void on_writable(struct client *c)
{
	bool sent = mode == 'h' ? ask_http(c) : ask_socks(c);

	if (!sent && mode == 'v' && (errno == ECONNRESET || errno == EPIPE)) {
		on_reset(c);
		return;
	}
	if (!sent)
		die("client %u: no way to the proxy: %s", (unsigned)(c - clients), strerror(errno));
	watch(c, EPOLL_CTL_MOD, EPOLLIN);
	c->state = ASKED;
	opened++;
	if (mode == 'h')
		settle(c);
}

/* Half a request gets an answer (408, say) or an end, sooner or later; then it begins anew. */
static void on_half_answer(struct client *c)
{
	char text[2000];
	ssize_t n = recv(c->fd, text, sizeof(text), 0);

	if (n > 0 || (n < 0 && errno == EAGAIN))
		return;
	thrown_out++;
	settled--;
	hang_up(c);
	dial(c);
}

static void on_event(struct client *c, uint32_t events)
{
	if (c->state == DIALING)
		on_writable(c);
	else if (mode == 'h')
		on_half_answer(c);
	else if (mode == 'd' && c->state == SETTLED)
		die("client %u of %u: the proxy hung up after %ld ms (events %x)", (unsigned)(c - clients), total,
		    ms_since_start(), events);
	else
		on_socks_answer(c);
}

/* ---- all of them ---- */

static void trickle(void)
{
	for (unsigned i = 0; i < total; i++)
		if (clients[i].state == SETTLED)
			say(&clients[i], "X-A: b\r\n", 8);
}

/* Deal with what has happened, or with the first of it within @ms. */
static void turn(int ms)
{
	struct epoll_event ev[256];
	int n = epoll_wait(ep, ev, 256, ms);

	if (ms_since_start() > LIMIT_S * 1000)
		die("%d s are over: %u of %u begun, %u settled, %u refused", LIMIT_S, opened, total, settled, refused);
	for (int i = 0; i < n; i++)
		on_event(ev[i].data.ptr, ev[i].events);
}

/* What standard input has now: a byte (1), its end (0), or nothing (-1). */
static int input(void)
{
	struct pollfd p = { STDIN_FILENO, POLLIN, 0 };
	char c;

	return poll(&p, 1, 0) > 0 ? (int)read(STDIN_FILENO, &c, 1) : -1;
}

static void hold(void)
{
	long next = ms_since_start() + TRICKLE_MS;
	bool ended = false;

	while (!ended || (mode == 'h' && thrown_out < total)) {
		turn(50);
		ended = ended || input() == 0;
		if (mode == 'h' && ms_since_start() >= next) {
			trickle();
			next += TRICKLE_MS;
		}
	}
}

static void open_all(void)
{
	for (unsigned i = 0; i < total; i++) {
		dial(&clients[i]);
		if (i % DIALS == DIALS - 1)
			turn(0);
	}
	while (settled < total)
		turn(100);
}

static void idle(void)
{
	open_all();
	told("open", settled);
	hold();
	settled = 0;
	for (unsigned i = 0; i < total; i++)
		say_something(&clients[i]);
	while (settled < total)
		turn(100);
	told("alive", settled);
}

/* Places for clients are used again and again. */
static void blackhole(unsigned at_a_time)
{
	unsigned begun = 0;
	bool said = false;

	while (refused < total) {
		for (unsigned i = 0, n = 0; i < at_a_time && begun < total && n < DIALS; i++) {
			if (clients[i].state != UNUSED)
				continue;
			dial(&clients[i]);
			begun++;
			n++;
		}
		turn(begun < total ? 1 : 100);
		if (!said && (opened >= total || opened >= at_a_time)) {
			told("open", opened);
			said = true;
		}
		if (input() > 0)
			told("answered", refused);
	}
	printf("refused %u, reset %u\n", refused, reset);
}

/* Levels, not edges: who has said something is heard in the next turn, however many there are. */
static int silence(void)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t n = sizeof(at);
	int l = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	struct epoll_event ev[256] = { { .events = EPOLLIN, .data.fd = l } };
	char text[4096];

	if (l < 0 || bind(l, (struct sockaddr *)&at, n) != 0 || listen(l, SOMAXCONN) != 0 ||
	    getsockname(l, (struct sockaddr *)&at, &n) != 0 || epoll_ctl(ep, EPOLL_CTL_ADD, l, &ev[0]) != 0)
		die("a listener: %s", strerror(errno));
	told("port", ntohs(at.sin_port));
	while (input() != 0) {
		int k = epoll_wait(ep, ev, 256, 50);

		for (int i = 0; i < k; i++) {
			struct epoll_event in = { .events = EPOLLIN };

			if (ev[i].data.fd != l) {
				if (recv(ev[i].data.fd, text, sizeof(text), 0) <= 0)
					close(ev[i].data.fd);
				continue;
			}
			in.data.fd = accept4(l, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
			if (in.data.fd >= 0)
				epoll_ctl(ep, EPOLL_CTL_ADD, in.data.fd, &in);
		}
	}
	return 0;
}

static int long_head(unsigned long bytes)
{
	static char text[65536];
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	unsigned long sent;
	ssize_t n = snprintf(text, sizeof(text), "GET http://nobody.invalid/ HTTP/1.1\r\nHost: nobody.invalid\r\nX-Long: ");

	if (fd < 0 || connect(fd, (struct sockaddr *)&proxy, sizeof(proxy)) != 0)
		die("connecting to the proxy: %s", strerror(errno));
	n = send(fd, text, (size_t)n, MSG_NOSIGNAL);
	memset(text, 'x', sizeof(text));
	for (sent = n > 0 ? (unsigned long)n : 0; n > 0 && sent < bytes; sent += n > 0 ? (unsigned long)n : 0)
		n = send(fd, text, bytes - sent < sizeof(text) ? bytes - sent : sizeof(text), MSG_NOSIGNAL);
	n = recv(fd, text, sizeof(text) - 1, 0);
	text[n > 0 ? n : 0] = '\0';
	text[strcspn(text, "\r\n")] = '\0';
	printf("%s\n", n > 0 ? text : n == 0 ? "closed" : "reset");
	close(fd);
	return 0;
}

int main(int argc, char **argv)
{
	static const char *const modes[] = { "idle", "deaf", "half", "void", "head" };
	unsigned room = descriptors();
	unsigned long n;

	clock_gettime(CLOCK_MONOTONIC, &began);
	ep = epoll_create1(EPOLL_CLOEXEC);
	if (ep < 0)
		die("%s", strerror(errno));
	if (argc == 2 && !strcmp(argv[1], "silence"))
		return silence();
	for (size_t i = 0; argc == 6 && i < sizeof(modes) / sizeof(modes[0]); i++)
		if (!strcmp(argv[1], modes[i]))
			mode = modes[i][0] == 'h' && modes[i][1] == 'e' ? 'H' : modes[i][0];
	if (!mode || inet_pton(AF_INET, argv[4], &target.sin_addr) != 1) {
		fprintf(stderr, "usage: crowd idle|deaf|half|void N PROXY_PORT ADDR PORT\n"
				"       crowd head BYTES PROXY_PORT ADDR PORT\n"
				"       crowd silence\n");
		return 1;
	}
	n = number(argv[2], 1000000000);
	proxy = (struct sockaddr_in){ .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
				      .sin_port = htons((uint16_t)number(argv[3], 65535)) };
	target.sin_port = htons((uint16_t)number(argv[5], 65535));
	if (mode == 'H')
		return long_head(n);
	total = (unsigned)n;
	if (mode != 'v' && total > room)
		die("%u clients need more than the %u descriptors that are allowed here", total, room);
	clients = calloc(total, sizeof(*clients));
	if (!clients)
		die("%s", strerror(errno));
	switch (mode) {
	case 'i':
		idle();
		break;
	case 'v':
		blackhole(room < total ? room : total);
		break;
	default:
		open_all();
		told("open", settled);
		hold();
		if (mode == 'h')
			told("thrown out", thrown_out);
	}
	return 0;
}
