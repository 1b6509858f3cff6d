/* SPDX-License-Identifier: GPL-3.0-or-later */

/* ppp.c - a small PPP server: LCP, a login (PAP, CHAP-MD5, MS-CHAPv2, EAP-MSCHAPv2), IPCP with DNS, IPV6CP.
 *
 * struct cp is what the three control protocols share of RFC 1661's automaton, cut down to a server that
 * always wants to open: our Configure-Request is repeated until it is acknowledged; theirs is judged option
 * by option, and rejecting goes before asking for another value. Both acknowledged: open. A request on an
 * open protocol opens it anew.
 *
 * Which login: the methods of --auth, best first; a Nak that names one of them gets it; a Reject, or the same
 * answer too often, ends the call. Timers: 1 s, ten times.
 */
#define OPENSSL_SUPPRESS_DEPRECATED
#include "test/gateway/gateway.h"

#include <arpa/inet.h>
#include <openssl/md5.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TRY_MS     1000
#define TRIES      10
#define MAX_NAKS   6
#define ANY_ANSWER (-1)

enum { OPT_ADDR = 3, OPT_DNS1 = 129, OPT_DNS2 = 131, OPT_MRU = 1, OPT_AUTH = 3, OPT_MAGIC = 5, OPT_IID = 1 };

struct ppp;

struct cp {
	unsigned proto;
	bool started, ours, theirs;     /* acknowledged: our request, their request */
	uint8_t id;
	int tries, naks;
	uint64_t next;
	/* our options into @ret (64 bytes); returns their size */
	size_t (*options)(struct ppp *p, uint8_t *ret);
	/* one option of theirs: CONF_ACK, CONF_REJ, or CONF_NAK with @ret changed (same size as @opt) */
	int (*judge)(struct ppp *p, const uint8_t *opt, uint8_t *ret);
	void (*refused)(struct ppp *p, int code, const uint8_t *opts, size_t n);
	void (*up)(struct ppp *p);
};

struct ppp {
	struct conn *c;
	struct cp lcp, ipcp, ipv6cp;
	int method;             /* METHOD_ */
	uint8_t magic[4], iid[8];
	bool no_magic, no_mru, closed;
	uint8_t auth_id;
	int auth_tries;
	uint64_t auth_next;     /* 0: nothing to repeat */
	bool authenticated, asked_identity, challenged;
	uint8_t challenge[16];
	struct mschap expected;
};

static void put16(uint8_t *p, size_t n)
{
	p[0] = (uint8_t)(n >> 8);
	p[1] = (uint8_t)n;
}

static size_t get16(const uint8_t *p)
{
	return (size_t)p[0] << 8 | p[1];
}

static void send_cp(struct ppp *p, unsigned proto, uint8_t code, uint8_t id, const void *data, size_t n)
{
	uint8_t packet[FRAME_MAX] = { code, id };

	if (n > sizeof(packet) - 8)
		n = sizeof(packet) - 8;
	put16(packet + 2, n + 4);
	if (n)
		memcpy(packet + 4, data, n);
	conn_send_ppp(p->c, proto, packet, n + 4);
}

static void request(struct ppp *p, struct cp *cp)
{
	uint8_t opts[64];
	size_t n = cp->options(p, opts);

	if (cp->proto == PROTO_LCP && gw.bad.kind == MB_LCP_MUTE)
		return;
	if (cp->proto == PROTO_IPCP && gw.bad.kind == MB_IPCP_MUTE)
		return;
	cp->next = now_ms() + TRY_MS;
	send_cp(p, cp->proto, CONF_REQ, cp->id, opts, n);
}

static void cp_start(struct ppp *p, struct cp *cp)
{
	cp->started = true;
	cp->ours = cp->theirs = false;
	cp->tries = TRIES;
	cp->id++;
	request(p, cp);
}

/* ---- LCP ---- */

