/* SPDX-License-Identifier: GPL-3.0-or-later */

/* services.c - the private services at the far end of a tunnel: something to fetch, store, stall and count.
 *
 *   services [-l] [-b BASE] [-f FILES] [-u UPLOADS] [-r READYFILE] [-6 ADDR6] ADDR
 *   services --bytes N                        write N of the bytes described below to standard output
 *
 * READYFILE is written when everything is open: "base=BASE" and "dns=ADDR", or "dns=" if UDP port 53 was not
 * to be had. With -6 everything is at ADDR6, too, and names lead there. With -l only clients on the same machine are served: for places where ADDR is not private.
 *
 * TCP on ADDR (with -b every port number but 53 is that much higher, for places where low ports are not to be
 * had):
 *   7     echo: sends back what it gets; the client's end of stream comes back as its own
 *   9     discard: swallows everything; at the client's end of stream it says how many bytes that was ("N\n")
 *   19    endless bytes, as fast as they are taken; what the client sends is not read
 *   80    HTTP/1.1, see below
 *   4000  sends 1 MiB at once and ends its side; counts what the client goes on to send (see GET /count)
 *   4001  sends 1000 bytes, reads 1 byte, then resets the connection
 * UDP on ADDR:
 *   7     echo
 *   53    DNS, also over TCP, authoritative for nothing but this table; every other name does not exist:
 *           private.softsocks.test   A ADDR (no AAAA)
 *           v6.softsocks.test        AAAA fd77::1 (no A)
 *           dual.softsocks.test      A ADDR and AAAA fd77::1
 *           broken6.softsocks.test   A ADDR and AAAA fd77::dead, where nobody answers
 *           alias.softsocks.test     CNAME private.softsocks.test, and its A
 *           big.softsocks.test       A, 60 times ADDR: truncated over UDP, whole over TCP
 *           slow.softsocks.test      never answered
 *
 * HTTP (GET has HEAD beside it; connections are kept open; a body needs a Content-Length):
 *   GET  /               a small page: "softsocks private page", the client's address as seen here, the time
 *   GET  /bytes/N        N bytes, N up to 4 GiB
 *   GET  /file/NAME      from the folder FILES
 *   GET  /upload/NAME    from the folder UPLOADS
 *   GET  /slow/N         N lines, one a second (N up to 3600)
 *   GET  /count          port 4000 so far: "done=N last=BYTES total=BYTES"
 *   PUT  /upload/NAME    store the body in UPLOADS, in one step when it is complete
 *   PUT  /check          compare the body with the bytes of /bytes: "same N" or "differs at OFFSET"
 *   PUT  /sink           count the body: "N"
 *
 * The bytes, here and on the ports 19, 4000 and 4001, depend on nothing but their offset, so that any piece
 * of them can be checked by itself: they are the 64-bit numbers mix(0), mix(1), mix(2), ... in little-endian
 * order, where mix is the finaliser of SplitMix64 (Steele, Lea, Flood 2014) applied to (number + 1) *
 * 0x9e3779b97f4a7c15.
 *
 * A process a connection: a handler then reads like the protocol it speaks and may block wherever it likes;
 * one that hangs hangs alone. The parent accepts, answers UDP, and counts its children (MAX_CHILDREN). A
 * connection without any progress for IDLE_S seconds is closed.
 */
#include <arpa/inet.h>
#include <ctype.h>
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MAX_CHILDREN 4096               /* connections at a time; SecureNAT carries no more than that */
#define IDLE_S       300
#define HEAD_MAX     8192               /* request line and headers */
#define CHUNK        (256 * 1024)       /* a multiple of 8, see bytes_at() */
#define WAKE         (128 * 1024)       /* of a large body so much makes a wake-up worth while: who sends pays for it */
#define BYTES_MAX    (UINT64_C(4) << 30)
#define SLOW_MAX     3600
#define PUSH_SIZE    (UINT64_C(1) << 20)
#define NAME_LEN_MAX 100

/* What the children have to tell each other: one page, shared. */
struct shared {
	uint64_t push_done, push_last, push_total;
};

static struct shared *shared;
static struct in_addr address;
static struct in6_addr address6;
static bool has_address6;
static const char *files_dir, *uploads_dir;
static bool local_only;
static int children;

