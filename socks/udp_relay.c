/* SPDX-License-Identifier: GPL-3.0-or-later */
/* udp_relay.c - UDP for SOCKS5 clients, see udp_relay.h.
 *
 * Theory of operation
 *
 *                                     +-- tunnel: udp_sock (netstack/udp.h)
 *     client -- local socket -- route-+-- direct: a host socket of the family, made when it is first needed
 *                  ^                  +-- block: dropped
 *                  +-- header put in front -- from either
 *
 * A name is looked up where its route leads: by lookup.h in the private network, by the system for "direct". Meanwhile
 * its datagram waits in a struct pending; their number and bytes are bounded for each association, and what does not fit
 * is dropped. Each pending ends in one of two ways: its answer comes, or the association is closed and cancels it. A
 * lookup of libuv that cannot be canceled any more finds no association and frees its pending itself.
 *
 * libuv's handles die later than they are closed; the association's memory goes with the last of them (refs). */
#include "socks/udp_relay.h"

#include <netdb.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "core/err.h"
#include "core/limits.h"
#include "core/route.h"
#include "netstack/lookup.h"
#include "netstack/udp.h"
#include "socks/sockaddr.h"
#include "socks/socks_udp.h"

struct pending {
	struct udp_relay *u; /* NULL: canceled */
	struct pending *prev, *next;
	struct lookup *lookup;
	uv_getaddrinfo_t req;
	bool direct;
	uint16_t port;
	size_t n;
	uint8_t bytes[];
};

/* A socket on this machine, for routes that are "direct". */
struct host_sock {
	uv_udp_t udp;
	bool open;
};

struct udp_relay {
	struct udp_relays *all;
	struct targets *ts;
	uv_udp_t local;
	struct endpoint client; /* port 0: not known yet */
	struct udp_sock *tunnel;
	struct host_sock host4, host6;
	struct pending *pending;
	unsigned npending;
	size_t pending_bytes;
	uint64_t moved_at;
	unsigned refs; /* handles */
};

static void moved(struct udp_relay *u)
{
	u->moved_at = uv_now(u->ts->loop);
}

static void endpoint_of(const struct sockaddr *sa, struct endpoint *ret)
{
	struct sockaddr_storage copy = { .ss_family = AF_UNSPEC };
	struct dest d;

	memcpy(&copy, sa, sa->sa_family == AF_INET6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in));
	sockaddr_to_dest(&copy, &d);
	*ret = (struct endpoint){ .ip = d.ip, .port = d.port };
}

static void on_alloc(uv_handle_t *h, size_t suggested, uv_buf_t *ret)
{
	struct udp_relay *u = h->data;

	(void)suggested;
	*ret = uv_buf_init((char *)u->all->received, sizeof(u->all->received));
}

/* Send at once or not at all. */
static bool send_now(uv_udp_t *from, const struct endpoint *to, const uv_buf_t *b, unsigned n)
{
	const struct dest d = { .ip = to->ip, .port = to->port };
	struct sockaddr_storage sa;

	sockaddr_from_dest(&d, &sa);
	return uv_udp_try_send(from, b, n, (const struct sockaddr *)&sa) >= 0;
}

/* --- to the client ------------------------------------------------------------------------------------- */

static void to_client(struct udp_relay *u, const struct endpoint *from, struct slice bytes)
{
	uint8_t header[SOCKS_UDP_HEADER_MAX];
	size_t n = socks_udp_header(header, from);
	const uv_buf_t b[2] = {
		uv_buf_init((char *)header, (unsigned)n),
		uv_buf_init((char *)(uintptr_t)bytes.p, (unsigned)bytes.n),
	};

	moved(u);
	if (u->client.port != 0 && send_now(&u->local, &u->client, b, 2))
		u->all->in++;
	else
		u->all->lost++;
}

static void on_tunnel_received(void *ctx, const struct endpoint *from, struct slice bytes)
{
	to_client(ctx, from, bytes);
}

static void on_host_received(uv_udp_t *udp, ssize_t n, const uv_buf_t *b, const struct sockaddr *sa, unsigned flags)
{
	struct udp_relay *u = udp->data;
	struct endpoint from;

	(void)flags;
	if (n < 0 || !sa)
		return; /* nothing there, or an error about a datagram that was sent */
	endpoint_of(sa, &from);
	to_client(u, &from, (struct slice){ .p = (const uint8_t *)b->base, .n = (size_t)n });
}

static const struct udp_events tunnel_events = { .received = on_tunnel_received };

/* --- handles ------------------------------------------------------------------------------------------- */

