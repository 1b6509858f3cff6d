/* SPDX-License-Identifier: GPL-3.0-or-later */
/* se_udp.c - UDP acceleration.
 *
 * One datagram carries one frame, or none (a keep-alive), behind a head of 23 bytes:
 *
 *     receiver's cookie 4 | sender's clock 8 | receiver's clock, echoed 8 | size 2 | flag 1 | frame
 *
 * Version 2 seals that with ChaCha20-Poly1305. Version 1 encrypts it with RC4 and proves its origin by 20 zero bytes at
 * the end: who can change a datagram on its way can forge one.
 *
 * What a datagram may do is decided in the order of se_udp_input(): size, seal, cookie, form, age; only then does it
 * change anything. The server's clock going up is news, so its source is where the server is now; an echo of our clock
 * proves that both directions work. "Ready" is not a state but a question about two points in time, last_ms and
 * stable_ms, so nothing has to happen when it changes; seen_ms, the latest time we were told, is kept only to name a
 * deadline that is in the future.
 *
 * Our clock begins at 1 with the session, so it does not tell how long this machine is up. */
#include "core/softether/se_udp.h"

#include <stdlib.h>
#include <string.h>

#include "core/err.h"
#include "core/rd.h"
#include "core/softether/se_cipher.h"
#include "core/wr.h"

#define HEAD_SIZE 23u
#define V2_OVERHEAD (SE_AEAD_NONCE + HEAD_SIZE + SE_AEAD_TAG)
#define V1_OVERHEAD (SHA1_SIZE + HEAD_SIZE + SHA1_SIZE) /* iv, head, zeros */
#define DATAGRAM_IN_MAX 2048u /* 8.8 */

#define AGE_MS 30000u     /* behind the newest: too old; an echo that old proves nothing */
#define SILENCE_MS 9000u  /* without proof: back to TCP */
#define SILENCE_FAST_MS 2100u
#define STABLE_MS 10000u  /* of proof before frames go by UDP */
#define KEEPALIVE_MIN_MS 1000u
#define KEEPALIVE_MAX_MS 3000u
#define KEEPALIVE_FAST_MIN_MS 500u
#define KEEPALIVE_FAST_MAX_MS 1000u

#define PAD_MAX 32u             /* below this, behind a frame */
#define KEEPALIVE_PAD_MAX 1000u /* behind none, so that keep-alives do not all look alike */
#define PADDED_MAX4 1426u       /* no padding beyond this size; 8.3 */
#define PADDED_MAX6 1406u

#define PATHS_MAX 9u /* three addresses, three ports */

struct se_udp {
	struct se_udp_terms t;
	const struct session_env *env;
	uint64_t began_ms, seen_ms;
	uint8_t nonce[SE_AEAD_NONCE];
	uint8_t pool[64]; /* randomness for paddings: one call of env for many frames */
	size_t pool_n;

	uint64_t peer_tick, echo;
	bool proven; /* last_ms and stable_ms mean something */
	uint64_t last_ms, stable_ms;

	bool loopback;           /* the TCP connection stays on this machine, so datagrams may too */
	struct endpoint current; /* where the server was heard last; family IP_NONE: nowhere to send to */
	struct endpoint nat;     /* what it told by TCP; each half may be absent */
	uint64_t keepalive_ms;
	struct endpoint paths[PATHS_MAX]; /* the keep-alive is due for these */
	size_t npaths;

	uint8_t plain[DATAGRAM_IN_MAX];
};

_Static_assert(FRAME_MAX + V2_OVERHEAD + PAD_MAX <= SE_UDP_DATAGRAM_MAX, "a frame, version 2");
_Static_assert(FRAME_MAX + V1_OVERHEAD + PAD_MAX <= SE_UDP_DATAGRAM_MAX, "a frame, version 1");
_Static_assert(KEEPALIVE_PAD_MAX + V1_OVERHEAD <= SE_UDP_DATAGRAM_MAX, "a keep-alive");

/* --- small things ----------------------------------------------------------------------------------------- */

static uint64_t our_tick(const struct se_udp *u, uint64_t now_ms)
{
	return now_ms - u->began_ms + 1;
}

static void saw(struct se_udp *u, uint64_t now_ms)
{
	if (now_ms > u->seen_ms)
		u->seen_ms = now_ms;
}

