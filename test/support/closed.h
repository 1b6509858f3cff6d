/* SPDX-License-Identifier: GPL-3.0-or-later */
/* closed.h - a server that closes its connection in an orderly way, for session_ops.channel_closed(). */
#ifndef TEST_SUPPORT_CLOSED_H
#define TEST_SUPPORT_CLOSED_H

#include "core/err.h"

static const struct fault closed_in_order = { .err = VE_EOF, .text = "the server closed the connection" };

#endif