static const uint8_t auth_options[][5] = {
	[METHOD_NONE] = { 0 },
	[METHOD_PAP] = { OPT_AUTH, 4, 0xc0, 0x23 },
	[METHOD_CHAP] = { OPT_AUTH, 5, 0xc2, 0x23, 5 },
	[METHOD_MSCHAPV2] = { OPT_AUTH, 5, 0xc2, 0x23, 0x81 },
	[METHOD_EAP] = { OPT_AUTH, 4, 0xc2, 0x27 },
};

static size_t lcp_options(struct ppp *p, uint8_t *ret)
{
	size_t n = auth_options[p->method][1];

	memcpy(ret, auth_options[p->method], n);
	if (!p->no_mru) {
		ret[n] = OPT_MRU;
		ret[n + 1] = 4;
		put16(ret + n + 2, gw.mru);
		n += 4;
	}
	if (!p->no_magic) {
		ret[n] = OPT_MAGIC;
		ret[n + 1] = 6;
		memcpy(ret + n + 2, p->magic, 4);
		n += 6;
	}
	return n;
}

static int lcp_judge(struct ppp *p, const uint8_t *opt, uint8_t *ret)
{
	if (gw.bad.kind == MB_LCP_REJECT)
		return CONF_REJ;
	if (opt[0] == OPT_MAGIC && opt[1] == 6)
		return CONF_ACK;
	if (opt[0] != OPT_MRU || opt[1] != 4)
		return CONF_REJ;
	if (gw.bad.kind == MB_LCP_NAK) {
		put16(ret + 2, 1000 + (size_t)p->lcp.naks % 2 * 400);
		return CONF_NAK;
	}
	if (get16(opt + 2) >= 576)
		return CONF_ACK;
	put16(ret + 2, 576);
	return CONF_NAK;
}

void ppp_terminate(struct ppp *p)
{
	if (p->closed)
		return;
	p->closed = true;
	send_cp(p, PROTO_LCP, TERM_REQ, ++p->lcp.id, "softsocks test gateway", 22);
}

static void give_up(struct ppp *p, const char *why)
{
	note(p->c, "PPP ends: %s", why);
	ppp_terminate(p);
	conn_hang_up(p->c);
}

/* The method the client asks for in its Nak, if it may have it. */
static int wanted_method(const uint8_t *opt)
{
	for (int i = 0; i < gw.nmethods; i++)
		if (memcmp(auth_options[gw.methods[i]], opt, opt[1]) == 0)
			return gw.methods[i];
	return ANY_ANSWER;
}

static int method_after(int method)
{
	for (int i = 0; i + 1 < gw.nmethods; i++)
		if (gw.methods[i] == method)
			return gw.methods[i + 1];
	return method;
}

static void lcp_refused(struct ppp *p, int code, const uint8_t *opts, size_t n)
{
	int method;

	for (size_t i = 0; i + 2 <= n && opts[i + 1] >= 2 && i + opts[i + 1] <= n; i += opts[i + 1]) {
		const uint8_t *opt = opts + i;

		if (opt[0] == OPT_MAGIC)
			p->no_magic = true;
		if (opt[0] == OPT_MRU && code == CONF_REJ)
			p->no_mru = true;
		if (opt[0] == OPT_AUTH && code == CONF_REJ) {
			give_up(p, "the client refuses to log in");
			return;
		}
		if (opt[0] == OPT_AUTH && gw.bad.kind != MB_AUTH_STUBBORN) {
			method = opt[1] <= 5 ? wanted_method(opt) : ANY_ANSWER;
			p->method = method == ANY_ANSWER ? method_after(p->method) : method;
		}
	}
}

static void auth_start(struct ppp *p);

static void lcp_up(struct ppp *p)
{
	if (p->authenticated) {
		note(p->c, "LCP was opened again");
		give_up(p, "LCP again on an open call");
		return;
	}
	auth_start(p);
}

/* ---- IPCP and IPV6CP ---- */

