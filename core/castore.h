/* SPDX-License-Identifier: GPL-3.0-or-later */
/* castore.h - the files that hold the CAs we trust, read one certificate at a time.
 *
 * A store is a list of files and directories, not their contents: about 150 CAs of a system cost nothing
 * while the program is at rest, and an updated store counts from the next handshake on. */
#ifndef CORE_CASTORE_H
#define CORE_CASTORE_H

#include "core/bytes.h"
#include "core/err.h"

#define CASTORE_PLACES_MAX 8u

struct castore {
	char *places[CASTORE_PLACES_MAX]; /* files or directories */
	unsigned n;
};

enum castore_kind { CASTORE_CERT, CASTORE_CRL };

/* Find the store: @ca_file alone, if it is not NULL. Else what the environment's SSL_CERT_FILE and
 * SSL_CERT_DIR name. Else the first of the places of Debian, Fedora, Alpine and openSUSE that has a
 * certificate. Returns 0 and fills *ret (castore_fini when done), or VE_TLS (final) or VE_NOMEM with @f:
 * no certificate there, and why. */
int castore_init(struct castore *ret, const char *ca_file, struct fault *f);
void castore_fini(struct castore *s);

/* Read all of it: PEM blocks CERTIFICATE, X509 CERTIFICATE and X509 CRL, or a file that is one certificate
 * in DER. @entry gets each one (borrowed for the call) and may end the reading by returning non-zero. What
 * is damaged, or over the caps of limits.h, is left out, with a line in the debug log. Returns 0, what
 * @entry returned, or VE_NOMEM or VE_TLS with @f if a place cannot be read. */
int castore_each(const struct castore *s, int (*entry)(void *ctx, enum castore_kind kind, struct slice der),
		 void *ctx, struct fault *f);

#endif
