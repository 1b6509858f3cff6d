/* SPDX-License-Identifier: GPL-3.0-or-later */
/* se_path.c - see se_path.h.
 *
 * A frame is sealed when it is queued, not when it is sent: then it is copied once, and the way that was chosen for it is
 * part of it. A datagram that waits while UDP fails is sent all the same; lost, it is one of many. */
#include "core/softether/se_path.h"

#include <string.h>

#include "core/limits.h"

#define ETHERNET_HEAD 14u
#define IP4_TCP_HEADS 40u
#define BULK_MSS 1277u /* what servers use over R-UDP, 9.5 */

#define NAT_PORT "NATT_MY_PORT"
#define NAT_IP "NATT_MY_IP"

/* What stands before each sealed datagram in the queue; ours alone, so it may be copied as it is. */
struct head {
	uint32_t path;
	uint32_t size;
	struct endpoint to;
};

_Static_assert(SESSION_UDP_MAX >= 4 * (sizeof(struct head) + SE_UDP_DATAGRAM_MAX), "half of the queue is no room");

int se_path_init(struct se_path *p, const struct se_welcome *w, struct se_zip *zip, const struct session_env *env,
		 uint64_t now_ms)
{
	struct slice send = { .p = w->bulk_send_key, .n = w->bulk_key_size };
	struct slice recv = { .p = w->bulk_recv_key, .n = w->bulk_key_size };

	p->zip = zip;
	p->env = env;
	p->has_bulk = w->has_bulk && rudp_bulk_init(&p->bulk, send, recv, w->bulk_hmac, env) == 0;
	if (!w->has_udp && !p->has_bulk)
		return 0;
	if (buf_init(&p->out, SESSION_UDP_MAX) != 0)
		return VE_NOMEM;
	return w->has_udp ? se_udp_new(&p->udp, &w->udp, env, now_ms) : 0;
}

void se_path_fini(struct se_path *p)
{
	se_udp_free(p->udp);
	buf_fini(&p->out);
	wipe(p, sizeof(*p));
}

/* --- out ---------------------------------------------------------------------------------------------------------- */

bool se_path_ready(const struct se_path *p, uint32_t channel, uint64_t now_ms)
{
	if (p->udp && se_udp_ready(p->udp, now_ms))
		return true;
	return p->has_bulk && channel != SE_PATH_NO_CHANNEL;
}

bool se_path_has_room(const struct se_path *p)
{
	return buf_len(&p->out) < SESSION_UDP_MAX / 2;
}

static size_t seal(struct se_path *p, struct head *h, uint32_t channel, const struct slice *v, size_t nv, bool zipped,
		   uint64_t now_ms)
{
	if (p->udp && se_udp_ready(p->udp, now_ms)) {
		h->path = SESSION_PATH_UDP;
		return se_udp_seal(p->udp, v, nv, zipped, p->sealed, &h->to, now_ms);
	}
	h->path = channel;
	return rudp_bulk_seal(&p->bulk, v, nv, zipped, p->sealed);
}

int se_path_put(struct se_path *p, uint32_t channel, const struct slice *v, size_t nv, uint64_t now_ms)
{
	uint8_t zipped[SE_ZIP_MAX];
	struct slice small = { .p = zipped };
	struct head h = { 0 };
	size_t size = 0, n;

	if (buf_room(&p->out) < sizeof(h) + sizeof(p->sealed))
		return VE_AGAIN;
	for (size_t i = 0; i < nv; i++)
		size += v[i].n;
	if (p->zip)
		small.n = se_zip_deflate(p->zip, v, nv, zipped);
	if (small.n > 0 && small.n < size)
		n = seal(p, &h, channel, &small, 1, true, now_ms);
	else
		n = seal(p, &h, channel, v, nv, false, now_ms);
	if (n == 0)
		return 0; /* too long for a datagram: lost, as on any link */
	h.size = (uint32_t)n;
	(void)buf_put(&p->out, &h, sizeof(h));
	(void)buf_put(&p->out, p->sealed, n);
	return 0;
}

