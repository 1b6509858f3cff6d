/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_wolfssl.c - the wolfSSL we build: is in it what has to be, and only that?
 *
 * Published vectors for every primitive a protocol here uses, since most of them run as assembly chosen on this very
 * machine; the list of cipher suites; a handshake in memory in each version with a certificate of serial number zero; and
 * that our leniency ends there. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <wolfssl/wolfcrypt/settings.h>
#include <wolfssl/ssl.h>
#include <wolfssl/error-ssl.h>
#include <wolfssl/wolfcrypt/aes.h>
#include <wolfssl/wolfcrypt/arc4.h>
#include <wolfssl/wolfcrypt/asn_public.h>
#include <wolfssl/wolfcrypt/chacha20_poly1305.h>
#include <wolfssl/wolfcrypt/cmac.h>
#include <wolfssl/wolfcrypt/curve25519.h>
#include <wolfssl/wolfcrypt/des3.h>
#include <wolfssl/wolfcrypt/ecc.h>
#include <wolfssl/wolfcrypt/hash.h>
#include <wolfssl/wolfcrypt/md4.h>
#include <wolfssl/wolfcrypt/random.h>

#include "test/support/unhex.h"

static void assert_hex(const uint8_t *got, const char *hex)
{
	uint8_t want[512];
	size_t n = unhex(hex, want, sizeof(want));

	assert_memory_equal(got, want, n);
}

/* ---- vectors ---- */

