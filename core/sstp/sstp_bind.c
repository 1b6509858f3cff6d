/* SPDX-License-Identifier: GPL-3.0-or-later */
/* sstp_bind.c - two HMACs.
 *
 *     CMK = HMAC-H(HLAK, "SSTP inner method derived CMK" | length of H, little-endian | 01)
 *     MAC = HMAC-H(CMK, the whole CALL_CONNECTED packet with its MAC field zero)
 *
 * The first is the first and only block of the PRF+ that the specification writes in general form: one
 * block is as long as the key wanted. That length is the one little-endian number in SSTP. */
#include "core/sstp/sstp_bind.h"

#include <string.h>

#include "core/hash.h"

#define MAC_AT 80u

static const char cmk_seed[] = "SSTP inner method derived CMK";

int sstp_bind_choose(uint8_t mask)
{
	if (mask & SSTP_HASH_SHA256)
		return SSTP_HASH_SHA256;
	return mask & SSTP_HASH_SHA1;
}

static int hmac(enum sstp_hash hash, const uint8_t *key, size_t key_len, struct slice in,
		uint8_t ret[static SHA256_SIZE])
{
	const struct slice k = { .p = key, .n = key_len };

	return hash == SSTP_HASH_SHA256 ? hash_hmac_sha256(ret, k, in) : hash_hmac_sha1(ret, k, in);
}

int sstp_bind_connected(uint8_t ret[static SSTP_CONNECTED_LEN], enum sstp_hash hash,
			const uint8_t nonce[static SSTP_NONCE], const uint8_t *cert_hash,
			const uint8_t hlak[static SSTP_HLAK])
{
	size_t n = hash == SSTP_HASH_SHA256 ? SHA256_SIZE : SHA1_SIZE;
	uint8_t cmk[SHA256_SIZE], mac[SHA256_SIZE] = { 0 }, seed[sizeof(cmk_seed) - 1 + 3];
	struct wr w = wr_init(seed, sizeof(seed)), packet = wr_init(ret, SSTP_CONNECTED_LEN);
	int r;

	wr_bytes(&w, cmk_seed, sizeof(cmk_seed) - 1);
	wr_u8(&w, (uint8_t)n);
	wr_u8(&w, 0);
	wr_u8(&w, 1);
	sstp_msg_connected(&packet, hash, nonce, cert_hash);
	r = hmac(hash, hlak, SSTP_HLAK, (struct slice){ .p = seed, .n = sizeof(seed) }, cmk);
	if (r == 0)
		r = hmac(hash, cmk, n, (struct slice){ .p = ret, .n = SSTP_CONNECTED_LEN }, mac);
	wipe(cmk, sizeof(cmk));
	if (r)
		memset(ret, 0, SSTP_CONNECTED_LEN);
	else
		memcpy(ret + MAC_AT, mac, n);
	return r;
}