static uint64_t silence_ms(const struct se_udp *u)
{
	return u->t.fast ? SILENCE_FAST_MS : SILENCE_MS;
}

/* A random number below @below (at most 65536). */
static uint32_t random_below(struct se_udp *u, uint32_t below)
{
	uint8_t *p;

	if (u->pool_n < 2) {
		u->env->random(u->env->ctx, u->pool, sizeof(u->pool));
		u->pool_n = sizeof(u->pool);
	}
	u->pool_n -= 2;
	p = u->pool + u->pool_n;
	return (uint32_t)load_be16(p) * below >> 16;
}

/* A place the server named, or nowhere. */
static struct endpoint usable(const struct se_udp *u, const struct endpoint *e)
{
	if (e->port == 0 || e->ip.family != u->t.primary.ip.family || !se_may_send_to(&e->ip, u->loopback))
		return (struct endpoint){ .ip.family = IP_NONE };
	return *e;
}

/* --- sealing ---------------------------------------------------------------------------------------------- */

static size_t overhead(const struct se_udp *u)
{
	return u->t.version == 2 ? V2_OVERHEAD : V1_OVERHEAD;
}

static size_t pad_size(struct se_udp *u, size_t frame)
{
	size_t limit = u->t.primary.ip.family == IP_V6 ? PADDED_MAX6 : PADDED_MAX4, below = PAD_MAX;
	size_t size = frame + overhead(u);

	if (frame == 0)
		below = limit = KEEPALIVE_PAD_MAX;
	if (size >= limit)
		return 0;
	return random_below(u, (uint32_t)min_size(below, limit - size));
}

static void put_inner(const struct se_udp *u, struct wr *w, const struct slice *v, size_t nv, size_t n, bool compressed,
		      uint64_t now_ms)
{
	wr_u32(w, u->t.their_cookie);
	wr_u64(w, our_tick(u, now_ms));
	wr_u64(w, u->peer_tick);
	wr_u16(w, (uint16_t)n);
	wr_u8(w, compressed ? 1 : 0);
	for (size_t i = 0; i < nv; i++)
		wr_bytes(w, v[i].p, v[i].n);
}

static void put_zeros(struct wr *w, size_t n)
{
	uint8_t *p = wr_space(w, n);

	if (p)
		memset(p, 0, n);
}

static size_t seal_v2(struct se_udp *u, const struct slice *v, size_t nv, size_t n, bool compressed, uint8_t *to,
		      uint64_t now_ms)
{
	struct wr w = wr_init(to, SE_UDP_DATAGRAM_MAX - SE_AEAD_TAG);

	se_nonce_next(u->nonce);
	wr_bytes(&w, u->nonce, sizeof(u->nonce));
	put_inner(u, &w, v, nv, n, compressed, now_ms);
	put_zeros(&w, pad_size(u, n));
	if (!wr_ok(&w) || se_aead_seal(u->t.our_key2, u->nonce, to + SE_AEAD_NONCE, w.n - SE_AEAD_NONCE) != 0)
		return 0;
	return w.n + SE_AEAD_TAG;
}

static size_t seal_v1(struct se_udp *u, const struct slice *v, size_t nv, size_t n, bool compressed, uint8_t *to,
		      uint64_t now_ms)
{
	struct wr w = wr_init(to, SE_UDP_DATAGRAM_MAX);
	uint8_t *iv = wr_space(&w, SHA1_SIZE);

	u->env->random(u->env->ctx, iv, SHA1_SIZE);
	put_inner(u, &w, v, nv, n, compressed, now_ms);
	put_zeros(&w, pad_size(u, n) + SHA1_SIZE);
	if (!wr_ok(&w) || se_rc4(u->t.our_key1, iv, to + SHA1_SIZE, w.n - SHA1_SIZE) != 0)
		return 0;
	return w.n;
}

static size_t seal(struct se_udp *u, const struct slice *v, size_t nv, size_t n, bool compressed, uint8_t *to,
		   uint64_t now_ms)
{
	saw(u, now_ms);
	return u->t.version == 2 ? seal_v2(u, v, nv, n, compressed, to, now_ms)
				 : seal_v1(u, v, nv, n, compressed, to, now_ms);
}

