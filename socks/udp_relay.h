/* SPDX-License-Identifier: GPL-3.0-or-later */
/* udp_relay.h - one UDP ASSOCIATE: datagrams between a local client and anybody, RFC 1928 section 7.
 *
 * Each association has one port in the private network and, when the routes want it, one on this machine: what it sends
 * from there anybody may answer (endpoint-independent mapping, RFC 4787). Only its client may use it: datagrams from
 * another address are dropped, and so are those from another port than the client announced, or first sent from.
 *
 * Nothing is queued but datagrams whose name is being looked up; datagrams may be lost at every step, and are counted. */
#ifndef SOCKS_UDP_RELAY_H
#define SOCKS_UDP_RELAY_H

#include <stdint.h>
#include <uv.h>

#include "core/addr.h"
#include "socks/target.h"

struct udp_relay;

/* What associations share; one for the program, zeroed at first. Read only for others. */
struct udp_relays {
	unsigned count;            /* associations at present */
	uint64_t in, out;          /* datagrams to clients, from clients */
	uint64_t fragments;        /* dropped: FRAG is not 0 */
	uint64_t malformed;        /* dropped: no header of ours */
	uint64_t strangers;        /* dropped: not from the client */
	uint64_t blocked;          /* dropped: by a rule */
	uint64_t lost;             /* dropped: no room, no such name, unreachable */
	uint8_t received[65536];   /* where libuv puts a datagram, for the time of one callback */
};

/* Make a socket on @at (an address of ours) for the client at @client; its port is 0 if not known yet. @all and @ts are
 * lent. Returns 0, or VE_LIMIT (UDP_ASSOCIATIONS_MAX, UDP_SOCKS_MAX, descriptors), VE_NOMEM, VE_LISTEN. */
int udp_relay_new(struct udp_relay **ret, struct udp_relays *all, struct targets *ts, const struct ip *at,
		  const struct endpoint *client);

/* Where the client sends its datagrams. */
void udp_relay_local(const struct udp_relay *u, struct endpoint *ret);

/* When the last datagram passed, either way, by the loop's clock. */
uint64_t udp_relay_moved_at(const struct udp_relay *u);

/* Close; lookups under way are forgotten. The memory goes when libuv is done. NULL is fine. */
void udp_relay_close(struct udp_relay *u);

#endif
