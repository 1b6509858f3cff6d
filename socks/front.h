/* SPDX-License-Identifier: GPL-3.0-or-later */
/* front.h - the local face: listeners and their clients.
 *
 * Listeners open once, at the start, and stay open while the tunnel goes and comes. Each client (client.h) is parsed,
 * connected to a target and relayed (relay.h). When CLIENTS_MAX are served, or as many as the
 * limit of open files allows (all but DESCRIPTORS_KEPT of those), new ones wait in the kernel's listen
 * queue. The program must ignore SIGPIPE. */
#ifndef SOCKS_FRONT_H
#define SOCKS_FRONT_H

#include <stdint.h>
#include <uv.h>

#include "core/addr.h"
#include "core/conf.h"
#include "core/err.h"
#include "socks/client_conf.h"
#include "socks/listener.h"
#include "socks/target.h"

struct front;
struct udp_relays;

#define FRONT_TEXT_MAX (9 + LISTENER_TEXT_MAX)

/* Open all @n listeners, or none; n is 1..LISTENERS_MAX. @ts (whose @full the front sets) and @conf are lent until the
 * front is closed. A port of 0 lets the kernel choose. IPv6 addresses are bound for IPv6 only; unix: paths as in
 * listener.h. Returns 0, or VE_NOMEM,
 * VE_LISTEN with @f ("listener 127.0.0.1:1080: address already in use; another softsocks? choose a different one with
 * -l"). */
int front_new(struct front **ret, struct targets *ts, const struct client_conf *conf, const struct listen_addr *listen,
	      unsigned n, struct fault *f);

/* The TCP address that listener @i is really bound to; of a unix: listener family IP_NONE. */
void front_address(const struct front *fr, unsigned i, struct dest *ret);

/* Listener @i for the ready line, "socks5://127.0.0.1:1080" or "unix:PATH", into @buf; returns @buf. */
const char *front_listener(const struct front *fr, unsigned i, char buf[static FRONT_TEXT_MAX]);

/* What UDP associations have done. */
const struct udp_relays *front_udp(const struct front *fr);

/* Number of clients now being served. */
unsigned front_clients(const struct front *fr);

/* Do what is due at @now_ms, by the loop's clock (uv_now()): clients whose time is over (client_due()),
 * accept again after a pause, look for clients that have vanished or are idle. The front's own timer calls it; tests
 * call it with other times. */
void front_tick(struct front *fr, uint64_t now_ms);

/* Close listeners and clients (their targets are freed at once), then free when libuv is done. NULL is fine. */
void front_close(struct front *fr);

#endif
