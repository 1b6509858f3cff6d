/* SPDX-License-Identifier: GPL-3.0-or-later */
/* http_proxy.c - see http_proxy.h.
 *
 * Theory of operation
 *
 *     IDLE --head--> DIALING --opened--> WAITING --answer's head--> ANSWERING --its end--> IDLE
 *       |   to the target that is kept   ^   |                                             or GONE
 *       +--------------------------------+   +--- 101 ---> GONE (TUNNEL)
 *
 * and from everywhere to GONE: with a page that says why, if no answer has begun, by ABORT if one has.
 *
 * Heads are parsed when they are whole: an empty line is looked for in what has come, each byte once. So every way of
 * cutting the bytes gives the same result. Heads are written anew from their parts, bodies pass as they are; only their
 * end is watched (http_body.h).
 *
 * A request is begun when the answer before it has been delivered (out is empty): a client that sends ahead and does not
 * read stops itself, and there is always room for a page.
 *
 * An answer may come before the request's body is through. It is passed on, with "Connection: close", because where the
 * next request would begin is not known before the body has come to its end.
 *
 * A kept target may close while a request is on its way to it. If nothing of an answer has come and the request can do no
 * harm twice, it is sent again on a new connection, once (RFC 9110 section 9.2.2, RFC 9112 section 9.3.1): for this the
 * forwarded head is kept until the first byte. */
#include "socks/http_proxy.h"

#include <assert.h>
#include <string.h>
#include <strings.h>

#include "core/err.h"
#include "core/limits.h"
#include "socks/http_field.h"
#include "socks/http_page.h"
#include "socks/pac.h"

#define BIT(event) (1u << (event))

/* The ends that wait until the client has everything. */
#define ENDS_IN_ORDER (BIT(HTTP_EV_TUNNEL) | BIT(HTTP_EV_CLOSE))

static void enter(struct http_proxy *p, enum http_state to)
{
	p->state = to;
	p->deadline = to == HTTP_IDLE && !p->first ? p->now + HTTP_IDLE_MS : UINT64_MAX;
}

static void say(struct http_proxy *p, enum http_event ev)
{
	p->pending |= BIT(ev);
}

static void drop_target(struct http_proxy *p)
{
	p->target = false;
	p->pending &= ~BIT(HTTP_EV_OPEN);
	say(p, HTTP_EV_DROP);
}

/* Forget the exchange. */
static void end_exchange(struct http_proxy *p)
{
	buf_fini(&p->head);
	buf_fini(&p->answer);
	http_body_fini(&p->up);
	http_body_fini(&p->down);
}

static void leave(struct http_proxy *p, enum http_event how)
{
	end_exchange(p);
	if (how != HTTP_EV_TUNNEL) {
		drop_target(p);
		buf_fini(&p->in);
	}
	if (how == HTTP_EV_ABORT)
		p->pending &= ~ENDS_IN_ORDER;
	say(p, how);
	enter(p, HTTP_GONE);
}

/* --- out ------------------------------------------------------------------------------------------------ */

/* A writer behind what is in out, which does not move. @want bytes must fit; it is allocated that large if it is empty. */
static bool out_begin(struct http_proxy *p, size_t want, struct wr *ret)
{
	if (!p->out.p && buf_init(&p->out, want > HTTP_OUT_MAX ? want : HTTP_OUT_MAX) != 0)
		return false;
	if (p->out.cap - p->out.tail < want)
		return false;
	*ret = wr_init(p->out.p + p->out.tail, p->out.cap - p->out.tail);
	return true;
}

static void out_end(struct http_proxy *p, const struct wr *w)
{
	assert(wr_ok(w));
	buf_commit(&p->out, w->n);
	if (buf_len(&p->out) == 0)
		buf_fini(&p->out);
}

struct slice http_proxy_peek(const struct http_proxy *p)
{
	return p->out.p ? buf_peek(&p->out) : (struct slice){ 0 };
}

/* --- pages ---------------------------------------------------------------------------------------------- */

static void end_answer(struct http_proxy *p);

/* What all answers of our own have in common. A request with a body is not waited for: the connection ends instead. */
static struct http_page page_of(const struct http_proxy *p)
{
	return (struct http_page){
		.html = p->request.html,
		.is_head = p->request.is_head,
		.keep = p->request.keep && p->request.body == HTTP_BODY_NONE && !p->client_ended,
		.about = &p->request.dest,
		.unix_s = p->unix_s,
	};
}

