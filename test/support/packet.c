/* SPDX-License-Identifier: GPL-3.0-or-later */
/* packet.c - see packet.h. */
#include "packet.h"

#include <assert.h>
#include <string.h>

#include "core/rd.h"
#include "core/wr.h"

struct ip packet_ip4(uint8_t a, uint8_t b, uint8_t c, uint8_t d)
{
	return (struct ip){ .family = IP_V4, .b = { a, b, c, d } };
}

struct ip packet_ip6(const char *text)
{
	struct ip ip = { 0 };

	assert(ip_parse(text, &ip) == 0 && ip.family == IP_V6);
	return ip;
}

/* --- checksums ------------------------------------------------------------------------------------------ */

uint16_t packet_checksum(const uint8_t *b, size_t n, uint32_t sum)
{
	for (size_t i = 0; i < n; i++)
		sum += i % 2 == 0 ? (uint32_t)b[i] << 8 : b[i];
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

static uint32_t pseudo_sum(const struct ip *from, const struct ip *to, uint8_t proto, size_t n)
{
	size_t size = from->family == IP_V4 ? 4 : 16;
	uint32_t sum = proto + (uint32_t)n;

	for (size_t i = 0; i < size; i += 2)
		sum += (uint32_t)load_be16(from->b + i) + load_be16(to->b + i);
	return sum;
}

/* Where the checksum is in a header of @proto, and how long that header is at least; false if it has none. */
static bool checksum_place(uint8_t proto, size_t *at, size_t *min)
{
	*at = proto == PROTO_TCP ? 16 : proto == PROTO_UDP ? 6 : 2;
	*min = proto == PROTO_TCP ? 20 : 8;
	return proto == PROTO_TCP || proto == PROTO_UDP || proto == PROTO_ICMP4 || proto == PROTO_ICMP6;
}

static void put_checksum(uint8_t *b, size_t n, uint8_t proto, const struct ip *from, const struct ip *to)
{
	size_t at, min;

	if (!checksum_place(proto, &at, &min) || n < min)
		return;
	store_be16(b + at, 0);
	store_be16(b + at, packet_checksum(b, n, proto == PROTO_ICMP4 ? 0 : pseudo_sum(from, to, proto, n)));
}

static bool checksum_is_right(const uint8_t *b, size_t n, uint8_t proto, const struct ip *from, const struct ip *to)
{
	size_t at, min;

	if (!checksum_place(proto, &at, &min))
		return true;
	return n >= min && packet_checksum(b, n, proto == PROTO_ICMP4 ? 0 : pseudo_sum(from, to, proto, n)) == 0;
}

void packet_fix_checksums(uint8_t *b, size_t n, bool ethernet)
{
	size_t at = ethernet ? 14 : 0, head, total;
	struct ip from = { 0 }, to = { 0 };

	if (n >= at + 20 && b[at] >> 4 == 4) {
		head = 4u * (b[at] & 15u);
		total = load_be16(b + at + 2);
		if (head < 20 || total < head || n < at + total)
			return;
		from.family = to.family = IP_V4;
		memcpy(from.b, b + at + 12, 4);
		memcpy(to.b, b + at + 16, 4);
		store_be16(b + at + 10, 0);
		store_be16(b + at + 10, packet_checksum(b + at, head, 0));
		put_checksum(b + at + head, total - head, b[at + 9], &from, &to);
	} else if (n >= at + 40 && b[at] >> 4 == 6) {
		total = load_be16(b + at + 4);
		if (n < at + 40 + total)
			return;
		from.family = to.family = IP_V6;
		memcpy(from.b, b + at + 8, 16);
		memcpy(to.b, b + at + 24, 16);
		put_checksum(b + at + 40, total, b[at + 6], &from, &to);
	}
}

/* --- reading -------------------------------------------------------------------------------------------- */

static bool parse_arp(struct packet *p, struct rd *r)
{
	bool ok = rd_u16(r) == 1 && rd_u16(r) == ETH_IP4 && rd_u8(r) == 6 && rd_u8(r) == 4;

	p->arp_op = rd_u16(r);
	p->arp_sender.family = p->arp_target.family = IP_V4;
	rd_copy(r, p->arp_sender_mac, 6);
	rd_copy(r, p->arp_sender.b, 4);
	rd_copy(r, p->arp_target_mac, 6);
	rd_copy(r, p->arp_target.b, 4);
	return ok && rd_done(r);
}

static bool parse_options(struct packet *p, struct rd *r)
{
	while (rd_left(r) > 0) {
		uint8_t kind = rd_u8(r);
		struct rd body;

		if (kind == 0)
			break;
		if (kind == 1)
			continue;
		body = rd_sub(r, (size_t)rd_u8(r) - 2);
		if (kind == 2)
			p->mss = rd_u16(&body);
		else if (kind == 3)
			p->scale = rd_u8(&body);
		else if (kind == 4)
			p->sack_permitted = true;
		else
			rd_skip(&body, rd_left(&body));
		if (!rd_done(&body))
			return false;
	}
	return rd_ok(r);
}

static bool parse_tcp(struct packet *p, struct rd *r)
{
	unsigned header;
	struct rd options;

	p->from_port = rd_u16(r);
	p->to_port = rd_u16(r);
	p->seq = rd_u32(r);
	p->ack = rd_u32(r);
	header = rd_u8(r) >> 4;
	p->flags = rd_u8(r);
	p->window = rd_u16(r);
	rd_skip(r, 4);
	p->scale = -1;
	options = rd_sub(r, header >= 5 ? 4 * (header - 5) : 0);
	p->payload = rd_rest(r);
	return header >= 5 && parse_options(p, &options) && rd_ok(r);
}

static bool parse_transport(struct packet *p, struct rd *r)
{
	struct slice all = rd_rest(r);

	if (!checksum_is_right(all.p, all.n, p->proto, &p->from, &p->to))
		return false;
	if (p->proto == PROTO_TCP)
		return parse_tcp(p, r);
	if (p->proto == PROTO_UDP) {
		p->from_port = rd_u16(r);
		p->to_port = rd_u16(r);
		if (rd_u16(r) != all.n)
			return false;
		rd_skip(r, 2);
	} else if (p->proto == PROTO_ICMP4 || p->proto == PROTO_ICMP6) {
		p->type = rd_u8(r);
		p->code = rd_u8(r);
		rd_skip(r, 2);
	}
	p->payload = rd_rest(r);
	return rd_ok(r);
}

static bool parse_ip4(struct packet *p, struct rd *r)
{
	struct slice all = rd_rest(r);
	unsigned header = 4u * (rd_u8(r) & 15u);

	if (header < 20 || all.n < header || packet_checksum(all.p, header, 0) != 0)
		return false;
	rd_skip(r, 1);
	if (rd_u16(r) != all.n)
		return false;
	rd_skip(r, 4);
	p->hops = rd_u8(r);
	p->proto = rd_u8(r);
	rd_skip(r, 2);
	p->from.family = p->to.family = IP_V4;
	rd_copy(r, p->from.b, 4);
	rd_copy(r, p->to.b, 4);
	rd_skip(r, header - 20);
	return rd_ok(r) && parse_transport(p, r);
}

/* Hop-by-hop options (MLD has some) are stepped over; no other extension header is expected of us. */
static bool parse_ip6(struct packet *p, struct rd *r)
{
	rd_skip(r, 4);
	if (rd_u16(r) + 34u != rd_left(r))
		return false;
	p->proto = rd_u8(r);
	p->hops = rd_u8(r);
	p->from.family = p->to.family = IP_V6;
	rd_copy(r, p->from.b, 16);
	rd_copy(r, p->to.b, 16);
	if (p->proto == 0) {
		p->proto = rd_u8(r);
		rd_skip(r, 8u * rd_u8(r) + 6);
	}
	return rd_ok(r) && parse_transport(p, r);
}

bool packet_parse(struct packet *ret, struct slice s, bool ethernet)
{
	struct rd r = rd_init(s.p, s.n);

	memset(ret, 0, sizeof(*ret));
	if (ethernet) {
		rd_copy(&r, ret->to_mac, 6);
		rd_copy(&r, ret->from_mac, 6);
		ret->ethertype = rd_u16(&r);
	} else {
		ret->ethertype = s.n > 0 && s.p[0] >> 4 == 6 ? ETH_IP6 : ETH_IP4;
	}
	switch (ret->ethertype) {
	case ETH_ARP:
		return parse_arp(ret, &r);
	case ETH_IP4:
		return parse_ip4(ret, &r);
	case ETH_IP6:
		return parse_ip6(ret, &r);
	default:
		return false;
	}
}

/* --- writing -------------------------------------------------------------------------------------------- */

static void make_arp(struct wr *w, const struct packet *p)
{
	wr_u16(w, 1);
	wr_u16(w, ETH_IP4);
	wr_u8(w, 6);
	wr_u8(w, 4);
	wr_u16(w, p->arp_op);
	wr_bytes(w, p->arp_sender_mac, 6);
	wr_bytes(w, p->arp_sender.b, 4);
	wr_bytes(w, p->arp_target_mac, 6);
	wr_bytes(w, p->arp_target.b, 4);
}

static void make_tcp(struct wr *w, const struct packet *p)
{
	bool syn = p->flags & SYN;
	unsigned options = syn && p->mss ? 4 : 0;

	if (syn && p->scale > 0)
		options += 4;
	if (syn && p->sack_permitted)
		options += 4;
	if (!syn && p->nsacks > 0)
		options += 4 + 8 * p->nsacks;
	wr_u16(w, p->from_port);
	wr_u16(w, p->to_port);
	wr_u32(w, p->seq);
	wr_u32(w, p->ack);
	wr_u8(w, (uint8_t)((5 + options / 4) << 4));
	wr_u8(w, (uint8_t)p->flags);
	wr_u16(w, (uint16_t)p->window);
	wr_u32(w, 0);
	if (syn && p->mss)
		wr_u32(w, 0x02040000u | p->mss);
	if (syn && p->scale > 0)
		wr_u32(w, 0x01030300u | (uint32_t)p->scale);
	if (syn && p->sack_permitted)
		wr_u32(w, 0x01010402u);
	if (!syn && p->nsacks > 0)
		wr_u32(w, 0x01010502u + 8 * p->nsacks);
	for (unsigned i = 0; !syn && i < p->nsacks; i++) {
		wr_u32(w, p->sacks[i][0]);
		wr_u32(w, p->sacks[i][1]);
	}
}

static void make_transport(struct wr *w, const struct packet *p)
{
	size_t at = w->n;

	if (p->proto == PROTO_TCP) {
		make_tcp(w, p);
	} else if (p->proto == PROTO_UDP) {
		wr_u16(w, p->from_port);
		wr_u16(w, p->to_port);
		wr_u16(w, (uint16_t)(8 + p->payload.n));
		wr_u16(w, 0);
	} else if (p->proto == PROTO_ICMP4 || p->proto == PROTO_ICMP6) {
		wr_u8(w, p->type);
		wr_u8(w, p->code);
		wr_u16(w, 0);
	}
	wr_bytes(w, p->payload.p, p->payload.n);
	assert(wr_ok(w));
	put_checksum(w->p + at, w->n - at, p->proto, &p->from, &p->to);
}

static void make_ip4(struct wr *w, const struct packet *p)
{
	size_t at = w->n;

	wr_u16(w, 0x4500);
	wr_u16(w, 0);
	wr_u32(w, 0);
	wr_u8(w, p->hops ? p->hops : 64);
	wr_u8(w, p->proto);
	wr_u16(w, 0);
	wr_bytes(w, p->from.b, 4);
	wr_bytes(w, p->to.b, 4);
	make_transport(w, p);
	wr_patch_u16(w, at + 2, (uint16_t)(w->n - at));
	store_be16(w->p + at + 10, packet_checksum(w->p + at, 20, 0));
}

static void make_ip6(struct wr *w, const struct packet *p)
{
	size_t at = w->n;

	wr_u32(w, 0x60000000);
	wr_u16(w, 0);
	wr_u8(w, p->proto);
	wr_u8(w, p->hops ? p->hops : 64);
	wr_bytes(w, p->from.b, 16);
	wr_bytes(w, p->to.b, 16);
	make_transport(w, p);
	wr_patch_u16(w, at + 4, (uint16_t)(w->n - at - 40));
}

void packet_make(struct frame *ret, const struct packet *p, bool ethernet)
{
	size_t head = ethernet ? 14 : 0;
	struct wr w = wr_init(ret->b + head, sizeof(ret->b) - head);
	uint16_t type = p->ethertype == ETH_ARP ? ETH_ARP : p->from.family == IP_V6 ? ETH_IP6 : ETH_IP4;

	if (ethernet) {
		memcpy(ret->b, p->to_mac, 6);
		memcpy(ret->b + 6, p->from_mac, 6);
		store_be16(ret->b + 12, type);
	}
	if (type == ETH_ARP)
		make_arp(&w, p);
	else if (type == ETH_IP4)
		make_ip4(&w, p);
	else
		make_ip6(&w, p);
	assert(wr_ok(&w));
	ret->n = head + w.n;
}
