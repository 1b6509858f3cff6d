/* SPDX-License-Identifier: GPL-3.0-or-later */
/* se_cipher.h - ciphers in the shapes that SoftEther's datagrams need (softether-protocol.md 8.3, 8.4, 9.3,
 * 9.5), and the rule for addresses that a server names.
 *
 * ChaCha20-Poly1305 protects. SHA-1 and RC4 as used here do not: what they hide is TLS, or was chosen by a user who was
 * warned. */
#ifndef SOFTETHER_SE_CIPHER_H
#define SOFTETHER_SE_CIPHER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/addr.h"
#include "core/bytes.h"
#include "core/hash.h"

/* Encrypt or decrypt @n bytes in place with a key made for this one datagram: SHA-1 of @a and @b, 20 bytes each.
 * Returns 0, or VE_NOMEM with the bytes zeroed. */
int se_rc4(const uint8_t a[static SHA1_SIZE], const uint8_t b[static SHA1_SIZE], uint8_t *p, size_t n);

#define SE_AEAD_KEY 32u
#define SE_AEAD_NONCE 12u
#define SE_AEAD_TAG 16u

/* Encrypt @n bytes at @p in place; the tag goes behind them. The same nonce must never be used twice with a key.
 * Returns 0, or VE_NOMEM with the bytes zeroed. */
int se_aead_seal(const uint8_t key[static SE_AEAD_KEY], const uint8_t nonce[static SE_AEAD_NONCE], uint8_t *p, size_t n);

/* Decrypt @in, whose last 16 bytes are the tag, to @to. Returns 0, or VE_PROTO with nothing useful at @to. */
int se_aead_open(const uint8_t key[static SE_AEAD_KEY], const uint8_t nonce[static SE_AEAD_NONCE], struct slice in,
		 uint8_t *to);

/* Add one to a nonce, as a big-endian number. */
void se_nonce_next(uint8_t nonce[static SE_AEAD_NONCE]);

/* May we send datagrams to @ip because a server said so? Not to nobody, to all, or to a group; to loopback only if
 * @loopback. IPv6 forms of IPv4 addresses are refused too. */
bool se_may_send_to(const struct ip *ip, bool loopback);
bool se_is_loopback(const struct ip *ip);

#endif
