/* SPDX-License-Identifier: GPL-3.0-or-later */

/* oddweb.c - a web server of the private network that does what a proxy must be able to cope with: bodies of every
 * framing, trailers, interim answers, upgrades, connections that end at odd moments; and it tells what it was asked.
 *
 *   oddweb [-f FILES] [-r READYFILE] ADDR PORT      port 0: the kernel chooses; READYFILE gets "PORT\n"
 *
 * Every answer but those of /count, /page and /files carries "X-Connection: C" and "X-Request: R": the C-th connection
 * since the start, and the R-th request on it. A request's body may be chunked or have a Content-Length.
 *
 *   /head              the request as it came: its head, then "body N FNV1A FRAMING" and a line "trailer NAME: VALUE"
 *                      for each. FRAMING: none, length or chunked. Any method; HEAD gives the same head and no body
 *   /count             "connections N"
 *   /chunked/N         N bytes in chunks of odd sizes, then the trailers "X-Sum: FNV1A" and "X-End: yes"
 *   /until-close/N     N bytes without any framing: the end of the connection is the end
 *   /http10/N          the same as HTTP/1.0
 *   /early             "103 Early Hints" and "102 Processing" before the answer
 *   /leaves            a whole answer that promises to stay, and then the connection ends
 *   /cut               "Content-Length: 1000", 500 bytes, end
 *   /cut-chunked       a chunk, and the end without the last one
 *   /no-content        204 with no body, connection kept
 *   /not-modified      304 with a Content-Length that stands for nothing
 *   /wants-none        "417 Expectation Failed" before the body was read, and the end
 *   /upgrade           "101" to a client that asks for "Upgrade: echo", then its bytes come back; 426 otherwise
 *   /silent            no answer, ever
 *   /garbage           something that is no HTTP
 *   /nothing           the end, without a byte
 *   /hops              an answer with hop-by-hop fields that are none of the client's business
 *   /page/N            HTML that loads N resources: scripts, pictures and styles in turn. The scripts and the loads are
 *                      counted by the page; when all have come, its title is "N of N"
 *   /part/I            the I-th of these
 *   /files/PATH        from the folder FILES; PATH may have folders
 *
 * A process a connection, like services.c. The bytes of bodies are those of services.c. */
#include <arpa/inet.h>
#include <ctype.h>
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdarg.h>
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
#include <unistd.h>

#define HEAD_MAX   32768
#define TEXT_MAX   65536
#define CHUNK      65536
#define BYTES_MAX  (UINT64_C(1) << 30)
#define PARTS_MAX  500
#define IDLE_S     300
#define FNV_START  UINT32_C(2166136261)

enum framing { NONE, LENGTH, CHUNKED };

struct request {
	int fd;
	unsigned connection, number;
	unsigned char in[HEAD_MAX + 1]; /* what has come and was not used yet */
	size_t have;
	char head[HEAD_MAX + 1];
	char method[16], path[512];
	bool close, expects, upgrade;
	enum framing framing;
	uint64_t length;

	uint64_t body;                  /* bytes of it */
	uint32_t sum;
	char trailers[4096];
};

static unsigned *connections; /* shared */
static const char *files;

/* ---- bytes ---- */

