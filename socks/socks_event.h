/* SPDX-License-Identifier: GPL-3.0-or-later */
/* socks_event.h - what a client's bytes have led to, for SOCKS4 and SOCKS5 alike; see socks.h. */
#ifndef SOCKS_SOCKS_EVENT_H
#define SOCKS_SOCKS_EVENT_H

enum socks_event { SOCKS_MORE, SOCKS_CONNECT, SOCKS_BIND, SOCKS_ASSOCIATE, SOCKS_REFUSED };

#endif
