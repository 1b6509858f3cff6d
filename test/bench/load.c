/* SPDX-License-Identifier: GPL-3.0-or-later */

/* load.c - the work of the benchmark: transfers, requests and crowds, through a SOCKS5 proxy or straight, to a sink.c.
 *
 *   load [OPTION]... down ADDR:PORT STREAMS BYTES       fetch so many bytes in all
 *   load [OPTION]... up ADDR:PORT STREAMS BYTES         send them; the time ends when the far end has counted them
 *   load [OPTION]... request ADDR:PORT COUNT SIZE       small fetches one after the other, a connection each
 *   load [OPTION]... connect ADDR:PORT COUNT PARALLEL   the same, so many at once: how many in a second?
 *   load [OPTION]... idle ADDR:PORT COUNT PARALLEL      open connections, keep all, ask each again, and time new ones
 *   load ready CMD [ARG]...                             start CMD, tell how long it takes to be ready, and leave it running
 *   load run BYTES CMD [ARG]...                         run CMD, which is known to move so many bytes
 *   -x ADDR:PORT   the proxy       -t SECONDS   begin nothing new then, and cut what is under way
 *   -p PID,...     the processes whose CPU time and memory are told
 *
 * One line comes out, of words NAME=VALUE: bytes and seconds; cpu, the CPU seconds (user and system, all threads, ended
 * ones included) of the processes meanwhile; peak_kib, the most memory they had at a time since the beginning of this work
 * (VmHWM, which is begun anew; their sum); rss_kib, what they have at its end; for many things of a kind p50_ms, p99_ms
 * and max_ms from the first packet of a connection to the last byte of the answer. "ready" writes ms, pid and what the
 * program said on descriptor 3. Anything that fails is one line on standard error, and exit status 1.
 *
 * A thread a stream, with blocking sockets: it reads like what it does. Received bytes are not copied (MSG_TRUNC).
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define BLOCK       (256 * 1024)
#define CHUNK       0x100000u        /* of an upload; must have six hexadecimal digits, see sink.c */
#define HEAD_MAX    1024
#define PATIENCE_S  20               /* without a byte: something hangs */
#define THREADS_MAX 256
#define PIDS_MAX    16
#define PROBES      200              /* new connections that are timed before and beside a crowd */

static struct sockaddr_in proxy, target;
static bool has_proxy;
static pid_t pids[PIDS_MAX];
static int npids;
static double limit_s;
static unsigned char block[BLOCK];

static void fail(const char *fmt, ...) __attribute__((format(printf, 1, 2), noreturn));

static void fail(const char *fmt, ...)
{
	va_list ap;

	flockfile(stderr); /* the first of several threads has the word, and ends them all */
	va_start(ap, fmt);
	fputs("load: ", stderr);
	vfprintf(stderr, fmt, ap);
	fputc('\n', stderr);
	fflush(stderr);
	va_end(ap);
	_exit(1);
}

/* What went wrong with a receive or send that returned @n. */
static const char *reason(ssize_t n)
{
	if (n == 0)
		return "the connection ended";
	return errno == EAGAIN ? "nothing for 20 seconds" : strerror(errno);
}

