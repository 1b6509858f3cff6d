/* SPDX-License-Identifier: GPL-3.0-or-later */
/* softether.h - the SoftEther VPN session: log in to a virtual hub over HTTPS, then Ethernet frames on the
 * same TLS connection (softether-protocol.md). For the contract see core/session.h. */
#ifndef SOFTETHER_SOFTETHER_H
#define SOFTETHER_SOFTETHER_H

#include "core/session.h"

/* Needs session_conf.hub; user may be "" only without a password. Without a password the login is anonymous.
 * With one, it is refused (VE_AUTH, final, at once and without a byte sent) if the server was not verified,
 * unless allow_unverified: the proof of the password is not bound to the TLS connection. */
extern const struct session_ops softether_session_ops;

#endif
