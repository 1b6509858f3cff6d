/* SPDX-License-Identifier: GPL-3.0-or-later */

/* nsrelay.c - carries TCP connections and UDP datagrams through doors into another network, and breaks them when told.
 *
 *   nsrelay [-c SOCKET] FD=[udp:]ADDR:PORT...
 *   nsrelay -o ADDR -t PORT [-u FIRST-LAST]... CMD [ARG]...
 *   nsrelay -s SOCKET COMMAND
 *
 * Every FD is a listening socket (or, with udp:, a bound UDP one) that was opened in another network (the host's); what
 * arrives there is connected to ADDR:PORT of the network this process lives in. A socket belongs to the network it was
 * made in for as long as it lives, so nothing else is needed to step from one into the other. nshold.c leaves such doors
 * open; the second form opens some at ADDR (a TCP port that the kernel chooses and prints, for PORT inside; UDP ports
 * FIRST to LAST for the same numbers inside), and becomes CMD ARG... with all the FD=... behind it: CMD is a way into
 * the network (nsenter), and nsrelay again.
 *
 * The third form tells a relay that runs with -c SOCKET what to break; it answers "ok", or what is wrong:
 *   cut N         reset the TCP connection that is the N-th oldest now (1 is the first)      cut all    all of them
 *   drop N        the same for the client; the server hears nothing of it, as when a NAT forgets     drop all
 *   refuse yes    reset new TCP connections at once                      refuse no   take them again (at the start)
 *   loss N        lose N of 1000 datagrams each way, spread evenly       loss 1000   block UDP
 *   move          give every UDP client another address inside, as a NAT does that has forgotten
 *   count         answer with "tcp N udp IN OUT LOST": open connections, datagrams passed each way and lost
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
#include <sys/un.h>
#include <unistd.h>

#define MAX_DOORS  24
#define MAX_PEERS  64              /* UDP clients; the oldest makes room */
#define MAX_RANGES 8               /* of UDP ports that -o opens */
#define FIRST_FD   3               /* of the doors that -o opens */
#define DATAGRAM   65536
#define MAX_CONNS  512             /* further clients wait in the listen queue */
#define BUF_SIZE   (256 * 1024)    /* a direction; a few round trips of loopback */

struct door {
	int fd;
	bool udp;
	struct sockaddr_in to;
};

/* UDP ports to be opened. */
struct range {
	unsigned first, last;
};

/* A UDP client outside, and the socket that speaks for it inside. */
struct peer {
	const struct door *door;
	struct sockaddr_in from;
	int fd;
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
static struct conn *conns[MAX_CONNS]; /* oldest first */
static int nconns;
static struct peer peers[MAX_PEERS];  /* oldest first */
static int npeers;
static int control = -1;

static bool refusing;
static unsigned loss;                 /* of 1000 */
static unsigned loss_sum;             /* carries the fraction from one datagram to the next */
static unsigned long passed_in, passed_out, lost;

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
	if (!refusing && conn_dial(c, &d->to))
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

/* ---- UDP ---- */

static bool is_lost(void)
{
	loss_sum += loss;
	if (loss_sum < 1000)
		return false;
	loss_sum -= 1000;
	lost++;
	return true;
}

static int peer_socket(const struct door *d)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd >= 0 && connect(fd, (const struct sockaddr *)&d->to, sizeof(d->to)) != 0) {
		close(fd);
		return -1;
	}
	return fd;
}

static struct peer *peer_of(const struct door *d, const struct sockaddr_in *from)
{
	struct peer *p;

	for (p = peers; p < peers + npeers; p++)
		if (p->door == d && p->from.sin_port == from->sin_port &&
		    p->from.sin_addr.s_addr == from->sin_addr.s_addr)
			return p;
	if (npeers == MAX_PEERS) {
		close(peers[0].fd);
		memmove(peers, peers + 1, (size_t)--npeers * sizeof(*peers));
	}
	p = &peers[npeers];
	*p = (struct peer){ .door = d, .from = *from, .fd = peer_socket(d) };
	if (p->fd < 0)
		return NULL;
	npeers++;
	return p;
}

