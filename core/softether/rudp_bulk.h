/* SPDX-License-Identifier: GPL-3.0-or-later */
/* rudp_bulk.h - frames as single datagrams beside an R-UDP stream (softether-protocol.md 9.5). Pure; version 1 (20-byte
 * keys: RC4 with HMAC-SHA1 or SHA-1) and version 2 (32-byte keys: ChaCha20-Poly1305), told apart by the length of the
 * keys. No acknowledgements: a frame arrives or does not. */
#ifndef SOFTETHER_RUDP_BULK_H
#define SOFTETHER_RUDP_BULK_H

#include <stdbool.h>
#include <stdint.h>

#include "core/bytes.h"
#include "core/limits.h"
#include "core/session.h"

#define RUDP_BULK_DATAGRAM_MAX (FRAME_MAX + 160u)

struct rudp_bulk {
	unsigned version; /* 1 or 2 */
	bool hmac;        /* version 1: we send the HMAC form */
	bool saw_hmac;    /* version 1: the server does; the weaker form is not taken any more */
	uint8_t send_key[32], recv_key[32];
	uint8_t nonce[12]; /* version 2: counts up from a random start */
	uint64_t send_seq, recv_seq;
	const struct session_env *env;
};

/* @send and @recv have the same length, 20 or 32. Returns 0 or VE_PROTO. */
int rudp_bulk_init(struct rudp_bulk *b, struct slice send, struct slice recv, bool hmac, const struct session_env *env);
void rudp_bulk_fini(struct rudp_bulk *b); /* wipes keys; a zeroed one is fine */

/* Seal @nv pieces of one frame (or of its compressed form, @compressed) into @to. Returns the datagram's
 * size, 0 if the frame is empty or longer than FRAME_MAX. */
size_t rudp_bulk_seal(struct rudp_bulk *b, const struct slice *v, size_t nv, bool compressed,
		      uint8_t to[static RUDP_BULK_DATAGRAM_MAX]);

/* Open @datagram into @to. Returns 0 with *ret in @to and *ret_compressed, or VE_PROTO: not ours, forged or old. */
int rudp_bulk_open(struct rudp_bulk *b, struct slice datagram, uint8_t to[static RUDP_BULK_DATAGRAM_MAX],
		   struct slice *ret, bool *ret_compressed);

#endif
