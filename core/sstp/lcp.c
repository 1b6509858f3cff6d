/* SPDX-License-Identifier: GPL-3.0-or-later */
/* lcp.c - LCP's option table and its own packets.
 *
 * We ask for an MRU and a magic number, nothing else: no compression of the header (SoftEther needs all of
 * it), no authentication of the server (that is what TLS and the method itself are for). Of the peer's
 * options we take those that cost nothing, and one way to log in that is allowed; for any other we propose
 * our best. */
#include "core/sstp/lcp.h"

#define MRU_MIN 68u /* the smallest packet that IPv4 may be sent in; less is a mistake */

enum { ECHO_REQ = 9, ECHO_REP = 10, DISCARD = 11, IDENTIFICATION = 12, TIME_REMAINING = 13, CODE_REJ = 7 };

static struct lcp *lcp_of(struct ppp_fsm *f)
{
	return (struct lcp *)f;
}

/* --- options ------------------------------------------------------------------------------------------ */

static uint32_t draw_magic(const struct session_env *env)
{
	uint8_t b[4];

	env->random(env->ctx, b, sizeof(b));
	return load_be32(b);
}

static enum ppp_verdict check_mru(struct ppp_fsm *f, unsigned row, struct slice value, struct wr *nak)
{
	uint16_t mru = load_be16(value.p);

	(void)row;
	if (mru < MRU_MIN) {
		wr_u16(nak, LCP_MRU_DEFAULT);
		return PPP_NAK;
	}
	lcp_of(f)->peer_mru = mru;
	return PPP_ACK;
}

static void write_mru(struct ppp_fsm *f, unsigned row, struct wr *value)
{
	(void)row;
	wr_u16(value, lcp_of(f)->mru);
}

static void nakked_mru(struct ppp_fsm *f, unsigned row, struct slice value)
{
	uint16_t mru = load_be16(value.p);

	(void)row;
	if (mru >= MRU_MIN)
		lcp_of(f)->mru = mru;
}

/* A magic number of zero is none; ours would mean that we talk to ourselves (RFC 1661 6.4). */
static enum ppp_verdict check_magic(struct ppp_fsm *f, unsigned row, struct slice value, struct wr *nak)
{
	uint32_t magic = load_be32(value.p);

	(void)row;
	if (magic != 0 && magic != lcp_of(f)->magic)
		return PPP_ACK;
	wr_u32(nak, draw_magic(f->link->env));
	return PPP_NAK;
}

static void write_magic(struct ppp_fsm *f, unsigned row, struct wr *value)
{
	(void)row;
	wr_u32(value, lcp_of(f)->magic);
}

static void nakked_magic(struct ppp_fsm *f, unsigned row, struct slice value)
{
	(void)row, (void)value; /* RFC 1661 6.4: a new one of our own, not the proposed */
	lcp_of(f)->magic = draw_magic(f->link->env);
}

static void rejected_magic(struct ppp_fsm *f, unsigned row)
{
	(void)row;
	lcp_of(f)->magic = 0;
}

static enum ppp_verdict harmless(struct ppp_fsm *f, unsigned row, struct slice value, struct wr *nak)
{
	(void)f, (void)row, (void)value, (void)nak;
	return PPP_ACK;
}

static bool is_allowed(const struct lcp *l, const struct auth_ops *m)
{
	return m->methods & l->allowed;
}

const struct auth_ops *lcp_best_method(const struct lcp *l)
{
	for (size_t i = 0; l->methods[i]; i++) {
		if (is_allowed(l, l->methods[i]))
			return l->methods[i];
	}
	return NULL;
}

static enum ppp_verdict check_auth(struct ppp_fsm *f, unsigned row, struct slice value, struct wr *nak)
{
	struct lcp *l = lcp_of(f);
	const struct auth_ops *best = lcp_best_method(l);

	(void)row;
	if (value.n < 2)
		return PPP_REJECT;
	l->peer_auth.n = min_size(value.n, sizeof(l->auth_bytes));
	memcpy(l->auth_bytes, value.p, l->peer_auth.n);
	for (size_t i = 0; l->methods[i]; i++) {
		const struct auth_ops *m = l->methods[i];

		if (is_allowed(l, m) && value.n == m->lcp_len && memcmp(value.p, m->lcp, value.n) == 0)
			l->auth = m;
	}
	if (l->auth)
		return PPP_ACK;
	if (!best)
		return PPP_REJECT;
	wr_bytes(nak, best->lcp, best->lcp_len);
	return PPP_NAK;
}

