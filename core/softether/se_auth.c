/* SPDX-License-Identifier: GPL-3.0-or-later */
/* se_auth.c - SHA-0, which no library has any more, and the two hashes made of it; an RSA signature.
 *
 * SHA-0 (FIPS 180 of 1993) is SHA-1 without the rotation in the message schedule. It is broken as a hash;
 * here it only has to say what servers expect. Everything that has seen the password is wiped.
 *
 * The signature is the same for the same key and challenge, so it needs no randomness of ours: the generator that is made
 * here only blinds the computation against whoever measures its time. */
#include "core/softether/se_auth.h"

#include <string.h>

#include <wolfssl/wolfcrypt/settings.h>
#include <wolfssl/wolfcrypt/asn.h>
#include <wolfssl/wolfcrypt/asn_public.h>
#include <wolfssl/wolfcrypt/error-crypt.h>
#include <wolfssl/wolfcrypt/md4.h>
#include <wolfssl/wolfcrypt/random.h>
#include <wolfssl/wolfcrypt/rsa.h>
#include <wolfssl/wolfcrypt/sha.h>

#include "core/limits.h"
#include "core/utf8.h"

struct sha0 {
	uint32_t h[5];
	uint8_t block[64];
	uint64_t n; /* bytes so far */
};

static uint32_t rotate(uint32_t x, unsigned by)
{
	return x << by | x >> (32 - by);
}

static void sha0_block(struct sha0 *s)
{
	uint32_t w[80];
	uint32_t a = s->h[0], b = s->h[1], c = s->h[2], d = s->h[3], e = s->h[4];

	for (unsigned t = 0; t < 16; t++)
		w[t] = load_be32(s->block + 4 * t);
	for (unsigned t = 16; t < 80; t++)
		w[t] = w[t - 3] ^ w[t - 8] ^ w[t - 14] ^ w[t - 16]; /* SHA-1 rotates this by one */
	for (unsigned t = 0; t < 80; t++) {
		uint32_t f, k, x;

		if (t < 20) {
			f = (b & c) | (~b & d);
			k = 0x5a827999;
		} else if (t < 40) {
			f = b ^ c ^ d;
			k = 0x6ed9eba1;
		} else if (t < 60) {
			f = (b & c) | (b & d) | (c & d);
			k = 0x8f1bbcdc;
		} else {
			f = b ^ c ^ d;
			k = 0xca62c1d6;
		}
		x = rotate(a, 5) + f + e + k + w[t];
		e = d;
		d = c;
		c = rotate(b, 30);
		b = a;
		a = x;
	}
	s->h[0] += a;
	s->h[1] += b;
	s->h[2] += c;
	s->h[3] += d;
	s->h[4] += e;
	wipe(w, sizeof(w));
}

static void sha0_init(struct sha0 *s)
{
	*s = (struct sha0){ .h = { 0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0 } };
}

static void sha0_update(struct sha0 *s, const uint8_t *p, size_t n)
{
	while (n > 0) {
		size_t at = s->n % 64;
		size_t take = min_size(n, 64 - at);

		memcpy(s->block + at, p, take);
		s->n += take;
		p += take;
		n -= take;
		if (at + take == 64)
			sha0_block(s);
	}
}

static void sha0_final(struct sha0 *s, uint8_t ret[static SE_HASH_SIZE])
{
	static const uint8_t padding[64] = { 0x80 };
	uint8_t length[8];

	store_be64(length, s->n * 8);
	sha0_update(s, padding, 64 - (s->n + 8) % 64);
	sha0_update(s, length, 8);
	for (unsigned i = 0; i < 5; i++)
		store_be32(ret + 4 * i, s->h[i]);
	wipe(s, sizeof(*s));
}

void se_sha0(const struct slice *v, size_t n, uint8_t ret[static SE_HASH_SIZE])
{
	struct sha0 s;

	sha0_init(&s);
	for (size_t i = 0; i < n; i++)
		sha0_update(&s, v[i].p, v[i].n);
	sha0_final(&s, ret);
}

void se_auth_hash(const char *password, const char *user, uint8_t ret[static SE_HASH_SIZE])
{
	struct sha0 s;

	sha0_init(&s);
	sha0_update(&s, (const uint8_t *)password, strlen(password));
	for (; *user; user++) {
		uint8_t c = (uint8_t)*user;

		if (c >= 'a' && c <= 'z')
			c = (uint8_t)(c - ('a' - 'A'));
		sha0_update(&s, &c, 1);
	}
	sha0_final(&s, ret);
}

void se_auth_response(const uint8_t hash[static SE_HASH_SIZE], const uint8_t challenge[static SE_HASH_SIZE],
		      uint8_t ret[static SE_HASH_SIZE])
{
	const struct slice v[] = { { .p = hash, .n = SE_HASH_SIZE }, { .p = challenge, .n = SE_HASH_SIZE } };

	se_sha0(v, ARRAY_LEN(v), ret);
}

