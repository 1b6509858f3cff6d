/* SPDX-License-Identifier: GPL-3.0-or-later */
/* trust.h - whom we take for the server.
 *
 * Default: a chain to a CA of the system's store and the right name. --ca replaces the store, --pin
 * accepts exactly one certificate (and then needs no chain: nearly all self-hosted servers are
 * self-signed), --insecure accepts anything and says so. A refusal names the certificate's pin, so that a
 * user can decide, and the code a Windows admin knows. */
#ifndef CORE_TRUST_H
#define CORE_TRUST_H

#include <stdbool.h>
#include <stdint.h>

#include "core/err.h"

#define TRUST_PINS_MAX 8 /* a server, its successor, and the members of a small cluster */

enum tls_version { TLS_MIN_1_0 = 10, TLS_MIN_1_1 = 11, TLS_MIN_1_2 = 12, TLS_MIN_1_3 = 13 };

/* Filled by the options; strings are borrowed for the life of the struct trust made from it. */
struct trust_conf {
	const char *ca_file;     /* --ca: CAs, or the server's own certificate, PEM or DER, instead of the
	                          * system's; PEM may hold revocation lists (X509 CRL) too; NULL: that */
	uint8_t pins[TRUST_PINS_MAX][32]; /* --pin: SHA-256 of the leaf certificate's DER */
	unsigned npins;
	const char *verify_name; /* --verify-name: expected instead of the host's name; NULL: the host */
	const char *sni;         /* --sni: sent instead of the host's name; NULL: the host, if it is a name */
	bool insecure;           /* --insecure */
	enum tls_version tls_min; /* default TLS_MIN_1_2 */
	const char *keylog_file; /* --keylog: NSS key log for wireshark; NULL: none */
};

struct trust; /* where the CAs are, and the open key log */

/* Find the CAs (castore.h): --ca, else SSL_CERT_FILE and SSL_CERT_DIR, else the places of Debian, Fedora,
 * Alpine and openSUSE. They are read at each handshake, and only those that the server's chain names are
 * looked at closely: at rest they cost no memory, and an updated file counts. Returns 0 and *ret (free
 * with trust_free), or VE_TLS/VE_NOMEM with @f saying which file and why (an unreadable --ca, no CA store
 * found and neither --pin nor --insecure given), or VE_IO (the --keylog file). @c is lent until
 * trust_free(). */
int trust_new(struct trust **ret, const struct trust_conf *c, struct fault *f);
void trust_free(struct trust *t);

/* "sha256:HEX" or HEX, with or without colons, either case -> 32 bytes. Returns 0 or VE_USAGE, ret
 * untouched. */
int trust_pin_parse(const char *text, uint8_t ret[static 32]);

#endif
