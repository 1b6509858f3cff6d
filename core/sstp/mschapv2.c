/* SPDX-License-Identifier: GPL-3.0-or-later */
/* mschapv2.c - RFC 2759 and the key part of RFC 3079, then CHAP's use of them.
 *
 *     NtHash      = MD4(password in UTF-16LE)         HashHash = MD4(NtHash)
 *     Challenge   = SHA1(peer challenge | server's challenge | user)[0..7]
 *     NT-Response = DES with three keys cut out of NtHash, each over Challenge
 *     AuthResp    = SHA1(SHA1(HashHash | NT-Response | M1) | Challenge | M2)
 *     MasterKey   = SHA1(HashHash | NT-Response | K1)[0..15]
 *     Send/Recv   = SHA1(MasterKey | 40 x 00 | K2 or K3 | 40 x F2)[0..15]
 *
 * M1..K3 are sentences that the RFCs fix. MD4 and single DES are what the protocol is made of; it is the
 * server certificate and the crypto binding that protect this exchange, not they. */
#include <wolfssl/wolfcrypt/settings.h>

#include <wolfssl/wolfcrypt/des3.h>
#include <wolfssl/wolfcrypt/md4.h>

#include "core/sstp/mschapv2.h"

#include <stdlib.h>

#include "core/hash.h"
#include "core/sstp/chap.h"
#include "core/sstp/ppp_proto.h"
#include "core/sstp/printable.h"
#include "core/utf8.h"

#define UTF16_MAX 256u /* units; RFC 2759 4 */
#define NT_HASH 16u

static const char m1[] = "Magic server to client signing constant";
static const char m2[] = "Pad to make it do more than one iteration";
static const char k1[] = "This is the MPPE Master Key";
static const char k2[] =
	"On the client side, this is the send key; on the server side, it is the receive key.";
static const char k3[] =
	"On the client side, this is the receive key; on the server side, it is the send key.";

#define TEXT(s) { .p = (const uint8_t *)(s), .n = sizeof(s) - 1 }
#define BYTES(a) { .p = (a), .n = sizeof(a) }

/* --- arithmetic --------------------------------------------------------------------------------------- */

/* The first 16 bytes of a SHA-1, as a key. */
static int sha1_key(uint8_t ret[static 16], const struct slice *v, size_t nv)
{
	uint8_t digest[20];
	int err = hash_sha1(digest, v, nv);

	if (!err)
		memcpy(ret, digest, 16);
	wipe(digest, sizeof(digest));
	return err;
}

static void md4(uint8_t ret[static NT_HASH], const uint8_t *p, size_t n)
{
	Md4 h;

	wc_InitMd4(&h);
	wc_Md4Update(&h, p, (word32)n);
	wc_Md4Final(&h, ret);
	wipe(&h, sizeof(h));
}

/* The 7 bytes at @half as a DES key: 7 bits in each byte, the lowest bit is parity and DES does not look at
 * it. */
static int des_block(uint8_t ret[static 8], const uint8_t half[static 7], const uint8_t block[static 8])
{
	uint64_t bits = (uint64_t)load_be32(half) << 24 | load_be32(half + 3) % (1u << 24);
	uint8_t key[8];
	Des des;
	int r;

	for (unsigned i = 0; i < 8; i++)
		key[i] = (uint8_t)((bits >> (49 - 7 * i) & 0x7f) << 1);
	r = wc_Des_SetKey(&des, key, NULL, DES_ENCRYPTION);
	if (r == 0)
		r = wc_Des_EcbEncrypt(&des, ret, block, 8);
	wipe(key, sizeof(key));
	wipe(&bits, sizeof(bits));
	wipe(&des, sizeof(des));
	return r == 0 ? 0 : VE_NOMEM;
}

static int nt_response(struct mschapv2 *m)
{
	uint8_t keys[21] = { 0 };
	int err = 0;

	memcpy(keys, m->nt_hash, NT_HASH);
	for (unsigned i = 0; !err && i < 3; i++)
		err = des_block(m->nt_response + 8 * i, keys + 7 * i, m->challenge_hash);
	wipe(keys, sizeof(keys));
	return err;
}

/* The code point at @p, whose UTF-8 form has @len bytes; 0: one byte of something else, taken as Latin-1. */
static uint32_t code_point(const uint8_t *p, size_t len)
{
	uint32_t c;

	if (len <= 1)
		return p[0];
	c = p[0] & (0x7fu >> len);
	for (size_t i = 1; i < len; i++)
		c = c << 6 | (p[i] & 0x3fu);
	return c;
}

static void put_unit(struct wr *w, uint32_t unit)
{
	wr_u8(w, (uint8_t)unit);
	wr_u8(w, (uint8_t)(unit >> 8));
}

