/* SPDX-License-Identifier: GPL-3.0-or-later */
/* natt.c - asking the rendezvous service where a server is.
 *
 * A request is one datagram, a bare PACK, repeated after 200, 400, ... 3200 ms. The service answers the first with a
 * cookie, which proves that we are where we say; with that it asks the server to make a hole in its NAT, and tells its
 * address. An answer with neither means that no such server is known; as such answers may also be late twins of the one
 * that brought the cookie, it takes three of them. Whoever does not know our 64-bit number is not heard. */
#include "core/softether/natt.h"

#include <stdio.h>
#include <string.h>

#include "core/softether/se_cipher.h"
#include "core/softether/se_pack.h"

#define BUDGET_MS 12000u
#define RESEND_MIN_MS 200u
#define RESEND_MAX_MS 3200u
#define ANSWER_MAX 2048u
#define REFUSALS_MAX 3u /* answers that know nothing, until we believe them */
#define COOKIES_MAX 4u  /* new cookies answered at once; a service that changes it more often waits for its turn */

static const char opcode[] = "nat_t_connect_request";

const char *natt_host(const struct ip *ip, char buf[static NATT_HOST_MAX])
{
	uint8_t hash[SHA1_SIZE];
	char hex[2];

	(void)hash_sha1(hash, &(struct slice){ ip->b, 4 }, 1);
	put_hex(hex, hash + 1, 1);
	snprintf(buf, NATT_HOST_MAX, "x%c.x%c.dev.servers.nat-traversal.softether-network.net", hex[0], hex[1]);
	return buf;
}

void natt_init(struct natt *n, const struct ip *server, const char *host, const struct session_env *env, uint64_t now_ms)
{
	*n = (struct natt){ .server = *server, .env = env, .began_ms = now_ms, .send_ms = now_ms };
	snprintf(n->host, sizeof(n->host), "%s", host);
	env->random(env->ctx, &n->tran_id, sizeof(n->tran_id));
}

/* --- answers ---------------------------------------------------------------------------------------------- */

static void fail(struct natt *n, int err, const char *why)
{
	char ip[IP_TEXT_MAX];

	n->over = true;
	fault_set(&n->fault, err, "NAT traversal to %s (%s): %s", n->host, ip_text(&n->server, ip), why);
}

/* "result_ip" and "result_port", if they are a place that one may send to. */
static bool read_place(const struct se_pack *p, struct endpoint *ret)
{
	char text[IP_TEXT_MAX];
	uint32_t port = se_pack_int(p, "result_port");
	struct slice s;
	struct ip ip;

	if (!se_pack_str(p, "result_ip", 0, &s) || s.n >= sizeof(text) || memchr(s.p, 0, s.n))
		return false;
	memcpy(text, s.p, s.n);
	text[s.n] = '\0';
	if (ip_parse(text, &ip) != 0 || ip.family != IP_V4 || !se_may_send_to(&ip, false) || port < 1 || port > 65535)
		return false;
	*ret = (struct endpoint){ .ip = ip, .port = (uint16_t)port };
	return true;
}

/* Is it an answer to us? */
static bool is_ours(const struct natt *n, const struct se_pack *p)
{
	struct slice op;
	uint64_t id;

	return se_pack_str(p, "opcode", 0, &op) && op.n == sizeof(opcode) - 1 && memcmp(op.p, opcode, op.n) == 0 &&
	       se_pack_u64(p, "tran_id", 0, &id) && id == n->tran_id;
}

/* Returns whether the answer brought a cookie that we did not have. */
static bool take_cookie(struct natt *n, const struct se_pack *p, uint64_t now_ms)
{
	uint64_t cookie;

	if (!se_pack_u64(p, "cookie", 0, &cookie) || cookie == 0 || cookie == n->cookie)
		return false;
	n->cookie = cookie;
	if (n->cookies < COOKIES_MAX) {
		n->cookies++;
		n->send_ms = now_ms;
	}
	return true;
}

static void take_answer(struct natt *n, const struct se_pack *p, uint64_t now_ms)
{
	if (se_pack_int(p, "ok") != 0) {
		if (!read_place(p, &n->at)) {
			fail(n, VE_PROTO, "the service named an address that cannot be one");
			return;
		}
		n->same_lan = se_pack_int(p, "same_lan") != 0;
		n->found = n->over = true;
	} else if (se_pack_int(p, "multi_candidates") != 0) {
		fail(n, VE_CONNECT, "several servers are behind this address (error 131); name one by another way");
	} else if (!take_cookie(n, p, now_ms) && ++n->refusals >= REFUSALS_MAX) {
		fail(n, VE_CONNECT, "the service knows no server there; is NAT traversal switched on at the server?");
	}
}

void natt_input(struct natt *n, struct slice datagram, uint64_t now_ms)
{
	struct fault why = { 0 };
	struct se_pack p;

	if (n->over || datagram.n > ANSWER_MAX || se_pack_parse(&p, datagram, &why) != 0 || !is_ours(n, &p))
		return;
	take_answer(n, &p, now_ms);
}

/* --- requests --------------------------------------------------------------------------------------------- */

static size_t put_request(struct natt *n)
{
	char ip[IP_TEXT_MAX];
	struct se_packer k;

	se_packer_init(&k, n->request, sizeof(n->request));
	se_put_str(&k, "opcode", opcode);
	se_put_int64(&k, "tran_id", n->tran_id);
	se_put_str(&k, "dest_ip", ip_text(&n->server, ip));
	se_put_int64(&k, "cookie", n->cookie);
	se_put_str(&k, "target_hostname", n->host);
	se_put_str(&k, "svc_name", "SoftEther_VPN");
	se_put_int(&k, "nat_traversal_version", 1);
	return se_packer_end(&k);
}

bool natt_output(struct natt *n, struct slice *ret, uint64_t now_ms)
{
	uint64_t wait = RESEND_MIN_MS;
	size_t size;

	if (n->over || now_ms < n->send_ms)
		return false;
	for (unsigned i = 0; i < n->tries && wait < RESEND_MAX_MS; i++)
		wait *= 2;
	n->tries++;
	n->send_ms = now_ms + wait;
	size = put_request(n);
	if (size == 0)
		return false;
	*ret = (struct slice){ n->request, size };
	return true;
}

uint64_t natt_deadline(const struct natt *n)
{
	uint64_t end = n->began_ms + BUDGET_MS;

	if (n->over)
		return UINT64_MAX;
	return n->send_ms < end ? n->send_ms : end;
}

void natt_tick(struct natt *n, uint64_t now_ms)
{
	if (!n->over && now_ms - n->began_ms >= BUDGET_MS)
		fail(n, VE_TIMEOUT, "the service did not answer within 12 s");
}
