/* SPDX-License-Identifier: GPL-3.0-or-later */
/* http_response.c - see http_response.h. */
#include "socks/http_response.h"

#include "core/err.h"
#include "socks/http_field.h"

/* RFC 9112 section 6.3, in its order. Returns 0, or VE_PROTO: the body is in a coding that nobody asked for, so its end
 * could only be guessed at. */
static int read_body(const struct http_head *h, const struct http_request *r, struct http_response *ret)
{
	struct http_list at = { 0 };
	struct slice coding;
	bool coded = http_head_find(h, "Transfer-Encoding").p;
	bool only_chunked = http_list_next(h, "Transfer-Encoding", &at, &coding) && http_value_is(coding, "chunked") &&
			    !http_list_next(h, "Transfer-Encoding", &at, &coding);

	ret->body = HTTP_BODY_NONE;
	if (r->is_head || h->status < 200 || h->status == 204 || h->status == 304)
		return 0;
	ret->body = HTTP_BODY_UNTIL_CLOSE;
	if (coded && (!h->chunked || !only_chunked))
		return VE_PROTO;
	if (coded)
		ret->body = HTTP_BODY_CHUNKED;
	else if (h->has_content_length)
		ret->body = HTTP_BODY_LENGTH;
	ret->length = h->content_length;
	return 0;
}

/* RFC 9112 section 9.3. */
static bool goes_on(const struct http_head *h)
{
	if (http_list_has(h, "Connection", "close"))
		return false;
	return h->minor > 0 || http_list_has(h, "Connection", "keep-alive");
}

int http_response_judge(const struct http_head *h, const struct http_request *r, struct http_response *ret,
			const char **ret_why)
{
	struct http_response resp = { .interim = h->status < 200 && h->status != 101,
				      .switching = h->status == 101,
				      .plain = r->old };

	if (resp.switching && !r->upgrade) {
		*ret_why = "It changed to another protocol without being asked to.";
		return VE_PROTO;
	}
	if (read_body(h, r, &resp) != 0) {
		*ret_why = "Its answer has a transfer coding that this proxy did not ask for.";
		return VE_PROTO;
	}
	resp.keep = resp.body != HTTP_BODY_UNTIL_CLOSE && goes_on(h);
	resp.ends_close = resp.body == HTTP_BODY_UNTIL_CLOSE || (resp.body == HTTP_BODY_CHUNKED && r->old);
	*ret = resp;
	return 0;
}

/* RFC 9110 section 8.6 and RFC 9112 section 6.1: where a body cannot be, nothing may speak of one; a client that took
 * these for true would wait for it. 205 has none either, but its framing counts. */
static bool is_false_framing(const struct http_head *h, const struct http_response *resp, struct slice name)
{
	bool bare = h->status < 200 || h->status == 204;

	return (bare && (http_value_is(name, "Content-Length") || http_value_is(name, "Transfer-Encoding"))) ||
	       (resp->plain && (http_value_is(name, "Transfer-Encoding") || http_value_is(name, "Trailer")));
}

/* 101 says with Upgrade what comes now, 426 what could: they mean nothing without it. */
static bool tells_upgrade(const struct http_head *h)
{
	return h->status == 101 || h->status == 426;
}

static void write_status_line(const struct http_head *h, struct wr *w)
{
	wr_str(w, "HTTP/1.1 ");
	http_write_number(w, h->status);
	wr_str(w, " ");
	wr_bytes(w, h->reason.p, h->reason.n);
	wr_str(w, "\r\n");
}

static void write_connection(const struct http_head *h, const struct http_response *resp, bool keep, struct wr *w)
{
	bool upgrade = tells_upgrade(h);
	bool close = !keep && !resp->interim && !resp->switching;

	if (upgrade || close)
		wr_str(w, upgrade && close ? "Connection: close, Upgrade\r\n" :
			  upgrade ? "Connection: Upgrade\r\n" : "Connection: close\r\n");
}

void http_response_write(const struct http_head *h, const struct http_response *resp, bool keep, int64_t unix_s,
			 struct wr *w)
{
	write_status_line(h, w);
	for (size_t i = 0; i < h->nfields; i++) {
		struct slice name = h->fields[i].name;
		bool passes = !http_ends_here(h, name) || (tells_upgrade(h) && http_value_is(name, "Upgrade"));

		if (passes && !is_false_framing(h, resp, name))
			http_write_field(w, name, h->fields[i].value);
	}
	if (!resp->interim && !http_head_find(h, "Date").p)
		http_write_date(w, unix_s);
	write_connection(h, resp, keep, w);
	http_write_via(w, h->minor);
	wr_str(w, "\r\n");
}
