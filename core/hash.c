/* SPDX-License-Identifier: GPL-3.0-or-later */
/* hash.c - wolfCrypt behind the few calls we need, with nothing secret left on the stack. See hash.h. */
#include "core/hash.h"

#include <string.h>

#include <wolfssl/wolfcrypt/settings.h>

#include <wolfssl/wolfcrypt/hmac.h>
#include <wolfssl/wolfcrypt/sha.h>

#include "core/err.h"

int hash_sha1(uint8_t ret[static SHA1_SIZE], const struct slice *v, size_t nv)
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
	memset(ret, 0, SHA1_SIZE);
	return VE_NOMEM;
}

static int hmac(int type, uint8_t *ret, size_t size, struct slice key, struct slice in)
{
	Hmac h;
	int r = wc_HmacInit(&h, NULL, INVALID_DEVID);

	if (r == 0) {
		r = wc_HmacSetKey(&h, type, key.p, (word32)key.n);
		if (r == 0)
			r = wc_HmacUpdate(&h, in.p, (word32)in.n);
		if (r == 0)
			r = wc_HmacFinal(&h, ret);
		wc_HmacFree(&h);
	}
	wipe(&h, sizeof(h));
	if (r == 0)
		return 0;
	memset(ret, 0, size);
	return VE_NOMEM;
}

int hash_hmac_sha1(uint8_t ret[static SHA1_SIZE], struct slice key, struct slice in)
{
	return hmac(WC_SHA, ret, SHA1_SIZE, key, in);
}

int hash_hmac_sha256(uint8_t ret[static SHA256_SIZE], struct slice key, struct slice in)
{
	return hmac(WC_SHA256, ret, SHA256_SIZE, key, in);
}