/* ---- the bytes ---- */

static uint64_t mix(uint64_t n)
{
	uint64_t z = (n + 1) * UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

/* Fill @buf with the bytes from @offset on; @offset and @n are multiples of 8. */
static void bytes_at(uint64_t offset, unsigned char *buf, size_t n)
{
	for (size_t i = 0; i < n; i += 8) {
		uint64_t w = htole64(mix((offset + i) / 8));

		memcpy(buf + i, &w, 8);
	}
}

/* ---- sockets ---- */

static bool write_all(int fd, const void *data, size_t n)
{
	const unsigned char *p = data;

	while (n > 0) {
		ssize_t k = write(fd, p, n);

		if (k < 0 && errno == EINTR)
			continue;
		if (k <= 0)
			return false;
		p += k;
		n -= (size_t)k;
	}
	return true;
}

static bool write_bytes(int fd, uint64_t n)
{
	static unsigned char buf[CHUNK];

	for (uint64_t at = 0; at < n; at += CHUNK) {
		bytes_at(at, buf, CHUNK);
		if (!write_all(fd, buf, n - at < CHUNK ? (size_t)(n - at) : CHUNK))
			return false;
	}
	return true;
}

/* Read to the end of the stream; returns how much there was. */
static uint64_t drain(int fd)
{
	static unsigned char buf[CHUNK];
	uint64_t sum = 0;
	ssize_t n;

	while ((n = read(fd, buf, sizeof(buf))) > 0)
		sum += (uint64_t)n;
	return sum;
}

/* ---- the plain TCP services ---- */

static void serve_echo(int fd)
{
	static unsigned char buf[CHUNK];
	ssize_t n;

	while ((n = read(fd, buf, sizeof(buf))) > 0)
		if (!write_all(fd, buf, (size_t)n))
			return;
	shutdown(fd, SHUT_WR);
}

static void serve_discard(int fd)
{
	dprintf(fd, "%" PRIu64 "\n", drain(fd));
}

static void serve_endless(int fd)
{
	write_bytes(fd, UINT64_MAX - CHUNK);
}

static void serve_push(int fd)
{
	uint64_t n;

	if (!write_bytes(fd, PUSH_SIZE))
		return;
	shutdown(fd, SHUT_WR);
	n = drain(fd);
	__atomic_store_n(&shared->push_last, n, __ATOMIC_RELAXED);
	__atomic_fetch_add(&shared->push_total, n, __ATOMIC_RELAXED);
	__atomic_fetch_add(&shared->push_done, 1, __ATOMIC_RELEASE);
}

static void serve_reset(int fd)
{
	const struct linger hard = { .l_onoff = 1, .l_linger = 0 };
	char one;

	if (!write_bytes(fd, 1000) || read(fd, &one, 1) < 0)
		return;
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
}

/* ---- HTTP ---- */

struct request {
	int fd;
	char head[HEAD_MAX + 1];
	size_t len;                     /* bytes in head: the request, then what came behind it */
	char method[8];
	char path[256];
	bool close;                     /* the client, or our answer, ends the connection */
	bool expects;                   /* "Expect: 100-continue" */
	bool has_length;
	uint64_t length;
	size_t rest;                    /* where in head the body starts */
};

static void reply_head(struct request *r, const char *status, const char *type, uint64_t length)
{
	char date[64];
	time_t now = time(NULL);

	strftime(date, sizeof(date), "%a, %d %b %Y %H:%M:%S GMT", gmtime(&now));
	dprintf(r->fd, "HTTP/1.1 %s\r\nDate: %s\r\nServer: softsocks-test\r\nContent-Type: %s\r\n"
		"Content-Length: %" PRIu64 "\r\nConnection: %s\r\n\r\n",
		status, date, type, length, r->close ? "close" : "keep-alive");
}

static void reply(struct request *r, const char *status, const char *text)
{
	reply_head(r, status, "text/plain", strlen(text));
	if (strcmp(r->method, "HEAD") != 0)
		write_all(r->fd, text, strlen(text));
}

/* A refusal that leaves a body unread must end the connection. */
static void refuse(struct request *r, const char *status)
{
	if (r->length > 0)
		r->close = true;
	reply(r, status, "");
}

/* Read on until the head is complete. Returns false at the end of the stream, or if it is too long. */
static bool read_head(struct request *r)
{
	char *end;
	ssize_t n;

	for (;;) {
		r->head[r->len] = '\0';
		if (r->len > 0 && !isupper((unsigned char)r->head[0])) {
			r->head[0] = '\0'; /* no method, TLS for one: refused at once, as web servers do */
			r->rest = r->len;
			return true;
		}
		end = strstr(r->head, "\r\n\r\n");
		if (end) {
			end[2] = '\0';
			r->rest = (size_t)(end + 4 - r->head);
			return true;
		}
		if (r->len == HEAD_MAX)
			return false;
		n = read(r->fd, r->head + r->len, HEAD_MAX - r->len);
		if (n <= 0)
			return false;
		r->len += (size_t)n;
	}
}

static bool parse_number(const char *text, uint64_t max, uint64_t *ret)
{
	char *end;

	if (*text < '0' || *text > '9')
		return false;
	errno = 0;
	*ret = strtoull(text, &end, 10);
	return errno == 0 && !*end && *ret <= max;
}

static bool parse_header(struct request *r, char *line)
{
	char *value = strchr(line, ':');

	if (!value)
		return false;
	*value++ = '\0';
	value += strspn(value, " \t");
	if (!strcasecmp(line, "Content-Length")) {
		if (r->has_length || !parse_number(value, BYTES_MAX, &r->length))
			return false;
		r->has_length = true;
	} else if (!strcasecmp(line, "Connection")) {
		r->close |= strcasestr(value, "close") != NULL;
	} else if (!strcasecmp(line, "Expect")) {
		r->expects = !strcasecmp(value, "100-continue");
	}
	return true;
}

static bool parse_head(struct request *r)
{
	char version[10], *save, *line = strtok_r(r->head, "\r\n", &save);

	r->close = r->expects = r->has_length = false;
	r->length = 0;
	if (!line || sscanf(line, "%7s %255s %9s", r->method, r->path, version) != 3)
		return false;
	r->close = strcmp(version, "HTTP/1.1") != 0;
	while ((line = strtok_r(NULL, "\r\n", &save)))
		if (!parse_header(r, line))
			return false;
	return true;
}

/* Hand the body to @take piece by piece. Returns false if the stream ended early or @take did not want it. */
static bool read_body(struct request *r, bool (*take)(void *ctx, const unsigned char *p, size_t n), void *ctx)
{
	static unsigned char buf[CHUNK];
	const int many = WAKE, any = 1;
	uint64_t left = r->length;
	size_t have = r->len - r->rest;

	if (r->expects && have == 0 && left > 0)
		dprintf(r->fd, "HTTP/1.1 100 Continue\r\n\r\n");
	if (have > left)
		have = (size_t)left;
	if (have > 0 && !take(ctx, (unsigned char *)r->head + r->rest, have))
		return false;
	r->rest += have;
	left -= have;
	if (left >= 4 * WAKE)
		setsockopt(r->fd, SOL_SOCKET, SO_RCVLOWAT, &many, sizeof(many));
	while (left > 0) {
		ssize_t n = read(r->fd, buf, left < CHUNK ? (size_t)left : CHUNK);

		if (n <= 0 || !take(ctx, buf, (size_t)n))
			return false;
		left -= (uint64_t)n;
		if (left < 2 * WAKE && left + (uint64_t)n >= 2 * WAKE)
			setsockopt(r->fd, SOL_SOCKET, SO_RCVLOWAT, &any, sizeof(any));
	}
	return true;
}

static bool take_nothing(void *ctx, const unsigned char *p, size_t n)
{
	(void)ctx, (void)p, (void)n;
	return true;
}

struct check {
	uint64_t at;
	uint64_t differs;               /* UINT64_MAX: nowhere yet */
};

static bool take_check(void *ctx, const unsigned char *p, size_t n)
{
	struct check *c = ctx;

	for (size_t i = 0; i < n;) {
		uint64_t w = htole64(mix(c->at / 8));

		if (c->at % 8 == 0 && n - i >= 8 && memcmp(p + i, &w, 8) == 0) {
			i += 8;
			c->at += 8;
			continue;
		}
		if (c->differs == UINT64_MAX && p[i] != ((unsigned char *)&w)[c->at % 8])
			c->differs = c->at;
		i++;
		c->at++;
	}
	return true;
}

static bool take_file(void *ctx, const unsigned char *p, size_t n)
{
	return write_all(*(int *)ctx, p, n);
}

/* DIR/NAME, if there is a DIR and NAME is a plain file name. */
static bool path_in(const char *dir, const char *name, char ret[PATH_MAX])
{
	size_t n = strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-");

	return dir && n > 0 && n <= NAME_LEN_MAX && !name[n] && name[0] != '.' &&
	       snprintf(ret, PATH_MAX, "%s/%s", dir, name) < PATH_MAX;
}

static void get_file(struct request *r, const char *dir, const char *name)
{
	static unsigned char buf[CHUNK];
	char path[PATH_MAX];
	struct stat st;
	ssize_t n;
	int f;

	f = path_in(dir, name, path) ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	if (f < 0 || fstat(f, &st) != 0 || !S_ISREG(st.st_mode)) {
		refuse(r, "404 Not Found");
	} else {
		reply_head(r, "200 OK", "application/octet-stream", (uint64_t)st.st_size);
		while (strcmp(r->method, "HEAD") != 0 && (n = read(f, buf, sizeof(buf))) > 0)
			if (!write_all(r->fd, buf, (size_t)n))
				break;
	}
	if (f >= 0)
		close(f);
}

static void get_page(struct request *r)
{
	struct sockaddr_in6 peer = { 0 }; /* the larger one */
	struct sockaddr_in *peer4 = (struct sockaddr_in *)&peer;
	socklen_t len = sizeof(peer);
	char text[500], addr[INET6_ADDRSTRLEN] = "?", date[64];
	time_t now = time(NULL);

	getpeername(r->fd, (struct sockaddr *)&peer, &len);
	if (peer.sin6_family == AF_INET6)
		inet_ntop(AF_INET6, &peer.sin6_addr, addr, sizeof(addr));
	else
		inet_ntop(AF_INET, &peer4->sin_addr, addr, sizeof(addr));
	strftime(date, sizeof(date), "%Y-%m-%d %H:%M:%S UTC", gmtime(&now));
	snprintf(text, sizeof(text), "<!doctype html>\n<title>softsocks private page</title>\n"
		 "<p>softsocks private page\n<p>client %s port %u\n<p>%s\n",
		 addr, ntohs(peer.sin6_port), date);
	reply_head(r, "200 OK", "text/html", strlen(text));
	if (strcmp(r->method, "HEAD") != 0)
		write_all(r->fd, text, strlen(text));
}

static void get_slow(struct request *r, uint64_t n)
{
	reply_head(r, "200 OK", "text/plain", n * 5);
	for (uint64_t i = 1; i <= n && strcmp(r->method, "HEAD") != 0; i++) {
		sleep(1);
		if (dprintf(r->fd, "%4" PRIu64 "\n", i) < 0)
			return;
	}
}

static void get_count(struct request *r)
{
	char text[100];

	snprintf(text, sizeof(text), "done=%" PRIu64 " last=%" PRIu64 " total=%" PRIu64 "\n",
		 __atomic_load_n(&shared->push_done, __ATOMIC_ACQUIRE),
		 __atomic_load_n(&shared->push_last, __ATOMIC_RELAXED),
		 __atomic_load_n(&shared->push_total, __ATOMIC_RELAXED));
	reply(r, "200 OK", text);
}

static void serve_get(struct request *r)
{
	uint64_t n;

	if (!read_body(r, take_nothing, NULL)) {
		r->close = true;
	} else if (!strcmp(r->path, "/")) {
		get_page(r);
	} else if (!strcmp(r->path, "/count")) {
		get_count(r);
	} else if (!strncmp(r->path, "/file/", 6)) {
		get_file(r, files_dir, r->path + 6);
	} else if (!strncmp(r->path, "/upload/", 8)) {
		get_file(r, uploads_dir, r->path + 8);
	} else if (!strncmp(r->path, "/bytes/", 7) && parse_number(r->path + 7, BYTES_MAX, &n)) {
		reply_head(r, "200 OK", "application/octet-stream", n);
		if (strcmp(r->method, "HEAD") != 0)
			r->close |= !write_bytes(r->fd, n);
	} else if (!strncmp(r->path, "/slow/", 6) && parse_number(r->path + 6, SLOW_MAX, &n)) {
		get_slow(r, n);
	} else {
		reply(r, "404 Not Found", "");
	}
}

static void put_upload(struct request *r, const char *name)
{
	char path[PATH_MAX], tmp[PATH_MAX + 24], text[40];
	int f = -1;
	bool ok;

	if (path_in(uploads_dir, name, path)) {
		snprintf(tmp, sizeof(tmp), "%s.%d.part", path, (int)getpid());
		f = open(tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	}
	if (f < 0) {
		refuse(r, "403 Forbidden");
		return;
	}
	ok = read_body(r, take_file, &f);
	ok &= close(f) == 0;
	if (!ok || rename(tmp, path) != 0) {
		unlink(tmp);
		r->close = true;
		reply(r, "500 Internal Server Error", "not stored\n");
		return;
	}
	snprintf(text, sizeof(text), "stored %" PRIu64 "\n", r->length);
	reply(r, "201 Created", text);
}

static void put_check(struct request *r)
{
	struct check c = { .differs = UINT64_MAX };
	char text[60];

	if (!read_body(r, take_check, &c)) {
		r->close = true;
		return;
	}
	if (c.differs == UINT64_MAX)
		snprintf(text, sizeof(text), "same %" PRIu64 "\n", c.at);
	else
		snprintf(text, sizeof(text), "differs at %" PRIu64 "\n", c.differs);
	reply(r, "200 OK", text);
}

static void put_sink(struct request *r)
{
	char text[40];

	if (!read_body(r, take_nothing, NULL)) {
		r->close = true;
		return;
	}
	snprintf(text, sizeof(text), "%" PRIu64 "\n", r->length);
	reply(r, "200 OK", text);
}

static void serve_put(struct request *r)
{
	if (!r->has_length) {
		r->close = true;
		reply(r, "411 Length Required", "");
	} else if (!strncmp(r->path, "/upload/", 8)) {
		put_upload(r, r->path + 8);
	} else if (!strcmp(r->path, "/check")) {
		put_check(r);
	} else if (!strcmp(r->path, "/sink")) {
		put_sink(r);
	} else {
		refuse(r, "404 Not Found");
	}
}

static void serve_http(int fd)
{
	static struct request r;

	r.fd = fd;
	do {
		if (!read_head(&r))
			break;
		if (!parse_head(&r)) {
			r.close = true;
			reply(&r, "400 Bad Request", "");
		} else if (!strcmp(r.method, "GET") || !strcmp(r.method, "HEAD")) {
			serve_get(&r);
		} else if (!strcmp(r.method, "PUT") || !strcmp(r.method, "POST")) {
			serve_put(&r);
		} else {
			refuse(&r, "405 Method Not Allowed");
		}
		memmove(r.head, r.head + r.rest, r.len - r.rest);
		r.len -= r.rest;
	} while (!r.close);
	/* A close with unread bytes would be a reset, which can overtake the answer. */
	shutdown(fd, SHUT_WR);
	drain(fd);
}

/* ---- UDP, and DNS over both ---- */

#define DNS_HEADER    12
#define DNS_A         1
#define DNS_CNAME     5
#define DNS_AAAA      28
#define DNS_IN        1
#define DNS_NXDOMAIN  3
#define DNS_TTL       60
#define DNS_UDP_MAX   512

/* The question's name in dotted lower case; returns where it ends in @q, or 0 if it is broken. */
static size_t dns_name(const unsigned char *q, size_t n, char ret[256])
{
	size_t at = DNS_HEADER, out = 0;

	while (at < n && q[at] != 0) {
		size_t label = q[at++];

		if (label > 63 || at + label >= n || out + label + 1 > 255)
			return 0;
		for (size_t i = 0; i < label; i++, at++)
			ret[out++] = (char)(q[at] >= 'A' && q[at] <= 'Z' ? q[at] + 32 : q[at]);
		ret[out++] = '.';
	}
	ret[out ? out - 1 : 0] = '\0';
	return at < n ? at + 1 : 0;
}

enum { HAS_A = 1, HAS_AAAA = 2, HAS_LOST_AAAA = 4, HAS_ALIAS = 8, NO_ANSWER = 16 };

#define DNS_BIG 60 /* answers of "big": 960 bytes, over 512 */

static const struct name {
	const char *name;
	unsigned has;
	unsigned times;
} names[] = {
	{ "private.softsocks.test", HAS_A, 1 },
	{ "v6.softsocks.test", HAS_AAAA, 1 },
	{ "dual.softsocks.test", HAS_A | HAS_AAAA, 1 },
	{ "broken6.softsocks.test", HAS_A | HAS_LOST_AAAA, 1 },
	{ "alias.softsocks.test", HAS_A | HAS_ALIAS, 1 },
	{ "big.softsocks.test", HAS_A, DNS_BIG },
	{ "slow.softsocks.test", NO_ANSWER, 0 },
};

static const struct name *find_name(const char *name)
{
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (!strcmp(name, names[i].name))
			return &names[i];
	return NULL;
}

/* Append a record of the name at @owner (as in a compression pointer); returns the new length. */
static size_t dns_record(unsigned char *q, size_t end, unsigned owner, unsigned type, const void *rdata, size_t n)
{
	const unsigned char head[] = { (unsigned char)(0xc0 | owner >> 8), (unsigned char)owner, 0, (unsigned char)type, 0,
				       DNS_IN, 0, 0, 0, DNS_TTL, 0, (unsigned char)n };

	memcpy(q + end, head, sizeof(head));
	memcpy(q + end + sizeof(head), rdata, n);
	return end + sizeof(head) + n;
}

/* The answers for @name and @type behind the question, which ends at @end. Returns the new length. */
static size_t dns_records(unsigned char *q, size_t end, const struct name *name, unsigned type)
{
	static const unsigned char v6[16] = { 0xfd, 0x77, [15] = 1 }, lost6[16] = { 0xfd, 0x77, [14] = 0xde, [15] = 0xad };
	unsigned owner = DNS_HEADER, count = 0;

	if ((name->has & HAS_ALIAS) && (type == DNS_A || type == DNS_AAAA)) {
		unsigned char to[] = "\7private\xc0\0"; /* "private" and the rest of the name that was asked for */

		to[9] = DNS_HEADER + 6; /* behind "alias" */
		owner = (unsigned)end + 12;
		end = dns_record(q, end, DNS_HEADER, DNS_CNAME, to, 10);
		count++;
	}
	for (unsigned i = 0; type == DNS_A && (name->has & HAS_A) && i < name->times; i++, count++)
		end = dns_record(q, end, owner, DNS_A, &address, 4);
	if (type == DNS_AAAA && (name->has & (HAS_AAAA | HAS_LOST_AAAA))) {
		end = dns_record(q, end, owner, DNS_AAAA, name->has & HAS_AAAA ? v6 : lost6, 16);
		count++;
	}
	q[7] = (unsigned char)count;
	return end;
}

/* Turn the query @q of @n bytes into its answer. Returns the answer's length, 0 for none. */
static size_t dns_answer(unsigned char *q, size_t n)
{
	const struct name *found;
	size_t end, question;
	char name[256];

	if (n < DNS_HEADER || (q[2] & 0xf8) || q[4] != 0 || q[5] != 1)
		return 0;               /* an answer, not a plain query, or not one question */
	question = dns_name(q, n, name);
	if (!question || question + 4 > n)
		return 0;
	found = find_name(name);
	if (found && (found->has & NO_ANSWER))
		return 0;
	end = question + 4;
	q[2] = (unsigned char)(0x84 | (q[2] & 1));     /* answer, authoritative, RD as asked */
	q[3] = (unsigned char)(0x80 | (found ? 0 : DNS_NXDOMAIN)); /* recursion available: some resolvers insist */
	memset(q + 6, 0, 6);
	if (found)
		end = dns_records(q, end, found, (unsigned)q[question] << 8 | q[question + 1]);
	return end;
}

static size_t dns_udp_answer(unsigned char *q, size_t n)
{
	char name[256];
	size_t end = dns_answer(q, n);

	if (end > DNS_UDP_MAX) {
		end = dns_name(q, end, name) + 4;
		q[2] |= 2; /* truncated: ask again over TCP */
		q[7] = 0;
	}
	return end;
}

static bool read_all(int fd, unsigned char *p, size_t n)
{
	while (n > 0) {
		ssize_t k = read(fd, p, n);

		if (k <= 0)
			return false;
		p += k;
		n -= (size_t)k;
	}
	return true;
}

static void serve_dns(int fd)
{
	static unsigned char q[2 + 65536 + 64];
	size_t n;

	while (read_all(fd, q, 2)) {
		n = (size_t)q[0] << 8 | q[1];
		if (!read_all(fd, q + 2, n))
			return;
		n = dns_answer(q + 2, n);
		q[0] = (unsigned char)(n >> 8);
		q[1] = (unsigned char)n;
		if (n == 0 || !write_all(fd, q, n + 2))
			return;
	}
}

static size_t udp_echo(unsigned char *q, size_t n)
{
	(void)q;
	return n;
}

/* ---- the parent ---- */

static const struct service {
	int type;
	uint16_t port;
	bool optional;                              /* do without it where the port is not to be had */
	void (*stream)(int fd);                     /* TCP: handles one connection in a process of its own */
	size_t (*datagram)(unsigned char *q, size_t n);     /* UDP: turns a datagram into its answer */
} services[] = {
	{ SOCK_STREAM, 7, false, serve_echo, NULL },
	{ SOCK_STREAM, 9, false, serve_discard, NULL },
	{ SOCK_STREAM, 19, false, serve_endless, NULL },
	{ SOCK_STREAM, 80, false, serve_http, NULL },
	{ SOCK_STREAM, 4000, false, serve_push, NULL },
	{ SOCK_STREAM, 4001, false, serve_reset, NULL },
	{ SOCK_DGRAM, 7, false, NULL, udp_echo },
	{ SOCK_DGRAM, 53, true, NULL, dns_udp_answer },
	{ SOCK_STREAM, 53, true, serve_dns, NULL },
};

#define NSERVICES (sizeof(services) / sizeof(services[0]))
#define NSOCKETS  (2 * NSERVICES)           /* IPv4, then IPv6 */

/* A resolver is looked for on port 53 and nowhere else, hence no base for it. */
static bool is_dns(const struct service *s)
{
	return s->stream == serve_dns || s->datagram == dns_udp_answer;
}

static int open_service(const struct service *s, int family, unsigned base)
{
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_addr = address };
	struct sockaddr_in6 sin6 = { .sin6_family = AF_INET6, .sin6_addr = address6 };
	const struct sockaddr *at = family == AF_INET ? (struct sockaddr *)&sin : (struct sockaddr *)&sin6;
	socklen_t len = family == AF_INET ? sizeof(sin) : sizeof(sin6);
	const int one = 1;
	int fd = socket(family, s->type | SOCK_CLOEXEC, 0);

	sin.sin_port = sin6.sin6_port = htons((uint16_t)(is_dns(s) ? s->port : s->port + base));
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) != 0 || bind(fd, at, len) != 0 ||
	    (s->stream && listen(fd, 1024) != 0)) {
		fprintf(stderr, "services: cannot open %s port %u of %s: %s\n", s->stream ? "TCP" : "UDP",
			ntohs(sin.sin_port), family == AF_INET ? inet_ntoa(address) : "the IPv6 address",
			strerror(errno));
		if (!s->optional)
			exit(1);
		if (fd >= 0)
			close(fd);
		return -1;
	}
	return fd;
}

