/* SPDX-License-Identifier: GPL-3.0-or-later */
/* http_proxy.h - one client of the HTTP proxy and the one target it talks to at a time, as a pure machine.
 *
 * Bytes of the client and of the target go in, bytes for both come out, and events that say what is to be done with
 * connections. No socket, no clock, no loop. Requests are served one after another; what a client sends ahead waits. The
 * target's connection is kept for the next request to the same host and port.
 *
 *     client ---reserve, commit---> [in]  ---request_pull---> target
 *     client <---peek, consume----- [out] <---answer_push---- target
 *
 * [in] holds a request's head while it comes, at most HTTP_HEAD_MAX; [out] what was not delivered yet, HTTP_OUT_MAX. Both
 * exist only while something is in them: an idle client costs sizeof(struct http_proxy), below 2 KiB. During a request the
 * forwarded head is kept as well, and while an answer's head comes, that. So a busy client has at most 2 * HTTP_HEAD_MAX +
 * HTTP_OUT_MAX + a forwarded head: 82 KiB, its target's windows aside. (The PAC file is one piece in [out] for as long as it
 * takes to deliver it: up to PAC_TEXT_MAX.)
 *
 * After each call the caller asks next_event() until there is none, and then moves what can be moved. */
#ifndef SOCKS_HTTP_PROXY_H
#define SOCKS_HTTP_PROXY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/addr.h"
#include "core/buf.h"
#include "socks/http_body.h"
#include "socks/http_request.h"
#include "socks/http_response.h"

enum http_event {
	HTTP_EV_NONE,
	HTTP_EV_DROP,   /* free the target, if there is one */
	HTTP_EV_OPEN,   /* open one to p->dest (after freeing what there was); then target_opened() or target_ended() */
	HTTP_EV_TUNNEL, /* when out is delivered: no more HTTP, the target and p->in belong to a relay */
	HTTP_EV_CLOSE,  /* when out is delivered: end the client's connection in order */
	HTTP_EV_ABORT,  /* end it at once, with a reset: it must not take what it has for the whole */
};

enum http_state {
	HTTP_IDLE,      /* before a request, or in its head; a target may be kept */
	HTTP_DIALING,   /* OPEN was said, its outcome is awaited */
	HTTP_WAITING,   /* the request goes to the target, whose answer's head has not come */
	HTTP_ANSWERING, /* the answer's body goes to the client; the request's may still go to the target */
	HTTP_GONE,      /* TUNNEL, CLOSE or ABORT was said: nothing more is read */
};

struct http_proxy {
	const struct http_conf *conf;
	struct endpoint local;
	enum http_state state;
	unsigned pending; /* events not taken yet */
	uint64_t now, deadline;
	int64_t unix_s;
	bool first;        /* no request has come so far */
	bool client_ended; /* the client sends no more */

	/* bytes; unallocated while empty */
	struct buf in;     /* of the client */
	size_t searched;   /* of it, without finding the end of a head */
	struct buf out;    /* for the client; its bytes stay where they are until they are consumed */
	struct buf head;   /* for the target: all of the forwarded head, until nothing can need it again */
	size_t head_sent;
	struct buf answer; /* of the target: the head of its answer so far */

	/* the exchange */
	struct http_request request; /* its slices are dead */
	struct http_response response;
	struct http_body up, down; /* what is left of the two bodies */
	bool reused;       /* the target had answered a request before */
	bool answered;     /* at least one byte of the answer has come */

	/* the target */
	bool target;       /* there is one, open */
	struct dest dest;
};

/* @conf is lent until fini. @local is where the client connected to; family IP_NONE for a socket in the file system. */
void http_proxy_init(struct http_proxy *p, const struct http_conf *conf, const struct endpoint *local);
void http_proxy_fini(struct http_proxy *p);

/* What time it is: milliseconds of any clock that does not jump, and seconds since 1970. Before other calls. */
void http_proxy_clock(struct http_proxy *p, uint64_t now_ms, int64_t unix_s);
/* When tick() is to be called; UINT64_MAX: not at all. */
uint64_t http_proxy_deadline(const struct http_proxy *p);
void http_proxy_tick(struct http_proxy *p);

/* Is it the client's turn, while something of its connection is held up by it? Not while it is idle between requests. */
bool http_proxy_waits(const struct http_proxy *p);

/* Borrow space for bytes of the client until the commit; NULL when there is none: it has sent enough for now, or memory is
 * short. Each reserve that gave space is followed by a commit, of 0 bytes if need be. */
uint8_t *http_proxy_reserve(struct http_proxy *p, size_t *room);
void http_proxy_commit(struct http_proxy *p, size_t n);
/* Would http_proxy_reserve() find space? */
bool http_proxy_has_room(const struct http_proxy *p);
/* After TUNNEL: what the client has sent behind its request. Borrowed until fini. */
struct slice http_proxy_early(const struct http_proxy *p);
/* The client has ended its stream. */
void http_proxy_client_ended(struct http_proxy *p);

/* Borrow what is for the client: it stays valid, and where it is, until it is consumed. */
struct slice http_proxy_peek(const struct http_proxy *p);
void http_proxy_consume(struct http_proxy *p, size_t n);

void http_proxy_target_opened(struct http_proxy *p);
/* The target's stream is over, after all its bytes were given to answer_push(): in order (VE_EOF), or with what broke it;
 * or it could not be opened. The caller frees it with the DROP that follows. */
void http_proxy_target_ended(struct http_proxy *p, int err);
/* Is there something for the target? */
bool http_proxy_has_request(const struct http_proxy *p);
/* Write up to @room bytes for the target to @to. Returns how many. */
size_t http_proxy_request_pull(struct http_proxy *p, uint8_t *to, size_t room);
/* Bytes of the target. Returns how many were taken; the rest is to be offered again when out has been consumed. */
size_t http_proxy_answer_push(struct http_proxy *p, struct slice in);

/* The next thing to do. */
enum http_event http_proxy_next_event(struct http_proxy *p);

#endif
