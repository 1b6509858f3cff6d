/* SPDX-License-Identifier: GPL-3.0-or-later */
/* listener.c - opening and closing listening sockets, see listener.h.
 *
 * A socket file outlives a program that was killed, and bind() does not care whether anybody listens. Connecting tells:
 * if it is refused, nobody does, and the file is removed; what is no socket at all is left alone. Two programs that find
 * the same stale file in the same moment may both remove it; the one whose file was removed notices nothing, and at its
 * end leaves the other's alone (dev, ino). */
#include "socks/listener.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/bytes.h"
#include "socks/sockaddr.h"

_Static_assert(SOCKET_PATH_MAX < sizeof(((struct sockaddr_un *)NULL)->sun_path), "with a NUL");

const char *listener_text(const struct listener *l, char buf[static LISTENER_TEXT_MAX])
{
	char text[DEST_TEXT_MAX];

	if (l->path[0])
		snprintf(buf, LISTENER_TEXT_MAX, "unix:%s", l->path);
	else
		snprintf(buf, LISTENER_TEXT_MAX, "%.*s", LISTENER_TEXT_MAX - 1, dest_text(&l->at, text));
	return buf;
}

int listener_fault(const struct listener *l, int err, struct fault *f)
{
	static const struct {
		int err;
		const char *text;
	} hints[] = {
		{ EADDRINUSE, "address already in use; another softsocks? choose a different one with" },
		{ EADDRNOTAVAIL, "no such address on this machine; choose a different one with" },
		{ EACCES, "not permitted; ports below 1024 need privileges: choose a higher one with" },
		{ EAFNOSUPPORT, "this system has none of that family; choose a different one with" },
		{ ENOTSOCK, "the file exists and is no socket; choose a different path with" },
		{ ENAMETOOLONG, "the path is too long for a socket; choose a shorter one with" },
	};
	char text[LISTENER_TEXT_MAX];

	for (size_t i = 0; i < ARRAY_LEN(hints); i++) {
		if (hints[i].err == err && !(err == EACCES && l->path[0])) {
			fault_set_final(f, VE_LISTEN, "listener %s: %s %s", listener_text(l, text), hints[i].text, l->option);
			return VE_LISTEN;
		}
	}
	fault_set_final(f, VE_LISTEN, "listener %s: %s; choose a different one with %s", listener_text(l, text),
			strerror(err), l->option);
	return VE_LISTEN;
}

/* --- TCP ----------------------------------------------------------------------------------------------- */

static int bind_and_listen(int fd, const struct dest *at)
{
	static const int on = 1;
	struct sockaddr_storage sa;
	socklen_t n = sockaddr_from_dest(at, &sa);

	/* Without it the port would be taken for a minute after the last program that listened there. */
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0)
		return -1;
	if (at->ip.family == IP_V6 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on)) != 0)
		return -1;
	if (bind(fd, (const struct sockaddr *)&sa, n) != 0)
		return -1;
	return listen(fd, SOMAXCONN);
}