static size_t ipcp_options(struct ppp *p, uint8_t *ret)
{
	(void)p;
	ret[0] = OPT_ADDR;
	ret[1] = 6;
	memcpy(ret + 2, &gw.own, 4);
	return 6;
}

static int want_value(const uint8_t *opt, uint8_t *ret, const void *value, size_t n)
{
	if (opt[1] != n + 2)
		return CONF_REJ;
	if (memcmp(opt + 2, value, n) == 0)
		return CONF_ACK;
	memcpy(ret + 2, value, n);
	return CONF_NAK;
}

static int ipcp_judge(struct ppp *p, const uint8_t *opt, uint8_t *ret)
{
	struct in_addr a = p->c->addr;

	if (gw.bad.kind == MB_IPCP_REJECT)
		return CONF_REJ;
	if (opt[0] == OPT_ADDR && gw.bad.kind == MB_IPCP_ZERO)
		return CONF_ACK;
	if (opt[0] == OPT_ADDR && gw.bad.kind == MB_IPCP_NAK)
		a.s_addr = htonl(ntohl(a.s_addr) + (uint32_t)p->ipcp.naks % 100 + 1);
	if (opt[0] == OPT_ADDR)
		return want_value(opt, ret, &a, 4);
	if (opt[0] == OPT_DNS1 && gw.dns.s_addr && gw.bad.kind != MB_IPCP_NO_DNS)
		return want_value(opt, ret, &gw.dns, 4);
	return CONF_REJ;
}

static void nothing_refused(struct ppp *p, int code, const uint8_t *opts, size_t n)
{
	(void)code;
	(void)opts;
	(void)n;
	note(p->c, "the client refuses an address of ours");
}

static void ipcp_up(struct ppp *p)
{
	char text[INET_ADDRSTRLEN];

	note(p->c, "the client is %s", inet_ntop(AF_INET, &p->c->addr, text, sizeof(text)));
}

static size_t ipv6cp_options(struct ppp *p, uint8_t *ret)
{
	ret[0] = OPT_IID;
	ret[1] = 10;
	memcpy(ret + 2, p->iid, 8);
	return 10;
}

static int ipv6cp_judge(struct ppp *p, const uint8_t *opt, uint8_t *ret)
{
	static const uint8_t zero[8];

	if (opt[0] != OPT_IID || opt[1] != 10)
		return CONF_REJ;
	if (memcmp(opt + 2, zero, 8) != 0 && memcmp(opt + 2, p->iid, 8) != 0)
		return CONF_ACK;
	memcpy(ret + 2, p->iid, 8);
	ret[9] ^= 2;
	return CONF_NAK;
}

static void ipv6cp_up(struct ppp *p)
{
	note(p->c, "IPV6CP is open");
}

/* ---- what the three have in common ---- */

static void cp_open(struct ppp *p, struct cp *cp)
{
	if (cp->ours && cp->theirs && cp->started)
		cp->up(p);
}

/* Their Configure-Request. Options that cannot be taken go before those that should be different. */
static void their_request(struct ppp *p, struct cp *cp, uint8_t id, const uint8_t *opts, size_t n)
{
	uint8_t rej[FRAME_MAX], nak[FRAME_MAX];
	size_t nrej = 0, nnak = 0;
	bool was_open = cp->ours && cp->theirs;

	for (size_t i = 0; i < n;) {
		const uint8_t *opt = opts + i;
		int verdict;

		if (i + 2 > n || opt[1] < 2 || i + opt[1] > n) {
			note(p->c, "%04x: an option that does not fit", cp->proto);
			return;
		}
		memcpy(nak + nnak, opt, opt[1]);
		verdict = cp->judge(p, opt, nak + nnak);
		if (verdict == CONF_NAK)
			nnak += opt[1];
		if (verdict == CONF_REJ) {
			memcpy(rej + nrej, opt, opt[1]);
			nrej += opt[1];
		}
		i += opt[1];
	}
	if (was_open || !cp->started)
		cp_start(p, cp);
	if (p->closed)
		return;
	if (nrej || nnak) {
		cp->naks++;
		send_cp(p, cp->proto, nrej ? CONF_REJ : CONF_NAK, id, nrej ? rej : nak, nrej ? nrej : nnak);
		return;
	}
	send_cp(p, cp->proto, CONF_ACK, id, opts, n);
	if (!cp->theirs) {
		cp->theirs = true;
		cp_open(p, cp);
	}
}