static void test_hashes(void **state)
{
	static const struct {
		enum wc_HashType type;
		const char *abc;
	} t[] = { /* RFC 1321, FIPS 180 */
		{ WC_HASH_TYPE_MD5, "900150983cd24fb0d6963f7d28e17f72" },
		{ WC_HASH_TYPE_SHA, "a9993e364706816aba3e25717850c26c9cd0d89d" },
		{ WC_HASH_TYPE_SHA256, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" },
		{ WC_HASH_TYPE_SHA384, "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed"
				       "8086072ba1e7cc2358baeca134c825a7" },
		{ WC_HASH_TYPE_SHA512, "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
				       "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f" },
	};
	uint8_t out[64], *million = malloc(1000000);
	Md4 md4;

	(void)state;
	wc_InitMd4(&md4); /* RFC 1320 */
	wc_Md4Update(&md4, (const byte *)"abc", 3);
	wc_Md4Final(&md4, out);
	assert_hex(out, "a448017aaf21d8525fc10ae87aa6729d");
	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		assert_int_equal(wc_Hash(t[i].type, (const byte *)"abc", 3, out, sizeof(out)), 0);
		assert_hex(out, t[i].abc);
	}
	assert_non_null(million); /* many blocks in one call: the vector code */
	memset(million, 'a', 1000000);
	assert_int_equal(wc_Hash(WC_HASH_TYPE_SHA256, million, 1000000, out, sizeof(out)), 0);
	assert_hex(out, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
	assert_int_equal(wc_Hash(WC_HASH_TYPE_SHA, million, 1000000, out, sizeof(out)), 0);
	assert_hex(out, "34aa973cd4c4daa4f61eeb2bdbad27316534016f");
	free(million);
}

static void test_aes_gcm(void **state)
{
	/* Test case 16 of the GCM submission to NIST. */
	uint8_t key[32], iv[12], plain[60], aad[20], out[60], tag[16];
	Aes aes;

	(void)state;
	unhex("feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308", key, sizeof(key));
	unhex("cafebabefacedbaddecaf888", iv, sizeof(iv));
	unhex("d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"
	      "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39", plain, sizeof(plain));
	unhex("feedfacedeadbeeffeedfacedeadbeefabaddad2", aad, sizeof(aad));
	assert_int_equal(wc_AesInit(&aes, NULL, INVALID_DEVID), 0);
	assert_int_equal(wc_AesGcmSetKey(&aes, key, 32), 0);
	assert_int_equal(wc_AesGcmEncrypt(&aes, out, plain, 60, iv, 12, tag, 16, aad, 20), 0);
	assert_hex(out, "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa"
			"8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662");
	assert_hex(tag, "76fc6ece0f4e1768cddf8853bb2d551b");
	assert_int_equal(wc_AesGcmDecrypt(&aes, out, out, 60, iv, 12, tag, 16, aad, 20), 0);
	assert_memory_equal(out, plain, 60);
	tag[15] ^= 1;
	assert_int_not_equal(wc_AesGcmDecrypt(&aes, out, out, 60, iv, 12, tag, 16, aad, 20), 0);
	wc_AesFree(&aes);
}

/* All lengths up to some blocks beyond the widest loop, against counter mode made of single blocks. */
static void test_aes_gcm_lengths(void **state)
{
	uint8_t key[32], iv[12] = { 7 }, plain[400], out[400], back[400], tag[16];
	Aes gcm, ecb;

	(void)state;
	for (size_t i = 0; i < sizeof(plain); i++)
		plain[i] = (uint8_t)(i * 131);
	memcpy(key, plain + 99, 32);
	assert_int_equal(wc_AesInit(&gcm, NULL, INVALID_DEVID), 0);
	assert_int_equal(wc_AesInit(&ecb, NULL, INVALID_DEVID), 0);
	assert_int_equal(wc_AesGcmSetKey(&gcm, key, 32), 0);
	assert_int_equal(wc_AesSetKeyDirect(&ecb, key, 32, NULL, AES_ENCRYPTION), 0);
	for (word32 n = 1; n <= sizeof(plain); n++) {
		assert_int_equal(wc_AesGcmEncrypt(&gcm, out, plain, n, iv, 12, tag, 16, NULL, 0), 0);
		for (word32 at = 0; at < n; at++) {
			uint8_t block[16] = { 0 }, pad[16];

			if (at % 16 == 0) {
				memcpy(block, iv, 12);
				block[14] = (uint8_t)((at / 16 + 2) >> 8);
				block[15] = (uint8_t)(at / 16 + 2);
				assert_int_equal(wc_AesEncryptDirect(&ecb, pad, block), 0);
			}
			assert_int_equal(out[at] ^ plain[at], pad[at % 16]);
		}
		assert_int_equal(wc_AesGcmDecrypt(&gcm, back, out, n, iv, 12, tag, 16, NULL, 0), 0);
		assert_memory_equal(back, plain, n);
	}
	wc_AesFree(&gcm);
	wc_AesFree(&ecb);
}

static void test_chacha20_poly1305(void **state)
{
	/* RFC 8439, 2.8.2 */
	static const char text[] = "Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the "
				   "future, sunscreen would be it.";
	uint8_t key[32], iv[12], aad[12], out[sizeof(text)], tag[16];

	(void)state;
	for (int i = 0; i < 32; i++)
		key[i] = (uint8_t)(0x80 + i);
	unhex("070000004041424344454647", iv, sizeof(iv));
	unhex("50515253c0c1c2c3c4c5c6c7", aad, sizeof(aad));
	assert_int_equal(wc_ChaCha20Poly1305_Encrypt(key, iv, aad, 12, (const byte *)text, sizeof(text) - 1, out, tag), 0);
	assert_hex(out, "d31a8d34648e60db7b86afbc53ef7ec2a4aded51296e08fea9e2b5a736ee62d6"
			"3dbea45e8ca9671282fafb69da92728b1a71de0a9e060b2905d6a5b67ecd3b36"
			"92ddbd7f2d778b8c9803aee328091b58fab324e4fad675945585808b4831d7bc"
			"3ff4def08e4b7a9de576d26586cec64b6116");
	assert_hex(tag, "1ae10b594f09e26a7e902ecbd0600691");
}

static void test_old_ciphers(void **state)
{
	uint8_t key[16], in[16], out[16];
	word32 size = 16;
	Arc4 rc4;
	Des des;

	(void)state;
	unhex("0102030405", key, sizeof(key)); /* RFC 6229 */
	memset(in, 0, sizeof(in));
	assert_int_equal(wc_Arc4SetKey(&rc4, key, 5), 0);
	assert_int_equal(wc_Arc4Process(&rc4, out, in, 16), 0);
	assert_hex(out, "b2396305f03dc027ccc3524a0a1118a8");

	unhex("133457799bbcdff1", key, sizeof(key)); /* the worked example every DES text prints */
	unhex("0123456789abcdef", in, sizeof(in));
	assert_int_equal(wc_Des_SetKey(&des, key, NULL, DES_ENCRYPTION), 0);
	assert_int_equal(wc_Des_EcbEncrypt(&des, out, in, 8), 0);
	assert_hex(out, "85e813540f0ab405");

	unhex("2b7e151628aed2a6abf7158809cf4f3c", key, sizeof(key)); /* RFC 4493, example 1 */
	assert_int_equal(wc_AesCmacGenerate(out, &size, in, 0, key, 16), 0);
	assert_hex(out, "bb1d6929e95937287fa37d129b756746");
}

static void test_x25519(void **state)
{
	uint8_t ours[32], theirs[32], shared[32]; /* RFC 7748, 6.1 */
	word32 size = sizeof(shared);
	curve25519_key private, public;
	WC_RNG rng;

	(void)state;
	unhex("5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb", ours, 32);
	unhex("8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a", theirs, 32);
	assert_int_equal(wc_InitRng(&rng), 0);
	assert_int_equal(wc_curve25519_init(&private), 0);
	assert_int_equal(wc_curve25519_init(&public), 0);
	assert_int_equal(wc_curve25519_import_private_ex(ours, 32, &private, EC25519_LITTLE_ENDIAN), 0);
	assert_int_equal(wc_curve25519_import_public_ex(theirs, 32, &public, EC25519_LITTLE_ENDIAN), 0);
	assert_int_equal(wc_curve25519_shared_secret_ex(&private, &public, shared, &size, EC25519_LITTLE_ENDIAN), 0);
	assert_hex(shared, "4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742");
	wc_curve25519_free(&private);
	wc_curve25519_free(&public);
	wc_FreeRng(&rng);
}

/* ---- TLS ---- */

static void test_cipher_suites(void **state)
{
	static const char *const wrong[] = { "RC4", "DES", "NULL", "MD5", "PSK", "EXPORT", "anon", "ADH", "CAMELLIA", "IDEA" };
	static const char *const needed[] = { "TLS13-AES128-GCM-SHA256", "TLS13-AES256-GCM-SHA384",
					      "TLS13-CHACHA20-POLY1305-SHA256", "ECDHE-RSA-AES256-GCM-SHA384",
					      "ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-RSA-CHACHA20-POLY1305",
					      "ECDHE-RSA-AES256-SHA" /* TLS 1.0, when asked */ };
	static char list[8192];

	(void)state;
	assert_int_equal(wolfSSL_get_ciphers(list, sizeof(list)), WOLFSSL_SUCCESS);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_null(strstr(list, wrong[i]));
	for (size_t i = 0; i < sizeof(needed) / sizeof(needed[0]); i++)
		assert_non_null(strstr(list, needed[i]));
}

struct pipe {
	uint8_t bytes[32768];
	size_t n;
};

struct identity {
	ecc_key key;
	uint8_t cert[1024], private[256];
	int cert_len, private_len;
};

static WC_RNG rng;

/* A self-signed certificate for "gw.example"; @serial is its one-byte serial number. */
static void make_identity(struct identity *id, uint8_t serial)
{
	Cert *c = calloc(1, sizeof(*c));
	uint8_t *at;

	assert_non_null(c);
	assert_int_equal(wc_ecc_init(&id->key), 0);
	assert_int_equal(wc_ecc_make_key(&rng, 32, &id->key), 0);
	id->private_len = wc_EccKeyToDer(&id->key, id->private, sizeof(id->private));
	assert_true(id->private_len > 0);
	assert_int_equal(wc_InitCert(c), 0);
	strncpy(c->subject.commonName, "gw.example", CTC_NAME_SIZE - 1);
	c->isCA = 1;
	c->sigType = CTC_SHA256wECDSA;
	c->serial[0] = 0x55;
	c->serialSz = 1;
	id->cert_len = wc_MakeCert(c, id->cert, sizeof(id->cert), NULL, &id->key, &rng);
	assert_true(id->cert_len > 0);
	at = memmem(id->cert, (size_t)id->cert_len, "\x02\x01\x55", 3); /* INTEGER 0x55: the serial number */
	assert_non_null(at);
	at[2] = serial;
	id->cert_len = wc_SignCert(c->bodySz, c->sigType, id->cert, sizeof(id->cert), NULL, &id->key, &rng);
	assert_true(id->cert_len > 0);
	free(c);
}

static int on_send(WOLFSSL *ssl, char *buf, int n, void *ctx)
{
	struct pipe *p = ctx;

	(void)ssl;
	assert_true((size_t)n <= sizeof(p->bytes) - p->n);
	memcpy(p->bytes + p->n, buf, (size_t)n);
	p->n += (size_t)n;
	return n;
}

static int on_recv(WOLFSSL *ssl, char *buf, int n, void *ctx)
{
	struct pipe *p = ctx;

	(void)ssl;
	if (p->n == 0)
		return WOLFSSL_CBIO_ERR_WANT_READ;
	if ((size_t)n > p->n)
		n = (int)p->n;
	memcpy(buf, p->bytes, (size_t)n);
	p->n -= (size_t)n;
	memmove(p->bytes, p->bytes + n, p->n);
	return n;
}

static int seen_depth, seen_error, calls;

static int on_verify(int ok, WOLFSSL_X509_STORE_CTX *store)
{
	seen_depth = store->error_depth;
	seen_error = store->error;
	calls++;
	return ok;
}

static WOLFSSL *side(WOLFSSL_CTX *ctx, struct pipe *in, struct pipe *out)
{
	WOLFSSL *ssl = wolfSSL_new(ctx);

	assert_non_null(ssl);
	wolfSSL_SSLSetIORecv(ssl, on_recv);
	wolfSSL_SSLSetIOSend(ssl, on_send);
	wolfSSL_SetIOReadCtx(ssl, in);
	wolfSSL_SetIOWriteCtx(ssl, out);
	return ssl;
}

/* One step of a handshake: done? Anything but waiting is an error, kept in *err. */
static bool advance(WOLFSSL *ssl, bool server, int *err)
{
	int r = server ? wolfSSL_accept(ssl) : wolfSSL_connect(ssl);

	if (r == WOLFSSL_SUCCESS)
		return true;
	*err = wolfSSL_get_error(ssl, r);
	if (*err == WOLFSSL_ERROR_WANT_READ)
		*err = 0;
	return false;
}

/* Shake hands; returns the client's error, 0 if both finished. Checks that both export the same keys. */
static int handshake(struct identity *id, int min, int max, const char *name, const char *want_version)
{
	static struct pipe up, down;
	WOLFSSL_CTX *client = wolfSSL_CTX_new(wolfSSLv23_client_method());
	WOLFSSL_CTX *server = wolfSSL_CTX_new(wolfSSLv23_server_method());
	bool c_done = false, s_done = false;
	int err = 0, s_err = 0;
	WOLFSSL *c, *s;

	up.n = down.n = 0;
	calls = 0;
	assert_non_null(client);
	assert_non_null(server);
	assert_int_equal(wolfSSL_CTX_SetMinVersion(client, min), WOLFSSL_SUCCESS);
	assert_int_equal(wolfSSL_CTX_SetMinVersion(server, WOLFSSL_TLSV1), WOLFSSL_SUCCESS);
	assert_int_equal(wolfSSL_CTX_use_certificate_buffer(server, id->cert, id->cert_len, WOLFSSL_FILETYPE_ASN1),
			 WOLFSSL_SUCCESS);
	assert_int_equal(wolfSSL_CTX_use_PrivateKey_buffer(server, id->private, id->private_len, WOLFSSL_FILETYPE_ASN1),
			 WOLFSSL_SUCCESS);
	assert_int_equal(wolfSSL_CTX_load_verify_buffer(client, id->cert, id->cert_len, WOLFSSL_FILETYPE_ASN1),
			 WOLFSSL_SUCCESS);
	wolfSSL_CTX_set_verify(client, WOLFSSL_VERIFY_PEER, on_verify);
	c = side(client, &down, &up);
	s = side(server, &up, &down);
	if (max)
		assert_int_equal(wolfSSL_set_options(s, max) & max, max);
	wolfSSL_KeepArrays(c); /* TLS 1.2 forgets what the exporter needs */
	wolfSSL_KeepArrays(s);
	assert_int_equal(wolfSSL_check_domain_name(c, name), WOLFSSL_SUCCESS);
	for (int i = 0; i < 20 && !err && !s_err && !(c_done && s_done); i++) {
		c_done = c_done || advance(c, false, &err);
		s_done = s_done || advance(s, true, &s_err);
	}
	if (!err) {
		uint8_t k1[32], k2[32];

		assert_true(c_done && s_done);
		assert_string_equal(wolfSSL_get_version(c), want_version);
		assert_int_equal(wolfSSL_export_keying_material(c, k1, 32, "client EAP encryption", 21, NULL, 0, 0),
				 WOLFSSL_SUCCESS);
		assert_int_equal(wolfSSL_export_keying_material(s, k2, 32, "client EAP encryption", 21, NULL, 0, 0),
				 WOLFSSL_SUCCESS);
		assert_memory_equal(k1, k2, 32);
	}
	wolfSSL_free(c);
	wolfSSL_free(s);
	wolfSSL_CTX_free(client);
	wolfSSL_CTX_free(server);
	return err;
}

static int setup(void **state)
{
	static struct identity id;

	make_identity(&id, 0);
	*state = &id;
	return 0;
}

static int teardown(void **state)
{
	struct identity *id = *state;

	wc_ecc_free(&id->key);
	return 0;
}

static void test_tls13_serial_zero(void **state)
{
	assert_int_equal(handshake(*state, WOLFSSL_TLSV1_2, 0, "gw.example", "TLSv1.3"), 0);
	assert_true(calls > 0);
	assert_int_equal(seen_depth, 0);
}

static void test_tls12_serial_zero(void **state)
{
	assert_int_equal(handshake(*state, WOLFSSL_TLSV1_2, WOLFSSL_OP_NO_TLSv1_3, "gw.example", "TLSv1.2"), 0);
}

static void test_old_tls_only_when_asked(void **state)
{
	long old = WOLFSSL_OP_NO_TLSv1_3 | WOLFSSL_OP_NO_TLSv1_2 | WOLFSSL_OP_NO_TLSv1_1;

	assert_int_not_equal(handshake(*state, WOLFSSL_TLSV1_2, (int)old, "gw.example", ""), 0);
	assert_int_equal(handshake(*state, WOLFSSL_TLSV1, (int)old, "gw.example", "TLSv1"), 0);
}

static void test_wrong_name(void **state)
{
	assert_int_equal(handshake(*state, WOLFSSL_TLSV1_2, 0, "other.example", ""), DOMAIN_NAME_MISMATCH);
	assert_int_equal(seen_error, DOMAIN_NAME_MISMATCH);
}

static void test_forged_certificate(void **state)
{
	struct identity *id = *state, other;
	uint8_t bad[1024];
	WOLFSSL_CERT_MANAGER *cm = wolfSSL_CertManagerNew();

	assert_non_null(cm);
	assert_int_equal(wolfSSL_CertManagerLoadCABuffer(cm, id->cert, id->cert_len, WOLFSSL_FILETYPE_ASN1), WOLFSSL_SUCCESS);
	assert_int_equal(wolfSSL_CertManagerVerifyBuffer(cm, id->cert, id->cert_len, WOLFSSL_FILETYPE_ASN1), WOLFSSL_SUCCESS);
	memcpy(bad, id->cert, (size_t)id->cert_len);
	bad[id->cert_len - 1] ^= 1;
	assert_int_not_equal(wolfSSL_CertManagerVerifyBuffer(cm, bad, id->cert_len, WOLFSSL_FILETYPE_ASN1), WOLFSSL_SUCCESS);
	make_identity(&other, 0); /* the same name, another key */
	assert_int_not_equal(wolfSSL_CertManagerVerifyBuffer(cm, other.cert, other.cert_len, WOLFSSL_FILETYPE_ASN1),
			     WOLFSSL_SUCCESS);
	wc_ecc_free(&other.key);
	wolfSSL_CertManagerFree(cm);
}

/* A store with a broken entry must not lose the good ones. */
static void test_store_with_a_bad_certificate(void **state)
{
	struct identity *id = *state;
	char pem[4096], store[8192];
	WOLFSSL_CTX *ctx = wolfSSL_CTX_new(wolfSSLv23_client_method());
	WOLFSSL_CERT_MANAGER *cm;
	int n = wc_DerToPem(id->cert, (word32)id->cert_len, (byte *)pem, sizeof(pem) - 1, CERT_TYPE);

	assert_true(n > 0);
	pem[n] = 0;
	n = snprintf(store, sizeof(store), "-----BEGIN CERTIFICATE-----\nMIIBAAAAAAAAAAAAAAAA\n-----END CERTIFICATE-----\n%s", pem);
	assert_non_null(ctx);
	assert_int_equal(wolfSSL_CTX_load_verify_buffer_ex(ctx, (const byte *)store, n, WOLFSSL_FILETYPE_PEM, 0,
							   WOLFSSL_LOAD_FLAG_IGNORE_ERR), WOLFSSL_SUCCESS);
	cm = wolfSSL_CTX_GetCertManager(ctx);
	assert_non_null(cm);
	assert_int_equal(wolfSSL_CertManagerVerifyBuffer(cm, id->cert, id->cert_len, WOLFSSL_FILETYPE_ASN1), WOLFSSL_SUCCESS);
	wolfSSL_CTX_free(ctx);
}

static int group_setup(void **state)
{
	(void)state;
	return wolfSSL_Init() == WOLFSSL_SUCCESS && wc_InitRng(&rng) == 0 ? 0 : -1;
}

static int group_teardown(void **state)
{
	(void)state;
	wc_FreeRng(&rng);
	wolfSSL_Cleanup();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hashes),
		cmocka_unit_test(test_aes_gcm),
		cmocka_unit_test(test_aes_gcm_lengths),
		cmocka_unit_test(test_chacha20_poly1305),
		cmocka_unit_test(test_old_ciphers),
		cmocka_unit_test(test_x25519),
		cmocka_unit_test(test_cipher_suites),
		cmocka_unit_test_setup_teardown(test_tls13_serial_zero, setup, teardown),
		cmocka_unit_test_setup_teardown(test_tls12_serial_zero, setup, teardown),
		cmocka_unit_test_setup_teardown(test_old_tls_only_when_asked, setup, teardown),
		cmocka_unit_test_setup_teardown(test_wrong_name, setup, teardown),
		cmocka_unit_test_setup_teardown(test_forged_certificate, setup, teardown),
		cmocka_unit_test_setup_teardown(test_store_with_a_bad_certificate, setup, teardown),
	};

	return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
