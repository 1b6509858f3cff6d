/* SPDX-License-Identifier: GPL-3.0-or-later */
/* credential.c - containers are opened here, ciphers and keys are wolfCrypt's.
 *
 * A key goes through these forms, from the outside in, and may start at any of them:
 *
 *     PEM                     base64 between two lines; old ones are encrypted at this level (Proc-Type, DEK-Info)
 *     EncryptedPrivateKeyInfo PKCS #8, encrypted
 *     PrivateKeyInfo          PKCS #8: which kind of key, and
 *     RSAPrivateKey           PKCS #1
 *
 * PKCS #12 is opened by wolfCrypt as a whole. An empty password is tried first: many such files have none, and nobody
 * should be asked for it.
 *
 * That key and certificate belong together is not concluded from numbers that look alike: something is signed with the one
 * and verified with the other. That also finds a key whose parts do not fit each other.
 *
 * A file says itself how often a password is to be hashed. Before a password is put to work, check_iterations() looks for
 * such numbers, so that no file can make us compute for hours. */
#include "core/credential.h"

#include <stdlib.h>
#include <string.h>

#include <wolfssl/wolfcrypt/settings.h>
#include <wolfssl/wolfcrypt/asn.h>
#include <wolfssl/wolfcrypt/asn_public.h>
#include <wolfssl/wolfcrypt/error-crypt.h>
#include <wolfssl/wolfcrypt/pkcs12.h>
#include <wolfssl/wolfcrypt/random.h>
#include <wolfssl/wolfcrypt/rsa.h>

#include "core/cert.h"
#include "core/credential_int.h"
#include "core/der.h"
#include "core/limits.h"
#include "core/pem.h"
#include "core/softether/se_auth.h"

#define NESTING_MAX 24u /* of a DER file; PKCS #12 has about 12 levels */

static void credential_wipe(uint8_t **p, size_t *n)
{
	if (*p)
		wipe(*p, *n);
	free(*p);
	*p = NULL;
	*n = 0;
}

void credential_fini(struct credential *c)
{
	credential_wipe(&c->certificate, &c->certificate_n);
	credential_wipe(&c->key, &c->key_n);
}

/* --- what a file asks of us --------------------------------------------------------------------------------- */

/* A number of iterations is an INTEGER behind an OCTET STRING, the salt, in every form there is: PKCS #5's two schemes,
 * PKCS #12's, its MAC. The tree is followed into strings that hold DER themselves. Returns the largest; what is no DER
 * counts as nothing. */
static uint64_t max_iterations(struct rd in, unsigned depth)
{
	uint64_t most = 0, below;
	uint8_t tag, before = 0;
	struct rd body;

	if (depth == 0)
		return 0;
	for (; (tag = der_next(&in, &body)) != 0; before = tag) {
		if (tag == DER_INTEGER && before == DER_OCTET_STRING) {
			uint64_t v = 0;

			for (struct rd b = body; rd_left(&b) > 0; )
				v = v > UINT32_MAX ? v : v << 8 | rd_u8(&b);
			most = v > most ? v : most;
		}
		if ((tag & 0x20) || tag == DER_OCTET_STRING) {
			below = max_iterations(body, depth - 1);
			most = below > most ? below : most;
		}
	}
	return most;
}

static int check_iterations(struct slice der, const char *name, struct fault *f)
{
	uint64_t n = max_iterations(rd_init(der.p, der.n), NESTING_MAX);

	if (n <= KEY_ITERATIONS_MAX)
		return 0;
	return refuse(f, "%s: its password is to be hashed more than %u times, which would take too long", name,
		      KEY_ITERATIONS_MAX);
}

