/* SPDX-License-Identifier: GPL-3.0-or-later */
/* ready.h - how others learn that the proxy can be used: a line on a descriptor, systemd's socket, a pid file. */
#ifndef SOCKS_READY_H
#define SOCKS_READY_H

#include "core/err.h"

/* Write @line and a newline to @fd and close it. A reader that went away is its own problem: errors are ignored. */
void ready_tell_fd(int fd, const char *line);

/* Send @state ("READY=1") to the socket that NOTIFY_SOCKET names, sd_notify(3); nothing if it is not set. */
void ready_tell_systemd(const char *state);

/* Write our process id to @path, by way of a temporary file beside it, so a reader never sees half of it. Returns 0 or
 * VE_USAGE with @f naming the path and the system's reason. */
int ready_write_pid(const char *path, struct fault *f);

#endif