/* Answer the request with @page, if that is still possible. */
static void answer_page(struct http_proxy *p, const struct http_page *page)
{
	struct wr w;

	if (p->state == HTTP_ANSWERING || !out_begin(p, HTTP_PAGE_MAX, &w)) {
		leave(p, HTTP_EV_ABORT);
		return;
	}
	http_page_write(page, &w);
	out_end(p, &w);
	if (page->keep) {
		end_exchange(p);
		enter(p, HTTP_IDLE);
	} else {
		leave(p, HTTP_EV_CLOSE);
	}
}

/* The target failed, or cannot be used. */
static void answer_error(struct http_proxy *p, int err, const char *cause)
{
	struct http_page page = page_of(p);

	http_page_for_error(&page, err);
	if (cause)
		page.cause = cause;
	drop_target(p);
	answer_page(p, &page);
}

static void answer_refusal(struct http_proxy *p)
{
	struct http_page page = page_of(p);

	page.status = p->request.status;
	page.cause = p->request.cause;
	page.advice = p->request.advice;
	answer_page(p, &page);
}

/* Index, PAC file, OPTIONS. */
static void answer_own(struct http_proxy *p)
{
	struct http_page page = page_of(p);
	struct wr w;
	bool ok = out_begin(p, HTTP_PAGE_MAX + (p->request.verdict == HTTP_PAC ? PAC_TEXT_MAX : 0), &w);

	if (ok && p->request.verdict == HTTP_PAC)
		ok = http_page_write_pac(&page, p->conf, &p->local, &w) == 0;
	else if (ok && p->request.verdict == HTTP_INDEX)
		http_page_write_index(&page, &p->local, &w);
	else if (ok)
		http_page_write_options(&page, &w);
	if (!ok) {
		leave(p, HTTP_EV_ABORT);
		return;
	}
	out_end(p, &w);
	if (page.keep)
		enter(p, HTTP_IDLE);
	else
		leave(p, HTTP_EV_CLOSE);
}

/* --- the request's head --------------------------------------------------------------------------------- */

static bool same_dest(const struct dest *a, const struct dest *b)
{
	return a->port == b->port && ip_equal(&a->ip, &b->ip) && strcasecmp(a->name, b->name) == 0;
}

static void dial(struct http_proxy *p)
{
	p->target = false;
	p->reused = false;
	p->head_sent = 0;
	p->dest = p->request.dest;
	say(p, HTTP_EV_OPEN);
	enter(p, HTTP_DIALING);
}

/* The forwarded head, whole, and what follows it. */
static int prepare(struct http_proxy *p, const struct http_head *h)
{
	struct wr w;

	p->head_sent = 0;
	p->answered = false;
	if (p->request.verdict == HTTP_TUNNEL)
		return 0;
	if (buf_init(&p->head, h->length + HTTP_REQUEST_GROWTH) != 0)
		return VE_NOMEM;
	w = wr_init(p->head.p, p->head.cap);
	http_request_write(h, &p->request, &w);
	assert(wr_ok(&w));
	buf_commit(&p->head, w.n);
	return http_body_init(&p->up, p->request.body, p->request.length);
}

static void begin_exchange(struct http_proxy *p)
{
	bool keep = p->target && p->request.verdict == HTTP_FORWARD && same_dest(&p->dest, &p->request.dest);

	if (keep) {
		p->reused = true;
		enter(p, HTTP_WAITING);
	} else {
		dial(p);
	}
}

/* The head in @in has been parsed, or refused with @err. */
static void on_request(struct http_proxy *p, const struct http_head *h, int err, const char *why)
{
	if (err == 0) {
		http_request_judge(h, p->conf, &p->local, &p->request);
		err = p->request.verdict == HTTP_FORWARD || p->request.verdict == HTTP_TUNNEL ? prepare(p, h) : 0;
		buf_consume(&p->in, h->length);
		if (err != 0) {
			answer_error(p, err, NULL);
			return;
		}
	} else {
		http_request_malformed(buf_peek(&p->in), err, why, &p->request);
	}
	if (p->request.verdict == HTTP_REFUSED)
		answer_refusal(p);
	else if (p->request.verdict == HTTP_FORWARD || p->request.verdict == HTTP_TUNNEL)
		begin_exchange(p);
	else
		answer_own(p);
}

/* RFC 9112 section 2.2: empty lines before a request are overlooked. */
static void skip_blank(struct http_proxy *p)
{
	while (buf_len(&p->in) >= 2 && memcmp(buf_peek(&p->in).p, "\r\n", 2) == 0) {
		buf_consume(&p->in, 2);
		p->searched = 0;
	}
}

