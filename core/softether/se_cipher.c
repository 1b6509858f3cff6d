/* SPDX-License-Identifier: GPL-3.0-or-later */
/* se_cipher.c - wolfCrypt's SHA-1 and RC4 in the two shapes we need. What fails leaves zeros, never plaintext. */
#include "core/softether/se_cipher.h"

#include <string.h>

#include <wolfssl/wolfcrypt/settings.h>

#include <wolfssl/wolfcrypt/arc4.h>
#include <wolfssl/wolfcrypt/sha.h>

#include "core/err.h"

int se_sha1(uint8_t ret[static SE_SHA1_SIZE], const struct slice *v, size_t nv)
{
	wc_Sha h;
	int r = wc_InitSha(&h);

	if (r == 0) {
		for (size_t i = 0; i < nv && r == 0; i++)
			r = wc_ShaUpdate(&h, v[i].p, (word32)v[i].n);
		if (r == 0)
			r = wc_ShaFinal(&h, ret);
		wc_ShaFree(&h);
	}
	wipe(&h, sizeof(h));
	if (r == 0)
		return 0;
	memset(ret, 0, SE_SHA1_SIZE);
	return VE_NOMEM;
}

int se_rc4(const uint8_t a[static SE_SHA1_SIZE], const uint8_t b[static SE_SHA1_SIZE], uint8_t *p, size_t n)
{
	const struct slice v[] = { { a, SE_SHA1_SIZE }, { b, SE_SHA1_SIZE } };
	uint8_t key[SE_SHA1_SIZE];
	Arc4 rc4;
	int r = se_sha1(key, v, ARRAY_LEN(v));

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
