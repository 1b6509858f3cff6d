/* SPDX-License-Identifier: GPL-3.0-or-later */
/* ppp.h - one PPP link as a client has it: RFC 1661 section 3; sstp-protocol.md section 5.
 *
 * Four phases: LCP agrees on the link, a struct auth logs in, IPCP and IPV6CP bring addresses, and at the
 * end LCP says goodbye. It works on whole frames without a line: what carries them, and when they may be
 * carried, is its owner's business. The owner looks at the fields below after every call. */
#ifndef CORE_SSTP_PPP_H
#define CORE_SSTP_PPP_H

#include "core/sstp/ipcp.h"
#include "core/sstp/ipv6cp.h"
#include "core/sstp/lcp.h"
#include "core/sstp/printable.h"

enum ppp_phase { PPP_DEAD, PPP_ESTABLISH, PPP_AUTHENTICATE, PPP_NETWORK, PPP_TERMINATE };

/* Progress of one network protocol. */
enum ppp_net { PPP_NET_PENDING, PPP_NET_OPEN, PPP_NET_FAILED };

struct ppp_owner {
	/* Send one packet; its PPP header is the owner's to write. */
	void (*send)(void *ctx, uint16_t protocol, struct slice packet);
	/* We are logged in; comes once, before the first packet of a network protocol is sent. */
	void (*authenticated)(void *ctx, const uint8_t hlak[static AUTH_HLAK], const char *method);
	void *ctx;
};

struct ppp_conf {
	struct auth_account account;
	const struct auth_ops *const *methods; /* those there are, best first, ended by NULL */
	bool unverified; /* the server's certificate was not checked: no method that reveals the password */
	uint16_t mtu;          /* the user's, 0: PPP_MTU_DEFAULT */
	struct ip server;      /* the server's outer address if it is known */
	const struct session_env *env;
};

struct ppp {
	/* for the owner to read */
	enum ppp_phase phase;
	bool ready;            /* facts are complete: packets may flow */
	bool ip4, ip6;         /* which of them may */
	bool confirmed;        /* the server answered a request of a network protocol */
	bool peer_ended;       /* the server sent LCP Terminate-Request: goodbye_text has its words */
	struct fault fault;    /* err != 0: this cannot go on; the owner says goodbye */
	struct link_facts facts;
	char goodbye_text[SSTP_TEXT_MAX / 2];

	/* its own */
	struct ppp_owner owner;
	struct ppp_conf conf;
	struct ppp_link link;
	struct lcp lcp;
	struct ipcp ipcp;
	struct ipv6cp ipv6cp;
	struct auth *auth;
	enum ppp_net net4, net6;
	uint64_t now;
	uint64_t grace;        /* when to stop waiting for IPV6CP; UINT64_MAX: not yet */
	uint64_t echo;         /* when to send the next LCP echo */
	bool heard;            /* a PPP packet came since our last echo; the owner sets it for data */
	unsigned misses;
};

/* @c is copied, what it points to is lent until ppp_fini(). Nothing is sent yet. */
void ppp_init(struct ppp *p, const struct ppp_conf *c, const struct ppp_owner *owner);
/* Wipe secrets. A zeroed struct is fine. */
void ppp_fini(struct ppp *p);

/* The line is there: LCP begins. */
void ppp_start(struct ppp *p, uint64_t now_ms);
/* A packet of any protocol but PPP_IP and PPP_IPV6, its header taken off. */
void ppp_input(struct ppp *p, uint16_t protocol, struct slice packet, uint64_t now_ms);
uint64_t ppp_deadline(const struct ppp *p);
void ppp_tick(struct ppp *p, uint64_t now_ms);
/* Begin our goodbye, @why (static, ASCII, short) goes to the server. Phase becomes PPP_DEAD when it is
 * over. */
void ppp_stop(struct ppp *p, const char *why, uint64_t now_ms);

/* What we are waiting for, for a time-out's message: "its answer to our LCP request". Static. */
const char *ppp_waiting(const struct ppp *p);

/* Did it come to an end because we refuse all ways to log in that the server proposes? True with @f set. */
bool ppp_explain_refusal(const struct ppp *p, struct fault *f);

/* The server ended the link by other means than a fault of ours (f->err == 0): say what that means in this
 * phase. */
void ppp_explain_end(const struct ppp *p, struct fault *f);

#endif
