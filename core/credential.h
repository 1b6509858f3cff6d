/* SPDX-License-Identifier: GPL-3.0-or-later */
/* credential.h - the user's certificate and its RSA key, out of the forms in which people have them.
 *
 * Certificate and key in PEM or DER, the key in PKCS #1 or PKCS #8, encrypted or not; or both in one PKCS #12 file. What
 * comes out is one form: the leaf certificate in DER, the key in PKCS #1 DER, checked to belong together. */
#ifndef CORE_CREDENTIAL_H
#define CORE_CREDENTIAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/bytes.h"
#include "core/conf.h"
#include "core/err.h"
#include "core/password.h"

struct credential {
	uint8_t *certificate; /* NULL: there is none */
	size_t certificate_n;
	uint8_t *key;
	size_t key_n;
};

/* Where the password of an encrypted key comes from; called only if one is needed, at most once. @object is the key's name
 * in messages. Returns 0 with *ret, or a VE_* with @f. */
struct credential_asker {
	int (*ask)(void *ctx, const char *object, struct password *ret, struct fault *f);
	void *ctx;
};

/* Does @c name a certificate: files, PKCS #12, or data of a config file? */
bool credential_is_given(const struct conf *c);

/* The certificate and key that @c names. Reads files, may ask on the terminal (password_get_key()), logs a warning for a
 * certificate that is not valid now and for a key that everybody may read. Returns 0 with *ret (credential_fini), or, with
 * one line in @f that names the file: VE_USAGE, VE_NOMEM, VE_CANCELED (at the prompt). */
int credential_load(struct credential *ret, const struct conf *c, struct fault *f);

/* The parts of it that read no file. @cert may hold a chain, in PEM: the one that belongs to the key counts. @key may be
 * the same bytes. The names are for messages. Return as credential_load(). */
int credential_parse(struct credential *ret, struct slice cert, const char *cert_name, struct slice key,
		     const char *key_name, const struct credential_asker *asker, struct fault *f);
int credential_parse_p12(struct credential *ret, struct slice p12, const char *name,
			 const struct credential_asker *asker, struct fault *f);

/* Wipe and free what is in it, and make it empty. An empty one is fine. */
void credential_fini(struct credential *c);

#endif
