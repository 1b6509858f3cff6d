/* SPDX-License-Identifier: GPL-3.0-or-later */
/* ipv6cp.c - IPV6CP's option table: one option, the interface identifier, which must not be zero nor the
 * same at both ends. */
#include "core/sstp/ipv6cp.h"

static struct ipv6cp *ipv6cp_of(struct ppp_fsm *f)
{
	return (struct ipv6cp *)f;
}

static bool is_zero(const uint8_t *iid)
{
	static const uint8_t zero[IPV6CP_IID];

	return memcmp(iid, zero, IPV6CP_IID) == 0;
}

/* A random identifier, never zero. It is not globally unique, and its "universal" bit says so (RFC 5072
 * 4.1). */
static void draw(struct ppp_fsm *f, uint8_t ret[static IPV6CP_IID])
{
	f->link->env->random(f->link->env->ctx, ret, IPV6CP_IID);
	ret[0] &= (uint8_t)~0x02u;
	if (is_zero(ret))
		ret[IPV6CP_IID - 1] = 1;
}

static enum ppp_verdict check_iid(struct ppp_fsm *f, unsigned row, struct slice value, struct wr *nak)
{
	struct ipv6cp *c = ipv6cp_of(f);
	uint8_t better[IPV6CP_IID];

	(void)row;
	if (!is_zero(value.p) && memcmp(value.p, c->iid, IPV6CP_IID) != 0) {
		memcpy(c->peer, value.p, IPV6CP_IID);
		return PPP_ACK;
	}
	draw(f, better);
	wr_bytes(nak, better, sizeof(better));
	return PPP_NAK;
}

static void write_iid(struct ppp_fsm *f, unsigned row, struct wr *value)
{
	(void)row;
	wr_bytes(value, ipv6cp_of(f)->iid, IPV6CP_IID);
}

static void nakked_iid(struct ppp_fsm *f, unsigned row, struct slice value)
{
	struct ipv6cp *c = ipv6cp_of(f);

	(void)row;
	if (!is_zero(value.p) && memcmp(value.p, c->peer, IPV6CP_IID) != 0)
		memcpy(c->iid, value.p, IPV6CP_IID);
	else
		draw(f, c->iid);
}

/* Without an identifier there is no address to begin with. */
static void rejected_iid(struct ppp_fsm *f, unsigned row)
{
	(void)row;
	f->give_up = true;
}

const struct ppp_option ipv6cp_options[IPV6CP_OPTIONS] = {
	{ .type = 1, .length = IPV6CP_IID, .check = check_iid, .write = write_iid, .nakked = nakked_iid,
	  .rejected = rejected_iid },
};

void ipv6cp_begin(struct ppp_fsm *f)
{
	memset(ipv6cp_of(f)->peer, 0, IPV6CP_IID);
}

void ipv6cp_init(struct ipv6cp *c, const struct ppp_fsm_ops *ops, struct ppp_link *link)
{
	*c = (struct ipv6cp){ 0 };
	ppp_fsm_init(&c->fsm, ops, link);
	draw(&c->fsm, c->iid);
}