static void door_datagrams(const struct door *d)
{
	static unsigned char bytes[DATAGRAM];
	struct sockaddr_in from;
	struct peer *p;
	ssize_t n;

	for (int i = 0; i < 64; i++) {
		socklen_t len = sizeof(from);

		n = recvfrom(d->fd, bytes, sizeof(bytes), 0, (struct sockaddr *)&from, &len);
		if (n < 0)
			return;
		p = is_lost() ? NULL : peer_of(d, &from);
		if (p && send(p->fd, bytes, (size_t)n, 0) == n)
			passed_in++;
	}
}

static void peer_datagrams(const struct peer *p)
{
	static unsigned char bytes[DATAGRAM];
	ssize_t n;

	for (int i = 0; i < 64; i++) {
		n = recv(p->fd, bytes, sizeof(bytes), 0);
		if (n < 0)
			return;
		if (!is_lost() && sendto(p->door->fd, bytes, (size_t)n, 0, (const struct sockaddr *)&p->from,
					 sizeof(p->from)) == n)
			passed_out++;
	}
}

static void peers_move(void)
{
	for (int i = 0; i < npeers; i++) {
		int fd = peer_socket(peers[i].door); /* before the old one is closed: another port */

		close(peers[i].fd);
		peers[i].fd = fd;
	}
}

/* ---- what is to be broken ---- */

/* The server's end stays open, and nobody reads from it any more. */
static void forget_server(struct conn *c)
{
	c->fd[1] = -1;
}

static const char *cut(const char *which, bool tell_server)
{
	int n = atoi(which), kept = 0, had = nconns;

	if (strcmp(which, "all") != 0 && (n < 1 || n > had))
		return "no such connection\n";
	for (int i = 0; i < had; i++) {
		if (n != 0 && i != n - 1) {
			conns[kept++] = conns[i];
			continue;
		}
		if (!tell_server)
			forget_server(conns[i]);
		conn_free(conns[i], true);
	}
	nconns = kept;
	return "ok\n";
}

static const char *obey(const char *command, char answer[static 100])
{
	if (strncmp(command, "cut ", 4) == 0)
		return cut(command + 4, true);
	if (strncmp(command, "drop ", 5) == 0)
		return cut(command + 5, false);
	if (strcmp(command, "refuse yes") == 0 || strcmp(command, "refuse no") == 0)
		refusing = command[7] == 'y';
	else if (strncmp(command, "loss ", 5) == 0 && atoi(command + 5) >= 0 && atoi(command + 5) <= 1000)
		loss = (unsigned)atoi(command + 5);
	else if (strcmp(command, "move") == 0)
		peers_move();
	else if (strcmp(command, "count") == 0) {
		snprintf(answer, 100, "tcp %d udp %lu %lu %lu\n", nconns, passed_in, passed_out, lost);
		return answer;
	} else
		return "not understood\n";
	return "ok\n";
}