/* What wolfCrypt cannot do, or we left out, by the names that tools print. */
static const char *missing_algorithm(struct slice der)
{
	static const struct {
		uint8_t oid[12]; /* with tag and length */
		uint8_t n;
		const char *name;
	} known[] = {
		{ { 0x06, 9, 0x60, 0x86, 0x48, 1, 0x65, 3, 4, 1, 0x16 }, 11, "AES-192-CBC" },
		{ { 0x06, 9, 0x60, 0x86, 0x48, 1, 0x65, 3, 4, 1, 0x06 }, 11, "AES-128-GCM" },
		{ { 0x06, 9, 0x60, 0x86, 0x48, 1, 0x65, 3, 4, 1, 0x2e }, 11, "AES-256-GCM" },
		{ { 0x06, 9, 0x2b, 6, 1, 4, 1, 0xda, 0x47, 4, 11 }, 11, "scrypt" },
		{ { 0x06, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 5, 14 }, 11, "PBMAC1" },
		{ { 0x06, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 5, 6 }, 11, "pbeWithMD5AndRC2-CBC" },
		{ { 0x06, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 5, 11 }, 11, "pbeWithSHA1AndRC2-CBC" },
		{ { 0x06, 8, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 3, 2 }, 10, "PBES2 and RC2" },
		{ { 0x06, 8, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 2, 8 }, 10, "PBKDF2 with SHA-224" },
		{ { 0x06, 8, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 2, 10 }, 10, "PBKDF2 with SHA-384" },
		{ { 0x06, 8, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 2, 11 }, 10, "PBKDF2 with SHA-512" },
		{ { 0x06, 10, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 12, 1, 2 }, 12, "pbeWithSHAAnd40BitRC4" },
		{ { 0x06, 10, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 12, 1, 4 }, 12, "pbeWithSHAAnd2-KeyTripleDES-CBC" },
		{ { 0x06, 10, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 12, 1, 5 }, 12, "pbeWithSHAAnd128BitRC2-CBC" },
	};

	for (size_t i = 0; i < ARRAY_LEN(known); i++) {
		if (der.n > 0 && memmem(der.p, der.n, known[i].oid, known[i].n))
			return known[i].name;
	}
	return NULL;
}

/* Something with a password could not be opened. */
static int refuse_encrypted(struct slice der, const char *name, struct fault *f)
{
	const char *missing = missing_algorithm(der);

	if (missing)
		return refuse(f, "%s: it is encrypted with %s, which is not available here: encrypt it anew, with "
			      "AES-256-CBC and SHA-256",
			      name, missing);
	return refuse(f, "%s: wrong password", name);
}

/* --- the key -------------------------------------------------------------------------------------------------- */

struct key_job {
	const char *name;
	const struct credential_asker *asker;
	struct fault *f;
};

enum key_form { KEY_NONE, KEY_PKCS1, KEY_PKCS8, KEY_PKCS8_ENCRYPTED };

/* Which form is it, and where does its outermost element end? For PKCS8, *inner is the key in it. */
static enum key_form key_form(struct slice der, struct slice *ret_whole, struct slice *inner, bool *is_rsa)
{
	static const uint8_t rsa[] = { 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1 };
	struct rd r = rd_init(der.p, der.n), body = der_expect(&r, DER_SEQUENCE), first, second, oid, key;
	uint8_t a = der_next(&body, &first), b = der_next(&body, &second);

	if (!rd_ok(&r) || !rd_ok(&body))
		return KEY_NONE;
	*ret_whole = (struct slice){ .p = der.p, .n = der.n - rd_left(&r) };
	if (a == DER_SEQUENCE && b == DER_OCTET_STRING)
		return KEY_PKCS8_ENCRYPTED;
	if (a == DER_INTEGER && b == DER_INTEGER)
		return KEY_PKCS1;
	if (a != DER_INTEGER || b != DER_SEQUENCE)
		return KEY_NONE;
	oid = der_expect(&second, DER_OID);
	key = der_expect(&body, DER_OCTET_STRING);
	if (!rd_ok(&oid) || !rd_ok(&key))
		return KEY_NONE;
	*is_rsa = rd_left(&oid) == sizeof(rsa) && memcmp(oid.p, rsa, sizeof(rsa)) == 0;
	*inner = rd_rest(&key);
	return KEY_PKCS8;
}

/* PKCS #1 or PKCS #8, not encrypted. */
static int key_plain(struct slice der, const struct key_job *job, struct blob *ret)
{
	struct slice whole = { .n = 0 }, inner = { .n = 0 };
	bool is_rsa = true;

	switch (key_form(der, &whole, &inner, &is_rsa)) {
	case KEY_PKCS1:
		return blob_copy(ret, whole, job->f);
	case KEY_PKCS8:
		if (!is_rsa)
			return refuse(job->f, "%s: the key is none of RSA: a login takes RSA", job->name);
		return blob_copy(ret, inner, job->f);
	default:
		return refuse(job->f, "%s: there is no private key in it that can be read", job->name);
	}
}