static uint64_t mix(uint64_t n)
{
	uint64_t z = (n + 1) * UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

static unsigned char byte_at(uint64_t at)
{
	return (unsigned char)(mix(at / 8) >> (at % 8 * 8));
}

static uint32_t fnv(uint32_t sum, const void *data, size_t n)
{
	const unsigned char *p = data;

	while (n-- > 0)
		sum = (sum ^ *p++) * UINT32_C(16777619);
	return sum;
}

static bool write_all(int fd, const void *data, size_t n)
{
	const unsigned char *p = data;

	while (n > 0) {
		ssize_t k = send(fd, p, n, MSG_NOSIGNAL);

		if (k < 0 && errno == EINTR)
			continue;
		if (k <= 0)
			return false;
		p += k;
		n -= (size_t)k;
	}
	return true;
}

static bool say(int fd, const char *format, ...) __attribute__((format(printf, 2, 3)));
static bool say(int fd, const char *format, ...)
{
	char text[4096];
	va_list ap;
	int n;

	va_start(ap, format);
	n = vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	return n >= 0 && (size_t)n < sizeof(text) && write_all(fd, text, (size_t)n);
}

/* ---- requests ---- */

static bool fill(struct request *r)
{
	ssize_t n;

	if (r->have == HEAD_MAX)
		return false;
	n = read(r->fd, r->in + r->have, HEAD_MAX - r->have);
	if (n <= 0)
		return false;
	r->have += (size_t)n;
	return true;
}

static void used(struct request *r, size_t n)
{
	memmove(r->in, r->in + n, r->have - n);
	r->have -= n;
}

/* One line up to CRLF, which is not part of it. */
static bool read_line(struct request *r, char *to, size_t room)
{
	unsigned char *end;
	size_t n;

	while (!(end = memmem(r->in, r->have, "\r\n", 2)))
		if (!fill(r))
			return false;
	n = (size_t)(end - r->in);
	if (n >= room)
		return false;
	memcpy(to, r->in, n);
	to[n] = '\0';
	used(r, n + 2);
	return true;
}

static bool is_field(const char *line, const char *name, const char **value)
{
	size_t n = strlen(name);

	if (strncasecmp(line, name, n) != 0 || line[n] != ':')
		return false;
	*value = line + n + 1 + strspn(line + n + 1, " \t");
	return true;
}

static bool parse_field(struct request *r, const char *line)
{
	const char *v;

	if (is_field(line, "Content-Length", &v)) {
		if (r->framing != NONE)
			return false;
		r->framing = LENGTH;
		r->length = strtoull(v, NULL, 10);
	} else if (is_field(line, "Transfer-Encoding", &v)) {
		if (r->framing != NONE || strcasecmp(v, "chunked") != 0)
			return false;
		r->framing = CHUNKED;
	} else if (is_field(line, "Connection", &v)) {
		r->close |= strcasestr(v, "close") != NULL;
	} else if (is_field(line, "Expect", &v)) {
		r->expects = !strcasecmp(v, "100-continue");
	} else if (is_field(line, "Upgrade", &v)) {
		r->upgrade = !strcasecmp(v, "echo");
	}
	return true;
}

static bool read_head(struct request *r)
{
	static char line[HEAD_MAX];
	char version[16];
	size_t n = 0;

	r->close = r->expects = r->upgrade = false;
	r->framing = NONE;
	r->length = r->body = 0;
	r->sum = FNV_START;
	r->trailers[0] = r->head[0] = '\0';
	do {
		if (!read_line(r, line, sizeof(line)) || n + strlen(line) + 2 > HEAD_MAX)
			return false;
		if (n == 0 && sscanf(line, "%15s %511s %15s", r->method, r->path, version) != 3)
			return false;
		if (n == 0)
			r->close = strcmp(version, "HTTP/1.1") != 0;
		else if (*line && !parse_field(r, line))
			return false;
		if (*line)
			n += (size_t)snprintf(r->head + n, HEAD_MAX + 1 - n, "%s\n", line);
	} while (*line);
	r->number++;
	return true;
}

static bool take(struct request *r, uint64_t n)
{
	while (n > 0) {
		size_t k;

		if (r->have == 0 && !fill(r))
			return false;
		k = r->have < n ? r->have : (size_t)n;
		r->sum = fnv(r->sum, r->in, k);
		r->body += k;
		used(r, k);
		n -= k;
	}
	return true;
}

static bool read_trailers(struct request *r)
{
	char line[512];
	size_t n = 0;

	do {
		if (!read_line(r, line, sizeof(line)) || n + strlen(line) + 10 > sizeof(r->trailers))
			return false;
		if (*line)
			n += (size_t)snprintf(r->trailers + n, sizeof(r->trailers) - n, "trailer %s\n", line);
	} while (*line);
	return true;
}

static bool read_chunks(struct request *r)
{
	char line[512];

	for (;;) {
		uint64_t n;
		char *end;

		if (!read_line(r, line, sizeof(line)))
			return false;
		n = strtoull(line, &end, 16);
		if (end == line)
			return false;
		if (n == 0)
			return read_trailers(r);
		if (!take(r, n) || !read_line(r, line, sizeof(line)) || *line)
			return false;
	}
}

static bool read_body(struct request *r)
{
	if (r->expects && r->framing != NONE && !say(r->fd, "HTTP/1.1 100 Continue\r\n\r\n"))
		return false;
	return r->framing == CHUNKED ? read_chunks(r) : take(r, r->length);
}

/* ---- answers ---- */

static bool is_head(const struct request *r)
{
	return !strcmp(r->method, "HEAD");
}

/* The start of a head; the caller adds how the body is framed, and the empty line. */
static bool start(struct request *r, const char *version, const char *status, const char *type)
{
	return say(r->fd, "HTTP/%s %s\r\nServer: oddweb\r\nContent-Type: %s\r\nX-Connection: %u\r\nX-Request: %u\r\n%s",
		   version, status, type, r->connection, r->number, r->close ? "Connection: close\r\n" : "");
}

static bool answer(struct request *r, const char *status, const char *type, const char *text)
{
	return start(r, "1.1", status, type) && say(r->fd, "Content-Length: %zu\r\n\r\n", strlen(text)) &&
	       (is_head(r) || write_all(r->fd, text, strlen(text)));
}

static bool answer_head(struct request *r)
{
	static const char *const framings[] = { "none", "length", "chunked" };
	static char text[TEXT_MAX];

	snprintf(text, sizeof(text), "%sbody %" PRIu64 " %08" PRIx32 " %s\n%s", r->head, r->body, r->sum,
		 framings[r->framing], r->trailers);
	return answer(r, "200 OK", "text/plain", text);
}

/* The bytes from 0 to @n, in pieces of sizes that fit nothing; @chunked: each with its size. */
static bool send_bytes(int fd, uint64_t n, bool chunked, uint32_t *sum)
{
	static unsigned char piece[CHUNK];
	uint64_t at = 0;

	for (unsigned k = 1; at < n; k = k * 7 % 60013 + 1) {
		size_t size = n - at < k ? (size_t)(n - at) : k;

		for (size_t i = 0; i < size; i++)
			piece[i] = byte_at(at + i);
		*sum = fnv(*sum, piece, size);
		if ((chunked && !say(fd, "%zx;odd=\"yes\"\r\n", size)) || !write_all(fd, piece, size) ||
		    (chunked && !say(fd, "\r\n")))
			return false;
		at += size;
	}
	return true;
}

static bool chunked(struct request *r, uint64_t n)
{
	uint32_t sum = FNV_START;

	return start(r, "1.1", "200 OK", "application/octet-stream") &&
	       say(r->fd, "Transfer-Encoding: chunked\r\nTrailer: X-Sum, X-End\r\n\r\n") &&
	       (is_head(r) || (send_bytes(r->fd, n, true, &sum) &&
			       say(r->fd, "0\r\nX-Sum: %08" PRIx32 "\r\nX-End: yes\r\n\r\n", sum)));
}

static bool until_close(struct request *r, const char *version, uint64_t n)
{
	uint32_t sum = FNV_START;

	r->close = true;
	return start(r, version, "200 OK", "application/octet-stream") && say(r->fd, "\r\n") &&
	       (is_head(r) || send_bytes(r->fd, n, false, &sum));
}

static bool upgrade(struct request *r)
{
	unsigned char buf[CHUNK];
	ssize_t n;

	if (!r->upgrade)
		return answer(r, "426 Upgrade Required", "text/plain", "ask for echo\n");
	if (!say(r->fd, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n") ||
	    !write_all(r->fd, r->in, r->have))
		return false;
	while ((n = read(r->fd, buf, sizeof(buf))) > 0)
		if (!write_all(r->fd, buf, (size_t)n))
			return false;
	return false;
}

static bool hops(struct request *r)
{
	return start(r, "1.1", "200 OK", "text/plain") &&
	       say(r->fd, "Connection: X-Hop\r\nX-Hop: mine\r\nKeep-Alive: timeout=5\r\nProxy-Connection: keep-alive\r\n"
			  "X-End-To-End: yours\r\nContent-Length: 3\r\n\r\n%s", is_head(r) ? "" : "ok\n");
}

/* A picture of one pixel; the parts differ by their addresses only. */
static const char svg[] = "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"1\" height=\"1\"/>\n";

static bool part(struct request *r, unsigned long i)
{
	char text[100];

	switch (i % 3) {
	case 0:
		snprintf(text, sizeof(text), "came(%lu);\n", i);
		return answer(r, "200 OK", "text/javascript", text);
	case 1:
		return answer(r, "200 OK", "image/svg+xml", svg);
	default:
		snprintf(text, sizeof(text), "#p%lu { width: 77px }\n", i);
		return answer(r, "200 OK", "text/css", text);
	}
}

/* A script reports itself, a picture when it was decoded, a style when it was loaded. */
static bool page(struct request *r, unsigned long n)
{
	static char text[TEXT_MAX];
	size_t at = (size_t)snprintf(text, sizeof(text), "<!doctype html>\n<title>0 of %lu</title>\n<script>\n"
		"const seen = new Set();\n"
		"function came(i) { seen.add(i); document.title = seen.size + ' of %lu'; }\n</script>\n", n, n);

	for (unsigned long i = 0; i < n; i++) {
		const char *form = i % 3 == 0 ? "<script src=/part/%lu></script>\n"
				 : i % 3 == 1 ? "<img src=/part/%lu onload='came(%lu)'>\n"
				 : "<link rel=stylesheet href=/part/%lu onload='came(%lu)'>\n";

		at += (size_t)snprintf(text + at, sizeof(text) - at, form, i, i);
	}
	return answer(r, "200 OK", "text/html", text);
}

static bool get_file(struct request *r, const char *name)
{
	static char buf[CHUNK];
	char path[PATH_MAX];
	struct stat st;
	ssize_t n;
	bool ok;
	int f;

	if (!files || strstr(name, "..") || name[0] == '/' || strchr(name, '%') ||
	    snprintf(path, sizeof(path), "%s/%s", files, name) >= (int)sizeof(path))
		return answer(r, "403 Forbidden", "text/plain", "");
	*(path + strcspn(path, "?")) = '\0';
	f = open(path, O_RDONLY | O_CLOEXEC);
	if (f < 0 || fstat(f, &st) != 0 || !S_ISREG(st.st_mode)) {
		if (f >= 0)
			close(f);
		return answer(r, "404 Not Found", "text/plain", "");
	}
	ok = start(r, "1.1", "200 OK", "application/octet-stream") &&
	     say(r->fd, "Content-Length: %jd\r\n\r\n", (intmax_t)st.st_size);
	while (ok && !is_head(r) && (n = read(f, buf, sizeof(buf))) > 0)
		ok = write_all(r->fd, buf, (size_t)n);
	close(f);
	return ok;
}

static void wait_for_the_end(struct request *r)
{
	while (read(r->fd, r->in, sizeof(r->in)) > 0)
		;
}

/* Those that end the connection, in their own ways; NULL path: not one of them. */
static bool odd_end(struct request *r)
{
	r->close = true;
	if (!strcmp(r->path, "/cut")) {
		start(r, "1.1", "200 OK", "text/plain");
		say(r->fd, "Content-Length: 1000\r\n\r\n%0500d", 0);
	} else if (!strcmp(r->path, "/cut-chunked")) {
		start(r, "1.1", "200 OK", "text/plain");
		say(r->fd, "Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n");
	} else if (!strcmp(r->path, "/silent")) {
		wait_for_the_end(r);
	} else if (!strcmp(r->path, "/garbage")) {
		say(r->fd, "SSH-2.0-this_is_no_HTTP\r\n\r\n");
	} else if (strcmp(r->path, "/nothing") != 0) {
		answer(r, "404 Not Found", "text/plain", "no such page\n");
	}
	return false;
}

static bool number(const struct request *r, const char *prefix, uint64_t max, uint64_t *ret)
{
	size_t n = strlen(prefix);
	char *end;

	if (strncmp(r->path, prefix, n) != 0 || !isdigit((unsigned char)r->path[n]))
		return false;
	*ret = strtoull(r->path + n, &end, 10);
	return !*end && *ret <= max;
}

static bool with_number(struct request *r, bool *known)
{
	uint64_t n;

	*known = true;
	if (number(r, "/chunked/", BYTES_MAX, &n))
		return chunked(r, n);
	if (number(r, "/until-close/", BYTES_MAX, &n))
		return until_close(r, "1.1", n);
	if (number(r, "/http10/", BYTES_MAX, &n))
		return until_close(r, "1.0", n);
	if (number(r, "/page/", PARTS_MAX, &n))
		return page(r, n);
	if (number(r, "/part/", PARTS_MAX, &n))
		return part(r, n);
	*known = false;
	return true;
}

static bool not_modified(struct request *r)
{
	return start(r, "1.1", "304 Not Modified", "text/plain") && say(r->fd, "Content-Length: 1000\r\n\r\n");
}

static bool no_content(struct request *r)
{
	return say(r->fd, "HTTP/1.1 204 No Content\r\nX-Connection: %u\r\nX-Request: %u\r\n\r\n", r->connection, r->number);
}

static bool leaves(struct request *r)
{
	answer(r, "200 OK", "text/plain", "whole\n");
	return false;
}

static bool early(struct request *r)
{
	return say(r->fd, "HTTP/1.1 103 Early Hints\r\nLink: </part/2>; rel=preload\r\n\r\n"
			  "HTTP/1.1 102 Processing\r\n\r\n") &&
	       answer(r, "200 OK", "text/plain", "at last\n");
}

static bool count(struct request *r)
{
	char text[40];

	snprintf(text, sizeof(text), "connections %u\n", *connections);
	return answer(r, "200 OK", "text/plain", text);
}

/* Returns false if the connection is over. */
static bool serve(struct request *r)
{
	static const struct {
		const char *path;
		bool (*serve)(struct request *r);
	} pages[] = {
		{ "/head", answer_head }, { "/count", count }, { "/early", early }, { "/leaves", leaves },
		{ "/no-content", no_content }, { "/not-modified", not_modified }, { "/upgrade", upgrade }, { "/hops", hops },
	};
	bool known, ok;

	if (!strcmp(r->path, "/wants-none")) {
		r->close = true;
		answer(r, "417 Expectation Failed", "text/plain", "");
		shutdown(r->fd, SHUT_WR);
		wait_for_the_end(r);
		return false;
	}
	if (!read_body(r))
		return false;
	for (size_t i = 0; i < sizeof(pages) / sizeof(pages[0]); i++)
		if (!strcmp(r->path, pages[i].path))
			return pages[i].serve(r);
	if (!strncmp(r->path, "/files/", 7))
		return get_file(r, r->path + 7);
	ok = with_number(r, &known);
	return known ? ok : odd_end(r);
}

/* ---- connections ---- */

static void serve_connection(int fd, unsigned n)
{
	static struct request r;

	r.fd = fd;
	r.connection = n;
	while (read_head(&r) && serve(&r) && !r.close)
		;
}

static void accept_one(int listener)
{
	const struct timeval idle = { .tv_sec = IDLE_S };
	const int one = 1;
	int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

	if (fd < 0)
		return;
	++*connections;
	if (fork() == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(listener);
		setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &idle, sizeof(idle));
		setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &idle, sizeof(idle));
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
		serve_connection(fd, *connections);
		_exit(0);
	}
	close(fd);
}

