/* SPDX-License-Identifier: GPL-3.0-or-later */
/* fuzz_dhcp.c - a DHCP server that says anything, to a stack on a hub.
 *
 * An input is a sequence of steps, each a letter and its arguments (numbers are big-endian):
 *
 *     A t aaaa nn bytes   a message of type t (2 OFFER, 5 ACK, 6 NAK) for the address aaaa, by our server, for a lease of
 *                         ten minutes; the bytes are further options
 *     O aaaa nn bytes     the same, but the bytes are all of its options
 *     M nn bytes          a whole message; only what makes it an answer to us is put right: direction, id, hardware
 *     T nn                nn seconds pass
 *     L                   the link goes away, or comes back
 *
 * Anything else ends it. Whatever comes, the stack's address is a host's, T1 < T2 < lease, its routes are in order, the
 * domain is a name, and it does not send more than a few messages a second. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "core/limits.h"
#include "core/log.h"
#include "core/rd.h"
#include "core/wr.h"
#include "netstack/netstack_int.h"
#include "test/support/fuzz.h"
#include "test/support/packet.h"

#include "lwip/dhcp.h"
#include "lwip/prot/dhcp.h"
#include "lwip_hooks.h"

#define STEPS_MAX 200u
#define TIME_MAX_S 1500u /* of one input: two leases */
#define MTU 1500u

static const uint8_t our_mac[6] = { 0x5e, 1, 2, 3, 4, 5 }, hub_mac[6] = { 0x5e, 0xaa, 0xbb, 0xcc, 0xdd, 0xee };

static struct {
	uv_loop_t loop;
	struct netstack *ns;
	const struct link_ops *ops;
	struct link_owner owner;
	uint64_t now, random;
	bool linked;
	uint32_t xid;
	uint64_t messages, allowed; /* DHCP messages sent, and how many may be */
} w;

static uint64_t fake_clock(void)
{
	return w.now;
}

static void fake_random(void *ctx, void *to, size_t n)
{
	(void)ctx;
	for (size_t i = 0; i < n; i++) {
		w.random = w.random * 6364136223846793005u + 1442695040888963407u;
		((uint8_t *)to)[i] = (uint8_t)(w.random >> 33);
	}
}

/* --- the session ---------------------------------------------------------------------------------------- */

static int on_output(void *ctx, const struct slice *v, size_t nv)
{
	struct frame f = { .n = 0 };
	struct packet p;

	(void)ctx;
	for (size_t i = 0; i < nv; i++) {
		MUST(v[i].n <= sizeof(f.b) - f.n);
		memcpy(f.b + f.n, v[i].p, v[i].n);
		f.n += v[i].n;
	}
	MUST(f.n <= MTU + 14);
	if (!packet_parse(&p, (struct slice){ .p = f.b, .n = f.n }, true) || p.proto != PROTO_UDP || p.to_port != 67)
		return 0;
	MUST(p.payload.n >= 240);
	w.xid = load_be32(p.payload.p + 4);
	w.messages++;
	return 0;
}

static void on_ready(void *ctx, const struct ip *ip)
{
	(void)ctx;
	MUST(ip->family == IP_V4 && ip->b[0] != 0 && ip->b[0] != 127 && ip->b[0] < 224);
}

static void on_failed(void *ctx, const struct fault *f)
{
	(void)ctx;
	MUST(f->err < 0 && f->text[0] != '\0');
}

static void on_kick(void *ctx)
{
	(void)ctx;
}

static void link_up(void)
{
	struct link_facts facts = { .kind = LINK_ETHERNET, .mtu = MTU };

	memcpy(facts.mac, our_mac, 6);
	w.linked = true;
	w.allowed += 2;
	MUST(w.ops->up(w.ns, &facts, &w.owner) == 0);
}

/* --- what has to be true -------------------------------------------------------------------------------- */

