/* SPDX-License-Identifier: GPL-3.0-or-later */
/* pac.h - the proxy's rules as a PAC file, the JavaScript function by which browsers choose a proxy for an address. Pure.
 *
 * What the rules send "direct" the browser dials itself; everything else goes to the proxy, which knows what is tunnelled
 * and what is blocked (and says so in a page). Addresses are matched as they are written, names as names: nothing in the
 * file resolves a name, because private names do not exist where the browser would ask. There is no way around the proxy
 * when it does not answer: what belongs into the tunnel must not go elsewhere. */
#ifndef SOCKS_PAC_H
#define SOCKS_PAC_H

#include <stddef.h>

#include "core/addr.h"
#include "core/route.h"
#include "core/wr.h"

/* No file is longer. */
#define PAC_TEXT_MAX (4u * KIB + ROUTES_MAX * (HOST_MAX + 64u))

/* Write the file for @n @rules (at most ROUTES_MAX) and the proxy at @proxy. */
void pac_write(struct wr *w, const struct route_rule *rules, size_t n, const struct endpoint *proxy);

#endif
