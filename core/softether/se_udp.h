/* SPDX-License-Identifier: GPL-3.0-or-later */
/* se_udp.h - UDP acceleration: frames as single datagrams beside the TCP connections (softether-protocol.md 8). Pure.
 *
 * Both sides send keep-alives that echo the other's clock. Only an echo of our own clock proves that both directions work;
 * when that has held for ten seconds all frames go by UDP, and when it fails, by TCP again. */
#ifndef SOFTETHER_SE_UDP_H
#define SOFTETHER_SE_UDP_H

#include <stdbool.h>
#include <stdint.h>

#include "core/addr.h"
#include "core/bytes.h"
#include "core/limits.h"
#include "core/session.h"

#define SE_UDP_KEY1_SIZE 20u
#define SE_UDP_KEY2_SIZE 128u /* of which 32 are the key */
#define SE_UDP_DATAGRAM_MAX (FRAME_MAX + 128u)

/* What both sides said in login and Welcome, 8.1. */
struct se_udp_terms {
	unsigned version; /* 1 or 2 */
	bool fast;        /* udp_accel_fast_disconnect_detect */
	uint32_t our_cookie, their_cookie; /* not 0 */
	uint8_t our_key1[SE_UDP_KEY1_SIZE], their_key1[SE_UDP_KEY1_SIZE];
	uint8_t our_key2[SE_UDP_KEY2_SIZE], their_key2[SE_UDP_KEY2_SIZE];
	struct endpoint primary;   /* the TCP peer's address (or the real server of an Azure session) : the server's port */
	struct endpoint secondary; /* what the server said; family IP_NONE if the same or of another family */
};

struct se_udp;

/* Returns 0 or VE_NOMEM. @t is copied, @env lent. Addresses that nobody may send to (0, groups, all) are left out. */
int se_udp_new(struct se_udp **ret, const struct se_udp_terms *t, const struct session_env *env, uint64_t now_ms);
void se_udp_free(struct se_udp *u); /* wipes keys; NULL is fine */

/* One datagram. Returns 1 with *ret (a frame in @u, borrowed until the next call) and *ret_compressed; 0 if it was a
 * keep-alive; VE_PROTO if it was none of ours, forged or too old: dropped and counted. */
int se_udp_input(struct se_udp *u, const struct endpoint *from, struct slice datagram, struct slice *ret,
		 bool *ret_compressed, uint64_t now_ms);

/* Is UDP proven now? If so frames go by se_udp_seal(), else by TCP. */
bool se_udp_ready(const struct se_udp *u, uint64_t now_ms);

/* Seal one frame of @nv pieces, none of them in @to, into @to, for *ret_to. Returns its size, 0 if it is empty or too
 * long, or if there is nowhere to send to. */
size_t se_udp_seal(struct se_udp *u, const struct slice *v, size_t nv, bool compressed,
		   uint8_t to[static SE_UDP_DATAGRAM_MAX], struct endpoint *ret_to, uint64_t now_ms);

/* The next keep-alive to be sent: into @to, for *ret_to. Returns its size, 0 if none is due. Several may be due at once
 * (to all addresses known) as long as UDP is not ready. */
size_t se_udp_keepalive(struct se_udp *u, uint8_t to[static SE_UDP_DATAGRAM_MAX], struct endpoint *ret_to,
			uint64_t now_ms);

/* The server told the port its NAT shows, in a TCP keep-alive (6.3): "NATT_MY_PORT", "NATT_MY_IP". 0, IP_NONE: not told. */
void se_udp_their_nat(struct se_udp *u, uint16_t port, const struct ip *ip);

/* When se_udp_keepalive() wants to be asked, or se_udp_ready() may change by itself; ask se_udp_keepalive() in both
 * cases: it is the one that learns the time. */
uint64_t se_udp_deadline(const struct se_udp *u);

/* The largest frame whose datagram is not fragmented on a path of 1500 bytes; for the MSS (8.7). */
uint16_t se_udp_frame_max(const struct se_udp *u);

#endif
