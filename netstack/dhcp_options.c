/* SPDX-License-Identifier: GPL-3.0-or-later */
/* dhcp_options.c - DHCP messages, as far as lwIP does not read them. Bytes in, facts out.
 *
 * An option can be there more than once, when it is too long for one, and it can go on in the fields "file" and "sname"
 * if option 52 says so. All pieces are put together first (RFC 3396), in the order options, file, sname; then each value is
 * read as a whole. */
#include "netstack/dhcp_options.h"

#include <string.h>

#include "core/err.h"
#include "core/rd.h"
#include "core/wr.h"

enum {
	OPTION_PAD = 0,
	OPTION_MASK = 1,
	OPTION_DOMAIN = 15,
	OPTION_MTU = 26,
	OPTION_OVERLOAD = 52,
	OPTION_ROUTES = 121,
	OPTION_ROUTES_MICROSOFT = 249, /* the same, by Windows before there was a number for it */
	OPTION_END = 255,
};

#define COOKIE 0x63825363u
#define MTU_MIN 576u        /* RFC 791: what every host takes; the RFC's own minimum, 68, would be of no use to us */
#define LABEL_MAX 63u
#define LEASE_DEFAULT_S 3600u
#define LEASE_MIN_S 10u     /* one that would end before an answer is here is no lease */
#define RETRY_MAX_S 60u     /* RFC 2131 4.4.5: its minimum between retries, which is too long for a lease of a minute */
#define RETRY_MIN_S 2u

/* --- options -------------------------------------------------------------------------------------------- */

struct areas {
	struct slice options, file, sname;
};

struct value {
	uint8_t b[FRAME_MAX];
	size_t n;
	bool given;
};

static void gather_area(struct slice area, uint8_t code, struct value *v)
{
	struct rd r = rd_init(area.p, area.n);

	while (rd_left(&r) > 0) {
		uint8_t c = rd_u8(&r);
		struct slice piece;
		struct rd sub;

		if (c == OPTION_PAD)
			continue;
		if (c == OPTION_END)
			return;
		sub = rd_sub(&r, rd_u8(&r));
		if (!rd_ok(&r))
			return;
		piece = rd_rest(&sub);
		if (c != code || piece.n > sizeof(v->b) - v->n)
			continue;
		if (piece.n > 0)
			memcpy(v->b + v->n, piece.p, piece.n);
		v->n += piece.n;
		v->given = true;
	}
}

static void gather(const struct areas *a, uint8_t code, struct value *v)
{
	v->n = 0;
	v->given = false;
	gather_area(a->options, code, v);
	gather_area(a->file, code, v);
	gather_area(a->sname, code, v);
}

/* Only the options themselves can say that the other two fields are in use. */
static void unload(struct areas *a)
{
	struct value v = { .n = 0 };
	uint8_t how;

	gather_area(a->options, OPTION_OVERLOAD, &v);
	how = v.n == 1 ? v.b[0] : 0;
	if (!(how & 1))
		a->file.n = 0;
	if (!(how & 2))
		a->sname.n = 0;
}

/* --- values --------------------------------------------------------------------------------------------- */

static uint32_t mask_of(unsigned prefix)
{
	return prefix == 0 ? 0 : UINT32_MAX << (32 - prefix);
}

static bool is_unicast(uint32_t ip)
{
	return ip >> 24 != 0 && ip >> 24 != 127 && ip >> 24 < 224;
}

static bool is_host(uint32_t ip, const struct value *mask)
{
	uint32_t bits, host;

	if (!is_unicast(ip))
		return false;
	if (!mask->given)
		return true;
	if (mask->n != 4)
		return false;
	bits = ~load_be32(mask->b);
	host = ip & bits;
	if ((bits & (bits + 1)) != 0)
		return false; /* holes in the mask */
	return bits <= 1 || (host != 0 && host != bits);
}

