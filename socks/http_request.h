/* SPDX-License-Identifier: GPL-3.0-or-later */
/* http_request.h - what a client of the HTTP proxy asks for, and the request that goes on to the target. Pure.
 *
 * RFC 9110 sections 7.6 and 9.3, RFC 9112 sections 3 and 6. */
#ifndef SOCKS_HTTP_REQUEST_H
#define SOCKS_HTTP_REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/addr.h"
#include "core/http_head.h"
#include "core/route.h"
#include "core/wr.h"
#include "socks/client_conf.h"
#include "socks/http_body.h"

/* A forwarded request head is at most so much longer than the one received: the Host field written anew, "Via", one
 * "Connection" and a blank behind each colon. */
#define HTTP_REQUEST_GROWTH (HOST_MAX + 16u + HTTP_FIELDS_MAX + 256u)

/* A request that has come by us so often goes in circles; a chain of some tunnels may be meant. */
#define HTTP_VIA_MAX 4u

/* The same for all clients of a listener, lent. */
struct http_conf {
	const struct proxy_auth *auth; /* NULL: nobody is asked */
	const struct route_rule *rules; /* for the PAC file */
	size_t nrules;
};

enum http_verdict {
	HTTP_REFUSED, /* status, cause and advice say why */
	HTTP_TUNNEL,  /* CONNECT to dest */
	HTTP_FORWARD, /* a request for dest */
	HTTP_INDEX,   /* our own page that says what this is */
	HTTP_PAC,     /* our own /proxy.pac */
	HTTP_OPTIONS, /* OPTIONS that ends here */
};

struct http_request {
	enum http_verdict verdict;
	unsigned status;
	const char *cause, *advice; /* static texts */
	struct dest dest;           /* port 0: none */
	bool is_head;               /* HEAD: no answer has a body */
	bool old;                   /* HTTP/1.0 */
	bool keep;                  /* the client's connection may go on after the answer */
	bool repeatable;            /* idempotent and without a body */
	bool upgrade;               /* a change of protocol is asked for and forwarded */
	bool html;                  /* preferred for pages */
	enum http_body_kind body;
	uint64_t length;
	struct slice authority, path; /* of HTTP_FORWARD: borrowed from the head */
	uint64_t forwards;            /* Max-Forwards to be sent, UINT64_MAX: as it came */
};

/* Judge a head that http_head_parse() accepted. @local is the address the client connected to (family IP_NONE: not
 * known). Fills *ret in every case. */
void http_request_judge(const struct http_head *h, const struct http_conf *conf, const struct endpoint *local,
			struct http_request *ret);

/* The same for bytes that were refused by http_head_parse() with @err and @why: @in is all of them. */
void http_request_malformed(struct slice in, int err, const char *why, struct http_request *ret);

/* Write the head that goes to the target, at most h->length + HTTP_REQUEST_GROWTH bytes. */
void http_request_write(const struct http_head *h, const struct http_request *r, struct wr *w);

#endif