static void reap(bool wait)
{
	while (children > 0 && waitpid(-1, NULL, wait ? 0 : WNOHANG) > 0) {
		children--;
		wait = false;
	}
}

/* What a machine sends to itself comes from the address it goes to. */
static bool welcome(const struct sockaddr_storage *from)
{
	return !local_only || (from->ss_family == AF_INET &&
			       ((const struct sockaddr_in *)from)->sin_addr.s_addr == address.s_addr);
}

static void serve_stream(const struct service *s, int listener)
{
	const struct timeval idle = { .tv_sec = IDLE_S };
	struct sockaddr_storage from;
	socklen_t len = sizeof(from);
	const int one = 1;
	int fd;
	pid_t pid;

	reap(children >= MAX_CHILDREN);
	fd = accept4(listener, (struct sockaddr *)&from, &len, SOCK_CLOEXEC);
	if (fd < 0)
		return;
	pid = welcome(&from) ? fork() : -1;
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(listener);
		setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &idle, sizeof(idle));
		setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &idle, sizeof(idle));
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
		s->stream(fd);
		close(fd);
		_exit(0);
	}
	if (pid > 0)
		children++;
	close(fd);
}

static void serve_datagram(const struct service *s, int fd)
{
	static unsigned char q[65536 + 64];
	struct sockaddr_storage from;
	socklen_t len = sizeof(from);
	ssize_t n = recvfrom(fd, q, 65536, MSG_DONTWAIT, (struct sockaddr *)&from, &len);
	size_t answer = n > 0 && welcome(&from) ? s->datagram(q, (size_t)n) : 0;

	if (answer > 0)
		sendto(fd, q, answer, MSG_DONTWAIT, (struct sockaddr *)&from, len);
}

