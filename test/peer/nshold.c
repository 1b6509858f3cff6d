/* SPDX-License-Identifier: GPL-3.0-or-later */

/* nshold.c - keeps a private machine for a test: namespaces of its own, doors into them, and a certain end.
 *
 *   nshold [-a ADDR]... [-o PID] [-t SECONDS] [-p NPORTS] DIR CMD [ARG]...
 *
 * Opens NPORTS listening sockets on 127.0.0.1 of the caller's network, then runs CMD as process 1 of new
 * user, mount, network, process and IPC namespaces. CMD inherits the sockets as descriptors 3, 4, ... (see
 * nsrelay.c, which carries their connections on), has the loopback interface up with every ADDR on it, and
 * can be reached in no other way. No privilege is needed. As root it works too; where the kernel refuses a
 * user namespace, root does without one.
 *
 * What DIR holds for the caller, each file complete as soon as it has its name:
 *   hold.pid   process id of nshold; locked (flock) exactly as long as nshold lives, so that nobody trusts a
 *              stale number
 *   hold.ports the port numbers, one a line
 *   hold.init  process id of CMD as the caller sees it, for nsenter
 *   hold.mode  "private", or "shared" if the kernel refuses namespaces (or SOFTSOCKS_NO_NAMESPACES is set to
 *              1): CMD then runs in the caller's own network and ADDR is not there. NSHOLD_MODE tells CMD the
 *              same word.
 *
 * The end comes with the first of: CMD exits; SIGTERM, SIGINT or SIGHUP; process PID (option -o) is gone;
 * SECONDS are over (option -t); DIR was removed. nshold then kills everything CMD started and waits for it:
 * in namespaces the kernel does that when process 1 dies, otherwise nshold is the "child subreaper", which
 * inherits orphans and so can find them. Killed with SIGKILL, nshold takes process 1 along
 * (PR_SET_PDEATHSIG), hence all of the namespaces; without namespaces CMD dies, but what it had started
 * stays: the caller's stop command has to look for that.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <dirent.h>
#include <time.h>
#include <unistd.h>

#define FIRST_FD       3        /* where CMD finds the first socket */
#define MAX_PORTS      7        /* descriptors 3..9: the ones every sh can name in a redirection */
#define MAX_ADDRS      8        /* aliases lo:0 .. lo:7 */
#define TICK_MS        500      /* how soon a removed DIR or the end of SECONDS is noticed */
#define KILL_ROUNDS    200      /* of 50 ms: 10 s for killed processes to be gone */

#define NAMESPACES     (CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWPID | CLONE_NEWIPC)

/* First byte of what a child says before it becomes CMD; nothing at all means that it did. */
#define SAYS_REFUSED   'n'      /* the kernel gives no (usable) namespaces: another way may work */
#define SAYS_BROKEN    'x'      /* CMD cannot be run in any way */

struct hold {
	const char *dir;
	char **cmd;
	const char *addrs[MAX_ADDRS];
	int naddrs;
	int nports;
	int socks[MAX_PORTS];
	pid_t owner;            /* 0: nobody in particular */
	long seconds;           /* 0: for ever */
	int lock;               /* hold.pid */
	uid_t uid;
	gid_t gid;
	sigset_t mask;          /* what CMD shall start with */
};

static void say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

static void say(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fputs("nshold: ", stderr);
	vfprintf(stderr, fmt, ap);
	fputc('\n', stderr);
	va_end(ap);
}

static void die(const char *what, const char *object)
{
	say("%s %s: %s", what, object, strerror(errno));
	exit(1);
}

static void path_of(const struct hold *h, const char *name, char ret[PATH_MAX])
{
	if (snprintf(ret, PATH_MAX, "%s/%s", h->dir, name) >= PATH_MAX) {
		errno = ENAMETOOLONG;
		die("cannot use", h->dir);
	}
}

/* Write DIR/@name in one step, so that whoever sees it sees all of it. */
static void publish(const struct hold *h, const char *name, const char *text)
{
	char tmp[PATH_MAX], path[PATH_MAX];
	FILE *f;

	path_of(h, "hold.tmp", tmp);
	path_of(h, name, path);
	f = fopen(tmp, "we");
	if (!f || fputs(text, f) < 0 || fclose(f) != 0 || rename(tmp, path) != 0)
		die("cannot write", path);
}

/* A pipe of the caller that stays open in here would keep its reader waiting for as long as nshold lives. */
static void close_inherited(void)
{
	for (int fd = STDERR_FILENO + 1; fd < 1024; fd++)
		close(fd);
}

