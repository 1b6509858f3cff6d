/* SPDX-License-Identifier: GPL-3.0-or-later */
/* pap.c - one request, repeated unchanged until the server says yes or no. */
#include "core/sstp/pap.h"

#include <stdlib.h>

#include "core/limits.h"
#include "core/sstp/ppp_proto.h"

enum { REQUEST = 1, ACK = 2, NAK = 3 };

struct pap {
	struct auth base;
	uint8_t id;
	unsigned resends;
};

static void send_request(struct pap *p, uint64_t now_ms, struct wr *out)
{
	const struct auth_account *a = p->base.account;
	size_t user = strlen(a->user), password = strlen(a->password), at = out->n;

	wr_u8(out, REQUEST);
	wr_u8(out, p->id);
	wr_u16(out, 0);
	wr_u8(out, (uint8_t)user);
	wr_bytes(out, a->user, user);
	wr_u8(out, (uint8_t)password);
	wr_bytes(out, a->password, password);
	wr_patch_u16(out, at + 2, (uint16_t)(out->n - at));
	p->base.deadline = now_ms + PPP_AUTH_RESEND_MS;
}

static void start(struct auth *a, uint64_t now_ms, struct wr *out)
{
	const struct auth_account *account = a->account;

	if (strlen(account->user) > 255 || strlen(account->password) > 255) {
		a->state = AUTH_FAILED;
		fault_set_final(&a->fault, VE_AUTH,
				"PAP cannot carry a user name or password of more than 255 bytes");
		return;
	}
	send_request((struct pap *)a, now_ms, out);
}

static void input(struct auth *a, struct slice packet, uint64_t now_ms, struct wr *out)
{
	struct pap *p = (struct pap *)a;
	struct ppp_control c;
	struct slice text;
	size_t n;

	(void)now_ms, (void)out;
	if (a->state != AUTH_GOING || ppp_control_parse(packet, &c) || c.id != p->id ||
	    (c.code != ACK && c.code != NAK))
		return;
	a->deadline = UINT64_MAX;
	if (c.code == ACK) {
		a->state = AUTH_OK;
		return;
	}
	n = rd_u8(&c.data); /* may be missing with all the message; may be more than there is */
	text = rd_rest(&c.data);
	text.n = min_size(text.n, n);
	auth_refused(a, text);
}

static void tick(struct auth *a, uint64_t now_ms, struct wr *out)
{
	struct pap *p = (struct pap *)a;

	a->deadline = UINT64_MAX;
	if (a->state == AUTH_GOING && p->resends++ < PPP_AUTH_RESENDS_MAX)
		send_request(p, now_ms, out);
}

static int create(struct auth **ret, const struct auth_account *account, const struct session_env *env)
{
	struct pap *p = calloc(1, sizeof(*p));

	if (!p)
		return VE_NOMEM;
	auth_init(&p->base, &pap_auth_ops, account, env, auth_waits_verdict);
	env->random(env->ctx, &p->id, 1);
	*ret = &p->base;
	return 0;
}

static void destroy(struct auth *a)
{
	wipe(a, sizeof(struct pap));
	free(a);
}

const struct auth_ops pap_auth_ops = {
	.methods = AUTH_PAP,
	.name = "PAP",
	.protocol = PPP_PAP,
	.lcp = { PPP_PAP >> 8, PPP_PAP & 0xff },
	.lcp_len = 2,
	.reveals = true,
	.create = create,
	.destroy = destroy,
	.start = start,
	.input = input,
	.tick = tick,
};
