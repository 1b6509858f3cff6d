/* SPDX-License-Identifier: GPL-3.0-or-later */
/* http_auth.h - Basic authentication at a proxy, RFC 7617. Pure. */
#ifndef SOCKS_HTTP_AUTH_H
#define SOCKS_HTTP_AUTH_H

#include <stdbool.h>

#include "core/http_head.h"
#include "socks/client_conf.h"

/* Longest "USER:PASSWORD". */
#define HTTP_LOGIN_MAX (2u * PROXY_WORD_MAX + 1u)

/* Does Proxy-Authorization hold the login @auth? Two such fields hold nothing. */
bool http_auth_ok(const struct http_head *h, const struct proxy_auth *auth);

#endif
