/* SPDX-License-Identifier: GPL-3.0-or-later */
/* se_login.h - the three messages of a login: the server's Hello, our login, its Welcome
 * (softether-protocol.md 2.2, 4, 5.2).
 *
 * Only their contents: which elements there are, what they must hold, what we make of them. When they are
 * sent and what follows is softether.c's. */
#ifndef SOFTETHER_SE_LOGIN_H
#define SOFTETHER_SE_LOGIN_H

#include <stddef.h>
#include <stdint.h>

#include "core/session.h"
#include "core/softether/se_auth.h"
#include "core/softether/se_ident.h"
#include "core/softether/se_pack.h"

struct se_hello {
	uint8_t challenge[SE_HASH_SIZE]; /* for the password proof */
	char product[64];                /* clean text, "" if the server does not say */
	uint32_t version, build;         /* 444 and 9807 for 4.44, build 9807 */
};

/* Returns 0 with *ret filled, or VE_PROTO with @f. */
int se_hello_read(const struct se_pack *p, struct se_hello *ret, struct fault *f);

/* The longest login: three names of 255 bytes, up to 999 of padding, and about 1600 of names and numbers. */
#define SE_LOGIN_SIZE_MAX 4096u

/* Write the login PACK to @to: anonymous if @conf has no password, else with the answer to the challenge in
 * @hello. One TCP connection, encrypted, nothing that is optional. Everything is borrowed for the call.
 * Returns its size. The bytes prove the password: wipe them. */
size_t se_login_write(uint8_t to[static SE_LOGIN_SIZE_MAX], const struct session_conf *conf,
		      const struct wire_facts *wire, const struct se_ident *ident,
		      const struct se_hello *hello, const struct session_env *env);

struct se_welcome {
	uint32_t timeout_ms;        /* silence that ends a session, SE_TIMEOUT_MIN_MS..SE_TIMEOUT_MAX_MS */
	uint32_t auto_disconnect_s; /* the policy's longest session, 0: none (5.6) */
};

/* Check an answer that is no error: 5.1 from step 3. Returns 0 with *ret filled; VE_PROTO with @f if
 * something is missing; the same, final, if the server wants what we do not do: go on unencrypted,
 * compressed, one way only, with RC4, or elsewhere. */
int se_welcome_read(const struct se_pack *p, struct se_welcome *ret, struct fault *f);

#endif
