/* SPDX-License-Identifier: GPL-3.0-or-later */
/* wire_resolve.c - getaddrinfo() on another thread, and the order of what it gives. */
#include "core/wire_resolve.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct wire_resolve {
	uv_getaddrinfo_t req;
	wire_resolve_cb *done; /* NULL: nobody wants to know any more */
	void *ctx;
};

bool wire_resolve_literal(const char *host, uint16_t port, struct wire_addresses *ret)
{
	ret->n = uv_ip4_addr(host, port, &ret->v[0].v4) == 0 || uv_ip6_addr(host, port, &ret->v[0].v6) == 0;
	return ret->n > 0;
}

static bool is_usable(const struct addrinfo *ai)
{
	return (ai->ai_family == AF_INET && ai->ai_addrlen == sizeof(struct sockaddr_in)) ||
	       (ai->ai_family == AF_INET6 && ai->ai_addrlen == sizeof(struct sockaddr_in6));
}

/* The next usable address from @ai on that is (or is not) of @family. */
static const struct addrinfo *find_family(const struct addrinfo *ai, int family, bool same)
{
	while (ai && (!is_usable(ai) || (ai->ai_family == family) != same))
		ai = ai->ai_next;
	return ai;
}

/* Take the addresses in the system's order of preference (RFC 6724), families alternating (RFC 8305, 4). */
static void take_addresses(struct wire_addresses *ret, const struct addrinfo *all)
{
	const struct addrinfo *first = all, *from[2];

	while (first && !is_usable(first))
		first = first->ai_next;
	if (!first)
		return;
	from[0] = first;
	from[1] = find_family(all, first->ai_family, false);
	for (unsigned turn = 0; (from[0] || from[1]) && ret->n < WIRE_ADDRESSES_MAX; turn = !turn) {
		const struct addrinfo *ai = from[turn];

		if (!ai)
			continue;
		memcpy(&ret->v[ret->n++], ai->ai_addr, ai->ai_addrlen);
		from[turn] = find_family(ai->ai_next, first->ai_family, turn == 0);
	}
}

static void on_resolved(uv_getaddrinfo_t *req, int status, struct addrinfo *all)
{
	struct wire_resolve *r = req->data;
	struct wire_addresses found;

	memset(&found, 0, sizeof(found));
	if (r->done) {
		if (status == 0)
			take_addresses(&found, all);
		if (status == 0 && found.n == 0)
			status = UV_EAI_NODATA;
		r->done(r->ctx, status, &found);
	}
	uv_freeaddrinfo(all);
	free(r);
}

int wire_resolve_start(struct wire_resolve **ret, uv_loop_t *loop, const char *host, uint16_t port,
		       wire_resolve_cb *done, void *ctx)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_protocol = IPPROTO_TCP }; /* one of each address */
	struct wire_resolve *r = calloc(1, sizeof(*r));
	char service[8];
	int err;

	if (!r)
		return UV_ENOMEM;
	r->done = done;
	r->ctx = ctx;
	r->req.data = r;
	snprintf(service, sizeof(service), "%u", port);
	err = uv_getaddrinfo(loop, &r->req, on_resolved, host, service, &hints);
	if (err != 0) {
		free(r);
		return err == UV_EINVAL || err == UV_ENAMETOOLONG ? UV_EAI_NONAME : err;
	}
	*ret = r;
	return 0;
}

void wire_resolve_cancel(struct wire_resolve *r)
{
	if (!r)
		return;
	r->done = NULL;
	uv_cancel((uv_req_t *)&r->req);
}

void wire_resolve_fault(struct fault *f, const char *object, int status)
{
	if (status == UV_EAI_NONAME || status == UV_EAI_NODATA)
		fault_set(f, VE_RESOLVE, "server %s: unknown host; is the name right?", object);
	else
		fault_set(f, VE_RESOLVE, "server %s: the name cannot be resolved: %s; does this machine's DNS work?",
			  object, uv_strerror(status));
}
