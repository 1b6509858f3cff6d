/* SPDX-License-Identifier: GPL-3.0-or-later */
/* listener.h - a listening socket: TCP, or a path in the file system. */
#ifndef SOCKS_LISTENER_H
#define SOCKS_LISTENER_H

#include <sys/types.h>

#include "core/addr.h"
#include "core/conf.h"
#include "core/err.h"

struct listener {
	int fd;         /* -1: closed */
	const char *option; /* that asked for it, for the user: "-l" */
	struct dest at; /* TCP: what it is really bound to */
	char path[SOCKET_PATH_MAX + 1]; /* else */
	dev_t dev; /* of the path's file, so that only our own is removed */
	ino_t ino;
};

#define LISTENER_TEXT_MAX 128 /* the longest is a path */

/* Open @l for @where, which @option (a string that stays) named, non-blocking. A port of 0 lets the kernel choose; IPv6
 * addresses are for IPv6 only. A socket file gets mode 0600; one that nobody listens at any more is replaced. Returns 0,
 * or VE_LISTEN with @f ("listener 127.0.0.1:1080: address already in use; another softsocks? choose a different one with
 * -l") and @l closed. */
int listener_open(struct listener *l, const struct listen_addr *where, const char *option, struct fault *f);

/* Say in @f that @l could not be opened or used, errno @err. Returns VE_LISTEN. */
int listener_fault(const struct listener *l, int err, struct fault *f);

/* The next connection, as a non-blocking socket. Or -EAGAIN: nobody waits; -ECONNABORTED: that one is gone, the next may
 * do; another negative errno: descriptors or memory are short, so try again after ACCEPT_PAUSE_MS. */
int listener_accept(const struct listener *l);

/* Close it, and remove its file. Again: nothing. */
void listener_close(struct listener *l);

/* "127.0.0.1:1080" or "unix:PATH" into @buf; returns @buf. */
const char *listener_text(const struct listener *l, char buf[static LISTENER_TEXT_MAX]);

#endif