size_t se_udp_seal(struct se_udp *u, const struct slice *v, size_t nv, bool compressed,
		   uint8_t to[static SE_UDP_DATAGRAM_MAX], struct endpoint *ret_to, uint64_t now_ms)
{
	size_t n = 0, size;

	for (size_t i = 0; i < nv; i++) {
		if (v[i].n > FRAME_MAX - n)
			return 0;
		n += v[i].n;
	}
	if (n == 0 || u->current.ip.family == IP_NONE)
		return 0;
	size = seal(u, v, nv, n, compressed, to, now_ms);
	if (size > 0)
		*ret_to = u->current;
	return size;
}

/* --- opening ---------------------------------------------------------------------------------------------- */

/* Decrypt into u->plain and check where it comes from. *ret is the inner packet with its padding. */
static bool open_v2(struct se_udp *u, struct slice d, struct slice *ret)
{
	if (d.n < V2_OVERHEAD || d.n > DATAGRAM_IN_MAX)
		return false;
	*ret = (struct slice){ u->plain, d.n - SE_AEAD_NONCE - SE_AEAD_TAG };
	return se_aead_open(u->t.their_key2, d.p, (struct slice){ d.p + SE_AEAD_NONCE, d.n - SE_AEAD_NONCE },
			    u->plain) == 0;
}

static bool open_v1(struct se_udp *u, struct slice d, struct slice *ret)
{
	static const uint8_t zeros[SHA1_SIZE];
	size_t n = d.n - SHA1_SIZE;

	if (d.n < V1_OVERHEAD || d.n > DATAGRAM_IN_MAX)
		return false;
	memcpy(u->plain, d.p + SHA1_SIZE, n);
	*ret = (struct slice){ u->plain, n - SHA1_SIZE };
	return se_rc4(u->t.their_key1, d.p, u->plain, n) == 0 && !ct_differ(u->plain + ret->n, zeros, sizeof(zeros));
}

struct inner {
	uint64_t tick, echo;
	uint8_t flag;
	struct slice frame;
};

/* Is the inner packet for us, in order, and not from too long ago? */
static bool parse(const struct se_udp *u, struct slice plain, struct inner *ret, uint64_t now_ms)
{
	struct rd in = rd_init(plain.p, plain.n);
	uint32_t cookie = rd_u32(&in);
	size_t n;

	ret->tick = rd_u64(&in);
	ret->echo = rd_u64(&in);
	n = rd_u16(&in);
	ret->flag = rd_u8(&in);
	ret->frame = (struct slice){ rd_bytes(&in, n), n };
	if (!rd_ok(&in) || cookie != u->t.our_cookie || n > FRAME_MAX || ret->flag > 1)
		return false;
	if (ret->echo > our_tick(u, now_ms))
		return false; /* a time that we did not have yet */
	return ret->tick >= u->peer_tick || u->peer_tick - ret->tick < AGE_MS;
}

/* A moment in which both directions are known to work. */
static void proof(struct se_udp *u, uint64_t now_ms)
{
	if (!u->proven || now_ms - u->last_ms > silence_ms(u))
		u->stable_ms = now_ms;
	u->proven = true;
	u->last_ms = now_ms;
}

int se_udp_input(struct se_udp *u, const struct endpoint *from, struct slice datagram, struct slice *ret,
		 bool *ret_compressed, uint64_t now_ms)
{
	struct slice plain;
	struct inner in;

	saw(u, now_ms);
	if (!(u->t.version == 2 ? open_v2(u, datagram, &plain) : open_v1(u, datagram, &plain)) ||
	    !parse(u, plain, &in, now_ms))
		return VE_PROTO;
	if (in.tick > u->peer_tick) {
		struct endpoint e = usable(u, from);

		u->peer_tick = in.tick;
		if (e.ip.family != IP_NONE)
			u->current = e;
	}
	if (in.echo > u->echo)
		u->echo = in.echo;
	if (u->echo != 0 && u->echo + AGE_MS >= our_tick(u, now_ms))
		proof(u, now_ms);
	if (in.frame.n == 0)
		return 0;
	*ret = in.frame;
	*ret_compressed = in.flag == 1;
	return 1;
}

bool se_udp_ready(const struct se_udp *u, uint64_t now_ms)
{
	return u->proven && u->current.ip.family != IP_NONE && now_ms - u->last_ms <= silence_ms(u) &&
	       now_ms - u->stable_ms >= STABLE_MS;
}

/* --- keep-alives ------------------------------------------------------------------------------------------ */

