/* SPDX-License-Identifier: GPL-3.0-or-later */
/* udp_socket.h - a UDP socket for the datagrams of a session, on libuv.
 *
 * Best effort, as UDP is: what cannot be sent is dropped and counted, and what the network reports about it (refused,
 * unreachable) is ignored. Sent and received in batches, a few system calls for many datagrams. At most UDP_BATCH
 * datagrams are queued; when the kernel takes no more, udp_socket_has_room() says so and room() tells when it does
 * again. */
#ifndef CORE_UDP_SOCKET_H
#define CORE_UDP_SOCKET_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "core/addr.h"
#include "core/bytes.h"

struct udp_socket;

struct udp_socket_events {
	/* One datagram came, borrowed for the call. */
	void (*datagram)(void *ctx, const struct endpoint *from, struct slice bytes);
	/* The batch that these came in is over. NULL: nobody asks. */
	void (*batch_end)(void *ctx);
	/* There is room again, after udp_socket_has_room() said no. NULL: nobody asks. */
	void (*room)(void *ctx);
};

/* Open a socket of @family, bound to its wildcard address and a port of the system's choice: so it goes on working when
 * the machine gets another address. @ev and @ctx are lent until udp_socket_close(). No event before this returns.
 * Returns 0, VE_NOMEM, or VE_IO. */
int udp_socket_open(struct udp_socket **ret, uv_loop_t *loop, enum ip_family family,
		    const struct udp_socket_events *ev, void *ctx);

uint16_t udp_socket_port(const struct udp_socket *u);

bool udp_socket_has_room(const struct udp_socket *u);

/* Queue a copy of @bytes for @to; it leaves with udp_socket_flush(), or when the batch is full. Dropped if there is no
 * room, if it is longer than UDP_DATAGRAM_MAX, or if @to is of another family than the socket. */
void udp_socket_send(struct udp_socket *u, const struct endpoint *to, struct slice bytes);
void udp_socket_flush(struct udp_socket *u);

/* How many datagrams were given to udp_socket_send() and not to the kernel. */
uint64_t udp_socket_dropped(const struct udp_socket *u);

/* Close; what is queued is lost. No event after this call; freed when libuv is done. Safe inside any event. NULL is
 * fine. */
void udp_socket_close(struct udp_socket *u);

/* The address this machine sends from to @to, by its routing table. Returns 0, or VE_IO with *ret untouched. */
int udp_socket_local_ip(const struct endpoint *to, struct ip *ret);

#endif
