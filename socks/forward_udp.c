/* SPDX-License-Identifier: GPL-3.0-or-later */
/* forward_udp.c - UDP through the tunnel, see forward_udp.h.
 *
 * Theory of operation
 *
 *     -L   local peer -- host socket (door) --- udp_sock of this peer ---- destination in the private network
 *     -R   private peer -- udp_sock (door) ---- host socket of this peer -- destination, seen from this machine
 *
 * All peers of all forwards are in one ring, the one that was silent longest first: it goes when the ring is full, or when
 * it was silent for FORWARD_IDLE_MS.
 *
 * A destination that is a name is looked up when it is first needed, where it lies, and again when what we know is older
 * than FORWARD_NAME_MS; until the new answer is there the old one is used.
 *
 * libuv's handles die later than they are closed: peers and forwards count what refers to them. */
#include "socks/forward_udp.h"

#include <netdb.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "core/limits.h"
#include "core/log.h"
#include "core/route.h"
#include "netstack/lookup.h"
#include "netstack/udp.h"
#include "socks/sockaddr.h"

struct forward_peer {
	struct forward_udp *u;
	struct forward_peer *prev, *next; /* of all->oldest */
	struct endpoint who;     /* at the door */
	uint64_t moved_at;
	struct udp_sock *tunnel; /* -L */
	uv_udp_t host;           /* -R; open if its data is set */
	uint8_t *waiting;        /* a datagram for a destination without an address yet */
	size_t nwaiting;
};

struct forward_udp {
	struct forward_udps *all;
	struct dest to;
	bool remote;
	bool blocked;          /* by the routes */
	uv_udp_t host;         /* the door of -L */
	struct udp_sock *sock; /* the door of -R */
	struct endpoint dest;  /* family IP_NONE: not known */
	uint64_t known_at;
	struct lookup *lookup; /* -L, while it is under way */
	uv_getaddrinfo_t req;  /* -R */
	bool asking;           /* one of them is */
	bool closing;
	unsigned refs; /* handles, requests, and the owner */
};

static uint64_t now(const struct forward_udp *u)
{
	return uv_now(u->all->ts->loop);
}

static void unref(struct forward_udp *u)
{
	struct forward_udps *all = u->all;

	if (--u->refs > 0)
		return;
	free(u);
	all->closed(all->ctx);
}

static void endpoint_of(const struct sockaddr *sa, struct endpoint *ret)
{
	struct sockaddr_storage copy = { .ss_family = AF_UNSPEC };
	struct dest d;

	memcpy(&copy, sa, sa->sa_family == AF_INET6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in));
	sockaddr_to_dest(&copy, &d);
	*ret = (struct endpoint){ .ip = d.ip, .port = d.port };
}

static void sockaddr_of(const struct endpoint *e, struct sockaddr_storage *ret)
{
	const struct dest d = { .ip = e->ip, .port = e->port };

	sockaddr_from_dest(&d, ret);
}

static void count(struct forward_udp *u, bool passed)
{
	if (passed)
		u->all->datagrams++;
	else
		u->all->lost++;
}

/* At once or not at all. @to NULL: where the socket is connected to. */
static bool host_send(uv_udp_t *from, const struct endpoint *to, struct slice bytes)
{
	uv_buf_t b = uv_buf_init((char *)(uintptr_t)bytes.p, (unsigned)bytes.n);
	struct sockaddr_storage sa;

	if (to)
		sockaddr_of(to, &sa);
	return uv_udp_try_send(from, &b, 1, to ? (const struct sockaddr *)&sa : NULL) >= 0;
}

/* --- peers --------------------------------------------------------------------------------------------- */

static void unlink_peer(struct forward_peer *p)
{
	struct forward_udps *all = p->u->all;

	*(p->prev ? &p->prev->next : &all->oldest) = p->next;
	*(p->next ? &p->next->prev : &all->newest) = p->prev;
}