static void serve_control(void)
{
	char command[100], answer[100];
	const char *say;
	int fd = accept4(control, NULL, NULL, SOCK_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return;
	n = recv(fd, command, sizeof(command) - 1, 0);
	if (n > 0) {
		command[n] = '\0';
		say = obey(command, answer);
		if (send(fd, say, strlen(say), MSG_NOSIGNAL) < 0)
			perror("nsrelay: answering");
	}
	close(fd);
}

/* ---- the loop ---- */

static struct pollfd *add(struct pollfd *q, int fd, short events)
{
	*q = (struct pollfd){ .fd = fd, .events = events };
	return q + 1;
}

static void loop(void)
{
	static struct pollfd p[2 * MAX_CONNS + MAX_DOORS + MAX_PEERS + 1];
	struct pollfd *q, *door_at, *peer_at;
	int had_peers;

	for (;;) {
		q = p;
		for (int i = 0; i < nconns; i++)
			for (int side = 0; side < 2; side++)
				q = add(q, conn_quiet(conns[i], side) ? -1 : conns[i]->fd[side], conn_wants(conns[i], side));
		door_at = q;
		for (int i = 0; i < ndoors; i++)
			q = add(q, doors[i].udp || nconns < MAX_CONNS ? doors[i].fd : -1, POLLIN);
		peer_at = q;
		had_peers = npeers;
		for (int i = 0; i < npeers; i++)
			q = add(q, peers[i].fd, POLLIN);
		q = add(q, control, POLLIN);
		if (poll(p, (nfds_t)(q - p), -1) < 0)
			continue;
		serve_conns(p);
		for (int i = 0; i < had_peers; i++)
			if (peer_at[i].revents)
				peer_datagrams(&peers[i]);
		for (int i = 0; i < ndoors; i++) {
			if (!(door_at[i].revents & POLLIN))
				continue;
			if (doors[i].udp)
				door_datagrams(&doors[i]);
			else if (nconns < MAX_CONNS)
				door_accept(&doors[i]);
		}
		if (q[-1].revents)
			serve_control();
	}
}

/* ---- from the command line ---- */

static bool door_parse(const char *text, struct door *ret)
{
	char addr[16];
	unsigned port;
	int fd, at = 0, end = 0;

	if (sscanf(text, "%d=%n", &fd, &at) != 1 || at == 0)
		return false;
	ret->udp = strncmp(text + at, "udp:", 4) == 0;
	text += at + (ret->udp ? 4 : 0);
	if (sscanf(text, "%15[0-9.]:%u%n", addr, &port, &end) != 2 || text[end] || !port || port > 65535)
		return false;
	ret->fd = fd;
	ret->to.sin_family = AF_INET;
	ret->to.sin_port = htons((uint16_t)port);
	return inet_pton(AF_INET, addr, &ret->to.sin_addr) == 1 &&
	       fcntl(fd, F_SETFD, FD_CLOEXEC) == 0 && fcntl(fd, F_SETFL, O_NONBLOCK) == 0;
}

static _Noreturn void die(const char *what, const char *object)
{
	fprintf(stderr, "nsrelay: %s %s: %s\n", what, object, strerror(errno));
	exit(1);
}

static struct sockaddr_un unix_address(const char *path)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };

	if (strlen(path) >= sizeof(un.sun_path)) {
		errno = ENAMETOOLONG;
		die("cannot use", path);
	}
	memcpy(un.sun_path, path, strlen(path));
	return un;
}

static void open_control(const char *path)
{
	struct sockaddr_un un = unix_address(path);

	unlink(path);
	control = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (control < 0 || bind(control, (struct sockaddr *)&un, sizeof(un)) != 0 || listen(control, 8) != 0)
		die("cannot listen on", path);
}

static int tell(const char *path, const char *command)
{
	struct sockaddr_un un = unix_address(path);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char answer[100];
	ssize_t n;

	if (fd < 0 || connect(fd, (struct sockaddr *)&un, sizeof(un)) != 0)
		die("cannot reach", path);
	if (send(fd, command, strlen(command), MSG_NOSIGNAL) < 0)
		die("cannot tell", path);
	n = recv(fd, answer, sizeof(answer) - 1, 0);
	if (n <= 0)
		die("no answer from", path);
	answer[n] = '\0';
	fputs(answer, stdout);
	return strncmp(answer, "ok", 2) == 0 || strncmp(answer, "tcp", 3) == 0 ? 0 : 1;
}

