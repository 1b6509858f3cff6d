/* SPDX-License-Identifier: GPL-3.0-or-later */
/* rudp_bulk.c - frames as single datagrams beside an R-UDP stream.
 *
 *     version 1    sign[20] | iv[20] | RC4( SHA1(key | iv), seq | payload | pad )
 *     version 2    nonce[12] | ChaCha20-Poly1305( seq | payload | pad ) | tag[16]
 *
 * The padding is 1 to 31 bytes, each the length of the padding. A compressed payload begins with 8 bytes that no frame
 * begins with in practice. There are two signs in version 1; once the server has shown that it knows the HMAC, the
 * other is not taken any more. */
#include "core/softether/rudp_bulk.h"

#include <string.h>

#include "core/err.h"
#include "core/rd.h"
#include "core/softether/se_cipher.h"
#include "core/wr.h"

#define PAD_MAX 31u
#define SEQ_BEHIND 16384u
#define SEQ_END 0xf000000000000000ull
#define COMPRESSED 0xdeadbeefcafefaceull
#define V1_HEAD (2 * SHA1_SIZE)
#define BODY_MIN (8u + 1u + 1u)                    /* seq, a byte, a pad */
#define BODY_MAX (8u + 8u + FRAME_MAX + PAD_MAX)

_Static_assert(V1_HEAD + BODY_MAX <= RUDP_BULK_DATAGRAM_MAX, "version 1");
_Static_assert(SE_AEAD_NONCE + BODY_MAX + SE_AEAD_TAG <= RUDP_BULK_DATAGRAM_MAX, "version 2");

int rudp_bulk_init(struct rudp_bulk *b, struct slice send, struct slice recv, bool hmac, const struct session_env *env)
{
	if (send.n != recv.n || (send.n != SHA1_SIZE && send.n != SE_AEAD_KEY))
		return VE_PROTO;
	*b = (struct rudp_bulk){ .version = send.n == SE_AEAD_KEY ? 2 : 1, .hmac = hmac, .env = env };
	memcpy(b->send_key, send.p, send.n);
	memcpy(b->recv_key, recv.p, recv.n);
	env->random(env->ctx, b->nonce, sizeof(b->nonce));
	return 0;
}

void rudp_bulk_fini(struct rudp_bulk *b)
{
	wipe(b, sizeof(*b));
}

/* --- sealing ---------------------------------------------------------------------------------------------- */

/* The sign of @sealed (iv and ciphertext): HMAC, or the hash of key and text. */
static int sign(uint8_t ret[static SHA1_SIZE], const uint8_t *key, bool hmac, struct slice sealed)
{
	const struct slice v[] = { { key, SHA1_SIZE }, sealed };

	return hmac ? hash_hmac_sha1(ret, v[0], sealed) : hash_sha1(ret, v, ARRAY_LEN(v));
}

static void put_body(struct rudp_bulk *b, struct wr *w, const struct slice *v, size_t nv, bool compressed)
{
	uint8_t pad;

	b->env->random(b->env->ctx, &pad, 1);
	pad = (uint8_t)(1 + pad % PAD_MAX);
	wr_u64(w, ++b->send_seq);
	if (compressed)
		wr_u64(w, COMPRESSED);
	for (size_t i = 0; i < nv; i++)
		wr_bytes(w, v[i].p, v[i].n);
	for (unsigned i = 0; i < pad; i++)
		wr_u8(w, pad);
}

static size_t seal_v1(struct rudp_bulk *b, const struct slice *v, size_t nv, bool compressed, uint8_t *to)
{
	struct wr w = wr_init(to, RUDP_BULK_DATAGRAM_MAX);
	uint8_t *iv;

	wr_space(&w, SHA1_SIZE);
	iv = wr_space(&w, SHA1_SIZE);
	b->env->random(b->env->ctx, iv, SHA1_SIZE);
	put_body(b, &w, v, nv, compressed);
	if (!wr_ok(&w) || se_rc4(b->send_key, iv, to + V1_HEAD, w.n - V1_HEAD) != 0 ||
	    sign(to, b->send_key, b->hmac, (struct slice){ iv, w.n - SHA1_SIZE }) != 0)
		return 0;
	return w.n;
}

