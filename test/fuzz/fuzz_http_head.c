/* SPDX-License-Identifier: GPL-3.0-or-later */
/* fuzz_http_head.c - any bytes as a request and as a response, and what must hold about the answer. */
#include <stdint.h>
#include <string.h>

#include "core/err.h"
#include "core/http_head.h"
#include "test/support/fuzz.h"

/* Non-empty if @some, inside of the head, and free of what ends lines. */
static void check_slice(struct slice s, struct slice head, bool some)
{
	MUST(s.n > 0 || !some);
	MUST(s.p >= head.p && s.p + s.n <= head.p + head.n);
	for (size_t i = 0; i < s.n; i++)
		MUST(s.p[i] != '\r' && s.p[i] != '\n' && s.p[i] != '\0');
}

static void check_head(enum http_kind kind, const struct http_head *h, struct slice in)
{
	struct slice head = { .p = in.p, .n = h->length };
	size_t lengths = 0, codings = 0;

	MUST(h->length >= 4 && h->length <= in.n && h->length <= HTTP_HEAD_MAX);
	MUST(memcmp(in.p + h->length - 4, "\r\n\r\n", 4) == 0);
	MUST(h->minor <= 1);
	MUST(h->is_response == (kind == HTTP_RESPONSE));
	if (kind == HTTP_RESPONSE) {
		MUST(h->status >= 100 && h->status <= 999);
		MUST(!h->method.p && !h->target.p);
	} else {
		check_slice(h->method, head, true);
		check_slice(h->target, head, true);
	}
	MUST(h->nfields <= HTTP_FIELDS_MAX);
	for (size_t i = 0; i < h->nfields; i++) {
		struct slice name = h->fields[i].name, value = h->fields[i].value;

		check_slice(name, head, true);
		check_slice(value, head, false);
		MUST(name.p[name.n] == ':');
		MUST(value.n == 0 || (value.p[0] > ' ' && value.p[value.n - 1] > ' '));
		lengths += http_value_is(name, "content-length");
		codings += http_value_is(name, "transfer-encoding");
	}
	MUST(h->has_content_length == (lengths == 1) && lengths <= 1);
	MUST(lengths == 0 || codings == 0);
	MUST(!h->chunked || codings > 0);
	MUST(kind == HTTP_RESPONSE || h->chunked == (codings > 0));
}

static void try(enum http_kind kind, struct slice in)
{
	static struct http_head h, again;
	const char *why = NULL;
	int r = http_head_parse(kind, in, &h, &why);

	MUST(r == 0 || r == VE_AGAIN || r == VE_LIMIT || r == VE_PROTO);
	MUST((why != NULL) == (r == VE_LIMIT || r == VE_PROTO));
	if (r == VE_AGAIN)
		MUST(in.n < HTTP_HEAD_MAX);
	if (r == 0) {
		check_head(kind, &h, in);
		/* alone it is the same head; one byte less is none */
		in.n = h.length;
		MUST(http_head_parse(kind, in, &again, NULL) == 0);
		MUST(again.length == h.length && again.nfields == h.nfields);
		in.n--;
		MUST(http_head_parse(kind, in, &again, NULL) == VE_AGAIN);
	} else if (in.n > 0) {
		/* what is no head with more bytes is none with less */
		in.n -= 1 + in.n / 3;
		MUST(http_head_parse(kind, in, &again, NULL) != 0);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice in = { .p = data, .n = size };

	try(HTTP_REQUEST, in);
	try(HTTP_RESPONSE, in);
	return 0;
}
