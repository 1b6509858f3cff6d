/* SPDX-License-Identifier: GPL-3.0-or-later */
/* certpath.h - from a server's certificate to one we trust. For trust.c. */
#ifndef CORE_CERTPATH_H
#define CORE_CERTPATH_H

#include "core/cert.h"
#include "core/limits.h"

struct certpath {
	/* given; all lent for the call */
	struct cert *const *chain;   /* what the server sent: its own first, the others in any order */
	size_t nchain;               /* 1..CHAIN_MAX */
	struct cert *const *anchors; /* certificates we trust */
	size_t nanchors;
	const struct cert_ref *ref;  /* for the name constraints of CAs */
	bool allow_sha1;             /* signatures with SHA-1: old servers */
	bool ignore_time;            /* to find out whether only the time is wrong */

	/* found */
	const struct cert *path[CHAIN_MAX + 1]; /* the server's first, the trusted one last */
	size_t n;
	const char *why;             /* none found, but one was near: its fault; static, may be NULL */
};

/* Find a path. Every step is a signature that wolfSSL verified under an issuer that may sign it (RFC 5280,
 * 6.1, without policies); a certificate that is itself among the anchors ends it. Returns whether there is
 * one; with ignore_time the answer is only good for explaining a refusal. */
bool certpath_find(struct certpath *p);

/* Was a certificate on the found path revoked by one of the @n lists in @crls (DER)? A list counts if the
 * certificate's issuer on the path signed it and it is not out of date. Returns the revoked one or NULL. */
const struct cert *certpath_revoked(const struct certpath *p, const struct slice *crls, size_t n);

#endif