static void their_answer(struct ppp *p, struct cp *cp, uint8_t code, uint8_t id, const uint8_t *opts, size_t n)
{
	if (id != cp->id || cp->ours || !cp->started)
		return;
	if (code == CONF_ACK) {
		cp->ours = true;
		cp_open(p, cp);
		return;
	}
	cp->refused(p, code, opts, n);
	if (p->closed)
		return;
	if (++cp->naks > MAX_NAKS && gw.bad.kind != MB_AUTH_STUBBORN) {
		give_up(p, "no agreement");
		return;
	}
	cp->id++;
	request(p, cp);
}

static void lcp_other(struct ppp *p, uint8_t code, uint8_t id, const uint8_t *data, size_t n)
{
	uint8_t reply[FRAME_MAX];

	if (code == ECHO_REQ && n >= 4) {
		memcpy(reply, data, n);
		memcpy(reply, p->magic, 4);
		if (p->no_magic)
			memset(reply, 0, 4);
		send_cp(p, PROTO_LCP, ECHO_REP, id, reply, n);
	}
	if (code == TERM_REQ) {
		note(p->c, "the client ends PPP");
		send_cp(p, PROTO_LCP, TERM_ACK, id, NULL, 0);
		p->closed = true;
	}
	if (code == PROTO_REJ && n >= 2) {
		note(p->c, "the client rejects protocol %04zx", get16(data));
		if (get16(data) == PROTO_IPV6CP)
			p->ipv6cp.started = false;
	}
	if (code == CODE_REJ)
		note(p->c, "the client rejects a code of LCP");
	if (code > 13)
		send_cp(p, PROTO_LCP, CODE_REJ, ++p->lcp.id, data, n);
}

static void cp_input(struct ppp *p, struct cp *cp, const uint8_t *info, size_t n)
{
	size_t len = n >= 4 ? get16(info + 2) : 0;

	if (len < 4 || len > n) {
		note(p->c, "%04x: a packet that does not fit", cp->proto);
		return;
	}
	if (cp->proto == PROTO_LCP && gw.bad.kind == MB_LCP_MUTE)
		return;
	if (cp->proto == PROTO_IPCP && gw.bad.kind == MB_IPCP_MUTE)
		return;
	if (info[0] == CONF_REQ)
		their_request(p, cp, info[1], info + 4, len - 4);
	else if (info[0] <= CONF_REJ)
		their_answer(p, cp, info[0], info[1], info + 4, len - 4);
	else if (cp->proto == PROTO_LCP)
		lcp_other(p, info[0], info[1], info + 4, len - 4);
	else if (info[0] == TERM_REQ)
		send_cp(p, cp->proto, TERM_ACK, info[1], NULL, 0);
}

/* ---- the login ---- */

static void auth_done(struct ppp *p)
{
	p->authenticated = true;
	p->auth_next = 0;
	note(p->c, "login");
	cp_start(p, &p->ipcp);
	if (gw.bad.kind != MB_NO_IPV6CP)
		cp_start(p, &p->ipv6cp);
}

