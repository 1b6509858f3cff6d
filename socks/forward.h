/* SPDX-License-Identifier: GPL-3.0-or-later */
/* forward.h - fixed ways through the tunnel: -L from this machine into the private network, -R from there to here; TCP and
 * UDP.
 *
 * All doors open at the start and stay open while the tunnel goes and comes. FORWARD_CLIENTS_MAX connections and
 * FORWARD_PEERS_MAX UDP conversations are served at once, all forwards together: at the first new clients of -L wait in the
 * kernel's listen queue and those of -R are reset; at the second the conversation that was silent longest makes room. */
#ifndef SOCKS_FORWARD_H
#define SOCKS_FORWARD_H

#include <stdint.h>

#include "core/conf.h"
#include "core/err.h"
#include "socks/target.h"

struct forwards;

struct forwards_conf {
	const struct forward *local, *remote;
	unsigned nlocal, nremote; /* each at most FORWARDS_MAX */
	uint32_t idle_ms;         /* a TCP connection without a byte either way; 0: for ever */
};

struct forwards_stats {
	unsigned clients, peers;    /* now */
	uint64_t datagrams, lost;   /* UDP, both ways: passed on; dropped (no name, no room, a stranger's) */
};

/* Open all doors, or none. @ts is lent; @c is copied, texts included. Returns 0, or with @f: VE_LISTEN (a taken port names
 * itself), VE_NOMEM, VE_LIMIT. */
int forwards_new(struct forwards **ret, struct targets *ts, const struct forwards_conf *c, struct fault *f);

#define FORWARD_TEXT_MAX 600u /* two hosts of HOST_MAX, ports and option */

/* Forward @i (-L first) as its option says it, with the port that it really has, into @buf; NULL behind the last. */
const char *forwards_text(const struct forwards *fw, unsigned i, char buf[static FORWARD_TEXT_MAX]);

void forwards_get_stats(const struct forwards *fw, struct forwards_stats *ret);

/* Do what is due at @now_ms, by the loop's clock. The own timer calls it; tests call it with other times. */
void forwards_tick(struct forwards *fw, uint64_t now_ms);

/* Close doors and connections at once (flows and sockets of the netstack are freed), then free when libuv is done. NULL is
 * fine. */
void forwards_close(struct forwards *fw);

#endif
