/* SPDX-License-Identifier: GPL-3.0-or-later */
/* socks.h - SOCKS4, SOCKS4a and SOCKS5 behind one face; the first byte tells which.
 *
 * The machines themselves are socks4.h and socks5.h: pure, no socket, no clock, no allocation. Bytes of a client go in,
 * bytes for it and one decision come out.
 *
 *     loop: socks_input()  -> SOCKS_MORE       come back with more behind what was not taken
 *                          -> SOCKS_CONNECT    socks_dest(); then socks_connected() or socks_failed()
 *                          -> SOCKS_BIND       socks_dest() is the peer; then socks_bound() or socks_failed(), and
 *                                              after the peer came, or did not, socks_connected() or socks_failed()
 *                          -> SOCKS_ASSOCIATE  socks_dest() is where the client sends from (zeros: not known);
 *                                              then socks_connected() or socks_failed()
 *                          -> SOCKS_REFUSED    deliver what is in tx, then close
 *           socks_tx_peek(), socks_tx_consume() after each call */
#ifndef SOCKS_SOCKS_H
#define SOCKS_SOCKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/addr.h"
#include "core/bytes.h"
#include "socks/client_conf.h"
#include "socks/socks4.h"
#include "socks/socks5.h"
#include "socks/socks_event.h"


/* A caller with so much space never gets stuck: SOCKS5's messages are shorter. */
#define SOCKS_MESSAGE_MAX SOCKS4_MESSAGE_MAX

enum socks_version { SOCKS_NONE, SOCKS_4 = 4, SOCKS_5 = 5 };

struct socks {
	enum socks_version version;
	const struct proxy_auth *auth;
	union {
		struct socks4 v4;
		struct socks5 v5;
	} u;
};

/* @auth (lent): what SOCKS5 clients must know, and why SOCKS4 clients are refused; NULL: nobody is asked. */
void socks_init(struct socks *s, const struct proxy_auth *auth);

/* Look at @in, all bytes of the client that were not taken yet, from the oldest. Whole messages are taken
 * from its front: *ret_taken says how many bytes; the caller drops these and keeps the rest. After a request
 * the rest is the beginning of the client's payload. Returns what is next to do. Later calls take nothing
 * and return SOCKS_MORE after a request, SOCKS_REFUSED after a refusal. */
enum socks_event socks_input(struct socks *s, struct slice in, size_t *ret_taken);

/* From a request on. */
const struct dest *socks_dest(const struct socks *s);
/* From a refusal on: one static phrase for the log. */
const char *socks_why(const struct socks *s);
/* The refusal is about a wrong user or password: answer it late. */
bool socks_denied(const struct socks *s);

/* BIND: we listen at @at for the peer. */
void socks_bound(struct socks *s, const struct endpoint *at);
/* Success. @at: CONNECT our end of the connection, BIND the peer that came, ASSOCIATE where to send datagrams. Family
 * IP_NONE is sent as 0.0.0.0. */
void socks_connected(struct socks *s, const struct endpoint *at);
/* The VE_* @err chooses the reply code. */
void socks_failed(struct socks *s, int err);

/* Borrow what is to be sent to the client, until the next call that is not a peek. */
struct slice socks_tx_peek(const struct socks *s);
void socks_tx_consume(struct socks *s, size_t n);

#endif
