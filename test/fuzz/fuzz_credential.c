/* SPDX-License-Identifier: GPL-3.0-or-later */
/* fuzz_credential.c - any bytes as certificate and key in one file, and as PKCS #12.
 * The password is that of the test data, so that what is encrypted is looked into. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/credential.h"
#include "core/softether/se_auth.h"
#include "test/support/fuzz.h"

static int answer(void *ctx, const char *object, struct password *ret, struct fault *f)
{
	(void)ctx;
	(void)object;
	(void)f;
	memset(ret, 0, sizeof(*ret));
	snprintf(ret->text, sizeof(ret->text), "hunter2");
	return 0;
}

static void check(int r, struct credential *c, const struct fault *f)
{
	static const uint8_t challenge[SE_HASH_SIZE];
	uint8_t signature[SE_SIGNATURE_MAX];
	struct fault other = { 0 };
	size_t n;

	if (r != 0) {
		if (f->err != r || f->text[0] == '\0')
			abort();
		return;
	}
	/* What was accepted can sign. */
	if (c->certificate_n == 0 ||
	    se_auth_sign((struct slice){ c->key, c->key_n }, challenge, signature, &n, &other) != 0)
		abort();
	credential_fini(c);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct credential_asker asker = { .ask = answer };
	const struct slice in = { .p = data, .n = size };
	struct fault f = { 0 };
	struct credential c;

	check(credential_parse(&c, in, "both", in, "both", &asker, &f), &c, &f);
	f = (struct fault){ 0 };
	check(credential_parse_p12(&c, in, "p12", &asker, &f), &c, &f);
	return 0;
}