/* --- MS-CHAPv2's hash ------------------------------------------------------------------------------------- */

/* The number of the first character of the string, and how many bytes it takes. */
static uint32_t next_char(const uint8_t *p, size_t n, size_t *ret_len)
{
	size_t len = utf8_char(p, n);
	uint32_t c;

	*ret_len = len > 0 ? len : 1;
	if (len == 0)
		return 0xfffd;
	c = len == 1 ? p[0] : p[0] & (0x7fu >> len);
	for (size_t i = 1; i < len; i++)
		c = c << 6 | (p[i] & 0x3fu);
	return c;
}

static size_t put_utf16(uint8_t *to, uint32_t c)
{
	uint32_t high;

	if (c < 0x10000) {
		to[0] = (uint8_t)c;
		to[1] = (uint8_t)(c >> 8);
		return 2;
	}
	c -= 0x10000;
	high = 0xd800 | c >> 10;
	to[0] = (uint8_t)high;
	to[1] = (uint8_t)(high >> 8);
	to[2] = (uint8_t)c;
	to[3] = (uint8_t)(0xdc | (c >> 8 & 3));
	return 4;
}

void se_auth_ntlm(const char *password, uint8_t ret[static SE_NTLM_SIZE])
{
	const uint8_t *p = (const uint8_t *)password;
	size_t left = strnlen(password, PASSWORD_MAX), n = 0, len;
	uint8_t wide[2 * PASSWORD_MAX];
	Md4 md4;

	for (; left > 0; p += len, left -= len)
		n += put_utf16(wide + n, next_char(p, left, &len));
	wc_InitMd4(&md4);
	wc_Md4Update(&md4, wide, (word32)n);
	wc_Md4Final(&md4, ret);
	wipe(wide, sizeof(wide));
	wipe(&md4, sizeof(md4));
}

/* --- certificate ------------------------------------------------------------------------------------------ */

bool se_auth_key_fits(unsigned bits)
{
	static const unsigned sizes[] = { 1024, 1536, 2048, 3072, 4096 };

	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		if (bits == sizes[i])
			return true;
	}
	return false;
}

static int load_key(RsaKey *rsa, struct slice key, struct fault *f)
{
	word32 at = 0;
	int bits;

	if (key.n == 0 || wc_RsaPrivateKeyDecode(key.p, &at, rsa, (word32)key.n) != 0 || at != key.n) {
		fault_set_final(f, VE_USAGE, "the certificate's key is no RSA key in PKCS #1 form");
		return VE_USAGE;
	}
	bits = mp_count_bits(&rsa->n);
	if (!se_auth_key_fits((unsigned)bits)) {
		fault_set_final(f, VE_USAGE, "the certificate's key has %d bits: SoftEther servers take RSA keys of 1024, "
				"1536, 2048, 3072 or 4096 bits only", bits);
		return VE_USAGE;
	}
	return 0;
}

/* The SHA-1 of the challenge in its DigestInfo, padded and signed. Returns 0 or wolfCrypt's error. */
static int sign(RsaKey *rsa, WC_RNG *rng, const uint8_t challenge[static SE_HASH_SIZE], uint8_t *to, size_t *ret_n)
{
	uint8_t digest[WC_SHA_DIGEST_SIZE], info[WC_SHA_DIGEST_SIZE + 16];
	word32 n;
	int r = wc_ShaHash(challenge, SE_HASH_SIZE, digest);

	if (r != 0)
		return r;
	n = wc_EncodeSignature(info, digest, sizeof(digest), SHAh);
	r = wc_RsaSetRNG(rsa, rng);
	if (r == 0)
		r = wc_RsaSSL_Sign(info, n, to, SE_SIGNATURE_MAX, rsa, rng);
	if (r < 0)
		return r;
	*ret_n = (size_t)r;
	return 0;
}

int se_auth_sign(struct slice key, const uint8_t challenge[static SE_HASH_SIZE], uint8_t ret[static SE_SIGNATURE_MAX],
		 size_t *ret_n, struct fault *f)
{
	RsaKey rsa;
	WC_RNG rng;
	int r, err;

	if (wc_InitRsaKey(&rsa, NULL) != 0 || wc_InitRng(&rng) != 0) {
		fault_set(f, VE_NOMEM, "no memory for a signature");
		return VE_NOMEM;
	}
	r = load_key(&rsa, key, f);
	if (r == 0) {
		err = sign(&rsa, &rng, challenge, ret, ret_n);
		if (err != 0) {
			r = err == MEMORY_E ? VE_NOMEM : VE_USAGE;
			fault_set(f, r, "the certificate's key cannot sign (wolfCrypt %d)", err);
			f->final = r == VE_USAGE;
		}
	}
	wc_FreeRsaKey(&rsa);
	wc_FreeRng(&rng);
	return r;
}
