/* SPDX-License-Identifier: GPL-3.0-or-later */
/* lcp.h - the Link Control Protocol: RFC 1661 section 6, RFC 1570; sstp-protocol.md 5.2.
 *
 * Agrees on the packet size and on how we log in, answers echoes, keeps quiet about everything else. */
#ifndef CORE_SSTP_LCP_H
#define CORE_SSTP_LCP_H

#include "core/sstp/auth.h"
#include "core/sstp/ppp_fsm.h"

#define LCP_OPTIONS 6u
#define LCP_MRU_DEFAULT 1500u

struct lcp {
	struct ppp_fsm fsm;
	const struct auth_ops *const *methods; /* ended by NULL, best first */
	unsigned allowed;                      /* AUTH_* */
	uint16_t mru;                          /* ours: what we ask for, or what the peer made of it */
	uint32_t magic;                        /* ours; 0 once the peer rejected it */
	/* what the peer's last Configure-Request said */
	uint16_t peer_mru;
	struct slice peer_auth;                /* Authentication-Protocol, in auth_bytes; n == 0: none */
	uint8_t auth_bytes[AUTH_LCP_MAX];
	const struct auth_ops *auth;           /* the method it stands for, if it is allowed */
	/* proposals that we did not accept */
	uint8_t refused_bytes[AUTH_LCP_MAX];
	struct slice refused;                  /* the last one; n == 0: none since the last agreement */
	unsigned refused_times;                /* in a row */
	bool insists;                          /* the server will not come round */
	bool no_echo;                          /* the peer rejects Echo-Requests */
	struct rate echoes;
};

/* @ops is the owner's own table: lcp_fsm_ops with its callbacks up, down, finished, terminated and other
 * added. */
void lcp_init(struct lcp *l, const struct ppp_fsm_ops *ops, struct ppp_link *link,
	      const struct auth_ops *const *methods, unsigned allowed, uint16_t mru);

/* The parts of struct ppp_fsm_ops that are LCP's own. */
extern const struct ppp_option lcp_options[LCP_OPTIONS];
void lcp_begin(struct ppp_fsm *f);
void lcp_replied(struct ppp_fsm *f, enum ppp_verdict v);
/* Echo, Discard, Identification, Time-Remaining. Protocol-Rejects are the owner's. */
bool lcp_other(struct ppp_fsm *f, const struct ppp_control *p);

/* Send an Echo-Request. */
void lcp_echo(struct lcp *l);

/* "PAP" for c0 23, "an unknown method" for what is none. Static. */
const char *lcp_auth_name(struct slice value);

/* The best of our methods that may be used, or NULL. */
const struct auth_ops *lcp_best_method(const struct lcp *l);

#endif
