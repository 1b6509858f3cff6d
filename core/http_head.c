/* SPDX-License-Identifier: GPL-3.0-or-later */
/* http_head.c - llhttp decides about characters, we decide about meaning.
 *
 * llhttp runs over the input once, from its start, and hands out spans: the start line's parts, then name and
 * value of each field. They are only recorded. When the empty line comes, llhttp is paused, which tells how
 * long the head is, and it is thrown away: it never sees a body, so nothing it believes about bodies matters.
 * Then our own checks follow for everything that decides how long the body is (RFC 9112 section 6), because
 * that is where two parsers that disagree about one message become a hole. Whatever is ambiguous is refused,
 * in responses as in requests:
 *
 *     Content-Length twice, in a list, with a sign, empty, or above 2^64-1, or beside Transfer-Encoding
 *     Transfer-Encoding in HTTP/1.0, empty, with parameters (no registered coding has any), with chunked
 *         anywhere but last, or, in a request, with anything but chunked last
 *     Host twice in a request; blank lines before a response
 *     bare CR or LF, folded lines, blanks before the colon, control characters
 *     more than one blank between the parts of a request line */
#include "core/http_head.h"

#include <string.h>
#include <strings.h>

/* Both headers want these two names. In this file ours are the ones without prefix. */
#define HTTP_REQUEST LLHTTP_REQUEST
#define HTTP_RESPONSE LLHTTP_RESPONSE
#include <llhttp.h>
#undef HTTP_REQUEST
#undef HTTP_RESPONSE

#include "core/err.h"

struct scan {
	struct http_head head;
	struct slice version;
	int err; /* why a callback stopped llhttp, 0: the head is complete */
	const char *why;
};

static int fail(struct scan *s, int err, const char *why)
{
	s->err = err;
	s->why = why;
	return HPE_USER;
}

/* A span may come in several calls, but they are neighbours, since the input lies in one piece. */
static int extend(struct scan *s, struct slice *span, const char *at, size_t n)
{
	const uint8_t *p = (const uint8_t *)at;

	if (!span->p)
		span->p = p;
	else if (span->p + span->n != p)
		return fail(s, VE_PROTO, "a part of the head is torn");
	span->n += n;
	return 0;
}

static int on_method(llhttp_t *l, const char *at, size_t n)
{
	struct scan *s = l->data;

	return extend(s, &s->head.method, at, n);
}

static int on_url(llhttp_t *l, const char *at, size_t n)
{
	struct scan *s = l->data;

	return extend(s, &s->head.target, at, n);
}

static int on_status(llhttp_t *l, const char *at, size_t n)
{
	struct scan *s = l->data;

	return extend(s, &s->head.reason, at, n);
}

static int on_version(llhttp_t *l, const char *at, size_t n)
{
	struct scan *s = l->data;

	return extend(s, &s->version, at, n);
}

static int on_header_field(llhttp_t *l, const char *at, size_t n)
{
	struct scan *s = l->data;

	if (s->head.nfields == HTTP_FIELDS_MAX)
		return fail(s, VE_LIMIT, "too many fields in the head");
	return extend(s, &s->head.fields[s->head.nfields].name, at, n);
}

static int on_header_value(llhttp_t *l, const char *at, size_t n)
{
	struct scan *s = l->data;

	return extend(s, &s->head.fields[s->head.nfields].value, at, n);
}

static int on_header_value_complete(llhttp_t *l)
{
	struct scan *s = l->data;
	struct http_field *f = &s->head.fields[s->head.nfields];

	if (!f->value.p) /* empty, but there: not to be mistaken for absent */
		f->value = (struct slice){ .p = f->name.p + f->name.n, .n = 0 };
	f->value = http_trimmed(f->value);
	s->head.nfields++;
	return 0;
}

static int on_headers_complete(llhttp_t *l)
{
	(void)l;
	return HPE_PAUSED;
}

/* "HTTP/1.0" or "HTTP/1.1", nothing else: llhttp also knows 0.9, 2.0, RTSP and ICE. */
static int check_version(struct scan *s, const uint8_t *start)
{
	const uint8_t *v = s->version.p;

	if (s->version.n != 3 || v - start < 5 || memcmp(v - 5, "HTTP/1.", 7) != 0 ||
	    (v[2] != '0' && v[2] != '1'))
		return fail(s, VE_PROTO, "not HTTP/1.0 or HTTP/1.1");
	s->head.minor = v[2] - '0';
	return 0;
}