static void add_path(struct se_udp *u, const struct ip *ip, uint16_t port)
{
	struct endpoint e = { .ip = *ip, .port = port };

	e = usable(u, &e);
	if (e.ip.family == IP_NONE)
		return;
	for (size_t i = 0; i < u->npaths; i++) {
		if (endpoint_equal(&u->paths[i], &e))
			return;
	}
	u->paths[u->npaths++] = e;
}

/* Where the next keep-alive goes: to the one place that works, or wherever the server may be. The last is sent first. */
static void choose_paths(struct se_udp *u, uint64_t now_ms)
{
	const struct ip *ips[] = { &u->current.ip, &u->t.secondary.ip, &u->nat.ip };
	const uint16_t ports[] = { u->current.port, u->t.primary.port, u->nat.port };
	bool ready = se_udp_ready(u, now_ms);

	u->npaths = 0;
	for (size_t i = 0; i < (ready ? 1 : ARRAY_LEN(ips)); i++) {
		for (size_t j = 0; j < (ready ? 1 : ARRAY_LEN(ports)); j++)
			add_path(u, ips[i], ports[j]);
	}
}

static uint64_t keepalive_interval(struct se_udp *u)
{
	uint32_t low = u->t.fast ? KEEPALIVE_FAST_MIN_MS : KEEPALIVE_MIN_MS;
	uint32_t high = u->t.fast ? KEEPALIVE_FAST_MAX_MS : KEEPALIVE_MAX_MS;

	return low + random_below(u, high - low + 1);
}

size_t se_udp_keepalive(struct se_udp *u, uint8_t to[static SE_UDP_DATAGRAM_MAX], struct endpoint *ret_to,
			uint64_t now_ms)
{
	size_t size;

	saw(u, now_ms);
	if (now_ms >= u->keepalive_ms) {
		choose_paths(u, now_ms);
		u->keepalive_ms = now_ms + keepalive_interval(u);
	}
	if (u->npaths == 0)
		return 0;
	u->npaths--;
	size = seal(u, NULL, 0, 0, false, to, now_ms);
	if (size > 0)
		*ret_to = u->paths[u->npaths];
	return size;
}

/* IPv4 may come in the clothes of IPv6. */
static struct ip unmap(const struct ip *ip)
{
	static const uint8_t prefix[12] = { [10] = 0xff, [11] = 0xff };
	struct ip v4 = { .family = IP_V4 };

	if (ip->family != IP_V6 || memcmp(ip->b, prefix, sizeof(prefix)) != 0)
		return *ip;
	memcpy(v4.b, ip->b + sizeof(prefix), 4);
	return v4;
}

void se_udp_their_nat(struct se_udp *u, uint16_t port, const struct ip *ip)
{
	struct endpoint nat = { .port = port };

	if (ip)
		nat.ip = unmap(ip);
	if (port != 0 && port != u->nat.port)
		u->keepalive_ms = 0;
	u->nat = nat;
}

uint64_t se_udp_deadline(const struct se_udp *u)
{
	uint64_t at = u->npaths > 0 ? 0 : u->keepalive_ms;
	const uint64_t turns[] = { u->stable_ms + STABLE_MS, u->last_ms + silence_ms(u) + 1 };

	for (size_t i = 0; i < ARRAY_LEN(turns) && u->proven; i++) {
		if (turns[i] > u->seen_ms && turns[i] < at)
			at = turns[i];
	}
	return at;
}

uint16_t se_udp_frame_max(const struct se_udp *u)
{
	size_t ip = u->t.primary.ip.family == IP_V6 ? 40 : 20;

	return (uint16_t)(1500 - ip - 8 - overhead(u));
}

/* --- life ------------------------------------------------------------------------------------------------- */

int se_udp_new(struct se_udp **ret, const struct se_udp_terms *t, const struct session_env *env, uint64_t now_ms)
{
	struct se_udp *u = calloc(1, sizeof(*u));

	if (!u)
		return VE_NOMEM;
	u->t = *t;
	u->env = env;
	u->began_ms = u->seen_ms = u->keepalive_ms = now_ms;
	u->loopback = se_is_loopback(&t->primary.ip);
	u->current = usable(u, &t->primary);
	env->random(env->ctx, u->nonce, sizeof(u->nonce));
	*ret = u;
	return 0;
}

void se_udp_free(struct se_udp *u)
{
	if (!u)
		return;
	wipe(u, sizeof(*u));
	free(u);
}
