/* SPDX-License-Identifier: GPL-3.0-or-later */
/* sstp.h - a session of the Secure Socket Tunneling Protocol: MS-SSTP with PPP inside, as sstp-protocol.md
 * has it.
 *
 * Behind session.h like every protocol. Needs a user and a password; the hub is ignored. It hands out raw
 * IPv4 and IPv6 packets (LINK_IP) and takes the same. */
#ifndef CORE_SSTP_SSTP_H
#define CORE_SSTP_SSTP_H

#include "core/session.h"

extern const struct session_ops sstp_session_ops;

#endif