static void append_peer(struct forward_peer *p)
{
	struct forward_udps *all = p->u->all;

	p->prev = all->newest;
	p->next = NULL;
	*(p->prev ? &p->prev->next : &all->oldest) = p;
	all->newest = p;
}

static void moved(struct forward_peer *p)
{
	p->moved_at = now(p->u);
	unlink_peer(p);
	append_peer(p);
}

static void on_peer_closed(uv_handle_t *h)
{
	struct forward_peer *p = h->data;
	struct forward_udp *u = p->u;

	free(p);
	unref(u);
}

static void close_peer(struct forward_peer *p)
{
	unlink_peer(p);
	p->u->all->npeers--;
	udp_sock_free(p->tunnel);
	p->tunnel = NULL;
	free(p->waiting);
	p->waiting = NULL;
	if (p->host.data)
		uv_close((uv_handle_t *)&p->host, on_peer_closed);
	else
		free(p);
}

static void on_tunnel_answer(void *ctx, const struct endpoint *from, struct slice bytes)
{
	struct forward_peer *p = ctx;

	if (!endpoint_equal(from, &p->u->dest)) {
		p->u->all->lost++;
		return;
	}
	moved(p);
	count(p->u, host_send(&p->u->host, &p->who, bytes));
}

static const struct udp_events answer_events = { .received = on_tunnel_answer };

/* The peer @who, made if there was none. NULL: no memory, no port. */
static struct forward_peer *find_peer(struct forward_udp *u, const struct endpoint *who)
{
	struct forward_udps *all = u->all;
	struct forward_peer *p;

	for (p = all->newest; p; p = p->prev)
		if (p->u == u && endpoint_equal(&p->who, who))
			return p;
	if (all->npeers >= FORWARD_PEERS_MAX)
		close_peer(all->oldest);
	p = calloc(1, sizeof(*p));
	if (!p)
		return NULL;
	p->u = u;
	p->who = *who;
	p->moved_at = now(u);
	if (!u->remote && udp_sock_new(&p->tunnel, all->ts->ns, 0, &answer_events, p) != 0) {
		free(p);
		return NULL;
	}
	append_peer(p);
	all->npeers++;
	return p;
}

/* --- to the destination -------------------------------------------------------------------------------- */

static void on_alloc(uv_handle_t *h, size_t suggested, uv_buf_t *ret)
{
	struct forward_peer *p = h->data;

	(void)suggested;
	*ret = uv_buf_init((char *)p->u->all->received, sizeof(p->u->all->received));
}

static void on_host_answer(uv_udp_t *udp, ssize_t n, const uv_buf_t *b, const struct sockaddr *sa, unsigned flags)
{
	struct forward_peer *p = udp->data;
	struct slice bytes = { .p = (const uint8_t *)b->base, .n = n > 0 ? (size_t)n : 0 };

	(void)flags;
	if (n < 0 || !sa || p->u->closing)
		return; /* nothing there, or an error about what was sent before */
	moved(p);
	count(p->u, udp_sock_send(p->u->sock, &p->who, bytes) == 0);
	target_flush(p->u->all->ts);
}

/* A socket for @p that hears nobody but the destination. */
static bool open_host(struct forward_peer *p)
{
	struct sockaddr_storage sa;

	if (p->host.data)
		return true;
	sockaddr_of(&p->u->dest, &sa);
	uv_udp_init(p->u->all->ts->loop, &p->host); /* without a socket to make it cannot fail */
	p->host.data = p;
	p->u->refs++;
	return uv_udp_connect(&p->host, (const struct sockaddr *)&sa) == 0 &&
	       uv_udp_recv_start(&p->host, on_alloc, on_host_answer) == 0;
}

static void send_out(struct forward_peer *p, struct slice bytes)
{
	if (!p->u->remote)
		count(p->u, udp_sock_send(p->tunnel, &p->u->dest, bytes) == 0);
	else
		count(p->u, open_host(p) && host_send(&p->host, NULL, bytes));
}

