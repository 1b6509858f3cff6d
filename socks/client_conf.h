/* SPDX-License-Identifier: GPL-3.0-or-later */
/* client_conf.h - what is the same for all local clients. */
#ifndef SOCKS_CLIENT_CONF_H
#define SOCKS_CLIENT_CONF_H

#include <stdbool.h>
#include <stdint.h>

#include "core/bytes.h"
#include "core/limits.h"

/* The one user that may use the proxy. Both texts are as long as RFC 1929 can carry, and padded with zeros, so that
 * comparing them takes the same time whatever they are. The owner wipes it. */
struct proxy_auth {
	uint8_t user_n, password_n;
	uint8_t user[PROXY_WORD_MAX], password[PROXY_WORD_MAX];
};

/* Returns 0, or VE_USAGE with *ret untouched: one of them is empty or longer than PROXY_WORD_MAX. */
int proxy_auth_set(struct proxy_auth *ret, const char *user, const char *password);

/* Are these the two? Takes the same time whether and where they differ. */
bool proxy_auth_ok(const struct proxy_auth *a, struct slice user, struct slice password);

/* One for all; lent to clients while there are any. */
struct client_conf {
	const struct proxy_auth *auth; /* NULL: nobody is asked */
	uint32_t idle_ms; /* --idle-timeout: a connection without a byte either way; 0: for ever */
};

#endif
