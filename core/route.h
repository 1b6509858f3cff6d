/* SPDX-License-Identifier: GPL-3.0-or-later */
/* route.h - where a request goes: through the tunnel, directly from this machine, or nowhere. Pure.
 *
 * Rules are tried in the order they were given; the first that matches decides; without a match: the tunnel.
 *
 *     PATTERN[:PORT[-PORT]]=ACTION        ACTION: tunnel, direct, block
 *     PATTERN  10.0.0.0/8, 192.168.1.1, [fd00::]/8 or fd00::/8 without a port, example.com (this name and all below it),
 *              .example.com (only what is below it), * (everything)
 *
 * Networks match addresses, suffixes match names: a name that a client sends is matched as a name, it is not resolved to
 * see where it leads. */
#ifndef CORE_ROUTE_H
#define CORE_ROUTE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/addr.h"
#include "core/limits.h"

enum route_action { ROUTE_TUNNEL, ROUTE_DIRECT, ROUTE_BLOCK };

struct route_rule {
	enum route_action action;
	struct ip net;     /* family IP_NONE: by name */
	uint8_t prefix;    /* of net, bits */
	char suffix[HOST_MAX + 1]; /* lower case, no dot in front; "" and net IP_NONE: everything */
	bool below_only;   /* not the suffix itself */
	uint16_t port_from, port_to; /* 0, 65535: every port */
};

#define ROUTES_MAX 256u /* rules: split-tunnel lists in use have some dozens */

/* Parse one rule. Returns 0, or VE_USAGE with *ret untouched. */
int route_parse(const char *text, struct route_rule *ret);

enum route_action route_find(const struct route_rule *rules, size_t n, const struct dest *to);

#endif
