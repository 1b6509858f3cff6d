/* SPDX-License-Identifier: GPL-3.0-or-later */
/* certpath.c - path building and validation.
 *
 * A search from the server's certificate upwards, depth first: from each certificate to all that could be
 * its issuer, anchors before what the server sent, until one of our anchors is reached. Servers send wrong
 * orders, superfluous and cross-signed certificates; a search finds a path through all of that if there is
 * one.
 *
 * Each step is verified by wolfSSL with a certificate manager that holds nothing but the one candidate:
 * signature, key identifiers and dates. What wolfSSL does not look at, or only between neighbours, is
 * asked here: whether the issuer may sign for servers, path lengths, name constraints, signatures with
 * broken hashes. The first failure drops the candidate; nothing that was dropped can be part of a path.
 *
 * The number of verifications is capped: a hostile chain of certificates that all name each other as
 * issuers would otherwise have factorially many paths. */
#include "core/certpath.h"

#include <wolfssl/ssl.h>
#include <wolfssl/error-ssl.h>

#include "core/log.h"

#define VERIFICATIONS_MAX 40u /* a full chain in the best order takes 9 */

struct search {
	struct certpath *p;
	bool used[CHAIN_MAX];   /* chain certificates on the path so far */
	unsigned verifications;
};

static WOLFSSL_CERT_MANAGER *manager_with(const struct cert *issuer, bool ignore_time)
{
	WOLFSSL_CERT_MANAGER *cm = wolfSSL_CertManagerNew();
	word32 flags = ignore_time ? WOLFSSL_LOAD_FLAG_DATE_ERR_OKAY : WOLFSSL_LOAD_FLAG_NONE;
	struct slice der = issuer->der;
	int r;

	if (!cm)
		return NULL;
	r = wolfSSL_CertManagerLoadCABuffer_ex(cm, der.p, (long)der.n, WOLFSSL_FILETYPE_ASN1, 0, flags);
	if (r == WOLFSSL_SUCCESS)
		return cm;
	wolfSSL_CertManagerFree(cm);
	return NULL;
}

static bool is_signed_by(const struct cert *c, const struct cert *issuer, bool ignore_time)
{
	WOLFSSL_CERT_MANAGER *cm = manager_with(issuer, ignore_time);
	int r;

	if (!cm)
		return false;
	r = wolfSSL_CertManagerVerifyBuffer(cm, c->der.p, (long)c->der.n, WOLFSSL_FILETYPE_ASN1);
	wolfSSL_CertManagerFree(cm);
	if (ignore_time && (r == ASN_BEFORE_DATE_E || r == ASN_AFTER_DATE_E))
		return true;
	return r == WOLFSSL_SUCCESS;
}

/* RFC 5280, 4.2.1.9: the intermediates that may follow below @issuer; self-issued ones do not count.
 * path[0] is the server's and no intermediate. */
static bool has_length_left(const struct certpath *p, const struct cert *issuer)
{
	unsigned below = 0;

	for (size_t i = 1; i < p->n; i++)
		below += !cert_is_self_issued(p->path[i]);
	return !issuer->x.pathLengthSet || below <= issuer->x.pathLength;
}

/* May @issuer be the next on the path? */
static bool is_issuer(struct search *s, const struct cert *issuer)
{
	struct certpath *p = s->p;
	const struct cert *c = p->path[p->n - 1];

	if (issuer->err != 0 || !cert_names_issuer(c, issuer) || cert_equal(c, issuer))
		return false;
	if (!cert_is_ca(issuer) || !has_length_left(p, issuer)) {
		p->why = "its issuer may not sign such certificates";
		return false;
	}
	if (!cert_permits(issuer, p->ref)) {
		p->why = "its CA may not certify this name";
		return false;
	}
	if (cert_is_weakly_signed(c) && !(p->allow_sha1 && c->x.signatureOID != CTC_MD2wRSA &&
					  c->x.signatureOID != CTC_MD5wRSA)) {
		p->why = "a signature in its chain uses SHA-1 or MD5, which can be forged";
		return false;
	}
	if (s->verifications == VERIFICATIONS_MAX) {
		p->why = "its chain is too confused";
		return false;
	}
	s->verifications++;
	return is_signed_by(c, issuer, p->ignore_time);
}

/* Is the last certificate of the path one that we trust as it is? */
static bool is_anchor(const struct certpath *p)
{
	for (size_t i = 0; i < p->nanchors; i++) {
		if (cert_equal(p->path[p->n - 1], p->anchors[i]))
			return true;
	}
	return false;
}

static bool climb(struct search *s)
{
	struct certpath *p = s->p;

	if (is_anchor(p))
		return true;
	if (p->n == ARRAY_LEN(p->path))
		return false;
	for (size_t i = 0; i < p->nanchors; i++) {
		if (is_issuer(s, p->anchors[i])) {
			p->path[p->n++] = p->anchors[i];
			return true;
		}
	}
	for (size_t i = 1; i < p->nchain; i++) {
		if (s->used[i] || !is_issuer(s, p->chain[i]))
			continue;
		s->used[i] = true;
		p->path[p->n++] = p->chain[i];
		if (climb(s))
			return true;
		p->n--;
		s->used[i] = false;
	}
	return false;
}

bool certpath_find(struct certpath *p)
{
	struct search s = { .p = p };

	p->why = NULL;
	p->n = 0;
	if (p->nchain == 0 || p->nchain > CHAIN_MAX || p->chain[0]->err != 0)
		return false;
	p->path[p->n++] = p->chain[0];
	if (climb(&s))
		return true;
	p->n = 0;
	return false;
}

/* --- revocation ----------------------------------------------------------------------------------------- */

static bool is_revoked(const struct cert *c, const struct cert *issuer, struct slice crl)
{
	WOLFSSL_CERT_MANAGER *cm = manager_with(issuer, false);
	int r;

	if (!cm)
		return false;
	r = wolfSSL_CertManagerLoadCRLBuffer(cm, crl.p, (long)crl.n, WOLFSSL_FILETYPE_ASN1);
	if (r == WOLFSSL_SUCCESS)
		r = wolfSSL_CertManagerCheckCRL(cm, c->der.p, (int)c->der.n);
	wolfSSL_CertManagerFree(cm);
	if (r == CRL_CERT_DATE_ERR)
		log_warn("tls: a revocation list in the --ca file is out of date and was ignored");
	return r == CRL_CERT_REVOKED;
}

const struct cert *certpath_revoked(const struct certpath *p, const struct slice *crls, size_t n)
{
	for (size_t i = 0; i + 1 < p->n; i++) {
		for (size_t k = 0; k < n; k++) {
			if (is_revoked(p->path[i], p->path[i + 1], crls[k]))
				return p->path[i];
		}
	}
	return NULL;
}