static double now_s(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

/* ---- the processes that are looked at ---- */

static double cpu_s(void)
{
	struct timespec ts;
	clockid_t clock;
	double sum = 0;

	for (int i = 0; i < npids; i++) {
		if (clock_getcpuclockid(pids[i], &clock) != 0 || clock_gettime(clock, &ts) != 0)
			fail("process %d has gone", (int)pids[i]);
		sum += (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
	}
	return sum;
}

static unsigned long memory_kib(const char *what)
{
	unsigned long sum = 0, kib;
	char name[64], line[200];
	FILE *f;

	for (int i = 0; i < npids; i++) {
		snprintf(name, sizeof(name), "/proc/%d/status", (int)pids[i]);
		f = fopen(name, "re");
		while (f && fgets(line, sizeof(line), f))
			if (!strncmp(line, what, strlen(what)) && sscanf(line + strlen(what), ": %lu", &kib) == 1)
				sum += kib;
		if (f)
			fclose(f);
	}
	return sum;
}

static void forget_peak(void)
{
	char name[64];
	int fd;

	for (int i = 0; i < npids; i++) {
		snprintf(name, sizeof(name), "/proc/%d/clear_refs", (int)pids[i]);
		fd = open(name, O_WRONLY | O_CLOEXEC);
		if (fd >= 0 && write(fd, "5", 1) != 1)
			fprintf(stderr, "load: the peak of process %d is the one since its start\n", (int)pids[i]);
		if (fd >= 0)
			close(fd);
	}
}

static double begin_cpu, begin_time;

static void begin(void)
{
	forget_peak();
	begin_cpu = cpu_s();
	begin_time = now_s();
}

/* The end of the line that a command writes. */
static void tell_usage(double seconds)
{
	double cpu = cpu_s() - begin_cpu;

	printf(" seconds=%.6f", seconds);
	if (npids)
		printf(" cpu=%.6f peak_kib=%lu rss_kib=%lu", cpu, memory_kib("VmHWM"), memory_kib("VmRSS"));
	putchar('\n');
}

/* ---- one connection ---- */

static void send_all(int fd, const void *data, size_t n, int flags)
{
	const char *p = data;

	while (n > 0) {
		ssize_t k = send(fd, p, n, flags | MSG_NOSIGNAL);

		if (k < 0)
			fail("cannot send: %s", reason(k));
		p += k;
		n -= (size_t)k;
	}
}

static void receive_all(int fd, void *ret, size_t n, const char *what)
{
	ssize_t k = recv(fd, ret, n, MSG_WAITALL);

	if (k != (ssize_t)n)
		fail("%s: %s", what, k > 0 ? "it is cut short" : reason(k));
}

static void ask_proxy(int fd)
{
	unsigned char request[10] = { 5, 1, 0, 1 }, reply[4], bound[18];

	send_all(fd, "\5\1\0", 3, 0);
	receive_all(fd, reply, 2, "the proxy's greeting");
	memcpy(request + 4, &target.sin_addr, 4);
	memcpy(request + 8, &target.sin_port, 2);
	send_all(fd, request, sizeof(request), 0);
	receive_all(fd, reply, 4, "the proxy's reply");
	if (reply[1] != 0)
		fail("the proxy refuses with %u", reply[1]);
	receive_all(fd, bound, reply[3] == 4 ? 18 : 6, "the proxy's reply");
}

static int dial(void)
{
	const struct sockaddr_in *to = has_proxy ? &proxy : &target;
	const struct timeval patience = { .tv_sec = PATIENCE_S };
	const int yes = 1;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || connect(fd, (const struct sockaddr *)to, sizeof(*to)) != 0)
		fail("cannot connect to %s:%u: %s", inet_ntoa(to->sin_addr), ntohs(to->sin_port), strerror(errno));
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	if (has_proxy)
		ask_proxy(fd);
	return fd;
}

static void ask(int fd, uint64_t n, bool keep)
{
	char text[100];
	int len = snprintf(text, sizeof(text), "GET /%" PRIu64 " HTTP/1.1\r\nHost: sink\r\nConnection: %s\r\n\r\n", n,
			   keep ? "keep-alive" : "close");

	send_all(fd, text, (size_t)len, 0);
}

/* Read the head of an answer; returns the length of its body, and in @over how much of that came along. */
static uint64_t read_answer(int fd, char body[HEAD_MAX], size_t *over)
{
	char head[HEAD_MAX + 1], *end = NULL, *length;
	size_t n = 0;

	while (!end) {
		ssize_t k = recv(fd, head + n, HEAD_MAX - n, 0);

		if (k <= 0)
			fail("no answer: %s", reason(k));
		n += (size_t)k;
		head[n] = '\0';
		end = strstr(head, "\r\n\r\n");
	}
	length = strstr(head, "Content-Length: ");
	if (strncmp(head, "HTTP/1.1 200", 12) != 0 || !length || length > end)
		fail("a strange answer");
	*over = (size_t)(head + n - (end + 4));
	memcpy(body, end + 4, *over);
	return strtoull(length + 16, NULL, 10);
}

/* Read on to the end of an answer, or to the time @end (0: there is none); returns the bytes of its body. */
static uint64_t read_body(int fd, double end)
{
	char first[HEAD_MAX];
	size_t over;
	uint64_t length = read_answer(fd, first, &over), sum = over;

	while (sum < length && (end == 0 || now_s() < end)) {
		uint64_t want = length - sum;
		ssize_t k = recv(fd, block, want < BLOCK ? (size_t)want : BLOCK, MSG_TRUNC);

		if (k <= 0)
			fail("after %" PRIu64 " of %" PRIu64 " bytes: %s", sum, length, reason(k));
		sum += (uint64_t)k;
	}
	return sum;
}

static void fetch(int fd, uint64_t n, bool keep)
{
	uint64_t got;

	ask(fd, n, keep);
	got = read_body(fd, 0);
	if (got != n)
		fail("%" PRIu64 " bytes instead of %" PRIu64, got, n);
}

/* ---- many at once ---- */

struct worker {
	pthread_t thread;
	uint64_t todo, done;    /* bytes, or connections */
	int *fds;               /* idle: where its connections are kept */
	double *times;          /* request, connect: where their times are kept */
};

static struct worker workers[THREADS_MAX];

/* Share out @todo, and run @what in as many threads; returns the sum of what they have done. */
static uint64_t run_workers(int n, uint64_t todo, void *(*what)(void *), int *fds, double *times)
{
	uint64_t sum = 0, share;

	for (int i = 0; i < n; i++) {
		share = todo / (uint64_t)n + ((uint64_t)i < todo % (uint64_t)n);
		workers[i] = (struct worker){ .todo = share, .fds = fds, .times = times };
		fds += fds ? share : 0;
		times += times ? share : 0;
		if (pthread_create(&workers[i].thread, NULL, what, &workers[i]) != 0)
			fail("cannot start a thread");
	}
	for (int i = 0; i < n; i++) {
		pthread_join(workers[i].thread, NULL);
		sum += workers[i].done;
	}
	return sum;
}

static double time_limit(void)
{
	return limit_s > 0 ? begin_time + limit_s : 0;
}

static void *download(void *arg)
{
	struct worker *w = arg;
	int fd = dial();

	ask(fd, w->todo, false);
	w->done = read_body(fd, time_limit());
	close(fd);
	return NULL;
}

static void *upload(void *arg)
{
	static const char head[] = "PUT / HTTP/1.1\r\nHost: sink\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n";
	struct worker *w = arg;
	double end = time_limit();
	char text[HEAD_MAX + 1], body[HEAD_MAX];
	uint64_t sent = 0, size;
	size_t over;
	int fd = dial();

	send_all(fd, head, sizeof(head) - 1, MSG_MORE);
	do {
		size = w->todo - sent < CHUNK || (end != 0 && now_s() >= end) ? 0 : CHUNK;
		snprintf(text, sizeof(text), "%06" PRIx64 "\r\n", size);
		send_all(fd, text, 8, MSG_MORE);
		for (uint64_t at = 0; at < size; at += BLOCK)
			send_all(fd, block, BLOCK, MSG_MORE);
		send_all(fd, "\r\n", 2, size ? MSG_MORE : 0);
		sent += size;
	} while (size > 0);
	size = read_answer(fd, body, &over);
	if (size >= HEAD_MAX || over > size)
		fail("a strange answer");
	memcpy(text, body, over);
	receive_all(fd, text + over, (size_t)size - over, "the count");
	text[size] = '\0';
	w->done = strtoull(text, NULL, 10);
	if (w->done != sent)
		fail("the far end counted %" PRIu64 " of %" PRIu64 " bytes", w->done, sent);
	close(fd);
	return NULL;
}

static void transfer(bool up, int streams, uint64_t bytes)
{
	uint64_t each = (bytes + CHUNK - 1) / CHUNK, sum;

	/* Whole chunks for everybody. */
	each = (each + (uint64_t)streams - 1) / (uint64_t)streams;
	bytes = each * CHUNK * (uint64_t)streams;
	begin();
	sum = run_workers(streams, bytes, up ? upload : download, NULL, NULL);
	printf("bytes=%" PRIu64, sum);
	tell_usage(now_s() - begin_time);
	if (limit_s == 0 && sum != bytes)
		fail("%" PRIu64 " of %" PRIu64 " bytes", sum, bytes);
}

/* ---- small things ---- */

static uint64_t request_size;

static void *requests(void *arg)
{
	struct worker *w = arg;
	double end = time_limit();

	while (w->done < w->todo && (end == 0 || now_s() < end)) {
		double from = now_s();
		int fd = dial();

		fetch(fd, request_size, false);
		w->times[w->done++] = (now_s() - from) * 1000;
		close(fd);
	}
	return NULL;
}

static int by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* The @part of 100 of @n sorted numbers: the smallest that is not exceeded by so many of them. */
static double percentile(const double *sorted, uint64_t n, unsigned part)
{
	return sorted[(n * part + 99) / 100 - 1];
}

static void *allocate(uint64_t n, size_t size)
{
	void *p = calloc((size_t)n, size);

	if (!p)
		fail("no memory");
	return p;
}

/* A worker whose time was up has left some of its places empty; returns how many are not. */
static uint64_t close_gaps(double *times, int parallel)
{
	uint64_t n = 0;

	for (int i = 0; i < parallel; i++) {
		memmove(times + n, workers[i].times, (size_t)workers[i].done * sizeof(*times));
		n += workers[i].done;
	}
	if (n == 0)
		fail("not one in time");
	return n;
}

static void small(uint64_t count, int parallel, uint64_t size)
{
	double *times = allocate(count, sizeof(*times)), seconds;

	request_size = size;
	begin();
	run_workers(parallel, count, requests, NULL, times);
	seconds = now_s() - begin_time;
	count = close_gaps(times, parallel);
	qsort(times, (size_t)count, sizeof(*times), by_size);
	printf("count=%" PRIu64 " p50_ms=%.4f p99_ms=%.4f max_ms=%.4f", count, percentile(times, count, 50),
	       percentile(times, count, 99), times[count - 1]);
	tell_usage(seconds);
	free(times);
}

/* ---- idle connections ---- */

static void *open_idle(void *arg)
{
	struct worker *w = arg;

	for (; w->done < w->todo; w->done++) {
		w->fds[w->done] = dial();
		fetch(w->fds[w->done], 1, true);
	}
	return NULL;
}

static void *ask_again(void *arg)
{
	struct worker *w = arg;

	for (; w->done < w->todo; w->done++)
		fetch(w->fds[w->done], 1, true);
	return NULL;
}

/* New connections, one after the other; returns the median. */
static double probe(void)
{
	double times[PROBES];

	request_size = 1;
	run_workers(1, PROBES, requests, NULL, times);
	qsort(times, PROBES, sizeof(*times), by_size);
	return percentile(times, PROBES, 50);
}

static void idle(uint64_t count, int parallel)
{
	int *fds = allocate(count, sizeof(*fds));
	unsigned long before, held;
	double first, later, seconds;
	uint64_t alive;

	first = probe();
	begin();
	before = memory_kib("VmRSS");
	run_workers(parallel, count, open_idle, fds, NULL);
	seconds = now_s() - begin_time;
	held = memory_kib("VmRSS");
	later = probe();
	alive = run_workers(parallel, count, ask_again, fds, NULL);
	printf("count=%" PRIu64 " alive=%" PRIu64 " before_kib=%lu held_kib=%lu first_ms=%.4f later_ms=%.4f", count, alive,
	       before, held, first, later);
	tell_usage(seconds);
	free(fds);
}

/* ---- starting ---- */

static void ready(char **cmd)
{
	int channel[2];
	char line[300];
	double from;
	pid_t pid;
	FILE *f;

	if (pipe(channel) != 0)
		fail("cannot make a pipe");
	from = now_s();
	pid = fork();
	if (pid == 0) {
		if (channel[1] != 3)
			dup2(channel[1], 3), close(channel[1]);
		if (channel[0] != 3)
			close(channel[0]);
		setsid();
		execvp(cmd[0], cmd);
		fail("cannot start %s: %s", cmd[0], strerror(errno));
	}
	close(channel[1]);
	f = fdopen(channel[0], "r");
	if (pid < 0 || !f || !fgets(line, sizeof(line), f))
		fail("%s did not get ready", cmd[0]);
	printf("ms=%.3f pid=%d %s", (now_s() - from) * 1000, (int)pid, line);
}

static void run(uint64_t bytes, char **cmd)
{
	struct rusage usage;
	double seconds;
	int status;
	pid_t pid;

	begin_time = now_s();
	pid = fork();
	if (pid == 0) {
		execvp(cmd[0], cmd);
		fail("cannot start %s: %s", cmd[0], strerror(errno));
	}
	if (pid < 0 || wait4(pid, &status, 0, &usage) != pid || !WIFEXITED(status) || WEXITSTATUS(status) != 0)
		fail("%s failed", cmd[0]);
	seconds = now_s() - begin_time;
	printf("bytes=%" PRIu64 " seconds=%.6f cpu=%.6f peak_kib=%ld\n", bytes, seconds,
	       (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
	       (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6, usage.ru_maxrss);
}

/* ---- what is asked for ---- */

static const char usage[] =
	"usage: load [-x ADDR:PORT] [-p PID,...] [-t SECONDS] down|up|request|connect|idle ADDR:PORT N M\n"
	"       load ready CMD [ARG]...\n"
	"       load run BYTES CMD [ARG]...\n";

static void misused(void)
{
	fputs(usage, stderr);
	exit(2);
}

static struct sockaddr_in address(const char *text)
{
	struct sockaddr_in sin = { .sin_family = AF_INET };
	char addr[INET_ADDRSTRLEN];
	unsigned port;

	if (sscanf(text, "%15[0-9.]:%u", addr, &port) != 2 || port > 65535 || inet_pton(AF_INET, addr, &sin.sin_addr) != 1)
		misused();
	sin.sin_port = htons((uint16_t)port);
	return sin;
}

static uint64_t number(const char *text, uint64_t max)
{
	char *end;
	uint64_t n = strtoull(text, &end, 10);

	if (*end || n == 0 || n > max)
		misused();
	return n;
}

static void add_pids(char *text)
{
	char *save;

	for (char *p = strtok_r(text, ", ", &save); p && npids < PIDS_MAX; p = strtok_r(NULL, ", ", &save))
		pids[npids++] = (pid_t)number(p, INT32_MAX);
}

static void options(int argc, char **argv)
{
	int c;

	while ((c = getopt(argc, argv, "+x:p:t:")) != -1) {
		if (c == 'x') {
			proxy = address(optarg);
			has_proxy = true;
		} else if (c == 'p') {
			add_pids(optarg);
		} else if (c == 't') {
			limit_s = strtod(optarg, NULL);
		} else {
			misused();
		}
	}
}

static void want_files(void)
{
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		setrlimit(RLIMIT_NOFILE, &files);
	}
}

static void act(const char *what, uint64_t n, char *last)
{
	uint64_t m = number(last, UINT64_MAX);
	bool up = !strcmp(what, "up");

	if ((up || !strcmp(what, "down")) && n <= THREADS_MAX)
		transfer(up, (int)n, m);
	else if (!strcmp(what, "request"))
		small(n, 1, m);
	else if (!strcmp(what, "connect") && m <= THREADS_MAX)
		small(n, (int)m, 1);
	else if (!strcmp(what, "idle") && m <= THREADS_MAX)
		idle(n, (int)m);
	else
		misused();
}

int main(int argc, char **argv)
{
	options(argc, argv);
	argc -= optind;
	argv += optind;
	for (size_t i = 0; i < BLOCK; i++)
		block[i] = (unsigned char)((i * 2654435761u) >> 13);
	if (argc >= 2 && !strcmp(argv[0], "ready")) {
		ready(argv + 1);
	} else if (argc >= 3 && !strcmp(argv[0], "run")) {
		run(number(argv[1], UINT64_MAX), argv + 2);
	} else if (argc == 4) {
		want_files();
		target = address(argv[1]);
		act(argv[0], number(argv[2], 1000000), argv[3]);
	} else {
		misused();
	}
	return 0;
}
