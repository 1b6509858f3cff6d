/* SPDX-License-Identifier: GPL-3.0-or-later */
/* addr.h - addresses and destinations in a form of our own.
 *
 * One type for IPv4 and IPv6 that neither lwIP's nor the system's headers are needed for: front-ends, sessions and the
 * netstack exchange these. Bytes are in network order. */
#ifndef CORE_ADDR_H
#define CORE_ADDR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/limits.h"

enum ip_family { IP_NONE, IP_V4 = 4, IP_V6 = 6 };

struct ip {
	enum ip_family family;
	uint8_t b[16]; /* the first 4 for IPv4 */
};

#define IP_TEXT_MAX 46 /* longest IPv6 in text, with its NUL */

/* Write @ip in its usual text form (IPv6 as RFC 5952), "-" for IP_NONE, into @buf and return @buf. */
const char *ip_text(const struct ip *ip, char buf[static IP_TEXT_MAX]);

/* Parse a dotted IPv4 or a textual IPv6 (no brackets, no zone). Returns 0, or VE_USAGE with *ret untouched. */
int ip_parse(const char *text, struct ip *ret);

bool ip_equal(const struct ip *a, const struct ip *b);

/* One end of a conversation: TCP or UDP. */
struct endpoint {
	struct ip ip;
	uint16_t port; /* host order */
};

bool endpoint_equal(const struct endpoint *a, const struct endpoint *b);

/* Where a client wants to go: an address, or a name to be resolved inside the tunnel. */
struct dest {
	struct ip ip;            /* family IP_NONE: @name holds the target */
	char name[HOST_MAX + 1]; /* "" if @ip is set; checked by dest_set_name() */
	uint16_t port;           /* host order, 1..65535 */
};

#define DEST_TEXT_MAX (HOST_MAX + 9) /* "[v6]:65535" or "name:65535" */

/* Take @n bytes as the target's name. A literal address in it becomes an address (RFC 1928 clients do that). Returns
 * 0, or VE_USAGE if it is empty, too long, or has bytes that no host name has (control, space, NUL, 0x80 and up). */
int dest_set_name(struct dest *d, const void *name, size_t n);

/* "host:port" with brackets around IPv6, into @buf; returns @buf. */
const char *dest_text(const struct dest *d, char buf[static DEST_TEXT_MAX]);

/* Parse "HOST:PORT", "[V6]:PORT", or, with @default_port > 0, the same without ":PORT". Returns 0 or VE_USAGE with
 * *ret untouched. */
int dest_parse(const char *text, uint16_t default_port, struct dest *ret);

#endif
