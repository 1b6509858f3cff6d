/* SPDX-License-Identifier: GPL-3.0-or-later */
/* socks_udp.h - the header in front of each datagram between client and relay, RFC 1928 section 7. Pure. */
#ifndef SOCKS_SOCKS_UDP_H
#define SOCKS_SOCKS_UDP_H

#include <stddef.h>
#include <stdint.h>

#include "core/addr.h"
#include "core/bytes.h"

/* RSV FRAG ATYP ADDR PORT with an IPv6 address: the longest that we write. */
#define SOCKS_UDP_HEADER_MAX 22u

/* Split a datagram of a client. Returns 0 with where it is to go and its payload (borrowed, may be empty); or, to be
 * dropped, with nothing touched: VE_LIMIT (a fragment: FRAG is not 0, and we do not reassemble), VE_PROTO (malformed,
 * port 0 included). */
int socks_udp_parse(struct slice in, struct dest *ret, struct slice *ret_payload);

/* Write the header of a datagram from @from (an address) to @to. Returns its length. */
size_t socks_udp_header(uint8_t to[static SOCKS_UDP_HEADER_MAX], const struct endpoint *from);

#endif
