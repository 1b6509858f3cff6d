/* SPDX-License-Identifier: GPL-3.0-or-later */
/* fuzz_http_response.c - a target that answers anything to a request through the HTTP proxy.
 *
 * Input: one byte how to cut (0: not at all), one byte for the request and the end of the answer, then the target's bytes.
 * Checked: cutting changes nothing; what the client gets is well-formed and framed without doubt, and has no field that
 * ends at this hop; an answer that was cut short never looks whole; memory stays within its bound. */
#include <string.h>

#include "core/err.h"
#include "core/http_head.h"
#include "socks/http_field.h"
#include "test/support/fuzz.h"
#include "test/support/http_rig.h"

static const char *const requests[] = {
	"GET http://a.test/ HTTP/1.1\r\nHost: a.test\r\n\r\n",
	"HEAD http://a.test/ HTTP/1.1\r\nHost: a.test\r\n\r\n",
	"GET http://a.test/ HTTP/1.0\r\n\r\n",
	"GET http://a.test/ HTTP/1.1\r\nHost: a.test\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n",
};

static void run(struct http_rig *r, const uint8_t *data, size_t size, size_t cut, uint8_t how)
{
	static const int ends[] = { 0, VE_EOF, VE_RESET, VE_TIMEOUT };

	http_rig_init(r);
	r->cut = cut;
	r->up = (const uint8_t *)requests[how % 4];
	r->nup = strlen(requests[how % 4]);
	r->answers[0] = (struct rig_answer){ .text = (const char *)data, .n = size, .end = ends[how / 4 % 4] };
	r->nanswers = 1;
	http_rig_run(r);
	MUST(r->memory <= 3 * HTTP_HEAD_MAX + HTTP_REQUEST_GROWTH + HTTP_OUT_MAX);
}

static void check_fields(const struct http_head *h)
{
	static const char *const never[] = { "Proxy-Connection", "Keep-Alive", "TE", "Proxy-Authenticate" };

	for (size_t i = 0; i < h->nfields; i++) {
		for (size_t k = 0; k < ARRAY_LEN(never); k++)
			MUST(!http_value_is(h->fields[i].name, never[k]));
	}
	MUST(h->minor == 1);
}

/* The client's view of the whole stream: interim heads, one answer, its body to the end. */
static void check_down(const struct http_rig *r, bool is_head)
{
	size_t at = 0, end, taken;
	struct http_head h = { .status = 100 };
	struct http_body b;

	while (h.status < 200 && h.status != 101) {
		end = http_find_end(r->down + at, r->ndown - at, 0);
		if (end == 0)
			return; /* nothing more has come */
		if (http_head_parse(HTTP_RESPONSE, (struct slice){ .p = r->down + at, .n = end }, &h, NULL) == VE_LIMIT)
			return; /* it has grown over what we would take: its fields were written anew */
		MUST(http_head_parse(HTTP_RESPONSE, (struct slice){ .p = r->down + at, .n = end }, &h, NULL) == 0);
		check_fields(&h);
		at += end;
	}
	if (is_head || h.status == 101 || h.status == 204 || h.status == 304) {
		MUST(r->ndown == at);
		return;
	}
	MUST(http_body_init(&b, h.chunked ? HTTP_BODY_CHUNKED : h.has_content_length ? HTTP_BODY_LENGTH :
			    HTTP_BODY_UNTIL_CLOSE, h.content_length) == 0);
	MUST(http_body_take(&b, (struct slice){ .p = r->down + at, .n = r->ndown - at }, NULL, &taken) == 0);
	http_body_fini(&b);
	MUST(at + taken == r->ndown);
	/* It is whole exactly if the connection went on, or ended in order. */
	if (b.kind != HTTP_BODY_UNTIL_CLOSE && (r->closed || r->p.state == HTTP_IDLE))
		MUST(b.done);
	if (b.kind == HTTP_BODY_UNTIL_CLOSE)
		MUST(r->p.state != HTTP_IDLE);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct http_rig whole, cut;

	if (size < 3 || size > 100000)
		return 0;
	run(&whole, data + 2, size - 2, 0, data[1]);
	run(&cut, data + 2, size - 2, data[0], data[1]);
	MUST(whole.aborted == cut.aborted && whole.closed == cut.closed && whole.tunnel == cut.tunnel);
	if (!whole.aborted) {
		MUST(whole.ndown == cut.ndown && memcmp(whole.down, cut.down, whole.ndown) == 0);
		check_down(&whole, data[1] % 4 == 1);
	}
	http_rig_fini(&whole);
	http_rig_fini(&cut);
	return 0;
}
