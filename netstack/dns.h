/* SPDX-License-Identifier: GPL-3.0-or-later */
/* dns.h - DNS messages (RFC 1035): one question out, the addresses of its answer in. Pure: bytes in, facts out. */
#ifndef NETSTACK_DNS_H
#define NETSTACK_DNS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/addr.h"
#include "core/bytes.h"
#include "core/limits.h"
#include "core/wr.h"

#define DNS_PORT 53u
#define DNS_A 1u
#define DNS_AAAA 28u

#define DNS_NAME_MAX 255u                     /* RFC 1035 2.3.4 */
#define DNS_QUERY_MAX (12u + DNS_NAME_MAX + 4u)

/* A name as DNS writes it, length bytes and labels, in lower case. */
struct dns_name {
	uint8_t b[DNS_NAME_MAX];
	size_t n;
};

/* Dotted text to labels; a dot at the end is fine. Returns 0, or VE_RESOLVE if DNS cannot carry it. */
int dns_name_parse(struct dns_name *ret, const char *text);
bool dns_name_equal(const struct dns_name *a, const struct dns_name *b);

/* Write the question for @type of @name, at most DNS_QUERY_MAX bytes, to @w. */
void dns_query_write(struct wr *w, uint16_t id, const struct dns_name *name, uint16_t type);

enum dns_verdict {
	DNS_NOTHING,    /* no answer to this question */
	DNS_ADDRESSES,  /* ret->n of them */
	DNS_NO_ADDRESS, /* the name exists, without any of this type */
	DNS_TRUNCATED,  /* the answer did not fit, and has no address: ask over TCP */
	DNS_NO_NAME,    /* there is no such name */
	DNS_CANNOT,     /* the server fails or refuses */
};

struct dns_answer {
	struct ip ips[RESOLVE_IPS_MAX];
	unsigned n;
	uint32_t ttl_s; /* the shortest of the chain that leads to them */
};

/* Judge @message as the answer to the question of dns_query_write(). It must repeat id and question and lead from the name
 * through its aliases to addresses. *ret is set for DNS_ADDRESSES; more than it holds are left out. An answer that was cut
 * short is used as far as it goes. */
enum dns_verdict dns_judge(struct slice message, uint16_t id, const struct dns_name *name, uint16_t type,
			   struct dns_answer *ret);

#endif
