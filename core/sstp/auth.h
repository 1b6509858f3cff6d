/* SPDX-License-Identifier: GPL-3.0-or-later */
/* auth.h - one way to log in, as PPP drives it.
 *
 * LCP agrees on a method; PPP then creates its struct auth, hands it every packet of the method's protocol,
 * calls it when its deadline has come, and sends what it writes. A method ends in AUTH_OK, with the key
 * that SSTP's crypto binding wants (HLAK, sstp-protocol.md 4.2), or in AUTH_FAILED, with the line for the
 * user. It may be asked again later: CHAP allows a server to repeat its challenge at any time, and then
 * AUTH_OK may still turn into AUTH_FAILED. */
#ifndef CORE_SSTP_AUTH_H
#define CORE_SSTP_AUTH_H

#include "core/err.h"
#include "core/session.h"
#include "core/wr.h"

#define AUTH_HLAK 32u          /* shorter keys are padded with zeros, longer ones cut */
#define AUTH_LCP_MAX 3u        /* bytes of LCP's Authentication-Protocol option */

/* Who logs in. Borrowed from the session's configuration. */
struct auth_account {
	const char *user;
	const char *password;
	unsigned methods; /* AUTH_* that may be used: EAP chooses among several */
};

enum auth_state { AUTH_GOING, AUTH_OK, AUTH_FAILED };

struct auth;

struct auth_ops {
	unsigned methods;              /* AUTH_* bits: offered when one of them is allowed */
	const char *name;              /* "MS-CHAPv2", for messages */
	uint16_t protocol;             /* PPP protocol number of its packets */
	uint8_t lcp[AUTH_LCP_MAX];     /* value of LCP's Authentication-Protocol option */
	uint8_t lcp_len;
	bool reveals;                  /* an impostor would learn the password, or could guess it offline */

	/* Make one. @account and @env are lent until destroy(). Returns 0 or VE_NOMEM. */
	int (*create)(struct auth **ret, const struct auth_account *account, const struct session_env *env);
	/* Wipe and free. */
	void (*destroy)(struct auth *a);

	/* LCP is open. Like the next two it may write one packet of the method's protocol, code to last
	 * byte, into @out. */
	void (*start)(struct auth *a, uint64_t now_ms, struct wr *out);
	/* A packet, as received: its length field is not checked yet. */
	void (*input)(struct auth *a, struct slice packet, uint64_t now_ms, struct wr *out);
	/* The deadline has come. */
	void (*tick)(struct auth *a, uint64_t now_ms, struct wr *out);
	/* A network protocol's packet came instead of a verdict. Becomes AUTH_OK if the method is finished
	 * on our side (EAP: RFC 3748 4.2; some servers never say Success). NULL: only an explicit verdict
	 * counts. */
	void (*implied)(struct auth *a);
};

/* The part all methods have; first member of theirs. PPP reads it after every call. */
struct auth {
	const struct auth_ops *ops;
	const struct auth_account *account;
	const struct session_env *env;
	enum auth_state state;
	const char *waiting;       /* what the server owes us, for a message: "its challenge"; static */
	uint64_t deadline;         /* when to call tick(); UINT64_MAX: never */
	uint8_t hlak[AUTH_HLAK];   /* valid once AUTH_OK; zeros for methods without keys */
	struct fault fault;        /* set when AUTH_FAILED; without the server's name */
};

/* The common part of a new method: AUTH_GOING, no deadline, owed @waiting. */
void auth_init(struct auth *a, const struct auth_ops *ops, const struct auth_account *account,
	       const struct session_env *env, const char *waiting);

/* For auth.waiting once the server has all it needs from us. */
extern const char auth_waits_verdict[];

/* AUTH_FAILED because the server said no and, at most, some @text. */
void auth_refused(struct auth *a, struct slice text);

/* What to try when the server says that the name or the password is wrong. Static. */
const char *auth_wrong_password_hint(const struct auth_account *account);

#endif
