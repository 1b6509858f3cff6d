/* SPDX-License-Identifier: GPL-3.0-or-later */
/* wire_addr.c - field by field: nothing here relies on how the system lays its structures out. */
#include "core/wire_addr.h"

#include <string.h>

union wire_addr wire_addr_of(const struct endpoint *e)
{
	union wire_addr a;

	memset(&a, 0, sizeof(a));
	if (e->ip.family == IP_V6) {
		a.v6.sin6_family = AF_INET6;
		a.v6.sin6_port = htons(e->port);
		memcpy(&a.v6.sin6_addr, e->ip.b, 16);
	} else {
		a.v4.sin_family = AF_INET;
		a.v4.sin_port = htons(e->port);
		memcpy(&a.v4.sin_addr, e->ip.b, 4);
	}
	return a;
}

union wire_addr wire_addr_any(enum ip_family family)
{
	return wire_addr_of(&(struct endpoint){ .ip.family = family });
}

struct endpoint wire_addr_endpoint(const struct sockaddr *a)
{
	struct endpoint e = { 0 };
	union wire_addr copy;

	if (a->sa_family == AF_INET) {
		memcpy(&copy.v4, a, sizeof(copy.v4));
		e.ip.family = IP_V4;
		memcpy(e.ip.b, &copy.v4.sin_addr, 4);
		e.port = ntohs(copy.v4.sin_port);
	} else if (a->sa_family == AF_INET6) {
		memcpy(&copy.v6, a, sizeof(copy.v6));
		e.ip.family = IP_V6;
		memcpy(e.ip.b, &copy.v6.sin6_addr, 16);
		e.port = ntohs(copy.v6.sin6_port);
	}
	return e;
}
