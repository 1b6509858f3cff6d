/* SPDX-License-Identifier: GPL-3.0-or-later */
/* ppp_proto.h - PPP's numbers, and the packet shape that all its control protocols have (RFC 1661 sections
 * 2 and 5). */
#ifndef CORE_SSTP_PPP_PROTO_H
#define CORE_SSTP_PPP_PROTO_H

#include "core/err.h"
#include "core/rd.h"
#include "core/wr.h"

#define PPP_IP 0x0021
#define PPP_IPV6 0x0057
#define PPP_IPCP 0x8021
#define PPP_IPV6CP 0x8057
#define PPP_LCP 0xc021
#define PPP_PAP 0xc023
#define PPP_CHAP 0xc223
#define PPP_EAP 0xc227

#define PPP_HEADER 4u /* FF 03 and a two-byte protocol number: what we always send, sstp-protocol.md 5.1 */
#define PPP_INFO_MAX 4087u   /* what is left of an SSTP packet */
#define PPP_CONTROL_HEADER 4u /* code, identifier, length */

/* One packet of a control protocol. */
struct ppp_control {
	uint8_t code, id;
	struct rd data;
};

/* Read code, identifier and length; what follows the length is padding. Returns 0, or VE_PROTO when the
 * length is under 4 or beyond the packet. */
static inline int ppp_control_parse(struct slice packet, struct ppp_control *ret)
{
	struct rd r = rd_init(packet.p, packet.n);
	uint8_t code = rd_u8(&r), id = rd_u8(&r);
	size_t length = rd_u16(&r);
	struct rd data;

	if (!rd_ok(&r) || length < PPP_CONTROL_HEADER)
		return VE_PROTO;
	data = rd_sub(&r, length - PPP_CONTROL_HEADER);
	if (!rd_ok(&r))
		return VE_PROTO;
	*ret = (struct ppp_control){ .code = code, .id = id, .data = data };
	return 0;
}

/* Write a whole control packet. The caller asks wr_ok(). */
static inline void ppp_control_write(struct wr *w, uint8_t code, uint8_t id, struct slice data)
{
	wr_u8(w, code);
	wr_u8(w, id);
	wr_u16(w, (uint16_t)(PPP_CONTROL_HEADER + data.n));
	wr_bytes(w, data.p, data.n);
}

/* Strip address, control and protocol field off @frame, whichever of them the sender left out or shortened
 * (RFC 1661 6.5, 6.6). Returns the protocol number, or 0 (which is none) for what is no PPP frame. */
static inline uint16_t ppp_strip(struct slice *frame)
{
	const uint8_t *p = frame->p;
	size_t n = frame->n;
	uint16_t protocol;

	if (n >= 2 && p[0] == 0xff && p[1] == 0x03) {
		p += 2;
		n -= 2;
	}
	if (n >= 1 && (p[0] & 1)) {
		protocol = p[0];
		p += 1;
		n -= 1;
	} else if (n >= 2 && (p[1] & 1)) {
		protocol = load_be16(p);
		p += 2;
		n -= 2;
	} else {
		return 0;
	}
	*frame = (struct slice){ .p = p, .n = n };
	return protocol;
}

#endif
