/* SPDX-License-Identifier: GPL-3.0-or-later */
/* wire_resolve.h - from the name of a server to the addresses to be tried, for the carriers of a wire. */
#ifndef CORE_WIRE_RESOLVE_H
#define CORE_WIRE_RESOLVE_H

#include <netdb.h>
#include <uv.h>

#include "core/err.h"
#include "core/limits.h"
#include "core/wire_addr.h"

struct wire_resolve;

struct wire_addresses {
	union wire_addr v[WIRE_ADDRESSES_MAX];
	unsigned n;
};

/* @host is an address, maybe with a zone: true, with that in *ret. */
bool wire_resolve_literal(const char *host, uint16_t port, struct wire_addresses *ret);

/* Ask libuv's pool. @done comes from the loop: at least one address, or @status, libuv's code, is not 0. Returns 0, or
 * libuv's code (then @done does not come). */
typedef void wire_resolve_cb(void *ctx, int status, const struct wire_addresses *found);
int wire_resolve_start(struct wire_resolve **ret, uv_loop_t *loop, const char *host, uint16_t port,
		       wire_resolve_cb *done, void *ctx);

/* @done will not come. Not after it came. NULL is fine. */
void wire_resolve_cancel(struct wire_resolve *r);

/* What to tell the user about the server @object ("host:port") when it had libuv's code @status. */
void wire_resolve_fault(struct fault *f, const char *object, int status);

#endif
