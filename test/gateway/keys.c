/* SPDX-License-Identifier: GPL-3.0-or-later */

/* keys.c - the server's side of MS-CHAPv2 (RFC 2759), its keys (RFC 3079) and the SSTP crypto binding (MS-SSTP 3.2.5.2).
 *
 * Written from the documents, on OpenSSL, and not from the code under test: two programs that were wrong in
 * the same way would agree with each other. MD4 and DES are long gone from OpenSSL's default provider; the
 * old functions are still there.
 */
#define OPENSSL_SUPPRESS_DEPRECATED
#include "test/gateway/gateway.h"

#include <openssl/crypto.h>
#include <openssl/des.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/md4.h>
#include <openssl/sha.h>
#include <string.h>

#define UTF16_MAX 512

/* UTF-8 to UTF-16LE. Returns the number of bytes, or -1. */
static int to_utf16(const char *text, uint8_t ret[UTF16_MAX])
{
	const uint8_t *s = (const uint8_t *)text;
	int n = 0;

	while (*s) {
		uint32_t c = *s++;
		int more = c < 0x80 ? 0 : c >= 0xf0 && c < 0xf8 ? 3 : c >= 0xe0 ? 2 : c >= 0xc2 ? 1 : -1;

		if (more < 0 || c >= 0xf8 || n + 4 > UTF16_MAX)
			return -1;
		if (more)
			c &= 0x3fU >> more;
		for (; more > 0; more--, s++) {
			if ((*s & 0xc0) != 0x80)
				return -1;
			c = c << 6 | (*s & 0x3f);
		}
		if (c >= 0x10000) {
			uint32_t high = 0xd800 + ((c - 0x10000) >> 10);

			ret[n++] = (uint8_t)high;
			ret[n++] = (uint8_t)(high >> 8);
			c = 0xdc00 + ((c - 0x10000) & 0x3ff);
		}
		ret[n++] = (uint8_t)c;
		ret[n++] = (uint8_t)(c >> 8);
	}
	return n;
}

/* 7 bytes of key become 8, each with room for a parity bit. */
static void des_block(const uint8_t key7[7], const uint8_t in[8], uint8_t ret[8])
{
	uint64_t bits = 0;
	DES_cblock key, from, to;
	DES_key_schedule ks;

	for (int i = 0; i < 7; i++)
		bits = bits << 8 | key7[i];
	for (int i = 0; i < 8; i++)
		key[i] = (uint8_t)((bits >> (49 - 7 * i) & 0x7f) << 1);
	DES_set_key_unchecked(&key, &ks);
	memcpy(from, in, 8);
	DES_ecb_encrypt(&from, &to, &ks, DES_ENCRYPT);
	memcpy(ret, to, 8);
}

struct piece {
	const void *data;
	size_t n;
};

static void sha1_of(const struct piece *p, int n, uint8_t ret[20])
{
	SHA_CTX c;

	SHA1_Init(&c);
	for (int i = 0; i < n; i++)
		SHA1_Update(&c, p[i].data, p[i].n);
	SHA1_Final(ret, &c);
}

static void half_key(const uint8_t master[16], const char *sentence, uint8_t ret[16])
{
	uint8_t pad1[40] = { 0 }, pad2[40], out[20];

	memset(pad2, 0xf2, sizeof(pad2));
	sha1_of((struct piece[]){ { master, 16 }, { pad1, 40 }, { sentence, strlen(sentence) }, { pad2, 40 } }, 4, out);
	memcpy(ret, out, 16);
}

static void make_hlak(const uint8_t hash_hash[16], const uint8_t response[24], uint8_t ret[32])
{
	static const char this_is[] = "This is the MPPE Master Key";
	uint8_t master[20];

	sha1_of((struct piece[]){ { hash_hash, 16 }, { response, 24 }, { this_is, sizeof(this_is) - 1 } }, 3, master);
	half_key(master, "On the client side, this is the send key; on the server side, it is the receive key.", ret);
	half_key(master, "On the client side, this is the receive key; on the server side, it is the send key.", ret + 16);
}

bool mschap_compute(const char *name, size_t name_len, const char *password, const uint8_t auth_challenge[16],
		    const uint8_t peer_challenge[16], struct mschap *ret)
{
	static const char magic1[] = "Magic server to client signing constant";
	static const char magic2[] = "Pad to make it do more than one iteration";
	uint8_t unicode[UTF16_MAX], key[21] = { 0 }, hash_hash[16], hash[20], digest[20];
	int n = to_utf16(password, unicode);

	if (n < 0)
		return false;
	for (size_t i = 0; i < name_len; i++) {
		if (name[i] == '\\') {
			name += i + 1;
			name_len -= i + 1;
			i = (size_t)-1;
		}
	}
	sha1_of((struct piece[]){ { peer_challenge, 16 }, { auth_challenge, 16 }, { name, name_len } }, 3, hash);
	MD4(unicode, (size_t)n, key);
	MD4(key, 16, hash_hash);
	for (int i = 0; i < 3; i++)
		des_block(key + 7 * i, hash, ret->response + 8 * i);
	sha1_of((struct piece[]){ { hash_hash, 16 }, { ret->response, 24 }, { magic1, sizeof(magic1) - 1 } }, 3, digest);
	sha1_of((struct piece[]){ { digest, 20 }, { hash, 8 }, { magic2, sizeof(magic2) - 1 } }, 3, ret->authenticator);
	make_hlak(hash_hash, ret->response, ret->hlak);
	return true;
}

