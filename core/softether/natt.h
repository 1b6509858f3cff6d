/* SPDX-License-Identifier: GPL-3.0-or-later */
/* natt.h - finding a server behind a NAT through the rendezvous service, as a pure machine (softether-protocol.md 9.1). */
#ifndef SOFTETHER_NATT_H
#define SOFTETHER_NATT_H

#include <stdbool.h>
#include <stdint.h>

#include "core/addr.h"
#include "core/bytes.h"
#include "core/err.h"
#include "core/session.h"

#define NATT_PORT 5004u
#define NATT_REQUEST_MAX 512u

/* The name of the service that is responsible for the server at @ip (IPv4) into @buf; returns @buf. */
#define NATT_HOST_MAX 64u
const char *natt_host(const struct ip *ip, char buf[static NATT_HOST_MAX]);

struct natt {
	struct ip server;         /* whom we look for, IPv4 */
	char host[HOST_MAX + 1];  /* as the user wrote it */
	const struct session_env *env;
	uint64_t tran_id, cookie;
	uint64_t began_ms, send_ms;
	unsigned tries, refusals, cookies;
	bool found, over;
	bool same_lan;            /* found: both are behind the same NAT, a new socket is to be used */
	struct endpoint at;       /* found: where the server listens */
	struct fault fault;       /* over and not found */
	uint8_t request[NATT_REQUEST_MAX];
};

void natt_init(struct natt *n, const struct ip *server, const char *host, const struct session_env *env, uint64_t now_ms);
/* A datagram that came from the service's address and port. Others must not be given. */
void natt_input(struct natt *n, struct slice datagram, uint64_t now_ms);
/* The request, if it is to be sent now. */
bool natt_output(struct natt *n, struct slice *ret, uint64_t now_ms);
uint64_t natt_deadline(const struct natt *n);
void natt_tick(struct natt *n, uint64_t now_ms);

/* While connecting, a datagram of less than 20 bytes from the server's address punches the hole: use its source port. */
#define NATT_PUNCH_MAX 20u

#endif
