/* SPDX-License-Identifier: GPL-3.0-or-later */
/* fuzz_ppp.c - PPP alone: LCP, IPCP and IPV6CP, with a login that a packet of the input completes.
 *
 * Input: one byte of flags, then steps: a byte that says what, a byte of length, bytes. Answers to our requests have to
 * carry the right identifier and, to be an Ack, our own options; steps ANSWER and AGREE take care of that, so that the
 * fuzzer finds its way to the later phases. */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/sstp/ppp.h"
#include "test/support/fuzz.h"

/* What a step is. The protocol is picked by the next two bits: LCP, IPCP, IPV6CP, another. */
enum { RAW = 0, ANSWER = 1, AGREE = 2, LOGIN = 3, TIME = 4, STOP = 5, KINDS = 6 };

enum { FLAG_MTU = 1, FLAG_UNVERIFIED = 2 };

static const uint16_t protocols[4] = { PPP_LCP, PPP_IPCP, PPP_IPV6CP, 0x80fd };

struct run {
	struct ppp ppp;
	uint64_t now;
	unsigned sent, logins;
	uint8_t random;
	/* our last request in each protocol */
	uint8_t id[3], options[3][64];
	size_t n[3];
};

static void give_random(void *ctx, void *to, size_t n)
{
	struct run *r = ctx;
	uint8_t *p = to;

	while (n-- > 0)
		*p++ = r->random++;
}

/* --- a login that needs one packet --- */

static int auth_create(struct auth **ret, const struct auth_account *account, const struct session_env *env);

static void auth_destroy(struct auth *a)
{
	free(a);
}

static void auth_start(struct auth *a, uint64_t now_ms, struct wr *out)
{
	a->deadline = now_ms + 1000;
	wr_u32(out, 0x02000004);
}

static void auth_input(struct auth *a, struct slice packet, uint64_t now_ms, struct wr *out)
{
	(void)now_ms, (void)out;
	if (packet.n > 0 && packet.p[0] == 3)
		a->state = AUTH_OK;
	else if (packet.n > 0 && packet.p[0] == 4)
		auth_refused(a, packet);
}

static void auth_tick(struct auth *a, uint64_t now_ms, struct wr *out)
{
	auth_start(a, now_ms, out);
}

static const struct auth_ops easy_auth_ops = {
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
};

static int auth_create(struct auth **ret, const struct auth_account *account, const struct session_env *env)
{
	*ret = calloc(1, sizeof(**ret));
	MUST(*ret != NULL);
	auth_init(*ret, &easy_auth_ops, account, env, "a word");
	return 0;
}

/* --- the link --- */

static void on_send(void *ctx, uint16_t protocol, struct slice packet)
{
	struct run *r = ctx;

	MUST(packet.n >= 4 && packet.n <= PPP_INFO_MAX && load_be16(packet.p + 2) == packet.n);
	MUST(r->logins == 1 || (protocol != PPP_IPCP && protocol != PPP_IPV6CP));
	r->sent++;
	for (unsigned i = 0; i < 3; i++) {
		if (protocols[i] != protocol || packet.p[0] != 1)
			continue;
		MUST(packet.n - 4 <= sizeof(r->options[i]));
		r->id[i] = packet.p[1];
		r->n[i] = packet.n - 4;
		memcpy(r->options[i], packet.p + 4, packet.n - 4);
	}
}

static void on_authenticated(void *ctx, const uint8_t hlak[static AUTH_HLAK], const char *method)
{
	struct run *r = ctx;

	(void)hlak;
	MUST(++r->logins == 1 && method != NULL);
}

static void input(struct run *r, uint16_t protocol, const uint8_t *p, size_t n)
{
	uint8_t *block = malloc(n ? n : 1);

	MUST(block != NULL);
	if (n > 0)
		memcpy(block, p, n);
	r->sent = 0;
	ppp_input(&r->ppp, protocol, (struct slice){ .p = block, .n = n }, r->now);
	MUST(r->sent <= 4); /* nobody gets us to say much by saying little */
	free(block);
}

