/* SPDX-License-Identifier: GPL-3.0-or-later */
/* se_cipher.c - wolfCrypt behind the few calls we need. What fails leaves zeros, never plaintext. */
#include "core/softether/se_cipher.h"

#include <string.h>

#include <wolfssl/wolfcrypt/settings.h>

#include <wolfssl/wolfcrypt/arc4.h>
#include <wolfssl/wolfcrypt/chacha20_poly1305.h>

#include "core/err.h"
#include "core/hash.h"

int se_rc4(const uint8_t a[static SHA1_SIZE], const uint8_t b[static SHA1_SIZE], uint8_t *p, size_t n)
{
	const struct slice v[] = { { a, SHA1_SIZE }, { b, SHA1_SIZE } };
	uint8_t key[SHA1_SIZE];
	Arc4 rc4;
	int r = hash_sha1(key, v, ARRAY_LEN(v));

	if (r == 0)
		r = wc_Arc4Init(&rc4, NULL, INVALID_DEVID);
	if (r == 0) {
		r = wc_Arc4SetKey(&rc4, key, sizeof(key));
		if (r == 0)
			r = wc_Arc4Process(&rc4, p, p, (word32)n);
		wc_Arc4Free(&rc4);
		wipe(&rc4, sizeof(rc4));
	}
	wipe(key, sizeof(key));
	if (r == 0)
		return 0;
	memset(p, 0, n);
	return VE_NOMEM;
}

int se_aead_seal(const uint8_t key[static SE_AEAD_KEY], const uint8_t nonce[static SE_AEAD_NONCE], uint8_t *p, size_t n)
{
	if (wc_ChaCha20Poly1305_Encrypt(key, nonce, NULL, 0, p, (word32)n, p, p + n) == 0)
		return 0;
	memset(p, 0, n + SE_AEAD_TAG);
	return VE_NOMEM;
}

int se_aead_open(const uint8_t key[static SE_AEAD_KEY], const uint8_t nonce[static SE_AEAD_NONCE], struct slice in,
		 uint8_t *to)
{
	size_t n = in.n - SE_AEAD_TAG;

	if (in.n <= SE_AEAD_TAG || wc_ChaCha20Poly1305_Decrypt(key, nonce, NULL, 0, in.p, (word32)n, in.p + n, to) != 0)
		return VE_PROTO;
	return 0;
}

void se_nonce_next(uint8_t nonce[static SE_AEAD_NONCE])
{
	for (size_t i = SE_AEAD_NONCE; i-- > 0;) {
		if (++nonce[i] != 0)
			return;
	}
}

static bool all_zero(const uint8_t *p, size_t n)
{
	uint8_t any = 0;

	for (size_t i = 0; i < n; i++)
		any |= p[i];
	return any == 0;
}

bool se_is_loopback(const struct ip *ip)
{
	if (ip->family == IP_V4)
		return ip->b[0] == 127;
	return ip->family == IP_V6 && all_zero(ip->b, 15) && ip->b[15] == 1;
}

bool se_may_send_to(const struct ip *ip, bool loopback)
{
	if (se_is_loopback(ip))
		return loopback;
	if (ip->family == IP_V4)
		return ip->b[0] != 0 && ip->b[0] < 224; /* above: groups, reserved, all */
	/* ::/80 has the address of nobody and IPv4 in several disguises; ff00::/8 are groups */
	return ip->family == IP_V6 && ip->b[0] != 0xff && !all_zero(ip->b, 10);
}
