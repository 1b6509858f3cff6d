/* SPDX-License-Identifier: GPL-3.0-or-later */
/* cert.h - one X.509 certificate, and the questions one asks of it before trusting a server. For trust.c and
 * certpath.c; nobody else sees wolfSSL's types. */
#ifndef CORE_CERT_H
#define CORE_CERT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include <wolfssl/wolfcrypt/settings.h>
#include <wolfssl/wolfcrypt/asn.h>

#include "core/addr.h"
#include "core/bytes.h"

struct cert {
	struct slice der; /* lent by whoever made it, until cert_fini() */
	int err;          /* 0, or wolfSSL's reason why this can be neither a server's nor a CA's */
	DecodedCert x;    /* if err == 0 */
};

/* Parse @der, which is lent until cert_fini(). Always leaves something that cert_fini() takes; see c->err. */
void cert_init(struct cert *c, struct slice der);
void cert_fini(struct cert *c);

bool cert_equal(const struct cert *a, const struct cert *b);

/* Is the subject of @issuer the issuer that @c names? */
bool cert_names_issuer(const struct cert *c, const struct cert *issuer);
bool cert_is_self_issued(const struct cert *c);

/* May @c sign certificates of TLS servers: basic constraints, key usage, extended key usage. RFC 5280,
 * 4.2.1. */
bool cert_is_ca(const struct cert *c);

/* May @c be a TLS server's: extended key usage, and a key usage that covers signing (or, for a @legacy
 * server without (EC)DHE, key transport). */
bool cert_is_for_servers(const struct cert *c, bool legacy);

/* Is @c signed with a hash for which others can make the same signature: MD2, MD5, SHA-1? */
bool cert_is_weakly_signed(const struct cert *c);

/* Bits of an RSA key, 0 for other kinds. */
size_t cert_rsa_bits(const struct cert *c);

/* Negative before its time, positive after, 0 in it; also negative if the dates cannot be read. */
int cert_time(const struct cert *c, time_t now);

#define CERT_DATE_MAX 16
/* The day that cert_time() complains about, "2020-01-31", into @buf; returns @buf. */
const char *cert_date_text(const struct cert *c, time_t now, char buf[static CERT_DATE_MAX]);

/* What the server should be called. */
struct cert_ref {
	struct ip ip;      /* family IP_NONE: a name */
	const char *name;  /* borrowed from the text it was made of */
	size_t len;        /* without the final dot of an absolute name */
};

void cert_ref_init(struct cert_ref *ref, const char *text);

/* Is @c for @ref? RFC 9525: subject alternative names only; DNS names with "*" as their whole first label,
 * addresses byte by byte. The common name counts if there is no subjectAltName extension at all, as in old
 * self-signed certificates. */
bool cert_matches(const struct cert *c, const struct cert_ref *ref);

/* Do the name constraints of the CA @c leave it the right to certify @ref? RFC 5280, 4.2.1.10. */
bool cert_permits(const struct cert *c, const struct cert_ref *ref);

#define CERT_NAMES_TEXT_MAX 128
/* The first few names of @c for a message, "a.example, b.example, ...", "no name" if there is none.
 * Returns @buf. */
const char *cert_names_text(const struct cert *c, char buf[static CERT_NAMES_TEXT_MAX]);

/* Its subject for a message: the common name, else whatever there is. Returns @buf. */
const char *cert_subject_text(const struct cert *c, char buf[static CERT_NAMES_TEXT_MAX]);

#endif
