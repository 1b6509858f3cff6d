/* SPDX-License-Identifier: GPL-3.0-or-later */
/* pap.h - the password as it is, RFC 1334 section 2; sstp-protocol.md 5.3.1. Only when the user asks for
 * it, and only to a server whose certificate was verified. */
#ifndef CORE_SSTP_PAP_H
#define CORE_SSTP_PAP_H

#include "core/sstp/auth.h"

extern const struct auth_ops pap_auth_ops;

#endif