static int nt_hash(uint8_t ret[static NT_HASH], const char *password)
{
	uint8_t utf16[2 * UTF16_MAX];
	struct wr w = wr_init(utf16, sizeof(utf16));
	const uint8_t *p = (const uint8_t *)password;
	size_t n = strlen(password);

	while (n > 0 && wr_ok(&w)) {
		size_t len = utf8_char(p, n), step = len ? len : 1;
		uint32_t c = code_point(p, len);

		if (c >= 0x10000) {
			put_unit(&w, 0xd800 + ((c - 0x10000) >> 10));
			put_unit(&w, 0xdc00 + (c & 0x3ff));
		} else {
			put_unit(&w, c);
		}
		p += step;
		n -= step;
	}
	if (wr_ok(&w))
		md4(ret, utf16, w.n);
	wipe(utf16, sizeof(utf16));
	return wr_ok(&w) ? 0 : VE_LIMIT;
}

static const char *without_domain(const char *user)
{
	const char *cut = strrchr(user, '\\');

	return cut ? cut + 1 : user;
}

static int challenge_hash(uint8_t ret[static 8], const char *user, const uint8_t *auth_challenge,
			  const uint8_t *peer_challenge)
{
	const char *name = without_domain(user);
	const struct slice v[] = { { .p = peer_challenge, .n = MSCHAPV2_CHALLENGE },
				   { .p = auth_challenge, .n = MSCHAPV2_CHALLENGE },
				   { .p = (const uint8_t *)name, .n = strlen(name) } };
	uint8_t digest[20];
	int err = hash_sha1(digest, v, ARRAY_LEN(v));

	if (!err)
		memcpy(ret, digest, 8);
	return err;
}

static int auth_response(struct mschapv2 *m)
{
	uint8_t inner[20];
	const struct slice first[] = { BYTES(m->hash_hash), BYTES(m->nt_response), TEXT(m1) };
	const struct slice second[] = { BYTES(inner), BYTES(m->challenge_hash), TEXT(m2) };
	int err = hash_sha1(inner, first, ARRAY_LEN(first));

	if (!err)
		err = hash_sha1(m->auth_response, second, ARRAY_LEN(second));
	wipe(inner, sizeof(inner));
	return err;
}

static int session_keys(struct mschapv2 *m)
{
	static const uint8_t pad1[40];
	uint8_t pad2[40];
	const struct slice master[] = { BYTES(m->hash_hash), BYTES(m->nt_response), TEXT(k1) };
	const struct slice out[] = { BYTES(m->master_key), BYTES(pad1), TEXT(k2), BYTES(pad2) };
	const struct slice in[] = { BYTES(m->master_key), BYTES(pad1), TEXT(k3), BYTES(pad2) };
	int err;

	memset(pad2, 0xf2, sizeof(pad2));
	err = sha1_key(m->master_key, master, ARRAY_LEN(master));
	if (!err)
		err = sha1_key(m->send_key, out, ARRAY_LEN(out));
	if (!err)
		err = sha1_key(m->recv_key, in, ARRAY_LEN(in));
	return err;
}

int mschapv2_compute(struct mschapv2 *ret, const char *user, const char *password,
		     const uint8_t auth_challenge[static MSCHAPV2_CHALLENGE],
		     const uint8_t peer_challenge[static MSCHAPV2_CHALLENGE])
{
	struct mschapv2 m;
	int err = nt_hash(m.nt_hash, password);

	if (!err) {
		md4(m.hash_hash, m.nt_hash, NT_HASH);
		err = challenge_hash(m.challenge_hash, user, auth_challenge, peer_challenge);
	}
	if (!err)
		err = nt_response(&m);
	if (!err)
		err = auth_response(&m);
	if (!err)
		err = session_keys(&m);
	if (!err)
		*ret = m;
	wipe(&m, sizeof(m));
	return err;
}

/* --- texts -------------------------------------------------------------------------------------------- */

void mschapv2_write_value(struct wr *w, const uint8_t peer_challenge[static MSCHAPV2_CHALLENGE],
			  const struct mschapv2 *m)
{
	wr_bytes(w, peer_challenge, MSCHAPV2_CHALLENGE);
	wr_u64(w, 0);
	wr_bytes(w, m->nt_response, sizeof(m->nt_response));
	wr_u8(w, 0);
}

/* The value of the field @name of "E=691 R=0 M=any words": up to the next blank, for M up to the end. */
static bool find_field(struct slice text, uint8_t name, struct slice *ret)
{
	size_t at = 0;

	while (at + 2 <= text.n) {
		const uint8_t *p = text.p + at, *blank;
		size_t left = text.n - at, len;

		blank = p[0] == 'M' && p[1] == '=' ? NULL : memchr(p, ' ', left);
		len = blank ? (size_t)(blank - p) : left;
		if (p[0] == name && p[1] == '=' && len >= 2) {
			*ret = (struct slice){ .p = p + 2, .n = len - 2 };
			return true;
		}
		at += len + 1;
	}
	return false;
}

bool mschapv2_success_proves(struct slice text, const struct mschapv2 *m)
{
	uint8_t said[20];
	struct slice hex;

	if (!find_field(text, 'S', &hex) || hex.n != 2 * sizeof(said))
		return false;
	for (size_t i = 0; i < sizeof(said); i++) {
		int high = hex_digit(hex.p[2 * i]), low = hex_digit(hex.p[2 * i + 1]);

		if (high < 0 || low < 0)
			return false;
		said[i] = (uint8_t)(high << 4 | low);
	}
	return !ct_differ(said, m->auth_response, sizeof(said));
}

