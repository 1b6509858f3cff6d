/* SPDX-License-Identifier: GPL-3.0-or-later */
/* mschapv2.h - MS-CHAP version 2: RFC 2759, its keys: RFC 3079 section 3; sstp-protocol.md 5.3.
 *
 * The arithmetic and the texts are separate from CHAP's packets, because EAP carries the same ones. */
#ifndef CORE_SSTP_MSCHAPV2_H
#define CORE_SSTP_MSCHAPV2_H

#include "core/sstp/auth.h"

#define MSCHAPV2_CHALLENGE 16u
#define MSCHAPV2_VALUE 49u /* of a Response: peer challenge, 8 zeros, NT-Response, flags */

extern const struct auth_ops mschapv2_auth_ops;

/* Everything that follows from an account and two challenges, named as in sstp-protocol.md 5.3.4. All of it
 * is secret but the challenge hash and the NT-Response; whoever has one wipes it. */
struct mschapv2 {
	uint8_t challenge_hash[8];
	uint8_t nt_hash[16];
	uint8_t hash_hash[16];
	uint8_t nt_response[24];
	uint8_t auth_response[20]; /* what a server that knows the password answers */
	uint8_t master_key[16];
	uint8_t send_key[16];      /* the client's; with the next one it is the HLAK */
	uint8_t recv_key[16];
};

/* Compute all of it. A domain in @user ("DOMAIN\name") is left out of the challenge hash. @password is
 * UTF-8; bytes that are none count as Latin-1, so every password can be used. Returns 0, VE_LIMIT (a
 * password of more than 256 UTF-16 units), VE_NOMEM (the crypto library has no memory). */
int mschapv2_compute(struct mschapv2 *ret, const char *user, const char *password,
		     const uint8_t auth_challenge[static MSCHAPV2_CHALLENGE],
		     const uint8_t peer_challenge[static MSCHAPV2_CHALLENGE]);

/* The 49 bytes of a Response's value. */
void mschapv2_write_value(struct wr *w, const uint8_t peer_challenge[static MSCHAPV2_CHALLENGE],
			  const struct mschapv2 *m);

/* Does a Success text prove that the server knows the password ("S=" and 40 hexadecimal digits, RFC 2759
 * 5)? */
bool mschapv2_success_proves(struct slice text, const struct mschapv2 *m);

/* Turn a Failure text ("E=691 R=0 C=... V=3 M=...", any part may be missing) into a final VE_AUTH line with
 * the number, what it means, the server's own words, and what to do. */
void mschapv2_explain_failure(struct fault *f, const struct auth_account *account, struct slice text);

#endif
