/* SPDX-License-Identifier: GPL-3.0-or-later */
/* socks4.h - the server side of SOCKS4 and SOCKS4a, as a pure machine.
 *
 * Facts: Ying-Da Lee's memos "SOCKS: A protocol for TCP proxy across firewalls" and "SOCKS 4A: A Simple Extension to
 * SOCKS 4 Protocol". CONNECT and BIND are served. The user id is read over: it proves nothing, so a port that wants a
 * password refuses SOCKS4. How it is used: socks.h. */
#ifndef SOCKS_SOCKS4_H
#define SOCKS_SOCKS4_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/addr.h"
#include "core/bytes.h"
#include "core/limits.h"
#include "socks/socks_event.h"

/* VN CD DSTPORT DSTIP, user id and name, each with its NUL. */
#define SOCKS4_MESSAGE_MAX (8u + SOCKS4_USER_MAX + 1u + HOST_MAX + 1u)

/* BIND has two replies. */
#define SOCKS4_TX_MAX 16u

enum socks4_state {
	SOCKS4_ST_REQUEST,
	SOCKS4_ST_CONNECTING, /* the caller knows the destination and owes us the outcome */
	SOCKS4_ST_BOUND,      /* BIND: the first reply was given, the caller owes us the second */
	SOCKS4_ST_CONNECTED,  /* all further bytes are payload and none of our business */
	SOCKS4_ST_REFUSED,    /* the refusal is in tx; there is nothing more to say */
};

struct socks4 {
	enum socks4_state state;
	bool auth_wanted;
	bool is_bind;
	struct dest dest;
	const char *why;
	uint8_t tx_head, tx_tail;
	uint8_t tx[SOCKS4_TX_MAX];
};

/* @auth_wanted: every request is refused. */
void socks4_init(struct socks4 *s, bool auth_wanted);

/* These as in socks.h. */
enum socks_event socks4_input(struct socks4 *s, struct slice in, size_t *ret_taken);
void socks4_bound(struct socks4 *s, const struct endpoint *at);
void socks4_connected(struct socks4 *s, const struct endpoint *at);
void socks4_failed(struct socks4 *s, int err);
struct slice socks4_tx_peek(const struct socks4 *s);
void socks4_tx_consume(struct socks4 *s, size_t n);

#endif
