/* SPDX-License-Identifier: GPL-3.0-or-later */
/* se_error.h - what servers complain of, and what we complain of about servers.
 *
 * The error numbers of softether-protocol.md 5.4 in words, and what follows from them; and the short way to
 * say that a server broke a rule. */
#ifndef SOFTETHER_SE_ERROR_H
#define SOFTETHER_SE_ERROR_H

#include <stdbool.h>
#include <stdint.h>

#include "core/err.h"

/* What was asked of the server: the same number is said of different things. */
enum se_asked {
	SE_OTHER, /* also: the end of a session that was up */
	SE_LOGIN_ANONYMOUS,
	SE_LOGIN_PASSWORD,    /* the password's proof, 4.3 */
	SE_LOGIN_PLAIN,       /* the password itself, 4.4 */
	SE_LOGIN_CERTIFICATE, /* 4.5 */
	SE_LOGIN_TICKET,      /* after a redirect, 4.8 */
	SE_NEW_PASSWORD,      /* a password change, 4.9 */
	SE_ADDITIONAL,        /* one more connection, 7 */
};

struct se_error {
	uint32_t code;
	int err;          /* VE_AUTH: it does not want us; VE_PROTO: no understanding; VE_LOST */
	bool final;       /* trying again cannot help, or may lock the account (12.1) */
	uint32_t wait_ms; /* the least time before the next try, 0: no matter (12.1) */
	const char *text; /* what the server says */
	const char *hint; /* what to do about it, NULL if there is nothing */
};

/* Write the rule into @f, a struct fault *, and be VE_PROTO: return se_broken(f, "a block of %u bytes", n);
 * */
#define se_broken(f, ...) (fault_set((f), VE_PROTO, __VA_ARGS__), VE_PROTO)

/* The row for @code, whatever it is said of. An unknown code gets a row that says so; never NULL. */
const struct se_error *se_error_find(uint32_t code);

/* The row for @code as the answer to @request: that of se_error_find(), unless the number means more there. */
const struct se_error *se_error_for(uint32_t code, enum se_asked request);

/* Put "error 9: wrong user name or password; check both; ..." into @f, which is final if the error is. @user: the name
 * that was logged in with; "" or NULL has a message of its own. */
void se_error_fault(struct fault *f, uint32_t code, enum se_asked request, const char *user);

#endif