static void answer(struct run *r, unsigned which, uint8_t code, const uint8_t *options, size_t n)
{
	uint8_t packet[300];

	packet[0] = code;
	packet[1] = r->id[which];
	store_be16(packet + 2, (uint16_t)(4 + n));
	if (n > 0)
		memcpy(packet + 4, options, n);
	input(r, protocols[which], packet, 4 + n);
}

static void pass_time(struct run *r, uint64_t ms)
{
	uint64_t end = r->now + ms;

	for (unsigned ticks = 0; ppp_deadline(&r->ppp) <= end; ticks++) {
		uint64_t at = ppp_deadline(&r->ppp);

		MUST(ticks < 1000);
		r->now = at > r->now ? at : r->now;
		ppp_tick(&r->ppp, r->now);
		if (r->ppp.fault.err && r->ppp.phase != PPP_TERMINATE)
			ppp_stop(&r->ppp, "bye", r->now);
	}
	r->now = end;
}

static void check(const struct run *r)
{
	const struct ppp *p = &r->ppp;
	struct fault f = { 0 };

	if (p->ready) {
		MUST(r->logins == 1 && p->facts.mtu >= PPP_MTU_MIN && p->facts.mtu <= LCP_MRU_DEFAULT);
		MUST(p->facts.ip4.family == IP_V4 ? ipcp_is_usable(p->facts.ip4.b) : p->facts.has_ip6_iid);
		MUST(!p->facts.has_ip6_iid || p->facts.mtu >= PPP_MTU_MIN_IP6);
	}
	MUST(ppp_waiting(p)[0] != '\0');
	ppp_explain_end(p, &f);
	MUST(f.err < 0 && f.text[0] != '\0');
}

static void step(struct run *r, uint8_t what, const uint8_t *p, size_t n)
{
	unsigned which = what >> 3 & 3;

	switch ((what & 7) % KINDS) {
	case RAW:
		input(r, protocols[which], p, n);
		break;
	case ANSWER:
		if (which < 3 && n > 0)
			answer(r, which, p[0], p + 1, n - 1);
		break;
	case AGREE:
		if (which < 3)
			answer(r, which, 2, r->options[which], r->n[which]);
		break;
	case LOGIN:
		input(r, PPP_CHAP, p, n);
		break;
	case TIME:
		pass_time(r, (uint64_t)n * 100);
		break;
	default:
		ppp_stop(&r->ppp, "bye", r->now);
	}
	if (r->ppp.fault.err && r->ppp.phase != PPP_TERMINATE)
		ppp_stop(&r->ppp, "bye", r->now);
	check(r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct auth_ops *const methods[] = { &easy_auth_ops, NULL };
	static struct run r;
	const struct session_env env = { .random = give_random, .ctx = &r };
	const struct ppp_owner owner = { .send = on_send, .authenticated = on_authenticated, .ctx = &r };
	const uint8_t flags = size > 0 ? data[0] : 0;
	struct ppp_conf conf = {
		.account = { .user = "alice", .password = "secret", .methods = AUTH_DEFAULT },
		.methods = methods,
		.unverified = flags & FLAG_UNVERIFIED,
		.mtu = (uint16_t)(flags & FLAG_MTU ? flags << 3 : 0),
		.env = &env,
	};
	size_t at = 1;

	memset(&r, 0, sizeof(r));
	ppp_init(&r.ppp, &conf, &owner);
	ppp_start(&r.ppp, r.now);
	check(&r);
	while (size > at && size - at >= 2) {
		uint8_t what = data[at];
		size_t n = data[at + 1];

		at += 2;
		n = n < size - at ? n : size - at;
		step(&r, what, data + at, n);
		at += (what & 7) % KINDS == TIME ? 0 : n;
	}
	pass_time(&r, 200000);
	check(&r);
	ppp_fini(&r.ppp);
	return 0;
}
