/* SPDX-License-Identifier: GPL-3.0-or-later */
/* front.h - the local face: listeners and their clients.
 *
 * Listeners open once, at the start, and stay open while the tunnel goes and comes. Each client is parsed (socks5.h),
 * connected to a flow and relayed (relay.h). When CLIENTS_MAX are served, new ones wait in the kernel's listen queue. */
#ifndef SOCKS_FRONT_H
#define SOCKS_FRONT_H

#include <stdint.h>
#include <uv.h>

#include "core/addr.h"
#include "core/err.h"

struct front;
struct netstack;

/* Open all @n listeners, or none. @ns is lent until the front is closed. A port of 0 lets the kernel choose.
 * Returns 0, or VE_NOMEM, VE_LISTEN with @f ("listener 127.0.0.1:1080: address already in use; another softsocks?
 * choose a different one with -l"). */
int front_new(struct front **ret, uv_loop_t *loop, struct netstack *ns, const struct dest *listen, unsigned n,
	      struct fault *f);

/* The address listener @i is really bound to (ip and port), for the ready line. */
void front_address(const struct front *fr, unsigned i, struct dest *ret);

/* Number of clients now being served. */
unsigned front_clients(const struct front *fr);

/* Close listeners and clients (their flows are freed at once), then free when libuv is done. NULL is fine. */
void front_close(struct front *fr);

#endif
