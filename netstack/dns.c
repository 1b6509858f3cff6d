/* SPDX-License-Identifier: GPL-3.0-or-later */
/* dns.c - questions and answers of DNS.
 *
 * Whoever can send us a datagram can write an answer: everything is read through rd.h, names are followed over a bounded
 * number of pointers and aliases, and what does not fit is left out. */
#include "netstack/dns.h"

#include <string.h>

#include "core/err.h"
#include "core/rd.h"

#define TYPE_CNAME 5u
#define CLASS_IN 1u
#define FLAG_RESPONSE 0x8000u
#define OPCODE_MASK 0x7800u
#define FLAG_TRUNCATED 0x0200u
#define FLAG_RECURSE 0x0100u
#define RCODE_MASK 0x000fu
#define RCODE_OK 0u
#define RCODE_NO_NAME 3u

#define LABEL_MAX 63u
#define POINTERS_MAX 64u /* jumps in one compressed name; more than there can be labels is a loop */
#define ALIASES_MAX 16u  /* CNAMEs from the name to its addresses */
#define RECORDS_MAX 128u /* of one answer that are looked at */

/* --- names ---------------------------------------------------------------------------------------------- */

static uint8_t lower(uint8_t c)
{
	return c >= 'A' && c <= 'Z' ? (uint8_t)(c + 32) : c;
}

int dns_name_parse(struct dns_name *ret, const char *text)
{
	struct dns_name w = { .n = 0 };

	while (*text != '\0') {
		size_t len = strcspn(text, ".");

		if (len == 0 || len > LABEL_MAX || w.n + 1 + len + 1 > DNS_NAME_MAX)
			return VE_RESOLVE;
		w.b[w.n++] = (uint8_t)len;
		for (size_t i = 0; i < len; i++)
			w.b[w.n++] = lower((uint8_t)text[i]);
		text += len;
		if (*text == '.')
			text++;
	}
	if (w.n == 0)
		return VE_RESOLVE;
	w.b[w.n++] = 0;
	*ret = w;
	return 0;
}

bool dns_name_equal(const struct dns_name *a, const struct dns_name *b)
{
	return a->n == b->n && memcmp(a->b, b->b, a->n) == 0;
}

/* Copy one label. Returns false for the last, empty one and for what is none. */
static bool take_label(struct dns_name *w, struct rd *r, uint8_t len)
{
	const uint8_t *p = rd_bytes(r, len);

	if (!p || len > LABEL_MAX || w->n + 1 + len > DNS_NAME_MAX) {
		r->bad = true;
		return false;
	}
	w->b[w->n++] = len;
	for (uint8_t i = 0; i < len; i++)
		w->b[w->n++] = lower(p[i]);
	return len != 0;
}

/* Read the name at @r, which is part of @message, following pointers (RFC 1035 4.1.4); @r ends up behind
 * it. */
static void read_name(struct dns_name *ret, struct rd *r, struct slice message)
{
	struct rd at = *r;
	unsigned jumps = 0;

	ret->n = 0;
	for (;;) {
		uint8_t len = rd_u8(&at);

		if (len < 0xc0) {
			if (take_label(ret, &at, len))
				continue;
			break;
		}
		size_t to = (size_t)(len & 0x3f) << 8 | rd_u8(&at);

		if (jumps++ == 0)
			*r = at;
		if (!rd_ok(&at) || to >= message.n || jumps > POINTERS_MAX) {
			at.bad = true;
			break;
		}
		at = rd_init(message.p, message.n);
		rd_skip(&at, to);
	}
	if (jumps == 0)
		*r = at;
	r->bad = r->bad || at.bad;
}

/* --- the question --------------------------------------------------------------------------------------- */

void dns_query_write(struct wr *w, uint16_t id, const struct dns_name *name, uint16_t type)
{
	wr_u16(w, id);
	wr_u16(w, FLAG_RECURSE);
	wr_u16(w, 1); /* one question, no records */
	wr_u16(w, 0);
	wr_u32(w, 0);
	wr_bytes(w, name->b, name->n);
	wr_u16(w, type);
	wr_u16(w, CLASS_IN);
}

/* --- the answer ----------------------------------------------------------------------------------------- */

static void add(struct dns_answer *a, uint16_t type, struct rd *data)
{
	struct ip *ip = &a->ips[a->n];

	if (a->n == RESOLVE_IPS_MAX || rd_left(data) != (type == DNS_A ? 4u : 16u))
		return;
	*ip = (struct ip){ .family = type == DNS_A ? IP_V4 : IP_V6 };
	rd_copy(data, ip->b, rd_left(data));
	a->n++;
}

/* One record behind @r. If it belongs to @name: an alias moves @name on (returns true), an address is added. */
static bool read_record(struct rd *r, struct slice message, uint16_t wanted, struct dns_name *name, struct dns_answer *a)
{
	struct dns_name owner, to;
	uint16_t type, cls;
	uint32_t ttl;
	struct rd data;

	read_name(&owner, r, message);
	type = rd_u16(r);
	cls = rd_u16(r);
	ttl = rd_u32(r);
	data = rd_sub(r, rd_u16(r));
	if (!rd_ok(r) || cls != CLASS_IN || !dns_name_equal(&owner, name) || (type != TYPE_CNAME && type != wanted))
		return false;
	if (ttl < a->ttl_s)
		a->ttl_s = ttl;
	if (type == wanted) {
		add(a, type, &data);
		return false;
	}
	read_name(&to, &data, message);
	r->bad = !rd_ok(&data);
	if (!r->bad)
		*name = to;
	return !r->bad;
}

/* Servers send aliases in order, but nothing says they must: start over after each one that led on. */
static void find_addresses(struct rd records, unsigned count, struct slice message, const struct dns_name *name,
			   uint16_t type, struct dns_answer *a)
{
	struct dns_name at = *name;

	*a = (struct dns_answer){ .ttl_s = UINT32_MAX };
	for (unsigned alias = 0; alias <= ALIASES_MAX && a->n == 0; alias++) {
		struct rd r = records;
		bool moved = false;

		for (unsigned i = 0; i < count && i < RECORDS_MAX && rd_ok(&r) && !moved; i++)
			moved = read_record(&r, message, type, &at, a);
		if (!moved)
			return;
	}
}

enum dns_verdict dns_judge(struct slice message, uint16_t want_id, const struct dns_name *name, uint16_t want_type,
			   struct dns_answer *ret)
{
	struct rd r = rd_init(message.p, message.n);
	struct dns_name asked;
	struct dns_answer a;
	uint16_t id = rd_u16(&r), flags = rd_u16(&r), questions = rd_u16(&r), answers = rd_u16(&r);
	uint16_t type, cls;

	rd_skip(&r, 4);
	if (!rd_ok(&r) || id != want_id || !(flags & FLAG_RESPONSE) || (flags & OPCODE_MASK) || questions != 1)
		return DNS_NOTHING;
	read_name(&asked, &r, message);
	type = rd_u16(&r);
	cls = rd_u16(&r);
	if (!rd_ok(&r) || type != want_type || cls != CLASS_IN || !dns_name_equal(&asked, name))
		return DNS_NOTHING;
	switch (flags & RCODE_MASK) {
	case RCODE_OK:
		find_addresses(r, answers, message, name, type, &a);
		if (a.n == 0)
			return flags & FLAG_TRUNCATED ? DNS_TRUNCATED : DNS_NO_ADDRESS;
		*ret = a;
		return DNS_ADDRESSES;
	case RCODE_NO_NAME:
		return DNS_NO_NAME;
	default:
		return DNS_CANNOT;
	}
}