static unsigned find_code(struct slice text)
{
	struct slice digits;
	unsigned code = 0;

	if (!find_field(text, 'E', &digits) || digits.n == 0 || digits.n > 6)
		return 0;
	for (size_t i = 0; i < digits.n; i++) {
		if (digits.p[i] < '0' || digits.p[i] > '9')
			return 0;
		code = 10 * code + (unsigned)(digits.p[i] - '0');
	}
	return code;
}

void mschapv2_explain_failure(struct fault *f, const struct auth_account *account, struct slice text)
{
	static const struct {
		unsigned code;
		const char *meaning, *hint;
	} codes[] = {
		{ 646, "the account may not log on at this time of day",
		  "try later, or ask its administrator" },
		{ 647, "the account is disabled", "ask its administrator" },
		{ 648, "the password has expired", "change it where it is managed, then try again" },
		{ 649, "the account has no permission to dial in",
		  "its Dial-in tab or network policy must allow it" },
		{ 691, "user name or password wrong", NULL },
		{ 709, "the server does not accept the new password",
		  "it must obey the server's password rules" },
	};
	const char *meaning = "refused without a reason we know", *hint = NULL;
	char words[SSTP_TEXT_MAX / 2];
	unsigned code = find_code(text);
	struct slice message = { 0 };

	if (text.n == 0)
		code = 691; /* pppd about a user it does not know */
	for (size_t i = 0; i < ARRAY_LEN(codes); i++) {
		if (codes[i].code == code) {
			meaning = codes[i].meaning;
			hint = codes[i].hint;
		}
	}
	if (!hint)
		hint = auth_wrong_password_hint(account);
	if (!find_field(text, 'M', &message) && code == 0)
		message = text;
	printable(words, sizeof(words), message);
	fault_set_final(f, VE_AUTH, "login as \"%s\" refused, error %u: %s%s%s%s; %s", account->user, code,
			meaning, words[0] ? " (the server says: " : "", words, words[0] ? ")" : "", hint);
}

/* --- over CHAP ---------------------------------------------------------------------------------------- */

struct login {
	struct chap chap;
	struct mschapv2 m; /* of the last Response */
};

static int respond(struct chap *c, uint8_t id, struct slice challenge, struct wr *value)
{
	struct login *l = (struct login *)c;
	const struct auth *a = &c->base;
	uint8_t peer_challenge[MSCHAPV2_CHALLENGE];
	int err;

	(void)id;
	a->env->random(a->env->ctx, peer_challenge, sizeof(peer_challenge));
	err = mschapv2_compute(&l->m, a->account->user, a->account->password, challenge.p, peer_challenge);
	if (!err)
		mschapv2_write_value(value, peer_challenge, &l->m);
	return err;
}

static void on_success(struct chap *c, struct slice text)
{
	struct login *l = (struct login *)c;

	if (!mschapv2_success_proves(text, &l->m)) {
		c->base.state = AUTH_FAILED;
		fault_set_final(&c->base.fault, VE_AUTH,
				"the server accepts \"%s\" but cannot prove that it knows the password: "
				"this may be an impostor; check the server's certificate",
				c->base.account->user);
	} else if (c->base.state == AUTH_GOING) {
		c->base.state = AUTH_OK;
		memcpy(c->base.hlak, l->m.send_key, 16);
		memcpy(c->base.hlak + 16, l->m.recv_key, 16);
	}
	wipe(&l->m, sizeof(l->m));
}

static void on_failure(struct chap *c, struct slice text)
{
	struct login *l = (struct login *)c;

	c->base.state = AUTH_FAILED;
	mschapv2_explain_failure(&c->base.fault, c->base.account, text);
	wipe(&l->m, sizeof(l->m));
}

static const struct chap_algorithm algorithm = {
	.challenge_min = MSCHAPV2_CHALLENGE,
	.challenge_max = MSCHAPV2_CHALLENGE,
	.respond = respond,
	.success = on_success,
	.failure = on_failure,
};

static int create(struct auth **ret, const struct auth_account *account, const struct session_env *env)
{
	struct login *l = calloc(1, sizeof(*l));

	if (!l)
		return VE_NOMEM;
	chap_init(&l->chap, &mschapv2_auth_ops, &algorithm, account, env);
	*ret = &l->chap.base;
	return 0;
}

static void destroy(struct auth *a)
{
	struct login *l = (struct login *)a;

	wipe(l, sizeof(*l));
	free(l);
}

const struct auth_ops mschapv2_auth_ops = {
	.methods = AUTH_MSCHAPV2,
	.name = "MS-CHAPv2",
	.protocol = PPP_CHAP,
	.lcp = { PPP_CHAP >> 8, PPP_CHAP & 0xff, 0x81 },
	.lcp_len = 3,
	.create = create,
	.destroy = destroy,
	.start = chap_start,
	.input = chap_input,
	.tick = chap_tick,
};