/* PKCS #8, encrypted. The decrypted bytes are checked like any others: a wrong password may give anything. */
static int key_decrypt(struct slice der, const struct key_job *job, struct blob *ret)
{
	struct fault ignored = { 0 };
	struct key_job quiet = { .name = job->name, .asker = job->asker, .f = &ignored };
	struct password password;
	struct blob copy;
	int r = check_iterations(der, job->name, job->f), n;

	if (r == 0)
		r = job->asker->ask(job->asker->ctx, job->name, &password, job->f);
	if (r != 0)
		return r;
	r = blob_copy(&copy, der, job->f);
	if (r == 0) {
		n = wc_DecryptPKCS8Key(copy.p, (word32)copy.n, password.text, (int)strlen(password.text));
		r = VE_USAGE;
		if (n > 0)
			r = key_plain((struct slice){ .p = copy.p, .n = (size_t)n }, &quiet, ret);
		if (r == VE_USAGE)
			r = refuse_encrypted(der, job->name, job->f);
		blob_free(&copy);
	}
	wipe(&password, sizeof(password));
	return r;
}

static int key_der(struct slice der, const struct key_job *job, struct blob *ret)
{
	struct slice whole, inner;
	bool is_rsa;

	if (key_form(der, &whole, &inner, &is_rsa) == KEY_PKCS8_ENCRYPTED)
		return key_decrypt(whole, job, ret);
	return key_plain(der, job, ret);
}

/* The way of OpenSSL before PKCS #8: the lines in between are encrypted, and headers say how. */
static int key_old_pem(const struct pem *b, const struct key_job *job, struct blob *ret)
{
	struct fault ignored = { 0 };
	struct key_job quiet = { .name = job->name, .asker = job->asker, .f = &ignored };
	struct password password;
	struct blob out;
	int r = job->asker->ask(job->asker->ctx, job->name, &password, job->f), n;

	if (r != 0)
		return r;
	r = blob_new(&out, b->whole.n, job->f);
	if (r == 0) {
		n = wc_KeyPemToDer(b->whole.p, (int)b->whole.n, out.p, (int)out.cap, password.text);
		r = VE_USAGE;
		if (n > 0)
			r = key_plain((struct slice){ .p = out.p, .n = (size_t)n }, &quiet, ret);
		if (r == VE_USAGE)
			r = refuse(job->f, "%s: wrong password, or the key is encrypted with a cipher that is not available here "
				   "(AES-128, AES-192, AES-256 and 3DES are, with CBC)", job->name);
		blob_free(&out);
	}
	wipe(&password, sizeof(password));
	return r;
}

static int key_block(const struct pem *b, const struct key_job *job, struct blob *ret)
{
	struct blob der;
	int r;

	if (pem_has(b->body, "Proc-Type:"))
		return key_old_pem(b, job, ret);
	r = pem_decode(b, &der, job->f);
	if (r == VE_USAGE)
		return refuse(job->f, "%s: the private key in it is not base64", job->name);
	if (r != 0)
		return r;
	r = key_der(blob_slice(&der), job, ret);
	blob_free(&der);
	return r;
}

static int key_read(struct slice in, const struct key_job *job, struct blob *ret)
{
	static const char *const ours[] = { "PRIVATE KEY", "RSA PRIVATE KEY", "ENCRYPTED PRIVATE KEY" };
	struct slice rest = in;
	struct pem b;

	if (!pem_is(in))
		return key_der(in, job, ret);
	while (pem_next(&rest, &b)) {
		for (size_t i = 0; i < ARRAY_LEN(ours); i++) {
			if (pem_label_is(&b, ours[i]))
				return key_block(&b, job, ret);
		}
		if (pem_has(b.label, "PRIVATE KEY"))
			return refuse(job->f, "%s: the key is of another kind (%.*s): a login takes an RSA key in PKCS #1 or "
				      "PKCS #8", job->name, (int)min_size(b.label.n, 40), (const char *)b.label.p);
	}
	return refuse(job->f, "%s: there is no private key in it", job->name);
}

/* --- do they belong together? --------------------------------------------------------------------------------- */

/* The public key of a certificate, from its DER. 0 or wolfCrypt's error. */
static int public_key(struct slice der, RsaKey *ret, bool *is_rsa)
{
	struct cert c;
	word32 at = 0;
	int r;

	cert_init(&c, der);
	r = c.err;
	*is_rsa = r == 0 && c.x.keyOID == RSAk;
	if (*is_rsa)
		r = wc_RsaPublicKeyDecode(c.x.publicKey, &at, ret, c.x.pubKeySize);
	cert_fini(&c);
	return r;
}

