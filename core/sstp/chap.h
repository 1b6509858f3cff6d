/* SPDX-License-Identifier: GPL-3.0-or-later */
/* chap.h - the packets of CHAP (RFC 1994 section 4), which MD5 and MS-CHAPv2 share. sstp-protocol.md 5.3.3.
 *
 * Servers repeat a Challenge until they have the Response, some even after their own Success: the same
 * identifier and value get the stored Response, a new one gets a new Response, also long after login. */
#ifndef CORE_SSTP_CHAP_H
#define CORE_SSTP_CHAP_H

#include "core/limits.h"
#include "core/sstp/auth.h"

#define CHAP_CHALLENGE_MAX 255u
#define CHAP_RESPONSE_MAX (4u + 1u + 49u + USER_MAX)

struct chap;

struct chap_algorithm {
	size_t challenge_min, challenge_max; /* bytes of a challenge; others are ignored */
	/* Write the value of a Response. Returns 0 or a negative VE_*. */
	int (*respond)(struct chap *c, uint8_t id, struct slice challenge, struct wr *value);
	/* The server's verdict on the last Response: set base.state, and hlak or fault. */
	void (*success)(struct chap *c, struct slice text);
	void (*failure)(struct chap *c, struct slice text);
};

struct chap {
	struct auth base;
	const struct chap_algorithm *algorithm;
	bool answered;     /* the fields below hold a challenge and our Response to it */
	bool settled;      /* and the server's verdict on it has come */
	uint8_t id;
	struct wr challenge, response;
	uint8_t challenge_bytes[CHAP_CHALLENGE_MAX];
	uint8_t response_bytes[CHAP_RESPONSE_MAX];
	unsigned resends;
	unsigned challenges; /* different ones before a verdict */
	uint64_t answered_ms;
};

/* For the auth_ops of an algorithm. chap_fini() wipes what chap_init() and the calls left. */
void chap_init(struct chap *c, const struct auth_ops *ops, const struct chap_algorithm *algorithm,
	       const struct auth_account *account, const struct session_env *env);
void chap_fini(struct chap *c);
void chap_start(struct auth *a, uint64_t now_ms, struct wr *out);
void chap_input(struct auth *a, struct slice packet, uint64_t now_ms, struct wr *out);
void chap_tick(struct auth *a, uint64_t now_ms, struct wr *out);

#endif
