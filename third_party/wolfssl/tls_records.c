/* SPDX-License-Identifier: GPL-3.0-or-later */
/* tls_records.c - see tls_records.h. Compiled with wolfSSL, as it looks into its structures.
 *
 * Opening. A record of TLS 1.3 says what it is only when it is decrypted; then it may be too late, because the number of
 * the record, which goes into the nonce, has been counted. So that number is remembered and put back: wolfSSL decrypts the
 * record again, acts on it, and counts. The same with a record that is not authentic: wolfSSL finds that once more, sends
 * the alert and remembers the failure. Nothing but the number is changed on the way.
 *
 * Sealing. wolfSSL's own functions build the record, in the caller's memory. */
#include <wolfssl/wolfcrypt/settings.h>
#include <wolfssl/internal.h>
#include <wolfssl/error-ssl.h>
#include <wolfssl/wolfcrypt/aes.h>
#define WOLFSSL_MISC_INCLUDED
#include <wolfcrypt/src/misc.c> /* as wolfSSL's own sources do */

#include <string.h>

#include "tls_records.h"

#define PLAIN_MAX 16384u /* RFC 8446, 5.1; RFC 5246, 6.2.1 */

/* The number of the next record of the peer. */
struct number {
	word32 hi, lo;
};

static struct number peer_number(const WOLFSSL *ssl)
{
	return (struct number){ ssl->keys.peer_sequence_number_hi, ssl->keys.peer_sequence_number_lo };
}

static void set_peer_number(WOLFSSL *ssl, struct number n)
{
	ssl->keys.peer_sequence_number_hi = n.hi;
	ssl->keys.peer_sequence_number_lo = n.lo;
}

static struct number following(struct number n)
{
	n.lo++;
	n.hi += n.lo == 0;
	return n;
}

/* The connection is open, nothing went wrong and nothing is half done. */
static int is_ordinary(const WOLFSSL *ssl)
{
	return (ssl->error == 0 || ssl->error == WANT_READ || ssl->error == WANT_WRITE ||
		ssl->error == WOLFSSL_ERROR_WANT_READ || ssl->error == WOLFSSL_ERROR_WANT_WRITE) &&
	       ssl->options.handShakeDone && ssl->options.handShakeState == HANDSHAKE_DONE &&
	       !ssl->options.dtls && !ssl->options.connReset && !ssl->options.isClosed &&
	       !ssl->options.sentNotify && !ssl->options.closeNotify &&
	       ssl->pendingAlert.level == alert_none && ssl->keys.encryptionOn &&
	       ssl->specs.cipher_type == aead;
}

/* wolfSSL is between two records and has given out all the plaintext it had. */
static int has_nothing(const WOLFSSL *ssl)
{
	return ssl->options.processReply == 0 && ssl->buffers.clearOutputBuffer.length == 0 &&
	       ssl->buffers.inputBuffer.idx >= ssl->buffers.inputBuffer.length;
}

/* RFC 8446, 5.2: plaintext, type, zeros, tag. Returns the count of plaintext, 0: leave it to wolfSSL. */
static size_t open13(WOLFSSL *ssl, uint8_t *to, size_t cap, const uint8_t *record, size_t n)
{
	size_t body = n - RECORD_HEADER_SZ, tag = ssl->specs.aead_mac_size, inner;

	if (ssl->keys.keyUpdateRespond || tag != AES_BLOCK_SIZE || body <= tag)
		return 0;
	inner = body - tag;
	if (inner > cap || inner > PLAIN_MAX + 1)
		return 0;
	if (DecryptTls13(ssl, to, record + RECORD_HEADER_SZ, (word16)body, record, RECORD_HEADER_SZ) != 0)
		return 0;
	while (inner > 0 && to[inner - 1] == 0)
		inner--;
	return inner > 1 && to[inner - 1] == application_data ? inner - 1 : 0;
}

