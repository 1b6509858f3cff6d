/* SPDX-License-Identifier: GPL-3.0-or-later */
/* udp_socket.c - batches of datagrams.
 *
 * Receiving. libuv fills up to UDP_BATCH pieces of one large block with a single recvmmsg(); a piece is as long as the
 * longest datagram there is, because libuv wants it so. Only the pages that datagrams were written to cost memory.
 *
 * Sending. Datagrams are copied into a ring of UDP_BATCH places and offered to the kernel together, with sendmmsg(). If
 * it takes only some, the first of the others is given to uv_udp_send(), whose callback offers the rest again: so there
 * is never more queued than the ring holds. A datagram that the kernel refuses for a reason of its own (no route, too
 * long for the path, a firewall) is dropped, and the next one is tried.
 *
 *     sent . . . [head  .  .  .  tail) . . . free          lent: the one at the head belongs to libuv
 *
 * More than 20 at once must not be given to uv_udp_try_send2(): libuv 1.50 skips some of them. */
#include "core/udp_socket.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/err.h"
#include "core/limits.h"
#include "core/wire_addr.h"

#define PIECE 65536u /* libuv cuts the block into pieces of this size */

_Static_assert(UDP_BATCH <= 20, "see above");

struct place {
	union wire_addr to;
	size_t n;
	uint8_t bytes[UDP_DATAGRAM_MAX];
};

struct udp_socket {
	uv_udp_t socket;
	const struct udp_socket_events *ev;
	void *ctx;
	enum ip_family family;
	uint16_t port;
	bool closed;       /* udp_socket_close() was called: no more events */
	bool wanted_room;  /* somebody was told that there is none */
	bool lent;         /* libuv has the place at the head */
	uv_udp_send_t req; /* and this */
	unsigned head, count;
	uint64_t dropped;
	uint8_t *block;    /* UDP_BATCH pieces to receive into */
	struct place ring[UDP_BATCH];
};

/* --- receiving ------------------------------------------------------------------------------------------------ */

static void on_udp_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
	struct udp_socket *u = handle->data;

	(void)suggested;
	*buf = uv_buf_init((char *)u->block, UDP_BATCH * PIECE);
}

static void on_udp_recv(uv_udp_t *socket, ssize_t n, const uv_buf_t *buf, const struct sockaddr *from, unsigned flags)
{
	struct udp_socket *u = socket->data;
	struct endpoint at;

	if (u->closed)
		return;
	if (flags & UV_UDP_MMSG_FREE) {
		if (u->ev->batch_end)
			u->ev->batch_end(u->ctx);
		return;
	}
	if (n < 0 || !from) /* nothing there, or an old datagram of ours did not arrive */
		return;
	at = wire_addr_endpoint(from);
	u->ev->datagram(u->ctx, &at, (struct slice){ (const uint8_t *)buf->base, (size_t)n });
}

/* --- sending -------------------------------------------------------------------------------------------------- */

static struct place *place_at(struct udp_socket *u, unsigned i)
{
	return &u->ring[(u->head + i) % UDP_BATCH];
}

/* The first @n are done with. */
static void advance(struct udp_socket *u, unsigned n)
{
	u->head = (u->head + n) % UDP_BATCH;
	u->count -= n;
}

/* Offer the kernel all that there is. Returns how many it took, or libuv's code for the first. */
static int offer(struct udp_socket *u)
{
	uv_buf_t bufs[UDP_BATCH], *buf[UDP_BATCH];
	struct sockaddr *to[UDP_BATCH];
	unsigned one[UDP_BATCH];

	for (unsigned i = 0; i < u->count; i++) {
		struct place *p = place_at(u, i);

		bufs[i] = uv_buf_init((char *)p->bytes, (unsigned)p->n);
		buf[i] = &bufs[i];
		to[i] = &p->to.any;
		one[i] = 1;
	}
	return uv_udp_try_send2(&u->socket, u->count, buf, one, to, 0);
}

static void on_udp_sent(uv_udp_send_t *req, int status);

/* The kernel is full: libuv waits for it with the first one. */
static int lend(struct udp_socket *u)
{
	struct place *p = place_at(u, 0);
	uv_buf_t buf = uv_buf_init((char *)p->bytes, (unsigned)p->n);
	int r = uv_udp_send(&u->req, &u->socket, &buf, 1, &p->to.any, on_udp_sent);

	u->lent = r == 0;
	return r;
}

