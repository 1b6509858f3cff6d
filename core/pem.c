/* SPDX-License-Identifier: GPL-3.0-or-later */
/* pem.c - blocks are found by their marks; base64 is wolfCrypt's, which takes line ends. See pem.h. */
#include "core/pem.h"

#include <string.h>

#include <wolfssl/wolfcrypt/settings.h>
#include <wolfssl/wolfcrypt/coding.h>

static const uint8_t *find(struct slice in, const char *text)
{
	return in.n > 0 ? memmem(in.p, in.n, text, strlen(text)) : NULL;
}

bool pem_has(struct slice part, const char *text)
{
	return find(part, text) != NULL;
}

bool pem_is(struct slice in)
{
	return pem_has(in, "-----BEGIN ");
}

bool pem_next(struct slice *in, struct pem *ret)
{
	static const char begin[] = "-----BEGIN ", dashes[] = "-----", end[] = "-----END ";
	const uint8_t *start = find(*in, begin), *stop;
	struct slice rest, label;

	if (!start)
		return false;
	rest = (struct slice){ .p = start + strlen(begin), .n = in->n - (size_t)(start - in->p) - strlen(begin) };
	stop = find(rest, dashes);
	if (!stop)
		return false;
	label = (struct slice){ .p = rest.p, .n = (size_t)(stop - rest.p) };
	rest.n -= (size_t)(stop - rest.p) + strlen(dashes);
	rest.p = stop + strlen(dashes);
	ret->label = label;
	stop = find(rest, end);
	if (!stop)
		return false;
	ret->body = (struct slice){ .p = rest.p, .n = (size_t)(stop - rest.p) };
	rest.n -= ret->body.n + strlen(end);
	rest.p = stop + strlen(end);
	if (rest.n < label.n + strlen(dashes) || memcmp(rest.p, label.p, label.n) != 0 ||
	    memcmp(rest.p + label.n, dashes, strlen(dashes)) != 0)
		return false;
	rest.p += label.n + strlen(dashes);
	rest.n -= label.n + strlen(dashes);
	ret->whole = (struct slice){ .p = start, .n = (size_t)(rest.p - start) };
	*in = rest;
	return true;
}

bool pem_label_is(const struct pem *b, const char *text)
{
	return b->label.n == strlen(text) && memcmp(b->label.p, text, b->label.n) == 0;
}

int pem_decode(const struct pem *b, struct blob *ret, struct fault *f)
{
	struct blob out;
	word32 n;
	int r = blob_new(&out, b->body.n, f);

	if (r != 0)
		return r;
	n = (word32)out.cap;
	if (b->body.n == 0 || Base64_Decode(b->body.p, (word32)b->body.n, out.p, &n) != 0) {
		blob_free(&out);
		return VE_USAGE;
	}
	out.n = n;
	*ret = out;
	return 0;
}
