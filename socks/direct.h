/* SPDX-License-Identifier: GPL-3.0-or-later */
/* direct.h - a TCP connection that this machine makes itself, in the form of a flow (netstack/flow.h).
 *
 * For target.c only. The calls and events are those of a flow and mean the same, except that no flush is needed. Windows
 * are DIRECT_WINDOW bytes each way, and exist only while there is something in them. */
#ifndef SOCKS_DIRECT_H
#define SOCKS_DIRECT_H

#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "core/addr.h"
#include "core/bytes.h"
#include "netstack/flow.h"

struct direct;

/* Start connecting to @to (copied); a name is looked up by the system. Several addresses are tried with a head start of
 * WIRE_STAGGER_MS for each (RFC 8305). *lingering is a list head of the owner's: connections that were freed and still
 * have to deliver; it is lent until it is empty. Returns 0 or VE_NOMEM. */
int direct_open(uv_loop_t *loop, const struct dest *to, struct direct **lingering, const struct flow_events *ev,
		void *ctx, struct direct **ret);

void direct_addresses(const struct direct *d, struct endpoint *ret_local, struct endpoint *ret_remote);
int direct_peek(struct direct *d, struct slice *v, int max);
void direct_consume(struct direct *d, size_t n);
uint8_t *direct_reserve(struct direct *d, size_t *room);
void direct_commit(struct direct *d, size_t n);
void direct_shutdown(struct direct *d);

/* As flow_free(): if both directions have ended in order, what is queued still goes out, for at most FLOW_LINGER_MS. */
void direct_free(struct direct *d);

/* Reset all that linger. */
void direct_drop(struct direct **lingering);

/* Our code for what libuv says about a connect. */
int direct_error(int uv_err);

#endif
