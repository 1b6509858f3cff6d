/* SPDX-License-Identifier: GPL-3.0-or-later */
/* sockscat.c - a SOCKS5 client for tests of things that curl does not do: half-close in either order, many idle
 * connections, resets. Written from RFC 1928 with no code of the program it tests.
 *
 *     sockscat PROXY_PORT HOST PORT            stdin to the target, then shut down sending; answer to stdout until EOF
 *     sockscat -r PROXY_PORT HOST PORT         first read to EOF, to stdout; then send stdin; then close
 *     sockscat -p PROXY_PORT HOST PORT         greeting, request and stdin (up to 64 KiB) go out at once; then as many bytes
 *                                              are awaited as stdin had: there are networks (SecureNAT) where an end of
 *                                              ours that comes with the data ends the answer, too
 *     sockscat -x PROXY_PORT HOST PORT         connect, send stdin, then reset the connection (SO_LINGER 0)
 *
 * HOST is sent as IPv4 address if it is one, else as a name. Exit status: 0, 1 trouble with the local side, 64 + the
 * SOCKS5 reply code if that was not 0. */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define CHUNK 65536

static _Noreturn void die(const char *what)
{
	fprintf(stderr, "sockscat: %s: %s\n", what, strerror(errno));
	exit(1);
}

static int dial(const char *port)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	to.sin_port = htons((uint16_t)strtoul(port, NULL, 10));
	if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof(to)) != 0)
		die("connecting to the proxy");
	return fd;
}

static void send_all(int fd, const uint8_t *p, size_t n)
{
	while (n > 0) {
		ssize_t sent = send(fd, p, n, MSG_NOSIGNAL);

		if (sent < 0)
			die("sending");
		p += sent;
		n -= (size_t)sent;
	}
}

static void read_all(int fd, uint8_t *p, size_t n)
{
	while (n > 0) {
		ssize_t got = recv(fd, p, n, 0);

		if (got == 0)
			errno = ECONNRESET;
		if (got <= 0)
			die("reading the proxy's reply");
		p += got;
		n -= (size_t)got;
	}
}

static size_t make_request(uint8_t *to, const char *host, const char *port)
{
	uint16_t nport = htons((uint16_t)strtoul(port, NULL, 10));
	size_t n = 0, len = strlen(host);

	if (len > 255)
		len = 255;
	memcpy(to, "\x05\x01\x00", 3);
	if (inet_pton(AF_INET, host, to + 4) == 1) {
		to[3] = 1;
		n = 8;
	} else {
		to[3] = 3;
		to[4] = (uint8_t)len;
		memcpy(to + 5, host, len);
		n = 5 + len;
	}
	memcpy(to + n, &nport, 2);
	return n + 2;
}

static void read_reply(int fd)
{
	uint8_t head[4], rest[258];

	read_all(fd, head, 2);
	if (head[0] != 5 || head[1] != 0) {
		errno = EPROTO;
		die("method refused");
	}
	read_all(fd, head, 4);
	switch (head[3]) {
	case 1:
		read_all(fd, rest, 4 + 2);
		break;
	case 4:
		read_all(fd, rest, 16 + 2);
		break;
	case 3:
		read_all(fd, rest, 1);
		read_all(fd, rest + 1, (size_t)rest[0] + 2);
		break;
	default:
		errno = EPROTO;
		die("reply of unknown address type");
	}
	if (head[1] != 0) {
		fprintf(stderr, "sockscat: SOCKS5 reply %u\n", head[1]);
		exit(64 + head[1]);
	}
}

static void write_out(const uint8_t *p, size_t n)
{
	if (fwrite(p, 1, n, stdout) != n)
		die("writing to stdout");
}

/* Returns false at the end of stdin. */
static bool copy_in(int fd)
{
	uint8_t chunk[CHUNK];
	ssize_t n = read(STDIN_FILENO, chunk, sizeof(chunk));

	if (n < 0)
		die("reading stdin");
	send_all(fd, chunk, (size_t)n);
	return n > 0;
}

/* Returns false at the end of the stream. */
static bool copy_out(int fd)
{
	uint8_t chunk[CHUNK];
	ssize_t n = recv(fd, chunk, sizeof(chunk), 0);

	if (n < 0)
		die("receiving");
	write_out(chunk, (size_t)n);
	return n > 0;
}

/* Stops early at the end of the stream. */
static void copy_exactly(int fd, size_t n)
{
	uint8_t chunk[CHUNK];

	while (n > 0) {
		ssize_t got = recv(fd, chunk, n < sizeof(chunk) ? n : sizeof(chunk), 0);

		if (got < 0)
			die("receiving");
		if (got == 0)
			return;
		write_out(chunk, (size_t)got);
		n -= (size_t)got;
	}
}

/* Never waits for one direction while the other could move: an echo that nobody reads stops the echoing. */
static void both_ways(int fd)
{
	struct pollfd p[2] = { { fd, POLLIN, 0 }, { STDIN_FILENO, POLLIN, 0 } };
	uint8_t chunk[CHUNK];
	size_t at = 0, have = 0;
	bool open = true;

	while (open) {
		ssize_t n;

		p[0].events = (short)(POLLIN | (at < have ? POLLOUT : 0));
		if (poll(p, at < have ? 1 : 2, -1) < 0)
			die("poll");
		if (p[0].revents & POLLOUT) {
			n = send(fd, chunk + at, have - at, MSG_NOSIGNAL | MSG_DONTWAIT);
			if (n < 0 && errno != EAGAIN)
				die("sending");
			at += n > 0 ? (size_t)n : 0;
		} else if (at == have && p[1].revents) {
			n = read(STDIN_FILENO, chunk, sizeof(chunk));
			if (n < 0)
				die("reading stdin");
			at = 0;
			have = (size_t)n;
			if (n == 0) {
				shutdown(fd, SHUT_WR);
				p[1].fd = -1;
			}
		}
		if (p[0].revents & ~POLLOUT)
			open = copy_out(fd);
	}
}

int main(int argc, char **argv)
{
	char mode = argc == 5 && argv[1][0] == '-' ? argv[1][1] : 0;
	char **arg = argv + (mode ? 2 : 1);
	struct linger reset = { 1, 0 };
	uint8_t request[3 + 262 + CHUNK] = { 5, 1, 0 };
	ssize_t payload = 0;
	size_t n;
	int fd;

	if (argc != (mode ? 5 : 4)) {
		fprintf(stderr, "usage: sockscat [-r|-p|-x] PROXY_PORT HOST PORT\n");
		return 1;
	}
	fd = dial(arg[0]);
	n = 3 + make_request(request + 3, arg[1], arg[2]);
	if (mode == 'p') {
		payload = read(STDIN_FILENO, request + n, CHUNK);
		n += payload > 0 ? (size_t)payload : 0;
	}
	send_all(fd, request, n);
	read_reply(fd);
	switch (mode) {
	case 'r':
		while (copy_out(fd))
			;
		fflush(stdout);
		while (copy_in(fd))
			;
		break;
	case 'p':
		copy_exactly(fd, payload > 0 ? (size_t)payload : 0);
		break;
	case 'x':
		while (copy_in(fd))
			;
		setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
		break;
	default:
		both_ways(fd);
	}
	close(fd);
	return fflush(stdout) == 0 ? 0 : 1;
}