static void check_config(const struct dhcp_config *c)
{
	size_t n = strnlen(c->domain, sizeof(c->domain));

	MUST(n <= HOST_MAX - 2 && (n == 0 || (c->domain[0] != '.' && c->domain[n - 1] != '.')));
	MUST(strspn(c->domain, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.") == n);
	MUST(c->mtu == 0 || c->mtu >= 576);
	MUST(c->nroutes <= DHCP_ROUTES_MAX && (c->has_routes || c->nroutes == 0));
	for (unsigned i = 0; i < c->nroutes; i++) {
		const struct dhcp_route *r = &c->routes[i];

		MUST(r->prefix <= 32 && (i == 0 || c->routes[i - 1].prefix >= r->prefix));
		MUST(dhcp_config_route(c, r->net) && dhcp_config_route(c, r->net)->prefix >= r->prefix);
	}
}

static void check_times(const struct dhcp *d)
{
	if (d->state != DHCP_STATE_BOUND && d->state != DHCP_STATE_RENEWING && d->state != DHCP_STATE_REBINDING)
		return;
	MUST(d->t0_timeout == 0 ? d->t1_timeout == 0 && d->t2_timeout == 0 :
				  d->t1_timeout < d->t2_timeout && d->t2_timeout < d->t0_timeout && d->t1_timeout > 0);
	MUST(d->t0_timeout == 0 || d->lease_used < d->t0_timeout);
}

static void check(void)
{
	const struct netif *n = &w.ns->netif;

	check_config(&w.ns->dhcp);
	check_times(netif_dhcp_data(n));
	MUST(strcmp(w.ns->domain, w.ns->dhcp.domain) == 0);
	MUST(n->mtu >= 576 && n->mtu <= MTU);
	MUST(w.messages <= w.allowed);
	for (unsigned i = 0; i < 256; i += 5) {
		ip4_addr_t to;

		IP4_ADDR(&to, i, 168, 30, 1);
		MUST(netstack_hop4(&w.ns->netif, &to) || ip4_addr_isany(netif_ip4_gw(n)));
	}
}

/* --- steps ---------------------------------------------------------------------------------------------- */

static void settle(void)
{
	if (w.linked)
		w.ops->turn_end(w.ns);
	for (unsigned i = 0; i < 50 && netstack_sleep(w.ns) == 0; i++)
		netstack_tick(w.ns);
}

/* Two messages a second at the most: lwIP's shortest pause is two seconds, and a renewal can fall together with a try. */
static void pass(uint64_t ms)
{
	uint64_t end = w.now + ms;

	w.allowed += ms / 500 + 2;
	while (w.now < end) {
		uint64_t step = netstack_sleep(w.ns);

		step = step == 0 ? 1 : step;
		w.now += step < end - w.now ? step : end - w.now;
		netstack_tick(w.ns);
		settle();
	}
}

static void give(const uint8_t *message, size_t n)
{
	struct packet p = { .from = packet_ip4(192, 168, 30, 1), .to = packet_ip4(255, 255, 255, 255), .proto = PROTO_UDP,
			    .from_port = 67, .to_port = 68, .payload = { .p = message, .n = n } };
	struct frame f;
	uint8_t *exact;

	memcpy(p.from_mac, hub_mac, 6);
	memset(p.to_mac, 0xff, 6);
	packet_make(&f, &p, true);
	exact = malloc(f.n);
	if (!exact || !w.linked) {
		free(exact);
		return;
	}
	memcpy(exact, f.b, f.n);
	w.allowed++;
	w.ops->input(w.ns, (struct slice){ .p = exact, .n = f.n });
	free(exact);
	settle();
}

static void make_ours(uint8_t *m)
{
	m[0] = 2;
	store_be32(m + 4, w.xid);
	memcpy(m + 28, our_mac, 6);
}

/* @type 0: @options are all of them. */
static void answer(uint8_t type, const uint8_t *address, struct slice options)
{
	static const uint8_t usual[] = { 54, 4, 192, 168, 30, 1, 51, 4, 0, 0, 2, 88, 1, 4, 255, 255, 255, 0 };
	uint8_t m[1500] = { 0 };
	struct wr o = wr_init(m + 240, sizeof(m) - 240);

	make_ours(m);
	memcpy(m + 16, address, 4);
	store_be32(m + 236, 0x63825363);
	if (type != 0) {
		wr_u8(&o, 53);
		wr_u8(&o, 1);
		wr_u8(&o, type);
		wr_bytes(&o, usual, sizeof(usual));
	}
	wr_bytes(&o, options.p, min_size(options.n, 1200));
	wr_u8(&o, 255);
	give(m, 240 + o.n);
}

static void whole(struct slice s)
{
	uint8_t m[1500];
	size_t n = min_size(s.n, sizeof(m) - 28);
	struct dhcp_config c;

	if (n > 0 && dhcp_config_parse(s, true, &c) == 0)
		check_config(&c);
	if (n < 44)
		return;
	memcpy(m, s.p, n);
	make_ours(m);
	give(m, n);
}

static void toggle_link(void)
{
	if (!w.linked) {
		link_up();
		return;
	}
	w.ops->down(w.ns);
	w.linked = false;
}

static bool take(struct rd *r)
{
	uint8_t what = rd_u8(r), address[4] = { 0 }, type = 0;
	struct rd bytes;

	if (what == 'T') {
		uint64_t s = rd_u16(r);

		if (rd_ok(r) && w.now / 1000 + s < TIME_MAX_S)
			pass(1000 * s);
	} else if (what == 'L') {
		toggle_link();
	} else if (what == 'A' || what == 'O' || what == 'M') {
		if (what == 'A')
			type = rd_u8(r);
		if (what != 'M')
			rd_copy(r, address, 4);
		bytes = rd_sub(r, rd_u16(r));
		if (!rd_ok(r))
			return false;
		if (what == 'M')
			whole(rd_rest(&bytes));
		else
			answer(type, address, rd_rest(&bytes));
	} else {
		return false;
	}
	settle();
	check();
	return rd_ok(r);
}

/* --- one input ------------------------------------------------------------------------------------------ */

static void begin(void)
{
	struct netstack_conf conf = { .hold_ms = 30000, .random = fake_random };

	memset(&w, 0, sizeof(w));
	w.now = 1000;
	w.random = 1;
	log_set_level(LOG_ERROR);
	netstack_clock_set(fake_clock);
	MUST(uv_loop_init(&w.loop) == 0 && netstack_new(&w.ns, &w.loop, &conf) == 0);
	w.ops = netstack_link_ops();
	w.owner = (struct link_owner){ .output = on_output, .ready = on_ready, .failed = on_failed, .kick = on_kick };
	link_up();
	settle();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct rd r = rd_init(data, size);

	begin();
	for (unsigned i = 0; i < STEPS_MAX && rd_left(&r) > 0 && take(&r); i++)
		;
	if (w.linked)
		toggle_link();
	netstack_free(w.ns);
	uv_run(&w.loop, UV_RUN_DEFAULT);
	MUST(uv_loop_close(&w.loop) == 0);
	return 0;
}
