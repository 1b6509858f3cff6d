/* SPDX-License-Identifier: GPL-3.0-or-later */
/* se_auth.h - SoftEther's password proof (softether-protocol.md 4.3).
 *
 *     hash     = SHA-0(password, user in upper case)     as good as the password, for this user
 *     response = SHA-0(hash, challenge)
 *
 * The response is not bound to the TLS connection: whoever stands between can pass it on. So it may only be
 * given to a server that was verified; softether.c sees to that. */
#ifndef SOFTETHER_SE_AUTH_H
#define SOFTETHER_SE_AUTH_H

#include <stdint.h>

#include "core/bytes.h"

#define SE_HASH_SIZE 20

/* SHA-0 of the @n pieces in @v one after the other. Leaves nothing of them on the stack. */
void se_sha0(const struct slice *v, size_t n, uint8_t ret[static SE_HASH_SIZE]);

/* The hash of @password for @user, both NUL-terminated UTF-8 of any length. Only a-z have upper case here. */
void se_auth_hash(const char *password, const char *user, uint8_t ret[static SE_HASH_SIZE]);

/* The answer to @challenge. */
void se_auth_response(const uint8_t hash[static SE_HASH_SIZE], const uint8_t challenge[static SE_HASH_SIZE],
		      uint8_t ret[static SE_HASH_SIZE]);

#endif