static void compound_mac(const EVP_MD *md, const uint8_t packet[112], const uint8_t hlak[32], uint8_t ret[32])
{
	static const char sentence[] = "SSTP inner method derived CMK";
	size_t len = (size_t)EVP_MD_get_size(md), n = sizeof(sentence) - 1;
	uint8_t seed[32], cmk[32], zeroed[112];

	memcpy(seed, sentence, n);
	seed[n] = (uint8_t)len;         /* 16 bits, little-endian: the only such number in SSTP */
	seed[n + 1] = 0;
	seed[n + 2] = 1;
	HMAC(md, hlak, 32, seed, n + 3, cmk, NULL);
	memcpy(zeroed, packet, 80);
	memset(zeroed + 80, 0, 32);
	memset(ret, 0, 32);
	HMAC(md, cmk, (int)len, zeroed, sizeof(zeroed), ret, NULL);
}

const char *binding_check(const uint8_t packet[112], const uint8_t nonce[32], unsigned mask,
			  const struct cert_hash *cert, const uint8_t hlak[32])
{
	uint8_t want[32] = { 0 }, mac[32];
	unsigned hash = packet[15];

	if ((hash != 1 && hash != 2) || !(hash & mask))
		return "hash type";
	if (memcmp(packet + 16, nonce, 32) != 0)
		return "nonce";
	memcpy(want, hash == 2 ? cert->sha256 : cert->sha1, hash == 2 ? 32 : 20);
	if (memcmp(packet + 48, want, 32) != 0)
		return "certificate hash";
	compound_mac(hash == 2 ? EVP_sha256() : EVP_sha1(), packet, hlak, mac);
	return memcmp(packet + 80, mac, 32) != 0 ? "compound MAC" : NULL;
}

static void unhex(const char *hex, uint8_t *ret)
{
	for (; hex[0] && hex[1]; hex += 2, ret++) {
		int high = OPENSSL_hexchar2int((unsigned char)hex[0]), low = OPENSSL_hexchar2int((unsigned char)hex[1]);

		*ret = (uint8_t)(high << 4 | low);
	}
}

/* MS-SSTP 4.7: the official examples. */
static bool binding_vector(unsigned hash, const char *hlak_hex, const char *nonce, const char *cert, const char *mac_hex)
{
	uint8_t packet[112] = { 0x10, 1, 0, 0x70, 0, 4, 0, 1, 0, 3, 0, 0x68, 0, 0, 0, (uint8_t)hash };
	uint8_t hlak[32], mac[32] = { 0 }, got[32];

	unhex(hlak_hex, hlak);
	unhex(nonce, packet + 16);
	unhex(cert, packet + 48);
	unhex(mac_hex, mac);
	compound_mac(hash == 2 ? EVP_sha256() : EVP_sha1(), packet, hlak, got);
	return memcmp(got, mac, 32) == 0;
}

bool keys_self_test(void)
{
	struct mschap m;
	uint8_t auth[16], peer[16], want[32];

	/* RFC 2759 9.2 */
	unhex("5b5d7c7d7b3f2f3e3c2c602132262628", auth);
	unhex("21402324255e262a28295f2b3a337c7e", peer);
	if (!mschap_compute("DOM\\User", 8, "clientPass", auth, peer, &m))
		return false;
	unhex("82309ecd8d708b5ea08faa3981cd83544233114a3d85d6df", want);
	if (memcmp(m.response, want, 24) != 0)
		return false;
	unhex("407a5589115fd0d6209f510fe9c04566932cda56", want);
	if (memcmp(m.authenticator, want, 20) != 0)
		return false;
	unhex("d5f0e9521e3ea9589645e86051c822268b7cdc149b993a1ba118cb153f56dccb", want);
	if (memcmp(m.hlak, want, 32) != 0)
		return false;
	return binding_vector(2, "2a1bb40d55ab0f5ef32f06f2b3cc73c48fd3fac41d7a1315a19228d9024ca164",
			      "412b489aebd7ecc7d08966f26be7cd72b231a0e9210d7c91b308862b0344c435",
			      "7993ef314c493dace9f02d60e7e61c84b6690aafe9d7aeea92cbbe8ad599422d",
			      "52a68efd8cffbf52770b8f0fe8ec73716583af6d611eb6d179b3b20840985449") &&
	       binding_vector(1, "4b3128f43925d9006eefb1c4e86515a1d88e56bab3ca2bdf0373b7f5a8a13b19",
			      "0f1a2d58d4a3e3000fad3ce4906e07b707aa9e441cceac5cbd7b2cc1c9d86cdf",
			      "5826b629bda59b8e6fd8dcd2622fd34c534805a5", "69915dd583d8062fef16f61db2f03290ec27cb6c");
}
