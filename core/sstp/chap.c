/* SPDX-License-Identifier: GPL-3.0-or-later */
/* chap.c - a Challenge is answered, the answer is repeated until a verdict comes, the verdict goes to the
 * algorithm.
 *
 * One challenge is current at a time: its identifier, value, and our Response as bytes. A verdict counts
 * once, and only for the identifier of that Response. The bounds on challenges are there because each costs
 * us a good deal of hashing. */
#include "core/sstp/chap.h"

#include "core/rd.h"
#include "core/sstp/ppp_proto.h"

enum { CHALLENGE = 1, RESPONSE = 2, SUCCESS = 3, FAILURE = 4 };

void chap_init(struct chap *c, const struct auth_ops *ops, const struct chap_algorithm *algorithm,
	       const struct auth_account *account, const struct session_env *env)
{
	*c = (struct chap){ .algorithm = algorithm };
	auth_init(&c->base, ops, account, env, "its challenge");
}

void chap_fini(struct chap *c)
{
	wipe(c, sizeof(*c));
}

void chap_start(struct auth *a, uint64_t now_ms, struct wr *out)
{
	(void)a, (void)now_ms, (void)out; /* the server begins */
}

static void resend(struct chap *c, uint64_t now_ms, struct wr *out)
{
	wr_bytes(out, c->response.p, c->response.n);
	c->base.deadline = now_ms + PPP_AUTH_RESEND_MS;
}

/* Our Response to a challenge, into the fields that keep it. */
static int answer(struct chap *c, uint8_t id, struct slice challenge)
{
	struct wr *r = &c->response;
	size_t at;
	int err;

	c->challenge = wr_init(c->challenge_bytes, sizeof(c->challenge_bytes));
	wr_bytes(&c->challenge, challenge.p, challenge.n);
	*r = wr_init(c->response_bytes, sizeof(c->response_bytes));
	wr_u8(r, RESPONSE);
	wr_u8(r, id);
	wr_u16(r, 0);
	at = r->n;
	wr_u8(r, 0);
	err = c->algorithm->respond(c, id, challenge, r);
	if (!err && wr_ok(r))
		r->p[at] = (uint8_t)(r->n - at - 1);
	wr_str(r, c->base.account->user);
	wr_patch_u16(r, 2, (uint16_t)r->n);
	if (!err && !wr_ok(r))
		err = VE_LIMIT;
	c->id = id;
	return err;
}

static bool same_challenge(const struct chap *c, uint8_t id, struct slice value)
{
	return c->answered && c->id == id && c->challenge.n == value.n &&
	       memcmp(c->challenge.p, value.p, value.n) == 0;
}

static void on_challenge(struct chap *c, uint8_t id, struct rd body, uint64_t now_ms, struct wr *out)
{
	struct slice value;
	int err;

	value.n = rd_u8(&body);
	value.p = rd_bytes(&body, value.n);
	if (!value.p || value.n < c->algorithm->challenge_min || value.n > c->algorithm->challenge_max)
		return;
	if (same_challenge(c, id, value)) {
		if (!c->settled)
			resend(c, now_ms, out);
		return;
	}
	if (c->base.state == AUTH_OK && now_ms - c->answered_ms < PPP_RECHALLENGE_MS)
		return;
	if (c->base.state == AUTH_GOING && ++c->challenges > PPP_CHALLENGES_MAX) {
		c->base.state = AUTH_FAILED;
		fault_set(&c->base.fault, VE_PROTO,
			  "the server keeps asking for the password and never says whether it is right");
		return;
	}
	err = answer(c, id, value);
	if (err) {
		c->base.state = AUTH_FAILED;
		fault_set(&c->base.fault, err, "cannot compute the answer to the server's challenge: %s",
			  ve_name(err));
		return;
	}
	c->answered = true;
	c->settled = false;
	c->resends = 0;
	c->answered_ms = now_ms;
	c->base.waiting = auth_waits_verdict;
	resend(c, now_ms, out);
}

static void on_verdict(struct chap *c, uint8_t code, uint8_t id, struct slice text)
{
	if (!c->answered || c->settled || id != c->id)
		return;
	c->settled = true;
	c->base.deadline = UINT64_MAX;
	if (code == SUCCESS)
		c->algorithm->success(c, text);
	else
		c->algorithm->failure(c, text);
}

void chap_input(struct auth *a, struct slice packet, uint64_t now_ms, struct wr *out)
{
	struct chap *c = (struct chap *)a;
	struct ppp_control p;

	if (a->state == AUTH_FAILED || ppp_control_parse(packet, &p))
		return;
	if (p.code == CHALLENGE)
		on_challenge(c, p.id, p.data, now_ms, out);
	else if (p.code == SUCCESS || p.code == FAILURE)
		on_verdict(c, p.code, p.id, rd_rest(&p.data));
}

void chap_tick(struct auth *a, uint64_t now_ms, struct wr *out)
{
	struct chap *c = (struct chap *)a;

	a->deadline = UINT64_MAX;
	if (c->answered && !c->settled && c->resends++ < PPP_AUTH_RESENDS_MAX)
		resend(c, now_ms, out);
}