static void send_chap(struct ppp *p, uint8_t code, uint8_t id, const void *data, size_t n)
{
	uint8_t packet[600] = { code, id };

	if (p->method != METHOD_EAP) {
		send_cp(p, PROTO_CHAP, code, id, data, n);
		return;
	}
	/* EAP request: type 26, then the CHAP packet with its own header */
	packet[0] = 1;
	packet[1] = ++p->auth_id;
	put16(packet + 2, n + 9);
	packet[4] = 26;
	packet[5] = code;
	packet[6] = id;
	put16(packet + 7, n + 4);
	memcpy(packet + 9, data, n);
	conn_send_ppp(p->c, PROTO_EAP, packet, n + 9);
}

static void send_challenge(struct ppp *p)
{
	uint8_t data[24] = { 16 };

	memcpy(data + 1, p->challenge, 16);
	memcpy(data + 17, "gateway", 7);
	p->challenged = true;
	send_chap(p, 1, p->auth_id, data, sizeof(data));
}

static void send_identity(struct ppp *p)
{
	const uint8_t packet[] = { 1, p->auth_id, 0, 5, 1 };

	p->asked_identity = true;
	conn_send_ppp(p->c, PROTO_EAP, packet, sizeof(packet));
}

static void auth_ask(struct ppp *p)
{
	p->auth_next = now_ms() + 3 * TRY_MS;
	if (gw.bad.kind == MB_REPEAT_CHALLENGE)
		p->auth_next = now_ms() + 50;
	if (p->method == METHOD_EAP && !p->challenged)
		send_identity(p);
	else if (p->method != METHOD_EAP && p->method != METHOD_PAP)
		send_challenge(p);
}

static void auth_start(struct ppp *p)
{
	p->auth_tries = TRIES;
	p->auth_id = 1;
	RAND_bytes(p->challenge, sizeof(p->challenge));
	if (p->method == METHOD_NONE)
		auth_done(p);
	else
		auth_ask(p);
}

static void auth_failed(struct ppp *p, uint8_t id, const char *text)
{
	const uint8_t eap[] = { 4, ++p->auth_id, 0, 4 };

	note(p->c, "login refused");
	p->auth_next = 0;
	if (p->method == METHOD_PAP)
		conn_send_ppp(p->c, PROTO_PAP, (const uint8_t[]){ 3, id, 0, 5, 0 }, 5);
	else if (p->method == METHOD_EAP && !p->challenged)
		conn_send_ppp(p->c, PROTO_EAP, eap, sizeof(eap));
	else
		send_chap(p, 4, id, text, strlen(text));
	if (gw.bad.kind == MB_RETRY_LOGIN)
		return;
	give_up(p, "login refused");
}

static void pap_input(struct ppp *p, const uint8_t *info, size_t n)
{
	static const uint8_t text[] = "\x07welcome";
	const struct user *u;
	size_t name, pass;

	if (p->method != METHOD_PAP || !p->lcp.ours || !p->lcp.theirs || n < 6 || info[0] != 1)
		return;
	name = info[4];
	if (name + 6 > n || name + 6 + (pass = info[5 + name]) > n) {
		note(p->c, "PAP: a packet that does not fit");
		return;
	}
	u = user_find(info + 5, name);
	if (gw.bad.kind == MB_REFUSE_LOGIN || !u || strlen(u->password) != pass ||
	    memcmp(u->password, info + 6 + name, pass) != 0) {
		auth_failed(p, info[1], "");
		return;
	}
	send_cp(p, PROTO_PAP, 2, info[1], text, sizeof(text) - 1);
	if (!p->authenticated)
		auth_done(p);
}

static const char *failure_text(void)
{
	if (gw.bad.kind == MB_RETRY_LOGIN)
		return "E=691 R=1 C=000102030405060708090A0B0C0D0E0F V=3 M=Once more";
	if (gw.bad.kind == MB_EXPIRED)
		return "E=648 R=0 C=000102030405060708090A0B0C0D0E0F V=3 M=Password expired";
	return "E=691 R=0 C=000102030405060708090A0B0C0D0E0F V=3 M=Authentication failed";
}