static void keep(struct forward_peer *p, struct slice bytes)
{
	if (!p->waiting && bytes.n > 0)
		p->waiting = malloc(bytes.n);
	else
		bytes.n = 0;
	if (bytes.n == 0 || !p->waiting) {
		p->u->all->lost++;
		return;
	}
	memcpy(p->waiting, bytes.p, bytes.n);
	p->nwaiting = bytes.n;
}

/* Its name has an address, or none. */
static void on_resolved(struct forward_udp *u, const struct ip *ip)
{
	struct forward_peer *next;

	u->asking = false;
	u->known_at = now(u);
	if (ip)
		u->dest = (struct endpoint){ .ip = *ip, .port = u->to.port };
	else
		log_debug("forward: %s has no address now", u->to.name);
	for (struct forward_peer *p = u->all->oldest; p; p = next) {
		next = p->next;
		if (p->u != u || !p->waiting)
			continue;
		if (u->dest.ip.family != IP_NONE)
			send_out(p, (struct slice){ .p = p->waiting, .n = p->nwaiting });
		else
			u->all->lost++;
		free(p->waiting);
		p->waiting = NULL;
	}
}

static void on_looked_up(void *ctx, int err, const struct ip *ips, unsigned n)
{
	struct forward_udp *u = ctx;

	lookup_free(u->lookup);
	u->lookup = NULL;
	on_resolved(u, err == 0 && n > 0 ? &ips[0] : NULL);
}

static void on_host_looked_up(uv_getaddrinfo_t *req, int status, struct addrinfo *all)
{
	struct forward_udp *u = req->data;
	struct endpoint first = { .ip = { .family = IP_NONE } };

	if (status == 0 && all)
		endpoint_of(all->ai_addr, &first);
	uv_freeaddrinfo(all);
	if (!u->closing)
		on_resolved(u, first.ip.family != IP_NONE ? &first.ip : NULL);
	unref(u);
}

static void ask(struct forward_udp *u)
{
	static const struct addrinfo hints = { .ai_socktype = SOCK_DGRAM, .ai_flags = AI_ADDRCONFIG };

	if (u->asking || u->to.ip.family != IP_NONE)
		return;
	if (u->dest.ip.family != IP_NONE && now(u) - u->known_at < FORWARD_NAME_MS)
		return;
	if (!u->remote) {
		u->asking = lookup_new(&u->lookup, u->all->ts->ns, u->to.name, on_looked_up, u) == 0;
		return;
	}
	u->req.data = u;
	u->asking = uv_getaddrinfo(u->all->ts->loop, &u->req, on_host_looked_up, u->to.name, NULL, &hints) == 0;
	u->refs += u->asking;
}

static void pass_on(struct forward_udp *u, const struct endpoint *from, struct slice bytes)
{
	struct forward_peer *p = u->blocked ? NULL : find_peer(u, from);

	if (!p) {
		u->all->lost++;
		return;
	}
	moved(p);
	ask(u);
	if (u->dest.ip.family != IP_NONE)
		send_out(p, bytes);
	else if (u->asking)
		keep(p, bytes);
	else
		u->all->lost++;
}

/* --- doors --------------------------------------------------------------------------------------------- */

static void on_door_alloc(uv_handle_t *h, size_t suggested, uv_buf_t *ret)
{
	struct forward_udp *u = h->data;

	(void)suggested;
	*ret = uv_buf_init((char *)u->all->received, sizeof(u->all->received));
}

static void on_door_host(uv_udp_t *udp, ssize_t n, const uv_buf_t *b, const struct sockaddr *sa, unsigned flags)
{
	struct forward_udp *u = udp->data;
	struct endpoint from;

	(void)flags;
	if (n < 0 || !sa)
		return;
	endpoint_of(sa, &from);
	pass_on(u, &from, (struct slice){ .p = (const uint8_t *)b->base, .n = (size_t)n });
	target_flush(u->all->ts);
}

