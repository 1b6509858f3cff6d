/* SPDX-License-Identifier: GPL-3.0-or-later */
/* fuzz_http_request.c - an HTTP proxy's client that sends anything, to targets that answer.
 *
 * Input: one byte how to cut (0: not at all), one byte of flags (1: a login is asked for; 2: the client ends), then the
 * client's bytes. Checked: cutting changes nothing; what targets get is well-formed, framed without doubt, and has no field
 * that ends at this hop; memory stays within its bound. */
#include <string.h>

#include "core/err.h"
#include "core/http_head.h"
#include "socks/http_field.h"
#include "socks/pac.h"
#include "test/support/fuzz.h"
#include "test/support/http_rig.h"

static void run(struct http_rig *r, const uint8_t *data, size_t size, size_t cut, uint8_t flags)
{
	static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi";
	static struct proxy_auth auth;

	MUST(proxy_auth_set(&auth, "user", "pass") == 0);
	http_rig_init(r);
	r->conf.auth = flags & 1 ? &auth : NULL;
	r->cut = cut;
	r->up = data;
	r->nup = size;
	r->up_ends = flags & 2;
	for (r->nanswers = 0; r->nanswers < ARRAY_LEN(r->answers); r->nanswers++)
		r->answers[r->nanswers] = (struct rig_answer){ .text = answer };
	http_rig_run(r);
	MUST(r->memory <= 3 * HTTP_HEAD_MAX + HTTP_REQUEST_GROWTH + HTTP_OUT_MAX + PAC_TEXT_MAX);
}

static void check_fields(const struct http_head *h)
{
	static const char *const never[] = { "Proxy-Connection", "Keep-Alive", "Proxy-Authorization", "Proxy-Authenticate" };
	unsigned hosts = 0;

	for (size_t i = 0; i < h->nfields; i++) {
		hosts += http_value_is(h->fields[i].name, "Host");
		for (size_t k = 0; k < ARRAY_LEN(never); k++)
			MUST(!http_value_is(h->fields[i].name, never[k]));
		if (http_value_is(h->fields[i].name, "Connection"))
			MUST(http_value_is(h->fields[i].value, "TE") || http_value_is(h->fields[i].value, "Upgrade") ||
			     http_value_is(h->fields[i].value, "TE, Upgrade"));
	}
	MUST(hosts == 1);
	MUST(h->minor == 1);
	MUST(h->target.p[0] == '/' || http_value_is(h->target, "*"));
	MUST(http_via_count(h) >= 1);
}

/* One request at @p. Returns how many bytes it has, 0 if it is not complete. */
static size_t check_request(const uint8_t *p, size_t n)
{
	struct slice in = { .p = p, .n = n };
	struct http_head h;
	struct http_body b;
	size_t taken;
	size_t end = http_find_end(p, n, 0);

	if (end == 0)
		return 0;
	in.n = end;
	if (http_head_parse(HTTP_REQUEST, in, &h, NULL) == VE_LIMIT)
		return 0; /* it has grown over what we would take: its fields were written anew */
	MUST(http_head_parse(HTTP_REQUEST, in, &h, NULL) == 0);
	MUST(h.length == end);
	check_fields(&h);
	MUST(http_body_init(&b, h.chunked ? HTTP_BODY_CHUNKED : HTTP_BODY_LENGTH, h.content_length) == 0);
	MUST(http_body_take(&b, (struct slice){ .p = p + end, .n = n - end }, NULL, &taken) == 0);
	http_body_fini(&b);
	return b.done ? end + taken : 0;
}

static void check_sent(const struct http_rig *r)
{
	size_t at = 0, n;

	while (at < r->nsent) {
		if (r->sent[at] == '[') /* the rig's mark of a new connection: no method begins so */
			at += 3;
		n = at < r->nsent ? check_request(r->sent + at, r->nsent - at) : 0;
		if (n == 0)
			return;
		at += n;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct http_rig whole, cut;

	if (size < 2 || size > 100000)
		return 0;
	run(&whole, data + 2, size - 2, 0, data[1]);
	run(&cut, data + 2, size - 2, data[0], data[1]);
	MUST(whole.aborted == cut.aborted && whole.closed == cut.closed && whole.tunnel == cut.tunnel);
	MUST(whole.opens == cut.opens);
	if (!whole.aborted && !(data[1] & 2)) /* when the client's end is seen decides what a page says of the connection */
		MUST(whole.ndown == cut.ndown && memcmp(whole.down, cut.down, whole.ndown) == 0);
	if (!whole.aborted && !whole.closed) {
		MUST(whole.nsent == cut.nsent && memcmp(whole.sent, cut.sent, whole.nsent) == 0);
		check_sent(&whole);
	}
	http_rig_fini(&whole);
	http_rig_fini(&cut);
	return 0;
}