static void loop(const int fds[NSOCKETS])
{
	struct pollfd p[NSOCKETS];

	for (;;) {
		for (size_t i = 0; i < NSOCKETS; i++)
			p[i] = (struct pollfd){ .fd = fds[i], .events = POLLIN };
		if (poll(p, NSOCKETS, 1000) < 0)
			continue;
		reap(false);
		for (size_t i = 0; i < NSOCKETS; i++) {
			const struct service *s = &services[i % NSERVICES];

			if (!(p[i].revents & POLLIN))
				continue;
			if (s->stream)
				serve_stream(s, fds[i]);
			else
				serve_datagram(s, fds[i]);
		}
	}
}

/* Tell by a file that everything can be reached: which ports, and whether there is a resolver. */
static bool report_ready(const char *path, unsigned base, const int fds[NSOCKETS])
{
	FILE *f = fopen(path, "we");
	bool dns = false;

	if (!f)
		return false;
	for (size_t i = 0; i < NSERVICES; i++)
		dns |= services[i].datagram == dns_udp_answer && fds[i] >= 0;
	fprintf(f, "base=%u\ndns=%s\n", base, dns ? inet_ntoa(address) : "");
	return fclose(f) == 0;
}

static int usage(void)
{
	fprintf(stderr, "usage: services [-l] [-b BASE] [-f FILES] [-u UPLOADS] [-r READYFILE] [-6 ADDR6] ADDR\n"
			"       services --bytes N\n");
	return 2;
}