/* Open a door at @addr and put it where CMD finds it. Returns the port. */
static unsigned open_door(const char *addr, unsigned port, bool udp, int place)
{
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
	socklen_t len = sizeof(sin);
	int size = 4 << 20, fd;

	if (inet_pton(AF_INET, addr, &sin.sin_addr) != 1)
		die("not an IPv4 address:", addr);
	fd = socket(AF_INET, udp ? SOCK_DGRAM : SOCK_STREAM, 0);
	if (fd < 0 || bind(fd, (struct sockaddr *)&sin, sizeof(sin)) != 0 || (!udp && listen(fd, 128) != 0) ||
	    getsockname(fd, (struct sockaddr *)&sin, &len) != 0)
		die("cannot open a door at", addr);
	if (udp) /* a burst of the sender's is not to be lost here: losing is done on purpose only */
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	if (fd != place && (dup2(fd, place) < 0 || close(fd) != 0))
		die("cannot open a door at", addr);
	return ntohs(sin.sin_port);
}

static int open_doors(const char *addr, unsigned inside, const struct range *udp, int nudp, char **cmd)
{
	static char text[MAX_DOORS][48];
	char *argv[64];
	int n = 0, d = 0;

	while (cmd[n] && n < (int)(sizeof(argv) / sizeof(argv[0])) - MAX_DOORS - 1) {
		argv[n] = cmd[n];
		n++;
	}
	printf("%u\n", open_door(addr, 0, false, FIRST_FD));
	snprintf(text[d], sizeof(text[d]), "%d=127.0.0.1:%u", FIRST_FD, inside);
	argv[n++] = text[d++];
	for (const struct range *r = udp; r < udp + nudp; r++) {
		for (unsigned port = r->first; port <= r->last && port > 0 && d < MAX_DOORS; port++) {
			open_door(addr, port, true, FIRST_FD + d);
			snprintf(text[d], sizeof(text[d]), "%d=udp:127.0.0.1:%u", FIRST_FD + d, port);
			argv[n++] = text[d++];
		}
	}
	argv[n] = NULL;
	fflush(stdout);
	close(STDOUT_FILENO); /* whoever reads the port has all of it */
	dup2(STDERR_FILENO, STDOUT_FILENO);
	execvp(argv[0], argv);
	die("cannot run", argv[0]);
}

static int usage(void)
{
	fputs("usage: nsrelay [-c SOCKET] FD=[udp:]ADDR:PORT...\n"
	      "       nsrelay -o ADDR -t PORT [-u FIRST-LAST]... CMD [ARG]...\n"
	      "       nsrelay -s SOCKET COMMAND\n", stderr);
	return 2;
}

int main(int argc, char **argv)
{
	const char *addr = NULL, *to = NULL;
	struct range udp[MAX_RANGES];
	unsigned inside = 0;
	int c, nudp = 0;

	while ((c = getopt(argc, argv, "+c:o:t:u:s:")) != -1) {
		if (c == 'c')
			open_control(optarg);
		else if (c == 'o')
			addr = optarg;
		else if (c == 's')
			to = optarg;
		else if (c == 't')
			inside = (unsigned)atoi(optarg);
		else if (c != 'u' || nudp == MAX_RANGES ||
			 sscanf(optarg, "%u-%u", &udp[nudp].first, &udp[nudp].last) != 2)
			return usage();
		else
			nudp++;
	}
	argv += optind;
	argc -= optind;
	if (to)
		return argc == 1 ? tell(to, argv[0]) : usage();
	if (addr)
		return argc >= 1 && inside > 0 ? open_doors(addr, inside, udp, nudp, argv) : usage();
	if (argc < 1 || argc > MAX_DOORS)
		return usage();
	for (ndoors = 0; ndoors < argc; ndoors++) {
		if (!door_parse(argv[ndoors], &doors[ndoors])) {
			fprintf(stderr, "nsrelay: '%s' is not FD=[udp:]ADDR:PORT with an open socket FD\n", argv[ndoors]);
			return 2;
		}
	}
	signal(SIGPIPE, SIG_IGN);
	loop();
	return 1;
}