static void take_lock(struct hold *h)
{
	char path[PATH_MAX];

	path_of(h, "hold.pid", path);
	h->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	if (h->lock < 0)
		die("cannot write", path);
	if (flock(h->lock, LOCK_EX | LOCK_NB) != 0) {
		say("%s is held by another nshold", h->dir);
		exit(1);
	}
	if (ftruncate(h->lock, 0) != 0 || dprintf(h->lock, "%d\n", (int)getpid()) < 0)
		die("cannot write", path);
}

static void open_ports(struct hold *h)
{
	struct sockaddr_in sin = { .sin_family = AF_INET };
	socklen_t len = sizeof(sin);
	char text[MAX_PORTS * 8] = "";
	size_t used = 0;

	for (int i = 0; i < h->nports; i++) {
		sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
		sin.sin_port = 0;
		h->socks[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		if (h->socks[i] < 0 || bind(h->socks[i], (struct sockaddr *)&sin, sizeof(sin)) != 0 ||
		    listen(h->socks[i], 128) != 0 ||
		    getsockname(h->socks[i], (struct sockaddr *)&sin, &len) != 0)
			die("cannot listen on", "127.0.0.1");
		used += (size_t)snprintf(text + used, sizeof(text) - used, "%u\n", ntohs(sin.sin_port));
	}
	publish(h, "hold.ports", text);
}

/* ---- the child's side: from clone to exec ---- */

static int child_says = -1;      /* write end of the pipe to the parent, closed by a successful exec */

static void child_fail(char kind, const char *what)
{
	char line[200];
	int n = snprintf(line, sizeof(line), "%c%s: %s", kind, what, strerror(errno));

	if (write(child_says, line, (size_t)n) < 0)
		_exit(2);
	_exit(1);
}

static void write_map(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		child_fail(SAYS_REFUSED, path);
	close(fd);
}

/* Be root inside, the caller outside. */
static void map_ids(const struct hold *h)
{
	char text[40];

	write_map("/proc/self/setgroups", "deny");
	snprintf(text, sizeof(text), "0 %u 1", h->uid);
	write_map("/proc/self/uid_map", text);
	snprintf(text, sizeof(text), "0 %u 1", h->gid);
	write_map("/proc/self/gid_map", text);
}

static void interface_up(int s, const char *name)
{
	struct ifreq ifr = { 0 };

	snprintf(ifr.ifr_name, IFNAMSIZ, "%s", name);
	ifr.ifr_flags = IFF_UP | IFF_RUNNING;
	if (ioctl(s, SIOCSIFFLAGS, &ifr) != 0)
		child_fail(SAYS_REFUSED, "loopback interface");
}

static void set_up_network(const struct hold *h)
{
	struct sockaddr_in sin = { .sin_family = AF_INET };
	struct ifreq ifr;
	int s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (s < 0)
		child_fail(SAYS_REFUSED, "socket");
	interface_up(s, "lo");
	for (int i = 0; i < h->naddrs; i++) {
		memset(&ifr, 0, sizeof(ifr));
		snprintf(ifr.ifr_name, IFNAMSIZ, "lo:%d", i);
		inet_pton(AF_INET, h->addrs[i], &sin.sin_addr);
		memcpy(&ifr.ifr_addr, &sin, sizeof(sin));
		if (ioctl(s, SIOCSIFADDR, &ifr) != 0)
			child_fail(SAYS_REFUSED, h->addrs[i]);
		/* The classful mask that comes with the address would make all of its network local. */
		inet_pton(AF_INET, "255.255.255.255", &sin.sin_addr);
		memcpy(&ifr.ifr_netmask, &sin, sizeof(sin));
		if (ioctl(s, SIOCSIFNETMASK, &ifr) != 0)
			child_fail(SAYS_REFUSED, h->addrs[i]);
	}
	close(s);
}

static void set_up_namespaces(const struct hold *h, int flags)
{
	if (flags & CLONE_NEWUSER)
		map_ids(h);
	if (mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0)
		child_fail(SAYS_REFUSED, "mount");
	/* A container may hide parts of /proc and then refuses a fresh one: only ps(1) inside suffers. */
	if (mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) != 0)
		say("no /proc of its own inside: %s", strerror(errno));
	set_up_network(h);
}

