/* SPDX-License-Identifier: GPL-3.0-or-later */
/* chap_md5.h - CHAP with MD5, RFC 1994; sstp-protocol.md 5.3.2. Only when the user asks for it: it has no
 * keys for the crypto binding, does not prove that the server knows the password, and lets an impostor
 * guess it offline. */
#ifndef CORE_SSTP_CHAP_MD5_H
#define CORE_SSTP_CHAP_MD5_H

#include "core/sstp/auth.h"

#define CHAP_MD5_VALUE 16u

extern const struct auth_ops chap_md5_auth_ops;

/* The value of a Response: MD5(id | password | challenge). Returns 0 or VE_NOMEM. */
int chap_md5_value(uint8_t ret[static CHAP_MD5_VALUE], uint8_t id, const char *password,
		   struct slice challenge);

#endif
