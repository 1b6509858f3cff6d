/* SPDX-License-Identifier: GPL-3.0-or-later */
/* fuzz_cert.c - certificates from the network, and everything that is asked of them.
 *
 * The input is a chain: each certificate led by its length in two bytes. The last one is also what is
 * trusted, so that a path can be found, and served again as a revocation list. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/cert.h"
#include "core/certpath.h"
#include "core/log.h"
#include "test/support/fuzz.h"

static void no_log(void *ctx, enum log_level level, const char *line)
{
	(void)ctx;
	(void)level;
	(void)line;
}

static void ask(const struct cert *c)
{
	static const char *const names[] = { "vpn.example.com", "192.0.2.1", "2001:db8::1", "x", "" };
	char date[CERT_DATE_MAX], text[CERT_NAMES_TEXT_MAX];
	time_t now = 1800000000;
	unsigned any = 0;

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		struct cert_ref ref;

		cert_ref_init(&ref, names[i]);
		any += cert_matches(c, &ref);
		any += cert_permits(c, &ref);
	}
	any += cert_is_ca(c);
	any += cert_is_for_servers(c, false);
	any += cert_is_weakly_signed(c);
	MUST(any <= 2 * ARRAY_LEN(names) + 3);
	MUST(strlen(cert_date_text(c, now, date)) < sizeof(date));
	MUST(strlen(cert_names_text(c, text)) < sizeof(text));
	MUST(strlen(cert_subject_text(c, text)) < sizeof(text));
	MUST(cert_time(c, now) >= -1 && cert_time(c, now) <= 1);
	MUST(cert_rsa_bits(c) <= 8 * c->der.n);
}

static void find_paths(struct cert *const *chain, size_t n, struct slice crl)
{
	struct cert_ref ref;
	struct certpath p = { .chain = chain, .nchain = n, .anchors = chain + n - 1, .nanchors = 1, .ref = &ref };

	cert_ref_init(&ref, "vpn.example.com");
	for (unsigned i = 0; i < 4; i++) {
		p.ignore_time = i & 1;
		p.allow_sha1 = i & 2;
		if (certpath_find(&p)) {
			MUST(p.path[0] == chain[0] && cert_equal(p.path[p.n - 1], chain[n - 1]));
			certpath_revoked(&p, &crl, 1);
		}
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cert *chain[CHAIN_MAX];
	size_t n = 0;

	log_set_sink(no_log, NULL);
	for (size_t at = 0; n < CHAIN_MAX && size - at >= 2;) {
		size_t len = min_size(load_be16(data + at), size - at - 2);

		chain[n] = malloc(sizeof(*chain[n]));
		MUST(chain[n] != NULL);
		cert_init(chain[n], (struct slice){ .p = data + at + 2, .n = len });
		if (chain[n]->err == 0)
			ask(chain[n]);
		at += 2 + len;
		n++;
	}
	if (n > 0)
		find_paths(chain, n, chain[n - 1]->der);
	for (size_t i = 0; i < n; i++) {
		cert_fini(chain[i]);
		free(chain[i]);
	}
	log_set_sink(NULL, NULL);
	return 0;
}
