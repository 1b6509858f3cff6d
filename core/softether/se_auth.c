/* SPDX-License-Identifier: GPL-3.0-or-later */
/* se_auth.c - SHA-0, which no library has any more, and the two hashes made of it.
 *
 * SHA-0 (FIPS 180 of 1993) is SHA-1 without the rotation in the message schedule. It is broken as a hash;
 * here it only has to say what servers expect. Everything that has seen the password is wiped. */
#include "core/softether/se_auth.h"

#include <string.h>

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
