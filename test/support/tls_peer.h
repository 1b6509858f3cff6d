/* SPDX-License-Identifier: GPL-3.0-or-later */
/* tls_peer.h - a TLS server in memory, for tests. Ciphertext in and out are unbounded queues: it takes and
 * gives what the test moves. Mistakes of the test itself abort. */
#ifndef TEST_TLS_PEER_H
#define TEST_TLS_PEER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/bytes.h"

struct tls_peer;

struct tls_peer_conf {
	const char *chain;   /* "good sub-ca": files of test/data/certs, the server's own first */
	const char *key;     /* its key there, without ".key"; NULL: "rsa" */
	int max_version;     /* 10..13; 0: 13 */
	const char *ciphers; /* wolfSSL's names; NULL: all */
	const char *dh;      /* file with Diffie-Hellman parameters; NULL: none */
};

struct tls_peer *tls_peer_new(const struct tls_peer_conf *c);
void tls_peer_free(struct tls_peer *p);

/* Ciphertext from the client. */
void tls_peer_in(struct tls_peer *p, const void *bytes, size_t n);
/* Ciphertext for the client: borrow all, then drop what was moved. */
struct slice tls_peer_out(struct tls_peer *p);
void tls_peer_consume(struct tls_peer *p, size_t n);

/* Advance the handshake. 1: done, 0: needs more, -1: failed; see tls_peer_error(). */
int tls_peer_shake(struct tls_peer *p);
/* wolfSSL's code of the failure; the number of the alert the client sent, or -1. */
int tls_peer_error(const struct tls_peer *p);
int tls_peer_alert(const struct tls_peer *p);
/* The name that the client asked for with SNI, "" if none. */
const char *tls_peer_sni(struct tls_peer *p);
const char *tls_peer_cipher(struct tls_peer *p);

/* Decrypt at most @cap bytes: how many, 0: none there, -1: end or failure. */
long tls_peer_read(struct tls_peer *p, void *to, size_t cap);
/* Encrypt @n bytes, all of them. */
void tls_peer_write(struct tls_peer *p, const void *from, size_t n);
/* TLS 1.3: ask the client for new keys (and an answer). */
void tls_peer_update_keys(struct tls_peer *p);
/* Send close_notify. */
void tls_peer_shutdown(struct tls_peer *p);

#endif