/* RFC 5288, 3: half of the nonce, ciphertext, tag. */
static size_t open12(WOLFSSL *ssl, uint8_t *to, size_t cap, const uint8_t *record, size_t n)
{
	const uint8_t *p = record + RECORD_HEADER_SZ;
	size_t extra = RECORD_HEADER_SZ + AESGCM_EXP_IV_SZ + AES_BLOCK_SIZE, plain = n > extra ? n - extra : 0;
	struct number number = peer_number(ssl);
	byte nonce[AESGCM_NONCE_SZ], about[AEAD_AUTH_DATA_SZ];
	int r;

	if (ssl->specs.bulk_cipher_algorithm != wolfssl_aes_gcm || ssl->specs.aead_mac_size != AES_BLOCK_SIZE ||
	    !ssl->decrypt.setup || ssl->options.startedETMRead)
		return 0;
	if (plain == 0 || plain > cap || plain > PLAIN_MAX)
		return 0;
	memcpy(nonce, ssl->keys.aead_dec_imp_IV, AESGCM_IMP_IV_SZ);
	memcpy(nonce + AESGCM_IMP_IV_SZ, p, AESGCM_EXP_IV_SZ);
	c32toa(number.hi, about);
	c32toa(number.lo, about + 4);
	memcpy(about + 8, record, 3);
	c16toa((word16)plain, about + 11);
	r = wc_AesGcmDecrypt(ssl->decrypt.aes, to, p + AESGCM_EXP_IV_SZ, (word32)plain, nonce, sizeof(nonce),
			     p + AESGCM_EXP_IV_SZ + plain, AES_BLOCK_SIZE, about, sizeof(about));
	ForceZero(nonce, sizeof(nonce));
	if (r != 0)
		return 0;
	set_peer_number(ssl, following(number));
	return plain;
}

int tls_records_open(struct WOLFSSL *ssl, uint8_t *to, size_t cap, const uint8_t *record, size_t n)
{
	struct number before = peer_number(ssl);
	size_t plain;

	if (n <= RECORD_HEADER_SZ || !is_ordinary(ssl) || !has_nothing(ssl))
		return TLS_RECORDS_NO;
	if (n - RECORD_HEADER_SZ != ((size_t)record[3] << 8 | record[4]))
		return TLS_RECORDS_NO;
	if (record[0] != application_data || record[1] != SSLv3_MAJOR || record[2] != TLSv1_2_MINOR)
		return TLS_RECORDS_NO;
	if (ssl->options.tls1_3)
		plain = open13(ssl, to, cap, record, n);
	else if (ssl->version.minor == TLSv1_2_MINOR)
		plain = open12(ssl, to, cap, record, n);
	else
		return TLS_RECORDS_NO;
	if (plain > 0)
		return (int)plain;
	set_peer_number(ssl, before);
	ForceZero(to, (word32)(n < cap ? n : cap)); /* of a forgery, or a secret that is not the caller's */
	return TLS_RECORDS_NO;
}

/* RFC 8446, 5.5: before that many records, wolfSSL_write() changes the key. */
static int key_is_worn(const WOLFSSL *ssl)
{
	w64wrapper number = w64From32(ssl->keys.sequence_number_hi, ssl->keys.sequence_number_lo);

	return ssl->specs.bulk_cipher_algorithm != wolfssl_chacha && w64GTE(number, AEAD_AES_LIMIT);
}

int tls_records_seal(struct WOLFSSL *ssl, uint8_t *to, size_t cap, const uint8_t *p, size_t n)
{
	int r;

	if (n == 0 || n > PLAIN_MAX || !is_ordinary(ssl) || ssl->buffers.outputBuffer.length > 0)
		return TLS_RECORDS_NO;
	if (cap < n + RECORD_HEADER_SZ + (size_t)cipherExtraData(ssl))
		return TLS_RECORDS_NO;
	if (!ssl->options.tls1_3)
		r = BuildMessage(ssl, to, (int)cap, p, (int)n, application_data, 0, 0, 1, CUR_ORDER);
	else if (!key_is_worn(ssl))
		r = BuildTls13Message(ssl, to, (int)cap, p, (int)n, application_data, 0, 0, 1);
	else
		return TLS_RECORDS_NO;
	return r > 0 ? r : TLS_RECORDS_NO;
}
