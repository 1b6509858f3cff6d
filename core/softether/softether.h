/* SPDX-License-Identifier: GPL-3.0-or-later */
/* softether.h - the SoftEther VPN session: log in to a virtual hub over HTTPS, then Ethernet frames on the same TLS
 * connection, on more of them, and as datagrams (softether-protocol.md). For the contract see core/session.h. */
#ifndef SOFTETHER_SOFTETHER_H
#define SOFTETHER_SOFTETHER_H

#include "core/session.h"

/* Needs session_conf.hub; user may be "" only without a password. Without any proof of identity the login is anonymous.
 * With one, it is refused (VE_AUTH, final, at once and without a byte sent) if the server was not verified, unless
 * allow_unverified: the proof is not bound to the TLS connection. The second one is the same over R-UDP. */
extern const struct session_ops softether_session_ops;
extern const struct session_ops softether_udp_session_ops;

#endif
