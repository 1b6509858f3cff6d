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

struct se_error {
	uint32_t code;
	int err;          /* VE_AUTH: it does not want us; VE_PROTO: no understanding; VE_LOST */
	bool final;       /* trying again cannot help, or may lock the account (12.1) */
	const char *text; /* what the server says */
	const char *hint; /* what to do about it, NULL if there is nothing */
};

/* Write the rule into @f, a struct fault *, and be VE_PROTO: return se_broken(f, "a block of %u bytes", n);
 * */
#define se_broken(f, ...) (fault_set((f), VE_PROTO, __VA_ARGS__), VE_PROTO)

/* The row for @code. An unknown code gets a row that says so; never NULL. */
const struct se_error *se_error_find(uint32_t code);

/* Put "error 9: wrong user name or password; check both; ..." into @f, which is final if the error is. */
void se_error_fault(struct fault *f, uint32_t code);

#endif