/* RFC 9112 sections 2.2 and 4: CR and LF only as a pair, no other control character but a tab. llhttp lets
 * most of them stand in the reason phrase. */
static int check_bytes(struct scan *s, const uint8_t *start, const uint8_t *end)
{
	for (const uint8_t *p = start; p < end; p++) {
		if (p[0] == '\r' && end - p > 1 && p[1] == '\n')
			p++;
		else if ((p[0] < 0x20 && p[0] != '\t') || p[0] == 0x7f)
			return fail(s, VE_PROTO, "a control character in the head");
	}
	return 0;
}

/* RFC 9112 section 3: exactly one space. llhttp takes several before the target. */
static int check_request_line(struct scan *s)
{
	const struct http_head *h = &s->head;

	if (h->is_response)
		return 0;
	if (h->method.p + h->method.n + 1 != h->target.p || h->target.p + h->target.n + 1 != s->version.p - 5)
		return fail(s, VE_PROTO, "more than one blank in the request line");
	return 0;
}

static int read_content_length(struct scan *s, struct slice v)
{
	uint64_t sum = 0;

	if (s->head.has_content_length)
		return fail(s, VE_PROTO, "Content-Length twice");
	if (v.n == 0)
		return fail(s, VE_PROTO, "Content-Length is empty");
	for (size_t i = 0; i < v.n; i++) {
		unsigned digit = (unsigned)v.p[i] - '0';

		if (digit > 9)
			return fail(s, VE_PROTO, "Content-Length is not a number");
		if (sum > (UINT64_MAX - digit) / 10)
			return fail(s, VE_PROTO, "Content-Length is too large");
		sum = sum * 10 + digit;
	}
	s->head.has_content_length = true;
	s->head.content_length = sum;
	return 0;
}

/* RFC 9110 section 5.6.2. */
static bool is_token(struct slice v)
{
	for (size_t i = 0; i < v.n; i++) {
		if (v.p[i] <= 0x20 || v.p[i] >= 0x7f || strchr("\"(),/:;<=>?@[\\]{}", v.p[i]))
			return false;
	}
	return v.n > 0;
}

/* One Transfer-Encoding field: a list of codings, continuing those of earlier fields (RFC 9110 section 5.3).
 * Returns 0 with head.chunked set if the last coding so far is chunked. */
static int read_transfer_encoding(struct scan *s, struct slice v)
{
	while (true) {
		const uint8_t *comma = v.n > 0 ? memchr(v.p, ',', v.n) : NULL;
		struct slice coding =
			http_trimmed((struct slice){ .p = v.p, .n = comma ? (size_t)(comma - v.p) : v.n });

		if (!is_token(coding))
			return fail(s, VE_PROTO, "a transfer coding is not a plain word");
		if (s->head.chunked)
			return fail(s, VE_PROTO, "a transfer coding after chunked");
		s->head.chunked = http_value_is(coding, "chunked");
		if (!comma)
			return 0;
		v.n -= (size_t)(comma + 1 - v.p);
		v.p = comma + 1;
	}
}

static int check_framing(struct scan *s)
{
	struct http_head *h = &s->head;
	bool coded = false, has_host = false;
	int r = 0;

	for (size_t i = 0; i < h->nfields && r == 0; i++) {
		const struct http_field *f = &h->fields[i];

		if (http_value_is(f->name, "Content-Length")) {
			r = read_content_length(s, f->value);
		} else if (http_value_is(f->name, "Transfer-Encoding")) {
			coded = true;
			r = read_transfer_encoding(s, f->value);
		} else if (!h->is_response && http_value_is(f->name, "Host")) {
			if (has_host)
				r = fail(s, VE_PROTO, "Host twice");
			has_host = true;
		}
	}
	if (r != 0 || !coded)
		return r;
	if (h->has_content_length)
		return fail(s, VE_PROTO, "both Content-Length and Transfer-Encoding");
	if (h->minor == 0)
		return fail(s, VE_PROTO, "Transfer-Encoding in HTTP/1.0");
	if (!h->is_response && !h->chunked)
		return fail(s, VE_PROTO, "the last transfer coding of a request is not chunked");
	return 0;
}

