/* SPDX-License-Identifier: GPL-3.0-or-later */
/* trust_check.h - what tls.c asks of trust.c. Nobody else. */
#ifndef CORE_TRUST_CHECK_H
#define CORE_TRUST_CHECK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/bytes.h"
#include "core/err.h"
#include "core/trust.h"

/* The configuration @t was made from. */
const struct trust_conf *trust_conf_of(const struct trust *t);

/* Did the user ask for versions below TLS 1.2, that is, for the ways of very old servers? (0 is the
 * default, 1.2.) */
bool trust_allows_old(const struct trust *t);

/* Decide about the server @host, which messages call @object ("host:port"), by the certificates it sent:
 * its own in chain[0], then any others, DER, borrowed for the call. Returns 0: accepted, *ret_verified
 * says whether something was checked (false only with --insecure). Else VE_TLS (final; refused) or
 * VE_NOMEM, with @f. */
int trust_check(struct trust *t, const char *object, const char *host, const struct slice *chain, size_t n,
		bool *ret_verified, struct fault *f);

/* The same for a further connection of a session: the leaf must be the certificate whose SHA-256 is @only, which was
 * found good before. Returns 0, or VE_TLS (final) with @f. */
int trust_check_only(const uint8_t only[static 32], const char *object, const struct slice *chain, size_t n,
		     struct fault *f);

/* Append one line to the --keylog file: @label, the 32 bytes of @client_random, @n bytes of @secret. */
void trust_keylog(struct trust *t, const char *label, const uint8_t client_random[static 32],
		  const uint8_t *secret, size_t n);

#endif
