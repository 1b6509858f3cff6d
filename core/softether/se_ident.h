/* SPDX-License-Identifier: GPL-3.0-or-later */
/* se_ident.h - who we are on a hub: MAC address and machine numbers (softether-protocol.md 4.6, 4.7, 11.2).
 *
 * The same for every session of one account, so that DHCP leases last and a session that the server has not
 * yet given up does not count twice; different between accounts and installations, so that servers cannot
 * match them up. */
#ifndef SOFTETHER_SE_IDENT_H
#define SOFTETHER_SE_IDENT_H

#include <stdint.h>

struct se_ident {
	uint8_t machine[20]; /* unique_id */
	uint8_t node[16];    /* UniqueId */
	uint8_t mac[6];      /* 5E and five more: unicast, locally administered, like official adapters */
};

/* Derive from @installation, @host, @hub and @user, of which ASCII case does not matter (the server ignores
 * it too). Returns 0, or VE_NOMEM with *ret untouched. */
int se_ident_make(struct se_ident *ret, const uint8_t installation[static 20], const char *host,
		  const char *hub, const char *user);

#endif