static void on_handle_closed(uv_handle_t *h)
{
	struct udp_relay *u = h->data;

	if (--u->refs == 0)
		free(u);
}

/* Bind @udp to @at and receive from it. Returns 0 or a libuv error; the handle is to be closed in both cases. */
static int open_udp(struct udp_relay *u, uv_udp_t *udp, const struct ip *at, uv_udp_recv_cb on_received)
{
	const struct dest any_port = { .ip = *at };
	struct sockaddr_storage sa;
	int err;

	uv_udp_init(u->ts->loop, udp); /* without a socket to make it cannot fail */
	udp->data = u;
	u->refs++;
	sockaddr_from_dest(&any_port, &sa);
	err = uv_udp_bind(udp, (const struct sockaddr *)&sa, at->family == IP_V6 ? UV_UDP_IPV6ONLY : 0);
	return err != 0 ? err : uv_udp_recv_start(udp, on_alloc, on_received);
}

/* The host's socket for @family. NULL: there is none to be had. */
static uv_udp_t *host_sock(struct udp_relay *u, enum ip_family family)
{
	struct host_sock *h = family == IP_V6 ? &u->host6 : &u->host4;
	const struct ip any = { .family = family };

	if (!h->udp.data) /* tried once only */
		h->open = open_udp(u, &h->udp, &any, on_host_received) == 0;
	return h->open ? &h->udp : NULL;
}

/* --- from the client ----------------------------------------------------------------------------------- */

static bool send_direct(struct udp_relay *u, const struct endpoint *to, struct slice bytes)
{
	uv_udp_t *from = host_sock(u, to->ip.family);
	uv_buf_t b = uv_buf_init((char *)(uintptr_t)bytes.p, (unsigned)bytes.n);

	return from && send_now(from, to, &b, 1);
}

static void send_out(struct udp_relay *u, bool direct, const struct endpoint *to, struct slice bytes)
{
	bool sent = direct ? send_direct(u, to, bytes) : udp_sock_send(u->tunnel, to, bytes) == 0;

	if (sent)
		u->all->out++;
	else
		u->all->lost++;
}

/* Off the association's list; @p is the caller's to free. */
static void unlink_pending(struct pending *p)
{
	struct udp_relay *u = p->u;

	*(p->prev ? &p->prev->next : &u->pending) = p->next;
	if (p->next)
		p->next->prev = p->prev;
	u->npending--;
	u->pending_bytes -= p->n;
	p->u = NULL;
}

static void resolved(struct pending *p, const struct ip *ip)
{
	struct udp_relay *u = p->u;
	const struct endpoint to = { .ip = *ip, .port = p->port };

	unlink_pending(p);
	if (ip->family == IP_NONE)
		u->all->lost++;
	else
		send_out(u, p->direct, &to, (struct slice){ .p = p->bytes, .n = p->n });
	free(p);
}

static void on_looked_up(void *ctx, int err, const struct ip *ips, unsigned n)
{
	static const struct ip none = { .family = IP_NONE };
	struct pending *p = ctx;

	lookup_free(p->lookup);
	resolved(p, err == 0 && n > 0 ? &ips[0] : &none);
}

static void on_host_looked_up(uv_getaddrinfo_t *req, int status, struct addrinfo *all)
{
	struct pending *p = req->data;
	struct endpoint first = { .ip = { .family = IP_NONE } };

	if (status == 0 && all)
		endpoint_of(all->ai_addr, &first);
	uv_freeaddrinfo(all);
	if (p->u)
		resolved(p, &first.ip);
	else
		free(p);
}

static int start_lookup(struct pending *p, const char *name)
{
	static const struct addrinfo hints = { .ai_socktype = SOCK_DGRAM, .ai_flags = AI_ADDRCONFIG };
	struct targets *ts = p->u->ts;

	if (!p->direct)
		return lookup_new(&p->lookup, ts->ns, name, on_looked_up, p);
	p->req.data = p;
	return uv_getaddrinfo(ts->loop, &p->req, on_host_looked_up, name, NULL, &hints) == 0 ? 0 : VE_NOMEM;
}

/* Keep the datagram until its name is known. Returns 0, or VE_LIMIT, VE_NOMEM and what lookups return. */
static int send_to_name(struct udp_relay *u, bool direct, const struct dest *to, struct slice bytes)
{
	struct pending *p;
	int err;

	if (u->npending >= UDP_LOOKUPS_MAX || bytes.n > UDP_PENDING_MAX - u->pending_bytes)
		return VE_LIMIT;
	p = calloc(1, sizeof(*p) + bytes.n);
	if (!p)
		return VE_NOMEM;
	p->u = u;
	p->direct = direct;
	p->port = to->port;
	p->n = bytes.n;
	if (bytes.n > 0)
		memcpy(p->bytes, bytes.p, bytes.n);
	err = start_lookup(p, to->name);
	if (err != 0) {
		free(p);
		return err;
	}
	p->next = u->pending;
	if (p->next)
		p->next->prev = p;
	u->pending = p;
	u->npending++;
	u->pending_bytes += p->n;
	return 0;
}