static size_t seal_v2(struct rudp_bulk *b, const struct slice *v, size_t nv, bool compressed, uint8_t *to)
{
	struct wr w = wr_init(to, RUDP_BULK_DATAGRAM_MAX - SE_AEAD_TAG);

	se_nonce_next(b->nonce);
	wr_bytes(&w, b->nonce, sizeof(b->nonce));
	put_body(b, &w, v, nv, compressed);
	if (!wr_ok(&w) || se_aead_seal(b->send_key, b->nonce, to + SE_AEAD_NONCE, w.n - SE_AEAD_NONCE) != 0)
		return 0;
	return w.n + SE_AEAD_TAG;
}

size_t rudp_bulk_seal(struct rudp_bulk *b, const struct slice *v, size_t nv, bool compressed,
		      uint8_t to[static RUDP_BULK_DATAGRAM_MAX])
{
	size_t n = 0;

	for (size_t i = 0; i < nv; i++) {
		if (v[i].n > FRAME_MAX - n)
			return 0;
		n += v[i].n;
	}
	if (n == 0)
		return 0;
	return b->version == 2 ? seal_v2(b, v, nv, compressed, to) : seal_v1(b, v, nv, compressed, to);
}

/* --- opening ---------------------------------------------------------------------------------------------- */

/* Check and decrypt into @to. Returns the size of the body, 0 if it is not ours. */
static size_t open_v1(struct rudp_bulk *b, struct slice d, uint8_t *to)
{
	uint8_t want[SHA1_SIZE];
	struct slice sealed;
	bool hmac = true;
	size_t n;

	if (d.n < V1_HEAD + BODY_MIN || d.n > V1_HEAD + BODY_MAX)
		return 0;
	sealed = (struct slice){ d.p + SHA1_SIZE, d.n - SHA1_SIZE };
	if (sign(want, b->recv_key, true, sealed) != 0)
		return 0;
	if (ct_differ(want, d.p, sizeof(want))) {
		hmac = false;
		if (b->saw_hmac || sign(want, b->recv_key, false, sealed) != 0 || ct_differ(want, d.p, sizeof(want)))
			return 0;
	}
	b->saw_hmac |= hmac;
	n = d.n - V1_HEAD;
	memcpy(to, d.p + V1_HEAD, n);
	return se_rc4(b->recv_key, d.p + SHA1_SIZE, to, n) == 0 ? n : 0;
}

static size_t open_v2(const struct rudp_bulk *b, struct slice d, uint8_t *to)
{
	const size_t around = SE_AEAD_NONCE + SE_AEAD_TAG;

	if (d.n < around + BODY_MIN || d.n > around + BODY_MAX)
		return 0;
	if (se_aead_open(b->recv_key, d.p, (struct slice){ d.p + SE_AEAD_NONCE, d.n - SE_AEAD_NONCE }, to) != 0)
		return 0;
	return d.n - around;
}

/* The frame in a body that was proven to be the server's. */
static bool parse(const struct rudp_bulk *b, const uint8_t *body, size_t n, uint64_t *ret_seq, struct slice *ret,
		  bool *ret_compressed)
{
	size_t pad = body[n - 1];
	struct rd in;

	if (pad < 1 || pad > PAD_MAX || pad > n - 8)
		return false;
	in = rd_init(body, n - pad);
	*ret_seq = rd_u64(&in);
	if (*ret_seq >= SEQ_END || *ret_seq + SEQ_BEHIND < b->recv_seq)
		return false;
	*ret_compressed = rd_left(&in) > 8 && load_be64(in.p) == COMPRESSED;
	if (*ret_compressed)
		rd_skip(&in, 8);
	*ret = rd_rest(&in);
	return rd_ok(&in) && ret->n >= 1 && ret->n <= FRAME_MAX;
}

int rudp_bulk_open(struct rudp_bulk *b, struct slice datagram, uint8_t to[static RUDP_BULK_DATAGRAM_MAX],
		   struct slice *ret, bool *ret_compressed)
{
	size_t n = b->version == 2 ? open_v2(b, datagram, to) : open_v1(b, datagram, to);
	struct slice frame;
	bool compressed;
	uint64_t seq;

	if (n == 0 || !parse(b, to, n, &seq, &frame, &compressed))
		return VE_PROTO;
	if (seq > b->recv_seq)
		b->recv_seq = seq;
	*ret = frame;
	*ret_compressed = compressed;
	return 0;
}