static void place_sockets(const struct hold *h)
{
	int copy[MAX_PORTS];

	/* First out of the way, or dup2 could overwrite one that is still to be moved. */
	for (int i = 0; i < h->nports; i++) {
		copy[i] = fcntl(h->socks[i], F_DUPFD_CLOEXEC, FIRST_FD + MAX_PORTS);
		if (copy[i] < 0)
			child_fail(SAYS_BROKEN, "descriptors");
	}
	child_says = fcntl(child_says, F_DUPFD_CLOEXEC, FIRST_FD + MAX_PORTS);
	for (int i = 0; i < h->nports; i++)
		if (dup2(copy[i], FIRST_FD + i) < 0)
			child_fail(SAYS_BROKEN, "descriptors");
}

static _Noreturn void become_cmd(const struct hold *h, int flags, pid_t parent)
{
	if (flags)
		set_up_namespaces(h, flags);
	/* If the parent is gone already, nobody would send the death signal. getppid() is 0 from inside. */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || (getppid() != parent && getppid() != 0))
		child_fail(SAYS_BROKEN, "parent");
	if (setenv("NSHOLD_MODE", flags ? "private" : "shared", 1) != 0)
		child_fail(SAYS_BROKEN, "environment");
	setsid();
	place_sockets(h);
	sigprocmask(SIG_SETMASK, &h->mask, NULL);
	execvp(h->cmd[0], h->cmd);
	child_fail(SAYS_BROKEN, h->cmd[0]);
	_exit(1);
}

/* ---- the parent's side ---- */

/* Start CMD in new namespaces @flags. Returns its process id, or 0 and in @why the reason the kernel gives. */
static pid_t try_start(const struct hold *h, int flags, char why[200])
{
	pid_t self = getpid(), pid;
	int says[2];
	ssize_t n;

	if (pipe2(says, O_CLOEXEC) != 0)
		die("cannot make", "a pipe");
	fflush(NULL);
	pid = (pid_t)syscall(SYS_clone, (long)(flags | SIGCHLD), NULL, NULL, NULL, NULL);
	if (pid < 0) {
		snprintf(why, 200, "clone: %s", strerror(errno));
		close(says[0]);
		close(says[1]);
		return 0;
	}
	if (pid == 0) {
		child_says = says[1];
		become_cmd(h, flags, self);
	}
	close(says[1]);
	n = read(says[0], why, 199);
	close(says[0]);
	if (n <= 0)
		return pid;
	why[n] = '\0';
	waitpid(pid, NULL, 0);
	if (why[0] == SAYS_BROKEN) {
		say("cannot run %s: %s", h->cmd[0], why + 1);
		exit(1);
	}
	memmove(why, why + 1, (size_t)n);
	return 0;
}

static pid_t start(const struct hold *h)
{
	const char *forbid = getenv("SOFTSOCKS_NO_NAMESPACES");
	const int ways[] = { CLONE_NEWUSER | NAMESPACES, NAMESPACES, 0 };
	char why[200] = "SOFTSOCKS_NO_NAMESPACES is set", text[24];
	pid_t pid = 0;

	for (size_t i = forbid && !strcmp(forbid, "1") ? 2 : 0; i < 3 && !pid; i++) {
		if (ways[i] == NAMESPACES && h->uid != 0)
			continue;
		if (ways[i] == 0)
			say("no namespaces here, the network is shared (%s)", why);
		pid = try_start(h, ways[i], why);
		if (pid)
			publish(h, "hold.mode", ways[i] ? "private\n" : "shared\n");
	}
	if (!pid) {
		say("cannot start a process: %s", why);
		exit(1);
	}
	snprintf(text, sizeof(text), "%d\n", (int)pid);
	publish(h, "hold.init", text);
	return pid;
}

/* Send SIGKILL to every process whose parent we are: orphans of CMD included, since we are their reaper. */
static void kill_children(void)
{
	DIR *proc = opendir("/proc");
	char path[64], line[512], *end;
	struct dirent *de;
	int pid, ppid;
	FILE *f;

	while (proc && (de = readdir(proc))) {
		pid = atoi(de->d_name);
		if (pid <= 0)
			continue;
		snprintf(path, sizeof(path), "/proc/%d/stat", pid);
		f = fopen(path, "re");
		if (!f)
			continue;
		/* The name is in parentheses and may hold anything: what follows the last one counts. */
		if (fgets(line, sizeof(line), f) && (end = strrchr(line, ')')) &&
		    sscanf(end + 1, " %*c %d", &ppid) == 1 && ppid == getpid())
			kill(pid, SIGKILL);
		fclose(f);
	}
	if (proc)
		closedir(proc);
}

