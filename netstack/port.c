/* SPDX-License-Identifier: GPL-3.0-or-later */
/* port.c - what lwIP wants from its surroundings: a clock, randomness, sequence numbers, and an end for
 * broken invariants. Declared for lwIP in third_party/lwip/lwip_hooks.h, for us in netstack_int.h.
 *
 * Initial sequence numbers follow RFC 6528: a clock of 4 us steps, so that a new connection starts above an
 * old one of the same four values, plus a keyed hash of these values, so that nobody can tell one
 * connection's numbers from another's. The hash is SipHash-2-4, made for short inputs under a secret key; the
 * key is drawn when a stack is made. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/log.h"
#include "netstack/netstack_int.h"

#include "lwip/sys.h"
#include "lwip_hooks.h"

static void (*random_fn)(void *ctx, void *to, size_t n);
static void *random_ctx;
static uint8_t isn_key[16];
static uint64_t (*test_clock)(void);

/* --- clock ---------------------------------------------------------------------------------------------- */

void netstack_clock_set(uint64_t (*now_ms)(void))
{
	test_clock = now_ms;
}

uint64_t netstack_now(void)
{
	struct timespec ts;

	if (test_clock)
		return test_clock();
	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

u32_t sys_now(void)
{
	return (u32_t)netstack_now();
}

/* --- TCP's packets -------------------------------------------------------------------------------------- */

static uint16_t tcp_mtu; /* 0: what the link takes */

void netstack_tcp_mtu_set(uint16_t mtu)
{
	tcp_mtu = mtu;
}

uint16_t netstack_tcp_mtu(uint16_t mtu)
{
	return tcp_mtu != 0 && tcp_mtu < mtu ? tcp_mtu : mtu;
}

/* --- randomness ----------------------------------------------------------------------------------------- */

void netstack_random_set(void (*random)(void *ctx, void *to, size_t n), void *ctx)
{
	random_fn = random;
	random_ctx = ctx;
	random_fn(random_ctx, isn_key, sizeof(isn_key));
}

uint32_t netstack_random(void)
{
	uint32_t r;

	assert(random_fn);
	random_fn(random_ctx, &r, sizeof(r));
	return r;
}

/* --- sequence numbers ----------------------------------------------------------------------------------- */

static uint64_t rotl(uint64_t v, unsigned n)
{
	return v << n | v >> (64 - n);
}

static uint64_t load_le64(const uint8_t *p, size_t n)
{
	uint64_t v = 0;

	for (size_t i = 0; i < n; i++)
		v |= (uint64_t)p[i] << (8 * i);
	return v;
}

static void sip_rounds(uint64_t v[static 4], unsigned rounds)
{
	while (rounds-- > 0) {
		v[0] += v[1];
		v[2] += v[3];
		v[1] = rotl(v[1], 13) ^ v[0];
		v[3] = rotl(v[3], 16) ^ v[2];
		v[0] = rotl(v[0], 32);
		v[2] += v[1];
		v[0] += v[3];
		v[1] = rotl(v[1], 17) ^ v[2];
		v[3] = rotl(v[3], 21) ^ v[0];
		v[2] = rotl(v[2], 32);
	}
}

static void sip_word(uint64_t v[static 4], uint64_t m)
{
	v[3] ^= m;
	sip_rounds(v, 2);
	v[0] ^= m;
}

uint64_t netstack_siphash(const uint8_t key[static 16], const uint8_t *p, size_t n)
{
	uint64_t k0 = load_le64(key, 8), k1 = load_le64(key + 8, 8);
	uint64_t v[4] = { k0 ^ 0x736f6d6570736575u, k1 ^ 0x646f72616e646f6du, k0 ^ 0x6c7967656e657261u,
			  k1 ^ 0x7465646279746573u };
	uint64_t last = (uint64_t)n << 56;

	for (; n >= 8; p += 8, n -= 8)
		sip_word(v, load_le64(p, 8));
	sip_word(v, last | load_le64(p, n));
	v[2] ^= 0xff;
	sip_rounds(v, 4);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}

uint32_t netstack_tcp_isn(const struct ip_addr *local_ip, uint16_t local_port, const struct ip_addr *remote_ip,
			  uint16_t remote_port)
{
	struct ip local = ip_from_lwip(local_ip), remote = ip_from_lwip(remote_ip);
	uint8_t in[36];

	memcpy(in, local.b, 16);
	memcpy(in + 16, remote.b, 16);
	store_be16(in + 32, local_port);
	store_be16(in + 34, remote_port);
	return (uint32_t)(netstack_now() * 250 + netstack_siphash(isn_key, in, sizeof(in)));
}

/* --- addresses ------------------------------------------------------------------------------------------ */

void ip_to_lwip(ip_addr_t *to, const struct ip *from)
{
	memset(to, 0, sizeof(*to));
	if (from->family == IP_V6) {
		memcpy(ip_2_ip6(to)->addr, from->b, 16);
		IP_SET_TYPE(to, IPADDR_TYPE_V6);
	} else {
		memcpy(&ip_2_ip4(to)->addr, from->b, 4);
		IP_SET_TYPE(to, IPADDR_TYPE_V4);
	}
}

struct ip ip_from_lwip(const ip_addr_t *from)
{
	struct ip ip = { 0 };

	if (IP_IS_V6(from)) {
		ip.family = IP_V6;
		memcpy(ip.b, ip_2_ip6(from)->addr, 16);
	} else if (!ip4_addr_isany(ip_2_ip4(from))) {
		ip.family = IP_V4;
		memcpy(ip.b, &ip_2_ip4(from)->addr, 4);
	}
	return ip;
}

/* --- the end -------------------------------------------------------------------------------------------- */

_Noreturn void netstack_assert_failed(const char *msg, int line, const char *file)
{
	log_error("lwip: internal error: %s (%s:%d)", msg, file, line);
	abort();
}
