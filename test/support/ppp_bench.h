/* SPDX-License-Identifier: GPL-3.0-or-later */
/* ppp_bench.h - a PPP link on a bench: what it sends is recorded, what it gets is written in hex, time is a
 * number. */
#ifndef TEST_SUPPORT_PPP_BENCH_H
#define TEST_SUPPORT_PPP_BENCH_H

#include "core/sstp/ppp.h"

#define BENCH_SENT_MAX 64u

struct ppp_bench {
	struct ppp ppp;
	struct ppp_conf conf;
	uint64_t now;
	size_t first, n; /* of sent: those nobody has looked at yet */
	struct {
		uint16_t protocol;
		size_t n;
		uint8_t bytes[600];
	} sent[BENCH_SENT_MAX];
	unsigned logins;       /* calls of authenticated() */
	size_t sent_at_login;  /* packets before it */
	uint8_t hlak[AUTH_HLAK];
};

/* Randomness of the bench: bytes 5a 17 c0 de for magic numbers, 00 22 33 44 55 66 77 88 for interface
 * identifiers, else a running number. */
extern const struct session_env bench_env;

/* A login method for the bench, in the place of MS-CHAPv2: "03..." from the server is success, "04..." is
 * failure, "07..." makes it finished without a verdict, "01..." is answered with "02...". Its key is 32
 * times 4b. */
extern const struct auth_ops bench_auth_ops;

/* A link that was started at time 1000 and has sent nothing but its LCP request, which is left in @b->sent.
 * Change @b->conf between the two calls. */
void bench_init(struct ppp_bench *b);
void bench_start(struct ppp_bench *b);
void bench_fini(struct ppp_bench *b);

/* A packet from the server, in a block of exactly its size. */
void bench_input(struct ppp_bench *b, uint16_t protocol, const char *hex);
/* The next packet sent is this one. */
void bench_expect(struct ppp_bench *b, uint16_t protocol, const char *hex);
/* Nothing more was sent. */
void bench_expect_quiet(const struct ppp_bench *b);
/* Forget what was sent. */
void bench_skip(struct ppp_bench *b);
/* Let @ms pass, with every tick that is due. */
void bench_wait(struct ppp_bench *b, uint64_t ms);

/* LCP agreed, nothing left in sent, the login going on. */
void bench_open_lcp(struct ppp_bench *b);
/* And logged in: the two network protocols' requests (identifier 1 each) are left in sent. */
void bench_login(struct ppp_bench *b);

#define BENCH_LCP_REQUEST "01 01 000e 010405dc 05065a17c0de"
#define BENCH_IPCP_REQUEST "01 01 0022 030600000000 810600000000 820600000000 830600000000 840600000000"
#define BENCH_IPV6CP_REQUEST "01 01 000e 010a 0022334455667788"

#endif