/* Returns false if something outlived it all. */
static bool end_everything(pid_t init)
{
	kill(init, SIGKILL);
	for (int round = 0; round < KILL_ROUNDS; round++) {
		kill_children();
		for (;;) {
			pid_t pid = waitpid(-1, NULL, WNOHANG);

			if (pid < 0 && errno == ECHILD)
				return true;
			if (pid <= 0)
				break;
		}
		poll(NULL, 0, 50);
	}
	return false;
}

static long now_s(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (long)ts.tv_sec;
}

/* Collect the dead. Returns true once @init is among them, with its wait status in @status. */
static bool reap(pid_t init, int *status)
{
	pid_t pid;
	int st;

	while ((pid = waitpid(-1, &st, WNOHANG)) > 0) {
		if (pid == init) {
			*status = st;
			return true;
		}
	}
	return false;
}

/* Wait for the first reason to end; returns what to tell about it. */
static const char *watch(const struct hold *h, pid_t init, int sigfd, int ownerfd, int *status)
{
	struct pollfd p[2] = { { .fd = sigfd, .events = POLLIN }, { .fd = ownerfd, .events = POLLIN } };
	long end = h->seconds ? now_s() + h->seconds : LONG_MAX;
	struct signalfd_siginfo si;
	char path[PATH_MAX];
	struct stat st, own;

	path_of(h, "hold.pid", path);
	for (;;) {
		poll(p, 2, TICK_MS);
		if ((p[0].revents & POLLIN) && read(sigfd, &si, sizeof(si)) == (ssize_t)sizeof(si) &&
		    si.ssi_signo != SIGCHLD)
			return "asked to";
		if (reap(init, status))
			return NULL;
		if (h->owner && (ownerfd >= 0 ? p[1].revents != 0 : kill(h->owner, 0) != 0 && errno == ESRCH))
			return "the process it was started for is gone";
		if (now_s() >= end)
			return "its time is over";
		if (stat(path, &st) != 0 || fstat(h->lock, &own) != 0 || st.st_ino != own.st_ino)
			return "its directory was removed";
	}
}

static int run(struct hold *h)
{
	const char *why;
	sigset_t set;
	int sigfd, ownerfd = -1, status = 0;
	pid_t init;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, &h->mask);
	sigfd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (sigfd < 0)
		die("cannot watch", "signals");
	if (h->owner) {
		ownerfd = (int)syscall(SYS_pidfd_open, h->owner, 0);
		if (ownerfd < 0 && errno == ESRCH)
			die("cannot watch", "the process it is started for");
	}
	if (prctl(PR_SET_CHILD_SUBREAPER, 1) != 0)
		die("cannot become", "a subreaper");
	init = start(h);
	for (int i = 0; i < h->nports; i++)
		close(h->socks[i]);
	why = watch(h, init, sigfd, ownerfd, &status);
	if (why)
		say("ends: %s", why);
	else
		say("ends: %s is gone (%s %d)", h->cmd[0], WIFSIGNALED(status) ? "signal" : "status",
		    WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
	if (!end_everything(init)) {
		say("some process did not die within 10 s");
		return 1;
	}
	return why || (WIFEXITED(status) && WEXITSTATUS(status) == 0) ? 0 : 1;
}

static long number(const char *text, long min, long max)
{
	char *end;
	long n = strtol(text, &end, 10);

	if (*end || end == text || n < min || n > max) {
		say("'%s' is no number from %ld to %ld", text, min, max);
		exit(2);
	}
	return n;
}

static void parse(int argc, char **argv, struct hold *ret)
{
	struct in_addr any;
	int c;

	while ((c = getopt(argc, argv, "+a:o:p:t:")) != -1) {
		if (c == 'a' && ret->naddrs < MAX_ADDRS && inet_pton(AF_INET, optarg, &any) == 1)
			ret->addrs[ret->naddrs++] = optarg;
		else if (c == 'o')
			ret->owner = (pid_t)number(optarg, 1, INT_MAX);
		else if (c == 'p')
			ret->nports = (int)number(optarg, 0, MAX_PORTS);
		else if (c == 't')
			ret->seconds = number(optarg, 0, INT_MAX);
		else
			argc = 0;
	}
	if (argc - optind < 2) {
		fputs("usage: nshold [-a ADDR]... [-o PID] [-t SECONDS] [-p NPORTS] DIR CMD [ARG]...\n", stderr);
		exit(2);
	}
	ret->dir = argv[optind];
	ret->cmd = argv + optind + 1;
}

int main(int argc, char **argv)
{
	struct hold h = { .uid = geteuid(), .gid = getegid() };

	parse(argc, argv, &h);
	close_inherited();
	take_lock(&h);
	open_ports(&h);
	return run(&h);
}