bool se_path_out(struct se_path *p, struct session_datagram *ret, uint64_t now_ms)
{
	struct head h = { .path = SESSION_PATH_UDP };

	if (buf_len(&p->out) > 0) {
		struct slice queued = buf_peek(&p->out);

		memcpy(&h, queued.p, sizeof(h));
		*ret = (struct session_datagram){ .path = h.path, .to = h.to,
						  .bytes = { .p = queued.p + sizeof(h), .n = h.size } };
		buf_consume(&p->out, sizeof(h) + h.size); /* moves no byte */
		return true;
	}
	if (p->udp)
		h.size = (uint32_t)se_udp_keepalive(p->udp, p->sealed, &h.to, now_ms);
	*ret = (struct session_datagram){ .path = h.path, .to = h.to, .bytes = { .p = p->sealed, .n = h.size } };
	return h.size > 0;
}

/* --- in ----------------------------------------------------------------------------------------------------------- */

/* Returns like se_udp_input(). */
static int open_datagram(struct se_path *p, uint32_t path, const struct endpoint *from, struct slice bytes,
			 struct slice *ret, bool *zipped, uint64_t now_ms)
{
	if (path == SESSION_PATH_UDP)
		return p->udp ? se_udp_input(p->udp, from, bytes, ret, zipped, now_ms) : VE_PROTO;
	if (!p->has_bulk || bytes.n > RUDP_BULK_DATAGRAM_MAX)
		return VE_PROTO;
	return rudp_bulk_open(&p->bulk, bytes, p->opened, ret, zipped) == 0 ? 1 : VE_PROTO;
}

bool se_path_in(struct se_path *p, uint32_t path, const struct endpoint *from, struct slice bytes,
		uint8_t to[static FRAME_MAX], size_t *ret, uint64_t now_ms)
{
	struct slice frame = { 0 };
	bool zipped = false;
	int r = open_datagram(p, path, from, bytes, &frame, &zipped, now_ms);

	if (r == 0)
		return false;
	if (r > 0 && zipped)
		r = p->zip && se_zip_inflate(p->zip, frame, to, &frame) == 0 ? 1 : VE_PROTO;
	else if (r > 0 && frame.n >= FRAME_MIN && frame.n <= FRAME_MAX)
		memcpy(to, frame.p, frame.n);
	if (r < 0 || frame.n < FRAME_MIN || frame.n > FRAME_MAX) {
		p->dropped++;
		return false;
	}
	*ret = frame.n;
	return true;
}

void se_path_keepalive(struct se_path *p, struct slice filler)
{
	static const size_t port_at = sizeof(NAT_PORT) - 1, ip_at = sizeof(NAT_PORT) - 1 + 2 + sizeof(NAT_IP) - 1;
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
	struct ip ip = { .family = IP_NONE };

	if (!p->udp || filler.n < port_at + 2 || memcmp(filler.p, NAT_PORT, port_at) != 0)
		return;
	if (filler.n >= ip_at + 16 && memcmp(filler.p + port_at + 2, NAT_IP, sizeof(NAT_IP) - 1) == 0) {
		const uint8_t *at = filler.p + ip_at;
		bool is_v4 = memcmp(at, mapped, sizeof(mapped)) == 0;

		ip.family = is_v4 ? IP_V4 : IP_V6;
		memcpy(ip.b, is_v4 ? at + 12 : at, is_v4 ? 4 : 16);
	}
	se_udp_their_nat(p->udp, load_be16(filler.p + port_at), &ip);
}

/* --- facts -------------------------------------------------------------------------------------------------------- */

uint64_t se_path_deadline(const struct se_path *p)
{
	return p->udp ? se_udp_deadline(p->udp) : UINT64_MAX;
}

uint16_t se_path_mss(const struct se_path *p)
{
	uint16_t most = UINT16_MAX;

	if (p->udp)
		most = (uint16_t)(se_udp_frame_max(p->udp) - ETHERNET_HEAD - IP4_TCP_HEADS);
	if (p->has_bulk && most > BULK_MSS)
		most = BULK_MSS;
	return most == UINT16_MAX ? 0 : most;
}
