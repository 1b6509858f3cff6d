/* SPDX-License-Identifier: GPL-3.0-or-later */
/* http_rig.h - the HTTP proxy's machine between a client and targets that follow a script, in memory.
 *
 * The client sends `up` as fast as the machine takes it. Every connection the machine opens sends the next answers of the
 * script, each when the request before it is through. Bytes move in pieces of at most `cut` bytes (0: as they come). */
#ifndef TEST_HTTP_RIG_H
#define TEST_HTTP_RIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "socks/http_proxy.h"

#define RIG_BYTES (512u * 1024u)
#define RIG_DATE "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
#define RIG_SECONDS 784111777 /* the same, RFC 9110 section 5.6.7 */

struct rig_answer {
	const char *text;
	size_t n;      /* 0: strlen(text) */
	int end;       /* 0: the connection stays; VE_EOF or another VE_*: it ends so after the text */
	int refuse;    /* not 0: the connection for this answer fails with it */
	bool at_once;  /* does not wait for the request */
};

struct http_rig {
	struct http_proxy p;
	struct http_conf conf;
	struct endpoint local;
	size_t cut;
	size_t cut_once; /* not 0: the first piece of the client, and of each answer, is so long */

	const uint8_t *up; /* what the client sends; the caller's */
	size_t nup, up_at;
	bool up_ends, up_ended;
	bool deaf; /* the client reads nothing */
	struct rig_answer answers[16];
	unsigned nanswers, answer;
	size_t answer_at;

	uint8_t *down; /* what the client got */
	size_t ndown;
	uint8_t *sent; /* what targets got; connections are parted by "[N]" */
	size_t nsent;
	unsigned opens, drops;
	struct dest dest; /* of the last open */
	bool open, tunnel, closed, aborted;
	size_t memory; /* the most the machine ever had allocated */
};

void http_rig_init(struct http_rig *r);
void http_rig_fini(struct http_rig *r);
/* Until nothing moves any more. */
void http_rig_run(struct http_rig *r);

#endif