static void forward(struct udp_relay *u, const struct dest *to, struct slice bytes)
{
	const struct endpoint at = { .ip = to->ip, .port = to->port };
	enum route_action way = route_find(u->ts->rules, u->ts->nrules, to);

	if (way == ROUTE_BLOCK)
		u->all->blocked++;
	else if (to->ip.family != IP_NONE)
		send_out(u, way == ROUTE_DIRECT, &at, bytes);
	else if (send_to_name(u, way == ROUTE_DIRECT, to, bytes) != 0)
		u->all->lost++;
}

/* Is it from our client? The first datagram tells the port if the request did not. */
static bool is_client(struct udp_relay *u, const struct endpoint *from)
{
	if (!ip_equal(&from->ip, &u->client.ip))
		return false;
	if (u->client.port == 0)
		u->client.port = from->port;
	return from->port == u->client.port;
}

static void on_local_received(uv_udp_t *udp, ssize_t n, const uv_buf_t *b, const struct sockaddr *sa, unsigned flags)
{
	struct udp_relay *u = udp->data;
	struct slice in = { .p = (const uint8_t *)b->base, .n = n > 0 ? (size_t)n : 0 }, payload;
	struct endpoint from;
	struct dest to;
	int err;

	if (n < 0 || !sa)
		return;
	endpoint_of(sa, &from);
	if (!is_client(u, &from)) {
		u->all->strangers++;
		return;
	}
	moved(u);
	err = flags & UV_UDP_PARTIAL ? VE_PROTO : socks_udp_parse(in, &to, &payload);
	if (err == VE_LIMIT)
		u->all->fragments++;
	else if (err != 0)
		u->all->malformed++;
	else
		forward(u, &to, payload);
	target_flush(u->ts);
}

/* --- from start to end --------------------------------------------------------------------------------- */

int udp_relay_new(struct udp_relay **ret, struct udp_relays *all, struct targets *ts, const struct ip *at,
		  const struct endpoint *client)
{
	struct udp_relay *u;
	int err;

	if (all->count >= UDP_ASSOCIATIONS_MAX)
		return VE_LIMIT;
	u = calloc(1, sizeof(*u));
	if (!u)
		return VE_NOMEM;
	u->all = all;
	u->ts = ts;
	u->client = *client;
	moved(u);
	err = udp_sock_new(&u->tunnel, ts->ns, 0, &tunnel_events, u);
	if (err != 0) {
		free(u);
		return err;
	}
	all->count++;
	err = open_udp(u, &u->local, at, on_local_received);
	if (err != 0) {
		udp_relay_close(u);
		return err == UV_EMFILE || err == UV_ENFILE ? VE_LIMIT : err == UV_ENOMEM ? VE_NOMEM : VE_LISTEN;
	}
	*ret = u;
	return 0;
}

void udp_relay_local(const struct udp_relay *u, struct endpoint *ret)
{
	struct sockaddr_storage sa = { .ss_family = AF_UNSPEC };
	int n = sizeof(sa);
	struct dest d;

	(void)uv_udp_getsockname(&u->local, (struct sockaddr *)&sa, &n);
	sockaddr_to_dest(&sa, &d);
	*ret = (struct endpoint){ .ip = d.ip, .port = d.port };
}

uint64_t udp_relay_moved_at(const struct udp_relay *u)
{
	return u->moved_at;
}

static void cancel_pending(struct pending *p)
{
	unlink_pending(p);
	if (p->direct) {
		(void)uv_cancel((uv_req_t *)&p->req); /* its callback comes either way, and frees */
		return;
	}
	lookup_free(p->lookup);
	free(p);
}

void udp_relay_close(struct udp_relay *u)
{
	if (!u)
		return;
	for (struct pending *p = u->pending, *next; p; p = next) {
		next = p->next;
		cancel_pending(p);
	}
	udp_sock_free(u->tunnel);
	u->all->count--;
	if (u->host4.udp.data)
		uv_close((uv_handle_t *)&u->host4.udp, on_handle_closed);
	if (u->host6.udp.data)
		uv_close((uv_handle_t *)&u->host6.udp, on_handle_closed);
	uv_close((uv_handle_t *)&u->local, on_handle_closed);
}