int main(int argc, char **argv)
{
	const char *ready = NULL;
	int fds[NSOCKETS], c;
	uint64_t n, base = 0;

	if (argc == 3 && !strcmp(argv[1], "--bytes"))
		return parse_number(argv[2], INT64_MAX, &n) ? !write_bytes(STDOUT_FILENO, n) : usage();
	while ((c = getopt(argc, argv, "lb:f:u:r:6:")) != -1) {
		if (c == 'b' && parse_number(optarg, 60000, &base))
			continue;
		else if (c == 'l')
			local_only = true;
		else if (c == 'f')
			files_dir = optarg;
		else if (c == 'u')
			uploads_dir = optarg;
		else if (c == 'r')
			ready = optarg;
		else if (c == '6' && inet_pton(AF_INET6, optarg, &address6) == 1)
			has_address6 = true;
		else
			return usage();
	}
	if (argc - optind != 1 || inet_pton(AF_INET, argv[optind], &address) != 1)
		return usage();
	signal(SIGPIPE, SIG_IGN);
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED)
		return 1;
	for (size_t i = 0; i < NSERVICES; i++) {
		fds[i] = open_service(&services[i], AF_INET, (unsigned)base);
		fds[NSERVICES + i] = has_address6 ? open_service(&services[i], AF_INET6, (unsigned)base) : -1;
	}
	if (ready && !report_ready(ready, (unsigned)base, fds)) {
		fprintf(stderr, "services: cannot write %s: %s\n", ready, strerror(errno));
		return 1;
	}
	loop(fds);
	return 0;
}
