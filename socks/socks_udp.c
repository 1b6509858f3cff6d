/* SPDX-License-Identifier: GPL-3.0-or-later */
/* socks_udp.c - the UDP request header, see socks_udp.h. */
#include "socks/socks_udp.h"

#include <assert.h>

#include "core/err.h"
#include "core/rd.h"
#include "core/wr.h"

#define ATYP_V4 0x01
#define ATYP_NAME 0x03
#define ATYP_V6 0x04

/* DST.ADDR into @d. Returns 0, or VE_PROTO for another type or what is no host name. */
static int read_address(struct rd *r, uint8_t type, struct dest *d)
{
	const uint8_t *name;
	size_t n;

	switch (type) {
	case ATYP_V4:
		d->ip.family = IP_V4;
		rd_copy(r, d->ip.b, 4);
		return 0;
	case ATYP_V6:
		d->ip.family = IP_V6;
		rd_copy(r, d->ip.b, 16);
		return 0;
	case ATYP_NAME:
		n = rd_u8(r);
		name = rd_bytes(r, n);
		return name && dest_set_name(d, name, n) == 0 ? 0 : VE_PROTO;
	default:
		return VE_PROTO;
	}
}

int socks_udp_parse(struct slice in, struct dest *ret, struct slice *ret_payload)
{
	struct rd r = rd_init(in.p, in.n);
	struct dest d = { .ip = { .family = IP_NONE } };
	uint16_t reserved = rd_u16(&r);
	uint8_t frag = rd_u8(&r), type = rd_u8(&r);

	if (!rd_ok(&r) || reserved != 0)
		return VE_PROTO;
	if (frag != 0)
		return VE_LIMIT;
	if (read_address(&r, type, &d) != 0)
		return VE_PROTO;
	d.port = rd_u16(&r);
	if (!rd_ok(&r) || d.port == 0)
		return VE_PROTO;
	*ret = d;
	*ret_payload = rd_rest(&r);
	return 0;
}

size_t socks_udp_header(uint8_t to[static SOCKS_UDP_HEADER_MAX], const struct endpoint *from)
{
	bool v6 = from->ip.family == IP_V6;
	struct wr w = wr_init(to, SOCKS_UDP_HEADER_MAX);

	wr_u16(&w, 0);
	wr_u8(&w, 0);
	wr_u8(&w, v6 ? ATYP_V6 : ATYP_V4);
	wr_bytes(&w, from->ip.b, v6 ? 16 : 4);
	wr_u16(&w, from->port);
	assert(wr_ok(&w));
	return w.n;
}