/* Take the next request out of @in, if it is whole and its turn has come. Returns whether it was. */
static bool take_request(struct http_proxy *p)
{
	struct http_head h;
	struct slice in;
	size_t end;
	const char *why = "";
	int err;

	if (p->state != HTTP_IDLE || !p->in.p || http_proxy_peek(p).n > 0)
		return false;
	skip_blank(p);
	in = buf_peek(&p->in);
	end = http_find_end(in.p, in.n, p->searched);
	p->searched = in.n;
	if (end == 0 && in.n < HTTP_HEAD_MAX)
		return false;
	p->searched = 0;
	p->first = false;
	err = end == 0 ? VE_LIMIT : http_head_parse(HTTP_REQUEST, (struct slice){ .p = in.p, .n = end }, &h, &why);
	on_request(p, &h, err == VE_AGAIN ? VE_PROTO : err, why);
	return true;
}

/* Whatever may have become possible. */
static void advance(struct http_proxy *p)
{
	while (take_request(p))
		;
	if (p->in.p && buf_len(&p->in) == 0)
		buf_fini(&p->in);
	if (p->state == HTTP_IDLE && p->client_ended && http_proxy_peek(p).n == 0)
		leave(p, HTTP_EV_CLOSE);
}

/* --- the client ----------------------------------------------------------------------------------------- */

bool http_proxy_has_room(const struct http_proxy *p)
{
	return p->state != HTTP_GONE && (!p->in.p || buf_room(&p->in) > 0);
}

uint8_t *http_proxy_reserve(struct http_proxy *p, size_t *room)
{
	uint8_t *to;

	*room = 0;
	if (p->state == HTTP_GONE || (!p->in.p && buf_init(&p->in, HTTP_HEAD_MAX) != 0))
		return NULL;
	to = buf_reserve(&p->in, p->in.cap, room);
	return *room > 0 ? to : NULL;
}

void http_proxy_commit(struct http_proxy *p, size_t n)
{
	if (p->in.p)
		buf_commit(&p->in, n);
	advance(p);
}

struct slice http_proxy_early(const struct http_proxy *p)
{
	return p->in.p ? buf_peek(&p->in) : (struct slice){ 0 };
}

/* A body that cannot be completed any more. */
static void check_truncated(struct http_proxy *p)
{
	bool sending = p->state == HTTP_DIALING || p->state == HTTP_WAITING || p->state == HTTP_ANSWERING;

	if (p->client_ended && sending && p->request.verdict == HTTP_FORWARD && !p->up.done && !p->in.p)
		leave(p, HTTP_EV_ABORT);
}

void http_proxy_client_ended(struct http_proxy *p)
{
	p->client_ended = true;
	advance(p);
	check_truncated(p);
}

void http_proxy_consume(struct http_proxy *p, size_t n)
{
	buf_consume(&p->out, n);
	if (buf_len(&p->out) == 0)
		buf_fini(&p->out);
	advance(p);
}

bool http_proxy_waits(const struct http_proxy *p)
{
	return p->state == HTTP_IDLE && http_proxy_peek(p).n == 0 && (p->first || p->in.p);
}

/* --- the target ----------------------------------------------------------------------------------------- */

void http_proxy_target_opened(struct http_proxy *p)
{
	struct wr w;

	assert(p->state == HTTP_DIALING);
	p->target = true;
	if (p->request.verdict != HTTP_TUNNEL) {
		enter(p, HTTP_WAITING);
		return;
	}
	if (!out_begin(p, HTTP_PAGE_MAX, &w)) {
		leave(p, HTTP_EV_ABORT);
		return;
	}
	http_page_write_tunnel(&w);
	out_end(p, &w);
	leave(p, HTTP_EV_TUNNEL);
}

static bool may_repeat(const struct http_proxy *p)
{
	return p->reused && !p->answered && p->request.repeatable;
}

void http_proxy_target_ended(struct http_proxy *p, int err)
{
	if (p->state == HTTP_IDLE) {
		drop_target(p);
	} else if (p->state == HTTP_DIALING) {
		answer_error(p, err, NULL);
	} else if (p->state == HTTP_WAITING && may_repeat(p)) {
		dial(p);
	} else if (p->state == HTTP_WAITING) {
		answer_error(p, err, NULL);
	} else if (p->state == HTTP_ANSWERING && p->down.kind == HTTP_BODY_UNTIL_CLOSE && err == VE_EOF) {
		end_answer(p);
	} else if (p->state == HTTP_ANSWERING) {
		leave(p, HTTP_EV_ABORT);
	}
	advance(p);
}