static void chap_md5(struct ppp *p, uint8_t id, const uint8_t *value, const struct user *u)
{
	uint8_t want[16];
	MD5_CTX md;

	if (u) {
		MD5_Init(&md);
		MD5_Update(&md, &id, 1);
		MD5_Update(&md, u->password, strlen(u->password));
		MD5_Update(&md, p->challenge, 16);
		MD5_Final(want, &md);
	}
	if (!u || gw.bad.kind == MB_REFUSE_LOGIN || memcmp(want, value, 16) != 0) {
		auth_failed(p, id, "no");
		return;
	}
	send_cp(p, PROTO_CHAP, 3, id, "welcome", 7);
	if (!p->authenticated)
		auth_done(p);
}

static void send_success(struct ppp *p, uint8_t id)
{
	char text[64] = "S=";

	for (int i = 0; i < 20; i++)
		snprintf(text + 2 + 2 * i, 3, "%02X", p->expected.authenticator[i] ^
			 (gw.bad.kind == MB_BAD_AUTHENTICATOR && i == 19));
	memcpy(text + 42, " M=Welcome", 11);
	if (gw.bad.kind == MB_NO_CHECK)
		memcpy(text, "M=Welcome", 10);
	send_chap(p, 3, id, text, strlen(text));
}

static void mschap_response(struct ppp *p, uint8_t id, const uint8_t *value, const uint8_t *name, size_t name_len)
{
	const struct user *u;
	size_t cut = name_len;

	while (cut > 0 && name[cut - 1] != '\\')
		cut--;
	u = user_find(name + cut, name_len - cut);
	if (!u || gw.bad.kind == MB_REFUSE_LOGIN || gw.bad.kind == MB_RETRY_LOGIN || gw.bad.kind == MB_EXPIRED ||
	    !mschap_compute((const char *)name, name_len, u->password, p->challenge, value, &p->expected) ||
	    memcmp(p->expected.response, value + 24, 24) != 0) {
		auth_failed(p, id, failure_text());
		return;
	}
	send_success(p, id);
	if (p->method != METHOD_EAP && !p->authenticated)
		auth_done(p);
	p->auth_next = 0;
}

/* A CHAP packet of @n bytes, alone or out of EAP. */
static void chap_input(struct ppp *p, const uint8_t *info, size_t n)
{
	size_t size = p->method == METHOD_CHAP ? 16 : 49, len = n >= 5 ? get16(info + 2) : 0;

	if (!p->challenged)
		return;
	if (info[0] != 2 || len > n || len < 5 + size || info[4] != size) {
		note(p->c, "CHAP: a packet that does not fit");
		return;
	}
	if (p->method == METHOD_CHAP)
		chap_md5(p, info[1], info + 5, user_find(info + 5 + size, len - 5 - size));
	else
		mschap_response(p, info[1], info + 5, info + 5 + size, len - 5 - size);
}

static void eap_input(struct ppp *p, const uint8_t *info, size_t n)
{
	size_t len = n >= 5 ? get16(info + 2) : 0;
	uint8_t success[4] = { 3, 0, 0, 4 };

	if (p->method != METHOD_EAP || p->authenticated || len < 5 || len > n || info[0] != 2 || info[1] != p->auth_id)
		return;
	if (info[4] == 1 && p->asked_identity && !p->challenged) {
		p->auth_next = 0;
		p->auth_id++;
		send_challenge(p);
	} else if (info[4] == 26 && len == 6 && info[5] == 3) {
		success[1] = p->auth_id;
		conn_send_ppp(p->c, PROTO_EAP, success, sizeof(success));
		auth_done(p);
	} else if (info[4] == 26 && len >= 10) {
		chap_input(p, info + 5, len - 5);
	} else {
		note(p->c, "EAP: the client answers with type %u", info[4]);
		p->challenged = false;
		auth_failed(p, info[1], "");
	}
}

/* ---- the outside ---- */