void udp_socket_flush(struct udp_socket *u)
{
	while (u->count > 0 && !u->lent) {
		int r = offer(u);

		if (r > 0) {
			advance(u, (unsigned)r);
			continue;
		}
		if (r == UV_EAGAIN && lend(u) == 0)
			return;
		u->dropped++;
		advance(u, 1);
	}
}

static void on_udp_sent(uv_udp_send_t *req, int status)
{
	struct udp_socket *u = req->handle->data;

	u->lent = false;
	u->dropped += status != 0;
	advance(u, 1);
	if (u->closed)
		return;
	udp_socket_flush(u);
	if (u->wanted_room && udp_socket_has_room(u)) {
		u->wanted_room = false;
		if (u->ev->room)
			u->ev->room(u->ctx);
	}
}

bool udp_socket_has_room(const struct udp_socket *u)
{
	return u->count < UDP_BATCH;
}

void udp_socket_send(struct udp_socket *u, const struct endpoint *to, struct slice bytes)
{
	struct place *p;

	if (u->count == UDP_BATCH)
		udp_socket_flush(u);
	if (u->count == UDP_BATCH || bytes.n > UDP_DATAGRAM_MAX || to->ip.family != u->family) {
		u->dropped++;
		return;
	}
	p = place_at(u, u->count++);
	p->to = wire_addr_of(to);
	p->n = bytes.n;
	if (bytes.n > 0)
		memcpy(p->bytes, bytes.p, bytes.n);
	if (u->count == UDP_BATCH)
		udp_socket_flush(u);
	u->wanted_room = u->count == UDP_BATCH;
}

uint64_t udp_socket_dropped(const struct udp_socket *u)
{
	return u->dropped;
}

/* --- life ----------------------------------------------------------------------------------------------------- */

static void on_udp_closed(uv_handle_t *handle)
{
	struct udp_socket *u = handle->data;

	free(u->block);
	free(u);
}

static int bind_and_listen(struct udp_socket *u)
{
	union wire_addr at = wire_addr_any(u->family);
	int len = sizeof(at), wanted = UDP_SOCKET_BYTES, r;

	r = uv_udp_bind(&u->socket, &at.any, u->family == IP_V6 ? UV_UDP_IPV6ONLY : 0);
	if (r == 0)
		r = uv_udp_getsockname(&u->socket, &at.any, &len);
	if (r != 0)
		return r;
	u->port = wire_addr_endpoint(&at.any).port;
	/* The system may allow less; then a busy moment costs datagrams, as it may anywhere on the way. */
	uv_recv_buffer_size((uv_handle_t *)&u->socket, &wanted);
	uv_send_buffer_size((uv_handle_t *)&u->socket, &wanted);
	return uv_udp_recv_start(&u->socket, on_udp_alloc, on_udp_recv);
}

int udp_socket_open(struct udp_socket **ret, uv_loop_t *loop, enum ip_family family,
		    const struct udp_socket_events *ev, void *ctx)
{
	unsigned af = family == IP_V6 ? AF_INET6 : AF_INET;
	struct udp_socket *u = calloc(1, sizeof(*u));

	if (!u)
		return VE_NOMEM;
	u->ev = ev;
	u->ctx = ctx;
	u->family = family;
	u->block = malloc(UDP_BATCH * PIECE);
	if (!u->block) {
		free(u);
		return VE_NOMEM;
	}
	if (uv_udp_init_ex(loop, &u->socket, af | UV_UDP_RECVMMSG) != 0) {
		free(u->block);
		free(u);
		return VE_IO;
	}
	u->socket.data = u;
	if (bind_and_listen(u) != 0) {
		udp_socket_close(u);
		return VE_IO;
	}
	*ret = u;
	return 0;
}

uint16_t udp_socket_port(const struct udp_socket *u)
{
	return u->port;
}

void udp_socket_close(struct udp_socket *u)
{
	if (!u)
		return;
	u->closed = true;
	uv_close((uv_handle_t *)&u->socket, on_udp_closed);
}

int udp_socket_local_ip(const struct endpoint *to, struct ip *ret)
{
	union wire_addr a = wire_addr_of(to);
	socklen_t len = to->ip.family == IP_V6 ? sizeof(a.v6) : sizeof(a.v4);
	int fd = socket(a.any.sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0), err = VE_IO;

	if (fd < 0)
		return VE_IO;
	/* Connecting sends nothing: it only picks the route. */
	if (connect(fd, &a.any, len) == 0) {
		len = sizeof(a);
		if (getsockname(fd, &a.any, &len) == 0) {
			*ret = wire_addr_endpoint(&a.any).ip;
			err = 0;
		}
	}
	close(fd);
	return err;
}