/* Sign with @key, verify with @public: 0 if that holds. */
static int try_pair(RsaKey *key, RsaKey *public, WC_RNG *rng)
{
	static const uint8_t message[] = "softsocks: does this key belong to this certificate?";
	uint8_t signature[SE_SIGNATURE_MAX], got[SE_SIGNATURE_MAX];
	int n = wc_RsaSetRNG(key, rng);

	if (wc_RsaEncryptSize(key) != wc_RsaEncryptSize(public) || wc_RsaEncryptSize(key) > (int)sizeof(signature))
		return VE_USAGE;
	if (n == 0)
		n = wc_RsaSSL_Sign(message, sizeof(message), signature, sizeof(signature), key, rng);
	if (n > 0)
		n = wc_RsaSSL_Verify(signature, (word32)n, got, sizeof(got), public);
	return n == (int)sizeof(message) && memcmp(got, message, sizeof(message)) == 0 ? 0 : VE_USAGE;
}

/* Is the key usable, whatever the certificate? */
static int check_key(const struct blob *der, const char *name, RsaKey *key, struct fault *f)
{
	word32 at = 0;
	int bits;

	if (wc_RsaPrivateKeyDecode(der->p, &at, key, (word32)der->n) != 0 || at != der->n)
		return refuse(f, "%s: the RSA key in it is broken, or has more than 4096 bits", name);
	bits = mp_count_bits(&key->n);
	if (!se_auth_key_fits((unsigned)bits))
		return refuse(f, "%s: the RSA key has %d bits: servers take 1024, 1536, 2048, 3072 or 4096", name, bits);
	return 0;
}

/* Why a certificate is not the one. */
enum misfit { FITS, NOT_READABLE, NOT_RSA, NOT_ITS_KEY };

static enum misfit check_certificate(struct slice der, RsaKey *key, WC_RNG *rng)
{
	enum misfit why = NOT_ITS_KEY;
	RsaKey public;
	bool is_rsa;

	if (der.n > CERT_DER_MAX || wc_InitRsaKey(&public, NULL) != 0)
		return NOT_READABLE;
	if (public_key(der, &public, &is_rsa) != 0)
		why = NOT_READABLE;
	else if (!is_rsa)
		why = NOT_RSA;
	else if (try_pair(key, &public, rng) == 0)
		why = FITS;
	wc_FreeRsaKey(&public);
	return why;
}

/* Only the certificate itself: files may have more behind it. */
static struct slice whole_element(struct slice der)
{
	struct rd r = rd_init(der.p, der.n), body = der_expect(&r, DER_SEQUENCE);

	return rd_ok(&body) ? (struct slice){ .p = der.p, .n = der.n - rd_left(&r) } : (struct slice){ .n = 0 };
}

/* The one of @in that belongs to @key. Returns FITS with *ret; or the reason the first one does not. VE_NOMEM in *ret_err. */
static enum misfit choose_certificate(struct slice in, RsaKey *key, WC_RNG *rng, struct blob *ret, int *ret_err,
				      struct fault *f)
{
	enum misfit first = NOT_READABLE, why;
	struct slice der, rest = in;
	struct blob out;
	unsigned seen = 0;
	struct pem b;

	if (!pem_is(in)) {
		der = whole_element(in);
		first = check_certificate(der, key, rng);
		if (first == FITS)
			*ret_err = blob_copy(ret, der, f);
		return first;
	}
	while (seen < CREDENTIAL_CERTS_MAX && pem_next(&rest, &b)) {
		if (!pem_label_is(&b, "CERTIFICATE") && !pem_label_is(&b, "X509 CERTIFICATE"))
			continue;
		*ret_err = pem_decode(&b, &out, f);
		if (*ret_err == VE_NOMEM)
			return first;
		why = NOT_READABLE;
		if (*ret_err == 0) {
			der = whole_element(blob_slice(&out));
			why = check_certificate(der, key, rng);
			if (why == FITS)
				*ret_err = blob_copy(ret, der, f);
			blob_free(&out);
		} else {
			*ret_err = 0;
		}
		if (why == FITS)
			return FITS;
		if (seen++ == 0)
			first = why;
	}
	return first;
}

static int pair(struct slice cert, const char *cert_name, const char *key_name, RsaKey *key, WC_RNG *rng,
		struct blob *ret, struct fault *f)
{
	int err = 0;

	switch (choose_certificate(cert, key, rng, ret, &err, f)) {
	case FITS:
		return err;
	case NOT_RSA:
		return refuse(f, "%s: the certificate is not for an RSA key: a login takes RSA", cert_name);
	case NOT_ITS_KEY:
		return refuse(f, "%s: the certificate does not belong to the key in %s", cert_name, key_name);
	case NOT_READABLE:
		break;
	}
	return err != 0 ? err : refuse(f, "%s: there is no certificate in it that can be read (expected PEM or DER)", cert_name);
}