/* These two return 0 with l->fd set, or errno. */
static int open_tcp(struct listener *l)
{
	struct sockaddr_storage sa = { .ss_family = AF_UNSPEC };
	socklen_t n = sizeof(sa);
	int err;

	l->fd = socket(l->at.ip.family == IP_V6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (l->fd < 0)
		return errno;
	if (bind_and_listen(l->fd, &l->at) != 0 || getsockname(l->fd, (struct sockaddr *)&sa, &n) != 0) {
		err = errno;
		close(l->fd);
		l->fd = -1;
		return err;
	}
	sockaddr_to_dest(&sa, &l->at);
	return 0;
}

/* --- unix ---------------------------------------------------------------------------------------------- */

/* Is @sa's file a socket that nobody listens at? If not, errno says what it is. */
static bool is_stale(const struct sockaddr_un *sa)
{
	struct stat st;
	int fd, err;

	if (lstat(sa->sun_path, &st) != 0)
		return errno == ENOENT; /* gone meanwhile */
	if (!S_ISSOCK(st.st_mode)) {
		errno = ENOTSOCK;
		return false;
	}
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return false;
	err = connect(fd, (const struct sockaddr *)sa, sizeof(*sa)) == 0 ? EADDRINUSE : errno;
	close(fd);
	errno = err == EAGAIN ? EADDRINUSE : err; /* its queue is full: somebody is there */
	return err == ECONNREFUSED;
}

static int bind_path(int fd, const struct sockaddr_un *sa)
{
	/* Before bind(): the file then has this mode from its first moment on. */
	if (fchmod(fd, S_IRUSR | S_IWUSR) != 0)
		return -1;
	if (bind(fd, (const struct sockaddr *)sa, sizeof(*sa)) == 0)
		return 0;
	if (errno != EADDRINUSE || !is_stale(sa))
		return -1;
	if (unlink(sa->sun_path) != 0 && errno != ENOENT)
		return -1;
	return bind(fd, (const struct sockaddr *)sa, sizeof(*sa));
}

static int open_unix(struct listener *l)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	struct stat st;
	int err;

	memcpy(sa.sun_path, l->path, sizeof(l->path));
	l->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (l->fd < 0)
		return errno;
	if (bind_path(l->fd, &sa) != 0) {
		err = errno;
		close(l->fd);
		l->fd = -1;
		return err;
	}
	if (listen(l->fd, SOMAXCONN) != 0 || lstat(l->path, &st) != 0) {
		err = errno;
		listener_close(l);
		return err;
	}
	l->dev = st.st_dev;
	l->ino = st.st_ino;
	return 0;
}

/* --- both ---------------------------------------------------------------------------------------------- */

int listener_open(struct listener *l, const struct listen_addr *where, const char *option, struct fault *f)
{
	char text[DEST_TEXT_MAX];
	int err = 0;

	*l = (struct listener){ .fd = -1, .option = option, .at = where->at };
	if (where->path) {
		/* What does not fit is shown cut off. */
		snprintf(l->path, sizeof(l->path), "%s", where->path);
		if (strlen(where->path) > SOCKET_PATH_MAX || !where->path[0])
			err = ENAMETOOLONG;
	} else if (where->at.ip.family == IP_NONE) {
		fault_set_final(f, VE_LISTEN, "listener %s: not an address; choose one with %s, as in 127.0.0.1:1080",
				dest_text(&where->at, text), option);
		return VE_LISTEN;
	}
	if (err == 0)
		err = where->path ? open_unix(l) : open_tcp(l);
	return err == 0 ? 0 : listener_fault(l, err, f);
}

/* accept(2): these concern the one connection that was to be accepted, which is gone; the next may do. */
static bool is_about_one_client(int err)
{
	static const int errs[] = {
		EINTR,	   ECONNABORTED, EPROTO,       EPERM,	   ENETDOWN,	ENOPROTOOPT,
		EHOSTDOWN, ENONET,	 EHOSTUNREACH, EOPNOTSUPP, ENETUNREACH,
	};

	for (size_t i = 0; i < ARRAY_LEN(errs); i++) {
		if (errs[i] == err)
			return true;
	}
	return false;
}

int listener_accept(const struct listener *l)
{
	int fd = accept4(l->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

	if (fd >= 0)
		return fd;
	if (errno == EAGAIN || errno == EWOULDBLOCK)
		return -EAGAIN;
	return is_about_one_client(errno) ? -ECONNABORTED : -errno;
}

void listener_close(struct listener *l)
{
	struct stat st;

	if (l->fd < 0)
		return;
	close(l->fd);
	l->fd = -1;
	if (l->path[0] && lstat(l->path, &st) == 0 && st.st_dev == l->dev && st.st_ino == l->ino)
		unlink(l->path);
}
