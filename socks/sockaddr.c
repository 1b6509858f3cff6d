/* SPDX-License-Identifier: GPL-3.0-or-later */
/* sockaddr.c - copies between struct dest and the sockaddr family; see sockaddr.h. */
#include "socks/sockaddr.h"

#include <assert.h>
#include <netinet/in.h>
#include <string.h>

socklen_t sockaddr_from_dest(const struct dest *d, struct sockaddr_storage *ret)
{
	*ret = (struct sockaddr_storage){ 0 };
	if (d->ip.family == IP_V6) {
		struct sockaddr_in6 *to = (struct sockaddr_in6 *)ret;

		to->sin6_family = AF_INET6;
		to->sin6_port = htons(d->port);
		memcpy(&to->sin6_addr, d->ip.b, 16);
		return sizeof(*to);
	}
	struct sockaddr_in *to = (struct sockaddr_in *)ret;

	assert(d->ip.family == IP_V4);
	to->sin_family = AF_INET;
	to->sin_port = htons(d->port);
	memcpy(&to->sin_addr, d->ip.b, 4);
	return sizeof(*to);
}

void sockaddr_to_dest(const struct sockaddr_storage *sa, struct dest *ret)
{
	*ret = (struct dest){ .ip = { .family = IP_NONE } };
	if (sa->ss_family == AF_INET6) {
		const struct sockaddr_in6 *from = (const struct sockaddr_in6 *)sa;

		ret->ip.family = IP_V6;
		ret->port = ntohs(from->sin6_port);
		memcpy(ret->ip.b, &from->sin6_addr, 16);
	} else if (sa->ss_family == AF_INET) {
		const struct sockaddr_in *from = (const struct sockaddr_in *)sa;

		ret->ip.family = IP_V4;
		ret->port = ntohs(from->sin_port);
		memcpy(ret->ip.b, &from->sin_addr, 4);
	}
}
