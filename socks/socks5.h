/* SPDX-License-Identifier: GPL-3.0-or-later */
/* socks5.h - the server side of SOCKS5 (RFC 1928) and of its passwords (RFC 1929), as a pure machine.
 *
 * Bytes of a client go in, bytes for it and one decision come out. No socket, no clock, no allocation. CONNECT, BIND and
 * UDP ASSOCIATE are served; other commands, address types and methods get the code that RFC 1928 has for "not
 * supported". How it is used: socks.h. */
#ifndef SOCKS_SOCKS5_H
#define SOCKS_SOCKS5_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/addr.h"
#include "core/bytes.h"
#include "socks/client_conf.h"
#include "socks/socks_event.h"

/* The longest message of a client: a login, 1 + 1 + 255 + 1 + 255. A caller with so much space never gets stuck; a
 * request with a name has 4 + 1 + 255 + 2, a greeting 2 + 255. */
#define SOCKS5_MESSAGE_MAX 513u

/* All that one client is ever sent: method choice, login status, and the two replies of BIND. */
#define SOCKS5_TX_MAX (2u + 2u + 22u + 22u)

enum socks5_state {
	SOCKS5_ST_GREETING,   /* waiting for version and methods */
	SOCKS5_ST_LOGIN,      /* user and password were asked for */
	SOCKS5_ST_REQUEST,    /* waiting for the request */
	SOCKS5_ST_CONNECTING, /* the caller knows the destination and owes us the outcome */
	SOCKS5_ST_BOUND,      /* BIND: the first reply was given, the caller owes us the second */
	SOCKS5_ST_CONNECTED,  /* success is in tx; all further bytes are payload and none of our business */
	SOCKS5_ST_REFUSED,    /* the refusal is in tx; there is nothing more to say */
};

struct socks5 {
	enum socks5_state state;
	const struct proxy_auth *auth;
	uint8_t command;
	bool denied;      /* refused for a wrong user or password */
	struct dest dest; /* from a request on */
	const char *why;  /* from a refusal on: one static phrase for the log */
	uint8_t tx_head, tx_tail;
	uint8_t tx[SOCKS5_TX_MAX];
};

/* @auth (lent): who is let in; NULL: everybody. */
void socks5_init(struct socks5 *s, const struct proxy_auth *auth);

/* These as in socks.h. */
enum socks_event socks5_input(struct socks5 *s, struct slice in, size_t *ret_taken);
void socks5_bound(struct socks5 *s, const struct endpoint *at);
void socks5_connected(struct socks5 *s, const struct endpoint *at);
void socks5_failed(struct socks5 *s, int err);
struct slice socks5_tx_peek(const struct socks5 *s);
void socks5_tx_consume(struct socks5 *s, size_t n);

#endif