/* Everything else (callback, multilink, endpoint discriminator, ...) is rejected by having no row. */
const struct ppp_option lcp_options[LCP_OPTIONS] = {
	{ .type = 1, .length = 2, .check = check_mru, .write = write_mru, .nakked = nakked_mru },
	{ .type = 2, .length = 4, .check = harmless }, /* ACCM: nothing is escaped here */
	{ .type = 3, .length = PPP_OPTION_ANY, .check = check_auth },
	{ .type = 5, .length = 4, .check = check_magic, .write = write_magic, .nakked = nakked_magic,
	  .rejected = rejected_magic },
	{ .type = 7, .length = 0, .check = harmless }, /* PFC and ACFC: we take both forms */
	{ .type = 8, .length = 0, .check = harmless },
};

void lcp_begin(struct ppp_fsm *f)
{
	struct lcp *l = lcp_of(f);

	l->peer_mru = LCP_MRU_DEFAULT;
	l->peer_auth = (struct slice){ .p = l->auth_bytes };
	l->auth = NULL;
}

/* Count how often the server proposes the same thing that we cannot accept. Only what we really answered
 * counts: when other options are rejected first, the proposal comes again unchanged, and rightly so. */
void lcp_replied(struct ppp_fsm *f, enum ppp_verdict v)
{
	struct lcp *l = lcp_of(f);
	bool same = l->refused.n == l->peer_auth.n &&
		    memcmp(l->refused_bytes, l->auth_bytes, l->peer_auth.n) == 0;

	if (l->auth || l->peer_auth.n == 0) {
		if (v == PPP_ACK)
			l->refused.n = 0;
		return;
	}
	if (v == PPP_REJECT && lcp_best_method(l) && f->naks_sent < PPP_NAKS_MAX)
		return;
	l->refused_times = same ? l->refused_times + 1 : 1;
	l->refused = (struct slice){ .p = l->refused_bytes, .n = l->peer_auth.n };
	memcpy(l->refused_bytes, l->auth_bytes, l->peer_auth.n);
	l->insists = l->insists || l->refused_times >= PPP_REPEATS_MAX;
}

const char *lcp_auth_name(struct slice value)
{
	static const struct {
		uint8_t n, bytes[AUTH_LCP_MAX];
		const char *name;
	} names[] = {
		{ 2, { 0xc0, 0x23 }, "PAP" },
		{ 3, { 0xc2, 0x23, 0x05 }, "CHAP-MD5" },
		{ 3, { 0xc2, 0x23, 0x80 }, "MS-CHAPv1" },
		{ 3, { 0xc2, 0x23, 0x81 }, "MS-CHAPv2" },
		{ 2, { 0xc2, 0x27 }, "EAP" },
	};

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		if (names[i].n == value.n && memcmp(names[i].bytes, value.p, value.n) == 0)
			return names[i].name;
	}
	return "an unknown method";
}

/* --- packets ------------------------------------------------------------------------------------------ */

static void on_echo_request(struct lcp *l, const struct ppp_control *p)
{
	struct slice data = rd_rest(&p->data);
	uint8_t reply[PPP_INFO_MAX];

	if (data.n < 4 || data.n > PPP_INFO_MAX - PPP_CONTROL_HEADER)
		return;
	if (!rate_allows(&l->echoes, PPP_ECHOES_A_SECOND, l->fsm.now))
		return;
	memcpy(reply, data.p, data.n);
	store_be32(reply, l->magic);
	ppp_fsm_echo(&l->fsm, p->id, (struct slice){ .p = reply, .n = data.n });
}

static bool rejects_echo(const struct ppp_control *p)
{
	struct rd r = p->data;

	return rd_u8(&r) == ECHO_REQ;
}

bool lcp_other(struct ppp_fsm *f, const struct ppp_control *p)
{
	struct lcp *l = lcp_of(f);

	switch (p->code) {
	case ECHO_REQ:
		on_echo_request(l, p);
		return true;
	case CODE_REJ:
		l->no_echo = l->no_echo || rejects_echo(p);
		return true;
	case ECHO_REP: /* any packet from the peer shows that it lives; the owner counts them */
	case DISCARD:
	case IDENTIFICATION:
	case TIME_REMAINING:
		return true;
	default:
		return false;
	}
}

void lcp_echo(struct lcp *l)
{
	uint8_t magic[4];

	store_be32(magic, l->magic);
	ppp_fsm_send(&l->fsm, ECHO_REQ, (struct slice){ .p = magic, .n = sizeof(magic) });
}

void lcp_init(struct lcp *l, const struct ppp_fsm_ops *ops, struct ppp_link *link,
	      const struct auth_ops *const *methods, unsigned allowed, uint16_t mru)
{
	*l = (struct lcp){ .methods = methods, .allowed = allowed, .mru = mru };
	ppp_fsm_init(&l->fsm, ops, link);
	l->magic = draw_magic(link->env);
	lcp_begin(&l->fsm);
	l->refused.p = l->refused_bytes;
}
