/* SPDX-License-Identifier: GPL-3.0-or-later */
/* se_http.h - the HTTP that SoftEther speaks before the data phase (softether-protocol.md 2).
 *
 * Requests are written in the shape of the official client. Of an answer, the head is parsed
 * (core/http_head.h) and judged here; the body, a PACK, is its owner's business. */
#ifndef SOFTETHER_SE_HTTP_H
#define SOFTETHER_SE_HTTP_H

#include <stddef.h>
#include <stdint.h>

#include "core/buf.h"
#include "core/bytes.h"
#include "core/err.h"

/* Room that an answer needs until its head is known; a head that fills it is over its own limit. */
#define SE_HTTP_FIRST_MAX (HTTP_HEAD_MAX + 4u * KIB)

/* Queue the request that says what we are, 2.1: the short form, with ten bytes instead of a picture.
 * @authority is the server's name for the Host field. Returns 0, or VE_AGAIN with nothing queued if there is
 * no room. */
int se_http_put_signature(struct buf *tx, const char *authority);

/* Queue a request with the PACK @body, 2.3. Returns like se_http_put_signature(). */
int se_http_put_pack(struct buf *tx, const char *authority, struct slice body);

struct se_http_answer {
	size_t head; /* bytes of the head, with the empty line; 0: not known so far */
	size_t body; /* bytes that follow it, 1..SE_BODY_MAX */
};

/* Judge the head at the start of @in: status 200, an octet stream, a length in its bounds. Returns 0 with
 * *ret filled, VE_AGAIN when it is not whole, VE_PROTO with @f ("this is not a SoftEther server, but an HTTP
 * server that answered 404"). */
int se_http_read_head(struct se_http_answer *ret, struct slice in, struct fault *f);

#endif
