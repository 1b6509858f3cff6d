/* SPDX-License-Identifier: GPL-3.0-or-later */
/* sstp_http.h - the HTTP exchange that opens an SSTP stream: MS-SSTP 3.2.4.1; sstp-protocol.md 1.1, 1.2. */
#ifndef CORE_SSTP_SSTP_HTTP_H
#define CORE_SSTP_SSTP_HTTP_H

#include "core/err.h"
#include "core/http_head.h"
#include "core/session.h"
#include "core/wr.h"

#define SSTP_HTTP_PORT 443u        /* of no other port does the Host field speak */
#define SSTP_HTTP_REQUEST_MAX 600u /* the longest request: 200 bytes and a host name */

/* Write the request: no body, nothing may be sent behind it before the answer has come. The caller asks
 * wr_ok(). */
void sstp_http_request(struct wr *w, const char *host, uint16_t port, const struct session_env *env);

/* Is this the answer of an SSTP server? Returns 0, or VE_PROTO with @f saying what answered instead and
 * what to do. */
int sstp_http_check(const struct http_head *h, struct fault *f);

#endif