static size_t pull_head(struct http_proxy *p, uint8_t *to, size_t room)
{
	struct slice all = p->head.p ? buf_peek(&p->head) : (struct slice){ 0 };
	size_t n = min_size(room, all.n - min_size(all.n, p->head_sent));

	if (n == 0)
		return 0;
	memcpy(to, all.p + p->head_sent, n);
	p->head_sent += n;
	if (p->head_sent == all.n && !may_repeat(p)) {
		buf_fini(&p->head);
		p->head_sent = 0;
	}
	return n;
}

/* A body that nobody may be told to end somewhere: RFC 9112 section 6.3. */
static void on_bad_body(struct http_proxy *p)
{
	struct http_page page = page_of(p);

	page.status = 400;
	page.cause = "The body of the request is not valid chunked coding.";
	page.advice = "Please tell the author of the client program.";
	page.keep = false;
	drop_target(p);
	answer_page(p, &page);
}

static size_t pull_body(struct http_proxy *p, uint8_t *to, size_t room)
{
	struct slice in = p->in.p ? buf_peek(&p->in) : (struct slice){ 0 };
	size_t n;

	if (p->up.done || in.n == 0 || room == 0)
		return 0;
	in.n = min_size(in.n, room);
	if (http_body_take(&p->up, in, NULL, &n) != 0) {
		on_bad_body(p);
		return 0;
	}
	memcpy(to, in.p, n);
	buf_consume(&p->in, n);
	return n;
}

static bool is_sent(const struct http_proxy *p)
{
	return p->up.done && (!p->head.p || p->head_sent == buf_len(&p->head));
}

bool http_proxy_has_request(const struct http_proxy *p)
{
	if (p->state != HTTP_WAITING && p->state != HTTP_ANSWERING)
		return false;
	return (p->head.p && p->head_sent < buf_len(&p->head)) || (!p->up.done && p->in.p);
}

size_t http_proxy_request_pull(struct http_proxy *p, uint8_t *to, size_t room)
{
	size_t n;

	if (!http_proxy_has_request(p))
		return 0;
	n = pull_head(p, to, room);
	n += pull_body(p, to + n, room - n);
	if (n > 0 && p->state == HTTP_WAITING && is_sent(p))
		p->deadline = p->now + HTTP_ANSWER_MS;
	advance(p);
	check_truncated(p);
	return n;
}

/* --- the answer ----------------------------------------------------------------------------------------- */

/* The answer is complete, and in out. */
static void end_answer(struct http_proxy *p)
{
	if (!p->request.keep || p->client_ended) {
		leave(p, HTTP_EV_CLOSE);
		return;
	}
	if (!p->response.keep)
		drop_target(p);
	end_exchange(p);
	enter(p, HTTP_IDLE);
}

static void begin_answer(struct http_proxy *p, const struct http_response *resp)
{
	p->response = *resp;
	if (http_body_init(&p->down, resp->body, resp->length) != 0) {
		leave(p, HTTP_EV_ABORT);
		return;
	}
	enter(p, HTTP_ANSWERING);
	if (p->down.done)
		end_answer(p);
}

/* The client will be told that its connection goes on only if that is certain. */
static bool stays(const struct http_proxy *p, const struct http_response *resp)
{
	return p->request.keep && !resp->ends_close && is_sent(p) && !p->client_ended;
}

static void pass_head(struct http_proxy *p, const struct http_head *h, const struct http_response *resp)
{
	struct wr w;

	if (resp->interim && p->request.old)
		return; /* RFC 9110 section 15.2: not to HTTP/1.0 */
	p->request.keep = resp->interim ? p->request.keep : stays(p, resp);
	if (!out_begin(p, h->length + HTTP_RESPONSE_GROWTH, &w)) {
		leave(p, HTTP_EV_ABORT);
		return;
	}
	http_response_write(h, resp, p->request.keep, p->unix_s, &w);
	out_end(p, &w);
}

/* The whole head of an answer is in p->answer. */
static void on_answer_head(struct http_proxy *p)
{
	struct http_head h;
	struct http_response resp;
	const char *why = NULL;

	if (http_head_parse(HTTP_RESPONSE, buf_peek(&p->answer), &h, NULL) != 0 ||
	    http_response_judge(&h, &p->request, &resp, &why) != 0) {
		answer_error(p, VE_PROTO, why);
		return;
	}
	if (resp.switching && !is_sent(p)) {
		answer_error(p, VE_PROTO, "It changed the protocol in the middle of the request.");
		return;
	}
	pass_head(p, &h, &resp);
	buf_fini(&p->answer);
	if (p->state == HTTP_GONE || resp.interim)
		return;
	if (resp.switching)
		leave(p, HTTP_EV_TUNNEL);
	else
		begin_answer(p, &resp);
}