static bool is_label_byte(uint8_t c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

/* Letters, digits, - and _, in labels; the last one is not a number, or the name would be an address. */
static bool is_domain(const uint8_t *p, size_t n)
{
	size_t label = 0;
	bool number = true;

	if (n == 0 || n > HOST_MAX - 2)
		return false;
	for (size_t i = 0; i < n; i++) {
		if (p[i] == '.') {
			if (label == 0 || p[i - 1] == '-')
				return false;
			label = 0;
			number = true;
			continue;
		}
		if (!is_label_byte(p[i]) || ++label > LABEL_MAX || (label == 1 && p[i] == '-'))
			return false;
		number = number && p[i] >= '0' && p[i] <= '9';
	}
	return label > 0 && p[n - 1] != '-' && !number;
}

static void read_domain(const struct value *v, struct dhcp_config *c)
{
	size_t n = v->n;

	while (n > 0 && v->b[n - 1] == '\0') /* Windows' servers send it as a C string */
		n--;
	if (n > 0 && v->b[n - 1] == '.')
		n--;
	if (!is_domain(v->b, n))
		return;
	memcpy(c->domain, v->b, n);
	c->domain[n] = '\0';
}

static void read_mtu(const struct value *v, struct dhcp_config *c)
{
	uint16_t mtu = v->n == 2 ? load_be16(v->b) : 0;

	if (mtu >= MTU_MIN)
		c->mtu = mtu;
}

/* --- routes --------------------------------------------------------------------------------------------- */

/* Behind those with the same prefix: the first of two equals counts. */
static void put_route(struct dhcp_config *c, struct dhcp_route route)
{
	unsigned at = c->nroutes;

	if (c->nroutes == DHCP_ROUTES_MAX || (route.gateway != 0 && !is_unicast(route.gateway)))
		return;
	for (; at > 0 && c->routes[at - 1].prefix < route.prefix; at--)
		c->routes[at] = c->routes[at - 1];
	c->routes[at] = route;
	c->nroutes++;
}

/* A length in bits, as many bytes of the network as have any of them, and the router. */
static bool next_route(struct rd *r, struct dhcp_route *ret)
{
	uint8_t net[4] = { 0 };

	ret->prefix = rd_u8(r);
	if (ret->prefix > 32)
		return false;
	rd_copy(r, net, (ret->prefix + 7u) / 8);
	ret->net = load_be32(net) & mask_of(ret->prefix);
	ret->gateway = rd_u32(r);
	return rd_ok(r);
}

static bool are_routes(const struct value *v)
{
	struct rd r = rd_init(v->b, v->n);
	struct dhcp_route route;

	while (rd_left(&r) > 0)
		if (!next_route(&r, &route))
			return false;
	return v->n > 0;
}

static void read_routes(const struct value *v, struct dhcp_config *c)
{
	struct rd r = rd_init(v->b, v->n);
	struct dhcp_route route;

	if (c->has_routes || !are_routes(v))
		return;
	c->has_routes = true;
	while (rd_left(&r) > 0 && next_route(&r, &route))
		put_route(c, route);
}

const struct dhcp_route *dhcp_config_route(const struct dhcp_config *c, uint32_t to)
{
	for (unsigned i = 0; i < c->nroutes; i++)
		if ((to & mask_of(c->routes[i].prefix)) == c->routes[i].net)
			return &c->routes[i];
	return NULL;
}

/* --- messages ------------------------------------------------------------------------------------------- */

int dhcp_config_parse(struct slice m, bool lease, struct dhcp_config *ret)
{
	struct rd r = rd_init(m.p, m.n);
	struct dhcp_config c = { .mtu = 0 };
	struct areas a;
	struct value v;
	uint32_t address, cookie;

	rd_skip(&r, 16);
	address = rd_u32(&r);
	rd_skip(&r, 24);
	a.sname = (struct slice){ .p = rd_bytes(&r, 64), .n = 64 };
	a.file = (struct slice){ .p = rd_bytes(&r, 128), .n = 128 };
	cookie = rd_u32(&r);
	if (!rd_ok(&r) || m.n > FRAME_MAX || cookie != COOKIE)
		return VE_PROTO;
	a.options = rd_rest(&r);
	unload(&a);
	gather(&a, OPTION_MASK, &v);
	if (lease && !is_host(address, &v))
		return VE_PROTO;
	gather(&a, OPTION_DOMAIN, &v);
	read_domain(&v, &c);
	gather(&a, OPTION_MTU, &v);
	read_mtu(&v, &c);
	gather(&a, OPTION_ROUTES, &v);
	read_routes(&v, &c);
	gather(&a, OPTION_ROUTES_MICROSOFT, &v);
	read_routes(&v, &c);
	*ret = c;
	return 0;
}

/* --- times ---------------------------------------------------------------------------------------------- */

void dhcp_lease_times(uint32_t *lease_s, uint32_t *t1_s, uint32_t *t2_s)
{
	uint32_t lease = *lease_s, t1 = *t1_s, t2 = *t2_s;

	if (lease == UINT32_MAX) {
		*t1_s = *t2_s = UINT32_MAX;
		return;
	}
	if (lease == 0)
		lease = LEASE_DEFAULT_S;
	if (lease < LEASE_MIN_S)
		lease = LEASE_MIN_S;
	if (t2 < 2 || t2 >= lease)
		t2 = (uint32_t)(lease * UINT64_C(7) / 8);
	if (t1 == 0 || t1 >= t2)
		t1 = (uint32_t)(t2 * UINT64_C(4) / 7);
	*lease_s = lease;
	*t1_s = t1;
	*t2_s = t2;
}

uint32_t dhcp_retry_s(uint32_t lease_s)
{
	uint32_t retry = lease_s / 20;

	return retry < RETRY_MIN_S ? RETRY_MIN_S : retry > RETRY_MAX_S ? RETRY_MAX_S : retry;
}
