/* SPDX-License-Identifier: GPL-3.0-or-later */
/* hash.h - SHA-1 and HMAC for the protocols that want them. Pure. */
#ifndef CORE_HASH_H
#define CORE_HASH_H

#include <stddef.h>
#include <stdint.h>

#include "core/bytes.h"

#define SHA1_SIZE 20u
#define SHA256_SIZE 32u

/* SHA-1 of @nv pieces. Returns 0, or VE_NOMEM with *ret zeroed. */
int hash_sha1(uint8_t ret[static SHA1_SIZE], const struct slice *v, size_t nv);

/* HMAC (RFC 2104) with SHA-1, SHA1_SIZE bytes, or SHA-256, SHA256_SIZE bytes. Return as hash_sha1(). */
int hash_hmac_sha1(uint8_t ret[static SHA1_SIZE], struct slice key, struct slice in);
int hash_hmac_sha256(uint8_t ret[static SHA256_SIZE], struct slice key, struct slice in);

#endif