static bool report_ready(const char *path, int listener)
{
	struct sockaddr_in at = { 0 };
	socklen_t len = sizeof(at);
	char new[PATH_MAX];
	FILE *f;

	snprintf(new, sizeof(new), "%s.new", path);
	f = fopen(new, "we");
	return f && getsockname(listener, (struct sockaddr *)&at, &len) == 0 && fprintf(f, "%u\n", ntohs(at.sin_port)) > 0 &&
	       fclose(f) == 0 && rename(new, path) == 0;
}

static int usage(void)
{
	fprintf(stderr, "usage: oddweb [-f FILES] [-r READYFILE] ADDR PORT\n");
	return 2;
}

int main(int argc, char **argv)
{
	struct sockaddr_in at = { .sin_family = AF_INET };
	const char *ready = NULL;
	const int one = 1;
	int listener, c;

	while ((c = getopt(argc, argv, "f:r:")) != -1) {
		if (c == 'f')
			files = optarg;
		else if (c == 'r')
			ready = optarg;
		else
			return usage();
	}
	if (argc - optind != 2 || inet_pton(AF_INET, argv[optind], &at.sin_addr) != 1)
		return usage();
	at.sin_port = htons((uint16_t)strtoul(argv[optind + 1], NULL, 10));
	signal(SIGPIPE, SIG_IGN);
	signal(SIGCHLD, SIG_IGN);
	connections = mmap(NULL, sizeof(*connections), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (connections == MAP_FAILED || listener < 0 ||
	    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) != 0 ||
	    bind(listener, (struct sockaddr *)&at, sizeof(at)) != 0 || listen(listener, 1024) != 0) {
		fprintf(stderr, "oddweb: cannot listen on %s port %s: %s\n", argv[optind], argv[optind + 1], strerror(errno));
		return 1;
	}
	if (ready && !report_ready(ready, listener)) {
		fprintf(stderr, "oddweb: cannot write %s: %s\n", ready, strerror(errno));
		return 1;
	}
	for (;;)
		accept_one(listener);
}