/* The same address for whoever comes back: the lowest that nobody has. */
static struct in_addr free_address(void)
{
	struct in_addr a = gw.first;

	for (int i = 0; i < gw.nconns; i++) {
		if (gw.conns[i] && gw.conns[i]->addr.s_addr == a.s_addr) {
			a.s_addr = htonl(ntohl(a.s_addr) + 1);
			i = -1;
		}
	}
	return a;
}

struct ppp *ppp_new(struct conn *c)
{
	struct ppp *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	p->c = c;
	c->addr = free_address();
	p->lcp = (struct cp){ .proto = PROTO_LCP, .options = lcp_options, .judge = lcp_judge,
			      .refused = lcp_refused, .up = lcp_up };
	p->ipcp = (struct cp){ .proto = PROTO_IPCP, .options = ipcp_options, .judge = ipcp_judge,
			       .refused = nothing_refused, .up = ipcp_up };
	p->ipv6cp = (struct cp){ .proto = PROTO_IPV6CP, .options = ipv6cp_options, .judge = ipv6cp_judge,
				 .refused = nothing_refused, .up = ipv6cp_up };
	p->method = gw.bad.kind == MB_ONLY ? (int)gw.bad.arg : gw.methods[0];
	RAND_bytes(p->magic, sizeof(p->magic));
	RAND_bytes(p->iid, sizeof(p->iid));
	p->iid[0] &= 0xfd;
	cp_start(p, &p->lcp);
	return p;
}

void ppp_free(struct ppp *p)
{
	free(p);
}

static void unknown_protocol(struct ppp *p, unsigned proto, const uint8_t *info, size_t n)
{
	uint8_t data[FRAME_MAX];

	note(p->c, "protocol %04x is unknown here", proto);
	if (n > 1000)
		n = 1000;
	put16(data, proto);
	memcpy(data + 2, info, n);
	send_cp(p, PROTO_LCP, PROTO_REJ, ++p->lcp.id, data, n + 2);
}

void ppp_input(struct ppp *p, unsigned proto, const uint8_t *info, size_t n)
{
	if (proto == PROTO_IP || proto == PROTO_IP6) {
		if (p->ipcp.ours && p->ipcp.theirs)
			tun_write(info, n);
		return;
	}
	if (proto == PROTO_LCP) {
		cp_input(p, &p->lcp, info, n);
		return;
	}
	if (p->closed || !p->lcp.ours || !p->lcp.theirs)
		return;
	if (proto == PROTO_PAP)
		pap_input(p, info, n);
	else if (proto == PROTO_CHAP && p->method != METHOD_EAP)
		chap_input(p, info, n);
	else if (proto == PROTO_EAP)
		eap_input(p, info, n);
	else if (proto == PROTO_IPCP && p->authenticated)
		cp_input(p, &p->ipcp, info, n);
	else if (proto == PROTO_IPV6CP && p->authenticated && gw.bad.kind != MB_NO_IPV6CP)
		cp_input(p, &p->ipv6cp, info, n);
	else
		unknown_protocol(p, proto, info, n);
}

static bool cp_tick(struct ppp *p, struct cp *cp, uint64_t now)
{
	if (!cp->started || cp->ours || now < cp->next)
		return true;
	if (--cp->tries == 0)
		return false;
	request(p, cp);
	return true;
}

void ppp_tick(struct ppp *p, uint64_t now)
{
	if (p->closed)
		return;
	if (!cp_tick(p, &p->lcp, now) || !cp_tick(p, &p->ipcp, now)) {
		give_up(p, "no answer");
		return;
	}
	if (!cp_tick(p, &p->ipv6cp, now))
		p->ipv6cp.started = false;
	if (p->auth_next && now >= p->auth_next) {
		if (--p->auth_tries == 0 && gw.bad.kind != MB_REPEAT_CHALLENGE)
			give_up(p, "no login");
		else
			auth_ask(p);
	}
}
