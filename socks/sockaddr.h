/* SPDX-License-Identifier: GPL-3.0-or-later */
/* sockaddr.h - our addresses as the system's sockets want them, and back. */
#ifndef SOCKS_SOCKADDR_H
#define SOCKS_SOCKADDR_H

#include <sys/socket.h>

#include "core/addr.h"

/* @d, whose ip is set, into *ret. Returns the length of what was filled. */
socklen_t sockaddr_from_dest(const struct dest *d, struct sockaddr_storage *ret);

/* An IPv4 or IPv6 socket address into *ret; of any other family: ip.family IP_NONE, port 0. */
void sockaddr_to_dest(const struct sockaddr_storage *sa, struct dest *ret);

#endif
