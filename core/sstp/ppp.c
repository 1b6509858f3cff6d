/* SPDX-License-Identifier: GPL-3.0-or-later */
/* ppp.c - the phases of a link, and which protocol gets a packet in which of them.
 *
 *     DEAD -> ESTABLISH -> AUTHENTICATE -> NETWORK ---> TERMINATE -> DEAD
 *               LCP          struct auth    IPCP, IPV6CP     LCP
 *
 * LCP runs always. Before it is open everything else is dropped silently (RFC 1661 3.4), afterwards an
 * unknown protocol gets a Protocol-Reject. Login comes once: what would undo it later (a new LCP request)
 * ends the link, because the binding of SSTP to the login is made only once.
 *
 * The two network protocols run side by side and neither waits for the other for long: the link is ready
 * when IPCP is up and IPV6CP is up, refused, or silent for a moment; or when IPCP has failed for good and
 * IPV6CP is up. Both failed is "no address". Later failures of IPv6 only switch IPv6 off. */
#include "core/sstp/ppp.h"

enum { TERM_ACK = 6, PROT_REJ = 8 };

static struct ppp *ppp_of(struct ppp_fsm *f)
{
	return f->link->ctx;
}

static void link_send(void *ctx, uint16_t protocol, struct slice packet)
{
	struct ppp *p = ctx;

	p->owner.send(p->owner.ctx, protocol, packet);
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* --- login -------------------------------------------------------------------------------------------- */

static void drop_auth(struct ppp *p)
{
	if (p->auth)
		p->auth->ops->destroy(p->auth);
	p->auth = NULL;
}

/* The words for "allowed here". */
static const char *allowed_names(const struct ppp *p, char *buf, size_t cap)
{
	struct wr w = wr_init(buf, cap - 1);

	for (size_t i = 0; p->conf.methods[i]; i++) {
		if (!(p->conf.methods[i]->methods & p->lcp.allowed))
			continue;
		if (w.n > 0)
			wr_str(&w, ", ");
		wr_str(&w, p->conf.methods[i]->name);
	}
	buf[w.n] = '\0';
	return w.n > 0 ? buf : "none";
}

static const struct auth_ops *method_of(const struct ppp *p, struct slice value)
{
	for (size_t i = 0; p->conf.methods[i]; i++) {
		const struct auth_ops *m = p->conf.methods[i];

		if (m->lcp_len == value.n && memcmp(m->lcp, value.p, value.n) == 0)
			return m;
	}
	return NULL;
}

/* The server wants to be logged in to in a way that we refuse: name both sides, and the option if it would
 * help. */
static void explain_no_common_method(const struct ppp *p, struct fault *f)
{
	const struct slice value = p->lcp.refused;
	const struct auth_ops *m = method_of(p, value);
	const char *hint = "; this program does not have it: allow MS-CHAPv2 on the server";
	char names[100];

	if (m && m->reveals && p->conf.unverified && (m->methods & p->conf.account.methods))
		hint = "; it gives the password away, and the certificate is not verified: use --ca or --pin";
	else if (m && m->methods == AUTH_PAP)
		hint = "; --auth pap allows it and trusts this server with the password";
	else if (m && m->methods == AUTH_CHAP)
		hint = "; --auth chap allows it";
	else if (m)
		hint = "; see --auth";
	fault_set_final(f, VE_AUTH,
			"no common way to log in, error 734: the server insists on %s, allowed here: %s%s",
			lcp_auth_name(value), allowed_names(p, names, sizeof(names)), hint);
}

static void become_network(struct ppp *p);

/* Send what the method wrote, then see how it stands. */
static void after_auth(struct ppp *p, const struct wr *out)
{
	struct auth *a = p->auth;

	if (wr_ok(out) && out->n > 0)
		p->owner.send(p->owner.ctx, a->ops->protocol, (struct slice){ .p = out->p, .n = out->n });
	if (a->state == AUTH_FAILED) {
		if (p->fault.err == 0)
			p->fault = a->fault;
	} else if (a->state == AUTH_OK && p->phase == PPP_AUTHENTICATE) {
		p->owner.authenticated(p->owner.ctx, a->hlak, a->ops->name);
		wipe(a->hlak, sizeof(a->hlak));
		become_network(p);
	}
}

static void start_auth(struct ppp *p)
{
	uint8_t buf[PPP_AUTH_PACKET_MAX];
	struct wr out = wr_init(buf, sizeof(buf));
	int err;

	if (!p->lcp.auth) {
		fault_set_final(&p->fault, VE_AUTH,
				"the server asks for no login at all: refused, it may be an impostor; "
				"require MS-CHAPv2 on the server");
		return;
	}
	p->phase = PPP_AUTHENTICATE;
	err = p->lcp.auth->create(&p->auth, &p->conf.account, p->conf.env);
	if (err) {
		fault_set(&p->fault, err, "cannot start %s: %s", p->lcp.auth->name, ve_name(err));
		return;
	}
	p->auth->ops->start(p->auth, p->now, &out);
	after_auth(p, &out);
	wipe(buf, sizeof(buf));
}

static void auth_input(struct ppp *p, struct slice packet)
{
	uint8_t buf[PPP_AUTH_PACKET_MAX];
	struct wr out = wr_init(buf, sizeof(buf));

	p->auth->ops->input(p->auth, packet, p->now, &out);
	after_auth(p, &out);
	wipe(buf, out.n);
}

static void auth_tick(struct ppp *p)
{
	uint8_t buf[PPP_AUTH_PACKET_MAX];
	struct wr out = wr_init(buf, sizeof(buf));

	p->auth->ops->tick(p->auth, p->now, &out);
	after_auth(p, &out);
	wipe(buf, out.n);
}

/* A network protocol's packet instead of a verdict. */
static void auth_implied(struct ppp *p)
{
	struct wr nothing = wr_init(NULL, 0);

	if (!p->auth->ops->implied)
		return;
	p->auth->ops->implied(p->auth);
	after_auth(p, &nothing);
}

/* --- addresses ---------------------------------------------------------------------------------------- */

static uint16_t within_mtu(size_t mtu)
{
	return (uint16_t)(mtu < PPP_MTU_MIN ? PPP_MTU_MIN : min_size(mtu, LCP_MRU_DEFAULT));
}

/* What both sides take, and not more than the user or experience wants. */
static uint16_t mtu_of(const struct ppp *p)
{
	size_t mtu = p->conf.mtu ? p->conf.mtu : PPP_MTU_DEFAULT;

	return within_mtu(min_size(mtu, min_size(p->lcp.peer_mru, p->lcp.mru)));
}

static void become_network(struct ppp *p)
{
	p->phase = PPP_NETWORK;
	p->facts.mtu = mtu_of(p);
	p->echo = p->now + PPP_ECHO_MS;
	ppp_fsm_open(&p->ipcp.fsm, p->now);
	ppp_fsm_up(&p->ipcp.fsm, p->now);
	if (p->facts.mtu < PPP_MTU_MIN_IP6) {
		p->net6 = PPP_NET_FAILED;
		return;
	}
	ppp_fsm_open(&p->ipv6cp.fsm, p->now);
	ppp_fsm_up(&p->ipv6cp.fsm, p->now);
}

static void become_ready(struct ppp *p)
{
	p->ready = true;
	p->grace = UINT64_MAX;
	p->ip4 = p->net4 == PPP_NET_OPEN;
	p->ip6 = p->net6 == PPP_NET_OPEN;
	p->facts.has_ip6_iid = p->ip6;
	if (p->ip6)
		memcpy(p->facts.ip6_iid, p->ipv6cp.iid, sizeof(p->facts.ip6_iid));
}

/* One of the two has moved: is it enough? */
static void settle(struct ppp *p)
{
	if (p->ready || p->fault.err)
		return;
	if (p->net4 == PPP_NET_FAILED && p->net6 == PPP_NET_FAILED)
		p->fault = p->ipcp.fault;
	else if (p->net4 != PPP_NET_PENDING && p->net6 != PPP_NET_PENDING)
		become_ready(p);
	else if (p->net4 != PPP_NET_PENDING && p->grace == UINT64_MAX)
		p->grace = p->now + (p->net4 == PPP_NET_OPEN ? PPP_IP6_GRACE_MS : PPP_IP6_ALONE_MS);
}

/* IPv4 is decided and IPV6CP has used up its time. */
static void give_up_ip6(struct ppp *p)
{
	p->grace = UINT64_MAX;
	if (p->ready)
		return;
	if (p->net4 == PPP_NET_OPEN)
		become_ready(p);
	else
		p->fault = p->ipcp.fault;
}

static bool same_ip4(const struct link_facts *a, const struct link_facts *b)
{
	return ip_equal(&a->ip4, &b->ip4);
}

/* IPCP may be negotiated anew at any time. The same address again is nothing; the facts that were given out
 * stay. */
static void ipcp_up(struct ppp_fsm *f)
{
	struct ppp *p = ppp_of(f);
	struct link_facts facts = p->facts;

	if (ipcp_result(&p->ipcp, &facts)) {
		p->net4 = PPP_NET_FAILED;
		if (p->ready)
			p->fault = p->ipcp.fault;
	} else if (!p->ready) {
		p->facts = facts;
		p->net4 = PPP_NET_OPEN;
	} else if (p->ip4 && !same_ip4(&facts, &p->facts)) {
		fault_set(&p->fault, VE_LOST, "the server gave us another address: connect again");
	}
	settle(p);
}

static void net_down(struct ppp_fsm *f)
{
	(void)f; /* renegotiation: packets go on as before until it ends, one way or the other */
}

static void ipcp_finished(struct ppp_fsm *f, enum fsm_end why)
{
	struct ppp *p = ppp_of(f);

	p->net4 = PPP_NET_FAILED;
	if (p->ready && p->ip4) {
		fault_set(&p->fault, VE_LOST, "the server took our IPv4 address back");
		return;
	}
	if (why == FSM_END_SILENCE && !f->answered)
		fault_set(&p->ipcp.fault, VE_ADDRESS,
			  "the server does not answer our request for an address (IPCP), error 720: "
			  "its address pool may be empty, or its DHCP server down");
	else if (why == FSM_END_REFUSED)
		fault_set(&p->ipcp.fault, VE_ADDRESS,
			  "the server refuses IPv4 (IPCP rejected), error 720, and gives no IPv6 either");
	else
		fault_set(&p->ipcp.fault, VE_ADDRESS,
			  "no agreement with the server about an address (IPCP), error 720: its address "
			  "pool may be empty");
	settle(p);
}

static void ipv6cp_up(struct ppp_fsm *f)
{
	struct ppp *p = ppp_of(f);

	if (p->ready)
		p->ip6 = p->ip6 && memcmp(p->facts.ip6_iid, p->ipv6cp.iid, sizeof(p->facts.ip6_iid)) == 0;
	else
		p->net6 = PPP_NET_OPEN;
	settle(p);
}

static void ipv6cp_finished(struct ppp_fsm *f, enum fsm_end why)
{
	struct ppp *p = ppp_of(f);

	(void)why;
	p->net6 = PPP_NET_FAILED;
	p->ip6 = false;
	if (p->ready && !p->ip4)
		fault_set(&p->fault, VE_LOST, "the server ended IPv6, and gave no IPv4 address");
	settle(p);
}

static const struct ppp_fsm_ops ipcp_ops = {
	.protocol = PPP_IPCP,
	.options = ipcp_options,
	.noptions = IPCP_VALUES,
	.up = ipcp_up,
	.down = net_down,
	.finished = ipcp_finished,
};

static const struct ppp_fsm_ops ipv6cp_ops = {
	.protocol = PPP_IPV6CP,
	.options = ipv6cp_options,
	.noptions = IPV6CP_OPTIONS,
	.begin = ipv6cp_begin,
	.up = ipv6cp_up,
	.down = net_down,
	.finished = ipv6cp_finished,
};

/* --- LCP ---------------------------------------------------------------------------------------------- */

static void lcp_up(struct ppp_fsm *f)
{
	struct ppp *p = ppp_of(f);

	if (p->phase == PPP_ESTABLISH)
		start_auth(p);
}

/* Before the login is through, LCP may start over. Afterwards, and when the server says goodbye, the link
 * ends. */
static void lcp_down(struct ppp_fsm *f)
{
	struct ppp *p = ppp_of(f);

	if (p->phase == PPP_NETWORK && !p->peer_ended) /* nothing but a Code-Reject comes this far */
		fault_set(&p->fault, p->ready ? VE_LOST : VE_PROTO, "the server rejects LCP, which it spoke before");
	if (p->phase != PPP_AUTHENTICATE || p->peer_ended)
		return;
	drop_auth(p);
	p->phase = PPP_ESTABLISH;
}

static void lcp_finished(struct ppp_fsm *f, enum fsm_end why)
{
	struct ppp *p = ppp_of(f);

	if (p->phase == PPP_ESTABLISH && why == FSM_END_SILENCE && !f->heard && !f->answered)
		fault_set(&p->fault, VE_TIMEOUT,
			  "the server does not answer PPP (LCP), error 718: is its VPN service running?");
	else if (p->phase == PPP_ESTABLISH && why != FSM_END_TERMINATED)
		fault_set(&p->fault, VE_PROTO,
			  "no agreement with the server about the link (LCP), error 734");
	p->phase = PPP_DEAD;
}

static void lcp_terminated(struct ppp_fsm *f, struct slice reason)
{
	struct ppp *p = ppp_of(f);

	if (!p->peer_ended)
		printable(p->goodbye_text, sizeof(p->goodbye_text), reason);
	p->peer_ended = true;
}

static void protocol_rejected(struct ppp *p, const struct ppp_control *c)
{
	struct rd r = c->data;
	uint16_t protocol = rd_u16(&r);

	if (!rd_ok(&r) || p->lcp.fsm.state != FSM_OPENED)
		return;
	if (protocol == PPP_LCP ||
	    (p->auth && p->phase == PPP_AUTHENTICATE && protocol == p->auth->ops->protocol))
		fault_set(&p->fault, VE_PROTO, "the server rejects protocol %04x, which it agreed to",
			  protocol);
	else if (p->phase == PPP_NETWORK && protocol == PPP_IPCP)
		ppp_fsm_rejected(&p->ipcp.fsm, p->now);
	else if (p->phase == PPP_NETWORK && protocol == PPP_IPV6CP)
		ppp_fsm_rejected(&p->ipv6cp.fsm, p->now);
}

static bool lcp_other_and_rejects(struct ppp_fsm *f, const struct ppp_control *c)
{
	if (c->code != PROT_REJ)
		return lcp_other(f, c);
	protocol_rejected(ppp_of(f), c);
	return true;
}

static const struct ppp_fsm_ops lcp_ops = {
	.protocol = PPP_LCP,
	.options = lcp_options,
	.noptions = LCP_OPTIONS,
	.begin = lcp_begin,
	.replied = lcp_replied,
	.up = lcp_up,
	.down = lcp_down,
	.finished = lcp_finished,
	.terminated = lcp_terminated,
	.other = lcp_other_and_rejects,
};

/* A packet that would take the open link down again after login, other than by a goodbye. */
static bool restarts_link(const struct ppp *p, struct slice packet)
{
	struct ppp_control c;

	if (p->phase != PPP_NETWORK || p->lcp.fsm.state != FSM_OPENED || ppp_control_parse(packet, &c))
		return false;
	return c.code == TERM_ACK || (ppp_fsm_is_request(&c) && !ppp_fsm_is_repeat(&p->lcp.fsm, &c));
}

static void lcp_input(struct ppp *p, struct slice packet)
{
	if (restarts_link(p, packet)) {
		fault_set(&p->fault, p->ready ? VE_LOST : VE_PROTO,
			  "the server started the link over (LCP) without a new call");
		return;
	}
	ppp_fsm_input(&p->lcp.fsm, packet, p->now);
	if (p->lcp.insists)
		explain_no_common_method(p, &p->fault);
}

/* --- packets ------------------------------------------------------------------------------------------ */

static void reject_protocol(struct ppp *p, uint16_t protocol, struct slice packet)
{
	uint8_t buf[LCP_MRU_DEFAULT];
	struct wr w = wr_init(buf, min_size(sizeof(buf), p->lcp.peer_mru) - PPP_CONTROL_HEADER);

	if (!rate_allows(&p->link.rejects, PPP_REJECTS_A_SECOND, p->now))
		return;
	wr_u16(&w, protocol);
	wr_bytes(&w, packet.p, min_size(packet.n, w.cap - w.n));
	ppp_fsm_send(&p->lcp.fsm, PROT_REJ, (struct slice){ .p = buf, .n = w.n });
}

/* A protocol that is not, or no longer, spoken here, although we know it. */
static bool is_over(const struct ppp *p, const struct ppp_fsm *f)
{
	enum ppp_net net = f == &p->ipcp.fsm ? p->net4 : p->net6;

	return net == PPP_NET_FAILED && f->state <= FSM_STOPPED;
}

static void net_input(struct ppp *p, struct ppp_fsm *f, struct slice packet)
{
	if (p->phase == PPP_AUTHENTICATE && p->auth)
		auth_implied(p);
	if (p->phase != PPP_NETWORK)
		return;
	if (is_over(p, f))
		reject_protocol(p, f->ops->protocol, packet);
	else
		ppp_fsm_input(f, packet, p->now);
}

static void other_input(struct ppp *p, uint16_t protocol, struct slice packet)
{
	if (p->lcp.fsm.state != FSM_OPENED)
		return;
	if (p->auth && protocol == p->auth->ops->protocol)
		auth_input(p, packet);
	else if (protocol == PPP_IPCP)
		net_input(p, &p->ipcp.fsm, packet);
	else if (protocol == PPP_IPV6CP)
		net_input(p, &p->ipv6cp.fsm, packet);
	else
		reject_protocol(p, protocol, packet);
}

/* Nothing happens any more, or not before the owner has begun the goodbye. */
static bool is_stuck(const struct ppp *p)
{
	return p->phase == PPP_DEAD || (p->fault.err && p->phase != PPP_TERMINATE);
}

void ppp_input(struct ppp *p, uint16_t protocol, struct slice packet, uint64_t now_ms)
{
	if (is_stuck(p))
		return;
	p->now = now_ms;
	p->heard = true;
	if (protocol == PPP_LCP)
		lcp_input(p, packet);
	else if (p->phase != PPP_TERMINATE)
		other_input(p, protocol, packet);
	p->confirmed = p->ipcp.fsm.answered || p->ipv6cp.fsm.answered;
}

/* --- life --------------------------------------------------------------------------------------------- */

void ppp_init(struct ppp *p, const struct ppp_conf *c, const struct ppp_owner *owner)
{
	unsigned allowed = c->account.methods;

	*p = (struct ppp){
		.phase = PPP_DEAD, .owner = *owner, .conf = *c, .grace = UINT64_MAX, .echo = UINT64_MAX
	};
	p->facts.kind = LINK_IP;
	p->link = (struct ppp_link){ .send = link_send, .ctx = p, .env = c->env };
	for (size_t i = 0; c->unverified && c->methods[i]; i++) {
		if (c->methods[i]->reveals)
			allowed &= ~c->methods[i]->methods;
	}
	lcp_init(&p->lcp, &lcp_ops, &p->link, c->methods, allowed,
		 c->mtu ? within_mtu(c->mtu) : LCP_MRU_DEFAULT);
	ipcp_init(&p->ipcp, &ipcp_ops, &p->link, &c->server);
	ipv6cp_init(&p->ipv6cp, &ipv6cp_ops, &p->link);
}

void ppp_fini(struct ppp *p)
{
	drop_auth(p);
	wipe(p, sizeof(*p));
}

void ppp_start(struct ppp *p, uint64_t now_ms)
{
	p->now = now_ms;
	p->phase = PPP_ESTABLISH;
	ppp_fsm_open(&p->lcp.fsm, now_ms);
	ppp_fsm_up(&p->lcp.fsm, now_ms);
}

void ppp_stop(struct ppp *p, const char *why, uint64_t now_ms)
{
	if (p->phase == PPP_DEAD || p->phase == PPP_TERMINATE)
		return;
	p->now = now_ms;
	p->phase = PPP_TERMINATE;
	ppp_fsm_close(&p->lcp.fsm, why, now_ms);
}

uint64_t ppp_deadline(const struct ppp *p)
{
	uint64_t t = p->lcp.fsm.deadline;

	if (p->phase == PPP_DEAD)
		return UINT64_MAX;
	if (p->auth && (p->phase == PPP_AUTHENTICATE || p->phase == PPP_NETWORK))
		t = earlier(t, p->auth->deadline);
	if (p->phase == PPP_NETWORK) {
		t = earlier(t, earlier(p->ipcp.fsm.deadline, p->ipv6cp.fsm.deadline));
		t = earlier(t, earlier(p->grace, p->echo));
	}
	return t;
}

/* Our echo, which also is the only thing that shows SoftEther's PPP side that we are there. */
static void echo_tick(struct ppp *p)
{
	p->misses = p->heard ? 0 : p->misses + 1;
	p->heard = false;
	p->echo = p->now + PPP_ECHO_MS;
	if (p->misses >= PPP_ECHO_MISSES_MAX && !p->lcp.no_echo)
		fault_set(&p->fault, VE_LOST,
			  "the server does not answer any more: %u LCP echoes without a reply",
			  PPP_ECHO_MISSES_MAX);
	else
		lcp_echo(&p->lcp);
}

static void network_tick(struct ppp *p)
{
	ppp_fsm_tick(&p->ipcp.fsm, p->now);
	ppp_fsm_tick(&p->ipv6cp.fsm, p->now);
	if (p->now >= p->grace)
		give_up_ip6(p);
	if (p->now >= p->echo)
		echo_tick(p);
}

void ppp_tick(struct ppp *p, uint64_t now_ms)
{
	if (is_stuck(p))
		return;
	p->now = now_ms;
	ppp_fsm_tick(&p->lcp.fsm, now_ms);
	if (p->auth && p->phase != PPP_TERMINATE && now_ms >= p->auth->deadline)
		auth_tick(p);
	if (p->phase == PPP_NETWORK)
		network_tick(p);
}

const char *ppp_waiting(const struct ppp *p)
{
	if (p->phase == PPP_ESTABLISH)
		return p->lcp.fsm.heard ? "its agreement to our link options (LCP)"
					: "its first PPP packet (LCP)";
	if (p->phase == PPP_AUTHENTICATE && p->auth)
		return p->auth->waiting;
	return "an address (IPCP)";
}

bool ppp_explain_refusal(const struct ppp *p, struct fault *f)
{
	if (p->lcp.refused.n == 0 || p->auth)
		return false;
	explain_no_common_method(p, f);
	return true;
}

void ppp_explain_end(const struct ppp *p, struct fault *f)
{
	const char *said = p->goodbye_text[0] ? ", it says: " : "";

	if (p->ready)
		fault_set(f, VE_LOST, "the server ended the connection%s%s", said, p->goodbye_text);
	else if (p->phase == PPP_NETWORK || (p->auth && p->auth->state == AUTH_OK))
		fault_set(f, VE_ADDRESS,
			  "the server accepted the login, then ended the connection before it gave us an "
			  "address, error 720: its address pool may be empty, or its DHCP server down%s%s",
			  said, p->goodbye_text);
	else if (!ppp_explain_refusal(p, f))
		fault_set(f, VE_PROTO,
			  "the server ended the connection while we waited for %s, error 619%s%s",
			  ppp_waiting(p), said, p->goodbye_text);
}