/* llhttp has stopped at @end, behind the empty line: give the parts their meaning. */
static int finish(struct scan *s, const llhttp_t *l, const uint8_t *start, const uint8_t *end)
{
	struct http_head *h = &s->head;

	h->length = (size_t)(end - start);
	if (h->length < 4 || memcmp(end - 4, "\r\n\r\n", 4) != 0)
		return fail(s, VE_PROTO, "the head does not end in an empty line");
	if (check_bytes(s, start, end) != 0 || check_version(s, start) != 0 || check_request_line(s) != 0)
		return s->err;
	if (h->is_response)
		h->status = l->status_code;
	if (h->is_response && (h->status < 100 || h->status > 999))
		return fail(s, VE_PROTO, "the status is not from 100 to 999");
	return check_framing(s);
}

static const llhttp_settings_t settings = {
	.on_method = on_method,
	.on_url = on_url,
	.on_status = on_status,
	.on_version = on_version,
	.on_header_field = on_header_field,
	.on_header_value = on_header_value,
	.on_header_value_complete = on_header_value_complete,
	.on_headers_complete = on_headers_complete,
};

/* Run llhttp over all @n bytes at @p (the whole input starts at @start). Returns like http_head_parse(). */
static int scan(struct scan *s, const uint8_t *start, const uint8_t *p, size_t n)
{
	llhttp_t l;
	llhttp_errno_t r;

	llhttp_init(&l, s->head.is_response ? LLHTTP_RESPONSE : LLHTTP_REQUEST, &settings);
	l.data = s;
	r = llhttp_execute(&l, (const char *)p, n);
	if (r == HPE_OK)
		return VE_AGAIN;
	if (r == HPE_PAUSED) {
		(void)finish(s, &l, start, (const uint8_t *)llhttp_get_error_pos(&l));
		return s->err;
	}
	if (s->err == 0)
		fail(s, VE_PROTO, llhttp_get_error_reason(&l));
	return s->err;
}

/* RFC 9112 section 2.2: a server overlooks one empty line before a request, which old clients send after a
 * body. llhttp would overlook any number of CR and LF, in responses too. Returns how many bytes to pass over,
 * or a VE_*. */
static int blank_start(enum http_kind kind, struct slice in)
{
	size_t n = kind == HTTP_REQUEST && in.n >= 2 && memcmp(in.p, "\r\n", 2) == 0 ? 2 : 0;

	if (n == in.n || (n == 0 && in.n == 1 && in.p[0] == '\r' && kind == HTTP_REQUEST))
		return VE_AGAIN;
	if (in.p[n] == '\r' || in.p[n] == '\n')
		return VE_PROTO;
	return (int)n;
}

int http_head_parse(enum http_kind kind, struct slice in, struct http_head *ret, const char **why)
{
	struct scan s = { .head.is_response = kind == HTTP_RESPONSE,
			  .why = "empty line before the start line" };
	size_t usable = min_size(in.n, HTTP_HEAD_MAX);
	int r = blank_start(kind, in);

	if (r >= 0)
		r = scan(&s, in.p, in.p + r, usable - (size_t)r);
	if (r == VE_AGAIN && in.n >= HTTP_HEAD_MAX) {
		s.why = "the head is too long";
		r = VE_LIMIT;
	}
	if (r == 0)
		*ret = s.head;
	else if (r != VE_AGAIN && why)
		*why = s.why;
	return r;
}

struct slice http_head_find(const struct http_head *h, const char *name)
{
	for (size_t i = 0; i < h->nfields; i++) {
		if (http_value_is(h->fields[i].name, name))
			return h->fields[i].value;
	}
	return (struct slice){ 0 };
}

bool http_value_is(struct slice value, const char *text)
{
	return value.n == strlen(text) &&
	       (value.n == 0 || strncasecmp((const char *)value.p, text, value.n) == 0);
}

bool http_is_blank(uint8_t c)
{
	return c == ' ' || c == '\t';
}

struct slice http_trimmed(struct slice v)
{
	while (v.n > 0 && http_is_blank(v.p[0])) {
		v.p++;
		v.n--;
	}
	while (v.n > 0 && http_is_blank(v.p[v.n - 1]))
		v.n--;
	return v;
}