static void on_door_tunnel(void *ctx, const struct endpoint *from, struct slice bytes)
{
	pass_on(ctx, from, bytes);
}

static const struct udp_events door_events = { .received = on_door_tunnel };

static int open_local(struct forward_udp *u, const struct dest *at, struct fault *f)
{
	struct sockaddr_storage sa;
	char text[DEST_TEXT_MAX];
	int err;

	if (at->ip.family == IP_NONE) {
		fault_set_final(f, VE_LISTEN, "-L %s/udp: not an address of this machine", dest_text(at, text));
		return VE_LISTEN;
	}
	sockaddr_from_dest(at, &sa);
	uv_udp_init(u->all->ts->loop, &u->host); /* without a socket to make it cannot fail */
	u->host.data = u;
	u->refs++;
	err = uv_udp_bind(&u->host, (const struct sockaddr *)&sa, at->ip.family == IP_V6 ? UV_UDP_IPV6ONLY : 0);
	if (err == 0)
		err = uv_udp_recv_start(&u->host, on_door_alloc, on_door_host);
	if (err == 0)
		return 0;
	fault_set_final(f, VE_LISTEN, "-L %s/udp: %s; choose a different port", dest_text(at, text), uv_strerror(err));
	return VE_LISTEN;
}

static int open_remote(struct forward_udp *u, uint16_t port, struct fault *f)
{
	int r = udp_sock_new(&u->sock, u->all->ts->ns, port, &door_events, u);

	if (r == VE_LISTEN)
		fault_set_final(f, r, "-R %u/udp: the port is taken; choose a different one", (unsigned)port);
	else if (r != 0)
		fault_set_final(f, r, "-R %u/udp: %s", (unsigned)port, ve_name(r));
	return r;
}

int forward_udp_new(struct forward_udp **ret, struct forward_udps *all, const struct forward *fwd, bool remote,
		    struct fault *f)
{
	struct forward_udp *u = *ret = calloc(1, sizeof(*u));

	if (!u) {
		fault_set_final(f, VE_NOMEM, "forward: %s", ve_name(VE_NOMEM));
		return VE_NOMEM;
	}
	u->all = all;
	u->to = fwd->to;
	u->remote = remote;
	u->refs = 1;
	u->dest = (struct endpoint){ .ip = fwd->to.ip, .port = fwd->to.port };
	u->blocked = !remote && route_find(all->ts->rules, all->ts->nrules, &u->to) == ROUTE_BLOCK;
	return remote ? open_remote(u, fwd->from.at.port, f) : open_local(u, &fwd->from.at, f);
}

uint16_t forward_udp_port(const struct forward_udp *u)
{
	struct sockaddr_storage sa = { .ss_family = AF_UNSPEC };
	struct endpoint e = { .port = 0 };
	int n = sizeof(sa);

	if (u->remote)
		udp_sock_local(u->sock, &e);
	else if (uv_udp_getsockname(&u->host, (struct sockaddr *)&sa, &n) == 0)
		endpoint_of((const struct sockaddr *)&sa, &e);
	return e.port;
}

void forward_udps_tick(struct forward_udps *all, uint64_t now_ms)
{
	while (all->oldest && now_ms >= all->oldest->moved_at + FORWARD_IDLE_MS)
		close_peer(all->oldest);
}

static void on_door_closed(uv_handle_t *h)
{
	unref(h->data);
}

void forward_udp_close(struct forward_udp *u)
{
	struct forward_peer *next;

	u->closing = true;
	for (struct forward_peer *p = u->all->oldest; p; p = next) {
		next = p->next;
		if (p->u == u)
			close_peer(p);
	}
	lookup_free(u->lookup);
	if (u->remote && u->asking)
		(void)uv_cancel((uv_req_t *)&u->req); /* its callback comes either way */
	udp_sock_free(u->sock);
	if (u->host.data)
		uv_close((uv_handle_t *)&u->host, on_door_closed);
	unref(u);
}
