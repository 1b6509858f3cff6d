/* SPDX-License-Identifier: GPL-3.0-or-later */
/* wire_addr.h - between our endpoints and the system's socket addresses. For the few files that hold sockets. */
#ifndef CORE_WIRE_ADDR_H
#define CORE_WIRE_ADDR_H

#include <netinet/in.h>
#include <sys/socket.h>

#include "core/addr.h"

union wire_addr {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

/* @e as the system wants it; a family of IP_NONE is the wildcard of IPv4. */
union wire_addr wire_addr_of(const struct endpoint *e);

/* The wildcard address of @family, any port: what a socket is bound to that may send from every address. */
union wire_addr wire_addr_any(enum ip_family family);

/* The other way round; family IP_NONE for anything but IPv4 and IPv6. An IPv6 zone gets lost. */
struct endpoint wire_addr_endpoint(const struct sockaddr *a);

#endif
