/* SPDX-License-Identifier: GPL-3.0-or-later */
/* lookup.h - a name's addresses in the private network, for front-ends that need them without a flow (SOCKS5 UDP). */
#ifndef NETSTACK_LOOKUP_H
#define NETSTACK_LOOKUP_H

#include "core/addr.h"

struct netstack;
struct lookup;

/* Ask for @name (a literal address is its own answer). done() comes once, from netstack_dispatch(), with 0 and @n >= 1
 * addresses in the order to try them (only families we have an address of), or VE_RESOLVE (no such name, no answer),
 * VE_NETUNREACH (it has addresses, but of a family this tunnel does not carry), VE_DOWN. Returns 0 and *ret, or VE_NOMEM,
 * VE_LIMIT. */
int lookup_new(struct lookup **ret, struct netstack *ns, const char *name,
	       void (*done)(void *ctx, int err, const struct ip *ips, unsigned n), void *ctx);
void lookup_free(struct lookup *l); /* at any time, also inside done(); NULL is fine */

#endif
