/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "test/support/ppp_bench.h"

#include <stdio.h>
#include <stdlib.h>

#include "test/support/unhex.h"

static void need(bool ok, const char *what, const char *detail)
{
	if (ok)
		return;
	fprintf(stderr, "ppp_bench: %s %s\n", what, detail);
	abort();
}

static void bench_random(void *ctx, void *to, size_t n)
{
	static const uint8_t magic[4] = { 0x5a, 0x17, 0xc0, 0xde };
	static const uint8_t iid[8] = { 0x00, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88 };
	uint8_t *p = to;

	(void)ctx;
	for (size_t i = 0; i < n; i++)
		p[i] = n == sizeof(magic) ? magic[i] : n == sizeof(iid) ? iid[i] : (uint8_t)i;
}

const struct session_env bench_env = { .random = bench_random };

/* --- login -------------------------------------------------------------------------------------------- */

struct bench_auth {
	struct auth base;
	bool finished;
};

static int auth_create(struct auth **ret, const struct auth_account *account, const struct session_env *env)
{
	struct bench_auth *a = calloc(1, sizeof(*a));

	need(a != NULL, "no memory", "");
	auth_init(&a->base, &bench_auth_ops, account, env, "its word");
	*ret = &a->base;
	return 0;
}

static void auth_destroy(struct auth *a)
{
	free(a);
}

static void auth_start(struct auth *a, uint64_t now_ms, struct wr *out)
{
	(void)out;
	a->deadline = now_ms + 2000;
}

static void auth_succeed(struct auth *a)
{
	a->state = AUTH_OK;
	a->deadline = UINT64_MAX;
	memset(a->hlak, 0x4b, sizeof(a->hlak));
}

static void auth_input(struct auth *a, struct slice packet, uint64_t now_ms, struct wr *out)
{
	struct bench_auth *b = (struct bench_auth *)a;

	(void)now_ms;
	if (packet.n == 0)
		return;
	if (packet.p[0] == 1) {
		wr_u8(out, 2);
		wr_bytes(out, packet.p + 1, packet.n - 1);
	} else if (packet.p[0] == 3) {
		auth_succeed(a);
	} else if (packet.p[0] == 4) {
		auth_refused(a, (struct slice){ 0 });
	} else if (packet.p[0] == 7) {
		b->finished = true;
	}
}

static void auth_tick(struct auth *a, uint64_t now_ms, struct wr *out)
{
	a->deadline = now_ms + 2000;
	wr_str(out, "\x02\x77");
}

static void auth_implied(struct auth *a)
{
	if (((struct bench_auth *)a)->finished)
		auth_succeed(a);
}

const struct auth_ops bench_auth_ops = {
	.methods = AUTH_MSCHAPV2,
	.name = "MS-CHAPv2",
	.protocol = PPP_CHAP,
	.lcp = { 0xc2, 0x23, 0x81 },
	.lcp_len = 3,
	.create = auth_create,
	.destroy = auth_destroy,
	.start = auth_start,
	.input = auth_input,
	.tick = auth_tick,
	.implied = auth_implied,
};

/* --- link --------------------------------------------------------------------------------------------- */

static void on_send(void *ctx, uint16_t protocol, struct slice packet)
{
	struct ppp_bench *b = ctx;

	need(b->n < BENCH_SENT_MAX, "too many packets", "");
	b->sent[b->n].protocol = protocol;
	b->sent[b->n].n = packet.n;
	memcpy(b->sent[b->n].bytes, packet.p, min_size(packet.n, sizeof(b->sent[0].bytes)));
	b->n++;
}

static void on_authenticated(void *ctx, const uint8_t hlak[static AUTH_HLAK], const char *method)
{
	struct ppp_bench *b = ctx;

	(void)method;
	b->logins++;
	b->sent_at_login = b->n;
	memcpy(b->hlak, hlak, AUTH_HLAK);
}

void bench_init(struct ppp_bench *b)
{
	static const struct auth_ops *const methods[] = { &bench_auth_ops, NULL };

	memset(b, 0, sizeof(*b));
	b->now = 1000;
	b->conf = (struct ppp_conf){
		.account = { .user = "alice", .password = "secret", .methods = AUTH_DEFAULT },
		.methods = methods,
		.env = &bench_env,
	};
}

void bench_start(struct ppp_bench *b)
{
	const struct ppp_owner owner = { .send = on_send, .authenticated = on_authenticated, .ctx = b };

	ppp_init(&b->ppp, &b->conf, &owner);
	need(b->n == 0, "sent something", "before it was started");
	ppp_start(&b->ppp, b->now);
}

void bench_fini(struct ppp_bench *b)
{
	ppp_fini(&b->ppp);
}

void bench_input(struct ppp_bench *b, uint16_t protocol, const char *hex)
{
	uint8_t bytes[PPP_INFO_MAX], *block;
	size_t n = unhex(hex, bytes, sizeof(bytes));

	block = malloc(n ? n : 1);
	need(block != NULL, "no memory", "");
	memcpy(block, bytes, n);
	ppp_input(&b->ppp, protocol, (struct slice){ .p = block, .n = n }, b->now);
	free(block);
}

void bench_expect(struct ppp_bench *b, uint16_t protocol, const char *hex)
{
	uint8_t want[600];
	size_t n = unhex(hex, want, sizeof(want)), i = b->first;

	need(i < b->n, "nothing was sent, expected", hex);
	if (b->sent[i].protocol != protocol || b->sent[i].n != n || memcmp(b->sent[i].bytes, want, n) != 0) {
		fprintf(stderr, "ppp_bench: sent %04x", b->sent[i].protocol);
		for (size_t k = 0; k < min_size(b->sent[i].n, sizeof(b->sent[i].bytes)); k++)
			fprintf(stderr, " %02x", b->sent[i].bytes[k]);
		need(false, "\nexpected", hex);
	}
	b->first++;
}

void bench_expect_quiet(const struct ppp_bench *b)
{
	need(b->first == b->n, "sent more than", "expected");
}

void bench_skip(struct ppp_bench *b)
{
	b->first = b->n = 0;
}

void bench_wait(struct ppp_bench *b, uint64_t ms)
{
	uint64_t end = b->now + ms;

	for (unsigned i = 0; ppp_deadline(&b->ppp) <= end; i++) {
		uint64_t at = ppp_deadline(&b->ppp);

		need(i < 10000, "ticks", "without end");
		if (at > b->now)
			b->now = at;
		ppp_tick(&b->ppp, b->now);
		if (b->ppp.fault.err && b->ppp.phase != PPP_TERMINATE)
			return;
	}
	b->now = end;
}

void bench_open_lcp(struct ppp_bench *b)
{
	bench_input(b, PPP_LCP, "01 07 0013 0104 05dc 0305c22381 0506aabbccdd");
	bench_input(b, PPP_LCP, "02 01 000e 010405dc 05065a17c0de");
	need(b->ppp.phase == PPP_AUTHENTICATE, "LCP", "did not open");
	bench_skip(b);
}

void bench_login(struct ppp_bench *b)
{
	bench_open_lcp(b);
	bench_input(b, PPP_CHAP, "03 01 0004");
	need(b->ppp.phase == PPP_NETWORK && b->logins == 1, "login", "failed");
}
