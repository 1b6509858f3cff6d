/* SPDX-License-Identifier: GPL-3.0-or-later */
/* se_cipher.h - SHA-1 and RC4 as SoftEther's datagrams use them (softether-protocol.md 8.4, 9.3, 9.5).
 *
 * Neither protects anything in 2010 or later; what is inside of them is TLS, or was chosen by a user who was warned. */
#ifndef SOFTETHER_SE_CIPHER_H
#define SOFTETHER_SE_CIPHER_H

#include <stddef.h>
#include <stdint.h>

#include "core/bytes.h"

#define SE_SHA1_SIZE 20u

/* SHA-1 of @nv pieces. Returns 0, or VE_NOMEM with *ret zeroed. */
int se_sha1(uint8_t ret[static SE_SHA1_SIZE], const struct slice *v, size_t nv);

/* Encrypt or decrypt @n bytes in place with a key made for this one datagram: SHA-1 of @a and @b, 20 bytes each.
 * Returns 0, or VE_NOMEM with the bytes zeroed. */
int se_rc4(const uint8_t a[static SE_SHA1_SIZE], const uint8_t b[static SE_SHA1_SIZE], uint8_t *p, size_t n);

#endif
