/* SPDX-License-Identifier: GPL-3.0-or-later */
/* ready.c - see ready.h. All of it blocks for a moment at most: pipes, a datagram socket and one small file. */
#include "socks/ready.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>


void ready_tell_fd(int fd, const char *line)
{
	(void)dprintf(fd, "%s\n", line); /* if whoever asked for it is gone, the proxy works all the same */
	close(fd);
}

void ready_tell_systemd(const char *state)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	const char *path = getenv("NOTIFY_SOCKET");
	size_t n = path ? strlen(path) : 0;
	int fd;

	if (n < 2 || n >= sizeof(to.sun_path) || (path[0] != '/' && path[0] != '@'))
		return;
	memcpy(to.sun_path, path, n);
	if (path[0] == '@')
		to.sun_path[0] = '\0'; /* abstract name space */
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return;
	(void)!sendto(fd, state, strlen(state), MSG_NOSIGNAL, (const struct sockaddr *)&to,
		      (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n));
	close(fd);
}

int ready_write_pid(const char *path, struct fault *f)
{
	char temporary[PATH_MAX], text[32];
	int n = snprintf(temporary, sizeof(temporary), "%s.%ld", path, (long)getpid());
	int len = snprintf(text, sizeof(text), "%ld\n", (long)getpid());
	bool written;
	int fd, saved;

	if (n < 0 || (size_t)n >= sizeof(temporary)) {
		fault_set_final(f, VE_USAGE, "--pid-file: the path is too long");
		return VE_USAGE;
	}
	fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	if (fd < 0) {
		fault_set_final(f, VE_USAGE, "--pid-file %s: cannot be written: %s", path, strerror(errno));
		return VE_USAGE;
	}
	errno = ENOSPC; /* for a write that is short without saying why */
	written = write(fd, text, (size_t)len) == len;
	saved = errno;
	if (close(fd) != 0 && written) {
		written = false;
		saved = errno;
	}
	if (written && rename(temporary, path) == 0)
		return 0;
	fault_set_final(f, VE_USAGE, "--pid-file %s: cannot be written: %s", path, strerror(written ? errno : saved));
	unlink(temporary);
	return VE_USAGE;
}