/* Collect the head of an answer, and not a byte behind it: after a 101 these are a relay's. Returns how many were taken. */
static size_t push_head(struct http_proxy *p, struct slice in)
{
	size_t before, end, n;

	if (http_proxy_peek(p).n > 0)
		return 0; /* an interim answer: room for the next is certain when it is delivered */
	if (p->reused && p->head_sent == 0) {
		dial(p); /* before the request was sent: this is no answer to it */
		return 0;
	}
	if (!p->answer.p && buf_init(&p->answer, HTTP_HEAD_MAX) != 0) {
		answer_error(p, VE_NOMEM, NULL);
		return 0;
	}
	p->answered = true;
	if (is_sent(p))
		buf_fini(&p->head); /* it will not be needed again */
	before = buf_len(&p->answer);
	n = min_size(in.n, p->answer.cap - before);
	memcpy(p->answer.p + p->answer.tail, in.p, n);
	buf_commit(&p->answer, n);
	end = http_find_end(p->answer.p, before + n, before);
	if (end > 0) {
		p->answer.tail = end;
		on_answer_head(p);
		return end - before;
	}
	if (before + n == p->answer.cap)
		answer_error(p, VE_PROTO, "The head of its answer is too long.");
	return n;
}

static size_t push_body(struct http_proxy *p, struct slice in)
{
	struct wr w, *data;
	size_t n, room;

	if (!out_begin(p, 1, &w)) {
		if (!p->out.p)
			leave(p, HTTP_EV_ABORT);
		return 0;
	}
	room = w.cap - min_size(w.cap, HTTP_PAGE_MAX);
	in.n = min_size(in.n, room);
	data = p->response.plain ? &w : NULL;
	if (http_body_take(&p->down, in, data, &n) != 0) {
		out_end(p, &(struct wr){ 0 });
		leave(p, HTTP_EV_ABORT);
		return 0;
	}
	if (!data)
		wr_bytes(&w, in.p, n);
	out_end(p, &w);
	if (p->down.done)
		end_answer(p);
	return n;
}

size_t http_proxy_answer_push(struct http_proxy *p, struct slice in)
{
	size_t n = 0, done;

	do {
		struct slice rest = { .p = in.p + n, .n = in.n - n };

		done = 0;
		if (rest.n > 0 && p->state == HTTP_WAITING)
			done = push_head(p, rest);
		else if (rest.n > 0 && p->state == HTTP_ANSWERING)
			done = push_body(p, rest);
		n += done;
	} while (done > 0);
	if (n < in.n && p->state == HTTP_IDLE && p->target)
		drop_target(p); /* nobody asked: whatever it is, it is no answer to the next request */
	advance(p);
	return n;
}

/* --- time and events ------------------------------------------------------------------------------------ */

void http_proxy_clock(struct http_proxy *p, uint64_t now_ms, int64_t unix_s)
{
	p->now = now_ms;
	p->unix_s = unix_s;
}

uint64_t http_proxy_deadline(const struct http_proxy *p)
{
	return p->deadline;
}

void http_proxy_tick(struct http_proxy *p)
{
	if (p->now < p->deadline)
		return;
	p->deadline = UINT64_MAX;
	if (p->state == HTTP_WAITING)
		answer_error(p, VE_TIMEOUT, NULL);
	else if (p->state == HTTP_IDLE && !p->in.p)
		leave(p, HTTP_EV_CLOSE);
}

enum http_event http_proxy_next_event(struct http_proxy *p)
{
	for (unsigned ev = HTTP_EV_NONE + 1; ev <= HTTP_EV_ABORT; ev++) {
		bool must_wait = (BIT(ev) & ENDS_IN_ORDER) && http_proxy_peek(p).n > 0;

		if ((p->pending & BIT(ev)) && !must_wait) {
			p->pending &= ~BIT(ev);
			return (enum http_event)ev;
		}
	}
	return HTTP_EV_NONE;
}

void http_proxy_init(struct http_proxy *p, const struct http_conf *conf, const struct endpoint *local)
{
	*p = (struct http_proxy){ .conf = conf, .local = *local, .first = true, .deadline = UINT64_MAX };
}

void http_proxy_fini(struct http_proxy *p)
{
	end_exchange(p);
	buf_fini(&p->in);
	buf_fini(&p->out);
}