/* Takes the bytes of @key over, also on error. */
static int finish(struct credential *ret, struct slice cert, const char *cert_name, struct blob *key,
		  const char *key_name, struct fault *f)
{
	struct blob leaf = { 0 };
	RsaKey rsa;
	WC_RNG rng;
	int r = VE_NOMEM;

	if (wc_InitRsaKey(&rsa, NULL) != 0 || wc_InitRng(&rng) != 0) {
		fault_set(f, VE_NOMEM, "no memory for a key");
		goto out_key;
	}
	r = check_key(key, key_name, &rsa, f);
	if (r == 0)
		r = pair(cert, cert_name, key_name, &rsa, &rng, &leaf, f);
	wc_FreeRsaKey(&rsa);
	wc_FreeRng(&rng);
	if (r == 0) {
		*ret = (struct credential){ .certificate = leaf.p, .certificate_n = leaf.n, .key = key->p, .key_n = key->n };
		return 0;
	}
out_key:
	blob_free(key);
	return r;
}

int credential_parse(struct credential *ret, struct slice cert, const char *cert_name, struct slice key,
		     const char *key_name, const struct credential_asker *asker, struct fault *f)
{
	const struct key_job job = { .name = key_name, .asker = asker, .f = f };
	struct blob der = { 0 };
	int r = key_read(key, &job, &der);

	return r != 0 ? r : finish(ret, cert, cert_name, &der, key_name, f);
}

/* --- PKCS #12 ------------------------------------------------------------------------------------------------- */

/* What came out of the container, wolfCrypt's memory. */
struct p12 {
	byte *key, *cert;
	word32 key_n, cert_n;
};

static void p12_free(struct p12 *p)
{
	if (p->key)
		wipe(p->key, p->key_n);
	XFREE(p->key, NULL, DYNAMIC_TYPE_PUBLIC_KEY);
	XFREE(p->cert, NULL, DYNAMIC_TYPE_PKCS);
	*p = (struct p12){ 0 };
}

/* 0 or wolfCrypt's error. */
static int p12_open(struct slice in, const char *password, struct p12 *ret)
{
	WC_PKCS12 *container = wc_PKCS12_new();
	WC_DerCertList *others = NULL;
	int r;

	*ret = (struct p12){ 0 };
	if (!container)
		return MEMORY_E;
	r = wc_d2i_PKCS12(in.p, (word32)in.n, container);
	if (r >= 0)
		r = wc_PKCS12_parse(container, password, &ret->key, &ret->key_n, &ret->cert, &ret->cert_n, &others);
	wc_FreeCertList(others, NULL);
	wc_PKCS12_free(container);
	if (r < 0)
		p12_free(ret);
	return r < 0 ? r : 0;
}

/* With an empty password, or else with the right one. */
static int p12_unlock(struct slice in, const char *name, const struct credential_asker *asker, struct p12 *ret,
		      struct fault *f)
{
	struct password password;
	int r = check_iterations(in, name, f), err;

	if (r != 0)
		return r;
	if (p12_open(in, "", ret) == 0) {
		if (ret->key)
			return 0;
		p12_free(ret);
	}
	r = asker->ask(asker->ctx, name, &password, f);
	if (r != 0)
		return r;
	err = p12_open(in, password.text, ret);
	if (err != 0)
		r = refuse_encrypted(in, name, f);
	for (const char *s = password.text; r != 0 && *s; s++) {
		if ((unsigned char)*s < 0x80)
			continue;
		*f = (struct fault){ 0 };
		r = refuse(f, "%s: wrong password, or one with other characters than ASCII, which is not available for "
			   "PKCS #12: give certificate and key as PEM files", name);
		break;
	}
	wipe(&password, sizeof(password));
	return r;
}

int credential_parse_p12(struct credential *ret, struct slice p12, const char *name,
			 const struct credential_asker *asker, struct fault *f)
{
	const struct key_job job = { .name = name, .asker = asker, .f = f };
	struct slice whole = whole_element(p12);
	struct p12 parts;
	struct blob key = { 0 };
	int r;

	if (whole.n == 0)
		return refuse(f, "%s: that is no PKCS #12 file in DER", name);
	r = p12_unlock(whole, name, asker, &parts, f);
	if (r != 0)
		return r;
	if (!parts.key || !parts.cert) {
		r = refuse(f, "%s: there is no %s in it", name,
			   parts.key ? "certificate that belongs to the key" : "private key");
		p12_free(&parts);
		return r;
	}
	r = key_plain((struct slice){ .p = parts.key, .n = parts.key_n }, &job, &key);
	if (r == 0)
		r = finish(ret, (struct slice){ .p = parts.cert, .n = parts.cert_n }, name, &key, name, f);
	p12_free(&parts);
	return r;
}
