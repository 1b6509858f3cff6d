/* SPDX-License-Identifier: GPL-3.0-or-later */
/* se_auth.h - what proves who we are: a password, or a certificate's key (softether-protocol.md 4.3, 4.5).
 *
 *     hash      = SHA-0(password, user in upper case)     as good as the password, for this user
 *     response  = SHA-0(hash, challenge)
 *     signature = RSASSA-PKCS1-v1_5 with SHA-1 of challenge
 *
 * Response and signature are not bound to the TLS connection: whoever stands between can pass them on. So they may only
 * be given to a server that was verified; se_login.c sees to that. */
#ifndef SOFTETHER_SE_AUTH_H
#define SOFTETHER_SE_AUTH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/bytes.h"
#include "core/err.h"

#define SE_HASH_SIZE 20
#define SE_NTLM_SIZE 16
#define SE_SIGNATURE_MAX 512 /* RSA-4096 */

/* SHA-0 of the @n pieces in @v one after the other. Leaves nothing of them on the stack. */
void se_sha0(const struct slice *v, size_t n, uint8_t ret[static SE_HASH_SIZE]);

/* The hash of @password for @user, both NUL-terminated UTF-8 of any length. Only a-z have upper case here. */
void se_auth_hash(const char *password, const char *user, uint8_t ret[static SE_HASH_SIZE]);

/* The answer to @challenge. */
void se_auth_response(const uint8_t hash[static SE_HASH_SIZE], const uint8_t challenge[static SE_HASH_SIZE],
		      uint8_t ret[static SE_HASH_SIZE]);

/* MD4 of @password (at most PASSWORD_MAX bytes of UTF-8) as UTF-16LE: what a server keeps for MS-CHAPv2, 4.9. Bytes that
 * are not UTF-8 count as U+FFFD. */
void se_auth_ntlm(const char *password, uint8_t ret[static SE_NTLM_SIZE]);

/* Servers take these keys only. @bits: the length of an RSA modulus. */
bool se_auth_key_fits(unsigned bits);

/* Sign @challenge with @key, an RSA key in PKCS #1 DER. Returns 0 with the signature, as long as the modulus, in @ret and
 * its size in *ret_n; VE_USAGE with @f, final, if the key is none, or of a size that servers do not take; VE_NOMEM. */
int se_auth_sign(struct slice key, const uint8_t challenge[static SE_HASH_SIZE], uint8_t ret[static SE_SIGNATURE_MAX],
		 size_t *ret_n, struct fault *f);

#endif
