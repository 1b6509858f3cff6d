/* SPDX-License-Identifier: GPL-3.0-or-later */
/* socks5.h - the server side of SOCKS5 (RFC 1928), as a pure machine.
 *
 * Bytes of a client go in, bytes for it and one decision come out: where it wants to be connected, or that it
 * is refused. No socket, no clock, no allocation. CONNECT without authentication is served; the other
 * commands, address types and methods get the code that RFC 1928 has for "not supported". What is no SOCKS5
 * at all gets an answer that its sender understands, where there is one: SOCKS4 its rejection, HTTP a 501
 * that says what this port speaks.
 *
 *     loop: socks5_input()  -> SOCKS5_MORE      come back with more behind what was not taken
 *                           -> SOCKS5_CONNECT   s->dest; then socks5_connected() or socks5_failed()
 *                           -> SOCKS5_REFUSED   deliver what is in tx, then close
 *           socks5_tx_peek(), socks5_tx_consume() after each call */
#ifndef SOCKS_SOCKS5_H
#define SOCKS_SOCKS5_H

#include <stddef.h>
#include <stdint.h>

#include "core/addr.h"
#include "core/bytes.h"

/* The longest message of a client: a request with a name, 4 + 1 + 255 + 2. A caller with so much space
 * never gets stuck; a greeting is shorter (2 + 255). */
#define SOCKS5_MESSAGE_MAX 262u

/* All that one client is ever sent: method choice and reply are 2 + 22, the HTTP answer is the longest. */
#define SOCKS5_TX_MAX 512u

enum socks5_event { SOCKS5_MORE, SOCKS5_CONNECT, SOCKS5_REFUSED };

enum socks5_state {
	SOCKS5_ST_GREETING,   /* waiting for version and methods */
	SOCKS5_ST_REQUEST,    /* "no authentication" was chosen: waiting for the request */
	SOCKS5_ST_CONNECTING, /* the caller knows the destination and owes us the outcome */
	SOCKS5_ST_CONNECTED,  /* success is in tx; all further bytes are payload and none of our business */
	SOCKS5_ST_REFUSED,    /* the refusal is in tx; there is nothing more to say */
};

struct socks5 {
	enum socks5_state state;
	struct dest dest; /* from SOCKS5_CONNECT on */
	const char *why;  /* from a refusal on: one static phrase for the log */
	uint16_t tx_head, tx_tail;
	uint8_t tx[SOCKS5_TX_MAX];
};

void socks5_init(struct socks5 *s);

/* Look at @in, all bytes of the client that were not taken yet, from the oldest. Whole messages are taken
 * from its front: *ret_taken says how many bytes; the caller drops these and keeps the rest. After
 * SOCKS5_CONNECT the rest is the beginning of the client's payload. Returns what is next to do. Later
 * calls take nothing and return SOCKS5_MORE after a SOCKS5_CONNECT, SOCKS5_REFUSED after a refusal. */
enum socks5_event socks5_input(struct socks5 *s, struct slice in, size_t *ret_taken);

/* The outcome that SOCKS5_CONNECT asks for, exactly once: the connection is open, from @local and
 * @local_port (BND.ADDR and BND.PORT; family IP_NONE is sent as 0.0.0.0); or it failed with the VE_* @err,
 * which chooses the reply code. */
void socks5_connected(struct socks5 *s, const struct ip *local, uint16_t local_port);
void socks5_failed(struct socks5 *s, int err);

/* Borrow what is to be sent to the client, until the next call that is not a peek. */
struct slice socks5_tx_peek(const struct socks5 *s);
void socks5_tx_consume(struct socks5 *s, size_t n);

#endif
